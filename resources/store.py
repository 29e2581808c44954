"""The lake's store: what partitions can be asked for, and how one is written.

Here: what any store offers, and which one an environment has. Not here: how one keeps files
(`file_store.py` and the file systems below it), how rows are encoded (`parquet.py`) and what a
partition must fulfil before it is published (the gates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from resources.parquet import Profile
from resources.partition import Partition
from resources.settings import Connection, Settings

if TYPE_CHECKING:
    from resources.hdfs_store import DuckdbFiles


@dataclass(frozen=True)
class FileInfo:
    """A published partition: its file, or the folder of its files. `rows` by their footers."""

    path: str
    rows: int
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class Written:
    """Complete rows that nobody sees yet. `sha256` of many files is that of the files' own."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """Complete rows that everybody sees: a file, or the folder of a partition of many files."""

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
        """The file (of many: their folder) that nobody sees yet; complete after `close`."""
        ...

    def write(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> Written:
        """Complete what was written, safe where it lies but still hidden."""
        ...

    def publish(self) -> Published:
        """Replace the partition by this, whole; closes first where that was not done."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


class Version(Writer, Protocol):
    """A partition of many files: `write` rolls over to a new one, or somebody else fills it.

    Hive and Spark put their results into the empty folder `hidden_path`; `batches` reads them back
    for the gates, and `publish` takes what lies there.
    """

    def __enter__(self) -> Version: ...

    def batches(self, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
        """The rows that nobody sees yet, the partition column added."""
        ...


class Store(Protocol):
    """What any store of partitions offers."""

    def writer(self, partition: Partition, schema: pa.Schema) -> Writer:
        """Begin a partition of one file; what killed writers of it left behind is removed."""
        ...

    def version(self, partition: Partition, schema: pa.Schema) -> Version:
        """Begin a partition of many files."""
        ...

    def make(self, layer: str, name: str) -> None:
        """The folder of an asset, before its first partition: else Hive makes it for its table,
        and it is Hive's."""
        ...

    def assets(self) -> list[str]:
        """`layer/name` of all that is published, sorted."""
        ...

    def keys(self, layer: str, name: str) -> list[str]:
        """The published partition keys, sorted; `['']` for one without partitions."""
        ...

    def partitions(self, layer: str, name: str) -> list[Partition]:
        """The same as partitions: the folders say of what kind they are."""
        ...

    def exists(self, partition: Partition) -> bool: ...

    def stat(self, partition: Partition) -> FileInfo | None: ...

    def files(self, partitions: Sequence[Partition]) -> list[str]:
        """The files as DuckDB takes them; NotYetError names the partitions that are missing."""
        ...

    def duckdb_files(self) -> DuckdbFiles | None:
        """What DuckDB opens `files` through; None where they are files of this machine."""
        ...

    def folders(self, partitions: Sequence[Partition]) -> list[str]:
        """The folder in which each one's files lie, as Hive reads it; NotYetError as above."""
        ...

    def batches(
        self, partitions: Sequence[Partition], columns: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        """Stream the rows, partition after partition, the partition column added.

        The last partition says which columns there are: one that an older file lacks is NULL there,
        one that only older files have is left out. A replace in between gives old rows or new ones,
        never both; where that cannot be had any more, TransientError.
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
    name = settings.store.connection
    connection = None if name is None else settings.connection(name)
    return store_at(settings.store_root, settings.store.parquet, name or "", connection)


def store_at(root: str, profile: Profile, name: str, connection: Connection | None) -> Store:
    """The store in a folder of the HDFS that `connection`, called `name`, reaches; None: of this
    machine."""
    if connection is None:
        from resources.folder_store import FolderStore

        return FolderStore(root, profile)
    from resources.hdfs import Hdfs
    from resources.hdfs_store import HdfsStore

    return HdfsStore(Hdfs(name, connection), root, profile)
