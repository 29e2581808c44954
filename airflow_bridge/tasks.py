"""A job of Dagster → the tasks of a DAG, as records.

Here: what a task is (an asset, a group, a whole job), its id, what it waits for, where and how
often it runs. Not here: which jobs there are and when they run (`graph.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetNode
from dagster._core.storage.tags import PRIORITY_TAG

from airflow_bridge.location import one_op
from airflow_bridge.metadata import Hints
from airflow_bridge.record import Task
from airflow_bridge.refusals import Refusals

#: Task ids of the prelude.
OWN_TASKS = ("tick", "wait", "done")

#: Of a DAG's or a task's id.
LONGEST_ID = 250

#: What the DAGs of today have; Airflow's own default is no other try.
RETRIES, RETRY_DELAY = 1, 300

#: Where a Docker daemon listens on its own host.
DOCKER_URL = "unix://var/run/docker.sock"

_TEMPLATE = re.compile(r"{[{%#]")


@dataclass(frozen=True)
class _Unit:
    """What one task materialises, and what each of its assets, else the job, says of Airflow."""

    members: Sequence[AssetNode]
    hints: Sequence[Hints]


def tasks_of_assets(
    refusals: Refusals, job: dg.JobDefinition, nodes: Sequence[AssetNode], of_job: Hints
) -> tuple[Task, ...]:
    """The tasks of a job of assets, each after those it waits for."""
    name = f"job {job.name}"
    units: dict[str, _Unit] = {}
    unit_of: dict[dg.AssetKey, str] = {}
    for task_id, members in _members(refusals, job, nodes, of_job.granularity or "asset"):
        own = [_hints(refusals, node).over(of_job) for node in members]
        if task_id in units or task_id in OWN_TASKS:
            other = _names(units[task_id].members) if task_id in units else "the exporter itself"
            cure = "Give it another id: metadata {'airflow/task_id': …}"
            refusals.add(name, f"{_names(members)} and {other} are both task {task_id}", cure)
        units[task_id] = _Unit(members, own)
        unit_of.update(dict.fromkeys((one.key for one in members), task_id))
    after = {
        task_id: {
            unit_of[parent]
            for one in unit.members
            for parent in one.parent_keys
            if parent in unit_of
        }
        - {task_id}
        for task_id, unit in units.items()
    }
    groups = _groups(units)
    try:
        order = list(_ordered(after))
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        cure = "Keep a task an asset: metadata {'airflow/granularity': 'asset'}"
        refusals.add(name, f"its groups wait for each other: {circle}", cure)
        return ()
    tasks = tuple(
        _task(refusals, job, task_id, units[task_id], sorted(after[task_id]), groups)
        for task_id in order
    )
    queues = {task.queue for task in tasks}
    if None in queues and len(queues) > 1:
        without = ", ".join(task.task_id for task in tasks if task.queue is None)
        cure = "Give each asset a queue, or the job one for all: metadata {'airflow/queue': …}"
        refusals.add(name, f"{without} has no queue, and others of the job have one", cure)
    return tasks


def task_of_ops(refusals: Refusals, job: dg.JobDefinition, hints: Hints) -> Task:
    """The one task of a job of ops: its ops hand each other data within one run of Dagster."""
    name = f"job {job.name}"
    task_id = hints.task_id or _slug(job.name)
    if task_id in OWN_TASKS:
        cure = "Give it another id: metadata {'airflow/task_id': …}"
        refusals.add(name, f"it and the exporter itself are both task {task_id}", cure)
    title = hints.title or " ".join((job.description or "").split()) or job.name
    return _record(
        refusals, name, task_id, title, [hints], job, op=None, pools=sorted(job.graph.pools)
    )


# -- what a task is


def _members(
    refusals: Refusals, job: dg.JobDefinition, nodes: Sequence[AssetNode], granularity: str
) -> Iterator[tuple[str, Sequence[AssetNode]]]:
    if granularity == "job":
        yield _slug(job.name), nodes
    elif granularity == "group":
        for group in dict.fromkeys(node.group_name for node in nodes):
            yield _slug(group), [node for node in nodes if node.group_name == group]
    else:
        seen = set[dg.AssetKey]()
        for node in nodes:
            if node.key in seen:
                continue
            members = [one for one in nodes if one.key in node.execution_set_asset_keys]
            seen.update(one.key for one in members)
            yield _task_id(refusals, members), members


def _task_id(refusals: Refusals, members: Sequence[AssetNode]) -> str:
    """The id that metadata give, else the key's parts; of a multi-asset its op's name."""
    for node in members:
        given = _hints(refusals, node).task_id
        if given:
            return given
    first = members[0]
    own = "__".join(first.key.path) if len(members) == 1 else first.assets_def.node_def.name
    slug = _slug(own)
    if len(slug) > LONGEST_ID:
        cure = "Give it a shorter id: metadata {'airflow/task_id': …}"
        refusals.add(_names(members), f"its task id would have {len(slug)} characters", cure)
    return slug


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _names(members: Sequence[AssetNode]) -> str:
    return ", ".join(node.key.to_user_string() for node in members)


def _hints(refusals: Refusals, node: AssetNode) -> Hints:
    return refusals.hints(f"asset {node.key.to_user_string()}", node.metadata)


def _groups(units: Mapping[str, _Unit]) -> dict[str, str]:
    """Task → its group, where several groups have several tasks each; else nothing is gained."""
    of = {task_id: unit.members[0].group_name for task_id, unit in units.items()}
    counted = Counter(of.values())
    shown = {group for group, tasks in counted.items() if tasks > 1 and group not in units}
    if len(shown) < 2:
        return {}
    return {task_id: group for task_id, group in of.items() if group in shown}


def _ordered(after: Mapping[str, set[str]]) -> Iterator[str]:
    """Each after those it waits for, else by name."""
    sorter = TopologicalSorter(after)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)


# -- the record


def _task(
    refusals: Refusals,
    job: dg.JobDefinition,
    task_id: str,
    unit: _Unit,
    after: Sequence[str],
    groups: Mapping[str, str],
) -> Task:
    members = unit.members
    name = f"asset {_names(members)}"
    keys = [node.key.to_user_string() for node in members]
    if any(_TEMPLATE.search(key) for key in keys):
        refusals.add(name, "Airflow would read its key as a template", "Rename the asset")
    op = one_op(members)
    own = {node.key for node in members}
    return _record(
        refusals,
        name,
        task_id,
        ", ".join(_title(node, _hints(refusals, node)) for node in members),
        unit.hints,
        job,
        op=op,
        pools=sorted({pool for node in members for pool in node.pools or ()}),
        assets=keys,
        after=after,
        group=groups.get(task_id, ""),
        inputs=sorted(
            {
                key.to_user_string()
                for node in members
                for key in node.parent_keys
                if key == node.key or key not in own
            }
        ),
    )


def _title(node: AssetNode, hints: Hints) -> str:
    first = (node.description or "").strip().partition("\n")[0]
    return hints.title or first or node.key.to_user_string()


def _record(
    refusals: Refusals,
    name: str,
    task_id: str,
    title: str,
    hints: Sequence[Hints],
    job: dg.JobDefinition,
    op: dg.OpDefinition | None,
    pools: Sequence[str],
    assets: Sequence[str] = (),
    after: Sequence[str] = (),
    group: str = "",
    inputs: Sequence[str] = (),
) -> Task:
    """A task of all that its assets say: what only one can have they must agree on.

    A pool is Airflow's of the same name as Dagster's, where metadata give none. Without tries of
    its own a task that is one op has those of the op's policy; several may take the time of all.
    """
    policy = (op.retry_policy or job.op_retry_policy) if op else None

    def one(word: str, read: Callable[[Hints], Any]) -> Any:
        found = list(dict.fromkeys(given for given in map(read, hints) if given is not None))
        if len(found) > 1:
            told = ", ".join(map(str, found))
            cure = "Give them one, or keep a task an asset"
            refusals.add(name, f"one task has one {word}, and its assets say {told}", cure)
        return found[0] if found else None

    def given(read: Callable[[Hints], int | None]) -> list[int]:
        return [one for one in map(read, hints) if one is not None]

    pool = one("pool", lambda of: of.pool)
    if pool is None and len(pools) > 1:
        told = ", ".join(pools)
        cure = "Name the one of Airflow: metadata {'airflow/pool': …}"
        refusals.add(name, f"one task has one pool, and its ops have {told}", cure)
    runner = one("runner", lambda of: of.runner) or "shell"
    image = one("image", lambda of: of.image)
    if runner == "docker" and image is None:
        cure = "Name one that has the project: metadata {'airflow/image': …}"
        refusals.add(name, "it runs by Docker, and no image is named", cure)
    url = one("docker_url", lambda of: of.docker_url) or DOCKER_URL
    timeouts = given(lambda of: of.timeout)
    of_dagster = (_priority(op.tags) if op else None) or _priority(job.run_tags)
    return Task(
        task_id=task_id,
        title=title,
        assets=tuple(assets),
        after=tuple(after),
        inputs=tuple(inputs),
        group=group,
        runner=runner,
        image=image if runner == "docker" else None,
        docker_url=url if runner == "docker" else None,
        queue=one("queue", lambda of: of.queue),
        pool=pool or next(iter(pools), None),
        priority=max(given(lambda of: of.priority), default=of_dagster),
        retries=max(
            given(lambda of: of.retries), default=policy.max_retries if policy else RETRIES
        ),
        retry_delay=int(policy.delay if policy and policy.delay is not None else RETRY_DELAY),
        backoff=bool(policy and policy.backoff == dg.Backoff.EXPONENTIAL),
        timeout=(max(timeouts) if op else sum(timeouts)) if timeouts else None,
        trigger_rule=one("trigger rule", lambda of: of.trigger_rule),
    )


def _priority(tags: Mapping[str, Any]) -> int | None:
    """The step's or the run's in Dagster, which may be below zero; Airflow's weights begin at 1."""
    text = str(tags.get(PRIORITY_TAG, ""))
    return int(text) if text.isdigit() and int(text) > 0 else None
