"""What files on a real SFTP server hold arrives value by value, or is refused in words."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import paramiko
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources import sftp
from resources.described import FileSource
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.files import Entry, matching
from resources.settings import Connection
from resources.sftp import connect, opened
from resources.source import Column, Table
from resources.types import parse_type
from tests.servers.sftp import SftpServer

pytestmark = pytest.mark.server

TYPES = {
    "id": "int64",
    "이름": "string",
    "amount": "decimal(18,2)",
    "d": "date",
    "t": "timestamp",
    "at": "timestamptz",
    "x": "float64",
    "ok": "boolean",
}
ROWS: list[dict[str, Any]] = [
    {
        "id": 9007199254740993,
        "이름": "가, \"나\"\n다 'x'",
        "amount": Decimal("9007199254740993.01"),
        "d": date(2024, 2, 29),
        "t": datetime(2025, 7, 1, 23, 59, 59, 123456),
        "at": datetime(2025, 7, 1, 0, 0, tzinfo=timezone.utc),
        "x": 0.1,
        "ok": True,
    },
    {**dict.fromkeys(TYPES), "id": -1, "이름": ""},
    {**dict.fromkeys(TYPES), "id": 2},
]
CSV = (
    "id,이름,amount,d,t,at,x,ok,ignored\n"
    '9007199254740993,"가, ""나""\n다 \'x\'",9007199254740993.01,2024-02-29,'
    "2025-07-01 23:59:59.123456,2025-07-01T09:00:00+09:00,0.1,true,z\n"
    '-1,"",,,,,,,\n'
    "2,,,,,,,,\n"
)


def connection(server: SftpServer, **other: Any) -> Connection:
    address = {"host": server.host, "port": server.port, "user": server.user}
    return Connection(kind="sftp", **{**address, "options": server.options, **other})


def table(of: FileSource, types: dict[str, str] = TYPES) -> Table:
    columns = tuple(Column(name, name, parse_type(type_)) for name, type_ in types.items())
    return Table(columns, of=of)


@pytest.fixture
def folder(sftp_server: SftpServer) -> Path:
    made = sftp_server.files / f"{time.monotonic_ns()}"
    made.mkdir(parents=True)
    return made


def rows_of(server: SftpServer, what: Table, **other: Any) -> pa.Table:
    with connect("sftp", connection(server, **other)) as source, source.read(what) as reading:
        assert reading.totals is None
        return pa.Table.from_batches(reading.batches, reading.schema)


def _excel(path: Path) -> None:
    from tests.resources.excel import write_excel

    write_excel(path, [["id", "이름", "amount", "d"], [7, "가", 12.5, date(2024, 2, 29)], [8]])


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_csv_value_by_value(sftp_server: SftpServer, folder: Path, encoding: str) -> None:
    (folder / "a.csv").write_bytes(CSV.encode(encoding))
    found = rows_of(
        sftp_server, table(FileSource(path=f"{folder}/*.csv", format="csv", encoding=encoding))
    )
    assert found.to_pylist() == ROWS
    assert found.schema.types == [parse_type(one).arrow() for one in TYPES.values()]


def test_several_files_come_in_the_order_of_their_names(
    sftp_server: SftpServer, folder: Path
) -> None:
    for number in (3, 1, 2):
        (folder / f"part-{number}.csv").write_text(f"id\n{number}\n")
    (folder / "other.txt").write_text("id\n9\n")
    (folder / "part-0.csv").mkdir()
    of = FileSource(path=f"{folder}/part-*.csv", format="csv")
    assert rows_of(sftp_server, table(of, {"id": "int64"}))["id"].to_pylist() == [1, 2, 3]


def test_formats_of_dates_are_strict(sftp_server: SftpServer, folder: Path) -> None:
    (folder / "a.csv").write_text("d|t\n20240229|2025/07/01 09:30\n")
    of = FileSource(
        path=f"{folder}/a.csv",
        format="csv",
        delimiter="|",
        date_format="%Y%m%d",
        timestamp_format="%Y/%m/%d %H:%M",
    )
    types = {"d": "date", "t": "timestamp"}
    assert rows_of(sftp_server, table(of, types)).to_pylist() == [
        {"d": date(2024, 2, 29), "t": datetime(2025, 7, 1, 9, 30)}
    ]
    (folder / "a.csv").write_text("d|t\n20240229|2025/07/01 09:30\n20230229|2025/07/01 09:30\n")
    with pytest.raises(PermanentError, match="the value of 'd' in row 2 is no date"):
        rows_of(sftp_server, table(of, types))


def test_fixed_width_is_cut_by_bytes(sftp_server: SftpServer, folder: Path) -> None:
    lines = ["00017홍길동    12.50", "00018김        -0.01", "", "00019             "]
    (folder / "a.dat").write_bytes("\r\n".join(["HEAD", *lines]).encode("cp949"))
    of = FileSource(
        path=f"{folder}/a.dat",
        format="fixed",
        encoding="cp949",
        skip=1,
        widths={"id": 5, "name": 10, "amount": 6},
    )
    types = {"name": "string", "id": "int32", "amount": "decimal(9,2)"}
    assert rows_of(sftp_server, table(of, types)).to_pylist() == [
        {"name": "홍길동", "id": 17, "amount": Decimal("12.50")},
        {"name": "김", "id": 18, "amount": Decimal("-0.01")},
        {"name": None, "id": 19, "amount": None},
    ]


#: Format, the second of two files, what is told of it.
LINES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"format": "fixed", "widths": {"id": 5}, "skip": 1},
        "HEAD\n\n00001\n가00\n000001\n",
        "b.txt: line 5 has 6 bytes, the widths add up to 5. Correct `widths`, which count bytes",
    ),
    ({"format": "jsonl"}, '{"id": 1}\n\n[]\n', "b.txt: line 3 is no JSON object"),
    ({"format": "csv"}, "", "b.txt: a file is empty, without even a header"),
]


@pytest.mark.parametrize(("words", "content", "told"), LINES)
def test_a_line_is_named_by_its_file_and_number(
    sftp_server: SftpServer, folder: Path, words: dict[str, Any], content: str, told: str
) -> None:
    first = {"fixed": "HEAD\n00001\n", "jsonl": '{"id": 1}\n', "csv": "id\n1\n"}
    (folder / "a.txt").write_text(first[words["format"]])
    (folder / "b.txt").write_text(content)
    of = FileSource(path=f"{folder}/*.txt", **words)
    with pytest.raises(PermanentError) as caught:
        rows_of(sftp_server, table(of, {"id": "string"}))
    assert f"{folder}/{told}" in str(caught.value)


def test_parquet_and_json_lines(sftp_server: SftpServer, folder: Path) -> None:
    schema = pa.schema([(name, parse_type(type_).arrow()) for name, type_ in TYPES.items()])
    pq.write_table(pa.Table.from_pylist(ROWS, schema), folder / "a.parquet")
    of = FileSource(path=f"{folder}/a.parquet", format="parquet")
    assert rows_of(sftp_server, table(of)).to_pylist() == ROWS
    (folder / "a.jsonl").write_text(
        '{"id": 9007199254740993, "이름": "가\\n", "amount": 9007199254740993.01, "ok": false}\n'
        '{"id": null, "x": {"y": [1.50]}}\n'
    )
    types = {"id": "int64", "이름": "string", "amount": "decimal(18,2)", "ok": "boolean"}
    of = FileSource(path=f"{folder}/a.jsonl", format="jsonl")
    assert rows_of(sftp_server, table(of, {**types, "x": "string"})).to_pylist() == [
        {
            "id": 9007199254740993,
            "이름": "가\n",
            "amount": Decimal("9007199254740993.01"),
            "ok": False,
            "x": None,
        },
        {**dict.fromkeys(types), "x": '{"y": [1.50]}'},
    ]


def test_excel(sftp_server: SftpServer, folder: Path) -> None:
    _excel(folder / "매출.xlsx")
    of = FileSource(path=f"{folder}/매출.xlsx", format="excel")
    types = {"id": "int64", "이름": "string", "amount": "decimal(18,2)", "d": "date"}
    assert rows_of(sftp_server, table(of, types)).to_pylist() == [
        {"id": 7, "이름": "가", "amount": Decimal("12.50"), "d": date(2024, 2, 29)},
        {**dict.fromkeys(types), "id": 8},
    ]
    wrong = FileSource(path=f"{folder}/매출.xlsx", format="excel", sheet="X")
    with pytest.raises(PermanentError, match="there is no sheet 'X'"):
        rows_of(sftp_server, table(wrong, types))


REFUSED = [
    ("a number", "id\n1\nx\n", "the value of 'id' in row 2 is no int64"),
    ("too large", "id\n9223372036854775808\n", "the value of 'id' in row 1 is no int64"),
    ("another column", "ids\n1\n", "'id'"),
    ("too many cells", "id\n1,2\n", "Expected 1 columns, and a row has others"),
    ("empty", "", "a file is empty, without even a header"),
    ("no text", "id\n\udc80\n", "not everything is text of utf-8"),
]


@pytest.mark.parametrize(("name", "content", "told"), REFUSED, ids=[one for one, *_ in REFUSED])
def test_what_does_not_fit_is_told(
    sftp_server: SftpServer, folder: Path, name: str, content: str, told: str
) -> None:
    (folder / "a.csv").write_text(content, errors="surrogateescape")
    of = FileSource(path=f"{folder}/a.csv", format="csv")
    with pytest.raises(PermanentError) as caught:
        rows_of(sftp_server, table(of, {"id": "int64"}))
    assert told in str(caught.value)


def test_korean_that_is_not_utf_8(sftp_server: SftpServer, folder: Path) -> None:
    (folder / "a.csv").write_bytes("s\n한글\n".encode("cp949"))
    of = FileSource(path=f"{folder}/a.csv", format="csv")
    with pytest.raises(PermanentError, match="files of Korean Windows programs are cp949"):
        rows_of(sftp_server, table(of, {"s": "string"}))


def test_a_cell_of_ten_million_letters(sftp_server: SftpServer, folder: Path) -> None:
    letters = "가" + "a" * 9_999_998 + "나"
    (folder / "a.csv").write_text(f'id,s\n1,a\n2,"{letters}"\n3,b\n')
    of = FileSource(path=f"{folder}/a.csv", format="csv")
    found = rows_of(sftp_server, table(of, {"id": "int64", "s": "string"}))
    assert found["id"].to_pylist() == [1, 2, 3]
    assert found["s"].to_pylist() == ["a", letters, "b"]


ABSENT: list[tuple[str, type[LakeError] | None]] = [
    ("wait", NotYetError),
    ("fail", PermanentError),
    ("empty", None),
]


@pytest.mark.parametrize(("absent", "kind"), ABSENT)
def test_no_such_file(
    sftp_server: SftpServer, folder: Path, absent: Any, kind: type[LakeError] | None
) -> None:
    what = table(FileSource(path=f"{folder}/no-*.csv", format="csv", absent=absent))
    if kind is None:
        assert rows_of(sftp_server, what).num_rows == 0
    else:
        with pytest.raises(kind, match="there is no such file"):
            rows_of(sftp_server, what)


def test_a_file_is_left_alone_until_it_has_settled(sftp_server: SftpServer, folder: Path) -> None:
    file = folder / "a.csv"
    file.write_text("id\n1\n")
    what = table(FileSource(path=str(file), format="csv", settled=60), {"id": "int64"})
    with pytest.raises(NotYetError, match="is read when it has been as it is for 60 s"):
        rows_of(sftp_server, what)
    os.utime(file, (time.time() - 61, time.time() - 61))
    assert rows_of(sftp_server, what).num_rows == 1


def test_a_file_that_changes_while_it_is_read(sftp_server: SftpServer, folder: Path) -> None:
    file = folder / "a.csv"
    file.write_text("id\n1\n")
    what = table(FileSource(path=str(file), format="csv"), {"id": "int64"})
    with connect("sftp", connection(sftp_server)) as source, source.read(what) as reading:
        next(reading.batches)
        file.write_text("id\n1\n2\n")
        with pytest.raises(TransientError, match="changed while being read"):
            list(reading.batches)


class _Lying:
    """A server (a stand-in) that lists whatever names it likes."""

    where = "'sftp' (stand-in)"

    def __init__(self, *names: str) -> None:
        self.names = names

    def entries(self, folder: str) -> list[Entry]:
        return [Entry(name, 1, 0.0) for name in self.names]


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "..\\x", "/etc/passwd"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    of = FileSource(path="/in/*", format="csv")
    with pytest.raises(PermanentError, match="none of a file in the folder"):
        matching(_Lying("ok.csv", name), of)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/in/../x.csv", "/in/*/x.csv", "../x.csv"])
def test_a_path_stays_in_its_folder(path: str) -> None:
    with pytest.raises(PermanentError, match=r"a path has no '\.\.'"):
        matching(_Lying("x.csv"), FileSource(path=path, format="csv"))  # type: ignore[arg-type]


def _unknown_host(server: SftpServer, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "none").touch()
    return {"options": {**server.options, "known_hosts": str(tmp_path / "none")}}


def _other_key(server: SftpServer, tmp_path: Path) -> dict[str, Any]:
    other = (server.folder / "user.pub").read_text()
    (tmp_path / "other").write_text(f"[127.0.0.1]:{server.port} {other}")
    return {"options": {**server.options, "known_hosts": str(tmp_path / "other")}}


def _no_key(server: SftpServer, tmp_path: Path) -> dict[str, Any]:
    options = {key: value for key, value in server.options.items() if key != "key_file"}
    return {"options": options, "password": "env:SFTP_WORD"}


LOGINS: list[tuple[Callable[[SftpServer, Path], dict[str, Any]], type[LakeError], str]] = [
    (_unknown_host, PermanentError, "the host is not in known_hosts"),
    (_other_key, PermanentError, "the host's key is another than the known one"),
    (_no_key, PermanentError, "the server refuses the login"),
    (lambda s, p: {"port": 1}, TransientError, "Check that the server runs"),
    (lambda s, p: {"host": "no-such-host.invalid"}, TransientError, "Check DNS"),
    (lambda s, p: {"options": {"colour": 1}}, PermanentError, "unknown option 'colour'; allowed:"),
    (lambda s, p: {"options": {"known_hosts": "/no/file"}}, PermanentError, "ssh-keyscan"),
    (
        lambda s, p: {"options": {**s.options, "key_file": "/no/key"}},
        PermanentError,
        "key_file /no/key cannot be read: No such file or directory. What to do: correct options",
    ),
    (
        lambda s, p: {"options": {**s.options, "key_file": str(s.folder / "user.pub")}},
        PermanentError,
        "user.pub holds no private key that can be used, or one under another passphrase. What to",
    ),
]


@pytest.mark.parametrize(("other", "kind", "told"), LOGINS, ids=[told[:20] for *_, told in LOGINS])
def test_why_it_cannot_be_reached(
    sftp_server: SftpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: Callable[[SftpServer, Path], dict[str, Any]],
    kind: type[LakeError],
    told: str,
) -> None:
    monkeypatch.setenv("SFTP_WORD", "gehe'im")
    with (
        pytest.raises(kind) as caught,
        connect("sftp", connection(sftp_server, **other(sftp_server, tmp_path))),
    ):
        pass
    assert told in str(caught.value)
    assert "gehe'im" not in repr(caught.value)


def test_a_connection_cut_in_mid_stream_is_transient_and_the_next_one_works(
    sftp_server: SftpServer, folder: Path
) -> None:
    with (folder / "big.csv").open("w") as file:
        file.write("id,s\n")
        file.writelines(f"{n},{'가나다' * 20}\n" for n in range(150_000))
    what = table(FileSource(path=f"{folder}/big.csv", format="csv"), {"id": "int64", "s": "string"})
    with connect("sftp", connection(sftp_server)) as source, source.read(what) as reading:
        next(reading.batches)
        sftp_server.kill()
        try:
            with pytest.raises(TransientError):
                list(reading.batches)
        finally:
            sftp_server.start()
    assert rows_of(sftp_server, what).num_rows == 150_000


_MEMORY = """
import sys
from resources.described import FileSource
from tests.resources.test_sftp import connection, table
from tests.servers.sftp import SftpServer
from pathlib import Path
from resources.sftp import connect
server = SftpServer(Path(sys.argv[1]), int(sys.argv[2]), None)
for path in sys.argv[3:]:
    what = table(FileSource(path=path, format="csv"), {"id": "int64", "s": "string"})
    with connect("sftp", connection(server)) as source, source.read(what) as reading:
        rows = sum(batch.num_rows for batch in reading.batches)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(rows, int(peak.split()[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_file(sftp_server: SftpServer, folder: Path) -> None:
    row = f"7,{'가나다' * 20}\n".encode()
    sizes = {"small": 300_000, "large": 1_500_000}  # 55 and 277 MB
    for name, rows in sizes.items():
        (folder / name).write_bytes(b"id,s\n" + row * rows)
    paths = [str(folder / name) for name in sizes]
    arguments = [str(sftp_server.folder), str(sftp_server.port), *paths]
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, *arguments], capture_output=True, text=True, check=True
    )
    (small, before), (large, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert [small, large] == list(sizes.values())
    # The most that the process ever held: 222 MB more of file are 20 MB more of what is read ahead.
    assert after - before < 80


def test_any_part_of_a_file_can_be_read(sftp_server: SftpServer, folder: Path) -> None:
    content = random.Random(7).randbytes(5_000_003)
    (folder / "a").write_bytes(content)
    places = [(4_999_990, 100), (0, 10), (10, 3_000_000), (65_536, 1), (2, 40_000), (5_000_003, 1)]
    with (
        opened("sftp", connection(sftp_server)) as there,
        there.open(f"{folder}/a") as file,
    ):
        for start, length in places:
            file.seek(start)
            assert file.read(length) == content[start : start + length], (start, length)
        file.seek(-3, os.SEEK_END)
        assert file.read() == content[-3:]


def test_a_file_that_became_shorter_than_it_was_listed(
    sftp_server: SftpServer, folder: Path
) -> None:
    (folder / "a").write_bytes(b"x" * 4_000_000)
    with opened("sftp", connection(sftp_server)) as there, there.open(f"{folder}/a") as file:
        assert file.read(10) == b"x" * 10
        os.truncate(folder / "a", 3_000_000)
        with pytest.raises(TransientError, match="it ended early, and so changed"):
            file.read()


def test_a_server_that_hangs_up_before_its_greeting_is_tried_again() -> None:
    """As sshd does beyond MaxStartups."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            listener.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        with (
            pytest.raises(TransientError) as caught,
            connect(
                "sftp",
                Connection(
                    kind="sftp",
                    host="127.0.0.1",
                    port=port,
                    user="u",
                    options={"known_hosts": "/dev/null"},
                ),
            ),
        ):
            pass
    assert "takes no more logins just now" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (paramiko.SSHException("Server connection dropped: "), "Server connection dropped."),
        (paramiko.SSHException(""), "the connection was lost."),
        (OSError("Socket is closed"), "Socket is closed."),
    ],
)
def test_words_that_end_in_the_middle(error: Exception, said: str) -> None:
    told = str(sftp.told(error, "'sftp' (host:22)", "a.csv"))
    assert told == f"a.csv, connection 'sftp' (host:22): {said}"
