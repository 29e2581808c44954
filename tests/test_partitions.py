"""Which partitions there are and which an input gives: our own arithmetic against Dagster's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.partition_spec import Partitions
from lake_assets.partitions import (
    consecutive,
    definition,
    due,
    input_keys,
    mapping,
    previous,
    runs,
    shifted,
)
from resources.partition import Cadence, join, key_at, window

CADENCES: tuple[Cadence, ...] = ("hourly", "daily", "weekly", "monthly")
#: Which cadence is made of which others, besides its own.
FINER = [("daily", "hourly"), ("weekly", "hourly"), ("weekly", "daily")]
FINER += [("monthly", "hourly"), ("monthly", "daily")]
TIMES = st.datetimes(datetime(2019, 1, 1), datetime(2024, 12, 31))
P123 = ("P100", "P200", "P300")


def of(
    cadence: Cadence | None,
    start: date = date(2020, 1, 15),
    end: date | None = None,
    names: Sequence[str] = (),
) -> Partitions:
    """Partitions whose bounds are moved to where the cadence can begin."""
    record: dict[str, Any] = {}
    if cadence:
        bounds = {"start": _bound(cadence, start)} | ({"end": _bound(cadence, end)} if end else {})
        record[cadence] = bounds
    if names:
        record["named"] = {"column": "plant_code", "values": list(names)}
    return Partitions.model_validate(record)


def _bound(cadence: Cadence, day: date) -> str:
    return str(window(cadence, key_at(cadence, day))[0])[:10]


def mapped(
    mine: Partitions, key: str, upstream: Partitions, offset: tuple[int, int] | None
) -> list[str]:
    """What Dagster says that `key` reads."""
    own, its = definition(mine), definition(upstream)
    assert own is not None
    assert its is not None
    how = mapping(mine, upstream, offset)
    how.validate_partition_mapping(its, own)
    found = how.get_upstream_mapped_partitions_result_for_partitions(
        own.empty_subset().with_partition_keys([key]), own, its, datetime(2025, 6, 1)
    )
    assert not found.required_but_nonexistent_partition_keys
    return sorted(map(str, found.partitions_subset.get_partition_keys()))


@given(
    st.sampled_from([*((one, one) for one in CADENCES), *FINER]),
    TIMES,
    TIMES,
    st.none() | st.integers(1, 400),
    st.none() | st.tuples(st.integers(-30, 0), st.integers(0, 30)),
)
def test_times_read_what_dagster_maps_them_to(
    cadences: tuple[Cadence, Cadence],
    time: datetime,
    start: datetime,
    length: int | None,
    reach: tuple[int, int] | None,
) -> None:
    own, finer = cadences
    end = start.date() + timedelta(days=length + 31) if length else None
    mine, upstream = of(own, date(2018, 12, 31)), of(finer, start.date(), end)
    offset = reach and (reach[0], min(reach[0] + reach[1], 0))
    key = key_at(own, time)
    assert input_keys(mine, key, upstream, (), offset) == mapped(mine, key, upstream, offset)


#: (partitions, upstream, key, what it reads)
WITH_NAMES = [
    (of(None, names=P123), of(None, names=P123[::-1]), "P200", ["P200"]),
    (of("daily", names=P123), of("daily"), "2021-02-28|P100", ["2021-02-28"]),
    (of("daily", names=P123), of("daily", names=P123), "2021-02-28|P300", ["2021-02-28|P300"]),
    (
        of("daily", names=P123),
        of("daily", date(2020, 6, 1), names=P123),
        "2021-02-28|P300",
        ["2021-02-28|P300"],
    ),
    (of("daily", names=P123), of(None, names=P123), "2021-02-28|P300", ["P300"]),
    (
        of("daily"),
        of("daily", names=P123),
        "2020-02-29",
        ["2020-02-29|P100", "2020-02-29|P200", "2020-02-29|P300"],
    ),
    (
        of("daily"),
        of("daily", date(2020, 2, 1), names=P123[:1]),
        "2020-02-29",
        ["2020-02-29|P100"],
    ),
]


@pytest.mark.parametrize(("mine", "upstream", "key", "expected"), WITH_NAMES)
def test_names_read_what_dagster_maps_them_to(
    mine: Partitions, upstream: Partitions, key: str, expected: list[str]
) -> None:
    assert input_keys(mine, key, upstream, ()) == expected
    assert mapped(mine, key, upstream, None) == expected


@given(st.dates(date(2020, 1, 15), date(2024, 12, 31)), st.sampled_from(P123))
def test_days_and_names_read_what_dagster_maps_them_to(day: date, name: str) -> None:
    days, both = of("daily"), of("daily", names=P123)
    for mine, upstream in ((days, both), (both, days), (both, both), (both, of(None, names=P123))):
        key = join(str(day), name if mine.named else "")
        assert input_keys(mine, key, upstream, ()) == mapped(mine, key, upstream, None)


@pytest.mark.parametrize(
    ("upstream", "existing", "expected"),
    [
        (None, (), [""]),
        (of("daily"), ("2020-01-14", "2020-01-15", "2020-01", ""), ["2020-01-15"]),
        (of("daily", end=date(2020, 1, 17)), ("2020-01-17", "2020-01-16"), ["2020-01-16"]),
        (of("hourly"), ("2020-01-15-00", "2020-01-14-23", "2020-01-15"), ["2020-01-15-00"]),
        (of("weekly"), ("2020-01-13", "2020-01-06", "2020-01-14"), ["2020-01-13"]),
        (of("monthly"), ("2020-01", "2019-12", "2020-01-15"), ["2020-01"]),
        (of(None, names=P123), ("P100", "P900", "2020-01-15"), ["P100"]),
        (
            of("daily", names=P123),
            ("2020-01-15|P100", "2020-01-15|P900", "2020-01-14|P100", "2020-01-16"),
            ["2020-01-15|P100"],
        ),
    ],
)
def test_without_partitions_all_is_read_that_the_input_declares(
    upstream: Partitions | None, existing: tuple[str, ...], expected: list[str]
) -> None:
    assert input_keys(None, "", upstream, existing) == expected


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 31), timezones=st.timezones()),
    st.sampled_from(CADENCES),
    st.sampled_from(["", "ends", "ahead"]),
)
def test_what_is_due_is_dagsters_last_partition(
    moment: datetime, cadence: Cadence, how: str
) -> None:
    partitions = of(cadence, date(2024, 6, 3), date(2025, 2, 1) if how == "ends" else None)
    if how == "ahead":
        partitions = Partitions.model_validate(
            {cadence: {"start": _bound(cadence, date(2024, 6, 3)), "ahead": True}}
        )
    theirs = definition(partitions)
    assert theirs is not None
    keys = theirs.get_partition_keys(current_time=moment)
    begins = datetime.fromisoformat(f"{_bound(cadence, date(2024, 6, 3))}T00:00:00+09:00")
    # Before the first partition begins Dagster has it already where one is ahead; it is not due.
    assert due(partitions, moment) == (list(keys[-1:]) if moment >= begins else [])


@pytest.mark.parametrize(
    ("partitions", "expected"),
    [
        (of(None, names=("b", "a")), ["a", "b"]),
        (of("daily", names=P123), [f"2025-07-01|{name}" for name in P123]),
        (of("daily", date(2025, 7, 2), names=P123), []),
        (of("hourly"), ["2025-07-02-05"]),
        (of("weekly"), ["2025-06-23"]),
    ],
)
def test_all_names_are_due(partitions: Partitions, expected: list[str]) -> None:
    six_in_seoul = datetime.fromisoformat("2025-07-01T21:00:00+00:00")
    assert due(partitions, six_in_seoul) == expected


@given(st.sampled_from(CADENCES), TIMES, st.integers(-500, 500))
def test_places_in_time(cadence: Cadence, time: datetime, by: int) -> None:
    key = key_at(cadence, time)
    step = 1 if by > 0 else -1
    one = key
    for _ in range(abs(by)):
        start, end = window(cadence, one)
        tick = timedelta(hours=1) if cadence == "hourly" else timedelta(days=1)
        one = key_at(cadence, end if step > 0 else start - tick)
    assert shifted(cadence, key, by) == one
    assert shifted(cadence, one, -by) == key


@pytest.mark.parametrize(
    ("partitions", "key", "before"),
    [
        (of("hourly"), "2025-03-01-00", "2025-02-28-23"),
        (of("weekly"), "2025-01-06", "2024-12-30"),
        (of("monthly"), "2025-01", "2024-12"),
        (of("daily", names=P123), "2024-03-01|P200", "2024-02-29|P200"),
        (of(None, names=P123), "P200", None),
    ],
)
def test_the_partition_before(partitions: Partitions, key: str, before: str | None) -> None:
    assert previous(partitions, key) == before


@given(st.sampled_from(CADENCES), st.lists(TIMES, unique=True, max_size=40))
def test_runs_without_a_gap(cadence: Cadence, found: list[datetime]) -> None:
    keys = sorted({key_at(cadence, time) for time in found})
    cut = consecutive(cadence, keys)
    assert [key for run in cut for key in run] == keys
    for run in cut:
        for before, key in pairwise(run):
            assert window(cadence, before)[1] == window(cadence, key)[0]
    for one, other in pairwise(cut):
        assert window(cadence, one[-1])[1] < window(cadence, other[0])[0]


def test_each_name_is_a_run_of_its_own() -> None:
    both = of("daily", names=P123)
    keys = ["2025-07-01|P100", "2025-07-01|P300", "2025-07-02|P100", "2025-07-04|P100"]
    assert list(runs(both, keys)) == [
        ("P100", ["2025-07-01", "2025-07-02"]),
        ("P100", ["2025-07-04"]),
        ("P300", ["2025-07-01"]),
    ]
    assert list(runs(of(None, names=P123), ["P200", "P100"])) == [("P100", [""]), ("P200", [""])]
    assert list(runs(of("daily"), ["2025-07-01"])) == [("", ["2025-07-01"])]


@pytest.mark.parametrize(
    ("partitions", "first", "last"),
    [
        (of("hourly", end=date(2020, 1, 16)), "2020-01-15-00", "2020-01-15-23"),
        (of("daily", end=date(2020, 3, 1)), "2020-01-15", "2020-02-29"),
        (of("weekly", end=date(2020, 3, 2)), "2020-01-13", "2020-02-24"),
        (of("monthly", end=date(2020, 3, 1)), "2020-01", "2020-02"),
        (of(None, names=("b", "a")), "a", "b"),
        (of("daily", end=date(2020, 1, 17), names=("b", "a")), "2020-01-15|a", "2020-01-16|b"),
    ],
)
def test_dagster_has_the_keys(partitions: Partitions, first: str, last: str) -> None:
    found = definition(partitions)
    assert found is not None
    keys = list(map(str, found.get_partition_keys()))
    assert (keys[0], keys[-1]) == (first, last)
    assert partitions.first == first
    assert keys == sorted(keys)


def test_equal_partitions_are_one_definition() -> None:
    assert definition(of("daily")) is definition(of("daily"))
    assert definition(of("daily", names=P123)) is definition(of("daily", names=P123))
    assert definition(None) is None
    found = definition(of("daily", names=P123))
    assert isinstance(found, dg.MultiPartitionsDefinition)
    assert found.partition_dimension_names == ["day", "name"]
