"""Texts read by each engine's own means: its parser of dates, its regular expressions.

Here: what puts the parts or the dates of texts into new columns. Not here: what patterns mean
(`date_patterns.py`), what parts make a date (`date_reading.py`).
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.date_engines import (
    sql_call,
    with_arrow,
    with_duckdb,
    with_made,
    with_polars,
)
from lake_assets.preps.prep import Frame
from lake_assets.preps.repeated import LEAST, by_distinct


def with_parsed(
    frame: Frame, column: str, into: str, regex: str, strptime: str, date: bool
) -> Frame | None:
    """Texts as dates or wall times by the engine's own parser; None where it has no strict one.

    `regex` decides what is read at all: Polars' parser takes `2025- 7-01` and `+025-07-01` alone.
    """

    def polars(one: Any) -> Sequence[Any]:
        import polars as pl

        text = one.cast(pl.String)
        # A cache pays off for few texts and costs twice the time for many.
        read = text.str.to_date if date else partial(text.str.to_datetime, time_unit="us")
        made = read(strptime, strict=False, cache=False)
        return [pl.when(text.str.contains(regex)).then(made)]

    def arrow(array: Any) -> Sequence[Any]:
        import polars as pl
        import pyarrow as pa

        if strptime == "%Y-%m-%d" and date:
            with suppress(pa.ArrowInvalid):
                return [_iso_dates(array)]
        # Arrow's own parser takes 2023-02-29 for March 1; of Narwhals' steps on pandas a call of
        # three rows would take 20 ms.
        lent = pl.DataFrame({"x": pl.from_arrow(array)})
        return [lent.select(*polars(pl.col("x"))).to_series().to_arrow()]

    def duckdb(one: Any) -> Sequence[Any]:
        from duckdb import CaseExpression

        made = sql_call("try_strptime", one, strptime)
        made = made.cast("DATE") if date else made
        return [CaseExpression(sql_call("regexp_matches", one, regex), made)]

    engine = frame.implementation
    if engine.is_polars():
        return with_polars(frame, column, [into], polars)
    if engine.is_duckdb():
        return with_duckdb(frame, column, [into], duckdb)
    if engine.is_pandas() or engine.is_pyarrow():
        return with_arrow(frame, column, [into], arrow)
    return None


def _iso_dates(array: Any) -> Any:
    """By Arrow's cast, which takes YYYY-MM-DD alone; ArrowInvalid where one is none, or year 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    made = array.cast(pa.date32())
    if pc.less(pc.min(made), pa.scalar(datetime.date.min)).as_py():
        raise pa.ArrowInvalid("year 0")
    return made


def with_distinct(
    frame: Frame, column: str, into: str, read: Callable[[Frame], tuple[Frame, str]]
) -> Frame | None:
    """What `read` makes of a frame of the column's distinct values, for every row of it; None
    where they hardly repeat, or are few. Of pandas and PyArrow alone, which have no strict parser.
    """
    if len(nw.to_native(frame)) < LEAST:
        return None

    def read_values(values: Any) -> Any:
        import pyarrow as pa

        few: Frame = nw.from_native(pa.table({column: values}))
        made, name = read(few)
        return nw.to_native(made)[name].combine_chunks()

    there = True

    def arrow(array: Any) -> Sequence[Any]:
        nonlocal there
        found = by_distinct(array, read_values)
        there = found is not None
        return [array if found is None else found]

    made = with_arrow(frame, column, [into], arrow)
    return made if there else None


def with_groups(frame: Frame, column: str, pattern: str, into: Sequence[str]) -> Frame:
    """The groups of an expression that matches whole texts, one or more characters each.

    They are null where it does not match.
    """

    def polars(one: Any) -> Sequence[Any]:
        import polars as pl

        groups = one.cast(pl.String).str.extract_groups(pattern)
        return [groups.struct[at] for at in range(len(into))]

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        number = itertools.count()  # Arrow's groups have names
        named = re.sub(
            r"(\\.)|\((?!\?)", lambda found: found[1] or f"(?P<g{next(number)}>", pattern
        )
        made = pc.extract_regex(array, named)
        return [pc.struct_field(made, at) for at in range(len(into))]

    def duckdb(one: Any) -> Sequence[Any]:
        found = [sql_call("regexp_extract", one, pattern, at + 1) for at in range(len(into))]
        return [sql_call("nullif", group, "") for group in found]

    def spark(one: Any) -> Sequence[Any]:
        from pyspark.sql import functions as F

        found = [F.regexp_extract(one, pattern, at + 1) for at in range(len(into))]
        return [F.nullif(group, F.lit("")) for group in found]

    return with_made(frame, column, into, polars=polars, arrow=arrow, duckdb=duckdb, spark=spark)
