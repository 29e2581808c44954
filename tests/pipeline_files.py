"""Small pipeline files for tests: one text to change, written to a folder of pipelines.

Here: the text and how mistakes are asked for by line. Not here: tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SALES = """\
version: 1
title: 매출
description: 시험용 파이프라인
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", "매출"]
partitions:
  daily: {start: "2024-01-01"}
schedule:
  cron: "0 6 * * *"
params:
  least: {type: int, default: 0, help: 최소 금액}
sources:
  sales:
    title: 매출
    connection: hana_bw
    table: /BIC/AZSD_O0100
    window: {column: sold_on}
    order_by: [id]
    sums: [amount]
    columns:
      id: int64
      sold_on: {type: date, nullable: false}
      amount: decimal(18,2)
      region: {type: string, source: /BIC/REGION}
    gates:
      unique: [id]
      accepted:
        region: [서울, 부산]
      range:
        amount: {min: 0, max: 1000000}
datasets:
  by_region:
    title: 지역별 매출
    inputs: [raw/sales]
    sql: |
      SELECT region,
             sum(amount)::DECIMAL(18,2) AS amount
      FROM sales
      WHERE amount >= $least AND dt = $partition_start
      GROUP BY region
    columns:
      region: string
      amount: decimal(18,2)
"""


def changed(*changes: tuple[str, str], text: str = SALES) -> str:
    """`text` with each (old, new) replaced; the old text must stand there exactly once."""
    for old, new in changes:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """`{"sales": text, "sales/transform.py": text}` written under `folder`."""
    for name, text in files.items():
        path = folder / (name if "." in name else f"{name}/pipeline.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def line_of(text: str, words: str) -> int:
    """The number of the one line that holds `words`."""
    (found,) = [n for n, line in enumerate(text.split("\n"), 1) if words in line]
    return found
