"""What docs/deliveries.md shows: its YAML is taken, and its messages are those that are printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from lake_assets.sample.search_index import Index
from lake_assets.sample.search_writes import WritableSearch
from lake_assets.sample.services import serving
from lake_assets.validate import validate
from resources import deliver_duckdb, deliver_files, deliver_hive, deliver_index
from resources.deliver import Delivery, FileTarget, IndexTarget, Receipt, TableTarget, Target
from resources.errors import LakeError
from resources.settings import Connection, load_settings
from resources.source import Column
from resources.types import parse_type
from tests.deliver.test_declared import read

TEXT = (Path(__file__).parents[2] / "docs" / "deliveries.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SOURCES = """\
version: 1
title: 매출
description: 시험
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:SFTP", "매출"]
partitions:
  daily: {start: "2024-01-01"}
sources:
  sales:
    title: 매출
    connection: hana_bw
    table: S
    window: {column: sold_on}
    columns:
      order_no: string
      line: int32
      sold_on: date
      customer: {type: string, pii: masked, title: 거래처}
      amount: decimal(18,2)
"""


@pytest.mark.parametrize("shown", SHOWN)
def test_every_delivery_that_is_shown_is_taken(tmp_path: Path, shown: str) -> None:
    (tmp_path / "one").mkdir()
    file = tmp_path / "one" / "pipeline.yaml"
    file.write_text(SOURCES + shown, encoding="utf-8")
    pipelines, mistakes = read(tmp_path)
    assert mistakes == []
    assert validate(pipelines, load_settings("prod", {})) == []


def test_a_delivery_to_each_kind_of_target_is_shown() -> None:
    kinds = {"postgres", "mariadb", "tibero", "hive", "es", "sftp"}
    assert set(re.findall(r"^    connection: (\w+)$", "\n".join(SHOWN), re.MULTILINE)) == kinds


def deliver(
    write: Callable[[str, Connection, Delivery], Receipt],
    name: str,
    connection: Connection,
    target: Target,
    rows: list[tuple[str | None, str]],
) -> str:
    """What is printed of a delivery that fails."""
    columns = tuple(Column(one, one, parse_type("string")) for one in ("order_no", "dt"))
    schema = pa.schema([(one.name, pa.string()) for one in columns])
    table = pa.Table.from_pylist(
        [dict(zip(schema.names, row, strict=True)) for row in rows], schema
    )
    what = f"out/{name}/sales 2025-07-01"
    one = Delivery(what, target, columns, table.to_batches(), {"dt": "2025-07-01"})
    with pytest.raises(LakeError) as told:
        write(name, connection, one)
    return re.sub(r"127\.0\.0\.1:\d+", "es.company.kr:9200", str(told.value))


INDEX = IndexTarget(name="sales", id=["order_no"], mode="replace")
TWICE = [("1", "2025-07-01"), ("1", "2025-07-01")]


@pytest.mark.parametrize(
    ("properties", "target", "rows"),
    [
        ({}, INDEX.model_copy(update={"name": "sale"}), []),
        ({"order_no": {"type": "integer"}, "dt": {"type": "date"}}, INDEX, []),
        ({"order_no": {"type": "keyword"}, "dt": {"type": "text"}}, INDEX, []),
        ({"order_no": {"type": "keyword"}, "dt": {"type": "keyword"}}, INDEX, TWICE),
        (
            {"order_no": {"type": "keyword"}, "dt": {"type": "keyword"}},
            INDEX,
            [(None, "2025-07-01")],
        ),
    ],
)
def test_messages_of_an_index_against_a_standin(
    properties: dict[str, object], target: IndexTarget, rows: list[tuple[str | None, str]]
) -> None:
    served = WritableSearch({"sales": Index({"properties": properties}, [])})
    with serving(served) as url:
        address = Connection(kind="elasticsearch", url=url)
        assert _shown(deliver(deliver_index.deliver, "es", address, target, rows))


def test_messages_of_others(tmp_path: Path) -> None:
    hive = Connection(kind="hive", host="hive")
    target = TableTarget(name="sales", mode="upsert", key=["order_no"])
    assert _shown(deliver(deliver_hive.deliver, "hive", hive, target, []))
    whole = TableTarget(name="sales", mode="replace")
    assert _shown(deliver(deliver_hive.deliver, "hive", hive, whole, []))
    (tmp_path / "out").write_text("")
    folder = Connection(kind="storage", path=str(tmp_path))
    file = FileTarget(path="out/a.csv", format="csv", encoding="cp949")
    said = deliver(deliver_files.deliver, "share", folder, file, [("1", "2025-07-01")])
    assert _shown(said.replace(str(tmp_path), "/share"))
    (tmp_path / "out").unlink()
    said = deliver(deliver_files.deliver, "share", folder, file, [("😀", "2025-07-01")])
    assert _shown(said.replace(str(tmp_path), "/share"))
    with duckdb.connect(str(tmp_path / "x.duckdb")) as db:
        db.execute("CREATE TABLE sales (order_nr VARCHAR, dt INTEGER)")
    path = Connection(kind="duckdb", path=str(tmp_path / "x.duckdb"))
    said = deliver(deliver_duckdb.deliver, "postgres", path, whole, [])
    assert _shown(re.sub(r"\(/.*?duckdb\)", "({home}/sources/postgres.duckdb)", said))


def _shown(message: str) -> bool:
    """Whether the document has the message, whatever its lines."""
    assert " ".join(message.split()) in " ".join(TEXT.split()), message
    return True
