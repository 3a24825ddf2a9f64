"""Faults of a request, each with the JSON Pointer (RFC 6901) of the value that is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a request: a sentence, and where."""

    detail: str
    pointer: str


def invalid(location: Location, detail: str, *, is_missing: bool = False) -> ValidationError:
    """The error a validator raises to put the blame on one value below it, or on its absence."""
    problem = PydanticCustomError("missing" if is_missing else "slope", "{detail}", {"detail": detail})
    return ValidationError.from_exception_data("request", [InitErrorDetails(type=problem, loc=location, input=None)])


def pointer(location: Sequence[str | int]) -> str:
    """The location as a JSON Pointer; the empty pointer is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def faults_of(errors: Sequence[Any], document: Any, *, limit: int = 100) -> list[Fault]:
    """At most `limit` faults from Pydantic's error dictionaries about a document."""
    return [
        Fault(sentence(error), pointer(list(_within(document, error["loc"], error["type"]))))
        for error in errors[:limit]
    ]


def sentence(error: Any) -> str:
    """What is wrong, without the value: of all of Pydantic's sentences only this one repeats it."""
    is_unknown = error["type"] == "union_tag_invalid"
    return f"The name should be one of {error['ctx']['expected_tags']}" if is_unknown else str(error["msg"])


def _within(document: Any, location: Sequence[str | int], kind: str) -> Iterator[str | int]:
    """The parts of a location that the document has; Pydantic adds the names of union branches."""
    value = document
    for place, part in enumerate(location):
        if _has(value, part):
            value = value[part]
        elif not (kind == "missing" and place == len(location) - 1):
            continue
        yield part


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
