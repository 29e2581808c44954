"""Where a partition is cut: every value is in exactly one part, whatever the ends were."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.source import KeyValue, Split
from resources.splits import Rule, cuts, ranges, shown, text_of, value_of
from resources.types import parse_type

BIG = 2**63 - 1
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-BIG - 1, BIG),
    "decimal(38,0)": st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    "decimal(38,10)": st.integers(-(10**38) + 1, 10**38 - 1).map(
        lambda one: Decimal((int(one < 0), tuple(map(int, str(abs(one)))), -10))
    ),
    "date": st.dates(),
    "timestamp": st.datetimes(),
}


def holds(part: Split, value: KeyValue | None) -> bool:
    """As SQL has it: a comparison with NULL is not true."""
    if value is None or part.null:
        return value is None and part.null
    above: Any = part.low is None or part.low <= value  # type: ignore[operator]
    below: Any = part.high is None or value < part.high  # type: ignore[operator]
    return bool(above and below)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, list[Any], int, list[Any]]:
    """A type, two ends, a count, and values that may lie outside of the ends."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    ends = sorted(draw(st.lists(VALUES[kind], min_size=2, max_size=2)))
    values = draw(st.lists(st.none() | VALUES[kind], max_size=20))
    return kind, ends, draw(st.integers(2, 256)), [*values, *ends]


@given(questions())
def test_every_value_is_in_exactly_one_part(
    question: tuple[str, list[Any], int, list[Any]],
) -> None:
    name, (low, high), count, values = question
    kind = parse_type(name)
    at = cuts(Rule("k", count), kind, low, high)
    parts = ranges("k", at, nullable=True)
    assert list(at) == sorted(set(at))
    assert all(low < one <= high for one in at)
    assert len(parts) <= count + 1
    for value in [*values, *at]:
        assert [holds(part, value) for part in parts].count(True) == 1, value
    assert tuple(value_of(kind, text_of(one)) for one in at) == at


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.integers(2, 64))
def test_whole_numbers_are_cut_evenly(low: int, width: int, count: int) -> None:
    at = cuts(Rule("k", count), parse_type("int64"), low, low + width - 1)
    ends = [low, *(int(str(one)) for one in at), low + width]
    widths = [b - a for a, b in pairwise(ends)]
    assert len(widths) == min(count, width)
    assert max(widths) - min(widths) <= 1


@pytest.mark.parametrize(
    ("kind", "low", "high", "count", "wanted"),
    [
        ("int64", None, None, 8, ()),
        ("int64", 7, 7, 8, ()),
        ("int64", 7, 8, 8, (8,)),
        ("int64", -10, 9, 4, (-5, 0, 5)),
        ("int64", 2**53, 2**53 + 3, 2, (2**53 + 2,)),
        ("decimal(38,0)", Decimal(10**37), Decimal(10**37 + 3), 2, (Decimal(10**37 + 2),)),
        ("decimal(5,2)", Decimal("-0.01"), Decimal("0.02"), 2, (Decimal("0.01"),)),
        ("date", date(2025, 7, 1), date(2025, 7, 31), 2, (date(2025, 7, 16),)),
        (
            "timestamp",
            datetime(2025, 7, 1),
            datetime(2025, 7, 1) + timedelta(microseconds=1),
            2,
            (datetime(2025, 7, 1, 0, 0, 0, 1),),
        ),
    ],
)
def test_where_it_is_cut(kind: str, low: Any, high: Any, count: int, wanted: Any) -> None:
    assert cuts(Rule("k", count), parse_type(kind), low, high) == wanted


def test_parts_in_words() -> None:
    parts = ranges("k", ("나", "다"), nullable=True)
    assert [shown(part) for part in parts] == ["k < 나", "나 ≤ k < 다", "다 ≤ k", "k NULL"]
    assert [shown(part) for part in ranges("k", (), nullable=False)] == ["k"]
