"""Replace missing values: by one of the column's own, by one given, by a neighbour's; or drop rows.

Here: `null`. Not here: what a column has to put in (`learned.py`), and what fits its type
(`preps/typed.py`).
"""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps import order, typed
from lake_assets.preps.fences import literal, missing, present, unsigned, without_nan
from lake_assets.preps.prep import CATALOGUE, Frame, PrepError, prep
from lake_assets.preps.selectors import Columns, chosen, is_date, is_number, type_name
from lake_assets.preps.values import one_of, with_categories, with_texts
from lake_assets.xforms.learned import learned

Method: TypeAlias = Literal[
    "none",
    "minimum",
    "maximum",
    "average",
    "zero",
    "value",
    "median",
    "mode",
    "drop",
    "ffill",
    "bfill",
]
_METHODS = (
    *("none", "minimum", "maximum", "average", "zero", "value"),
    *("median", "mode", "drop", "ffill", "bfill"),
)
#: Those that look at the data for what to fill in.
_LEARNED = ("minimum", "maximum", "average", "median", "mode")


def _fits(method: str, dtype: Any) -> bool:
    """Whether the method has a meaning for the type; of texts, the average is the mode."""
    if method in ("minimum", "maximum"):
        return is_number(dtype) or is_date(dtype)
    if method in ("zero", "median"):
        return is_number(dtype)
    return method != "average" or not is_date(dtype)


