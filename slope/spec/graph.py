"""A request for the graph of an expression."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from slope.expression import FUNCTIONS, MAX_LENGTH, NAME, ExpressionFault, names_in, parse
from slope.spec.faults import FewFaults, invalid
from slope.spec.part import Part

Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class GraphRequest(Part):
    """A formula, the values of its names, and which of them autograd follows."""

    expression: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)] = Field(examples=["(x*w - y)**2"])
    """Numbers, names, `+ - * / **`, brackets, and sin, cos, exp, log, tanh, sigmoid, relu, abs, square."""
    values: Annotated[dict[Name, float], Field(max_length=100), FewFaults] = Field(
        default={}, examples=[{"x": 1.0, "y": 2.0, "w": 1.0}]
    )
    """A number for every name in the expression."""
    requires_grad: list[Name] | None = Field(default=None, examples=[["w"]], max_length=100)
    """The names whose gradient is wanted; all of them by default."""
    upstream: float = 1.0
    """The gradient that arrives from above: what the expression's value is to be multiplied with on the way back."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        try:
            names = names_in(parse(self.expression))
        except ExpressionFault as fault:
            raise invalid(("expression",), str(fault)) from fault
        for name, place in names.items():
            if name not in self.values:
                raise invalid(("expression",), f'The name "{name}" has no value, at character {place}')
        self._refuse_strangers(set(names))
        return self

    def _refuse_strangers(self, names: set[str]) -> None:
        for name in self.values:
            if name not in names:
                what = "a function" if name in FUNCTIONS else "not in the expression"
                raise invalid(("values", name), f'"{name}" is {what}')
        for index, name in enumerate(self.requires_grad or []):
            if name not in names:
                raise invalid(("requires_grad", index), f'"{name}" is not in the expression')
