"""A dataset's SQL, run by DuckDB over the files of its inputs.

Here: views over files, bound parameters, a stream of Arrow batches out. Not here: whether the SQL
is allowed (`validate.py`) and which partitions an input has (`materialise.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from resources.errors import PermanentError, TransientError
from resources.sql import complaint, literal, quoted

if TYPE_CHECKING:
    from resources.hdfs_store import DuckdbFiles

#: Rows of a batch: those of a Parquet row group, so that a batch is written as it comes.
BATCH_ROWS = 131_072

Value = str | int | float | bool | date


@dataclass(frozen=True)
class View:
    """An input as SQL sees it: its files, its columns, the partition columns with their types.

    `zoneless` are columns of instants that the files keep without a zone, in UTC (`hive1`).
    """

    files: Sequence[str]
    columns: Sequence[str]
    partition_columns: Mapping[str, str]
    zoneless: Collection[str] = ()


@contextmanager
def query(
    name: str,
    sql: str,
    views: Mapping[str, View],
    params: Mapping[str, Value],
    order_by: Sequence[str],
    files: DuckdbFiles | None,
    spill: Path,
) -> Iterator[pa.RecordBatchReader]:
    """Run one SELECT; a context manager that gives a reader of its rows.

    `name` is for messages. `params` may hold more than the statement uses. `files` is what opens
    those of the views, None where they are this machine's, and `spill` is where DuckDB puts what
    does not fit in memory. Errors of the statement are PermanentError, those of memory and files
    TransientError.
    """
    spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={"autoload_known_extensions": "false", "autoinstall_known_extensions": "false"}
    )
    try:
        connection.execute(f"SET temp_directory = {literal(str(spill), 'duckdb')}")
        connection.execute("SET TimeZone = 'Asia/Seoul'")
        read = sorted({file for view in views.values() for file in view.files})
        if files:
            connection.register_filesystem(files)
            files.prepare(read)
        with _explained(name, "", files):
            for alias, view in views.items():
                connection.execute(_view(alias, view))
        # From here on the statement reads its inputs and nothing else, and cannot undo it.
        connection.execute(f"SET allowed_paths = [{_listed(read)}]")
        connection.execute(f"SET allowed_directories = [{_listed([str(spill)])}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        statement = sql.strip().rstrip(";")
        if order_by:
            keys = ", ".join(map(_name, order_by))
            statement = f"SELECT * FROM (\n{statement}\n) ORDER BY {keys}"
        with _explained(name, statement, files):
            used = connection.extract_statements(statement)[0].named_parameters
            bound = {key: value for key, value in params.items() if key in used}
            reader = connection.execute(statement, bound).to_arrow_reader(BATCH_ROWS)
            yield _in_utc(reader)
    finally:
        connection.close()


@contextmanager
def ordered(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, order_by: Sequence[str], spill: Path
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Rows that are no SQL's, sorted as SQL sorts them; what does not fit in memory is on disk.

    An error of `batches` comes out as it is.
    """
    failed: list[Exception] = []

    def kept() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            failed.append(error)
            raise

    spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={"autoload_known_extensions": "false", "autoinstall_known_extensions": "false"}
    )
    try:
        connection.execute(f"SET temp_directory = {literal(str(spill), 'duckdb')}")
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("steps", pa.RecordBatchReader.from_batches(schema, kept()))
        keys = ", ".join(map(_name, order_by))
        reader = connection.execute(f"FROM steps ORDER BY {keys}").to_arrow_reader(BATCH_ROWS)
        yield (batch.cast(schema) for batch in reader)
    except (duckdb.Error, pa.ArrowException, OSError):
        if failed:
            raise failed[0] from None
        raise
    finally:
        connection.close()


def _in_utc(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Instants labelled UTC, as the lake has them; DuckDB labels them with its session's zone."""
    fields = [
        field.with_type(pa.timestamp("us", tz="UTC")) if getattr(field.type, "tz", None) else field
        for field in reader.schema
    ]
    schema = pa.schema(fields)
    if schema == reader.schema:
        return reader
    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in reader))


def _name(name: str) -> str:
    return quoted(name, "duckdb")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(literal(word, "duckdb") for word in words)


def _view(alias: str, view: View) -> str:
    columns = [
        f"{_name(name)} AT TIME ZONE 'UTC' AS {_name(name)}"
        if name in view.zoneless
        else _name(name)
        for name in view.columns
    ]
    options = "union_by_name = true, hive_partitioning = false"
    if view.partition_columns:
        # An expression that changes nothing: of one file alone DuckDB 1.5 fails (an internal error)
        # over min and max of a bare partition column. Files are left out by it as they were.
        nothing = {"DATE": "+ 0", "VARCHAR": "|| ''"}
        columns += [
            f"{_name(name)} {nothing[kind]} AS {_name(name)}"
            for name, kind in view.partition_columns.items()
        ]
        types = (
            f"{literal(name, 'duckdb')}: {kind}" for name, kind in view.partition_columns.items()
        )
        options = (
            f"union_by_name = true, hive_partitioning = true, hive_types = {{{', '.join(types)}}}"
        )
    return (
        f"CREATE VIEW {_name(alias)} AS SELECT {', '.join(columns)} "
        f"FROM read_parquet([{_listed(view.files)}], {options})"
    )


@contextmanager
def _explained(name: str, statement: str, files: DuckdbFiles | None) -> Iterator[None]:
    try:
        yield
    # An error in mid-stream comes out of the Arrow reader as Arrow's own exception.
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if files and files.failed:
            raise files.failed from None  # DuckDB has its own words for what failed below it
        if isinstance(error, duckdb.OutOfMemoryException):
            raise TransientError(
                f"{name}: the SQL needs more memory than there is. Read fewer partitions at a time "
                f"(run.days_per_run), or aggregate earlier. DuckDB says: {error}"
            ) from None
        if isinstance(error, (duckdb.IOException, OSError)):
            raise TransientError(f"{name}: a file of an input could not be read: {error}") from None
        raise PermanentError(f"{name}: the SQL failed: {complaint(error, statement)}") from None
