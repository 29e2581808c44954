"""Cases of the functions that choose, rename and add columns, from preps' specification."""

from __future__ import annotations

from typing import Any

from lake_assets.preps.selectors import Selector
from tests.preps.table import Case, boolean, category, day, dec, f64, i64, refused, stamp, text

NAN = float("nan")

#: A column of every kind.
KINDS = {
    "주문_번호": i64(1, None),
    "주문_금액": dec("18,2", "10.50", "0.00"),
    "비율": f64(0.5, NAN),
    "이름": text("가", None),
    "등급": category("A", "B"),
    "확정": boolean(True, False),
    "날짜": day("2024-02-29", None),
    "시각": stamp("2025-07-01T09:30:00", "2025-12-31T23:59:59"),
}


def kept(*names: str) -> dict[str, Any]:
    return {name: KINDS[name] for name in names}


ABC = {"a": i64(1, 2), "b": text("x", None), "c": f64(0.5, -1.0)}

RENAME = [
    Case(
        "rename",
        "example",
        {"a": text("서울"), "b": i64(1)},
        {"mapping": {"a": "이름"}},
        {"이름": text("서울"), "b": i64(1)},
    ),
    Case(
        "rename",
        "two at once, the place kept",
        ABC,
        {"mapping": {"a": "c2", "b": "d"}},
        {"c2": ABC["a"], "d": ABC["b"], "c": ABC["c"]},
    ),
    Case(
        "rename",
        "a swap is simultaneous",
        ABC,
        {"mapping": {"a": "b", "b": "a"}},
        {"b": ABC["a"], "a": ABC["b"], "c": ABC["c"]},
    ),
    Case(
        "rename",
        "a cycle of three",
        ABC,
        {"mapping": {"a": "b", "b": "c", "c": "a"}},
        {"b": ABC["a"], "c": ABC["b"], "a": ABC["c"]},
    ),
    Case("rename", "to itself", ABC, {"mapping": {"a": "a"}}, ABC),
    Case("rename", "nothing", ABC, {"mapping": {}}, ABC),
    Case(
        "rename",
        "every type untouched",
        KINDS,
        {"mapping": {"이름": "성명"}},
        {("성명" if name == "이름" else name): column for name, column in KINDS.items()},
    ),
    Case("rename", "empty", {"a": i64()}, {"mapping": {"a": "가"}}, {"가": i64()}),
    Case("rename", "name in use", ABC, {"mapping": {"a": "b"}}, refused("'b'", "rename")),
    Case("rename", "one name twice", ABC, {"mapping": {"a": "z", "b": "z"}}, refused("'z'")),
    Case("rename", "no column", ABC, {"mapping": {"A": "z"}}, refused("'A'", "a, b, c")),
    Case("rename", "empty name", ABC, {"mapping": {"a": ""}}, refused("'a'")),
]

