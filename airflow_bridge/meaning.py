"""What a DAG run is asked for, and what that means: records that travel between its tasks.

Here: the records, and the meaning as JSON. Not here: finding it (`ticks.py`), and carrying it out
(`materialise.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from airflow_bridge.automation import Automation


@dataclass(frozen=True)
class Asked:
    """What a DAG run says of itself: its moment (ISO, with offset), `conf`, and parameters.

    `updates`: the DAG runs whose updates began it, as two lists `dags` and `runs` of one length.
    """

    time: str
    conf: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    updates: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def wish(self, name: str) -> str | None:
        """`partition`, `from`, `to` or `tick`: of the run's conf, else of the form."""
        found = self.conf.get(name)
        return str(found) if found else str(self.params.get(name) or "") or None


@dataclass(frozen=True)
class Request:
    """One thing to materialise: the partitions first to last ('' where there are none).

    `assets` None: all of the job's.
    """

    first: str
    last: str
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    assets: Sequence[str] | None = None

    @property
    def shown(self) -> str:
        return self.first if self.first == self.last else f"{self.first}…{self.last}"


@dataclass(frozen=True)
class Meaning:
    """What a DAG run means. It travels as JSON: every task and every retry reads the same.

    With `force` a retry makes again what a failed try of the same task made.
    """

    tick: str
    requests: Sequence[Request]
    params: Mapping[str, Any]
    skip: str | None = None
    force: bool = False

    @property
    def shown(self) -> str:
        """The partitions in words, for people."""
        return ", ".join(dict.fromkeys(filter(None, (one.shown for one in self.requests))))

    def document(self) -> dict[str, Any]:
        return {"partition": self.shown, **asdict(self)}

    @staticmethod
    def of(document: Mapping[str, Any]) -> Meaning:
        """The meaning that `document` gave."""
        requests = [Request(**one) for one in document["requests"]]
        skip, force = document["skip"], document.get("force", False)
        return Meaning(document["tick"], requests, document["params"], skip, force)


@dataclass(frozen=True)
class Asker:
    """What a DAG is of: a job, and its schedule or the condition of its assets, if it has one."""

    job: dg.JobDefinition
    schedule: dg.ScheduleDefinition | None = None
    automation: Automation | None = None
