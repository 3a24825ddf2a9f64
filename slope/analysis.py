"""The truth beside the run: where descent would end, and how fast it may go. NumPy alone, in float64.

A QR factorisation reduces the N rows once to at most K + 1, K being the parameters that learn, with the same singular
values and the same residuals; all else is read off these. XᵀX is never formed, for it squares the condition number
(Björck, Numerical Methods for Least Squares Problems, 1996). The cost is O(N·D·min(N, D)).
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slope.data import Array, TrainingData, batch_rows, initial_parameters
from slope.spec import SGD, Constant, TrainingSpec

DWARFING = 1e3
"""How many times as large as another a column may be before it is told."""


@dataclass(frozen=True)
class Exact:
    """The minimum of mean((Xw + b − y)²) + l2·‖w‖² over what learns; the bias is not penalised.

    `weights` (D) and `bias` are in the data's own units; `loss` is of the space trained in, as the run's losses are.
    Of many minima this is the one with the least ‖(w, b)‖ in that space, to which descent from zeros leads; where the
    columns differ by more than float64 resolves, the least in columns of one size.
    """

    weights: list[float]
    bias: float | None
    loss: float


@dataclass(frozen=True)
class Analysis:
    """What the training rows say before any step. None is what does not exist, or what float64 cannot hold."""

    exact: Exact | None
    r_squared: float | None
    """Of the exact solution on the training rows; None when y is constant."""
    rank: int
    """Of the design, its columns scaled to one size, by the tolerance of numpy.linalg.matrix_rank."""
    rows: int
    columns: int
    """The parameters that learn: a weight per feature, and the bias."""
    condition_number: float | None
    """The ratio of the extreme singular values of the design as descent sees it; None when rank < columns."""
    max_stable_learning_rate: float | None
    """2/λ_max of the Hessian 2/N·XᵀX + 2·l2·diag(1, …, 1, 0 for the bias): above it, full-batch descent diverges."""
    max_stable_learning_rate_per_row: float | None
    """Below this bound no step on a single row overshoots; above it training may still converge, but nothing says so.

    It is sufficient, not necessary: the least over the rows of 2/(2·‖(xᵢ, 1)‖² + 2·l2) ≤ 2/λ_max of that row's loss.
    """
    notes: list[str]


def analyse(data: TrainingData, spec: TrainingSpec) -> Analysis | None:
    """Analyse the rows trained on. None when there are none, or numbers that are not finite; never raises."""
    if len(data.y) == 0 or not (np.isfinite(data.x).all() and np.isfinite(data.y).all()):
        return None
    with np.errstate(all="ignore"):
        try:
            return _analyse(data, spec)
        except np.linalg.LinAlgError:
            return None  # the SVD's iteration did not converge, which scaling leaves next to impossible


def r_squared(y: ArrayLike, predictions: ArrayLike) -> float | None:
    """1 − Σ(y − ŷ)²/Σ(y − ȳ)² over N rows. None when y is constant, or the value not finite."""
    truth, guess = np.asarray(y, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if len(truth) == 0 or (truth == truth[0]).all():
        return None
    with np.errstate(all="ignore"):
        exponent = _exponents(truth)  # so that no square overflows
        truth, guess = np.ldexp(truth, -exponent), np.ldexp(guess, -exponent)
        value = 1 - np.square(truth - guess).sum() / np.square(truth - truth.mean()).sum()
    return float(value) if np.isfinite(value) else None


def loss_of(data: TrainingData, spec: TrainingSpec, weights: ArrayLike, bias: float | None) -> float:
    """mean((Xw + b − y)²) + l2·‖w‖² on the training rows, for weights (D) of the trained space; inf on overflow."""
    with np.errstate(all="ignore"):
        vector = np.asarray(weights, dtype=np.float64)
        residuals = data.x @ vector + (bias or 0.0) - data.y
        penalty = spec.l2 * np.square(vector).sum() if spec.l2 else 0.0
        return float(np.square(residuals).mean() + penalty)


def warnings_for(spec: TrainingSpec, analysis: Analysis | None) -> list[str]:
    """What to tell the sender of a job, in sentences: a learning rate too high, and the analysis' notes."""
    return [*_rate_warnings(spec, analysis), *analysis.notes] if analysis else []


@dataclass(frozen=True)
class _Problem:
    """‖design·θ − target‖²/N + l2·‖the first `features` of θ‖², over the parameters θ (K) that learn."""

    design: Array
    target: Array
    features: int
    l2: float


