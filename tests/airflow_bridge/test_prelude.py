"""What an exported file does by itself: its tasks, exit codes, messages; over a stand-in."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.dag_file import Origin, dag_file, neighbours
from airflow_bridge.export import Wish, render
from airflow_bridge.graph import read_graph
from airflow_bridge.location import Location
from tests.airflow_bridge.conftest import FOREIGN, ROOT
from tests.airflow_bridge.stand_in import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    Connection,
    DatasetAny,
    stand_in,
)

TOKEN = "a-secret-token"


@pytest.fixture(scope="session")
def text() -> str:
    """The file of the job `daily`."""
    return render(FOREIGN, Wish(Path("dags"), "/opt/lake/bin/lake airflow", "the test"))["daily.py"]


def load(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "unusual_prefix_daily"}
    exec(compile(text, "daily.py", "exec"), found)
    return found


def test_the_dag(text: str) -> None:
    with stand_in():
        dag = load(text)["dag"]
    assert {name: task.upstream for name, task in dag.tasks.items()} == {
        "tick": [],
        "wait": ["tick"],
        "raw__order.lines": ["wait"],
        "star": ["raw__order.lines"],
        "load": ["star"],
        "done": ["load"],
    }
    timetable = dag.given["timetable"]
    assert (timetable.cron, str(timetable.timezone)) == ("10 7 * * *", "Asia/Seoul")
    assert dag.given["start_date"].isoformat() == "2024-12-31T07:10:00+09:00"
    commands = {name: task.given.get("bash_command") for name, task in dag.tasks.items()}
    commands["wait"] = dag.tasks["wait"].bash_command
    assert commands["done"] == ""
    words = shlex.split(commands["star"])
    assert words[:4] == ["exec", "/opt/lake/bin/lake", "airflow", "run"]
    assert words[words.index("--asset") :][:4] == ["--asset", "dims", "--asset", "facts"]
    # Everything of a run reaches the shell through tojson, inside single quotes.
    for command in (commands["tick"], commands["wait"], commands["star"]):
        inside = command.split("'")[1::2]
        outside = "".join(command.split("'")[::2])
        assert all(one.startswith("{{ ") and one.endswith(" | tojson }}") for one in inside)
        assert "{{" not in outside


@pytest.mark.parametrize("hostile", ["'; touch pwned; '", "$(touch pwned)", "`x`", '"', "\\", "\n"])
def test_nothing_of_a_run_is_read_by_the_shell(text: str, hostile: str) -> None:
    """With Jinja's own filter, as Airflow has it."""
    import jinja2

    with stand_in():
        command = load(text)["dag"].tasks["tick"].given["bash_command"]
    moment = SimpleNamespace(isoformat=lambda: "2025-07-01T21:00:00+00:00")
    run = SimpleNamespace(conf={"partition": hostile, hostile: 1}, run_type="scheduled")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    told = environment.from_string(command).render(
        dag_run=run, params={"rate": 0.1}, data_interval_end=moment
    )
    words = shlex.split(told)
    assert words[-2] == "--tick"
    assert json.loads(words[-1]) == {
        "conf": {"partition": hostile, hostile: 1},
        "params": {"rate": 0.1},
        "time": "2025-07-01T21:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("run_type", "given", "time"),
    [
        ("scheduled", {"logical_date": "a", "data_interval_end": "b"}, "b"),
        ("manual", {"logical_date": "a", "data_interval_end": "b"}, "a"),
        # Airflow 3: runs without a date have only the moment they were made.
        ("manual", {"run_after": "c"}, "c"),
        ("asset_triggered", {"run_after": "c"}, "c"),
    ],
)
def test_the_moment_of_a_run(text: str, run_type: str, given: dict[str, str], time: str) -> None:
    import jinja2

    with stand_in():
        command = load(text)["dag"].tasks["tick"].given["bash_command"]
    dates = {
        name: SimpleNamespace(isoformat=lambda text=text: text) for name, text in given.items()
    }
    run = SimpleNamespace(conf=None, run_type=run_type)
    if "run_after" in dates:
        run.run_after = dates.pop("run_after")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    told = environment.from_string(command).render(dag_run=run, params={}, **dates)
    assert json.loads(shlex.split(told)[-1])["time"] == time


