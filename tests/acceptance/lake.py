"""A lake of a test's own: environments, pipelines over the sales table, runs, what became of them.

Here: building a graph in this process over a home of its own, running it through Dagster, and
reading back files and history as the UI would. Not here: servers (`tests/servers`) and what must
hold (the tests beside this).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import yaml
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from lake_assets.definitions import build_definitions
from lake_assets.execute import open_instance
from lake_assets.loader import SHIPPED, load_pipelines
from resources.partition import Cadence, Partition
from resources.settings import Settings, load_settings
from resources.store import Store, open_store
from tests.servers.environment import write_pg_environment
from tests.servers.postgres import PostgresServer
from tests.servers.sales_table import START, TYPES

_FAILED = AssetCheckExecutionResolvedStatus.FAILED

LAKE = Path(sys.executable).with_name("lake")

#: Tries of a step that may be repeated: the pipelines here say `retries: 2`, without a pause.
TRIES = 3


def sales_pipeline(**changes: Any) -> dict[str, Any]:
    """A pipeline file over the sales table of `tests/servers/sales_table.py`.

    `changes` go into its one source; a value None takes a key out.
    """
    required = ["line_id", "order_id", "sale_date", "sold_at", "store_cd", "amount"]
    source = {
        "title": "매출",
        "connection": "hana_bw",
        "schema": "public",
        "table": "sales",
        "window": {"column": "sale_date"},
        "columns": {
            name: {"type": kind, "nullable": name not in required} for name, kind in TYPES.items()
        },
        "order_by": ["line_id"],
        "sums": ["amount", "discount", "unit_price"],
        "gates": {"unique": ["line_id"], "not_null": ["item_cd"], "rows": {"min": 1}},
        "checks": {"range": {"qty": {"min": 1, "max": 9}}},
        **changes,
    }
    return {
        "version": 1,
        "title": "매출",
        "description": "매출 한 달",
        "owner": "team:data",
        "tags": ["0.ETL", "1.Start:SAP", "2.End:HDFS", "매출"],
        "partitions": {"daily": {"start": START.isoformat()}},
        "run": {"retries": TRIES - 1, "retry_delay": 0},
        "sources": {"sales": {key: value for key, value in source.items() if value is not None}},
    }


def write_pipeline(folder: Path, content: Mapping[str, Any], name: str = "sales") -> Path:
    """Write `<folder>/<name>/pipeline.yaml`; the folder, for `LAKE_PIPELINES`."""
    file = folder / name / "pipeline.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False))
    return folder


def pg_environment(
    folder: Path,
    server: PostgresServer,
    database: str,
    /,
    *,
    parquet: str = "modern",
    **address: Any,
) -> Path:
    """The environment `pg` on `server`; `address` changes keys of its two connections."""
    file = write_pg_environment(folder, server.port, database, server.user)
    content = yaml.safe_load(file.read_text())
    content["store"]["parquet"] = parquet
    for name in ("hana_db", "hana_bw"):
        content["connections"][name] = {**content["connections"][name], **address}
    file.write_text(yaml.safe_dump(content))
    return file


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    run_id: str
    success: bool
    events: Sequence[dg.DagsterEvent]

    def count(self, kind: str) -> int:
        return sum(event.event_type_value == kind for event in self.events)

    @property
    def failure(self) -> dg.Failure | Any:
        """What a person reads of the failure of the first step that failed."""
        found = [event for event in self.events if event.is_step_failure]
        assert found, "no step failed"
        return found[0].step_failure_data.user_failure_data

    @property
    def message(self) -> str:
        return self.failure.description or ""


@dataclass(frozen=True)
class Lake:
    """One graph with its store and its history."""

    settings: Settings
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @property
    def store(self) -> Store:
        return open_store(self.settings)

    def run(self, *assets: str, first: str | None = None, last: str | None = None) -> Run:
        """Materialise `assets` for the partitions from `first` to `last`, as one Dagster run."""
        keys = [dg.AssetKey(name.split("/")) for name in assets]
        job = self.definitions.resolve_implicit_global_asset_job_def()
        last = last or first
        single = first == last
        result = job.execute_in_process(
            instance=self.instance,
            asset_selection=keys,
            partition_key=first if single else None,
            tags={}
            if single
            else {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
            raise_on_error=False,
        )
        return Run(result.run_id, result.success, result.all_events)

    def read(self, asset: str, *keys: str) -> pa.Table:
        return self.store.read([self.partition(asset, key) for key in keys or ("",)])

    def sha(self, asset: str, key: str = "") -> str:
        [file] = self.store.files([self.partition(asset, key)])
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()

    @staticmethod
    def partition(asset: str, key: str = "") -> Partition:
        cadences: dict[int, Cadence | None] = {0: None, 7: "monthly", 10: "daily"}
        return Partition(*asset.split("/"), cadences[len(key)], key)  # type: ignore[call-arg]

    def materialised_by(self, asset: str, run: Run) -> set[str]:
        """The partitions whose newest materialisation in the history is of this run."""
        key = dg.AssetKey(asset.split("/"))
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        ids = self.instance.get_latest_storage_id_by_partition(key, kind)
        wanted = dg.AssetRecordsFilter(key, storage_ids=sorted(ids.values()))
        records = self.instance.fetch_materializations(wanted, limit=len(ids) or 1).records
        return {str(record.partition_key) for record in records if record.run_id == run.run_id}

    def shown_as_failed(self, asset: str) -> set[str]:
        """The partitions that the UI shows as failed."""
        key = dg.AssetKey(asset.split("/"))
        partitions = self.definitions.resolve_assets_def(key).partitions_def
        assert partitions is not None
        shown = get_and_update_asset_status_cache_value(self.instance, key, partitions)
        assert shown is not None
        return set(shown.deserialize_failed_partition_subsets(partitions).get_partition_keys())

    def check(self, asset: str, name: str) -> dict[str, set[str]]:
        """Passed and failed partitions of an asset check, from the state that the UI shows."""
        asset_key = dg.AssetKey(asset.split("/"))
        key = dg.AssetCheckKey(asset_key, name)
        specs = self.definitions.resolve_assets_def(asset_key).check_specs
        partitions = next(spec.partitions_def for spec in specs if spec.name == name)
        state = self.instance.event_log_storage.get_asset_check_state([(key, partitions)])[key]
        found = {}
        for status in (AssetCheckExecutionResolvedStatus.SUCCEEDED, _FAILED):
            subset = state.subsets.get(status)
            if subset is None or subset.is_empty:
                found[status.value.lower()] = set()
            else:
                keys = subset.subset_value.get_partition_keys() if partitions else [""]
                found[status.value.lower()] = set(keys)
        return found

    def evaluation(self, asset: str, name: str, key: str | None = None) -> dg.AssetCheckEvaluation:
        """The newest evaluation of a check in the history, of one partition where it has any."""
        check = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name)
        records = self.instance.event_log_storage.get_asset_check_execution_history(check, 100)
        for record in records:
            if record.partition == key and record.event is not None:
                found = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
                return found
        raise AssertionError(f"no evaluation of {name} for {key}")


@contextmanager
def open_lake(
    home: Path,
    pipelines: Sequence[Path] = (SHIPPED,),
    environments: Path | None = None,
    env: str = "pg",
) -> Iterator[Lake]:
    """The graph of `pipelines` over the environment, its history in `<home>/dagster`."""
    environ = {"LAKE_HOME": str(home), "LAKE_ENVIRONMENTS": str(environments or "")}
    settings = load_settings(env, environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        with open_instance(settings) as instance:
            definitions = build_definitions(settings, load_pipelines(list(pipelines)))
            yield Lake(settings, definitions, instance)


def command(
    home: Path,
    *words: str,
    environments: Path | None = None,
    pipelines: Path | None = None,
    env: str = "pg",
    **variables: str,
) -> subprocess.Popen[str]:
    """Start `lake <words>` in a process of its own, in a session of its own."""
    environ = {
        **os.environ,
        "LAKE_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "LAKE_ENV": env,
        "LAKE_ENVIRONMENTS": str(environments or ""),
        "LAKE_PIPELINES": str(pipelines or ""),
        **variables,
    }
    return subprocess.Popen(
        [str(LAKE), *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def hidden(root: Path | str) -> list[Path]:
    """What a killed writer left."""
    return [path for path in Path(root).rglob(".*") if path.is_file()]
