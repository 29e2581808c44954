"""A store of partitions in folders of any file system: layout, publishing, litter, reading.

Here: what holds on a disk and on HDFS alike. Not here: how a file system does its part (`Files`, in
`folder_store.py` and `hdfs_store.py`) and how a file's rows come out of it (`reading.py`).

A partition is one file, `part-0.parquet`; or many, in a folder `_v_<id>/rows` that the small file
`_current` names. Where both are, `_current` counts: so each way of publishing is one rename or one
removal, and a partition is never neither nor both.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from resources import reading
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.parquet import ROW_GROUP, ParquetStream, Profile, schema_of
from resources.partition import Partition, is_name
from resources.store import FileInfo, Published, Version, Writer, Written

T = TypeVar("T")

FILE = "part-0.parquet"
POINTER = "_current"
HIDDEN = re.compile(r"\.part-0\.parquet\.[0-9a-f]{16}")
_STAGED = re.compile(r"\.v_[0-9a-f]{16}")
_VERSION = re.compile(r"_v_[0-9a-f]{16}")
_RETIRED = "superseded"

#: How long rows that were replaced, and what a killed writer left where no lock tells, are kept.
GRACE = 86_400.0

#: A partition of many files begins a new one after the row group that passes this.
FILE_BYTES = 256 << 20

#: How often a reading begins again when the file is replaced under it.
_TRIES = 5


class ReplacedError(TransientError):
    """A file was replaced before it was read to its end."""


@dataclass(frozen=True)
class Entry:
    """A name in a folder. `children` is how many names it holds itself, where a listing says so."""

    name: str
    path: str
    folder: bool
    bytes: int
    modified: float
    id: int = 0
    children: int | None = None


class OpenFile(Protocol):
    """What pyarrow reads Parquet from."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...

    def close(self) -> None: ...


class Sink(Protocol):
    """A file being written, which pyarrow writes to. After `close` it swallows what still comes."""

    path: str
    size: int

    @property
    def closed(self) -> bool: ...

    @property
    def sha256(self) -> str: ...

    def write(self, data: bytes, /) -> int: ...

    def tell(self) -> int: ...

    def flush(self) -> None: ...

    def finish(self) -> None:
        """The file is complete, safe and of the length that was written."""
        ...

    def publish(self, target: str) -> None:
        """Give the finished file this name, in place of whatever has it."""
        ...

    def close(self) -> None:
        """Let go of the finished file; it stays."""
        ...

    def discard(self) -> None:
        """Remove the file, whatever its state, and let go of it; no error hides the reason."""
        ...


class Files(Protocol):
    """What a store needs of a file system. Errors are told in words of `resources.errors`."""

    #: Hidden files lie in the asset's folder and not in the partition's, so that one which is not
    #: empty is published: then a listing of the asset's folder says which partitions there are.
    apart: bool

    def scan(self, folder: str) -> list[Entry]:
        """What is in it; nothing where there is no such folder."""
        ...

    def scans(self, folders: Sequence[str]) -> list[list[Entry]]:
        """The same of many folders, in their order."""
        ...

    def make(self, folder: str) -> None: ...

    def hidden(self, folder: str) -> Sink:
        """A new file with a name that HIDDEN matches."""
        ...

    def create(self, path: str) -> Sink: ...

    def open(self, entry: Entry) -> OpenFile:
        """ReplacedError, here or in reading, where it is not that file any more."""
        ...

    def digest(self, entry: Entry) -> str:
        """A checksum of its bytes."""
        ...

    def rename(self, source: str, target: str) -> bool:
        """Give a file or folder another name, in place of a file or an empty folder that has it.

        False where a folder that is not empty has it.
        """
        ...

    def remove(self, path: str) -> bool:
        """Remove a file, or a folder with all in it; whether there was one."""
        ...

    def litter(self, entry: Entry) -> bool:
        """Remove a hidden file if nobody writes it any more; whether it was removed."""
        ...

    def address(self, entry: Entry) -> str:
        """The file as DuckDB's `read_parquet` takes it."""
        ...


