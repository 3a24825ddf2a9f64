"""A request for the graph of an expression."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from slope.expression import FUNCTIONS, MAX_LENGTH, computed_in, names_in, parse
from slope.expression_tokens import NAME, ExpressionFault
from slope.spec.faults import in_words, invalid
from slope.spec.part import FewFaults, Part

_NAME = in_words(f"^{NAME}$", "Input should be a name: a letter, and then letters, digits and _, at most 32 in all")
Name = Annotated[str, Field(pattern=_NAME)]


class GraphRequest(Part):
    """A formula, the values of its names, and which of them autograd follows."""

    expression: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)] = Field(examples=["(x*w - y)**2"])
    """Numbers, names, `+ - * / **`, brackets, and functions: sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, exp,
    expm1, log, log1p, log2, log10, sqrt, square, abs, sigmoid, softplus, relu, silu, gelu, erf, and max and min of two.

    Results may have names: `c = a + b; d = a*b; c += d; c**2`, one statement after another, with semicolons or on
    lines of their own. The last is the result. What has a name is computed once: it is one node, however often it is
    used."""
    values: Annotated[dict[Name, float], Field(max_length=100), FewFaults] = Field(
        default={}, examples=[{"x": 1.0, "y": 2.0, "w": 1.0}]
    )
    """A number for every name in the expression that it does not compute."""
    requires_grad: list[Name] | None = Field(default=None, examples=[["w"]], max_length=100)
    """The names whose gradient is wanted; all of them by default."""
    upstream: float = 1.0
    """The gradient that arrives from above: what the expression's value is to be multiplied with on the way back."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        try:
            program = parse(self.expression)
        except ExpressionFault as fault:
            raise invalid(("expression",), str(fault)) from fault
        names, computed = names_in(program), computed_in(program)
        for name, position in names.items():
            if name not in self.values:
                raise invalid(("expression",), f'The name "{name}" has no value, at character {position}')
        for name in self.values:
            if name not in names:
                raise invalid(("values", name), f'"{name}" is {_stranger(name, computed)}')
        for index, name in enumerate(self.requires_grad or []):
            if name not in names:
                raise invalid(("requires_grad", index), f'"{name}" is {_stranger(name, computed)}')
        return self


def _stranger(name: str, computed: set[str]) -> str:
    """What a name is that needs no value."""
    if name in computed:
        return "computed by the expression: it has no value of its own, and its gradient is at its node"
    return "a function" if name in FUNCTIONS else "not in the expression"
