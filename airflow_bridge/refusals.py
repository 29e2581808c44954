"""What stands in the way of an export, collected until all of it is known.

Here: a refusal and the error that tells them. Not here: what is refused (`graph.py`, `tasks.py`,
`automation.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_bridge.errors import BridgeError
from airflow_bridge.metadata import Hints, read_hints


@dataclass(frozen=True)
class Refusal:
    """Something that has no counterpart in Airflow."""

    name: str
    why: str
    cure: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}. {self.cure}."


class Refused(BridgeError):
    """All that stands in the way of an export; nothing was written."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        lines = "\n".join(f"  {one}" for one in refusals)
        super().__init__(f"Nothing was exported; {len(refusals)} to mend:\n{lines}")


@dataclass
class Refusals:
    """Those found so far, each once."""

    found: list[Refusal] = field(default_factory=list)

    def add(self, name: str, why: str, cure: str) -> None:
        refusal = Refusal(name, why, cure)
        if refusal not in self.found:
            self.found.append(refusal)

    def hints(self, name: str, metadata: Mapping[str, Any]) -> Hints:
        """What `metadata` say; mistakes in them are refused."""
        try:
            return read_hints(name, metadata)
        except ValueError as error:
            self.add(name, str(error).removeprefix(f"{name}: "), "Correct its metadata")
            return Hints()
