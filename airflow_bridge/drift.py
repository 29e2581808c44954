"""How a DAG file differs from what it should be, in an operator's words.

Here: reading what a file holds without running it, and comparing it with the same of another. Not
here: folders, writing, and what is done about it (`export.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

#: Of a file's pipeline → what an operator calls it.
_WORDS = {
    "title": "title",
    "schedule": "schedule",
    "timezone": "time zone",
    "start_date": "start date",
    "airflow": "least Airflow",
    "triggers": "assets whose updates begin a run",
    "begins": "DAGs that a run begins before Airflow 2.4",
    "messages": "who is told",
    "tells": "of what is told",
    "wait": "what is waited for",
    "docker": "container of the first task",
    "command": "command of the tasks",
}

_TASK_WORDS = {
    "assets": "assets",
    "after": "waits for",
    "group": "group",
    "docker": "container",
    "outlets": "updates",
}

_LONGEST = 80


def read_pipeline(text: str) -> dict[str, Any] | None:
    """What the file's `PIPELINE` holds, or None where it is no longer readable as one."""
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PIPELINE":
                found = ast.literal_eval(node.value)
                return found if isinstance(found, dict) else None
    except (SyntaxError, ValueError):
        pass
    return None


def differences(found: str, wanted: str) -> list[str]:
    """Every difference of the file's text `found` from `wanted`; [] where they are equal.

    >>> one, other = (f"PIPELINE = {{'schedule': {cron!r}}}" for cron in ("0 6 * * *", None))
    >>> differences(one, other)
    ['schedule: 0 6 * * *, should be none']
    """
    if found == wanted:
        return []
    old, new = read_pipeline(found), read_pipeline(wanted)
    assert new is not None
    if old is None:
        return ["the pipeline is no longer readable: the file was changed by hand"]
    return list(_pipelines(old, new)) or [_another_code(found)]


def gone_tasks(found: str, wanted: str) -> list[str]:
    """The tasks that the file has and would lose; Airflow shows nothing of a task that is gone."""
    old, new = (_tasks(read_pipeline(text) or {}) for text in (found, wanted))
    return [name for name in old if name not in new]


def _another_code(found: str) -> str:
    made_by = found.partition(":")[0].lstrip("# ")
    return f"the code beside the pipeline: {made_by} wrote it, or it was changed by hand"


def _pipelines(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, word in _WORDS.items():
        yield from _one(word, old.get(name), new.get(name))
    yield from _each("", old.get("dag", {}), new.get("dag", {}))
    yield from _each("all tasks: ", old.get("default_args", {}), new.get("default_args", {}))
    yield from _each("parameter ", old.get("params", {}), new.get("params", {}))
    before, after = _tasks(old), _tasks(new)
    yield from (f"task {name} is gone" for name in before if name not in after)
    yield from (f"task {name} is new" for name in after if name not in before)
    for name in after:
        if name in before:
            yield from _task(f"task {name}: ", before[name], after[name])


def _tasks(pipeline: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one["task"]["task_id"]: one for one in pipeline.get("tasks", ())}


def _task(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, word in _TASK_WORDS.items():
        yield from _one(where + word, old.get(name), new.get(name))
    yield from _each(where, old["task"], new["task"])


def _each(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*new, *old]):
        if name == "doc_md":
            if old.get(name) != new.get(name):
                yield f"{where}documentation"
        else:
            yield from _one(where + name, old.get(name), new.get(name))


def _one(what: str, old: Any, new: Any) -> Iterator[str]:
    if old != new or type(old) is not type(new):
        yield f"{what}: {_shown(old)}, should be {_shown(new)}"


def _shown(value: Any) -> str:
    if value is None or value == [] or value == "":
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
