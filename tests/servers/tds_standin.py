"""A stand-in for SQL Server on the wire (TDS 7.2 to 7.4), for its drivers. It is not SQL Server.

Here: prelogin, login, batches of statements, their rows and errors, attention, and connections that
are cut in mid-stream. Statements are put into DuckDB's words and run there, so it shows what a
driver makes of the wire, and that statements are well formed as far as sqlglot reads T-SQL; not
that a real server would take them. Not here: encryption, parameters (RPC), cursors of the server.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import select
import socket
import socketserver
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from multiprocessing.connection import Connection as PipeConnection
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

_PACKET = 4096
_BATCH, _ATTENTION, _LOGIN, _PRELOGIN = 0x01, 0x06, 0x10, 0x12
_COLLATION = b"\x12\x04\xd0\x00\x00"  # Korean_Wansung_CI_AS

_IN_DUCKDB = {
    "tinyint": "UTINYINT",
    "bit": "BOOLEAN",
    "money": "DECIMAL(19,4)",
    "float": "DOUBLE",
    "real": "FLOAT",
    "datetime": "TIMESTAMP",
    "datetime2": "TIMESTAMP_NS",
    "datetimeoffset": "TIMESTAMPTZ",
    "uniqueidentifier": "VARCHAR",
    **dict.fromkeys(("char", "nchar", "varchar", "nvarchar", "xml"), "VARCHAR"),
    "varbinary": "BLOB",
}
_FROM_DUCKDB = {"INTEGER": "int", "BIGINT": "bigint", "VARCHAR": "nvarchar(max)", "DATE": "date"}

_CATALOG = """
CREATE SCHEMA dbo; CREATE SCHEMA sys;
CREATE TABLE sys.databases (name VARCHAR, snapshot_isolation_state INTEGER);
CREATE TABLE sys.schemas (name VARCHAR, schema_id INTEGER);
INSERT INTO sys.schemas VALUES ('dbo', 1);
CREATE TABLE sys.objects (name VARCHAR, object_id UBIGINT, schema_id INTEGER, type VARCHAR);
CREATE TABLE sys.types (name VARCHAR, user_type_id INTEGER);
CREATE TABLE sys.columns (object_id UBIGINT, column_id INTEGER, name VARCHAR, max_length INTEGER,
  precision INTEGER, scale INTEGER, is_nullable BOOLEAN, system_type_id INTEGER,
  user_type_id INTEGER);
CREATE MACRO DB_NAME() AS 'shop';
CREATE MACRO TYPE_NAME(i) AS 'alias';
CREATE MACRO OBJECT_ID(n) AS hash(CASE WHEN contains(n, '].[') THEN n ELSE '[dbo].' || n END);
CREATE MACRO SWITCHOFFSET(t, o) AS
  timezone(CASE WHEN o = '+00:00' THEN 'UTC' ELSE 'Asia/Seoul' END, t);
