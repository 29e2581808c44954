"""The store on HDFS.

Here: `Files` by WebHDFS, and reading a file by its id, at any place of it. Not here: requests and
retries (`hdfs.py`), the store's layout and its reading (`file_store.py`).
"""

from __future__ import annotations

import hashlib
import io
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from resources.errors import LakeError, PermanentError
from resources.file_store import FILE, GRACE, Entry, FileStore, OpenFile, ReplacedError, Sink
from resources.hdfs import Hdfs, Status
from resources.parquet import Profile
from resources.settings import Settings

#: Listings at a time. One takes 2 ms, of which the NameNode needs a fraction.
_LISTINGS = 8

#: A file up to this size is read by one request, a larger one in ranges of at least that size.
#: Each costs 10 ms, as a DataNode closes the connection after it.
_AHEAD = 1 << 20
_FOOTER = 64 << 10


class HdfsStore(FileStore):
    """A store in a folder of HDFS."""

    def __init__(self, hdfs: Hdfs, root: str, profile: Profile) -> None:
        super().__init__(HdfsFiles(hdfs), root.rstrip("/"), profile)
        self.hdfs = hdfs


def open_hdfs_store(settings: Settings) -> HdfsStore:
    name = settings.store.connection
    assert name is not None
    root = settings.store_root
    if not root.startswith("/"):
        raise PermanentError(
            f"store.root {root!r} is no folder of HDFS ({name}); write it from the top: /lake"
        )
    return HdfsStore(Hdfs(name, settings.connection(name)), root, settings.store.parquet)


class HdfsFiles:
    """What the store needs, of HDFS."""

    apart = True

    def __init__(self, hdfs: Hdfs) -> None:
        self._hdfs = hdfs

    def scan(self, folder: str) -> list[Entry]:
        return [_entry(folder, one) for one in self._hdfs.names(folder)]

    def scans(self, folders: Sequence[str]) -> list[list[Entry]]:
        if len(folders) < 2:
            return [self.scan(folder) for folder in folders]
        with ThreadPoolExecutor(_LISTINGS) as pool:
            return list(pool.map(self.scan, folders))

    def make(self, folder: str) -> None:
        self._hdfs.make(folder)

    def hidden(self, folder: str) -> Sink:
        return self.create(f"{folder}/.{FILE}.{secrets.token_hex(8)}")

    def create(self, path: str) -> Sink:
        return _Sink(self._hdfs, path)

    def open(self, entry: Entry) -> OpenFile:
        return HdfsFile(self._hdfs, entry)

    def digest(self, entry: Entry) -> str:
        return self._hdfs.checksum(entry.path)

    def rename(self, source: str, target: str) -> bool:
        there, before = self._hdfs.status(source), self._hdfs.status(target)
        if there is None:
            raise ReplacedError(f"{source} was removed before it was published. Run again.")
        if before and before.folder and before.children:
            return False
        self._hdfs.rename(source, target, there.id)
        return True

    def remove(self, path: str) -> bool:
        return self._hdfs.remove(path)

    def litter(self, entry: Entry) -> bool:
        """No lock tells whether its writer lives: a day later it does not."""
        return time.time() - entry.modified > GRACE and self._hdfs.remove(entry.path)

    def address(self, entry: Entry) -> str:
        return entry.path


class _Sink:
    """An upload as pyarrow writes to it, hashed in passing."""

    def __init__(self, hdfs: Hdfs, path: str) -> None:
        self.path = path
        self.size = 0
        self.closed = False
        self._hdfs = hdfs
        self._hash = hashlib.sha256()
        self._upload = hdfs.upload(path)
        self._status: Status | None = None

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        if not self.closed:
            data = bytes(data)
            self._upload.write(data)
            self._hash.update(data)
            self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """What is kept back goes with the next piece."""

    def finish(self) -> None:
        self._status = self._upload.close()

    def publish(self, target: str) -> None:
        assert self._status is not None
        self._hdfs.rename(self.path, target, self._status.id)
        self.close()

    def close(self) -> None:
        self.closed = True

    def discard(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._upload.abort()
        with suppress(LakeError):
            self._hdfs.remove(self.path)


class HdfsFile(io.RawIOBase):
    """One file, whatever becomes of its name: ranges by its id, read ahead.

    Where it was replaced, ReplacedError; it never gives bytes of another file.
    """

    def __init__(self, hdfs: Hdfs, entry: Entry) -> None:
        self._hdfs = hdfs
        self._entry = entry
        self._at = 0
        self._start = 0
        self._kept = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        return self._entry.bytes

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.bytes}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._entry.bytes - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        begin = self._at - self._start
        if begin < 0 or begin + wanted > len(self._kept):
            self._fetch(wanted)
            begin = self._at - self._start
        self._at += wanted
        return self._kept[begin : begin + wanted]

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _fetch(self, wanted: int) -> None:
        """All of a small file; of a large one its end, where the footer is, or what comes next."""
        length = self._entry.bytes
        if length <= _AHEAD:
            start, end = 0, length
        elif self._at + wanted == length and wanted <= _FOOTER:
            start, end = length - _FOOTER, length
        else:
            start, end = self._at, min(length, self._at + max(wanted, _AHEAD))
        data = self._hdfs.range(self._entry.id, start, end - start)
        if data is None:
            raise ReplacedError(f"{self._entry.path} was replaced while it was read. Run again.")
        self._start, self._kept = start, data


def _entry(folder: str, one: Status) -> Entry:
    path = f"{folder}/{one.name}"
    return Entry(one.name, path, one.folder, one.bytes, one.modified, one.id, one.children)
