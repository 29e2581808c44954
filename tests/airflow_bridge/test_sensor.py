"""The sensor: what a tick of it does, and what the UI shows of it. Airflow is a stand-in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner

from airflow_bridge.airflow_api import Api, ApiError
from airflow_bridge.graph import read_graph
from airflow_bridge.record import Graph
from airflow_bridge.sensor import INTERVAL, airflow_sensor
from lake_assets.cli.main import cli
from lake_assets.definitions import build_definitions
from resources.errors import LakeError
from resources.settings import SHIPPED, Connection, Settings, load_settings
from sensors.airflow import airflow_sensors
from tests.airflow_bridge.conftest import FOREIGN, ROOT
from tests.airflow_bridge.test_airflow_api import FAILED, PASSWORD, TASK_211, of, server
from tests.airflow_bridge.test_airflow_api import StandIn as Http
from tests.airflow_bridge.test_lost_runs import LINES, MEANING, StandIn


def sensor_of(airflow: object, **more: object) -> dg.SensorDefinition:
    return airflow_sensor("in_step", FOREIGN, lambda: airflow, **more)  # type: ignore[arg-type, return-value]


def tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[str | None, str | None]:
    """What the UI shows, and where the next tick goes on."""
    with dg.build_sensor_context(instance, cursor=cursor) as context:
        found = sensor.evaluate_tick(context)
    assert not found.run_requests
    return found.skip_message, found.cursor


def lately() -> StandIn:
    ended = datetime.now(timezone.utc) - timedelta(minutes=2)
    return StandIn([replace(LINES, end=ended, since=ended)], meaning=MEANING)


def test_a_tick_puts_it_right_once(instance: dg.DagsterInstance) -> None:
    sensor = sensor_of(lately())
    said, cursor = tick(sensor, instance)
    assert said == "recorded 1 that never reached Dagster, ended 0 whose task is gone"
    assert cursor is not None
    assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(cursor)) < timedelta(minutes=1)
    said, later = tick(sensor, instance, cursor)
    assert said == "recorded 0 that never reached Dagster, ended 0 whose task is gone"
    assert later is not None
    assert later > cursor
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


def test_an_airflow_that_is_down_fails_the_tick_and_moves_nothing(
    instance: dg.DagsterInstance,
) -> None:
    """What failed meanwhile is looked for by the next tick."""

    def down() -> Api:
        raise ApiError("http://airflow:8080 cannot be reached")

    with pytest.raises(ApiError, match="cannot be reached"):
        tick(airflow_sensor("in_step", FOREIGN, down), instance)


def test_problems_are_shown(instance: dg.DagsterInstance) -> None:
    airflow = lately()
    airflow.tries = [replace(one, task_id="old") for one in airflow.tries]
    said, _ = tick(sensor_of(airflow), instance)
    assert said is not None
    assert said.startswith(
        "recorded 0 that never reached Dagster, ended 0 whose task is gone; 1 problems: old of "
        "daily, run scheduled__2025-07-02, try 1 is no task of the graph"
    )


def test_a_project_has_it_beside_its_assets_and_still_can_be_exported() -> None:
    sensor = sensor_of(StandIn())
    assert sensor.minimum_interval_seconds == INTERVAL == 60
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    project = dg.Definitions(sensors=[sensor]).get_repository_def()
    _, refusals = read_graph(project)
    assert refusals == []


def test_only_what_was_exported_is_looked_at(instance: dg.DagsterInstance) -> None:
    airflow = lately()
    airflow.tries = [replace(one, dag_id="new_daily") for one in airflow.tries]
    for prefix, recorded in (("", 0), ("new_", 1)):
        said, _ = tick(sensor_of(airflow, prefix=prefix), instance)
        assert said is not None
        assert said.startswith(f"recorded {recorded} ")
    none = sensor_of(lately(), graph=lambda _: Graph(()))
    said, _ = tick(none, instance)
    assert said is not None
    assert said.startswith("recorded 0 ")


# -- the lake's own


def settings_with(**connections: Mapping[str, Any]) -> Settings:
    found = load_settings("local", {})
    more = {name: Connection(**given) for name, given in connections.items()}
    both = {**found.environment.connections, **more}
    return replace(found, environment=found.environment.model_copy(update={"connections": both}))


__all__ = ["server"]

AIRFLOW = {"kind": "http", "url": "http://127.0.0.1:9", "user": "reader", "password": "env:NO_PW"}


def test_the_lake_has_it_where_an_airflow_is_named() -> None:
    assert airflow_sensors(settings_with()) == []
    (sensor,) = build_definitions(settings_with(airflow=AIRFLOW), []).sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.name == "airflow"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "The secret env:NO_PW is not set"),
        ({"user": None}, "The connection airflow of the environment local needs user"),
        (
            {"user": None, "password": None},
            "The connection airflow of the environment local needs user, password",
        ),
        ({"kind": "elasticsearch"}, "is of the kind elasticsearch; it is an Airflow's, so http"),
    ],
)
def test_the_lake_says_what_the_connection_lacks(
    instance: dg.DagsterInstance, changed: Mapping[str, str | None], said: str
) -> None:
    given = {name: text for name, text in {**AIRFLOW, **changed}.items() if text is not None}
    (sensor,) = airflow_sensors(settings_with(airflow=given))
    with pytest.raises(LakeError, match=re.escape(said)):
        tick(sensor, instance)


@pytest.fixture
def by_job(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """An Airflow with DAGs exported with a prefix and a task a job, of which one failed."""
    ended = datetime.now(timezone.utc) - timedelta(minutes=2)
    task = {"dag_id": "new_customer_master", "task_id": "customer_master"}
    found = StandIn([replace(LINES, **task, end=ended, since=ended)])
    monkeypatch.setattr("sensors.airflow.airflow_api", lambda _settings: found)
    monkeypatch.setenv("LAKE_AIRFLOW_DAG_ID_PREFIX", "new_")
    monkeypatch.setenv("LAKE_AIRFLOW_GRANULARITY", "job")
    return found


@pytest.mark.usefixtures("by_job")
def test_the_lake_looks_for_what_was_exported(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sensor,) = airflow_sensors(settings_with(airflow=AIRFLOW))
    said, _ = tick(sensor, instance)
    assert said == "recorded 1 that never reached Dagster, ended 0 whose task is gone"
    monkeypatch.setenv("LAKE_AIRFLOW_GRANULARITY", "jobs")
    (sensor,) = airflow_sensors(settings_with(airflow=AIRFLOW))
    with pytest.raises(LakeError, match="LAKE_AIRFLOW_GRANULARITY is 'jobs'; allowed: asset, "):
        tick(sensor, instance)


@pytest.mark.usefixtures("by_job")
@pytest.mark.parametrize("told", ["by variables", "by options"])
def test_the_command_looks_for_what_was_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    content = yaml.safe_load((SHIPPED / "local.yaml").read_text())
    content["connections"]["airflow"] = AIRFLOW
    (tmp_path / "with_airflow.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path))
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    words = ["airflow", "sync", "--env", "with_airflow", "--json"]
    if told == "by options":
        monkeypatch.delenv("LAKE_AIRFLOW_DAG_ID_PREFIX")
        monkeypatch.delenv("LAKE_AIRFLOW_GRANULARITY")
        words += ["--dag-id-prefix", "new_", "--granularity", "job"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    (put,) = json.loads(done.stdout)["recorded"]
    assert put["task_id"] == "customer_master"


def test_dagsters_own_process_evaluates_it(server: Http, tmp_path: Path) -> None:
    """As the daemon has it done: by the code server, which loads the lake itself."""
    page = {"task_instances": [{**TASK_211, "dag_id": "theirs"}], "total_entries": 1}
    server.answers = of("2.11.2", **{FAILED: page})
    content = yaml.safe_load((SHIPPED / "local.yaml").read_text())
    content["connections"]["airflow"] = {**AIRFLOW, "url": server.url, "password": "env:AF_PW"}
    (tmp_path / "with_airflow.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "dagster").mkdir()
    words = ["dagster", "sensor", "preview", "airflow", "-m", "lake_assets.definitions"]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "LAKE_ENV": "with_airflow",
            "LAKE_ENVIRONMENTS": str(tmp_path),
            "LAKE_HOME": str(tmp_path / "home"),
            "DAGSTER_HOME": str(tmp_path / "dagster"),
            "AF_PW": PASSWORD,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "skipping: recorded 0 that never reached Dagster, ended 0 whose task is gone" in said
    assert PASSWORD not in said
    assert server.asked[-1][2].startswith("Basic ")
