"""A headless Chromium for looking at the UI, and waiting for what a user would wait for.

Here: starting it and finding things by their text. Not here: what is looked at.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
#: A page of the UI is up in 2 s on an idle machine; ours may be busy with everybody's tests.
PATIENCE = 60.0

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


@contextmanager
def running_browser(profile: Path, width: int = 2200, height: int = 1400) -> Iterator[WebDriver]:
    """Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def eventually(what: str, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """What `look` returns once that is true; the page may be drawn anew meanwhile."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except (
            StaleElementReferenceException,
            ElementClickInterceptedException,
            ElementNotInteractableException,
        ):
            found = None
        if found:
            return found
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.3)


def text(browser: WebDriver) -> str:
    """All that can be read on the page."""
    return browser.find_element(By.TAG_NAME, "body").text


def shows(browser: WebDriver, *words: str, seconds: float = PATIENCE) -> str:
    """The page's text once all `words` are on it."""
    read = ""

    def look() -> bool:
        nonlocal read
        read = text(browser)
        return all(word in read for word in words)

    try:
        eventually("the text", look, seconds)
    except AssertionError:
        absent = [word for word in words if word not in read]
        raise AssertionError(f"{browser.current_url} does not show {absent}:\n{read}") from None
    return read


def find(browser: WebDriver, xpath: str, seconds: float = PATIENCE) -> WebElement:
    """The first visible element."""

    def look() -> WebElement | None:
        for element in browser.find_elements(By.XPATH, xpath):
            if element.is_displayed():
                return element
        return None

    return eventually(xpath, look, seconds)


def click(browser: WebDriver, xpath: str) -> None:
    """Click the first visible element once nothing lies over it."""

    def look() -> bool:
        find(browser, xpath).click()
        return True

    eventually(f"a click on {xpath}", look)


def expand_graph(browser: WebDriver) -> None:
    """On the page of the graph: all groups open, each asset with its description and owner."""
    click(browser, "//button[.//*[@aria-label='config']]")
    for facet in ("Description", "Owner"):
        click(browser, f"//label[normalize-space()='{facet}']")
    click(browser, "//button[normalize-space()='Save']")
    click(browser, "(//button[.//*[@aria-label='settings']])[last()]")
    click(browser, "//*[text()='Expand all groups']")
    find(browser, "//*[@aria-label='unfold_less']")
    browser.refresh()  # fits the larger graph into the window
    find(browser, "//*[@aria-label='unfold_less']")


def show_partitions_of_check(browser: WebDriver) -> None:
    """On the page of a check: its own tab of partitions, not the asset's."""
    click(browser, "(//*[normalize-space(text())='Partitions'])[last()]")
