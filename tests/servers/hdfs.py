"""A real HDFS of the tests' own: a NameNode and a DataNode of Hadoop 2.7.3 on free ports.

Here: their configuration, starting and stopping, killing and restarting one of the two, a second
NameNode that stands by, quotas and safe mode. Not here: the jars (`hadoop.py`), the fixtures
(`tests/conftest.py`), and anything that reads or writes files: tests do that over WebHDFS, as the
code under test does.
"""

from __future__ import annotations

import shutil
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

Role = Literal["both", "namenode", "standby", "datanode"]

SUPERUSER = "hdfs"

#: What a pair of NameNodes is called.
_PAIR = "pair"

#: Groups of users whom the machine's own list does not know.
GROUPS = "hdfs=supergroup;lake=lake;hive=hive"


@dataclass
class HdfsServer:
    """A running HDFS with permissions on. `hdfs` is the superuser; `/data/lake` belongs to `lake`.

    `url` is WebHDFS's address, `filesystem` what Hive calls it (`hdfs://…`), `datanode_port` where
    WebHDFS sends clients for the bytes. With a second NameNode at `standby_url`, `active` says
    which of the two answers; the other stands by.
    """

    folder: Path
    hadoop: Hadoop
    time_zone: str
    active: Role
    namenode_port: int = field(default_factory=free_port)
    rpc_port: int = field(default_factory=free_port)
    datanode_port: int = field(default_factory=free_port)
    standby_port: int = field(default_factory=free_port)
    processes: dict[Role, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.namenode_port}"

    @property
    def standby_url(self) -> str:
        return f"http://127.0.0.1:{self.standby_port}"

    @property
    def filesystem(self) -> str:
        if "standby" in self.processes:
            return f"hdfs://{_PAIR}"
        return f"hdfs://127.0.0.1:{self.rpc_port}"

    def make_folder(self, path: str, owner: str, mode: str = "755") -> None:
        """A folder (and its parents) of that owner and group."""
        self._tell("folder", path, owner, mode)

    def set_quota(self, path: str, *, names: int = -1, space: int = -1) -> None:
        """Allow so many names (the folder is one) and bytes under a folder; -1 allows any."""
        self._tell("quota", path, str(names), str(space))

    def set_safe_mode(self, on: bool) -> None:
        """In safe mode everything can be read and nothing written."""
        self._tell("safemode", "ENTER" if on else "LEAVE")

    def fail_over(self) -> None:
        """The NameNode that stands by becomes the active one; the other, if it lives, stands by."""
        before, self.active = self.active, "standby" if self.active == "namenode" else "namenode"
        if self.processes[before].poll() is None:
            self._tell("standby", before)
        self._tell("active", self.active)
        self.wait_until_writable()

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
        """Restart what was killed, leave safe mode, have the first NameNode active."""
        dead = [role for role, process in self.processes.items() if process.poll() is not None]
        for role in dead:
            self.start(role)
        self.set_safe_mode(False)
        if self.active == "standby":
            self.fail_over()
        elif dead:
            self.wait_until_writable()

    def start(self, role: Role) -> None:
        process = start_java(
            ["HdfsNode", role],
            classpath=[str(self.folder), str(self.hadoop.classes), *self.hadoop.hdfs_classpath()],
            log=self.log(role),
            user=SUPERUSER,
            time_zone=self.time_zone,
            heap_mb=384,
            options=[f"-Dlake.role={role}"],
        )
        self.processes[role] = process
        line = read_line(process, self.log(role), 120)
        if line != "READY":
            raise NoServer(f"the {role} said: {line}")
        if "standby" in self.processes and role == self.active:
            self._tell("active", role)  # each of a pair starts as standby

    def stop(self) -> None:
        for process in self.processes.values():
            stop(process)

    def log(self, role: Role) -> Path:
        return self.folder / f"{role}.log"

    def wait_until_writable(self, seconds: float = 120) -> None:
        """Wait until a small file can be written and its length seen: a 201 proves nothing."""
        deadline = time.monotonic() + seconds
        url = self.standby_url if self.active == "standby" else self.url
        file = f"{url}/webhdfs/v1/tmp/.probe?user.name={SUPERUSER}&op="
        while True:
            try:
                for answer in (
                    requests.put(file + "CREATE&overwrite=true", b"probe", timeout=10),
                    requests.get(file + "GETFILESTATUS", timeout=10),
                ):
                    answer.raise_for_status()
                if answer.json()["FileStatus"]["length"] == len(b"probe"):
                    return
                problem = "an empty file"
            except requests.RequestException as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise NoServer(f"HDFS cannot be written after {seconds:.0f} s: {problem}")
            time.sleep(0.05)

    def _kill(self, role: Role) -> None:
        if role not in self.processes:
            raise RuntimeError("both run in one process: start with `separate=True`")
        self.processes[role].kill()
        self.processes[role].wait(60)

    def _tell(self, *words: str) -> None:
        role = self.active
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
    standby: bool = False,
    block_size: int = 128 << 20,
    time_zone: str = "Asia/Seoul",
    bytes_per_second: float | None = None,
) -> Iterator[HdfsServer]:
    """An HDFS for the duration of the block; `NoServer` if it cannot be had.

    One process for both servers, unless they are to be killed one by one (`separate`). With
    `standby`, three processes: a pair of NameNodes that share an edit log, and a DataNode. With
    `bytes_per_second` the bytes of files come and go over WebHDFS no faster.
    """
    roles: tuple[Role, ...] = ("both",)
    if standby:
        roles = ("namenode", "standby", "datanode")
    elif separate:
        roles = ("namenode", "datanode")
    # Linux answers on all of 127.0.0.0/8: the NameNode sends clients to the name its DataNode gave,
    # where the slow wire listens on the same port.
    advertised = "127.0.0.1" if bytes_per_second is None else "127.0.0.2"
    hadoop = find_hadoop()
    with server_folder("hdfs") as folder, ExitStack() as stack:
        server = HdfsServer(folder, hadoop, time_zone, active=roles[0])
        _configure(server, standby, block_size, advertised)
        if bytes_per_second is not None:
            port = server.datanode_port
            stack.enter_context(throttled(advertised, port, port, bytes_per_second))
        stack.callback(server.stop)
        for role in roles:
            if role == "standby":  # what `bootstrapStandby` copies
                shutil.copytree(folder / "name-namenode/current", folder / "name-standby/current")
            server.start(role)
        if standby:
            server._tell("active", "namenode")
        server.make_folder("/tmp", SUPERUSER, "1777")
        server.make_folder("/data/lake", "lake")
        server.wait_until_writable()
        yield server


