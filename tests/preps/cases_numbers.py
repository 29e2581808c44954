"""Cases of the functions that turn numbers into another type, from preps' specification.

Here: functions 14, 15, 16, 17, 19 and 20. Not here: numbers as formatted text and back
(`cases_number_text.py`).
"""

from __future__ import annotations

from tests.preps.table import Case, boolean, dec, f64, i64, refused, text

NAN, INF = float("nan"), float("inf")
HUGE = 2**53 + 1  # the first whole number that a float cannot hold
DIGITS38 = "12345678901234567890123456789012345678"
BINARY, MANY = "numeric_to_binominal_mapping", "numeric_to_polynominal_mapping"
STATE = {0: "정상", 1: "불량"}

MAPPED = [
    Case(
        BINARY,
        "example",
        {"a": i64(0, None, 1)},
        {"columns": "a", "mapping": STATE},
        {"a": text("정상", None, "불량")},
    ),
    Case(
        BINARY,
        "default",
        {"a": i64(0, 5, None)},
        {"columns": "a", "mapping": {0: "정상"}, "default": "불량"},
        {"a": text("정상", "불량", None)},
    ),
    Case(
        BINARY,
        "reals, NaN is missing",
        {"a": f64(0.0, NAN, 1.0, -0.0, None)},
        {"columns": "a", "mapping": STATE},
        {"a": text("정상", None, "불량", "정상", None)},
    ),
    Case(
        BINARY,
        "decimals",
        {"a": dec("18,2", "0.00", None, "1.00")},
        {"columns": "a", "mapping": STATE},
        {"a": text("정상", None, "불량")},
    ),
    Case(
        BINARY,
        "two numbers, one label",
        {"a": i64(0, 1, 2)},
        {"columns": ["a"], "mapping": {0: "정상", 1: "불량", 2: "불량"}},
        {"a": text("정상", "불량", "불량")},
    ),
    Case(
        BINARY,
        "place kept, several columns",
        {"a": i64(0), "b": i64(1), "c": i64(1)},
        {"columns": ["c", "a"], "mapping": STATE},
        {"a": text("정상"), "b": i64(1), "c": text("불량")},
    ),
    Case(BINARY, "empty", {"a": i64()}, {"columns": "a", "mapping": STATE}, {"a": text()}),
    Case(
        BINARY,
        "only missing",
        {"a": i64(None, None)},
        {"columns": "a", "mapping": STATE},
        {"a": text(None, None)},
    ),
    Case(
        BINARY,
        "unlisted",
        {"a": i64(0, 7, None)},
        {"columns": "a", "mapping": STATE},
        refused("'a'", "default", "7"),
    ),
    Case(
        BINARY,
        "three labels",
        {"a": i64(0)},
        {"columns": "a", "mapping": {0: "가", 1: "나", 2: "다"}},
        refused("two", "numeric_to_polynominal_mapping"),
    ),
    Case(
        BINARY,
        "the default is a third label",
        {"a": i64(0)},
        {"columns": "a", "mapping": STATE, "default": "모름"},
        refused("two", "모름"),
    ),
    Case(
        BINARY,
        "label is no text",
        {"a": i64(0)},
        {"columns": "a", "mapping": {0: False, 1: "예"}},
        refused("False", "text"),
    ),
    Case(
        BINARY,
        "text column",
        {"a": text("0")},
        {"columns": "a", "mapping": STATE},
        refused("'a' is text", "numeric"),
    ),
    Case(
        BINARY,
        "no column",
        {"불량여부": i64(0)},
        {"columns": "불량여브", "mapping": STATE},
        refused("'불량여브'", "did you mean '불량여부'"),
    ),
    Case(
        MANY,
        "example",
        {"a": i64(10, 11, None)},
        {"columns": "a", "mapping": {10: "A"}, "default": "Z"},
        {"a": text("A", "Z", None)},
    ),
    Case(
        MANY,
        "three labels",
        {"a": i64(1, 2, -3)},
        {"columns": "a", "mapping": {1: "봄", 2: "여름", -3: "가을"}},
        {"a": text("봄", "여름", "가을")},
    ),
    Case(
        MANY,
        "beyond 2^53",
        {"a": i64(HUGE, HUGE - 1)},
        {"columns": "a", "mapping": {HUGE: "가"}, "default": "나"},
        {"a": text("가", "나")},
    ),
    Case(
        MANY,
        "half never is a whole number",
        {"a": i64(0, 1)},
        {"columns": "a", "mapping": {0.5: "가"}, "default": "나"},
        {"a": text("나", "나")},
    ),
    Case(
        MANY,
        "number beyond int64",
        {"a": i64(0, 1)},
        {"columns": "a", "mapping": {10**30: "가"}, "default": "나"},
        {"a": text("나", "나")},
    ),
    Case(
        MANY,
        "0.1 as a decimal",
        {"a": dec("3,1", "0.1", "0.2")},
        {"columns": "a", "mapping": {0.1: "가"}, "default": "나"},
        {"a": text("가", "나")},
    ),
    Case(
        MANY,
        "more digits than the decimal has",
        {"a": dec("3,1", "0.1", "0.2")},
        {"columns": "a", "mapping": {0.15: "가"}, "default": "나"},
        {"a": text("나", "나")},
    ),
    Case(
        MANY,
        "38 digits",
        {"a": dec("38,0", DIGITS38, DIGITS38[:-1] + "9")},
        {"columns": "a", "mapping": {int(DIGITS38): "가"}, "default": "나"},
        {"a": text("가", "나")},
    ),
    Case(
        MANY,
        "infinity",
        {"a": f64(INF, -INF, 0.5)},
        {"columns": "a", "mapping": {INF: "위", 0.5: "반"}, "default": "밖"},
        {"a": text("위", "밖", "반")},
    ),
    Case(
        MANY,
        "unlisted real",
        {"a": f64(1.0, 2.5)},
        {"columns": "a", "mapping": {1: "가"}},
        refused("'a'", "default", "2.5"),
    ),
    Case(
        MANY,
        "no number",
        {"a": i64(1)},
        {"columns": "a", "mapping": {"하나": "가"}},
        refused("'하나'", "number"),
    ),
    Case(
        MANY,
        "numbers as text, as JSON keeps them",
        {"a": i64(1, None)},
        {"columns": "a", "mapping": {"1": "가"}},
        {"a": text("가", None)},
    ),
    Case(
        MANY,
        "one number twice",
        {"a": i64(1)},
        {"columns": "a", "mapping": {"1": "가", 1.0: "나"}},
        refused("1", "twice"),
    ),
    Case(
        MANY,
        "truth value",
        {"a": boolean(True)},
        {"columns": "a", "mapping": {1: "가"}},
        refused("'a' is binominal"),
    ),
    Case(MANY, "empty", {"a": f64()}, {"columns": "a", "mapping": {1: "가"}}, {"a": text()}),
]

