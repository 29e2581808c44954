"""SQL made for a source: literals, names, bound parameters, filters, windows, the statements read.

Here: text in one of the dialects, every value through `literal`, every name through `quoted`. Not
here: running it and knowing a column's type (`table_reader.py`), nor SQL over datasets.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects.hive import Hive
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.generator import Generator

from resources.errors import PermanentError
from resources.partition import Cadence
from resources.source import Column, Span, Table, WindowKind
from resources.sql_generators import Hana, OracleGenerator, TsqlGenerator
from resources.yamlfile import nearest

Dialect = Literal["duckdb", "postgres", "hive", "mysql", "tsql", "hana", "oracle"]
Value = str | int | float | bool | Decimal | date | datetime | None

#: Stands for `:start` and `:end` where only the types of a query's columns are asked for.
ANY_SPAN = Span(date(2000, 1, 1), date(2000, 1, 2), "daily")

#: The dialect of the system behind a connection, in sqlglot's words; '' where it has none.
DIALECTS = {
    "hive": "hive",
    "hana_db": "",
    "hana_bw": "",
    "sqlserver": "tsql",
    "tibero": "oracle",
    "postgres": "postgres",
    "mariadb": "mysql",
}

#: Seoul has had no summer time since 1988, so its days are these nine hours, without a time zone
#: database on either side.
SEOUL = timezone(timedelta(hours=9))


#: What makes a comparison with a text exact where the dialect's own ignores upper and lower case.
EXACTLY = {"mysql": " COLLATE utf8mb4_bin", "tsql": " COLLATE Latin1_General_100_BIN2"}


def literal(value: Value, dialect: Dialect) -> str:
    """A value as SQL text, read back by the database as exactly this value.

    >>> literal("it's", "postgres"), literal(None, "duckdb")
    ("'it''s'", 'NULL')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool) and dialect in ("tsql", "oracle"):
        return str(int(value))
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        # Beyond 64 bits DuckDB would read a bare number as DOUBLE.
        if -(2**63) < value < 2**63:
            return f"({value})" if value < 0 else str(value)
        return literal(Decimal(value), dialect)
    if dialect == "oracle" and not isinstance(value, str):
        return _oracle(value)
    if isinstance(value, Decimal):
        return _cast(_digits(value), f"DECIMAL({_precision(value)})", dialect)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PermanentError(f"{value} is no value that a statement can carry.")
        return _cast(repr(value), "DOUBLE", dialect)
    if isinstance(value, datetime) and dialect == "mysql":
        # Sessions are in UTC, so an instant is its UTC wall time. DATETIME alone has no fractions.
        utc = value.astimezone(timezone.utc).replace(tzinfo=None) if value.tzinfo else value
        text = utc.isoformat(sep=" ", timespec="microseconds")
        return f"CAST({literal(text, dialect)} AS DATETIME(6))"
    if isinstance(value, datetime):
        kind = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
        if dialect in ("hive", "hana") and value.tzinfo is not None:
            name = {"hive": "Hive", "hana": "HANA"}[dialect]
            raise PermanentError(f"{name} has no timestamps with a zone; give it wall time.")
        return _cast(value.isoformat(sep=" ", timespec="microseconds"), kind, dialect)
    if isinstance(value, date):
        return _cast(value.isoformat(), "DATE", dialect)
    return _text(value, dialect)


def _oracle(value: Decimal | float | date | datetime) -> str:
    """A value in words that no setting of an Oracle-like session reads another way.

    A text that is cast to a number would be read by NLS_NUMERIC_CHARACTERS. A moment without
    fractions is a DATE: compared with a TIMESTAMP, a DATE column's index would not be used.
    """
    if isinstance(value, date):
        form, make = "YYYY-MM-DD", "TO_DATE"
        text = value.isoformat()
        if isinstance(value, datetime):
            form += " HH24:MI:SS"
            text = value.isoformat(sep=" ", timespec="seconds")
            if value.microsecond or value.tzinfo is not None:
                form, make = f"{form}.FF", "TO_TIMESTAMP"
                text = value.isoformat(sep=" ", timespec="microseconds")
            if value.tzinfo is not None:
                utc = value.astimezone(timezone.utc).replace(tzinfo=None)
                form, make = f"{form} TZH:TZM", "TO_TIMESTAMP_TZ"
                text = utc.isoformat(sep=" ", timespec="microseconds") + " +00:00"
        return f"{make}('{text}', '{form}')"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PermanentError(f"{value} is no value that a statement can carry.")
        return f"({value!r})"
    digits = _digits(value)
    _precision(value)
    return f"({digits})" if value.is_signed() else digits


