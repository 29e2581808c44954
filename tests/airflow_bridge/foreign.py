"""A small Dagster project that knows nothing of the lake, for tests of export and command.

The variable FOREIGN says what an asset does, for example `lines=gate`: fail for good (gate), fail
with a bug (bug), sleep (slow), leave a child behind and sleep (child), compute in C where no signal
handler runs (stuck).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

DAILY = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")
MONTHLY = dg.MonthlyPartitionsDefinition("2025-01", timezone="Asia/Seoul", fmt="%Y-%m")

S21 = {"airflow/queue": "s21"}
TWO = dg.BackfillPolicy.multi_run(2)


class NoRightError(Exception):
    """An exception of the project's own."""


def act(name: str, context: dg.AssetExecutionContext) -> None:
    wish = dict(one.split("=") for one in os.environ.get("FOREIGN", "").split()).get(name)
    print(f"{name} begins", flush=True)
    context.log.info("in the log of %s", name)
    if wish == "gate":
        raise dg.Failure(f"{name}: two rows of a key", {"exit_code": 65})
    if wish == "own":
        raise NoRightError(f"{name}: a right is missing")
    if wish == "bug":
        raise ZeroDivisionError("division by zero")
    if wish == "child":
        subprocess.Popen(["sleep", "300"])
    if wish in ("slow", "child"):
        print(f"{name} sleeps", flush=True)
        time.sleep(300)
    if wish == "stuck":
        print(f"{name} sleeps", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)


@dg.asset(
    key=["raw", "order.lines"],
    partitions_def=DAILY,
    metadata={**S21, "airflow/pool": "erp", "airflow/priority": 5},
    owners=["team:sales"],
    description="O'Neil's \"lines\" | 주문\nA second line.",
    retry_policy=dg.RetryPolicy(max_retries=3, delay=30, backoff=dg.Backoff.EXPONENTIAL),
    backfill_policy=TWO,
    pool="erp",
    config_schema={"rate": dg.Field(float, default_value=0.1, is_required=False)},
)
def lines(context) -> Any:  # type: ignore[no-untyped-def]
    act("lines", context)
    rate = context.op_execution_context.op_config["rate"]
    return dg.MaterializeResult(metadata={"dagster/partition_row_count": 7, "rate": rate})


@dg.multi_asset(
    specs=[
        dg.AssetSpec("facts", deps=[["raw", "order.lines"]], metadata=S21),
        dg.AssetSpec("dims", deps=[["raw", "order.lines"], "customers"], metadata=S21),
    ],
    partitions_def=DAILY,
    backfill_policy=TWO,
    name="star",
)
def star(context) -> Iterator[Any]:  # type: ignore[no-untyped-def]
    act("star", context)
    yield dg.MaterializeResult(asset_key="facts")
    yield dg.MaterializeResult(asset_key="dims")


@dg.asset(
    deps=["facts"],
    metadata={**S21, "airflow/task_id": "load"},
    partitions_def=DAILY,
    backfill_policy=TWO,
)
def out(context) -> None:  # type: ignore[no-untyped-def]
    act("out", context)


@dg.asset(deps=["facts"], partitions_def=MONTHLY)
def month() -> None: ...


@dg.asset
def customers() -> None: ...


#: Those that wait for nothing come in the order of their names.
masters = [dg.asset(name=name)(lambda: None) for name in ("plants", "materials", "units", "banks")]


daily = dg.define_asset_job(
    "daily",
    selection=["raw/order.lines", "facts", "dims", "out"],
    description="Orders of a day",
    metadata={
        "airflow/tags": ["0.ETL", "1.Start:SAP", "2.End:SERVER", "주문"],
        "airflow/title": "일별 주문",
        "airflow/queue": "s21",
        "airflow/params": {
            "rate": {"type": "float", "default": 0.1, "help": "부가세"},
            "since": {"type": "date", "default": "2025-01-01"},
        },
        "airflow/messages": ["team_room"],
    },
    run_tags={"team": "sales"},
)
monthly = dg.define_asset_job("monthly", selection=["month"])
by_hand = dg.define_asset_job("by_hand", selection=["month"])
once = dg.define_asset_job("once", selection=["customers"], metadata={"airflow/schedule": "@once"})

by_dagster = dg.define_asset_job("by_dagster", selection=["customers"])


@dg.schedule(job=daily, cron_schedule="10 7 * * *", execution_timezone="Asia/Seoul")
def weekdays(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """The day before, but none on a Sunday, with a config for some of the job's steps."""
    tick = context.scheduled_execution_time
    if f"{tick:%a}" == "Sun":
        return dg.SkipReason("Nobody works on Sunday.")
    day = f"{tick - timedelta(days=1):%Y-%m-%d}"
    config = {"ops": {"raw__order_lines": {"config": {"rate": 0.2}}}} if tick.day == 1 else {}
    return dg.RunRequest(partition_key=day, run_config=config, tags={"hour": f"{tick:%H:%M %Z}"})


defs = dg.Definitions(
    assets=[lines, star, out, month, customers, *masters],
    jobs=[daily, monthly, by_hand, once, by_dagster],
    schedules=[
        weekdays,
        dg.build_schedule_from_partitioned_job(monthly, hour_of_day=7),
        dg.ScheduleDefinition(
            name="nightly", target=[customers, *masters], cron_schedule="30 5 * * *"
        ),
        dg.ScheduleDefinition(
            job=by_dagster,
            name="left_to_dagster",
            cron_schedule="0 0 * * *",
            metadata={"airflow/export": False},
        ),
    ],
)
