"""A graph of the lake as somebody would write it by hand in Dagster: a plain Python package.

Here: printing assets, checks, jobs and schedules as literals and `@dg.asset`, a module for each
group. (One of 2 MB would be slower: where it warns, Python seeks the line in it from the top.) Not
here: which graph and what is measured of it (`graph.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.partitions.mapping import TimeWindowPartitionMapping

_COMMON = '''"""What the groups share."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import dagster as dg

warnings.simplefilter("ignore", dg.PreviewWarning)
warnings.simplefilter("ignore", dg.BetaWarning)


class Files(dg.ConfigurableIOManager):
    root: str
    parquet: str = "modern"

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None: ...

    def load_input(self, context: dg.InputContext) -> Any: ...


def column(name: str, type: str, description: Any, nullable: bool, pii: str) -> dg.TableColumn:
    return dg.TableColumn(
        name=name,
        type=type,
        description=description,
        constraints=dg.TableColumnConstraints(nullable=nullable),
        tags={"pii": pii} if pii else {},
    )


def newest(partitions: dg.PartitionsDefinition) -> Any:
    def tick(context: dg.ScheduleEvaluationContext) -> Any:
        return dg.RunRequest(
            partition_key=partitions.get_last_partition_key(context.scheduled_execution_time)
        )

    return tick


def always(context: dg.ScheduleEvaluationContext) -> Any:
    return dg.RunRequest()
'''

_GROUP = '''"""One group of assets, its jobs and schedules."""

from datetime import timedelta

import dagster as dg

from .common import always, column, newest

