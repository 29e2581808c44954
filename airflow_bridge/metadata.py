"""What a Dagster graph says of Airflow, in the metadata of its assets, jobs and schedules.

Here: the names of the keys, what each may hold, and reading them with all mistakes at once. Any
Dagster project can write these keys; nothing of the lake is needed. Not here: DAG files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

PREFIX = "airflow/"

_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")


@dataclass(frozen=True)
class Hints:
    """The `airflow/…` keys of one asset, job or schedule, None where it gives none.

    `retries` counts tries after the first, `priority` is Airflow's priority_weight, `timeout` the
    seconds that a task may take, `docker_url` a daemon's address (`unix://…`, `tcp://host:2375`).
    Of jobs and schedules alone: `export` (False: no DAG unless all are asked for), `schedule`
    (`@once`, of a job without one), `dag_id` (kept from an old DAG), `granularity` (what a task
    is), `run_timeout` (seconds), `wait` (seconds for which a run waits for inputs that others make,
    0 for none), `max_active_runs`, `catchup`, `messages` (Airflow connections that are told),
    `tells` (of what, else failure and success), `params` (name: {type, default, help}). An asset
    with an automation condition is a DAG of its own, and takes these too.
    """

    tags: Sequence[str] | None = None
    title: str | None = None
    owner: str | None = None
    task_id: str | None = None
    queue: str | None = None
    runner: str | None = None
    docker_url: str | None = None
    image: str | None = None
    pool: str | None = None
    priority: int | None = None
    params: Mapping[str, Any] | None = None
    retries: int | None = None
    timeout: int | None = None
    trigger_rule: str | None = None
    export: bool | None = None
    schedule: str | None = None
    dag_id: str | None = None
    granularity: str | None = None
    run_timeout: int | None = None
    wait: int | None = None
    max_active_runs: int | None = None
    catchup: bool | None = None
    messages: Sequence[str] | None = None
    tells: Sequence[str] | None = None

    def over(self, other: Hints) -> Hints:
        """What is said here, else what `other` says: the nearer wins."""
        both = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in _FIELDS}
        return Hints(**{name: b if a is None else a for name, (a, b) in both.items()})


_FIELDS = fields(Hints)

_KINDS: dict[str, type] = {
    "tags": list,
    "messages": list,
    "tells": list,
    "params": dict,
    "priority": int,
    "retries": int,
    "timeout": int,
    "run_timeout": int,
    "wait": int,
    "max_active_runs": int,
    "export": bool,
    "catchup": bool,
}

#: What a task is: an asset, all of a group that a job has, or all of the job.
GRANULARITIES = ("asset", "group", "job")

#: What a room may be told of: a task that failed for good, one that is tried again, a success.
TELLS = ("failure", "retry", "success")

_ALLOWED: dict[str, tuple[str, ...]] = {
    "runner": ("shell", "docker"),
    "granularity": GRANULARITIES,
    # Those that every Airflow from 2.2 has, but "dummy".
    "trigger_rule": (
        *("all_success", "all_done", "all_failed", "one_success", "one_failed"),
        *("none_failed", "none_skipped", "none_failed_min_one_success", "always"),
    ),
}

_LEAST = {"retries": 0, "wait": 0, "timeout": 1, "run_timeout": 1, "max_active_runs": 1}

#: The types of a parameter in JSON schema, which is what Airflow's form knows.
PARAM_TYPES = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
}

_PYTHON: dict[str, Any] = {
    "string": str,
    "int": int,
    "float": (int, float),
    "boolean": bool,
    "date": str,
}

#: What a run may be asked for besides its parameters.
RESERVED_PARAMS = ("partition", "from", "to", "tick", "force")


def read_hints(name: str, metadata: Mapping[str, Any]) -> Hints:
    """The hints in the metadata of `name`; ValueError names every mistake.

    >>> read_hints("a", {"airflow/queue": "s21", "lake/title": "매출"}).queue
    's21'
    """
    allowed = [field.name for field in _FIELDS]
    found: dict[str, Any] = {}
    mistakes = []
    for key, wrapped in metadata.items():
        if not key.startswith(PREFIX):
            continue
        word = key.removeprefix(PREFIX)
        value: Any = getattr(wrapped, "value", wrapped)
        if word not in allowed:
            mistakes.append(f"{key} is unknown; allowed: {', '.join(allowed)}")
            continue
        mistake = _mistake(word, value)
        if mistake:
            mistakes.append(f"{key} {mistake}")
        else:
            found[word] = value
    if mistakes:
        raise ValueError(f"{name}: " + "; ".join(mistakes))
    return Hints(**found)


def _mistake(word: str, value: Any) -> str:
    """What is wrong with a value, or ''."""
    kind: Any = _KINDS.get(word, str)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        return f"is {value!r}"
    if value not in _ALLOWED.get(word, (value,)):
        return f"is {value!r}; allowed: {', '.join(_ALLOWED[word])}"
    if word == "schedule" and value != "@once":
        return f"is {value!r}; allowed: @once (anything else is a Dagster schedule)"
    if word in ("task_id", "dag_id") and not _ID.fullmatch(str(value)):
        return f"is {value!r}; allowed: letters, digits, _ . - up to 250"
    if kind is list and not all(isinstance(one, str) and 0 < len(one) <= 100 for one in value):
        return f"is {value!r}; allowed: texts of 1 to 100 characters"
    if word in _LEAST and value < _LEAST[word]:
        return f"is {value!r}; allowed: {_LEAST[word]} and more"
    if word == "tells" and set(value) - set(TELLS):
        return f"is {value!r}; allowed: {', '.join(TELLS)}"
    if word == "params":
        return "; ".join(filter(None, (_param_mistake(*one) for one in value.items())))
    return ""


def _param_mistake(name: str, param: Any) -> str:
    if not name.isidentifier() or name in RESERVED_PARAMS:
        return f"{name!r} is no name; allowed: an identifier, not {', '.join(RESERVED_PARAMS)}"
    if not isinstance(param, dict) or set(param) - {"type", "default", "help"}:
        return f"{name} is {param!r}; allowed: type, default, help"
    kind, default = param.get("type"), param.get("default")
    if kind not in PARAM_TYPES:
        return f"{name}: type is {kind!r}; allowed: {', '.join(PARAM_TYPES)}"
    python = _PYTHON[kind]
    if isinstance(default, bool) != (kind == "boolean") or not isinstance(default, python):
        return f"{name}: default is {default!r}, not of type {kind}"
    return ""
