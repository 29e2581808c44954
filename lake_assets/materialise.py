"""How an asset's partitions come about: rows of a source, SQL, a transform, a model, its scores.

Here: from an asset's record and the partitions asked for to outcomes, without Dagster, so that all
of it runs in a plain test. Not here: reading a source (`source_reading.py`), gates and publishing
(`publish.py`) and events (`builder.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from lake_assets import hive_engine, publish, sql_engine, transform
from lake_assets.partitions import consecutive, input_keys
from lake_assets.pipeline import Asset, Elsewhere, Input
from lake_assets.publish import Outcome
from lake_assets.rules import Inspector, Verdict
from lake_assets.spec.columns import Columns
from lake_assets.spec.datasets import DatasetSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.sources import SourceSpec
from resources.errors import NotYetError, PermanentError
from resources.frames import lake_type
from resources.partition import Partition
from resources.settings import Settings
from resources.source import Totals
from resources.sql import quoted, statement
from resources.store import Store
from resources.yamlfile import nearest

if TYPE_CHECKING:
    from lake_assets.models.training import Job

Value = str | int | float | bool | date


@dataclass(frozen=True)
class Origin:
    """Where a run comes from, for a model to say; nothing of it decides a row.

    `versions` maps input asset to partition to data version.
    """

    run_id: str = ""
    code_version: str = ""
    commit: str = ""
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """One asset to materialise, and what it needs besides its own record.

    `catalogue` has all that datasets of the location can read, by key, `params` the pipeline's
    parameters as this run sets them; `rows_before` gives the rows of the partition before, None
    where there is none; `say` tells people how far a long partition is.
    """

    asset: Asset
    settings: Settings
    store: Store
    catalogue: Mapping[str, Input]
    params: Mapping[str, Value]
    rows_before: Callable[[str], int | None] = lambda key: None
    origin: Origin = field(default_factory=Origin)
    say: Callable[[str], object] = lambda text: None


def partition(asset: Input, key: str) -> Partition:
    of = asset.partitions
    named = of.named.column if of and of.named else None
    return Partition(asset.layer, asset.name, of.cadence if of else None, key, named)


def published(store: Store, asset: Input) -> list[Partition]:
    """The partitions of an asset in the store, of the kind that it has by its declaration.

    Those of another kind are left from before it was changed.
    """
    of = asset.partitions
    kind = (of.cadence, of.named.column if of.named else None) if of else (None, None)
    found = store.partitions(asset.layer, asset.name)
    return [one for one in found if (one.cadence, one.named) == kind]


def arrow_schema(columns: Columns) -> pa.Schema:
    """Declared columns as Arrow; every field is nullable, as gates say what may not be."""
    return pa.schema([(name, column.parsed.arrow()) for name, column in columns.items()])


def inputs_of(work: Work, key: str) -> dict[str, list[str]]:
    """Input asset → the partitions of it that the partition `key` reads ('' of unpartitioned)."""
    asset = work.asset
    if isinstance(asset.spec, SourceSpec):
        return {}
    found = {}
    for name in asset.spec.named_inputs.values():
        upstream = work.catalogue[name]
        existing = () if asset.partitions else [one.key for one in published(work.store, upstream)]
        offset = asset.spec.offsets.get(name)
        found[name] = input_keys(asset.partitions, key, upstream.partitions, existing, offset)
    return found


def materialise(work: Work, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    """Publish the partitions `keys` (sorted; [''] where unpartitioned).

    Gives the route that read them and the outcome, one partition after another as each is done.
    """
    spec = work.asset.spec
    if isinstance(spec, SourceSpec):
        from lake_assets import source_reading

        return source_reading.read(work, spec, keys)
    if isinstance(spec, ModelSpec):
        return _models(work, spec, keys)
    if isinstance(spec, DeliverySpec):
        from lake_assets.delivering import deliveries

        return deliveries(work, keys)
    if spec.predict:
        return _each(work, keys, _predicted)
    if spec.steps:
        return _each(work, keys, _stepped)
    if spec.sql is None:
        return _each(work, keys, _frames)
    if spec.range:
        return _range(work, spec, keys)
    return _each(work, keys, _hive if made_by_hive(work.asset, work.settings) else _sql)


def made_by_hive(asset: Asset, settings: Settings) -> bool:
    """Whether Hive makes an asset in this environment; DuckDB does where there is no Hive."""
    engine = asset.spec.engine if isinstance(asset.spec, DatasetSpec) else None
    return engine == "hive" and settings.store.hive is not None


def inspector_of(
    work: Work, sorted_by: Sequence[str], standing: Sequence[Verdict] = ()
) -> Inspector:
    spec = work.asset.spec
    sums = spec.sums if isinstance(spec, SourceSpec) else ()
    return Inspector(spec.gates, spec.checks, spec.columns, sums, sorted_by, standing)


def landed(
    work: Work,
    keys: Sequence[str],
    slices: publish.Slices,
    inspector: Inspector,
    totals: Mapping[str, Totals] | None,
) -> Iterator[Outcome]:
    return publish.land(
        work.store,
        [partition(work.asset, key) for key in keys],
        arrow_schema(work.asset.spec.columns),
        slices,
        inspector,
        totals,
        work.rows_before,
        many=isinstance(work.asset.spec, DatasetSpec) and work.asset.spec.many_files,
    )


def _each(
    work: Work,
    keys: Sequence[str],
    make: Callable[[Work, DatasetSpec, str, Inspector], Iterator[Outcome]],
) -> Iterator[tuple[str, Outcome]]:
    """Partition by partition: the rule for datasets, as a window over 31 days is not 31 days."""
    spec = work.asset.spec
    assert isinstance(spec, DatasetSpec)
    sql = "Hive SQL" if made_by_hive(work.asset, work.settings) else "DuckDB SQL"
    route = sql if spec.sql else spec.transform or "scores of a model"
    if spec.steps:
        steps = f"{len(spec.steps)} step{'s' if len(spec.steps) > 1 else ''}"
        route = f"{sql}, {steps}" if spec.sql else steps
    inspector = inspector_of(work, spec.order_by)
    for key in keys:
        for outcome in make(work, spec, key, inspector):
            yield route, outcome


def _sql(work: Work, spec: DatasetSpec, key: str, inspector: Inspector) -> Iterator[Outcome]:
    with _query(work, spec, [key], spec.order_by, ()) as batches:
        yield from landed(work, [key], publish.of_one(key, batches), inspector, None)


def _hive(work: Work, spec: DatasetSpec, key: str, inspector: Inspector) -> Iterator[Outcome]:
    """Hive leaves the rows as files in a version that nobody sees; the gates read them there."""
    # Only here: of no use without Hive, and registering takes partitions from this module.
    from lake_assets import registration

    asset, schema = work.asset, arrow_schema(spec.columns)
    reads, asked = {}, inputs_of(work, key)
    for alias, name in spec.named_inputs.items():
        upstream, parts = work.catalogue[name], parts_of(work, name, asked[name])
        folders = zip(map(registration.part_of, parts), work.store.folders(parts), strict=True)
        table = registration.hive_table(upstream, work.settings)
        reads[alias] = hive_engine.Read(table, hive_engine.visible(upstream), dict(folders))
    assert spec.sql is not None
    query = hive_engine.in_hive(spec.sql, reads, _words(work, [key]), asset.key)
    with work.store.version(partition(asset, key), schema) as version:
        with registration.connect(work.settings) as hive:
            for read in reads.values():
                hive_engine.check_registered(hive, read, asset.key)
            problems = hive_engine.result_types(hive, query, spec.columns)
            if problems:
                raise transform.unfit(f"{asset.key}: what the SQL gives", problems)
            hive_engine.fill(
                hive, query, spec.columns, spec.order_by, asset.layer, version.hidden_path
            )
        if hive_engine.as_it_is(spec.columns):
            yield publish.adopt(version, key, schema, inspector, work.rows_before)
            return
        rows = hive_engine.rewritten(version.batches(schema.names), schema)
        yield from landed(work, [key], publish.of_one(key, rows), inspector, None)


def _range(work: Work, spec: DatasetSpec, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    assert work.asset.partitions is not None
    cadence = work.asset.partitions.cadence
    assert cadence is not None, "validation refuses a range of names"
    (column,) = work.asset.partitions.columns
    inspector = inspector_of(work, spec.order_by)
    for run in consecutive(cadence, keys):
        order = [column, *spec.order_by]
        with _query(work, spec, run, order, (column,)) as batches:
            slices = publish.by_partition_column(batches, column, cadence)
            for outcome in landed(work, run, slices, inspector, None):
                yield f"DuckDB SQL over {len(run)} partitions", outcome


@contextmanager
def _query(
    work: Work,
    spec: DatasetSpec,
    keys: Sequence[str],
    order_by: Sequence[str],
    extra: Sequence[str],
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows of the dataset's SQL for some partitions, in exactly the declared columns.

    `extra` are columns besides the declared ones (the partition column of a range).
    """
    assert spec.sql is not None
    hive = spec.engine == "hive"
    sql = hive_engine.in_duckdb(spec.sql, work.asset.key) if hive else spec.sql
    with _selected(work, sql, keys, order_by) as reader:
        schema = arrow_schema(spec.columns)
        names = [*schema.names, *extra]
        found = reader.schema
        problems = [f"column {name!r} is missing" for name in names if name not in found.names]
        problems += [
            f"column {name!r} is not declared" for name in found.names if name not in names
        ]
        problems += [
            f"column {field.name!r} is {found.field(field.name).type}, declared {field.type}"
            for field in schema
            if field.name in found.names and found.field(field.name).type != field.type
        ]
        if problems:
            raise transform.unfit(f"{work.asset.key}: what the SQL gives", problems)
        yield (batch.select(names) for batch in reader)


