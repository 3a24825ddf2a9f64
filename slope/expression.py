"""A small language of formulas: numbers, names, + − * / **, and nine functions of one argument. Free of torch.

    sum     = product { ("+" | "-") product }
    product = sign { ("*" | "/") sign }
    sign    = "-" sign | "+" sign | power
    power   = atom [ "**" sign ]                    (2**3**2 is 2**(3**2), and -x**2 is -(x**2), as in Python)
    atom    = number | name | function "(" sum ")" | "(" sum ")"

Read by precedence climbing (Pratt, "Top down operator precedence", 1973). Nothing is ever evaluated as Python, and each
fault is told with the place of the character where it begins.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FUNCTIONS = frozenset({"sin", "cos", "exp", "log", "tanh", "sigmoid", "relu", "abs", "square"})

MAX_LENGTH = 1000
MAX_DEPTH = 40
"""Of brackets, functions, signs and powers within one another."""
MAX_OPERATIONS = 50
"""A picture of so many takes a second to draw."""
MAX_POWER = 100
"""The largest exponent, without its sign."""

NAME = r"[A-Za-z][A-Za-z0-9_]{0,31}"

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(rf"(?P<number>{_NUMBER})|(?P<name>{NAME})|(?P<sign>\*\*|[-+*/()])", re.ASCII)
_SPACE = re.compile(r"[ \t\r\n]*")

_SUM, _PRODUCT, _SIGN, _POWER = range(1, 5)
_BINDING = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}


class ExpressionFault(ValueError):
    """What is wrong with an expression, and the place of the character where it begins, counted from 0."""

    def __init__(self, sentence: str, place: int) -> None:
        super().__init__(f"{sentence}, at character {place}")
        self.place = place


@dataclass(frozen=True)
class Number:
    value: float
    place: int


@dataclass(frozen=True)
class Name:
    name: str
    place: int


@dataclass(frozen=True)
class Operation:
    """`+ - * / **` of two operands, `-` of one, or a function of one."""

    operator: str
    operands: "tuple[Expression, ...]"
    place: int


Expression = Number | Name | Operation


def parse(text: str) -> Expression:
    """The tree of a formula. Raises ExpressionFault."""
    if len(text) > MAX_LENGTH:
        raise ExpressionFault(f"An expression has at most {MAX_LENGTH} characters, this one {len(text)}", MAX_LENGTH)
    return _Parser(text).parse()


def names_in(expression: Expression) -> dict[str, int]:
    """The names of a formula, in the order of their first places, with these."""
    found: dict[str, int] = {}
    for part in parts_of(expression):
        if isinstance(part, Name):
            found.setdefault(part.name, part.place)
    return found


def parts_of(expression: Expression) -> Iterator[Expression]:
    """The formula and all that it consists of, from left to right."""
    if isinstance(expression, Operation):
        for operand in expression.operands:
            yield from parts_of(operand)
    yield expression


class _Token(NamedTuple):
    kind: str
    """`number`, `name`, `sign`, or `end`."""
    text: str
    place: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f'"{self.text}"'


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while (place := _after_space(text, place)) < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise ExpressionFault(f"{_described(text[place])} has no meaning here", place)
        assert found.lastgroup
        yield _Token(found.lastgroup, found[0], place)
        place = found.end()
    yield _Token("end", "", len(text))


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found
    return found.end()


def _described(character: str) -> str:
    """Shown as it is where it is what it looks like, else by its code point."""
    return f'"{character}"' if character.isascii() and character.isprintable() else f"U+{ord(character):04X}"


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._token = next(self._tokens)
        self._depth = 0
        self._operations = 0

    def parse(self) -> Expression:
        expression = self._expression(0)
        if self._token.kind != "end":
            raise ExpressionFault(f"Expected an operator instead of {self._token}", self._token.place)
        return expression

    def _expression(self, binding: int) -> Expression:
        """As much as holds together more tightly than `binding`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionFault(f"The expression is nested more than {MAX_DEPTH} deep", self._token.place)
        left = self._operand()
        while (operator := self._token).kind == "sign" and (own := _BINDING.get(operator.text, 0)) > binding:
            self._advance()
            # A power takes what follows with its sign, and from the right; all else goes from left to right.
            right = self._expression(_SIGN - 1 if operator.text == "**" else own)
            left = self._operation(operator, left, right)
        self._depth -= 1
        return left

    def _operand(self) -> Expression:
        token = self._advance()
        if token.kind == "number":
            return _number(token)
        if token.kind == "name":
            return self._call(token) if self._token.text == "(" else _name(token)
        if token.text == "(":
            return self._bracketed(token)
        if token.text in ("-", "+"):
            operand = self._expression(_SIGN)
            return operand if token.text == "+" else self._operation(token, operand)
        raise ExpressionFault(f"Expected a number, a name or a bracket instead of {token}", token.place)

    def _call(self, function: _Token) -> Expression:
        if function.text not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise ExpressionFault(f'There is no function "{function.text}": there is {known}', function.place)
        return self._operation(function, self._bracketed(self._advance()))

    def _bracketed(self, opening: _Token) -> Expression:
        expression = self._expression(0)
        if self._token.text != ")":
            detail = f'Expected ")" for the bracket at {opening.place} instead of {self._token}'
            raise ExpressionFault(detail, self._token.place)
        self._advance()
        return expression

    def _operation(self, operator: _Token, *operands: Expression) -> Operation:
        self._operations += 1
        if self._operations > MAX_OPERATIONS:
            raise ExpressionFault(f"The expression has more than {MAX_OPERATIONS} operations", operator.place)
        if operator.text == "**":
            _refuse_huge_power(operands[1])
        return Operation(operator.text, operands, operator.place)

    def _advance(self) -> _Token:
        token = self._token
        if token.kind != "end":
            self._token = next(self._tokens)
        return token


def _number(token: _Token) -> Number:
    value = float(token.text)
    if not math.isfinite(value):
        raise ExpressionFault("The number is larger than a double can hold", token.place)
    return Number(value, token.place)


def _name(token: _Token) -> Name:
    if token.text in FUNCTIONS:
        raise ExpressionFault(f'The function "{token.text}" needs its argument in brackets', token.place)
    return Name(token.text, token.place)


def _refuse_huge_power(exponent: Expression) -> None:
    """Exponents that are computed are looked at when they are."""
    value = constant(exponent)
    if value is not None and abs(value) > MAX_POWER:
        raise ExpressionFault(f"The largest power is {MAX_POWER}", exponent.place)


def constant(expression: Expression) -> float | None:
    """The value of a number, with its sign; None for everything else."""
    if isinstance(expression, Operation) and expression.operator == "-" and len(expression.operands) == 1:
        value = constant(expression.operands[0])
        return None if value is None else -value
    return expression.value if isinstance(expression, Number) else None
