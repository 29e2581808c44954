"""The form of the table of cases: a call, what it is given, what it must give, on every engine.

Here: how a case is written. Not here: the cases (`cases_*.py`, a file a family, their values
written from the specification) and the engines (`engines.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """Values of one lake type; None is a null, `float('nan')` a NaN."""

    type: str
    values: Sequence[Any]


Table = Mapping[str, Column]


def i64(*values: int | None) -> Column:
    return Column("int64", values)


def f64(*values: float | None) -> Column:
    return Column("float64", values)


def text(*values: str | None) -> Column:
    return Column("string", values)


def category(*values: str | None) -> Column:
    """A category where the engine has one, text elsewhere."""
    return Column("category", values)


def boolean(*values: bool | None) -> Column:
    return Column("boolean", values)


def dec(type_: str, *values: str | None) -> Column:
    """Decimals by their text: `dec("18,2", "1.50", None)`."""
    return Column(f"decimal({type_})", values)


def day(*values: str | None) -> Column:
    """Dates by their text: '2025-07-01'."""
    return Column("date", values)


def stamp(*values: str | None) -> Column:
    """Wall times by their text: '2025-07-01T09:30:00'."""
    return Column("timestamp", values)


def instant(*values: str | None) -> Column:
    """Instants by their text with an offset: '2025-07-01T00:30:00+00:00'."""
    return Column("timestamptz", values)


@dataclass(frozen=True)
class Refused:
    """The call is a PrepError whose text has each of these parts."""

    parts: tuple[str, ...]


def refused(*parts: str) -> Refused:
    return Refused(parts)


@dataclass(frozen=True)
class Case:
    """`function(given, **params)` gives `expect`; `name` says what is special about it.

    `expect` is a table, several (`split_rows`), or a refusal. `ordered=False` compares rows as a
    multiset. `instead` has another expectation for engines that cannot hold the value, with the
    reason in the case's name; `check` is for results that are no one table (a random sample): it
    gets given and result as lists of rows (dicts) and asserts.
    """

    function: str
    name: str
    given: Table
    params: Mapping[str, Any] = field(default_factory=dict)
    expect: Table | Sequence[Table] | Refused | None = None
    ordered: bool = True
    instead: Mapping[str, Table | Refused] = field(default_factory=dict)
    check: Any = None
