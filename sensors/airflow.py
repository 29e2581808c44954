"""The lake's look at Airflow, where its environment names one.

Here: the connection `airflow`, and the code location whose runs are kept in step with it. Not here:
what is looked for (`airflow_bridge.lost_runs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from airflow_bridge.location import Location
from airflow_bridge.sensor import airflow_sensor
from resources.errors import UsageError
from resources.settings import Settings

if TYPE_CHECKING:
    from airflow_bridge.airflow_api import Api

#: The connection of the environment, of kind http.
CONNECTION = "airflow"

LAKE = Location("lake_assets.definitions", "defs", "lake")


def airflow_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One, where the environment has a connection `airflow`; else none."""
    if CONNECTION not in settings.connections:
        return []
    return [airflow_sensor(CONNECTION, LAKE, lambda: airflow_api(settings))]


def airflow_api(settings: Settings) -> Api:
    """Its REST API, signed in; UsageError where the connection cannot be one."""
    from airflow_bridge.airflow_api import connect

    found = settings.connection(CONNECTION)
    where = f"The connection {CONNECTION} of the environment {settings.env}"
    if found.kind != "http":
        raise UsageError(f"{where} is of the kind {found.kind}; it is an Airflow's, so http.")
    missing = [name for name in ("user", "password") if getattr(found, name) is None]
    if missing:
        raise UsageError(
            f"{where} needs {', '.join(missing)}: those of a user of Airflow with the role Viewer."
        )
    return connect(str(found.url), str(found.user), found.password.reveal())
