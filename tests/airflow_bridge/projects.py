"""The projects that tests export: strangers', Dagster's own examples, and the lake.

Here: where each is and what its environment needs. Not here: what becomes of them
(`test_projects.py`, `test_round_trip.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from airflow_bridge.location import Location
from tests.airflow_bridge.conftest import FOREIGN

STRANGER = Location("tests.airflow_bridge.stranger", "defs", "stranger")
SHOP = Location("tests.airflow_bridge.shop", "defs", "shop")
QUICKSTART = Location("tests.airflow_bridge.public.quickstart_etl", "defs", "quickstart_etl")
TUTORIAL = Location("tests.airflow_bridge.public.etl_tutorial", "defs", "etl_tutorial")
LAKE = Location("lake_assets.definitions", "defs", "lake")

PROJECTS = {one.name: one for one in (FOREIGN, STRANGER, SHOP, QUICKSTART, TUTORIAL)}


def variables(folder: Path) -> Mapping[str, str]:
    """What they read of the environment, all under `folder`."""
    return {
        "SHOP_DATA": str(folder),
        "QUICKSTART_DATA": str(folder),
        "ETL_TUTORIAL_DATABASE": str(folder / "tutorial.duckdb"),
    }
