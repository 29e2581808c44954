"""Runs that Airflow has and Dagster has not, and the other way round: both are put right.

Here: tasks that failed before the command could make a run (image missing, worker lost) recorded as
failed runs on their assets, and runs ended whose task is gone. Not here: asking Airflow
(`airflow_api.py`), when this is done (`sensor.py`), what a process does of its own (`stop.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlsplit

import dagster as dg
from dagster._check import CheckError
from dagster._core.execution.api import create_execution_plan

from airflow_bridge.airflow_api import Try
from airflow_bridge.errors import BridgeError, UsageError
from airflow_bridge.location import Location, create_run
from airflow_bridge.meaning import Meaning, Request
from airflow_bridge.metadata import PREFIX
from airflow_bridge.record import Dag, Graph, Task
from airflow_bridge.runs import chunks, config_of, cut, origin_tags, tags_of
from airflow_bridge.stop import PROCESS_TAG
from airflow_bridge.tasks import OWN_TASKS

#: What is looked at again each time, as the clocks of Airflow's hosts differ.
OVERLAP = timedelta(minutes=5)

#: How far back the first look goes.
FIRST = timedelta(days=1)

#: A task that is told to end has some seconds for it: 2.11 looks every 14 s, the command takes 5.
GRACE = timedelta(seconds=30)

#: Runs recorded at once: each takes some 0.1 s, and a sensor has a minute.
MOST = 100

#: Of a run that this module recorded.
LOST_TAG = f"{PREFIX}lost"

_RUNNING = ("running", "restarting", "deferred")

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Reader(Protocol):
    """What is asked of `airflow_api.Api`."""

    @property
    def url(self) -> str: ...
    def failed(self, since: datetime, wanted: Any) -> list[Try]: ...
    def earlier(self, one: Try) -> list[Try]: ...
    def task(self, dag_id: str, run_id: str, task_id: str) -> Try | None: ...
    def result(self, dag_id: str, run_id: str, task_id: str) -> Any: ...


@dataclass(frozen=True)
class Put:
    """A run that was recorded or ended, and why."""

    run_id: str
    dag_id: str
    airflow_run_id: str
    task_id: str
    try_number: int
    partition: str
    why: str


@dataclass
class Report:
    """What one look found. `until` is where the next one begins; `problems` are for people."""

    since: str
    until: str
    recorded: list[Put] = field(default_factory=list)
    ended: list[Put] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Lost:
    """A try without a run: the job and assets that it was for, and its partitions as requests."""

    tried: Try
    job: str
    assets: tuple[str, ...]
    meaning: Meaning | None


def sync(
    instance: dg.DagsterInstance,
    location: Location,
    api: Reader,
    graph: Graph,
    prefix: str = "",
    since: str | None = None,
    now: datetime | None = None,
) -> Report:
    """Record what never reached Dagster, and end what Airflow no longer runs. Twice does no more.

    `prefix` is that of the exported DAGs' ids; `since` what the last report said in `until`, or
    another time in ISO 8601, this host's where it has no offset: UsageError where it is none.
    """
    now = now or datetime.now(timezone.utc)
    begin = _moment(since) - OVERLAP if since else now - FIRST
    report = Report(begin.isoformat(), now.isoformat())
    names = Names(graph, prefix)
    left = MOST
    lost = sorted(_lost(instance, api, names, begin, report), key=lambda one: _order(one.tried))
    for one in lost:
        if left <= 0:
            report.until = since or begin.isoformat()
            report.problems.append(f"{len(lost)} tasks are to be recorded; the next look goes on.")
            break
        try:
            made = list(_record(instance, location, one))
        except (BridgeError, dg.DagsterError, CheckError, ValueError) as error:
            # The last two: partitions that the graph no longer has. Else each look would end here.
            first = str(error).strip().partition("\n")[0]
            report.problems.append(f"{_shown(one.tried)} cannot be recorded: {first}")
            continue
        left -= len(made)
        report.recorded += made
    report.ended += _reap(instance, api, names, now)
    return report


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(timezone.utc)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time: give what the last look said in `until`, or one such as "
            "2025-07-02T06:30+09:00."
        ) from None


@dataclass(frozen=True)
class Names:
    """Which DAG of the graph an id of Airflow's stands for."""

    graph: Graph
    prefix: str

    def tasks(self, dag_id: str) -> tuple[str, Mapping[str, Task]] | None:
        """Job and tasks; None: it is not one of ours. `x__v2` is a later version of `x`."""
        if not dag_id.startswith(self.prefix):
            return None
        own = dag_id[len(self.prefix) :]
        dag = self._dags.get(own) or self._dags.get(re.sub(r"__v[0-9]{1,4}$", "", own))
        return (dag.job, {task.task_id: task for task in dag.tasks}) if dag else None

    def known(self, dag_id: str) -> bool:
        return self.tasks(dag_id) is not None

    @cached_property
    def _dags(self) -> Mapping[str, Dag]:
        return {dag.dag_id: dag for dag in self.graph.dags}


def _lost(
    instance: dg.DagsterInstance, api: Reader, names: Names, since: datetime, report: Report
) -> Iterator[Lost]:
    meanings: dict[tuple[str, str], Meaning | None] = {}
    reached: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for last in api.failed(since, names.known):
        run = (last.dag_id, last.run_id)
        if run not in reached:
            reached[run] = _reached(instance, *run)
        before = {(last.task_id, str(number)) for number in range(1, last.number)}
        for one in (*(() if before <= reached[run] else api.earlier(last)), last):
            if (one.task_id, str(one.number)) in reached[run]:
                continue
            known = names.tasks(one.dag_id)
            assert known is not None
            job, tasks = known
            if one.task_id == "done":  # all is made; only the message of it failed
                continue
            if one.task_id in (*tasks, *OWN_TASKS):
                if run not in meanings:
                    meanings[run] = _meaning(api.result(*run, "tick"))
                whole = {key for task in tasks.values() for key in task.assets}
                assets = tasks[one.task_id].assets if one.task_id in tasks else sorted(whole)
                yield Lost(one, job, tuple(assets), meanings[run])
            else:
                report.problems.append(
                    f"{_shown(one)} is no task of the graph: its file is of another version or "
                    "granularity. Export the DAG files again."
                )


