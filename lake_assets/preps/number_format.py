"""Formats of numbers by a pattern, as Java's DecimalFormat: `#,##0.00`, `000`, `0.0%`.

Here: the grammar of patterns, and the formula of a column of numbers. Not here: the function with
its named formats (`number_text.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.formulas import Formula, literal
from lake_assets.preps.plain_text import duckdb_text
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

    def duckdb(name: str) -> str:
        if dtype.is_float():
            value = _scaled(name, form)
            finite = _arranged(_of_float(value, form), form)
            body = f"CASE WHEN isinf({value}) THEN '∞' ELSE {finite} END"
            negative, there = f"signbit({value})", f"NOT isnan({name})"
        else:
            scale = dtype.scale if isinstance(dtype, nw.Decimal) else 0
            body = _arranged(_of_decimal(name, scale, form), form)
            negative, there = f"{name} < 0", f"{name} IS NOT NULL"
        below = f"{literal(form.negative_prefix)} || {body} || {literal(form.negative_suffix)}"
        above = f"{literal(form.prefix)} || {body} || {literal(form.suffix)}"
        return f"CASE WHEN {there} THEN CASE WHEN {negative} THEN {below} ELSE {above} END END"

    def spark(column: Any) -> Any:
        from pyspark.sql import functions as f

        # format_number is DecimalFormat itself. The texts around are set here: its own ones are
        # split from the number by what is known of them, a minus before and the unit behind.
        text = f.call_function("format_number", column, f.lit(form.digits + form.unit))
        negative = f.startswith(text, f.lit("-"))
        body = f.regexp_replace(text, f"^-|{form.unit}$" if form.unit else "^-", "")
        shown = f.when(
            negative, f.concat(f.lit(form.negative_prefix), body, f.lit(form.negative_suffix))
        ).otherwise(f.concat(f.lit(form.prefix), body, f.lit(form.suffix)))
        there = ~f.isnan(column) if dtype.is_float() else f.lit(True)
        return f.when(column.isNotNull() & there, shown)

    return Formula(nw.String, duckdb, spark)


def _scaled(name: str, form: Format) -> str:
    value = f"CAST({name} AS DOUBLE)"
    # As Java multiplies a double: 0.285 * 100 is 28.499999999999996.
    return f"({value} * 1e{_SHIFTS[form.unit]})" if form.unit else value


def _of_float(value: str, form: Format) -> str:
    """Digits with a decimal sign: the shortest, or the exact value rounded where that is less."""
    text = duckdb_text(f"abs({value})")
    short = f"length(split_part({text}, '.', 2)) <= {form.most}"
    # printf rounds the exact value half to even.
    digits = f"CASE WHEN {short} THEN {text} ELSE printf('%.{form.most}f', abs({value})) END"
    return f"split_part({digits}, '.', 1) || '.' || split_part({digits}, '.', 2)"


def _of_decimal(name: str, scale: int, form: Format) -> str:
    """Digits with a decimal sign, by whole numbers of 128 bits."""
    number = name if scale else f"CAST({name} AS HUGEINT)"
    digits = f"replace(CAST(abs({number}) AS VARCHAR), '.', '')"
    scale -= _SHIFTS.get(form.unit, 0)
    if scale < 0:
        digits, scale = f"{digits} || {literal('0' * -scale)}", 0
    if scale > form.most:
        unit = 10 ** (scale - form.most)
        count = f"CAST({digits} AS HUGEINT)"
        whole, rest = f"({count} // {_huge(unit)})", f"({count} % {_huge(unit)})"
        half = _huge(unit // 2)
        up = f"{rest} > {half} OR ({rest} = {half} AND {whole} % 2 = 1)"
        digits = f"CAST({whole} + CASE WHEN {up} THEN 1 ELSE 0 END AS VARCHAR)"
        scale = form.most
    if not scale:
        return f"{digits} || '.'"
    padded = f"repeat('0', {scale}) || {digits}"
    return f"left({padded}, -{scale}) || '.' || right({padded}, {scale})"


def _huge(number: int) -> str:
    return f"CAST('{number}' AS HUGEINT)"


def _arranged(digits: str, form: Format) -> str:
    """The digits with as many zeros, groups and the decimal sign as the format has."""
    zeros = literal("0" * form.integer), literal("0" * form.fraction)
    text = f"{zeros[0]} || {digits} || {zeros[1]}"
    least = f"[0-9]{{{form.fraction}}}"
    text = f"regexp_replace({text}, '([.]{least}[0-9]*?)0*$', '\\1')"
    least, more = f"[0-9]{{{form.integer}}}", f"[1-9][0-9]{{{form.integer},}}"
    text = f"regexp_replace({text}, '^0*({more}|{least})[.]', '\\1.')"
    if not form.point:
        text = f"rtrim({text}, '.')"
    if not form.integer:
        text = f"coalesce(nullif({text}, ''), '0')"
    if not form.group:
        return text
    whole = f"split_part({text}, '.', 1)"
    size = f"([0-9]{{{form.group}}})"
    grouped = f"reverse(rtrim(regexp_replace(reverse({whole}), '{size}', '\\1,', 'g'), ','))"
    return f"({grouped} || substr({text}, length({whole}) + 1))"
