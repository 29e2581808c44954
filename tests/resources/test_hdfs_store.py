"""What only the store on HDFS has: what HDFS refuses, in words; several NameNodes; lost answers;
how many requests; reading by id; litter by its age.

Not here: what holds on a disk too (`test_store.py`) and servers that die (`tests/acceptance`).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest
import requests

from resources import hdfs
from resources.errors import LakeError, PermanentError, TransientError
from resources.file_store import ReplacedError
from resources.hdfs_store import DuckdbFiles, HdfsFile, HdfsStore
from resources.io_manager import LakeIOManager
from resources.partition import Partition
from resources.settings import Connection, load_settings
from resources.store import open_store
from tests.resources.stores import (
    DAY,
    LITTER,
    OnHdfs,
    hdfs_of,
    new_folder,
    noise,
    numbers,
    publish,
    publish_many,
)
from tests.servers.hdfs import HdfsServer
from tests.servers.postgres import free_port
from tests.servers.webhdfs_front import fronted_namenode, standby_namenode

pytestmark = pytest.mark.server


@pytest.fixture
def place(hdfs_server: HdfsServer) -> OnHdfs:
    return new_folder(hdfs_server)


@pytest.fixture
def store(place: OnHdfs) -> HdfsStore:
    return place.store()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries without much of a pause between them."""
    monkeypatch.setattr(hdfs, "_PAUSES", (0.01,))
    monkeypatch.setattr(hdfs, "_CLOSING", (0.0, 0.1))


# What HDFS refuses ------------------------------------------------------------------------------


def _space(server: HdfsServer, place: OnHdfs) -> None:
    server.set_quota(f"{place.root}/raw", space=200 << 20)


def _names(server: HdfsServer, place: OnHdfs) -> None:
    server.set_quota(f"{place.root}/raw", names=5)


Arrange = Callable[[HdfsServer, OnHdfs], None]
REFUSALS: dict[str, tuple[Arrange, str, type[LakeError], str]] = {
    "right": (
        lambda server, place: None,
        "mallory",
        PermanentError,
        r"mallory has no right to WRITE at \S+/raw/sales\S* \(owner lake, group lake, "
        r"drwxr-xr-x\). Have its owner grant it",
    ),
    "no user's name": (
        lambda server, place: None,
        "a b",
        PermanentError,
        r'does not take \S+: Invalid value for webhdfs parameter "user.name"',
    ),
    "names": (_names, "lake", TransientError, r"NameSpace quota .*Remove something there or have"),
    "space": (
        _space,
        "lake",
        TransientError,
        r"took only part of \S+, as \S+/raw has a space quota of 200.0 MiB and 7\d.\d MiB of it",
    ),
    "safe mode": (
        lambda server, place: server.set_safe_mode(True),
        "lake",
        TransientError,
        "the NameNode is in safe mode and takes no changes",
    ),
    "file for folder": (
        lambda server, place: place.put("raw/sales/dt=2025-07-02", b"x"),
        "lake",
        PermanentError,
        r"dt=2025-07-02: a file stands where a folder belongs",
    ),
    "folder for file": (
        lambda server, place: place.make("raw/sales/dt=2025-07-02/part-0.parquet"),
        "lake",
        PermanentError,
        r"part-0.parquet: a folder stands where the file belongs; move it away",
    ),
}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_told_and_keeps_what_was_there(
    hdfs_server: HdfsServer, place: OnHdfs, case: str
) -> None:
    arrange, user, error, says = REFUSALS[case]
    mine = place.store()
    publish(mine, DAY, numbers(1))
    arrange(hdfs_server, place)
    other = HdfsStore(hdfs_of(place.url, user), place.root, "modern")
    second = Partition("raw", "sales", "daily", "2025-07-02")
    # 160 MB against the 200 of the quota: the second block of 128 MB does not get its room.
    batch = noise(2, 100_000 if case == "space" else 3).to_batches()[0]
    table = pa.Table.from_batches([batch] * (200 if case == "space" else 1))
    try:
        with pytest.raises(error, match=says) as caught:
            publish(other, second, table)
    finally:
        hdfs_server.set_safe_mode(False)
        hdfs_server.set_quota(f"{place.root}/raw")
    said = str(caught.value)
    assert said.startswith("HDFS (hdfs)")
    assert "java" not in said.lower()
    assert "\n" not in said
    assert mine.read([DAY])["value"].to_pylist() == [1, 1, 1]
    assert mine.keys("raw", "sales") == ["2025-07-01"] or case == "folder for file"
    assert [name for name in place.names("raw/sales") if name.startswith(".")] == []
    assert [one.name for one in threading.enumerate() if one.name.startswith("upload")] == []