@dataclass(frozen=True)
class _Reduced:
    """The same problem in M ≤ K + 1 rows: design = Q·rows·diag(2^exponents), target = Q·target·2^target_exponent.

    Fewer rows than features are first rotated into the directions they span, `basis` (D × N), so that K ≤ N + 1. A
    rotation changes no length: neither the penalty nor which minimum is the shortest.
    """

    rows: Array
    target: Array
    exponents: NDArray[np.int32]
    target_exponent: int
    ridge: Array  # K: the square roots of the penalties
    count: int  # N
    basis: Array | None

    @property
    def tolerance(self) -> float:
        """The fraction of the largest singular value up to which the others count as zero, as in NumPy."""
        return max(self.count, len(self.ridge)) * sys.float_info.epsilon

    def own_sizes(self) -> Array:
        """Columns divided by these have the proportions they have in the data. K numbers from 1 up."""
        return np.asarray(np.ldexp(1.0, self.exponents.max() - self.exponents))

    def even_sizes(self, rows: Array) -> Array:
        """Columns divided by these have one size; not the rotated ones, some of which may be rounding alone."""
        sizes = np.linalg.norm(rows, axis=0) if self.basis is None else np.ones(rows.shape[1])
        return np.where(sizes > 0, sizes, 1.0)


def _analyse(data: TrainingData, spec: TrainingSpec) -> Analysis:
    problem = _problem(data, spec)
    reduced = _reduce(problem)
    rank, condition_number = _rank_and_condition(reduced)
    exact, predictions = _exact(data, spec, _minimum(reduced))
    squared = spec.loss == "squared_error"  # the only loss whose Hessian is constant
    analysis = Analysis(
        exact=exact,
        r_squared=r_squared(data.y, predictions) if exact else None,
        rank=rank,
        rows=len(data.y),
        columns=problem.design.shape[1],
        condition_number=condition_number,
        max_stable_learning_rate=_held(_stable_rate(reduced, 2.0)) if squared else None,
        max_stable_learning_rate_per_row=_held(_stable_rate_per_row(problem)) if squared else None,
        notes=[],
    )
    return replace(analysis, notes=[*_notes(data, spec, analysis), *_rate_notes(spec, reduced)])


def _problem(data: TrainingData, spec: TrainingSpec) -> _Problem:
    """Bring what is frozen to the other side."""
    weights, bias = initial_parameters(data.x.shape[1], spec)
    ones = np.ones((len(data.y), 1))
    if "weights" in spec.frozen:
        return _Problem(ones, data.y - data.x @ np.asarray(weights), 0, 0.0)
    if bias is None or "bias" in spec.frozen:
        return _Problem(data.x, data.y - (bias or 0.0), data.x.shape[1], spec.l2)
    return _Problem(np.hstack([data.x, ones]), data.y, data.x.shape[1], spec.l2)


def _reduce(problem: _Problem) -> _Reduced:
    """Scale by powers of two, which rounds nothing and keeps squares in range; rotate; factorise."""
    count, features = len(problem.target), problem.features
    wide, basis = count < features, None
    exponents, target_exponent = _exponents(problem.design), int(_exponents(problem.target))
    if wide:
        exponents[:] = exponents.max()  # one scale for all, for a rotation must not bend
    design, target = np.ldexp(problem.design, -exponents), np.ldexp(problem.target, -target_exponent)
    if wide:
        basis = np.linalg.qr(design[:, :features].T).Q
        design = np.hstack([design[:, :features] @ basis, design[:, features:]])
        exponents, features = exponents[: design.shape[1]], count
    triangle = np.asarray(np.linalg.qr(np.column_stack([design, target]), mode="r"))
    ridge = np.where(np.arange(design.shape[1]) < features, math.sqrt(problem.l2), 0.0)
    return _Reduced(triangle[:, :-1], triangle[:, -1], exponents, target_exponent, ridge, count, basis)


def _exponents(values: Array) -> NDArray[np.int32]:
    """Per column, or of a vector: the power of two just above the largest magnitude; 0 where all is zero."""
    return np.asarray(np.frexp(np.abs(values).max(axis=0))[1])


def _rank_and_condition(reduced: _Reduced) -> tuple[int, float | None]:
    """The condition is ‖X‖·‖X⁺‖, two largest singular values: the smallest of X itself may be lost in rounding."""
    sizes, own = reduced.even_sizes(reduced.rows), reduced.own_sizes()
    _, values, directions = np.linalg.svd(reduced.rows / sizes, full_matrices=False)
    rank = int((values > reduced.tolerance * values[0]).sum())
    inverse = directions.T / values * (own / sizes)[:, None]
    if rank < len(sizes) or reduced.basis is not None or not np.isfinite(inverse).all():
        return rank, None
    return rank, _held(_norm(reduced.rows / own) * _norm(inverse))


