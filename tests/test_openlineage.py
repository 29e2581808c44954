"""OpenLineage events, held against the standard's JSON schemas and its Python client's classes.

Here: all events of the shipped pipelines and of the ten steps, and what some of them say. The
schemas beside this are the standard's own. Not here: finding lineage.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde
from referencing import Registry, Resource

from lake_assets.lineage_graph import Graph
from lake_assets.loader import SHIPPED, load_pipelines
from lake_assets.openlineage import PRODUCER, events
from lake_assets.pipeline import catalogue
from tests.order_report import PIPELINES

WHEN = datetime(2025, 7, 1, 9, tzinfo=timezone.utc)
FACETS = {
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "ownership": facet_v2.ownership_dataset.OwnershipDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
    "sql": facet_v2.sql_job.SQLJobFacet,
}


@cache
def graph() -> Graph:
    return Graph(catalogue(load_pipelines([SHIPPED, PIPELINES])))


@cache
def every() -> list[dict[str, Any]]:
    return list(events(graph().catalogue, graph(), WHEN))


@cache
def registry() -> Registry[Any]:
    folder = Path(__file__).parent / "openlineage"
    found = [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))]
    return Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in found)


def invalid(url: str, value: Any) -> list[str]:
    """What the schema at `url` has against a value."""
    checker = Draft202012Validator(
        {"$ref": url}, registry=registry(), format_checker=FormatChecker()
    )
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(value)]


def facets(event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    holders = [event["job"], *event["inputs"], *event["outputs"]]
    return [one for holder in holders for one in holder["facets"].items()]


def test_every_asset_has_an_event() -> None:
    assert [event["job"]["name"] for event in every()] == list(graph().catalogue)


@pytest.mark.parametrize("event", every(), ids=lambda event: event["job"]["name"])
def test_an_event_is_valid_against_the_standards_schemas(event: dict[str, Any]) -> None:
    assert invalid(event["schemaURL"], event) == []
    found = facets(event)
    assert {name for name, _ in found} >= {"schema", "ownership", "columnLineage"}
    for name, facet in found:
        # A facet's schema is of the mapping that holds it: {"sql": {…}}.
        assert invalid(facet["_schemaURL"], facet) == []
        assert invalid(facet["_schemaURL"].partition("#")[0], {name: facet}) == []


def test_the_schemas_refuse_what_is_wrong() -> None:
    event = json.loads(json.dumps(every()[0]))
    del event["job"]["name"]
    event["eventTime"] = 1
    assert len(invalid(event["schemaURL"], event)) >= 2
    lineage = dict(every()[0]["outputs"][0]["facets"]["columnLineage"])
    lineage["fields"] = {"a": {}}
    assert invalid(lineage["_schemaURL"], lineage)


@pytest.mark.parametrize("event", every(), ids=lambda event: event["job"]["name"])
def test_an_event_is_what_the_client_writes_of_it(event: dict[str, Any]) -> None:
    """Made of the client's own classes and written by it, it is the same document."""
    event_v2.set_producer(PRODUCER)
    made = event_v2.JobEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        job=event_v2.Job(**{**event["job"], "facets": _made(event["job"]["facets"])}),
        inputs=[
            event_v2.InputDataset(**{**one, "facets": _made(one["facets"])})
            for one in event["inputs"]
        ],
        outputs=[
            event_v2.OutputDataset(**{**one, "facets": _made(one["facets"])})
            for one in event["outputs"]
        ],
    )
    assert _bare(json.loads(Serde.to_json(made))) == _bare(event)


def _made(found: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, facet in found.items():
        rest = {key: value for key, value in facet.items() if not key.startswith("_")}
        if name == "columnLineage":
            module = facet_v2.column_lineage_dataset
            rest["fields"] = {
                column: module.Fields([_field(one) for one in of["inputFields"]])
                for column, of in rest["fields"].items()
            }
            rest["dataset"] = [_field(one) for one in rest["dataset"]]
        elif name == "schema":
            kind = facet_v2.schema_dataset.SchemaDatasetFacetFields
            rest["fields"] = [kind(**one) for one in rest["fields"]]
        elif name == "ownership":
            rest["owners"] = [facet_v2.ownership_dataset.Owner(**one) for one in rest["owners"]]
        made[name] = FACETS[name](**rest, producer=PRODUCER)
    return made


def _field(one: dict[str, Any]) -> Any:
    module = facet_v2.column_lineage_dataset
    made = [module.Transformation(**kind) for kind in one["transformations"]]
    return module.InputField(**{**one, "transformations": made})


def _bare(value: Any) -> Any:
    """Without empty lists and mappings, which the client adds and leaves out."""
    if isinstance(value, dict):
        found = {key: _bare(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one not in ([], {}, None)}
    return [_bare(one) for one in value] if isinstance(value, list) else value


def of(asset: str) -> dict[str, Any]:
    [found] = [event for event in every() if event["job"]["name"] == asset]
    return found


def lineage(asset: str) -> dict[str, Any]:
    found: dict[str, Any] = of(asset)["outputs"][0]["facets"]["columnLineage"]
    return found


def field(name: str, column: str, *kinds: tuple[str, str], namespace: str = "lake") -> Any:
    made = [{"type": one, "subtype": other} for one, other in kinds]
    return {"namespace": namespace, "name": name, "field": column, "transformations": made}


def test_columns_say_what_they_are_made_of() -> None:
    assert lineage("prep/region_day")["fields"]["net_big"]["inputFields"] == [
        field("prep/order_rank", "net", ("DIRECT", "AGGREGATION")),
        field("prep/order_rank", "size", ("DIRECT", "AGGREGATION")),
    ]
    assert lineage("prep/order_line")["fields"]["name"]["inputFields"] == [
        field("raw/customers", "name", ("DIRECT", "IDENTITY"))
    ]


def test_what_decides_rows_is_of_the_dataset() -> None:
    assert lineage("prep/region_day")["dataset"] == [
        field("prep/order_rank", "net", ("INDIRECT", "FILTER")),
        field("prep/order_rank", "place", ("INDIRECT", "FILTER")),
        field("prep/order_rank", "region", ("INDIRECT", "GROUP_BY")),
    ]
    assert (
        field("raw/orders", "customer", ("INDIRECT", "JOIN"))
        in lineage("prep/order_line")["dataset"]
    )
    assert field("prep/axis_net", "net", ("INDIRECT", "SORT")) in lineage("prep/summary")["dataset"]


def test_rows_are_no_field() -> None:
    assert lineage("prep/region_day")["fields"]["orders"] == {"inputFields": []}


def test_a_source_has_its_own_names() -> None:
    assert of("raw/customer")["inputs"] == [
        {"namespace": "hana_db", "name": "SAPERP.KNA1", "facets": {}}
    ]
    assert lineage("raw/customer")["fields"]["name"]["inputFields"] == [
        field("SAPERP.KNA1", "NAME1", ("DIRECT", "IDENTITY"), namespace="hana_db")
    ]


def test_schema_owner_and_sql() -> None:
    output = of("prep/customer_master")["outputs"][0]
    assert output["facets"]["schema"]["fields"][0] == {
        "name": "customer",
        "type": "string",
        "description": "거래처 코드",
    }
    assert output["facets"]["ownership"]["owners"] == [{"name": "team:sales-data", "type": "OWNER"}]
    sql = of("prep/customer_master")["job"]["facets"]["sql"]
    assert "FROM customer" in sql["query"]
    assert sql["dialect"] == "duckdb"
