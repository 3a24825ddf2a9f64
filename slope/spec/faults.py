"""Faults of a request, each with the JSON Pointer (RFC 6901) of the value that is wrong."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]

MOST_FAULTS = 100
"""This many are reported of a request; of each of its lists and objects not many more are looked for."""
_LONGEST_PART = 1_000
"""Characters of a name in a pointer."""
_PIECE = 1_000
"""Items whose faults are collected in one piece."""


_WORDS: dict[str, str] = {}
"""What is said where a text does not match a pattern, by the pattern."""


def in_words(pattern: str, words: str) -> str:
    """The pattern, of which people are told by these words: nobody is to read a regular expression."""
    _WORDS[pattern] = words
    return pattern


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a request: a sentence, and where."""

    detail: str
    pointer: str


def invalid(location: Location, detail: str, *, is_missing: bool = False) -> ValidationError:
    """The error a validator raises to put the blame on one value below it, or on its absence."""
    problem = PydanticCustomError("missing" if is_missing else "slope", "{detail}", {"detail": detail})
    return ValidationError.from_exception_data("request", [InitErrorDetails(type=problem, loc=location, input=None)])


def first_of(lines: Iterable[InitErrorDetails]) -> ValidationError:
    """The first faults of many as one error."""
    return ValidationError.from_exception_data("request", list(islice(lines, MOST_FAULTS)))


def faults_from(start: int, items: Sequence[Any], check: Callable[[Any], Any]) -> Iterator[InitErrorDetails]:
    """The faults of a list from an item on, looked for piece by piece as they are asked for."""
    for begin in range(start, len(items), _PIECE):
        try:
            check(items[begin : begin + _PIECE])
        except ValidationError as error:
            for line in lines_of(error):
                if line["loc"]:  # a piece may be too short where the list is not
                    first, *rest = line["loc"]
                    yield line | {"loc": (int(first) + begin, *rest)}


def lines_of(error: ValidationError) -> list[InitErrorDetails]:
    """What Pydantic makes errors of, out of an error; its own and those of `invalid` alike."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(line["type"], "{detail}", line.get("ctx", {}) | {"detail": line["msg"]}),
            loc=line["loc"],
            input=line["input"],
        )
        for line in error.errors(include_url=False)
    ]


def raise_first_faults(value: list[Any] | dict[Any, Any], check: Callable[[Any], Any]) -> None:
    """Raise the first faults of a long list or object, looked for piece by piece; nothing where there are none."""
    faults = _in_entries(value, check) if isinstance(value, dict) else faults_from(0, value, check)
    if (error := first_of(faults)).error_count():
        raise error


def _in_entries(entries: dict[Any, Any], check: Callable[[Any], Any]) -> Iterator[InitErrorDetails]:
    rest = iter(entries.items())
    while piece := dict(islice(rest, _PIECE)):
        try:
            check(piece)
        except ValidationError as error:
            yield from (line for line in lines_of(error) if line["loc"])


def pointer(location: Sequence[str | int]) -> str:
    """The location as a JSON Pointer; the empty pointer is the whole document.

    It ends before a name that is very long, and so points at what holds that: a name may be as long as the body.
    """
    parts = takewhile(lambda part: len(part) <= _LONGEST_PART, map(str, location))
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def faults_of(errors: Sequence[Any], document: Any, *, limit: int = MOST_FAULTS) -> list[Fault]:
    """At most `limit` faults from Pydantic's error dictionaries about a document."""
    return [
        Fault(sentence(error), pointer(list(_within(document, error["loc"], error["type"]))))
        for error in errors[:limit]
    ]


def sentence(error: Any) -> str:
    """What is wrong, without the value: of all of Pydantic's sentences only that of an unknown name repeats it."""
    match error["type"]:
        case "missing" if error["loc"] in ((), ("body",)):
            return "The body is empty: send JSON"
        case "uuid_parsing" | "uuid_type":
            alias = "; no job has this alias" if error["loc"] == ("path", "job_id") else ""
            return f"Input should be an id as answers have it, like 0199a20a-32d3-7725-8abe-b61c9657a327{alias}"
        case "value_error":
            return str(error["ctx"]["error"])  # as it was raised: Pydantic puts words of its own before
        case "int_parsing":
            return "Input should be a whole number"
        case "float_parsing":
            return "Input should be a number"
        case "union_tag_invalid":
            return f"The name should be one of {error['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"The object should say by {error['ctx']['discriminator']} of which kind it is"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "Input should be an object: {…}"
        case "string_pattern_mismatch" if words := _WORDS.get(error["ctx"]["pattern"]):
            return words
        case "less_than" | "greater_than_equal" if error["loc"] == ("query", "l1_ratio"):
            return f"{error['msg']}: an elastic net has both penalties; for 1 take penalty=l1, for 0 penalty=l2"
        case "literal_error" if error["loc"][-1:] == ("word",):  # of what is a number or a word, a text was sent
            return f"{error['msg']}; a number comes without quotes"
    return str(error["msg"])


def _within(document: Any, location: Sequence[str | int], kind: str) -> Iterator[str | int]:
    """The parts of a location that the document has; Pydantic adds the names of union branches."""
    value = document
    for depth, part in enumerate(location):
        if _has(value, part):
            value = value[part]
        elif not (kind == "missing" and depth == len(location) - 1):
            continue
        yield part


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
