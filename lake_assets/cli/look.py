"""`lake list`, `validate`, `new` and `schema`: what can be said of pipeline files without running.

Here: words and tables. Not here: what makes a file right (`consistency.py`, `validate.py`). Dagster
is imported only where a folder brings assets of its own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lake_assets.cli.console import console, say_json, show_table
from lake_assets.cli.main import env_option, json_option
from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.partition_spec import Partitions
from lake_assets.pipeline import Asset, Pipeline, assets, described
from lake_assets.spec.editor_schema import schema
from lake_assets.spec.sources import SourceSpec
from resources.settings import load_settings
from resources.yamlfile import Mistakes, nearest


@click.command("list")
@click.option("--pipelines", "only", flag_value="pipelines", help="Only the pipelines.")
@click.option("--assets", "only", flag_value="assets", help="Only the assets.")
@click.option("--runs", "only", flag_value="runs", help="The newest runs, whoever started them.")
@click.option("--of", "asset", metavar="KEY", help="With --runs: each partition of one asset.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="Of --runs."
)
@env_option
@json_option
def list_command(only: str | None, asset: str | None, limit: int, as_json: bool) -> None:
    """Show the pipelines and assets of the lake, or its runs.

    Runs are those of the one history: of Airflow, of Dagster's schedules, backfills and people.

    \b
    Examples:
      lake list
      lake list --assets
      lake list --json | jq '.assets[].key'
      lake list --runs --env prod
      lake list --runs --of raw/bw_sales_result --limit 14
    """
    if only == "runs":
        _list_runs(asset, limit, as_json)
        return
    if asset is not None:
        raise click.UsageError("--of says of which asset --runs shows the partitions.")
    pipelines = load_pipelines(pipeline_folders())
    document = {
        "pipelines": [_pipeline(one) for one in pipelines],
        "assets": [row for one in pipelines for row in _assets(one)],
    }
    chosen = {name: rows for name, rows in document.items() if only in (None, name)}
    if as_json:
        say_json(chosen)
        return
    screen = console()
    if not pipelines:
        screen.print("There is no pipeline yet; lake new NAME writes one.")
        return
    for number, (name, rows) in enumerate(chosen.items()):
        if number:
            screen.print()
        columns = _COLUMNS[name]
        cells = [[_cell(row[column]) for column in columns] for row in rows]
        show_table(screen, columns, cells, right=("assets",))


def _list_runs(asset: str | None, limit: int, as_json: bool) -> None:
    from lake_assets.cli import runs
    from lake_assets.execute import open_instance

    with open_instance(load_settings()) as instance:
        found = (
            runs.of_asset(instance, asset, limit) if asset else runs.newest_runs(instance, limit)
        )
    if not found and asset:
        known = [row["key"] for one in load_pipelines(pipeline_folders()) for row in _assets(one)]
        if asset not in known:
            raise click.UsageError(f"There is no asset {asset!r}; {nearest(asset, known)}.")
    if as_json:
        say_json({"runs": found})
        return
    if not found:
        click.echo(f"{asset} was never materialised." if asset else "There is no run yet.")
        return
    cells = [
        ["" if row[name] is None else str(row[name]) for name in runs.COLUMNS] for row in found
    ]
    show_table(console(), runs.COLUMNS, cells, right=("rows",))


_COLUMNS = {
    "pipelines": ("name", "title", "partitions", "schedule", "assets", "owner"),
    "assets": ("key", "title", "partitions", "from", "pipeline"),
}


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _pipeline(pipeline: Pipeline) -> dict[str, Any]:
    spec = pipeline.spec
    return {
        "name": pipeline.name,
        "title": spec.title,
        "description": spec.description.strip(),
        "owner": spec.owner,
        "tags": list(spec.tags),
        "partitions": _partitions(spec.partitions),
        "schedule": [schedule.cron for schedule in spec.named_schedules.values()],
        "assets": len(list(_assets(pipeline))),
        "file": pipeline.file.shown,
    }


def _assets(pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    for asset in assets(pipeline):
        yield {
            "key": asset.key,
            "title": asset.spec.title,
            "pipeline": pipeline.name,
            "kind": asset.kind,
            "partitions": _partitions(asset.partitions),
            "from": _from(asset),
            "owner": asset.owner,
            "columns": {name: column.type for name, column in asset.columns.items()},
        }
    if (pipeline.folder / "assets.py").exists():
        yield from _hand_written(pipeline)


def _hand_written(pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    import dagster as dg

    from lake_assets.builder import hand_written

    for definition in hand_written(pipeline):
        for spec in definition.specs if isinstance(definition, dg.AssetsDefinition) else ():
            yield {
                "key": spec.key.to_user_string(),
                "title": str(spec.metadata.get("lake/title", spec.description or "")),
                "pipeline": pipeline.name,
                "kind": "python",
                "partitions": type(spec.partitions_def).__name__ if spec.partitions_def else "none",
                "from": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "owner": ", ".join(spec.owners),
                "columns": {},
            }


def _partitions(partitions: Partitions | str | None) -> str:
    if not isinstance(partitions, Partitions):
        return "none"
    return described(partitions)


def _from(asset: Asset) -> list[str]:
    if isinstance(asset.spec, SourceSpec):
        return [f"src/{asset.spec.connection}/{asset.name}"]
    return list(dict.fromkeys(asset.inputs.values()))


@click.command("validate")
@env_option
@json_option
def validate_command(as_json: bool) -> None:
    """Check all pipeline files and report every mistake with file and line.

    SQL is bound against the declared columns, so unknown tables, columns and functions are found
    without a connection.

    \b
    Examples:
      lake validate
      lake validate --env prod
      LAKE_PIPELINES=~/my/pipelines lake validate --json
    """
    settings = load_settings()
    from lake_assets.validate import validate_folders

    folders = pipeline_folders()
    mistakes = validate_folders(folders, settings)
    if mistakes:
        raise Mistakes(mistakes)
    pipelines = load_pipelines(folders)
    counted = sum(len(assets(pipeline)) for pipeline in pipelines)
    if as_json:
        say_json({"ok": True, "pipelines": len(pipelines), "assets": counted, "mistakes": []})
    else:
        click.echo(
            f"{len(pipelines)} pipelines, {counted} assets, environment {settings.env}: no mistake"
        )


@click.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the pipeline's folder goes; by default the last of LAKE_PIPELINES, else the "
    "shipped pipelines.",
)
@env_option
@json_option
def new_command(name: str, folder: Path | None, as_json: bool) -> None:
    """Write the skeleton of pipeline NAME: a commented file that runs as it is.

    \b
    Examples:
      lake new sales_by_region
      lake new sales_by_region --folder ~/pipelines
    """
    from lake_assets.skeleton import write_skeleton

    folders = pipeline_folders()
    files = write_skeleton(folder or folders[-1], name)
    first = f"prep/{name}"
    known = (folder or folders[-1]).absolute() in {one.absolute() for one in folders}
    variable = "" if known else f"LAKE_PIPELINES={shlex.quote(str(folder))} "
    # Only generated sources are ones that the skeleton finds nothing in before they are made.
    demo = ["lake demo"] if load_settings().sample else []
    steps = [*demo, f"{variable}lake validate", f"{variable}lake run '+group:{name}' --dry-run"]
    if as_json:
        say_json({"files": list(map(str, files)), "next": steps, "asset": first})
        return
    for file in files:
        click.echo(f"written: {file}")
    click.echo("Next: change it, then")
    for step in steps:
        made = "  (generates the sources that it reads, where there are none yet)"
        click.echo(f"  {step}{made if step in demo else ''}")


@click.command("schema")
@env_option
@json_option
def schema_command(as_json: bool) -> None:
    """Print the JSON schema of pipeline.yaml, with which editors complete and check it.

    \b
    Examples:
      lake schema > pipeline.schema.json
      # first line of a pipeline.yaml:
      # yaml-language-server: $schema=pipeline.schema.json
    """
    # It is JSON with and without --json.
    click.echo(json.dumps(schema(), ensure_ascii=False, indent=2))
