"""Formats of numbers by a pattern, as Java's DecimalFormat: `#,##0.00`, `000`, `0.0%`.

Here: the grammar of patterns, and the formula of a column of numbers. Not here: the function with
its named formats (`number_text.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.formulas import Formula, Step, literal
from lake_assets.preps.plain_text import duckdb_size, once, spark_text
from lake_assets.preps.prep import PrepError

#: Locale → currency sign and code. Digits, decimal sign and groups are alike in both.
CURRENCIES = {"en_US": ("$", "USD"), "ko_KR": ("₩", "KRW")}

#: Places that the decimal sign moves.
_SHIFTS = {"%": 2, "‰": 3}

#: A character of a pattern, and whether it means something (it is not quoted).
_Token = tuple[str, bool]


@dataclass(frozen=True)
class Format:
    """A pattern that was read.

    `digits` is its part of `0`, `#`, `,` and `.`. Of digits there are at least `integer` before
    and `fraction` behind the decimal sign, at most `most` behind it; `group` is the size of groups
    (0: none), `point` whether the sign stands with no fraction too, `unit` a % or ‰ or ''.
    """

    digits: str
    unit: str
    prefix: str
    suffix: str
    negative_prefix: str
    negative_suffix: str
    integer: int
    fraction: int
    most: int
    group: int
    point: bool


def format_of(function: str, pattern: str, locale: str) -> Format:
    """The pattern read; a PrepError says what is wrong with it."""

    def wrong(why: str) -> PrepError:
        return PrepError(f"{function}: the pattern {pattern!r} {why}. An example: '#,##0.00'.")

    tokens = list(_tokens(pattern))
    if tokens and tokens[-1] == ("'", True):
        raise wrong("has a quote (') that nothing closes; a quote itself is written ''")
    cuts = [place for place, token in enumerate(tokens) if token == (";", True)]
    if len(cuts) > 1:
        raise wrong("has more than one ';', which parts positive from negative numbers")
    positive = _parted(tokens[: cuts[0]] if cuts else tokens)
    negative = _parted(tokens[cuts[0] + 1 :]) if cuts else None
    if not any(digit in positive.digits for digit in "0#"):
        raise wrong("has no digit, 0 or #")
    if positive.suffix[:1] == [("E", True)]:
        raise wrong("asks for an exponent (E), which is not offered; a letter E is quoted: 'E'")
    for char, meant in positive.suffix:
        if meant and char in "0#,.":
            raise wrong(f"has {char!r} apart from its digits; quote it to show it")
    units = [char for char, meant in positive.prefix + positive.suffix if meant and char in _SHIFTS]
    if len(units) > 1:
        raise wrong("has more than one of % and ‰")
    whole, point, fraction = positive.digits.partition(".")
    if "." in fraction:
        raise wrong("has more than one decimal sign '.'")
    if "," in fraction:
        raise wrong("has a group separator ',' behind the decimal sign")
    if whole.endswith(","):
        raise wrong("has a group separator ',' with no group behind it")
    before = whole.replace(",", "")
    if "0#" in before:
        raise wrong("has a '#' behind a 0, before the decimal sign")
    if "#0" in fraction:
        raise wrong("has a '0' behind a #, behind the decimal sign")
    integer, least = before.count("0"), fraction.count("0")
    if point and not integer and not least:  # Java shows a zero: of '#.#' before, of '.#' behind
        integer, least = (1, 0) if before else (0, 1)
    plus = _shown(positive.prefix, locale), _shown(positive.suffix, locale)
    minus = (_shown(negative.prefix, locale), _shown(negative.suffix, locale)) if negative else plus
    if minus == plus:
        minus = "-" + plus[0], plus[1]
    return Format(
        digits=positive.digits,
        unit=units[0] if units else "",
        prefix=plus[0],
        suffix=plus[1],
        negative_prefix=minus[0],
        negative_suffix=minus[1],
        integer=integer,
        fraction=least,
        most=len(fraction),
        group=len(whole) - whole.rfind(",") - 1 if "," in whole else 0,
        point=bool(point) and not (before and fraction),
    )


@dataclass(frozen=True)
class _Parts:
    prefix: list[_Token]
    digits: str
    suffix: list[_Token]


def _tokens(pattern: str) -> Iterator[_Token]:
    """The characters without their quotes; a last `'` that is meant is one never closed."""
    quoted, place = False, 0
    while place < len(pattern):
        char = pattern[place]
        if char == "'" and pattern[place + 1 : place + 2] == "'":
            yield "'", False
            place += 1
        elif char == "'":
            quoted = not quoted
        else:
            yield char, not quoted
        place += 1
    if quoted:
        yield "'", True


def _parted(tokens: list[_Token]) -> _Parts:
    marks = [meant and char in "0#,." for char, meant in tokens]
    start = marks.index(True) if True in marks else len(marks)
    end = marks.index(False, start) if False in marks[start:] else len(marks)
    return _Parts(tokens[:start], "".join(char for char, _ in tokens[start:end]), tokens[end:])


def _shown(tokens: list[_Token], locale: str) -> str:
    """What stands there: ¤ is the currency's sign, ¤¤ its code."""
    sign, code = CURRENCIES[locale]
    held = "".join("\ue000" if token == ("¤", True) else token[0] for token in tokens)
    return held.replace("\ue000\ue000", code).replace("\ue000", sign)


