"""Deliveries to PostgreSQL: COPY into a temporary table, then one exchange.

Here: connecting, PostgreSQL's columns and what they hold, COPY's text, errors by SQLSTATE. Not
here: the course of a delivery (`deliver_staged.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.csv

from resources import postgres
from resources.deliver import Delivery, Receipt
from resources.deliver_staged import StagedDelivery
from resources.deliver_tables import LOCK_SECONDS
from resources.deliver_values import Room
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.sql import literal
from resources.types import ColumnType

_COLUMNS = """
SELECT a.attname, t.typtype,
  CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
    ELSE format_type(a.atttypid, a.atttypmod) END,
  a.attnotnull OR t.typnotnull,
  a.atthasdef OR a.attidentity <> '',
  a.attgenerated <> '' OR a.attidentity = 'a',
  pg_encoding_to_char(d.encoding)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_database d ON d.datname = current_database()
WHERE a.attrelid = to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
#: The columns of unique indices, none of them partial or of expressions.
_UNIQUE = """
SELECT (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
FROM pg_catalog.pg_index i
WHERE i.indrelid = to_regclass({}) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
"""

#: Encodings of a database → Python's names; what is not here takes all of Unicode (UTF8) or is
#: left to the server.
_CODECS = {"EUC_KR": "euc_kr", "JOHAB": "johab", "LATIN1": "latin-1"}

#: Classes and codes of SQLSTATE → whether trying again may help, and what to do.
_STATES: tuple[tuple[str, type[LakeError], str], ...] = (
    (
        "42501",
        PermanentError,
        "ask its owner to GRANT SELECT, INSERT, UPDATE, DELETE on the table, and TEMPORARY on the "
        "database, to the connection's user",
    ),
    (
        "23505",
        PermanentError,
        "rows that are not this delivery's hold the same values: deliver by the columns of that "
        "constraint, or mend the target",
    ),
    ("23", PermanentError, "correct the rows in the dataset, or have the constraint changed"),
    ("55P03", TransientError, "somebody else holds the table; try again when they are done"),
    ("25006", PermanentError, "this server is a standby; deliver to the primary"),
    ("08|53|57|58|40|55", TransientError, "nothing was written; try again"),
    ("22", PermanentError, "a value does not fit the target's column"),
    ("42|3D|3F|0A|2B", PermanentError, "mend the delivery in the pipeline file"),
)


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    return PostgresDelivery(name, connection, delivery).run()


class PostgresDelivery(StagedDelivery):
    dialect = "postgres"
    route = "COPY into a temporary table"

    def __init__(self, name: str, connection: Connection, delivery: Delivery) -> None:
        super().__init__(name, delivery)
        self._source = postgres.PostgresTables(name, connection)
        self._connection = connection

    @property
    def where(self) -> str:
        return self._source.where

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (psycopg2.Error,)

    def _connect(self) -> Any:
        c = self._connection
        for key in c.options:
            if key not in postgres._OPTIONS:
                raise PermanentError(
                    f"{self.where}: unknown option {key!r}; allowed: {postgres._OPTIONS}."
                )
        options: dict[str, Any] = {**postgres._DEFAULTS, **c.options}
        return psycopg2.connect(
            **options,
            host=c.host,
            port=c.port or 5432,
            dbname=c.database,
            user=c.user,
            password=c.password.reveal() if c.password else None,
            client_encoding="UTF8",
        )

    def _lock(self, cursor: Any) -> None:
        # Without it two deliveries of one partition could both remove the old rows and both add
        # theirs. Readers, and writers of other programs, are not kept waiting.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('lake'), hashtext(%s))", [self.table])

    def _rooms(self, cursor: Any) -> list[Room]:
        cursor.execute(_COLUMNS.format(literal(self.table, "postgres")))
        return [
            room(name, kind, shown, not filled and not_null, not_null, generated, encoding)
            for name, kind, shown, not_null, filled, generated, encoding in cursor.fetchall()
        ]

    def _tables(self, cursor: Any) -> list[str]:
        cursor.execute(postgres._TABLES)
        return [name for (name,) in cursor.fetchall()]

    def _unique(self, cursor: Any) -> list[list[str]]:
        cursor.execute(_UNIQUE.format(literal(self.table, "postgres")))
        return [names for (names,) in cursor.fetchall()]

    def _make_stage(self, cursor: Any) -> None:
        cursor.execute(
            f"CREATE TEMPORARY TABLE {self.quoted(self.stage)} ON COMMIT DROP AS "
            f"SELECT {', '.join(self.columns)} FROM {self.table} WITH NO DATA"
        )

    def _fill(self, cursor: Any, batches: Iterator[pa.RecordBatch]) -> None:
        text = CopyText(batches)
        try:
            cursor.copy_expert(
                f"COPY {self.quoted(self.stage)} FROM STDIN (FORMAT csv)", text, size=1 << 16
            )
        except psycopg2.Error:
            if text.failed is not None:
                raise text.failed from None
            raise
        self.bytes = text.bytes

    def _upsert(self, cursor: Any) -> bool:
        rest = [one for one in self.columns if one not in self.key]
        change = "NOTHING"
        if rest:
            sets = ", ".join(f"{one} = EXCLUDED.{one}" for one in rest)
            old = ", ".join(f"t.{one}" for one in rest)
            new = ", ".join(f"EXCLUDED.{one}" for one in rest)
            change = f"UPDATE SET {sets} WHERE ({old}) IS DISTINCT FROM ({new})"
        columns = ", ".join(self.columns)
        cursor.execute(
            f"INSERT INTO {self.table} AS t ({columns}) "
            f"SELECT {columns} FROM {self.quoted(self.stage)} "
            f"ON CONFLICT ({', '.join(self.key)}) DO {change}"
        )
        return bool(cursor.rowcount)

    def _told(self, error: Exception, what: str) -> LakeError:
        return told(error, what, self.where)


