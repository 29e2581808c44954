"""Deliveries to MariaDB and MySQL: rows into a temporary table, then one exchange.

Here: connecting with PyMySQL, MariaDB's columns and what they hold, its errors by number. Not here:
the course of a delivery (`deliver_staged.py`).
"""

from __future__ import annotations

import hashlib
import re
import ssl
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pymysql

from resources import mariadb, tls
from resources.deliver import Delivery, Receipt
from resources.deliver_staged import StagedDelivery
from resources.deliver_tables import LOCK_SECONDS
from resources.deliver_values import UTF8MB3, Room
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.sql import literal
from resources.types import ColumnType

#: Rows made into Python objects at a time: 14 columns of them are 20 MB.
_ROWS = 16_384

_COLUMNS = """
SELECT column_name, data_type, column_type, is_nullable = 'YES',
  column_default IS NOT NULL OR extra LIKE '%auto_increment%',
  extra LIKE '%GENERATED%' AND extra NOT LIKE '%DEFAULT_GENERATED%',
  character_set_name, character_maximum_length, character_octet_length
FROM information_schema.columns
WHERE table_schema = coalesce({0}, database()) AND table_name = {1}
ORDER BY ordinal_position
"""
_ENGINE = """
SELECT engine FROM information_schema.tables
WHERE table_schema = coalesce({0}, database()) AND table_name = {1}
"""
_UNIQUE = """
SELECT group_concat(column_name ORDER BY column_name SEPARATOR '\n')
FROM information_schema.statistics
WHERE table_schema = coalesce({0}, database()) AND table_name = {1} AND non_unique = 0
GROUP BY index_name HAVING count(sub_part) = 0
"""
#: What the server does not do in silence: cut a text, round a number, take 2025-02-30.
_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"

