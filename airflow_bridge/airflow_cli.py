"""An Airflow on this host: its command line, and what its own Python says of it.

Here: finding both, calling them with a time limit, keeping addresses with passwords out of words.
Not here: what is asked (`probe.py`), and what the answers mean (`setup.py`, `doctor.py`).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_bridge.errors import BridgeError, UsageError

#: What stands before an @ in an address may be a password, in whatever error it is repeated.
_ADDRESS = re.compile(r"\S+@")

_ANSWER = "airflow-bridge "


#: What Airflow was asked for → what to do where it cannot say it.
_CURES = {
    "facts": "Call `airflow version` as its user, with its variables, and see what it says.",
    "files": "Call `airflow dags list` as its user, with its variables, and see what it says.",
    "database": "Call `airflow db check`: is the database up, and sql_alchemy_conn right? A worker "
    "of Airflow 3 may have none: then ask on the control host.",
    "workers": "Is the broker up, and broker_url of [celery] right?",
}


class AirflowError(BridgeError):
    """Airflow did not do, or did not say, what it was asked."""

    def __init__(self, found: str, cure: str = "") -> None:
        self.found, self.cure = found, cure
        super().__init__(f"{found} {cure}".rstrip())


@dataclass(frozen=True)
class Airflow:
    """An `airflow` command, the Python it runs with, and the seconds that a call may take."""

    program: str
    python: tuple[str, ...]
    seconds: float

    def call(self, *words: str) -> str:
        """The `airflow` command; what it said."""
        done = called([self.program, *words], self.seconds)
        if done.returncode:
            said = last_line(done.stderr or done.stdout)
            raise AirflowError(f"`airflow {shlex.join(words[:2])}` ended with {said}.")
        return done.stdout

    def ask(self, what: str, *words: str) -> dict[str, Any]:
        """What `probe.py` answers."""
        text = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
        done = called([*self.python, "-c", text, what, *words], self.seconds)
        told = [line for line in done.stdout.splitlines() if line.startswith(_ANSWER)]
        if not told:
            said = last_line(done.stderr)
            found = f"{shlex.join(self.python)} cannot say anything of Airflow: {said}."
            raise AirflowError(found, _CURES[what])
        answer: dict[str, Any] = json.loads(told[-1][len(_ANSWER) :])
        if "error" in answer:
            found = f"Airflow cannot tell of its {what}: {hidden(answer['error'])}."
            raise AirflowError(found, _CURES[what])
        return answer


def find_airflow(program: str, seconds: float) -> Airflow:
    """The `airflow` command of that path, or that name on the PATH."""
    found = shutil.which(program)
    if found is None:
        raise UsageError(
            f"There is no {program!r} that can be run here. Name Airflow's own command, such as "
            "--airflow /opt/airflow/bin/airflow, or put its folder on the PATH."
        )
    return Airflow(found, _python_of(Path(found)), seconds)


def called(words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """A command in a folder of its own, as a task's is; `AirflowError` where it does not end."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return subprocess.run(  # noqa: S603 (what an operator names)
                words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            found = f"{words[0]} did not end within {seconds:g} s."
            raise AirflowError(
                found, "See what hangs there, or give it longer: --timeout."
            ) from None
        except OSError as error:
            raise AirflowError(f"{words[0]} cannot be run: {error.strerror}.") from None


def hidden(text: str) -> str:
    """The text without what may be a password.

    >>> hidden("no postgresql://airflow:secret@db:5432/airflow")
    'no ***@db:5432/airflow'
    """
    return _ADDRESS.sub("***@", text)


def reason(error: BaseException) -> str:
    """The kind and the first line of an error, or of its cause: why a database was given up."""
    cause = error.__cause__ or error
    lines = hidden(str(cause)).strip().splitlines() or [""]
    return f"{type(cause).__name__}: {lines[0]}"


def last_line(text: str) -> str:
    """The end of what a command said, which is where it says why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return hidden(lines[-1]).rstrip(".") if lines else "no word"


def _python_of(program: Path) -> tuple[str, ...]:
    """What the first line of the command names; else (a shim, a long path) what lies beside it."""
    with program.open("rb") as file:
        first = file.readline(500).decode("utf-8", "replace")
    if first.startswith("#!") and "python" in first:
        return tuple(shlex.split(first[2:]))
    for folder in (program.parent, program.resolve().parent):
        if (folder / "python").exists():
            return (str(folder / "python"),)
    raise UsageError(
        f"{program} does not say with which Python it runs, and there is none beside it. Name the "
        "airflow of its virtual environment with --airflow."
    )
