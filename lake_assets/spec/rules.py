"""Gates and checks of an asset: what must hold of a partition's rows.

Here: how they are written. Not here: how they are evaluated (`lake_assets/rules.py`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lake_assets.words import (
    ColumnName,
    Match,
    Name,
    Scalar,
    Strict,
    Text,
)


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
