"""`lake list --runs`: one history of all runs, whoever started them.

Here: a row for each partition of an asset, or for each of the newest runs, and in words who made
it. Not here: tables on a screen (`console.py`), and starting runs (`run.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)

from airflow_bridge.stop import PROCESS_TAG
from lake_assets.partitions import ZONE

COLUMNS = ("partition", "asset", "status", "at", "rows", "by", "run")

#: What a run's tags say of who started it, the first that is there.
_BY = {BACKFILL_ID_TAG: "backfill", SCHEDULE_NAME_TAG: "schedule", SENSOR_NAME_TAG: "sensor"}


def by(tags: Mapping[str, str]) -> str:
    """Who started a run, in words: Airflow's DAG, run and try; a Dagster schedule; a person.

    >>> by({"airflow/dag_id": "sales", "airflow/run_id": "r1", "airflow/try_number": "2"})
    'Airflow sales, r1, try 2'
    >>> by({"dagster/parent_run_id": "x", "dagster/schedule_name": "daily"})
    'executed again; first: schedule daily'
    """
    if PARENT_RUN_ID_TAG in tags:  # it has its parent's other tags
        rest = {name: text for name, text in tags.items() if name != PARENT_RUN_ID_TAG}
        return f"executed again; first: {by(rest)}"
    if "airflow/dag_id" in tags:
        told = [f"Airflow {tags['airflow/dag_id']}", tags.get("airflow/run_id", "")]
        told += [f"try {number}"] if (number := tags.get("airflow/try_number", "1")) != "1" else []
        told += ["never reached Dagster"] if "airflow/lost" in tags else []
        return ", ".join(filter(None, told))
    for tag, word in _BY.items():
        if tag in tags:
            return f"{word} {tags[tag]}"
    return "lake run" if PROCESS_TAG in tags else "by hand in Dagster"


def of_asset(instance: dg.DagsterInstance, key: str, limit: int) -> list[dict[str, Any]]:
    """The newest materialisation of each partition of an asset, in the order of partitions."""
    asset = dg.AssetKey.from_user_string(key)
    newest = instance.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    wanted: dg.AssetKey | dg.AssetRecordsFilter = asset  # one without partitions
    if newest:
        ids = [newest[partition] for partition in sorted(newest)[-limit:]]
        wanted, limit = dg.AssetRecordsFilter(asset, storage_ids=ids), len(ids)
    else:
        limit = 1
    records = instance.fetch_materializations(wanted, limit=limit).records
    chosen = sorted((record.partition_key or "", record) for record in records)
    if not chosen:
        return []
    runs = {
        run.dagster_run.run_id: run.dagster_run
        for run in instance.get_run_records(
            dg.RunsFilter(run_ids=list({record.run_id for _, record in chosen}))
        )
    }
    return [_made(key, partition, record, runs.get(record.run_id)) for partition, record in chosen]


def newest_runs(instance: dg.DagsterInstance, limit: int) -> list[dict[str, Any]]:
    """The newest runs, the last one first."""
    return [_run(record) for record in instance.get_run_records(limit=limit)]


def _made(
    key: str, partition: str, record: dg.EventLogRecord, run: dg.DagsterRun | None
) -> dict[str, Any]:
    made = record.asset_materialization
    rows = made and made.metadata.get("dagster/partition_row_count")
    return {
        "partition": partition,
        "asset": key,
        "status": "materialised",
        "at": _at(record.timestamp),
        "rows": getattr(rows, "value", None),
        "by": by(run.tags) if run else "a run that was deleted",
        "run": record.run_id,
    }


def _run(record: dg.RunRecord) -> dict[str, Any]:
    run = record.dagster_run
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG, run.tags.get(PARTITION_NAME_TAG, ""))
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    return {
        "partition": first if first == last else f"{first}…{last}",
        "asset": ", ".join(assets) or run.job_name,
        "status": run.status.value.lower(),
        "at": _at(record.start_time or record.create_timestamp.timestamp()),
        "rows": None,
        "by": by(run.tags),
        "run": run.run_id,
    }


def _at(moment: float) -> str:
    """To the second, in the lake's zone, with its offset."""
    return datetime.fromtimestamp(moment, ZoneInfo(ZONE)).isoformat(sep=" ", timespec="seconds")
