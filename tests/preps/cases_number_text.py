"""Cases of numbers read from text and written as it, from preps' specification.

Here: functions 28 and 29. Not here: numbers as nominal values (`cases_numbers.py`). What is
formatted is as Java's `DecimalFormat` does it.
"""

from __future__ import annotations

from tests.preps.table import Case, boolean, category, dec, f64, i64, refused, text

NAN, INF = float("nan"), float("inf")
DIGITS38 = "12345678901234567890123456789012345678"
GROUPED = {"grouped_digits": True}
MISSING = {"unparsable_value_handling": "replace with missing values"}
SKIP = {"unparsable_value_handling": "skip attribute"}
PARSE = "parse_number"

#: What no number is in the strict reading: each makes a case, and all are nulls in one.
UNPARSABLE = (
    "+7", " 7", "7 ", "", "(7)", "\u22127", "1,234", "7원", "-", ".", "-.", "--7", "1.2.3", "E5",
    "1E", "1E+", "1E5.5", "NaN", "nan", "inf", "-inf", "Infinity", "∞", "0x1F", "1_000", "1e", "1d",
    "1f", "12a", "\u30007", "7\n", "1e400", "-1e400", "가",
)  # fmt: skip

PARSED = [
    Case(
        PARSE,
        "example grouped",
        {"a": text("2,500")},
        {"columns": "a", **GROUPED},
        {"a": f64(2500.0)},
    ),
    Case(
        PARSE,
        "example decimal character",
        {"a": text("3,14")},
        {"columns": "a", "decimal_character": ","},
        {"a": f64(3.14)},
    ),
    Case(
        PARSE,
        "example skip attribute",
        {"a": text("1", "x"), "b": text("1", "2")},
        SKIP,
        {"a": text("1", "x"), "b": f64(1.0, 2.0)},
    ),
    Case(
        PARSE,
        "as they are",
        {"a": text("-7", "7", "0", "007", "-0", ".5", "5.", "-.5", "1.50", None)},
        {},
        {"a": f64(-7.0, 7.0, 0.0, 7.0, 0.0, 0.5, 5.0, -0.5, 1.5, None)},
    ),
    Case(
        PARSE,
        "exponents",
        {"a": text("1E5", "1e5", "1E+5", "1E-5", "-2.5e3", ".5E1", "5.e1", "1e-400", "4.9E-324")},
        {},
        {"a": f64(1e5, 1e5, 1e5, 1e-5, -2500.0, 5.0, 50.0, 0.0, 5e-324)},
    ),
    Case(
        PARSE,
        "many digits, read to the nearest real",
        {
            "a": text(
                "9007199254740993",
                "0.1",
                "2.2250738585072011e-308",
                "123456789012345678901234567890",
                "0.30000000000000004",
                "1" + "0" * 308,
                "17976931348623157" + "0" * 292,
            )
        },
        {},
        {
            "a": f64(
                9007199254740992.0,
                0.1,
                2.225073858507201e-308,
                1.2345678901234568e29,
                0.1 + 0.2,
                1e308,
                1.7976931348623157e308,
            )
        },
    ),
    Case(
        PARSE,
        "full-width digits",
        {"a": text("１２３", "-１.５", "1２")},
        {},
        {"a": f64(123.0, -1.5, 12.0)},
    ),
    Case(
        PARSE,
        "groups anywhere before the decimal sign",
        {"a": text("1,23,4", "1234", "-1,234.5", "1,,2", ",5", "1,000E2", None)},
        GROUPED,
        {"a": f64(1234.0, 1234.0, -1234.5, 12.0, 5.0, 1e5, None)},
    ),
    Case(
        PARSE,
        "groups where none may be",
        {"a": text("1,", "1.2,3", "1E5,0", ",", "1,234.5,")},
        {**GROUPED, **MISSING},
        {"a": f64(None, None, None, None, None)},
    ),
    Case(
        PARSE,
        "strict groups",
        {
            "a": text(
                "1,234", "12,345,678.9", "1234", "1,23,4", "1234,567", ",123", "0,123", "1,,234"
            )
        },
        {**GROUPED, **MISSING, "strict_groups": True},
        {"a": f64(1234.0, 12345678.9, 1234.0, None, None, None, 123.0, None)},
    ),
    Case(
        PARSE,
        "other characters",
        {"a": text("1.234.567,89", "-0,5", "1 234", None)},
        {**GROUPED, **MISSING, "decimal_character": ",", "grouping_character": "."},
        {"a": f64(1234567.89, -0.5, None, None)},
    ),
    Case(
        PARSE,
        "blank as the grouping character",
        {"a": text("1 234,5")},
        {**GROUPED, "decimal_character": ",", "grouping_character": " "},
        {"a": f64(1234.5)},
    ),
    Case(
        PARSE,
        "the point is no decimal character then",
        {"a": text("3.14")},
        {"decimal_character": ","},
        refused("'a'", "'3.14'"),
    ),
    Case(
        PARSE,
        "infinity",
        {"a": text("∞", "-∞", "1", None)},
        {"infinity_representation": "∞"},
        {"a": f64(INF, -INF, 1.0, None)},
    ),
    Case(
        PARSE,
        "infinity in letters",
        {"a": text("Infinity", "-Infinity", "inf")},
        {"infinity_representation": "Infinity", **MISSING},
        {"a": f64(INF, -INF, None)},
    ),
    Case(
        PARSE,
        "blanks stripped",
        {"a": text(" 7", "7 ", "\u30007\u00a0", "\t-7\r\n", " ", "7 7")},
        {"strip": True, **MISSING},
        {"a": f64(7.0, 7.0, 7.0, -7.0, None, None)},
    ),
    Case(
        PARSE,
        "the minus of typesetters",
        {"a": text("\u22127", "-7", "1E\u22125", "7\u2212")},
        {"unicode_minus": True, **MISSING},
        {"a": f64(-7.0, -7.0, 1e-5, None)},
    ),
    Case(
        PARSE,
        "unparsable are missing",
        {"a": text("1", *UNPARSABLE, "2")},
        MISSING,
        {"a": f64(1.0, *[None for _ in UNPARSABLE], 2.0)},
    ),
    *[
        Case(
            PARSE, f"unparsable {bad!r}", {"a": text("1", bad, None)}, {}, refused("'a'", repr(bad))
        )
        for bad in UNPARSABLE
    ],
    Case(
        PARSE,
        "what to do is told",
        {"금액": text("1", "만원")},
        {"columns": "금액"},
        refused("parse_number", "'금액'", "replace with missing values", "'만원'"),
    ),
    Case(
        PARSE,
        "other columns and places stay",
        {"n": i64(1), "a": text("1"), "t": text("x"), "b": boolean(True)},
        {"columns": ["a"]},
        {"n": i64(1), "a": f64(1.0), "t": text("x"), "b": boolean(True)},
    ),
    Case(PARSE, "category", {"a": category("1.5", None, "1.5")}, {}, {"a": f64(1.5, None, 1.5)}),
    Case(PARSE, "empty", {"a": text()}, {}, {"a": f64()}),
    Case(PARSE, "empty, skip", {"a": text()}, SKIP, {"a": f64()}),
    Case(PARSE, "only missing", {"a": text(None, None)}, {}, {"a": f64(None, None)}),
    Case(
        PARSE,
        "number column",
        {"a": i64(1)},
        {"columns": "a"},
        refused("'a' is integer", "nominal"),
    ),
    Case(
        PARSE,
        "no column",
        {"주문금액": text("1")},
        {"columns": "주문금엑"},
        refused("did you mean '주문금액'"),
    ),
    Case(
        PARSE,
        "unknown handling",
        {"a": text("1")},
        {"unparsable_value_handling": "skip atribute"},
        refused("'skip atribute'", "did you mean 'skip attribute'"),
    ),
    Case(
        PARSE,
        "decimal character of two",
        {"a": text("1")},
        {"decimal_character": ".."},
        refused("decimal_character", "'..'", "one character"),
    ),
    Case(
        PARSE,
        "a digit as the decimal character",
        {"a": text("1")},
        {"decimal_character": "5"},
        refused("decimal_character", "'5'"),
    ),
    Case(
        PARSE,
        "both characters the same",
        {"a": text("1")},
        {"decimal_character": ",", **GROUPED},
        refused("decimal_character", "grouping_character", "','"),
    ),
]

