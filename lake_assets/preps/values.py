"""The values of nominal columns: as text, learned from the data, and columns made of them.

Here: what the functions that make columns of values share, dummy coding and splitting among them.
Not here: those functions (`nominal.py`, `text.py`).
"""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps.prep import Frame, PrepError
from lake_assets.preps.selectors import Columns, chosen

#: What befalls values of new data that were not there when the columns were learned.
Unexpected = Literal["all 0 and warning", "all 0"]

#: Columns that one column may become. Beyond it, it is an identifier that was chosen by mistake.
MOST_COLUMNS = 10_000

#: A text that no data has: Unicode reserves U+FDD0 to U+FDEF for use within a program.
NO_VALUE = "\ufdd1"


def one_of(function: str, parameter: str, value: object, allowed: Sequence[str]) -> None:
    """PrepError if `value` is none of those that the parameter may be, with the nearest."""
    if value not in allowed:
        near = difflib.get_close_matches(str(value), allowed, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        told = ", ".join(map(repr, allowed))
        raise PrepError(f"{function}: {parameter} is {value!r}{hint}. Allowed: {told}.")


# -- categories and texts


def with_texts(frame: Frame, names: Sequence[str]) -> Frame:
    """The frame with those columns as plain text: categories have neither texts' functions nor
    (two of them) a common type. Of pandas' it is Arrow's text, where a missing one is null."""
    schema = frame.collect_schema()
    others = [name for name in names if schema[name] != nw.String]
    if not others:
        return frame
    if frame.implementation.is_pandas():
        import pandas as pd
        import pyarrow as pa

        native: Any = nw.to_native(frame)
        text = pd.ArrowDtype(pa.string())
        made: Frame = nw.from_native(
            native.assign(**{name: native[name].astype(text) for name in others})
        )
        return made
    return frame.with_columns(nw.col(name).cast(nw.String) for name in others)


def with_categories(frame: Frame, names: Sequence[str]) -> Frame:
    """The frame with those text columns as categories, where the engine has that type."""
    schema = frame.collect_schema()
    texts = [name for name in names if schema[name] == nw.String]
    if frame.implementation.is_duckdb() or frame.implementation.is_spark_like():
        return frame
    if frame.implementation.is_pandas():
        native: Any = nw.to_native(frame)
        made: Frame = nw.from_native(
            native.assign(**{name: _pandas_category(native[name]) for name in texts})
        )
        return made
    return frame.with_columns(nw.col(name).cast(nw.Categorical) for name in texts)


def _pandas_category(column: Any) -> Any:
    import pandas as pd

    if len(column):
        return column.astype("category")
    # Of no rows pandas makes categories of no chunk, which have no type in Arrow.
    return column.astype(pd.CategoricalDtype(pd.Index([], dtype=column.dtype)))


def with_category(frame: Frame, name: str, value: str) -> Frame:
    """The frame with `value` among those that the category may have, where there is a list of them.

    Narwhals has no word for it: pandas, Arrow and Polars' `Enum` are asked in their own.
    """
    dtype = frame.collect_schema()[name]
    native: Any = nw.to_native(frame)
    made: Frame = frame
    if frame.implementation.is_polars() and isinstance(dtype, nw.Enum):
        if value not in dtype.categories:
            made = frame.with_columns(nw.col(name).cast(nw.Enum([*dtype.categories, value])))
    elif dtype == nw.String or frame.implementation.is_polars():
        pass
    elif frame.implementation.is_pandas():
        column = native[name]
        if value not in column.cat.categories:
            made = nw.from_native(native.assign(**{name: column.cat.add_categories([value])}))
    elif frame.implementation.is_pyarrow():
        at = native.schema.get_field_index(name)
        made = nw.from_native(native.set_column(at, name, _with_entry(native[name], value)))
    return made


def _with_entry(column: Any, value: str) -> Any:
    """An Arrow dictionary column, each of whose chunks has `value` in its dictionary."""
    import pyarrow as pa

    chunks = [
        chunk
        if value in chunk.dictionary.to_pylist()
        else pa.DictionaryArray.from_arrays(
            chunk.indices,
            pa.concat_arrays([chunk.dictionary, pa.array([value], chunk.dictionary.type)]),
        )
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, column.type)


# -- learning


def distinct(frame: Frame, names: Sequence[str]) -> dict[str, list[str]]:
    """Column → its values, sorted by code point, without the missing one. One query for all."""
    plain = with_texts(frame.select(names), names)
    if isinstance(plain, nw.DataFrame):
        return {name: sorted(plain[name].drop_nulls().unique().to_list()) for name in names}
    if not names:
        return {}
    parts = [
        plain.select(nw.lit(at).alias("at"), nw.col(name).alias("value")).unique()
        for at, name in enumerate(names)
    ]
    found = nw.concat(parts).collect()
    values: dict[str, list[str]] = {name: [] for name in names}
    for at, value in zip(found["at"].to_list(), found["value"].to_list(), strict=True):
        if value is not None:
            values[names[at]].append(value)
    return {name: sorted(those) for name, those in values.items()}


def learned_columns(
    function: str,
    frame: Frame,
    columns: Columns | None,
    learned: Mapping[str, Any] | None,
    parameter: str = "values",
) -> list[str]:
    """The columns chosen; those that were learned if none are."""
    names = chosen(
        function,
        frame,
        list(learned) if columns is None and learned is not None else columns,
        default="nominal",
        only="nominal",
    )
    lacking = [name for name in names if learned is not None and name not in learned]
    if lacking:
        raise PrepError(
            f"{function}: {parameter} has nothing for column "
            f"{', '.join(map(repr, lacking))}. Leave it out to learn from the data."
        )
    return names


def unexpected_told(function: str, params: Mapping[str, Any]) -> bool:
    """Whether values that were not there when the columns were learned are to be told."""
    told, silent = get_args(Unexpected)
    given = params.get("unexpected_value_handling", told)
    one_of(function, "unexpected_value_handling", given, (told, silent))
    return bool(given == told)


def warn_of(function: str, more: Mapping[str, int]) -> None:
    """Warn of columns that have values beyond those learned: how many, never which."""
    for name, count in more.items():
        if count > 0:
            warnings.warn(
                f"{function}: column {name!r} has {count} more values or parts than were learned; "
                "they stand in no column. unexpected_value_handling='all 0' takes them silently.",
                stacklevel=2,
            )


# -- columns in the place of others


def in_place(function: str, frame: Frame, made: Mapping[str, Mapping[str, nw.Expr]]) -> Frame:
    """The frame with, in the place of each column of `made`, the columns that it became."""
    columns = [
        (new, expression)
        for old in frame.collect_schema()
        for new, expression in made.get(old, {old: nw.col(old)}).items()
    ]
    names = [name for name, _ in columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise PrepError(
            f"{function}: there would be two columns {twice[0]!r}. Rename the one that is there, "
            "or choose other columns."
        )
    if not names:
        raise PrepError(
            f"{function}: no column would be left, as {', '.join(map(repr, made))} has no values "
            "to make columns of. Give values, learned from data that has some."
        )
    return frame.select(expression.alias(name) for name, expression in columns)


def limited(function: str, counts: Mapping[str, int]) -> None:
    """PrepError for a column of which there would be too many."""
    for name, count in counts.items():
        if count > MOST_COLUMNS:
            raise PrepError(
                f"{function}: column {name!r} would be {count:,} columns; {MOST_COLUMNS:,} at "
                "most are made of one. Choose other columns, or merge values."
            )


def effect_of_made(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    """A new column comes of the one that it is named after: `<column> = …` or `<column>_…`.

    Where two columns could be meant, of that which has the value (if learned), else of the longer.
    """
    gone = [name for name in before if name not in after]
    learned = {
        name: [str(n + 1) for n in range(those)] if isinstance(those, int) else those
        for name, those in (params.get("values") or params.get("parts") or {}).items()
    }
    made = {}
    for new in after:
        if new in before:
            continue
        sources = [
            (new[len(name) + len(mark) :] in learned.get(name, ()), len(name), name)
            for name in gone
            for mark in (" = ", "_")
            if new.startswith(name + mark)
        ]
        made[new] = (Edge(max(sources)[2], "transformation"),) if sources else ()
    return Effect(made)