def _minimum(reduced: _Reduced) -> Array:
    """The parameters that learn, at the minimum; the ridge enters as K more rows, √(N·l2)·θ ≈ 0."""
    ridge = np.ldexp(math.sqrt(reduced.count) * reduced.ridge, -reduced.exponents)
    # Past 1e150 a penalty leaves nothing of its weight that float64 could see, and its square must not overflow.
    rows = np.vstack([reduced.rows, np.diag(np.minimum(ridge, 1e150))])
    target = np.concatenate([reduced.target, np.zeros(len(ridge))])
    solution, rank = _least_squares(rows, target, reduced.even_sizes(rows), reduced.tolerance)
    if rank < len(solution):
        shortest, _ = _least_squares(rows, target, reduced.own_sizes(), reduced.tolerance)
        least, error = (np.linalg.norm(rows @ theta - target) for theta in (solution, shortest))
        if error <= least * (1 + 1e-9) + 1e-12 * np.linalg.norm(target):
            solution = shortest
    theta = np.ldexp(solution, reduced.target_exponent - reduced.exponents)
    split = min(reduced.count, len(theta))  # the bias is not rotated
    return theta if reduced.basis is None else np.append(reduced.basis @ theta[:split], theta[split:])


def _least_squares(rows: Array, target: Array, sizes: Array, tolerance: float) -> tuple[Array, int]:
    """θ (K) with the least ‖rows·θ − target‖ and, among those, the least ‖sizes·θ‖; and the rank found."""
    left, values, right = np.linalg.svd(rows / sizes, full_matrices=False)
    kept = values > tolerance * values[0]
    return right[kept].T @ (left[:, kept].T @ target / values[kept]) / sizes, int(kept.sum())


def _exact(data: TrainingData, spec: TrainingSpec, learned: Array) -> tuple[Exact | None, Array]:
    """The minimum from what learned and what is frozen, and its N predictions."""
    start, bias = initial_parameters(data.x.shape[1], spec)
    weights = np.asarray(start) if "weights" in spec.frozen else learned[: len(start)]
    if _learns_bias(spec):
        bias = float(learned[-1])
    predictions = data.x @ weights + (bias or 0.0)
    loss = loss_of(data, spec, weights, bias)
    if data.scaler:
        weights, bias = data.scaler.in_own_units(weights, bias)
    finite = np.isfinite([*weights, bias or 0.0, loss]).all()
    return Exact(weights.tolist(), bias, loss) if finite else None, predictions


def _learns_bias(spec: TrainingSpec) -> bool:
    return spec.fit_bias and "bias" not in spec.frozen


def _stable_rate(reduced: _Reduced, curvature: float) -> float:
    """2/λ_max of curvature/N·XᵀX + 2·l2·diag(1, …, 1, 0 for the bias); 0 or inf beyond the range of float64."""
    ridge = math.sqrt(2) * reduced.ridge
    top = max(int(reduced.exponents.max()), int(_exponents(ridge)))
    rows = np.ldexp(reduced.rows, reduced.exponents - top) * math.sqrt(curvature / reduced.count)
    root = _norm(np.vstack([rows, np.diag(np.ldexp(ridge, -top))]))  # √λ_max / 2^top
    return float(np.square(np.ldexp(math.sqrt(2) / root, -top)))


def _stable_rate_per_row(problem: _Problem) -> float:
    longest = np.einsum("ij,ij->i", problem.design, problem.design).max()
    return float(1 / (longest + problem.l2))


def _norm(matrix: Array) -> np.float64:
    """The largest singular value."""
    return np.float64(np.linalg.svd(matrix, compute_uv=False)[0])


def _held(value: float) -> float | None:
    """A positive number, or None where float64 could not hold it."""
    return float(value) if 0 < value < math.inf else None


def _notes(data: TrainingData, spec: TrainingSpec, analysis: Analysis) -> Iterator[str]:
    rank, columns = analysis.rank, analysis.columns
    if rank < columns:
        meaning = "without l2 many minima would be equal" if spec.l2 else "of the many minima the shortest is given"
        yield f"The design has rank {rank} of {columns}: {meaning}."
    if analysis.rows < columns:
        yield f"There are fewer rows ({analysis.rows}) than parameters to learn ({columns})."
    if "weights" not in spec.frozen:
        yield from _column_notes(data, spec)
    if spec.loss != "squared_error":
        yield f"The exact solution is that of the squared error; the loss trained is {spec.loss}."
    if spec.l1:
        yield "The exact solution leaves l1 out."
    if analysis.exact is None:
        yield "The exact solution or its loss is beyond the range of float64: scale the data."
    if rank == columns and analysis.condition_number is None:
        yield "The condition number is beyond the range of float64."


