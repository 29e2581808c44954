"""The analytics of a small web shop, as an ordinary user of Dagster writes them.

Nothing in it knows of Airflow, nor of the lake: no metadata, no name was chosen for an exporter.
What becomes of it is said in `test_projects.py`. It keeps its tables in the folder SHOP_DATA.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

SEOUL = "Asia/Seoul"
DAYS = dg.DailyPartitionsDefinition("2025-01-01", timezone=SEOUL)
MONTHS = dg.MonthlyPartitionsDefinition("2025-01-01", timezone=SEOUL)
COUNTRIES = dg.StaticPartitionsDefinition(["kr", "jp", "us"])
CAMPAIGNS = dg.DynamicPartitionsDefinition(name="campaigns")
DAY_BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

HOSTILE = (
    'It\'s "quoted" \\ C:\\new\\table {{ ds }} {% raw %} {# x #} </script> | %s %(a)s\n'
    "둘째 줄: 주문 🛒 '''triple''' \"\"\"double\"\"\" \\"
)


class Folder(dg.ConfigurableResource):
    """Where the shop keeps what is no table: a line for each thing that happened."""

    path: str

    def note(self, line: str) -> None:
        with (Path(self.path) / "notes.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class JsonTables(dg.ConfigurableIOManager):
    """A file a table, or a partition of one."""

    path: str

    def _file(self, context: Any, partition: str) -> Path:
        parts = context.asset_key.path if context.has_asset_key else context.get_identifier()
        name = "__".join([*parts, partition] if partition else parts)
        return Path(self.path, name.replace("|", "+") + ".json")

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        partition = context.asset_partition_key if context.has_asset_partitions else ""
        self._file(context, partition).write_text(json.dumps(obj), encoding="utf-8")

    def load_input(self, context: dg.InputContext) -> Any:
        keys = context.asset_partition_keys if context.has_asset_partitions else [""]
        files = {key: self._file(context, key) for key in keys}
        found = {key: json.loads(file.read_text()) for key, file in files.items() if file.exists()}
        return found if len(keys) > 1 else found[keys[0]]


# -- what the shop reads and does not make

customers = dg.AssetSpec(["erp", "customers"], group_name="erp", description="Made by the ERP")
prices = dg.AssetSpec(["erp", "prices"], group_name="erp")


@dg.observable_source_asset(key=["web", "log"], group_name="ingest")
def web_log(shop: dg.ResourceParam[Folder]) -> dg.DataVersion:
    file = Path(shop.path, "web.log")
    return dg.DataVersion(str(file.stat().st_size if file.exists() else 0))


@dg.observable_source_asset(automation_condition=dg.AutomationCondition.on_cron("0 8 * * *", SEOUL))
def competitor() -> dg.DataVersion:
    return dg.DataVersion("1")


# -- orders, a day each


@dg.asset(
    key=["raw", "orders"],
    partitions_def=DAYS,
    group_name="ingest",
    description=HOSTILE,
    owners=["team:web", "orders@shop.example"],
    kinds={"python", "json"},
    tags={"domain": "sales"},
    deps=[customers, web_log],
    pool="shop_api",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=7, backoff=dg.Backoff.EXPONENTIAL),
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36)),
)
def raw_orders(context: dg.AssetExecutionContext) -> list[dict[str, Any]]:
    return [{"day": context.partition_key, "amount": amount} for amount in (3, 5)]


@dg.asset(
    partitions_def=DAYS,
    group_name="ingest",
    ins={"orders": dg.AssetIn(["raw", "orders"])},
    check_specs=[
        dg.AssetCheckSpec("no_negative", asset="clean_orders", blocking=True),
        dg.AssetCheckSpec("many_rows", asset="clean_orders", description="Only a warning"),
    ],
)
def clean_orders(orders: list[dict[str, Any]]) -> Iterator[Any]:
    yield dg.Output(orders, metadata={"dagster/partition_row_count": len(orders)})
    amounts = [order["amount"] for order in orders]
    yield dg.AssetCheckResult(check_name="no_negative", passed=min(amounts) >= 0)
    yield dg.AssetCheckResult(
        check_name="many_rows", passed=len(orders) > 100, severity=dg.AssetCheckSeverity.WARN
    )


@dg.asset(partitions_def=DAYS, group_name="finance", deps=[prices])
def revenue(clean_orders: list[dict[str, Any]]) -> int:
    return sum(order["amount"] for order in clean_orders)


@dg.asset_check(asset=revenue, blocking=True, partitions_def=DAYS)
def revenue_is_there(revenue: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=revenue > 0)


@dg.asset_check(asset=revenue, partitions_def=DAYS)
def revenue_is_plausible(revenue: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=revenue > 1000, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=raw_orders, automation_condition=dg.AutomationCondition.on_cron("@daily"))
def orders_came() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(
    partitions_def=DAYS,
    group_name="finance",
    deps=[dg.AssetDep("balance", partition_mapping=DAY_BEFORE), revenue],
    backfill_policy=dg.BackfillPolicy.multi_run(3),
)
def balance(context: dg.AssetExecutionContext) -> None:
    """Of the day before, and what came in: it depends on itself."""


@dg.asset(
    partitions_def=MONTHS,
    group_name="finance",
    ins={"days": dg.AssetIn("revenue", partition_mapping=dg.TimeWindowPartitionMapping())},
)
def monthly_revenue(days: dict[str, int]) -> int:
    """A month of days."""
    return sum(days.values())


@dg.asset(partitions_def=dg.MultiPartitionsDefinition({"country": COUNTRIES, "day": DAYS}))
def visits(context: dg.AssetExecutionContext, shop: dg.ResourceParam[Folder]) -> None:
    shop.note(f"visits {context.partition_key}")


@dg.asset(partitions_def=CAMPAIGNS)
def campaign(context: dg.AssetExecutionContext, shop: dg.ResourceParam[Folder]) -> None:
    shop.note(f"campaign {context.partition_key}")


# -- made of several steps


@dg.op(retry_policy=dg.RetryPolicy(max_retries=3, delay=0.01), pool="gpu")
def candidates(context: dg.OpExecutionContext) -> list[int]:
    if context.retry_number == 0:
        raise RuntimeError("the GPU was away")
    return [3, 1, 2]


@dg.op
def rank(found: list[int]) -> list[int]:
    return sorted(found)


@dg.graph_asset(group_name="science", description="Two steps: candidates, then their rank")
def recommendations() -> Any:
    return rank(candidates())


@dg.multi_asset(
    specs=[
        dg.AssetSpec("clicks", deps=["recommendations"], skippable=True, group_name="science"),
        dg.AssetSpec("views", deps=["recommendations"], skippable=True, group_name="science"),
    ],
    can_subset=True,
)
def marketing(context: dg.AssetExecutionContext) -> Iterator[Any]:
    for key in sorted(context.selected_asset_keys, key=str):
        yield dg.MaterializeResult(asset_key=key)


class Audit(dg.Config):
    auditor: str
    depth: int = 3


@dg.asset
def audit(config: Audit, shop: dg.ResourceParam[Folder]) -> None:
    shop.note(f"audit by {config.auditor}, {config.depth} deep")


# -- names that come near each other


@dg.asset(key=["stock", "level"])
def stock_level() -> None: ...


@dg.multi_asset(outs={"level": dg.AssetOut(key=["stock__level"])})
def stock_level_too() -> int:
    return 7


@dg.multi_asset(outs={"level": dg.AssetOut(key=["재고", "수준 (kg)"], description="창고별 재고")})
def korean() -> int:
    return 7


# -- by condition


def _when(name: str, condition: Any, **more: Any) -> Any:
    @dg.asset(name=name, automation_condition=condition, group_name="mail", **more)
    def made() -> None: ...

    return made


eager = _when("dashboard", dg.AutomationCondition.eager(), deps=["recommendations", prices])
traffic = _when("traffic", dg.AutomationCondition.eager(), deps=[web_log])
lonely = _when("lonely", dg.AutomationCondition.eager())
on_cron = _when("morning_mail", dg.AutomationCondition.on_cron("0 6 * * *", SEOUL), deps=["clicks"])
on_missing = _when("welcome", dg.AutomationCondition.on_missing(), deps=["views"])
of_its_own = _when(
    "digest",
    dg.AutomationCondition.any_deps_updated().since(dg.AutomationCondition.newly_requested()),
    deps=["clicks"],
)


# -- jobs of ops


class Letter(dg.Config):
    subject: str = "Hello"
    to: list[str] = ["all"]  # noqa: RUF012 (its base class is pydantic's)


@dg.op(tags={"dagster/priority": "3", "team": "mail"}, out=dg.DynamicOut(str))
def readers(config: Letter) -> Iterator[dg.DynamicOutput[str]]:
    for number, name in enumerate(config.to):
        yield dg.DynamicOutput(f"{config.subject} {name}", mapping_key=f"r{number}")


@dg.op
def send(letter: str, shop: dg.ResourceParam[Folder]) -> int:
    shop.note(f"sent: {letter}")
    return 1


@dg.op
def count(sent: list[int]) -> int:
    return len(sent)


@dg.success_hook(required_resource_keys={"shop"})
def well_done(context: dg.HookContext) -> None:
    context.resources.shop.note(f"hook: {context.op.name}")


@dg.job(
    hooks={well_done},
    description=HOSTILE,
    tags={"dagster/max_runtime": "1800", "dagster/priority": "5", "team": "mail"},
)
def newsletter() -> None:
    count(readers().map(send).collect())


@dg.op(config_schema={"day": str})
def compact(context: dg.OpExecutionContext, shop: dg.ResourceParam[Folder]) -> None:
    shop.note(f"compact {context.op_config['day']}")


@dg.daily_partitioned_config(start_date="2025-01-01", timezone=SEOUL)
def _of_day(start: Any, _end: Any) -> dict[str, Any]:
    return {"ops": {"compact": {"config": {"day": f"{start:%Y-%m-%d}"}}}}


@dg.job(config=_of_day)
def housekeeping() -> None:
    compact()


@dg.op
def burn() -> None:
    raise dg.Failure("No drive", allow_retries=False)


@dg.job
def backup() -> None:
    burn()


# -- jobs of assets, and when they run

orders_daily = dg.define_asset_job(
    "orders_daily",
    selection=[raw_orders, clean_orders, revenue, balance],
    description="Orders of a day, and what is made of them",
    tags={"dagster/max_runtime": 7200, "dagster/priority": 2},
    hooks={well_done},
    op_retry_policy=dg.RetryPolicy(max_retries=4, delay=90),
)
revenue_monthly = dg.define_asset_job("revenue_monthly", selection=[monthly_revenue])
visits_daily = dg.define_asset_job("visits_daily", selection=[visits])
campaigns = dg.define_asset_job("campaigns", selection=[campaign])
science = dg.define_asset_job("science", selection=dg.AssetSelection.groups("science"))
auditing = dg.define_asset_job("auditing", selection=[audit])
audit_by_hand = dg.define_asset_job("audit_by_hand", selection=[audit])
stock = dg.define_asset_job("stock", selection=[stock_level])
stock_too = dg.define_asset_job("stock_too", selection=[stock_level_too])
stock_korean = dg.define_asset_job("stock_korean", selection=[korean])
stock_both = dg.define_asset_job("stock_both", selection=[stock_level, stock_level_too])
watch = dg.define_asset_job("watch", selection=dg.AssetSelection.assets(["web", "log"]))


@dg.schedule(job=orders_daily, cron_schedule="30 7 * * *", execution_timezone=SEOUL)
def workdays(context: dg.ScheduleEvaluationContext) -> Any:
    """Nothing at the weekend; on a Monday the three days before, else the day before."""
    tick = context.scheduled_execution_time
    if tick.isoweekday() > 5:
        return dg.SkipReason(f"Nobody works on a {tick:%A}.")
    back = (3, 2, 1) if tick.isoweekday() == 1 else (1,)
    days = [f"{tick - timedelta(days=n):%Y-%m-%d}" for n in back]
    return [dg.RunRequest(run_key=day, partition_key=day, tags={"why": "workday"}) for day in days]


@dg.schedule(job=visits_daily, cron_schedule="15 1 * * *", execution_timezone=SEOUL)
def visits_of_two(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    day = f"{context.scheduled_execution_time - timedelta(days=1):%Y-%m-%d}"
    for country in ("kr", "jp"):
        yield dg.RunRequest(
            run_key=f"{day} {country}",
            partition_key=dg.MultiPartitionKey({"country": country, "day": day}),
        )


schedules = [
    workdays,
    visits_of_two,
    dg.build_schedule_from_partitioned_job(revenue_monthly, day_of_month=2, hour_of_day=4),
    dg.build_schedule_from_partitioned_job(housekeeping),
    dg.ScheduleDefinition(
        job=newsletter,
        cron_schedule="0 9 * * 1",
        execution_timezone=SEOUL,
        run_config={
            "ops": {"readers": {"config": {"subject": "It's {{ ds }}", "to": ["김", "Lee"]}}}
        },
    ),
    dg.ScheduleDefinition(
        job=auditing,
        cron_schedule="0 0 1 1,7 *",
        run_config=dg.RunConfig(ops={"audit": Audit(auditor="O'Neil")}),
    ),
    dg.ScheduleDefinition(job=science, cron_schedule="@daily"),
    dg.ScheduleDefinition(job=watch, cron_schedule="*/10 * * * *"),
]


@dg.asset_sensor(asset_key=dg.AssetKey("revenue"), job=backup)
def after_revenue(context: Any, asset_event: Any) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.cursor)


@dg.run_failure_sensor
def tell_of_failures(context: dg.RunFailureSensorContext) -> None: ...


_path = dg.EnvVar("SHOP_DATA")
defs = dg.Definitions(
    assets=[
        *(
            competitor,
            traffic,
            lonely,
            customers,
            prices,
            web_log,
            raw_orders,
            clean_orders,
            revenue,
            balance,
        ),
        *(monthly_revenue, visits, campaign, recommendations, marketing, audit),
        *(stock_level, stock_level_too, korean, eager, on_cron, on_missing, of_its_own),
    ],
    asset_checks=[revenue_is_there, revenue_is_plausible, orders_came],
    jobs=[
        *(orders_daily, revenue_monthly, visits_daily, campaigns, science, auditing),
        *(audit_by_hand, stock, stock_too, stock_korean, stock_both, watch),
        *(newsletter, housekeeping, backup),
    ],
    schedules=schedules,
    sensors=[after_revenue, tell_of_failures],
    resources={
        "io_manager": JsonTables(path=_path),
        "shop": Folder(path=_path),
    },
)
