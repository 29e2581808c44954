"""What a DAG run means: which partitions, run config and tags, or why nothing is to be done.

Here: the moment Airflow gives, floored to the schedule's last tick in the schedule's own zone, and
Dagster asked what that tick requests; a run that names its partitions itself. Not here: running.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.partitions.definition import TimeWindowPartitionsDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from dagster._utils.schedules import reverse_cron_string_iterator

from airflow_bridge.automation import Automation
from airflow_bridge.errors import UsageError
from airflow_bridge.meaning import Asked, Asker, Meaning, Request
from airflow_bridge.metadata import RESERVED_PARAMS
from airflow_bridge.updates import asked_for, latest, updated_by
from airflow_bridge.waits import missing, shortened

#: Set while a schedule is asked for the meaning of a tick, to that tick. A schedule that lets
#: Airflow fire it skips where it is not set: there Dagster's own daemon asks.
TICK_VARIABLE = "AIRFLOW_BRIDGE_TICK"

_NONE_ENDED = "No partition ends before this time."

_PARTITION_TAGS = (
    PARTITION_NAME_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    ASSET_PARTITION_RANGE_END_TAG,
)


def meaning(
    repository: dg.RepositoryDefinition,
    asker: Asker,
    asked: Asked,
    instance: dg.DagsterInstance,
) -> Meaning:
    """What the DAG run `asked` for means; UsageError where it asks for what there is not."""
    with partition_loading_context(dynamic_partitions_store=instance):
        found = _meaning(repository, asker, asked, instance)
    return replace(found, force=asked.conf.get("force") is True)


def windows_of(
    partitions: dg.PartitionsDefinition[Any] | None,
) -> TimeWindowPartitionsDefinition | None:
    """The windows of time that partitions are, or that one of their two dimensions is."""
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        found = (windows_of(one.partitions_def) for one in partitions.partitions_defs)
        return next(filter(None, found), None)
    return partitions if isinstance(partitions, TimeWindowPartitionsDefinition) else None


def _meaning(
    repository: dg.RepositoryDefinition,
    asker: Asker,
    asked: Asked,
    instance: dg.DagsterInstance,
) -> Meaning:
    job, schedule = asker.job, asker.schedule
    params = {name: value for name, value in asked.params.items() if name not in RESERVED_PARAMS}
    named = _named(job, asked)
    if named is not None:
        first, last = named
        config = job.get_run_config_for_partition_key(first) if first == last else job.run_config
        return Meaning("", [Request(first, last, config or {})], params)
    zone = (schedule.execution_timezone if schedule else None) or _zone(job)
    if asker.automation is not None:
        zone = asker.automation.zone if asker.automation.cron else zone
        moment = _moment(asked, zone)
        return _of_condition(repository, asker.automation, job, asked, moment, params, instance)
    moment = _moment(asked, zone)
    if schedule is None:
        return _without_schedule(job, moment, params)
    crons = schedule.cron_schedule
    tick = max(
        last_tick(one, zone, moment) for one in ([crons] if isinstance(crons, str) else crons)
    )
    with _asking(tick):
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=tick, repository_def=repository
        )
        found = schedule.evaluate_tick(context)
    asks = list(found.run_requests or [])
    if all(one.run_key for one in asks):  # else in the order of the schedule
        asks.sort(key=lambda one: one.run_key or "")
    requests = [_request(job, one) for one in asks]
    skip = None if requests else found.skip_message or "The schedule asks for nothing."
    return Meaning(tick.isoformat(), requests, params, skip)


def _of_condition(
    repository: dg.RepositoryDefinition,
    automation: Automation,
    job: dg.JobDefinition,
    asked: Asked,
    moment: datetime,
    params: Mapping[str, Any],
    instance: dg.DagsterInstance,
) -> Meaning:
    """As `on_cron()` and `eager()` have it.

    The first waits for all inputs to be updated since its tick, as a task of its own; what an input
    of the second is missing of is not made, and asked for again when the input comes.
    """
    graph, keys = repository.asset_graph, job.asset_layer.selected_asset_keys
    updated = asked.conf.get("updates") or asked.updates
    if automation.cron is not None:
        tick = last_tick(automation.cron, automation.zone, moment)
        found = _newest(job.partitions_def, tick)
        return _requests(job, found, tick.isoformat(), params, _NONE_ENDED)
    if not updated.get("runs"):
        return _without_schedule(job, moment, params)
    tick = moment.astimezone(ZoneInfo(_zone(job)))
    with partition_loading_context(effective_dt=tick):
        by = updated_by(instance, updated["dags"], updated["runs"])
        found = asked_for(graph, keys, by)
        lacking = {
            one: missing(graph, instance, ((key, one) for key in keys), keys) for one in found
        }
    whole = [one for one in found if not lacking[one]]
    names = shortened(list(dict.fromkeys(name for one in found for name in lacking[one])))
    why = f"Not there as yet: {names}." if names else "What was updated asks for no partition."
    return _requests(job, whole, tick.isoformat(), params, why)


def _newest(
    partitions: dg.PartitionsDefinition[Any] | None, moment: datetime
) -> Sequence[str | None]:
    """The partitions of the newest window that has ended by `moment`; all where none is of time."""
    if partitions is None:
        return [None]
    with partition_loading_context(effective_dt=moment):
        newest = latest(partitions)
        keys = partitions.get_partition_keys() if newest is None else newest
    return sorted(keys)


def _requests(
    job: dg.JobDefinition,
    keys: Sequence[str | None],
    tick: str,
    params: Mapping[str, Any],
    otherwise: str,
) -> Meaning:
    requests = [
        Request(
            key or "",
            key or "",
            (job.get_run_config_for_partition_key(key) if key else job.run_config) or {},
        )
        for key in keys
    ]
    return Meaning(tick, requests, params, None if requests else otherwise)


def last_tick(cron: str, zone: str, moment: datetime) -> datetime:
    """The last tick of `cron` in `zone` that is not after `moment`; in that zone itself.

    Airflow gives the tick to a scheduled run and about now to a manual one; a schedule's function
    reads weekdays and hours, so the tick has the schedule's own zone.
    """
    for found in reverse_cron_string_iterator(moment.timestamp() + 1, cron, zone):
        if found.timestamp() <= moment.timestamp():
            return found.astimezone(ZoneInfo(zone))
    raise UsageError(f"The cron {cron!r} has no tick before {moment.isoformat()}.")


def least_airflow(cron: str | None, zone: str) -> str | None:
    """The first Airflow whose timetable has exactly the ticks of `cron`, or None where none has.

    Where clocks change and a cron has several ticks a day, 2.2 leaves some out in such nights, or
    has them twice; where the offset is no whole hours 2.11 and 3.3 stand still at one (St. John's,
    `0 * 1 * *`). Tried on 2.2.3, 2.11.2 and 3.3.2; the former may have been mended before 2.11.
    """
    if cron is None or cron in _ONCE_A_DAY or all(one.isdigit() for one in cron.split()[:2]):
        return "2.2"
    offsets = _offsets(zone)
    if len(offsets) == 1:
        return "2.2"
    return None if any(offset % timedelta(hours=1) for offset in offsets) else "2.11"


_ONCE_A_DAY = ("@once", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")


@cache
def _offsets(zone: str) -> frozenset[timedelta]:
    """The zone's offsets in five years, looked at each week (of Morocco's one is Ramadan's)."""
    weeks = (datetime(2025, 1, 1, tzinfo=timezone.utc) + timedelta(weeks=n) for n in range(261))
    return frozenset(week.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for week in weeks)


