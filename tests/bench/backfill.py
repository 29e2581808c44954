"""A year as 365 daily partitions through Dagster, against one bulk extraction of the same rows."""

from __future__ import annotations

from tests.bench.runner import Bench, Ratio


def run(bench: Bench) -> list[Ratio]:
    return []
