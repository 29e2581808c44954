"""A project that was not written for the exporter: what its DAGs mean and make, tick by tick."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._utils.schedules import schedule_execution_time_iterator

from airflow_bridge.drift import read_pipeline
from airflow_bridge.errors import UsageError
from airflow_bridge.export import Exported, Wish, export
from airflow_bridge.location import Location
from airflow_bridge.materialise import materialise
from airflow_bridge.meaning import Asked, Asker, Meaning
from airflow_bridge.ticks import meaning

STRANGER = Location("tests.airflow_bridge.stranger", "defs", "stranger")


def ask(
    instance: dg.DagsterInstance, job: str, schedule: str | None, time: str, **conf: str
) -> Meaning:
    repository = STRANGER.load()
    found = repository.get_schedule_def(schedule) if schedule else None
    asker = Asker(repository.get_job(job), found)
    return meaning(repository, asker, Asked(time, conf), instance)


def exported(folder: Path) -> Exported:
    return export(STRANGER, Wish(folder, "bridge", "the test", skip=True))


def test_what_is_exported_and_what_is_not(tmp_path: Path) -> None:
    done = exported(tmp_path)
    assert {one.name: one.why for one in done.skipped} == {
        "sensor arrivals": "it starts runs in Dagster, and no DAG can ask it when",
    }
    found: dict[str, Any] = {
        path.stem: read_pipeline(path.read_text()) for path in tmp_path.glob("*.py")
    }
    assert {name: (one["schedule"], one["timezone"]) for name, one in found.items()} == {
        "hourly": ("0 * * * *", "Europe/Berlin"),
        "weekly": ("0 0 * * 0", "Asia/Seoul"),
        "workdays": ("0 0 * * 1-5", "Asia/Seoul"),
        "both": ("0 0 * * *", "Asia/Seoul"),
        "static": ("0 3 * * 1", "Asia/Seoul"),
        "files": ("*/20 * * * *", "UTC"),
        "of_ops": (None, "UTC"),
        # Several crons of one schedule.
        "checks__1": ("0 1 * * *", "UTC"),
        "checks__2": ("0 13 * * *", "UTC"),
    }
    # A tick before the first partition ends: the first one of Airflow's timetable never fires.
    assert found["hourly"]["start_date"] == "2025-03-01T00:00"
    assert found["both"]["start_date"] == "2025-01-01T00:00"
    forms = {
        name: {k: v["description"] for k, v in one["params"].items()} for name, one in found.items()
    }
    assert set(forms["hourly"]) == {"partition", "from", "to"}
    assert forms["hourly"]["from"] == "of a range: the first partition, such as 2025-03-01-00:00"
    assert forms["both"] == {
        "partition": "one partition, such as 2025-01-01|P100; empty: that of the tick"
    }
    assert forms["files"] == {"partition": "one partition; empty: that of the tick"}
    assert found["hourly"]["tasks"][0]["task"]["doc_md"] == 'It\'s "{{ ds }}" | 계량기'


@pytest.mark.parametrize("job", ["hourly", "weekly", "workdays", "both"])
def test_every_tick_means_what_dagster_asks_for(instance: dg.DagsterInstance, job: str) -> None:
    """Two months of ticks, the night in which Berlin's clocks go forward among them."""
    repository = STRANGER.load()
    schedule = repository.get_schedule_def(f"{job}_schedule")
    begin, end = (datetime(2025, month, 3, tzinfo=timezone.utc) for month in (3, 5))
    cron, zone = str(schedule.cron_schedule), schedule.execution_timezone
    ticks = schedule_execution_time_iterator(begin.timestamp(), cron, zone)
    seen = []
    for count, tick in enumerate(ticks):
        if tick.timestamp() > end.timestamp() or count > 120:
            break
        found = ask(instance, job, schedule.name, tick.astimezone(timezone.utc).isoformat())
        with partition_loading_context(dynamic_partitions_store=instance):
            context = dg.build_schedule_context(
                instance, scheduled_execution_time=tick, repository_def=repository
            )
            requests = schedule.evaluate_tick(context).run_requests or []
        assert [one.first for one in found.requests] == [one.partition_key for one in requests]
        seen += [one.first for one in found.requests]
    assert len(seen) == len(set(seen)) >= 8


