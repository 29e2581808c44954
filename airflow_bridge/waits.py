"""What of its inputs a DAG run lacks, partition by partition, by the one history.

Here: Dagster's partition mappings upstream, and which of the partitions were materialised, whoever
ran them. Not here: asking again until they are (the prelude's `wait`), and the other direction
(`updates.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.partitions.context import partition_loading_context

from airflow_bridge.meaning import Asker, Meaning
from airflow_bridge.updates import latest

#: Names in a message.
_SHOWN = 5


def lacking(
    repository: dg.RepositoryDefinition,
    asker: Asker,
    meaning: Meaning,
    instance: dg.DagsterInstance,
) -> list[str]:
    """What the assets of a DAG run read and is not there, by name.

    `on_cron()` wants all inputs updated since its tick.
    """
    graph, own = repository.asset_graph, asker.job.asset_layer.selected_asset_keys
    tick = datetime.fromisoformat(meaning.tick) if meaning.tick else None
    since = tick if asker.automation is not None and asker.automation.cron else None
    with partition_loading_context(effective_dt=tick, dynamic_partitions_store=instance):
        asked = set(_asked(graph, own, meaning))
        return missing(graph, instance, asked, own, since, whole=False)


def _asked(
    graph: AssetGraph, own: AbstractSet[dg.AssetKey], meaning: Meaning
) -> Iterator[tuple[dg.AssetKey, str | None]]:
    for request in meaning.requests:
        for key in own:
            if request.assets is not None and key.to_user_string() not in request.assets:
                continue
            partitions = graph.get(key).partitions_def
            if partitions is None or not request.first:
                yield key, None
            elif request.first == request.last:
                yield key, request.first
            else:
                span = dg.PartitionKeyRange(request.first, request.last)
                yield from ((key, one) for one in partitions.get_partition_keys_in_range(span))


def missing(
    graph: AssetGraph,
    instance: dg.DagsterInstance,
    asked: Iterable[tuple[dg.AssetKey, str | None]],
    own: Collection[dg.AssetKey],
    since: datetime | None = None,
    whole: bool = True,
) -> list[str]:
    """What the `asked` assets and partitions read of others, and was not made, or not `since`.

    Where one without partitions reads all of another: all, as `eager()` has it, or, if not `whole`,
    the newest window of time alone, else any. Days before a lake began are never there.
    """
    needed: dict[dg.AssetKey, set[str | None]] = {}
    found: dict[str, None] = {}
    for key, partition in asked:
        for parent in graph.get(key).parent_keys - set(own):
            if not graph.get(parent).is_materializable:
                continue
            of = needed.setdefault(parent, set())
            if not graph.get(parent).is_partitioned:
                of.add(None)
            elif partition is None and not whole:
                of.update(latest(graph.get(parent).partitions_def) or {None})
            else:
                mapped = graph.get_parent_partition_keys_for_child(partition, parent, key)
                of.update(mapped.partitions_subset.get_partition_keys())
                never = mapped.required_but_nonexistent_subset.get_partition_keys()
                found.update(dict.fromkeys(_name(parent, one) for one in never))
    for parent in sorted(needed, key=str):
        gone = needed[parent] - _made(instance, parent, needed[parent], since)
        found.update(dict.fromkeys(_name(parent, one) for one in sorted(gone, key=str)))
    return list(found)


def shortened(names: Sequence[str]) -> str:
    """As many names as are read at a look, and how many there are."""
    more = f" … ({len(names)})" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _name(key: dg.AssetKey, partition: str | None) -> str:
    return " ".join(filter(None, (key.to_user_string(), partition)))


def _made(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    wanted: AbstractSet[str | None],
    since: datetime | None,
) -> set[str | None]:
    """Which of the `wanted` partitions were materialised (after `since`); None: at all."""
    found: set[str | None] = set()
    after = since.timestamp() if since else None
    if None in wanted:
        asked = dg.AssetRecordsFilter(asset_key=key, after_timestamp=after)
        found |= {None for _ in instance.fetch_materializations(asked, limit=1).records}
    names = sorted(one for one in wanted if one is not None)
    if not names:
        return found
    if since is None:
        return found | {*instance.get_materialized_partitions(key)}
    asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=names, after_timestamp=after)
    cursor = None
    while True:
        page = instance.fetch_materializations(asked, limit=1000, cursor=cursor)
        found |= {record.partition_key for record in page.records}
        if not page.has_more:
            return found
        cursor = page.cursor
