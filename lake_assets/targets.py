"""What is asked for on the command line: assets by selection, and which partitions of each.

Here: from words to keys, and what is said where there are none such. Not here: which of them have
to run (`plan.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_selection import DagsterInvalidAssetSelectionError
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.errors import DagsterInvalidSubsetError

from lake_assets.record import ELSEWHERE
from resources.errors import UsageError
from resources.io_manager import cadence_of
from resources.partition import Cadence, start_of, window
from resources.yamlfile import nearest

EXAMPLES = """Examples:
  prep/sales_result_daily       one asset
  '+prep/sales_result_daily'    with all it is made from
  'raw/bw_sales_result+'        with all that is made from it
  'raw/*'                       by pattern
  'group:customer_master'
  'raw/* and not raw/customer'
  '2+prep/sales_result_monthly' two steps upstream"""


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
        found = {key: tuple(keys_of(graph, key)) for key in partitioned}
    none: tuple[str, ...] = ("",)
    partitions = {key: found.get(key, none) for key in keys}
    if ask.force:
        always = dict.fromkeys(keys, "forced")
    else:
        always = dict.fromkeys(partitioned, "asked") if ask.partition is not None else {}
    return Targets({key: keys for key, keys in partitions.items() if keys}, always, outside)


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
            far = all(is_elsewhere(graph, key) for key in found)
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


def is_elsewhere(graph: AssetGraph, key: dg.AssetKey) -> bool:
    """Whether another location makes it: nothing to run here, but its history counts."""
    return ELSEWHERE in graph.get(key).metadata


# -- partitions as asked for


def keys_of(graph: AssetGraph, key: dg.AssetKey) -> Sequence[str]:
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
    having = [key for key in assets if asked in set(keys_of(graph, key))]
    lacking = [key for key in assets if key not in having]
    if not lacking:
        return
    if having:
        raise UsageError(
            f"--partition {asked} is a partition of "
            f"{', '.join(key.to_user_string() for key in having)}, but not of "
            f"{', '.join(key.to_user_string() for key in lacking)} "
            f"({_there_is(keys_of(graph, lacking[0]))}). Select them apart, or name days and "
            "months at once with --from and --to."
        )
    keys = keys_of(graph, lacking[0])
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
            f"{key.to_user_string()}: {_there_is(keys_of(graph, key))}" for key in timed[:3]
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
        yield from keys_of(graph, key)
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
    return f"none in the range: {_there_is(keys_of(graph, key))}"


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
