"""Dagster's own commands, `dagster` and `dg`, work on this repository as on any project.

Here: their exit codes, a value of each output, and no warnings of ours. Not here: the `lake`
command.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lake_assets.cli.demo import seoul_today
from lake_assets.sample.generate import write_duckdb
from resources.settings import Sample
from tests.ui.server import REPOSITORY, small_environment

RAW = "raw/bw_sales_result"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A small lake with its sources, and an instance as deployed."""
    found = small_environment(tmp_path_factory.mktemp("commands"))
    home = Path(found["LAKE_HOME"])
    write_duckdb(home, Sample(days=30, until="yesterday", scale=0.1), seoul_today())
    (home / "dagster").mkdir()
    shutil.copy(REPOSITORY / "deploy" / "dagster.yaml", home / "dagster")
    return {**found, "DAGSTER_HOME": str(home / "dagster")}


def run(variables: dict[str, str], command: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = command.split()
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=REPOSITORY,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("dagster definitions validate -w workspace.yaml", ["lake", "Validation successful"]),
        ("dg check defs", ["YAML validated successfully", "All definitions loaded successfully"]),
        (
            "dagster schedule list -w workspace.yaml",
            ["bw_sales_result_daily_schedule", "0 6 * * *", "[STOPPED]"],
        ),
        ("dagster asset list -m lake_assets.definitions", ["prep/customer_master", RAW]),
    ],
)
def test_command(variables: dict[str, str], command: str, words: list[str]) -> None:
    done = run(variables, command)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for word in words:
        assert word in said
    assert not [line for line in said.splitlines() if "Warning" in line and _ours(line)], said
    assert "Traceback" not in said


def _ours(line: str) -> bool:
    """Dagster tells that its older commands are superseded; that is not ours to silence."""
    return "SupersessionWarning" not in line


def test_dg_list_defs(variables: dict[str, str]) -> None:
    done = run(variables, "dg list defs --json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assets = {one["asset_key"]: one for one in listed["assets"]}
    assert len(assets) == 28
    raw = assets[RAW]
    assert (raw["group_name"], raw["dependency_keys"]) == (
        "bw_sales_result_daily",
        ["src/hana_bw/bw_sales_result"],
    )
    assert set(raw["kinds"]) == {"hana_bw", "parquet"}
    assert raw["owners"] == [{"team": "sales-data"}]
    assert raw["description"].startswith("BW 매출 실적 – ")
    jobs = {
        *("bw_sales_result_daily", "bw_sales_result_monthly", "customer_master"),
        *("dlp_log", "hdfs_to_sftp_sample"),
        *("finance_ml_final__forecast", "finance_ml_final__outcome"),
        *("outstanding_balance_aging", "outstanding_balance_monthly"),
    }
    # A split load runs when somebody asks for a period, @once when a DAG is switched on.
    unscheduled = {"days_split_upload", "openapi_weather"}
    assert {one["name"] for one in listed["jobs"]} == jobs | unscheduled
    assert {one["name"] for one in listed["schedules"]} == {f"{job}_schedule" for job in jobs}
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("command", "age"),
    [
        ("dg launch --assets {key} --partition {day}", 3),
        (
            "dagster asset materialize -m lake_assets.definitions --select {key} --partition {day}",
            4,
        ),
    ],
)
def test_materialise(variables: dict[str, str], command: str, age: int) -> None:
    day = seoul_today() - timedelta(days=age)
    done = run(variables, command.format(key=RAW, day=day))
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "RUN_SUCCESS" in said
    file = Path(variables["LAKE_HOME"]) / "lake" / RAW / f"dt={day}" / "part-0.parquet"
    assert pq.read_metadata(file).num_rows > 0
    assert not [line for line in said.splitlines() if "Warning" in line and _ours(line)], said


def test_no_home(variables: dict[str, str], tmp_path: Path) -> None:
    """Only looking needs no home and no environment: a fresh clone is checked with it."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = run({**bare, "LAKE_HOME": str(tmp_path)}, "dg check defs")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
