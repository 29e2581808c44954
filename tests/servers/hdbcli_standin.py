"""A stand-in for the module `hdbcli.dbapi`: DB-API as SAP documents it, over DuckDB. It is no HANA.

Here: connect, cursors, errors with code and text, HANA's catalog as far as a reading asks for it,
and what shall go wrong. It shows that the calls, the order of statements and what becomes of rows
are as meant; not that a HANA would take the statements. Not here: the wire (`hdbcli` itself is
tried against a socket in the test).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import duckdb

_CODES = {"INTEGER": 3, "BIGINT": 4, "DOUBLE": 7, "VARCHAR": 11, "DATE": 14, "TIMESTAMP": 16}
_IN_DUCKDB = {
    "NVARCHAR": "VARCHAR",
    "NCHAR": "VARCHAR",
    "NCLOB": "VARCHAR",
    "SECONDDATE": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP_NS",
    "VARBINARY": "BLOB",
    "TINYINT": "UTINYINT",
}
_SCHEMA = """
CREATE SCHEMA SYS; CREATE SCHEMA "SAPBW";
CREATE TABLE SYS.TABLE_COLUMNS (SCHEMA_NAME VARCHAR, TABLE_NAME VARCHAR, COLUMN_NAME VARCHAR,
  DATA_TYPE_NAME VARCHAR, LENGTH INTEGER, SCALE INTEGER, IS_NULLABLE VARCHAR, POSITION INTEGER);
CREATE TABLE SYS.VIEW_COLUMNS AS SELECT * RENAME (TABLE_NAME AS VIEW_NAME) FROM SYS.TABLE_COLUMNS;
CREATE TABLE SYS.TABLES (SCHEMA_NAME VARCHAR, TABLE_NAME VARCHAR);
CREATE TABLE SYS.VIEWS (SCHEMA_NAME VARCHAR, VIEW_NAME VARCHAR);
CREATE MACRO TO_NVARCHAR(x) AS CAST(x AS VARCHAR), (x, f) AS
  CASE WHEN f LIKE '%FF7' THEN left(strftime(CAST(x AS TIMESTAMP_NS), '%Y-%m-%d %H:%M:%S.%n'), 27)
    ELSE strftime(x, replace(replace(replace(replace(replace(replace(f, 'YYYY', '%Y'), 'MM', '%m'),
      'DD', '%d'), 'HH24', '%H'), 'MI', '%M'), 'SS', '%S')) END;
"""


class Error(Exception):
    """As hdbcli's: a code and a text."""

    def __init__(self, errorcode: int, errortext: str) -> None:
        super().__init__(errorcode, errortext)
        self.errorcode, self.errortext = errorcode, errortext


