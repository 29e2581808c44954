"""Files arrive whole, read back value by value by the lake's own reader, or the old one stays."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources import deliver_files
from resources.deliver import Delivery, FileTarget, Receipt
from resources.deliver_files import _machine, deliver
from resources.described import FileSource
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.sftp import connect
from resources.source import Column, Table
from resources.types import parse_type
from tests.servers.hdfs import HdfsServer
from tests.servers.sftp import SftpServer

TYPES = {
    "id": "int64",
    "name": "string",
    "amount": "decimal(38,2)",
    "tiny": "decimal(38,12)",
    "ratio": "float64",
    "ok": "boolean",
    "dt": "date",
    "at": "timestamp",
    "instant": "timestamptz",
}
FULL: dict[str, Any] = {
    "id": 9007199254740993,
    "name": "가, \"나\"\n\\.\n'다'\r\n\t=cmd|' /C calc'!A0",
    "amount": Decimal("-999999999999999999999999999999999999.99"),
    "tiny": Decimal("0.000000000012"),
    "ratio": 0.1,
    "ok": False,
    "dt": date(2024, 2, 29),
    "at": datetime(2025, 7, 1, 23, 59, 59, 123456),
    "instant": datetime(2025, 6, 30, 15, 0, 0, 1, tzinfo=timezone.utc),
}
EMPTY = {**dict.fromkeys(TYPES), "id": -1, "name": ""}
NULLS = {**dict.fromkeys(TYPES), "id": 2}
ROWS = [FULL, EMPTY, NULLS]


def delivery(
    rows: list[dict[str, Any]],
    target: FileTarget,
    types: dict[str, str] = TYPES,
    names: dict[str, str] | None = None,
) -> Delivery:
    columns = tuple(
        Column(one, (names or {}).get(one, one), parse_type(kind)) for one, kind in types.items()
    )
    schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
    return Delivery(
        "out/x/t 2025-07-01", target, columns, pa.Table.from_pylist(rows, schema).to_batches(2)
    )


def folder(path: Path) -> Connection:
    return Connection(kind="storage", path=str(path))


def sftp(server: SftpServer, **other: Any) -> Connection:
    address = {"host": server.host, "port": server.port, "user": server.user}
    options = {**server.options, "timeout": 60}
    return Connection(kind="sftp", **{**address, "options": options, **other})


@pytest.fixture
def there(sftp_server: SftpServer) -> Path:
    made = sftp_server.files / f"{time.monotonic_ns()}"
    made.mkdir(parents=True)
    return made


def read(server: SftpServer, of: FileSource, names: dict[str, str]) -> list[Any]:
    columns = tuple(
        Column(one, names.get(one, one), parse_type(kind)) for one, kind in TYPES.items()
    )
    with connect("sftp", sftp(server)) as source, source.read(Table(columns, of=of)) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema).to_pylist()


@pytest.mark.server
@pytest.mark.parametrize(
    "words",
    [
        {"format": "csv"},
        {"format": "csv", "encoding": "cp949", "delimiter": "|"},
        {"format": "csv", "encoding": "utf-8-sig"},
        {"format": "csv", "encoding": "utf-16"},
        {"format": "jsonl"},
        {"format": "jsonl", "encoding": "cp949"},
        {"format": "parquet"},
    ],
)
def test_sftp_and_back_value_by_value(
    sftp_server: SftpServer, there: Path, words: dict[str, Any]
) -> None:
    names = {"name": '이름 "x"', "id": "ID"}
    path = f"{there}/새 폴더/2025/out_20250701.dat"
    one = delivery(ROWS, FileTarget(path=path, **words), names=names)
    receipt = deliver("sftp", sftp(sftp_server), one)
    data = Path(path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert receipt == Receipt(3, len(data), receipt.route, receipt.where, digest, True)
    if words.get("encoding") == "utf-8-sig":
        assert data.startswith(b"\xef\xbb\xbf")
        assert data.count(b"\xef\xbb\xbf") == 1
    elif words.get("encoding") == "utf-16":
        assert data.decode("utf-16").splitlines()[0].startswith('"ID","이름 ""x"""')
        return  # the lake's reader is not tried on it
    assert read(sftp_server, FileSource(path=path, **words), names) == ROWS
    before = Path(path).stat()
    assert not deliver("sftp", sftp(sftp_server), one).changed
    after = Path(path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [entry.name for entry in Path(path).parent.iterdir()] == ["out_20250701.dat"]


def test_csv_as_others_read_it(tmp_path: Path) -> None:
    """Python's own reader: `''` is NULL where nothing stands, and '' where marks stand."""
    target = FileTarget(path="sub/a.csv", format="csv", header=False)
    deliver("folder", folder(tmp_path), delivery(ROWS, target))
    text = (tmp_path / "sub/a.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0][:4] == [
        "9007199254740993",
        FULL["name"],
        "-999999999999999999999999999999999999.99",
        "1.2E-11",
    ]
    assert rows[0][4:] == [
        *("0.1", "false", "2024-02-29"),
        *("2025-07-01 23:59:59.123456", "2025-06-30 15:00:00.000001Z"),
    ]
    assert text.endswith('-1,"",,,,,,,\n2,,,,,,,,\n')


def test_no_rows_make_a_header_alone(tmp_path: Path) -> None:
    for form, content in (("csv", b'"id"\n'), ("jsonl", b"")):
        target = FileTarget(path=form, format=form)  # type: ignore[arg-type]
        deliver("folder", folder(tmp_path), delivery([], target, {"id": "int64"}))
        assert (tmp_path / form).read_bytes() == content
    deliver("folder", folder(tmp_path), delivery([], FileTarget(path="p", format="parquet")))
    assert pq.read_schema(tmp_path / "p").names == list(TYPES)


CP949 = FileTarget(path="a.csv", format="csv", encoding="cp949")
WRONG: list[tuple[str, FileTarget, dict[str, str], list[dict[str, Any]], dict[str, str], str]] = [
    (
        "cp949 lacks a character",
        CP949,
        {"id": "int64", "name": "string"},
        [{"id": 7, "name": "똠방각하"}, {"id": 8, "name": "비밀😀"}],
        {},
        r"a value of 'name' has a character that cp949 lacks \(at id 8\)",
    ),
    (
        "cp949 lacks a character of a name",
        CP949,
        {"id": "int64"},
        [],
        {"id": "번호😀"},
        "the name '번호😀' has a character that cp949 lacks",
    ),
    (
        "bytes are no text",
        FileTarget(path="a.csv", format="csv"),
        {"id": "int64", "raw": "binary"},
        [],
        {},
        "'raw' is binary, and csv is text",
    ),
    (
        "JSON has no NaN",
        FileTarget(path="a.csv", format="jsonl"),
        {"id": "int64", "x": "float64"},
        [{"id": 1, "x": 0.5}, {"id": 2, "x": float("nan")}],
        {},
        r"a value of 'x' is NaN or infinite, which is no number there \(at id 2\)",
    ),
]


@pytest.mark.parametrize(("target", "types", "rows", "names", "said"), [one[1:] for one in WRONG])
def test_what_does_not_fit_leaves_the_old_file(
    tmp_path: Path,
    target: FileTarget,
    types: dict[str, str],
    rows: list[dict[str, Any]],
    names: dict[str, str],
    said: str,
) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(PermanentError, match=said) as told:
        deliver("folder", folder(tmp_path), delivery(rows, target, types, names))
    assert "비밀" not in str(told.value)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.csv", "old")]


@pytest.mark.parametrize("path", ["../a.csv", "a/../../b", "a/", "a/..", "a\nb", "a\0b", "."])
def test_hostile_paths(tmp_path: Path, path: str) -> None:
    with pytest.raises(PermanentError, match="is no path of a file to deliver"):
        deliver("folder", folder(tmp_path), delivery(ROWS, FileTarget(path=path, format="csv")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.server
def test_hostile_names_are_names(sftp_server: SftpServer, there: Path) -> None:
    path = f'{there}/it\'s "x" $(touch y) *?.csv'
    deliver("sftp", sftp(sftp_server), delivery(ROWS, FileTarget(path=path, format="csv")))
    assert [str(one) for one in there.iterdir()] == [path]


def _cut(server: SftpServer, after: int) -> tuple[int, Callable[[], None]]:
    """A port that passes on to the server, and breaks the line after so many bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one() -> None:
        ours, _ = listener.accept()
        theirs = socket.create_connection((server.host, server.port))

        def back() -> None:
            with socket.socket() as _:
                while data := _received(theirs):
                    ours.sendall(data)

        threading.Thread(target=back, daemon=True).start()
        left = after
        while left > 0 and (data := _received(ours)):
            theirs.sendall(data)
            left -= len(data)
        for side in (ours, theirs):
            side.shutdown(socket.SHUT_RDWR)
            side.close()

    threading.Thread(target=one, daemon=True).start()
    return listener.getsockname()[1], listener.close


def _received(side: socket.socket) -> bytes:
    try:
        return side.recv(65_536)
    except OSError:
        return b""


@pytest.mark.server
def test_a_line_that_breaks_leaves_the_old_file(
    sftp_server: SftpServer, there: Path, tmp_path: Path
) -> None:
    (there / "a.csv").write_text("old")
    port, close = _cut(sftp_server, 400_000)
    key = (sftp_server.folder / "host.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key}")
    options = {**sftp_server.options, "known_hosts": str(tmp_path / "known")}
    rows = [{"id": number, "name": os.urandom(50).hex()} for number in range(20_000)]
    one = delivery(
        rows,
        FileTarget(path=f"{there}/a.csv", format="csv"),
        {"id": "int64", "name": "string"},
    )
    with pytest.raises(TransientError, match="The old file is as it was"):
        deliver("sftp", sftp(sftp_server, port=port, options=options), one)
    close()
    assert (there / "a.csv").read_text() == "old"
    (hidden,) = [one for one in there.iterdir() if one.name != "a.csv"]
    assert hidden.name.startswith(".lake-")
    # Nobody writes it any more, so the next delivery removes it.
    deliver("sftp", sftp(sftp_server), one)
    assert [one.name for one in there.iterdir()] == ["a.csv"]
    assert len((there / "a.csv").read_bytes().splitlines()) == 20_001


def _left(machine: str, process: object) -> str:
    return f".lake-{machine}-{process}-{'0' * 32}.part"


def _ended() -> int:
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


#: What lies there, how old it is in seconds, and whether the next delivery removes it.
LEFT: dict[str, tuple[Callable[[], str], int, bool]] = {
    "of a process that ended": (lambda: _left(_machine(), _ended()), 0, True),
    "of a process that runs": (lambda: _left(_machine(), os.getppid()), 80_000, False),
    "of this process, given up": (lambda: _left(_machine(), os.getpid()), 0, True),
    "of another machine": (lambda: _left("0" * 12, 999_999), 80_000, False),
    "of another machine, a day old": (lambda: _left("0" * 12, 999_999), 90_000, True),
    "of the time before such names": (lambda: f".lake-{'0' * 32}.part", 80_000, False),
    "no number": (lambda: _left(_machine(), "../1"), 0, False),
    "too large a number": (lambda: _left(_machine(), 10**30), 0, True),
    "not the lake's": (lambda: ".lakeside.part", 900_000, False),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_killed_delivery_left(tmp_path: Path, name: str) -> None:
    make, age, removed = LEFT[name]
    left = tmp_path / make().replace("/", "")
    left.write_text("half")
    os.utime(left, (time.time() - age,) * 2)
    deliver("folder", folder(tmp_path), delivery(ROWS, FileTarget(path="b.csv", format="csv")))
    assert left.exists() != removed
    assert (tmp_path / "b.csv").exists()


def test_what_another_thread_writes_is_let_alone(tmp_path: Path) -> None:
    place, seen = deliver_files._Folder("here", tmp_path), list[str]()

    def pieces() -> Iterator[bytes]:
        yield b"half"
        deliver_files.put(place, "b", iter([b"other"]))
        seen.extend(one.name for one in tmp_path.iterdir() if one.name.startswith(".lake-"))
        yield b" and half"

    deliver_files.put(place, "a", pieces())
    assert len(seen) == 1
    assert (tmp_path / "a").read_bytes() == b"half and half"


@pytest.mark.server
def test_no_right_to_write(sftp_server: SftpServer, there: Path) -> None:
    # Root may write anywhere, but makes no folder below a file.
    (there / "file").write_text("x")
    one = delivery(ROWS, FileTarget(path=f"{there}/file/a.csv", format="csv"))
    with pytest.raises(LakeError, match="The old file is as it was"):
        deliver("sftp", sftp(sftp_server), one)


@pytest.fixture(params=["folder", "hdfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "folder":
        yield folder(tmp_path), lambda path: (tmp_path / path).read_bytes()
        return
    server: HdfsServer = request.getfixturevalue("hdfs_server")
    from resources.hdfs import Hdfs

    server.make_folder("/deliver", "lake")
    connection = Connection(kind="hdfs", url=server.url, user="lake")

    def read(path: str) -> bytes:
        hdfs = Hdfs("hdfs", connection)
        found = hdfs.status(path)
        assert found is not None
        return hdfs.range(found.id, 0, found.bytes) or b""

    yield connection, read


@pytest.mark.server
def test_folders_and_hdfs_likewise(place: tuple[Connection, Callable[[str], bytes]]) -> None:
    connection, content = place
    path = f"/deliver/{time.monotonic_ns()}/매출.csv"[1 if connection.kind == "storage" else 0 :]
    target = FileTarget(path=path, format="csv")
    types = {"id": "int64"}
    first = deliver("x", connection, delivery([{"id": 1}], target, types))
    assert content(path) == b'"id"\n1\n'
    assert first.sha256 == hashlib.sha256(b'"id"\n1\n').hexdigest()
    assert deliver("x", connection, delivery([{"id": 2}], target, types)).changed
    assert not deliver("x", connection, delivery([{"id": 2}], target, types)).changed
    assert content(path) == b'"id"\n2\n'
    wrong = FileTarget(path=path, format="jsonl")
    with pytest.raises(PermanentError, match="NaN"):
        deliver("x", connection, delivery([{"x": float("inf")}], wrong, {"x": "float64"}))
    assert content(path) == b'"id"\n2\n'
