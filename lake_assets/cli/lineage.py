"""`lake lineage`: which columns a column comes of, and which come of it.

Here: the tree, the JSON and OpenLineage's events on standard output. Not here: finding lineage
(`lineage.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from lake_assets.cli.console import console, say_json
from lake_assets.cli.main import env_option, json_option
from lake_assets.edge import KOREAN, ROWS, Origin, Origins, shortened
from lake_assets.lineage import Made, source_key, source_tables
from lake_assets.lineage_graph import Graph
from lake_assets.loader import load_pipelines, pipeline_folders
from lake_assets.pipeline import ZONE, catalogue
from lake_assets.spec.sources import SourceSpec
from resources.errors import UsageError
from resources.yamlfile import nearest


@click.command("lineage")
@click.argument("target", metavar="ASSET[.COLUMN]", required=False)
@click.option("--up", "way", flag_value="up", help="What it comes of (by default).")
@click.option("--down", "way", flag_value="down", help="What comes of it.")
@click.option(
    "--openlineage", "events", is_flag=True, help="OpenLineage events instead, one a line."
)
@env_option
@json_option
def lineage_command(target: str | None, way: str | None, events: bool, as_json: bool) -> None:
    """Show what columns come of: of an asset one step, of one column all the way.

    ASSET is as `lake list` has it, or the source table itself (src/<connection>/<name>). Beside a
    column stands how its values are made (그대로, 변환, 집계) and what that is known by: 선언, the
    file says so; 해석, read from SQL and steps; 추정, only equal names.

    \b
    Examples:
      lake lineage prep/sales_result_monthly
      lake lineage prep/sales_result_monthly.net_amount
      lake lineage raw/customer.customer_group --down
      lake lineage src/hana_db/customer --down --json
      lake lineage --openlineage > lineage.ndjson
    """
    graph = Graph(catalogue(load_pipelines(pipeline_folders())))
    if target is None:
        if not events:
            raise UsageError("Say which asset: lake lineage prep/<dataset>; `lake list` has all.")
        _say_events(graph, list(graph.catalogue))
        return
    asset, column = _found(graph, target)
    if events:
        _say_events(graph, [asset] if way is None else sorted(_assets(graph, asset, way)))
        return
    walk = _Walk(graph, way == "down")
    columns = [column] if column else _columns(graph, asset)
    if as_json:
        say_json(walk.document(asset, column, columns))
    else:
        console().print(walk.tree(asset, column, columns))


def _say_events(graph: Graph, keys: list[str]) -> None:
    import json

    from lake_assets.openlineage import events

    known = [key for key in keys if key in graph.catalogue]
    for event in events(known, graph, datetime.now(ZONE)):
        click.echo(json.dumps(event, ensure_ascii=False))


# --- what is asked for ---------------------------------------------------------------------------


def _sources(graph: Graph) -> dict[str, list[str]]:
    """Source table → its columns, as far as the lake reads them."""
    found: dict[str, dict[str, None]] = {}
    for key, asset in graph.catalogue.items():
        if isinstance(asset.spec, SourceSpec):
            lineage = graph.of(key)
            assert lineage is not None
            made = [*(one.origins for one in lineage.columns.values()), lineage.rows]
            names = {one.column: None for origins in made for one in sorted(origins)}
            found.setdefault(source_key(asset, asset.spec), {}).update(names)
    return {key: list(names) for key, names in found.items()}


def _columns(graph: Graph, asset: str) -> list[str]:
    """The columns of an asset: declared ones, and those that readers add."""
    found = graph.catalogue.get(asset)
    if found is None:
        return _sources(graph)[asset]
    return list(dict.fromkeys([*found.columns, *found.partition_columns]))


def _found(graph: Graph, target: str) -> tuple[str, str]:
    """The asset and the column ('' for all) that are meant; UsageError where there is none."""
    assets = [*graph.catalogue, *_sources(graph)]
    tables = source_tables(graph.catalogue.values())
    target = tables.get(target, target)
    if target in assets:
        return target, ""
    key, _, column = target.partition(".")
    key = tables.get(key, key)
    if key not in assets:
        raise UsageError(f"There is no asset {key!r}; {nearest(key, assets)}.")
    columns = _columns(graph, key)
    if column not in columns:
        raise UsageError(f"{key} has no column {column!r}; {nearest(column, columns)}.")
    return key, column


def _assets(graph: Graph, asset: str, way: str) -> set[str]:
    """The asset and all that it is made of, or that are made of it."""
    found: set[str] = set()
    waiting = [asset]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += graph.inputs(one) if way == "up" else graph.users(one)
    return found


# --- showing it ----------------------------------------------------------------------------------


class _Walk:
    """One walk over the graph, up or down, each column opened once."""

    def __init__(self, graph: Graph, down: bool) -> None:
        self.graph = graph
        self.down = down
        self.opened: set[tuple[str, str]] = set()

    def next(self, asset: str, column: str) -> Iterator[Origin]:
        if self.down:
            return self.graph.made_of(asset, column)
        return iter(sorted(self.graph.origins(asset, column)))

    # A tree: of one column all the way, of an asset one step.

    def tree(self, asset: str, column: str, columns: list[str]) -> Tree:
        top = Tree(self._head(asset, column), guide_style="dim")
        for name in columns:
            branch = top if column else top.add(self._line(asset, name))
            self._grow(branch, asset, name, further=bool(column))
        rows = self._rows(asset)
        if rows and not self.down:
            branch = top.add(Text("행을 정하는 컬럼", style="bold"))
            for one in sorted(rows):
                branch.add(self._line(one.asset, one.column, KOREAN[one.kind]))
        return top

    def _grow(self, branch: Tree, asset: str, column: str, further: bool) -> None:
        for one in self.next(asset, column):
            place = (one.asset, one.column)
            deciding = one.column == ROWS and self.down
            seen = place in self.opened
            made = self._made(*(place if self.down else (asset, column)))
            way = f"{KOREAN[one.kind]}({KOREAN[made.confidence]})" if made else KOREAN[one.kind]
            twig = branch.add(self._line(*place, way, again=seen and further))
            if further and not seen and not deciding:
                self.opened.add(place)
                self._grow(twig, *place, further=True)

    def _rows(self, asset: str) -> Origins:
        lineage = self.graph.of(asset)
        return lineage.rows if lineage else frozenset()

    def _made(self, asset: str, column: str) -> Made | None:
        lineage = self.graph.of(asset)
        return lineage.columns.get(column) if lineage else None

    def _head(self, asset: str, column: str) -> Text:
        found = self.graph.catalogue.get(asset)
        title = getattr(found.spec, "title", None) if found else None
        if column:
            return self._line(asset, column)
        lineage = self.graph.of(asset)
        line = Text(asset, style="bold")
        line.append(f"  {title}" if title else "", style="not bold")
        if lineage and lineage.why:
            line.append(f"  {lineage.why}", style="not bold yellow")
        return line

    def _line(self, asset: str, column: str, way: str = "", *, again: bool = False) -> Text:
        """`prep/x.y  제목  변환(해석)  the SQL that makes it`; without a way it is the first."""
        line = Text(f"{asset}.{column}", style="" if way else "bold")
        made = self._made(asset, column)
        for text, style in (
            (self._title(asset, column), "not bold cyan"),
            (way, "not bold green"),
            (shortened(made.expression) if made else "", "not bold dim"),
            ("(위와 같음)" if again else "", "not bold dim"),
        ):
            if text:
                line.append(f"  {text}", style=style)
        return line

    def _title(self, asset: str, column: str) -> str:
        found = self.graph.catalogue.get(asset)
        if column == ROWS:
            return "(행)"
        declared = found.columns.get(column) if found else None
        return (declared.title or "") if declared else ""

    # The same as data.

    def document(self, asset: str, column: str, columns: list[str]) -> dict[str, Any]:
        lineage = self.graph.of(asset)
        edges: list[dict[str, Any]] = []
        waiting = [(asset, name) for name in columns]
        while waiting:
            place = waiting.pop(0)
            if place in self.opened:
                continue
            self.opened.add(place)
            for one in self.next(*place):
                edges.append(self._edge(place, one))
                if column and not (self.down and one.column == ROWS):
                    waiting.append((one.asset, one.column))
        rows = sorted(self._rows(asset))
        return {
            "asset": asset,
            "column": column or None,
            "way": "down" if self.down else "up",
            "columns": [self._column(asset, name) for name in columns],
            "edges": edges,
            "rows": [] if self.down else [_plain(one) for one in rows],
            "why": lineage.why if lineage else "",
        }

    def _edge(self, place: tuple[str, str], one: Origin) -> dict[str, Any]:
        of = {"asset": one.asset, "column": one.column}
        to = {"asset": place[0], "column": place[1]}
        if self.down:
            of, to = to, of
        made = self._made(to["asset"], to["column"])
        confidence = made.confidence if made else None
        return {"from": of, "to": to, "kind": one.kind, "confidence": confidence}

    def _column(self, asset: str, column: str) -> dict[str, Any]:
        made = self._made(asset, column)
        found = self.graph.catalogue.get(asset)
        declared = found.columns.get(column) if found else None
        return {
            "column": column,
            "title": self._title(asset, column) or None,
            "type": declared.type if declared else None,
            "confidence": made.confidence if made else None,
            "expression": made.expression if made else "",
            "sources": [
                _plain(one) for one in sorted(self.graph.sources(asset, column)) if not self.down
            ],
        }


def _plain(origin: Origin) -> dict[str, str]:
    return {"asset": origin.asset, "column": origin.column, "kind": origin.kind}
