"""An example for every schema of the OpenAPI document that has no better one. Pure."""

from typing import Any

__all__ = ["example_of"]

FORMATS = {
    "uuid": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11",
    "date-time": "2026-11-20T10:00:00Z",
    "date": "2026-11-20",
    "uri": "https://example.com/",
    "duration": "PT30S",
    "binary": "",
}
DEEPEST = 8
"""A schema that contains itself has no whole example."""


def example_of(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> Any:
    """Something of this shape; `schemas` are the document's components."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth)
    for given in ("example", "const", "default"):
        if given in schema:
            return schema[given]
    for given in ("examples", "enum"):
        if schema.get(given):
            return next(iter(schema[given]))
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            chosen = next((one for one in schema[choice] if one.get("type") != "null"), {"type": "null"})
            return example_of(chosen, schemas, depth)
    return _of_type(schema, schemas, depth)


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind == "object":
        if depth > DEEPEST:
            return {}
        return {
            name: example_of(inner, schemas, depth + 1) for name, inner in sorted(schema.get("properties", {}).items())
        }
    if kind == "array":
        items = schema.get("items")
        return [example_of(items, schemas, depth + 1)] if items and depth <= DEEPEST else []
    if kind == "string":
        return FORMATS.get(schema.get("format", ""), "text")
    if kind in {"integer", "number"}:
        return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 1)
    return True if kind == "boolean" else None