def complaint(error: Exception, statement: str) -> str:
    """DuckDB's words for a statement that failed, without the values it failed at.

    They may be personal, and messages go everywhere. What is said before any row was read (parser,
    binder, catalog) knows none and is told whole; later ones tell their kind, the column, and
    the line where it is part of the statement.
    """
    text = str(error)
    if re.match(r"(Parser|Syntax|Binder|Catalog) Error: ", text):
        return text
    kind = re.match(r"[A-Z][A-Za-z ]{,30} Error(?=: )", text)
    said = kind[0] if kind else type(error).__name__
    column = re.findall(r" when casting from source column ([a-z_][a-z0-9_]*)(?=\n|$)", text)
    if column and re.search(rf"\b{column[-1]}\b", statement):
        said += f" when casting the column {column[-1]}"
    elif "Overflow in " in text:
        said += ", an overflow"
    line = re.findall(r"\nLINE \d+: (.*)\n", text)
    if line and line[-1].strip(" .") in statement:
        said += f", at {line[-1].strip()!r}"
    return f"{said} (the value is not shown, it may be personal)"


def _text(value: str, dialect: Dialect) -> str:
    if "\0" in value:
        raise PermanentError("A text with the character NUL cannot be put into a statement.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PermanentError("A text is no valid Unicode (half a surrogate pair).") from None
    if dialect == "oracle" and not value:
        raise PermanentError(
            "In an Oracle-like database '' is NULL, and comparing with it finds nothing: "
            "write IS NULL or IS NOT NULL."
        )
    if dialect == "postgres" and "\\" in value:
        # The escape form means the same whatever `standard_conforming_strings` is on the server;
        # libpq's PQescapeLiteral does so too.
        return "E" + exp.Literal.string(value.replace("\\", "\\\\")).sql("postgres")
    if dialect == "mysql" and "\\" in value:
        # Bytes mean the same whether or not the server's sql_mode has NO_BACKSLASH_ESCAPES.
        return f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)"
    if dialect == "tsql" and not value.isascii():
        # Without the N the server puts it through its code page.
        return "N" + exp.Literal.string(value).sql("tsql")
    if dialect == "hive":
        # Three octal digits mean the same to every Hive; `\\u` does not (1.2 reads its four digits
        # as decimal ones). A `$` could begin a `${variable}`, which the server replaces before it
        # knows what a text is; control characters have no place in the XML that describes a job.
        return "'" + _HIVE_ESCAPED.sub(lambda found: f"\\{ord(found[0]):03o}", value) + "'"
    return exp.Literal.string(value).sql(dialect)


_HIVE_ESCAPED = re.compile(r"['\"\\$\x01-\x1f\x7f]")


def _cast(text: str, kind: str, dialect: Dialect) -> str:
    return exp.cast(exp.Literal.string(text), kind, dialect="duckdb").sql(dialect)


def _digits(value: Decimal) -> str:
    if not value.is_finite():
        raise PermanentError(f"{value} is no value that a statement can carry.")
    return format(value, "f")


def _precision(value: Decimal) -> str:
    if not value:
        return "1, 0"  # to Hive 0.00 has a digit before the point, and is NULL as a DECIMAL(2, 2)
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale, 1)
    if precision > 38:
        raise PermanentError("A number of more than 38 digits cannot be put into a statement.")
    return f"{precision}, {scale}"


def quoted(name: str, dialect: Dialect) -> str:
    """A name as SQL text, whatever characters it has.

    >>> quoted('/BIC/a"b', "postgres")
    '"/BIC/a""b"'
    """
    if not name or "\0" in name:
        raise PermanentError(f"{name!r} is no name of a table or column.")
    return exp.to_identifier(name, quoted=True).sql(dialect)


def translated(query: str, read: str, kind: str, what: str) -> str:
    """A query in the dialect `read` (sqlglot's word) for a connection of `kind`, comments dropped.

    `:name` placeholders stay. As it is where the kind speaks that dialect; PermanentError where
    sqlglot cannot read the query. Whether it means the same is for a test to show.
    """
    if read == kind:
        return query
    try:
        tree = sqlglot.parse_one(query, dialect=read)
    except SqlglotError as error:
        raise PermanentError(f"{what}: the query is no {read} SQL: {_reason(error)}.") from None
    named = tree.transform(
        lambda node: exp.Var(this=f":{node.name}") if isinstance(node, exp.Placeholder) else node
    )
    return named.sql(dialect=kind)


