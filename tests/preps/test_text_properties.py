"""What holds of the functions on texts for all values, and what no table of rows shows.

Here: properties against Python's slices, strips and an own Java split, learned parameters on new
data, lists of categories and lineage. Not here: single values (`cases_text.py`).
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake_assets.edge import Edge
from lake_assets.preps import (
    CATALOGUE,
    PrepError,
    add,
    fit,
    merge,
    merge_columns,
    split_columns,
    substring,
    trim,
)
from lake_assets.preps.regex import portable
from tests.preps.engines import ENGINES, arrow, result, rows
from tests.preps.table import i64, text

LOCAL = [name for name in ENGINES if name != "pyspark"]
MANY = settings(deadline=None, max_examples=200)
FEW = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))

#: Texts of few characters of every length in UTF-8, blanks and separators among them.
TEXT = st.text("a,;1 .\n\t\u3000é가😀", max_size=8)
TEXTS = st.lists(st.none() | TEXT, min_size=1, max_size=8)


def _polars(values: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"a": pl.Series(values, dtype=pl.String)})


def _on(engine: str, function: Any, values: list[str | None], **params: Any) -> list[Any]:
    frame = ENGINES[engine](arrow({"n": i64(*range(len(values))), "a": text(*values)}))
    return [row[1:] for row in rows(result(engine, function(frame, columns="a", **params)))]


# -- substring and trim


def _sliced(value: str | None, first: int, last: int | None) -> str | None:
    return (value[first - 1 : last] or None) if value is not None else None


@MANY
@given(values=TEXTS, first=st.integers(1, 10), last=st.none() | st.integers(1, 10))
def test_substring_is_pythons_slice(values: list[str | None], first: int, last: int | None) -> None:
    found = substring(_polars(values), first_character_index=first, last_character_index=last)
    assert found["a"].to_list() == [_sliced(value, first, last) for value in values]


@pytest.mark.parametrize("engine", LOCAL)
@FEW
@given(values=TEXTS, first=st.integers(1, 10), last=st.none() | st.integers(1, 10))
def test_substring_on_every_engine(
    engine: str, values: list[str | None], first: int, last: int | None
) -> None:
    found = _on(engine, substring, values, first_character_index=first, last_character_index=last)
    assert found == [(_sliced(value, first, last),) for value in values]


@pytest.mark.parametrize("engine", LOCAL)
@FEW
@given(values=TEXTS, chars=st.text("a,;. \n\u3000가😀^]-[\\", min_size=1, max_size=4))
def test_trim_is_pythons_strip(engine: str, values: list[str | None], chars: str) -> None:
    found = _on(engine, trim, values, chars=chars)
    assert found == [(value.strip(chars) or None if value else None,) for value in values]


# -- split


def _java_split(value: str, separators: str) -> list[str]:
    """By hand, a character at a time."""
    if not value:
        return [""]
    parts = [""]
    for character in value:
        if character in separators:
            parts.append("")
        else:
            parts[-1] += character
    while parts and not parts[-1]:
        parts.pop()
    return parts


PATTERNS = [(",", ","), (r"\.", "."), ("[,;]", ",;"), (r",|\.", ",."), (r"\n", "\n"), ("가", "가")]


@pytest.mark.parametrize("engine", LOCAL)
@pytest.mark.parametrize(("pattern", "separators"), PATTERNS)
@FEW
@given(values=TEXTS)
def test_split_is_javas(
    engine: str, pattern: str, separators: str, values: list[str | None]
) -> None:
    split = [_java_split(value, separators) if value is not None else [] for value in values]
    most = max(map(len, split))
    found = _on(engine, split_columns, values, split_pattern=pattern)
    if most <= 1:
        assert found == [(value,) for value in values]
    else:
        assert found == [tuple(parts + [None] * (most - len(parts))) for parts in split]
    unordered = _on(
        engine, split_columns, values, split_pattern=pattern, split_mode="unordered_split"
    )
    every = sorted({part for parts in split for part in parts})
    assert unordered == [tuple(part in parts for part in every) for parts in split]


@pytest.mark.parametrize("engine", LOCAL)
@FEW
@given(
    pairs=st.lists(st.tuples(TEXT, TEXT.filter(bool)), min_size=1, max_size=6),
    separator=st.sampled_from(["_", "|", "->", "\u3000_"]),
)
def test_joined_and_split_again_is_the_same(
    engine: str, pairs: list[tuple[str, str]], separator: str
) -> None:
    first, second = zip(*pairs, strict=True)
    frame = ENGINES[engine](arrow({"a": text(*first), "b": text(*second)}))
    joined = merge_columns(frame, "a", "b", separator=separator)
    name = f"a{separator}b"
    pattern = separator.replace("|", r"\|")
    back = result(engine, split_columns(joined, name, split_pattern=pattern))
    assert back.column_names == ["a", "b", f"{name}_1", f"{name}_2"]
    assert back.select([2, 3]).to_pydict() == {
        f"{name}_1": list(first),
        f"{name}_2": list(second),
    }


@pytest.mark.parametrize("engine", LOCAL)
def test_a_fitted_split_is_plain_data_and_makes_the_same_columns(engine: str) -> None:
    seen = ENGINES[engine](arrow({"a": text("x,y", "z"), "n": i64(1, 2)}))
    fresh = ENGINES[engine](arrow({"a": text("y"), "n": i64(3)}))
    ordered = fit(split_columns, seen, columns="a")
    assert json.loads(json.dumps(ordered.params)) == {"columns": ["a"], "parts": {"a": 2}}
    assert result(engine, ordered(fresh)).to_pydict() == {"a_1": ["y"], "a_2": [None], "n": [3]}
    unordered = fit(split_columns, seen, columns="a", split_mode="unordered_split")
    assert unordered.params["parts"] == {"a": ["x", "y", "z"]}
    assert result(engine, unordered(fresh)).to_pydict() == {
        "a_x": [False],
        "a_y": [True],
        "a_z": [False],
        "n": [3],
    }


@pytest.mark.parametrize("engine", LOCAL)
@pytest.mark.parametrize(("mode", "parts"), [("ordered_split", 1), ("unordered_split", ["김비밀"])])
def test_parts_beyond_those_learned_are_warned_of_and_never_told(
    engine: str, mode: Any, parts: Any
) -> None:
    frame = ENGINES[engine](arrow({"a": text("김비밀,박비밀", None)}))
    params: dict[str, Any] = {"split_mode": mode, "parts": {"a": parts}}
    with pytest.warns(UserWarning, match="than were learned") as caught:
        split_columns(frame, "a", **params)
    (one,) = caught
    assert "'a' has 1 more values or parts" in str(one.message)
    assert "비밀" not in str(one.message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_columns(frame, "a", **params, unexpected_value_handling="all 0")
        split_columns(frame, "a", split_mode=mode)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\s*;\s*", r"[ \t\n\x0b\f\r]*;[ \t\n\x0b\f\r]*"),
        (r"[\s,]", r"[ \t\n\x0b\f\r,]"),
        (r"\D", "[^0-9]"),
        ("a.b", r"a[^\n]b"),
        (r"\.", r"\."),
        ("[.]", "[.]"),
        ("[]a]", r"[\]a]"),
        ("[^]a]", r"[^\]a]"),
        (r"(?:a|b)+", "(?:a|b)+"),
        (r"a{2,3}", "a{2,3}"),
        (r"\++", r"\++"),
        ("--", "--"),
        (r"\/", "/"),
    ],
)
def test_an_expression_in_the_words_of_all_engines(pattern: str, expected: str) -> None:
    assert portable("f", "p", pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("a(?=b)", "'(?='"),
        ("a(?<!b)", "'(?<'"),
        (r"(a)\1", r"'\\1'"),
        (r"\bx", r"'\\b'"),
        (r"\p{L}", r"'\\p'"),
        ("a$", "'$'"),
        ("a++", "'++'"),
        ("[a[b]]", "'['"),
        ("[a-z&&b]", "'&&'"),
        (r"[\W]", r"'\\W'"),
        ("a{", "'{'"),
        ("a)", "no regular expression"),
        ("[a", "no regular expression"),
        ("*", "no regular expression"),
        ("a(?i)", "no regular expression"),
    ],
)
def test_what_engines_read_differently_is_refused(pattern: str, part: str) -> None:
    with pytest.raises(PrepError) as caught:
        portable("f", "p", pattern)
    assert part in str(caught.value)
    assert str(caught.value).startswith("f: p ")


# -- values


def test_add_puts_the_value_into_the_list_where_there_is_one() -> None:
    polars = pl.DataFrame({"a": pl.Series(["S", None], dtype=pl.Enum(["M", "S"]))})
    for frame in (polars, polars.lazy()):
        found: Any = add(frame, "a", "L")
        dtype = found.lazy().collect_schema()["a"]
        assert dtype.categories.to_list() == ["M", "S", "L"]
        assert found.lazy().collect()["a"].to_list() == ["S", None]
        assert add(frame, "a", "M").lazy().collect_schema()["a"] == polars["a"].dtype
    pandas = pd.DataFrame({"a": pd.Categorical(["S", None])})
    assert add(pandas, "a", "L")["a"].cat.categories.to_list() == ["S", "L"]
    assert pandas["a"].cat.categories.to_list() == ["S"]
    chunks = [pa.array(["S", None]).dictionary_encode(), pa.array(["L"]).dictionary_encode()]
    table: Any = add(pa.table({"a": pa.chunked_array(chunks)}), "a", "L")
    assert [chunk.dictionary.to_pylist() for chunk in table["a"].chunks] == [["S", "L"], ["L"]]
    assert table["a"].to_pylist() == ["S", None, "L"]


def test_merge_keeps_a_category_one() -> None:
    polars = pl.DataFrame({"a": pl.Series(["S", "M"], dtype=pl.Enum(["M", "S"]))})
    assert merge(polars, "a", "S", "L").schema["a"] == pl.Categorical
    pandas = pd.DataFrame({"a": pd.Categorical(["S", "M"])})
    found = merge(pandas, "a", "S", "L")["a"]
    assert sorted(found.cat.categories) == ["M", "S_L"]


@pytest.mark.parametrize(
    ("name", "params", "columns", "made"),
    [
        ("merge", {"column": "a"}, ["a", "b"], {"a": (Edge("a", "transformation"),)}),
        ("add", {"column": "a"}, ["a", "b"], {"a": (Edge("a", "identity"),)}),
        (
            "merge_columns",
            {"first": "a", "second": "b"},
            ["a", "b", "a_b"],
            {"a_b": (Edge("a", "transformation"), Edge("b", "transformation"))},
        ),
        (
            "split_columns",
            {"parts": {"a": 2}},
            ["a_1", "a_2", "b"],
            {name: (Edge("a", "transformation"),) for name in ("a_1", "a_2")},
        ),
    ],
)
def test_what_columns_come_of(
    name: str, params: dict[str, Any], columns: list[str], made: dict[str, Any]
) -> None:
    effect = CATALOGUE[name].effect
    assert effect is not None
    before = nw.Schema({"a": nw.String(), "b": nw.String()})
    after = nw.Schema(dict.fromkeys(columns, nw.String()))
    found = effect(params, before, after)
    assert found.made == made
    assert found.rows == ()
