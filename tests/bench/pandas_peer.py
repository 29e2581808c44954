"""A month from PostgreSQL to a published partition, against pandas as a notebook would do it.

Here: the two sides' ratios, which are the least that must hold. Not here: how either is done
(`sides.py`).
"""

from __future__ import annotations

from tests.bench.runner import MONTH, Bench, DiffersError, Ratio, Side, alternate, cpu, megabytes
from tests.servers.sales_table import TYPES


def run(bench: Bench) -> list[Ratio]:
    arguments = {**bench.address, "table": bench.month, "span": MONTH}
    root, file = str(bench.folder / "store"), str(bench.folder / "pandas.parquet")
    found = alternate(
        "pandas",
        Side("ours", "sides:published", {**arguments, "root": root, "types": TYPES}),
        Side("pandas", "sides:pandas_written", {**arguments, "file": file}),
        bench.rounds(3),
    )
    rows = {one["facts"]["rows"] for one in (*found.ours, *found.peer)}
    if len(rows) != 1:
        raise DiffersError(f"the sides have {rows} rows")
    return [
        found.ratio("CPU of pandas over ours", "s", cpu(), 6, least=True),
        found.ratio("memory of pandas over ours", "MB", megabytes, 8, least=True),
    ]
