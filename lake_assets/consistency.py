"""What is wrong in pipeline files that are each well-formed, all told at once.

Here: every rule that needs no more than the files themselves; they run at every process start, so
no engine is imported. Not here: what a record by itself knows to be wrong (`spec.py`), the
functions that files name (`signature.py`) and what needs SQL to be bound (`validate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from lake_assets import delivery, steps
from lake_assets.declared_files import check_described
from lake_assets.declared_origins import check_origins
from lake_assets.declared_splits import check_splits
from lake_assets.models import declared
from lake_assets.partition_spec import Partitions
from lake_assets.pipeline import (
    PARTITION_NAMES,
    QUERY_NAMES,
    WINDOW_TYPES,
    Asset,
    Delivered,
    Elsewhere,
    Input,
    Pipeline,
    assets,
    catalogue,
    described,
    elsewhere,
    job_name,
    scheduled,
    window_kind,
)
from lake_assets.signature import check_signature, function_of
from lake_assets.spec.datasets import DatasetSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.rules import Rules
from lake_assets.spec.sources import SourceSpec
from resources.partition import Cadence
from resources.settings import CONNECTIONS, no_connection
from resources.yamlfile import Mistake, Place, YamlFile, dotted, nearest

#: Dagster's own advice for one asset; above it the UI and backfills become slow.
MOST_KEYS = 25_000


# --- rules over all files ------------------------------------------------------------------------


def check(
    pipelines: Sequence[Pipeline], broken: Sequence[YamlFile | None], today: date
) -> Iterator[Mistake]:
    everything = [asset for pipeline in pipelines for asset in assets(pipeline)]
    for file in filter(None, broken):
        yield from _loose_steps(file)
    from_elsewhere = [one for pipeline in pipelines for one in elsewhere(pipeline)]
    by_key: dict[str, Asset] = {}
    for asset in everything:
        other = by_key.setdefault(asset.key, asset)
        if other is not asset:  # told at both places: which one is the copy is not to be known
            yield asset.mistake((), f"is declared twice, in {_at(other)} too", "rename one")
            yield other.mistake((), f"is declared twice, in {_at(asset)} too", "rename one")
    # A file with mistakes still tells which assets it has; one that is no YAML may have any.
    loose = {key for file in broken if file for key in _loose_keys(file)}
    for key in sorted(loose & by_key.keys()):
        what = "is declared twice, the other time in a file that has mistakes"
        yield by_key[key].mistake((), what, "rename one")
    readable = catalogue(pipelines)
    known: set[str] | None = None
    if None not in broken:
        declared = {key for file in broken if file for key in _section(file, "elsewhere")}
        known = readable.keys() | loose | declared
    for asset in everything:
        yield from _check_asset(asset, today)
        yield from _check_inputs(asset, readable, known)
        yield from check_origins(asset, readable)
    sent = [asset for asset in everything if isinstance(asset, Delivered)]
    yield from delivery.check_targets(sent)
    for one in from_elsewhere:
        yield from _check_partitions(one, today)
        yield from check_origins(one, readable)
    yield from _check_elsewhere(from_elsewhere, by_key, loose)
    yield from _check_cycles(everything, by_key)
    yield from _check_formerly(everything, readable)
    jobs: dict[str, str] = {}
    for pipeline in pipelines:
        yield from _check_pipeline(pipeline, jobs)


def _at(asset: Input) -> str:
    file = asset.pipeline.file
    return f"{file.shown}:{file.line(asset.place)}"


def _loose_keys(file: YamlFile) -> Iterator[str]:
    for layer, section in (("raw", "sources"), ("prep", "datasets"), ("model", "models")):
        yield from (f"{layer}/{name}" for name in _section(file, section))


def _loose_steps(file: YamlFile) -> Iterator[Mistake]:
    """What is wrong with steps in a file that has other mistakes."""
    found = file.data.get("datasets") if isinstance(file.data, dict) else None
    for name, dataset in found.items() if isinstance(found, dict) else ():
        if isinstance(dataset, dict):
            yield from steps.check_loose(file, name, dataset.get("steps"))


def _section(file: YamlFile, name: str) -> Iterator[str]:
    """The keys of a section, whatever stands under them."""
    found = file.data.get(name) if isinstance(file.data, dict) else None
    if isinstance(found, dict):
        yield from map(str, found)


def _check_elsewhere(
    declared: Sequence[Elsewhere], by_key: Mapping[str, Asset], loose: Iterable[str]
) -> Iterator[Mistake]:
    """What is declared is read by its own file, made by no file here, and alike in all of them."""
    first: dict[str, Elsewhere] = {}
    for one in declared:
        made = by_key.get(one.key)
        other = first.setdefault(one.key, one)
        if made:
            cure = "take it out; what is made here needs no declaration"
            yield one.mistake((), f"is made in this location, in {_at(made)}", cure)
            what = f"{_at(one)} declares it under `elsewhere`"
            yield made.mistake((), what, "take it out there, or rename this one")
        elif one.key in loose:
            what = "is made in this location, in a file that has mistakes"
            yield one.mistake((), what, "take it out; what is made here needs no declaration")
        for part in _differences(one, other):
            for this, that in ((one, other), (other, one)):
                what = f"its {part} are not those that {_at(that)} declares"
                yield this.mistake((part,), what, "one asset has one shape: correct the wrong one")
        if not any(one.key in asset.inputs.values() for asset in assets(one.pipeline)):
            cure = "take it out, or move it to a file that reads it"
            yield one.mistake((), "no dataset of this file has it among its inputs", cure)


def _differences(one: Elsewhere, other: Elsewhere) -> list[str]:
    return [
        part for part in ("partitions", "columns") if getattr(one, part) != getattr(other, part)
    ]


def _check_cycles(everything: Sequence[Asset], by_key: Mapping[str, Asset]) -> Iterator[Mistake]:
    """Each cycle at every input of it: any of them may be the wrong one."""
    done: set[str] = set()
    for start in everything:
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = []
        if start.key not in done:
            stack.append((start.key, iter(start.inputs.values())))
            path.append(start.key)
        while stack:
            key, rest = stack[-1]
            found = next(rest, None)
            if found is None:
                done.add(key)
                stack.pop()
                path.pop()
            elif found in path:
                cycle = [*path[path.index(found) :], found]
                what = "feeds itself" if len(cycle) == 2 else f"a cycle: {' ← '.join(cycle)}"
                for one, of in pairwise(cycle):
                    asset = by_key[one]
                    yield asset.mistake(_input_place(asset, of), what, "take one of the inputs out")
            elif found in by_key and found not in done:
                stack.append((found, iter(by_key[found].inputs.values())))
                path.append(found)


def _input_place(asset: Asset, key: str) -> Place:
    if isinstance(asset.spec, DeliverySpec):
        return ("from",)
    inputs = [] if isinstance(asset.spec, SourceSpec) else asset.spec.inputs
    if isinstance(inputs, dict):
        named = asset.inputs.items()
        return ("inputs", next(alias for alias, of in named if of == key))
    return ("inputs", inputs.index(key))


def _check_formerly(everything: Sequence[Asset], by_key: Mapping[str, Input]) -> Iterator[Mistake]:
    taken: dict[str, Asset] = {}
    for asset in everything:
        for index, key in enumerate(asset.spec.formerly):
            place = ("formerly", index)
            if key in by_key:
                what = f"{key} is the key of an asset that there is ({_at(by_key[key])})"
                yield asset.mistake(place, what, "a former key is free")
            elif key in taken:
                yield asset.mistake(place, f"{key} is claimed twice, by {_at(taken[key])} too")
            taken[key] = asset


# --- rules of one asset --------------------------------------------------------------------------


def _check_asset(asset: Asset, today: date) -> Iterator[Mistake]:
    spec = asset.spec
    if asset.run.runner == "docker" and not asset.run.image:
        place = (*asset.place, "run") if spec.run else ("run",)
        yield asset.pipeline.file.mistake(place, "run: runner docker needs an image")
    if isinstance(asset, Delivered):
        yield from delivery.check(asset)
    if isinstance(spec, DeliverySpec):
        return
    yield from _check_partitions(asset, today)
    yield from _undeclared(asset, ("order_by",), spec.order_by)
    for section in ("gates", "checks"):
        yield from _check_rules(asset, section, getattr(spec, section))
    if isinstance(spec, SourceSpec):
        yield from _check_source(asset, spec)
        return
    yield from _check_aliases(asset, spec)
    if isinstance(spec, DatasetSpec) and spec.steps:
        yield from steps.check(asset, spec.steps)
    if isinstance(spec, ModelSpec):
        yield from declared.check_model(asset, spec)
        function = yield from function_of(asset, ("fit",), spec.fit)
        if function:
            yield from declared.check_fit(asset, function.path, function.node)
    elif spec.transform:
        function = yield from function_of(asset, ("transform",), spec.transform)
        if function:
            yield from check_signature(asset, function)
    elif spec.engine == "hive":
        for name, type_ in asset.types.items():
            if type_.name == "timestamptz":
                what = f"columns: {name} is timestamptz, and Hive has no instants"
                yield asset.mistake(("columns", name), what, "make it a timestamp, or use DuckDB")


def _check_partitions(asset: Input, today: date) -> Iterator[Mistake]:
    if asset.partitions is None:
        return
    for column in asset.partitions.columns:
        if column in asset.columns:
            what = f"{column} is the partition column, which readers add"
            yield asset.mistake(("columns", column), what, "give the column another name")
    names, span = asset.partitions.names, asset.partitions.span
    keys, what, cure = len(names) or 1, "", ""
    place: Place = ("partitions", "named", "values")
    told = f" of {len(names):,} names" if names else ""
    if asset.partitions.cadence and span:
        place = ("partitions", asset.partitions.cadence, "start")
        start = date.fromisoformat(span.start)
        end = date.fromisoformat(span.end) if span.end else max(today, start)
        keys *= _count(asset.partitions.cadence, start, end)
        told += f" from {span.start} to {end}"
        if start > today + timedelta(days=366):
            what, cure = f"the start {span.start} is more than a year ahead", "is the year right?"
    if keys > MOST_KEYS:
        what = f"{keys:,} partitions{told}"
        coarser = {"hourly": ", or use days", "daily": ", or use months"}
        begin = "begin later" if span else "fewer names"
        other = ", or fewer names" if span and names else coarser.get(asset.partitions.kind, "")
        cure = f"at most {MOST_KEYS:,}; {begin}{other}"
    if what and asset.spec.partitions:
        yield asset.mistake(place, what, cure)
    elif what:  # the file's own partitions: told once for all its assets, being the same text
        yield asset.pipeline.file.mistake(place, f"partitions: {what}", cure)


def _count(cadence: Cadence, start: date, end: date) -> int:
    """How many partitions there are from one day to before another."""
    days = (end - start).days
    if cadence == "monthly":
        return (end.year - start.year) * 12 + end.month - start.month
    return {"hourly": days * 24, "daily": days, "weekly": days // 7}[cadence]


def _undeclared(asset: Asset, place: Place, columns: Sequence[str]) -> Iterator[Mistake]:
    """Each of `columns`, a list at `place`, that is not declared or stands there twice."""
    for index, column in enumerate(columns):
        where = (*place, index)
        if column not in asset.spec.columns:
            yield _no_column(asset, where, column)
        elif column in columns[:index]:
            yield asset.mistake(where, f"{place[-1]} names {column} twice")


def _no_column(asset: Asset, place: Place, column: str) -> Mistake:
    what = f"{dotted(place)}: there is no column {column!r}"
    return asset.mistake(place, what, nearest(column, asset.spec.columns))


def _check_rules(asset: Asset, section: str, rules: Rules) -> Iterator[Mistake]:
    yield from _undeclared(asset, (section, "unique"), rules.unique or [])
    yield from _undeclared(asset, (section, "not_null"), rules.not_null)
    for column, values in rules.accepted.items():
        if column not in asset.types:
            yield _no_column(asset, (section, "accepted", column), column)
            continue
        for index, value in enumerate(values):
            yield from _fits(asset, (section, "accepted", column, index), column, value)
    for column, bounds in rules.range.items():
        if column not in asset.types:
            yield _no_column(asset, (section, "range", column), column)
            continue
        wrong = False
        for end in ("min", "max"):
            value = getattr(bounds, end)
            if value is not None:
                found = list(_fits(asset, (section, "range", column, end), column, value))
                wrong = wrong or bool(found)
                yield from found
        low: Any = bounds.min
        if not wrong and low is not None and bounds.max is not None and low > bounds.max:
            what = f"max is smaller than min, {low}"
            yield asset.mistake((section, "range", column, "max"), what)


def _fits(asset: Asset, place: Place, column: str, value: object) -> Iterator[Mistake]:
    """Whether a value of the file can be one of the column's."""
    kind = asset.types[column]
    wanted = ""
    if kind.is_number:
        whole = kind.name.startswith("int")
        right = isinstance(value, int) if whole else isinstance(value, int | float)
        if isinstance(value, bool) or not right:
            wanted = "a whole number" if whole else "a number"
    elif kind.name == "boolean":
        wanted = "" if isinstance(value, bool) else "true or false"
    elif kind.name in ("date", "timestamp", "timestamptz"):
        example = "2025-07-01" if kind.name == "date" else "2025-07-01T09:30:00"
        try:
            parse = date.fromisoformat if kind.name == "date" else datetime.fromisoformat
            parse(value if isinstance(value, str) else "")
        except ValueError:
            wanted = f"text such as {example}"
    elif kind.name == "string":
        wanted = "" if isinstance(value, str) else 'text, in quotes: "…"'
    else:
        wanted = "nothing: bytes cannot be compared with what a file holds"
    if wanted:
        shown = dotted(place)
        what = f"{shown}: {value!r} does not fit the column {column}, which is {kind.name}"
        yield asset.mistake(place, what, f"allowed: {wanted}")


