"""A partition read by splits from real servers is the one that is read without."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from resources.errors import PermanentError, TransientError
from resources.postgres import connect
from resources.settings import Connection
from resources.source import Column, Table
from resources.types import parse_type
from tests.servers.h2 import WORD, H2Server
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer
from tests.splits.lake import Lake, left, made, rows, witness

pytestmark = pytest.mark.server


@dataclass(frozen=True)
class Server:
    """A real server under one name: how it is reached and told, how a session of it is ended."""

    name: str
    connection: dict[str, Any]
    execute: Callable[..., Any]
    types: dict[str, str]
    sleep: str
    sessions: str
    kill: str

    def end(self, statement: str) -> None:
        """End the session that runs a statement like this one, as soon as one does."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for (session,) in self.execute(self.sessions.format(statement)):
                self.execute(self.kill.format(session))
                return
            time.sleep(0.01)

    def table(self, name: str, kind: str, values: Sequence[str]) -> None:
        """Rows (key, its number, twice it as a decimal), keys in words of SQL."""
        self.execute(f"DROP TABLE IF EXISTS {name}")
        of = self.types.get(kind, kind)
        self.execute(f"CREATE TABLE {name} (k {of}, n bigint NOT NULL, d decimal(18,2))")
        listed = [f"({value}, {n}, {n * 2}.25)" for n, value in enumerate(values)]
        for start in range(0, len(listed), 5000):
            self.execute(f"INSERT INTO {name} VALUES " + ", ".join(listed[start : start + 5000]))


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "postgres":
        found: PostgresServer = request.getfixturevalue("postgres_server")
        database = found.create_database("splits")
        address = {"kind": "postgres", "host": found.host, "port": found.port, "user": found.user}

        def execute(text: str) -> Sequence[Any]:
            with contextlib.closing(found.connect(database)) as connected:
                cursor = connected.cursor()
                cursor.execute(text)
                return cursor.fetchall() if cursor.description else []

        execute(
            "CREATE FUNCTION nap(k bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN "
            "IF k >= 1000 AND k < 1300 THEN PERFORM pg_sleep(0.02); END IF; RETURN 0; END'"
        )
        yield Server(
            "postgres",
            {**address, "database": database},
            execute,
            {"decimal(38,0)": "numeric(38,0)", "datetime": "timestamp", "text": "text"},
            "nap(k)",
            "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '{}' "
            "AND pid <> pg_backend_pid()",
            "SELECT pg_terminate_backend({})",
        )
        return
    mariadb: MariaDBServer = request.getfixturevalue("mariadb_server")
    mariadb.execute("CREATE DATABASE IF NOT EXISTS splits")
    address = {"kind": "mariadb", "host": mariadb.host, "port": mariadb.port, "user": "root"}
    yield Server(
        "mariadb",
        {**address, "database": "splits"},
        lambda text: mariadb.execute(text, database="splits"),
        {"datetime": "datetime(6)", "text": "varchar(40) COLLATE utf8mb4_bin"},
        "if(k >= 1000 AND k < 1300, sleep(0.02), 0)",
        "SELECT id FROM information_schema.processlist WHERE info LIKE '{}' "
        "AND id <> connection_id()",
        "KILL {}",
    )


