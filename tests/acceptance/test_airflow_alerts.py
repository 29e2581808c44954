"""Messages of real Airflows to stand-ins for rooms: 300 failures at once, and a room that is away.

Here: a DAG of 300 tasks that all fail, told one by one to a room that is often busy and as one to
another, and a DAG that succeeds while its room is down; on scheduler and Celery worker of each
Airflow. Not here: a room that is away for an hour, on a clock of the test's own
(`tests/airflow_bridge/test_messenger.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import dagster as dg
import pytest

from tests.acceptance.cluster_site import (
    ENDS,
    VERSIONS,
    Project,
    end,
    project,
    runs_of,
    said,
    started,
    tell,
    trigger,
    unpause,
    wait,
)
from tests.airflow_bridge.test_messenger import Answer, Rooms
from tests.servers.celery import QUEUE, Cluster
from tests.servers.postgres import PostgresServer, free_port

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAME, TOKEN = "alerts_project", "room-Hq73-secret"

#: Tasks that fail; how often the busy room says 429, and the seconds it then wants.
COUNT, BUSY, PAUSE = 300, 20, 3

#: Seconds within which the messages to the other room become one.
GROUP = 60

#: A DAG run of 300 tasks takes some minutes on two cores.
LONG = 1800.0

CODE = f"""
import dagster as dg

HINTS = {{"metadata": {{"airflow/queue": "{QUEUE}"}}}}


def fails(number):
    return dg.asset(name=f"fails_{{number:03}}", **HINTS)(lambda: None)


@dg.asset(**HINTS)
def calm() -> None:
    pass


