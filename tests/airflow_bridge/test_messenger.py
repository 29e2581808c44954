"""Messages on their way: a room that is busy, refuses or is away, and several messages as one."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from airflow_bridge.__main__ import main
from airflow_bridge.messenger import Clock, Room, deliver, folder_of, keep, unsent
from tests.airflow_bridge.conftest import ROOT

TOKEN, AWAY = "room-token-9af3", "http://127.0.0.1:9/"

#: An answer: its status, and `Retry-After`.
Answer = tuple[int, str | None]


class Rooms(ThreadingHTTPServer):
    """A stand-in for a room: what it was sent, and when; answers in order, then 200."""

    daemon_threads = True

    def __init__(self, answers: Sequence[Answer] = (), port: int = 0) -> None:
        self.received: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.answered: list[tuple[float, int]] = []
        left = list(answers)
        rooms = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, after = left.pop(0) if left else (200, None)
                rooms.answered.append((monotonic(), status))
                if status == 200:
                    rooms.received.append(json.loads(body))
                    rooms.tokens.append(self.headers["Authorization"])
                self.send_response(status)
                if after is not None:
                    self.send_header("Retry-After", after)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.received]


@pytest.fixture
def rooms() -> Iterator[Callable[..., Rooms]]:
    made: list[Rooms] = []

    def make(*answers: Answer) -> Rooms:
        made.append(Rooms(answers))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


@dataclass
class Time:
    """A clock that sleeps at once."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


def body(number: int, **more: Any) -> dict[str, Any]:
    return {"text": f"dag_{number} (매출) failed\ntask t, try 1\nhttp://log/{number}", **more}


