"""A year as 365 daily partitions, against one bulk extraction of the same rows.

Here: the pipeline and the runs that its backfill policy makes of a year, in one process: once as
extraction alone, once through Dagster with all its bookkeeping (planned and made partitions and
checks, in SQLite). The bulk extraction is DuckDB's bare COPY of the year into one file; our own
extraction into one partition is told beside it. Not here: those two (`sides.py`).
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from resources.duckdb_tables import extension
from tests.bench.meter import Meter
from tests.bench.runner import ROOT, Bench, DiffersError, Ratio, Side, alternate, cpu
from tests.bench.sides import NOT_NULL, SUMS
from tests.servers.environment import write_pg_environment
from tests.servers.sales_table import START, TYPES

DAYS, MOST_RUNS = 365, 14


def run(bench: Bench) -> list[Ratio]:
    address = {**bench.address, "table": bench.year}
    folder = bench.folder / "backfill"
    _write(folder / "pipelines" / "year", bench.year)
    write_pg_environment(folder, bench.server.port, "bench", bench.server.user)
    environment = {
        "LAKE_ENV": "pg",
        "LAKE_ENVIRONMENTS": str(folder),
        "LAKE_HOME": str(folder / "home"),
        "DAGSTER_HOME": str(folder / "dagster"),
    }
    arguments = {"folder": str(folder), "table": bench.year}
    dagster = Side("Dagster", "backfill:through_dagster", arguments, environment)
    alone = Side("extraction", "backfill:extracted", arguments, environment)
    copy = {
        **address,
        "span": [str(START), str(START + timedelta(DAYS))],
        "file": str(bench.folder / "year.parquet"),
        "extension": str(extension("duckdb_extension_postgres_scanner")),
    }
    peer = Side("COPY", "sides:copied", copy)
    rounds = bench.rounds(3)
    extraction = alternate("backfill", alone, peer, rounds)
    found = alternate("backfill", dagster, peer, rounds)
    own = {**address, "span": None, "root": str(bench.folder / "store"), "types": TYPES}
    bulk = Side("bulk", "sides:published", own).run()
    facts = found.ours[0]["facts"]
    if facts["rows"] != bulk["facts"]["rows"] or facts["partitions"] != DAYS:
        raise DiffersError(f"backfill: {facts} against {bulk['facts']}")
    if facts["runs"] > MOST_RUNS:
        raise DiffersError(f"backfill: {facts['runs']} runs, at most {MOST_RUNS}")
    notes = {"our own bulk": f"{bulk['cpu']['cpu']:.2f} s"}
    return [
        extraction.ratio("CPU against one extraction", "s", cpu(), 1.3, notes=notes),
        # Events of 365 partitions and their checks are 2 to 4 CPU s whatever the rows: watched so
        # that they do not grow.
        found.ratio("the same through Dagster", "s", cpu(), 1.8, notes=facts),
    ]


def _days() -> list[str]:
    return [(START + timedelta(day)).isoformat() for day in range(DAYS)]


def extracted(meter: Meter, folder: str, table: str) -> dict[str, Any]:
    """The chunks of the backfill policy, without Dagster."""
    from lake_assets.loader import load_pipelines
    from lake_assets.materialise import Work, materialise
    from lake_assets.pipeline import assets, catalogue
    from resources import postgres  # noqa: F401
    from resources.settings import load_settings
    from resources.store import open_store

    pipelines, settings = load_pipelines([Path(folder) / "pipelines"]), load_settings()
    (asset,) = assets(pipelines[0])
    days, size = _days(), asset.run.days_per_run
    with meter():
        work = Work(asset, settings, open_store(settings), catalogue(pipelines), {})
        for start in range(0, DAYS, size):
            for _, outcome in materialise(work, days[start : start + size]):
                assert outcome.published
    return {}


def through_dagster(meter: Meter, folder: str, table: str) -> dict[str, Any]:
    import dagster as dg

    from lake_assets import loader, materialise  # noqa: F401 - imports are no part of the work
    from resources import postgres  # noqa: F401
    from resources.store import open_store

    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text((ROOT / "deploy" / "dagster.yaml").read_text())
    loader.SHIPPED = Path(folder) / "pipelines"
    from lake_assets.definitions import defs
    from resources.settings import load_settings

    key = dg.AssetKey(["raw", table])
    days = _days()
    job = defs.resolve_job_def("year")
    size = defs.resolve_assets_def(key).backfill_policy.max_partitions_per_run
    chunks = [days[start : start + size] for start in range(0, DAYS, size)]
    began = time.monotonic()
    with dg.DagsterInstance.get() as instance, meter():
        for chunk in chunks:
            tags = {
                "dagster/asset_partition_range_start": chunk[0],
                "dagster/asset_partition_range_end": chunk[-1],
            }
            assert job.execute_in_process(instance=instance, tags=tags).success
    seconds = time.monotonic() - began
    with dg.DagsterInstance.get() as instance:
        partitions = instance.get_materialized_partitions(key)
    store = open_store(load_settings())
    from resources.partition import Partition

    stats = [store.stat(Partition("raw", table, "daily", day)) for day in days]
    return {
        "runs": len(chunks),
        "partitions": len(partitions),
        "rows": sum(one.rows for one in stats if one),
        "seconds": round(seconds, 1),
    }


def _write(folder: Path, table: str) -> None:
    columns = [
        f'      {name}: {{type: "{kind}"{", nullable: false" if name in NOT_NULL else ""}}}'
        for name, kind in TYPES.items()
    ]
    lines = [
        "version: 1",
        "title: 매출",
        "description: 한 해의 매출을 하루씩 받습니다.",
        "owner: team:sales-data",
        'tags: ["0.ETL", "1.Start:PG", "2.End:HDFS", "매출"]',
        f'partitions: {{daily: {{start: "{START}"}}}}',
        "sources:",
        f"  {table}:",
        "    title: 매출",
        "    connection: hana_bw",
        "    schema: public",
        f"    table: {table}",
        "    window: {column: sale_date, kind: date}",
        f"    sums: [{', '.join(SUMS)}]",
        "    columns:",
        *columns,
    ]
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
