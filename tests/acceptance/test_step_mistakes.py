"""What an analyst reads who has made a mistake in a step: file, line, step, suggestion.

Here: the texts of `lake validate`, word by word, for a file with steps. Not here: how they are
found out (`tests/test_steps.py`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lake_assets.loader import read_pipelines
from lake_assets.preps import conditions
from lake_assets.preps.catalogue import CATALOGUE
from lake_assets.step_params import signature
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
        "f/orders/pipeline.yaml:21: datasets.clean_orders.steps.#3: a step is one function, and "
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
        "`- remove_attributes: {columns: [buyer]}`",
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


OPERATORS = ", ".join(conditions.OPERATORS)
OF_TEXTS = (
    "equals, does_not_equal, is_in, is_not_in, contains, does_not_contain, starts_with, ends_with, "
    "matches, is_missing, is_not_missing"
)
THERE = "There are: id, customer, amount, ordered_on."
WRITTEN = "filters: write each as a list of column, operator and value: [[금액, ge, 100]]"

#: The steps → all that is told of them, without file and asset.
STEPS: dict[str, list[str]] = {
    # One wrong step does not hide another, where that can be told without it.
    "- trimm\n- sort: {by: amout}": [
        "step 1: there is no function 'trimm'\n    did you mean 'trim'? `lake preps` lists all",
        f"step 2, sort: there is no column 'amout' (did you mean 'amount'?). {THERE}",
    ],
    "- sort: {by: amout}\n- trim: {columns: [nam]}\n- trim: {columns: id}": [
        f"step 1, sort: there is no column 'amout' (did you mean 'amount'?). {THERE}",
        f"step 2, trim: there is no column 'nam'. {THERE}",
        "step 3, trim: column 'id' is integer; it takes nominal columns.",
    ],
    "- rename: {mapping: {amout: price}}\n- sort: {by: [price, idd]}": [
        f"step 1, rename: there is no column 'amout' (did you mean 'amount'?). {THERE}",
        "step 2, sort: there is no column 'idd' (did you mean 'id'?). There are: id, customer, "
        "price, ordered_on.",
    ],
    "- nominal_to_text: {colums: customer}\n- sort: {by: amout}": [
        "step 1, nominal_to_text: there is no parameter 'colums'\n"
        "    did you mean 'columns'? nominal_to_text(columns=null)",
        f"step 2, sort: there is no column 'amout' (did you mean 'amount'?). {THERE}",
    ],
    # What columns there are after these, nobody knows: nothing more is said.
    "- make_all_well\n- sort: {by: amout}": [
        "step 1: there is no function 'make_all_well'\n    `lake preps` lists all"
    ],
    "- split_rows\n- sort: {by: amout}": [
        "step 1: split_rows is no step: it gives several frames, and a dataset is one\n"
        "    write one dataset for each part, with filter_examples or sample"
    ],
    "- rename: {mapping: {xyz: price}}\n- sort: {by: price}": [
        f"step 1, rename: there is no column 'xyz'. {THERE}"
    ],
    "- split_columns: {columns: customer}\n- sort: {by: customer_1}": [
        "step 1, split_columns: the parameter 'parts' is missing: it says which columns the step "
        "makes, as those of a dataset are declared\n"
        f"    {signature(CATALOGUE['split_columns'])}"
    ],
    "- last_day: {column: ordered_on, itno: closed_on}\n- sort: {by: closed_on}": [
        "step 1, last_day: there is no parameter 'itno'\n"
        f"    did you mean 'into'? {signature(CATALOGUE['last_day'])}"
    ],
    "- numeric_to_polynominal: {colums: id}\n- real_to_integer: {columns: amount}": [
        "step 1, numeric_to_polynominal: there is no parameter 'colums'\n"
        f"    did you mean 'columns'? {signature(CATALOGUE['numeric_to_polynominal'])}"
    ],
    # A column that is no more
    "- remove_attributes: {columns: [customer]}\n- trim\n- sort: {by: customer}": [
        "step 3, sort: there is no column 'customer' (step 1, remove_attributes, took it out). "
        "There are: id, amount, ordered_on.",
        "the steps give no column 'customer'\n    allowed: amount, id, ordered_on",
    ],
    "- trim: {columns: {value_type: nominal, except: custmer}}": [
        f"step 1, trim: there is no column 'custmer' (did you mean 'customer'?). {THERE}"
    ],
    # Names from elsewhere
    "- trim customer": [
        "step 1: there is no function 'trim customer'\n"
        "    did you mean `- trim: {columns: [customer]}`?"
    ],
    "- Replace Missing Values": [
        "step 1: there is no function 'Replace Missing Values'\n"
        "    did you mean 'null'? `lake preps` lists all"
    ],
    "- generate_attributes": [
        "step 1: there is no function 'generate_attributes'\n"
        "    say it in `sql`: SELECT *, price * amount AS total FROM …"
    ],
    "- aggregate": [
        "step 1: there is no function 'aggregate'\n"
        "    say it in `sql`: SELECT customer, sum(amount) AS amount FROM … GROUP BY customer"
    ],
    # Conditions
    "- filter_examples: {filters: [amount, gt, 1000]}": [
        f"step 1, filter_examples: {WRITTEN} (found ['amount', 'gt', 1000])"
    ],
    "- filter_examples: {filters: 'amount > 1000'}": [
        f"step 1, filter_examples: {WRITTEN} (found 'amount > 1000')"
    ],
    "- filter_examples": [
        "step 1, filter_examples: condition_class is 'custom_filters', and filters is missing."
    ],
    "- 'null': {method: zer0}": [
        'step 1, null: method: write "none", "minimum", "maximum", "average", "zero", "value", '
        """"median", "mode", "drop", "ffill" or "bfill" (found 'zer0')\n    did you mean 'zero'?"""
    ],
    "- filter_examples: {expression: 'amount > 1000'}": [
        "step 1, filter_examples: for an expression set condition_class: expression."
    ],
    "- filter_examples: {filters: [[ordered_on, ge, {last_day:%Y-%m-%d}]]}": [
        "step 1, filter_examples: filters.#1.#3: put quotes around it: "
        '"{last_day:%Y-%m-%d}"\n    without them { } make keys and values of it'
    ],
    "- filter_examples: {filters: [[customer, ge, '20260901']]}": [
        f"step 1, filter_examples: column 'customer' is text: ge is none of its: {OF_TEXTS}. Make "
        "dates of it first by nominal_to_date, numbers by parse_number."
    ],
    "- filter_examples: {filters: [[customer, eq, A]]}": [
        f"step 1, filter_examples: column 'customer' is text: eq is none of its: {OF_TEXTS}. Did "
        "you mean 'equals'?"
    ],
    "- sample: {sample_ratio: 0.1}": [
        "step 1, sample: sample is 'absolute', and sample_ratio is not used: it belongs to "
        "'relative'."
    ],
    "-\n- trim": ['a step is empty; the function of the name is written "null", in quotes'],
}


def told_of(steps: str, folder: Path, more: str = "") -> list[str]:
    indented = "\n".join(f"      {line}" for line in steps.split("\n"))
    head, _, tail = FILE.partition("      - trim: {")
    columns = tail[tail.index("    columns:") :]
    file = f"{head}{indented}\n{columns}{more}"
    told = validate_folders([write(folder, {"orders": file})])
    return [re.sub(r"^\S+ (prep/clean_orders|datasets\S+): ", "", str(one)) for one in told]


@pytest.mark.parametrize(("steps", "told"), STEPS.items())
def test_all_that_is_told(steps: str, told: list[str], tmp_path: Path) -> None:
    assert told_of(steps, tmp_path) == told


@pytest.mark.parametrize(
    ("operator", "meant"),
    {
        ">": "'gt'",
        "<": "'lt'",
        ">=": "'ge'",
        "<=": "'le'",
        "gte": "'ge'",
        "=": "'eq', or of texts 'equals'",
        "==": "'eq', or of texts 'equals'",
        "!=": "'ne', or of texts 'does_not_equal'",
        "<>": "'ne', or of texts 'does_not_equal'",
        "in": "'is_in'",
        "LIKE": "'contains', 'starts_with' or 'matches'",
        "starts": "'starts_with'",
    }.items(),
)
def test_an_operator_of_elsewhere(operator: str, meant: str, tmp_path: Path) -> None:
    steps = f"- filter_examples: {{filters: [[id, eq, 1], [amount, '{operator}', 1]]}}"
    assert told_of(steps, tmp_path) == [
        f"step 1, filter_examples: filters.#2: there is no operator '{operator}' (did you mean "
        f"{meant}?); allowed: {OPERATORS}"
    ]


LOST = "order_by, [id], orders the rows after the steps, so this order is lost"


@pytest.mark.parametrize(
    ("steps", "order_by", "told"),
    [
        ("- sort: {by: amount}", "[id]", f"step 1, sort: {LOST}"),
        ("- sort: {by: id, descending: true}", "[id]", f"step 1, sort: {LOST}"),
        ("- shuffle\n- trim", "[id]", f"step 1, shuffle: {LOST}"),
        ("- sort: {by: id}", "[id, amount]", ""),
        ("- sort: {by: amount}", "[]", ""),
        ("- sort: {by: amount}\n- sample: {sample_size: 5}", "[id]", ""),
        ('- sort: {by: amount}\n- "null": {method: ffill}', "[id]", ""),
    ],
)
def test_an_order_that_is_lost(steps: str, order_by: str, told: str, tmp_path: Path) -> None:
    found = told_of(steps, tmp_path, f"    order_by: {order_by}\n")
    assert found == ([f"{told}\n    take one of the two out"] if told else [])


def test_steps_of_a_file_with_other_mistakes(tmp_path: Path) -> None:
    file = FILE.replace("    connection:", "    conection: a\n    connection:")
    file = file.replace("- trim: {", "- trimm: {").replace("descending: true", "descendin: 1")
    _, told = read_pipelines([write(tmp_path, {"orders": file})])
    assert [(one.line, one.what) for one in told] == [
        (9, "sources.orders.conection: unknown key"),
        (18, "prep/clean_orders: step 1: there is no function 'trimm'"),
        (24, "prep/clean_orders: step 3, sort: there is no parameter 'descendin'"),
    ]


def test_what_is_told_of_an_undeclared_column_cures_it(tmp_path: Path) -> None:
    less = FILE.replace("columns: {id: int64, customer: string, ", "columns: {id: int64, ")
    less = less.replace("{id: int64, ", "{id: int64, customer: string, ", 1)
    (told,) = validate_folders([write(tmp_path, {"orders": less})])
    (step,) = re.findall("`(- remove_attributes.*)`", told.cure)
    cured = less.replace(
        "    columns: {id: int64, amount", f"      {step}\n    columns: {{id: int64, amount"
    )
    assert validate_folders([write(tmp_path, {"orders": cured})]) == []
