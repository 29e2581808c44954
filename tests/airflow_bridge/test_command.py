"""What a task calls, as a process: its runs in the history, exit codes, signals, locks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge import locks
from airflow_bridge.errors import NotYetError
from airflow_bridge.locks import claimed
from airflow_bridge.materialise import materialise
from airflow_bridge.meaning import Meaning, Request
from tests.airflow_bridge.conftest import FOREIGN, MODULE, ROOT, Command

TICK = {"time": "2025-03-03T22:10:00+00:00", "conf": {}, "params": {"rate": 0.1}}
ORIGIN = {
    "dag_id": "daily",
    "run_id": "manual__2025-03-04T07:10:00+09:00",
    "task_id": "raw__order.lines",
    "try_number": 2,
    "user": None,
    "log_url": "http://airflow/log?dag_id=daily&try_number=2",
}
LINES = "raw/order.lines"


def named(first: str, last: str | None = None, **more: Any) -> dict[str, Any]:
    """The meaning of a run that names its partitions."""
    return Meaning("", [Request(first, last or first)], {}).document() | more


def test_a_dag_run(command: Command) -> None:
    """Tick, then assets: each a run of the code location, with what Airflow said of itself."""
    tick = command.tick(TICK)
    assert tick.code == 0
    assert tick.result["partition"] == "2025-03-03"
    assert (
        "Airflow gave 2025-03-03T22:10:00+00:00; the tick is 2025-03-04T07:10:00+09:00." in tick.log
    )
    lines = command.assets([LINES], tick.result, ORIGIN)
    assert lines.code == 0
    star = command.assets(["dims", "facts"], tick.result, {**ORIGIN, "task_id": "star"})
    assert (star.code, star.result["made"]) == (0, {"dims": 1, "facts": 1})

    second, first = command.runs()
    assert lines.result == {
        "ok": True,
        "partition": "2025-03-03",
        "runs": [first.run_id],
        "made": {LINES: 1},
        "rows": 7,
    }
    # What the asset printed and logged is in Airflow's log, Dagster's own events are not.
    assert "lines begins" in lines.log
    assert "INFO raw__order_lines: in the log of lines" in lines.log
    assert "STEP_START" not in lines.log
    assert (first.job_name, first.status) == ("daily", dg.DagsterRunStatus.SUCCESS)
    assert first.asset_selection == {dg.AssetKey(["raw", "order.lines"])}
    assert second.asset_selection == {dg.AssetKey("dims"), dg.AssetKey("facts")}
    assert first.run_config == {}
    tags = dict(first.tags)
    host, _, pid = tags.pop("run/process").partition(":")
    assert host == socket.gethostname()
    assert int(pid) > 0
    assert tags == {
        "dagster/code_location": "foreign",
        "dagster/partition": "2025-03-03",
        "dagster/partition_set": "daily_partition_set",
        "user": "Airflow daily",
        "hour": "07:10 KST",
        "team": "sales",
        "airflow/dag_id": "daily",
        "airflow/run_id": ORIGIN["run_id"],
        "airflow/task_id": "raw__order.lines",
        "airflow/try_number": "2",
        "airflow/log_url": ORIGIN["log_url"],
    }
    origin = first.remote_job_origin
    assert origin is not None
    assert (origin.location_name, origin.job_name) == ("foreign", "daily")


def test_a_skip(command: Command) -> None:
    sunday = command.tick({"time": "2025-03-01T22:10:00+00:00"})
    assert (sunday.code, sunday.result["skip"]) == (99, "Nobody works on Sunday.")
    assert "Skipped: Nobody works on Sunday." in sunday.log


@pytest.mark.parametrize(
    ("wish", "code", "reason"),
    [
        ("lines=gate", 65, "lines: two rows of a key"),
        ("lines=bug", 1, "ZeroDivisionError: division by zero"),
        ("lines=own", 1, "a right is missing"),
    ],
)
def test_a_failure(command: Command, wish: str, code: int, reason: str) -> None:
    done = command.assets([LINES], named("2025-01-02"), ORIGIN, wish)
    assert (done.code, done.result["ok"]) == (code, False)
    (failed,) = done.result["failed"]
    assert (failed["exit_code"], reason in failed["reason"]) == (code, True)
    assert done.log.rstrip().endswith(failed["reason"])
    # A bug has its traceback, once; what an asset says on purpose has none.
    assert ('raise ZeroDivisionError("division by zero")' in done.log) == (wish == "lines=bug")
    assert "RetryRequested" not in done.log
    (run,) = command.runs()
    assert run.status == dg.DagsterRunStatus.FAILURE


def test_an_exception_of_the_projects_own(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREIGN", "lines=own")
    meaning = Meaning("", [Request("2025-01-02", "2025-01-02")], {})
    codes = {"NoRightError": 65}
    done = materialise(instance, FOREIGN, "daily", [LINES], meaning, {}, codes)
    assert done.exit_code == 65


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--asset", LINES], "either --tick, or --meaning"),
        (["--tick", "{}", "--asset", LINES, "--meaning", "{}"], "either --tick, or --meaning"),
        (["--asset", LINES, "--meaning", "null"], "--meaning is no JSON object"),
        (["--asset", LINES, "--meaning", "{}"], "clear the task tick"),
        (["--asset", "raw/other", "--meaning", json.dumps(named("2025-01-02"))], "no asset raw/o"),
        (["--schedule", "gone", "--tick", json.dumps(TICK)], "Export the DAG files again"),
        (
            ["--schedule", "weekdays", "--tick", json.dumps({**TICK, "conf": {"partition": "x"}})],
            "'x' is no partition of daily",
        ),
    ],
)
def test_wrong_usage(command: Command, words: list[str], said: str) -> None:
    done = command.call(*words)
    assert (done.code, said in done.result["error"]) == (2, True), done
    assert "Traceback" not in done.log


def test_without_an_instance(command: Command) -> None:
    variables = {name: text for name, text in os.environ.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(
        command.words("--schedule", "weekdays", "--tick", json.dumps(TICK)),
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "DAGSTER_HOME is not set" in json.loads(done.stdout)["error"]


def test_a_range_is_cut_as_the_backfill_policy_has_it(command: Command) -> None:
    """Five days, two a run; a chunk that fails leaves the others to be made."""
    done = command.assets([LINES], named("2025-01-01", "2025-01-05"), {})
    assert (done.code, done.result["partition"]) == (0, "2025-01-01…2025-01-05")
    assert done.result["made"] == {LINES: 5}
    ranges = [
        (
            run.tags.get("dagster/asset_partition_range_start"),
            run.tags.get("dagster/asset_partition_range_end"),
            run.tags.get("dagster/partition"),
        )
        for run in reversed(command.runs())
    ]
    assert ranges == [
        ("2025-01-01", "2025-01-02", None),
        ("2025-01-03", "2025-01-04", None),
        (None, None, "2025-01-05"),
    ]
    failed = command.assets([LINES], named("2025-01-01", "2025-01-05"), {}, "lines=gate")
    assert (failed.code, len(failed.result["failed"])) == (65, 3)


def test_parameters_become_config_where_they_differ(
    instance: dg.DagsterInstance,
) -> None:
    """Of those assets that have a field of the name; the schedule's config for others is left."""

    def rate(params: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Any, Any]:
        meaning = Meaning("", [Request("2025-01-02", "2025-01-02", config)], params)
        done = materialise(instance, FOREIGN, "daily", [LINES], meaning, {}, {})
        assert done.exit_code == 0, done.failures
        key = dg.AssetKey(["raw", "order.lines"])
        (event,) = instance.fetch_materializations(key, limit=1).records
        made = event.asset_materialization
        assert made is not None
        run = instance.get_run_by_id(done.runs[0])
        assert run is not None
        return made.metadata["rate"].value, run.run_config

    own = {"ops": {"raw__order_lines": {"config": {"rate": 0.2}}}}
    other = {"ops": {"out": {"inputs": {}}}}
    assert rate({"rate": 0.1, "since": "2025-01-01"}, {}) == (0.1, {})
    assert rate({"rate": 0.3}, {}) == (
        0.3,
        {"ops": {"raw__order_lines": {"config": {"rate": 0.3}}}},
    )
    assert rate({"rate": 0.1}, own) == (0.2, own)
    assert rate({"since": "2025-02-02"}, other) == (0.1, {})


