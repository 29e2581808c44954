"""How SQL Server and SAP HANA write what a filter says, which is read in DuckDB's words.

Here: sqlglot's generators where they know too little: intervals, LIKE, `||`, lengths, comparisons
that NULL does not stop, truth values. Not here: which conditions are allowed, names and values
(`sql.py`).
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp, generator
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.tsql import TSQL

from resources.errors import PermanentError

_UNITS = ("YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")


def _same(self: Any, node: exp.Expr) -> str:
    one, other = self.sql(node, "this"), self.sql(node, "expression")
    return f"({one} = {other} OR ({one} IS NULL AND {other} IS NULL))"


def _null_safe(self: Any, node: exp.Expr) -> str:
    # As a CASE it is never NULL, so that NOT means what it says.
    truth = 1 if isinstance(node, exp.NullSafeEQ) else 0
    return f"CASE WHEN {_same(self, node)} THEN 1 ELSE 0 END = {truth}"


def _ilike(self: Any, node: exp.Expr) -> str:
    return f"LOWER({self.sql(node, 'this')}) LIKE LOWER({self.sql(node, 'expression')})"


def _starts(self: Any, node: exp.Expr) -> str:
    text, start = self.sql(node, "this"), self.sql(node, "expression")
    return f"SUBSTRING({text}, 1, {self.sql(exp.Length(this=node.expression.copy()))}) = {start}"


def _interval(node: exp.Expr) -> tuple[exp.Expr, int, str] | None:
    """What is moved, by how much, in which unit; None where nothing is."""
    moved, by = node.this, node.expression
    if isinstance(node, exp.Add) and isinstance(moved, exp.Interval):
        moved, by = by, moved
    if not isinstance(by, exp.Interval):
        return None
    unit = by.text("unit").upper().rstrip("S")
    if unit not in _UNITS:
        raise PermanentError(f"An interval of {unit or 'no unit'} is not known here; {_UNITS}.")
    count = int(by.name) * (7 if unit == "WEEK" else 1)
    sign = -1 if isinstance(node, exp.Sub) else 1
    return moved, sign * count, "DAY" if unit == "WEEK" else unit


class TsqlGenerator(TSQL.Generator):  # type: ignore[misc, valid-type]
    """T-SQL of a condition."""

    def add_sql(self, node: exp.Add) -> str:
        return self._moved(node) or str(super().add_sql(node))

    def sub_sql(self, node: exp.Sub) -> str:
        return self._moved(node) or str(super().sub_sql(node))

    def _moved(self, node: exp.Expr) -> str | None:
        found = _interval(node)
        return found and f"DATEADD({found[2]}, {found[1]}, {self.sql(found[0])})"

    TRANSFORMS = {  # noqa: RUF012 - sqlglot's way
        **TSQL.Generator.TRANSFORMS,
        exp.NullSafeEQ: _null_safe,
        exp.NullSafeNEQ: _null_safe,
        exp.ILike: _ilike,
        exp.StartsWith: _starts,
        # LEN does not count blanks at the end.
        exp.Length: lambda self, node: f"(LEN({self.sql(node, 'this')} + N'.') - 1)",
        # Of two integers its `/` would be an integer.
        exp.Div: lambda self, node: (
            f"CAST({self.sql(node, 'this')} AS FLOAT) / {self.sql(node, 'expression')}"
        ),
        exp.Trim: lambda self, node: f"LTRIM(RTRIM({self.sql(node, 'this')}))",  # TRIM: since 2017
    }
    TYPE_MAPPING = {  # noqa: RUF012
        **TSQL.Generator.TYPE_MAPPING,
        exp.DataType.Type.TEXT: "NVARCHAR(MAX)",
    }


class Hana(Dialect):
    """SAP HANA, which sqlglot does not know: quoted names as in the standard, its own types."""

    class Generator(generator.Generator):
        def add_sql(self, node: exp.Add) -> str:
            return self._moved(node) or str(super().add_sql(node))

        def sub_sql(self, node: exp.Sub) -> str:
            return self._moved(node) or str(super().sub_sql(node))

        def _moved(self, node: exp.Expr) -> str | None:
            found = _interval(node)
            if found is None:
                return None
            moved, count, unit = found
            if unit in ("HOUR", "MINUTE", "SECOND"):
                count *= {"HOUR": 3600, "MINUTE": 60, "SECOND": 1}[unit]
                unit = "SECOND"
            return f"ADD_{unit}S({self.sql(moved)}, {count})"

        TRANSFORMS = {  # noqa: RUF012 - sqlglot's way
            **generator.Generator.TRANSFORMS,
            exp.NullSafeEQ: _null_safe,
            exp.NullSafeNEQ: _null_safe,
            exp.ILike: _ilike,
            exp.StartsWith: _starts,
            exp.Mod: lambda self, node: self.func("MOD", node.this, node.expression),
        }
        TYPE_MAPPING = {  # noqa: RUF012
            **generator.Generator.TYPE_MAPPING,
            exp.DataType.Type.TEXT: "NVARCHAR(5000)",
            exp.DataType.Type.INT: "INTEGER",
            exp.DataType.Type.TIMESTAMPNTZ: "TIMESTAMP",
            exp.DataType.Type.FLOAT: "REAL",
        }