FORMAT = "format_numbers"


def _pattern(pattern: str, **more: object) -> dict[str, object]:
    return {"format_type": "pattern", "pattern": pattern, **more}


FORMATTED = [
    Case(FORMAT, "example pattern", {"a": f64(7.25)}, _pattern("000.0"), {"a": text("007.2")}),
    Case(
        FORMAT, "example percent", {"a": f64(0.5)}, {"format_type": "percent"}, {"a": text("50%")}
    ),
    Case(
        FORMAT,
        "example halves to even",
        {"a": f64(2.5, 3.5, -2.5, 0.5, 1.5)},
        {"format_type": "integer"},
        {"a": text("2", "4", "-2", "0", "2")},
    ),
    Case(
        FORMAT,
        "example halves to even in a pattern",
        {"a": f64(0.125, 0.375, 1.005, 2.675, -0.125, 1.115)},
        _pattern("0.00"),
        # 1.005, 2.675 and 1.115 as reals lie below the half.
        {"a": text("0.12", "0.38", "1.00", "2.67", "-0.12", "1.11")},
    ),
    Case(
        FORMAT,
        "number",
        {"a": f64(1234.5678, 2.5, 0.1, 1e6, -1234.5, 0.0625, 0.0005, 100.0, None, NAN)},
        {},
        {
            "a": text(
                "1234.568", "2.5", "0.1", "1000000", "-1234.5", "0.062", "0.001", "100", None, None
            )
        },
    ),
    Case(
        FORMAT,
        "number, grouped",
        {"a": f64(1234.5678, -1234567.0, 999.0, 1000.0)},
        {"use_grouping": True},
        {"a": text("1,234.568", "-1,234,567", "999", "1,000")},
    ),
    Case(
        FORMAT,
        "what is rounded to zero keeps its sign",
        {"a": f64(-0.0004, -0.0, 0.0)},
        {},
        {"a": text("-0", "-0", "0")},
    ),
    Case(
        FORMAT,
        "huge and tiny reals",
        {"a": f64(1e21, 2.0**70, 1e-7, 123456789012345680.0, 1.5e300)},
        {},
        {
            "a": text(
                "1" + "0" * 21,
                "1180591620717411300000",
                "0",
                "123456789012345680",
                "15" + "0" * 299,
            )
        },
    ),
    Case(
        FORMAT,
        "more places than digits",
        {"a": f64(0.1, 1 / 3)},
        _pattern("0.00000000000000000000"),
        {"a": text("0.10000000000000000000", "0.33333333333333330000")},
    ),
    Case(FORMAT, "infinity", {"a": f64(INF, -INF)}, {}, {"a": text("∞", "-∞")}),
    Case(
        FORMAT,
        "infinity in a pattern",
        {"a": f64(INF, -INF)},
        _pattern("약 000.0%"),
        {"a": text("약 ∞%", "-약 ∞%")},
    ),
    Case(
        FORMAT,
        "whole numbers",
        {"a": i64(-(2**63), 2**63 - 1, 2**53 + 1, 0, None)},
        {"use_grouping": True},
        {
            "a": text(
                "-9,223,372,036,854,775,808",
                "9,223,372,036,854,775,807",
                "9,007,199,254,740,993",
                "0",
                None,
            )
        },
    ),
    Case(
        FORMAT,
        "integer",
        {"a": f64(1234567.0, -0.5, 0.49999999999999994, 1e18)},
        {"format_type": "integer", "use_grouping": True},
        {"a": text("1,234,567", "-0", "0", "1,000,000,000,000,000,000")},
    ),
    Case(
        FORMAT,
        "dollars",
        {"a": f64(1234.5, -1234.5, 0.125, None)},
        {"format_type": "currency", "use_grouping": True},
        {"a": text("$1,234.50", "-$1,234.50", "$0.12", None)},
    ),
    Case(
        FORMAT,
        "dollars without groups",
        {"a": i64(1234)},
        {"format_type": "currency"},
        {"a": text("$1234.00")},
    ),
    Case(
        FORMAT,
        "won",
        {"a": f64(1234.56, 1234.5, -1000.0)},
        {"format_type": "currency", "locale": "ko_KR", "use_grouping": True},
        {"a": text("₩1,235", "₩1,234", "-₩1,000")},
    ),
    Case(
        FORMAT,
        "percent",
        {"a": f64(0.125, 12.345, -0.07, 0.005, None)},
        {"format_type": "percent", "use_grouping": True},
        {"a": text("12%", "1,234%", "-7%", "0%", None)},
    ),
    Case(
        FORMAT,
        "percent of whole numbers",
        {"a": i64(1, -(2**63))},
        {"format_type": "percent"},
        {"a": text("100%", "-922337203685477580800%")},
    ),
    Case(
        FORMAT,
        "a pattern decides about groups",
        {"a": i64(1234567, -1234567, 12)},
        _pattern("#,##0", use_grouping=False),
        {"a": text("1,234,567", "-1,234,567", "12")},
    ),
    Case(
        FORMAT,
        "a pattern without groups",
        {"a": i64(1234567)},
        _pattern("0", use_grouping=True),
        {"a": text("1234567")},
    ),
    Case(
        FORMAT,
        "groups of four",
        {"a": i64(1234567890, 1234)},
        _pattern("#,####"),
        {"a": text("12,3456,7890", "1234")},
    ),
    Case(
        FORMAT,
        "groups of padding",
        {"a": i64(7)},
        _pattern("000,000"),
        {"a": text("000,007")},
    ),
    Case(
        FORMAT,
        "negative pattern",
        {"a": f64(1234.5, -1234.5, -0.001)},
        _pattern("#,##0.00;(#,##0.00)"),
        {"a": text("1,234.50", "(1,234.50)", "(0.00)")},
    ),
    Case(
        FORMAT,
        "prefix and suffix",
        {"a": f64(5.0, -5.0)},
        _pattern("약 0원"),
        {"a": text("약 5원", "-약 5원")},
    ),
    Case(
        FORMAT,
        "quoted characters",
        {"a": i64(5)},
        _pattern("'#'0''s '%'"),
        {"a": text("#5's %")},
    ),
    Case(
        FORMAT,
        "percent in a pattern",
        {"a": f64(0.1234, -0.5)},
        _pattern("0.0%"),
        {"a": text("12.3%", "-50.0%")},
    ),
    Case(FORMAT, "per mille", {"a": f64(0.1234)}, _pattern("0.0‰"), {"a": text("123.4‰")}),
    Case(
        FORMAT,
        "currency sign in a pattern",
        {"a": i64(1234)},
        _pattern("¤#,##0", locale="ko_KR"),
        {"a": text("₩1,234")},
    ),
    Case(FORMAT, "#.##", {"a": f64(0.5, 2.0, 0.0)}, _pattern("#.##"), {"a": text("0.5", "2", "0")}),
    Case(
        FORMAT,
        "#.00",
        {"a": f64(0.5, 12.0, 0.0)},
        _pattern("#.00"),
        {"a": text(".50", "12.00", ".00")},
    ),
    Case(FORMAT, "#", {"a": f64(0.0, 12.0, 0.4)}, _pattern("#"), {"a": text("0", "12", "0")}),
    Case(FORMAT, "0.#", {"a": f64(2.0, 2.25, 2.96)}, _pattern("0.#"), {"a": text("2", "2.2", "3")}),
    Case(FORMAT, "0.", {"a": f64(2.0)}, _pattern("0."), {"a": text("2.")}),
    Case(
        FORMAT,
        "0.0##",
        {"a": f64(2.0, 2.25, 2.12345)},
        _pattern("0.0##"),
        {"a": text("2.0", "2.25", "2.123")},
    ),
    Case(
        FORMAT,
        "decimals are exact",
        {"a": dec("18,3", "1.005", "1.015", "-1.025", "1.026", "2.000", None)},
        _pattern("0.00"),
        {"a": text("1.00", "1.02", "-1.02", "1.03", "2.00", None)},
    ),
    Case(
        FORMAT,
        "decimals with optional digits",
        {"a": dec("18,2", "1.50", "2.00", "-0.05", "1234567.89")},
        {"use_grouping": True},
        {"a": text("1.5", "2", "-0.05", "1,234,567.89")},
    ),
    Case(
        FORMAT,
        "decimals as percent",
        {"a": dec("18,3", "0.285", "0.005", "-0.015", "12.000")},
        {"format_type": "percent"},
        {"a": text("28%", "0%", "-2%", "1200%")},
    ),
    Case(
        FORMAT,
        "decimal rounded to zero keeps its sign",
        {"a": dec("18,4", "-0.0004", "0.0000")},
        {},
        {"a": text("-0", "0")},
    ),
    Case(
        FORMAT,
        "38 digits",
        {"a": dec("38,2", DIGITS38[:36] + ".78", "-" + "9" * 36 + ".99")},
        _pattern("0.0"),
        {"a": text(DIGITS38[:36] + ".8", "-1" + "0" * 36 + ".0")},
    ),
    Case(
        FORMAT,
        "38 digits as percent",
        {"a": dec("38,2", DIGITS38[:36] + ".78")},
        {"format_type": "percent"},
        {"a": text(DIGITS38[:36] + "78%")},
    ),
    Case(
        FORMAT,
        "all numeric columns",
        {"a": i64(1), "t": text("x"), "b": boolean(True), "실수": f64(1.5)},
        {},
        {"a": text("1"), "t": text("x"), "b": boolean(True), "실수": text("1.5")},
    ),
    Case(FORMAT, "empty", {"a": f64(), "b": i64()}, {}, {"a": text(), "b": text()}),
    Case(FORMAT, "only missing", {"a": i64(None)}, {}, {"a": text(None)}),
    Case(
        FORMAT, "text column", {"a": text("1")}, {"columns": "a"}, refused("'a' is text", "numeric")
    ),
    Case(FORMAT, "no column", {"a": i64(1)}, {"columns": "b"}, refused("'b'")),
    Case(
        FORMAT,
        "unknown type",
        {"a": i64(1)},
        {"format_type": "curency"},
        refused("'curency'", "did you mean 'currency'"),
    ),
    Case(FORMAT, "unknown locale", {"a": i64(1)}, {"locale": "de_DE"}, refused("'de_DE'", "ko_KR")),
    Case(
        FORMAT,
        "no pattern",
        {"a": i64(1)},
        {"format_type": "pattern"},
        refused("pattern", "'#,##0.00'"),
    ),
    Case(
        FORMAT,
        "pattern of another type",
        {"a": i64(1)},
        {"pattern": "0.0"},
        refused("pattern", "format_type='pattern'"),
    ),
    *[
        Case(
            FORMAT,
            f"refused pattern {bad!r}",
            {"a": i64(1)},
            _pattern(bad),
            refused(repr(bad), told),
        )
        for bad, told in [
            ("0.0.0", "one decimal sign"),
            ("0.###E0", "E"),
            ("0#", "'#'"),
            ("0.#0", "'0'"),
            ("00'", "quote"),
            ("#,##0,", "group"),
            ("0%%", "%"),
            ("원", "digit"),
            ("0;0;0", "';'"),
            ("0.0,0", "','"),
        ]
    ],
]

CASES = [*PARSED, *FORMATTED]
