"""What a request to materialise means: which runs, in which order, and why the rest is skipped.

Here: selection, partitions and staleness turned into a plan, without changing anything. Not here:
carrying it out (`execute.py`) and reading the history (`versions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Literal
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.asset_selection import DagsterInvalidAssetSelectionError
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.errors import DagsterInvalidSubsetError

from lake_assets.record import ELSEWHERE
from lake_assets.versions import Materialised, input_digest, latest
from resources.errors import UsageError
from resources.io_manager import cadence_of
from resources.partition import Cadence, start_of, window
from resources.yamlfile import nearest

SEOUL = ZoneInfo("Asia/Seoul")

EXAMPLES = """Examples:
  prep/sales_result_daily       one asset
  '+prep/sales_result_daily'    with all it is made from
  'raw/bw_sales_result+'        with all that is made from it
  'raw/*'                       by pattern
  'group:customer_master'
  'raw/* and not raw/customer'
  '2+prep/sales_result_monthly' two steps upstream"""

#: One partition of one asset; '' where there are no partitions.
Unit = tuple[dg.AssetKey, str]
Kind = Literal["up to date", "not yet", "failed", "outside"]


@dataclass(frozen=True)
class Ask:
    """A request, in the words of the command line. Neither partition nor bounds: all there is."""

    selection: tuple[str, ...]
    partition: str | None = None
    start: str | None = None
    end: str | None = None
    force: bool = False


@dataclass(frozen=True)
class Targets:
    """What was asked for: assets in the order of their making, each with partitions.

    `always` gives the reason of those that run whatever the history says, `outside` why a selected
    asset has no partition among those asked for.
    """

    partitions: Mapping[dg.AssetKey, tuple[str, ...]]
    always: Mapping[dg.AssetKey, str]
    outside: Mapping[dg.AssetKey, str] = field(default_factory=dict)


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


def targets(graph: AssetGraph, ask: Ask) -> Targets:
    """The assets and partitions that `ask` names; `UsageError` says what there is instead."""
    chosen = select(graph, ask.selection)
    keys = [key for key in graph.toposorted_asset_keys if key in chosen]
    if ask.partition is not None and (ask.start is not None or ask.end is not None):
        raise UsageError("Give either --partition or --from and --to, not both.")
    partitioned = [key for key in keys if graph.get(key).partitions_def]
    found: dict[dg.AssetKey, tuple[str, ...]]
    outside: dict[dg.AssetKey, str] = {}
    if ask.partition is not None:
        _check_partition(graph, partitioned, ask.partition)
        one: tuple[str, ...] = (ask.partition,)
        found = dict.fromkeys(partitioned, one)
    elif ask.start is not None or ask.end is not None:
        found, outside = _between(graph, partitioned, ask.start, ask.end)
    else:
        found = {key: tuple(_keys(graph, key)) for key in partitioned}
    none: tuple[str, ...] = ("",)
    partitions = {key: found.get(key, none) for key in keys}
    if ask.force:
        always = dict.fromkeys(keys, "forced")
    else:
        always = dict.fromkeys(partitioned, "asked") if ask.partition is not None else {}
    return Targets({key: keys for key, keys in partitions.items() if keys}, always, outside)


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


def select(graph: AssetGraph, texts: Sequence[str]) -> set[dg.AssetKey]:
    """The assets that Dagster's selection syntax names, all of `texts` together."""
    chosen: set[dg.AssetKey] = set()
    for text in texts:
        try:
            found = dg.AssetSelection.from_string(_quoted(text), include_sources=True).resolve(
                graph
            )
        except DagsterInvalidAssetSelectionError:
            raise UsageError(_unknown(graph, text, "is not a selection")) from None
        except DagsterInvalidSubsetError:
            raise UsageError(_unknown(graph, text, "names an asset that does not exist")) from None
        runnable = found & graph.materializable_asset_keys
        if found and not runnable:
            shown = ", ".join(sorted(key.to_user_string() for key in found))
            readers = sorted(
                child.to_user_string() for key in found for child in graph.get(key).child_keys
            )
            far = all(_is_elsewhere(graph, key) for key in found)
            what = "made in another location" if far else "a table of a source system"
            raise UsageError(
                f"{shown} is {what} and is only read; what is made from it: "
                f"{', '.join(readers) or 'nothing'}."
            )
        if not runnable:
            raise UsageError(_unknown(graph, text, "selects nothing"))
        chosen |= runnable
    return {member for key in chosen for member in graph.get(key).execution_set_asset_keys or {key}}


