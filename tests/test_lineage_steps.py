"""Lineage of steps: what each prep function says it does to columns, held against what it does.

Here: every case of the functions' tables run twice, the second time with the values of one column
moved by a row; what changes must be known to come of it. And a few effects in words. Not here: the
functions' results (`tests/preps`), a dataset's SQL before the steps (`test_lineage.py`).
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pytest

from lake_assets.edge import Edge, Effect, Origin
from lake_assets.lineage_sql import SelectLineage
from lake_assets.lineage_steps import effect_of, steps_lineage
from lake_assets.preps import PrepError, Step, fit
from lake_assets.preps.catalogue import CATALOGUE
from lake_assets.preps.selectors import heard
from resources.types import parse_type
from tests.preps.engines import arrow
from tests.preps.running import CASES, name_of
from tests.preps.table import Case, Refused

STEPS = [
    case
    for case in CASES
    if case.function in CATALOGUE
    and CATALOGUE[case.function].step
    and not isinstance(case.expect, Refused)
    and "polars" not in case.instead
]


def done(step: Step, frame: pl.DataFrame) -> pl.DataFrame | None:
    """The frame after the step; None where it refuses the rows."""
    try:
        found: pl.DataFrame = step(frame)
    except PrepError:
        return None
    return found


@pytest.mark.parametrize("case", STEPS, ids=name_of)
def test_what_a_function_says_of_columns_is_what_it_does(case: Case) -> None:
    frame = pl.DataFrame(arrow(case.given))
    step = fit(CATALOGUE[case.function].function, frame, **case.params)
    with heard() as chosen:
        after = done(step, frame)
    assert after is not None
    schemas = [nw.from_native(one).schema for one in (frame, after)]
    effect = effect_of(step, *schemas, chosen)
    assert list(effect.made) == after.columns
    deciding = {edge.column for edge in effect.rows}
    assert deciding | {e.column for edges in effect.made.values() for e in edges} <= {
        *frame.columns
    }
    for name in frame.columns:
        values = frame[name]
        moved = frame.with_columns(pl.concat([values[1:], values[:1]]).alias(name))
        other = done(step, moved)
        if other is None or name in deciding or other.columns != after.columns:
            continue
        for column in after.columns:
            known = {edge.column for edge in effect.made[column]}
            same = other[column].equals(after[column], null_equal=True)
            assert name in known or same, (
                f"{column} changes with {name}, and is said to come of {sorted(known)}"
            )
    if effect.rows or not step.prep.rowwise or after.height != frame.height:
        return
    for column, edges in effect.made.items():
        if [edge.kind for edge in edges] == ["identity"]:
            before = frame[edges[0].column].cast(pl.String, strict=False)
            assert after[column].cast(pl.String, strict=False).equals(before)


def effect(name: str, given: dict[str, Any], **params: Any) -> Effect:
    frame = pl.DataFrame(given)
    step = fit(CATALOGUE[name].function, frame, **params)
    with heard() as chosen:
        after = step(frame)
    return effect_of(step, nw.from_native(frame).schema, nw.from_native(after).schema, chosen)


def test_by_default_a_chosen_column_is_changed_in_place() -> None:
    found = effect("trim", {"a": ["x "], "b": ["y "], "n": [1]}, columns="a")
    assert found.made == {
        "a": (Edge("a", "transformation"),),
        "b": (Edge("b", "identity"),),
        "n": (Edge("n", "identity"),),
    }


def test_columns_that_nobody_named_are_those_that_the_function_chose() -> None:
    found = effect("trim", {"a": ["x "], "n": [1]})
    assert found.made == {"a": (Edge("a", "transformation"),), "n": (Edge("n", "identity"),)}


def test_a_rename_keeps_values_and_a_swap_too() -> None:
    found = effect("rename", {"a": [1], "b": [2], "c": [3]}, mapping={"a": "b", "b": "a"})
    assert found.made == {
        "b": (Edge("a", "identity"),),
        "a": (Edge("b", "identity"),),
        "c": (Edge("c", "identity"),),
    }


def test_filters_and_sorts_decide_rows() -> None:
    found = effect("filter_examples", {"a": [1], "b": [2]}, filters=[["a", "gt", 0]])
    assert found.rows == (Edge("a", "filter"),)
    found = effect("sort", {"a": [1], "b": [2]}, by="b")
    assert found.rows == (Edge("b", "sort"),)
    assert found.made["b"] == (Edge("b", "identity"),)


def test_steps_one_after_another() -> None:
    start = {name: parse_type("string") for name in ("a", "b")}
    before = SelectLineage(
        {
            "a": frozenset([Origin("raw/t", "x", "aggregation")]),
            "b": frozenset([Origin("raw/t", "y", "identity")]),
        },
        frozenset([Origin("raw/t", "z", "filter")]),
        frozenset(),
        {"a": "max(x)"},
    )
    steps = [
        Step("trim", {"columns": "b"}),
        Step("rename", {"mapping": {"b": "c", "a": "d"}}),
        Step("filter_examples", {"filters": [["c", "equals", "x"]]}),
    ]
    found = steps_lineage(steps, before, start)
    assert found.columns == {
        "d": frozenset([Origin("raw/t", "x", "aggregation")]),
        "c": frozenset([Origin("raw/t", "y", "transformation")]),
    }
    assert found.rows == {Origin("raw/t", "z", "filter"), Origin("raw/t", "y", "filter")}
    assert found.expressions == {"d": "max(x)"}
