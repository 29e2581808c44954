"""Prep functions on text values: cut, trim, merge, split into columns, join columns.

Here: functions 38 to 42 and `merge_columns`. Not here: what they share with dummy coding
(`values.py`) and the expressions that all engines read alike (`regex.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect, Kind
from lake_assets.preps.date_engines import with_time_texts
from lake_assets.preps.fences import changed, texts
from lake_assets.preps.parts import (
    Pattern,
    counted,
    enclosed,
    has_part,
    java_split,
    marked,
    part,
    pattern_of,
    taken_apart,
)
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import Columns, chosen, is_nominal, known
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
    with_category,
    with_texts,
)

Mode = Literal["ordered_split", "unordered_split"]

BLANKS = " \t\r\n\u3000\u00a0"
#: The largest length of a text: Spark's and Arrow's are 32 bits wide.
_LONGEST = 2**31 - 2


def _missing_where_empty(df: Frame, names: Sequence[str]) -> Frame:
    """'' becomes missing. A step of its own: within one, Polars would compute the texts twice."""
    if df.implementation.is_pandas():  # its own word for it: 0.2 ms of the one that a call may cost
        native: Any = nw.to_native(df)
        made: Frame = nw.from_native(
            native.assign(**{name: native[name].mask(native[name] == "") for name in names})
        )
        return made
    return df.with_columns(
        nw.when(nw.col(name) != "").then(nw.col(name)).alias(name) for name in names
    )


@prep(40)
def trim(df: Frame, columns: Columns | None = None, *, chars: str = BLANKS) -> Frame:
    """Take blanks off both ends of texts; what is blank altogether becomes missing.

    `columns`: texts and categories, all by default; categories become text. `chars`: the
    characters taken off, the full-width blank U+3000 and the no-break one U+00A0 among them, the
    same on every engine.

    Source: RapidMiner's *Trim* (blending/values/trim).

    >>> import polars as pl
    >>> trim(pl.DataFrame({"이름": [" 가 나 ", "  "]}))["이름"].to_list()
    ['가 나', None]
    """
    if not chars:
        raise PrepError("trim: chars is empty. It has each character that is to go, such as ' -'.")
    names = chosen("trim", df, columns, only="nominal")
    plain = with_texts(df, names)
    return _missing_where_empty(
        plain.with_columns(nw.col(name).str.strip_chars(chars) for name in names), names
    )


@prep(39)
def substring(
    df: Frame,
    columns: Columns | None = None,
    *,
    first_character_index: int = 1,
    last_character_index: int | None = None,
) -> Frame:
    """Cut texts to the characters from one place to another, both included, counted from 1.

    `columns`: texts and categories, all by default; categories become text.
    `first_character_index`, `last_character_index`: places from 1 on; the last is by default, and
    where a text is shorter, its end. What is empty afterwards is missing. A character is a code
    point: 가 is one, 😀 too.

    Errors: a place below 1.
    Source: RapidMiner's *Cut* (blending/values/cut).

    >>> import polars as pl
    >>> substring(
    ...     pl.DataFrame({"국가": ["대한민국"]}), first_character_index=3, last_character_index=4
    ... )["국가"].to_list()
    ['민국']
    """
    first, last = first_character_index, last_character_index
    for parameter, place in (("first_character_index", first), ("last_character_index", last)):
        if place is not None and place < 1:
            raise PrepError(f"substring: {parameter} is {place}; the first character is 1.")
    names = chosen("substring", df, columns, only="nominal")
    offset = min(first - 1, _LONGEST)
    length = _LONGEST if last is None else min(max(last - offset, 0), _LONGEST)
    plain = with_texts(df, names)
    return _missing_where_empty(
        plain.with_columns(nw.col(name).str.slice(offset, length) for name in names), names
    )


def _learn_parts(frame: Frame, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with the columns' names and how many parts, or which, they have."""
    mode = params.get("split_mode", "ordered_split")
    one_of("split_columns", "split_mode", mode, get_args(Mode))
    pattern = pattern_of("split_columns", "split_pattern", params.get("split_pattern", ","))
    told = unexpected_told("split_columns", params)
    learned = params.get("parts")
    names = learned_columns("split_columns", frame, params.get("columns"), learned, "parts")
    ordered = mode == "ordered_split"
    if learned is None:
        found = _counts(frame, names, pattern) if ordered else _lists(frame, names, pattern)
        return {**params, "columns": names, "parts": found}
    for name in names:
        if isinstance(learned[name], int) != ordered:
            wanted = "a number" if ordered else "a list of texts"
            raise PrepError(
                f"split_columns: parts of column {name!r} is {learned[name]!r}; for {mode} it is "
                f"{wanted}."
            )
    if told and ordered:
        counts = _counts(frame, names, pattern)
        warn_of("split_columns", {name: counts[name] - learned[name] for name in names})
    elif told:
        lists = _lists(frame, names, pattern)
        warn_of("split_columns", {n: len(set(lists[n]) - set(learned[n])) for n in names})
    return {**params, "columns": names}


