"""The learning rate that finds itself: from the curvature of the loss, before the first epoch. NumPy alone.

Plain descent on a squared error is a linear map of the parameters. With eigenvalues λ of the loss' Hessian between
λ_min and λ_max, a step η multiplies each error by 1 − ηλ, which is largest at one of the two ends; momentum μ makes
the recursion z² − (1 + μ − ηλ)z + μ of it. On batches every step has a Hessian of its own, of which nothing is known
but that it lies between 0 and L, the largest of a single row. There the circle criterion tells which rates are stable
whatever the order of the batches: with momentum those below 2(1 − μ)²/((1 + μ)L), with Nesterov's those below
2(1 − μ)²/((1 − μ + 2μ²)L).
"""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from slope.arrays import Array
from slope.data import TrainingData, initial_parameters, steps_per_epoch
from slope.reduced_rows import ReducedRows
from slope.scaling import Scaler
from slope.spec import LBFGS, SGD, Adagrad, AdamW, TrainingSpec

WIDEST_SPECTRUM = 1500
"""Of more parameters, or rows if those are fewer, the largest eigenvalue is bounded: to compute it takes a second."""
FLATTEST = 1e-3
"""λ_min counts as this much of λ_max at least: in a flatter direction no usual number of epochs would get anywhere,
while the steepest one swung without end."""
MOST_MOMENTUM = 0.999
"""With more of it no rate is much of one."""
LATER = "auto: chosen by the worker before the first epoch, when it has the rows"

_CHUNK_ROWS = 2**14


@dataclass(frozen=True)
class Curvature:
    """How the mean squared error bends over the parameters that learn, penalties left out. Infinite on overflow."""

    highest: float
    """The largest eigenvalue of 2/N·ZᵀZ, the design Z being N × K, or a bound of it."""
    lowest: float
    """The smallest that is not zero but for rounding."""
    mean: float
    """The mean of ‖zᵢ‖² over the rows."""
    longest: float | None
    """The largest ‖zᵢ‖²; None where the rows were not looked at."""
    error: float
    """The root mean square of the residuals at the start."""
    rows: int


@dataclass(frozen=True)
class ChosenRate:
    rate: float
    rule: str
    """Why it is this one, in a sentence."""


def curvature_of(data: TrainingData, spec: TrainingSpec) -> Curvature:
    """Of the rows trained on."""
    rows, (weights, bias) = len(data.y), initial_parameters(data.x.shape[1], spec, data.scaler)

    def parts() -> Iterable[tuple[Array, Array]]:
        for start in range(0, rows, _CHUNK_ROWS):
            x, y = data.x[start : start + _CHUNK_ROWS], data.y[start : start + _CHUNK_ROWS]
            roots = data.squared_roots(slice(start, start + _CHUNK_ROWS))
            with np.errstate(all="ignore"):
                design, residuals = _design(x, np.ones((len(y), 1)), spec), x @ np.array(weights) + (bias or 0.0) - y
                yield design if isinstance(roots, float) else design * roots[:, None], residuals * roots

    return _curvature(parts(), rows, _exponent(data.x), are_rows=True)


def curvature_of_reduced(rows: ReducedRows, spec: TrainingSpec, scaler: Scaler | None) -> Curvature:
    """Of the few rows that stand for all, as they are trained on."""
    weights, bias = initial_parameters(rows.features, spec, scaler)
    with np.errstate(all="ignore"):
        design = _design(rows.x, rows.ones[:, None], spec)
        residuals = rows.x @ np.array(weights) + (bias or 0.0) * rows.ones - rows.y
    return _curvature([(design, residuals)], rows.rows, _exponent(rows.triangle), are_rows=False)


def choose_rate(curvature: Curvature, spec: TrainingSpec) -> ChosenRate | None:
    """None where it depends on the rows, and they were not looked at."""
    steps = steps_per_epoch(curvature.rows, spec)
    if steps > 1 and curvature.longest is None and _depends_on_rows(spec):
        return None
    with np.errstate(all="ignore"):
        rate, why = _rate_and_why(curvature, spec, steps)
    if not rate > 0 or math.isnan(rate):
        return ChosenRate(sys.float_info.min, f"auto: {why}, which float64 does not hold: scale the data")
    largest = float(np.finfo(spec.dtype).max)
    if rate > largest:
        return ChosenRate(largest, f"auto: {why}, of which {spec.dtype} holds only as much: scale the data")
    return ChosenRate(float(rate), f"auto: {why}")


