"""One history: a week of Dagster's schedule and of Airflow's tasks, as one row of partitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from click.testing import CliRunner

from airflow_bridge.materialise import materialise
from airflow_bridge.meaning import Asked, Asker
from airflow_bridge.ticks import meaning
from lake_assets.cli.main import cli
from lake_assets.cli.runs import by, newest_runs, of_asset
from tests.airflow_bridge.conftest import FOREIGN

SEOUL = ZoneInfo("Asia/Seoul")
KEY = "raw/order.lines"


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The lake's own, as the command opens it."""
    from lake_assets.execute import open_instance
    from resources.settings import load_settings

    monkeypatch.setenv("LAKE_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_instance(load_settings("local")) as found:
        yield found


def by_dagster(instance: dg.DagsterInstance, day: int) -> None:
    """What the schedule's tick asks for, run with the tags that Dagster's scheduler gives."""
    repository = FOREIGN.load()
    schedule = repository.get_schedule_def("weekdays")
    tick = datetime(2025, 3, day + 1, 7, 10, tzinfo=SEOUL)
    context = dg.build_schedule_context(
        instance, scheduled_execution_time=tick, repository_def=repository
    )
    (asked,) = schedule.evaluate_tick(context).run_requests or []
    job = repository.get_job("daily")
    done = job.execute_in_process(
        instance=instance,
        partition_key=asked.partition_key,
        tags=dict(asked.tags),
        asset_selection=[dg.AssetKey.from_user_string(KEY)],
    )
    assert done.success


def by_airflow(instance: dg.DagsterInstance, day: int) -> None:
    """As the two tasks of a DAG run call it."""
    repository = FOREIGN.load()
    asker = Asker(repository.get_job("daily"), repository.get_schedule_def("weekdays"))
    moment = datetime(2025, 3, day + 1, 7, 10, tzinfo=SEOUL).isoformat()
    found = meaning(repository, asker, Asked(moment), instance)
    origin = {"dag_id": "daily", "run_id": f"scheduled__{day}", "task_id": "t", "try_number": "2"}
    assert materialise(instance, FOREIGN, "daily", [KEY], found, origin, {}).exit_code == 0


def test_a_week_of_both_is_one_row_of_partitions(instance: dg.DagsterInstance) -> None:
    # From Tuesday on, as the schedule skips Sundays.
    for day in (3, 4, 5):
        by_dagster(instance, day)
    for day in (6, 7):
        by_airflow(instance, day)
    rows = of_asset(instance, KEY, 50)
    assert [(row["partition"], row["by"], row["rows"]) for row in rows] == [
        ("2025-03-03", "schedule weekdays", 7),
        ("2025-03-04", "schedule weekdays", 7),
        ("2025-03-05", "schedule weekdays", 7),
        ("2025-03-06", "Airflow daily, scheduled__6, try 2", 7),
        ("2025-03-07", "Airflow daily, scheduled__7, try 2", 7),
    ]
    by_airflow(instance, 3)
    assert of_asset(instance, KEY, 50)[0]["by"] == "Airflow daily, scheduled__3, try 2"
    assert [row["partition"] for row in of_asset(instance, KEY, 2)] == ["2025-03-06", "2025-03-07"]
    # Dagster's own view of it has no gap either.
    asset = dg.AssetKey.from_user_string(KEY)
    assert instance.get_materialized_partitions(asset) == {row["partition"] for row in rows}
    newest = newest_runs(instance, 3)
    assert [(row["partition"], row["status"]) for row in newest] == [
        ("2025-03-03", "success"),
        ("2025-03-07", "success"),
        ("2025-03-06", "success"),
    ]
    told = CliRunner().invoke(cli, ["list", "--runs", "--of", KEY, "--json"])
    assert told.exit_code == 0, told.output
    assert len(json.loads(told.output)["runs"]) == 5
    shown = CliRunner().invoke(cli, ["list", "--runs", "--limit", "2"])
    assert shown.output.count("Airflow daily") == 2


def test_an_asset_without_partitions_is_one_row(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        instance.report_runless_asset_event(dg.AssetMaterialization("whole"))
    (row,) = of_asset(instance, "whole", 50)
    assert (row["partition"], row["by"]) == ("", "a run that was deleted")


def test_nothing_yet(instance: dg.DagsterInstance) -> None:
    assert CliRunner().invoke(cli, ["list", "--runs"]).output == "There is no run yet.\n"
    found = CliRunner().invoke(cli, ["list", "--runs", "--of", "raw/customer"])
    assert found.output == "raw/customer was never materialised.\n"
    wrong = CliRunner().invoke(cli, ["list", "--runs", "--of", "raw/custmer"])
    assert wrong.exit_code == 2
    assert "There is no asset 'raw/custmer'; did you mean 'raw/customer'?" in wrong.output
    assert CliRunner().invoke(cli, ["list", "--of", "raw/x"]).exit_code == 2


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"dagster/backfill": "abc", "dagster/schedule_name": "s"}, "backfill abc"),
        ({"dagster/sensor_name": "watch"}, "sensor watch"),
        ({"run/process": "host:1"}, "lake run"),
        ({}, "by hand in Dagster"),
        (
            {"dagster/parent_run_id": "a", "airflow/dag_id": "d", "airflow/run_id": "r"},
            "executed again; first: Airflow d, r",
        ),
        (
            {"airflow/dag_id": "d", "airflow/run_id": "r", "airflow/lost": "true"},
            "Airflow d, r, never reached Dagster",
        ),
    ],
)
def test_who_started_a_run(tags: dict[str, str], words: str) -> None:
    assert by(tags) == words
