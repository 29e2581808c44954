"""One task of a DAG: its assets materialised in this process, as runs of the code location.

Here: what a meaning asks of these assets, one Dagster run after another in the shared instance,
and what became of them. Not here: what a DAG run means (`ticks.py`), words on a screen.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.execution.api import (
    ExecuteRunWithPlanIterable,
    create_execution_plan,
    execute_run_iterator,
)
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.execute_plan import inner_plan_execution_iterator
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.base import Executor
from dagster._core.log_manager import LOG_RECORD_EVENT_ATTR, LOG_RECORD_METADATA_ATTR
from dagster._core.utils import coerce_valid_log_level
from dagster._loggers import colored_console_logger
from dagster_shared.error import SerializableErrorInfo

from airflow_bridge.errors import FAILED, NOT_YET, PERMANENT, UsageError
from airflow_bridge.location import LoadedJob, Location, create_run, one_op, partition_tags
from airflow_bridge.locks import claimed
from airflow_bridge.meaning import Meaning, Request
from airflow_bridge.metadata import PREFIX, read_hints
from airflow_bridge.stop import Stop, process_tag, stoppable

#: The class name of an exception → exit code, for assets that raise their own exceptions.
Codes = Mapping[str, int]


@dataclass(frozen=True)
class Failed:
    """Why a step failed, and the exit code it stands for."""

    step: str
    reason: str
    exit_code: int


@dataclass
class Result:
    """What a task did; its document is the task's XCom."""

    partition: str
    runs: list[str] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    rows: int | None = None
    failures: list[Failed] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 where another try may help, else 75, else 65."""
        codes = {failed.exit_code for failed in self.failures}
        if not codes:
            return 0
        return codes.pop() if len(codes) == 1 else NOT_YET if codes == {NOT_YET, PERMANENT} else 1

    def document(self) -> dict[str, Any]:
        told: dict[str, Any] = {"ok": not self.failures, "partition": self.partition}
        told.update(runs=self.runs, made=self.made)
        if self.rows is not None:
            told["rows"] = self.rows
        if self.failures:
            told["failed"] = [vars(one) for one in self.failures]
        return told


def say(line: str) -> None:
    """A line for the task's log; its result alone goes to standard output."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def materialise(
    instance: dg.DagsterInstance,
    location: Location,
    job_name: str,
    assets: Sequence[str],
    meaning: Meaning,
    origin: Mapping[str, str],
    codes: Codes,
) -> Result:
    """Materialise `assets` of a job, or run one of ops, as `meaning` says.

    Each chunk of partitions is a run. A chunk that failed leaves the others to be tried, as each
    partition stands for itself.
    """
    repository = location.load()
    keys = {dg.AssetKey.from_user_string(asset) for asset in assets}
    job = _cut(repository, job_name, keys)
    executor = _executor(repository, keys)
    result = Result(meaning.shown)
    tags = {**process_tag(), **{PREFIX + name: text for name, text in origin.items() if text}}
    with stoppable(instance) as stop:
        for request in meaning.requests:
            if request.assets is not None and not set(assets) & set(request.assets):
                continue
            for first, last in _chunks(repository, job, keys, request):
                stop.check()
                partitions = _keys(job, first, last)
                with claimed(instance, sorted(assets) or [job_name], partitions, tags, say):
                    one = Request(first, last, request.config, request.tags)
                    config = _config(job, one, meaning.params)
                    _run(
                        instance, location, job.with_executor_def(executor), keys, one, config,
                        tags, stop, result, codes,
                    )  # fmt: skip
    return result


def _cut(
    repository: dg.RepositoryDefinition, job_name: str, keys: set[dg.AssetKey]
) -> dg.JobDefinition:
    if job_name not in repository.job_names:
        raise UsageError(f"There is no job {job_name!r} in {', '.join(repository.job_names)}.")
    job = repository.get_job(job_name)
    if not keys:
        return job
    unknown = keys - set(job.asset_layer.selected_asset_keys)
    if unknown:
        names = ", ".join(sorted(key.to_user_string() for key in unknown))
        raise UsageError(f"{job_name} has no asset {names}. Export the DAG files again.")
    return job.get_subset(asset_selection=keys)