def placeholders(query: str, dialect: Dialect) -> list[str]:
    """The names of the `:name` placeholders of a query, in order."""
    return [name for _, _, name in _places(query, dialect)]


def bind(query: str, values: Mapping[str, Value], dialect: Dialect, what: str) -> str:
    """A query with its `:name` placeholders as literals; the rest of its text stays as written.

    Anything but one SELECT is refused. `what` says where the query stands.
    """
    try:
        statements = sqlglot.parse(query, read=dialect)
    except SqlglotError as error:
        raise PermanentError(f"{what}: the query is no SQL: {_reason(error)}.") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise PermanentError(f"{what}: the query must be one SELECT and nothing else.")
    out, at = [], 0
    for start, end, name in _places(query, dialect):
        if name not in values:
            hint = (
                "is known only where a partition is read"
                if name in ("start", "end")
                else f"is not declared; {nearest(name, [*values, 'start', 'end'])}"
            )
            raise PermanentError(f"{what}: the query's parameter :{name} {hint}.")
        out += [query[at:start], literal(values[name], dialect)]
        at = end
    # A comment at the end must not swallow what follows.
    return "".join([*out, query[at:].rstrip().rstrip(";")]) + "\n"


def _places(query: str, dialect: Dialect) -> Iterable[tuple[int, int, str]]:
    """Start, end and name of each `:name`, found by the dialect's tokenizer, not in texts."""
    try:
        tokens = sqlglot.tokenize(query, read=dialect)
    except SqlglotError:
        return
    for colon, word in pairwise(tokens):
        adjacent = colon.end + 1 == word.start and re.fullmatch(r"[A-Za-z_]\w*", word.text)
        if colon.token_type.name == "COLON" and adjacent:
            yield colon.start, word.end + 1, word.text


def _reason(error: SqlglotError) -> str:
    """sqlglot's words without its excerpt, which it marks with terminal codes."""
    return str(error).split("\n")[0].strip().rstrip(".").split(". Line")[0]


#: What a filter may be made of. Everything has the same meaning in both dialects after sqlglot;
#: functions it does not know, subqueries, aggregates and statements are not among it.
_ALLOWED = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.Is, exp.In, exp.Between, exp.Null, exp.Boolean),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Like, exp.ILike, exp.Escape, exp.StartsWith, exp.Case, exp.If, exp.Coalesce, exp.Nullif),
    *(exp.Column, exp.Identifier, exp.Literal, exp.Placeholder, exp.Parameter, exp.Var),
    *(exp.Cast, exp.DataType, exp.DataTypeParam, exp.Interval),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.DPipe),
    *(exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Substring, exp.Left, exp.Right),
    *(exp.Year, exp.Month, exp.Day, exp.Extract),
)
_BOOLEAN = (
    *(exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between, exp.Boolean, exp.Like, exp.ILike),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.StartsWith, exp.Escape),
)


#: What stands after ESCAPE so that nothing is escaped; MariaDB takes '' for its default.
_NO_ESCAPE = {"postgres": "", "mysql": "\x01", "oracle": "\x01"}


