"""The records of a pipeline file: what a record by itself refuses, cron, and the JSON schema.

Here: `lake_assets/spec.py` and `cron.py`. Not here: rules over several records (`test_loader.py`).
"""

from __future__ import annotations

import copy
import random
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lake_assets.cron import check_cron
from lake_assets.loader import SHIPPED
from lake_assets.partition_spec import Partitions
from lake_assets.skeleton import skeleton
from lake_assets.spec.editor_schema import schema
from lake_assets.spec.pipeline import PipelineSpec
from resources.yamlfile import YamlFile

FILE: dict[str, Any] = {
    "version": 1,
    "title": "매출",
    "description": "시험",
    "owner": "team:data",
    "tags": ["0.ETL", "1.Start:SAP", "2.End:HDFS", "매출"],
    "partitions": {"daily": {"start": "2024-01-01"}},
    "schedule": {"cron": "0 6 * * *"},
    "params": {"least": {"type": "int", "default": 0, "help": "최소"}},
    "run": {"retries": 2},
    "sources": {
        "sales": {
            "title": "매출",
            "connection": "hana_bw",
            "table": "/BIC/X",
            "window": {"column": "day"},
            "columns": {"day": "date", "amount": {"type": "decimal(18,2)"}},
            "checks": {"fresh": "2d", "rows": {"min": 1}, "range": {"amount": {"min": 0}}},
        }
    },
    "datasets": {
        "daily": {
            "title": "일별",
            "inputs": ["raw/sales"],
            "sql": "SELECT day FROM sales",
            "columns": {"day": "date"},
        }
    },
}


def changed(place: str, value: Any) -> dict[str, Any]:
    """The file with one value put at `a.b.c`; `...` takes the key out."""
    data = copy.deepcopy(FILE)
    *parents, last = place.split(".")
    node = data
    for step in parents:
        node = node[step]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return data


def test_the_file_is_read() -> None:
    spec = PipelineSpec.model_validate(FILE)
    assert spec.sources["sales"].columns["day"].type == "date"
    assert spec.datasets["daily"].named_inputs == {"sales": "raw/sales"}
    assert spec.named_schedules == {"": spec.schedule}
    assert spec.run.retries == 2
    assert spec.run.model_fields_set == {"retries"}


_TWO = {"daily": {"start": "2024-01-01"}, "weekly": {"start": "2024-01-01"}}
_NAMED = {"named": {"column": "plant_code", "values": ["P100", "P200"]}}


@pytest.mark.parametrize(
    ("partitions", "kind", "columns", "first"),
    [
        ({"hourly": {"start": "2024-01-01"}}, "hourly", {"hr": "VARCHAR"}, "2024-01-01-00"),
        ({"daily": {"start": "2024-01-01"}}, "daily", {"dt": "DATE"}, "2024-01-01"),
        ({"weekly": {"start": "2024-12-30"}}, "weekly", {"wk": "VARCHAR"}, "2024-12-30"),
        ({"monthly": {"start": "2024-01-01"}}, "monthly", {"ym": "VARCHAR"}, "2024-01"),
        (_NAMED, "named", {"plant_code": "VARCHAR"}, "P100"),
        (
            {"daily": {"start": "2024-01-01"}, **_NAMED},
            "daily_named",
            {"dt": "DATE", "plant_code": "VARCHAR"},
            "2024-01-01|P100",
        ),
    ],
)
def test_kinds_of_partitions(
    partitions: dict[str, Any], kind: str, columns: dict[str, str], first: str, validator: Any
) -> None:
    data = changed("partitions", partitions)
    assert not list(validator.iter_errors(data))
    found = PipelineSpec.model_validate(data).partitions
    assert isinstance(found, Partitions)
    assert (found.kind, found.columns, found.first) == (kind, columns, first)
    assert hash(found) == hash(PipelineSpec.model_validate(data).partitions)