@pytest.mark.parametrize(
    ("ends", "raised"),
    [
        (1, AirflowException),
        (75, AirflowException),
        (265, AirflowException),
        (65, AirflowFailException),
        (2, AirflowFailException),
        (99, AirflowSkipException),
    ],
)
@pytest.mark.parametrize("runner", ["shell", "docker"])
def test_exit_codes(ends: int, raised: type[Exception], runner: str) -> None:
    task = loaded(runner)["dag"].tasks["one"]
    task.ends = ends
    with pytest.raises(raised) as error:
        task.execute({})
    assert type(error.value) is raised


def test_the_result_is_kept_as_an_object(text: str) -> None:
    with stand_in():
        task = load(text)["dag"].tasks["star"]
    for ends, kept in (('{"ok": true}', {"ok": True}), ("warn", "warn"), ("", "")):
        task.ends = ends
        assert task.execute({}) == kept


@pytest.mark.parametrize("version", ["1.10.15", "2.0.1", "2.1.4"])
def test_older_airflows_are_told_in_one_sentence(text: str, version: str) -> None:
    with (
        stand_in(version),
        pytest.raises(RuntimeError, match=rf"needs Airflow 2.2 or newer; this is {version}\.$"),
    ):
        load(text)


def loaded(what: str, version: str = "2.2.3") -> dict[str, Any]:
    """The file of an asset that a shell or a container makes, or of a `reader` of it."""
    docker = {"airflow/runner": "docker", "airflow/image": "weather"}
    one = dg.asset(name="one", metadata=docker if what == "docker" else {})(lambda: None)
    eager = {"automation_condition": dg.AutomationCondition.eager()}
    reader = dg.asset(name="reader", deps=[one, "two"], **eager)(lambda: None)
    two = dg.asset(name="two")(lambda: None)
    jobs = [dg.define_asset_job(asset.key.path[0], [asset]) for asset in (one, two)]
    definitions = dg.Definitions([one, two, reader], jobs=jobs)
    graph, refusals = read_graph(definitions.get_repository_def())
    assert refusals == []
    origin = Origin(Location("m", "defs", "here"), "bridge", "the test")
    (dag,) = (
        dag for dag in graph.dags if dag.dag_id == {"reader": "auto__reader"}.get(what, "one")
    )
    with stand_in(version):
        return load(dag_file(origin, dag, neighbours(graph)))