def told(error: Exception, what: str, where: str) -> LakeError:
    """psycopg2's error by its SQLSTATE; the server's words, but no value and no DETAIL."""
    code = getattr(error, "pgcode", None)
    if code is None:  # libpq's own: no connection, or none any more
        return _unconnected(str(error), what, where)
    diagnosed: Any = getattr(error, "diag", None)
    said = re.sub(r'(: |\bvalue )"[^"]*"', r"\1(a value)", diagnosed.message_primary or "")
    if code.startswith("22"):
        column = re.search(r"column (\"?[^,\":]+\"?)", diagnosed.context or "")
        said += f" (column {column[1]})" if column else ""
    for codes, kind, cure in _STATES:
        if re.match(codes, code):
            return kind(
                f"{what}, connection {where}: {said}. Nothing was written. What to do: {cure}."
            )
    return PermanentError(f"{what}, connection {where}: {said} ({code}). Nothing was written.")


def _unconnected(text: str, what: str, where: str) -> LakeError:
    told = re.search(r"(?:FATAL|ERROR): +(.+)|failed: (.+)", text)
    said = ((told[1] or told[2]) if told else text.split("\n")[0]).strip().rstrip(".")
    if re.search(postgres.TLS, said):
        return postgres.untrusted(said, what, where)
    for pattern, kind, cure in postgres._ERRORS:
        if re.search(pattern, said, re.IGNORECASE):
            told_cure = cure.replace(" while reading", "")
            return kind(f"{what}, connection {where}: {said}. What to do: {told_cure}.")
    return TransientError(f"{what}, connection {where}: {said}. Nothing was written; try again.")


def room(
    name: str,
    kind: str,
    shown: str,
    needed: bool,
    not_null: bool,
    generated: bool,
    encoding: str,
) -> Room:
    """A column in PostgreSQL's words as what it holds."""
    type_, base = postgres.lake_type(shown), re.sub(r"\(.*?\)", "", shown)
    length = re.fullmatch(r"character(?: varying)?\((\d+)\)", shown)
    # Other texts (uuid, json, an enum) are not kept as they are, or take few of them; and a moment
    # of fewer digits is rounded.
    plain = ("character varying", "character", "text", "name")
    odd = kind == "e" or (type_ == ColumnType("string") and base not in plain)
    rounded = base.startswith("timestamp") and "(" in shown and "(6)" not in shown
    return Room(
        name=name,
        shown=shown,
        type=None if odd or rounded or kind == "e" else type_,
        nullable=not not_null,
        optional=not needed or generated,
        writable=not generated,
        every_number=shown == "numeric",
        length=int(length[1]) if length else None,
        length_bytes=63 if shown == "name" else None,
        codec=_CODECS.get(encoding),
        padded=base == "character",
        zero=False,
    )


class CopyText:
    """Batches as the text that COPY reads: `read` gives the next bytes, as of a file."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.bytes = 0
        self.failed: BaseException | None = None
        self._batches = batches
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        try:
            while not self._rest:
                batch = next(self._batches, None)
                if batch is None:
                    return b""
                self._rest = memoryview(copy_text(batch))
        except BaseException as error:
            # psycopg2 would tell it as an error of its own, with these words in it.
            self.failed = error
            raise
        given, self._rest = self._rest[:size], self._rest[size:]
        self.bytes += len(given)
        return bytes(given)


def copy_text(batch: pa.RecordBatch) -> bytes:
    """CSV as COPY has it: texts in quotation marks, NULL nothing at all, so '' differs from it."""
    sink = pa.BufferOutputStream()
    columns = [_hex(one) if pa.types.is_binary(one.type) else one for one in batch.columns]
    plain = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(plain, sink, options)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _hex(values: pa.Array) -> pa.Array:
    """Bytes as bytea's own text."""
    texts = [None if one is None else "\\x" + one.hex() for one in values.to_pylist()]
    return pa.array(texts, pa.string())