# -- the formula


def format_formula(dtype: Any, form: Format) -> Formula:
    """A number of the type as that format's text, halves to even; missing stays missing.

    A float's exact value decides what a half is (1.005 is below it), its shortest digits are
    shown (0.1 has no 17th place); a decimal never becomes a float.
    """
    floats = dtype.is_float()

    def around(column: str, text: str) -> str:
        missing, negative = f"{column} IS NULL", f"{column} < 0"
        if floats:
            missing, negative = f"isnan({column})", f"signbit({column})"
            text = f"CASE WHEN isinf({_value(column, form)}) THEN '∞' ELSE {text} END"
        return f"""CASE WHEN {missing} THEN NULL WHEN {negative}
            THEN {literal(form.negative_prefix)} || {text} || {literal(form.negative_suffix)}
            ELSE {literal(form.prefix)} || {text} || {literal(form.suffix)} END"""

    def spark(column: Any) -> Any:
        from pyspark.sql import functions as f

        # The texts around are set here; DecimalFormat's own are a minus before, the unit behind.
        text = _by_java(column, form) if floats else _java(column, form.digits + form.unit)

        def around(text: Any) -> Any:
            body = f.regexp_replace(text, f"^-|{form.unit}$" if form.unit else "^-", "")
            below = f.concat(f.lit(form.negative_prefix), body, f.lit(form.negative_suffix))
            above = f.concat(f.lit(form.prefix), body, f.lit(form.suffix))
            return f.when(f.startswith(text, f.lit("-")), below).otherwise(above)

        shown = once(text, around)
        return f.when(~f.isnan(column), shown) if floats else shown

    scale = dtype.scale if isinstance(dtype, nw.Decimal) else 0
    digits = _digits_of_float(form) if floats else _digits_of_decimal(scale, form)
    return Formula(nw.String, [*digits, *_arranged(form), around], spark)


def _value(column: str, form: Format) -> str:
    """A float as a double, multiplied as Java does: 0.285 * 100 is 28.499999999999996."""
    value = f"CAST({column} AS DOUBLE)"
    return f"({value} * 1e{_SHIFTS[form.unit]})" if form.unit else value


def _digits_of_float(form: Format) -> list[Step]:
    """The shortest digits, or those of the exact value rounded where that is less."""
    return [
        lambda column, _: f"CAST(abs({_value(column, form)}) AS VARCHAR)",
        lambda column, text: duckdb_size(_value(column, form), text),
        # printf rounds the exact value half to even.
        lambda column, text: (
            f"""CASE WHEN length(split_part({text}, '.', 2)) <= {form.most}
            THEN {text} ELSE printf('%.{form.most}f', abs({_value(column, form)})) END"""
        ),
    ]


