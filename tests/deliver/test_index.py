"""Documents of an index are those that were delivered, and a rerun changes none of them.

No real Elasticsearch server is to be had here: everything runs against `WritableSearch`, which is
a stand-in, and says nothing of what a real server does beyond its documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lake_assets.sample.search_index import Index, documents
from lake_assets.sample.search_writes import WritableSearch
from lake_assets.sample.services import Answer, Request, serving
from resources import deliver_index
from resources.deliver import Delivery, IndexTarget, Receipt
from resources.deliver_documents import mapping
from resources.described import IndexSource
from resources.digests import Digests
from resources.elasticsearch import connect
from resources.errors import PermanentError, TransientError
from resources.settings import Connection
from resources.source import Column, Table
from resources.types import parse_type

TYPES = {
    "id": "string",
    "dt": "date",
    "n": "int64",
    "amount": "decimal(18,2)",
    "wide": "decimal(38,10)",
    "name": "string",
    "ok": "boolean",
    "x": "float64",
    "local": "timestamp",
    "at": "timestamptz",
}
#: Their names in the documents, where these are others.
NAMES = {"name": "user.이름", "ok": "user.ok%s"}
DAY, OTHER = date(2025, 7, 1), date(2025, 7, 2)
FULL: dict[str, Any] = {
    "id": "가/1?",
    "dt": DAY,
    "n": 2**53 + 1,
    "amount": Decimal("9999999999999999.99"),
    "wide": Decimal("9999999999999999999999999999.0000000001"),
    "name": "가, \"나\"\n\\.\t'다' 😀 %s",
    "ok": False,
    "x": 1e-7,
    "local": datetime(2025, 7, 1, 23, 59, 59, 123456),
    "at": datetime(2025, 6, 30, 15, 0, 0, 1, tzinfo=timezone.utc),
}
NULLS = {**dict.fromkeys(TYPES), "id": "2", "dt": DAY}
EMPTY = {**NULLS, "id": "3", "name": ""}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver_index, "PAUSES", (0.0, 0.0))


def columns(types: dict[str, str] = TYPES) -> tuple[Column, ...]:
    return tuple(
        Column(name, NAMES.get(name, name), parse_type(kind)) for name, kind in types.items()
    )


def delivery(
    rows: list[dict[str, Any]],
    mode: str = "replace",
    key: tuple[str, ...] = ("id",),
    types: dict[str, str] = TYPES,
    day: date | None = DAY,
    **target: Any,
) -> Delivery:
    made = columns(types)
    schema = pa.schema([(one.name, one.type.arrow()) for one in made])
    table = pa.Table.from_pylist(rows, schema)
    of = IndexTarget(name="sales", id=list(key), mode=mode, **target)  # type: ignore[arg-type]
    replaced = {"dt": f"{day}"} if day else {}
    return Delivery("out/es/sales 2025-07-01", of, made, table.to_batches(2), replaced)


def standin(types: dict[str, str] = TYPES, **of: Any) -> WritableSearch:
    return WritableSearch({"sales": Index(mapping(columns(types)), [])}, **of)


def deliver(service: Callable[[Request], Answer], one: Delivery, **connection: Any) -> Receipt:
    with serving(service) as url:
        address = Connection(kind="elasticsearch", **{"url": url, **connection})
        return deliver_index.deliver("es", address, one)


def found(served: WritableSearch, types: dict[str, str] = TYPES) -> list[dict[str, Any]]:
    """The documents, as the lake's own source reads them when the index has refreshed itself."""
    served(Request("POST", "/sales/_refresh", {}, b""))
    table = Table(columns(types), of=IndexSource(name="sales"))
    with (
        serving(served) as url,
        connect("es", Connection(kind="elasticsearch", url=url)) as source,
        source.read(table) as reading,
    ):
        rows = pa.Table.from_batches(reading.batches, reading.schema).to_pylist()
    return sorted(rows, key=lambda row: str(row["id"]))


def by_id(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["id"]))


