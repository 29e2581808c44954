"""Cases of the functions that change nominal columns, from preps' specification."""

from __future__ import annotations

from typing import Any

from tests.preps.table import Case, boolean, category, f64, i64, refused, text

T, F = True, False

TO_BINOMINAL = [
    Case(
        "nominal_to_binominal",
        "a column a value",
        {"등급": text("A", "B", "C", "A")},
        {},
        {
            "등급 = A": boolean(T, F, F, T),
            "등급 = B": boolean(F, T, F, F),
            "등급 = C": boolean(F, F, T, F),
        },
    ),
    Case(
        "nominal_to_binominal",
        "sorted, not by appearance",
        {"c": text("나", "a", "B", "가")},
        {"use_underscore_in_name": True},
        {
            "c_B": boolean(F, F, T, F),
            "c_a": boolean(F, T, F, F),
            "c_가": boolean(F, F, F, T),
            "c_나": boolean(T, F, F, F),
        },
    ),
    # Of two values the type changes alone: values and nulls stay.
    Case(
        "nominal_to_binominal",
        "two values",
        {"성별": text("남", "여", None, "남")},
        {},
        {"성별": category("남", "여", None, "남")},
    ),
    Case("nominal_to_binominal", "one value", {"a": text("x", "x")}, {}, {"a": category("x", "x")}),
    Case("nominal_to_binominal", "empty", {"a": text()}, {}, {"a": category()}),
    Case(
        "nominal_to_binominal",
        "two values transformed",
        {"성별": text("남", "여", None)},
        {"transform_binominal": True},
        {"성별 = 남": boolean(T, F, F), "성별 = 여": boolean(F, T, F)},
    ),
    Case(
        "nominal_to_binominal",
        "missing is false in all",
        {"c": text("x", None, "y", "z")},
        {},
        {
            "c = x": boolean(T, F, F, F),
            "c = y": boolean(F, F, T, F),
            "c = z": boolean(F, F, F, T),
        },
    ),
    Case(
        "nominal_to_binominal",
        "missing is null",
        {"c": text("x", None, "y", "z")},
        {"missing": "null"},
        {
            "c = x": boolean(T, None, F, F),
            "c = y": boolean(F, None, T, F),
            "c = z": boolean(F, None, F, T),
        },
    ),
    Case(
        "nominal_to_binominal",
        "the empty text is a value",
        {"c": text("", " ", "x")},
        {},
        {"c = ": boolean(T, F, F), "c =  ": boolean(F, T, F), "c = x": boolean(F, F, T)},
    ),
    Case(
        "nominal_to_binominal",
        "place kept",
        {
            "n": i64(1, 2, 3),
            "c": text("x", "y", "z"),
            "d": text("1", "2", "1"),
            "m": f64(0.5, 1.5, 2.5),
        },
        {},
        {
            "n": i64(1, 2, 3),
            "c = x": boolean(T, F, F),
            "c = y": boolean(F, T, F),
            "c = z": boolean(F, F, T),
            "d": category("1", "2", "1"),
            "m": f64(0.5, 1.5, 2.5),
        },
    ),
    Case(
        "nominal_to_binominal",
        "category",
        {"c": category("x", "y", "z", None)},
        {"columns": "c"},
        {"c = x": boolean(T, F, F, F), "c = y": boolean(F, T, F, F), "c = z": boolean(F, F, T, F)},
    ),
    Case(
        "nominal_to_binominal",
        "learned",
        {"c": text("z", "q", None)},
        {"values": {"c": ["x", "y", "z"]}, "unexpected_value_handling": "all 0"},
        {"c = x": boolean(F, F, F), "c = y": boolean(F, F, F), "c = z": boolean(T, F, F)},
    ),
    Case(
        "nominal_to_binominal",
        "learned, no rows",
        {"c": text()},
        {"values": {"c": ["x", "y", "z"]}},
        {"c = x": boolean(), "c = y": boolean(), "c = z": boolean()},
    ),
    # A binominal column has no third value.
    Case(
        "nominal_to_binominal",
        "two learned, a third",
        {"c": text("남", "모름", None)},
        {"values": {"c": ["남", "여"]}, "unexpected_value_handling": "all 0"},
        {"c": category("남", None, None)},
    ),
    Case(
        "nominal_to_binominal",
        "name taken",
        {"c": text("x", "y", "z"), "c = y": i64(1, 2, 3)},
        {"columns": "c"},
        refused("nominal_to_binominal", "'c = y'"),
    ),
    Case(
        "nominal_to_binominal",
        "name made twice",
        {"a": text("b = c", "d", "e"), "a = b": text("c", "f", "g")},
        {},
        refused("nominal_to_binominal", "'a = b = c'"),
    ),
    Case(
        "nominal_to_binominal", "number", {"a": i64(1)}, {"columns": "a"}, refused("'a' is integer")
    ),
    Case("nominal_to_binominal", "no column", {"a": text("x")}, {"columns": "b"}, refused("'b'")),
    Case(
        "nominal_to_binominal",
        "values of one column only",
        {"a": text("x"), "b": text("y")},
        {"columns": ["a", "b"], "values": {"a": ["x"]}},
        refused("values", "'b'"),
    ),
    Case(
        "nominal_to_binominal",
        "no such handling",
        {"a": text("x")},
        {"unexpected_value_handling": "all null"},
        refused("unexpected_value_handling", "all 0 and warning"),
    ),
    Case(
        "nominal_to_binominal",
        "no such missing",
        {"a": text("x")},
        {"missing": "true"},
        refused("missing", "false"),
    ),
]


