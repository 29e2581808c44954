"""Cases of the functions that choose, order and part rows, from preps' specification."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from tests.preps.table import (
    Case,
    Column,
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


def keeps(name: str, column: Column, op: str, value: Any, *places: int) -> Case:
    """One condition on column `a`, and the rows it keeps."""
    given = numbered(column)
    one = ("a", op) if value is None else ("a", op, value)
    return Case(
        "filter_examples", f"{op}: {name}", given, {"filters": [one]}, rows_of(given, *places)
    )


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
    Case("filter_examples", "and", TWO, {"filters": BOTH}, rows_of(TWO, 0)),
    Case("filter_examples", "or", TWO, {"filters": BOTH, "logic": "or"}, rows_of(TWO, 0, 2, 3)),
    Case(
        "filter_examples",
        "invert is the complement of the rows",
        TWO,
        {"filters": BOTH, "invert": True},
        rows_of(TWO, 1, 2, 3),
    ),
    Case(
        "filter_examples",
        "invert with or",
        TWO,
        {"filters": BOTH, "logic": "or", "invert": True},
        rows_of(TWO, 1),
    ),
    Case(
        "filter_examples",
        "invert keeps a NaN",
        numbered(REALS),
        {"filters": [("a", "ge", 99.5)], "invert": True},
        rows_of(numbered(REALS), 2, 3, 5),
    ),
    Case(
        "filter_examples",
        "invert of ne",
        numbered(REALS),
        {"filters": [("a", "ne", 100)], "invert": True},
        rows_of(numbered(REALS), 0),
    ),
    Case(
        "filter_examples",
        "a list, as a pipeline file has it",
        TWO,
        {"filters": [["금액", "lt", 100]]},
        rows_of(TWO, 1),
    ),
    Case("filter_examples", "all", TWO, {"condition_class": "all"}, TWO),
    Case(
        "filter_examples",
        "all inverted is none",
        TWO,
        {"condition_class": "all", "invert": True},
        rows_of(TWO),
    ),
    Case(
        "filter_examples",
        "no_missing_attributes",
        {**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)},
        {"condition_class": "no_missing_attributes"},
        rows_of({**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)}, 1),
    ),
    Case(
        "filter_examples",
        "missing_attributes",
        {**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)},
        {"condition_class": "missing_attributes"},
        rows_of({**TWO, "r": f64(NAN, 1.0, 1.0, 1.0)}, 0, 2, 3),
    ),
    Case(
        "filter_examples",
        "expression",
        TWO,
        {"condition_class": "expression", "expression": '금액 >= 100 && 등급 == "A"'},
        rows_of(TWO, 0),
    ),
    Case(
        "filter_examples",
        "expression with or and missing",
        TWO,
        {"condition_class": "expression", "expression": "missing(등급) || [금액] < 99.5"},
        rows_of(TWO, 1, 3),
    ),
    Case(
        "filter_examples",
        "expression with a negation",
        TWO,
        {"condition_class": "expression", "expression": "!missing(금액) && 등급 != 'A'"},
        rows_of(TWO, 1),
    ),
    Case(
        "filter_examples",
        "expression mixing",
        TWO,
        {"condition_class": "expression", "expression": "금액 > 1 && 금액 < 2 || missing(등급)"},
        refused("&&", "||"),
    ),
    Case(
        "filter_examples",
        "expression that is none",
        TWO,
        {"condition_class": "expression", "expression": "금액 greater 1"},
        refused("'금액 greater 1'"),
    ),
    Case("filter_examples", "no filter", TWO, {}, refused("filters")),
    Case(
        "filter_examples",
        "filters that are not used",
        TWO,
        {"filters": BOTH, "condition_class": "all"},
        refused("custom_filters"),
    ),
    Case(
        "filter_examples",
        "no condition class",
        TWO,
        {"condition_class": "al"},
        refused("'al'", "'all'"),
    ),
    Case("filter_examples", "no logic", TWO, {"filters": BOTH, "logic": "xor"}, refused("'xor'")),
    Case(
        "filter_examples",
        "no column",
        TWO,
        {"filters": [("금엑", "ge", 1)]},
        refused("'금엑'", "did you mean '금액'"),
    ),
    Case(
        "filter_examples",
        "no operator",
        TWO,
        {"filters": [("등급", "contain", "A")]},
        refused("'contain'", "'contains'"),
    ),
    Case(
        "filter_examples",
        "a text's operator on a number",
        TWO,
        {"filters": [("금액", "equals", 1)]},
        refused("'금액'", "integer", "eq"),
    ),
    Case(
        "filter_examples",
        "a number's operator on a text",
        TWO,
        {"filters": [("등급", "ge", "A")]},
        refused("'등급'", "text", "equals"),
    ),
    Case(
        "filter_examples",
        "a pattern on true and false",
        {"a": FLAGS},
        {"filters": [("a", "contains", "t")]},
        refused("'a'", "binominal"),
    ),
    Case(
        "filter_examples",
        "text for a number",
        TWO,
        {"filters": [("금액", "ge", "백")]},
        refused("'금액'", "'백'"),
    ),
    Case(
        "filter_examples",
        "NaN to compare with",
        {"a": REALS},
        {"filters": [("a", "ge", NAN)]},
        refused("is_missing"),
    ),
    Case(
        "filter_examples",
        "nothing to compare with",
        TWO,
        {"filters": [("금액", "eq", None)]},
        refused("is_missing"),
    ),
    Case(
        "filter_examples",
        "a day that is none",
        {"a": DAYS},
        {"filters": [("a", "ge", "2023-02-29")]},
        refused("'2023-02-29'"),
    ),
    Case(
        "filter_examples",
        "a time for a column of days",
        {"a": DAYS},
        {"filters": [("a", "ge", "2023-02-28T10:00:00")]},
        refused("'2023-02-28T10:00:00'"),
    ),
    Case(
        "filter_examples",
        "an instant for wall times",
        {"a": TIMES},
        {"filters": [("a", "ge", "2025-07-01T00:00:00Z")]},
        refused("'2025-07-01T00:00:00Z'"),
    ),
    Case(
        "filter_examples",
        "one text for a list",
        TWO,
        {"filters": [("등급", "is_in", "A;B")]},
        refused("list"),
    ),
    Case(
        "filter_examples",
        "no regular expression",
        TWO,
        {"filters": [("등급", "matches", "(")]},
        refused("'('"),
    ),
    Case(
        "filter_examples",
        "looking ahead, which not every engine can",
        TWO,
        {"filters": [("등급", "matches", "A(?=B)")]},
        refused("'A(?=B)'"),
    ),
    Case(
        "filter_examples",
        "two parts of three",
        TWO,
        {"filters": [("금액", "ge")]},
        refused("'금액'", "ge"),
    ),
    Case(
        "filter_examples",
        "the column's own name is kept apart from the filter's value",
        {"a": text("b", "c"), "b": text("c", "b")},
        {"filters": [("a", "equals", "b")]},
        {"a": text("b"), "b": text("c")},
    ),
]


def sorts(name: str, column: Column, params: dict[str, Any], *places: int) -> Case:
    given = numbered(column)
    return Case("sort", name, given, {"by": "a", **params}, rows_of(given, *places))


MIXED = f64(2.0, None, NAN, -INF, 1.5, INF, NAN, None)
SORTS = [
    sorts("example", i64(3, 1), {}, 1, 0),
    sorts("example, descending", text("a", "b"), {"descending": True}, 1, 0),
    sorts("null last by default", i64(2, None, 1), {}, 2, 0, 1),
    sorts("null last, descending", i64(2, None, 1), {"descending": True}, 0, 2, 1),
    sorts("null first", i64(2, None, 1), {"nulls_last": False}, 1, 2, 0),
    sorts(
        "null first, descending",
        i64(2, None, 1),
        {"nulls_last": False, "descending": True},
        1,
        0,
        2,
    ),
    sorts("NaN is missing", MIXED, {}, 3, 4, 0, 5, 1, 2, 6, 7),
    sorts("NaN is missing, descending", MIXED, {"descending": True}, 5, 0, 4, 3, 1, 2, 6, 7),
    sorts("NaN is missing, first", MIXED, {"nulls_last": False}, 1, 2, 6, 7, 3, 4, 0, 5),
    sorts("code points: 가 before 나, B before a", text("나", "a", "가", "B"), {}, 3, 1, 2, 0),
    sorts("beyond the basic plane", text("\U0001f600", "\uff21", "가"), {}, 2, 1, 0),
    sorts("the empty text is a value", text("a", "", None), {}, 1, 0, 2),
    sorts("category by its text", category("나", "B", None, "가", "a"), {}, 1, 4, 3, 0, 2),
    sorts("stable", i64(1, 0, 1, 0, 1), {}, 1, 3, 0, 2, 4),
    sorts("stable, descending", i64(1, 0, 1, 0, 1), {"descending": True}, 0, 2, 4, 1, 3),
    sorts("huge", i64(9007199254740993, 9007199254740992, -9223372036854775808), {}, 2, 1, 0),
    sorts("decimal", dec("18,2", "10.00", "9.99", None, "-0.01"), {}, 3, 1, 0, 2),
    sorts("true after false", boolean(True, None, False), {}, 2, 0, 1),
    sorts("date", day("2025-01-01", None, "2024-12-31", "2024-02-29"), {}, 3, 2, 0, 1),
    sorts("instant", INSTANTS, {}, 1, 0, 2),
    sorts("empty", i64(), {}),
    sorts("one row", i64(None), {}, 0),
    Case(
        "sort",
        "two keys, each its way",
        {"a": text("x", "y", "x", None), "b": f64(1.0, NAN, 2.0, 3.0)},
        {"by": ["a", "b"], "descending": [False, True]},
        {"a": text("x", "x", "y", None), "b": f64(2.0, 1.0, NAN, 3.0)},
    ),
    Case(
        "sort",
        "two keys, one way",
        {"a": i64(1, 2, 1, 2), "b": i64(1, 2, 3, 4)},
        {"by": ["a", "b"], "descending": True},
        {"a": i64(2, 2, 1, 1), "b": i64(4, 2, 3, 1)},
    ),
    Case("sort", "no column", {"a": i64(1)}, {"by": "b"}, refused("'b'")),
    Case("sort", "no key", {"a": i64(1)}, {"by": []}, refused("by")),
    Case(
        "sort",
        "one way too many",
        {"a": i64(1)},
        {"by": ["a"], "descending": [True, False]},
        refused("descending", "2", "1"),
    ),
]

FIVE = {"n": i64(0, 1, 2, 3, 4), "a": text("가", None, "나", "다", None)}
CLASSES = {
    "등급": text(*["A"] * 10, *["B"] * 20, *[None] * 10),
    "n": i64(*range(40)),
}

Rows = list[dict[str, Any]]


def drawn(count: int) -> Any:
    """`count` distinct rows of those given, in their order."""

    def check(given: Rows, found: Rows) -> None:
        assert len(found) == count
        places = [row["n"] for row in found]
        assert places == sorted(set(places))
        assert found == [given[place] for place in places]

    return check


def drawn_by_class(wanted: dict[str | None, int]) -> Any:
    def check(given: Rows, found: Rows) -> None:
        drawn(sum(wanted.values()))(given, found)
        assert Counter(row["등급"] for row in found) == Counter(wanted)

    return check


def per_class(**params: Any) -> dict[str, Any]:
    return {"balance_data": True, "label": "등급", **params}


IS_OF_RELATIVE = "sample is 'absolute', and sample_ratio is not used: it belongs to 'relative'."

SAMPLES = [
    Case("sample", "absolute", FIVE, {"sample_size": 2}, check=drawn(2)),
    Case("sample", "none", FIVE, {"sample_size": 0}, rows_of(FIVE)),
    Case("sample", "all", FIVE, {"sample_size": 5}, FIVE),
    Case("sample", "more than there are", FIVE, {"sample_size": 6}, refused("6", "5")),
    Case("sample", "a hundred by default", FIVE, {}, refused("100", "5")),
    Case("sample", "relative", CLASSES, {"sample": "relative"}, check=drawn(4)),
    Case(
        "sample",
        "relative rounds down",
        FIVE,
        {"sample": "relative", "sample_ratio": 0.5},
        check=drawn(2),
    ),
    Case(
        "sample",
        "relative, exact: 0.29 of 100",
        {"n": i64(*range(100))},
        {"sample": "relative", "sample_ratio": 0.29},
        check=drawn(29),
    ),
    Case("sample", "relative, all", FIVE, {"sample": "relative", "sample_ratio": 1}, FIVE),
    Case("sample", "relative of no rows", {"n": i64()}, {"sample": "relative"}, {"n": i64()}),
    Case(
        "sample", "probability one", FIVE, {"sample": "probability", "sample_probability": 1}, FIVE
    ),
    Case(
        "sample",
        "probability nought",
        FIVE,
        {"sample": "probability", "sample_probability": 0},
        rows_of(FIVE),
    ),
    Case(
        "sample",
        "a seed",
        FIVE,
        {"sample_size": 3, "use_local_random_seed": True, "local_random_seed": 7},
        check=drawn(3),
    ),
    Case(
        "sample",
        "by class: those not listed give none",
        CLASSES,
        per_class(sample_size_per_class={"A": 3, "B": 1}),
        check=drawn_by_class({"A": 3, "B": 1}),
    ),
    Case(
        "sample",
        "by class, relative",
        CLASSES,
        per_class(sample="relative", sample_ratio_per_class={"A": 0.25, "B": 0.5}),
        check=drawn_by_class({"A": 2, "B": 10}),
    ),
    Case(
        "sample",
        "by class, probability",
        CLASSES,
        per_class(sample="probability", sample_probability_per_class={"B": 1}),
        check=drawn_by_class({"B": 20}),
    ),
    Case(
        "sample",
        "by class, more than there are",
        CLASSES,
        per_class(sample_size_per_class={"A": 11}),
        refused("'A'", "11", "10"),
    ),
    Case(
        "sample",
        "by class without a label",
        CLASSES,
        {"balance_data": True, "sample_size_per_class": {"A": 1}},
        refused("label"),
    ),
    Case(
        "sample",
        "by class with a label of numbers",
        CLASSES,
        {"balance_data": True, "label": "n", "sample_size_per_class": {"A": 1}},
        refused("'n'", "integer"),
    ),
    Case(
        "sample", "by class without sizes", CLASSES, per_class(), refused("sample_size_per_class")
    ),
    Case(
        "sample",
        "a ratio above one",
        FIVE,
        {"sample": "relative", "sample_ratio": 1.5},
        refused("1.5"),
    ),
    Case("sample", "no kind", FIVE, {"sample": "relativ"}, refused("'relativ'", "'relative'")),
    Case("sample", "a ratio by itself", FIVE, {"sample_ratio": 0.1}, refused(IS_OF_RELATIVE)),
    Case(
        "sample",
        "a size of relative",
        FIVE,
        {"sample": "relative", "sample_size": 7},
        refused("sample is 'relative', and sample_size is not used: it belongs to 'absolute'."),
    ),
    Case(
        "sample",
        "sizes of classes without balance_data",
        CLASSES,
        {"sample_size_per_class": {"A": 1}},
        refused("sample_size_per_class is not used: it belongs to balance_data, set to true."),
    ),
    Case(
        "sample",
        "a size beside those of classes",
        CLASSES,
        per_class(sample_size=3, sample_size_per_class={"A": 1}),
        refused("sample_size is not used with balance_data: write sample_size_per_class."),
    ),
    Case(
        "sample",
        "a seed that is not used",
        FIVE,
        {"sample_size": 1, "local_random_seed": 7},
        refused("use_local_random_seed"),
    ),
]

SHUFFLES = [
    Case("shuffle", "the same rows", FIVE, {}, FIVE, ordered=False),
    Case(
        "shuffle",
        "a seed",
        FIVE,
        {"use_local_random_seed": True, "local_random_seed": 7},
        FIVE,
        ordered=False,
    ),
    Case("shuffle", "empty", {"n": i64(), "a": text()}, {}, {"n": i64(), "a": text()}),
    Case("shuffle", "one row", {"n": i64(1)}, {}, {"n": i64(1)}),
]


def parted(*sizes: int) -> Any:
    """Parts of these sizes, which are the rows given, each part in their order."""

    def check(given: Rows, parts: list[Rows]) -> None:
        assert [len(part) for part in parts] == list(sizes)
        for part in parts:
            assert [row["n"] for row in part] == sorted(row["n"] for row in part)
        assert sorted((row for part in parts for row in part), key=lambda row: row["n"]) == given

    return check


def shares(given: Rows, parts: list[Rows]) -> None:
    """0.7 of 10, 20 and 10 rows in the first, the rest in the second."""
    parted(28, 12)(given, parts)
    counts = [Counter(row["등급"] for row in part) for part in parts]
    assert counts == [Counter({"A": 7, "B": 14, None: 7}), Counter({"A": 3, "B": 6, None: 3})]


FOUR = {"n": i64(0, 1, 2, 3)}
SPLITS = [
    Case(
        "split_rows",
        "example: linear",
        FOUR,
        {"partitions": [0.25, 0.75], "sampling_type": "linear"},
        [rows_of(FOUR, 0), rows_of(FOUR, 1, 2, 3)],
    ),
    Case(
        "split_rows",
        "linear, rounded half up",
        {"n": i64(0, 1, 2, 3, 4)},
        {"partitions": [0.5, 0.5], "sampling_type": "linear"},
        [{"n": i64(0, 1, 2)}, {"n": i64(3, 4)}],
    ),
    Case(
        "split_rows",
        "linear, three",
        {"n": i64(*range(10))},
        {"partitions": [0.7, 0.2, 0.1], "sampling_type": "linear"},
        [{"n": i64(*range(7))}, {"n": i64(7, 8)}, {"n": i64(9)}],
    ),
    Case(
        "split_rows",
        "linear, exact: 0.29 of 50 is 14.5",
        {"n": i64(*range(50))},
        {"partitions": [0.29, 0.71], "sampling_type": "linear"},
        [{"n": i64(*range(15))}, {"n": i64(*range(15, 50))}],
    ),
    Case(
        "split_rows",
        "thirds",
        {"n": i64(*range(9))},
        {"partitions": [1 / 3, 1 / 3, 1 / 3], "sampling_type": "linear"},
        [{"n": i64(0, 1, 2)}, {"n": i64(3, 4, 5)}, {"n": i64(6, 7, 8)}],
    ),
    Case(
        "split_rows",
        "divided by their sum",
        FOUR,
        {"partitions": [0.25, 0.25], "sampling_type": "linear"},
        [rows_of(FOUR, 0, 1), rows_of(FOUR, 2, 3)],
    ),
    Case("split_rows", "one part", FOUR, {"partitions": [1.0]}, [FOUR]),
    Case("split_rows", "an empty part", FOUR, {"partitions": [0.0, 1.0]}, [rows_of(FOUR), FOUR]),
    Case(
        "split_rows",
        "no rows",
        {"n": i64(), "a": text()},
        {},
        [{"n": i64(), "a": text()}, {"n": i64(), "a": text()}],
    ),
    Case("split_rows", "automatic is shuffled", CLASSES, {}, check=parted(28, 12)),
    Case(
        "split_rows",
        "shuffled",
        CLASSES,
        {"partitions": [0.5, 0.25, 0.25], "sampling_type": "shuffled"},
        check=parted(20, 10, 10),
    ),
    Case(
        "split_rows",
        "automatic with a nominal label is stratified",
        CLASSES,
        {"label": "등급"},
        check=shares,
    ),
    Case(
        "split_rows",
        "stratified, missing being a class",
        CLASSES,
        {
            "sampling_type": "stratified",
            "label": "등급",
            "use_local_random_seed": True,
            "local_random_seed": 7,
        },
        check=shares,
    ),
    Case(
        "split_rows",
        "automatic with a label of numbers is shuffled",
        CLASSES,
        {"label": "n"},
        check=parted(28, 12),
    ),
    Case(
        "split_rows",
        "stratified without a label",
        CLASSES,
        {"sampling_type": "stratified"},
        refused("label"),
    ),
    Case(
        "split_rows",
        "stratified by numbers",
        CLASSES,
        {"sampling_type": "stratified", "label": "n"},
        refused("'n'", "integer"),
    ),
    Case("split_rows", "no type", FOUR, {"sampling_type": "liner"}, refused("'liner'", "'linear'")),
    Case("split_rows", "a ratio below nought", FOUR, {"partitions": [-0.5, 1.5]}, refused("-0.5")),
    Case("split_rows", "nothing", FOUR, {"partitions": []}, refused("partitions")),
    Case("split_rows", "nought in all", FOUR, {"partitions": [0, 0]}, refused("partitions")),
]

RANGES = [
    Case(
        "split_rows_at",
        "example",
        FIVE,
        {"ranges": [(1, 2), (4, 5)]},
        [rows_of(FIVE, 0, 1), rows_of(FIVE, 3, 4)],
    ),
    Case("split_rows_at", "to the end", FIVE, {"ranges": [[3, None]]}, [rows_of(FIVE, 2, 3, 4)]),
    Case("split_rows_at", "one row", FIVE, {"ranges": [[3, 3]]}, [rows_of(FIVE, 2)]),
    Case(
        "split_rows_at",
        "past the end",
        FIVE,
        {"ranges": [(5, 9), (6, 9)]},
        [rows_of(FIVE, 4), rows_of(FIVE)],
    ),
    Case(
        "split_rows_at",
        "overlapping",
        FIVE,
        {"ranges": [(1, 3), (2, 4)]},
        [rows_of(FIVE, 0, 1, 2), rows_of(FIVE, 1, 2, 3)],
    ),
    Case("split_rows_at", "no rows", {"n": i64()}, {"ranges": [(1, 3)]}, [{"n": i64()}]),
    Case("split_rows_at", "from nought", FIVE, {"ranges": [(0, 3)]}, refused("0", "1")),
    Case("split_rows_at", "backwards", FIVE, {"ranges": [(3, 2)]}, refused("3", "2")),
    Case("split_rows_at", "nothing", FIVE, {"ranges": []}, refused("ranges")),
]

CASES = [*FILTERS, *COMBINED, *SORTS, *SAMPLES, *SHUFFLES, *SPLITS, *RANGES]
