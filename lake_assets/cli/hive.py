"""`lake hive`: whether Hive's tables and partitions are those of the store, and making them so.

Here: the selection, what is told of each asset, exit codes. Not here: what differs and which
statements mend it (`resources/hive_tables.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from lake_assets.cli.console import say_json
from lake_assets.cli.main import env_option, json_option
from resources.errors import PermanentError, UsageError
from resources.settings import load_settings

if TYPE_CHECKING:
    from resources.hive_tables import Change


@click.group("hive")
def hive_command() -> None:
    """Tables and partitions in Hive: compare them with the store, bring them in line.

    A run registers what it publishes. These are for what happened outside of runs: Hive was down,
    columns were added, files were removed by hand. Both take --env and --json.

    \b
    Examples:
      lake hive check
      lake hive sync --dry-run
    """


@dataclass(frozen=True)
class _Found:
    """What one asset's table needs; `problem` is what no statement here mends."""

    asset: str
    changes: Sequence[Change]
    problem: str | None


@hive_command.command("sync")
@click.argument("selection", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Print the statements, run none.")
@env_option
@json_option
def sync_command(selection: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Bring Hive in line with the store, for SELECTION or all assets.

    Tables and columns that are missing are made, partitions added, moved to where their files are,
    and dropped where there are no files any more. Nothing else is dropped and no file is touched. A
    table that cannot be kept (a column of another type) is told with what to do: exit code 65.

    SELECTION is that of lake run: an asset, +asset, asset+, group:NAME, 'key:"raw/*"'.

    \b
    Examples:
      lake hive sync
      lake hive sync prep/sales_result_daily
      lake hive sync 'key:"raw/*"' --dry-run
    """
    found = []
    for one in _each(selection, act=not dry_run):
        found.append(one)
        if not as_json:
            _tell(one, statements=dry_run)
    done = "not in line" if dry_run else "brought in line"
    _end(found, as_json, done, PermanentError.exit_code if _problems(found) else 0)


@hive_command.command("check")
@click.argument("selection", nargs=-1)
@env_option
@json_option
def check_command(selection: tuple[str, ...], as_json: bool) -> None:
    """Compare Hive's tables and partitions with the store, for SELECTION or all assets.

    Exit code 1 where they differ; nothing is changed. SELECTION is that of lake run.

    \b
    Examples:
      lake hive check
      lake hive check group:customer_master --json
    """
    found = []
    for one in _each(selection, act=False):
        found.append(one)
        if not as_json:
            _tell(one, statements=False)
    differ = any(one.changes or one.problem for one in found)
    _end(found, as_json, "not in line", 1 if differ else 0)


def _each(selection: Sequence[str], act: bool) -> Iterator[_Found]:
    from lake_assets import registration
    from lake_assets.loader import load_pipelines, pipeline_folders
    from lake_assets.pipeline import assets
    from resources.store import open_store

    settings = load_settings()
    if settings.store.hive is None:
        raise UsageError(
            f"The environment {settings.env!r} registers nothing in Hive (store.hive is null); "
            "choose another by --env, or name a connection there."
        )
    every = (one for line in load_pipelines(pipeline_folders()) for one in assets(line))
    known = {one.key: one for one in every if one.kind != "delivery"}
    chosen = _selected(selection) if selection else set(known)
    by_hand = sorted(chosen - known.keys())
    if selection and by_hand:
        raise UsageError(
            f"{', '.join(by_hand)}: made by an assets.py, which declares no columns, so there is "
            "no table of it in Hive."
        )
    store = open_store(settings)
    with registration.connect(settings) as hive:
        for key in sorted(chosen):
            changes: list[Change] = []
            problem = None
            try:
                for change in registration.sync(known[key], settings, store, hive):
                    if act:
                        hive.run(change.statement)
                    changes.append(change)
            except PermanentError as error:
                problem = str(error)
            yield _Found(key, changes, problem)


def _selected(selection: Sequence[str]) -> set[str]:
    from lake_assets.execute import Location
    from lake_assets.targets import select

    graph = Location().load().asset_graph
    return {key.to_user_string() for key in select(graph, selection)}


def _tell(one: _Found, statements: bool) -> None:
    for change in one.changes:
        click.echo(f"{one.asset}: {change.what}")
        if statements:
            click.echo(f"{change.statement};\n")
    if one.problem:
        click.echo(f"{one.asset}: {one.problem}", err=True)


def _problems(found: Sequence[_Found]) -> list[_Found]:
    return [one for one in found if one.problem]


def _end(found: Sequence[_Found], as_json: bool, done: str, exit_code: int) -> None:
    if as_json:
        say_json({"ok": exit_code == 0, "assets": [asdict(one) for one in found]})
    else:
        changed = sum(bool(one.changes) for one in found)
        left = len(_problems(found))
        problems = f", {left} to be mended by hand" if left else ""
        click.echo(f"{len(found)} assets: {changed} {done}{problems}")
    if exit_code:
        raise SystemExit(exit_code)
