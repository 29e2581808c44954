"""Plans carried out: what the history holds, failures, signals, re-execution by the UI."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lake_assets.execute import Ended, Event, Location, Made, Rest, Started, carry_out
from lake_assets.plan import History
from lake_assets.targets import Ask, targets
from tests.small_lake import key

SMALL = Location("tests.small_lake", "defs", "lake")
ROOT = Path(__file__).parents[1]

#: Runs that the UI launches start at once; by default a daemon takes them from a queue.
_DAGSTER_YAML = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("LAKE_HOME", raising=False)
    (tmp_path / "dagster.yaml").write_text(_DAGSTER_YAML)
    with dg.DagsterInstance.get() as found:
        yield found


def run(instance: dg.DagsterInstance, *selection: str, **ask: str | bool) -> list[Event]:
    wanted = targets(SMALL.load().asset_graph, Ask(selection, **ask))  # type: ignore[arg-type]
    history = History(instance, lambda _key, _one: True)
    return list(carry_out(instance, SMALL, wanted, history, {"lake/why": "a test"}))


def ended(events: list[Event]) -> list[Ended]:
    return [event for event in events if isinstance(event, Ended)]


def rest(events: list[Event]) -> list[str]:
    last = events[-1]
    assert isinstance(last, Rest)
    return [f"{skip.asset.to_user_string()} {skip.kind}: {skip.reason}" for skip in last.skipped]


def test_a_run_of_the_code_location(instance: dg.DagsterInstance) -> None:
    events = run(instance, "raw/customer", "+prep/sales", end="2025-01-03")
    started = [event for event in events if isinstance(event, Started)]
    made = [event for event in events if isinstance(event, Made)]
    assert [len(event.step.units) for event in started] == [1, 3, 3]
    assert len(made) == 7
    assert {(one.asset.to_user_string(), one.rows) for one in made} == {
        ("raw/customer", 5),
        ("raw/sales", 5),
        ("prep/sales", 5),
    }
    assert all(not one.failures and all(one.units.values()) for one in ended(events))
    record = instance.get_run_by_id(started[1].run_id)
    assert record is not None
    assert record.status == dg.DagsterRunStatus.SUCCESS
    assert record.job_name == "__ASSET_JOB"
    assert record.run_config == {}
    assert record.asset_selection == {key("raw/sales")}
    tags = {name: value for name, value in record.tags.items() if not name.startswith(".")}
    assert tags == {
        "dagster/asset_partition_range_start": "2025-01-01",
        "dagster/asset_partition_range_end": "2025-01-03",
        "dagster/code_location": "lake",
        "run/process": f"{socket.gethostname()}:{os.getpid()}",
        "lake/why": "a test",
    } | {name: value for name, value in tags.items() if name.startswith("dagster/git")}
    assert record.remote_job_origin is not None
    assert record.remote_job_origin.location_name == "lake"
    # Once more: nothing runs.
    again = run(instance, "raw/customer", "+prep/sales", end="2025-01-03")
    assert [type(event) for event in again] == [Rest]
    assert [line.partition(" since")[0] for line in rest(again)] == [
        "raw/customer up to date: up to date",
        "raw/sales up to date: up to date",
        "prep/sales up to date: up to date",
    ]


def test_what_comes_out_the_same_stops_there(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, "+prep/month", end="2025-01")
    monkeypatch.setenv("SMALL_LAKE", "version=2")
    run(instance, "raw/sales", partition="2025-01-05")
    events = run(instance, "+prep/month", end="2025-01")
    # raw/sales has another content, so prep/sales runs; it comes out equal, so the month does not.
    steps = [(list(one.step.assets), one.step.partitions) for one in ended(events)]
    assert steps == [([key("prep/sales")], ("2025-01-05",))]
    assert any(line.startswith("prep/month up to date") for line in rest(events))


def test_one_bad_day(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    run(instance, "raw/customer")
    monkeypatch.setenv("SMALL_LAKE", "fail=raw/sales:2025-01-03")
    events = run(instance, "+prep/month", start="2025-01", end="2025-01")
    first = ended(events)[0]
    assert [one.reason for one in first.failures] == [
        "raw/sales: the gate unique failed for 2025-01-03"
    ]
    assert first.failures[0].exit_code == 65
    assert first.failures[0].asset == key("raw/sales")
    assert "Traceback" not in first.failures[0].reason
    assert "small_lake.py" in first.failures[0].trace
    # The other days went on in later runs; the bad day and the month did not.
    later = [(list(one.step.assets), len(one.step.partitions)) for one in ended(events)[1:]]
    assert later == [([key("prep/sales")], 2), ([key("prep/sales")], 28)]
    assert rest(events)[-2:] == [
        "prep/sales failed: input raw/sales failed",
        "prep/month failed: input prep/sales 2025-01-03 failed",
    ]
    monkeypatch.delenv("SMALL_LAKE")
    events = run(instance, "+prep/month", start="2025-01", end="2025-01")
    steps = [(list(one.step.assets), one.step.partitions) for one in ended(events)]
    assert steps == [
        ([key("raw/sales"), key("prep/sales")], ("2025-01-03",)),
        ([key("prep/month")], ("2025-01",)),
    ]


@pytest.mark.parametrize(
    ("kind", "reason", "code"),
    [
        ("gate", "raw/customer: the gate unique failed for ''", 65),
        ("transient", "raw/customer: the host is not reachable", 1),
        ("plain", "raw/customer: a right is missing", 65),
        ("bug", "ZeroDivisionError: division by zero", 1),
    ],
)
def test_reasons_in_one_line(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, kind: str, reason: str, code: int
) -> None:
    """However an asset says it, and although its retry policy has another try to give."""
    monkeypatch.setenv("SMALL_LAKE", f"fail=raw/customer: kind={kind}")
    begun = time.monotonic()
    [only] = ended(run(instance, "raw/customer"))
    assert [(one.reason, one.exit_code) for one in only.failures] == [(reason, code)]
    assert time.monotonic() - begun < 250  # another try is 300 s later


@pytest.mark.parametrize(
    ("signum", "wish"),
    [
        (signal.SIGTERM, "slow=raw/sales"),
        (signal.SIGINT, "slow=raw/sales"),
        # Nothing interrupts a call into C; the process ends after the grace time.
        (signal.SIGTERM, "stuck=raw/sales"),
    ],
)
def test_signals(tmp_path: Path, signum: signal.Signals, wish: str) -> None:
    process, home = slow_process(tmp_path, wish)
    process.send_signal(signum)
    try:
        out, err = process.communicate(timeout=120)  # the asset would take ten minutes
    finally:
        process.kill()
    assert process.returncode == 128 + signum, (out, err)
    assert statuses(home) == [dg.DagsterRunStatus.CANCELED]


def test_a_killed_process_leaves_no_run_that_runs_for_ever(tmp_path: Path) -> None:
    process, home = slow_process(tmp_path, "slow=raw/sales")
    process.kill()
    process.communicate(timeout=120)
    assert statuses(home) == [dg.DagsterRunStatus.STARTED]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run(instance, "raw/customer")
    assert statuses(home) == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def statuses(home: Path) -> list[dg.DagsterRunStatus]:
    """Of all runs, the newest first."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return [record.dagster_run.status for record in instance.get_run_records()]


