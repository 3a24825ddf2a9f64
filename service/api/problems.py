"""Errors as RFC 9457 problems: whatever goes wrong, the answer has one shape and no part of the input."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from service.api.guards.methods import allowed_methods
from service.errors import (
    BodyTooLarge,
    DatabaseError,
    DatabaseUnavailable,
    InvalidRequest,
    MalformedRequest,
    SchemaMissing,
    ServiceError,
    StorageFull,
)
from slope.spec import Fault, faults_of
from slope.spec.faults import MOST_FAULTS

log = structlog.get_logger()

_Handler = Callable[[Request, Exception], JSONResponse]


def install_problems(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    handlers: dict[type[Exception], _Handler] = {
        ServiceError: _service_error,
        RequestValidationError: _validation_error,
        HTTPException: _http_exception,
        **dict.fromkeys((DatabaseUnavailable, StorageFull), _out_of_order),
        DatabaseError: _unexpected,
        SchemaMissing: _service_error,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, _as_told_there(handler))


def problem(
    status: int,
    type: str,
    title: str,
    detail: str,
    faults: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body: dict[str, Any] = {"type": f"/problems/{type}", "title": title, "status": status, "detail": detail}
    if faults:
        body["errors"] = [{"detail": fault.detail, "pointer": fault.pointer} for fault in faults]
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def problem_of(error: ServiceError) -> JSONResponse:
    return problem(error.status, error.type, error.title, error.detail, error.faults, error.headers)


def fit_to_protocol(path: str, answer: JSONResponse) -> JSONResponse:
    """A problem as it is told there: clients of the Open Inference Protocol look for `error`."""
    if not path.startswith("/v2"):
        return answer
    body = json.loads(bytes(answer.body))
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return JSONResponse(body | {"error": body["detail"]}, answer.status_code, headers)


def _as_told_there(handler: _Handler) -> _Handler:
    def handle(request: Request, error: Exception) -> JSONResponse:
        return fit_to_protocol(request.scope["path"], handler(request, error))

    return handle


def _service_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return problem_of(error)


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return problem_of(
            MalformedRequest(f"The body is not JSON: {errors[0]['ctx']['error']} at {errors[0]['loc'][-1]}")
        )
    in_body = [error | {"loc": error["loc"][1:]} for error in errors if error["loc"][0] == "body"]
    elsewhere = [Fault(e["msg"], "/" + "/".join(map(str, e["loc"]))) for e in errors if e["loc"][0] != "body"]
    faults = elsewhere + faults_of(in_body, error.body)
    at_least = "At least " if len(errors) >= MOST_FAULTS else ""
    count = f"{at_least}{len(errors)} things are" if len(errors) > 1 else "One thing is"
    return problem_of(InvalidRequest(f"{count} wrong with the request: {faults[0].detail}", faults))


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's own, where the body is beyond the parser of JSON
        return problem_of(MalformedRequest("The body cannot be read as JSON"))
    if error.status_code == BodyTooLarge.status:
        return problem_of(BodyTooLarge())
    headers, detail = error.headers, str(error.detail)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": allowed_methods(request.app.routes, request.scope)}
        detail = f"This address takes {headers['Allow']}: /docs lists all calls"
    phrase = HTTPStatus(error.status_code).phrase
    if error.status_code == HTTPStatus.NOT_FOUND and detail == phrase:  # the router's own
        detail = "There is nothing at this address: /docs lists all calls"
    return problem(error.status_code, phrase.lower().replace(" ", "-"), phrase, detail, headers=headers)


def _out_of_order(request: Request, error: Exception) -> JSONResponse:
    is_full = isinstance(error, StorageFull)
    log.error("there is no room left" if is_full else "the database did not answer", error=str(error))
    return _service_error(request, error)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return problem_of(ServiceError())