def _check_source(asset: Asset, spec: SourceSpec) -> Iterator[Mistake]:
    if spec.connection not in CONNECTIONS:
        yield asset.mistake(("connection",), *no_connection(spec.connection))
    if spec.described is not None and spec.filter is not None:
        cure = "an index has a `query`; else filter in a dataset"
        yield asset.mistake(("filter",), "filter belongs to a table or query", cure)
    for key in ("schema_", "local_query"):
        needs = "table" if key == "schema_" else "query"
        if getattr(spec, key) is not None and getattr(spec, needs) is None:
            name = key.rstrip("_")
            yield asset.mistake((name,), f"{name} belongs to a {needs}", f"give {needs}")
    yield from _check_window(asset, spec)
    yield from check_splits(asset, spec)
    yield from check_described(asset, spec)
    yield from _undeclared(asset, ("sums",), spec.sums)
    for index, column in enumerate(spec.sums):
        if column in asset.types and not asset.types[column].is_number:
            numbers = [name for name, kind in asset.types.items() if kind.is_number]
            what = f"sums: {column} is {asset.types[column].name}, not a number"
            yield asset.mistake(("sums", index), what, nearest(column, numbers))


def _check_window(asset: Asset, spec: SourceSpec) -> Iterator[Mistake]:
    if asset.partitions is None:
        if spec.window is not None:
            cure = "give partitions, or take the window out"
            yield asset.mistake(("window",), "a window without partitions has no use", cure)
        return
    needed = {"column": asset.partitions.cadence, "name": asset.partitions.named}
    example = ", ".join(f"{key}: …" for key, wanted in needed.items() if wanted)
    if spec.window is None and spec.by_name:
        return  # its templates say which partition is asked for: `templates.py`
    if spec.window is None:
        cure = f"add `window: {{{example}}}`, or `partitions: none`"
        yield asset.mistake((), "is partitioned, so it needs a window", cure)
        return
    for key, wanted in needed.items():
        given = getattr(spec.window, key)
        if wanted and given is None:
            what = f"window: {asset.partitions.kind} partitions need its `{key}`"
            yield asset.mistake(("window",), what, f"write `window: {{{example}}}`")
        elif given and not wanted:
            what = f"window: {asset.partitions.kind} partitions have no use for its `{key}`"
            yield asset.mistake(("window", key), what, f"write `window: {{{example}}}`")
        elif given and given not in asset.types:
            yield _no_column(asset, ("window", key), given)
        elif given and key == "column":
            yield from _check_window_column(asset, spec, given)
        elif given and asset.types[given].name != "string":
            what = f"window: a name is text, and {given} is {asset.types[given].name}"
            yield asset.mistake(("window", key), what, "declare the column as string")


