"""Properties of the functions on rows and columns, whatever the rows are: on Polars mostly.

Here: what holds of all frames, and what no table of cases shows (seeds, learned values, lineage).
Not here: examples (`cases_filters.py`, `cases_rows.py`, `cases_columns.py`, `cases_null.py`).
"""

from __future__ import annotations

import itertools
import json
import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake_assets.edge import Edge
from lake_assets.preps import (
    filter_examples,
    fit,
    remove_attributes,
    rename,
    sample,
    select_attributes,
    select_by_random,
    shuffle,
    sort,
    split_rows,
    split_rows_at,
)
from lake_assets.preps.catalogue import CATALOGUE
from lake_assets.xforms import null
from tests.preps.engines import ENGINES, dicts, result

LOCAL = [name for name in ENGINES if name != "pyspark"]
#: Those that draw alike by the same seed.
ALIKE = [name for name in LOCAL if name != "duckdb"]

pytestmark = pytest.mark.filterwarnings("ignore:null")
many = settings(max_examples=200, deadline=None)

#: Half of the examples on Polars, the rest on the others of this process.
engines = st.sampled_from(["polars"] * len(LOCAL) + LOCAL)
#: Few values, so that there are ties; null and NaN; texts beyond the basic plane.
reals = st.none() | st.sampled_from([0.0, 1.5, -1.5, math.nan, math.inf, -math.inf])
words = st.none() | st.sampled_from(["", "B", "a", "가", "나", "\uffee", "😀"])
pairs = st.lists(st.tuples(reals, words), max_size=30)
seeds = st.integers(0, 2**31)
Pairs = Sequence[tuple[float | None, str | None]]
Rows = list[dict[str, Any]]


def table(given: Pairs) -> pa.Table:
    """Numbered rows of a float and a text."""
    return pa.table(
        {
            "n": pa.array(range(len(given)), pa.int64()),
            "a": pa.array([one for one, _ in given], pa.float64()),
            "b": pa.array([one for _, one in given], pa.string()),
        }
    )


def rows(engine: str, frame: Any) -> Rows:
    return dicts(result(engine, frame))


def numbers(engine: str, frame: Any) -> list[int]:
    return [row["n"] for row in rows(engine, frame)]


def seeded(seed: int) -> dict[str, Any]:
    return {"use_local_random_seed": True, "local_random_seed": seed}


# -- filter

real_conditions = st.tuples(
    st.just("a"), st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), st.sampled_from([0, 1.5])
)
word_conditions = st.tuples(
    st.just("b"),
    st.sampled_from(["equals", "does_not_equal", "contains", "does_not_contain", "starts_with"]),
    st.sampled_from(["", "a", "가"]),
)
missing_conditions = st.tuples(
    st.sampled_from(["a", "b"]), st.sampled_from(["is_missing", "is_not_missing"])
)
conditions = st.lists(
    real_conditions | word_conditions | missing_conditions, min_size=1, max_size=3
)


BY_PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "equals": operator.eq,
    "does_not_equal": operator.ne,
    "contains": operator.contains,
    "does_not_contain": lambda value, part: part not in value,
    "starts_with": str.startswith,
}


def holds(row: dict[str, Any], condition: Any) -> bool:
    """By Python; a NaN is None in these rows."""
    column, asked, *rest = condition
    value = row[column]
    if asked in ("is_missing", "is_not_missing"):
        return (value is None) is bool(asked == "is_missing")
    if value is None:
        return bool(asked == "ne")
    return bool(BY_PYTHON[asked](value, rest[0]))


@many
@given(engine=engines, of=pairs, filters=conditions, logic=st.sampled_from(["and", "or"]))
def test_a_filter_and_its_inverse_part_the_rows(
    engine: str, of: Pairs, filters: Any, logic: Any
) -> None:
    given = table(of)
    frame = ENGINES[engine](given)
    kept = numbers(engine, filter_examples(frame, filters, logic=logic))
    others = numbers(engine, filter_examples(frame, filters, logic=logic, invert=True))
    all_or_any = all if logic == "and" else any
    expected = [row["n"] for row in dicts(given) if all_or_any(holds(row, one) for one in filters)]
    assert kept == expected
    assert sorted(kept + others) == list(range(len(of)))


# -- sort


