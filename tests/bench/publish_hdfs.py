"""Publishing to HDFS, against HdfsCLI's `with client.write()` of the same rows in the same bytes.

Here: both ways, on a fast wire for time and on one of 20 MB/s for memory. Not here: the server and
its slow wire (`tests/servers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import requests

from tests.bench.meter import Meter
from tests.bench.runner import Bench, DiffersError, Ratio, Rounds, Side, alternate, cpu, megabytes
from tests.servers.hdfs import HdfsServer, running_hdfs

SLOW = 20e6
USER = "lake"
FOLDER = "/data/lake/raw/bench"

#: A row group is 4.5 MB encoded: 360 MB, of which a queue without bound keeps most on a slow wire.
GROUPS = 80


def run(bench: Bench) -> list[Ratio]:
    groups = 10 if bench.quick else GROUPS
    with running_hdfs() as server:
        fast = _both(server, groups, bench.rounds(7))
        size = _same(server)
    with running_hdfs(bytes_per_second=SLOW) as server:
        slow = _both(server, groups, bench.rounds(1))
    notes = {"file": f"{size / 1e6:.0f} MB"}
    return [
        _best(fast, notes),
        fast.ratio("CPU against client.write", "s", cpu(), 1.15, notes=notes),
        slow.ratio("peak memory at 20 MB/s", "MB", megabytes, 0.6, notes=notes),
    ]


def _both(server: HdfsServer, groups: int, rounds: int) -> Rounds:
    words = {"url": server.url, "groups": groups}
    ours = Side("ours", "publish_hdfs:published", words)
    peer = Side("client.write", "publish_hdfs:written", words)
    return alternate("hdfs", ours, peer, rounds)


def _best(rounds: Rounds, notes: dict[str, Any]) -> Ratio:
    """The fastest round of each: what else a machine does lengthens either by half, and never
    shortens one."""
    found = rounds.ratio("time against client.write", "s", _seconds, 1.0, notes=notes)
    return replace(
        found, ours=min(map(_seconds, rounds.ours)), peer=min(map(_seconds, rounds.peer))
    )


def _seconds(found: Any) -> float:
    return float(found["facts"]["seconds"])


def _same(server: HdfsServer) -> int:
    """Both ways made the same file, by HDFS's own checksum of it; its size."""
    found = []
    for name in ("part-0.parquet", "peer.parquet"):
        address = f"{server.url}/webhdfs/v1{FOLDER}/{name}?user.name={USER}&op="
        checksum = requests.get(f"{address}GETFILECHECKSUM", timeout=60).json()
        found.append(checksum["FileChecksum"]["bytes"])
    if len(set(found)) != 1:
        raise DiffersError(f"the two files differ: {found}")
    status = requests.get(f"{address}GETFILESTATUS", timeout=60).json()
    return int(status["FileStatus"]["length"])


def batches(groups: int) -> Iterator[pa.RecordBatch]:
    """Rows as sales are: text of few and of many values, decimals, times; the same for both."""
    import numpy as np

    from resources.parquet import PIECE, ROW_GROUP

    random = np.random.default_rng(7)

    def texts(prefix: str, many: int) -> pa.Array:
        words = pa.array(np.char.add(prefix, np.arange(many).astype(str)))
        return words.take(pa.array(random.integers(0, many, ROW_GROUP)))

    def numbers(most: int) -> pa.Array:
        return pa.array(random.integers(0, most, ROW_GROUP))

    table = pa.table(
        {
            "line_id": pa.array(np.arange(ROW_GROUP)),
            "order_id": numbers(10**9),
            "sold_at": numbers(10**15).cast(pa.timestamp("us")),
            "store_cd": texts("S", 500),
            "store_nm": texts("서울 중앙점 ", 500),
            "item_cd": texts("8801", 20_000),
            "item_nm": texts("유기농 현미 ", 20_000),
            "unit_price": numbers(10**6).cast(pa.decimal128(19)).cast(pa.decimal128(18)),
            "amount": numbers(10**8).cast(pa.decimal128(19)).cast(pa.decimal128(18)),
            "weight": pa.array(random.random(ROW_GROUP)),
            "comment": texts("문의 사항 ", 100_000),
        }
    )
    for _ in range(groups):
        yield from table.to_batches(PIECE)


def published(meter: Meter, url: str, groups: int) -> dict[str, Any]:
    """The store's way: one hidden file, checked, renamed."""
    from time import perf_counter

    from resources.hdfs import Hdfs
    from resources.hdfs_store import HdfsStore
    from resources.partition import Partition
    from resources.settings import Connection

    store = HdfsStore(
        Hdfs("bench", Connection(kind="hdfs", url=url, user=USER)), "/data/lake", "modern"
    )
    rows = batches(groups)
    first = next(rows)
    with meter():
        started = perf_counter()
        with store.writer(Partition("raw", "bench"), first.schema) as writer:
            writer.write(first)
            for batch in rows:
                writer.write(batch)
            writer.publish()
        seconds = perf_counter() - started
    return {"seconds": seconds}


def written(meter: Meter, url: str, groups: int) -> dict[str, Any]:
    """What HdfsCLI's manual shows, with the same encoder."""
    from time import perf_counter

    import hdfs

    from resources.parquet import ParquetStream

    client = hdfs.InsecureClient(url, user=USER)
    rows = batches(groups)
    first = next(rows)
    with meter():
        started = perf_counter()
        with client.write(f"{FOLDER}/peer.parquet", overwrite=True) as sink:
            # pyarrow takes files that say where they are; HdfsCLI's does not.
            stream = ParquetStream(_Told(sink), first.schema, "modern")
            stream.write(first)
            for batch in rows:
                stream.write(batch)
            stream.close()
        seconds = perf_counter() - started
    return {"seconds": seconds}


class _Told:
    """HdfsCLI's writer with the methods that pyarrow asks for."""

    closed = False

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._at = 0

    def write(self, data: bytes) -> int:
        self._sink.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """HdfsCLI's has one that does nothing."""

    def close(self) -> None:
        """Closed by its own block."""