def _check_window_column(asset: Asset, spec: SourceSpec, column: str) -> Iterator[Mistake]:
    assert spec.window
    assert asset.partitions
    kind, of_type = window_kind(spec), asset.types[column].name
    place = ("window", "kind") if spec.window.kind else ("window", "column")
    if kind is None or of_type not in WINDOW_TYPES[kind]:
        allowed = "; ".join(f"{k}: {' or '.join(t)}" for k, t in WINDOW_TYPES.items())
        shown = f"the kind {kind!r} does not fit" if kind else "no kind fits"
        what = f"window: {shown} the column {column}, which is {of_type}"
        yield asset.mistake(place, what, f"allowed: {allowed}")
    elif asset.partitions.hourly and kind != "timestamp":
        what = f"window: hours are in a timestamp, and {column} is {of_type}"
        yield asset.mistake(place, what, "choose a timestamp, or use days")


def _check_aliases(asset: Asset, spec: DatasetSpec | ModelSpec) -> Iterator[Mistake]:
    called = isinstance(spec, DatasetSpec) and spec.transform
    clash = [*PARTITION_NAMES, *asset.pipeline.spec.params] if called else []
    seen: dict[str, str] = {}
    for alias, key in _aliases(spec):
        place = _input_place(asset, key)
        if key in seen.values():
            cure = f"one is enough: {{asset: {key}, from: -2, to: 0}} reads earlier partitions too"
            yield asset.mistake(place, f"the input {key} stands here twice", cure)
        elif alias in seen:
            what = f"the inputs {seen[alias]} and {key} are both called {alias!r}"
            yield asset.mistake(place, what, "name them: inputs: {a: raw/…, b: prep/…}")
        elif alias in clash:
            what = f"the input {alias!r} has the name of a parameter"
            yield asset.mistake(place, what, "name it: inputs: {another: …}")
        seen.setdefault(alias, key)


