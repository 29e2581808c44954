"""A month through a JDBC driver, against JayDeBeApi's cursor on the same driver and query.

Here: rows a CPU second (the JVM is in the process, and counted), and memory that does not grow. Not
here: PostgreSQL's own route (`extraction.py`); its driver stands for any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.runner import MONTH, Bench, Ratio, Side, alternate, megabytes
from tests.servers.sales_table import TYPES

#: The cursor is too slow for a month: the rate of so many rows is its rate.
CURSOR_ROWS = 30_000


def run(bench: Bench) -> list[Ratio]:
    given = {**bench.address, "table": bench.month, "span": MONTH}
    ours = Side("ours", "jdbc_sides:read", {**given, "types": TYPES, "route": "arrow"})
    peer = Side("JayDeBeApi", "jdbc_sides:by_cursor", {**given, "rows": CURSOR_ROWS})
    found = alternate("jdbc", ours, peer, bench.rounds(3))
    few = Side(
        "three days", ours.function, {**ours.arguments, "span": ("2025-07-01", "2025-07-04")}
    )
    flat = alternate("jdbc", ours, few, 1)
    plain = Side("rows", ours.function, {**few.arguments, "route": "rows"}).run()
    rates = {
        "rows a second": f"{_rate(found.ours[-1]):,.0f} against {_rate(found.peer[-1]):,.0f}",
        "our fallback": f"{_rate(plain):,.0f}",
    }
    rows = {"rows": f"{found.ours[0]['facts']['rows']:,} against {flat.peer[0]['facts']['rows']:,}"}
    return [
        found.ratio("CPU a row against JayDeBeApi", "µs", _each, 15, least=True, notes=rates),
        flat.ratio("a month against three days", "MB", megabytes, 1.15, notes=rows),
    ]


def _each(found: Mapping[str, Any]) -> float:
    return float(found["cpu"]["cpu"]) / int(found["facts"]["rows"]) * 1e6


def _rate(found: Mapping[str, Any]) -> float:
    return float(found["facts"]["rows"] / found["facts"]["seconds"])
