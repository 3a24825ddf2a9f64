"""The OpenAPI document: FastAPI's, complete, and in a form that generators of clients understand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.models import Example
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.document.access import describe_access
from service.api.document.problem import REFERENCE, describe_problem
from service.api.document.webhooks import BODIES, describe_webhooks
from service.api.schemas.problems import FaultView, ProblemView
from slope import __version__

ABOUT: dict[str, Any] = {
    "title": "Slope",
    "version": __version__,
    "license_info": {"name": "MIT", "identifier": "MIT"},
    "description": """
Linear regressions trained on demand. Post a dataset and hyperparameters; a worker runs gradient descent through
PyTorch's autograd; every epoch's loss, gradient and weights go to SQL as they happen and are one GET away.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; those about a request point at the fault.
""",
    "openapi_tags": [
        {"name": name, "description": description}
        for name, description in {
            "jobs": "Training runs: submit, watch, list, cancel and delete them, and ask what one would do.",
            "aliases": "Names for jobs, which stand in the place of their ids in all addresses.",
            "datasets": "Tables that jobs learn from.",
            "sweeps": "Many jobs on one dataset, which differ in hyperparameters and are trained together.",
            "records": "What a job recorded: its epochs, its steps, and what happened to it.",
            "graphs": "Back-propagation explained: the graph of a step or of a formula, and which rows moved a model.",
            "charts": "A job's curves, its fit and its loss surface as pictures.",
            "statistics": "How sure a fit is: its standard errors, and the rows that hold it.",
            "predictions": "What a job's model predicts.",
            "models": "A job's model, in the formats of other tools.",
            "inference": "A job's model as the clients of KServe, Triton and MLflow ask it.",
            "devices": "Workers and what they train on.",
            "keys": "Who may come in, and what was done with which key.",
            "webhooks": "Who is told when jobs and sweeps end, and what they were sent.",
            "health": "Whether the service lives and can do its work.",
        }.items()
    ],
}
"""What the document says of the service as a whole."""

ANSWERS = Path(__file__).with_name("answers.json")
"""Answers that were given, by operation and status: tests/integration/document/test_examples.py gives them again."""
_bodies: list[type[BaseModel]] = []
_STOCK_ERRORS = ("HTTPValidationError", "ValidationError")


def complete_document(app: FastAPI) -> None:
    """Let every operation have the name of its function, and say that its errors are problems."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.name
    stock, asks_for_keys = app.openapi, app.state.settings.auth == "required"

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _in_full(stock())
            describe_access(app.openapi_schema, asks_for_keys=asks_for_keys)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def document_body(model: type[BaseModel], examples: dict[str, Example], *others: str) -> dict[str, Any]:
    """What a route that reads its body by itself says of it: it is JSON, or text of another media type."""
    _bodies.append(model)
    reference = {"$ref": REFERENCE.format(model=model.__name__)}
    content: dict[str, Any] = {"application/json": {"schema": reference, "examples": examples}}
    content |= {kind: {"schema": {"type": "string"}} for kind in others}
    return {"requestBody": {"content": content, "required": True}}


def document_headers(*names: str) -> dict[str, Any]:
    """What a route that reads these headers by itself says of them."""
    return {"parameters": [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]}


def _in_full(document: dict[str, Any]) -> dict[str, Any]:
    _add_bodies_and_problems(document["components"]["schemas"])
    answers, problem = json.loads(ANSWERS.read_bytes()), describe_problem("A problem (RFC 9457)")
    for operations in document["paths"].values():
        for operation in operations.values():
            for each in operation.get("parameters", []):
                each.setdefault("description", _PARAMETERS.get(each["name"].lower(), ""))
            responses = operation["responses"]
            _show_answer(operation, answers)
            responses.pop("422", None)
            responses |= {"4XX": problem, "default": problem}
    document["webhooks"] = describe_webhooks(REFERENCE)
    for schema in list(_objects(document)):
        _leave_out_a_default_that_is_an_object(schema)
        _require_discriminators(schema, document["components"]["schemas"])
    return document


def _add_bodies_and_problems(schemas: dict[str, Any]) -> None:
    for name in _STOCK_ERRORS:
        schemas.pop(name, None)
    sent = (ProblemView, FaultView, *dict.fromkeys(BODIES.values()))
    modes = [*((body, "serialization") for body in sent), *((body, "validation") for body in _bodies)]
    _, others = models_json_schema(modes, ref_template=REFERENCE)  # type: ignore[arg-type]
    schemas |= others["$defs"]


def _show_answer(operation: dict[str, Any], answers: dict[str, Any]) -> None:
    """The answers that were given, by their status."""
    for status, answer in answers.get(operation["operationId"], {}).items():
        operation["responses"][status]["content"]["application/json"]["example"] = answer


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, the inner ones first."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _objects(each)
    if isinstance(value, dict):
        yield value


def _leave_out_a_default_that_is_an_object(schema: dict[str, Any]) -> None:
    """Generators of clients leave out an operation that has one. The descriptions say what the default is."""
    if isinstance(schema.get("default"), dict) and schema.keys() & _KINDS:
        del schema["default"]


_KINDS = {"type", "$ref", "oneOf", "anyOf"}
"""What a schema has, and the responses of an operation have not, among which there is a `default`, too."""


def _require_discriminators(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """A kind that is chosen by a member cannot be chosen without it, whatever its own default is."""
    for reference in schema.get("discriminator", {}).get("mapping", {}).values():
        kind = schemas[reference.rpartition("/")[2]]
        member = schema["discriminator"]["propertyName"]
        kind["properties"][member].pop("default", None)
        kind["required"] = sorted({member, *kind.get("required", [])})


_PARAMETERS = {
    "job_id": "The `id` of a job",
    "dataset_id": "The `id` of a dataset",
    "sweep_id": "The `id` of a sweep",
    "webhook_id": "The `id` of a webhook",
    "delivery_id": "The `id` of a message to it",
    "epoch": "Counted from 0",
    "step": "Counted from 0 in its epoch",
    "name": "The whole name",
    "prefer": "`wait=N`: the answer may take up to N seconds, 60 at most, to tell more",
    "if-match": "Do it only to a job that has one of these ETags",
    "if-none-match": "ETags that are known already: 304 where the job has one of them",
    "inference-header-content-length": "Bytes of JSON, behind which there are those of tensors",
}
"""What parameters are that say nothing themselves: they mean the same in every call."""
