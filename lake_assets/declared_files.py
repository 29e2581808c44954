"""Sources that are no tables, held against their columns and partitions: templates, days, widths.

Here: what the files alone tell to be wrong in `file`, `index` and `api`. Not here: what a record
by itself knows (`resources/described.py`), the other rules over files (`consistency.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lake_assets.delivery import UNITS, first_two
from lake_assets.pipeline import Asset
from lake_assets.spec.sources import SourceSpec
from resources.described import Described, FileSource, IndexSource
from resources.yamlfile import Mistake, Place, nearest


def check_described(asset: Asset, spec: SourceSpec) -> Iterator[Mistake]:
    """All that is wrong in the files, the index or the API of a source."""
    of = spec.described
    if of is None:
        return
    if isinstance(of, FileSource) and of.widths is not None:
        for name, column in asset.spec.columns.items():
            there = column.source or name
            if there not in of.widths:
                what = f"widths: there is none of the column {there!r}"
                yield asset.mistake(("file", "widths"), what, nearest(there, of.widths))
    told = list(_templates(asset, of))
    yield from told
    if not told and spec.by_name:
        yield from _told_apart(asset, of)


def _kind(of: Described) -> str:
    return (
        "file" if isinstance(of, FileSource) else "index" if isinstance(of, IndexSource) else "api"
    )


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, (*place, index))


def _templates(asset: Asset, of: Described) -> Iterator[Mistake]:
    braced = [one for one in _texts(of.model_dump(), (_kind(of),)) if set(one[1]) & set("{}")]
    if not braced:
        return
    from lake_assets.templates import mistakes_in, of_partition

    timed = asset.partitions is not None and asset.partitions.cadence is not None
    for place, text in braced:
        for told in mistakes_in(text):
            yield asset.mistake(place, told)
        if not timed and of_partition(text):
            what = f"{of_partition(text)[0]} asks for a partition's day, and there are none of time"
            yield asset.mistake(place, what, "write {clock.today} for the day on which it runs")


def _told_apart(asset: Asset, of: Described) -> Iterator[Mistake]:
    """Whether partitions are asked for in words of their own: no window tells their rows apart."""
    partitions, kind = asset.partitions, _kind(of)
    if partitions is None:
        return
    noun, place = ("file", "path") if kind == "file" else ("request", "params")
    if partitions.named:
        what = f"{kind}: each of the {len(partitions.names)} names of {partitions.named.column} "
        cure = "read it without names; a dataset can tell them apart"
        yield asset.mistake((kind, place), f"{what}would be this {noun}", cure)
        return
    from lake_assets.templates import filled

    first, second = (
        filled(of.model_dump(), partitions.words(key, key)) for key in first_two(partitions)
    )
    if first == second:
        what = f"{kind}: every {UNITS[partitions.cadence or 'daily']} would be the same {noun}"
        cure = f"write its day into `{place}`: {{today:%Y%m%d}}, {{today:%Y-%m}}; or take its "
        cure += "partitions out: `partitions: none`"
        yield asset.mistake((kind, place), what, cure)
