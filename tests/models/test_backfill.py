"""A range of a model's partitions by the `lake` command: one MLflow run each, one may fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.models.lake import MODEL, opened

LAKE = Path(sys.executable).with_name("lake")

#: August is fitted on months until May, its held-out ones follow.
FAILS_ONCE = MODEL.replace(
    "    wrong =",
    "    if period.max() == '2024-05':\n        raise ValueError('a bad month')\n    wrong =",
)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "LAKE_PIPELINES": str(folder / "pipelines")}
    return subprocess.run(
        [LAKE, "run", *words], env=environ, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_range_is_one_mlflow_run_a_partition_and_one_failure_loses_one(folder: Path) -> None:
    with opened(folder, model=FAILS_ONCE) as lake:
        # The command's own history knows nothing of the test's instance: it makes all that is read.
        done = run(folder, "+model/late", "--from", "2024-01", "--to", "2024-10", "--json")
        made = run(folder, "prep/late_score", "--from", "2024-07", "--to", "2024-10", "--json")
        states = lake.states()
    assert done.returncode in (1, 65, 75), done.stderr
    assert [one for one in states if one[0] >= "2024-05"] == [
        ("2024-05", "FINISHED", "live"),
        ("2024-06", "FINISHED", "live"),
        ("2024-07", "FINISHED", "live"),
        ("2024-08", "FAILED", "failed"),
        ("2024-09", "FINISHED", "live"),
        ("2024-10", "FINISHED", "live"),
    ]
    # Too early to hold two months out: no MLflow run at all.
    assert [one for one in states if one[0] < "2024-05"] == []
    with opened(folder, model=FAILS_ONCE) as lake:
        assert [partition for _, partition in lake.versions()] == [
            "2024-05",
            "2024-06",
            "2024-07",
            "2024-09",
            "2024-10",
        ]
    told = json.loads(done.stdout)
    assert "a bad month" in json.dumps(told, ensure_ascii=False)
    # Nothing of MLflow's own talk is in what the command says.
    for words in (
        "alembic",
        "INFO mlflow",
        "WARNING mlflow",
        "telemetry",
        "Successfully registered",
    ):
        assert words not in done.stderr + made.stderr
    # The month whose model failed has no scores; the others have.
    print("MADE", made.stdout[-3000:], made.stderr[-2000:])
    scored = sorted(path.parent.name for path in folder.rglob("prep/late_score/*/part-0.parquet"))
    assert scored == ["ym=2024-07", "ym=2024-09", "ym=2024-10"]
