"""`lake airflow setup` and `lake airflow doctor` as they are called: tables, JSON, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow_bridge.airflow_stand_in import StandIn, make_stand_in

CANARY = "Kanarienvogel-7531"

_LAKE = "from lake_assets.cli.main import main; main()"


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return make_stand_in(tmp_path / "bin")


def lake(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ours = ("DAGSTER_", "LAKE_", "AIRFLOW")
    rest = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    mine = {"LAKE_HOME": str(home), "LAKE_POSTGRES_PASSWORD": CANARY}
    return subprocess.run(
        [sys.executable, "-c", _LAKE, "airflow", *words],
        env={**rest, **mine, "AIRFLOW_BRIDGE_MESSAGES": "room"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def foreign(*words: str) -> list[str]:
    return [*words, "-m", "tests.airflow_bridge.foreign", "--location", "foreign"]


def test_setup_looks_then_makes_then_finds_nothing(tmp_path: Path, stand_in: StandIn) -> None:
    asked = foreign("setup", "--airflow", stand_in.program)
    looked = lake(tmp_path, *asked)
    assert looked.returncode == 1, looked.stderr
    lines = looked.stdout.splitlines()
    assert lines[0].split() == ["name", "state", "found", "by", "hand"]
    assert lines[1].split()[:3] == ["connection", "room", "missing"] or lines[1].startswith("pool")
    assert (
        "pool        erp        missing  to be 1 slot: Dagster has no limit for it" in looked.stdout
    )
    assert "erp" not in stand_in.pools()
    made = lake(tmp_path, *asked, "--apply", "--json")
    # The connections are still missing: they hold secrets.
    assert made.returncode == 1, made.stderr
    told = json.loads(made.stdout)
    assert told["ok"] is False
    states = {one["name"]: one["state"] for one in told["items"]}
    assert states == {"erp": "made", "room": "missing", "team_room": "missing"}
    assert stand_in.pools()["erp"]["slots"] == 1
    there = {"type": "slack", "has": ["password"]}
    database = stand_in.told()["database"]
    stand_in.says(database={**database, "connections": {"room": there, "team_room": there}})
    again = lake(tmp_path, *asked, "--apply", "--json")
    assert again.returncode == 0, again.stderr
    assert {one["state"] for one in json.loads(again.stdout)["items"]} == {"there"}
    assert len(stand_in.calls()) == 1


def test_setup_tells_what_workers_need_and_no_secret(tmp_path: Path, stand_in: StandIn) -> None:
    done = lake(tmp_path, "setup", "--airflow", stand_in.program, "--env", "prod")
    assert done.returncode == 1, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert not (tmp_path / "dagster").exists()
    lines = done.stdout.splitlines()
    assert {
        "LAKE_ENV=prod",
        f"LAKE_HOME={tmp_path}",
        "#LAKE_POSTGRES_PASSWORD=",
        f"DAGSTER_HOME={tmp_path}/dagster/prod",
        "AIRFLOW_BRIDGE_MESSAGES=room",
    } <= set(lines)


def test_mistakes_end_as_those_of_other_commands(tmp_path: Path) -> None:
    done = lake(tmp_path, "setup", "--airflow", "/nowhere/airflow")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no '/nowhere/airflow' that can be run here" in done.stderr
    assert "Traceback" not in done.stderr
    done = lake(tmp_path, "doctor", "--dags", "/nowhere")
    assert done.returncode == 2
    assert "Directory '/nowhere' does not exist" in done.stderr


def test_doctor_looks_at_what_was_exported(tmp_path: Path, stand_in: StandIn) -> None:
    dags = str(tmp_path / "dags")
    program = tmp_path / "lake"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/lake.py" airflow "$@"\n')
    (tmp_path / "lake.py").write_text(_LAKE)
    program.chmod(0o755)
    wrote = lake(tmp_path, "export", "--to", dags, "--env", "prod", "--command", str(program))
    assert wrote.returncode == 0, wrote.stderr
    asked = ["doctor", "--dags", dags, "--airflow", stand_in.program, "--env", "prod", "--json"]
    done = lake(tmp_path, *asked)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    checks = {(one["subject"], one["name"]): one for one in told["checks"]}
    assert told["ok"] is False
    assert told["environment"] == "prod"
    assert checks["files", "found"]["result"] == "ok"
    assert checks["connections", "room"]["result"] == "failed"
    assert checks["graph", "lake"]["found"] == "the files are as it has them"
    assert checks["instance", "folder"]["found"].endswith("/dagster/prod has no dagster.yaml")
    (tmp_path / "dags" / "customer_master.py").unlink()
    shown = lake(tmp_path, *asked[:-1])
    assert shown.returncode == 1
    assert "customer_master.py is new" in shown.stdout
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["check", "result", "found", "what", "to", "do"]
    assert lines[-1].startswith("environment prod: ")


def test_doctor_says_usage_in_json_too(tmp_path: Path, stand_in: StandIn) -> None:
    done = lake(tmp_path, "setup", "--airflow", "/nowhere", "--json")
    assert done.returncode == 2
    assert "There is no '/nowhere'" in json.loads(done.stdout)["error"]