"""


class TdsStandIn:
    """Where it listens, who may log in, and what shall go wrong there.

    It is a process of its own: Microsoft's driver waits for the server without letting other
    threads of Python run.
    """

    user = "reader"
    password = "비밀'\"1"

    def __init__(self, port: int, pipe: PipeConnection) -> None:
        self.port, self._pipe = port, pipe

    def table(self, name: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """A table `dbo.name` of columns in T-SQL's words; ` NOT NULL` at the end of one counts."""
        self._ask("table", name, columns, list(rows))

    def execute(self, statement: str) -> None:
        """A statement of DuckDB's, as if somebody else had sent it."""
        self._ask("execute", statement)

    def snapshots(self, allowed: bool) -> None:
        self._ask("snapshots", allowed)

    def cut(self, after: int) -> None:
        """The next connection to get so many rows of one statement is cut then."""
        self._ask("cut", after)

    def fail(self, begins: str, number: int, message: str) -> None:
        """The next statement that begins so has that error."""
        self._ask("fail", begins, number, message)

    def before(self, begins: str, statement: str) -> None:
        """Somebody executes a statement of DuckDB's before the next one that begins so."""
        self._ask("before", begins, statement)

    def statements(self) -> list[str]:
        """All that it was sent since this was asked last."""
        return list(self._ask("sent"))

    def interrupted(self) -> int:
        """How often a client did not want the rest of its rows."""
        return int(self._ask("interruptions"))

    def _ask(self, method: str, *arguments: Any) -> Any:
        self._pipe.send((method, arguments))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def running_tds() -> Iterator[TdsStandIn]:
    """A stand-in on a free port, with an empty database."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield TdsStandIn(int(ours.recv()), ours)
    finally:
        ours.close()  # it ends with that
        process.join(10)


def _serve(pipe: PipeConnection) -> None:
    class Handler(_Session):
        state = _State()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        pipe.send(server.server_address[1])
        with contextlib.suppress(EOFError, OSError):
            while True:
                method, arguments = pipe.recv()
                try:
                    pipe.send(getattr(Handler.state, method)(*arguments))
                except duckdb.Error as error:
                    pipe.send(RuntimeError(str(error)))
        server.shutdown()


class _State:
    """What all connections share."""

    def __init__(self) -> None:
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute(_CATALOG)
        self.user, self.password = TdsStandIn.user, TdsStandIn.password
        self.cut_after: int | None = None
        self.fails: dict[str, tuple[int, str]] = {}
        self.others: dict[str, str] = {}
        self.seen: list[str] = []
        self.interrupted = 0
        self.snapshots(False)

    def execute(self, statement: str) -> None:
        self.db.execute(statement)

    def cut(self, after: int) -> None:
        self.cut_after = after

    def fail(self, begins: str, number: int, message: str) -> None:
        self.fails[begins] = (number, message)

    def before(self, begins: str, statement: str) -> None:
        self.others[begins] = statement

    def sent(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen

    def interruptions(self) -> int:
        return self.interrupted

    def table(self, name: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """A table `dbo.name` of columns in T-SQL's words; ` NOT NULL` at the end of one counts."""
        made = []
        self.db.execute(f'DROP TABLE IF EXISTS dbo."{name}"')
        known = "[" + name.replace("]", "]]") + "]"
        identity = self.db.execute("SELECT OBJECT_ID(?)", [known]).fetchall()[0][0]
        for kept in ("columns", "objects"):
            self.db.execute(f"DELETE FROM sys.{kept} WHERE object_id = {identity}")
        self.db.execute("INSERT INTO sys.objects VALUES (?, ?, 1, 'U')", [name, identity])
        for place, (column, type_) in enumerate(columns.items()):
            shown = type_.removesuffix(" NOT NULL")
            base, _, size = shown.rstrip(")").partition("(")
            precision, _, scale = size.partition(",")
            length = -1 if size == "max" else int(precision or 0) * (1 + base.startswith("n"))
            fraction = int(scale or (precision if base.startswith("datetime") else 0) or 0)
            found = self.db.execute(
                "INSERT INTO sys.types SELECT ?, count(*) FROM sys.types RETURNING user_type_id",
                [base],
            ).fetchall()[0][0]
            self.db.execute(
                "INSERT INTO sys.columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [identity, place, column, length, int(precision) if precision.isdigit() else 0,
                 fraction, shown == type_, found, found],
            )  # fmt: skip
            made.append(f'"{column}" {_IN_DUCKDB.get(base, shown)}')
        self.db.execute(f'CREATE TABLE dbo."{name}" ({", ".join(made)})')
        for row in rows:
            self.db.execute(
                f'INSERT INTO dbo."{name}" VALUES ({", ".join("?" * len(row))})', list(row)
            )

    def snapshots(self, allowed: bool) -> None:
        self.db.execute("DELETE FROM sys.databases")
        self.db.execute("INSERT INTO sys.databases VALUES ('shop', ?)", [int(allowed)])


class _SqlError(Exception):
    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class _Cut(Exception):
    """The connection is to end here."""


