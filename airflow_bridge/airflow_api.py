"""Airflow's REST API, as far as the bridge reads it: 2.2 to 2.x (`/api/v1`) and 3.x (`/api/v2`).

Here: finding out the version, signing in, paging, and every mistake in words without the password.
It only asks; nothing in Airflow is changed. Not here: what becomes of the answers (`lost_runs.py`).
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_bridge.errors import BridgeError, UsageError

if TYPE_CHECKING:
    import requests

#: Where the API is and who asks, in the environment.
VARIABLES = ("AIRFLOW_BRIDGE_API", "AIRFLOW_BRIDGE_API_USER", "AIRFLOW_BRIDGE_API_PASSWORD")

#: Seconds for an answer. A sensor has a minute for all of its questions.
TIMEOUT = 10.0

#: Entries a page: Airflow gives at most 100 unless its maximum_page_limit says otherwise.
_PAGE = 100

#: A task instance that ended without success, for now or for good.
FAILED_STATES = ("failed", "up_for_retry")


class ApiError(BridgeError):
    """Airflow's API cannot be reached, refuses, or answers what it should not."""


@dataclass(frozen=True)
class Try:
    """A task instance at one of its tries. `number` counts as `ti.try_number` does in a template.

    `since` is when it became what it is: ended, else queued or begun.
    """

    dag_id: str
    run_id: str
    task_id: str
    number: int
    state: str | None
    start: datetime | None
    end: datetime | None
    since: datetime | None
    host: str
    log_url: str = ""


