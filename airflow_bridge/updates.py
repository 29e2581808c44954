"""What the updates of assets ask of an asset that waits for them, partition by partition.

Here: the materialisations of the DAG runs that began this one, and Dagster's partition mappings.
Not here: which conditions are exported (`automation.py`), and what is still missing (`waits.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.definitions.partitions.definition import TimeWindowPartitionsDefinition

from airflow_bridge.metadata import PREFIX
from airflow_bridge.tries import materialised

#: An asset, and the partitions of it; None where it has none.
Updated = Mapping[dg.AssetKey, frozenset[str | None]]


def updated_by(instance: dg.DagsterInstance, dags: Sequence[str], runs: Sequence[str]) -> Updated:
    """What the tasks of these DAG runs materialised, or saw to be new, by the one history."""
    found: dict[dg.AssetKey, set[str | None]] = {}
    for dag_id, run_id in dict.fromkeys(zip(dags, runs, strict=True)):
        tags = {f"{PREFIX}dag_id": dag_id, f"{PREFIX}run_id": run_id}
        for run in instance.get_runs(dg.RunsFilter(tags=tags)):
            own = materialised(instance, run.run_id)
            for key, partition in chain(own, _observed(instance, run.run_id)):
                found.setdefault(key, set()).add(partition)
    return {key: frozenset(partitions) for key, partitions in found.items()}


def _observed(
    instance: dg.DagsterInstance, run_id: str
) -> Iterator[tuple[dg.AssetKey, str | None]]:
    """What the run observed to be of another data version than when it was observed before."""
    kind = dg.DagsterEventType.ASSET_OBSERVATION
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        event = record.event_log_entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        asked = dg.AssetRecordsFilter(
            asset_key=event.asset_key,
            asset_partitions=[event.partition] if event.partition else None,
            before_timestamp=record.timestamp,
        )
        before = instance.fetch_observations(asked, limit=1).records
        then, now = ([_version(one) for one in records] for records in (before, [record]))
        if then != now:
            yield event.asset_key, event.partition


def _version(record: dg.EventLogRecord) -> str | None:
    found = extract_data_version_from_entry(record.event_log_entry)
    return found.value if found else None


def asked_for(
    graph: AssetGraph, keys: Collection[dg.AssetKey], updated: Updated
) -> list[str | None]:
    """The partitions of `keys`, which run together, that read what was updated; in their order.

    As `eager()` has it only the newest window of time is asked for.
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
