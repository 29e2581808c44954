"""A process that is killed amid its splits: the next one reads what is not there, no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgres import PostgresServer
from tests.splits.lake import Lake, left, made, rows, witness

pytestmark = pytest.mark.server


def test_a_killed_process_is_carried_on(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres_server.create_database("splits_killed")
    postgres_server.execute(
        "CREATE TABLE t AS SELECT g AS k, g * 0.25::numeric(18,2) AS d "
        "FROM generate_series(1::bigint, 80000) g",
        database,
    )
    address = {"host": postgres_server.host, "port": postgres_server.port, "database": database}
    connection = {"kind": "postgres", "user": postgres_server.user, **address}
    one = {"limits": {"connections": 1}}
    source: dict[str, Any] = {
        "connection": "postgres",
        "table": "t",
        "columns": {"k": "int64", "d": "decimal(18,2)"},
        "order_by": ["k"],
        "sums": ["d"],
    }
    split = {**source, "splits": {"column": "k", "count": 4}}
    words = [str(tmp_path), json.dumps({"postgres": {**connection, **one}}), json.dumps(split)]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.splits.killed", *words], cwd=Path(__file__).parents[2]
    )
    lake = Lake(tmp_path, {"postgres": {**connection, **one}})
    work = lake.work("split", **split)
    until = time.monotonic() + 120
    while "2.half" not in left(work):
        assert child.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    there = [name for name in left(work) if name in ("0.json", "1.json", "2.json", "3.json")]
    assert there == ["0.json", "1.json"]

    seen = witness(monkeypatch)
    route, outcome = made(work)
    missing = (">= 40001", ">= 60001", "IS NULL")
    assert [any(word in one for word in missing) for one in seen] == [True] * 3
    assert "some splits were read by an earlier attempt" in route
    told = str(outcome.more["splits"]).splitlines()[2:7]
    assert [line.endswith("read before |") for line in told] == [True] * 2 + [False] * 3
    _, whole = made(lake.work("plain", **source))
    assert outcome.published.sha256 == whole.published.sha256  # type: ignore[union-attr]
    assert rows(outcome).num_rows == 80_000
    assert left(work) == []
