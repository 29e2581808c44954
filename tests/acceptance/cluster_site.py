"""What tests on real Airflow clusters share: starting one, waiting for it, what Dagster has of it.

Here: a cluster of a version or a skip, DAG runs and their end, Dagster runs of a DAG run, a small
project of a test's own with its instance in PostgreSQL, the Dagster UI. Not here: starting servers
(`tests/servers`), and what must hold (the tests beside this).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from airflow_bridge.location import Location
from tests.conftest import absent
from tests.servers.airflow import install
from tests.servers.celery import Cluster, find_redis, running_cluster
from tests.servers.keeper import _descendants, kept
from tests.servers.postgres import NoServer, PostgresServer, free_port
from tests.ui.server import Ui

ROOT = Path(__file__).parents[2]

#: The quickest first.
VERSIONS = ("2.11.2", "3.3.2", "2.2.3")

#: A step takes some 5 s, of a machine that is busy much more.
PATIENCE = 400.0

#: Of a DAG run.
ENDS = ("success", "failed")


@contextmanager
def started(
    version: str, server: PostgresServer, home: Path, dags: Path, more: Mapping[str, str]
) -> Iterator[Cluster]:
    """A cluster of that Airflow over the files in `dags`; a skip where there can be none."""
    with ExitStack() as stack:
        try:
            find_redis()
            starting = running_cluster(install(version), server, home, dags, more)
        except NoServer as error:
            absent(f"a cluster of Airflow {version}", error)
            raise AssertionError from None
        found = stack.enter_context(starting)
        tell(found, f"is up: {found.seconds}")
        yield found


def unpause(cluster: Cluster) -> None:
    """All of its DAGs, as the command does it, which takes 5 s each."""
    cluster.ask("UPDATE dag SET is_paused = false")


def tell(cluster: Cluster, text: str) -> None:
    """For people."""
    print(f"\nAirflow {cluster.airflow.version} {text}", file=sys.stderr)


def wait(
    what: str, happened: Callable[[], Any], cluster: Cluster, seconds: float = PATIENCE
) -> Any:
    """Until it is true; what it then is."""
    until = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < until, f"{what}\n{said(cluster)}"
        time.sleep(0.5)
    return found


def said(cluster: Cluster) -> str:
    """What Airflow has of it: states, and the newest logs of tasks."""
    states = cluster.ask("SELECT dag_id, run_id, state FROM dag_run")
    tasks = cluster.ask(
        "SELECT dag_id, run_id, task_id, state FROM task_instance ORDER BY start_date"
    )
    logs = [path for path in (cluster.home / "logs").rglob("*.log") if "run_id=" in str(path)]
    if not logs:
        dags = {str(row[0]) for row in states}
        logs = [one for dag in dags for one in (cluster.home / "logs" / dag).rglob("*.log")]
    newest = sorted(logs, key=lambda path: path.stat().st_mtime)[-3:]
    told = [f"-- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in newest]
    scheduler = cluster.log("scheduler")[-2000:]
    return "\n".join([*map(str, states), *map(str, tasks), *told, scheduler])


def end(cluster: Cluster, dag: str, run_id: str, state: str = "success") -> None:
    """Until the DAG run ends, as `state` says."""
    found = wait(
        f"{run_id} ends", lambda: (now := cluster.state(dag, run_id)) in ENDS and now, cluster
    )
    assert found == state, said(cluster)


def trigger(cluster: Cluster, dag: str, run_id: str, conf: Mapping[str, str], *more: str) -> None:
    cluster.call("dags", "trigger", dag, "-r", run_id, "-c", json.dumps(conf), *more)


def task_log(cluster: Cluster, dag: str, run_id: str, task_id: str) -> str:
    """What the tries of a task have said; 2.2 names its folder by the run's date."""
    query = "SELECT execution_date FROM dag_run WHERE dag_id = %s AND run_id = %s"
    folder = cluster.home / "logs" / f"dag_id={dag}" / f"run_id={run_id}" / f"task_id={task_id}"
    if cluster.airflow.version.startswith("2.2"):
        (row,) = cluster.ask(query, dag, run_id)
        stamps = (cluster.home / "logs" / dag / task_id).glob("*")
        folder = next(one for one in stamps if datetime.fromisoformat(one.name) == row[0])
    return "".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.log")))


