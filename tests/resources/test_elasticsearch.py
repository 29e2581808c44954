"""Documents of an index arrive value by value, or are refused in words.

No real Elasticsearch server is to be had here: everything runs against `SearchStandin`, which is a
stand-in, and says nothing of what a real server does beyond its documentation.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lake_assets.sample.search_index import Index, SearchStandin, documents
from lake_assets.sample.services import Answer, Request, serving
from resources.described import IndexSource
from resources.elasticsearch import connect
from resources.elasticsearch_wire import BusyError
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.source import Column, Span, Table, Totals, Window
from resources.types import parse_type

KEYWORD, LONG = {"type": "keyword"}, {"type": "long"}
MAPPINGS = {
    "properties": {
        "@timestamp": {"type": "date"},
        "id": KEYWORD,
        "n": LONG,
        "amount": {"type": "double"},
        "wide": KEYWORD,
        "이름": KEYWORD,
        "ok": {"type": "boolean"},
        "x": {"type": "double"},
        "day": {"type": "date", "format": "strict_date"},
        "local": {"type": "date"},
        "user": {"properties": {"name": KEYWORD}},
        "tags": {"type": "nested", "properties": {"t": KEYWORD, "v": {"type": "double"}}},
        "calday": KEYWORD,
    }
}
TYPES = {
    "id": ("_id", "string"),
    "at": ("@timestamp", "timestamptz"),
    "n": ("n", "int64"),
    "amount": ("amount", "decimal(38,18)"),
    "wide": ("wide", "decimal(38,0)"),
    "name": ("이름", "string"),
    "ok": ("ok", "boolean"),
    "x": ("x", "float64"),
    "day": ("day", "date"),
    "local": ("local", "timestamp"),
    "user": ("user.name", "string"),
    "tags": ("tags", "string"),
    "tag": ("tags.t", "string"),
}
DOCUMENTS = documents(
    (
        "1",
        """{"@timestamp": "2025-07-01T23:59:59.123456+09:00", "n": 9007199254740993,
        "amount": 12345678901234567890.123456789012345678, "ok": true, "x": 0.1,
        "wide": "99999999999999999999999999999999999999", "이름": "가, \\"나\\"\\n다 'x'",
        "day": "2024-02-29", "local": "2025-07-01T00:00:00Z", "user": {"name": "홍"},
        "tags": [{"t": "a", "v": 1.10}, {"t": "나"}]}""",
    ),
    ("2", '{"@timestamp": 1751382000000, "n": null, "이름": "", "user.name": "김", "tags": []}'),
    ("3", '{"@timestamp": "2025-06-30T15:00:00Z", "n": -1, "amount": -0.5, "x": 1e-3}'),
    ("4", '{"@timestamp": "2025-06-30T14:59:59.999Z", "n": 4}'),
    ("5", '{"n": 5}'),
)
NOTHING: dict[str, Any] = dict.fromkeys(TYPES)


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


ROWS = [
    {
        "id": "1",
        "at": _utc(2025, 7, 1, 14, 59, 59, 123456),
        "n": 2**53 + 1,
        "amount": Decimal("12345678901234567890.123456789012345678"),
        "wide": Decimal(10**38 - 1),
        "name": "가, \"나\"\n다 'x'",
        "ok": True,
        "x": 0.1,
        "day": date(2024, 2, 29),
        "local": datetime(2025, 7, 1, 9),
        "user": "홍",
        "tags": '[{"t": "a", "v": 1.10}, {"t": "나"}]',
        "tag": '["a", "나"]',
    },
    {
        **NOTHING,
        "id": "2",
        "at": _utc(2025, 7, 1, 15),
        "name": "",
        "user": "김",
        "tags": "[]",
    },
    {
        **NOTHING,
        "id": "3",
        "at": _utc(2025, 6, 30, 15),
        "n": -1,
        "amount": Decimal("-0.5"),
        "x": 0.001,
    },
    {**NOTHING, "id": "4", "at": _utc(2025, 6, 30, 14, 59, 59, 999000), "n": 4},
    {**NOTHING, "id": "5", "n": 5},
]
VERSIONS = [(7, 10), (7, 17), (8, 19), (9, 1)]


def standin(**of: Any) -> SearchStandin:
    return SearchStandin({"log-1": Index(MAPPINGS, DOCUMENTS)}, **of)


def table(types: dict[str, tuple[str, str]] = TYPES, index: str = "log-*", **of: Any) -> Table:
    columns = tuple(
        Column(name, source, parse_type(kind)) for name, (source, kind) in types.items()
    )
    query = of.pop("query", None)
    return Table(columns, of=IndexSource(name=index, query=query), **of)


@contextmanager
def source(service: Callable[[Request], Answer], **connection: Any) -> Iterator[Any]:
    with serving(service) as url:
        one = Connection(kind="elasticsearch", **{"url": url, **connection})
        with connect("es", one) as opened:
            yield opened


def read(
    opened: Any, what: Table, span: Span | None = None
) -> tuple[list[dict[str, Any]], dict[str, Totals], str]:
    with opened.read(what, span) as reading:
        rows = pa.Table.from_batches(reading.batches, reading.schema).to_pylist()
        return rows, dict(reading.totals), f"{reading.route}, {reading.reconciled}"


@pytest.mark.parametrize("version", VERSIONS)
def test_value_by_value_against_a_standin(version: tuple[int, int]) -> None:
    served = standin(version=version)
    with source(served) as opened:
        rows, totals, route = read(opened, table())
    assert rows == ROWS
    assert totals == {"": Totals(5, {})}
    how = "point in time" if version >= (7, 12) else "scroll"
    assert route == f"Elasticsearch {version[0]}.{version[1]}, {how}, same snapshot"
    assert served.snapshots == {}, "what was opened on the server is closed"


WINDOW = Window("at", "timestamp")
DAYS = Span(date(2025, 7, 1), date(2025, 7, 3), "daily")


@pytest.mark.parametrize("version", VERSIONS)
def test_days_are_seouls_and_half_open_against_a_standin(version: tuple[int, int]) -> None:
    with source(standin(version=version)) as opened:
        what = table(window=WINDOW, sums=("n", "amount"))
        rows, totals, _ = read(opened, what, DAYS)
    assert [row["id"] for row in rows] == ["3", "1", "2"]
    # 2^53 + 1 is no double, and 12345678901234567890.12… has 18 places: these sums are floats.
    assert totals["2025-07-01"].rows == 2
    assert totals["2025-07-01"].sums == {
        "n": pytest.approx(2**53, rel=1e-12),
        "amount": pytest.approx(12345678901234567889.6),
    }
    assert totals["2025-07-02"] == Totals(1, {"n": 0, "amount": 0})


def test_a_sum_is_exact_where_doubles_allow_it() -> None:
    rows = [(str(i), f'{{"amount": {i}.10, "n": {i}}}') for i in range(1000)]
    served = SearchStandin({"a": Index(MAPPINGS, documents(*rows))})
    types = {"amount": ("amount", "decimal(18,2)"), "n": ("n", "int64")}
    with source(served) as opened:
        _, totals, _ = read(opened, table(types, "a", sums=("amount", "n")))
    assert totals == {"": Totals(1000, {"amount": Decimal("499600.00"), "n": 499500})}
    assert type(totals[""].sums["n"]) is int


def test_other_windows_against_a_standin() -> None:
    rows = documents(
        ("a", '{"calday": "20250630", "day": "2025-06-30"}'),
        ("b", '{"calday": "20250701", "day": "2025-07-01"}'),
        ("c", '{"calday": "20250731", "day": "2025-07-31"}'),
        ("d", '{"calday": "20250801", "day": "2025-08-01"}'),
    )
    types = {"id": ("_id", "string"), "calday": ("calday", "string"), "day": ("day", "date")}
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "monthly")
    with source(SearchStandin({"a": Index(MAPPINGS, rows)})) as opened:
        for window in (Window("calday", "yyyymmdd"), Window("day", "date")):
            found, totals, _ = read(opened, table(types, "a", window=window), july)
            assert [row["id"] for row in found] == ["b", "c"]
            assert totals == {"2025-07": Totals(2, {})}
        hours = Span(datetime(2025, 7, 1, 23), datetime(2025, 7, 2, 1), "hourly")
    with source(standin()) as opened:
        found, totals, _ = read(opened, table(window=WINDOW), hours)
        assert [row["id"] for row in found] == ["1", "2"]
        assert list(totals) == ["2025-07-01-23", "2025-07-02-00"]


@pytest.mark.parametrize("version", [(7, 10), (8, 19)])
def test_many_pages_in_order_with_ties(version: tuple[int, int]) -> None:
    rows = documents(
        *(
            (f"{i:05}", f'{{"@timestamp": "2025-07-01T00:00:0{i % 3}Z", "n": {i}}}')
            for i in range(12_345)
        )
    )
    types = {"id": ("_id", "string"), "at": ("@timestamp", "timestamptz"), "n": ("n", "int64")}
    served = SearchStandin({"a": Index(MAPPINGS, rows)}, version)
    with source(served) as opened:
        what = table(types, "a", window=WINDOW, order_by=("n",), sums=("n",))
        found, totals, _ = read(opened, what, DAYS)
    assert [(row["at"].second, row["n"]) for row in found] == sorted(
        (i % 3, i) for i in range(12_345)
    )
    assert totals["2025-07-01"] == Totals(12_345, {"n": sum(range(12_345))})


def test_query_equal_and_peek() -> None:
    with source(standin()) as opened:
        what = table(query={"range": {"n": {"gte": "0", "lt": "100"}}})
        assert [row["id"] for row in read(opened, what)[0]] == ["4", "5"]
        what = table(equal={"name": ""})
        assert [row["id"] for row in read(opened, what)[0]] == ["2"]
        assert opened.peek(table(), 2).to_pylist() == ROWS[:2]


def test_an_index_without_documents() -> None:
    with source(SearchStandin({"a": Index(MAPPINGS, [])})) as opened:
        what = table(index="a", window=WINDOW, sums=("n",))
        assert read(opened, what, DAYS)[:2] == ([], {})


def test_what_a_mapping_says() -> None:
    mappings = {
        "properties": {
            **MAPPINGS["properties"],
            "free": {"type": "object", "enabled": False},
            "other": {"type": "alias", "path": "n"},
            "price": {"type": "scaled_float", "scaling_factor": 100},
        }
    }
    types = {
        "n": ("n", "int32"),  # dynamic mapping makes each integer a long
        "amount": ("amount", "decimal(18,2)"),
        "ok": ("ok", "int64"),  # another type, which is told
        "tags": ("tags", "string"),
        "anything": ("free.a", "string"),
        "id": ("_id", "string"),
    }
    with source(SearchStandin({"a": Index(mappings, [])})) as opened:
        found = {one.name: one for one in opened.describe(table(types, "a"))}
    assert {name: one.type.name if one.type else None for name, one in found.items()} == {
        **{"_id": "string", "@timestamp": "timestamptz", "id": "string", "n": "int32"},
        **{"amount": "decimal(18,2)", "wide": "string", "이름": "string", "ok": "boolean"},
        **{"x": "float64", "day": "timestamptz", "local": "timestamptz", "user.name": "string"},
        **{"tags": "string", "calday": "string", "free.a": "string", "price": None},
    }
    assert found["free.a"].shown == "not mapped"


# -- values that do not fit


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int64", "9223372036854775808"),
        ("int64", "1.5"),
        ("int64", "[1, 2]"),
        ("int64", '""'),
        ("decimal(5,2)", "1234.5"),
        ("decimal(5,2)", "0.001"),
        ("date", '"2025-02-30"'),
        ("date", '"2025-07-01T00:00:00Z"'),
        ("timestamptz", '"2025-07-01T00:00:00.1234567Z"'),
        ("timestamptz", "20250701093000"),  # of a format of its own, no milliseconds
        ("boolean", '"yes"'),
        ("string", '"\\ud800"'),
    ],
)
def test_a_value_that_does_not_fit_names_column_and_document(kind: str, value: str) -> None:
    of_format = {"type": "date", "format": "yyyyMMddHHmmss"} if kind == "timestamptz" else KEYWORD
    index = Index(
        {"properties": {"v": of_format}},
        documents(("fine", "{}"), ("고객-7", f'{{"v": {value}}}'), ("also", "{}")),
    )
    with source(SearchStandin({"a": index})) as opened, pytest.raises(PermanentError) as error:
        read(opened, table({"v": ("v", kind)}, "a"))
    assert "'v'" in str(error.value)
    assert kind == "string" or "'고객-7' is no " + kind in str(error.value)
    assert value == '""' or value.strip('"') not in str(error.value)


# -- what a server refuses, and what it must not get away with


def replaced(served: SearchStandin, place: str, change: Callable[[Answer], Answer]) -> Any:
    """The stand-in, its answers to requests whose target has `place` changed."""

    def service(request: Request) -> Answer:
        answer = served(request)
        return change(answer) if place in request.target else answer

    return service


def changed(**more: Any) -> Callable[[Answer], Answer]:
    def change(answer: Answer) -> Answer:
        return replace(answer, body=json.dumps({**json.loads(answer.body), **more}).encode())

    return change


def refusal(status: int, kind: str, reason: str = "no", **headers: str) -> Callable[..., Answer]:
    body = {"error": {"type": kind, "reason": reason, "root_cause": []}, "status": status}
    return lambda answer: Answer(status, json.dumps(body).encode(), headers)


SHARDS = {"total": 5, "successful": 4, "skipped": 0, "failed": 1}


@pytest.mark.parametrize(
    ("place", "change", "kind", "says"),
    [
        ("_search", changed(_shards=SHARDS), TransientError, "4 of 5 shards answered"),
        ("_search", changed(timed_out=True), TransientError, "ran out of time"),
        ("_search", changed(hits={"hits": []}), TransientError, "gave 0 of the 5 documents"),
        ("_search", changed(aggregations={}), TransientError, "no counts and sums"),
        ("_search", changed(hits={"hits": ["x"]}), PermanentError, "hits that are no documents"),
        ("_search", changed(hits=[]), TransientError, "none to a search"),
        ("_search", lambda a: replace(a, cut=100), TransientError, "the connection was lost"),
        ("_search", lambda a: replace(a, body=a.body[:99]), TransientError, "no whole JSON"),
        (
            "_search",
            lambda a: Answer(200, b"<html>login</html>", {"Content-Type": "text/html"}),
            TransientError,
            "no whole JSON document (its type is text/html). Check that url",
        ),
        (
            "_search",
            refusal(429, "es_rejected_execution_exception", **{"Retry-After": "30"}),
            TransientError,
            "try again in 30 s",
        ),
        ("_search", refusal(503, "x"), TransientError, "not whole; try again later"),
        (
            "_search",
            refusal(404, "search_context_missing_exception"),
            TransientError,
            "keeps for 5 minutes",
        ),
        (
            "_search",
            refusal(400, "parsing_exception", "unknown query [macth]"),
            PermanentError,
            "unknown query [macth]. What to do: mend `index.query`",
        ),
        (
            "_search",
            refusal(400, "parse_exception", 'failed to parse date field [홍길동] with "x"'),
            PermanentError,
            "date field (a value) with (a value)",
        ),
        ("_mapping", refusal(403, "security_exception"), PermanentError, "read and view_index_"),
        ("_mapping", changed(), PermanentError, ""),
    ],
)
def test_answers_that_are_not_taken(
    place: str, change: Any, kind: type[LakeError], says: str
) -> None:
    if not says:
        with source(standin()) as opened, pytest.raises(PermanentError) as error:
            opened.describe(table(index="logg-*"))
        assert "no index has this name; did you mean 'log-1'?" in str(error.value)
        return
    with source(replaced(standin(), place, change)) as opened:
        with pytest.raises(kind) as failed:
            read(opened, table())
        assert type(failed.value) in (kind, BusyError) or kind is PermanentError
    assert says in str(failed.value)
    assert "홍길동" not in str(failed.value)


def test_the_same_page_for_ever() -> None:
    served, asked = SearchStandin({"a": Index(MAPPINGS, _many(2_500))}), []

    def service(request: Request) -> Answer:
        if "/_search" in request.target:
            asked.append(request)
            body = json.loads(request.body)
            first = {key: body[key] for key in body if key != "search_after"}
            request = replace(request, body=json.dumps({**first, "size": 1000}).encode())
        return served(request)

    with (
        source(service) as opened,
        pytest.raises(TransientError, match="the same page again and again"),
    ):
        read(opened, table({"n": ("n", "int64")}, "a"))
    assert len(asked) == 2


def test_a_scroll_that_never_ends() -> None:
    """More documents than the server counts are as wrong as fewer."""
    served = SearchStandin({"a": Index(MAPPINGS, _many(1_500))}, (7, 10))

    def service(request: Request) -> Answer:
        if "scroll" in request.target:
            for one in served.snapshots.values():
                one.at = 0
        return served(request)

    with (
        source(service) as opened,
        pytest.raises(TransientError, match="more than the 1,500 documents"),
    ):
        read(opened, table({"n": ("n", "int64")}, "a"))


def _many(count: int) -> Any:
    return documents(*((str(i), f'{{"n": {i}}}') for i in range(count)))


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({"sums": ("name",), "window": WINDOW}, "sums: '이름' is mapped as keyword"),
        (
            {"window": Window("n", "timestamp")},
            "is mapped as long, so its kind cannot be timestamp",
        ),
        ({"window": Window("user", "date")}, "is mapped as keyword, so its kind cannot be date"),
        ({}, "a partition can be read only where `window` says"),
        ({"order_by": ("tags",), "window": WINDOW}, "order_by and sums need fields that the index"),
    ],
)
def test_what_an_index_cannot_do(of: dict[str, Any], says: str) -> None:
    with source(standin()) as opened, pytest.raises(PermanentError) as error:
        read(opened, table(**of), DAYS)
    assert says in str(error.value)


# -- connecting


def test_login_and_versions() -> None:
    basic = "Basic " + base64.b64encode("레이크:비밀".encode()).decode()
    served = standin(authorization=basic)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ES_PASSWORD", "비밀")
        with source(served, user="레이크", password="env:ES_PASSWORD") as opened:
            assert len(read(opened, table())[0]) == 5
        served.authorization = "ApiKey 비밀"
        patch.setenv("ES_PASSWORD", "비밀")
        with (
            pytest.raises(PermanentError, match="refuses the login") as no,
            source(served, user="레이크", password="env:ES_PASSWORD"),
        ):
            pass
        assert "비밀" not in str(no.value)


@pytest.mark.parametrize(
    ("version", "options", "says"),
    [
        ((8, 19), {"major": 9}, "the server is Elasticsearch 8.19, and `major: 9` is what"),
        ((9, 1), {"major": 7}, "`major: 7` is what servers of 7 and 8 speak"),
        ((8, 19), {"major": 6}, "major is one of (7, 8, 9)"),
        ((8, 19), {"slices": 2}, "unknown option 'slices'; allowed: ('ca_certs'"),
    ],
)
def test_options_that_do_not_fit(version: Any, options: Any, says: str) -> None:
    with (
        pytest.raises(PermanentError) as error,
        source(standin(version=version), options=options),
    ):
        pass
    assert says in str(error.value)


def test_a_server_of_9_is_spoken_to_as_8() -> None:
    with source(standin(version=(9, 1)), options={"major": 8}) as opened:
        assert len(read(opened, table())[0]) == 5


def test_what_answers_is_another_product() -> None:
    def opensearch(request: Request) -> Answer:
        body = {"version": {"number": "7.10.2", "distribution": "opensearch"}}
        return Answer(200, json.dumps(body).encode())

    with pytest.raises(PermanentError, match="not Elasticsearch"), source(opensearch):
        pass

    def bare(request: Request) -> Answer:
        return Answer(200, b'{"version": {"number": "8.19.0"}}')

    with pytest.raises(PermanentError, match="not Elasticsearch"), source(bare):
        pass


def test_a_user_who_may_not_ask_for_the_version() -> None:
    served = standin()

    def service(request: Request) -> Answer:
        if request.target == "/":
            return refusal(403, "security_exception")(None)
        return served(request)

    with (
        pytest.raises(PermanentError, match=r"Give it as `options: \{major: 8\}`"),
        source(service),
    ):
        pass
    for major, how in ((8, "point in time"), (7, "scroll")):
        served.version = (major, 17)
        with source(service, options={"major": major}) as opened:
            rows, _, route = read(opened, table())
        assert (len(rows), route) == (5, f"Elasticsearch {major}.0, {how}, same snapshot")


def test_a_second_node_is_asked_where_the_first_is_away() -> None:
    with serving(standin()) as url:
        both = Connection(kind="elasticsearch", url=f"http://127.0.0.1:1;{url}")
        with connect("es", both) as opened:
            assert len(read(opened, table())[0]) == 5
    with (
        pytest.raises(TransientError, match="the server is not reached"),
        connect("es", Connection(kind="elasticsearch", url="http://127.0.0.1:1")),
    ):
        pass


def test_a_hostile_name_of_an_index_stays_a_name() -> None:
    asked: list[str] = []
    served = standin()

    def service(request: Request) -> Answer:
        asked.append(request.target)
        return served(request)

    with source(service) as opened, pytest.raises(PermanentError, match="index_not_found"):
        opened.describe(table(index="../_cluster/settings?x=1"))
    assert asked[1] == "/..%2F_cluster%2Fsettings%3Fx%3D1/_mapping"


def test_a_cell_of_ten_million_characters() -> None:
    long = "가" * 10_000_000
    index = Index(MAPPINGS, documents(("a", json.dumps({"이름": long})), ("b", "{}")))
    with source(SearchStandin({"a": index})) as opened:
        rows, _, _ = read(opened, table({"name": ("이름", "string")}, "a"))
    assert [row["name"] for row in rows] == [long, None]


_MEASURE = """
import resource, sys, time
from resources.described import IndexSource
from resources.elasticsearch import connect
from resources.settings import Connection
from resources.source import Column, Table
from resources.types import parse_type
types = {"n": "int64", "amount": "decimal(18,2)", "name": "string", "at": "timestamptz"}
columns = tuple(Column(name, name, parse_type(kind)) for name, kind in types.items())
table = Table(columns, of=IndexSource(name=sys.argv[2]), sums=("n", "amount"))
with connect("es", Connection(kind="elasticsearch", url=sys.argv[1])) as source:
    with source.read(table) as reading:
        began, rows = time.process_time(), sum(batch.num_rows for batch in reading.batches)
        spent = time.process_time() - began
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, round(rows / spent))
"""


@pytest.mark.slow
def test_memory_stays_flat_over_300_000_documents() -> None:
    """Against the stand-in, in a process of its own; its throughput is printed."""
    mappings = {
        "properties": {
            "n": LONG,
            "amount": {"type": "double"},
            "name": KEYWORD,
            "at": {"type": "date"},
        }
    }

    def rows(count: int) -> Any:
        return [
            (str(i), {"n": i, "amount": i / 4, "name": f"거래처 {i}", "at": 1751382000000 + i})
            for i in range(count)
        ]

    served = SearchStandin(
        {"few": Index(mappings, rows(30_000)), "all": Index(mappings, rows(300_000))}
    )
    measured = {}
    with serving(served) as url:
        for name in ("few", "all"):
            done = subprocess.run(
                [sys.executable, "-c", _MEASURE, url, name],
                capture_output=True,
                text=True,
                check=True,
            )
            measured[name] = [int(word) for word in done.stdout.split()]
    print("documents, MB, documents a CPU second:", measured)
    assert measured["all"][0] == 300_000
    assert measured["all"][1] < measured["few"][1] + 25
    assert measured["all"][2] > 30_000