def slow_process(tmp_path: Path, wish: str) -> tuple[subprocess.Popen[bytes], Path]:
    """`lake run` in the midst of an asset, and its instance."""
    code = (
        "import functools, sys, lake_assets.execute as e\n"
        "e.Location = functools.partial(e.Location, 'tests.small_lake')\n"
        "from lake_assets.cli.main import main\n"
        "sys.argv = ['lake', 'run', 'raw/sales', '--partition', '2025-01-05', '-v']\n"
        "main()"
    )
    home = tmp_path / "dagster"
    env = {**os.environ, "SMALL_LAKE": wish, "LAKE_HOME": str(tmp_path), "DAGSTER_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if b"made raw/sales" in line:
            break
    time.sleep(0.2)
    return process, home


def test_the_ui_re_executes_from_failure(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget
    from dagster_graphql.test.utils import execute_dagster_graphql

    run(instance, "raw/customer")
    monkeypatch.setenv("SMALL_LAKE", "fail=prep/sales:2025-01-03")
    failed = ended(run(instance, "raw/sales", "prep/sales", start="2025-01-02", end="2025-01-04"))[
        0
    ]
    assert failed.failures
    monkeypatch.delenv("SMALL_LAKE")
    mutation = """
        mutation ($run: String!) {
          launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: FROM_FAILURE}) {
            __typename
            ... on LaunchRunSuccess { run { runId parentRunId } }
            ... on PythonError { message stack }
          }
        }"""
    target = ModuleTarget("tests.small_lake", "defs", str(ROOT), "lake")
    with WorkspaceProcessContext(instance, target) as workspace:
        context = workspace.create_request_context()
        result = execute_dagster_graphql(context, mutation, {"run": failed.run_id})
        launched = result.data["launchRunReexecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        assert launched["run"]["parentRunId"] == failed.run_id
        again = launched["run"]["runId"]
        until = time.monotonic() + 300
        while not (done := instance.get_run_by_id(again)).is_finished:  # type: ignore[union-attr]
            assert time.monotonic() < until
            time.sleep(0.2)
    assert done is not None
    assert done.status == dg.DagsterRunStatus.SUCCESS
    events = instance.fetch_materializations(key("prep/sales"), limit=10).records
    again_made = {event.partition_key for event in events if event.run_id == again}
    assert again_made == {"2025-01-02", "2025-01-03", "2025-01-04"}
    # Only the failed step ran again.
    raw = instance.fetch_materializations(key("raw/sales"), limit=10).records
    assert {event.run_id for event in raw} == {failed.run_id}
