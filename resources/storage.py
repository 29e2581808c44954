"""Cloud object storage, or any file system of fsspec's, as a source of files.

Here: opening one by its address, listing, its errors in words. Not here: what the files hold
(`files.py`). An object store has no folders: a prefix without objects is a folder without files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any
from urllib.parse import urlsplit

import fsspec

from resources.errors import LakeError, PermanentError, TransientError
from resources.files import Entry, FilesSource
from resources.settings import Connection

#: Protocol → what its file system calls the connection's user and password. Others take neither.
_SECRETS: dict[str, tuple[str | None, str]] = {
    **dict.fromkeys(("s3", "s3a"), ("key", "secret")),
    **dict.fromkeys(("abfs", "abfss", "az"), ("account_name", "account_key")),
    **dict.fromkeys(("gs", "gcs"), (None, "token")),
}
#: Options that hold a secret wherever they are known, and so have no place in a settings file.
_SECRET_OPTIONS = (
    "secret",
    "password",
    "token",
    "account_key",
    "sas_token",
    "connection_string",
    "credential",
)
#: Where a listing has the time of a change: fsspec leaves the word to each file system.
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
_FOLDERS = ("file", "local")
#: Bytes of one request.
_PIECE = 4 << 20


def connect(name: str, connection: Connection) -> FilesSource:
    """The connection `name` as a source of files, to be opened by `with`."""
    return FilesSource(name, opened(name, connection))


@contextmanager
def opened(name: str, connection: Connection) -> Iterator[StorageFolder]:
    """The file system; most ask for nothing before the first listing."""
    address = connection.path or ""
    if urlsplit(address).password is not None:
        raise PermanentError(
            f"{name!r}: the path holds a password, and paths are shown. Give it as the "
            "connection's password: env:NAME."
        )
    where = f"{name!r} ({address})"
    protocol = address.partition("://")[0] if "://" in address else "file"
    options = {**connection.options, **_login(where, protocol, connection)}
    # Neither an instance that keeps the secret for ever, nor a listing as it was a while ago.
    kept = {"skip_instance_cache": True, "use_listings_cache": False}
    try:
        filesystem, root = fsspec.core.url_to_fs(address, **options, **kept)
    except (ImportError, ValueError) as error:
        # `Install s3fs to access S3`, `Protocol not known: x`: no secret is in either.
        said = str(error) if "nstall" in str(error) or "Protocol" in str(error) else "a wrong value"
        raise PermanentError(
            f"{where}: {said}. Install what the protocol needs (pip install 'lake[s3]', gcsfs, "
            "adlfs), or correct `path` and `options`."
        ) from None
    except Exception as error:
        raise told(error, where, "opening") from None
    yield StorageFolder(where, filesystem, root, flat=protocol not in _FOLDERS)


def _login(where: str, protocol: str, connection: Connection) -> dict[str, str]:
    for option in connection.options:
        if option in _SECRET_OPTIONS:
            raise PermanentError(
                f"{where}: options.{option} would be a secret in a settings file. Give it as the "
                "connection's password: env:NAME."
            )
    given = {"user": connection.user, "password": connection.password}
    words = dict(zip(given, _SECRETS.get(protocol, (None, None)), strict=True))
    lacking = [one for one, value in given.items() if value is not None and words[one] is None]
    if lacking:
        raise PermanentError(
            f"{where}: the protocol {protocol!r} takes no {' and no '.join(lacking)} of the "
            f"connection; those that do: {', '.join(_SECRETS)} (of gs the password alone, which "
            "is the service account's file)."
        )
    login = {}
    if connection.user is not None:
        login[str(words["user"])] = connection.user
    if connection.password is not None:
        login[str(words["password"])] = connection.password.reveal()
    return login


class StorageFolder:
    """An open file system; all paths begin at the connection's `path`."""

    errors: tuple[type[Exception], ...] = (Exception,)  # each client has errors of its own

    def __init__(self, where: str, filesystem: Any, root: str, flat: bool) -> None:
        self.where = where
        self._filesystem = filesystem
        self._root = root
        self._flat = flat

    def path(self, path: str) -> str:
        return posixpath.join(self._root, path.lstrip("/")).rstrip("/")

    def entries(self, folder: str) -> list[Entry]:
        path = self.path(folder)
        try:
            found = self._filesystem.ls(path, detail=True)
        except FileNotFoundError:
            bucket = self._root.strip("/").partition("/")[0]
            if self._flat and self._filesystem.exists(bucket):
                return []
            raise
        return [
            Entry(posixpath.basename(one["name"]), one["size"] or 0, self._changed(one))
            for one in found
            # Of a file some list the file itself; of a folder made by hand, its empty marker.
            if one["type"] == "file" and one["name"].strip("/") != path.strip("/")
        ]

    def _changed(self, one: dict[str, Any]) -> float:
        found = next((one[word] for word in _TIMES if one.get(word) is not None), None)
        if found is None:
            found = self._filesystem.modified(one["name"])
        if isinstance(found, str):
            found = datetime.fromisoformat(found.replace("Z", "+00:00"))
        return found.timestamp() if isinstance(found, datetime) else float(found)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        with self._filesystem.open(self.path(path), "rb", block_size=_PIECE) as file:
            yield file

    def told(self, error: Exception, what: str) -> Exception:
        return told(error, self.where, what)


def told(error: Exception, where: str, what: str) -> LakeError:
    """A client's error in words: by its kind, as its own may hold keys and signed addresses."""
    about = f"{what}, connection {where}"
    name = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return PermanentError(f"{about}: there is no such folder, bucket or file.")
    if isinstance(error, PermissionError) or "Credential" in name or "Auth" in name:
        return PermanentError(
            f"{about}: the login or the right to it is refused ({name}). Check user and password "
            "(of S3 the key and its secret), and the right to list the bucket and get its objects."
        )
    if "certificate" in str(error).lower():
        return PermanentError(
            f"{about}: the server's certificate is not trusted ({name}). Let this machine trust "
            "the company's CA: export SSL_CERT_FILE and AWS_CA_BUNDLE with the file of it."
        )
    if isinstance(error, OSError | EOFError) or any(
        word in name for word in ("Timeout", "Connect", "Endpoint", "Payload", "SlowDown")
    ):
        return TransientError(
            f"{about}: the connection was lost or refused ({name}). Check the address (options: "
            "endpoint_url) and that it is reached from here, then try again."
        )
    return PermanentError(f"{about}: {name}. Check `path` and `options` of the connection.")
