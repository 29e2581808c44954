"""Replace missing values: by one of the column's own, by one given, by a neighbour's; or drop rows.

Here: `null`, and what it learns of the data. Not here: what fits a column's type
(`preps/typed.py`).
"""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps import order, typed
from lake_assets.preps.fences import literal, missing, one_row, present
from lake_assets.preps.prep import CATALOGUE, Frame, PrepError, prep
from lake_assets.preps.selectors import Columns, chosen, is_date, is_nominal, is_number, type_name
from lake_assets.preps.values import one_of, with_categories, with_texts

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
    found, _ = _learned(frame, schema, fitting, method)
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
    if values is None and method in _LEARNED:
        values, with_nan = _learned(df, schema, fitting, method)
    else:
        with_nan = _with_nan(df, schema, fitting)
        values = values or dict.fromkeys(fitting, 0 if method == "zero" else value)
    return _filled(df, schema, {name: values.get(name) for name in fitting}, with_nan)


#: `fit` learns apart. A call does so itself: whether there is a NaN is known by the way, and to ask
#: again costs a fifth of the time.
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
    frame: Frame, schema: Mapping[str, Any], values: Mapping[str, Any], with_nan: set[str]
) -> Frame:
    found = {
        name: typed.fitting(f"null: column {name!r}", schema[name], value)
        for name, value in values.items()
        if value is not None
    }
    if not found:
        return frame
    kinds = [name for name in found if isinstance(schema[name], nw.Categorical | nw.Enum)]
    filled = with_texts(frame, kinds).with_columns(
        _filled_column(frame, name, schema[name], value, has_nan=name in with_nan)
        for name, value in found.items()
    )
    return with_categories(filled, kinds)


def _filled_column(frame: Frame, name: str, dtype: Any, value: Any, *, has_nan: bool) -> nw.Expr:
    if has_nan:
        return nw.when(~missing(name, dtype)).then(nw.col(name)).otherwise(value).alias(name)
    if isinstance(dtype, nw.Datetime) and frame.implementation.is_spark_like():
        return nw.when(~nw.col(name).is_null()).then(nw.col(name)).otherwise(literal(frame, value))
    filled = nw.col(name).fill_null(value)
    # To Polars the result of two decimals has 38 digits.
    return filled.cast(dtype) if isinstance(dtype, nw.Decimal) else filled


def _with_nan(frame: Frame, schema: Mapping[str, Any], names: Sequence[str]) -> set[str]:
    """The float columns in which a NaN may be; an eager frame is asked, as it mostly has none."""
    floats = [name for name in names if schema[name].is_float()]
    if not floats or isinstance(frame, nw.LazyFrame):
        return set(floats)
    found = frame.select(nw.col(floats).is_nan().any()).row(0)
    return {name for name, has_nan in zip(floats, found, strict=True) if has_nan}


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


# -- learning


def _learned(
    frame: Frame, schema: Mapping[str, Any], names: Sequence[str], method: str
) -> tuple[dict[str, Any], set[str]]:
    """Column → the value to fill in, None where it has none; and the columns with a NaN."""
    modes = [
        name
        for name in names
        if method == "mode" or (method == "average" and not is_number(schema[name]))
    ]
    floats = [name for name in names if name not in modes and schema[name].is_float()]
    exact = [name for name in names if name not in modes and name not in floats]
    if method == "average":
        found, with_nan = _float_averages(frame, schema, floats)
        found |= _exact_averages(frame, schema, exact)
        with_nan |= _with_nan(frame, schema, modes)
    else:
        with_nan = _with_nan(frame, schema, names)
        columns = {
            name: present(name, schema[name]) if name in with_nan else nw.col(name)
            for name in (*floats, *exact)
        }
        if method == "median":
            found = _medians(frame, schema, columns)
        else:
            least = method == "minimum"
            found = one_row(
                frame, {name: one.min() if least else one.max() for name, one in columns.items()}
            )
    found |= {name: _mode(frame, schema[name], name) for name in modes}
    return {name: found[name] for name in names}, with_nan


