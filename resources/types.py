"""The types a column may have, as a pipeline file spells them, and their Arrow equals.

Here: parsing and printing of type names. Not here: what a particular database calls them (its own
module knows) and how they are written to Parquet (`parquet.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: Names without parameters. `timestamp` has no zone and means Asia/Seoul wall time, as the source
#: systems keep it; `timestamptz` is an instant. Both have microseconds.
SIMPLE = (
    "string",
    "int8",
    "int16",
    "int32",
    "int64",
    "float32",
    "float64",
    "boolean",
    "date",
    "timestamp",
    "timestamptz",
    "binary",
)
ALLOWED = (*SIMPLE, "decimal(p,s)")

#: What people write by habit, and what it is called here.
_HABITS = {
    "text": "string",
    "varchar": "string",
    "char": "string",
    "str": "string",
    "integer": "int32",
    "int": "int32",
    "smallint": "int16",
    "tinyint": "int8",
    "bigint": "int64",
    "long": "int64",
    "float": "float64",
    "double": "float64",
    "real": "float32",
    "number": "decimal(p,s)",
    "numeric": "decimal(p,s)",
    "decimal": "decimal(p,s), for example decimal(18,2)",
    "bool": "boolean",
    "datetime": "timestamp",
    "bytes": "binary",
}

_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")


@dataclass(frozen=True)
class ColumnType:
    """One parsed type. `name` is its canonical spelling, for example `decimal(18,2)`."""

    name: str
    precision: int = 0
    scale: int = 0

    @property
    def is_decimal(self) -> bool:
        return self.name.startswith("decimal")

    @property
    def is_number(self) -> bool:
        return self.is_decimal or self.name.startswith(("int", "float"))

    def arrow(self) -> pa.DataType:
        """The Arrow type: decimal128, µs timestamps, 32-bit dates, 32-bit offset strings."""
        import pyarrow as pa

        if self.is_decimal:
            return pa.decimal128(self.precision, self.scale)
        return {
            "string": pa.string(),
            "int8": pa.int8(),
            "int16": pa.int16(),
            "int32": pa.int32(),
            "int64": pa.int64(),
            "float32": pa.float32(),
            "float64": pa.float64(),
            "boolean": pa.bool_(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us"),
            "timestamptz": pa.timestamp("us", tz="UTC"),
            "binary": pa.binary(),
        }[self.name]

    def duckdb(self) -> str:
        """The same type in DuckDB's words, as SQL over datasets sees it."""
        return {
            "string": "VARCHAR",
            "int8": "TINYINT",
            "int16": "SMALLINT",
            "int32": "INTEGER",
            "int64": "BIGINT",
            "float32": "FLOAT",
            "float64": "DOUBLE",
            "boolean": "BOOLEAN",
            "date": "DATE",
            "timestamp": "TIMESTAMP",
            "timestamptz": "TIMESTAMPTZ",
            "binary": "BLOB",
        }.get(self.name) or f"DECIMAL({self.precision},{self.scale})"


def parse_type(text: str) -> ColumnType:
    """Read a type name. `ValueError` says what is allowed.

    >>> parse_type("decimal(18, 2)").name
    'decimal(18,2)'
    """
    if text in SIMPLE:
        return ColumnType(text)
    match = _DECIMAL.fullmatch(text)
    if match:
        precision, scale = int(match[1]), int(match[2])
        if not 1 <= precision <= 38 or scale > precision:
            raise ValueError(f"{text}: precision is 1 to 38 and scale at most the precision")
        return ColumnType(f"decimal({precision},{scale})", precision, scale)
    habit = _HABITS.get(text.lower().partition("(")[0].strip())
    if text.lower() in SIMPLE:
        habit = text.lower()
    use = f" use {habit};" if habit else ""
    raise ValueError(f"{text!r} is not a type;{use} allowed: {', '.join(ALLOWED)}")
