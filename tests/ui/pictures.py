"""The pictures of README, taken from the running UI: `python -m tests.ui.pictures docs/`.

Here: which pages, and how they are laid out to be read. Not here: what they must show
(`test_ui.py`).
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from lake_assets.cli.demo import seoul_today
from lake_assets.sample.generate import DIRTY_DAYS
from tests.ui.browser import (
    click,
    expand_graph,
    find,
    running_browser,
    show_partitions_of_check,
    shows,
)
from tests.ui.server import lake, running_ui, small_environment
from tests.ui.test_column_lineage import open_table, reported

RAW, PREP = "raw/bw_sales_result", "prep/sales_result_daily"


def graph(browser: WebDriver, url: str, file: Path) -> None:
    """The graph after the demo, every group open."""
    browser.set_window_size(1960, 1150)
    browser.get(f"{url}/asset-groups")
    shows(browser, "customer_master", "bw_sales_result_daily")
    expand_graph(browser)
    shows(browser, "거래처 마스터", "ABC 등급", "2 / 2 Passed", "filled")
    click(browser, "//*[text()='Hide navigation']")
    browser.refresh()
    shows(browser, "거래처 마스터", "ABC 등급", "2 / 2 Passed", "filled")
    take(browser, file)


def asset(browser: WebDriver, url: str, file: Path) -> None:
    """What the page of one asset says of it."""
    browser.set_window_size(1500, 1350)
    browser.get(f"{url}/assets/{PREP}?view=overview")
    shows(browser, "거래처·제품군별 일 매출", "순매출액", "sales-data", "ago")
    take(browser, file)


def checks(browser: WebDriver, url: str, file: Path, dirty: date) -> None:
    """One red partition among green ones, and which rule it broke."""
    first, last = dirty - timedelta(days=40), dirty + timedelta(days=4)
    browser.set_window_size(1500, 900)
    browser.get(f"{url}/assets/{RAW}?view=checks&checkDetail=gates")
    shows(browser, "blocking", "Checks (3)")
    show_partitions_of_check(browser)
    shows(browser, "Failed (1)")
    box = "//input[starts-with(@placeholder, 'ex: ')]"
    find(browser, box).send_keys(Keys.CONTROL, "a")
    find(browser, box).send_keys(f"[{first}...{last}]", Keys.TAB)
    click(browser, f"//span[normalize-space()='{dirty}']")
    shows(browser, "unique(document, item)")
    take(browser, file)


def column_lineage(folder: Path) -> None:
    """What the columns of an asset come of, in the order report of the tests."""
    with tempfile.TemporaryDirectory() as temporary, reported(Path(temporary)) as (ui, browser):
        browser.set_window_size(1500, 1000)
        open_table(ui, browser, "prep/region_day")
        take(browser, folder / "column-lineage.png")


def take(browser: WebDriver, file: Path) -> None:
    """The window as it is, once nothing moves in it."""
    find(browser, "//body")
    browser.execute_async_script("setTimeout(arguments[0], 2000)")  # animations come to rest
    browser.save_screenshot(str(file))
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


def main(folder: Path) -> None:
    dirty = seoul_today() - timedelta(days=1 + DIRTY_DAYS)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        variables = small_environment(home)
        with running_ui(home, variables) as ui, running_browser(home / "profile") as browser:
            lake(variables, "demo")
            graph(browser, ui.url, folder / "asset-graph.png")
            asset(browser, ui.url, folder / "asset.png")
            since = (dirty - timedelta(days=40)).isoformat()
            lake(variables, "run", RAW, "--from", since, code=65)
            checks(browser, ui.url, folder / "checks.png", dirty)
    column_lineage(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
