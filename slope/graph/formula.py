"""The graph of an expression: computed by torch in double precision, operation by operation."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from slope.expression import MAX_POWER, Expression, Name, Number, Program, constant, names_in, parse, parts_of
from slope.expression import Operation as Calculation
from slope.expression_tokens import ExpressionFault
from slope.graph.assembly import assemble
from slope.graph.drawn import DrawnGraph
from slope.graph.forward import Forward
from slope.graph.tracing import followed

_LONGEST_TITLE = 120


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) to all digits: torch's own takes x itself from 20 on, which 2e-9 are then missing from."""
    return functional.softplus(x, threshold=700)


_OPERATIONS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("+", 2): torch.add,
    ("-", 2): torch.sub,
    ("*", 2): torch.mul,
    ("/", 2): torch.div,
    ("-", 1): torch.neg,
    ("max", 2): torch.maximum,
    ("min", 2): torch.minimum,
    ("softplus", 1): _softplus,
    ("silu", 1): functional.silu,
    ("gelu", 1): functional.gelu,
}
"""Others are torch's own, by their names."""


def graph_of(
    expression: str,
    values: Mapping[str, float],
    requires_grad: Collection[str] | None = None,
    upstream: float = 1.0,
) -> DrawnGraph:
    """The graph of a formula whose names have these values; all of them require a gradient if none are given.

    Raises ExpressionFault for a formula that cannot be read, and for an exponent that turns out too large.
    """
    program = parse(expression)
    followed_names = names_in(program) if requires_grad is None else requires_grad
    given = {
        name: torch.tensor(values[name], dtype=torch.float64, requires_grad=name in followed_names)
        for name in names_in(program)
    }
    forward = Forward()
    with forward:
        computed = list(_results(program, given))
    result = computed[-1][1]
    named = [*given.items(), *((name, value) for name, value in computed if name is not None)]
    graph = assemble(followed(result, forward, named, upstream))
    return replace(graph, title=_title(expression), notes=[*_advice(program, result), *graph.notes])


def _results(program: Program, given: Mapping[str, Tensor]) -> Iterator[tuple[str | None, Tensor]]:
    """The value of every statement, with the name that it has from there on."""
    names = dict(given)
    for statement in program:
        value = _value(statement.expression, names)
        if statement.name:
            names[statement.name] = value
        yield statement.name, value


def _value(expression: Expression, names: Mapping[str, Tensor]) -> Tensor:
    """Each part after its operands: a chain of hundreds would be too deep to call itself for each."""
    values: dict[int, Tensor] = {}
    for part in parts_of(expression):
        operands = [values[id(operand)] for operand in part.operands] if isinstance(part, Calculation) else []
        values[id(part)] = _part(part, operands, names)
    return values[id(expression)]


def _part(part: Expression, operands: list[Tensor], names: Mapping[str, Tensor]) -> Tensor:
    if isinstance(part, Name):
        return names[part.name]
    if isinstance(part, Number) or constant(part) is not None:
        return torch.tensor(constant(part), dtype=torch.float64)
    if part.operator == "**":
        return _power(operands[0], part.operands[1], operands[1])
    own = _OPERATIONS.get((part.operator, len(operands)))
    operation: Callable[..., Tensor] = own or getattr(torch, part.operator)
    return operation(*operands)


def _power(base: Tensor, exponent: Expression, power: Tensor) -> Tensor:
    """A written exponent belongs to the operation; one that is computed is an operand, and may learn."""
    written = constant(exponent)
    if written is not None:
        return torch.pow(base, int(written) if written.is_integer() else written)
    if abs(power.item()) > MAX_POWER:
        raise ExpressionFault(f"The power is {power.item():g}, and the largest is {MAX_POWER}", exponent.position)
    return torch.pow(base, power)


def _title(expression: str) -> str:
    """On one line, and of a long program the end, which is its result."""
    line = " ".join(expression.replace("\n", "; ").split())
    return line if len(line) <= _LONGEST_TITLE else f"… {line[-_LONGEST_TITLE:]}"


def _advice(program: Program, result: Tensor) -> Iterator[str]:
    """What would have been right, where a function of its own is exact and its parts overflow."""
    parts = [part for statement in program for part in parts_of(statement.expression)]
    if not math.isfinite(result.item()) and any(map(_is_softplus, parts)):
        yield "exp(x) overflows above x = 709.78, and log(1 + exp(x)) with it: write softplus(x), which does not"


def _is_softplus(part: Expression) -> bool:
    """Whether it is log(1 + exp(…)), written out."""
    if not (isinstance(part, Calculation) and part.operator in ("log", "log1p")):
        return False
    [inner] = part.operands
    if part.operator == "log1p":
        return _is_exponential(inner)
    if not (isinstance(inner, Calculation) and inner.operator == "+"):
        return False
    first, second = inner.operands
    return (constant(first) == 1 and _is_exponential(second)) or (constant(second) == 1 and _is_exponential(first))


def _is_exponential(part: Expression) -> bool:
    return isinstance(part, Calculation) and part.operator == "exp"
