"""A dataset: made of other assets by SQL, steps, a transform or a model's score.

Not here: what a step's name and parameters may be (`lake_assets/steps.py`).
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
from pydantic_core import core_schema

from lake_assets.spec.assets import Asset, Earlier
from lake_assets.words import (
    AssetName,
    ColumnName,
    Match,
    Name,
    Strict,
    Text,
    shape,
)

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


class DatasetSpec(Asset):
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