def _aliases(spec: DatasetSpec | ModelSpec) -> list[tuple[str, str]]:
    if isinstance(spec.inputs, dict):
        return list(spec.named_inputs.items())
    return [(key.split("/")[-1], key) for key in spec.inputs]


# --- inputs and their cadence --------------------------------------------------------------------


def _check_inputs(
    asset: Asset, by_key: Mapping[str, Input], known: Iterable[str] | None
) -> Iterator[Mistake]:
    matching = False
    for key in asset.inputs.values():
        source = by_key.get(key)
        if source is None:
            if known is not None and key not in known:
                what = f"there is no asset {key!r}"
                cure = f"{nearest(key, known)}; what is made elsewhere is declared in `elsewhere`"
                yield asset.mistake(_input_place(asset, key), what, cure)
            matching = True  # not to be judged
            continue
        mine, its = asset.partitions, source.partitions
        if mine and its:
            refused = _cannot_read(mine, its, key)
            if refused:
                yield asset.mistake(_input_place(asset, key), *refused)
            elif _not_ended(asset, mine, its, key):
                what = f"is ahead, so {key} has no partition for the time that runs"
                cure = f"read earlier ones: {{asset: {key}, from: -1, to: -1}}"
                yield asset.mistake(_input_place(asset, key), what, cure)
            matching = matching or mine.cadence == its.cadence
        if not isinstance(asset.spec, SourceSpec) and key in asset.spec.offsets:
            lacking = [
                f"{whose} has {'names' if has else 'none'}"
                for whose, has in ((asset.key, mine), (key, its))
                if has is None or has.named
            ]
            if lacking:
                what = f"from and to count partitions of time, and {lacking[0]}"
                cure = f"write {key} alone"
                if isinstance(asset.spec, ModelSpec):
                    what += ", so it may know what came later"
                    cure = "join it in a dataset with partitions, which keeps what was known then"
                yield asset.mistake(_input_place(asset, key), what, cure)
            elif isinstance(asset.spec, DatasetSpec) and asset.spec.range:
                what = "range: true reads the same partition of each input, not earlier ones"
                yield asset.mistake(("range",), what, "take it out: range: false is always right")
    if isinstance(asset.spec, DatasetSpec) and asset.spec.predict:
        yield from declared.check_predict(asset, asset.spec, by_key)
    if isinstance(asset.spec, DatasetSpec) and asset.spec.range:
        if asset.partitions is None:
            cure = "take it out, or give partitions"
            yield asset.mistake(("range",), "range: true is for partitioned datasets", cure)
        elif asset.partitions.named:
            what = "range: true is for partitions of time, and these have names"
            yield asset.mistake(("range",), what, "take it out: range: false is always right")
        elif not matching:
            cadence = asset.partitions.cadence
            what = f"range: true needs a {cadence} input, of which each partition is made"
            yield asset.mistake(("range",), what, "take it out: range: false is always right")


