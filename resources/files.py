"""Files as a source: CSV, fixed width, Parquet, Excel and JSON lines, wherever they lie.

Here: which files a pattern means, waiting for them, their rows as Arrow in the declared types. Not
here: the formats (`file_formats.py`), and how a folder is reached (`sftp.py`, `storage.py`): that
gives a `Folder`.
"""

from __future__ import annotations

import fnmatch
import posixpath
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from resources.dbapi_columns import UnfitError, become, first_unfit
from resources.described import FileSource
from resources.errors import NotYetError, PermanentError, TransientError
from resources.file_formats import BLOCKS, FORMATS
from resources.source import Column, Reading, SourceColumn, Span, Table
from resources.types import ColumnType


@dataclass(frozen=True)
class Entry:
    """A file of a folder: its name, its size in bytes, when it changed (seconds since 1970)."""

    name: str
    size: int
    changed: float


class Folder(Protocol):
    """A file system, as much of it as reading needs. Paths are its own, with `/`."""

    where: str
    """The connection and its address, for messages: `'sftp' (host:22)`."""
    errors: tuple[type[Exception], ...]
    """What its client raises, for `told`."""

    def entries(self, folder: str) -> list[Entry]:
        """The files of a folder, not its folders; PermanentError where there is no such folder."""
        ...

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A file's bytes from the beginning."""
        ...

    def told(self, error: Exception, what: str) -> Exception:
        """The client's error in words for a person, without secrets."""
        ...


class FilesSource:
    """The files of one connection as a source of rows."""

    def __init__(self, name: str, opened: AbstractContextManager[Folder, Any]) -> None:
        self.name = name
        self._opened = opened
        self._folder: Folder | None = None

    def __enter__(self) -> FilesSource:
        self._folder = self._opened.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._folder = None
        self._opened.__exit__(*exc)

    @property
    def folder(self) -> Folder:
        if self._folder is None:
            raise PermanentError(f"The connection {self.name!r} is not open; use it in a `with`.")
        return self._folder

    def describe(self, table: Table) -> list[SourceColumn]:
        """The columns of the first file; text formats have names alone, and any type fits them."""
        of = _of(table)
        with self._told(table):
            found = matching(self.folder, of)
            if not found:
                return [SourceColumn(c.source, c.type, c.type.name, True) for c in table.columns]
            path = found[0][0]
            with self.folder.open(path) as stream:
                return FORMATS[of.format].describe(stream, _named(of, path), table.columns)

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        of = _of(table)
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        with self._told(table):
            found = matching(self.folder, of)
        if not found and of.absent != "empty":
            kind = NotYetError if of.absent == "wait" else PermanentError
            raise kind(f"{of.path} of {self.folder.where}: there is no such file.")
        _check_settled(self.folder, of, found)
        batches = self._batches(table, of, found)
        try:
            yield Reading(
                schema=schema,
                batches=batches,
                totals=None,
                route=f"{of.format} files",
                reconciled=f"size and time of {len(found)} files before and after",
            )
        finally:
            batches.close()

    def peek(self, table: Table, rows: int) -> pa.Table:
        of = _of(table)
        with self._told(table):
            found = matching(self.folder, of)
            batches = self._batches(table, of, found[:1])
            taken = next((batch.slice(0, rows) for batch in batches), None)
            batches.close()
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        return pa.Table.from_batches([taken] if taken is not None else [], schema)

    def _batches(
        self, table: Table, of: FileSource, found: Sequence[tuple[str, Entry]]
    ) -> Any:  # a generator, which can be closed
        schema = pa.schema([(c.name, c.type.arrow()) for c in table.columns])
        for path, entry in found:
            with self._told(table):
                seen = 0
                opener = partial(self.folder.open, path)
                for raw in FORMATS[of.format].rows(opener, _named(of, path), table.columns):
                    arrays = _typed(f"{path} of {self.folder.where}", of, table.columns, raw, seen)
                    seen += raw.num_rows
                    if raw.num_rows:
                        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                folder, name = posixpath.split(path)
                after = [one for one in self.folder.entries(folder) if one.name == name]
            if after != [entry]:
                raise TransientError(
                    f"{path} of {self.folder.where}: changed while being read (its size or time). "
                    "Try again when its writer is done, or give `settled` seconds."
                )

    @contextmanager
    def _told(self, table: Table) -> Iterator[None]:
        try:
            yield
        except (PermanentError, TransientError, NotYetError):
            raise
        except (UnicodeDecodeError, pa.ArrowException) as error:
            if isinstance(error, UnicodeDecodeError) or "invalid UTF8" in str(error):
                raise PermanentError(
                    f"{table.shown} of {self.folder.where}: not everything is text of "
                    f"{_of(table).encoding}. Correct `encoding`: files of Korean Windows programs "
                    "are cp949."
                ) from None
            raise PermanentError(
                f"{table.shown} of {self.folder.where}: {_without_values(error)}."
            ) from None
        except self.folder.errors as error:
            raise self.folder.told(error, table.shown) from None