class _Session(socketserver.BaseRequestHandler):
    """One connection."""

    state: _State

    def handle(self) -> None:
        self.db = self.state.db.cursor()
        self.db.execute("SET TimeZone = 'UTC'; SET schema = 'dbo'")
        self.snapshot = False
        with contextlib.suppress(EOFError, OSError, _Cut):
            while True:
                kind, data = self._message()
                if kind == _PRELOGIN:
                    self._send(_prelogin())
                elif kind == _LOGIN:
                    if not self._login(data):
                        return
                elif kind == _BATCH:
                    headers = struct.unpack("<I", data[:4])[0]
                    self._batch(data[headers:].decode("utf-16le"))
                elif kind == _ATTENTION:
                    self._send(_done(status=0x20))
                else:
                    told = _error(50000, f"the stand-in knows no message of type {kind}", 16)
                    self._send(told + _done(status=2))

    def _login(self, data: bytes) -> bool:
        def text(place: int) -> bytes:
            start, length = struct.unpack("<HH", data[36 + 4 * place : 40 + 4 * place])
            return data[start : start + 2 * length]

        user = text(1).decode("utf-16le")
        hidden = (one ^ 0xA5 for one in text(2))
        password = bytes((one >> 4) | (one << 4 & 0xF0) for one in hidden).decode("utf-16le")
        database = text(8).decode("utf-16le")
        if (user, password) != (self.state.user, self.state.password):
            told = _error(18456, f"Login failed for user '{user}'.", 14)
            self._send(told + _done(status=2))
            return False
        if database not in ("shop", ""):
            told = _error(
                4060,
                f'Cannot open database "{database}" requested by the login. The login failed.',
                11,
            )
            self._send(told + _done(status=2))
            return False
        version = min(struct.unpack("<I", data[4:8])[0], 0x74000004)
        name = "Microsoft SQL Server"
        ack = b"\x01" + struct.pack(">I", version) + _b_text(name) + b"\x0f\x00\x10\x00"
        collation = b"\x07\x05" + _COLLATION + b"\x00"
        self._send(
            _changed(1, "shop", "master")
            + b"\xe3" + struct.pack("<H", len(collation)) + collation
            + _changed(2, "us_english", "")
            + _changed(4, str(_PACKET), str(_PACKET))
            + b"\xad" + struct.pack("<H", len(ack)) + ack
            + _done()
        )  # fmt: skip
        return True

    def _batch(self, text: str) -> None:
        self.state.seen.append(text.strip())
        for begins in [one for one in self.state.others if text.strip().startswith(one)]:
            self.state.db.execute(self.state.others.pop(begins))
        try:
            for begins in [one for one in self.state.fails if text.strip().startswith(one)]:
                raise _SqlError(*self.state.fails.pop(begins))
            plain = text.strip().upper()
            if plain.startswith("SET TRANSACTION ISOLATION"):
                self.snapshot = plain.endswith("SNAPSHOT")
            if plain.startswith("BEGIN TRAN") and self.snapshot:
                self.db.execute("BEGIN")
            if plain.startswith("IF @@TRANCOUNT") and self.snapshot:
                with contextlib.suppress(duckdb.Error):
                    self.db.execute("ROLLBACK")
            if not plain.startswith("SELECT"):
                self._send(_done())
                return
            self._rows(text)
        except _SqlError as error:
            self._send(_error(error.number, str(error), 16) + _done(status=2))

    def _rows(self, text: str) -> None:
        names, types, rows = self._run(text)
        out = bytearray(_metadata(names, types))
        sent = 0
        for row in rows:
            out += b"\xd1" + b"".join(map(_value, row, types))
            sent += 1
            if self.state.cut_after is not None and sent >= self.state.cut_after:
                self.state.cut_after = None
                self._send(bytes(out), last=False)
                reset = struct.pack("ii", 1, 0)
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                raise _Cut
            if len(out) > 64 << 10:
                self._send(bytes(out), last=False)
                out = bytearray()
                if select.select([self.request], [], [], 0)[0]:
                    kind, _ = self._message()
                    assert kind == _ATTENTION
                    self.state.interrupted += 1
                    self._send(_done(status=0x20))
                    return
        self._send(bytes(out) + _done(sent))

    def _run(self, text: str) -> tuple[list[str], list[str], Iterator[Sequence[Any]]]:
        asked = re.search(r"dm_exec_describe_first_result_set\((N?'(?:[^']|'')*')", text)
        if asked:
            query = asked[1].removeprefix("N")[1:-1].replace("''", "'")
            names = ["name", "system_type_name", "is_nullable", "error_message"]
            return names, ["VARCHAR", "VARCHAR", "BOOLEAN", "VARCHAR"], self._described(query)
        try:
            self.db.execute(_in_duckdb(text))
        except duckdb.Error as error:
            raise _as_servers(error) from None
        described = self.db.description or []
        types = [str(one[1]) for one in described]
        large = [bool(re.search(r"nvarchar\(max\)", text))] * len(types)
        shown = [
            f"{type_}(max)" if type_ == "VARCHAR" and wide else type_
            for type_, wide in zip(types, large, strict=True)
        ]
        return [one[0] for one in described], shown, self._fetched()

    def _fetched(self) -> Iterator[Sequence[Any]]:
        while rows := self.db.fetchmany(1000):
            yield from rows

    def _described(self, query: str) -> Iterator[Sequence[Any]]:
        try:
            rows = self.db.execute(f"DESCRIBE {_in_duckdb(query)}").fetchall()
        except duckdb.Error as error:
            yield None, None, None, str(_as_servers(error))
            return
        for name, type_, *_ in rows:
            shown = _FROM_DUCKDB.get(type_, type_.lower())
            yield name, shown, True, None

    def _message(self) -> tuple[int, bytes]:
        data = b""
        while True:
            kind, status, length = struct.unpack(">BBH", self._exactly(8)[:4])
            data += self._exactly(length - 8)
            if status & 1:
                return kind, data

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.request.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _send(self, data: bytes, last: bool = True) -> None:
        room = _PACKET - 8
        parts = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
        for place, part in enumerate(parts):
            end = last and place == len(parts) - 1
            head = struct.pack(">BBHHBB", 4, int(end), len(part) + 8, 0, place + 1 & 255, 0)
            self.request.sendall(head + part)


