"""Partitions of the lake: Asia/Seoul days and months, or none.

Here: Dagster's definitions for them, the days a key stands for, and which partitions of an input a
partition reads. Not here: where a partition's file is (`resources/store.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import dagster as dg

from lake_assets.spec import Partitions
from resources.source import Cadence

ZONE = "Asia/Seoul"

TimePartitions = dg.DailyPartitionsDefinition | dg.MonthlyPartitionsDefinition


@cache
def definition(partitions: Partitions | None) -> TimePartitions | None:
    """Dagster's definition; equal ones are one object, which saves time in large graphs."""
    if partitions is None:
        return None
    if partitions.daily:
        return dg.DailyPartitionsDefinition(
            start_date=partitions.daily.start, end_date=partitions.daily.end, timezone=ZONE
        )
    assert partitions.monthly
    end = partitions.monthly.end
    return dg.MonthlyPartitionsDefinition(
        start_date=partitions.monthly.start[:7],
        end_date=end and end[:7],
        timezone=ZONE,
        fmt="%Y-%m",
    )


def days(cadence: Cadence, key: str) -> tuple[date, date]:
    """The first day of a partition and the first day after it.

    >>> days("monthly", "2024-02")
    (datetime.date(2024, 2, 1), datetime.date(2024, 3, 1))
    """
    if cadence == "daily":
        start = date.fromisoformat(key)
        return start, start + timedelta(days=1)
    start = date.fromisoformat(f"{key}-01")
    return start, (start + timedelta(days=31)).replace(day=1)


def key_of(cadence: Cadence, day: date) -> str:
    return day.isoformat() if cadence == "daily" else f"{day:%Y-%m}"


def newest(partitions: Partitions, moment: datetime) -> str | None:
    """The last partition that has ended by `moment` (with zone); None before the first has.

    >>> newest(Partitions(daily=Daily(start="2025-01-01")), datetime(2025, 7, 1, 21, tzinfo=UTC))
    '2025-07-01'
    """
    cadence, span = partitions.cadence, partitions.span
    today = moment.astimezone(ZoneInfo(ZONE)).date()
    if span.end:
        today = min(today, date.fromisoformat(span.end))
    running = days(cadence, key_of(cadence, today))[0]
    key = key_of(cadence, running - timedelta(days=1))
    return key if days(cadence, key)[0] >= date.fromisoformat(span.start) else None


def mapping(offset: tuple[int, int] | None) -> dg.TimeWindowPartitionMapping:
    """Dagster's words for what `input_keys` does between two partitioned assets."""
    earliest, latest = offset or (0, 0)
    # A month may begin before its input does: it then reads the days there are.
    return dg.TimeWindowPartitionMapping(
        start_offset=earliest, end_offset=latest, allow_nonexistent_upstream_partitions=True
    )


def shifted(cadence: Cadence, key: str, by: int) -> str:
    """The partition `by` places after `key`.

    >>> shifted("monthly", "2025-01", -2)
    '2024-11'
    """
    for _ in range(abs(by)):
        start, end = days(cadence, key)
        key = key_of(cadence, end if by > 0 else start - timedelta(days=1))
    return key


def input_keys(
    cadence: Cadence | None,
    key: str,
    upstream: Partitions | None,
    existing: Iterable[str],
    offset: tuple[int, int] | None = None,
) -> list[str]:
    """The partitions of an input that one partition reads, as Dagster's mappings have it.

    The same day or month; a month's days, from the first one the input has; '' of an unpartitioned
    input. With `offset` those from the one so many places before to the other, counted in the own
    cadence, from the first one the input has. An unpartitioned dataset (`cadence` None) reads all
    of `existing` that the input declares to have: the store may hold more, of another location or
    of before its first day was moved.
    """
    if upstream is None:
        return [""]
    if cadence is None:
        first, after = _ends(upstream)
        return sorted(one for one in existing if len(one) == len(first) and first <= one < after)
    if cadence == upstream.cadence and offset is None:
        return [key]
    assert cadence == "monthly" or upstream.daily, "validation refuses a day that reads a month"
    earliest, latest = offset or (0, 0)
    start = days(cadence, shifted(cadence, key, earliest))[0]
    end = days(cadence, shifted(cadence, key, latest))[1]
    start = max(start, date.fromisoformat(upstream.span.start))
    if upstream.span.end:
        end = min(end, date.fromisoformat(upstream.span.end))
    found = []
    while start < end:
        found.append(key_of(upstream.cadence, start))
        start = days(upstream.cadence, found[-1])[1]
    return found


def _ends(partitions: Partitions) -> tuple[str, str]:
    """The first key and the one after the last; keys of one cadence sort as text."""
    start, end = (
        key_of(partitions.cadence, date.fromisoformat(day))
        for day in (partitions.span.start, partitions.span.end or date.max.isoformat())
    )
    return start, end


def consecutive(cadence: Cadence, keys: Sequence[str]) -> list[list[str]]:
    """Sorted keys cut into runs without a gap: what one query can read.

    >>> consecutive("daily", ["2024-01-01", "2024-01-02", "2024-01-05"])
    [['2024-01-01', '2024-01-02'], ['2024-01-05']]
    """
    runs = [list(keys[:1])] if keys else []
    for before, key in pairwise(keys):
        if days(cadence, before)[1] == days(cadence, key)[0]:
            runs[-1].append(key)
        else:
            runs.append([key])
    return runs
