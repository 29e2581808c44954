"""Deliveries as a pipeline file declares them: what is wrong in one, and what one overwrites.

Here: rules that need no more than the files, run at every process start, and the target of one
partition in words. Not here: moving rows (`delivering.py`), the systems (`resources/deliver.py`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from datetime import date

from lake_assets.partition_spec import Partitions
from lake_assets.pipeline import Delivered
from resources.deliver import FileTarget, IndexTarget, TableTarget, Target, kind_of, overwritten
from resources.errors import PermanentError
from resources.partition import Partition, window
from resources.settings import CONNECTIONS, no_connection
from resources.yamlfile import Mistake, Place, nearest


def check(asset: Delivered) -> Iterator[Mistake]:
    """All that is wrong in a delivery, but for an asset that there is not (`consistency.py`)."""
    spec = asset.spec
    if spec.connection not in CONNECTIONS:
        yield asset.mistake(("connection",), *no_connection(spec.connection))
    if asset.source is None:
        return
    partition = asset.partition_columns
    known = [*asset.source.columns, *partition]
    seen: dict[str, str] = {}
    for name, there in (spec.names or {}).items():
        if name not in known:
            what = f"columns: {asset.source.key} has no column {name!r}"
            yield asset.mistake(("columns", name), what, nearest(name, known))
        elif there in seen:
            what = f"columns: {seen[there]} and {name} are both called {there!r} there"
            yield asset.mistake(("columns", name), what, "give each a name of its own")
        seen.setdefault(there, name)
    target = spec.target
    missing = [name for name in partition if name not in asset.taken]
    if not isinstance(target, FileTarget) and target.mode == "replace" and missing:
        what = f"mode: replace needs {', '.join(missing)}, by which rows are the partition's"
        cure = "add it to `columns`, or write mode: upsert"
        cure += " and a key" * isinstance(target, TableTarget)
        yield asset.mistake(("columns",), what, cure)
    if isinstance(target, TableTarget):
        yield from _named(asset, ("table", "key"), target.key)
    elif isinstance(target, IndexTarget):
        yield from _named(asset, ("index", "id"), target.id)
        yield from _templates(asset, ("index", "name"), target.name)
    else:
        yield from _templates(asset, ("file", "path"), target.path)
        yield from _check_path(asset, target.path)


def check_targets(deliveries: Iterable[Delivered]) -> Iterator[Mistake]:
    """Deliveries of which one overwrites what another wrote, each told at its own place."""
    seen: dict[tuple[str, ...], Delivered] = {}
    for asset in deliveries:
        target = asset.spec.target
        try:
            known = (asset.spec.connection, kind_of(target), *_address(target))
        except PermanentError:
            continue  # told already
        other = seen.setdefault(known, asset)
        if other.key == asset.key:
            continue
        if isinstance(target, FileTarget):
            cure = "give each a path of its own"
        elif {target.mode, getattr(other.spec.target, "mode", "")} == {"upsert"}:
            continue
        else:
            cure = "deliver one dataset with the rows of both, or write mode: upsert in both"
        place = (kind_of(target), "path" if isinstance(target, FileTarget) else "name")
        for one, rival in ((asset, other), (other, asset)):
            file = rival.pipeline.file
            at = f"{rival.key}, {file.shown}:{file.line(rival.place)}"
            what = f"{place[0]}: is that of another delivery too ({at}), which overwrites it"
            yield one.mistake(place, what, cure)


def _address(target: Target) -> tuple[str, ...]:
    """Where it lies, alike for texts that are the same on any one day."""
    if isinstance(target, TableTarget):
        return target.schema_ or "", target.name
    if isinstance(target, IndexTarget):
        return (_on_a_day(target.name),)
    return (posixpath.normpath(_on_a_day(target.path)),)


def _on_a_day(text: str) -> str:
    if "{" not in text and "}" not in text:
        return text
    from lake_assets.templates import rendered

    return rendered(text, date(2025, 1, 9))


def _named(asset: Delivered, place: Place, names: Iterable[str]) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if name not in asset.taken:
            what = f"{place[-1]}: {name!r} is not among the delivered columns"
            yield asset.mistake((*place, index), what, nearest(name, asset.taken))


def _templates(asset: Delivered, place: Place, text: str) -> Iterator[Mistake]:
    from lake_assets.templates import mistakes_in, of_partition

    for told in mistakes_in(text):
        yield asset.mistake(place, told)
    timed = asset.partitions is not None and asset.partitions.cadence is not None
    if not timed and of_partition(text):
        what = f"{of_partition(text)[0]} asks for a partition's day, and there are none of time"
        yield asset.mistake(place, what, "write {clock.today} for the day on which it runs")


def _check_path(asset: Delivered, path: str) -> Iterator[Mistake]:
    if ".." in path.split("/") or path.endswith("/"):
        what = f"file: {path!r} is no path of a file"
        yield asset.mistake(("file", "path"), what, "it ends in the file's name and has no '..'")
        return
    of = asset.partitions
    if of is None:
        return
    if of.named:
        what = f"file: each of the {len(of.names)} names of {of.named.column} would be this file"
        cure = "deliver a dataset without names; paths can tell days, weeks and months"
        yield asset.mistake(("file", "path"), what, cure)
        return
    try:
        first, second = (target_of(asset, key) for key in first_two(of))
    except ValueError:
        return  # told already
    if first == second:
        what = f"file: every {UNITS[of.cadence or 'daily']} would be the same file"
        cure = "write its day into the path: {today:%Y%m%d}, {today:%Y-%m}"
        yield asset.mistake(("file", "path"), what, cure)


#: What a partition of time is called.
UNITS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}


def first_two(of: Partitions) -> tuple[str, str]:
    """The keys of the first two partitions of time."""
    from resources.partition import key_at

    assert of.cadence is not None
    return of.first, key_at(of.cadence, window(of.cadence, of.first)[1])


def target_of(asset: Delivered, key: str) -> Target:
    """The target of one partition, its templates filled in."""
    from lake_assets.templates import filled, rendered

    target, of = asset.spec.target, asset.partitions
    if isinstance(target, TableTarget):
        return target
    text = target.path if isinstance(target, FileTarget) else target.name
    if of is None or of.cadence is None:
        written = rendered(text, date.min)
    else:
        written = filled(text, of.words(key, key))
    return target.model_copy(update={"path" if kind_of(target) == "file" else "name": written})


def replaced(asset: Delivered, key: str) -> dict[str, str]:
    """The partition's columns and their values."""
    assert asset.source is not None
    of = asset.partitions
    named = of.named.column if of and of.named else None
    one = Partition(asset.source.layer, asset.source.name, of.cadence if of else None, key, named)
    return one.values


def declared(asset: Delivered) -> str:
    """The target as the file names it, its templates not filled in."""
    target = asset.spec.target
    shown = target.path if isinstance(target, FileTarget) else target.name
    if isinstance(target, TableTarget) and target.schema_:
        shown = f"{target.schema_}.{shown}"
    return f"{asset.spec.connection}: {shown}"


def overwrites(asset: Delivered, key: str) -> str:
    """In words: what a delivery of the partition overwrites, and where."""
    names = {name: there for name, (there, _) in asset.taken.items()}
    what = overwritten(target_of(asset, key), names, replaced(asset, key))
    return f"{what} of {asset.spec.connection}"
