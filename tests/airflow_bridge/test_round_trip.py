"""Exported files, parsed by three real Airflows, give back the record that they were made from."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import pytest

from airflow_bridge.dag_file import uri
from airflow_bridge.drift import read_pipeline
from airflow_bridge.export import Wish, export
from airflow_bridge.graph import read_graph
from airflow_bridge.location import Location
from airflow_bridge.metadata import PARAM_TYPES
from airflow_bridge.record import Dag, Param, Task
from airflow_bridge.tasks import OWN_TASKS
from tests.airflow_bridge.conftest import FOREIGN
from tests.airflow_bridge.projects import LAKE, PROJECTS, SHOP
from tests.airflow_bridge.real import installed, parse
from tests.airflow_bridge.shop import HOSTILE
from tests.servers.airflow import VERSIONS, Airflow

#: What is looked at of tasks that materialise nothing.
OWN = ("upstream", "queue", "pool", "owner", "group")

#: What Airflow itself says for a preset.
PRESETS = {"@daily": "0 0 * * *", "@hourly": "0 * * * *"}


@dataclass(frozen=True)
class Made:
    """An export: of what, what a task is, and the beginning of each id."""

    location: Location
    granularity: str = "asset"
    prefix: str = ""

    def dags(self) -> list[Dag]:
        everything = self.location is LAKE
        graph, _ = read_graph(self.location.load(), everything, self.granularity)
        return [replace(dag, dag_id=self.prefix + dag.dag_id) for dag in graph.dags]

    def write(self, folder: Path) -> None:
        asked = {"everything": self.location is LAKE, "skip": True}
        asked.update(prefix=self.prefix, granularity=self.granularity)
        export(self.location, Wish(folder, "bridge", "the test", **asked))


EXPORTS = (
    *(Made(location) for location in (*PROJECTS.values(), LAKE)),
    *(Made(location, "group", "group.") for location in (SHOP, FOREIGN)),
    *(Made(location, "job", "job.") for location in (SHOP, FOREIGN)),
)

Records = Mapping[str, tuple[Made, Dag]]


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("round_trip")
    for made in EXPORTS:
        made.write(folder / "dags")
    return folder


@pytest.fixture(scope="module")
def records() -> Records:
    """DAG id → by which export it was made, and of what."""
    return {dag.dag_id: (made, dag) for made in EXPORTS for dag in made.dags()}


@pytest.fixture(scope="module", params=VERSIONS)
def airflow(request: pytest.FixtureRequest) -> Airflow:
    return installed(request.param)


@pytest.fixture(scope="module")
def parsed(airflow: Airflow, dags: Path) -> Mapping[str, Any]:
    return parse(airflow, dags / f"home-{airflow.version}", dags / "dags")


def version_of(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")[:2]))


@pytest.mark.slow
def test_the_record_comes_back(parsed: Mapping[str, Any], records: Records, dags: Path) -> None:
    """Each DAG of each project, whole; a file that needs a newer Airflow says so instead."""
    version = version_of(parsed["version"])
    possible = {name for name, (_, dag) in records.items() if version >= version_of(dag.least)}
    assert {path.stem for path in (dags / "dags").glob("*.py")} == set(records)
    assert {Path(name).stem for name in parsed["errors"]} == set(records) - possible
    assert all("needs Airflow 2.11 or newer" in text for text in parsed["errors"].values())
    assert parsed["warnings"] == []
    found = {name: told(document) for name, document in parsed["dags"].items()}
    assert set(found) == possible
    for name in sorted(possible):
        by, dag = records[name]
        assert found[name] == expected(by.location, dag, begins(records, name), version, by.prefix)
    assert len(found) > 80


@pytest.mark.slow
def test_documents_are_shown_as_they_are(parsed: Mapping[str, Any], dags: Path) -> None:
    """Quotes, Jinja and Korean in a description are neither rendered nor changed."""
    for name, found in parsed["dags"].items():
        spec: Any = read_pipeline((dags / "dags" / f"{name}.py").read_text())
        assert found["doc"] == spec["dag"]["doc_md"]
        for asset in (asset for task in spec["tasks"] for asset in task["assets"]):
            shown = found["doc"].replace("\\", "")
            assert re.search(rf"\n- (.*, )?\*\*{re.escape(asset)}\*\*", shown)
        # As Airflow 2.4 to 2.9.2 do.
        assert jinja2.Template(found["doc"], keep_trailing_newline=True).render() == found["doc"]
    newsletter = parsed["dags"]["newsletter"]
    task = newsletter["tasks"]["newsletter"]
    for text in (html.unescape(newsletter["doc"]), newsletter["description"], task["doc"]):
        assert " ".join(HOSTILE.split()) in text


@pytest.mark.parametrize(
    "change",
    [
        *({"cron": "1 2 * * *"}, {"zone": "Asia/Tokyo"}, {"start": "2024-12-29T07:30"}),
        *({"tags": ("x",)}, {"owner": "x"}, {"description": "x"}, {"catchup": True}),
        *({"max_active_runs": 2}, {"timeout": 1}, {"job": "x"}, {"schedule": "x"}),
        *(
            {"condition": "x"},
            {"triggers": ("x",)},
            {"waits": ("x",), "patience": 9},
            {"partitions": None},
            {"tasks": ()},
        ),
        {"params": (Param("x", "string", "y"),)},
    ],
    ids=str,
)
def test_a_dag_that_is_another_is_not_taken_for_it(change: dict[str, Any]) -> None:
    (dag,) = (one for one in read_graph(SHOP.load())[0].dags if one.dag_id == "orders_daily")
    if change == {"tasks": ()}:
        change = {"tasks": dag.tasks[:-1]}
    asked = ([], (3, 3))
    assert expected(SHOP, replace(dag, **change), *asked) != expected(SHOP, dag, *asked)


@pytest.mark.parametrize(
    "change",
    [
        *({"task_id": "x"}, {"title": "x"}, {"assets": ("x",)}, {"after": ("x",)}, {"group": "x"}),
        *({"runner": "docker"}, {"image": "x"}, {"docker_url": "x"}, {"queue": "x"}),
        *({"pool": "x"}, {"priority": 9}, {"retries": 9}, {"retry_delay": 9}, {"timeout": 9}),
        *({"backoff": False}, {"trigger_rule": "all_done"}),
    ],
    ids=str,
)
def test_a_task_that_is_another_is_not_taken_for_it(change: dict[str, Any]) -> None:
    (dag,) = (one for one in read_graph(SHOP.load())[0].dags if one.dag_id == "orders_daily")
    other = replace(dag, tasks=(replace(dag.tasks[0], **change), *dag.tasks[1:]))
    assert expected(SHOP, other, [], (3, 3)) != expected(SHOP, dag, [], (3, 3))


def begins(records: Records, name: str) -> list[str]:
    """The other DAGs that an update of what this one makes begins."""
    by, dag = records[name]
    made = {asset for task in dag.tasks for asset in task.assets}
    return sorted(
        other
        for other, (same, one) in records.items()
        if same == by and other != name and made & set(one.triggers)
    )


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """What Airflow has, of what a record says."""
    zone = ZoneInfo(document["zone"] or "UTC")
    start = datetime.fromisoformat(document["start"])
    return {
        "cron": document["cron"],
        "zone": document["zone"],
        "once": document["timetable"] == "OnceTimetable",
        "triggers": document["triggers"],
        "start": f"{start.astimezone(zone):%Y-%m-%dT%H:%M}" if document["cron"] else start,
        "tags": sorted(document["tags"]),
        "description": document["description"],
        "catchup": document["catchup"],
        "max_active_runs": document["max_active_runs"],
        "timeout": document["timeout"],
        "form": {
            name: {word: one[word] for word in ("default", "schema")}
            for name, one in document["form"].items()
        },
        "tasks": {name: _told(name, task) for name, task in document["tasks"].items()},
    }


def expected(
    location: Location,
    dag: Dag,
    begins: Sequence[str],
    version: tuple[int, ...],
    prefix: str = "",
) -> dict[str, Any]:
    """The same of the record."""
    cron = PRESETS.get(dag.cron or "", dag.cron)
    once, zone = cron == "@once", ZoneInfo(dag.zone)
    ticked = cron is not None and not once
    start = datetime.fromisoformat(dag.start).replace(tzinfo=zone)
    return {
        "cron": cron if ticked else None,
        "zone": dag.zone if ticked else None,
        "once": once,
        "triggers": _uris(location, prefix, dag.triggers, version),
        "start": dag.start if ticked else start,
        "tags": sorted(dag.tags),
        "description": dag.description or dag.title,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timeout": dag.timeout,
        "form": _form(dag),
        "tasks": _tasks(location, dag, begins, version, prefix),
    }


def _told(name: str, task: Mapping[str, Any]) -> dict[str, Any]:
    """A task as Airflow has it, with what its command asks for; less of those of no asset."""
    if name in OWN_TASKS or name.startswith("begin_"):
        sensor = ("mode", "patience") if name == "wait" else ()
        return {word: task[word] for word in (*OWN, *sensor)}
    words = shlex.split(task["command"])
    asked = {
        option: [value for word, value in pairwise(words) if word == option]
        for option in ("--module", "--location", "--job", "--schedule", "--condition", "--asset")
    }
    # A pair of quotes may not survive: the whole of Jinja's is one word.
    assert words[-2] == "--origin"
    sensors = ("command", "mode", "poke_interval", "patience")
    return {**{word: value for word, value in task.items() if word not in sensors}, **asked}


def _form(dag: Dag) -> dict[str, Any]:
    """The form's fields: which partitions the run is of, and those of the record."""
    text = {"type": ["null", "string"]}
    in_time = dag.partitions is not None and dag.partitions.in_time
    wish = ["partition"] * bool(dag.partitions) + ["from", "to"] * in_time
    return {
        **{name: {"default": None, "schema": text} for name in wish},
        **{
            one.name: {"default": one.default, "schema": PARAM_TYPES[one.type]}
            for one in dag.params
        },
    }


