"""Rows as documents of an index: their ids, their JSON, and what fields hold which types.

Here: pure functions over Arrow batches. Not here: requests (`deliver_index.py`), and documents
becoming rows (`elasticsearch_values.py`), which gives the same values back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from resources.deliver import Delivery, IndexTarget
from resources.deliver_values import Room, unfit
from resources.elasticsearch_values import Fields, Mapped
from resources.errors import PermanentError
from resources.source import Column
from resources.types import ColumnType

#: The server's limit of an id, and of a keyword, in bytes of UTF-8.
_ID_BYTES, _KEYWORD_BYTES = 512, 32_766

_MOMENTS = {"date", "timestamp", "timestamptz"}
#: A field's type → the lake's types that it holds. What stands in `_source` keeps every digit.
_HOLDS: dict[str, set[str]] = {
    "keyword": {"string", "decimal"},
    "wildcard": {"string", "decimal"},
    "text": {"string"},
    "match_only_text": {"string"},
    "byte": {"int8"},
    "short": {"int8", "int16"},
    "integer": {"int8", "int16", "int32"},
    "long": {"int8", "int16", "int32", "int64"},
    "float": {"float32"},
    "double": {"float32", "float64", "decimal"},
    "scaled_float": {"decimal"},
    "boolean": {"boolean"},
    "date": _MOMENTS,
    "date_nanos": _MOMENTS,
}
_ISO = {"strict_date_optional_time", "date_optional_time", "strict_date_optional_time_nanos"}
_DAYS = {"strict_date", "date", "yyyy-MM-dd", "uuuu-MM-dd"}

#: The lake's type → the field of an index that the lake makes.
_FIELDS = {
    **{"string": "keyword", "boolean": "boolean", "float32": "float", "float64": "double"},
    **{"int8": "byte", "int16": "short", "int32": "integer", "int64": "long"},
    **dict.fromkeys(_MOMENTS, "date"),
}
#: Digits of a decimal that a scaled_float, a long of so many parts, keeps through its double.
_SCALED = 15


# -- fields


def rooms(delivery: Delivery, fields: Fields) -> list[Room]:
    """The mapped fields, each as what it holds of the column that goes there."""
    by_path = {one.source: one.type for one in delivery.columns}
    return [
        _room(path, mapped, by_path[path]) if path in by_path else Room(path, mapped.shown, None)
        for path, mapped in fields.mapped.items()
    ]


def _room(path: str, mapped: Mapped, of: ColumnType) -> Room:
    shown = mapped.shown
    if mapped.types & {"date", "date_nanos"}:
        shown += f" ({', '.join(sorted(mapped.formats))})"
    return Room(
        name=path,
        shown=shown,
        type=of if all(_holds(kind, mapped, of) for kind in mapped.types) else None,
        length_bytes=_KEYWORD_BYTES if "keyword" in mapped.types else None,
        finite=True,
    )


def _holds(kind: str, mapped: Mapped, of: ColumnType) -> bool:
    name = "decimal" if of.is_decimal else of.name
    if name not in _HOLDS.get(kind, ()):
        return False
    if name not in _MOMENTS:
        return True
    known = {one for format_ in mapped.formats for one in format_.split("||")}
    return bool(known & (_ISO | _DAYS if name == "date" else _ISO))


def mapping(columns: Iterable[Column]) -> dict[str, Any]:
    """The mapping of an index that has these columns and no others."""
    made: dict[str, Any] = {"dynamic": "strict", "properties": {}}
    for column in columns:
        *above, last = column.source.split(".")
        at = made["properties"]
        for one in above:
            at = at.setdefault(one, {"properties": {}})["properties"]
        at[last] = _field(column.type)
    return made


def _field(of: ColumnType) -> dict[str, Any]:
    if of.is_decimal and of.precision <= _SCALED:
        return {"type": "scaled_float", "scaling_factor": 10**of.scale}
    return {"type": _FIELDS.get(of.name, "keyword")}


# -- ids


# -- documents


class Documents:
    """The rows of a delivery as documents, batch by batch."""

    def __init__(self, delivery: Delivery) -> None:
        assert isinstance(delivery.target, IndexTarget)
        self._delivery = delivery
        self._keys = delivery.named(delivery.target.id)
        self._form, self._order = shape([column.source for column in delivery.columns])

    def ids(self, batch: pa.RecordBatch, where: str) -> list[str]:
        """One id a row: the key's values as text, of several joined by | (their own as %7C)."""
        columns = [_plain(batch.column(key.name), key.type) for key in self._keys]
        if len(columns) > 1:
            columns = [[_escaped(one) for one in column] for column in columns]
        made = ["|".join(parts) for parts in zip(*columns, strict=True)]
        for at, one in enumerate(made):
            if not 0 < len(one.encode()) <= _ID_BYTES:
                why = f"makes an _id that is empty or longer than {_ID_BYTES} bytes"
                raise unfit(self._delivery, batch, at, self._keys[0], why, where)
        return made

    def texts(self, batch: pa.RecordBatch) -> list[str]:
        """One JSON a row, as `json_values.write_json` writes what it says."""
        columns = [
            _written(values, column.type)
            for values, column in zip(batch.columns, self._delivery.columns, strict=True)
        ]
        ordered = (columns[place] for place in self._order)
        return [self._form % row for row in zip(*ordered, strict=True)]


def shape(paths: Sequence[str]) -> tuple[str, list[int]]:
    """A document's JSON with %s for its values, and whose they are; `a.b` is b within a.

    >>> shape(["a.b", "c", "a.d"])
    ('{"a": {"b": %s, "d": %s}, "c": %s}', [0, 2, 1])
    """
    tree: dict[str, Any] = {}
    for place, path in enumerate(paths):
        *above, last = path.split(".")
        node = tree
        for one in above:
            node = node.setdefault(one, {})
        node[last] = place
    order: list[int] = []

    def text(node: Any) -> str:
        if isinstance(node, int):
            order.append(node)
            return "%s"
        inner = [
            f"{json.dumps(name, ensure_ascii=False).replace('%', '%%')}: {text(one)}"
            for name, one in node.items()
        ]
        return "{" + ", ".join(inner) + "}"

    return text(tree), order


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("|", "%7C")


def _plain(values: pa.Array, of: ColumnType) -> list[str]:
    """Values that are not NULL, as text."""
    if of.name == "string":
        found: list[str] = values.to_pylist()
        return found
    return [one.strip('"') for one in _written(values, of)]


def _written(values: pa.Array, of: ColumnType) -> list[str]:
    """Values as JSON: exact digits, moments in ISO 8601 with a zone (a timestamp is Seoul's)."""
    if of.is_decimal:
        return _each(values, lambda one: format(one, "f"))
    if of.name.startswith("float"):
        return _each(values, repr)
    if of.name in ("string", "boolean") or of.name.startswith("int"):
        return _each(values, lambda one: json.dumps(one, ensure_ascii=False))
    if of.name == "date":
        return _each(values.cast(pa.string()), lambda one: f'"{one}"')
    if of.name not in ("timestamp", "timestamptz"):
        raise PermanentError(f"{of.name} is nothing that a document can have.")
    zone = "Z" if of.name == "timestamptz" else "+09:00"
    wall = values.cast(pa.timestamp("us")).cast(pa.string())
    return _each(wall, lambda one: f'"{one.replace(" ", "T")}{zone}"')


def _each(values: pa.Array, write: Callable[[Any], str]) -> list[str]:
    return ["null" if one is None else write(one) for one in values.to_pylist()]