def _not_ended(asset: Asset, mine: Partitions, its: Partitions, key: str) -> bool:
    """Whether a partition of the time that runs would read one that is there when it has ended."""
    offsets = {} if isinstance(asset.spec, SourceSpec) else asset.spec.offsets
    if mine.span is None or its.span is None or offsets.get(key, (0, 0))[1] < 0:
        return False
    return mine.span.ahead and not its.span.ahead


_UNITS: dict[Cadence, str] = {
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
}

#: What lies wholly in what: a week may lie in two months.
_FINER: dict[Cadence, tuple[Cadence, ...]] = {
    "hourly": (),
    "daily": ("hourly",),
    "weekly": ("hourly", "daily"),
    "monthly": ("hourly", "daily"),
}


def _cannot_read(mine: Partitions, its: Partitions, key: str) -> tuple[str, str] | None:
    """Why a partition is not made of partitions of the input `key`, and what to do; None: it is."""
    if mine.named and its.named and mine.names != its.names:
        other = sorted({*mine.names} ^ {*its.names})
        return (
            f"its names are not those of {key}: only one of them has {', '.join(other[:5])}",
            "give both the same `values`",
        )
    if mine.cadence is None:
        if its.cadence is None:
            return None
        what = f"one name cannot be made of every {_UNITS[its.cadence]} of {key}"
        return what, "take its partitions out (it then reads all there are), or add `daily`"
    unit, a = _UNITS[mine.cadence], "an" if mine.hourly else "a"
    if its.cadence is None:
        if mine.named:
            return None
        return (
            f"one {unit} cannot be made of the names of {key}, which have no time",
            "take the input out, or read it in a dataset without partitions",
        )
    if mine.named or its.named:
        if mine.daily and its.daily:
            return None
        what = f"{a} {unit}{' of one name' if mine.named else ''} cannot be made of the "
        what += f"{_UNITS[its.cadence]}s{' and names' if its.named else ''} of {key}"
        return what, "days with names and days without are made of each other: read a daily dataset"
    if its.cadence == mine.cadence or its.cadence in _FINER[mine.cadence]:
        return None
    if its.weekly and mine.monthly:
        return f"a week may lie in two months, so a month is not made of {key}", "read its days"
    return (
        f"{a} {unit} cannot be made of the {_UNITS[its.cadence]} {key}",
        f"read {mine.cadence} or unpartitioned inputs, or make it {its.cadence}",
    )


