"""The lake's look at Airflow, where its environment names one.

Here: the connection `airflow`, the code location whose runs are kept in step with it, and how its
DAGs were exported. Not here: what is looked for (`airflow_bridge.lost_runs`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dagster as dg

from airflow_bridge.location import Location
from airflow_bridge.metadata import GRANULARITIES
from airflow_bridge.sensor import airflow_sensor
from resources.errors import UsageError
from resources.settings import Settings

if TYPE_CHECKING:
    from airflow_bridge.airflow_api import Api
    from airflow_bridge.record import Graph

#: The connection of the environment, of kind http.
CONNECTION = "airflow"

#: What `lake airflow export` was given as --dag-id-prefix and as --granularity, else unset.
PREFIX_VARIABLE, GRANULARITY_VARIABLE = "LAKE_AIRFLOW_DAG_ID_PREFIX", "LAKE_AIRFLOW_GRANULARITY"

LAKE = Location("lake_assets.definitions", "defs", "lake")


def airflow_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One, where the environment has a connection `airflow`; else none."""
    if CONNECTION not in settings.connections:
        return []
    prefix = os.environ.get(PREFIX_VARIABLE, "")
    return [airflow_sensor(CONNECTION, LAKE, lambda: airflow_api(settings), _exported, prefix)]


def _exported(repository: dg.RepositoryDefinition) -> Graph:
    """All that may be in Airflow, with the tasks that it has there."""
    from airflow_bridge.graph import read_graph

    granularity = os.environ.get(GRANULARITY_VARIABLE) or "asset"
    if granularity not in GRANULARITIES:
        allowed = ", ".join(GRANULARITIES)
        raise UsageError(f"{GRANULARITY_VARIABLE} is {granularity!r}; allowed: {allowed}.")
    return read_graph(repository, everything=True, granularity=granularity)[0]


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
