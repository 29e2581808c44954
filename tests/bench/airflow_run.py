"""What a task of an exported DAG costs: `lake airflow run`, as the whole process that it is.

Here: the command on one of 100 trivial assets against what any process must do that records a run
(import Dagster, load the graph, open the instance), and against `dagster asset materialize`; one
question of a wait. Not here: Airflow's own task start (`docs/airflow.md`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.meter import Meter
from tests.bench.project import project
from tests.bench.runner import ROOT, Bench, DiffersError, Ratio, Side, alternate, cpu

_ASSET, _DAY = "table_000_000", "2025-01-02"
_MEANING = {"tick": "", "requests": [{"first": _DAY, "last": _DAY}], "params": {}, "skip": None}

_LEAST = """
import dagster as dg
from sales import defs
defs.get_repository_def()
with dg.DagsterInstance.get():
    pass
"""


def run(bench: Bench) -> list[Ratio]:
    folder = bench.folder / "run"
    home = folder / "home"
    (home / "dagster" / "local").mkdir(parents=True)
    (folder / "sales.py").write_text(project(10, 10), encoding="utf-8")
    variables = {
        "PYTHONPATH": f"{folder}:{ROOT}",
        "LAKE_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster" / "local"),
    }

    def side(name: str, *words: str) -> Side:
        return Side(name, "airflow_run:called", {"words": [*words]}, variables)

    lake = str(Path(sys.executable).with_name("lake"))
    task = [lake, "airflow", "run", "-m", "sales", "--job", "sales_000"]
    meaning = ["--meaning", json.dumps(_MEANING)]
    ours = side("run", *task, "--asset", _ASSET, *meaning)
    least = side("least", sys.executable, "-c", _LEAST)
    dagster = str(Path(sys.executable).with_name("dagster"))
    words = ["asset", "materialize", "-m", "sales", "--select", _ASSET, "--partition", _DAY]
    theirs = side("dagster", dagster, *words)
    wait = side("wait", *task, "--wait", *meaning)
    for one in (ours, least, theirs, wait):
        one.run()  # compiles byte code, and makes the instance's tables
    against_least = alternate("run", ours, least, bench.rounds(7))
    against_theirs = alternate("run", ours, theirs, bench.rounds(5))
    waits = alternate("run", wait, least, bench.rounds(7))
    made = json.loads(against_least.ours[-1]["facts"]["last"])
    if made["made"] != {_ASSET: 1}:
        raise DiffersError(f"run: {made}")
    return [
        against_least.ratio("a task: import, load, open", "s", cpu(), 1.2),
        against_theirs.ratio("a task: dagster materialize", "s", cpu(), 0.5),
        waits.ratio("a wait: import, load, open", "s", cpu(), 1.2),
    ]


def called(meter: Meter, words: list[str]) -> dict[str, Any]:
    """The CPU of a process and its children, from start to end; its last line."""
    with meter():
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {"last": (done.stdout.splitlines() or [""])[-1]}
