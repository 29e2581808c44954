"""Inputs that no pipeline file of a location makes: another location's, or an assets.py's.

Two locations are two folders built apart over one store and one history, as two entries of
`workspace.yaml` are. Not here: assets of one location reading each other (`test_builder.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml

from lake_assets.cli.run import history_of
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines, read_pipelines
from lake_assets.partition_spec import Daily, Monthly, Partitions
from lake_assets.partitions import input_keys
from lake_assets.pipeline import Elsewhere, assets, catalogue, elsewhere
from lake_assets.plan import Plan, plan, short
from lake_assets.spec.editor_schema import schema
from lake_assets.targets import Ask, targets
from lake_assets.validate import validate_folders
from resources.errors import UsageError
from resources.partition import Partition
from resources.settings import Settings, load_settings
from resources.store import open_store
from resources.yamlfile import Mistake, Mistakes
from tests.pipeline_files import changed, line_of, write

HEAD = """\
version: 1
title: {title}
description: 시험용
owner: team:{title}
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 매출]
"""

#: The first location's: ten rows a day, 35 days, so that the second month has four.
SALES = (
    HEAD.format(title="a")
    + """\
sources:
  sales:
    title: 매출
    connection: hana_bw
    table: sales
    partitions: {daily: {start: "2025-01-01", end: "2025-02-05"}}
    window: {column: day}
    columns: {id: int64, day: date, amount: "decimal(18,2)", extra: string}
    order_by: [id]
"""
)

#: The second location's, which reads it.
MONTH = (
    HEAD.format(title="b")
    + """\
elsewhere:
  raw/sales:
    title: 다른 팀의 매출
    partitions: {daily: {start: "2025-01-01", end: "2025-02-05"}}
    columns:
      id: int64
      day: date
      amount: {type: "decimal(18,2)", title: 금액}
datasets:
  month:
    title: 월 매출
    partitions: {monthly: {start: "2025-01-01", end: "2025-03-01"}}
    inputs: [raw/sales]
    sql: |
      SELECT count(*) AS n,
             CAST(sum(amount) AS DECIMAL(18,2)) AS amount, min(dt) AS first
      FROM sales
    columns: {n: int64, amount: "decimal(18,2)", first: date}
"""
)

DATASET = """\
  day:
    title: 하루
    partitions: {daily: {start: "2025-01-01", end: "2025-02-05"}}
    inputs: [raw/sales]
    transform: transform.py:day
    columns: {names: string, n: int64}
"""
TRANSFORM = """\
import polars as pl


def day(sales: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"names": [" ".join(sales.columns)], "n": [len(sales)]})
"""

RATES_DAYS = 'dg.DailyPartitionsDefinition("2024-06-01", timezone="Asia/Seoul")'
BY_HAND = f"""\
import dagster as dg
import polars as pl


@dg.asset(
    key=["prep", "rates"],
    partitions_def={RATES_DAYS},
)
def rates() -> pl.DataFrame:
    return pl.DataFrame(dict(region=["서울", "부산"], rate=[0.5, 0.25]))
"""
READS_IT = (
    HEAD.format(title="c")
    + """\
elsewhere:
  prep/rates:
    partitions: {daily: {start: "2025-01-01"}}
    columns: {region: string, rate: float64}
datasets:
  best_rate:
    title: 최고 비율
    partitions: {daily: {start: "2025-01-01"}}
    inputs: {r: prep/rates}
    sql: SELECT arg_max(region, rate) AS region, max(rate) AS rate FROM r
    columns: {region: string, rate: float64}
"""
)


LAKE = "from lake_assets.cli.main import main; main()"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("LAKE_ENV", "local")
    (tmp_path / "home" / "sources").mkdir(parents=True)
    with source(tmp_path) as engine:
        engine.execute(
            "CREATE TABLE sales AS SELECT i AS id, DATE '2025-01-01' + CAST(i // 10 AS INTEGER) "
            "AS day, CAST(i * 1.25 AS DECIMAL(18,2)) AS amount, 'x' AS extra FROM range(350) t(i)"
        )
    return load_settings("local")


def source(folder: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(folder / "home" / "sources" / "hana_bw.duckdb"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as found:
        yield found


def location(settings: Settings, folder: Path, **files: str) -> dg.Definitions:
    """The definitions of a folder; `month__transform="…"` is `month/transform.py`."""
    paths = {
        name.replace("__", "/") + (".py" if "__" in name else ""): text
        for name, text in files.items()
    }
    return build_definitions(settings, load_pipelines([write(folder, paths)]))


def run(
    defs: dg.Definitions, instance: dg.DagsterInstance, key: str, partition: str, to: str = ""
) -> dg.ExecuteInProcessResult:
    tags = {
        "dagster/asset_partition_range_start": partition,
        "dagster/asset_partition_range_end": to,
    }
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(key.split("/"))],
        partition_key=None if to else partition,
        tags=tags if to else {},
        raise_on_error=False,
    )


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, Any]:
    """What a failed run says, and its exit code."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    said = event.step_failure_data.user_failure_data
    assert said is not None
    return str(said.description), said.metadata["lake/exit_code"].value


