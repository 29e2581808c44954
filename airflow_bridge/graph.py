"""A Dagster graph → the DAGs it becomes, as records; what Airflow cannot have is refused by name.

Here: which jobs and schedules are exported, their tasks and edges, where and when they run. Not
here: the text of the files (`export.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode
from dagster._core.definitions.partitions.definition import TimeWindowPartitionsDefinition
from dagster._core.definitions.sensor_definition import SensorType

from airflow_bridge.errors import BridgeError
from airflow_bridge.metadata import Hints, read_hints
from airflow_bridge.ticks import last_tick, least_airflow, windows_of

#: Task ids of the prelude.
OWN_TASKS = ("tick", "done")

#: Of a DAG's or a task's id.
LONGEST_ID = 250

#: What the DAGs of today have; Airflow's own default is no other try.
RETRIES, RETRY_DELAY = 1, 300

#: An unpartitioned job has no first day; a day before any run is asked for.
_LONG_AGO = datetime(2020, 1, 1)  # noqa: DTZ001 (the zone is the schedule's)

_RUN_STATUS = (SensorType.RUN_STATUS, SensorType.FRESHNESS_POLICY)


@dataclass(frozen=True)
class Task:
    """One task: its assets are materialised together."""

    task_id: str
    title: str
    assets: Sequence[str]
    after: Sequence[str]
    group: str
    hints: Hints
    retry_delay: int
    backoff: bool
    inputs: Sequence[str]


@dataclass(frozen=True)
class Partitions:
    """What the partitions of a job are called, by the first of them, and whether they are time."""

    example: str
    in_time: bool


@dataclass(frozen=True)
class Dag:
    """One job and its schedule, or one without."""

    dag_id: str
    job: str
    schedule: str | None
    title: str
    description: str
    owner: str
    cron: str | None
    zone: str
    start: str
    least: str
    partitions: Partitions | None
    hints: Hints
    tasks: Sequence[Task]


@dataclass(frozen=True)
class Refusal:
    """Something that has no counterpart in Airflow, or none yet."""

    name: str
    why: str
    cure: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}. {self.cure}."


class Refused(BridgeError):
    """All that stands in the way of an export; nothing was written."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        lines = "\n".join(f"  {one}" for one in refusals)
        super().__init__(f"Nothing was exported; {len(refusals)} to mend:\n{lines}")


_LEAVE_OUT = "Or leave it to Dagster: metadata {'airflow/export': False}"


@dataclass
class _Reader:
    repository: dg.RepositoryDefinition
    everything: bool
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def graph(self) -> AssetGraph:
        return self.repository.asset_graph

    def refuse(self, name: str, why: str, cure: str) -> None:
        self.refusals.append(Refusal(name, why, cure))

    def hints(self, name: str, metadata: Mapping[str, Any]) -> Hints:
        try:
            return read_hints(name, metadata)
        except ValueError as error:
            why = str(error).removeprefix(f"{name}: ")
            self.refuse(name, why, "Correct its metadata")
            return Hints()


def read_dags(repository: dg.RepositoryDefinition, everything: bool = False) -> list[Dag]:
    """The DAGs of a repository by id; `Refused` with all there is to mend."""
    found, refusals = read_graph(repository, everything)
    if refusals:
        raise Refused(refusals)
    return found


def read_graph(
    repository: dg.RepositoryDefinition, everything: bool = False
) -> tuple[list[Dag], list[Refusal]]:
    """The DAGs of a repository by id, and what of it cannot be one.

    What says `airflow/export: False` is left out unless `everything` is asked for.
    """
    reader = _Reader(repository, everything)
    schedules: dict[str, list[dg.ScheduleDefinition]] = {}
    for schedule in sorted(repository.schedule_defs, key=lambda one: one.name):
        schedules.setdefault(schedule.job_name, []).append(schedule)
    found = []
    for name in sorted(repository.job_names):
        if name in repository.get_implicit_asset_job_names():
            continue
        own: Sequence[dg.ScheduleDefinition | None] = schedules.get(name) or [None]
        for one in own:
            found += _dags(reader, name, one, alone=len(own) == 1)
    _sensors(reader)
    left_out = _collisions(reader, found)
    found = [dag for dag in found if dag.dag_id.lower() not in left_out]
    return sorted(found, key=lambda dag: dag.dag_id), reader.refusals


def _sensors(reader: _Reader) -> None:
    """What starts work in Dagster by itself has no tick to replay; sensors of alerts may stay."""
    for sensor in sorted(reader.repository.sensor_defs, key=lambda one: one.name):
        hints = reader.hints(f"sensor {sensor.name}", sensor.metadata)
        if hints.export is not False and sensor.sensor_type not in _RUN_STATUS:
            reader.refuse(
                f"sensor {sensor.name}",
                "it starts runs in Dagster, and no DAG can ask it when",
                "If Dagster's daemon shall go on firing it: metadata {'airflow/export': False}",
            )