@contextmanager
def _selected(
    work: Work, sql: str, keys: Sequence[str], order_by: Sequence[str]
) -> Iterator[pa.RecordBatchReader]:
    """What a SELECT over the asset's inputs gives for some partitions."""
    asked: dict[str, list[str]] = {}
    for key in keys:
        for name, needed in inputs_of(work, key).items():
            asked[name] = sorted({*asked.get(name, []), *needed})
    views = {}
    spec = work.asset.spec
    of_hive = isinstance(spec, DatasetSpec) and spec.engine == "hive"
    for alias, name in work.asset.inputs.items():
        upstream = work.catalogue[name]
        parts = parts_of(work, name, asked[name])
        views[alias] = sql_engine.View(
            files=work.store.files(parts),
            columns=hive_engine.visible(upstream) if of_hive else list(upstream.columns),
            partition_columns=upstream.partitions.columns if upstream.partitions else {},
            zoneless=_zoneless(upstream)
            if work.settings.store.parquet == "hive1" and not of_hive
            else (),
        )
    with sql_engine.query(
        work.asset.key,
        sql,
        views,
        _words(work, keys),
        order_by,
        work.store.duckdb_files(),
        _spill(work),
    ) as reader:
        yield reader


def _spill(work: Work) -> Path:
    return work.settings.home / "tmp"


