"""What is killed while a task of an exported DAG runs, on three real Airflows; and all is right.

Here: the command, the worker, the broker and the history's database, killed or told to end, one
after another; afterwards the data are whole, each partition is in the history, no run is left as
running, no pool's slot is kept. Not here: tasks that a person marks or clears
(`test_airflow_clusters.py`), tasks that are never begun (`test_lost_runs.py`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from airflow_bridge.airflow_api import Api
from airflow_bridge.graph import read_graph
from airflow_bridge.lost_runs import Report, sync
from tests.acceptance.cluster_site import (
    ENDS,
    VERSIONS,
    Project,
    again,
    kill,
    process,
    project,
    runs_of,
    said,
    started,
    tell,
    trigger,
    unpause,
    wait,
)
from tests.airflow_bridge.test_airflow_api import add_user, api_settings, await_api, webserver
from tests.servers.celery import QUEUE, Cluster
from tests.servers.keeper import _descendants, ended, kept
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAME, POOL = "kills_project", "shop"

#: Seconds until no run may be shown as running.
LIMIT = 300

#: Seconds that the history's database is down.
OUTAGE = 60

#: A step begins its file, and ends it only once the file `slow` is gone; `asleep` says it is there.
CODE = f'''
import time
from pathlib import Path

import dagster as dg

HERE = Path(__file__).parent
DAYS = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")


def asset(**more):
    return dg.asset(
        partitions_def=DAYS,
        pool="{POOL}",
        retry_policy=dg.RetryPolicy(max_retries=4, delay=25),
        **more,
    )


def write(context):
    path = HERE / "data" / f"{{context.asset_key.path[-1]}}-{{context.partition_key}}"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        file.write("one ")
        file.flush()
        while (HERE / "slow").exists():
            (HERE / "asleep").touch()
            time.sleep(0.2)
        file.write("two")


@asset(metadata={{"airflow/queue": "{QUEUE}"}})
def orders(context) -> None:
    write(context)


@asset(deps=[orders], metadata={{"airflow/queue": "{QUEUE}"}})
def report(context) -> None:
    assert (HERE / "data" / f"orders-{{context.partition_key}}").read_text() == "one two"
    write(context)


@asset(metadata={{"airflow/queue": "{QUEUE}", "airflow/timeout": 30}})
def limited(context) -> None:
    write(context)


defs = dg.Definitions(
    assets=[orders, report, limited],
    jobs=[
        dg.define_asset_job("sales", [orders, report]),
        dg.define_asset_job("short", [limited]),
    ],
)
'''

DAGS = {"sales": ("orders", "report"), "short": ("limited",)}


@dataclass
class Site:
    """The project on one Airflow; `stack` holds what is started again."""

    project: Project
    cluster: Cluster
    history: PostgresServer
    api: Api
    stack: ExitStack
    since: str | None = field(default=None)

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.project.instance

    @property
    def slow(self) -> Path:
        return self.project.folder / "slow"

    def look(self) -> Report:
        """As the sensor does it each minute; and as whatever keeps a worker's service running.

        Celery's worker gives up when its broker comes back (kombu 5.6: KeyError), with code 0.
        """
        if ended(self.cluster.home / "worker.log"):
            tell(self.cluster, "the worker had ended by itself")
            self.again("worker")
        location = self.project.location
        graph, _ = read_graph(location.load())
        found = sync(self.instance, location, self.api, graph, since=self.since)
        self.since = found.until
        return found

    def again(self, name: str) -> None:
        """Start a process of the cluster that has ended; a worker until it takes tasks."""
        before = self.cluster.log(name).count(" ready.")
        self.stack.enter_context(again(self.cluster, name))
        if name == "worker":

            def ready() -> bool:
                return self.cluster.log(name).count(" ready.") > before

            wait("a worker", ready, self.cluster)


@pytest.fixture(scope="module")
def history() -> Iterator[PostgresServer]:
    """A server of the history's own, so that Airflow's stays while it is down."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def killed_project(
    history: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("kills") / "project"
    with project(folder, NAME, CODE, history) as found:
        found.instance.event_log_storage.set_concurrency_slots(POOL, 1)
        yield found


