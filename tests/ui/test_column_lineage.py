"""What the Dagster UI shows of the columns of the ten steps (`tests/acceptance/lineage`).

Here: an asset's page after its materialisation, the table of what its columns come of and its
links, and what GraphQL gives to a UI that draws it. Not here: what the lineage must be
(`tests/acceptance/test_lineage.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.conftest import absent
from tests.order_report import DAY, PIPELINES, write_environment, write_sources
from tests.ui.browser import CHROMIUM, DRIVER, click, find, running_browser, shows
from tests.ui.server import Ui, lake, running_ui

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("ui")]

ASSET = "prep/region_day"
DIALOG = "//*[@role='dialog']"


@contextmanager
def reported(folder: Path) -> Iterator[tuple[Ui, WebDriver]]:
    """The UI over the order report of one day, and a browser."""
    ours = ("LAKE_", "DAGSTER_")
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "LAKE_HOME": str(folder / "home"),
        "LAKE_ENVIRONMENTS": str(write_environment(folder / "environments")),
        "LAKE_ENV": "orders",
        "LAKE_PIPELINES": str(PIPELINES),
    }
    write_sources(folder / "home")
    with running_ui(folder, variables) as ui, running_browser(folder / "profile") as browser:
        lake(variables, "run", "group:order_report", "--from", DAY, "--to", DAY)
        yield ui, browser


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ui, WebDriver]]:
    if not CHROMIUM or not DRIVER:
        absent("Chromium", "chromium and chromedriver are not installed")
    with reported(tmp_path_factory.mktemp("ui")) as found:
        yield found


def open_table(ui: Ui, browser: WebDriver, asset: str) -> None:
    """The table of what the columns of an asset come of, as a reader opens it."""
    browser.get(f"{ui.url}/assets/{asset}?view=overview")
    shows(browser, "lake/column_lineage")
    label = "//*[normalize-space(text())='lake/column_lineage']"
    click(browser, f"({label}/following::*[contains(text(), 'Show Markdown')])[1]")
    shows(browser, "행을 정하는 컬럼")


def test_asset_page_shows_what_each_column_comes_of(seen: tuple[Ui, WebDriver]) -> None:
    ui, browser = seen
    open_table(ui, browser, ASSET)
    rows = browser.find_elements(By.XPATH, f"{DIALOG}//tbody/tr")
    cells = [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]
    assert {row[0]: row[1:3] for row in cells} == {
        "region": ["지역", "prep/order_rank.region 그대로(해석)"],
        "orders": ["주문 수", "prep/order_rank.* 집계(해석)"],
        "customers": ["거래처 수", "prep/order_rank.customer 집계(해석)"],
        "net": ["순금액", "prep/order_rank.net 집계(해석)"],
        "net_big": [
            "큰 주문의 순금액",
            "prep/order_rank.net 집계(해석), prep/order_rank.size 집계(해석)",
        ],
        "last_on": ["마지막 주문일", "prep/order_rank.ordered_on 집계(해석)"],
        "best_customer": [
            "가장 큰 거래처",
            "prep/order_rank.customer_name 집계(해석), prep/order_rank.net 집계(해석)",
        ],
    }
    read = find(browser, DIALOG).text
    assert "prep/order_rank.net 필터" in read
    assert "prep/order_rank.region 그룹 키" in read


def test_a_link_leads_to_the_asset_that_a_column_comes_of(seen: tuple[Ui, WebDriver]) -> None:
    ui, browser = seen
    open_table(ui, browser, ASSET)
    link = find(browser, f"{DIALOG}//a[normalize-space()='prep/order_rank.size']")
    browser.get(str(link.get_attribute("href")))
    assert "거래처별 큰 주문" in shows(browser, "거래처별 큰 주문")


_LINEAGE = """query ($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations(limit: 1) { metadataEntries { label ... on TableColumnLineageMetadataEntry {
    lineage { columnName columnDeps { assetKey { path } columnName } } } } } } } }"""


def test_graphql_has_the_column_lineage_that_dagster_plus_draws(
    seen: tuple[Ui, WebDriver],
) -> None:
    found = seen[0].query(_LINEAGE, key={"path": ASSET.split("/")})["assetOrError"]
    [entry] = [
        one
        for one in found["assetMaterializations"][0]["metadataEntries"]
        if one["label"] == "dagster/column_lineage"
    ]
    deps = {
        one["columnName"]: [("/".join(d["assetKey"]["path"]), d["columnName"]) for d in of]
        for one in entry["lineage"]
        if (of := one["columnDeps"]) is not None
    }
    assert deps["net_big"] == [("prep/order_rank", "net"), ("prep/order_rank", "size")]
    assert deps["orders"] == []