def test_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets what the worker names of its own environment, once it runs and not before."""
    dag = loaded("docker")["dag"]
    for name in ("tick", "one"):
        given = dag.tasks[name].given
        assert (given["image"], given["docker_url"]) == ("weather", "unix://var/run/docker.sock")
        assert given["auto_remove"] == "force"
        assert "environment" not in given
        assert shlex.split(given["command"])[:2] == ["bridge", "run"]
    monkeypatch.setenv("AIRFLOW_BRIDGE_DOCKER_ENV", "LAKE_ENV NOT_SET")
    monkeypatch.setenv("LAKE_ENV", "prod")
    monkeypatch.setenv("AIRFLOW_BRIDGE_DOCKER_MOUNTS", "/srv/lake:/srv/lake:ro")
    task = dag.tasks["one"]
    task.ends = 'log of it\n{"ok": true}\n'
    assert task.execute({}) == {"ok": True}
    assert (task.environment, task.mounts) == ({"LAKE_ENV": "prod"}, ["/srv/lake:/srv/lake:ro"])


@pytest.mark.parametrize(
    ("version", "key", "begun_by"),
    [
        ("2.2.3", "schedule_interval", None),
        ("2.4.0", "schedule", ["dagster://here/one", "dagster://here/two"]),
        ("2.9.0", "schedule", "any of dagster://here/one, dagster://here/two"),
    ],
)
def test_what_an_update_begins(version: str, key: str, begun_by: Any) -> None:
    reader, maker = (loaded(what, version)["dag"] for what in ("reader", "one"))
    found = reader.given[key]
    if isinstance(found, DatasetAny):
        found = f"any of {', '.join(found.uris)}"
    elif found is not None:
        found = [one.uri for one in found]
    assert found == begun_by
    outlets = [one.uri for one in maker.tasks["one"].given.get("outlets", [])]
    begun = {name for name in maker.tasks if name.startswith("begin_")}
    asks = reader.tasks["tick"].given["bash_command"]
    if version == "2.2.3":  # which has no datasets: the DAG that makes it begins the other
        assert (outlets, begun) == ([], {"begin_auto__reader"})
        begin = maker.tasks["begin_auto__reader"]
        assert begin.upstream == ["done"]
        assert begin.given["trigger_dag_id"] == "auto__reader"
        told = {"dags": ["{{ dag.dag_id }}"], "runs": ["{{ run_id }}"]}
        assert begin.given["conf"] == {"updates": told}
        assert "--updates" not in asks
    else:
        assert (outlets, begun) == (["dagster://here/one"], set())
        assert "--updates" in asks


def test_the_runs_that_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Jinja reads the events of 2.11, a dict by URI."""
    import jinja2

    command = loaded("reader", "2.11.2")["dag"].tasks["tick"].given["bash_command"]
    events = [SimpleNamespace(source_dag_id=f"d{n}", source_run_id=f"r'{n}") for n in range(3)]
    told = (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(command)
        .render(
            dag_run=SimpleNamespace(conf=None, run_type="dataset_triggered"),
            params={},
            data_interval_end=SimpleNamespace(isoformat=lambda: "now"),
            triggering_dataset_events={"dagster://a": events[:2], "dagster://b": events[2:]},
        )
    )
    words = shlex.split(told)
    assert words[words.index("--condition") + 1] == "reader"
    updates = json.loads(words[words.index("--updates") + 1])
    assert updates == {"dags": ["d0", "d1", "d2"], "runs": ["r'0", "r'1", "r'2"]}


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        (0, True),
        (75, False),
        (1, AirflowException),  # a database that is down for a minute: there is another try
        (2, AirflowFailException),
        (65, AirflowFailException),
    ],
)
def test_to_wait(text: str, ends: int, found: Any, caplog: Any) -> None:
    with stand_in():
        wait = load(text)["dag"].tasks["wait"]
    assert (wait.given["mode"], wait.given["poke_interval"]) == ("reschedule", 120)
    wait.bash_command = f"echo 'facts 2025-07-01'; exit {ends}"
    with caplog.at_level("INFO"):
        if not isinstance(found, bool):
            with pytest.raises(AirflowException, match=f"exit code {ends}") as error:
                wait.poke({})
            assert error.type is found
        else:
            assert wait.poke({}) is found
    assert "facts 2025-07-01" in caplog.text


# -- messages


class Receiver(HTTPServer):
    """A webhook; it keeps what it was sent."""

    def __init__(self, answer: int = 200) -> None:
        received: list[tuple[str, str | None, dict[str, Any]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, self.headers["Authorization"], json.loads(body)))
                self.send_response(answer)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.received = received
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


class TaskInstance(SimpleNamespace):
    dag_id, run_id, task_id = "daily", "r1", "raw__order.lines"
    log_url = "http://airflow/log?x=1"
    try_number, prev_attempted_tries = 3, 2

    def xcom_pull(self, task_ids: str) -> dict[str, str]:
        assert task_ids == "tick"
        return {"partition": "2025-07-01"}


FAILED = (
    "daily (일별 주문) failed\n"
    "partition 2025-07-01, task raw__order.lines, try 2, 2025-07-02 06:05 KST\n"
    "http://airflow/log?x=1"
)


