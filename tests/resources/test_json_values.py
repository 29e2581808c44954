"""JSON is read and written without changing a number, a text or an order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.dbapi_columns import UnfitError
from resources.json_values import Digits, JsonError, plain, read_json, write_json

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_what_is_written_is_what_was_read(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert write_json(read_json(text)) == text


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("1.10", "1.10"),
        ("9007199254740993", "9007199254740993"),
        ("1e400", "1e400"),
        ('"1.10"', "1.10"),
        ('""', ""),
        ("null", None),
        ("true", "true"),
        ('{"가": [1.10, "1.10", null, false, {}]}', '{"가": [1.10, "1.10", null, false, {}]}'),
        ("1" * 5000, "1" * 5000),  # int() refuses more than 4,300
    ],
)
def test_the_text_of_a_value(text: str, becomes: str | None) -> None:
    assert plain(read_json(text.encode())) == becomes


@pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b"\xff", b"[" * 100_000, b"{} {}"])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(JsonError) as error:
        read_json(text)
    assert str(error.value) == ""


def test_what_is_nested_too_deeply() -> None:
    deep: object = Digits("1")
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UnfitError):
        plain(deep)