def settle_rate(data: TrainingData, spec: TrainingSpec) -> tuple[TrainingSpec, str | None]:
    """The spec with a number for its learning rate, and why it is this one; None where it said one itself."""
    if spec.learning_rate != "auto":
        return spec, None
    chosen = choose_rate(curvature_of(data, spec), spec)
    assert chosen  # the rows were looked at
    return spec.at_rate(chosen.rate), chosen.rule


def _depends_on_rows(spec: TrainingSpec) -> bool:
    return isinstance(spec.optimizer, SGD)


def _design(x: Array, ones: Array, spec: TrainingSpec) -> Array:
    """The columns by which what learns is multiplied."""
    if "weights" in spec.frozen:
        return ones
    return np.hstack([x, ones]) if spec.learns_bias else x


def _exponent(values: Array) -> int:
    """Of a power of two above all of them, and above the ones."""
    return max(1, int(np.frexp(max(float(values.max(initial=0.0)), -float(values.min(initial=0.0))))[1]))


def _curvature(parts: Iterable[tuple[Array, Array]], count: int, exponent: int, *, are_rows: bool) -> Curvature:
    """From designs with their residuals. What is squared is scaled before, and the results are scaled back."""
    gram: Array | None = None
    pieces: list[Array] = []
    longest = lengths = errors = 0.0
    with np.errstate(all="ignore"):
        for design, residuals in parts:
            scaled = np.ldexp(design, -exponent)
            if count < design.shape[1] and are_rows:
                pieces.append(scaled)  # fewer rows than parameters: the products of the rows say as much
            else:
                product = scaled.T @ scaled
                gram = product if gram is None else gram + product
            squares = np.einsum("ij,ij->i", scaled, scaled)
            longest, lengths = max(longest, float(squares.max(initial=0.0))), lengths + float(squares.sum())
            errors = math.hypot(errors, float(np.linalg.norm(residuals)))
        if gram is None:
            wide = np.vstack(pieces)
            gram = wide @ wide.T
        lowest, highest = _extremes(gram)

        def back(square: float) -> float:
            return float(np.ldexp(square, 2 * exponent))

        return Curvature(
            back(2 * highest / count),
            back(2 * lowest / count),
            back(lengths / count),
            back(longest) if are_rows else None,
            errors / math.sqrt(count),
            count,
        )


def _extremes(gram: Array) -> tuple[float, float]:
    """The smallest eigenvalue that is not zero but for rounding, and the largest."""
    if len(gram) > WIDEST_SPECTRUM or not np.isfinite(gram).all():
        return 0.0, float(min(gram.trace(), np.abs(gram).sum(axis=0).max()))
    values = np.linalg.eigvalsh(gram)
    highest = float(values[-1])
    above = values[values > len(gram) * sys.float_info.epsilon * highest]
    return (float(above[0]) if len(above) else 0.0), max(highest, 0.0)


def _rate_and_why(curvature: Curvature, spec: TrainingSpec, steps: int) -> tuple[float, str]:
    if isinstance(spec.optimizer, LBFGS):
        whole = "the whole step that lbfgs finds"
        return (1.0, f"1, {whole}") if steps == 1 else (1 / steps, f"1/{steps} of {whole}: it finds it for one batch")
    if not isinstance(spec.optimizer, SGD):
        return _of_adaptive(curvature, spec, steps)
    if spec.loss == "absolute_error":
        return _of_absolute_error(curvature, spec, steps)
    penalty = 2 * spec.l2 * ("weights" not in spec.frozen) + spec.optimizer.weight_decay
    if steps == 1 and spec.loss == "squared_error" and not spec.l1:
        return _of_full_batch(curvature, spec.optimizer, penalty)
    return _of_batches(curvature, spec, penalty, steps)


