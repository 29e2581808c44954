"""`lake lineage`: the tree, the JSON, the events, and what it says of names there are not.

Not here: what lineage must be (`tests/test_lineage.py`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lake_assets.cli.main import cli
from tests.order_report import PIPELINES


@pytest.fixture(autouse=True)
def _pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_PIPELINES", str(PIPELINES))


def lineage(*words: str, code: int = 0) -> Result:
    found = CliRunner().invoke(cli, ["lineage", *words], prog_name="lake")
    assert found.exit_code == code, found.output
    return found


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lineage(*words, "--json").output)
    return found


def test_a_column_all_the_way_up() -> None:
    assert (
        lineage("prep/axis_net.label").output
        == """\
prep/axis_net.label  이름
├── prep/order_rank.size  규모  그대로(해석)
│   └── prep/order_class.size  규모  그대로(해석)  CASE WHEN o.grade = 'V' THEN '특별' WHEN … , 2)) >= 1000000 THEN '대' ELSE '소' END
│       ├── prep/order_clean.amount  금액  변환(해석)
│       │   └── prep/order_line.amount  금액  그대로(해석)
│       │       └── raw/orders.amount  금액  그대로(해석)
│       │           └── src/hana_bw/orders.AMOUNT  그대로(선언)
│       ├── prep/order_clean.discount  할인  변환(해석)
│       │   └── prep/order_line.discount  할인  그대로(해석)
│       │       └── raw/orders.discount  할인  그대로(해석)
│       │           └── src/hana_bw/orders./BIC/ZDISC  그대로(선언)
│       └── prep/order_clean.grade  등급  변환(해석)
│           └── prep/order_line.grade  등급  그대로(해석)
│               └── raw/customers.grade  등급  그대로(해석)
│                   └── src/hana_db/customers.KDGRP  그대로(선언)
├── prep/region_day.region  지역  그대로(해석)
│   └── prep/order_rank.region  지역  그대로(해석)
│       └── prep/order_class.region  지역  그대로(해석)
│           └── prep/order_clean.region  지역  그대로(해석)
│               └── prep/order_line.region  지역  그대로(해석)
│                   └── raw/customers.region  지역  그대로(해석)
│                       └── src/hana_db/customers.REGIO  그대로(선언)
└── 행을 정하는 컬럼
    └── prep/order_rank.size  규모  그룹 키
"""  # noqa: E501
    )


def test_a_source_column_down() -> None:
    assert (
        lineage("src/hana_db/customers.LOEVM", "--down").output
        == """\
src/hana_db/customers.LOEVM
└── raw/customers.status  거래처 상태  그대로(선언)
    ├── prep/order_line.customer_status  거래처 상태  그대로(해석)
    │   └── prep/order_clean.customer_status  거래처 상태  그대로(해석)
    │       └── prep/order_class.customer_status  거래처 상태  그대로(해석)
    └── prep/order_line.*  (행)  필터
"""
    )


def test_a_source_by_the_name_that_its_table_has() -> None:
    named = lineage("src/hana_bw/orders.AMOUNT", "--down").output
    assert lineage("src/hana_bw/AORDERS.AMOUNT", "--down").output == named
    assert lineage("src/hana_bw/AORDERS").output == lineage("src/hana_bw/orders").output
    told = lineage("src/hana_bw/AORDERS.amount", code=2).output
    assert "src/hana_bw/orders has no column 'amount'; did you mean 'AMOUNT'?" in told
    # Two assets read this one.
    assert "There is no asset 'src/hana_db/KNA1'" in lineage("src/hana_db/KNA1", code=2).output


def test_an_asset_one_step() -> None:
    told = lineage("prep/order_clean").output.splitlines()
    assert told[0] == "prep/order_clean  다듬은 주문"
    place = told.index("├── prep/order_clean.note  메모")
    assert told[place + 1] == "│   └── prep/order_line.memo  메모  변환(해석)"
    assert told[-1] == "    └── prep/order_line.amount  금액  필터"


def test_json_has_the_edges_and_the_sources() -> None:
    found = document("prep/summary.mean_net")
    [column] = found["columns"]
    assert column["title"] == "주문당 순금액"
    assert column["confidence"] == "parsed"
    assert {(one["asset"], one["column"], one["kind"]) for one in column["sources"]} == {
        ("src/hana_bw/orders", "AMOUNT", "aggregation"),
        ("src/hana_bw/orders", "/BIC/ZDISC", "aggregation"),
        ("src/hana_bw/orders", "*", "aggregation"),
        ("src/hana_db/customers", "*", "aggregation"),
    }
    edge = {
        "from": {"asset": "prep/axis_net", "column": "net"},
        "to": {"asset": "prep/summary", "column": "mean_net"},
        "kind": "transformation",
        "confidence": "parsed",
    }
    assert edge in found["edges"]
    assert {"asset": "prep/axis_net", "column": "net", "kind": "sort"} in found["rows"]


def test_json_down_of_an_asset() -> None:
    found = document("raw/customers", "--down")
    assert found["way"] == "down"
    assert {one["from"]["asset"] for one in found["edges"]} == {"raw/customers"}
    assert {one["to"]["asset"] for one in found["edges"]} == {"prep/order_line"}


def test_events_of_an_asset_of_what_it_is_made_of_and_of_all() -> None:
    one = lineage("prep/order_line", "--openlineage").output.splitlines()
    assert [json.loads(line)["job"]["name"] for line in one] == ["prep/order_line"]
    up = lineage("prep/order_line", "--openlineage", "--up").output.splitlines()
    assert {json.loads(line)["job"]["name"] for line in up} == {
        "prep/order_line",
        "raw/orders",
        "raw/customers",
    }
    every = lineage("--openlineage").output.splitlines()
    assert len(every) > len(up)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("prep/order_lines", ["There is no asset 'prep/order_lines'", "'prep/order_line'"]),
        ("prep/order_line.regon", ["prep/order_line has no column 'regon'", "'region'"]),
        ("src/hana_db/customer_", ["There is no asset", "'src/hana_db/customer'"]),
        ("src/hana_db/customers.KUNR", ["has no column 'KUNR'", "'KUNNR'"]),
    ],
)
def test_names_that_there_are_not(target: str, words: list[str]) -> None:
    said = lineage(target, code=2).output
    assert all(word in said for word in words), said
    assert "did you mean" in said


def test_no_name_at_all() -> None:
    assert "lake list" in lineage(code=2).output
