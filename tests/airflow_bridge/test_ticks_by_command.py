"""200 moments that an Airflow gives, resolved by the real command as Dagster's scheduler does.

Here: the tick's task of exported files, called as its shell calls it, a process each, for four
projects, against what the daemon gets of its code server. Not here: which moments an Airflow's
timetable has (`test_real_airflow.py`), and what ends a call with a mistake (`test_ticks.py`).
"""

from __future__ import annotations

import json
import os
import random
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import jinja2
import pytest
import yaml
from dagster._core.definitions.run_request import RunRequest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._grpc.impl import get_external_schedule_execution
from dagster._utils.schedules import schedule_execution_time_iterator

from airflow_bridge.drift import read_pipeline
from airflow_bridge.export import Wish, export
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines, pipeline_folders
from resources.settings import SHIPPED, load_settings
from tests.airflow_bridge.conftest import FOREIGN, ROOT
from tests.airflow_bridge.projects import LAKE, SHOP, STRANGER, variables

pytestmark = pytest.mark.slow

UTC = timezone.utc
BERLIN = "Europe/Berlin"
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2028, 4, 1, tzinfo=UTC)
#: Which clocks change in Berlin, of the years above.
CHANGES = {
    *("2025-03-30", "2025-10-26", "2026-03-29", "2026-10-25"),
    *("2027-03-28", "2027-10-31", "2028-03-26"),
}
#: Of 200: those of each kind of day, and how many of them; the others are of any day.
COUNT = 200
KINDS: Mapping[str, tuple[int, Callable[[datetime, str], bool]]] = {
    "clocks change": (40, lambda at, zone: zone == BERLIN and f"{at:%Y-%m-%d}" in CHANGES),
    "month ends": (40, lambda at, _: at.day == 1 or (at + timedelta(days=1)).day == 1),
    "leap day": (20, lambda at, _: f"{at:%m-%d}" in ("02-29", "03-01") and at.year == 2028),
    "any": (100, lambda _at, _zone: True),
}

#: How Airflow gives the moment of a run, as names of its template.
GIVEN = ("scheduled", "by hand", "by hand, without a date")


@dataclass(frozen=True)
class File:
    """An exported file that has a schedule: its literals, and Dagster's ticks."""

    project: str
    name: str
    spec: Mapping[str, Any]
    template: str
    schedule: dg.ScheduleDefinition
    ticks: Sequence[datetime]

    @property
    def zone(self) -> str:
        return str(self.spec["timezone"])


@dataclass(frozen=True)
class Pair:
    """A schedule's tick, and the moment that Airflow gives of it."""

    kind: str
    file: File
    tick: datetime
    given: str
    moment: datetime

    def __str__(self) -> str:
        told = f"{self.kind}: {self.file.project}/{self.file.name} {self.tick.isoformat()}"
        return f"{told}, {self.given} at {self.moment.isoformat()}"

    @property
    def call(self) -> str:
        """The line that the tick's task runs, its template filled in."""
        by_hand = self.given != "scheduled"
        run: dict[str, Any] = {
            "conf": {},
            "run_type": "manual" if by_hand else "scheduled",
            "run_after": self.moment,
        }
        dates: dict[str, Any] = {"data_interval_end": run["run_after"], "logical_date": None}
        if by_hand:
            # Airflow 3 gives no interval, or one of now; neither is to be looked at.
            dates = {"logical_date": run["run_after"], "data_interval_end": datetime.now(UTC)}
        if self.given.endswith("date"):
            dates = {"logical_date": None}
        params = {name: one["default"] for name, one in self.file.spec["params"].items()}
        told = jinja2.Template(self.file.template).render(dag_run=run, params=params, **dates)
        return f"exec {self.file.spec['command']}{told}"


