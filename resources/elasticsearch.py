"""Elasticsearch as a source: documents of an index, streamed from one snapshot of it.

Here: the searches (point in time and search_after, scroll on old servers), counts and sums by
aggregation in the same snapshot. Not here: requests and errors (`elasticsearch_wire.py`), mappings
and values (`elasticsearch_values.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote

import pyarrow as pa

from resources.described import IndexSource
from resources.elasticsearch_values import (
    BESIDE,
    SUMMED,
    Fields,
    batch,
    described,
    fields_of,
    rows_in,
)
from resources.elasticsearch_wire import Session
from resources.errors import LakeError, PermanentError, TransientError
from resources.partition import key_at, moment, window
from resources.settings import Connection
from resources.source import Column, Reading, SourceColumn, Span, Table, Totals
from resources.table_reader import arrow_schema
from resources.types import ColumnType
from resources.yamlfile import nearest

#: From here on a search in a point in time is ordered to the last row by `_shard_doc`. Points in
#: time alone came with 7.10.
_POINT_IN_TIME = (7, 12)
_KEEP = "5m"
#: Hits of the first page and of any: the server's own limit (`index.max_result_window`).
_FIRST, _MOST = 1_000, 10_000
#: What a page may take on the wire, so that large documents do not fill the memory.
_PAGE_BYTES = 8 << 20


def connect(name: str, connection: Connection) -> ElasticsearchIndex:
    """The connection `name`, to be opened by `with`."""
    return ElasticsearchIndex(name, connection)


@dataclass(frozen=True)
class _Plan:
    """One reading, in the server's words. `keys` are the partitions, each with its condition."""

    table: Table
    fields: Fields
    query: Mapping[str, Any]
    sort: Sequence[Mapping[str, Any]]
    keys: Sequence[tuple[str, Mapping[str, Any]]]

    @property
    def source(self) -> list[str] | bool:
        paths = [one.source for one in self.table.columns if one.source not in BESIDE]
        return paths or False

    @property
    def search(self) -> dict[str, Any]:
        return {"query": self.query, "sort": list(self.sort), "_source": self.source}

    @property
    def counted(self) -> dict[str, Any]:
        """The search that also counts and adds up each partition."""
        sums = {
            str(place): {"stats": {"field": self.column(name).source}}
            for place, name in enumerate(self.table.sums)
        }
        filters = {"filters": {"filters": [condition for _, condition in self.keys]}}
        return {"aggs": {"parts": filters | ({"aggs": sums} if sums else {})}}

    def column(self, name: str) -> Column:
        return next(one for one in self.table.columns if one.name == name)


class ElasticsearchIndex:
    """The indices of one cluster as a source of rows."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._session = Session(name, connection)

    @property
    def version(self) -> str:
        """The server's: `8.15`."""
        return ".".join(map(str, self._session.version))

    def __enter__(self) -> ElasticsearchIndex:
        self._session.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._session.close()

    def describe(self, table: Table) -> list[SourceColumn]:
        return described(self._fields(table), table.columns)

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        plan = self._plan(table, span)
        what = self._what(table)
        by_point = self._session.version >= _POINT_IN_TIME
        pages: _Pages = (_Points if by_point else _Scroll)(self._session, plan, what)
        route = f"{self._session.shown}, {'point in time' if by_point else 'scroll'}"
        try:
            first = pages.first()
            totals = _totals(plan, first, what)
            batches = self._batches(plan, pages, first, sum(one.rows for one in totals.values()))
            try:
                yield Reading(
                    schema=arrow_schema(table.columns),
                    batches=batches,
                    totals={key: one for key, one in totals.items() if one.rows},
                    route=route,
                    reconciled="same snapshot",
                )
            finally:
                batches.close()
        finally:
            pages.close()

    def peek(self, table: Table, rows: int) -> pa.Table:
        plan = self._plan(table, None)
        what = self._what(table)
        body = {"query": plan.query, "_source": plan.source, "size": min(rows, _MOST)}
        hits = _whole(self._session, _search(_index(table).name), body, what)
        schema = arrow_schema(table.columns)
        found = batch(_documents(hits, what), table.columns, plan.fields, schema, what)
        return pa.Table.from_batches([found], schema)

    def _what(self, table: Table) -> str:
        return f"{table.shown} of {self._session.where}"

    def _batches(
        self, plan: _Plan, pages: _Pages, answer: Mapping[str, Any], expected: int
    ) -> Generator[pa.RecordBatch, None, None]:
        what, schema = self._what(plan.table), arrow_schema(plan.table.columns)
        seen = 0
        while hits := _documents(answer, what):
            seen += len(hits)
            if seen > expected:
                break
            yield batch(hits, plan.table.columns, plan.fields, schema, what)
            answer = pages.next(hits)
        if seen != expected:
            more = "more than" if seen > expected else f"{seen:,} of"
            raise TransientError(
                f"{what}: the server gave {more} the {expected:,} documents that it counts in the "
                "same snapshot. Nothing of the last partition was published; try again."
            )

    # -- the plan

    def _fields(self, table: Table) -> Fields:
        name = _index(table).name
        what = self._what(table)
        mappings = self._session.ask("GET", f"/{_path(name)}/_mapping", what)
        if not mappings:
            raise PermanentError(f"{what}: no index has this name; {self._near(name)}.")
        return fields_of(mappings)

    def _near(self, name: str) -> str:
        try:
            found = self._session.ask("GET", "/_cat/indices?format=json&h=index", "")
            names = [str(one["index"]) for one in found]
        except (LakeError, TypeError, LookupError):
            return "ask its owner for the name"
        return nearest(name, [one for one in names if not one.startswith(".")])

    def _plan(self, table: Table, span: Span | None) -> _Plan:
        of, what = _index(table), self._what(table)
        if span is not None and table.window is None:
            raise PermanentError(
                f"{what}: a partition can be read only where `window` says which field holds the "
                "day."
            )
        fields = self._fields(table)
        names = {one.name: one.source for one in table.columns}
        conditions: list[Mapping[str, Any]] = [of.query] if of.query else []
        conditions += [{"term": {names[name]: value}} for name, value in table.equal.items()]
        keys: list[tuple[str, Mapping[str, Any]]] = [("", {"match_all": {}})]
        sort: list[Mapping[str, Any]] = []
        if span is not None and table.window is not None:
            path = names[table.window.column]
            _check_window(table.window.kind, path, fields, what)
            conditions.append(_between(path, table.window.kind, span.start, span.end))
            keys = [
                (key, _between(path, table.window.kind, start, end))
                for key, start, end in _partitions(span)
            ]
            sort.append({path: "asc"})
        sort += [{names[name]: "asc"} for name in table.order_by]
        self._check_sums(table, fields, what)
        query = {"bool": {"filter": conditions}} if conditions else {"match_all": {}}
        return _Plan(table, fields, query, sort, keys)

    def _check_sums(self, table: Table, fields: Fields, what: str) -> None:
        for name in table.sums:
            path = next(one.source for one in table.columns if one.name == name)
            mapped = fields.mapped.get(path)
            if mapped is None or not mapped.types <= set(SUMMED):
                is_of = f"is mapped as {mapped.shown}" if mapped else "is not mapped"
                raise PermanentError(
                    f"{what}: sums: {path!r} {is_of}, of which the server cannot tell an exact "
                    f"sum; it can of {', '.join(SUMMED)}. Take it out of `sums`."
                )