def _learn(frame: Frame, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with `values`: what is filled in, as data that YAML and JSON keep."""
    method = params.get("method", "average")
    if method not in _LEARNED or params.get("values") is not None:
        return params
    schema = frame.collect_schema()
    names = chosen("null", frame, params.get("columns"))
    fitting = [name for name in names if _fits(method, schema[name])]
    found = learned(without_nan(frame, fitting), schema, fitting, method)
    return {**params, "values": {name: typed.plain(value) for name, value in found.items()}}


def _effect(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    if params["method"] != "drop":
        return Effect()
    frame = nw.from_dict({}, schema=before, backend="polars")
    names = chosen("null", frame, params["columns"])
    kept = {name: (Edge(name, "identity"),) for name in after}
    return Effect(kept, tuple(Edge(name, "filter") for name in names))


@prep(rowwise=False, effect=_effect)
def null(
    df: Frame,
    method: Method = "average",
    columns: Columns | None = None,
    *,
    value: Any = None,
    how: Literal["any", "all"] = "any",
    values: Mapping[str, Any] | None = None,
) -> Frame:
    """Replace missing values, or drop the rows that have some; NaN is missing as null is.

    `columns`: all by default. `method`: `average` (of integers and decimals rounded half up to
    their digits; of texts and truth values the mode), `minimum`, `maximum`, `median`, `mode` (the
    most frequent; of several the smallest), `zero`, `value` (which is then given: it must fit the
    types of the columns), `ffill` and `bfill` (the value of the row before or after, in the order
    in which the engine has the rows), `drop` (rows with `any` missing value in the columns, or with
    `all` missing, as `how` says), and `none`. Columns of a type that a method does not fit stay as
    they are, with a warning: dates have no average, texts no minimum; `zero` for a date column that
    is named is a PrepError. A column without any value stays as it is.

    `values`: column → what to fill in, as it was learned (`fit`); then the data is not asked.
    Source: RapidMiner's *Replace Missing Values* (cleansing/missing/replace_missing_values).

    >>> import polars as pl
    >>> null(pl.DataFrame({"금액": [2, None, 4]}))["금액"].to_list()
    [2, 3, 4]
    >>> from lake_assets.preps import fit
    >>> dict(fit(null, pl.DataFrame({"금액": [2, None, 4]}), method="maximum").params)
    {'method': 'maximum', 'values': {'금액': 4}}
    """
    one_of("null", "method", method, _METHODS)
    one_of("null", "how", how, ("any", "all"))
    if (value is not None) != (method == "value"):
        wants = "is missing" if value is None else "is not used"
        raise PrepError(f"null: method is {method!r}, and value {wants}: it belongs to 'value'.")
    schema = df.collect_schema()
    names = chosen("null", df, columns)
    if method == "none" or not names:
        return df
    if method == "drop":
        join = operator.or_ if how == "any" else operator.and_
        return df.filter(~functools.reduce(join, (missing(one, schema[one]) for one in names)))
    fitting = [name for name in names if _fits(method, schema[name])]
    _tell_unfit(method, schema, [name for name in names if name not in fitting], columns)
    if method in ("ffill", "bfill"):
        return _from_neighbours(df, schema, fitting, method)
    clean = without_nan(df, fitting)
    if values is None and method in _LEARNED:
        values = learned(clean, schema, fitting, method)
    elif values is None:
        values = dict.fromkeys(fitting, 0 if method == "zero" else value)
    return _filled(df, clean, schema, {name: values.get(name) for name in fitting})


#: `fit` learns apart. A call does so itself: to look for NaN again costs a fifth of the time.
CATALOGUE["null"] = replace(CATALOGUE["null"], learn=_learn)


def _tell_unfit(
    method: str, schema: Mapping[str, Any], names: Sequence[str], columns: Columns | None
) -> None:
    if not names:
        return
    told = ", ".join(f"{name!r} is {type_name(schema[name])}" for name in names)
    named = isinstance(columns, str | list | tuple)
    if method == "zero" and named and any(is_date(schema[name]) for name in names):
        raise PrepError(
            f"null: column {told}, which has no zero. Give a day by method='value', or choose "
            "other columns."
        )
    warnings.warn(f"null: column {told}: {method} leaves it as it is.", stacklevel=2)


# -- filling in


def _filled(
    frame: Frame, clean: Frame, schema: Mapping[str, Any], values: Mapping[str, Any]
) -> Frame:
    """`clean`: the same without NaN, where it is an eager frame. A column without a value keeps
    what it has, NaN too."""
    found = {
        name: typed.fitting(f"null: column {name!r}", schema[name], value)
        for name, value in values.items()
        if value is not None
    }
    if not found:
        return frame
    kinds = [name for name in found if isinstance(schema[name], nw.Categorical | nw.Enum)]
    plain, clean = with_texts(frame, kinds), with_texts(clean, kinds)
    filled = [_filled_column(clean, name, schema[name], value) for name, value in found.items()]
    result = plain.with_columns(filled)
    return with_categories(result, kinds) if kinds else result


def _filled_column(clean: Frame, name: str, dtype: Any, value: Any) -> Any:
    """A series of an eager frame, on pandas a fifth less than an expression; else an expression."""
    if isinstance(dtype, nw.Datetime) and clean.implementation.is_spark_like():
        return nw.when(~nw.col(name).is_null()).then(nw.col(name)).otherwise(literal(clean, value))
    if isinstance(dtype, nw.UInt64):
        return nw.when(~nw.col(name).is_null()).then(nw.col(name)).otherwise(unsigned(value))
    eager = isinstance(clean, nw.DataFrame)
    column: Any = clean[name] if eager else present(name, dtype)
    filled = column.fill_null(value)
    # To Polars the result of two decimals has 38 digits, to DuckDB and Spark a literal has 64 bits.
    return filled.cast(dtype) if isinstance(dtype, nw.Decimal | nw.Float32) else filled


def _from_neighbours(
    frame: Frame, schema: Mapping[str, Any], names: Sequence[str], method: str
) -> Frame:
    strategy: Literal["forward", "backward"] = "forward" if method == "ffill" else "backward"
    made = [present(name, schema[name]).fill_null(strategy=strategy) for name in names]
    if isinstance(frame, nw.DataFrame):
        return frame.with_columns(made)
    place = order.hidden(frame)
    in_order = order.placed(frame, place)
    return in_order.with_columns(one.over(order_by=place) for one in made).sort(place).drop(place)
