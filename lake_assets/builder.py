"""Records of pipelines → Dagster assets and their checks.

Here: what Dagster is told of an asset, and the step that materialises it and reports what happened.
Not here: jobs and schedules (`jobs.py`), how partitions come about (`materialise.py`), what a file
may say (`spec.py`) and anything about a particular pipeline.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from lake_assets import delivery, record, step_names, versions
from lake_assets.partitions import definition, mapping, previous
from lake_assets.pipeline import Asset, Delivered, Elsewhere, Input, Pipeline, elsewhere
from lake_assets.spec.datasets import DatasetSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.sources import SourceSpec
from resources.deliver import kind_of
from resources.described import shown
from resources.errors import LakeError, PermanentError, TransientError
from resources.io_manager import PARTITION_COLUMN
from resources.settings import Settings
from resources.yamlfile import Mistake, Mistakes

if TYPE_CHECKING:
    # Imported where a step runs: the graph of a process that runs nothing (the UI's, a sensor's)
    # loads without pyarrow, DuckDB and sqlglot, 0.5 CPU s.
    from lake_assets.materialise import Value, Work
    from lake_assets.publish import Outcome
    from resources.hive_tables import Prepared

#: At most one line of progress in these seconds: each is an event in the instance's database.
PROGRESS_SECONDS = 10.0

_CONFIG = {
    "string": dg.StringSource,
    "int": dg.IntSource,
    "float": dg.Field(float).config_type,
    "boolean": dg.BoolSource,
    "date": dg.StringSource,
}


def asset_key(key: str) -> dg.AssetKey:
    return dg.AssetKey(key.split("/"))


def external(asset: Asset, spec: SourceSpec) -> dg.AssetSpec:
    """The source table itself, which the lake only reads."""
    return dg.AssetSpec(
        key=["src", spec.connection, asset.name],
        group_name=asset.pipeline.name,
        description=f"{spec.title} – {spec.connection}: {_table(spec)}",
        kinds={spec.connection, "table"},
        owners=[asset.owner],
        metadata={"lake/title": spec.title, "lake/connection": spec.connection},
    )


def _table(spec: SourceSpec) -> str:
    if spec.described is not None:
        return shown(spec.described)
    return ".".join(filter(None, (spec.schema_, spec.table))) or "(query)"


def build_elsewhere(
    pipelines: Sequence[Pipeline], by_hand: Iterable[Any]
) -> Iterator[dg.AssetSpec]:
    """What is read from elsewhere, once a key; what this location makes `by_hand` stands already.

    `Mistakes` where an asset made by hand has other partitions than those declared.
    """
    made = {
        spec.key: spec
        for one in by_hand
        if isinstance(one, dg.AssetsDefinition | dg.AssetSpec)
        for spec in (one.specs if isinstance(one, dg.AssetsDefinition) else [one])
    }
    declared = [one for pipeline in pipelines for one in elsewhere(pipeline)]
    mistakes = [
        mistake
        for one in declared
        if (spec := made.get(asset_key(one.key)))
        for mistake in _other_partitions(one, spec)
    ]
    if mistakes:
        raise Mistakes(mistakes)
    for key, one in {one.key: one for one in declared}.items():
        if asset_key(key) not in made:
            yield dg.AssetSpec(
                asset_key(key),
                group_name=one.pipeline.name,
                description=one.spec.title,
                partitions_def=definition(one.partitions),
                metadata={
                    "lake/title": one.spec.title or key,
                    "dagster/column_schema": record.column_schema(one.columns),
                    record.ELSEWHERE: True,
                    **_partition_column(one),
                },
            )


def _other_partitions(one: Elsewhere, spec: dg.AssetSpec) -> Iterator[Mistake]:
    """Whether keys of the two are written alike; which of them there are may differ."""
    declared = _described(definition(one.partitions), _partition_column(one))
    its = _described(spec.partitions_def, spec.metadata)
    if declared != its:
        what = f"the assets.py that makes it has other partitions: {its}"
        cure = f"what is declared here is there {declared}"
        yield one.mistake(("partitions",), what, cure)


def _described(partitions: dg.PartitionsDefinition[Any] | None, metadata: Mapping[str, Any]) -> str:
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return " × ".join(
            f"{part.name}: {_described(part.partitions_def, metadata)}"
            for part in partitions.partitions_defs
        )
    if isinstance(partitions, dg.StaticPartitionsDefinition):
        return f"names, metadata {PARTITION_COLUMN}={metadata.get(PARTITION_COLUMN)!r}"
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return type(partitions).__name__ if partitions else "none"
    cadence = partitions.schedule_type.value.lower() if partitions.schedule_type else "by cron"
    begin = f", day_offset={partitions.day_offset}" if cadence == "weekly" else ""
    return f"{cadence}, timezone={partitions.timezone!r}, fmt={partitions.fmt!r}{begin}"


def _partition_column(asset: Input) -> dict[str, str]:
    """What Dagster's definition of names does not say: what readers call their column."""
    named = asset.partitions.named if asset.partitions else None
    return {PARTITION_COLUMN: named.column} if named else {}


