"""Each check of the doctor, what it finds and what to do; none hangs, none tells a secret."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.airflow_cli import find_airflow
from airflow_bridge.doctor import Asked, examine
from airflow_bridge.doctor_checks import Check, DagFile, needs_of_files, read_files
from airflow_bridge.export import Wish, export
from airflow_bridge.graph import read_graph
from airflow_bridge.setup import Limits, Needs, needs_of, set_up
from tests.airflow_bridge.airflow_stand_in import StandIn, facts, make_stand_in
from tests.airflow_bridge.conftest import FOREIGN
from tests.conftest import absent
from tests.servers.airflow import VERSIONS, install
from tests.servers.celery import Cluster, running_cluster
from tests.servers.postgres import NoServer, PostgresServer

HERE = version("airflow-bridge")

#: Seconds; a stand-in answers at once, on a machine that may be busy.
PATIENCE = 60.0


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    found = make_stand_in(tmp_path / "bin")
    pools = {"erp": {"slots": 4, "description": ""}}
    room = {"team_room": {"type": "slack", "has": ["password"]}}
    found.says(database={"pools": pools, "connections": room, "clock": -0.3})
    return found


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """A stand-in of what tasks call: its version, and a check that says what `checked` holds."""
    script = tmp_path / "the command"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in\n--version) echo "airflow-bridge {HERE}";;\n'
        f'export) echo "$@" >"{tmp_path}/asked"; cat "{tmp_path}/checked";;\nesac\n'
    )
    script.chmod(0o755)
    (tmp_path / "checked").write_text('{"changes": []}')
    return script


@pytest.fixture
def dags(tmp_path: Path, command: Path) -> Path:
    """The files of the foreign project, which call the stand-in."""
    folder = tmp_path / "dags"
    again = "python -m airflow_bridge export -m tests.airflow_bridge.foreign --location foreign"
    export(FOREIGN, Wish(folder, f"'{command}'", again))
    return folder


@pytest.fixture
def asked(tmp_path: Path, dags: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.delenv("AIRFLOW_BRIDGE_MESSAGES", raising=False)
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return Asked(dags, FOREIGN.module, FOREIGN.name, stand_in.program, home, PATIENCE)


def table(checks: Sequence[Check]) -> dict[tuple[str, str], tuple[str, str]]:
    return {(one.subject, one.name): (one.result, one.found) for one in checks}


def found(checks: Sequence[Check], subject: str, name: str) -> Check:
    [one] = [one for one in checks if (one.subject, one.name) == (subject, name)]
    return one


def test_all_is_well(asked: Asked, stand_in: StandIn, command: Path) -> None:
    number = len(list(asked.folder.glob("*.py")))
    assert table(examine(asked)) == {
        ("files", "found"): ("ok", f"{number} files in {asked.folder}"),
        ("files", "version"): ("ok", f"all written by airflow-bridge {HERE}"),
        ("files", "load"): ("ok", "this Airflow loads them all"),
        ("airflow", "version"): ("ok", f"2.11.2, {stand_in.program}"),
        ("airflow", "lost tasks"): ("ok", "a task of a dead worker is noticed after 180 s"),
        ("pools", "erp"): ("ok", "4 slots"),
        ("connections", "team_room"): ("ok", "slack"),
        ("clocks", "the database of Airflow"): ("ok", "0.3 s behind this host's"),
        ("queues", "default"): ("ok", "1 worker: celery@a"),
        ("queues", "s21"): ("ok", "2 workers: celery@a, celery@b"),
        ("clocks", "the broker"): ("ok", "0.2 s ahead of this host's"),
        ("command", f"'{command}'"): ("ok", f"airflow-bridge {HERE}, as the files"),
        ("graph", "foreign"): ("ok", "the files are as it has them"),
        ("instance", "history"): ("ok", f"SQLite by {asked.home}, no run in it"),
        ("instance", "shared"): (
            "warning",
            "files of this host: the Dagster UI and other workers must share its disk",
        ),
    }
    # The export that wrote the files is asked, by the command of the tasks, and writes nothing.
    words = (command.parent / "asked").read_text().strip()
    assert words == (
        f"export -m tests.airflow_bridge.foreign --location foreign --to DIR --to {asked.folder} "
        f"--command '{command}' --check --json"
    )


@pytest.mark.parametrize(
    ("answers", "subject", "name", "told", "cure"),
    [
        (
            {"facts": facts("2.1.4")},
            *("airflow", "version", "2.1.4, ", "2.2 is the first"),
        ),
        (
            {"facts": "broken"},
            *("airflow", "answer", "sqlalchemy.exc.ArgumentError: not a URL: ***@db/a'"),
            "`airflow version`",
        ),
        (
            {"files": {"errors": {"/dags/daily.py": "ImportError: no postgres://a:geheim@b"}}},
            *("files", "load", "daily.py: ImportError: no ***@b", "list-import-errors"),
        ),
        (
            {"database": {"pools": {}, "connections": {}, "clock": None}},
            *("pools", "erp", "missing: tasks in it are never started", "`setup --apply`"),
        ),
        (
            {"database": {"error": "OperationalError: no redis://:geheim@host/0"}},
            *("database", "answer", "OperationalError: no ***@host/0", "`airflow db check`"),
        ),
        (
            {"database": {"pools": {}, "connections": {}, "clock": 61.0}},
            *("clocks", "the database of Airflow", "61.0 s ahead of this host's", "NTP"),
        ),
        (
            {"workers": {"executor": "X", "default": "d", "queues": {"a": ["w"]}, "clock": -99.0}},
            *("queues", "s21", "no live worker; queues that have one: a"),
            "airflow celery worker -q s21",
        ),
        (
            {"workers": {"error": "OperationalError: Connection refused"}},
            *("workers", "answer", "OperationalError: Connection refused", "Is the broker up"),
        ),
    ],
)
def test_what_fails_and_what_to_do(
    asked: Asked,
    stand_in: StandIn,
    answers: Mapping[str, Any],
    subject: str,
    name: str,
    told: str,
    cure: str,
) -> None:
    stand_in.says(**answers)
    checks = examine(asked)
    one = found(checks, subject, name)
    assert one.result == "failed"
    assert told in one.found
    assert cure in one.cure
    assert "geheim" not in str(checks)
    # The rest is looked at all the same.
    assert found(checks, "graph", "foreign").result == "ok"


@pytest.mark.parametrize(
    ("seconds", "result"),
    [(0.4, "ok"), (-4.9, "ok"), (5.1, "warning"), (-59.0, "warning"), (-60.5, "failed")],
)
def test_clocks(asked: Asked, stand_in: StandIn, seconds: float, result: str) -> None:
    stand_in.says(workers={**stand_in.told()["workers"], "clock": seconds})
    assert found(examine(asked), "clocks", "the broker").result == result


def test_warnings_and_what_is_not_known(asked: Asked, stand_in: StandIn) -> None:
    stand_in.says(
        facts=facts(folder="/elsewhere/dags", lost=300),
        database={"pools": {"erp": {"slots": 0}}, "connections": {}, "clock": None},
        workers={"executor": "LocalExecutor", "default": "d", "queues": None, "clock": None},
    )
    checks = examine(asked)
    told = {(one.subject, one.name): (one.result, one.found) for one in checks}
    assert told["airflow", "folder"] == (
        "warning",
        f"Airflow reads /elsewhere/dags, the files are in {asked.folder}",
    )
    assert told["airflow", "lost tasks"] == (
        "warning",
        "a task of a dead worker is noticed after 300 s",
    )
    assert "[scheduler] the_option = 180" in found(checks, "airflow", "lost tasks").cure
    assert told["connections", "team_room"][0] == "failed"
    assert told["pools", "erp"] == ("warning", "0 slots: nothing in it is started")
    assert told["queues", "workers"] == (
        "not tried",
        "not known: LocalExecutor has no Celery workers to ask",
    )
    assert not [one for one in checks if one.subject == "clocks"]


@pytest.mark.parametrize(
    ("connection", "result", "told"),
    [
        (None, "failed", "missing: nobody hears of failures there"),
        ({"type": "webex", "has": ["password", "room"]}, "ok", "webex"),
        ({"type": "webex", "has": ["password"]}, "failed", "webex without room"),
        ({"type": "slack", "has": []}, "failed", "slack without password or url"),
        ({"type": "slack", "has": ["url"]}, "ok", "slack"),
        ({"type": "http", "has": ["password"]}, "ok", "http"),
        (
            {"type": "generic", "has": ["password", "room"]},
            "failed",
            "generic with a room: `connections add` makes types generic it has not",
        ),
    ],
)
def test_connections_have_what_a_message_needs(
    asked: Asked,
    stand_in: StandIn,
    connection: Any,
    result: str,
    told: str,
) -> None:
    database = {**stand_in.told()["database"], "connections": {"team_room": connection}}
    stand_in.says(database=database)
    one = found(examine(asked), "connections", "team_room")
    assert (one.result, one.found) == (result, told)
    assert bool(one.cure) == (result == "failed")


def test_files_of_an_older_exporter_and_by_hand(asked: Asked, command: Path) -> None:
    daily, once = asked.folder / "daily.py", asked.folder / "once.py"
    text = daily.read_text()
    daily.write_text(text.replace(f"# airflow-bridge {HERE}:", "# airflow-bridge 0.0.9:", 1))
    once.write_text(once.read_text().replace("PIPELINE = {", "PIPELINE = dict() or {", 1))
    (asked.folder / "other.py").write_text("# a DAG of somebody else\n")
    checks = examine(asked)
    old = found(checks, "files", "version")
    assert (old.result, old.found) == (
        "failed",
        f"daily.py: written by airflow-bridge 0.0.9 (1), here is {HERE}",
    )
    assert old.cure.startswith("write them again: python -m airflow_bridge export -m ")
    made = found(checks, "command", f"'{command}'")
    assert (made.result, made.found) == (
        "failed",
        f"airflow-bridge {HERE}, and 0.0.9, {HERE} wrote the files",
    )
    hand = found(checks, "files", "text")
    assert (hand.result, hand.found) == (
        "failed",
        "once.py: changed by hand, and no longer readable",
    )


@pytest.mark.parametrize("words", ["/opt/lake/bin/lake airflow", "uv run --module airflow_bridge"])
def test_what_tasks_call(words: str) -> None:
    """Some programs have a word `run` of their own."""
    file = DagFile(Path("x.py"), HERE, "x", "", {"command": f"{words} run --module x --job y"})
    assert file.command() == tuple(words.split())


def test_a_file_that_wants_a_newer_airflow(asked: Asked, stand_in: StandIn) -> None:
    daily = asked.folder / "daily.py"
    daily.write_text(daily.read_text().replace("PIPELINE = {", 'PIPELINE = {"airflow": "2.11",', 1))
    assert ("airflow", "least") not in table(examine(asked))
    stand_in.says(facts=facts("2.9.3"))
    least = found(examine(asked), "airflow", "least")
    assert (least.result, least.found) == ("failed", "daily.py: from 2.11")


@pytest.mark.parametrize(
    ("says", "result", "told"),
    [
        (f"airflow-bridge {HERE}", "ok", f"airflow-bridge {HERE}, as the files"),
        ("airflow-bridge 9.9", "failed", f"airflow-bridge 9.9, and {HERE} wrote the files"),
        ("lake 1.0", "failed", "does not say the version of its airflow-bridge"),
        (None, "failed", "cannot be run: No such file or directory."),
    ],
)
def test_the_command_of_the_tasks(
    asked: Asked, command: Path, says: str | None, result: str, told: str
) -> None:
    if says is None:
        command.unlink()
    else:
        command.write_text(command.read_text().replace(f"airflow-bridge {HERE}", says))
    checks = examine(asked)
    one = found(checks, "command", f"'{command}'")
    assert one.result == result
    assert told in one.found
    assert bool(one.cure) == (result == "failed")


@pytest.mark.parametrize(
    ("checked", "told"),
    [
        (
            {"changes": [{"name": f"{one}.py", "kind": "changed"} for one in "abcd"]},
            "a.py is changed, b.py is changed, c.py is changed and 1 more",
        ),
        (None, "cannot be compared: no word"),
    ],
)
def test_files_that_differ_from_the_graph(
    asked: Asked, command: Path, checked: Any, told: str
) -> None:
    text = "" if checked is None else json.dumps(checked)
    (command.parent / "checked").write_text(text)
    one = found(examine(asked), "graph", "foreign")
    assert (one.result, one.found) == ("failed", told)
    assert one.cure


def test_a_comparison_that_hangs_is_told_of_its_graph(asked: Asked, command: Path) -> None:
    """Of two commands the second is asked all the same."""
    command.write_text(command.read_text().replace("export) ", "export) exec sleep 600; "))
    once = asked.folder / "once.py"
    once.write_text(once.read_text().replace(f"'{command}'", "/z/other"))
    checks = examine(replace(asked, seconds=4.0))
    graph = found(checks, "graph", "foreign")
    assert (graph.result, graph.found) == ("failed", f"{command} did not end within 4 s.")
    assert "--timeout" in graph.cure
    assert found(checks, "command", "/z/other").found.startswith("/z/other cannot be run")


@pytest.mark.parametrize(
    ("yaml", "name", "told"),
    [
        (None, "folder", "has no dagster.yaml"),
        ("storage: {nowhere: {}}\n", "history", "DagsterInvalidConfigError"),
        (
            "storage: {postgres: {postgres_url: 'postgresql://dagster:geheim@127.0.0.1:1/d'}}\n",
            "history",
            "OperationalError: ",
        ),
    ],
)
def test_an_instance_that_does_not_open(
    asked: Asked, yaml: str | None, name: str, told: str
) -> None:
    assert asked.home
    file = asked.home / "dagster.yaml"
    file.unlink() if yaml is None else file.write_text(yaml)
    checks = examine(asked)
    one = found(checks, "instance", name)
    assert one.result == "failed"
    assert told in one.found
    assert one.cure
    assert "geheim" not in str(checks)


def test_an_instance_tells_of_its_last_run(asked: Asked) -> None:
    with dg.DagsterInstance.from_config(str(asked.home)) as instance:
        instance.create_run_for_job(FOREIGN.load().get_job("daily"))
    told = found(examine(asked), "instance", "history").found
    assert told.startswith(f"SQLite by {asked.home}, last run 20")


def test_where_an_instance_on_a_server_is(
    asked: Asked, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, database = postgres_server, postgres_server.create_database("doctor_instance")
    monkeypatch.setenv("DOCTOR_USER", server.user)
    assert asked.home
    (asked.home / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_db: {{hostname: {server.host}, port: {server.port}, "
        f"db_name: {database}, username: {{env: DOCTOR_USER}}, password: geheim}}}}}}\n"
    )
    checks = examine(asked)
    told = found(checks, "instance", "history")
    where = f"postgresql {server.host}:{server.port}/{database}"
    assert (told.result, told.found) == ("ok", f"{where} by {asked.home}, no run in it")
    assert ("instance", "shared") not in table(checks)
    assert "geheim" not in str(checks)


def test_nothing_hangs(asked: Asked, stand_in: StandIn, command: Path) -> None:
    stand_in.says(database="hang", workers="hang")
    command.write_text("#!/bin/sh\nexec sleep 600\n")
    begun = time.monotonic()
    checks = examine(Asked(asked.folder, "m", "l", stand_in.program, None, 2.0))
    checks = examine(Asked(asked.folder, FOREIGN.module, "foreign", stand_in.program, None, 4.0))
    assert time.monotonic() - begun < 60
    late = {one.subject: one.found for one in checks if "within 4 s" in one.found}
    assert set(late) == {"database", "workers", "command"}
    assert found(checks, "instance", "folder").found == "DAGSTER_HOME is not set"


def test_no_airflow_and_no_files(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    checks = examine(Asked(tmp_path / "empty", "m", "l", "/nowhere", asked.home, PATIENCE))
    assert {(one.subject, one.name): one.result for one in checks} == {
        ("files", "found"): "failed",
        ("airflow", "answer"): "failed",
        ("instance", "history"): "ok",
        ("instance", "shared"): "warning",
    }
    assert "There is no '/nowhere' that can be run here" in checks[1].found


def test_the_files_need_what_the_graph_does(asked: Asked) -> None:
    graph, _ = read_graph(FOREIGN.load())
    assert needs_of_files(read_files(asked.folder, FOREIGN.module, FOREIGN.name)) == needs_of(graph)


@pytest.fixture(params=VERSIONS)
def cluster(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    tmp_path: Path,
    dags: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cluster]:
    """A real Airflow with a Celery worker of the queue s21; its variables are this process's."""
    try:
        airflow = install(request.param)
        with running_cluster(airflow, postgres_server, tmp_path / "cluster", dags) as found:
            for name, value in found.variables.items():
                monkeypatch.setenv(name, value)
            yield found
    except NoServer as error:
        absent(f"Airflow {request.param}", error)


