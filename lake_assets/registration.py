"""An asset's table in Hive: what it shall be, when a step makes it and tells it of partitions.

Here: from an asset's record to the table of `resources/hive_tables.py`, before a step writes and
after it has published. Not here: statements, and what to do where a table differs.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lake_assets.materialise import partition, published
from lake_assets.pipeline import Input
from lake_assets.spec.datasets import DatasetSpec
from resources import hive_tables
from resources.errors import LakeError, PermanentError, TransientError
from resources.hive_tables import Change, HiveColumn, HiveTable, Prepared
from resources.partition import Partition
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.hive import HiveConnection
    from resources.store import Store

#: Seconds before Hive is asked again after a failure that may pass.
WAITS = (1.0, 4.0, 10.0)


def part_of(one: Partition) -> str:
    """A partition as Hive calls it, `dt=2025-07-01`; '' of an asset without."""
    return "/".join(f"{name}={value}" for name, value in one.values.items())


def hive_table(asset: Input, settings: Settings) -> HiveTable:
    """The table over an asset's folder, its columns with their Korean titles."""
    columns = (
        hive_tables.hive_column(name, asset.types[name], column.title or "")
        for name, column in asset.columns.items()
    )
    keys = asset.partitions.columns if asset.partitions else {}
    return HiveTable(
        layer=asset.layer,
        name=asset.name,
        title=asset.spec.title or "",
        columns=tuple(columns),
        keys=tuple(
            HiveColumn(name, "date" if kind == "DATE" else "string") for name, kind in keys.items()
        ),
        folder=f"{settings.store_root.rstrip('/')}/{asset.layer}/{asset.name}",
    )


def connect(settings: Settings) -> HiveConnection:
    """The connection that `store.hive` names."""
    from resources.hive import open_hive

    assert settings.store.hive is not None
    return open_hive(settings, settings.store.hive)


def prepare(asset: Input, settings: Settings, store: Store) -> Prepared | None:
    """Before anything is written: the table is there and fits. None where Hive is not told."""
    if settings.store.hive is None or asset.layer == "out":
        return None
    store.make(asset.layer, asset.name)
    with connect(settings) as hive:
        return hive_tables.prepare(hive, hive_table(asset, settings))


def register(
    prepared: Prepared, asset: Input, settings: Settings, store: Store, published: Mapping[str, str]
) -> None:
    """Make Hive find what was published: partition key → path of its file or folder of files.

    Where partitions have many files, a location that was lost before is set right, too. Tried a
    few times; PermanentError then, so that nobody reads the source again for Hive's sake.
    """
    folders = {part_of(partition(asset, key)): _folder(path) for key, path in published.items()}
    last: LakeError | None = None
    for wait in (0.0, *WAITS):
        time.sleep(wait)
        try:
            _register(prepared, asset, settings, store, folders)
        except TransientError as error:
            last = error
        except LakeError as error:
            last = error
            break
        else:
            return
    raise PermanentError(_unregistered(asset, list(published), settings, last))


def _folder(path: str) -> str:
    """Many files are published as their folder, one as itself."""
    return posixpath.dirname(path) if path.endswith(".parquet") else path


def _register(
    prepared: Prepared,
    asset: Input,
    settings: Settings,
    store: Store,
    folders: Mapping[str, str],
) -> None:
    with connect(settings) as hive:
        many = of_many_files(asset)
        known = hive_tables.registered(hive, prepared, None if many else folders)
        if many:
            others = _others(asset, store, known, folders)
            folders = {**others, **folders}
        for change in hive_tables.changes(prepared, folders, known):
            hive.run(change.statement)


def _others(
    asset: Input, store: Store, known: Mapping[str, str], folders: Mapping[str, str]
) -> dict[str, str]:
    """The folders of registered partitions besides those of the step."""
    parts = published(store, asset)
    others = [one for one in parts if part_of(one) in known and part_of(one) not in folders]
    return dict(zip(map(part_of, others), store.folders(others), strict=True))


def of_many_files(asset: Input) -> bool:
    return isinstance(asset.spec, DatasetSpec) and asset.spec.many_files


def _unregistered(
    asset: Input, keys: Sequence[str], settings: Settings, error: LakeError | None
) -> str:
    shown = ", ".join(filter(None, keys[:5])) + (f" … {keys[-1]}" if len(keys) > 5 else "")
    what = f"the partitions {shown} are" if any(keys) else "its rows are"
    return (
        f"{asset.key}: {what} published in the lake and recorded, but Hive "
        f"({settings.store.hive}) was not told of them and does not show them yet.\n"
        f"Hive: {error}\n"
        f"When Hive is well again: lake hive sync {asset.key}. The asset need not run again."
    )


def sync(asset: Input, settings: Settings, store: Store, hive: HiveConnection) -> Iterator[Change]:
    """What brings an asset's table in line with the store; see `hive_tables.sync`."""

    def folders() -> dict[str, str]:
        parts = published(store, asset)
        return dict(zip(map(part_of, parts), store.folders(parts), strict=True))

    return hive_tables.sync(hive, hive_table(asset, settings), folders)