def build_asset(
    asset: Asset, settings: Settings, catalogue: Mapping[str, Input]
) -> dg.AssetsDefinition:
    """One asset with its two checks, `gates` and `checks`."""
    run = asset.run
    partitions_def = definition(asset.partitions)
    version = code_version(asset)

    @dg.asset(
        key=asset_key(asset.key),
        deps=list(_deps(asset, catalogue)),
        group_name=asset.pipeline.name,
        description=_description(asset),
        kinds=_kinds(asset),
        owners=[asset.owner],
        metadata=_metadata(asset),
        partitions_def=partitions_def,
        backfill_policy=_backfills(asset) if partitions_def else None,
        code_version=version,
        freshness_policy=_freshness(asset),
        check_specs=list(_check_specs(asset, partitions_def)),
        retry_policy=dg.RetryPolicy(
            max_retries=run.retries,
            delay=run.retry_delay,
            backoff=dg.Backoff.EXPONENTIAL,
            jitter=dg.Jitter.PLUS_MINUS,
        )
        if run.retries
        else None,
        pool=run.pool,
        config_schema=_config(asset),
    )
    # Dagster reads the annotation of `context` itself and takes no text, as all are text here; one
    # of what is returned it would evaluate eight times an asset.
    def step(context):  # type: ignore[no-untyped-def]
        from lake_assets.materialise import Work
        from resources.store import open_store

        keys = list(context.partition_keys) if asset.partitions else [""]
        counted: dict[str, int | None] = {}
        before = partial(_rows_before, asset, context.instance, counted)
        params = _params(asset, context)
        work = Work(asset, settings, open_store(settings), catalogue, params, before)
        yield from _run(context, work, keys, version, counted)

    return step


def _backfills(asset: Asset) -> dg.BackfillPolicy:
    """Partitions that a run takes: of a model one, so that one that fails loses itself alone."""
    model = isinstance(asset.spec, ModelSpec)
    return dg.BackfillPolicy.multi_run(1 if model else asset.run.days_per_run)


def _rows_before(
    asset: Asset, instance: dg.DagsterInstance, counted: Mapping[str, int | None], key: str
) -> int | None:
    """Rows of the partition before: as counted in this run, else as the history has it.

    Of an unpartitioned asset: those of its last materialisation; names have none before them.
    """
    before: list[str] | None = None
    if asset.partitions:
        before = list(filter(None, [previous(asset.partitions, key)]))
        if before and before[0] in counted:
            return counted[before[0]]
    found = versions.latest(instance, asset_key(asset.key), before)
    return next((one.rows for one in found.values()), None)


def _deps(asset: Asset, catalogue: Mapping[str, Input]) -> Iterator[dg.AssetDep]:
    if isinstance(asset.spec, SourceSpec):
        yield dg.AssetDep(["src", asset.spec.connection, asset.name])
        return
    for name in dict.fromkeys(asset.spec.named_inputs.values()):
        mine, its = asset.partitions, catalogue[name].partitions
        how = mapping(mine, its, asset.spec.offsets.get(name)) if mine and its else None
        yield dg.AssetDep(asset_key(name), partition_mapping=how)


