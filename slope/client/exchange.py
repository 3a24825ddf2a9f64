"""What calls are made of: requests, pages of items, and answers that go to files.

A call is a generator: it yields requests, is sent their responses, and returns its result. Its runner does the waiting.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import httpx2

from slope.client.problem import Json, checked

Result = TypeVar("Result")


@dataclass(frozen=True)
class Request:
    """What httpx2's `request` is called with."""

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to let pass before it is made."""


Call = Generator[Request, httpx2.Response, Result]


@dataclass(frozen=True)
class Listing:
    """Items that come page by page."""

    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    member: str | None = None
    """The member of the answer that is the page, where it is not all of it."""

    def page(self, following: str) -> Call[Json]:
        begin = {"after": following} if following else {}
        answer = yield from request_json("GET", self.path, params={**self.parameters, **begin})
        page: Json = answer if self.member is None else answer[self.member]
        return page


@dataclass(frozen=True)
class Download:
    """An answer that goes to a file as it comes. The file has its name when it is whole."""

    request: Request
    file: Path

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """The file under another name until the block has ended well."""
        partial = self.file.with_name(self.file.name + ".part")
        try:
            with partial.open("wb") as opened:
                yield opened
            partial.replace(self.file)
        finally:
            partial.unlink(missing_ok=True)


def request_json(method: str, path: str, **options: Any) -> Call[Json]:
    """The body of an answer. Raises Problem."""
    body: Json = checked((yield Request(method, path, options))).json()
    return body


def key_header(idempotency_key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key} if idempotency_key else {}
