"""The bridge's own distribution beside Dagster, and nothing else of this repository.

Here: what is in it, and a project with modules called `resources` and `sensors` exported and run
with it. Not here: the lake with the bridge (`tests/cli`).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_bridge.drift import read_pipeline
from tests.airflow_bridge.conftest import ROOT

pytestmark = pytest.mark.slow

CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
MODULES = {path.name for path in (ROOT / "airflow_bridge").glob("*.py")}

PROJECT = {
    "resources.py": """
import dagster as dg

class Shelf(dg.ConfigurableResource):
    folder: str

    def put(self, name: str, text: str) -> None:
        with open(f"{self.folder}/{name}.txt", "w", encoding="utf-8") as file:
            file.write(text)
""",
    "sensors.py": """
import dagster as dg

@dg.run_failure_sensor
def told(context: dg.RunFailureSensorContext) -> None: ...
""",
    "books.py": """
import dagster as dg
from resources import Shelf
from sensors import told

DAYS = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")

@dg.asset(partitions_def=DAYS, owners=["team:books"], description="대출")
def loans(context: dg.AssetExecutionContext, shelf: Shelf) -> dg.MaterializeResult:
    shelf.put("loans", context.partition_key)
    return dg.MaterializeResult(metadata={"dagster/partition_row_count": 3})

@dg.asset(partitions_def=DAYS, deps=[loans])
def overdue(shelf: Shelf) -> None:
    shelf.put("overdue", "none")

daily = dg.define_asset_job("daily", [loans, overdue])
defs = dg.Definitions(
    assets=[loans, overdue],
    jobs=[daily],
    schedules=[dg.build_schedule_from_partitioned_job(daily, hour_of_day=7)],
    sensors=[told],
    resources={"shelf": Shelf(folder=dg.EnvVar("SHELF"))},
)
""",
}


@dataclass(frozen=True)
class Alone:
    """A folder with a project, and a Python that has the bridge's wheel and Dagster."""

    python: Path
    folder: Path

    def call(self, *words: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *words],
            cwd=at or self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def bridge(self, *words: str) -> str:
        done = self.call("-m", "airflow_bridge", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def variables(self) -> Mapping[str, str]:
        ours = ("LAKE_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV")
        rest = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        home = self.folder.parent / "dagster"
        return {**rest, "DAGSTER_HOME": str(home), "SHELF": str(self.folder.parent)}


def uv(*words: object) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("uv")), *map(str, words)],
        env={**os.environ, "UV_LINK_MODE": "copy"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def wheel(source: Path, folder: Path) -> Path:
    uv("build", "--quiet", "--wheel", "--build-constraints", CONSTRAINTS, "-o", folder, source)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def bridge_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(ROOT / "airflow_bridge", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def alone(bridge_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    base = tmp_path_factory.mktemp("alone")
    uv("venv", "--quiet", "--python", sys.executable, base / "venv")
    python = base / "venv" / "bin" / "python"
    how = ["--quiet", "--compile-bytecode", "--constraint", CONSTRAINTS]
    uv("pip", "install", *how, "--python", python, bridge_wheel)
    for name, text in PROJECT.items():
        (base / "project").mkdir(exist_ok=True)
        (base / "project" / name).write_text(text, encoding="utf-8")
    (base / "dagster").mkdir()
    (base / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return Alone(python, base / "project")


def test_each_wheel_has_its_own_alone(bridge_wheel: Path, tmp_path: Path) -> None:
    assert _files(bridge_wheel) == {f"airflow_bridge/{name}" for name in MODULES}
    assert "prelude.py" in MODULES
    lake = _files(wheel(ROOT, tmp_path))
    assert {name.partition("/")[0] for name in lake} == {"lake_assets", "resources", "sensors"}
    with ZipFile(bridge_wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert [line for line in lines if line.startswith("Requires-Dist")] == [
        "Requires-Dist: dagster"
    ]


def _files(archive: Path) -> set[str]:
    with ZipFile(archive) as opened:
        return {name for name in opened.namelist() if ".dist-info/" not in name}


def test_nothing_of_the_lake_is_there(alone: Alone) -> None:
    """In a folder without a project; each module of the bridge is content with what is there."""
    nowhere = alone.folder.parent
    for module in ("lake_assets", "resources", "sensors", "airflow", "tests"):
        done = alone.call("-c", f"import {module}", at=nowhere)
        assert f"ModuleNotFoundError: No module named '{module}'" in done.stderr
    # The prelude is text of files, and __main__ is called below.
    modules = sorted(Path(name).stem for name in MODULES - {"prelude.py", "__main__.py"})
    done = alone.call(
        "-c", "".join(f"import airflow_bridge.{one}\n" for one in modules), at=nowhere
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = alone.call("-c", "import airflow_bridge; print(airflow_bridge.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(alone.python.parents[1])
    assert alone.bridge("--version") == "airflow-bridge 0.1.0\n"


def test_a_project_with_resources_and_sensors_of_its_own(alone: Alone) -> None:
    """Shown, exported, and run as the tasks of its file are."""
    shown = json.loads(alone.bridge("graph", "-m", "books", "--json"))
    assert [dag["dag_id"] for dag in shown["dags"]] == ["daily"]
    assert len(shown["sha256"]) == 64

    python = shlex.quote(str(alone.python))
    words = ["export", "-m", "books", "--command", f"{python} -m airflow_bridge"]
    assert "1 changed" in alone.bridge(*words, "--to", "dags")
    assert alone.bridge(*words, "--to", "dags", "--check").startswith("dags: 1 as it should be, 0 ")
    (file,) = (alone.folder / "dags").glob("*.py")
    assert "class DagsterOperator(BashOperator)" in file.read_text()
    pipeline = read_pipeline(file.read_text())
    assert (pipeline["schedule"], pipeline["default_args"]["owner"]) == ("0 7 * * *", "team:books")

    moment = json.dumps({"time": "2025-03-03T22:00:00+00:00", "conf": {}, "params": {}})
    meaning = _task(alone, pipeline["command"], "--tick", moment)
    assert json.loads(meaning)["partition"] == "2025-03-03"
    for task in pipeline["tasks"]:
        asset = [word for one in task["assets"] for word in ("--asset", one)]
        origin = json.dumps({"dag_id": "daily", "run_id": "r1", "try_number": 1})
        told = _task(alone, pipeline["command"], *asset, "--meaning", meaning, "--origin", origin)
        assert json.loads(told)["made"] == {task["assets"][0]: 1}
    assert (alone.folder.parent / "loans.txt").read_text() == "2025-03-03"
    assert (alone.folder.parent / "overdue.txt").exists()


def _task(alone: Alone, command: str, *words: str) -> str:
    """What the shell of a task does; its last line is what Airflow keeps."""
    done = subprocess.run(
        ["bash", "-c", f"exec {command} {shlex.join(words)}"],
        cwd=alone.folder,
        env=alone.variables(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
