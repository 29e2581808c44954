"""A pipeline file (`pipeline.yaml`, version 1) as typed records.

Here: what may stand in a file, key by key, and what a record by itself can know to be wrong. The
descriptions are the JSON schema's, so editors show them. Not here: what needs other files, the
connections or SQL (`validate.py`), and what becomes of a record (`builder.py`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from resources.types import ColumnType, parse_type

Pii = Literal["none", "masked", "secret"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _match(pattern: str, what: str) -> Any:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(what)
        return value

    return AfterValidator(check)


Name = Annotated[str, _match(r"[a-z][a-z0-9_]*", "names match [a-z][a-z0-9_]*")]
ColumnName = Annotated[str, _match(r"[a-z_][a-z0-9_]*", "column names match [a-z_][a-z0-9_]*")]
AssetName = Annotated[
    str,
    _match(
        r"(raw|prep|model)/[a-z][a-z0-9_]*", "write an asset as raw/<table>, prep/<dataset> …"
    ),
]
Owner = Annotated[
    str,
    _match(
        r"team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+",
        "an owner is an e-mail address or team:<name>",
    ),
]
Text = Annotated[str, _match(r"(?s).*\S.*", "must not be empty")]
TypeName = Annotated[str, AfterValidator(lambda text: parse_type(text).name)]
IsoDate = Annotated[str, _match(r"\d{4}-\d{2}-\d{2}", "write a date as YYYY-MM-DD")]
Scalar = str | int | float | bool


def _column(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class ColumnSpec(_Strict):
    """One column. The short form `amount: decimal(18,2)` gives the type alone."""

    type: TypeName = Field(description="string, int64, decimal(18,2), date, timestamp, …")
    source: str | None = Field(
        None, description="its name in the source, where it differs (/BIC/…, Korean, upper case)"
    )
    nullable: bool = Field(True, description="false: a NULL fails the partition before publishing")
    title: str | None = Field(None, description="the name people read, in Korean")
    description: str | None = None
    pii: Pii = Field(
        "none", description="masked: shown as ***; secret: not even its length is shown"
    )

    @property
    def parsed(self) -> ColumnType:
        return parse_type(self.type)


Columns = dict[ColumnName, Annotated[ColumnSpec, BeforeValidator(_column)]]


class Bounds(_Strict):
    """Smallest and largest value, both allowed; NULL passes."""

    min: float | str | None = None
    max: float | str | None = None

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        return self


class RowBounds(_Strict):
    """How many rows a partition may have."""

    min: Annotated[int, Field(ge=0)] | None = None
    max: Annotated[int, Field(ge=0)] | None = None
    change: Annotated[float, Field(gt=0)] | None = Field(
        None, description="largest change against the partition before, 0.5 = half more or less"
    )

    @model_validator(mode="after")
    def _some(self) -> RowBounds:
        if self.min is None and self.max is None and self.change is None:
            raise ValueError("give min, max or change")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is larger than max")
        return self


class Rules(_Strict):
    """What must hold of a partition's rows."""

    unique: list[ColumnName] | None = Field(
        None, min_length=1, description="columns that together are a key"
    )
    not_null: list[ColumnName] = Field([], description="columns without NULL")
    accepted: dict[ColumnName, list[Scalar]] = Field(
        {}, description="column: the values it may have; NULL passes"
    )
    range: dict[ColumnName, Bounds] = Field({}, description="column: {min, max}, both allowed")
    rows: RowBounds | None = None
    expect: dict[Name, Text] = Field(
        {}, description="name: an SQL condition over the columns that no row may fail; NULL passes"
    )


class Gates(Rules):
    """Checked before a partition is published; one that fails keeps the old partition.

    Declared types, `nullable: false` and reconciliation with the source are always gates.
    """


class Checks(Rules):
    """Checked after a partition is published; one that fails is shown as a warning."""

    fresh: Annotated[str, _match(r"\d+[hd]", "write a time span as 26h or 2d")] | None = Field(
        None, description="the newest materialisation is never older than this: 26h, 2d"
    )


class Daily(_Strict):
    """Days in Asia/Seoul; the key is YYYY-MM-DD."""

    start: IsoDate
    end: IsoDate | None = Field(None, description="the first day that has no partition")


class Monthly(_Strict):
    """Months in Asia/Seoul; the key is YYYY-MM. `start` is the first day of the first month."""

    start: IsoDate
    end: IsoDate | None = Field(None, description="the first day that has no partition")


class Partitions(_Strict):
    """`none`, or one of the cadences with its first day."""

    daily: Daily | None = None
    monthly: Monthly | None = None

    @model_validator(mode="after")
    def _one(self) -> Partitions:
        if (self.daily is None) == (self.monthly is None):
            raise ValueError("give exactly one of daily, monthly (or write `none`)")
        return self

    @property
    def cadence(self) -> Literal["daily", "monthly"]:
        return "daily" if self.daily else "monthly"


PartitionsField = Literal["none"] | Partitions


class Param(_Strict):
    """A parameter of the pipeline, set per run in Dagster's launchpad or Airflow's form."""

    type: Literal["string", "int", "float", "boolean", "date"]
    default: Scalar
    help: Text

    @model_validator(mode="after")
    def _fits(self) -> Param:
        python = {"string": str, "int": int, "float": float, "boolean": bool, "date": str}
        wanted = python[self.type]
        value = self.default
        exact = type(value) is wanted or (wanted is float and type(value) is int)
        if not exact:
            raise ValueError(f"default {value!r} is not of type {self.type}")
        return self


