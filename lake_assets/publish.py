"""From a stream of rows to published partitions: cut, inspect, gate, publish.

Here: the one path by which rows enter the lake, partition by partition, each on its own. Not here:
where rows come from (`materialise.py`) and how an outcome is told to Dagster (`record.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake_assets.rules import Inspector, Verdict
from resources.errors import PermanentError
from resources.partition import Cadence, Partition, key_at, key_of_value
from resources.source import Totals
from resources.store import Published, Store, Version, Writer

Slices = Iterator[tuple[str, pa.RecordBatch]]

PREVIEW_ROWS = 5


class Link(str):
    """An address that the history shows as one."""


class Markdown(str):
    """Text that the history shows as it is meant: tables."""


@dataclass(frozen=True)
class Outcome:
    """What became of one partition. `published` is None where a gate kept the old file.

    `rows` are those read, `seconds` wall time from the first row of the partition to its rename,
    `preview` its first rows, `drift`
    what the source's columns are against the declared ones, where that only warns, `more` what else
    the history shall say of it, by name.
    """

    key: str
    published: Published | None
    rows: int
    seconds: float
    gates: Sequence[Verdict]
    checks: Sequence[Verdict]
    preview: pa.RecordBatch | None
    drift: Verdict | None = None
    more: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def failed_gates(self) -> list[Verdict]:
        return [verdict for verdict in self.gates if not verdict.passed]


def land(
    store: Store,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    slices: Slices,
    inspector: Inspector,
    totals: Mapping[str, Totals] | None,
    rows_before: Callable[[str], int | None],
    many: bool = False,
) -> Iterator[Outcome]:
    """Publish `partitions` (sorted by key) from `slices`, which come in the same order.

    One outcome after another, so that a stream that breaks loses nothing of what is done; the
    partition it breaks in keeps its old file. A partition without rows gets an empty file.
    `totals` None: the rows are not reconciled. Rows of a partition that was not asked for are an
    error, since they would be lost. `many`: a partition is a folder of files.
    """
    begin = store.version if many else store.writer
    current = next(slices, None)
    for partition in partitions:
        started = time.perf_counter()
        inspector.begin()
        preview: pa.RecordBatch | None = None
        with begin(partition, schema) as writer:
            while current is not None and current[0] == partition.key:
                batch = current[1]
                if preview is None and batch.num_rows:
                    preview = batch.slice(0, PREVIEW_ROWS)
                inspector.see(batch)
                writer.write(batch)
                current = next(slices, None)
            expected = None
            if totals is not None:
                nothing = Totals(0, dict.fromkeys(inspector.sums(), 0))
                expected = totals.get(partition.key, nothing)
            outcome = _judged(
                writer, partition.key, inspector, expected, rows_before, preview, started
            )
        yield outcome
    if current is not None:
        asked = f"{partitions[0].key or 'all rows'} … {partitions[-1].key}"
        raise PermanentError(
            f"The rows hold the partition {current[0]!r}, which was not asked for or comes out of "
            f"order (asked: {asked}). Is the window column of the type that is declared?"
        )


def adopt(
    version: Version,
    key: str,
    schema: pa.Schema,
    inspector: Inspector,
    rows_before: Callable[[str], int | None],
) -> Outcome:
    """Publish the files that somebody else, Hive, left in a version, if their rows pass."""
    started = time.perf_counter()
    inspector.begin()
    preview: pa.RecordBatch | None = None
    for batch in version.batches(schema.names):
        rows = batch.cast(schema)
        if preview is None and rows.num_rows:
            preview = rows.slice(0, PREVIEW_ROWS)
        inspector.see(rows)
    return _judged(version, key, inspector, None, rows_before, preview, started)


def _judged(
    writer: Writer,
    key: str,
    inspector: Inspector,
    totals: Totals | None,
    rows_before: Callable[[str], int | None],
    preview: pa.RecordBatch | None,
    started: float,
) -> Outcome:
    """The verdicts on what was written, published where no gate is against it."""
    verdicts = inspector.verdicts(totals, partial(rows_before, key))
    passed = all(verdict.passed for verdict in verdicts["gates"])
    return Outcome(
        key=key,
        published=writer.publish() if passed else None,
        rows=inspector.rows,
        seconds=time.perf_counter() - started,
        gates=verdicts["gates"],
        checks=verdicts["checks"],
        preview=preview,
    )


def of_one(key: str, batches: Iterable[pa.RecordBatch]) -> Slices:
    """All rows belong to the partition `key`, which is '' of an asset without partitions."""
    return ((key, batch) for batch in batches)


def by_column(batches: Iterable[pa.RecordBatch], column: str, cadence: Cadence) -> Slices:
    """Cut batches sorted by `column` where its partition changes.

    `column` is a date, a timestamp (naive: Asia/Seoul wall time; with zone: converted to it) or
    YYYYMMDD, a text or a number. Slices share memory with their batch. NULL in the column:
    PermanentError, as no partition holds such a row.
    """
    for batch in batches:
        if batch.num_rows == 0:
            continue
        values = batch.column(column)
        whole = _one_partition(values, column, cadence)
        if whole is not None:
            yield whole, batch
            continue
        times = _times(values, column, cadence)
        yield from _cut(batch, times, lambda time: key_at(cadence, time.item()))


def by_partition_column(batches: Iterable[pa.RecordBatch], column: str, cadence: Cadence) -> Slices:
    """The same by the partition column itself, as readers of the lake add it; it is left out."""
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows = batch.drop_columns(column)
        values = batch.column(column)
        _no_null(values, column)
        encoded = values.dictionary_encode()
        known = encoded.dictionary.cast(pa.string()).to_pylist()
        yield from _cut(
            rows, np.from_dlpack(encoded.indices), partial(_key_of, known, column, cadence)
        )


def _key_of(known: Sequence[str], column: str, cadence: Cadence, place: int) -> str:
    try:
        return key_of_value(cadence, known[place])
    except ValueError as error:
        raise PermanentError(f"The partition column {column!r}: {error}.") from None


def _cut(batch: pa.RecordBatch, values: np.ndarray[Any, Any], key: Callable[[Any], str]) -> Slices:
    """Slices of a batch in which `values` do not change."""
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    for start, end in pairwise([0, *cuts.tolist(), batch.num_rows]):
        yield key(values[start]), batch.slice(start, end - start)


def _one_partition(values: pa.Array, column: str, cadence: Cadence) -> str | None:
    """The partition in which all values lie, where the smallest and the largest show it.

    They do for most batches (0.05 of 0.5 CPU s for a month's reading). Text may hold no day at all
    in between, so all of it is looked at.
    """
    if values.null_count or not pa.types.is_temporal(values.type):
        return None
    ends = pc.min_max(values)
    first, last = _times(
        pa.concat_arrays([pa.repeat(ends[end], 1) for end in ("min", "max")]), column, cadence
    )
    return key_at(cadence, first.item()) if first == last else None


def _no_null(values: pa.Array, column: str) -> None:
    if values.null_count:
        raise PermanentError(
            f"{values.null_count:,} rows have NULL in the window column {column!r}, so no "
            "partition holds them. Leave them out by `filter`, or choose another window column."
        )


def _times(values: pa.Array, column: str, cadence: Cadence) -> np.ndarray[Any, Any]:
    """The beginning of each row's partition as numpy datetime64.

    By DLPack, because `to_numpy` imports pandas (0.4 CPU s, 40 MB).
    """
    _no_null(values, column)
    days: np.ndarray[Any, Any]
    if pa.types.is_timestamp(values.type):
        if values.type.tz is not None:
            values = pc.local_timestamp(values.cast(pa.timestamp("us", tz="Asia/Seoul")))
        micros = np.from_dlpack(values.cast(pa.timestamp("us")).cast(pa.int64()))
        if cadence == "hourly":
            hours: np.ndarray[Any, Any] = (micros // 3_600_000_000).astype("datetime64[h]")
            return hours
        days = (micros // 86_400_000_000).astype("datetime64[D]")
    elif pa.types.is_date(values.type):
        days = np.from_dlpack(values.cast(pa.int32())).astype("datetime64[D]")
    else:
        days = _written_days(values, column)
    if cadence == "weekly":
        # Day 0, 1970-01-01, was a Thursday: three days after Monday.
        mondays: np.ndarray[Any, Any] = days - (days.astype(np.int64) + 3) % 7
        return mondays
    return days if cadence == "daily" else days.astype("datetime64[M]")


def _text_day(text: str) -> date:
    if len(text) != 8 or not text.isdigit():
        raise ValueError(text)
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _written_days(values: pa.Array, column: str) -> np.ndarray[Any, Any]:
    """YYYYMMDD as days. Only the distinct values are parsed: a day has thousands of rows."""
    encoded = values.dictionary_encode()
    known = []
    for text in encoded.dictionary.cast(pa.string()).to_pylist():
        try:
            known.append(_text_day(text))
        except ValueError:
            raise PermanentError(
                f"{text!r} in the window column {column!r} is no day written as YYYYMMDD."
            ) from None
    parsed = np.array(known, dtype="datetime64[D]")
    result: np.ndarray[Any, Any] = parsed[np.from_dlpack(encoded.indices)]
    return result
