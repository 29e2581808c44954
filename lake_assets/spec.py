"""A pipeline file (`pipeline.yaml`, version 1) as typed records.

Here: what may stand in a file, key by key, and what a record by itself can know to be wrong. The
descriptions are the JSON schema's, so editors show them. Not here: what needs other files, the
connections or SQL (`validate.py`), and what becomes of a record (`builder.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from lake_assets.cron import check_cron
from resources.settings import CONNECTIONS
from resources.types import SIMPLE, ColumnType, parse_type

Pii = Literal["none", "masked", "secret"]


class _Strict(BaseModel):
    # Strict: `retries: "3"` or `nullable: 1` is a slip of the pen, not another way to write it.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        # `schedule:` with nothing below it is a slip too, and would mean "no schedule" in silence.
        if value is None:
            raise ValueError("it is empty; give it a value, or take the key out")
        return value


def _either(*keys: str) -> ConfigDict:
    """For the schema alone: exactly one of `keys` is given."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


@dataclass(frozen=True)
class _Match:
    """The whole text matches `pattern`; the message says so in words, the schema as a pattern."""

    pattern: str
    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        compiled = re.compile(self.pattern)

        def check(value: str) -> str:
            if not compiled.fullmatch(value):
                raise ValueError(self.what)
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


def _iso_date(value: str) -> str:
    if not re.fullmatch(_DATE, value):
        raise ValueError("write a date as YYYY-MM-DD")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day") from None
    return value


def _is_scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float | bool):
        raise ValueError("write one text, number, true or false")
    return value


Name = Annotated[str, _Match(r"[a-z][a-z0-9_]*", "names match [a-z][a-z0-9_]*")]
ColumnName = Annotated[str, _Match(r"[a-z_][a-z0-9_]*", "column names match [a-z_][a-z0-9_]*")]
AssetName = Annotated[
    str,
    _Match(r"(raw|prep|model)/[a-z][a-z0-9_]*", "write an asset as raw/<table>, prep/<dataset> …"),
]
Owner = Annotated[
    str,
    _Match(
        r"team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+",
        "an owner is an e-mail address or team:<name>",
    ),
]
Text = Annotated[str, _Match(r"[\s\S]*\S[\s\S]*", "must not be empty")]
TypeName = Annotated[
    str,
    AfterValidator(lambda text: parse_type(text).name),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(SIMPLE)},
                {"type": "string", "pattern": r"^decimal\(\s*\d{1,2}\s*,\s*\d{1,2}\s*\)$"},
            ]
        }
    ),
]
IsoDate = Annotated[
    str,
    AfterValidator(_iso_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DATE}$"}),
]
Cron = Annotated[str, AfterValidator(check_cron)]
Scalar = Annotated[str | int | float | bool, BeforeValidator(_is_scalar)]


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


Columns = dict[
    ColumnName,
    Annotated[ColumnSpec, BeforeValidator(_column, json_schema_input_type=TypeName | ColumnSpec)],
]


def _is_bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("write a number, or a date as text")
    return value


# int first: 64-bit bounds do not fit a float.
Bound = Annotated[int | float | str, BeforeValidator(_is_bound)]