def _reached(instance: dg.DagsterInstance, dag_id: str, run_id: str) -> set[tuple[str, str]]:
    """Task and try of each run that a DAG run has in Dagster."""
    tags = {f"{PREFIX}dag_id": dag_id, f"{PREFIX}run_id": run_id}
    runs = instance.get_runs(dg.RunsFilter(tags=tags))
    return {
        (run.tags.get(f"{PREFIX}task_id", ""), run.tags.get(f"{PREFIX}try_number", ""))
        for run in runs
    }


def _meaning(told: Any) -> Meaning | None:
    """What the task `tick` returned; None where it is gone, or nothing of ours."""
    try:
        return Meaning.of(told)
    except (KeyError, TypeError):
        return None


def _record(instance: dg.DagsterInstance, location: Location, lost: Lost) -> Iterator[Put]:
    """A failed run for each request of the DAG run; one without a partition where none is known."""
    one = lost.tried
    repository = location.load()
    keys = {dg.AssetKey.from_user_string(asset) for asset in lost.assets}
    job = cut(repository, lost.job, keys)
    origin = {
        "dag_id": one.dag_id,
        "run_id": one.run_id,
        "task_id": one.task_id,
        "try_number": str(one.number),
        "log_url": one.log_url,
    }
    tags = {**origin_tags(origin), LOST_TAG: "true"}
    why = _why(lost)
    meaning = lost.meaning or Meaning("", [Request("", "", job.run_config or {})], {})
    for asked in meaning.requests:
        if asked.assets is not None and not set(asked.assets) & set(lost.assets):
            continue
        for chunk in chunks(repository, job, keys, asked, {}):
            request = Request(chunk.first, chunk.last, asked.config, asked.tags)
            config = config_of(job, request, meaning.params)
            all_tags = tags_of(job, request, tags)
            plan = create_execution_plan(
                job, config, instance_ref=instance.get_ref(), tags=all_tags
            )
            run = create_run(instance, location, job, keys, plan, all_tags, config)
            instance.report_run_failed(run, why)
            where = (one.dag_id, one.run_id, one.task_id, one.number)
            yield Put(run.run_id, *where, request.shown, why)


def _why(lost: Lost) -> str:
    one = lost.tried
    state = "failed, and is tried again" if one.state == "up_for_retry" else one.state
    where = f" on {one.host}" if one.host else ", on no worker"
    words = [f"Airflow's task never reached Dagster. Airflow says of {_shown(one)}: {state}{where}"]
    words += [f", began {_clock(one.start)}"] * bool(one.start)
    words += [f", ended {_clock(one.end)}"] * bool(one.end)
    words += [". "]
    if lost.meaning is None:
        words += [
            "The task tick, which says the partitions, "
            + ("is the one that failed" if one.task_id == "tick" else "left no result")
            + ", so this is recorded without one. "
        ]
    words += [
        f"Why is in its log, {one.log_url}; where that is empty no worker took it (image missing, "
        "worker lost, broker down), and the scheduler's log tells."
    ]
    return "".join(words)


def _reap(instance: dg.DagsterInstance, api: Reader, names: Names, now: datetime) -> Iterator[Put]:
    """End the runs whose task Airflow no longer runs at that try.

    A re-execution in the UI has its parent's tags, but no task.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        tags = {name.removeprefix(PREFIX): text for name, text in run.tags.items()}
        if run.parent_run_id or not names.known(tags.get("dag_id", "")):
            continue
        where = (tags["dag_id"], tags.get("run_id", ""), tags.get("task_id", ""))
        number = int(tags.get("try_number", "0"))
        found = api.task(*where)
        if found is None:
            # Another Airflow over the same instance may have it.
            if not _same_host(api.url, tags.get("log_url", "")):
                continue
            why = f"{where[2]} of {where[0]}, run {where[1]}, is no longer in Airflow"
        elif _lives(found, number, now):
            continue
        elif found.number == number:
            why = f"Airflow says of {_shown(found)}: {found.state} since {_clock(found.since)}"
        else:
            why = f"Airflow is at {_shown(found)}: {found.state}; this is try {number}"
        process, log = run.tags.get(PROCESS_TAG, "unknown"), tags.get("log_url", "unknown")
        why = f"Its task is gone: {why}. Its process ({process}) did not end the run; log: {log}"
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why)
        partition = run.tags.get("dagster/partition", "")
        yield Put(run.run_id, *where, number, partition, why)


def _lives(found: Try, number: int, now: datetime) -> bool:
    """Whether its process may still be there: it runs, or it ended only just."""
    if found.number < number or (found.number == number and found.state in _RUNNING):
        return True
    return found.since is not None and now - found.since < GRACE


def _same_host(url: str, log_url: str) -> bool:
    return urlsplit(url).netloc == urlsplit(log_url).netloc


def _order(one: Try) -> tuple[datetime, str, int]:
    return one.since or datetime.min.replace(tzinfo=timezone.utc), one.task_id, one.number


def _shown(one: Try) -> str:
    return f"{one.task_id} of {one.dag_id}, run {one.run_id}, try {one.number}"


def _clock(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S %z") if moment else "an unknown time"
