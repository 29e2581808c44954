"""A stand-in for Elasticsearch that is written to, beside being searched.

Here: as much of indexing as a delivery needs: making an index, documents by id (mget), the bulk
interface with its conditions and errors by item, refresh and count, over documents in memory. No
real server's behaviour is proved by it. Not here: searches (`search_index.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from lake_assets.sample.search_index import (
    Index,
    Refused,
    SearchStandin,
    Source,
    condition,
    fields,
    kept_as,
)
from lake_assets.sample.services import Request
from resources.json_values import Digits, JsonError, read_json

#: What an id may be long, in bytes.
_ID_BYTES = 512


@dataclass
class _Written:
    """Documents as they are: a search finds them after a refresh. `last` numbers the writes.

    `seen` are the numbers that they had at the last refresh.
    """

    documents: dict[str, tuple[int, Source]]
    last: int
    seen: dict[str, int]


@dataclass
class WritableSearch(SearchStandin):
    """What answers requests that write, too. `busy`: how often more it says 429 to an item."""

    written: dict[str, _Written] = field(default_factory=dict)
    busy: int = 0

    def _routed(self, request: Request) -> Any:
        url = urlsplit(request.target)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        match request.method, parts:
            case "PUT", [name]:
                return self._made(name, _json(request.body))
            case "POST", [name, "_mget"]:
                found = self._of_index(name)
                return {"docs": [_got(found, str(one)) for one in _json(request.body)["ids"]]}
            case "POST", [name, "_bulk"]:
                return self._bulk(name, request)
            case "POST", [name, "_refresh"]:
                found = self._of_index(name)
                found.seen = {key: number for key, (number, _) in found.documents.items()}
                documents = [(key, source) for key, (_, source) in found.documents.items()]
                self.indices[name] = Index(self.indices[name].mappings, documents)
                return {"_shards": {"total": 1, "successful": 1, "failed": 0}}
            case "POST", [name, "_count"]:
                return self._count(name, _json(request.body))
        return super()._routed(request)

    def _made(self, name: str, body: Mapping[str, Any]) -> Any:
        if name in self.indices:
            raise Refused(400, "resource_already_exists_exception", f"index [{name}] exists")
        if name != name.lower():
            raise Refused(400, "invalid_index_name_exception", "must be lowercase")
        self.indices[name] = Index(body.get("mappings") or {}, [])
        return {"acknowledged": True, "index": name}

    def _of_index(self, name: str) -> _Written:
        (real,) = self._named(name)
        if real not in self.written:
            there = self.indices[real].documents
            numbered = {key: (number, source) for number, (key, source) in enumerate(there)}
            seen = {key: number for key, (number, _) in numbered.items()}
            self.written[real] = _Written(numbered, len(there), seen)
        return self.written[real]

    def _plain_search(self, name: str, words: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        answer = super()._plain_search(name, words, body)
        if body.get("seq_no_primary_term"):
            seen = self._of_index(name).seen
            for hit in answer["hits"]["hits"]:
                hit |= {"_seq_no": seen[hit["_id"]], "_primary_term": 1}
        return answer

    def _count(self, name: str, body: Mapping[str, Any]) -> Any:
        index = self.indices[name]
        matches = condition(body["query"], fields(index.mappings))
        count = sum(1 for identity, source in index.documents if matches(source, identity))
        return {"count": count, "_shards": {"total": 1, "successful": 1, "failed": 0}}

    def _bulk(self, name: str, request: Request) -> Any:
        if "ndjson" not in request.headers.get("content-type", ""):
            raise Refused(406, "media_type_header_exception", "bulk takes lines of JSON")
        if not request.body.endswith(b"\n"):
            reason = "The bulk request must be terminated by a newline [\\n]"
            raise Refused(400, "illegal_argument_exception", reason)
        lines = iter(request.body.decode().rstrip("\n").split("\n"))
        items = []
        for line in lines:
            ((action, of),) = _json(line).items()
            source = None if action == "delete" else _json(next(lines))
            items.append({action: {"_index": name, **self._item(name, action, of, source)}})
        errors = any("error" in one for item in items for one in item.values())
        return {"took": 1, "errors": errors, "items": items}

    def _item(self, name: str, action: str, of: Mapping[str, Any], source: Any) -> Any:
        identity = str(of["_id"])
        told = {"_id": identity}
        try:
            if self.busy:
                self.busy -= 1
                raise Refused(429, "es_rejected_execution_exception", "rejected execution")
            return told | self._done(name, action, identity, of, source)
        except Refused as error:
            cause = {"type": error.kind, "reason": error.reason}
            return told | {"status": error.status, "error": cause}

    def _done(
        self, name: str, action: str, identity: str, of: Mapping[str, Any], source: Any
    ) -> dict[str, Any]:
        found = self._of_index(name)
        there = found.documents.get(identity)
        if not 0 < len(identity.encode()) <= _ID_BYTES:
            raise Refused(400, "illegal_argument_exception", "id is empty or too long")
        asked = of.get("if_seq_no")
        stale = asked is not None and (there is None or there[0] != int(asked))
        if stale or (action == "create" and there is not None):
            raise Refused(409, "version_conflict_engine_exception", f"[{identity}]: conflict")
        if action == "delete":
            if there is None:
                return {"status": 404, "result": "not_found"}
            del found.documents[identity]
            return {"status": 200, "result": "deleted"}
        _check(fields(self.indices[name].mappings), source, identity)
        found.last += 1
        found.documents[identity] = (found.last, source)
        return (
            {"status": 200, "result": "updated"} if there else {"status": 201, "result": "created"}
        )


def _json(data: bytes | str) -> Any:
    try:
        return read_json(data) if data else {}
    except JsonError:
        raise Refused(400, "parse_exception", "a line is no JSON") from None


def _got(found: _Written, identity: str) -> Mapping[str, Any]:
    if identity not in found.documents:
        return {"_id": identity, "found": False}
    number, source = found.documents[identity]
    of = {"_seq_no": number, "_primary_term": 1, "found": True, "_source": source}
    return {"_id": identity, **of}


def _check(mapped: Mapping[str, Mapping[str, Any]], source: Source, identity: str) -> None:
    """As a server parses what it is given: a value must be one of its field's type."""
    for path, value in _leaves(source):
        kind = mapped.get(path, {}).get("type", "keyword")
        number = kind not in ("keyword", "text", "date", "date_nanos", "boolean")
        try:
            if value is not None and (number or kind.startswith("date")):
                kept_as(kind, value)
            if kind == "boolean" and value not in (True, False, None, "true", "false"):
                raise ValueError
        except ValueError:
            raise Refused(
                400,
                "document_parsing_exception",
                f"[1:9] failed to parse field [{path}] of type [{kind}] in document with id "
                f"'{identity}'. Preview of field's value: '{value}'",
            ) from None
        if kind == "keyword" and not isinstance(value, Digits) and len(str(value).encode()) > 32766:
            reason = f'Document contains at least one immense term in field="{path}"'
            raise Refused(400, "illegal_argument_exception", reason)


def _leaves(source: Source, at: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in source.items():
        if isinstance(value, Mapping):
            found += _leaves(value, f"{at}{name}.")
        else:
            found.append((at + name, value))
    return found
