"""A dataset's SQL that Hive runs (`engine: hive`), and the same for where there is no Hive.

Here: inputs put in as sub-selects of exactly the partitions that are read, values bound, the result
left by Hive as files that nobody sees yet. Not here: gates and publishing (`publish.py`), tables
and partitions (`resources/hive_tables.py`), SQL that DuckDB runs (`sql_engine.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from lake_assets.pipeline import Input
from lake_assets.spec.columns import Columns
from resources import hive_tables
from resources.errors import LakeError, PermanentError
from resources.hive_tables import HiveTable
from resources.hive_wire import typed
from resources.sql import Value, literal, quoted
from resources.yamlfile import nearest

if TYPE_CHECKING:
    from resources.hive import HiveConnection

#: Functions that run code or read files of the server.
_FORBIDDEN = ("reflect", "reflect2", "java_method", "in_file")

#: What Hive's Parquet files do not keep as the lake does. Hive writes a timestamp as the instant at
#: which the writing machine's clock shows it, and small integers as int32: text and wider integers
#: stand for them in what Hive leaves, and the lake writes the rows again.
_STAND_INS = {"timestamp": "string", "int8": "int", "int16": "int"}


@dataclass(frozen=True)
class Query:
    """A SELECT for Hive. Its WITH stands apart: Hive 1.2 knows it at a statement's beginning alone.

    `ctes` is '' where there is none.
    """

    ctes: str
    body: str

    def within(self, selected: str, rest: str = "", before: str = "") -> str:
        """The statement `<before> SELECT <selected> FROM <this> <rest>`."""
        parts = [self.ctes, before, f"SELECT {selected} FROM (", self.body, ") q", rest]
        return "\n".join(filter(None, parts))


@dataclass(frozen=True)
class Read:
    """An input as the SQL sees it: some columns of some partitions (`dt=2025-07-01`) of a table.

    `folders` are where those partitions lie in the store.
    """

    table: HiveTable
    columns: Sequence[str]
    folders: Mapping[str, str]


def visible(asset: Input) -> list[str]:
    """The columns that SQL for Hive can read.

    Hive knows no instants: what is a timestamptz in the lake would be its UTC wall time there, and
    its day another one than in DuckDB.
    """
    return [name for name, type_ in asset.types.items() if type_.name != "timestamptz"]


def in_duckdb(sql: str, what: str) -> str:
    """The SQL in DuckDB's words, its `$name` parameters kept."""
    tree = _parsed(sql, what).transform(
        lambda node: exp.Var(this=f"${node.name}") if isinstance(node, exp.Parameter) else node
    )
    return tree.sql("duckdb", comments=False)


def in_hive(sql: str, reads: Mapping[str, Read], values: Mapping[str, Value], what: str) -> Query:
    """The SQL for Hive: each input (alias → what is read) a sub-select, each `$name` a literal.

    A name that a WITH defines, as the SQL's own scopes have it, is no input. PermanentError where
    it reads another table or runs what is no query.
    """
    tree = _parsed(sql, what)
    for table in _tables(tree):
        if table.db or table.name not in reads:
            raise PermanentError(
                f"{what}: {table.sql('hive')} is no input; {nearest(table.name, reads)}."
            )
        alias = exp.TableAlias(this=exp.to_identifier(table.alias or table.name, quoted=True))
        table.set("this", exp.Var(this=f"({_select(reads[table.name])})"))
        table.set("alias", alias)
    bound = tree.transform(lambda node: _bound(node, values, what))
    ctes = bound.args.get("with_")
    bound.set("with_", None)
    return Query(
        ctes.sql("hive", comments=False) if ctes else "", bound.sql("hive", comments=False)
    )


def _parsed(sql: str, what: str) -> exp.Query:
    """One SELECT, its names in lower case, as Hive takes them all."""
    try:
        trees = sqlglot.parse(sql, read="hive")
    except SqlglotError as error:
        said = str(error).split("\n")[0].strip().rstrip(".")
        raise PermanentError(f"{what}: the SQL is no Hive SQL: {said}.") from None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Query):
        raise PermanentError(f"{what}: the SQL must be one SELECT and nothing else.")
    for node in tree.walk():
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, exp.QueryTransform) or name in _FORBIDDEN:
            raise PermanentError(
                f"{what}: SQL of a dataset runs no programs ({name or 'TRANSFORM'})."
            )
        if isinstance(node, exp.Identifier):
            node.set("this", node.name.lower())
    return tree


def _tables(tree: exp.Query) -> list[exp.Table]:
    """The tables that are read, without those that a WITH defines."""
    found = {
        id(source): source
        for scope in traverse_scope(tree)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }
    return list(found.values())