def _dags(
    reader: _Reader, job_name: str, schedule: dg.ScheduleDefinition | None, alone: bool
) -> list[Dag]:
    """One DAG, or none; of several crons one each, as no timetable of Airflow 2 takes several."""
    shown = f"schedule {schedule.name}" if schedule else f"job {job_name}"
    before = len(reader.refusals)
    try:
        job = reader.repository.get_job(job_name)
    except dg.DagsterInvalidDefinitionError as error:
        why = f"Dagster itself cannot make it: {error.__cause__ or error}"
        reader.refuse(
            f"job {job_name}", why, "Mend it; `dagster definitions validate` shows it too"
        )
        return []
    hints = reader.hints(f"job {job_name}", job.metadata)
    if schedule is not None:
        hints = reader.hints(shown, schedule.metadata).over(hints)
    if hints.export is False and not reader.everything:
        return []
    cron = schedule.cron_schedule if schedule else hints.schedule
    keys = set(job.asset_layer.selected_asset_keys)
    nodes = [reader.graph.get(key) for key in sorted(keys, key=str)]
    if not nodes or not all(node.is_materializable for node in nodes):
        what = "observes sources" if nodes else "is made of ops"
        reader.refuse(
            f"job {job_name}",
            f"it {what}, and a task materialises assets",
            f"Make it an asset job. {_LEAVE_OUT}",
        )
    if schedule is not None and hints.schedule is not None:
        reader.refuse(shown, "its job says airflow/schedule too", "Take one of them out")
    partitions = job.partitions_def
    tasks = _tasks(reader, f"job {job_name}", nodes, hints)
    if len(reader.refusals) > before:
        return []
    crons = [cron] if cron is None or isinstance(cron, str) else list(cron)
    windows = windows_of(partitions)
    zone = (schedule.execution_timezone if schedule else None) or (
        windows.timezone if windows else "UTC"
    )
    leasts = [least_airflow(one, zone) for one in crons]
    for one in (cron for cron, least in zip(crons, leasts, strict=True) if least is None):
        reader.refuse(
            shown,
            f"no Airflow has the ticks of {one} in {zone}, where clocks change and offsets are no "
            "whole hours",
            f"Give it another zone, or a single time of day. {_LEAVE_OUT}",
        )
    if None in leasts:
        return []
    own = job_name
    if schedule is not None and (not alone or schedule.has_anonymous_job):
        own = schedule.name
    own = hints.dag_id or own
    description = " ".join((job.description or "").split())
    return [
        Dag(
            dag_id=own if len(crons) == 1 else f"{own}__{number}",
            job=job_name,
            schedule=schedule.name if schedule else None,
            title=hints.title or description or own,
            description=description,
            owner=hints.owner or _owner(job, nodes),
            cron=one,
            zone=zone,
            start=_start(windows, one if schedule else None, zone),
            least=least or "",
            partitions=_partitions(partitions),
            hints=hints if hints.tags else Hints(tags=_tags(nodes)).over(hints),
            tasks=tasks,
        )
        for number, (one, least) in enumerate(zip(crons, leasts, strict=True), 1)
    ]


def _partitions(partitions: dg.PartitionsDefinition[Any] | None) -> Partitions | None:
    """What a run may be asked for; partitions that are added while it runs have no example."""
    if partitions is None:
        return None
    if isinstance(partitions, dg.DynamicPartitionsDefinition):
        return Partitions("", False)
    in_time = isinstance(partitions, TimeWindowPartitionsDefinition)
    return Partitions(str(partitions.get_first_partition_key() or ""), in_time)


def _owner(job: dg.JobDefinition, nodes: Sequence[AssetNode]) -> str:
    owners = [*(job.owners or []), *(owner for node in nodes for owner in node.owners)]
    return owners[0] if owners else "airflow"


def _tags(nodes: Sequence[AssetNode]) -> Sequence[str]:
    """Those of the job's assets, where the job itself gives none."""
    return next((tags for node in nodes if (tags := _own_hints(node).tags)), ())


def _start(windows: TimeWindowPartitionsDefinition | None, cron: str | None, zone: str) -> str:
    """The last tick before the first partition, in the schedule's zone.

    The first tick of Airflow's timetable never fires, and a manual run before the start runs no
    task; so it is an interval early.
    """
    first = _LONG_AGO.replace(tzinfo=ZoneInfo(zone))
    if windows is not None:
        first = windows.start.astimezone(ZoneInfo(zone))
    if cron is not None:
        first = last_tick(cron, zone, first)
    return first.strftime("%Y-%m-%dT%H:%M")


# -- tasks


