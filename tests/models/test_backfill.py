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
        [LAKE, "run", *words], env=environ, capture_output=True, text=True, timeout=600, check=False
    )


def test_a_range_is_one_mlflow_run_a_partition_and_one_failure_loses_one(folder: Path) -> None:
    with opened(folder, model=FAILS_ONCE) as lake:
        # The command's own history knows nothing of the prepared one: it makes what is read anew.
        made = run(folder, "+prep/feature", "prep/outcome", "--from", "2024-01", "--to", "2024-09")
        assert made.returncode == 0, made.stdout + made.stderr
        asked = ("model/late", "prep/late_score", "--from", "2024-07", "--to", "2024-09", "--json")
        done = run(folder, *asked)
        assert done.returncode == 65, done.stdout + done.stderr
        assert lake.states() == [
            ("2024-07", "FINISHED", "live"),
            ("2024-08", "FAILED", "failed"),
            ("2024-09", "FINISHED", "live"),
        ]
        assert lake.versions() == [(1, "2024-07"), (2, "2024-09")]
        assert "a bad month" in lake.runs()[1].data.tags["lake.reason"]
    told = json.loads(done.stdout)
    assert [run["partitions"] for run in told["runs"]] == [["2024-07"], ["2024-08"], ["2024-09"]]
    assert [run["succeeded"] for run in told["runs"]] == [True, False, True]
    # The month whose model failed has no scores; the others have.
    scored = sorted(path.parent.name for path in folder.rglob("prep/late_score/*/part-0.parquet"))
    assert scored == ["ym=2024-07", "ym=2024-09"]
    # Nothing of MLflow's own talk is in what the command says.
    assert "mlflow" not in (made.stderr + done.stderr).lower()
