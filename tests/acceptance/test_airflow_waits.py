"""Exported DAGs that wait for partitions of others, and those that updates begin, on real Airflows.

Here: a project without the lake, exported, on scheduler and Celery worker of each Airflow; who
makes what is waited for (another DAG, the Dagster UI), and which partitions an update asks for. Not
here: what of each cadence is lacking (`tests/airflow_bridge/test_waits.py`).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from tests.acceptance.cluster_site import (
    ENDS,
    VERSIONS,
    Project,
    dagster_ui,
    end,
    made,
    project,
    runs_of,
    said,
    started,
    task_log,
    tell,
    trigger,
    unpause,
    wait,
)
from tests.servers.celery import QUEUE, Cluster
from tests.servers.postgres import PostgresServer
from tests.ui.server import Ui

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAME = "waits_project"

#: Of the newest partition of a day.
LAST = datetime.now(ZoneInfo("Asia/Seoul")).date() - timedelta(days=1)

#: Seconds between two questions; an exported file says 120, which the files under test do not.
POKE = 5

#: With a file `renamed` beside it the job of the month has another name than in the DAG files.
CODE = f'''
from pathlib import Path

import dagster as dg

SEOUL = {{"timezone": "Asia/Seoul"}}
DAYS = dg.DailyPartitionsDefinition("2025-01-01", **SEOUL)
WEEKS = dg.WeeklyPartitionsDefinition("2025-01-05", **SEOUL)
MONTHS = dg.MonthlyPartitionsDefinition("2025-01", fmt="%Y-%m", **SEOUL)
BEFORE = dg.AssetDep("day", partition_mapping=dg.TimeWindowPartitionMapping(-1, -1))
EAGER = {{"automation_condition": dg.AutomationCondition.eager()}}


def nothing() -> None:
    pass


def asset(name, partitions, *deps, **more):
    return dg.asset(
        name=name,
        partitions_def=partitions,
        deps=list(deps),
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        metadata={{"airflow/queue": "{QUEUE}"}},
        **more,
    )(nothing)


JOBS = {{
    "daily": asset("day", DAYS),
    "weekly": asset("week", WEEKS),
    "monthly": asset("month", MONTHS, "day"),
    "daily_of_week": asset("of_week", DAYS, "week"),
    "prices_by_hand": asset("prices", None),
}}
SELECTED = {{name: [one] for name, one in JOBS.items()}}
if Path(__file__).with_name("renamed").exists():
    SELECTED["month_by_month"] = SELECTED.pop("monthly")
defs = dg.Definitions(
    assets=[
        *JOBS.values(),
        asset("next_day", DAYS, BEFORE, **EAGER),
        asset("both", DAYS, "day", "prices", **EAGER),
    ],
    jobs=[dg.define_asset_job(name, selected) for name, selected in SELECTED.items()],
)
'''

DAGS = ("daily", "weekly", "monthly", "daily_of_week", "prices_by_hand")
BEGUN = {"next_day": "auto__next_day", "both": "auto__both"}


@pytest.fixture(scope="module")
def site(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("waits") / "project"
    with project(folder, NAME, CODE, postgres_server) as found:
        files = sorted(path.stem for path in found.dags.glob("*.py"))
        assert files == sorted([*DAGS, *BEGUN.values()])
        for path in found.dags.glob("*.py"):
            text, count = re.subn(
                r'"poke_interval": 120\b', f'"poke_interval": {POKE}', path.read_text()
            )
            assert count == (path.stem in ("monthly", "daily_of_week")), path
            path.write_text(text)
        yield found


@pytest.fixture(scope="module", params=VERSIONS)
def cluster(
    request: pytest.FixtureRequest, site: Project, postgres_server: PostgresServer
) -> Iterator[Cluster]:
    home = site.folder / f"airflow-{request.param}"
    with started(request.param, postgres_server, home, site.dags, site.variables) as found:
        unpause(found)
        yield found
    # The next one has to make it all itself.
    site.instance.wipe_assets(site.instance.get_asset_keys())


@pytest.fixture(scope="module")
def ui(site: Project, cluster: Cluster) -> Iterator[Ui]:
    """Of each cluster its own, as its last test cuts the UI's connections to the history."""
    with dagster_ui(site.folder, ["-m", NAME], site.variables) as found:
        yield found


# -- begun by updates


