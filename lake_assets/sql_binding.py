"""One SELECT against declared tables, without data: whether it holds together, and what it gives.

Here: DuckDB's tree of a statement, binding it, its columns and types, and DuckDB's words made ours.
Not here: whose SQL it is and in which file (`validate.py`), and running it (`sql_engine.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import duckdb

from resources.types import SIMPLE, ColumnType, parse_type
from resources.yamlfile import nearest

#: Types whose text can be checked without running the SQL.
_CASTS = {
    *(ColumnType(name).duckdb() for name in SIMPLE if name not in ("string", "binary")),
    "TIMESTAMP WITH TIME ZONE",
}

#: Table functions that make rows of nothing but their arguments.
_TABLE_FUNCTIONS = ("unnest", "range", "generate_series")

_NOWHERE = 2**64 - 1


@dataclass(frozen=True)
class Problem:
    """Something wrong in line `line` of a piece of SQL; None is its last line."""

    line: int | None
    what: str
    cure: str = ""


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """A database without files, network, extensions or a way to get them; one a process."""
    engine = duckdb.connect(
        config={
            "enable_external_access": "false",
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "threads": 1,
        }
    )
    engine.execute("SET TimeZone = 'Asia/Seoul'")
    engine.execute("SET lock_configuration = true")
    return engine


@lru_cache(maxsize=64)
def statement_tree(sql: str) -> dict[str, Any]:
    """DuckDB's own tree of the SQL, whose `error` says whether there is none."""
    row = _engine().execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    assert row is not None
    found: dict[str, Any] = json.loads(row[0])
    return found


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


@lru_cache(maxsize=64)
def nodes_of(sql: str) -> tuple[dict[str, Any], ...]:
    """All nodes of the tree, each before those below it."""
    return tuple(_nodes(statement_tree(sql)))


def _line_at(sql: str, offset: int) -> int:
    return 1 if offset == _NOWHERE else sql.encode()[:offset].count(b"\n") + 1


def one_select(sql: str, tables: Mapping[str, object]) -> Iterator[Problem]:
    """Exactly one SELECT that reads `tables`, and nothing else: no file, address or other table."""
    tree = statement_tree(sql)
    if tree["error"]:
        what = tree["error_message"].split("\n")[0]
        if tree["error_type"] != "parser":
            yield Problem(
                1, "only one SELECT is allowed, no other statement", "for example: SELECT …"
            )
            return
        at = tree.get("position")
        ended = at is None or "end of input" in what
        # Counted in characters, where the tree's own locations are in bytes.
        yield Problem(None if ended else sql[: int(at or 0)].count("\n") + 1, what)
        return
    if len(tree["statements"]) != 1:
        yield Problem(1, f"only one SELECT is allowed, here are {len(tree['statements'])}")
        return
    own = {
        entry["key"].lower()
        for node in nodes_of(sql)
        for entry in node.get("cte_map", {}).get("map", [])
    }
    known = {name.lower() for name in tables}
    read: set[str] = set()
    for node in nodes_of(sql):
        kind, line = node.get("type"), _line_at(sql, node.get("query_location", _NOWHERE))
        if kind == "BASE_TABLE":
            name = node["table_name"]
            read.add(name.lower())
            if node["schema_name"] or node["catalog_name"]:
                full = ".".join(filter(None, (node["catalog_name"], node["schema_name"], name)))
                yield Problem(line, f"{full!r} is no input", nearest(name, tables))
            elif name.lower() not in known | own:
                cure = f"add it to `inputs`; {nearest(name, tables)}"
                yield Problem(line, f"there is no input {name!r}", cure)
        elif kind == "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            if name.lower() not in _TABLE_FUNCTIONS:
                cure = f"SQL reads its inputs and nothing else; {nearest(name, _TABLE_FUNCTIONS)}"
                yield Problem(line, f"{name}(…) is not allowed as a table", cure)
        elif kind == "SHOW_REF":
            yield Problem(line, "only one SELECT is allowed, no DESCRIBE, SHOW or SUMMARIZE")
    for name in tables:
        if name.lower() not in read and read <= known | own:
            yield Problem(1, f"the input {name!r} is not read", "take it out of `inputs`")


