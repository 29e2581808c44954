"""Cases of the functions on text values, from preps' specification."""

from __future__ import annotations

from typing import Any

from tests.preps.table import Case, boolean, category, day, f64, i64, instant, refused, stamp, text


def _trim(name: str, given: Any, expect: Any, **params: Any) -> Case:
    return Case("trim", name, {"a": given}, params, {"a": expect})


TRIM = [
    _trim("example", text(" a b ", "가 ", None), text("a b", "가", None)),
    _trim("blank", text("  ", ""), text(None, None)),
    _trim("full width", text("\u3000가\u00a0"), text("가")),
    _trim("empty", text(), text()),
    _trim("one null", text(None), text(None)),
    _trim("line ends", text("\r\n가\t나\r\n", "\n"), text("가\t나", None)),
    # Blanks that are not in the set stay: U+2003 is no blank to Java either, U+FEFF to nobody.
    _trim("other blanks stay", text("\u2003a\ufeff"), text("\u2003a\ufeff")),
    _trim("one character", text("xxaxx", "xx", "a x"), text("a", None, "a "), chars="x"),
    # `$` of Java's expressions stands before a last line end as well: the blank would go.
    _trim("blank before a line end", text("a \n", " a \n "), text("a \n", "a \n"), chars=" "),
    _trim("set of marks", text("^-]a[\\-", "a-z"), text("a", "a-z"), chars="[]^-\\"),
    _trim("a range is none", text("bab", "a-"), text("bab", None), chars="a-"),
    _trim("set of Korean", text("(주)가나(주)", "주식"), text("가나", "식"), chars="(주)"),
    _trim("outside the basic plane", text("😀a😀 ", "😀"), text("a😀 ", None), chars="😀"),
    _trim("category", category(" a", "a ", None), text("a", "a", None)),
    Case(
        "trim",
        "columns of texts alone",
        {"n": i64(1, None), "a": text(" x", "y "), "b": text(None, " ")},
        {},
        {"n": i64(1, None), "a": text("x", "y"), "b": text(None, None)},
    ),
    Case(
        "trim",
        "others stay",
        {"a": text(" x"), "b": text(" y")},
        {"columns": ["b"]},
        {"a": text(" x"), "b": text("y")},
    ),
    Case("trim", "no column", {"a": text("x")}, {"columns": "b"}, refused("'b'", "a")),
    Case("trim", "number", {"a": i64(1)}, {"columns": "a"}, refused("trim", "'a' is integer")),
    Case("trim", "no set", {"a": text("x")}, {"chars": ""}, refused("trim", "chars")),
]


def _cut(name: str, given: Any, first: int, last: int | None, expect: Any) -> Case:
    params = {"first_character_index": first}
    if last is not None:
        params["last_character_index"] = last
    return Case("substring", name, {"a": given}, params, {"a": expect})


SUBSTRING = [
    _cut("Korean", text("대한민국"), 3, 4, text("민국")),
    _cut("last past the end", text("ab"), 2, 9, text("b")),
    _cut("missing stays", text(None, "abc"), 1, 2, text(None, "ab")),
    _cut("one character", text("가나다", "나"), 1, 1, text("가", "나")),
    _cut("to the end", text("2025-07-01", "2025"), 6, None, text("07-01", None)),
    _cut("whole", text("가나", "a"), 1, None, text("가나", "a")),
    _cut("first past the end", text("ab", "abcd"), 4, 9, text(None, "d")),
    _cut("just past the end", text("ab"), 3, 3, text(None)),
    _cut("last before first", text("abc", None), 3, 2, text(None, None)),
    _cut("empty text", text(""), 1, 1, text(None)),
    _cut("blanks stay", text(" a "), 1, 1, text(" ")),
    _cut("outside the basic plane", text("😀가나"), 1, 2, text("😀가")),
    _cut("a large last", text("abc"), 2, 2**31 - 1, text("bc")),
    _cut("empty", text(), 1, 2, text()),
    _cut("category", category("서울시", "부산시"), 1, 2, text("서울", "부산")),
    Case(
        "substring",
        "others stay",
        {"n": i64(1), "a": text("abc"), "b": text("abc")},
        {"columns": "b", "first_character_index": 2, "last_character_index": 2},
        {"n": i64(1), "a": text("abc"), "b": text("b")},
    ),
    Case(
        "substring",
        "from zero",
        {"a": text("x")},
        {"first_character_index": 0},
        refused("first_character_index", "1"),
    ),
    Case(
        "substring",
        "last below one",
        {"a": text("x")},
        {"last_character_index": -1},
        refused("last_character_index", "1"),
    ),
    Case("substring", "number", {"a": f64(1.5)}, {"columns": "a"}, refused("'a' is real")),
    Case("substring", "no column", {"이름": text("x")}, {"columns": "이룸"}, refused("'이름'")),
]


