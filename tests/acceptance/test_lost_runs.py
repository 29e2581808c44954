"""Tasks of three real Airflows that never reach Dagster, and workers that are killed.

Here: a project without the lake, exported, on scheduler, Celery worker and API of each Airflow, and
what one look at the API records and ends in Dagster. Not here: which cases there are
(`tests/airflow_bridge/test_lost_runs.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.airflow_api import Api
from airflow_bridge.graph import read_graph
from airflow_bridge.location import Location
from airflow_bridge.lost_runs import Report, sync
from tests.airflow_bridge.test_airflow_api import add_user, api_settings, await_api, webserver
from tests.conftest import absent
from tests.servers.airflow import install
from tests.servers.celery import QUEUE, Cluster, find_redis, running_cluster
from tests.servers.keeper import _descendants, kept
from tests.servers.postgres import NoServer, PostgresServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

DAG, DAY = "sales", "2025-07-01"
LOST = Location("lost_project", "defs", "lost")

#: A machine that is busy with other tests.
PATIENCE = 400.0

#: With a file `slow` beside it a step lasts until it is killed.
PROJECT = f'''
import time
from pathlib import Path

import dagster as dg

DAYS = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")


@dg.asset(
    partitions_def=DAYS,
    retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
    metadata={{"airflow/queue": "{QUEUE}"}},
)
def orders() -> None:
    slow = Path(__file__).with_name("slow")
    if slow.exists():
        slow.with_name("asleep").touch()
        time.sleep(600)


defs = dg.Definitions(assets=[orders], jobs=[dg.define_asset_job("{DAG}", [orders])])
'''

#: As where an image is missing: what the file `lost` names is never begun.
BRIDGE = """#!/bin/sh
cd {folder}
if [ -s lost ] && echo "$*" | grep -q -e "$(cat lost)"; then exit 127; fi
exec {python} -m airflow_bridge "$@"
"""


@dataclass(frozen=True)
class Site:
    """The project, its instance, and one Airflow that runs it."""

    folder: Path
    instance: dg.DagsterInstance
    cluster: Cluster
    api: Api

    def look(self) -> Report:
        return sync(self.instance, LOST, self.api, read_graph(LOST.load())[0])

    def trigger(self, run_id: str) -> None:
        conf = json.dumps({"partition": DAY})
        self.cluster.call("dags", "trigger", DAG, "-r", run_id, "-c", conf)

    def runs(self, run_id: str) -> list[dg.DagsterRun]:
        """The oldest first."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={"airflow/run_id": run_id})))[::-1]

    def wait(self, what: str, happened: Callable[[], Any]) -> Any:
        until = time.monotonic() + PATIENCE
        while not (found := happened()):
            if time.monotonic() > until:
                states = self.cluster.ask("SELECT run_id, task_id, state FROM task_instance")
                logs = [self.cluster.log(name)[-3000:] for name in ("scheduler", "worker")]
                raise AssertionError("\n".join([what, *map(str, states), *logs]))
            time.sleep(0.5)
        return found

    def end(self, run_id: str, state: str) -> None:
        ends = ("success", "failed")
        assert self.wait(run_id, lambda: (s := self._state(run_id)) in ends and s) == state

    def _state(self, run_id: str) -> str | None:
        return self.cluster.state(DAG, run_id)


def _project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "lost_project.py").write_text(PROJECT)
    bridge = folder / "bridge"
    bridge.write_text(BRIDGE.format(folder=folder, python=sys.executable))
    bridge.chmod(0o755)
    words = ["-m", "airflow_bridge", "export", "-m", LOST.module, "--location", LOST.name]
    words += ["--to", str(folder / "dags"), "--command", str(bridge)]
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return home


def _settings(version: str, folder: Path, home: Path) -> Mapping[str, str]:
    """Airflow takes a task for lost after these seconds without a sign; it is 300 by itself."""
    return {
        **api_settings(version, folder),
        "DAGSTER_HOME": str(home),
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }


