"""A column made of one column, said to each engine in its own words.

Here: how a formula is carried out on a frame of any engine: DuckDB and Spark are told an
expression, the others lend the column to DuckDB through Arrow, unless a formula has a faster way.
Not here: what can be said through Narwhals, and the formulas (`fences.py`, `number_text.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import Frame


@dataclass(frozen=True)
class Formula:
    """What makes the column: DuckDB's SQL of a quoted name, Spark's column of a column.

    `type` is the result's. `polars` is of a Series and `arrow` of a ChunkedArray; without one the
    column is lent to DuckDB.
    """

    type: Any
    duckdb: Callable[[str], str]
    spark: Callable[[Any], Any]
    polars: Callable[[Any], Any] | None = None
    arrow: Callable[[Any], Any] | None = None


def applied(frame: Frame, formulas: Mapping[str, Formula]) -> Frame:
    """The frame with each named column replaced by what its formula makes of it."""
    if not formulas:
        return frame
    native: Any = nw.to_native(frame)
    engine = frame.implementation
    changed: Any
    if engine.is_duckdb():
        said = (f"{one.duckdb(quoted(name))} AS {quoted(name)}" for name, one in formulas.items())
        changed = native.project(f"* REPLACE ({', '.join(said)})")
    elif engine.is_spark_like():
        changed = native.withColumns(
            {name: one.spark(_spark_column(name)) for name, one in formulas.items()}
        )
    elif isinstance(frame, nw.LazyFrame):
        changed = native.with_columns(
            _polars_lazy(name, one).alias(name) for name, one in formulas.items()
        )
    elif engine.is_polars():
        changed = native.with_columns(
            polars_series(one, native[name]).alias(name) for name, one in formulas.items()
        )
    elif engine.is_pandas():
        changed = native.assign(
            **{name: _pandas_series(one, native[name]) for name, one in formulas.items()}
        )
    else:
        changed = native
        for name, one in formulas.items():
            place = changed.column_names.index(name)
            changed = changed.set_column(place, name, arrow_array(one, changed[name]))
    made: Frame = nw.from_native(changed)
    return made


def quoted(name: str) -> str:
    """An identifier of DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def polars_series(formula: Formula, series: Any) -> Any:
    if formula.polars is not None:
        return formula.polars(series)
    import polars as pl

    return pl.Series(series.name, lent(formula, series.to_arrow()), dtype=_polars_type(formula))


def arrow_array(formula: Formula, array: Any) -> Any:
    return formula.arrow(array) if formula.arrow is not None else lent(formula, array)


def lent(formula: Formula, array: Any) -> Any:
    """The formula over an Arrow array by DuckDB, which reads it where it lies, in its order."""
    import pyarrow as pa

    cursor = _connection(os.getpid()).cursor()
    try:
        table = cursor.from_arrow(pa.table({"x": array}))
        return table.project(f"{formula.duckdb(quoted('x'))} AS x").to_arrow_table()["x"]
    finally:
        cursor.close()


@cache
def _connection(process: int) -> Any:
    # One a process: a fork does not bring DuckDB's threads along, so its number is the key.
    import duckdb

    return duckdb.connect()


def _polars_type(formula: Formula) -> Any:
    import polars as pl

    return {nw.String: pl.String, nw.Int64: pl.Int64, nw.Float64: pl.Float64}[formula.type]


def _polars_lazy(name: str, formula: Formula) -> Any:
    import polars as pl

    def of_batch(series: Any) -> Any:
        return polars_series(formula, series)

    return pl.col(name).map_batches(
        of_batch, return_dtype=_polars_type(formula), is_elementwise=True
    )


def _pandas_series(formula: Formula, series: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    array = pa.array(series)
    if isinstance(array, pa.Array):
        array = pa.chunked_array([array])
    made = arrow_array(formula, array)
    return pd.Series(pd.arrays.ArrowExtensionArray(made), index=series.index, copy=False)


def _spark_column(name: str) -> Any:
    from pyspark.sql import functions

    return functions.col("`" + name.replace("`", "``") + "`")
