"""A small language of formulas: numbers, names, + − * / **, functions, and results that have names. Free of torch.

    program   = statement { separator statement } [ separator ]       (the last is what it comes to)
    statement = [ name ( "=" | "+=" | "-=" | "*=" | "/=" | "**=" ) ] sum
    separator = ";" | a line's end, outside brackets and not after an operator
    sum     = product { ("+" | "-") product }
    product = sign { ("*" | "/") sign }
    sign    = "-" sign | "+" sign | power
    power   = atom [ "**" sign ]                    (2**3**2 is 2**(3**2), and -x**2 is -(x**2), as in Python)
    atom    = number | name | function "(" sum { "," sum } ")" | "(" sum ")"

Read by precedence climbing (Pratt, "Top down operator precedence", 1973). Nothing is ever evaluated as Python, and each
fault is reported with the position of the character where it begins.
"""

import math
from dataclasses import dataclass

from slope.expression_tokens import ExpressionFault, Token, tokens_of

FUNCTIONS = {
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"), 1),
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "square", "abs"), 1),
    **dict.fromkeys(("sigmoid", "softplus", "relu", "silu", "gelu", "erf"), 1),
    **dict.fromkeys(("max", "min"), 2),
}
"""How many numbers each takes."""

MAX_LENGTH = 10_000
MAX_DEPTH = 40
"""Of brackets, functions, signs and powers within one another."""
MAX_OPERATIONS = 250
"""Of the whole program. A result with a name is computed once, however often it is used."""
MAX_POWER = 100
"""The largest exponent, without its sign."""

_SUM, _PRODUCT, _SIGN, _POWER = range(1, 5)
_BINDING = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}
_ASSIGNMENTS = {"=", *(f"{operator}=" for operator in _BINDING)}


@dataclass(frozen=True)
class Number:
    value: float
    position: int


@dataclass(frozen=True)
class Name:
    name: str
    position: int


@dataclass(frozen=True)
class Operation:
    """`+ - * / **` of two operands, `-` of one, or a function."""

    operator: str
    operands: "tuple[Expression, ...]"
    position: int


Expression = Number | Name | Operation


@dataclass(frozen=True)
class Statement:
    """What is computed, and the name that later statements call it by."""

    name: str | None
    expression: Expression
    position: int


Program = tuple[Statement, ...]
"""The last statement is the result. Alone it may be without a name: any other would be lost."""


def parse(text: str) -> Program:
    """The statements of a formula. Raises ExpressionFault."""
    if len(text) > MAX_LENGTH:
        raise ExpressionFault(f"An expression has at most {MAX_LENGTH} characters, this one {len(text)}", MAX_LENGTH)
    return _Parser(text).parse()


def names_in(program: Program) -> dict[str, int]:
    """The names that a formula needs values for, in the order of their first positions, with these."""
    found: dict[str, int] = {}
    computed: set[str] = set()
    for statement in program:
        for part in parts_of(statement.expression):
            if isinstance(part, Name) and part.name not in computed:
                found.setdefault(part.name, part.position)
        computed |= {statement.name} if statement.name else set()
    return found


def computed_in(program: Program) -> set[str]:
    """The names that a formula gives to results."""
    return {statement.name for statement in program if statement.name}


def parts_of(expression: Expression) -> list[Expression]:
    """The formula and all that it consists of, each after its operands, from left to right; however deep it is."""
    found, unfinished = [], [expression]
    while unfinished:
        part = unfinished.pop()
        found.append(part)
        unfinished += part.operands if isinstance(part, Operation) else ()
    return found[::-1]


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokens_of(text)
        self._token = next(self._tokens)
        self._depth = 0
        self._operations = 0

    def parse(self) -> Program:
        statements = [self._statement()]
        while self._token.kind == "separator":
            self._advance()
            if self._token.kind == "end":
                break
            _refuse_lost(statements[-1])
            statements.append(self._statement())
        if self._token.kind != "end":
            raise ExpressionFault(f"Expected an operator instead of {self._token}", self._token.position)
        return tuple(statements)

    def _statement(self) -> Statement:
        """An expression; or a name and what it is to stand for, which may be what it stood for and something more."""
        position, expression = self._token.position, self._expression(0)
        sign = self._token
        if sign.text not in _ASSIGNMENTS:
            return Statement(None, expression, position)
        if not isinstance(expression, Name):
            raise ExpressionFault("Only a name can be given a value", sign.position)
        self._advance()
        result = self._expression(0)
        if operator := sign.text[:-1]:
            result = self._operation(sign._replace(text=operator), expression, result)
        return Statement(expression.name, result, position)

    def _expression(self, binding: int) -> Expression:
        """As much as holds together more tightly than `binding`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionFault(f"The expression is nested more than {MAX_DEPTH} deep", self._token.position)
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
        raise ExpressionFault(f"Expected a number, a name or a bracket instead of {token}", token.position)

    def _call(self, function: Token) -> Expression:
        if function.text not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise ExpressionFault(f'There is no function "{function.text}": there is {known}', function.position)
        opening, arguments = self._advance(), [self._expression(0)]
        while len(arguments) < FUNCTIONS[function.text]:
            if self._token.text != ",":
                detail = f'"{function.text}" takes {FUNCTIONS[function.text]} numbers with a comma in between'
                raise ExpressionFault(detail, self._token.position)
            self._advance()
            arguments.append(self._expression(0))
        self._close(opening)
        return self._operation(function, *arguments)

    def _bracketed(self, opening: Token) -> Expression:
        expression = self._expression(0)
        self._close(opening)
        return expression

    def _close(self, opening: Token) -> None:
        if self._token.text != ")":
            detail = f'Expected ")" for the bracket at {opening.position} instead of {self._token}'
            raise ExpressionFault(detail, self._token.position)
        self._advance()

    def _operation(self, operator: Token, *operands: Expression) -> Operation:
        self._operations += 1
        if self._operations > MAX_OPERATIONS:
            raise ExpressionFault(f"The expression has more than {MAX_OPERATIONS} operations", operator.position)
        if operator.text == "**":
            _refuse_huge_power(operands[1])
        return Operation(operator.text, operands, operator.position)

    def _advance(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._token = next(self._tokens)
        return token


def _number(token: Token) -> Number:
    value = float(token.text)
    if not math.isfinite(value):
        raise ExpressionFault("The number is larger than a double can hold", token.position)
    return Number(value, token.position)


def _name(token: Token) -> Name:
    if token.text in FUNCTIONS:
        raise ExpressionFault(f'The function "{token.text}" needs its argument in brackets', token.position)
    return Name(token.text, token.position)


def _refuse_lost(statement: Statement) -> None:
    if statement.name is None:
        raise ExpressionFault("Only the last value may be without a name: this one would be lost", statement.position)


def _refuse_huge_power(exponent: Expression) -> None:
    """Exponents that are computed are looked at when they are."""
    value = constant(exponent)
    if value is not None and abs(value) > MAX_POWER:
        raise ExpressionFault(f"The largest power is {MAX_POWER}", exponent.position)


def constant(expression: Expression) -> float | None:
    """The value of a number, with its sign; None for everything else."""
    if isinstance(expression, Operation) and expression.operator == "-" and len(expression.operands) == 1:
        value = constant(expression.operands[0])
        return None if value is None else -value
    return expression.value if isinstance(expression, Number) else None