def _counts(frame: Frame, names: Sequence[str], pattern: Pattern) -> dict[str, int]:
    return counted(marked(with_texts(frame, names), names, pattern), names, pattern.mark)


def _lists(frame: Frame, names: Sequence[str], pattern: Pattern) -> dict[str, list[str]]:
    return {
        name: sorted({one for value in values for one in java_split(pattern, value)})
        for name, values in distinct(frame, names).items()
    }


@prep(38, learn=_learn_parts, effect=effect_of_made)
def split_columns(
    df: Frame,
    columns: Columns | None = None,
    *,
    split_pattern: str = ",",
    split_mode: Mode = "ordered_split",
    parts: Mapping[str, int | Sequence[str]] | None = None,
    unexpected_value_handling: Unexpected = "all 0 and warning",
) -> Frame:
    r"""Split texts where a regular expression is found, into columns in the column's place.

    `"ordered_split"`: columns `<column>_1` … as many as the row of most parts has, missing where
    a row has fewer; a column that never splits stays as it is. `"unordered_split"`: a column
    `<column>_<part>` of true and false for each part, all false where the text is missing. Empty
    parts count, but for those at the end, as in Java.

    `columns`: texts and categories, all by default. `split_pattern`: such as `;`, `\s*,\s*`,
    `[,;]` or `\|`; `\d`, `\s` and `\w` are ASCII's, as in Java. `parts`: column → how many (a
    number) or, unordered, which (a list); learned from the data by default (`fit` keeps them).
    `unexpected_value_handling`: parts beyond those stand in no column, with a warning or
    (`"all 0"`) without.

    Errors: a pattern that finds the empty text or that engines read differently (`(?=`, `$`); a
    new name that exists; more than 10,000 parts.
    Source: RapidMiner's *Split* (blending/values/split); Java's String.split.

    >>> import polars as pl
    >>> split_columns(pl.DataFrame({"col": ["a;b", "c"]}), "col", split_pattern=";").rows()
    [('a', 'b'), ('c', None)]
    """
    pattern = pattern_of("split_columns", "split_pattern", split_pattern)
    mark = pattern.mark
    learned: Mapping[str, Any] = parts or {}
    names = learned_columns("split_columns", df, columns, learned, "parts")
    if split_mode == "ordered_split":
        counts = {name: learned[name] for name in names if learned[name] > 1}
        limited("split_columns", counts)
        prepared = taken_apart(marked(with_texts(df, names), list(counts), pattern), counts, mark)
        made = {
            name: {f"{name}_{index + 1}": part(df, name, index) for index in range(count)}
            for name, count in counts.items()
        }
    else:
        limited("split_columns", {name: len(learned[name]) for name in names})
        prepared = enclosed(marked(with_texts(df, names), names, pattern), names, mark)
        made = {
            name: {f"{name}_{value}": has_part(name, value, mark) for value in learned[name]}
            for name in names
        }
    return in_place("split_columns", prepared, made)


def _effect_of_column(params: Mapping[str, Any], kind: Kind) -> Effect:
    column = params["column"]
    return Effect({column: (Edge(column, kind),)})


