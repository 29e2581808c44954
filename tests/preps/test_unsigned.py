"""Whole numbers beyond int64, which UInt64 has: no engine raises, all give the same.

Here: the functions that look at numbers, on the engines that have the type (Spark has not, and
NumPy-backed pandas has it without missing values only). Not here: the table of cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from lake_assets import preps
from lake_assets.xforms import null
from tests.preps.engines import ENGINES, result

UNSIGNED = [one for one in ENGINES if one not in ("pyspark", "pandas_numpy")]
LOW, HIGH = 2**63 + 10, 2**63 + 12
GIVEN = pa.table({"u": pa.array([1, LOW, None, HIGH], pa.uint64())})


def kept(operator: str, value: int) -> Callable[[Any], Any]:
    return lambda df: preps.filter_examples(df, [["u", operator, value]])


def filled(method: Any, value: Any = None) -> Callable[[Any], Any]:
    return lambda df: null(df, method, value=value)


MAPPING = {LOW: "a", 1: "b"}


@pytest.mark.parametrize("engine", UNSIGNED)
@pytest.mark.parametrize(
    ("call", "expect"),
    [
        (kept("gt", 2**63), [LOW, HIGH]),
        (kept("eq", LOW), [LOW]),
        (kept("ne", LOW), [1, None, HIGH]),
        (kept("le", LOW), [1, LOW]),
        (kept("lt", -1), []),
        (kept("ge", -1), [1, LOW, HIGH]),
        (kept("gt", 2**65), []),
        # (1 + 2^63 + 10 + 2^63 + 12) / 3 is 6148914691236517213, rounded half up.
        (filled("average"), [1, LOW, 6148914691236517213, HIGH]),
        (filled("median"), [1, LOW, LOW, HIGH]),
        (filled("minimum"), [1, LOW, 1, HIGH]),
        (filled("maximum"), [1, LOW, HIGH, HIGH]),
        (filled("value", LOW), [1, LOW, LOW, HIGH]),
        (filled("zero"), [1, LOW, 0, HIGH]),
        (preps.numeric_to_binominal, [True, True, None, True]),
        (lambda df: preps.numeric_to_binominal(df, max=LOW), [False, False, None, True]),
        (
            lambda df: preps.numeric_to_polynominal_mapping(df, "u", MAPPING, default="z"),
            ["b", "a", None, "z"],
        ),
    ],
)
def test_values(engine: str, call: Callable[[Any], Any], expect: list[Any]) -> None:
    found = result(engine, call(ENGINES[engine](GIVEN)))
    assert found["u"].to_pylist() == expect


@pytest.mark.parametrize("engine", UNSIGNED)
@pytest.mark.parametrize("unit", ["millisecond", "yyyymmdd"])
def test_no_date_is_told(engine: str, unit: Any) -> None:
    with pytest.raises(preps.PrepError, match="numeric_to_date: values of column 'u'"):
        preps.numeric_to_date(ENGINES[engine](GIVEN), "u", unit=unit)


@pytest.mark.parametrize("engine", UNSIGNED)
def test_dates_among_unsigned_numbers(engine: str) -> None:
    given = ENGINES[engine](pa.table({"u": pa.array([20240229, None], pa.uint64())}))
    found = result(engine, preps.numeric_to_date(given, "u", unit="yyyymmdd"))
    assert [day and day.isoformat() for day in found["u"].to_pylist()] == ["2024-02-29", None]
