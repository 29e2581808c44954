"""A disk that is full on the way out, of real servers: what was there stays, all of it.

Slow, as it mounts a small file system, for which a user other than root has no right.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from resources import deliver_files
from resources.deliver import Delivery, FileTarget
from resources.errors import TransientError
from resources.settings import Connection
from resources.source import Column
from resources.types import parse_type
from tests.conftest import absent
from tests.deliver import databases
from tests.deliver.test_tables import FULL, THERE, deliver, delivery, found
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer
from tests.servers.sftp import SftpServer

pytestmark = [pytest.mark.slow, pytest.mark.server]

_MB = 16


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = Path("/tmp") / f"lake-disk-{os.getpid()}"  # where the servers' users come
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={_MB}m,mode=1777", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            absent("a small file system", done.stderr.strip())
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
        folder.rmdir()


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVER_WORD", databases.PASSWORD)


def too_many() -> list[dict[str, Any]]:
    """Rows of 24 MB that no server stores in less."""
    return [{**FULL, "id": n, "raw": os.urandom(4096)} for n in range(6000)]


def test_a_tablespace_of_postgresql(postgres_server: PostgresServer, disk: Path) -> None:
    with databases.postgres(postgres_server) as database:
        space = disk / "space"
        space.mkdir()
        shutil.chown(space, "postgres" if os.getuid() == 0 else os.getuid())
        database.execute("DROP TABLESPACE IF EXISTS small_disk")
        database.execute(f"CREATE TABLESPACE small_disk LOCATION '{space}'")
        database.make("t", THERE)
        database.execute("ALTER TABLE t SET TABLESPACE small_disk")
        try:
            deliver(database, delivery([FULL]))
            with pytest.raises(TransientError, match=r"disk|space") as told:
                deliver(database, delivery(too_many()))
            assert "Nothing was written" in str(told.value)
            assert found(database) == [FULL]
            deliver(database, delivery([{**FULL, "id": 5}]))
            assert [row["id"] for row in found(database)] == [5]
        finally:
            database.execute("DROP TABLE t", "DROP TABLESPACE small_disk")


def test_a_table_of_mariadb(mariadb_server: MariaDBServer, disk: Path) -> None:
    with databases.mariadb(mariadb_server) as database:
        database.make("t", THERE)
        database.execute("DROP TABLE t")
        columns = ", ".join(f"`{name}` {database.words.get(kind, kind)}" for name, kind in THERE)
        database.execute(f"CREATE TABLE t ({columns}) DATA DIRECTORY='{disk}'")
        database.grant("t")
        try:
            deliver(database, delivery([FULL]))
            with pytest.raises(TransientError, match=r"full") as told:
                deliver(database, delivery(too_many()))
            assert "Nothing was written" in str(told.value)
            assert found(database) == [FULL]
        finally:
            database.execute("DROP TABLE t")


def files(path: str) -> Delivery:
    """A file of 24 MB."""
    batch = pa.RecordBatch.from_pydict({"name": [os.urandom(2048).hex() for _ in range(6000)]})
    columns = (Column("name", "name", parse_type("string")),)
    return Delivery("out/full", FileTarget(path=path, format="csv"), columns, [batch])


def test_a_folder_of_an_sftp_server(sftp_server: SftpServer, disk: Path) -> None:
    connection = Connection(
        kind="sftp",
        host=sftp_server.host,
        port=sftp_server.port,
        user=sftp_server.user,
        options=sftp_server.options,
    )
    full(connection, disk, str(disk / "rows.csv"))


def test_a_folder(disk: Path) -> None:
    full(Connection(kind="storage", path=str(disk)), disk, "rows.csv")


def full(connection: Connection, disk: Path, path: str) -> None:
    old = disk / "rows.csv"
    old.write_text("old\n")
    with pytest.raises(TransientError, match=r"No space left on device|is its disk full") as told:
        deliver_files.deliver("files", connection, files(path))
    assert path in str(told.value)
    assert old.read_text() == "old\n"
    assert [path.name for path in disk.iterdir()] == ["rows.csv"]