class Bounds(_Strict):
    """Smallest and largest value, both allowed; NULL passes."""

    min: Bound | None = None
    max: Bound | None = None

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
        return self

    @field_validator("max")
    @classmethod
    def _order(cls, value: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("min")
        if value is not None and least is not None and least > value:
            raise ValueError(f"max is smaller than min, {least}")
        return value


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

    fresh: Annotated[str, _Match(r"[1-9]\d{0,4}[hd]", "write a time span as 26h or 2d")] | None = (
        Field(None, description="the newest materialisation is never older than this: 26h, 2d")
    )


class _Span(_Strict):
    start: IsoDate = Field(description="the first day")
    end: IsoDate | None = Field(None, description="the first day that has no partition")

    @field_validator("end")
    @classmethod
    def _order(cls, value: str | None, info: ValidationInfo) -> str | None:
        start = info.data.get("start")
        if value is not None and start is not None and value <= start:
            raise ValueError(f"end must be after start, {start}")
        return value


class Daily(_Span):
    """Days in Asia/Seoul; the key is YYYY-MM-DD."""


class Monthly(_Span):
    """Months in Asia/Seoul; the key is YYYY-MM. `start` is the first day of the first month."""

    @field_validator("start", "end")
    @classmethod
    def _first(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith("-01"):
            raise ValueError(f"months begin on their first day: {value[:8]}01")
        return value


class Partitions(_Strict):
    """`none`, or one of the cadences with its first day."""

    model_config = _either("daily", "monthly")

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

    @property
    def span(self) -> Daily | Monthly:
        found = self.daily or self.monthly
        assert found is not None
        return found

    @property
    def column(self) -> Literal["dt", "ym"]:
        """The partition column that readers add."""
        return "dt" if self.daily else "ym"


def _shape(value: Any) -> str:
    """A mapping or not: so a mistake is told once, not once for each member of a union."""
    return "mapping" if isinstance(value, dict | BaseModel) else "plain"


PartitionsField = Annotated[
    Annotated[Literal["none"], Tag("plain")] | Annotated[Partitions, Tag("mapping")],
    Discriminator(_shape),
]


class Param(_Strict):
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
        return _iso_date(str(value)) if kind == "date" else value


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


class Schedule(_Strict):
    """When the pipeline runs, in Asia/Seoul."""

    cron: Cron = Field(description="five fields, Asia/Seoul: '0 6 * * *'")
    assets: list[AssetName] | None = Field(
        None,
        min_length=1,
        description="assets of this file; all that share the job's partitions by default",
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
    gates: Gates = Field(default_factory=Gates)
    checks: Checks = Field(default_factory=Checks)
    owner: Owner | None = Field(None, description="the file's by default")
    task_id: Annotated[str, _Match(r"[A-Za-z0-9_.-]{1,250}", "not an Airflow task id")] | None = (
        Field(None, description="the Airflow task id to keep from an old DAG")
    )
    formerly: list[AssetName] = Field([], description="keys it had before a rename")
    run: Run | None = None


class SourceSpec(_Asset):
    """A table of a source system, copied into the lake as raw/<name>."""

    model_config = _either("table", "query")

    connection: str = Field(
        description="a connection of the environment, for example hana_bw",
        json_schema_extra={"enum": list(CONNECTIONS)},
    )
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


Offset = Annotated[int, Field(ge=-1000, le=0)]


class Earlier(_Strict):
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


InputField = Annotated[
    Annotated[AssetName, Tag("plain")] | Annotated[Earlier, Tag("mapping")], Discriminator(_shape)
]
Inputs = Annotated[
    Annotated[list[AssetName], Field(min_length=1), Tag("plain")]
    | Annotated[dict[Name, InputField], Field(min_length=1), Tag("mapping")],
    Discriminator(_shape),
]


class DatasetSpec(_Asset):
    """A dataset made from other assets, prep/<name>: `sql` or `transform`."""

    model_config = _either("sql", "transform")

    inputs: Inputs = Field(
        description="assets; in SQL each has its own name, or the one given: {sales: raw/bw_sales}"
        "; earlier partitions of one: {sales: {asset: raw/bw_sales, from: -6, to: -1}}",
    )
    sql: Text | None = Field(None, description="a SELECT over the inputs, in DuckDB's dialect")
    transform: (
        Annotated[
            str,
            _Match(r"[a-z_][a-z0-9_]*\.py:[A-Za-z_]\w*", "write it as transform.py:function"),
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
        return self

    @field_validator("range")
    @classmethod
    def _sql_only(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("transform") is not None:
            raise ValueError("range: true is for sql, not for a transform")
        return value

    @property
    def named_inputs(self) -> dict[str, str]:
        """Alias → asset key, `{'sales': 'raw/sales'}`."""
        if isinstance(self.inputs, dict):
            return {
                alias: one.asset if isinstance(one, Earlier) else one
                for alias, one in self.inputs.items()
            }
        return {key.split("/")[-1]: key for key in self.inputs}

    @property
    def offsets(self) -> dict[str, tuple[int, int]]:
        """Asset key → first and last partition relative to the own one, where that is said."""
        found = self.inputs.values() if isinstance(self.inputs, dict) else ()
        return {one.asset: (one.from_, one.to) for one in found if isinstance(one, Earlier)}


class ElsewhereSpec(_Strict):
    """An asset in the store that a dataset reads and no pipeline file of this code location makes:
    another location's, or one written by hand in an assets.py."""

    title: Text | None = Field(None, description="the name people read, in Korean")
    partitions: PartitionsField = Field("none", description="those that may be read")
    columns: Columns = Field(min_length=1, description="those that may be read, with their types")


def _is_whole(value: Any) -> Any:
    if type(value) is not int:  # True == 1 == 1.0
        raise ValueError("write the number 1")
    return value


class PipelineSpec(_Strict):
    """One pipeline: its tables, datasets, schedule and where it runs."""

    version: Annotated[Literal[1], BeforeValidator(_is_whole)] = Field(
        description="of the format: 1"
    )
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
    run: Run = Field(default_factory=Run)
    sources: dict[Name, SourceSpec] = {}
    datasets: dict[Name, DatasetSpec] = {}
    elsewhere: dict[AssetName, ElsewhereSpec] = Field(
        {},
        description="inputs that no pipeline file of this code location makes, by key: those of "
        "another location, or of an assets.py",
    )

    @model_validator(mode="after")
    def _sound(self) -> PipelineSpec:
        if not self.sources and not self.datasets:
            raise ValueError("a pipeline has sources or datasets")
        return self

    @field_validator("schedules")
    @classmethod
    def _not_both(cls, value: dict[str, Schedule], info: ValidationInfo) -> dict[str, Schedule]:
        if value and info.data.get("schedule") is not None:
            raise ValueError("give schedule or schedules, not both")
        return value

    @property
    def named_schedules(self) -> dict[str, Schedule]:
        return {"": self.schedule} if self.schedule else dict(self.schedules)


class _EditorSchema(GenerateJsonSchema):
    """Pydantic's schema, with names outside a mapping's pattern refused and no made-up titles."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if key != "default" or value is not None}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        return found | ({"additionalProperties": False} if "patternProperties" in found else {})


def schema() -> dict[str, Any]:
    """The JSON schema of a pipeline file, with which editors complete and check one."""
    found = PipelineSpec.model_json_schema(by_alias=True, schema_generator=_EditorSchema)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:lake:pipeline:1",
        "title": "pipeline.yaml",
    }
    return head | {key: value for key, value in found.items() if key not in head}
