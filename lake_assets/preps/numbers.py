"""Prep functions that turn numbers into another type: labels, true or false, text, real, whole.

Here: functions 14, 15, 16, 17, 19 and 20. Not here: text of numbers by a format and back
(`number_text.py`), numbers as dates (`date_types.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.preps.fences import (
    changed,
    kept_present,
    may_be_nan,
    present,
    reals,
    texts,
    unsigned,
    whole_numbers,
)
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import Columns, chosen
from lake_assets.preps.typed import single

Number: TypeAlias = int | float | Decimal


@prep(14)
def numeric_to_binominal_mapping(
    df: Frame,
    columns: Columns,
    mapping: Mapping[Number | str, str],
    default: str | None = None,
) -> Frame:
    """Replace numbers by at most two labels: `{0: '정상', 1: '불량'}`.

    `columns`: numeric columns. `mapping`: number to label; a number may be written as text, as
    JSON does. `default`: the label of numbers that are not listed; without it they are refused.
    Missing stays missing, with a default too.

    A third label is refused: `numeric_to_polynominal_mapping` takes any number of them.

    Source: RapidMiner's *Map* (blending/values/map).

    >>> import polars as pl
    >>> from lake_assets.preps import numeric_to_binominal_mapping
    >>> df = pl.DataFrame({"상태": [0, None, 1]})
    >>> numeric_to_binominal_mapping(df, "상태", {0: "정상", 1: "불량"})["상태"].to_list()
    ['정상', None, '불량']
    """
    function = "numeric_to_binominal_mapping"
    labels = dict.fromkeys([*mapping.values(), *([] if default is None else [default])])
    if len(labels) > 2:
        raise PrepError(
            f"{function}: two labels at most, not {', '.join(map(repr, labels))}; "
            "numeric_to_polynominal_mapping takes more."
        )
    return _mapped(function, df, columns, mapping, default)


@prep(16)
def numeric_to_polynominal_mapping(
    df: Frame,
    columns: Columns,
    mapping: Mapping[Number | str, str],
    default: str | None = None,
) -> Frame:
    """Replace numbers by labels: `{10: 'A', 20: 'B'}`.

    `columns`: numeric columns. `mapping`: number to label, compared exactly (0.1 is a decimal
    column's 0.10); a number may be written as text, as JSON does. `default`: the label of numbers
    that are not listed; without it they are refused. Missing stays missing, with a default too.

    Source: RapidMiner's *Map* (blending/values/map).

    >>> import polars as pl
    >>> from lake_assets.preps import numeric_to_polynominal_mapping
    >>> df = pl.DataFrame({"등급": [10, 11, None]})
    >>> numeric_to_polynominal_mapping(df, "등급", {10: "A"}, default="Z")["등급"].to_list()
    ['A', 'Z', None]
    """
    return _mapped("numeric_to_polynominal_mapping", df, columns, mapping, default)


@prep(15)
def numeric_to_binominal(
    df: Frame, columns: Columns | None = None, min: Number = 0.0, max: Number = 0.0
) -> Frame:
    """Say of numbers whether they lie outside a range: false within `min` to `max`, true outside.

    `columns`: numeric columns, all by default. `min`, `max`: both ends belong to the range; whole
    numbers and decimals are compared exactly. Missing stays missing. `min` above `max` is refused.

    Source: RapidMiner's *Numerical to Binominal*.

    >>> import polars as pl
    >>> from lake_assets.preps import numeric_to_binominal
    >>> numeric_to_binominal(pl.DataFrame({"a": [0, 7, None]}))["a"].to_list()
    [False, True, None]
    >>> numeric_to_binominal(pl.DataFrame({"a": [10, 20, 21]}), min=10, max=20)["a"].to_list()
    [False, False, True]
    """
    function = "numeric_to_binominal"
    low, high = _exact(function, "min", min), _exact(function, "max", max)
    if low > high:
        raise PrepError(f"{function}: min is {min}, above max, which is {max}.")
    names = chosen(function, df, columns, default="numeric", only="numeric")
    schema = df.collect_schema()
    return changed(df, *(_outside(df, name, schema[name], low, high).alias(name) for name in names))


@prep(17)
def numeric_to_polynominal(df: Frame, columns: Columns | None = None) -> Frame:
    """Use numbers as text: 5 is '5', 2.0 is '2', 0.25 is '0.25'.

    `columns`: numeric columns, all by default. A real number is the shortest text that reads back
    the same, in plain digits; an infinite one is '∞'. Missing (null, NaN) stays missing.

    Source: RapidMiner's *Numerical to Polynominal*, which prints three places of a fraction.

    >>> import polars as pl
    >>> from lake_assets.preps import numeric_to_polynominal
    >>> numeric_to_polynominal(pl.DataFrame({"a": [2.0, 0.25, None]}))["a"].to_list()
    ['2', '0.25', None]
    """
    names = chosen("numeric_to_polynominal", df, columns, default="numeric", only="numeric")
    return texts(df, names)


@prep(19)
def integer_to_real(df: Frame, columns: Columns | None = None) -> Frame:
    """Turn whole numbers into real ones: 7 is 7.0.

    `columns`: integer columns, all by default; a real column that is named stays as it is. Above
    2^53 (9,007,199,254,740,992) a real number does not hold every whole one: the nearest is taken.

    Source: RapidMiner's *Numerical to Real*.

    >>> import polars as pl
    >>> from lake_assets.preps import integer_to_real
    >>> integer_to_real(pl.DataFrame({"a": [7, None]}))["a"].to_list()
    [7.0, None]
    """
    names = chosen("integer_to_real", df, columns, default="integer", only="numeric")
    schema = df.collect_schema()
    return reals(df, [name for name in names if schema[name].is_integer()])


@prep(20)
def real_to_integer(df: Frame, columns: Columns | None = None, round_values: bool = False) -> Frame:
    """Turn real numbers into whole ones by cutting the fraction off: 1.7 is 1, -1.7 is -1.

    `columns`: columns of reals or decimals, all by default; an integer column that is named stays
    as it is. `round_values`: round instead, halves upwards as Java's Math.round does (2.5 is 3,
    -2.5 is -2). Missing stays missing; what int64 cannot hold, infinity too, is refused.

    Source: RapidMiner's *Real to Integer*.

    >>> import polars as pl
    >>> from lake_assets.preps import real_to_integer
    >>> df = pl.DataFrame({"a": [1.7, -1.5]})
    >>> real_to_integer(df)["a"].to_list(), real_to_integer(df, round_values=True)["a"].to_list()
    ([1, -1], [2, -1])
    """
    function = "real_to_integer"
    names = chosen(function, df, columns, default="real", only="numeric")
    schema = df.collect_schema()
    fractions = [name for name in names if not schema[name].is_integer()]

    def refused(name: str, value: Any) -> PrepError:
        return PrepError(
            f"{function}: column {name!r} has values that int64 cannot hold "
            "(-9223372036854775808 to 9223372036854775807).",
            example=value,
        )

    def made(frame: Frame, chosen_names: Sequence[str]) -> Frame:
        return whole_numbers(frame, chosen_names, "half_up" if round_values else "cut")

    return kept_present(df, fractions, made, refused)


# -- labels


def _mapped(
    function: str,
    df: Frame,
    columns: Columns,
    mapping: Mapping[Number | str, str],
    default: str | None,
) -> Frame:
    for label in [*mapping.values(), *([] if default is None else [default])]:
        if not isinstance(label, str):
            raise PrepError(f"{function}: a label is text, {label!r} is none; write it in quotes.")
    numbers: dict[Decimal, str] = {}
    for key, label in mapping.items():
        number = _exact(function, "mapping", key)
        if number in numbers:
            raise PrepError(f"{function}: mapping has the number {key} twice.")
        numbers[number] = label
    names = chosen(function, df, columns, only="numeric")

    def labelled(name: str, dtype: Any) -> nw.Expr:
        column = present(name, dtype)
        # -0.0 + 0 is 0.0: PyArrow's look-up holds the two apart.
        wide = column.cast(nw.Float64) if isinstance(dtype, nw.Float32) else column
        looked_up = wide + 0 if dtype.is_float() else column
        own = {_own(number, dtype): label for number, label in numbers.items()}
        own.pop(None, None)
        if isinstance(dtype, nw.UInt64):  # beyond int64, which is what lists of ints are to PyArrow
            found = nw.lit(default, nw.String)
            for number, label in own.items():
                here = column != unsigned(number)
                found = nw.when(here).then(found).otherwise(nw.lit(label, nw.String))
        elif own:
            found = looked_up.replace_strict(
                list(own), list(own.values()), default=default, return_dtype=nw.String
            )
        else:
            found = nw.lit(default, nw.String)
        return nw.when(~column.is_null()).then(found).alias(name)

    def made(frame: Frame, chosen_names: Sequence[str]) -> Frame:
        types = frame.collect_schema()
        return changed(frame, *(labelled(name, types[name]) for name in chosen_names))

    def refused(name: str, value: Any) -> PrepError:
        return PrepError(
            f"{function}: column {name!r} has numbers that the mapping does not list; "
            "list them or give a default.",
            example=value,
        )

    if default is not None:
        return made(df, names)
    return kept_present(df, names, made, refused)


# -- numbers compared exactly


def _exact(function: str, parameter: str, number: Number | str) -> Decimal:
    """A parameter as a decimal: a float by its shortest text, so that 0.1 is 0.1."""
    try:
        exact = Decimal(repr(number) if isinstance(number, float) else number)
    except (ArithmeticError, TypeError, ValueError):
        exact = Decimal("nan")
    if exact.is_nan() or isinstance(number, bool):
        raise PrepError(f"{function}: {parameter}: {number!r} is no number.")
    return exact


def _own(number: Decimal, dtype: Any) -> Any:
    """The number in the column's type, None where the type does not have it."""
    if dtype.is_float():
        near = _real(number, dtype)
        # 2^53 + 1 is no real number; 0.1 is the real number that is written so.
        lacking = number == number.to_integral_value() and Decimal(near) != number
        return None if lacking else near
    if not number.is_finite():
        return None
    scale, lowest, highest = _grid(dtype)
    steps = Fraction(number) * 10**scale
    fits = steps.denominator == 1 and lowest <= steps <= highest
    return _steps(int(steps), dtype) if fits else None


