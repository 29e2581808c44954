"""What only an engine can tell of a pipeline file: whether its SQL and conditions hold together.

Here: each dataset's SQL, filter, expectation and query, bound or parsed against the declared
columns, without data. Not here: rules that need the files alone (`consistency.py`) and running.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import sqlglot
from sqlglot.errors import SqlglotError

from lake_assets import hive_engine, steps
from lake_assets.loader import read_pipelines
from lake_assets.pipeline import QUERY_NAMES, Asset, Input, Pipeline, assets, catalogue
from lake_assets.spec.assets import Param
from lake_assets.spec.datasets import DatasetSpec, StepSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.sources import SourceSpec
from lake_assets.sql_binding import (
    Problem,
    columns_given,
    empty_tables,
    lake_type,
    nodes_of,
    one_select,
    select_lines,
    statement_tree,
    unknown_parameters,
    wrong_constants,
)
from resources.deliver import MODULES, kind_of
from resources.errors import PermanentError
from resources.settings import Settings
from resources.sql import DIALECTS
from resources.types import ColumnType, parse_type
from resources.yamlfile import Mistake, Mistakes, Place, dotted, nearest

#: Kinds of connection that hold tables.
_TABLES = ("duckdb", "postgres", "mariadb", "hive", "hana", "sqlserver", "tibero")
#: What a source names → the kinds of connection that have it.
KINDS = {
    "table": _TABLES,
    "query": _TABLES,
    "file": ("sftp", "hdfs", "storage"),
    "index": ("elasticsearch",),
    "api": ("http",),
}
WHAT = {
    "table": "tables",
    "query": "tables",
    "file": "files",
    "index": "indices",
    "api": "API",
}

#: `:name` outside quotes and comments (group 1), and `$name` (group 2).
_PLACEHOLDER = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|::|:([a-z_][a-z0-9_]*)|(\$\w+)"
)


def validate_folders(folders: Sequence[Path], settings: Settings | None = None) -> list[Mistake]:
    """All that is wrong in the pipelines of `folders`, whether the files or the engine tell it."""
    pipelines, mistakes = read_pipelines(folders)
    return sorted({*mistakes, *validate(pipelines, settings)})


def validate(pipelines: Sequence[Pipeline], settings: Settings | None = None) -> list[Mistake]:
    """All that is wrong in the SQL of `pipelines`; with `settings`, in their connections too.

    What `consistency.py` has against them is not repeated; SQL over inputs that there are not is
    left.
    """
    by_key = catalogue(pipelines)
    mistakes: list[Mistake] = []
    for asset in (asset for pipeline in pipelines for asset in assets(pipeline)):
        mistakes.extend(_expectations(asset))
        if isinstance(asset.spec, SourceSpec):
            mistakes.extend(_source(asset, asset.spec, settings))
        elif all(key in by_key for key in asset.inputs.values()):
            if isinstance(asset.spec, ModelSpec):
                mistakes.extend(_model(asset, asset.spec, by_key))
            elif isinstance(asset.spec, DeliverySpec):
                mistakes.extend(_delivery(asset, asset.spec, settings))
            elif asset.spec.steps is not None:
                mistakes.extend(_stepped(asset, asset.spec, asset.spec.steps, by_key))
            elif asset.spec.sql is not None:
                mistakes.extend(_dataset(asset, asset.spec, asset.spec.sql, by_key))
    for pipeline in pipelines:
        mistakes.extend(_unused_params(pipeline))
        mistakes.extend(_python(pipeline))
    return sorted(set(mistakes))


# --- datasets ------------------------------------------------------------------------------------


def _dataset(
    asset: Asset, spec: DatasetSpec, sql: str, by_key: Mapping[str, Input]
) -> Iterator[Mistake]:
    if spec.engine == "hive":
        yield from _hive_dataset(asset, spec, sql, by_key)
        return
    found = yield from _bound(asset, ("sql",), sql, by_key)
    if found is not None:
        yield from _compare(asset, spec, found, select_lines(sql))


def _stepped(
    asset: Asset, spec: DatasetSpec, given: Sequence[StepSpec], by_key: Mapping[str, Input]
) -> Iterator[Mistake]:
    """Steps, and the SQL before them, with the columns that there are before each."""
    if spec.sql is None:
        (key,) = asset.inputs.values()
        start = by_key[key].types
    else:
        found = yield from _bound(asset, ("sql",), spec.sql, by_key)
        if found is None:
            return
        start, lines = {}, select_lines(spec.sql)
        problems = []
        for name, kind in found:
            if name in start:
                what = f"gives two columns {name!r}"
                problems.append(Problem(lines.get(name, 1), what, "rename one"))
            elif lake_type(kind) == kind:
                what = f"gives {name!r} as {kind}, which is no type of the lake"
                cure = f"cast it: CAST(… AS BIGINT) AS {name}"
                problems.append(Problem(lines.get(name, 1), what, cure))
            else:
                start[name] = parse_type(lake_type(kind))
        yield from (_in_sql(asset, ("sql",), spec.sql, problem) for problem in problems)
        if problems:
            return
    # Only where there are steps: Arrow and Polars take 0.2 s.
    import pyarrow as pa

    from lake_assets import step_columns

    schema = pa.schema([(name, type_.arrow()) for name, type_ in start.items()])
    first = asset.partitions.first if asset.partitions else ""
    faulty = steps.faulty(asset, given)  # told by `consistency.py`
    called = steps.calls(asset, given, first, faulty)
    yield from step_columns.check(asset, called, schema, faulty)


def _hive_dataset(
    asset: Asset, spec: DatasetSpec, sql: str, by_key: Mapping[str, Input]
) -> Iterator[Mistake]:
    """SQL for Hive is bound as DuckDB's translation of it, which runs where there is no Hive."""
    problems = list(_parsed(sql, "hive"))
    translated = ""
    if not problems:
        try:
            translated = hive_engine.in_duckdb(sql, asset.key)
        except PermanentError as error:
            problems = [Problem(1, str(error).removeprefix(f"{asset.key}: "))]
    for problem in problems:
        yield _in_sql(asset, ("sql",), sql, problem)
    if not translated:
        return
    # What is wrong in the translation's one line is told where the file has the word for it.
    tables = {alias: _readable(by_key[key], hive=True) for alias, key in asset.inputs.items()}
    found, problems = _held(translated, tables, _values(asset))
    for problem in problems:
        yield _in_sql(asset, ("sql",), sql, replace(problem, line=_line_of(sql, problem.what)))
    if found is not None:
        lines = {name: _line_of(sql, f"'{name}'") for name, _ in found}
        yield from _compare(asset, spec, found, lines)


