"""Values of JSON as texts: numbers by their digits, nested ones as JSON that says the same.

Here: reading JSON without a float or a bounded integer in between, and writing it again. Not here:
texts becoming the declared types (`dbapi_columns.py`), and where the JSON comes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resources.dbapi_columns import UnfitError


class Digits(str):
    """A number as it was written: `0.10`, `9007199254740993`, `1e400`."""

    __slots__ = ()


class JsonError(Exception):
    """What was read is no JSON. The text has nothing of it in it."""


_DECODER = json.JSONDecoder(parse_float=Digits, parse_int=Digits, parse_constant=Digits)


def read_json(data: bytes | str) -> Any:
    """A document, numbers in it as `Digits`; JsonError where it is none, or not whole."""
    try:
        return _DECODER.decode(data if isinstance(data, str) else data.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # the first also for bytes that are no text
        raise JsonError from None


def write_json(value: Any) -> str:
    """JSON of a value that was read; `Digits` stand in it as the numbers they are.

    >>> write_json({"a": [Digits("0.10"), "0.10", None]})
    '{"a": [0.10, "0.10", null]}'
    """
    if isinstance(value, Mapping):
        inner = (
            f"{json.dumps(key, ensure_ascii=False)}: {write_json(one)}"
            for key, one in value.items()
        )
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_json, value)) + "]"
    return value if isinstance(value, Digits) else json.dumps(value, ensure_ascii=False)


def plain(value: Any) -> str | None:
    """A value that was read, as the text of a column: an object or array is its JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return write_json(value)
    except RecursionError:
        raise UnfitError("nested too deeply") from None
