"""What Narwhals cannot say of times on every engine: zones, parts of texts, numbers to dates.

Here: one small function an act, in the words of Polars, Arrow (PyArrow and pandas), DuckDB and
Spark, which puts its result into new columns. Not here: what is computed with them, alike on all
engines (`date_parts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.formulas import spark_column
from lake_assets.preps.prep import Frame

#: An engine's column in, the columns made of it out.
Act = Callable[[Any], Sequence[Any]]


def with_local(frame: Frame, column: str, into: str, tz: str) -> Frame:
    """Instants as wall times of a zone.

    Narwhals' own way gives UTC's wall time on Arrow-backed pandas, and refuses zones other than
    the session's on DuckDB and Spark.
    """

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        return [pc.local_timestamp(array.cast(pa.timestamp(array.type.unit, tz)))]

    def spark(one: Any) -> Sequence[Any]:
        from pyspark.sql import functions as F

        return [_spark_moved(_spark_wall_time(F.unix_micros(one)), "UTC", tz)]

    return with_made(
        frame,
        column,
        [into],
        polars=lambda one: [one.dt.convert_time_zone(tz).dt.replace_time_zone(None)],
        arrow=arrow,
        duckdb=lambda one: [sql_call("timezone", tz, one)],
        spark=spark,
    )


def with_time_texts(frame: Frame, column: str, into: str) -> Frame:
    """Wall times as text, `2025-07-01 15:30:00` and what there is of a fraction (`.25`); instants
    as those of UTC, with a Z.

    A cast writes all digits of the column's unit on Polars and Arrow, and an instant as the
    session's wall time on DuckDB and Spark, +00:00 on Polars.
    """
    dtype: Any = frame.collect_schema()[column]
    zoned = dtype.time_zone is not None
    if zoned:
        frame = with_local(frame, column, into, "UTC")
    time = nw.col(into if zoned else column)
    if dtype.time_unit == "ns":  # Arrow's cast refuses what it would cut
        time = time.dt.truncate("1us")
    text = time.cast(nw.Datetime("us")).cast(nw.String)
    if not (frame.implementation.is_duckdb() or frame.implementation.is_spark_like()):
        text = text.str.strip_chars_end("0").str.strip_chars_end(".")
    return frame.with_columns((nw.concat_str(text, nw.lit("Z")) if zoned else text).alias(into))


def with_instants(frame: Frame, column: str, into: str, tz: str) -> Frame:
    """Wall times of a zone as instants, null where daylight saving left the time out.

    A time that was twice is standard time, as Java's Calendar has it: the later one.
    """

    def polars(one: Any) -> Sequence[Any]:
        there = one.dt.replace_time_zone(tz, ambiguous="latest", non_existent="null")
        return [there.dt.convert_time_zone("UTC")]

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        there = pc.assume_timezone(array, tz, ambiguous="latest", nonexistent="latest")
        made = there.cast(pa.timestamp(array.type.unit, "UTC"))
        same = pc.equal(pc.local_timestamp(there), array)
        return [pc.if_else(same, made, pa.scalar(None, made.type))]

    def duckdb(one: Any) -> Sequence[Any]:
        from duckdb import CaseExpression

        made = sql_call("timezone", tz, one)  # of a time that was twice it takes the later itself
        return [CaseExpression(sql_call("timezone", tz, made) == one, made)]

    def spark(one: Any) -> Sequence[Any]:
        from pyspark.sql import functions as F

        first = _spark_moved(one, tz, "UTC")  # the earlier, shifted where the time was left out
        later = F.timestamp_add("HOUR", F.lit(1), first)
        made = F.when(_spark_moved(later, "UTC", tz) == one, later).when(
            _spark_moved(first, "UTC", tz) == one, first
        )
        return [F.timestamp_micros(F.timestamp_diff("MICROSECOND", _spark_epoch(), made))]

    return with_made(frame, column, [into], polars=polars, arrow=arrow, duckdb=duckdb, spark=spark)


def with_dates(frame: Frame, column: str, into: str) -> Frame:
    """Days since 1970-01-01 as dates."""

    def polars(one: Any) -> Sequence[Any]:
        import polars as pl

        return [one.cast(pl.Int32).cast(pl.Date)]

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa

        return [array.cast(pa.int32()).cast(pa.date32())]

    def duckdb(one: Any) -> Sequence[Any]:
        from duckdb import ConstantExpression

        return [ConstantExpression("1970-01-01").cast("DATE") + one.cast("INTEGER")]

    def spark(one: Any) -> Sequence[Any]:
        from pyspark.sql import functions as F

        return [F.date_from_unix_date(one.cast("int"))]

    return with_made(frame, column, [into], polars=polars, arrow=arrow, duckdb=duckdb, spark=spark)


def with_epoch_days(frame: Frame, column: str, into: str) -> Frame:
    """Dates, or wall times' dates, as days since 1970-01-01."""

    def polars(one: Any) -> Sequence[Any]:
        import polars as pl

        return [one.cast(pl.Date).cast(pl.Int32).cast(pl.Int64)]

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa

        return [array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())]

    def duckdb(one: Any) -> Sequence[Any]:
        from duckdb import ConstantExpression

        return [one.cast("DATE") - ConstantExpression("1970-01-01").cast("DATE")]

    def spark(one: Any) -> Sequence[Any]:
        from pyspark.sql import functions as F

        return [F.unix_date(one.cast("date")).cast("bigint")]

    return with_made(frame, column, [into], polars=polars, arrow=arrow, duckdb=duckdb, spark=spark)


