"""JayDeBeApi's cursor over an open JDBC connection: exact values, a row or a few at a time.

Here: what is asked of the driver for each type of a result, and the cursor. Not here: connecting
and what the rows mean (`jdbc.py`), nor batches in Arrow's own way (`jvm.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any

#: Rows that a driver fetches at once: 2000 of 14 columns were quicker than 1000 and than 10,000.
FETCH_ROWS = 2_000

BIGINT, DOUBLE, BOOLEAN, VARBINARY, BLOB, NUMERIC, VARCHAR = -5, 8, 16, -3, 2004, 2, 12

#: `java.sql.Types` of a result → the kind as which its values are asked for; all others: as text.
_ASKED = {
    **dict.fromkeys((-6, 5, 4, -5), BIGINT),
    **dict.fromkeys((6, 7, 8, 100, 101), DOUBLE),
    **dict.fromkeys((16, -7), BOOLEAN),
    **dict.fromkeys((-2, -3, -4), VARBINARY),
    **dict.fromkeys((2, 3), NUMERIC),
    BLOB: BLOB,
}


def kinds(meta: Any) -> list[int]:
    """As what the columns of a result (its `java.sql.ResultSetMetaData`) are asked for."""
    places = range(1, meta.getColumnCount() + 1)
    # FLOAT is a decimal number where it has that name, whatever number of a type it has.
    return [
        NUMERIC
        if str(meta.getColumnTypeName(place)).upper() == "FLOAT"
        else _ASKED.get(meta.getColumnType(place), VARCHAR)
        for place in places
    ]


def _text(result: Any, place: int) -> str | None:
    value = result.getString(place)
    return None if value is None else str(value)


def _int(result: Any, place: int) -> int | None:
    value = int(result.getLong(place))
    return None if result.wasNull() else value


def _float(result: Any, place: int) -> float | None:
    value = float(result.getDouble(place))
    return None if result.wasNull() else value


def _bool(result: Any, place: int) -> bool | None:
    value = bool(result.getBoolean(place))
    return None if result.wasNull() else value


def _bytes(result: Any, place: int) -> bytes | None:
    value = result.getBytes(place)
    return None if value is None else bytes(value)


def _blob(result: Any, place: int) -> bytes | None:
    value = result.getBlob(place)
    return None if value is None else bytes(value.getBytes(1, int(value.length())))


def _decimal(result: Any, place: int) -> Decimal | None:
    text = _text(result, place)
    return None if text is None else Decimal(text)


_EXACT = {
    **{BIGINT: _int, DOUBLE: _float, BOOLEAN: _bool, VARBINARY: _bytes, BLOB: _blob},
    **{VARCHAR: _text, NUMERIC: _text},
}


class _Kinds:
    """What the cursor asks of a result's description, once instead of for every value."""

    def __init__(self, kinds: Sequence[int]) -> None:
        self._kinds = kinds

    def getColumnCount(self) -> int:
        return len(self._kinds)

    def getColumnType(self, place: int) -> int:
        return self._kinds[place - 1]


@cache
def _classes() -> tuple[Any, Any]:
    driver = importlib.import_module("jaydebeapi")

    class Cursor(driver.Cursor):  # type: ignore[misc, name-defined]
        """With a fetch size, without which PostgreSQL's driver holds all rows at once."""

        def execute(self, operation: str, parameters: Any = None) -> None:
            self._close_last()
            self._prep = self._connection.jconn.createStatement()
            self._prep.setEscapeProcessing(False)
            self._prep.setFetchSize(FETCH_ROWS)
            self.result = self._rs = self._prep.executeQuery(operation)
            self.meta = self._rs.getMetaData()
            self._meta = _Kinds(kinds(self.meta))

    class Connection(driver.Connection):  # type: ignore[misc, name-defined]
        """Its own cursors are for counts and sums: exact numbers come as Python's."""

        def cursor(self) -> Any:
            return Cursor(self, {**_EXACT, NUMERIC: _decimal})

    return Connection, Cursor


def connection(opened: Any) -> Any:
    """JayDeBeApi's connection around one of Java's."""
    return _classes()[0](opened, {})


def rows_cursor(connection: Any) -> Any:
    """For rows: exact numbers come as text."""
    return _classes()[1](connection, _EXACT)
