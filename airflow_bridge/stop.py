"""Signals and processes of a run that is executed in this process.

Here: ending within seconds when told to, with the run marked as canceled, and runs whose process
is gone. Not here: what runs.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from airflow_bridge.errors import Interrupted

#: After a signal, what runs has these seconds to clean up behind itself.
GRACE = 5.0

#: Host and process of a run that a command executes.
PROCESS_TAG = "run/process"


def process_tag() -> dict[str, str]:
    return {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def end_lost(instance: dg.DagsterInstance) -> None:
    """A run whose process was killed would be shown as running for ever; it failed.

    A re-execution has its parent's tags, and another process.
    """
    host = socket.gethostname()
    running = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=running)):
        where, _, pid = run.tags.get(PROCESS_TAG, "").rpartition(":")
        mine = where == host and run.parent_run_id is None
        if mine and not Path(f"/proc/{pid}").exists():
            instance.report_run_failed(run, f"Its process {pid} is gone.")


def kill_left() -> None:
    """Kill what this process has started and left behind, where it leads a session.

    A task of Airflow does; at a terminal the shell leads, and what it runs is left alone.
    """
    me = os.getpid()
    if os.getsid(0) != me:
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid = int(stat.parent.name)
            # The name in brackets may hold blanks; after it: state, parent, group, session.
            session = int(stat.read_text(errors="replace").rpartition(")")[2].split()[3])
            if session == me and pid != me:
                os.kill(pid, signal.SIGKILL)


@dataclass
class Stop:
    """What a signal has said. Dagster keeps interrupts to itself while it records events."""

    instance: dg.DagsterInstance
    received: threading.Event = field(default_factory=threading.Event)
    signum: int = signal.SIGINT
    run: dg.DagsterRun | None = None

    def check(self) -> None:
        if self.received.is_set():
            raise Interrupted(self.signum)

    def cancel_if_told(self, event: dg.DagsterEvent) -> None:
        """Mark the run as being canceled, or Dagster would end it as failed and alert."""
        interrupted = _is_interruption(event)
        if interrupted:
            self.received.wait(1.0)
        if (interrupted or self.received.is_set()) and self.run:
            self.instance.report_run_canceling(self.run)

    def listen(self, pipe: int) -> None:
        """In a thread of its own: a call into C may keep the main one for minutes.

        A byte is the number of a signal, or 0 when all is over. After the grace time, or at a
        second signal, the process ends where it stands.
        """
        signum = os.read(pipe, 1)[0]
        if not signum:
            return
        self.signum = signum
        self.received.set()
        readable, _, _ = select.select([pipe], [], [], GRACE)
        if readable and os.read(pipe, 1) == b"\0":
            return
        try:
            if self.run:
                self.instance.report_run_canceled(self.run)
        finally:
            kill_left()
            os._exit(128 + signum)


@contextmanager
def stoppable(instance: dg.DagsterInstance) -> Iterator[Stop]:
    """SIGINT and SIGTERM end what is inside with `Interrupted`, within seconds."""
    stop = Stop(instance)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    listener = threading.Thread(target=stop.listen, args=(reader,), daemon=True)
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for one in handlers:
        signal.signal(one, signal.default_int_handler)
    listener.start()
    try:
        yield stop
    except KeyboardInterrupt:
        stop.received.wait(1.0)
        raise Interrupted(stop.signum) from None
    finally:
        signal.set_wakeup_fd(before)
        for one, handler in handlers.items():
            signal.signal(one, handler)
        os.write(writer, b"\0")
        listener.join(1.0)
        os.close(writer)
        os.close(reader)


def _is_interruption(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    while error:
        if error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            return True
        error = error.cause
    return False