def _of(table: Table) -> FileSource:
    assert isinstance(table.of, FileSource)
    return table.of


def _named(of: FileSource, path: str) -> FileSource:
    """With the path of one file that the pattern means, for messages."""
    return of.model_copy(update={"path": path})


def matching(folder: Folder, of: FileSource) -> list[tuple[str, Entry]]:
    """Paths and entries that the pattern means, by name.

    A server's word is not trusted: a name with a `/`, `.` and `..` is no file of the folder.
    """
    parent, pattern = posixpath.split(of.path)
    if ".." in of.path.split("/") or any(sign in parent for sign in "*?["):
        raise PermanentError(
            f"{of.path}: a path has no '..', and * and ? stand in its last part alone."
        )
    found = []
    for entry in folder.entries(parent):
        if not fnmatch.fnmatchcase(entry.name, pattern):
            continue
        if "/" in entry.name or "\\" in entry.name or "\0" in entry.name:
            raise PermanentError(
                f"{of.path} of {folder.where}: the server lists the name {entry.name!r}, which is "
                "none of a file in the folder. Nothing was read; tell whoever runs the server."
            )
        found.append((posixpath.join(parent, entry.name), entry))
    return sorted(found, key=lambda one: one[0])


def _check_settled(folder: Folder, of: FileSource, found: Sequence[tuple[str, Entry]]) -> None:
    newest = max((entry.changed for _, entry in found), default=0.0)
    age = time.time() - newest
    if of.settled and found and age < of.settled:
        raise NotYetError(
            f"{of.path} of {folder.where}: changed {max(0, int(age))} s ago, and is read when it "
            f"has been as it is for {of.settled} s."
        )


def _without_values(error: Exception) -> str:
    """Arrow's words on a file that cannot be read, without what stands in it."""
    said = str(error).split("\n")[0]
    if "Expected" in said and "columns, got" in said:
        return said.split(": ", 1)[-1].split(" columns, got ")[0] + " columns, and a row has others"
    if "include_columns does not exist" in said:
        return said
    if "straddling" in said:
        return f"a row is longer than {BLOCKS[-1] >> 20} MB"
    return said.split(":")[0]


# -- values


def _typed(
    what: str, of: FileSource, columns: Sequence[Column], raw: pa.RecordBatch, seen: int
) -> list[pa.Array]:
    """The columns in their declared types; PermanentError that names column and row."""
    arrays = []
    for declared, values in zip(columns, raw.columns, strict=True):
        try:
            arrays.append(_value(of, values, declared.type))
        except UnfitError:
            at = seen + 1 + _first(of, values, declared.type)
            raise PermanentError(
                f"{what}: the value of {declared.source!r} in row {at} is no "
                f"{declared.type.name}. Correct the file or the column's type, or declare it "
                "as string and convert it in a dataset."
            ) from None
    return arrays


def _value(of: FileSource, values: pa.Array, declared: ColumnType) -> pa.Array:
    if pa.types.is_string(values.type):
        if declared.name == "date" and of.date_format != "%Y-%m-%d":
            return _by_format(values, of.date_format, declared)
        if declared.name == "timestamp" and of.timestamp_format:
            return _by_format(values, of.timestamp_format, declared)
        if declared.name == "timestamptz":
            return _instants(values, declared)
    return become(values, declared)


def _first(of: FileSource, values: pa.Array, declared: ColumnType) -> int:
    if pa.types.is_string(values.type) and declared.name in ("date", "timestamp", "timestamptz"):
        for place in range(len(values)):
            try:
                _value(of, values.slice(place, 1), declared)
            except UnfitError:
                return place
    return first_unfit(values, declared)


def _by_format(texts: pa.Array, form: str, declared: ColumnType) -> pa.Array:
    """Strictly: what the format writes of the moment is the text again (2025-02-30 is no day)."""
    try:
        moments = pc.strptime(texts, format=form, unit="us")
    except pa.ArrowInvalid:
        raise UnfitError from None
    again = pc.strftime(moments.cast(pa.timestamp("s")), format=form)
    if not again.equals(texts):
        raise UnfitError
    return moments.cast(declared.arrow())


def _instants(texts: pa.Array, declared: ColumnType) -> pa.Array:
    try:
        return texts.cast(declared.arrow())
    except pa.ArrowInvalid:
        raise UnfitError from None