SELECT = [
    Case("select_attributes", "all by default", KINDS, {}, KINDS),
    Case("select_attributes", "single", ABC, {"columns": "b"}, {"b": ABC["b"]}),
    Case(
        "select_attributes",
        "stored order, not the order asked for",
        ABC,
        {"columns": ["c", "a"]},
        {"a": ABC["a"], "c": ABC["c"]},
    ),
    Case(
        "select_attributes",
        "regular expression",
        KINDS,
        {"columns": {"regular_expression": "주문_.*"}},
        kept("주문_번호", "주문_금액"),
    ),
    Case(
        "select_attributes",
        "a regular expression matches the whole name",
        {"ab": i64(1), "abc": i64(2)},
        {"columns": {"regular_expression": "a."}},
        {"ab": i64(1)},
    ),
    Case(
        "select_attributes",
        "regular expression with an exception",
        KINDS,
        {"columns": {"regular_expression": "주문_.*", "except": ".*금액"}},
        kept("주문_번호"),
    ),
    Case(
        "select_attributes",
        "numeric inverted: the others",
        KINDS,
        {"columns": {"value_type": "numeric", "invert": True}},
        kept("이름", "등급", "확정", "날짜", "시각"),
    ),
    Case(
        "select_attributes",
        "numeric",
        KINDS,
        {"columns": {"value_type": "numeric"}},
        kept("주문_번호", "주문_금액", "비율"),
    ),
    Case(
        "select_attributes",
        "integer",
        KINDS,
        {"columns": {"value_type": "integer"}},
        kept("주문_번호"),
    ),
    Case(
        "select_attributes",
        "real",
        KINDS,
        {"columns": {"value_type": "real"}},
        kept("주문_금액", "비율"),
    ),
    Case(
        "select_attributes",
        "nominal is text or category",
        KINDS,
        {"columns": {"value_type": "nominal"}},
        kept("이름", "등급"),
    ),
    Case(
        "select_attributes",
        "several types",
        KINDS,
        {"columns": Selector(value_type=["binominal", "date", "date_time"])},
        kept("확정", "날짜", "시각"),
    ),
    Case(
        "select_attributes",
        "no missing values: neither null nor NaN",
        KINDS,
        {"columns": {"no_missing_values": True}},
        kept("주문_금액", "등급", "확정", "시각"),
    ),
    Case(
        "select_attributes",
        "no missing values of an empty frame",
        {"a": i64(), "b": f64()},
        {"columns": {"no_missing_values": True}},
        {"a": i64(), "b": f64()},
    ),
    Case(
        "select_attributes",
        "numeric condition: all rows hold it, other types stay",
        {"a": i64(7, 8), "b": i64(6, 7), "c": f64(6.5, NAN), "d": text("x", None)},
        {"columns": {"numeric_condition": "> 6"}},
        {"a": i64(7, 8), "d": text("x", None)},
    ),
    Case(
        "select_attributes",
        "numeric condition with and",
        {"a": i64(7, 8), "b": i64(7, 12), "c": dec("18,2", "6.01", "9.99")},
        {"columns": {"numeric_condition": "> 6 && < 10"}},
        {"a": i64(7, 8), "c": dec("18,2", "6.01", "9.99")},
    ),
    Case(
        "select_attributes",
        "numeric condition with or",
        {"a": i64(-7, 8), "b": i64(0, 8)},
        {"columns": {"numeric_condition": "< -6.5 || >= 8"}},
        {"a": i64(-7, 8)},
    ),
    Case(
        "select_attributes",
        "numeric condition: a missing value is unequal",
        {"a": i64(1, None), "b": i64(0, 1), "c": i64(1, 2)},
        {"columns": {"numeric_condition": "!= 0"}},
        {"a": i64(1, None), "c": i64(1, 2)},
    ),
    Case(
        "select_attributes",
        "numeric condition of huge numbers",
        {"a": i64(9007199254740993), "b": i64(9007199254740992)},
        {"columns": {"numeric_condition": "> 9007199254740992"}},
        {"a": i64(9007199254740993)},
    ),
    Case(
        "select_attributes",
        "numeric condition of an empty frame",
        {"a": i64()},
        {"columns": {"numeric_condition": "> 6"}},
        {"a": i64()},
    ),
    Case(
        "select_attributes",
        "numeric condition mixing && and ||",
        ABC,
        {"columns": {"numeric_condition": "> 1 && < 2 || > 3"}},
        refused("&&", "||"),
    ),
    Case(
        "select_attributes",
        "numeric condition that is none",
        ABC,
        {"columns": {"numeric_condition": "=> 1"}},
        refused("'=> 1'", "> 6"),
    ),
    Case(
        "select_attributes",
        "subset, a missing one forgiven",
        ABC,
        {"columns": {"subset": ["a", "z"], "on_missing_column": "ignore"}},
        {"a": ABC["a"]},
    ),
    Case(
        "select_attributes",
        "subset of one name",
        {"금액": i64(1), "금": i64(2)},
        {"columns": {"subset": "금액"}},
        {"금액": i64(1)},
    ),
    Case(
        "select_attributes",
        "invert",
        ABC,
        {"columns": ["a"], "invert": True},
        {"b": ABC["b"], "c": ABC["c"]},
    ),
    Case(
        "select_attributes",
        "empty frame",
        {"a": i64(), "b": text()},
        {"columns": "b"},
        {"b": text()},
    ),
    Case("select_attributes", "no column", ABC, {"columns": "d"}, refused("'d'", "a, b, c")),
    Case(
        "select_attributes",
        "no column of a subset",
        ABC,
        {"columns": {"subset": ["aa"]}},
        refused("'aa'", "did you mean 'a'"),
    ),
    Case(
        "select_attributes",
        "nothing left",
        ABC,
        {"columns": {"value_type": "date"}},
        refused("no column is left"),
    ),
    Case(
        "select_attributes",
        "an empty subset chooses nothing",
        ABC,
        {"columns": {"subset": []}},
        refused("no column is left"),
    ),
    Case(
        "select_attributes",
        "two rules",
        ABC,
        {"columns": {"value_type": "real", "regular_expression": "a"}},
        refused("one rule", "value_type", "regular_expression"),
    ),
    Case(
        "select_attributes",
        "no such rule",
        ABC,
        {"columns": {"value_typ": "real"}},
        refused("'value_typ'", "'value_type'"),
    ),
    Case(
        "select_attributes",
        "no such value type",
        ABC,
        {"columns": {"value_type": "reel"}},
        refused("'reel'", "'real'"),
    ),
    Case(
        "select_attributes",
        "block type has no meaning",
        ABC,
        {"columns": {"block_type": "value_series"}},
        refused("block_type", "flat"),
    ),
    Case(
        "select_attributes",
        "no regular expression",
        ABC,
        {"columns": {"regular_expression": "("}},
        refused("'('"),
    ),
    Case(
        "select_attributes",
        "on_missing_column misspelt",
        ABC,
        {"columns": {"subset": ["a"], "on_missing_column": "ignored"}},
        refused("'ignored'", "'ignore'"),
    ),
]


