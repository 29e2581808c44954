"""The lineage of all assets together: up to the sources, and down from them.

Here: walks over columns of assets, each asset's lineage read when it is first asked for. Not here:
what the lineage of one asset is (`lineage.py`), and how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lake_assets.edge import ROWS, Origin, Origins, along
from lake_assets.lineage import Lineage, lineage_of, source_key
from lake_assets.pipeline import Input
from lake_assets.spec.sources import SourceSpec

_NOTHING: Origins = frozenset()


@dataclass
class Graph:
    """The lineage of all assets, each read when it is first asked for."""

    catalogue: Mapping[str, Input]
    _read: dict[str, Lineage] = field(default_factory=dict)

    def of(self, key: str) -> Lineage | None:
        """None of a source table: nothing is known of what it comes of."""
        if key not in self.catalogue:
            return None
        if key not in self._read:
            self._read[key] = lineage_of(self.catalogue[key], self.catalogue)
        return self._read[key]

    def origins(self, asset: str, column: str) -> Origins:
        """What a column comes of, one step up."""
        found = self.of(asset)
        return found.origins(column) if found else _NOTHING

    def sources(self, asset: str, column: str) -> Origins:
        """The columns at the beginning that a column comes of, by the strongest kind on the way.

        A source table's, and those of which no more is known (a partition column).
        """
        found: set[Origin] = set()
        seen: set[Origin] = set()
        waiting = list(self.origins(asset, column))
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            further = self.origins(one.asset, one.column)
            if further:
                waiting += along(one.kind, further)
            elif not self._is_constant(one):
                found.add(one)
        return frozenset(found)

    def _is_constant(self, origin: Origin) -> bool:
        """Whether a column is known to come of nothing: a literal."""
        lineage = self.of(origin.asset)
        made = lineage.columns.get(origin.column) if lineage else None
        return made is not None and made.confidence == "parsed" and not made.origins

    def made_of(self, asset: str, column: str) -> Iterator[Origin]:
        """The columns that come of this one, one step down, with the kind of the way.

        An asset whose rows it decides is there as its `*`.
        """
        for key in self.users(asset):
            lineage = self.of(key)
            assert lineage is not None
            made = [(name, one.origins) for name, one in lineage.columns.items()]
            for name, origins in [*made, (ROWS, lineage.rows)]:
                for one in sorted(origins):
                    if (one.asset, one.column) == (asset, column):
                        yield Origin(key, name, one.kind)

    def inputs(self, asset: str) -> list[str]:
        """The assets that an asset reads."""
        found = self.catalogue.get(asset)
        if found is None:
            return []
        if isinstance(found.spec, SourceSpec):
            return [source_key(found, found.spec)]
        return list(dict.fromkeys(getattr(found.spec, "named_inputs", {}).values()))

    def users(self, asset: str) -> list[str]:
        """The assets that read an asset."""
        return [key for key in self.catalogue if asset in self.inputs(key)]
