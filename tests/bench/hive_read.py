"""Reading a Hive table in bulk, against PyHive's cursor: rows for a CPU second of the client.

Here: the table, both sides, the proof that they read the same. Not here: the servers
(`tests/servers`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.meter import Meter
from tests.bench.runner import Bench, DiffersError, Ratio, Side, alternate, cpu
from tests.servers.hdfs import HdfsServer, running_hdfs
from tests.servers.hive import HiveServer, running_hive
from tests.servers.sales_table import TYPES, build_sales, server_rows

USER = "lake"


def run(bench: Bench) -> list[Ratio]:
    rows = 100_000 if bench.quick else 300_000
    with running_hdfs() as hdfs, running_hive(hdfs) as hive, _table(bench, hdfs, hive, rows):
        words = {"host": hive.host, "port": hive.port, "user": hive.user}
        found = alternate(
            "hive",
            Side("ours", "hive_read:arrow", words),
            Side("PyHive", "hive_read:pyhive_rows", words),
            bench.rounds(3),
        )
    facts = [one["facts"] for one in (*found.ours, *found.peer)]
    if any(one != {"rows": rows, "digest": facts[0]["digest"]} for one in facts):
        raise DiffersError(f"the sides read different rows: {facts}")
    notes = {
        name: f"{rows / cpu()(side[len(side) // 2]):,.0f} rows a CPU s"
        for name, side in (("ours", found.ours), ("PyHive", found.peer))
    }
    return [found.ratio("CPU of PyHive over ours", "s", cpu(), 10, least=True, notes=notes)]


@contextmanager
def _table(bench: Bench, hdfs: HdfsServer, hive: HiveServer, rows: int) -> Iterator[None]:
    """The sales table as one Parquet file in Hive's table `sales`."""
    from resources.hdfs import Hdfs
    from resources.hdfs_store import HdfsStore
    from resources.hive import HiveConnection
    from resources.hive_tables import HiveTable, create_table, hive_column
    from resources.partition import Partition
    from resources.settings import Connection
    from resources.types import parse_type

    build_sales(bench.server, "bench", rows=rows, days=31, table="hive")
    table = server_rows(bench.server, "bench", TYPES, table="hive")
    reached = Hdfs("hdfs", Connection(kind="hdfs", url=hdfs.url, user=USER))
    store = HdfsStore(reached, "/data/lake", "hive1")
    with store.writer(Partition("raw", "sales"), table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
        writer.publish()
    columns = tuple(hive_column(name, parse_type(type_)) for name, type_ in TYPES.items())
    of = HiveTable("default", "sales", "", columns, (), "/data/lake/raw/sales")
    own = Connection(kind="hive", host=hive.host, port=hive.port, user=hive.user)
    with HiveConnection("hive", own) as session:
        session.run(create_table(of))
        yield


def arrow(meter: Meter, host: str, port: int, user: str) -> dict[str, Any]:
    """As an asset reads it: described, counted and summed before and after."""
    import pyarrow as pa

    from resources.hive_source import connect
    from resources.settings import Connection
    from resources.source import Column, Table
    from resources.types import parse_type

    columns = tuple(Column(name, name, parse_type(type_)) for name, type_ in TYPES.items())
    described = Table(columns=columns, schema="default", table="sales", sums=("amount",))
    with meter():
        own = Connection(kind="hive", host=host, port=port, user=user)
        with connect("hive", own) as source, source.read(described) as reading:
            table = pa.Table.from_batches(reading.batches, reading.schema)
    return _facts(tuple(row.values()) for row in table.to_pylist())


def pyhive_rows(meter: Meter, host: str, port: int, user: str) -> dict[str, Any]:
    """A cursor's rows, in pages as large as ours."""
    from pyhive import hive

    with meter(), hive.connect(host, port=port, username=user, auth="NONE") as connection:
        cursor = connection.cursor(arraysize=10_000)
        cursor.execute(f"SELECT {', '.join(f'`{name}`' for name in TYPES)} FROM sales")
        rows = cursor.fetchall()
    return _facts(rows)


def _facts(rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """The number of rows, and a digest of every value whatever class it came in."""
    digest, count = hashlib.sha256(), 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - it is the number in the end
        digest.update(repr([_text(value) for value in row]).encode())
    return {"rows": count, "digest": digest.hexdigest()}


def _text(value: Any) -> str | None:
    from decimal import Decimal

    if value is None:
        return None
    return str(value.normalize() if isinstance(value, Decimal) else value)