def _bound(node: exp.Expr, values: Mapping[str, Value], what: str) -> exp.Expr:
    if not isinstance(node, exp.Parameter):
        return node
    if node.name not in values:
        raise PermanentError(
            f"{what}: there is no parameter ${node.name}; {nearest(node.name, values)}."
        )
    return exp.Var(this=literal(values[node.name], "hive"))


def _select(read: Read) -> str:
    names = [*read.columns, *(key.name for key in read.table.keys)]
    chosen = ", ".join(quoted(name, "hive") for name in names)
    text = f"SELECT {chosen} FROM {read.table.sql}"
    where = hive_tables.partition_condition(read.table, read.folders)
    return f"{text} WHERE {where}" if where else text


def check_registered(hive: HiveConnection, read: Read, what: str) -> None:
    """PermanentError where Hive would read other files than the lake has."""
    table = read.table
    if table.keys:
        known = hive_tables.locations(hive, table, read.folders)
    else:
        found = hive_tables.described(hive, table)
        known = {"": found.location} if found else {}
    lacking = [
        part
        for part, folder in read.folders.items()
        if hive_tables.path_of(known.get(part, "")) != folder
    ]
    if lacking:
        shown = ", ".join(filter(None, lacking[:5])) + (" …" if len(lacking) > 5 else "")
        raise PermanentError(
            f"{what}: of its input {table.asset}, Hive does not have what the lake has"
            f"{f' ({shown})' if shown else ''}: lake hive sync {table.asset}, then run again."
        )


def result_types(hive: HiveConnection, query: Query, columns: Columns) -> list[str]:
    """Where the columns that Hive's query gives are not the declared ones, in words."""
    # Hive runs nothing for LIMIT 0.
    found = dict(hive.columns(query.within("*", "LIMIT 0")))
    declared = {name: hive_tables.hive_type(column.parsed) for name, column in columns.items()}
    problems = [f"column {name!r} is missing" for name in declared if name not in found]
    problems += [f"column {name!r} is not declared" for name in found if name not in declared]
    problems += [
        f"column {name!r} is {found[name]} in Hive, declared {columns[name].type}: "
        f"CAST(… AS {type_.upper()})"
        for name, type_ in declared.items()
        if name in found and found[name] != type_
    ]
    return problems


def as_it_is(columns: Columns) -> bool:
    """Whether files that Hive writes are as the lake's are."""
    return all(
        column.type not in _STAND_INS
        and (not column.parsed.is_decimal or hive_tables.hive_type(column.parsed) == column.type)
        for column in columns.values()
    )


def fill(
    hive: HiveConnection,
    query: Query,
    columns: Columns,
    order_by: Sequence[str],
    layer: str,
    folder: str,
) -> None:
    """Leave the query's rows as Parquet files in an empty folder, in columns of `columns`.

    INSERT OVERWRITE DIRECTORY would call them `_col0`, so a table stands over the folder for the
    moment; it is external, and dropping it leaves the files. INSERT INTO, because OVERWRITE puts a
    folder of Hive's own in the place of ours, with rights that are not ours.
    """
    table = f"{quoted(layer, 'hive')}.{quoted(f'lake_tmp_{secrets.token_hex(8)}', 'hive')}"
    stored = {
        name: _STAND_INS.get(column.type) or hive_tables.hive_type(column.parsed)
        for name, column in columns.items()
    }
    listed = ", ".join(f"{quoted(name, 'hive')} {type_}" for name, type_ in stored.items())
    chosen = ", ".join(
        f"CAST({quoted(name, 'hive')} AS {type_}) AS {quoted(name, 'hive')}"
        if columns[name].type in _STAND_INS
        else quoted(name, "hive")
        for name, type_ in stored.items()
    )
    order = ", ".join(quoted(name, "hive") for name in order_by)
    # A timestamp's text sorts as it does: 12:00:00 is before 12:00:00.05, and that before .5.
    rest = f"ORDER BY {order}" if order else ""
    hive.run(
        f"CREATE EXTERNAL TABLE {table} ({listed}) STORED AS PARQUET "
        f"LOCATION {literal(folder, 'hive')} TBLPROPERTIES ('parquet.compression'='SNAPPY')"
    )
    try:
        hive.run(query.within(chosen, rest, f"INSERT INTO TABLE {table}"))
    except PermanentError as error:
        if "Permission denied" not in str(error):
            raise
        raise PermanentError(
            f"{error} Hive writes into a folder that the lake has made: HiveServer2 must act for "
            "its users (hive.server2.enable.doAs), and `user` of the Hive connection be that of "
            "the HDFS one."
        ) from None
    finally:
        with suppress(LakeError):
            hive.run(f"DROP TABLE IF EXISTS {table}")


def rewritten(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """What Hive left with stand-ins, in the declared types."""
    for batch in batches:
        arrays = [
            typed(batch[field.name], field.type)
            if pa.types.is_timestamp(field.type)
            else batch[field.name].cast(field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
