"""Sources that are no tables, as a pipeline file describes them: files, an index, an open API.

Here: the records and their words, which are also the keys of the pipeline file. Not here: reading
them (`files.py`, `elasticsearch.py`, `open_api.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Value = str | int | float | bool


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


class FileSource(_Described):
    """Files of one folder. Text may hold templates: `/in/orders_{today:%Y%m%d}_*.csv`."""

    path: str = Field(
        min_length=1,
        description="the file's path there; * and ? in its last part name several, read in the "
        "order of their names",
    )
    format: Literal["csv", "fixed", "parquet", "excel", "jsonl"]
    encoding: str = Field("utf-8", description="of text: utf-8, cp949, euc-kr …")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header: bool = Field(True, description="false: columns come in the declared order")
    skip: Annotated[int, Field(ge=0)] = Field(0, description="lines before the header")
    null: list[str] = Field([""], description="texts, written without quotes, that mean NULL")
    date_format: str = Field("%Y-%m-%d", description="of date columns, as strptime has it")
    timestamp_format: str | None = Field(None, description="ISO 8601 by default")
    widths: dict[str, Annotated[int, Field(ge=1)]] | None = Field(
        None, description="fixed: column → width in bytes, in the order of the file"
    )
    sheet: str | None = Field(None, description="excel: the sheet; the first by default")
    settled: Annotated[int, Field(ge=0)] = Field(
        0, description="seconds for which a file must not have changed before it is read"
    )
    absent: Literal["wait", "empty", "fail"] = Field(
        "wait", description="no such file: not yet (75), a partition without rows, or a failure"
    )

    @model_validator(mode="after")
    def _of_its_format(self) -> FileSource:
        if (self.widths is None) == (self.format == "fixed"):
            raise ValueError("widths belong to format: fixed, which needs them")
        if self.sheet is not None and self.format != "excel":
            raise ValueError("sheet belongs to format: excel")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(
                f"there is no encoding {self.encoding!r}; for example utf-8, cp949, euc-kr"
            ) from None
        return self


class IndexSource(_Described):
    """Documents of an index. The window bounds them, sums and counts are the server's."""

    name: str = Field(min_length=1, description="the index, an alias, or a pattern: dlp-*")
    query: dict[str, Any] | None = Field(
        None, description="a filter in the server's query DSL; all documents by default"
    )


class Paging(_Described):
    """How an API gives its rows page by page."""

    number: str = Field(description="the parameter of the page's number: pageNo")
    size: str = Field(description="the parameter of the rows a page: numOfRows")
    rows: Annotated[int, Field(ge=1, le=100_000)] = 1000
    first: Annotated[int, Field(ge=0, le=1)] = 1


class ApiSource(_Described):
    """What an open API answers to GET. Text of parameters may hold templates."""

    path: str = Field("", description="below the connection's url: getVilageFcst")
    params: dict[str, Value] = Field({}, description="base_date: '{today:%Y%m%d}'")
    format: Literal["json", "xml"] = "json"
    rows: str = Field(description="where the rows are: response.body.items.item")
    total: str | None = Field(None, description="where it says how many: response.body.totalCount")
    page: Paging | None = None
    status: str | None = Field(
        None, description="where the answer says how it went: response.header.resultCode"
    )
    ok: list[str] = Field(["00"], description="its values that are no error")
    message: str | None = Field(None, description="where its words are: response.header.resultMsg")
    empty: list[str] = Field([], description="its values that mean there are no rows: '03'")


Described = FileSource | IndexSource | ApiSource


def shown(of: Described) -> str:
    """What a message calls it: the index's name, the file's or the API's path."""
    return of.name if isinstance(of, IndexSource) else of.path
