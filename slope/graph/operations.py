"""Autograd's operations in words that a student knows."""

import re
from dataclasses import dataclass, replace
from typing import Any

from torch.autograd.graph import Node


@dataclass(frozen=True)
class Operation:
    """`elementwise`: each number of the result is made of the numbers in the same place, and of no others."""

    word: str
    symbol: str
    elementwise: bool = False


PARAMETER = Operation("parameter", "")
CONSTANT = Operation("constant", "")
MULTIPLY = Operation("multiply", "×", elementwise=True)
SQUARE = Operation("square", "( )²", elementwise=True)

_WORDS = {
    "Add": Operation("add", "+", elementwise=True),
    "Sub": Operation("subtract", "−", elementwise=True),
    "Mul": MULTIPLY,
    "Div": Operation("divide", "÷", elementwise=True),
    "Neg": Operation("negate", "−( )", elementwise=True),
    "Pow": Operation("power", "power", elementwise=True),
    "Sqrt": Operation("square root", "√", elementwise=True),
    "Sin": Operation("sine", "sin", elementwise=True),
    "Cos": Operation("cosine", "cos", elementwise=True),
    "Tan": Operation("tangent", "tan", elementwise=True),
    "Asin": Operation("arcsine", "asin", elementwise=True),
    "Acos": Operation("arccosine", "acos", elementwise=True),
    "Atan": Operation("arctangent", "atan", elementwise=True),
    "Sinh": Operation("hyperbolic sine", "sinh", elementwise=True),
    "Cosh": Operation("hyperbolic cosine", "cosh", elementwise=True),
    "Exp": Operation("exponential", "exp", elementwise=True),
    "Log": Operation("logarithm", "log", elementwise=True),
    "Expm1": Operation("exponential minus one", "exp − 1", elementwise=True),
    "Log1P": Operation("logarithm of one plus", "log(1 + )", elementwise=True),
    "Log2": Operation("logarithm to base 2", "log₂", elementwise=True),
    "Log10": Operation("logarithm to base 10", "log₁₀", elementwise=True),
    "Tanh": Operation("hyperbolic tangent", "tanh", elementwise=True),
    "Sigmoid": Operation("sigmoid", "sigmoid", elementwise=True),
    "Softplus": Operation("softplus", "log(1 + exp)", elementwise=True),
    "Silu": Operation("x times sigmoid", "silu", elementwise=True),
    "Gelu": Operation("Gaussian error linear unit", "gelu", elementwise=True),
    "Erf": Operation("error function", "erf", elementwise=True),
    "Maximum": Operation("maximum", "max", elementwise=True),
    "Minimum": Operation("minimum", "min", elementwise=True),
    "Relu": Operation("rectify", "relu", elementwise=True),
    "Abs": Operation("absolute value", "| |", elementwise=True),
    "Mean": Operation("mean", "mean"),
    "Sum": Operation("sum", "Σ"),
    "Mv": Operation("dot product", "x·w"),
    "Dot": Operation("dot product", "a·b"),
    "Mm": Operation("matrix product", "A·B"),
    "HuberLoss": Operation("mean Huber loss", "mean Huber"),
    "MseLoss": Operation("mean squared error", "mean ( )²"),
    "L1Loss": Operation("mean absolute error", "mean | |"),
}
_CALLS = {
    "matmul": "Mv",
    "multiply": "Mul",
    "true_divide": "Div",
    "square": "Pow",
    "huber_loss": "HuberLoss",
    "log1p": "Log1P",
}
"""Python's names of calls, where they are not the lower-case name of the operation."""

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def of_node(node: Node) -> Operation:
    """The operation that a node of autograd's is the way back of."""
    found = re.fullmatch(r"(\w+?)Backward\d+", node.name().rpartition("::")[2])
    name = found[1] if found else node.name()
    return _with_exponent(_named(name), getattr(node, "_saved_exponent", None))


def of_call(name: str, operands: list[Any]) -> Operation:
    """The operation of a call that autograd did not follow."""
    operation = _named(_CALLS.get(name, name.capitalize()))
    exponent = 2 if name == "square" else operands[1] if len(operands) > 1 else None
    return _with_exponent(operation, exponent)


def _named(name: str) -> Operation:
    return _WORDS.get(name) or Operation(name.lower(), name.lower())


def _with_exponent(operation: Operation, exponent: Any) -> Operation:
    """A power says which, where that is a number of the program and not of the graph."""
    if operation.word != "power" or not isinstance(exponent, int | float):
        return operation
    if exponent == 2:
        return SQUARE
    whole = float(exponent).is_integer()
    return replace(operation, symbol=f"( ){int(exponent)}".translate(_SUPERSCRIPTS) if whole else f"( )^{exponent:g}")
