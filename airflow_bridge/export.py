"""DAGs as files: the text of each, written whole or not at all, and how a folder differs from it.

Here: writing, checking and pruning a folder. Not here: what is exported (`graph.py`), and the text
of a file (`dag_file.py`).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from airflow_bridge.dag_file import HEADER, Origin, dag_file, neighbours
from airflow_bridge.drift import differences, gone_tasks
from airflow_bridge.errors import UsageError
from airflow_bridge.graph import left_out, read_graph
from airflow_bridge.location import Location
from airflow_bridge.record import Graph
from airflow_bridge.refusals import Refusal, Refused
from airflow_bridge.tasks import LONGEST_ID
from airflow_bridge.waits import shortened

if TYPE_CHECKING:
    import dagster as dg

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{0,50}")

#: A DAG that lost tasks and goes on under a new id, so that the old one's history stays to be seen.
_VERSION = re.compile(r"(.+)__v([0-9]{1,4})")

Removed: TypeAlias = Literal["refuse", "allow", "version"]


def removed(allow: bool, version: bool) -> Removed:
    """What becomes of a DAG that would lose tasks, by two options that exclude each other."""
    return "allow" if allow else "version" if version else "refuse"


@dataclass(frozen=True)
class Wish:
    """What an export is asked for. `command` is what tasks call, `program` the export's own call.

    `skip`: what cannot be exported is left out and told, else nothing is written. A DAG that would
    lose tasks is refused, unless `removed` says "allow", or "version": then it goes on under a new
    id. `prefix` begins each id, for a trial beside the DAGs of the same names. `granularity` is
    what a task is where a job does not say, `url` where the Dagster UI is.
    """

    folder: Path
    command: str
    program: str
    everything: bool = False
    prune: bool = False
    write: bool = True
    skip: bool = False
    removed: Removed = "refuse"
    prefix: str = ""
    granularity: str = "asset"
    url: str = ""

    @property
    def remake(self) -> str:
        """What writes the same files again: each file says it in its head."""
        words = [self.program, "--to DIR"]
        words += ["--all"] * self.everything
        words += ["--skip-unmappable"] * self.skip
        words += [f"--granularity {self.granularity}"] * (self.granularity != "asset")
        words += [f"--dag-id-prefix {self.prefix}"] * bool(self.prefix)
        words += [f"--dagster-url {shlex.quote(self.url)}"] * bool(self.url)
        return " ".join(words)


@dataclass(frozen=True)
class Change:
    """A file that is, or would be, `new`, `changed`, `left over` or `removed`, and in what."""

    name: str
    kind: str
    details: Sequence[str] = ()
    gone: Sequence[str] = ()


@dataclass(frozen=True)
class Exported:
    """What became of a folder, or would; `same` files were left as they are, `left` jobs out."""

    changes: Sequence[Change]
    same: int
    skipped: Sequence[Refusal] = ()
    left: Sequence[str] = ()

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
    if wish.url and not wish.url.startswith(("http://", "https://")):
        raise UsageError(f"The Dagster UI is at {wish.url!r}; write it as http://dagster:3000.")
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
    left = [] if wish.everything else left_out(repository)
    return Exported(changes, len(made.files) - changed, made.skipped, left)


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


def graph(location: Location, everything: bool, granularity: str, skip: bool) -> Graph:
    """What would be exported, before any prefix or version of a folder."""
    found, refusals = read_graph(location.load(), everything, granularity)
    if refusals and not skip:
        raise Refused(refusals)
    return found


def render(location: Location, wish: Wish) -> dict[str, str]:
    """File name → text, of every DAG; the same graph gives the same bytes in the same folder."""
    return dict(_render(location.load(), location, wish, _versions(location, wish)).files)


def _render(
    repository: dg.RepositoryDefinition,
    location: Location,
    wish: Wish,
    versions: Mapping[str, int],
) -> _Rendered:
    found, refusals = read_graph(repository, wish.everything, wish.granularity)
    ids = [wish.prefix + dag.dag_id for dag in found.dags]
    dags = [
        replace(dag, dag_id=_id(one, versions, ids))
        for dag, one in zip(found.dags, ids, strict=True)
    ]
    long = [dag for dag in dags if len(dag.dag_id) > LONGEST_ID]
    cure = "Shorten the prefix"
    refusals += [Refusal(f"DAG {dag.dag_id}", "its id is too long", cure) for dag in long]
    if refusals and not wish.skip:
        raise Refused(refusals)
    bases = {dag.dag_id: base for base, dag in zip(ids, dags, strict=True)}
    kept = Graph(tuple(dag for dag in dags if dag not in long))
    origin = Origin(location, wish.command, wish.remake, wish.prefix, wish.url.rstrip("/"))
    near = neighbours(kept)
    return _Rendered(
        {f"{dag.dag_id}.py": dag_file(origin, dag, near) for dag in kept.dags},
        {f"{dag.dag_id}.py": bases[dag.dag_id] for dag in kept.dags},
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
            mark = HEADER.match(file.readline())
        if mark and _is_ours(mark, location, wish):
            yield path


def _is_ours(mark: re.Match[str], location: Location, wish: Wish) -> bool:
    ours = (location.module, location.name, wish.prefix or None)
    return mark.group("module", "location", "prefix") == ours


def show(done: Exported, wish: Wish, as_json: bool) -> str:
    """What to tell of it."""
    if as_json:
        told = {"folder": str(wish.folder), "written": wish.write, "same": done.same}
        told["changes"] = [vars(change) for change in done.changes]
        told["skipped"] = [vars(one) for one in done.skipped]
        told["left"] = list(done.left)
        return json.dumps(told, ensure_ascii=False, indent=2)
    lines = [f"skipped   {one}" for one in done.skipped]
    for one in done.changes:
        lines += [f"{one.kind:9} {one.name}", *(f"          {detail}" for detail in one.details)]
    if not wish.write and wish.removed == "refuse" and any(one.gone for one in done.changes):
        lines.append("To write is refused, as tasks would be gone: --allow-removed, --new-version")
    if done.left:
        shown = shortened(done.left)
        lines.append(f"left out  {shown}: not Airflow's here (airflow/export: False); --all")
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
        mark = HEADER.match(found)
        if not mark or not _is_ours(mark, location, wish):
            line = found.partition(". Generated")[0].lstrip("# ")
            whose = f"is of another export ({line})" if mark else "was not written by an export"
            raise UsageError(
                f"{path} {whose} and has the name of a DAG file. Move it, or export into another "
                "folder."
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
