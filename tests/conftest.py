"""Fixtures that several folders of tests use: real servers, one a test process.

Here: starting them once and turning an absent one into a skip. Not here: the servers themselves
(`tests/servers/`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.servers.postgres import NoServer, PostgresServer, running_postgres

# How long an example takes says more of the machine, which is shared, than of the code.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


def absent(what: str, why: object) -> None:
    """Skip, or fail where every server must be there (`LAKE_TEST_REQUIRE_SERVERS=1`)."""
    if os.environ.get("LAKE_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{what} is required (LAKE_TEST_REQUIRE_SERVERS=1): {why}", pytrace=False)
    pytest.skip(f"{what}: {why}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one a test process."""
    server = running_postgres()
    try:
        running = server.__enter__()
    except NoServer as error:
        absent("PostgreSQL", error)
        raise AssertionError from None
    try:
        yield running
    finally:
        server.__exit__(None, None, None)