def one_of_three(given: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    assert {len(row) for row in found} == {1}
    assert set(found[0]) <= set(given[0])
    assert [row[name] for row in found for name in row] == [
        row[name] for row in given for name in found[0]
    ]


def some_in_order(given: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    names = list(found[0])
    assert 1 <= len(names) <= 3
    assert names == [name for name in given[0] if name in names]


FULL = {"a": i64(1, 2), "b": text("x", "y"), "c": f64(0.5, -1.0)}

RANDOM = [
    Case(
        "select_by_random",
        "one of three",
        FULL,
        {"use_fixed_number_of_attributes": True, "number_of_attributes": 1},
        check=one_of_three,
    ),
    Case("select_by_random", "some of three", FULL, {}, check=some_in_order),
    Case(
        "select_by_random",
        "another seed",
        FULL,
        {"use_local_random_seed": True, "local_random_seed": 7},
        check=some_in_order,
    ),
    Case(
        "select_by_random",
        "all of three",
        FULL,
        {"use_fixed_number_of_attributes": True, "number_of_attributes": 3},
        FULL,
    ),
    Case(
        "select_by_random",
        "more than there are",
        FULL,
        {"use_fixed_number_of_attributes": True, "number_of_attributes": 4},
        refused("4", "3 columns"),
    ),
    Case(
        "select_by_random",
        "none",
        FULL,
        {"use_fixed_number_of_attributes": True, "number_of_attributes": 0},
        refused("0"),
    ),
    Case(
        "select_by_random",
        "fixed without a number",
        FULL,
        {"use_fixed_number_of_attributes": True},
        refused("number_of_attributes"),
    ),
    Case(
        "select_by_random",
        "a number that is not used",
        FULL,
        {"number_of_attributes": 2},
        refused("use_fixed_number_of_attributes"),
    ),
    Case(
        "select_by_random",
        "a seed that is not used",
        FULL,
        {"local_random_seed": 7},
        refused("use_local_random_seed"),
    ),
]

REMOVE = [
    Case("remove_attributes", "example", ABC, {"columns": ["b"]}, {"a": ABC["a"], "c": ABC["c"]}),
    Case("remove_attributes", "nothing", ABC, {"columns": []}, ABC),
    Case("remove_attributes", "one name", ABC, {"columns": "a"}, {"b": ABC["b"], "c": ABC["c"]}),
    Case(
        "remove_attributes",
        "by a rule",
        KINDS,
        {"columns": {"value_type": "numeric"}},
        kept("이름", "등급", "확정", "날짜", "시각"),
    ),
    Case(
        "remove_attributes",
        "empty frame",
        {"a": i64(), "b": text()},
        {"columns": "b"},
        {"a": i64()},
    ),
    Case("remove_attributes", "no column", ABC, {"columns": ["z"]}, refused("'z'", "a, b, c")),
    Case(
        "remove_attributes", "all", ABC, {"columns": ["a", "b", "c"]}, refused("no column is left")
    ),
]

ADD = [
    Case(
        "add_column",
        "real by default, all missing",
        ABC,
        {"name": "비고"},
        {**ABC, "비고": f64(None, None)},
    ),
    Case(
        "add_column",
        "integer",
        ABC,
        {"name": "n", "value_type": "integer"},
        {**ABC, "n": i64(None, None)},
    ),
    Case(
        "add_column",
        "nominal",
        ABC,
        {"name": "n", "value_type": "nominal"},
        {**ABC, "n": text(None, None)},
    ),
    Case(
        "add_column",
        "binominal",
        ABC,
        {"name": "n", "value_type": "binominal"},
        {**ABC, "n": boolean(None, None)},
    ),
    Case(
        "add_column",
        "date",
        ABC,
        {"name": "n", "value_type": "date"},
        {**ABC, "n": day(None, None)},
    ),
    Case(
        "add_column",
        "date_time",
        ABC,
        {"name": "n", "value_type": "date_time"},
        {**ABC, "n": stamp(None, None)},
    ),
    Case("add_column", "empty", {"a": i64()}, {"name": "n"}, {"a": i64(), "n": f64()}),
    Case("add_column", "name in use", ABC, {"name": "a"}, refused("'a'")),
    Case(
        "add_column",
        "no such type",
        ABC,
        {"name": "n", "value_type": "reel"},
        refused("'reel'", "'real'"),
    ),
]

#: Names that are more than names to some engines, and which.
ODD = {
    "가.나": ("duckdb", "pyspark"),
    "a.b": ("duckdb", "pyspark"),
    '"q"': ("duckdb",),
    'q"r': ("duckdb",),
    "`b`": ("pyspark",),
    "*": ("duckdb", "pyspark", "polars", "polars_lazy"),
    "^a$": ("polars", "polars_lazy"),
    "a b": (),
    "매출(원)": (),
}
NAMES = [
    case
    for name, engines in ODD.items()
    for case in (
        Case(
            "rename",
            f"{name} to a plain name",
            {name: text(" x"), "a": i64(1)},
            {"mapping": {name: "z"}},
            {"z": text(" x"), "a": i64(1)},
        ),
        Case(
            "rename",
            f"{name} from a plain name",
            {"z": text(" x"), "a": i64(1)},
            {"mapping": {"z": name}},
            {name: text(" x"), "a": i64(1)},
        ),
        *(
            Case(
                function,
                f"beside a column {name}",
                {name: text(" x", "y"), "a": i64(2, 1)},
                params,
                {name: text(*texts), "a": i64(*numbers)},
                instead={
                    engine: refused(function, repr(name), f"rename(df, {{{name!r}: ")
                    for engine in engines
                },
            )
            for function, params, texts, numbers in (
                ("sort", {"by": "a"}, ("y", " x"), (1, 2)),
                ("trim", {"columns": name}, ("x", "y"), (2, 1)),
                ("filter_examples", {"filters": [["a", "eq", 1]]}, ("y",), (1,)),
                ("null", {"method": "zero", "columns": "a"}, (" x", "y"), (2, 1)),
            )
        ),
    )
]

CASES = [*RENAME, *SELECT, *RANDOM, *REMOVE, *ADD, *NAMES]
