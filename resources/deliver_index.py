"""Deliveries to an index of Elasticsearch: documents by id, those alone that have changed.

Here: the course of one delivery, and the requests that write. Not here: requests and errors in
general (`elasticsearch_wire.py`), rows as documents (`deliver_documents.py`), searches.

An index knows no transactions. So all rows are looked at before the first is written, what was
written stays where a run ends early, and another run writes only what lacks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from resources import elasticsearch
from resources.deliver import Delivery, IndexTarget, Receipt
from resources.deliver_documents import Documents, mapping, rooms
from resources.deliver_values import checked, matched
from resources.described import IndexSource
from resources.digests import Digests
from resources.elasticsearch_values import Fields, fields_of
from resources.elasticsearch_wire import BusyError, ForbiddenError, Session, cleaned
from resources.errors import LakeError, PermanentError, TransientError
from resources.json_values import write_json
from resources.settings import Connection
from resources.source import Column, Table
from resources.types import parse_type

#: Documents and bytes of one request: 1,000 of 300 bytes are 0.3 MB, a server takes 100 MB.
_MOST, _BYTES = 1_000, 5 << 20
#: Seconds to wait when the server says 429, one after another.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
#: By which a document is found whatever its text; a `text` is cut into words.
_FOUND_BY = {"keyword", "constant_keyword", "wildcard", "date", "boolean"}
_FOUND_BY |= {"byte", "short", "integer", "long"}

#: What is sent for one document: its id and lines of the bulk interface.
Action = tuple[str, str]


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: documents that differ, then away with those that are no longer in it."""
    session = Session(name, connection)
    session.open()
    try:
        return _IndexDelivery(session, delivery).run(name, connection)
    finally:
        session.close()