# -- Dagster


def runs_of(instance: dg.DagsterInstance, cluster: Cluster, run_id: str) -> list[dg.DagsterRun]:
    """The Dagster runs of a DAG run, the oldest first."""
    found = instance.get_runs(dg.RunsFilter(tags={"airflow/run_id": run_id}))
    mine = [run for run in found if run.tags["airflow/log_url"].startswith(cluster.url)]
    return mine[::-1]


def made(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[tuple[str, str | None]]:
    """Asset and partition of each materialisation of a run."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    events = instance.get_records_for_run(run.run_id, of_type=kind).records
    found = [record.event_log_entry.get_dagster_event() for record in events]
    return {
        (one.step_materialization_data.materialization.asset_key.to_user_string(), one.partition)
        for one in found
    }


def write_instance(folder: Path, storage: Mapping[str, Any]) -> Path:
    """A folder for `DAGSTER_HOME` whose history is in that PostgreSQL database."""
    core = "dagster._core.run_coordinator"
    config = {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "storage": {"postgres": storage},
        # What the UI launches starts at once; by default a daemon takes it from a queue.
        "run_coordinator": {"module": core, "class": "DefaultRunCoordinator"},
    }
    folder.mkdir()
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
    return folder


@contextmanager
def dagster_ui(folder: Path, words: Sequence[str], variables: Mapping[str, str]) -> Iterator[Ui]:
    """The Dagster UI over what `words` name, once its one repository is loaded."""
    port = free_port()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    commands = {"ui": [program, *words, "-h", "127.0.0.1", "-p", str(port)]}
    found = Ui(f"http://127.0.0.1:{port}", folder, variables)
    with kept(folder, commands, {**os.environ, **variables}):
        until = time.monotonic() + PATIENCE
        while not _loaded(found):
            assert time.monotonic() < until, (folder / "ui.log").read_text()[-5000:]
            time.sleep(0.5)
        yield found


def _loaded(ui: Ui) -> bool:
    with contextlib.suppress(OSError):
        told = ui.query("{ repositoriesOrError { ... on RepositoryConnection { nodes { id } } } }")
        return len(told["repositoriesOrError"]["nodes"]) == 1
    return False


# -- a project of a test's own

#: Tasks find the code that is tested, wherever Airflow starts them.
_BRIDGE = """#!/bin/sh
cd {folder}
PYTHONPATH={root} exec {python} -m airflow_bridge "$@"
"""


@dataclass(frozen=True)
class Project:
    """A Dagster project without the lake, its DAG files and its instance."""

    folder: Path
    location: Location
    instance: dg.DagsterInstance

    @property
    def dags(self) -> Path:
        return self.folder / "dags"

    @property
    def variables(self) -> dict[str, str]:
        return {"DAGSTER_HOME": str(self.folder / "dagster")}


@contextmanager
def project(folder: Path, module: str, code: str, server: PostgresServer) -> Iterator[Project]:
    """The project `module`, exported, its history in the server's database of the same name."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(code)
    bridge = folder / "bridge"
    bridge.write_text(_BRIDGE.format(folder=folder, root=ROOT, python=sys.executable))
    bridge.chmod(0o755)
    words = ["export", "-m", module, "--to", str(folder / "dags"), "--command", str(bridge)]
    done = subprocess.run([str(bridge), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    server.create_database(module)
    address = f"postgresql://{server.user}@{server.host}:{server.port}/{module}"
    home = write_instance(folder / "dagster", {"postgres_url": address})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, module, raising=False)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield Project(folder, Location(module, "defs", module), instance)


# -- processes of a cluster


def process(cluster: Cluster, name: str) -> int:
    """The id of one that the cluster, or `again`, started."""
    return int((cluster.home / f"{name}.pid").read_text())


def kill(cluster: Cluster, name: str, *more: int) -> None:
    """SIGKILL to one of its processes, all below it and `more`."""
    first = process(cluster, name)
    for one in {first, *_descendants(first), *more}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


@contextmanager
def again(cluster: Cluster, name: str) -> Iterator[None]:
    """One of its processes that has ended, started once more."""
    with kept(cluster.home, {name: cluster.commands[name]}, cluster.variables):
        yield
