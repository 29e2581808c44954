"""The text of a DAG file: a header, the pipeline as literals, and the prelude as it is.

Here: a record in Airflow's words, and literals that are pleasant to read. Not here: what is
exported (`graph.py`), folders and writing (`export.py`), and the code in the files (`prelude.py`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow_bridge.location import Location
from airflow_bridge.metadata import PARAM_TYPES
from airflow_bridge.record import Dag, Graph, Param, Task

#: The first line of each file: whether it is one of ours, of which code location, and how prefixed.
MARK = "# airflow-bridge {version}: {module}, location {location}{prefix}. Generated; do not edit."

#: The first lines of each file, of which the second says how it is written again.
HEADER = re.compile(
    r"# airflow-bridge (?P<version>\S+): (?P<module>\S+), location (?P<location>.+?)"
    r"(?:, prefix (?P<prefix>[\w.-]+))?\. Generated; do not edit\."
    r"(?:\n# Written again by: (?P<remake>.+)\n)?"
)

_WIDE = 100

#: Seconds; to ask takes some 2 CPU s of a worker.
POKE_INTERVAL = 120

#: Seconds; where the wait between tries grows, it grows to this.
LONGEST_DELAY = 3600


@dataclass(frozen=True)
class Origin:
    """What files are made from: `command` is what tasks call, `remake` what wrote the files.

    `prefix` begins each id; `url` is where the Dagster UI is, to link to.
    """

    location: Location
    command: str
    remake: str
    prefix: str = ""
    url: str = ""


@dataclass(frozen=True)
class Neighbours:
    """Asset → the DAGs that make it, that read it, and whose runs its updates begin."""

    made_by: Mapping[str, Sequence[str]]
    read_by: Mapping[str, Sequence[str]]
    begins: Mapping[str, Sequence[str]]


def neighbours(graph: Graph) -> Neighbours:
    """Who makes, reads and waits for what, among the DAGs of `graph`."""
    made_by: dict[str, list[str]] = {}
    read_by: dict[str, list[str]] = {}
    begins: dict[str, list[str]] = {}
    for dag in graph.dags:
        for asset in dict.fromkeys(one for task in dag.tasks for one in task.assets):
            made_by.setdefault(asset, []).append(dag.dag_id)
        for asset in dict.fromkeys(one for task in dag.tasks for one in task.inputs):
            read_by.setdefault(asset, []).append(dag.dag_id)
        for asset in dag.triggers:
            begins.setdefault(asset, []).append(dag.dag_id)
    return Neighbours(made_by, read_by, begins)


def dag_file(origin: Origin, dag: Dag, near: Neighbours) -> str:
    """The whole text of the file of `dag`."""
    mark = MARK.format(
        version=_version(),
        module=origin.location.module,
        location=origin.location.name,
        prefix=origin.prefix and f", prefix {origin.prefix}",
    )
    remake = f"# Written again by: {origin.remake}"
    spec = literal(_spec(origin, dag, near))
    return f"{mark}\n{remake}\nPIPELINE = {spec}\n\n{_prelude()}"


@cache
def _version() -> str:
    return version("airflow-bridge")


@cache
def _prelude() -> str:
    return Path(__file__).with_name("prelude.py").read_text(encoding="utf-8")


def uri(location: Location, asset: str, prefix: str = "") -> str:
    """What an asset is called between DAGs, from Airflow 2.4: ASCII, and a URI on all of them.

    DAGs on trial, which have a prefix, begin none of those beside them.

    >>> uri(Location("m", "defs", "lake"), "raw/주문")
    'dagster://lake/raw/%EC%A3%BC%EB%AC%B8'
    """
    return f"dagster://{quote(prefix + location.name, safe='')}/{quote(asset)}"


def _spec(origin: Origin, dag: Dag, near: Neighbours) -> dict[str, Any]:
    """All that a file holds of its pipeline; the prelude makes the DAG of it."""
    shared, own = _arguments(dag)
    made = [asset for task in dag.tasks for asset in task.assets]
    dockers = [_docker(task) for task in dag.tasks]
    begins = {one for asset in made for one in near.begins.get(asset, ()) if one != dag.dag_id}
    return {
        "title": dag.title,
        "schedule": dag.cron,
        "timezone": dag.zone,
        "start_date": dag.start,
        **({} if dag.least == "2.2" else {"airflow": dag.least}),
        **_some(triggers=[uri(origin.location, one, origin.prefix) for one in dag.triggers]),
        **_some(begins=sorted(begins)),
        "dag": {
            "dag_id": dag.dag_id,
            "description": dag.description or dag.title,
            "tags": list(dag.tags),
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            **_some(dagrun_timeout=dag.timeout),
            "doc_md": _document(origin, dag, near),
        },
        "default_args": {"owner": dag.owner, **shared},
        "params": _params(dag),
        "messages": list(dag.messages),
        "tells": list(dag.tells),
        "command": _command(origin, dag),
        **_some(wait=_wait(dag)),
        # Where all tasks run by Docker, so does the first one: its host may have no project.
        **_some(docker=dockers[0] if all(dockers) else None),
        "tasks": [
            {
                "assets": list(task.assets),
                "after": list(task.after),
                **_some(group=task.group, docker=docker),
                **_some(outlets=[uri(origin.location, one, origin.prefix) for one in task.assets]),
                "task": {"task_id": task.task_id, **mine, "doc_md": task.title},
            }
            for task, docker, mine in zip(dag.tasks, dockers, own, strict=True)
        ],
    }


def _some(**given: Any) -> dict[str, Any]:
    """What there is of it."""
    return {name: value for name, value in given.items() if value}


def _command(origin: Origin, dag: Dag) -> str:
    words = ["run", "--module", origin.location.module]
    if origin.location.attribute != "defs":
        words += ["--attribute", origin.location.attribute]
    words += ["--location", origin.location.name, "--job", dag.job]
    words += ["--schedule", dag.schedule] if dag.schedule else []
    words += ["--condition", dag.condition] if dag.condition else []
    return f"{origin.command} {shlex.join(words)}"


def _wait(dag: Dag) -> dict[str, Any] | None:
    """How often and how long inputs are asked for; a sensor runs in a shell of the worker."""
    if not dag.waits or all(task.runner == "docker" for task in dag.tasks):
        return None
    return {"assets": list(dag.waits), "poke_interval": POKE_INTERVAL, "timeout": dag.patience}


def _docker(task: Task) -> dict[str, Any] | None:
    if task.runner != "docker":
        return None
    return {"image": task.image, "docker_url": task.docker_url}


def _task_arguments(task: Task) -> dict[str, Any]:
    """Where and how often a task runs, in Airflow's words; times in seconds."""
    told = {
        "queue": task.queue,
        "priority_weight": task.priority,
        "retries": task.retries,
        "retry_delay": task.retry_delay,
        "retry_exponential_backoff": task.backoff,
        "max_retry_delay": max(LONGEST_DELAY, task.retry_delay) if task.backoff else None,
        "execution_timeout": task.timeout,
        "trigger_rule": task.trigger_rule,
    }
    return {name: value for name, value in told.items() if value is not None}


