"""Deliveries as files: to SFTP, to HDFS, to a folder; the old file or the new one, never a part.

Here: the way by a hidden name, read back and renamed, and the places files are put to. Not here:
how rows become bytes (`deliver_formats.py`), and reading files as a source (`files.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

from resources.deliver import Delivery, FileTarget, Receipt
from resources.deliver_formats import encoded
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection

#: What a killed delivery of another machine left is removed by a later one when it is this old;
#: that of this machine at once.
_LITTER_SECONDS = 86_400
_PREFIX, _SUFFIX = ".lake-", ".part"
_PIECE = 1 << 20

#: A digest and a size; None: there is no such file.
Content = tuple[str, int] | None


class Place(Protocol):
    """A file system, as much of it as delivering needs. Paths are its own, with `/`."""

    where: str
    errors: tuple[type[Exception], ...]
    route: str

    def make(self, folder: str) -> None:
        """The folder, with those above it, where it is not there."""
        ...

    def write(self, path: str, pieces: Iterator[bytes]) -> None:
        """A new file, safe where it lies when this returns."""
        ...

    def pieces(self, path: str) -> Iterator[bytes] | None:
        """The bytes of a file, None where there is none."""
        ...

    def replace(self, hidden: str, path: str) -> None:
        """Give a file another's name, whether or not there is one of it; at once."""
        ...

    def remove(self, path: str) -> None: ...

    def entries(self, folder: str) -> Iterable[tuple[str, float]]:
        """Names and times of the files of a folder."""
        ...

    def told(self, error: Exception, what: str) -> Exception:
        """The client's error in words for a person."""
        ...


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    target = delivery.target
    assert isinstance(target, FileTarget)
    _check_path(delivery.what, target.path)
    with _PLACES[connection.kind](name, connection) as place:
        rows = _Rows(delivery, f"{target.path} of {place.where}")
        try:
            size, digest, changed = put(place, target.path, rows.bytes())
        except LakeError:
            raise
        except place.errors as error:
            raise place.told(error, f"{delivery.what}, {target.path}") from None
    at = f"{target.path} of {place.where}"
    return Receipt(rows.count, size, f"{target.format}, {place.route}", at, digest, changed)


class _Rows:
    """The bytes of a delivery, and how many rows have come of it."""

    def __init__(self, delivery: Delivery, where: str) -> None:
        self.count = 0
        self._delivery = delivery
        self._where = where

    def bytes(self) -> Iterator[bytes]:
        for rows, piece in encoded(self._delivery, self._where):
            self.count += rows
            yield piece


def _check_path(what: str, path: str) -> None:
    parts = path.split("/")
    if ".." in parts or parts[-1] in ("", ".") or any(sign in path for sign in "\0\r\n"):
        raise PermanentError(
            f"{what}: {path!r} is no path of a file to deliver: it ends in the file's name, and "
            "has no '..' and no line end."
        )


def put(place: Place, path: str, pieces: Iterator[bytes]) -> tuple[int, str, bool]:
    """Bytes, SHA-256, and whether the file was changed: one that has these bytes is left alone."""
    folder = posixpath.dirname(path)
    place.make(folder)
    _sweep(place, folder)
    name = _hidden()
    hidden = posixpath.join(folder, name)
    sent = _Digest()
    _WRITING.add(name)
    try:
        place.write(hidden, sent.of(pieces))
        there = _content(place, hidden)
        if there != sent.content:
            raise TransientError(
                f"{path} of {place.where}: what lies there is not what was sent "
                f"({there[1] if there else 0:,} of {sent.size:,} bytes). The old file is as it "
                "was; try again."
            )
        changed = _content(place, path) != sent.content
        if changed:
            place.replace(hidden, path)
        else:
            place.remove(hidden)
    except BaseException:
        # On a connection that is lost a later delivery removes it.
        with contextlib.suppress(LakeError, *place.errors):
            place.remove(hidden)
        raise
    finally:
        _WRITING.discard(name)
    return sent.size, sent.content[0], changed


