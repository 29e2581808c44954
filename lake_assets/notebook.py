"""Reading the lake by hand, in a notebook or a script, without Dagster.

Here: which partitions the words of a caller mean, and answers to what does not exist. Not here:
how files are read (`resources/store.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from resources.errors import NotYetError, UsageError
from resources.frames import to_frame
from resources.partition import Cadence, Partition, key_at, moment, start_of, window
from resources.settings import load_settings
from resources.store import Store, open_store
from resources.yamlfile import nearest

_KINDS = {
    "polars": "polars.DataFrame",
    "pandas": "pandas.DataFrame",
    "arrow": "pyarrow.Table",
    "duckdb": "pyarrow.Table",
}


def read(
    asset: str,
    partition: str | date | None,
    start: str | date | None,
    end: str | date | None,
    columns: str | Sequence[str] | None,
    as_: str,
    env: str | None,
) -> Any:
    """What `lake_assets.read` gives, and says."""
    if not isinstance(asset, str):
        raise UsageError(f"asset={asset!r} is no text; write raw/<table> or prep/<dataset>.")
    if as_ not in _KINDS:
        raise UsageError(f"as_={as_!r} is no kind of frame; {nearest(as_, _KINDS)}.")
    wanted = _columns(columns)
    store = open_store(load_settings(env))
    words = _said("partition", partition), _said("start", start), _said("end", end)
    table = store.read(_chosen(store, asset, *words), wanted)
    if as_ == "duckdb":
        import duckdb

        return duckdb.connect().from_arrow(table)
    return to_frame(table, _KINDS[as_])


def _columns(columns: object) -> list[str] | None:
    if columns is None:
        return None
    found = [columns] if isinstance(columns, str) else columns
    if not isinstance(found, Sequence) or not found or not all(isinstance(c, str) for c in found):
        raise UsageError(
            f"columns={columns!r} names no columns; write ['dt', 'amount'], or leave it out."
        )
    return list(found)


def _said(name: str, value: object) -> str | date | None:
    if value is None or isinstance(value, str | date):
        return value
    raise UsageError(f"{name}={value!r} is no day or month; write '2025-07-01' or '2025-07'.")


def _chosen(
    store: Store,
    asset: str,
    partition: str | date | None,
    start: str | date | None,
    end: str | date | None,
) -> list[Partition]:
    parts: list[Partition] = []
    layer, _, name = asset.partition("/")
    with suppress(ValueError):  # no words that could be an asset: told as unknown below
        parts = store.partitions(layer, name)
    if not parts:
        known = store.assets()
        hint = nearest(asset, known) if known else "nothing is there yet; run `make demo`"
        raise UsageError(f"The lake has no {asset!r}; {hint}.")
    if partition is not None and (start is not None or end is not None):
        raise UsageError("Give either partition or start and end.")
    shapes = {tuple(one.values): one for one in parts}
    if len(shapes) > 1:
        shown = ", ".join(one.path for one in shapes.values())
        raise UsageError(
            f"{asset} lies in the lake in partitions of {len(shapes)} kinds: {shown} … Those of "
            "before it was changed are in the way; remove their folders."
        )
    cadence, named = parts[0].cadence, parts[0].named
    if cadence is None and named is None and (partition or start or end):
        raise UsageError(f"{asset} has no partitions; leave out partition, start and end.")
    if cadence is None and (start or end or isinstance(partition, date)):
        names = [one.key for one in parts]
        raise UsageError(f"{asset} is partitioned by {named}, not by time; {_there_is(names)}.")
    if cadence is None:
        return _found(asset, parts, None if partition is None else [str(partition)])
    if isinstance(partition, date):
        if cadence == "hourly" and not isinstance(partition, datetime):
            raise UsageError(
                f"{partition} has 24 hours; write '{partition}-09' for one, or start and end."
            )
        partition = key_at(cadence, partition)
    if partition is not None:
        if cadence == "weekly" and "Monday" in (wrong := _wrong_key(cadence, partition)):
            raise UsageError(f"{asset}: {wrong}.")
        return _found(asset, parts, [partition])
    if start is None and end is None:
        return parts
    times = [one.parts[0] for one in parts]
    first = _bounds(start)[0] if start else moment(start_of(cadence, times[0]))
    after = _bounds(end)[1] if end else moment(window(cadence, times[-1])[1])
    if start and end and first >= after:
        raise UsageError(f"start {start} is after end {end}; both are read, the earlier first.")
    wanted, key = [], key_at(cadence, first)
    while moment(start_of(cadence, key)) < after:
        wanted.append(key)
        key = key_at(cadence, window(cadence, key)[1])
    return _found(asset, parts, wanted, f"{start or '…'} to {end or '…'}")


def _found(
    asset: str, parts: list[Partition], wanted: Sequence[str] | None, span: str = ""
) -> list[Partition]:
    """The partitions of the keys `wanted`, of a day all its names; NotYetError where one is not."""
    if wanted is None:
        return parts
    by_key: dict[str, list[Partition]] = {}
    for one in parts:
        for key in {one.key, one.parts[0]}:
            by_key.setdefault(key, []).append(one)
    missing = [key for key in wanted if key not in by_key]
    if missing or not wanted:
        shown = ", ".join(missing[:10]) or span
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        there = _there_is([one.key for one in parts])
        raise NotYetError(f"{asset} has no partition {shown}{more}; {there}.")
    return [one for key in wanted for one in by_key[key]]


def _wrong_key(cadence: Cadence, key: str) -> str:
    try:
        start_of(cadence, key)
    except ValueError as error:
        return str(error)
    return ""


def _bounds(given: str | date) -> tuple[datetime, datetime]:
    """When a day, month or hour begins and ends; of a `datetime.date` (and a timestamp) its day."""
    text = f"{given:%Y-%m-%d}" if isinstance(given, date) else given
    for cadence in ("daily", "monthly", "hourly"):
        with suppress(ValueError):
            start, end = window(cadence, text)
            return moment(start), moment(end)
    raise UsageError(f"{text!r} is no day or month; write 2025-07-01 or 2025-07.")


def _there_is(keys: list[str]) -> str:
    """The keys in words: the first and last and how many, all of them where they are few."""
    if len(keys) <= 10:
        return f"there is {', '.join(keys)}"
    return f"there are {len(keys)}, from {keys[0]} to {keys[-1]}"