_CHARS, _TEXTS = ("char", "varchar"), ("tinytext", "text", "mediumtext", "longtext")
_KEPT = (
    *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit"),
    *("date", "datetime", "timestamp", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
    *(*_CHARS, *_TEXTS),
)
#: A column's character set → Python's name; None takes all of Unicode. Others are the server's.
_CODECS = {
    **{"utf8mb4": None, "utf8": UTF8MB3, "utf8mb3": UTF8MB3},
    **{"euckr": "cp949", "latin1": "cp1252", "ascii": "ascii"},
}

_GRANT = (
    "ask its owner to GRANT SELECT, INSERT, UPDATE, DELETE on the table, and CREATE TEMPORARY "
    "TABLES on the database, to the connection's user"
)
#: Numbers of errors → whether trying again may help, and what to do.
_ERRORS: tuple[tuple[tuple[int, ...], type[LakeError], str], ...] = (
    ((1044, 1142, 1143, 1227, 1370), PermanentError, _GRANT),
    ((1045, 1049, 1251, 1698), PermanentError, "check the connection's user, password, database"),
    (
        (1062, 1586),
        PermanentError,
        "rows that are not this delivery's hold the same values: deliver by the columns of that "
        "index, or mend the target",
    ),
    (
        (1048, 1364, 1451, 1452, 3819, 4025),
        PermanentError,
        "correct the rows in the dataset, or have the constraint changed",
    ),
    ((1264, 1265, 1292, 1366, 1406), PermanentError, "a value does not fit the target's column"),
    ((1153,), PermanentError, "a row is larger than max_allowed_packet: have it raised"),
    ((1290, 1836), PermanentError, "this server takes no writes; deliver to the primary"),
    ((1054, 1064, 1146, 1471), PermanentError, "mend the delivery in the pipeline file"),
    (
        (1040, 1053, 1114, 1203, 1205, 1206, 1213, 1317, 1020, 1021, 1041, 1135, 1927),
        TransientError,
        "try again",
    ),
    ((2002, 2003, 2005, 2006, 2013, 2014, 2055), TransientError, "try again when it is reached"),
)
_BY_NUMBER = {number: (kind, cure) for numbers, kind, cure in _ERRORS for number in numbers}


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    return MariaDBDelivery(name, connection, delivery).run()


class MariaDBDelivery(StagedDelivery):
    dialect = "mysql"
    route = "PyMySQL inserts into a temporary table"

    def __init__(self, name: str, connection: Connection, delivery: Delivery) -> None:
        super().__init__(name, delivery)
        self._connection = connection

    @property
    def where(self) -> str:
        c = self._connection
        return f"{self.name!r} ({c.host}:{c.port or 3306}/{c.database})"

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (pymysql.Error,)

    def _connect(self) -> Any:
        c = self._connection
        return pymysql.connect(
            host=c.host,
            port=c.port or 3306,
            database=c.database,
            user=c.user,
            password=c.password.reveal() if c.password else "",
            charset="utf8mb4",
            sql_mode=_MODE,
            # An instant is written as its UTC wall time.
            init_command="SET time_zone = '+00:00'",
            autocommit=False,
            local_infile=False,
            connect_timeout=10,
            **_tls(self.where, c.options),
        )

    @property
    def _place(self) -> tuple[str, str]:
        return literal(self.target.schema_, "mysql"), literal(self.target.name, "mysql")

    def _lock(self, cursor: Any) -> None:
        # Without it two deliveries of one partition would end in a deadlock of both.
        table = f"{self.target.schema_ or self._connection.database}.{self.target.name}"
        name = f"lake {hashlib.sha256(table.encode()).hexdigest()[:32]}"
        cursor.execute("SELECT get_lock(%s, %s)", (name, LOCK_SECONDS))
        if cursor.fetchone()[0] != 1:
            raise TransientError(
                f"{self.delivery.what}, {self.at}: another delivery to this table has been running "
                f"for {LOCK_SECONDS} s. Nothing was written; try again when it is done."
            )

    def _rooms(self, cursor: Any) -> list[Room]:
        cursor.execute(_COLUMNS.format(*self._place))
        rooms = [room(*row) for row in cursor.fetchall()]
        cursor.execute(_ENGINE.format(*self._place))
        engine = (cursor.fetchone() or ("",))[0]
        if engine and engine.upper() != "INNODB":
            raise PermanentError(
                f"{self.delivery.what}, {self.at}: the table's engine is {engine}, which has no "
                "transactions, so rows could be half exchanged. Nothing was written. Have it made "
                "InnoDB: ALTER TABLE … ENGINE=InnoDB."
            )
        return rooms

    def _tables(self, cursor: Any) -> list[str]:
        cursor.execute(mariadb._TABLES)
        return [name for (name,) in cursor.fetchall()]

    def _unique(self, cursor: Any) -> list[list[str]]:
        cursor.execute(_UNIQUE.format(*self._place))
        return [names.split("\n") for (names,) in cursor.fetchall()]

    def _make_stage(self, cursor: Any) -> None:
        cursor.execute(
            f"CREATE TEMPORARY TABLE {self.quoted(self.stage)} ENGINE=InnoDB AS "
            f"SELECT {', '.join(self.columns)} FROM {self.table} LIMIT 0"
        )

    def _fill(self, cursor: Any, batches: Iterator[pa.RecordBatch]) -> None:
        # PyMySQL writes the values into the statement itself; a % in a name is not one of them.
        names = ", ".join(self.columns).replace("%", "%%")
        places = ", ".join(["%s"] * len(self.columns))
        insert = f"INSERT INTO {self.quoted(self.stage)} ({names}) VALUES ({places})"
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS):
                part = batch.slice(start, _ROWS)
                self.bytes += part.nbytes
                cursor.executemany(insert, list(zip(*map(_values, part.columns), strict=True)))

    def _alike(self, column: str, text: bool) -> str:
        # Collations take 'a' for 'A' and for 'a '; and sorting looks at the first 1,024 bytes.
        return f"sha2(CAST({column} AS BINARY), 256)" if text else column

    def _unlike(self, one: str, other: str) -> str:
        return f"NOT {one} <=> {other}"

    def _upsert(self, cursor: Any) -> bool:
        # Not ON DUPLICATE KEY UPDATE, which takes any unique index of the table for the key.
        rest = [one for one in self.columns if one not in self.key]
        on = " AND ".join(f"t.{one} = s.{one}" for one in self.key)
        stage, changed = self.quoted(self.stage), 0
        if rest:
            sets = ", ".join(f"t.{one} = s.{one}" for one in rest)
            cursor.execute(
                f"UPDATE {self.table} AS t JOIN {stage} AS s ON {on} "
                f"SET {sets} WHERE {self._differ()}"
            )
            changed = cursor.rowcount
        columns = ", ".join(self.columns)
        given = ", ".join(f"s.{one}" for one in self.columns)
        cursor.execute(
            f"INSERT INTO {self.table} ({columns}) SELECT {given} FROM {stage} AS s "
            f"LEFT JOIN {self.table} AS t ON {on} WHERE t.{self.key[0]} IS NULL"
        )
        return bool(changed + cursor.rowcount)

    def _told(self, error: Exception, what: str) -> LakeError:
        number, said = (*error.args, "", "")[:2] if error.args else (0, "")
        kind, cure = _BY_NUMBER.get(number, (PermanentError, ""))
        untrusted = tls.refused(error)
        if untrusted:
            kind, cure, said = PermanentError, tls.cure(untrusted, "ssl_ca"), untrusted
        elif number in (0, ""):
            kind, cure, said = TransientError, "try again", "the connection was lost"
        said = re.sub(r"\b(entry|[Vv]alue:?) '.*' for", r"\1 (a value) for", str(said))
        told = f"{what}, connection {self.where}: {said} ({number}). Nothing was written."
        return kind(f"{told} What to do: {cure}." if cure else told)


