"""`lake run`, and telling what a run does: plan, progress, result.

Here: words and tables around `plan.py` and `execute.py`. Not here: anything that decides.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from lake_assets.cli.console import console, own_terminal, say_json, seconds, show_table
from lake_assets.cli.main import env_option, json_option
from resources.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
    from rich.console import Console

    from lake_assets.execute import Ended, Event, Warned
    from lake_assets.plan import Plan, Skip, Step
    from lake_assets.targets import Targets


@click.command("run")
@click.argument("selection", nargs=-1, required=True)
@click.option("--partition", metavar="K", help="One key, as the asset has them; it always runs.")
@click.option("--from", "start", metavar="A", help="From this day or month on.")
@click.option("--to", "end", metavar="B", help="Until this day or month, included.")
@click.option("--dry-run", is_flag=True, help="Only say what would run, and why.")
@click.option("--force", is_flag=True, help="Run also what is up to date.")
@click.option("-v", "--verbose", is_flag=True, help="Dagster's own log, and tracebacks.")
@env_option
@json_option
def run_command(
    selection: tuple[str, ...],
    partition: str | None,
    start: str | None,
    end: str | None,
    dry_run: bool,
    force: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Materialise SELECTION: what is missing, or stale because its code or an input changed.

    SELECTION is Dagster's: an asset, +asset with all it is made from, asset+ with all made from it,
    group:NAME, 'key:"raw/*"', and, or, not. Several are taken together. A named --partition always
    runs; a range, or none, runs what is missing or stale; what is skipped is told with the reason.

    Keys are 2026-07-01 (a day, or the Monday of a week), 2026-07 (a month), 2026-07-01-09 (an
    hour), P100 (a name) or '2026-07-01|P100'. A range takes the hours, days, weeks and months that
    lie in it as a whole, all names of each, and assets that have no time as they are.

    \b
    Examples:
      lake run raw/bw_sales_result --partition 2026-07-01
      lake run +prep/sales_result_daily --from 2026-07-01 --to 2026-07-31
      lake run 'key:"raw/*"' --from 2026-06 --to 2026-07
      lake run group:customer_master --dry-run
      lake run prep/sales_result_monthly --force --partition 2026-06
    """
    from lake_assets.execute import Location, open_instance
    from lake_assets.plan import plan
    from lake_assets.targets import Ask, targets

    settings = load_settings()
    location = Location()
    graph = location.load().asset_graph
    wanted = targets(graph, Ask(selection, partition, start, end, force))
    with open_instance(settings) as instance:
        if dry_run:
            found = plan(graph, history_of(settings, instance, graph), wanted)
            show_plan(found, as_json, _overwritten(found))
            return
        story = carry_out_aloud(settings, instance, location, wanted, verbose, as_json)
    if as_json:
        say_json(story.document())
    else:
        show_result(console(), story, verbose)
    if story.exit_code:
        raise SystemExit(story.exit_code)


def history_of(settings: Any, instance: Any, graph: AssetGraph) -> Any:
    """The shared history, with the store asked whether files are there."""
    from lake_assets.plan import History
    from resources.io_manager import partition_of
    from resources.store import open_store

    store = open_store(settings)

    def published(key: dg.AssetKey, partition: str) -> bool:
        if len(key.path) != 2 or key.path[0] not in ("raw", "prep", "model"):
            return True
        node = graph.get(key)
        try:
            return store.exists(partition_of(key, node.partitions_def, node.metadata, partition))
        except ValueError:
            return True  # partitioned otherwise than the lake: kept elsewhere

    return History(instance, published)