def parts_of(work: Work, name: str, keys: Sequence[str]) -> list[Partition]:
    """The partitions `keys` of an input; NotYetError where there are none to read."""
    upstream = work.catalogue[name]
    parts = [partition(upstream, one) for one in keys]
    if not parts:
        raise NotYetError(f"{work.asset.key}: its input {name} has no partition yet.")
    # What is made here was held against its declaration when it was written.
    if isinstance(upstream, Elsewhere) and work.store.exists(parts[-1]):
        _as_declared(work, upstream, parts[-1])
    return parts


def _as_declared(work: Work, upstream: Elsewhere, newest: Partition) -> None:
    """PermanentError where the newest file of an input has not the columns declared for it."""
    with work.store.batches([newest]) as reader:
        found = {field.name: lake_type(field.type) or field.type for field in reader.schema}
    problems = []
    for name, type_ in upstream.types.items():
        if name not in found:
            problems.append(f"column {name!r} is missing ({nearest(name, found)})")
        elif found[name] != type_.arrow():
            problems.append(f"column {name!r} is {found[name]}, declared {type_.name}")
    if problems:
        file = upstream.pipeline.file
        raise PermanentError(
            f"{work.asset.key}: its input {newest.path} is not as {file.shown}:"
            f"{file.line(upstream.place)} declares it: {'; '.join(problems)}. Correct what is "
            "declared there, or ask those who make it."
        )


def _zoneless(asset: Input) -> list[str]:
    """Hive's INT96 timestamps have no zone: an instant is kept as its UTC wall time."""
    return [name for name, type_ in asset.types.items() if type_.name == "timestamptz"]


def _frames(work: Work, spec: DatasetSpec, key: str, inspector: Inspector) -> Iterator[Outcome]:
    assert spec.transform is not None
    file, _, name = spec.transform.partition(":")
    function = getattr(transform.load_module(work.asset.pipeline.folder / file), name)

    def reader(asset_key: str, keys: list[str]) -> Callable[[], pa.Table]:
        def read() -> pa.Table:
            upstream, parts = work.catalogue[asset_key], parts_of(work, asset_key, keys)
            declared = [*upstream.columns, *parts[0].values]
            return work.store.read(parts, declared if isinstance(upstream, Elsewhere) else None)

        return read

    asked = inputs_of(work, key)
    tables = {
        alias: reader(asset_key, asked[asset_key]) for alias, asset_key in spec.named_inputs.items()
    }
    folder = work.asset.pipeline.folder
    with transform.told(work.asset.key, function, folder, personal=_personal(work, spec)):
        frame = transform.call(function, tables, _words(work, [key]), work.asset.key)
    name = f"{work.asset.key}: what the transform returns"
    table = transform.fitted(frame, arrow_schema(spec.columns), name)
    if spec.order_by:
        table = table.sort_by([(column, "ascending") for column in spec.order_by])
    slices = publish.of_one(key, table.to_batches(sql_engine.BATCH_ROWS))
    yield from landed(work, [key], slices, inspector, None)


def _personal(work: Work, spec: DatasetSpec) -> bool:
    """Whether a column of the dataset or of an input is personal."""
    inputs = (work.catalogue[name].columns for name in spec.named_inputs.values())
    return any(one.pii != "none" for own in (spec.columns, *inputs) for one in own.values())