def planned(
    settings: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, *selection: str
) -> Plan:
    graph = defs.resolve_asset_graph()
    wanted = targets(graph, Ask(selection, start="2025-01", end="2025-02"))
    return plan(graph, history_of(settings, instance, graph), wanted)


def told(found: Plan) -> list[str]:
    runs = [
        f"{key.to_user_string()} {short(step.partitions)}: {step.reasons[key]}"
        for wave in found.waves
        for step in wave
        for key in step.assets
    ]
    return runs + [
        f"{skip.asset.to_user_string()} {short(skip.partitions)}: {skip.kind}"
        f"{'' if skip.kind == 'up to date' else f', {skip.reason}'}"
        for skip in found.skipped
    ]


def test_a_month_of_another_locations_days(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    a = location(settings, tmp_path / "a", sales=SALES)
    b = location(settings, tmp_path / "b", month=MONTH)
    store = open_store(settings)

    # Not all of its days are there: the run says so, and a plan does not try.
    assert run(a, instance, "raw/sales", "2025-01-01", "2025-01-30").success
    description, code = failure(run(b, instance, "prep/month", "2025-01"))
    assert code == 75
    assert "1 of 31 partitions are not in the store" in description
    assert "raw/sales/dt=2025-01-31" in description
    missing = told(planned(settings, b, instance, "+prep/month"))
    assert missing[0] == (
        "prep/month 2025-01: not yet, input raw/sales 2025-01-31 is missing, "
        "which another location makes"
    )

    assert run(a, instance, "raw/sales", "2025-01-31", "2025-02-04").success
    assert told(planned(settings, b, instance, "+prep/month")) == [
        "prep/month 2025-01, 2025-02: missing"
    ]
    assert run(b, instance, "prep/month", "2025-01", "2025-02").success
    rows = store.read([Partition("prep", "month", "monthly", "2025-01")]).to_pylist()
    total = sum(i * 5 for i in range(310)) // 4
    assert [(row["n"], int(row["amount"]), row["first"]) for row in rows] == [
        (310, total, date(2025, 1, 1))
    ]
    assert told(planned(settings, b, instance, "+prep/month")) == [
        "prep/month 2025-01, 2025-02: up to date"
    ]

    # The other location makes one day anew: with equal content nothing is stale, else its month.
    assert run(a, instance, "raw/sales", "2025-02-03").success
    assert told(planned(settings, b, instance, "prep/month")) == [
        "prep/month 2025-01, 2025-02: up to date"
    ]
    with source(tmp_path) as engine:
        engine.execute("UPDATE sales SET amount = amount + 1 WHERE day = '2025-02-03'")
    assert run(a, instance, "raw/sales", "2025-02-03").success
    assert told(planned(settings, b, instance, "+prep/month")) == [
        "prep/month 2025-02: input raw/sales changed",
        "prep/month 2025-01: up to date",
    ]


def test_dagster_knows_it_once(settings: Settings, tmp_path: Path) -> None:
    again = MONTH.replace("month:\n    title", "month_again:\n    title")
    b = location(settings, tmp_path, month=MONTH, again=again)
    graph = b.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["raw", "sales"]))
    assert node.is_external
    assert node.group_name in ("month", "again")
    assert node.kinds == set()
    assert node.description == "다른 팀의 매출"
    assert node.partitions_def == dg.DailyPartitionsDefinition(
        "2025-01-01", end_date="2025-02-05", timezone="Asia/Seoul"
    )
    columns = {one.name: one for one in node.metadata["dagster/column_schema"].columns}
    assert list(columns) == ["id", "day", "amount"]
    assert columns["amount"].description == "금액"
    assert {key.to_user_string() for key in node.child_keys} == {"prep/month", "prep/month_again"}
    assert graph.get_parent_partition_keys_for_child(
        "2025-02", node.key, dg.AssetKey(["prep", "month"])
    ).partitions_subset.get_partition_keys() == [f"2025-02-{day:02}" for day in range(1, 5)]