@dataclass
class Story:
    """What happened, kept for the tables and the JSON document at the end."""

    started: float = field(default_factory=time.perf_counter)
    ended: list[Ended] = field(default_factory=list)
    skipped: Sequence[Skip] = ()
    rows: dict[Any, int] = field(default_factory=dict)
    partitions: dict[Any, list[str]] = field(default_factory=dict)
    definitions: dict[Any, Any] = field(default_factory=dict)
    work: float = 0.0

    @property
    def seconds(self) -> dict[Any, float]:
        total: dict[Any, float] = {}
        for one in self.ended:
            for key, spent in one.seconds_of.items():
                total[key] = total.get(key, 0.0) + spent
        return total

    @property
    def exit_code(self) -> int:
        """1 where trying again may help, else 65, else 75 where something was not there yet."""
        codes = {failed.exit_code for one in self.ended for failed in one.failures}
        if codes:
            return 65 if codes == {65} else 75 if codes == {75} else 1
        return 75 if any(skip.kind == "not yet" for skip in self.skipped) else 0

    def document(self) -> dict[str, Any]:
        """The same for programs; these keys stay."""
        spent = self.seconds
        return {
            "ok": self.exit_code == 0,
            "exit_code": self.exit_code,
            "seconds": round(self.work, 3),
            "runs": [
                {
                    "run_id": one.run_id,
                    **step_document(one.step),
                    "seconds": round(one.seconds, 3),
                    "succeeded": not one.failures,
                }
                for one in self.ended
            ],
            "made": [
                {
                    "asset": key.to_user_string(),
                    "partitions": sorted(filter(None, partitions)),
                    "rows": self.rows.get(key),
                    "seconds": round(spent.get(key, 0.0), 3),
                }
                for key, partitions in self.partitions.items()
            ],
            "skipped": [skip_document(skip) for skip in self.skipped],
            "failed": [
                {
                    "asset": failed.asset.to_user_string() if failed.asset else None,
                    "run_id": one.run_id,
                    "reason": failed.reason,
                    "exit_code": failed.exit_code,
                }
                for one in self.ended
                for failed in one.failures
            ],
            "warnings": [
                {
                    "asset": warned.asset.to_user_string(),
                    "check": warned.check,
                    "partition": warned.partition or None,
                    "description": warned.reason,
                }
                for one in self.ended
                for warned in one.warnings
            ],
        }


def step_document(step: Step) -> dict[str, Any]:
    return {
        "assets": [key.to_user_string() for key in step.assets],
        "partitions": [one for one in step.partitions if one],
        "reasons": {key.to_user_string(): reason for key, reason in step.reasons.items()},
    }


def skip_document(skip: Skip) -> dict[str, Any]:
    return {
        "asset": skip.asset.to_user_string(),
        "partitions": [one for one in skip.partitions if one],
        "kind": skip.kind,
        "reason": skip.reason,
    }


def carry_out_aloud(
    settings: Any,
    instance: Any,
    location: Any,
    wanted: Targets,
    verbose: bool,
    quiet: bool,
    tags: Mapping[str, str] | None = None,
) -> Story:
    """Run `wanted` and show progress: a bar a run on a terminal, a line a run elsewhere."""
    from lake_assets.execute import Ended, Made, Rest, carry_out

    story = Story()
    with own_terminal(verbose) as screen:
        screen.quiet = quiet
        history = history_of(settings, instance, location.load().asset_graph)
        events = carry_out(instance, location, wanted, history, tags)
        for event in _progress(screen, events):
            if isinstance(event, Made):
                story.partitions.setdefault(event.asset, []).append(event.partition)
                if event.rows is not None:
                    story.rows[event.asset] = story.rows.get(event.asset, 0) + event.rows
            elif isinstance(event, Ended):
                story.ended.append(event)
                story.definitions.update(dict.fromkeys(event.step.assets, event.step.definition))
            elif isinstance(event, Rest):
                story.skipped = event.skipped
    story.work = time.perf_counter() - story.started
    return story


def _progress(screen: Console, events: Iterator[Event]) -> Iterator[Event]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from lake_assets.execute import Ended, Made, Started

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=screen,
        transient=True,
        # Otherwise it replaces sys.stdout and sys.stderr, and what runs write comes to the screen.
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not screen.is_terminal or screen.quiet,
    )
    with bars:
        task = bars.add_task("planning", total=None)
        for event in events:
            if isinstance(event, Started):
                total = len(event.step.units)
                bars.reset(task, total=total, description=_shown(event.step))
            elif isinstance(event, Made):
                bars.advance(task)
            elif isinstance(event, Ended):
                mark = _mark(event)
                rows = [one for one in event.rows.values() if one is not None]
                told = f"{sum(rows):,} rows, " if rows else ""
                screen.print(f"{mark} {_shown(event.step)}  {told}{seconds(event.seconds)} s")
                for line in _reasons(event):
                    screen.print(f"  {line}", style="red", markup=False)
                for line in _warnings(event.warnings):
                    screen.print(f"  {line}", style="yellow", markup=False)
            yield event


def _mark(ended: Ended) -> str:
    """How a run ended; `failed` names which of its assets did, where others did not."""
    if not ended.failures:
        return "[green]done[/]"
    failed = [one.asset.to_user_string() for one in ended.failures if one.asset]
    of = f" {', '.join(failed)} of" if failed and len(failed) < len(ended.step.assets) else ""
    if all(one.exit_code == 75 for one in ended.failures):
        return f"[yellow]not yet[/]{of}"
    return f"[red]failed[/]{of}"


def _reasons(ended: Ended) -> Iterator[str]:
    """Why, with the asset and what of it is not there, where the words of a system name none."""
    from lake_assets.plan import short

    for one in ended.failures:
        line, asset = one.reason, one.asset
        if asset is not None and asset.to_user_string() not in line:
            left = [key for (of, key), there in ended.units.items() if of == asset and not there]
            what = f"{asset.to_user_string()} {short(left, ended.step.definition)}".rstrip()
            line = f"{what}: {line}"
        if one.exit_code == 75:
            line += " This is not yet, and no failure: run it again later."
        yield line