def _moment(asked: Asked, zone: str) -> datetime:
    text = asked.wish("tick") or asked.time
    try:
        if len(text) <= len("2025-07-01"):
            raise ValueError(text)
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(
            f"The tick {text!r} is no time; write one as 2025-07-02T06:00 ({zone}), with its "
            "offset where it is another zone's: 2025-07-02T06:00+09:00."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))


def _named(job: dg.JobDefinition, asked: Asked) -> tuple[str, str] | None:
    """The partitions that the run names itself, first and last."""
    one, first, last = asked.wish("partition"), asked.wish("from"), asked.wish("to")
    if not (one or first or last):
        return None
    if (one and (first or last)) or not (one or (first and last)) or asked.wish("tick"):
        raise UsageError(
            "A run names one partition, or both from and to, or a tick: "
            '{"partition": "2025-07-01"}, {"from": "2025-07-01", "to": "2025-07-31"} or '
            '{"tick": "2025-07-02T06:00"}.'
        )
    partitions = job.partitions_def
    if partitions is None:
        raise UsageError(
            f"{job.name} has no partitions; run it without partition, from and to, or give a tick."
        )
    if first and not isinstance(partitions, TimeWindowPartitionsDefinition):
        raise UsageError(
            f"The partitions of {job.name} are no time, so there is nothing from one to another; "
            'name one: {"partition": "…"}.'
        )
    first, last = one or first or "", one or last or ""
    for key in (first, last):
        if not partitions.has_partition_key(key):
            raise UsageError(f"{key!r} is no partition of {job.name}; {_extent(partitions)}.")
    if first == last:
        return first, last
    keys = partitions.get_partition_keys()
    if keys.index(first) > keys.index(last):
        raise UsageError(f"from {first!r} is after to {last!r}; give the earlier one first.")
    return first, last


