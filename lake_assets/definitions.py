"""The code location: every pipeline as one Dagster graph.

Here: a pure function that builds it all, and the one read at import (files and `LAKE_*` variables,
never the network). Not here: what becomes of one pipeline (`builder.py`).
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from lake_assets import builder
from lake_assets.jobs import build_jobs
from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.pipeline import Pipeline, assets, catalogue
from lake_assets.spec.sources import SourceSpec
from resources.io_manager import LakeIOManager
from resources.settings import Settings, load_settings
from sensors.airflow import airflow_sensors


def build_definitions(settings: Settings, pipelines: Sequence[Pipeline]) -> dg.Definitions:
    """Assets, checks, jobs and schedules of `pipelines` over the systems that `settings` name.

    Runs take all their steps in one process: a step costs 0.1 s, a process of its own 2 s more;
    parallel work is parallel runs.
    """
    # Checks with partitions and mappings with missing days are marked as previews by Dagster; the
    # version is pinned, and a warning for each asset would hide the ones that matter.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    warnings.simplefilter("ignore", dg.BetaWarning)
    # A model takes one partition a run, the datasets of its job many: the job then takes one, which
    # is what is wanted.
    warnings.filterwarnings("ignore", "Asset job .* with varying BackfillPolicies")
    readable = catalogue(pipelines)
    found: list[object] = [one for pipeline in pipelines for one in builder.hand_written(pipeline)]
    found += builder.build_elsewhere(pipelines, found)
    for asset in (asset for pipeline in pipelines for asset in assets(pipeline)):
        if isinstance(asset.spec, SourceSpec):
            found.append(builder.external(asset, asset.spec))
        found.append(builder.build_asset(asset, settings, readable))
    jobs = [one for pipeline in pipelines for one in build_jobs(pipeline, settings)]
    return dg.Definitions(
        assets=[one for one in found if isinstance(one, dg.AssetsDefinition | dg.AssetSpec)],
        asset_checks=[one for one in found if isinstance(one, dg.AssetChecksDefinition)],
        jobs=[job for job in jobs if not isinstance(job, dg.ScheduleDefinition)],
        schedules=[job for job in jobs if isinstance(job, dg.ScheduleDefinition)],
        sensors=airflow_sensors(settings),
        resources={"io_manager": _io_manager(settings)},
        executor=dg.in_process_executor,
    )


def _io_manager(settings: Settings) -> LakeIOManager:
    name, kept = settings.store.connection, settings.store.parquet
    if name is None:
        return LakeIOManager(root=settings.store_root, parquet=kept)
    hdfs = settings.connection(name).model_dump(include={"url", "user", "options"})
    return LakeIOManager(root=settings.store_root, parquet=kept, hdfs=hdfs)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing that a load makes is garbage, but Python would look through it again and again.

    That is 0.6 of 2.3 CPU s for 1,000 assets. What is there afterwards stays, and is left out of
    later collections too.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


with _uncollected():
    defs = build_definitions(load_settings(), load_pipelines(pipeline_folders()))
