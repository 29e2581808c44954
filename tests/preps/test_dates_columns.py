"""Date columns beyond the table of cases: units of time, pandas' index, laziness, lineage.

Here: what a case has no words for. Not here: values (`cases_date*.py`).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lake_assets import preps
from lake_assets.edge import Edge
from lake_assets.lineage_steps import effect_of
from lake_assets.preps import PrepError, Step
from tests.preps.engines import ENGINES, result

#: Before 1970, where a division that cuts is one too high.
MOMENT = dt.datetime(1969, 12, 31, 23, 59, 58)
#: Polars has no seconds.
UNITS = [("polars", unit) for unit in ("ms", "us", "ns")] + [
    (engine, unit)
    for engine in ("pandas_arrow", "pandas_numpy", "pyarrow")
    for unit in ("s", "ms", "us", "ns")
]


@pytest.mark.parametrize(("engine", "unit"), UNITS)
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_every_unit_of_time(engine: str, unit: str, zone: str | None) -> None:
    # An instant is seen in Seoul's zone: nine hours later, in 1970.
    moment = MOMENT.replace(tzinfo=dt.timezone.utc) if zone else MOMENT
    frame = ENGINES[engine](pa.table({"t": pa.array([moment, None], pa.timestamp(unit, zone))}))

    def made(function: Any, *given: Any) -> Any:
        return result(engine, function(frame, "t", *given))["t"].to_pylist()

    text = "1970-01-01 08:59:58" if zone else "1969-12-31 23:59:58"
    month_end = dt.date(1970, 1, 31) if zone else dt.date(1969, 12, 31)
    assert made(preps.date_to_nominal, "yyyy-MM-dd HH:mm:ss") == [text, None]
    assert made(preps.last_day) == [month_end, None]
    assert made(preps.before_last_day) == [month_end.replace(day=1) - dt.timedelta(1), None]
    assert made(preps.date_to_numeric, "millisecond", "epoch") == [-2000, None]
    assert made(preps.date_to_numeric, "hour") == [8 if zone else 23, None]
    assert made(preps.date_to_numeric, "day", "epoch") == [-1, None]


def test_a_pandas_index_stays() -> None:
    frame = pd.DataFrame({"a": ["2025-07-01", None, "2024-02-29"]}, index=[7, 7, 3])
    read = preps.nominal_to_date(frame, "a")
    assert list(read.index) == [7, 7, 3]
    assert list(frame["a"]) == ["2025-07-01", None, "2024-02-29"]
    told = preps.date_to_nominal(read, "a", "d.M.yyyy")
    assert list(told["a"]) == ["1.7.2025", None, "29.2.2024"]
    with pytest.raises(PrepError, match="row 3"):
        preps.nominal_to_date(pd.DataFrame({"a": ["2025-07-01"] * 2 + ["x"]}, index=[7, 7, 3]), "a")


def test_a_lazy_frame_stays_so_until_it_is_read() -> None:
    def never(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("the frame was read")

    lazy = pl.LazyFrame({"d": [dt.date(2025, 7, 1)], "a": ["x"]}).map_batches(
        never, schema={"d": pl.Date, "a": pl.String}
    )
    for function, params in (
        (preps.last_day, {}),
        (preps.week_of_month, {}),
        (preps.date_to_numeric, {"time_unit": "day"}),
        (preps.date_to_nominal, {"date_format": "yyyy"}),
    ):
        assert isinstance(function(lazy, column="d", **params), pl.LazyFrame)
    assert isinstance(preps.nominal_to_date(lazy, column="a", errors="null"), pl.LazyFrame)


def test_zones_do_not_follow_the_connection() -> None:
    """DuckDB's session has a zone of its own, which Narwhals would take."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    moment = dt.datetime(2025, 6, 30, 16, tzinfo=dt.timezone.utc)
    frame = connection.from_arrow(pa.table({"t": pa.array([moment], pa.timestamp("us", "UTC"))}))
    assert preps.today(frame, "t").fetchall() == [(dt.date(2025, 7, 1),)]
    assert preps.today(frame, "t", tz="UTC").fetchall() == [(dt.date(2025, 6, 30),)]
    assert preps.date_to_nominal(frame, "t", "dd HH").fetchall() == [("01 01",)]


def edge(column: str, kind: Any) -> tuple[Edge, ...]:
    return (Edge(column, kind),)


#: Step, schema after of `d` and `x`, where each column comes from.
LINEAGE = [
    (
        Step("last_day", {"column": "d"}),
        {"d": edge("d", "transformation"), "x": edge("x", "identity")},
    ),
    (
        Step("last_day", {"column": "d", "into": "e"}),
        {"d": edge("d", "identity"), "e": edge("d", "transformation")},
    ),
    (
        Step("week_of_month", {"column": "d"}),
        {"d_year": edge("d", "transformation"), "d_week": edge("d", "transformation")},
    ),
    (
        Step("date_to_numeric", {"column": "d", "keep_old_attribute": True}),
        {"d": edge("d", "identity"), "d_millisecond": edge("d", "transformation")},
    ),
    (
        Step("nominal_to_date", {"column": "d", "keep_old_attribute": True}),
        {"d": edge("d", "transformation"), "d_old": edge("d", "identity")},
    ),
]


@pytest.mark.parametrize(("step", "made"), LINEAGE)
def test_lineage(step: Step, made: dict[str, tuple[Edge, ...]]) -> None:
    before = nw.Schema({"d": nw.Date(), "x": nw.Int64()})
    after = nw.Schema(dict.fromkeys(made, nw.String()))
    assert effect_of(step, before, after, {"d"}).made == made
