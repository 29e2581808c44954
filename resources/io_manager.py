"""An IO manager for assets written by hand: frames in, frames out, through the store.

Here: which partition of the store an asset's output or input is, and frames to rows. Not here: the
assets of pipeline files, which write the store themselves because gates, ranges and streams do not
fit an IO manager.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from resources.errors import PermanentError

if TYPE_CHECKING:
    # Imported where a frame goes in or out: the graph loads without pyarrow, 0.2 CPU s.
    import pyarrow as pa

    from resources.partition import Partition
    from resources.store import Store


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps `raw/<name>`, `prep/<name>` … as one Parquet file a partition.

    An output is a Polars, pandas or Arrow frame. An input is the frame its annotation asks for
    (Polars where it says nothing); a month that reads its days gets them one after another.
    """

    root: str
    parquet: Literal["modern", "hive1"] = "modern"

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        from resources.frames import to_table

        partition = _one(_partitions(context))
        table = _without_partition_column(to_table(obj), partition)
        with self._store().writer(partition, table.schema) as writer:
            for batch in table.to_batches():
                writer.write(batch)
            published = writer.publish()
        context.add_output_metadata(
            {
                "dagster/row_count": published.rows,
                "lake/bytes": published.bytes,
                "lake/path": dg.MetadataValue.path(published.path),
                # Of the content, as those of pipeline files: what reads it is stale if it changed.
                "lake/data_version": published.sha256,
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        from resources.frames import kind_of, to_frame

        kind = kind_of(context.dagster_type.typing_type) or "polars.DataFrame"
        return to_frame(self._store().read(_partitions(context)), kind)

    def _store(self) -> Store:
        from resources.folder_store import FolderStore

        return FolderStore(self.root, self.parquet)


def _partitions(context: dg.InputContext | dg.OutputContext) -> Sequence[Partition]:
    """The partitions of the store that the context's asset and keys stand for."""
    from resources.partition import Partition

    if len(context.asset_key.path) != 2:
        raise PermanentError(
            f"The lake has no place for the asset {context.asset_key.to_user_string()!r}: give it "
            'a key of layer and name, key=["prep", "sales"].'
        )
    layer, name = context.asset_key.path
    keys = context.asset_partition_keys if context.has_asset_partitions else [""]
    try:
        return [Partition.of(layer, name, key) for key in keys]
    except ValueError as error:
        raise PermanentError(
            f"The lake has no place for {layer}/{name}: {error}. Partitions are daily "
            '(2025-07-01) or monthly with fmt="%Y-%m" (2025-07).'
        ) from None


def _one(partitions: Sequence[Partition]) -> Partition:
    if len(partitions) != 1:
        raise PermanentError(
            f"{partitions[0].asset}: one frame cannot be {len(partitions)} partitions; run one "
            "partition at a time (backfill_policy=BackfillPolicy.multi_run())."
        )
    return partitions[0]


def _without_partition_column(table: pa.Table, partition: Partition) -> pa.Table:
    """Readers add the partition column; rows that carry it must be of this partition."""
    import pyarrow.compute as pc

    if partition.column not in table.column_names:
        return table
    same = pc.equal(table[partition.column], partition.value)
    if pc.sum(same).as_py() not in (None, table.num_rows) or same.null_count:
        raise PermanentError(
            f"{partition.path}: the frame has rows whose {partition.column} is not "
            f"{partition.key}. Filter them, or leave the column out."
        )
    return table.drop_columns(partition.column)