@dataclass(frozen=True)
class Answer:
    """What a tick means: itself, first and last partition of each run, or why there is none.

    The partitions are sorted: the command runs them in the order of their run keys, which a retry
    finds again, and Dagster in the schedule's.
    """

    tick: str
    partitions: Sequence[tuple[str, str]]
    skip: str | None


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two environments of the lake, of which Airflow fires one, and an instance."""
    folder = tmp_path_factory.mktemp("ticks")
    (folder / "environments").mkdir()
    shipped = yaml.safe_load((SHIPPED / "local.yaml").read_text("utf-8"))
    for by in ("airflow", "dagster"):
        told = yaml.safe_dump({**shipped, "fires": {"default": by}})
        (folder / "environments" / f"{by}.yaml").write_text(told, "utf-8")
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    given = {
        **variables(folder),
        "LAKE_HOME": str(folder / "lake"),
        "LAKE_ENVIRONMENTS": str(folder / "environments"),
        "LAKE_ENV": "airflow",
        "DAGSTER_HOME": str(folder / "dagster"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, text in given.items():
            patch.setenv(name, text)
        yield folder


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as found:
        found.add_dynamic_partitions("files", ["a.csv", "나.csv"])
        yield found


@pytest.fixture(scope="module")
def repositories(home: Path) -> Mapping[str, dg.RepositoryDefinition]:
    """The projects as Dagster's scheduler has them: where it fires the lake's schedules."""
    pipelines = load_pipelines(pipeline_folders())
    lake = build_definitions(load_settings("dagster"), pipelines).get_repository_def()
    return {"lake": lake, **{one.name: one.load() for one in (FOREIGN, STRANGER, SHOP)}}


@pytest.fixture(scope="module")
def files(home: Path, repositories: Mapping[str, dg.RepositoryDefinition]) -> list[File]:
    """All exported files that have a schedule, as the real command line wrote them."""
    bridge = shlex.join([sys.executable, "-m", "airflow_bridge"])
    lake = shlex.join([str(Path(sys.executable).with_name("lake")), "airflow"])
    found = []
    for location in (LAKE, FOREIGN, STRANGER, SHOP):
        command, folder = lake if location is LAKE else bridge, home / location.name
        wish = Wish(folder, command, "the test", everything=True, skip=True)
        assert export(location, wish).differs
        for path in sorted(folder.glob("*.py")):
            text = path.read_text("utf-8")
            spec = read_pipeline(text)
            assert spec is not None
            words = shlex.split(spec["command"])
            if "--schedule" not in words:
                continue
            name = words[words.index("--schedule") + 1]
            schedule = repositories[location.name].get_schedule_def(name)
            ticks = list(_ticks(spec["schedule"], spec["timezone"]))
            found.append(File(location.name, path.stem, spec, _template(text), schedule, ticks))
    return found


def _template(text: str) -> str:
    """What the file adds to its command for the tick: the value of MOMENT in its own code."""
    begin = text.index("MOMENT = (")
    known: dict[str, str] = {}
    exec(text[begin : text.index("\n)\n", begin) + 3], known)
    return known["MOMENT"]


def _ticks(cron: str | Sequence[str], zone: str) -> Iterator[datetime]:
    for tick in schedule_execution_time_iterator(FIRST.timestamp(), cron, zone):
        if tick >= LAST:
            return
        # The daemon makes it anew of a number of seconds, and so knows which 02:00 it is.
        yield datetime.fromtimestamp(tick.timestamp(), ZoneInfo(zone))


def _pairs(files: Sequence[File]) -> list[Pair]:
    """The same in each run: as many of each kind of day, files and ways in turn."""
    chance = random.Random(20250330)
    found: list[Pair] = []
    # By seconds: 02:00 and the same hour again are equal to Python, where clocks are set back.
    after = {
        (file.name, one.timestamp()): next_one.astimezone(UTC)
        for file in files
        for one, next_one in pairwise(_ticks(file.schedule.cron_schedule, file.zone))
    }
    for kind, (count, is_of) in KINDS.items():
        fitting = {
            file.name: [at for at in file.ticks[:-1] if is_of(at, file.zone)] for file in files
        }
        several = [file for file in files if fitting[file.name]]
        for number in range(count):
            file = several[number % len(several)]
            tick, given = chance.choice(fitting[file.name]), chance.choice(GIVEN)
            moment = tick.astimezone(UTC)
            if given != "scheduled":
                moment += chance.random() * (after[file.name, tick.timestamp()] - moment)
            found.append(Pair(kind, file, tick, given, moment))
    return found


def _by_dagster(
    repository: dg.RepositoryDefinition, pair: Pair, instance: dg.DagsterInstance
) -> Answer:
    """What the code server answers the daemon that asks for this tick."""
    schedule = pair.file.schedule
    found = get_external_schedule_execution(
        repository,
        instance.get_ref(),
        schedule.name,
        pair.tick.timestamp(),
        schedule.execution_timezone,
        None,
    )
    assert isinstance(found, ScheduleExecutionData), (str(pair), found)
    requests = found.run_requests or []
    partitions = sorted(_partitions(one) for one in requests)
    return Answer(pair.tick.isoformat(), partitions, found.skip_message)


def _partitions(request: RunRequest) -> tuple[str, str]:
    key = request.partition_key or request.tags.get("dagster/partition", "")
    first = request.tags.get("dagster/asset_partition_range_start", key)
    return first, request.tags.get("dagster/asset_partition_range_end", key)


def _by_command(pair: Pair, folder: Path) -> tuple[Answer, float]:
    """What the task's process prints, and its CPU seconds."""
    out, err = folder / "out", folder / "err"
    folder.mkdir(parents=True)
    with out.open("w") as standard, err.open("w") as log:
        # Nobody waits for it but wait4, which tells the CPU seconds of this process alone.
        process = subprocess.Popen(
            ["timeout", "300", "bash", "-c", pair.call], cwd=ROOT, stdout=standard, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 99), (str(pair), pair.call, err.read_text())
    (line,) = out.read_text("utf-8").splitlines()
    told = json.loads(line)
    assert (process.returncode == 99) == (told["skip"] is not None) == (not told["requests"])
    found = Answer(
        told["tick"],
        sorted((one["first"], one["last"]) for one in told["requests"]),
        told["skip"],
    )
    return found, usage.ru_utime + usage.ru_stime