def _arguments(dag: Dag) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all tasks are told, as the first one has it (`tick` too), and where others differ.

    A pool belongs to the task that has it: resolving a tick takes nothing from a source system. So
    does a trigger rule.
    """
    every = [_task_arguments(task) for task in dag.tasks]
    shared = {
        name: value
        for name, value in every[0].items()
        if name != "trigger_rule" and all(name in one for one in every)
    }
    own = [
        {name: value for name, value in one.items() if shared.get(name) != value} for one in every
    ]
    for mine, task in zip(own, dag.tasks, strict=True):
        if task.pool:
            mine["pool"] = task.pool
    return shared, own


def _params(dag: Dag) -> dict[str, Any]:
    """The form of a manual run: the partitions to make, and the parameters of the pipeline."""
    found: dict[str, Any] = {}
    if dag.partitions:
        like = f", such as {dag.partitions.example}" if dag.partitions.example else ""
        empty = "; empty: that of the tick" if dag.cron or dag.partitions.in_time else ""
        helps = {"partition": f"one partition{like}{empty}"}
        if dag.partitions.in_time:
            helps["from"] = f"of a range: the first partition{like}"
            helps["to"] = "of a range: the last partition"
        for name, text in helps.items():
            found[name] = {"default": None, "type": ["null", "string"], "description": text}
    return {**found, **{param.name: _param(param) for param in dag.params}}


def _param(param: Param) -> dict[str, Any]:
    return {"default": param.default, **PARAM_TYPES[param.type], **_some(description=param.help)}


def _document(origin: Origin, dag: Dag, near: Neighbours) -> str:
    """What Airflow shows of a DAG, in Markdown."""
    lines = [f"### {dag.title}", ""]
    if dag.description not in ("", dag.title):
        lines += [dag.description.removeprefix(f"{dag.title} – "), ""]
    lines += [f"Owner: {dag.owner}", ""]
    if dag.triggers:
        lines += [
            "Runs when one of these was updated, from Airflow 2.9; all of them, from 2.4; before "
            f"that, when a DAG that makes one has succeeded: {', '.join(dag.triggers)}",
            "",
        ]
    made = {asset for task in dag.tasks for asset in task.assets}
    # A list: 2.11 shows a table's cells without a gap, and 3.3 breaks Korean at each syllable.
    lines += [_line(origin, task) for task in dag.tasks if made]
    inputs = {one for task in dag.tasks for one in task.inputs} - made
    above = {one for asset in inputs for one in near.made_by.get(asset, ())} - {dag.dag_id}
    below = {one for asset in made for one in near.read_by.get(asset, ())} - {dag.dag_id}
    if above:
        lines += ["", f"Reads what these DAGs make: {', '.join(sorted(above))}"]
    if below:
        lines += ["", f"Read by these DAGs: {', '.join(sorted(below))}"]
    if origin.url and not dag.condition:
        lines += ["", f"[{dag.job} in Dagster]({_job_url(origin, dag.job)})"]
    # Airflow 2.4 to 2.9.2 render a DAG's document as a template; Markdown shows this as a brace.
    return re.sub(r"{(?=[{%#])", "&#123;", "\n".join(lines) + "\n")


def _line(origin: Origin, task: Task) -> str:
    """A task's assets, with a link to where the Dagster UI shows them, if that is known."""
    assets = ", ".join(
        f"[{_plain(asset)}]({origin.url}/assets/{quote(asset)})"
        if origin.url
        else f"**{_plain(asset)}**"
        for asset in task.assets
    )
    inputs = ", ".join(map(_plain, task.inputs))
    title = "" if task.title == ", ".join(task.assets) else task.title
    return "- " + " – ".join(filter(None, (assets, title, inputs and f"from {inputs}")))


