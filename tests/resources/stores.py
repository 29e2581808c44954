"""Stores for tests, the same on a disk and on a real HDFS, and rows to put into them.

Here: what a test needs besides a store: looking at names and bytes below it, putting some there.
Not here: tests (`test_store.py` and its neighbours).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import requests

from resources.file_store import FileStore
from resources.folder_store import FolderStore
from resources.hdfs import Hdfs
from resources.hdfs_store import HdfsStore
from resources.partition import Partition
from resources.settings import Connection
from tests.servers.hdfs import HdfsServer

DAY = Partition("raw", "sales", "daily", "2025-07-01")
LITTER = ".part-0.parquet.0123456789abcdef"


@dataclass
class Disk:
    """Below a folder of this machine."""

    root: Path

    def store(self, profile: Any = "modern") -> FolderStore:
        return FolderStore(self.root, profile)

    def names(self, folder: str) -> list[str]:
        return sorted(entry.name for entry in (self.root / folder).iterdir())

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def put(self, path: str, data: bytes = b"") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def make(self, path: str) -> None:
        (self.root / path).mkdir(parents=True)


@dataclass
class OnHdfs:
    """Below a folder of a real HDFS, by requests of its own."""

    url: str
    root: str

    def store(self, profile: Any = "modern") -> HdfsStore:
        return HdfsStore(hdfs_of(self.url), self.root, profile)

    def names(self, folder: str) -> list[str]:
        found = self.ask("GET", folder, "LISTSTATUS").json()["FileStatuses"]["FileStatus"]
        return sorted(one["pathSuffix"] for one in found)

    def read(self, path: str) -> bytes:
        return self.ask("GET", path, "OPEN").content

    def put(self, path: str, data: bytes = b"") -> None:
        self.ask("PUT", path, "CREATE", data, overwrite="true")

    def make(self, path: str) -> None:
        self.ask("PUT", path, "MKDIRS")

    def age(self, path: str, days: float) -> None:
        """Let a file or folder be so many days older than it is."""
        status = self.ask("GET", path, "GETFILESTATUS").json()["FileStatus"]
        then = status["modificationTime"] - int(days * 86_400_000)
        self.ask("PUT", path, "SETTIMES", modificationtime=str(then))

    def ask(
        self, method: str, path: str, op: str, data: bytes | None = None, **words: str
    ) -> requests.Response:
        params = {"op": op, "user.name": "lake", **words}
        answer = requests.request(
            method, f"{self.url}/webhdfs/v1{self.root}/{path}", params=params, data=data, timeout=30
        )
        answer.raise_for_status()
        return answer


Place = Disk | OnHdfs


def hdfs_of(url: str, user: str = "lake", **options: int) -> Hdfs:
    return Hdfs("hdfs", Connection(kind="hdfs", url=url, user=user, options=options))


def new_folder(server: HdfsServer) -> OnHdfs:
    return OnHdfs(server.url, f"/data/lake/{secrets.token_hex(6)}")


def numbers(value: int, rows: int = 3) -> pa.Table:
    """Rows that all hold `value`, so that a mixture of two versions shows."""
    return pa.table({"id": pa.array(np.arange(rows)), "value": pa.array(np.full(rows, value))})


def noise(version: int, rows: int) -> pa.Table:
    """The same, of 16 bytes a row however it is compressed."""
    random = np.random.default_rng(version)
    return numbers(version, rows).append_column("noise", pa.array(random.random(rows)))


def publish(store: FileStore, partition: Partition, table: pa.Table) -> str:
    with store.writer(partition, table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
        return writer.publish().path


def publish_many(store: FileStore, partition: Partition, table: pa.Table) -> str:
    with store.version(partition, table.schema) as version:
        for batch in table.to_batches():
            version.write(batch)
        return version.publish().path