@pytest.mark.parametrize("version", [(7, 10), (7, 17), (8, 19), (9, 1)])
def test_value_by_value_and_a_rerun_writes_nothing_against_a_standin(
    version: tuple[int, int],
) -> None:
    served = standin(version=version)
    receipt = deliver(served, delivery([FULL, NULLS, EMPTY]))
    assert (receipt.rows, receipt.changed) == (3, True)
    assert receipt.route == f"Elasticsearch {version[0]}.{version[1]}, bulk by id"
    assert found(served) == by_id(FULL, NULLS, EMPTY)
    last = served.written["sales"].last
    receipt = deliver(served, delivery([EMPTY, FULL, NULLS]))
    assert (receipt.rows, receipt.changed, receipt.bytes) == (3, False, 0)
    assert served.written["sales"].last == last == 3
    # Of many the one that differs is written.
    assert deliver(served, delivery([FULL, {**NULLS, "x": 0.5}, EMPTY])).changed
    assert served.written["sales"].last == 4
    assert found(served) == by_id(FULL, {**NULLS, "x": 0.5}, EMPTY)


def test_a_document_is_as_it_should_be_read() -> None:
    served = standin()
    deliver(served, delivery([FULL]))
    ((_, source),) = served.written["sales"].documents.values()
    assert list(served.written["sales"].documents) == ["가/1?"]
    assert source == {
        "id": "가/1?",
        "dt": "2025-07-01",
        "n": "9007199254740993",
        "amount": "9999999999999999.99",
        "wide": "9999999999999999999999999999.0000000001",
        "user": {"이름": FULL["name"], "ok%s": False},
        "x": "1e-07",
        "local": "2025-07-01T23:59:59.123456+09:00",
        "at": "2025-06-30T15:00:00.000001Z",
    }


def test_a_partition_is_replaced_and_no_other_against_a_standin() -> None:
    served = standin()
    other = {**FULL, "id": "9", "dt": OTHER}
    deliver(served, delivery([other], day=OTHER))
    deliver(served, delivery([FULL, NULLS, EMPTY]))
    assert deliver(served, delivery([NULLS])).changed
    assert found(served) == by_id(NULLS, other)
    # A row that has gone to another day is that day's.
    moved = {**NULLS, "dt": OTHER}
    deliver(served, delivery([other, moved], day=OTHER))
    assert deliver(served, delivery([])).changed is False
    assert found(served) == by_id(moved, other)
    deliver(served, delivery([EMPTY], day=None))
    assert found(served) == [EMPTY]


def test_upsert_removes_nothing_against_a_standin() -> None:
    served = standin()
    deliver(served, delivery([FULL, NULLS], "upsert"))
    deliver(served, delivery([{**NULLS, "n": 5}, EMPTY], "upsert"))
    assert found(served) == by_id(FULL, {**NULLS, "n": 5}, EMPTY)


def test_many_go_in_bounded_requests_and_go_away_again_against_a_standin() -> None:
    served = standin()
    sizes: list[int] = []

    def service(request: Request) -> Answer:
        if request.target.endswith("_bulk"):
            sizes.append(len(request.body))
        return served(request)

    long = "가" * 3_000
    rows = [{**NULLS, "id": f"{i}", "name": long} for i in range(2_500)]
    deliver(service, delivery(rows))
    assert len(sizes) == 5  # 22.9 MB
    assert max(sizes) < 5.5 * 2**20
    sizes.clear()
    deliver(service, delivery(rows[:200]))
    assert len(sizes) == 3  # 2,300 away, 1,000 at a time
    assert len(found(served)) == 200


def test_ids_of_several_columns_do_not_meet_against_a_standin() -> None:
    served = standin()
    rows = [{**NULLS, "id": one, "name": other} for one, other in (("a|", "b"), ("a", "|b"))]
    deliver(served, delivery([*rows, {**NULLS, "id": "a%7C", "name": "b"}], key=("id", "name")))
    assert list(served.written["sales"].documents) == ["a%7C|b", "a|%7Cb", "a%257C|b"]
    typed = standin()
    deliver(typed, delivery([FULL], key=("n", "dt", "local")))
    assert list(typed.written["sales"].documents) == [
        "9007199254740993|2025-07-01|2025-07-01T23:59:59.123456+09:00"
    ]