def test_words_that_are_no_hdfs() -> None:
    connection = Connection(kind="hdfs", url="http://x:1", options={"timout": 1})
    with pytest.raises(PermanentError, match=r"'timout', which HDFS .* allowed: .*timeo"):
        hdfs.Hdfs("hdfs", connection)
    with pytest.raises(PermanentError, match=r"'data/lake' is no folder of HDFS .* /data/lake$"):
        HdfsStore(hdfs_of("http://x:1"), "data/lake", "modern")


# Several NameNodes ------------------------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
def test_a_first_url_that_is_dead_or_in_standby(place: OnHdfs) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with standby_namenode() as front:
        standby = front.url
        for first in (dead, standby, f"{dead};{standby}"):
            store = HdfsStore(hdfs_of(f"{first};{place.url}"), place.root, "modern")
            publish(store, DAY, numbers(4))
            assert store.read([DAY])["value"].to_pylist() == [4, 4, 4]
        with pytest.raises(TransientError) as caught:
            hdfs_of(f"{dead};{standby}").names("/")
    said = str(caught.value)
    for url, reason in ((dead, "refused the connection"), (standby, "is in standby")):
        assert f"{url} {reason}" in said
    with pytest.raises(TransientError, match=r"nobody.invalid:1 is a name that nobody knows"):
        hdfs_of("http://nobody.invalid:1").names("/")


@pytest.mark.usefixtures("hurried")
def test_no_secret_of_an_url_is_told() -> None:
    with pytest.raises(TransientError) as caught:
        hdfs_of(f"http://me:secret@127.0.0.1:{free_port()}").names("/")
    assert "secret" not in str(caught.value)


# Lost answers -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("operation", ["MKDIRS", "CREATE", "GETFILESTATUS", "RENAME", "DELETE"])
def test_a_lost_answer(hdfs_server: HdfsServer, place: OnHdfs, operation: str) -> None:
    """What was asked was done; it is asked again, or found to be done."""
    with fronted_namenode(hdfs_server) as front:
        store = HdfsStore(hdfs_of(front.url), place.root, "modern")
        publish_many(store, DAY, numbers(1))  # so that a publish removes a pointer
        front.lose_answer(operation)
        publish(store, DAY, numbers(2))
    assert front.asked.count(operation) >= 2
    assert store.read([DAY])["value"].to_pylist() == [2, 2, 2]
    assert place.names("raw/sales") == ["dt=2025-07-01"]


@pytest.mark.usefixtures("hurried")
def test_a_rename_that_was_not_done(store: HdfsStore) -> None:
    """Its answer was lost on the way there: it is asked again."""
    rename = store.hdfs._client._rename
    lost: list[str] = []

    def once(*words: Any, **options: Any) -> Any:
        if not lost:
            lost.append("now")
            raise requests.ConnectionError("it never came there")
        return rename(*words, **options)

    store.hdfs._client._rename = once
    publish(store, DAY, numbers(2))
    assert lost == ["now"]
    assert store.read([DAY])["value"].to_pylist() == [2, 2, 2]


@pytest.mark.usefixtures("hurried")
def test_a_file_that_is_short_is_never_published(store: HdfsStore) -> None:
    """Whatever the answer was: here one piece is lost on the way, and HDFS says 201."""
    publish(store, DAY, numbers(1))
    table = noise(2, 200_000)
    with store.writer(DAY, table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
        writer._sink._upload.bytes += 1  # type: ignore[attr-defined]
        with pytest.raises(TransientError, match="took only part of"):
            writer.publish()
    assert store.read([DAY])["value"].to_pylist() == [1, 1, 1]


# Requests ---------------------------------------------------------------------------------------


@contextmanager
def _asked(store: HdfsStore) -> Iterator[list[str]]:
    """The operations that are asked of NameNodes, in order."""
    client, asked = store.hdfs._client, []
    request = client._request

    def counted(method: str, url: str, **options: Any) -> Any:
        if "params" in options:
            asked.append(options["params"]["op"])
        return request(method, url, **options)

    client._request = counted
    try:
        yield asked
    finally:
        client._request = request


def test_requests_for_a_year_of_days(store: HdfsStore, place: OnHdfs) -> None:
    days = [(date(2025, 1, 1) + timedelta(days=n)).isoformat() for n in range(365)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda day: place.put(f"raw/year/dt={day}/part-0.parquet"), days))
    place.make("raw/year/dt=2026-01-01")
    place.put("raw/year/.part-0.parquet.0123456789abcdef")
    year = [Partition("raw", "year", "daily", day) for day in days]
    with _asked(store) as asked:
        assert store.keys("raw", "year") == days
        assert asked == ["LISTSTATUS"] * 2
        asked.clear()
        assert store.exists(year[7])
        assert asked == ["LISTSTATUS"]
        asked.clear()
        assert store.assets() == ["raw/year"]
        assert len(asked) == 4
        asked.clear()
        assert len(store.files(year)) == 365
        assert asked == ["LISTSTATUS"] * 365


