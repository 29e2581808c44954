"""The course over a DB-API driver, on a real wire: every value of a real PostgreSQL server's.

The source is a small one of the tests' own (`tests/servers/postgres_dbapi.py`), so what is tried is
`resources/dbapi_tables.py`: types, windows, reconciliation, and what a cut connection leaves.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake_assets import publish
from lake_assets.rules import Inspector
from lake_assets.spec.columns import ColumnSpec
from lake_assets.spec.rules import Checks, Gates
from resources.dbapi_tables import FETCH_BYTES, FETCH_ROWS
from resources.errors import PermanentError, TransientError
from resources.folder_store import FolderStore
from resources.partition import Partition
from resources.source import Column, Span, Table, Totals, Window
from resources.types import parse_type
from tests.resources.reading import JULY, JULY_IDS, build_windows, rows_of, table
from tests.resources.test_postgres import EXACT, REFUSED, WINDOWS
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.postgres_dbapi import PostgresDbapi
from tests.servers.sales_table import START, TYPES, assert_equal_rows, build_sales, sales_table
from tests.servers.sales_table import server_rows as rows_of_server

pytestmark = pytest.mark.server

DATABASE = "dbapi"


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.create_database(DATABASE)
    postgres_server.execute(
        "CREATE TYPE mood AS ENUM ('맑음', '흐림');"
        "CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0)",
        DATABASE,
    )
    return postgres_server


def address(server: PostgresServer) -> dict[str, Any]:
    return {"host": server.host, "port": server.port, "user": server.user, "dbname": DATABASE}


@pytest.fixture(scope="module")
def source(server: PostgresServer) -> Iterator[PostgresDbapi]:
    with PostgresDbapi(address(server)) as opened:
        assert isinstance(opened, PostgresDbapi)
        yield opened


@pytest.mark.parametrize(
    ("type_", "declared", "texts", "values"), EXACT, ids=[f"{a}-{b}" for a, b, *_ in EXACT]
)
def test_values_arrive_unchanged(
    server: PostgresServer,
    source: PostgresDbapi,
    type_: str,
    declared: str,
    texts: list[str],
    values: list[Any],
) -> None:
    with contextlib.closing(server.connect(DATABASE)) as direct:
        cursor = direct.cursor()
        cursor.execute(f"DROP TABLE IF EXISTS v; CREATE TABLE v (id serial, v {type_})")
        for text in [*texts, None]:
            cursor.execute(f"INSERT INTO v (v) VALUES (%s::{type_})", [text])
    what = table({"id": "int32", "v": declared}, "v", order_by=("id",))
    found = rows_of(source, what)
    assert found.schema.field("v").type == parse_type(declared).arrow()
    assert found["v"].to_pylist() == [*values, None]
    assert source.peek(what, 1)["v"].to_pylist() in ([value] for value in values)


#: Said before any row is read, or of the first value that does not fit.
REFUSALS = [(*case[:3], case[3].removeprefix("1 values of 'v' (bigint) ")) for case in REFUSED]


@pytest.mark.parametrize(("type_", "declared", "text", "said"), REFUSALS)
def test_values_that_would_change_are_refused_with_their_key(
    server: PostgresServer, source: PostgresDbapi, type_: str, declared: str, text: str, said: str
) -> None:
    server.execute(
        f"DROP TABLE IF EXISTS v; CREATE TABLE v AS SELECT g AS id, NULL::{type_} AS v FROM "
        f"generate_series(1, 40000) g; UPDATE v SET v = '{text}' WHERE id = 31234",
        DATABASE,
    )
    what = table({"id": "int32", "v": declared}, "v", order_by=("id",))
    with pytest.raises(PermanentError) as told:
        rows_of(source, what)
    expected = said.replace("(for example id 7)", "(at id 31234)").split(" unchanged")
    assert expected[0] in str(told.value)
    if len(expected) > 1:
        assert f"v of 'postgres' (127.0.0.1:{server.port})" in str(told.value)
        assert "unchanged (at id 31234). Declare a wider type" in str(told.value)
    assert text not in str(told.value) or len(text) < 6


def test_no_personal_value_is_told(server: PostgresServer, source: PostgresDbapi) -> None:
    server.execute(
        "DROP TABLE IF EXISTS v; CREATE TABLE v AS SELECT 'kim' AS name, 900101 AS no, 300 AS v",
        DATABASE,
    )
    of = {"name": "string", "no": "int32", "v": "int8"}
    columns = tuple(
        Column(name, name, parse_type(type_), personal=name == "name") for name, type_ in of.items()
    )
    with pytest.raises(PermanentError, match=r"int8 unchanged \(at no 900101\)"):
        rows_of(source, Table(columns, table="v"))
    with pytest.raises(PermanentError, match=r"int8 unchanged\. Declare"):
        rows_of(source, Table(columns, table="v", order_by=("name",)))


# -- windows --


@pytest.mark.parametrize(("type_", "declared", "kind", "texts"), WINDOWS)
def test_windows_take_their_days_and_no_other(
    server: PostgresServer,
    source: PostgresDbapi,
    type_: str,
    declared: str,
    kind: Any,
    texts: list[str],
) -> None:
    build_windows(server, DATABASE, type_, texts)
    what = table({"id": "int32", "day": declared}, "w", window=Window("day", kind), sums=("id",))
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "daily")
    with source.read(what, july) as reading:
        assert reading.totals == JULY
        assert (reading.route, reading.reconciled) == ("psycopg2 rows", "same snapshot")
        assert [v for b in reading.batches for v in b["id"].to_pylist()] == JULY_IDS
    with source.read(what, Span(july.start, july.end, "monthly")) as reading:
        assert reading.totals == {"2025-07": Totals(2, {"id": 17})}
    server.execute("INSERT INTO w VALUES (0, NULL)", DATABASE)
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'day', so"):
        rows_of(source, what, july)
    assert rows_of(source, what).num_rows == 5


def test_hours(server: PostgresServer, source: PostgresDbapi) -> None:
    server.execute(
        "DROP TABLE IF EXISTS w; CREATE TABLE w AS SELECT g AS id, timestamp '2025-07-01 08:30' + "
        "g * interval '20 minutes' AS at FROM generate_series(1, 6) g",
        DATABASE,
    )
    what = table({"id": "int32", "at": "timestamp"}, "w", window=Window("at", "timestamp"))
    with source.read(
        what, Span(datetime(2025, 7, 1, 9), datetime(2025, 7, 1, 11), "hourly")
    ) as read:
        assert {key: part.rows for key, part in (read.totals or {}).items()} == {
            "2025-07-01-09": 3,
            "2025-07-01-10": 2,
        }
        assert [v for b in read.batches for v in b["id"].to_pylist()] == [2, 3, 4, 5, 6]


def test_a_day_that_is_none_is_refused(server: PostgresServer, source: PostgresDbapi) -> None:
    server.execute("DROP TABLE IF EXISTS w; CREATE TABLE w AS SELECT 20250732 AS day", DATABASE)
    what = table({"day": "int32"}, "w", window=Window("day", "yyyymmdd"))
    with pytest.raises(PermanentError, match="window column has 20250732, which is no day"):
        rows_of(source, what, Span(date(2025, 1, 1), date(2026, 1, 1), "monthly"))


def test_a_filter_a_name_and_what_is_not_there(
    server: PostgresServer, source: PostgresDbapi
) -> None:
    server.execute(
        'CREATE TABLE "/BIC/a""b" AS SELECT g AS "아이디", \'p\' || g % 2 AS plant '
        "FROM generate_series(1, 6) g",
        DATABASE,
    )
    columns = (
        Column("id", "아이디", parse_type("int32")),
        Column("plant", "plant", parse_type("string")),
    )
    what = Table(columns, table='/BIC/a"b', filter="id > :low", params={"low": 2})
    assert rows_of(source, what)["id"].to_pylist() == [3, 4, 5, 6]
    named = Table(columns, table='/BIC/a"b', equal={"plant": "p1"})
    assert rows_of(source, named)["id"].to_pylist() == [1, 3, 5]
    with pytest.raises(PermanentError, match="no such table, or the user may not see it; did you"):
        source.describe(table({"id": "int32"}, "c", schema="publik"))
    with pytest.raises(PermanentError, match="no column 'plan'; did you mean 'plant'"):
        rows_of(source, Table((Column("p", "plan", parse_type("string")),), table='/BIC/a"b'))


# -- the big table --

ROWS = 1_000_000


@pytest.fixture(scope="module")
def sales(server: PostgresServer) -> date:
    return build_sales(server, DATABASE, rows=ROWS, days=31)


def test_a_million_rows_arrive_value_by_value(
    server: PostgresServer, source: PostgresDbapi, sales: date
) -> None:
    with source.read(sales_table(), Span(START, sales, "daily")) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        totals = reading.totals
    days = found["sale_date"].to_numpy()
    assert (days[1:] >= days[:-1]).all()
    assert_equal_rows(found, rows_of_server(server, DATABASE, TYPES))
    with contextlib.closing(server.connect(DATABASE)) as direct:
        cursor = direct.cursor()
        cursor.execute(
            "SELECT sale_date::text, count(*), sum(amount), sum(qty) FROM sales GROUP BY 1"
        )
        assert totals == {
            key: Totals(rows, {"amount": amount, "qty": qty})
            for key, rows, amount, qty in cursor.fetchall()
        }


_PEAK = """
import sys
from datetime import date, timedelta
from resources.source import Span
from tests.servers.postgres_dbapi import PostgresDbapi
from tests.servers.sales_table import START, sales_table
port, days = int(sys.argv[1]), int(sys.argv[2])
where = {"host": "127.0.0.1", "port": port, "user": "postgres", "dbname": "dbapi"}
with PostgresDbapi(where) as source:
    with source.read(sales_table(), Span(START, START + timedelta(days), "daily")) as reading:
        rows = sum(batch.num_rows for batch in reading.batches)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, int(peak.split()[1]) // 1024, "pandas" in sys.modules)
