"""Lineage of whole assets: what is declared, read and guessed, and walks through all of them.

Here: sources and their queries, transforms, models and scores, `from`, up and down, Hive, and that
nothing is lost where SQL is not understood. Not here: constructs of SQL (`test_lineage_sql.py`),
steps (`test_lineage_steps.py`), ten steps together (`acceptance/test_lineage.py`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lake_assets.builder import code_version
from lake_assets.edge import Origin, along, shortened
from lake_assets.lineage import Lineage
from lake_assets.lineage_graph import Graph
from lake_assets.loader import SHIPPED, load_pipelines, read_pipelines
from lake_assets.pipeline import Asset, catalogue
from tests.pipeline_files import SALES, changed, line_of, write

TRANSFORM = """\
import pyarrow


def made(sales: pyarrow.Table) -> pyarrow.Table:
    return sales
"""


def graph_of(folder: Path, files: Mapping[str, str]) -> Graph:
    return Graph(catalogue(load_pipelines([write(folder, files)])))


def lineage(graph: Graph, key: str) -> Lineage:
    found = graph.of(key)
    assert found is not None
    return found


def told(found: Lineage) -> dict[str, str]:
    """Column → `asset.column kind` of each origin, and what it is known by."""
    return {
        name: " ".join([*(f"{one}:{one.kind}" for one in sorted(made.origins)), made.confidence])
        for name, made in found.columns.items()
    }


def test_a_source_column_is_the_one_of_its_name_there(tmp_path: Path) -> None:
    text = changed(
        (
            "    window: {column: sold_on}",
            "    window: {column: sold_on}\n    filter: amount > :least",
        )
    )
    found = lineage(graph_of(tmp_path, {"sales": text}), "raw/sales")
    assert told(found) == {
        "id": "src/hana_bw/sales.id:identity declared",
        "sold_on": "src/hana_bw/sales.sold_on:identity declared",
        "amount": "src/hana_bw/sales.amount:identity declared",
        "region": "src/hana_bw/sales./BIC/REGION:identity declared",
    }
    assert {(one.column, one.kind) for one in found.rows} == {
        ("sold_on", "filter"),
        ("amount", "filter"),
    }


QUERIES = {
    "postgres": (
        'SELECT o.id, o.day::date AS sold_on, sum(l.amount) AS amount, s."Region" AS region '
        "FROM sale.orders o JOIN sale.lines l ON l.order_id = o.id JOIN shops s USING (shop) "
        "WHERE o.day >= :start AND o.day < :end GROUP BY 1, 2, 4",
        {
            "id": "sale.orders.id:identity parsed",
            "sold_on": "sale.orders.day:transformation parsed",
            "amount": "sale.lines.amount:aggregation parsed",
            "region": "shops.Region:identity parsed",
        },
        {"sale.orders.day", "sale.orders.id", "sale.lines.order_id"},
    ),
    "sqlserver": (
        "SELECT TOP 10 [ID] AS id, CONVERT(date, Day) AS sold_on, ISNULL(Amt, 0) AS amount, "
        "Region AS region FROM dbo.Sale WHERE Day >= :start AND Day < :end",
        {
            "id": "dbo.Sale.ID:identity parsed",
            "sold_on": "dbo.Sale.Day:transformation parsed",
            "amount": "dbo.Sale.Amt:transformation parsed",
            "region": "dbo.Sale.Region:identity parsed",
        },
        {"dbo.Sale.Day"},
    ),
    "tibero": (
        "SELECT ID, TO_DATE(DAY_, 'YYYYMMDD') AS SOLD_ON, NVL(AMT, 0) AS AMOUNT, REGION "
        "FROM SALE WHERE DAY_ >= :start AND DAY_ < :end",
        {
            "id": "SALE.ID:identity parsed",
            "sold_on": "SALE.DAY_:transformation parsed",
            "amount": "SALE.AMT:transformation parsed",
            "region": "SALE.REGION:identity parsed",
        },
        {"SALE.DAY_"},
    ),
    "mariadb": (
        "SELECT id, DATE(`day`) AS sold_on, IFNULL(amt, 0) AS amount, region FROM sale "
        "WHERE `day` >= :start AND `day` < :end",
        {
            "id": "sale.id:identity parsed",
            "sold_on": "sale.day:transformation parsed",
            "amount": "sale.amt:transformation parsed",
            "region": "sale.region:identity parsed",
        },
        {"sale.day"},
    ),
    "hana_db": (
        "SELECT ID, TO_DATE(DAY) AS SOLD_ON, IFNULL(AMT, 0) AS AMOUNT, REGION FROM SALE "
        "WHERE DAY >= :start AND DAY < :end",
        {
            "id": "SALE.ID:identity parsed",
            "sold_on": "SALE.DAY:transformation parsed",
            "amount": "SALE.AMT:transformation parsed",
            "region": "SALE.REGION:identity parsed",
        },
        {"SALE.DAY"},
    ),
}


@pytest.mark.parametrize("connection", QUERIES)
def test_a_query_is_read_in_the_dialect_of_its_connection(tmp_path: Path, connection: str) -> None:
    query, columns, rows = QUERIES[connection]
    text = changed(
        ("connection: hana_bw", f"connection: {connection}"),
        (
            "    table: /BIC/AZSD_O0100\n",
            f"    query: |\n      {query}\n    local_query: SELECT 1\n",
        ),
        (", source: /BIC/REGION}", "}"),
    )
    found = lineage(graph_of(tmp_path, {"sales": text}), "raw/sales")
    assert found.why == ""
    wanted = {name: f"src/{connection}/sales.{one}" for name, one in columns.items()}
    assert told(found) == wanted
    # By the window too: what sold_on comes of.
    assert rows <= {one.column for one in found.rows}
    assert {one.kind for one in found.rows} <= {"filter", "join_key", "group_key"}


def test_a_query_nobody_understands_is_guessed_by_name(tmp_path: Path) -> None:
    text = changed(
        (
            "    table: /BIC/AZSD_O0100\n",
            "    query: SELECT * FROM A WITH HINT (B(C\n    local_query: SELECT 1\n",
        )
    )
    found = lineage(graph_of(tmp_path, {"sales": text}), "raw/sales")
    assert told(found)["region"] == "src/hana_bw/sales./BIC/REGION:identity guessed"
    assert found.why


AS_TRANSFORM = (
    SALES[SALES.index("    sql: |") : SALES.index("    columns:\n      region: string")],
    "    transform: transform.py:made\n",
)


def test_a_transform_is_guessed_by_equal_names(tmp_path: Path) -> None:
    text = changed(
        AS_TRANSFORM, ("      region: string\n      amount", "      area: string\n      amount")
    )
    found = lineage(
        graph_of(tmp_path, {"sales": text, "sales/transform.py": TRANSFORM}), "prep/by_region"
    )
    assert told(found) == {
        "area": "raw/sales.*:transformation guessed",
        "amount": "raw/sales.amount:identity guessed",
    }
    assert found.confidence == "guessed"


def test_what_a_file_declares_wins(tmp_path: Path) -> None:
    text = changed(
        (
            "      region: string\n      amount: decimal(18,2)\n",
            "      region: string\n"
            '      amount: {type: "decimal(18,2)", from: [raw/sales.id, raw/sales.dt]}\n',
        ),
    )
    found = lineage(graph_of(tmp_path, {"sales": text}), "prep/by_region")
    assert told(found) == {
        "region": "raw/sales.region:identity parsed",
        "amount": "raw/sales.dt:transformation raw/sales.id:transformation declared",
    }


def test_sql_that_is_not_understood_is_guessed_and_says_why(tmp_path: Path) -> None:
    text = changed(
        ("      SELECT region,\n", "      SELECT COLUMNS('reg.*'),\n"),
    )
    found = lineage(graph_of(tmp_path, {"sales": text}), "prep/by_region")
    assert told(found) == {
        "region": "raw/sales.region:identity guessed",
        "amount": "raw/sales.amount:aggregation parsed",
    }
    assert found.why == "not understood: region"
    text = changed(
        (
            SALES[SALES.index("      SELECT region") : SALES.index("    columns:\n      region")],
            "      PIVOT sales ON region USING sum(amount)\n",
        )
    )
    found = lineage(graph_of(tmp_path / "2", {"sales": text}), "prep/by_region")
    assert found.why == "a PIVOT statement"
    assert found.confidence == "guessed"


def test_hive_sql(tmp_path: Path) -> None:
    text = changed(
        (
            "             sum(amount)::DECIMAL(18,2) AS amount\n",
            "             cast(sum(nvl(amount, 0)) AS DECIMAL(18,2)) AS amount\n",
        ),
        ("    inputs: [raw/sales]\n", "    inputs: [raw/sales]\n    engine: hive\n"),
        (" AND dt = $partition_start", ""),
    )
    found = lineage(graph_of(tmp_path, {"sales": text}), "prep/by_region")
    assert told(found) == {
        "region": "raw/sales.region:identity parsed",
        "amount": "raw/sales.amount:aggregation parsed",
    }


@pytest.fixture(scope="module")
def shipped() -> Graph:
    return Graph(catalogue(load_pipelines([SHIPPED])))


def test_a_score_comes_of_its_model_and_the_features(shipped: Graph) -> None:
    found = lineage(shipped, "prep/late_payment_score")
    assert told(found)["customer"] == "prep/payment_feature.customer:identity declared"
    assert told(found)["model_version"] == "model/late_payment.champion_version:identity declared"
    origins = {str(one): one.kind for one in found.columns["probability"].origins}
    assert origins["model/late_payment.champion_version"] == "transformation"
    assert origins["prep/payment_feature.late_last"] == "transformation"
    assert "prep/payment_feature.customer" not in origins


def test_a_model_is_an_aggregate_of_its_examples(shipped: Graph) -> None:
    found = told(lineage(shipped, "model/late_payment"))
    assert found["heldout_positives"] == "prep/payment_outcome.late:aggregation declared"
    assert found["run_id"] == "declared"
    assert found["trained_examples"] == (
        "prep/payment_feature.*:aggregation prep/payment_outcome.*:aggregation declared"
    )


def test_up_to_the_sources(shipped: Graph) -> None:
    found = shipped.sources("prep/sales_result_monthly", "segment")
    assert found == {Origin("src/hana_db/customer", "KDGRP", "transformation")}


def test_down_through_all_assets(shipped: Graph) -> None:
    found = list(shipped.made_of("prep/customer_master", "segment"))
    assert Origin("prep/sales_result_monthly", "segment", "transformation") in found
    assert Origin("prep/sales_result_monthly", "*", "group_key") in found
    assert shipped.users("src/hana_db/customer") == ["raw/customer"]
    assert shipped.inputs("raw/customer") == ["src/hana_db/customer"]


def test_up_and_down_are_the_same_edges(shipped: Graph) -> None:
    up, down = set(), set()
    for key in shipped.catalogue:
        found = lineage(shipped, key)
        for name, made in found.columns.items():
            up |= {(one.asset, one.column, one.kind, key, name) for one in made.origins}
    for asset, column in {(one[0], one[1]) for one in up}:
        down |= {
            (asset, column, one.kind, one.asset, one.column)
            for one in shipped.made_of(asset, column)
        }
    assert {one for one in down if one[4] != "*"} == up


def test_the_strongest_kind_on_the_way_counts() -> None:
    found = {
        (of, by): next(iter(along(by, [Origin("a", "x", of)]))).kind  # type: ignore[arg-type]
        for of in ("identity", "transformation", "aggregation")
        for by in ("identity", "transformation", "aggregation", "filter")
    }
    assert found == {
        ("identity", "identity"): "identity",
        ("identity", "transformation"): "transformation",
        ("identity", "aggregation"): "aggregation",
        ("transformation", "identity"): "transformation",
        ("transformation", "transformation"): "transformation",
        ("transformation", "aggregation"): "aggregation",
        ("aggregation", "identity"): "aggregation",
        ("aggregation", "transformation"): "aggregation",
        ("aggregation", "aggregation"): "aggregation",
        **{(of, "filter"): "filter" for of in ("identity", "transformation", "aggregation")},
    }


def test_a_long_expression_is_shortened() -> None:
    assert shortened("a\n  + b") == "a + b"
    assert shortened("x" * 90, 20) == "xxxxxxxx … xxxxxxxx"


# --- from, held against the files ----------------------------------------------------------------

DECLARED = "      region: {{type: string, from: [{}]}}\n"
MISTAKES = {
    "raw/sales.regoin": "columns: region: from: raw/sales has no column 'regoin'",
    "raw/slaes.region": "columns: region: from: raw/slaes is no asset",
    "prep/by_region.amount": "columns: region: from: prep/by_region is no input of it",
}


@pytest.mark.parametrize("origin", MISTAKES)
def test_from_names_columns_of_inputs(tmp_path: Path, origin: str) -> None:
    text = SALES.replace("      region: string\n", DECLARED.format(origin))
    _, mistakes = read_pipelines([write(tmp_path, {"sales": text})])
    [mistake] = mistakes
    assert mistake.what == f"prep/by_region: {MISTAKES[origin]}"
    assert mistake.line == line_of(text, origin)
    assert "did you mean" in mistake.cure or "allowed" in mistake.cure


def test_from_is_written_in_a_form(tmp_path: Path) -> None:
    text = SALES.replace("      region: string\n", DECLARED.format("sales.region"))
    _, mistakes = read_pipelines([write(tmp_path, {"sales": text})])
    assert "raw/<table>.<column>" in str(mistakes[0])


def test_from_is_for_datasets(tmp_path: Path) -> None:
    text = changed(("      id: int64\n", "      id: {type: int64, from: [raw/sales.id]}\n"))
    _, mistakes = read_pipelines([write(tmp_path, {"sales": text})])
    assert "from is for columns of a dataset" in mistakes[0].what


def test_from_changes_no_code_version(tmp_path: Path) -> None:
    """No row depends on it, so nothing is stale when it is written down."""
    version = {}
    for name, column in (("one", "string"), ("two", "{type: string, from: [raw/sales.region]}")):
        text = SALES.replace("      region: string\n", f"      region: {column}\n")
        asset = graph_of(tmp_path / name, {"sales": text}).catalogue["prep/by_region"]
        assert isinstance(asset, Asset)
        version[name] = code_version(asset)
    assert version["one"] == version["two"]


def test_the_graph_loads_without_it() -> None:
    """sqlglot takes 0.1 s to import, and every process loads the graph."""
    code = (
        "import sys, lake_assets.definitions; "
        "print([one for one in ('sqlglot', 'lake_assets.lineage') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