def test_requests_of_a_publish_and_a_read(store: HdfsStore) -> None:
    publish(store, DAY, numbers(1))
    with _asked(store) as asked:
        publish(store, DAY, numbers(2))
        assert sorted(asked) == sorted(
            ["MKDIRS", "LISTSTATUS", "CREATE", "GETFILESTATUS", "MKDIRS", "RENAME", "DELETE"]
        )
        asked.clear()
        store.read([DAY])
        assert asked == ["LISTSTATUS", "OPEN"]


# Reading by id ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 300_000, 5_000_000])
def test_any_range_of_a_file(store: HdfsStore, place: OnHdfs, size: int) -> None:
    data = random.Random(size).randbytes(size)
    place.put("raw/x/part-0.parquet", data)
    (entry,) = store._files.scan(f"{place.root}/raw/x")
    file = HdfsFile(store.hdfs, entry)
    dice = random.Random(1)
    for _ in range(25):
        start = file.seek(dice.choice([dice.randrange(size + 1), max(0, size - 8)]))
        length = dice.choice([0, 8, 65_536, 1 << 20, size])
        assert file.read(length) == data[start : start + length]
        assert file.tell() == min(size, start + length)
    file.seek(-4, 2)
    assert file.read() == data[-4:]
    place.put("raw/x/part-0.parquet", b"another")
    with pytest.raises(ReplacedError, match=r"raw/x/part-0.parquet was replaced while it was read"):
        HdfsFile(store.hdfs, entry).read(4)


def test_duckdb_asks_for_the_columns_it_needs(store: HdfsStore, tmp_path: Path) -> None:
    from lake_assets import sql_engine

    table = noise(3, 400_000)
    for n in range(4):
        table = table.append_column(f"more{n}", noise(n, 400_000)["noise"])
    publish(store, DAY, table)
    moved: list[int] = []
    ranged = store.hdfs.range

    def counted(id_: int, offset: int, length: int) -> bytes | None:
        moved.append(length)
        return ranged(id_, offset, length)

    store.hdfs.range = counted  # type: ignore[method-assign]
    view = sql_engine.View(store.files([DAY]), table.schema.names, {"dt": "DATE"})
    sql = "SELECT dt, sum(value) AS v FROM sales GROUP BY dt"
    with sql_engine.query(
        "prep/x", sql, {"sales": view}, {}, [], store.duckdb_files(), tmp_path
    ) as reader:
        assert reader.read_all().to_pylist() == [{"dt": date(2025, 7, 1), "v": 1_200_000}]
    size = store.stat(DAY).bytes  # type: ignore[union-attr]
    assert size > 12_000_000
    assert sum(moved) < size / 2


def test_a_statement_reads_its_inputs_only(store: HdfsStore, place: OnHdfs, tmp_path: Path) -> None:
    from lake_assets import sql_engine

    publish(store, DAY, numbers(1))
    publish(store, Partition("raw", "secret"), numbers(2))
    view = sql_engine.View(store.files([DAY]), ["id", "value"], {"dt": "DATE"})
    (other,) = store.files([Partition("raw", "secret")])
    for path in (other, "/etc/passwd"):
        sql = f"SELECT * FROM read_parquet('{path}')"
        with (
            pytest.raises(PermanentError, match="Permission Error"),
            sql_engine.query("prep/x", sql, {"s": view}, {}, [], store.duckdb_files(), tmp_path),
        ):
            pass


def test_sql_over_a_file_that_is_replaced(store: HdfsStore, tmp_path: Path) -> None:
    """Before the first row or amid them: an error that can be retried, in our words."""
    from lake_assets import sql_engine

    table = noise(1, 600_000)
    publish(store, DAY, table)

    def rows(at: int) -> int:
        view = sql_engine.View(store.files([DAY]), table.schema.names, {"dt": "DATE"})
        if at == 0:
            publish(store, DAY, table)
        seen = 0
        with sql_engine.query(
            "prep/x", "SELECT * FROM s", {"s": view}, {}, [], store.duckdb_files(), tmp_path
        ) as reader:
            for batch in reader:
                if seen == 0 and at == 1:
                    publish(store, DAY, table)
                seen += batch.num_rows
        return seen

    assert rows(2) == 600_000
    for at in (0, 1):
        with pytest.raises(ReplacedError, match=r"part-0.parquet was replaced while it was read"):
            rows(at)


