"""SFTP as a source of files: a password or a key, the host's key always checked.

Here: connecting with paramiko, listing and opening, its errors in words. Not here: what the files
hold (`files.py`).
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import paramiko
from paramiko.sftp import CMD_DATA, CMD_READ, int64

from resources.errors import LakeError, PermanentError, TransientError
from resources.files import Entry, FilesSource
from resources.options import OPTIONS
from resources.settings import Connection

#: Bytes of one request, which every server answers whole, and how many are under way at most.
_PIECE, _PIECES = 32 << 10, 64

#: What a connection's `options` may give: files on this machine, and seconds.
_OPTIONS = OPTIONS["sftp"]

# Its thread logs errors with a traceback, and raises them as well: `told` is enough.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def connect(name: str, connection: Connection) -> FilesSource:
    """The connection `name` as a source of files, to be opened by `with`."""
    return FilesSource(name, opened(name, connection))


@contextmanager
def opened(name: str, connection: Connection) -> Iterator[SftpFolder]:
    """A session; PermanentError or TransientError says what is wrong, and what to do."""
    c = connection
    where = f"{name!r} ({c.host}:{c.port or 22})"
    for key in c.options:
        if key not in _OPTIONS:
            raise PermanentError(f"{where}: unknown option {key!r}; allowed: {_OPTIONS}.")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    _load_hosts(client, where, str(c.options.get("known_hosts", "~/.ssh/known_hosts")))
    key_file = _key(where, str(c.options.get("key_file", "")))
    seconds = float(c.options.get("timeout", 10))
    try:
        client.connect(
            hostname=c.host or "",
            port=c.port or 22,
            username=c.user,
            password=c.password.reveal() if c.password else None,
            key_filename=key_file,
            look_for_keys=False,
            allow_agent=False,
            timeout=seconds,
            banner_timeout=seconds,
        )
        # Not a `with`: closing a session of a lost connection is an error of its own, after the one
        # that was told. `client.close()` below ends both.
        yield SftpFolder(where, client.open_sftp(), c.path or "")
    except LakeError:
        raise
    except (paramiko.SSHException, OSError, EOFError) as error:
        if key_file and re.search(r"(?i)private key|encountered .* key, expected", str(error)):
            raise PermanentError(
                f"{where}: key_file {key_file} holds no private key that can be used, or one under "
                "another passphrase. What to do: give the private key (without .pub, in OpenSSH's "
                "or PEM format), and its passphrase as `password`."
            ) from None
        raise told(error, where, "connecting") from None
    finally:
        client.close()


def _key(where: str, given: str) -> str | None:
    """The key's file; PermanentError names it where it cannot be read."""
    if not given:
        return None
    file = Path(given).expanduser()
    try:
        file.open("rb").close()
    except OSError as error:
        raise PermanentError(
            f"{where}: key_file {file} cannot be read: {error.strerror}. What to do: correct "
            "options.key_file, or put the key there, readable for the user that runs the lake."
        ) from None
    return str(file)


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

    @property
    def version(self) -> str:
        """What the server calls itself: `SSH-2.0-OpenSSH_9.2p1`."""
        channel = self.session.get_channel()
        return channel.get_transport().remote_version if channel else ""

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
        with self.session.open(self.path(path), "rb") as file:
            yield io.BufferedReader(_Ahead(self.session, file, f"{path} of {self.where}"), 1 << 20)

    def told(self, error: Exception, what: str) -> Exception:
        return told(error, self.where, what)


class _Ahead(io.RawIOBase):
    """An open file, with requests under way beyond what is read: more, the longer that goes on.

    paramiko's own `prefetch` does so in a thread, which asks for ever where the reader stops early,
    prints a traceback where the connection is lost, and stops being ahead where an answer is quick.
    """

    def __init__(self, session: paramiko.SFTPClient, file: paramiko.SFTPFile, what: str) -> None:
        self._session: Any = session
        self._handle = file.handle
        self._size = file.stat().st_size or 0
        self._what = what
        self._left = b""
        self._restart(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset != self._at:
            self._restart(base + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._left:
            self._left = self._next()
        taken = self._left[: len(view)]
        view[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        self._at += len(taken)
        return len(taken)

    def _restart(self, at: int) -> None:
        """Answers to what was asked before are no longer wanted."""
        self._at = self._asked = at
        self._left = b""
        self._ahead = 1
        self._waiting: deque[int] = deque()
        self._answers: dict[int, tuple[int, Any]] = {}

    def _next(self) -> bytes:
        """What follows; nothing at the end."""
        while self._asked < self._size and len(self._waiting) < self._ahead:
            length = min(_PIECE, self._size - self._asked)
            where = int64(self._asked)
            asked = self._session._async_request(self, CMD_READ, self._handle, where, length)
            self._waiting.append(asked)
            self._asked += length
        if not self._waiting:
            return b""
        while self._waiting[0] not in self._answers:
            self._session._read_response()
        kind, answer = self._answers.pop(self._waiting.popleft())
        self._ahead = min(2 * self._ahead, _PIECES)
        if kind == CMD_DATA:
            data: bytes = answer.get_string()
            if len(data) < min(_PIECE, self._size - self._at):
                # The server gives less at a time than it was asked for.
                self._restart(self._at)
                self._asked += len(data)
            return data
        with contextlib.suppress(EOFError):
            self._session._convert_status(answer)
        raise TransientError(f"{self._what}: it ended early, and so changed while being read.")

    def _async_response(self, kind: int, answer: Any, number: int) -> None:
        """An answer, as paramiko hands it over to whoever asked."""
        if number in self._waiting:
            self._answers[number] = kind, answer


def told(error: Exception, where: str, what: str) -> LakeError:
    """paramiko's or the system's error in words."""
    about = f"{what}, connection {where}"
    if isinstance(error, paramiko.BadHostKeyException):
        return PermanentError(
            f"{about}: the host's key is another than the known one. Do not go on before its owner "
            "has confirmed the change; then renew the line in known_hosts."
        )
    if "Error reading SSH protocol banner" in str(error):
        # Nothing, or something else, was said: a full sshd (MaxStartups) hangs up as well.
        return TransientError(
            f"{about}: what listens there is no SSH server, or one that takes no more logins just "
            "now. What to do: try again later; else correct `port` (22 by default), or the "
            "connection's `kind`."
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
        # paramiko's `Server connection dropped: ` ends there where the system said nothing.
        said = str(error).rstrip(" :.") or "the connection was lost"
        if said == "Failure":  # all that SFTP 3 has for it, a full disk among others
            said = "the server says Failure: is its disk full, or a quota reached"
        return TransientError(f"{about}: {said}.")
    return PermanentError(f"{about}: {type(error).__name__}.")