def _float_averages(
    frame: Frame, schema: Mapping[str, Any], names: Sequence[str]
) -> tuple[dict[str, Any], set[str]]:
    """The means, and where a NaN may be. One that is no NaN says that there is none to leave out;
    a lazy frame is asked but once."""
    if isinstance(frame, nw.LazyFrame):
        means = {name: present(name, schema[name]).mean() for name in names}
        return one_row(frame, means), set(names)
    found = one_row(frame, {name: nw.col(name).mean() for name in names})
    doubtful = {name for name, mean in found.items() if _no_number(mean)}
    again = one_row(frame, {name: present(name, schema[name]).mean() for name in doubtful})
    found = {name: None if _no_number(mean) else mean for name, mean in {**found, **again}.items()}
    return found, doubtful


def _no_number(value: Any) -> bool:
    """A mean with a NaN in it is NaN; pandas' becomes None on its way."""
    return value is None or bool(value != value)


def _exact_averages(
    frame: Frame, schema: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """The means of integers and decimals by their exact sums, rounded half up."""
    asked: dict[str, nw.Expr] = {}
    wide = set() if isinstance(frame, nw.DataFrame) else set(names)
    if isinstance(frame, nw.DataFrame) and len(frame):
        most = 2**62 // len(frame)
        small = {
            name: nw.col(name).is_between(-most, most).all()
            for name in names
            if not isinstance(schema[name], nw.Decimal)
        }
        wide = {name for name, holds in one_row(frame, small).items() if not holds}
    for name in names:
        column = nw.col(name)
        asked[name + _COUNT] = column.count()
        if name in wide and not isinstance(schema[name], nw.Decimal):
            # In two halves: engines let a sum that is beyond 64 bits begin anew, or refuse it.
            high = (column // _HALF).clip(-_HALF // 2, _HALF // 2 - 1)
            asked[name + _HIGH] = high.sum()
            asked[name] = (column - high * _HALF).sum()
        else:
            asked[name] = column.sum()
    found = one_row(frame, asked)
    return {
        name: _mean(
            schema[name],
            Fraction(found[name] or 0) + int(found.get(name + _HIGH) or 0) * _HALF,
            found[name + _COUNT],
        )
        for name in names
    }


_COUNT, _HIGH, _HALF = "\ufdd0count", "\ufdd0high", 2**32


def _mean(dtype: Any, total: Fraction, count: int) -> Any:
    """A mean rounded half up to what the type holds."""
    counted = typed.exact(dtype)
    assert counted is not None
    if not count:
        return None
    units = total * 10**counted.scale / int(count)
    return counted.literal(math.floor(units + Fraction(1, 2)))


def _medians(
    frame: Frame, schema: Mapping[str, Any], columns: Mapping[str, nw.Expr]
) -> dict[str, Any]:
    counts = one_row(frame, {name: column.count() for name, column in columns.items()})
    return {
        name: _middle(frame, column, schema[name], int(counts[name]))
        for name, column in columns.items()
    }


def _middle(frame: Frame, column: nw.Expr, dtype: Any, count: int) -> Any:
    """The value in the middle, or the mean of the two that are there."""
    if not count:
        return None
    name = "middle"
    present_ones = frame.select(column.alias(name)).filter(~nw.col(name).is_null())
    in_order = order.sorted_rows(present_ones, [name], [False], nulls_last=True)
    found = _values(order.ranged(in_order, [((count - 1) // 2, count // 2 + 1)])[0], name)
    if dtype.is_float():
        return sum(found) / len(found)
    return _mean(dtype, sum(map(Fraction, found), Fraction(0)), len(found))


def _mode(frame: Frame, dtype: Any, name: str) -> Any:
    """The most frequent value, of several the smallest."""
    values: Frame = frame.select(present(name, dtype).alias(name))
    if is_nominal(dtype):
        values = with_texts(values, [name])
    often = order.hidden(values)
    counted = values.filter(~nw.col(name).is_null()).group_by(name).agg(nw.len().alias(often))
    first = counted.sort(often, name, descending=[True, False], nulls_last=True).head(1)
    return next(iter(_values(first, name)), None)


def _values(frame: Frame, name: str) -> list[Any]:
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    found: list[Any] = eager[name].to_arrow().to_pylist()
    return found
