"""What of a Dagster graph becomes a DAG, a task, a field of one; and what is refused, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.export import Wish, export
from airflow_bridge.graph import read_graph
from airflow_bridge.location import Location
from airflow_bridge.record import Dag
from airflow_bridge.refusals import Refused
from tests.airflow_bridge.conftest import FOREIGN

# -- refusals


EAGER_PART = dg.AutomationCondition.in_latest_time_window()


@dg.asset
def plain() -> None: ...


@dg.asset(metadata={"airflow/runner": "docker"})
def docker() -> None: ...


@dg.asset(metadata={"airflow/que": "s21", "airflow/retries": "2"})
def misspelt() -> None: ...


@dg.asset(key=["a", "b"])
def nested() -> None: ...


@dg.asset(key="a__b")
def flat() -> None: ...


@dg.asset(metadata={"airflow/task_id": "a__b"})
def named() -> None: ...


@dg.asset(key="done")
def done_() -> None: ...


@dg.multi_asset(outs={"o": dg.AssetOut(key="x{{y}}")})
def template() -> None: ...


@dg.asset(metadata={"airflow/queue": "s21"})
def queued() -> None: ...


@dg.asset(metadata={"airflow/runner": "docker", "airflow/image": "weather"})
def contained() -> None: ...


@dg.asset(automation_condition=dg.AutomationCondition.on_missing())
def when_missing() -> None: ...


@dg.asset(automation_condition=dg.AutomationCondition.eager().without(EAGER_PART))
def own_way() -> None: ...


@dg.asset(automation_condition=dg.AutomationCondition.eager(), deps=["elsewhere"])
def orphan() -> None: ...


@dg.asset(config_schema={"rate": float})
def configured() -> None: ...


def asset(name: str, *deps: str, **more: Any) -> Any:
    return dg.asset(name=name, deps=list(deps), **more)(lambda: None)


def job(name: str, *assets: Any, **metadata: Any) -> Any:
    return dg.define_asset_job(name, selection=list(assets), metadata=metadata)


@dg.sensor(job=job("watched", plain), name="watch")
def watch() -> None: ...


@dg.sensor(job=job("left", plain), name="leave", metadata={"airflow/export": False})
def leave() -> None: ...


@dg.run_failure_sensor
def alert() -> None: ...


_ONE = job("one", plain)
_NEVER = dg.ScheduleDefinition(
    job=_ONE, cron_schedule="0 * 1 * *", execution_timezone="America/St_Johns"
)
_TWO = [
    dg.ScheduleDefinition(job=_ONE, name=name, cron_schedule="0 1 * * *", metadata=metadata)
    for name, metadata in (("x", {"airflow/dag_id": "Same"}), ("y", {"airflow/dag_id": "same"}))
]

CIRCLE = [
    asset("x1", group_name="one"),
    asset("x2", "x1", group_name="two"),
    asset("x3", "x2", group_name="one"),
]
UNLIKE = [
    asset(f"of_{name}", metadata={"airflow/queue": name, "airflow/pool": name}) for name in "ab"
]

REFUSED: dict[str, tuple[dg.Definitions, list[str]]] = {
    "conditions": (
        dg.Definitions([when_missing, own_way, orphan]),
        [
            "asset when_missing: its automation condition (on_missing) is none that Airflow has",
            "asset own_way: its automation condition (eager) is none that Airflow has",
            "asset orphan: nothing that is exported updates elsewhere, which it waits for",
        ],
    ),
    "config": (
        dg.Definitions([configured], jobs=[job("c", configured)]),
        ['job c: nothing gives the config it needs: Missing required config entry "ops"'],
    ),
    "groups": (
        dg.Definitions(CIRCLE, jobs=[job("g", *CIRCLE, **{"airflow/granularity": "group"})]),
        ["job g: its groups wait for each other: one → two → one. Keep a task an asset"],
    ),
    "agreement": (
        dg.Definitions(UNLIKE, jobs=[job("u", *UNLIKE, **{"airflow/granularity": "job"})]),
        ["one task has one queue, and its assets say a, b", "one task has one pool, and its ass"],
    ),
    "ticks": (
        dg.Definitions([plain], jobs=[_ONE], schedules=[_NEVER]),
        ["schedule one_schedule: no Airflow has the ticks of 0 * 1 * * in America/St_Johns"],
    ),
    "docker": (
        dg.Definitions([docker], jobs=[job("d", docker)]),
        ["asset docker: it runs by Docker, and no image is named. Name one"],
    ),
    "metadata": (
        dg.Definitions([misspelt], jobs=[job("m", misspelt, **{"airflow/tag": "x"})]),
        ["airflow/que is unknown; allowed: tags,", "airflow/retries is '2'", "airflow/tag is unkn"],
    ),
    "task ids": (
        dg.Definitions([nested, named, done_], jobs=[job("t", nested, named, done_)]),
        ["named and a/b are both task a__b", "done and the exporter itself are both task done"],
    ),
    "what Dagster cannot resolve": (
        dg.Definitions([nested, flat], jobs=[job("t", nested, flat)]),
        ["job t: Dagster itself cannot make it: Detected conflicting node definitions"],
    ),
    "dag ids": (
        dg.Definitions([plain], jobs=[_ONE], schedules=_TWO),
        ["DAG Same: job one (schedule x) and job one (schedule y) are one id"],
    ),
    "long ids": (
        dg.Definitions([plain], jobs=[job("j" * 251, plain)]),
        [f"job {'j' * 251}: its DAG id has 251 characters"],
    ),
    "templates": (
        dg.Definitions([template], jobs=[job("t", template)]),
        ["asset x{{y}}: Airflow would read its key as a template"],
    ),
    "queues": (
        dg.Definitions([plain, queued], jobs=[job("q", plain, queued)]),
        ["job q: plain has no queue, and others of the job have one"],
    ),
    "sensors": (
        dg.Definitions([plain], sensors=[watch, leave, alert]),
        ["sensor watch: it starts runs in Dagster", "{'airflow/export': False}"],
    ),
}


def read_dags(repository: Any, everything: bool = False) -> tuple[Dag, ...]:
    graph, refusals = read_graph(repository, everything)
    if refusals:
        raise Refused(refusals)
    return graph.dags


@pytest.mark.parametrize("what", REFUSED)
def test_what_airflow_cannot_have_is_refused_by_name(what: str) -> None:
    definitions, words = REFUSED[what]
    with pytest.raises(Refused) as refused:
        read_dags(definitions.get_repository_def())
    for one in words:
        assert one in str(refused.value)
    names = [one.name for one in refused.value.refusals]
    assert not {"sensor leave", "sensor alert"} & set(names)


def test_all_is_refused_at_once_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = dg.Definitions(
        assets=[plain, misspelt, docker],
        jobs=[_ONE, job("m", misspelt), job("d", docker)],
        sensors=[watch],
    )
    monkeypatch.setattr(Location, "load", lambda _self: every.get_repository_def())
    with pytest.raises(Refused, match="Nothing was exported; 3 to mend") as refused:
        export(FOREIGN, Wish(tmp_path / "dags", "bridge", "the test"))
    assert [one.name for one in refused.value.refusals] == [
        "asset docker",
        "asset misspelt",
        "sensor watch",
    ]
    assert not (tmp_path / "dags").exists()


def test_what_is_left_to_dagster_is_not_refused() -> None:
    leave_out = {"airflow/export": False}
    every = dg.Definitions(
        assets=[plain, docker],
        jobs=[_ONE, job("d", docker, **leave_out)],
        schedules=[dg.ScheduleDefinition(job=_ONE, cron_schedule="0 1 * * *", metadata=leave_out)],
    ).get_repository_def()
    assert read_dags(every) == ()
    with pytest.raises(Refused):
        read_dags(every, everything=True)


# -- records


def test_groups_where_several_have_several_tasks() -> None:
    assets = [
        asset("a1", group_name="a"),
        asset("a2", "a1", group_name="a"),
        asset("b1", "a2", group_name="b"),
        asset("b2", "b1", group_name="b"),
        asset("c1", "b2", "a1", group_name="c"),
    ]
    definitions = dg.Definitions(assets, jobs=[job("all", *assets), job("some", *assets[:3])])
    every, some = read_dags(definitions.get_repository_def())
    assert {task.task_id: task.group for task in every.tasks} == {
        "a1": "a",
        "a2": "a",
        "b1": "b",
        "b2": "b",
        "c1": "",
    }
    assert {task.group for task in some.tasks} == {""}
    assert [(task.task_id, task.after) for task in every.tasks] == [
        ("a1", ()),
        ("a2", ("a1",)),
        ("b1", ("a2",)),
        ("b2", ("b1",)),
        ("c1", ("a1", "b2")),
    ]


def test_thousand_assets() -> None:
    """Ten chains of a hundred: Dagster walks a chain by recursion and holds about 950 in a row."""
    after = {f"a{n:04}": (f"a{n - 1:04}",) if n % 100 else () for n in range(1000)}
    assets = [asset(name, *deps) for name, deps in after.items()]
    (every,) = read_dags(dg.Definitions(assets, jobs=[job("all", *assets)]).get_repository_def())
    assert {task.task_id: task.after for task in every.tasks} == after


def chain(**of_first: Any) -> list[Any]:
    """`src → a1 → a2 → b1 → b2`, of two groups."""
    return [
        asset("a1", "src", group_name="a", **of_first),
        asset("a2", "a1", group_name="a", metadata={"airflow/retries": 5, "airflow/timeout": 60}),
        asset("b1", "a2", group_name="b", pool="erp"),
        asset("b2", "b1", "a1", group_name="b", metadata={"airflow/timeout": 30}),
    ]


@pytest.mark.parametrize(
    ("granularity", "tasks"),
    [
        ("group", [("a", ("a1", "a2"), (), ("src",)), ("b", ("b1", "b2"), ("a",), ("a1", "a2"))]),
        ("job", [("all", ("a1", "a2", "b1", "b2"), (), ("src",))]),
    ],
)
@pytest.mark.parametrize("said_by", ["job", "option"])
def test_a_task_a_group_or_a_job(granularity: str, tasks: list[Any], said_by: str) -> None:
    assets = chain(metadata={"airflow/queue": "s21", "airflow/retries": 2})
    metadata = {"airflow/granularity": granularity} if said_by == "job" else {}
    repository = dg.Definitions(
        assets, jobs=[job("all", *assets, **{"airflow/queue": "s21", **metadata})]
    ).get_repository_def()
    graph, refusals = read_graph(repository, granularity="asset" if metadata else granularity)
    assert refusals == []
    (every,) = graph.dags
    found = [(one.task_id, one.assets, one.after, one.inputs) for one in every.tasks]
    assert found == tasks
    first, last = every.tasks[0], every.tasks[-1]
    # The most tries and the time of all; what only one can have is the one that is given.
    assert (first.retries, first.queue) == (5, "s21")
    assert last.timeout == (30 if granularity == "group" else 90)
    assert last.pool == "erp"


def test_what_a_task_says_of_where_and_how_often() -> None:
    one = asset(
        "one",
        pool="erp",
        retry_policy=dg.RetryPolicy(max_retries=4, delay=7, backoff=dg.Backoff.EXPONENTIAL),
        metadata={"airflow/timeout": 900, "airflow/trigger_rule": "none_failed"},
        op_tags={"dagster/priority": 7},
    )
    every = dg.define_asset_job(
        "every",
        [one, plain],
        tags={"dagster/max_runtime": "3600", "dagster/priority": "3"},
        op_retry_policy=dg.RetryPolicy(max_retries=9, delay=1),
        metadata={"airflow/max_active_runs": 4, "airflow/catchup": True},
    )
    (dag,) = read_dags(dg.Definitions([one, plain], jobs=[every]).get_repository_def())
    assert (dag.timeout, dag.max_active_runs, dag.catchup) == (3600, 4, True)
    first, second = dag.tasks
    assert (first.pool, first.retries, first.retry_delay, first.backoff) == ("erp", 4, 7, True)
    assert (first.timeout, first.trigger_rule, first.priority) == (900, "none_failed", 7)
    assert second.priority == 3
    assert (second.retries, second.retry_delay, second.backoff) == (9, 1, False)


@pytest.mark.parametrize(
    ("of_job", "of_asset", "tags"),
    [
        ({"airflow/tags": ["0.ETL"]}, {"airflow/tags": ["x"]}, ("0.ETL",)),
        ({}, {"airflow/tags": ["x"]}, ("x",)),
        # What Dagster calls tags, but its own.
        ({}, {}, ("domain:매출", "nightly")),
    ],
)
def test_tags(of_job: Any, of_asset: Any, tags: tuple[str, ...]) -> None:
    one = asset("one", metadata=of_asset)
    given = {"nightly": "", "domain": "매출", "dagster/max_retries": "3"}
    tagged = dg.define_asset_job("tagged", [one], tags=given, metadata=of_job)
    (dag,) = read_dags(dg.Definitions([one], jobs=[tagged]).get_repository_def())
    assert dag.tags == tags


def test_a_job_of_ops_is_one_task() -> None:
    @dg.op(pool="mail")
    def send() -> None: ...

    @dg.job(description="Mail of\nthe day", tags={"dagster/max_runtime": 60})
    def letters() -> None:
        send()

    (dag,) = read_dags(dg.Definitions(jobs=[letters]).get_repository_def())
    (task,) = dag.tasks
    assert (dag.title, dag.timeout) == ("Mail of the day", 60)
    assert (task.task_id, task.assets, task.pool, task.retries) == ("letters", (), "mail", 1)


def test_observed_sources_are_tasks() -> None:
    @dg.observable_source_asset
    def seen() -> dg.DataVersion:
        return dg.DataVersion("1")

    (dag,) = read_dags(dg.Definitions([seen], jobs=[job("look", seen)]).get_repository_def())
    assert [task.assets for task in dag.tasks] == [("seen",)]


def test_conditions_are_dags_of_their_own() -> None:
    days = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")
    eager, on_cron = dg.AutomationCondition.eager(), dg.AutomationCondition.on_cron
    assets = [
        asset("raw", "outside", partitions_def=days),
        asset("clean", "raw", "plain", automation_condition=eager, partitions_def=days),
        asset(
            "shown",
            "clean",
            automation_condition=eager,
            owners=["team:web"],
            metadata={"airflow/dag_id": "shop_window", "airflow/queue": "s21"},
        ),
        asset("report", "clean", automation_condition=on_cron("0 9 * * 1", "Asia/Seoul")),
        asset("left", "clean", automation_condition=eager, metadata={"airflow/export": False}),
        plain,
    ]
    definitions = dg.Definitions(assets, jobs=[job("daily", assets[0])])
    found = {dag.dag_id: dag for dag in read_dags(definitions.get_repository_def())}
    assert sorted(found) == ["auto__clean", "auto__report", "daily", "shop_window"]
    clean, shown, report = (found[n] for n in ("auto__clean", "shop_window", "auto__report"))
    assert (clean.condition, clean.job) == ("clean", "__ASSET_JOB")
    # Nothing of Airflow updates plain, which is in no job: where all are waited for, it is not.
    assert (clean.cron, clean.triggers, clean.zone) == (None, ("raw",), "Asia/Seoul")
    assert clean.partitions is not None
    assert clean.partitions.example == "2025-01-01"
    assert (shown.owner, shown.tasks[0].queue, shown.triggers) == ("team:web", "s21", ("clean",))
    assert (report.cron, report.zone, report.triggers) == ("0 9 * * 1", "Asia/Seoul", ())


def test_the_record_is_frozen_and_the_same_for_the_same_graph() -> None:
    def graph(retries: int) -> Any:
        assets = chain(metadata={"airflow/retries": retries})
        return read_graph(dg.Definitions(assets, jobs=[job("all", *assets)]).get_repository_def())[
            0
        ]

    one, same, other = graph(2), graph(2), graph(3)
    assert one == same
    assert hash(one) == hash(same)
    assert one.digest == same.digest != other.digest
    told = json.loads(one.shown(as_json=True))
    assert told["sha256"] == one.digest
    assert [task["task_id"] for task in told["dags"][0]["tasks"]] == ["a1", "a2", "b1", "b2"]
    assert one.shown(as_json=False).splitlines()[:3] == ["all: by hand", "  a1", "  a2 after a1"]
