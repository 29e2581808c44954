"""A lake of one source table that is read by splits from a real server, and what it asked there.

Here: the environment, the pipeline, one run of a partition without Dagster, a witness of the
statements that read rows. Not here: tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from lake_assets.loader import load_pipelines
from lake_assets.materialise import Work, materialise
from lake_assets.pipeline import assets, catalogue
from lake_assets.publish import Outcome
from resources.duckdb_source import DuckDBFile
from resources.mariadb import MariaDBTables
from resources.postgres import PostgresTables
from resources.settings import SHIPPED, load_settings
from resources.store import open_store

HEAD = """\
version: 1
title: 시험
description: 한 파티션을 나누어 읽는다
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 시험]
sources:
  big:
    title: 큰 표
"""


@dataclass(frozen=True)
class Lake:
    """A folder with the environment `own`, whose `connections` are added to those of `local`."""

    folder: Path
    connections: dict[str, Any]

    def __post_init__(self) -> None:
        environment = yaml.safe_load((SHIPPED / "local.yaml").read_text(encoding="utf-8"))
        environment["connections"].update(self.connections)
        environment["sample"] = None
        (self.folder / "environments").mkdir(parents=True, exist_ok=True)
        file = self.folder / "environments" / "own.yaml"
        file.write_text(yaml.safe_dump(environment, sort_keys=False), encoding="utf-8")

    def work(self, home: str, **source: Any) -> Work:
        """One asset of a pipeline file that says `source`, in a lake of its own named `home`."""
        environ = {
            "LAKE_HOME": str(self.folder / home),
            "LAKE_ENVIRONMENTS": str(self.folder / "environments"),
            **{name: value for name, value in os.environ.items() if name.endswith("_WORD")},
        }
        settings = load_settings("own", environ)
        text = yaml.safe_dump(source, allow_unicode=True, sort_keys=False)
        file = self.folder / home / "pipelines" / "own" / "pipeline.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEAD + "".join(f"    {line}\n" for line in text.splitlines()))
        pipelines = load_pipelines([file.parents[1]])
        (asset,) = [asset for pipeline in pipelines for asset in assets(pipeline)]
        return Work(asset, settings, open_store(settings), catalogue(pipelines), {})


def made(work: Work, key: str = "") -> tuple[str, Outcome]:
    """One partition, made; its route."""
    ((route, outcome),) = materialise(work, [key])
    return route, outcome


def rows(outcome: Outcome) -> pa.Table:
    assert outcome.published is not None, [str(one) for one in outcome.failed_gates]
    path = Path(outcome.published.path)
    file = path if path.is_file() else next(path.glob("*.parquet"))
    return pq.ParquetFile(file).read()


def left(work: Work) -> list[str]:
    """The files that wait for another attempt."""
    folder = work.settings.home / "splits"
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


def witness(
    monkeypatch: pytest.MonkeyPatch, meet: Callable[[Any, Any, str], None] | None = None
) -> list[str]:
    """Every statement that reads rows of a part, as it is sent; surveys are not among them.

    `meet` gets the source, its cursor and the statement once it runs on the server.
    """
    statements: list[str] = []
    for kind in (PostgresTables, MariaDBTables, DuckDBFile):

        def seen(
            self: Any, cursor: Any, statement: str, fields: Any = (), run: Any = kind._run
        ) -> Any:
            found = run(self, cursor, statement, fields)
            if fields and "count(*)" not in statement:
                statements.append(statement)
                if meet is not None:
                    meet(self, cursor, statement)
            return found

        monkeypatch.setattr(kind, "_run", seen)
    return statements
