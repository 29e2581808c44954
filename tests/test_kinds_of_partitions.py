"""Hours, weeks, names and days with names from a source to datasets, run as `lake run` does.

Here: right keys, right rows, what is skipped and forced, and gates that keep one of several names,
on a DuckDB file and on a real PostgreSQL. Not here: keys and mappings alone (`test_partitions.py`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner

import lake_assets
import lake_assets.execute as execute
from lake_assets.cli.main import cli
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines
from lake_assets.validate import validate_folders
from resources.errors import UsageError
from resources.partition import Partition
from resources.settings import load_settings
from resources.store import open_store
from tests.servers.environment import write_pg_environment
from tests.servers.postgres import PostgresServer

HEAD = """
version: 1
title: {name}
description: 시험
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 시험]
"""

SOURCE = """
    title: 원본
    connection: hana_bw
    schema: SAPBW
    table: /BIC/EVENTS
    order_by: [id]
    sums: [amount]
    columns:
      id: {type: int64, source: ID, nullable: false}
      seen: {type: timestamp, source: AT}
      day: {type: date, source: DAY}
      calday: {type: string, source: CALDAY}
      plant: {type: string, source: 플랜트}
      amount: {type: "decimal(18,2)", source: BETRAG}
    gates: {unique: [id], range: {amount: {min: 0}}}
    checks: {rows: {change: 1000}}
"""

HOURS = f"""{HEAD.format(name="시간별")}
partitions: {{hourly: {{start: "2024-12-30", end: "2025-01-02"}}}}
schedule: {{cron: "5 * * * *"}}
sources:
  hours:{SOURCE}
    window: {{column: seen}}
datasets:
  per_hour:
    title: 시간 집계
    inputs: [raw/hours]
    sql: SELECT hr, count(*) AS n, min(seen) AS first FROM hours GROUP BY hr
    range: true
    columns: {{n: int64, first: timestamp}}
  words:
    title: 한 시간
    inputs: [raw/hours]
    sql: |
      SELECT $partition AS key, CAST($partition_start AS TIMESTAMP) AS start,
             CAST($partition_end AS TIMESTAMP) AS until, count(*) AS n
      FROM hours WHERE seen >= $partition_start AND seen < $partition_end
    columns: {{key: string, start: timestamp, until: timestamp, n: int64}}
"""

OF_HOURS = f"""{HEAD.format(name="시간에서")}
datasets:
  day_of_hours:
    title: 하루
    partitions: {{daily: {{start: "2024-12-30", end: "2025-01-02"}}}}
    inputs: [raw/hours]
    sql: SELECT count(*) AS n, min(hr) AS first, max(hr) AS last FROM hours
    columns: {{n: int64, first: string, last: string}}
"""

WEEKS = f"""{HEAD.format(name="주별")}
partitions: {{weekly: {{start: "2024-12-23", end: "2025-01-13"}}}}
sources:
  weeks:{SOURCE}
    window: {{column: calday}}
datasets:
  per_week:
    title: 주 집계
    inputs: [raw/weeks]
    sql: SELECT wk, count(*) AS n, max(day) AS last FROM weeks GROUP BY wk
    range: true
    columns: {{n: int64, last: date}}
  week_of_days:
    title: 날에서
    partitions: {{weekly: {{start: "2024-12-30", end: "2025-01-13"}}}}
    inputs: {{d: raw/days, before: {{asset: raw/weeks, from: -1, to: -1}}}}
    sql: |
      SELECT count(*) AS n, min(dt) AS first, max(dt) AS last,
             (SELECT count(*) FROM before) AS before FROM d
    columns: {{n: int64, first: date, last: date, before: int64}}
"""

DAYS = f"""{HEAD.format(name="일별")}
partitions: {{daily: {{start: "2024-12-23", end: "2025-01-13"}}}}
sources:
  days:{SOURCE}
    window: {{column: day}}
"""

NAMES = f"""{HEAD.format(name="이름별")}
partitions: {{named: {{column: plant_code, values: [P300, P100, P200]}}}}
sources:
  plants:{SOURCE}
    window: {{name: plant}}