#: An asset written without key:"…", outside quotes.
_BARE = re.compile(r'"[^"]*"|(?<![\w:/])([A-Za-z_]\w*(?:/[\w*.-]+)+)')


def _quoted(text: str) -> str:
    """`+prep/x or raw/*` → `+key:"prep/x" or key:"raw/*"`.

    Dagster knows a bare `a/b` only alone, in an older syntax where + means one step.
    """
    return _BARE.sub(lambda found: f'key:"{found[1]}"' if found[1] else found[0], text)


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
        if parent in graph.materializable_asset_keys or _is_elsewhere(graph, parent)
    )
    found: dict[str, list[tuple[dg.AssetKey, list[str]]]] = {one: [] for one in partitions}
    for parent in parents:
        read = {one: _mapped(graph, key, parent, one) for one in partitions}
        history.of(parent, {one for ones in read.values() for one in ones})
        for one, ones in read.items():
            found[one].append((parent, ones))
    return found


def _is_elsewhere(graph: AssetGraph, key: dg.AssetKey) -> bool:
    """Whether another location makes it: nothing to run here, but its history counts."""
    return ELSEWHERE in graph.get(key).metadata


def _mapped(graph: AssetGraph, key: dg.AssetKey, parent: dg.AssetKey, partition: str) -> list[str]:
    mine, theirs = graph.get(key).partitions_def, graph.get(parent).partitions_def
    if theirs is None:
        return [""]
    if mine is None:
        return list(_keys(graph, parent))
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
    far = all(_is_elsewhere(graph, key) for key, _ in lacking)
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


# -- partitions as asked for


def _keys(graph: AssetGraph, key: dg.AssetKey) -> Sequence[str]:
    definition = graph.get(key).partitions_def
    return list(map(str, definition.get_partition_keys())) if definition else [""]


def _there_is(keys: Sequence[str]) -> str:
    if not keys:
        return "it has none yet"
    return f"there is {keys[0]} … {keys[-1]} ({len(keys)} partitions)"


def _check_partition(graph: AssetGraph, assets: Sequence[dg.AssetKey], asked: str) -> None:
    if not assets:
        raise UsageError(
            "None of the selected assets has partitions; leave out --partition (--force runs them "
            "even when they are up to date)."
        )
    having = [key for key in assets if asked in set(_keys(graph, key))]
    lacking = [key for key in assets if key not in having]
    if not lacking:
        return
    if having:
        raise UsageError(
            f"--partition {asked} is a partition of "
            f"{', '.join(key.to_user_string() for key in having)}, but not of "
            f"{', '.join(key.to_user_string() for key in lacking)} "
            f"({_there_is(_keys(graph, lacking[0]))}). Select them apart, or name days and months "
            "at once with --from and --to."
        )
    keys = _keys(graph, lacking[0])
    mended = _mended(asked, keys, graph.get(lacking[0]).partitions_def)
    raise UsageError(
        f"{lacking[0].to_user_string()} has no partition {asked!r}; {mended}{_there_is(keys)}."
    )


#: Cadence → its partitions in words, and how a key is written.
_WORDS: Mapping[Cadence, tuple[str, str]] = {
    "hourly": ("hour", "an hour as YYYY-MM-DD-HH"),
    "daily": ("day", "a day as YYYY-MM-DD"),
    "weekly": ("week", "a week as its Monday, YYYY-MM-DD"),
    "monthly": ("month", "a month as YYYY-MM"),
}


def _mended(
    asked: str, keys: Sequence[str], definition: dg.PartitionsDefinition[Any] | None
) -> str:
    """What is wrong with a key, in words of its cadence; the nearest by letters may be far off."""
    if isinstance(definition, dg.StaticPartitionsDefinition):
        return f"{nearest(asked, keys)}; "
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return "" if asked.count("|") == 1 or not keys else f"write both parts, {keys[-1]}; "
    cadence = cadence_of(definition)
    if cadence is None or not keys:
        return ""
    word, shape = _WORDS[cadence]
    try:
        start_of(cadence, asked)
    except ValueError as error:
        if "Monday" in str(error):
            return f"{error}; "
    else:
        return "" if keys[0] <= asked <= keys[-1] else "it is outside: "
    try:
        first, last = _days(asked, "--partition")
    except UsageError:
        return f"write {shape}; "
    if cadence == "monthly":
        return f"write {shape}; "
    whole = "day" if first == last else "month"
    return f"the {word}s of a {whole} are --from {asked} --to {asked}; "


