"""Fixtures that several folders of tests use: real servers, one a test process.

Here: starting them once and turning an absent one into a skip. Not here: the servers themselves
(`tests/servers/`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import hypothesis
import pytest

from tests.servers.h2 import H2Server, running_h2
from tests.servers.hdfs import HdfsServer, running_hdfs
from tests.servers.hive import HiveServer, running_hive
from tests.servers.mariadb import MariaDBServer, running_mariadb
from tests.servers.postgres import NoServer, PostgresServer, running_postgres
from tests.servers.sftp import SftpServer, running_sftp

Server = TypeVar("Server")

# How long an example takes says more of the machine, which is shared, than of the code.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")


def absent(what: str, why: object) -> None:
    """Skip, or fail where every server must be there (`LAKE_TEST_REQUIRE_SERVERS=1`)."""
    if os.environ.get("LAKE_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{what} is required (LAKE_TEST_REQUIRE_SERVERS=1): {why}", pytrace=False)
    pytest.skip(f"{what}: {why}")


@pytest.fixture(autouse=True)
def _same_lake() -> Iterator[None]:
    """A command that is called in this process sets variables (`--env`) for one test alone."""
    before = _lake_variables()
    yield
    for name in _lake_variables().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _lake_variables() -> dict[str, str]:
    ours = ("LAKE_", "DAGSTER_HOME")
    return {name: text for name, text in os.environ.items() if name.startswith(ours)}


def _started(what: str, server: AbstractContextManager[Server]) -> Iterator[Server]:
    """What a server's fixture yields from: `NoServer` of its start, and only of that, is a skip."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except NoServer as error:
            absent(what, error)
            raise AssertionError from None
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one a test process."""
    yield from _started("PostgreSQL", running_postgres())


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDBServer]:
    """A real MariaDB server, one a test process; one that was killed starts again."""
    yield from _started("MariaDB", running_mariadb())


@pytest.fixture(scope="session")
def sftp_server() -> Iterator[SftpServer]:
    """A real sshd, one a test process; one that was killed starts again."""
    yield from _started("SFTP", running_sftp())


@pytest.fixture(scope="session")
def h2_server() -> Iterator[H2Server]:
    """A real H2 server in its Oracle mode, one a test process; one that was killed starts again."""
    yield from _started("H2", running_h2())


@pytest.fixture(scope="session")
def hdfs_server() -> Iterator[HdfsServer]:
    """A real HDFS, one a test process; never killed, so tests take a folder of their own in it."""
    yield from _started("HDFS", running_hdfs())


@pytest.fixture(scope="session")
def hive_server(hdfs_server: HdfsServer) -> Iterator[HiveServer]:
    """A real HiveServer2 on `hdfs_server`, its JVM in Seoul; tests make databases of their own."""
    yield from _started("Hive", running_hive(hdfs_server))


@pytest.fixture(scope="module")
def _two_processes() -> Iterator[HdfsServer]:
    yield from _started("HDFS", running_hdfs(separate=True))


@pytest.fixture
def breakable_hdfs(_two_processes: HdfsServer) -> Iterator[HdfsServer]:
    """An HDFS whose NameNode and DataNode a test may kill; whole again for the next test."""
    yield _two_processes
    _two_processes.repair()


@pytest.fixture(scope="module")
def _pair() -> Iterator[HdfsServer]:
    yield from _started("HDFS", running_hdfs(standby=True))


@pytest.fixture
def hdfs_pair(_pair: HdfsServer) -> Iterator[HdfsServer]:
    """An HDFS with two NameNodes, the one at `url` active and that at `standby_url` in standby."""
    yield _pair
    _pair.repair()
