"""Runs that end far from the minimum: they succeed, and their weights are of little use."""

from dataclasses import dataclass

import numpy as np

from slope.analysis.least_squares import Problem, finite_or_none, minimum, reduce, stable_rate
from slope.analysis.notes import stable_limit
from slope.answers.analysis import Analysis, Distance
from slope.data import Array
from slope.spec import LBFGS, AdamW, TrainingSpec

FAR = 1.0
"""A run ended far from the minimum where a coefficient is off by more than this many of its standard errors."""
MISSED = 0.05
"""And where this much of the best R² is missing, whatever the standard errors are."""
ABOVE_NOISE = 0.1
"""And where its loss is this fraction above the least: what the data's own noise leaves is no fault of the run."""

_ROUNDING = 1e-24
"""A constant may have this much variance from rounding alone, as a fraction of its mean square."""

Learned = tuple[Array, float | None]
"""Weights (D) and bias of the space trained in."""


@dataclass(frozen=True)
class Ending:
    """What a run came to on the rows it trained on, and what was to be had there."""

    loss: float
    r_squared: float
    least_loss: float
    best_r_squared: float
    """Of the exact solution."""
    max_stable_learning_rate: float | None
    distance: Distance | None = None

    @classmethod
    def of(cls, spec: TrainingSpec, analysis: Analysis) -> "Ending | None":
        """None where one of the numbers is not known."""
        exact, reached = analysis.exact, analysis.reached
        if exact is None or reached is None or analysis.r_squared is None:
            return None
        if reached.loss is None or reached.r_squared is None:
            return None
        limit = stable_limit(spec, analysis)
        distance = None if reached.distance is None else Distance(reached.distance, reached.epochs_to_go)
        return cls(reached.loss, reached.r_squared, exact.loss, analysis.r_squared, limit, distance)


def ending_of_triangle(
    triangle: Array, rows: int, spec: TrainingSpec, start: Learned, learned: Learned
) -> Ending | None:
    """Of full-batch descent on `rows` rows, which a triangle over the columns 1, x and y stands for."""
    size = float(np.square(triangle[:, -1]).sum()) / rows
    variance = float(np.square(triangle[1:, -1]).sum()) / rows  # the first row is the direction of the ones
    spread = variance if spec.fit_bias else size
    if spread <= _ROUNDING * size or not np.isfinite(triangle).all():
        return None

    def numbers(weights: Array, bias: float | None) -> tuple[float, float]:
        """The loss and R²."""
        parameters = np.concatenate([[bias or 0.0], weights, [-1.0]])
        error = float(np.square(triangle @ parameters).sum()) / rows
        return error + spec.l2 * float(np.square(weights).sum()), 1 - error / spread

    with np.errstate(all="ignore"):
        few = reduce(problem_of_triangle(triangle, spec, start, rows))
        came, best = numbers(*learned), numbers(*completed(minimum(few), spec, start))
    return Ending(*came, *best, finite_or_none(stable_rate(few, 2.0))) if np.isfinite([*came, *best]).all() else None


def shortfall(spec: TrainingSpec, ending: Ending) -> str | None:
    """What to tell of a run that ended far from the minimum, and what to do; None of others.

    And of those whose aim was another: one that was stopped by its validation loss, or whose loss or penalty the exact
    solution does not have.
    """
    if spec.loss != "squared_error" or spec.l1 or _decays(spec) or (spec.early_stopping and spec.validates):
        return None
    excess, distance = ending.loss - ending.least_loss, ending.distance
    is_short = ending.best_r_squared - ending.r_squared >= MISSED and excess >= ABOVE_NOISE * ending.least_loss
    if is_short:
        told = (
            f"The run ended far from the minimum: its R² on the rows it trained on is {ending.r_squared:.4g}, where "
            f"{ending.best_r_squared:.4g} was to be had (loss {ending.loss:.6g}, at the minimum {ending.least_loss:.6g}"
            f"{f', {_offset(distance)}' if distance else ''})"
        )
    elif distance and distance.errors > FAR:
        told = f"The run ended {_offset(distance)}, with {max(excess, 0.0):.3g} of its loss still to be had"
    else:
        return None
    return f"{told}: {_remedies(spec, ending.max_stable_learning_rate, distance.epochs if distance else None)}."


def _offset(distance: Distance) -> str:
    return f"{distance.errors:.3g} standard errors of a coefficient away from the exact solution"


def problem_of_triangle(triangle: Array, spec: TrainingSpec, start: Learned, rows: int) -> Problem:
    """What learns on the one side, what is frozen on the other; of this many rows."""
    ones, x, y = triangle[:, :1], triangle[:, 1:-1], triangle[:, -1]
    weights, bias = start
    if "weights" in spec.frozen:
        return Problem(ones, y - x @ weights, 0, 0.0, rows)
    if spec.learns_bias:
        return Problem(np.hstack([x, ones]), y, x.shape[1], spec.l2, rows)
    return Problem(x, y - ones[:, 0] * (bias or 0.0), x.shape[1], spec.l2, rows)


def completed(learned: Array, spec: TrainingSpec, start: Learned) -> Learned:
    """With what is frozen."""
    weights, bias = start
    return (
        weights if "weights" in spec.frozen else learned[: len(weights)],
        float(learned[-1]) if spec.learns_bias else bias,
    )


def _decays(spec: TrainingSpec) -> bool:
    """Whether the optimizer adds a penalty of its own; adamw's does not move its minimum by much."""
    return not isinstance(spec.optimizer, AdamW) and getattr(spec.optimizer, "weight_decay", 0.0) > 0


def _remedies(spec: TrainingSpec, limit: float | None, epochs: int | None) -> str:
    longer = "train for more epochs"
    if epochs:
        longer = f"train for {epochs:,} more epochs, which end within a hundredth of a standard error"
    if isinstance(spec.optimizer, LBFGS) and spec.rate != 1:
        first = "set learning_rate to 1, the whole step that lbfgs finds"
    elif limit is not None and spec.rate > limit:
        first = f"lower learning_rate below {limit:.6g}"
    elif limit is not None and spec.rate < limit / 2:
        first = f"{longer}, or with a learning_rate up to {limit:.6g}"
    else:
        first = longer
    others = [
        *([] if spec.standardize else ["set standardize"]),
        *(
            []
            if isinstance(spec.optimizer, LBFGS)
            else ["use the optimizer lbfgs on full batches, with learning_rate 1"]
        ),
    ]
    return ", or ".join([first, *others])
