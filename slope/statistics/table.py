"""The table of the coefficients, and what is told of the fit as a whole."""

import math
from collections.abc import Sequence

import numpy as np

from slope.answers.statistics import Coefficient, FTest, Statistics
from slope.arrays import Array
from slope.statistics.covariance import NONROBUST, Covariance
from slope.statistics.dependence import inflations
from slope.statistics.distributions import f_tail
from slope.statistics.notes import notes_on, reason_for_no_p_values
from slope.statistics.solution import TELLING, Solution

Trained = tuple[Sequence[float], float | None]
"""Weights (D) and bias that a run came to, in the data's own units."""


def tell(
    solution: Solution,
    features: Sequence[str],
    *,
    level: float,
    trained: Trained | None = None,
    covariance: Covariance | None = None,
    durbin_watson: float | None = None,
    notes: Sequence[str] = (),
) -> Statistics:
    """All of it. `notes` are told behind those on the solution."""
    covariance = covariance or Covariance.nonrobust(solution)
    names, spec = solution.frame.names(list(features)), solution.frame.spec
    is_tested = reason_for_no_p_values(spec) is None
    likelihood = _log_likelihood(solution)
    free = solution.effective
    return Statistics(
        of="exact",
        rows=solution.rows,
        degrees_of_freedom=solution.degrees_of_freedom,
        effective_degrees_of_freedom=free,
        residual_deviation=math.sqrt(solution.variance),
        r_squared=_r_squared(solution),
        adjusted_r_squared=_adjusted(solution),
        r_squared_kind="centred" if spec.learns_bias else "uncentred",
        f=_f(solution, covariance) if is_tested else None,
        log_likelihood=likelihood,
        aic=None if likelihood is None else 2 * (free - likelihood),
        bic=None if likelihood is None else math.log(solution.rows) * free - 2 * likelihood,
        durbin_watson=durbin_watson,
        condition_indices=solution.spectrum.condition_indices,
        covariance=covariance.name,
        distribution="normal" if covariance.reference.df is None else "t",
        level=level,
        coefficients=_coefficients(solution, names, covariance, level, trained, is_tested=is_tested),
        notes=[*notes_on(solution, names, covariance), *notes],
    )


def _r_squared(solution: Solution) -> float | None:
    return 1 - solution.squares / solution.total if solution.total > 0 else None


def _adjusted(solution: Solution) -> float | None:
    if solution.total == 0:
        return None
    whole = solution.rows - int(solution.frame.spec.learns_bias)
    return 1 - solution.variance / (solution.total / whole)


def _log_likelihood(solution: Solution) -> float | None:
    if solution.squares == 0:
        return None
    half = solution.rows / 2
    return -half * (math.log(2 * math.pi * solution.squares / solution.rows) + 1) + solution.log_weights / 2


def _f(solution: Solution, covariance: Covariance) -> FTest | None:
    """Of σ² as such by the squares that are explained; else Wald's, of the weights' covariance."""
    biased = int(solution.frame.spec.learns_bias)
    tested = solution.spectrum.rank - biased
    if tested == 0 or solution.squares == 0 or solution.total == 0:
        return None
    value = _explained(solution, tested) if covariance.name == NONROBUST else _wald(solution, covariance)
    return None if value is None else FTest(value, f_tail(value, tested, covariance.f_denominator))


def _explained(solution: Solution, tested: int) -> float:
    return max(0.0, solution.total - solution.squares) / tested / solution.variance


def _wald(solution: Solution, covariance: Covariance) -> float | None:
    """None where the covariance is not of full rank, as where there are fewer clusters than weights."""
    biased = int(solution.frame.spec.learns_bias)
    weights, matrix = solution.own[0][biased:], covariance.matrix[biased:, biased:]
    sizes = np.sqrt(matrix.diagonal())
    if not (solution.is_known.all() and (sizes > 0).all()):
        return None
    even = matrix / np.outer(sizes, sizes)
    if np.linalg.cond(even) > 1 / (len(even) * np.finfo(float).eps):
        return None
    ratios = weights / sizes
    return float(ratios @ np.linalg.solve(even, ratios)) / len(weights)


def _coefficients(
    solution: Solution,
    names: Sequence[str],
    covariance: Covariance,
    level: float,
    trained: Trained | None,
    *,
    is_tested: bool,
) -> list[Coefficient]:
    estimates, _ = solution.own
    errors = np.where(solution.is_known, covariance.standard_errors, np.nan)
    came = np.full(len(names), np.nan) if trained is None else solution.frame.chosen(np.array(trained[0]), trained[1])
    with np.errstate(all="ignore"):
        ratios = np.where(errors > 0, estimates / errors, np.nan)
        distances = (came - estimates) / errors
    width = covariance.reference.quantile(level) * errors
    tested = (ratios, covariance.reference.two_sided(ratios), estimates - width, estimates + width)
    nothing = np.full(len(names), np.nan)
    numbers = (errors, *(tested if is_tested else [nothing] * 4), _inflations(solution), came, distances)
    columns = [[_finite(each) for each in column.tolist()] for column in numbers]
    return [Coefficient(*row) for row in zip(names, estimates.tolist(), *columns, strict=True)]


def _inflations(solution: Solution) -> Array:
    is_known = (np.abs(solution.spectrum.free) < TELLING).all(axis=1)
    found = inflations(solution.triangle, solution.inverse, is_centred=solution.frame.spec.learns_bias)
    return np.where(is_known, found, np.nan)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
