"""What is exported, between Dagster and the files: frozen, sorted, hashable records.

Here: the records, and the same as JSON, by which two exports, or a graph and what an Airflow made
of its file, are compared. Not here: reading Dagster (`graph.py`, `tasks.py`, `automation.py`) and
the text of files (`dag_file.py`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bool


@dataclass(frozen=True)
class Param:
    """A field of the form of a manual run; `type` is one of `metadata.PARAM_TYPES`."""

    name: str
    type: str
    default: Value
    help: str = ""


@dataclass(frozen=True)
class Task:
    """One task: its assets are materialised together, by one call of the command.

    `assets` is empty where the task is a whole job of ops. `inputs` are the assets that it reads,
    of other jobs too. `retries` counts tries after the first; `retry_delay` and `timeout` are
    seconds, and with `backoff` the delay doubles from try to try. None: as the operator's own
    defaults have it. `trigger_rule` is Airflow's.
    """

    task_id: str
    title: str
    assets: tuple[str, ...]
    after: tuple[str, ...]
    inputs: tuple[str, ...]
    group: str
    runner: str
    image: str | None
    docker_url: str | None
    queue: str | None
    pool: str | None
    priority: int | None
    retries: int
    retry_delay: int
    backoff: bool
    timeout: int | None
    trigger_rule: str | None


@dataclass(frozen=True)
class Partitions:
    """What the partitions of a job are called, by the first of them, and whether they are time."""

    example: str
    in_time: bool


@dataclass(frozen=True)
class Dag:
    """One job and one cron of its schedule; or a job without one; or an asset's own condition.

    `start` is a local time of `zone` (`2025-01-01T00:00`), `timeout` the seconds that a run may
    take, `least` the first Airflow whose timetable has the ticks of `cron`. `condition` is the
    asset (of a multi-asset its first) whose automation condition this is, and any update of
    `triggers`, assets too, begins a run. A run waits at most `patience` seconds for what it reads
    of `waits`, assets that others make.
    """

    dag_id: str
    job: str
    schedule: str | None
    condition: str | None
    title: str
    description: str
    owner: str
    tags: tuple[str, ...]
    cron: str | None
    zone: str
    start: str
    least: str
    triggers: tuple[str, ...]
    waits: tuple[str, ...]
    patience: int
    partitions: Partitions | None
    params: tuple[Param, ...]
    messages: tuple[str, ...]
    tells: tuple[str, ...]
    catchup: bool
    max_active_runs: int
    timeout: int | None
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Graph:
    """The DAGs of a code location, by id."""

    dags: tuple[Dag, ...]

    def document(self) -> list[dict[str, Any]]:
        """The same in the words of JSON."""
        return [asdict(dag) for dag in self.dags]

    @property
    def digest(self) -> str:
        """SHA-256 of the document: the same for the same graph on any machine and Python."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def shown(self, as_json: bool) -> str:
        """The document with its digest, or the DAGs and their tasks for people."""
        if as_json:
            told = {"sha256": self.digest, "dags": self.document()}
            return json.dumps(told, ensure_ascii=False, indent=2)
        lines = []
        for dag in self.dags:
            when = dag.cron and f"{dag.cron} {dag.zone}"
            lines.append(f"{dag.dag_id}: {when or ' | '.join(dag.triggers) or 'by hand'}")
            for task in dag.tasks:
                after = f" after {', '.join(task.after)}" if task.after else ""
                lines.append(f"  {task.task_id}{after}")
        return "\n".join([*lines, f"{len(self.dags)} DAGs, sha256 {self.digest}"])
