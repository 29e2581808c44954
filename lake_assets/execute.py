"""Carrying out a plan: every step a Dagster run of the code location, executed in this process.

Here: the instance, creating runs so that the UI and sensors know them as the location's own, what
became of them, and stopping when told to. Not here: what runs (`plan.py`) and words on a screen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.execution.api import create_execution_plan, execute_run_iterator
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster_shared.error import SerializableErrorInfo

from airflow_bridge import location as bridge
from airflow_bridge import stop as stopping
from airflow_bridge.errors import Interrupted as Stopped
from lake_assets.plan import History, Skip, Step, Unit, plan
from lake_assets.targets import Targets
from lake_assets.versions import ROWS
from resources import errors
from resources.errors import LakeError
from resources.settings import Settings, writable

#: What a new instance is told where the checkout has no `deploy/dagster.yaml`.
_DAGSTER_YAML = "telemetry:\n  enabled: false\n"

#: An operator sees a failure at once; waiting minutes for another try is a scheduler's task. The
#: run's own config stays empty, so a re-execution from the UI has the retries of the asset.
_ONCE = dg.in_process_executor.configured({"retries": {"disabled": {}}}, name="in_process")


@dataclass(frozen=True)
class Location(bridge.Location):
    """The lake's own code location, as `workspace.yaml` names it."""

    module: str = "lake_assets.definitions"
    attribute: str = "defs"
    name: str = "lake"


@dataclass(frozen=True)
class Started:
    """A run begins."""

    step: Step
    run_id: str


@dataclass(frozen=True)
class Made:
    """One partition is published and in the history."""

    asset: dg.AssetKey
    partition: str
    rows: int | None
    seconds: float | None


@dataclass(frozen=True)
class Failed:
    """Why one asset of a run failed; `trace` is for those who ask for it."""

    asset: dg.AssetKey | None
    reason: str
    exit_code: int
    trace: str


@dataclass(frozen=True)
class Warned:
    """A check that failed and stops nothing; the partition is '' where it speaks of all of them."""

    asset: dg.AssetKey
    check: str
    partition: str
    reason: str


@dataclass(frozen=True)
class Ended:
    """A run is over. `units` says of each partition that was tried whether it is there.

    `rows` and `seconds_of` are per asset.
    """

    step: Step
    run_id: str
    seconds: float
    units: Mapping[Unit, bool]
    failures: Sequence[Failed]
    warnings: Sequence[Warned]
    rows: Mapping[dg.AssetKey, int]
    seconds_of: Mapping[dg.AssetKey, float]


@dataclass(frozen=True)
class Rest:
    """Nothing is left to run; what was skipped, and why."""

    skipped: Sequence[Skip]


Event = Started | Made | Ended | Rest


class Interrupted(LakeError):
    """Stopped by a signal; the exit code is the shell's for it."""

    def __init__(self, error: Stopped) -> None:
        self.exit_code = error.exit_code
        super().__init__(str(error))


