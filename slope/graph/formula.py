"""The graph of an expression: computed by torch in double precision, operation by operation."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from slope.expression import MAX_POWER, Expression, ExpressionFault, Name, Number, constant, names_in, parse
from slope.expression import Operation as Calculation
from slope.graph.assembly import assemble
from slope.graph.drawn import DrawnGraph
from slope.graph.forward import Forward
from slope.graph.tracing import followed

_OPERATIONS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("+", 2): torch.add,
    ("-", 2): torch.sub,
    ("*", 2): torch.mul,
    ("/", 2): torch.div,
    ("-", 1): torch.neg,
    ("sin", 1): torch.sin,
    ("cos", 1): torch.cos,
    ("exp", 1): torch.exp,
    ("log", 1): torch.log,
    ("tanh", 1): torch.tanh,
    ("sigmoid", 1): torch.sigmoid,
    ("relu", 1): torch.relu,
    ("abs", 1): torch.abs,
    ("square", 1): torch.square,
}


def graph_of(
    expression: str,
    values: Mapping[str, float],
    requires_grad: Collection[str] | None = None,
    upstream: float = 1.0,
) -> DrawnGraph:
    """The graph of a formula whose names have these values; all of them require a gradient if none are given.

    Raises ExpressionFault for a formula that cannot be read, and for an exponent that turns out too large.
    """
    tree = parse(expression)
    followed_names = names_in(tree) if requires_grad is None else requires_grad
    names = {
        name: torch.tensor(values[name], dtype=torch.float64, requires_grad=name in followed_names)
        for name in names_in(tree)
    }
    forward = Forward()
    with forward:
        result = _value(tree, names)
    return replace(assemble(followed(result, forward, names, upstream)), title=expression)


def _value(expression: Expression, names: Mapping[str, Tensor]) -> Tensor:
    if isinstance(expression, Name):
        return names[expression.name]
    if isinstance(expression, Number) or constant(expression) is not None:
        return torch.tensor(constant(expression), dtype=torch.float64)
    assert isinstance(expression, Calculation)
    if expression.operator == "**":
        base, exponent = expression.operands
        return _power(base, exponent, names)
    operation = _OPERATIONS[expression.operator, len(expression.operands)]
    return operation(*[_value(operand, names) for operand in expression.operands])


def _power(base: Expression, exponent: Expression, names: Mapping[str, Tensor]) -> Tensor:
    """A written exponent belongs to the operation; one that is computed is an operand, and may learn."""
    written = constant(exponent)
    if written is not None:
        return torch.pow(_value(base, names), int(written) if written.is_integer() else written)
    power = _value(exponent, names)
    if abs(power.item()) > MAX_POWER:
        raise ExpressionFault(f"The power is {power.item():g}, and the largest is {MAX_POWER}", exponent.place)
    return torch.pow(_value(base, names), power)
