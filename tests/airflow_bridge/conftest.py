"""What tests of the bridge share: the foreign project, an instance, and calling `run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.location import Location

ROOT = Path(__file__).parents[2]
MODULE = "tests.airflow_bridge.foreign"
FOREIGN = Location(MODULE, "defs", "foreign")

#: Runs that the UI launches start at once; by default a daemon takes them from a queue.
_DAGSTER_YAML = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""


@dataclass(frozen=True)
class Done:
    """A finished call: exit code, its last line as JSON, its log."""

    code: int
    result: dict[str, Any]
    log: str


@dataclass(frozen=True)
class Command:
    """`python -m airflow_bridge run` over an instance of its own."""

    home: Path

    def words(self, *more: str) -> list[str]:
        where = ["-m", MODULE, "--location", "foreign", "--job", "daily"]
        return [sys.executable, "-m", "airflow_bridge", "run", *where, *more]

    def variables(self, wish: str = "") -> dict[str, str]:
        return {**os.environ, "DAGSTER_HOME": str(self.home), "FOREIGN": wish}

    def call(self, *more: str, wish: str = "") -> Done:
        done = subprocess.run(
            self.words(*more),
            cwd=ROOT,
            env=self.variables(wish),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stdout.count("\n") == 1, done
        return Done(done.returncode, json.loads(done.stdout), done.stderr)

    def tick(self, asked: Mapping[str, Any]) -> Done:
        return self.call("--schedule", "weekdays", "--tick", json.dumps(asked))

    def assets(
        self, keys: Sequence[str], meaning: Any, origin: Mapping[str, Any], wish: str = ""
    ) -> Done:
        named = [word for key in keys for word in ("--asset", key)]
        told = ["--meaning", json.dumps(meaning), "--origin", json.dumps(origin)]
        return self.call(*named, *told, wish=wish)

    def runs(self) -> list[dg.DagsterRun]:
        """The newest first."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            return list(instance.get_runs())


@pytest.fixture
def command(tmp_path: Path) -> Command:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(_DAGSTER_YAML)
    return Command(home)


@pytest.fixture
def instance(command: Command) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(command.home)) as found:
        yield found
