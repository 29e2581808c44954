"""A stand-in for Elasticsearch: as much of its HTTP interface as reading an index needs.

Here: mappings, snapshots (points in time, scrolls), a few queries, filters and stats, over
documents in memory; versions 7.10 to 9, which differ in headers and in what they know. No real
server's behaviour is proved by it. Not here: starting it (`services.py`), the documents
(`dlp_events.py`).
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lake_assets.sample.services import Answer, Request
from resources.json_values import JsonError, read_json, write_json

Source = Mapping[str, Any]


@dataclass(frozen=True)
class Index:
    """Documents by id, in the order in which the index has them."""

    mappings: Mapping[str, Any]
    documents: Sequence[tuple[str, Source]]


@dataclass
class _Snapshot:
    """The documents of some indices, as they were; the last search is kept sorted."""

    hits: Sequence[tuple[int, str, str, Source]]
    mapped: Mapping[str, Mapping[str, Any]]
    asked: str = ""
    found: list[tuple[int, str, str, Source]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    at: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.kind, self.reason = status, kind, reason


@dataclass
class SearchStandin:
    """What answers a request. `authorization`: the header that it wants, where it wants one."""

    indices: dict[str, Index]
    version: tuple[int, int] = (8, 19)
    authorization: str | None = None
    snapshots: dict[str, _Snapshot] = field(default_factory=dict)

    def __call__(self, request: Request) -> Answer:
        try:
            self._check_headers(request)
            found = self._routed(request)
            status = 200
        except Refused as error:
            cause = {"type": error.kind, "reason": error.reason}
            found = {"error": cause | {"root_cause": [cause]}, "status": error.status}
            status = error.status
        headers = {"Content-Type": "application/json"}
        if self.version >= (7, 14):
            headers["X-Elastic-Product"] = "Elasticsearch"
        # Half a surrogate pair, which is no text, goes over the wire as JSON escapes it.
        body = write_json(found).encode("utf-8", "backslashreplace")
        return Answer(status, body, headers)

    def _check_headers(self, request: Request) -> None:
        if self.authorization and request.headers.get("authorization") != self.authorization:
            raise Refused(401, "security_exception", "unable to authenticate user")
        for name in ("accept", "content-type"):
            asked = re.search(r"compatible-with=(\d+)", request.headers.get(name, ""))
            major = self.version[0]
            if asked and (major < 8 or int(asked[1]) not in (major, major - 1)):
                status = 406 if self.version < (7, 11) else 400
                raise Refused(status, "media_type_header_exception", f"Invalid {name}")

    def _routed(self, request: Request) -> Any:
        url = urlsplit(request.target)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        words = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            body = read_json(request.body) if request.body else {}
        except JsonError:
            raise Refused(400, "parse_exception", "request body is no JSON") from None
        match request.method, parts:
            case "GET", [""]:
                number = ".".join(map(str, self.version)) + ".0"
                return {"cluster_name": "stand-in", "version": {"number": number}}
            case "GET", ["_cat", "indices"]:
                return [{"index": name} for name in self.indices]
            case "GET", [name, "_mapping"]:
                return {one: {"mappings": self.indices[one].mappings} for one in self._named(name)}
            case "POST", [name, "_pit"] if self.version >= (7, 10):
                return {"id": self._kept(self._snapshot(name))}
            case "DELETE", ["_pit"]:
                return {"succeeded": self.snapshots.pop(str(body["id"]), None) is not None}
            case "POST", ["_search"]:
                return self._point_search(body)
            case "POST", [name, "_search"]:
                return self._plain_search(name, words, body)
            case "POST", ["_search", "scroll"]:
                return self._scrolled(str(body["scroll_id"]))
            case "DELETE", ["_search", "scroll"]:
                for one in body["scroll_id"]:
                    self.snapshots.pop(one, None)
                return {"succeeded": True}
        raise Refused(400, "illegal_argument_exception", f"no handler for {url.path}")

    def _named(self, name: str) -> list[str]:
        found = []
        for pattern in name.split(","):
            its = [one for one in self.indices if fnmatch.fnmatchcase(one, pattern)]
            if not its and "*" not in pattern:
                raise Refused(404, "index_not_found_exception", f"no such index [{pattern}]")
            found += its
        return found

    def _snapshot(self, name: str) -> _Snapshot:
        hits: list[tuple[int, str, str, Source]] = []
        mapped: dict[str, Mapping[str, Any]] = {}
        for index in self._named(name):
            mapped |= fields(self.indices[index].mappings)
            for identity, source in self.indices[index].documents:
                hits.append((len(hits), index, identity, source))
        return _Snapshot(hits, mapped)

    def _kept(self, snapshot: _Snapshot) -> str:
        name = f"snapshot-{len(self.snapshots)}-{id(snapshot)}"
        self.snapshots[name] = snapshot
        return name

    def _of(self, name: str) -> _Snapshot:
        if name not in self.snapshots:
            raise Refused(404, "search_context_missing_exception", "No search context found")
        return self.snapshots[name]

    def _point_search(self, body: Mapping[str, Any]) -> Any:
        name = str(body["pit"]["id"])
        snapshot = self._of(name)
        _prepare(snapshot, body, by_point=self.version >= (7, 12))
        after = body.get("search_after")
        start = snapshot.places[str(after[-1])] + 1 if after else 0
        return _page(snapshot, body, start) | {"pit_id": name}

    def _plain_search(self, name: str, words: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        snapshot = self._snapshot(name)
        _prepare(snapshot, body, by_point=False)
        answer = _page(snapshot, body, 0)
        if "scroll" in words:
            snapshot.body, snapshot.at = body, int(body["size"])
            answer["_scroll_id"] = self._kept(snapshot)
        return answer

    def _scrolled(self, name: str) -> Any:
        snapshot = self._of(name)
        answer = _page(snapshot, {**snapshot.body, "aggs": {}}, snapshot.at)
        snapshot.at += int(snapshot.body["size"])
        return answer | {"_scroll_id": name}


def fields(mapping: Mapping[str, Any], at: str = "") -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name, one in (mapping.get("properties") or {}).items():
        found[at + name] = one
        found |= fields(one, f"{at}{name}.")
    return found


# -- values as the index keeps them


def _value(mapped: Mapping[str, Mapping[str, Any]], path: str, source: Source) -> Any:
    """The first value of a field, as it is sorted and compared; None where there is none."""
    value: Any = source
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    kind = mapped.get(path, {}).get("type", "object")
    return None if value is None else kept_as(kind, value)


def kept_as(kind: str, value: Any) -> Any:
    if kind in ("date", "date_nanos"):
        return _millis(str(value)) * (10**6 if kind == "date_nanos" else 1)
    if kind in ("long", "integer", "short", "byte"):
        return int(value)
    if kind in ("double", "float", "half_float", "scaled_float"):
        return float(value)
    return str(value)


def _millis(text: str) -> int:
    if re.fullmatch(r"-?\d{5,}", text):
        return int(text)
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00")))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


# -- searches


def _prepare(snapshot: _Snapshot, body: Mapping[str, Any], by_point: bool) -> None:
    """Find and sort what is asked for, once for all pages of it."""
    asked = write_json([body.get("query"), body.get("sort")])
    if snapshot.asked == asked:
        return
    matches = condition(body.get("query") or {"match_all": {}}, snapshot.mapped)
    found = [hit for hit in snapshot.hits if matches(hit[3], hit[2])]
    for one in reversed(body.get("sort") or []):
        path = one if isinstance(one, str) else next(iter(one))
        if path in ("_doc", "_shard_doc"):
            if path == "_shard_doc" and not by_point:
                raise Refused(400, "query_shard_exception", "No mapping found for [_shard_doc]")
            continue
        if snapshot.mapped.get(path, {}).get("type", "") in ("", "text", "nested"):
            raise Refused(400, "illegal_argument_exception", f"[{path}] cannot be sorted")
        found.sort(key=lambda hit: _rank(_value(snapshot.mapped, path, hit[3])))
    snapshot.asked, snapshot.found = asked, found
    snapshot.places = {str(hit[0]): place for place, hit in enumerate(found)}


def _rank(value: Any) -> tuple[bool, Any]:
    """Order of a value among others: a missing one is last."""
    return (value is None, 0 if value is None else value)


def _page(snapshot: _Snapshot, body: Mapping[str, Any], start: int) -> dict[str, Any]:
    wanted = body.get("_source", True)
    hits = [
        {
            "_index": index,
            "_id": identity,
            "_score": None,
            **({"_source": _cut(source, wanted)} if wanted is not False else {}),
            "sort": [_sort_value(snapshot, one, hit) for one in body.get("sort") or []],
        }
        for hit in snapshot.found[start : start + int(body.get("size", 10))]
        for place, index, identity, source in [hit]
    ]
    answer: dict[str, Any] = {
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {"hits": hits},
    }
    if body.get("aggs"):
        sources = [(source, identity) for _, _, identity, source in snapshot.found]
        answer["aggregations"] = {
            name: _aggregated(one, sources, snapshot.mapped) for name, one in body["aggs"].items()
        }
    return answer


def _sort_value(snapshot: _Snapshot, one: Any, hit: tuple[int, str, str, Source]) -> Any:
    path = one if isinstance(one, str) else next(iter(one))
    if path in ("_doc", "_shard_doc"):
        return hit[0]
    return _value(snapshot.mapped, path, hit[3])


def _cut(source: Source, wanted: Any) -> Source:
    """The paths asked for; a document keeps its nesting."""
    if wanted is True:
        return source
    found: dict[str, Any] = {}
    for path in wanted:
        if path in source:
            found[path] = source[path]
            continue
        head, _, tail = path.partition(".")
        if head not in source:
            continue
        if not tail:
            found[head] = source[head]
        elif isinstance(source[head], Mapping):
            found[head] = {**found.get(head, {}), **_cut(source[head], [tail])}
        else:
            found[head] = source[head]
    return found


def _aggregated(
    asked: Mapping[str, Any],
    sources: Sequence[tuple[Source, str]],
    mapped: Mapping[str, Mapping[str, Any]],
) -> Any:
    if "filters" in asked:
        buckets = []
        for one in asked["filters"]["filters"]:
            matches = condition(one, mapped)
            inner = [pair for pair in sources if matches(*pair)]
            under = {
                name: _aggregated(its, inner, mapped)
                for name, its in (asked.get("aggs") or {}).items()
            }
            buckets.append({"doc_count": len(inner), **under})
        return {"buckets": buckets}
    path = asked["stats"]["field"]
    found = (_value(mapped, path, source) for source, _ in sources)
    values = [float(value) for value in found if value is not None]
    if not values:
        return {"count": 0, "min": None, "max": None, "sum": 0.0}
    return {
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "sum": math.fsum(values),
    }


Matches = Callable[[Source, str], bool]


def condition(query: Mapping[str, Any], mapped: Mapping[str, Mapping[str, Any]]) -> Matches:
    ((kind, of),) = query.items()
    if kind == "match_all":
        return lambda source, identity: True
    if kind == "bool":
        every = [condition(one, mapped) for one in _several(of.get("filter"), of.get("must"))]
        none = [condition(one, mapped) for one in _several(of.get("must_not"))]
        return lambda source, identity: (
            all(one(source, identity) for one in every)
            and not any(one(source, identity) for one in none)
        )
    if kind == "exists":
        return lambda source, identity: _value(mapped, of["field"], source) is not None
    if kind == "ids":
        return lambda source, identity: identity in of["values"]
    if kind not in ("term", "terms", "range"):
        raise Refused(400, "parsing_exception", f"unknown query [{kind}]")
    ((path, wanted),) = of.items()
    its = mapped.get(path, {}).get("type", "keyword")
    if kind == "range":
        return _range(mapped, path, its, wanted)
    values = [kept_as(its, one) for one in (wanted if kind == "terms" else [wanted])]
    return lambda source, identity: _value(mapped, path, source) in values


def _range(
    mapped: Mapping[str, Mapping[str, Any]], path: str, kind: str, wanted: Mapping[str, Any]
) -> Matches:
    low = kept_as(kind, wanted["gte"])
    high = kept_as(kind, wanted["lt"])

    def matches(source: Source, identity: str) -> bool:
        value = _value(mapped, path, source)
        return value is not None and low <= value < high

    return matches


def _several(*given: Any) -> list[Any]:
    found: list[Any] = []
    for one in given:
        found += one if isinstance(one, list) else [] if one is None else [one]
    return found


def documents(*sources: tuple[str, str]) -> list[tuple[str, Source]]:
    """Documents of JSON as it is written, so that numbers keep their digits."""
    return [(identity, read_json(text.encode())) for identity, text in sources]
