"""A stand-in for Airflow: just enough that an exported file runs without one.

It keeps what the file hands over. What real Airflows make of it is tested with them
(`test_real_airflow.py`); here what the file itself does is.
"""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo


class AirflowException(Exception):
    pass


class AirflowFailException(AirflowException):
    pass


class AirflowSkipException(AirflowException):
    pass


class Dag:
    current: Dag

    def __init__(self, **given: Any) -> None:
        self.given, self.tasks = given, {}  # type: ignore[var-annotated]

    def __enter__(self) -> Dag:
        Dag.current = self
        return self

    def __exit__(self, *_: object) -> None: ...


class BaseOperator:
    def __init__(self, task_id: str, **given: Any) -> None:
        self.task_id, self.given = task_id, given
        self.upstream: list[str] = []
        self.downstream_list: list[str] = []
        Dag.current.tasks[task_id] = self

    def set_upstream(self, tasks: Any) -> None:
        for task in tasks if isinstance(tasks, list) else [tasks]:
            self.upstream.append(task.task_id)
            task.downstream_list.append(self.task_id)


class BashOperator(BaseOperator):
    #: What the command ends with: an exit code, or its last line.
    ends: int | str = 0

    def __init__(self, bash_command: str = "", **given: Any) -> None:
        super().__init__(bash_command=bash_command, **given)
        self.bash_command = bash_command

    def execute(self, context: Any) -> Any:
        if isinstance(self.ends, int):
            raise AirflowException(
                f"Bash command failed. The command returned a non-zero exit code {self.ends}."
            )
        return self.ends


class BaseSensorOperator(BaseOperator):
    log = logging.getLogger("stand_in")


class DockerOperator(BashOperator):
    def execute(self, context: Any) -> Any:
        if isinstance(self.ends, int):
            raise AirflowException(f"docker container failed: {{'StatusCode': {self.ends}}}")
        return self.ends


class TriggerDagRunOperator(BaseOperator):
    pass


class Dataset:
    def __init__(self, uri: str) -> None:
        self.uri = uri


class DatasetAny:
    def __init__(self, *datasets: Dataset) -> None:
        self.uris = [one.uri for one in datasets]


class CronDataIntervalTimetable:
    def __init__(self, cron: str, timezone: Any) -> None:
        self.cron, self.timezone = cron, timezone


@dataclass
class Connection:
    conn_type: str
    password: str | None = None
    extra_dejson: dict[str, str] = field(default_factory=dict)


def _modules(version: str, connections: Mapping[str, Connection]) -> dict[str, types.ModuleType]:
    def get_connection(name: str) -> Connection:
        return connections[name]

    def now(zone: str) -> datetime:
        return datetime(2025, 7, 2, 6, 5, tzinfo=ZoneInfo(zone))

    def group(name: str, prefix_group_id: bool) -> str:
        assert prefix_group_id is False
        return name

    names: dict[str, dict[str, Any]] = {
        "airflow": {"__version__": version},
        "airflow.hooks": {},
        "airflow.hooks.base": {"BaseHook": types.SimpleNamespace(get_connection=get_connection)},
        "airflow.models": {},
        "airflow.models.dag": {"DAG": Dag},
        "airflow.models.param": {"Param": dict},
        "airflow.utils": {},
        "airflow.utils.task_group": {"TaskGroup": group},
        "airflow.exceptions": {
            "AirflowException": AirflowException,
            "AirflowFailException": AirflowFailException,
            "AirflowSkipException": AirflowSkipException,
        },
        "airflow.timetables": {},
        "airflow.timetables.interval": {"CronDataIntervalTimetable": CronDataIntervalTimetable},
        "airflow.operators": {},
        "airflow.sensors": {},
        "airflow.sensors.base": {"BaseSensorOperator": BaseSensorOperator},
        "airflow.operators.bash": {"BashOperator": BashOperator},
        "airflow.operators.trigger_dagrun": {"TriggerDagRunOperator": TriggerDagRunOperator},
        "airflow.datasets": {"Dataset": Dataset, "DatasetAny": DatasetAny},
        "airflow.providers": {},
        "airflow.providers.docker": {},
        "airflow.providers.docker.operators": {},
        "airflow.providers.docker.operators.docker": {"DockerOperator": DockerOperator},
        "docker": {},
        "docker.types": {"Mount": types.SimpleNamespace(parse_mount_string=str)},
        "pendulum": {"timezone": ZoneInfo, "now": now},
    }
    found = {}
    for name, content in names.items():
        found[name] = types.ModuleType(name)
        found[name].__dict__.update(content, __path__=[])
    return found


@contextmanager
def stand_in(
    version: str = "2.2.3", connections: Mapping[str, Connection] | None = None
) -> Iterator[None]:
    """Airflow 2 in the place of modules, for the block."""
    with patch.dict(sys.modules, _modules(version, connections or {})):
        yield
