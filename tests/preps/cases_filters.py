"""Cases of filter_examples, from preps' specification: every operator on every type of column.

Not here: order, samples and parts (`cases_rows.py`).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from tests.preps.table import (
    Case,
    Column,
    Refused,
    Table,
    boolean,
    category,
    day,
    dec,
    f64,
    i64,
    instant,
    refused,
    stamp,
    text,
)

NAN = float("nan")
INF = float("inf")


def numbered(column: Column) -> Table:
    """The column with the numbers of its rows, which tell the rows chosen."""
    return {"a": column, "n": i64(*range(len(column.values)))}


def rows_of(table: Table, *places: int) -> Table:
    return {
        name: Column(column.type, [column.values[place] for place in places])
        for name, column in table.items()
    }


def filtered(name: str, given: Table, expect: Table | Refused, **params: Any) -> Case:
    return Case("filter_examples", name, given, params, expect)


def keeps(name: str, column: Column, op: str, value: Any, *places: int) -> Case:
    """One condition on column `a`, and the rows it keeps."""
    given = numbered(column)
    one = ("a", op) if value is None else ("a", op, value)
    return filtered(f"{op}: {name}", given, rows_of(given, *places), filters=[one])


AMOUNTS = i64(100, 99, None)
REALS = f64(100.0, 99.5, None, NAN, INF, -INF)
DECIMALS = dec("18,2", "100.00", "99.99", None, "-0.01")
HUGE = i64(9007199254740992, 9007199254740993, None, -9223372036854775808, 9223372036854775807)
WIDE = dec(
    "38,0", "99999999999999999999999999999999999999", None, "99999999999999999999999999999999999998"
)
WORDS = text("서울특별시", "부산", None, "", "a.b", "axb", "서울\n부산")
KINDS = category("A", "B", None, "AB")
FLAGS = boolean(True, False, None)
DAYS = day("2024-02-29", "2024-12-31", None, "2025-01-01")
TIMES = stamp("2025-07-01T00:00:00", "2025-07-01T09:30:00", None)
INSTANTS = instant("2025-06-30T15:00:00+00:00", "2025-06-30T14:59:59+00:00", None)
KST = timezone(timedelta(hours=9))

FILTERS = [
    keeps("example", AMOUNTS, "ge", 100, 0),
    keeps("example", AMOUNTS, "is_missing", None, 2),
    keeps("integer", AMOUNTS, "is_not_missing", None, 0, 1),
    keeps("integer", AMOUNTS, "eq", 99, 1),
    keeps("integer", AMOUNTS, "lt", 100, 1),
    keeps("integer", AMOUNTS, "le", 100, 0, 1),
    keeps("integer", AMOUNTS, "gt", 99, 0),
    keeps("keeps the missing row", AMOUNTS, "ne", 100, 1, 2),
    keeps("a fraction against integers", AMOUNTS, "lt", 99.5, 1),
    keeps("a fraction against integers", AMOUNTS, "ge", 99.5, 0),
    keeps("a fraction against integers", AMOUNTS, "eq", 99.5),
    keeps("a fraction against integers", AMOUNTS, "ne", 99.5, 0, 1, 2),
    keeps("a whole float against integers", AMOUNTS, "eq", 99.0, 1),
    keeps("a decimal against integers", AMOUNTS, "le", Decimal("99.01"), 1),
    keeps("beyond 64 bits", AMOUNTS, "lt", 10**30, 0, 1),
    keeps("beyond 64 bits", AMOUNTS, "eq", 10**30),
    keeps("beyond 64 bits", AMOUNTS, "ne", 10**30, 0, 1, 2),
    keeps("beyond 64 bits", AMOUNTS, "gt", -(10**30), 0, 1),
    keeps("infinite", AMOUNTS, "lt", INF, 0, 1),
    keeps("infinite", AMOUNTS, "le", -INF),
    keeps("huge", HUGE, "gt", 9007199254740992, 1, 4),
    keeps("huge", HUGE, "eq", 9007199254740993, 1),
    keeps("huge", HUGE, "le", -9223372036854775808, 3),
    keeps("real: neither null nor NaN", REALS, "ge", 99.5, 0, 1, 4),
    keeps("real: neither null nor NaN", REALS, "gt", 0, 0, 1, 4),
    keeps("real: neither null nor NaN", REALS, "lt", 100, 1, 5),
    keeps("real: neither null nor NaN", REALS, "le", 100, 0, 1, 5),
    keeps("real: neither null nor NaN", REALS, "eq", 100, 0),
    keeps("real: null and NaN are unequal", REALS, "ne", 100, 1, 2, 3, 4, 5),
    keeps("real: null and NaN", REALS, "is_missing", None, 2, 3),
    keeps("real: null and NaN", REALS, "is_not_missing", None, 0, 1, 4, 5),
    keeps("decimal", DECIMALS, "ge", 100, 0),
    keeps("decimal", DECIMALS, "lt", 99.99, 3),
    keeps("decimal", DECIMALS, "eq", Decimal("99.99"), 1),
    keeps("decimal by a float, which is its shortest text", DECIMALS, "eq", 99.99, 1),
    keeps("decimal by a float, which is its shortest text", DECIMALS, "ge", 99.99, 0, 1),
    keeps("decimal by its text", DECIMALS, "eq", "99.99", 1),
    keeps("decimal, finer than the column", DECIMALS, "gt", Decimal("99.985"), 0, 1),
    keeps("decimal, finer than the column", DECIMALS, "le", Decimal("99.995"), 1, 3),
    keeps("decimal, finer than the column", DECIMALS, "eq", Decimal("99.995")),
    keeps("decimal, wider than the column", DECIMALS, "lt", 10**30, 0, 1, 3),
    keeps("decimal", DECIMALS, "ne", 100, 1, 2, 3),
    keeps("decimal of 38 digits", WIDE, "eq", 10**38 - 1, 0),
    keeps("decimal of 38 digits", WIDE, "lt", 10**38 - 1, 2),
    keeps("date", DAYS, "eq", date(2024, 2, 29), 0),
    keeps("date by its text", DAYS, "ge", "2024-12-31", 1, 3),
    keeps("date", DAYS, "lt", date(2025, 1, 1), 0, 1),
    keeps("date: missing stays", DAYS, "ne", "2024-02-29", 1, 2, 3),
    keeps("time", TIMES, "gt", datetime(2025, 7, 1), 1),
    keeps("time by its text", TIMES, "eq", "2025-07-01T09:30:00", 1),
    keeps("a day is its midnight", TIMES, "le", date(2025, 7, 1), 0),
    keeps("instant, a wall time is Seoul's", INSTANTS, "ge", "2025-07-01", 0),
    keeps("instant", INSTANTS, "ge", datetime(2025, 7, 1, tzinfo=KST), 0),
    keeps("instant by its text", INSTANTS, "lt", "2025-06-30T15:00:00Z", 1),
    keeps("text", WORDS, "equals", "부산", 1),
    keeps("the empty text is a value", WORDS, "equals", "", 3),
    keeps("text: missing does not satisfy", WORDS, "does_not_equal", "부산", 0, 3, 4, 5, 6),
    keeps("text", WORDS, "is_in", ["부산", ""], 1, 3),
    keeps("text", WORDS, "is_not_in", ["부산", ""], 0, 4, 5, 6),
    keeps("nothing", WORDS, "is_in", []),
    keeps("text", WORDS, "contains", "울", 0, 6),
    keeps("a dot is a dot", WORDS, "contains", ".", 4),
    keeps("text", WORDS, "does_not_contain", "울", 1, 3, 4, 5),
    keeps("text", WORDS, "starts_with", "서울", 0, 6),
    keeps("a dot is a dot", WORDS, "starts_with", "a.", 4),
    keeps("text", WORDS, "ends_with", "시", 0),
    keeps("whole value", WORDS, "matches", "서울", *()),
    keeps("whole value", WORDS, "matches", "서울.*", 0),
    keeps("whole value", WORDS, "matches", "a.b", 4, 5),
    keeps("alternatives", WORDS, "matches", "부산|a[.]b", 1, 4),
    keeps("text", WORDS, "is_missing", None, 2),
    keeps("category", KINDS, "equals", "A", 0),
    keeps("category", KINDS, "does_not_equal", "A", 1, 3),
    keeps("category", KINDS, "is_in", ["A", "B", "C"], 0, 1),
    keeps("category", KINDS, "contains", "B", 1, 3),
    keeps("category", KINDS, "is_missing", None, 2),
    keeps("a missing category is no text", category("nan", None, "b"), "contains", "n", 0),
    keeps("a missing category is no text", category("nan", None, "b"), "matches", ".*", 0, 2),
    keeps("a missing category is no text", category("nan", None, "b"), "does_not_contain", "n", 2),
    keeps("binominal", FLAGS, "equals", True, 0),
    keeps("binominal as RapidMiner shows it", FLAGS, "equals", "false", 1),
    keeps("binominal", FLAGS, "does_not_equal", True, 1),
    keeps("binominal", FLAGS, "is_in", [True, False], 0, 1),
    keeps("no row", i64(), "eq", 1),
    keeps("no text", text(), "matches", "a"),
]

TWO = {"금액": i64(100, 99, None, 150), "등급": text("A", "B", "A", None), "n": i64(0, 1, 2, 3)}
BOTH = [("금액", "ge", 100), ("등급", "equals", "A")]

COMBINED = [
    filtered("and", TWO, rows_of(TWO, 0), filters=BOTH),
    filtered("or", TWO, rows_of(TWO, 0, 2, 3), filters=BOTH, logic="or"),
    filtered(
        "invert is the complement of the rows",
        TWO,
        rows_of(TWO, 1, 2, 3),
        filters=BOTH,
        invert=True,
    ),
    filtered("invert with or", TWO, rows_of(TWO, 1), filters=BOTH, logic="or", invert=True),
    filtered(
        "invert keeps a NaN",
        numbered(REALS),
        rows_of(numbered(REALS), 2, 3, 5),
        filters=[("a", "ge", 99.5)],
        invert=True,
    ),
    filtered(
        "invert of ne",
        numbered(REALS),
        rows_of(numbered(REALS), 0),
        filters=[("a", "ne", 100)],
        invert=True,
    ),
    filtered(
        "a list, as a pipeline file has it", TWO, rows_of(TWO, 1), filters=[["금액", "lt", 100]]
    ),
    filtered("all", TWO, TWO, condition_class="all"),
    filtered("all inverted is none", TWO, rows_of(TWO), condition_class="all", invert=True),
    filtered(
        "no_missing_attributes",
        {**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)},
        rows_of({**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)}, 1),
        condition_class="no_missing_attributes",
    ),
    filtered(
        "missing_attributes",
        {**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)},
        rows_of({**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)}, 0, 2, 3),
        condition_class="missing_attributes",
    ),
    filtered(
        "expression",
        TWO,
        rows_of(TWO, 0),
        condition_class="expression",
        expression='금액 >= 100 && 등급 == "A"',
    ),
    filtered(
        "expression with or and missing",
        TWO,
        rows_of(TWO, 1, 3),
        condition_class="expression",
        expression="missing(등급) || [금액] < 99.5",
    ),
    filtered(
        "expression with a negation",
        TWO,
        rows_of(TWO, 1),
        condition_class="expression",
        expression="!missing(금액) && 등급 != 'A'",
    ),
    filtered(
        "expression mixing",
        TWO,
        refused("&&", "||"),
        condition_class="expression",
        expression="금액 > 1 && 금액 < 2 || missing(등급)",
    ),
    filtered(
        "expression that is none",
        TWO,
        refused("'금액 greater 1'"),
        condition_class="expression",
        expression="금액 greater 1",
    ),
    filtered("no filter", TWO, refused("filters")),
    filtered(
        "filters that are not used",
        TWO,
        refused("custom_filters"),
        filters=BOTH,
        condition_class="all",
    ),
    filtered("no condition class", TWO, refused("'al'", "'all'"), condition_class="al"),
    filtered("no logic", TWO, refused("'xor'"), filters=BOTH, logic="xor"),
    filtered(
        "no column", TWO, refused("'금엑'", "did you mean '금액'"), filters=[("금엑", "ge", 1)]
    ),
    filtered(
        "no operator", TWO, refused("'contain'", "'contains'"), filters=[("등급", "contain", "A")]
    ),
    filtered(
        "a text's operator on a number",
        TWO,
        refused("'금액'", "integer", "eq"),
        filters=[("금액", "equals", 1)],
    ),
    filtered(
        "a number's operator on a text",
        TWO,
        refused("'등급'", "text", "equals"),
        filters=[("등급", "ge", "A")],
    ),
    filtered(
        "a pattern on true and false",
        {"a": FLAGS},
        refused("'a'", "binominal"),
        filters=[("a", "contains", "t")],
    ),
    filtered("text for a number", TWO, refused("'금액'", "'백'"), filters=[("금액", "ge", "백")]),
    filtered(
        "NaN to compare with", {"a": REALS}, refused("is_missing"), filters=[("a", "ge", NAN)]
    ),
    filtered("nothing to compare with", TWO, refused("is_missing"), filters=[("금액", "eq", None)]),
    filtered(
        "a day that is none",
        {"a": DAYS},
        refused("'2023-02-29'"),
        filters=[("a", "ge", "2023-02-29")],
    ),
    filtered(
        "a time for a column of days",
        {"a": DAYS},
        refused("'2023-02-28T10:00:00'"),
        filters=[("a", "ge", "2023-02-28T10:00:00")],
    ),
    filtered(
        "an instant for wall times",
        {"a": TIMES},
        refused("'2025-07-01T00:00:00Z'"),
        filters=[("a", "ge", "2025-07-01T00:00:00Z")],
    ),
    filtered("one text for a list", TWO, refused("list"), filters=[("등급", "is_in", "A;B")]),
    filtered("no regular expression", TWO, refused("'('"), filters=[("등급", "matches", "(")]),
    filtered(
        "looking ahead, which not every engine can",
        TWO,
        refused("'A(?=B)'"),
        filters=[("등급", "matches", "A(?=B)")],
    ),
    filtered("two parts of three", TWO, refused("'금액'", "ge"), filters=[("금액", "ge")]),
    filtered(
        "the column's own name is kept apart from the filter's value",
        {"a": text("b", "c"), "b": text("c", "b")},
        {"a": text("b"), "b": text("c")},
        filters=[("a", "equals", "b")],
    ),
]

CASES = [*FILTERS, *COMBINED]
