"""A Dagster graph → the DAGs it becomes, as records; what Airflow cannot have is refused by name.

Here: which jobs, schedules and conditions are exported, and when they run. Not here: their tasks
(`tasks.py`) and the text of the files (`dag_file.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._config import validate_config
from dagster._core.definitions.assets.graph.asset_graph import AssetNode
from dagster._core.definitions.partitions.definition import TimeWindowPartitionsDefinition
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from airflow_bridge.automation import POSSIBLE, automated, automation
from airflow_bridge.location import job_of_condition
from airflow_bridge.metadata import PREFIX, Hints
from airflow_bridge.record import Dag, Graph, Param, Partitions, Task
from airflow_bridge.refusals import Refusal, Refusals
from airflow_bridge.tasks import LONGEST_ID, task_of_ops, tasks_of_assets
from airflow_bridge.ticks import last_tick, least_airflow, windows_of

#: Seconds; an input that comes half a day late is somebody's to look at.
PATIENCE = 12 * 3600

#: An unpartitioned job has no first day; a day before any run is asked for.
_LONG_AGO = datetime(2020, 1, 1)  # noqa: DTZ001 (the zone is the schedule's)

#: Of these none starts a run that a tick could replay: they tell of runs, or carry out conditions,
#: which are DAGs of their own.
_SILENT = (
    *(SensorType.RUN_STATUS, SensorType.FRESHNESS_POLICY),
    *(SensorType.AUTO_MATERIALIZE, SensorType.AUTOMATION),
)

#: Tags that are Dagster's own.
_SYSTEM = re.compile(r"\.?dagster/")

#: Of a tag in Airflow's database.
LONGEST_TAG = 100

_LEAVE_OUT = "Or leave it to Dagster: metadata {'airflow/export': False}"


@dataclass(frozen=True)
class _Timing:
    """What begins the runs of a job, and what it is called in a message."""

    shown: str
    crons: Sequence[str | None]
    zone: str | None = None
    schedule: str | None = None
    condition: str | None = None
    triggers: Sequence[str] = ()


def read_graph(
    repository: dg.RepositoryDefinition, everything: bool = False, granularity: str = "asset"
) -> tuple[Graph, list[Refusal]]:
    """The DAGs of a repository by id, and what of it cannot be one.

    What says `airflow/export: False` is left out unless `everything` is asked for. `granularity` is
    what a task is where a job says nothing of it.
    """
    refusals = Refusals()
    found = [
        *_jobs(refusals, repository, everything, granularity),
        *_conditions(refusals, repository, everything),
    ]
    _sensors(refusals, repository)
    _checks(refusals, repository)
    left_out = _collisions(refusals, found)
    found = [dag for dag in found if dag.dag_id.lower() not in left_out]
    found = _begun(refusals, found)
    return Graph(tuple(sorted(found, key=lambda dag: dag.dag_id))), refusals.found


def left_out(repository: dg.RepositoryDefinition) -> list[str]:
    """The jobs of which they or a schedule say `airflow/export: False`: another fires them."""
    key, found = f"{PREFIX}export", set[str]()
    names = set(repository.job_names) - set(repository.get_implicit_asset_job_names())
    says: list[tuple[str, Mapping[str, Any]]] = []
    for name in names:
        with suppress(dg.DagsterInvalidDefinitionError):  # which is refused by name
            says.append((name, repository.get_job(name).metadata))
    says += [(one.job_name, one.metadata) for one in repository.schedule_defs]
    for name, metadata in says:
        said = metadata.get(key)
        if getattr(said, "value", said) is False:
            found.add(name)
    return sorted(found)


def _jobs(
    refusals: Refusals, repository: dg.RepositoryDefinition, everything: bool, granularity: str
) -> Iterator[Dag]:
    schedules: dict[str, list[dg.ScheduleDefinition]] = {}
    for schedule in sorted(repository.schedule_defs, key=lambda one: one.name):
        schedules.setdefault(schedule.job_name, []).append(schedule)
    default = Hints(granularity=granularity)
    for name in sorted(set(repository.job_names) - set(repository.get_implicit_asset_job_names())):
        try:
            job = repository.get_job(name)
        except dg.DagsterInvalidDefinitionError as error:
            why = f"Dagster itself cannot make it: {error.__cause__ or error}"
            cure = "Mend it; `dagster definitions validate` shows it too"
            refusals.add(f"job {name}", why, cure)
            continue
        hints = refusals.hints(f"job {name}", job.metadata).over(default)
        own: Sequence[dg.ScheduleDefinition | None] = schedules.get(name) or [None]
        for one in own:
            timing = _Timing(f"job {name}", [hints.schedule])
            told, dag_id = hints, name
            if one is not None:
                cron = one.cron_schedule
                crons = [cron] if isinstance(cron, str) else list(cron)
                timing = _Timing(f"schedule {one.name}", crons, one.execution_timezone, one.name)
                told = refusals.hints(timing.shown, one.metadata).over(hints)
                dag_id = one.name if len(own) > 1 or one.has_anonymous_job else name
            if told.export is False and not everything:
                continue
            if one is not None and told.schedule is not None:
                cure = "Take one of them out"
                refusals.add(timing.shown, "its job says airflow/schedule too", cure)
            yield from _dags(refusals, repository, job, timing, told, dag_id)


def _conditions(
    refusals: Refusals, repository: dg.RepositoryDefinition, everything: bool
) -> Iterator[Dag]:
    """A DAG for each asset, or those that only run together, with an automation condition."""
    nodes = sorted(repository.asset_graph.asset_nodes, key=lambda node: str(node.key))
    found = automated(nodes)
    names = repository.get_implicit_asset_job_names() if found else ()
    every = [repository.get_job(name) for name in names]
    complete = not any(map(_missing_config, every))
    for members in found:
        keys = [node.key.to_user_string() for node in members]
        shown = f"asset {', '.join(keys)}"
        hints = Hints()
        for node in members:
            name = f"asset {node.key.to_user_string()}"
            hints = refusals.hints(name, node.metadata).over(hints)
        if hints.export is False and not everything:
            continue
        # Not as a set: a hash of one is 32 of MD5.
        first, *others = [one for node in members if (one := node.automation_condition)]
        when = automation(first) if all(one == first for one in others) else None
        if when is None:
            label = first.get_label() or "one of its own"
            refusals.add(
                shown,
                f"its automation condition ({label}) is none that Airflow has",
                f"Give it one of {POSSIBLE}. {_LEAVE_OUT}",
            )
            continue
        inputs = {key for node in members for key in node.parent_keys} - {n.key for n in members}
        if when.cron is None and not inputs:
            why = "its automation condition waits for updates, and it reads nothing"
            refusals.add(shown, why, f"Give it AutomationCondition.on_cron(…). {_LEAVE_OUT}")
            continue
        triggers = () if when.cron else sorted(key.to_user_string() for key in inputs)
        zone = when.zone if when.cron else None
        timing = _Timing(shown, [when.cron], zone, condition=keys[0], triggers=triggers)
        # Dagster takes 3 ms of 1,000 assets to cut their job down; only a config needs that.
        job = every[0] if complete else job_of_condition(repository, members[0].key)
        yield from _dags(refusals, repository, job, timing, hints, "", members)


def _sensors(refusals: Refusals, repository: dg.RepositoryDefinition) -> None:
    """What starts work in Dagster by itself has no tick to replay; sensors of alerts may stay."""
    for sensor in sorted(repository.sensor_defs, key=lambda one: one.name):
        hints = refusals.hints(f"sensor {sensor.name}", sensor.metadata)
        if hints.export is not False and sensor.sensor_type not in _SILENT:
            refusals.add(
                f"sensor {sensor.name}",
                "it starts runs in Dagster, and no DAG can ask it when",
                "If Dagster's daemon shall go on firing it: metadata {'airflow/export': False}",
            )


def _checks(refusals: Refusals, repository: dg.RepositoryDefinition) -> None:
    """A check that Dagster begins by itself, apart from its asset, is no task."""
    for check in sorted(repository.asset_graph.asset_check_nodes, key=lambda one: one.key):
        name = f"check {check.key.name} of {check.key.asset_key.to_user_string()}"
        left_out = refusals.hints(name, check.metadata).export is False
        if check.automation_condition is not None and not left_out:
            why = "it has an automation condition of its own, and tasks check what they made"
            refusals.add(name, why, f"Give a job of checks a schedule. {_LEAVE_OUT}")


def _dags(
    refusals: Refusals,
    repository: dg.RepositoryDefinition,
    job: dg.JobDefinition,
    timing: _Timing,
    hints: Hints,
    own_id: str,
    members: Sequence[AssetNode] = (),
) -> list[Dag]:
    """One DAG, or none; of several crons one each, as no timetable of Airflow 2 takes several.

    Without an id of its own, as an asset's condition has none, it is called after its first task;
    its assets are `members` then, else all of the job.
    """
    before = len(refusals.found)
    keys = sorted(job.asset_layer.selected_asset_keys, key=str) if not members else ()
    nodes = members or [repository.asset_graph.get(key) for key in keys]
    partitions = job.partitions_def
    if members:
        partitions = next((one.partitions_def for one in members if one.partitions_def), None)
    tasks: tuple[Task, ...]
    if nodes:
        tasks = tasks_of_assets(refusals, job, nodes, hints)
    else:
        tasks = (task_of_ops(refusals, job, hints),)
    if timing.schedule is None:
        _check_config(refusals, timing.shown, job)
    if len(refusals.found) > before:
        return []
    windows = windows_of(partitions)
    zone = timing.zone or (windows.timezone if windows else "UTC")
    leasts = [least_airflow(cron, zone) for cron in timing.crons]
    for cron, least in zip(timing.crons, leasts, strict=True):
        if least is None:
            refusals.add(
                timing.shown,
                f"no Airflow has the ticks of {cron} in {zone}, where clocks change and offsets "
                "are no whole hours",
                f"Give it another zone, or a single time of day. {_LEAVE_OUT}",
            )
    if None in leasts:
        return []
    own = hints.dag_id or own_id or f"auto__{tasks[0].task_id}"
    description = " ".join((job.description or "").split()) if own_id else ""
    patience = PATIENCE if hints.wait is None else hints.wait
    timeout = str(job.run_tags.get(MAX_RUNTIME_SECONDS_TAG, ""))
    return [
        Dag(
            dag_id=own if len(timing.crons) == 1 else f"{own}__{number}",
            job=job.name,
            schedule=timing.schedule,
            condition=timing.condition,
            title=hints.title or description or (own if own_id else tasks[0].title),
            description=description,
            owner=hints.owner or _owner(job, nodes),
            tags=tuple(hints.tags or _tags(refusals, job, nodes)),
            cron=cron,
            zone=zone,
            start=_start(windows, cron if cron != "@once" else None, zone),
            least=least or "",
            triggers=tuple(timing.triggers),
            waits=_outside(repository, nodes) if patience and not timing.triggers else (),
            patience=patience,
            partitions=_partitions(partitions),
            params=tuple(
                Param(name, one["type"], one["default"], one.get("help") or "")
                for name, one in (hints.params or {}).items()
            ),
            messages=tuple(hints.messages or ()),
            tells=tuple(sorted(("failure", "success") if hints.tells is None else hints.tells)),
            catchup=bool(hints.catchup),
            max_active_runs=hints.max_active_runs or 1,
            timeout=hints.run_timeout or (int(timeout) if timeout.isdigit() else None),
            tasks=tasks,
        )
        for number, (cron, least) in enumerate(zip(timing.crons, leasts, strict=True), 1)
    ]


def _outside(repository: dg.RepositoryDefinition, nodes: Sequence[AssetNode]) -> tuple[str, ...]:
    """What `nodes` read and others make."""
    own = {node.key for node in nodes}
    read = {key for node in nodes for key in node.parent_keys} - own
    made = (key for key in read if repository.asset_graph.get(key).is_materializable)
    return tuple(sorted(key.to_user_string() for key in made))


def _check_config(refusals: Refusals, shown: str, job: dg.JobDefinition) -> None:
    """A config that nobody gives is refused; of a schedule, its function may give it."""
    missing = _missing_config(job)
    if missing:
        cure = "Give the job a config, the fields a default, or a schedule that gives them"
        refusals.add(shown, f"nothing gives the config it needs: {missing}", cure)


def _missing_config(job: dg.JobDefinition) -> str:
    """What nothing gives of a job's config, or "".

    What the environment gives is not looked up: it is there where tasks run, not where files are
    made.
    """
    if job.partitioned_config is not None and job.partitions_def is not None:
        return ""
    found = validate_config(job.run_config_schema.config_type, job.run_config or {})
    return " ".join(one.message.split("\n")[0] for one in found.errors or ())


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


def _tags(refusals: Refusals, job: dg.JobDefinition, nodes: Sequence[AssetNode]) -> Sequence[str]:
    """Those of the job's assets, where the job itself gives none; else what Dagster calls so."""
    for node in nodes:
        tags = refusals.hints(f"asset {node.key.to_user_string()}", node.metadata).tags
        if tags:
            return tags
    told = ((key, value) for key, value in job.tags.items() if not _SYSTEM.match(key))
    return sorted((f"{key}:{value}" if value else key)[:LONGEST_TAG] for key, value in told)


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


