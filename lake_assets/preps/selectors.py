"""Which columns a function works on: a name, a list of names, or a selector by what columns are.

Here: resolving one against a frame, with a message that names what there is. Not here: functions.
Source: the attribute filter of RapidMiner's operators (docs.rapidminer.com, studio/operators).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import Frame, PrepError

ValueType = Literal["numeric", "integer", "real", "nominal", "binominal", "date", "date_time"]


@dataclass(frozen=True)
class Selector:
    """Columns by a rule; exactly one of the first five. In YAML it is a mapping of the same keys.

    `regular_expression` matches whole names, `value_type` is what a column is; `no_missing_values`
    and `numeric_condition` look at the data. `except_` (`except` in YAML) takes names out again,
    `invert` turns the choice round, and `on_missing_column="ignore"` forgives names of `subset`.
    """

    subset: Sequence[str] | None = None
    regular_expression: str | None = None
    value_type: ValueType | Sequence[ValueType] | None = None
    no_missing_values: bool = False
    numeric_condition: str | None = None
    except_: str | Sequence[str] = ()
    invert: bool = False
    on_missing_column: Literal["error", "ignore"] = "error"


Columns: TypeAlias = str | Sequence[str] | Selector | Mapping[str, Any]

_REAL = (nw.Float64, nw.Float32, nw.Decimal)


def is_number(dtype: Any) -> bool:
    """An integer, a float or a decimal; a boolean is none."""
    return bool(dtype.is_numeric()) or isinstance(dtype, nw.Decimal)


def is_nominal(dtype: Any) -> bool:
    """Text or a category."""
    return isinstance(dtype, nw.String | nw.Categorical | nw.Enum)


def is_date(dtype: Any) -> bool:
    return isinstance(dtype, nw.Date | nw.Datetime)


_IS_OF: dict[str, Callable[[Any], bool]] = {
    "numeric": is_number,
    "integer": lambda dtype: dtype.is_integer(),
    "real": lambda dtype: isinstance(dtype, _REAL),
    "nominal": is_nominal,
    "binominal": lambda dtype: isinstance(dtype, nw.Boolean),
    "date": lambda dtype: isinstance(dtype, nw.Date),
    "date_time": lambda dtype: isinstance(dtype, nw.Datetime),
}


#: What `chosen` found, where lineage asks.
_HEARD: ContextVar[set[str] | None] = ContextVar("_HEARD", default=None)


@contextmanager
def heard() -> Iterator[set[str]]:
    """The columns that functions choose while it is open, whatever chose them."""
    found: set[str] = set()
    token = _HEARD.set(found)
    try:
        yield found
    finally:
        _HEARD.reset(token)


def chosen(
    function: str,
    frame: Frame,
    columns: Columns | None,
    *,
    default: ValueType | None = None,
    only: ValueType | Sequence[ValueType] | None = None,
) -> list[str]:
    """The columns asked for, in the frame's order.

    `None` means all columns of the value type `default` (all columns without one). `only`: the
    types that the function takes; a column named outright that is of another is a PrepError, one
    that a selector finds is left out. `function` is for the message.
    """
    found = _resolved(function, frame, columns, default, only)
    listener = _HEARD.get()
    if listener is not None:
        listener.update(found)
    return found


def _resolved(
    function: str,
    frame: Frame,
    columns: Columns | None,
    default: ValueType | None,
    only: ValueType | Sequence[ValueType] | None,
) -> list[str]:
    schema = frame.collect_schema()
    kinds = (only,) if isinstance(only, str) else tuple(only or ())

    def fits(name: str) -> bool:
        return not kinds or any(_IS_OF[kind](schema[name]) for kind in kinds)

    if columns is None:
        return [
            n for n, dtype in schema.items() if (not default or _IS_OF[default](dtype)) and fits(n)
        ]
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, Mapping):
        columns = selector_of(function, columns)
    if isinstance(columns, Selector):
        return [name for name in _selected(function, frame, schema, columns) if fits(name)]
    known(function, schema, columns)
    wrong = [name for name in columns if not fits(name)]
    if wrong:
        told = ", ".join(f"{name!r} is {type_told(frame, name)}" for name in wrong)
        raise PrepError(f"{function}: column {told}; it takes {' or '.join(kinds)} columns.")
    wanted = set(columns)
    return [name for name in schema if name in wanted]


class NoColumn(PrepError):
    """Columns that are not there, each with the nearest that is (or None)."""

    def __init__(self, function: str, schema: Mapping[str, Any], lacking: Sequence[str]) -> None:
        # By letters, not syllables: of 도시 and 도서 half the syllables differ, one letter in four.
        there = {unicodedata.normalize("NFD", name): name for name in schema}
        self.function, self.there, self.near = function, list(schema), dict[str, str | None]()
        for name in lacking:
            near = difflib.get_close_matches(unicodedata.normalize("NFD", str(name)), there, 1)
            self.near[name] = there[near[0]] if near else None
        super().__init__(self.told({}))

    def told(self, why: Mapping[str, str]) -> str:
        """The message; `why` a column is not there stands in the place of the nearest."""
        hints = {name: f"did you mean {near!r}?" for name, near in self.near.items() if near}
        hints |= why
        each = [f"{n!r}" + (f" ({hints[n]})" if n in hints else "") for n in self.near]
        return (
            f"{self.function}: there is no column {', '.join(each)}. There are: "
            f"{', '.join(self.there)}."
        )


def known(function: str, schema: Mapping[str, Any], columns: Sequence[str]) -> None:
    """NoColumn of those of `columns` that are not there."""
    lacking = [name for name in dict.fromkeys(columns) if name not in schema]
    if lacking:
        raise NoColumn(function, schema, lacking)


def selector_of(function: str, keys: Mapping[str, Any]) -> Selector:
    """A selector as a pipeline file writes it."""
    if "block_type" in keys:
        raise PrepError(
            f"{function}: block_type tells series of values apart, and a flat table has none. "
            "Choose by value_type or by name."
        )
    allowed = [name.rstrip("_") for name in Selector.__dataclass_fields__]
    for key in keys:
        _allowed(function, "a selector's key", key, allowed)
    return Selector(**{("except_" if key == "except" else key): keys[key] for key in keys})


def _selected(
    function: str, frame: Frame, schema: Mapping[str, Any], selector: Selector
) -> list[str]:
    given = [rule for rule in _RULES if getattr(selector, rule) not in (None, False)]
    if len(given) > 1:
        raise PrepError(f"{function}: a selector has one rule, not {' and '.join(given)}.")
    found = _RULES[given[0]](function, frame, schema, selector) if given else set(schema)
    for text in _listed(selector.except_):
        out = {text} if text in schema else _matching(function, schema, text)
        if not out and text.isidentifier() and selector.on_missing_column == "error":
            known(function, schema, [text])
        found = found - out
    return [name for name in schema if (name in found) != selector.invert]


def _subset(function: str, _: Frame, schema: Mapping[str, Any], selector: Selector) -> set[str]:
    names = _listed(selector.subset)
    _allowed(function, "on_missing_column", selector.on_missing_column, ("error", "ignore"))
    if selector.on_missing_column == "error":
        known(function, schema, names)
    return set(names)


def _by_name(function: str, _: Frame, schema: Mapping[str, Any], selector: Selector) -> set[str]:
    return _matching(function, schema, str(selector.regular_expression))


def _by_type(function: str, _: Frame, schema: Mapping[str, Any], selector: Selector) -> set[str]:
    kinds = _listed(selector.value_type)
    for kind in kinds:
        _allowed(function, "value_type", kind, _IS_OF)
    return {name for name, dtype in schema.items() if any(_IS_OF[kind](dtype) for kind in kinds)}


def _complete(_: str, frame: Frame, __: Mapping[str, Any], ___: Selector) -> set[str]:
    from lake_assets.preps.conditions import without_missing

    return without_missing(frame)


def _by_numbers(function: str, frame: Frame, _: Mapping[str, Any], selector: Selector) -> set[str]:
    from lake_assets.preps.conditions import all_rows_hold

    return all_rows_hold(function, frame, str(selector.numeric_condition))


#: Rule of a selector → the columns that it finds.
_RULES: dict[str, Callable[[str, Frame, Mapping[str, Any], Selector], set[str]]] = {
    "subset": _subset,
    "regular_expression": _by_name,
    "value_type": _by_type,
    "no_missing_values": _complete,
    "numeric_condition": _by_numbers,
}


def _listed(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _allowed(function: str, what: str, value: object, allowed: Collection[str]) -> None:
    if value in allowed:
        return
    near = difflib.get_close_matches(str(value), list(allowed), 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise PrepError(f"{function}: {what} is {value!r}.{hint} Allowed: {', '.join(allowed)}.")


def _matching(function: str, schema: Mapping[str, Any], pattern: str) -> set[str]:
    """The names that match as a whole."""
    compiled = _compiled(function, pattern)
    return {name for name in schema if compiled.fullmatch(name)}


def _compiled(function: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise PrepError(f"{function}: {pattern!r} is no regular expression: {error}.") from None


def type_name(dtype: Any) -> str:
    """A dtype in the words that the messages use: `text`, `integer`, `real`, `decimal`, `date`…"""
    words: tuple[tuple[Any, str], ...] = (
        (nw.String, "text"),
        (nw.Categorical, "category"),
        (nw.Enum, "category"),
        (nw.Boolean, "binominal (true or false)"),
        (nw.Decimal, "decimal"),
        (nw.Date, "date"),
        (nw.Datetime, "date_time"),
        (nw.Time, "a time of day"),
        (nw.Duration, "a duration"),
        (nw.Binary, "bytes"),
        (nw.List, "lists"),
        (nw.Array, "lists"),
        (nw.Struct, "structs"),
        (nw.Unknown, "of no type that is known here (a column of nulls alone has none)"),
    )
    for kind, word in words:
        if isinstance(dtype, kind):
            return word
    if dtype.is_integer():
        return "integer"
    return "real" if dtype.is_float() else str(dtype)


def type_told(frame: Frame, name: str) -> str:
    """The type of a frame's column, and why it is that of a pandas column without a value."""
    dtype = frame.collect_schema()[name]
    if (
        dtype == nw.String
        and isinstance(frame, nw.DataFrame)
        and frame.implementation.is_pandas()
        and frame[name].null_count() == len(frame)
    ):
        return (
            "text, as objects without a value are in pandas (give it a type: "
            f"df[{name!r}].astype('double[pyarrow]'))"
        )
    return type_name(dtype)
