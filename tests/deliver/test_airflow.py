"""An exported DAG has a delivery as a task like any other: ordered, retried, of the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_bridge.export import Wish, render
from airflow_bridge.graph import read_graph
from airflow_bridge.location import Location
from lake_assets.cli.airflow import COMMAND
from tests.acceptance.lake import open_lake, write_pipeline
from tests.airflow_bridge.test_export import parts
from tests.deliver.test_lake import OUT, PIPELINE

INDEX: dict[str, Any] = {
    "title": "색인",
    "from": "raw/sales",
    "connection": "es",
    "index": {"name": "sales", "id": ["id"], "mode": "replace"},
}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_the_shipped_delivery_is_a_task(tmp_path: Path) -> None:
    lake = Location("lake_assets.definitions", "defs", "lake")
    files = render(lake, Wish(tmp_path, COMMAND, "the test", everything=True))
    spec = parts(files["hdfs_to_sftp_sample.py"])[1]
    assert spec["tasks"] == [
        {
            "assets": ["out/sftp/sales_result_monthly"],
            "after": [],
            "outlets": ["dagster://lake/out/sftp/sales_result_monthly"],
            "task": {"task_id": "out__sftp__sales_result_monthly", "doc_md": "월별 영업매출 파일"},
        }
    ]
    assert spec["default_args"]["retries"] == 1
    assert set(spec["params"]) == {"partition", "from", "to"}
    assert spec["command"].startswith(COMMAND)
    # What it reads is made by another DAG, which its document names; it waits for the partition.
    assert spec["wait"]["assets"] == ["prep/sales_result_monthly"]
    assert "Reads what these DAGs make: bw_sales_result_monthly" in spec["dag"]["doc_md"]


def test_deliveries_come_after_what_they_deliver(tmp_path: Path) -> None:
    run = {"retries": 2, "retry_delay": 30}
    pipeline = {
        **PIPELINE,
        "deliveries": {**PIPELINE["deliveries"], "sales_index": {**INDEX, "run": run}},
    }
    folder = write_pipeline(tmp_path / "pipelines", pipeline)
    (tmp_path / "home").mkdir()
    with open_lake(tmp_path / "home", [folder], env="local") as lake:
        graph, refusals = read_graph(lake.definitions.get_repository_def(), everything=True)
    assert refusals == []
    (dag,) = graph.dags
    tasks = {task.task_id: task for task in dag.tasks}
    assert set(tasks) == {
        "raw__sales",
        "out__es__sales_index",
        *(key.replace("/", "__") for key in OUT),
    }
    for name in set(tasks) - {"raw__sales"}:
        assert list(tasks[name].after) == ["raw__sales"], name
    index = tasks["out__es__sales_index"]
    assert (index.assets, index.retries, index.retry_delay) == (("out/es/sales_index",), 2, 30)