def test_the_tick_of_several_crons(instance: dg.DagsterInstance) -> None:
    for time, tick in (("02:00", "01:00"), ("13:00", "13:00"), ("12:59", "01:00")):
        found = ask(instance, "checks", "checks_schedule", f"2025-03-05T{time}:00+00:00")
        assert found.tick == f"2025-03-05T{tick}:00+00:00"


def test_a_check_that_blocks_fails_the_task(instance: dg.DagsterInstance) -> None:
    found = ask(instance, "checks", None, "2025-03-05T00:00:00+00:00")
    done = materialise(instance, STRANGER, "checks", ["checked"], found, {}, {})
    assert done.exit_code == 1
    assert "rows" in done.failures[0].reason


def test_several_partitions_of_one_tick(instance: dg.DagsterInstance) -> None:
    found = ask(instance, "static", "some_plants", "2025-03-05T00:00:00+00:00")
    assert (found.tick, found.shown) == ("2025-03-03T03:00:00+09:00", "P100, P200")
    job = STRANGER.load().get_job("static")
    done = materialise(instance, STRANGER, job.name, ["plant"], found, {}, {})
    assert (done.exit_code, done.made) == (0, {"plant": 2})
    assert instance.get_materialized_partitions(dg.AssetKey("plant")) == {"P100", "P200"}


def test_partitions_that_are_added(instance: dg.DagsterInstance) -> None:
    time = "2025-03-05T00:00:00+00:00"
    assert ask(instance, "files", "new_files", time).skip == "no file yet"
    with pytest.raises(UsageError, match=r"'a\.csv' is no partition of files; there is none yet"):
        ask(instance, "files", "new_files", time, partition="a.csv")
    instance.add_dynamic_partitions("files", ["a.csv", "나.csv"])
    found = ask(instance, "files", "new_files", time)
    assert found.shown == "나.csv"
    assert materialise(instance, STRANGER, "files", ["file"], found, {}, {}).exit_code == 0
    assert instance.get_materialized_partitions(dg.AssetKey("file")) == {"나.csv"}
    assert ask(instance, "files", None, time, partition="a.csv").shown == "a.csv"


def test_partitions_of_two_dimensions(instance: dg.DagsterInstance) -> None:
    found = ask(instance, "both", "both_schedule", "2025-03-05T15:00:00+00:00")
    assert [one.first for one in found.requests] == [
        "2025-03-05|P100",
        "2025-03-05|P200",
        "2025-03-05|서울 1공장",
    ]
    one = ask(instance, "both", None, "2025-03-05T15:00:00+00:00", partition="2025-03-01|P200")
    assert materialise(instance, STRANGER, "both", ["harvest"], one, {}, {}).exit_code == 0
    (run,) = instance.get_runs()
    assert run.tags["dagster/partition/plant"] == "P200"
    (event,) = instance.fetch_materializations(dg.AssetKey("harvest"), limit=5).records
    seen = event.asset_materialization.metadata["seen"].value  # type: ignore[union-attr]
    assert seen == "{'day': '2025-03-01', 'plant': 'P200'}"


@pytest.mark.parametrize(
    ("job", "conf", "words"),
    [
        ("static", {}, "static has no schedule, and its partitions are no time.*P100, P200, 서울"),
        ("static", {"partition": "P300"}, "'P300' is no partition of static; there are P100, P200"),
        ("static", {"from": "P100", "to": "P200"}, "no time, so there is nothing from one to anot"),
        ("both", {}, r"there are 2025-01-01\|P100, .* … \(\d+\)"),
    ],
)
def test_what_is_not_time_has_no_newest(
    instance: dg.DagsterInstance, job: str, conf: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        ask(instance, job, None, "2025-03-05T00:00:00+00:00", **conf)
