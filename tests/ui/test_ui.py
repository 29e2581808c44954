"""What a user sees and does in the Dagster UI, in a headless Chromium over `lake ui`.

Here: pages read as text, a backfill launched by clicks, a failed run and its re-execution. Not
here: what the runs compute (the other tests).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from lake_assets.cli.demo import seoul_today
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.sample.generate import DIRTY_DAYS
from resources.settings import load_settings
from tests.conftest import absent
from tests.ui.browser import (
    CHROMIUM,
    DRIVER,
    click,
    eventually,
    expand_graph,
    find,
    running_browser,
    show_partitions_of_check,
    shows,
    text,
)
from tests.ui.server import Ui, lake, running_ui, small_environment

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("ui")]

RAW, PREP = "raw/bw_sales_result", "prep/sales_result_daily"


@dataclass(frozen=True)
class Seen:
    """A lake of five days (the middle one refused by a gate) and the customers, and who looks."""

    ui: Ui
    browser: WebDriver
    dirty: date

    def day(self, offset: int) -> str:
        return (self.dirty + timedelta(days=offset)).isoformat()

    def open(self, path: str, *words: str) -> str:
        self.browser.get(self.ui.url + path)
        return shows(self.browser, *words)

    def file(self, asset: str, day: str) -> Path:
        return self.ui.home / "lake" / asset / f"dt={day}" / "part-0.parquet"

    def rows(self, asset: str, day: str) -> int:
        (rows,) = duckdb.sql(f"SELECT count(*) FROM '{self.file(asset, day)}'").fetchall()[0]
        return int(rows)

    def materialised(self, asset: str) -> set[str]:
        answer = self.ui.query(
            """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
                 assetPartitionStatuses { ... on TimePartitionStatuses {
                   ranges { startKey endKey status } } } } } }""",
            key={"path": asset.split("/")},
        )
        ranges = answer["assetNodeOrError"]["assetPartitionStatuses"]["ranges"]
        return {
            day
            for one in ranges
            if one["status"] == "MATERIALIZED"
            for day in _days(one["startKey"], one["endKey"])
        }

    def check(self, asset: str, name: str) -> dict[str, str]:
        """Partition → status of the asset's check, as the UI asks for it."""
        answer = self.ui.query(
            """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
                 assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses {
                   ... on AssetCheckTimePartitionStatuses { ranges { startKey endKey status } }
                 } } } } } } }""",
            key={"path": asset.split("/")},
        )
        checks = answer["assetNodeOrError"]["assetChecksOrError"]["checks"]
        (found,) = [check for check in checks if check["name"] == name]
        return {
            day: one["status"]
            for one in found["partitionStatuses"]["ranges"]
            for day in _days(one["startKey"], one["endKey"])
        }

    def run(self, run_id: str) -> dict[str, Any]:
        answer = self.ui.query(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { runId status } } }", id=run_id
        )
        found: dict[str, Any] = answer["runOrError"]
        return found


