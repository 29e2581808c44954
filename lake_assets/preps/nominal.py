"""Prep functions that change nominal columns into other types: truth values, numbers, texts.

Here: functions 21, 22, 23 and 25. Not here: dates of texts (`date_types.py`), numbers of texts
(`number_text.py`), and what they share with splitting (`values.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import Columns, chosen
from lake_assets.preps.values import (
    NO_VALUE,
    Unexpected,
    distinct,
    effect_of_made,
    in_place,
    learned_columns,
    limited,
    one_of,
    unexpected_told,
    warn_of,
    with_categories,
    with_texts,
)

Coding = Literal["dummy coding", "effect coding", "unique integers"]
Values = Mapping[str, Sequence[str]]


def _learn(function: str, frame: Frame, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with the columns' names and their values; of given ones, what is new."""
    values = params.get("values")
    names = learned_columns(function, frame, params.get("columns"), values)
    told = unexpected_told(function, params)
    if values is None:
        return {**params, "columns": names, "values": distinct(frame, names)}
    if told:
        found = distinct(frame, names)
        warn_of(function, {name: len(set(found[name]) - set(values[name])) for name in names})
    return {**params, "columns": names}


def _learn_binominal(frame: Frame, params: Mapping[str, Any]) -> Mapping[str, Any]:
    return _learn("nominal_to_binominal", frame, params)


def _learn_numeric(frame: Frame, params: Mapping[str, Any]) -> Mapping[str, Any]:
    one_of(
        "nominal_to_numeric",
        "coding_type",
        params.get("coding_type", "dummy coding"),
        get_args(Coding),
    )
    return _learn("nominal_to_numeric", frame, params)


@prep(21, learn=_learn_binominal, effect=effect_of_made)
def nominal_to_binominal(
    df: Frame,
    columns: Columns | None = None,
    *,
    transform_binominal: bool = False,
    use_underscore_in_name: bool = False,
    missing: Literal["false", "null"] = "false",
    values: Values | None = None,
    unexpected_value_handling: Unexpected = "all 0 and warning",
) -> Frame:
    """Make of a nominal column one column of true and false for each of its values.

    The columns are named `<column> = <value>` and stand, sorted by value, in the column's place.
    A column of two values or fewer keeps them: its type becomes a category of these (text on
    DuckDB and Spark), and another value of new data becomes missing.

    `columns`: texts and categories, all by default. `transform_binominal`: make columns of two
    values as well. `use_underscore_in_name`: `<column>_<value>`. `missing`: what a missing value
    is in all columns, `"false"` or `"null"`. `values`: column → its values, learned from the data
    by default (`fit` keeps them). `unexpected_value_handling`: a value beyond `values` is false in
    all columns, with a warning or (`"all 0"`) without.

    Errors: a new name that exists; more than 10,000 values.
    Source: RapidMiner's *Nominal to Binominal* (blending/attributes/types/nominal_to_binominal).

    >>> import polars as pl
    >>> nominal_to_binominal(pl.DataFrame({"등급": ["A", "C", "B"]})).rows(named=True)[0]
    {'등급 = A': True, '등급 = B': False, '등급 = C': False}
    """
    one_of("nominal_to_binominal", "missing", missing, ("false", "null"))
    assert values is not None  # learned
    names = learned_columns("nominal_to_binominal", df, columns, values)
    many = [name for name in names if transform_binominal or len(values[name]) > 2]
    limited("nominal_to_binominal", {name: len(values[name]) for name in many})
    mark = "_" if use_underscore_in_name else " = "
    made = {
        name: {
            f"{name}{mark}{value}": nw.col(name) == value
            if missing == "null"
            else (nw.col(name) == value).fill_null(False)
            for value in values[name]
        }
        for name in many
    }
    few = [name for name in names if name not in made]
    kept = {name: {name: _only(name, values[name])} for name in few}
    return with_categories(
        in_place("nominal_to_binominal", with_texts(df, names), {**made, **kept}), few
    )


def _only(name: str, values: Sequence[str]) -> nw.Expr:
    """The column's values where they are among those learned."""
    # Arrow knows no type for an empty list.
    return nw.when(nw.col(name).is_in(values or [NO_VALUE])).then(nw.col(name))


