"""Partitions of an asset: hours, days, weeks, months, names, each name of each day, or none.

Here: Dagster's definitions for them, and which partitions of an input a partition reads. Not here:
what a key stands for and where its file is (`resources/partition.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import cache
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from lake_assets.partition_spec import Partitions
from resources.partition import Cadence, join, key_at, moment, split, start_of, window

ZONE = "Asia/Seoul"

#: What Dagster calls the two sides of a partition for each name of each day. It sorts them, so the
#: key begins with the day.
DAY, NAME = "day", "name"


@cache
def definition(partitions: Partitions | None) -> dg.PartitionsDefinition[Any] | None:
    """Dagster's definition; equal ones are one object, which saves time in large graphs."""
    if partitions is None:
        return None
    if partitions.cadence and partitions.named:
        return dg.MultiPartitionsDefinition({DAY: _times(partitions), NAME: _names(partitions)})
    return _times(partitions) if partitions.cadence else _names(partitions)


def _names(partitions: Partitions) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(partitions.names)


def _times(partitions: Partitions) -> dg.TimeWindowPartitionsDefinition:
    span = partitions.span
    assert span is not None
    start, end, more = span.start, span.end, int(span.ahead)
    if partitions.hourly:
        return dg.HourlyPartitionsDefinition(
            f"{start}-00", end and f"{end}-00", timezone=ZONE, fmt="%Y-%m-%d-%H", end_offset=more
        )
    if partitions.daily:
        return dg.DailyPartitionsDefinition(start, end_date=end, timezone=ZONE, end_offset=more)
    if partitions.weekly:
        # 0 is Sunday: weeks of Monday to Sunday, as ISO counts them.
        return dg.WeeklyPartitionsDefinition(
            start, end_date=end, timezone=ZONE, day_offset=1, end_offset=more
        )
    return dg.MonthlyPartitionsDefinition(
        start[:7], end_date=end and end[:7], timezone=ZONE, fmt="%Y-%m", end_offset=more
    )


def due(partitions: Partitions, at: datetime) -> list[str]:
    """What a schedule makes at `at` (with zone): the last partition that has ended by then.

    The one that runs, where partitions are ahead. Every name of it, where there are names; nothing
    before the first one.

    >>> due(Partitions(daily=Daily(start="2025-01-01")), datetime(2025, 7, 1, 21, tzinfo=UTC))
    ['2025-07-01']
    """
    cadence, span = partitions.cadence, partitions.span
    if cadence is None or span is None:
        return list(partitions.names)
    now = at.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    if span.end:
        now = min(now, moment(date.fromisoformat(span.end)))
    key = shifted(cadence, key_at(cadence, now), 0 if span.ahead else -1)
    if moment(start_of(cadence, key)) < moment(date.fromisoformat(span.start)):
        return []
    return [join(key, name) for name in partitions.names or ("",)]


def mapping(
    mine: Partitions, upstream: Partitions, offset: tuple[int, int] | None = None
) -> dg.PartitionMapping:
    """Dagster's words for what `input_keys` does between two partitioned assets."""
    earliest, latest = offset or (0, 0)
    # A month may begin before its input does: it then reads the days there are.
    times = dg.TimeWindowPartitionMapping(
        start_offset=earliest, end_offset=latest, allow_nonexistent_upstream_partitions=True
    )
    if mine.named is None and upstream.named is None:
        return times
    if definition(mine) == definition(upstream):
        return dg.IdentityPartitionMapping()
    if mine.named and mine.cadence and upstream.named and upstream.cadence:
        return dg.MultiPartitionMapping(
            {
                DAY: dg.DimensionPartitionMapping(DAY, times),
                NAME: dg.DimensionPartitionMapping(NAME, dg.IdentityPartitionMapping()),
            }
        )
    by_day = mine.cadence and upstream.cadence
    return dg.MultiToSingleDimensionPartitionMapping(DAY if by_day else NAME)


def previous(partitions: Partitions, key: str) -> str | None:
    """The partition before: the same name's, where there are names; None of names alone.

    >>> previous(Partitions(monthly=Monthly(start="2024-01-01")), "2025-01")
    '2024-12'
    """
    own_time, name = split(key, partitions.cadence, bool(partitions.named))
    if partitions.cadence is None:
        return None
    return join(shifted(partitions.cadence, own_time, -1), name)


