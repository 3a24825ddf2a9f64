"""The file in a multipart/form-data body (RFC 7578), taken out piece by piece."""

import re
from contextlib import suppress
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import MalformedRequest

_EXTENDED = re.compile(r"""filename\*\s*=\s*"?([\w.:-]+)'[^']*'([^";\s]+)""", re.IGNORECASE)
"""A name in a charset, with percent signs (RFC 8187)."""


class FilePart:
    """Takes a body that consists of one file. Options are in the query, where every kind of body has them."""

    def __init__(self, content_type: str) -> None:
        """Raises MalformedRequest for a content type that does not say how parts are told apart."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise MalformedRequest("The content type of the body names no boundary")
        self.content_type = ""
        self.filename = ""
        self._parts = 0
        self._is_whole = False
        self._header: list[bytearray] = [bytearray(), bytearray()]
        self._pieces: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_part_data": lambda data, start, end: self._pieces.append(data[start:end]),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise MalformedRequest("The boundary that the content type names is too long") from error

    def feed(self, data: bytes) -> bytes:
        """What a piece of the body has of the file. Raises MalformedRequest."""
        self._pieces = []
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise MalformedRequest("The body is not multipart/form-data") from error
        if self._parts > 1:
            raise MalformedRequest("The body has more than one part: send the file alone, and options in the query")
        return b"".join(self._pieces)

    def finish(self) -> None:
        """Raise MalformedRequest where the body ended before its end, or had no part."""
        if not self._is_whole or not self._parts:
            raise MalformedRequest("The body has no file, or ends before it")

    def _begin_part(self) -> None:
        self._parts += 1

    def _end_header(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = [bytearray(), bytearray()]
        if name.lower() == b"content-type":
            self.content_type = value.decode("latin-1")
        if name.lower() == b"content-disposition":
            self.filename = _filename(value)

    def _end(self) -> None:
        self._is_whole = True


def _filename(disposition: bytes) -> str:
    """What `filename*` says, which has any sign, or else `filename`, in which browsers write %22 for a quote.

    They leave a percent sign as it is, so nothing else is decoded.
    """
    if extended := _EXTENDED.search(disposition.decode("latin-1")):
        with suppress(LookupError):  # of the charset
            return unquote(extended[2], extended[1], "replace")
    _, options = parse_options_header(disposition)
    return options.get(b"filename", b"").decode("utf-8", "replace").replace("%22", '"')
