"""What the columns of a SELECT come of, read from its text.

Here: one walk over sqlglot's scopes of a statement whose names are qualified and whose stars are
expanded. Not here: which assets the tables are, steps and declarations (`lineage.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from lake_assets.edge import ROWS, Kind, Origin, Origins, along
from lake_assets.sql_aggregates import has_aggregate, is_aggregate

_NOTHING: Origins = frozenset()


class Unreadable(Exception):
    """What this reader does not understand; the text says which part of the statement."""


@dataclass(frozen=True)
class SelectLineage:
    """Of a SELECT: its columns in order, what decides its rows, the tables whose rows they are.

    An origin's asset is the name of a table in the statement. A column that could not be read has
    None. `expressions` are the columns' own text, without what they are called.
    """

    columns: Mapping[str, Origins | None]
    rows: Origins
    star: Origins
    expressions: Mapping[str, str]


def select_lineage(
    sql: str, tables: Mapping[str, Sequence[str]] | None, dialect: str
) -> SelectLineage:
    """The lineage of one SELECT over `tables` (name → columns); None where they are not known.

    `Unreadable` or sqlglot's own error where the statement as a whole is not understood.
    """
    tree = sqlglot.parse_one(sql, dialect=dialect)
    # What a USING becomes is a coalesce too.
    for node in tree.find_all(exp.Coalesce):
        node.meta["written"] = True
    # A source's own names stay as they are written, and which columns it has is not known.
    speech = dialect if tables is not None else f"{dialect}, normalization_strategy=case_sensitive"
    qualified = qualify(
        tree,
        dialect=speech,
        schema={name: dict.fromkeys(columns, "UNKNOWN") for name, columns in (tables or {}).items()}
        or None,
        validate_qualify_columns=tables is not None,
        allow_partial_qualification=tables is None,
        quote_identifiers=False,
    )
    scope = build_scope(qualified)
    if scope is None:
        raise Unreadable(f"a {type(qualified).__name__.upper()} statement")
    reader = _Reader(dialect, scope, tables)
    columns = reader.outputs(scope)
    expressions = {name: reader.expression(scope, name) for name in columns}
    return SelectLineage(columns, reader.rows(scope), reader.star(scope), expressions)


class _Reader:
    """Reads each scope of one statement once."""

    def __init__(
        self, dialect: str, root: Scope, tables: Mapping[str, Sequence[str]] | None
    ) -> None:
        self.dialect = dialect
        self._tables = tables
        #: A recursive query knows itself by a scope of its own, without sources.
        self._scopes = {id(one.expression): one for one in root.traverse()}
        self._outputs: dict[int, dict[str, Origins | None]] = {}
        self._rows: dict[int, Origins] = {}

    # --- columns ---------------------------------------------------------------------------------

    def outputs(self, scope: Scope) -> dict[str, Origins | None]:
        """Column → what it comes of, in the order of the SELECT."""
        if id(scope) not in self._outputs:
            self._outputs[id(scope)] = dict(self._read_outputs(scope))
        return self._outputs[id(scope)]

    def _read_outputs(self, scope: Scope) -> Iterator[tuple[str, Origins | None]]:
        query = scope.expression
        if isinstance(query, exp.Select):
            seen: set[str] = set()
            for selected in query.selects:
                if selected.alias_or_name not in seen:
                    seen.add(selected.alias_or_name)
                    try:
                        yield selected.alias_or_name, self.values(selected, scope)
                    except Unreadable:
                        yield selected.alias_or_name, None
        elif isinstance(query, exp.SetOperation):
            yield from self._of_both(query, *map(self.outputs, scope.set_operation_scopes))
        elif isinstance(query, exp.Subquery) and scope.subquery_scopes:
            yield from self.outputs(scope.subquery_scopes[0]).items()
        else:
            raise Unreadable(f"a {type(query).__name__.upper()}")

    def _of_both(
        self,
        query: exp.SetOperation,
        left: Mapping[str, Origins | None],
        right: Mapping[str, Origins | None],
    ) -> Iterator[tuple[str, Origins | None]]:
        """A set operation's columns: by place, or by name; those of EXCEPT are the left one's."""
        by_name = query.args.get("by_name")
        names = list(dict.fromkeys([*left, *right])) if by_name else list(left)
        others = list(right.values())
        for place, name in enumerate(names):
            mine: Origins | None = left.get(name, _NOTHING)
            its = right.get(name, _NOTHING) if by_name else others[place]
            if not isinstance(query, exp.Union):
                yield name, mine
            else:
                yield name, None if mine is None or its is None else mine | its

    def values(self, node: exp.Expr, scope: Scope) -> Origins:
        """What the value of an expression comes of."""
        if isinstance(node, exp.Column):
            return self._column(node, scope)
        if isinstance(node, exp.Alias | exp.Paren):
            return self.values(node.this, scope)
        if isinstance(node, exp.Query):
            return self._subquery(node, scope)
        if isinstance(node, exp.Coalesce) and not node.meta.get("written"):
            return self._using(node, scope)
        if isinstance(node, exp.Star | exp.Columns):
            raise Unreadable(node.sql(self.dialect))
        if isinstance(node, exp.Window):
            return self._window(node, scope)
        if not is_aggregate(node):
            return along("transformation", self._all(node.iter_expressions(), scope))
        return along("aggregation", self._arguments(node, scope) or self.star(scope))

    def _arguments(self, node: exp.Expr, scope: Scope) -> Origins:
        """What an aggregate is given; nothing where it counts rows."""
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            return _NOTHING
        parts = list(node.iter_expressions())
        if isinstance(node, exp.WithinGroup):  # quantile_cont(0.5) WITHIN GROUP (ORDER BY x)
            return self._arguments(node.this, scope) | self._all(parts[1:], scope)
        return self._all(parts, scope)

    def _all(self, nodes: Iterable[exp.Expr], scope: Scope) -> Origins:
        return frozenset(one for node in nodes for one in self.values(node, scope))

    def _window(self, node: exp.Window, scope: Scope) -> Origins:
        """The function's own, and what the window is made by; of the rows where that is nothing."""
        named = node.args.get("alias")
        frames = [node]
        if named is not None and isinstance(scope.expression, exp.Select):
            windows = scope.expression.args.get("windows") or []
            frames += [one for one in windows if one.name == named.name]
        parts = [
            part
            for frame in frames
            for part in (*(frame.args.get("partition_by") or []), frame.args.get("order"))
            if part is not None
        ]
        found = self.values(node.this, scope) | along("transformation", self._all(parts, scope))
        return found or along("transformation", self.star(scope))

    def _column(self, node: exp.Column, scope: Scope) -> Origins:
        name, table = node.name, node.table
        if not table:
            return self._own(node, scope)
        holder: Scope | None = scope
        while holder is not None and table not in holder.sources:
            holder = holder.parent
        if holder is None:
            raise Unreadable(node.sql(self.dialect))
        source = holder.sources[table]
        if isinstance(source, exp.Table):
            if isinstance(source.this, exp.Func):
                return along("transformation", self._all(source.this.iter_expressions(), holder))
            if source.args.get("pivots") or not self._has(source, name):
                raise Unreadable(node.sql(self.dialect))
            return frozenset([Origin(_table(source), name, "identity")])
        query = self._query_of(source)
        if query is None:
            return along("transformation", self._all(_arguments(source.expression), holder))
        found = self.outputs(query).get(name)
        if found is None:
            raise Unreadable(node.sql(self.dialect))
        return found

    def _has(self, table: exp.Table, column: str) -> bool:
        """Whether a table has a column, as far as that is known."""
        return self._tables is None or column in self._tables.get(table.name, ())

    def _query_of(self, source: exp.Table | Scope) -> Scope | None:
        """The query that a source is; None of a table and of a function that makes rows."""
        if not isinstance(source, Scope):
            return None
        if not isinstance(source.expression, exp.UDTF):
            return self._scopes.get(id(source.expression), source)
        return source.subquery_scopes[0] if source.subquery_scopes else None  # LATERAL (SELECT …)

    def _own(self, node: exp.Column, scope: Scope) -> Origins:
        """A name without a table: of the SELECT's own columns, as in ORDER BY, or of a lambda."""
        lambdas = node.find_ancestor(exp.Lambda)
        if lambdas and any(one.name == node.name for one in lambdas.expressions):
            return _NOTHING
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            found = self.outputs(scope).get(node.name)
            if found is not None:
                return found
        if isinstance(query, exp.Select) and node.find_ancestor(exp.Order, exp.Group, exp.Having):
            for selected in query.selects:
                if selected.alias_or_name == node.name:
                    return self.values(selected, scope)
        tables = [one for _, one in _read(scope)]
        if len(tables) == 1 and isinstance(tables[0], exp.Table):
            return frozenset([Origin(_table(tables[0]), node.name, "identity")])
        raise Unreadable(node.sql(self.dialect))

    def _using(self, node: exp.Coalesce, scope: Scope) -> Origins:
        """The one column of `USING (k)`: the left table's, the right one's of a RIGHT JOIN."""
        columns = [node.this, *node.expressions]
        tables = {column.table for column in columns[1:]}
        sides = {join.side for join in scope.find_all(exp.Join) if join.alias_or_name in tables}
        if sides <= {"", "LEFT"}:
            return self.values(columns[0], scope)
        if sides == {"RIGHT"}:
            return self.values(columns[-1], scope)
        return along("transformation", self._all(columns, scope))

    def _subquery(self, node: exp.Query, scope: Scope) -> Origins:
        """A query as a value: its columns, and what decides which of its rows there are."""
        inner = self._scope_of(node, scope)
        found = frozenset(one for made in self.outputs(inner).values() for one in made or ())
        if any(made is None for made in self.outputs(inner).values()):
            raise Unreadable(node.sql(self.dialect))
        found |= along("transformation", _as_values(self.rows(inner)))
        return found or along("transformation", self.star(inner))

    def _scope_of(self, node: exp.Query, scope: Scope) -> Scope:
        query = node.unnest()
        holder: Scope | None = scope
        while holder is not None:
            for one in holder.subquery_scopes:
                if one.expression is query or one.expression is node:
                    return one
            holder = holder.parent
        raise Unreadable(node.sql(self.dialect))

    # --- rows ------------------------------------------------------------------------------------

    def rows(self, scope: Scope) -> Origins:
        """The columns that decide which rows there are, at whatever depth below FROM."""
        if id(scope) not in self._rows:
            self._rows[id(scope)] = _NOTHING  # where a recursive query comes back to itself
            self._rows[id(scope)] = frozenset(self._read_rows(scope))
        return self._rows[id(scope)]

    def _read_rows(self, scope: Scope) -> Iterator[Origin]:
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            for one in scope.set_operation_scopes:
                yield from self.rows(one)
            yield from self._of_set(query, scope)
        elif isinstance(query, exp.Select):
            for _, source in _read(scope):
                inner = self._query_of(source)
                if inner is not None:
                    yield from self.rows(inner)
            for join in query.args.get("joins") or ():
                yield from self._joined(join, scope)
            for clause in ("where", "having", "qualify"):
                yield from self._deciding("filter", query.args.get(clause), scope)
            for key in self._group_keys(query):
                yield from self._deciding("group_key", key, scope)
        elif isinstance(query, exp.Subquery):
            for one in scope.subquery_scopes:
                yield from self.rows(one)
        yield from self._deciding("sort", query.args.get("order"), scope)

    def _deciding(self, kind: Kind, node: exp.Expr | None, scope: Scope) -> Origins:
        if node is None:
            return _NOTHING
        # No more than columns are told here: that a filter looks at the rows says nothing.
        found = self._readable(node, scope)
        return along(kind, (one for one in found if one.column != ROWS))

    def _readable(self, node: exp.Expr, scope: Scope) -> Origins:
        """What can be read of a condition; a part that cannot hides no other."""
        try:
            return self.values(node, scope)
        except Unreadable:
            return frozenset(
                one for part in node.iter_expressions() for one in self._readable(part, scope)
            )

    def _joined(self, join: exp.Join, scope: Scope) -> Iterator[Origin]:
        condition = join.args.get("on")
        if condition is None:
            return
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            tables = {column.table for column in part.find_all(exp.Column)}
            yield from self._deciding("join_key" if len(tables) > 1 else "filter", part, scope)

    def _group_keys(self, query: exp.Select) -> Iterator[exp.Expr]:
        group = query.args.get("group")
        if group is not None and group.args.get("all"):
            yield from (one for one in query.selects if not has_aggregate(one))
        elif group is not None:
            yield group
        distinct = query.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            yield from [on] if on is not None else query.selects

    def _of_set(self, query: exp.SetOperation, scope: Scope) -> Iterator[Origin]:
        """UNION without ALL groups by all columns; EXCEPT and INTERSECT filter by both sides'."""
        union = isinstance(query, exp.Union)
        if union and not query.args.get("distinct"):
            return
        for one in [scope] if union else scope.set_operation_scopes:
            for made in self.outputs(one).values():
                yield from along("group_key" if union else "filter", made or ())

    def star(self, scope: Scope) -> Origins:
        """The tables whose rows a scope's rows are made of."""
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            scopes = scope.set_operation_scopes
            if isinstance(query, exp.Union):
                return self.star(scopes[0]) | self.star(scopes[1])
            return self.star(scopes[0])
        found: set[Origin] = set()
        for name, source in _read(scope):
            if name not in scope.selected_sources:
                continue  # of a SEMI or ANTI JOIN
            inner = self._query_of(source)
            if inner is not None:
                found |= self.star(inner)
            elif isinstance(source, exp.Table) and not isinstance(source.this, exp.Func):
                found.add(Origin(_table(source), ROWS, "identity"))
        grouped = isinstance(query, exp.Select) and (
            query.args.get("group")
            or query.args.get("distinct")
            or any(map(has_aggregate, query.selects))
        )
        return along("aggregation" if grouped else "identity", found)

    # --- text ------------------------------------------------------------------------------------

    def expression(self, scope: Scope, name: str) -> str:
        """The text a column is made by, in the innermost query that does more than pass it on.

        '' where every query passes it on.
        """
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            left, right = scope.set_operation_scopes
            place = list(self.outputs(scope)).index(name)
            other = name if query.args.get("by_name") else list(self.outputs(right))[place]
            texts = dict.fromkeys([self.expression(left, name), self.expression(right, other)])
            return " ∪ ".join(filter(None, texts))
        found = [one for one in getattr(query, "selects", ()) if one.alias_or_name == name]
        if not found:
            return ""
        made = found[0].unalias()
        if not isinstance(made, exp.Column):
            return str(made.sql(self.dialect, comments=False))
        source = scope.sources.get(made.table)
        inner = self._query_of(source) if source is not None else None
        return self.expression(inner, made.name) if inner else ""


def _table(table: exp.Table) -> str:
    return ".".join(filter(None, (table.catalog, table.db, table.name)))


def _read(scope: Scope) -> list[tuple[str, exp.Table | Scope]]:
    """What FROM and JOIN name in a scope."""
    return [(name, scope.sources[name]) for name, _ in scope.references if name in scope.sources]


def _arguments(node: exp.Expr) -> Iterator[exp.Expr]:
    """Of a table function: what it makes rows of, without the names it gives them."""
    if isinstance(node, exp.Values):
        return
    for name, value in node.args.items():
        if name != "alias":
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, exp.Expr):
                    yield one


def _as_values(origins: Iterable[Origin]) -> Iterator[Origin]:
    return (Origin(one.asset, one.column, "transformation") for one in origins)
