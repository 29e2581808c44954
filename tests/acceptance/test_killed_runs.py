"""`lake run` on a real PostgreSQL server, killed by SIGKILL while it works.

Here: the whole process, from its start to after the rename. Not here: each step of the file work,
which `tests/resources/test_kill.py` kills one by one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.lake import (
    Lake,
    command,
    ended,
    hidden,
    open_lake,
    pg_environment,
    sales_pipeline,
    write_pipeline,
)
from tests.servers.postgres import PostgresServer
from tests.servers.sales_table import START, TYPES, assert_equal_rows, build_sales, server_rows

pytestmark = [pytest.mark.server, pytest.mark.slow]

DAY = START.isoformat()

#: Parts of the hidden file that are written.
WRITING = (0.0, 0.2, 0.4, 0.6, 0.8, 0.99)


class Course:
    """What can be seen from outside of a run of one partition."""

    def __init__(
        self, process: subprocess.Popen[str], folder: Path, status: os.stat_result
    ) -> None:
        self.process, self.folder = process, folder
        self.inode, self.size = status.st_ino, status.st_size
        self.started = time.monotonic()

    def until(self, happened: Callable[[], bool]) -> float:
        """Wait for it (or the end); seconds since the start."""
        while self.process.poll() is None and not happened():
            time.sleep(0.001)
        return time.monotonic() - self.started

    def written(self, part: float) -> bool:
        """Whether the hidden file has that part of the old one's size, or is published."""
        with contextlib.suppress(FileNotFoundError):  # renamed in between
            for file in hidden(self.folder):
                return file.stat().st_size >= part * self.size
        return self.published()

    def published(self) -> bool:
        return (self.folder / "part-0.parquet").stat().st_ino != self.inode

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def day(postgres_server: PostgresServer) -> str:
    database = postgres_server.create_database("killed")
    build_sales(postgres_server, database, rows=300_000, days=1)
    return database


def test_a_killed_run_leaves_the_old_partition_or_the_new_one(
    postgres_server: PostgresServer, day: str, tmp_path: Path
) -> None:
    environments = pg_environment(tmp_path / "envs", postgres_server, day).parent
    pipelines = write_pipeline(tmp_path / "pipelines", sales_pipeline())
    home = tmp_path / "home"

    def begin(lake: Lake, version: int) -> Course:
        """Another content in the source, and a process that is to publish it."""
        postgres_server.execute(f"UPDATE sales SET amount = {version} WHERE line_id = 0", day)
        [path] = lake.store.files([lake.partition("raw/sales", DAY)])
        file = Path(path)
        status = file.stat()
        process = command(
            home,
            *("run", "raw/sales", "--partition", DAY),
            environments=environments,
            pipelines=pipelines,
        )
        return Course(process, file.parent, status)

    def version(lake: Lake) -> int:
        rows = lake.read("raw/sales", DAY)
        assert rows.num_rows == 300_000
        return int(rows["amount"][rows["line_id"].index(0).as_py()].as_py())

    with open_lake(home, [pipelines], environments) as lake:
        assert lake.run("raw/sales", first=DAY).success
        course = begin(lake, 1)
        appears = course.until(lambda: course.written(0))
        lasts = course.until(course.published)
        ends = course.until(lambda: False)
        code, out, err = ended(course.process)
        assert code == 0, out + err
        assert version(lake) == 1

        def pausing(seconds: float) -> Callable[[Course], object]:
            return lambda course: (course.until(course.published), time.sleep(seconds))

        def writing(part: float) -> Callable[[Course], object]:
            return lambda course: course.until(lambda: course.written(part))

        moments: dict[str, Callable[[Course], object]] = {
            "starting": lambda course: time.sleep(appears / 2),
            **{f"writing {part:.0%}": writing(part) for part in WRITING},
            "published": pausing(0),
            "recording": pausing((ends - lasts) / 10),
        }
        seen = {}
        for number, (name, wait) in enumerate(moments.items(), 2):
            before = lake.sha("raw/sales", DAY)
            course = begin(lake, number)
            wait(course)
            course.kill()
            seen[name] = (version(lake), bool(hidden(lake.settings.store_root)))
            if course.published():
                assert version(lake) == number
            else:
                assert lake.sha("raw/sales", DAY) == before
            assert lake.run("raw/sales", first=DAY).success
            assert hidden(lake.settings.store_root) == []
            assert version(lake) == number
        # The moments were what they say: nothing, then a torn hidden file, then the new partition.
        assert seen["starting"] == (1, False)
        assert sum(torn for _, torn in seen.values()) >= 3, seen
        assert seen["published"][0] == len(moments)
        expected = server_rows(postgres_server, day, TYPES)
        assert_equal_rows(lake.read("raw/sales", DAY).drop_columns(["dt"]), expected)