# -- T-SQL in DuckDB's words --


def _in_duckdb(text: str) -> str:
    def rewritten(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.National):
            return exp.Literal.string(node.name)
        if isinstance(node, exp.Collate):
            return node.this.transform(rewritten)
        if isinstance(node, exp.Ordered):
            node.set("nulls_first", None)
        if isinstance(node, exp.Cast) and node.to.is_type("text", "varchar", "nvarchar", "char"):
            size = node.to.expressions[0].name if node.to.expressions else "max"
            plain = exp.cast(node.this.transform(rewritten), "TEXT", dialect="duckdb")
            most = exp.Literal.number(size) if size.isdigit() else None
            return exp.func("LEFT", plain, most) if most else plain
        moments = ("DATETIME", "DATETIME2", "TIMESTAMP", "SMALLDATETIME")
        if isinstance(node, exp.Cast) and node.to.this.name in moments:
            return exp.cast(node.this.transform(rewritten), "TIMESTAMP_NS", dialect="duckdb")
        return node

    text = re.sub(
        r"CONVERT\(varchar\((\d+)\), ((?:[^()]|\((?:[^()]|\([^()]*\))*\))+?)(?:, (120|121))?\)",
        r"CAST(\2 AS varchar(\1))",
        text,
    )
    tree = sqlglot.parse_one(text, read="tsql")
    return str(tree.transform(rewritten).sql("duckdb"))


def _as_servers(error: duckdb.Error) -> _SqlError:
    text = str(error)
    missing = re.search(r'Table with name "?([^"\s]+)"? does not exist', text)
    if missing:
        return _SqlError(208, f"Invalid object name '{missing[1]}'.")
    column = re.search(r'column "?([^"\s]+)"? not found|does not have a column named "(.+?)"', text)
    if column:
        return _SqlError(207, f"Invalid column name '{column[1] or column[2]}'.")
    value = re.search(r"Could not convert string '(.*)' to (\w+)", text)
    if value:
        said = f"Conversion failed when converting the varchar value '{value[1]}' to data type int."
        return _SqlError(245, said)
    return _SqlError(102, "Incorrect syntax near 'it'. " + text.split("\n")[0])


