"""What open APIs answer arrives value by value, or is refused in words; the key never shows.

No real API is asked: the KMA's is `WeatherStandin`, a stand-in made after its description, and the
others answer what each test says.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pyarrow as pa
import pytest

from lake_assets.sample.services import Answer, Request, serving
from lake_assets.sample.weather import WeatherStandin, forecast, gateway_error
from resources import open_api
from resources.described import ApiSource, Paging
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.open_api import connect
from resources.settings import Connection
from resources.source import Column, Span, Table
from resources.types import parse_type

#: As data.go.kr hands it out, decoded; it may be given encoded too.
KEY = "k3y+with/signs=="
WEATHER = {
    "base_date": "baseDate",
    "category": "category",
    "at": "fcstTime",
    "value": "fcstValue",
    "nx": "nx",
}
KMA: dict[str, Any] = {
    "path": "getVilageFcst",
    "params": {
        "dataType": "JSON",
        "base_date": "20250701",
        "base_time": "0500",
        "nx": 60,
        "ny": 127,
    },
    "rows": "response.body.items.item",
    "total": "response.body.totalCount",
    "status": "response.header.resultCode",
    "message": "response.header.resultMsg",
    "page": Paging(number="pageNo", size="numOfRows", rows=100),
}


def kma(**of: Any) -> ApiSource:
    params = {**KMA["params"], **of.pop("params", {})}
    return ApiSource(**{**KMA, "params": params, **of})


def table(of: ApiSource, types: dict[str, str] | None = None, **other: Any) -> Table:
    kinds = types or dict.fromkeys(WEATHER, "string") | {"nx": "int32"}
    columns = tuple(
        Column(name, WEATHER.get(name, name) if types is None else name, parse_type(kind))
        for name, kind in kinds.items()
    )
    return Table(columns, of=of, **other)


@contextmanager
def source(service: Callable[[Request], Answer], **connection: Any) -> Iterator[Any]:
    with serving(service) as url:
        path = "/1360000/VilageFcstInfoService_2.0"
        with connect("api", Connection(kind="http", url=url + path, **connection)) as opened:
            yield opened


def read(opened: Any, what: Table) -> list[dict[str, Any]]:
    with opened.read(what) as reading:
        assert reading.totals is None
        found: list[dict[str, Any]] = pa.Table.from_batches(
            reading.batches, reading.schema
        ).to_pylist()
        return found


def answering(*bodies: Any) -> Callable[[Request], Answer]:
    """One body after another, the last one for ever; what is no bytes as JSON."""
    left = list(bodies)

    def service(request: Request) -> Answer:
        body = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(body, Answer):
            return body
        return Answer(200, body if isinstance(body, bytes) else json.dumps(body).encode())

    return service


@pytest.mark.parametrize("form", ["JSON", "XML"])
@pytest.mark.parametrize("written", [KEY, quote(KEY, safe="")])
def test_a_forecast_from_a_standin(
    form: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMA_KEY", written)
    of = kma(format=form.lower(), params={"dataType": form})
    with source(WeatherStandin(KEY), password="env:KMA_KEY") as opened:
        found = read(opened, table(of))
    made = forecast(date(2025, 7, 1), "0500", 60, 127)
    assert len(made) > 800, "that is nine pages"
    assert found == [{name: row[source] for name, source in WEATHER.items()} for row in made]


TYPED = {
    "id": "int64",
    "amount": "decimal(38,20)",
    "name": "string",
    "d": "date",
    "t": "timestamp",
    "at": "timestamptz",
    "x": "float64",
    "ok": "boolean",
    "a.b": "int32",
    "list": "string",
}
ROW = """{"id": 9007199254740993, "amount": 123456789012345678.12345678901234567890,
"name": "가, \\"나\\"\\n다", "d": "2024-02-29", "t": "2025-07-01T23:59:59.123456",
"at": "2025-07-01T09:00:00+09:00", "x": 0.1, "ok": true, "a": {"b": 7}, "list": [1.10, "나"]}"""


def test_value_by_value() -> None:
    of = ApiSource(path="rows", rows="data")
    body = f'\ufeff{{"data": [{ROW}, {{"id": "-1", "name": "", "d": ""}}, {{}}]}}'.encode()
    with source(answering(body)) as opened:
        assert read(opened, table(of, TYPED)) == [
            {
                "id": 2**53 + 1,
                "amount": Decimal("123456789012345678.12345678901234567890"),
                "name": '가, "나"\n다',
                "d": date(2024, 2, 29),
                "t": datetime(2025, 7, 1, 23, 59, 59, 123456),
                "at": datetime(2025, 7, 1, tzinfo=timezone.utc),
                "x": 0.1,
                "ok": True,
                "a.b": 7,
                "list": '[1.10, "나"]',
            },
            {**dict.fromkeys(TYPED), "id": -1, "name": ""},
            dict.fromkeys(TYPED),
        ]


def test_xml_value_by_value() -> None:
    body = """<?xml version="1.0" encoding="EUC-KR"?><r xmlns="urn:x"><n>2</n><i>
    <name>가 &lt;나&gt; &#10;</name><id>9007199254740993</id><a><b>1</b></a><t/></i><i><name/><id/>
    <a><b>2</b></a><t>x</t><t>y</t></i></r>""".encode("euc-kr")
    of = ApiSource(path="", format="xml", rows="r.i", total="r.n")
    types = {"name": "string", "id": "int64", "a.b": "int8", "t": "string"}
    with source(answering(body)) as opened:
        assert read(opened, table(of, types)) == [
            {"name": "가 <나> \n", "id": 2**53 + 1, "a.b": 1, "t": ""},
            {"name": "", "id": None, "a.b": 2, "t": '["x", "y"]'},
        ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int32", "2147483648"),
        ("int64", "1.5"),
        ("decimal(5,2)", "0.001"),
        ("date", '"20250701"'),
        ("timestamptz", '"2025-07-01T09:00:00"'),
        ("boolean", '"예"'),
        ("string", '"\\udfff"'),
    ],
)
def test_a_value_that_does_not_fit_names_column_and_row(kind: str, value: str) -> None:
    body = f'{{"data": [{{"v": null}}, {{"v": {value}}}, {{}}]}}'.encode()
    with source(answering(body)) as opened, pytest.raises(PermanentError) as error:
        read(opened, table(ApiSource(path="", rows="data"), {"v": kind}))
    assert "'v'" in str(error.value)
    assert kind == "string" or f"in row 2 is no {kind}" in str(error.value)
    assert value.strip('"') not in str(error.value)


# -- what an API says went wrong


@pytest.mark.parametrize(
    ("code", "words", "kind", "says"),
    [
        ("03", "NO_DATA", NotYetError, "it has no data for these parameters"),
        (
            "22",
            "LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR",
            TransientError,
            "the API answers '22', LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR: the key's "
            "requests of the day are used up; try again tomorrow",
        ),
        ("30", "SERVICE_KEY_IS_NOT_REGISTERED_ERROR", PermanentError, "not registered for this"),
        ("77", "딴 말", PermanentError, "look the code up in the API's description"),
    ],
)
@pytest.mark.parametrize("gateway", [False, True])
def test_result_codes(
    code: str, words: str, kind: type[LakeError], says: str, gateway: bool
) -> None:
    header = {"response": {"header": {"resultCode": code, "resultMsg": words}}}
    with source(answering(gateway_error(code, words) if gateway else header)) as opened:
        with pytest.raises(kind) as error:
            read(opened, table(kma()))
        assert type(error.value) is kind
    assert says in str(error.value)
    assert words in str(error.value)


def test_no_data_may_mean_no_rows() -> None:
    with source(WeatherStandin()) as opened:
        of = kma(params={"base_date": "29990101"}, empty=["03"])
        assert read(opened, table(of)) == []
        # An answer without rows, as gateways make it of XML.
    body = {"response": {"header": {"resultCode": "00"}, "body": {"items": "", "totalCount": 0}}}
    with source(answering(body)) as opened:
        assert read(opened, table(kma())) == []


DTD = (
    b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b SYSTEM "file:///etc/hostname">]><r><i>&a;&b;</i></r>'
)
PAGE = {"data": [{"v": 1}, {"v": 2}], "n": 4}


@pytest.mark.parametrize(
    ("answers", "of", "kind", "says"),
    [
        ([b"<html><body>login</body></html>"], {}, TransientError, "a page of HTML, not JSON"),
        ([b"\n<!DOCTYPE HTML><p>"], {}, TransientError, "a page of HTML, not JSON"),
        ([b'{"data": [{"v": 1}, {"v"'], {}, TransientError, "no whole JSON document (24 bytes)"),
        ([b""], {}, TransientError, "no whole JSON document (0 bytes)"),
        ([b"Unexpected errors"], {}, TransientError, "no whole JSON"),
        ([b"<r/>"], {}, PermanentError, "the answer is XML, and `format` says json"),
        ([b"[" * 100_000], {}, TransientError, "no whole JSON"),
        ([{"dat": 1, "x": 2}], {}, PermanentError, "There is, in the answer: dat, x."),
        ([{"data": [1, 2]}], {}, PermanentError, "no rows where `rows` says, data"),
        ([b"<r><i>"], {"format": "xml"}, TransientError, "no whole XML"),
        ([DTD], {"format": "xml", "rows": "r"}, PermanentError, "a DOCTYPE, which is not read"),
        (
            [b"<a>" * 5000],
            {"format": "xml", "rows": "r"},
            PermanentError,
            "nested too deeply or has a text too long",
        ),
        ([PAGE], {"total": "n"}, PermanentError, "2 rows came, and the API says there are 4"),
        ([PAGE], {"total": "m"}, PermanentError, "where `total` says, m, is no number"),
        ([PAGE], {"total": "n", "page": True}, PermanentError, "page 2 is the same as the one"),
        ([PAGE], {"page": True}, PermanentError, "page 2 is the same as the one before"),
        (
            [PAGE, {"data": [{"v": 3}], "n": 4}, {"data": [], "n": 4}],
            {"total": "n", "page": True},
            TransientError,
            "3 rows came, and the API says there are 4. Nothing was published; try again",
        ),
        (
            [PAGE, {"data": [{"v": 3}, {"v": 4}], "n": 5}],
            {"total": "n", "page": True},
            TransientError,
            "the API says 5 after 4: they changed while being read",
        ),
        (
            [{"data": [{"v": 1}], "n": 0}],
            {"total": "n"},
            TransientError,
            "changed while being read",
        ),
        ([Answer(404, b"")], {}, PermanentError, "check the connection's url and `api.path`"),
        ([Answer(401, b"")], {}, PermanentError, "the secret of the connection's password"),
        ([Answer(429, b"", {"Retry-After": "17"})], {}, TransientError, "in 17 s (Retry-After)"),
        ([Answer(503, b"busy")], {}, TransientError, "the service failed (503). Try again later"),
        (
            [replace(gateway_error("22", "LIMITED"), status=500)],
            {},
            TransientError,
            "requests of the day are used up",
        ),
        (
            [Answer(302, b"", {"Location": "http://other.example/"})],
            {},
            PermanentError,
            "sends elsewhere (302), which is not followed",
        ),
        ([Answer(200, b'{"data": []}', cut=5)], {}, TransientError, "the connection was lost"),
    ],
)
def test_answers_that_are_not_taken(
    answers: list[Any], of: dict[str, Any], kind: type[LakeError], says: str
) -> None:
    given = dict(of)
    if given.pop("page", False):
        given["page"] = Paging(number="p", size="s", rows=2)
    one = ApiSource(**{"path": "rows", "rows": "data", **given})
    with source(answering(*answers)) as opened:
        with pytest.raises(kind) as error:
            read(opened, table(one, {"v": "int64"}))
        assert type(error.value) is kind
    assert says in str(error.value)


def test_pages_without_a_total_end_with_an_empty_one() -> None:
    """A page with fewer rows than were asked for is not the last: the provider caps them at 2."""
    bodies = [{"data": [{"v": n}, {"v": n + 1}]} for n in (0, 2, 4)]
    of = ApiSource(path="", rows="data", page=Paging(number="p", size="s", rows=1000))
    with source(answering(*bodies, {"data": []})) as opened:
        assert [row["v"] for row in read(opened, table(of, {"v": "int64"}))] == [0, 1, 2, 3, 4, 5]


def test_an_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_api, "_MOST_BYTES", 1 << 20)
    with (
        source(answering(b" " * (1 << 21))) as opened,
        pytest.raises(PermanentError, match="more than 1 MB; ask for fewer rows"),
    ):
        read(opened, table(ApiSource(path="", rows="data"), {"v": "int64"}))


def test_a_cell_of_nine_million_characters() -> None:
    long = "가" * 9_000_000
    with source(answering({"data": [{"v": long}]})) as opened:
        of = ApiSource(path="", rows="data")
        assert read(opened, table(of, {"v": "string"})) == [{"v": long}]


# -- the key


@pytest.mark.parametrize(
    "service",
    [
        answering(Answer(500, KEY.encode())),
        answering({"response": {"header": {"resultCode": "77", "resultMsg": f"key {KEY}"}}}),
        answering(Answer(302, b"", {"Location": f"http://x.example/?k={quote(KEY)}"})),
        answering(Answer(200, b"x" * 100, cut=10)),
        answering(Answer(200, b"{")),
        None,
    ],
    ids=["500", "echo", "redirect", "cut", "half", "unreached"],
)
def test_the_key_is_nowhere(
    service: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KMA_KEY", KEY)
    before = list(logging.getLogger("urllib3.connectionpool").filters)  # MLflow may have its own
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    where = {"url": "http://127.0.0.1:1/x", "password": "env:KMA_KEY"}
    opening = (
        connect("api", Connection(kind="http", **where))
        if service is None
        else source(service, password="env:KMA_KEY")
    )
    with pytest.raises(LakeError) as error, opening as opened:
        read(opened, table(kma()))
    chain: list[BaseException] = []
    one: BaseException | None = error.value
    while one is not None:
        chain.append(one)
        one = one.__cause__ or one.__context__
    assert not any(isinstance(one, OSError) for one in chain), "requests' own error has the address"
    told = "".join(traceback.format_exception(error.value)) + repr(chain) + caplog.text
    assert [form for form in (KEY, quote(KEY, safe=""), quote(KEY)) if form in told] == []
    if service is not None:
        assert "serviceKey=***" in caplog.text, "the library's own log line is there, without it"
    # The filter goes with the connection.
    assert logging.getLogger("urllib3.connectionpool").filters == before


def test_keys_in_another_parameter_and_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "p w")
    seen: list[Request] = []

    def service(request: Request) -> Answer:
        seen.append(request)
        return Answer(200, b'{"data": []}')

    of = ApiSource(path="a/b", params={"q": "가 &=", "flag": True, "n": 1}, rows="data")
    with source(service, password="env:SECRET", options={"key_param": "authKey"}) as opened:
        read(opened, table(of, {"v": "string"}))
    url = urlsplit(seen[0].target)
    assert url.path == "/1360000/VilageFcstInfoService_2.0/a/b"
    assert parse_qs(url.query) == {
        **{"q": ["가 &="], "flag": ["true"], "n": ["1"]},
        "authKey": ["p w"],
    }
    with source(service, user="lake", password="env:SECRET") as opened:
        read(opened, table(of, {"v": "string"}))
    assert seen[1].headers["authorization"] == "Basic bGFrZTpwIHc="
    assert "p" not in parse_qs(urlsplit(seen[1].target).query)


def test_not_more_requests_a_second_than_allowed() -> None:
    times: list[float] = []
    answer = answering(*({"data": [{"v": n}]} for n in range(5)), {"data": []})

    def service(request: Request) -> Answer:
        times.append(time.monotonic())
        return answer(request)

    of = ApiSource(path="", rows="data", page=Paging(number="p", size="s", rows=1))
    with source(service, options={"per_second": 10}) as opened:
        begun = time.monotonic()
        assert len(read(opened, table(of, {"v": "int64"}))) == 5
    assert times[-1] - begun > 0.45  # the first may be long on its way


def test_what_is_described_and_asked_once() -> None:
    asked: list[str] = []
    served = WeatherStandin()

    def service(request: Request) -> Answer:
        asked.append(request.target)
        return served(request)

    what = table(kma(page=Paging(number="pageNo", size="numOfRows", rows=1000)))
    with source(service) as opened:
        found = opened.describe(what)
        assert [one.name for one in found] == [
            *("baseDate", "baseTime", "category", "fcstDate", "fcstTime", "fcstValue", "nx", "ny")
        ]
        assert len(read(opened, what)) == 810
        assert len(asked) == 1, "the page that was described is the one that is read"
        assert opened.peek(what, 2).num_rows == 2
        columns = (*what.columns, Column("gone", "gone", parse_type("string"), nullable=False))
        missing = {one.name for one in opened.describe(replace(what, columns=columns))}
        assert "gone" not in missing


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"retries": 1}, "", "unknown option 'retries'; allowed: ('ca_certs', 'client_cert'"),
        ({}, "../admin", "`api.path` has no '..'"),
        ({"timeout": 1}, "slow", "no answer within 1 s. Try again; `options: {timeout: 120}`"),
    ],
)
def test_connections_and_paths(options: dict[str, Any], path: str, says: str) -> None:
    over = threading.Event()

    def service(request: Request) -> Answer:
        over.wait(60)
        return Answer(200, b"{}")

    with pytest.raises(LakeError) as error, source(service, options=options) as opened:
        try:
            read(opened, table(ApiSource(path=path, rows="data"), {"v": "string"}))
        finally:
            over.set()
    assert says in str(error.value)


def test_a_window_has_no_place() -> None:
    day = Span(date(2025, 7, 1), date(2025, 7, 2), "daily")
    with (
        source(WeatherStandin()) as opened,
        pytest.raises(PermanentError) as error,
        opened.read(table(kma()), day),
    ):
        pass
    assert "put the day into `api.params`: {base_date: '{today:%Y%m%d}'}" in str(error.value)
