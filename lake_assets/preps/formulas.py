"""A column made of one column, said to each engine in its own words.

Here: how a formula is carried out on a frame of any engine: DuckDB and Spark are told an
expression, the others lend the column to DuckDB through Arrow, unless a formula has a faster way.
Not here: what can be said through Narwhals, and the formulas (`fences.py`, `number_text.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import Frame

#: SQL of two quoted names: the column, and what the step before made (at first the column too).
Step: TypeAlias = Callable[[str, str], str]


@dataclass(frozen=True)
class Formula:
    """What makes the column: DuckDB's SQL in steps, and Spark's column of a column.

    `type` is the result's. `polars` is of a Series and `arrow` of a ChunkedArray; without one the
    column is lent to DuckDB.
    """

    type: Any
    duckdb: Sequence[Step]
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
        changed = _projected(native, formulas)
    elif engine.is_spark_like():
        changed = native.withColumns(
            {name: one.spark(spark_column(name)) for name, one in formulas.items()}
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
        relation = cursor.from_arrow(pa.table({"x": array}))
        return _projected(relation, {"x": formula}).to_arrow_table()["x"]
    finally:
        cursor.close()


def _projected(relation: Any, formulas: Mapping[str, Formula]) -> Any:
    """The formulas, each step a projection of its own: as one expression, a step that uses the
    one before three times would have it calculated three times (200 s for a million numbers)."""
    made: dict[str, str] = {}
    steps: list[str] = []
    for name, formula in formulas.items():
        before = quoted(name)
        for number, step in enumerate(formula.duckdb):
            now = quoted(f"\ufdd0{number} {name}")
            relation = relation.project(f"*, {step(quoted(name), before)} AS {now}")
            steps.append(now)
            before = now
        made[name] = before
    kept = ", ".join(f"{last} AS {quoted(name)}" for name, last in made.items())
    return relation.project(f"* EXCLUDE ({', '.join(steps)}) REPLACE ({kept})")


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


def spark_column(name: str) -> Any:
    from pyspark.sql import functions

    return functions.col("`" + name.replace("`", "``") + "`")
