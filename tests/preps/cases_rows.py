"""Cases of the functions that order, draw and part rows, from preps' specification.

Not here: conditions (`cases_filters.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.preps.cases_filters import INF, INSTANTS, NAN, numbered, rows_of
from tests.preps.table import (
    Case,
    Column,
    boolean,
    category,
    day,
    dec,
    f64,
    i64,
    refused,
    text,
)


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

CASES = [*SORTS, *SAMPLES, *SHUFFLES, *SPLITS, *RANGES]