@many
@given(
    engine=engines,
    of=pairs,
    by=st.permutations(["a", "b"]),
    descending=st.lists(st.booleans(), min_size=2, max_size=2),
    nulls_last=st.booleans(),
)
def test_sort_is_that_of_python(
    engine: str, of: Pairs, by: list[str], descending: list[bool], nulls_last: bool
) -> None:
    given = table(of)
    found = rows(
        engine, sort(ENGINES[engine](given), by, descending=descending, nulls_last=nulls_last)
    )
    expected = dicts(given)
    for name, down in reversed(list(zip(by, descending, strict=True))):
        there = [row for row in expected if row[name] is not None]
        missing = [row for row in expected if row[name] is None]
        there.sort(key=lambda row, name=name: row[name], reverse=down)  # type: ignore[misc]
        expected = there + missing if nulls_last else missing + there
    assert found == expected


@pytest.mark.parametrize("engine", LOCAL)
@pytest.mark.parametrize("by", [["k"], ["k", "b"]])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable_beyond_what_engines_sort_by_insertion(
    engine: str, by: list[str], descending: bool
) -> None:
    size = 20_000
    given = pa.table(
        {
            "k": [at * 7919 % 5 for at in range(size)],
            "b": ["가나"[at % 2] for at in range(size)],
            "n": list(range(size)),
        }
    )
    found = rows(engine, sort(ENGINES[engine](given), by, descending=descending))
    key = operator.itemgetter(*by)
    assert found == sorted(dicts(given), key=key, reverse=descending)


@many
@given(engine=engines, of=pairs)
def test_sort_by_the_number_undoes_a_shuffle(engine: str, of: Pairs) -> None:
    given = table(of)
    assert rows(engine, sort(shuffle(ENGINES[engine](given)), "n")) == dicts(given)


# -- drawn at random


@many
@given(engine=engines, of=pairs, seed=seeds)
def test_shuffle_permutes(engine: str, of: Pairs, seed: int) -> None:
    given = table(of)
    found = rows(engine, shuffle(ENGINES[engine](given), **seeded(seed)))
    assert sorted(found, key=lambda row: row["n"]) == dicts(given)


@many
@given(engine=engines, of=pairs, share=st.floats(0, 1), seed=seeds)
def test_a_sample_is_distinct_rows_in_their_order(
    engine: str, of: Pairs, share: float, seed: int
) -> None:
    given = table(of)
    found = rows(
        engine,
        sample(ENGINES[engine](given), "relative", sample_ratio=share, **seeded(seed)),
    )
    assert len(found) == math.floor(Fraction(str(share)) * len(of))
    drawn = [row["n"] for row in found]
    assert drawn == sorted(set(drawn))
    assert found == [dicts(given)[at] for at in drawn]


shares = st.lists(st.integers(0, 10), min_size=1, max_size=4).filter(any)


@many
@given(
    engine=engines,
    of=pairs,
    tenths=shares,
    kind=st.sampled_from(["linear", "shuffled", "stratified", "automatic"]),
    seed=seeds,
)
def test_split_rows_parts_the_rows(
    engine: str, of: Pairs, tenths: list[int], kind: Any, seed: int
) -> None:
    given = table(of)
    label = "b" if kind == "stratified" else None
    parts = split_rows(
        ENGINES[engine](given),
        [one / 10 for one in tenths],
        sampling_type=kind,
        label=label,
        **seeded(seed),
    )
    found = [rows(engine, part) for part in parts]
    assert len(found) == len(tenths)
    assert all(part == sorted(part, key=lambda row: row["n"]) for part in found)
    assert sorted((row for part in found for row in part), key=lambda row: row["n"]) == dicts(given)
    classes = [row["b"] for row in dicts(given)] if label else [None] * len(of)
    for one, there in Counter(classes).items():
        ends = [
            math.floor(Fraction(there * sum(tenths[:at]), sum(tenths)) + Fraction(1, 2))
            for at in range(len(tenths) + 1)
        ]
        sizes = [sum(not label or row["b"] == one for row in part) for part in found]
        assert sizes == [after - before for before, after in itertools.pairwise(ends)]


