"""What an analyst reads who has made a mistake in a step: file, line, step, suggestion.

Here: the texts of `lake validate`, word by word, for a file with steps. Not here: how they are
found out (`tests/test_steps.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.loader import read_pipelines
from lake_assets.validate import validate_folders
from tests.pipeline_files import write

FILE = """\
version: 1
title: 주문
description: 단계의 시험
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", "주문"]
sources:
  orders:
    title: 주문
    connection: hana_bw
    table: /BIC/AZSD_O0100
    columns: {id: int64, customer: string, amount: "decimal(18,2)", ordered_on: date}
datasets:
  clean_orders:
    title: 정리한 주문
    inputs: [raw/orders]
    steps:
      - trim: {columns: [customer]}
      - filter_examples:
          filters:
            - [amount, ge, 0]
      - sort:
          by: [amount]
          descending: true
    columns: {id: int64, customer: string, amount: "decimal(18,2)", ordered_on: date}
"""

#: What is mistaken → what is changed in the file, the whole text.
CASES: dict[str, tuple[list[tuple[str, str]], str]] = {
    "unknown step": (
        [("- trim: {", "- trimm: {")],
        "f/orders/pipeline.yaml:17: prep/clean_orders: step 1: there is no function 'trimm'\n"
        "    did you mean 'trim'? `lake preps` lists all",
    ),
    "the name in RapidMiner": (
        [("- filter_examples:", "- Filter Examples:")],
        "f/orders/pipeline.yaml:18: prep/clean_orders: step 2: there is no function "
        "'Filter Examples'\n"
        "    did you mean 'filter_examples'? `lake preps` lists all",
    ),
    "misspelt parameter": (
        [("{columns: [customer]}", "{colums: [customer]}")],
        "f/orders/pipeline.yaml:17: prep/clean_orders: step 1, trim: there is no parameter "
        "'colums'\n"
        r"""    did you mean 'columns'? trim(columns=null, chars=" \t\r\n\u3000\u00a0")""",
    ),
    "wrong type": (
        [("descending: true", "descending: down")],
        "f/orders/pipeline.yaml:23: prep/clean_orders: step 3, sort: descending: write true or "
        "false, or a list: [one, another] (found 'down')\n"
        "    sort(by, descending=false, nulls_last=true)",
    ),
    "missing parameter": (
        [("          by: [amount]\n", "")],
        "f/orders/pipeline.yaml:21: prep/clean_orders: step 3, sort: the parameter 'by' is "
        "missing\n"
        "    sort(by, descending=false, nulls_last=true)",
    ),
    "missing column": (
        [("by: [amount]", "by: [amout]")],
        "f/orders/pipeline.yaml:22: prep/clean_orders: step 3, sort: there is no column 'amout' "
        "(did you mean 'amount'?). There are: id, customer, amount, ordered_on.",
    ),
    "column of the wrong type": (
        [("{columns: [customer]}", "{columns: [amount]}")],
        "f/orders/pipeline.yaml:17: prep/clean_orders: step 1, trim: column 'amount' is decimal; "
        "it takes nominal columns.",
    ),
    "no step": (
        [("- sort:\n          by: [amount]\n          descending: true", "- split_rows")],
        "f/orders/pipeline.yaml:21: prep/clean_orders: step 3: split_rows is no step: it gives "
        "several frames, and a dataset is one\n"
        "    write one dataset for each part, with filter_examples or sample",
    ),
    "not indented": (
        [("          by: [amount]\n          descending: true", "        by: [amount]")],
        "f/orders/pipeline.yaml:21: datasets.clean_orders.steps.2: a step is one function, and "
        "here are sort, by: indent the parameters deeper than sort",
    ),
    "a name that no column has": (
        [("- trim: {columns: [customer]}", "- rename: {mapping: {customer: 고객}}")],
        "f/orders/pipeline.yaml:17: prep/clean_orders: step 1, rename: makes the undeclared "
        "column '고객'\n"
        '    name it in lower-case letters: `- rename: {mapping: {"고객": new_name}}`',
    ),
    "a column that is not declared": (
        [("- trim: {columns: [customer]}", "- rename: {mapping: {customer: buyer}}")],
        "f/orders/pipeline.yaml:17: prep/clean_orders: step 1, rename: makes the undeclared "
        "column 'buyer'\n"
        "    declare it under `columns`, or take it out: "
        "`- remove_attributes: {attributes: [buyer]}`",
    ),
}


@pytest.mark.parametrize(("changes", "text"), CASES.values(), ids=CASES)
def test_mistake(
    changes: list[tuple[str, str]], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = FILE
    for old, new in changes:
        assert file.count(old) == 1
        file = file.replace(old, new)
    told = [str(one) for one in validate_folders([write(tmp_path / "f", {"orders": file})])]
    assert text in told, told


def test_no_mistake(tmp_path: Path) -> None:
    assert validate_folders([write(tmp_path, {"orders": FILE})]) == []


def test_all_at_once_when_the_file_is_loaded(tmp_path: Path) -> None:
    file = FILE.replace("- trim: {", "- trimm: {").replace("descending: true", "descendin: 1")
    _, told = read_pipelines([write(tmp_path, {"orders": file})])
    assert [(one.line, one.what) for one in told] == [
        (17, "prep/clean_orders: step 1: there is no function 'trimm'"),
        (23, "prep/clean_orders: step 3, sort: there is no parameter 'descendin'"),
    ]
