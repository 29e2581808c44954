"""500 exported files of 10 tasks each, parsed by three Airflows, against the same written by hand.

Here: both folders, the proof that their DAGs are the same, and the parses. Not here: a file by hand
(`dags_by_hand.py`). A parse is one `DagBag` in a process that has parsed a file of the kind before,
so that what an Airflow loads once is on neither side.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_bridge.drift import read_pipeline
from tests.bench.dags_by_hand import ALERTS, by_hand
from tests.bench.project import project
from tests.bench.runner import Bench, DiffersError, Ratio, Side, alternate, cpu
from tests.servers.airflow import VERSIONS, Airflow, install

#: `tick` and `done` are two of the ten tasks of each file.
FILES, ASSETS = 500, 8

#: Of the files of each side that are looked at task by task.
COMPARED = 20


def run(bench: Bench) -> list[Ratio]:
    """Parsed again, as Airflow does all the time, and for the first time, without byte code."""
    base = bench.folder / "airflow"
    source, exported = base / "source", base / "exported"
    source.mkdir(parents=True)
    (source / "sales.py").write_text(project(FILES, ASSETS), encoding="utf-8")
    (base / "shared").mkdir()
    (base / "shared" / "by_hand_alerts.py").write_text(ALERTS, encoding="utf-8")
    where = {"folder": str(source), "to": str(exported)}
    Side("export", "airflow_export:exported", where).run()
    return [ratio for version in VERSIONS for ratio in _ratios(bench, base, version)]


def _ratios(bench: Bench, base: Path, version: str) -> Iterator[Ratio]:
    airflow, exported, peer = install(version), base / "exported", base / f"by_hand_{version}"
    _write_by_hand(version, exported, peer)
    _compare(airflow, base, [exported, peer])
    for what, compiled in (("parsed again", True), ("… without byte code", False)):
        ours, other = (Parse(airflow, base, one, compiled) for one in (exported, peer))
        for side in (ours, other):
            side.run()  # compiles, where it may
        found = alternate(f"dags {version}", ours, other, bench.rounds(5))
        facts = {"dags": FILES, "tasks": FILES * (ASSETS + 2), "errors": 0}
        for one in (*found.ours, *found.peer):
            if one["facts"] != facts:
                raise DiffersError(f"{one['facts']} differs from {facts}")
        yield found.ratio(what, "s", cpu(), 1.2, notes=facts)


@dataclass(frozen=True)
class Parse:
    """A side, in an Airflow's own environment."""

    airflow: Airflow
    base: Path
    folder: Path
    compiled: bool

    def run(self) -> dict[str, Any]:
        if not self.compiled:
            shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)
        more = {} if self.compiled else {"PYTHONDONTWRITEBYTECODE": "1"}
        folders = [str(_some(self.base, self.folder, 1)), str(self.folder)]
        return _told(self.airflow, self.base, "cost.py", folders, more)


def _told(
    airflow: Airflow, base: Path, script: str, words: Sequence[str], more: Mapping[str, str]
) -> dict[str, Any]:
    """What a script in an Airflow tells on its last line."""
    home, shared = base / f"home_{airflow.version}", {"PYTHONPATH": str(base / "shared")}
    done = airflow.python(script, home, *words, more={**shared, **more})
    if done.returncode:
        raise DiffersError(f"{script} in Airflow {airflow.version} failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _some(base: Path, folder: Path, count: int) -> Path:
    """A folder with the first files of another."""
    some = base / f"{count}_of_{folder.name}"
    if not some.exists():
        some.mkdir()
        for path in sorted(folder.glob("*.py"))[:count]:
            shutil.copy(path, some)
    return some


def _write_by_hand(version: str, exported: Path, to: Path) -> None:
    to.mkdir()
    for path in exported.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        templates = {name: _constant(text, name) for name in ("MOMENT", "MEANING")}
        pipeline = read_pipeline(text)
        assert pipeline is not None
        (to / path.name).write_text(by_hand(version, pipeline, templates), encoding="utf-8")


def _constant(text: str, name: str) -> str:
    """A text of the prelude."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return str(ast.literal_eval(node.value))
    raise KeyError(name)


def _compare(airflow: Airflow, base: Path, folders: Sequence[Path]) -> None:
    """That both sides are the same DAGs to Airflow; only the classes of operators differ."""
    dags = []
    for folder in folders:
        some = _some(base, folder, COMPARED)
        found = _told(airflow, base, "parse.py", [str(_some(base, folder, 1)), str(some)], {})
        if found["errors"] or len(found["dags"]) != COMPARED:
            raise DiffersError(
                f"{folder}: {len(found['dags'])} DAGs, {str(found['errors'])[:2000]}"
            )
        for dag in found["dags"].values():
            dag["tags"].sort()  # a set on Airflow 3
            for task in dag["tasks"].values():
                task.pop("type")
        dags.append(found["dags"])
    ours, peer = dags
    for name, dag in ours.items():
        for word, value in dag.items():
            if value != peer[name][word]:
                raise DiffersError(f"{name}: {word} is {value}, by hand {peer[name][word]}")
