"""Reading the lake by hand, in a notebook or a script, without Dagster.

Here: which partitions the words of a caller mean, and answers to what does not exist. Not here:
how files are read (`resources/store.py`).
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from resources.errors import NotYetError, UsageError
from resources.frames import to_frame
from resources.partition import Partition
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
    one, first, last = _key("partition", partition), _key("start", start), _key("end", end)
    chosen = _chosen(store, asset, one, first, last, by_date=isinstance(partition, date))
    table = store.read(chosen, wanted)
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


def _key(name: str, value: object) -> str | None:
    """A day or month as it was written; of a `datetime.date` (and a timestamp) its day."""
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"{name}={value!r} is no day or month; write '2025-07-01' or '2025-07'.")


def _chosen(
    store: Store,
    asset: str,
    partition: str | None,
    start: str | None,
    end: str | None,
    by_date: bool,
) -> list[Partition]:
    keys: list[str] = []
    layer, _, name = asset.partition("/")
    with suppress(ValueError):  # no words that could be an asset: told as unknown below
        keys = store.keys(layer, name)
    if not keys:
        known = store.assets()
        hint = nearest(asset, known) if known else "nothing is there yet; run `make demo`"
        raise UsageError(f"The lake has no {asset!r}; {hint}.")
    if partition is not None and (start is not None or end is not None):
        raise UsageError("Give either partition or start and end.")
    if keys == [""] and (partition or start or end):
        raise UsageError(f"{asset} has no partitions; leave out partition, start and end.")
    if partition and by_date:  # of a month any day
        partition = partition[: len(keys[0])]
    wanted = keys if partition is None else [partition]
    if start is not None or end is not None:
        first, last = _days(start or keys[0])[0], _days(end or keys[-1])[1]
        if start and end and first > last:
            raise UsageError(f"start {start} is after end {end}; both are read, the earlier first.")
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        wanted = list(dict.fromkeys(day.isoformat()[: len(keys[0])] for day in days))
    there = set(keys)
    missing = [key for key in wanted if key not in there]
    if missing or not wanted:
        shown = ", ".join(missing[:10]) or f"{start or '…'} to {end or '…'}"
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise NotYetError(f"{asset} has no partition {shown}{more}; {_there_is(keys)}.")
    return [Partition.of(layer, name, key) for key in wanted]


def _days(text: str) -> tuple[date, date]:
    """The first and last day of a day or month."""
    try:
        month = Partition.of("raw", "any", text).cadence == "monthly"
    except ValueError:
        raise UsageError(f"{text!r} is no day or month; write 2025-07-01 or 2025-07.") from None
    first = date.fromisoformat(f"{text}-01" if month else text)
    return first, first.replace(day=monthrange(first.year, first.month)[1]) if month else first


def _there_is(keys: list[str]) -> str:
    """The keys in words: the first and last and how many, all of them where they are few."""
    if len(keys) <= 10:
        return f"there is {', '.join(keys)}"
    return f"there are {len(keys)}, from {keys[0]} to {keys[-1]}"