def _coded(name: str, given: Any, expect: Any, **params: Any) -> Case:
    return Case("nominal_to_numeric", name, {"c": given}, params, expect)


_EFFECT = {"coding_type": "effect coding"}
_UNIQUE = {"coding_type": "unique integers"}

TO_NUMERIC = [
    _coded("dummy", text("a", "b"), {"c = a": i64(1, 0), "c = b": i64(0, 1)}),
    _coded(
        "effect",
        text("a", "b"),
        {"c = a": i64(1, -1)},
        comparison_groups={"c": "b"},
        **_EFFECT,
    ),
    _coded("unique integers", text("b", "a", None, "b"), {"c": i64(1, 0, None, 1)}, **_UNIQUE),
    _coded(
        "sorted, not by appearance",
        text("나", "B", "a", "가"),
        {
            "c_B": i64(0, 1, 0, 0),
            "c_a": i64(0, 0, 1, 0),
            "c_가": i64(0, 0, 0, 1),
            "c_나": i64(1, 0, 0, 0),
        },
        use_underscore_in_name=True,
    ),
    _coded("missing is 0 in all", text("a", None), {"c = a": i64(1, 0)}),
    _coded(
        "the empty text is a value",
        text("", "a", None),
        {"c = ": i64(1, 0, 0), "c = a": i64(0, 1, 0)},
    ),
    _coded(
        "comparison group",
        text("a", "b", "c", None),
        {"c = a": i64(1, 0, 0, 0), "c = c": i64(0, 0, 1, 0)},
        use_comparison_groups=True,
        comparison_groups={"c": "b"},
    ),
    _coded(
        "effect of three",
        text("a", "b", "c", None),
        {"c = a": i64(1, -1, 0, 0), "c = c": i64(0, -1, 1, 0)},
        comparison_groups={"c": "b"},
        **_EFFECT,
    ),
    _coded(
        "effect, learned, unexpected",
        text("a", "b", "q"),
        {"c = a": i64(1, -1, 0)},
        comparison_groups={"c": "b"},
        values={"c": ["a", "b"]},
        unexpected_value_handling="all 0",
        **_EFFECT,
    ),
    _coded("category", category("a", "b", None), {"c = a": i64(1, 0, 0), "c = b": i64(0, 1, 0)}),
    _coded("category to integers", category("b", "a", None), {"c": i64(1, 0, None)}, **_UNIQUE),
    _coded(
        "learned",
        text("b", "q", None),
        {"c = a": i64(0, 0, 0), "c = b": i64(1, 0, 0)},
        values={"c": ["a", "b"]},
        unexpected_value_handling="all 0",
    ),
    _coded(
        "learned, no rows",
        text(),
        {"c = a": i64(), "c = b": i64()},
        values={"c": ["a", "b"]},
    ),
    # 0 would be the first value's number.
    _coded(
        "integers, learned, unexpected",
        text("b", "q", None),
        {"c": i64(1, None, None)},
        values={"c": ["a", "b"]},
        unexpected_value_handling="all 0",
        **_UNIQUE,
    ),
    _coded("integers of nothing", text(), {"c": i64()}, **_UNIQUE),
    _coded("integers of nulls", text(None, None), {"c": i64(None, None)}, **_UNIQUE),
    Case(
        "nominal_to_numeric",
        "place kept",
        {"n": i64(1, 2), "c": text("x", "y"), "d": text("1", None), "m": f64(0.5, None)},
        {},
        {
            "n": i64(1, 2),
            "c = x": i64(1, 0),
            "c = y": i64(0, 1),
            "d = 1": i64(1, 0),
            "m": f64(0.5, None),
        },
    ),
    Case(
        "nominal_to_numeric",
        "others stay",
        {"c": text("x", "y"), "d": text("1", None)},
        {"columns": ["d"], "coding_type": "unique integers"},
        {"c": text("x", "y"), "d": i64(0, None)},
    ),
    Case(
        "nominal_to_numeric",
        "nothing known of one column",
        {"n": i64(1, 2), "d": text(None, None)},
        {},
        {"n": i64(1, 2)},
    ),
    _coded("no column left", text(None), refused("nominal_to_numeric", "no column")),
    _coded(
        "effect without a group", text("a", "b"), refused("comparison_groups", "'c'"), **_EFFECT
    ),
    _coded(
        "group that is no value",
        text("a", "b"),
        refused("comparison_groups", "'c'"),
        comparison_groups={"c": "z"},
        **_EFFECT,
    ),
    _coded(
        "group of another column",
        text("a", "b"),
        refused("comparison_groups", "'d'"),
        use_comparison_groups=True,
        comparison_groups={"d": "z"},
    ),
    _coded(
        "groups not asked for",
        text("a", "b"),
        refused("use_comparison_groups"),
        comparison_groups={"c": "a"},
    ),
    _coded(
        "no such coding", text("a"), refused("coding_type", "dummy coding"), coding_type="dummy"
    ),
    Case(
        "nominal_to_numeric",
        "name taken",
        {"c": text("a"), "c = a": i64(5)},
        {"columns": "c"},
        refused("nominal_to_numeric", "'c = a'"),
    ),
    Case("nominal_to_numeric", "number", {"a": f64(1.0)}, {"columns": "a"}, refused("'a' is real")),
    Case("nominal_to_numeric", "no column", {"a": text("x")}, {"columns": "b"}, refused("'b'")),
]


