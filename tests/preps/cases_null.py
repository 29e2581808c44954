"""Cases of `null`, Replace Missing Values, from preps' specification."""

from __future__ import annotations

from datetime import date

from tests.preps.table import (
    Case,
    Column,
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

#: The columns that `minimum` fits, and those it leaves as they are.
MIXED = {
    "n": i64(2, None, 4),
    "r": f64(0.5, NAN, None),
    "d": dec("18,2", "1.00", None, "2.01"),
    "t": text("가", None, "나"),
    "day": day("2024-02-29", None, "2025-12-31"),
}


def one(name: str, given: object, params: dict[str, object], expect: object) -> Case:
    """A case on one column."""
    return Case("null", name, {"a": given}, params, {"a": expect})  # type: ignore[dict-item]


def method(name: str) -> dict[str, object]:
    return {"method": name}


CASES = [
    one("example", i64(2, None, 4), {}, i64(2, 3, 4)),
    one("average, rounded half up", i64(1, None, 2), {}, i64(1, 2, 2)),
    one("average, negative, rounded half up", i64(-1, None, -2), {}, i64(-1, -1, -2)),
    one("average, rounded down", i64(1, 1, None, 2), {}, i64(1, 1, 1, 2)),
    one(
        "average of huge integers is exact",
        i64(9007199254740993, None, 9007199254740993),
        {},
        i64(9007199254740993, 9007199254740993, 9007199254740993),
    ),
    one(
        "average of integers whose sum is beyond 64 bits",
        i64(9223372036854775807, None, 9223372036854775805),
        {},
        i64(9223372036854775807, 9223372036854775806, 9223372036854775805),
    ),
    one(
        "average of narrow integers whose sum is beyond them",
        Column("int32", (2147483647, None, 2147483645)),
        {},
        Column("int32", (2147483647, 2147483646, 2147483645)),
    ),
    one("average of reals, NaN being missing", f64(1.0, NAN, None, 2.0), {}, f64(1, 1.5, 1.5, 2)),
    one(
        "average of decimals, rounded half up to their digits",
        dec("18,2", "1.00", None, "2.01"),
        {},
        dec("18,2", "1.00", "1.51", "2.01"),
    ),
    one(
        "average of 38 digits",
        dec("38,0", "12345678901234567890123456789012345678", None),
        {},
        dec(
            "38,0",
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        ),
    ),
    one(
        "average of text is the mode",
        text("가", "나", None, "나"),
        {},
        text("가", "나", "나", "나"),
    ),
    one(
        "average of a category is the mode",
        category("가", "나", None, "나"),
        {},
        category("가", "나", "나", "나"),
    ),
    one(
        "average of true and false is the mode",
        boolean(True, False, True, None),
        {},
        boolean(True, False, True, True),
    ),
    one("a tie of modes goes to the smaller", text("나", "가", None), {}, text("나", "가", "가")),
    one("all missing stays so", i64(None, None), {}, i64(None, None)),
    one("all missing reals stay so", f64(None, NAN), {}, f64(None, None)),
    one("nothing missing", i64(1, 2), {}, i64(1, 2)),
    one("empty", i64(), {}, i64()),
    one("empty text", text(), {}, text()),
    one("one row", f64(NAN), {}, f64(None)),
    one("infinity counts", f64(float("inf"), None), {}, f64(float("inf"), float("inf"))),
    one("minimum", i64(2, None, -4), method("minimum"), i64(2, -4, -4)),
    one("minimum of reals", f64(2.5, NAN, None), method("minimum"), f64(2.5, 2.5, 2.5)),
    one("maximum of reals", f64(2.5, NAN, 7.0), method("maximum"), f64(2.5, 7.0, 7.0)),
    one(
        "maximum of decimals",
        dec("18,2", "2.50", None, "-1.00"),
        method("maximum"),
        dec("18,2", "2.50", "2.50", "-1.00"),
    ),
    one(
        "minimum of dates",
        day("2024-12-31", None, "2024-02-29"),
        method("minimum"),
        day("2024-12-31", "2024-02-29", "2024-02-29"),
    ),
    one(
        "maximum of times",
        stamp("2025-07-01T09:30:00", None),
        method("maximum"),
        stamp("2025-07-01T09:30:00", "2025-07-01T09:30:00"),
    ),
    one(
        "maximum of instants",
        instant("2025-07-01T00:30:00+00:00", None),
        method("maximum"),
        instant("2025-07-01T00:30:00+00:00", "2025-07-01T00:30:00+00:00"),
    ),
    one("zero", i64(2, None), method("zero"), i64(2, 0)),
    one("zero in reals", f64(2.5, NAN, None), method("zero"), f64(2.5, 0, 0)),
    one("zero in decimals", dec("18,2", "2.50", None), method("zero"), dec("18,2", "2.50", "0")),
    one("median", i64(1, None, 9, 2), method("median"), i64(1, 2, 9, 2)),
    one("median between two, rounded half up", i64(1, None, 2), method("median"), i64(1, 2, 2)),
    one("median of reals", f64(1.0, NAN, 2.0, None), method("median"), f64(1, 1.5, 2, 1.5)),
    one("mode of numbers", i64(5, 5, 1, None), method("mode"), i64(5, 5, 1, 5)),
    one("mode of reals", f64(5, 5, NAN, NAN, None), method("mode"), f64(5, 5, 5, 5, 5)),
    one(
        "mode of dates",
        day("2024-12-31", None, "2024-12-31", "2024-02-29"),
        method("mode"),
        day("2024-12-31", "2024-12-31", "2024-12-31", "2024-02-29"),
    ),
    one("none", f64(1, None, NAN), method("none"), f64(1, None, None)),
    one("ffill", i64(None, 1, None, None, 2), method("ffill"), i64(None, 1, 1, 1, 2)),
    one("ffill of reals", f64(1, NAN, None, 2), method("ffill"), f64(1, 1, 1, 2)),
    one("ffill of text", text("가", None, "", None), method("ffill"), text("가", "가", "", "")),
    one("bfill", i64(None, 1, None, None, 2), method("bfill"), i64(1, 1, 2, 2, 2)),
    one("bfill to the end", f64(1, NAN, 2, None), method("bfill"), f64(1, 2, 2, None)),
    one("drop", i64(1, None, 2), method("drop"), i64(1, 2)),
    one("drop of reals", f64(1, NAN, None, 2), method("drop"), f64(1, 2)),
    Case(
        "null",
        "drop any",
        {"a": i64(1, None, None), "b": text("x", "y", None)},
        {"method": "drop"},
        {"a": i64(1), "b": text("x")},
    ),
    Case(
        "null",
        "drop all",
        {"a": i64(1, None, None), "b": text("x", "y", None)},
        {"method": "drop", "how": "all"},
        {"a": i64(1, None), "b": text("x", "y")},
    ),
    Case(
        "null",
        "drop looks at the columns chosen",
        {"a": i64(1, None, None), "b": text("x", "y", None)},
        {"method": "drop", "columns": "b"},
        {"a": i64(1, None), "b": text("x", "y")},
    ),
    one("value", i64(1, None), {"method": "value", "value": 9}, i64(1, 9)),
    one("value, a whole float", i64(1, None), {"method": "value", "value": 9.0}, i64(1, 9)),
    one("value in reals", f64(NAN, None), {"method": "value", "value": 1}, f64(1, 1)),
    one(
        "value in decimals",
        dec("18,2", "2.50", None),
        {"method": "value", "value": 1.5},
        dec("18,2", "2.50", "1.50"),
    ),
    one(
        "value in decimals by a float, which is its shortest text",
        dec("18,2", None, "2.50"),
        {"method": "value", "value": 0.1},
        dec("18,2", "0.10", "2.50"),
    ),
    one("value in text", text("", None), {"method": "value", "value": "없음"}, text("", "없음")),
    one(
        "value in a category, a new one",
        category("A", None),
        {"method": "value", "value": "없음"},
        category("A", "없음"),
    ),
    one(
        "value in flags",
        boolean(None, True),
        {"method": "value", "value": False},
        boolean(False, True),
    ),
    one(
        "value in dates",
        day(None, "2024-02-29"),
        {"method": "value", "value": "2000-01-01"},
        day("2000-01-01", "2024-02-29"),
    ),
    one(
        "value in dates, a date",
        day(None, "2024-02-29"),
        {"method": "value", "value": date(2000, 1, 1)},
        day("2000-01-01", "2024-02-29"),
    ),
    one(
        "learned values need no data",
        i64(None, 100),
        {"method": "average", "values": {"a": 3}},
        i64(3, 100),
    ),
    one(
        "learned values of a day are text",
        day(None, "2020-01-01"),
        {"method": "minimum", "values": {"a": "2024-02-29"}},
        day("2024-02-29", "2020-01-01"),
    ),
    Case(
        "null",
        "all columns, each its own",
        {"a": i64(1, None), "b": f64(0.5, NAN), "c": text("x", None)},
        {},
        {"a": i64(1, 1), "b": f64(0.5, 0.5), "c": text("x", "x")},
    ),
    Case(
        "null",
        "columns not chosen stay",
        {"a": i64(1, None), "b": i64(1, None)},
        {"columns": ["b"], "method": "zero"},
        {"a": i64(1, None), "b": i64(1, 0)},
    ),
    Case(
        "null",
        "minimum leaves text as it is",
        MIXED,
        {"method": "minimum"},
        {
            "n": i64(2, 2, 4),
            "r": f64(0.5, 0.5, 0.5),
            "d": dec("18,2", "1.00", "1.00", "2.01"),
            "t": text("가", None, "나"),
            "day": day("2024-02-29", "2024-02-29", "2025-12-31"),
        },
    ),
    Case(
        "null",
        "average leaves dates as they are",
        MIXED,
        {"columns": ["n", "day"]},
        {**MIXED, "n": i64(2, 3, 4)},
    ),
    Case(
        "null",
        "zero on dates",
        MIXED,
        {"method": "zero", "columns": "day"},
        refused("'day'", "zero"),
    ),
    Case(
        "null",
        "a fraction into integers",
        MIXED,
        {"method": "value", "value": 1.5, "columns": "n"},
        refused("'n'", "1.5"),
    ),
    Case(
        "null",
        "text into integers",
        MIXED,
        {"method": "value", "value": "x", "columns": "n"},
        refused("'n'", "'x'"),
    ),
    Case(
        "null",
        "a number into text",
        MIXED,
        {"method": "value", "value": 1, "columns": "t"},
        refused("'t'", "1"),
    ),
    Case(
        "null",
        "too fine for the decimals",
        MIXED,
        {"method": "value", "value": "1.005", "columns": "d"},
        refused("'d'", "1.005"),
    ),
    Case(
        "null",
        "beyond 64 bits",
        MIXED,
        {"method": "value", "value": 2**63, "columns": "n"},
        refused("'n'", str(2**63)),
    ),
    Case("null", "value without a value", MIXED, {"method": "value"}, refused("value")),
    Case(
        "null",
        "a value that is not used",
        MIXED,
        {"method": "zero", "value": 1},
        refused("method", "'value'"),
    ),
    Case("null", "no method", MIXED, {"method": "avg"}, refused("'avg'", "average")),
    Case("null", "no column", MIXED, {"columns": "x"}, refused("'x'")),
]
