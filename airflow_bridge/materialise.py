"""One task of a DAG: its assets materialised in this process, as runs of the code location.

Here: what a meaning asks of these assets, one Dagster run after another in the shared instance,
and what became of them. Not here: what a DAG run means (`ticks.py`), words on a screen.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
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

from airflow_bridge.errors import FAILED, NOT_YET, PERMANENT
from airflow_bridge.location import LoadedJob, Location, create_run, one_op
from airflow_bridge.locks import claimed
from airflow_bridge.meaning import Meaning, Request
from airflow_bridge.runs import chunks, config_of, cut, origin_tags, partition_keys, tags_of
from airflow_bridge.stop import Stop, process_tag, stoppable
from airflow_bridge.tries import made_before

#: Where the Dagster UI is, for the link in a task's result.
URL_VARIABLE = "AIRFLOW_BRIDGE_DAGSTER_URL"

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
    paths: dict[str, str] = field(default_factory=dict)
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
        if self.paths:
            told["paths"] = self.paths
        if self.runs and (url := os.environ.get(URL_VARIABLE)):
            told["link"] = f"{url.rstrip('/')}/runs/{self.runs[-1]}"
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
    partition stands for itself. What a failed try made is there, unless the meaning is forced.
    """
    repository = location.load()
    keys = {dg.AssetKey.from_user_string(asset) for asset in assets}
    job = cut(repository, job_name, keys)
    executor = _executor(repository, keys)
    made = {} if meaning.force else made_before(instance, origin)
    result = Result(meaning.shown)
    for key in keys & made.keys():
        say(f"{key.to_user_string()}: {len(made[key])} are there from an earlier try")
    tags = {**process_tag(), **origin_tags(origin)}
    with stoppable(instance) as stop:
        for request in meaning.requests:
            if request.assets is not None and not set(assets) & set(request.assets):
                continue
            for chunk in chunks(repository, job, keys, request, made):
                stop.check()
                own = job if chunk.keys == keys else cut(repository, job_name, chunk.keys)
                names = sorted(key.to_user_string() for key in chunk.keys) or [job_name]
                partitions = partition_keys(job, chunk.first, chunk.last)
                one = Request(chunk.first, chunk.last, request.config, request.tags)
                config = config_of(own, one, meaning.params)
                with claimed(instance, names, partitions, tags, say):
                    _run(
                        instance, location, own.with_executor_def(executor), chunk.keys, one,
                        config, tags, stop, result, codes,
                    )  # fmt: skip
    return result


def _run(
    instance: dg.DagsterInstance,
    location: Location,
    job: dg.JobDefinition,
    keys: AbstractSet[dg.AssetKey],
    request: Request,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
    stop: Stop,
    result: Result,
    codes: Codes,
) -> None:
    all_tags = tags_of(job, request, tags)
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
        for label, value in made.metadata.items():
            if label.rpartition("/")[2] in ("path", "uri") and isinstance(value.value, str):
                result.paths[name] = value.value
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
