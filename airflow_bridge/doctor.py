"""Whether exported DAGs can run here: all checks side by side, none that hangs.

Here: what is asked for, and running the checks with a time limit. Not here: the checks themselves
(`doctor_checks.py`), and how a table of them looks. It is asked on each worker, as it says what
that host has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from airflow_bridge import doctor_checks as checks
from airflow_bridge.airflow_cli import AirflowError, find_airflow
from airflow_bridge.doctor_checks import Check
from airflow_bridge.doctor_docker import of_dockers
from airflow_bridge.errors import BridgeError


@dataclass(frozen=True)
class Asked:
    """What is looked at: the files that exports of a code location wrote into a folder.

    `airflow` is the path or name of its command, `home` where Dagster's instance is. `seconds` are
    what each question may take; all are asked at once.
    """

    folder: Path
    module: str
    location: str
    airflow: str
    home: Path | None
    seconds: float


def examine(asked: Asked) -> list[Check]:
    """Every check, subject by subject; they are looked at side by side."""
    files = checks.read_files(asked.folder, asked.module, asked.location)
    subjects: dict[str, Callable[[], Iterator[Check]]] = {
        "files": partial(checks.of_files, files, asked.folder)
    }
    try:
        airflow = find_airflow(asked.airflow, asked.seconds)
    except BridgeError as error:
        subjects["airflow"] = partial(_raise, error)
    else:
        subjects["load"] = partial(checks.of_load, airflow, files)
        subjects["airflow"] = partial(checks.of_airflow, airflow, files)
        subjects["database"] = partial(checks.of_database, airflow, files)
        subjects["workers"] = partial(checks.of_workers, airflow, files)
    subjects["command"] = partial(checks.of_commands, files, asked.folder, asked.seconds)
    subjects["containers"] = partial(of_dockers, files, asked.seconds)
    subjects["instance"] = partial(checks.of_instance, asked.home)
    # What is called ends by itself when its time is over, and says so.
    until = time.monotonic() + asked.seconds + 1
    runs = [_Run(name, subject) for name, subject in subjects.items()]
    for run in runs:
        run.thread.join(max(0.0, until - time.monotonic()))
    return [check for run in runs for check in run.told(asked.seconds)]


def _raise(error: BridgeError) -> Iterator[Check]:
    raise error


@dataclass
class _Run:
    """A subject on its way; one that hangs is left behind, and ends with the process."""

    name: str
    subject: Callable[[], Iterator[Check]]
    done: list[Check] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._go, name=f"doctor {self.name}", daemon=True)
        self.thread.start()

    def _go(self) -> None:
        try:
            for check in self.subject():
                self.done.append(check)
        except Exception as error:
            self.done.append(_of_error(self.name, error))
        self.ended = True

    def told(self, seconds: float) -> list[Check]:
        done = list(self.done)
        if self.ended:
            return done
        cure = "see what hangs there, or give it longer: --timeout"
        return [
            *done,
            Check(self.name, "answer", "failed", f"no answer within {seconds:g} s", cure),
        ]


def _of_error(subject: str, error: Exception) -> Check:
    """Of an error that nobody expected only its kind, as its words may hold a secret."""
    if isinstance(error, AirflowError):
        return Check(subject, "answer", "failed", error.found, error.cure)
    if isinstance(error, BridgeError):
        return Check(subject, "answer", "failed", str(error))
    found = f"ended by {type(error).__name__}, which nobody expected"
    return Check(subject, "answer", "failed", found)