def _tasks(
    reader: _Reader, name: str, nodes: Sequence[AssetNode], of_job: Hints
) -> tuple[Task, ...]:
    """One a unit of execution: an asset, or those of a multi-asset that only run together."""
    units: dict[str, list[AssetNode]] = {}
    unit_of: dict[dg.AssetKey, str] = {}
    for node in nodes:
        if node.key in unit_of:
            continue
        members = [one for one in nodes if one.key in node.execution_set_asset_keys]
        task_id = _task_id(reader, members)
        if task_id in units or task_id in OWN_TASKS:
            other = _names(units[task_id]) if task_id in units else "the exporter itself"
            cure = "Give it another id: metadata {'airflow/task_id': …}"
            reader.refuse(name, f"{_names(members)} and {other} are both task {task_id}", cure)
        units[task_id] = members
        unit_of.update(dict.fromkeys((one.key for one in members), task_id))
    after = {
        task_id: {
            unit_of[parent] for one in members for parent in one.parent_keys if parent in unit_of
        }
        - {task_id}
        for task_id, members in units.items()
    }
    groups = _groups(units)
    tasks = [
        _task(reader, task_id, units[task_id], sorted(after[task_id]), groups, of_job)
        for task_id in _ordered(after)
    ]
    queues = {task.hints.queue for task in tasks}
    if None in queues and len(queues) > 1:
        without = ", ".join(task.task_id for task in tasks if task.hints.queue is None)
        reader.refuse(
            name,
            f"{without} has no queue, and others of the job have one",
            "Give each asset a queue, or the job one for all: metadata {'airflow/queue': …}",
        )
    return tuple(tasks)


def _task_id(reader: _Reader, members: Sequence[AssetNode]) -> str:
    """The id that metadata give, else the key's parts; of a multi-asset its op's name."""
    for node in members:
        given = reader.hints(f"asset {node.key.to_user_string()}", node.metadata).task_id
        if given:
            return given
    first = members[0]
    own = "__".join(first.key.path) if len(members) == 1 else first.assets_def.node_def.name
    slug = re.sub(r"[^A-Za-z0-9_.-]", "_", own)
    if len(slug) > LONGEST_ID:
        cure = "Give it a shorter id: metadata {'airflow/task_id': …}"
        reader.refuse(_names(members), f"its task id would have {len(slug)} characters", cure)
    return slug


def _names(members: Sequence[AssetNode]) -> str:
    return ", ".join(node.key.to_user_string() for node in members)


def _groups(units: Mapping[str, Sequence[AssetNode]]) -> dict[str, str]:
    """Task → its group, where several groups have several tasks each; else nothing is gained."""
    counted = Counter(members[0].group_name for members in units.values())
    shown = {group for group, tasks in counted.items() if tasks > 1 and group not in units}
    if len(shown) < 2:
        return {}
    return {
        task_id: members[0].group_name
        for task_id, members in units.items()
        if members[0].group_name in shown
    }


def _ordered(after: Mapping[str, set[str]]) -> Iterator[str]:
    """Each after those it waits for, else by name."""
    sorter = TopologicalSorter(after)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)


def _task(
    reader: _Reader,
    task_id: str,
    members: Sequence[AssetNode],
    after: Sequence[str],
    groups: Mapping[str, str],
    of_job: Hints,
) -> Task:
    name = f"asset {_names(members)}"
    hints = of_job
    for node in reversed(members):
        own = _own_hints(node)
        hints = own.over(hints)
    if hints.runner == "docker":
        reader.refuse(
            name,
            "it runs by Docker, and tasks that run by the shell are exported as yet",
            "metadata {'airflow/runner': 'shell'}, on a queue whose workers have the project",
        )
    keys = [node.key.to_user_string() for node in members]
    if any(re.search(r"{[{%#]", key) for key in keys):
        reader.refuse(name, "Airflow would read its key as a template", "Rename the asset")
    policy = getattr(members[0].assets_def.node_def, "retry_policy", None)
    if hints.retries is None:
        hints = replace(hints, retries=policy.max_retries if policy else RETRIES)
    return Task(
        task_id=task_id,
        title=", ".join(_title(node) for node in members),
        assets=keys,
        after=after,
        group=groups.get(task_id, ""),
        hints=hints,
        retry_delay=int(policy.delay if policy and policy.delay is not None else RETRY_DELAY),
        backoff=bool(policy and policy.backoff == dg.Backoff.EXPONENTIAL),
        inputs=sorted({key.to_user_string() for node in members for key in node.parent_keys}),
    )


def _own_hints(node: AssetNode) -> Hints:
    """Mistakes in an asset's metadata were refused when its task got its id."""
    try:
        return read_hints("", node.metadata)
    except ValueError:
        return Hints()


def _title(node: AssetNode) -> str:
    first = (node.description or "").strip().partition("\n")[0]
    return _own_hints(node).title or first or node.key.to_user_string()


# -- ids


def _collisions(reader: _Reader, dags: Sequence[Dag]) -> set[str]:
    """The ids, in small letters, that no file can have.

    Airflow takes two files of one id for one DAG; two ids that differ in case are one file.
    """
    found = set[str]()
    for same, count in Counter(dag.dag_id.lower() for dag in dags).items():
        own = [dag for dag in dags if dag.dag_id.lower() == same]
        if count > 1:
            who = " and ".join(f"job {dag.job} (schedule {dag.schedule})" for dag in own)
            cure = "Give one another id: metadata {'airflow/dag_id': …} of its schedule or job"
            reader.refuse(f"DAG {own[0].dag_id}", f"{who} are one id", cure)
            found.add(same)
        if len(same) > LONGEST_ID:
            cure = "Give it a shorter one: metadata {'airflow/dag_id': …}"
            reader.refuse(f"job {own[0].job}", f"its DAG id has {len(same)} characters", cure)
            found.add(same)
    return found
