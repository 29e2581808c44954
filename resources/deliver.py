"""What is written out of the lake: targets in a pipeline file's words, one delivery, its receipt.

Here: the records, and which module delivers to which kind of connection. Not here: how any one
system is written to (`deliver_tables.py`, `deliver_files.py` …), and where the rows come from.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from resources import standins
from resources.errors import PermanentError
from resources.source import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from resources.settings import Connection, Settings


class _Target(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


class TableTarget(_Target):
    """A table of a database, which is there already: the lake makes none."""

    schema_: str | None = Field(None, alias="schema", min_length=1)
    name: str = Field(min_length=1, description="its real name there, in any script")
    mode: Literal["replace", "upsert"] = Field(
        description="replace: the rows of the partition (all, where there are none) are replaced; "
        "upsert: rows are changed or added by `key`, and none is removed"
    )
    key: list[str] = Field([], description="upsert: columns of the lake that together are a key")

    @model_validator(mode="after")
    def _keyed(self) -> TableTarget:
        if (self.mode == "upsert") != bool(self.key):
            raise ValueError("mode: upsert needs a `key`, and replace has none")
        return self


class FileTarget(_Target):
    """A file, replaced whole. Its path may hold templates: `/out/sales_{today:%Y%m%d}.csv`."""

    path: str = Field(min_length=1, description="the file's path there; its folder is made")
    format: Literal["csv", "parquet", "jsonl"]
    encoding: str = Field("utf-8", description="of text: utf-8, utf-8-sig (for Excel), cp949 …")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header: bool = Field(True, description="of csv: a first line with the columns' names")

    @model_validator(mode="after")
    def _of_its_format(self) -> FileTarget:
        given = self.model_fields_set & {"delimiter", "header"}
        if self.format != "csv" and given:
            raise ValueError(f"{', '.join(sorted(given))} belongs to format: csv")
        if self.format == "parquet" and self.encoding != "utf-8":
            raise ValueError("texts of Parquet are utf-8: take `encoding` out")
        if not self.delimiter.isascii() or self.delimiter in '"\r\n\0':
            raise ValueError("a delimiter is one ASCII sign, and no quotation mark or line end")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"there is no encoding {self.encoding!r}") from None
        return self


class IndexTarget(_Target):
    """An index of Elasticsearch; a document is replaced by the one of its id."""

    name: str = Field(min_length=1, description="the index or an alias; templates: sales-{today}")
    id: list[str] = Field(min_length=1, description="columns of the lake that together are the id")
    mode: Literal["replace", "upsert"] = Field(
        "upsert",
        description="replace: documents of the partition (all, where there are none) that are not "
        "delivered again are removed; upsert: none is removed",
    )
    make: bool = Field(False, description="make the index where there is none, of the columns")

    @model_validator(mode="after")
    def _one_index(self) -> IndexTarget:
        if any(sign in self.name for sign in '*?,"<>|/\\# '):
            raise ValueError(
                'name: one index or alias, without any of * ? , " < > | / \\ # and blank'
            )
        return self


Target = TableTarget | FileTarget | IndexTarget


@dataclass(frozen=True)
class Delivery:
    """One partition to be written, its target's templates filled in.

    `what` is the asset and its partition, for messages. A column's `source` is its name in the
    target; `batches` have exactly these columns, in order, in their Arrow types, and may be asked
    for again (an index is checked whole before it is written to). `replaced` are the partition's
    columns (names in the lake) and values: by them a table's rows are its own.
    """

    what: str
    target: Target
    columns: tuple[Column, ...]
    batches: Iterable[pa.RecordBatch] = field(repr=False)
    replaced: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, Connection] | None = None
    """The HDFS, by name, where the files of a Hive table go: the store's."""

    @property
    def keys(self) -> list[Column]:
        """The columns by which a message names a row: the key, else the first three."""
        named = getattr(self.target, "key", None) or getattr(self.target, "id", None)
        chosen = [c for c in self.columns if c.name in named] if named else self.columns[:3]
        return [column for column in chosen if not column.personal]

    def named(self, names: Iterable[str]) -> list[Column]:
        """The columns of these names in the lake."""
        by_name = {column.name: column for column in self.columns}
        return [by_name[name] for name in names]


@dataclass(frozen=True)
class Receipt:
    """What was written: `sha256` is that of a file; `bytes` what went over the wire.

    `changed` is False where the target had exactly these rows already, and nothing was touched.
    """

    rows: int
    bytes: int
    route: str
    where: str
    sha256: str | None = None
    changed: bool = True


class Deliver(Protocol):
    def __call__(self, name: str, connection: Connection, delivery: Delivery) -> Receipt: ...


#: Kind of target → kind of connection → the module whose `deliver` writes there.
MODULES: Mapping[str, Mapping[str, str]] = {
    "table": {
        "duckdb": "resources.deliver_duckdb",
        "postgres": "resources.deliver_postgres",
        "mariadb": "resources.deliver_mariadb",
        "sqlserver": "resources.deliver_dbapi",
        "hana": "resources.deliver_dbapi",
        "tibero": "resources.deliver_jdbc",
        "hive": "resources.deliver_hive",
    },
    "file": dict.fromkeys(("sftp", "hdfs", "storage"), "resources.deliver_files"),
    "index": {"elasticsearch": "resources.deliver_index"},
}


def kind_of(target: Target) -> str:
    """`table`, `file` or `index`, as the pipeline file calls it."""
    return {TableTarget: "table", FileTarget: "file", IndexTarget: "index"}[type(target)]


def deliver(settings: Settings, name: str, delivery: Delivery) -> Receipt:
    """Write one partition through the connection `name`: all of it, or nothing."""
    connection = standins.behind(settings, settings.connection(name))
    kind = kind_of(delivery.target)
    modules = MODULES.get(kind, {})
    module = modules.get(connection.kind)
    if module is None:
        raise PermanentError(
            f"{delivery.what}: the connection {name!r} is of kind {connection.kind!r} (environment "
            f"{settings.env!r}), to which no {kind} can be delivered; can be: "
            f"{', '.join(sorted(modules)) or 'none yet'}."
        )
    if connection.kind == "hive" and settings.store.connection is not None:
        hdfs = settings.store.connection
        delivery = replace(delivery, files=(hdfs, settings.connection(hdfs)))
    write: Deliver = importlib.import_module(module).deliver
    from resources.limited import Place, session

    # Hours and sessions are the connection's, whichever way the rows go.
    place = Place(settings.home / "limits", f"{settings.env}.{name}")
    with session(name, connection.limits, place):
        return write(name, connection, delivery)


def overwritten(target: Target, names: Mapping[str, str], replaced: Mapping[str, str]) -> str:
    """In words: what of the target is replaced. `names` are lake columns → theirs."""
    if isinstance(target, FileTarget):
        return f"the file {target.path}"
    if isinstance(target, IndexTarget):
        what, of, key = "documents", target.name, target.id
    else:
        what, of = "rows", ".".join(filter(None, (target.schema_, target.name)))
        key = target.key
    if target.mode == "upsert":
        return f"{what} of {of} by {', '.join(names.get(name, name) for name in key)}"
    own = " and ".join(f"{names.get(name, name)} = {value}" for name, value in replaced.items())
    return f"{what} of {of} where {own}" if own else f"all {what} of {of}"