def test_a_selection_of_it_alone_says_why_not(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    b = location(settings, tmp_path, month=MONTH)
    with pytest.raises(UsageError) as caught:
        planned(settings, b, instance, "raw/sales")
    assert str(caught.value) == (
        "raw/sales is made in another location and is only read; what is made from it: prep/month."
    )


def test_a_transform_gets_the_declared_columns(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    a = location(settings, tmp_path / "a", sales=SALES)
    b = location(settings, tmp_path / "b", month=MONTH + DATASET, month__transform=TRANSFORM)
    assert run(a, instance, "raw/sales", "2025-01-02").success
    assert run(b, instance, "prep/day", "2025-01-02").success
    table = open_store(settings).read([Partition("prep", "day", "daily", "2025-01-02")])
    assert table.select(["names", "n"]).to_pylist() == [{"names": "id day amount dt", "n": 10}]


@pytest.mark.parametrize("kind", ["sql", "transform"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("id: int64", "id: int32", "column 'id' is int64, declared int32"),
        ("day: date\n", "dag: date\n", "column 'dag' is missing (did you mean 'day'? allowed:"),
    ],
)
def test_what_is_not_as_declared_is_said(
    kind: str,
    old: str,
    new: str,
    words: str,
    settings: Settings,
    instance: dg.DagsterInstance,
    tmp_path: Path,
) -> None:
    a = location(settings, tmp_path / "a", sales=SALES)
    dataset = DATASET if kind == "transform" else DATASET.replace(
        "transform: transform.py:day", "sql: SELECT 'x' AS names, count(*) AS n FROM sales"
    )  # fmt: skip
    text = changed((old, new), text=MONTH) + dataset
    b = location(settings, tmp_path / "b", month=text, month__transform=TRANSFORM)
    assert run(a, instance, "raw/sales", "2025-01-02").success
    description, code = failure(run(b, instance, "prep/day", "2025-01-02"))
    assert code == 65
    assert words in description
    line = line_of(text, "  raw/sales:")
    assert f"month/pipeline.yaml:{line} declares it" in description
    assert description.startswith("prep/day: its input raw/sales/dt=2025-01-02 is not as ")


def test_sql_reads_what_is_written_by_hand(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    defs = location(settings, tmp_path, best=READS_IT, best__assets=BY_HAND)
    assert not defs.resolve_asset_graph().get(dg.AssetKey(["prep", "rates"])).is_external
    assert run(defs, instance, "prep/rates", "2025-01-02").success
    assert run(defs, instance, "prep/best_rate", "2025-01-02").success
    rows = open_store(settings).read([Partition("prep", "best_rate", "daily", "2025-01-02")])
    assert rows.select(["region", "rate"]).to_pylist() == [{"region": "서울", "rate": 0.5}]

    def stale() -> list[str]:
        found = told(planned(settings, defs, instance, "prep/best_rate"))
        return [line for line in found if "2025-01-02" in line.split(":")[0]]

    assert run(defs, instance, "prep/rates", "2025-01-02").success
    assert stale() == ["prep/best_rate 2025-01-02: up to date"]  # the same rows again
    more = BY_HAND.replace("0.25", "0.75")
    defs = location(settings, tmp_path, best__assets=more)
    assert run(defs, instance, "prep/rates", "2025-01-02").success
    assert stale() == ["prep/best_rate 2025-01-02: input prep/rates changed"]


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        ("dg.MonthlyPartitionsDefinition('2024-06', timezone='Asia/Seoul', fmt='%Y-%m')",
         "monthly, timezone='Asia/Seoul', fmt='%Y-%m'"),
        ("dg.DailyPartitionsDefinition('2024-06-01')", "daily, timezone='UTC', fmt='%Y-%m-%d'"),
        ("dg.StaticPartitionsDefinition(['a'])", "names, metadata lake/partition_column=None"),
        ("dg.WeeklyPartitionsDefinition('2024-06-02', timezone='Asia/Seoul')",
         "weekly, timezone='Asia/Seoul', fmt='%Y-%m-%d', day_offset=0"),
        ("dg.MultiPartitionsDefinition({'name': dg.StaticPartitionsDefinition(['a']),"
         " 'day': dg.DailyPartitionsDefinition('2024-06-01', timezone='Asia/Seoul')})",
         "day: daily, timezone='Asia/Seoul', fmt='%Y-%m-%d' × "
         "name: names, metadata lake/partition_column=None"),
        ("None", "none"),
    ],
)  # fmt: skip
def test_partitions_by_hand_are_written_alike(
    theirs: str, shown: str, settings: Settings, tmp_path: Path
) -> None:
    by_hand = BY_HAND.replace(RATES_DAYS, theirs)
    with pytest.raises(Mistakes) as caught:
        location(settings, tmp_path, best=READS_IT, best__assets=by_hand)
    (mistake,) = caught.value.mistakes
    assert mistake.line == line_of(READS_IT[: READS_IT.index("datasets:")], "    partitions:")
    assert mistake.what == f"prep/rates: the assets.py that makes it has other partitions: {shown}"
    assert mistake.cure.endswith("is there daily, timezone='Asia/Seoul', fmt='%Y-%m-%d'")


# --- what is wrong is told -----------------------------------------------------------------------


def wrong(folder: Path, **files: str) -> list[Mistake]:
    return validate_folders([write(folder, files)], load_settings("local"))


def test_the_files_of_these_tests_are_right(tmp_path: Path) -> None:
    for name, text in (("a", SALES), ("b", MONTH), ("c", READS_IT)):
        assert wrong(tmp_path / name, one=text) == []


def test_the_schema_knows_it() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())
    assert validator.is_valid(yaml.safe_load(MONTH))
    for change in (
        ("  raw/sales:", "  sales:"),
        ("    title: 다른", "    owner: a\n    title: 다른"),
    ):
        assert not validator.is_valid(yaml.safe_load(changed(change, text=MONTH)))