def _warnings(warnings: Sequence[Warned]) -> Iterator[str]:
    """A line for each of the first 5; the history has all of them."""
    for one in warnings[:5]:
        where = f"{one.asset.to_user_string()} {one.partition}".rstrip()
        # The rule that compares columns is called as its check is.
        yield f"warning: {where}: {one.check}: {one.reason.removeprefix(f'{one.check}: ')}"
    if len(warnings) > 5:
        yield f"and {len(warnings) - 5} more warnings"


def _shown(step: Step) -> str:
    from lake_assets.plan import short

    names = ", ".join(key.to_user_string() for key in step.assets)
    return f"{names}  {short(step.partitions, step.definition)}".rstrip()


def _overwritten(found: Plan) -> dict[str, list[str]]:
    """Of each delivery that would run: what it overwrites outside of the lake, and where."""
    units = [unit for wave in found.waves for step in wave for unit in step.units]
    if not any(key.path[0] == "out" for key, _ in units):
        return {}
    from lake_assets.delivery import overwrites
    from lake_assets.loader import load_pipelines, pipeline_folders
    from lake_assets.pipeline import Delivered, assets

    every = {one.key: one for line in load_pipelines(pipeline_folders()) for one in assets(line)}
    told: dict[str, list[str]] = {}
    for key, partition in units:
        asset = every.get(key.to_user_string())
        if isinstance(asset, Delivered):
            told.setdefault(asset.key, []).append(overwrites(asset, partition))
    return told


def show_plan(
    found: Plan, as_json: bool, overwritten: Mapping[str, Sequence[str]] | None = None
) -> None:
    """`overwritten`: delivery → what of the systems outside it overwrites."""
    overwritten = overwritten or {}
    if as_json:
        waves = [[step_document(step) for step in wave] for wave in found.waves]
        skipped = [skip_document(skip) for skip in found.skipped]
        say_json({"waves": waves, "skipped": skipped, "overwrites": overwritten})
        return
    screen = console()
    from lake_assets.plan import short

    rows = [
        (
            number if not index else "",
            key.to_user_string(),
            short(step.partitions, step.definition),
            step.reasons[key],
        )
        for number, step in enumerate((s for wave in found.waves for s in wave), 1)
        for index, key in enumerate(step.assets)
    ]
    if rows:
        show_table(screen, ("run", "asset", "partitions", "because"), rows)
    else:
        screen.print("Nothing would run.")
    for name, places in overwritten.items():
        screen.print(f"\n{name} would overwrite (the target is not looked at)", markup=False)
        times = Counter(places)
        lines = [f"{one} ({n} partitions)" if n > 1 else one for one, n in times.items()]
        for line in [*lines[:10], *([f"… and {len(lines) - 10} more"] if lines[10:] else [])]:
            screen.print(f"  {line}", markup=False)
    show_skipped(screen, found.skipped)


def show_skipped(screen: Console, skipped: Sequence[Skip]) -> None:
    from lake_assets.plan import short

    if skipped:
        rows = [
            (skip.asset.to_user_string(), short(skip.partitions, skip.definition), skip.reason)
            for skip in skipped
        ]
        screen.print()
        show_table(screen, ("skipped", "partitions", "because"), rows)


def show_result(screen: Console, story: Story, verbose: bool) -> None:
    """The table at the end, what was skipped and why, and what failed."""
    from lake_assets.plan import short

    spent = story.seconds
    rows = [
        (
            key.to_user_string(),
            short(sorted(partitions), story.definitions.get(key)),
            f"{story.rows[key]:,}" if key in story.rows else "",
            seconds(spent.get(key)),
        )
        for key, partitions in story.partitions.items()
    ]
    if rows:
        screen.print()
        show_table(
            screen, ("asset", "partitions", "rows", "seconds"), rows, right=("rows", "seconds")
        )
    show_skipped(screen, story.skipped)
    failures = [failed for one in story.ended for failed in one.failures]
    if verbose:
        for failed in failures:
            screen.print(failed.trace, markup=False)
    if any(skip.kind == "not yet" for skip in story.skipped):
        screen.print(
            "\nWhat is missing can run too: put + before an asset to take its inputs along."
        )
    counts = f"{len(story.ended)} runs" if len(story.ended) != 1 else "1 run"
    waiting = sum(one.exit_code == 75 for one in failures)
    told = f"{len(failures) - waiting} failed" + f", {waiting} not yet" * bool(waiting)
    screen.print(f"\n{counts}, {told}, {seconds(story.work)} s")