'''

_ALL = """
defs = dg.Definitions(
    assets=[asset for group in GROUPS for asset in group.ASSETS],
    jobs=[job for group in GROUPS for job in group.JOBS],
    schedules=[schedule for group in GROUPS for schedule in group.SCHEDULES],
    resources={"io_manager": Files(root="/lake")},
    executor=dg.in_process_executor,
)
"""


def package(defs: dg.Definitions) -> dict[str, str]:
    """File → source of a package whose `defs` are the same as these."""
    groups: dict[str, _Printer] = defaultdict(_Printer)
    for asset in defs.assets or ():
        spec = asset if isinstance(asset, dg.AssetSpec) else next(iter(asset.specs))
        groups[spec.group_name].asset(asset)
    for job in defs.jobs or ():
        groups[job.name.partition("__")[0]].job(job)
    for schedule in defs.schedules or ():
        groups[schedule.job.name.partition("__")[0]].schedule(schedule)
    names = ", ".join(groups)
    init = f"import dagster as dg\n\nfrom . import {names}\nfrom .common import Files\n\n"
    return {
        "common.py": _COMMON,
        "__init__.py": f"{init}GROUPS = [{names}]\n{_ALL}",
        **{f"{name}.py": printer.module() for name, printer in groups.items()},
    }


class _Printer:
    def __init__(self) -> None:
        self.partitions: dict[str, str] = {}
        self.text: list[str] = []
        self.names: dict[str, list[str]] = {"ASSETS": [], "JOBS": [], "SCHEDULES": []}

    def module(self) -> str:
        partitions = [f"{name} = {text}" for text, name in self.partitions.items()]
        lists = [f"{name} = [{', '.join(values)}]" for name, values in self.names.items()]
        return _GROUP + "\n".join([*partitions, "", *self.text, *lists]) + "\n"

    def _partitions(self, found: Any) -> str:
        if found is None:
            return "None"
        kind = type(found).__name__
        assert kind in ("DailyPartitionsDefinition", "MonthlyPartitionsDefinition"), kind
        text = (
            f"dg.{kind}(start_date={found.start.strftime(found.fmt)!r}, "
            f"end_date={found.end and found.end.strftime(found.fmt)!r}, "
            f"timezone={found.timezone!r}, fmt={found.fmt!r})"
        )
        return self.partitions.setdefault(text, f"PARTITIONS_{len(self.partitions) + 1}")

    def asset(self, one: Any) -> None:
        if isinstance(one, dg.AssetSpec):
            name = "_".join(one.key.path)
            self.text.append(f"{name} = dg.AssetSpec({self._spec(one)})\n")
        else:
            (spec,) = one.specs
            name = "_".join(spec.key.path)
            self.text.append(f"@dg.asset({self._spec(spec)}, {self._step(one)})")
            self.text.append(f"def {name}(context):\n    yield dg.MaterializeResult()\n")
        self.names["ASSETS"].append(name)

    def _spec(self, spec: dg.AssetSpec) -> str:
        hidden = ("dagster/io_manager_key", "dagster/asset_execution_type")
        metadata = {
            k: v for k, v in spec.metadata.items() if k not in hidden and "lineage" not in k
        }
        given = {
            "key": repr(list(spec.key.path)),
            "group_name": repr(spec.group_name),
            "description": repr(spec.description),
            "kinds": repr(set(spec.kinds)),
            "owners": repr(list(spec.owners)),
            "metadata": self._metadata(metadata),
            "deps": "[" + ", ".join(map(self._dep, spec.deps)) + "]",
            "partitions_def": self._partitions(spec.partitions_def),
            "code_version": repr(spec.code_version),
        }
        if spec.freshness_policy:
            window = spec.freshness_policy.fail_window.to_timedelta()
            seconds = f"timedelta(seconds={window.total_seconds():.0f})"
            given["freshness_policy"] = f"dg.FreshnessPolicy.time_window(fail_window={seconds})"
        empty = ("None", "[]", "{}", "set()")
        return ", ".join(f"{k}={v}" for k, v in given.items() if v not in empty)

    def _dep(self, dep: dg.AssetDep) -> str:
        key = repr(list(dep.asset_key.path))
        if dep.partition_mapping is None:
            return f"dg.AssetDep({key})"
        assert isinstance(dep.partition_mapping, TimeWindowPartitionMapping)
        mapping = "dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)"
        return f"dg.AssetDep({key}, partition_mapping={mapping})"

    def _metadata(self, metadata: Mapping[str, Any]) -> str:
        parts = []
        for name, value in metadata.items():
            schema = getattr(value, "value", value)
            shown = (
                f"dg.TableSchema(columns=[{', '.join(map(_column, schema.columns))}])"
                if isinstance(schema, dg.TableSchema)
                else repr(schema)
            )
            parts.append(f"{name!r}: {shown}")
        return "{" + ", ".join(parts) + "}"

    def _step(self, one: dg.AssetsDefinition) -> str:
        given = {}
        if one.backfill_policy:
            size = one.backfill_policy.max_partitions_per_run
            given["backfill_policy"] = f"dg.BackfillPolicy.multi_run({size})"
        retry = one.op.retry_policy
        if retry:
            given["retry_policy"] = (
                f"dg.RetryPolicy(max_retries={retry.max_retries}, delay={retry.delay!r}, "
                "backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)"
            )
        if one.op.pool:
            given["pool"] = repr(one.op.pool)
        checks = [self._check(check) for check in one.check_specs]
        given["check_specs"] = f"[{', '.join(checks)}]"
        config: Any = one.op.config_schema.config_type
        if config and getattr(config, "fields", None):
            fields = [f"{name!r}: {_field(field)}" for name, field in config.fields.items()]
            given["config_schema"] = "{" + ", ".join(fields) + "}"
        return ", ".join(f"{name}={value}" for name, value in given.items())

    def _check(self, check: dg.AssetCheckSpec) -> str:
        return (
            f"dg.AssetCheckSpec(name={check.name!r}, asset={list(check.asset_key.path)!r}, "
            f"blocking={check.blocking}, partitions_def={self._partitions(check.partitions_def)}, "
            f"description={check.description!r})"
        )

    def job(self, job: Any) -> None:
        name = f"job_{job.name}"
        self.names["JOBS"].append(name)
        keys: Sequence[dg.AssetKey] = job.selection.selected_keys
        selection = "[" + ", ".join(f"dg.AssetKey({list(key.path)!r})" for key in keys) + "]"
        self.text.append(
            f"{name} = dg.define_asset_job({job.name!r}, selection={selection}, "
            f"description={job.description!r}, tags={dict(job.tags or {})!r}, "
            f"metadata={self._metadata(job.metadata or {})})"
        )

    def schedule(self, one: Any) -> None:
        by_asset = set(self.partitions.values())
        assert len(by_asset) < 2, "a group of this graph has one kind of partitions"
        tick = f"newest({by_asset.pop()})" if by_asset else "always"
        self.names["SCHEDULES"].append(
            f"dg.ScheduleDefinition(name={one.name!r}, job=job_{one.job.name}, "
            f"cron_schedule={one.cron_schedule!r}, execution_timezone={one.execution_timezone!r}, "
            f"execution_fn={tick}, "
            f"default_status=dg.DefaultScheduleStatus.{one.default_status.name}, "
            f"metadata={self._metadata(one.metadata)})"
        )


def _column(column: dg.TableColumn) -> str:
    pii = dict(column.tags).get("pii", "")
    values = (column.name, column.type, column.description, column.constraints.nullable, pii)
    return f"column({', '.join(map(repr, values))})"


def _field(field: Any) -> str:
    words = {"StringSourceType": "dg.StringSource", "IntSourceType": "dg.IntSource"}
    words |= {"BoolSourceType": "dg.BoolSource", "Float": "float"}
    kind = words[field.config_type.key]
    return (
        f"dg.Field({kind}, default_value={field.default_value!r}, is_required=False, "
        f"description={field.description!r})"
    )
