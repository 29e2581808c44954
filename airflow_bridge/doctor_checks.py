"""The checks of the doctor: of each what was found, and what to do.

Here: files, Airflow and what it has, live workers, clocks, the command of tasks, Dagster's own
instance. Not here: running the checks (`doctor.py`), asking Airflow (`airflow_cli.py`), making
what is missing (`setup.py`).
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from airflow_bridge.airflow_cli import Airflow, AirflowError, called, hidden, last_line, reason
from airflow_bridge.dag_file import HEADER
from airflow_bridge.drift import read_pipeline
from airflow_bridge.setup import LOST, Needs, connection_command, needs

#: Seconds that another clock may be ahead or behind, before a warning and before a failure.
CLOCK_WARNING, CLOCK_FAILURE = 5.0, 60.0

#: The first Airflow that files run on, and the first that nobody has tried.
OLDEST, UNTRIED = (2, 2), (4, 0)

#: What a connection of a type must have for a message; of any other type an address.
_MESSAGE = {"webex": ("password", "room"), "slack": ("password or url",)}
_ANY = ("password or url",)

Result = Literal["ok", "warning", "failed", "not tried"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, or not, and what was found; `cure` is what to do."""

    subject: str
    name: str
    result: Result
    found: str
    cure: str = ""


@dataclass(frozen=True)
class DagFile:
    """An exported file: what wrote it, and its pipeline, or None where that cannot be read."""

    path: Path
    version: str
    location: str
    remake: str
    pipeline: Mapping[str, Any] | None

    def command(self) -> tuple[str, ...]:
        """What its tasks call, before what they ask of it."""
        call: str = (self.pipeline or {})["command"]
        return tuple(shlex.split(call.rpartition(" run --module ")[0] or call))

    def dockers(self) -> list[Mapping[str, Any]]:
        """Where its tasks that run in containers have them."""
        return [one["docker"] for one in (self.pipeline or {}).get("tasks", ()) if "docker" in one]

    def arguments(self) -> Iterator[Mapping[str, Any]]:
        """Of each task, the first one that asks for the tick too, what the operator is given."""
        shared = (self.pipeline or {}).get("default_args", {})
        yield shared
        for one in (self.pipeline or {}).get("tasks", ()):
            yield {**shared, **one["task"]}


def read_files(folder: Path, module: str, location: str) -> list[DagFile]:
    """The files of the folder that exports of this location wrote, read and not run."""
    found = []
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        mark = HEADER.match(text)
        if mark and mark.group("module", "location") == (module, location):
            remake = mark["remake"] or ""
            found.append(DagFile(path, mark["version"], location, remake, read_pipeline(text)))
    return found


def needs_of_files(files: Sequence[DagFile]) -> Needs:
    """What the tasks of the files name."""
    given = [one for file in files for one in file.arguments()]
    return needs(
        [one.get("pool") for one in given],
        [one.get("queue") for one in given],
        [(one.pipeline or {}).get("messages", ()) for one in files],
        [(one["docker_url"] or "", one["image"]) for file in files for one in file.dockers()],
    )


# -- the files


def of_files(files: Sequence[DagFile], folder: Path) -> Iterator[Check]:
    if not files:
        where = f"{folder} has no file that an export of this location wrote"
        yield Check("files", "found", "failed", where, "export them, or name another folder")
        return
    yield Check("files", "found", "ok", f"{_many(len(files), 'file')} in {folder}")
    here = version("airflow-bridge")
    others = [one for one in files if one.version != here]
    if others:
        made = ", ".join(f"{one} ({n})" for one, n in Counter(f.version for f in others).items())
        yield Check(
            "files",
            "version",
            "failed",
            f"{_names(others)}: written by airflow-bridge {made}, here is {here}",
            f"write them again: {others[0].remake}",
        )
    else:
        yield Check("files", "version", "ok", f"all written by airflow-bridge {here}")
    broken = [one for one in files if one.pipeline is None]
    if broken:
        found = f"{_names(broken)}: changed by hand, and no longer readable"
        yield Check("files", "text", "failed", found, f"write again: {broken[0].remake}")


# -- Airflow


