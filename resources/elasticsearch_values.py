"""Documents of Elasticsearch as columns: what a mapping can hold, values out of `_source`, exactly.

Here: mappings as columns of a source, paths through documents, instants. Not here: asking for them
(`elasticsearch.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.dbapi_columns import UnfitError, become, column, first_unfit
from resources.errors import PermanentError
from resources.json_values import plain
from resources.source import Column, SourceColumn
from resources.types import ColumnType, parse_type

#: What stands beside a document, not in it; a column may be one of these.
BESIDE = ("_id", "_index")

_TEXTS = (
    *("keyword", "text", "constant_keyword", "wildcard", "match_only_text", "ip", "version"),
    *("annotated_text", "search_as_you_type", "completion"),
)
_INTEGERS = {"byte": "int8", "short": "int16", "integer": "int32", "long": "int64"}
_INTEGERS["unsigned_long"] = "decimal(20,0)"
_FLOATS = {"half_float": "float32", "float": "float32", "double": "float64"}
_DATES = ("date", "date_nanos")
#: Types whose sums the server adds up as they were written, but for the rounding of a double.
SUMMED = (*_INTEGERS, "double", "scaled_float")

_SECOND = 1_000_000
#: Nine hours: Seoul has had no summer time since 1988.
_SEOUL = 9 * 3600 * _SECOND


@dataclass(frozen=True)
class Mapped:
    """A field as the indices map it: their types for it, and the formats of its dates."""

    types: frozenset[str]
    formats: frozenset[str] = frozenset()

    @property
    def shown(self) -> str:
        return " or ".join(sorted(self.types))

    @property
    def epoch(self) -> int | None:
        """Microseconds in a unit of the bare numbers that stand for dates; None: they are none."""
        units = {
            unit
            for one in self.formats
            for word, unit in (("epoch_millis", 1000), ("epoch_second", _SECOND))
            if word in one
        }
        return units.pop() if len(units) == 1 and self.types <= set(_DATES) else None


@dataclass(frozen=True)
class Fields:
    """What the mappings of all indices say: their fields by path, and where they say nothing.

    `open` are paths below which documents may have fields that no mapping lists; '' is the root.
    """

    mapped: Mapping[str, Mapped]
    open: frozenset[str]

    def unlisted(self, path: str) -> bool:
        """Whether a document may have the path, although no mapping lists it."""
        parts = path.split(".")
        above = (".".join(parts[:count]) for count in range(len(parts)))
        return any(one in self.open for one in above)


def fields_of(mappings: Mapping[str, Any]) -> Fields:
    """The fields of the answer to GET <index>/_mapping."""
    types: dict[str, set[str]] = {}
    formats: dict[str, set[str]] = {}
    opened: set[str] = set()

    def walk(mapping: Mapping[str, Any], at: str) -> None:
        kind = mapping.get("type", "object")
        inner = mapping.get("properties") or {}
        if at:
            types.setdefault(at, set()).add(kind)
        if kind in _DATES:
            default = "strict_date_optional_time||epoch_millis"
            formats.setdefault(at, set()).add(str(mapping.get("format", default)))
        untold = mapping.get("enabled") is False or str(mapping.get("dynamic")).lower() == "false"
        if untold or kind == "flattened" or (at and kind == "object" and not inner):
            opened.add(at)
        for name, one in inner.items():
            if one.get("type") != "alias":  # of which documents have no value
                walk(one, f"{at}.{name}" if at else name)

    for index in mappings.values():
        walk(index.get("mappings") or {}, "")
    found = {
        path: Mapped(frozenset(kinds), frozenset(formats.get(path, ())))
        for path, kinds in types.items()
    }
    return Fields(found, frozenset(opened))


def described(fields: Fields, columns: Sequence[Column]) -> list[SourceColumn]:
    """The columns there are; of a declared one the declared type where its values may have it.

    What is declared as the text of a whole object stands for all that is in it.
    """
    declared = {one.source: one.type for one in columns}
    found = [
        SourceColumn(name, declared[name], "keyword", True) for name in BESIDE if name in declared
    ]
    for path, mapped in fields.mapped.items():
        parts = path.split(".")
        above = (".".join(parts[:count]) for count in range(1, len(parts)))
        group = mapped.types <= {"object", "nested"}
        if any(one in declared for one in above) or (group and path not in declared):
            continue
        found.append(SourceColumn(path, _type(mapped, declared.get(path)), mapped.shown, True))
    there = {one.name for one in found}
    found += [
        SourceColumn(path, kind, "not mapped", True)
        for path, kind in declared.items()
        if path not in there and (path in fields.mapped or fields.unlisted(path))
    ]
    return found


def _type(mapped: Mapped, declared: ColumnType | None) -> ColumnType | None:
    if declared is not None and all(_holds(kind, declared) for kind in mapped.types):
        return declared
    names = {_lake_name(kind) for kind in mapped.types}
    name = names.pop() if len(names) == 1 else None
    return parse_type(name) if name else None


def _lake_name(kind: str) -> str | None:
    if kind == "scaled_float":
        return None
    if kind in _DATES:
        return "timestamptz"
    return {**_INTEGERS, **_FLOATS, "boolean": "boolean"}.get(kind, "string")


def _holds(kind: str, declared: ColumnType) -> bool:
    """Whether values of a mapped type may be of the declared one; each value is tried anyway.

    JSON has one kind of number, and dynamic mapping makes each integer a long.
    """
    name = declared.name
    if name == "string" or kind in _TEXTS:
        return name != "binary"
    if kind in _INTEGERS:
        return declared.is_number
    if kind in _FLOATS or kind == "scaled_float":
        return declared.is_decimal or name.startswith("float")
    if kind in _DATES:
        return name in ("date", "timestamp", "timestamptz", "int64")
    return kind == name == "boolean"


# -- values


def getter(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """What finds a path in a hit. `a.b` may be written as one name or as an object in another;
    through an array it gives all that is found."""
    if path in BESIDE:
        return lambda hit: hit.get(path)
    if "." not in path:
        return lambda hit: (hit.get("_source") or {}).get(path)
    return lambda hit: _found(hit.get("_source"), path)


def _found(value: Any, path: str) -> Any:
    if isinstance(value, list):
        several = [one for one in (_found(inner, path) for inner in value) if one is not None]
        return several or None
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    parts = path.split(".")
    for count in range(1, len(parts)):
        head = ".".join(parts[:count])
        if head in value:
            return _found(value[head], ".".join(parts[count:]))
    return None


def batch(
    hits: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    fields: Fields,
    schema: pa.Schema,
    what: str,
) -> pa.RecordBatch:
    """Hits in the declared types; PermanentError names the column and the document."""
    arrays = []
    for one in columns:
        mapped = fields.mapped.get(one.source)
        how = partial(_typed, epoch=mapped.epoch if mapped else None)
        get = getter(one.source)
        values: list[str | None] = []
        try:
            values = [plain(get(hit)) for hit in hits]
            texts = column(values, "text")
        except UnfitError as error:
            raise PermanentError(
                f"{what}: a value of {one.source!r} in the documents {_named(hits[:1], columns)} … "
                f"cannot be read: {error}."
            ) from None
        try:
            arrays.append(how(texts, one.type))
        except UnfitError:
            at = first_unfit(texts, one.type, how)
            raise PermanentError(
                f"{what}: the value of {one.source!r} in the document "
                f"{_named(hits[at : at + 1], columns)} is no {one.type.name}. Correct the column's "
                "type, or declare it as string and convert it in a dataset."
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _named(hits: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    if any(one.personal and one.source == "_id" for one in columns):
        return "(its _id is personal)"
    return ", ".join(repr(str(hit.get("_id"))[:80]) for hit in hits)


def _typed(texts: pa.Array, declared: ColumnType, epoch: int | None) -> pa.Array:
    if declared.name == "binary":
        raise UnfitError
    if declared.name not in ("timestamp", "timestamptz"):
        return become(texts, declared)
    try:
        instants = _instants(texts, epoch)
        if declared.name == "timestamptz":
            return instants
        return pc.add_checked(instants.cast(pa.int64()), _int(_SEOUL)).cast(declared.arrow())
    except pa.ArrowInvalid:
        raise UnfitError from None


def _instants(texts: pa.Array, epoch: int | None) -> pa.Array:
    """ISO 8601 and bare numbers as instants; without a zone it is UTC, as the server reads it."""
    instant = pa.timestamp("us", tz="UTC")
    lengths = pc.binary_length(texts)
    bare = pc.match_substring_regex(texts, r"^-?[0-9]{5,}$|^-?[0-9]{1,3}$")  # of 4 digits: a year
    if pc.all(bare).as_py() and epoch is not None:
        return pc.multiply_checked(texts.cast(pa.int64()), _int(epoch)).cast(instant)
    if not pc.any(bare).as_py() and (pc.min(lengths).as_py() or 0) > len("2025-07-01"):
        with contextlib.suppress(pa.ArrowInvalid):  # what most are: moments with a zone
            return texts.cast(instant)
    nothing = pa.nulls(1, pa.string())[0]
    written = pc.if_else(bare, nothing, texts)
    written = pc.replace_substring_regex(written, r"(\.[0-9]{6})0+(Z|[+-]|$)", r"\1\2")
    day = pc.equal(pc.binary_length(written), _int(len("2025-07-01")))
    zoned = pc.match_substring_regex(written, r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$")
    tail = pc.if_else(day, _text("T00:00:00Z"), pc.if_else(zoned, _text(""), _text("Z")))
    moments = pc.binary_join_element_wise(written, tail, _text("")).cast(instant)
    if epoch is None:
        if pc.any(bare).as_py():
            raise pa.ArrowInvalid
        return moments
    units = pc.if_else(bare, texts, nothing).cast(pa.int64())
    return pc.coalesce(moments, pc.multiply_checked(units, _int(epoch)).cast(instant))


def _int(value: int) -> pa.Scalar:
    """A scalar for `pc`: of a Python value it would make one itself, and import pandas for it
    (0.4 CPU s)."""
    return column([value], "int")[0]


def _text(value: str) -> pa.Scalar:
    return column([value], "text")[0]


def rows_in(hits: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Hits that are documents; anything else is no answer to a search."""
    for hit in hits:
        if not isinstance(hit, Mapping) or "_id" not in hit:
            raise PermanentError("the answer has hits that are no documents")
        yield hit
