"""What holds for every store, on a disk and on a real HDFS.

Here: publishing whole or not at all, one file or many, what there is, reading.

Not here: what only a disk has (`test_folder_store.py`) and only HDFS (`test_hdfs_store.py`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources import file_store
from resources.errors import NotYetError, PermanentError, UsageError
from resources.file_store import FileStore, ReplacedError
from resources.partition import Partition
from tests.resources.stores import (
    DAY,
    LITTER,
    Disk,
    Place,
    new_folder,
    numbers,
    publish,
    publish_many,
)

WAYS = {"one": publish, "many": publish_many}


@pytest.fixture(params=["folder", pytest.param("hdfs", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Disk(tmp_path / "lake")
    return new_folder(request.getfixturevalue("hdfs_server"))


@pytest.fixture
def store(place: Place) -> FileStore:
    return place.store()


# What there is ----------------------------------------------------------------------------------


def test_what_there_is(store: FileStore, place: Place) -> None:
    month = Partition("prep", "totals", "monthly", "2025-06")
    named = Partition("prep", "plants", "daily", "2025-07-01|P100", "plant_code")
    assert (store.assets(), store.keys("raw", "sales"), store.stat(DAY)) == ([], [], None)
    publish(store, Partition("raw", "sales", "daily", "2025-07-03"), numbers(1))
    publish_many(store, Partition("raw", "sales", "daily", "2025-07-01"), numbers(1))
    publish(store, month, numbers(1))
    publish_many(store, Partition("raw", "customer"), numbers(1))
    publish(store, named, numbers(1))
    for nonsense in ("raw/sales/dt=2025-02-30", "raw/sales/dt=2025-07-09", "raw/x", "raw/.y", "z"):
        place.make(nonsense)
    place.put(f"raw/sales/{LITTER}")
    place.put("raw/sales/dt=2025-02-30/part-0.parquet", b"x")
    place.put("README", b"x")
    with store.writer(Partition("raw", "sales", "daily", "2025-07-05"), numbers(1).schema):
        assert store.keys("raw", "sales") == ["2025-07-01", "2025-07-03"]
    with store.version(Partition("raw", "sales", "daily", "2025-07-05"), numbers(1).schema):
        assert store.keys("raw", "sales") == ["2025-07-01", "2025-07-03"]
    assert store.keys("raw", "customer") == [""]
    assert store.keys("prep", "totals") == ["2025-06"]
    assert store.keys("prep", "plants") == ["2025-07-01|P100"]
    assert store.assets() == ["prep/plants", "prep/totals", "raw/customer", "raw/sales"]
    assert store.exists(month)
    assert not store.exists(Partition("prep", "totals", "monthly", "2025-07"))
    assert not store.exists(Partition("raw", "sales", "daily", "2025-07-09"))


# Publishing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["one", "many"])
def test_nothing_is_seen_before_it_is_published(store: FileStore, place: Place, way: str) -> None:
    old, new = numbers(1), numbers(2)
    WAYS[way](store, DAY, old)
    begin = store.writer if way == "one" else store.version
    with begin(DAY, new.schema) as writer:
        writer.write(new.to_batches()[0])
        assert store.read([DAY], ["id", "value"]).equals(old)
        written = writer.close()
        assert writer.close() == written
        assert store.read([DAY], ["id", "value"]).equals(old)
        assert store.keys("raw", "sales") == ["2025-07-01"]
        published = writer.publish()
    assert store.read([DAY], ["id", "value"]).equals(new)
    info = store.stat(DAY)
    assert info is not None
    assert (info.rows, info.bytes, info.path) == (3, published.bytes, published.path)
    assert (published.rows, published.bytes, published.sha256) == (
        (written.rows, written.bytes, written.sha256)
    )
    assert published.rows == 3
    assert [name for name in place.names("raw/sales") if name.startswith(".")] == []
    if way == "one":
        data = place.read(f"{DAY.path}/part-0.parquet")
        assert published.sha256 == hashlib.sha256(data).hexdigest()
        assert published.bytes == len(data)
        assert place.names(DAY.path) == ["part-0.parquet"]
    else:
        name = place.read(f"{DAY.path}/_current").decode()
        assert published.path.endswith(f"{DAY.path}/{name}/rows")
        data = place.read(f"{DAY.path}/{name}/rows/part-0.parquet")
        of_files = hashlib.sha256(data).hexdigest().encode()
        assert published.sha256 == hashlib.sha256(of_files).hexdigest()


def _raise(writer: Any) -> None:
    raise KeyError("mine")


@pytest.mark.parametrize("way", ["one", "many"])
@pytest.mark.parametrize(
    "leave",
    [lambda w: None, lambda w: w.close(), lambda w: w.discard(), _raise],
    ids=["written", "closed", "discarded", "raised"],
)
def test_leaving_without_publish_keeps_the_old_partition(
    store: FileStore, place: Place, leave: Callable[[Any], None], way: str
) -> None:
    old = numbers(1)
    publish(store, DAY, old)
    before = place.read(f"{DAY.path}/part-0.parquet")
    begin = store.writer if way == "one" else store.version
    with suppress(KeyError), begin(DAY, old.schema) as writer:
        writer.write(numbers(2).to_batches()[0])
        leave(writer)
    assert place.read(f"{DAY.path}/part-0.parquet") == before
    assert place.names(DAY.path) == ["part-0.parquet"]
    assert place.names("raw/sales") == ["dt=2025-07-01"]
    assert [one.name for one in threading.enumerate() if one.name.startswith("upload")] == []


def test_two_writers_the_last_wins_whole(store: FileStore) -> None:
    first, second = numbers(1, 200_000), numbers(2, 150_000)
    with store.writer(DAY, first.schema) as one, store.writer(DAY, first.schema) as two:
        assert one.hidden_path != two.hidden_path
        for a, b in zip(first.to_batches(9_999), second.to_batches(9_999), strict=False):
            one.write(a)
            two.write(b)
        for a in first.to_batches(9_999)[len(second.to_batches(9_999)) :]:
            one.write(a)
        one_done = one.publish()
        assert store.read([DAY], ["id", "value"]).equals(first)
        two_done = two.publish()
    assert store.read([DAY], ["id", "value"]).equals(second)
    assert (one_done.rows, two_done.rows) == (200_000, 150_000)


def test_a_reader_that_began_keeps_its_rows(store: FileStore) -> None:
    days = [Partition("raw", "s", "daily", f"2025-07-0{n}") for n in (1, 2)]
    for day in days:
        publish(store, day, numbers(1, 300_000))
    reader = store.batches(days, ["value"])
    first = next(reader)
    for day in days:
        publish(store, day, numbers(2, 300_000))
    rest = reader.read_all()
    # The first file and the last one (it told the columns) were open; each file is of one version.
    values = np.concatenate([first["value"].to_numpy(), rest["value"].to_numpy()])
    assert len(values) == 600_000
    assert set(values) == {1}


# One file and many ------------------------------------------------------------------------------


def test_from_one_file_to_many_and_back(store: FileStore, place: Place) -> None:
    """At each step the partition is one of them, whole; what was before stays for a while."""
    for value, way in enumerate(["one", "many", "many", "one", "many"]):
        table = numbers(value, 10)
        path = WAYS[way](store, DAY, table)
        assert path.endswith("/part-0.parquet" if way == "one" else "/rows")
        assert store.read([DAY], ["id", "value"]).equals(table)
        assert store.keys("raw", "sales") == ["2025-07-01"]
        info = store.stat(DAY)
        assert info is not None
        assert (info.path, info.rows) == (path, 10)
        assert path.startswith(store.folders([DAY])[0])
    left = place.names(DAY.path)
    assert len([name for name in left if name.startswith("_v_")]) == 3
    assert {"_current", "part-0.parquet"} < set(left)


def test_each_step_of_a_publish_shows_one_version(
    store: FileStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look between any two changes that a publish makes, in all four changes of kind."""
    seen: list[int] = []

    def look() -> None:
        table = store.read([DAY])
        (value,) = set(table["value"].to_pylist())
        assert table.num_rows == 5
        assert store.keys("raw", "sales") == ["2025-07-01"]
        seen.append(value)

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def done(*words: Any) -> Any:
            look()
            result = call(*words)
            look()
            return result

        return done

    publish(store, DAY, numbers(0, 5))
    other = place.store()
    for name in ("rename", "remove", "make"):
        monkeypatch.setattr(other._files, name, around(getattr(other._files, name)))
    for value, way in enumerate(["one", "many", "many", "one"], 1):
        seen.clear()
        table = numbers(value, 5)
        with (other.writer if way == "one" else other.version)(DAY, table.schema) as writer:
            writer.write(table.to_batches()[0])
            writer.publish()
        look()
        assert seen == sorted(seen)
        assert set(seen) == {value - 1, value}