@pytest.fixture(scope="module", params=VERSIONS)
def site(
    request: pytest.FixtureRequest,
    killed_project: Project,
    history: PostgresServer,
    postgres_server: PostgresServer,
) -> Iterator[Site]:
    version, own = request.param, killed_project
    home = own.folder / f"airflow-{version}"
    more = {
        **own.variables,
        **api_settings(version, own.folder),
        # Airflow takes a task for lost after these seconds without a sign; by itself 300.
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
    with ExitStack() as stack:
        cluster = stack.enter_context(started(version, postgres_server, home, own.dags, more))
        add_user(version, cluster.call)
        if version.startswith("2."):
            port = int(cluster.url.rpartition(":")[2])
            commands = {"web": webserver(version, str(cluster.airflow.bin / "airflow"), port)}
            stack.enter_context(kept(home, commands, cluster.variables))
        api = await_api(cluster.url, seconds=400)
        cluster.call("pools", "set", POOL, "1", "a source system")
        unpause(cluster)
        yield Site(own, cluster, history, api, stack)
    # The next one has to make it all itself.
    own.instance.wipe_assets(own.instance.get_asset_keys())
    shutil.rmtree(own.folder / "data")


# -- what is killed


def _timeout(site: Site, run: dg.DagsterRun) -> None:
    """Airflow tells it to end, after 30 s."""
    wait("its end", lambda: _status(site, run) == dg.DagsterRunStatus.CANCELED, site.cluster)


def _command(site: Site, run: dg.DagsterRun) -> None:
    os.kill(_process(run), signal.SIGKILL)


def _worker(site: Site, run: dg.DagsterRun) -> None:
    kill(site.cluster, "worker", _process(run))
    site.slow.unlink()
    site.again("worker")


def _worker_restart(site: Site, run: dg.DagsterRun) -> None:
    """As systemd stops a service: TERM to all of it, KILL to what is left after a while."""
    first = process(site.cluster, "worker")
    for one in (first, *_descendants(first)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGTERM)
    until = time.monotonic() + 60
    while not ended(site.cluster.home / "worker.log") and time.monotonic() < until:
        time.sleep(0.5)
    kill(site.cluster, "worker", _process(run))
    site.slow.unlink()
    site.again("worker")


def _broker(site: Site, run: dg.DagsterRun) -> None:
    """It keeps nothing. Another DAG run begins while it is away."""
    kill(site.cluster, "redis")
    trigger(site.cluster, "short", "meanwhile", {"partition": "2025-02-01"})
    time.sleep(15)
    site.again("redis")


def _history(site: Site, run: dg.DagsterRun) -> None:
    """The step itself ends while its end cannot be recorded."""
    ends = threading.Timer(10, site.slow.unlink)
    ends.start()
    site.history.restart(OUTAGE)
    ends.join()


@dataclass(frozen=True)
class Case:
    """What happens while a task of `dag` runs, and what its first try is called afterwards."""

    happens: Callable[[Site, dg.DagsterRun], None]
    day: str
    first: tuple[str, ...]
    dag: str = "sales"


#: The broker last but one: what it loses Airflow may look for, for minutes.
CASES = {
    "timeout": Case(_timeout, "2025-01-02", ("CANCELED",), "short"),
    "command": Case(_command, "2025-01-03", ("FAILURE",)),
    "worker": Case(_worker, "2025-01-04", ("FAILURE",)),
    "worker_restart": Case(_worker_restart, "2025-01-05", ("CANCELED", "FAILURE")),
    "history": Case(_history, "2025-01-06", ("FAILURE",)),
    "broker": Case(_broker, "2025-01-07", ("SUCCESS",)),
}


@pytest.mark.parametrize("name", CASES)
def test_all_is_right_afterwards(site: Site, name: str) -> None:
    case, cluster = CASES[name], site.cluster
    asleep = site.slow.with_name("asleep")
    asleep.unlink(missing_ok=True)
    site.slow.touch()
    try:
        trigger(cluster, case.dag, name, {"partition": case.day})
        wait("a task", asleep.exists, cluster)
        (run,) = runs_of(site.instance, cluster, name)
        assert run.status == dg.DagsterRunStatus.STARTED
        begun = time.monotonic()
        case.happens(site, run)
    finally:
        site.slow.unlink(missing_ok=True)

    ended_after = _until_nothing_runs(site, run, begun)
    state = wait("its end", lambda: _looked(site, case.dag, name), cluster)
    took = time.monotonic() - begun
    assert state == "success", said(cluster)
    tell(cluster, f"{name}: run ended after {ended_after:.0f} s, DAG run after {took:.0f} s")
    if name == "broker":
        found = wait("its end", lambda: _looked(site, "short", "meanwhile"), cluster)
        tell(cluster, f"meanwhile: DAG run after {time.monotonic() - begun:.0f} s")
        assert found == "success", said(cluster)
        _assert_made(site, "short", "2025-02-01")
    _assert_made(site, case.dag, case.day)

    runs = runs_of(site.instance, cluster, name)
    tries = [(one.tags["airflow/task_id"], one.status.value) for one in runs]
    assert runs[0].run_id == run.run_id
    assert tries[0][1] in case.first, tries
    assert [one for one in tries if one[1] == "SUCCESS"] == [
        (asset, "SUCCESS") for asset in DAGS[case.dag]
    ]
    assert all(one.is_finished for one in site.instance.get_runs())
    _assert_no_slot_is_kept(site)


def _until_nothing_runs(site: Site, run: dg.DagsterRun, begun: float) -> float:
    """Seconds until the run that was met has ended.

    The server, as it is stopped, may lose that it was started (`synchronous_commit` is off there).
    """
    while _status(site, run) not in FINISHED_STATUSES:
        assert time.monotonic() - begun < LIMIT, said(site.cluster)
        time.sleep(2)
        site.look()
    return time.monotonic() - begun


def _looked(site: Site, dag: str, run_id: str) -> str | None:
    site.look()
    state = site.cluster.state(dag, run_id)
    return state if state in ENDS else None


def _status(site: Site, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = site.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def _process(run: dg.DagsterRun) -> int:
    return int(run.tags["run/process"].rpartition(":")[2])


def _assert_made(site: Site, dag: str, day: str) -> None:
    for asset in DAGS[dag]:
        assert day in site.instance.get_materialized_partitions(dg.AssetKey(asset))
        path = site.project.folder / "data" / f"{asset}-{day}"
        assert path.read_text() == "one two", path


def _assert_no_slot_is_kept(site: Site) -> None:
    """Of Airflow's pool and of Dagster's."""
    query = (
        "SELECT dag_id, run_id, task_id, state FROM task_instance "
        "WHERE pool = %s AND state IN ('queued', 'running', 'restarting')"
    )
    assert site.cluster.ask(query, POOL) == []
    slots = site.instance.event_log_storage.get_concurrency_info(POOL)
    assert (slots.slot_count, slots.claimed_slots, slots.pending_steps) == (1, [], [])
