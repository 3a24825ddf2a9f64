"""The truth beside the run: where descent would end, and how fast it may go. NumPy alone, in float64."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from slope.analysis.least_squares import (
    Problem,
    finite_or_none,
    minimum,
    powers_of_two,
    rank_and_condition,
    reduce,
    stable_rate,
)
from slope.analysis.notes import notes_on
from slope.answers.analysis import Analysis, Exact, Reached, RSquaredKind
from slope.arrays import Array
from slope.data import TrainingData, initial_parameters
from slope.spec import TrainingSpec

_OF_ALL, _OF_NUMBER, _OF_REDUCTION, _OF_TRIANGLE = 5e-4, 100e-9, 0.5e-9, 2e-9
"""Seconds as measured on one core: of any; of each number, scaled and looked at; of the N·D·K products of the QR
factorisation; of each of the K³ in the decompositions of what is left, K being the lesser of rows and parameters."""


def analyse(data: TrainingData, spec: TrainingSpec) -> Analysis | None:
    """Analyse the rows trained on. None when there are none, or numbers that are not finite; never raises."""
    if len(data.y) == 0 or not (np.isfinite(data.x).all() and np.isfinite(data.y).all()):
        return None
    with np.errstate(all="ignore"):
        try:
            return _analyse(data, spec)
        except np.linalg.LinAlgError:
            return None  # the SVD's iteration did not converge, which scaling leaves next to impossible


def analysis_seconds(rows: int, features: int) -> float:
    """About how long `analyse` takes for a dataset of rows × features."""
    left, numbers = min(rows, features + 1), rows * (features + 1)
    return _OF_ALL + _OF_NUMBER * numbers + _OF_REDUCTION * numbers * left + _OF_TRIANGLE * left**3


def r_squared(
    y: ArrayLike, predictions: ArrayLike, kind: RSquaredKind = "centred", weights: Array | None = None
) -> float | None:
    """1 − Σ(y − ŷ)²/Σ(y − ȳ)² over N rows, uncentred with 0 for ȳ. None when all y are that, or it is not finite.

    `weights` weigh the rows.
    """
    truth, guess = np.asarray(y, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if weights is not None:
        truth, guess, weights = (values[weights > 0] for values in (truth, guess, weights))
    if len(truth) == 0 or (truth == (truth[0] if kind == "centred" else 0)).all():
        return None
    shares = np.ones(len(truth)) if weights is None else weights
    with np.errstate(all="ignore"):
        exponent = powers_of_two(truth)  # so that no square overflows
        truth, guess = np.ldexp(truth, -exponent), np.ldexp(guess, -exponent)
        centre = np.average(truth, weights=weights) if kind == "centred" else 0.0
        value = 1 - (shares * np.square(truth - guess)).sum() / (shares * np.square(truth - centre)).sum()
    return float(value) if np.isfinite(value) else None


def r_squared_kind(spec: TrainingSpec) -> RSquaredKind:
    """The one that compares a model with what it could be without its features."""
    return "centred" if spec.fit_bias else "uncentred"


def loss_of(data: TrainingData, spec: TrainingSpec, weights: ArrayLike, bias: float | None) -> float:
    """mean((Xw + b − y)²) + l2·‖w‖² on the training rows, for weights (D) of the trained space; inf on overflow."""
    with np.errstate(all="ignore"):
        vector = np.asarray(weights, dtype=np.float64)
        residuals = (data.x @ vector + (bias or 0.0) - data.y) * data.squared_roots()
        penalty = spec.l2 * np.square(vector).sum() if spec.l2 else 0.0
        return float(np.square(residuals).mean() + penalty)


def reached(data: TrainingData, spec: TrainingSpec, weights: Array, bias: float | None, exact: float | None) -> Reached:
    """What weights (D) and bias of the trained space achieve; `exact` is the loss of the exact solution."""
    loss = loss_of(data, spec, weights, bias)
    with np.errstate(all="ignore"):
        explained = r_squared(data.y, data.x @ weights + (bias or 0.0), r_squared_kind(spec), data.weights)
    if not np.isfinite(loss):
        return Reached(None, None, explained)
    return Reached(loss, None if exact is None else loss - exact, explained)


def rate_per_row(data: TrainingData, spec: TrainingSpec) -> float | None:
    """`Analysis.max_stable_learning_rate_per_row`."""
    if spec.loss != "squared_error" or len(data.y) == 0:
        return None
    with np.errstate(all="ignore"):
        lengths = np.zeros(len(data.y)) if "weights" in spec.frozen else np.einsum("ij,ij->i", data.x, data.x)
        lengths = (lengths + spec.learns_bias) * np.square(data.squared_roots())
        penalty = 0.0 if "weights" in spec.frozen else spec.l2
        return finite_or_none(1 / (np.float64(lengths.max()) + penalty))


def document_of(analysis: Analysis) -> dict[str, Any]:
    """What a job keeps of it; not copied, for none of it changes."""
    exact, came = analysis.exact and vars(analysis.exact), analysis.reached and vars(analysis.reached)
    return vars(analysis) | {"exact": exact, "reached": came}


def _analyse(data: TrainingData, spec: TrainingSpec) -> Analysis:
    problem = _problem(data, spec)
    reduced = reduce(problem)
    rank, condition_number = rank_and_condition(reduced)
    exact, predictions = _exact(data, spec, minimum(reduced))
    kind = r_squared_kind(spec)
    squared = spec.loss == "squared_error"  # the only loss whose Hessian is constant
    analysis = Analysis(
        exact=exact,
        r_squared=r_squared(data.y, predictions, kind, data.weights) if exact else None,
        r_squared_kind=kind,
        rank=rank,
        rows=len(data.y),
        columns=problem.design.shape[1],
        condition_number=condition_number,
        max_stable_learning_rate=finite_or_none(stable_rate(reduced, 2.0)) if squared else None,
        max_stable_learning_rate_per_row=rate_per_row(data, spec),
        notes=[],
    )
    idle = (data.x == (data.x[0] if spec.learns_bias else 0.0)).all(axis=0)
    return replace(analysis, notes=list(notes_on(data.x, idle, spec, analysis, reduced)))


def _problem(data: TrainingData, spec: TrainingSpec) -> Problem:
    """Bring what is frozen to the other side, and the roots of the weights into the rows."""
    design, target, features, l2 = _unweighted(data, spec)
    if not data.is_weighted:
        return Problem(design, target, features, l2)
    roots = np.asarray(data.squared_roots())
    return Problem(design * roots[:, None], target * roots, features, l2)


def _unweighted(data: TrainingData, spec: TrainingSpec) -> tuple[Array, Array, int, float]:
    weights, bias = initial_parameters(data.x.shape[1], spec, data.scaler)
    ones = np.ones((len(data.y), 1))
    if "weights" in spec.frozen:
        return (ones, data.y - data.x @ np.asarray(weights), 0, 0.0)
    if bias is None or "bias" in spec.frozen:
        return (data.x, data.y - (bias or 0.0), data.x.shape[1], spec.l2)
    return (np.hstack([data.x, ones]), data.y, data.x.shape[1], spec.l2)


def _exact(data: TrainingData, spec: TrainingSpec, learned: Array) -> tuple[Exact | None, Array]:
    """The minimum from what learned and what is frozen, and its N predictions."""
    start, bias = initial_parameters(data.x.shape[1], spec, data.scaler)
    weights = np.asarray(start) if "weights" in spec.frozen else learned[: len(start)]
    if spec.learns_bias:
        bias = float(learned[-1])
    predictions = data.x @ weights + (bias or 0.0)
    loss = loss_of(data, spec, weights, bias)
    if data.scaler:
        weights, bias = data.scaler.in_own_units(weights, bias)
    finite = np.isfinite([*weights, bias or 0.0, loss]).all()
    return Exact(weights.tolist(), bias, loss) if finite else None, predictions