def _days(first: str, last: str) -> list[str]:
    start = date.fromisoformat(first)
    count = (date.fromisoformat(last) - start).days + 1
    return [(start + timedelta(days=one)).isoformat() for one in range(count)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    if not CHROMIUM or not DRIVER:
        absent("Chromium", "chromium and chromedriver are not installed")
    folder = tmp_path_factory.mktemp("ui")
    variables = small_environment(folder)
    dirty = seoul_today() - timedelta(days=1 + DIRTY_DAYS)
    with running_ui(folder, variables) as ui, running_browser(folder / "profile") as browser:
        found = Seen(ui, browser, dirty)
        lake(variables, "run", "group:customer_master")
        lake(variables, "run", RAW, PREP, "--from", found.day(-2), "--to", found.day(2), code=65)
        yield found


def test_graph_shows_groups_kinds_owners_titles_partitions_and_checks(seen: Seen) -> None:
    seen.open("/asset-groups", "customer_master", "bw_sales_result_daily")
    expand_graph(seen.browser)
    # Fitted into a smaller window so many groups have no more than names.
    before = seen.browser.get_window_size()
    seen.browser.set_window_size(3600, 2400)
    seen.browser.refresh()
    days = (seoul_today() - date(2024, 11, 1)).days
    shows(
        seen.browser,
        *("거래처 원본", "거래처 마스터", "BW 매출 실적", "거래처·제품군별 일 매출", "ABC 등급"),
        *("hana_bw", "hana_db", "Table", "Parquet", "SQL", "DuckDB", "Python"),
        f"{days} partitions",
        "filled (1 failed)",  # the refused day
        "2 / 2 Passed",  # prep/customer_master: gates and checks
        "Materialized",
    )

    graph = build_definitions(load_settings("local"), load_pipelines(pipeline_folders()))
    nodes = graph.get_repository_def().asset_graph.asset_nodes
    owned = sum("team:sales-data" in node.owners for node in nodes)
    for _ in range(5):  # asked all the time, a page of this size is not drawn to its end
        time.sleep(2)
        read = text(seen.browser)
        if read.count("sales-data") == owned and "Loading" not in read:
            break
    assert read.count("sales-data") == owned > 10  # the owner of assets and source tables
    assert "Loading" not in read
    seen.browser.set_window_size(before["width"], before["height"])


def test_asset_page_tells_what_the_asset_is(seen: Seen) -> None:
    read = seen.open(
        f"/assets/{RAW}?view=overview",
        "BW 매출 실적 – 매출 문서의 품목 한 줄이 한 행입니다.",
        "bw_sales_result_daily",  # group and job
        "sales-data",
        "At 06:00 AM GMT+9",
        "DuckDB file, same snapshot",
        "hana_bw: SAPBW./BIC/AZSD_O0100",
        "일별 영업매출",
        "lake/preview",
    )
    lines = read.splitlines()
    at = lines.index("sales_rep")
    assert lines[at + 1 : at + 4] == ["pii: masked", "int64", "담당자 사번"]
    at = lines.index("amount")
    assert lines[at + 1 : at + 4] == ["decimal(18,2)", "non-nullable", "금액"]


def test_partition_page_has_rows_path_and_a_masked_preview(seen: Seen) -> None:
    day = seen.day(1)
    read = seen.open(f"/assets/{RAW}?view=partitions&partition={day}", "lake/path", "lake/bytes")
    lines = read.splitlines()
    assert lines[lines.index("dagster/partition_row_count") + 1] == str(seen.rows(RAW, day))
    assert lines[lines.index("lake/path") + 1] == str(seen.file(RAW, day))
    assert lines[lines.index("lake/bytes") + 1] == str(seen.file(RAW, day).stat().st_size)
    assert "Failed (1)" in read
    assert "Materialized (4)" in read

    click(seen.browser, "//*[text()='[Show Markdown]']")
    table = find(seen.browser, "//table[.//th[normalize-space()='sales_rep']]").text
    assert table.count("***") == 5
    assert "NULL" in table
    reps = duckdb.sql(f"SELECT DISTINCT sales_rep FROM '{seen.file(RAW, day)}'").fetchall()
    assert {str(one) for (one,) in reps if one}.isdisjoint(table.split())


def test_gate_is_red_on_its_partition_only(seen: Seen) -> None:
    about = "발행 전에 확인하며, 하나라도 실패하면 이전 파티션이 그대로 남는다."
    url = f"/assets/{RAW}?view=checks&checkDetail=gates"
    seen.open(url, about, "blocking asset check", "gates\nFailed")
    show_partitions_of_check(seen.browser)
    shows(seen.browser, "Failed (1)", "Passed (4)", "Execution Failed (0)")
    expected = dict.fromkeys((seen.day(one) for one in range(-2, 3)), "SUCCEEDED")
    assert seen.check(RAW, "gates") == {**expected, seen.day(0): "FAILED"}
    assert not seen.file(RAW, seen.day(0)).exists()


def test_failed_run_says_what_to_do_and_is_re_executed_from_failure(seen: Seen) -> None:
    failed = seen.ui.query(
        "{ runsOrError(filter: {statuses: [FAILURE]}) { ... on Runs { results { runId } } } }"
    )["runsOrError"]["results"]
    assert len(failed) == 1
    words = ("gates failed in 1 of 5 partitions", "pipeline.yaml")
    read = seen.open(f"/runs/{failed[0]['runId']}", "Failure", "RUN_FAILURE", *words)
    told = read[read.index("raw/bw_sales_result: gates failed in 1 of 5 partitions") :]
    rule = f"{seen.day(0)}: unique(document, item): found rows too many: 1"
    assert told.splitlines()[1].startswith(rule)
    assert "pipelines/bw_sales_result_daily/pipeline.yaml" in told.splitlines()[2]
    # The words come before any frame of Python, and none of the frames is part of them.
    assert "Stack Trace" not in read[: read.index("gates failed in 1 of 5")]

    with duckdb.connect(str(seen.ui.home / "sources" / "hana_bw.duckdb")) as source:
        source.execute(
            """DELETE FROM "SAPBW"."/BIC/AZSD_O0100" WHERE rowid IN (
                 SELECT max(rowid) FROM "SAPBW"."/BIC/AZSD_O0100"
                 GROUP BY "DOC_NUMBER", "S_ORD_ITEM" HAVING count(*) > 1)"""
        )
    launched = seen.ui.query(
        """mutation($again: ReexecutionParams) {
             launchRunReexecution(reexecutionParams: $again) { __typename
               ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
        again={"parentRunId": failed[0]["runId"], "strategy": "FROM_FAILURE"},
    )["launchRunReexecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    eventually(
        "the re-execution", lambda: seen.run(run_id)["status"] in ("SUCCESS", "FAILURE"), 180
    )
    assert seen.run(run_id)["status"] == "SUCCESS"
    assert seen.file(RAW, seen.day(0)).exists()
    assert seen.file(PREP, seen.day(0)).exists()
    assert set(seen.check(RAW, "gates").values()) == {"SUCCEEDED"}
    read = seen.open(f"/runs/{run_id}", "Success", "Succeeded (2)", "RUN_SUCCESS")
    assert "STEP_FAILURE" not in read


def test_backfill_launched_in_the_browser(seen: Seen) -> None:
    first, last = seen.day(100), seen.day(132)  # 33 days, of which a run takes 31
    before = seen.materialised(RAW)
    assert before.isdisjoint(_days(first, last))

    seen.open(f"/assets/{RAW}?view=partitions", "Missing")
    click(seen.browser, "//button[contains(normalize-space(), 'Materialize')]")
    shows(seen.browser, "Launch runs to materialize")
    # Dagster offers the last 90 days at first.
    click(seen.browser, "//button[normalize-space()='Show all partitions']")
    box = "(//input[starts-with(@placeholder, 'ex: ')])[last()]"  # the page behind has one, too
    click(seen.browser, box)
    find(seen.browser, box).send_keys(f"[{first}...{last}]", Keys.TAB)
    shows(seen.browser, "33 partitions", "maximum of 31 partitions per run")
    click(seen.browser, "//button[normalize-space()='Launch backfill']")

    def backfill() -> dict[str, Any] | None:
        found = seen.ui.query(
            """{ partitionBackfillsOrError { ... on PartitionBackfills { results {
                 id status numPartitions runs(limit: 10) { runId status } } } } }"""
        )["partitionBackfillsOrError"]["results"]
        return found[0] if found and found[0]["status"] not in ("REQUESTED", "CANCELING") else None

    done = eventually("the backfill", backfill, 240)
    assert (done["status"], done["numPartitions"]) == ("COMPLETED_SUCCESS", 33)
    assert [run["status"] for run in done["runs"]] == ["SUCCESS", "SUCCESS"]
    assert seen.materialised(RAW) == before | set(_days(first, last))
    for day in _days(first, last):
        assert seen.rows(RAW, day) > 0, day

    read = seen.open(
        f"/runs/b/{done['id']}", "Succeeded", "100% completed", "raw / bw_sales_result"
    )
    # Partitions targeted, in progress, succeeded, failed.
    assert read.split("100% completed")[1].split()[:4] == ["33", "0", "33", "0"]
    read = seen.open(f"/runs/{done['runs'][0]['runId']}", "Success", "RUN_SUCCESS")
    assert "STEP_FAILURE" not in read


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/locations", ("lake", "Loaded", "lake_assets.definitions")),
        ("/automation", ("bw_sales_result_daily_schedule", "At 06:00 AM GMT+9")),
        ("/jobs", ("bw_sales_result_daily", "bw_sales_result_monthly", "customer_master")),
        ("/assets", ("거래처 마스터 – 이름의 법인 표기와", "src / hana_bw / bw_sales_result")),
        ("/deployment/daemons", ("Backfill", "Running")),
    ],
)
def test_pages(seen: Seen, path: str, words: tuple[str, ...]) -> None:
    read = seen.open(path, *words)
    time.sleep(1)
    for bad in ("Join the Dagster community", "An unexpected error", "Failed to load"):
        assert bad not in read + text(seen.browser)
    severe = [one["message"] for one in seen.browser.get_log("browser") if one["level"] == "SEVERE"]
    assert [one for one in severe if seen.ui.url in one] == []
