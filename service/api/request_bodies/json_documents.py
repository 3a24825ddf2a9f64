"""JSON documents of many megabytes, read while others are answered.

The parser reads a text in one go, and nobody else runs meanwhile, in whatever thread: 60 MB took all of the process for
2.7 s. So a large text is parsed in a process of its own, and put together here in small parts.
"""

import json
import marshal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from service.api.request_bodies.json_reader import END, Part
from service.errors import BodyNotRead, MalformedRequest

LARGE = 1024 * 1024
"""A text of this many bytes is read in a process of its own; a smaller one takes 20 ms at most."""
_COMMAND = [sys.executable, "-I", "-S", str(Path(__file__).with_name("json_reader.py"))]


def read_json(content: bytes) -> Any:
    """What a JSON text says. Raises MalformedRequest, and BodyNotRead where the fault is ours."""
    if len(content) >= LARGE:
        return _parsed_in_a_process(content)
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise _wrong(error.msg, error.pos) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable() from error


def join_parts(parts: Iterator[Part]) -> Any:
    """The document that the parts are of, of which none may be missing. Raises MalformedRequest where they say so."""
    try:
        return _value(*next(parts), parts)
    except RecursionError as error:
        raise _unreadable() from error


def _value(kind: str, value: Any, parts: Iterator[Part]) -> Any:
    match kind:
        case "value":
            return value
        case "list":
            return _list(parts)
        case "dict":
            return _dict(parts)
        case "wrong":
            raise _wrong(*value)
    raise _unreadable()


def _list(parts: Iterator[Part]) -> list[Any]:
    found: list[Any] = []
    for kind, value in iter(parts.__next__, END):
        if kind == "items":
            found.extend(value)
        else:
            found.append(_value(kind, value, parts))
    return found


def _dict(parts: Iterator[Part]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, value in iter(parts.__next__, END):
        if kind == "entries":
            found.update(value)
        else:
            found[value] = _value(*next(parts), parts)
    return found


def _parsed_in_a_process(content: bytes) -> Any:
    try:
        with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            try:
                with suppress(BrokenPipeError), process.stdin:  # whatever ended it, its answer is missing
                    process.stdin.write(content)
                return join_parts(_parts(process.stdout))
            finally:
                process.kill()
    except (OSError, MemoryError) as error:
        raise BodyNotRead from error


def _parts(pipe: IO[bytes]) -> Iterator[Part]:
    """Without an end: a document that is cut off raises. Raises BodyNotRead."""
    while True:
        size = int.from_bytes(_whole(pipe, 8))
        yield marshal.loads(_whole(pipe, size))  # noqa: S302 - our own program wrote it


def _whole(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise BodyNotRead
    return content


def _wrong(message: str, position: int) -> MalformedRequest:
    return MalformedRequest(f"The body is not JSON: {message} at {position}")


def _unreadable() -> MalformedRequest:
    return MalformedRequest("The body cannot be read as JSON")
