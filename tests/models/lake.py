"""A small lake with a model: a table of payments, features of earlier months, outcomes, scores.

Here: generated payments with something to learn, the pipeline over them, running it through Dagster
and asking MLflow what it holds. Not here: what must hold (the tests beside this).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import mlflow

from lake_assets.builder import asset_key
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines
from resources.partition import Partition
from resources.settings import Settings, load_settings
from resources.store import open_store

SOURCE = """\
version: 1
title: 입금
description: 입금 내역
owner: team:credit
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 입금]
partitions: {monthly: {start: "2024-01-01"}}
sources:
  payment:
    title: 입금
    connection: hana_db
    table: PAYMENT
    window: {column: due}
    columns:
      customer: {type: string, nullable: false}
      due: {type: date, nullable: false}
      amount: {type: "decimal(18,2)", nullable: false}
      days_late: {type: int32, nullable: false}
      region: string
      name: {type: string, pii: masked}
    order_by: [customer]
"""

PIPELINE = """\
version: 1
title: 연체
description: 연체를 미리 안다
owner: team:credit
tags: ["0.MODEL", "1.Start:SAP", "2.End:HDFS", 연체]
# Features are of the months before, so there are none in the first.
partitions: {monthly: {start: "2024-02-01"}}
run: {retries: 0}
params:
  skill: {type: float, default: 1.0, help: 1보다 작으면 그만큼 틀린 답으로 배운다}
datasets:
  feature:
    title: 특성
    inputs:
      past: {asset: raw/payment, from: -3, to: -1}
    sql: |
      SELECT customer, max(region) AS region,
        avg((days_late > 5)::INT) AS late_share,
        max(days_late) AS worst,
        CAST(sum(amount) AS DECIMAL(18,2)) AS amount
      FROM past GROUP BY customer
    columns:
      customer: {type: string, nullable: false}
      region: string
      late_share: float64
      worst: int32
      amount: decimal(18,2)
    order_by: [customer]
    gates: {unique: [customer]}
  outcome:
    title: 결과
    inputs: [raw/payment]
    sql: SELECT customer, days_late > 5 AS late FROM payment
    columns: {customer: string, late: boolean}
    order_by: [customer]
  late_score:
    title: 연체 확률
    inputs: {feature: prep/feature, model: model/late}
    predict: {model: model, rows: feature, score: probability, version: model_version}
    columns:
      customer: {type: string, nullable: false}
      probability: {type: float64, nullable: false, title: 연체 확률}
      model_version: {type: int64, nullable: false}
    order_by: [customer]
    gates: {unique: [customer], range: {probability: {min: 0, max: 1}}}
models:
  late:
    title: 연체 예측
    inputs:
      feature: {asset: prep/feature, from: -6, to: -1}
      outcome: {asset: prep/outcome, from: -6, to: -1}
    examples: |
      SELECT ym, customer, region, late_share, worst, amount, late
      FROM feature JOIN outcome USING (ym, customer)
    features: [region, late_share, worst, amount]
    target: late
    holdout: 2
    fit: model.py:fit
    metric: average_precision
    baseline: late_share
    seed: 1992
"""

MODEL = """\
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def fit(
    features: pd.DataFrame, target: pd.Series, *, period: pd.Series, seed: int, skill: float
) -> Pipeline:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["region"]),
        remainder=StandardScaler(),
    )
    wrong = np.random.default_rng(seed).random(len(target)) > skill
    model = make_pipeline(columns, LogisticRegression(random_state=seed))
    return model.fit(features, target.where(~wrong, 1 - target))
