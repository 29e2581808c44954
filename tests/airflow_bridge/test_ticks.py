"""What a DAG run means: ticks floored in the schedule's zone, partitions it names itself."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given
from hypothesis import strategies as st

from airflow_bridge.errors import UsageError
from airflow_bridge.meaning import Asked, Asker, Meaning
from airflow_bridge.ticks import TICK_VARIABLE, last_tick, least_airflow, meaning
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines, pipeline_folders
from resources.settings import load_settings
from tests.airflow_bridge.conftest import FOREIGN

SEOUL = ZoneInfo("Asia/Seoul")


def ask(
    instance: dg.DagsterInstance, job: str, schedule: str | None, time: str = "", **conf: str
) -> Meaning:
    repository = FOREIGN.load()
    found = repository.get_schedule_def(schedule) if schedule else None
    asked = Asked(time or "2025-03-03T00:00:00+00:00", conf, {"rate": 0.1, "partition": None})
    return meaning(repository, Asker(repository.get_job(job), found), asked, instance)


@pytest.mark.parametrize(
    ("time", "tick", "partition"),
    [
        # 07:10 in Seoul is 22:10 of the day before in UTC, which is what Airflow says.
        ("2025-03-03T22:10:00+00:00", "2025-03-04T07:10:00+09:00", "2025-03-03"),
        # A manual run later that day, one second before the next tick, and a second after a tick.
        ("2025-03-04T05:31:00+00:00", "2025-03-04T07:10:00+09:00", "2025-03-03"),
        ("2025-03-04T22:09:59+00:00", "2025-03-04T07:10:00+09:00", "2025-03-03"),
        ("2025-03-04T22:10:01.5+00:00", "2025-03-05T07:10:00+09:00", "2025-03-04"),
        ("2025-03-04T22:10:00Z", "2025-03-05T07:10:00+09:00", "2025-03-04"),
        # Without an offset it is the schedule's zone.
        ("2025-03-04T07:10", "2025-03-04T07:10:00+09:00", "2025-03-03"),
        ("2025-03-04T18:10:00-04:00", "2025-03-05T07:10:00+09:00", "2025-03-04"),
    ],
)
def test_the_partition_of_a_moment(
    instance: dg.DagsterInstance, time: str, tick: str, partition: str
) -> None:
    found = ask(instance, "daily", "weekdays", time)
    assert (found.tick, found.shown) == (tick, partition)
    assert found.requests[0].tags["hour"] == "07:10 KST"
    assert found.params == {"rate": 0.1}
    assert Meaning.of(found.document()) == found


def test_sunday_is_skipped_as_the_schedule_says_in_its_own_zone(
    instance: dg.DagsterInstance,
) -> None:
    # Saturday 22:10 in UTC is Sunday in Seoul.
    found = ask(instance, "daily", "weekdays", "2025-03-01T22:10:00+00:00")
    assert (found.requests, found.skip) == ([], "Nobody works on Sunday.")


def test_conf_names_a_tick(instance: dg.DagsterInstance) -> None:
    found = ask(instance, "daily", "weekdays", tick="2025-02-01T09:00")
    assert (found.tick, found.shown) == ("2025-02-01T07:10:00+09:00", "2025-01-31")
    assert found.requests[0].config == {"ops": {"raw__order_lines": {"config": {"rate": 0.2}}}}


def test_conf_names_partitions(instance: dg.DagsterInstance) -> None:
    assert ask(instance, "daily", "weekdays", partition="2025-01-05").shown == "2025-01-05"
    named = {"from": "2025-01-05", "to": "2025-01-07"}
    (only,) = ask(instance, "daily", "weekdays", **named).requests
    assert (only.first, only.last, only.shown) == (*named.values(), "2025-01-05…2025-01-07")
    assert ask(instance, "monthly", None, partition="2025-01").shown == "2025-01"


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        (
            {"partition": "2025-02-30"},
            "'2025-02-30' is no partition of daily; there are",
        ),
        ({"partition": "2024-12-31"}, "there are 2025-01-01 to "),
        ({"partition": "2099-01-01"}, "is no partition"),
        ({"partition": "2025-02-01", "from": "2025-01-01"}, "A run names one partition, or both"),
        ({"from": "2025-01-01"}, "or both from and to"),
        ({"from": "2025-01-05", "to": "2025-01-01"}, "from '2025-01-05' is after to '2025-01-01'"),
        ({"tick": "2025-01-05"}, "is no time; write one as 2025-07-02T06:00 .Asia/Seoul."),
        ({"tick": "'; rm -rf /"}, "is no time"),
        ({"partition": "2025-02-01", "tick": "2025-02-01T09:00"}, "or a tick"),
    ],
)
def test_what_there_is_not_is_refused(
    instance: dg.DagsterInstance, conf: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        ask(instance, "daily", "weekdays", **conf)


def test_jobs_without_a_schedule(instance: dg.DagsterInstance) -> None:
    """The newest partition that has ended, in the partitions' own zone."""
    # In Seoul March has begun.
    assert ask(instance, "by_hand", None, "2025-02-28T15:00:00+00:00").shown == "2025-02"
    assert ask(instance, "by_hand", None, "2025-02-28T14:59:00+00:00").shown == "2025-01"
    assert ask(instance, "by_hand", None, "2025-01-31T14:59:00+00:00").skip is not None
    (only,) = ask(instance, "once", None).requests
    assert (only.first, only.shown) == ("", "")
    with pytest.raises(UsageError, match="once has no partitions"):
        ask(instance, "once", None, partition="2025-01-01")