datasets:
  per_plant:
    title: 플랜트 집계
    inputs: [raw/plants]
    sql: |
      SELECT $partition_name AS name, min(plant_code) AS code, min(plant) AS plant,
             count(*) AS n FROM plants
    columns: {{name: string, code: string, plant: string, n: int64}}
  all_plants:
    title: 전체
    partitions: none
    inputs: [raw/plants]
    sql: SELECT plant_code, count(*) AS n FROM plants GROUP BY plant_code
    columns: {{n: int64, plant: string}}
""".replace("SELECT plant_code, count", "SELECT plant_code AS plant, count")

BOTH = f"""{HEAD.format(name="일별 이름별")}
partitions:
  daily: {{start: "2025-01-01", end: "2025-01-06"}}
  named: {{column: plant_code, values: [P100, P200, P300]}}
schedule: {{cron: "0 6 * * *"}}
sources:
  plant_days:{SOURCE}
    window: {{column: calday, name: plant}}
datasets:
  mixed:
    title: 섞은 것
    inputs: [raw/plant_days, raw/days, raw/plants]
    sql: |
      SELECT (SELECT count(*) FROM plant_days) AS mine, (SELECT count(*) FROM days) AS day,
             (SELECT count(*) FROM plants) AS plant, $partition_name AS name,
             $partition_start AS start, (SELECT min(dt) FROM days) AS first
    columns: {{mine: int64, day: int64, plant: int64, name: string, start: date, first: date}}
    order_by: [name]
"""

OF_BOTH = f"""{HEAD.format(name="일별 이름별에서")}
datasets:
  day_of_plants:
    title: 모든 플랜트의 하루
    partitions: {{daily: {{start: "2025-01-01", end: "2025-01-06"}}}}
    inputs: [raw/plant_days]
    transform: transform.py:plants
    columns: {{plant: string, n: int64}}
"""

TRANSFORM = """
import polars as pl

def plants(plant_days: pl.DataFrame, partition: str) -> pl.DataFrame:
    assert plant_days["dt"].unique().cast(pl.String).to_list() == [partition]
    counted = plant_days.group_by("plant_code").agg(pl.len().cast(pl.Int64).alias("n"))
    return counted.rename({"plant_code": "plant"}).sort("plant")
