"""`lake demo`: the shipped graph over generated sources, from nothing to a table of results.

Here: which partitions the demonstration needs, and telling it. Not here: generating
(`lake_assets/sample`) and running (`execute.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from lake_assets.cli.console import console, lake_word, say_json, seconds
from lake_assets.cli.main import env_option, json_option
from lake_assets.cli.run import carry_out_aloud, show_result
from resources.errors import UsageError
from resources.settings import Sample, Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

    from lake_assets.targets import Targets

PIPELINES = (
    "customer_master",
    "bw_sales_result_daily",
    "bw_sales_result_monthly",
    "outstanding_balance_monthly",
    "outstanding_balance_aging",
    "finance_ml_final",
    "hdfs_to_sftp_sample",
    "openapi_weather",
    "dlp_log",
)
#: Shipped, and not run: whoever loads a table day by day chooses which days.
LEFT_OUT = {"days_split_upload": "raw/sales_line_by_day"}
DAYS, MONTHS = 31, 2


@click.command("demo")
@click.option("--force", is_flag=True, help="Make every partition anew.")
@click.option(
    "--scale",
    type=click.FloatRange(0, 1000, min_open=True),
    help="How much is generated; 1 is about 1,500 sales lines a day.",
)
@click.option("-v", "--verbose", is_flag=True, help="Dagster's own log, and tracebacks.")
@env_option
@json_option
def demo_command(force: bool, scale: float | None, verbose: bool, as_json: bool) -> None:
    """Generate sources, then run the graph: customers, the last 31 days, the last 2 months.

    What those months read is made too: all their days, the receivables since the ledger was opened,
    the features a model learns from. A second demo finds everything up to date and says so.
    The split loads (days_split_upload) are left out: their days are chosen by who runs them.

    \b
    Examples:
      lake demo
      lake demo --force
      lake demo --scale 10
    """
    started = time.perf_counter()
    settings = load_settings()
    sample = sample_of(settings)
    if scale is not None:
        sample = sample.model_copy(update={"scale": scale})
    screen = console()
    screen.quiet = as_json
    today = seoul_today()
    generate(settings, sample, today, screen)

    from lake_assets.execute import Location, open_instance
    from lake_assets.sample.generate import dirty_day, last_day

    location = Location()
    with open_instance(settings) as instance:
        wanted = main_job(location.load().asset_graph, last_day(sample, today), force)
        story = carry_out_aloud(settings, instance, location, wanted, verbose, as_json)
    if as_json:
        say_json(story.document())
    else:
        show_result(screen, story, verbose)
        screen.print(f"All in {seconds(time.perf_counter() - started)} s, in {settings.home}")
        word = lake_word()
        screen.print(f"The graph, its history and checks: {word} ui, then open it at")
        screen.print("http://localhost:3000")
        for pipeline, asset in LEFT_OUT.items():
            screen.print(f"Left out: {pipeline}, whose days are chosen by who runs it:")
            screen.print(f"  {word} run {asset} --partition {last_day(sample, today)}")
        dirty = dirty_day(sample, today)
        if dirty:
            screen.print("One day has a line twice on purpose; a gate refuses it (exit code 65):")
            screen.print(f"  {word} run raw/bw_sales_result --partition {dirty}")
    if story.exit_code:
        raise SystemExit(story.exit_code)


def sample_of(settings: Settings) -> Sample:
    if settings.sample is None:
        raise UsageError(
            f"The environment {settings.env!r} has real sources, so there is nothing to "
            "demonstrate: lake run materialises them, lake demo --env local is the demonstration."
        )
    return settings.sample


def seoul_today() -> date:
    return datetime.now(ZoneInfo("Asia/Seoul")).date()


def generate(settings: Settings, sample: Sample, today: date, screen: Any) -> None:
    """Bring the generated sources up to date, a line for each that had to be written."""
    from lake_assets.sample.generate import write_duckdb

    with screen.status(f"generating sources: {sample.days} days, scale {sample.scale:g}"):
        done = write_duckdb(settings.home, sample, today)
    for one in done:
        if one.done != "current":
            screen.print(
                f"source {one.connection} {one.done}: {one.first} … {one.last}, "
                f"{one.rows:,} rows, {seconds(one.seconds)} s"
            )


def main_job(graph: AssetGraph, last: date, force: bool) -> Targets:
    """The last 31 days until `last`, the last 2 whole months, and the partitions that these read.

    A day that is only read by a month is landed, but nothing else is made of it.
    """
    from lake_assets.targets import Ask, Targets, targets

    asked = targets(graph, Ask(tuple(f'group:"{name}"' for name in PIPELINES), force=force))
    first = last - timedelta(days=DAYS - 1)
    needed: dict[dg.AssetKey, set[str]] = {}
    for key, partitions in reversed(list(asked.partitions.items())):
        own = _newest(graph.get(key).partitions_def, partitions, first, last)
        mine = needed.setdefault(key, set()) | set(own)
        needed[key] = mine
        for parent in graph.get(key).parent_keys & asked.partitions.keys():
            if graph.get(parent).partitions_def and mine:
                needed.setdefault(parent, set()).update(_read(graph, key, parent, mine))
    chosen: Mapping[dg.AssetKey, tuple[str, ...]] = {
        key: tuple(one for one in partitions if one in needed[key])
        for key, partitions in asked.partitions.items()
    }
    return Targets({key: some for key, some in chosen.items() if some}, asked.always)


def _newest(
    definition: dg.PartitionsDefinition[Any] | None,
    partitions: tuple[str, ...],
    first: date,
    last: date,
) -> tuple[str, ...]:
    from resources.io_manager import cadence_of

    cadence = cadence_of(definition)
    if cadence == "daily":
        return tuple(one for one in partitions if f"{first}" <= one <= f"{last}")
    if cadence == "monthly":
        # The generated sources may end earlier than the calendar: only months that they fill, and
        # of what is forecast the one after.
        running = f"{last + timedelta(days=1):%Y-%m}"
        ahead = getattr(definition, "end_offset", 0) > 0
        return tuple(one for one in partitions if one < running or (ahead and one == running))[
            -MONTHS:
        ]
    return partitions


def _read(
    graph: AssetGraph, key: dg.AssetKey, parent: dg.AssetKey, partitions: set[str]
) -> set[str]:
    return {
        one
        for partition in partitions
        for one in graph.get_parent_partition_keys_for_child(
            partition, parent, key
        ).partitions_subset.get_partition_keys()
    }
