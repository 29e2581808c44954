"""The pictures of docs/airflow.md and airflow-operations.md: `python -m tests.ui.airflow_pictures
docs/`.

Here: which pages of two running Airflows, and of the Dagster UI after a week of both schedulers,
and how large a window they are read in. Not here: what they must show (`test_airflow_ui.py`,
`test_one_history.py`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webdriver import WebDriver

from tests.acceptance.cluster_lake import (
    DAG,
    day,
    half_by_airflow,
    half_by_dagster,
    lake_cluster,
    lake_site,
)
from tests.acceptance.cluster_site import dagster_ui
from tests.airflow_bridge.projects import variables
from tests.servers.airflow import install
from tests.servers.postgres import PostgresServer, running_postgres
from tests.ui.airflow import VERSIONS, AirflowUi, running_airflow, write_dags
from tests.ui.airflow_pages import open_docs, open_form, open_graph, open_list
from tests.ui.browser import running_browser, shows
from tests.ui.pictures import take
from tests.ui.server import REPOSITORY

#: What is shown of both: a DAG with several sources, and one with groups.
LAKE_DAG, DAG_OF_GROUPS = "outstanding_balance_monthly", "orders_daily"


def of_two(ui: AirflowUi, browser: WebDriver, folder: Path) -> None:
    """The list, and the page of a run by hand, on which the document stands above the form."""
    browser.set_window_size(1640, 960)
    open_list(ui, browser, "0.ETL")
    take(browser, folder / "airflow-2.11-dags.png")
    browser.set_window_size(1300, 1200)
    open_form(ui, browser, LAKE_DAG)
    take(browser, folder / "airflow-2.11-run.png")


def of_three(ui: AirflowUi, browser: WebDriver, folder: Path) -> None:
    """The graph with its groups, and the document, drawn wider than it comes."""
    browser.set_window_size(1500, 780)  # else the small map lies over the last box
    open_graph(ui, browser, DAG_OF_GROUPS)
    take(browser, folder / "airflow-3.3-graph.png")
    browser.set_window_size(1500, 860)
    document = open_docs(ui, browser, LAKE_DAG)
    width, height = document.size["width"], document.size["height"]
    corner = ActionChains(browser).move_to_element_with_offset(
        document, width // 2 - 4, height // 2 - 4
    )
    corner.click_and_hold().move_by_offset(220, 180).release().perform()
    take(browser, folder / "airflow-3.3-docs.png")


def history(server: PostgresServer, home: Path, folder: Path) -> None:
    """After a week of both schedulers: its row of partitions, and who ran the newest day."""
    with lake_site(server, home / "site") as site:
        half_by_dagster(site)
        with lake_cluster("2.11.2", site) as cluster:
            half_by_airflow(cluster)
        words = ["-w", str(REPOSITORY / "workspace.yaml")]
        with (
            dagster_ui(site.folder, words, site.variables) as ui,
            running_browser(home / "profile-history") as browser,
        ):
            browser.set_window_size(1500, 760)
            browser.get(f"{ui.url}/assets/raw/sales?view=partitions&partition={day(3)}")
            shows(browser, "Materialized (7)", day(6), "store_sales")
            take(browser, folder / "one-row.png")
            browser.set_window_size(1500, 1130)
            only = quote(f"tag:dagster/partition={day(0)}")
            browser.get(f"{ui.url}/runs?{quote('q[0]')}={only}")
            shows(browser, f"Airflow {DAG}", f"{DAG}_sched", day(0))
            take(browser, folder / "one-history.png")


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary, running_postgres() as server:
        home = Path(temporary)
        (home / "site").mkdir()
        history(server, home, folder)
        os.environ.update(variables(home))
        write_dags(home / "dags")
        for version, pages in zip(VERSIONS, (of_two, of_three), strict=True):
            of = home / version
            with (
                running_airflow(install(version), server, of, home / "dags") as ui,
                running_browser(home / f"profile-{version}") as browser,
            ):
                ui.log_in(browser)
                pages(ui, browser, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
