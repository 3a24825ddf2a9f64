"""What the statistics of a fit do not say, in sentences."""

from collections.abc import Iterator, Sequence

from slope.spec import TrainingSpec
from slope.spec.names import listed
from slope.statistics.covariance import NONROBUST, Covariance
from slope.statistics.dependence import dependences
from slope.statistics.solution import Solution

_MOST_NAMED = 8
"""Columns that a sentence names."""
_MOST_DEPENDENCES = 10
_NEARLY_ALIKE = 30.0
"""A condition index from which on Belsley, Kuh and Welsch call columns collinear."""


def reason_for_no_p_values(spec: TrainingSpec) -> str | None:
    """Why there are no tests and no intervals; None where there are."""
    if spec.l2 and "weights" not in spec.frozen:
        return (
            "l2 draws the weights towards 0, so that the estimates are biased by an amount that nobody knows: t, p, F"
            " and intervals would be of another question"
        )
    if spec.l1 and "weights" not in spec.frozen:
        return "l1 sets weights to 0 that least squares does not: t, p, F and intervals do not hold for what it leaves"
    if spec.loss != "squared_error":
        return f"t, p, F and intervals of least squares do not hold for what the loss {spec.loss} comes to"
    return None


def notes_on(solution: Solution, names: Sequence[str], covariance: Covariance) -> Iterator[str]:
    """What is peculiar about a solution."""
    spec = solution.frame.spec
    if solution.squares == 0:
        yield (
            "The model passes through every row but for rounding: no noise is left to compare with, and t, p, F and the"
            " likelihood do not exist."
        )
    if solution.total == 0:
        yield f"y is {'constant' if spec.learns_bias else '0 in every row'}: there is nothing to explain, and no R²."
    yield from _on_penalties(solution)
    yield from _on_dependences(solution, names)
    if spec.frozen:
        learned, frozen = ("bias", "weights") if "weights" in spec.frozen else ("weights", "bias")
        yield f"The {frozen} did not learn: these are statistics of the {learned} alone, the {frozen} taken as known."
    if not spec.fit_bias:
        yield "R² compares with 0 and not with the mean of y, for the model has no bias."
    if solution.weighting:
        yield (
            "Weights say how exactly a row's y is known, not how often the row was seen: the residual deviation and"
            " intervals of predictions are those of a row of the mean weight, and rows of weight 0 are left out."
        )
    if covariance.name != NONROBUST:
        yield "p and the intervals are of the normal distribution: they hold for many rows, or for many clusters."


def _on_penalties(solution: Solution) -> Iterator[str]:
    spec = solution.frame.spec
    if reason := reason_for_no_p_values(spec):
        yield f"There are no p-values: {reason}."
    if solution.frame.penalty:
        yield (
            f"The estimates are those of the ridge with l2 = {spec.l2:g}, with {solution.effective:.4g} effective"
            f" degrees of freedom of {len(solution.estimates)}; AIC and BIC count those."
        )
    if spec.loss != "squared_error" or spec.l1:
        other = spec.loss if spec.loss != "squared_error" else "l1"
        yield f"The estimates are those of the squared error without {other}: `distance` tells how far that leads, too."
    if getattr(spec.optimizer, "weight_decay", 0.0) > 0:
        yield "The optimizer's weight_decay draws the weights towards 0, and the exact solution does not know of it."


def _on_dependences(solution: Solution, names: Sequence[str]) -> Iterator[str]:
    found = dependences(solution.spectrum.free)
    for columns in found[:_MOST_DEPENDENCES]:
        named = listed([names[column] for column in columns], _MOST_NAMED)
        if len(columns) == 1:
            yield f"The column {named} is 0 in every row: its coefficient is not known."
        else:
            yield f"These columns depend on each other, so that the rows do not tell their coefficients apart: {named}."
    if len(found) > _MOST_DEPENDENCES:
        yield f"There are {len(found) - _MOST_DEPENDENCES} further dependences."
    worst = solution.spectrum.condition_indices[-1] if not found else None
    if worst is not None and worst > _NEARLY_ALIKE:
        yield (
            f"The largest condition index is {worst:.3g}: some columns say nearly the same, and their coefficients are"
            " unsure together though each may look so by itself; VIF tells which."
        )
