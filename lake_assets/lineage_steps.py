"""What the steps of a dataset do to the lineage of its columns.

Here: each step's effect on columns, found from its parameters and the columns before and after it.
Not here: the functions and what they say of themselves (`preps/`), SQL (`lineage_sql.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lake_assets import steps as step_words
from lake_assets.edge import Edge, Effect, Origins, along
from lake_assets.lineage_sql import SelectLineage
from resources.types import ColumnType

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from lake_assets.preps import Step


def effect_of(step: Step, before: nw.Schema, after: nw.Schema, chosen: set[str]) -> Effect:
    """What a step does to every column after it; `chosen` are the columns that it worked on.

    What the function says of itself wins. By default a column keeps its values unless it is among
    those chosen, and a new one is made of them.
    """
    defaults = {
        name: one.default
        for name, one in step.prep.signature.parameters.items()
        if one.default is not inspect.Parameter.empty
    }
    said = (
        step.prep.effect({**defaults, **step.params}, before, after)
        if step.prep.effect
        else Effect()
    )
    made: dict[str, tuple[Edge, ...]] = {}
    for name in after:
        if name in said.made:
            made[name] = said.made[name]
        elif name in before:
            made[name] = (Edge(name, "transformation" if name in chosen else "identity"),)
        else:
            made[name] = tuple(Edge(one, "transformation") for one in before if one in chosen)
    return Effect(made, said.rows)


def steps_lineage(
    steps: Sequence[Step], found: SelectLineage, start: Mapping[str, ColumnType]
) -> SelectLineage:
    """`found`, which is of the columns before the first step, after the last.

    StepError where a step does not suit the columns before it.
    """
    import pyarrow as pa

    from lake_assets.preps.selectors import heard

    schema = pa.schema([(name, type_.arrow()) for name, type_ in start.items()])
    before = step_words.start_schema(schema)
    for step in steps:
        with heard() as chosen:
            _, after = step_words.schemas([step], before)
        effect = effect_of(step, before, after, chosen | _named(step.params))
        found = _after(found, effect)
        before = after
    return found


def _named(params: Mapping[str, Any]) -> set[str]:
    """Functions on one column take its name in `column`, and look at no selector."""
    return {params["column"]} if isinstance(params.get("column"), str) else set()


def _after(found: SelectLineage, effect: Effect) -> SelectLineage:
    def come(edges: Sequence[Edge]) -> Origins | None:
        reached = [(edge.kind, found.columns.get(edge.column)) for edge in edges]
        if any(origins is None for _, origins in reached):
            return None
        return frozenset(one for kind, origins in reached for one in along(kind, origins or ()))

    columns = {name: come(edges) for name, edges in effect.made.items()}
    texts = {
        name: found.expressions[edges[0].column]
        for name, edges in effect.made.items()
        if len(edges) == 1 and edges[0].kind == "identity" and edges[0].column in found.expressions
    }
    deciding = frozenset(
        one
        for edge in effect.rows
        for one in along(edge.kind, found.columns.get(edge.column) or ())
        if one.column != "*"
    )
    return replace(found, columns=columns, rows=found.rows | deciding, expressions=texts)
