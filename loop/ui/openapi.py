"""The API described: an OpenAPI 3.1 document made of the routes themselves."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final, NamedTuple

from pydantic.json_schema import models_json_schema

from loop.types import Record

PROBLEM: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("type", "title", "detail")} | {"status": {"type": "integer"}},
}


class Parameter(NamedTuple):
    """A parameter of a route's query."""

    name: str
    says: str
    schema: Mapping[str, Any] = {"type": "string"}


class Offer(NamedTuple):
    """One thing that the API offers."""

    path: str
    says: str
    answer: type[Record]
    parameters: Sequence[Parameter] = ()
    media: str = "application/json"


def document(offers: Sequence[Offer]) -> dict[str, Any]:
    """Describe what is offered."""
    answers = sorted({offer.answer for offer in offers}, key=lambda answer: answer.__name__)
    _, schemas = models_json_schema(
        [(answer, "serialization") for answer in answers], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "loopd", "version": metadata.version("loopd-rest"), "license": {"name": "Apache-2.0"}},
        "security": [{"key": []}],
        "paths": {offer.path: {"get": _described(offer)} for offer in offers},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas["$defs"], "Problem": PROBLEM},
        },
    }


def _described(offer: Offer) -> dict[str, Any]:
    path = [word.strip("{}") for word in offer.path.split("/") if word.startswith("{")]
    inside = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path]
    asked = [
        {"name": parameter.name, "in": "query", "description": parameter.says, "schema": parameter.schema}
        for parameter in offer.parameters
    ]
    content = {offer.media: {"schema": {"$ref": f"#/components/schemas/{offer.answer.__name__}"}}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "summary": offer.says,
        "operationId": offer.path.strip("/").replace("/", "_").replace("{", "").replace("}", "").replace(".", "_"),
        "parameters": [*inside, *asked],
        "responses": {
            "200": {"description": offer.says, "content": content},
            "default": {"description": "What went wrong.", "content": problem},
        },
    }
