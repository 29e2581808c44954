"""Which expressions of a statement are aggregates.

Here: sqlglot's own among them, and those that only DuckDB knows. Not here: what they are made of
(`lineage_sql.py`).
"""

from __future__ import annotations

from functools import cache

import duckdb
from sqlglot import exp

#: Functions of a window that take one of its values, or a place in it; sqlglot has them among the
#: aggregates.
_PLACES = (
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
    *(exp.Rank, exp.DenseRank, exp.Ntile, exp.PercentRank, exp.CumeDist),
)

#: Those of them that DuckDB has among its aggregates, under names that sqlglot does not know.
_OF_WINDOWS = {"rank_dense", "fill"}


@cache
def _aggregates() -> frozenset[str]:
    """The names of DuckDB's aggregate functions; to sqlglot a fifth of them is any function."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type = 'aggregate'"
        ).fetchall()
    return frozenset(name for (name,) in found) - _OF_WINDOWS


def is_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, _PLACES):
        return False
    if isinstance(node, exp.AggFunc | exp.Filter | exp.WithinGroup):
        return not isinstance(node.this, _PLACES)
    return isinstance(node, exp.Anonymous) and node.name.lower() in _aggregates()


def has_aggregate(node: exp.Expr) -> bool:
    """Whether an aggregate stands in an expression, not counting windows and subqueries."""
    if isinstance(node, exp.Window | exp.Query):
        return False
    return is_aggregate(node) or any(map(has_aggregate, node.iter_expressions()))
