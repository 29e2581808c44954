"""Pipelines → Dagster jobs and schedules, and what a tick of a schedule means.

Here: which assets run together, when, and for which partition. Not here: the assets themselves
(`builder.py`) and when a partition has ended (`partitions.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from lake_assets.builder import asset_key
from lake_assets.partition_spec import Partitions
from lake_assets.partitions import ZONE, due
from lake_assets.pipeline import Asset, Pipeline, assets, job_name, scheduled
from lake_assets.spec.pipeline import PipelineSpec
from lake_assets.words import ONCE
from resources.settings import Settings

#: Set where a task of an exported DAG asks for the meaning of a tick; otherwise Dagster's daemon or
#: a person asks, and Airflow's own tick would run the same a second time.
ASKED_BY_AIRFLOW = "AIRFLOW_BRIDGE_TICK"


def build_jobs(pipeline: Pipeline, settings: Settings) -> list[Any]:
    """The jobs of a pipeline and their schedules.

    One for each schedule; without schedules one for each kind of partitions among its assets, the
    unpartitioned assets in the first of them.
    """
    if pipeline.spec.named_schedules:
        return [
            one
            for name in pipeline.spec.named_schedules
            for one in _scheduled(pipeline, name, settings)
        ]
    own = assets(pipeline)
    kinds = list(dict.fromkeys(asset.partitions for asset in own if asset.partitions))
    if len(kinds) < 2:
        return [_job(pipeline.name, pipeline.spec, own, settings)]
    loose = [asset for asset in own if asset.partitions is None]
    return [
        _job(
            f"{pipeline.name}__{_word(kind, kinds)}",
            pipeline.spec,
            [*(loose if index == 0 else []), *(a for a in own if a.partitions == kind)],
            settings,
        )
        for index, kind in enumerate(kinds)
    ]


def _word(kind: Partitions, kinds: Sequence[Partitions]) -> str:
    """`weekly`; of several that are weekly, with other first weeks, the second is `weekly_2`."""
    place = [one for one in kinds if one.kind == kind.kind].index(kind) + 1
    return kind.kind if place == 1 else f"{kind.kind}_{place}"


def _job(
    name: str,
    spec: PipelineSpec,
    chosen: Sequence[Asset],
    settings: Settings,
    further: Mapping[str, Any] | None = None,
) -> Any:
    return dg.define_asset_job(
        name,
        selection=[asset_key(asset.key) for asset in chosen],
        description=" – ".join(filter(None, (spec.title, spec.description))),
        # A failed gate is not mended by another run; a run whose process died is retried.
        tags={"dagster/retry_on_asset_or_op_failure": "false"},
        metadata={
            "airflow/tags": spec.tags,
            "airflow/owner": spec.owner,
            "airflow/title": spec.title,
            "airflow/params": {name: one.model_dump() for name, one in spec.params.items()},
            "airflow/export": settings.fires.by(name) == "airflow",
            **(further or {}),
        },
    )


def _scheduled(pipeline: Pipeline, name: str, settings: Settings) -> list[Any]:
    chosen = scheduled(pipeline, name)
    cron = pipeline.spec.named_schedules[name].cron
    if cron == ONCE:
        once = {"airflow/schedule": ONCE}
        return [_job(job_name(pipeline, name), pipeline.spec, chosen, settings, once)]
    kinds = [asset.partitions for asset in chosen if asset.partitions]
    job = _job(job_name(pipeline, name), pipeline.spec, chosen, settings)
    fired_by = settings.fires.by(job.name)
    schedule = dg.ScheduleDefinition(
        job=job,
        cron_schedule=cron,
        execution_timezone=ZONE,
        execution_fn=_tick(kinds[0] if kinds else None, fired_by),
        default_status=dg.DefaultScheduleStatus.RUNNING
        if fired_by == "dagster"
        else dg.DefaultScheduleStatus.STOPPED,
        metadata={"lake/fired_by": fired_by},
    )
    return [job, schedule]


def _tick(
    partitions: Partitions | None, fired_by: str
) -> Callable[[dg.ScheduleEvaluationContext], Any]:
    """What a tick means: the newest partition that is whole by then, in Asia/Seoul; all names."""

    def tick(context: dg.ScheduleEvaluationContext) -> Any:
        if fired_by == "airflow" and ASKED_BY_AIRFLOW not in os.environ:
            return dg.SkipReason("Airflow fires this schedule in this environment.")
        if partitions is None:
            return dg.RunRequest()
        keys = due(partitions, context.scheduled_execution_time)
        if not keys:
            return dg.SkipReason("No partition ends before this time.")
        if len(keys) == 1:
            return dg.RunRequest(partition_key=keys[0])
        # One run of all names, as a backfill makes: one line in the UI, and one DAG run.
        return dg.RunRequest(
            tags={
                ASSET_PARTITION_RANGE_START_TAG: keys[0],
                ASSET_PARTITION_RANGE_END_TAG: keys[-1],
            }
        )

    return tick
