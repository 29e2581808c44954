"""Prep functions between numbers and their text: parsing it, and writing it by a format.

Here: functions 28 and 29. Not here: the patterns of formats (`number_format.py`), numbers as
nominal values (`numbers.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import narwhals.stable.v2 as nw

from lake_assets.preps.fences import kept_present
from lake_assets.preps.formulas import Formula, Step, applied, lent, literal
from lake_assets.preps.number_format import CURRENCIES, format_formula, format_of
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import Columns, chosen
from lake_assets.preps.values import one_of, with_texts

Unparsable = Literal["fail", "skip attribute", "replace with missing values"]
FormatType = Literal["number", "integer", "currency", "percent", "pattern"]
Locale = Literal["en_US", "ko_KR"]

#: Taken off both ends by `strip`: the blanks of `trim`.
BLANKS = " \t\r\n\u3000\u00a0"


def _without_skipped(df: Frame, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """With 'skip attribute' the columns that parse, so that other data gets the same columns."""
    if params.get("unparsable_value_handling") != "skip attribute":
        return params
    names = chosen("parse_number", df, params.get("columns"), default="nominal", only="nominal")
    reading = Reading(**{key: params[key] for key in params if key in _READING})
    return {
        **params,
        "columns": [name for name in names if _parses(df, name, reading)],
        "unparsable_value_handling": "fail",
    }


@prep(28, learn=_without_skipped)
def parse_number(
    df: Frame,
    columns: Columns | None = None,
    decimal_character: str = ".",
    grouped_digits: bool = False,
    grouping_character: str = ",",
    infinity_representation: str = "",
    unparsable_value_handling: Unparsable = "fail",
    strip: bool = False,
    unicode_minus: bool = False,
    strict_groups: bool = False,
) -> Frame:
    """Read real numbers from text: '2500' is 2500.0.

    The whole text must be a number: '-7', '.5', '5.', '1.5E3' are, '+7', ' 7', '7원', '' and
    'NaN' are not, nor is one too large for a real (1e400). Full-width digits are read.

    `columns`: text columns, all by default. `decimal_character`: one character.
    `grouped_digits`: `grouping_character` may stand among the digits before the decimal one,
    wherever ('1,23,4' is 1234) or, with `strict_groups`, before every three.
    `infinity_representation`: the text that is infinity, '∞' perhaps; '' is none.
    `unparsable_value_handling`: 'fail' is an error with the column and the first such text, 'skip
    attribute' leaves the whole column text, 'replace with missing values' makes it missing.
    `strip` takes blanks off both ends first, `unicode_minus` reads U+2212 as a minus.
    Missing stays missing.

    Source: RapidMiner's *Parse Numbers*, Java's DecimalFormat.

    >>> import polars as pl
    >>> from lake_assets.preps import parse_number
    >>> parse_number(pl.DataFrame({"금액": ["2,500"]}), grouped_digits=True)["금액"].to_list()
    [2500.0]
    >>> parse_number(pl.DataFrame({"a": ["3,14"]}), decimal_character=",")["a"].to_list()
    [3.14]
    """
    function = "parse_number"
    one_of(function, "unparsable_value_handling", unparsable_value_handling, get_args(Unparsable))
    reading = Reading(
        decimal_character,
        grouped_digits,
        grouping_character,
        infinity_representation,
        strip,
        unicode_minus,
        strict_groups,
    )
    names = chosen(function, df, columns, default="nominal", only="nominal")
    df = with_texts(df, names)
    if unparsable_value_handling == "replace with missing values":
        return applied(df, dict.fromkeys(names, reading.formula()))
    return _read(df, names, reading)


@prep(29)
def format_numbers(
    df: Frame,
    columns: Columns | None = None,
    format_type: FormatType = "number",
    pattern: str | None = None,
    locale: Locale = "en_US",
    use_grouping: bool = False,
) -> Frame:
    """Write numbers as text by a format: 7.25 by '000.0' is '007.2'.

    `columns`: numeric columns, all by default. `format_type`: 'number' has up to three places of
    a fraction, 'integer' none, 'currency' the sign and places of `locale` ('en_US' $ and two,
    'ko_KR' ₩ and none), 'percent' a hundredfold with none. `use_grouping`: thousands by commas.

    'pattern': `pattern` as Java's DecimalFormat has it, `0` a digit always, `#` one that is
    needed, `,` the size of groups, `%` `‰` `¤`, texts around in quotes where they are one of
    these, and after `;` how negative numbers look. It decides about groups for itself.

    Halves go to the even neighbour (2.5 is '2'): of a real number by its exact value, which for
    1.005 lies below the half ('1.00'); decimals are exact. Missing stays missing, infinity is '∞',
    and a negative number that is rounded to zero keeps its sign, as in Java ('-0').

    Source: RapidMiner's *Format Numbers*, Java's DecimalFormat.

    >>> import polars as pl
    >>> from lake_assets.preps import format_numbers
    >>> df = pl.DataFrame({"금액": [1234.5, -7.25, None]})
    >>> format_numbers(df, format_type="pattern", pattern="000.0")["금액"].to_list()
    ['1234.5', '-007.2', None]
    >>> format_numbers(df, format_type="currency", locale="ko_KR", use_grouping=True)[
    ...     "금액"
    ... ].to_list()
    ['₩1,234', '-₩7', None]
    """
    function = "format_numbers"
    one_of(function, "format_type", format_type, get_args(FormatType))
    one_of(function, "locale", locale, list(CURRENCIES))
    if format_type == "pattern":
        if not pattern:
            raise PrepError(f"{function}: format_type 'pattern' needs a pattern, say '#,##0.00'.")
    elif pattern is not None:
        raise PrepError(f"{function}: a pattern is for format_type='pattern', not {format_type!r}.")
    else:
        digits = "#,##0" if use_grouping else "#0"
        pattern = {
            "number": digits + ".###",
            "integer": digits,
            "currency": "¤" + digits + (".00" if locale == "en_US" else ""),
            "percent": digits + "%",
        }[format_type]
    form = format_of(function, pattern, locale)
    names = chosen(function, df, columns, default="numeric", only="numeric")
    schema = df.collect_schema()
    return applied(df, {name: format_formula(schema[name], form) for name in names})


# -- reading


@dataclass(frozen=True)
class Reading:
    """How texts are read: parse_number's parameters that are about one text."""

    decimal_character: str = "."
    grouped_digits: bool = False
    grouping_character: str = ","
    infinity_representation: str = ""
    strip: bool = False
    unicode_minus: bool = False
    strict_groups: bool = False

    def __post_init__(self) -> None:
        marks = {"decimal_character": self.decimal_character}
        if self.grouped_digits:
            marks["grouping_character"] = self.grouping_character
        for parameter, mark in marks.items():
            if len(mark) != 1 or mark.isdigit() or mark in "-eE":
                raise PrepError(
                    f"parse_number: {parameter} is {mark!r}; it is one character, no digit, "
                    "no '-' and no 'E'."
                )
        if len(set(marks.values())) < len(marks):
            raise PrepError(
                f"parse_number: decimal_character and grouping_character are both "
                f"{self.decimal_character!r}; they must differ."
            )

    @property
    def pattern(self) -> str:
        """What a whole text must be, after its digits are ASCII; alike in RE2, Rust and Java."""
        point = _in_pattern(self.decimal_character)
        whole = "[0-9]+"
        if self.grouped_digits:
            group = _in_pattern(self.grouping_character)
            whole = (
                f"(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)"
                if self.strict_groups
                else f"(?:{group}*[0-9])+"
            )
        return f"-?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?"

    def formula(self) -> Formula:
        plain = self.decimal_character == "." and not self.grouped_digits
        simple = plain and not (self.infinity_representation or self.strip or self.unicode_minus)
        if not simple:
            return Formula(nw.Float64, self._duckdb(), self._spark)
        return Formula(nw.Float64, self._duckdb(), self._spark, self._polars, self._arrow)

    def _duckdb(self) -> list[Step]:
        steps: list[Step] = []
        if self.strip:
            steps.append(lambda _, text: f"trim({text}, {literal(BLANKS)})")
        if self.unicode_minus:
            steps.append(lambda _, text: f"replace({text}, '\u2212', '-')")
        steps.append(lambda _, text: f"translate({text}, '{_FULL_WIDTH}', '0123456789')")
        steps.append(lambda _, text: f"CASE {self._cases(text)} END")
        return steps

    def _cases(self, text: str) -> str:
        number = text
        if self.grouped_digits:
            number = f"replace({number}, {literal(self.grouping_character)}, '')"
        if self.decimal_character != ".":
            number = f"replace({number}, {literal(self.decimal_character)}, '.')"
        number = f"TRY_CAST({number} AS DOUBLE)"
        cases = f"""WHEN regexp_full_match({text}, {literal(self.pattern)}) AND isfinite({number})
            THEN {number}"""
        if not self.infinity_representation:
            return cases
        infinity = self.infinity_representation
        return f"""WHEN {text} = {literal(infinity)} THEN CAST('inf' AS DOUBLE)
            WHEN {text} = {literal("-" + infinity)} THEN CAST('-inf' AS DOUBLE) {cases}"""

    def _spark(self, column: Any) -> Any:
        from pyspark.sql import functions as f

        text = f.btrim(column, f.lit(BLANKS)) if self.strip else column
        if self.unicode_minus:
            text = f.replace(text, f.lit("\u2212"), f.lit("-"))
        text = f.translate(text, _FULL_WIDTH, "0123456789")
        number = text
        if self.grouped_digits:
            number = f.replace(number, f.lit(self.grouping_character), f.lit(""))
        if self.decimal_character != ".":
            number = f.replace(number, f.lit(self.decimal_character), f.lit("."))
        number = number.try_cast("double")
        # \\z, as Java's $ is before a last line break too.
        read = f.when(text.rlike(f"^(?:{self.pattern})\\z") & (f.abs(number) < math.inf), number)
        if not self.infinity_representation:
            return read
        infinity = self.infinity_representation
        return (
            f.when(text == infinity, math.inf)
            .when(text == "-" + infinity, -math.inf)
            .otherwise(read)
        )

    def _polars(self, series: Any) -> Any:
        """Polars' own cast, and DuckDB's way for texts that the two may see differently.

        The cast takes '+7', 'inf', 'nan' and 1e400, and no full-width digits.
        """
        import polars as pl
        import pyarrow as pa

        values = series.cast(pl.Float64, strict=False)
        same = values.null_count() == series.null_count()
        views = pa.chunked_array(series.to_arrow(compat_level=pl.CompatLevel.newest()))
        if same and math.isfinite(values.sum()) and not _has_plus(views):
            return values
        odd = values.is_null() | ~values.is_finite() | series.str.starts_with("+")
        odd = odd.fill_null(True) & series.is_not_null()
        rest = series.zip_with(odd, pl.Series([None], dtype=pl.String))
        read = pl.Series(lent(self.formula(), rest.to_arrow()), dtype=pl.Float64)
        return values.zip_with(~odd, read)

    def _arrow(self, array: Any) -> Any:
        """PyArrow's own cast where all are numbers without a plus, else DuckDB's way."""
        import pyarrow as pa

        try:
            values = array.cast(pa.float64())
        except pa.ArrowInvalid:
            return lent(self.formula(), array)
        if _has_plus(array) or not _finite(values):
            return lent(self.formula(), array)
        return values