def _plain(name: str) -> str:
    """A name that Markdown shows as it is; a _ between letters means nothing to it.

    >>> _plain("raw/ar_invoice"), _plain("_x_")
    ('raw/ar_invoice', '\\\\_x\\\\_')
    """
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])|[*`\[\]<>\\]", r"\\\g<0>", name)


def _job_url(origin: Origin, job: str) -> str:
    """Of the one repository that Definitions are to the Dagster UI."""
    return f"{origin.url}/locations/{quote(origin.location.name, safe='')}/jobs/{quote(job)}"


# -- literals


def literal(value: Any, indent: int = 0, before: int = 0) -> str:
    """A Python literal that is pleasant to read: short things on one line, texts line by line.

    `before` characters stand before it on its line.

    >>> literal({"a": [1, 2]})
    '{"a": [1, 2]}'
    """
    flat = _flat(value)
    if indent + before + len(flat) < _WIDE and "\\n" not in flat:
        return flat
    inner, end = " " * (indent + 4), "\n" + " " * indent
    if isinstance(value, dict) and value:
        names = {name: f"{_flat(name)}: " for name in value}
        items = (told + literal(value[name], indent + 4, len(told)) for name, told in names.items())
        return "{\n" + "".join(f"{inner}{item},\n" for item in items) + " " * indent + "}"
    if isinstance(value, list) and value:
        items = (literal(one, indent + 4) for one in value)
        return "[\n" + "".join(f"{inner}{item},\n" for item in items) + " " * indent + "]"
    if isinstance(value, str) and "\n" in value:
        lines = (f"{inner}{_flat(line)}" for line in value.splitlines(keepends=True))
        return "(\n" + "\n".join(lines) + end + ")"
    return flat


def _flat(value: Any) -> str:
    """`repr`, with double quotes around texts where that needs no escape."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(one)}: {_flat(its)}" for one, its in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    told = repr(value)
    if isinstance(value, str) and told.startswith("'") and '"' not in told and "\\'" not in told:
        return f'"{told[1:-1]}"'
    return told
