"""The JSON schema of a pipeline file, made of the records, for editors.

Not here: the records themselves (`pipeline.py` and beside it).
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lake_assets.spec.pipeline import PipelineSpec


class _EditorSchema(GenerateJsonSchema):
    """Pydantic's schema, with names outside a mapping's pattern refused and no made-up titles."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if key != "default" or value is not None}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        return found | ({"additionalProperties": False} if "patternProperties" in found else {})


def schema() -> dict[str, Any]:
    """The JSON schema of a pipeline file, with which editors complete and check one."""
    found = PipelineSpec.model_json_schema(by_alias=True, schema_generator=_EditorSchema)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:lake:pipeline:1",
        "title": "pipeline.yaml",
    }
    return head | {key: value for key, value in found.items() if key not in head}