RANGE = "numeric_to_binominal"
RANGES = [
    Case(RANGE, "example 0", {"a": i64(0, 7, None)}, {}, {"a": boolean(False, True, None)}),
    Case(
        RANGE,
        "example 10 to 20",
        {"a": i64(10, 20, 21)},
        {"min": 10, "max": 20},
        {"a": boolean(False, False, True)},
    ),
    Case(
        RANGE,
        "reals",
        {"a": f64(0.0, -0.0, 0.1, INF, -INF, NAN, None)},
        {},
        {"a": boolean(False, False, True, True, True, None, None)},
    ),
    Case(
        RANGE,
        "both ends belong to it",
        {"a": f64(-0.5, 0.5, 0.5000000000000001, -0.6)},
        {"min": -0.5, "max": 0.5},
        {"a": boolean(False, False, True, True)},
    ),
    Case(
        RANGE,
        "beyond 2^53",
        {"a": i64(HUGE - 1, HUGE, HUGE + 1)},
        {"min": HUGE, "max": HUGE},
        {"a": boolean(True, False, True)},
    ),
    Case(
        RANGE,
        "ends within whole numbers",
        {"a": i64(0, 1, 2)},
        {"min": 0.5, "max": 1.5},
        {"a": boolean(True, False, True)},
    ),
    Case(
        RANGE,
        "ends beyond int64",
        {"a": i64(-(2**63), 2**63 - 1, None)},
        {"min": -1e30, "max": 1e30},
        {"a": boolean(False, False, None)},
    ),
    Case(
        RANGE,
        "range beyond int64",
        {"a": i64(-(2**63), 2**63 - 1, None)},
        {"min": 1e30, "max": 1e31},
        {"a": boolean(True, True, None)},
    ),
    Case(
        RANGE,
        "decimals",
        {"a": dec("4,2", "0.10", "0.20", "0.21", "0.09", None)},
        {"min": 0.1, "max": 0.2},
        {"a": boolean(False, False, True, True, None)},
    ),
    Case(
        RANGE,
        "ends with more digits than the decimal",
        {"a": dec("4,2", "0.10", "0.11", "99.99", "-99.99")},
        {"min": 0.105, "max": 1000},
        {"a": boolean(True, False, False, True)},
    ),
    Case(
        RANGE,
        "38 digits",
        {"a": dec("38,0", DIGITS38, DIGITS38[:-1] + "9", "-" + DIGITS38)},
        {"min": int(DIGITS38), "max": int(DIGITS38)},
        {"a": boolean(False, True, True)},
    ),
    Case(
        RANGE,
        "all numeric columns",
        {"a": i64(1), "t": text("1"), "b": boolean(True), "d": f64(0.0)},
        {},
        {"a": boolean(True), "t": text("1"), "b": boolean(True), "d": boolean(False)},
    ),
    Case(
        RANGE,
        "infinite range",
        {"a": f64(INF, 1.0, -1.0)},
        {"min": 0, "max": INF},
        {"a": boolean(False, False, True)},
    ),
    Case(
        RANGE,
        "infinite range of whole numbers",
        {"a": i64(1, -1)},
        {"min": 0, "max": INF},
        {"a": boolean(False, True)},
    ),
    Case(RANGE, "empty", {"a": i64()}, {}, {"a": boolean()}),
    Case(RANGE, "one row", {"금액": f64(None)}, {"columns": "금액"}, {"금액": boolean(None)}),
    Case(RANGE, "min above max", {"a": i64(1)}, {"min": 2, "max": 1}, refused("min", "2", "1")),
    Case(RANGE, "NaN as an end", {"a": i64(1)}, {"min": NAN}, refused("min", "number")),
    Case(RANGE, "text column", {"a": text("1")}, {"columns": "a"}, refused("'a' is text")),
    Case(RANGE, "no column", {"a": i64(1)}, {"columns": "b"}, refused("'b'")),
]