@dataclass(frozen=True)
class Api:
    """A signed-in reader of one Airflow; made by `connect`."""

    url: str
    version: tuple[int, int]
    session: requests.Session

    @property
    def root(self) -> str:
        return f"{self.url}/api/v{1 if self.version < (3, 0) else 2}"

    def failed(self, since: datetime, wanted: Callable[[str], bool]) -> list[Try]:
        """What failed since then of the DAGs whose ids are wanted, also what is tried again.

        One question for all DAGs, however many they are.
        """
        asked = {"state": FAILED_STATES, "end_date_gte": _iso(since)}
        found = self._pages("/dags/~/dagRuns/~/taskInstances", "task_instances", asked)
        return [self._try(one) for one in found if wanted(one["dag_id"])]

    def task(self, dag_id: str, run_id: str, task_id: str) -> Try | None:
        """The task instance as it is now; None where Airflow has none."""
        found = self._get(_path(dag_id, run_id, task_id), {})
        return None if found is None else self._try({**found, "dag_run_id": run_id})

    def earlier(self, one: Try) -> list[Try]:
        """The tries before this one that failed. Airflow keeps them from 2.10."""
        if one.number < 2 or self.version < (2, 10):
            return []
        path = f"{_path(one.dag_id, one.run_id, one.task_id)}/tries"
        tries = (self._get(path, {}) or {}).get("task_instances", [])
        found = [self._try({**each, "dag_run_id": one.run_id}) for each in tries]
        return [each for each in found if each.number < one.number and each.state == "failed"]

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned (its XCom), None where there is nothing.

        2.x shows it as Python writes it, 3.x as it is, or as the JSON that it was kept as.
        """
        path = f"{_path(dag_id, run_id, task_id)}/xcomEntries/return_value"
        value = (self._get(path, {}) or {}).get("value")
        if not isinstance(value, str):
            return value
        for read in (json.loads, ast.literal_eval):
            try:
                return read(value)
            except (ValueError, SyntaxError):
                continue
        return value

    def _run_id(self, dag_id: str, moment: str) -> str:
        """2.2 names a task's run by its date alone."""
        asked = {"execution_date_gte": moment, "execution_date_lte": moment}
        path = f"/dags/{quote(dag_id, safe='')}/dagRuns"
        found = next(iter(self._pages(path, "dag_runs", asked)), {})
        return str(found.get("dag_run_id", ""))

    def _try(self, told: Mapping[str, Any]) -> Try:
        run_id = told.get("dag_run_id") or self._run_id(told["dag_id"], told["execution_date"])
        start, end = _time(told.get("start_date")), _time(told.get("end_date"))
        queued, state = _time(told.get("queued_when")), told.get("state")
        number = told.get("try_number") or 0
        if self.version < (2, 10):
            # It counts the tries that began. One that failed in the queue was counted only where
            # another one follows.
            begun = start is not None and (queued is None or queued <= start)
            number = max(number + (state == "failed" and not begun and queued is not None), 1)
        ended = end if state in (*FAILED_STATES, "success", "skipped") else None
        since = ended or max(filter(None, (queued, start)), default=None)
        names = (told["dag_id"], run_id, told["task_id"])
        log_url = self._log_url(names, number, told.get("execution_date") or "")
        host = told.get("hostname") or ""
        return Try(*names, number, state, start, end, since, host, log_url)

    def _log_url(self, names: tuple[str, str, str], number: int, moment: str) -> str:
        """Where the UI shows the log."""
        dag, run, task, date = (quote(one, safe="") for one in (*names, moment))
        if self.version >= (3, 0):
            return f"{self.url}/dags/{dag}/runs/{run}/tasks/{task}?try_number={number}"
        if self.version >= (2, 3):
            return f"{self.url}/dags/{dag}/grid?dag_run_id={run}&task_id={task}&tab=logs"
        return f"{self.url}/log?execution_date={date}&task_id={task}&dag_id={dag}"

    def _pages(self, path: str, key: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            told = self._get(path, {**asked, "limit": _PAGE, "offset": offset}) or {}
            page = told.get(key, [])
            yield from page
            offset += len(page)
            if not page or offset >= told.get("total_entries", 0):
                return

    def _get(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """None: there is no such thing."""
        answer = _ask(self.session, "GET", self.root + path, params=asked)
        return None if answer.status_code == 404 else _document(answer)


def from_environment(environ: Mapping[str, str] = os.environ) -> Api:
    """The API that the environment names; UsageError where it names none."""
    missing = [name for name in VARIABLES if not environ.get(name)]
    if missing:
        raise UsageError(
            f"Not set: {', '.join(missing)}. Set {VARIABLES[0]} to the address of Airflow's UI "
            "(http://host:8080), the others to a user who may read DAGs, their runs, task "
            "instances and XComs."
        )
    return connect(*(environ[name] for name in VARIABLES))


def connect(url: str, user: str, password: str) -> Api:
    """Ask for the version, and sign in as it wants it."""
    import requests

    url = _checked(url)
    session = requests.Session()
    version = _version(session, url)
    if version < (2, 2):
        raise ApiError(f"{url} is Airflow {version[0]}.{version[1]}; the bridge knows 2.2 to 3.x.")
    session.auth = (user, password)
    if version >= (3, 0):
        session.auth = _Bearer(_token(url, user, password))
    return Api(url, version, session)


class _Bearer:
    """As `auth`, because requests would put what ~/.netrc says in the place of a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in url:
        # It may hold a password, so it is not repeated.
        raise UsageError(
            f"The address of Airflow's API ({VARIABLES[0]}) is written http://host:8080, without "
            f"user and password; those are {VARIABLES[1]} and {VARIABLES[2]}."
        )
    return re.sub(r"/(api(/v[12])?/?)?$", "", url)


def _version(session: requests.Session, url: str) -> tuple[int, int]:
    for path in ("/api/v2/version", "/api/v1/version"):
        answer = _ask(session, "GET", url + path)
        if answer.status_code == 404:
            continue
        text = _document(answer).get("version", "")
        found = re.match(r"(\d+)\.(\d+)", str(text))
        if found:
            return int(found[1]), int(found[2])
    raise ApiError(
        f"{url} has neither /api/v2/version nor /api/v1/version, so it is no Airflow: give the "
        "address that its UI has, with the path where there is one (https://host/airflow)."
    )


def _token(url: str, user: str, password: str) -> str:
    asked = {"username": user, "password": password}
    answer = _ask(_plain(), "POST", f"{url}/auth/token", json=asked)
    if answer.status_code not in (200, 201):
        # Its text may repeat what was sent.
        raise ApiError(
            f"{url}/auth/token gives the user {user} no token ({answer.status_code}): check user "
            "and password."
        )
    token = _document(answer).get("access_token")
    if not token:
        raise ApiError(f"{url}/auth/token answers without a token: check the address.")
    return str(token)


def _plain() -> requests.Session:
    import requests

    return requests.Session()


def _ask(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
    import requests

    try:
        answer = session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **more)
    except requests.exceptions.SSLError:
        raise ApiError(
            f"The certificate of {_host(url)} is not trusted: name the authority's file in "
            "REQUESTS_CA_BUNDLE."
        ) from None
    except requests.exceptions.Timeout:
        raise ApiError(f"{_host(url)} did not answer within {TIMEOUT:.0f} s.") from None
    except requests.exceptions.RequestException as error:
        raise ApiError(
            f"{_host(url)} cannot be reached ({type(error).__name__}): is the webserver (3.x: the "
            "api-server) up, and the address right?"
        ) from None
    if answer.is_redirect:
        where = urlsplit(answer.headers["location"])
        raise ApiError(
            f"{_host(url)} leads on to {where.scheme}://{where.netloc}{where.path}: give the "
            "address that it leads to; or no basic_auth is set and it wants people to sign in."
        )
    return answer


def _document(answer: requests.Response) -> dict[str, Any]:
    """What it answered; its mistakes in words."""
    where = answer.url.partition("?")[0]
    code = answer.status_code
    if code in (401, 403):
        raise ApiError(
            f"{where} refuses the user ({code}): check user and password; it needs to read DAGs, "
            "DAG runs, task instances and XComs, as the role Viewer does; and Airflow 2 wants "
            "airflow.api.auth.backend.basic_auth in [api] auth_backends (2.2: auth_backend)."
        )
    try:
        found = answer.json()
    except ValueError:
        found = None
    if code >= 400:
        said = found.get("detail") if isinstance(found, dict) else None
        raise ApiError(f"{where} answers {code}{f': {said}' if isinstance(said, str) else ''}.")
    if not isinstance(found, dict):
        raise ApiError(f"{where} answers no JSON, so it is not Airflow's API: check the address.")
    return found


def _path(dag_id: str, run_id: str, task_id: str) -> str:
    names: Sequence[str] = [quote(name, safe="") for name in (dag_id, run_id, task_id)]
    return "/dags/{}/dagRuns/{}/taskInstances/{}".format(*names)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
