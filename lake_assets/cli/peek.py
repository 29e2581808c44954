"""`lake peek`: the first rows of an asset in the store or of a table in its source.

Here: finding what a name means and showing rows with personal data masked. Not here: reading
(`resources/store.py`, `resources/source.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lake_assets.cli.console import console, say_json, show_table
from lake_assets.cli.main import env_option, json_option
from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.pipeline import Asset, assets
from lake_assets.spec.sources import SourceSpec
from resources.errors import NotYetError, UsageError
from resources.settings import Settings, load_settings
from resources.yamlfile import nearest

if TYPE_CHECKING:
    import pyarrow as pa


@click.command("peek")
@click.argument("name", metavar="ASSET_OR_SOURCE")
@click.option("--rows", default=10, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--partition", metavar="K", help="Its key; the last one by default.")
@env_option
@json_option
def peek_command(name: str, rows: int, partition: str | None, as_json: bool) -> None:
    """Show the first rows of an asset (raw/…, prep/…) or of a source table (src/…).

    Columns declared as pii are shown as ***.

    \b
    Examples:
      lake peek prep/sales_result_daily
      lake peek prep/sales_result_monthly --partition 2026-07 --rows 3
      lake peek src/hana_bw/bw_sales_result
    """
    from lake_assets.lineage import source_tables

    settings = load_settings()
    known = {}
    for pipeline in load_pipelines(pipeline_folders()):
        for asset in assets(pipeline):
            if asset.kind == "delivery":
                continue  # it lies where it was delivered
            known[asset.key] = asset
            if isinstance(asset.spec, SourceSpec):
                known[f"src/{asset.spec.connection}/{asset.name}"] = asset
    name = source_tables(known.values()).get(name, name)
    if name not in known:
        raise UsageError(f"There is no asset or source {name!r}; {nearest(name, known)}.")
    if name.startswith("src/"):
        if partition is not None:
            raise UsageError("--partition is for assets of the lake, not for sources.")
        found, where = _of_source(settings, known[name], rows, name)
    else:
        found, where = _of_store(settings, known[name], rows, partition)
    shown = _masked(found, known[name])
    if as_json:
        say_json({"name": name, "from": where, "columns": found.schema.names, "rows": shown})
        return
    screen = console()
    screen.print(where, style="bold", markup=False)
    names = found.schema.names
    show_table(screen, names, [[row[column] for column in names] for row in shown])


def _of_source(settings: Settings, asset: Asset, rows: int, name: str) -> tuple[pa.Table, str]:
    """Rows, and where they were looked for: of files, an index or an API as the last partition."""
    from lake_assets.source_reading import described_for, source_table
    from resources.described import shown
    from resources.source import open_source

    assert isinstance(asset.spec, SourceSpec)
    params = {name: param.default for name, param in asset.pipeline.spec.params.items()}
    table = source_table(asset, asset.spec, params, settings)
    key = last_key(asset)
    table = replace(table, of=described_for(asset, asset.spec, key))
    with open_source(settings, asset.spec.connection) as source:
        found = source.peek(table, rows)
    if table.of is None:
        return found, name
    where = f"{name}: {shown(table.of)}"
    if not found.num_rows:
        last = f"; it is that of the last partition, {key}" * bool(key)
        where += f": nothing is there, or no rows{last}"
    return found, where


def last_key(asset: Asset) -> str:
    """The last partition that there can be, for the templates of files, an index or an API."""
    from lake_assets.partitions import definition

    known = definition(asset.partitions)
    if known is None or asset.partitions is None:
        return ""
    return known.get_last_partition_key() or asset.partitions.first


def _of_store(
    settings: Settings, asset: Asset, rows: int, partition: str | None
) -> tuple[pa.Table, str]:
    import pyarrow as pa

    from lake_assets.materialise import published
    from resources.store import open_store

    store = open_store(settings)
    there = {one.key: one for one in published(store, asset)}
    keys = list(there)
    if not keys:
        raise NotYetError(f"{asset.key} is not in the lake yet: lake run +{asset.key}")
    if partition is not None and partition not in keys:
        raise UsageError(
            f"{asset.key} has no partition {partition!r} in the lake; "
            f"there is {keys[0]} … {keys[-1]} ({len(keys)})."
        )
    one = there[keys[-1] if partition is None else partition]
    reader = store.batches([one])
    taken, left = [], rows
    for batch in reader:
        taken.append(batch.slice(0, left))
        left -= taken[-1].num_rows
        if not left:
            break
    return pa.Table.from_batches(taken, reader.schema), one.path


def _masked(found: pa.Table, asset: Asset) -> list[Mapping[str, Any]]:
    from lake_assets.record import masked

    pii = {name: column.pii for name, column in asset.spec.columns.items()}
    return [
        {name: masked(value, pii.get(name, "none")) for name, value in row.items()}
        for row in found.to_pylist()
    ]