@pytest.fixture(scope="module", params=["2.11.2", "3.3.2", "2.2.3"])
def site(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    version = request.param
    folder = tmp_path_factory.mktemp("lost") / "project"
    home = _project(folder)
    with ExitStack() as stack:
        try:
            find_redis()
            airflow = install(version)
        except NoServer as error:
            absent(f"a cluster of Airflow {version}", error)
            raise AssertionError from None
        more = _settings(version, folder, home)
        airflow_home = folder / "airflow"
        starting = running_cluster(airflow, postgres_server, airflow_home, folder / "dags", more)
        cluster = stack.enter_context(starting)
        add_user(version, cluster.call)
        if version.startswith("2."):
            port = int(cluster.url.rpartition(":")[2])
            commands = {"web": webserver(version, str(airflow.bin / "airflow"), port)}
            stack.enter_context(kept(airflow_home, commands, cluster.variables))
        api = await_api(cluster.url, seconds=PATIENCE)
        cluster.call("dags", "unpause", DAG)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, LOST.module, raising=False)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        yield Site(folder, instance, cluster, api)


def test_a_task_whose_command_is_missing(site: Site) -> None:
    """Both tries fail on the asset's partition, once; what reached Dagster is left alone."""
    site.trigger("whole")
    site.end("whole", "success")
    (site.folder / "lost").write_text("--asset")
    site.trigger("missing")
    site.end("missing", "failed")
    (site.folder / "lost").unlink()
    assert site.runs("missing") == []

    begun = time.monotonic()
    report = site.look()
    took = time.monotonic() - begun
    print(f"\nAirflow {site.cluster.airflow.version}: a look took {took:.2f} s", file=sys.stderr)
    assert (report.problems, report.ended) == ([], [])
    first = [] if site.api.version < (2, 10) else [1]
    assert [put.try_number for put in report.recorded] == [*first, 2]
    found = site.runs("missing")
    assert [run.run_id for run in found] == [put.run_id for put in report.recorded]
    for run in found:
        assert run.status == dg.DagsterRunStatus.FAILURE
        assert run.tags["dagster/partition"] == DAY
        assert run.tags["airflow/task_id"] == "orders"
    assert "orders of sales, run missing, try 2: failed on " in report.recorded[-1].why
    assert [run.status.value for run in site.runs("whole")] == ["SUCCESS"]
    assert site.look().recorded == []


def test_a_tick_that_fails(site: Site) -> None:
    (site.folder / "lost").write_text("--tick")
    site.trigger("no_tick")
    site.end("no_tick", "failed")
    (site.folder / "lost").unlink()
    assert {put.task_id for put in site.look().recorded} == {"tick"}
    run = site.runs("no_tick")[-1]
    assert run.asset_selection == {dg.AssetKey("orders")}
    assert "dagster/partition" not in run.tags


def test_a_worker_that_is_killed(site: Site) -> None:
    """Last: no worker is left. The run ends once Airflow knows, and not while it thinks it runs."""
    (site.folder / "slow").touch()
    site.trigger("killed")
    site.wait("a task", (site.folder / "asleep").exists)
    (run,) = site.runs("killed")
    assert run.status == dg.DagsterRunStatus.STARTED
    assert site.look().ended == []

    killed = time.monotonic()
    _kill_worker(run)
    report = site.wait("its end", lambda: (found := site.look()).ended and found)
    seconds = time.monotonic() - killed
    print(
        f"\nAirflow {site.cluster.airflow.version}: ended {seconds:.0f} s after the kill, Airflow "
        "had 20 s to know",
        file=sys.stderr,
    )
    (put,) = report.ended
    assert put.run_id == run.run_id
    # By then another try may wait for a worker.
    assert put.why.startswith("Its task is gone: Airflow ")
    assert " orders of sales, run killed, try " in put.why
    after = site.instance.get_run_by_id(run.run_id)
    assert after is not None
    assert after.status == dg.DagsterRunStatus.FAILURE
    assert seconds < 300
    ended = datetime.now(timezone.utc)
    assert ended - datetime.fromisoformat(report.until) < timedelta(minutes=1)
    (record,) = site.runs("killed")
    assert record.run_id == run.run_id
    assert site.look().ended == []


def _kill_worker(run: dg.DagsterRun) -> None:
    """SIGKILL to the worker and all below it, the command too; of this test's own processes."""
    mine = _descendants(os.getpid())
    words = {pid: _words(pid) for pid in mine}
    # The keeper's own words name all that it has started.
    others = [pid for pid in mine if "keeper.py" not in words[pid]]
    workers = [pid for pid in others if "celery" in words[pid] and "worker" in words[pid]]
    command = int(run.tags["run/process"].rpartition(":")[2])
    assert workers
    assert command in mine
    below = {pid for one in workers for pid in (one, *_descendants(one))} | {command}
    for pid in below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _words(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""