def _line_of(sql: str, what: str) -> int:
    """The last line with a word that `what` has in quotes; the first where there is none."""
    words = re.findall(r"""['"](\w+)['"]|\$(\w+)""", what)
    places = [
        match.start()
        for pair in words
        for word in filter(None, pair)
        for match in re.finditer(rf"(?i)\b{re.escape(word)}\b", sql)
    ]
    return sql[: max(places, default=0)].count("\n") + 1


def _bound(
    asset: Asset, place: Place, sql: str, by_key: Mapping[str, Input]
) -> Generator[Mistake, None, list[tuple[str, str]] | None]:
    """The columns that SQL over the asset's inputs gives; None where it does not hold together."""
    tables = {alias: _readable(by_key[key]) for alias, key in asset.inputs.items()}
    columns, problems = _held(sql, tables, _values(asset))
    for problem in problems:
        yield _in_sql(asset, place, sql, problem)
    return columns


def sql_types(asset: Asset, sql: str, by_key: Mapping[str, Input]) -> dict[str, ColumnType]:
    """The columns that SQL over the asset's inputs gives, as far as the lake has their types."""
    tables = {alias: _readable(by_key[key]) for alias, key in asset.inputs.items()}
    found, problems = _held(sql, tables, _values(asset))
    if found is None:
        raise PermanentError(f"{asset.key}: {problems[0].what}")
    named = {name: lake_type(kind) for name, kind in found if lake_type(kind) != kind}
    return {name: parse_type(kind) for name, kind in named.items()}


def _held(
    sql: str, tables: Mapping[str, Mapping[str, str]], values: Mapping[str, Any]
) -> tuple[list[tuple[str, str]] | None, list[Problem]]:
    """The columns that SQL gives, None where it does not hold together, and all against it."""
    problems = list(one_select(sql, tables)) or list(unknown_parameters(sql, values))
    if problems:
        return None, problems
    with empty_tables(tables):
        found = columns_given(sql, values, tables)
    if isinstance(found, Problem):
        return None, [found]
    return found, list(wrong_constants(sql, tables))


#: DuckDB's types of what a model can learn from, and of the rest of an example.
_NUMBERS = (*("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE"), "BOOLEAN")