def test_updates_begin_runs_of_exactly_what_dagster_would_ask_for(
    site: Project, cluster: Cluster
) -> None:
    """On 2.2 by a task that triggers, later by events; a run that has nothing to do says why."""
    last, before = LAST.isoformat(), (LAST - timedelta(days=1)).isoformat()
    steps: list[tuple[str, str, str | None]] = [
        ("daily", "day", last),
        ("prices_by_hand", "prices", None),
        ("daily", "day", before),
    ]
    nothing = "Skipped: What was updated asks for no partition."
    told: list[dict[str, str]] = [
        {"both": "Skipped: Not there as yet: prices.", "next_day": nothing},
        {"both": last},
        {"both": nothing, "next_day": last},
    ]
    expected = [
        {name: text for name, text in one.items() if not text.startswith("Skipped")} for one in told
    ]
    asked = _requested(site, [(name, key) for _, name, key in steps])
    assert asked == expected

    before_it: dict[str, list[str]] = {name: [] for name in BEGUN}
    for number, ((dag, _, key), becomes) in enumerate(zip(steps, told, strict=True)):
        begun = time.monotonic()
        trigger(cluster, dag, f"update_{number}", {"partition": key} if key else {})
        end(cluster, dag, f"update_{number}")
        for name, text in becomes.items():
            known = before_it[name]
            run_id = wait(f"a run of {name}", partial(_new, cluster, name, known), cluster)
            tell(cluster, f"{BEGUN[name]} ended {time.monotonic() - begun:.0f} s after {dag}")
            before_it[name].append(run_id)
            found = runs_of(site.instance, cluster, run_id)
            if text.startswith("Skipped"):
                assert text in task_log(cluster, BEGUN[name], run_id, "tick"), said(cluster)
                assert cluster.task(BEGUN[name], run_id, "tick") == "skipped"
                assert cluster.task(BEGUN[name], run_id, name) == "skipped"
                assert found == []
            else:
                assert cluster.state(BEGUN[name], run_id) == "success"
                assert [made(site.instance, run) for run in found] == [{(name, text)}]
    for name, dag in BEGUN.items():
        ids = cluster.ask("SELECT run_id FROM dag_run WHERE dag_id = %s", dag)
        assert {str(row[0]) for row in ids} == set(before_it[name])
        cluster.call("dags", "pause", dag)  # what other tests make begins no more runs


def _new(cluster: Cluster, name: str, known: list[str]) -> str | None:
    """A run of the DAG that has ended and is not known."""
    rows = cluster.ask("SELECT run_id, state FROM dag_run WHERE dag_id = %s", BEGUN[name])
    found = [str(run_id) for run_id, state in rows if state in ENDS and run_id not in known]
    return found[0] if found else None


def _requested(site: Project, steps: list[tuple[str, str | None]]) -> list[dict[str, str]]:
    """What Dagster's own daemon would ask for after each update, asset by asset."""
    site.location.load()
    definitions: dg.Definitions = sys.modules[NAME].defs
    found = []
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = dg.evaluate_automation_conditions(definitions, instance).cursor
        for name, partition in steps:
            update = dg.AssetMaterialization(name, partition=partition)
            instance.report_runless_asset_event(update)
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            cursor = result.cursor
            asked: dict[str, Any] = {
                one: result.get_requested_partitions(dg.AssetKey(one)) for one in BEGUN
            }
            found.append({one: ",".join(sorted(keys)) for one, keys in asked.items() if keys})
    return found


# -- waits


def test_a_month_waits_for_the_one_day_that_is_missing(
    site: Project, cluster: Cluster, ui: Ui
) -> None:
    """Days by another DAG, as reported in the UI, and the last one as the UI launches it."""
    trigger(cluster, "daily", "thirteen", {"from": "2025-02-01", "to": "2025-02-13"})
    for number in range(15, 29):
        event = dg.AssetMaterialization("day", partition=f"2025-02-{number}")
        site.instance.report_runless_asset_event(event)
    end(cluster, "daily", "thirteen")
    trigger(cluster, "monthly", "february", {"partition": "2025-02"})
    _await_questions(cluster, "monthly", "february")
    assert _names(cluster, "monthly", "february") == {"day 2025-02-14"}
    assert runs_of(site.instance, cluster, "february") == []

    launched = _launch(ui, "day", "2025-02-14")

    def finished() -> dg.DagsterRun | None:
        run = site.instance.get_run_by_id(launched)
        return run if run and run.is_finished else None

    run = wait("the run", finished, cluster)
    begun = time.monotonic()
    assert (run.status, made(site.instance, run)) == (
        dg.DagsterRunStatus.SUCCESS,
        {("day", "2025-02-14")},
    )
    end(cluster, "monthly", "february")
    tell(cluster, f"the month ended {time.monotonic() - begun:.0f} s after its last day")
    _assert_after(site, cluster, "february", ("month", "2025-02"), run)


