"""`lake models`: which models there are, who is champion, and how each partition scored.

Here: reading the lake's rows of models and MLflow's alias, and showing them. Not here: what is in
them (`lake_assets/models`).
"""

from __future__ import annotations

from typing import Any

import click

from lake_assets.cli.console import console, say_json, show_table
from lake_assets.cli.main import env_option, json_option
from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.pipeline import Asset, assets
from resources.errors import LakeError, NotYetError, UsageError
from resources.settings import Settings, load_settings
from resources.yamlfile import nearest

_COLUMNS = ("model", "title", "partitions", "newest", "champion", "score", "baseline", "pipeline")
_HISTORY = ("partition", "version", "champion", "score", "baseline", "before", "examples", "why")


@click.command("models")
@click.argument("name", required=False)
@env_option
@json_option
def models_command(name: str | None, as_json: bool) -> None:
    """Show the models, their champions and scores; with NAME the history of one.

    Scores are those on held-out partitions, which the model never saw. The champion is MLflow's
    alias; a partition is scored by the version that was champion in it.

    \b
    Examples:
      lake models
      lake models late_payment
      lake models late_payment --json | jq '.partitions[-1]'
    """
    settings = load_settings()
    known = {
        asset.name: asset
        for pipeline in load_pipelines(pipeline_folders())
        for asset in assets(pipeline)
        if asset.kind == "model"
    }
    if name is None:
        _list([_summary(settings, asset) for asset in known.values()], as_json)
        return
    asset = known.get(name.removeprefix("model/"))
    if asset is None:
        there = f"; {nearest(name, known)}" if known else ""
        raise UsageError(f"There is no model {name!r}{there}.")
    _history(settings, asset, as_json)


def _list(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        say_json({"models": found})
        return
    screen = console()
    if not found:
        screen.print("There is no model; `models:` in a pipeline.yaml declares one.")
        return
    cells = [[_cell(one[column]) for column in _COLUMNS] for one in found]
    show_table(screen, _COLUMNS, cells, right=("partitions", "score", "baseline"))
    for problem in dict.fromkeys(one["problem"] for one in found if one["problem"]):
        screen.print(problem)


def _summary(settings: Settings, asset: Asset) -> dict[str, Any]:
    rows = _rows(settings, asset)
    newest = rows[-1] if rows else None
    champion, problem = _champion(settings, asset) if rows else (None, None)
    return {
        "model": asset.key,
        "title": asset.spec.title,
        "pipeline": asset.pipeline.name,
        "partitions": len(rows),
        "newest": newest and newest["partition"],
        "champion": champion,
        "score": newest and newest["score"],
        "baseline": newest and newest["baseline"],
        "metric": newest and newest["metric"],
        "problem": problem,
    }


def _history(settings: Settings, asset: Asset, as_json: bool) -> None:
    rows = _rows(settings, asset)
    if not rows:
        raise NotYetError(f"{asset.key} has no partition yet: lake run +{asset.key}")
    champion, problem = _champion(settings, asset)
    if as_json:
        told = {"model": asset.key, "champion": champion, "problem": problem}
        say_json(told | {"partitions": rows})
        return
    screen = console()
    shown = f"champion: {_cell(champion)}" if champion else "no champion yet"
    screen.print(f"{asset.key} – {asset.spec.title}, {rows[-1]['metric']}, {shown}")
    cells = [[_cell(row[column]) for column in _HISTORY] for row in rows]
    right = ("version", "champion", "score", "baseline", "before", "examples")
    show_table(screen, _HISTORY, cells, right=right)
    if problem:
        screen.print(problem)


def _rows(settings: Settings, asset: Asset) -> list[dict[str, Any]]:
    """What the lake keeps of each partition, the oldest first."""
    from lake_assets.materialise import partition
    from resources.store import open_store

    store = open_store(settings)
    parts = [partition(asset, key) for key in store.keys(asset.layer, asset.name)]
    found = store.read(parts).to_pylist() if parts else []
    return [
        {
            "partition": part.key,
            "version": row["version"],
            "champion": row["champion_version"],
            "promoted": row["promoted"],
            "metric": row["metric"],
            "score": row["score"],
            "baseline": row["baseline_score"],
            "before": row["champion_score"],
            "examples": row["trained_examples"],
            "held_out": row["heldout_examples"],
            "trained": [row["trained_from"], row["trained_until"]],
            "scored_on": [row["heldout_from"], row["heldout_until"]],
            "run_id": row["run_id"],
            "why": row["decision"],
        }
        for part, row in zip(parts, found, strict=True)
    ]


def _champion(settings: Settings, asset: Asset) -> tuple[dict[str, Any] | None, str | None]:
    """Who has the alias now, and why that cannot be told."""
    from lake_assets.models.registry import Registry

    try:
        found = Registry(settings).champion(asset.name)
    except LakeError as error:
        return None, str(error)
    return (
        {"version": found.version, "partition": found.partition} if found else None,
        None,
    )


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return f"version {value['version']} of {value['partition']}"
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
