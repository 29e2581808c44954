"""How a column comes of others: the words of column lineage.

Here: the kinds of edges, one edge within a frame and one to a column of an asset, and what a step
does to columns. Not here: finding them out (of SQL and of pipelines in `lineage.py`, of a prep
function beside the function).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

#: `identity`, `transformation` and `aggregation` say what the values are made of; `filter`,
#: `join_key`, `group_key` and `sort` which rows there are, and in which order.
Kind = Literal[
    "identity", "transformation", "aggregation", "filter", "join_key", "group_key", "sort"
]

#: The kinds of values, the weakest first: along a way the strongest counts.
VALUES: tuple[Kind, ...] = ("identity", "transformation", "aggregation")

#: `declared`: a file says so. `parsed`: read from SQL, or known of the steps. `guessed`: names that
#: are equal, or, where there is none, the rows of all inputs.
Confidence = Literal["declared", "parsed", "guessed"]

#: As people read them.
KOREAN: Mapping[Kind | Confidence, str] = {
    "identity": "그대로",
    "transformation": "변환",
    "aggregation": "집계",
    "filter": "필터",
    "join_key": "조인 키",
    "group_key": "그룹 키",
    "sort": "정렬",
    "declared": "선언",
    "parsed": "해석",
    "guessed": "추정",
}

#: In place of a column: the rows of an asset. `count(*)` comes of them.
ROWS = "*"


@dataclass(frozen=True)
class Edge:
    """A column that another one comes of."""

    column: str
    kind: Kind


@dataclass(frozen=True)
class Effect:
    """What a step does to columns.

    `made` has the edges of output columns that are neither kept as they are (same name, not among
    the step's columns) nor changed in place (same name, among them). `rows` are the columns that
    decide which rows come out, or in which order.
    """

    made: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    rows: tuple[Edge, ...] = ()


@dataclass(frozen=True, order=True)
class Origin:
    """A column of an asset that a column comes of, or that decides its rows."""

    asset: str
    column: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.asset}.{self.column}"


Origins = frozenset[Origin]


def along(kind: Kind, origins: Iterable[Origin]) -> Origins:
    """What a column comes of by `kind` through one that comes of `origins`.

    >>> sorted(one.kind for one in along("transformation", [Origin("a", "x", "identity")]))
    ['transformation']
    """
    if kind not in VALUES:
        return frozenset(replace(one, kind=kind) for one in origins)
    return frozenset(replace(one, kind=_stronger(kind, one.kind)) for one in origins)


def _stronger(one: Kind, other: Kind) -> Kind:
    return one if VALUES.index(one) >= VALUES.index(other) else other


def shortened(text: str, most: int = 80) -> str:
    """An expression on one line, its middle left out where it is long."""
    line = " ".join(text.split())
    half = (most - 3) // 2
    return line if len(line) <= most else f"{line[:half]} … {line[-half:]}"
