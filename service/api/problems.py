"""Errors as RFC 9457 problems: whatever goes wrong, the answer has one shape and no part of the input."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from service.api.dependencies import database_for
from service.data.checks import UNREADABLE, Kind
from service.data.damage import find_damage
from service.errors import (
    AddressNotFound,
    BodyTooLarge,
    DatabaseError,
    DatabaseUnavailable,
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    OutOfResources,
    SchemaMissing,
    ServiceError,
    StorageFull,
)
from service.errors.scarcity import is_scarcity
from service.store.tables import Dataset, Job, Sweep
from slope.spec import Fault, faults_of
from slope.spec.faults import MOST_FAULTS, pointer, sentence

_LONGEST_DETAIL = 10_000
"""Characters of a sentence: the longest that we make lists a few dozen names, and one of a client's may be a body."""

log = structlog.get_logger()

_Translation = Callable[[Request, Exception], ServiceError]
"""Gives the error of the service for an exception of any kind."""


def install_problems(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    translations: dict[type[Exception], _Translation] = {
        ServiceError: _as_it_is,
        RequestValidationError: _validation_error,
        HTTPException: _http_exception,
        **dict.fromkeys((DatabaseUnavailable, StorageFull), _out_of_order),
        DatabaseError: _refused_by_database,
        SchemaMissing: _as_it_is,
        Exception: _unexpected,
        **dict.fromkeys(UNREADABLE, _unreadable),
    }
    for kind, translate in translations.items():
        app.add_exception_handler(kind, _handler(translate))


def problem_response(scope: Scope, error: ServiceError) -> JSONResponse:
    """The error as a problem, in the form of that address: clients of the Open Inference Protocol look for `error`."""
    body: dict[str, Any] = {
        "type": f"{_root_path(scope)}/problems/{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": _bounded(error.detail),
    }
    if error.faults:
        body["errors"] = [{"detail": _bounded(fault.detail), "pointer": fault.pointer} for fault in error.faults]
    if get_route_path(scope).startswith("/v2"):
        body["error"] = body["detail"]
    return JSONResponse(body, error.status, error.headers, media_type="application/problem+json")


def _bounded(detail: str) -> str:
    return detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}…"


def _root_path(scope: Scope) -> str:
    """The service's own; an application within it, as that of the files of `/docs`, adds its address to the other."""
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return root


def _handler(translate: _Translation) -> Callable[[Request, Exception], JSONResponse]:
    def handle(request: Request, error: Exception) -> JSONResponse:
        return problem_response(request.scope, translate(request, error))

    return handle


def _as_it_is(_request: Request, error: Exception) -> ServiceError:
    assert isinstance(error, ServiceError)
    return error


def _validation_error(_request: Request, error: Exception) -> ServiceError:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return MalformedRequest(f"The body is not JSON: {errors[0]['ctx']['error']} at {errors[0]['loc'][-1]}")
    in_body = [error | {"loc": error["loc"][1:]} for error in errors if error["loc"][0] == "body"]
    elsewhere = [Fault(sentence(e), pointer(e["loc"])) for e in errors if e["loc"][0] != "body"]
    faults = elsewhere + faults_of(in_body, error.body)
    at_least = "At least " if len(errors) >= MOST_FAULTS else ""
    count = f"{at_least}{len(errors)} things are" if len(errors) > 1 else "One thing is"
    return InvalidRequest(f"{count} wrong with the request: {faults[0].detail}", faults)


def _http_exception(request: Request, error: Exception) -> ServiceError:
    """Those of the router, and of FastAPI where it reads a body."""
    assert isinstance(error, HTTPException)
    match error.status_code:
        case HTTPStatus.BAD_REQUEST:
            return MalformedRequest("The body cannot be read as JSON")
        case BodyTooLarge.status:
            return BodyTooLarge()
        case OutOfResources.status:
            return OutOfResources()
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowed(_allowed_methods(request.app.routes, request.scope), _root_path(request.scope))
        case HTTPStatus.NOT_FOUND:
            return AddressNotFound(_root_path(request.scope))
    return _unexpected(request, error)


def _out_of_order(request: Request, error: Exception) -> ServiceError:
    is_full = isinstance(error, StorageFull)
    log.error("there is no room left" if is_full else "the database did not answer", error=str(error))
    return _as_it_is(request, error)


def _refused_by_database(request: Request, error: Exception) -> ServiceError:
    """A statement that reads a document fails where somebody has damaged that."""
    return _damage(request, error) or _unexpected(request, error)


def _unreadable(request: Request, error: Exception) -> ServiceError:
    """Where somebody has damaged what was asked for, that is what is said. Raises any other again."""
    if not (damage := _damage(request, error)):
        raise error
    return damage


def _damage(request: Request, error: Exception) -> ServiceError | None:
    """Of the job, the dataset or the sweep that the address names, if the caller may see it. Not looked for where that
    takes what is lacking."""
    if is_scarcity(error):
        return None
    for name, kind in _NAMED.items():
        with suppress(KeyError, ServiceError, TypeError, ValueError):
            row_id = UUID(request.path_params[name])
            with database_for(request).reading() as session:
                return find_damage(session, row_id, kind)
    return None


_NAMED: dict[str, Kind] = {"job_id": Job, "dataset_id": Dataset, "sweep_id": Sweep}
"""By the parameter of the path."""


def _unexpected(request: Request, error: Exception) -> ServiceError:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return OutOfResources() if is_scarcity(error) else ServiceError()


def _allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """The methods of all routes of a path: each route knows only its own."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
