"""Streams cut into partitions, gated and published, each on its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.publish import by_column, by_partition_column, land, of_one
from lake_assets.rules import Inspector
from lake_assets.spec.columns import ColumnSpec
from lake_assets.spec.rules import Checks, Gates
from resources.errors import PermanentError
from resources.folder_store import FolderStore
from resources.partition import Cadence, Partition, key_at
from resources.source import Totals

SCHEMA = pa.schema([("id", pa.int64()), ("day", pa.date32())])
COLUMNS = {"id": ColumnSpec(type="int64"), "day": ColumnSpec(type="date")}
FIRST = date(2025, 1, 1)


def rows(*pairs: tuple[int, int]) -> pa.RecordBatch:
    """(id, day of January) as a batch."""
    return pa.RecordBatch.from_pylist(
        [{"id": one, "day": FIRST + timedelta(days=day - 1)} for one, day in pairs], schema=SCHEMA
    )


def january(*days: int) -> list[Partition]:
    return [Partition("raw", "x", "daily", f"2025-01-{day:02}") for day in days]


def publish(
    store: FolderStore,
    partitions: list[Partition],
    batches: Iterator[pa.RecordBatch],
    totals: dict[str, Totals] | None = None,
) -> dict[str, bool]:
    inspector = Inspector(Gates(unique=["id"]), Checks(), COLUMNS)
    slices = by_column(batches, "day", "daily")
    outcomes = land(store, partitions, SCHEMA, slices, inspector, totals, lambda key: None)
    return {outcome.key: outcome.published is not None for outcome in outcomes}


def ids(store: FolderStore, day: int) -> list[int]:
    return store.read(january(day)).column("id").to_pylist()  # type: ignore[no-any-return]


def test_each_partition_stands_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "modern")
    publish(store, january(1, 2, 3), iter([rows((1, 1), (2, 2), (3, 3))]))
    # Day 2 comes again with a key twice: it keeps what it had, its neighbours are new.
    again = iter([rows((10, 1), (20, 2)), rows((20, 2), (30, 3))])
    assert publish(store, january(1, 2, 3), again) == {
        "2025-01-01": True,
        "2025-01-02": False,
        "2025-01-03": True,
    }
    assert [ids(store, day) for day in (1, 2, 3)] == [[10], [2], [30]]
    assert store.sweep() == []


def test_a_day_without_rows_is_an_empty_partition(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "modern")
    totals = {"2025-01-02": Totals(1, {})}
    assert publish(store, january(1, 2), iter([rows((1, 2))]), totals) == {
        "2025-01-01": True,
        "2025-01-02": True,
    }
    assert ids(store, 1) == []


def test_rows_that_do_not_reconcile_are_not_published(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "modern")
    totals = {"2025-01-01": Totals(2, {})}
    assert publish(store, january(1), iter([rows((1, 1))]), totals) == {"2025-01-01": False}
    assert store.keys("raw", "x") == []


def test_what_is_done_before_a_stream_breaks_stays(tmp_path: Path) -> None:
    def breaks() -> Iterator[pa.RecordBatch]:
        yield rows((1, 1), (2, 2))
        raise ConnectionError("cut")

    store = FolderStore(tmp_path, "modern")
    with pytest.raises(ConnectionError):
        publish(store, january(1, 2), breaks())
    assert store.keys("raw", "x") == ["2025-01-01"]
    assert store.sweep() == []


@pytest.mark.parametrize("batches", [[rows((1, 1), (3, 3))], [rows((2, 2), (1, 1))]])
def test_rows_nobody_asked_for_are_an_error(tmp_path: Path, batches: list[pa.RecordBatch]) -> None:
    with pytest.raises(PermanentError, match="was not asked for or comes out of order"):
        publish(FolderStore(tmp_path, "modern"), january(1, 2), iter(batches))


def test_one_partition_from_many_batches(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "modern")
    inspector = Inspector(Gates(unique=["id"]), Checks(), COLUMNS)
    slices = of_one("", iter([rows((1, 1)), rows((2, 9))]))
    whole = Partition("prep", "x")
    (outcome,) = land(store, [whole], SCHEMA, slices, inspector, None, lambda key: None)
    assert outcome.rows == 2
    assert outcome.preview is not None
    assert outcome.preview.num_rows == 1
    assert store.read([whole]).column("id").to_pylist() == [1, 2]


def _cut(values: pa.Array, cadence: str = "daily") -> list[tuple[str, int]]:
    batch = pa.RecordBatch.from_arrays([values], names=["w"])
    return [(key, part.num_rows) for key, part in by_column(iter([batch]), "w", cadence)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "cadence", "expected"),
    [
        (pa.array(["20241231", "20250101"]), "daily", [("2024-12-31", 1), ("2025-01-01", 1)]),
        (pa.array(["20241231", "20250131"]), "monthly", [("2024-12", 1), ("2025-01", 1)]),
        (pa.array([20241231, 20250131], pa.int32()), "monthly", [("2024-12", 1), ("2025-01", 1)]),
        (
            pa.array(["20241231", "20250101", "20250101"]).cast(pa.decimal128(8, 0)),
            "daily",
            [("2024-12-31", 1), ("2025-01-01", 2)],
        ),
        (
            pa.array([datetime(2024, 12, 31, 23, 59, 59, 999999), datetime(2025, 1, 1)]),
            "daily",
            [("2024-12-31", 1), ("2025-01-01", 1)],
        ),
        # 15:00 UTC is midnight in Seoul.
        (
            pa.array([datetime(2024, 12, 31, 14, 59), datetime(2024, 12, 31, 15, 0)]).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "daily",
            [("2024-12-31", 1), ("2025-01-01", 1)],
        ),
        (pa.array([date(1969, 12, 31)]), "daily", [("1969-12-31", 1)]),
        (
            pa.array(["20241229", "20241230", "20250105", "20250106"]),
            "weekly",
            [("2024-12-23", 1), ("2024-12-30", 2), ("2025-01-06", 1)],
        ),
        (
            pa.array([date(1969, 12, 28), date(1969, 12, 29)]),
            "weekly",
            [("1969-12-22", 1), ("1969-12-29", 1)],
        ),
        (
            pa.array([datetime(2024, 12, 31, 23, 59, 59, 999999), datetime(2025, 1, 1)]),
            "hourly",
            [("2024-12-31-23", 1), ("2025-01-01-00", 1)],
        ),
        (
            pa.array([datetime(2024, 12, 31, 14, 59), datetime(2024, 12, 31, 15, 0)]).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "hourly",
            [("2024-12-31-23", 1), ("2025-01-01-00", 1)],
        ),
        (pa.array([datetime(1969, 12, 31, 23, 59)]), "hourly", [("1969-12-31-23", 1)]),
        (pa.array([datetime(1969, 12, 31, 23, 59)]), "daily", [("1969-12-31", 1)]),
    ],
)
def test_cut_by_column(values: pa.Array, cadence: str, expected: list[tuple[str, int]]) -> None:
    assert _cut(values, cadence) == expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pa.array(["20250101", None]), "1 rows have NULL"),
        (pa.array(["20250230"]), "no day written as YYYYMMDD"),
        (pa.array(["2025-1-1"]), "no day written as YYYYMMDD"),
        (pa.array([0, 20250101]), "'0' in the window column 'w' is no day written as YYYYMMDD"),
        (pa.array([20250101, None]), "1 rows have NULL in the window column 'w'"),
    ],
)
def test_rows_of_no_day_are_refused(values: pa.Array, words: str) -> None:
    with pytest.raises(PermanentError, match=words):
        _cut(values)


@pytest.mark.parametrize(
    ("values", "cadence", "expected"),
    [
        (
            pa.array([date(2025, 1, 1), date(2025, 1, 1), date(2025, 1, 2)]),
            "daily",
            [("2025-01-01", 2), ("2025-01-02", 1)],
        ),
        (pa.array(["2024-12", "2025-01"]), "monthly", [("2024-12", 1), ("2025-01", 1)]),
        (pa.array(["2024-W52", "2025-W01"]), "weekly", [("2024-12-23", 1), ("2024-12-30", 1)]),
        (
            pa.array(["2025-01-01-09"] * 2 + ["2025-01-01-10"]),
            "hourly",
            [("2025-01-01-09", 2), ("2025-01-01-10", 1)],
        ),
    ],
)
def test_cut_by_the_partition_column(
    values: pa.Array, cadence: Cadence, expected: list[tuple[str, int]]
) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(range(len(values))), values], names=["id", "p"])
    found = list(by_partition_column([batch.slice(0, 0), batch], "p", cadence))
    assert [(key, part.num_rows) for key, part in found] == expected
    assert {tuple(part.schema.names) for _, part in found} == {("id",)}
    assert [n for _, part in found for n in part["id"].to_pylist()] == list(range(len(values)))


@pytest.mark.parametrize(
    ("values", "cadence", "words"),
    [
        (pa.array(["2025-W01", None]), "weekly", "1 rows have NULL"),
        (pa.array(["2025-01-06"]), "weekly", "'wk': '2025-01-06' is no ISO week"),
        (pa.array(["2025-01-01"]), "hourly", "not an hourly partition key; write it as"),
    ],
)
def test_a_partition_column_that_is_none(values: pa.Array, cadence: Cadence, words: str) -> None:
    batch = pa.RecordBatch.from_arrays([values], names=["wk"])
    with pytest.raises(PermanentError, match=words):
        list(by_partition_column([batch], "wk", cadence))


@given(
    st.lists(st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1)), max_size=60).map(sorted),
    st.integers(1, 7),
    st.sampled_from(["hourly", "daily", "weekly", "monthly"]),
)
def test_times_are_cut_as_their_keys_say(
    times: list[datetime], size: int, cadence: Cadence
) -> None:
    batches = [
        pa.RecordBatch.from_arrays([pa.array(times[i : i + size], pa.timestamp("us"))], names=["w"])
        for i in range(0, len(times), size)
    ]
    found = [
        (key, value)
        for key, part in by_column(iter(batches), "w", cadence)
        for value in part.column(0).to_pylist()
    ]
    assert found == [(key_at(cadence, time), time) for time in times]


@given(st.lists(st.integers(0, 900), max_size=60).map(sorted), st.integers(1, 7))
def test_cutting_loses_and_doubles_nothing(offsets: list[int], size: int) -> None:
    days = [FIRST + timedelta(days=n) for n in offsets]
    batches = [
        pa.RecordBatch.from_arrays([pa.array(days[i : i + size], pa.date32())], names=["w"])
        for i in range(0, len(days), size)
    ]
    found = [
        (key, value)
        for key, part in by_column(iter(batches), "w", "monthly")
        for value in part.column(0).to_pylist()
    ]
    assert found == [(f"{day:%Y-%m}", day) for day in days]