class HdbcliStandIn:
    """Stands where the module `hdbcli.dbapi` stands."""

    Error = Error

    def __init__(self) -> None:
        self.db = duckdb.connect()
        self.db.execute(_SCHEMA)
        #: The keywords of every `connect`.
        self.asked: list[dict[str, Any]] = []
        self.statements: list[str] = []
        #: Beginning of a statement → the error it shall have, once.
        self.fails: dict[str, Error] = {}
        #: Fetches after which the connection is lost.
        self.lost_after: int | None = None
        #: What somebody else executes before the statement that begins so, once.
        self.before: dict[str, str] = {}

    def connect(self, **words: Any) -> Any:
        self.asked.append(words)
        if words["password"] != "비밀'1":
            raise Error(10, "authentication failed")
        return _Connection(self)

    def table(self, name: str, columns: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """A table of the schema SAPBW, of columns in HANA's words; ` NOT NULL` counts."""
        quoted = name.replace('"', '""')
        self.db.execute(f'DROP TABLE IF EXISTS "SAPBW"."{quoted}"')
        self.db.execute("DELETE FROM SYS.TABLE_COLUMNS WHERE TABLE_NAME = ?", [name])
        self.db.execute("INSERT INTO SYS.TABLES VALUES ('SAPBW', ?)", [name])
        made = []
        for place, (column, type_) in enumerate(columns.items()):
            shown = type_.removesuffix(" NOT NULL")
            base, _, size = shown.rstrip(")").partition("(")
            length, _, scale = size.partition(",")
            bound = base == "DECIMAL" and not size
            self.db.execute(
                "INSERT INTO SYS.TABLE_COLUMNS VALUES ('SAPBW', ?, ?, ?, ?, ?, ?, ?)",
                [name, column, base, int(length or 34 * bound), int(scale) if scale else None,
                 "TRUE" if shown == type_ else "FALSE", place],
            )  # fmt: skip
            kept = "VARCHAR" if bound else _IN_DUCKDB.get(base, shown)
            made.append(f'"{column}" {kept}')
        self.db.execute(f'CREATE TABLE "SAPBW"."{quoted}" ({", ".join(made)})')
        for row in rows:
            marks = ", ".join("?" * len(row))
            self.db.execute(f'INSERT INTO "SAPBW"."{quoted}" VALUES ({marks})', list(row))


class _Connection:
    def __init__(self, module: HdbcliStandIn) -> None:
        self.module, self.db = module, module.db.cursor()
        self.db.execute("""SET schema = 'SAPBW'""")

    def cursor(self) -> _Cursor:
        return _Cursor(self)

    def rollback(self) -> None:
        self.module.statements.append("(rollback)")
        if self.module.lost_after == 0:
            raise Error(-10807, "Connection down: [89006] System call 'recv' failed")
        self.db.execute("ROLLBACK")

    def close(self) -> None:
        self.module.statements.append("(close)")


class _Cursor:
    def __init__(self, connection: _Connection) -> None:
        self.module, self.db = connection.module, connection.db
        self.fetchsize: int | None = None

    def setfetchsize(self, rows: int) -> None:
        self.fetchsize = rows

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        text = statement.strip()
        self.module.statements.append(text)
        for begins in [one for one in self.module.before if text.startswith(one)]:
            self.module.db.execute(self.module.before.pop(begins))
        for begins in [one for one in self.module.fails if text.startswith(one)]:
            raise self.module.fails.pop(begins)
        if text.startswith("SET TRANSACTION"):
            self.db.execute("BEGIN")
            return
        in_duckdb = text.replace("CURRENT_SCHEMA", "current_schema()")
        try:
            self.db.execute(in_duckdb, list(values))
        except duckdb.CatalogException as error:
            name = re.search(r"Table with name (.+?) does not exist", str(error))
            said = f"Could not find table/view {name and name[1]} in schema SAPBW"
            raise Error(259, f"invalid table name:  {said}: line 2 col 6 (at pos 21)") from None
        except duckdb.Error as error:
            raise Error(257, f"sql syntax error: {error}") from None

    @property
    def description(self) -> list[tuple[Any, ...]]:
        found = []
        for name, type_, *_ in self.db.description or []:
            decimal = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", str(type_))
            size = (int(decimal[1]), int(decimal[2])) if decimal else (5000, 0)
            code = 5 if decimal else _CODES[str(type_)]
            found.append((name, code, None, size[0], size[0], size[1], True))
        return found

    def fetchone(self) -> Any:
        return self.db.fetchone()

    def fetchall(self) -> list[Any]:
        return self.db.fetchall()

    def fetchmany(self, rows: int) -> list[Any]:
        if self.module.lost_after is not None:
            if self.module.lost_after == 0:
                raise Error(-10807, "Connection down: [89006] System call 'recv' failed, rc=104")
            self.module.lost_after -= 1
        assert self.fetchsize is not None
        assert self.fetchsize >= 10_000
        return self.db.fetchmany(rows)

    def close(self) -> None:
        pass


def of(module: HdbcliStandIn) -> Any:
    """As the module that `resources.hana` imports."""
    return SimpleNamespace(connect=module.connect, Error=Error)