# -- all of them together


def _collisions(refusals: Refusals, dags: Sequence[Dag]) -> set[str]:
    """The ids, in small letters, that no file can have.

    Airflow takes two files of one id for one DAG; two ids that differ in case are one file.
    """
    found = set[str]()
    ids: dict[str, list[Dag]] = {}
    for dag in dags:
        ids.setdefault(dag.dag_id.lower(), []).append(dag)
    for same, own in ids.items():
        if len(own) > 1:
            who = " and ".join(f"job {dag.job} (schedule {dag.schedule})" for dag in own)
            cure = "Give one another id: metadata {'airflow/dag_id': …} of its schedule or job"
            refusals.add(f"DAG {own[0].dag_id}", f"{who} are one id", cure)
            found.add(same)
        if len(same) > LONGEST_ID:
            cure = "Give it a shorter one: metadata {'airflow/dag_id': …}"
            refusals.add(f"job {own[0].job}", f"its DAG id has {len(same)} characters", cure)
            found.add(same)
    return found


def _begun(refusals: Refusals, dags: Sequence[Dag]) -> list[Dag]:
    """Without the DAGs that nothing would ever begin, as no other one updates what they read.

    The others wait for nothing that Airflow never sees updated.
    """
    alive = list(dags)
    while True:
        made = {asset for dag in alive for task in dag.tasks for asset in task.assets}
        dead = [dag for dag in alive if dag.triggers and not made & set(dag.triggers)]
        for dag in dead:
            alive.remove(dag)
            refusals.add(
                f"asset {', '.join(dag.tasks[0].assets)}",
                f"nothing that is exported updates {', '.join(dag.triggers)}, which it waits for",
                f"Export a job that does. {_LEAVE_OUT}",
            )
        if not dead:
            return [
                replace(dag, triggers=tuple(one for one in dag.triggers if one in made))
                for dag in alive
            ]