@prep(41, effect=lambda params, before, after: _effect_of_column(params, "transformation"))
def merge(df: Frame, column: str, first_value: str, second_value: str) -> Frame:
    """Make one value of two values of a nominal column: `<first>_<second>`.

    `column`: text or a category, which it stays. `first_value`, `second_value`: both become the
    new one; where neither is found nothing changes. Missing stays.

    Source: RapidMiner's *Merge* (blending/values/merge). For columns: `merge_columns`.

    >>> import polars as pl
    >>> merge(pl.DataFrame({"시": ["서울", "부산"]}), "시", "서울", "경기")["시"].to_list()
    ['서울_경기', '부산']
    """
    names = chosen("merge", df, column, only="nominal")
    text = nw.col(column)
    merged = with_texts(df, names).with_columns(
        nw.when(~text.is_in([first_value, second_value]) | text.is_null())
        .then(text)
        .otherwise(nw.lit(f"{first_value}_{second_value}"))
        .alias(column)
    )
    was_category = df.collect_schema()[column] != nw.String
    return with_categories(merged, names) if was_category else merged


@prep(42, effect=lambda params, before, after: _effect_of_column(params, "identity"))
def add(df: Frame, column: str, new_value: str) -> Frame:
    """Add a value to those that a category may have; no row changes.

    `column`: a category. Text has no list of its values, so it stays as it is, and so does
    Polars' `Categorical`, which takes any value (its `Enum` has a list).

    Source: RapidMiner's *Add* (blending/values/add). For columns: `add_column`.

    >>> import polars as pl
    >>> sizes = pl.DataFrame({"크기": pl.Series(["S"], dtype=pl.Enum(["S", "M"]))})
    >>> add(sizes, "크기", "L")["크기"].dtype.categories.to_list()
    ['S', 'M', 'L']
    """
    chosen("add", df, column, only="nominal")
    return with_category(df, column, new_value)


@prep(effect=lambda params, before, after: _effect_of_columns(params, after), version=2)
def merge_columns(
    df: Frame, first: str, second: str, *, separator: str = "_", trim_values: bool = False
) -> Frame:
    """Join the texts of two columns into a new one, named `<first><separator><second>`.

    `first`, `second`: columns of any type, which stay; numbers are the shortest text that reads
    back the same, dates are `2025-07-01`, wall times `2025-07-01 15:30:00` (with a fraction where
    there is one: `.25`), instants UTC's wall time with a Z: `2025-07-01 06:30:00Z`. `separator`
    stands between names and between values. `trim_values`: take blanks off both ends of each
    value first. Missing if either is missing.

    Errors: a column of the new name exists.
    Source: RapidMiner's *Generate Concatenation* (blending/attributes/generation).

    >>> import polars as pl
    >>> merge_columns(pl.DataFrame({"a": ["x"], "b": [2]}), "a", "b").row(0, named=True)
    {'a': 'x', 'b': 2, 'a_b': 'x_2'}
    """
    schema = df.collect_schema()
    known("merge_columns", schema, [first, second])
    new = f"{first}{separator}{second}"
    if new in schema:
        raise PrepError(
            f"merge_columns: there is a column {new!r} already. Rename it, or set separator."
        )
    twins = {f"{NO_VALUE}1": first, f"{NO_VALUE}2": second}
    times = {twin: name for twin, name in twins.items() if isinstance(schema[name], nw.Datetime)}
    others = [nw.col(name).alias(twin) for twin, name in twins.items() if twin not in times]
    twinned = changed(df, *others)
    for twin, name in times.items():
        twinned = with_time_texts(twinned, name, twin)
    nominal = [twin for twin, name in twins.items() if is_nominal(schema[name])]
    joined = texts(with_texts(twinned, nominal), [twin for twin in twins if twin not in nominal])
    values = [
        nw.col(twin).str.strip_chars(BLANKS) if trim_values else nw.col(twin) for twin in twins
    ]
    return joined.with_columns(nw.concat_str(*values, separator=separator).alias(new)).drop(*twins)


def _effect_of_columns(params: Mapping[str, Any], after: nw.Schema) -> Effect:
    sources = dict.fromkeys((params["first"], params["second"]))
    return Effect({list(after)[-1]: tuple(Edge(name, "transformation") for name in sources)})
