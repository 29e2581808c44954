"""What tests on real Airflows share: one of a version, or a skip, and what it parses out of files.

Not here: making the Airflows and what runs inside (`tests/servers/airflow.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import absent
from tests.servers.airflow import Airflow, install
from tests.servers.postgres import NoServer

#: A DAG by hand, for any version: what an Airflow warns of here is its own.
_PLAIN = """
from datetime import datetime
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models.dag import DAG
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.operators.bash import BashOperator
with DAG("plain", start_date=datetime(2025, 1, 1), catchup=False) as dag:
    BashOperator(task_id="a", bash_command="true")
"""


def installed(version: str) -> Airflow:
    """That Airflow; the test is skipped where it cannot be had."""
    try:
        return install(version)
    except NoServer as error:
        absent(f"Airflow {version}", error)
        raise AssertionError from None


def parse(airflow: Airflow, home: Path, folder: Path) -> Mapping[str, Any]:
    """What `parse.py` tells of the folder's files."""
    plain = home / "plain"
    plain.mkdir(parents=True)
    (plain / "plain.py").write_text(_PLAIN)
    done = airflow.python("parse.py", home, str(plain), str(folder))
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["version"] == airflow.version
    return found