"""

FILES = {"hours": HOURS, "of_hours": OF_HOURS, "weeks": WEEKS, "days": DAYS}
FILES |= {"names": NAMES, "both": BOTH, "of_both": OF_BOTH}
PLANTS = ("P100", "P200", "P300")

Row = tuple[int, datetime, str | None, Decimal]


def rows() -> list[Row]:
    """Three weeks around New Year, 7 rows in 5 hours; some of another plant, some of none."""
    plants = [*PLANTS, "P900", None, "P100"]
    start = datetime(2024, 12, 23)
    return [
        (i, start + timedelta(minutes=43 * i), plants[i % 6], Decimal(i % 90) / 4)
        for i in range(21 * 24 * 60 // 43 + 1)
        if start + timedelta(minutes=43 * i) < datetime(2025, 1, 13)
    ]


ROWS = rows()
_TYPES = '("ID" BIGINT NOT NULL, "AT" TIMESTAMP NOT NULL, "DAY" DATE NOT NULL, '
_TYPES += '"CALDAY" VARCHAR(8) NOT NULL, "플랜트" VARCHAR(4), "BETRAG" DECIMAL(18,2))'
_TABLE = 'SAPBW."/BIC/EVENTS"'
_INSERT = f"INSERT INTO {_TABLE} VALUES ({{0}}, {{0}}, {{0}}, {{0}}, {{0}}, {{0}})"


def _values(row: Row) -> tuple[Any, ...]:
    number, at, plant, amount = row
    return number, at, at.date(), f"{at:%Y%m%d}", plant, amount


class Lake:
    """A lake of the files above: `run` is the command, `change` a statement in the source."""

    def __init__(self, change: Callable[[str], None]) -> None:
        self.change = change

    def run(self, *words: str) -> dict[str, Any]:
        done = CliRunner().invoke(cli, ["run", *words, "--json"])
        assert done.stdout, (done.exception, done.output)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def made(self, *words: str) -> dict[str, list[str]]:
        found = self.run(*words)
        assert found["ok"], found["failed"]
        return {one["asset"]: one["partitions"] for one in found["made"]}

    def read(self, asset: str, **words: Any) -> list[dict[str, Any]]:
        return lake_assets.read(asset, as_="arrow", **words).to_pylist()  # type: ignore[no-any-return]

    def ids(self, asset: str, column: str) -> dict[Any, list[int]]:
        found: dict[Any, list[int]] = defaultdict(list)
        for row in self.read(asset):
            found[row[column]].append(row["id"])
        return dict(found)


def _duckdb(folder: Path) -> Callable[[str], None]:
    path = folder / "home" / "sources" / "hana_bw.duckdb"
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as source:
        source.execute(f"CREATE SCHEMA SAPBW; CREATE TABLE {_TABLE} {_TYPES}")
        source.executemany(_INSERT.format("?"), [_values(row) for row in ROWS])

    def change(statement: str) -> None:
        with duckdb.connect(str(path)) as source:
            source.execute(statement)

    return change


def _postgres(server: PostgresServer, folder: Path) -> Callable[[str], None]:
    database = server.create_database("kinds")

    def change(statement: str, values: Any = None) -> None:
        with server.connect(database) as connection, connection.cursor() as cursor:
            if values:
                cursor.executemany(statement, values)
            else:
                cursor.execute(statement)

    change(
        f'CREATE SCHEMA "SAPBW"; SET search_path TO "SAPBW"; CREATE TABLE "/BIC/EVENTS" {_TYPES}'
    )
    change(_INSERT.format("%s").replace("SAPBW.", '"SAPBW".'), [_values(row) for row in ROWS])
    write_pg_environment(folder / "environments", server.port, database, server.user)
    return lambda statement: change(statement.replace("SAPBW.", '"SAPBW".'))


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.server)])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("LAKE_ENV", "local")
    if request.param == "postgres":
        change = _postgres(request.getfixturevalue("postgres_server"), tmp_path)
        monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path / "environments"))
        monkeypatch.setenv("LAKE_ENV", "pg")
    else:
        change = _duckdb(tmp_path)
    folder = write_files(tmp_path / "pipelines")
    monkeypatch.setenv("LAKE_PIPELINES", str(folder))
    definitions = build_definitions(load_settings(), load_pipelines([folder]))
    repository = definitions.get_repository_def()

    class Here(execute.Location):
        def load(self) -> Any:
            return repository

    monkeypatch.setattr(execute, "Location", Here)
    return Lake(change)


def write_files(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "pipeline.yaml").write_text(text, encoding="utf-8")
    (folder / "of_both" / "transform.py").write_text(TRANSFORM, encoding="utf-8")
    return folder


def expected(key: Callable[[Row], Any], keep: Callable[[Row], bool]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = defaultdict(list)
    for row in ROWS:
        if keep(row):
            found[key(row)].append(row[0])
    return dict(found)


def test_the_files_have_no_mistake(tmp_path: Path) -> None:
    assert validate_folders([write_files(tmp_path)]) == []


def test_hours(lake: Lake) -> None:
    def inside(row: Row) -> bool:
        return datetime(2024, 12, 30) <= row[1] < datetime(2025, 1, 2)

    made = lake.made("+prep/day_of_hours", "prep/per_hour")
    keys = [f"{date(2024, 12, 30) + timedelta(n // 24)}-{n % 24:02}" for n in range(72)]
    assert made == {
        "raw/hours": keys,
        "prep/per_hour": keys,
        "prep/day_of_hours": ["2024-12-30", "2024-12-31", "2025-01-01"],
    }
    by_hour = expected(lambda row: f"{row[1]:%Y-%m-%d-%H}", inside)
    assert len(by_hour) == 72
    assert lake.ids("raw/hours", "hr") == by_hour
    per_hour = {row["hr"]: (row["n"], row["first"]) for row in lake.read("prep/per_hour")}
    at = {row[0]: row[1] for row in ROWS}
    assert per_hour == {hr: (len(ids), at[ids[0]]) for hr, ids in by_hour.items()}
    days = lake.read("prep/day_of_hours")
    assert [(row["n"], row["first"], row["last"]) for row in days] == [
        (
            sum(len(ids) for hr, ids in by_hour.items() if hr.startswith(day)),
            f"{day}-00",
            f"{day}-23",
        )
        for day in ("2024-12-30", "2024-12-31", "2025-01-01")
    ]
    # A range says days and takes their hours; what is up to date is skipped, one named always runs.
    again = lake.run("raw/hours", "--from", "2024-12-31", "--to", "2024-12-31")
    assert (again["runs"], again["skipped"][0]["partitions"]) == ([], keys[24:48])
    assert lake.made("prep/words", "--partition", "2024-12-31-23") == {
        "prep/words": ["2024-12-31-23"]
    }
    assert lake.read("prep/words") == [
        {
            "key": "2024-12-31-23",
            "start": datetime(2024, 12, 31, 23),
            "until": datetime(2025, 1, 1),
            "n": len(by_hour["2024-12-31-23"]),
            "hr": "2024-12-31-23",
        }
    ]
    hours = lake.read("raw/hours", start="2024-12-31", end="2024-12-31", columns="hr")
    assert {row["hr"] for row in hours} == set(keys[24:48])
    assert len(lake.read("raw/hours", start="2024-12-31-22", end="2025-01-01-00")) == sum(
        len(by_hour[hr]) for hr in ("2024-12-31-22", "2024-12-31-23", "2025-01-01-00")
    )
    one = lake.read("raw/hours", partition=datetime(2025, 1, 1, 7, 30))
    assert [row["id"] for row in one] == by_hour["2025-01-01-07"]


def test_weeks(lake: Lake) -> None:
    weeks = ["2024-12-23", "2024-12-30", "2025-01-06"]
    days = [str(date(2024, 12, 23) + timedelta(n)) for n in range(21)]
    made = lake.made("+prep/week_of_days", "prep/per_week", "--from", "2024-12", "--to", "2025-01")
    assert made["raw/weeks"] == made["prep/per_week"] == weeks
    assert made["raw/days"] == days
    assert made["prep/week_of_days"] == weeks[1:]
    by_week = expected(lambda row: "{}-W{:02}".format(*row[1].isocalendar()[:2]), lambda row: True)
    assert list(by_week) == ["2024-W52", "2025-W01", "2025-W02"]
    assert lake.ids("raw/weeks", "wk") == by_week
    assert [(row["wk"], row["n"], row["last"]) for row in lake.read("prep/per_week")] == [
        (wk, len(ids), date.fromisoformat(week) + timedelta(6))
        for (wk, ids), week in zip(by_week.items(), weeks, strict=True)
    ]
    counts = list(map(len, by_week.values()))
    assert lake.read("prep/week_of_days") == [
        {
            "n": counts[n],
            "first": date.fromisoformat(weeks[n]),
            "last": date.fromisoformat(weeks[n]) + timedelta(6),
            "before": counts[n - 1],
            "wk": list(by_week)[n],
        }
        for n in (1, 2)
    ]
    again = lake.run("raw/weeks", "--from", "2024-12-24", "--to", "2025-01-11")
    assert (again["runs"], again["skipped"][0]["partitions"]) == ([], ["2024-12-30"])
    assert lake.made("raw/weeks", "--partition", "2024-12-30") == {"raw/weeks": ["2024-12-30"]}
    for words in ({"partition": "2024-12-30"}, {"start": "2025-01-01", "end": "2025-01-01"}):
        assert {row["wk"] for row in lake.read("raw/weeks", **words)} == {"2025-W01"}
    with pytest.raises(UsageError, match="the key of its week is 2024-12-30"):
        lake.read("raw/weeks", partition="2025-01-01")


def test_names(lake: Lake) -> None:
    made = lake.made("+prep/per_plant", "prep/all_plants")
    assert made == {
        "raw/plants": list(PLANTS),
        "prep/per_plant": list(PLANTS),
        "prep/all_plants": [],
    }
    by_plant = expected(lambda row: row[2], lambda row: row[2] in PLANTS)
    assert lake.ids("raw/plants", "plant_code") == by_plant
    assert sorted(lake.read("prep/per_plant"), key=lambda row: row["name"]) == [
        {"name": p, "code": p, "plant": p, "n": len(by_plant[p]), "plant_code": p} for p in PLANTS
    ]
    counted = {row["plant"]: row["n"] for row in lake.read("prep/all_plants")}
    assert counted == {plant: len(ids) for plant, ids in by_plant.items()}
    again = lake.run("raw/plants")
    assert (again["runs"], again["skipped"][0]["partitions"]) == ([], list(PLANTS))
    assert lake.made("raw/plants", "--partition", "P200") == {"raw/plants": ["P200"]}
    assert {row["plant_code"] for row in lake.read("raw/plants", partition="P200")} == {"P200"}

    # A key twice in P200 keeps its old file; the others are published.
    before = lake.ids("raw/plants", "plant_code")
    lake.change(f'INSERT INTO {_TABLE} SELECT * FROM {_TABLE} WHERE "ID" = 1')
    lake.change(f'DELETE FROM {_TABLE} WHERE "ID" IN (0, 2)')
    found = lake.run("raw/plants", "--force")
    assert found["exit_code"] == 65
    assert found["made"][0]["partitions"] == ["P100", "P300"]
    assert "gates failed in 1 of 3 partitions" in found["failed"][0]["reason"]
    assert "P200: unique(id)" in found["failed"][0]["reason"]
    after = lake.ids("raw/plants", "plant_code")
    assert after["P200"] == before["P200"]
    assert after["P100"] == before["P100"][1:]
    assert after["P300"] == before["P300"][1:]


def test_days_with_names(lake: Lake) -> None:
    days = [f"2025-01-0{n}" for n in range(1, 6)]
    made = lake.made(
        "+prep/mixed", "prep/day_of_plants", "--from", "2025-01-01", "--to", "2025-01-05"
    )
    both = {f"{day}|{plant}" for day in days for plant in PLANTS}
    assert set(made["raw/plant_days"]) == set(made["prep/mixed"]) == both
    assert made["prep/day_of_plants"] == made["raw/days"] == days
    assert made["raw/plants"] == list(PLANTS)
    by_both = expected(
        lambda row: (row[1].date(), row[2]),
        lambda row: row[2] in PLANTS and date(2025, 1, 1) <= row[1].date() <= date(2025, 1, 5),
    )
    found: dict[Any, list[int]] = defaultdict(list)
    for row in lake.read("raw/plant_days"):
        assert row["plant"] == row["plant_code"]
        found[row["dt"], row["plant_code"]].append(row["id"])
    assert found == by_both
    of_day = expected(lambda row: row[1].date(), lambda row: True)
    of_plant = expected(lambda row: row[2], lambda row: True)
    for row in lake.read("prep/mixed"):
        day, plant = row["dt"], row["plant_code"]
        assert row == {
            "mine": len(by_both[day, plant]),
            "day": len(of_day[day]),
            "plant": len(of_plant[plant]),
            "name": plant,
            "start": day,
            "first": day,
            "dt": day,
            "plant_code": plant,
        }
    for row in lake.read("prep/day_of_plants"):
        assert row["n"] == len(by_both[row["dt"], row["plant"]])
    assert len(lake.read("prep/day_of_plants")) == 15

    # Skipped again, one alone when it is named; a range of a day has all its names.
    again = lake.run("raw/plant_days", "--from", "2025-01-02")
    assert (again["runs"], len(again["skipped"][0]["partitions"])) == ([], 12)
    assert lake.made("raw/plant_days", "--partition", "2025-01-02|P300") == {
        "raw/plant_days": ["2025-01-02|P300"]
    }
    forced = lake.run("raw/plant_days", "--from", "2025-01-02", "--to", "2025-01-02", "--force")
    assert [one["partitions"] for one in forced["runs"]] == [
        [f"2025-01-02|{plant}" for plant in PLANTS]
    ]
    read = lake.read("raw/plant_days", partition="2025-01-02|P300")
    assert [row["id"] for row in read] == by_both[date(2025, 1, 2), "P300"]
    read = lake.read("raw/plant_days", partition=date(2025, 1, 2))
    assert {row["plant_code"] for row in read} == set(PLANTS)
    assert len(lake.read("raw/plant_days", start="2025-01-04")) == sum(
        len(ids) for (day, _), ids in by_both.items() if day >= date(2025, 1, 4)
    )

    # One bad day of one name keeps its old file, and what is made of it stays as well.
    bad = by_both[date(2025, 1, 3), "P200"][0]
    lake.change(f'UPDATE {_TABLE} SET "BETRAG" = -1 WHERE "ID" = {bad}')
    lost = by_both[date(2025, 1, 3), "P100"][0]
    lake.change(f'DELETE FROM {_TABLE} WHERE "ID" = {lost}')
    done = lake.run("raw/plant_days", "--from", "2025-01-03", "--to", "2025-01-03", "--force")
    assert done["exit_code"] == 65
    assert done["made"][0]["partitions"] == ["2025-01-03|P100", "2025-01-03|P300"]
    assert "2025-01-03|P200: range(amount)" in done["failed"][0]["reason"]
    rows = lake.read("raw/plant_days", partition="2025-01-03|P200")
    assert [row["id"] for row in rows] == by_both[date(2025, 1, 3), "P200"]
    assert {row["amount"] >= 0 for row in rows} == {True}
    rows = lake.read("raw/plant_days", partition="2025-01-03|P100")
    assert [row["id"] for row in rows] == by_both[date(2025, 1, 3), "P100"][1:]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("raw/hours", "--partition", "2025-01-01"), "the hours of a day are --from 2025-01-01"),
        (("raw/hours", "--partition", "2025-01"), "the hours of a month are --from 2025-01 --to"),
        (("raw/hours", "--partition", "9"), "write an hour as YYYY-MM-DD-HH"),
        (("raw/hours", "--partition", "2026-01-01-00"), "it is outside: there is 2024-12-30-00 …"),
        (("raw/weeks", "--partition", "2025-01-01"), "the key of its week is 2024-12-30"),
        (("raw/weeks", "--partition", "2025-W01"), "write a week as its Monday, YYYY-MM-DD"),
        (("raw/weeks", "--partition", "2025-01"), "the weeks of a month are --from 2025-01"),
        (("raw/plants", "--partition", "P10"), "did you mean 'P100'"),
        (("raw/plants", "--from", "2025-01"), "raw/plants is not partitioned by time"),
        (("raw/plant_days", "--partition", "2025-01-02"), "write both parts, 2025-01-05|P300"),
        (
            ("raw/plant_days", "--partition", "2025-01-02|P9"),
            "no partition '2025-01-02|P9'; there is",
        ),
        (
            ("raw/plant_days", "--from", "2025-02"),
            "No partition lies in 2025-02 to …; raw/plant_days: there",
        ),
        (
            ("raw/weeks", "raw/days", "--from", "2025-01-01", "--to", "2025-01-03", "--dry-run"),
            "no whole week in the range",
        ),
    ],
)
@pytest.mark.parametrize("lake", ["duckdb"], indirect=True)
def test_errors_teach_with_the_kinds_own_words(
    lake: Lake, words: tuple[str, ...], says: str
) -> None:
    done = CliRunner().invoke(cli, ["run", *words])
    assert says in " ".join(done.output.split()), done.output


@pytest.mark.parametrize("lake", ["duckdb"], indirect=True)
def test_other_commands_know_them(lake: Lake) -> None:
    lake.made("raw/plant_days", "--partition", "2025-01-02|P300")
    lake.made("raw/weeks", "--partition", "2024-12-30")
    (one,) = open_store(load_settings()).partitions("raw", "plant_days")
    assert one.path == "raw/plant_days/dt=2025-01-02/plant_code=P300"
    plan = CliRunner().invoke(cli, ["run", "raw/weeks", "raw/plant_days", "--dry-run"])
    lines = [" ".join(line.split()[1:-1]) for line in plan.output.splitlines()]
    assert [line for line in lines if "…" in line or "-" in line][:6] == [
        # Each name of each day between the first and the last: what one run can be told.
        "raw/plant_days 2025-01-01|P100 … 2025-01-05|P200 (10)",
        "raw/plant_days 2025-01-01|P300",
        "raw/plant_days 2025-01-03|P300 … 2025-01-05|P300 (3)",
        "raw/weeks 2024-12-23",
        "raw/weeks 2025-01-06",
        "2025-01-02|P300 up to date since " + plan.output.split("since ")[1].split()[0],
    ]
    for asset, key, shown in (
        ("raw/weeks", "2024-12-30", "raw/weeks/wk=2025-W01"),
        ("raw/plant_days", "2025-01-02|P300", one.path),
    ):
        done = CliRunner().invoke(cli, ["peek", asset, "--partition", key, "--rows", "1", "--json"])
        found = json.loads(done.stdout)
        assert found["from"] == shown
        assert len(found["rows"]) == 1
    listed = json.loads(CliRunner().invoke(cli, ["list", "--assets", "--json"]).stdout)["assets"]
    kinds = {row["key"]: row["partitions"] for row in listed}
    assert kinds["raw/plants"] == "3 names of plant_code"
    assert kinds["raw/weeks"] == "weekly from 2024-12-23 to 2025-01-13"
    assert kinds["raw/plant_days"] == "daily from 2025-01-01 to 2025-01-06, 3 names of plant_code"


@pytest.mark.parametrize("lake", ["duckdb"], indirect=True)
def test_what_is_left_of_another_kind_is_not_read(lake: Lake) -> None:
    """Mondays as days, from before an asset became weekly; a name that was taken off the list."""
    store = open_store(load_settings())
    lake.made("raw/plants")
    lake.made("raw/weeks", "--partition", "2024-12-23")
    stale = [
        Partition("raw", "plants", None, "P900", "plant_code"),
        Partition("raw", "plants", None, "P100", "plant"),
        Partition("raw", "weeks", "daily", "2024-12-30"),
    ]
    for one in stale:
        table = pa.table({"id": pa.array([1])})
        with store.writer(one, table.schema) as writer:
            writer.write(table.to_batches()[0])
            writer.publish()
    lake.made("prep/all_plants")
    counted = {row["plant"]: row["n"] for row in lake.read("prep/all_plants")}
    by_plant = expected(lambda row: row[2], lambda row: row[2] in PLANTS)
    assert counted == {plant: len(ids) for plant, ids in by_plant.items()}
    done = CliRunner().invoke(cli, ["peek", "raw/weeks", "--partition", "2024-12-30", "--json"])
    assert "raw/weeks has no partition '2024-12-30' in the lake" in json.loads(done.stdout)["error"]
    with pytest.raises(UsageError, match="in partitions of 2 kinds: raw/weeks/"):
        lake.read("raw/weeks")


@pytest.mark.parametrize(
    ("job", "at", "first", "last", "published"),
    [
        ("hours", "2025-01-01T12:05", "2025-01-01-11", None, 1),
        ("plant_days", "2025-01-04T06:00", "2025-01-03|P100", "2025-01-03|P300", 3),
        ("plant_days", "2025-01-01T06:00", None, None, 0),
    ],
)
@pytest.mark.parametrize("lake", ["duckdb"], indirect=True)
def test_a_tick_is_one_run(
    lake: Lake, job: str, at: str, first: str | None, last: str | None, published: int
) -> None:
    repository = execute.Location().load()
    name = {"plant_days": "both"}.get(job, job)
    schedule = repository.get_schedule_def(f"{name}_schedule")
    time = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Asia/Seoul"))
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=time, repository_def=repository
        )
        found = schedule.evaluate_tick(context)
        if first is None:
            assert found.skip_message == "No partition ends before this time."
            return
        (request,) = found.run_requests or ()
        if last is None:
            assert request.partition_key == first
        else:
            assert request.partition_key is None
            assert request.tags["dagster/asset_partition_range_start"] == first
            assert request.tags["dagster/asset_partition_range_end"] == last
        # The tags that a daemon gives the run are all that the run needs.
        chosen = [dg.AssetKey(["raw", job])]
        done = repository.get_job(name).execute_in_process(
            instance=instance, tags=dict(request.tags), asset_selection=chosen
        )
        events = done.get_asset_materialization_events()
        keys = sorted(str(event.partition) for event in events)
        assert (keys[0], keys[-1], len(keys)) == (first, last or first, published)
        gates = {
            str(one.partition): str(one.metadata["rules"].value)
            for one in done.get_asset_check_evaluations()
            if one.check_name == "gates" and one.partition
        }
        assert sorted(gates) == keys
        # Each is held against the source's count and sum of its own hour, or day and name.
        assert all("| reconciled | ✔ |" in rules for rules in gates.values())
