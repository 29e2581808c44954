"""The course of `resources/deliver_dbapi.py` on a real wire: PostgreSQL through psycopg2.

Neither SQL Server nor HANA is here: of them, statements and what their columns hold are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from resources.deliver import Receipt
from resources.deliver_dbapi import DbapiDelivery, HanaDelivery, SqlServerDelivery
from resources.deliver_values import Room, holds
from resources.errors import LakeError, PermanentError, TransientError
from resources.hana import lake_type as of_hana
from resources.source import SourceColumn
from resources.sqlserver import lake_type as of_sqlserver
from resources.types import parse_type
from tests.deliver import databases
from tests.deliver.databases import Database
from tests.deliver.test_tables import (
    DAY,
    EMPTY,
    FULL,
    NULLS,
    OTHER,
    ROWS,
    THERE,
    delivery,
    found,
    sorted_,
)
from tests.servers.postgres import PostgresServer
from tests.servers.postgres_dbapi import PostgresDbapi


class PostgresRows(DbapiDelivery):
    mark = "%s"

    def _lock(self, cursor: Any) -> None:
        cursor.execute(f"LOCK TABLE {self.table} IN EXCLUSIVE MODE")

    def _room(self, found: SourceColumn) -> Room:
        return Room(found.name, found.shown, found.type, found.nullable, zero=False)

    def _told(self, error: Exception, what: str) -> LakeError:
        return TransientError(f"{what}: {getattr(error, 'pgcode', None)}. Nothing was written.")


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    with databases.postgres(postgres_server) as opened:
        yield opened


def deliver(database: Database, one: Any) -> Receipt:
    c = database.connection
    address = {"host": c.host, "port": c.port, "user": "postgres", "dbname": c.database}
    return PostgresRows("x", PostgresDbapi(address), one).run()


@pytest.mark.server
def test_values_one_by_one_and_again(database: Database) -> None:
    database.make("t", THERE)
    other = {**FULL, "dt": OTHER}
    deliver(database, delivery([other], day=OTHER))
    for _ in range(2):
        assert deliver(database, delivery(ROWS)).rows == 4
        assert found(database) == sorted_([*ROWS, other])


@pytest.mark.server
def test_upsert(database: Database) -> None:
    database.make("t%s", [*THERE, ("note %s", "text")], "PRIMARY KEY (id)")
    for _ in range(2):
        deliver(database, delivery([FULL, EMPTY], "upsert", ["id"], "t%s"))
    database.execute('UPDATE "t%s" SET "note %s" = \'theirs\'')
    deliver(database, delivery([{**EMPTY, "name": "x"}, NULLS], "upsert", ["id"], "t%s"))
    assert found(database, "t%s") == sorted_([FULL, {**EMPTY, "name": "x"}, NULLS])
    assert database.rows('SELECT count(*) FROM "t%s" WHERE "note %s" = \'theirs\'') == [(2,)]
    again = {**EMPTY, "name": "y"}
    for rows in ([again, EMPTY], [again, FULL, NULLS, EMPTY]):  # together, and far apart
        with pytest.raises(PermanentError, match=r"1 keys \(id\) have more than one row"):
            deliver(database, delivery(rows, "upsert", ["id"], "t%s"))
    assert found(database, "t%s") == sorted_([FULL, {**EMPTY, "name": "x"}, NULLS])


@pytest.mark.server
def test_what_fails_is_undone(database: Database) -> None:
    database.make("t", THERE, "CHECK (small < 0)")
    deliver(database, delivery([FULL]))
    with pytest.raises(TransientError, match="23514"):
        deliver(database, delivery([EMPTY, {**FULL, "small": 5}]))
    assert found(database) == [FULL]

    def broken() -> Iterator[Any]:
        yield from list(delivery([EMPTY]).batches)
        raise psycopg2.OperationalError("lost")

    with pytest.raises(TransientError, match="Nothing was written"):
        deliver(database, replace(delivery([EMPTY]), batches=broken()))
    assert found(database) == [FULL]
    database.execute(
        "CREATE OR REPLACE FUNCTION drop_it() RETURNS trigger AS "
        "'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
        "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_it()",
    )
    with pytest.raises(PermanentError, match="0 rows are there of 1 delivered"):
        deliver(database, delivery([{**FULL, "id": 1, "dt": DAY}]))
    assert found(database) == [FULL]


#: System, its word for a column's type, the lake's, whether it fits.
HELD = [
    ("sqlserver", "nvarchar(10)", "string", True),
    ("sqlserver", "varchar(max)", "string", True),
    ("sqlserver", "xml", "string", False),
    ("sqlserver", "datetime", "timestamp", False),
    ("sqlserver", "datetime2(3)", "timestamp", False),
    ("sqlserver", "datetime2(7)", "timestamp", True),
    ("sqlserver", "datetimeoffset(7)", "timestamptz", True),
    ("sqlserver", "bit", "boolean", True),
    ("sqlserver", "tinyint", "int8", False),
    ("sqlserver", "money", "decimal(19,4)", False),
    ("sqlserver", "money", "decimal(18,4)", True),
    ("hana", "NVARCHAR(10)", "string", True),
    ("hana", "NCLOB", "string", True),
    ("hana", "ALPHANUM(10)", "string", False),
    ("hana", "SECONDDATE", "timestamp", False),
    ("hana", "TIMESTAMP", "timestamp", True),
    ("hana", "TINYINT", "int8", False),
    ("hana", "DECIMAL(38,2)", "decimal(38,2)", True),
]


@pytest.mark.parametrize(("system", "shown", "kind", "fits"), HELD)
def test_what_columns_hold(system: str, shown: str, kind: str, fits: bool) -> None:
    room = _room(system, shown)
    assert holds(room, parse_type(kind)) is fits


def _room(system: str, shown: str, page: int = 949) -> Room:
    of = SqlServerDelivery if system == "sqlserver" else HanaDelivery
    type_ = (of_sqlserver if system == "sqlserver" else of_hana)(shown)
    return of._room(
        SimpleNamespace(_pages={"c": page}),  # type: ignore[arg-type]
        SourceColumn("c", type_, shown, True),
    )


def test_texts_of_a_code_page_count_bytes() -> None:
    """SQL Server would write `?` for what the code page lacks, without a word."""
    found = _room("sqlserver", "varchar(10)")
    assert (found.codec, found.length_bytes, found.length) == ("cp949", 10, None)
    assert _room("sqlserver", "varchar(10)", 65001).codec is None
    wide = _room("sqlserver", "nvarchar(10)")
    assert (wide.codec, wide.length_bytes, wide.length, wide.wide) == (None, None, 10, True)
    assert _room("hana", "VARCHAR(10)").codec == "ascii"
