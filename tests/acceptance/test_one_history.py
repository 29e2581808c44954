"""One history: a week of a lake, some days by Dagster's own scheduler, some by a real Airflow.

Here: the row of partitions with who made each, in `lake list --runs`, in Dagster's GraphQL and on
its pages. Not here: words for each origin (`tests/cli/test_runs.py`).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.cluster_lake import (
    DAG,
    REPOSITORY,
    day,
    half_by_airflow,
    half_by_dagster,
    lake_cluster,
    lake_site,
)
from tests.acceptance.cluster_site import VERSIONS, dagster_ui
from tests.acceptance.lake import LAKE
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

_ROW = """
query($keys: [String!]) {
  assetNodeOrError(assetKey: {path: ["raw", "sales"]}) { ... on AssetNode {
    latestMaterializationByPartition(partitions: $keys) {
      partition
      runOrError { ... on Run { tags { key value } } }
    }
  } }
}"""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_week_of_both_schedulers_is_one_row(
    postgres_server: PostgresServer, tmp_path: Path, version: str
) -> None:
    with lake_site(postgres_server, tmp_path) as site:
        half_by_dagster(site)
        with lake_cluster(version, site) as cluster:
            runs = half_by_airflow(cluster)
        week = [day(ago) for ago in range(6, -1, -1)]
        expected = [
            (one, f"Airflow {DAG}, {runs[one]}" if one in runs else f"schedule {DAG}_schedule", 3)
            for one in week
        ]
        words = [str(LAKE), "list", "--runs", "--of", "raw/sales", "--json"]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows = json.loads(told)["runs"]
        assert [(row["partition"], row["by"], row["rows"]) for row in rows] == expected

        location = ["-w", str(REPOSITORY / "workspace.yaml")]
        with dagster_ui(site.folder, location, site.variables) as ui:
            seen = ui.query(_ROW, keys=week)["assetNodeOrError"]["latestMaterializationByPartition"]
        tags = [{tag["key"]: tag["value"] for tag in one["runOrError"]["tags"]} for one in seen]
        assert [one["partition"] for one in seen] == week
        # The UI shows who launched a run by one of these, and of both the first it finds.
        assert [("user" in one) ^ ("dagster/schedule_name" in one) for one in tags] == [True] * 7
        made_by = [one.get("user") or one["dagster/schedule_name"] for one in tags]
        assert made_by == [f"Airflow {DAG}" if one in runs else f"{DAG}_schedule" for one in week]