class _Digest:
    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def of(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self._hash.update(piece)
            yield piece

    @property
    def content(self) -> tuple[str, int]:
        return self._hash.hexdigest(), self.size


def _content(place: Place, path: str) -> Content:
    pieces = place.pieces(path)
    if pieces is None:
        return None
    digest = _Digest()
    for _ in digest.of(pieces):
        pass
    return digest.content


def _sweep(place: Place, folder: str) -> None:
    old = time.time() - _LITTER_SECONDS
    for name, changed in place.entries(folder):
        if not (name.startswith(_PREFIX) and name.endswith(_SUFFIX)):
            continue
        if changed < old or _has_ended(name):
            with contextlib.suppress(*place.errors):
                place.remove(posixpath.join(folder, name))


#: The hidden files that this process is writing.
_WRITING: set[str] = set()


def _hidden() -> str:
    """A name that says who writes it: this machine since its start, a process of it."""
    return f"{_PREFIX}{_machine()}-{os.getpid()}-{uuid.uuid4().hex}{_SUFFIX}"


def _has_ended(name: str) -> bool:
    """Whether a hidden file is of a process of this machine that no longer writes it."""
    machine, _, rest = name.removeprefix(_PREFIX).partition("-")
    process = rest.partition("-")[0]
    if machine != _machine() or not process.isdecimal():
        return False
    if int(process) == os.getpid():
        return name not in _WRITING
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        pass
    return False


@cache
def _machine() -> str:
    """As far as numbers of processes reach: a machine until it is started anew, or a container."""
    try:
        known = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        known += str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux: this process alone
        known = uuid.uuid4().hex
    return hashlib.sha256(known.encode()).hexdigest()[:12]


# -- a folder of this machine


class _Folder:
    errors: tuple[type[Exception], ...] = (OSError,)
    route = "fsync and rename"

    def __init__(self, where: str, root: Path) -> None:
        self.where = where
        self._root = root

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def make(self, folder: str) -> None:
        self._at(folder).mkdir(parents=True, exist_ok=True)

    def write(self, path: str, pieces: Iterator[bytes]) -> None:
        with self._at(path).open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())

    def pieces(self, path: str) -> Iterator[bytes] | None:
        at = self._at(path)
        return _read(at.open("rb")) if at.is_file() else None

    def replace(self, hidden: str, path: str) -> None:
        self._at(hidden).replace(self._at(path))
        folder = os.open(self._at(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, path: str) -> None:
        self._at(path).unlink(missing_ok=True)

    def entries(self, folder: str) -> Iterable[tuple[str, float]]:
        return [(one.name, one.stat().st_mtime) for one in self._at(folder).glob(f"{_PREFIX}*")]

    def told(self, error: Exception, what: str) -> Exception:
        full = isinstance(error, OSError) and error.errno in (28, 122)
        kind = TransientError if full else PermanentError
        reason = getattr(error, "strerror", None) or type(error).__name__
        return kind(f"{what}, connection {self.where}: {reason}. The old file is as it was.")


def _read(file: object) -> Iterator[bytes]:
    with file as opened:  # type: ignore[attr-defined]
        while piece := opened.read(_PIECE):
            yield piece


@contextmanager
def _storage(name: str, connection: Connection) -> Iterator[Place]:
    where = f"{name!r} ({connection.path})"
    if "://" in (connection.path or ""):
        raise PermanentError(
            f"{where}: files are delivered to folders, SFTP and HDFS; cloud storage is only read."
        )
    yield _Folder(where, Path(connection.path or ""))


# -- SFTP


@contextmanager
def _sftp(name: str, connection: Connection) -> Iterator[Place]:
    from resources import sftp

    with sftp.opened(name, connection) as folder:
        yield _Sftp(folder)


class _Sftp:
    route = "temporary name, read back, posix-rename"

    def __init__(self, folder: object) -> None:
        from resources.sftp import SftpFolder

        assert isinstance(folder, SftpFolder)
        self._folder = folder
        self._session = folder.session
        self.where = folder.where
        self.errors = folder.errors

    def make(self, folder: str) -> None:
        at = self._folder.path(folder)
        if at and not self._is_folder(at):
            self._make(at)

    def _make(self, at: str) -> None:
        above = posixpath.dirname(at)
        if above not in ("", "/", at) and not self._is_folder(above):
            self._make(above)
        try:
            self._session.mkdir(at)
        except OSError:
            if not self._is_folder(at):  # else another delivery made it
                raise

    def _is_folder(self, at: str) -> bool:
        try:
            return stat.S_ISDIR(self._session.stat(at).st_mode or 0)
        except FileNotFoundError:
            return False

    def write(self, path: str, pieces: Iterator[bytes]) -> None:
        import paramiko

        with self._session.open(self._folder.path(path), "wx") as file:
            # Answers are looked at when the file is closed, not waited for one by one.
            file.set_pipelined(True)
            for piece in pieces:
                file.write(piece)
            file.flush()
            # Not every server has it; what was written is read back in any case.
            with contextlib.suppress(OSError):
                ask = self._session._request  # type: ignore[attr-defined]
                ask(paramiko.sftp.CMD_EXTENDED, "fsync@openssh.com", file.handle)

    def pieces(self, path: str) -> Iterator[bytes] | None:
        try:
            self._session.stat(self._folder.path(path))
        except FileNotFoundError:
            return None
        return self._pieces(path)

    def _pieces(self, path: str) -> Iterator[bytes]:
        with self._folder.open(path) as file:
            while piece := file.read(_PIECE):
                yield piece

    def replace(self, hidden: str, path: str) -> None:
        old, new = self._folder.path(hidden), self._folder.path(path)
        try:
            self._session.posix_rename(old, new)
        except OSError as error:
            if "nsupported" not in str(error):
                raise
            try:
                # SFTP's own rename replaces nothing, which is enough for a new name.
                self._session.rename(old, new)
            except OSError:
                raise PermanentError(
                    f"{path} of {self.where}: this server has no posix-rename@openssh.com, so a "
                    "file cannot be replaced at once. The old file is as it was. Give each "
                    "delivery a name of its own, or have the old file taken away."
                ) from None

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._session.remove(self._folder.path(path))

    def entries(self, folder: str) -> Iterable[tuple[str, float]]:
        return [(one.name, one.changed) for one in self._folder.entries(folder)]

    def told(self, error: Exception, what: str) -> Exception:
        if isinstance(error, PermissionError):
            return PermanentError(
                f"{what}, connection {self.where}: the user may not write there. The old file is "
                "as it was. Ask its owner for the right to write and rename in the folder."
            )
        found = self._folder.told(error, what)
        return type(found)(f"{found} The old file is as it was.")


# -- HDFS


@contextmanager
def _hdfs(name: str, connection: Connection) -> Iterator[Place]:
    from resources.hdfs import Hdfs

    yield _Hdfs(Hdfs(name, connection))


class _Hdfs:
    errors: tuple[type[Exception], ...] = ()
    route = "WebHDFS, read back, rename"

    def __init__(self, hdfs: object) -> None:
        from resources.hdfs import Hdfs

        assert isinstance(hdfs, Hdfs)
        self._hdfs = hdfs
        self.where = f"{hdfs.name!r} ({'; '.join(hdfs.urls)})"

    def make(self, folder: str) -> None:
        self._hdfs.make(folder or "/")

    def write(self, path: str, pieces: Iterator[bytes]) -> None:
        upload = self._hdfs.upload(path)
        try:
            for piece in pieces:
                upload.write(piece)
            upload.close()
        except BaseException:
            upload.abort()
            raise

    def pieces(self, path: str) -> Iterator[bytes] | None:
        found = self._hdfs.status(path)
        return None if found is None else self._pieces(found.id, found.bytes)

    def _pieces(self, id_: int, size: int) -> Iterator[bytes]:
        for offset in range(0, size, 4 * _PIECE):
            yield self._hdfs.range(id_, offset, min(4 * _PIECE, size - offset)) or b""

    def replace(self, hidden: str, path: str) -> None:
        found = self._hdfs.status(hidden)
        self._hdfs.rename(hidden, path, found.id if found else 0)

    def remove(self, path: str) -> None:
        self._hdfs.remove(path)

    def entries(self, folder: str) -> Iterable[tuple[str, float]]:
        return [(one.name, one.modified) for one in self._hdfs.names(folder or "/")]

    def told(self, error: Exception, what: str) -> Exception:
        return error


_PLACES: dict[str, Callable[[str, Connection], AbstractContextManager[Place]]] = {
    "storage": _storage,
    "sftp": _sftp,
    "hdfs": _hdfs,
}
