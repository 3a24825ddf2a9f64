"""The loss as a surface over two of a model's parameters."""

from typing import Literal

from pydantic import Field

from slope.answers.view import View


class LossGrid(View):
    """The loss where it has no short formula, computed at a grid of points."""

    x: list[float]
    """Values of the first parameter."""
    y: list[float] | None
    """Values of the second; null where there is one alone."""
    loss: list[list[float | None]]
    """A row for every value of the second parameter, a number for every value of the first."""
    rows: int
    """How many rows it was computed of: of many, some that lie evenly among them."""


class Surface(View):
    """The loss of all training rows where two parameters move and the others are held, in the space trained in.

    Of the squared error it is exact: loss + ½·(θ − centre)ᵀ·hessian·(θ − centre). Of other losses, and under `l1`,
    it is a grid.
    """

    kind: Literal["exact", "grid"]
    """Whether a formula or a grid says it."""
    parameters: list[str] = Field(examples=[["weights_0", "bias"]])
    """One or two, by their names in CSV: x, and y."""
    offered: list[str]
    """All that learn, any two of which may be asked for; the first hundred."""
    epoch: int
    """After which the others are held; -1 is before training."""
    held: list[float]
    """The values of the parameters after that epoch."""
    hessian: list[list[float]] | None
    """Second derivatives; null where a grid says it."""
    eigenvalues: list[float] | None
    """Of the hessian, ascending: descent at a rate above 2 over the greatest diverges."""
    centre: list[float] | None
    """Where the loss is least while the others are held."""
    loss: float | None
    """The loss there."""
    grid: LossGrid | None
    """Null where the formula says it."""