def _real(number: Decimal, dtype: Any) -> float:
    return single(float(number)) if isinstance(dtype, nw.Float32) else float(number)


def _outside(df: Frame, name: str, dtype: Any, low: Decimal, high: Decimal) -> Any:
    """An expression, or of an eager frame without NaN a series: on pandas it takes a tenth less."""
    eager = isinstance(df, nw.DataFrame)
    column: Any = nw.col(name) if not eager else df[name]
    if may_be_nan(df, name):
        column = present(name, dtype)
    if dtype.is_float():
        column = column.cast(nw.Float64) if isinstance(dtype, nw.Float32) else column
        return (column < _real(low, dtype)) | (column > _real(high, dtype))
    scale, lowest, highest = _grid(dtype)
    # Ends beyond the type, infinite ones too, are brought to where no value of it is.
    beyond = Decimal(f"1E{1 + len(str(highest))}")
    low, high = (max(-beyond, min(end, beyond)) for end in (low, high))
    first = max(math.ceil(Fraction(low) * 10**scale), lowest)
    last = min(math.floor(Fraction(high) * 10**scale), highest)
    if first > last:
        return nw.when(~nw.col(name).is_null()).then(nw.lit(True))
    if isinstance(dtype, nw.UInt64):
        return (nw.col(name) < unsigned(first)) | (nw.col(name) > unsigned(last))
    return (column < _steps(first, dtype)) | (column > _steps(last, dtype))


def _grid(dtype: Any) -> tuple[int, int, int]:
    """What an integer or decimal type holds: places of the fraction, first and last step."""
    if isinstance(dtype, nw.Decimal):
        last = 10**dtype.precision - 1
        return dtype.scale, -last, last
    bits = int(re.sub(r"\D", "", str(dtype)))  # 'Int64', 'UInt8'
    if dtype.is_unsigned_integer():
        return 0, 0, 2**bits - 1
    return 0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _steps(count: int, dtype: Any) -> int | Decimal:
    """So many steps in the type; a decimal by its text, as arithmetic rounds to 28 digits."""
    return Decimal(f"{count}E-{dtype.scale}") if isinstance(dtype, nw.Decimal) else count
