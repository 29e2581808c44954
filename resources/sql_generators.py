"""How SQL Server, HANA and Oracle's kin write what a filter says, which is read in DuckDB's words.

Here: sqlglot's generators where they know too little: intervals, LIKE, `||`, lengths, comparisons
that NULL does not stop, truth values. Not here: which conditions are allowed, names and values
(`sql.py`).
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp, generator
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.oracle import Oracle
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


_FIELDS = {
    **{"YEAR": "YYYY", "MONTH": "MM", "DAY": "DD"},
    **{"HOUR": "HH24", "MINUTE": "MI", "SECOND": "SS"},
}


def _field(self: Any, node: exp.Expr, name: str) -> str:
    # EXTRACT takes no HOUR out of a DATE, though a DATE has hours there.
    form = _FIELDS.get(name.upper())
    if form is None:
        raise PermanentError(f"{name} of a moment is not known there; {', '.join(_FIELDS)}.")
    return f"CAST(TO_CHAR({self.sql(node)}, '{form}') AS INT)"


class OracleGenerator(Oracle.Generator):  # type: ignore[misc, valid-type]
    """SQL of Oracle's kin (Tibero): what both they and the lake mean by a condition."""

    def add_sql(self, node: exp.Add) -> str:
        return self._moved(node) or str(super().add_sql(node))

    def sub_sql(self, node: exp.Sub) -> str:
        return self._moved(node) or str(super().sub_sql(node))

    def _moved(self, node: exp.Expr) -> str | None:
        found = _interval(node)
        if found is None:
            return None
        moved, count, unit = found
        if unit in ("MONTH", "YEAR"):
            # 31 January and a month is an error there, or by ADD_MONTHS the end of a month stays.
            raise PermanentError("An interval of months means another day there; give it in days.")
        return f"{self.sql(moved)} + INTERVAL '{count}' {unit}(9)"

    def boolean_sql(self, node: exp.Boolean) -> str:
        # As a condition there is none; beside a column of booleans there must be TRUE, too.
        truth, condition = bool(node.this), exp.And | exp.Or | exp.Not | exp.Paren
        if isinstance(node.parent, condition):
            return f"1 = {int(truth)}"
        return "TRUE" if truth else "FALSE"

    TRANSFORMS = {  # noqa: RUF012 - sqlglot's way
        **Oracle.Generator.TRANSFORMS,
        exp.NullSafeEQ: _null_safe,
        exp.NullSafeNEQ: _null_safe,
        exp.ILike: _ilike,
        exp.StartsWith: lambda self, node: (
            f"SUBSTR({self.sql(node, 'this')}, 1, LENGTH({self.sql(node, 'expression')})) = "
            f"{self.sql(node, 'expression')}"
        ),
        exp.Year: lambda self, node: _field(self, node.this, "YEAR"),
        exp.Month: lambda self, node: _field(self, node.this, "MONTH"),
        exp.Day: lambda self, node: _field(self, node.this, "DAY"),
        exp.Extract: lambda self, node: _field(self, node.expression, node.name),
        exp.Left: lambda self, node: self.func("SUBSTR", node.this, "1", node.expression),
        exp.Right: lambda self, node: (
            f"SUBSTR({self.sql(node, 'this')}, GREATEST(1, LENGTH({self.sql(node, 'this')}) + 1 "
            f"- {self.sql(node, 'expression')}))"
        ),
        # NULL beside a text is nothing there, and NULL in the lake.
        exp.DPipe: lambda self, node: (
            f"NVL2({self.sql(node, 'this')}, NVL2({self.sql(node, 'expression')}, "
            f"{self.sql(node, 'this')} || {self.sql(node, 'expression')}, NULL), NULL)"
        ),
        exp.Div: lambda self, node: (
            f"CAST({self.sql(node, 'this')} AS DOUBLE PRECISION) / {self.sql(node, 'expression')}"
        ),
    }
    TYPE_MAPPING = {  # noqa: RUF012
        **Oracle.Generator.TYPE_MAPPING,
        exp.DataType.Type.TEXT: "VARCHAR2(4000)",
    }