"""


def test_memory_does_not_grow_with_the_rows_and_pandas_is_not_there(
    server: PostgresServer, sales: date
) -> None:
    def run(days: int) -> tuple[int, int]:
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, str(server.port), str(days)],
            capture_output=True,
            text=True,
            check=True,
        )
        rows, megabytes, pandas = done.stdout.split()
        assert pandas == "False"
        return int(rows), int(megabytes)

    (few, small), (many, large) = run(3), run(31)
    assert many == ROWS > 9 * few
    assert large - small < 40, (small, large)  # 0 to 2; the rows are over 100


def test_very_long_texts_are_fetched_by_the_room_there_is(
    server: PostgresServer, source: PostgresDbapi
) -> None:
    server.execute(
        "DROP TABLE IF EXISTS v; CREATE TABLE v AS SELECT g AS id, "
        "('\"' || repeat('가', CASE g WHEN 7 THEN 10000000 ELSE 100000 END) || '\"')::json AS v "
        "FROM generate_series(1, 700) g",
        DATABASE,
    )
    what = table({"id": "int32", "v": "string"}, "v", order_by=("id",))
    with source.read(what) as reading:
        sizes = [(b.num_rows, b.nbytes, max(map(len, b["v"].to_pylist()))) for b in reading.batches]
    assert sum(rows for rows, *_ in sizes) == 700
    assert sizes[0][2] == 10_000_002
    assert all(size <= FETCH_BYTES for _, size, _ in sizes[1:])
    assert max(rows for rows, *_ in sizes) <= 256 < FETCH_ROWS


# -- one snapshot, or before and after --


class Raced(PostgresDbapi):
    """Somebody writes between the count and the rows."""

    writes = ""

    def _totals(self, *args: Any) -> dict[str, Totals]:
        totals = super()._totals(*args)
        if self.writes:
            with contextlib.closing(PostgresDbapi(self._address)._open()) as other:
                other.cursor().execute(self.writes)
                other.commit()
            self.writes = ""
        return totals


LIVE = table(
    {"id": "int64", "day": "date", "ratio": "float64"},
    "live",
    window=Window("day", "date"),
    order_by=("id",),
    sums=("id", "ratio"),
)
DAYS = Span(date(2025, 7, 1), date(2025, 7, 4), "daily")


def live(server: PostgresServer, snapshot: bool, writes: str) -> Raced:
    server.execute(
        "DROP TABLE IF EXISTS live; CREATE TABLE live AS SELECT g::bigint AS id, "
        "date '2025-07-01' + g % 3 AS day, g / 7.0::float8 AS ratio FROM "
        "generate_series(1, 60000) g",
        DATABASE,
    )
    raced = Raced(address(server), snapshot=snapshot)
    raced.writes = writes
    return raced


def test_totals_and_rows_are_of_one_snapshot(server: PostgresServer) -> None:
    with (
        live(server, True, "DELETE FROM live WHERE id % 2 = 0") as raced,
        raced.read(LIVE, DAYS) as reading,
    ):
        rows = pa.Table.from_batches(reading.batches, reading.schema)
        assert sorted(rows["id"].to_pylist()) == list(range(1, 60001))
        assert sum(part.rows for part in (reading.totals or {}).values()) == 60000


@pytest.mark.parametrize(
    "writes",
    [
        "DELETE FROM live WHERE id = 5",
        "UPDATE live SET id = id + 60000 WHERE id = 5",
        "UPDATE live SET ratio = 1 WHERE id = 5",
        "INSERT INTO live VALUES (1, '2025-07-03', 1)",
    ],
)
def test_without_a_snapshot_what_changes_meanwhile_is_noticed(
    server: PostgresServer, writes: str
) -> None:
    with live(server, False, writes) as raced, raced.read(LIVE, DAYS) as reading:
        assert reading.reconciled == "before and after"
        said = r"changed while being read \(2025-07-03\): its count or sums before and after differ"
        with pytest.raises(TransientError, match=said):
            for _ in reading.batches:
                pass


def test_without_a_snapshot_what_stays_is_read(server: PostgresServer) -> None:
    outside = "INSERT INTO live VALUES (1, '2025-08-03', 1)"
    with live(server, False, outside) as raced, raced.read(LIVE, DAYS) as reading:
        assert sum(batch.num_rows for batch in reading.batches) == 60000


# -- the end of it --


def running(server: PostgresServer) -> int:
    with contextlib.closing(server.connect()) as direct:
        cursor = direct.cursor()
        cursor.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}' AND "
            "state <> 'idle' AND query NOT LIKE '%pg_stat_activity%' "
            "AND backend_type = 'client backend'"  # vacuums come when they like
        )
        return int((cursor.fetchone() or [0])[0])


ENDLESS = Table(
    (Column("id", "id", parse_type("int64")),),
    query="SELECT generate_series(1::bigint, 1000000000) AS id",
)


class Uncounted(PostgresDbapi):
    """A query of 10^9 rows, not counted first."""

    def _totals(self, *args: Any) -> dict[str, Totals]:
        return {}

    def _columns(self, cursor: Any, table: Table) -> Any:
        shorter = Table(table.columns, query="SELECT 1::bigint AS id")
        return super()._columns(cursor, shorter)


@pytest.mark.parametrize("failing", [False, True])
def test_leaving_early_ends_the_query_on_the_server(server: PostgresServer, failing: bool) -> None:
    with Uncounted(address(server)) as source:
        begun = time.monotonic()
        with contextlib.suppress(ZeroDivisionError), source.read(ENDLESS) as reading:
            assert next(reading.batches).num_rows == FETCH_ROWS
            if failing:
                raise ZeroDivisionError
        assert time.monotonic() - begun < 60
        assert running(server) == 0
        # The connection is as good as new.
        assert source.peek(ENDLESS, 3)["id"].to_pylist() == [1, 2, 3]


def test_a_connection_cut_in_mid_stream_is_transient(server: PostgresServer) -> None:
    with Uncounted(address(server)) as source, source.read(ENDLESS) as reading:
        next(reading.batches)
        cut(server)
        with pytest.raises(TransientError, match="connection 'postgres'"):
            for _ in reading.batches:
                pass


def cut(server: PostgresServer) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        f"'{DATABASE}' AND state LIKE 'idle in%' AND pid <> pg_backend_pid()"
    )


class Interrupted(PostgresDbapi):
    """Something happens to the server after so many batches, once."""

    def __init__(self, address: dict[str, Any], after: int, happens: Callable[[], None]) -> None:
        super().__init__(address)
        self._left, self._happens = after, happens

    def _fitted(self, *args: Any) -> pa.RecordBatch:
        self._left -= 1
        if self._left == 0:
            self._happens()
        return super()._fitted(*args)


@pytest.mark.parametrize("how", ["connection cut", "server restarted"])
def test_what_was_cut_is_read_again_and_no_more(tmp_path: Path, how: str) -> None:
    """Three days are asked for; in the second the connection breaks."""
    what = table(
        {"id": "int64", "day": "date"}, "days", window=Window("day", "date"), order_by=("id",),
        sums=("id",),
    )  # fmt: skip
    columns = {"id": ColumnSpec(type="int64"), "day": ColumnSpec(type="date")}
    store, keys = FolderStore(tmp_path, "modern"), ["2025-07-01", "2025-07-02", "2025-07-03"]
    with running_postgres() as server:
        server.create_database(DATABASE)
        server.execute(
            "CREATE TABLE days AS SELECT g::bigint AS id, date '2025-07-01' + g / 50000 AS day "
            "FROM generate_series(0, 149999) g",
            DATABASE,
        )

        def landed(source: PostgresDbapi, missing: list[str]) -> list[str]:
            span = Span(date.fromisoformat(missing[0]), date(2025, 7, 4), "daily")
            done = []
            with source, source.read(what, span) as reading:
                slices = publish.by_column(reading.batches, "day", "daily")
                inspector = Inspector(Gates(), Checks(), columns, ("id",))
                parts = [Partition("raw", "days", "daily", key) for key in missing]
                with contextlib.suppress(TransientError):
                    for outcome in publish.land(
                        store, parts, reading.schema, slices, inspector, reading.totals,
                        lambda key: None,
                    ):  # fmt: skip
                        assert outcome.published
                        done.append(outcome.key)
            return done

        happens = server.restart if how == "server restarted" else lambda: cut(server)
        done = landed(Interrupted(address(server), 5, happens), keys)
        assert done == keys[:1]
        assert [one.key for one in store.partitions("raw", "days")] == done
        again = landed(PostgresDbapi(address(server)), [key for key in keys if key not in done])
    assert again == keys[1:]
    found = [store.read([Partition("raw", "days", "daily", key)]) for key in keys]
    assert [v for one in found for v in one["id"].to_pylist()] == list(range(150_000))


def test_a_server_that_is_not_there_is_transient_and_a_table_that_went_is_not(
    server: PostgresServer,
) -> None:
    with pytest.raises(TransientError, match="connecting, connection 'postgres'"):
        PostgresDbapi({**address(server), "port": 1}).__enter__()
    server.execute("CREATE TABLE gone AS SELECT 1 AS id", DATABASE)

    class Dropped(PostgresDbapi):
        def _totals(self, *args: Any) -> dict[str, Totals]:
            server.execute("DROP TABLE gone", DATABASE)
            return super()._totals(*args)

    with (
        pytest.raises(PermanentError, match=r"gone, connection 'postgres'.*SQLSTATE 42P01"),
        Dropped(address(server), snapshot=False) as source,
    ):
        rows_of(source, table({"id": "int32"}, "gone"))
