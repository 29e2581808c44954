"""The sources of the pipeline `order_report` (`tests/acceptance/lineage`), and an environment.

Here: forty orders of one day and their customers in DuckDB files, as the environment `orders` has
its connections. Not here: the pipeline and what must come out of it.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml

from resources.settings import SHIPPED

PIPELINES = Path(__file__).parent / "acceptance" / "lineage"
DAY = "2025-07-01"

_ORDERS = f"""
CREATE TABLE AORDERS AS
SELECT
  n AS ORDER_NO,
  'C' || (n % 7) AS SOLD_TO,
  DATE '{DAY}' AS ORD_DATE,
  CAST(CASE WHEN n % 9 = 0 THEN 0 ELSE n * n * 1000 END AS DECIMAL(18,2)) AS AMOUNT,
  CAST(CASE WHEN n % 4 = 0 THEN n * 10 END AS DECIMAL(18,2)) AS "/BIC/ZDISC",
  CASE n % 11 WHEN 0 THEN 'X' WHEN 1 THEN '취소' ELSE '확정' END AS STATUS,
  ' 메모 ' || n || ' ' AS MEMO
FROM range(1, 41) t(n)
"""
_CUSTOMERS = """
CREATE TABLE KNA1 AS
SELECT
  'C' || n AS KUNNR,
  ' 거래처 ' || n AS NAME1,
  CASE n % 3 WHEN 0 THEN '서울' WHEN 1 THEN '부산' ELSE '대구' END AS REGIO,
  CASE n % 2 WHEN 0 THEN 'V' ELSE 'N' END AS KDGRP,
  CASE n WHEN 5 THEN 'D' ELSE '' END AS LOEVM
FROM range(0, 7) t(n)
"""


def write_environment(folder: Path) -> Path:
    """`orders`: the environment `local` without generated sources; the folder it lies in."""
    content = yaml.safe_load((SHIPPED / "local.yaml").read_text("utf-8"))
    content["sample"] = None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orders.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def write_sources(home: Path) -> None:
    """The tables that the pipeline reads, in the sources of `home`."""
    (home / "sources").mkdir(parents=True)
    for name, statement in (("hana_bw", _ORDERS), ("hana_db", _CUSTOMERS)):
        with duckdb.connect(str(home / "sources" / f"{name}.duckdb")) as connection:
            connection.execute(statement)