def condition(
    text: str,
    columns: Sequence[Column],
    params: Mapping[str, Value],
    dialect: Dialect,
    *,
    alias: str = "q",
) -> str:
    """A filter (DuckDB's dialect, the lake's column names) in the source's names and dialect.

    Only a true-or-false expression over the declared columns is taken; `PermanentError` says what
    else stands there.
    """
    what = f"The filter {text!r}"
    try:
        parsed = sqlglot.parse(text, read="duckdb")
    except SqlglotError as error:
        raise PermanentError(f"{what} is no SQL condition: {_reason(error)}.") from None
    tree = parsed[0] if len(parsed) == 1 else None
    if tree is None:
        raise PermanentError(f"{what} must be one condition and nothing else.")
    for node in tree.walk():
        if not isinstance(node, _ALLOWED):
            raise PermanentError(
                f"{what} has {_shown(node)}; a filter is made of columns, values, "
                "comparisons, AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL, CASE, arithmetic and "
                "simple functions (lower, trim, substring, coalesce, year …)."
            )
    by_name = {column.name.casefold(): column for column in columns}
    exactly = EXACTLY.get(dialect, "")

    def rewrite(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            column = by_name.get(node.name.casefold())
            if column is None or node.table:
                names = [column.name for column in columns]
                raise PermanentError(
                    f"{what}: {node.sql('duckdb')} is no declared column; "
                    f"{nearest(node.name, names)}."
                )
            return exp.Var(this=f"{alias}.{quoted(column.source, dialect)}")
        if isinstance(node, exp.Placeholder | exp.Parameter):
            name = node.name
            if name not in params:
                raise PermanentError(
                    f"{what}: the parameter :{name} is not declared; {nearest(name, params)}."
                )
            exact = exactly if isinstance(params[name], str) else ""
            return exp.Var(this=literal(params[name], dialect) + exact)
        if isinstance(node, exp.Interval):
            # The generators write it each in their own way; digits need no more care.
            if not re.fullmatch(r"[0-9]{1,9}", node.name):
                raise PermanentError(f"{what}: write an interval as INTERVAL 3 DAY.")
            return node
        if isinstance(node.parent, exp.Interval):
            return node
        if isinstance(node, exp.Literal) and node.is_string:
            sign = isinstance(node.parent, exp.Escape) and node.arg_key == "expression"
            return exp.Var(this=literal(node.name, dialect) + ("" if sign else exactly))
        if isinstance(node, exp.Literal) and dialect == "hive" and "." in node.name:
            # To Hive 1.5 is a DOUBLE, and what it is compared with becomes one.
            return exp.Var(this=literal(Decimal(node.name), dialect))
        return node

    inner = tree.unnest()
    declared = by_name.get(inner.name.casefold()) if isinstance(inner, exp.Column) else None
    if not isinstance(inner, _BOOLEAN) and not (declared and declared.type.name == "boolean"):
        raise PermanentError(f"{what} is not true or false for a row; write a comparison.")
    whole: exp.Expr = exp.Paren(this=tree)
    for like in list(whole.find_all(exp.Like, exp.ILike)):
        escape = like.parent if isinstance(like.parent, exp.Escape) else None
        if dialect == "hive":
            (escape or like).replace(_matched(like, escape, params, what))
        elif dialect in _NO_ESCAPE and not escape:
            # A backslash in a pattern is itself in DuckDB; these have to be told so.
            nothing = exp.Literal.string(_NO_ESCAPE[dialect])
            like.replace(exp.Escape(this=like.copy(), expression=nothing))
        elif dialect == "tsql":
            _without_sets(like, escape, params, what)
    if dialect == "hive":
        _stamped(whole, by_name, params)
    if dialect in ("tsql", "hana", "oracle"):
        _compared_with_true(whole, by_name)
    if dialect == "oracle":
        _cast_plainly(whole, by_name, what)
    written = whole.transform(rewrite)
    own = _GENERATORS.get(dialect)
    made: str = (
        own(comments=False).generate(written) if own else written.sql(dialect, comments=False)
    )
    return made


def _matched(
    like: exp.Expr, escape: exp.Escape | None, params: Mapping[str, Value], what: str
) -> exp.Expr:
    """LIKE as a regular expression: Hive's knows no ESCAPE, nor that `%` may be a line's end."""
    pattern = like.expression
    given = params.get(pattern.name) if not isinstance(pattern, exp.Literal) else pattern.name
    if not isinstance(given, str):
        raise PermanentError(f"{what}: in Hive the pattern of LIKE must be a text.")
    sign = escape.expression.name if escape else None
    words, text = {"%": ".*", "_": "."}, iter(given)
    parts = [
        re.escape(next(text, "")) if one == sign else words.get(one) or re.escape(one)
        for one in text
    ]
    flags = "(?siu)" if isinstance(like, exp.ILike) else "(?s)"
    regex = exp.Literal.string(rf"{flags}\A{''.join(parts)}\z")
    found = exp.RegexpLike(this=like.this.copy(), expression=regex)
    return exp.Not(this=found) if like.args.get("negate") else found


def _without_sets(
    like: exp.Expr, escape: exp.Escape | None, params: Mapping[str, Value], what: str
) -> None:
    """A `[` in a pattern is itself in DuckDB, and begins a set of characters in SQL Server."""
    pattern = like.expression
    given = params.get(pattern.name) if not isinstance(pattern, exp.Literal) else pattern.name
    if not isinstance(given, str):
        raise PermanentError(f"{what}: in SQL Server the pattern of LIKE must be a text.")
    sign, text = escape.expression.name if escape else None, iter(given)
    itself = f"{sign}[" if sign else "[[]"
    parts = [one + next(text, "") if one == sign else itself if one == "[" else one for one in text]
    pattern.replace(exp.Literal.string("".join(parts)))


def _cast_plainly(tree: exp.Expr, by_name: Mapping[str, Column], what: str) -> None:
    """Casts that depend on the session's formats, or keep the time of a day, in other words."""
    for cast in list(tree.find_all(exp.Cast)):
        of, to = cast.this, str(cast.to.this.name)
        column = by_name.get(of.name.casefold()) if isinstance(of, exp.Column) else None
        name = column.type.name if column else ""
        moment = to == "DATE" or to.startswith("TIMESTAMP")
        if isinstance(of, exp.Literal) and of.is_string and moment:
            read = date.fromisoformat if to == "DATE" else datetime.fromisoformat
            try:
                cast.replace(exp.Var(this=_oracle(read(of.name))))
            except ValueError:
                raise PermanentError(f"{what}: {of.name!r} is no {to.lower()}.") from None
        elif to == "DATE" and name in ("date", "timestamp"):
            cast.replace(exp.Anonymous(this="TRUNC", expressions=[of.copy()]))
        elif not (name.startswith(("int", "decimal")) if to != "TEXT" else name == "string"):
            raise PermanentError(
                f"{what}: {cast.sql('duckdb')} would depend on the session's formats there. "
                "Compare the column itself, or cast it in a `query`."
            )


def _compared_with_true(tree: exp.Expr, by_name: Mapping[str, Column]) -> None:
    """A boolean column alone is no condition there: `flag` becomes `flag = TRUE`."""
    for column in list(tree.find_all(exp.Column)):
        declared, parent = by_name.get(column.name.casefold()), column.parent
        asked = isinstance(parent, exp.And | exp.Or | exp.Not | exp.Paren) or (
            isinstance(parent, exp.If) and column.arg_key == "this"
        )
        if declared is not None and declared.type.name == "boolean" and asked:
            column.replace(exp.EQ(this=column.copy(), expression=exp.true()))


_COMPARED = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Between, exp.In),
)