# --- rules of one file ---------------------------------------------------------------------------


def _check_pipeline(pipeline: Pipeline, jobs: dict[str, str]) -> Iterator[Mistake]:
    spec, file = pipeline.spec, pipeline.file
    for index, start in enumerate(("0.", "1.Start:", "2.End:")):
        tag = spec.tags[index]
        if not tag.replace(". ", ".").startswith(start):
            what = f"tags: number {index + 1} begins with {start!r}, this one is {tag!r}"
            cure = "0.<action>, 1.Start:<source>, 2.End:<target>, then what it is about"
            yield file.mistake(("tags", index), what, cure)
    for index, tag in enumerate(spec.tags):
        if tag in spec.tags[:index]:
            yield file.mistake(("tags", index), f"tags: {tag!r} stands here twice")
    for name in spec.params:
        if name in (*PARTITION_NAMES, *QUERY_NAMES):
            cure = f"these mean the partition: {', '.join((*PARTITION_NAMES, *QUERY_NAMES))}"
            yield file.mistake(("params", name), f"params: {name!r} is taken", cure)
    yield from _check_task_ids(pipeline)
    yield from _check_schedules(pipeline, jobs)


def _check_task_ids(pipeline: Pipeline) -> Iterator[Mistake]:
    first: dict[str, Asset] = {}
    for asset in assets(pipeline):
        other = first.setdefault(asset.task_id, asset)
        if other is not asset:
            one = asset if asset.spec.task_id else other
            rest = other if one is asset else asset
            what = f"the task id {asset.task_id!r} is that of {rest.key} too ({_at(rest)})"
            yield one.mistake(("task_id",), what, "a task id is unique in its pipeline")


