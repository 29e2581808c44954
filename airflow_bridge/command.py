"""`run`: what a task of an exported DAG calls, in three steps: arguments, work, one line of JSON.

Here: reading what the DAG file passes, standard output kept for the result, exit codes. Not here:
what a tick means (`ticks.py`) and materialising (`materialise.py`), which are imported only once
the arguments are sound.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_bridge.errors import SKIPPED, BridgeError, NotYetError, UsageError

if TYPE_CHECKING:
    import dagster as dg

    from airflow_bridge.location import Location
    from airflow_bridge.meaning import Asker, Meaning

#: What of a DAG run becomes tags `airflow/…` of its Dagster runs.
ORIGIN = ("dag_id", "run_id", "task_id", "try_number", "user", "log_url")


@dataclass(frozen=True)
class Task:
    """What a task calls: the first one of a DAG run gives `tick`, the others assets and `meaning`.

    A job of ops has no assets. With `wait` it is asked whether the inputs of all assets are there.
    `condition` is the asset whose automation condition the DAG is.
    `tick`, `updates`, `meaning` and `origin` are JSON, as the DAG file passes it.
    """

    job: str
    schedule: str | None = None
    condition: str | None = None
    tick: str | None = None
    updates: str = "{}"
    assets: Sequence[str] = ()
    meaning: str | None = None
    wait: bool = False
    origin: str = "{}"


def run(
    location: Location,
    task: Task,
    open_instance: Callable[[], AbstractContextManager[dg.DagsterInstance]],
    codes: Mapping[str, int],
) -> int:
    """Carry out `task`; its result is the last line of standard output. Returns the exit code.

    Airflow keeps the last line of standard output and standard error together, so everything else
    goes to standard error, early, and nothing after the result.
    """
    result = os.dup(1)
    os.dup2(2, 1)
    try:
        code, document = _carry_out(location, task, open_instance, codes)
    except BridgeError as error:
        code, document = error.exit_code, {"ok": False, "error": str(error)}
    if "error" in document:
        print(document["error"], file=sys.stderr)  # noqa: T201
    for failed in document.get("failed", ()):
        print(failed["reason"], file=sys.stderr)  # noqa: T201
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(result, (json.dumps(document, ensure_ascii=False) + "\n").encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if code > 128:
        from airflow_bridge.stop import kill_left

        kill_left()
    return code


def leave(code: int) -> NoReturn:
    """End the process as the interpreter does, but for taking the graph apart object by object.

    That is 0.5 of the 1.7 CPU s of a task, and a second of its slot in Airflow.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def _carry_out(
    location: Location,
    task: Task,
    open_instance: Callable[[], AbstractContextManager[dg.DagsterInstance]],
    codes: Mapping[str, int],
) -> tuple[int, dict[str, Any]]:
    if (task.tick is None) == (task.meaning is None) or (task.assets and not task.meaning):
        raise UsageError("A task gives either --tick, or --meaning and its assets with --asset.")
    if task.tick is not None:
        return _mean(location, task, _json("--tick", task.tick), open_instance)
    from airflow_bridge.meaning import Meaning

    try:
        meaning = Meaning.of(_json("--meaning", task.meaning or ""))
    except (KeyError, TypeError):
        raise UsageError(
            f"--meaning is {task.meaning}, not what the task `tick` of the DAG run gave; clear the "
            "task tick, so that it runs again before this one."
        ) from None
    if task.wait:
        return _wait(location, task, meaning, open_instance)
    from airflow_bridge.materialise import materialise

    origin = {name: str(value) for name, value in _json("--origin", task.origin).items() if value}
    named = {name: origin[name] for name in ORIGIN if name in origin}
    with open_instance() as instance:
        done = materialise(instance, location, task.job, task.assets, meaning, named, codes)
    return done.exit_code, done.document()


def _mean(
    location: Location,
    task: Task,
    asked: Mapping[str, Any],
    open_instance: Callable[[], AbstractContextManager[dg.DagsterInstance]],
) -> tuple[int, dict[str, Any]]:
    from airflow_bridge.materialise import say
    from airflow_bridge.meaning import Asked
    from airflow_bridge.ticks import meaning

    repository = location.load()
    asker = _asker(location, repository, task)
    updates = _json("--updates", task.updates)
    if not isinstance(asked.get("time"), str):
        raise UsageError(
            '--tick has no time; it is JSON such as {"time": "2025-07-02T06:00+09:00"}.'
        )
    asking = Asked(asked["time"], asked.get("conf") or {}, asked.get("params") or {}, updates)
    with open_instance() as instance:
        found = meaning(repository, asker, asking, instance)
    if found.tick:
        say(f"Airflow gave {asking.wish('tick') or asking.time}; the tick is {found.tick}.")
    if found.skip is not None:
        say(f"Skipped: {found.skip}")
        return SKIPPED, found.document()
    say(f"Partitions: {found.shown or 'none, the assets have none'}.")
    return 0, found.document()


def _wait(
    location: Location,
    task: Task,
    meaning: Meaning,
    open_instance: Callable[[], AbstractContextManager[dg.DagsterInstance]],
) -> tuple[int, dict[str, Any]]:
    from airflow_bridge.waits import lacking, shortened

    repository = location.load()
    asker = _asker(location, repository, task)
    with open_instance() as instance:
        names = lacking(repository, asker, meaning, instance)
    if names:
        raise NotYetError(f"Not there as yet: {shortened(names)}.")
    return 0, {"partition": meaning.shown}


def _asker(location: Location, repository: dg.RepositoryDefinition, task: Task) -> Asker:
    """What the DAG is of, in the graph as it is now."""
    import dagster as dg

    from airflow_bridge.automation import automation
    from airflow_bridge.location import job_of_condition
    from airflow_bridge.meaning import Asker

    names = [one.name for one in repository.schedule_defs]
    if task.job not in repository.job_names or task.schedule not in (None, *names):
        raise UsageError(
            f"{location.module} has no job {task.job!r} or no schedule {task.schedule!r}: it is "
            "not what this DAG was exported from. Export the DAG files again."
        )
    if task.condition is None:
        schedule = repository.get_schedule_def(task.schedule) if task.schedule else None
        return Asker(repository.get_job(task.job), schedule)
    key = dg.AssetKey.from_user_string(task.condition)
    condition = repository.asset_graph.has(key) and repository.asset_graph.get(key)
    asked = condition and condition.automation_condition
    when = automation(asked) if asked else None
    if when is None:
        raise UsageError(
            f"{location.module} has no asset {task.condition!r} whose automation condition is "
            "exported: it is not what this DAG was exported from. Export the DAG files again."
        )
    return Asker(job_of_condition(repository, key), automation=when)


def _json(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        # A task's result is text for Airflow, so it arrives as JSON in JSON.
        found = json.loads(found) if isinstance(found, str) else found
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{name} is no JSON object: {text}")
    return found
