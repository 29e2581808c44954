"""A pipeline file (`pipeline.yaml`, version 1) as one typed record of all that stands in it.

Here: the file's own keys. Not here: what needs other files, the connections or SQL
(`lake_assets/validate.py`), and what becomes of a record (`lake_assets/builder.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lake_assets.partition_spec import PartitionsField
from lake_assets.spec.assets import Param, Run, Schedule
from lake_assets.spec.columns import Columns
from lake_assets.spec.datasets import DatasetSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.sources import SourceSpec
from lake_assets.words import (
    AssetName,
    Name,
    Owner,
    Strict,
    Text,
)


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
