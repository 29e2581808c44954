"""An exported file is one version of its DAG for Airflow 3: at each parse, in any folder, on any
Python. Not here: what the DAG is (`test_real_airflow.py`, `test_round_trip.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_bridge.export import Wish, export
from tests.airflow_bridge.projects import LAKE, PROJECTS, variables
from tests.conftest import absent
from tests.servers.airflow import OTHER_PYTHON, Airflow, install
from tests.servers.postgres import NoServer

pytestmark = pytest.mark.slow

VERSION, PARSES = "3.3.2", 20


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """All that tests export, twice: below a short path and below a long one with a blank."""
    base = tmp_path_factory.mktemp("same")
    both = base / "a", base / "quite another" / "folder"
    with pytest.MonkeyPatch.context() as environment:
        for name, text in variables(base).items():
            environment.setenv(name, text)
        for folder in both:
            for location in (*PROJECTS.values(), LAKE):
                everything = location is LAKE
                export(location, Wish(folder, "bridge", "the test", everything, skip=True))
            (folder / "control.py").write_text(_without_module(folder / "daily.py"))
        yield both


def _without_module(exported: Path) -> str:
    """A DAG whose operators say nothing of their module: that is then the place of the file."""
    lines = exported.read_text().replace('"dag_id": "daily"', '"dag_id": "control"').splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("__module__ =")) + "\n"


@pytest.fixture(scope="module")
def airflows() -> tuple[Airflow, Airflow]:
    try:
        return install(VERSION), install(VERSION, OTHER_PYTHON[VERSION])
    except NoServer as error:
        absent(f"Airflow {VERSION} on two Pythons", error)
        raise AssertionError from None


def test_the_serialized_dag_is_the_same_at_each_parse(
    airflows: tuple[Airflow, Airflow], folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """Twenty processes, each with other hashes of texts; the hash is Airflow's own."""
    parses = [
        _parsed(airflows[number % 2], folders[number // 2 % 2], tmp_path, seed=number)
        for number in range(PARSES)
    ]
    assert len({one["python"].split()[0].rpartition(".")[0] for one in parses}) == 2
    first = parses[0]["dags"]
    assert set(first) == {path.stem for path in folders[0].glob("*.py")}
    assert len(first) > 40
    for one in parses:
        # Nor does Airflow's own look for what varies, such as now(), find anything.
        assert (one["errors"], one["warnings"]) == ({}, [])
        differing = {name for name, dag in one["dags"].items() if dag != first.get(name)}
        assert differing <= {"control"}
    assert len({one["dags"]["control"]["hash"] for one in parses}) == 2
    text = json.dumps({name: dag for name, dag in first.items() if name != "control"})
    assert "unusual_prefix" not in text
    assert str(folders[0].parent) not in text


def _parsed(airflow: Airflow, folder: Path, tmp_path: Path, seed: int) -> Mapping[str, Any]:
    # The configured folder is in every serialized DAG of an Airflow, be the bundle where it may.
    more = {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path), "PYTHONHASHSEED": str(seed)}
    done = airflow.python("versions.py", tmp_path / "home", str(folder), more=more)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