def test_messages_of_each_kind(text: str, receiver: Receiver) -> None:
    hook = receiver.url + "/hook/" + TOKEN
    connections = {
        "slack": Connection("slack", hook),
        "webex": Connection("webex", TOKEN, {"room": "R1", "url": receiver.url + "/messages"}),
        "open": Connection("webhook", hook),
        "locked": Connection("http", TOKEN, {"url": receiver.url + "/locked"}),
    }
    with stand_in(connections=connections):
        found = load(text)
        found["PIPELINE"]["messages"] = list(connections)
        dag = found["dag"]
        dag.given["default_args"]["on_failure_callback"]({"ti": TaskInstance()})
    slack, webex, opened, locked = receiver.received
    assert slack == (f"/hook/{TOKEN}", None, {"text": FAILED})
    assert webex == ("/messages", f"Bearer {TOKEN}", {"roomId": "R1", "text": FAILED})
    assert (locked[0], locked[1], opened[1]) == ("/locked", f"Bearer {TOKEN}", None)
    assert opened[2] == {
        "what": "failed",
        "dag_id": "daily",
        "title": "일별 주문",
        "run_id": "r1",
        "task_id": "raw__order.lines",
        "partition": "2025-07-01",
        "try_number": 2,
        "time": "2025-07-02 06:05 KST",
        "log_url": "http://airflow/log?x=1",
        "text": FAILED,
    }


def test_success_and_the_try_of_newer_airflows(text: str, receiver: Receiver) -> None:
    connections = {"team_room": Connection("slack", receiver.url)}
    with stand_in("2.11.2", connections):
        found = load(text)
        found["dag"].tasks["done"].execute({"ti": TaskInstance(task_id="done")})
        found["tell"]({"ti": TaskInstance()})
    success, failure = (body["text"] for _, _, body in receiver.received)
    assert success.splitlines()[:2] == [
        "daily (일별 주문) succeeded",
        "partition 2025-07-01, 2025-07-02 06:05 KST",
    ]
    assert "try 3" in failure


