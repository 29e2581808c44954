"""Exported files on three real Airflows: parsed, scheduled, serialized, and telling of failures."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from airflow_bridge.export import Wish, export
from airflow_bridge.ticks import last_tick, least_airflow
from lake_assets.cli.airflow import COMMAND
from tests.airflow_bridge.conftest import FOREIGN
from tests.airflow_bridge.projects import LAKE
from tests.airflow_bridge.real import installed, parse
from tests.airflow_bridge.test_prelude import Receiver
from tests.airflow_bridge.test_stranger import STRANGER
from tests.servers.airflow import VERSIONS, Airflow

pytestmark = pytest.mark.slow

UTC = timezone.utc


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the lake and of two projects."""
    folder = tmp_path_factory.mktemp("airflow")
    for location in (LAKE, FOREIGN, STRANGER):
        every, skip = location is LAKE, location is STRANGER
        asked = Wish(folder / "dags", COMMAND, "the test", everything=every, skip=skip)
        assert export(location, asked).differs
    return folder


@pytest.fixture(scope="module", params=VERSIONS)
def airflow(request: pytest.FixtureRequest) -> Airflow:
    return installed(request.param)


@pytest.fixture(scope="module")
def parsed(airflow: Airflow, dags: Path) -> Mapping[str, Any]:
    return parse(airflow, dags / f"home-{airflow.version}", dags / "dags")


def test_files_are_parsed_without_error_or_warning(parsed: Mapping[str, Any], dags: Path) -> None:
    # Every hour where clocks change, which 2.2 cannot do.
    refused = {"hourly"} if parsed["version"] == "2.2.3" else set()
    assert {Path(name).stem for name in parsed["errors"]} == refused
    assert all("needs Airflow 2.11 or newer" in text for text in parsed["errors"].values())
    assert parsed["warnings"] == []
    names = {path.stem for path in (dags / "dags").glob("*.py")} - refused
    assert set(parsed["dags"]) == names
    assert {"bw_sales_result_daily", "customer_master", "daily", "once"} <= names
    # 1 ms a task; 2.11 pays for its first file.
    assert parsed["cpu"] < 2.0


def test_the_dag_as_airflow_has_it(parsed: Mapping[str, Any]) -> None:
    """The same on each version, as the graph says."""
    daily = parsed["dags"]["daily"]
    # Sets on one version and lists on another; the digits put them in order in the UI.
    assert sorted(daily["tags"]) == ["0.ETL", "1.Start:SAP", "2.End:SERVER", "주문"]
    assert datetime.fromisoformat(daily["start"]) == datetime(2024, 12, 30, 22, 10, tzinfo=UTC)
    assert daily["params"] == ["from", "partition", "rate", "since", "to"]
    tasks = daily["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "tick": [],
        "wait": ["tick"],
        "raw__order.lines": ["wait"],
        "star": ["raw__order.lines"],
        "load": ["star"],
        "done": ["load"],
    }
    assert {task["queue"] for task in tasks.values()} == {"s21"}
    assert {name for name, task in tasks.items() if task["pool"] == "erp"} == {"raw__order.lines"}
    assert {name for name, task in tasks.items() if task["priority"] == 5} == {"raw__order.lines"}
    lines, star = tasks["raw__order.lines"], tasks["star"]
    assert (lines["retries"], lines["retry_delay"], lines["owner"]) == (3, 30.0, "team:sales")
    assert (star["retries"], star["retry_delay"]) == (1, 300.0)


@pytest.mark.parametrize(
    ("dag_id", "ticks"),
    [
        ("daily", ["2025-03-01T22:10:00", "2025-03-02T22:10:00", "2025-03-03T22:10:00"]),
        ("bw_sales_result_daily", ["2025-03-01T21:00:00", "2025-03-02T21:00:00"]),
        ("bw_sales_result_monthly", ["2025-03-31T22:00:00", "2025-04-30T22:00:00"]),
        ("by_hand", []),
    ],
)
def test_ticks_are_those_of_the_cron_in_seoul(
    parsed: Mapping[str, Any], dag_id: str, ticks: list[str]
) -> None:
    """In UTC; data_interval_end is the tick on each version."""
    found = [tick.removesuffix("+00:00") for tick in parsed["dags"][dag_id]["ticks"]]
    assert found[: len(ticks)] == ticks
    assert bool(found) == bool(ticks)