def _keys(job: dg.JobDefinition, first: str, last: str) -> list[str]:
    if first == last or job.partitions_def is None:
        return [first]
    asked = dg.PartitionKeyRange(first, last)
    return list(job.partitions_def.get_partition_keys_in_range(asked))


def _chunks(
    repository: dg.RepositoryDefinition,
    job: dg.JobDefinition,
    keys: set[dg.AssetKey],
    request: Request,
) -> Iterator[tuple[str, str]]:
    """The partitions of `request`, cut as the assets' backfill policies have it; ops take one."""
    partitioned = [
        node
        for node in (repository.asset_graph.get(key) for key in keys)
        if node.partitions_def is not None
    ]
    if not request.first or (keys and not partitioned):
        yield "", ""
        return
    if request.first == request.last:
        yield request.first, request.first
        return
    every = _keys(job, request.first, request.last)
    policies = [node.backfill_policy for node in partitioned]
    sizes = [policy.max_partitions_per_run if policy else 1 for policy in policies] or [1]
    size = min((one for one in sizes if one), default=len(every))
    for begin in range(0, len(every), size):
        chunk = every[begin : begin + size]
        yield chunk[0], chunk[-1]


def _config(job: dg.JobDefinition, request: Request, params: Mapping[str, Any]) -> dict[str, Any]:
    """The schedule's config for what runs here, with the parameters that differ from theirs.

    A parameter goes to each asset whose config has a field of its name. Where all are as declared
    the config stays as it is, so that a re-execution in the UI is not bound to them.
    """
    names = {node.name for node in job.nodes}
    config = {name: value for name, value in request.config.items() if name != "execution"}
    ops = {name: dict(one) for name, one in config.pop("ops", {}).items() if name in names}
    declared = read_hints(job.name, job.metadata).params or {}
    changed = {
        name: value
        for name, value in params.items()
        if name in declared and value != declared[name]["default"]
    }
    for node in job.nodes if changed else ():
        schema: Any = node.definition.config_schema
        fields = getattr(schema and schema.config_type, "fields", None) or {}
        own = {name: value for name, value in changed.items() if name in fields}
        if own:
            op = ops.setdefault(node.name, {})
            op["config"] = {**op.get("config", {}), **own}
    return {**config, "ops": ops} if ops else config


def _run(
    instance: dg.DagsterInstance,
    location: Location,
    job: dg.JobDefinition,
    keys: set[dg.AssetKey],
    request: Request,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
    stop: Stop,
    result: Result,
    codes: Codes,
) -> None:
    partitions = partition_tags(job.partitions_def, request.first, request.last)
    all_tags = {**job.run_tags, **request.tags, **partitions, **tags}
    execution = create_execution_plan(job, config, instance_ref=instance.get_ref(), tags=all_tags)
    run = create_run(instance, location, job, keys, execution, all_tags, config)
    stop.run = run
    result.runs.append(run.run_id)
    names = ", ".join(sorted(key.to_user_string() for key in keys)) or job.name
    say(f"{names} {request.shown}: Dagster run {run.run_id}")
    started = time.perf_counter()
    before = len(result.failures)
    loaded = LoadedJob(_aloud(job))
    for event in execute_run_iterator(loaded, _logging(run), instance):
        if event.is_step_failure:
            stop.cancel_if_told(event)
        _take(event, result, codes)
    stop.run = None
    stop.check()
    how = "failed" if len(result.failures) > before else "done"
    say(f"{names} {request.shown}: {how} in {time.perf_counter() - started:.1f} s")


