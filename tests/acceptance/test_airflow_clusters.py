"""Exported DAGs on three real Airflows: scheduler, Celery worker on queue s21, Redis, PostgreSQL.

Here: which partitions each kind of run makes, what the one Dagster instance keeps of it, messages,
re-execution in the Dagster UI, and tasks that are stopped; the same for each Airflow. The worker
calls `lake` in the lake's own environment, which is not Airflow's. Not here: what an exported file
says (`tests/airflow_bridge`), starting servers (`tests/servers`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from psycopg2 import sql

from tests.acceptance.cluster_lake import (
    DAG,
    SECRETS,
    SEOUL,
    TASKS,
    TOKEN,
    Site,
    backfill,
    dag_runs,
    day,
    lake_cluster,
    lake_site,
)
from tests.acceptance.cluster_site import (
    VERSIONS,
    dagster_ui,
    end,
    made,
    runs_of,
    said,
    tell,
    trigger,
    wait,
)
from tests.servers.celery import Cluster
from tests.servers.postgres import PostgresServer
from tests.ui.server import REPOSITORY, Ui

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with lake_site(postgres_server, tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module", params=VERSIONS)
def cluster(request: pytest.FixtureRequest, site: Site) -> Iterator[Cluster]:
    with lake_cluster(request.param, site) as found:
        yield found


# -- partitions


def test_each_kind_of_run_makes_its_partitions(site: Site, cluster: Cluster) -> None:
    """Scheduled, by hand, with a partition or a range in its conf, and a backfill of three days."""
    trigger(cluster, DAG, "by_hand", {})
    trigger(cluster, DAG, "of_a_day", {"partition": day(9)})
    trigger(cluster, DAG, "of_a_range", {"from": day(8), "to": day(6)})
    (scheduled,) = dag_runs(cluster, "scheduled")
    expected = {
        scheduled: [day(0)],
        "by_hand": [day(0)],
        "of_a_day": [day(9)],
        "of_a_range": [day(8), day(7), day(6)],
    }
    for run_id in expected:
        end(cluster, DAG, run_id)

    for ago, run_id in zip((5, 4, 3), backfill(cluster, 5, 3), strict=True):
        expected[run_id] = [day(ago)]

    for run_id, days in expected.items():
        found = runs_of(site.instance, cluster, run_id)
        assert [run.tags["airflow/task_id"] for run in found] == list(TASKS), run_id
        raw, by_store, all_days = found
        assert made(site.instance, raw) == {("raw/sales", one) for one in days}, run_id
        assert made(site.instance, by_store) == {("prep/by_store", one) for one in days}, run_id
        assert made(site.instance, all_days) == {("prep/all_days", None)}, run_id
        for run in found:
            assert run.status == dg.DagsterRunStatus.SUCCESS
            assert run.tags["airflow/dag_id"] == DAG
            assert run.tags["airflow/try_number"] == "1"
        (message,) = wait("its message", partial(site.told, cluster, run_id), cluster)
        assert (message["what"], message["task_id"]) == ("succeeded", "done")
        assert message["partition"] == (days[0] if len(days) == 1 else f"{days[0]}…{days[-1]}")
        assert message["time"].endswith(" KST")
        told = datetime.strptime(message["time"], "%Y-%m-%d %H:%M KST").replace(tzinfo=SEOUL)
        assert abs(told - datetime.now(SEOUL)) < timedelta(hours=1)
    _measure(cluster)


def _measure(cluster: Cluster) -> None:
    """How long tasks waited and took; for people."""
    query = """
        SELECT task_id, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY
                 extract(epoch FROM start_date - queued_dttm)),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY
                 extract(epoch FROM end_date - start_date))
        FROM task_instance WHERE state = 'success' GROUP BY task_id ORDER BY min(start_date)"""
    for name, count, waited, took in cluster.ask(query):
        shown = f"{name}: {count} tasks, queued {waited:.1f} s, ran {took:.1f} s"
        tell(cluster, shown)


# -- failures


@pytest.fixture(scope="module")
def ui(site: Site) -> Iterator[Ui]:
    """The Dagster UI over the instance that the clusters write to."""
    words = ["-w", str(REPOSITORY / "workspace.yaml")]
    with dagster_ui(site.folder, words, site.variables) as found:
        yield found


_RE_EXECUTE = """
mutation($run: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: FROM_FAILURE}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
  }
}"""


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the source, how it is mended, and how often Airflow tries."""

    breaks: str
    mends: str
    tries: int