def _asked() -> list[tuple[str, str, str, str]]:
    """Crons at random, at any time of day and often at those of clock changes, over a year each."""
    draw = random.Random(46)
    minutes = ("0", "30", "*/15", "*/7", "0,30")
    hours = ("0", "1", "2", "3", "23", "*", "*/6", "9-18")
    days = ("* * *", "1 * *", "31 * *", "L * *", "* * 1-5", "* * 0", "1 */3 *")
    zones = (
        *("Asia/Seoul", "UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York"),
        *("Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"),
    )
    found = []
    for number in range(60):
        minute, hour = draw.choice(minutes), draw.choice(hours)
        if number % 2:
            minute, hour = str(draw.randrange(60)), str(draw.choice([0, 1, 2, 3, 7, 23]))
        often = "/" in minute and hour in ("*", "9-18")
        begin = datetime(2025, draw.choice([2, 3, 9, 10, 12]), draw.randrange(1, 28), tzinfo=UTC)
        end = begin + timedelta(days=60 if often else 380)
        cron = f"{minute} {hour} {draw.choice(days)}"
        found.append((cron, draw.choice(zones), begin.isoformat(), end.isoformat()))
    return found


def test_the_ticks_are_dagsters(airflow: Airflow, tmp_path: Path) -> None:
    """Its own timetable's, floored as the command floors them: none missing, none twice."""
    version = tuple(map(int, airflow.version.split(".")))
    asked = [
        one
        for one in _asked()
        if (least := least_airflow(one[0], one[1])) and version >= tuple(map(int, least.split(".")))
    ]
    file = tmp_path / "asked.json"
    file.write_text(json.dumps(asked))
    done = airflow.python("ticks.py", tmp_path / "home", str(file))
    assert done.returncode == 0, done.stderr
    compared = 0
    for (cron, zone, begin, end), found in zip(
        asked, json.loads(done.stdout.splitlines()[-1]), strict=True
    ):
        floored = [
            last_tick(cron, zone, datetime.fromtimestamp(tick, UTC)).timestamp() for tick in found
        ]
        # The first tick of a timetable never fires, so a file's start date is one earlier.
        since = floored[0] if floored else datetime.fromisoformat(begin).timestamp()
        until = datetime.fromisoformat(end).timestamp()
        wanted = [
            tick.timestamp()
            for tick in takewhile(
                lambda tick, until=until: tick.timestamp() <= until,  # type: ignore[misc]
                schedule_execution_time_iterator(since, cron, zone),
            )
        ]
        assert floored == wanted, (cron, zone)
        compared += len(wanted)
    assert compared > 10_000
    assert len({one[1] for one in asked}) == 8


def test_a_file_is_the_same_dag_wherever_it_lies(
    airflow: Airflow, parsed: Mapping[str, Any], dags: Path, tmp_path: Path
) -> None:
    """Airflow 3 makes a new version of a DAG whenever what it serializes differs."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in (dags / "dags").glob("*.py"):
        (other / path.name).write_bytes(path.read_bytes())
    again = parse(airflow, tmp_path / "home", other)["serialized"]
    for name, one in parsed["serialized"].items():
        assert _placeless(one) == _placeless(again[name])
        assert "unusual_prefix" not in json.dumps(one)
        assert str(dags) not in json.dumps(_placeless(one))


def _placeless(serialized: Any) -> Any:
    """Without the file's path, which every Airflow keeps beside the DAG."""
    dag = dict(serialized["dag"])
    for name in ("fileloc", "relative_fileloc", "_processor_dags_folder"):
        dag.pop(name, None)
    return dag


def test_a_failure_and_a_success_are_told(airflow: Airflow, dags: Path, tmp_path: Path) -> None:
    """By the file alone, with a connection of that Airflow's own, read when it is told."""
    receiver = Receiver()
    try:
        room = f"webex://:secret-token@?room=R1&url={quote(receiver.url + '/messages', safe='')}"
        done = airflow.python(
            "tell.py",
            tmp_path / "home",
            str(dags / "dags" / "daily.py"),
            more={"AIRFLOW_CONN_TEAM_ROOM": room},
        )
        assert done.returncode == 0, done.stderr
    finally:
        receiver.shutdown()
        receiver.server_close()
    assert [(path, token) for path, token, _ in receiver.received] == [
        ("/messages", "Bearer secret-token")
    ] * 2, done.stderr
    failed, succeeded = (body["text"].splitlines() for _, _, body in receiver.received)
    assert failed[0] == "daily (일별 주문) failed"
    assert failed[1].startswith("partition 2025-07-01, task star, try 2, 20")
    assert failed[1].endswith(" KST")
    assert succeeded[0] == "daily (일별 주문) succeeded"
    assert receiver.received[0][2]["roomId"] == "R1"