TEXT = "numeric_to_polynominal"
TEXTS = [
    Case(TEXT, "example 5", {"a": i64(5, None)}, {}, {"a": text("5", None)}),
    Case(TEXT, "example 2 and a quarter", {"a": f64(2.0, 0.25)}, {}, {"a": text("2", "0.25")}),
    Case(
        TEXT,
        "shortest text that reads back the same",
        {"a": f64(1.23456, 0.1 + 0.2, 1 / 3, -1.5, 100.0, 123456.789)},
        {},
        {
            "a": text(
                "1.23456", "0.30000000000000004", "0.3333333333333333", "-1.5", "100", "123456.789"
            )
        },
    ),
    Case(TEXT, "NaN, null", {"a": f64(NAN, None, 1.0)}, {}, {"a": text(None, None, "1")}),
    Case(TEXT, "minus zero", {"a": f64(-0.0, 0.0)}, {}, {"a": text("0", "0")}),
    Case(TEXT, "infinity", {"a": f64(INF, -INF)}, {}, {"a": text("∞", "-∞")}),
    Case(
        TEXT,
        "huge reals in plain digits",
        {"a": f64(1e7, 1e15, 1e16, 1.2345678901234568e17, -1e21, 1e23, 1.5e300)},
        {},
        {
            "a": text(
                "10000000",
                "1000000000000000",
                "10000000000000000",
                "123456789012345680",
                "-1000000000000000000000",
                "1" + "0" * 23,
                "15" + "0" * 299,
            )
        },
    ),
    Case(
        TEXT,
        "tiny reals in plain digits",
        {"a": f64(0.001, 0.0001, 1e-5, 1.5e-7, -2.5e-10, 5e-324)},
        {},
        {
            "a": text(
                "0.001", "0.0001", "0.00001", "0.00000015", "-0.00000000025", "0." + "0" * 323 + "5"
            )
        },
    ),
    Case(
        TEXT,
        "shortest where older Java prints more digits",
        {"a": f64(2.0**-44, 2e-3, 2e23, 8.41e21)},
        {},
        {"a": text("0.00000000000005684341886080802", "0.002", "2" + "0" * 23, "841" + "0" * 19)},
    ),
    Case(
        TEXT,
        "ends of int64",
        {"a": i64(-(2**63), 2**63 - 1, HUGE, None)},
        {},
        {"a": text("-9223372036854775808", "9223372036854775807", "9007199254740993", None)},
    ),
    Case(
        TEXT,
        "decimals without needless zeros",
        {"a": dec("18,2", "1.50", "2.00", "-0.05", "100.00", "0.00", None)},
        {},
        {"a": text("1.5", "2", "-0.05", "100", "0", None)},
    ),
    Case(
        TEXT,
        "decimals of whole numbers keep their zeros",
        {"a": dec("18,0", "100", "-7000", "0")},
        {},
        {"a": text("100", "-7000", "0")},
    ),
    Case(
        TEXT,
        "38 digits",
        {"a": dec("38,2", DIGITS38[:36] + ".78", "-" + DIGITS38[:36] + ".70")},
        {},
        {"a": text(DIGITS38[:36] + ".78", "-" + DIGITS38[:36] + ".7")},
    ),
    Case(
        TEXT,
        "all numeric columns",
        {"a": i64(1), "t": text("x"), "b": boolean(True), "실수": f64(1.5)},
        {},
        {"a": text("1"), "t": text("x"), "b": boolean(True), "실수": text("1.5")},
    ),
    Case(TEXT, "empty", {"a": f64(), "b": i64()}, {}, {"a": text(), "b": text()}),
    Case(TEXT, "text column", {"a": text("1")}, {"columns": "a"}, refused("'a' is text")),
    Case(TEXT, "no column", {"a": i64(1)}, {"columns": "b"}, refused("'b'")),
]

