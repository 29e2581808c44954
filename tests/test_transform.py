"""What is told of a transform that fails: where it failed, and no more of the data than is allowed.

Here: `lake_assets/transform.py` through `materialise`. Not here: files that cannot be loaded, which
`lake validate` tells too (`test_validate.py`).
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lake_assets.loader import load_pipelines
from lake_assets.materialise import Work, materialise
from lake_assets.pipeline import assets, catalogue
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
    columns: {id: int64, name: {type: string, pii: PII}}
datasets:
  best:
    title: 최고
    inputs: [raw/people]
    TRANSFORM
    columns: {id: int64, name: {type: string, pii: PII}}
"""
HEAD = """\
import polars as pl


def best(people: pl.LazyFrame) -> pl.LazyFrame:
"""


def told(folder: Path, made: str, pii: str) -> str:
    write(folder, {"own": FILE.replace("TRANSFORM", made).replace("PII", pii)})
    pipelines = load_pipelines([folder])
    store = FolderStore(folder / "lake", "modern")
    table = pa.table({"id": pa.array([1]), "name": pa.array(["홍길동"])})
    with store.writer(Partition("raw", "people"), table.schema) as writer:
        writer.write(table.to_batches()[0])
        writer.publish()
    (asset,) = assets(pipelines[0])
    work = Work(
        asset, load_settings("local", {"LAKE_HOME": str(folder)}), store, catalogue(pipelines), {}
    )
    with pytest.raises(PermanentError) as caught:
        list(materialise(work, [""]))
    return str(caught.value).replace(f"{folder}/own/", "")


@pytest.mark.parametrize("pii", ["none", "masked"])
@pytest.mark.parametrize(
    ("body", "at", "text"),
    [
        (
            "    found = people.collect()\n    return {}[found['name'][0]]\n",
            "prep/best: best raised KeyError at transform.py:6",
            "홍길동",
        ),
        # A lazy frame fails when it is collected, which is after its last line.
        (
            "    return people.select('nothing')\n",
            "prep/best: best raised ColumnNotFoundError at transform.py:4",
            "nothing",
        ),
    ],
)
def test_where_it_failed(body: str, at: str, text: str, pii: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "transform.py").write_text(HEAD + body)
    said = told(tmp_path, "transform: transform.py:best", pii)
    assert said.startswith(at)
    assert (text in said) == (pii == "none")
    assert ("What it says is not shown" in said) == (pii == "masked")


def test_a_line_of_another_file_of_the_folder(tmp_path: Path) -> None:
    own = tmp_path / "own"
    files = {"own/helper.py": "def helped() -> None:\n    raise ValueError('no')\n"}
    load = f"    import runpy\n    runpy.run_path({str(own / 'helper.py')!r})['helped']()\n"
    write(tmp_path, {**files, "own/transform.py": HEAD + load})
    said = told(tmp_path, "transform: transform.py:best", "none")
    assert said == "prep/best: best raised ValueError at helper.py:2: no"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "    people.collect()\n",
            "prep/best: best in transform.py:4 returned nothing: is a return missing?",
        ),
        (
            "    return 3\n",
            "prep/best: what best in transform.py:4 returned: int is no frame of the lake; it "
            "takes polars.DataFrame, polars.LazyFrame, pandas.DataFrame, pyarrow.Table.",
        ),
        (
            "    return people.select(pl.lit('x').alias('id'), pl.lit(1).alias('other'))\n",
            "prep/best: what the transform returns does not fit the declared columns:\n"
            "    column 'name' is missing\n"
            "    column 'other' is not declared\n"
            "    column 'id' is string, declared int64, and not every value fits",
        ),
    ],
)
def test_what_does_not_fit(body: str, says: str, tmp_path: Path) -> None:
    write(tmp_path, {"own/transform.py": HEAD + body})
    assert told(tmp_path, "transform: transform.py:best", "none") == says


def test_sql_that_does_not_fit(tmp_path: Path) -> None:
    said = told(tmp_path, "sql: SELECT 1 AS id, id AS other FROM people", "none")
    assert said == (
        "prep/best: what the SQL gives does not fit the declared columns:\n"
        "    column 'name' is missing\n"
        "    column 'other' is not declared\n"
        "    column 'id' is int32, declared int64"
    )
