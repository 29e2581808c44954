"""What a real PostgreSQL holds arrives through its JDBC driver, value by value, or is refused.

The cases are those of the direct way (`test_postgres.py`). Not here: H2 and what goes wrong with
drivers (`test_jdbc.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from resources.errors import PermanentError, TransientError
from resources.jdbc import JdbcTables, connect
from resources.settings import Connection
from resources.source import Span, Totals, Window
from resources.types import parse_type
from tests.conftest import absent
from tests.resources.reading import JULY, JULY_IDS, build_windows, rows_of, table
from tests.resources.test_postgres import EXACT, PASSWORD, REFUSED, WINDOWS
from tests.servers.postgres import PostgresServer
from tests.servers.sales_table import (
    START,
    TYPES,
    assert_equal_rows,
    build_sales,
    sales_table,
    server_rows,
)

pytestmark = pytest.mark.server

POSTGRES_JAR = Path("/usr/share/java/postgresql.jar")
PG = "jdbc"


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    if not POSTGRES_JAR.exists():
        absent("PostgreSQL's JDBC driver", "apt-get install libpostgresql-jdbc-java")
    postgres_server.create_database(PG)
    postgres_server.execute(
        "CREATE TYPE mood AS ENUM ('맑음', '흐림');"
        "CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0)",
        PG,
    )
    return postgres_server


def by_jdbc(server: PostgresServer, **other: Any) -> Connection:
    address = {"host": server.host, "port": server.port, "database": PG, "user": server.user}
    url = f"jdbc:postgresql://{server.host}:{server.port}/{PG}"
    options = {"driver": "org.postgresql.Driver", "jar": str(POSTGRES_JAR), "url": url}
    return Connection(kind="tibero", **{**address, **other}, options=options)


@pytest.fixture
def elephant(postgres: PostgresServer) -> Iterator[JdbcTables]:
    with connect("pg", by_jdbc(postgres)) as opened:
        yield opened


def test_postgres_values_arrive_unchanged(postgres: PostgresServer, elephant: JdbcTables) -> None:
    with contextlib.closing(postgres.connect(PG)) as direct:
        cursor = direct.cursor()
        columns = ", ".join(f"v{n} {kind}" for n, (kind, *_) in enumerate(EXACT))
        cursor.execute(f"CREATE TABLE exact (id int, {columns})")
        rows = max(len(texts) for _, _, texts, _ in EXACT) + 1
        for row in range(rows):
            given = [(*texts, *[None] * rows)[row] for _, _, texts, _ in EXACT]
            places = ", ".join(f"%s::{kind}" for kind, *_ in EXACT)
            cursor.execute(f"INSERT INTO exact VALUES ({row}, {places})", given)
    types = {"id": "int32"} | {f"v{n}": declared for n, (_, declared, *_) in enumerate(EXACT)}
    found = rows_of(elephant, table(types, "exact", order_by=("id",)))
    for n, (kind, declared, _, values) in enumerate(EXACT):
        assert found[f"v{n}"].type == parse_type(declared).arrow(), kind
        assert found[f"v{n}"].to_pylist() == [*values, *[None] * (rows - len(values))], kind


@pytest.mark.parametrize(("type_", "declared", "text", "said"), REFUSED)
def test_postgres_values_that_would_change_are_refused(
    postgres: PostgresServer, elephant: JdbcTables, type_: str, declared: str, text: str, said: str
) -> None:
    postgres.execute(
        f"DROP TABLE IF EXISTS v; CREATE TABLE v AS SELECT 7 AS id, '{text}'::{type_} AS v", PG
    )
    with pytest.raises(PermanentError) as found:
        rows_of(elephant, table({"id": "int32", "v": declared}, "v", order_by=("id",)))
    assert "cannot become" in str(found.value)


@pytest.mark.parametrize(("type_", "declared", "kind", "texts"), WINDOWS)
def test_postgres_windows_take_their_days_and_no_other(
    postgres: PostgresServer,
    elephant: JdbcTables,
    type_: str,
    declared: str,
    kind: Any,
    texts: list[str],
) -> None:
    build_windows(postgres, PG, type_, texts)
    what = table({"id": "int32", "day": declared}, "w", window=Window("day", kind), sums=("id",))
    with elephant.read(what, Span(date(2025, 7, 1), date(2025, 8, 1), "daily")) as reading:
        assert reading.totals == JULY
        assert [v for b in reading.batches for v in b["id"].to_pylist()] == JULY_IDS


def test_postgres_a_hundred_thousand_rows_value_by_value(
    postgres: PostgresServer, elephant: JdbcTables
) -> None:
    end = build_sales(postgres, PG, rows=100_000, days=31)
    with elephant.read(sales_table(), Span(START, end, "daily")) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        totals = reading.totals
    assert_equal_rows(found, server_rows(postgres, PG, TYPES))
    with contextlib.closing(postgres.connect(PG)) as direct:
        cursor = direct.cursor()
        cursor.execute(
            "SELECT sale_date::text, count(*), sum(amount), sum(qty) FROM sales GROUP BY 1"
        )
        assert totals == {
            key: Totals(rows, {"amount": amount, "qty": qty})
            for key, rows, amount, qty in cursor.fetchall()
        }


def test_postgres_ends_the_connection_in_mid_stream(
    postgres: PostgresServer, elephant: JdbcTables
) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS big; CREATE TABLE big AS SELECT g AS id, repeat('가', 300) AS t "
        "FROM generate_series(1, 100000) g",
        PG,
    )
    with elephant.read(table({"id": "int32", "t": "string"}, "big")) as reading:
        next(reading.batches)
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{PG}' AND pid <> pg_backend_pid()",
            PG,
        )
        with pytest.raises(TransientError, match="lost while reading; try again"):
            list(reading.batches)


def test_postgres_rights_and_absent_tables(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JDBC_WORD", PASSWORD)
    postgres.create_role("jdbc_reader", PASSWORD)
    postgres.execute("CREATE TABLE mine AS SELECT 1 AS id", PG)
    where = by_jdbc(postgres, user="jdbc_reader", password="env:JDBC_WORD")
    with connect("pg", where) as opened:
        with pytest.raises(PermanentError, match=r"permission denied for table mine.*GRANT SELECT"):
            rows_of(opened, table({"id": "int32"}, "mine"))
        with pytest.raises(PermanentError, match=r"no such table, .*; did you mean 'public.mine'"):
            rows_of(opened, table({"id": "int32"}, "mien", schema="public"))
    monkeypatch.setenv("JDBC_WORD", "falsch")
    with pytest.raises(PermanentError, match=r"password authentication failed.*check the connect"):
        connect("pg", where).__enter__()
