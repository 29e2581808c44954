"""Whether an environment's systems can be used: records of checks, and running them side by side.

Here: what a check is, all subjects at a time with a time limit each, secrets kept out of the
words. Not here: the checks themselves (`doctor_checks.py`, `doctor_network.py`) and what to do
(`symptoms.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from resources.errors import LakeError, NotYetError, PermanentError
from resources.settings import Settings
from resources.source import Table
from resources.symptoms import cure_of

Result = Literal["ok", "warning", "failed", "not tried"]


@dataclass(frozen=True)
class Check:
    """One thing that was tried, or not, and what was found; `cure` is what to do.

    A warning works, and should not stay so.
    """

    subject: str
    name: str
    result: Result
    found: str
    cure: str = ""


@dataclass(frozen=True)
class Declared:
    """A table (files, an index, an API) that a pipeline reads, and the asset it becomes."""

    asset: str
    table: Table


#: The checks of one subject, one after another, each as it is done.
Subject = Callable[[], Iterator[Check]]


def ok(subject: str, name: str, found: str) -> Check:
    return Check(subject, name, "ok", found)


def failed(subject: str, name: str, found: str, cure: str = "") -> Check:
    return Check(subject, name, "failed", found, cure or cure_of(found))


def warned(subject: str, name: str, found: str, cure: str) -> Check:
    return Check(subject, name, "warning", found, cure)


def not_tried(subject: str, name: str, why: str) -> Check:
    return Check(subject, name, "not tried", why)


def of_error(subject: str, name: str, error: Exception) -> Check:
    """What a module told; of what no module told only its kind, as its words may hold a secret."""
    if isinstance(error, NotYetError):
        return not_tried(subject, name, str(error))
    if not isinstance(error, LakeError):
        return failed(subject, name, f"ended by {type(error).__name__}, which nobody expected")
    found, _, cure = str(error).partition(" What to do: ")
    return failed(subject, name, found, cure.rstrip("."))


def examine(subjects: Mapping[str, Subject], seconds: float, secrets: Iterable[str]) -> list[Check]:
    """The checks of all subjects, in their order; each subject has `seconds` from now.

    One that hangs in its driver is left behind: its thread ends with the process.
    """
    runs = [_Run(name, subject) for name, subject in subjects.items()]
    for run in runs:
        run.thread.start()
    until = time.monotonic() + seconds
    for run in runs:
        run.thread.join(max(0.0, until - time.monotonic()))
    hidden = [one for one in secrets if one]
    return [_without(check, hidden) for run in runs for check in run.told(seconds)]


class _Run:
    def __init__(self, name: str, subject: Subject) -> None:
        self._name, self._subject = name, subject
        self._done: list[Check] = []
        self._ended = False
        self.thread = threading.Thread(target=self._go, name=f"doctor {name}", daemon=True)

    def _go(self) -> None:
        try:
            for check in self._subject():
                self._done.append(check)
        except Exception as error:
            self._done.append(of_error(self._name, "check", error))
        self._ended = True

    def told(self, seconds: float) -> Sequence[Check]:
        ended = self._ended  # first: it may end between the two looks
        done = list(self._done)
        if ended:
            return done
        after = f" after {done[-1].name}" if done else ""
        found = f"no answer within {seconds:g} s{after}"
        if any(one.name.startswith("port") and one.result == "ok" for one in done):
            found += ", though the port is open"
        late = failed(self._name, "time", found)
        return [*done, replace(late, cure=f"{late.cure}; or give it longer: --timeout")]


def _without(check: Check, secrets: Sequence[str]) -> Check:
    """The check without a secret, should one ever be in a driver's words."""
    found, cure = check.found, check.cure
    for secret in secrets:
        found, cure = found.replace(secret, "***"), cure.replace(secret, "***")
    return replace(check, found=found, cure=cure)


def secrets_of(settings: Settings) -> list[str]:
    """Those that can be read here."""
    found = []
    for connection in settings.connections.values():
        if connection.password is not None:
            try:
                found.append(connection.password.reveal())
            except PermanentError:
                continue
    return found