def _stamped(tree: exp.Expr, by_name: Mapping[str, Column], params: Mapping[str, Value]) -> None:
    """Dates that are compared with timestamps become timestamps: Hive 1.2 compares their texts."""

    def kind(node: exp.Expr) -> str:
        if isinstance(node, exp.Column):
            column = by_name.get(node.name.casefold())
            return column.type.name if column else ""
        if isinstance(node, exp.Placeholder | exp.Parameter):
            value = params.get(node.name)
            dated = "date" if isinstance(value, date) else ""
            return "timestamp" if isinstance(value, datetime) else dated
        if isinstance(node, exp.Cast):
            name = str(node.to.this.name).lower()
            return "timestamp" if name.startswith("timestamp") else name
        shifted = isinstance(node, exp.Add | exp.Sub) and node.find(exp.Interval)
        return "timestamp" if shifted else ""

    for compared in list(tree.find_all(*_COMPARED)):
        kinds = [(node, kind(node)) for node in compared.iter_expressions()]
        if {"date", "timestamp"} <= {its for _, its in kinds}:
            for node, its in kinds:
                if its == "date":
                    node.replace(exp.cast(node.copy(), "TIMESTAMP"))


class _HiveGenerator(Hive.Generator):  # type: ignore[misc, valid-type]
    """HiveQL of 1.2, which sqlglot takes to know more than it does."""

    TRANSFORMS = {  # noqa: RUF012 - sqlglot's way
        **Hive.Generator.TRANSFORMS,
        exp.NullSafeEQ: lambda self, node: self.binary(node, "<=>"),
        exp.NullSafeNEQ: lambda self, node: f"NOT ({self.binary(node, '<=>')})",
        exp.DPipe: lambda self, node: self.func("CONCAT", node.this, node.expression),
        exp.Extract: lambda self, node: self.func(node.name, node.expression),
        exp.StartsWith: lambda self, node: (
            f"SUBSTRING({self.sql(node, 'this')}, 1, LENGTH({self.sql(node, 'expression')})) = "
            f"{self.sql(node, 'expression')}"
        ),
        exp.Nullif: lambda self, node: (
            f"IF({self.sql(node, 'this')} = {self.sql(node, 'expression')}, NULL, "
            f"{self.sql(node, 'this')})"
        ),
        exp.Right: lambda self, node: (
            f"SUBSTRING({self.sql(node, 'this')}, GREATEST(1, LENGTH({self.sql(node, 'this')}) + 1 "
            f"- {self.sql(node, 'expression')}))"
        ),
    }