def _model(asset: Asset, spec: ModelSpec, by_key: Mapping[str, Input]) -> Iterator[Mistake]:
    """The examples' SQL, and whether it gives the columns that the model names."""
    found = yield from _bound(asset, ("examples",), spec.examples, by_key)
    if found is None or asset.partitions is None:
        return
    given = dict(found)
    period = next(iter(asset.partitions.columns))
    if period not in given:
        cure = f"select {period}, the partition that an example is of"
        yield asset.mistake(("examples",), f"examples: gives no column {period!r}", cure)
    elif given[period] != asset.partitions.columns[period]:
        what = f"examples: gives {period} as {lake_type(given[period])}"
        yield asset.mistake(("examples",), what, f"select the {period} of an input")
    named: list[tuple[Place, str]] = [(("target",), spec.target), (("baseline",), spec.baseline)]
    named += [(("features", place), name) for place, name in enumerate(spec.features)]
    for place, name in named:
        kind = given.get(name)
        text = place[0] == "features" and kind == "VARCHAR"
        shown = place[0]
        if kind is None:
            what = f"{shown}: the examples have no column {name!r}"
            yield asset.mistake(place, what, nearest(name, given))
        elif not (text or kind in _NUMBERS or kind.startswith("DECIMAL")):
            what = f"{shown}: {name} is {lake_type(kind)}"
            cure = "write a number, true or false, or (a feature) text"
            yield asset.mistake(place, what, cure)


def _readable(asset: Input, hive: bool = False) -> dict[str, str]:
    """The columns of an input as SQL sees them, DuckDB's types, the partition column included."""
    names = hive_engine.visible(asset) if hive else asset.types
    columns = {name: asset.types[name].duckdb() for name in names}
    if asset.partitions:
        columns |= asset.partitions.columns
    return columns


def _values(asset: Asset) -> dict[str, Any]:
    """What a run binds: the parameters' defaults and a partition."""
    values: dict[str, Any] = _param_values(asset.pipeline.spec.params)
    if asset.partitions:
        values |= asset.partitions.words(asset.partitions.first, asset.partitions.first)
    return values


def _param_values(params: Mapping[str, Param]) -> dict[str, Any]:
    return {
        name: date.fromisoformat(str(param.default)) if param.type == "date" else param.default
        for name, param in params.items()
    }


def _compare(
    asset: Asset, spec: DatasetSpec, found: Sequence[tuple[str, str]], lines: Mapping[str, int]
) -> Iterator[Mistake]:
    """Columns and types that the SQL gives against those that are declared."""
    declared = {name: column.parsed.duckdb() for name, column in spec.columns.items()}
    own = asset.partitions.columns if asset.partitions else {}
    extra = own if spec.range else {}
    wanted = declared | extra
    seen: set[str] = set()
    for name, kind in found:
        if name in seen:
            problem = Problem(lines.get(name, 1), f"gives two columns {name!r}", "rename one")
            yield _in_sql(asset, ("sql",), spec.sql or "", problem)
        elif name not in wanted:
            cure = f"declare it, or take it out; {nearest(name, wanted)}"
            if name in own:
                cure = "readers add the partition column; take it out, or declare `range: true`"
            problem = Problem(lines.get(name, 1), f"gives the undeclared column {name!r}", cure)
            yield _in_sql(asset, ("sql",), spec.sql or "", problem)
        elif kind != wanted[name]:
            what = f"the SQL gives {name!r} as {lake_type(kind)}, declared is "
            what += spec.columns[name].type if name in declared else wanted[name].lower()
            cure = f"cast it in the SQL: CAST(… AS {wanted[name]}) AS {name}"
            if name in declared and lake_type(kind) != kind:
                cure += f", or declare {lake_type(kind)}"
            place: Place = ("columns", name) if name in declared else ("sql",)
            yield asset.mistake((*place, "type"), what, cure)
        seen.add(name)
    names = [name for name, _ in found]
    for name in declared:
        if name not in seen:
            what = f"the SQL gives no column {name!r}"
            yield asset.mistake(("columns", name), what, nearest(name, names))
    for name in extra:
        if name not in seen:
            what = f"range: true, but the SQL gives no column {name!r}"
            yield asset.mistake(("range",), what, f"select and group by {name}, or take range out")


# --- deliveries ----------------------------------------------------------------------------------


