"""The graph as every process of Dagster loads it: what that costs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pyarrow", "numpy", "duckdb", "sqlglot", "pandas", "polars")


def test_the_graph_loads_without_the_engines_of_a_run() -> None:
    """A webserver, a sensor and a schedule load it too; pyarrow alone is 0.2 CPU s."""
    script = (
        "import sys, lake_assets.definitions as found; assert found.defs.get_repository_def(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
