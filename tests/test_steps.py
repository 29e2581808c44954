"""Steps of a pipeline file: what is told when it is loaded, the columns after each, the signatures.

Here: `lake_assets/steps.py`, `step_params.py` and `step_columns.py`. Not here: running steps
(`test_step_runner.py`), whole texts (`acceptance/test_step_mistakes.py`), the functions (`preps/`).
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import narwhals.stable.v2 as nw
import pytest
import yaml

from lake_assets import prep_pages, step_params, templates
from lake_assets.builder import code_version
from lake_assets.loader import load_pipelines, read_pipelines
from lake_assets.pipeline import assets
from lake_assets.preps import Prep, Step
from lake_assets.preps.catalogue import CATALOGUE
from lake_assets.preps.selectors import Columns
from lake_assets.spec.editor_schema import schema
from lake_assets.steps import StepError, rowwise, schemas
from lake_assets.validate import validate_folders
from tests.pipeline_files import SALES, write

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
    columns:
      id: int64
      customer: string
      grade: string
      amount: decimal(18,2)
      ordered_on: date
datasets:
  clean_orders:
    title: 정리한 주문
    inputs: [raw/orders]
    steps:
STEPS
    columns: COLUMNS
"""
COLUMNS = '{id: int64, customer: string, grade: string, amount: "decimal(18,2)", ordered_on: date}'
#: The 46 and `null`, in the old module's order.
NAMES = """
before_last_day last_day today this_year this_month before_year before_month day
before_year_month this_year_month week_of_month hive_partitioning rename
numeric_to_binominal_mapping numeric_to_binominal numeric_to_polynominal_mapping
numeric_to_polynominal numeric_to_date integer_to_real real_to_integer nominal_to_binominal
nominal_to_text nominal_to_numeric nominal_to_date text_to_nominal date_to_numeric
date_to_nominal parse_number format_numbers select_attributes select_by_random remove_attributes
filter_examples sample split_rows sort shuffle split_columns substring trim merge add
days_split_upload_date_setting days_split_upload_sql_setting days_split_upload hdfs_split_upload
null
""".split()  # noqa: SIM905
STEPS = [name for name, one in CATALOGUE.items() if one.step]


def file(steps: str, columns: str = COLUMNS) -> str:
    indented = "\n".join(f"      {line}" for line in steps.strip().split("\n"))
    return FILE.replace("STEPS", indented).replace("COLUMNS", columns)


def loaded(folder: Path, steps: str) -> list[str]:
    """What is told when the file is loaded, without the asset's name."""
    _, told = read_pipelines([write(folder, {"orders": file(steps)})])
    return [str(one).partition("prep/clean_orders: ")[2] or str(one) for one in told]


def validated(folder: Path, steps: str, columns: str = COLUMNS) -> list[str]:
    told = validate_folders([write(folder, {"orders": file(steps, columns)})])
    return [str(one).partition("prep/clean_orders: ")[2] or str(one) for one in told]


# --- when files are loaded -----------------------------------------------------------------------

#: The steps of a file → what is told, without file and line.
LOADED = {
    "- trim": [],
    "- trim: {}": [],
    "- trim: {columns: {value_type: nominal}}": [],
    "- trim: {columns: 3}": [
        "step 1, trim: columns: write a column, a list of columns, or a selector {value_type: "
        "numeric} (found 3)\n"
        r"""    trim(columns=null, chars=" \t\r\n\u3000\u00a0")"""
    ],
    "- trim: {columns: [customer, 3]}": [
        "step 1, trim: columns.#2: write text (found 3)\n"
        r"""    trim(columns=null, chars=" \t\r\n\u3000\u00a0")"""
    ],
    "- trim: {chars: null}": [
        "step 1, trim: chars: write text (it is empty)\n"
        r"""    trim(columns=null, chars=" \t\r\n\u3000\u00a0")"""
    ],
    "- trim: {columns: {value_typ: nominal}}": [
        "step 1, trim: columns: a selector's key is 'value_typ'. Did you mean 'value_type'? "
        "Allowed: subset, regular_expression, value_type, no_missing_values, numeric_condition, "
        "except, invert, on_missing_column."
    ],
    "- trim: {columns: {no_missing_values: true}}": [
        "step 1, trim: columns: no_missing_values chooses by the rows, and the columns of a "
        "dataset are declared\n    name the columns, or choose by value_type"
    ],
    "- split_columns: {columns: customer, split_mode: orderd}": [
        'step 1, split_columns: split_mode: write "ordered_split" or "unordered_split" (found '
        "'orderd')\n"
        "    did you mean 'ordered_split'?",
        "step 1, split_columns: the parameter 'parts' is missing: it says which columns the step "
        "makes, as those of a dataset are declared\n"
        f"    {step_params.signature(CATALOGUE['split_columns'])}",
    ],
    "- parse_number: {columns: grade, unparsable_value_handling: skip attribute}": [
        "step 1, parse_number: unparsable_value_handling: the rows decide whether a column is one "
        "of numbers, and the columns of a dataset are declared\n"
        "    write fail, or replace with missing values"
    ],
    "- null: {method: averag}": [
        'step 1, null: method: write "none", "minimum", "maximum", "average", "zero", "value", '
        """"median", "mode", "drop", "ffill" or "bfill" (found 'averag')\n"""
        "    did you mean 'average'?"
    ],
    "- trim: {chars: '{clock.today}{{}}'}": [],
    "- trim: {chars: '{today}'}": [
        "step 1, trim: chars: {today} is of a partition's day, and prep/clean_orders has no "
        "partitions of time\n    for now, in Asia/Seoul, write {clock.today}"
    ],
    r"- select_attributes: {columns: {regular_expression: 'o.{2}_\p{L}'}}": [
        "step 1, select_attributes: columns.regular_expression: {L}: there is no 'L'. Allowed: "
        f"{', '.join(templates.NAMES)}, and clock.today… for now. Braces that are meant are "
        "written {{ and }}."
    ],
    '- "null"': [],
    "- null: {method: drop}": [],
    "- 트림": ["step 1: there is no function '트림'\n    `lake preps` lists all"],
    "- days_split_upload: {start: a}": [
        "step 1: days_split_upload is no step: it does not make rows of rows\n"
        "    call it in Python, in a transform or a notebook"
    ],
}


