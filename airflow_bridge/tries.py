"""What earlier tries of a task made, by the one history.

Here: the materialisations of a run, and which of a task's tries count. Not here: waiting for a try
that another host has not ended (`locks.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

from airflow_bridge.metadata import PREFIX

_TASK = ("dag_id", "run_id", "task_id")


def made_before(
    instance: dg.DagsterInstance, origin: Mapping[str, str]
) -> dict[dg.AssetKey, set[str | None]]:
    """What tries of the task of `origin` made since one of them succeeded.

    A try that failed is gone on with; a task that had succeeded and is cleared makes all again.
    """
    if origin.get("try_number", "1") == "1" or not all(name in origin for name in _TASK):
        return {}
    tags = {PREFIX + name: origin[name] for name in _TASK}
    tries: dict[int, list[dg.DagsterRun]] = {}
    for run in instance.get_runs(dg.RunsFilter(tags=tags)):
        number = int(run.tags.get(f"{PREFIX}try_number", "0"))
        if number < int(origin["try_number"]):
            tries.setdefault(number, []).append(run)
    found: dict[dg.AssetKey, set[str | None]] = {}
    for number in sorted(tries, reverse=True):
        if all(run.is_success for run in tries[number]):
            break
        for run in tries[number]:
            for key, partition in materialised(instance, run.run_id):
                found.setdefault(key, set()).add(partition)
    return found


def materialised(
    instance: dg.DagsterInstance, run_id: str
) -> Iterator[tuple[dg.AssetKey, str | None]]:
    """Each asset and partition that a run materialised."""
    cursor = None
    while True:
        page = instance.get_records_for_run(
            run_id, cursor, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.asset_key is not None:
                yield event.asset_key, event.partition
        if not page.has_more:
            return
        cursor = page.cursor