"""

MONTHS = [f"2024-{month:02}" for month in range(1, 13)]
#: The first month whose model has three months to fit on beside the two held out: features need a
#: month before, so examples begin with the second.
FIRST = "2024-07"


def fill(home: Path, customers: int = 400) -> None:
    """Payments of a year. Lateness depends on the customer, the region and chance."""
    (home / "sources").mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(home / "sources" / "hana_db.duckdb")) as source:
        source.execute("SELECT setseed(0.5)")
        source.execute(
            "CREATE OR REPLACE TABLE PAYMENT AS "
            "WITH c AS (SELECT i, (i * 7919 % 1000) / 1000.0 AS risk, "
            "['서울', '부산', NULL, '대전'][i % 4 + 1] AS region FROM range(?) t(i)), "
            "m AS (SELECT DATE '2024-01-10' + INTERVAL (j) MONTH AS due FROM range(12) t(j)) "
            "SELECT 'C' || lpad(i::VARCHAR, 5, '0') AS customer, due::DATE AS due, "
            "CAST(1000 + hash(i, due) % 5000 AS DECIMAL(18,2)) AS amount, "
            "CAST(CASE WHEN hash(due, i) % 1000 / 1000.0 < risk * risk * "
            "(CASE region WHEN '부산' THEN 2.0 WHEN '서울' THEN 0.1 ELSE 0.9 END) "
            "THEN 6 + hash(i) % 30 ELSE hash(i, due) % 5 END AS INTEGER) AS days_late, "
            "region, '홍길동' || i AS name FROM c, m ORDER BY customer, due",
            [customers],
        )


@dataclass(frozen=True)
class Ended:
    """What became of a run, as people see it."""

    success: bool
    message: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Lake:
    """The graph with its store, its history and its MLflow."""

    settings: Settings
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def run(self, *keys: str, month: str, to: str | None = None, skill: float = 1.0) -> Ended:
        """One partition, or those until `to` in one run; `skill` is the model's parameter."""
        ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        config = {"ops": {"model__late": {"config": {"skill": skill}}}}
        result = self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[asset_key(key) for key in keys],
            partition_key=None if to else month,
            tags=dict(zip(ends, (month, to), strict=True)) if to else {},
            run_config=config if "model/late" in keys else None,
            raise_on_error=False,
        )
        failed = [one for one in result.all_events if one.is_step_failure]
        made = {
            name: value.value
            for event in result.get_asset_materialization_events()
            for name, value in event.materialization.metadata.items()
        }
        data = failed[0].step_failure_data if failed else None
        told = data.user_failure_data.description if data and data.user_failure_data else ""
        if data and data.error and not told:
            told = data.error.message
        return Ended(result.success, told or "", made)

    def prepare(self, first: str = MONTHS[0], last: str = MONTHS[-1]) -> None:
        """Payments of some months, the features and outcomes that follow from them."""
        assert self.run("raw/payment", month=first, to=last).success
        first = max(first, MONTHS[1])
        assert self.run("prep/outcome", "prep/feature", month=first, to=last).success

    def rows(self, name: str, month: str) -> list[dict[str, Any]]:
        layer, asset = name.split("/")
        partition = Partition(layer, asset, "monthly", month)
        found: list[dict[str, Any]] = open_store(self.settings).read([partition]).to_pylist()
        return found

    def model(self, month: str) -> dict[str, Any]:
        (row,) = self.rows("model/late", month)
        return row

    def execute(self, sql: str) -> None:
        """Change the source table."""
        with duckdb.connect(str(self.settings.home / "sources" / "hana_db.duckdb")) as source:
            source.execute(sql)

    @property
    def client(self) -> Any:
        return mlflow.MlflowClient(self.settings.mlflow_uri, self.settings.mlflow_uri)

    def runs(self) -> list[Any]:
        """The MLflow runs of the model, the oldest first."""
        experiment = self.client.get_experiment_by_name("model/late")
        if experiment is None:
            return []
        found = self.client.search_runs([experiment.experiment_id])
        return sorted(found, key=lambda run: run.info.start_time)

    def states(self) -> list[tuple[str, str, str]]:
        """Partition, status and state of each MLflow run."""
        return [
            (run.info.run_name, run.info.status, run.data.tags["lake.state"]) for run in self.runs()
        ]

    def versions(self) -> list[tuple[int, str]]:
        """Registered versions with their partitions."""
        found = self.client.search_model_versions("name = 'late'")
        return sorted((int(one.version), one.tags["lake.partition"]) for one in found)

    def alias(self) -> int | None:
        """The version that is champion."""
        try:
            return int(self.client.get_model_version_by_alias("late", "champion").version)
        except mlflow.exceptions.MlflowException:
            return None


@contextmanager
def opened(
    folder: Path, pipeline: str = PIPELINE, model: str = MODEL, env: str = "local"
) -> Iterator[Lake]:
    """The lake below `folder`; LAKE_HOME is `folder/home`. Opened again it has its history."""
    write(folder, pipeline, model)
    settings = load_settings(env)
    (folder / "instance").mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder / "instance")) as instance:
        pipelines = load_pipelines([folder / "pipelines"])
        yield Lake(settings, build_definitions(settings, pipelines), instance)


def write(folder: Path, pipeline: str = PIPELINE, model: str = MODEL) -> None:
    own, source = (folder / "pipelines" / name for name in ("credit", "payment"))
    own.mkdir(parents=True, exist_ok=True)
    source.mkdir(exist_ok=True)
    (source / "pipeline.yaml").write_text(SOURCE)
    (own / "pipeline.yaml").write_text(pipeline)
    (own / "model.py").write_text(model)
