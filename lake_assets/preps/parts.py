"""Texts cut into parts as Java's `String.split` does, on every engine.

Here: what a pattern finds becomes one character, at which all engines can cut. Not here: which
columns are made of the parts (`split_columns` in `text.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import Frame, PrepError
from lake_assets.preps.regex import literal, portable
from lake_assets.preps.values import NO_VALUE

#: Stands for what a pattern found: Unicode reserves it for use within a program.
_CUT = "\ufdd0"


@dataclass(frozen=True)
class Pattern:
    """Where texts are cut: at `expression`, which becomes `mark` where it is not that already."""

    expression: str
    mark: str
    fixed: bool


def pattern_of(function: str, parameter: str, given: str) -> Pattern:
    """The pattern; PrepError if it finds the empty text or engines read it differently."""
    expression = portable(function, parameter, given)
    if re.search(expression, ""):
        raise PrepError(
            f"{function}: {parameter} {given!r} finds the empty text, so it would cut everywhere. "
            r"Give what stands between the parts, such as ',', '\s+' or '\|'."
        )
    text = literal(given)
    if text is None:
        return Pattern(expression, _CUT, fixed=False)
    if len(text) == 1 and re.escape(text) == text:  # Spark cuts at an expression
        return Pattern(text, text, fixed=True)
    return Pattern(text, _CUT, fixed=True)


def java_split(pattern: Pattern, text: str) -> list[str]:
    """Inner and leading empty parts stay, those at the end go; '' is one part, ',' is none."""
    expression = re.escape(pattern.expression) if pattern.fixed else pattern.expression
    left = re.sub(expression, _CUT, text).rstrip(_CUT)
    return left.split(_CUT) if left or not text else []


def marked(frame: Frame, names: Sequence[str], pattern: Pattern) -> Frame:
    """Texts with one mark at each cut, none at their end; missing where no part is left.

    In steps: within one, Polars would replace twice.
    """
    if pattern.expression != pattern.mark:
        frame = frame.with_columns(
            nw.col(name).str.replace_all(pattern.expression, pattern.mark, literal=pattern.fixed)
            for name in names
        )
    bare = {name: _bare(frame, nw.col(name), pattern.mark) for name in names}
    return frame.with_columns(
        nw.when((one != "") | (nw.col(name) == "")).then(one).alias(name)
        for name, one in bare.items()
    )


def _bare(frame: Frame, text: nw.Expr, mark: str) -> nw.Expr:
    """Without the marks at the end."""
    if frame.implementation.is_spark_like():  # its own would take a mark before a last end of line
        return text.str.replace_all(f"{mark}+\\z", "")
    return text.str.strip_chars_end(mark)


def counted(frame: Frame, names: Sequence[str], mark: str) -> dict[str, int]:
    """Column → the most parts in any row of marked texts, 0 where all are missing. One query."""
    if not names:
        return {}
    most = frame.select(nw.col(name).str.split(mark).list.len().max() for name in names)
    found = most.collect() if isinstance(most, nw.LazyFrame) else most
    return {name: int(value or 0) for name, (value,) in found.to_arrow().to_pydict().items()}


def taken_apart(frame: Frame, counts: Mapping[str, int], mark: str) -> Frame:
    """Marked texts as lists, each as long as its column's count at least; for `part`.

    Beyond a list's end Arrow and Spark raise, DuckDB gives a null: so what is short is filled with
    `NO_VALUE`, before it is a list. Polars has a function of its own, four times as fast.
    """
    if frame.implementation.is_polars():
        import polars as pl

        native: Any = nw.to_native(frame)
        made: Frame = nw.from_native(
            native.with_columns(
                pl.col(name).str.split_exact(mark, count - 1) for name, count in counts.items()
            )
        )
        return made
    filled = {
        name: nw.concat_str(nw.col(name), nw.lit((mark + NO_VALUE) * (count - 1)))
        for name, count in counts.items()
    }
    return frame.with_columns(one.str.split(mark).alias(name) for name, one in filled.items())


def part(frame: Frame, name: str, index: int) -> nw.Expr:
    """One part of what was `taken_apart`, missing where the row has fewer."""
    if frame.implementation.is_polars():
        return nw.col(name).struct.field(f"field_{index}")
    one = nw.col(name).list.get(index)
    return nw.when(one != NO_VALUE).then(one)


def enclosed(frame: Frame, names: Sequence[str], mark: str) -> Frame:
    """Marked texts with a mark at both ends."""
    return frame.with_columns(
        nw.concat_str(nw.lit(mark), nw.col(name), nw.lit(mark)).alias(name) for name in names
    )


def has_part(name: str, value: str, mark: str) -> nw.Expr:
    """Whether `value` is a part of `enclosed`, false where the text is missing."""
    return nw.col(name).str.contains(mark + value + mark, literal=True).fill_null(False)
