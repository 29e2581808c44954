"""Where partitions lie: paths, keys, and words that are none."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.partition import Partition

DAY = Partition("raw", "sales", "daily", "2025-07-01")


@pytest.mark.parametrize(
    ("partition", "path", "column"),
    [
        (DAY, "raw/sales/dt=2025-07-01", "dt"),
        (Partition("prep", "a1_b", "monthly", "2024-02"), "prep/a1_b/ym=2024-02", "ym"),
        (Partition("raw", "customer"), "raw/customer", None),
    ],
)
def test_path(partition: Partition, path: str, column: str | None) -> None:
    assert (partition.path, partition.column) == (path, column)
    assert Partition.of(partition.layer, partition.name, partition.key) == partition


@pytest.mark.parametrize(
    ("layer", "name", "cadence", "key", "says"),
    [
        ("raw", "Sales", None, "", "names match"),
        ("..", "sales", None, "", "names match"),
        ("raw", "sales/../x", None, "", "names match"),
        ("raw", "sales\n", None, "", "names match"),
        ("raw", "sales", None, "2025-07-01", "has no partitions"),
        ("raw", "sales", "daily", "", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "2025-02-29", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "20250701", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "2025-W01-1", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "２０２５-07-01", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "2025-07-01\n", "write it as 2025-07-01"),
        ("raw", "sales", "monthly", "2025-13", "write it as 2025-07"),
        ("raw", "sales", "monthly", "2025-07-01", "write it as 2025-07"),
    ],
)
def test_words_that_are_no_partition(
    layer: str, name: str, cadence: Any, key: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Partition(layer, name, cadence, key)


@given(st.dates())
def test_every_day_and_month_has_its_path(day: date) -> None:
    assert Partition.of("raw", "s", day.isoformat()).path == f"raw/s/dt={day.isoformat()}"
    month = day.isoformat()[:7]
    assert Partition.of("raw", "s", month).path == f"raw/s/ym={month}"
    assert Partition.of("raw", "s", day.isoformat()).value.as_py() == day


_WORDS = st.text() | st.text("ab_1./=-", max_size=10) | st.text("0123456789-", max_size=10)


@given(_WORDS, _WORDS, _WORDS)
def test_no_words_lead_out_of_the_store(layer: str, name: str, key: str) -> None:
    try:
        path = Partition.of(layer, name, key).path
    except ValueError:
        return
    shape = r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*(/dt=\d{4}-\d\d-\d\d|/ym=\d{4}-\d\d)?"
    assert re.fullmatch(shape, path, re.ASCII)