def _configure(server: HdfsServer, standby: bool, block_size: int, advertised: str) -> None:
    filesystem = f"hdfs://{_PAIR}" if standby else f"hdfs://127.0.0.1:{server.rpc_port}"
    write_configuration(
        server.folder / "core-site.xml",
        {
            "fs.defaultFS": filesystem,
            "hadoop.tmp.dir": server.folder / "tmp",
            "hadoop.http.staticuser.user": SUPERUSER,
            "hadoop.user.group.static.mapping.overrides": GROUPS,
            "hadoop.proxyuser.hive.hosts": "*",
            "hadoop.proxyuser.hive.groups": "*",
            "ipc.client.connect.max.retries": 100,
            "ipc.client.connect.retry.interval": 100,
        },
    )
    namenode, second = f"127.0.0.1:{server.namenode_port}", f"127.0.0.1:{server.standby_port}"
    pair = {
        "dfs.nameservices": _PAIR,
        f"dfs.ha.namenodes.{_PAIR}": "namenode,standby",
        "dfs.ha.namenode.id": "${lake.role}",
        f"dfs.namenode.rpc-address.{_PAIR}.namenode": f"127.0.0.1:{server.rpc_port}",
        f"dfs.namenode.rpc-address.{_PAIR}.standby": f"127.0.0.1:{free_port()}",
        f"dfs.namenode.http-address.{_PAIR}.namenode": namenode,
        f"dfs.namenode.http-address.{_PAIR}.standby": second,
        "dfs.namenode.shared.edits.dir": f"file://{server.folder}/shared",
        f"dfs.client.failover.proxy.provider.{_PAIR}": (
            "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"
        ),
    }
    write_configuration(
        server.folder / "hdfs-site.xml",
        {
            **(pair if standby else {"dfs.namenode.http-address": namenode}),
            "dfs.namenode.name.dir": f"file://{server.folder}/name-${{lake.role}}",
            "dfs.datanode.data.dir": f"file://{server.folder}/data",
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
