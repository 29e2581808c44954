"""Cases of reals of 32 bits: a number of a parameter is the nearest of them, as their text has it.

Here: filters, ranges, mappings and what `null` puts in. Not here: the functions' other cases.
"""

from __future__ import annotations

from typing import Any

from tests.preps.table import Case, Column, boolean, text


def f32(*values: float | None) -> Column:
    return Column("float32", values)


INF, NAN = float("inf"), float("nan")
#: 0.1 is 0.10000000149011612 in 32 bits, 0.3 is 0.30000001192092896; both are more than in 64.
GIVEN = {"f": f32(0.1, 0.3, None, INF, -0.1, 16777216.0, NAN)}


def kept(operator: str, value: Any, *rows: float | None) -> Case:
    params = {"filters": [["f", operator, value]]}
    return Case("filter_examples", f"float32 {operator} {value}", GIVEN, params, {"f": f32(*rows)})


CASES = [
    kept("eq", 0.1, 0.1),
    kept("eq", "0.3", 0.3),
    kept("eq", 0.10000000149011612, 0.1),
    kept("eq", 0.2),
    kept("ne", 0.1, 0.3, None, INF, -0.1, 16777216.0, NAN),
    kept("gt", 0.1, 0.3, INF, 16777216.0),
    kept("ge", 0.1, 0.1, 0.3, INF, 16777216.0),
    kept("lt", 0.3, 0.1, -0.1),
    kept("le", 0.3, 0.1, 0.3, -0.1),
    kept("gt", 1e39, INF),
    kept("ge", "inf", INF),
    kept("lt", -1e39),
    Case(
        "filter_examples",
        "float32, expression",
        GIVEN,
        {"condition_class": "expression", "expression": "f >= 0.1 && f <= 0.3"},
        {"f": f32(0.1, 0.3)},
    ),
    Case(
        "select_attributes",
        "float32, numeric_condition",
        {"f": f32(0.1, 0.3), "g": f32(0.1, 0.5)},
        {"columns": {"numeric_condition": ">= 0.1 && <= 0.3"}},
        {"f": f32(0.1, 0.3)},
    ),
    Case(
        "numeric_to_binominal",
        "float32, the ends belong to the range",
        GIVEN,
        {"min": 0.1, "max": 0.3},
        {"f": boolean(False, False, None, True, True, True, None)},
    ),
    Case(
        "numeric_to_binominal",
        "float32, an end beyond it",
        GIVEN,
        {"min": 0.1, "max": 1e39},
        {"f": boolean(False, False, None, True, True, False, None)},
    ),
    *(
        Case(
            function,
            "float32",
            GIVEN,
            {"columns": "f", "mapping": {0.1: "a", "0.3": "b"}, "default": "a"},
            {"f": text("a", "b", None, "a", "a", "a", None)},
        )
        for function in ("numeric_to_binominal_mapping", "numeric_to_polynominal_mapping")
    ),
    Case(
        "numeric_to_polynominal_mapping",
        "float32 does not have every whole number",
        GIVEN,
        {"columns": "f", "mapping": {16777217: "하나 더", 0.3: "b"}, "default": "z"},
        {"f": text("z", "b", None, "z", "z", "z", None)},
    ),
    Case(
        "numeric_to_polynominal",
        "float32",
        GIVEN,
        {},
        {"f": text("0.1", "0.3", None, "∞", "-0.1", "16777216", None)},
    ),
    Case(
        "null",
        "float32, value",
        {"f": f32(0.1, None, NAN)},
        {"method": "value", "value": 0.2},
        {"f": f32(0.1, 0.2, 0.2)},
    ),
    Case(
        "null",
        "float32, average",
        {"f": f32(0.25, None, 0.75)},
        {},
        {"f": f32(0.25, 0.5, 0.75)},
    ),
    Case(
        "null",
        "float32, maximum",
        {"f": f32(0.1, None, 0.3)},
        {"method": "maximum"},
        {"f": f32(0.1, 0.3, 0.3)},
    ),
]
