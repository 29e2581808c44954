"""What the updates of assets ask of an asset that waits for them, partition by partition.

Here: the materialisations of the DAG runs that began this one, Dagster's partition mappings, and
what `AutomationCondition.eager()` and `on_cron()` want of inputs. Not here: which conditions are
exported (`automation.py`), and runs that name their partitions themselves (`ticks.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.partitions.definition import TimeWindowPartitionsDefinition

from airflow_bridge.metadata import PREFIX

#: An asset, and the partitions of it; None where it has none.
Updated = Mapping[dg.AssetKey, frozenset[str | None]]


def updated_by(instance: dg.DagsterInstance, dags: Sequence[str], runs: Sequence[str]) -> Updated:
    """What the tasks of these DAG runs materialised, by the one history."""
    found: dict[dg.AssetKey, set[str | None]] = {}
    for dag_id, run_id in dict.fromkeys(zip(dags, runs, strict=True)):
        tags = {f"{PREFIX}dag_id": dag_id, f"{PREFIX}run_id": run_id}
        for run in instance.get_runs(dg.RunsFilter(tags=tags)):
            for key, partition in _materialised(instance, run.run_id):
                found.setdefault(key, set()).add(partition)
    return {key: frozenset(partitions) for key, partitions in found.items()}


def _materialised(
    instance: dg.DagsterInstance, run_id: str
) -> Iterator[tuple[dg.AssetKey, str | None]]:
    cursor = None
    while True:
        page = instance.get_records_for_run(
            run_id, cursor, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.asset_key is not None:
                yield event.asset_key, event.partition
        if not page.has_more:
            return
        cursor = page.cursor


def asked_for(
    graph: AssetGraph, keys: Collection[dg.AssetKey], updated: Updated
) -> list[str | None]:
    """The partitions of `keys`, which run together, that read what was updated; in their order.

    As `eager()` has it only the newest window of time is asked for, and nothing of which an input
    is missing: `missing` tells.
    """
    found: dict[str | None, None] = {}
    for key in sorted(keys, key=str):
        node = graph.get(key)
        newest = latest(node.partitions_def)
        for parent, partitions in sorted(updated.items(), key=lambda one: str(one[0])):
            if parent not in node.parent_keys or parent in keys:
                continue
            for partition in sorted(partitions, key=str):
                found.update(dict.fromkeys(_children(graph, parent, partition, key, newest)))
    return list(found)


def _children(
    graph: AssetGraph,
    parent: dg.AssetKey,
    partition: str | None,
    key: dg.AssetKey,
    newest: frozenset[str] | None,
) -> Iterator[str | None]:
    if not graph.get(key).is_partitioned:
        yield None
        return
    whole = partition if graph.get(parent).is_partitioned else None
    for child in graph.get_child_partition_keys_of_parent(whole, parent, key):
        if newest is None or child in newest:
            yield child


def latest(partitions: dg.PartitionsDefinition[str] | None) -> frozenset[str] | None:
    """The keys of the newest window of time that has ended; None where partitions are no time."""
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        for dimension in partitions.partitions_defs:
            newest = latest(dimension.partitions_def)
            if newest is not None:
                return frozenset(
                    key
                    for key in partitions.get_partition_keys()
                    if partitions.get_partition_key_from_str(key).keys_by_dimension[dimension.name]
                    in newest
                )
        return None
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        return None
    key = partitions.get_last_partition_key()
    return frozenset() if key is None else frozenset({key})


def missing(
    graph: AssetGraph,
    instance: dg.DagsterInstance,
    keys: Collection[dg.AssetKey],
    partition: str | None,
    since: datetime | None = None,
) -> list[str]:
    """What `partition` of `keys` reads and is not there, or was not made since a moment: names."""
    found: dict[str, None] = {}
    for key in keys:
        parents = graph.get_parents_partitions(key, partition)
        needed: dict[dg.AssetKey, set[str | None]] = {}
        for one in parents.parent_partitions:
            if one.asset_key not in keys and graph.get(one.asset_key).is_materializable:
                needed.setdefault(one.asset_key, set()).add(one.partition_key)
        for parent in sorted(needed, key=str):
            gone = needed[parent] - _made(instance, parent, needed[parent], since)
            found.update(dict.fromkeys(_name(parent, one) for one in sorted(gone, key=str)))
        never = parents.required_but_nonexistent_parents_partitions
        found.update(dict.fromkeys(_name(one.asset_key, one.partition_key) for one in never))
    return list(found)


def _name(key: dg.AssetKey, partition: str | None) -> str:
    return " ".join(filter(None, (key.to_user_string(), partition)))


def _made(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    wanted: AbstractSet[str | None],
    since: datetime | None,
) -> set[str | None]:
    """Which of the `wanted` partitions were materialised (after `since`); None: at all."""
    whole = None in wanted
    if since is None and not whole:
        return {*instance.get_materialized_partitions(key)}
    asked = dg.AssetRecordsFilter(
        asset_key=key,
        asset_partitions=None if whole else sorted(one for one in wanted if one),
        after_timestamp=since.timestamp() if since else None,
    )
    found: set[str | None] = set()
    cursor = None
    while True:
        page = instance.fetch_materializations(asked, 1 if whole else 1000, cursor)
        found |= {None if whole else record.partition_key for record in page.records}
        if whole or not page.has_more:
            return found
        cursor = page.cursor
