"""A month from a driver that has DB-API only, against pandas on the same driver and cursor.

Here: the ratio, of PostgreSQL through psycopg2's server-side cursor on both sides, and memory that
does not grow. Not here: PostgreSQL's own route (`extraction.py`).
"""

from __future__ import annotations

from tests.bench.runner import MONTH, Bench, DiffersError, Ratio, Side, alternate, cpu, megabytes
from tests.servers.sales_table import TYPES


def run(bench: Bench) -> list[Ratio]:
    given = {**bench.address, "table": bench.month, "span": MONTH}
    ours = Side(
        "ours",
        "sides:published",
        {**given, "root": str(bench.folder / "dbapi"), "types": TYPES, "kind": "dbapi"},
    )
    chunked = {**given, "file": str(bench.folder / "chunked.parquet")}
    found = alternate(
        "dbapi", ours, Side("pandas", "dbapi_sides:chunked", chunked), bench.rounds(7)
    )
    rows = {one["facts"]["rows"] for one in (*found.ours, *found.peer)}
    if len(rows) != 1:
        raise DiffersError(f"the sides have {rows} rows")
    # Six days are a fifth of the month, and more than the row group that the file's writer holds.
    few = Side("six days", ours.function, {**ours.arguments, "span": ("2025-07-01", "2025-07-07")})
    flat = alternate("dbapi", ours, few, 1)
    memory = found.ratio("", "MB", megabytes, 1.0)
    peers = {"memory": f"{memory.ours:.0f} MB, pandas in chunks {memory.peer:.0f} MB"}
    notes = {"rows": f"{rows.pop():,} against {flat.peer[0]['facts']['rows']:,}"}
    return [
        found.ratio("CPU of pandas over ours", "s", cpu(), 1.5, least=True, notes=peers),
        flat.ratio("a month against six days", "MB", megabytes, 1.1, notes=notes),
    ]
