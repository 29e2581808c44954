"""Texts of times in units other than the lake's microseconds: pandas' own are nanoseconds.

Here: `merge_columns` on frames whose engine has the unit. Not here: the table of cases.
"""

from __future__ import annotations

import pyarrow as pa
import pytest

from lake_assets.preps import merge_columns
from tests.preps.engines import ENGINES, result

#: Unit → so many of them since 1970-01-01, and their text.
TIMES = {
    "s": (1_751_328_000, "2025-07-01 00:00:00"),
    "ms": (1_751_328_000_250, "2025-07-01 00:00:00.25"),
    "us": (1_751_328_000_000_010, "2025-07-01 00:00:00.00001"),
    "ns": (1_751_328_000_123_456_789, "2025-07-01 00:00:00.123456"),
}


@pytest.mark.parametrize("engine", [one for one in ENGINES if one != "pyspark"])
@pytest.mark.parametrize("unit", TIMES)
def test_text_of_times(engine: str, unit: str) -> None:
    since, text = TIMES[unit]
    wall = pa.array([since, None], pa.timestamp(unit))
    there = pa.array([since, None], pa.timestamp(unit, "Asia/Seoul"))
    given = ENGINES[engine](pa.table({"w": wall, "i": there, "x": ["x", "y"]}))
    assert result(engine, merge_columns(given, "w", "x"))["w_x"].to_pylist() == [text + "_x", None]
    assert result(engine, merge_columns(given, "i", "x"))["i_x"].to_pylist() == [text + "Z_x", None]
