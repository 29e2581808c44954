"""Reading Airflow's REST API: of a stand-in with documents that real ones gave, and of real ones.

The stand-in is a server of a few lines that knows nothing of Airflow. The real ones run on SQLite,
each with one DAG that failed.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_bridge import airflow_api
from airflow_bridge.airflow_api import Api, ApiError, Try, connect, from_environment
from airflow_bridge.errors import UsageError
from airflow_bridge.ticks import Meaning
from tests.conftest import absent
from tests.servers.airflow import VERSIONS, Airflow, install
from tests.servers.keeper import kept
from tests.servers.postgres import NoServer, free_port

USER, PASSWORD = "reader", "reader-Pw77-secret"
SINCE = datetime(2025, 7, 2, tzinfo=timezone.utc)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-07-02T{text}+00:00")


# -- the stand-in


@dataclass
class StandIn:
    """Answers a path with what a test says, and keeps what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Mapping[str, str], Any]:
        found = self.answers.get(path, (404, {}, {"title": "Not Found"}))
        found = found(query) if callable(found) else found
        return found if isinstance(found, tuple) else (200, {}, found)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            stand_in.asked.append((parts.path, query, self.headers.get("Authorization", "")))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            code, headers, body = stand_in.answer(parts.path, query)
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            for name, value in {"Content-Length": str(len(sent)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked has given up
                self.wfile.write(sent)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        stand_in.url = f"http://127.0.0.1:{http.server_port}"
        serve = partial(http.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()
        yield stand_in
        http.shutdown()


FAILED = "/dags/~/dagRuns/~/taskInstances"
TOKEN = (201, {}, {"access_token": "of-the-stand-in"})


def of(version: str, **answers: Any) -> dict[str, Any]:
    """What an Airflow of that version answers."""
    root = "/api/v2" if version.startswith("3.") else "/api/v1"
    token = {"/auth/token": TOKEN} if version.startswith("3.") else {}
    rest = {root + path: answer for path, answer in answers.items()}
    return {f"{root}/version": {"version": version, "git_version": None}, **token, **rest}


#: One failed task, as each Airflow described it (fields that are not read are left out).
TASK_22 = {
    "dag_id": "daily",
    "task_id": "raw__order.lines",
    "execution_date": "2025-07-01T22:10:00+00:00",
    "start_date": "2025-07-02T06:26:00.625001+00:00",
    "end_date": "2025-07-02T06:27:00.716176+00:00",
    "queued_when": "2025-07-02T06:25:59.755734+00:00",
    "state": "failed",
    "try_number": 2,
    "hostname": "worker-7",
}
TASK_211 = {**TASK_22, "dag_run_id": "scheduled__x", "map_index": -1}
TASK_33 = {
    **{name: text for name, text in TASK_211.items() if name != "execution_date"},
    "start_date": "2025-07-02T06:26:00.625001Z",
    "end_date": "2025-07-02T06:27:00.716176Z",
    "queued_when": None,
    "logical_date": None,
}
READ = Try(
    dag_id="daily",
    run_id="scheduled__x",
    task_id="raw__order.lines",
    number=2,
    state="failed",
    start=utc("06:26:00.625001"),
    end=utc("06:27:00.716176"),
    since=utc("06:27:00.716176"),
    host="worker-7",
)
RUNS_22 = {"dag_runs": [{"dag_id": "daily", "dag_run_id": "scheduled__x"}], "total_entries": 1}
OTHER = {"dag_id": "theirs", "execution_date": "2025-07-01T00:00:00+00:00"}


_DATE_22 = "2025-07-01T22%3A10%3A00%2B00%3A00"
_LOG_22 = f"/log?execution_date={_DATE_22}&task_id=raw__order.lines&dag_id=daily"
_LOG_211 = "/dags/daily/grid?dag_run_id=scheduled__x&task_id=raw__order.lines&tab=logs"
_LOG_33 = "/dags/daily/runs/scheduled__x/tasks/raw__order.lines?try_number=2"


@pytest.mark.parametrize(
    ("version", "task", "log"),
    [
        ("2.2.3", TASK_22, _LOG_22),
        ("2.11.2", TASK_211, _LOG_211),
        ("3.3.2", TASK_33, _LOG_33),
    ],
)
def test_what_failed_is_read_of_each_version(
    server: StandIn, version: str, task: dict[str, Any], log: str
) -> None:
    page = {"task_instances": [{**task, **OTHER}, task], "total_entries": 2}
    runs = {"/dags/daily/dagRuns": RUNS_22}
    server.answers = of(version, **{FAILED: page, **runs})
    api = connect(server.url, USER, PASSWORD)
    assert api.failed(SINCE, lambda dag_id: dag_id == "daily") == [
        replace(READ, log_url=server.url + log)
    ]
    asked = {path: query for path, query, _ in server.asked}
    assert asked[api.root.removeprefix(server.url) + FAILED] == {
        "state": ["failed", "up_for_retry"],
        "end_date_gte": ["2025-07-02T00:00:00Z"],
        "limit": ["100"],
        "offset": ["0"],
    }
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    sent = {path: told for path, _, told in server.asked}
    expected = "Bearer of-the-stand-in" if version.startswith("3.") else basic
    assert sent[api.root.removeprefix(server.url) + FAILED] == expected
    # Who asks is told to nobody before it is known to be an Airflow.
    assert sent[f"/api/v{2 if version.startswith('3.') else 1}/version"] == ""


def test_pages_are_read_to_the_last(server: StandIn) -> None:
    every = [{**TASK_33, "task_id": f"t{number}"} for number in range(250)]

    def page(query: dict[str, list[str]]) -> dict[str, Any]:
        first = int(query["offset"][0])
        return {"task_instances": every[first : first + 100], "total_entries": 250}

    server.answers = of("3.3.2", **{FAILED: page})
    found = connect(server.url, USER, PASSWORD).failed(SINCE, lambda _: True)
    assert [one.task_id for one in found] == [f"t{number}" for number in range(250)]
    assert len(server.asked) == 5  # version, token, three pages


def test_a_netrc_takes_no_tokens_place(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.answers = of("3.3.2", **{FAILED: {"task_instances": [], "total_entries": 0}})
    connect(server.url, USER, PASSWORD).failed(SINCE, lambda _: True)
    assert server.asked[-1][2] == "Bearer of-the-stand-in"


#: Before 2.10: state, what it counts, queued and begun (minutes) → which try it is.
NUMBERS: dict[str, tuple[str | None, int, int | None, int | None, int]] = {
    "runs": ("running", 1, 1, 2, 1),
    "failed on a worker": ("failed", 1, 1, 2, 1),
    "failed on a worker, the second": ("failed", 2, 1, 2, 2),
    "failed in the queue": ("failed", 0, 1, None, 1),
    "failed in the queue, the second": ("failed", 1, 3, 2, 2),
    "failed in the queue, and waits": ("up_for_retry", 1, 1, None, 1),
    "marked by somebody before it was queued": ("failed", 0, None, 2, 1),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_tries_are_counted_as_a_template_counts_them(server: StandIn, name: str) -> None:
    state, counted, queued, begun, expected = NUMBERS[name]

    def clock(minute: int | None) -> str | None:
        return None if minute is None else f"2025-07-02T06:0{minute}:00+00:00"

    times = {"queued_when": clock(queued), "start_date": clock(begun)}
    task = {**TASK_22, "state": state, "try_number": counted, **times}
    path = "/dags/daily/dagRuns/scheduled__x/taskInstances/raw__order.lines"
    server.answers = of("2.2.3", **{path: task})
    found = connect(server.url, USER, PASSWORD).task("daily", "scheduled__x", "raw__order.lines")
    assert found is not None
    assert found.number == expected


@pytest.mark.parametrize(("version", "numbers"), [("2.9.3", []), ("2.11.2", [1]), ("3.3.2", [1])])
def test_earlier_tries_are_read_where_they_are_kept(
    server: StandIn, version: str, numbers: list[int]
) -> None:
    path = "/dags/daily/dagRuns/scheduled__x/taskInstances/raw__order.lines/tries"
    task = TASK_33 if version.startswith("3.") else TASK_211
    told = [{**task, "try_number": number} for number in (1, 2)]
    told += [{**task, "try_number": 0, "state": "success"}]
    server.answers = of(version, **{path: {"task_instances": told, "total_entries": 3}})
    earlier = connect(server.url, USER, PASSWORD).earlier(READ)
    assert [one.number for one in earlier] == numbers


RESULT = {"partition": "2025-07-01", "skip": None, "params": {"on": True}, "it's": '"주문"'}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (RESULT, RESULT),
        (str(RESULT), RESULT),
        (json.dumps(RESULT), RESULT),
        ("in words", "in words"),
        (None, None),
    ],
)
def test_a_result_is_read_as_each_version_writes_it(
    server: StandIn, told: Any, expected: Any
) -> None:
    path = "/dags/daily/dagRuns/x/taskInstances/tick/xcomEntries/return_value"
    server.answers = of("2.11.2", **{path: {"key": "return_value", "value": told}})
    api = connect(server.url, USER, PASSWORD)
    assert api.result("daily", "x", "tick") == expected
    assert api.result("daily", "other", "tick") is None


def test_names_go_into_a_path_as_they_are(server: StandIn) -> None:
    path = "/dags/daily/dagRuns/manual__2025-07-02T06%3A00%3A00%2B00%3A00/taskInstances/tick"
    server.answers = of("3.3.2", **{path: {**TASK_33, "task_id": "tick"}})
    found = connect(server.url, USER, PASSWORD).task(
        "daily", "manual__2025-07-02T06:00:00+00:00", "tick"
    )
    assert found is not None
    assert found.run_id == "manual__2025-07-02T06:00:00+00:00"


# -- mistakes


def _slowly(_: Any) -> Any:
    time.sleep(1.0)
    return {}


WRONG = (401, {}, {"detail": "Unauthorized"})
ECHO = (422, {}, {"detail": [{"input": {"username": USER, "password": PASSWORD}}]})

#: What is answered; what is said of it, U being the server.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no Airflow": ({}, "U has neither /api/v2/version nor /api/v1/version, so it is no Airflow"),
    "too old": (of("2.1.4"), "U is Airflow 2.1; the bridge knows 2.2 to 3.x."),
    "a page in its place": (
        {"/api/v2/version": (200, {}, b"<html>hello</html>")},
        "U/api/v2/version answers no JSON, so it is not Airflow's API: check the address.",
    ),
    "leads elsewhere": (
        {"/api/v2/version": (302, {"Location": "https://in.example.com/login?next=x"}, {})},
        "U leads on to https://in.example.com/login: give the address that it leads to",
    ),
    "no token": (
        {**of("3.3.2"), "/auth/token": WRONG},
        "U/auth/token gives the user reader no token (401): check user and password.",
    ),
    "a token's mistake that repeats the password": (
        {**of("3.3.2"), "/auth/token": ECHO},
        "U/auth/token gives the user reader no token (422): check user and password.",
    ),
    "something else at the address of tokens": (
        {**of("3.3.2"), "/auth/token": (200, {}, {"status": "ok"})},
        "U/auth/token answers without a token: check the address.",
    ),
    "refused": (
        of("2.11.2", **{FAILED: (403, {}, {"title": "Forbidden"})}),
        "U/api/v1/dags/~/dagRuns/~/taskInstances refuses the user (403): check user and password; "
        "it needs to read DAGs, DAG runs, task instances and XComs, as the role Viewer does; and "
        "Airflow 2 wants airflow.api.auth.backend.basic_auth",
    ),
    "an error of its own": (
        of("3.3.2", **{FAILED: (500, {}, {"detail": "the database is down"})}),
        "U/api/v2/dags/~/dagRuns/~/taskInstances answers 500: the database is down.",
    ),
    "an error without words": (
        of("3.3.2", **{FAILED: (502, {}, b"<html>")}),
        "U/api/v2/dags/~/dagRuns/~/taskInstances answers 502.",
    ),
    "too slow": (of("3.3.2", **{FAILED: _slowly}), "U did not answer within 0 s."),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_without_the_password(
    server: StandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server.answers, expected = MISTAKES[name]
    if name == "too slow":
        monkeypatch.setattr(airflow_api, "TIMEOUT", 0.2)
    with pytest.raises(ApiError) as raised:
        connect(server.url, USER, PASSWORD).failed(SINCE, lambda _: True)
    said = str(raised.value)
    assert said.startswith(expected.replace("U", server.url, 1)), said
    assert PASSWORD not in said
    assert PASSWORD not in repr(raised.value.__context__)


def test_a_host_that_is_not_there() -> None:
    port = free_port()
    with pytest.raises(ApiError, match="cannot be reached .ConnectionError.: is the webserver"):
        connect(f"http://127.0.0.1:{port}", USER, PASSWORD)


@pytest.mark.parametrize(
    "url", ["airflow:8080", "ftp://airflow", "http://", f"http://{USER}:{PASSWORD}@airflow:8080"]
)
def test_an_address_that_cannot_be_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        connect(url, USER, PASSWORD)
    assert str(raised.value) == (
        "The address of Airflow's API (AIRFLOW_BRIDGE_API) is written http://host:8080, without "
        "user and password; those are AIRFLOW_BRIDGE_API_USER and AIRFLOW_BRIDGE_API_PASSWORD."
    )


@pytest.mark.parametrize("tail", ["", "/", "/api", "/api/", "/api/v1", "/api/v2/"])
def test_the_environment_names_it(server: StandIn, tail: str) -> None:
    server.answers = of("2.11.2")
    given = {"AIRFLOW_BRIDGE_API": server.url + tail, "AIRFLOW_BRIDGE_API_USER": USER}
    api = from_environment({**given, "AIRFLOW_BRIDGE_API_PASSWORD": PASSWORD})
    assert (api.url, api.version) == (server.url, (2, 11))
    assert PASSWORD not in repr(api)


def test_all_that_the_environment_lacks_is_told() -> None:
    with pytest.raises(UsageError) as raised:
        from_environment({"AIRFLOW_BRIDGE_API_USER": USER, "AIRFLOW_BRIDGE_API_PASSWORD": ""})
    said = str(raised.value)
    assert said.startswith("Not set: AIRFLOW_BRIDGE_API, AIRFLOW_BRIDGE_API_PASSWORD. Set AIR")


# -- real ones

_DAG = """
from datetime import datetime

import airflow

AF = tuple(int(part) for part in airflow.__version__.split(".")[:2])
if AF >= (3, 0):
    from airflow.sdk import DAG
else:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow.operators.bash import BashOperator
    from airflow.operators.python import PythonOperator

MEANING = {meaning!r}
key = "schedule" if AF >= (2, 4) else "schedule_interval"
with DAG("lost", start_date=datetime(2025, 7, 1), **{{key: None}}) as dag:
    tick = PythonOperator(task_id="tick", python_callable=lambda: MEANING)
    tick.set_downstream(BashOperator(task_id="raw__order.lines", bash_command="exit 127"))
"""

_MEANING = {
    "partition": "2025-07-01",
    "tick": "2025-07-02T07:10:00+09:00",
    "params": {"rate": 0.5, "on": True},
    "skip": None,
    "requests": [
        {
            "first": "2025-07-01",
            "last": "2025-07-01",
            "config": {},
            "tags": {"it's": '"주문"'},
            "assets": None,
        }
    ],
}


def api_settings(version: str, folder: Path) -> dict[str, str]:
    """What makes an Airflow's API known to USER; `folder` holds his password on 3.x."""
    basic = "airflow.api.auth.backend.basic_auth"
    if version.startswith("2.2"):
        return {"AIRFLOW__API__AUTH_BACKEND": basic}
    if version.startswith("2."):
        return {"AIRFLOW__API__AUTH_BACKENDS": basic}
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    return {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }


def add_user(version: str, call: Callable[..., Any]) -> None:
    """USER may read, and nothing else. On 3.x the settings have said so."""
    if version.startswith("2."):
        call("sync-perm")
        names = ["-e", "reader@example.com", "-f", "reader", "-l", "reader", "-r", "Viewer"]
        call("users", "create", "-u", USER, "-p", PASSWORD, *names)


def webserver(version: str, program: str, port: int) -> list[str]:
    if version.startswith("3."):
        return [program, "api-server", "--host", "127.0.0.1", "--port", str(port)]
    return [program, "webserver", "--hostname", "127.0.0.1", "-p", str(port), "-w", "1"]


def await_api(url: str, password: str = PASSWORD, seconds: float = 200.0) -> Api:
    until = time.monotonic() + seconds
    while True:
        try:
            return connect(url, USER, password)
        except ApiError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


@contextmanager
def serving(airflow: Airflow, home: Path) -> Iterator[str]:
    """Its API over a database with one DAG run that failed; the address."""
    version, port = airflow.version, free_port()
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "lost.py").write_text(_DAG.format(meaning=_MEANING))
    section = "CORE" if version.startswith("2.2") else "DATABASE"
    executor = "SequentialExecutor" if version.startswith("2.") else "LocalExecutor"
    variables = airflow.variables(
        home,
        {
            f"AIRFLOW__{section}__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__API_AUTH__JWT_SECRET": "of a server that lives for seconds " * 3,
            **api_settings(version, home),
        },
    )

    def call(*words: str, code: int = 0) -> None:
        done = subprocess.run(
            [str(airflow.bin / "airflow"), *words],
            env=variables,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{words}: {(done.stdout + done.stderr)[-3000:]}"

    call("db", "init" if version.startswith("2.2") else "migrate")
    add_user(version, call)
    if not version.startswith("2.2"):
        call("dags", "reserialize")
    call("dags", "test", "lost", "2025-07-01", code=0 if version.startswith("2.2") else 1)
    with kept(home, {"web": webserver(version, str(airflow.bin / "airflow"), port)}, variables):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("version", VERSIONS)
def test_each_airflow_is_read(version: str, tmp_path: Path) -> None:
    try:
        airflow = install(version)
    except NoServer as error:
        absent(f"Airflow {version}", error)
        return
    with serving(airflow, tmp_path / "airflow") as url:
        api = await_api(url)
        assert api.version == tuple(int(part) for part in version.split(".")[:2])
        hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
        (found,) = api.failed(hour_ago, lambda dag_id: dag_id == "lost")
        assert (found.task_id, found.number, found.state) == ("raw__order.lines", 1, "failed")
        assert found.host
        assert found.end is not None
        assert abs(datetime.now(timezone.utc) - found.end) < timedelta(hours=1)
        assert api.failed(datetime.now(timezone.utc), lambda _: True) == []
        assert api.task("lost", found.run_id, "raw__order.lines") == found
        assert api.earlier(found) == []
        told = api.result("lost", found.run_id, "tick")
        assert told == _MEANING
        assert Meaning.of(told).shown == "2025-07-01"
        for missing in (("lost", found.run_id, "no"), ("lost", "no", "tick"), ("no", "no", "no")):
            assert api.task(*missing) is None
            assert api.result(*missing) is None
        with pytest.raises(ApiError, match="check user and password") as raised:
            connect(url, USER, "wrong-Pw66").failed(hour_ago, lambda _: True)
        assert "wrong-Pw66" not in str(raised.value)