@many
@given(engine=engines, of=pairs, first=st.integers(1, 12), more=st.none() | st.integers(0, 12))
def test_split_rows_at_slices(engine: str, of: Pairs, first: int, more: int | None) -> None:
    last = None if more is None else first + more
    (found,) = split_rows_at(ENGINES[engine](table(of)), [(first, last)])
    assert numbers(engine, found) == list(range(len(of)))[first - 1 : last]


def test_the_same_seed_draws_the_same_on_all_engines_but_duckdb() -> None:
    given = table([(1.5, "가"), (0.0, None), (None, "나")] * 20)
    draws: list[Any] = [
        lambda frame, seed: [shuffle(frame, **seeded(seed))],
        lambda frame, seed: [sample(frame, sample_size=7, **seeded(seed))],
        lambda frame, seed: [sample(frame, "probability", **seeded(seed))],
        lambda frame, seed: split_rows(frame, **seeded(seed)),
    ]
    for draw in draws:

        def drawn(engine: str, seed: int, draw: Any = draw) -> list[list[int]]:
            return [numbers(engine, part) for part in draw(ENGINES[engine](given), seed)]

        expected = drawn("polars", 7)
        assert [drawn(engine, 7) for engine in ALIKE] == [expected] * len(ALIKE)
        assert drawn("duckdb", 7) == drawn("duckdb", 7)
        assert drawn("polars", 8) != expected
        assert drawn("duckdb", 8) != drawn("duckdb", 7)


def test_a_sample_is_fair() -> None:
    """Each row in about a third of 300 samples; 0.003 % of fair draws are 4 sigma off."""
    frame = pl.DataFrame({"n": list(range(30))})
    for engine, one in {"polars": frame, "duckdb": ENGINES["duckdb"](frame.to_arrow())}.items():
        drawn = Counter(
            n
            for seed in range(300)
            for n in numbers(engine, sample(one, sample_size=10, **seeded(seed)))
        )
        assert len(drawn) == 30
        assert all(abs(times - 100) < 4 * math.sqrt(300 * 2 / 9) for times in drawn.values())


# -- columns

names = st.lists(st.sampled_from("abcdef가나"), unique=True, min_size=1, max_size=6)


@many
@given(engine=engines, of=names, data=st.data())
def test_renaming_there_and_back(engine: str, of: list[str], data: st.DataObject) -> None:
    frame = ENGINES[engine](pa.table({name: [at] for at, name in enumerate(of)}))
    mapping = dict(zip(of, data.draw(st.permutations(of)), strict=True))
    there = rename(frame, mapping)
    assert rows(engine, there) == [{mapping[name]: at for at, name in enumerate(of)}]
    back = rename(there, {new: old for old, new in mapping.items()})
    assert rows(engine, back) == rows(engine, frame)


@many
@given(engine=engines, of=names, data=st.data())
def test_selected_and_removed_columns_are_all(
    engine: str, of: list[str], data: st.DataObject
) -> None:
    frame = ENGINES[engine](pa.table({name: [at] for at, name in enumerate([*of, "z"])}))
    some = data.draw(st.lists(st.sampled_from(of), unique=True, min_size=1))
    kept = rows(engine, select_attributes(frame, some))[0]
    others = rows(engine, remove_attributes(frame, some))[0]
    assert list(kept) == [name for name in of if name in some]
    assert list(others) == [name for name in [*of, "z"] if name not in some]
    assert rows(engine, select_attributes(frame, some, invert=True))[0] == others


@many
@given(of=names, seed=seeds)
def test_random_columns_are_the_same_for_a_seed(of: list[str], seed: int) -> None:
    frame = pl.DataFrame({name: [1] for name in of})
    found = select_by_random(frame, **seeded(seed)).columns
    assert found == [name for name in of if name in found]
    assert found == select_by_random(frame, **seeded(seed)).columns


# -- null


@many
@given(
    engine=engines,
    of=pairs,
    method=st.sampled_from(["minimum", "maximum", "median", "mode", "average"]),
)
def test_null_fills_with_what_it_learned(engine: str, of: Pairs, method: Any) -> None:
    finite = [(None if one in (math.inf, -math.inf) else one, word) for one, word in of]
    frame = ENGINES[engine](table(finite))
    step = fit(null, frame, method=method, columns=["a"])
    kept = json.loads(json.dumps(dict(step.params)))
    there = [row["a"] for row in dicts(table(finite)) if row["a"] is not None]
    if not there:
        assert kept["values"] == {"a": None}
        return
    assert min(there) <= kept["values"]["a"] <= max(there)
    filled = [
        {**row, "a": kept["values"]["a"] if row["a"] is None else row["a"]}
        for row in dicts(table(finite))
    ]
    assert rows(engine, null(frame, **kept)) == filled
    assert rows(engine, null(frame, method, ["a"])) == filled


