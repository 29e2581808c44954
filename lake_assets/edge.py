"""How a column comes of others: the words of column lineage.

Here: the kinds of edges, one edge, and what a step does to columns. Not here: finding them out (of
SQL and of pipelines in `lineage.py`, of a prep function beside the function).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: `identity`, `transformation` and `aggregation` say what the values are made of; `filter`,
#: `join_key` and `sort` which rows there are, and in which order.
Kind = Literal["identity", "transformation", "aggregation", "filter", "join_key", "sort"]


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