def _retyped(function: str, name: str, given: Any, expect: Any) -> Case:
    return Case(function, name, {"a": given}, {}, {"a": expect})


TEXTS = [
    _retyped("nominal_to_text", "example", text("x", None), text("x", None)),
    _retyped("nominal_to_text", "category", category("x", None, "x"), text("x", None, "x")),
    _retyped(
        "nominal_to_text",
        "words of missing",
        category("nan", "None", None),
        text("nan", "None", None),
    ),
    _retyped("nominal_to_text", "the empty text", category("", "가"), text("", "가")),
    _retyped("nominal_to_text", "empty", category(), text()),
    _retyped("text_to_nominal", "example", text("", "가"), category("", "가")),
    _retyped("text_to_nominal", "missing", text("x", None, "x"), category("x", None, "x")),
    _retyped("text_to_nominal", "category", category("x", None), category("x", None)),
    _retyped("text_to_nominal", "all missing", text(None, None), category(None, None)),
    _retyped("text_to_nominal", "empty", text(), category()),
    *(
        case
        for function in ("nominal_to_text", "text_to_nominal")
        for case in (
            Case(
                function,
                "others stay",
                {"n": i64(1), "a": text("x"), "b": category("y")},
                {},
                {"n": i64(1), "a": text("x"), "b": text("y")},
            ),
            Case(function, "number", {"a": i64(1)}, {"columns": "a"}, refused("'a' is integer")),
            Case(function, "no column", {"a": text("x")}, {"columns": "b"}, refused("'b'")),
        )
    ),
]

CASES = [*TO_BINOMINAL, *TO_NUMERIC, *TEXTS]
