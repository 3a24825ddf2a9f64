"""The OpenAPI document: FastAPI's, with the problems that are really answered in the place of its stock errors."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.models import Example
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.schemas.problems import FaultView, ProblemView

_REFERENCE = "#/components/schemas/{model}"
_bodies: list[type[BaseModel]] = []
_STOCK_ERRORS = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI) -> None:
    """Let every operation say that its errors are problems."""
    stock = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(stock())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def body_of(model: type[BaseModel], examples: dict[str, Example], *others: str) -> dict[str, Any]:
    """What a route that reads its body by itself says of it: it is JSON, or text of another media type."""
    _bodies.append(model)
    reference = {"$ref": _REFERENCE.format(model=model.__name__)}
    content: dict[str, Any] = {"application/json": {"schema": reference, "examples": examples}}
    content |= {kind: {"schema": {"type": "string"}} for kind in others}
    return {"requestBody": {"content": content, "required": True}}


def _with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    schemas = schema["components"]["schemas"]
    for name in _STOCK_ERRORS:
        schemas.pop(name, None)
    modes = [(ProblemView, "serialization"), (FaultView, "serialization"), *((body, "validation") for body in _bodies)]
    _, others = models_json_schema(modes, ref_template=_REFERENCE)  # type: ignore[arg-type]
    schemas |= others["$defs"]
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM
    return schema


_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="ProblemView")}}},
}
