"""The numbers, names and signs that a formula is made of, and what is wrong with one. Free of torch."""

import re
from collections.abc import Iterator
from typing import NamedTuple

NAME = r"[A-Za-z][A-Za-z0-9_]{0,31}"

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER})|(?P<name>{NAME})|(?P<sign>\*\*=?|[-+*/]=?|[=(),])|(?P<separator>[;\n])", re.ASCII
)
_SPACE = re.compile(r"[ \t\r]*")


class ExpressionFault(ValueError):
    """What is wrong with an expression, and the position of the character where it begins, counted from 0."""

    def __init__(self, sentence: str, position: int) -> None:
        super().__init__(f"{sentence}, at character {position}")
        self.position = position


class Token(NamedTuple):
    kind: str
    """`number`, `name`, `sign`, `separator`, or `end`."""
    text: str
    position: int

    def __str__(self) -> str:
        return {"": "the end", "\n": "the end of the line"}.get(self.text, f'"{self.text}"')

    @property
    def ends_an_operand(self) -> bool:
        return self.kind in ("number", "name") or self.text == ")"


def tokens_of(text: str) -> Iterator[Token]:
    """Without the line ends that separate nothing: within brackets, after an operator, and of empty lines."""
    brackets, before = 0, Token("separator", ";", 0)
    for token in _all_tokens(text):
        brackets += (token.text == "(") - (token.text == ")")
        if token.text == "\n" and (brackets > 0 or not before.ends_an_operand):
            continue
        if token.kind == before.kind == "separator":
            continue
        before = token
        yield token


def _all_tokens(text: str) -> Iterator[Token]:
    position = 0
    while (position := _after_space(text, position)) < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            power = ": powers are written with **" if text[position] == "^" else ""
            raise ExpressionFault(f"{_described(text[position])} has no meaning here{power}", position)
        assert found.lastgroup
        yield Token(found.lastgroup, found[0], position)
        position = found.end()
    yield Token("end", "", len(text))


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found
    return found.end()


def _described(character: str) -> str:
    """Shown as it is where it is what it looks like, else by its code point."""
    return f'"{character}"' if character.isascii() and character.isprintable() else f"U+{ord(character):04X}"