REFUSED: list[tuple[str, Any, str]] = [
    ("version", 2, "Input should be 1"),
    ("version", True, "write the number 1"),
    ("title", " \n", "must not be empty"),
    ("owner", "sales", "e-mail address or team:<name>"),
    ("owner", None, "it is empty"),
    ("schedule", None, "it is empty"),
    ("tags", ["a"], "at least 4"),
    ("tags", ["a"] * 6, "at most 5"),
    ("partitions", "sometimes", "Input should be 'none'"),
    ("partitions", {}, "exactly one of hourly, daily, weekly, monthly, named; or daily and named"),
    ("partitions", _TWO, "exactly one of hourly"),
    ("partitions", {**_TWO, **_NAMED}, "or daily and named"),
    ("partitions", {"monthly": {"start": "2024-01-01"}, **_NAMED}, "or daily and named"),
    ("partitions", {"weekly": {"start": "2024-01-03"}}, "2024-01-01 or 2024-01-08"),
    ("partitions", {"hourly": {"start": "2024-01-01"}, **_NAMED}, "or daily and named"),
    ("partitions", {"named": {"column": "plant_code", "values": []}}, "at least 1"),
    (
        "partitions",
        {"named": {"column": "dt", "values": ["A"]}},
        "dt is a partition column of time",
    ),
    ("partitions", {"named": {"column": "_p", "values": ["A"]}}, "names match"),
    ("partitions", {"named": {"column": "p", "values": ["A", "B", "A"]}}, "A stands there twice"),
    ("partitions", {"named": {"column": "p", "values": ["Null"]}}, "is read as no value"),
    *(
        (
            "partitions",
            {"named": {"column": "p", "values": [value]}},
            "write 1 to 64 of A-Z a-z 0-9",
        )
        for value in ("", "..", ".a", "a/b", "a b", "a|b", "가", "a" * 65, "a=b")
    ),
    ("partitions.daily.start", "2024-02-30", "there is no such day"),
    ("partitions.daily.start", "2024-1-1", "YYYY-MM-DD"),
    ("partitions.daily.end", "2024-01-01", "end must be after start"),
    ("partitions", {"monthly": {"start": "2024-01-15"}}, "2024-01-01"),
    ("schedule.cron", "0 6 * *", "has 4"),
    ("schedule.assets", [], "at least 1"),
    ("schedules", {"x": {"cron": "0 6 * * *"}}, "not both"),
    ("params.least.default", "0", "not of the parameter's type, int"),
    ("params.least.default", True, "not of the parameter's type, int"),
    ("params.least.type", "date", "not of the parameter's type, date"),
    ("params.Least", {"type": "int", "default": 0, "help": "x"}, "names match"),
    ("run.retries", 11, "less than or equal to 10"),
    ("run.retries", "2", "valid integer"),
    ("sources.sales.query", "SELECT 1", "either table or query"),
    ("sources.sales.table", ..., "either table or query"),
    ("sources.sales.columns", {}, "at least 1"),
    ("sources.sales.columns.day", "dat", "'dat' is not a type"),
    ("sources.sales.columns.day", "datetime", "'datetime' is not a type; use timestamp; allowed"),
    ("sources.sales.columns.day", "varchar(10)", "use string;"),
    ("sources.sales.columns.day", "INTEGER", "use int32;"),
    ("sources.sales.columns.day", "number", "use decimal(p,s);"),
    ("sources.sales.columns.day", "double", "use float64;"),
    ("sources.sales.columns.day", "String", "use string;"),
    ("sources.sales.columns.day", 5, "valid dictionary"),
    ("sources.sales.columns.Day", "date", "column names match"),
    ("sources.sales.columns.amount.type", "decimal(39,2)", "precision is 1 to 38"),
    ("sources.sales.columns.amount.nullable", "no", "valid boolean"),
    ("sources.sales.checks.fresh", "0d", "26h or 2d"),
    ("sources.sales.checks.rows", {}, "min, max or change"),
    ("sources.sales.checks.rows.max", 0, "max is smaller than min, 1"),
    ("sources.sales.checks.range.amount", {}, "min, max or both"),
    ("sources.sales.checks.range.amount.min", [1], "a number, or a date as text"),
    ("sources.sales.checks.accepted", {"amount": [[1]]}, "one text, number, true or false"),
    ("datasets.daily.inputs", [], "at least 1"),
    ("datasets.daily.inputs", "raw/sales", "valid list"),
    ("datasets.daily.inputs", {"a": {"asset": "raw/s", "from": -1, "to": -2}}, "to is before from"),
    ("datasets.daily.inputs", {"a": {"asset": "raw/s", "from": 1}}, "less than or equal to 0"),
    ("datasets.daily.inputs", ["sales"], "raw/<table>, prep/<dataset>"),
    ("datasets.daily.transform", "transform.py:f", "either sql or transform"),
    ("datasets.daily.sql", ..., "either sql or transform"),
    ("datasets.daily.colour", "red", "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("place", "value", "words"), REFUSED)
def test_what_is_refused(place: str, value: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PipelineSpec.model_validate(changed(place, value))
    assert words in str(caught.value)
    assert caught.value.error_count() == 1


def test_bounds_keep_64_bits() -> None:
    spec = PipelineSpec.model_validate(
        changed("sources.sales.checks.range.amount", {"max": 2**53 + 1})
    )
    assert spec.sources["sales"].checks.range["amount"].max == 2**53 + 1


# --- cron ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 6 * * * *", "has 6"),
        ("60 6 * * *", "minute '60': allowed are 0-59"),
        ("0 24 * * *", "hour '24': allowed are 0-23"),
        ("0 6 0 * *", "day of month '0'"),
        ("0 6 * 13 *", "month '13': allowed are 1-12 or jan-dec"),
        ("0 6 * * 8", "day of week '8': allowed are 0-7 or sun-sat"),
        ("0 6 L * *", "day of month 'L': allowed are 1-31"),
        ("0 6 * * 5#2", "L, W, # and ? are not"),
        ("*/0 * * * *", "a step is 1 to 59"),
        ("1/5 * * * *", "needs * or a range"),
        ("5-1 * * * *", "backwards"),
        ("0 6 31 2,4 *", "it never fires"),
        ("0,, 6 * * *", "minute ''"),
        ("@daily", "has 1"),
    ],
)
def test_bad_cron(cron: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_cron(cron)


def test_every_cron_that_is_allowed_is_one_for_dagster() -> None:
    from dagster._utils.schedules import is_valid_cron_string

    chance = random.Random(1)
    names = {3: ["jan", "DEC", "feb-apr"], 4: ["sun", "Fri", "mon-fri", "7", "5-7"]}
    ends = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]

    def field(place: int) -> str:
        low, high = ends[place]
        a, b = sorted(chance.randint(low, high) for _ in range(2))
        parts = ["*", str(a), f"{a}-{b}", f"{a},{b}", f"*/{max(b, 1)}", f"{low}-{high}/{max(a, 1)}"]
        return chance.choice([*parts, *names.get(place, [])])

    checked = 0
    for _ in range(3000):
        cron = " ".join(field(place) for place in range(5))
        try:
            check_cron(cron)
        except ValueError:
            continue
        assert is_valid_cron_string(cron), cron
        checked += 1
    assert checked > 2900


# --- the schema ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    found = jsonschema.Draft202012Validator(schema())
    found.check_schema(schema())
    return found


def shipped() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(SHIPPED.glob("*/pipeline.yaml"))]
    return [*texts, *skeleton("fresh").values()]