def with_wall_times(frame: Frame, column: str, into: str) -> Frame:
    """Microseconds since 1970-01-01 as wall times."""

    def polars(one: Any) -> Sequence[Any]:
        import polars as pl

        return [one.cast(pl.Datetime("us"))]

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa

        return [array.cast(pa.timestamp("us"))]

    return with_made(
        frame,
        column,
        [into],
        polars=polars,
        arrow=arrow,
        duckdb=lambda one: [sql_call("make_timestamp", one)],
        spark=lambda one: [_spark_wall_time(one)],
    )


def with_instants_of_millis(frame: Frame, column: str, into: str) -> Frame:
    """Milliseconds since 1970-01-01 in UTC as instants."""

    def polars(one: Any) -> Sequence[Any]:
        import polars as pl

        return [one.cast(pl.Datetime("ms", "UTC"))]

    def arrow(array: Any) -> Sequence[Any]:
        import pyarrow as pa

        return [array.cast(pa.timestamp("ms", "UTC"))]

    def spark(one: Any) -> Sequence[Any]:
        from pyspark.sql import functions as F

        return [F.timestamp_millis(one)]

    return with_made(
        frame,
        column,
        [into],
        polars=polars,
        arrow=arrow,
        duckdb=lambda one: [sql_call("make_timestamptz", one * 1000)],
        spark=spark,
    )


def sql_call(name: str, *arguments: Any) -> Any:
    """A call in DuckDB; what is no expression is a constant."""
    from duckdb import ConstantExpression, Expression, FunctionExpression

    given = [one if isinstance(one, Expression) else ConstantExpression(one) for one in arguments]
    return FunctionExpression(name, *given)


def _spark_epoch() -> Any:
    from pyspark.sql import functions as F

    return F.lit("1970-01-01 00:00:00").cast("timestamp_ntz")


def _spark_wall_time(micros: Any) -> Any:
    from pyspark.sql import functions as F

    return F.timestamp_add("MICROSECOND", micros, _spark_epoch())


def _spark_moved(wall_time: Any, source: str, target: str) -> Any:
    from pyspark.sql import functions as F

    return F.convert_timezone(F.lit(source), F.lit(target), wall_time)


def with_made(
    frame: Frame,
    column: str,
    into: Sequence[str],
    *,
    polars: Act,
    arrow: Act,
    duckdb: Act,
    spark: Act,
) -> Frame:
    """The frame with the columns `into` that its engine's act makes of `column`."""
    engine = frame.implementation
    if engine.is_polars():
        return with_polars(frame, column, into, polars)
    if engine.is_pandas() or engine.is_pyarrow():
        return with_arrow(frame, column, into, arrow)
    if engine.is_duckdb():
        return with_duckdb(frame, column, into, duckdb)
    return _with_spark(frame, column, into, spark)


def with_polars(frame: Frame, column: str, into: Sequence[str], act: Act) -> Frame:
    """The same of a frame of Polars; the act takes and gives its expressions."""
    import polars as pl

    native: Any = nw.to_native(frame)
    made = zip(act(pl.col(column)), into, strict=True)
    changed: Frame = nw.from_native(native.with_columns(one.alias(name) for one, name in made))
    return changed


def with_arrow(frame: Frame, column: str, into: Sequence[str], act: Act) -> Frame:
    """The same of a frame of pandas or PyArrow; the act takes and gives Arrow's arrays."""
    native: Any = nw.to_native(frame)
    if frame.implementation.is_pandas():
        import pandas as pd
        import pyarrow as pa

        arrays = act(pa.array(native[column], from_pandas=True))
        native = native.assign(
            **{
                name: pd.Series(pd.arrays.ArrowExtensionArray(array), index=native.index)
                for name, array in zip(into, arrays, strict=True)
            }
        )
    else:
        for name, array in zip(into, act(native[column]), strict=True):
            native = native.append_column(name, array)
    changed: Frame = nw.from_native(native)
    return changed


def with_duckdb(frame: Frame, column: str, into: Sequence[str], act: Act) -> Frame:
    """The same of a relation of DuckDB; the act takes and gives its expressions."""
    from duckdb import ColumnExpression, StarExpression

    native: Any = nw.to_native(frame)
    made = zip(act(ColumnExpression(column)), into, strict=True)
    selected = native.select(StarExpression(), *(one.alias(name) for one, name in made))
    changed: Frame = nw.from_native(selected)
    return changed


def _with_spark(frame: Frame, column: str, into: Sequence[str], act: Act) -> Frame:
    native: Any = nw.to_native(frame)
    made = zip(act(spark_column(column)), into, strict=True)
    changed: Frame = nw.from_native(native.select("*", *(one.alias(name) for one, name in made)))
    return changed