def _digits_of_decimal(scale: int, form: Format) -> list[Step]:
    """The digits by whole numbers of 128 bits, which hold 38 of them."""
    places = scale - _SHIFTS.get(form.unit, 0)
    number = "{}" if scale else "CAST({} AS HUGEINT)"  # int64's least has no size in int64
    zeros = "0" * -places
    steps: list[Step] = [
        lambda column, _: f"CAST(abs({number.format(column)}) AS VARCHAR)",
        lambda _, text: f"replace({text}, '.', '') || '{zeros}'",
    ]
    if places > form.most:
        unit = 10 ** (places - form.most)
        whole, rest, half = f"// {_huge(unit)}", f"% {_huge(unit)}", _huge(unit // 2)
        steps += [
            lambda _, text: f"CAST({text} AS HUGEINT)",
            lambda _, count: (
                f"""{count} {whole} + CASE WHEN {count} {rest} > {half}
                OR ({count} {rest} = {half} AND {count} {whole} % 2 = 1) THEN 1 ELSE 0 END"""
            ),
            lambda _, count: f"CAST({count} AS VARCHAR)",
        ]
    places = min(max(places, 0), form.most)
    # One digit before the decimal sign, at least and where it is a zero.
    steps += [
        lambda _, text: f"ltrim({text}, '0')",
        lambda _, text: f"repeat('0', greatest({places + 1} - length({text}), 0)) || {text}",
    ]
    if places:
        steps.append(lambda _, text: f"left({text}, -{places}) || '.' || right({text}, {places})")
    return steps


def _huge(number: int) -> str:
    return f"CAST('{number}' AS HUGEINT)"


def _arranged(form: Format) -> list[Step]:
    """The digits with as many zeros, groups and decimal signs as the format has."""
    steps: list[Step] = []
    if form.most or form.point:
        zeros, end = "0" * form.fraction, f"strpos({{}}, '.') + {form.fraction}"
        steps += [
            lambda _, text: f"CASE WHEN contains({text}, '.') THEN {text} ELSE {text} || '.' END",
            lambda _, text: f"{text} || '{zeros}'",
            # The digits that must be, and of the others those before needless zeros.
            lambda _, text: (
                f"""left({text}, {end.format(text)})
                || rtrim(substr({text}, {end.format(text)} + 1), '0')"""
            ),
        ]
    if form.most and not form.point and not form.fraction:
        steps.append(lambda _, text: f"rtrim({text}, '.')")
    if form.integer != 1:
        steps.append(lambda _, text: f"ltrim({text}, '0')")
    if form.integer == 0:
        steps.append(lambda _, text: f"CASE WHEN {text} = '' THEN '0' ELSE {text} END")
    if form.integer > 1:
        lacking = f"{form.integer} - length(split_part({{}}, '.', 1))"
        steps.append(lambda _, text: f"repeat('0', greatest({lacking.format(text)}, 0)) || {text}")
    if form.group:
        steps.append(lambda _, text: _grouped(text, form.group))
    return steps


def _grouped(text: str, size: int) -> str:
    """Commas are set from behind, so the digits before the decimal sign are turned round."""
    whole = f"split_part({text}, '.', 1)"
    marked = f"regexp_replace(reverse({whole}), '([0-9]{{{size}}})', '\\1,', 'g')"
    return f"""CASE WHEN length({whole}) <= {size} THEN {text}
        ELSE reverse(rtrim({marked}, ',')) || substr({text}, length({whole}) + 1) END"""


# -- the formula on Spark: DecimalFormat itself


def _java(column: Any, pattern: str) -> Any:
    from pyspark.sql import functions as f

    return f.call_function("format_number", column, f.lit(pattern))


def _by_java(column: Any, form: Format) -> Any:
    """A float by Java's format, past two faults that Java 17 has and 19 has not.

    Its digits are not always the shortest (2e-3 and 6.070897727763724e18 have one too many): where
    nothing is rounded off, the shortest ones go in as a decimal. And it takes 5e-4 to three places,
    5e-5 to four (and so on) for halves wherever they are above it: that number is pushed off.
    """
    from pyspark.sql import functions as f

    value = column.cast("double") * 10 ** _SHIFTS.get(form.unit, 0)
    scale = min(form.most, 18)
    half = Decimal(f"5E-{form.most + 1}")
    if Decimal(float(half)) > half:
        column = f.when(f.abs(value) == float(half), column * (1 + 2**-52)).otherwise(column)
    by_java = _java(column, form.digits + form.unit)

    def shown(text: Any) -> Any:
        short = f.length(f.regexp_extract(text, "[.]([0-9]*)$", 1)) <= scale
        exact = _java(text.try_cast(f"decimal(38,{scale})"), form.digits)
        return f.when(short, exact).otherwise(by_java)

    fits = (value != 0) & (f.abs(value) < 10.0 ** (38 - scale))  # a decimal has no -0
    return f.when(fits, once(spark_text(value), shown)).otherwise(by_java)