def test_an_index_is_made_where_that_is_asked_for_against_a_standin() -> None:
    served = WritableSearch({"sale": Index({}, [])})
    with pytest.raises(PermanentError) as told:
        deliver(served, delivery([FULL]))
    assert "there is no such index. Nothing was written. Correct `name`, write `make: true`" in str(
        told.value
    )
    assert 'PUT /sales {"mappings": {"dynamic": "strict", "properties": {"id": ' in str(told.value)
    assert "sales" not in served.indices
    for _ in range(2):
        deliver(served, delivery([FULL], make=True))
        assert found(served) == [FULL]
    made: Any = served.indices["sales"].mappings
    assert made["properties"]["amount"] == {"type": "keyword"}  # a double has no 18 digits
    assert made["properties"]["user"]["properties"]["이름"] == {"type": "keyword"}


# -- what is refused before anything is written


FIRST = {**NULLS, "id": "first"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "'id' is NULL, which 'id' may not be"),
    ({"id": ""}, "'id' makes an _id that is empty or longer than 512 bytes"),
    ({"id": "가" * 171}, "'id' makes an _id that is empty or longer than 512 bytes"),
    ({"id": "first"}, r"1 ids \(id\) have more than one row"),
    ({"name": "가" * 10_923}, "is too long for 'user.이름', keyword"),
    ({"x": float("nan")}, "'x' is NaN or infinite"),
]


@pytest.mark.parametrize(("values", "said"), WRONG)
def test_a_row_that_does_not_fit_against_a_standin(values: dict[str, Any], said: str) -> None:
    served = standin()
    with pytest.raises(PermanentError, match=said) as told:
        deliver(served, delivery([FIRST, FULL, {**EMPTY, **values}]))
    assert "Nothing was written" in str(told.value)
    assert served.written.get("sales") is None


def test_fields_that_do_not_fit_are_named_all_at_once_against_a_standin() -> None:
    kinds = {
        "id": {"type": "keyword"},
        "dt": {"type": "date", "format": "epoch_second"},
        "n": {"type": "integer"},
        "amount": {"type": "float"},
        "nam": {"type": "keyword"},
        "at": {"type": "keyword"},
    }
    served = WritableSearch({"sales": Index({"properties": kinds}, [])})
    types = {name: TYPES[name] for name in ("id", "dt", "n", "amount", "name", "at")}
    with pytest.raises(PermanentError) as told:
        deliver(served, delivery([], types=types))
    said = str(told.value)
    assert "'dt' is date (epoch_second), and date does not fit" in said
    assert "'n' is integer, and int64 does not fit" in said
    assert "'amount' is float, and decimal(18,2) does not fit" in said
    assert "it has no column 'user.이름'" in said
    assert "'at' is keyword, and timestamptz does not fit" in said


def test_a_partition_field_that_is_cut_into_words_is_refused_against_a_standin() -> None:
    types = {"id": "string", "dt": "string"}
    kinds = {"id": {"type": "keyword"}, "dt": {"type": "text"}}
    served = WritableSearch({"sales": Index({"properties": kinds}, [])})
    one = delivery([{"id": "1", "dt": "2025-07-01"}], types=types)
    with pytest.raises(PermanentError, match="'dt' is text, by which .* cannot be found"):
        deliver(served, one)
    assert deliver(served, replace(one, target=one.target.model_copy(update={"mode": "upsert"})))


# -- what goes wrong while it is written


def test_a_server_that_is_busy_is_asked_again_against_a_standin() -> None:
    served = standin(busy=2)
    deliver(served, delivery([FULL, NULLS, EMPTY]))
    assert found(served) == by_id(FULL, NULLS, EMPTY)
    served = standin(busy=1_000)
    with pytest.raises(TransientError) as told:
        deliver(served, delivery([FULL, NULLS, EMPTY]))
    assert (
        "too busy for 3 documents (429), 3 times within 0 s; try again later. Nothing was wri"
        in (str(told.value))
    )