def _between(
    graph: AssetGraph, assets: Sequence[dg.AssetKey], start: str | None, end: str | None
) -> tuple[dict[dg.AssetKey, tuple[str, ...]], dict[dg.AssetKey, str]]:
    """The partitions of each asset, and why those have none that have none."""
    if not assets:
        raise UsageError("None of the selected assets has partitions; leave out --from and --to.")
    first = _days(start, "--from")[0] if start is not None else date.min
    last = _days(end, "--to")[1] if end is not None else date.max
    if first > last:
        raise UsageError(f"--from {start} is later than --to {end}.")
    timed = [key for key in assets if _times(graph, key)]
    if not timed:
        raise UsageError(
            f"{assets[0].to_user_string()} is not partitioned by time; leave out --from and --to, "
            "or name one with --partition."
        )
    found = {key: tuple(_lying_in(graph, key, first, last)) for key in assets}
    if not any(found[key] for key in timed):
        told = "; ".join(
            f"{key.to_user_string()}: {_there_is(_keys(graph, key))}" for key in timed[:3]
        )
        raise UsageError(f"No partition lies in {start or '…'} to {end or '…'}; {told}.")
    return found, {key: _outside(graph, key, first, last) for key in timed if not found[key]}


def _times(graph: AssetGraph, key: dg.AssetKey) -> dg.TimeWindowPartitionsDefinition | None:
    """How an asset is partitioned by time; None where it is by names alone."""
    definition = graph.get(key).partitions_def
    if isinstance(definition, dg.MultiPartitionsDefinition):
        if not definition.has_time_window_dimension:
            return None
        return definition.time_window_partitions_def
    return definition if isinstance(definition, dg.TimeWindowPartitionsDefinition) else None


def _lying_in(graph: AssetGraph, key: dg.AssetKey, first: date, last: date) -> Iterator[str]:
    """The partitions that lie in these days as a whole; all of those that have no time."""
    definition, times = graph.get(key).partitions_def, _times(graph, key)
    if times is None or definition is None:
        yield from _keys(graph, key)
        return
    inside = []
    for partition in times.get_partition_keys():
        starts, ends = _days_of(times, partition)
        if first <= starts and ends <= last:
            inside.append(partition)
    if isinstance(definition, dg.MultiPartitionsDefinition):
        name = definition.time_window_dimension.name
        yield from map(str, definition.get_multipartition_keys_with_dimension_values(name, inside))
    else:
        yield from inside


def _days_of(definition: dg.TimeWindowPartitionsDefinition, partition: str) -> tuple[date, date]:
    """The first and the last day in which a partition lies."""
    cadence = cadence_of(definition)
    if cadence and cadence != "hourly":  # Dagster takes 40 µs a key
        start, end = window(cadence, partition)
        return start, end - timedelta(days=1)
    if cadence:
        day = date.fromisoformat(partition[:10])
        return day, day
    found = definition.time_window_for_partition_key(partition)
    return found.start.date(), (found.end - timedelta(microseconds=1)).date()


def _outside(graph: AssetGraph, key: dg.AssetKey, first: date, last: date) -> str:
    """Why no partition lies in the range: the range is shorter than one, or is elsewhere."""
    times = _times(graph, key)
    keys = times.get_partition_keys() if times else ()
    if times and keys:
        cadence = cadence_of(times)
        if _days_of(times, keys[0])[0] <= last and first <= _days_of(times, keys[-1])[1]:
            return f"no whole {_WORDS[cadence][0] if cadence else 'partition'} in the range"
    return f"none in the range: {_there_is(_keys(graph, key))}"


def _days(text: str, option: str) -> tuple[date, date]:
    """The first and last day of a date or month."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            first = date.fromisoformat(f"{text}-01")
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            return day, day
    except ValueError:
        pass
    raise UsageError(f"{option} {text}: no such day; write YYYY-MM-DD or YYYY-MM.")


def _unknown(graph: AssetGraph, text: str, what: str) -> str:
    names = sorted(key.to_user_string() for key in graph.materializable_asset_keys)
    groups = sorted(graph.all_group_names)
    group = re.search(r'group:\s*"?([^"\s()]*)', text)
    if group and group[1] not in groups:
        cure = f"group {group[1]!r}: {nearest(group[1], groups)}"
    else:
        words = re.findall(r"[^\s\"'()+:,|&]+", text)
        unknown = [word for word in words if word not in names] or words or [""]
        cure = nearest(max(unknown, key=lambda word: ("/" in word, len(word))), names)
    return f"{text!r} {what}; {cure}.\n{EXAMPLES}"
