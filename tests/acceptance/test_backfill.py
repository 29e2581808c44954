"""Backfills as the UI launches them, and months that wait for their days.

Here: the daemon and GraphQL over generated data, and `lake run`. Not here: clicking (`tests/ui`).
"""

from __future__ import annotations

import json
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lake_assets.sample.generate import DIRTY_DAYS, dirty_day, write_duckdb
from resources.settings import Sample
from tests.acceptance.lake import command, ended, hidden, open_lake
from tests.ui.server import Ui, running_ui, small_environment

RAW, PREP = "raw/bw_sales_result", "prep/sales_result_daily"
MONTHLY = "prep/sales_result_monthly"

_LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_LOOK = """
query Look($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill {
      status
      runs(limit: 100) { status tags { key value } stats {
        ... on RunStatsSnapshot { materializations } } }
    }
  }
}
"""


def over(ui: Ui, backfill: str, seconds: float) -> dict[str, Any]:
    """The backfill, once it has ended."""
    until = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = ui.query(_LOOK, id=backfill)["partitionBackfillOrError"]
        if found["status"] not in ("REQUESTED", "COMPLETING"):
            return found
        assert time.monotonic() < until, f"not over after {seconds} s: {found}"
        time.sleep(1)


@pytest.mark.slow
def test_a_backfill_of_100_days_is_4_runs(tmp_path: Path) -> None:
    last = datetime.now(ZoneInfo("Asia/Seoul")).date() - timedelta(days=1)
    days = [(last - timedelta(days=n)).isoformat() for n in reversed(range(100))]
    with running_ui(tmp_path, small_environment(tmp_path)) as ui:
        answer = ui.query(
            _LAUNCH,
            params={
                "assetSelection": [{"path": name.split("/")} for name in (RAW, PREP)],
                "partitionNames": days,
            },
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        found = over(ui, answer["backfillId"], 300)
    assert found["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in found["runs"]] == ["SUCCESS"] * 4
    ranges = sorted(
        tuple(
            next(tag["value"] for tag in run["tags"] if tag["key"] == f"dagster/{key}")
            for key in ("asset_partition_range_start", "asset_partition_range_end")
        )
        for run in found["runs"]
    )
    firsts = days[::31]
    assert ranges == [(first, days[min(31 * n + 30, 99)]) for n, first in enumerate(firsts)]
    assert sum(run["stats"]["materializations"] for run in found["runs"]) == 200
    for name in (RAW, PREP):
        published = (ui.home / "lake" / name).glob("dt=*/part-0.parquet")
        assert sorted(file.parent.name.removeprefix("dt=") for file in published) == days
    assert hidden(ui.home / "lake") == []


UNTIL = date(2026, 2, 28)
DAYS = [(date(2026, 2, 1) + timedelta(days=n)).isoformat() for n in range(28)]


def test_a_month_waits_for_its_days(tmp_path: Path) -> None:
    write_duckdb(tmp_path, Sample(days=40, until=UNTIL.isoformat(), scale=0.1), UNTIL)

    def lake(*words: str) -> tuple[int, dict[str, Any], str]:
        code, out, err = ended(command(tmp_path, *words, "--json", env="local"))
        return code, json.loads(out), err

    with open_lake(tmp_path, env="local") as graph:
        assert graph.run("raw/customer", "prep/customer_master").success
        assert graph.run(RAW, first=DAYS[0], last=DAYS[-2]).success

        # As the UI runs it: told, not tried again, nothing published.
        run = graph.run(MONTHLY, first="2026-02")
        assert not run.success
        assert run.failure.metadata["lake/exit_code"].value == 75
        assert "1 of 28 partitions are not in the store" in run.message
        assert f"raw/bw_sales_result/dt={DAYS[-1]}. Materialise them first." in run.message
        assert run.count("STEP_UP_FOR_RETRY") == 0
        assert graph.store.keys("prep", "sales_result_monthly") == []

        # As a person does, by name and in a range.
        for words in (("--partition", "2026-02"), ("--from", "2026-02", "--to", "2026-02")):
            code, told, err = lake("run", MONTHLY, *words)
            assert (code, told["exit_code"]) == (75, 75), err
            said = json.dumps([*told["skipped"], *told["failed"]], ensure_ascii=False)
            assert DAYS[-1] in said, said
            assert graph.store.keys("prep", "sales_result_monthly") == []

        assert graph.run(RAW, first=DAYS[-1]).success
        code, told, err = lake("run", MONTHLY, "--partition", "2026-02")
        assert code == 0, err
        assert [one["partitions"] for one in told["made"]] == [["2026-02"]]
        month = graph.read(MONTHLY, "2026-02")
        assert sum(month["lines"].to_pylist()) > 1000
        assert set(month["days"].to_pylist()) <= set(range(1, 29))


def test_a_bad_day_holds_up_no_other(tmp_path: Path) -> None:
    """`lake run` over a month of the shipped pipeline, one day of which a gate refuses."""
    sample = Sample(days=DIRTY_DAYS + 20, until=UNTIL.isoformat(), scale=0.1)
    write_duckdb(tmp_path, sample, UNTIL)
    dirty = dirty_day(sample, UNTIL)
    assert dirty is not None
    days = [(dirty + timedelta(days=n)).isoformat() for n in range(-15, 16)]
    words = ("run", RAW, PREP, "--from", days[0], "--to", days[-1], "--json")
    code, out, err = ended(command(tmp_path, *words, env="local"))
    assert code == 65, err
    told = json.loads(out)
    [failed] = told["failed"]
    assert f"{dirty}: unique(document, item): found rows too many: 1" in failed["reason"]
    others = [day for day in days if day != dirty.isoformat()]
    with open_lake(tmp_path, env="local") as graph:
        for name in (RAW, PREP):
            assert graph.store.keys(*name.split("/")) == others
            assert graph.check(name, "gates")["succeeded"] == set(others)
        assert graph.check(RAW, "gates")["failed"] == {dirty.isoformat()}
        # What waits for the bad day is told as such, not tried.
        assert graph.check(PREP, "gates")["failed"] == set()
    [skip] = [skip for skip in told["skipped"] if skip["asset"] == PREP]
    assert (skip["partitions"], skip["kind"]) == ([dirty.isoformat()], "failed")


def test_checks_without_partitions_are_shown_too(tmp_path: Path) -> None:
    """Run by themselves, and in a run of a partition of something else."""
    write_duckdb(tmp_path, Sample(days=2, until=UNTIL.isoformat(), scale=0.1), UNTIL)
    with open_lake(tmp_path, env="local") as graph:
        assert graph.run("raw/customer").success
        assert graph.check("raw/customer", "gates") == {"succeeded": {""}, "failed": set()}
        assert graph.run("raw/customer", RAW, first=DAYS[-1]).success
        assert graph.check("raw/customer", "gates") == {"succeeded": {""}, "failed": set()}
        assert graph.check(RAW, "gates") == {"succeeded": {DAYS[-1]}, "failed": set()}