REAL = "integer_to_real"
REALS = [
    Case(REAL, "example 7", {"a": i64(7, None)}, {}, {"a": f64(7.0, None)}),
    Case(REAL, "example -1", {"a": i64(-1)}, {}, {"a": f64(-1.0)}),
    Case(REAL, "beyond 2^53", {"a": i64(HUGE)}, {}, {"a": f64(9007199254740992.0)}),
    Case(
        REAL,
        "reals and decimals stay",
        {"a": i64(1), "b": f64(0.5), "c": dec("4,2", "1.25"), "t": text("1")},
        {},
        {"a": f64(1.0), "b": f64(0.5), "c": dec("4,2", "1.25"), "t": text("1")},
    ),
    Case(
        REAL, "a real named outright", {"b": f64(0.5, NAN)}, {"columns": "b"}, {"b": f64(0.5, None)}
    ),
    Case(REAL, "empty", {"a": i64()}, {}, {"a": f64()}),
    Case(REAL, "only missing", {"a": i64(None)}, {}, {"a": f64(None)}),
    Case(REAL, "text column", {"a": text("1")}, {"columns": "a"}, refused("'a' is text")),
    Case(REAL, "truth value", {"a": boolean(True)}, {"columns": "a"}, refused("'a' is binominal")),
    Case(REAL, "no column", {"a": i64(1)}, {"columns": "b"}, refused("'b'")),
]

