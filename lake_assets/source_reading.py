"""Reading a source: what is asked of it, which partitions one query reads, drift.

Here: from a source's record and the partitions asked for to rows that are cut by partition. Not
here: gates and publishing (`publish.py`), what datasets are made of (`materialise.py`) and how a
system is read (`resources`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from lake_assets import publish, split_reading
from lake_assets.materialise import Value, Work, inspector_of, landed
from lake_assets.partitions import runs
from lake_assets.pipeline import Asset, window_kind
from lake_assets.publish import Outcome
from lake_assets.rules import Inspector, Verdict
from lake_assets.spec.sources import SourceSpec
from resources.described import Described
from resources.errors import NotYetError, PermanentError
from resources.partition import join, window
from resources.settings import Settings
from resources.source import (
    Column,
    Source,
    SourceColumn,
    Span,
    Table,
    Window,
    open_source,
)
from resources.sql import DIALECTS, translated
from resources.yamlfile import nearest


def source_table(
    asset: Asset, spec: SourceSpec, params: Mapping[str, Value], settings: Settings
) -> Table:
    """The description of what to read from a source, in the words of `resources`."""
    kind = window_kind(spec)
    column = spec.window.column if spec.window else None
    window = Window(column, kind) if column and kind else None
    return Table(
        columns=tuple(
            Column(
                name, column.source or name, column.parsed, column.nullable, column.pii != "none"
            )
            for name, column in spec.columns.items()
        ),
        schema=spec.schema_,
        table=spec.table,
        query=_query_text(asset, spec, settings),
        window=window,
        filter=spec.filter,
        order_by=tuple(spec.order_by),
        sums=tuple(spec.sums),
        params=params,
    )


def _query_text(asset: Asset, spec: SourceSpec, settings: Settings) -> str | None:
    """The free query in the words of what the connection is in this environment."""
    if spec.query is None:
        return None
    kind = settings.connection(spec.connection).kind
    if kind not in ("duckdb", "postgres", "hive"):
        return spec.query
    if DIALECTS[spec.connection] != kind and spec.local_query is not None:
        return translated(spec.local_query, "duckdb", kind, asset.key)
    return translated(spec.query, DIALECTS[spec.connection], kind, asset.key)


def read(work: Work, spec: SourceSpec, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    asset = work.asset
    table = source_table(asset, spec, work.params, work.settings)
    table = replace(table, of=described_for(asset, spec, keys[0]))
    with open_source(work.settings, spec.connection) as source:
        drift = _drift(asset, table, source.describe(table))
        warning = drift if spec.on_drift == "warn" else None
        # Rows of one partition come sorted by its window column first; where that is a day of the
        # partition it is the same for all of them. Those of splits come by `order_by` alone.
        constant = (
            table.window is None
            or spec.splits is not None
            or (
                table.window.kind != "timestamp"
                and asset.partitions is not None
                and asset.partitions.cadence == "daily"
            )
        )
        ordered = spec.file is None and spec.api is None  # those come as they are
        sorted_by = spec.order_by if constant and ordered else ()
        inspector = inspector_of(work, sorted_by, () if warning else (drift,))
        waiting = deque(_parts_at_once(asset, spec, keys))
        failed: dict[str, list[str]] = {}
        while waiting:
            name, times = waiting.popleft()
            left = list(times)
            try:
                for route, outcome in _reading(work, spec, source, table, name, times, inspector):
                    left.pop(0)
                    yield route, replace(outcome, drift=warning)
            except PermanentError as error:
                if len(keys) == 1:
                    raise
                if left and len(times) > 1:  # what is wrong in one partition is not in the others
                    waiting.extendleft((name, [time]) for time in reversed(left))
                    continue
                of_error = failed.setdefault(str(error), [])
                of_error.append(join(times[0], name))
                if len(of_error) > 1:  # in the same words: of no one partition
                    break
            except NotYetError:
                if not failed:
                    raise
                break  # what has to be mended is told first
        if failed:
            told = (f"{', '.join(those)}: {error}" for error, those in failed.items())
            raise PermanentError("\n".join(told))


def _reading(
    work: Work,
    spec: SourceSpec,
    source: Source,
    table: Table,
    name: str,
    times: Sequence[str],
    inspector: Inspector,
) -> Iterator[tuple[str, Outcome]]:
    """The partitions of a name over times without a gap, by one query."""
    table, span = _part(work.asset, spec, table, name, times)
    asked = [join(time, name) for time in times]
    if spec.splits is not None:
        yield from _by_splits(work, spec, source, table, span, asked[0], inspector)
        return
    with source.read(table, span) as reading:
        if table.window is None or span is None:
            slices = publish.of_one(times[0], reading.batches)
        else:
            slices = publish.by_column(reading.batches, table.window.column, span.cadence)
        named = ((join(time, name), batch) for time, batch in slices)
        totals = reading.totals and {
            join(time, name): found for time, found in reading.totals.items()
        }
        for outcome in landed(work, asked, named, inspector, totals):
            yield f"{reading.route}, {reading.reconciled}", outcome


def _by_splits(
    work: Work,
    spec: SourceSpec,
    source: Source,
    table: Table,
    span: Span | None,
    key: str,
    inspector: Inspector,
) -> Iterator[tuple[str, Outcome]]:
    with split_reading.reading(work, spec, source, table, span, key) as parts:
        found = parts.reading
        slices = publish.of_one(key, found.batches)
        for outcome in landed(work, [key], slices, inspector, found.totals):
            yield f"{found.route}, {found.reconciled}", replace(outcome, more=parts.told())


def _parts_at_once(
    asset: Asset, spec: SourceSpec, keys: Sequence[str]
) -> Iterable[tuple[str, Sequence[str]]]:
    """Name and times of each reading: a run of partitions, or one where names ask for it."""
    if asset.partitions is None:
        return [("", [""])]
    found = list(runs(asset.partitions, keys))
    if spec.by_name or spec.splits or _differ(asset, spec, found):
        return [(name, [time]) for name, times in found for time in times]
    return found


def _differ(asset: Asset, spec: SourceSpec, found: Iterable[tuple[str, Sequence[str]]]) -> bool:
    """Whether partitions that follow each other are asked for in other words: dlp-2025.07.01."""
    if spec.described is None:
        return False
    asked = (
        {repr(described_for(asset, spec, join(time, name))) for time in times}
        for name, times in found
    )
    return any(len(words) > 1 for words in asked)


def _part(
    asset: Asset, spec: SourceSpec, table: Table, name: str, times: Sequence[str]
) -> tuple[Table, Span | None]:
    """What one query reads: the rows of a name, where there is one, over times without a gap."""
    table = replace(table, of=described_for(asset, spec, join(times[0], name)))
    if name and spec.window and spec.window.name:
        table = replace(table, equal={spec.window.name: name})
    cadence = asset.partitions.cadence if asset.partitions else None
    if cadence is None or spec.by_name:
        return table, None
    return table, Span(window(cadence, times[0])[0], window(cadence, times[-1])[1], cadence)


def described_for(asset: Asset, spec: SourceSpec, key: str) -> Described | None:
    """Files, an index or an API as the partition `key` asks for them: templates filled in."""
    if spec.described is None:
        return None
    from lake_assets.templates import filled

    of = asset.partitions
    # Without a day there is {clock.…} alone, which asks for none.
    words = of.words(key, key) if of and of.cadence else {"partition_start": date.min}
    return type(spec.described).model_validate(filled(spec.described.model_dump(), words))


def _drift(asset: Asset, table: Table, found: Sequence[SourceColumn]) -> Verdict:
    """What the source says of its columns against what is declared.

    A declared column that is gone is a PermanentError: there is nothing to read.
    """
    by_name = {column.name: column for column in found}
    missing = [column for column in table.columns if column.source not in by_name]
    if missing:
        words = "; ".join(f"{c.source!r} ({nearest(c.source, by_name)})" for c in missing)
        raise PermanentError(
            f"{asset.key}: {table.shown} no longer has: {words}. Correct `columns` in "
            f"{asset.pipeline.file.shown}, or ask the owner of the source."
        )
    differences = []
    for column in table.columns:
        theirs = by_name[column.source]
        if theirs.type is not None and theirs.type != column.type:
            differences.append(f"{column.source}: {theirs.shown}, declared {column.type.name}")
    if table.query is None:
        declared = {column.source for column in table.columns}
        extra = [column.name for column in found if column.name not in declared]
        differences += [f"{name}: not declared" for name in extra]
    shown = "; ".join(differences) or "as declared"
    return Verdict("drift", not differences, shown, "the declared columns and types")