def _changing(served: WritableSearch, what: Callable[[Request, Answer], Answer]) -> Any:
    return lambda request: what(request, served(request))


def test_a_whole_request_that_is_refused_with_429_is_sent_again_against_a_standin() -> None:
    served, times = standin(), 0

    def service(request: Request) -> Answer:
        nonlocal times
        if request.target.endswith("_bulk") and times < 2:
            times += 1
            error = {"type": "es_rejected_execution_exception", "reason": "rejected"}
            return Answer(429, json.dumps({"error": error, "status": 429}).encode())
        return served(request)

    deliver(service, delivery([FULL]))
    assert (found(served), times) == ([FULL], 2)
    times = -5
    served = standin()
    with pytest.raises(TransientError, match=r"429.*try again later\. Nothing was written"):
        deliver(service, delivery([FULL]))


def test_an_item_that_is_refused_is_told_without_its_value_against_a_standin() -> None:
    kinds = {"id": "keyword", "dt": "date", "name": "keyword"}
    properties = {NAMES.get(name, name): {"type": kind} for name, kind in kinds.items()}
    served = WritableSearch({"sales": Index({"properties": properties}, [])})
    types = {name: TYPES[name] for name in kinds}
    reason = (
        "[1:9] failed to parse field [n] of type [long] in document with id '비밀-id'. Preview of "
        "field's value: '비밀'"
    )

    def spoilt(request: Request, answer: Answer) -> Answer:
        if not request.target.endswith("_bulk"):
            return answer
        body = json.loads(answer.body)
        error = {"type": "document_parsing_exception", "reason": reason}
        body["items"][1]["create"] |= {"status": 400, "error": error}
        return replace(answer, body=json.dumps(body).encode())

    rows = [{"id": one, "dt": DAY, "name": "x"} for one in ("1", "2", "3")]
    with pytest.raises(PermanentError) as told:
        deliver(_changing(served, spoilt), delivery(rows, types=types))
    said = str(told.value)
    assert (
        "the server refuses 1 documents; the first (the document '2'): document_parsing_exception: "
        "[1:9] failed to parse field [n] of type [long] in document with id (a value). Preview of "
        "field's value: (a value)"
    ) in said
    assert "2 documents were written before that and stay; another run writes what lacks." in said
    assert "비밀" not in said


def test_another_writer_at_the_same_time_is_noticed_against_a_standin() -> None:
    served = standin()
    deliver(served, delivery([FULL, NULLS]))

    def between(request: Request, answer: Answer) -> Answer:
        if request.target.endswith("_mget"):
            theirs = served.written["sales"]
            number, source = theirs.documents["2"]
            theirs.documents["2"] = (number + 100, {**source, "n": "7"})
        return answer

    with pytest.raises(TransientError, match="1 documents were changed by another at the same"):
        deliver(_changing(served, between), delivery([FULL, {**NULLS, "n": 8}]))
    assert {row["id"]: row["n"] for row in found(served)}["2"] == 7


def test_what_another_day_took_over_meanwhile_stays_against_a_standin() -> None:
    served = standin()
    deliver(served, delivery([FULL, NULLS]))
    moved = False

    def between(request: Request, answer: Answer) -> Answer:
        nonlocal moved
        asks = request.target.partition("?")[0].endswith("sales/_search")
        if asks and b"seq_no" in request.body and not moved:
            moved = True
            number, source = served.written["sales"].documents["2"]
            served.written["sales"].documents["2"] = (number + 100, {**source, "dt": f"{OTHER}"})
        return answer

    with pytest.raises(TransientError, match="changed by another at the same time"):
        deliver(_changing(served, between), delivery([FULL]))
    assert {row["id"]: row["dt"] for row in found(served)} == {"가/1?": DAY, "2": OTHER}
    deliver(served, delivery([FULL]))
    assert {row["id"]: row["dt"] for row in found(served)} == {"가/1?": DAY, "2": OTHER}