def dagster_home(settings: Settings) -> Path:
    """`DAGSTER_HOME`, else one for each environment, as each has a store of its own."""
    own = settings.home / "dagster" / settings.env
    return Path(os.environ.get("DAGSTER_HOME") or own).absolute()


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The shared history; its folder is made where there is none. Sets `DAGSTER_HOME`."""
    home = dagster_home(settings)
    writable(home)
    config = home / "dagster.yaml"
    if not config.exists():
        shipped = Path(__file__).parents[1] / "deploy" / "dagster.yaml"
        text = shipped.read_text() if shipped.exists() else _DAGSTER_YAML
        config.write_text(text.replace("$DAGSTER_HOME", str(home)))
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()


def carry_out(
    instance: dg.DagsterInstance,
    location: Location,
    wanted: Targets,
    history: History,
    tags: Mapping[str, str] | None = None,
) -> Iterator[Event]:
    """Run what is missing or stale of `wanted`, wave by wave, telling what happens.

    After each wave the plan is made anew, so that what only depends on changed inputs is skipped
    where they came out the same.
    """
    repository = location.load()
    graph = repository.asset_graph
    settled: dict[Unit, bool] = {}
    stopping.end_lost(instance)
    tags = {**stopping.process_tag(), **(tags or {})}
    try:
        with stopping.stoppable(instance) as stop:
            while True:
                current = plan(graph, history, wanted, settled)
                if not current.waves:
                    yield Rest(current.skipped)
                    return
                for step in current.waves[0]:
                    for event in _run(instance, location, repository, step, tags, stop):
                        if isinstance(event, Ended):
                            settled.update(event.units)
                        yield event
                    history.forget(step.assets)
    except Stopped as error:
        raise Interrupted(error) from None


def _run(
    instance: dg.DagsterInstance,
    location: Location,
    repository: dg.RepositoryDefinition,
    step: Step,
    tags: Mapping[str, str],
    stop: stopping.Stop,
) -> Iterator[Event]:
    stop.check()
    started = time.perf_counter()
    job = repository.get_job(IMPLICIT_ASSET_JOB_NAME).get_subset(asset_selection=set(step.assets))
    first, last = step.partitions[0], step.partitions[-1]
    partitions = bridge.partition_tags(step.definition, first, last)
    all_tags = {**job.run_tags, **partitions, **tags}
    execution = create_execution_plan(job, instance_ref=instance.get_ref(), tags=all_tags)
    run = bridge.create_run(instance, location, job, set(step.assets), execution, all_tags)
    stop.run = run
    yield Started(step, run.run_id)
    seen = _Seen(step, execution)
    loaded = bridge.LoadedJob(job.with_executor_def(_ONCE))
    for event in execute_run_iterator(loaded, run, instance):
        if event.is_step_failure:
            stop.cancel_if_told(event)
        made = seen.take(event)
        if made:
            yield made
    stop.run = None
    stop.check()
    yield Ended(
        step,
        run.run_id,
        time.perf_counter() - started,
        seen.units(),
        tuple(seen.failures.values()),
        seen.told_warnings(),
        seen.rows,
        seen.seconds,
    )


# -- what happened


@dataclass
class _Seen:
    """The events of one run, summed up."""

    step: Step
    execution: ExecutionPlan
    made: set[Unit] = field(default_factory=set)
    succeeded: set[dg.AssetKey] = field(default_factory=set)
    failures: dict[str, Failed] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    rows: dict[dg.AssetKey, int] = field(default_factory=dict)
    seconds: dict[dg.AssetKey, float] = field(default_factory=dict)
    _begun: float = 0.0

    def take(self, event: dg.DagsterEvent) -> Made | None:
        kind, step_key = event.event_type_value, event.step_key or ""
        if kind == "STEP_START":
            self._begun = time.perf_counter()
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE"):
            keys = self._keys(step_key)
            spent = time.perf_counter() - self._begun
            self.seconds.update(dict.fromkeys(keys, spent))
            if kind == "STEP_SUCCESS":
                self.succeeded.update(keys)
            else:
                self.failures[step_key] = _failed(keys[0] if keys else None, event)
        elif kind == "PIPELINE_FAILURE" and not self.failures:
            self.failures[""] = _broken(event)
        elif kind == "ASSET_CHECK_EVALUATION":
            self.warnings.extend(_warned(event))
        elif kind == "ASSET_MATERIALIZATION":
            one = _made(event)
            self.made.add((one.asset, one.partition))
            if one.rows is not None:
                self.rows[one.asset] = self.rows.get(one.asset, 0) + one.rows
            return one
        return None

    def told_warnings(self) -> tuple[Warned, ...]:
        """Each once: a check that speaks of partitions speaks of all of them together too."""
        apart = {(one.asset, one.check) for one in self.warnings if one.partition}
        return tuple(
            dict.fromkeys(
                one for one in self.warnings if one.partition or (one.asset, one.check) not in apart
            )
        )

    def units(self) -> dict[Unit, bool]:
        """What was tried. Behind a failed step Dagster tries nothing, so that is left open."""
        if not self.failures:
            return dict.fromkeys(self.step.units, True)
        tried = set(self.step.assets) if "" in self.failures else set(self.succeeded)
        for step_key in filter(None, self.failures):
            tried.update(self._keys(step_key))
        return {
            (key, one): key in self.succeeded or (key, one) in self.made
            for key, one in self.step.units
            if key in tried
        }

    def _keys(self, step_key: str) -> list[dg.AssetKey]:
        outputs = self.execution.get_step_by_key(step_key).step_outputs
        return [output.properties.asset_key for output in outputs if output.properties.asset_key]


def _made(event: dg.DagsterEvent) -> Made:
    found = event.step_materialization_data.materialization
    values = {name: value.value for name, value in found.metadata.items() if name in _SHOWN}
    rows = values.get(ROWS, values.get("dagster/row_count"))
    seconds = values.get("lake/seconds")
    return Made(
        found.asset_key,
        found.partition or "",
        rows if isinstance(rows, int) else None,
        float(seconds) if isinstance(seconds, int | float) else None,
    )


_SHOWN = {ROWS, "dagster/row_count", "lake/seconds"}


def _warned(event: dg.DagsterEvent) -> Iterator[Warned]:
    found = event.asset_check_evaluation_data
    if not found.passed and found.severity == dg.AssetCheckSeverity.WARN:
        partition = found.partition or ""
        lines = (found.description or "failed").splitlines()
        reason = "; ".join(line.removeprefix(f"{partition}: ") for line in lines)
        yield Warned(found.asset_key, found.check_name, partition, reason)


def _failed(asset: dg.AssetKey | None, event: dg.DagsterEvent) -> Failed:
    data = event.step_failure_data
    error = data.error
    trace = error.to_string() if error else ""
    said = data.user_failure_data
    if said is not None and said.description:
        code = said.metadata.get("lake/exit_code")
        exit_code = code.value if isinstance(code, dg.IntMetadataValue) else 1
        return Failed(asset, said.description, exit_code or 1, trace)
    return Failed(asset, *_told(error), trace)


def _broken(event: dg.DagsterEvent) -> Failed:
    """A run that failed outside of its steps, for example because a resource did not open."""
    error = event.job_failure_data.error
    return Failed(None, *_told(error), error.to_string() if error else "")


def _told(error: SerializableErrorInfo | None) -> tuple[str, int]:
    """The innermost cause in one line, and the exit code it stands for."""
    if error is None:
        return "failed without a reason", 1
    while error.cause:
        error = error.cause
    text = error.message.strip()
    kind = (
        dg.Failure if error.cls_name == "Failure" else getattr(errors, error.cls_name or "", None)
    )
    if isinstance(kind, type) and issubclass(kind, LakeError | dg.Failure):
        return text.partition(": ")[2] or text, getattr(kind, "exit_code", 1)
    return text, 1
