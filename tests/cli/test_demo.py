"""`lake demo` as a process: from an empty home to the main job, then again, then by force."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lake_assets.cli.demo import LEFT_OUT, PIPELINES, main_job
from lake_assets.cli.main import cli
from lake_assets.definitions import defs
from lake_assets.loader import SHIPPED

ROOT = Path(__file__).parents[2]
CODE = "from lake_assets.cli.main import main; main()"


@pytest.mark.parametrize(
    ("last", "days", "months"),
    [
        # The days of two whole months, and the last 31.
        (date(2025, 7, 20), ("2025-05-01", "2025-07-20"), ["2025-05", "2025-06"]),
        (date(2025, 7, 31), ("2025-06-01", "2025-07-31"), ["2025-06", "2025-07"]),
        (date(2025, 3, 1), ("2025-01-01", "2025-03-01"), ["2025-01", "2025-02"]),
    ],
)
def test_the_main_job(last: date, days: tuple[str, str], months: list[str]) -> None:
    graph = defs.get_repository_def().asset_graph
    found = main_job(graph, last, force=False)
    named = {key.to_user_string(): partitions for key, partitions in found.partitions.items()}
    assert named["raw/customer"] == named["prep/customer_master"] == ("",)
    assert list(named["prep/sales_result_monthly"]) == months
    assert (named["raw/bw_sales_result"][0], named["raw/bw_sales_result"][-1]) == days
    count = (date.fromisoformat(days[1]) - date.fromisoformat(days[0])).days + 1
    assert len(named["raw/bw_sales_result"]) == count
    # A month's model learns from twelve months of features, and balances of six before each.
    running = f"{last + timedelta(days=1):%Y-%m}"
    assert list(named["model/late_payment"]) == [months[-1], running]
    assert named["prep/payment_outcome"][-1] == months[-1]
    assert named["raw/ar_invoice"][0] == "2024-11"
    assert found.always == {}


def test_what_is_not_run_is_told() -> None:
    shipped = {path.parent.name for path in SHIPPED.glob("*/pipeline.yaml")}
    assert shipped == {*PIPELINES, *LEFT_OUT}


def lake(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "LAKE_HOME": str(home), "LAKE_ENV": "local"}
    for name in ("DAGSTER_HOME", "LAKE_PIPELINES"):
        env.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def here(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def files(home: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(home)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_ino,
        )
        for path in (home / "lake").rglob("*.parquet")
    }


def data(found: dict[str, tuple[str, int]]) -> dict[str, str]:
    """Content by path. A model's own rows name its MLflow run, which is another each time."""
    return {path: content for path, (content, _) in found.items() if "lake/model/" not in path}


def test_demo_again_and_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lake(tmp_path, "demo", "--scale", "0.1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stderr == ""
    assert "source hana_bw built: " in first.stdout
    assert "http://localhost:3000" in first.stdout
    assert "Left out: days_split_upload, whose days are chosen by who runs it:" in first.stdout
    # Its last line is a command that shows what a gate does.
    refused = first.stdout.splitlines()[-1].split()
    assert refused[1:4] == ["run", "raw/bw_sales_result", "--partition"]
    gate = lake(tmp_path, *refused[1:])
    assert gate.returncode == 65, gate.stdout
    assert "unique(document, item)" in gate.stdout
    made = files(tmp_path)
    assert {path.split("/")[2] for path in made} == {
        *("bw_sales_result", "sales_result_daily", "customer", "customer_master"),
        *("sales_result_monthly", "sales_customer_rank_monthly"),
        *("ar_invoice", "ar_payment", "ar_open_item", "outstanding_balance_monthly"),
        *("outstanding_balance_aging", "payment_feature", "payment_outcome"),
        *("late_payment", "late_payment_score"),
        *("weather_forecast", "dlp_log"),
    }

    second = json.loads(lake(tmp_path, "demo", "--scale", "0.1", "--json").stdout)
    assert (second["ok"], second["runs"], len(second["skipped"])) == (True, [], 18)
    assert all(one["reason"].startswith("up to date since 20") for one in second["skipped"])
    assert files(tmp_path) == made

    forced = lake(tmp_path, "demo", "--scale", "0.1", "--force", "--json")
    told: dict[str, Any] = json.loads(forced.stdout)
    assert told["skipped"] == []
    in_lake = [one for one in told["made"] if not one["asset"].startswith("out/")]
    assert sum(max(len(one["partitions"]), 1) for one in in_lake) == len(made)
    after = files(tmp_path)
    assert data(after) == data(made)
    # A new file was written beside each old one, so at its path another inode is found.
    assert [path for path in made if after[path][1] == made[path][1]] == []

    # The rows of a table with personal data are shown without it.
    monkeypatch.setenv("LAKE_HOME", str(tmp_path))
    for name, rows in (("raw/customer", 3), ("src/hana_db/customer", 10)):
        peeked = json.loads(here("peek", name, "--rows", str(rows), "--json").stdout)
        assert len(peeked["rows"]) == rows
        assert {row["name"] for row in peeked["rows"]} == {"***"}
        assert {row["business_no"] for row in peeked["rows"]} == {"(secret)"}
    missing = here("peek", "raw/bw_sales_result", "--partition", "2001-01-01")
    assert missing.exit_code == 2
    assert "raw/bw_sales_result has no partition '2001-01-01' in the lake; there is 20" in (
        missing.stderr
    )
    # A day named is made again, with one run for both of its assets.
    day = max(path for path in made if "raw/bw_sales_result" in path)[-25:-15]
    one = json.loads(here("run", "+prep/sales_result_daily", "--partition", day, "--json").stdout)
    assert [(run["partitions"], run["reasons"]) for run in one["runs"]] == [
        ([day], {"raw/bw_sales_result": "asked", "prep/sales_result_daily": "asked"})
    ]
    assert data(files(tmp_path)) == data(made)
