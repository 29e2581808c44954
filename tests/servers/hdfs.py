"""A real HDFS of the tests' own: a NameNode and a DataNode of Hadoop 2.7.3 on free ports.

Here: their configuration, starting and stopping, killing and restarting one of the two, quotas and
safe mode. Not here: the jars (`hadoop.py`), the fixtures (`tests/conftest.py`), and anything that
reads or writes files: tests do that over WebHDFS, as the code under test does.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import requests

from tests.servers.hadoop import (
    Hadoop,
    find_hadoop,
    read_line,
    server_folder,
    start_java,
    stop,
    write_configuration,
)
from tests.servers.postgres import NoServer, free_port
from tests.servers.throttle import throttled

Role = Literal["both", "namenode", "datanode"]

SUPERUSER = "hdfs"

#: Groups of users whom the machine's own list does not know.
GROUPS = "hdfs=supergroup;lake=lake;hive=hive"


@dataclass
class HdfsServer:
    """A running HDFS with permissions on. `hdfs` is the superuser; `/data/lake` belongs to `lake`.

    `url` is WebHDFS's address, `filesystem` what Hive calls it (`hdfs://…`), `datanode_port` where
    WebHDFS sends clients for the bytes.
    """

    folder: Path
    hadoop: Hadoop
    time_zone: str
    namenode_port: int
    rpc_port: int
    datanode_port: int
    processes: dict[Role, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.namenode_port}"

    @property
    def filesystem(self) -> str:
        return f"hdfs://127.0.0.1:{self.rpc_port}"

    def make_folder(self, path: str, owner: str, mode: str = "755") -> None:
        """A folder (and its parents) of that owner and group."""
        self._tell("folder", path, owner, mode)

    def set_quota(self, path: str, *, names: int = -1, space: int = -1) -> None:
        """Allow so many names (the folder is one) and bytes under a folder; -1 allows any."""
        self._tell("quota", path, str(names), str(space))

    def set_safe_mode(self, on: bool) -> None:
        """In safe mode everything can be read and nothing written."""
        self._tell("safemode", "/", "ENTER" if on else "LEAVE")

    def kill_namenode(self) -> None:
        self._kill("namenode")

    def kill_datanode(self) -> None:
        self._kill("datanode")

    def restart_namenode(self, *, wait: bool = True) -> None:
        """Start it again where it was. It answers at once, but knows no DataNode for a second:
        `wait` until one can write, unless that second is what is tested."""
        self.start("namenode")
        if wait:
            self.wait_until_writable()

    def restart_datanode(self, *, wait: bool = True) -> None:
        self.start("datanode")
        if wait:
            self.wait_until_writable()

    def repair(self) -> None:
        """Restart what was killed, leave safe mode."""
        dead = [role for role, process in self.processes.items() if process.poll() is not None]
        for role in sorted(dead, reverse=True):  # the NameNode first
            self.start(role)
        self.set_safe_mode(False)
        if dead:
            self.wait_until_writable()

    def start(self, role: Role) -> None:
        classpath = [str(self.folder), str(self.hadoop.classes), *self.hadoop.hdfs_classpath()]
        process = start_java(
            ["HdfsNode", role],
            classpath=classpath,
            log=self.log(role),
            user=SUPERUSER,
            time_zone=self.time_zone,
            heap_mb=384,
        )
        self.processes[role] = process
        line = read_line(process, self.log(role), 120)
        if line != "READY":
            raise NoServer(f"the {role} said: {line}")

    def stop(self) -> None:
        for process in self.processes.values():
            stop(process)

    def log(self, role: Role) -> Path:
        return self.folder / f"{role}.log"

    def wait_until_writable(self, seconds: float = 60) -> None:
        """Wait until a small file can be written, through both servers."""
        deadline = time.monotonic() + seconds
        address = f"{self.url}/webhdfs/v1/tmp/.probe?user.name={SUPERUSER}&op=CREATE&overwrite=true"
        while True:
            try:
                to_datanode = requests.put(address, allow_redirects=False, timeout=10)
                if to_datanode.status_code == 307:
                    requests.put(
                        to_datanode.headers["Location"], b"x", timeout=10
                    ).raise_for_status()
                    return
                problem: object = to_datanode.text
            except requests.RequestException as error:
                problem = error
            if time.monotonic() > deadline:
                raise NoServer(f"HDFS cannot be written after {seconds:.0f} s: {problem}")
            time.sleep(0.05)

    def _kill(self, role: Role) -> None:
        if role not in self.processes:
            raise RuntimeError("both run in one process: start with `separate=True`")
        self.processes[role].kill()
        self.processes[role].wait(10)

    def _tell(self, *words: str) -> None:
        role: Role = "both" if "both" in self.processes else "namenode"
        process = self.processes[role]
        assert process.stdin is not None
        process.stdin.write(("\t".join(words) + "\n").encode())
        process.stdin.flush()
        line = read_line(process, self.log(role), 60)
        if line != "OK":
            raise RuntimeError(f"HDFS refused {words}: {line}")


@contextmanager
def running_hdfs(
    *,
    separate: bool = False,
    block_size: int = 128 << 20,
    time_zone: str = "Asia/Seoul",
    bytes_per_second: float | None = None,
) -> Iterator[HdfsServer]:
    """An HDFS for the duration of the block; `NoServer` if it cannot be had.

    One process for both servers, unless they are to be killed one by one (`separate`). With
    `bytes_per_second` the bytes of files come and go over WebHDFS no faster.
    """
    # Linux answers on all of 127.0.0.0/8: the NameNode sends clients to the name its DataNode gave,
    # where the slow wire listens on the same port.
    advertised = "127.0.0.1" if bytes_per_second is None else "127.0.0.2"
    hadoop = find_hadoop()
    with server_folder("hdfs") as folder, ExitStack() as stack:
        server = HdfsServer(folder, hadoop, time_zone, free_port(), free_port(), free_port())
        _configure(server, block_size, advertised)
        if bytes_per_second is not None:
            port = server.datanode_port
            stack.enter_context(throttled(advertised, port, port, bytes_per_second))
        stack.callback(server.stop)
        roles: tuple[Role, ...] = ("namenode", "datanode") if separate else ("both",)
        for role in roles:
            server.start(role)
        server.make_folder("/tmp", SUPERUSER, "1777")
        server.make_folder("/data/lake", "lake")
        server.wait_until_writable()
        yield server


def _configure(server: HdfsServer, block_size: int, advertised: str) -> None:
    write_configuration(
        server.folder / "core-site.xml",
        {
            "fs.defaultFS": server.filesystem,
            "hadoop.tmp.dir": server.folder / "tmp",
            "hadoop.http.staticuser.user": SUPERUSER,
            "hadoop.user.group.static.mapping.overrides": GROUPS,
            "hadoop.proxyuser.hive.hosts": "*",
            "hadoop.proxyuser.hive.groups": "*",
            "ipc.client.connect.max.retries": 100,
            "ipc.client.connect.retry.interval": 100,
        },
    )
    write_configuration(
        server.folder / "hdfs-site.xml",
        {
            "dfs.namenode.name.dir": f"file://{server.folder}/name",
            "dfs.datanode.data.dir": f"file://{server.folder}/data",
            "dfs.namenode.http-address": f"127.0.0.1:{server.namenode_port}",
            "dfs.namenode.rpc-bind-host": "127.0.0.1",
            "dfs.datanode.address": f"127.0.0.1:{free_port()}",
            "dfs.datanode.http.address": f"127.0.0.1:{server.datanode_port}",
            "dfs.datanode.ipc.address": f"127.0.0.1:{free_port()}",
            "dfs.datanode.hostname": advertised,
            "dfs.replication": 1,
            "dfs.blocksize": block_size,
            "dfs.namenode.fs-limits.min-block-size": 1024,
            "dfs.webhdfs.enabled": "true",
            "dfs.permissions.enabled": "true",
            "dfs.namenode.acls.enabled": "true",
            "dfs.support.append": "true",
            # A cluster of one, which starts at once and notices a death within 12 s.
            "dfs.heartbeat.interval": 1,
            "dfs.namenode.heartbeat.recheck-interval": 1000,
            "dfs.namenode.safemode.extension": 0,
            "dfs.namenode.safemode.min.datanodes": 0,
            "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
        },
    )