def test_addresses_carry_what_is_needed() -> None:
    entry = HdfsFile(
        hdfs_of("http://x:1"),
        DuckdbFiles(hdfs_of("http://x:1"))._open("lake://17-300/lake/raw/s/dt=1/p")._entry,
    )._entry
    assert (entry.id, entry.bytes, entry.path) == (17, 300, "/lake/raw/s/dt=1/p")


# Litter -----------------------------------------------------------------------------------------


def test_litter_goes_when_it_is_older_than_a_day(store: HdfsStore, place: OnHdfs) -> None:
    publish(store, DAY, numbers(1))
    old, young = LITTER, ".part-0.parquet.fedcba9876543210"
    for name in (old, young):
        place.put(f"raw/sales/{name}", b"half")
        place.put(f"raw/other/{name}", b"half")
    place.put("raw/sales/.part-0.parquet.note", b"")  # not a name that a writer gives
    place.age(f"raw/sales/{old}", 1.01)
    place.age(f"raw/other/{old}", 1.01)
    place.age(f"raw/other/{young}", 0.99)
    assert store.sweep() == [f"{place.root}/raw/other/{old}", f"{place.root}/raw/sales/{old}"]
    assert store.sweep() == []
    place.put(f"raw/sales/{old}", b"half")
    place.age(f"raw/sales/{old}", 1.01)
    publish(place.store(), Partition("raw", "sales", "daily", "2025-07-02"), numbers(1))
    expected = [young, ".part-0.parquet.note", "dt=2025-07-01", "dt=2025-07-02"]
    assert place.names("raw/sales") == sorted(expected)


def test_versions_end_when_they_are_replaced(store: HdfsStore, place: OnHdfs) -> None:
    """An old version is kept for a day after its end, however old it was then."""
    first = publish_many(store, DAY, numbers(1)).split("/")[-2]
    place.age(f"{DAY.path}/{first}", 30)
    publish_many(store, DAY, numbers(2))
    assert store.sweep() == []
    place.age(f"{DAY.path}/{first}", 1.01)
    assert store.sweep() == [f"{place.root}/{DAY.path}/{first}"]


# The environment --------------------------------------------------------------------------------


def test_an_environment_on_hdfs(
    place: OnHdfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = Path(hdfs.__file__).parent / "environments" / "local.yaml"
    text = shipped.read_text(encoding="utf-8")
    for before, after in (
        ('root: "{home}/lake"', f"root: {place.root}"),
        ("connection: null", "connection: hdfs"),
        ("http://127.0.0.1:9870", place.url),
    ):
        assert before in text, text[:400]
        text = text.replace(before, after)
    (tmp_path / "onhdfs.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path))
    store = open_store(load_settings("onhdfs"))
    with store.writer(DAY, numbers(5).schema) as writer:
        writer.write(numbers(5).to_batches()[0])
        path = writer.publish().path
    assert path == f"{place.root}/{DAY.path}/part-0.parquet"
    assert place.store().read([DAY], ["value"])["value"].to_pylist() == [5, 5, 5]


def test_frames_go_out_and_come_in(place: OnHdfs) -> None:
    got: list[pl.DataFrame] = []
    hours = dg.HourlyPartitionsDefinition("2025-07-01-00", timezone="Asia/Seoul", fmt="%Y-%m-%d-%H")

    @dg.asset(key=["raw", "sales"], partitions_def=hours)
    def sales() -> pl.DataFrame:
        return pl.DataFrame({"name": ["서울", None]})

    @dg.asset(partitions_def=hours, ins={"sales": dg.AssetIn(["raw", "sales"])}, key=["prep", "x"])
    def x(sales: pl.DataFrame) -> pl.DataFrame:
        got.append(sales)
        return sales

    manager = LakeIOManager(root=place.root, hdfs={"url": place.url, "user": "lake"})
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [sales, x],
            partition_key="2025-07-01-09",
            resources={"io_manager": manager},
            instance=instance,
        )
    assert got[0].rows() == [("서울", "2025-07-01-09"), (None, "2025-07-01-09")]
    hour = Partition("prep", "x", "hourly", "2025-07-01-09")
    assert place.store().read([hour], ["name"]).equals(pa.table({"name": ["서울", None]}))