# -- pages


class _Pages(Protocol):
    """Page after page of one snapshot; the first has the totals."""

    def first(self) -> Mapping[str, Any]: ...

    def next(self, hits: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]: ...

    def close(self) -> None: ...


class _Points:
    """A point in time and search_after: pages are as large as their documents let them be."""

    def __init__(self, session: Session, plan: _Plan, what: str) -> None:
        self._session, self._plan, self._what = session, plan, what
        self._id: str | None = None
        self._after: list[Any] = []
        self._size = _FIRST

    def first(self) -> Mapping[str, Any]:
        name = _path(_index(self._plan.table).name)
        opened = self._session.ask("POST", f"/{name}/_pit?keep_alive={_KEEP}", self._what)
        self._id = str(opened.get("id"))
        return self._asked(self._plan.counted)

    def next(self, hits: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        after = list(hits[-1].get("sort") or ())
        if not after or after == self._after:
            raise TransientError(
                f"{self._what}: the server gives the same page again and again. Nothing of the "
                "last partition was published."
            )
        self._after = after
        each = self._session.received / len(hits)
        self._size = max(1, min(_MOST, int(_PAGE_BYTES / max(each, 1))))
        return self._asked({"search_after": after})

    def _asked(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        body = self._plan.search | {
            "size": self._size,
            "sort": [*self._plan.sort, {"_shard_doc": "asc"}],
            "pit": {"id": self._id, "keep_alive": _KEEP},
            "track_total_hits": False,
            **more,
        }
        answer = _whole(self._session, _search(None), body, self._what)
        self._id = str(answer.get("pit_id") or self._id)
        return answer

    def close(self) -> None:
        if self._id is not None:
            with contextlib.suppress(LakeError):
                self._session.ask("DELETE", "/_pit", self._what, {"id": self._id})


class _Scroll:
    """A scroll, whose pages have one size; its first answer is the one with aggregations."""

    def __init__(self, session: Session, plan: _Plan, what: str) -> None:
        self._session, self._plan, self._what = session, plan, what
        self._id: str | None = None

    def first(self) -> Mapping[str, Any]:
        body = self._plan.search | self._plan.counted
        body |= {"size": _FIRST, "sort": [*self._plan.sort, "_doc"]}
        name = _index(self._plan.table).name
        return self._kept(
            _whole(self._session, f"{_search(name)}&scroll={_KEEP}", body, self._what)
        )

    def next(self, hits: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        body = {"scroll": _KEEP, "scroll_id": self._id}
        return self._kept(_whole(self._session, "/_search/scroll", body, self._what))

    def _kept(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        self._id = str(answer.get("_scroll_id") or self._id)
        return answer

    def close(self) -> None:
        if self._id is not None:
            with contextlib.suppress(LakeError):
                self._session.ask(
                    "DELETE", "/_search/scroll", self._what, {"scroll_id": [self._id]}
                )


def _path(name: str) -> str:
    return quote(name, safe="*,")


def _search(name: str | None) -> str:
    place = f"/{_path(name)}/_search" if name else "/_search"
    return f"{place}?allow_partial_search_results=false"


def _whole(session: Session, target: str, body: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """A search's answer, if it is of all shards."""
    answer = session.ask("POST", target, what, body)
    shards = answer.get("_shards") if isinstance(answer, dict) else None
    if not isinstance(shards, dict) or not isinstance(answer.get("hits"), dict):
        raise TransientError(f"{what}: the answer is none to a search. Check the connection's url.")
    total, good, failed = (int(shards.get(key, 0)) for key in ("total", "successful", "failed"))
    late = answer.get("timed_out") is True or answer.get("terminated_early") is True
    skipped = int((answer.get("_clusters") or {}).get("skipped", 0))
    whole: Mapping[str, Any] = answer
    if failed or good < total or late or skipped:
        words = f"{good} of {total} shards answered" + ", the search ran out of time" * late
        raise TransientError(
            f"{what}: {words}. A part of the documents is never taken for all of them; try again "
            "when the cluster is whole."
        )
    return whole


def _documents(answer: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    try:
        return list(rows_in(answer["hits"]["hits"]))
    except (KeyError, TypeError, ValueError):
        raise TransientError(f"{what}: the answer has no documents where they belong.") from None


# -- windows and totals


def _partitions(span: Span) -> Iterator[tuple[str, date, date]]:
    start = span.start
    while start < span.end:
        key = key_at(span.cadence, start)
        _, end = window(span.cadence, key)
        yield key, start, end
        start = end


def _between(path: str, kind: str, start: date, end: date) -> dict[str, Any]:
    """Half-open. A day of a date is in UTC there, as a text without zone is; of a timestamp it is
    Seoul's."""
    if kind == "timestamp":
        form, bounds = (
            "strict_date_time_no_millis",
            [f"{moment(one).isoformat(timespec='seconds')}+09:00" for one in (start, end)],
        )
    elif kind == "date":
        form, bounds = "strict_date", [f"{one:%Y-%m-%d}" for one in (start, end)]
    else:
        form, bounds = None, [f"{one:%Y%m%d}" for one in (start, end)]
    condition = {"gte": bounds[0], "lt": bounds[1]} | ({"format": form} if form else {})
    return {"range": {path: condition}}


def _check_window(kind: str, path: str, fields: Fields, what: str) -> None:
    mapped = fields.mapped.get(path)
    dates = {"date", "date_nanos"}
    if mapped is None:
        raise PermanentError(
            f"{what}: the window needs the field {path!r}, which no mapping lists; "
            f"{nearest(path, fields.mapped)}."
        )
    texts_or_numbers = {"keyword", "constant_keyword", "wildcard", "integer", "long"}
    if not mapped.types <= (dates if kind != "yyyymmdd" else dates | texts_or_numbers):
        raise PermanentError(
            f"{what}: the window's field {path!r} is mapped as {mapped.shown}, so its kind cannot "
            f"be {kind}. A date or timestamp is mapped as date; yyyymmdd also as keyword or a "
            "whole number (of a text its keyword field)."
        )


def _totals(plan: _Plan, answer: Mapping[str, Any], what: str) -> dict[str, Totals]:
    try:
        buckets = answer["aggregations"]["parts"]["buckets"]
        return {
            key: Totals(
                int(bucket["doc_count"]),
                {
                    name: _sum(bucket[str(place)], plan.column(name).type)
                    for place, name in enumerate(plan.table.sums)
                },
            )
            for (key, _), bucket in zip(plan.keys, buckets, strict=True)
        }
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise TransientError(
            f"{what}: the answer has no counts and sums where they belong."
        ) from None


def _sum(stats: Mapping[str, Any], declared: ColumnType) -> Decimal | int | float:
    """A sum, which the server adds up in doubles: exactly, where their rounding cannot matter.

    With n values up to m, theirs and that of adding them (Kahan's way) are below n·m·2⁻⁵¹. Where
    that is below half a unit of the declared scale, rounding gives the sum; elsewhere it is told
    as a float, which is compared to nine places.
    """
    count = int(stats["count"])
    if not count:
        return Decimal(0) if declared.is_decimal else 0
    total = Decimal(stats["sum"])
    most = max(abs(Decimal(stats["min"])), abs(Decimal(stats["max"])))
    unit = Decimal(1).scaleb(-declared.scale)
    if declared.name.startswith("float") or count * most * Decimal(2) ** -51 >= unit / 2:
        return float(total)
    exact = total.quantize(unit)
    return exact if declared.is_decimal else int(exact)


def _index(table: Table) -> IndexSource:
    assert isinstance(table.of, IndexSource)
    return table.of
