"""What docs/sources.md and docs/environments.md show is taken, and runs against no other keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.validate import validate
from resources import settings
from resources.described import ApiSource, FileSource, IndexSource
from resources.settings import CONNECTIONS, load_settings
from tests.deliver.test_declared import read

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """\
version: 1
title: 제목
description: 설명
owner: team:data
tags: ["0.ETL", "1.Start:SFTP", "2.End:HDFS", "자료"]
partitions:
  daily: {start: "2024-01-01"}
"""


def shown(document: str) -> list[str]:
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


SOURCES = shown("sources.md")


@pytest.mark.parametrize("text", SOURCES, ids=["tables", "files", "index", "api"])
def test_every_source_that_is_shown_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "pipeline.yaml").write_text(HEAD + text, encoding="utf-8")
    pipelines, mistakes = read(tmp_path)
    assert mistakes == []
    assert validate(pipelines, load_settings("prod", {})) == []


def test_every_key_of_files_indices_and_apis_is_shown() -> None:
    text = (DOCS / "sources.md").read_text(encoding="utf-8")
    for of in (FileSource, IndexSource, ApiSource):
        missing = [key for key in of.model_fields if not re.search(rf"\b{key}\b", text)]
        assert missing == []
    formats = {"csv", "fixed", "parquet", "excel", "jsonl"}
    assert set(re.findall(r"format: (\w+)", "\n".join(SOURCES))) == {*formats, "json"}


def test_the_environment_that_is_shown_is_loaded(tmp_path: Path) -> None:
    (text,) = shown("environments.md")
    (tmp_path / "factory.yaml").write_text(text, encoding="utf-8")
    found = load_settings("factory", {"LAKE_ENVIRONMENTS": str(tmp_path)})
    assert list(found.connections["postgres"].options) == ["sslmode", "sslrootcert"]
    assert found.connections["tibero"].kind == "postgres"
    assert found.fires.by("sales") == "airflow"
    assert set(found.connections) == set(CONNECTIONS)
    assert validate(load_pipelines(pipeline_folders({})), found) == []


def test_names_and_keys_of_connections_are_those_of_the_document() -> None:
    text = (DOCS / "environments.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"are a closed list.*?: (`.*?)\. A further", text, re.DOTALL)
    assert re.findall(r"`(\w+)`", listed) == list(CONNECTIONS)
    told = {}
    for kinds, needed, besides in re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", text, re.M):
        keys = tuple(re.findall(r"`(\w+)`", needed)), tuple(re.findall(r"`(\w+)`", besides))
        told.update(dict.fromkeys(re.findall(r"`(\w+)`", kinds), keys))
    assert told == settings._KEYS