def _tasks(
    location: Location,
    dag: Dag,
    begins: Sequence[str],
    version: tuple[int, ...],
    prefix: str,
) -> dict[str, Any]:
    """The record's tasks, between the first and the last one that each file adds."""
    waited_for = {one for task in dag.tasks for one in task.after}
    leaves = sorted({task.task_id for task in dag.tasks} - waited_for)
    # None takes a place in a source's pool, and all are on the queue of the DAG's workers.
    own = {"queue": dag.tasks[0].queue or "default", "pool": "default_pool"}
    own.update(owner=dag.owner, group="")
    found = {"tick": {"upstream": [], **own}, "done": {"upstream": leaves, **own}}
    for name in begins if version < (2, 4) else ():
        found[f"begin_{name}"] = {"upstream": ["done"], **own}
    first = "tick"
    if dag.waits:
        first = "wait"
        sensor = {"mode": "reschedule", "patience": dag.patience}
        found[first] = {"upstream": ["tick"], **own, **sensor}
    for task in dag.tasks:
        outlets = _uris(location, prefix, task.assets, version)
        found[task.task_id] = {**_task(location, dag, task), "outlets": outlets}
        found[task.task_id]["upstream"] = sorted(task.after) or [first]
    return found


def _uris(
    location: Location, prefix: str, assets: Sequence[str], version: tuple[int, ...]
) -> list[str]:
    return sorted(uri(location, one, prefix) for one in assets) if version >= (2, 4) else []


def _task(location: Location, dag: Dag, task: Task) -> dict[str, Any]:
    return {
        "queue": task.queue or "default",
        "pool": task.pool or "default_pool",
        "priority": task.priority or 1,
        "retries": task.retries,
        "retry_delay": task.retry_delay,
        "backoff": task.backoff,
        "max_retry_delay": max(3600, task.retry_delay) if task.backoff else None,
        "timeout": task.timeout,
        "trigger_rule": task.trigger_rule or "all_success",
        "owner": dag.owner,
        "group": task.group,
        "doc": task.title,
        "type": "DagsterOperator" if task.runner == "shell" else "ContainerOperator",
        "image": task.image,
        "docker_url": task.docker_url,
        "--module": [location.module],
        "--location": [location.name],
        "--job": [dag.job],
        "--schedule": [dag.schedule] if dag.schedule else [],
        "--condition": [dag.condition] if dag.condition else [],
        "--asset": list(task.assets),
    }
