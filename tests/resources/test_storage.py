"""Files in a folder of this machine, in fsspec's memory (a stand-in of an object store), on a real
HDFS, and on moto's S3 server, which is a stand-in too.

What the formats do is `test_sftp.py`'s; here: listing, reading, changes, and errors of each place.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from moto.server import ThreadedMotoServer

from resources import hdfs_files, storage
from resources.described import FileSource
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.files import FilesSource
from resources.settings import Connection
from resources.source import Column, Table
from resources.types import parse_type
from tests.servers.hdfs import HdfsServer

TYPES = {"id": "int64", "이름": "string", "amount": "decimal(38,2)", "d": "date"}
ROWS = [
    {
        "id": 9007199254740993,
        "이름": "가, \"나\"\n다 'x'",
        "amount": Decimal("123456789012345678901234567890123456.78"),
        "d": date(2024, 2, 29),
    },
    {"id": -1, "이름": "", "amount": None, "d": None},
]
CSV = (
    "id,이름,amount,d\n"
    '9007199254740993,"가, ""나""\n다 \'x\'",123456789012345678901234567890123456.78,2024-02-29\n'
    '-1,"",,\n'
)


@dataclass(frozen=True)
class Place:
    """Somewhere files lie: how one is put there, and a connection that reads them at `top`."""

    put: Callable[[str, bytes], None]
    connect: Callable[[], FilesSource]
    top: str
    flat: bool = False


def in_folder(tmp_path: Path) -> Place:
    def put(name: str, data: bytes) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    connection = Connection(kind="storage", path=f"file://{tmp_path}")
    return Place(put, lambda: storage.connect("files", connection), "/")


def in_memory() -> Place:
    bucket = uuid.uuid4().hex
    there = fsspec.filesystem("memory")
    there.mkdir(f"/{bucket}")
    connection = Connection(kind="storage", path=f"memory://{bucket}/in")

    def put(name: str, data: bytes) -> None:
        there.pipe(f"/{bucket}/in/{name}", data)

    return Place(put, lambda: storage.connect("files", connection), "", flat=True)


def on_hdfs(server: HdfsServer) -> Place:
    top = f"/landing/{uuid.uuid4().hex}"
    server.make_folder(top, "lake")
    connection = Connection(kind="hdfs", url=server.url, user="lake")

    def put(name: str, data: bytes) -> None:
        url = f"{server.url}/webhdfs/v1{top}/{name}"
        asked = {"user.name": "lake", "op": "CREATE", "overwrite": "true"}
        requests.put(url, data, params=asked, timeout=30).raise_for_status()

    return Place(put, lambda: hdfs_files.connect("files", connection), f"{top}/")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def on_s3(address: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("S3_WORD", "gehe'im")
    bucket = uuid.uuid4().hex
    there = fsspec.filesystem("s3", key="lake", secret="x", endpoint_url=address)
    there.mkdir(bucket)
    connection = Connection(
        kind="storage",
        path=f"s3://{bucket}/in",
        user="lake",
        password="env:S3_WORD",
        options={"endpoint_url": address},
    )
    put = lambda name, data: there.pipe(f"{bucket}/in/{name}", data)  # noqa: E731
    return Place(put, lambda: storage.connect("files", connection), "", flat=True)


@pytest.fixture(params=["folder", "memory", pytest.param("hdfs", marks=pytest.mark.server), "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "hdfs":
        return on_hdfs(request.getfixturevalue("hdfs_server"))
    if request.param == "s3":
        return on_s3(request.getfixturevalue("s3_server"), monkeypatch)
    return in_folder(tmp_path) if request.param == "folder" else in_memory()


def table(of: FileSource, types: dict[str, str] = TYPES) -> Table:
    columns = tuple(Column(name, name, parse_type(type_)) for name, type_ in types.items())
    return Table(columns, of=of)


def rows_of(place: Place, what: Table) -> list[dict[str, Any]]:
    with place.connect() as source, source.read(what) as reading:
        assert reading.totals is None
        return pa.Table.from_batches(reading.batches, reading.schema).to_pylist()


def test_value_by_value(place: Place) -> None:
    place.put("매출.csv", CSV.encode("cp949"))
    schema = pa.schema([(name, parse_type(one).arrow()) for name, one in TYPES.items()])
    written = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS, schema), written)
    place.put("a.parquet", written.getvalue().to_pybytes())
    of = FileSource(path=f"{place.top}매출.csv", format="csv", encoding="cp949")
    assert rows_of(place, table(of)) == ROWS
    of = FileSource(path=f"{place.top}*.parquet", format="parquet")
    assert rows_of(place, table(of)) == ROWS
    with place.connect() as source:
        assert [one.name for one in source.describe(table(of))] == list(TYPES)
        assert source.peek(table(of), 1).to_pylist() == ROWS[:1]


def test_files_of_one_folder_in_the_order_of_their_names(place: Place) -> None:
    for name in ("part-3", "part-1", "part-2", "other", "part-4/x", "sub/part-5"):
        place.put(f"{name}.csv" if "/" not in name else name, f"id\n{name[-1]}\n".encode())
    of = FileSource(path=f"{place.top}part-*", format="csv")
    assert [one["id"] for one in rows_of(place, table(of, {"id": "string"}))] == ["1", "2", "3"]


def test_a_file_of_many_pieces(place: Place) -> None:
    line = f"7,{'가나다' * 30}\n".encode()
    place.put("big.csv", b"id,s\n" + line * 40_000)
    of = FileSource(path=f"{place.top}big.csv", format="csv")
    with place.connect() as source, source.read(table(of, {"id": "int64", "s": "string"})) as one:
        batches = list(one.batches)
    assert sum(batch.num_rows for batch in batches) == 40_000
    assert {text for batch in batches for text in batch["s"].unique().to_pylist()} == {
        "가나다" * 30
    }


def test_a_file_that_is_replaced_while_it_is_read(place: Place) -> None:
    place.put("a.csv", b"id\n1\n")
    what = table(FileSource(path=f"{place.top}a.csv", format="csv"), {"id": "int64"})
    with place.connect() as source, source.read(what) as reading:
        next(reading.batches)
        place.put("a.csv", b"id\n1\n2\n")
        with pytest.raises(TransientError, match="changed while being read"):
            list(reading.batches)
    assert [one["id"] for one in rows_of(place, what)] == [1, 2]


def test_no_such_file_is_waited_for(place: Place) -> None:
    place.put("there.csv", b"id\n1\n")
    what = table(FileSource(path=f"{place.top}no-*.csv", format="csv"))
    with pytest.raises(NotYetError, match="there is no such file"):
        rows_of(place, what)


def test_a_folder_that_is_not_there(place: Place) -> None:
    # An object store has no folders: where nothing lies below a name, nothing has come yet.
    kind: type[LakeError] = NotYetError if place.flat else PermanentError
    what = table(FileSource(path=f"{place.top}nowhere/a.csv", format="csv"))
    with pytest.raises(kind, match="there is no such f"):
        rows_of(place, what)


def test_a_file_is_left_alone_until_it_has_settled(place: Place) -> None:
    place.put("a.csv", b"id\n1\n")
    what = table(FileSource(path=f"{place.top}a.csv", format="csv", settled=60), {"id": "int64"})
    with pytest.raises(NotYetError, match="is read when it has been as it is for 60 s"):
        rows_of(place, what)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"path": "nope://x"}, "Protocol not known: nope"),
    ({"path": "abfs://x@y"}, "nstall adlfs"),
    ({"path": "s3://key:gehe'im@bucket"}, "the path holds a password"),
    ({"path": "memory://x", "user": "u"}, "'memory' takes no user of the connection"),
    ({"path": "/x", "password": "env:S3_WORD"}, "'file' takes no password of the connection"),
    ({"path": "gs://x", "user": "u"}, "'gs' takes no user"),
    ({"path": "s3://x", "options": {"secret": "gehe'im"}}, "options.secret would be a secret"),
    ({"path": "s3://x", "user": "u", "password": "env:NO_SUCH"}, "export NO_SUCH"),
    ({"path": "memory://nowhere"}, "there is no such folder, bucket or file"),
    ({"path": "/no/such/folder"}, "there is no such folder, bucket or file"),
]


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=[told[:25] for _, told in REFUSED])
def test_what_is_refused(given: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_WORD", "gehe'im")
    with (
        pytest.raises(PermanentError) as caught,
        storage.connect("files", Connection(kind="storage", **given)) as source,
    ):
        source.describe(table(FileSource(path="a.csv", format="csv")))
    assert told in str(caught.value)
    assert "gehe'im" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_secret_is_in_no_message_and_no_cache(s3_server: str) -> None:
    """On moto, a stand-in: with a closed port the client's own words are long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S3_WORD", "gehe'im")
        connection = Connection(
            kind="storage",
            path="s3://bucket/in",
            user="lake",
            password="env:S3_WORD",
            options={"endpoint_url": "http://127.0.0.1:1"},
        )
        what = table(FileSource(path="a.csv", format="csv"))
        with pytest.raises(TransientError) as caught, storage.connect("s3", connection) as source:
            source.describe(what)
    assert "the connection was lost or refused (EndpointConnectionError)" in str(caught.value)
    assert "gehe'im" not in repr(caught.value)


@pytest.mark.server
def test_a_path_of_hdfs_begins_at_the_top(hdfs_server: HdfsServer) -> None:
    connection = Connection(kind="hdfs", url=hdfs_server.url, user="lake")
    with (
        hdfs_files.connect("hdfs", connection) as source,
        pytest.raises(PermanentError, match=r"a path of HDFS is written from the top: /in"),
    ):
        source.describe(table(FileSource(path="in/a.csv", format="csv")))


@pytest.mark.server
def test_a_folder_of_hdfs_that_may_not_be_listed(hdfs_server: HdfsServer) -> None:
    top = f"/secret/{uuid.uuid4().hex}"
    hdfs_server.make_folder(top, "hive", "700")
    connection = Connection(kind="hdfs", url=hdfs_server.url, user="lake")
    with (
        hdfs_files.connect("hdfs", connection) as source,
        pytest.raises(PermanentError, match=f"lake has no right to READ_EXECUTE at {top}"),
    ):
        source.describe(table(FileSource(path=f"{top}/a.csv", format="csv")))