def _values(values: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us"))  # of an instant its UTC wall time
    found: list[Any] = values.to_pylist()
    return found


def _tls(where: str, options: Any) -> dict[str, Any]:
    """The connection's options, which are those of the source, in PyMySQL's words."""
    mode = mariadb.check_options(where, options)
    if mode == "disabled":
        return {"ssl_disabled": True}
    given = {key: str(value) for key, value in options.items() if key != "ssl_mode"}
    if not given and mode == "preferred":
        return {}
    try:
        return {"ssl": _context(given)}
    except OSError:
        raise PermanentError(
            f"{where}: a file of {', '.join(given)} is not there, or holds no certificate; correct "
            "the connection's options."
        ) from None


def _context(given: dict[str, str]) -> ssl.SSLContext:
    """As the reader's client has it: with a CA certificate and name are checked, else neither."""
    context = ssl.create_default_context(cafile=given.get("ssl_ca"), capath=given.get("ssl_capath"))
    if "ssl_ca" not in given and "ssl_capath" not in given:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl_crl" in given or "ssl_crlpath" in given:
        context.load_verify_locations(given.get("ssl_crl"), given.get("ssl_crlpath"))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if "ssl_cert" in given:
        context.load_cert_chain(given["ssl_cert"], given.get("ssl_key"))
    if "ssl_cipher" in given:
        context.set_ciphers(given["ssl_cipher"])
    return context


def room(
    name: str,
    kind: str,
    shown: str,
    nullable: int,
    filled: int,
    generated: int,
    charset: str | None,
    characters: int | None,
    octets: int | None,
) -> Room:
    """A column in MariaDB's words as what it holds."""
    type_ = mariadb.lake_type(shown)
    # Unsigned numbers take no negative ones, moments of fewer digits are cut, bit(8) is no flag.
    kept = kind in _KEPT and "unsigned" not in shown and not (kind == "bit" and shown != "bit(1)")
    if kind in ("datetime", "timestamp"):
        kept = shown.endswith("(6)")
    bounded = octets is not None and octets < sys.maxsize and kind in _TEXTS
    return Room(
        name=name,
        shown=shown,
        type=type_ if kept else None,
        nullable=bool(nullable),
        optional=bool(nullable or filled or generated),
        writable=not generated,
        length=int(characters) if characters and kind in _CHARS else None,
        length_bytes=int(octets or 0) if bounded else None,
        codec=_CODECS.get(charset or ""),
        padded=kind == "char",
        flags=type_ == ColumnType("int8"),
        finite=True,
    )