def unknown_parameters(sql: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """`$name` for which there is no value."""
    for node in nodes_of(sql):
        if node.get("class") == "PARAMETER" and node["identifier"] not in values:
            name = node["identifier"]
            at = re.search(rf"\${re.escape(name)}\b", sql)
            line = sql[: at.start()].count("\n") + 1 if at else 1
            yield Problem(line, f"there is no parameter ${name}", nearest(name, values))


def select_lines(sql: str) -> dict[str, int]:
    """The line of each named item of the outermost SELECT, where it is one."""
    node = statement_tree(sql)["statements"][0]["node"]
    lines = {}
    for item in node.get("select_list", []):
        name = item.get("alias") or (item.get("column_names") or [""])[-1]
        offsets = [one.get("query_location", _NOWHERE) for one in _nodes(item)]
        lines[name] = _line_at(sql, max((o for o in offsets if o != _NOWHERE), default=0))
    return lines


@contextmanager
def empty_tables(tables: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """Empty tables for as long as something is bound against them."""
    _engine().execute("BEGIN")
    try:
        for name, columns in tables.items():
            listed = ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns.items())
            _engine().execute(f"CREATE TABLE {_quoted(name)} ({listed})")
        yield
    finally:
        _engine().execute("ROLLBACK")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def columns_given(
    sql: str,
    values: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, str]],
) -> list[tuple[str, str]] | Problem:
    """The columns that the SQL gives, with DuckDB's types; or what DuckDB has against it."""
    statement = sql.rstrip().rstrip(";")
    used = {node["identifier"] for node in nodes_of(sql) if node.get("class") == "PARAMETER"}
    bound = {name: value for name, value in values.items() if name in used}
    try:
        rows = _engine().execute(f"DESCRIBE {statement}", bound).fetchall()
    except duckdb.Error as error:
        return _explained(str(error), sql, tables)
    renamed = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    return [(row[0], renamed.get(row[1], row[1])) for row in rows]


def wrong_constants(sql: str, tables: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Text that is cast to, or compared with, a type that it cannot be: DATE '2024-02-30'."""
    kinds: dict[str, set[str]] = {}
    for columns in tables.values():
        for name, kind in columns.items():
            kinds.setdefault(name, set()).add(kind)
    for node in nodes_of(sql):
        parts = [node.get(key) for key in ("left", "right", "input", "lower", "upper", "child")]
        children = [part for part in (*parts, *(node.get("children") or [])) if part]
        wanted: set[str] = set()
        if node.get("class") == "CAST" and not node["try_cast"]:
            info = node["cast_type"]["type_info"] or {}
            size = f"({info['width']},{info['scale']})" if "width" in info else ""
            wanted = {node["cast_type"]["id"] + size}
        elif node.get("class") in ("COMPARISON", "BETWEEN") or node.get("type") == "COMPARE_IN":
            names = [one["column_names"][-1] for one in children if one["class"] == "COLUMN_REF"]
            wanted = kinds.get(names[0], set()) if len(names) == 1 else set()
        # A name that stands for two types in two inputs is not judged, nor is a made-up type.
        if len(wanted) != 1 or (not wanted <= _CASTS and not min(wanted).startswith("DECIMAL(")):
            continue
        for one in children:
            if one["class"] == "CONSTANT" and isinstance(one["value"].get("value"), str):
                text, kind = one["value"]["value"], min(wanted)
                asked = f"SELECT TRY_CAST($text AS {kind}) IS NULL"
                row = _engine().execute(asked, {"text": text}).fetchone()
                if row and row[0] and one["value"]["type"]["id"] == "VARCHAR":
                    line = _line_at(sql, one["query_location"])
                    yield Problem(line, f"{text!r} is no {lake_type(kind)}")


def _explained(message: str, sql: str, tables: Mapping[str, Mapping[str, str]]) -> Problem:
    text, _, where = message.partition("\n\nLINE ")
    line = int(where.split(":")[0]) if where else 1
    word = re.search(r'"([^"]+)"', text)
    if not where and word and word[1] in sql:  # DuckDB names it, but not the place
        line = sql[: sql.index(word[1])].count("\n") + 1
    what, *hints = text.split("\n")
    what = what.split(": ", 1)[-1] if " Error: " in what else what
    column = re.search(r'(?:Referenced column|does not have a column named) "([^"]+)"', what)
    if column:
        known = {name for columns in tables.values() for name in columns}
        return Problem(line, f"there is no column {column[1]!r}", nearest(column[1], known))
    return Problem(line, what, " ".join(hint for hint in hints if hint))


def lake_type(kind: str) -> str:
    """DuckDB's word for a type in the words of a pipeline file, where there is one."""
    names = {ColumnType(name).duckdb(): name for name in SIMPLE}
    if kind.startswith("DECIMAL"):
        return parse_type(kind.lower()).name
    return names.get(kind, kind)
