"""A code location loaded in this process, and runs made as its own.

Here: where the graph is, and creating a run so that the UI can re-execute it and sensors see it.
Not here: which assets run and what becomes of them. It touches classes of Dagster that are not
public, so it is looked at with every new version.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.assets.graph.asset_graph import AssetNode
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.snap import snapshot_from_execution_plan
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from airflow_bridge.errors import UsageError


@dataclass(frozen=True)
class Location:
    """A code location as `workspace.yaml` names it: module, its attribute, name."""

    module: str
    attribute: str
    name: str

    def load(self) -> dg.RepositoryDefinition:
        """The graph; loaded once a process. UsageError where no such module has Definitions."""
        # Each task keeps to the backfill policy of its own assets.
        warnings.filterwarnings("ignore", message=r"Asset job .* varying BackfillPolicies")
        try:
            module = importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if not error.name or not f"{self.module}.".startswith(f"{error.name}."):
                raise  # of something that the module itself imports
            raise UsageError(
                f"There is no module {self.module!r}. Name the one of the Definitions, as "
                "my_project.definitions, from the folder that has it, or install the project."
            ) from None
        definitions = getattr(module, self.attribute, None)
        if not isinstance(definitions, dg.Definitions):
            found = [name for name, one in vars(module).items() if isinstance(one, dg.Definitions)]
            raise UsageError(
                f"{self.module}.{self.attribute} are no Definitions; --attribute names one: "
                f"{', '.join(found) or 'the module has none'}."
            )
        repository: dg.RepositoryDefinition = definitions.get_repository_def()
        return repository


def one_op(nodes: Iterable[AssetNode]) -> dg.OpDefinition | None:
    """The one op that makes all of `nodes`, whose tries are the task's; several have their own."""
    made_by = {id(node.assets_def.node_def): node.assets_def.node_def for node in nodes}
    found = made_by.popitem()[1]
    return found if isinstance(found, dg.OpDefinition) and not made_by else None


def job_of_condition(repository: dg.RepositoryDefinition, key: dg.AssetKey) -> dg.JobDefinition:
    """What an automation condition runs: the asset, with those that only run together with it."""
    (name,) = repository.get_implicit_asset_job_names()
    keys = repository.asset_graph.get(key).execution_set_asset_keys
    return repository.get_job(name).get_subset(asset_selection=set(keys))


def partition_tags(
    partitions: dg.PartitionsDefinition[Any] | None, first: str, last: str
) -> dict[str, str]:
    """What tells Dagster the partitions of a run; none where `first` is ''."""
    if not first:
        return {}
    if first == last and isinstance(partitions, dg.MultiPartitionsDefinition):
        return {PARTITION_NAME_TAG: first, **partitions.get_tags_for_partition_key(first)}
    if first == last:
        return {PARTITION_NAME_TAG: first}
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def create_run(
    instance: dg.DagsterInstance,
    location: Location,
    job: dg.JobDefinition,
    keys: AbstractSet[dg.AssetKey],
    execution: ExecutionPlan,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any] | None = None,
) -> dg.DagsterRun:
    """A run of the code location: its origin lets the UI re-execute it and sensors see it.

    `job` is already cut down to `keys`.
    """
    target = LoadableTargetOrigin(module_name=location.module)
    managed = ManagedGrpcPythonEnvCodeLocationOrigin(target, location.name)
    pointer = ModuleCodePointer(location.module, location.attribute, None)
    code = ReconstructableRepository(pointer).get_python_origin()
    return instance.create_run(
        job_name=job.name,
        run_id=None,
        run_config=run_config or {},
        status=None,
        tags=tags,
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=None,
        execution_plan_snapshot=snapshot_from_execution_plan(execution, job.get_job_snapshot_id()),
        job_snapshot=job.get_job_snapshot(),
        parent_job_snapshot=job.get_parent_job_snapshot(),
        asset_selection=frozenset(keys) or None,  # a job of ops has none
        asset_check_selection=None,
        resolved_op_selection=None,
        op_selection=None,
        remote_job_origin=RemoteJobOrigin(
            repository_origin=RemoteRepositoryOrigin(
                code_location_origin=managed, repository_name="__repository__"
            ),
            job_name=job.name,
        ),
        job_code_origin=code.get_job_origin(job.name),
        asset_graph=job.asset_layer.asset_graph,
    )


class LoadedJob(InMemoryJob):
    """A job already cut down to what runs; Dagster would cut it again for every run."""

    def get_subset(  # type: ignore[override]
        self, **_selection: AbstractSet[Any] | None
    ) -> LoadedJob:
        return self
