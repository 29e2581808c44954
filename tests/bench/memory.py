"""Memory does not grow with the rows: ten million in one partition against one million.

Here: one round of each, as a peak of memory hardly varies. Not here: the peers (`extraction.py`).
"""

from __future__ import annotations

from tests.bench.runner import MONTH, Bench, Ratio, Side, alternate, megabytes
from tests.servers.sales_table import TYPES


def run(bench: Bench) -> list[Ratio]:
    arguments = {**bench.address, "root": str(bench.folder / "store"), "types": TYPES}
    ten = {**arguments, "table": bench.year, "span": None}
    one = {**arguments, "table": bench.month, "span": MONTH}
    found = alternate(
        "memory",
        Side("10M rows", "sides:published", ten),
        Side("1M rows", "sides:published", one),
        1,
    )
    notes = {"rows": f"{bench.year_rows:,} against {found.peer[0]['facts']['rows']:,}"}
    return [found.ratio("10M rows against 1M", "MB", megabytes, 1.15, notes=notes)]