def _description(asset: Asset) -> str:
    # Lists and the graph show the beginning on one line, without Markdown.
    parts = [" – ".join(filter(None, (asset.spec.title, asset.spec.description)))]
    spec = asset.spec
    sql = spec.examples if isinstance(spec, ModelSpec) else getattr(spec, "sql", None)
    if sql:
        parts.append(f"```sql\n{sql.strip()}\n```")
    return "\n\n".join(parts)


def _kinds(asset: Asset) -> set[str]:
    if isinstance(asset.spec, SourceSpec):
        return {asset.spec.connection, "parquet"}
    if isinstance(asset.spec, ModelSpec):
        return {"scikitlearn", "mlflow"}
    if isinstance(asset.spec, DeliverySpec):
        target = asset.spec.target
        return {asset.spec.connection, getattr(target, "format", kind_of(target))}
    if asset.spec.predict:
        return {"mlflow", "parquet"}
    if asset.spec.steps:
        return {"sql", "polars"} if asset.spec.sql else {"polars", "parquet"}
    return {"sql", asset.spec.engine} if asset.spec.sql else {"python", "parquet"}


def _metadata(asset: Asset) -> dict[str, Any]:
    """What Dagster has no field for; the `airflow/…` keys are read by the exporter."""
    run = asset.run
    airflow = {
        "airflow/tags": asset.pipeline.spec.tags,
        "airflow/title": asset.spec.title,
        "airflow/task_id": asset.spec.task_id,
        "airflow/queue": run.queue,
        "airflow/runner": run.runner,
        "airflow/docker_url": run.docker_url,
        "airflow/image": run.image,
        "airflow/pool": run.pool,
        "airflow/priority": run.priority,
        "airflow/retries": run.retries,
    }
    lake: dict[str, Any] = {
        "lake/title": asset.spec.title,
        "dagster/column_schema": record.column_schema(asset.columns),
    }
    if isinstance(asset, Delivered):
        lake["lake/target"] = delivery.declared(asset)
    if isinstance(asset.spec, SourceSpec):
        lake["lake/source"] = f"{asset.spec.connection}: {_table(asset.spec)}"
    lake |= _partition_column(asset)
    if asset.spec.formerly:
        lake["lake/formerly"] = list(asset.spec.formerly)
    return {**lake, **{key: value for key, value in airflow.items() if value is not None}}


def _freshness(asset: Asset) -> dg.FreshnessPolicy | None:
    span = asset.spec.checks.fresh
    if span is None:
        return None
    unit = {"h": "hours", "d": "days"}[span[-1]]
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(**{unit: int(span[:-1])}))


def _check_specs(asset: Asset, partitions_def: Any) -> Iterator[dg.AssetCheckSpec]:
    if asset.kind == "delivery":
        return  # the gates were those of what is delivered
    key = asset_key(asset.key)
    yield dg.AssetCheckSpec(
        name=record.GATES,
        asset=key,
        blocking=True,
        partitions_def=partitions_def,
        description="발행 전에 확인하며, 하나라도 실패하면 이전 파티션이 그대로 남는다.",
    )
    if has_checks(asset):
        yield dg.AssetCheckSpec(
            name=record.CHECKS,
            asset=key,
            partitions_def=partitions_def,
            description="발행 후에 알리는 점검. 실패해도 파티션은 발행된다.",
        )
    if warns_of_drift(asset):
        yield dg.AssetCheckSpec(
            name=record.DRIFT,
            asset=key,
            description="원천의 컬럼과 형식이 선언과 같은지 본다. 달라도 파티션은 발행된다.",
        )


def has_checks(asset: Asset) -> bool:
    """Whether the file declares something to check after publishing."""
    return bool(asset.spec.checks.model_fields_set - {"fresh"})


def warns_of_drift(asset: Asset) -> bool:
    return isinstance(asset.spec, SourceSpec) and asset.spec.on_drift == "warn"


