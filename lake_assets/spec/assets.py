"""What sources, datasets, models and deliveries share, and how a pipeline runs.

Here: titles, owners, partitions, order, schedules, parameters, earlier partitions as inputs. Not
here: what makes one kind (`sources.py`, `datasets.py`, `models.py`, `deliveries.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
)

from lake_assets.partition_spec import PartitionsField
from lake_assets.spec.columns import Columns
from lake_assets.spec.rules import Checks, Gates
from lake_assets.words import (
    AssetName,
    ColumnName,
    Cron,
    Match,
    Name,
    Owner,
    Scalar,
    Strict,
    Text,
    iso_date,
)

#: An asset that a file makes: what can be read, and deliveries.
MadeName = Annotated[
    str,
    Match(
        r"((raw|prep|model)|out/[a-z][a-z0-9_]*)/[a-z][a-z0-9_]*",
        "write an asset as raw/<table>, prep/<dataset>, out/<connection>/<name> …",
    ),
]


class Param(Strict):
    """A parameter of the pipeline, set per run in Dagster's launchpad or Airflow's form."""

    type: Literal["string", "int", "float", "boolean", "date"]
    default: Scalar
    help: Text = Field(description="what people read beside the field")

    @field_validator("default")
    @classmethod
    def _fits(cls, value: Any, info: ValidationInfo) -> Any:
        python = {"string": str, "int": int, "float": float, "boolean": bool, "date": str}
        kind = info.data.get("type", "string")
        wanted = python[kind]
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(f"not of the parameter's type, {kind}")
        return iso_date(str(value)) if kind == "date" else value


class Run(Strict):
    """Where and how tasks run. Airflow reads all of it, Dagster pool, retries and timeout."""

    queue: Name | None = Field(None, description="Celery queue, for example s21")
    runner: Literal["shell", "docker"] | None = None
    docker_url: str | None = Field(None, description="unix://var/run/docker.sock, tcp://host:2375")
    image: str | None = None
    pool: Name | None = None
    priority: Annotated[int, Field(ge=1, le=1000)] | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    retry_delay: Annotated[int, Field(ge=0, le=86_400)] = Field(300, description="seconds")
    days_per_run: Annotated[int, Field(ge=1, le=400)] = Field(
        31, description="partitions that one run of a backfill takes"
    )


class Schedule(Strict):
    """When the pipeline runs, in Asia/Seoul."""

    cron: Cron = Field(
        description="five fields, Asia/Seoul: '0 6 * * *'; or @once: Airflow runs it a single "
        "time, and Dagster has a job without a schedule"
    )
    assets: list[MadeName] | None = Field(
        None,
        min_length=1,
        description="assets of this file; all that share the job's partitions by default",
    )


class Named(Strict):
    title: Text = Field(description="the name people read, in Korean")
    description: str = ""
    owner: Owner | None = Field(None, description="the file's by default")
    task_id: Annotated[str, Match(r"[A-Za-z0-9_.-]{1,250}", "not an Airflow task id")] | None = (
        Field(None, description="the Airflow task id to keep from an old DAG")
    )
    formerly: list[MadeName] = Field([], description="keys it had before a rename")
    run: Run | None = None


class Made(Named):
    partitions: PartitionsField | None = Field(None, description="the file's by default")
    gates: Gates = Field(default_factory=Gates)
    checks: Checks = Field(default_factory=Checks)


class Asset(Made):
    columns: Columns = Field(min_length=1)
    order_by: list[ColumnName] = Field(
        [], description="order of the rows in the file; given, a rerun writes equal bytes"
    )


Offset = Annotated[int, Field(ge=-1000, le=0)]


class Earlier(Strict):
    """An input's partitions relative to the dataset's own: `from: -6, to: -1` are the six before.

    Both ends are included and counted in the dataset's own cadence. Those before the input's first
    partition are left out.
    """

    asset: AssetName
    from_: Offset = Field(alias="from", description="-6: from six partitions before")
    to: Offset = Field(0, description="-1: to the partition before; 0: to the same one")

    @field_validator("to")
    @classmethod
    def _order(cls, value: int, info: ValidationInfo) -> int:
        first = info.data.get("from_")
        if first is not None and first > value:
            raise ValueError(f"to is before from, {first}")
        return value