def _split(name: str, given: Any, expect: Any, **params: Any) -> Case:
    return Case("split_columns", name, {"col": given}, {"columns": "col", **params}, expect)


_UNORDERED = {"split_mode": "unordered_split"}

SPLIT = [
    _split(
        "ordered",
        text("a;b", "c"),
        {"col_1": text("a", "c"), "col_2": text("b", None)},
        split_pattern=";",
    ),
    _split(
        "unordered",
        text("a;b", "c"),
        {
            "col_a": boolean(True, False),
            "col_b": boolean(True, False),
            "col_c": boolean(False, True),
        },
        split_pattern=";",
        **_UNORDERED,
    ),
    _split("comma", text("a,b", None), {"col_1": text("a", None), "col_2": text("b", None)}),
    # Java's split: inner and leading empty parts stay, trailing ones go, of "," nothing is left.
    _split(
        "empty parts",
        text("a,b,,", "a,,b", ",a", ",", ""),
        {
            "col_1": text("a", "a", "", None, ""),
            "col_2": text("b", "", "a", None, None),
            "col_3": text(None, "b", None, None, None),
        },
    ),
    _split(
        "empty parts unordered",
        text("a,,b", ",", "", "b,"),
        {
            "col_": boolean(True, False, True, False),
            "col_a": boolean(True, False, False, False),
            "col_b": boolean(True, False, False, True),
        },
        **_UNORDERED,
    ),
    _split(
        "a part within a part",
        text("가나,나", "가", "나"),
        {
            "col_가": boolean(False, True, False),
            "col_가나": boolean(True, False, False),
            "col_나": boolean(True, False, True),
        },
        **_UNORDERED,
    ),
    _split(
        "missing unordered",
        text("a,a", None),
        {"col_a": boolean(True, False)},
        **_UNORDERED,
    ),
    _split("nothing splits", text("a", "b", None), {"col": text("a", "b", None)}),
    _split("nothing splits but an end", text("a,", "b"), {"col": text("a,", "b")}),
    _split("empty", text(), {"col": text()}),
    _split("one row", text("가,나"), {"col_1": text("가"), "col_2": text("나")}),
    _split("all missing", text(None, None), {"col": text(None, None)}),
    _split(
        "blanks around",
        text("a ; b;c", "d"),
        {"col_1": text("a", "d"), "col_2": text("b", None), "col_3": text("c", None)},
        split_pattern=r"\s*;\s*",
    ),
    _split(
        "a class",
        text("a,b;c"),
        {"col_1": text("a"), "col_2": text("b"), "col_3": text("c")},
        split_pattern="[,;]",
    ),
    _split(
        "alternatives",
        text("a->b::c"),
        {"col_1": text("a"), "col_2": text("b"), "col_3": text("c")},
        split_pattern="->|::",
    ),
    _split(
        "a bar",
        text("a|b", "|"),
        {"col_1": text("a", None), "col_2": text("b", None)},
        split_pattern=r"\|",
    ),
    _split(
        "a full stop of its own",
        text("10.0.2.15"),
        {"col_1": text("10"), "col_2": text("0"), "col_3": text("2"), "col_4": text("15")},
        split_pattern=r"\.",
    ),
    # "." is every character: Java leaves no part of any text, so nothing splits.
    _split("a full stop alone", text("a.b"), {"col": text("a.b")}, split_pattern="."),
    _split(
        "Korean pattern",
        text("서울·부산·대구", "제주"),
        {
            "col_1": text("서울", "제주"),
            "col_2": text("부산", None),
            "col_3": text("대구", None),
        },
        split_pattern="·",
    ),
    # Java's \s, \d and \w know ASCII alone.
    _split(
        "ASCII blanks",
        text("a\u3000b c\td"),
        {"col_1": text("a\u3000b"), "col_2": text("c"), "col_3": text("d")},
        split_pattern=r"\s+",
    ),
    _split(
        "ASCII digits",
        text("a1b12c１d"),
        {"col_1": text("a"), "col_2": text("b"), "col_3": text("c１d")},
        split_pattern=r"\d+",
    ),
    _split(
        "no word",
        text("ab가나cd-e"),
        {"col_1": text("ab"), "col_2": text("cd"), "col_3": text("e")},
        split_pattern=r"\W+",
    ),
    _split(
        "blanks in a class",
        text("a, b"),
        {"col_1": text("a"), "col_2": text("b")},
        split_pattern=r"[\s,]+",
    ),
    _split(
        "line ends stay",
        text("a\n,b\n"),
        {"col_1": text("a\n"), "col_2": text("b\n")},
    ),
    _split(
        "category",
        category("a,b", "a,b", "c"),
        {"col_1": text("a", "a", "c"), "col_2": text("b", "b", None)},
    ),
    Case(
        "split_columns",
        "place kept",
        {"n": i64(1, 2), "a": text("x,y", "z"), "b": text("1", "2,3"), "m": i64(3, 4)},
        {"columns": ["b", "a"]},
        {
            "n": i64(1, 2),
            "a_1": text("x", "z"),
            "a_2": text("y", None),
            "b_1": text("1", "2"),
            "b_2": text(None, "3"),
            "m": i64(3, 4),
        },
    ),
    Case(
        "split_columns",
        "one of two splits",
        {"a": text("x,y"), "b": text("1")},
        {"columns": ["a", "b"]},
        {"a_1": text("x"), "a_2": text("y"), "b": text("1")},
    ),
    _split(
        "fewer than learned",
        text("a", None),
        {"col_1": text("a", None), "col_2": text(None, None), "col_3": text(None, None)},
        parts={"col": 3},
    ),
    _split(
        "more than learned",
        text("a,b,c", "d"),
        {"col_1": text("a", "d"), "col_2": text("b", None)},
        parts={"col": 2},
        unexpected_value_handling="all 0",
    ),
    _split(
        "learned of no data",
        text(),
        {"col_1": text(), "col_2": text()},
        parts={"col": 2},
    ),
    _split(
        "learned not to split",
        text("a,b"),
        {"col": text("a,b")},
        parts={"col": 1},
        unexpected_value_handling="all 0",
    ),
    _split(
        "values learned",
        text("a,x", "b", "x", None),
        {"col_a": boolean(True, False, False, False), "col_b": boolean(False, True, False, False)},
        parts={"col": ["a", "b"]},
        unexpected_value_handling="all 0",
        **_UNORDERED,
    ),
    _split(
        "values learned of no data",
        text(),
        {"col_a": boolean(), "col_b": boolean()},
        parts={"col": ["a", "b"]},
        **_UNORDERED,
    ),
    Case(
        "split_columns",
        "name taken",
        {"col": text("a,b"), "col_2": text("x")},
        {"columns": "col"},
        refused("split_columns", "'col_2'"),
    ),
    _split(
        "no expression", text("a"), refused("split_columns", "split_pattern"), split_pattern="("
    ),
    _split("nothing to split at", text("a"), refused("split_pattern", "empty"), split_pattern="|"),
    _split("empty pattern", text("a"), refused("split_pattern", "empty"), split_pattern=""),
    _split(
        "a look ahead",
        text("a,b"),
        refused("split_pattern", "(?="),
        split_pattern="(?=,),",
    ),
    _split(
        "a count unordered", text("a"), refused("parts", "list"), parts={"col": 2}, **_UNORDERED
    ),
    _split("a list ordered", text("a"), refused("parts", "number"), parts={"col": ["a"]}),
    _split("a column not learned", text("a"), refused("parts", "'col'"), parts={"other": 2}),
    _split("no such mode", text("a"), refused("ordered_split"), split_mode="ordered"),
    Case("split_columns", "number", {"a": i64(1)}, {"columns": "a"}, refused("'a' is integer")),
    Case("split_columns", "no column", {"a": text("x")}, {"columns": "b"}, refused("'b'")),
]

