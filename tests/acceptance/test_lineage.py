"""Ten steps over two joined sources: the lineage of every column is the table reasoned by hand.

Here: the tables beside the pipeline, held against the lineage as read; rows in and out of the
pipeline, so that what is read is the lineage of what runs. Not here: single constructs of SQL
(`tests/test_lineage_sql.py`) and the command (`tests/cli/test_lineage.py`).
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lake_assets.edge import Origin, Origins
from lake_assets.lineage import Graph
from lake_assets.loader import load_pipelines
from lake_assets.pipeline import catalogue
from lake_assets.validate import validate_folders

HERE = Path(__file__).parent / "lineage"
ROWS = "(rows)"

#: Asset and column → what it comes of.
Table = dict[tuple[str, str], Origins]


def expected(name: str) -> Table:
    found: dict[tuple[str, str], set[Origin]] = {}
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            origins = found.setdefault((row["asset"], row["column"]), set())
            if row["from"]:
                asset, _, column = row["from"].partition(".")
                origins.add(Origin(asset, column, row["kind"]))  # type: ignore[arg-type]
    return {place: frozenset(origins) for place, origins in found.items()}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph(catalogue(load_pipelines([HERE])))


def read(graph: Graph) -> Table:
    found: Table = {}
    for key in graph.catalogue:
        lineage = graph.of(key)
        assert lineage is not None
        assert lineage.why == ""
        for name, made in lineage.columns.items():
            found[key, name] = made.origins
        if lineage.rows:
            found[key, ROWS] = lineage.rows
    return found


def differences(found: Table, wanted: Table) -> list[str]:
    return [
        f"{asset}.{column}: {sorted(found.get((asset, column), ()))} instead of "
        f"{sorted(wanted.get((asset, column), ()))}"
        for asset, column in sorted(found.keys() | wanted.keys())
        if found.get((asset, column)) != wanted.get((asset, column))
    ]


def test_the_pipeline_is_sound() -> None:
    assert validate_folders([HERE]) == []


def test_ten_steps(graph: Graph) -> None:
    specs = [asset.spec for asset in graph.catalogue.values()]
    queries = sum(1 for spec in specs if getattr(spec, "sql", None))
    steps = sum(len(getattr(spec, "steps", None) or ()) for spec in specs)
    assert (queries, steps) == (6, 4)


def test_every_column_of_every_asset_comes_of_what_the_table_says(graph: Graph) -> None:
    wanted = expected("expected.csv")
    assert len(wanted) == 79
    assert differences(read(graph), wanted) == []


def test_every_column_comes_of_the_source_columns_that_the_table_says(graph: Graph) -> None:
    wanted = expected("expected_sources.csv")
    found = {
        (key, name): graph.sources(key, name)
        for key, asset in graph.catalogue.items()
        if key.startswith("prep/")
        for name in asset.columns
    }
    assert len(found) == 59
    assert differences(found, wanted) == []


def test_all_of_it_is_known_and_nothing_guessed(graph: Graph) -> None:
    told = {key: graph.of(key).confidence for key in graph.catalogue}  # type: ignore[union-attr]
    assert told == {key: "declared" if key.startswith("raw/") else "parsed" for key in told}
