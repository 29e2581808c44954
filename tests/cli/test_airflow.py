"""`lake airflow`: what an environment fires is exported; a task's call and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LAKE = str(Path(sys.executable).with_name("lake"))
MAIN_JOB = {"bw_sales_result_daily.py", "bw_sales_result_monthly.py", "customer_master.py"}


def lake(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    rest = {name: text for name, text in os.environ.items() if not name.startswith("DAGSTER_")}
    return subprocess.run(
        [LAKE, *words],
        env={**rest, "LAKE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "exported"),
    [
        (["--env", "local"], False),
        (["--env", "local", "--all"], True),
        (["--env", "prod"], True),
    ],
)
def test_export_what_airflow_fires(tmp_path: Path, words: list[str], exported: bool) -> None:
    asked = ["airflow", "export", "--to", str(tmp_path / "dags"), "--json", *words]
    done = lake(tmp_path, *asked)
    assert done.returncode == 0, done
    names = {change["name"] for change in json.loads(done.stdout)["changes"]}
    assert names >= MAIN_JOB if exported else names == set()
    text = "".join(path.read_text() for path in (tmp_path / "dags").iterdir())
    assert "/opt/lake/bin/lake airflow run --module lake_assets.definitions" in text or not exported
    check = lake(tmp_path, *asked, "--check")
    assert (check.returncode, json.loads(check.stdout)["changes"]) == (0, [])


def test_mistakes_end_as_those_of_other_commands(tmp_path: Path) -> None:
    (tmp_path / "customer_master.py").write_text("# by hand\n")
    done = lake(tmp_path, "airflow", "export", "--to", str(tmp_path), "--all")
    assert done.returncode == 2
    assert "was not written by an export" in done.stderr
    assert "Traceback" not in done.stderr


def test_lost_tasks_are_either_allowed_or_a_new_version(tmp_path: Path) -> None:
    done = lake(
        tmp_path, "airflow", "export", "--to", str(tmp_path), "--allow-removed", "--new-version"
    )
    assert done.returncode == 2
    assert "--allow-removed and --new-version exclude each other" in done.stderr


def test_a_task_asks_the_schedule(tmp_path: Path) -> None:
    tick = {"time": "2025-07-01T21:00:00+00:00", "params": {"vat_rate": 0.1}}
    job = ["--job", "bw_sales_result_daily", "--schedule", "bw_sales_result_daily_schedule"]
    done = lake(tmp_path, "airflow", "run", *job, "--tick", json.dumps(tick))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["partition"] == "2025-07-01"
    assert "the tick is 2025-07-02T06:00:00+09:00" in done.stderr


def test_an_environment_without_an_airflow_has_nothing_to_sync(tmp_path: Path) -> None:
    done = lake(tmp_path, "airflow", "sync", "--env", "local")
    assert done.returncode == 2
    assert "The environment 'local' has no connection 'airflow'; allowed: es," in done.stderr


def test_the_graph_is_shown_without_any_file(tmp_path: Path) -> None:
    done = lake(tmp_path, "airflow", "graph", "--env", "local", "--all", "--json")
    told = json.loads(done.stdout)
    assert len(told["sha256"]) == 64
    (weather,) = (dag for dag in told["dags"] if dag["dag_id"] == "openapi_weather")
    assert [(one["runner"], one["image"]) for one in weather["tasks"]] == [
        ("docker", "openapi_weather")
    ]
    assert "prep__customer_master after raw__customer" in (
        lake(tmp_path, "airflow", "graph", "--env", "local", "--all").stdout
    )