WHOLE = "real_to_integer"
ROUNDED = {"round_values": True}
WHOLES = [
    Case(WHOLE, "example cut", {"a": f64(1.7, -1.7)}, {}, {"a": i64(1, -1)}),
    Case(WHOLE, "example round", {"a": f64(1.5, -1.5)}, ROUNDED, {"a": i64(2, -1)}),
    Case(
        WHOLE,
        "halves up, as Math.round",
        {"a": f64(2.5, -2.5, -0.5, 0.5, 3.5, -3.5, 1.4, -1.6, -2.5000000000000004)},
        ROUNDED,
        {"a": i64(3, -2, 0, 1, 4, -3, 1, -2, -3)},
    ),
    Case(
        WHOLE,
        "where adding a half rounds by itself",
        {"a": f64(0.49999999999999994, 2.0**52 + 1, -(2.0**52) - 1, 2.0**53 - 1, 2.0**51 + 0.5)},
        ROUNDED,
        {"a": i64(0, 2**52 + 1, -(2**52) - 1, 2**53 - 1, 2**51 + 1)},
    ),
    Case(
        WHOLE,
        "cut next to a whole number",
        {"a": f64(1.9999999999999998, -0.9, 3.99, 0.0, -0.0)},
        {},
        {"a": i64(1, 0, 3, 0, 0)},
    ),
    Case(WHOLE, "missing", {"a": f64(NAN, None, 1.0)}, {}, {"a": i64(None, None, 1)}),
    Case(WHOLE, "missing, rounded", {"a": f64(NAN, None, 1.5)}, ROUNDED, {"a": i64(None, None, 2)}),
    Case(
        WHOLE,
        "ends of int64",
        {"a": f64(-(2.0**63), 2.0**63 - 1024)},
        {},
        {"a": i64(-(2**63), 2**63 - 1024)},
    ),
    Case(
        WHOLE, "2^63", {"a": f64(1.0, 2.0**63)}, {}, refused("'a'", "int64", "9223372036854775808")
    ),
    Case(WHOLE, "below -2^63", {"a": f64(-1e19)}, ROUNDED, refused("'a'", "int64", "-1")),
    Case(WHOLE, "infinity", {"a": f64(1.0, INF, None)}, {}, refused("'a'", "int64", "inf")),
    Case(WHOLE, "minus infinity", {"a": f64(-INF)}, ROUNDED, refused("'a'", "int64", "-inf")),
    Case(
        WHOLE,
        "decimals cut",
        {"a": dec("18,2", "-1.99", "9999999999999999.99", "3.99", None)},
        {},
        {"a": i64(-1, 9999999999999999, 3, None)},
    ),
    Case(
        WHOLE,
        "decimals rounded",
        {"a": dec("18,2", "2.50", "-2.50", "-2.51", "-0.50", "0.49", "9999999999999999.50", None)},
        ROUNDED,
        {"a": i64(3, -2, -3, 0, 0, 10**16, None)},
    ),
    Case(
        WHOLE,
        "decimals of 38 digits",
        {"a": dec("38,2", "9223372036854775807.99", "-9223372036854775808.99")},
        {},
        {"a": i64(2**63 - 1, -(2**63))},
    ),
    Case(
        WHOLE,
        "decimals of 38 digits, rounded",
        {"a": dec("38,10", "9223372036854775807.4999999999", "-9223372036854775808.5000000000")},
        ROUNDED,
        {"a": i64(2**63 - 1, -(2**63))},
    ),
    Case(
        WHOLE,
        "decimal rounded to 2^63",
        {"a": dec("38,2", "9223372036854775807.50")},
        ROUNDED,
        refused("'a'", "int64", "9223372036854775807.5"),
    ),
    Case(
        WHOLE,
        "decimal beyond int64",
        {"a": dec("38,0", DIGITS38)},
        {},
        refused("'a'", "int64", DIGITS38),
    ),
    Case(
        WHOLE,
        "whole numbers and other columns stay",
        {"a": i64(HUGE, None), "b": f64(1.5, 2.5), "t": text("x", None)},
        {},
        {"a": i64(HUGE, None), "b": i64(1, 2), "t": text("x", None)},
    ),
    Case(WHOLE, "an integer named outright", {"a": i64(HUGE)}, {"columns": "a"}, {"a": i64(HUGE)}),
    Case(WHOLE, "empty", {"a": f64(), "b": dec("18,2")}, {}, {"a": i64(), "b": i64()}),
    Case(WHOLE, "text column", {"a": text("1")}, {"columns": "a"}, refused("'a' is text")),
    Case(
        WHOLE,
        "no column",
        {"주문금액": f64(1.0)},
        {"columns": "주문금엑"},
        refused("did you mean '주문금액'"),
    ),
]

CASES = [*MAPPED, *RANGES, *TEXTS, *REALS, *WHOLES]