def _take(event: dg.DagsterEvent, result: Result, codes: Codes) -> None:
    kind = event.event_type_value
    if kind == "ASSET_MATERIALIZATION":
        made = event.step_materialization_data.materialization
        name = made.asset_key.to_user_string()
        result.made[name] = result.made.get(name, 0) + 1
        for rows in ("dagster/partition_row_count", "dagster/row_count"):
            value = getattr(made.metadata.get(rows), "value", None)
            if isinstance(value, int):
                result.rows = (result.rows or 0) + value
                break
    elif kind == "STEP_FAILURE":
        data = event.step_failure_data
        name = event.step_key or ""
        if data.user_failure_data is None and data.error is not None:
            say(_innermost(data.error).to_string())
        result.failures.append(_failed(name, data.error, data.user_failure_data, codes))
    elif kind == "PIPELINE_FAILURE" and not result.failures:
        result.failures.append(_failed("", event.job_failure_data.error, None, codes))


def _failed(name: str, error: SerializableErrorInfo | None, said: Any, codes: Codes) -> Failed:
    """A Failure tells its code in its metadata, as `exit_code` or `<anything>/exit_code`.

    The class of any other exception is looked up in `codes`.
    """
    if said is not None:
        told = [
            value.value
            for key, value in said.metadata.items()
            if key.rpartition("/")[2] == "exit_code" and isinstance(value.value, int)
        ]
        return Failed(name, said.description or "failed", (told or [FAILED])[0] or FAILED)
    if error is None:
        return Failed(name, "failed without a reason", FAILED)
    error = _innermost(error)
    return Failed(name, error.message.strip(), codes.get(error.cls_name or "", FAILED))


def _innermost(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """What the asset raised; Dagster wraps it."""
    while error.cause:
        error = error.cause
    return error


# -- the log


def _aloud(job: dg.JobDefinition) -> dg.JobDefinition:
    """What assets log goes to the task's log, a line each; Dagster's own events are its history."""
    console = job.loggers.get("console")
    if console is not colored_console_logger:
        return job
    plain = dg.LoggerDefinition(_plain, config_schema=console.config_schema)
    return job.with_logger_defs({"console": plain})


def _plain(context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("dagster", coerce_valid_log_level(context.logger_config["log_level"]))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(lambda record: getattr(record, LOG_RECORD_EVENT_ATTR, None) is None)
    logger.addHandler(handler)
    return logger


def _logging(run: dg.DagsterRun) -> dg.DagsterRun:
    """The same run to this process; in the history its config is as the schedule gave it."""
    if run.run_config.get("loggers"):  # of a RunConfig they are there, and none
        return run
    config = {**run.run_config, "loggers": {"console": {"config": {"log_level": "INFO"}}}}
    return run._replace(run_config=config)


class _Line(logging.Formatter):
    """The words of the asset, without the run's id in each line."""

    def format(self, record: logging.LogRecord) -> str:
        meta: Any = getattr(record, LOG_RECORD_METADATA_ATTR, None)
        if meta is None:
            return super().format(record)
        line = logging.makeLogRecord(record.__dict__)
        line.msg, line.args = "%s: %s", (meta["step_key"] or meta["job_name"], meta["orig_message"])
        return super().format(line)


# -- the executor


def _executor(repository: dg.RepositoryDefinition, keys: set[dg.AssetKey]) -> dg.ExecutorDefinition:
    """One op is tried once, as its policy is the task's; several are tried as Dagster has it."""
    op = one_op([repository.asset_graph.get(key) for key in keys]) if keys else None
    retries = RetryMode.DISABLED if op else RetryMode.ENABLED
    return dg.ExecutorDefinition(
        name="in_process", executor_creation_fn=lambda _context: _Unpooled(retries)
    )


class _Unpooled(Executor):
    """Dagster's own in-process executor without its claims of pools, as Airflow has its own.

    A slot claimed by a worker that is killed would stay claimed.
    """

    def __init__(self, retries: RetryMode) -> None:
        self._retries = retries

    @property
    def retries(self) -> RetryMode:
        return self._retries

    def execute(
        self, plan_context: Any, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        yield from ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=inner_plan_execution_iterator,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )
