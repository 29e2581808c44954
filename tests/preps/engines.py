"""The engines that every case runs on: a table in, a frame; a frame out, rows and types.

Here: going to and fro, and comparing. Not here: the cases.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa

from resources.types import parse_type
from tests.preps.table import Column, Table

Row = tuple[Any, ...]


def arrow(table: Table) -> pa.Table:
    """The table in the lake's types; categories as Arrow's dictionaries."""
    arrays = {name: _array(column) for name, column in table.items()}
    return pa.table(arrays)


def _array(column: Column) -> pa.Array:
    if column.type == "category":
        return pa.array(column.values, pa.string()).dictionary_encode()
    type_ = parse_type(column.type).arrow()
    return pa.array([_value(column.type, value) for value in column.values], type_)


def _value(type_: str, value: Any) -> Any:
    if value is None:
        return None
    if type_.startswith("decimal"):
        return Decimal(value)
    if type_ == "date":
        return datetime.date.fromisoformat(value)
    if type_ in ("timestamp", "timestamptz"):
        return datetime.datetime.fromisoformat(value)
    return value


# -- into engines


def _polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.DataFrame(table)


def _polars_lazy(table: pa.Table) -> Any:
    return _polars(table).lazy()


def _pandas_arrow(table: pa.Table) -> Any:
    import pandas as pd

    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    for field in table.schema:
        if pa.types.is_dictionary(field.type):  # a category is pandas' own on both backings
            frame[field.name] = frame[field.name].astype(pd.StringDtype()).astype("category")
    return frame


def _pandas_numpy(table: pa.Table) -> Any:
    # Whole numbers with nulls are the nullable kind: as floats they would have lost digits before.
    import pandas as pd

    nullable = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}
    frame = table.to_pandas(date_as_object=True)
    for field in table.schema:
        if field.type in nullable and table[field.name].null_count:
            frame[field.name] = pd.array(table[field.name].to_pylist(), nullable[field.type])
    return frame


def _duckdb(table: pa.Table) -> Any:
    return duckdb_connection().from_arrow(_plain(table))


@cache
def duckdb_connection() -> Any:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Seoul'")
    connection.execute("SET threads = 1")
    return connection


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries, which neither DuckDB nor Spark keeps."""
    return table.cast(
        pa.schema(
            [
                pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
                for f in table.schema
            ]
        )
    )


def _pyspark(table: pa.Table) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    plain = _plain(table)  # by default Spark reads wall times as instants
    schema = from_arrow_schema(plain.schema, prefer_timestamp_ntz=True)
    return spark_session().createDataFrame(plain, schema)


@cache
def spark_session() -> Any:
    """One local session a process: no UI, one partition a shuffle, Seoul's wall time."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "1",
        "spark.sql.session.timeZone": "Asia/Seoul",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.codegen.wholeStage": "false",  # compiling takes longer than five rows
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
    }
    builder = SparkSession.builder.master("local[1]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


#: Engine → what makes its frame of an Arrow table.
ENGINES: dict[str, Callable[[pa.Table], Any]] = {
    "polars": _polars,
    "polars_lazy": _polars_lazy,
    "pandas_arrow": _pandas_arrow,
    "pandas_numpy": _pandas_numpy,
    "pyarrow": lambda table: table,
    "duckdb": _duckdb,
    "pyspark": _pyspark,
}


# -- out of them


def result(engine: str, frame: Any) -> pa.Table:
    """The frame's rows in Arrow, after its kind was held against the one that went in."""
    kinds = {
        "polars": ("polars", "DataFrame"),
        "polars_lazy": ("polars", "LazyFrame"),
        "pandas_arrow": ("pandas", "DataFrame"),
        "pandas_numpy": ("pandas", "DataFrame"),
        "pyarrow": ("pyarrow", "Table"),
        "duckdb": ("duckdb", "DuckDBPyRelation"),
        "pyspark": ("pyspark", "DataFrame"),
    }
    module = type(frame).__module__.lstrip("_").split(".")[0]
    assert (module, type(frame).__name__) == kinds[engine]
    if engine == "polars":
        return frame.to_arrow()
    if engine == "polars_lazy":
        return frame.collect().to_arrow()
    if engine.startswith("pandas"):
        return pa.Table.from_pandas(frame, preserve_index=False)
    if engine == "pyarrow":
        return frame
    if engine == "duckdb":
        return frame.to_arrow_table()
    return frame.toArrow()


def family(type_: pa.DataType) -> str:
    """A type as the cases compare it: engines choose widths and units for themselves."""
    if pa.types.is_dictionary(type_):
        return family(type_.value_type)
    checks = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "float"),
        (pa.types.is_decimal, "decimal"),
        (pa.types.is_string, "text"),
        (pa.types.is_large_string, "text"),
        (pa.types.is_string_view, "text"),
        (pa.types.is_date, "date"),
        (pa.types.is_null, "null"),
    )
    for check, name in checks:
        if check(type_):
            return name
    if pa.types.is_timestamp(type_):
        return "instant" if type_.tz else "timestamp"
    return str(type_)


def rows(table: pa.Table) -> list[Row]:
    """Rows of plain values; a NaN is a null, as the lake has one missing value."""
    columns = [[_seen(value) for value in column.to_pylist()] for column in table.columns]
    return list(zip(*columns, strict=True))


def _seen(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Decimal):
        return value.normalize() + 0
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.timezone.utc)
    return value


def differs(engine: str, found: pa.Table, expected: pa.Table, ordered: bool) -> str:
    """What is different in words, '' where nothing is: names, types (by family), values."""
    if found.column_names != expected.column_names:
        return f"columns {found.column_names} instead of {expected.column_names}"
    for name in expected.column_names:
        have, want = family(found[name].type), family(expected[name].type)
        blank = expected[name].null_count == expected.num_rows
        # pandas' object columns and an all-null Arrow column have no type to tell.
        if have != want and not (engine == "pandas_numpy" and (blank or have == "null")):
            return f"column {name!r} is {found[name].type}, not {expected[name].type}"
    have_rows, want_rows = rows(found), rows(expected)
    if not ordered:
        have_rows, want_rows = sorted(have_rows, key=repr), sorted(want_rows, key=repr)
    return "" if have_rows == want_rows else f"rows {have_rows} instead of {want_rows}"


def dicts(table: pa.Table) -> list[dict[str, Any]]:
    names: Sequence[str] = table.column_names
    return [dict(zip(names, row, strict=True)) for row in rows(table)]
