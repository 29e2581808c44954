"""DAGs as files: the text of each, written whole or not at all, and how a folder differs from it.

Here: literals, the header, writing, checking and pruning. Not here: what is exported (`graph.py`)
and the code in the files (`prelude.py`, copied as it is).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow_bridge.drift import differences, gone_tasks
from airflow_bridge.errors import UsageError
from airflow_bridge.graph import LONGEST_ID, Dag, Refusal, Refused, Task, read_graph
from airflow_bridge.location import Location
from airflow_bridge.metadata import PARAM_TYPES

if TYPE_CHECKING:
    import dagster as dg

#: The first line of each file: whether it is one of ours, of which code location, and how prefixed.
_MARK = "# airflow-bridge {version}: {module}, location {location}{prefix}. Generated; do not edit."
_MARKED = re.compile(
    r"# airflow-bridge \S+: (\S+), location (.+?)(?:, prefix ([\w.-]+))?\. Generated; do not edit\."
)
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{0,50}")

#: A DAG that lost tasks and goes on under a new id, so that the old one's history stays to be seen.
_VERSION = re.compile(r"(.+)__v([0-9]{1,4})")

_WIDE = 100

#: Seconds; where the wait between tries grows, it grows to this.
LONGEST_DELAY = 3600


Removed: TypeAlias = Literal["refuse", "allow", "version"]


def removed(allow: bool, version: bool) -> Removed:
    """What becomes of a DAG that would lose tasks, by two options that exclude each other."""
    return "allow" if allow else "version" if version else "refuse"


@dataclass(frozen=True)
class Wish:
    """What an export is asked for. `command` is what tasks call, `remake` what made the files.

    `skip`: what cannot be exported is left out and told, else nothing is written. A DAG that would
    lose tasks is refused, unless `removed` says "allow", or "version": then it goes on under a new
    id. `prefix` begins each id, for a trial beside the DAGs of the same names.
    """

    folder: Path
    command: str
    remake: str
    everything: bool = False
    prune: bool = False
    write: bool = True
    skip: bool = False
    removed: Removed = "refuse"
    prefix: str = ""


@dataclass(frozen=True)
class Change:
    """A file that is, or would be, `new`, `changed`, `left over` or `removed`, and in what."""

    name: str
    kind: str
    details: Sequence[str] = ()
    gone: Sequence[str] = ()


@dataclass(frozen=True)
class Exported:
    """What became of a folder, or would; `same` files were left as they are."""

    changes: Sequence[Change]
    same: int
    skipped: Sequence[Refusal] = ()

    @property
    def differs(self) -> bool:
        return bool(self.changes)


def export(location: Location, wish: Wish) -> Exported:
    """Write the DAG files of a code location into a folder, or say how it differs.

    All files are made before the first is written, and each is put in place at once; those that are
    as they should be keep their time, so that Airflow does not parse them again.
    """
    if not _PREFIX.fullmatch(wish.prefix):
        raise UsageError(
            f"The prefix is {wish.prefix!r}; allowed: letters, digits, _ . - up to 50."
        )
    repository = location.load()
    try:
        made, changes = _planned(repository, location, wish)
        if wish.write:
            wish.folder.mkdir(parents=True, exist_ok=True)
            for change in changes:
                _carry_out(wish.folder, change, made.files)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}. Name a folder with --to.") from None
    changed = sum(change.name in made.files for change in changes)
    return Exported(changes, len(made.files) - changed, made.skipped)


@dataclass(frozen=True)
class _Rendered:
    """Files by name; `bases` has the ids that their DAGs have in the graph, before any version."""

    files: Mapping[str, str]
    bases: Mapping[str, str]
    skipped: Sequence[Refusal]


def _planned(
    repository: dg.RepositoryDefinition, location: Location, wish: Wish
) -> tuple[_Rendered, list[Change]]:
    """The files, and what of the folder is to change."""
    versions = _versions(location, wish)
    made = _render(repository, location, wish, versions)
    changes = list(_changes(location, wish, made.files))
    losing = [one for one in changes if one.gone]
    if losing and wish.removed == "refuse" and wish.write:
        raise _refused(losing)
    if not losing or wish.removed != "version":
        return made, changes
    for one in losing:
        base = made.bases[one.name]
        number = versions.get(base, 1) + 1
        while f"{base}__v{number}" in made.bases.values():  # which a job is called itself
            number += 1
        versions[base] = number
    made = _render(repository, location, wish, versions)
    return made, list(_changes(location, wish, made.files, [one.name for one in losing]))


def _refused(losing: Sequence[Change]) -> UsageError:
    lines = "".join(f"\n  {one.name}: {', '.join(one.gone)}" for one in losing)
    return UsageError(
        "Nothing was exported; tasks would be gone, and Airflow shows nothing of what they did "
        f"before:{lines}\nIf that is meant: --allow-removed. --new-version goes on under a new DAG "
        "id (…__v2) and leaves the history of the old one to be seen."
    )


def render(location: Location, wish: Wish) -> dict[str, str]:
    """File name → text, of every DAG; the same graph gives the same bytes in the same folder."""
    return dict(_render(location.load(), location, wish, _versions(location, wish)).files)


def _render(
    repository: dg.RepositoryDefinition,
    location: Location,
    wish: Wish,
    versions: Mapping[str, int],
) -> _Rendered:
    found, refusals = read_graph(repository, wish.everything)
    ids = [wish.prefix + dag.dag_id for dag in found]
    dags = [
        replace(dag, dag_id=_id(one, versions, ids)) for dag, one in zip(found, ids, strict=True)
    ]
    long = [dag for dag in dags if len(dag.dag_id) > LONGEST_ID]
    cure = "Shorten the prefix"
    refusals += [Refusal(f"DAG {dag.dag_id}", "its id is too long", cure) for dag in long]
    if refusals and not wish.skip:
        raise Refused(refusals)
    made_by = {asset: dag.dag_id for dag in dags for task in dag.tasks for asset in task.assets}
    prelude = Path(__file__).with_name("prelude.py").read_text(encoding="utf-8")
    kept = [(base, dag) for base, dag in zip(ids, dags, strict=True) if dag not in long]
    return _Rendered(
        {f"{dag.dag_id}.py": _file(location, wish, dag, made_by, prelude) for _, dag in kept},
        {f"{dag.dag_id}.py": base for base, dag in kept},
        refusals,
    )


def _id(dag_id: str, versions: Mapping[str, int], ids: Sequence[str]) -> str:
    """The id that a DAG goes on under; `x__v2` may also be what a job is called."""
    later = f"{dag_id}__v{versions.get(dag_id)}"
    return later if dag_id in versions and later not in ids else dag_id


def _versions(location: Location, wish: Wish) -> dict[str, int]:
    """DAG id → the version it goes on under, which is told by the name of its file."""
    found: dict[str, int] = {}
    for path in _ours(location, wish):
        version_of = _VERSION.fullmatch(path.stem)
        if version_of:
            found[version_of[1]] = max(int(version_of[2]), found.get(version_of[1], 0))
    return found


def _ours(location: Location, wish: Wish) -> Iterator[Path]:
    """The files of the folder that exports of this location and prefix wrote."""
    for path in sorted(wish.folder.glob("*.py")):
        with path.open(encoding="utf-8", errors="replace") as file:
            mark = _MARKED.match(file.readline())
        if mark and mark.groups() == (location.module, location.name, wish.prefix or None):
            yield path


def show(done: Exported, wish: Wish, as_json: bool) -> str:
    """What to tell of it."""
    if as_json:
        told = {"folder": str(wish.folder), "written": wish.write, "same": done.same}
        told["changes"] = [vars(change) for change in done.changes]
        told["skipped"] = [vars(one) for one in done.skipped]
        return json.dumps(told, ensure_ascii=False, indent=2)
    lines = [f"skipped   {one}" for one in done.skipped]
    for one in done.changes:
        lines += [f"{one.kind:9} {one.name}", *(f"          {detail}" for detail in one.details)]
    where = f"{wish.folder}: {done.same} as it should be, {len(done.changes)} "
    return "\n".join([*lines, where + ("changed" if wish.write else "to change")])


def _changes(
    location: Location, wish: Wish, files: Mapping[str, str], replaced: Sequence[str] = ()
) -> Iterator[Change]:
    """What of the folder is not as `files` have it; `replaced` are removed even without `prune`."""
    for name, text in files.items():
        path = wish.folder / name
        if not path.exists():
            yield Change(name, "new")
            continue
        found = path.read_text(encoding="utf-8", errors="replace")
        if not _MARKED.match(found):
            raise UsageError(
                f"{path} was not written by an export and has the name of a DAG file. Move it, or "
                "export into another folder."
            )
        if found != text:
            yield Change(name, "changed", differences(found, text), gone_tasks(found, text))
    for path in _ours(location, wish):
        if path.name not in files:
            gone = wish.prune or path.name in replaced
            yield Change(path.name, "removed" if gone else "left over")


def _carry_out(folder: Path, change: Change, files: Mapping[str, str]) -> None:
    path = folder / change.name
    if change.kind == "removed":
        path.unlink()
    elif change.name in files:
        # Airflow reads *.py only, at any moment.
        hidden = folder / f".{change.name}.{uuid.uuid4().hex}"
        try:
            hidden.write_text(files[change.name], encoding="utf-8")
            os.replace(hidden, path)  # noqa: PTH105 (the atomic one)
        finally:
            hidden.unlink(missing_ok=True)


# -- the text of a file


def _file(
    location: Location, wish: Wish, dag: Dag, made_by: Mapping[str, str], prelude: str
) -> str:
    mark = _MARK.format(
        version=version("airflow-bridge"),
        module=location.module,
        location=location.name,
        prefix=wish.prefix and f", prefix {wish.prefix}",
    )
    remake = f"# Written again by: {wish.remake}"
    spec = literal(_spec(location, wish, dag, made_by))
    return f"{mark}\n{remake}\nPIPELINE = {spec}\n\n{prelude}"


def _spec(location: Location, wish: Wish, dag: Dag, made_by: Mapping[str, str]) -> dict[str, Any]:
    """All that a file holds of its pipeline; the prelude makes the DAG of it."""
    shared, own = _arguments(dag)
    tasks = [
        {
            "assets": list(task.assets),
            "after": list(task.after),
            **({"group": task.group} if task.group else {}),
            "task": {"task_id": task.task_id, **mine, "doc_md": task.title},
        }
        for task, mine in zip(dag.tasks, own, strict=True)
    ]
    return {
        "title": dag.title,
        "schedule": dag.cron,
        "timezone": dag.zone,
        "start_date": dag.start,
        **({} if dag.least == "2.2" else {"airflow": dag.least}),
        "dag": {
            "dag_id": dag.dag_id,
            "description": dag.description or dag.title,
            "tags": list(dag.hints.tags or ()),
            "catchup": False,
            "max_active_runs": 1,
            "doc_md": _document(dag, made_by),
        },
        "default_args": {"owner": dag.owner, **shared},
        "params": _params(dag),
        "messages": list(dag.hints.messages or ()),
        "command": _command(location, wish, dag),
        "tasks": tasks,
    }


def _command(location: Location, wish: Wish, dag: Dag) -> str:
    words = ["run", "--module", location.module]
    if location.attribute != "defs":
        words += ["--attribute", location.attribute]
    words += ["--location", location.name, "--job", dag.job]
    words += ["--schedule", dag.schedule] if dag.schedule else []
    return f"{wish.command} {shlex.join(words)}"


def _task_arguments(task: Task) -> dict[str, Any]:
    """Where and how often a task runs, in Airflow's words."""
    hints = task.hints
    told = {
        "queue": hints.queue,
        "priority_weight": hints.priority,
        "retries": hints.retries,
        "retry_delay": task.retry_delay,
        "retry_exponential_backoff": task.backoff,
        "max_retry_delay": max(LONGEST_DELAY, task.retry_delay) if task.backoff else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _arguments(dag: Dag) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all tasks are told, as the first one has it (`tick` too), and where others differ.

    A pool belongs to the task that has it: resolving a tick takes nothing from a source system.
    """
    every = [_task_arguments(task) for task in dag.tasks]
    shared = {name: value for name, value in every[0].items() if all(name in one for one in every)}
    own = [
        {name: value for name, value in one.items() if shared.get(name) != value} for one in every
    ]
    for mine, task in zip(own, dag.tasks, strict=True):
        if task.hints.pool:
            mine["pool"] = task.hints.pool
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
    for name, param in (dag.hints.params or {}).items():
        found[name] = {"default": param["default"], **PARAM_TYPES[param["type"]]}
        if param.get("help"):
            found[name]["description"] = param["help"]
    return found


def _document(dag: Dag, made_by: Mapping[str, str]) -> str:
    """What Airflow shows of a DAG, in Markdown."""
    lines = [f"### {dag.title}", "", f"Owner: {dag.owner}", ""]
    if dag.description not in ("", dag.title):
        lines[2:2] = [dag.description, ""]
    lines += ["| asset | | made from |", "|---|---|---|"]
    inside = {asset for task in dag.tasks for asset in task.assets}
    upstream: set[str] = set()
    for task in dag.tasks:
        upstream |= {made_by[one] for one in task.inputs if one in made_by and one not in inside}
        cells = (", ".join(task.assets), task.title, ", ".join(task.inputs))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if upstream:
        lines += ["", f"Reads what these DAGs make: {', '.join(sorted(upstream))}"]
    return "\n".join(lines) + "\n"


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