MERGE = [
    Case(
        "merge",
        "example",
        {"시": text("서울", "부산")},
        {"column": "시", "first_value": "서울", "second_value": "경기"},
        {"시": text("서울_경기", "부산")},
    ),
    Case(
        "merge",
        "both",
        {"n": i64(1, 2, 3, 4), "a": text("x", "y", None, "xy")},
        {"column": "a", "first_value": "y", "second_value": "x"},
        {"n": i64(1, 2, 3, 4), "a": text("y_x", "y_x", None, "xy")},
    ),
    Case(
        "merge",
        "neither",
        {"a": text("", "z", None)},
        {"column": "a", "first_value": "x", "second_value": "y"},
        {"a": text("", "z", None)},
    ),
    Case(
        "merge",
        "the empty text is a value",
        {"a": text("", "z", None)},
        {"column": "a", "first_value": "", "second_value": "z"},
        {"a": text("_z", "_z", None)},
    ),
    Case(
        "merge",
        "category",
        {"a": category("x", "y", None, "z")},
        {"column": "a", "first_value": "x", "second_value": "z"},
        {"a": category("x_z", "y", None, "x_z")},
    ),
    Case(
        "merge",
        "empty",
        {"a": text()},
        {"column": "a", "first_value": "x", "second_value": "y"},
        {"a": text()},
    ),
    Case(
        "merge",
        "number",
        {"a": i64(1)},
        {"column": "a", "first_value": "1", "second_value": "2"},
        refused("merge", "'a' is integer"),
    ),
    Case(
        "merge",
        "no column",
        {"가격": text("x")},
        {"column": "가겨", "first_value": "1", "second_value": "2"},
        refused("merge", "'가겨'", "'가격'"),
    ),
]