def shifted(cadence: Cadence, key: str, by: int) -> str:
    """The partition `by` places after `key`.

    >>> shifted("monthly", "2025-01", -2)
    '2024-11'
    """
    if cadence == "monthly":
        months = int(key[:4]) * 12 + int(key[5:]) - 1 + by
        return f"{months // 12:04}-{months % 12 + 1:02}"
    start, end = window(cadence, key)
    return key_at(cadence, start + by * (end - start))


def input_keys(
    mine: Partitions | None,
    key: str,
    upstream: Partitions | None,
    existing: Iterable[str],
    offset: tuple[int, int] | None = None,
) -> list[str]:
    """The partitions of an input that one partition reads, as Dagster's mappings have it.

    The same time; of a finer input all that lies in it; the same name, or all names where the own
    partitions have none; '' of an unpartitioned input. With `offset` those from the one so many
    places before to the other, counted in the own cadence. Partitions outside of the input's first
    and last day are none. An unpartitioned dataset (`mine` None) reads all of `existing` that the
    input declares to have: the store may hold more, of another location or of before its first day
    was moved.
    """
    if upstream is None:
        return [""]
    if mine is None:
        return sorted(one for one in existing if _has(upstream, one))
    own_time, own_name = split(key, mine.cadence, bool(mine.named))
    times = [""]
    if upstream.cadence:
        assert mine.cadence, "validation refuses names that read times"
        times = _within(mine.cadence, own_time, upstream, offset)
    names = ((own_name,) if own_name else upstream.names) if upstream.named else ("",)
    return [join(one, name) for one in times for name in names]


def _within(
    cadence: Cadence, key: str, upstream: Partitions, offset: tuple[int, int] | None
) -> list[str]:
    """The input's partitions in the time of one's own, or of earlier ones."""
    assert upstream.cadence
    assert upstream.span
    earliest, latest = offset or (0, 0)
    start = moment(window(cadence, shifted(cadence, key, earliest))[0])
    end = moment(window(cadence, shifted(cadence, key, latest))[1])
    start = max(start, moment(date.fromisoformat(upstream.span.start)))
    if upstream.span.end:
        end = min(end, moment(date.fromisoformat(upstream.span.end)))
    found = []
    while start < end:
        found.append(key_at(upstream.cadence, start))
        start = moment(window(upstream.cadence, found[-1])[1])
    return found


def _has(partitions: Partitions, key: str) -> bool:
    """Whether a key of the store is one that the asset declares."""
    own_time, name = split(key, partitions.cadence, bool(partitions.named))
    if partitions.named and name not in partitions.names:
        return False
    if partitions.cadence is None or partitions.span is None:
        return True
    try:
        start = moment(start_of(partitions.cadence, own_time))
    except ValueError:
        return False
    end = date.fromisoformat(partitions.span.end) if partitions.span.end else date.max
    return moment(date.fromisoformat(partitions.span.start)) <= start < moment(end)


def runs(partitions: Partitions, keys: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Keys as what one query can read: a name ('' of none) and its times without a gap."""
    apart = [split(key, partitions.cadence, bool(partitions.named)) for key in keys]
    for name, members in groupby(sorted(apart, key=lambda one: one[1]), key=lambda one: one[1]):
        times = sorted(one for one, _ in members)
        found = consecutive(partitions.cadence, times) if partitions.cadence else [times]
        yield from ((name, run) for run in found)


def consecutive(cadence: Cadence, keys: Sequence[str]) -> list[list[str]]:
    """Sorted keys cut into runs without a gap.

    >>> consecutive("daily", ["2024-01-01", "2024-01-02", "2024-01-05"])
    [['2024-01-01', '2024-01-02'], ['2024-01-05']]
    """
    found = [list(keys[:1])] if keys else []
    for before, key in pairwise(keys):
        if shifted(cadence, before, 1) == key:
            found[-1].append(key)
        else:
            found.append([key])
    return found
