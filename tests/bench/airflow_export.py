"""Exporting a graph of 1,000 assets, against loading it as a code location does.

Here: three such graphs, loading and exporting. Loading is the module, the repository and each of
its jobs, after `import dagster`; exporting is the same, then reading the graph and writing the
files. Not here: the files (`airflow_parse.py`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tests.bench.meter import Meter
from tests.bench.project import CHAIN, project
from tests.bench.runner import Bench, DiffersError, Ratio, Side, alternate, cpu

#: What is told of a graph → its jobs, the assets of each, whether assets have conditions too.
GRAPHS = {
    "100 jobs of 10 assets": (100, 10, False),
    "1 job of 1,000 assets": (1, 1000, False),
    "… and 900 conditions": (100, 10, True),
}


def run(bench: Bench) -> list[Ratio]:
    ratios = []
    for number, (what, (jobs, assets, conditions)) in enumerate(GRAPHS.items()):
        folder = bench.folder / f"export_{number}"
        folder.mkdir()
        (folder / "sales.py").write_text(project(jobs, assets, conditions), encoding="utf-8")
        ours = Side("export", "airflow_export:exported", _where(folder))
        peer = Side("load", "airflow_export:loaded", {"folder": str(folder)})
        peer.run()  # compiles the module's byte code
        found = alternate("export", ours, peer, bench.rounds(7))
        facts = found.ours[0]["facts"]
        wanted = jobs * assets + (jobs * assets * (CHAIN - 1) // CHAIN if conditions else 0)
        if facts["tasks"] != wanted:
            raise DiffersError(f"exported: {facts}")
        ratios.append(found.ratio(what, "s", cpu(), 1.5, notes=facts))
    return ratios


def _where(folder: Path) -> dict[str, str]:
    return {"folder": str(folder), "to": str(folder / "dags")}


def loaded(meter: Meter, folder: str) -> dict[str, Any]:
    import dagster  # noqa: F401

    sys.path.insert(0, folder)
    with meter():
        from sales import defs

        repository = defs.get_repository_def()
        jobs = repository.get_all_jobs()
    return {"jobs": len(jobs)}


def exported(meter: Meter, folder: str, to: str) -> dict[str, Any]:
    """Into an empty folder, so that each file is written."""
    import dagster  # noqa: F401

    sys.path.insert(0, folder)
    shutil.rmtree(to, ignore_errors=True)
    with meter():
        from sales import defs

        defs.get_repository_def().get_all_jobs()
        from airflow_bridge.export import Wish, export
        from airflow_bridge.location import Location

        command = "/opt/mine/bin/python -m airflow_bridge"
        wish = Wish(Path(to), command, "python -m airflow_bridge export -m sales --to DIR")
        done = export(Location("sales", "defs", "sales"), wish)
    texts = [path.read_text(encoding="utf-8") for path in Path(to).glob("*.py")]
    assert len(texts) == len(done.changes)
    return {"files": len(texts), "tasks": sum(text.count('"assets": [') for text in texts)}
