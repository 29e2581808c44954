"""Runs that only one of Airflow and Dagster knows: recorded, ended, or rightly left alone.

Airflow is a stand-in here, a table of task instances; the API is read in `test_airflow_api.py`, and
a real one fails in `tests/acceptance/test_lost_runs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest
from dagster import AssetKey
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from airflow_bridge.airflow_api import Try
from airflow_bridge.errors import UsageError
from airflow_bridge.graph import read_graph
from airflow_bridge.lost_runs import FIRST, GRACE, OVERLAP, Report, sync
from airflow_bridge.record import Graph
from tests.airflow_bridge.conftest import FOREIGN
from tests.airflow_bridge.projects import STRANGER

NOW = datetime(2025, 7, 2, 6, 30, tzinfo=timezone.utc)
ENDED = NOW - timedelta(minutes=3)

MEANING: dict[str, Any] = {
    "partition": "2025-07-01",
    "tick": "2025-07-02T07:10:00+09:00",
    "params": {},
    "skip": None,
    "requests": [
        {
            "first": "2025-07-01",
            "last": "2025-07-01",
            "config": {"ops": {"raw__order_lines": {"config": {"rate": 0.2}}}},
            "tags": {"hour": "07:10 KST"},
            "assets": None,
        }
    ],
}

LINES = Try(
    *("daily", "scheduled__2025-07-02", "raw__order.lines", 1, "failed"),
    *(ENDED - timedelta(minutes=1), ENDED, ENDED, "worker-7", "http://airflow:8080/log"),
)


@dataclass
class StandIn:
    """Airflow as a table: its task instances, their earlier tries, what `tick` returned."""

    tries: list[Try] = field(default_factory=list)
    before: list[Try] = field(default_factory=list)
    meaning: Any = None
    url: str = "http://airflow:8080"

    def failed(self, since: datetime, wanted: Callable[[str], bool]) -> list[Try]:
        states = ("failed", "up_for_retry")
        found = [one for one in self.tries if one.state in states and wanted(one.dag_id)]
        return [one for one in found if one.end is not None and one.end >= since]

    def earlier(self, one: Try) -> list[Try]:
        return [each for each in self.before if each.task_id == one.task_id]

    def task(self, dag_id: str, run_id: str, task_id: str) -> Try | None:
        asked = (dag_id, run_id, task_id)
        found = [one for one in self.tries if (one.dag_id, one.run_id, one.task_id) == asked]
        return found[0] if found else None

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        assert task_id == "tick"
        return self.meaning


@pytest.fixture(scope="module")
def graph() -> Graph:
    return read_graph(FOREIGN.load(), everything=True)[0]


@pytest.fixture
def look(instance: dg.DagsterInstance, graph: Graph) -> Callable[..., Report]:
    def sync_now(airflow: StandIn, **more: Any) -> Report:
        return sync(instance, FOREIGN, airflow, graph, **{"now": NOW, **more})

    return sync_now


def tags_of(run: dg.DagsterRun) -> Mapping[str, str]:
    return {name: text for name, text in run.tags.items() if not name.startswith(".dagster")}


def failed_partitions(instance: dg.DagsterInstance, key: str) -> set[str]:
    """What the UI shows as failed: planned by a run that then failed."""
    asset = AssetKey.from_user_string(key)
    definition = FOREIGN.load().asset_graph.get(asset).partitions_def
    assert definition is not None
    with partition_loading_context(dynamic_partitions_store=instance):
        value = get_and_update_asset_status_cache_value(instance, asset, definition, instance)
    assert value is not None
    return set(value.deserialize_failed_partition_subsets(definition).get_partition_keys())


def test_a_task_that_never_reached_dagster_is_a_failed_run_of_its_partition(
    instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    report = look(StandIn([LINES], meaning=MEANING))
    (put,) = report.recorded
    assert (report.ended, report.problems) == ([], [])
    (run,) = instance.get_runs()
    assert (run.run_id, run.status, run.job_name) == (
        *(put.run_id, dg.DagsterRunStatus.FAILURE, "daily"),
    )
    assert run.asset_selection == {AssetKey(["raw", "order.lines"])}
    assert run.remote_job_origin is not None
    assert tags_of(run) == {
        "dagster/code_location": "foreign",
        "dagster/partition": "2025-07-01",
        "airflow/dag_id": "daily",
        "airflow/run_id": "scheduled__2025-07-02",
        "airflow/task_id": "raw__order.lines",
        "airflow/try_number": "1",
        "airflow/log_url": "http://airflow:8080/log",
        "airflow/lost": "true",
        "user": "Airflow daily",
        "hour": "07:10 KST",
        "team": "sales",
    }
    assert run.run_config == {"ops": {"raw__order_lines": {"config": {"rate": 0.2}}}}
    assert failed_partitions(instance, "raw/order.lines") == {"2025-07-01"}
    (event,) = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.PIPELINE_FAILURE
    ).records
    said = event.event_log_entry.get_dagster_event().message
    assert said == put.why
    assert said is not None
    assert said.startswith(
        "Airflow's task never reached Dagster. Airflow says of raw__order.lines of daily, run "
        "scheduled__2025-07-02, try 1: failed on worker-7, began 2025-07-02 06:26:00 +0000, ended "
        "2025-07-02 06:27:00 +0000. Why is in its log, http://airflow:8080/log; where that is "
    )


def test_asking_twice_records_once(
    instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    airflow = StandIn([LINES], meaning=MEANING)
    first = look(airflow)
    second = look(airflow, since=first.until)
    assert (len(first.recorded), len(second.recorded)) == (1, 0)
    assert instance.get_runs_count() == 1


def meaning(first: str, last: str, assets: list[str] | None = None) -> dict[str, Any]:
    request = {"first": first, "last": last, "config": {}, "tags": {}, "assets": assets}
    return {**MEANING, "requests": [request]}


AGAIN = replace(LINES, number=2)
TICK = replace(LINES, task_id="tick")
DAYS = ("2025-07-01", "2025-07-02", "2025-07-03")

#: What Airflow has; what is recorded of it: task, try, partitions.
LOST: dict[str, tuple[StandIn, set[tuple[str, int, str]]]] = {
    "tried again": (
        StandIn([replace(LINES, state="up_for_retry")], meaning=MEANING),
        {("raw__order.lines", 1, DAYS[0])},
    ),
    "both tries": (
        StandIn([AGAIN], before=[LINES], meaning=MEANING),
        {("raw__order.lines", 1, DAYS[0]), ("raw__order.lines", 2, DAYS[0])},
    ),
    "as the backfill policy cuts a range": (
        StandIn([LINES], meaning=meaning(DAYS[0], DAYS[2])),
        {
            ("raw__order.lines", 1, f"{DAYS[0]}…{DAYS[1]}"),
            ("raw__order.lines", 1, DAYS[2]),
        },
    ),
    "two assets of one task": (
        StandIn([replace(LINES, task_id="star")], meaning=MEANING),
        {("star", 1, DAYS[0])},
    ),
    "none asked of this asset": (StandIn([LINES], meaning=meaning(*DAYS[:2], ["out"])), set()),
    "the task that says the partitions": (StandIn([TICK]), {("tick", 1, "")}),
    "the task that waits for inputs": (
        StandIn([replace(LINES, task_id="wait")], meaning=MEANING),
        {("wait", 1, DAYS[0])},
    ),
    "its result is gone": (StandIn([LINES]), {("raw__order.lines", 1, "")}),
    "its result is none of ours": (
        StandIn([LINES], meaning="hello"),
        {("raw__order.lines", 1, "")},
    ),
    "no partitions": (
        StandIn(
            [replace(LINES, dag_id="once", task_id="customers")],
            meaning={**MEANING, "requests": [{"first": "", "last": ""}]},
        ),
        {("customers", 1, "")},
    ),
    "a later version": (
        StandIn([replace(LINES, dag_id="daily__v2")], meaning=MEANING),
        {("raw__order.lines", 1, DAYS[0])},
    ),
    "only the message failed": (StandIn([replace(LINES, task_id="done")]), set()),
    "not ours": (StandIn([replace(LINES, dag_id="somebody_else")]), set()),
    "with a prefix that is not asked for": (StandIn([replace(LINES, dag_id="new_daily")]), set()),
    "long ago": (StandIn([replace(LINES, end=NOW - FIRST - OVERLAP)]), set()),
    "waits for another": (StandIn([replace(LINES, state="upstream_failed")]), set()),
}


@pytest.mark.parametrize("name", LOST)
def test_what_is_recorded(
    name: str, instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    airflow, expected = LOST[name]
    report = look(airflow)
    found = {(put.task_id, put.try_number, put.partition) for put in report.recorded}
    assert (found, report.problems) == (expected, [])
    assert len(report.recorded) == len(expected) == instance.get_runs_count()
    assert look(airflow).recorded == []


def test_without_a_tick_all_assets_of_the_dag_fail_without_a_partition(
    instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    (put,) = look(StandIn([TICK])).recorded
    (run,) = instance.get_runs()
    names = {key.to_user_string() for key in run.asset_selection or ()}
    assert names == {"raw/order.lines", "facts", "dims", "out"}
    assert "dagster/partition" not in run.tags
    assert "is the one that failed, so this is recorded without one" in put.why


def test_a_range_is_failed_in_each_of_its_partitions(
    instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    look(StandIn([LINES], meaning=meaning(DAYS[0], DAYS[2])))
    assert failed_partitions(instance, "raw/order.lines") == set(DAYS)


def test_a_prefix_is_of_all_ids(look: Callable[..., Report]) -> None:
    airflow = StandIn([replace(LINES, dag_id="new_daily__v3")], meaning=MEANING)
    (put,) = look(airflow, prefix="new_").recorded
    assert put.dag_id == "new_daily__v3"


def test_a_task_that_the_graph_has_not_is_told(look: Callable[..., Report]) -> None:
    report = look(StandIn([replace(LINES, task_id="old")], meaning=MEANING))
    assert report.recorded == []
    assert report.problems == [
        "old of daily, run scheduled__2025-07-02, try 1 is no task of the graph: its file is of "
        "another version or granularity. Export the DAG files again."
    ]


@pytest.mark.parametrize("first", ["1999-01-01", "no day"])
def test_partitions_that_the_graph_has_no_more_stop_no_look(
    look: Callable[..., Report], first: str
) -> None:
    other = replace(LINES, run_id="other", task_id="tick")
    report = look(StandIn([LINES, other], meaning=meaning(first, "2025-07-01")))
    assert report.until == NOW.isoformat()
    assert [problem.partition(": ")[0] for problem in report.problems] == [
        "raw__order.lines of daily, run scheduled__2025-07-02, try 1 cannot be recorded",
        "tick of daily, run other, try 1 cannot be recorded",
    ]


def test_since_when_is_looked(look: Callable[..., Report]) -> None:
    airflow = StandIn([LINES], meaning=MEANING)
    with pytest.raises(UsageError, match="'yesterday' is no time: give what the last look said"):
        look(airflow, since="yesterday")
    assert look(airflow, since="2025-07-03").recorded == []
    assert len(look(airflow, since="2025-07-01").recorded) == 1


def test_what_dagster_knows_is_not_recorded(
    instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    """Only another try of the same task is."""
    run_of(instance, dg.DagsterRunStatus.FAILURE, number=1)
    report = look(StandIn([AGAIN], before=[LINES], meaning=MEANING))
    assert [put.try_number for put in report.recorded] == [2]


def test_a_job_of_ops_has_no_assets(instance: dg.DagsterInstance) -> None:
    airflow = StandIn(
        [replace(LINES, dag_id="of_ops", task_id="of_ops")],
        meaning={**MEANING, "requests": [{"first": "", "last": ""}]},
    )
    graph = read_graph(STRANGER.load(), everything=True)[0]
    (put,) = sync(instance, STRANGER, airflow, graph, now=NOW).recorded
    (run,) = instance.get_runs()
    assert (run.run_id, run.job_name, run.status) == (
        *(put.run_id, "of_ops", dg.DagsterRunStatus.FAILURE),
    )
    assert not run.asset_selection


def test_many_are_recorded_over_several_looks(
    instance: dg.DagsterInstance, look: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_bridge.lost_runs.MOST", 2)
    airflow = StandIn([replace(LINES, run_id=f"run_{n}") for n in range(5)], meaning=MEANING)
    first = look(airflow)
    assert len(first.recorded) == 2
    assert first.problems == ["5 tasks are to be recorded; the next look goes on."]
    assert datetime.fromisoformat(first.until) < ENDED - OVERLAP
    second = look(airflow, since=first.until)
    third = look(airflow, since=second.until)
    assert (len(second.recorded), len(third.recorded), third.problems) == (2, 1, [])
    assert third.until == NOW.isoformat()


# -- runs whose task is gone


def run_of(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, number: int = 1, **more: Any
) -> dg.DagsterRun:
    """A run as a task makes it."""
    tags = {
        "airflow/dag_id": LINES.dag_id,
        "airflow/run_id": LINES.run_id,
        "airflow/task_id": LINES.task_id,
        "airflow/try_number": str(number),
        "airflow/log_url": "http://airflow:8080/dags/daily/grid",
        "run/process": "worker-7:4711",
    }
    given = more.pop("tags", {})
    run = dg.DagsterRun("daily", status=status, tags={**tags, **given}, **more)
    instance.add_run(run)
    return run


def at(state: str | None, number: int, ago: timedelta = timedelta(minutes=2)) -> StandIn:
    since = NOW - ago
    end = since if state in ("failed", "success", "up_for_retry") else None
    return StandIn([replace(LINES, state=state, number=number, end=end, since=since)])


STARTED, CANCELING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING
FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
STARTING, NOT_STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED
PARENT = "0e4b3f52-8f1c-4f0e-9d0e-0d5f7e1c8a11"

#: Of a run at try 1: how Dagster has it, how Airflow has its task, how Dagster has it then.
GONE: dict[str, tuple[dict[str, Any], StandIn, dg.DagsterRunStatus]] = {
    "still runs": ({"status": STARTED}, at("running", 1), STARTED),
    "is being stopped": ({"status": STARTED}, at("restarting", 1), STARTED),
    "failed": ({"status": STARTED}, at("failed", 1), FAILURE),
    "failed before it began": ({"status": NOT_STARTED}, at("failed", 1), FAILURE),
    "failed while it began": ({"status": STARTING}, at("failed", 1), FAILURE),
    "will be tried again": ({"status": STARTED}, at("up_for_retry", 1), FAILURE),
    "was being stopped": ({"status": CANCELING}, at("failed", 1), CANCELED),
    "succeeded by somebody's hand": ({"status": STARTED}, at("success", 1), FAILURE),
    "cleared, and waits": ({"status": STARTED}, at("queued", 1), FAILURE),
    "cleared, and has no state": ({"status": STARTED}, at(None, 1), FAILURE),
    "at a later try": ({"status": STARTED}, at("running", 2), FAILURE),
    "failed just now": ({"status": STARTED}, at("failed", 1, GRACE / 2), STARTED),
    "at a later try just now": ({"status": STARTED}, at("running", 2, GRACE / 2), STARTED),
    "an older look": ({"status": STARTED, "number": 2}, at("queued", 1), STARTED),
    "deleted": ({"status": STARTED}, StandIn(), FAILURE),
    "of another Airflow": (
        {"status": STARTED, "tags": {"airflow/log_url": "http://other:8080/dags"}},
        StandIn(),
        STARTED,
    ),
    "of another project": (
        {"status": STARTED, "tags": {"airflow/dag_id": "theirs"}},
        StandIn(),
        STARTED,
    ),
    "re-executed in the UI": (
        {"status": STARTED, "parent_run_id": PARENT, "root_run_id": PARENT},
        at("failed", 1),
        STARTED,
    ),
}


@pytest.mark.parametrize("name", GONE)
def test_a_run_whose_task_is_gone_ends(
    name: str, instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    given, airflow, expected = GONE[name]
    run = run_of(instance, **given)
    report = look(airflow)
    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    assert after.status == expected
    changed = expected != given["status"]
    assert [put.run_id for put in report.ended] == [run.run_id] * changed
    assert report.recorded == []


#: Which Airflow says it, of all that is told.
WORDS = {
    "failed": "Airflow says of raw__order.lines of daily, run scheduled__2025-07-02, try 1: failed "
    "since 2025-07-02 06:28:00 +0000",
    "at a later try": "Airflow is at raw__order.lines of daily, run scheduled__2025-07-02, try 2: "
    "running; this is try 1",
    "deleted": "raw__order.lines of daily, run scheduled__2025-07-02, is no longer in Airflow",
}


@pytest.mark.parametrize("name", WORDS)
def test_why_a_run_was_ended(
    name: str, instance: dg.DagsterInstance, look: Callable[..., Report]
) -> None:
    given, airflow, _ = GONE[name]
    run_of(instance, **given)
    (put,) = look(airflow).ended
    assert put.why == (
        f"Its task is gone: {WORDS[name]}. Its process (worker-7:4711) did not end the run; log: "
        "http://airflow:8080/dags/daily/grid"
    )