class Run(_Strict):
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

    @model_validator(mode="after")
    def _docker(self) -> Run:
        if self.runner == "docker" and not self.image:
            raise ValueError("runner docker needs an image")
        return self


class Schedule(_Strict):
    """When the pipeline runs, in Asia/Seoul."""

    cron: Text = Field(description="five fields, Asia/Seoul: '0 6 * * *'")
    assets: list[AssetName] | None = Field(
        None, description="assets of this file; all that share the job's partitions by default"
    )


class Window(_Strict):
    """The column by which a source table falls into partitions."""

    column: ColumnName
    kind: Literal["date", "timestamp", "yyyymmdd"] | None = Field(
        None, description="from the column's type by default; yyyymmdd is text such as 20250701"
    )


class _Asset(_Strict):
    title: Text = Field(description="the name people read, in Korean")
    description: str = ""
    columns: Columns = Field(min_length=1)
    partitions: PartitionsField | None = Field(None, description="the file's by default")
    order_by: list[ColumnName] = Field(
        [], description="order of the rows in the file; given, a rerun writes equal bytes"
    )
    gates: Gates = Gates()
    checks: Checks = Checks()
    owner: Owner | None = Field(None, description="the file's by default")
    task_id: Annotated[str, _match(r"[A-Za-z0-9_.-]{1,250}", "not an Airflow task id")] | None = (
        Field(None, description="the Airflow task id to keep from an old DAG")
    )
    formerly: list[AssetName] = Field([], description="keys it had before a rename")
    run: Run | None = None


class SourceSpec(_Asset):
    """A table of a source system, copied into the lake as raw/<name>."""

    connection: str
    schema_: str | None = Field(None, alias="schema")
    table: str | None = Field(None, description="its real name there, in any script")
    query: Text | None = Field(
        None,
        description="a SELECT in the connection's dialect instead of a table; "
        ":start, :end and parameters are bound",
    )
    local_query: Text | None = Field(
        None, description="the same SELECT for DuckDB, where the dialect cannot be translated"
    )
    window: Window | None = None
    filter: Text | None = Field(None, description="an SQL condition over the declared columns")
    sums: list[ColumnName] = Field([], description="columns whose sums are reconciled")
    on_drift: Literal["warn", "fail"] = Field(
        "warn", description="what an undeclared new column or a changed type does"
    )

    @model_validator(mode="after")
    def _source(self) -> SourceSpec:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


class DatasetSpec(_Asset):
    """A dataset made from other assets, prep/<name>: `sql` or `transform`."""

    inputs: list[AssetName] | dict[Name, AssetName] = Field(
        min_length=1,
        description="assets; in SQL each has its own name, or the one given: {sales: raw/bw_sales}",
    )
    sql: Text | None = Field(None, description="a SELECT over the inputs, in DuckDB's dialect")
    transform: (
        Annotated[
            str,
            _match(r"[a-z_][a-z0-9_]*\.py:[A-Za-z_]\w*", "write it as transform.py:function"),
        ]
        | None
    ) = Field(None, description="transform.py:function in the pipeline's folder")
    range: bool = Field(
        False,
        description="true: a range of partitions is one query; the rows carry the partition column "
        "and depend on inputs of the same partition only",
    )

    @model_validator(mode="after")
    def _one(self) -> DatasetSpec:
        if (self.sql is None) == (self.transform is None):
            raise ValueError("give either sql or transform")
        if self.range and self.transform is not None:
            raise ValueError("range: true is for sql")
        return self

    @property
    def named_inputs(self) -> dict[str, str]:
        """Alias → asset key, `{'sales': 'raw/sales'}`."""
        if isinstance(self.inputs, dict):
            return dict(self.inputs)
        return {key.split("/")[-1]: key for key in self.inputs}


class PipelineSpec(_Strict):
    """One pipeline: its tables, datasets, schedule and where it runs."""

    version: Literal[1]
    title: Text = Field(description="the name people read, in Korean")
    description: Text
    owner: Owner
    tags: list[Text] = Field(
        min_length=4,
        max_length=5,
        description="0.<action>, 1.Start:<source>, 2.End:<target>, what it is about, 99.Template",
    )
    partitions: PartitionsField = "none"
    schedule: Schedule | None = None
    schedules: dict[Name, Schedule] = Field({}, description="several schedules, by name")
    params: dict[Name, Param] = {}
    run: Run = Run()
    sources: dict[Name, SourceSpec] = {}
    datasets: dict[Name, DatasetSpec] = {}

    @model_validator(mode="after")
    def _sound(self) -> PipelineSpec:
        if not self.sources and not self.datasets:
            raise ValueError("a pipeline has sources or datasets")
        if self.schedule and self.schedules:
            raise ValueError("give schedule or schedules, not both")
        for tag, start in zip(self.tags, ("0.", "1.Start:", "2.End:"), strict=False):
            if not tag.replace(". ", ".").startswith(start):
                raise ValueError(
                    f"tag {tag!r}: tags are 0.<action>, 1.Start:<source>, 2.End:<target>, "
                    "then what it is about"
                )
        return self

    @property
    def named_schedules(self) -> dict[str, Schedule]:
        return {"": self.schedule} if self.schedule else dict(self.schedules)
