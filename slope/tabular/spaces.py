"""Cells with one space or several between them, as columns of text are lined up."""

import re
from pathlib import Path
from typing import Literal

SPACES: dict[str, bytes] = {" ": b"[ ]", "whitespace": b"[ \t]"}
"""By what `delimiter` is: which signs are folded to one space."""
_PIECE = 1024 * 1024


def fold(path: Path, delimiter: str, row_bytes: int) -> Literal[" "]:
    """Let one space stand between two cells of a CSV file, and none around a line. The delimiter it then has."""
    sign = SPACES[delimiter]
    quoted = re.compile(rb'"[^"]*"|' + sign + rb"+")
    written = path.with_suffix(".folded")
    with path.open("rb") as source, written.open("wb") as sink:
        while lines := source.read(_PIECE):
            lines += source.readline(row_bytes)
            trimmed = re.sub(rb"(?m)^" + sign + rb"+|" + sign + rb"+(?=\r?$)", b"", lines)
            sink.write(quoted.sub(_folded, trimmed) if b'"' in trimmed else re.sub(sign + rb"+", b" ", trimmed))
    written.rename(path)
    return " "


def _folded(found: "re.Match[bytes]") -> bytes:
    return found[0] if found[0].startswith(b'"') else b" "