def of_airflow(airflow: Airflow, files: Sequence[DagFile]) -> Iterator[Check]:
    facts = airflow.ask("facts")
    has = _numbers(facts["version"])
    found = f"{facts['version']}, {airflow.program}"
    if has < OLDEST:
        cure = "Airflow 2.2 is the first that exported files run on"
        yield Check("airflow", "version", "failed", found, cure)
    elif has >= UNTRIED:
        yield Check("airflow", "version", "warning", found, "not tried beyond 3.x: try it first")
    else:
        yield Check("airflow", "version", "ok", found)
    for least in sorted({(one.pipeline or {}).get("airflow", "2.2") for one in files}):
        new = [one for one in files if (one.pipeline or {}).get("airflow", "2.2") == least]
        if has < _numbers(least):
            cure = f"upgrade Airflow to {least}, or choose a cron with fewer ticks a day"
            yield Check("airflow", "least", "failed", f"{_names(new)}: from {least}", cure)
    option, seconds = facts["lost"]
    found = f"a task of a dead worker is noticed after {seconds} s"
    if seconds > LOST:
        cure = f"for the scheduler: [scheduler] {option} = {LOST}, if runs shall end within 5 min"
        yield Check("airflow", "lost tasks", "warning", found, cure)
    else:
        yield Check("airflow", "lost tasks", "ok", found)
    folder = Path(facts["folder"])
    strangers = [one for one in files if not one.path.resolve().is_relative_to(folder.resolve())]
    if strangers and has < (3, 0):
        cure = f"export to {folder}, or mount the folder there (dags_folder)"
        found = f"Airflow reads {folder}, the files are in {strangers[0].path.parent}"
        yield Check("airflow", "folder", "warning", found, cure)


def of_load(airflow: Airflow, files: Sequence[DagFile]) -> Iterator[Check]:
    if not files:
        return
    errors = airflow.ask("files", *(str(one.path) for one in files))["errors"]
    for path, error in errors.items():
        cure = (
            "see all of it: airflow dags list-import-errors (from 2.3), or the log of the scheduler"
        )
        yield Check("files", "load", "failed", f"{Path(path).name}: {hidden(error)}", cure)
    if not errors:
        yield Check("files", "load", "ok", "this Airflow loads them all")


def of_database(airflow: Airflow, files: Sequence[DagFile]) -> Iterator[Check]:
    wanted = needs_of_files(files)
    found = airflow.ask("database", *wanted.connections)
    for name in wanted.pools:
        pool = found["pools"].get(name)
        if pool is None:
            why = "missing: tasks in it are never started"
            yield Check("pools", name, "failed", why, "`setup --apply` makes it")
        elif pool["slots"] == 0:
            cure = f"airflow pools set {shlex.quote(name)} 1 ''"
            yield Check("pools", name, "warning", "0 slots: nothing in it is started", cure)
        else:
            yield Check("pools", name, "ok", _many(pool["slots"], "slot"))
    for name in wanted.connections:
        yield _connection(name, found["connections"][name])
    yield from _clock("the database of Airflow", found["clock"])


def _connection(name: str, found: Mapping[str, Any] | None) -> Check:
    if found is None:
        why = "missing: nobody hears of failures there"
        return Check("connections", name, "failed", why, connection_command(name))
    if "room" in found["has"] and found["type"] != "webex":
        why = f"{found['type']} with a room: `connections add` makes types generic it has not"
        cure = f"delete it, then: {connection_command(name)}"
        return Check("connections", name, "failed", why, cure)
    lacks = [
        one
        for one in _MESSAGE.get(found["type"], _ANY)
        if not set(one.split(" or ")) & set(found["has"])
    ]
    if lacks:
        cure = (
            "give it in Airflow's UI under Admin, Connections: docs/airflow.md has what each takes"
        )
        return Check("connections", name, "failed", f"{found['type']} without {lacks[0]}", cure)
    return Check("connections", name, "ok", found["type"] or "without a type")


def of_workers(airflow: Airflow, files: Sequence[DagFile]) -> Iterator[Check]:
    found = airflow.ask("workers")
    if found["queues"] is None:
        why = f"not known: {found['executor']} has no Celery workers to ask"
        yield Check("queues", "workers", "not tried", why)
        return
    wanted = sorted({one or found["default"] for one in needs_of_files(files).queues})
    for name in wanted:
        alive = found["queues"].get(name)
        if alive:
            yield Check("queues", name, "ok", f"{_many(len(alive), 'worker')}: {', '.join(alive)}")
        else:
            others = ", ".join(sorted(found["queues"])) or "none"
            why = f"no live worker; queues that have one: {others}"
            cure = f"start one: airflow celery worker -q {shlex.quote(name)}"
            yield Check("queues", name, "failed", why, cure)
    yield from _clock("the broker", found["clock"])


def _clock(whose: str, ahead: float | None) -> Iterator[Check]:
    if ahead is None:
        return
    found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this host's"
    if abs(ahead) <= CLOCK_WARNING:
        yield Check("clocks", whose, "ok", found)
        return
    result: Result = "failed" if abs(ahead) > CLOCK_FAILURE else "warning"
    yield Check(
        "clocks", whose, result, found, "let both hosts take their time from one NTP server"
    )


