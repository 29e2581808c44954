"""`make bench`: the lake against its peers, as ratios that must hold.

Here: the command, the table on the console and `bench.json`. Not here: how a side is measured
(`runner.py`) and what is measured (a module for each case).
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from tests.bench import (
    airflow_export,
    airflow_parse,
    airflow_run,
    backfill,
    dbapi_read,
    extraction,
    graph,
    hive_read,
    jdbc_read,
    mariadb_read,
    memory,
    pandas_peer,
    preps,
    publish_hdfs,
)
from tests.bench.runner import ROOT, Bench, Ratio

CASES = {
    "extraction": extraction.run,
    "memory": memory.run,
    "pandas": pandas_peer.run,
    "backfill": backfill.run,
    "graph": graph.run,
    "hdfs": publish_hdfs.run,
    "hive": hive_read.run,
    "dbapi": dbapi_read.run,
    "jdbc": jdbc_read.run,
    "mariadb": mariadb_read.run,
    "preps": preps.run,
    "export": airflow_export.run,
    "dags": airflow_parse.run,
    "run": airflow_run.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure the lake against its peers; exit 1 where a ratio is over its limit.",
    )
    # No `choices`: argparse refuses an empty list that is not among them.
    parser.add_argument("cases", nargs="*", metavar="case", help=f"{', '.join(CASES)}; default all")
    parser.add_argument("--rounds", type=int, help="alternating rounds of each case")
    parser.add_argument("--quick", action="store_true", help="a tenth of the 10M rows")
    parser.add_argument("--json", action="store_true", help="the results as JSON, not as a table")
    parser.add_argument("--to", type=Path, default=ROOT / "bench.json", help="file of the results")
    asked = parser.parse_args()
    unknown = sorted(set(asked.cases) - set(CASES))
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    for package in ("lake_assets", "resources", "airflow_bridge", "tests/bench", "tests/servers"):
        compileall.compile_dir(ROOT / package, quiet=1)
    ratios: list[Ratio] = []
    with Bench(rounds=asked.rounds, quick=asked.quick) as bench:
        for name in asked.cases or CASES:
            print(f"{name} …", file=sys.stderr, flush=True)
            found = CASES[name](bench)
            ratios += found
            if not asked.json:
                print("\n".join(map(str, found)), flush=True)
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    how = {"at": at, "quick": asked.quick}
    measured = [{**ratio.record(), **how} for ratio in ratios]
    report = {"machine": _machine(), "ratios": _others(asked.to, asked.cases) + measured}
    text = json.dumps(report, ensure_ascii=False, indent=1)
    asked.to.write_text(text + "\n", encoding="utf-8")
    if asked.json:
        print(text)
    over = [ratio for ratio in ratios if not ratio.holds]
    print(f"{len(ratios) - len(over)} of {len(ratios)} hold; {asked.to}", file=sys.stderr)
    return 1 if over else 0


def _others(file: Path, cases: list[str]) -> list[dict[str, object]]:
    """What the file has of cases that were not asked for; a run of some keeps the others."""
    if not cases or not file.exists():
        return []
    found: list[dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))["ratios"]
    return [one for one in found if str(one["case"]).split()[0] not in cases]


def _machine() -> dict[str, object]:
    libraries = ("dagster", "duckdb", "pyarrow", "pandas", "pydantic", "polars", "psycopg2-binary")
    return {
        "cores": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "cpu": _cpu_model(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((one.split(":")[1].strip() for one in lines if one.startswith("model name")), "")


if __name__ == "__main__":
    sys.exit(main())