CRONS = [
    ("0 6 * * *", "Asia/Seoul"),
    ("0 7 1 * *", "Asia/Seoul"),
    ("*/15 * * * *", "UTC"),
    ("30 5 * * 1-5", "Asia/Seoul"),
    ("0 0 * * 0", "Europe/Berlin"),
    # 02:30 is not there on one night in spring and there twice on one in autumn.
    ("30 2 * * *", "America/New_York"),
]


@given(
    cron=st.sampled_from(CRONS),
    moment=st.datetimes(datetime(2023, 3, 1), datetime(2026, 3, 1)),
    offset=st.integers(-11, 12),
)
def test_the_last_tick_is_the_one_dagster_fired(
    cron: tuple[str, str], moment: datetime, offset: int
) -> None:
    """Against Dagster's own iterator, forwards from well before."""
    now = moment.replace(tzinfo=timezone(timedelta(hours=offset)))
    found = last_tick(*cron, now)
    ticks = schedule_execution_time_iterator((now - timedelta(days=70)).timestamp(), *cron)
    expected = next(one for one, after in pairwise(ticks) if after.timestamp() > now.timestamp())
    assert found.timestamp() == expected.timestamp()
    assert str(found.tzinfo) == cron[1]


@pytest.mark.parametrize(
    ("cron", "zone", "least"),
    [
        ("*/5 * * * *", "Asia/Seoul", "2.2"),
        ("0 9,18 * * *", "Asia/Kolkata", "2.2"),  # half an hour, but clocks stay
        ("30 2 * * *", "Europe/Berlin", "2.2"),
        ("@daily", "Australia/Lord_Howe", "2.2"),
        ("0 9,18 * * *", "Europe/Berlin", "2.11"),
        ("@hourly", "Africa/Casablanca", "2.11"),
        ("0 * 1 * *", "America/St_Johns", None),
        ("30 2 1 * *", "America/St_Johns", "2.2"),
    ],
)
def test_which_airflow_has_the_ticks(cron: str, zone: str, least: str | None) -> None:
    assert least_airflow(cron, zone) == least


@pytest.mark.parametrize(
    ("job", "time", "partition"),
    [
        # 06:00 daily in Seoul: the day before. 07:00 on the first: the month before.
        ("bw_sales_result_daily", "2025-07-01T21:00:00+00:00", "2025-07-01"),
        ("bw_sales_result_daily", "2025-07-02T20:59:59+00:00", "2025-07-01"),
        ("bw_sales_result_monthly", "2025-06-30T22:00:00+00:00", "2025-06"),
        ("bw_sales_result_monthly", "2025-07-31T21:59:00+00:00", "2025-06"),
        ("customer_master", "2025-07-31T21:59:00+00:00", ""),
    ],
)
def test_the_shipped_schedules(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    time: str,
    partition: str,
) -> None:
    """Where Airflow fires them, they tell the bridge what a tick means, and Dagster to wait."""
    pipelines = load_pipelines(pipeline_folders())
    repository = build_definitions(load_settings("prod"), pipelines).get_repository_def()
    schedule = repository.get_schedule_def(f"{job}_schedule")
    asker = Asker(repository.get_job(job), schedule)
    found = meaning(repository, asker, Asked(time), instance)
    assert (found.shown, found.skip, len(found.requests)) == (partition, None, 1)
    assert TICK_VARIABLE not in os.environ
    tick = datetime.fromisoformat(found.tick).astimezone(SEOUL)
    context = dg.build_schedule_context(
        instance, scheduled_execution_time=tick, repository_def=repository
    )
    by_dagster = schedule.evaluate_tick(context)
    assert by_dagster.run_requests == []
    assert by_dagster.skip_message == "Airflow fires this schedule in this environment."
