"""The store in a folder of this machine.

Here: `Files` by the operating system: the lock that a writer holds, what is on the disk before
what, what the system refuses. Not here: the store's layout and its reading (`file_store.py`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from resources.errors import LakeError, PermanentError, TransientError
from resources.file_store import FILE, Entry, FileStore, OpenFile, ReplacedError, Sink
from resources.parquet import Profile
from resources.proof import FolderProof


class FolderStore(FileStore):
    """A store in a folder of a file system that has `flock` and an atomic rename."""

    def __init__(self, root: Path | str, profile: Profile) -> None:
        super().__init__(FolderFiles(), str(root), profile)
        self.root = Path(root)

    def duckdb_files(self) -> None:
        return None


class FolderFiles:
    """What the store needs, of a disk."""

    apart = False

    def scan(self, folder: str) -> list[Entry]:
        try:
            with os.scandir(folder) as entries:
                return [known for entry in entries if (known := _entry(entry))]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def scans(self, folders: Sequence[str]) -> list[list[Entry]]:
        return [self.scan(folder) for folder in folders]

    def make(self, folder: str) -> None:
        with _explained(folder):
            _make(Path(folder))

    def hidden(self, folder: str) -> Sink:
        """A new hidden file, locked by a descriptor that no started program inherits.

        Between creating and locking, a sweep of another process may lock it and take it for litter.
        It unlinks only while it holds the lock, so a name that is left once we hold it stays ours.
        """
        with _explained(folder):
            while True:
                path = f"{folder}/.{FILE}.{secrets.token_hex(8)}"
                fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX)
                    if os.fstat(fd).st_nlink:
                        return _Sink(path, fd)
                except BaseException:
                    Path(path).unlink(missing_ok=True)
                    os.close(fd)
                    raise
                os.close(fd)

    def create(self, path: str) -> Sink:
        with _explained(path):
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            return _Sink(path, os.open(path, flags, 0o666))

    def open(self, entry: Entry) -> OpenFile:
        try:
            with _explained(entry.path):
                return pa.OSFile(entry.path, "rb")  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise ReplacedError(
                f"{entry.path} was replaced while it was looked at. Run again."
            ) from None

    def digest(self, entry: Entry) -> str:
        with _explained(entry.path), Path(entry.path).open("rb") as file:
            found = hashlib.sha256()
            while chunk := file.read(1 << 20):
                found.update(chunk)
            return found.hexdigest()

    def proof(self) -> FolderProof:
        """Collects bytes and says whether a file here has them."""
        return FolderProof()

    def rename(self, source: str, target: str) -> bool:
        try:
            with _explained(target, errno.ENOTEMPTY, errno.EEXIST):
                os.replace(source, target)  # noqa: PTH105 - the atomic call by its own name
                _sync(Path(target).parent)
        except OSError:
            return False
        return True

    def remove(self, path: str) -> bool:
        with _explained(path, errno.ENOENT):
            try:
                if Path(path).is_dir():
                    shutil.rmtree(path)
                else:
                    Path(path).unlink()
            except FileNotFoundError:
                return False
        return True

    def litter(self, entry: Entry) -> bool:
        """Litter is what no writer holds locked."""
        try:
            fd = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False  # published or removed in between, or not ours to touch
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(entry.path)  # noqa: PTH108 - names are never used twice: still that file
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def address(self, entry: Entry) -> str:
        return entry.path


class _Sink:
    """The file as pyarrow writes to it: one descriptor, hashed in passing.

    SHA-256 in passing costs 0.01 CPU s a million rows, as reading the file again does, and needs
    no second descriptor. Closed, it swallows what an abandoned stream still wants to write.
    """

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.size = 0
        self.closed = False
        self._fd = fd
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        if not self.closed:
            with _explained(self.path):
                view = memoryview(data)
                while view:
                    view = view[os.write(self._fd, view) :]
            self._hash.update(data)
            self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing is kept back."""

    def finish(self) -> None:
        with _explained(self.path):
            os.fsync(self._fd)

    def publish(self, target: str) -> None:
        with _explained(target):
            # The lock is held over the rename: between the two, a sweep would take the file.
            os.replace(self.path, target)  # noqa: PTH105 - the atomic call by its own name
            self.close()
            _sync(Path(target).parent)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._fd)

    def discard(self) -> None:
        if not self.closed:
            with suppress(OSError):
                Path(self.path).unlink()
            self.close()


def _entry(entry: os.DirEntry[str]) -> Entry | None:
    try:
        status = entry.stat()
    except OSError:
        return None  # removed in between, or a link to nowhere
    return Entry(entry.name, entry.path, entry.is_dir(), status.st_size, status.st_mtime)


def _make(folder: Path) -> None:
    """The folder and its parents; each new name is on the disk before anything is put into it."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
        _sync(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _sync(folder: Path) -> None:
    """Put a folder's names on the disk (1 ms here; 365 partitions are not worth batching)."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


#: What the system says, and what to do about it.
_CURES: dict[int, tuple[type[LakeError], str]] = {
    errno.ENOSPC: (TransientError, "Free space on its disk, then run again."),
    errno.EDQUOT: (TransientError, "Free space in your quota there, then run again."),
    errno.EFBIG: (TransientError, "Raise the limit on file sizes (ulimit -f), then run again."),
    errno.EACCES: (PermanentError, "Give the user who runs this the right to write there."),
    errno.EPERM: (PermanentError, "Give the user who runs this the right to write there."),
    errno.EROFS: (PermanentError, "The disk is mounted read-only; choose another store.root."),
    errno.ENOTDIR: (PermanentError, "A file stands where a folder belongs; move it away."),
    errno.EISDIR: (PermanentError, "A folder stands where the file belongs; move it away."),
    errno.ENOENT: (TransientError, "Somebody removed it in the meantime. Run again."),
    errno.ENOLCK: (PermanentError, "The store needs a file system with flock."),
    errno.EOPNOTSUPP: (PermanentError, "The store needs a file system with flock."),
    errno.ENAMETOOLONG: (PermanentError, "Shorten the name or store.root."),
}


@contextmanager
def _explained(path: str, *but: int) -> Iterator[None]:
    """Turn what the operating system refuses into an error with the path and the cure.

    The caller deals with the numbers `but` itself.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno in but:
            raise
        kind, cure = _CURES.get(error.errno, (TransientError, "Run again."))
        what = os.strerror(error.errno)
        where = error.filename2 or error.filename or path
        raise kind(f"The store cannot use {where}: {what}. {cure}") from None