MANY = [fails(number) for number in range({COUNT})]
TWO = {{"airflow/messages": ["busy_room", "grouped_room"]}}
AWAY = {{"airflow/messages": ["away_room"]}}
defs = dg.Definitions(
    assets=[calm, *MANY],
    jobs=[
        dg.define_asset_job("failing", MANY, metadata=TWO),
        dg.define_asset_job("calm_down", [calm], metadata=AWAY),
    ],
)
"""

#: What fails does so at once, as 300 processes that load a graph would take a quarter of an hour.
FAILS = """#!/bin/sh
case "$*" in *" --asset fails_"*) echo "the source is down"; exit 65;; esac
"""


@dataclass(frozen=True)
class Site:
    """The project on one Airflow and its rooms; the third is started by its test, at `port`."""

    project: Project
    cluster: Cluster
    busy: Rooms
    grouped: Rooms
    port: int


@pytest.fixture(scope="module")
def alerting(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("alerts") / "project"
    with project(folder, NAME, CODE, postgres_server) as found:
        bridge = folder / "bridge"
        bridge.write_text(bridge.read_text().replace("#!/bin/sh\n", FAILS, 1))
        yield found


@pytest.fixture(scope="module", params=VERSIONS)
def site(
    request: pytest.FixtureRequest, alerting: Project, postgres_server: PostgresServer
) -> Iterator[Site]:
    answers: list[Answer] = []
    for _ in range(BUSY):
        answers += [*[(200, None)] * 10, (429, str(PAUSE))]
    busy, grouped, port = Rooms(answers), Rooms(), free_port()
    home = alerting.folder / f"airflow-{request.param}"
    more = {
        **alerting.variables,
        "AIRFLOW_CONN_BUSY_ROOM": _connection(busy.url),
        "AIRFLOW_CONN_GROUPED_ROOM": _connection(grouped.url, {"group": str(GROUP)}),
        "AIRFLOW_CONN_AWAY_ROOM": _connection(f"http://127.0.0.1:{port}/"),
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
    }
    with started(request.param, postgres_server, home, alerting.dags, more) as cluster:
        unpause(cluster)
        yield Site(alerting, cluster, busy, grouped, port)
    for one in (busy, grouped):
        one.shutdown()
        one.server_close()


def _connection(url: str, more: Mapping[str, str] | None = None) -> str:
    extra = "".join(f"&{name}={quote(text, safe='')}" for name, text in (more or {}).items())
    return f"webhook://:{TOKEN}@/?url={quote(url, safe='')}{extra}"


def test_three_hundred_failures_are_told_as_each_room_is_configured(site: Site) -> None:
    """One each, in their order and as slowly as the room wants it; and a few of many."""
    cluster, begun = site.cluster, time.monotonic()
    trigger(cluster, "failing", "all_fail", {})

    def ended() -> bool:
        return cluster.state("failing", "all_fail") in ENDS

    wait("its end", ended, cluster, LONG)
    took = time.monotonic() - begun
    states = "SELECT state, count(*) FROM task_instance WHERE dag_id = %s GROUP BY 1 ORDER BY 1"
    expected = {"failed": COUNT, "success": 1, "upstream_failed": 1}  # tick, and done
    assert dict(cluster.ask(states, "failing")) == expected, said(cluster)

    every = {f"fails_{number:03}" for number in range(COUNT)}
    wait("each message", lambda: len(site.busy.received) >= COUNT, cluster)
    each = [body["task_id"] for body in site.busy.received]
    assert (len(each), set(each)) == (COUNT, every)
    times = [body["time"] for body in site.busy.received]
    assert times == sorted(times)
    _assert_no_haste(site.busy)

    def told() -> list[Mapping[str, str]]:
        return [one for body in site.grouped.received for one in body.get("messages", [body])]

    wait("all in groups", lambda: len(told()) >= COUNT, cluster)
    assert {one["task_id"] for one in told()} == every
    assert len(told()) == COUNT
    # A group begins with its first message, which is there before the DAG run's end.
    assert len(site.grouped.received) <= took / GROUP + 2
    longest = max(site.grouped.received, key=lambda body: len(body.get("messages", ())))
    several = len(longest["messages"])
    assert longest["text"].splitlines()[:2] == [
        f"{several} messages:",
        f"failing (failing) failed (×{several})",
    ]
    tell(
        cluster,
        f"{COUNT} failures in {took:.0f} s: {len(each)} messages, {len(site.grouped.received)} "
        f"grouped, the busy room answered 429 {len(_refusals(site.busy))} times",
    )
    _assert_no_secret(site)


def _refusals(room: Rooms) -> list[float]:
    return [moment for moment, status in room.answered if status == 429]


def _assert_no_haste(room: Rooms) -> None:
    """After a 429 nothing comes before the time is over."""
    assert len(_refusals(room)) == BUSY
    for one, (moment, status) in enumerate(room.answered[:-1]):
        if status == 429:
            assert room.answered[one + 1][0] - moment > PAUSE - 0.1


def test_a_room_that_is_down_fails_no_run_and_misses_nothing(site: Site) -> None:
    """The DAG run has ended for long when its room is back."""
    cluster = site.cluster
    for run_id in ("first", "second"):
        trigger(cluster, "calm_down", run_id, {})
    for run_id in ("first", "second"):
        end(cluster, "calm_down", run_id)
        (run,) = runs_of(site.project.instance, cluster, run_id)
        assert run.status == dg.DagsterRunStatus.SUCCESS
    room = Rooms(port=site.port)
    try:
        wait("its messages", lambda: len(room.received) >= 2, cluster)
    finally:
        room.shutdown()
        room.server_close()
    told = [(body["what"], body["run_id"]) for body in room.received]
    assert sorted(told) == [("succeeded", "first"), ("succeeded", "second")]
    assert set(room.tokens) == {f"Bearer {TOKEN}"}
    _assert_no_secret(site)


def _assert_no_secret(site: Site) -> None:
    """Not in a log, nor where messages are kept."""
    files = [path for path in site.cluster.home.rglob("*") if path.is_file()]
    kept = [path for path in files if path.suffix in (".json", ".log", ".refused")]
    assert kept
    assert [path for path in kept if TOKEN in path.read_text(errors="replace")] == []
    assert TOKEN not in json.dumps(site.busy.received)