def test_no_pool_of_dagster_is_claimed(instance: dg.DagsterInstance) -> None:
    """Airflow's pool has let the task in; with no slot at all in Dagster's it runs."""
    instance.event_log_storage.set_concurrency_slots("erp", 0)
    meaning = Meaning("", [Request("2025-01-02", "2025-01-02")], {})
    done = materialise(instance, FOREIGN, "daily", [LINES], meaning, {}, {})
    assert done.made == {LINES: 1}


# -- signals


@contextmanager
def sleeping(command: Command, wish: str) -> Iterator[subprocess.Popen[str]]:
    """A task in the midst of its asset, started as Airflow does: leading a session."""
    words = command.words("--asset", LINES, "--meaning", json.dumps(named("2025-01-02")))
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env=command.variables(wish),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert any("lines sleeps" in line for line in process.stderr)
        time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("wish", "most"),
    [
        ("lines=slow", 120.0),
        ("lines=child", 120.0),
        # Nothing interrupts a call into C; the process ends after the grace time.
        ("lines=stuck", 120.0),
    ],
)
def test_term_ends_it_cleanly(command: Command, wish: str, most: float) -> None:
    """Airflow never sends KILL: the run is canceled and nothing is left, within seconds."""
    with sleeping(command, wish) as process:
        begun = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        process.wait(200)
        assert time.monotonic() - begun < most
    assert process.returncode == 143
    (run,) = command.runs()
    assert run.status == dg.DagsterRunStatus.CANCELED
    assert members(process.pid) == []


