"""Steps run over rows: values, memory that stays flat, what is counted, and what a failure tells.

Here: `lake_assets/step_runner.py` and `sql_engine.ordered` through `materialise`. Not here: the
functions themselves (`preps/`) and what is told before anything runs (`test_steps.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake_assets.loader import load_pipelines
from lake_assets.materialise import Work, materialise
from lake_assets.pipeline import assets, catalogue
from lake_assets.publish import Outcome
from resources.errors import PermanentError
from resources.folder_store import FolderStore
from resources.partition import Partition
from resources.settings import load_settings
from tests.pipeline_files import write

FILE = """\
version: 1
title: 시험
description: 시험용
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 시험]
elsewhere:
  raw/people:
    PARTITIONS
    columns: {id: int64, name: {type: string, pii: PII}}
datasets:
  best:
    title: 최고
    PARTITIONS
    inputs: [raw/people]
    MADE
"""
DAILY = '{daily: {start: "2025-02-01"}}'
PEOPLE = pa.table({"id": pa.array([3, 1, 2, 4]), "name": [" 나 ", "가", None, "\u3000"]})


def work(
    folder: Path, made: str, table: pa.Table = PEOPLE, pii: str = "none", key: str = ""
) -> tuple[Work, FolderStore]:
    """The dataset that `made` describes, over `table` as the input's partition `key`."""
    text = FILE.replace("MADE", made.strip()).replace("PII", pii)
    text = text.replace("PARTITIONS", f"partitions: {DAILY if key else 'none'}")
    write(folder, {"own": text})
    pipelines = load_pipelines([folder])
    store = FolderStore(folder / "lake", "modern")
    with store.writer(_partition("raw", "people", key), table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
        writer.publish()
    (asset,) = assets(pipelines[0])
    settings = load_settings("local", {"LAKE_HOME": str(folder)})
    return Work(asset, settings, store, catalogue(pipelines), {}), store


def _partition(layer: str, name: str, key: str) -> Partition:
    return Partition(layer, name, "daily" if key else None, key)


def made(
    folder: Path, what: str, table: pa.Table = PEOPLE, key: str = ""
) -> tuple[dict[str, list[Any]], Outcome, str]:
    """Columns of the partition, the outcome, the route."""
    asked, store = work(folder, what, table, key=key)
    ((route, outcome),) = list(materialise(asked, [key]))
    assert outcome.published
    columns = list(asked.asset.columns)
    return store.read([_partition("prep", "best", key)], columns).to_pydict(), outcome, route


def test_steps_over_an_input(tmp_path: Path) -> None:
    found, outcome, route = made(
        tmp_path,
        """
    steps:
      - trim: {columns: [name]}
    columns: {name: string, id: int32}
    order_by: [id]
""",
    )
    assert found == {"name": ["가", None, "나", None], "id": [1, 2, 3, 4]}
    assert route == "1 step"
    assert outcome.more["steps"] == (
        "| step | | rows before | rows after |\n"
        "| --- | --- | ---: | ---: |\n"
        '| 1 | trim {"columns": ["name"]} | 4 | 4 |'
    )


def test_steps_after_sql(tmp_path: Path) -> None:
    found, _, route = made(
        tmp_path,
        """
    sql: SELECT name || ' ' AS name, count(*) AS n FROM people WHERE id > 1 GROUP BY name
    steps: [trim]
    columns: {name: string, n: int64}
    order_by: [name]
""",
    )
    assert found == {"name": ["나", None, None], "n": [1, 1, 1]}
    assert route == "DuckDB SQL, 1 step"


def test_no_rows(tmp_path: Path) -> None:
    found, outcome, _ = made(
        tmp_path, "steps: [trim]\n    columns: {id: int64, name: string}", PEOPLE.slice(0, 0)
    )
    assert found == {"id": [], "name": []}
    assert "| 0 | 0 |" in str(outcome.more["steps"])


def test_the_columns_are_looked_at_before_the_rows(tmp_path: Path) -> None:
    asked, _ = work(tmp_path, "steps: [{trim: {columns: nam}}]\n    columns: {id: int64}")
    with pytest.raises(PermanentError) as caught:
        list(materialise(asked, [""]))
    line = (tmp_path / "own/pipeline.yaml").read_text().split("\n").index(
        "    steps: [{trim: {columns: nam}}]"
    ) + 1
    assert str(caught.value) == (
        f"{tmp_path}/own/pipeline.yaml:{line}: prep/best: step 1, trim: there is no column 'nam' "
        "(did you mean 'name'?). There are: id, name."
    )
