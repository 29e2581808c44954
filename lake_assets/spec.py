"""A pipeline file (`pipeline.yaml`, version 1) as typed records.

Here: what may stand in a file, key by key, and what a record by itself can know to be wrong. The
descriptions are the JSON schema's, so editors show them. Not here: what needs other files, the
connections or SQL (`validate.py`), and what becomes of a record (`builder.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lake_assets.partition_spec import PartitionsField
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
    TypeName,
    either,
    iso_date,
    shape,
)
from resources.deliver import FileTarget, IndexTarget, TableTarget, Target
from resources.described import ApiSource, Described, FileSource, IndexSource
from resources.settings import CONNECTIONS
from resources.types import ColumnType, parse_type

Pii = Literal["none", "masked", "secret"]

#: An asset that a file makes: what can be read, and deliveries.
MadeName = Annotated[
    str,
    Match(
        r"((raw|prep|model)|out/[a-z][a-z0-9_]*)/[a-z][a-z0-9_]*",
        "write an asset as raw/<table>, prep/<dataset>, out/<connection>/<name> …",
    ),
]

#: A column of an asset, as lineage names it.
Origin = Annotated[
    str,
    Match(
        r"(raw|prep|model)/[a-z][a-z0-9_]*\.[a-z_][a-z0-9_]*",
        "write a column of an input as raw/<table>.<column>, prep/<dataset>.<column> …",
    ),
]


def _column(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class ColumnSpec(Strict):
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
    # Left out of what is digested as an asset's code: it says where rows come from, not which.
    from_: list[Origin] | None = Field(
        None,
        alias="from",
        exclude=True,
        description="of a dataset: the columns of its inputs that it comes of, "
        "[raw/bw_sales.amount]; for lineage, where it cannot be read from SQL and steps",
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


class Bounds(Strict):
    """Smallest and largest value, both allowed; NULL passes."""

    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        return self


class RowBounds(Strict):
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


class Rules(Strict):
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

    fresh: Annotated[str, Match(r"[1-9]\d{0,4}[hd]", "write a time span as 26h or 2d")] | None = (
        Field(None, description="the newest materialisation is never older than this: 26h, 2d")
    )


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


class Window(Strict):
    """The columns by which a source table falls into partitions.

    Each partition is read for itself where they have names: rows that have another name, or none,
    are in no partition and are not read.
    """

    column: ColumnName | None = Field(
        None, description="the column that holds the time; hours need a timestamp"
    )
    name: ColumnName | None = Field(
        None, description="the text column whose value is the partition's name"
    )
    kind: Literal["date", "timestamp", "yyyymmdd"] | None = Field(
        None,
        description="from the column's type by default; yyyymmdd is text or a whole number such "
        "as 20250701",
    )


class SplitSpec(Strict):
    """One partition read in parts by ranges of a column, over several connections at once.

    The ranges are half-open, the outer ones have no end, and NULL is a part of its own. What is
    complete when a connection is cut, or the process ends, is not read again.
    """

    model_config = either("count", "bounds")

    column: ColumnName = Field(description="a whole number, decimal, date or timestamp; or text")
    count: Annotated[int, Field(ge=2, le=256)] | None = Field(
        None, description="that many ranges of equal width between its smallest and largest value"
    )
    bounds: list[Bound] | None = Field(
        None,
        min_length=1,
        description="the values that begin a range each, ascending; for text the only way",
    )

    @model_validator(mode="after")
    def _one(self) -> SplitSpec:
        if (self.count is None) == (self.bounds is None):
            raise ValueError("give either count or bounds")
        return self


class _Named(Strict):
    title: Text = Field(description="the name people read, in Korean")
    description: str = ""
    owner: Owner | None = Field(None, description="the file's by default")
    task_id: Annotated[str, Match(r"[A-Za-z0-9_.-]{1,250}", "not an Airflow task id")] | None = (
        Field(None, description="the Airflow task id to keep from an old DAG")
    )
    formerly: list[MadeName] = Field([], description="keys it had before a rename")
    run: Run | None = None


class _Made(_Named):
    partitions: PartitionsField | None = Field(None, description="the file's by default")
    gates: Gates = Field(default_factory=Gates)
    checks: Checks = Field(default_factory=Checks)


class _Asset(_Made):
    columns: Columns = Field(min_length=1)
    order_by: list[ColumnName] = Field(
        [], description="order of the rows in the file; given, a rerun writes equal bytes"
    )


class SourceSpec(_Asset):
    """A table, files, an index or an API of a source system, copied into the lake as raw/<name>."""

    model_config = either("table", "query", "file", "index", "api")

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
    file: FileSource | None = Field(None, description="files on SFTP, HDFS or cloud storage")
    index: IndexSource | None = Field(None, description="documents of Elasticsearch")
    api: ApiSource | None = Field(None, description="what an open API answers")
    window: Window | None = None
    filter: Text | None = Field(None, description="an SQL condition over the declared columns")
    splits: SplitSpec | None = Field(
        None, description="read one partition in parts, over several connections at once"
    )
    sums: list[ColumnName] = Field([], description="columns whose sums are reconciled")
    on_drift: Literal["warn", "fail"] = Field(
        "warn", description="what an undeclared new column or a changed type does"
    )

    @model_validator(mode="after")
    def _source(self) -> SourceSpec:
        given = [key for key in ("table", "query", "file", "index", "api") if getattr(self, key)]
        if len(given) != 1:
            raise ValueError("give either table or query or file or index or api")
        return self

    @property
    def described(self) -> Described | None:
        """What is read where it is no table."""
        return self.file or self.index or self.api

    @property
    def by_name(self) -> bool:
        """Whether a partition is asked for by names (of a file, in a request), not by a window."""
        return self.window is None and (self.file is not None or self.api is not None)


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


InputField = Annotated[
    Annotated[AssetName, Tag("plain")] | Annotated[Earlier, Tag("mapping")], Discriminator(shape)
]
Inputs = Annotated[
    Annotated[list[AssetName], Field(min_length=1), Tag("plain")]
    | Annotated[dict[Name, InputField], Field(min_length=1), Tag("mapping")],
    Discriminator(shape),
]


class Predict(Strict):
    """Rows scored by the champion that the model's partition names, as it is in the registry."""

    model: Name = Field(description="the input that is a model; its same partition is read")
    rows: Name = Field(description="the input whose rows are scored, one score a row")
    score: ColumnName = Field(description="the declared column that gets the probability")
    version: ColumnName | None = Field(
        None, description="the declared column that gets the version of the model"
    )


