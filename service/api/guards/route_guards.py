"""What goes before a route: queries and Accept headers that it cannot meet are refused, large JSON is read in a thread.

A query is strict: a parameter that the route does not know is refused, one that comes twice where only one counts, and
a whole number that is not written in digits, as Python takes 1_0. So is one of the path.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar, cast, get_args, get_origin

from anyio import CapacityLimiter, to_thread
from fastapi import Request, params
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, request_response
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.dependencies import is_json
from service.api.negotiation import preferred_index
from service.api.request_bodies.json_documents import read_json
from service.errors import InvalidRequest, MalformedRequest
from slope.spec import Fault
from slope.spec.faults import pointer
from slope.spec.names import no_such

_DIGITS = re.compile(r"-?[0-9]+")
_MOST_FAULTS = 20
"""Faults of one query that the answer names."""
THREADED = 128 * 1024
"""Bytes of a body that is read in a thread; smaller ones take 6 ms at most."""
THREADED_AT_ONCE = 2
"""Bodies that are read in threads at the same time."""
Answer = TypeVar("Answer")
_Handler = Callable[[Request], Awaitable[Response]]


def with_strict_queries(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Copies of routes, each refusing what is not among the parameters that it and its dependencies declare."""
    for route in map(copy, routes):
        if isinstance(route, APIRoute):
            families = [each.call for each in _all(route.dependant) if isinstance(each.call, Family)]
            route.app = _Strict(route.app, route.dependant, families)
            if families:
                documented = {"parameters": [family.documented() for family in families]}
                route.openapi_extra = (route.openapi_extra or {}) | documented
        yield route


@dataclass(frozen=True)
class Family:
    """A dependency: the query parameters `name[key]=value`, whose keys are not known beforehand."""

    name: str
    most: int
    description: str

    async def __call__(self, request: Request) -> tuple[tuple[str, str], ...]:
        """Keys and values. Raises InvalidRequest for too many, and for a NUL, which PostgreSQL stores nowhere."""
        found = [
            (name[len(self.name) + 1 : -1], value)
            for name, value in request.query_params.multi_items()
            if self.has(name)
        ]
        if any("\0" in key + value for key, value in found):
            raise _refusal([Fault("It should not contain the character NUL", f"/query/{self.name}")])
        if len(found) > self.most:
            raise _refusal([Fault(f"It is given {len(found)} times; {self.most} are allowed", f"/query/{self.name}")])
        return tuple(found)

    def documented(self) -> dict[str, Any]:
        """For OpenAPI, which calls such a family a deep object."""
        return {
            "name": self.name,
            "in": "query",
            "style": "deepObject",
            "explode": True,
            "description": self.description,
            "schema": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "maxProperties": self.most,
                "title": self.name.capitalize(),
            },
            "example": {},  # or Swagger's form is filled with members that nothing has
        }

    def has(self, name: str) -> bool:
        return name.startswith(f"{self.name}[") and name.endswith("]") and len(name) > len(self.name) + 2


class _Strict:
    def __init__(self, app: ASGIApp, dependant: Dependant, families: list[Family]) -> None:
        fields = [cast(Any, each) for each in get_flat_params(dependant) if isinstance(each.field_info, params.Query)]
        self._app = app
        self._known = {field.alias: _is_list(field.field_info.annotation) for field in fields}
        self._whole = {field.alias for field in fields if _is_whole(field.field_info.annotation)}
        self._whole_in_path = [each.alias for each in dependant.path_params if _is_whole(each.field_info.annotation)]
        self._families = families

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["query_string"] and (faults := list(self._faults(QueryParams(scope["query_string"])))):
            raise _refusal(faults)
        for name in self._whole_in_path:
            if not _DIGITS.fullmatch(scope["path_params"][name]):
                raise _refusal([_no_whole_number(["path", name])], "address")
        return self._app(scope, receive, send)

    def _faults(self, query: QueryParams) -> Iterator[Fault]:
        for name, count in Counter(name for name, _ in query.multi_items()).items():
            if name not in self._known and not any(family.has(name) for family in self._families):
                yield Fault(self._unknown(name), pointer(["query", name]))
            elif count > 1 and not self._known.get(name, False):
                yield Fault("It is given more than once: give it once", pointer(["query", name]))
        for name in self._whole:
            for place, value in enumerate(query.getlist(name)):
                if not _DIGITS.fullmatch(value):
                    yield _no_whole_number(["query", name, *([place] if self._known[name] else [])])

    def _unknown(self, name: str) -> str:
        known = [*self._known, *(f"{family.name}[key]" for family in self._families)]
        return no_such("parameter", name, known)