def test_rows_roll_over_to_further_files(
    store: FileStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files end depends on the rows, not on the batches they come in."""
    monkeypatch.setattr(file_store, "FILE_BYTES", 1_500_000)
    random = np.random.default_rng(0).random(500_000)
    table = pa.table({"id": pa.array(np.arange(500_000)), "x": pa.array(random)})
    found = []
    for size in (7_777, 131_072, 500_000):
        with store.version(DAY, table.schema) as version:
            for batch in table.to_batches(size):
                version.write(batch)
            found.append(version.publish())
    rows = found[-1].path
    folder = rows[rows.index("raw/") :]
    assert place.names(folder) == ["part-0.parquet", "part-1.parquet"]
    assert {one.sha256 for one in found} == {found[0].sha256}
    assert found[0].rows == 500_000
    assert store.read([DAY], ["id", "x"]).equals(table)
    assert len(store.files([DAY])) == 2


def test_somebody_else_fills_a_version(store: FileStore, place: Place) -> None:
    """As Hive and Spark do: names of their own, marks, an empty file."""
    table = numbers(7, 10)
    publish(store, DAY, numbers(1))
    with store.version(DAY, table.schema) as version:
        folder = version.hidden_path[version.hidden_path.index("raw/") :]
        for name, rows in (("000000_0", table.slice(0, 4)), ("000001_0", table.slice(4))):
            sink = pa.BufferOutputStream()
            pq.write_table(rows, sink)
            place.put(f"{folder}/{name}", sink.getvalue().to_pybytes())
        place.put(f"{folder}/_SUCCESS")
        place.put(f"{folder}/000002_0")
        place.put(f"{folder}/.000000_0.crc", b"crc")
        assert version.batches(["value", "dt"]).read_all().num_rows == 10
        assert store.read([DAY])["value"].to_pylist() == [1, 1, 1]
        written = version.close()
        assert written.rows == 10
        assert len(written.sha256) == 64
        version.publish()
    assert store.read([DAY], ["id", "value"]).equals(table)
    with store.version(DAY, table.schema) as again:
        folder = again.hidden_path[again.hidden_path.index("raw/") :]
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        place.put(f"{folder}/x", sink.getvalue().to_pybytes())
        assert again.close().sha256 != written.sha256


def test_a_version_without_files_has_columns(store: FileStore) -> None:
    with store.version(DAY, numbers(1).schema) as version:
        assert version.batches().read_all().num_rows == 0
        assert version.publish().rows == 0
    table = store.read([DAY])
    assert (table.num_rows, table.schema.names) == (0, ["id", "value", "dt"])


def test_a_version_that_is_gone_is_no_partition_of_nothing(store: FileStore, place: Place) -> None:
    publish_many(store, DAY, numbers(1))
    place.put(f"{DAY.path}/_current", b"_v_0123456789abcdef")
    with pytest.raises(ReplacedError, match="was replaced while it was looked at"):
        store.read([DAY])
    place.put(f"{DAY.path}/_current", b"../../../etc")
    with pytest.raises(PermanentError, match="names no version of the partition"):
        store.read([DAY])


@pytest.mark.parametrize("way", ["one", "many"])
def test_versions_that_were_replaced_go_after_a_day(
    store: FileStore, place: Place, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    for value in range(3):
        publish_many(store, DAY, numbers(value))
    assert store.sweep() == []
    WAYS[way](store, DAY, numbers(3))
    kept = [name for name in place.names(DAY.path) if name.startswith("_v_")]
    assert len(kept) == (3 if way == "one" else 4)
    monkeypatch.setattr(file_store, "GRACE", -1.0)
    removed = store.sweep()
    assert len(removed) == 3
    assert all("/_v_" in path for path in removed)
    assert store.read([DAY])["value"].to_pylist() == [3, 3, 3]
    assert store.sweep() == []


def test_a_killed_version_goes_after_a_day(
    store: FileStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.version(DAY, numbers(1).schema)
    version.write(numbers(1).to_batches()[0])
    version.close()  # and its process is killed
    assert store.sweep() == []
    monkeypatch.setattr(file_store, "GRACE", -1.0)
    assert [path.rpartition("/")[2][:3] for path in store.sweep()] == [".v_"]
    assert [name for name in place.names("raw/sales") if name.startswith(".")] == []


# Reading ----------------------------------------------------------------------------------------


def days(store: FileStore, count: int) -> list[Partition]:
    made = []
    for n in range(count):
        key = (date(2025, 7, 1) + timedelta(days=n)).isoformat()
        made.append(Partition("raw", "sales", "daily", key))
        publish(store, made[-1], numbers(n, 2))
    return made


def test_columns_and_partitions_are_pruned(store: FileStore) -> None:
    made = days(store, 3)
    table = store.read(made[1:], ["dt", "value"])
    assert table.schema == pa.schema({"dt": pa.date32(), "value": pa.int64()})
    second, third = date(2025, 7, 2), date(2025, 7, 3)
    assert table.to_pydict() == {"dt": [second, second, third, third], "value": [1, 1, 2, 2]}
    assert store.read(made, ["dt"])["dt"].to_pylist() == sorted(
        [date(2025, 7, 1)] * 2 + [second] * 2 + [third] * 2
    )
    assert store.read([made[0]]).schema.names == ["id", "value", "dt"]


def test_a_month_has_text_and_a_whole_asset_no_column(store: FileStore) -> None:
    month, whole = Partition("prep", "m", "monthly", "2025-07"), Partition("raw", "c")
    publish(store, month, numbers(1, 1))
    publish(store, whole, numbers(1, 1))
    assert store.read([month]).to_pylist() == [{"id": 0, "value": 1, "ym": "2025-07"}]
    assert store.read([month]).schema.field("ym").type == pa.string()
    assert store.read([whole]).to_pylist() == [{"id": 0, "value": 1}]


def test_no_rows_have_columns(store: FileStore) -> None:
    publish(store, DAY, numbers(1, 0))
    table = store.read([DAY])
    assert (table.num_rows, table.schema.names) == (0, ["id", "value", "dt"])


def test_batches_are_a_stream(store: FileStore) -> None:
    publish(store, DAY, numbers(1, 300_000))
    before, peak, rows = pa.total_allocated_bytes(), 0, 0
    for batch in store.batches([DAY]):
        rows += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert rows == 300_000
    assert peak < 2 * 131_072 * 20


@pytest.mark.parametrize("count", [2, 12])
def test_missing_partitions_are_named(store: FileStore, count: int) -> None:
    made = days(store, 1)
    absent = [Partition("raw", "sales", "daily", f"2024-01-{n:02}") for n in range(1, count + 1)]
    with pytest.raises(NotYetError) as caught:
        store.read([*absent, *made])
    message = str(caught.value)
    assert message.startswith(f"{count} of {count + 1} partitions are not in the store")
    named = [one.path for one in absent if one.path in message]
    assert len(named) == min(count, 10)
    assert ("and 2 more" in message) is (count == 12)
    with pytest.raises(NotYetError):
        store.files(absent)


def test_an_unknown_column_is_told_with_the_nearest(store: FileStore) -> None:
    with pytest.raises(UsageError, match=r"raw/sales has no column 'valeu'; did you mean 'value'"):
        store.batches(days(store, 1), ["valeu"])


@pytest.mark.parametrize("partitions", [[], [DAY, Partition("prep", "m", "monthly", "2025-07")]])
def test_one_cadence_at_a_time(store: FileStore, partitions: list[Partition]) -> None:
    with pytest.raises(ValueError, match="one cadence"):
        store.read(partitions)


def _versions(store: FileStore, old: pa.Table, new: pa.Table) -> list[Partition]:
    made = [Partition("raw", "s", "daily", f"2025-07-0{n}") for n in (1, 2)]
    for one, table in zip(made, (old, new), strict=True):
        publish(store, one, table)
    return made


def test_the_last_partition_says_what_the_columns_are(store: FileStore) -> None:
    old = pa.table({"gone": ["x"], "b": pa.array([1], pa.int32()), "a": ["old"]})
    new = pa.table({"a": ["new"], "b": pa.array([2**40]), "added": [1.5]})
    table = store.read(_versions(store, old, new), ["a", "b", "added"])
    assert table.to_pylist() == [
        {"a": "old", "b": 1, "added": None},
        {"a": "new", "b": 2**40, "added": 1.5},
    ]
    assert table.schema.field("b").type == pa.int64()


NAIVE, ZONED = pa.timestamp("us"), pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pa.array(["007"]), pa.array([7])),
        (pa.array([7]), pa.array(["007"])),
        (pa.array([0]).cast(NAIVE), pa.array([0]).cast(ZONED)),
        (pa.array([2**40]), pa.array([1], pa.int32())),
        (pa.array([1]).cast(pa.decimal128(19)), pa.array([1])),
    ],
)
@pytest.mark.parametrize("profile", ["modern", "hive1"])
def test_types_that_are_not_akin_are_not_cast(
    place: Place, profile: Any, old: pa.Array, new: pa.Array
) -> None:
    store = place.store(profile)
    made = _versions(store, pa.table({"a": old}), pa.table({"a": new}))
    with pytest.raises(PermanentError, match=r"2025-07-01.*Materialise this partition again"):
        store.read(made)


@pytest.mark.parametrize("profile", ["modern", "hive1"])
def test_instants_keep_their_zone(place: Place, profile: Any) -> None:
    store = place.store(profile)
    table = pa.table(
        {"z": pa.array([1_751_328_000_000_001]).cast(ZONED), "n": pa.array([1]).cast(NAIVE)}
    )
    publish(store, DAY, table)
    assert store.read([DAY], ["z", "n"]).equals(table)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not parquet at all"])
def test_a_damaged_file_is_told(store: FileStore, place: Place, damage: bytes) -> None:
    place.put(f"{DAY.path}/part-0.parquet", damage)
    for read in (lambda: store.read([DAY]), lambda: store.stat(DAY)):
        with pytest.raises(PermanentError, match=r"dt=2025-07-01.*not a whole Parquet file"):
            read()


def test_the_partition_column_is_not_stored(store: FileStore) -> None:
    table = pa.table({"dt": pa.array([0], pa.int32()).cast(pa.date32())})
    with pytest.raises(ValueError, match="'dt' is the partition's own"):
        store.writer(DAY, table.schema)


def test_duckdb_reads_the_files(store: FileStore, place: Place) -> None:
    made = days(store, 2)
    made.append(Partition("raw", "sales", "daily", "2025-07-03"))
    publish_many(store, made[-1], numbers(2, 2))
    place.put(f"{DAY.path}/{LITTER}", b"half")
    connection = duckdb.connect()
    if files := store.duckdb_files():
        connection.register_filesystem(files)
    relation = connection.sql(
        "SELECT dt, sum(value) FROM read_parquet(?, hive_partitioning = true, "
        "hive_types = {'dt': DATE}) GROUP BY dt ORDER BY dt",
        params=[store.files(made[1:])],
    )
    assert relation.fetchall() == [(date(2025, 7, 2), 2), (date(2025, 7, 3), 4)]