class StepSpec(Strict):
    """One prep function with its parameters; in a file `- name: {parameter: value}`, or `- name`.

    What the name and the parameters may be, `steps.py` knows.
    """

    name: str
    params: dict[str, Any] = Field({})


def _step(value: Any) -> Any:
    if isinstance(value, StepSpec):
        return value
    if isinstance(value, str):
        return {"name": value}
    if value is None:
        raise ValueError('a step is empty; the function of the name is written "null", in quotes')
    if not isinstance(value, dict) or not value:
        raise ValueError("write a step as `- name: {parameter: value}`, or `- name` alone")
    name, params = next(iter(value.items()))
    if len(value) > 1:
        cure = "each has a dash of its own"
        if params is None:
            cure = f"indent the parameters deeper than {name}"
        raise ValueError(
            f"a step is one function, and here are {', '.join(map(str, value))}: {cure}"
        )
    if params is None:
        raise ValueError(f"nothing stands below {name}; without parameters write `- {name}`")
    if not isinstance(params, dict):
        raise ValueError(f"write the parameters of {name} by name: {{parameter: value}}")
    return {"name": name, "params": params}


class _StepWords:
    """For the schema alone: the names of the steps and their parameters, from the signatures."""

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # Only here: a graph loads without the functions where no file has steps.
        from lake_assets.step_params import steps_schema

        return steps_schema()


StepField = Annotated[StepSpec, BeforeValidator(_step), _StepWords()]