@dataclass(frozen=True)
class Found:
    """What a partition is: its files, and the file or folder that stands for them."""

    path: str
    parts: Sequence[Entry]
    modified: float


class FileStore:
    """A store in the folder `root` of a file system."""

    def __init__(self, files: Files, root: str, profile: Profile) -> None:
        self._files = files
        self._root = root
        self._profile = profile
        self._tidied: set[str] = set()

    def writer(self, partition: Partition, schema: pa.Schema) -> Writer:
        staging = self._begin(partition, schema)
        return _OneFile(self, partition, self._files.hidden(staging), schema)

    def version(self, partition: Partition, schema: pa.Schema) -> Version:
        self._begin(partition, schema)
        return _ManyFiles(self, partition, schema)

    def _begin(self, partition: Partition, schema: pa.Schema) -> str:
        """Tidy up around a partition; the folder for its hidden file."""
        for column in partition.values:
            if column in schema.names:
                raise ValueError(
                    f"{partition.path}: the column {column!r} is the partition's own and stands in "
                    "its path; leave it out of the rows"
                )
        asset, folder = self._path(partition.asset), self._path(partition.path)
        staging = asset if self._files.apart else folder
        self._files.make(staging)
        # The asset's folder names every partition; once a process is often enough for that.
        for place in {folder} | {asset} - self._tidied:
            self._tidy(place, self._files.scan(place))
        self._tidied.add(asset)
        return staging

    def make(self, layer: str, name: str) -> None:
        self._files.make(self._path(Partition(layer, name).path))

    def assets(self) -> list[str]:
        layers = [one for one in self._files.scan(self._root) if is_name(one.name)]
        return sorted(
            f"{layer.name}/{entry.name}"
            for layer in layers
            for entry in self._files.scan(layer.path)
            if entry.folder
            and is_name(entry.name)
            and any(self._partitions(layer.name, entry.name))
        )

    def keys(self, layer: str, name: str) -> list[str]:
        return [one.key for one in self.partitions(layer, name)]

    def partitions(self, layer: str, name: str) -> list[Partition]:
        return sorted(self._partitions(layer, name), key=lambda one: one.key)

    def _partitions(self, layer: str, name: str) -> Iterator[Partition]:
        """What is published of an asset.

        Where listings count children, two requests for a year of days: what has some is published.
        """
        asset = Partition(layer, name)

        def at(folder: str) -> list[Partition]:
            return list(filter(None, [Partition.at(layer, name, folder)]))

        entries = self._files.scan(self._path(asset.path))
        if _published(entries):
            yield asset
        outer = _partition_folders(entries)
        counted = self._files.apart
        if counted and outer and _published(self._files.scan(outer[-1].path)):
            for one in outer:
                yield from at(one.name)
            return
        for one, within in self._scans(outer):
            if _published(within):
                yield from at(one.name)
            inner = _partition_folders(within)
            for two, files in self._scans([] if counted else inner):
                if _published(files):
                    yield from at(f"{one.name}/{two.name}")
            for two in inner if counted else []:
                yield from at(f"{one.name}/{two.name}")

    def _scans(self, folders: Sequence[Entry]) -> Iterator[tuple[Entry, list[Entry]]]:
        return zip(folders, self._files.scans([one.path for one in folders]), strict=True)

    def exists(self, partition: Partition) -> bool:
        return _published(self._files.scan(self._path(partition.path)))

    def stat(self, partition: Partition) -> FileInfo | None:
        def look() -> FileInfo | None:
            (found,) = self._found([partition])
            return None if found is None else self._info(found)

        return _settled(look)

    def _info(self, found: Found) -> FileInfo:
        rows = 0
        for part in found.parts:
            with self._open(part) as parquet:
                rows += parquet.metadata.num_rows
        modified = datetime.fromtimestamp(found.modified, timezone.utc)
        return FileInfo(found.path, rows, sum(part.bytes for part in found.parts), modified)

    def files(self, partitions: Sequence[Partition]) -> list[str]:
        return [self._files.address(part) for one in self._all(partitions) for part in one.parts]

    def folders(self, partitions: Sequence[Partition]) -> list[str]:
        return [posixpath.dirname(one.parts[0].path) for one in self._all(partitions)]

    def batches(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        if len({tuple(one.values) for one in partitions}) != 1:
            raise ValueError("read one partition or several of one cadence")
        found = self._all(partitions)
        newest, parquet = self._newest(partitions[-1], found[-1])
        schema = reading.asked(schema_of(parquet), partitions[-1], columns)

        def stream() -> Iterator[pa.RecordBatch]:
            for partition, known in zip(partitions[:-1], found[:-1], strict=True):
                yield from self._rows(partition, known, schema)
            yield from self._rows(partitions[-1], newest, schema, parquet)

        return pa.RecordBatchReader.from_batches(schema, stream())

    def read(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.Table:
        return _settled(lambda: self.batches(partitions, columns).read_all())

    def sweep(self) -> list[str]:
        removed: list[str] = []
        level = [self._root]
        while level:
            below = []
            for folder, entries in zip(level, self._files.scans(level), strict=True):
                removed += self._tidy(folder, entries)
                below += [
                    entry.path
                    for entry in entries
                    if entry.folder and entry.name[0] not in "._" and entry.children != 0
                ]
            level = below
        return sorted(removed)

    # What lies there ------------------------------------------------------------------------------

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _found(self, partitions: Sequence[Partition]) -> list[Found | None]:
        """What is published of each, by one listing each; ReplacedError where it just changes."""
        folders = [self._path(one.path) for one in partitions]
        return [
            self._current(folder, entries)
            for folder, entries in zip(folders, self._files.scans(folders), strict=True)
        ]

    def _current(self, folder: str, entries: Sequence[Entry]) -> Found | None:
        pointer = _named(entries, POINTER)
        if pointer is None:
            one = _named(entries, FILE)
            return None if one is None else Found(one.path, [one], one.modified)
        rows = f"{folder}/{self._pointed(pointer)}/rows"
        parts = _parts(self._files.scan(rows))
        if not parts:
            raise ReplacedError(f"{rows} was replaced while it was looked at. Run again.")
        return Found(rows, parts, pointer.modified)

    def _pointed(self, pointer: Entry) -> str:
        file = self._files.open(pointer)
        try:
            name = file.read().decode("utf-8", "replace").strip()
        finally:
            file.close()
        if not _VERSION.fullmatch(name):
            raise PermanentError(
                f"{pointer.path} names no version of the partition ({name[:60]!r}). "
                "Materialise the partition again."
            )
        return name

    def _all(self, partitions: Sequence[Partition]) -> list[Found]:
        found = _settled(lambda: self._found(partitions))
        there = [one for one in found if one is not None]
        if len(there) == len(found):
            return there
        missing = [p.path for p, one in zip(partitions, found, strict=True) if one is None]
        shown = ", ".join(missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise NotYetError(
            f"{len(missing)} of {len(partitions)} partitions are not in the store "
            f"{self._root}: {shown}{more}. Materialise them first."
        )

    # Reading --------------------------------------------------------------------------------------

    def _open(self, entry: Entry) -> pq.ParquetFile:
        return reading.parquet_file(entry.path, self._files.open(entry))

    def _newest(self, partition: Partition, found: Found) -> tuple[Found, pq.ParquetFile]:
        """Open the file that says which columns there are."""
        try:
            return found, self._open(found.parts[0])
        except ReplacedError:
            return _settled(lambda: self._newest(partition, *self._all([partition])))

    def _rows(
        self,
        partition: Partition,
        found: Found,
        schema: pa.Schema,
        opened: pq.ParquetFile | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """A partition's rows; begun again where it is replaced before the first was given."""
        for left in reversed(range(_TRIES)):
            given = False
            try:
                for part in found.parts:
                    with opened or self._open(part) as parquet:
                        opened = None
                        for batch in reading.rows(parquet, partition, part.path, schema):
                            given = True
                            yield batch
                return
            except ReplacedError:
                if given or not left:
                    raise
                (found,) = self._all([partition])

    # Litter ---------------------------------------------------------------------------------------

    def _tidy(self, folder: str, entries: Sequence[Entry]) -> list[str]:
        """Remove what nobody needs any more in one folder; the paths of what was removed."""
        removed = [
            entry.path
            for entry in entries
            if HIDDEN.fullmatch(entry.name) and not entry.folder and self._files.litter(entry)
        ]
        old = [entry for entry in entries if _old(entry)]
        removed += [
            entry.path
            for entry in old
            if _STAGED.fullmatch(entry.name) and self._files.remove(entry.path)
        ]
        if any(_VERSION.fullmatch(entry.name) for entry in entries):
            removed += self._retire(folder, entries)
        return removed

    def _retire(self, folder: str, entries: Sequence[Entry]) -> list[str]:
        """Mark versions that are not the current one; remove those marked more than a day ago.

        The mark changes the folder's time to that of its end, whenever it was made.
        """
        pointer, removed = _named(entries, POINTER), []
        try:
            current = pointer and self._pointed(pointer)
        except ReplacedError:
            return []  # somebody publishes at this moment and does this too
        for entry in entries:
            if not _VERSION.fullmatch(entry.name) or entry.name == current:
                continue
            if not any(one.name == _RETIRED for one in self._files.scan(entry.path)):
                self._files.make(f"{entry.path}/{_RETIRED}")
            elif _old(entry) and self._files.remove(entry.path):
                removed.append(entry.path)
        one = _named(entries, FILE)
        if pointer and one and _old(pointer) and self._files.remove(one.path):
            removed.append(one.path)
        return removed


class _OneFile:
    """A hidden file that takes the place of the published one."""

    def __init__(
        self, store: FileStore, partition: Partition, sink: Sink, schema: pa.Schema
    ) -> None:
        self._store = store
        self._files = store._files
        self._folder = store._path(partition.path)
        self._sink = sink
        self._stream = ParquetStream(sink, schema, store._profile)
        self._written: Written | None = None

    def __enter__(self) -> _OneFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    @property
    def hidden_path(self) -> str:
        return self._sink.path

    def write(self, batch: pa.RecordBatch) -> None:
        self._stream.write(batch)

    def close(self) -> Written:
        if self._written is None:
            self._stream.close()
            self._sink.finish()
            self._written = Written(self._stream.rows, self._sink.size, self._sink.sha256)
        return self._written

    def publish(self) -> Published:
        written = self.close()
        final = f"{self._folder}/{FILE}"
        if self._files.apart:
            self._files.make(self._folder)
        self._sink.publish(final)
        if self._files.remove(f"{self._folder}/{POINTER}"):
            self._store._retire(self._folder, self._files.scan(self._folder))
        return Published(final, written.rows, written.bytes, written.sha256)

    def discard(self) -> None:
        if not self._sink.closed:
            self._sink.discard()
            self._stream.abandon()


class _ManyFiles:
    """A hidden folder that becomes a version of the partition.

    It lies in the asset's folder as the partition will: `.v_<id>/_current`, `.v_<id>/_v_<id>/rows`.
    """

    def __init__(self, store: FileStore, partition: Partition, schema: pa.Schema) -> None:
        self._store = store
        self._files = store._files
        self._partition = partition
        self._schema = schema
        token = secrets.token_hex(8)
        self._name = f"_v_{token}"
        self._staged = f"{store._path(partition.asset)}/.v_{token}"
        self._files.make(self.hidden_path)
        self._stream: ParquetStream | None = None
        self._sink: Sink | None = None
        self._rows = 0
        self._hashes: dict[str, str] = {}
        self._written: Written | None = None
        self._done = False

    def __enter__(self) -> _ManyFiles:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    @property
    def hidden_path(self) -> str:
        return f"{self._staged}/{self._name}/rows"

    def write(self, batch: pa.RecordBatch) -> None:
        """Cut where row groups end: where files end depends on the rows, not on the batches."""
        start = 0
        while start < batch.num_rows:
            if self._stream is None or self._sink is None:
                path = f"{self.hidden_path}/part-{len(self._hashes)}.parquet"
                self._sink = self._files.create(path)
                self._stream = ParquetStream(self._sink, self._schema, self._store._profile)
                self._room = ROW_GROUP
            part = batch.slice(start, self._room)
            self._stream.write(part)
            start += part.num_rows
            self._room -= part.num_rows
            if self._room == 0:
                self._room = ROW_GROUP
                if self._sink.size >= FILE_BYTES:
                    self._end_file()

    def _end_file(self) -> None:
        if self._stream is not None and self._sink is not None:
            self._stream.close()
            self._sink.finish()
            self._sink.close()
            self._hashes[self._sink.path] = self._sink.sha256
            self._stream = self._sink = None

    def batches(self, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
        self._end_file()
        parts = self._parts()
        with self._store._open(parts[0]) as first:
            schema = reading.asked(schema_of(first), self._partition, columns)

        def stream() -> Iterator[pa.RecordBatch]:
            for part in parts:
                with self._store._open(part) as parquet:
                    yield from reading.rows(parquet, self._partition, part.path, schema)

        return pa.RecordBatchReader.from_batches(schema, stream())

    def close(self) -> Written:
        if self._written is None:
            self._end_file()
            parts = self._parts()
            info = self._store._info(Found(self.hidden_path, parts, 0))
            hashes = [self._hashes.get(part.path) or self._files.digest(part) for part in parts]
            whole = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
            self._written = Written(info.rows, info.bytes, whole)
        return self._written

    def publish(self) -> Published:
        """A first version comes with its folder and pointer at once, a later one by its pointer."""
        written = self.close()
        pointer = self._files.create(f"{self._staged}/{POINTER}")
        pointer.write(self._name.encode())
        pointer.finish()
        pointer.close()
        folder = self._store._path(self._partition.path)
        self._files.make(posixpath.dirname(folder))
        if not self._partition.values or not self._files.rename(self._staged, folder):
            before = self._files.scan(folder)
            self._files.rename(f"{self._staged}/{self._name}", f"{folder}/{self._name}")
            self._files.rename(f"{self._staged}/{POINTER}", f"{folder}/{POINTER}")
            self._files.remove(self._staged)
            # The one file of before stays until Hive reads the folder; after that nobody asks.
            if _named(before, POINTER):
                self._files.remove(f"{folder}/{FILE}")
            self._store._retire(folder, self._files.scan(folder))
        self._done = True
        path = f"{folder}/{self._name}/rows"
        return Published(path, written.rows, written.bytes, written.sha256)

    def discard(self) -> None:
        if self._done:
            return
        self._done = True
        if self._sink is not None and self._stream is not None:
            self._sink.discard()
            self._stream.abandon()
        with suppress(LakeError):
            self._files.remove(self._staged)

    def _parts(self) -> list[Entry]:
        """The files that lie there; one without rows where there is none."""
        parts = _parts(self._files.scan(self.hidden_path))
        if not parts:
            self._sink = self._files.create(f"{self.hidden_path}/{FILE}")
            self._stream = ParquetStream(self._sink, self._schema, self._store._profile)
            self._end_file()
            parts = _parts(self._files.scan(self.hidden_path))
        return parts


def _parts(entries: Iterable[Entry]) -> list[Entry]:
    """The files that hold rows: Hive and Spark leave marks and empty files beside theirs."""
    visible = (one for one in entries if one.name[0] not in "._" and not one.folder and one.bytes)
    return sorted(visible, key=lambda one: one.name)


def _named(entries: Iterable[Entry], name: str) -> Entry | None:
    return next((one for one in entries if one.name == name and not one.folder), None)


def _partition_folders(entries: Iterable[Entry]) -> list[Entry]:
    found = (one for one in entries if one.folder and "=" in one.name and one.children != 0)
    return sorted(found, key=lambda one: one.name)


def _published(entries: Iterable[Entry]) -> bool:
    return any(one.name in (FILE, POINTER) and not one.folder for one in entries)


def _old(entry: Entry) -> bool:
    return time.time() - entry.modified > GRACE


def _settled(work: Callable[[], T]) -> T:
    """Do it again where something was replaced under it."""
    for _ in range(_TRIES - 1):
        with suppress(ReplacedError):
            return work()
    return work()