def test_messages_go_in_their_order_and_leave_nothing(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    room = rooms()
    for number in range(3):
        keep(tmp_path, body(number), 1_000_000.0 + number)
    deliver(tmp_path, Room(room.url, {"Authorization": f"Bearer {TOKEN}"}), Time().clock)
    assert room.texts == [body(number)["text"] for number in range(3)]
    assert set(room.tokens) == {f"Bearer {TOKEN}"}
    assert unsent(tmp_path) == []


@pytest.mark.parametrize(
    ("answers", "slept"),
    [
        ([(429, "7"), (429, "12")], [7.0, 12.0]),
        ([(429, None), (503, None), (500, "")], [1.0, 2.0, 4.0]),
        # An hour of a room's word is believed; a date that is over means at once, as if unsaid.
        ([(429, "99999")], [3600.0]),
        ([(429, "Wed, 21 Oct 2015 07:28:00 GMT")], [1.0]),
    ],
)
def test_a_busy_room_is_asked_again_when_it_says(
    rooms: Callable[..., Rooms], tmp_path: Path, answers: list[Answer], slept: list[float]
) -> None:
    room, time = rooms(*answers), Time()
    keep(tmp_path, body(1), time.now)
    deliver(tmp_path, Room(room.url, {}), time.clock)
    assert (time.slept, room.texts, unsent(tmp_path)) == (slept, [body(1)["text"]], [])


def test_a_room_that_is_away_for_an_hour_loses_nothing(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    room, time = rooms(), Time()
    away = Room("http://127.0.0.1:9/", {})
    for number in range(5):
        keep(tmp_path, body(number), time.now + number)
    back = time.now + 3600

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.now > back:
            object.__setattr__(away, "url", room.url)

    deliver(tmp_path, away, Clock(lambda: time.now, sleep))
    assert len(room.texts) == 5
    assert max(time.slept) == 300.0
    assert time.now - back < 300


def test_what_a_room_refuses_is_kept_for_the_next_time(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    room, time = rooms((401, None)), Time()
    keep(tmp_path, body(1), time.now)
    deliver(tmp_path, Room(room.url, {}), time.clock)
    assert (room.texts, len(unsent(tmp_path))) == ([], 1)
    keep(tmp_path, body(2), time.now + 60)
    deliver(tmp_path, Room(room.url, {}), time.clock)
    assert len(room.texts) == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_is_refused_holds_up_no_other(
    rooms: Callable[..., Rooms], tmp_path: Path, status: int
) -> None:
    room, time = rooms((status, None)), Time()
    for number in (1, 2):
        keep(tmp_path, body(number), time.now + number)
    deliver(tmp_path, Room(room.url, {}), time.clock)
    assert (room.texts, unsent(tmp_path)) == ([body(2)["text"]], [])
    (aside,) = tmp_path.glob(".*.refused")
    assert json.loads(aside.read_text()) == body(1)
    time.now += 90_000
    keep(tmp_path, body(3), time.now)
    deliver(tmp_path, Room(room.url, {}), time.clock)
    assert list(tmp_path.glob(".*.refused")) == []


def test_of_a_group_that_is_refused_each_is_sent_for_itself(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    """As one of them is wrong, or all are too long together."""
    room, time = rooms((413, None), (200, None), (400, None)), Time()
    for number in range(4):
        keep(tmp_path, body(number), time.now + number)
    deliver(tmp_path, Room(room.url, {}, group=60.0), time.clock)
    assert room.texts == [body(number)["text"] for number in (0, 2, 3)]
    (aside,) = tmp_path.glob(".*.refused")
    assert json.loads(aside.read_text()) == body(1)
    assert unsent(tmp_path) == []


def test_a_message_of_yesterday_helps_nobody(rooms: Callable[..., Rooms], tmp_path: Path) -> None:
    room, time = rooms(), Time()
    for ago in (90_000, 80_000):  # whose processes were killed before they were whole
        keep(tmp_path, body(0), time.now - ago)
        (half,) = unsent(tmp_path)
        half.rename(half.with_name(f".{half.name}"))
    keep(tmp_path, body(1), time.now - 90_000)
    keep(tmp_path, body(2), time.now)
    deliver(tmp_path, Room(room.url, {}), time.clock)
    assert room.texts == [body(2)["text"]]
    assert [path.name[1:21] for path in tmp_path.glob(".*.json")] == [f"{920_000 * 10**6:020}"]


def test_a_room_that_answers_no_http_is_asked_again(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    """As a proxy that is being set up; what is no HTTP is no OSError either."""
    room, time = rooms(), Time()
    keep(tmp_path, body(1), time.now)
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = Room(f"http://127.0.0.1:{server.getsockname()[1]}/", {})

        def answer() -> None:
            caller = server.accept()[0]
            with caller:
                caller.recv(65536)
                caller.sendall(b"setting up\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()

        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            object.__setattr__(proxy, "url", room.url)

        deliver(tmp_path, proxy, Clock(lambda: time.now, sleep))
    assert (time.slept, room.texts) == ([1.0], [body(1)["text"]])


@pytest.mark.parametrize(
    ("url", "group", "own", "said"),
    [
        (f"no url {TOKEN}", "", None, "The connection room has no URL to send to."),
        (None, "", None, "The connection room has no URL to send to."),
        (AWAY, "60s", None, "AIRFLOW_BRIDGE_GROUP is '60s'; give seconds, such as 60."),
        (AWAY, "60", "1m", "group of the connection room is '1m'; give seconds, such as 60."),
        (AWAY, "60", [], "group of the connection room is []; give seconds, such as 60."),
    ],
)
def test_what_can_never_be_sent_is_left_to_the_task(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str | None,
    group: str,
    own: Any,
    said: str,
) -> None:
    """Once a message is kept nobody reads an error; the task that sends it itself logs one."""
    monkeypatch.setenv("AIRFLOW_BRIDGE_UNSENT", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_BRIDGE_GROUP", group)
    asked = json.dumps({"url": url, "headers": {}, "body": body(1), "group": own})
    monkeypatch.setattr("sys.stdin", io.StringIO(asked))
    assert main(["tell", "--connection", "room"]) == 2
    assert capsys.readouterr() == ("", f"{said}\n")
    assert list(tmp_path.iterdir()) == []


def test_three_hundred_are_one_where_that_is_wanted(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    room, time = rooms(), Time()
    for number in range(300):
        keep(tmp_path, body(number % 50), time.now + number / 100)
    deliver(tmp_path, Room(room.url, {}, group=60.0), time.clock)
    (text,) = room.texts
    lines = text.splitlines()
    assert lines[:8] == [
        "300 messages:",
        "dag_0 (매출) failed (×6)",
        *["  task t, try 1"] * 5,
        "  … and 1 more",
    ]
    assert (len(lines), lines[-1]) == (62, "… and 290 more lines")
    assert unsent(tmp_path) == []


def test_a_grouped_message_is_short_enough_for_its_room(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    room, time = rooms(), Time()
    for number in range(50):
        keep(tmp_path, {"text": f"{number} {'매출' * 100}\nwhy"}, time.now + number)
    deliver(tmp_path, Room(room.url, {}, group=60.0), time.clock)
    (text,) = room.texts
    assert 6400 < len(text.encode()) < 7100
    assert text.splitlines()[-1] == "… and 78 more lines"


def test_a_webhook_gets_all_of_each(rooms: Callable[..., Rooms], tmp_path: Path) -> None:
    room, time = rooms(), Time()
    for number in range(3):
        keep(tmp_path, body(number, dag_id=f"dag_{number}", what="failed"), time.now + number)
    deliver(tmp_path, Room(room.url, {}, group=5.0), time.clock)
    (found,) = room.received
    assert found["what"] == "several"
    assert [one["dag_id"] for one in found["messages"]] == ["dag_0", "dag_1", "dag_2"]


def _tell(folder: str, url: str, number: int) -> None:
    keep(Path(folder), body(number))
    deliver(Path(folder), Room(url, {}))


def test_processes_at_once_send_each_message_once(
    rooms: Callable[..., Rooms], tmp_path: Path
) -> None:
    room = rooms()
    spawn = multiprocessing.get_context("fork")
    tasks = [spawn.Process(target=_tell, args=(str(tmp_path), room.url, n)) for n in range(40)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(60)
    assert sorted(room.texts) == sorted(body(number)["text"] for number in range(40))
    assert unsent(tmp_path) == []


@pytest.mark.parametrize("words", [["-m", "airflow_bridge"], ["-m", "lake_assets.cli.main"]])
def test_the_command_keeps_and_sends(
    rooms: Callable[..., Rooms], tmp_path: Path, words: list[str]
) -> None:
    room = rooms((503, "0"))
    lake = [] if "airflow_bridge" in words else ["airflow"]
    call = [sys.executable, *words, *lake, "tell", "--connection", "팀 방/../x"]
    if lake:
        call = [str(Path(sys.executable).with_name("lake")), *call[3:]]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    done = subprocess.run(
        call,
        cwd=ROOT,
        input=json.dumps({"url": room.url, "headers": headers, "body": body(1)}),
        env={**os.environ, "AIRFLOW_BRIDGE_UNSENT": str(tmp_path / "unsent")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "kept\n", "")
    assert room.texts == [body(1)["text"]]
    (kept,) = (tmp_path / "unsent").iterdir()
    assert kept.name == "%ED%8C%80%20%EB%B0%A9%2F..%2Fx"
    files = [path for path in kept.rglob("*") if path.is_file()]
    assert all(TOKEN not in path.read_text() for path in files)
    assert kept.stat().st_mode & 0o077 == 0


def test_where_messages_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW_BRIDGE_UNSENT", "AIRFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/x")
    assert folder_of("room") == Path("/home/x/.airflow-bridge/unsent/room")
    monkeypatch.setenv("AIRFLOW_HOME", "/opt/airflow")
    assert folder_of("room") == Path("/opt/airflow/unsent/room")
    monkeypatch.setenv("AIRFLOW_BRIDGE_UNSENT", "")
    assert folder_of("room") == Path("/opt/airflow/unsent/room")
    monkeypatch.setenv("AIRFLOW_BRIDGE_UNSENT", "/srv/unsent")
    assert folder_of("room") == Path("/srv/unsent/room")