def test_connections_of_the_environment(
    text: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = {"a": Connection("slack", receiver.url), "b": Connection("slack", receiver.url)}
    with stand_in(connections=connections):
        found = load(text)
        found["PIPELINE"]["messages"] = []
        found["tell"]({"ti": TaskInstance()})
        assert receiver.received == []
        monkeypatch.setenv("AIRFLOW_BRIDGE_MESSAGES", "a b")
        found["tell"]({"ti": TaskInstance()})
    assert len(receiver.received) == 2


@pytest.mark.parametrize(
    ("tells", "calls", "succeeded"),
    [
        (["failure", "success"], ["on_failure_callback"], 1),
        (["failure", "retry"], ["on_failure_callback", "on_retry_callback"], 0),
        ([], [], 0),
    ],
)
def test_of_what_a_room_is_told(
    text: str, receiver: Receiver, tells: list[str], calls: list[str], succeeded: int
) -> None:
    text = text.replace('"tells": ["failure", "success"]', f'"tells": {tells}')
    with stand_in(connections={"team_room": Connection("slack", receiver.url)}):
        dag = load(text)["dag"]
        args = dag.given["default_args"]
        assert sorted(name for name in args if name.endswith("_callback")) == calls
        dag.tasks["done"].execute({"ti": TaskInstance(task_id="done")})
        assert len(receiver.received) == succeeded
        for call in calls:
            args[call]({"ti": TaskInstance()})
    told = [body["text"].splitlines()[0] for _, _, body in receiver.received[succeeded:]]
    words = {"on_failure_callback": "failed", "on_retry_callback": "failed, and is tried again"}
    assert told == [f"daily (일별 주문) {words[call]}" for call in calls]


@pytest.mark.parametrize("words", ["", "uv run ", "uv run --module "])
def test_the_command_sends_where_it_is_there(
    text: str, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """The task does not wait for the room; what is sent is what the file itself would send."""
    monkeypatch.setenv("AIRFLOW_BRIDGE_UNSENT", str(tmp_path))
    monkeypatch.chdir(ROOT)
    bridge = f"{sys.executable} -m airflow_bridge"
    if words:  # a program whose own word is `run` too
        script = "#!/bin/sh\n[ $1 = run ] && shift $(($# - 3)) && exec "
        (tmp_path / "uv").write_text(f'{script}{bridge} "$@"\n')
        (tmp_path / "uv").chmod(0o755)
        bridge = f"{tmp_path}/{words}airflow_bridge"
    with stand_in(connections={"team_room": Connection("slack", receiver.url + "/hook")}):
        found = load(text)
        found["PIPELINE"]["command"] = f"{bridge} run --module x"
        found["tell"]({"ti": TaskInstance()})
    until = time.monotonic() + 60
    while not receiver.received:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert receiver.received == [("/hook", None, {"text": FAILED})]
    assert (tmp_path / "team_room").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize(("group", "most"), [("0", 300), ("20", 20)])
def test_three_hundred_tasks_that_fail(
    text: str, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    group: str, most: int,
) -> None:  # fmt: skip
    """One message each, in their order, or one of all within 20 s; each task calls the command."""
    monkeypatch.setenv("AIRFLOW_BRIDGE_UNSENT", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_BRIDGE_GROUP", group)
    monkeypatch.chdir(ROOT)
    with stand_in(connections={"team_room": Connection("slack", receiver.url + "/hook")}):
        found = load(text)
        found["PIPELINE"]["command"] = f"{sys.executable} -m airflow_bridge run --module x"
        for number in range(300):
            found["tell"]({"ti": TaskInstance(task_id=f"t{number:03}")})

    def told() -> int:
        """How many failures the room knows of."""
        heads = (body["text"].splitlines()[0] for _, _, body in receiver.received)
        return sum(int(head.split()[0]) if "messages:" in head else 1 for head in heads)

    until = time.monotonic() + 300
    while told() < 300:
        assert time.monotonic() < until, told()
        time.sleep(0.2)
    assert told() == 300
    assert len(receiver.received) <= most
    if most == 300:
        tasks = [body["text"].partition("task ")[2][:4] for _, _, body in receiver.received]
        assert tasks == [f"t{number:03}" for number in range(300)]


def test_of_a_thousand_partitions_a_room_is_told_the_first(text: str, receiver: Receiver) -> None:
    """Webex refuses a text above 7,439 bytes, and what is refused would be tried for a day."""
    many = ", ".join(f"서울 {number}공장" for number in range(1000))
    with stand_in(connections={"team_room": Connection("webhook", receiver.url)}):
        found = load(text)
        found["PIPELINE"]["title"] = "긴 설명 " * 1000
        found["tell"]({"ti": TaskInstance(xcom_pull=lambda task_ids: {"partition": many})})
    told = receiver.received[0][2]
    assert len(told["text"].encode()) < 7439
    head, words, url = told["text"].splitlines()
    assert head.endswith("…) failed")
    assert words.startswith("partition 서울 0공장, 서울 1공장, ")
    assert words.endswith("…, task raw__order.lines, try 2, 2025-07-02 06:05 KST")
    assert url == "http://airflow/log?x=1"
    assert told["partition"] == many


def test_a_task_without_a_partition_is_told_too(text: str, receiver: Receiver) -> None:
    """The task `tick` itself failed: there is nothing to pull."""
    with stand_in(connections={"team_room": Connection("slack", receiver.url)}):
        found = load(text)
        found["tell"]({"ti": TaskInstance(task_id="tick", xcom_pull=lambda task_ids: None)})
    assert "\ntask tick, try 2, 2025" in receiver.received[0][2]["text"]


@pytest.mark.parametrize(
    "connection",
    [
        Connection("slack", f"http://127.0.0.1:9/{TOKEN}"),
        Connection("webex", TOKEN, {"url": "http://127.0.0.1:9"}),
        Connection("webhook", f"not a url {TOKEN}"),
        Connection("webhook"),
    ],
)
def test_what_cannot_be_told_fails_no_task(
    text: str, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with stand_in(connections={"team_room": connection}):
        found = load(text)
        found["PIPELINE"]["messages"] = ["team_room", "unknown"]
        found["tell"]({"ti": TaskInstance()})
    assert [record.message.rpartition(":")[0] for record in caplog.records] == [
        "The connection team_room could not be told",
        "The connection unknown could not be told",
    ]
    assert TOKEN not in caplog.text
    assert TOKEN not in text
