"""Cases of the functions on text values, from preps' specification."""

from __future__ import annotations

from tests.preps.table import Case, refused, text

CASES = [
    Case("trim", "example", {"a": text(" a b ", "가 ", None)}, {}, {"a": text("a b", "가", None)}),
    Case("trim", "blank", {"a": text("  ", "")}, {}, {"a": text(None, None)}),
    Case("trim", "full width", {"a": text("\u3000가\u00a0")}, {}, {"a": text("가")}),
    Case("trim", "empty", {"a": text()}, {}, {"a": text()}),
    Case("trim", "no column", {"a": text("x")}, {"columns": "b"}, refused("'b'", "a")),
]
