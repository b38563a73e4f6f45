"""The OpenAPI 3.1 document of the versioned API, written from the table of its operations."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version as installed_version
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gatekeep.web.approval_shapes import ErrorShape
from gatekeep.web.operations import Operation

PREFIX: Final = "/api"
_REFS: Final = "#/components/schemas/{model}"
_EVERYWHERE: Final = (400, 401, 403, 404, 429, 500, 503, 504)
MEANINGS: Final = {
    400: "the call is not understood",
    401: "no token, or one that works no more",
    403: "not allowed",
    404: "there is none, or none that the caller may see",
    409: "decided otherwise, or not what was seen; nothing changed",
    413: "the body is too large",
    415: "the body is not JSON",
    429: "too many wrong tokens from this address",
    500: "failed inside",
    503: "cannot be recorded right now, so it was not done",
    504: "no answer in time",
}
"""Every status that an error can have."""

Document = dict[str, Any]


def document(operations: Iterable[Operation]) -> Document:
    """The whole document."""
    listed = tuple(operations)
    answers: set[type[BaseModel]] = {ErrorShape, *(one.gives for one in listed)}
    bodies = {one.takes for one in listed if one.takes is not None and one.has_body}
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "serialization") for model in sorted(answers, key=_name)),
        *((model, "validation") for model in sorted(bodies, key=_name)),
    ]
    _, schemas = models_json_schema(models, ref_template=_REFS)
    paths: Document = {}
    for one in listed:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gatekeep",
            "version": "1",
            "description": f"Approvals and suggestions of gatekeep {installed_version('gatekeep')}. Times are "
            "microseconds UTC, 0 where something has not happened. No GET changes anything.",
        },
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A gatekeep access token. On the Unix socket the kernel says "
                    "who calls, and none is needed.",
                }
            },
        },
    }


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _operation(one: Operation) -> Document:
    described: Document = {
        "operationId": one.name,
        "summary": one.summary,
        "responses": _responses(one),
    }
    parameters = [*_path_parameters(one), *_query_parameters(one)]
    if parameters:
        described["parameters"] = parameters
    if one.takes is not None and one.has_body:
        described["requestBody"] = {"required": True, "content": _content(one.takes)}
    return described


def _responses(one: Operation) -> Document:
    bodied = (413, 415) if one.has_body else ()
    told: Document = {str(one.status): {"description": "done", "content": _content(one.gives)}}
    for status in sorted({*_EVERYWHERE, *one.errors, *bodied}):
        told[str(status)] = {
            "description": MEANINGS[status],
            "content": _content(ErrorShape),
        }
    return told


def _content(model: type[BaseModel]) -> Document:
    return {"application/json": {"schema": {"$ref": _REFS.format(model=model.__name__)}}}


def _path_parameters(one: Operation) -> list[Document]:
    names = [part[1:-1] for part in one.path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in names
    ]


def _query_parameters(one: Operation) -> list[Document]:
    if one.takes is None or one.has_body:
        return []
    schema = one.takes.model_json_schema()
    found = []
    for name, field in schema["properties"].items():
        shown = _without_title(_resolved(field, schema.get("$defs", {})))
        described: Document = {"name": name, "in": "query", "schema": shown}
        meaning = shown.pop("description", "")
        if meaning:
            described["description"] = meaning
        found.append(described)
    return found


def _resolved(field: Document, definitions: Document) -> Document:
    """A parameter's schema without references, and without `null`: what is left out is left out."""
    if "$ref" in field:
        rest = {key: value for key, value in field.items() if key != "$ref"}
        return {**definitions[field["$ref"].rpartition("/")[2]], **rest}
    if "anyOf" in field:
        given = next(one for one in field["anyOf"] if one.get("type") != "null")
        return _resolved(given, definitions)
    return dict(field)


def _without_title(schema: Document) -> Document:
    return {key: value for key, value in schema.items() if key != "title"}
