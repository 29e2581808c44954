"""An IO manager for assets written by hand: frames in, frames out, through the store.

Here: which partition of the store an asset's output or input is, and frames to rows. Not here: the
assets of pipeline files, which write the store themselves because gates, ranges and streams do not
fit an IO manager.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from resources.errors import PermanentError
from resources.partition import Cadence, Partition

if TYPE_CHECKING:
    # Imported where a frame goes in or out: the graph loads without pyarrow, 0.2 CPU s.
    import pyarrow as pa

    from resources.store import Store


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps `raw/<name>`, `prep/<name>` … as one Parquet file a partition.

    `hdfs` is the connection (`url`, `user`, `options`) on which `root` is a folder; None: `root` is
    a folder of this machine.

    An output is a Polars, pandas or Arrow frame. An input is the frame its annotation asks for
    (Polars where it says nothing); a month that reads its days gets them one after another.
    """

    root: str
    parquet: Literal["modern", "hive1"] = "modern"
    hdfs: dict[str, Any] | None = None

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
        from resources.settings import Connection
        from resources.store import store_at

        connection = None if self.hdfs is None else Connection(kind="hdfs", **self.hdfs)
        return store_at(self.root, self.parquet, "hdfs", connection)


#: Metadata of an asset: what readers call the column of its partitions' names. Dagster's definition
#: has no word for it.
PARTITION_COLUMN = "lake/partition_column"

#: When partitions begin, and how their keys are written.
_CADENCES: Mapping[tuple[str, str], Cadence] = {
    ("0 * * * *", "%Y-%m-%d-%H"): "hourly",
    ("0 0 * * *", "%Y-%m-%d"): "daily",
    ("0 0 * * 1", "%Y-%m-%d"): "weekly",
    ("0 0 1 * *", "%Y-%m"): "monthly",
}


def cadence_of(definition: dg.PartitionsDefinition[Any] | None) -> Cadence | None:
    """The cadence of partitions of time whose keys are the lake's; None of others."""
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return None
    return _CADENCES.get((definition.cron_schedule, definition.fmt))


def partition_of(
    asset: dg.AssetKey,
    definition: dg.PartitionsDefinition[Any] | None,
    metadata: Mapping[str, Any],
    key: str,
) -> Partition:
    """Where the store has a partition of an asset; ValueError where it has no place for it."""
    layer, name = asset.path
    if definition is None:
        return Partition(layer, name)
    time: dg.PartitionsDefinition[Any] | None = definition
    names: object = None
    if isinstance(definition, dg.MultiPartitionsDefinition):
        first, second = definition.partitions_defs  # sorted by name, as the parts of a key are
        time, names = first.partitions_def, second.name
    elif isinstance(definition, dg.StaticPartitionsDefinition):
        time = None
    cadence = cadence_of(time)
    if time is not None and cadence is None:
        raise ValueError(f"{type(time).__name__} is not by time")
    column = metadata.get(PARTITION_COLUMN, names)
    column = getattr(column, "value", column)  # as Dagster keeps it
    if time is None and column is None:
        raise ValueError(f"its metadata does not say {PARTITION_COLUMN}, the column of its names")
    return Partition(layer, name, cadence, str(key), None if column is None else str(column))


def _partitions(context: dg.InputContext | dg.OutputContext) -> Sequence[Partition]:
    """The partitions of the store that the context's asset and keys stand for."""
    if len(context.asset_key.path) != 2:
        raise PermanentError(
            f"The lake has no place for the asset {context.asset_key.to_user_string()!r}: give it "
            'a key of layer and name, key=["prep", "sales"].'
        )
    key, partitioned = context.asset_key, context.has_asset_partitions
    definition = context.asset_partitions_def if partitioned else None
    made = context.upstream_output if isinstance(context, dg.InputContext) else context
    metadata = made.definition_metadata if made else {}
    try:
        return [
            partition_of(key, definition, metadata or {}, one)
            for one in (context.asset_partition_keys if partitioned else [""])
        ]
    except ValueError as error:
        raise PermanentError(
            f"The lake has no place for {key.to_user_string()}: {error}. Partitions are hourly "
            'with fmt="%Y-%m-%d-%H", daily, weekly from Monday (day_offset=1), monthly with '
            f'fmt="%Y-%m", or names (metadata {PARTITION_COLUMN}).'
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

    for column, value in partition.scalars.items():
        if column not in table.column_names:
            continue
        same = pc.equal(table[column], value)
        if pc.sum(same).as_py() not in (None, table.num_rows) or same.null_count:
            raise PermanentError(
                f"{partition.path}: the frame has rows whose {column} is not {value}. Filter "
                "them, or leave the column out."
            )
        table = table.drop_columns(column)
    return table
