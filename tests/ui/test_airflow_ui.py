"""What operators see of exported DAGs, in a headless Chromium over two real Airflows.

Here: tags, groups, documents and forms as both UIs show them, read off their pages. Not here: how
the pages are opened (`airflow_pages.py`), and what is in the files (`test_round_trip.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from airflow_bridge.drift import read_pipeline
from tests.airflow_bridge.projects import variables
from tests.airflow_bridge.real import installed
from tests.conftest import absent
from tests.servers.postgres import PostgresServer
from tests.ui.airflow import VERSIONS, AirflowUi, running_airflow, write_dags
from tests.ui.airflow_pages import (
    complaints,
    lines,
    open_docs,
    open_form,
    open_graph,
    open_list,
)
from tests.ui.browser import CHROMIUM, DRIVER, running_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("ui")]

LAKE_DAG, DAG_OF_GROUPS = "outstanding_balance_monthly", "orders_daily"


@dataclass(frozen=True)
class Seen:
    """A UI, who looks at it, and what is in the files: DAG → its literals."""

    ui: AirflowUi
    browser: WebDriver
    specs: Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module", params=VERSIONS)
def seen(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[Seen]:
    if not CHROMIUM or not DRIVER:
        absent("Chromium", "chromium and chromedriver are not installed")
    airflow = installed(request.param)
    folder = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        for name, text in variables(folder).items():
            patch.setenv(name, text)
        write_dags(folder / "dags")
    files = (folder / "dags").glob("*.py")
    specs = {path.stem: read_pipeline(path.read_text("utf-8")) or {} for path in files}
    with (
        running_airflow(airflow, postgres_server, folder / "home", folder / "dags") as ui,
        running_browser(folder / "profile", 1500, 1100) as browser,
    ):
        ui.log_in(browser)
        yield Seen(ui, browser, specs)


def test_tags_are_in_their_order(seen: Seen) -> None:
    """From where to where the data goes; then the others, of which 3.3 folds what is over three."""
    shown = open_list(seen.ui, seen.browser, "0.ETL")
    assert complaints(seen.browser) == []
    tags = {name: spec["dag"]["tags"] for name, spec in seen.specs.items()}
    assert set(shown) == {name for name, told in tags.items() if "0.ETL" in told}
    assert shown[LAKE_DAG] == ["0.ETL", "1.Start:SAP", "2.End:HDFS", "채권"]
    for name, told in shown.items():
        assert told[:3] == tags[name][:3]
        folded = seen.ui.three and len(tags[name]) > 4
        assert sorted(told) == sorted(tags[name][:3] if folded else tags[name])


def test_groups_are_boxes_around_their_tasks(seen: Seen) -> None:
    boxes = open_graph(seen.ui, seen.browser, DAG_OF_GROUPS)
    assert complaints(seen.browser) == []
    tasks = seen.specs[DAG_OF_GROUPS]["tasks"]
    groups = {one["task"]["task_id"]: one["group"] for one in tasks}
    assert set(boxes) == {"tick", "done", *groups, *groups.values()}
    assert set(groups.values()) == {"ingest", "finance"}
    inside = {
        (group, name)
        for group in groups.values()
        for name in boxes
        if name != group and boxes[group].holds(boxes[name])
    }
    assert inside == {(group, task) for task, group in groups.items()}
    # From left to right, in the order in which they run.
    order = ("tick", "raw__orders", "clean_orders", "revenue", "balance", "done")
    assert sorted(order, key=lambda name: boxes[name].left) == list(order)


def test_the_document_has_a_line_for_each_asset(seen: Seen) -> None:
    document = open_docs(seen.ui, seen.browser, LAKE_DAG)
    assert complaints(seen.browser) == []
    assert lines(document) == [
        "raw/ar_invoice – 채권 전표 – from src/hana_db/ar_invoice",
        "raw/ar_payment – 입금 내역 – from src/hana_db/ar_payment",
        "prep/ar_open_item – 월말 미결 항목 – from raw/ar_invoice, raw/ar_payment",
        "prep/outstanding_balance_monthly – 월별 채권 잔액 – "
        "from prep/ar_open_item, raw/ar_invoice, raw/ar_payment",
    ]
    for words in (
        "ERP의 채권 전표(송장·대변표)와",
        "Owner: team:finance-data",
        "Read by these DAGs: finance_ml_final__forecast, finance_ml_final__outcome, "
        "outstanding_balance_aging",
    ):
        assert words in document.text


@pytest.mark.parametrize("dag_id", [LAKE_DAG, "bw_sales_result_daily"])
def test_the_form_has_a_field_for_each_parameter(seen: Seen, dag_id: str) -> None:
    shown = open_form(seen.ui, seen.browser, dag_id)
    assert complaints(seen.browser) == []
    params = seen.specs[dag_id]["params"]
    assert list(shown)[:3] == ["partition", "from", "to"]
    assert shown == {name: one.get("description", "") for name, one in params.items()}
