"""What a DAG run waits for, and what an update asks for: by Dagster's mappings and the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, StepMaterializationData

from airflow_bridge.automation import automation
from airflow_bridge.location import job_of_condition
from airflow_bridge.meaning import Asked, Asker, Meaning, Request
from airflow_bridge.ticks import meaning
from airflow_bridge.updates import updated_by
from airflow_bridge.waits import lacking, shortened

SEOUL = {"timezone": "Asia/Seoul"}
DAYS = dg.DailyPartitionsDefinition("2025-01-01", **SEOUL)
WEEKS = dg.WeeklyPartitionsDefinition("2025-01-06", **SEOUL)
MONTHS = dg.MonthlyPartitionsDefinition("2025-01", fmt="%Y-%m", **SEOUL)
PLANTS = dg.StaticPartitionsDefinition(["P1", "P2"])
EAGER = dg.AutomationCondition.eager()
NINE = dg.AutomationCondition.on_cron("0 9 * * *", "Asia/Seoul")


def asset(name: str, partitions: Any, *deps: Any, **more: Any) -> Any:
    return dg.asset(name=name, partitions_def=partitions, deps=list(deps), **more)(lambda: None)


BEFORE = dg.AssetDep("day", partition_mapping=dg.TimeWindowPartitionMapping(-1, -1))
ASSETS = [
    asset("day", DAYS),
    asset("plant", PLANTS),
    asset("loose", None),
    asset("of_week", DAYS, asset("week", WEEKS)),
    asset("month", MONTHS, "day", "loose", dg.AssetSpec("outside")),
    asset("yesterday", DAYS, BEFORE),
    asset("whole", None, "day", "plant"),
    asset("eager_month", MONTHS, "day", "loose", automation_condition=EAGER),
    asset("eager_day", DAYS, BEFORE, automation_condition=EAGER),
    asset("eager_whole", None, "loose", automation_condition=EAGER),
    asset("at_nine", DAYS, "day", automation_condition=NINE),
]
WEEK = asset("week", WEEKS)
JOBS = [dg.define_asset_job(f"j_{one.key.path[-1]}", [one]) for one in [*ASSETS, WEEK]]
REPOSITORY = dg.Definitions([*ASSETS, WEEK], jobs=JOBS).get_repository_def()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def made(instance: dg.DagsterInstance, name: str, *partitions: str | None) -> None:
    """As somebody materialised them in the Dagster UI."""
    for partition in partitions or (None,):
        instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition))


def lacks(instance: dg.DagsterInstance, name: str, first: str = "", last: str = "") -> list[str]:
    asker = Asker(REPOSITORY.get_job(f"j_{name}"))
    asked = Meaning("2025-08-10T06:00:00+09:00", [Request(first, last or first)], {})
    return lacking(REPOSITORY, asker, asked, instance)


def january(*gone: int) -> list[str]:
    return [f"2025-01-{day:02}" for day in range(1, 32) if day not in gone]


def test_a_month_waits_for_each_of_its_days_and_for_what_has_no_partitions(
    instance: dg.DagsterInstance,
) -> None:
    assert lacks(instance, "month", "2025-01") == [*(f"day {day}" for day in january()), "loose"]
    made(instance, "day", *january(14, 31))
    made(instance, "loose")
    assert lacks(instance, "month", "2025-01") == ["day 2025-01-14", "day 2025-01-31"]
    made(instance, "day", "2025-01-14", "2025-01-31", "2025-02-01")
    assert lacks(instance, "month", "2025-01") == []
    assert lacks(instance, "month", "2025-01", "2025-02")[0] == "day 2025-02-02"
    assert len(lacks(instance, "month", "2025-01", "2025-02")) == 27


@pytest.mark.parametrize(
    ("name", "key", "needed"),
    [
        ("of_week", "2025-01-15", "week 2025-01-12"),  # Dagster's weeks begin on Sunday
        ("yesterday", "2025-01-08", "day 2025-01-07"),
        ("month", "2025-02", "day 2025-02-28"),
    ],
)
def test_another_cadence(instance: dg.DagsterInstance, name: str, key: str, needed: str) -> None:
    assert needed in lacks(instance, name, key)
    made(instance, *needed.split())
    assert needed not in lacks(instance, name, key)


def test_what_is_read_whole_waits_for_the_newest_window_or_for_any(
    instance: dg.DagsterInstance,
) -> None:
    """The 220 days before may never come."""
    assert lacks(instance, "whole") == ["day 2025-08-09", "plant"]
    made(instance, "day", "2025-08-08")
    made(instance, "plant", "P2")
    assert lacks(instance, "whole") == ["day 2025-08-09"]
    made(instance, "day", "2025-08-09")
    assert lacks(instance, "whole") == []


def test_some_names_are_enough() -> None:
    assert shortened([str(n) for n in range(7)]) == "0, 1, 2, 3, 4 … (7)"
    assert shortened(["a", "b"]) == "a, b"


# -- conditions


def asker(name: str) -> Asker:
    key = dg.AssetKey(name)
    condition = REPOSITORY.asset_graph.get(key).automation_condition
    assert condition is not None
    return Asker(job_of_condition(REPOSITORY, key), automation=automation(condition))


def run_of_a_dag(instance: dg.DagsterInstance, run_id: str, name: str, *keys: str | None) -> None:
    """Partitions as a task of a DAG run makes them."""
    run = instance.create_run_for_job(
        REPOSITORY.get_job(f"j_{name}"), tags={"airflow/dag_id": "d", "airflow/run_id": run_id}
    )
    for key in keys:
        event = dg.AssetMaterialization(name, partition=key)
        instance.report_dagster_event(
            DagsterEvent(
                event_type_value="ASSET_MATERIALIZATION",
                job_name=run.job_name,
                event_specific_data=StepMaterializationData(event),
            ),
            run_id=run.run_id,
        )


def asked(instance: dg.DagsterInstance, name: str, *runs: str, time: str = "") -> Meaning:
    updates = {"dags": ["d"] * len(runs), "runs": list(runs)}
    moment = Asked(time or "2025-02-10T06:00:00+09:00", updates=updates)
    return meaning(REPOSITORY, asker(name), moment, instance)


def test_what_dag_runs_updated(instance: dg.DagsterInstance) -> None:
    run_of_a_dag(instance, "one", "day", "2025-01-30", "2025-01-31")
    run_of_a_dag(instance, "two", "loose", None)
    run_of_a_dag(instance, "three", "day", "2025-02-01")
    found = updated_by(instance, ["d", "d", "d"], ["one", "two", "one"])
    assert found == {
        dg.AssetKey("day"): frozenset({"2025-01-30", "2025-01-31"}),
        dg.AssetKey("loose"): frozenset({None}),
    }


def test_an_update_asks_for_what_reads_it_in_the_newest_window(
    instance: dg.DagsterInstance,
) -> None:
    run_of_a_dag(instance, "old", "day", "2025-01-05")
    run_of_a_dag(instance, "new", "day", "2025-02-08")
    old, new = (asked(instance, "eager_day", name) for name in ("old", "new"))
    assert (old.skip, old.requests) == ("What was updated asks for no partition.", [])
    assert [(one.first, one.last) for one in new.requests] == [("2025-02-09", "2025-02-09")]


def test_nothing_is_made_of_which_an_input_is_missing(instance: dg.DagsterInstance) -> None:
    made(instance, "day", *january(3, 20))
    run_of_a_dag(instance, "one", "day", "2025-01-20")
    found = asked(instance, "eager_month", "one")
    assert (found.skip, found.requests) == ("Not there as yet: day 2025-01-03, loose.", [])
    made(instance, "loose")
    run_of_a_dag(instance, "two", "day", "2025-01-03")
    assert [one.first for one in asked(instance, "eager_month", "two").requests] == ["2025-01"]


def test_an_update_of_what_has_no_partitions(instance: dg.DagsterInstance) -> None:
    run_of_a_dag(instance, "one", "loose", None)
    assert [one.first for one in asked(instance, "eager_whole", "one").requests] == [""]


def test_by_hand_it_is_the_newest(instance: dg.DagsterInstance) -> None:
    assert [one.first for one in asked(instance, "eager_day").requests] == ["2025-02-09"]


def test_a_cron_waits_for_inputs_of_its_own_tick(instance: dg.DagsterInstance) -> None:
    """The day is there, but not since nine; a tick is in the past, so what is made now is later."""
    found = asked(instance, "at_nine", time="2025-02-10T11:00:00+09:00")
    assert found.tick == "2025-02-10T09:00:00+09:00"
    assert [one.first for one in found.requests] == ["2025-02-09"]
    later = Meaning("2125-02-10T09:00:00+09:00", found.requests, {})
    made(instance, "day", "2025-02-09")
    assert lacking(REPOSITORY, asker("at_nine"), found, instance) == []
    assert lacking(REPOSITORY, asker("at_nine"), later, instance) == ["day 2025-02-09"]
