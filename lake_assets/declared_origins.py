"""`from` on a column, held against what there is to come of.

Here: the assets and columns that a file names as origins. Not here: what can be read of SQL and
steps (`lineage.py`), and the other rules over files (`consistency.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lake_assets.pipeline import Input
from lake_assets.spec.datasets import DatasetSpec
from resources.yamlfile import Mistake, nearest


def check_origins(asset: Input, by_key: Mapping[str, Input]) -> Iterator[Mistake]:
    """All that is wrong in the origins that the columns of an asset name."""
    for name, column in asset.columns.items():
        if column.from_ is None:
            continue
        place = ("columns", name, "from")
        if not isinstance(asset.spec, DatasetSpec):
            what = f"columns: {name}: from is for columns of a dataset"
            cure = "take it out; what a column of a source is called there says `source`"
            yield asset.mistake(place, what, cure)
            continue
        inputs = list(dict.fromkeys(asset.spec.named_inputs.values()))
        for index, text in enumerate(column.from_):
            key, _, origin = text.partition(".")
            told = f"columns: {name}: from: "
            if key not in inputs:
                what = "is no input of it" if key in by_key else "is no asset"
                yield asset.mistake((*place, index), f"{told}{key} {what}", nearest(key, inputs))
            elif key in by_key:
                known = [*by_key[key].columns, *by_key[key].partition_columns]
                if origin not in known:
                    what = f"{told}{key} has no column {origin!r}"
                    yield asset.mistake((*place, index), what, nearest(origin, known))
