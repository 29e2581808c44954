"""What is no frame of the lake's, told where it comes in: labels, types and names of columns.

Here: pandas' frames that others cannot be, and what is no frame. Not here: the table of cases.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest

from lake_assets import preps
from lake_assets.preps import PrepError
from lake_assets.xforms import null


def told(call: Callable[[], Any]) -> str:
    with pytest.raises(PrepError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("given", [[1, 2], None, {"a": [1]}, pd.Series(["a"])])
def test_what_is_no_frame(given: Any) -> None:
    said = told(lambda: preps.trim(given))
    assert said.startswith("trim: its first parameter is a frame")
    assert all(one in said for one in ("Polars", "pandas", "PySpark", "PyArrow", "DuckDB"))
    assert f"no {type(given).__name__}." in said


@pytest.mark.parametrize("labels", [[0, "a"], ["a", 1], [("x", "y"), "a"], [None, "a"]])
def test_labels_that_are_no_text(labels: list[Any]) -> None:
    df = pd.DataFrame([["x", "y"]])
    df.columns = pd.Index(labels, tupleize_cols=False)
    odd = next(one for one in labels if not isinstance(one, str))
    assert f"column {odd!r} has no text for a name" in told(lambda: preps.trim(df))
    assert "df.columns.map(str)" in told(lambda: preps.sort(df, "a"))


def test_labels_that_are_there_twice() -> None:
    df = pd.DataFrame([["a", "b"]], columns=["x", "x"])
    assert "several columns have the same name" in told(lambda: preps.trim(df))


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        (["x", 1], "int, str"),
        ([datetime.date(2025, 7, 1), "x", None], "date, str"),
        ([1j, None], "complex"),
        ([object(), 1], "int, object"),
    ],
)
def test_a_column_of_several_types(values: list[Any], kinds: str) -> None:
    said = told(lambda: preps.sort(pd.DataFrame({"금액": values}), "금액"))
    assert said.startswith("sort: column '금액' has values of no one type")
    assert f"({kinds})" in said
    assert "df['금액'].map(str)" in said


def test_other_columns_may_be_of_several_types() -> None:
    df = pd.DataFrame({"a": ["x", 1], "b": [" x", "y"]})
    assert preps.trim(df, "b")["b"].tolist() == ["x", "y"]


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_column_without_a_value_is_said_to_be_text(values: list[Any]) -> None:
    df = pd.DataFrame({"단가": pd.Series(values, dtype=object)})
    calls: list[Callable[[], Any]] = [
        lambda: preps.filter_examples(df, [["단가", "eq", 2.5]]),
        lambda: preps.integer_to_real(df, "단가"),
        lambda: preps.numeric_to_date(df, "단가"),
    ]
    for call in calls:
        assert "text, as objects without a value are in pandas" in told(call)
        assert "df['단가'].astype('double[pyarrow]')" in told(call)
    typed = df.astype({"단가": "double[pyarrow]"})
    assert len(preps.filter_examples(typed, [["단가", "is_missing"]])) == len(values)


def test_examples_and_types_are_in_the_lake_s_words() -> None:
    beyond = pd.DataFrame({"a": [Decimal("1E+30")]})
    said = told(lambda: preps.real_to_integer(beyond))
    assert said.endswith("For example: 1000000000000000000000000000000.")
    whole = pd.DataFrame({"a": pd.array([1, None], dtype="Int64")})
    assert "column 'a' is integer (int64), which cannot hold 3.5" in told(
        lambda: null(whole, "value", value=3.5)
    )
    money = pd.DataFrame({"a": [Decimal("1.50"), None]})
    assert "column 'a' is decimal(3, 2), which cannot hold 0.001" in told(
        lambda: null(money, "value", value=0.001)
    )


@pytest.mark.parametrize(
    ("type_", "word"),
    [
        (pl.Time, "a time of day"),
        (pl.Duration, "a duration"),
        (pl.Binary, "bytes"),
        (pl.List(pl.Int64), "lists"),
        (pl.Struct({"x": pl.Int64}), "structs"),
        (pl.Null, "of no type that is known here"),
    ],
)
def test_types_that_the_lake_has_not(type_: Any, word: str) -> None:
    df = pl.DataFrame({"a": pl.Series([None], dtype=type_)})
    assert f"trim: column 'a' is {word}" in told(lambda: preps.trim(df, "a"))