# -- tokens --


def _text(value: str) -> bytes:
    return struct.pack("<H", len(value)) + value.encode("utf-16le")


def _b_text(value: str) -> bytes:
    return struct.pack("B", len(value)) + value.encode("utf-16le")


def _prelogin() -> bytes:
    """Version 16, no encryption, no instance, no thread, no MARS."""
    options = [(0, b"\x10\x00\x03\xe8\x00\x00"), (1, b"\x02"), (2, b"\x00"), (3, b""), (4, b"\x00")]
    at, head, values = 5 * len(options) + 1, b"", b""
    for key, value in options:
        head += struct.pack(">BHH", key, at + len(values), len(value))
        values += value
    return head + b"\xff" + values


def _changed(kind: int, new: str, old: str) -> bytes:
    body = bytes([kind]) + _b_text(new) + _b_text(old)
    return b"\xe3" + struct.pack("<H", len(body)) + body


def _error(number: int, message: str, severity: int) -> bytes:
    body = struct.pack("<iBB", number, 1, severity) + _text(message)
    body += _b_text("stand-in") + _b_text("") + struct.pack("<I", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _done(rows: int | None = None, status: int = 0) -> bytes:
    counted = 0x10 if rows is not None else 0
    return b"\xfd" + struct.pack("<HHQ", status | counted, 0xC1, rows or 0)


def _metadata(names: Sequence[str], types: Sequence[str]) -> bytes:
    out = b"\x81" + struct.pack("<H", len(names))
    for name, type_ in zip(names, types, strict=True):
        out += struct.pack("<IH", 0, 9) + _type(type_) + _b_text(name)
    return out


def _type(type_: str) -> bytes:
    decimal = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type_)
    if decimal:
        return bytes([0x6C, 17, int(decimal[1]), int(decimal[2])])
    if type_.startswith("TIMESTAMP"):
        return b"\x2a\x07"
    return {
        "BOOLEAN": b"\x68\x01",
        "DOUBLE": b"\x6d\x08",
        "FLOAT": b"\x6d\x04",
        "DATE": b"\x28",
        "BLOB": b"\xa5" + struct.pack("<H", 8000),
        "VARCHAR": b"\xe7" + struct.pack("<H", 8000) + _COLLATION,
        "VARCHAR(max)": b"\xe7\xff\xff" + _COLLATION,
    }.get(type_, b"\x26\x08")


def _value(value: Any, type_: str) -> bytes:
    if type_ == "VARCHAR(max)":
        if value is None:
            return b"\xff" * 8
        data = str(value).encode("utf-16le")
        chunk = struct.pack("<I", len(data)) + data if data else b""
        return struct.pack("<Q", len(data)) + chunk + b"\x00" * 4
    if type_ in ("VARCHAR", "BLOB"):
        if value is None:
            return b"\xff\xff"
        data = bytes(value) if type_ == "BLOB" else str(value).encode("utf-16le")
        return struct.pack("<H", len(data)) + data
    if value is None:
        return b"\x00"
    data = _fixed(value, type_)
    return bytes([len(data)]) + data


def _fixed(value: Any, type_: str) -> bytes:
    if isinstance(value, Decimal):
        digits = int("".join(map(str, value.as_tuple().digits)))  # in no context, which would round
        return bytes([value >= 0]) + digits.to_bytes(16, "little")
    if isinstance(value, datetime):
        ticks = (value - datetime.combine(value.date(), datetime.min.time())) // _TICK
        return (ticks * 10).to_bytes(5, "little") + _fixed(value.date(), "DATE")
    if isinstance(value, date):
        return (value.toordinal() - 1).to_bytes(3, "little")
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, float):
        return struct.pack("<f" if type_ == "FLOAT" else "<d", value)
    return struct.pack("<q", int(value))


_TICK = datetime.resolution
