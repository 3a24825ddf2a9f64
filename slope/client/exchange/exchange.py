"""What calls are made of: requests, pages of items, and answers that go to files.

A call is a generator: it yields requests, is sent their responses, and returns its result. Its runner does the waiting,
and throws into it what went wrong on the way.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Generic, Self, TypeVar, cast
from uuid import UUID, uuid4

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from slope import __version__
from slope.answers.view import Page
from slope.client.problem import UnexpectedAnswer, checked

Result = TypeVar("Result")
Item = TypeVar("Item")
Json = dict[str, Any]
Document = dict[str, Any] | BaseModel
"""What is sent as JSON; a model as well, such as a job that was answered."""
Id = UUID | str
"""Of a job, a dataset or a sweep."""


@dataclass(frozen=True)
class Request:
    """What httpx2's `request` is called with."""

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to let pass before it is made."""
    repeat_seconds: float | None = 0.0
    """For how long it is made again while the service is away. None is as long as its client says."""

    def __post_init__(self) -> None:
        """Raise ValueError for an id that would make another address of it: DELETE of `?status=failed` is of many."""
        parts = self.path.split("/")[1:]
        if (self.path != "/" and {"", ".", ".."} & set(parts)) or {"?", "#"} & set(self.path):
            raise ValueError(
                f"{self.path} is no address of this call: an id or a name in it is empty, or has / ? # .. in it"
            )

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The options, with JSON written: ids, times and NumPy's numbers are what JSON has for them."""
        if "json" not in self.options:
            return self.options
        others = {name: value for name, value in self.options.items() if name != "json"}
        headers = {"Content-Type": "application/json", **others.get("headers", {})}
        return others | {"content": to_json(self.options["json"], fallback=_of_array), "headers": headers}


def _of_array(value: Any) -> Any:
    return value.tolist()


Call = Generator[Request, httpx2.Response, Result]


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """Items that come page by page."""

    path: str
    read: Callable[[bytes], Page[Item]]
    """Finds the page in an answer."""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: type[Item], path: str, parameters: Mapping[str, Any] | None = None) -> Self:
        """Answers that are pages of items of this kind."""

        def page(content: bytes) -> Page[Item]:
            found: Page[Item] = read(_page_of(cast(Any, kind)), content)
            return found

        return cls(path, page, parameters or {})

    def page(self, following: str) -> Call[Page[Item]]:
        begin = {"after": following} if following else {}
        response = yield Request("GET", self.path, {"params": {**self.parameters, **begin}}, repeat_seconds=None)
        return self.read(checked(response).content)


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


def ask(kind: type[Result], path: str, **options: Any) -> Call[Result]:
    """What a GET answers. While the service is away it is made again, for as long as the client says."""
    return change(kind, "GET", path, repeat_seconds=None, **options)


def change(
    kind: type[Result],
    method: str,
    path: str,
    *,
    repeat_seconds: float | None = 0.0,
    delay: float = 0.0,
    **options: Any,
) -> Call[Result]:
    """The body of an answer, as this kind. Raises Problem, and UnexpectedAnswer where it is another."""
    response = yield Request(method, path, options, delay, repeat_seconds)
    return read(kind, checked(response).content)


def send(method: str, path: str, **options: Any) -> Call[None]:
    """An answer without a body. Raises Problem."""
    checked((yield Request(method, path, options)))


def read(kind: type[Result], content: bytes) -> Result:
    """An answer's JSON as this kind. Raises UnexpectedAnswer."""
    try:
        found: Result = _reader(cast(Any, kind)).validate_json(content)
    except ValidationError as error:
        raise UnexpectedAnswer(
            f"The service's answer is no {kind.__name__} as this client, Slope {__version__}, knows it: is the service"
            f" of another version? Use a client of the service's version. {error}"
        ) from error
    return found


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _page_of(kind: Any) -> Any:
    return Page[kind]


def given(**values: Any) -> Json:
    """What is not None."""
    return {name: value for name, value in values.items() if value is not None}


def with_scheme(url: str) -> str:
    """The address of a service as a URL. Without a scheme, as in `localhost:8000`, it is one of HTTP."""
    return url if "://" in url else f"http://{url}"


def key_header(idempotency_key: str | None) -> dict[str, str]:
    """With a key of its own where none is given: so the request can be made again."""
    return {"Idempotency-Key": idempotency_key or uuid4().hex}
