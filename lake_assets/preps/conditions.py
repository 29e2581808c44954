"""Conditions on rows: the operators of filters, and what all rows of a column hold.

Here: one condition as an expression, true of no missing value except by `ne`, alike on every
engine. Not here: the functions that filter (`rows.py`) and values of parameters (`typed.py`).
"""

from __future__ import annotations

import difflib
import functools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps import typed
from lake_assets.preps.fences import literal, missing, one_row, unsigned
from lake_assets.preps.prep import Frame, PrepError
from lake_assets.preps.regex import portable
from lake_assets.preps.selectors import is_date, is_nominal, is_number, known, type_told

_COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
_LISTED = ("equals", "does_not_equal", "is_in", "is_not_in")
_SEARCHED = ("contains", "does_not_contain", "starts_with", "ends_with", "matches")
_MISSING = ("is_missing", "is_not_missing")
OPERATORS = (*_COMPARED, *_LISTED, *_SEARCHED, *_MISSING)

#: Each of those that deny, and what it denies.
_DENIED = {"does_not_equal": "equals", "is_not_in": "is_in", "does_not_contain": "contains"}


@dataclass(frozen=True)
class Condition:
    """`column operator value`; the last two operators take no value."""

    column: str
    operator: str
    value: Any = None


#: How conditions are written.
WRITTEN = "write each as a list of column, operator and value: [[금액, ge, 100]]"


def given(function: str, filters: Sequence[Any]) -> list[Condition]:
    """Filters as parameters have them: each a list of column, operator and, mostly, value."""
    wrong = next(filter(None, map(mistake_in, filters)), None)
    if wrong:
        raise PrepError(f"{function}: filters: {wrong}.")
    return [Condition(*one) for one in filters]


def mistake_in(one: object) -> str | None:
    """What is wrong with a condition, whatever columns there are."""
    if isinstance(one, str) or not isinstance(one, Sequence) or len(one) not in (2, 3):
        return f"{one!r} is no condition; {WRITTEN}"
    column, name, *value = one
    if name not in OPERATORS:
        meant = _MEANT.get(str(name).strip().lower())
        near = difflib.get_close_matches(str(name), OPERATORS, 1)
        meant = meant or (repr(near[0]) if near else None)
        hint = f" (did you mean {meant}?)" if meant else ""
        return f"there is no operator {name!r}{hint}; allowed: {', '.join(OPERATORS)}"
    if bool(value) == (name in _MISSING) or value == [None]:
        wants = "no value" if name in _MISSING else "a value; what is missing, is_missing finds"
        return f"column {column!r}: {name} takes {wants}"
    return None


def holds(
    function: str, frame: Frame, conditions: Sequence[Condition], logic: str, *, invert: bool
) -> nw.Expr:
    """The rows of which the conditions are true, all of them or (`or`) one; or all other rows."""
    schema = frame.collect_schema()
    known(function, schema, [one.column for one in conditions])
    combine = operator.and_ if logic == "and" else operator.or_
    each = (_expression(function, frame, schema[one.column], one) for one in conditions)
    whole = functools.reduce(combine, each)
    return ~whole.fill_null(False) if invert else whole


def _expression(function: str, frame: Frame, dtype: Any, one: Condition) -> nw.Expr:
    where = f"{function}: column {one.column!r}"
    if one.operator == "is_missing":
        return missing(one.column, dtype)
    if one.operator == "is_not_missing":
        return ~missing(one.column, dtype)
    allowed = _allowed(dtype)
    if one.operator not in allowed:
        told = ", ".join((*allowed, *_MISSING))
        cure = ""
        if one.operator in _COMPARED and is_nominal(dtype):
            cure = " Make dates of it first by nominal_to_date, numbers by parse_number."
            if one.operator in ("eq", "ne"):
                cure = f" Did you mean {'equals' if one.operator == 'eq' else 'does_not_equal'!r}?"
        raise PrepError(
            f"{where} is {type_told(frame, one.column)}: {one.operator} is none of its: "
            f"{told}.{cure}"
        )
    if one.operator in _COMPARED:
        return _compared(where, frame, dtype, one)
    return _found(function, where, frame, dtype, one)


def _allowed(dtype: Any) -> tuple[str, ...]:
    if is_number(dtype) or is_date(dtype):
        return _COMPARED
    if is_nominal(dtype):
        return (*_LISTED, *_SEARCHED)
    return _LISTED if isinstance(dtype, nw.Boolean) else ()


# -- numbers and dates


