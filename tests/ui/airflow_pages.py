"""The pages of an Airflow's UI that show what an exported DAG says of itself.

Here: opening them as a person does, and what is read on them, of Airflow 2.11 and 3.3 alike. Not
here: the servers (`airflow.py`) and what the pages must show (`test_airflow_ui.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.shadowroot import ShadowRoot
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.ui.airflow import AirflowUi
from tests.ui.browser import click, eventually, find

_NODE = ".react-flow__node"


@dataclass(frozen=True)
class Box:
    """Where something is in the window, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


def open_list(ui: AirflowUi, browser: WebDriver, tag: str) -> Mapping[str, Sequence[str]]:
    """The list of the DAGs with a tag: DAG → its tags, in the order in which they are shown."""
    browser.get(f"{ui.url}/{'dags' if ui.three else 'home'}?tags={tag}")
    rows = "[data-testid='dag-card']" if ui.three else "tr:has(a.label-info)"
    name = "[data-testid='dag-id']" if ui.three else "strong"
    tags = "[data-testid='limited-items-list'] a" if ui.three else "a.label-info"

    def look() -> Mapping[str, Sequence[str]]:
        found = browser.find_elements(By.CSS_SELECTOR, rows)
        return {_texts(row, name)[0]: [tag.strip() for tag in _texts(row, tags)] for row in found}

    return eventually("DAGs in the list", look)


def open_graph(ui: AirflowUi, browser: WebDriver, dag_id: str) -> Mapping[str, Box]:
    """The graph of a DAG, every group open: what stands in a box → its box."""
    path = f"dags/{dag_id}" if ui.three else f"dags/{dag_id}/grid?tab=graph"
    browser.get(f"{ui.url}/{path}")
    if ui.three:
        click(browser, "//button[starts-with(@aria-label, 'Show Graph')]")
        click(browser, "//button[@aria-label='Expand all task groups']")
        click(browser, "//button[@aria-label='Collapse Details Panel']")
        fit = "[aria-label='Fit View']"
    else:
        _press(browser, ui, "[aria-label='Toggle full screen details']")
        _press(browser, ui, "label:has(#show-datasets)")
        for group in eventually("groups", lambda: _closed(browser, ui)):
            _press(browser, ui, f"{_NODE}[data-id='{group}'] span")
        fit = "[aria-label='fit view']"
    eventually("open groups", lambda: not _closed(browser, ui))
    # The layout is made anew, after which the window is fitted to it.
    browser.execute_async_script("setTimeout(arguments[0], 2000)")
    _press(browser, ui, fit)
    browser.execute_async_script("setTimeout(arguments[0], 2000)")
    nodes = _root(browser, ui).find_elements(By.CSS_SELECTOR, _NODE)
    return {str(one.get_attribute("data-id")): _box(browser, one) for one in nodes}


def open_docs(ui: AirflowUi, browser: WebDriver, dag_id: str) -> WebElement:
    """The document of a DAG, which a button on its page opens."""
    browser.get(f"{ui.url}/dags/{dag_id}{'' if ui.three else '/grid'}")
    if ui.three:
        click(browser, "//button[@aria-label='Dag Docs']")
        return find(browser, "//*[@role='dialog'][.//li]")
    click(browser, "//a[contains(@class, 'accordion-toggle')]")
    return find(browser, "//*[contains(@class, 'panel')][.//li]")


def open_form(ui: AirflowUi, browser: WebDriver, dag_id: str) -> Mapping[str, str]:
    """The form of a run by hand: each field, and what is said below it."""
    if ui.three:
        browser.get(f"{ui.url}/dags/{dag_id}")
        click(browser, "//button[@aria-label='Trigger Dag']")
    else:
        browser.get(f"{ui.url}/dags/{dag_id}/trigger")
    fields = "//*[self::input or self::textarea][starts-with(@name, 'element_')]"
    find(browser, fields)
    mark = "@data-part='helper-text'" if ui.three else "contains(@class, 'help-block')"
    below = f"following::*[{mark}][1]"
    return {
        str(field.get_attribute("name")).removeprefix("element_"): field.find_element(
            By.XPATH, below
        ).text
        for field in browser.find_elements(By.XPATH, fields)
    }


def complaints(browser: WebDriver) -> list[str]:
    """What either UI says in a coloured bar, or in a note that comes and goes."""
    bars = browser.find_elements(By.CSS_SELECTOR, ".alert, [role='alert'], [data-part='toast']")
    return [bar.text for bar in bars if bar.is_displayed() and bar.text]


def lines(document: WebElement) -> list[str]:
    """The lines of the list in a document, once it is open: until then each is empty."""

    def found() -> list[str]:
        texts = _texts(document, "li")
        return texts if all(texts) else []

    return eventually("an open document", found)


def _texts(within: WebElement, selector: str) -> list[str]:
    return [one.text for one in within.find_elements(By.CSS_SELECTOR, selector)]


def _root(browser: WebDriver, ui: AirflowUi) -> WebDriver | ShadowRoot:
    """2.11 keeps what React draws in a tree of its own."""
    return browser if ui.three else browser.find_element(By.ID, "root").shadow_root


def _press(browser: WebDriver, ui: AirflowUi, selector: str) -> None:
    def look() -> bool:
        found = _root(browser, ui).find_elements(By.CSS_SELECTOR, selector)
        for one in found[:1]:
            one.click()
        return bool(found)

    eventually(selector, look)


def _closed(browser: WebDriver, ui: AirflowUi) -> list[str]:
    """The groups that show none of their tasks: a count, or an arrow downwards."""
    nodes = _root(browser, ui).find_elements(By.CSS_SELECTOR, _NODE)
    mark = "+ " if ui.three else "rotate(180deg)"
    shown = ((one, one.text if ui.three else one.get_attribute("innerHTML")) for one in nodes)
    return [str(one.get_attribute("data-id")) for one, told in shown if mark in str(told)]


def _box(browser: WebDriver, element: WebElement) -> Box:
    script = "const r = arguments[0].getBoundingClientRect();"
    found = browser.execute_script(f"{script} return [r.left, r.top, r.right, r.bottom]", element)
    return Box(*found)