def _check_schedules(pipeline: Pipeline, jobs: dict[str, str]) -> Iterator[Mistake]:
    spec, file = pipeline.spec, pipeline.file
    own = [asset.key for asset in assets(pipeline)]
    for name, schedule in spec.named_schedules.items():
        place: Place = ("schedules", name) if name else ("schedule",)
        shown = dotted(place)
        for index, key in enumerate(schedule.assets or []):
            where = (*place, "assets", index)
            if key not in own:
                what = f"{shown}: this file has no asset {key!r}"
                yield file.mistake(where, what, nearest(key, own))
            elif key in (schedule.assets or [])[:index]:
                yield file.mistake(where, f"{shown}: {key} stands here twice")
        kinds: dict[Partitions, str] = {}
        for asset in scheduled(pipeline, name):
            if asset.partitions:
                kinds.setdefault(asset.partitions, asset.key)
        if len(kinds) > 1:
            found = "; ".join(f"{key}: {described(kind)}" for kind, key in kinds.items())
            cure = (
                "one schedule runs assets of one kind of partitions: name them in its `assets`"
                if schedule.assets
                else "write `schedules:` with one for each, and name its `assets`"
            )
            where = (*place, "assets") if schedule.assets else place
            what = f"{shown}: its assets have {len(kinds)} kinds of partitions ({found})"
            yield file.mistake(where, what, cure)
        job = job_name(pipeline, name)
        here = f"{file.shown}:{file.line(place)}" if job in jobs else ""
        if job in jobs:
            yield file.mistake(place, f"{shown}: the job {job!r} is in {jobs[job]} too", here)
        jobs.setdefault(job, file.shown)
