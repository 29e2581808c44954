"""A source kept to its limits, whatever its kind: hours, sessions at a time, rows a second.

Here: waiting for a free place, refusing outside the hours, pausing between batches. Not here: what
the limits are (`limits.py`). Counts and sums are the server's own work and are not paced; one
reading that has begun is not ended by the hours.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

from resources.errors import NotYetError, PermanentError, TransientError
from resources.limits import Limits, next_opening
from resources.source import Reading, Source, SourceColumn, Span, Splittable, Survey, Table

if TYPE_CHECKING:
    import pyarrow as pa

_ZONE = ZoneInfo("Asia/Seoul")
_LOG = logging.getLogger(__name__)

#: Seconds to wait for another session's end, and about how often to look. A retry waits again.
WAIT, _LOOK = 600.0, 0.5


class BusyError(TransientError):
    """All sessions that a connection may have are in use."""


@dataclass(frozen=True)
class Place:
    """Where a connection's sessions are counted: a folder of this machine, and its name there."""

    folder: Path
    name: str


@contextmanager
def session(name: str, limits: Limits, place: Place, *, wait: bool = True) -> Iterator[None]:
    """One of the sessions that a connection may have, within its hours; without `wait` only if one
    is free."""
    _check_hours(name, limits)
    if limits.connections is None:
        yield
        return
    lock = _place(name, place, limits.connections, wait)
    try:
        yield
    finally:
        os.close(lock)  # and with it the lock


class LimitedSource:
    """A source, opened and read within `limits`; without `wait` only if a session is free."""

    def __init__(
        self, source: Source, name: str, limits: Limits, place: Place, *, wait: bool = True
    ) -> None:
        self._source = source
        self._name = name
        self._limits = limits
        self._place = place
        self._wait = wait
        self._open = ExitStack()

    def __enter__(self) -> LimitedSource:
        with ExitStack() as stack:
            own = session(self._name, self._limits, self._place, wait=self._wait)
            stack.enter_context(own)
            stack.enter_context(self._source)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.__exit__(*exc)  # type: ignore[arg-type]

    def describe(self, table: Table) -> list[SourceColumn]:
        return self._source.describe(table)

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        # Again: a backfill reads many times through one session.
        _check_hours(self._name, self._limits)
        with self._source.read(table, span) as reading:
            rate = self._limits.rows_per_second
            if rate is None:
                yield reading
                return
            with closing(_paced(reading.batches, rate, self._place)) as batches:
                yield replace(reading, batches=batches)

    def peek(self, table: Table, rows: int) -> pa.Table:
        return self._source.peek(table, rows)

    def survey(self, table: Table, span: Span | None, column: str, *, ends: bool) -> Survey:
        _check_hours(self._name, self._limits)
        return self._splittable.survey(table, span, column, ends=ends)

    def shared(self, table: Table) -> AbstractContextManager[str | None]:
        return self._splittable.shared(table)

    @property
    def _splittable(self) -> Splittable:
        if not isinstance(self._source, Splittable):
            raise PermanentError(f"The connection {self._name!r} holds nothing to read by splits.")
        return self._source


def _check_hours(name: str, limits: Limits) -> None:
    hours = limits.hours
    now = datetime.now(_ZONE).replace(tzinfo=None)
    opening = next_opening(hours, now) if hours else None
    if opening:
        raise NotYetError(
            f"The connection {name!r} is read from {hours} (Asia/Seoul) alone, next from "
            f"{opening:%Y-%m-%d %H:%M}. Run again then, or change `limits` of the connection."
        )


#: Connection → when the rows that this process has taken from it have had their time.
_DUE: dict[Place, float] = {}
_TAKING = threading.Lock()


def _take(place: Place, rows: int, rate: int) -> float:
    """When these rows, after all before them, have had their time."""
    with _TAKING:
        due = max(_DUE.get(place, 0.0), time.monotonic()) + rows / rate
        _DUE[place] = due
        return due


def _paced(
    batches: Iterator[pa.RecordBatch], rate: int, place: Place
) -> Generator[pa.RecordBatch, None, None]:
    """The same; before the next is asked for, and at the end, each has had its time."""
    for batch in batches:
        due = _take(place, batch.num_rows, rate)
        yield batch
        time.sleep(max(0.0, due - time.monotonic()))


def _place(name: str, place: Place, count: int, wait: bool = True) -> int:
    """One of `count` lock files of this machine, held; the kernel frees those of killed runs."""
    files = [place.folder / f"{quote(place.name, safe='')}.{one}.lock" for one in range(count)]
    seconds = WAIT if wait else 0.0
    until, told = time.monotonic() + seconds, False
    while True:
        for file in files:
            if (held := _held(file)) is not None:
                return held
        if time.monotonic() >= until:
            raise BusyError(
                f"The connection {name!r} has had its {count} sessions of this machine in use for "
                f"{seconds:.0f} s (`limits: connections`). Try again later, or run fewer at a time."
            )
        if not told:
            told = True
            _LOG.warning(
                "The connection %r has its %d sessions of this machine in use; waiting for one.",
                name,
                count,
            )
        time.sleep(_LOOK * random.uniform(0.5, 1.5))  # noqa: S311


def _held(file: Path) -> int | None:
    """The file locked, as its descriptor; None where somebody else has it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Read-only, so that other users of this machine can lock it too.
        opened = os.open(file, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise PermanentError(
            f"Sessions are counted in {file.parent}, which cannot be used: {error.strerror}. Set "
            "LAKE_HOME to a folder that can be written to."
        ) from None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        return None
    return opened
