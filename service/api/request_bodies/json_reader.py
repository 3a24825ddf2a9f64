"""A program: JSON on standard input becomes, on standard output, parts that are quickly put together again.

It is run by its path, without site packages, and so starts within 15 ms; it imports nothing of the house. A part is
eight bytes of length, and a pair of what to do and with what:

- `value`: a document that is small enough to be read as a whole
- `list`, `dict`: a container begins, to which belongs what follows until `end`
- `items`, `entries`: a piece of the container; `key`: the name of the value that follows
- `wrong`: the text is not JSON, and why, and where; `unreadable`: it is beyond the parser
"""

import json
import marshal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

PIECE = 20_000
"""Values that are put together in one go: about a millisecond's work."""

Part = tuple[str, Any]
END: Part = ("end", None)


def main() -> None:
    for part in parts_of_document(sys.stdin.buffer.read()):
        write_part(sys.stdout.buffer, part)
    sys.stdout.buffer.flush()


def parts_of_document(content: bytes) -> Iterator[Part]:
    try:
        document = json.loads(content)
        heavy: dict[int, int] = {}
        _weigh(document, heavy)
    except json.JSONDecodeError as error:
        yield "wrong", (error.msg, error.pos)
    except (ValueError, RecursionError):
        yield "unreadable", None
    else:
        yield from _parts(document, heavy)


def write_part(file: BinaryIO, part: Part) -> None:
    content = marshal.dumps(part)
    file.write(len(content).to_bytes(8))
    file.write(content)


def _weigh(value: Any, heavy: dict[int, int]) -> int:
    """How many values there are in a value; those with more than a piece are noted."""
    if type(value) not in (list, dict):
        return 1
    inner = value if type(value) is list else value.values()
    weight = len(value) + sum(_weigh(each, heavy) for each in inner if type(each) in (list, dict))
    if weight > PIECE:
        heavy[id(value)] = weight
    return weight + 1


def _parts(value: Any, heavy: dict[int, int]) -> Iterator[Part]:
    if id(value) not in heavy:
        yield "value", value
        return
    is_list = type(value) is list
    yield "list" if is_list else "dict", None
    piece: list[Any] = []
    weight = 0
    for each in value if is_list else value.items():
        item = each if is_list else each[1]
        if weight > PIECE or id(item) in heavy:
            yield "items" if is_list else "entries", piece
            piece, weight = [], 0
        if id(item) in heavy:
            if not is_list:
                yield "key", each[0]
            yield from _parts(item, heavy)
        else:
            piece.append(each)
            weight += 1 + (len(item) if type(item) in (list, dict) else 0)
    yield "items" if is_list else "entries", piece
    yield END


if __name__ == "__main__":
    main()
