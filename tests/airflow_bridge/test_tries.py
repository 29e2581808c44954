"""A task that is tried again: what a failed try made stays, unless all is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.location import Location
from airflow_bridge.materialise import Result, materialise
from airflow_bridge.meaning import Meaning, Request

DAYS = dg.DailyPartitionsDefinition("2025-01-01")
DAY = [f"2025-01-0{n}" for n in range(1, 6)]

#: What fails now, and each partition that was made, in order.
broken: set[str] = set()
made: list[str] = []


def act(name: str, key: str = "") -> None:
    if f"{name} {key}".strip() in broken:
        raise dg.Failure(name)
    made.append(f"{name} {key}".strip())


@dg.asset(partitions_def=DAYS)
def first(context) -> None:  # type: ignore[no-untyped-def]
    act("first", context.partition_key)


@dg.asset(partitions_def=DAYS, deps=[first])
def second(context) -> None:  # type: ignore[no-untyped-def]
    act("second", context.partition_key)


@dg.asset
def loose() -> Any:
    act("loose")
    return dg.MaterializeResult(metadata={"lake/path": "/lake/loose"})


@dg.multi_asset(specs=[dg.AssetSpec("left"), dg.AssetSpec("right")])
def both() -> Iterator[Any]:
    """It fails between the two."""
    act("left")
    yield dg.MaterializeResult("left")
    act("right")
    yield dg.MaterializeResult("right")


ASSETS = ["first", "second", "loose", "left", "right"]
JOB = dg.define_asset_job("job", [first, second, loose, both])
REPOSITORY = dg.Definitions([first, second, loose, both], jobs=[JOB]).get_repository_def()


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Location, "load", lambda _self: REPOSITORY)
    broken.clear()
    made.clear()


def attempt(
    instance: dg.DagsterInstance,
    number: int,
    assets: Sequence[str],
    span: tuple[str, str] = (DAY[0], DAY[-1]),
    force: bool = False,
) -> tuple[Result, list[str]]:
    """Its result, and what this try made."""
    made.clear()
    origin = {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": str(number)}
    meaning = Meaning("", [Request(*span)], {}, force=force)
    where = Location("m", "defs", "here")
    return materialise(instance, where, "job", assets, meaning, origin, {}), list(made)


def test_a_range_goes_on_where_it_failed(instance: dg.DagsterInstance) -> None:
    broken.update({f"first {DAY[1]}", f"first {DAY[3]}"})
    result, now = attempt(instance, 1, ["first"])
    assert (result.exit_code, now) == (1, [f"first {DAY[n]}" for n in (0, 2, 4)])
    broken.discard(f"first {DAY[1]}")
    assert attempt(instance, 2, ["first"])[1] == [f"first {DAY[1]}"]
    broken.clear()
    result, now = attempt(instance, 3, ["first"])
    assert (result.exit_code, now) == (0, [f"first {DAY[3]}"])
    # A task that had succeeded and is cleared makes all again.
    assert attempt(instance, 4, ["first"])[1] == [f"first {day}" for day in DAY]


def test_all_is_made_again_where_that_is_asked_for(instance: dg.DagsterInstance) -> None:
    broken.add(f"first {DAY[4]}")
    attempt(instance, 1, ["first"])
    broken.clear()
    assert len(attempt(instance, 2, ["first"], force=True)[1]) == 5


def test_of_several_assets_only_what_is_missing(instance: dg.DagsterInstance) -> None:
    broken.add(f"second {DAY[0]}")
    _, now = attempt(instance, 1, ["first", "second", "loose"], (DAY[0], DAY[0]))
    assert sorted(now) == [f"first {DAY[0]}", "loose"]
    broken.clear()
    result, now = attempt(instance, 2, ["first", "second", "loose"], (DAY[0], DAY[0]))
    assert (now, result.made) == ([f"second {DAY[0]}"], {"second": 1})


def test_what_only_runs_together_is_made_together(instance: dg.DagsterInstance) -> None:
    broken.add("right")
    assert attempt(instance, 1, ["left", "right"], ("", ""))[1] == ["left"]
    broken.clear()
    assert attempt(instance, 2, ["left", "right"], ("", ""))[1] == ["left", "right"]


def test_the_result_of_a_task(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_BRIDGE_DAGSTER_URL", "http://dagster:3000/")
    result, _ = attempt(instance, 1, ["loose"], ("", ""))
    (run,) = instance.get_runs()
    assert result.document() == {
        "ok": True,
        "partition": "",
        "runs": [run.run_id],
        "made": {"loose": 1},
        "paths": {"loose": "/lake/loose"},
        "link": f"http://dagster:3000/runs/{run.run_id}",
    }
