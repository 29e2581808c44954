"""What a Dagster graph says of Airflow, in the metadata of its assets.

Here: the names of the keys, what each may hold, and reading them with all mistakes at once. Any
Dagster project can write these keys; nothing of the lake is needed. Not here: DAG files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

PREFIX = "airflow/"

_TASK_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")


@dataclass(frozen=True)
class Hints:
    """The `airflow/…` keys of one asset, None where it gives none.

    `retries` counts tries after the first, `priority` is Airflow's priority_weight, `docker_url`
    is a daemon's address (`unix://…`, `tcp://host:2375`).
    """

    tags: Sequence[str] | None = None
    task_id: str | None = None
    queue: str | None = None
    runner: str | None = None
    docker_url: str | None = None
    image: str | None = None
    pool: str | None = None
    priority: int | None = None
    params: Mapping[str, Any] | None = None
    retries: int | None = None


_KINDS: dict[str, type] = {
    "tags": list,
    "params": dict,
    "priority": int,
    "retries": int,
}


def read_hints(name: str, metadata: Mapping[str, Any]) -> Hints:
    """The hints in the metadata of the asset `name`; ValueError names every mistake.

    >>> read_hints("a", {"airflow/queue": "s21", "lake/title": "매출"}).queue
    's21'
    """
    allowed = [field.name for field in fields(Hints)]
    found: dict[str, Any] = {}
    mistakes = []
    for key, wrapped in metadata.items():
        if not key.startswith(PREFIX):
            continue
        word = key.removeprefix(PREFIX)
        value: Any = getattr(wrapped, "value", wrapped)
        kind = _KINDS.get(word, str)
        if word not in allowed:
            mistakes.append(f"{key} is unknown; allowed: {', '.join(allowed)}")
        elif isinstance(value, bool) or not isinstance(value, kind):
            mistakes.append(f"{key} is {value!r}")
        elif word == "runner" and value not in ("shell", "docker"):
            mistakes.append(f"{key} is {value!r}; allowed: shell, docker")
        elif word == "task_id" and not _TASK_ID.fullmatch(str(value)):
            mistakes.append(f"{key} is {value!r}; allowed: letters, digits, _ . - up to 250")
        else:
            found[word] = value
    if mistakes:
        raise ValueError(f"{name}: " + "; ".join(mistakes))
    return Hints(**found)
