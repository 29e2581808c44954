"""`splits` of a source, held against its columns, its order and its partitions.

Here: what the files alone tell to be wrong. Not here: where a partition is cut
(`resources/splits.py`) and the other rules over files (`consistency.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from lake_assets.pipeline import Asset, window_kind
from lake_assets.spec.sources import SourceSpec, SplitSpec
from resources.splits import can_cut, value_of
from resources.types import ColumnType
from resources.yamlfile import Mistake, nearest


def check_splits(asset: Asset, spec: SourceSpec) -> Iterator[Mistake]:
    """All that is wrong in the `splits` of a source."""
    declared = spec.splits
    if declared is None:
        return
    if spec.described is not None:
        cure = "take it out; files, an index and an API have no key ranges"
        yield asset.mistake(("splits",), "splits belong to a table or query", cure)
        return
    column = declared.column
    if column not in asset.types:
        cure = nearest(column, [name for name, kind in asset.types.items() if can_cut(kind)])
        yield asset.mistake(("splits", "column"), f"splits: there is no column {column!r}", cure)
        return
    yield from _check_type(asset, declared, asset.types[column])
    if spec.order_by and spec.order_by[0] != column:
        what = f"splits: order_by begins with {spec.order_by[0]}, and the parts come by {column}"
        cure = f"begin order_by with {column}, or split by {spec.order_by[0]}"
        yield asset.mistake(("splits", "column"), what, cure)
    if _constant(asset, spec, column):
        what = f"splits: {column} has one value in all rows of a partition"
        yield asset.mistake(("splits", "column"), what, "split by a column whose values differ")


def _check_type(asset: Asset, declared: SplitSpec, kind: ColumnType) -> Iterator[Mistake]:
    place, text = ("splits", "column"), kind.name == "string"
    if not (can_cut(kind) or text):
        what = f"splits: {declared.column} is {kind.name}, which is not cut into ranges"
        yield asset.mistake(place, what, "allowed: whole numbers, decimals, date, timestamp, text")
        return
    if text and declared.count is not None:
        what = f"splits: {declared.column} is text, which has no ranges of equal width"
        yield asset.mistake(("splits", "count"), what, "give bounds: [B, M, T]")
    known: list[tuple[int, Any]] = []
    for index, bound in enumerate(declared.bounds or ()):
        try:
            if text != isinstance(bound, str) and kind.name not in ("date", "timestamp"):
                raise ValueError(bound)
            known.append((index, value_of(kind, bound)))
        except (ValueError, ArithmeticError):
            what = f"splits: bounds: {bound!r} is no value of {declared.column}, {kind.name}"
            cure = 'write text in quotes, a day as "2025-07-01", a time as "2025-07-01T09:30:00"'
            yield asset.mistake(("splits", "bounds", index), what, cure)
    for (_, low), (index, high) in pairwise(known):
        if low >= high:
            what = f"splits: bounds: {high!s} does not come after {low!s}"
            yield asset.mistake(("splits", "bounds", index), what, "list them ascending, each once")


def _constant(asset: Asset, spec: SourceSpec, column: str) -> bool:
    """Whether a partition is one value of the column."""
    if spec.window is None or asset.partitions is None:
        return False
    daily = asset.partitions.cadence == "daily" and window_kind(spec) != "timestamp"
    return column == spec.window.name or (column == spec.window.column and daily)