class DatasetSpec(_Asset):
    """A dataset made from other assets, prep/<name>: `sql`, `steps` or both, `transform` or
    `predict`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["sql"]},
                {"required": ["transform"]},
                {"required": ["predict"]},
                {"required": ["steps"], "not": {"required": ["sql"]}},
            ]
        }
    )

    inputs: Inputs = Field(
        description="assets; in SQL each has its own name, or the one given: {sales: raw/bw_sales}"
        "; earlier partitions of one: {sales: {asset: raw/bw_sales, from: -6, to: -1}}",
    )
    sql: Text | None = Field(
        None,
        description="a SELECT over the inputs, in DuckDB's dialect; bound are the parameters, "
        "$partition (the key), $partition_start and $partition_end (the first day and the one "
        "after the last; of hours timestamps without zone), and $partition_name (of named ones)",
    )
    transform: (
        Annotated[
            str,
            Match(r"[a-z_][a-z0-9_]*\.py:[A-Za-z_]\w*", "write it as transform.py:function"),
        ]
        | None
    ) = Field(None, description="transform.py:function in the pipeline's folder")
    predict: Predict | None = Field(
        None, description="rows of an input with a model's score; columns of that input are kept"
    )
    steps: list[StepField] | None = Field(
        None,
        min_length=1,
        description="prep functions one after another over the rows of the one input, or of sql: "
        "`- trim: {columns: [name]}`, `- shuffle`; `lake preps` lists them",
    )
    files: Literal["one", "many"] | None = Field(
        None,
        description="many: a partition is a folder of files, for very large ones; one by default, "
        "and what Hive makes is many",
    )
    engine: Literal["duckdb", "hive"] = Field(
        "duckdb",
        description="hive: the SQL is Hive's and runs there; where the environment has no Hive, "
        "its translation runs in DuckDB",
    )
    range: bool = Field(
        False,
        description="true: a range of partitions is one query; the rows carry the partition column "
        "and depend on inputs of the same partition only",
    )

    @model_validator(mode="after")
    def _one(self) -> DatasetSpec:
        ways = {"sql": self.sql, "transform": self.transform, "predict": self.predict}
        given = [name for name, one in ways.items() if one is not None]
        if len(given) > 1 or (not given and self.steps is None):
            raise ValueError("give either sql or transform or predict, or steps")
        if self.steps is not None:
            if given and given != ["sql"]:
                raise ValueError(f"steps follow sql or an input, not a {given[0]}")
            if not given and len(self.inputs) != 1:
                raise ValueError(
                    f"steps begin with the rows of one input, and here are {len(self.inputs)}: "
                    "join them in `sql`, which the steps then follow"
                )
        return self

    @field_validator("engine")
    @classmethod
    def _of_sql(cls, value: str, info: ValidationInfo) -> str:
        if value == "hive" and info.data.get("sql") is None:
            raise ValueError("Hive runs sql; take `engine` out, or write the dataset as sql")
        if value == "hive" and info.data.get("steps") is not None:
            raise ValueError("steps do not run in Hive; take `engine` out")
        if value == "hive" and info.data.get("files") == "one":
            raise ValueError("Hive writes as many files as it has tasks: take `files: one` out")
        return value

    @field_validator("range")
    @classmethod
    def _sql_only(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("engine") == "hive":
            raise ValueError("range: true is for DuckDB; Hive makes one partition at a time")
        for other in ("transform", "predict", "steps"):
            if value and info.data.get(other) is not None:
                shown = "steps" if other == "steps" else f"a {other}"
                raise ValueError(f"range: true is for sql, not for {shown}")
        return value

    @property
    def many_files(self) -> bool:
        return self.files == "many" or self.engine == "hive"

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


class Before(Earlier):
    """An input of a model: partitions before the model's own, which it must not know."""

    to: Offset = Field(description="-1: to the partition before, and no later")

    @field_validator("to")
    @classmethod
    def _before(cls, value: int) -> int:
        if value > -1:
            raise ValueError("a model reads earlier partitions only: -1 is the one before")
        return value


def _with_months(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            f"say which earlier partitions a model reads: {{asset: {value}, from: -12, to: -1}}"
        )
    return value


class ModelSpec(_Made):
    """A model, model/<name>: fitted, scored on held-out partitions, registered in MLflow.

    A partition is trained on examples of earlier partitions only. The last `holdout` of them are
    never fitted on; on them it is compared with the baseline and with the present champion.
    """

    inputs: dict[
        Name, Annotated[Before, BeforeValidator(_with_months, json_schema_input_type=Before)]
    ] = Field(
        min_length=1, description="earlier partitions: {fact: {asset: prep/x, from: -12, to: -1}}"
    )
    examples: Text = Field(
        description="a SELECT over the inputs, one row an example, with the partition it is of "
        "(ym, dt …), the features, the target and the baseline"
    )
    features: list[ColumnName] = Field(
        min_length=1, description="columns of the examples: numbers, text, true or false"
    )
    target: ColumnName = Field(description="what is predicted: true or false, 1 or 0")
    holdout: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="how many of the last partitions are held out to score on"
    )
    fit: Annotated[
        str, Match(r"[a-z_][a-z0-9_]*\.py:[A-Za-z_]\w*", "write it as model.py:function")
    ] = Field(
        description="model.py:function in the pipeline's folder: (features, target, seed, …) to a "
        "fitted scikit-learn classifier"
    )
    metric: Literal["average_precision", "roc_auc"] = Field(description="larger is better")
    baseline: ColumnName = Field(
        description="a column of the examples that is to be beaten, as if it were the score"
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        description="of all that is random: equal data give an equal model"
    )
    jobs: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="cores that fitting takes (joblib's n_jobs, which is pinned to it)"
    )

    @field_validator("features")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            twice = next(name for name in value if value.count(name) > 1)
            raise ValueError(f"{twice} stands here twice")
        return value

    @field_validator("target")
    @classmethod
    def _no_feature(cls, value: str, info: ValidationInfo) -> str:
        if value in info.data.get("features", ()):
            raise ValueError("what is predicted cannot be a feature")
        return value

    @property
    def columns(self) -> Columns:
        """What the lake keeps of each partition, one row."""
        return MODEL_COLUMNS

    @property
    def order_by(self) -> list[str]:
        return []

    @property
    def named_inputs(self) -> dict[str, str]:
        return {alias: one.asset for alias, one in self.inputs.items()}

    @property
    def offsets(self) -> dict[str, tuple[int, int]]:
        return {one.asset: (one.from_, one.to) for one in self.inputs.values()}


