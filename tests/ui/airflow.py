"""The UI of an Airflow over exported DAGs, started and logged in to as an operator has it.

Here: one Airflow 2.11 or 3.3 on PostgreSQL (of SQLite 2.11 warns on each page), whose DAGs are all
paused; logging in. Not here: the browser (`browser.py`) and the pages (`airflow_pages.py`).
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selenium.webdriver.remote.webdriver import WebDriver

from airflow_bridge.export import Wish, export
from lake_assets.cli.airflow import COMMAND
from tests.airflow_bridge.projects import LAKE, SHOP
from tests.servers.airflow import Airflow
from tests.servers.keeper import ended, kept
from tests.servers.postgres import PostgresServer, free_port
from tests.ui.browser import click, find

#: Which are looked at.
VERSIONS = ("2.11.2", "3.3.2")

USER = PASSWORD = "operator"

#: Seconds; the machine may be busy with other tests, else a UI is up within 20.
_PATIENCE = 240.0


@dataclass(frozen=True)
class AirflowUi:
    """A running UI of an Airflow."""

    version: str
    url: str

    @property
    def three(self) -> bool:
        return self.version.startswith("3.")

    def log_in(self, browser: WebDriver) -> None:
        browser.get(f"{self.url}/auth/login/" if self.three else f"{self.url}/login/")
        find(browser, "//input[@name='username']").send_keys(USER)
        find(browser, "//input[@name='password']").send_keys(PASSWORD)
        click(browser, "//*[self::button or self::input][@type='submit']")
        find(browser, "//a[@href='/dags' or @href='/home']")


def write_dags(folder: Path) -> None:
    """The lake's DAGs, all of them, and those of a project whose DAGs have groups."""
    for location in (LAKE, SHOP):
        remake = "lake airflow export"
        export(location, Wish(folder, COMMAND, remake, everything=True, skip=True))


@contextmanager
def running_airflow(
    airflow: Airflow, server: PostgresServer, home: Path, dags: Path
) -> Iterator[AirflowUi]:
    """Its web server and its scheduler, without which it shows a warning; nothing is run."""
    home.mkdir(parents=True)
    database = server.create_database("ui_" + airflow.version.replace(".", "_"))
    ui = AirflowUi(airflow.version, f"http://127.0.0.1:{free_port()}")
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    port = ui.url.rpartition(":")[2]
    address = f"postgresql+psycopg2://{server.user}@{server.host}:{server.port}/{database}"
    given = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Seoul",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        # 2.11
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": port,
        "AIRFLOW__WEBSERVER__WORKERS": "1",
        # It ends itself where the machine is too busy to tell it within 120 s that it is up.
        "AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT": "3600",
        "AIRFLOW__WEBSERVER__BASE_URL": ui.url,
        "AIRFLOW__WEBSERVER__DEFAULT_UI_TIMEZONE": "Asia/Seoul",
        # 3.3
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": ui.url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{ui.url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": "of a UI that lives for minutes on one machine " * 2,
    }
    variables = airflow.variables(home, given)

    def call(*words: str) -> None:
        done = subprocess.run(
            [str(airflow.bin / "airflow"), *words],
            env=variables,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])

    call("db", "migrate")
    if not ui.three:
        person = ("--firstname", "Op", "--lastname", "Erator", "--email", "op@example.com")
        call("users", "create", "-u", USER, "-p", PASSWORD, "--role", "Admin", *person)
    call("pools", "set", "shop_api", "1", "what an operator sets up once")
    call("dags", "reserialize")
    program = str(airflow.bin / "airflow")
    commands = {
        "web": [program, "api-server" if ui.three else "webserver"],
        "scheduler": [program, "scheduler"],
    }
    with kept(home, commands, variables):
        _wait(ui, home, list(commands))
        yield ui


def _wait(ui: AirflowUi, home: Path, names: list[str]) -> None:
    """Until the scheduler's heartbeat is seen by the web server."""
    health = f"{ui.url}/api/v2/monitor/health" if ui.three else f"{ui.url}/health"
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and not any(ended(home / f"{one}.log") for one in names):
        try:
            with urllib.request.urlopen(health, timeout=10) as answer:
                if json.load(answer)["scheduler"]["status"] == "healthy":
                    return
        except OSError:
            pass
        time.sleep(0.5)
    said = "\n".join((home / f"{one}.log").read_text(errors="replace")[-3000:] for one in names)
    raise AssertionError(f"The UI of Airflow {ui.version} did not come up:\n{said}")
