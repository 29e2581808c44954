"""Tibero, or another database of Oracle's kin, as a source: by its JDBC driver, out of its jar.

Here: connecting, JDBC's types, the few words in which such systems differ, errors by their codes.
Not here: Java itself and its Arrow batches (`jvm.py`), the course of a reading (`dbapi_tables.py`).

Rows come as Arrow by Arrow's own JDBC adapter; where that is not installed, or `options: {route:
rows}` says so, as JayDeBeApi's rows, and the metadata names it. Both ask the driver for the same:
numbers and moments as text, which is exact (JDBC's Timestamp counts days before 1582 by another
calendar, and Arrow's adapter cuts it to milliseconds) and no slower than Java's decimals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources import jdbc_cursor, jdbc_errors, jvm, sql
from resources.dbapi_tables import BEFORE_AND_AFTER, SNAPSHOT, DbapiTables, kind_of
from resources.errors import LakeError, PermanentError
from resources.options import OPTIONS
from resources.settings import Connection
from resources.source import SourceColumn, Span, Table, Window
from resources.table_reader import Field
from resources.types import parse_type

DRIVER = "com.tmax.tibero.jdbc.TbDriver"
_PORT = 8629
_OPTIONS = OPTIONS["tibero"]
_ROUTES = ("arrow", "rows")
_LOGIN_TIMEOUT = 15

#: A password has no place in an address, which is shown and logged.
_SECRET = re.compile(r"(?i)(password|passwd|pwd)\s*=|thin:[^@/]+/[^@]*@|//[^/?@]*:[^/?@]*@")


@dataclass(frozen=True)
class _Words:
    """What systems behind JDBC say differently. `{}` is a column."""

    dialect: sql.Dialect
    isolation: int
    """Of `java.sql.Connection`: the least in which all statements see one state."""
    moment: str
    utc: str
    seoul: str
    day: str


_ORACLE = _Words(
    dialect="oracle",
    isolation=8,  # SERIALIZABLE; there is no REPEATABLE READ
    # With the sign: a year before Christ would come without it.
    moment="TO_CHAR({}, 'SYYYY-MM-DD HH24:MI:SS.FF9')",
    utc="{} AT TIME ZONE 'UTC'",
    seoul="{} AT TIME ZONE '+09:00'",
    day="TO_CHAR({}, '{}')",
)
_POSTGRES = _Words(
    dialect="postgres",
    isolation=4,  # REPEATABLE READ
    moment="CAST({} AS VARCHAR(40))",
    utc="({} AT TIME ZONE 'UTC')",
    seoul="({} AT TIME ZONE 'Asia/Seoul')",
    day="TO_CHAR({}, '{}')",
)

#: `java.sql.Types` → the lake's type. Those of more digits or none are told by name and size.
_TYPES = {
    **{-6: "int8", 5: "int16", 4: "int32", -5: "int64"},
    **{7: "float32", 6: "float64", 8: "float64", 100: "float32", 101: "float64"},
    **{16: "boolean", 91: "date", 93: "timestamp"},
    **dict.fromkeys((2014, -101, -102), "timestamptz"),
    **dict.fromkeys((1, 12, -1, -15, -9, -16, 2005, 2011), "string"),
    **dict.fromkeys((-2, -3, -4, 2004), "binary"),
}
#: Names that say more than the number beside them; a DATE of Oracle's kin has a time.
_BY_NAME: dict[str, dict[str, str | None]] = {
    "oracle": {"DATE": "timestamp", "BINARY_FLOAT": "float32", "BINARY_DOUBLE": "float64"},
    "postgres": {"TIMESTAMPTZ": "timestamptz", "BOOL": "boolean", "MONEY": None},
}
#: Exact numbers whose size nothing bounds: NUMBER, FLOAT (of decimal digits), H2's DECFLOAT.
_UNBOUNDED = ("NUMBER", "FLOAT", "NUMERIC", "DECIMAL", "DECFLOAT")
_PADDED = ("CHAR", "NCHAR", "CHARACTER", "BPCHAR")
_LONG = ("CLOB", "NCLOB", "BLOB", "LONG", "LONG RAW", "XMLTYPE", "JSON")
_LOBS = (2004, 2005, 2011)
_LARGE = ("CHARACTER LARGE OBJECT", "BINARY LARGE OBJECT")


def connect(name: str, connection: Connection) -> JdbcTables:
    """The connection `name`, to be opened by `with`. Java is not started here."""
    return JdbcTables(name, connection)


class JdbcTables(DbapiTables):
    """Tables and views behind a JDBC driver."""

    route = "JDBC, Arrow"

    def __init__(self, name: str, connection: Connection) -> None:
        super().__init__(name)
        self._connection = connection
        options = connection.options
        for key in options:
            if key not in _OPTIONS:
                raise PermanentError(f"{self.where}: unknown option {key!r}; allowed: {_OPTIONS}.")
        asked = options.get("route")
        if asked is not None and asked not in _ROUTES:
            raise PermanentError(f"{self.where}: unknown route {asked!r}; allowed: {_ROUTES}.")
        c = connection
        self._url = str(
            options.get("url") or f"jdbc:tibero:thin:@{c.host}:{c.port or _PORT}:{c.database}"
        )
        if _SECRET.search(self._url):
            raise PermanentError(
                f"{self.where}: options.url holds a password, and addresses are shown. Give it as "
                "the connection's password: env:NAME."
            )
        self._words = _POSTGRES if self._url.startswith("jdbc:postgresql:") else _ORACLE
        self.dialect = self._words.dialect
        self._jpype: Any = None

    @property
    def where(self) -> str:
        c = self._connection
        return f"{self.name!r} ({c.host}:{c.port or _PORT}/{c.database})"

    @property
    def version(self) -> str:
        """The database's and its driver's: `H2 2.1.214 (2022-06-13), driver 2.1.214 (…)`."""
        told = self._db.jconn.getMetaData()
        server = f"{told.getDatabaseProductName()} {told.getDatabaseProductVersion()}"
        first = server.partition("\n")[0]
        return f"{first}, driver {told.getDriverVersion()}"

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (self._jpype.JException,)

    def __enter__(self) -> JdbcTables:
        # First, as it says what errors there are.
        self._jpype = jvm.java(self.where)
        super().__enter__()
        return self

    def _open(self) -> Any:
        c, of = self._connection, self._jpype.JClass
        name = str(c.options.get("driver", DRIVER))
        driver = jvm.driver(self.where, str(c.options.get("jar") or ""), name)
        if c.options.get("route") == "rows" or not jvm.has_arrow():
            self.route = "JDBC, JayDeBeApi rows"
        own = of("java.util.Properties")()
        own.setProperty("user", c.user)
        if c.password is not None:
            own.setProperty("password", c.password.reveal())
        of("java.sql.DriverManager").setLoginTimeout(_LOGIN_TIMEOUT)
        opened = driver.connect(self._url, own)
        if opened is None:
            raise PermanentError(
                f"{self.where}: the driver {name} does not know addresses like options.url, or "
                "like jdbc:tibero:thin:@host:port:database where there is none."
            )
        opened.setAutoCommit(False)
        if opened.getMetaData().supportsTransactionIsolationLevel(self._words.isolation):
            opened.setTransactionIsolation(self._words.isolation)
        return jdbc_cursor.connection(opened)

    def _begin(self, cursor: Any) -> str:
        level = self._db.jconn.getTransactionIsolation()
        return SNAPSHOT if level == self._words.isolation else BEFORE_AND_AFTER

    def _end(self) -> None:
        self._db.jconn.rollback()  # JayDeBeApi's own has other exceptions

    def _rows_cursor(self) -> Any:
        return jdbc_cursor.rows_cursor(self._db)

    def _arrow(self, cursor: Any) -> Iterator[Sequence[pa.Array]] | None:
        if self.route != JdbcTables.route:
            return None
        asked = jdbc_cursor.kinds(cursor.meta)
        kinds = [jdbc_cursor.VARCHAR if one == jdbc_cursor.NUMERIC else one for one in asked]
        long = any(cursor.meta.getColumnType(place + 1) in _LOBS for place in range(len(kinds)))
        return jvm.batches(cursor.result, kinds, long)

    # -- what the system says --

    def _columns(self, cursor: Any, table: Table) -> list[SourceColumn]:
        source = sql.relation(table, sql.ANY_SPAN, self.dialect)
        try:
            cursor.execute(sql.statement(["*"], source, ["1 = 0"]))
        except self._failures as error:
            if table.query is None and jdbc_errors.is_no_table(error):
                self._end()  # PostgreSQL answers nothing before that
                return []
            raise
        meta = cursor.meta
        return [self._column(meta, place + 1) for place in range(meta.getColumnCount())]

    def _column(self, meta: Any, place: int) -> SourceColumn:
        code, base = meta.getColumnType(place), str(meta.getColumnTypeName(place)).upper()
        precision, scale = int(meta.getPrecision(place)), int(meta.getScale(place))
        shown, found = base, None
        if code in (2, 3) and base not in ("FLOAT", "DECFLOAT"):
            if 0 < precision <= 38 and 0 <= scale <= precision:
                shown, found = f"{base}({precision},{scale})", f"decimal({precision},{scale})"
            else:
                shown = "NUMBER" if base not in _UNBOUNDED else base
        elif not (base == "FLOAT" and self.dialect == "oracle") and base != "DECFLOAT":
            found = _BY_NAME[self.dialect].get(base, _TYPES.get(code))
            sized = found == "string" and base not in _LARGE and 0 < precision < 1 << 30
            fraction = code in (93, 2014, -101, -102) and "(" not in base and base != "DATE"
            if sized or fraction:
                kind, with_, zone = base.partition(" WITH ")
                shown = f"{kind}({precision if sized else scale}){with_}{zone}"
        nullable = meta.isNullable(place) != 0
        name = str(meta.getColumnLabel(place))
        return SourceColumn(name, parse_type(found) if found else None, shown, nullable)

    def _tables(self, cursor: Any) -> list[str]:
        kinds = self._jpype.JArray(self._jpype.JString)(["TABLE", "VIEW"])
        found = self._db.jconn.getMetaData().getTables(None, None, "%", kinds)
        names: list[str] = []
        while len(names) < 10_000 and found.next():
            schema, name = found.getString(2), found.getString(3)
            names.append(f"{schema}.{name}" if schema is not None else str(name))
        found.close()
        return names

    def _number(self, found: SourceColumn) -> bool:
        return found.type is None and found.shown in _UNBOUNDED

    def _long(self, found: SourceColumn) -> bool:
        return found.shown in (*_LONG, *_LARGE)

    def _fetched(self, field: Field) -> str:
        have, column = field.found.type, field.sql
        if have is None or kind_of(field) != "text":
            return column
        if have.name == "timestamptz":
            return self._words.moment.format(self._words.utc.format(column))
        if have.name in ("date", "timestamp"):
            return self._words.moment.format(column)
        if have.name == "boolean":
            return f"CASE WHEN {column} THEN 'true' WHEN NOT {column} THEN 'false' END"
        return f"CAST({column} AS VARCHAR(40))" if have.name.startswith("int") else column

    def _fitted(
        self, table: Table, fields: Sequence[Field], columns: Sequence[pa.Array], schema: pa.Schema
    ) -> pa.RecordBatch:
        plain = [_plain(field, values) for field, values in zip(fields, columns, strict=True)]
        return super()._fitted(table, fields, plain, schema)

    def _summed(self, field: Field) -> str:
        return field.sql  # of exact numbers it is exact, and a cast would round

    def _moment(self, field: Field, window: Window, span: Span, instant: bool) -> str:
        if window.kind == "yyyymmdd":
            return f"CAST({field.sql} AS VARCHAR(40))"
        moment = self._words.seoul.format(field.sql) if instant else field.sql
        form = "YYYY-MM-DD HH24" if span.cadence == "hourly" else "YYYY-MM-DD"
        return self._words.day.format(moment, form)

    def _first(self, selected: Sequence[str], source: str, where: Sequence[str], rows: int) -> str:
        if self.dialect != "oracle":
            return super()._first(selected, source, where, rows)
        return sql.statement(selected, source, [*where, f"ROWNUM <= {rows:d}"])

    def _told(self, error: Exception, what: str) -> LakeError:
        return jdbc_errors.told(error, what, self.where, self._alive)

    def _alive(self) -> bool:
        try:
            return bool(self._db.jconn.isValid(5))
        except self._failures:
            return False


def _plain(field: Field, values: pa.Array) -> pa.Array:
    """Without padding: cut here, as there RTRIM of blanks alone would be NULL."""
    have = field.found.type
    if have is None or not pa.types.is_string(values.type):
        return values
    if have.name in ("date", "timestamp", "timestamptz"):
        return pc.utf8_ltrim(values, characters=" ")  # the place of a year's sign
    padded = field.found.shown.partition("(")[0] in _PADDED
    return pc.utf8_rtrim(values, characters=" ") if padded else values