def code_version(asset: Asset) -> str:
    """A digest of all that decides an asset's rows: its record, parameters, and its transform.

    Steps are in it with the version of each function's results (`preps.Prep.version`).
    """
    # Keys that the format got later are left out where they are not given: nothing gets stale.
    later = {name for name in _LATER if getattr(asset.spec, name, None) is None}
    parts = [asset.spec.model_dump_json(exclude=_WORDS | later)]
    parts += [f"{name}={asset.pipeline.spec.params[name]!r}" for name in used_params(asset)]
    spec = asset.spec
    if isinstance(spec, DatasetSpec) and spec.steps:
        known = step_names.catalogue()
        parts += [f"{one.name} {known[one.name].version}" for one in spec.steps]
    code = spec.fit if isinstance(spec, ModelSpec) else getattr(spec, "transform", None)
    if code:
        file = code.partition(":")[0]
        parts.append((asset.pipeline.folder / file).read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


#: Keys that change what people read and where a task runs, never the rows.
_WORDS = {
    *("title", "description", "owner", "task_id", "formerly", "run", "checks", "partitions"),
    *("files", "splits"),
}


_LATER = ("steps", "file", "index", "api")


def used_params(asset: Asset) -> list[str]:
    """The pipeline's parameters that the asset's SQL, filter or transform names."""
    spec, declared = asset.spec, asset.pipeline.spec.params
    if isinstance(spec, SourceSpec):
        text = f"{spec.filter or ''} {spec.query or ''} {spec.local_query or ''} "
        return [name for name in declared if f":{name}" in text]
    if isinstance(spec, DeliverySpec) or (isinstance(spec, DatasetSpec) and spec.predict):
        return []
    if isinstance(spec, DatasetSpec) and (spec.sql or spec.steps):
        return [name for name in declared if f"${name}" in (spec.sql or "")]
    return list(declared)


def _config(asset: Asset) -> dict[str, dg.Field] | None:
    declared = asset.pipeline.spec.params
    fields = {
        name: dg.Field(
            _CONFIG[declared[name].type],
            default_value=declared[name].default,
            is_required=False,
            description=declared[name].help,
        )
        for name in used_params(asset)
    }
    return fields or None


def _params(asset: Asset, context: dg.AssetExecutionContext) -> dict[str, Value]:
    config = context.op_execution_context.op_config or {}
    found: dict[str, Value] = {}
    for name in used_params(asset):
        value = config[name]
        if asset.pipeline.spec.params[name].type == "date":
            try:
                value = date.fromisoformat(value)
            except ValueError:
                raise dg.Failure(
                    f"The parameter {name} of {asset.pipeline.name} is {value!r}; write a date as "
                    "YYYY-MM-DD.",
                    allow_retries=False,
                ) from None
        found[name] = value
    return found


@dataclass(frozen=True)
class _Done:
    """A partition that is through, published or refused, and what the history shall know of it."""

    outcome: Outcome
    metadata: Mapping[str, Any]


def _run(
    context: dg.AssetExecutionContext,
    work: Work,
    keys: Sequence[str],
    version: str,
    counted: dict[str, int | None],
) -> Iterator[Any]:
    """Materialise, then report: all at once where all went well, one by one where some did not.

    What is published is in the history whatever happens after it: Dagster keeps the events that
    were yielded before a Failure.
    """
    from lake_assets import registration
    from lake_assets.materialise import Origin, materialise

    asset = work.asset
    done: list[_Done] = []
    failure: dg.Failure | None = None
    prepared: Prepared | None = None
    said = time.monotonic()
    try:
        prepared = registration.prepare(asset, work.settings, work.store)
        known = _known_versions(context.instance, work, keys)
        made_from = _input_versions(work, keys, known)
        origin = Origin(context.run_id, version, record.git_commit(), known)
        work = replace(work, origin=origin, say=context.log.info)
        for route, outcome in materialise(work, keys):
            metadata = (
                _renamed(
                    record.materialisation_metadata(
                        outcome, asset.columns, route, made_from[outcome.key]
                    ),
                    partitioned=asset.partitions is not None,
                )
                if outcome.published
                else {}
            )
            done.append(_Done(outcome, metadata))
            if outcome.published:
                counted[outcome.key] = outcome.rows
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                context.log.info(f"{len(done)} of {len(keys)} partitions, last {outcome.key}")
    except LakeError as error:
        failure = _failure(error)
    except Exception:
        untold = _tell_hive(work, prepared, done)
        if untold:
            context.log.error(untold.description or "")
        yield from _one_by_one(context.instance, asset, done, version)
        raise
    done = _with_lineage(context, work, done)
    refused = [one.outcome for one in done if one.outcome.published is None]
    if failure is None and refused:
        failure = _refused(asset, refused, len(keys))
    untold = _tell_hive(work, prepared, done)
    if failure is None:
        failure = untold
    elif untold:
        failure.description = f"{failure.description}\n{untold.description}"
    if failure is None:
        yield from _all_at_once(context, asset, done)
        return
    yield from _one_by_one(context.instance, asset, done, version)
    raise failure


def _with_lineage(context: dg.AssetExecutionContext, work: Work, done: list[_Done]) -> list[_Done]:
    """The newest published partition says what its columns come of: it is the same of all.

    Not at load, as sqlglot takes 0.1 s; and no partition is lost for what is only told.
    """
    from lake_assets.lineage import lineage_of

    places = [place for place, one in enumerate(done) if one.outcome.published]
    if not places:
        return done
    asset = work.asset
    try:
        told = record.column_lineage(lineage_of(asset, work.catalogue), asset.columns)
    except Exception as error:
        context.log.warning(f"The lineage of {asset.key} is not known: {error!r}")
        return done
    last = done[places[-1]]
    changed = replace(last, metadata={**last.metadata, **told})
    return [*done[: places[-1]], changed, *done[places[-1] + 1 :]]


def _tell_hive(work: Work, prepared: Prepared | None, done: Sequence[_Done]) -> dg.Failure | None:
    """Register what was published. Whatever comes of it, the lake has the partitions."""
    from lake_assets import registration

    outcomes = [one.outcome for one in done]
    paths = {one.key: one.published.path for one in outcomes if one.published}
    if prepared is None or not paths:
        return None
    try:
        registration.register(prepared, work.asset, work.settings, work.store, paths)
    except LakeError as error:
        return _failure(error)
    return None


def _renamed(metadata: dict[str, Any], partitioned: bool) -> dict[str, Any]:
    """Dagster's UI has one name for the rows of a table and another for those of a partition."""
    if partitioned:
        metadata["dagster/partition_row_count"] = metadata.pop("dagster/row_count")
    return metadata


def _known_versions(
    instance: dg.DagsterInstance, work: Work, keys: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Input asset → partition → data version, of all partitions that these partitions read."""
    from lake_assets.materialise import inputs_of

    needed = {key: inputs_of(work, key) for key in keys}
    known: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(name for asked in needed.values() for name in asked):
        unpartitioned = work.catalogue[name].partitions is None
        wanted = sorted({one for asked in needed.values() for one in asked[name]})
        found = versions.latest(instance, asset_key(name), None if unpartitioned else wanted)
        known[name] = {key: one.data_version for key, one in found.items()}
    return known


def _input_versions(
    work: Work, keys: Sequence[str], known: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """For each partition: input asset → digest of the versions of the partitions it reads."""
    from lake_assets.materialise import inputs_of

    return {
        key: {
            name: versions.input_digest({p: known[name][p] for p in parts if p in known[name]})
            for name, parts in inputs_of(work, key).items()
        }
        for key in keys
    }


def _all_at_once(
    context: dg.AssetExecutionContext, asset: Asset, done: Sequence[_Done]
) -> Iterator[Any]:
    outcomes = [one.outcome for one in done]
    contents = [one.outcome.published.sha256 for one in done if one.outcome.published]
    # Dagster keeps one data version a step; a range's stands for all its files.
    content = (
        contents[0]
        if len(contents) == 1
        else hashlib.sha256("\n".join(contents).encode()).hexdigest()
    )
    single = len(done) == 1
    if not single:
        for one in done:
            context.add_asset_metadata(one.metadata, partition_key=one.outcome.key)
    yield dg.MaterializeResult(
        metadata=done[0].metadata if single else None, data_version=dg.DataVersion(content)
    )
    for side in _sides(asset):
        yield dg.AssetCheckResult(check_name=side, **record.check_fields(side, outcomes))
    if outcomes[0].drift:
        fields = record.drift_fields(outcomes[0].drift)
        yield dg.AssetCheckResult(check_name=record.DRIFT, **fields)
    # Those results name no materialisation of a range, nor of an asset without partitions in the
    # run of a partition: Dagster looks for one of the run's own partition.
    if not single or (asset.partitions is None and context.has_partition_key):
        yield from _evaluations(context.instance, asset, outcomes)


def _one_by_one(
    instance: dg.DagsterInstance, asset: Asset, done: Sequence[_Done], version: str
) -> Iterator[Any]:
    for one in done:
        if one.outcome.published:
            yield dg.AssetMaterialization(
                asset_key=asset_key(asset.key),
                partition=one.outcome.key or None,
                metadata=one.metadata,
                tags={
                    "dagster/code_version": version,
                    "dagster/data_version": one.outcome.published.sha256,
                },
            )
    yield from _evaluations(instance, asset, [one.outcome for one in done])


def _sides(asset: Asset) -> list[str]:
    if asset.kind == "delivery":
        return []
    return [record.GATES, record.CHECKS] if has_checks(asset) else [record.GATES]


def _evaluations(
    instance: dg.DagsterInstance, asset: Asset, outcomes: Sequence[Outcome]
) -> Iterator[dg.AssetCheckEvaluation]:
    """What each partition's checks found, after its materialisation is in the history.

    The UI shows a check's status only where the evaluation names the partition's newest
    materialisation; of a refused partition that is the one it keeps.
    """
    newest = versions.latest(
        instance, asset_key(asset.key), [one.key for one in outcomes] if asset.partitions else None
    )
    targets = {
        key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=found.storage_id, run_id=found.run_id, timestamp=found.timestamp
        )
        for key, found in newest.items()
    }
    for outcome in outcomes:
        for side in _sides(asset):
            if side == record.GATES or outcome.published:
                yield dg.AssetCheckEvaluation(
                    asset_key=asset_key(asset.key),
                    check_name=side,
                    partition=outcome.key or None,
                    blocking=side == record.GATES,
                    target_materialization_data=targets.get(outcome.key),
                    **record.check_fields(side, [outcome]),
                )
    if outcomes and outcomes[0].drift:
        yield dg.AssetCheckEvaluation(
            asset_key=asset_key(asset.key),
            check_name=record.DRIFT,
            target_materialization_data=next(reversed(targets.values()), None),
            **record.drift_fields(outcomes[0].drift),
        )


def _refused(asset: Asset, refused: Sequence[Outcome], asked: int) -> dg.Failure:
    lines = [
        f"{outcome.key + ': ' if outcome.key else ''}{verdict}"
        for outcome in refused[:20]
        for verdict in outcome.failed_gates
    ]
    more = f"\n… and {len(refused) - 20} more partitions" if len(refused) > 20 else ""
    kept = "keeps its old file" if len(refused) == 1 else "keep their old files"
    return dg.Failure(
        description=(
            f"{asset.key}: gates failed in {len(refused)} of {asked} partitions, which {kept}:\n"
            + "\n".join(lines)
            + more
            + f"\nCorrect the source or the gate ({asset.pipeline.file.shown}), then run it again."
        ),
        metadata={
            "lake/exit_code": PermanentError.exit_code,
            "lake/refused": [outcome.key for outcome in refused],
        },
        allow_retries=False,
    )


def _failure(error: LakeError) -> dg.Failure:
    """A mistake in words, without a traceback; only what may pass by itself is tried again."""
    return dg.Failure(
        description=str(error),
        metadata={"lake/exit_code": error.exit_code},
        allow_retries=isinstance(error, TransientError),
    )


def hand_written(pipeline: Pipeline) -> list[Any]:
    """The definitions of a folder's `assets.py`, ordinary Dagster ones, if it has one."""
    file = pipeline.folder / "assets.py"
    if not file.exists():
        return []
    from lake_assets.transform import load_module

    return [
        value
        for value in vars(load_module(file)).values()
        if isinstance(value, dg.AssetsDefinition | dg.AssetSpec | dg.AssetChecksDefinition)
    ]