def _of_full_batch(curvature: Curvature, optimizer: SGD, penalty: float) -> tuple[float, str]:
    highest = curvature.highest + penalty
    lowest = max(curvature.lowest + penalty, FLATTEST * highest)
    if highest == 0:
        return 1.0, "1, for the loss does not depend on what learns"
    momentum, gain = _momentum(optimizer), max(1.0, 1 - optimizer.dampening)
    known = f"with λ_min {curvature.lowest + penalty:.6g} and λ_max {highest:.6g} of the loss' Hessian"
    if momentum and optimizer.nesterov:
        return 1 / highest, f"1/λ_max, for Nesterov's momentum, {known}"
    if momentum:
        return (1 + momentum) / highest / gain, f"(1 + momentum)/λ_max, which does not swing in any direction, {known}"
    return 2 / (lowest + highest), f"2/(λ_min + λ_max), with the least error in the worst direction, {known}"


def _of_batches(curvature: Curvature, spec: TrainingSpec, penalty: float, steps: int) -> tuple[float, str]:
    """Also of all rows, for Huber's loss, whose curvature changes from place to place, and under l1, whose corners
    would shake a run that swings, and whose proximal steps descend at 1/L."""
    assert isinstance(spec.optimizer, SGD)
    bend = 1.0 if spec.loss == "huber" else 2.0
    highest = (bend / 2 * curvature.highest if steps == 1 else bend * (curvature.longest or 0.0)) + penalty
    if highest == 0:
        return 1.0, "1, for the loss does not depend on what learns"
    factor, gain = _steady(spec.optimizer), max(1.0, 1 - spec.optimizer.dampening)
    of_what = "on all rows" if steps == 1 else f"of a row, the longest having ‖(x, 1)‖² = {curvature.longest:.6g}"
    why = f"1/L, with L = {highest:.6g} the largest curvature {of_what}: no step overshoots"
    if factor < 1:
        why += f"; times {factor:.4g}, for the momentum"
    adds_up = spec.zero_gradients != "step" and steps > 1
    if adds_up:
        why += f"; divided by {steps}², for the gradients of {steps} steps add up"
    return factor / gain / highest / (steps**2 if adds_up else 1), why


def _steady(optimizer: SGD) -> float:
    """Half the limit of the circle criterion, times L."""
    momentum = _momentum(optimizer)
    spread = 1 - momentum + 2 * momentum**2 if optimizer.nesterov else 1 + momentum
    return (1 - momentum) ** 2 / spread


def _momentum(optimizer: SGD) -> float:
    return min(optimizer.momentum, MOST_MOMENTUM)


def _of_absolute_error(curvature: Curvature, spec: TrainingSpec, steps: int) -> tuple[float, str]:
    """A subgradient is no longer than the longest row: D/(G·√T) is the classic step (Nemirovski and Yudin, 1983)."""
    square = curvature.mean if steps == 1 else curvature.longest or 0.0
    taken = spec.epochs * steps
    rate = (curvature.error or 1.0) / (square or 1.0) / math.sqrt(taken) * (1 - _momentum_of(spec))
    return rate, (
        f"s/(R²·√T), with s = {curvature.error:.6g} the root mean square of the residuals at the start, R = "
        f"{math.sqrt(square):.6g} the length of a row, and T = {taken} steps: subgradients do not shorten by themselves"
    )


def _momentum_of(spec: TrainingSpec) -> float:
    return _momentum(spec.optimizer) if isinstance(spec.optimizer, SGD) else 0.0


def _of_adaptive(curvature: Curvature, spec: TrainingSpec, steps: int) -> tuple[float, str]:
    """Their steps have the rate's size whatever the gradient's; adagrad's shorten by themselves."""
    distance = (curvature.error or 1.0) / (math.sqrt(curvature.mean) or 1.0)
    taken = spec.epochs * steps
    of_distance = (
        f"with D = {distance:.6g}, about how far the minimum is: the root mean square of the residuals at the start "
        "through that of the rows' lengths"
    )
    if isinstance(spec.optimizer, Adagrad):
        rate, why = distance, f"D, {of_distance}"
    else:
        rate, why = distance / math.sqrt(taken), f"D/√T, {of_distance}, and T = {taken} steps"
    if isinstance(spec.optimizer, AdamW) and rate * spec.optimizer.weight_decay > 1:
        return 1 / spec.optimizer.weight_decay, "1/weight_decay: beyond, the decay would overshoot"
    return rate, why