def members(session: int) -> list[str]:
    """What still runs of a session; a zombie does not."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        if int(rest.split()[3]) == session and rest.split()[0] != "Z":
            found.append(name)
    return found


def test_the_next_try_waits_for_the_one_before(command: Command) -> None:
    """A cleared task: the next try begins before the old one has ended."""
    words = command.words("--asset", LINES, "--meaning", json.dumps(named("2025-01-02")))
    with sleeping(command, "lines=slow") as old:
        new = subprocess.Popen(
            words,
            cwd=ROOT,
            env=command.variables(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert new.stderr is not None
            assert new.stderr.readline() == (
                "raw/order.lines 2025-01-02: waiting for another process that makes it\n"
            )
            assert len(command.runs()) == 1
            os.kill(old.pid, signal.SIGTERM)
            new.communicate(timeout=300)
            assert new.returncode == 0
        finally:
            new.kill()
            new.communicate()
    second, first = command.runs()
    assert (first.status, second.status) == (
        dg.DagsterRunStatus.CANCELED,
        dg.DagsterRunStatus.SUCCESS,
    )


def test_a_killed_try_is_ended_by_the_next(command: Command) -> None:
    with sleeping(command, "lines=slow") as process:
        process.kill()
        process.wait(60)
        assert command.assets([LINES], named("2025-01-02"), {}).code == 0
    second, first = command.runs()
    assert (first.status, second.status) == (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.SUCCESS,
    )


# -- locks


_HOLD = """
import sys, time
import dagster as dg
from airflow_bridge.locks import claimed
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    with claimed(instance, ["a"], ["2025-01-01", "2025-01-02"], {}, print):
        print("held", flush=True)
        time.sleep(60)
"""


def test_partitions_that_do_not_meet_do_not_wait(
    command: Command, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "WAIT", 0.5)
    words = [command.words()[0], "-c", _HOLD, str(command.home)]
    holder = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for asset, partition in (("a", "2025-01-03"), ("b", "2025-01-01"), ("a", "")):
            with claimed(instance, [asset], [partition], {}, print):
                pass
        said: list[str] = []
        with (
            pytest.raises(NotYetError, match="makes a 2025-01-02 and has not ended in 0 s"),
            claimed(instance, ["a"], ["2025-01-02", "2025-01-03"], {}, said.append),
        ):
            pass
        assert said == ["a 2025-01-02: waiting for another process that makes it"]
        holder.kill()
        holder.wait(10)
        with claimed(instance, ["a"], ["2025-01-01", "2025-01-02"], {}, print):
            pass
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize(("other", "ended"), [({}, True), ({"airflow/run_id": "another"}, False)])
def test_an_earlier_try_on_another_host_is_ended_in_its_name(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    other: dict[str, str],
    ended: bool,
) -> None:
    monkeypatch.setattr(locks, "WAIT", 0.0)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    tags = {f"airflow/{name}": str(ORIGIN[name]) for name in ("dag_id", "run_id", "task_id")}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "another-host")
        run = instance.create_run_for_job(
            FOREIGN.load().get_job("once"),
            tags={**tags, **other, "run/process": "another-host:1"},
            status=dg.DagsterRunStatus.STARTED,
        )
    with claimed(instance, ["a"], [""], tags, print):
        pass
    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    assert (after.status == dg.DagsterRunStatus.FAILURE) == ended


# -- the UI


def test_the_ui_re_executes_from_failure(command: Command, instance: dg.DagsterInstance) -> None:
    """Through its GraphQL, over a workspace that knows the location by its name alone."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget
    from dagster_graphql.test.utils import execute_dagster_graphql

    failed = command.assets(["dims", "facts"], named("2025-01-02"), ORIGIN, "star=bug")
    assert failed.code == 1
    mutation = """
        mutation ($run: String!) {
          launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: FROM_FAILURE}) {
            __typename
            ... on LaunchRunSuccess { run { runId parentRunId } }
            ... on PythonError { message stack }
          }
        }"""
    target = ModuleTarget(MODULE, None, str(ROOT), "foreign")
    with WorkspaceProcessContext(instance, target) as workspace:
        (run_id,) = failed.result["runs"]
        result = execute_dagster_graphql(
            workspace.create_request_context(), mutation, {"run": run_id}
        )
        launched = result.data["launchRunReexecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        again = launched["run"]["runId"]
        until = time.monotonic() + 60
        while not (done := instance.get_run_by_id(again)).is_finished:  # type: ignore[union-attr]
            assert time.monotonic() < until
            time.sleep(0.2)
    assert done is not None
    assert (done.status, done.parent_run_id) == (dg.DagsterRunStatus.SUCCESS, run_id)
    for name in ("dims", "facts"):
        (event,) = instance.fetch_materializations(dg.AssetKey(name), limit=5).records
        assert (event.run_id, event.partition_key) == (again, "2025-01-02")