class _MySQLGenerator(MySQL.Generator):  # type: ignore[misc, valid-type]
    """What MariaDB has another way for than sqlglot thinks."""

    TRANSFORMS = {  # noqa: RUF012 - sqlglot's way
        **MySQL.Generator.TRANSFORMS,
        exp.StartsWith: lambda self, node: (
            f"LEFT({self.sql(node, 'this')}, CHAR_LENGTH({self.sql(node, 'expression')})) = "
            f"{self.sql(node, 'expression')}"
        ),
    }


_GENERATORS: Mapping[str, type[Generator]] = {
    "hive": _HiveGenerator,
    "mysql": _MySQLGenerator,
    "tsql": TsqlGenerator,
    "hana": Hana.Generator,
    "oracle": OracleGenerator,
}


def _shown(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return f"the function {node.name}()"
    if isinstance(node, exp.Query | exp.Subquery):
        return "a subquery"
    return f"{node.key.upper()} ({node.sql('duckdb')[:60]})"


def window_condition(
    column: str,
    kind: WindowKind,
    span: Span,
    dialect: Dialect,
    *,
    instant: bool = False,
    number: bool = False,
) -> str:
    """`column` (SQL text) lies in `span`. Half open, so midnight belongs to one day.

    `instant`: the column is a timestamp with time zone. `number`: yyyymmdd is a number there, and
    compared as one: of a text the database would convert the column, and use no index.
    """
    low, high = (
        literal(_bound(end, kind, instant, number), dialect) for end in (span.start, span.end)
    )
    return f"{column} >= {low} AND {column} < {high}"


def _bound(day: date, kind: WindowKind, instant: bool, number: bool) -> Value:
    if kind == "yyyymmdd":
        return int(f"{day:%Y%m%d}") if number else f"{day:%Y%m%d}"
    if kind == "date" and not instant:
        return day
    moment = day if isinstance(day, datetime) else datetime.combine(day, time())
    return moment.replace(tzinfo=SEOUL) if instant else moment


def time_of(column: str, kind: WindowKind, cadence: Cadence, *, instant: bool = False) -> str:
    """The day that `column` (SQL text) says: a DATE, or for yyyymmdd its text as it stands.

    For hours the beginning of its hour, a TIMESTAMP.
    """
    if kind == "yyyymmdd":
        return f"CAST({column} AS VARCHAR)"
    local = f"{column} AT TIME ZONE 'Asia/Seoul'" if instant else column
    if cadence == "hourly":
        return f"date_trunc('hour', CAST({local} AS TIMESTAMP))"
    return f"CAST({local} AS DATE)"


def query_values(table: Table, span: Span | None) -> dict[str, Value]:
    """What `:start`, `:end` and the parameters of a free query stand for."""
    values: dict[str, Value] = dict(table.params)
    if span is not None:
        window = table.window
        kind: WindowKind = window.kind if window else "date"
        number = any(c.type.is_number for c in table.columns if window and c.name == window.column)
        ends = {"start": span.start, "end": span.end}
        values |= {name: _bound(day, kind, False, number) for name, day in ends.items()}
    return values


def relation(table: Table, span: Span | None, dialect: Dialect) -> str:
    """What stands after FROM: the table, or the free query with its parameters, as `q`."""
    alias = " q" if dialect == "oracle" else " AS q"
    if table.query is not None:
        bound = bind(table.query, query_values(table, span), dialect, table.shown)
        return f"({bound}){alias}"
    assert table.table is not None
    return table_name(table.schema, table.table, dialect) + alias


def table_name(schema: str | None, table: str, dialect: Dialect) -> str:
    """The table's quoted name, with its schema where one is given."""
    names = [schema, table] if schema else [table]
    return ".".join(quoted(name, dialect) for name in names)


def statement(
    selected: Iterable[str],
    source: str,
    where: Collection[str] = (),
    *,
    group_by: Sequence[str] = (),
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> str:
    """A SELECT of parts that are SQL text already."""
    parts = ["SELECT " + ", ".join(selected), "FROM " + source]
    if where:
        parts.append("WHERE " + " AND ".join(f"({one})" for one in where))
    if group_by:
        parts.append("GROUP BY " + ", ".join(group_by))
    if order_by:
        parts.append("ORDER BY " + ", ".join(order_by))
    if limit is not None:
        parts.append(f"LIMIT {limit:d}")
    return "\n".join(parts)


def similar(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one is near, else nothing: for lists too long to show."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
