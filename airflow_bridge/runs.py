"""Which runs of Dagster carry out a request: of which assets, partitions and config each is.

Here: a job cut to the assets of a task, a request cut into chunks, config and tags of one. Not
here: carrying them out (`materialise.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG, USER_TAG

from airflow_bridge.errors import UsageError
from airflow_bridge.location import partition_tags
from airflow_bridge.meaning import Request
from airflow_bridge.metadata import PREFIX, read_hints

#: Asset → its partitions; None where it has none.
Made: TypeAlias = Mapping[dg.AssetKey, Collection[str | None]]


def cut(
    repository: dg.RepositoryDefinition, job_name: str, keys: AbstractSet[dg.AssetKey]
) -> dg.JobDefinition:
    """The job for these assets alone; the whole of one of ops."""
    if job_name not in repository.job_names:
        raise UsageError(f"There is no job {job_name!r} in {', '.join(repository.job_names)}.")
    job = repository.get_job(job_name)
    if not keys:
        return job
    unknown = set(keys) - set(job.asset_layer.selected_asset_keys)
    if unknown:
        names = ", ".join(sorted(key.to_user_string() for key in unknown))
        raise UsageError(f"{job_name} has no asset {names}. Export the DAG files again.")
    return job.get_subset(asset_selection=set(keys))


def partition_keys(job: dg.JobDefinition, first: str, last: str) -> list[str]:
    """All from `first` to `last`."""
    if first == last or job.partitions_def is None:
        return [first]
    asked = dg.PartitionKeyRange(first, last)
    return list(job.partitions_def.get_partition_keys_in_range(asked))


def origin_tags(origin: Mapping[str, str]) -> dict[str, str]:
    """Which task of Airflow's a run is of; Dagster's UI shows the DAG as who created it.

    >>> origin_tags({"dag_id": "sales", "task_id": "raw", "user": ""})
    {'airflow/dag_id': 'sales', 'airflow/task_id': 'raw', 'user': 'Airflow sales'}
    """
    tags = {PREFIX + name: text for name, text in origin.items() if text}
    return {**tags, USER_TAG: f"Airflow {origin['dag_id']}"} if origin.get("dag_id") else tags


def tags_of(job: dg.JobDefinition, request: Request, own: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run: those of job, request and partitions, and `own`.

    That of the schedule which asked for the request is left out: by it the UI would show Dagster's
    schedule as who launched the run.
    """
    partitions = partition_tags(job.partitions_def, request.first, request.last)
    found = {**job.run_tags, **request.tags, **partitions, **own}
    return {name: text for name, text in found.items() if name != SCHEDULE_NAME_TAG}


@dataclass(frozen=True)
class Chunk:
    """What is one run: assets, and the partitions first to last ('' where they have none)."""

    keys: frozenset[dg.AssetKey]
    first: str
    last: str


def chunks(
    repository: dg.RepositoryDefinition,
    job: dg.JobDefinition,
    keys: AbstractSet[dg.AssetKey],
    request: Request,
    made: Made,
) -> Iterator[Chunk]:
    """The runs of `request`, cut as the assets' backfill policies have it; ops take one partition.

    What was `made` before is left out, of assets that only run together only where all were.
    """
    nodes = [repository.asset_graph.get(key) for key in keys]
    partitioned = [node for node in nodes if node.partitions_def is not None]
    whole = not request.first or (bool(keys) and not partitioned)
    every = [""] if whole else partition_keys(job, request.first, request.last)
    policies = [node.backfill_policy for node in partitioned]
    sizes = [policy.max_partitions_per_run if policy else 1 for policy in policies] or [1]
    size = min((one for one in sizes if one), default=len(every))

    def left(partition: str) -> frozenset[dg.AssetKey]:
        wanted = {
            node.key: partition or None if node.partitions_def is not None else None
            for node in nodes
        }
        gone = {key for key, one in wanted.items() if one not in made.get(key, ())}
        together = (repository.asset_graph.get(key).execution_set_asset_keys for key in gone)
        return frozenset(key for found in together for key in found if key in keys)

    for some, group in groupby(every, left):
        if keys and not some:
            continue
        alike = list(group)
        for begin in range(0, len(alike), size):
            chunk = alike[begin : begin + size]
            yield Chunk(some, chunk[0], chunk[-1])


def config_of(job: dg.JobDefinition, request: Request, params: Mapping[str, Any]) -> dict[str, Any]:
    """The schedule's config for what runs here, with the parameters that differ from theirs.

    A parameter goes to each asset whose config has a field of its name. Where all are as declared
    the config stays as it is, so that a re-execution in the UI is not bound to them.
    """
    names = {node.name for node in job.nodes}
    config = {name: value for name, value in request.config.items() if name != "execution"}
    ops = {name: dict(one) for name, one in config.pop("ops", {}).items() if name in names}
    declared = read_hints(job.name, job.metadata).params or {}
    changed = {
        name: value
        for name, value in params.items()
        if name in declared and value != declared[name]["default"]
    }
    for node in job.nodes if changed else ():
        schema: Any = node.definition.config_schema
        fields = getattr(schema and schema.config_type, "fields", None) or {}
        own = {name: value for name, value in changed.items() if name in fields}
        if own:
            op = ops.setdefault(node.name, {})
            op["config"] = {**op.get("config", {}), **own}
    return {**config, "ops": ops} if ops else config
