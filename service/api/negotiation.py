"""Content negotiation (RFC 9110): which of the offered representations a client is given."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

import mimeparse
from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from service.errors import NotAcceptable

Format = TypeVar("Format", bound=str)

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "safetensors": "application/octet-stream",
    "onnx": "application/onnx",
    "skops": "application/zip",
    "svg": "image/svg+xml",
    "png": "image/png",
    "dot": "text/vnd.graphviz",
    "mermaid": "text/vnd.mermaid",
    "text": "text/plain",
    "html": "text/html",
    "event-stream": "text/event-stream",
}
"""By the name that the query parameter `format` has for each. A skops file is a zip archive."""
_LONGEST_ACCEPT = 4096
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def choose_format(request: Request, offers: Sequence[Format], named: Format | None = None) -> Format:
    """The format that the query names, else the one that Accept prefers. Raises NotAcceptable."""
    return named or preferred_format(request, offers)


def preferred_format(request: Request, offers: Sequence[Format]) -> Format:
    """The format that Accept prefers; the first of those it likes the same. Raises NotAcceptable."""
    accept = ",".join(request.headers.getlist("accept"))
    return offers[preferred_index(tuple(MEDIA_TYPES[offer] for offer in offers), accept)]


def preferred_index(kinds: tuple[str, ...], accept: str) -> int:
    """Which of these media types Accept prefers. Raises NotAcceptable."""
    if len(accept) > _LONGEST_ACCEPT:
        raise NotAcceptable("The Accept header is too long to be read", list(kinds))
    return _index_of_preferred(kinds, _plain(accept) or "*/*")


def json_response(view: BaseModel) -> Response:
    """An answer that is made where this is called: FastAPI would make it on the event loop of an `async` route."""
    return Response(view.model_dump_json(), media_type=MEDIA_TYPES["json"])


def json_page(items: Iterable[BaseModel], following: object = None) -> Response:
    """The same for a page that may be long: item by item, for one call of 50 MB keeps every other thread waiting."""
    return page_of_lines((item.model_dump_json() for item in items), following)


def page_of_lines(items: Iterable[str], following: object = None) -> Response:
    """The same of items that are JSON already."""
    data = ",".join(items).encode()
    end = to_json(None if following is None else str(following))
    content = b'{"data":[' + data + b'],"next":' + end + b"}"
    return Response(content, media_type=MEDIA_TYPES["json"])


def document_formats(*formats: str) -> dict[int | str, dict[str, object]]:
    """For OpenAPI: the answer may come in these formats, too."""
    content = {MEDIA_TYPES[format]: {"schema": {"type": "string", "format": "binary"}} for format in formats}
    return {200: {"content": content}}


def _plain(accept: str) -> str:
    """In small letters, for case tells no types apart; without empty elements, and values in quotes."""
    elements = _QUOTED.sub("", accept.lower()).split(",")
    return ",".join(element for element in elements if element.strip())


@lru_cache(maxsize=64)
def _index_of_preferred(kinds: tuple[str, ...], accept: str) -> int:
    by_type = {kind: index for index, kind in reversed(list(enumerate(kinds)))}  # the last of equals
    try:
        best = mimeparse.best_match(list(by_type), accept)
    except mimeparse.MimeTypeParseException as error:
        raise NotAcceptable("The Accept header cannot be read", list(by_type)) from error
    if not best:
        raise NotAcceptable("Nothing that is offered here is acceptable by the Accept header", list(by_type))
    return by_type[best]