def _no_whole_number(location: list[str | int]) -> Fault:
    return Fault("Input should be a whole number, written in digits", pointer(location))


def _refusal(faults: Sequence[Fault], part: str = "query") -> InvalidRequest:
    count = f"{len(faults)} things are" if len(faults) > 1 else "One thing is"
    return InvalidRequest(f"{count} wrong with the {part}: {faults[0].detail}", list(faults[:_MOST_FAULTS]))


def _is_list(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _is_whole(annotation: object) -> bool:
    return annotation is int or any(map(_is_whole, get_args(annotation)))


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _all(each)


def with_one_answer(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Copies of routes, each refusing clients that do not accept its only kind of answer.

    Routes that have several kinds choose by themselves.
    """
    for route in map(copy, routes):
        if isinstance(route, APIRoute) and (kind := _only_kind(route)):
            route.app = _Accepting(route.app, kind)
        yield route


class _Accepting:
    def __init__(self, app: ASGIApp, kind: str) -> None:
        self._app = app
        self._kind = kind
        self._usual = (b"*/*", kind.encode())

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Raises NotAcceptable."""
        for name, value in scope["headers"]:
            if name == b"accept" and value not in self._usual:
                preferred_index((self._kind,), value.decode("latin-1"))
        return self._app(scope, receive, send)


def _only_kind(route: APIRoute) -> str | None:
    """None where there are several kinds or none, and of probes: what looks after a service is never refused."""
    has_choice = "content" in route.responses.get(HTTPStatus.OK, {})
    if route.status_code == HTTPStatus.NO_CONTENT or "health" in route.tags or has_choice:
        return None
    chosen = route.response_class
    response: type[Response] = chosen.value if isinstance(chosen, DefaultPlaceholder) else chosen
    return response.media_type


def with_threaded_bodies(routes: Iterable[BaseRoute], limiter: CapacityLimiter) -> Iterator[BaseRoute]:
    """Copies of routes. Those that take JSON read and check a large body in a thread; the limiter says how many do.

    FastAPI would keep the event loop from all others. What is checked is handed to it as the body, and is not checked
    again.
    """
    for route in map(copy, routes):
        if isinstance(route, APIRoute) and route.body_field is not None:
            model = route.body_field.field_info.annotation
            assert isinstance(model, type)
            assert issubclass(model, BaseModel)
            route.app = request_response(_reading(model, route.get_route_handler(), limiter))
        yield route


def _reading(model: type[BaseModel], handle: _Handler, limiter: CapacityLimiter) -> _Handler:
    async def read(request: Request) -> Response:
        body = await _whole_body(request)
        if len(body) >= THREADED and is_json(request):
            request._json = await to_thread.run_sync(_checked, model, body, limiter=limiter)
        return await handle(request)

    return read


async def with_body(request: Request, work: Callable[[bytes], Answer]) -> Answer:
    """What the work makes of a body that a route reads itself, in a thread: a large one is among those few, too."""
    body = await _whole_body(request)
    limiter: CapacityLimiter | None = request.app.state.body_limiter if len(body) >= THREADED else None
    return await to_thread.run_sync(work, body, limiter=limiter)


async def _whole_body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise MalformedRequest("The body broke off before its end: send it again, whole") from error


def _checked(model: type[BaseModel], body: bytes) -> BaseModel:
    document = read_json(body)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [each | {"loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=document) from error