def _delivery(asset: Asset, spec: DeliverySpec, settings: Settings | None) -> Iterator[Mistake]:
    """Whether its connection is one that takes such a target."""
    if settings is None or spec.connection not in settings.connections:
        return
    kind, target = settings.connections[spec.connection].kind, kind_of(spec.target)
    takes = MODULES.get(target, {})
    if kind not in takes:
        what = f"the connection {spec.connection!r} is of kind {kind} in {settings.env!r}, to "
        what += f"which no {target} is delivered"
        cure = f"a {target} goes to {' or '.join(sorted(takes)) or 'nothing yet'}"
        yield asset.mistake(("connection",), what, cure)
    elif kind == "hive" and spec.table is not None and spec.table.mode == "upsert":
        what = f"the connection {spec.connection!r} is Hive in {settings.env!r}, which changes no "
        cure = "write mode: replace without key"
        yield asset.mistake(("table", "mode"), f"{what}rows by a key", cure)


# --- sources -------------------------------------------------------------------------------------


def _source(asset: Asset, spec: SourceSpec, settings: Settings | None) -> Iterator[Mistake]:
    params = _param_values(asset.pipeline.spec.params)
    if spec.filter is not None:
        for problem in _condition(asset, spec.filter, params):
            yield _in_sql(asset, ("filter",), spec.filter, problem)
    there = settings is not None and spec.connection in settings.connections
    kind = settings.connections[spec.connection].kind if settings and there else ""
    what = next(key for key in KINDS if getattr(spec, key) is not None)
    if kind and kind not in KINDS[what]:
        assert settings is not None
        is_of = f"the connection {spec.connection!r} is of kind {kind} in {settings.env!r}"
        fitting = [name for name, one in settings.connections.items() if one.kind in KINDS[what]]
        cure = nearest("", fitting) if fitting else f"a {what} needs {' or '.join(KINDS[what])}"
        yield asset.mistake(("connection",), f"{is_of}, which has no {WHAT[what]}", cure)
    if spec.query is None:
        return
    dialect = DIALECTS.get(spec.connection)
    if dialect is None:
        what = f"the connection {spec.connection!r} takes no query"
        yield asset.mistake(("query",), what, nearest(spec.connection, DIALECTS))
        return
    names = (*(QUERY_NAMES if asset.partitions and asset.partitions.cadence else ()), *params)
    for key, text in (("query", spec.query), ("local_query", spec.local_query)):
        if text is not None:
            speech = "duckdb" if key == "local_query" else dialect
            for problem in (*_placeholders(text, names), *_parsed(text, speech)):
                yield _in_sql(asset, (key,), text, problem)
    if not dialect and spec.local_query is None and kind != "hana":
        what = f"the dialect of {spec.connection!r} cannot be translated"
        yield asset.mistake(("query",), what, "add local_query: the same SELECT for DuckDB")


def _placeholders(text: str, names: Sequence[str]) -> Iterator[Problem]:
    for match in _PLACEHOLDER.finditer(text):
        if match[1] and match[1] not in names:
            line = text[: match.start()].count("\n") + 1
            yield Problem(line, f"there is no parameter {match[1]!r}", nearest(match[1], names))


def _parsed(text: str, dialect: str) -> Iterator[Problem]:
    """Whether a query of a source is one SELECT; a dialect nobody parses is looked at by word."""
    if not dialect:
        if not re.match(r"(?is)(?:\s|--[^\n]*\n|/\*.*?\*/)*(select|with)\b", text):
            yield Problem(1, "a query is one SELECT")
        return
    try:
        statements = sqlglot.parse(text, dialect=dialect)
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        what = details[0].get("description") or str(error).split("\n")[0]
        near = details[0].get("highlight")
        what += f", near {near!r}" if near else ""
        yield Problem(details[0].get("line", 1), f"not {dialect} SQL: {what}")
        return
    found = [statement for statement in statements if statement is not None]
    if len(found) != 1 or not isinstance(found[0], sqlglot.exp.Query):
        yield Problem(1, "a query is one SELECT")


# --- conditions ----------------------------------------------------------------------------------


def _expectations(asset: Asset) -> Iterator[Mistake]:
    for section in ("gates", "checks"):
        for name, condition in getattr(asset.spec, section).expect.items():
            for problem in _condition(asset, condition, {}):
                yield _in_sql(asset, (section, "expect", name), condition, problem)