class _IndexDelivery:
    def __init__(self, session: Session, delivery: Delivery) -> None:
        assert isinstance(delivery.target, IndexTarget)
        self._session = session
        self._delivery = delivery
        self._target = delivery.target
        self._path = quote(delivery.target.name, safe="")
        self._what = f"{delivery.what}, {delivery.target.name}"
        self._at = f"{delivery.target.name} of {session.where}"
        self._bytes = 0
        self._changed = 0

    def run(self, name: str, connection: Connection) -> Receipt:
        fields = self._fields()
        own = self._own(fields)
        ids = self._looked_at(fields)
        with self._written():
            for some in _chunks(self._documents(ids)):
                self._write(some)
            if self._target.mode == "replace":
                self._ask("POST", "_refresh")
                self._remove(name, connection, own, ids)
                self._count(own, len(ids))
        route = f"{self._session.shown}, bulk by id"
        return Receipt(len(ids), self._bytes, route, self._at, changed=bool(self._changed))

    # -- before anything is written

    def _fields(self) -> Fields:
        found = self._mapping()
        if found is None and self._target.make:
            self._ask("PUT", "", {"mappings": mapping(self._delivery.columns)})
            found = self._mapping()
        if found is None:
            body = json.dumps({"mappings": mapping(self._delivery.columns)}, ensure_ascii=False)
            raise PermanentError(
                f"{self._delivery.what}, {self._at}: there is no such index. Nothing was written. "
                f"Correct `name`, write `make: true`, or have it made: PUT /{self._target.name} "
                f"{body}"
            )
        if len(found) > 1:
            raise PermanentError(
                f"{self._delivery.what}, {self._at}: this alias stands for {len(found)} indices, "
                "so an id is not one document. Nothing was written. Name one index."
            )
        return fields_of(found)

    def _mapping(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._ask("GET", "_mapping")
        except PermanentError as error:
            if "index_not_found" not in str(error):
                raise
            return None
        return found or None

    def _own(self, fields: Fields) -> Mapping[str, Any]:
        """The query by which documents are this partition's."""
        paths = {one.name: one.source for one in self._delivery.columns}
        conditions = []
        for name, value in self._delivery.replaced.items():
            if self._target.mode == "upsert":
                break
            mapped = fields.mapped.get(paths[name])
            if mapped is not None and not mapped.types <= _FOUND_BY:
                raise PermanentError(
                    f"{self._delivery.what}, {self._at}: {paths[name]!r} is {mapped.shown}, by "
                    "which the partition's documents cannot be found. Nothing was written. Have "
                    "it mapped as keyword or date, or write mode: upsert."
                )
            conditions.append({"term": {paths[name]: value}})
        return {"bool": {"filter": conditions}} if conditions else {"match_all": {}}

    def _looked_at(self, fields: Fields) -> Digests:
        """The ids of all rows, when all of them fit and no id is there twice."""
        delivery = self._delivery
        keyed = {one.source for one in delivery.named(self._target.id)}
        found = [
            replace(room, nullable=room.nullable and room.name not in keyed)
            for room in matched(delivery, rooms(delivery, fields), self._at)
        ]
        documents = Documents(delivery)
        ids = Digests()
        for batch in checked(delivery, found, self._at):
            ids.add(documents.ids(batch, self._at))
        twice = ids.settle()
        if twice:
            raise PermanentError(
                f"{delivery.what}, {self._at}: {twice:,} ids ({', '.join(self._target.id)}) have "
                "more than one row, so it is not said which of them is meant. Nothing was "
                "written. Make the id unique in the dataset (a `unique` gate), or name more "
                "columns."
            )
        return ids

    # -- writing

    def _documents(self, ids: Digests) -> Iterator[Action]:
        """Id and JSON of each row: the rows that were looked at, and no others."""
        documents = Documents(self._delivery)
        rows = 0
        for batch in self._delivery.batches:
            names = documents.ids(batch, self._at)
            rows += len(names)
            if not ids.have(names).all():
                raise self._republished()
            yield from zip(names, documents.texts(batch), strict=True)
        if rows != len(ids):
            raise self._republished()

    def _republished(self) -> LakeError:
        return TransientError(
            f"{self._what}: the dataset was published anew while it was delivered; try again."
        )

    def _write(self, some: Sequence[Action]) -> None:
        found = self._ask("POST", "_mget", {"ids": [identity for identity, _ in some]})
        docs = found.get("docs") if isinstance(found, dict) else None
        if not isinstance(docs, list) or len(docs) != len(some):
            raise TransientError(f"{self._what}: the answer has not the documents asked for.")
        actions = []
        for (identity, text), there in zip(some, docs, strict=True):
            if "error" in there:
                raise TransientError(
                    f"{self._what}: a shard of the index does not answer; try again when the "
                    "cluster is whole."
                )
            if not there.get("found"):
                actions.append((identity, f"{_line('create', identity)}{text}\n"))
            elif write_json(there.get("_source")) != text:
                actions.append((identity, f"{_line('index', identity, there)}{text}\n"))
        self._bulk(actions)

    def _remove(
        self, name: str, connection: Connection, own: Mapping[str, Any], ids: Digests
    ) -> None:
        """Away with the partition's documents that were not delivered, if nobody changed them."""
        columns = (Column("id", "_id", parse_type("string")),)
        table = Table(columns, of=IndexSource(name=self._target.name, query=dict(own)))
        with (
            elasticsearch.connect(name, connection) as reader,
            reader.read(table) as reading,
        ):
            for batch in reading.batches:
                names = batch.column(0).to_pylist()
                have = ids.have(names)
                old = [one for one, kept in zip(names, have, strict=True) if not kept]
                for start in range(0, len(old), _MOST):
                    self._remove_some(own, old[start : start + _MOST])

    def _remove_some(self, own: Mapping[str, Any], names: Sequence[str]) -> None:
        # What another delivery has put into its own partition by now is that one's.
        query = {"bool": {"filter": [own, {"ids": {"values": list(names)}}]}}
        body = {"query": query, "size": len(names), "_source": False, "seq_no_primary_term": True}
        answer = self._ask("POST", "_search?allow_partial_search_results=false", body)
        hits = answer["hits"]["hits"]
        self._bulk([(str(one["_id"]), _line("delete", str(one["_id"]), one)) for one in hits])

    def _bulk(self, actions: Sequence[Action]) -> None:
        """All of them done; an item that the server is too busy for is sent again."""
        left = list(actions)
        for pause in (*PAUSES, None):
            if not left:
                return
            body = "".join(lines for _, lines in left).encode()
            try:
                answer = self._ask("POST", "_bulk", body)
            except BusyError:
                if pause is None:
                    raise
            else:
                self._bytes += len(body)
                left = self._refused(answer, left)
            if left and pause is not None:
                time.sleep(pause)
        if left:
            raise TransientError(
                f"{self._what}: the server was too busy for {len(left):,} documents (429), "
                f"{len(PAUSES) + 1} times within {sum(PAUSES):g} s; try again later."
            )

    def _refused(self, answer: Any, sent: Sequence[Action]) -> list[Action]:
        """What is to be sent again; an error where an item failed otherwise."""
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list) or len(items) != len(sent):
            raise TransientError(f"{self._what}: the answer has not one item for each document.")
        again, wrong, conflicts = [], [], 0
        for action, item in zip(sent, items, strict=True):
            (of,) = item.values()
            status = int(of["status"])
            if status == 429:
                again.append(action)
            elif status == 409:
                conflicts += 1
            elif "error" in of:
                wrong.append((action[0], status, of["error"]))
        self._changed += len(sent) - len(again) - len(wrong) - conflicts
        if wrong:
            identity, status, error = wrong[0]
            kind = TransientError if status >= 500 else PermanentError
            personal = any(one.personal for one in self._delivery.named(self._target.id))
            shown = "" if personal else f" (the document {identity[:80]!r})"
            raise kind(
                f"{self._what}: the server refuses {len(wrong):,} documents; the first{shown}: "
                f"{error.get('type')}: {cleaned(str(error.get('reason')))}. Correct it in the "
                "dataset, or have the mapping changed."
            )
        if conflicts:
            raise TransientError(
                f"{self._what}: {conflicts:,} documents were changed by another at the same time; "
                "try again."
            )
        return again

    def _count(self, own: Mapping[str, Any], rows: int) -> None:
        if self._changed:
            self._ask("POST", "_refresh")
        found = int(self._ask("POST", "_count", {"query": own})["count"])
        if found != rows:
            raise PermanentError(
                f"{self._what}: {found:,} documents are there of {rows:,} delivered: another "
                "writes documents of this partition, or a pipeline of the index changes them. Ask "
                "its owner."
            )

    # -- asking

    def _ask(self, method: str, end: str, body: Mapping[str, Any] | bytes | None = None) -> Any:
        target = f"/{self._path}/{end}".rstrip("/")
        try:
            return self._session.ask(method, target, self._what, body)
        except ForbiddenError as error:
            said = str(error).partition(" What to do:")[0]
            raise PermanentError(
                f"{said} What to do: ask for a role with the privileges read, write, maintenance "
                "and view_index_metadata on the index (and create_index, for `make`)."
            ) from None

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except LakeError as error:
            count = f"{self._changed:,} documents were" if self._changed else "Nothing was"
            stays = " before that and stay; another run writes what lacks" if self._changed else ""
            raise type(error)(f"{error} {count} written{stays}.") from None


def _line(action: str, identity: str, there: Mapping[str, Any] | None = None) -> str:
    """What is done, on the condition that the document is still as it was seen."""
    of: dict[str, Any] = {"_id": identity}
    if there is not None:
        of |= {"if_seq_no": there["_seq_no"], "if_primary_term": there["_primary_term"]}
    return f"{write_json({action: of})}\n"


def _chunks(actions: Iterator[Action]) -> Iterator[list[Action]]:
    some: list[Action] = []
    size = 0
    for one in actions:
        its = len(one[1]) if one[1].isascii() else len(one[1].encode())
        if some and (len(some) == _MOST or size + its > _BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += its
    if some:
        yield some
