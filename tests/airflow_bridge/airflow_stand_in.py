"""A stand-in of an Airflow: an `airflow` command and its Python, which answer from a file of JSON.

Here: writing both into a folder, and what they do when they are called. Not here: any Airflow; what
the real ones answer is tried in `test_setup.py` and `test_doctor.py` too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def facts(version: str = "2.11.2", folder: str = "/", lost: int = 180) -> dict[str, Any]:
    """What an Airflow says of itself."""
    return {"version": version, "folder": folder, "lost": ["the_option", lost]}


#: What it answers unless it is told otherwise; `database` has a connection for each name asked.
ANSWERS: Mapping[str, Any] = {
    "facts": facts(),
    "database": {
        "pools": {"default_pool": {"slots": 128, "description": "Default pool"}},
        "connections": {},
        "clock": None,
    },
    "workers": {
        "executor": "CeleryExecutor",
        "default": "default",
        "queues": {"s21": ["celery@a", "celery@b"], "default": ["celery@a"]},
        "clock": 0.2,
    },
    "files": {"errors": {}},
}


@dataclass(frozen=True)
class StandIn:
    """Its command, and its answers, which may be changed at any time."""

    folder: Path

    @property
    def program(self) -> str:
        return str(self.folder / "airflow")

    def says(self, **answers: Any) -> None:
        """Other words for these; "hang" answers never, and "broken" has no Airflow to ask."""
        told = {**self.told(), **answers}
        (self.folder / "answers.json").write_text(json.dumps(told))

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "answers.json").read_text())
        return found

    def pools(self) -> dict[str, Any]:
        found: dict[str, Any] = self.told()["database"]["pools"]
        return found

    def calls(self) -> list[list[str]]:
        """How its command was called; not its Python."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]


def make_stand_in(folder: Path) -> StandIn:
    folder.mkdir(parents=True)
    for name in ("airflow", "python"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$0" "$@"\n')
        script.chmod(0o755)
    (folder / "answers.json").write_text(json.dumps(ANSWERS))
    (folder / "calls").touch()
    return StandIn(folder)


def _answer(words: list[str], answers: dict[str, Any]) -> None:
    what, *names = words[2:]  # `python -c TEXT what …`
    answer = answers[what]
    if answer == "hang":
        time.sleep(600)
    if answer == "broken":
        sys.exit("sqlalchemy.exc.ArgumentError: not a URL: 'postgresql//airflow:geheim@db/a'")
    if what == "database" and "connections" in answer:
        known = answer["connections"]
        answer = {**answer, "connections": {name: known.get(name) for name in names}}
    print("a line of a log\nairflow-bridge " + json.dumps(answer))


def _import_pools(file: Path, answers: dict[str, Any], answers_file: Path) -> None:
    if answers.get("import") == "fails":
        sys.exit("Failed to update pool(s): erp")
    answers["database"]["pools"].update(json.loads(file.read_text()))
    answers_file.write_text(json.dumps(answers))


if __name__ == "__main__":
    program, words = Path(sys.argv[1]), sys.argv[2:]
    answers_file = program.with_name("answers.json")
    answers = json.loads(answers_file.read_text())
    if program.name == "python":
        _answer(words, answers)
    else:
        with program.with_name("calls").open("a") as calls:
            calls.write(json.dumps(words) + "\n")
        assert words[:2] == ["pools", "import"]
        _import_pools(Path(words[2]), answers, answers_file)
