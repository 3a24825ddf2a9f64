"""Numbers with a sign between their thousands, as spreadsheets write them: the sign is left out."""

import re
from pathlib import Path

from slope.tabular.reading import Reading

_PIECE = 1024 * 1024
_SPACES = "(?: |\u00a0|\u202f)"
"""A space may be one that does not break, or a narrow one."""


def join_thousands(path: Path, reading: Reading, row_bytes: int) -> None:
    """Let the numbers of a CSV file have no sign between their thousands; what is no number as a whole stays."""
    sign = _SPACES if reading.thousands == " " else re.escape(reading.thousands)
    number = _cell(sign, re.escape(reading.decimal), re.escape(reading.delimiter))
    signs = re.compile(sign.encode())
    written = path.with_suffix(".joined")
    with path.open("rb") as source, written.open("wb") as sink:
        while lines := source.read(_PIECE):
            lines += source.readline(row_bytes)
            sink.write(number.sub(lambda found: signs.sub(b"", found[0]), lines))
    written.rename(path)


def _cell(sign: str, decimal: str, delimiter: str) -> "re.Pattern[bytes]":
    """A whole cell: where the sign is the delimiter, only one in quotes."""
    digits = rf"[+-]?[0-9]{{1,3}}(?:{sign}[0-9]{{3}})+(?:{decimal}[0-9]*)?"
    quoted = rf'(?<=")\s*{digits}\s*(?=")'
    plain = rf"(?:^|(?<={delimiter}))[ \t]*{digits}[ \t]*(?={delimiter}|\r?$)"
    return re.compile((quoted if sign == delimiter else rf"{quoted}|{plain}").encode(), re.MULTILINE)