FAULTS = {
    # A key twice: the gate says so, and no other try would help.
    "gate": Fault(
        f"INSERT INTO sales SELECT * FROM sales WHERE day = '{day(10)}' LIMIT 1",
        f"DELETE FROM sales s USING sales o WHERE s.day = '{day(10)}' AND s.ctid > o.ctid"
        " AND (s.day, s.store) = (o.day, o.store)",
        1,
    ),
    "busy": Fault(
        "ALTER ROLE cluster_sales CONNECTION LIMIT 0",
        "ALTER ROLE cluster_sales CONNECTION LIMIT -1",
        2,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_failure_is_told_once_and_mended_in_the_ui(
    site: Site, cluster: Cluster, ui: Ui, name: str
) -> None:
    fault = FAULTS[name]
    site.sales(fault.breaks)
    trigger(cluster, DAG, name, {"partition": day(10)})
    end(cluster, DAG, name, "failed")
    site.sales(fault.mends)

    runs = runs_of(site.instance, cluster, name)
    assert [run.status for run in runs] == [dg.DagsterRunStatus.FAILURE] * fault.tries
    failed = runs[-1]
    (message,) = wait("its message", lambda: site.told(cluster, name), cluster)
    assert message["what"] == "failed"
    assert (message["dag_id"], message["task_id"]) == (DAG, "raw__sales")
    assert (message["partition"], message["try_number"]) == (day(10), fault.tries)
    assert message["log_url"] == failed.tags["airflow/log_url"]
    lines = message["text"].splitlines()
    assert lines[0] == "store_sales (점포 매출) failed"
    said = f"partition {day(10)}, task raw__sales, try {fault.tries}, {message['time']}"
    assert lines[1:] == [said, message["log_url"]]
    assert message["time"].endswith(" KST")

    launched = ui.query(_RE_EXECUTE, run=failed.run_id)["launchRunReexecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    again = launched["run"]["runId"]

    def ended() -> dg.DagsterRun | None:
        run = site.instance.get_run_by_id(again)
        return run if run and run.is_finished else None

    run = wait("the re-execution", ended, cluster)
    assert (run.status, run.parent_run_id) == (dg.DagsterRunStatus.SUCCESS, failed.run_id)
    assert made(site.instance, run) == {("raw/sales", day(10))}
    assert len(site.told(cluster, name)) == 1


# -- tasks that are stopped


@pytest.mark.parametrize("how", ["marked", "cleared"])
def test_a_task_that_is_stopped_ends_and_meets_no_other_try(
    site: Site, cluster: Cluster, how: str
) -> None:
    """Marked as failed, or cleared while it runs; Airflow sends it TERM, and never KILL."""
    slow, asleep = site.pipeline / "slow", site.pipeline / "asleep"
    asleep.unlink(missing_ok=True)
    slow.touch()
    moment = f"{day({'marked': 12, 'cleared': 13}[how])}T15:00:00+09:00"
    option = "-l" if cluster.airflow.version.startswith("3.") else "-e"
    trigger(cluster, DAG, how, {"partition": day(9)}, option, moment)
    wait("a task", lambda: asleep.exists() or cluster.state(DAG, how) == "failed", cluster)
    slow.unlink()
    assert asleep.exists(), said(cluster)
    run = runs_of(site.instance, cluster, how)[-1]
    process = Path("/proc", run.tags["run/process"].rpartition(":")[2])
    assert process.exists()

    begun = time.monotonic()
    if how == "marked":
        # What the UI does.
        cluster.ask(
            "UPDATE task_instance SET state = 'failed', end_date = now() "
            "WHERE dag_id = %s AND run_id = %s AND task_id = 'prep__by_store'",
            *(DAG, how),
        )
    else:
        words = ["-t", "prep__by_store", "-s", moment, "-e", moment, "-y"]
        cluster.call("tasks", "clear", DAG, *words)
        tell(cluster, f"clear took {time.monotonic() - begun:.1f} s")
    wait("its end", lambda: not process.exists(), cluster)
    seconds = time.monotonic() - begun
    tell(cluster, f"{how}, gone in {seconds:.1f} s")
    # Airflow looks at its tasks every few seconds, 2.11 not for 14 s; the command ends in 0.3 s.
    assert seconds < 60

    end(cluster, DAG, how, "failed" if how == "marked" else "success")
    by_store = [
        one.run_id
        for one in runs_of(site.instance, cluster, how)
        if one.tags["airflow/task_id"] == "prep__by_store"
    ]
    records = [site.instance.get_run_record_by_id(one) for one in by_store]
    tries = [
        (r.dagster_run.status.value, r.dagster_run.tags["airflow/try_number"]) for r in records if r
    ]
    if how == "marked":
        assert tries == [("CANCELED", "1")]
        assert cluster.task(DAG, how, "prep__all_days") == "upstream_failed"
        # Only 2.2 tells of a task that a person has marked.
        if cluster.airflow.version.startswith("2.2"):
            wait("its message", partial(site.told, cluster, how), cluster)
        told = [message["what"] for message in site.told(cluster, how)]
        assert told == ["failed"] * cluster.airflow.version.startswith("2.2"), told
        return
    assert tries == [("CANCELED", "1"), ("SUCCESS", "2")]
    first, second = records
    assert first is not None
    assert second is not None
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time <= second.start_time
    (message,) = wait("its message", partial(site.told, cluster, how), cluster)
    assert message["what"] == "succeeded"


# -- secrets


def test_no_secret_is_in_a_file_or_a_database(site: Site, cluster: Cluster) -> None:
    """The last test of a cluster: DAG files, logs, histories, results, what templates became."""
    assert any(token == f"Bearer {TOKEN}" for _, token, _ in site.receiver.received)
    for secret in (*SECRETS.values(), TOKEN):
        assert _places(site, cluster, secret) == []
    found = " ".join(_places(site, cluster, DAG))
    for place in ("dags/", "logs/", "rendered_task_instance_fields", "event_logs"):
        assert place in found, found


def _places(site: Site, cluster: Cluster, text: str) -> list[str]:
    """Where a text is: files of the site, tables of Airflow's and Dagster's databases."""
    found = [
        str(path)
        for path in site.folder.rglob("*")
        if path.is_file() and (text in str(path) or text.encode() in path.read_bytes())
    ]
    for database in (cluster.database, "cluster_dagster"):
        with contextlib.closing(site.server.connect(database)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in cursor.fetchall():
                name = sql.Identifier(table)
                query = sql.SQL("SELECT count(*) FROM {} t WHERE t::text LIKE ANY (%s)").format(
                    name
                )
                # Bytes are shown in hexadecimal.
                cursor.execute(query, ([f"%{text}%", f"%{text.encode().hex()}%"],))
                if cursor.fetchone() != (0,):
                    found.append(f"{database}.{table}")
    return found
