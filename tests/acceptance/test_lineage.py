"""Ten steps over two joined sources: the lineage of every column is the table reasoned by hand.

Here: the tables beside the pipeline, held against the lineage as read; rows in and out of the
pipeline, so that what is read is the lineage of what runs. Not here: single constructs of SQL
(`tests/test_lineage_sql.py`) and the command (`tests/cli/test_lineage.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lake_assets.edge import KOREAN, Origin, Origins
from lake_assets.lineage_graph import Graph
from lake_assets.loader import load_pipelines
from lake_assets.pipeline import catalogue
from lake_assets.validate import validate_folders
from tests.acceptance.lake import Lake, open_lake
from tests.order_report import DAY, PIPELINES, write_environment, write_sources

ROWS = "(rows)"

#: Asset and column → what it comes of.
Table = dict[tuple[str, str], Origins]


def expected(name: str) -> Table:
    found: dict[tuple[str, str], set[Origin]] = {}
    with (PIPELINES / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            origins = found.setdefault((row["asset"], row["column"]), set())
            if row["from"]:
                asset, _, column = row["from"].partition(".")
                origins.add(Origin(asset, column, row["kind"]))  # type: ignore[arg-type]
    return {place: frozenset(origins) for place, origins in found.items()}


def graph_of(folder: Path) -> Graph:
    return Graph(catalogue(load_pipelines([folder])))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(PIPELINES)


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
    assert validate_folders([PIPELINES]) == []


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


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The pipeline, materialised for its day."""
    folder = tmp_path_factory.mktemp("orders")
    write_sources(folder / "home")
    environments = write_environment(folder / "environments")
    with open_lake(folder / "home", [PIPELINES], environments, "orders") as lake:
        assert lake.run("raw/customers").success
        keys = [asset.key for asset in graph_of(PIPELINES).catalogue.values()]
        run = lake.run(*(key for key in keys if key != "raw/customers"), first=DAY)
        assert run.success, run.message
        yield lake


def test_rows_come_out_of_the_ten_steps(lake: Lake) -> None:
    found = lake.read("prep/summary", DAY).to_pylist()
    assert [row["name"] for row in found] == ["대", "소", "특별", "대구", "부산", "서울"]
    assert all(row["amount"] > 0 for row in found)


def test_dagster_knows_what_columns_come_of(lake: Lake) -> None:
    wanted = expected("expected.csv")
    for key, asset in graph_of(PIPELINES).catalogue.items():
        event = lake.instance.get_latest_materialization_event(dg.AssetKey(key.split("/")))
        assert event is not None
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        lineage = metadata["dagster/column_lineage"].value
        found = {
            name: {("/".join(dep.asset_key.path), dep.column_name) for dep in deps}
            for name, deps in lineage.deps_by_column.items()
        }
        assert found == {
            name: {(one.asset, one.column) for one in wanted[key, name] if one.column != "*"}
            for name in asset.columns
        }
        table = metadata["lake/column_lineage"].value
        for name in asset.columns:
            for one in wanted[key, name]:
                assert f"[{one}](/assets/{one.asset}) {KOREAN[one.kind]}" in table


def test_of_several_partitions_the_newest_says_it(lake: Lake) -> None:
    assert lake.run("raw/orders", first=DAY, last="2025-07-02").success
    key = dg.AssetKey(["raw", "orders"])
    records = lake.instance.fetch_materializations(key, limit=2).records
    told = {
        record.partition_key: "dagster/column_lineage" in record.asset_materialization.metadata  # type: ignore[union-attr]
        for record in records
    }
    assert told == {DAY: False, "2025-07-02": True}


def test_lineage_that_fails_takes_no_partition_with_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lake_assets.lineage.lineage_of", failing)
    assert lake.run("raw/orders", first=DAY).success
    found = lake.instance.get_latest_materialization_event(dg.AssetKey(["raw", "orders"]))
    assert found is not None
    assert "dagster/column_lineage" not in found.asset_materialization.metadata  # type: ignore[union-attr]