def _column_notes(data: TrainingData, spec: TrainingSpec) -> Iterator[str]:
    biased = _learns_bias(spec)
    idle = np.flatnonzero((data.x == (data.x[0] if biased else 0.0)).all(axis=0))
    if len(idle) and len(data.y) > 1:
        yield _named(idle) + (" constant: the bias already says as much." if biased else " zero in every row.")
    if not spec.standardize:
        yield from _dwarfed(data.x, biased)


def _dwarfed(x: Array, biased: bool) -> Iterator[str]:
    """Compare the columns' sizes, the ones of the bias among them."""
    names = [f"feature {index}" for index in range(x.shape[1])] + ["the bias' column of ones"] * biased
    sizes = np.append(_decades(x), [0.0] * biased)
    large, small = sizes.argmax(), np.where(np.isfinite(sizes), sizes, np.inf).argmin()
    if (apart := sizes[large] - sizes[small]) > math.log10(DWARFING):
        pair = f"{names[large]} is about 10^{apart:.0f} times as large as {names[small]}"
        yield f"Descent will be slow, for {pair}: set standardize."


def _decades(x: Array) -> Array:
    """log10 of each column's root mean square (D); −inf for a column of zeros."""
    exponents = _exponents(x)
    means = np.square(np.ldexp(x, -exponents)).mean(axis=0)
    return np.asarray(np.log10(means) / 2 + exponents * math.log10(2))


def _named(indices: NDArray[np.int64]) -> str:
    """Feature 2 is; Features 0, 2 are; no more than five by index."""
    rest = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    names = ", ".join(map(str, indices[:5])) + rest
    return f"Feature {names} is" if len(indices) == 1 else f"Features {names} are"


def _rate_notes(spec: TrainingSpec, reduced: _Reduced) -> Iterator[str]:
    """The huber loss has a second derivative of at most 1, where that of the squared error is 2."""
    if spec.loss == "absolute_error":
        return
    rate = _stable_rate(reduced, 1.0 if spec.loss == "huber" else 2.0)
    if not rate > 0:
        yield "No learning rate of float64 is small enough for full-batch descent: scale the data."
    elif rate == math.inf:
        yield "Full-batch descent is stable at every learning rate of float64."
    elif spec.loss == "huber":
        yield f"With the huber loss, full-batch descent is stable at any learning rate below {rate:.6g}."


def _rate_warnings(spec: TrainingSpec, analysis: Analysis) -> Iterator[str]:
    optimizer, rate = spec.optimizer, spec.learning_rate
    if not (isinstance(optimizer, SGD) and _moves_evenly(optimizer, spec)):
        return
    if batch_rows(analysis.rows, spec) == analysis.rows:
        limit, meaning = analysis.max_stable_learning_rate, "where full-batch descent on these rows begins to diverge"
    elif spec.batch_size == 1 and not optimizer.momentum:
        limit, meaning = analysis.max_stable_learning_rate_per_row, "and above that training row by row may diverge"
    else:
        return
    if limit is not None and rate > (limit := _with_momentum(optimizer, limit)):
        remedy = "" if spec.standardize else " or set standardize"
        yield f"learning_rate {rate} is above {limit:.6g}, {meaning}: lower learning_rate below {limit:.6g}{remedy}."


def _moves_evenly(optimizer: SGD, spec: TrainingSpec) -> bool:
    """Whether the same linear map makes every step; of others the limits say nothing."""
    even = isinstance(spec.schedule, Constant) and spec.clip_norm is None and spec.zero_gradients == "step"
    return even and not optimizer.dampening and optimizer.momentum < 1


def _with_momentum(optimizer: SGD, rate: float) -> float:
    """What momentum μ and decay make of the limit 2/λ of plain descent.

    A step η along an eigenvector is a recursion that is stable while the roots z lie within the unit circle: those of
    z² − (1 + μ − ηλ)z + μ for the heavy ball, of z² − (1 + μ)(1 − ηλ)z + μ(1 − ηλ) for Nesterov. Decay adds to λ.
    """
    momentum = optimizer.momentum
    factor = (1 + momentum) / (1 + 2 * momentum) if optimizer.nesterov else 1 + momentum
    return 2 * factor / (2 / rate + optimizer.weight_decay)
