"""SFTP as a source of files: a password or a key, the host's key always checked.

Here: connecting with paramiko, listing and opening, its errors in words. Not here: what the files
hold (`files.py`).
"""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import paramiko

from resources.errors import LakeError, PermanentError, TransientError
from resources.files import Entry, FilesSource
from resources.settings import Connection

#: What a connection's `options` may give: files on this machine, and seconds.
OPTIONS = ("key_file", "known_hosts", "timeout")


def connect(name: str, connection: Connection) -> FilesSource:
    """The connection `name` as a source of files, to be opened by `with`."""
    return FilesSource(name, opened(name, connection))


@contextmanager
def opened(name: str, connection: Connection) -> Iterator[SftpFolder]:
    """A session; PermanentError or TransientError says what is wrong, and what to do."""
    c = connection
    where = f"{name!r} ({c.host}:{c.port or 22})"
    for key in c.options:
        if key not in OPTIONS:
            raise PermanentError(f"{where}: unknown option {key!r}; allowed: {OPTIONS}.")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    _load_hosts(client, where, str(c.options.get("known_hosts", "~/.ssh/known_hosts")))
    key_file = c.options.get("key_file")
    try:
        client.connect(
            hostname=c.host or "",
            port=c.port or 22,
            username=c.user,
            password=c.password.reveal() if c.password else None,
            key_filename=str(Path(str(key_file)).expanduser()) if key_file else None,
            look_for_keys=False,
            allow_agent=False,
            timeout=float(c.options.get("timeout", 10)),
        )
        with client.open_sftp() as session:
            yield SftpFolder(where, session, c.path or "")
    except LakeError:
        raise
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise told(error, where, "connecting") from None
    finally:
        client.close()


def _load_hosts(client: paramiko.SSHClient, where: str, file: str) -> None:
    path = Path(file).expanduser()
    try:
        client.load_host_keys(str(path))
    except FileNotFoundError:
        raise PermanentError(
            f"{where}: the file of known hosts {path} is not there. Make it on a trusted network: "
            f"ssh-keyscan HOST > {path}, compare the key with its owner's, and give "
            "`options: {known_hosts: FILE}`."
        ) from None


class SftpFolder:
    """An open session; relative paths begin at the connection's `path`."""

    errors: tuple[type[Exception], ...] = (paramiko.SSHException, OSError, EOFError)

    def __init__(self, where: str, session: paramiko.SFTPClient, root: str) -> None:
        self.where = where
        self.session = session
        self._root = root

    def path(self, path: str) -> str:
        return path if path.startswith("/") or not self._root else f"{self._root}/{path}"

    def entries(self, folder: str) -> list[Entry]:
        return [
            Entry(one.filename, one.st_size or 0, float(one.st_mtime or 0))
            for one in self.session.listdir_attr(self.path(folder) or ".")
            if one.st_mode is not None and stat.S_ISREG(one.st_mode)
        ]

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        with self.session.open(self.path(path), "rb", bufsize=1 << 20) as file:
            # Requests ahead of what is read, bounded: 64 of 32 kB.
            file.prefetch(max_concurrent_requests=64)
            yield file  # type: ignore[misc]

    def told(self, error: Exception, what: str) -> Exception:
        return told(error, self.where, what)


def told(error: Exception, where: str, what: str) -> LakeError:
    """paramiko's or the system's error in words."""
    about = f"{what}, connection {where}"
    if isinstance(error, paramiko.BadHostKeyException):
        return PermanentError(
            f"{about}: the host's key is another than the known one. Do not go on before its owner "
            "has confirmed the change; then renew the line in known_hosts."
        )
    if isinstance(error, paramiko.AuthenticationException):
        return PermanentError(
            f"{about}: the server refuses the login. Check user, password and key_file."
        )
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        return PermanentError(
            f"{about}: the host is not in known_hosts. Add its key: ssh-keyscan, compared with its "
            "owner's."
        )
    if isinstance(error, FileNotFoundError):
        return PermanentError(f"{about}: there is no such folder or file.")
    if isinstance(error, PermissionError):
        return PermanentError(f"{about}: the user may not read it. Ask its owner for the right.")
    if isinstance(error, socket.gaierror):
        return TransientError(f"{about}: the name is not known ({error.strerror}). Check DNS.")
    unreached = paramiko.ssh_exception.NoValidConnectionsError
    if isinstance(error, TimeoutError | ConnectionError | EOFError | unreached):
        words = "the connection was lost or refused"
        return TransientError(f"{about}: {words}. Check that the server runs and is reached.")
    if isinstance(error, paramiko.SSHException | OSError):
        return TransientError(f"{about}: {error or 'the connection was lost'}.")
    return PermanentError(f"{about}: {type(error).__name__}.")
