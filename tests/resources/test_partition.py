"""Keys, the time and the name they stand for, and folders: our arithmetic against the calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.partition import (
    EXAMPLES,
    Cadence,
    Partition,
    join,
    key_at,
    key_of_value,
    split,
    start_of,
    value_of,
    window,
)

CADENCES: tuple[Cadence, ...] = ("hourly", "daily", "weekly", "monthly")
TIMES = st.datetimes(datetime(1990, 1, 8), datetime(2100, 12, 31))
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)


def moment(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)


@given(TIMES, st.sampled_from(CADENCES))
def test_a_key_stands_for_the_time_that_has_it(time: datetime, cadence: Cadence) -> None:
    key = key_at(cadence, time)
    start, end = map(moment, window(cadence, key))
    assert start <= time < end
    tick = timedelta(microseconds=1)
    assert {key_at(cadence, one) for one in (start, end - tick)} == {key}
    assert key not in {key_at(cadence, one) for one in (start - tick, end)}
    assert moment(start_of(cadence, key)) == start


@given(st.dates(date(1, 1, 1), date(9999, 12, 27)))
def test_weeks_are_those_of_iso(day: date) -> None:
    key = key_at("weekly", day)
    value = value_of("weekly", key)
    year, week, _ = day.isocalendar()
    assert value == f"{year:04}-W{week:02}"
    assert key_of_value("weekly", value) == key
    assert date.fromisoformat(key).weekday() == 0
    assert 0 <= (day - date.fromisoformat(key)).days < 7


@pytest.mark.parametrize(
    ("day", "value"),
    [
        ("2024-12-30", "2025-W01"),
        ("2025-12-29", "2026-W01"),
        ("2020-12-28", "2020-W53"),
        ("2021-01-04", "2021-W01"),
        ("2018-12-31", "2019-W01"),
    ],
)
def test_weeks_around_new_year(day: str, value: str) -> None:
    assert Partition("raw", "s", "weekly", day).path == f"raw/s/wk={value}"
    assert Partition.at("raw", "s", f"wk={value}") == Partition("raw", "s", "weekly", day)


@given(TIMES, st.sampled_from([*CADENCES, None]), NAMES, st.sampled_from(["plant_code", None]))
def test_a_folder_is_one_partition_and_the_other_way_round(
    time: datetime, cadence: Cadence | None, name: str, named: str | None
) -> None:
    if named and cadence not in ("daily", None):
        named = None
    if not (cadence or named):
        return
    parts = key_at(cadence, time) if cadence else "", name if named else ""
    partition = Partition("raw", "s", cadence, join(*parts), named)
    assert partition.parts == split(partition.key, cadence, named is not None) == parts
    folder = partition.path.removeprefix("raw/s/")
    assert Partition.at("raw", "s", folder) == partition
    scalars = {column: value.as_py() for column, value in partition.scalars.items()}
    day = {"dt": time.date()} if cadence == "daily" else {}
    assert scalars == {**partition.values, **day}


@pytest.mark.parametrize(
    ("cadence", "key", "named", "path"),
    [
        ("hourly", "2025-07-01-09", None, "hr=2025-07-01-09"),
        ("daily", "2025-07-01", None, "dt=2025-07-01"),
        ("weekly", "2025-06-30", None, "wk=2025-W27"),
        ("monthly", "2025-07", None, "ym=2025-07"),
        (None, "P100", "plant_code", "plant_code=P100"),
        ("daily", "2025-07-01|P100", "plant_code", "dt=2025-07-01/plant_code=P100"),
    ],
)
def test_paths(cadence: Cadence | None, key: str, named: str | None, path: str) -> None:
    assert Partition("raw", "s", cadence, key, named).path == f"raw/s/{path}"


@pytest.mark.parametrize(
    ("cadence", "key", "named", "says"),
    [
        ("hourly", "2025-07-01", None, "not an hourly partition key; write it as 2025-07-01-09"),
        ("hourly", "2025-07-01-24", None, "write it as 2025-07-01-09"),
        ("hourly", "2025-02-29-09", None, "write it as 2025-07-01-09"),
        ("weekly", "2025-07-01", None, "is no Monday; the key of its week is 2025-06-30"),
        ("weekly", "2025-W27", None, "write it as 2025-06-30"),
        (None, "..", "plant", "write it as P100"),
        (None, "", "plant", "write it as P100"),
        (None, "a/b", "plant", "write it as P100"),
        (None, "a=b", "plant", "write it as P100"),
        (None, "가", "plant", "write it as P100"),
        (None, "a" * 65, "plant", "write it as P100"),
        (None, "P100\n", "plant", "write it as P100"),
        (None, "P100", "dt", "no name for a partition column"),
        (None, "P100", "_plant", "no name for a partition column"),
        ("daily", "2025-07-01", "plant", r"write it as 2025-07-01\|P100"),
        ("daily", "2025-07-01|", "plant", r"write it as 2025-07-01\|P100"),
        ("daily", "P100|2025-07-01", "plant", "write it as 2025-07-01"),
        ("daily", "2025-07-01|P100|X", "plant", r"write it as 2025-07-01\|P100"),
    ],
)
def test_what_is_no_key(cadence: Cadence | None, key: str, named: str | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Partition("raw", "s", cadence, key, named)


@pytest.mark.parametrize(
    "folder",
    [
        *(
            "",
            "x",
            "dt=",
            "dt=2025-7-1",
            "wk=2025-W54",
            "wk=2025-W53",
            "wk=2025-06-30",
            "wk=2025-W1",
        ),
        *("ym=2025-13", "hr=2025-07-01", "=P100", "plant=", "plant=.x", "Plant=P100", "_tmp=1"),
        *("plant=a/dt=2025-07-01", "dt=2025-07-01/ym=2025-07", "dt=2025-07-01/plant=A/b=C"),
        *("a=1/b=2", "dt=2025-07-01/_v_12"),
    ],
)
def test_folders_that_are_no_partition(folder: str) -> None:
    assert Partition.at("raw", "s", folder) is None


def test_the_examples_are_keys() -> None:
    for cadence, key in EXAMPLES.items():
        assert key_at(cadence, start_of(cadence, key)) == key


_WORDS = st.text() | st.text("ab_1./=-|", max_size=10) | st.text("0123456789-", max_size=10)


@given(_WORDS, _WORDS, st.sampled_from([*CADENCES, None]), _WORDS, st.none() | _WORDS)
def test_no_words_lead_out_of_the_store(
    layer: str, name: str, cadence: Cadence | None, key: str, named: str | None
) -> None:
    try:
        path = Partition(layer, name, cadence, key, named).path
    except ValueError:
        return
    parts = path.split("/")
    assert 2 <= len(parts) <= 4
    assert not any(part.startswith(".") or part in ("", "..") for part in parts)
    assert not any("\n" in part or "\\" in part or "\0" in part for part in parts)
