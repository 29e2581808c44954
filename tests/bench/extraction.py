"""A month from PostgreSQL to a published partition, against DuckDB's bare COPY of the same rows.

Here: both sides, and the proof that their files hold the same. Not here: more rows (`memory.py`)
and the graph around it (`backfill.py`).
"""

from __future__ import annotations

from resources.duckdb_tables import extension
from tests.bench.runner import (
    MONTH,
    Bench,
    DiffersError,
    Ratio,
    Side,
    alternate,
    cpu,
    megabytes,
)
from tests.servers.sales_table import TYPES


def run(bench: Bench) -> list[Ratio]:
    arguments = {**bench.address, "table": bench.month, "span": MONTH}
    root, file = bench.folder / "store", bench.folder / "peer.parquet"
    ours = Side("ours", "sides:published", {**arguments, "root": str(root), "types": TYPES})
    copy = {
        **arguments,
        "file": str(file),
        "extension": str(extension("duckdb_extension_postgres_scanner")),
    }
    found = alternate("extraction", ours, Side("COPY", "sides:copied", copy), bench.rounds(7))
    rows = found.ours[0]["facts"]["rows"]
    same(found.ours[-1]["facts"]["file"], str(file))
    # Neither CPU nor memory is that of starting a process: the memory limit is against COPY in a
    # process that has imported what ours has. Against a bare one it is in the notes.
    dressed = alternate(
        "extraction", ours, Side("COPY", "sides:copied", {**copy, "dressed": True}), 3
    )
    bare = found.ratio("", "MB", megabytes, 1.3)
    notes = {"against a process without imports": f"{bare.peer:.0f} MB, {bare.ratio:.2f}"}
    return [
        found.ratio("CPU against COPY", "s", cpu(), 1.15, notes={"rows": f"{rows:,}"}),
        dressed.ratio("peak memory against COPY", "MB", megabytes, 1.3, notes=notes),
    ]


def same(one: str, other: str) -> None:
    """Both files hold the same multiset of rows, value by value."""
    import duckdb

    db = duckdb.connect()
    left, right = (
        f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)" for path in (one, other)
    )
    schemas = [
        [column[:2] for column in db.execute(f"DESCRIBE {rows}").fetchall()]
        for rows in (left, right)
    ]
    if schemas[0] != schemas[1]:
        raise DiffersError(f"other columns: {schemas[0]} and {schemas[1]}")
    for first, second in ((left, right), (right, left)):
        found = db.execute(f"SELECT count(*) FROM ({first} EXCEPT ALL {second})").fetchone()
        if found != (0,):
            raise DiffersError(f"{found} rows of {one} and {other} differ")