@prep(23, learn=_learn_numeric, effect=effect_of_made)
def nominal_to_numeric(
    df: Frame,
    columns: Columns | None = None,
    *,
    coding_type: Coding = "dummy coding",
    use_comparison_groups: bool = False,
    comparison_groups: Mapping[str, str] | None = None,
    use_underscore_in_name: bool = False,
    values: Values | None = None,
    unexpected_value_handling: Unexpected = "all 0 and warning",
) -> Frame:
    """Code a nominal column as numbers: 1 and 0 for each value, or one number a value.

    `"dummy coding"`: a column `<column> = <value>` for each value, 1 where it is that and 0
    elsewhere, where it is missing too. `"effect coding"`: the same but for the comparison group,
    which has no column and is −1 in all others. `"unique integers"`: 0, 1, 2 … in the order of
    the sorted values, in the column's place; missing stays, and an unexpected value is missing.

    `columns`: texts and categories, all by default. `use_comparison_groups`: leave the column of
    a value out in dummy coding. `comparison_groups`: column → that value; effect coding needs one
    for each column. `use_underscore_in_name`: `<column>_<value>`. `values`: column → its values,
    learned from the data by default (`fit` keeps them). `unexpected_value_handling`: a value
    beyond `values` is 0 in all columns, with a warning or (`"all 0"`) without.

    Errors: a comparison group that is lacking, no value or of another column; a new name that
    exists; more than 10,000 values.
    Source: RapidMiner's *Nominal to Numerical* (blending/attributes/types/nominal_to_numerical).

    >>> import polars as pl
    >>> nominal_to_numeric(pl.DataFrame({"c": ["a", "b"]})).rows(named=True)
    [{'c = a': 1, 'c = b': 0}, {'c = a': 0, 'c = b': 1}]
    """
    assert values is not None  # learned
    names = learned_columns("nominal_to_numeric", df, columns, values)
    plain = with_texts(df, names)
    if coding_type == "unique integers":
        return plain.with_columns(_numbered(name, values[name]) for name in names)
    limited("nominal_to_numeric", {name: len(values[name]) for name in names})
    effect = coding_type == "effect coding"
    groups = _groups(names, values, use_comparison_groups, comparison_groups or {}, effect)
    mark = "_" if use_underscore_in_name else " = "
    made = {
        name: {
            f"{name}{mark}{value}": _is(name, value) - _is(name, groups[name])
            if effect
            else _is(name, value)
            for value in values[name]
            if value != groups.get(name)
        }
        for name in names
    }
    return in_place("nominal_to_numeric", plain, made)


def _is(name: str, value: str) -> nw.Expr:
    return (nw.col(name) == value).fill_null(False).cast(nw.Int64)


def _numbered(name: str, values: Sequence[str]) -> nw.Expr:
    # An empty list of values has no type, which Arrow, pandas and Spark refuse to look up.
    return nw.col(name).replace_strict(
        list(values) or [NO_VALUE],
        list(range(len(values) or 1)),
        default=None,
        return_dtype=nw.Int64,
    )


def _groups(
    names: Sequence[str],
    values: Values,
    asked: bool,
    groups: Mapping[str, str],
    effect: bool,
) -> Mapping[str, str]:
    """Column → comparison group, held against the columns and their values."""
    wrong = ""
    if groups and not (asked or effect):
        wrong = "is given, but neither use_comparison_groups nor effect coding asks for it"
    for name in groups:
        if name not in names:
            wrong = f"has column {name!r}, which is not among those coded: {', '.join(names)}"
        elif groups[name] not in values[name]:
            wrong = f"has for column {name!r} what is none of its {len(values[name])} values"
    lacking = [name for name in names if effect and name not in groups]
    if lacking:
        wrong = f"lacks {', '.join(map(repr, lacking))}: effect coding needs a value of each column"
    if wrong:
        raise PrepError(f"nominal_to_numeric: comparison_groups {wrong}.")
    return groups


@prep(22)
def nominal_to_text(df: Frame, columns: Columns | None = None) -> Frame:
    """Make categories plain text; values and missing ones stay as they are.

    `columns`: texts and categories, all by default. The inverse of `text_to_nominal`.

    Source: RapidMiner's *Nominal to Text* (blending/attributes/types/nominal_to_text).

    >>> import polars as pl
    >>> nominal_to_text(pl.DataFrame({"a": pl.Series(["x", None], dtype=pl.Categorical)})).schema
    Schema([('a', String)])
    """
    return with_texts(df, chosen("nominal_to_text", df, columns, default="nominal", only="nominal"))


@prep(25)
def text_to_nominal(df: Frame, columns: Columns | None = None) -> Frame:
    """Make texts categories, which hold each value once; values and missing ones stay.

    `columns`: texts and categories, all by default. DuckDB and Spark have no such type: there the
    column stays text. The inverse of `nominal_to_text`.

    Source: RapidMiner's *Text to Nominal* (blending/attributes/types/text_to_nominal).

    >>> import polars as pl
    >>> text_to_nominal(pl.DataFrame({"a": ["", "가"]}))["a"].to_list()
    ['', '가']
    """
    return with_categories(
        df, chosen("text_to_nominal", df, columns, default="nominal", only="nominal")
    )
