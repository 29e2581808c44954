"""Columns whose values repeat, done by distinct value: the same results, and when not."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lake_assets.preps import date_parsers, repeated
from lake_assets.preps.repeated import by_distinct
from tests.preps.running import CASES, name_of, run
from tests.preps.table import Case

DATES = [case for case in CASES if case.function in ("nominal_to_date", "date_to_nominal")]


@pytest.mark.parametrize("engine", ["pyarrow", "pandas_arrow", "pandas_numpy"])
@pytest.mark.parametrize("case", DATES, ids=name_of)
def test_the_cases_of_dates(case: Case, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "LEAST", 0)
    monkeypatch.setattr(date_parsers, "LEAST", 0)
    run(case, engine)


def test_each_value_is_made_once_and_given_to_its_rows() -> None:
    asked: list[int] = []

    def made(values: pa.Array) -> pa.Array:
        asked.append(len(values))
        return pc.utf8_length(values)

    texts = ["가나", None, "다"] * 20_000
    for array in (pa.array(texts), pa.chunked_array([texts[:7], texts[7:]]), pa.array(texts)[1:]):
        found = by_distinct(array, made)
        assert found is not None
        expect = [None if text is None else len(text) for text in array.to_pylist()]
        assert found.to_pylist() == expect
    assert asked == [2, 2, 2]


@pytest.mark.parametrize("rows", [10, 60_000])
def test_few_rows_and_values_that_differ_are_done_otherwise(rows: int) -> None:
    assert by_distinct(pa.array(map(str, range(rows))), lambda values: values) is None


def test_a_category_is_always_done_by_its_values() -> None:
    array = pa.array(["a", None, "b", "a"]).dictionary_encode()
    found = by_distinct(array, pc.utf8_upper)
    assert found is not None
    assert found.to_pylist() == ["A", None, "B", "A"]