@many
@given(engine=engines, of=pairs)
def test_null_forward_is_backward_of_the_reverse(engine: str, of: Pairs) -> None:
    ahead = rows(engine, null(ENGINES[engine](table(of)), "ffill", ["a", "b"]))
    back = rows(engine, null(ENGINES[engine](table(of[::-1])), "bfill", ["a", "b"]))
    assert [(row["a"], row["b"]) for row in ahead] == [(row["a"], row["b"]) for row in back][::-1]


@many
@given(engine=engines, of=pairs, how=st.sampled_from(["any", "all"]))
def test_dropping_is_filtering(engine: str, of: Pairs, how: Any) -> None:
    frame = ENGINES[engine](table(of))
    present = [("a", "is_not_missing"), ("b", "is_not_missing")]
    logic: Any = "and" if how == "any" else "or"
    assert rows(engine, null(frame, "drop", ["a", "b"], how=how)) == rows(
        engine, filter_examples(frame, present, logic=logic)
    )


def test_null_tells_of_columns_that_a_method_does_not_fit() -> None:
    with pytest.warns(UserWarning, match="'b' is text: minimum leaves it as it is"):
        null(pl.DataFrame({"a": [1, None], "b": ["x", None]}), "minimum")


# -- frames as they come back


def test_a_numpy_backed_frame_stays_numpy_backed() -> None:
    given = pd.DataFrame(
        {
            "a": [2.0, None, 1.0],
            "b": ["x", None, "z"],
            "n": [1, 2, 3],
            "nullable": pd.array([1, 2, 3], "Int64"),
            "flag": pd.array([True, False, True], "boolean"),
        }
    )
    before = given.copy()
    found = [
        sort(given, ["a", "nullable"]),
        filter_examples(given, [("a", "ge", 1)]),
        shuffle(given),
        rename(given, {"a": "a"}),
        null(given),
    ]
    for one in found:
        assert dict(one.dtypes) == dict(given.dtypes)
    pd.testing.assert_frame_equal(given, before)


# -- lineage

BEFORE = nw.Schema({"a": nw.Int64(), "b": nw.String()})


def effect(name: str, params: dict[str, Any], after: nw.Schema) -> Any:
    prep = CATALOGUE[name]
    assert prep.effect is not None
    bound = prep.signature.bind(**params)
    bound.apply_defaults()
    return prep.effect(bound.arguments, BEFORE, after)


def test_a_swap_of_names_is_told_to_lineage() -> None:
    swapped = nw.Schema({"b": nw.Int64(), "a": nw.String()})
    found = effect("rename", {"mapping": {"a": "b", "b": "a"}}, swapped)
    assert found.made == {"b": (Edge("a", "identity"),), "a": (Edge("b", "identity"),)}


@pytest.mark.parametrize(
    ("name", "params", "rows"),
    [
        ("filter_examples", {"filters": [("b", "equals", "x")]}, [("b", "filter")]),
        (
            "filter_examples",
            {"condition_class": "expression", "expression": "a > 1 || missing(b)"},
            [("a", "filter"), ("b", "filter")],
        ),
        ("filter_examples", {"condition_class": "all"}, []),
        (
            "filter_examples",
            {"condition_class": "missing_attributes"},
            [("a", "filter"), ("b", "filter")],
        ),
        ("sort", {"by": "b"}, [("b", "sort")]),
        ("sort", {"by": ["b", "a"]}, [("b", "sort"), ("a", "sort")]),
        ("sample", {"balance_data": True, "label": "b"}, [("b", "filter")]),
        ("sample", {}, []),
        ("null", {"method": "drop", "columns": "a"}, [("a", "filter")]),
        ("null", {}, []),
    ],
)
def test_the_columns_that_decide_rows(name: str, params: Any, rows: Any) -> None:
    assert effect(name, params, BEFORE).rows == tuple(Edge(*one) for one in rows)