@pytest.mark.slow
def test_a_real_cluster(asked: Asked, cluster: Cluster) -> None:
    program, three = str(cluster.airflow.bin / "airflow"), cluster.airflow.version[0] == "3"
    asked = replace(asked, airflow=program, seconds=200.0)
    old = asked.folder / "daily.py"
    old.write_text(old.read_text().replace(f"# airflow-bridge {HERE}:", "# airflow-bridge 0.0.9:"))
    (asked.folder / "once.py").write_text(
        (asked.folder / "once.py").read_text() + "\nraise ValueError('by hand')\n"
    )
    checks = examine(asked)
    told = table(checks)
    assert told["airflow", "version"] == ("ok", f"{cluster.airflow.version}, {program}")
    assert told["files", "version"][0] == "failed"
    assert told["files", "load"] == ("failed", "once.py: ValueError: by hand")
    assert told["pools", "erp"] == ("failed", "missing: tasks in it are never started")
    assert told["connections", "team_room"][0] == "failed"
    result, workers = told["queues", "s21"]
    assert result == "ok"
    assert workers.startswith("1 worker: celery@")
    assert told["queues", "default"] == ("failed", "no live worker; queues that have one: s21")
    assert told["clocks", "the broker"][0] == "ok"
    assert told["clocks", "the database of Airflow"][0] == "ok"
    assert told["airflow", "lost tasks"][1] == "a task of a dead worker is noticed after 300 s"
    option = "task_instance_heartbeat_timeout" if three else "scheduler_zombie_task_threshold"
    assert option in found(checks, "airflow", "lost tasks").cure
    assert ("airflow", "folder") not in told or three

    # What the cures say mends it.
    set_up(find_airflow(program, 200), Needs(("erp",), (), ()), Limits({"erp": 2}), apply=True)
    told = table(examine(asked))
    assert told["pools", "erp"] == ("ok", "2 slots")
