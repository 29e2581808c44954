"""A stand-in of an SFTP server, behind the wire: this process serves a folder by paramiko.

Here: SSH on a free port of this machine alone, with keys of its own, and files of one folder. Not
here: what lies in the folder, and which connection means it (`options: {standin: …}`).
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import socket
import threading
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import SFTP_FAILURE, SFTP_OK

from resources.settings import Connection

if TYPE_CHECKING:
    from resources.settings import Settings

_USER = "lake"

# A client that goes is told by paramiko as an error, on the terminal where nobody handles it.
_LOG = "lake.sftp_standin"
logging.getLogger(_LOG).addHandler(logging.NullHandler())
logging.getLogger(_LOG).propagate = False


def sftp(settings: Settings) -> Connection:
    """The folder `<home>/sftp`, served for as long as the process runs."""
    folder = settings.home / "sftp"
    folder.mkdir(parents=True, exist_ok=True)
    return serve(folder)


def serve(folder: Path) -> Connection:
    """Serve a folder; gives the connection to it, by a key that goes when the process ends."""
    host, user = (paramiko.ECDSAKey.generate() for _ in range(2))
    keys = Path(mkdtemp(prefix="lake-sftp-"))  # of this user alone
    atexit.register(shutil.rmtree, keys, ignore_errors=True)
    user.write_private_key_file(str(keys / "user"))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    known = f"[127.0.0.1]:{port} {host.get_name()} {host.get_base64()}\n"
    (keys / "known_hosts").write_text(known)
    threading.Thread(
        target=_accept, args=(listener, host, user, folder), name="sftp stand-in", daemon=True
    ).start()
    options: dict[str, str | int | bool] = {
        "key_file": str(keys / "user"),
        "known_hosts": str(keys / "known_hosts"),
    }
    return Connection(kind="sftp", host="127.0.0.1", port=port, user=_USER, options=options)


def _accept(
    listener: socket.socket, host: paramiko.PKey, user: paramiko.PKey, folder: Path
) -> None:
    while True:
        client, _ = listener.accept()
        transport = paramiko.Transport(client)
        transport.set_log_channel(_LOG)
        transport.daemon = True
        transport.add_server_key(host)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, root=folder)
        transport.start_server(event=threading.Event(), server=_Logins(user))


class _Logins(paramiko.ServerInterface):
    """One user, by one key; sessions for sftp alone."""

    def __init__(self, user: paramiko.PKey) -> None:
        self._user = user

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = username == _USER and key == self._user
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return OPEN_SUCCEEDED
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _Handle(paramiko.SFTPHandle):
    """One open file; paramiko's own reads and writes through `readfile` and `writefile`."""

    def stat(self) -> Any:
        return _attributes(os.fstat(self.readfile.fileno()))  # type: ignore[attr-defined]


def _attributes(found: os.stat_result, name: str | None = None) -> paramiko.SFTPAttributes:
    return paramiko.SFTPAttributes.from_stat(found, name)


class _Files(paramiko.SFTPServerInterface):
    """The files below one folder: whatever is asked for, nothing outside of it is there."""

    def __init__(self, server: paramiko.ServerInterface, *_: Any, root: Path, **__: Any) -> None:
        super().__init__(server)
        self._root = root

    def _at(self, path: str) -> Path:
        # canonicalize() makes the path absolute and takes out every `..`.
        return self._root / self.canonicalize(path).lstrip("/")

    def _do(self, work: Any) -> int:
        try:
            work()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [_attributes(one.stat(), one.name) for one in self._at(path).iterdir()]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return _attributes(self._at(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> _Handle | int:
        try:
            number = os.open(self._at(path), flags | os.O_CLOEXEC, 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        mode = {os.O_WRONLY: "wb", os.O_RDWR: "r+b"}.get(flags & os.O_ACCMODE, "rb")
        file = os.fdopen(number, mode)
        handle = _Handle(flags)
        handle.readfile = handle.writefile = file  # type: ignore[attr-defined]
        return handle

    def remove(self, path: str) -> int:
        return self._do(self._at(path).unlink)

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._at(newpath).exists():  # as the protocol has it
            return SFTP_FAILURE
        return self.posix_rename(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._do(lambda: self._at(oldpath).replace(self._at(newpath)))

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return self._do(self._at(path).mkdir)

    def rmdir(self, path: str) -> int:
        return self._do(self._at(path).rmdir)
