"""The lake's store: where partitions lie, how one is written, published and read.

Here: `Store` and `Writer`, what any store offers, and the one in a folder. Not here: how rows are
encoded (`parquet.py`) and what a partition must fulfil before it is published (the gates).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import LakeError, NotYetError, PermanentError, TransientError, UsageError
from resources.parquet import ROW_GROUP, ParquetStream, Profile, open_parquet, schema_of
from resources.partition import Partition, is_name, key_of
from resources.settings import Settings
from resources.yamlfile import nearest

FILE = "part-0.parquet"
_HIDDEN = re.compile(r"\.part-0\.parquet\.[0-9a-f]{16}")


@dataclass(frozen=True)
class FileInfo:
    """A published partition's file, `rows` by its footer."""

    path: str
    rows: int
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class Written:
    """A complete file that nobody sees yet."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """A complete file that everybody sees."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Writer(Protocol):
    """One partition being written. A context manager: leaving it without `publish` discards."""

    def __enter__(self) -> Writer: ...

    def __exit__(self, *exc: object) -> None: ...

    @property
    def hidden_path(self) -> str:
        """The file that nobody sees yet; complete after `close`."""
        ...

    def write(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> Written:
        """Complete the file, on the disk but still hidden."""
        ...

    def publish(self) -> Published:
        """Replace the partition by this file, whole; closes first where that was not done."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


class Store(Protocol):
    """What any store of partitions offers."""

    def writer(self, partition: Partition, schema: pa.Schema) -> Writer:
        """Begin a partition; what killed writers of it left behind is removed."""
        ...

    def assets(self) -> list[str]:
        """`layer/name` of all that is published, sorted."""
        ...

    def keys(self, layer: str, name: str) -> list[str]:
        """The published partition keys, sorted; `['']` for one without partitions."""
        ...

    def exists(self, partition: Partition) -> bool: ...

    def stat(self, partition: Partition) -> FileInfo | None: ...

    def files(self, partitions: Sequence[Partition]) -> list[str]:
        """The files' paths, as DuckDB's `read_parquet` takes them; NotYetError names missing."""
        ...

    def batches(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        """Stream the rows, partition after partition, the partition column added.

        The last partition says which columns there are: one that an older file lacks is NULL there,
        one that only older files have is left out. Each file is opened once, so that a replace in
        between gives old rows or new ones, never both.
        """
        ...

    def read(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The same in one table."""
        ...

    def sweep(self) -> list[str]:
        """Remove what killed writers left anywhere; the paths of what was removed."""
        ...


def open_store(settings: Settings) -> Store:
    """The store of an environment."""
    return FolderStore(settings.store_root, settings.store.parquet)


class FolderStore:
    """A store in a folder of a file system that has `flock` and an atomic rename."""

    def __init__(self, root: Path | str, profile: Profile) -> None:
        self.root = Path(root)
        self.profile = profile

    def writer(self, partition: Partition, schema: pa.Schema) -> Writer:
        if partition.column in schema.names:
            raise ValueError(
                f"{partition.path}: the column {partition.column!r} is the partition's own and "
                "stands in its path; leave it out of the rows"
            )
        folder = self.root / partition.path
        with _explained(folder):
            _make(folder)
            for entry in _entries(folder):
                if _HIDDEN.fullmatch(entry.name):
                    _remove_litter(entry.path)
        return FolderWriter(folder, schema, self.profile)

    def assets(self) -> list[str]:
        places = (
            (layer.name, entry.name)
            for layer in _entries(self.root)
            for entry in _entries(layer.path)
            if is_name(layer.name) and is_name(entry.name)
        )
        return sorted("/".join(place) for place in places if any(True for _ in self._keys(*place)))

    def keys(self, layer: str, name: str) -> list[str]:
        return sorted(self._keys(layer, name))

    def _keys(self, layer: str, name: str) -> Iterator[str]:
        folder = self.root / Partition(layer, name).path
        if (folder / FILE).is_file():
            yield ""
        for entry in _entries(folder):
            key = key_of(entry.name)
            if key and Path(entry.path, FILE).is_file():
                yield key

    def exists(self, partition: Partition) -> bool:
        return self._file(partition).is_file()

    def stat(self, partition: Partition) -> FileInfo | None:
        path = self._file(partition)
        if not path.is_file():
            return None
        with _explained(path), path.open("rb") as file, _parquet(path, file) as parquet:
            status = os.fstat(file.fileno())
            rows = parquet.metadata.num_rows
        modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        return FileInfo(str(path), rows, status.st_size, modified)

    def files(self, partitions: Sequence[Partition]) -> list[str]:
        missing = [one.path for one in partitions if not self.exists(one)]
        if missing:
            shown = ", ".join(missing[:10])
            more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
            raise NotYetError(
                f"{len(missing)} of {len(partitions)} partitions are not in the store "
                f"{self.root}: {shown}{more}. Materialise them first."
            )
        return [str(self._file(one)) for one in partitions]

    def batches(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        if len({one.column for one in partitions}) != 1:
            raise ValueError("read one partition or several of one cadence")
        *others, last = zip(partitions, self.files(partitions), strict=True)
        newest = _open(last[1])
        schema = _asked(schema_of(newest), last[0], columns)

        def stream() -> Iterator[pa.RecordBatch]:
            for partition, path in others:
                with _open(path) as parquet:
                    yield from _rows(parquet, partition, path, schema)
            with newest:
                yield from _rows(newest, *last, schema)

        return pa.RecordBatchReader.from_batches(schema, stream())

    def read(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.Table:
        return self.batches(partitions, columns).read_all()

    def sweep(self) -> list[str]:
        hidden = (
            os.path.join(folder, name)  # noqa: PTH118 - os.walk gives text
            for folder, _, names in os.walk(self.root)
            for name in names
            if _HIDDEN.fullmatch(name)
        )
        return sorted(path for path in hidden if _remove_litter(path))

    def _file(self, partition: Partition) -> Path:
        return self.root / partition.path / FILE


class FolderWriter:
    """A hidden file beside the published one, locked by whoever writes it."""

    def __init__(self, folder: Path, schema: pa.Schema, profile: Profile) -> None:
        self._folder = folder
        with _explained(folder):
            self._hidden, self._sink = _locked_file(folder)
        self._stream = ParquetStream(self._sink, schema, profile)
        self._written: Written | None = None

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    @property
    def hidden_path(self) -> str:
        return str(self._hidden)

    def write(self, batch: pa.RecordBatch) -> None:
        with _explained(self._hidden):
            self._stream.write(batch)

    def close(self) -> Written:
        if self._written is None:
            with _explained(self._hidden):
                self._stream.close()
                os.fsync(self._sink.fd)
            self._written = Written(
                self._stream.rows, self._sink.bytes, self._sink.hash.hexdigest()
            )
        return self._written

    def publish(self) -> Published:
        written = self.close()
        final = self._folder / FILE
        with _explained(final):
            # The lock is held over the rename: between the two, a sweep would take the file.
            os.replace(self._hidden, final)  # noqa: PTH105 - the atomic call by its own name
            self._sink.close()
            _sync(self._folder)
        return Published(str(final), written.rows, written.bytes, written.sha256)

    def discard(self) -> None:
        if self._sink.closed:
            return
        with suppress(OSError):
            self._hidden.unlink()
        self._sink.close()
        self._stream.abandon()


class _Sink:
    """The file as pyarrow writes to it: one descriptor, hashed in passing.

    SHA-256 in passing costs 0.01 CPU s a million rows, as reading the file again does, and needs
    no second descriptor. Closed, it swallows what an abandoned stream still wants to write.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.bytes = 0
        self.hash = hashlib.sha256()
        self.closed = False

    def write(self, data: bytes) -> int:
        if not self.closed:
            view = memoryview(data)
            while view:
                view = view[os.write(self.fd, view) :]
            self.hash.update(data)
            self.bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self.fd)


def _locked_file(folder: Path) -> tuple[Path, _Sink]:
    """A new hidden file, locked by a descriptor that no started program inherits.

    Between creating and locking, a sweep of another process may lock it and take it for litter. It
    unlinks only while it holds the lock, so a name that is left once we hold it stays ours.
    """
    while True:
        hidden = folder / f".{FILE}.{secrets.token_hex(8)}"
        fd = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                return hidden, _Sink(fd)
        except BaseException:
            hidden.unlink(missing_ok=True)
            os.close(fd)
            raise
        os.close(fd)


def _remove_litter(path: str) -> bool:
    """Remove a hidden file that no writer holds; whether it was removed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # published or removed in between, or not ours to touch
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)  # noqa: PTH108 - names are never used twice, so this is still that file
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


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


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _open(path: str) -> pq.ParquetFile:
    with _explained(Path(path)):
        return _parquet(Path(path), pa.OSFile(path, "rb"))


def _parquet(path: Path, source: object) -> pq.ParquetFile:
    try:
        return open_parquet(source)
    except pa.ArrowInvalid as error:
        raise PermanentError(
            f"{path} is not a whole Parquet file ({error}). Materialise the partition again."
        ) from None


def _asked(file: pa.Schema, partition: Partition, columns: Sequence[str] | None) -> pa.Schema:
    """The schema of a reading: the file's columns and the partition's, or those asked for."""
    fields = list(file)
    if partition.column is not None:
        fields.append(pa.field(partition.column, partition.value.type))
    if columns is None:
        return pa.schema(fields)
    known = {field.name: field for field in fields}
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise UsageError(
            f"{partition.asset} has no column {', '.join(map(repr, unknown))}; "
            f"{nearest(unknown[0], known)}."
        )
    return pa.schema([known[name] for name in columns])


def _rows(
    parquet: pq.ParquetFile, partition: Partition, path: str, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """One file's rows in the reading's schema."""
    have = {field.name: field.type for field in schema_of(parquet)}
    for field in schema:
        if _family(have.get(field.name, field.type)) != _family(field.type):
            raise PermanentError(
                f"{path} keeps {field.name!r} as {have[field.name]}, the last partition read as "
                f"{field.type}. Materialise this partition again."
            )
    try:
        for batch in parquet.iter_batches(
            ROW_GROUP, columns=[n for n in schema.names if n in have]
        ):
            arrays = [
                batch[field.name].cast(field.type)
                if field.name in have
                else pa.repeat(partition.value, batch.num_rows)
                if field.name == partition.column
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    except (pa.ArrowInvalid, OSError) as error:
        raise PermanentError(
            f"{path} cannot be read as the last partition's columns are ({error}). "
            "Materialise this partition again."
        ) from None


def _family(type_: pa.DataType) -> str:
    """Types between which values are cast where they fit: int32 and int64, yes; text and int, no.

    A naive timestamp is Seoul's wall time and never the instant that Arrow would cast it to.
    """
    if pa.types.is_timestamp(type_):
        return "timestamptz" if type_.tz else "timestamp"
    families = {"int": pa.types.is_integer, "float": pa.types.is_floating}
    families |= {"decimal": pa.types.is_decimal}
    return next((name for name, of in families.items() if of(type_)), str(type_))


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
def _explained(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into an error with the path and the cure."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        kind, cure = _CURES.get(error.errno, (TransientError, "Run again."))
        what = os.strerror(error.errno)
        where = error.filename2 or error.filename or path
        raise kind(f"The store cannot use {where}: {what}. {cure}") from None