ADD = [
    Case(
        "add",
        "text has no list of values",
        {"a": text("x", None)},
        {"column": "a", "new_value": "y"},
        {"a": text("x", None)},
    ),
    Case(
        "add",
        "rows stay",
        {"n": i64(1, 2), "a": category("x", None)},
        {"column": "a", "new_value": "y"},
        {"n": i64(1, 2), "a": category("x", None)},
    ),
    Case(
        "add",
        "a value that is there",
        {"a": category("x", "z")},
        {"column": "a", "new_value": "x"},
        {"a": category("x", "z")},
    ),
    Case("add", "empty", {"a": category()}, {"column": "a", "new_value": "y"}, {"a": category()}),
    Case(
        "add",
        "number",
        {"a": f64(1.0)},
        {"column": "a", "new_value": "y"},
        refused("add", "'a' is real"),
    ),
    Case("add", "no column", {"a": text("x")}, {"column": "b", "new_value": "y"}, refused("'b'")),
]


def _joined(name: str, a: Any, b: Any, expect: Any, new: str = "a_b", **params: Any) -> Case:
    return Case(
        "merge_columns",
        name,
        {"a": a, "b": b},
        {"first": "a", "second": "b", **params},
        {"a": a, "b": b, new: expect},
    )


MERGE_COLUMNS = [
    _joined("example", text("x"), i64(2), text("x_2")),
    _joined("missing", text("x", None, None), text(None, "y", None), text(None, None, None)),
    _joined("NaN is missing", text("x", "y"), f64(float("nan"), 0.5), text(None, "y_0.5")),
    _joined("empty texts", text("", "x"), text("y", ""), text("_y", "x_")),
    _joined("separator", text("서울"), text("강남"), text("서울-강남"), "a-b", separator="-"),
    _joined("no separator", text("x"), text("y"), text("xy"), "ab", separator=""),
    _joined(
        "trimmed",
        text(" x ", "\u3000가", " "),
        text("y\t", "나", "z"),
        text("x_y", "가_나", "_z"),
        trim_values=True,
    ),
    _joined("not trimmed", text(" x "), text("y "), text(" x _y ")),
    _joined(
        "huge whole numbers",
        i64(9007199254740993, -1, None),
        i64(1, 2, 3),
        text("9007199254740993_1", "-1_2", None),
    ),
    _joined("reals", f64(2.0, 0.1, -1.5), text("a", "b", "c"), text("2_a", "0.1_b", "-1.5_c")),
    _joined("dates", day("2024-02-29", None), text("x", "y"), text("2024-02-29_x", None)),
    _joined(
        "truth", boolean(True, False, None), text("x", "y", "z"), text("true_x", "false_y", None)
    ),
    _joined(
        "wall times, with a fraction where there is one",
        stamp("2025-07-01T15:30:00", "2025-07-01T15:30:00.250000", "0001-01-01T00:00:00", None),
        text("x", "x", "x", "x"),
        text("2025-07-01 15:30:00_x", "2025-07-01 15:30:00.25_x", "0001-01-01 00:00:00_x", None),
    ),
    _joined(
        "instants are UTC's, with a Z",
        instant("2025-07-01T15:30:00+00:00", "2025-07-01T00:00:00.000010+09:00", None),
        text("x", "x", "x"),
        text("2025-07-01 15:30:00Z_x", "2025-06-30 15:00:00.00001Z_x", None),
    ),
    _joined(
        "two of times",
        instant("2025-07-01T15:30:00+00:00"),
        stamp("2025-07-01T15:30:10"),
        text("2025-07-01 15:30:00Z_2025-07-01 15:30:10"),
    ),
    _joined("instants, empty", instant(), stamp(), text()),
    _joined("category", category("x", "y"), category("1", None), text("x_1", None)),
    _joined("empty", text(), i64(), text()),
    Case(
        "merge_columns",
        "the same twice",
        {"a": text("x")},
        {"first": "a", "second": "a"},
        {"a": text("x"), "a_a": text("x_x")},
    ),
    Case(
        "merge_columns",
        "name taken",
        {"a": text("x"), "b": text("y"), "a_b": text("z")},
        {"first": "a", "second": "b"},
        refused("merge_columns", "'a_b'"),
    ),
    Case(
        "merge_columns",
        "no column",
        {"a": text("x"), "도시": text("y")},
        {"first": "a", "second": "도서"},
        refused("merge_columns", "'도서'", "'도시'"),
    ),
]

CASES = [*TRIM, *SUBSTRING, *SPLIT, *MERGE, *ADD, *MERGE_COLUMNS]
