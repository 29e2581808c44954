"""What holds of the functions on nominal columns for all values, and what no table of rows shows.

Here: properties (dummy coding gives the value back), learned parameters on new data, warnings,
types of categories and lineage. Not here: single values (`cases_nominal.py`).
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake_assets.edge import Edge
from lake_assets.preps import (
    CATALOGUE,
    PrepError,
    fit,
    nominal_to_binominal,
    nominal_to_numeric,
    nominal_to_text,
    text_to_nominal,
)
from lake_assets.preps import values as values_module
from tests.preps.engines import ENGINES, arrow, result, rows
from tests.preps.table import category, text

#: Any text but surrogates (no engine holds them); of few letters, so that values repeat.
VALUES = st.lists(st.none() | st.text("ab가 =_", max_size=3), max_size=12)
LOCAL = [name for name in ENGINES if name != "pyspark"]
WITH_CATEGORIES = ["polars", "polars_lazy", "pandas_arrow", "pandas_numpy", "pyarrow"]


def _texts(values: list[str | None]) -> Any:
    # A second column, as the first may become none.
    return {"c": text(*values), "d": text(*("x" for _ in values))}


@pytest.mark.parametrize("engine", LOCAL)
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(values=VALUES)
def test_dummy_coding_then_the_column_that_is_1_gives_the_value(
    engine: str, values: list[str | None]
) -> None:
    coded = result(
        engine, nominal_to_numeric(ENGINES[engine](arrow(_texts(values))), columns="c")
    ).drop_columns(["d"])
    back = [
        next((name.removeprefix("c = ") for name, one in row.items() if one == 1), None)
        for row in coded.to_pylist()
    ]
    assert (back if coded.column_names else [None] * len(values)) == values


@settings(deadline=None, max_examples=60)
@given(values=VALUES, groups=st.data())
def test_effect_coding_is_dummy_coding_less_the_groups_column(
    values: list[str | None], groups: st.DataObject
) -> None:
    known = sorted({value for value in values if value is not None})
    if not known:
        return
    group = groups.draw(st.sampled_from(known))
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String), "n": range(len(values))})
    dummy = nominal_to_numeric(frame, columns="c")
    effect = nominal_to_numeric(
        frame, columns="c", coding_type="effect coding", comparison_groups={"c": group}
    )
    assert effect.columns == [name for name in dummy.columns if name != f"c = {group}"]
    for name in effect.columns[:-1]:
        expected = (dummy[name] - dummy[f"c = {group}"]).to_list()
        assert effect[name].to_list() == expected


@settings(deadline=None, max_examples=60)
@given(values=VALUES)
def test_unique_integers_are_places_in_the_sorted_values(values: list[str | None]) -> None:
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    step = fit(nominal_to_numeric, frame, coding_type="unique integers")
    places = step.params["values"]["c"]
    assert places == sorted({value for value in values if value is not None})
    back = [None if one is None else places[one] for one in step(frame)["c"].to_list()]
    assert back == values


@pytest.mark.parametrize("engine", LOCAL)
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(values=VALUES)
def test_category_and_back_is_the_same_text(engine: str, values: list[str | None]) -> None:
    frame = ENGINES[engine](arrow({"c": text(*values)}))
    assert rows(result(engine, nominal_to_text(text_to_nominal(frame)))) == [(v,) for v in values]


@pytest.mark.parametrize("engine", WITH_CATEGORIES)
@pytest.mark.parametrize("values", [("b", None, "a"), (), (None,)])
def test_the_types_are_a_category_and_a_text(engine: str, values: tuple[str | None, ...]) -> None:
    as_text = ENGINES[engine](arrow({"c": text(*values)}))
    categorised = text_to_nominal(as_text)
    assert isinstance(_dtype(categorised), nw.Categorical | nw.Enum)
    assert isinstance(_dtype(nominal_to_binominal(as_text)), nw.Categorical | nw.Enum)
    plain = nominal_to_text(ENGINES[engine](arrow({"c": category(*values)})))
    if engine != "pandas_numpy":
        assert _dtype(plain) == nw.String
    else:  # pandas' own text is an object
        assert plain["c"].dtype == object
        assert categorised["c"].cat.categories.dtype == object


def _dtype(frame: Any) -> Any:
    found: Any = nw.from_native(frame)
    return found.collect_schema()["c"]


@pytest.mark.parametrize("engine", LOCAL)
def test_a_fitted_step_is_plain_data_and_makes_the_same_columns(engine: str) -> None:
    seen = ENGINES[engine](arrow({"등급": text("B", None, "A"), "지역": text("x", "y", "x")}))
    fresh = ENGINES[engine](arrow({"등급": text("A", "A"), "지역": text(None, "y")}))
    step = fit(nominal_to_numeric, seen)
    assert json.loads(json.dumps(step.params, ensure_ascii=False)) == {
        "columns": ["등급", "지역"],
        "values": {"등급": ["A", "B"], "지역": ["x", "y"]},
    }
    found = result(engine, step(fresh))
    assert found.to_pydict() == {
        "등급 = A": [1, 1],
        "등급 = B": [0, 0],
        "지역 = x": [0, 0],
        "지역 = y": [0, 1],
    }


def test_a_fitted_selector_holds_the_columns_it_found() -> None:
    frame = pl.DataFrame({"a": ["x"], "b": ["y"], "n": [1]})
    step = fit(nominal_to_binominal, frame, columns={"regular_expression": "a|n"})
    assert step.params == {"columns": ["a"], "values": {"a": ["x"]}}


@pytest.mark.parametrize("engine", LOCAL)
@pytest.mark.parametrize(
    ("function", "params"),
    [
        (nominal_to_numeric, {}),
        (nominal_to_numeric, {"coding_type": "unique integers"}),
        (nominal_to_binominal, {"transform_binominal": True}),
        (nominal_to_binominal, {}),
    ],
)
def test_unexpected_values_are_warned_of_and_never_told(
    engine: str, function: Any, params: dict[str, Any]
) -> None:
    frame = ENGINES[engine](arrow({"c": text("김비밀", "a", "박비밀", None)}))
    learned = {"values": {"c": ["a"]}, **params}
    with pytest.warns(UserWarning, match="than were learned") as caught:
        function(frame, **learned)
    (one,) = caught
    assert "'c' has 2 more values" in str(one.message)
    assert "비밀" not in str(one.message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(frame, **learned, unexpected_value_handling="all 0")
        function(frame, **params)  # what it learns itself is never unexpected


def test_a_value_that_is_null_in_new_data_is_not_unexpected() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nominal_to_numeric(pl.DataFrame({"c": ["a", None]}), values={"c": ["a"]})


def test_a_lazy_frame_stays_lazy() -> None:
    lazy = pl.LazyFrame({"c": ["b", "a"]})
    assert isinstance(nominal_to_numeric(lazy), pl.LazyFrame)
    assert isinstance(nominal_to_numeric(lazy, values={"c": ["a", "b"]}), pl.LazyFrame)


def test_too_many_columns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values_module, "MOST_COLUMNS", 3)
    frame = pl.DataFrame({"번호": ["1", "2", "3", "4"]})
    for function in (nominal_to_numeric, nominal_to_binominal):
        with pytest.raises(PrepError, match="'번호' would be 4 columns; 3 at most"):
            function(frame)
    assert nominal_to_numeric(frame, coding_type="unique integers")["번호"].to_list() == [
        0,
        1,
        2,
        3,
    ]


def test_the_input_is_as_it_was() -> None:
    frame = pa.table({"c": ["a", "b"], "n": [1, 2]})
    pandas = frame.to_pandas()
    before = pandas.copy(deep=True)
    nominal_to_numeric(pandas)
    text_to_nominal(pandas)
    assert pandas.equals(before)
    assert list(pandas.dtypes) == list(before.dtypes)


def test_a_new_column_comes_of_the_one_it_is_named_after() -> None:
    effect = CATALOGUE["nominal_to_numeric"].effect
    assert effect is not None
    before = nw.Schema({"a": nw.String(), "a = b": nw.String(), "n": nw.Int64()})
    after = nw.Schema({"a = x": nw.Int64(), "a = b = c": nw.Int64(), "n": nw.Int64()})
    assert effect({}, before, after).made == {
        "a = x": (Edge("a", "transformation"),),
        "a = b = c": (Edge("a = b", "transformation"),),
    }
    learned = {"values": {"a": ["x", "b = c"], "a = b": []}}
    assert effect(learned, before, after).made["a = b = c"] == (Edge("a", "transformation"),)