_READING = frozenset(Reading.__dataclass_fields__)
_FULL_WIDTH = "０１２３４５６７８９"


def _in_pattern(mark: str) -> str:
    return "\\" + mark if mark in r"\^$.|?*+()[]{}" else mark


def _finite(values: Any) -> bool:
    """Whether no number is infinite or NaN, by their sum; False too where it is not known, as under
    a null may be anything. NumPy's sum is a third of Arrow's, which looks for nulls."""
    import numpy as np

    with np.errstate(all="ignore"):
        return all(
            np.isfinite(np.frombuffer(one.buffers()[1])[one.offset : one.offset + len(one)].sum())
            for one in values.chunks
            if len(one)
        )


def _has_plus(array: Any) -> bool:
    """Whether a text begins with '+', or may: 10 ms for 5 million, a fifth of asking each.

    By the bytes of all texts in one look, wherever the '+' is; of string views, which Polars has,
    by the first byte, which is the fifth of the 16 that a view takes (Arrow's columnar format).
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def plus(data: Any) -> bool:
        block = 1 << 18  # bytes that stay in the processor's cache
        parts = (data[start : start + block] for start in range(0, len(data), block))
        return any((part == ord("+")).any() for part in parts)

    wide = {pa.string(): np.int32, pa.large_string(): np.int64}
    for chunk in array.chunks:
        buffers, first, last = chunk.buffers(), chunk.offset, chunk.offset + len(chunk)
        if chunk.type == pa.string_view():
            found = plus(np.frombuffer(buffers[1], np.uint8)[16 * first + 4 : 16 * last : 16])
        elif chunk.type not in wide:
            found = bool(pc.any(pc.starts_with(chunk, "+")).as_py())
        elif buffers[2] is None:
            found = False
        else:
            ends = np.frombuffer(buffers[1], wide[chunk.type])[[first, last]]
            found = plus(np.frombuffer(buffers[2], np.uint8)[slice(*ends)])
        if found:
            return True
    return False


def _read(df: Frame, names: Sequence[str], reading: Reading) -> Frame:
    formula = reading.formula()

    def made(frame: Frame, chosen_names: Sequence[str]) -> Frame:
        return applied(frame, dict.fromkeys(chosen_names, formula))

    def refused(name: str, value: Any) -> PrepError:
        return PrepError(
            f"parse_number: column {name!r} has texts that are no numbers. "
            "unparsable_value_handling: 'skip attribute' leaves such a column as it is, "
            "'replace with missing values' makes them missing.",
            example=value,
        )

    return kept_present(df, names, made, refused)


def _parses(df: Frame, name: str, reading: Reading) -> bool:
    try:
        _read(with_texts(df, [name]), [name], reading)
    except PrepError:
        return False
    return True
