"""Rows out of the Parquet files of partitions, in the columns that were asked for.

Here: one file's rows in the schema of a reading, and what is told where they do not fit. Not here:
which files a partition has (`file_store.py`) and how Parquet is written (`parquet.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import PermanentError, UsageError
from resources.parquet import ROW_GROUP, open_parquet, schema_of
from resources.partition import Partition
from resources.yamlfile import nearest


def parquet_file(path: str, source: Any) -> pq.ParquetFile:
    """Open `source`, an open file; `path` is for messages."""
    try:
        return open_parquet(source)
    except pa.ArrowInvalid as error:
        raise PermanentError(
            f"{path} is not a whole Parquet file ({error}). Materialise the partition again."
        ) from None


def asked(file: pa.Schema, partition: Partition, columns: Sequence[str] | None) -> pa.Schema:
    """The schema of a reading: the file's columns and the partition's, or those asked for."""
    fields = list(file)
    fields += [pa.field(name, value.type) for name, value in partition.scalars.items()]
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


def rows(
    parquet: pq.ParquetFile, partition: Partition, path: str, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """One file's rows in the reading's schema."""
    have = {field.name: field.type for field in schema_of(parquet)}
    own = partition.scalars
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
                else pa.repeat(own[field.name], batch.num_rows)
                if field.name in own
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
