"""Exported files on three real Airflows: parsed, scheduled, serialized, and telling of failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_bridge.export import Wish, export
from airflow_bridge.location import Location
from lake_assets.cli.airflow import COMMAND
from tests.airflow_bridge.conftest import FOREIGN
from tests.airflow_bridge.test_prelude import Receiver
from tests.conftest import absent
from tests.servers.airflow import VERSIONS, Airflow, install
from tests.servers.postgres import NoServer

pytestmark = pytest.mark.slow

UTC = timezone.utc
LAKE = Location("lake_assets.definitions", "defs", "lake")

_PLAIN = """
from datetime import datetime
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models.dag import DAG
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.operators.bash import BashOperator
with DAG("plain", start_date=datetime(2025, 1, 1), catchup=False) as dag:
    BashOperator(task_id="a", bash_command="true")
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake's and the foreign project's files, and beside them a plain one."""
    folder = tmp_path_factory.mktemp("airflow")
    for location in (LAKE, FOREIGN):
        asked = Wish(folder / "dags", COMMAND, "the test", everything=location is LAKE)
        assert export(location, asked).differs
    (folder / "plain").mkdir()
    (folder / "plain" / "plain.py").write_text(_PLAIN)
    return folder


@pytest.fixture(scope="module", params=VERSIONS)
def airflow(request: pytest.FixtureRequest) -> Airflow:
    try:
        return install(request.param)
    except NoServer as error:
        absent(f"Airflow {request.param}", error)
        raise AssertionError from None


@pytest.fixture(scope="module")
def parsed(airflow: Airflow, dags: Path) -> Mapping[str, Any]:
    home = dags / f"home-{airflow.version}"
    done = airflow.python("parse.py", home, str(dags / "plain"), str(dags / "dags"))
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["version"] == airflow.version
    return found


def test_files_are_parsed_without_error_or_warning(parsed: Mapping[str, Any], dags: Path) -> None:
    assert parsed["errors"] == {}
    assert parsed["warnings"] == []
    names = {path.stem for path in (dags / "dags").glob("*.py")}
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
        "raw__order.lines": ["tick"],
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


def test_a_file_is_the_same_dag_wherever_it_lies(
    airflow: Airflow, parsed: Mapping[str, Any], dags: Path, tmp_path: Path
) -> None:
    """Airflow 3 makes a new version of a DAG whenever what it serializes differs."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in (dags / "dags").glob("*.py"):
        (other / path.name).write_bytes(path.read_bytes())
    done = airflow.python("parse.py", tmp_path / "home", str(dags / "plain"), str(other))
    again = json.loads(done.stdout.splitlines()[-1])["serialized"]
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