SPAN = '    partitions: {daily: {start: "2025-01-01", end: "2025-02-05"}}\n'
COLUMN = "      day: date\n"
# Each: what is changed in the file, words of the line, what is told, words of the cure.
CASES: dict[str, tuple[list[tuple[str, str]], str, str, str]] = {
    "key": ([("  raw/sales:", "  sales:")], "  sales:", "write an asset as raw/<table>", ""),
    "no columns": (
        [('    columns:\n      id: int64\n      day: date\n'
          '      amount: {type: "decimal(18,2)", title: 금액}\n', "")],
        "raw/sales:\n", "the key 'columns' is missing", "",
    ),
    "unknown key": ([("    title: 다른", "    owner: a@b.kr\n    title: 다른")], "owner: a@b",
                    "unknown key", "allowed: columns, partitions, title"),
    "type": ([("id: int64", "id: int46")], "id: int46", "'int46' is not a type", ""),
    "partition column": ([(COLUMN, COLUMN + "      dt: date\n")], "      dt: date",
                         "dt is the partition column", "another name"),
    "span": (
        [(SPAN + "    columns:\n      id", '    partitions: {daily: {start: "1925-01-01"}}\n'
          "    columns:\n      id")],
        "1925-01-01", "partitions from 1925-01-01", "at most 25,000",
    ),
    "not read": ([("inputs: [raw/sales]", "inputs: {sales: prep/month}")], "raw/sales:\n",
                 "no dataset of this file has it among its inputs", "take it out"),
    "nearest": ([("inputs: [raw/sales]", "inputs: {sales: raw/sale, s: raw/sales}")],
                "inputs:", "there is no asset 'raw/sale'", "did you mean 'raw/sales'"),
    "a day of a month": (
        [(SPAN + "    columns:\n      id",
          '    partitions: {monthly: {start: "2025-01-01"}}\n    columns:\n      id'),
         ('{monthly: {start: "2025-01-01", end: "2025-03-01"}}', '{daily: {start: "2025-01-01"}}'),
         ("min(dt) AS first", "current_date AS first")],
        "inputs:", "a day cannot be made of the month raw/sales", "monthly",
    ),
    "range": ([("    sql: |", "    range: true\n    sql: |")], "range: true",
              "range: true needs a monthly input", "take it out"),
    "column of SQL": ([("sum(amount)", "sum(amout)")], "sum(", "no column 'amout'", "'amount'"),
    "a column it has": ([("sum(amount)", "sum(extra)")], "sum(", "no column 'extra'", "amount"),
    "type of SQL": ([("min(dt) AS first", "min(id) AS first")], "    columns: {n: int64",
                    "gives 'first' as int64, declared is date", "CAST"),
    "former": ([("    title: 월 매출\n", "    title: 월 매출\n    formerly: [raw/sales]\n")],
               "formerly:", "is the key of an asset that there is", "free"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_at_its_line(name: str, tmp_path: Path) -> None:
    changes, words, what, cure = CASES[name]
    text = changed(*changes, text=MONTH)
    found = [one for one in wrong(tmp_path, month=text) if what in one.what]
    assert [one.line for one in found] == [line_of(text, words.strip("\n"))], wrong(
        tmp_path, month=text
    )
    assert cure in found[0].cure


def test_what_a_location_makes_is_not_elsewhere(tmp_path: Path) -> None:
    places = {"a": line_of(SALES, "  sales:"), "b": line_of(MONTH, "  raw/sales:")}
    found = wrong(tmp_path / "1", a=SALES, b=MONTH)
    assert {Path(one.file).parent.name: one.line for one in found} == places
    first, second = found
    assert f"b/pipeline.yaml:{places['b']} declares it under `elsewhere`" in first.what
    assert f"is made in this location, in {first.file}:{places['a']}" in second.what

    # A file that cannot be read as a record still says what it makes.
    broken = changed(("owner: team:a\n", ""), text=SALES)
    _, mistakes = read_pipelines([write(tmp_path / "2", {"a": broken, "b": MONTH})])
    assert [one.what for one in mistakes if "/b/" in one.file] == [
        "raw/sales: is made in this location, in a file that has mistakes"
    ]


def test_a_broken_file_tells_what_it_reads_from_elsewhere(tmp_path: Path) -> None:
    """What it declares serves other files: their inputs are not told to be missing."""
    broken = changed(("owner: team:b\n", ""), text=MONTH)
    start, end = MONTH.index("elsewhere:"), MONTH.index("datasets:")
    other = MONTH[:start] + MONTH[end:].replace("  month:", "  other:")
    found = wrong(tmp_path, broken=broken, other=other)
    assert {Path(one.file).parent.name for one in found} == {"broken"}
    assert wrong(tmp_path, broken=MONTH) == []


@pytest.mark.parametrize(
    ("old", "new", "words", "part"),
    [
        ("      day: date\n", "", "    columns:\n", "columns"),
        ("id: int64\n", "id: int32\n", "    columns:\n", "columns"),
        (SPAN + "    columns:", SPAN.replace("2025-01-01", "2024-01-01") + "    columns:", SPAN,
         "partitions"),
    ],
)  # fmt: skip
def test_two_files_declare_alike(old: str, new: str, words: str, part: str, tmp_path: Path) -> None:
    second = MONTH.replace("  month:", "  second:")
    assert wrong(tmp_path, a=MONTH, b=second) == []
    pipelines = load_pipelines([tmp_path])
    assert [one.key for pipeline in pipelines for one in elsewhere(pipeline)] == ["raw/sales"] * 2
    assert sorted(catalogue(pipelines)) == ["prep/month", "prep/second", "raw/sales"]
    assert isinstance(catalogue(pipelines)["raw/sales"], Elsewhere)
    assert [one.key for one in assets(pipelines[0])] == ["prep/month"]

    found = wrong(tmp_path, b=changed((old, new), text=second))
    line = MONTH[: MONTH.index(words)].count("\n") + 1
    assert [(Path(one.file).parent.name, one.line) for one in found] == [("a", line), ("b", line)]
    assert f"its {part} are not those that {found[1].file}:" in found[0].what


@pytest.mark.parametrize(
    ("upstream", "existing", "read"),
    [
        (Partitions(daily=Daily(start="2025-01-02")),
         ("2025-01-01", "2025-01-02", "2025-01", ""), ["2025-01-02"]),
        (Partitions(daily=Daily(start="2025-01-01", end="2025-01-02")),
         ("2025-01-02", "2025-01-01"), ["2025-01-01"]),
        (Partitions(monthly=Monthly(start="2025-02-01", end="2025-04-01")),
         ("2025-04", "2025-03", "2025-02", "2025-01"), ["2025-02", "2025-03"]),
    ],
)  # fmt: skip
def test_all_there_is_means_what_is_declared(
    upstream: Partitions, existing: tuple[str, ...], read: list[str]
) -> None:
    assert input_keys(None, "", upstream, existing) == read


def test_lake_run_takes_it_as_it_is(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path / "a", {"sales": SALES})
    write(tmp_path / "b", {"month": MONTH})

    def lake(folder: str, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", LAKE, "run", *words, "--json"],
            env={**os.environ, "LAKE_PIPELINES": str(tmp_path / folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 75), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    month = ("+prep/month", "--from", "2025-01", "--to", "2025-01")
    (skipped,) = lake("b", *month)["skipped"]
    assert (skipped["kind"], skipped["partitions"]) == ("not yet", ["2025-01"])
    assert "input raw/sales" in skipped["reason"]
    assert lake("a", "raw/sales", "--from", "2025-01", "--to", "2025-01")["ok"]
    (made,) = lake("b", *month)["made"]
    assert (made["asset"], made["partitions"]) == ("prep/month", ["2025-01"])
    (skipped,) = lake("b", *month)["skipped"]
    assert skipped["kind"] == "up to date"