def _kept(title: str, type_: str, nullable: bool = False) -> ColumnSpec:
    return ColumnSpec(title=title, type=type_, nullable=nullable)


#: The row of a model's partition. `champion_version` scores that partition: the best of it and of
#: those before, never one that was trained later.
MODEL_COLUMNS: Columns = {
    "version": _kept("모델 버전", "int64"),
    "champion_version": _kept("이 파티션의 챔피언 버전", "int64", nullable=True),
    "promoted": _kept("새 챔피언인지", "boolean"),
    "decision": _kept("판정 이유", "string"),
    "metric": _kept("지표", "string"),
    "score": _kept("점수", "float64"),
    "baseline_score": _kept("기준선 점수", "float64"),
    "champion_score": _kept("이전 챔피언 점수", "float64", nullable=True),
    "trained_from": _kept("학습 시작", "string"),
    "trained_until": _kept("학습 끝", "string"),
    "heldout_from": _kept("평가 시작", "string"),
    "heldout_until": _kept("평가 끝", "string"),
    "trained_examples": _kept("학습 사례 수", "int64"),
    "heldout_examples": _kept("평가 사례 수", "int64"),
    "heldout_positives": _kept("평가 사례 중 해당 수", "int64"),
    "run_id": _kept("MLflow 실행", "string"),
}


class DeliverySpec(_Named):
    """Data written out of the lake, out/<connection>/<name>: each partition of an asset for itself.

    It has the partitions of the asset. Nothing of it is kept in the lake but its history.
    """

    model_config = either("table", "file", "index")

    from_: AssetName = Field(alias="from", description="the asset that is delivered: prep/x")
    connection: str = Field(
        description="a connection of the environment, for example postgres",
        json_schema_extra={"enum": list(CONNECTIONS)},
    )
    names: dict[ColumnName, Text] | None = Field(
        None,
        alias="columns",
        min_length=1,
        description="column of the lake: its name there, {customer: 거래처}; by default all "
        "columns, the partition's last, by their own names",
    )
    table: TableTarget | None = Field(None, description="a table that is there")
    file: FileTarget | None = Field(None, description="a file on SFTP, on HDFS, in a folder")
    index: IndexTarget | None = Field(None, description="an index of Elasticsearch")

    @model_validator(mode="after")
    def _one(self) -> DeliverySpec:
        if len([one for one in (self.table, self.file, self.index) if one is not None]) != 1:
            raise ValueError("give either table or file or index")
        return self

    @property
    def target(self) -> Target:
        found = self.table or self.file or self.index
        assert found is not None
        return found

    @property
    def inputs(self) -> list[str]:
        return [self.from_]

    @property
    def named_inputs(self) -> dict[str, str]:
        return {self.from_.split("/")[-1]: self.from_}

    @property
    def offsets(self) -> dict[str, tuple[int, int]]:
        return {}

    @property
    def columns(self) -> Columns:
        """Its own: none. Those that it delivers are the asset's (`pipeline.Delivered`)."""
        return {}

    @property
    def partitions(self) -> None:
        return None

    @property
    def gates(self) -> Gates:
        return Gates()

    @property
    def checks(self) -> Checks:
        return Checks()


class ElsewhereSpec(Strict):
    """An asset in the store that a dataset reads and no pipeline file of this code location makes:
    another location's, or one written by hand in an assets.py."""

    title: Text | None = Field(None, description="the name people read, in Korean")
    partitions: PartitionsField = Field("none", description="those that may be read")
    columns: Columns = Field(min_length=1, description="those that may be read, with their types")


def _is_whole(value: Any) -> Any:
    if type(value) is not int:  # True == 1 == 1.0
        raise ValueError("write the number 1")
    return value


class PipelineSpec(Strict):
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
    params: dict[Name, Param] = Field({})
    run: Run = Field(default_factory=Run)
    sources: dict[Name, SourceSpec] = Field({})
    datasets: dict[Name, DatasetSpec] = Field({})
    models: dict[Name, ModelSpec] = Field({})
    deliveries: dict[Name, DeliverySpec] = Field(
        {}, description="what is written out of the lake, each as out/<connection>/<name>"
    )
    elsewhere: dict[AssetName, ElsewhereSpec] = Field(
        {},
        description="inputs that no pipeline file of this code location makes, by key: those of "
        "another location, or of an assets.py",
    )

    @model_validator(mode="after")
    def _sound(self) -> PipelineSpec:
        if not (self.sources or self.datasets or self.models or self.deliveries):
            raise ValueError("a pipeline has sources, datasets, models or deliveries")
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