def _compared(where: str, frame: Frame, dtype: Any, one: Condition) -> nw.Expr:
    if one.operator == "ne":  # the one comparison that a missing value satisfies
        equal = _compared(where, frame, dtype, Condition(one.column, "eq", one.value))
        return ~equal.fill_null(False)
    column, counted = nw.col(one.column), typed.exact(dtype) if is_number(dtype) else None
    if counted is not None:
        amount = typed.units(where, counted, one.value)
        return _compared_exactly(column, counted, one.operator, amount, dtype)
    compare = getattr(operator, one.operator)
    if is_date(dtype):
        moment = literal(frame, typed.moment(where, dtype, one.value))
        return compare(column, moment)  # type: ignore[no-any-return]
    bound = typed.real(where, one.value, dtype)
    column = column.cast(nw.Float64) if isinstance(dtype, nw.Float32) else column
    # NaN is the greatest number to Polars, DuckDB and Spark, and compares with none to the others.
    if one.operator in ("gt", "ge") and not _compares_as_ieee(frame):
        return column.is_between(bound, math.inf, "both" if one.operator == "ge" else "right")
    return compare(column, bound)  # type: ignore[no-any-return]


def _compares_as_ieee(frame: Frame) -> bool:
    return frame.implementation.is_pandas() or frame.implementation.is_pyarrow()


def _compared_exactly(
    column: nw.Expr,
    counted: typed.Exact,
    name: str,
    amount: Fraction,
    dtype: Any,
) -> nw.Expr:
    """Against the nearest numbers that the column can hold, so that no engine goes by floats."""

    def literal_of(units: int) -> nw.Expr | int | Decimal:
        return unsigned(units) if isinstance(dtype, nw.UInt64) else counted.literal(units)

    low, high = literal_of(counted.low), literal_of(counted.high)
    if name == "eq":
        if amount.denominator != 1 or not counted.low <= amount <= counted.high:
            return column < low
        return column == literal_of(int(amount))
    if name in ("lt", "le"):
        most = math.ceil(amount) - 1 if name == "lt" else math.floor(amount)
        if most < counted.low:
            return column < low
        return column <= literal_of(min(most, counted.high))
    least = math.floor(amount) + 1 if name == "gt" else math.ceil(amount)
    if least > counted.high:
        return column > high
    return column >= literal_of(max(least, counted.low))


# -- texts, categories, true and false


def _found(function: str, where: str, frame: Frame, dtype: Any, one: Condition) -> nw.Expr:
    if one.operator in _DENIED:
        meant = Condition(one.column, _DENIED[one.operator], one.value)
        denied = ~_found(function, where, frame, dtype, meant)
        # Of a missing category pandas says that it is not equal, where others say nothing.
        plain = isinstance(dtype, nw.String | nw.Boolean)
        return denied if plain else denied & ~nw.col(one.column).is_null()
    column = nw.col(one.column)
    read = typed.truth if isinstance(dtype, nw.Boolean) else typed.word
    if one.operator == "equals":
        return column == read(where, one.value)
    if one.operator == "is_in":
        if isinstance(one.value, str) or not isinstance(one.value, Sequence):
            raise PrepError(f"{where}: is_in takes a list of values, not {one.value!r}.")
        values = [read(where, value) for value in one.value]
        if 0 < len(values) <= _FEW and _is_slow_in(frame, dtype):
            return functools.reduce(operator.or_, (column == value for value in values))
        return column.is_in(values) if values else column.is_null() & ~column.is_null()
    value = typed.word(where, one.value)
    texts = column if dtype == nw.String else column.cast(nw.String)
    if one.operator == "contains":
        result = texts.str.contains(value, literal=True)
    elif one.operator == "starts_with":
        result = texts.str.starts_with(value)
    elif one.operator == "ends_with":
        result = texts.str.ends_with(value)
    else:
        # pandas compiles the pattern by Python's `re`, too, which knows no \z.
        end = "$" if frame.implementation.is_pandas() else r"\z"
        result = texts.str.contains(rf"^(?:{portable(function, 'matches', value)}){end}")
    return result if _is_null_where_missing(dtype) else result & ~column.is_null()


#: Values that are compared one by one where a look-up takes longer: 30 ms each for 5 million texts.
_FEW = 4


def _is_slow_in(frame: Frame, dtype: Any) -> bool:
    """Arrow looks 5 million texts up in 80 ms, and Narwhals converts pandas' answer in as many."""
    return dtype == nw.String and (
        frame.implementation.is_pandas() or frame.implementation.is_pyarrow()
    )


def _is_null_where_missing(dtype: Any) -> bool:
    """Whether a comparison with a missing value is null: pandas' categories say False."""
    return isinstance(dtype, nw.String | nw.Boolean)


# -- what all rows of a column hold


