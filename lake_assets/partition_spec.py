"""The partitions of a pipeline file: hours, days, weeks, months, names, or each name of each day.

Here: what a file may say of them, and what SQL and readers know by it. Not here: Dagster's
definitions of them (`partitions.py`) and what a key stands for (`resources/partition.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lake_assets.words import IsoDate, Match, Name, Strict, shape
from resources.partition import NAMES, TIME_COLUMNS, Cadence, join, key_at, split, start_of, window


class _Span(Strict):
    start: IsoDate = Field(description="the first day")
    end: IsoDate | None = Field(None, description="the first day that has no partition")
    ahead: bool = Field(
        False,
        description="true: the partition of the time that runs is there from its beginning on, for "
        "what is forecast from earlier ones; false: once the time has ended",
    )

    @field_validator("end")
    @classmethod
    def _order(cls, value: str | None, info: ValidationInfo) -> str | None:
        start = info.data.get("start")
        if value is not None and start is not None and value <= start:
            raise ValueError(f"end must be after start, {start}")
        return value

    @field_validator("ahead")
    @classmethod
    def _endless(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("end") is not None:
            raise ValueError("what has an end is not ahead")
        return value


class Daily(_Span):
    """Days in Asia/Seoul; the key is YYYY-MM-DD."""


class Hourly(_Span):
    """Hours in Asia/Seoul; the key is YYYY-MM-DD-HH. `start` is the day of the first hour."""


class Weekly(_Span):
    """Weeks from Monday to Sunday in Asia/Seoul; the key is the Monday, YYYY-MM-DD.

    `start` is the first Monday. Readers get the ISO week as the column wk, 2025-W01.
    """

    @field_validator("start", "end")
    @classmethod
    def _monday(cls, value: str | None) -> str | None:
        if value is not None and (late := date.fromisoformat(value).weekday()):
            monday = date.fromisoformat(value) - timedelta(days=late)
            raise ValueError(f"weeks begin on Monday: {monday} or {monday + timedelta(days=7)}")
        return value


class Monthly(_Span):
    """Months in Asia/Seoul; the key is YYYY-MM. `start` is the first day of the first month."""

    @field_validator("start", "end")
    @classmethod
    def _first(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith("-01"):
            raise ValueError(f"months begin on their first day: {value[:8]}01")
        return value


PartitionValue = Annotated[
    str,
    Match(NAMES, "write 1 to 64 of A-Z a-z 0-9 _ . -, not _ . - first"),
]


class Named(Strict):
    """One partition for each name of a fixed list: plants, companies. The key is the name.

    `column` is what readers call it; it is none of the asset's own columns. Rows of a source that
    have another name are not read.
    """

    column: Name = Field(description="the partition column that readers add, plant_code")
    values: list[PartitionValue] = Field(
        min_length=1, description="the names, P100", json_schema_extra={"uniqueItems": True}
    )

    @field_validator("column")
    @classmethod
    def _free(cls, value: str) -> str:
        if value in TIME_COLUMNS.values():
            raise ValueError(f"{value} is a partition column of time; write another name")
        return value

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: list[str]) -> list[str]:
        for index, value in enumerate(values):
            if value in values[:index]:
                raise ValueError(f"{value} stands there twice")
            if value.lower() == "null":
                raise ValueError(f"{value} is read as no value; write another name")
        return values

    def __hash__(self) -> int:
        return hash((self.column, *self.values))


_TIMES: tuple[Cadence, ...] = ("hourly", "daily", "weekly", "monthly")


class Partitions(Strict):
    """`none`, or one of the cadences with its first day, or `named`; `daily` and `named` together
    are a partition for each name of each day, whose key is 2025-07-01|P100."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["hourly"]},
                {"required": ["daily"]},
                {"required": ["weekly"]},
                {"required": ["monthly"]},
                {"required": ["named"], "not": {"required": ["daily"]}},
            ]
        }
    )

    hourly: Hourly | None = None
    daily: Daily | None = None
    weekly: Weekly | None = None
    monthly: Monthly | None = None
    named: Named | None = None

    @model_validator(mode="after")
    def _one(self) -> Partitions:
        times = [time for time in _TIMES if getattr(self, time) is not None]
        if (
            len(times) > 1
            or not (times or self.named)
            or (self.named and times not in ([], ["daily"]))
        ):
            raise ValueError(
                f"give exactly one of {', '.join(_TIMES)}, named; or daily and named (or write "
                "`none`)"
            )
        return self

    @property
    def cadence(self) -> Cadence | None:
        """How they lie in time; None: they are names alone."""
        return next((time for time in _TIMES if getattr(self, time) is not None), None)

    @property
    def span(self) -> Hourly | Daily | Weekly | Monthly | None:
        """Their first and last day; None where they are names alone."""
        return self.hourly or self.daily or self.weekly or self.monthly

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of their keys; none where they are of time alone."""
        return tuple(sorted(self.named.values)) if self.named else ()

    @property
    def first(self) -> str:
        """The first key."""
        time = ""
        if self.cadence and self.span:
            time = key_at(self.cadence, date.fromisoformat(self.span.start))
        return join(time, next(iter(self.names), ""))

    def words(self, first: str, last: str) -> dict[str, str | date]:
        """What SQL and transforms are told of a partition, or of the times `first` to `last`.

        Of time when it begins and when the next one does (timestamps of hours), of names the name.
        """
        time, name = split(first, self.cadence, self.named is not None)
        found: dict[str, str | date] = {"partition": first}
        if self.cadence:
            until = split(last, self.cadence, self.named is not None)[0]
            found["partition_start"] = start_of(self.cadence, time)
            found["partition_end"] = window(self.cadence, until)[1]
        if self.named:
            found["partition_name"] = name
        return found

    @property
    def kind(self) -> str:
        """A word for people and jobs: daily, named, daily_named."""
        return "_".join(filter(None, (self.cadence, "named" if self.named else None)))

    @property
    def columns(self) -> dict[str, Literal["DATE", "VARCHAR"]]:
        """The partition columns that readers add, with DuckDB's types."""
        found: dict[str, Literal["DATE", "VARCHAR"]] = {}
        if self.cadence:
            found[TIME_COLUMNS[self.cadence]] = "DATE" if self.daily else "VARCHAR"
        if self.named:
            found[self.named.column] = "VARCHAR"
        return found


PartitionsField = Annotated[
    Annotated[Literal["none"], Tag("plain")] | Annotated[Partitions, Tag("mapping")],
    Discriminator(shape),
]