def test_what_another_day_took_over_since_the_search_stays_against_a_standin() -> None:
    served = standin()
    deliver(served, delivery([FULL, NULLS]))

    def between(request: Request, answer: Answer) -> Answer:
        """Another delivery comes and goes when the snapshot is taken."""
        if request.target.partition("?")[0].endswith("_pit") and request.method == "POST":
            theirs = served.written["sales"]
            number, source = theirs.documents["2"]
            theirs.documents["2"] = (number + 100, {**source, "dt": f"{OTHER}"})
            served(Request("POST", "/sales/_refresh", {}, b""))
        return answer

    deliver(_changing(served, between), delivery([FULL]))
    assert {row["id"]: row["dt"] for row in found(served)} == {"가/1?": DAY, "2": OTHER}


def test_documents_of_somebody_else_are_counted_against_a_standin() -> None:
    served = standin()

    def pipeline(request: Request, answer: Answer) -> Answer:
        """As an ingest pipeline that drops a document does."""
        if request.target.endswith("_bulk"):
            served.written["sales"].documents.pop("2", None)
        return answer

    with pytest.raises(PermanentError, match="1 documents are there of 2 delivered: another"):
        deliver(_changing(served, pipeline), delivery([FULL, NULLS]))


def test_no_right_names_the_privileges_against_a_standin() -> None:
    served = standin()
    error = {"type": "security_exception", "reason": "action [indices:data/write/bulk] is no"}

    def service(request: Request) -> Answer:
        if request.target.endswith("_bulk"):
            return Answer(403, json.dumps({"error": error, "status": 403}).encode())
        return served(request)

    with pytest.raises(PermanentError, match="privileges read, write, maintenance and view_index"):
        deliver(service, delivery([FULL]))


def test_a_connection_that_is_cut_and_the_run_after_it_against_a_standin() -> None:
    served, answers = standin(), 0

    def cut(request: Request, answer: Answer) -> Answer:
        nonlocal answers
        answers += request.target.endswith("_bulk")
        return replace(answer, cut=5) if answers == 2 else answer

    rows = [{**NULLS, "id": f"{i}"} for i in range(2_500)]
    with pytest.raises(TransientError, match="1,000 documents were written before that and stay"):
        deliver(_changing(served, cut), delivery(rows))
    assert deliver(served, delivery(rows)).changed
    assert len(found(served)) == 2_500
    assert served.written["sales"].last == 2_500, "none was written twice"


def test_a_dataset_that_is_published_anew_meanwhile_is_noticed() -> None:
    class Twice:
        def __init__(self) -> None:
            self.rows = [FULL]

        def __iter__(self) -> Iterator[pa.RecordBatch]:
            yield from delivery(self.rows).batches
            self.rows = [NULLS]

    served = standin()
    with pytest.raises(TransientError, match="published anew while it was delivered"):
        deliver(served, replace(delivery([FULL]), batches=Twice()))
    assert found(served) == []


def test_ids_are_known_by_their_digests() -> None:
    ids = Digests()
    ids.add(f"{i}" for i in range(10_000))
    assert ids.settle() == 0
    assert list(ids.have(["9999", "10000", "", "0"])) == [True, False, False, True]
    assert list(Digests().have(["x"])) == [False]
    ids = Digests()
    ids.add(["a", "b", "a", "a"])
    assert ids.settle() == 2


def test_an_alias_of_two_indices_is_refused_against_a_standin() -> None:
    served = standin()
    served.indices["sales-1"] = served.indices["sales"]
    served.indices["sales-2"] = Index(mapping(columns()), documents(("1", "{}")))

    def alias(request: Request, answer: Answer) -> Answer:
        if request.target.endswith("_mapping"):
            return served(replace(request, target="/sales-*/_mapping"))
        return answer

    with pytest.raises(PermanentError, match="this alias stands for 2 indices"):
        deliver(_changing(served, alias), delivery([FULL]))
