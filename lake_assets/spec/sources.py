"""A source: which rows of another system are copied, and how they fall into partitions.

Not here: what files, indices and APIs are (`resources/described.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from lake_assets.spec.assets import Asset
from lake_assets.spec.rules import Bound
from lake_assets.words import (
    ColumnName,
    Strict,
    Text,
    either,
)
from resources.described import ApiSource, Described, FileSource, IndexSource
from resources.settings import CONNECTIONS


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


class SourceSpec(Asset):
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