def without_missing(frame: Frame) -> set[str]:
    """The columns in which no value is missing, by one query."""
    schema = frame.collect_schema()
    found = one_row(frame, {name: missing(name, dtype).any() for name, dtype in schema.items()})
    return {name for name in schema if not found[name]}


def all_rows_hold(function: str, frame: Frame, condition: str) -> set[str]:
    """The columns of which `condition` is true in every row, by one query.

    It is `> 6`, or several joined by `&&` or by `||` (not both): `> 6 && < 10`. It asks numbers
    alone: columns of other types are among those returned.
    """
    schema = frame.collect_schema()
    logic, terms = _terms(function, condition)
    asked = [name for name, dtype in schema.items() if is_number(dtype)]
    each = {}
    for name in asked:
        conditions = [_numeric(function, name, term, condition) for term in terms]
        each[name] = holds(function, frame, conditions, logic, invert=True).any()
    broken = one_row(frame, each)
    return {name for name in schema if not broken.get(name)}


_SIGNS = {
    "==": "eq",
    "=": "eq",
    "!=": "ne",
    "<>": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}
#: What an operator is called elsewhere → what is meant. Texts are not compared by eq.
_MEANT = {
    **{sign: repr(name) for sign, name in _SIGNS.items()},
    **dict.fromkeys(("=", "=="), "'eq', or of texts 'equals'"),
    **dict.fromkeys(("!=", "<>"), "'ne', or of texts 'does_not_equal'"),
    "gte": "'ge'",
    "lte": "'le'",
    "in": "'is_in'",
    "not in": "'is_not_in'",
    "like": "'contains', 'starts_with' or 'matches'",
    "between": "'ge' and 'le', a condition each",
    "is null": "'is_missing'",
    "is not null": "'is_not_missing'",
}
_NUMERIC = re.compile(r"(==?|!=|<>|<=?|>=?)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)")


def _numeric(function: str, column: str, term: str, condition: str) -> Condition:
    found = _NUMERIC.fullmatch(term)
    if not found:
        raise PrepError(
            f"{function}: numeric_condition {condition!r}: {term!r} is no condition. Write a sign "
            f"({', '.join(_SIGNS)}) and a number, as in > 6 or > 6 && < 10."
        )
    return Condition(column, _SIGNS[found[1]], found[2])


_PART = re.compile(r"""(?:"[^"]*"|'[^']*'|\[[^\]]*\]|(?!&&|\|\|).)+|&&|\|\|""", re.DOTALL)


def _terms(function: str, text: str) -> tuple[str, list[str]]:
    """What `&&` or `||` joins, and which of the two it is, as `and` or `or`."""
    parts = _PART.findall(text)
    joints = set(parts[1::2])
    if len(joints) > 1:
        raise PrepError(
            f"{function}: {text!r} mixes && and ||, and has no parentheses. Use one of the two, "
            "or several steps."
        )
    return ("or" if joints == {"||"} else "and"), [part.strip() for part in parts[0::2]]


_NAME = r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<bare>[^\s\[\]()!=<>\"']+))"
_ASKED: Callable[[str], re.Match[str] | None] = re.compile(
    rf"(?P<not>!\s*)?missing\(\s*{_NAME}\s*\)"
).fullmatch
_TERM = re.compile(
    rf"""{_NAME}\s*(?P<sign>==?|!=|<>|<=?|>=?)\s*
    (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^\s"']+))""",
    re.VERBOSE,
).fullmatch


def parsed(
    function: str, schema: Mapping[str, Any], expression: str
) -> tuple[str, list[Condition]]:
    """An expression of RapidMiner's: `금액 >= 100 && 등급 == "A"`, `missing(금액) || [a b] < 1`."""
    logic, terms = _terms(function, expression)
    found = []
    for term in terms:
        match = _ASKED(term) or _TERM(term)
        if match is None:
            raise PrepError(
                f"{function}: expression {expression!r}: {term!r} is no condition. Write "
                '금액 >= 100, 등급 == "A", missing(금액) or !missing(금액); a name with blanks '
                "in brackets; several joined by && or by ||."
            )
        parts = match.groupdict()
        column = parts["bracketed"] or parts["bare"]
        known(function, schema, [column])
        if "sign" not in parts:
            found.append(Condition(column, "is_not_missing" if parts["not"] else "is_missing"))
            continue
        value = next(parts[key] for key in ("double", "single", "plain") if parts[key] is not None)
        name = _SIGNS[parts["sign"]]
        dtype = schema[column]
        if is_nominal(dtype) or isinstance(dtype, nw.Boolean):
            name = {"eq": "equals", "ne": "does_not_equal"}.get(name, name)
        found.append(Condition(column, name, value))
    return logic, found