def test_a_day_waits_for_its_week(site: Project, cluster: Cluster) -> None:
    """Made by another DAG; the week before is there, and is not taken for it."""
    event = dg.AssetMaterialization("week", partition="2025-02-23")
    site.instance.report_runless_asset_event(event)
    trigger(cluster, "daily_of_week", "wednesday", {"partition": "2025-03-05"})
    _await_questions(cluster, "daily_of_week", "wednesday")
    assert _names(cluster, "daily_of_week", "wednesday") == {"week 2025-03-02"}
    trigger(cluster, "weekly", "its_week", {"partition": "2025-03-02"})
    end(cluster, "weekly", "its_week")
    end(cluster, "daily_of_week", "wednesday")
    (run,) = runs_of(site.instance, cluster, "its_week")
    _assert_after(site, cluster, "wednesday", ("of_week", "2025-03-05"), run)


def test_a_question_that_cannot_be_asked_is_no_not_yet(
    site: Project, cluster: Cluster, postgres_server: PostgresServer
) -> None:
    """Without the history another try may help; where the DAG is of another graph none does."""
    trigger(cluster, "monthly", "april", {"partition": "2025-04"})
    _await_questions(cluster, "monthly", "april")

    allow = "ALTER DATABASE waits_project ALLOW_CONNECTIONS {}"
    postgres_server.execute(allow.format("false"))
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'waits_project'"
    )
    try:
        wait("an error", lambda: _wait_of(cluster, "april") == "up_for_retry", cluster)
    finally:
        postgres_server.execute(allow.format("true"))
    wait("another try", lambda: _wait_of(cluster, "april") == "up_for_reschedule", cluster)
    assert "To ask ended with exit code 1" in task_log(cluster, "monthly", "april", "wait")

    renamed = site.folder / "renamed"
    renamed.touch()
    try:
        end(cluster, "monthly", "april", "failed")
    finally:
        renamed.unlink()
    query = "SELECT task_id, state, try_number <= max_tries FROM task_instance WHERE run_id = %s"
    states: Mapping[str, Any] = {task: rest for task, *rest in cluster.ask(query, "april")}
    # One more try was left.
    assert states["wait"] == ["failed", True]
    assert states["month"][0] == "upstream_failed"
    log = task_log(cluster, "monthly", "april", "wait")
    assert "has no job 'monthly'" in log
    assert "To ask ended with exit code 2" in log
    assert runs_of(site.instance, cluster, "april") == []


def _await_questions(cluster: Cluster, dag: str, run_id: str) -> None:
    """Until it has asked twice and waits for its turn, without the slot of a worker."""
    query = """
        SELECT count(*) FROM task_reschedule r JOIN task_instance t
        ON (r.dag_id, r.task_id, r.run_id) = (t.dag_id, t.task_id, t.run_id)
        WHERE t.dag_id = %s AND t.run_id = %s AND t.state = 'up_for_reschedule'"""
    if cluster.airflow.version.startswith("3."):
        query = """
            SELECT count(*) FROM task_reschedule r JOIN task_instance t ON r.ti_id = t.id
            WHERE t.dag_id = %s AND t.run_id = %s AND t.state = 'up_for_reschedule'"""
    wait("two questions", lambda: cluster.ask(query, dag, run_id)[0][0] >= 2, cluster)


def _wait_of(cluster: Cluster, run_id: str) -> str | None:
    state = cluster.task("monthly", run_id, "wait")
    assert state not in ("failed", "success", "skipped"), said(cluster)
    return state


def _names(cluster: Cluster, dag: str, run_id: str) -> set[str]:
    """What the wait of a DAG run has told of, in whatever question."""
    log = task_log(cluster, dag, run_id, "wait")
    return set(re.findall(r"Not there as yet: ([^.…\\]+)\.", log))


def _assert_after(
    site: Project, cluster: Cluster, run_id: str, wanted: tuple[str, str], first: dg.DagsterRun
) -> None:
    """The DAG run made exactly this, and began it only when `first` had ended."""
    (run,) = runs_of(site.instance, cluster, run_id)
    assert made(site.instance, run) == {wanted}
    input_of, own = (site.instance.get_run_record_by_id(one.run_id) for one in (first, run))
    assert input_of is not None
    assert input_of.end_time is not None
    assert own is not None
    assert own.start_time is not None
    assert input_of.end_time <= own.start_time


_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
  }
}"""


def _launch(ui: Ui, asset: str, partition: str) -> str:
    """What Materialize of an asset's page sends; the run."""
    params = {
        "selector": {
            "repositoryName": "__repository__",
            "repositoryLocationName": NAME,
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
            "assetCheckSelection": [],
        },
        "mode": "default",
        "runConfigData": "{}",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
    }
    told = ui.query(_LAUNCH, params=params)["launchPipelineExecution"]
    assert told["__typename"] == "LaunchRunSuccess", told
    return str(told["run"]["runId"])
