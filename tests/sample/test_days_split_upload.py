"""The shipped pipeline `days_split_upload`: a range of days, a failed day among them, a rerun.

By the command, in a process: a statement a day over the generated table.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lake_assets.loader import SHIPPED
from lake_assets.sample.generate import DIRTY_DAYS, write_duckdb
from lake_assets.spec.pipeline import PipelineSpec
from resources.settings import Sample
from resources.yamlfile import YamlFile

CODE = "from lake_assets.cli.main import main; main()"
LAST = date(2026, 4, 30)
DIRTY = LAST - timedelta(days=DIRTY_DAYS)
FIRST, END = DIRTY - timedelta(days=1), DIRTY + timedelta(days=2)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
GOOD = [day for day in DAYS if day != DIRTY]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("split")
    sample = Sample(days=DIRTY_DAYS + 5, until=LAST.isoformat(), scale=0.02)
    write_duckdb(home, sample, LAST + timedelta(days=1))
    return home


def lake(home: Path, *words: str) -> tuple[int, dict[str, Any]]:
    env = {**os.environ, "LAKE_HOME": str(home), "LAKE_ENV": "local"}
    for name in ("DAGSTER_HOME", "LAKE_PIPELINES", "LAKE_ENVIRONMENTS"):
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", CODE, "run", *words, "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def files(home: Path) -> dict[str, tuple[str, int]]:
    """Content and inode of each day's file."""
    root = home / "lake/raw/sales_line_by_day"
    return {
        path.parent.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_ino)
        for path in sorted(root.rglob("*.parquet"))
    }


def test_a_range_day_by_day(home: Path) -> None:
    words = ("group:days_split_upload", "--from", str(FIRST), "--to", str(END))
    code, told = lake(home, *words)
    assert code == 65
    assert str(DIRTY) in json.dumps(told)
    assert (home / "lake/raw/sales_line_undated/part-0.parquet").exists()  # no row is without a day
    first = files(home)
    assert list(first) == [f"dt={day}" for day in GOOD]
    source = duckdb.connect(str(home / "sources/hana_bw.duckdb"), read_only=True)
    counted = source.sql(
        'SELECT CALDAY, count(*), sum(AMOUNT) FROM "SAPBW"."/BIC/AZSD_O0100" '
        f"WHERE CALDAY >= '{FIRST:%Y%m%d}' AND CALDAY <= '{END:%Y%m%d}' "
        f"AND CALDAY <> '{DIRTY:%Y%m%d}' GROUP BY ALL ORDER BY 1"
    ).fetchall()
    landed = duckdb.sql(
        "SELECT calday, count(*), sum(amount) "
        f"FROM '{home}/lake/raw/sales_line_by_day/*/*.parquet' GROUP BY ALL ORDER BY 1"
    ).fetchall()
    assert landed == counted
    assert len(landed) == len(GOOD)
    # Again: only the failed day is tried, what is finished keeps its very files.
    code, told = lake(home, *words)
    assert code == 65
    assert files(home) == first


def test_rows_without_a_day_stop_the_load(home: Path) -> None:
    path = home / "sources/hana_bw.duckdb"
    with duckdb.connect(str(path)) as source:
        source.execute(
            'INSERT INTO "SAPBW"."/BIC/AZSD_O0100" (DOC_NUMBER, S_ORD_ITEM) VALUES (\'X\', 1)'
        )
    code, told = lake(home, "raw/sales_line_undated", "--force")
    assert code == 65
    assert "rows" in json.dumps(told)


def test_one_statement_a_day() -> None:
    """A run is one statement, and takes one day."""
    spec = YamlFile(SHIPPED / "days_split_upload/pipeline.yaml").record(PipelineSpec)
    assert spec.run.days_per_run == 1
