"""Values of a driver become Arrow as they are, or are refused; nothing in between."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.dbapi_columns import Kind, UnfitError, become, column, first_unfit
from resources.types import parse_type

VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"])),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "bytes": st.binary(),
}


@pytest.mark.parametrize("kind", VALUES)
def test_columns_hold_what_they_were_given(kind: Kind) -> None:
    @given(st.lists(st.none() | VALUES[kind]))
    def holds(values: list[Any]) -> None:
        made = column(values, kind)
        made.validate(full=True)
        assert made.to_pylist() == values

    holds()


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([1.5], "int", "the driver gives float for int"),
        ([None, "1", b"1"], "int", "the driver gives bytes, str for int"),
        ([2**63], "int", "more than 64 bits"),
        ([1, None], "text", "the driver gives int for text"),
        (["한", "\ud800"], "text", "no valid Unicode"),
        (["1"], "float", "the driver gives str for float"),
    ],
)
def test_other_values_are_refused(values: list[Any], kind: Kind, said: str) -> None:
    with pytest.raises(UnfitError, match=said):
        column(values, kind)


@pytest.mark.parametrize("digits", [38, 39, 40, 76, 77, 80])
def test_no_digit_is_lost(digits: int) -> None:
    texts = column(["1", "-" + "9" * digits], "text")
    if digits == 38:
        assert become(texts, parse_type("decimal(38,0)")).to_pylist()[1] == -(10**38 - 1)
        return
    with pytest.raises(UnfitError):
        become(texts, parse_type("decimal(38,0)"))


@pytest.mark.parametrize("place", [0, 1, 499, 500, 998])
def test_the_first_that_does_not_fit_is_found(place: int) -> None:
    texts = ["1"] * 999
    texts[place] = "300"
    texts[998] = "400"
    assert first_unfit(column(texts, "text"), parse_type("int8")) == place


def test_the_drivers_own_arrow_is_read_as_well() -> None:
    texts = pa.array(["2025-07-01 00:00:00.1234560", None], pa.large_string())
    assert become(texts, parse_type("timestamp")).cast(pa.string()).to_pylist() == [
        "2025-07-01 00:00:00.123456",
        None,
    ]


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys; from resources.dbapi_columns import become, column\n"
        "from resources.types import parse_type\n"
        "for kind, v in {'text': '1', 'int': 1, 'float': 1.0, 'bool': 1, 'bytes': b'1'}.items():\n"
        "    column([v, None], kind)\n"
        "become(column(['1'], 'text'), parse_type('decimal(38,2)'))\n"
        "become(column(['2025-07-01 00:00:00.0000000'], 'text'), parse_type('timestamp'))\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
