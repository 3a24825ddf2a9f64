"""Keys as people hold them: `slope_<id>_<secret><checksum>`.

The prefix lets scanners find a key that was published by mistake, the id says which key it is, the secret has 256 bits,
and the checksum tells a mistyped key before the database is asked. Of the secret nothing but a digest is kept: it has
more bits than can be tried, so that the digest need not be slow.
"""

import re
import secrets
import string
from dataclasses import dataclass
from hashlib import sha256
from typing import Self
from zlib import crc32

from service.errors import KeyNotValid

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID, _SECRET, _CHECKSUM = 12, 43, 6
"""Characters: of 62 digits, 43 hold 256 bits, and 6 a CRC-32."""
_SECRET_BYTES = 32
_KEY = re.compile(f"slope_([0-9A-Za-z]{{{_ID}}})_[0-9A-Za-z]{{{_SECRET}}}[0-9A-Za-z]{{{_CHECKSUM}}}")


@dataclass(frozen=True)
class PresentedKey:
    """A key that is none of a typist's errors: which it would be, and the digest by which that is decided."""

    id: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises KeyNotValid where no key was ever written so."""
        found = _KEY.fullmatch(text)
        if found is None:
            raise KeyNotValid(
                "This is no key: one begins with slope_ and has 68 characters; look whether all was copied"
            )
        if text[-_CHECKSUM:] != _checksum(text[:-_CHECKSUM]):
            raise KeyNotValid("The key is mistyped: its checksum differs; copy it once more")
        return cls(found[1], sha256(text.encode()).digest())


def new_key_text() -> str:
    """A key that nobody has."""
    key_id = "".join(secrets.choice(_DIGITS) for _ in range(_ID))
    secret = _in_digits(int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), _SECRET)
    return _with_checksum(f"slope_{key_id}_{secret}")


def _with_checksum(text: str) -> str:
    return text + _checksum(text)


def _checksum(text: str) -> str:
    return _in_digits(crc32(text.encode()), _CHECKSUM)


def _in_digits(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