def _stepped(work: Work, spec: DatasetSpec, key: str, inspector: Inspector) -> Iterator[Outcome]:
    """Steps over the rows of the SQL, or of the input as they stand there."""
    # Only here: Polars takes 0.1 s to import.
    from lake_assets import steps
    from lake_assets.step_runner import Run

    assert spec.steps is not None
    asset, schema = work.asset, arrow_schema(spec.columns)
    run = Run(asset, steps.calls(asset, spec.steps, key), _personal(work, spec))
    sql = spec.sql
    if sql is None:
        ((alias, name),) = spec.named_inputs.items()
        columns = [quoted(column, "duckdb") for column in work.catalogue[name].columns]
        sql = statement(columns, quoted(alias, "duckdb"))
    with _selected(work, sql, [key], ()) as reader, ExitStack() as stack:
        batches = run.batches(reader, schema)
        if spec.order_by:
            sorted_ = sql_engine.ordered(batches, schema, spec.order_by, _spill(work))
            batches = stack.enter_context(sorted_)
        for outcome in landed(work, [key], publish.of_one(key, batches), inspector, None):
            yield replace(outcome, more={"steps": run.told()})


def _models(work: Work, spec: ModelSpec, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    """Train partition by partition, each with an MLflow run of its own."""
    # Only here: scikit-learn, pandas and MLflow take 3 s to import.
    from lake_assets.models.registry import Registry
    from lake_assets.models.training import train

    registry = Registry(work.settings)
    inspector = inspector_of(work, ())
    for key in keys:

        def land(row: pa.Table, key: str = key) -> Outcome:
            slices = publish.of_one(key, row.to_batches())
            (outcome,) = landed(work, [key], slices, inspector, None)
            return outcome

        yield spec.fit, train(_job(work, spec, key), registry, land)


def _job(work: Work, spec: ModelSpec, key: str) -> Job:
    from lake_assets.models.examples import needed_columns
    from lake_assets.models.training import Job
    from lake_assets.versions import input_digest

    asset, (period, value) = work.asset, next(iter(partition(work.asset, key).values.items()))
    with _selected(work, spec.examples, [key], needed_columns(spec, period)) as reader:
        table = reader.read_all()
    file, _, name = spec.fit.partition(":")
    versions = {
        name: {one: work.origin.versions.get(name, {}).get(one, "") for one in read}
        for name, read in inputs_of(work, key).items()
    }
    return Job(
        asset=asset.key,
        name=asset.name,
        spec=spec,
        partition=key,
        period=period,
        value=value,
        table=table,
        function=getattr(transform.load_module(asset.pipeline.folder / file), name),
        folder=asset.pipeline.folder,
        params=work.params,
        versions=versions,
        digests={name: input_digest(of) for name, of in versions.items()},
        personal=frozenset(
            name
            for key in versions
            for name, column in work.catalogue[key].columns.items()
            if column.pii != "none"
        ),
        store=work.settings.store_root,
        code_version=work.origin.code_version,
        commit=work.origin.commit,
        dagster_run=work.origin.run_id,
    )


def _predicted(work: Work, spec: DatasetSpec, key: str, inspector: Inspector) -> Iterator[Outcome]:
    """Rows of an input as they stand there, each with its score, batch by batch."""
    from lake_assets.models.registry import Registry
    from lake_assets.models.scoring import champion_of

    assert spec.predict is not None
    predict, asset = spec.predict, work.asset
    model, source = asset.inputs[predict.model], work.catalogue[asset.inputs[predict.rows]]
    row = work.store.read(parts_of(work, model, [key]))
    scorer = champion_of(asset.key, model, row, key, Registry(work.settings))
    made = {predict.score, predict.version}
    names = dict.fromkeys([*(name for name in spec.columns if name not in made), *scorer.features])
    lacking = [name for name in names if name not in source.columns]
    if lacking:
        raise PermanentError(
            f"{asset.key}: {model} version {scorer.version} needs {', '.join(lacking)}, which "
            f"{source.key} has no more. Train the model's partition {key} again."
        )
    columns = [quoted(name, "duckdb") for name in names]
    select = statement(columns, quoted(predict.rows, "duckdb"))
    with _selected(work, select, [key], spec.order_by) as reader:
        batches = scorer.batches(reader, predict, arrow_schema(spec.columns))
        for outcome in landed(work, [key], publish.of_one(key, batches), inspector, None):
            yield replace(outcome, more={"model": model, "model_version": scorer.version})


def _words(work: Work, keys: Sequence[str]) -> dict[str, Value]:
    """What SQL and transforms may ask for besides their inputs."""
    words = dict(work.params)
    if work.asset.partitions:
        words |= work.asset.partitions.words(keys[0], keys[-1])
    return words