@pytest.mark.parametrize("text", shipped(), ids=lambda text: re.search("title: (.*)", text)[1])
def test_the_schema_knows_the_shipped_files(validator: Any, text: str, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    assert not [error.message for error in validator.iter_errors(YamlFile(path).data)]


#: What a schema can say; sums, dates that there are not and the like stay with the loader.
NOT_IN_SCHEMA = (
    "partition column of time", "read as no value",
    "to is before","end must be after", "no such day", "2024-01-01", "max is smaller", "not both",
                 "parameter's type", "precision is", "has 4", "min, max")  # fmt: skip


@pytest.mark.parametrize(("place", "value", "words"), REFUSED)
def test_the_schema_refuses_too(validator: Any, place: str, value: Any, words: str) -> None:
    refused = not validator.is_valid(changed(place, value))
    # True is not 1 in JSON Schema either.
    assert refused or any(part in words for part in NOT_IN_SCHEMA)


def test_the_schema_helps_editors() -> None:
    found = schema()
    assert found["$id"]
    assert found["$schema"].endswith("2020-12/schema")
    source = found["$defs"]["SourceSpec"]["properties"]
    assert "hana_bw" in source["connection"]["enum"]
    assert source["table"]["description"] == "its real name there, in any script"
    assert "schema" in source
    assert "schema_" not in source
