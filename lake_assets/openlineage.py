"""Lineage as OpenLineage says it: one static JobEvent an asset, as plain data.

Here: datasets with schema and owner, columns with their transformations, the words of the standard
(2-0-2). Not here: finding lineage (`lineage.py`), sending events, and runs: nothing has to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from lake_assets.edge import ROWS, Kind, Origin
from lake_assets.lineage import Lineage
from lake_assets.lineage_graph import Graph
from lake_assets.pipeline import Asset, Input
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.sources import SourceSpec
from resources.sql import DIALECTS

#: Who says it, as the standard wants a URI.
PRODUCER = "urn:lake"
#: Of assets and jobs; a source table has its connection's name.
NAMESPACE = "lake"

_SPEC = "https://openlineage.io/spec"
_FACETS = {
    "schema": "1-2-0/SchemaDatasetFacet",
    "ownership": "1-0-1/OwnershipDatasetFacet",
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "sql": "1-1-0/SQLJobFacet",
}
_SUBTYPES: dict[Kind, tuple[str, str]] = {
    "identity": ("DIRECT", "IDENTITY"),
    "transformation": ("DIRECT", "TRANSFORMATION"),
    "aggregation": ("DIRECT", "AGGREGATION"),
    "filter": ("INDIRECT", "FILTER"),
    "join_key": ("INDIRECT", "JOIN"),
    "group_key": ("INDIRECT", "GROUP_BY"),
    "sort": ("INDIRECT", "SORT"),
}


def events(keys: Iterable[str], graph: Graph, when: datetime) -> Iterator[dict[str, Any]]:
    """An event for each of the assets `keys` that the lake makes; `when` has a zone."""
    for key in keys:
        asset, lineage = graph.catalogue[key], graph.of(key)
        if isinstance(asset, Asset) and lineage is not None:
            yield {
                "eventTime": when.isoformat(),
                "producer": PRODUCER,
                "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/JobEvent",
                "job": {"namespace": NAMESPACE, "name": key, "facets": _job_facets(asset)},
                "inputs": [_dataset(one, graph) for one in graph.inputs(key)],
                "outputs": [_output(asset, lineage, graph)],
            }


def _facet(name: str, **fields: Any) -> dict[str, Any]:
    version = _FACETS[name]
    url = f"{_SPEC}/facets/{version}.json#/$defs/{version.partition('/')[2]}"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}


def _job_facets(asset: Asset) -> dict[str, Any]:
    spec = asset.spec
    if isinstance(spec, SourceSpec):
        dialect = DIALECTS.get(spec.connection, "")
        return _sql(spec.query, dialect) if spec.query else {}
    if isinstance(spec, ModelSpec):
        return _sql(spec.examples, "duckdb")
    if isinstance(spec, DeliverySpec):
        return {}
    return _sql(spec.sql, spec.engine) if spec.sql else {}


def _sql(text: str, dialect: str) -> dict[str, Any]:
    said = {"dialect": dialect} if dialect else {}
    return {"sql": _facet("sql", query=text, **said)}


def _names(key: str, graph: Graph) -> dict[str, str]:
    """The standard's two names of an asset: those of a source table are the source's own."""
    if key.startswith("src/"):
        _, connection, name = key.split("/")
        raw = graph.catalogue.get(f"raw/{name}")
        if raw is not None and isinstance(raw.spec, SourceSpec) and raw.spec.table:
            name = ".".join(filter(None, (raw.spec.schema_, raw.spec.table)))
        return {"namespace": connection, "name": name}
    return {"namespace": NAMESPACE, "name": key}


def _dataset(key: str, graph: Graph) -> dict[str, Any]:
    asset = graph.catalogue.get(key)
    return {**_names(key, graph), "facets": _facets(asset) if asset else {}}


def _facets(asset: Input) -> dict[str, Any]:
    fields = [
        {"name": name, "type": column.type, **_described(column.title)}
        for name, column in asset.columns.items()
    ]
    found = {"schema": _facet("schema", fields=fields)}
    if isinstance(asset, Asset):
        found["ownership"] = _facet("ownership", owners=[{"name": asset.owner, "type": "OWNER"}])
    return found


def _described(title: str | None) -> dict[str, str]:
    return {"description": title} if title else {}


def _output(asset: Asset, lineage: Lineage, graph: Graph) -> dict[str, Any]:
    fields = {
        name: {"inputFields": _fields(lineage.columns[name].origins, graph)}
        for name in asset.columns
        if name in lineage.columns
    }
    columns = _facet("columnLineage", fields=fields, dataset=_fields(lineage.rows, graph))
    named = {"namespace": NAMESPACE, "name": asset.key}
    return {**named, "facets": {**_facets(asset), "columnLineage": columns}}


def _fields(origins: Iterable[Origin], graph: Graph) -> list[dict[str, Any]]:
    """One entry a column; the rows of an asset, `*`, are no field of the standard's."""
    kinds: dict[tuple[str, str], list[Kind]] = {}
    for one in sorted(origins):
        if one.column != ROWS:
            kinds.setdefault((one.asset, one.column), []).append(one.kind)
    return [
        {
            **_names(asset, graph),
            "field": column,
            "transformations": [
                {"type": _SUBTYPES[kind][0], "subtype": _SUBTYPES[kind][1]} for kind in found
            ],
        }
        for (asset, column), found in kinds.items()
    ]
