"""What DAGs need of an Airflow is told, pools are made once, and no secret is in any word."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.airflow_cli import Airflow, AirflowError, find_airflow
from airflow_bridge.errors import BridgeError, UsageError
from airflow_bridge.graph import read_graph
from airflow_bridge.record import Graph
from airflow_bridge.setup import (
    Item,
    Limits,
    Needs,
    Variable,
    connection_command,
    env_file,
    environment,
    limits_at,
    limits_of,
    needs_of,
    set_up,
)
from tests.airflow_bridge.airflow_stand_in import StandIn, make_stand_in
from tests.airflow_bridge.conftest import FOREIGN
from tests.conftest import absent
from tests.servers.airflow import VERSIONS, install
from tests.servers.postgres import NoServer

NEEDS = Needs(("erp", "크레딧 풀"), ("s21",), ("told_webex",))


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return make_stand_in(tmp_path / "bin")


@pytest.fixture
def airflow(stand_in: StandIn) -> Airflow:
    return find_airflow(stand_in.program, 20)


def test_a_graph_needs_what_its_tasks_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_BRIDGE_MESSAGES", raising=False)
    graph, _ = read_graph(FOREIGN.load())
    tasks = [task for dag in graph.dags for task in dag.tasks]
    found = needs_of(graph)
    assert "erp" in found.pools
    assert "s21" in found.queues
    assert set(found.pools) == {task.pool for task in tasks if task.pool}
    assert set(found.queues) == {task.queue for task in tasks}
    assert found.connections == ("team_room",)
    # Of a pipeline that does not say who is told, the variable does.
    monkeypatch.setenv("AIRFLOW_BRIDGE_MESSAGES", "room other")
    says = Graph(tuple(dag for dag in graph.dags if dag.messages))
    assert needs_of(says).connections == ("team_room",)
    silent = Graph((*says.dags, replace(graph.dags[0], messages=())))
    assert needs_of(silent).connections == ("other", "room", "team_room")


@pytest.mark.parametrize(
    ("limits", "slots"),
    [
        (Limits(), (1, "Dagster has no limit for it")),
        (Limits({"other": 5}), (1, "Dagster has no limit for it")),
        (Limits({"erp": 5}, 3), (5, "the limit in Dagster")),
        (Limits({}, 3), (3, "the limit of every pool in Dagster")),
    ],
)
def test_slots_are_those_of_dagster(limits: Limits, slots: tuple[int, str]) -> None:
    assert limits.slots("erp") == slots


def test_limits_of_an_instance(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("concurrency: {pools: {default_limit: 4}}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.event_log_storage.set_concurrency_slots("erp", 2)
        instance.event_log_storage.initialize_concurrency_limit_to_default("by_default")
        assert limits_of(instance) == Limits({"erp": 2}, 4)
    assert limits_at(tmp_path) == Limits({"erp": 2}, 4)


def test_an_instance_is_neither_made_nor_blurted_out(tmp_path: Path) -> None:
    assert limits_at(None) == limits_at(tmp_path / "none") == Limits()
    assert not (tmp_path / "none").exists()
    url = "postgresql://dagster:geheim@127.0.0.1:1/d"
    (tmp_path / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}")
    with pytest.raises(BridgeError, match="does not open.*Connection refused") as failed:
        limits_at(tmp_path)
    assert "geheim" not in str(failed.value)


def test_a_look_changes_nothing(stand_in: StandIn, airflow: Airflow) -> None:
    found = set_up(airflow, NEEDS, Limits({"erp": 4}))
    assert found == [
        Item(
            "pool",
            "erp",
            "missing",
            "to be 4 slots: the limit in Dagster",
            "airflow pools set erp 4 'the limit in Dagster'",
        ),
        Item(
            "pool",
            "크레딧 풀",
            "missing",
            "to be 1 slot: Dagster has no limit for it",
            "airflow pools set '크레딧 풀' 1 'Dagster has no limit for it'",
        ),
        Item(
            "connection",
            "told_webex",
            "missing",
            "nobody hears of failures there",
            connection_command("told_webex"),
        ),
    ]
    assert stand_in.calls() == []
    assert set(stand_in.pools()) == {"default_pool"}


def test_pools_are_made_by_one_call_and_only_once(stand_in: StandIn, airflow: Airflow) -> None:
    first = set_up(airflow, NEEDS, Limits({"erp": 4}), apply=True)
    assert [(one.name, one.state, one.found) for one in first] == [
        ("erp", "made", "4 slots"),
        ("크레딧 풀", "made", "1 slot"),
        ("told_webex", "missing", "nobody hears of failures there"),
    ]
    assert len(stand_in.calls()) == 1
    made = stand_in.pools()
    assert made["erp"] == {"slots": 4, "description": "the limit in Dagster"}
    second = set_up(airflow, NEEDS, Limits({"erp": 4}), apply=True)
    assert [one.state for one in second] == ["there", "there", "missing"]
    assert len(stand_in.calls()) == 1
    assert stand_in.pools() == made


@pytest.mark.parametrize(
    ("limits", "resize", "state", "slots"),
    [
        (Limits({"erp": 2}), False, "there", 8),
        (Limits({"erp": 2}), True, "changed", 2),
        (Limits({}, 3), True, "changed", 3),
        (Limits({"erp": 8}), True, "there", 8),
        # The 1 that a new pool gets without a limit is no reason to change one that is there.
        (Limits(), True, "there", 8),
    ],
)
def test_a_pool_that_is_there_changes_only_when_told(
    stand_in: StandIn, airflow: Airflow, limits: Limits, resize: bool, state: str, slots: int
) -> None:
    mine = {"slots": 8, "description": "by hand", "include_deferred": True}
    stand_in.says(database={"pools": {"erp": mine}, "connections": {}, "clock": None})
    needs = Needs(("erp",), (), ())
    [item] = set_up(airflow, needs, limits, apply=True, resize=resize)
    assert item.state == state
    assert stand_in.pools() == {"erp": {**mine, "slots": slots}}
    if resize and state == "changed":
        stand_in.says(database={"pools": {"erp": mine}, "connections": {}, "clock": None})
        [looked] = set_up(airflow, needs, limits, resize=True)
        assert looked.found.endswith("; --apply changes it")
    differs = slots != limits.slots("erp")[0] and limits != Limits()
    assert ("it stays so without --resize" in item.found) == differs


def test_an_airflow_that_fails_says_why_without_a_secret(
    stand_in: StandIn, airflow: Airflow
) -> None:
    stand_in.says(**{"import": "fails"})
    with pytest.raises(AirflowError) as failed:
        set_up(airflow, NEEDS, Limits(), apply=True)
    assert str(failed.value) == ("`airflow pools import` ended with Failed to update pool(s): erp.")
    stand_in.says(database={"error": "OperationalError: no redis://:geheim@host/0 there"})
    with pytest.raises(
        AirflowError,
        match=r"database: OperationalError: no \*\*\*@host/0 there\. Call `airflow db check`",
    ):
        set_up(airflow, NEEDS, Limits())
    stand_in.says(database="broken")
    with pytest.raises(AirflowError) as broken:
        set_up(airflow, NEEDS, Limits())
    assert "cannot say anything of Airflow: sqlalchemy.exc.ArgumentError" in str(broken.value)
    assert "geheim" not in str(broken.value)


def test_an_airflow_that_hangs_is_left(stand_in: StandIn) -> None:
    stand_in.says(database="hang")
    with pytest.raises(AirflowError, match=r"did not end within 1 s\. See what hangs .* --timeout"):
        set_up(find_airflow(stand_in.program, 1), NEEDS, Limits())


def test_no_airflow_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no '/nowhere/airflow' that can be run here"):
        find_airflow("/nowhere/airflow", 1)
    shim = tmp_path / "airflow"
    shim.write_text("#!/bin/sh\nexec /somewhere/else/airflow\n")
    shim.chmod(0o755)
    with pytest.raises(UsageError, match="does not say with which Python it runs"):
        find_airflow(str(shim), 1)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("told_slack", {"conn_type": "slack", "password": "t/o'k%s"}),
        ("Webex", {"conn_type": "webex", "extra_dejson": {"room": "ROOM"}, "password": "t/o'k%s"}),
        ("o'ther 주문", {"conn_type": "http", "password": "t/o'k%s"}),
    ],
)
def test_the_line_that_adds_a_connection_leaves_no_secret(
    tmp_path: Path, name: str, made: dict[str, Any]
) -> None:
    (tmp_path / "airflow").write_text('#!/bin/sh\necho "$@"\ncat "$3"\n')
    (tmp_path / "airflow").chmod(0o755)
    said = _in_a_shell(connection_command(name), "t/o'k%s", str(tmp_path))
    words, _, text = said.partition("\n")
    assert words.startswith("connections import /")
    assert json.loads(text) == {name: made}
    assert not Path(words.split()[2]).exists()


def test_the_environment_names_secrets_and_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_DAGSTER_PASSWORD", "geheim")
    monkeypatch.setenv("AIRFLOW_BRIDGE_MESSAGES", "told_webex")
    (tmp_path / "dagster.yaml").write_text(
        "storage:\n  postgres:\n    postgres_db:\n      hostname: db\n"
        "      password: {env: LAKE_DAGSTER_PASSWORD}\n"
    )
    mine = [Variable("LAKE_ENV", "prod", "the environment")]
    found = environment(NEEDS, tmp_path, mine)
    assert [(one.name, one.value) for one in found] == [
        ("LAKE_ENV", "prod"),
        ("DAGSTER_HOME", str(tmp_path)),
        ("AIRFLOW_BRIDGE_MESSAGES", "told_webex"),
        ("LAKE_DAGSTER_PASSWORD", None),
        ("AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD", "180"),
        ("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "180"),
    ]
    text = env_file(found)
    assert "geheim" not in text
    assert environment(NEEDS, None)[0] == Variable("DAGSTER_HOME", None, found[1].why)
    given = [line for line in text.splitlines() if line and not line.startswith("# ")]
    assert given == [
        "LAKE_ENV=prod",
        f"DAGSTER_HOME={tmp_path}",
        "AIRFLOW_BRIDGE_MESSAGES=told_webex",
        "#LAKE_DAGSTER_PASSWORD=",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD=180",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=180",
    ]
    containers = environment(Needs((), (), (), (("unix:///d.sock", "image"),)), tmp_path, mine)
    assert containers[-4] == Variable(
        "AIRFLOW_BRIDGE_DOCKER_ENV",
        "LAKE_ENV DAGSTER_HOME AIRFLOW_BRIDGE_MESSAGES LAKE_DAGSTER_PASSWORD",
        "what tasks in containers get of the variables of their worker",
    )


@pytest.fixture(params=VERSIONS)
def real(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Airflow:
    """A real Airflow with a database of its own, SQLite."""
    try:
        found = install(request.param)
    except NoServer as error:
        absent(f"Airflow {request.param}", error)
        raise AssertionError from None
    variables = found.variables(tmp_path / "home")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    airflow = find_airflow(str(found.bin / "airflow"), 200)
    airflow.call("db", "init" if request.param.startswith("2.2") else "migrate")
    return airflow


@pytest.mark.slow
def test_a_real_airflow_is_set_up_and_has_it(
    real: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BY_VARIABLE", "webex://:geheim@?room=r")
    needs = Needs(("erp", "크레딧 풀"), ("s21",), ("by_variable", "told_webex"))
    limits = Limits({"erp": 4})
    looked = set_up(real, needs, limits)
    assert [one.state for one in looked] == ["missing", "missing", "there", "missing"]
    _in_a_shell(looked[3].command, "geheim", str(Path(real.program).parent))
    made = set_up(real, needs, limits, apply=True)
    assert [(one.name, one.state, one.found) for one in made] == [
        ("erp", "made", "4 slots"),
        ("크레딧 풀", "made", "1 slot"),
        ("by_variable", "there", "webex"),
        ("told_webex", "there", "webex"),
    ]
    listed = json.loads(real.call("pools", "list", "-o", "json"))
    slots = {one["pool"]: int(one["slots"]) for one in listed}
    assert slots == {"default_pool": 128, "erp": 4, "크레딧 풀": 1}
    again = set_up(real, needs, limits, apply=True)
    assert {one.state for one in again} == {"there"}
    assert json.loads(real.call("pools", "list", "-o", "json")) == listed
    # Told to, the one with another limit changes, and keeps what else it has.
    changed = set_up(real, needs, Limits({"erp": 2}), apply=True, resize=True)
    assert [one.state for one in changed] == ["changed", "there", "there", "there"]
    after = {one["pool"]: one for one in json.loads(real.call("pools", "list", "-o", "json"))}
    before = {one["pool"]: one for one in listed}
    assert after == {**before, "erp": {**before["erp"], "slots": "2"}}


def _in_a_shell(line: str, typed: str, path: str) -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, "PATH": f"{path}:/usr/bin:/bin"},
        input=f"{typed}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
