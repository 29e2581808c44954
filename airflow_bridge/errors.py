"""The errors a person is meant to read.

Here: exceptions whose text is shown without a traceback, and the exit code each stands for. Not
here: what a failed asset says of itself (`materialise.py`).
"""

from __future__ import annotations

import signal

#: What a DAG's prelude makes of a code: 99 skips the task, 2 and 65 fail it for good, all others
#: are tried again.
DONE, FAILED, USAGE, PERMANENT, NOT_YET, SKIPPED = 0, 1, 2, 65, 75, 99


class BridgeError(Exception):
    """Something a person can mend. The text says what, where, what is allowed, what to do."""

    exit_code = FAILED


class UsageError(BridgeError):
    """What was asked for cannot be: an unknown job, a partition that is none."""

    exit_code = USAGE


class NotYetError(BridgeError):
    """Another try may find it: the lock of a partition that another process is writing."""

    exit_code = NOT_YET


class Interrupted(BridgeError):
    """Stopped by a signal; the exit code is the shell's for it."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.exit_code = 128 + signum
        super().__init__(
            f"Stopped by {signal.Signals(signum).name}; the run is marked as canceled, partitions "
            "published so far stay."
        )