def _condition(asset: Asset, condition: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """A boolean expression over one row of the asset's own columns."""
    unknown = list(_placeholders(condition, tuple(params)))
    for match in _PLACEHOLDER.finditer(condition):
        if match[2]:
            line = condition[: match.start()].count("\n") + 1
            what = f"{match[2]}: parameters of a condition begin with a colon"
            unknown.append(Problem(line, what, nearest(match[2], [f":{name}" for name in params])))
    yield from unknown
    if unknown:
        return
    bound = _PLACEHOLDER.sub(lambda match: f"${match[1]}" if match[1] else match[0], condition)
    # The condition stands on lines of its own, so a comment in it ends with it.
    for problem in _bound_condition(asset, f"SELECT\n{bound}\n", params):
        at = None if problem.line is None else max(problem.line - 1, 1)
        yield Problem(at, problem.what, problem.cure)


def _bound_condition(asset: Asset, select: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    problems = list(one_select(select, {}))
    problems = problems or list(unknown_parameters(select, params))
    if problems:
        yield from problems
        return
    example = "for example: amount >= 0"
    node = statement_tree(select)["statements"][0]["node"]
    plain = node.get("from_table", {}).get("type") == "EMPTY" and len(node["select_list"]) == 1
    if not plain or any(one.get("class") == "SUBQUERY" for one in nodes_of(select)):
        yield Problem(2, "is not one condition over the columns of a row", example)
        return
    tables = {"row": {name: kind.duckdb() for name, kind in asset.types.items()}}
    condition = select.removeprefix("SELECT\n")
    with empty_tables(tables):
        # WHERE refuses aggregates and windows, which see other rows.
        where = f'SELECT 1 FROM "row" WHERE (\n{condition})'
        found = columns_given(f'{select}FROM "row"', params, tables)
        also = columns_given(where, params, tables)
        yield from wrong_constants(select, tables)
    if isinstance(found, Problem):
        yield found
    elif found[0][1] != "BOOLEAN":
        yield Problem(2, f"gives {lake_type(found[0][1])}, not true or false", example)
    elif isinstance(also, Problem):
        yield also


# --- files ---------------------------------------------------------------------------------------


def _in_sql(asset: Asset, place: Place, sql: str, problem: Problem) -> Mistake:
    """A mistake at its line of the file, for SQL that stands at `place` of the asset."""
    file = asset.pipeline.file
    line = len(sql.rstrip().split("\n")) if problem.line is None else problem.line
    at = file.block_line((*asset.place, *place), line)
    shown = dotted(place)
    return Mistake(file.shown, at, f"{asset.key}: {shown}: {problem.what}", problem.cure)


def _unused_params(pipeline: Pipeline) -> Iterator[Mistake]:
    for name in pipeline.spec.params:
        if not any(name in used for used in map(_used, assets(pipeline))):
            cure = f"use it as ${name} in SQL, :{name} in a filter or query, or an argument"
            yield pipeline.file.mistake(("params", name), f"params: {name!r} is not used", cure)


def _used(asset: Asset) -> Iterable[str]:
    spec = asset.spec
    if isinstance(spec, SourceSpec):
        texts = filter(None, (spec.filter, spec.query, spec.local_query))
        return {m[1] for text in texts for m in _PLACEHOLDER.finditer(text) if m[1]}
    if isinstance(spec, DeliverySpec):
        return ()
    sql = spec.examples if isinstance(spec, ModelSpec) else spec.sql
    used = set(re.findall(r"\$(\w+)", sql or ""))
    code = spec.fit if isinstance(spec, ModelSpec) else spec.transform
    if code is None:
        return used
    file, _, function = code.partition(":")
    try:
        return used | _arguments(
            (asset.pipeline.folder / file).read_text(encoding="utf-8"), function
        )
    except (OSError, SyntaxError, ValueError):  # told by `signature.py`
        return asset.pipeline.spec.params


def _python(pipeline: Pipeline) -> Iterator[Mistake]:
    """What the folder's Python files raise when they are loaded."""
    code = [spec.transform for spec in pipeline.spec.datasets.values() if spec.transform]
    code += [spec.fit for spec in pipeline.spec.models.values()]
    names = {one.partition(":")[0] for one in code}
    files = [pipeline.folder / name for name in sorted({*names, "assets.py"})]
    if not any(file.exists() for file in files):
        return
    from lake_assets.transform import load_module

    for file in files:
        try:
            if file.exists():
                with catch_warnings():
                    simplefilter("ignore")
                    load_module(file)
        except Mistakes as error:
            yield from error.mistakes


def _arguments(text: str, function: str) -> set[str]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    return set()
