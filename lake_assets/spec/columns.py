"""Columns as a pipeline file declares them.

Here: name, type, what may be shown of it. Not here: what must hold of its values (`rules.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
)

from lake_assets.words import (
    ColumnName,
    Match,
    Strict,
    TypeName,
)
from resources.types import ColumnType, parse_type

Pii = Literal["none", "masked", "secret"]


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
