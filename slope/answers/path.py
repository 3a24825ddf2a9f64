"""Answers about the regularization path of a job."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from slope.answers.statistics import DESCRIBED

Penalty = Literal["l2", "l1", "elastic_net"]


@dataclass(frozen=True)
class PathPoint:
    """The exact solution under one penalty."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    l1: float
    """As a job takes it: mean loss + l1·‖w‖₁ + l2·‖w‖², of the weights that the job trains."""
    l2: float
    """The same; scikit-learn's Ridge has rows·l2 for it, its Lasso l1/2."""
    degrees_of_freedom: float
    """Coefficients that the penalty leaves free, the bias among them."""
    loss: float
    """The mean squared error, without penalties."""
    r_squared: float | None
    """Of the rows trained on."""
    gcv: float | None
    """Generalized cross-validation: loss / (1 − degrees_of_freedom/rows)². None where no row is left to tell by."""
    cross_validation_error: float | None
    """The mean squared error of rows left out, averaged over the folds; None where no folds were asked for."""
    cross_validation_standard_error: float | None
    """Of that average, by the deviation between folds."""
    bias: float | None
    """In the data's own units."""
    weights: list[float]
    """In the data's own units."""


@dataclass(frozen=True)
class Path:
    """From the strongest penalty to the weakest, evenly apart on a logarithmic scale."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    penalty: Penalty
    """Which penalty becomes weaker."""
    l1_ratio: float | None
    """Of an elastic net: l1/2 as a part of l1/2 + l2, as scikit-learn has it."""
    rows: int
    """Those trained on."""
    features: list[str]
    """What the weights are of."""
    folds: int | None
    """Of the cross-validation."""
    best_by_gcv: int | None
    """Which point has the least `gcv`, counted from 0."""
    best_by_cross_validation: int | None
    """Which has the least `cross_validation_error`."""
    within_one_standard_error: int | None
    """The strongest penalty whose error is within one standard error of the least: the simplest model as good."""
    points: list[PathPoint]
    """The strongest penalty first."""
    notes: list[str]
    """Sentences: what these numbers do not say."""
