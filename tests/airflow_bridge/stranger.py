"""A Dagster project as a stranger would write one: every kind of partition, and what has no DAG.

Nothing of the lake is in it, and nothing in it was written for the exporter but where it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

HOURS = dg.HourlyPartitionsDefinition("2025-03-01-00:00", timezone="Europe/Berlin")
WEEKS = dg.WeeklyPartitionsDefinition("2025-01-06", timezone="Asia/Seoul")
WORKDAYS = dg.TimeWindowPartitionsDefinition(
    start="2025-01-01", fmt="%Y-%m-%d", cron_schedule="0 0 * * 1-5", timezone="Asia/Seoul"
)
PLANTS = dg.StaticPartitionsDefinition(["P100", "P200", "서울 1공장"])
DAYS = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")
BOTH = dg.MultiPartitionsDefinition({"day": DAYS, "plant": PLANTS})
FILES = dg.DynamicPartitionsDefinition(name="files")


def asset(name: str, partitions: Any = None, **more: Any) -> Any:
    @dg.asset(name=name, partitions_def=partitions, **more)
    def made(context) -> Any:  # type: ignore[no-untyped-def]
        key = context.partition_key if partitions else ""
        return dg.MaterializeResult(metadata={"seen": str(getattr(key, "keys_by_dimension", key))})

    return made


hourly = asset("meter", HOURS, description='It\'s "{{ ds }}" | 계량기\n둘째 줄')
weekly = asset("week", WEEKS)
workdays = asset("workday", WORKDAYS)
static = asset("plant", PLANTS, owners=["team:works"])
both = asset("harvest", BOTH)
files = asset("file", FILES)


@dg.asset(check_specs=[dg.AssetCheckSpec("rows", asset="checked", blocking=True)])
def checked() -> Iterator[Any]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="rows", passed=False)


@dg.op
def mail() -> None: ...


@dg.job
def of_ops() -> None:
    mail()


JOBS = {
    name: dg.define_asset_job(name, [one])
    for name, one in (
        ("hourly", hourly),
        ("weekly", weekly),
        ("workdays", workdays),
        ("static", static),
        ("both", both),
        ("files", files),
        ("checks", checked),
    )
}


@dg.schedule(job=JOBS["static"], cron_schedule="0 3 * * 1", execution_timezone="Asia/Seoul")
def some_plants() -> list[dg.RunRequest]:
    """Two of the three, in one tick."""
    return [dg.RunRequest(partition_key=key, run_key=key) for key in ("P200", "P100")]


@dg.schedule(job=JOBS["files"], cron_schedule="*/20 * * * *")
def new_files(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    keys = context.instance.get_dynamic_partitions("files")
    return dg.RunRequest(partition_key=keys[-1]) if keys else dg.SkipReason("no file yet")


@dg.sensor(job=JOBS["files"])
def arrivals() -> dg.SkipReason:
    return dg.SkipReason("nothing has arrived")


defs = dg.Definitions(
    assets=[hourly, weekly, workdays, static, both, files, checked],
    jobs=[*JOBS.values(), of_ops],
    schedules=[
        *(
            dg.build_schedule_from_partitioned_job(JOBS[name])
            for name in ("hourly", "weekly", "workdays", "both")
        ),
        some_plants,
        new_files,
        dg.ScheduleDefinition(job=JOBS["checks"], cron_schedule=["0 1 * * *", "0 13 * * *"]),
    ],
    sensors=[arrivals],
)
