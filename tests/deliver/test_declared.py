"""What is wrong in `deliveries` is told by line, with what is allowed, before anything runs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lake_assets.delivery import overwrites, target_of
from lake_assets.loader import read_pipelines
from lake_assets.pipeline import Delivered, Pipeline, assets
from lake_assets.validate import validate
from resources.deliver import FileTarget
from resources.settings import load_settings
from resources.yamlfile import Mistake

HEAD = """\
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
    columns: {id: int64, sold_on: date, name: {type: string, pii: masked, title: 이름}}
  plain: {title: 하나, connection: hana_bw, table: P, partitions: none, columns: {id: int64}}
"""
FILE = "file: {path: 'out/{today:%Y%m%d}.csv', format: csv}"
TABLE = "table: {name: T, mode: replace}"
KEYED = "table: {name: T, mode: upsert, key: [id]}"


def written(folder: Path, target: str, head: str = HEAD, **words: str) -> Path:
    given = {"title": "보내기", "from": "raw/sales", "connection": "sftp", **words}
    lines = [f"    {key.strip('_')}: {value}" for key, value in given.items()]
    text = "\n".join([head + "deliveries:", "  sent:", *lines, f"    {target}"])
    (folder / "one").mkdir(exist_ok=True)
    (folder / "one" / "pipeline.yaml").write_text(text + "\n", encoding="utf-8")
    return folder


def read(folder: Path) -> tuple[list[Pipeline], list[Mistake]]:
    return read_pipelines([folder], date(2025, 7, 1))


def delivered(folder: Path) -> Delivered:
    pipelines, mistakes = read(folder)
    assert mistakes == []
    found = [one for line in pipelines for one in assets(line) if isinstance(one, Delivered)]
    return found[0]


WRONG: list[tuple[str, dict[str, str], str]] = [
    (FILE, {"connection": "sftpp"}, "there is no connection 'sftpp'"),
    (FILE, {"connection": "pg2"}, "a further system takes the name of one that there is not, with"),
    (FILE, {"from": "raw/sale"}, "there is no asset 'raw/sale'"),
    (FILE, {"from": "out/sftp/x"}, "write an asset as raw/<table>, prep/<dataset>"),
    (FILE, {"columns": "{ide: x}"}, "raw/sales has no column 'ide'"),
    (FILE, {"columns": "{id: x, name: x}"}, "id and name are both called 'x' there"),
    (f"{FILE}\n    {TABLE}", {}, "give either table or file or index"),
    ("owner: team:x", {}, "give either table or file or index"),
    ("file: {path: 'a.csv', format: csv}", {}, "every day would be the same file"),
    ("file: {path: 'a_{today:%Y}.csv', format: csv}", {}, "every day would be the same file"),
    ("file: {path: 'a/', format: csv}", {}, "'a/' is no path of a file"),
    ("file: {path: '../{today}', format: csv}", {}, "is no path of a file"),
    ("file: {path: '{todya}.csv', format: csv}", {}, "there is no 'todya', did you mean 'today'?"),
    (FILE, {"from": "raw/plain"}, "asks for a partition's day, and there are none of time"),
    ("file: {path: x, format: csv, encoding: cp999}", {}, "there is no encoding 'cp999'"),
    ("file: {path: x, format: jsonl, header: false}", {}, "header belongs to format: csv"),
    ("file: {path: x, format: csv, delimiter: '\"'}", {}, "a delimiter is one ASCII sign"),
    ("table: {name: T, mode: upsert}", {}, "mode: upsert needs a `key`, and replace has none"),
    ("table: {name: T, mode: replace, key: [id]}", {}, "needs a `key`, and replace has none"),
    ("table: {name: T, mode: upsert, key: [no]}", {}, "key: 'no' is not among the delivered"),
    (TABLE, {"columns": "{id: id}"}, "mode: replace needs dt, by which rows are the partition's"),
    ("index: {name: x, id: [no]}", {}, "id: 'no' is not among the delivered columns"),
    ("index: {name: 'x-*', id: [id]}", {}, "name: one index or alias, without any of"),
    (
        "index: {name: x, id: [id], mode: replace}",
        {"columns": "{id: id}"},
        "mode: replace needs dt, by which rows are the partition's",
    ),
]


@pytest.mark.parametrize(("target", "words", "said"), WRONG)
def test_mistakes(tmp_path: Path, target: str, words: dict[str, str], said: str) -> None:
    _, mistakes = read(written(tmp_path, target, **words))
    assert [one for one in map(str, mistakes) if said in one], "\n".join(map(str, mistakes))
    assert all("one/pipeline.yaml" in str(one) for one in mistakes)


#: Two deliveries, the words of the second, and whether they are told of each other.
PAIRS = [
    (FILE, FILE, {}, "file: is that of another delivery too"),
    (FILE, "file: {path: './out//{today:%Y%m}{day:02}.csv', format: jsonl}", {}, "file: is that"),
    (FILE, "file: {path: 'out/b_{today:%Y%m%d}.csv', format: csv}", {}, ""),
    (FILE, FILE, {"connection": "hdfs"}, ""),
    (TABLE, TABLE, {}, "table: is that of another delivery too"),
    (TABLE, "table: {schema: s, name: T, mode: replace}", {}, ""),
    (TABLE, KEYED, {}, "table: is that"),
    (KEYED, KEYED, {}, ""),
    ("index: {name: x, id: [id]}", "index: {name: x, id: [name]}", {}, ""),
    ("index: {name: x, id: [id]}", "index: {name: x, id: [id], mode: replace}", {}, "index: is"),
]


@pytest.mark.parametrize(("first", "second", "words", "said"), PAIRS)
def test_two_deliveries_to_one_target(
    tmp_path: Path, first: str, second: str, words: dict[str, str], said: str
) -> None:
    written(tmp_path, first)
    given = {"title": "또", "from": "raw/sales", "connection": "sftp", **words}
    lines = ["  again:", *(f"    {key}: {value}" for key, value in given.items()), f"    {second}"]
    with (tmp_path / "one" / "pipeline.yaml").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    _, mistakes = read(tmp_path)
    assert [said in one.what for one in mistakes] == [True, True] * bool(said)
    if said:
        one, two = mistakes
        assert f"out/sftp/again, {two.file}:" in one.what
        assert f"out/sftp/sent, {two.file}:" in two.what
        assert one.line < two.line


def test_a_name_would_be_the_same_file(tmp_path: Path) -> None:
    head = HEAD.replace(
        'daily: {start: "2024-01-01"}', 'named: {column: plant, values: ["P1", "P2"]}'
    ).replace("window: {column: sold_on}", "window: {name: name}")
    _, mistakes = read(written(tmp_path, "file: {path: a.csv, format: csv}", head))
    assert ["each of the 2 names of plant" in str(one) for one in mistakes] == [True]


def test_columns_and_partitions_are_those_of_what_is_delivered(tmp_path: Path) -> None:
    asset = delivered(written(tmp_path, FILE))
    assert asset.key == "out/sftp/sent"
    assert asset.task_id == "out__sftp__sent"
    assert asset.partitions is not None
    assert asset.partitions.daily
    assert {name: one.type for name, one in asset.columns.items()} == {
        "id": "int64",
        "sold_on": "date",
        "name": "string",
        "dt": "date",
    }
    chosen = delivered(written(tmp_path, FILE, columns="{name: 이름, id: ID}"))
    assert [(name, one.pii) for name, one in chosen.columns.items()] == [
        ("이름", "masked"),
        ("ID", "none"),
    ]


def test_another_file_may_make_what_is_delivered(tmp_path: Path) -> None:
    written(tmp_path, FILE)
    source, deliveries = HEAD.partition("sources:\n")[0], HEAD.partition("sources:\n")[2]
    text = (tmp_path / "one" / "pipeline.yaml").read_text(encoding="utf-8")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "pipeline.yaml").write_text(HEAD, encoding="utf-8")
    only = source.replace('partitions:\n  daily: {start: "2024-01-01"}\n', "")
    only += text.partition(deliveries)[2]
    (tmp_path / "one" / "pipeline.yaml").write_text(only, encoding="utf-8")
    asset = delivered(tmp_path)
    assert asset.source is not None
    assert asset.source.pipeline.name == "two"
    assert asset.partitions == asset.source.partitions


def test_what_is_overwritten_is_said(tmp_path: Path) -> None:
    key = "2025-07-01"
    asset = delivered(written(tmp_path, FILE))
    assert target_of(asset, key) == FileTarget(path="out/20250701.csv", format="csv")
    assert overwrites(asset, key) == "the file out/20250701.csv of sftp"
    words = {"connection": "postgres", "columns": "{dt: 날짜, id: ID}"}
    asset = delivered(written(tmp_path, "table: {schema: s, name: T, mode: replace}", **words))
    assert overwrites(asset, key) == "rows of s.T where 날짜 = 2025-07-01 of postgres"
    asset = delivered(written(tmp_path, "table: {name: T, mode: upsert, key: [id]}", **words))
    assert overwrites(asset, key) == "rows of T by ID of postgres"
    for mode, said in (
        ("upsert", "documents of x-20250701 by ID of postgres"),
        ("replace", "documents of x-20250701 where 날짜 = 2025-07-01 of postgres"),
    ):
        target = f"index: {{name: 'x-{{today:%Y%m%d}}', id: [id], mode: {mode}}}"
        assert overwrites(delivered(written(tmp_path, target, **words)), key) == said
    words["from"], words["columns"] = "raw/plain", "{id: ID}"
    asset = delivered(written(tmp_path, TABLE, **words))
    assert overwrites(asset, "") == "all rows of T of postgres"


def test_a_connection_that_takes_no_such_target(tmp_path: Path) -> None:
    pipelines, mistakes = read(written(tmp_path, FILE, connection="postgres"))
    assert mistakes == []
    (told,) = validate(pipelines, load_settings("prod", {}))
    said = "the connection 'postgres' is of kind postgres in 'prod', to which no file is delivered"
    assert said in str(told)
    assert "a file goes to hdfs or sftp or storage" in str(told)


def test_hive_changes_no_rows_by_a_key(tmp_path: Path) -> None:
    target = "table: {name: T, mode: upsert, key: [id]}"
    pipelines, mistakes = read(written(tmp_path, target, connection="hive"))
    assert mistakes == []
    (told,) = validate(pipelines, load_settings("prod", {}))
    assert "is Hive in 'prod', which changes no rows by a key" in str(told)
    assert validate(pipelines, load_settings("local", {})) == []
