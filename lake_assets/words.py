"""The words of a pipeline file: names, owners, texts, dates, crons, and how strictly they are read.

Here: what one value may be, in the words of the message and of the JSON schema. Not here: which
keys there are (`spec.py`, `partition_spec.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema

from lake_assets.cron import check_cron
from resources.types import SIMPLE, parse_type


class Strict(BaseModel):
    # Strict: `retries: "3"` or `nullable: 1` is a slip of the pen, not another way to write it.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        # `schedule:` with nothing below it is a slip too, and would mean "no schedule" in silence.
        if value is None:
            raise ValueError("it is empty; give it a value, or take the key out")
        return value


def either(*keys: str) -> ConfigDict:
    """For the schema alone: exactly one of `keys` is given."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


@dataclass(frozen=True)
class Match:
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


def iso_date(value: str) -> str:
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


Name = Annotated[str, Match(r"[a-z][a-z0-9_]*", "names match [a-z][a-z0-9_]*")]
ColumnName = Annotated[str, Match(r"[a-z_][a-z0-9_]*", "column names match [a-z_][a-z0-9_]*")]
AssetName = Annotated[
    str,
    Match(r"(raw|prep|model)/[a-z][a-z0-9_]*", "write an asset as raw/<table>, prep/<dataset> …"),
]
Owner = Annotated[
    str,
    Match(
        r"team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+",
        "an owner is an e-mail address or team:<name>",
    ),
]
Text = Annotated[str, Match(r"[\s\S]*\S[\s\S]*", "must not be empty")]
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
    AfterValidator(iso_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DATE}$"}),
]
#: A schedule that fires a single time: Airflow's, when its DAG is first switched on.
ONCE = "@once"
Cron = Annotated[str, AfterValidator(lambda text: text if text == ONCE else check_cron(text))]
Scalar = Annotated[str | int | float | bool, BeforeValidator(_is_scalar)]


def shape(value: Any) -> str:
    """A mapping or not: so a mistake is told once, not once for each member of a union."""
    return "mapping" if isinstance(value, dict | BaseModel) else "plain"
