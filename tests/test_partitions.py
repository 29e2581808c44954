"""Days and months: our own arithmetic against Dagster's."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.partitions import (
    consecutive,
    days,
    definition,
    input_keys,
    key_of,
    mapping,
    newest,
)
from lake_assets.spec import Partitions

DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))


def daily(start: date, end: date | None = None) -> Partitions:
    span = {"start": str(start)} | ({"end": str(end)} if end else {})
    return Partitions.model_validate({"daily": span})


def monthly(start: date) -> Partitions:
    return Partitions.model_validate({"monthly": {"start": str(start)}})


@given(DAYS, st.sampled_from(["daily", "monthly"]))
def test_a_key_stands_for_the_days_that_have_it(day: date, cadence: str) -> None:
    key = key_of(cadence, day)  # type: ignore[arg-type]
    start, end = days(cadence, key)  # type: ignore[arg-type]
    assert start <= day < end
    inside = [start, end - timedelta(days=1)]
    outside = [start - timedelta(days=1), end]
    assert {key_of(cadence, one) for one in inside} == {key}  # type: ignore[arg-type]
    assert key not in {key_of(cadence, one) for one in outside}  # type: ignore[arg-type]


@given(st.dates(date(2015, 1, 1), date(2024, 12, 31)), st.integers(0, 200), st.integers(1, 400))
def test_a_month_reads_the_days_dagster_maps_it_to(start: date, lead: int, length: int) -> None:
    upstream = daily(start, start + timedelta(days=length))
    month = monthly((start - timedelta(days=lead)).replace(day=1))
    definitions = definition(month), definition(upstream)
    assert definitions[0] is not None
    assert definitions[1] is not None
    for key in {key_of("monthly", start), key_of("monthly", start + timedelta(days=length - 1))}:
        subset = definitions[0].empty_subset().with_partition_keys([key])
        mapped = mapping(None).get_upstream_mapped_partitions_result_for_partitions(
            subset, definitions[0], definitions[1]
        )
        theirs = sorted(mapped.partitions_subset.get_partition_keys())
        assert input_keys("monthly", key, upstream, ()) == theirs


@given(
    st.sampled_from([("daily", "daily"), ("monthly", "monthly"), ("monthly", "daily")]),
    st.dates(date(2019, 1, 1), date(2024, 12, 31)),
    st.integers(-30, 0),
    st.integers(0, 30),
)
def test_earlier_partitions_are_those_dagster_maps_to(
    cadences: tuple[str, str], day: date, first: int, length: int
) -> None:
    mine, its = cadences
    spans = {"daily": daily(date(2020, 1, 15)), "monthly": monthly(date(2020, 1, 1))}
    own = {"daily": daily(date(2019, 1, 1)), "monthly": monthly(date(2019, 1, 1))}[mine]
    offset = (first, min(first + length, 0))
    definitions = definition(own), definition(spans[its])
    assert definitions[0] is not None
    assert definitions[1] is not None
    key = key_of(mine, day)  # type: ignore[arg-type]
    subset = definitions[0].empty_subset().with_partition_keys([key])
    mapped = mapping(offset).get_upstream_mapped_partitions_result_for_partitions(
        subset, definitions[0], definitions[1]
    )
    theirs = sorted(mapped.partitions_subset.get_partition_keys())
    assert input_keys(mine, key, spans[its], (), offset) == theirs  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cadence", "key", "upstream", "existing", "expected"),
    [
        ("daily", "2025-02-01", daily(date(2024, 1, 1)), (), ["2025-02-01"]),
        ("monthly", "2025-02", monthly(date(2024, 1, 1)), (), ["2025-02"]),
        ("daily", "2025-02-01", None, (), [""]),
        (None, "", daily(date(2024, 1, 1)), ("2025-01-01",), ["2025-01-01"]),
    ],
)
def test_inputs(
    cadence: str, key: str, upstream: Partitions, existing: tuple[str, ...], expected: list[str]
) -> None:
    assert input_keys(cadence, key, upstream, existing) == expected  # type: ignore[arg-type]


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 31), timezones=st.timezones()),
    st.sampled_from(
        [
            {"daily": {"start": "2024-06-03"}},
            {"daily": {"start": "2024-06-03", "end": "2025-02-01"}},
            {"monthly": {"start": "2024-06-01"}},
            {"monthly": {"start": "2024-06-01", "end": "2025-02-01"}},
        ]
    ),
)
def test_the_newest_whole_partition_is_dagsters(moment: datetime, spec: dict[str, object]) -> None:
    partitions = Partitions.model_validate(spec)
    theirs = definition(partitions)
    assert theirs is not None
    keys = theirs.get_partition_keys(current_time=moment)
    assert newest(partitions, moment) == (keys[-1] if keys else None)


@given(st.lists(DAYS, unique=True, max_size=40))
def test_runs_without_a_gap(found: list[date]) -> None:
    keys = [str(day) for day in sorted(found)]
    runs = consecutive("daily", keys)
    assert [key for run in runs for key in run] == keys
    for run in runs:
        first, last = date.fromisoformat(run[0]), date.fromisoformat(run[-1])
        assert (last - first).days == len(run) - 1
    for before, after in pairwise(runs):
        assert days("daily", before[-1])[1] < days("daily", after[0])[0]


def test_equal_partitions_are_one_definition() -> None:
    assert definition(daily(date(2024, 1, 1))) is definition(daily(date(2024, 1, 1)))
    found = definition(monthly(date(2024, 11, 1)))
    assert found is not None
    assert found.get_first_partition_key() == "2024-11"
    assert definition(None) is None
