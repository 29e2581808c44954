"""Measuring two sides against each other: fresh processes, alternating rounds, medians.

Here: starting a side, its CPU seconds and peak memory, ratios and their limits, the server and the
tables that cases share. Not here: what the sides do.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.sales_table import build_sales

ROOT = Path(__file__).parents[2]


class DiffersError(Exception):
    """The two sides did not do the same: nothing that was measured counts."""


@dataclass(frozen=True)
class Side:
    """One thing that is measured: `module:function` below tests.bench, called with a meter."""

    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """A fresh process: `cpu` by name, `megabytes`, and `facts`, what the function returns."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LAKE_", "DAGSTER_")) and name != "PYTHONDONTWRITEBYTECODE"
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.meter", self.function, json.dumps(self.arguments)],
            cwd=ROOT,
            env={**kept, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DiffersError(f"{self.name} failed:\n{done.stderr[-4000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


@dataclass(frozen=True)
class Ratio:
    """One number that must hold: medians of both sides, ratio of the medians, ratios of rounds."""

    case: str
    what: str
    unit: str
    ours: float
    peer: float
    rounds: list[float]
    limit: float
    least: bool
    """Whether the limit is the least the peer must take more, instead of the most of ours."""
    notes: Mapping[str, Any]

    @property
    def ratio(self) -> float:
        return self.peer / self.ours if self.least else self.ours / self.peer

    @property
    def holds(self) -> bool:
        return self.ratio >= self.limit if self.least else self.ratio <= self.limit

    def record(self) -> dict[str, Any]:
        numbers = {"ratio": round(self.ratio, 3), "holds": self.holds}
        found = {**asdict(self), "rounds": [round(one, 3) for one in self.rounds]}
        return {**found, "ours": round(self.ours, 3), "peer": round(self.peer, 3), **numbers}

    def __str__(self) -> str:
        sign = "≥" if self.least else "≤"
        notes = ", ".join(f"{name} {value}" for name, value in self.notes.items())
        return (
            f"  {'ok  ' if self.holds else 'OVER'} {self.case:<11} {self.what:<28} "
            f"ours {self.ours:8.2f} {self.unit:<5} peer {self.peer:8.2f}  "
            f"ratio {self.ratio:5.2f} {sign} {self.limit:<5} "
            f"({min(self.rounds):.2f}–{max(self.rounds):.2f}, {len(self.rounds)} rounds) {notes}"
        )


Value = Callable[[Mapping[str, Any]], float]


def cpu(name: str = "cpu") -> Value:
    return lambda found: float(found["cpu"][name])


def megabytes(found: Mapping[str, Any]) -> float:
    return float(found["megabytes"])


@dataclass(frozen=True)
class Rounds:
    """What alternating rounds of two sides gave."""

    case: str
    ours: list[dict[str, Any]]
    peer: list[dict[str, Any]]

    def ratio(
        self,
        what: str,
        unit: str,
        value: Value,
        limit: float,
        least: bool = False,
        notes: Mapping[str, Any] | None = None,
    ) -> Ratio:
        ours, peer = [value(one) for one in self.ours], [value(one) for one in self.peer]
        pairs = zip(ours, peer, strict=True)
        return Ratio(
            self.case,
            what,
            unit,
            statistics.median(ours),
            statistics.median(peer),
            [b / a if least else a / b for a, b in pairs],
            limit,
            least,
            notes or {},
        )


class Measured(Protocol):
    """A side, in this environment or another: `cpu` by name, and `facts`."""

    def run(self) -> dict[str, Any]: ...


def alternate(case: str, ours: Measured, peer: Measured, rounds: int) -> Rounds:
    """A B A B …, so that what else the machine does falls on both."""
    found = Rounds(case, [], [])
    for _ in range(rounds):
        found.ours.append(ours.run())
        found.peer.append(peer.run())
    return found


#: The column's days begin where the table's do; 31 of 34 days are the month that is read.
MONTH = ("2025-07-01", "2025-08-01")


class Bench:
    """What cases share: rounds, a folder of their own, a server and its tables, made when used."""

    def __init__(self, *, rounds: int | None, quick: bool) -> None:
        self._rounds = rounds
        self.quick = quick
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lake-bench-"))
        self.folder = Path(folder)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def rounds(self, default: int) -> int:
        return self._rounds or default

    @cached_property
    def server(self) -> PostgresServer:
        server = self._stack.enter_context(running_postgres())
        server.create_database("bench")
        return server

    @property
    def address(self) -> dict[str, Any]:
        """How sides reach the server."""
        return {"host": self.server.host, "port": self.server.port, "user": self.server.user}

    @cached_property
    def month(self) -> str:
        """A table of which the month of MONTH is 1,000,023 rows."""
        build_sales(self.server, "bench", rows=1_096_800, days=34, table="month")
        return "month"

    @cached_property
    def year_rows(self) -> int:
        return 1_000_000 if self.quick else 10_000_000

    @cached_property
    def year(self) -> str:
        """A table of 10M rows over 365 days (about two minutes to fill)."""
        build_sales(self.server, "bench", rows=self.year_rows, days=365, table="year")
        return "year"