def _extent(partitions: dg.PartitionsDefinition[Any]) -> str:
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None:
        return "there is none yet"
    in_time = isinstance(partitions, TimeWindowPartitionsDefinition)
    if in_time:
        return f"there are {first} to {last}"
    return f"there are {shortened(partitions.get_partition_keys())}"


def _zone(job: dg.JobDefinition) -> str:
    windows = windows_of(job.partitions_def)
    return windows.timezone if windows else "UTC"


def _without_schedule(
    job: dg.JobDefinition, moment: datetime, params: Mapping[str, Any]
) -> Meaning:
    """A DAG without a schedule takes the newest partition that has ended, where they are time."""
    moment = moment.astimezone(ZoneInfo(_zone(job)))
    tick = moment.isoformat()
    partitions = job.partitions_def
    if partitions is None:
        return Meaning(tick, [Request("", "", job.run_config or {})], params)
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        raise UsageError(
            f"{job.name} has no schedule, and its partitions are no time, so none is the newest; "
            f'name one: {{"partition": "…"}}; {_extent(partitions)}.'
        )
    return _requests(job, _newest(partitions, moment), tick, params, _NONE_ENDED)


def _request(job: dg.JobDefinition, asked: dg.RunRequest) -> Request:
    tags = dict(asked.tags)
    key = asked.partition_key or tags.get(PARTITION_NAME_TAG, "")
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG, key)
    last = tags.get(ASSET_PARTITION_RANGE_END_TAG, key)
    return Request(
        first,
        last,
        dict(asked.run_config or job.run_config or {}),
        {name: value for name, value in tags.items() if not _of_partition(name)},
        [key.to_user_string() for key in asked.asset_selection] if asked.asset_selection else None,
    )


def _of_partition(tag: str) -> bool:
    """Whether a tag only says the partition, or one of its dimensions, which is known otherwise."""
    return tag in _PARTITION_TAGS or tag.startswith(f"{PARTITION_NAME_TAG}/")


@contextmanager
def _asking(tick: datetime) -> Iterator[None]:
    os.environ[TICK_VARIABLE] = tick.isoformat()
    try:
        yield
    finally:
        del os.environ[TICK_VARIABLE]
