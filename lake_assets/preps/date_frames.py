"""What the functions on date columns share: the column in its zone, and where results go.

Here: checks of a column, a zone and a parameter's value, and the order of columns. Not here: what
is computed of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps.date_engines import with_epoch_days, with_local
from lake_assets.preps.date_parts import Parts
from lake_assets.preps.prep import Frame, PrepError
from lake_assets.preps.selectors import chosen, is_date, is_number, type_name

ZONE = "Asia/Seoul"


def allowed(function: str, parameter: str, value: object, choices: Sequence[str]) -> None:
    """PrepError with the nearest where `value` is none of the choices."""
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise PrepError(
        f"{function}: {parameter} {value!r} is not known.{hint} "
        f"Allowed: {', '.join(map(repr, choices))}."
    )


def zone(function: str, parameter: str, tz: str) -> ZoneInfo:
    """A time zone by its name, or PrepError with the nearest."""
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        near = difflib.get_close_matches(str(tz), sorted(available_timezones()), 3)
        raise PrepError(
            f"{function}: {parameter} {tz!r} is no time zone. Zones have names like "
            f"{', '.join(near or [ZONE, 'UTC'])}."
        ) from None


def temporary(number: int) -> str:
    """A name that no column has: U+FDD1 is no character."""
    return f"\ufdd1{number}"


def dated(
    function: str, df: Frame, column: str, parameter: str, tz: str, *, days: bool = False
) -> tuple[Frame, Parts]:
    """The frame with a column's dates or wall times, instants as the zone's, and their parts.

    `days`: with their days since 1970-01-01 as well.
    """
    zone(function, parameter, tz)
    chosen(function, df, [column])
    dtype = df.collect_schema()[column]
    parts = Parts(column, timed=isinstance(dtype, nw.Datetime), days=temporary(1) if days else "")
    if _is_blank(df, column, dtype):
        df = df.with_columns(nw.col(column).cast(nw.Date))
    elif not is_date(dtype):
        cure = {"text": "nominal_to_date", "category": "nominal_to_date"}
        told = cure.get(type_name(dtype), "numeric_to_date" if is_number(dtype) else "")
        raise PrepError(
            f"{function}: column {column!r} is {type_name(dtype)}; it takes date or date_time "
            f"columns.{f' Make it one first, by {told}.' if told else ''}"
        )
    elif isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        parts = replace(parts, column=temporary(0))
        df = with_local(df, column, parts.column, tz)
    return (with_epoch_days(df, parts.column, parts.days) if days else df), parts


def _is_blank(df: Frame, column: str, dtype: nw.dtypes.DType) -> bool:
    """Whether it is an object column of pandas without a value, which has no type to tell."""
    if not isinstance(df, nw.DataFrame) or not df.implementation.is_pandas():
        return False
    return dtype == nw.String and df[column].null_count() == len(df)


def placed(
    function: str,
    frame: Frame,
    names: Sequence[str],
    column: str,
    made: Mapping[str, nw.Expr],
    kept: bool,
) -> Frame:
    """The columns `names` with those made: at the end, or (`kept=False`) in place of `column`."""
    others = [name for name in names if kept or name != column]
    for name in made:
        if name in others and name != column:
            told = "another name as into" if kept else "another"
            raise PrepError(f"{function}: there is a column {name!r} already; give {told}.")
    new = [expression.alias(name) for name, expression in made.items()]
    at = len(names) if kept and column not in made else list(names).index(column)
    before = [name for name in names[:at] if name not in made]
    after = [name for name in names[at:] if name not in made and name != column]
    return frame.select(*before, *new, *after)


def effect_of_kept(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    """With a new column beside it, the old one stays as it is."""
    column = params["column"]
    return Effect({column: (Edge(column, "identity"),)} if params["keep_old_attribute"] else {})
