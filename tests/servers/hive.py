"""A real HiveServer2 of the tests' own, over one of their HDFS: Hive 1.2.1, MapReduce in process.

Here: its configuration, starting and stopping. Not here: the jars (`hadoop.py`), the HDFS
(`hdfs.py`), the fixture (`tests/conftest.py`), tables and queries.
"""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.hadoop import (
    Hadoop,
    find_hadoop,
    log_end,
    server_folder,
    start_java,
    stop,
    write_configuration,
)
from tests.servers.hdfs import GROUPS, HdfsServer
from tests.servers.postgres import NoServer, free_port


@dataclass(frozen=True)
class HiveServer:
    """A running HiveServer2: any user name is let in (`auth: NONE`), all act as `user` on HDFS."""

    hdfs: HdfsServer
    port: int
    user: str
    time_zone: str
    log: Path
    host: str = "127.0.0.1"


@contextmanager
def running_hive(
    hdfs: HdfsServer,
    *,
    user: str = "hive",
    time_zone: str = "Asia/Seoul",
    environment: Mapping[str, str] | None = None,
) -> Iterator[HiveServer]:
    """A HiveServer2 for the duration of the block, its metastore empty; `NoServer` if none.

    `time_zone` is its JVM's, which is what its TIMESTAMPs are of; `environment` what `${env:X}`
    in a statement can see besides our own. `user` owns the warehouse, and must be let into the
    folders of external tables (as `hive` must on a site).
    """
    hadoop = find_hadoop()
    warehouse = f"/user/{user}/warehouse"
    hdfs.make_folder(warehouse, user)
    hdfs.make_folder("/tmp/hive", user, "733")
    with server_folder("hive") as folder:
        server = HiveServer(hdfs, free_port(), user, time_zone, folder / "hive.log")
        _configure(folder, hadoop, server, warehouse)
        classpath = ":".join([f"{folder}/", f"{hadoop.classes}/", *hadoop.hive_classpath()])
        process = start_java(
            ["OldMain", classpath, "org.apache.hive.service.server.HiveServer2"],
            classpath=[str(hadoop.classes)],
            log=server.log,
            user=user,
            time_zone=time_zone,
            heap_mb=768,
            options=[
                f"-Dderby.stream.error.file={folder}/derby.log",
                "-Dderby.system.durability=test",  # the metastore's 60 tables without a disk flush
            ],
            environment=environment,
        )
        try:
            _wait(server, process)
            yield server
        finally:
            stop(process)


def _configure(folder: Path, hadoop: Hadoop, server: HiveServer, warehouse: str) -> None:
    database = f"jdbc:derby:;databaseName={folder}/metastore"
    for name in ("hive-log4j.properties", "hive-exec-log4j.properties"):
        shutil.copy(hadoop.classes / "log4j.properties", folder / name)
    write_configuration(
        folder / "core-site.xml",
        {
            "fs.defaultFS": server.hdfs.filesystem,
            "hadoop.tmp.dir": folder / "hadoop",
            "hadoop.user.group.static.mapping.overrides": GROUPS,
        },
    )
    write_configuration(
        folder / "hive-site.xml",
        {
            "javax.jdo.option.ConnectionURL": f"{database};create=true",
            "datanucleus.autoCreateSchema": "true",
            "datanucleus.fixedDatastore": "false",
            "hive.metastore.schema.verification": "false",
            "hive.metastore.warehouse.dir": warehouse,
            "hive.server2.thrift.bind.host": server.host,
            "hive.server2.thrift.port": server.port,
            "hive.server2.enable.doAs": "false",
            "hive.exec.scratchdir": "/tmp/hive",
            "hive.exec.local.scratchdir": folder / "scratch",
            "hive.downloaded.resources.dir": folder / "resources",
            "hive.querylog.location": folder / "queries",
            "hive.server2.logging.operation.log.location": folder / "operations",
            "hive.exec.dynamic.partition.mode": "nonstrict",
            "hive.execution.engine": "mr",
            "mapreduce.framework.name": "local",
            "hive.exec.submit.local.task.via.child": "false",
            "hive.exec.submitviachild": "false",
            "hive.stats.autogather": "false",
            # A job is asked every second whether it is done; here most take a tenth of that.
            "hive.exec.counters.pull.interval": "50",
        },
    )


def _wait(server: HiveServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while not _lets_in(server):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoServer(f"HiveServer2 did not start: {log_end(server.log)}")
        time.sleep(0.1)


def _lets_in(server: HiveServer) -> bool:
    """Whether a login (SASL PLAIN, as thrift frames it) is accepted."""
    start, complete, name = 1, 5, b"\0probe\0probe"
    try:
        with socket.create_connection((server.host, server.port), 5) as connection:
            connection.sendall(struct.pack(">BI", start, 5) + b"PLAIN")
            connection.sendall(struct.pack(">BI", 2, len(name)) + name)
            return connection.recv(1) == bytes([complete])
    except OSError:
        return False
