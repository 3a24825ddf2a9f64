"""JSON bodies of many kilobytes are read and checked in a thread: FastAPI would keep the event loop from all others.

What is checked is handed to FastAPI as the body, and is not checked again.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from copy import copy

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, request_response
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute

from service.api.dependencies import is_json
from service.api.request_bodies.json_documents import read_json
from service.errors import MalformedRequest

LARGE = 128 * 1024
"""Bytes; smaller ones take 6 ms at most."""
AT_ONCE = 2
"""Bodies that are read at the same time."""
_Handler = Callable[[Request], Awaitable[Response]]


def with_threaded_bodies(routes: Iterable[BaseRoute], limiter: CapacityLimiter) -> Iterator[BaseRoute]:
    """Copies of routes, those that take JSON reading it so; the limiter says how many at the same time."""
    for route in map(copy, routes):
        if isinstance(route, APIRoute) and route.body_field is not None:
            model = route.body_field.field_info.annotation
            assert isinstance(model, type)
            assert issubclass(model, BaseModel)
            route.app = request_response(_reading(model, route.get_route_handler(), limiter))
        yield route


def _reading(model: type[BaseModel], handle: _Handler, limiter: CapacityLimiter) -> _Handler:
    async def read(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise MalformedRequest("The body ended before its end") from error
        if len(body) >= LARGE and is_json(request):
            request._json = await to_thread.run_sync(_checked, model, body, limiter=limiter)
        return await handle(request)

    return read


def _checked(model: type[BaseModel], body: bytes) -> BaseModel:
    document = read_json(body)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [each | {"loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=document) from error