@pytest.mark.parametrize(("steps", "told"), LOADED.items())
def test_what_is_told_when_a_file_is_loaded(steps: str, told: list[str], tmp_path: Path) -> None:
    assert loaded(tmp_path, steps) == told


#: Below `steps:` → what the record itself refuses.
RECORDS = {
    "- [trim]": "write a step as `- name: {parameter: value}`, or `- name` alone",
    "- 3": "write a step as `- name: {parameter: value}`, or `- name` alone (found 3)",
    "- null": 'a step is empty; the function of the name is written "null", in quotes',
    "- trim:": "nothing stands below trim; without parameters write `- trim`",
    "- trim: customer": "write the parameters of trim by name: {parameter: value}",
    "- trim: {}\n  add: {}": "a step is one function, and here are trim, add: each has a dash of "
    "its own",
}


@pytest.mark.parametrize(("steps", "told"), RECORDS.items())
def test_what_no_step_is_like(steps: str, told: str, tmp_path: Path) -> None:
    (found,) = loaded(tmp_path, steps)
    assert found.partition("steps.#1: ")[2] == told


#: What else stands in the dataset → what the record refuses.
TOGETHER = {
    "transform: a.py:b": "steps follow sql or an input, not a transform",
    "engine: hive\n    sql: SELECT 1 AS a FROM orders": "steps do not run in Hive; take `engine`",
    "range: true": "range: true is for sql, not for steps",
}


@pytest.mark.parametrize(("more", "told"), TOGETHER.items())
def test_what_steps_do_not_go_with(more: str, told: str, tmp_path: Path) -> None:
    text = file("- trim").replace("    steps:\n", f"    {more}\n    steps:\n")
    _, found = read_pipelines([write(tmp_path, {"orders": text})])
    assert any(told in str(one) for one in found), found


def test_steps_alone_begin_with_one_input(tmp_path: Path) -> None:
    text = file("- trim").replace("[raw/orders]", "[raw/orders, prep/other]")
    _, (found,) = read_pipelines([write(tmp_path, {"orders": text})])
    assert "steps begin with the rows of one input, and here are 2" in str(found)


# --- parameters by annotation --------------------------------------------------------------------

Filters = Sequence[tuple[str, Literal["eq", "ne"], Any]]
#: An annotation, a value → where it is wrong and what is wanted.
MISFITS: list[tuple[Any, Any, list[tuple[tuple[str | int, ...], str]]]] = [
    (bool, True, []),
    (bool, "yes", [((), "true or false")]),
    (int, 1, []),
    (int, True, [((), "a whole number")]),
    (int, 1.0, [((), "a whole number")]),
    (int | None, None, []),
    (int, None, [((), "a whole number")]),
    (float, 1, []),
    (float, "1", [((), "a number")]),
    (str, 1, [((), "text")]),
    (Any, [1, {"a": 2}], []),
    (Literal["a", 1], 1, []),
    (Literal["a", 1], "b", [((), '"a" or 1')]),
    (list[int], [1, "2"], [((1,), "a whole number")]),
    (list[int], 1, [((), "a list: [one, another]")]),
    (Sequence[str], "text", [((), "a list: [one, another]")]),
    (Mapping[str, int], {"a": "b"}, [(("a",), "a whole number")]),
    (Mapping[str, int], {1: 1}, [((1,), "as a key text")]),
    (Mapping[float, str], {0: "a", 1.5: "b"}, []),
    (Mapping[str, Sequence[str]], {"a": ["b"], "c": "d"}, [(("c",), "a list: [one, another]")]),
    (Mapping[str, str], ["a"], [((), "keys and values: {key: value}")]),
    (Filters, [["a", "eq", 1], ["b", "ge", None]], [((1, 1), '"eq" or "ne"')]),
    (Filters, [["a", "eq"]], [((0,), "a list of 3")]),
    (Filters, [], []),
    (int | str, 1.5, [((), "a whole number, or text")]),
    (str | Sequence[str], ["a", 1], [((1,), "text")]),
    (Columns, {"value_type": "nominal"}, []),
    (Columns, True, [((), "a column, a list of columns, or a selector {value_type: numeric}")]),
]