@pytest.fixture
def h2(h2_server: H2Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A driver of JDBC, in the words of Oracle: what has rows and cursors is split as well."""
    monkeypatch.setenv("TIBERO_WORD", WORD)
    h2_server.execute("lake", "CREATE SCHEMA IF NOT EXISTS SALES")
    address = h2_server.connection("lake").model_dump(exclude_none=True, exclude={"limits"})
    return Server(
        "tibero",
        {**address, "password": "env:TIBERO_WORD"},
        lambda text: h2_server.execute("lake", text),
        {"bigint": "NUMBER(19)", "decimal(38,0)": "NUMBER(38)", "datetime": "TIMESTAMP(6)"},
        *("", "", ""),
    )


LAKE = {"datetime": "timestamp", "text": "string", "bigint": "int64"}


def source(server: Server, table: str, kind: str = "bigint", **other: Any) -> dict[str, Any]:
    columns = {"k": LAKE.get(kind, kind), "n": "int64", "d": "decimal(18,2)"}
    plain = {"connection": server.name, "table": table, "columns": columns}
    return {**plain, "order_by": ["k", "n"], "sums": ["n", "d"], **other}


def in_order(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as a set has them."""
    return sorted(table.to_pylist(), key=lambda row: int(row["n"]))


BIG = 2**53
CASES: dict[str, tuple[str, list[str], dict[str, Any], list[int]]] = {
    "even": ("bigint", [str(n) for n in range(100)], {"count": 4}, [25, 25, 25, 25, 0]),
    "NULLs": ("bigint", ["NULL", "1", "NULL", "2", "3"], {"count": 3}, [1, 1, 1, 2]),
    "NULL alone": ("bigint", ["NULL", "NULL"], {"count": 3}, [0, 2]),
    "empty": ("bigint", [], {"count": 8}, [0, 0]),
    "one row": ("bigint", ["7"], {"count": 8}, [1, 0]),
    "all equal": ("bigint", ["7"] * 9, {"count": 8}, [9, 0]),
    "negative": ("bigint", ["-9", "-1", "0", "5", "-9"], {"count": 2}, [2, 3, 0]),
    "skewed": ("bigint", ["0", "1", "2", "3", "1000"], {"count": 2}, [4, 1, 0]),
    "above 2^53": (
        "bigint",
        [str(BIG + n) for n in (0, 1, 2, 3)] + [str(2**63 - 1)],
        {"bounds": [BIG + 1, BIG + 2, BIG + 3]},
        [1, 1, 1, 2, 0],
    ),
    "from end to end": ("bigint", [str(-(2**63)), "0", str(2**63 - 1)], {"count": 2}, [1, 2, 0]),
    "38 digits": (
        "decimal(38,0)",
        ["9" * 38, "-" + "9" * 38, "9" * 37 + "8"],
        {"count": 3},
        [1, 0, 2, 0],
    ),
    "cents": ("decimal(18,2)", ["0.01", "0.02", "0.03", "-0.01"], {"count": 5}, [1, 0, 1, 1, 1, 0]),
    "days": (
        "date",
        ["'2025-07-01'", "'2025-07-31'", "'2025-07-16'", "NULL", "'0001-01-01'"],
        {"bounds": ["2025-07-16", "2025-07-31"]},
        [2, 1, 1, 1],
    ),
    "microseconds": (
        "datetime",
        [f"'2025-07-01 00:00:00.00000{n}'" for n in range(4)],
        {"count": 2},
        [2, 2, 0],
    ),
    "text": (
        "text",
        ["'가''나\"'", "''", "NULL", "'a'", "'A'", "'하'", "'\u00e9'"],
        {"bounds": ["a", "가'나\""]},
        [2, 2, 2, 1],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_split_or_not_it_is_the_same(server: Server, case: str, tmp_path: Path) -> None:
    kind, values, splits, wanted = CASES[case]
    server.table("t", kind, values)
    lake = Lake(tmp_path, {server.name: server.connection})
    plain = lake.work("plain", **source(server, "t", kind))
    work = lake.work("split", **source(server, "t", kind, splits={"column": "k", **splits}))
    (_, whole), (route, parts) = made(plain), made(work)
    assert in_order(rows(parts)) == in_order(rows(whole))
    assert parts.rows == len(values)
    if server.name == "postgres" or "NULL" not in values:  # MariaDB's NULLs are first
        assert rows(parts) == rows(whole)
        assert parts.published.sha256 == whole.published.sha256  # type: ignore[union-attr]
    told = [line.split(" | ") for line in str(parts.more["splits"]).splitlines()[2:]]
    assert [int(line[1]) for line in told if len(line) > 2] == wanted
    same = "same snapshot" if server.name == "postgres" else "before and after"
    assert route.endswith(f"{len(wanted)} splits by k, {same}")
    assert left(work) == []


@pytest.mark.parametrize("case", [name for name in CASES if name != "text"])
def test_of_a_driver_with_rows_and_cursors(h2: Server, case: str, tmp_path: Path) -> None:
    kind, values, splits, wanted = CASES[case]
    h2.table("t", kind, values)
    lake = Lake(tmp_path, {h2.name: h2.connection})
    asked = source(h2, "T", kind)
    types: dict[str, str] = asked["columns"]
    named = {name: {"type": of, "source": name.upper()} for name, of in types.items()}
    plain = lake.work("plain", **{**asked, "columns": named})
    split = {**asked, "columns": named, "splits": {"column": "k", **splits}}
    (_, whole), (route, parts) = made(plain), made(lake.work("split", **split))
    assert in_order(rows(parts)) == in_order(rows(whole))
    assert f"{len(wanted)} splits by k" in route


@pytest.mark.parametrize("name", ["키", "K k", "k;--", "k'\"x", ":k", "k`"])
def test_names_and_texts_of_any_kind(server: Server, name: str, tmp_path: Path) -> None:
    """What is asked of a partition at once is read as a free query, so its texts are seen twice."""
    mark = "`" if server.name == "mariadb" else '"'
    quoted = mark + name.replace(mark, mark * 2) + mark
    server.execute("DROP TABLE IF EXISTS t")
    server.execute(f"CREATE TABLE t ({quoted} bigint, w varchar(40))")
    server.execute("INSERT INTO t VALUES (1, 'a'), (2, ':k'), (3, '가''나'), (NULL, 'b')")
    lake = Lake(tmp_path, {server.name: server.connection})
    asked = {
        "connection": server.name,
        "table": "t",
        "columns": {"k": {"type": "int64", "source": name}, "w": "string"},
        "filter": "w NOT IN (':k', 'x\\y', '--', 'it''s', '{fn}', 'a $ % :start ;')",
        "splits": {"column": "k", "count": 2},
        "sums": ["k"],
    }
    _, outcome = made(lake.work("split", **asked))
    assert sorted(rows(outcome).column("w").to_pylist()) == ["a", "b", "가'나"]


def test_each_split_is_a_statement_of_its_own(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.table("t", "bigint", [str(n) for n in range(40)])
    seen = witness(monkeypatch)
    lake = Lake(tmp_path, {server.name: {**server.connection, "limits": {"connections": 2}}})
    work = lake.work("split", **source(server, "t", splits={"column": "k", "count": 4}))
    _, outcome = made(work)
    assert outcome.rows == 40
    assert len(seen) == 5
    assert sum("IS NULL" in one for one in seen) == 1
    assert "2 connections" in str(outcome.more["splits"])


@pytest.mark.parametrize(("limits", "most"), [({}, 4), ({"connections": 2}, 2)])
def test_so_many_statements_at_a_time(
    postgres_server: PostgresServer, limits: dict[str, int], most: int, tmp_path: Path
) -> None:
    """As the server sees it; its own parallel workers are no sessions."""
    database = postgres_server.create_database("splits_many")
    postgres_server.execute(
        "CREATE TABLE t AS SELECT g AS k, md5(g::text) AS v FROM generate_series(1::bigint, 3e5) g",
        database,
    )
    address = {"host": postgres_server.host, "port": postgres_server.port, "database": database}
    connection = {"kind": "postgres", "user": postgres_server.user, **address, "limits": limits}
    columns = {"k": "int64", "v": "string"}
    asked = {"connection": "postgres", "table": "t", "columns": columns, "order_by": ["k"]}
    splits = {"column": "k", "count": 12}
    work = Lake(tmp_path, {"postgres": connection}).work("split", **asked, splits=splits)
    seen, over = [0], threading.Event()

    def look() -> None:
        with contextlib.closing(postgres_server.connect(database)) as connected:
            cursor = connected.cursor()
            while not over.wait(0.005):
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lake' "
                    "AND backend_type = 'client backend' AND state = 'active'"
                )
                seen.append(cursor.fetchall()[0][0])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        _, outcome = made(work)
    finally:
        over.set()
        looking.join()
    assert outcome.rows == 300_000
    assert f"{most} connections" in str(outcome.more["splits"])
    assert 2 <= max(seen) <= most


def test_a_connection_that_is_cut_loses_its_split_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session that reads the second split, which takes 6 s there."""
    server.table("t", "bigint", [str(n) for n in range(4000)])
    server.execute("DROP VIEW IF EXISTS slow")
    server.execute(f"CREATE VIEW slow AS SELECT k, n + {server.sleep} AS n, d FROM t")
    lake = Lake(tmp_path, {server.name: server.connection})
    plain = lake.work("plain", **source(server, "t", sums=["d"]))  # only rows are slow
    splits = {"column": "k", "count": 4}
    work = lake.work("split", **source(server, "slow", sums=["d"], splits=splits))
    _, whole = made(plain)
    killer = threading.Thread(target=server.end, args=("%>= 1000%< 2000%ORDER BY%",))
    with monkeypatch.context() as patch:
        first = witness(patch)
        killer.start()
        with pytest.raises(TransientError, match="connection was lost"):
            made(work)
    killer.join()
    there = {name for name in left(work) if name.endswith(".json")} - {"plan.json"}
    assert {"0.json"} <= there
    assert "1.json" not in there
    server.execute("CREATE OR REPLACE VIEW slow AS SELECT k, n, d FROM t")
    again = witness(monkeypatch)
    route, outcome = made(work)
    assert len(again) == 5 - len(there)
    # The one that was cut is asked for twice at most, no other is.
    assert len({*first, *again}) == 5
    assert len([one for one in again if one in first]) <= 1
    assert outcome.published.sha256 == whole.published.sha256  # type: ignore[union-attr]
    assert "an earlier attempt" in route
    assert left(work) == []


LOST = {
    "postgres": "FATAL:  terminating connection due to administrator command",
    "mariadb": "Lost connection to server during query",
}


def test_a_state_whose_holder_is_gone_may_be_had_again(postgres_server: PostgresServer) -> None:
    """Who is about to read by it is told to try again, not that somebody has to mend something."""
    database = postgres_server.create_database("splits_state")
    postgres_server.execute("CREATE TABLE t AS SELECT 1::bigint AS k", database)
    address = {"host": postgres_server.host, "port": postgres_server.port, "database": database}
    there = Connection(kind="postgres", user=postgres_server.user, **address)
    table = Table((Column("k", "k", parse_type("int64")),), table="t")
    with connect("postgres", there) as holder, connect("postgres", there) as other:
        with holder.shared(table) as state:
            assert state is not None
            read = replace(table, state=state)
            postgres_server.execute("INSERT INTO t VALUES (2)", database)
            assert other.survey(read, None, "k", ends=True).totals.rows == 1
            assert other.survey(table, None, "k", ends=True).high == 2
        with pytest.raises(TransientError, match="held the state which others read was lost"):
            other.survey(read, None, "k", ends=True)


def test_what_comes_outside_of_the_ends_is_not_lost(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows below the first and above the last key that come between the survey and the reading."""
    server.table("t", "bigint", [str(n) for n in range(100)])
    lake = Lake(tmp_path, {server.name: server.connection})
    work = lake.work("split", **source(server, "t", splits={"column": "k", "count": 4}))
    from resources.staged import Staging

    fix = Staging.fix

    def late(self: Staging, *args: Any, **options: Any) -> None:
        fix(self, *args, **options)
        server.execute("INSERT INTO t VALUES (-5, 1000, 1), (500, 1001, 1)")

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "fix", late)
        if server.name == "postgres":  # its snapshot is from before
            _, outcome = made(work)
            assert outcome.rows == 100
        else:
            with pytest.raises(TransientError, match="changed while its splits were read"):
                made(work)
            assert left(work) == []
    _, outcome = made(work)
    assert outcome.rows == 102
    assert {-5, 500} <= set(rows(outcome).column("k").to_pylist())


def test_what_an_earlier_attempt_read_must_still_add_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.table("t", "bigint", [str(n) for n in range(100)])
    lake = Lake(tmp_path, {server.name: {**server.connection, "limits": {"connections": 1}}})
    work = lake.work("split", **source(server, "t", splits={"column": "k", "count": 4}))

    def cut(reader: Any, cursor: Any, statement: str) -> None:
        if ">= 75" in statement:
            raise reader._told(Exception(LOST[server.name]), "t")

    with monkeypatch.context() as patch:
        witness(patch, cut)
        with pytest.raises(TransientError):
            made(work)
    kept = ["0.json", "1.json", "2.json"]
    assert [name for name in left(work) if name.endswith(".json")] == [*kept, "plan.json"]
    server.execute("DELETE FROM t WHERE k = 3")  # of a split that is read already
    with pytest.raises(TransientError, match="All its splits are thrown away"):
        made(work)
    assert left(work) == []
    _, outcome = made(work)
    assert outcome.rows == 99


def test_another_question_begins_anew(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.table("t", "bigint", [str(n) for n in range(100)])
    lake = Lake(tmp_path, {server.name: {**server.connection, "limits": {"connections": 1}}})
    asked = source(server, "t", splits={"column": "k", "count": 4})
    work = lake.work("split", **asked)

    def cut(reader: Any, cursor: Any, statement: str) -> None:
        if ">= 75" in statement:
            raise reader._told(Exception(LOST[server.name]), "t")

    with monkeypatch.context() as patch:
        witness(patch, cut)
        with pytest.raises(TransientError):
            made(work)
    again = witness(monkeypatch)
    _, outcome = made(lake.work("split", **{**asked, "filter": "n < 1000"}))
    assert outcome.rows == 100
    assert len(again) == 5


def test_text_bounds_out_of_the_order_of_the_database(server: Server, tmp_path: Path) -> None:
    """Code points ascend (B, a), the database's own order may not: nothing is read twice."""
    server.types["text"] = 'text COLLATE "en-x-icu"' if server.name == "postgres" else "varchar(40)"
    server.table("t", "text", ["'a'", "'A'", "'aa'", "'b'", "'B'", "'c'"])
    lake = Lake(tmp_path, {server.name: server.connection})
    splits = {"column": "k", "bounds": ["B", "a"]}
    work = lake.work("split", **source(server, "t", "text", splits=splits))
    error = PermanentError if server.name == "postgres" else TransientError
    with pytest.raises(error, match="must ascend in the order of the database"):
        made(work)


def test_null_in_the_window_is_refused_by_splits_too(server: Server, tmp_path: Path) -> None:
    server.execute("DROP TABLE IF EXISTS w")
    server.execute("CREATE TABLE w (day date, k bigint, n bigint)")
    server.execute("INSERT INTO w VALUES ('2025-07-01', 1, 1), (NULL, 2, 2), ('2025-07-02', 3, 3)")
    lake = Lake(tmp_path, {server.name: server.connection})
    asked = {
        "connection": server.name,
        "table": "w",
        "partitions": {"monthly": {"start": "2025-01-01"}},
        "window": {"column": "day"},
        "columns": {"day": "date", "k": "int64", "n": "int64"},
        "splits": {"column": "k", "count": 2},
        "order_by": ["k"],
        "sums": ["n"],
    }
    work = lake.work("split", **asked)
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'day'"):
        made(work, "2025-07")
    assert left(work) == []
    _, outcome = made(lake.work("split", **{**asked, "filter": "day IS NOT NULL"}), "2025-07")
    assert rows(outcome).column("k").to_pylist() == [1, 3]