def test_the_command_resolves_what_the_scheduler_gives(
    files: list[File],
    repositories: Mapping[str, dg.RepositoryDefinition],
    instance: dg.DagsterInstance,
    tmp_path: Path,
) -> None:
    """The partitions of 200 ticks, or the reason why there is none; 1.5 CPU s a call."""
    assert {"checks__1", "hourly", "both", "orders_daily"} <= {file.name for file in files}
    pairs = _pairs(files)
    assert len({(pair.file.name, pair.tick.timestamp()) for pair in pairs}) > COUNT * 0.9
    with ThreadPoolExecutor(2) as pool:
        calls = pool.map(_by_command, pairs, (tmp_path / str(n) for n in range(COUNT)))
        answers = list(calls)
    wrong = []
    partitions: set[tuple[str, tuple[str, str]]] = set()
    for pair, (found, _) in zip(pairs, answers, strict=True):
        wanted = _by_dagster(repositories[pair.file.project], pair, instance)
        partitions.update((pair.file.name, one) for one in wanted.partitions)
        if found != wanted:
            wrong.append(f"{pair}\n  Dagster {wanted}\n  command {found}")
    assert wrong == [], "\n".join(wrong)
    # Not 200 times nothing, nor 200 times the same.
    assert len(partitions) > COUNT / 2
    print(f"CPU s a call, the median: {statistics.median(cpu for _, cpu in answers):.2f}")
    print(f"{len(files)} files, {len(partitions)} partitions, {len(answers)} calls")
