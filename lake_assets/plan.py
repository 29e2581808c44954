"""What a request to materialise means: which runs, in which order, and why the rest is skipped.

Here: what is asked for and what is stale, turned into a plan without changing anything. Not here:
what a selection names (`targets.py`), carrying the plan out (`execute.py`) and reading the history
(`versions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Literal
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from lake_assets.targets import Targets, is_elsewhere, keys_of
from lake_assets.versions import Materialised, input_digest, latest
from resources.io_manager import cadence_of
from resources.partition import start_of, window

SEOUL = ZoneInfo("Asia/Seoul")
#: One partition of one asset; '' where there are no partitions.
Unit = tuple[dg.AssetKey, str]
Kind = Literal["up to date", "not yet", "failed", "outside"]


@dataclass(frozen=True)
class Step:
    """One run: assets that share partitions, over consecutive ones (`('',)`: none).

    Of days with names those are some days of some names, each with each.
    """

    assets: tuple[dg.AssetKey, ...]
    partitions: tuple[str, ...]
    reasons: Mapping[dg.AssetKey, str]
    definition: dg.PartitionsDefinition[Any] | None = None

    @property
    def units(self) -> list[Unit]:
        return [(key, partition) for key in self.assets for partition in self.partitions]


@dataclass(frozen=True)
class Skip:
    """Partitions of one asset that do not run, and why."""

    asset: dg.AssetKey
    partitions: tuple[str, ...]
    kind: Kind
    reason: str
    definition: dg.PartitionsDefinition[Any] | None = None


@dataclass(frozen=True)
class Plan:
    """Waves of runs: what is in a later wave is looked at again when the earlier ones are done."""

    waves: tuple[tuple[Step, ...], ...]
    skipped: tuple[Skip, ...]


@dataclass
class History:
    """The newest materialisations, each asked for once; `forget` what has run since.

    `published` says whether the file of a partition is in the store (True for assets that are
    kept elsewhere).
    """

    instance: dg.DagsterInstance
    published: Callable[[dg.AssetKey, str], bool]
    _known: dict[dg.AssetKey, dict[str, Materialised | None]] = field(default_factory=dict)

    def of(self, key: dg.AssetKey, partitions: Iterable[str]) -> Mapping[str, Materialised | None]:
        known = self._known.setdefault(key, {})
        new = [partition for partition in partitions if partition not in known]
        if new:
            found = latest(self.instance, key, None if new == [""] else new)
            known.update((partition, found.get(partition)) for partition in new)
        return known

    def there(self, key: dg.AssetKey, partition: str) -> bool:
        return self.of(key, [partition])[partition] is not None and self.published(key, partition)

    def forget(self, keys: Iterable[dg.AssetKey]) -> None:
        for key in keys:
            self._known.pop(key, None)


def plan(
    graph: AssetGraph,
    history: History,
    wanted: Targets,
    settled: Mapping[Unit, bool] | None = None,
) -> Plan:
    """What runs and what does not. `settled` is what ran already and whether it succeeded.

    An asset joins the run of its inputs where it would run whatever they turn out to be. One that
    is only affected if they change waits for a later wave, where their content is compared.
    """
    settled = settled or {}
    waves: dict[Unit, int] = {}
    certain: set[Unit] = set()
    reasons: dict[Unit, str] = {}
    skips: list[tuple[dg.AssetKey, str, Kind, str]] = []
    blocked: dict[Unit, Kind] = {
        unit: "failed" for unit, succeeded in settled.items() if not succeeded
    }
    for key, partitions in wanted.partitions.items():
        inputs = _inputs(graph, history, key, partitions)
        history.of(key, partitions)
        for partition in partitions:
            unit = (key, partition)
            if unit in settled:
                continue
            before = [(parent, one) for parent, ones in inputs[partition] for one in ones]
            stop = _stop(graph, history, unit, before, blocked, waves)
            reason = wanted.always.get(key) or _reason(graph, history, unit, inputs[partition])
            coming = [one for one in before if one in waves]
            if stop and (reason or stop[0] == "failed"):
                blocked[unit] = stop[0]
                skips.append((key, partition, *stop))
            elif reason or coming:
                if reason:
                    certain.add(unit)
                names = sorted({parent.to_user_string() for parent, _ in coming})
                reasons[unit] = reason or f"input {', '.join(names)} runs first"
                waves[unit] = max(
                    (waves[one] + (not _together(graph, unit, one, certain)) for one in coming),
                    default=0,
                )
            else:
                skips.append((key, partition, "up to date", ""))
    count = max(waves.values(), default=-1) + 1
    steps = tuple(tuple(_steps(graph, _wave(waves, n), reasons)) for n in range(count))
    outside = (Skip(key, (), "outside", reason) for key, reason in wanted.outside.items())
    return Plan(steps, (*_skips(graph, history, skips), *outside))


def short(partitions: Sequence[str], definition: dg.PartitionsDefinition[Any] | None = None) -> str:
    """Few keys themselves, more as first, last and count; `of` where some between are missing.

    >>> short(["2025-01-01", "2025-01-02"])
    '2025-01-01, 2025-01-02'
    >>> short(["2025-01-01", "2025-01-02", "2025-01-03"], DAILY)
    '2025-01-01 … 2025-01-03 (3)'
    >>> short(["2025-01", "2025-02", "2025-12"], MONTHLY)
    '2025-01 … 2025-12 (3 of 12)'
    """
    if len(partitions) <= 2:
        return ", ".join(partitions)
    count = len(partitions)
    between = _between_them(partitions[0], partitions[-1], definition)
    told = f"{count} of {between}" if between > count else str(count)
    return f"{partitions[0]} … {partitions[-1]} ({told})"


def _between_them(first: str, last: str, definition: dg.PartitionsDefinition[Any] | None) -> int:
    """How many partitions lie from one to another, both counted; 0 where that is not known.

    Of times in general, whether or not the asset has them all; of names those of the asset.
    """
    cadence = cadence_of(definition)
    if cadence == "monthly":
        months = [int(key[:4]) * 12 + int(key[5:]) for key in (first, last)]
        return months[1] - months[0] + 1
    if cadence:
        start, end = window(cadence, first)
        return int((start_of(cadence, last) - start) / (end - start)) + 1
    if isinstance(definition, dg.StaticPartitionsDefinition):
        every = definition.get_partition_keys()
        return every.index(last) - every.index(first) + 1
    return 0


def seoul_time(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, SEOUL):%Y-%m-%d %H:%M}"


# -- what one partition needs


def _inputs(
    graph: AssetGraph, history: History, key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, list[tuple[dg.AssetKey, list[str]]]]:
    """Partition → the inputs that are in the lake, each with the partitions it reads of it."""
    parents = sorted(
        parent
        for parent in graph.get(key).parent_keys
        if parent in graph.materializable_asset_keys or is_elsewhere(graph, parent)
    )
    found: dict[str, list[tuple[dg.AssetKey, list[str]]]] = {one: [] for one in partitions}
    for parent in parents:
        read = {one: _mapped(graph, key, parent, one) for one in partitions}
        history.of(parent, {one for ones in read.values() for one in ones})
        for one, ones in read.items():
            found[one].append((parent, ones))
    return found


def _mapped(graph: AssetGraph, key: dg.AssetKey, parent: dg.AssetKey, partition: str) -> list[str]:
    mine, theirs = graph.get(key).partitions_def, graph.get(parent).partitions_def
    if theirs is None:
        return [""]
    if mine is None:
        return list(keys_of(graph, parent))
    mapping = graph.get_partition_mapping(key, parent)
    same = isinstance(mapping, dg.IdentityPartitionMapping) or (
        isinstance(mapping, dg.TimeWindowPartitionMapping)
        and (mapping.start_offset, mapping.end_offset) == (0, 0)
    )
    if same and mine == theirs:
        return [partition]
    result = graph.get_parent_partition_keys_for_child(partition, parent, key)
    ahead = result.required_but_nonexistent_partition_keys
    if ahead:
        # Keys before the input's first one stand for nothing; those after its last are to come.
        first = theirs.get_first_partition_key() or ""
        ahead = [one for one in ahead if one > first]
    return sorted(map(str, [*result.partitions_subset.get_partition_keys(), *ahead]))


def _stop(
    graph: AssetGraph,
    history: History,
    unit: Unit,
    before: Sequence[Unit],
    blocked: Mapping[Unit, Kind],
    waves: Mapping[Unit, int],
) -> tuple[Kind, str] | None:
    """Why `unit` cannot run: an input failed in this command, or is not there yet."""
    for kind in ("failed", "not yet"):
        of_kind = [one for one in before if blocked.get(one) == kind]
        if of_kind:
            became = "failed" if kind == "failed" else "is not yet there"
            return kind, f"{_told(graph, of_kind, unit)} {became}"
    if graph.get(unit[0]).partitions_def is None:
        # It reads whatever partitions there are.
        before = [one for one in before if graph.get(one[0]).partitions_def is None]
    lacking = [one for one in before if one not in waves and not history.there(*one)]
    if not lacking:
        return None
    far = all(is_elsewhere(graph, key) for key, _ in lacking)
    hint = ", which another location makes" if far else ""
    return "not yet", f"{_told(graph, lacking, unit)} is missing{hint}"


def _told(graph: AssetGraph, inputs: Sequence[Unit], unit: Unit) -> str:
    """The same partition goes without saying, so that a range of them has one reason."""
    found = []
    for key, members in groupby(sorted(inputs), key=lambda one: one[0]):
        partitions = [one for _, one in members]
        told = short(partitions, graph.get(key).partitions_def)
        shown = "" if partitions == [unit[1]] else f" {told}"
        found.append(f"input {key.to_user_string()}{shown}".rstrip())
    return "; ".join(found)


def _reason(
    graph: AssetGraph,
    history: History,
    unit: Unit,
    inputs: Sequence[tuple[dg.AssetKey, list[str]]],
) -> str | None:
    """Why `unit` must run by itself; None where only a change of an input would make it."""
    key, partition = unit
    mine = history.of(key, [partition])[partition]
    if mine is None:
        return "missing"
    if not history.published(key, partition):
        return "file missing from the store"
    code = graph.get(key).code_version
    if code is not None and mine.code_version != code:
        return "code changed"
    for parent, ones in inputs:
        known = history.of(parent, ones)
        now = {one: found for one in ones if (found := known[one])}
        name = parent.to_user_string()
        if name in mine.input_versions:
            digest = input_digest({one: found.data_version for one, found in now.items()})
            changed = mine.input_versions[name] != digest
        else:
            # A hand-written asset does not record what it read.
            changed = any(found.timestamp > mine.timestamp for found in now.values())
        if changed:
            return f"input {name} changed"
    return None


def _together(graph: AssetGraph, unit: Unit, before: Unit, certain: set[Unit]) -> bool:
    """Whether one run can make both: the same partition, and no doubt that either runs."""
    same = graph.get(unit[0]).partitions_def == graph.get(before[0]).partitions_def
    return same and unit[1] == before[1] and unit in certain and before in certain


# -- partitions in runs


def _wave(waves: Mapping[Unit, int], number: int) -> list[Unit]:
    return [unit for unit, wave in waves.items() if wave == number]


def _steps(graph: AssetGraph, units: Sequence[Unit], reasons: Mapping[Unit, str]) -> Iterator[Step]:
    """Runs that make `units`: consecutive partitions that the same assets need, cut to chunks."""
    order = {key: place for place, key in enumerate(graph.toposorted_asset_keys)}
    by_partitions: dict[dg.PartitionsDefinition[Any] | None, dict[str, set[dg.AssetKey]]] = {}
    for key, partition in units:
        node = graph.get(key)
        needed = by_partitions.setdefault(node.partitions_def, {}).setdefault(partition, set())
        needed.update(node.execution_set_asset_keys or {key})
    for definition, wanted in by_partitions.items():
        alike: dict[str, frozenset[dg.AssetKey]] = {
            one: frozenset(members) for one, members in wanted.items()
        }
        for members, chunk in _chunks(graph, definition, alike):
            assets = tuple(sorted(members, key=order.__getitem__))
            yield Step(assets, chunk, _told_reasons(assets, chunk, reasons), definition)


def _chunks(
    graph: AssetGraph,
    definition: dg.PartitionsDefinition[Any] | None,
    wanted: Mapping[str, frozenset[dg.AssetKey]],
) -> Iterator[tuple[frozenset[dg.AssetKey], tuple[str, ...]]]:
    """The assets and partitions of one run each.

    Of two dimensions Dagster runs each key of one with each of the other between a first and a last
    key. So the times of each name come first, as one query reads them; names that need the same
    times share a run as long as it is not too large.
    """
    none: frozenset[dg.AssetKey] = frozenset()
    if not isinstance(definition, dg.MultiPartitionsDefinition):
        every = [""] if definition is None else definition.get_partition_keys()
        yield from _cut(graph, [(one, wanted.get(one, none)) for one in every])
        return
    dimensions = definition.primary_dimension, definition.secondary_dimension
    times, names = (one.partitions_def.get_partition_keys() for one in dimensions)

    def key(time: str, name: str) -> str:
        parts = {dimensions[0].name: time, dimensions[1].name: name}
        return str(dg.MultiPartitionKey(parts))

    found: dict[tuple[frozenset[dg.AssetKey], tuple[str, ...]], list[int]] = {}
    for place, name in enumerate(names):
        for run in _cut(graph, [(time, wanted.get(key(time, name), none)) for time in times]):
            found.setdefault(run, []).append(place)
    for (members, chunk), places in found.items():
        most = max((_size(graph, members) or len(places) * len(chunk)) // len(chunk), 1)
        # Names beside one another: their place less their number is the same.
        for _, group in groupby(enumerate(places), key=lambda one: one[1] - one[0]):
            beside = [names[place] for _, place in group]
            for start in range(0, len(beside), most):
                some = beside[start : start + most]
                yield members, tuple(key(time, name) for time in chunk for name in some)


def _cut(
    graph: AssetGraph, wanted: Sequence[tuple[str, frozenset[dg.AssetKey]]]
) -> Iterator[tuple[frozenset[dg.AssetKey], tuple[str, ...]]]:
    """Neighbours that the same assets need, in pieces of the size of a run."""
    for members, group in groupby(wanted, key=lambda one: one[1]):
        partitions = [one for one, _ in group]
        size = _size(graph, members) or len(partitions)
        for start in range(0, len(partitions), size) if members else ():
            yield members, tuple(partitions[start : start + size])


def _size(graph: AssetGraph, assets: Iterable[dg.AssetKey]) -> int | None:
    """Partitions that one run takes: the smallest backfill policy's; None: any number."""
    policies = [graph.get(key).backfill_policy for key in assets]
    sizes = [policy.max_partitions_per_run if policy else 1 for policy in policies]
    return min((size for size in sizes if size is not None), default=None)


def _told_reasons(
    assets: Sequence[dg.AssetKey], partitions: Sequence[str], reasons: Mapping[Unit, str]
) -> dict[dg.AssetKey, str]:
    return {
        key: ", ".join(
            dict.fromkeys(reasons.get((key, one), "runs with the others") for one in partitions)
        )
        for key in assets
    }


def _skips(
    graph: AssetGraph, history: History, skips: Sequence[tuple[dg.AssetKey, str, Kind, str]]
) -> Iterator[Skip]:
    grouped: dict[tuple[dg.AssetKey, Kind, str], list[str]] = {}
    for key, partition, kind, reason in skips:
        grouped.setdefault((key, kind, reason), []).append(partition)
    for (key, kind, reason), partitions in grouped.items():
        told = reason
        if kind == "up to date":
            known = history.of(key, partitions)
            newest = max(found.timestamp for one in partitions if (found := known[one]))
            told = f"up to date since {seoul_time(newest)}"
        yield Skip(key, tuple(partitions), kind, told, graph.get(key).partitions_def)