# -- what tasks call


def of_commands(files: Sequence[DagFile], folder: Path, seconds: float) -> Iterator[Check]:
    """Whether each command of the files is here, of their version, and has their graph."""
    readable = [one for one in files if one.pipeline]
    for words in sorted({one.command() for one in readable}):
        own = [one for one in readable if one.command() == words]
        made = ", ".join(sorted({one.version for one in own}))
        name = shlex.join(words)
        try:
            done = called([*words, "--version"], seconds)
        except AirflowError as error:
            cure = "ask the doctor on a worker, or export with --command as it is called there"
            yield Check("command", name, "failed", error.found, error.cure or cure)
            continue
        told = re.search(r"^airflow-bridge (\S+)$", done.stdout, re.MULTILINE)
        if told is None:
            cure = f"install the airflow-bridge there that wrote the files: {made}"
            why = "does not say the version of its airflow-bridge: older, or another program"
            yield Check("command", name, "failed", why, cure)
        elif told[1] != made:
            why = f"airflow-bridge {told[1]}, and {made} wrote the files"
            cure = "install one version on every worker, and write the files again"
            yield Check("command", name, "failed", why, cure)
        else:
            yield Check("command", name, "ok", f"airflow-bridge {told[1]}, as the files")
        for file in {one.remake: one for one in own}.values():
            yield _drift(file, folder, seconds)


def _drift(file: DagFile, folder: Path, seconds: float) -> Check:
    """What the export that wrote the file says now, made by the command that its tasks call."""
    words, command = shlex.split(file.remake), file.command()
    asked = words[words.index("export") :] if "export" in words else ["export"]
    own = ["--to", str(folder), "--command", shlex.join(command)]
    try:
        done = called([*command, *asked, *own, "--check", "--json"], seconds)
    except AirflowError as error:
        return Check("graph", file.location, "failed", error.found, error.cure)
    try:
        changes = json.loads(done.stdout)["changes"]
    except (ValueError, KeyError, TypeError):
        cure = f"call it by hand and see: {shlex.join([*command, 'export', '--help'])}"
        found = f"cannot be compared: {last_line(done.stderr or done.stdout)}"
        return Check("graph", file.location, "failed", found, cure)
    if not changes:
        return Check("graph", file.location, "ok", "the files are as it has them")
    shown = ", ".join(f"{one['name']} is {one['kind']}" for one in changes[:3])
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    cure = f"see it with --check, then write them again: {file.remake}"
    return Check("graph", file.location, "failed", shown + more, cure)


def of_instance(home: Path | None) -> Iterator[Check]:
    if home is None:
        cure = "set it to the folder with the dagster.yaml of the Dagster UI"
        yield Check("instance", "folder", "failed", "DAGSTER_HOME is not set", cure)
        return
    if not (home / "dagster.yaml").is_file():
        cure = "put the file there that the host of the Dagster UI has, else runs are seen nowhere"
        yield Check("instance", "folder", "failed", f"{home} has no dagster.yaml", cure)
        return
    import dagster as dg

    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            last = next(iter(instance.get_run_records(limit=1)), None)
            where = _where(instance)
    except Exception as error:
        found = f"{home}: {reason(error)}"
        cure = "correct its dagster.yaml, or the variables that it names"
        yield Check("instance", "history", "failed", found, cure)
        return
    told = f"last run {last.create_timestamp:%Y-%m-%d %H:%M} UTC" if last else "no run in it"
    yield Check("instance", "history", "ok", f"{where or 'SQLite'} by {home}, {told}")
    if not where:
        cure = "with more than one worker host, keep it in PostgreSQL: deploy/README.md"
        found = "files of this host: the Dagster UI and other workers must share its disk"
        yield Check("instance", "shared", "warning", found, cure)


def _where(instance: Any) -> str:
    """The server of its history, without who signs in; '' where it is in files."""
    storage = instance.run_storage
    url = next((getattr(storage, one) for one in dir(storage) if one.endswith("_url")), None)
    if not isinstance(url, str) or "://" not in url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme.partition('+')[0]} {parts.hostname}:{parts.port or ''}{parts.path}"


# -- words, and running side by side


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d+", text)[:2])


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _names(files: Sequence[DagFile]) -> str:
    told = ", ".join(one.path.name for one in files[:3])
    return told + (f" and {len(files) - 3} more" if len(files) > 3 else "")