@pytest.mark.parametrize(("annotation", "value", "wrong"), MISFITS)
def test_a_value_against_its_annotation(annotation: Any, value: Any, wrong: Any) -> None:
    found = step_params.misfits(annotation, value)
    assert [(one.place, one.wanted) for one in found] == wrong


# --- columns -------------------------------------------------------------------------------------


def test_the_columns_after_each_step() -> None:
    start = nw.Schema({"name": nw.String(), "amount": nw.Decimal(18, 2)})
    found = schemas(
        [
            Step("trim", {"columns": ["name"]}),
            Step("split_columns", {"columns": "name", "parts": {"name": 2}}),
        ],
        start,
    )
    assert [dict(one) for one in found] == [
        dict(start),
        dict(start),
        {"name_1": nw.String(), "name_2": nw.String(), "amount": nw.Decimal(18, 2)},
    ]
    with pytest.raises(StepError) as caught:
        schemas([Step("trim"), Step("trim", {"columns": "nam"})], start)
    assert (caught.value.number, caught.value.place) == (2, ("steps", 1, "trim", "columns"))


#: Steps, the declared columns → what `lake validate` tells.
VALIDATED = {
    ("- trim", COLUMNS): [],
    ("- trim", COLUMNS.replace("customer: string", "customer: int64")): [
        "the steps give 'customer' as string, declared is int64\n    declare string"
    ],
    ("- trim", COLUMNS.replace("ordered_on: date", "ordered_on: string")): [
        "the steps give 'ordered_on' as date, declared is string\n"
        "    declare date, or add the step date_to_nominal"
    ],
    ("- trim", COLUMNS.replace("id: int64", "id: int32")): [],
    ("- trim", COLUMNS.replace("decimal(18,2)", "decimal(20,2)")): [],
    ("- trim", COLUMNS.replace("decimal(18,2)", "decimal(10,2)")): [
        "the steps give 'amount' as decimal(18,2), declared is decimal(10,2)\n"
        "    declare decimal(18,2)"
    ],
    ("- trim", COLUMNS.replace("id: int64", 'id: "decimal(21,2)"')): [],
    ("- trim", COLUMNS.replace("id: int64", 'id: "decimal(20,2)"')): [
        "the steps give 'id' as int64, declared is decimal(20,2)\n    declare int64"
    ],
    ("- trim", COLUMNS.replace("id: int64", "id: float64")): [
        "the steps give 'id' as int64, declared is float64\n"
        "    declare int64, or add the step integer_to_real"
    ],
    ("- trim", COLUMNS.replace("grade: string, ", "")): [
        "the column 'grade' is there after the steps, and not declared\n"
        "    declare it under `columns`, or take it out: "
        "`- remove_attributes: {columns: [grade]}`"
    ],
    ("- trim", COLUMNS.replace("grade:", "grad:")): [
        "the column 'grade' is there after the steps, and not declared\n"
        "    declare it under `columns`, or take it out: "
        "`- remove_attributes: {columns: [grade]}`",
        "the steps give no column 'grad'\n"
        "    did you mean 'grade'? allowed: amount, customer, grade, id, ordered_on",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("case", "told"), VALIDATED.items())
def test_columns_against_those_declared(
    case: tuple[str, str], told: list[str], tmp_path: Path
) -> None:
    assert sorted(validated(tmp_path, *case)) == sorted(told)


def test_columns_of_the_sql_before_the_steps(tmp_path: Path) -> None:
    def of(sql: str, columns: str) -> list[str]:
        text = file("- trim", columns).replace("    steps:", f"    sql: {sql}\n    steps:")
        told = validate_folders([write(tmp_path, {"orders": text})])
        return [str(one).partition("prep/clean_orders: ")[2] for one in told]

    assert of("SELECT customer AS c FROM orders", "{c: string}") == []
    assert of("SELECT sum(id) AS n FROM orders", "{n: int64}") == [
        "sql: gives 'n' as HUGEINT, which is no type of the lake\n"
        "    cast it: CAST(… AS BIGINT) AS n"
    ]
    assert of("SELECT id, id FROM orders", "{id: int64}") == [
        "sql: gives two columns 'id'\n    rename one"
    ]
    (found,) = of("SELECT i FROM orders", "{id: int64}")
    assert found.startswith("sql: there is no column 'i'")


ALONE = {
    ("trim", ""): True,
    ("sort", "by: id"): False,
    ("null", ""): False,
    ("null", "method: value, value: 0"): True,
    ("null", "method: drop"): True,
    ("null", "values: {id: 3}"): True,
    ("null", "method: ffill, values: {id: 3}"): False,
    ("null", "method: median"): False,
}


@pytest.mark.parametrize(("step", "alone"), ALONE.items())
def test_whether_batches_may_be_done_for_themselves(step: tuple[str, str], alone: bool) -> None:
    name, params = step
    assert rowwise(Step(name, yaml.safe_load(f"{{{params}}}"))) == alone


# --- all functions -------------------------------------------------------------------------------


def test_the_names_of_the_old_module() -> None:
    lacking = sorted(set(NAMES) - set(CATALOGUE))
    assert lacking == []
    steps = {CATALOGUE[name].step for name in NAMES[:11]} | {CATALOGUE["null"].step}
    assert steps == {True}


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_example_of_a_docstring_is_right(name: str) -> None:
    function = CATALOGUE[name].function
    names = dict(vars(sys.modules[function.__module__]))
    tests = [
        test
        for test in doctest.DocTestFinder(recurse=False).find(function, name, globs=names)
        if test.examples
    ]
    assert tests, "the docstring has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("name", STEPS)
def test_the_example_as_a_step_is_right(name: str, tmp_path: Path) -> None:
    written = prep_pages.step(CATALOGUE[name])
    assert written, "no example could stand in a file"
    assert loaded(tmp_path, written) == []


@pytest.mark.parametrize("name", STEPS)
def test_the_parameters_can_be_written(name: str) -> None:
    prep = CATALOGUE[name]
    json.dumps(step_params.json_schema(prep))
    assert set(step_params.parameters(prep)) <= set(prep.signature.parameters)
    for one in step_params.parameters(prep).values():
        if one.default is not one.empty and one.default is not None:
            plain = json.loads(json.dumps(one.default, default=list))
            assert list(step_params.misfits(one.annotation, plain)) == []


def test_editors_know_the_steps(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())

    def fits(steps: str) -> bool:
        return bool(validator.is_valid(yaml.safe_load(file(steps))))

    assert fits("- trim: {columns: [customer]}\n- trim")
    assert not fits("- trimm")
    assert not fits("- trim: {colums: [customer]}")
    assert not fits("- trim: {columns: 3}")
    assert not fits("- trim: {}\n  add: {}")
    assert not fits("- add: {column: grade}")


def test_the_dataset_that_the_documentation_shows_is_right(tmp_path: Path) -> None:
    text = Path(__file__).parents[1].joinpath("docs/preps.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    head = (
        FILE[: FILE.index("sources:")] + "elsewhere:\n  raw/orders:\n    columns: {order_no: int64"
    )
    head += ', customer: string, amount: "decimal(18,2)", status: string, memo: string}\n'
    assert validate_folders([write(tmp_path, {"orders": head + shown})]) == []


# --- versions, and what loading costs ------------------------------------------------------------


def test_the_code_version_follows_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(steps: str) -> str:
        (pipeline,) = load_pipelines([write(tmp_path, {"orders": file(steps)})])
        return code_version(assets(pipeline)[1])

    before = version("- trim")
    assert version("- trim: {}") == before
    assert version("- trim: {columns: [customer]}") != before
    assert version("- trim\n- trim") != before
    changed: Prep = replace(CATALOGUE["trim"], version=2)
    monkeypatch.setitem(CATALOGUE, "trim", changed)
    assert version("- trim") != before


LOADS = """\
import sys
from pathlib import Path
from lake_assets.loader import load_pipelines
load_pipelines([Path(sys.argv[1])])
heavy = ("narwhals", "polars", "pyarrow", "duckdb", "pandas")
print([name for name in heavy if name in sys.modules])
"""


def test_what_a_graph_imports(tmp_path: Path) -> None:
    def imports(name: str, text: str) -> str:
        folder = write(tmp_path / name, {name: text})
        done = subprocess.run(
            [sys.executable, "-c", LOADS, str(folder)], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert imports("sales", SALES) == "[]"
    assert imports("orders", file("- trim")) == "['narwhals']"
