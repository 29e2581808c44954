"""The errors a person is meant to read.

Here: the few exception classes whose text is shown without a traceback, and the exit code each
stands for. Not here: messages themselves, which belong where the mistake is noticed.
"""

from __future__ import annotations


class LakeError(Exception):
    """Something a person can mend. The text says what, where, what is allowed, what to do."""

    exit_code = 1


class UsageError(LakeError):
    """The words of a command are off (exit code 2, as every command line tool has it)."""

    exit_code = 2


class PermanentError(LakeError):
    """Trying again cannot help: a failed gate, a changed column, a missing right (exit code 65)."""

    exit_code = 65


class TransientError(LakeError):
    """Trying again may help: an unreachable host, a table changed while it was read."""


class NotYetError(LakeError):
    """What the work needs is not there yet: a day of a month is missing (exit code 75)."""

    exit_code = 75
