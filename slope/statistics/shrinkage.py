"""Least squares under many penalties, solved from the triangle that stands for the rows."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from slope.answers.path import Penalty
from slope.arrays import Array
from slope.data import initial_parameters
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.scaling import Scaler
from slope.spec import TrainingSpec
from slope.statistics.solution import BeyondRange

COUNT = 100
"""Penalties of a path."""
_STRONGEST, _WEAKEST = 1e2, 1e-8
"""Of l2, as multiples of the largest eigenvalue of the centred XᵀX/N: from weights that are nearly 0 to those of least
squares."""
_L1_DECADES = 1e-3
"""The weakest l1 as a part of the strongest, at which the first weight appears: as glmnet and scikit-learn have it."""
_BEYOND = 1 + 1e-12
"""The strongest l1 is above the bound by this: at the bound itself rounding would decide about the first weight."""
_GAP, _ITERATIONS = 1e-12, 10_000
"""Coordinate descent ends at a duality gap of this part of ‖y‖², or after this many rounds."""


@dataclass(frozen=True)
class Strength:
    """A penalty as a job takes it: mean loss + l2·‖w‖² + l1·‖w‖₁."""

    l1: float
    l2: float


@dataclass(frozen=True)
class Shrunk:
    """The solutions of T strengths, on `rows` rows, in the space trained in."""

    weights: Array
    """T × D."""
    biases: Array
    """T; 0 where there is no bias."""
    squares: Array
    """‖Xw + b − y‖² (T)."""
    freedom: Array
    """Effective degrees of freedom (T), the bias included where it learns."""
    has_converged: bool = True


@dataclass(frozen=True)
class Centred:
    """A design X (M × D) and y (M) that stand for `rows` rows, from which the bias has been taken out."""

    x: Array
    y: Array
    rows: int
    means: Array
    """Of the columns that were taken off with a bias that learns; else 0 (D)."""
    target_mean: float
    """What the bias is where all weights are 0."""
    scaler: Scaler | None
    spec: TrainingSpec

    @classmethod
    def of(cls, columns: ReducedColumns, spec: TrainingSpec) -> Self:
        """What the job trains in: standardized, where it asks for that."""
        whole, scaler = columns.prepared(spec)
        return cls.of_rows(whole, scaler, spec)

    @classmethod
    def of_rows(cls, whole: ReducedRows, scaler: Scaler | None, spec: TrainingSpec) -> Self:
        if spec.learns_bias:  # the first row is the direction of the ones: the others have no mean
            mean = float(whole.y[0] / whole.ones[0])
            return cls(whole.x[1:], whole.y[1:], whole.rows, whole.means, mean, scaler, spec)
        _, bias = initial_parameters(whole.features, spec, scaler)
        left = whole.y - whole.ones * (bias or 0.0)
        return cls(whole.x, left, whole.rows, np.zeros(whole.features), bias or 0.0, scaler, spec)

    def strengths(self, penalty: Penalty, l1_ratio: float) -> list[Strength]:
        """The strongest first, evenly apart on a logarithmic scale. Empty where no weight has anything to explain.

        Raises BeyondRange.
        """
        if penalty == "l2":
            if not self.x.any():
                return []
            largest = float(np.square(np.linalg.norm(self.x, 2))) / self.rows
            return [Strength(0.0, each) for each in _spaced(largest * _STRONGEST, largest * _WEAKEST)]
        part = 1.0 if penalty == "l1" else l1_ratio
        largest = 2 * _BEYOND * float(np.abs(self.x.T @ self.y).max()) / self.rows
        if largest == 0:
            return []
        return [Strength(each, each / 2 * (1 - part) / part) for each in _spaced(largest, largest * _L1_DECADES)]

    def solve(self, strengths: list[Strength], pause: Callable[[], None] = lambda: None) -> Shrunk:
        """All of them with l1, or none; a single one without any penalty, or none.

        `pause` is called before each with l1, for one may take a quarter of a second, and may raise.
        """
        if strengths[0].l1:
            return self._descend(strengths, pause)
        return self._ridges(strengths) if strengths[0].l2 else self._least_squares()

    def in_own_units(self, found: Shrunk) -> tuple[Array, Array]:
        """Weights (T × D) and biases (T) in the data's own units."""
        if self.scaler is None:
            return found.weights, found.biases
        weights = found.weights / self.scaler.deviations
        has_bias = self.spec.fit_bias
        return weights, found.biases + has_bias * (self.scaler.target_mean - weights @ self.scaler.means)

    def _least_squares(self) -> Shrunk:
        """Of solutions that columns which depend on each other leave open, the one that descent from zero comes to."""
        sizes = np.abs(self.x).max(axis=0)
        sizes[sizes == 0] = 1.0
        cut = np.finfo(float).eps * max(self.x.shape)
        scaled, _, rank, _ = np.linalg.lstsq(self.x / sizes, self.y, rcond=cut)
        weights = scaled / sizes if rank == len(sizes) else np.linalg.lstsq(self.x, self.y, rcond=cut)[0]
        squares = [float(np.square(self.x @ weights - self.y).sum())]
        return self._with_biases(np.array([weights]), np.array(squares), np.array([float(rank)]))

    def _ridges(self, strengths: list[Strength]) -> Shrunk:
        left, values, right = np.linalg.svd(self.x, full_matrices=False)
        shares = left.T @ self.y
        penalties = self.rows * np.array([each.l2 for each in strengths])[:, None]
        kept = np.square(values) / (np.square(values) + penalties)  # of each direction
        inverse = values / (np.square(values) + penalties)
        beyond = float(np.square(self.y - left @ shares).sum())
        squares = np.square((1 - kept) * shares).sum(axis=1) + beyond
        return self._with_biases((inverse * shares) @ right, squares, kept.sum(axis=1))

    def _descend(self, strengths: list[Strength], pause: Callable[[], None]) -> Shrunk:
        """Each from where the one before it came to, by scikit-learn's coordinate descent, whose
        ‖Xw − y‖²/2n + α·ρ‖w‖₁ + α(1 − ρ)‖w‖²/2 is half of a job's loss.

        Raises ModuleNotFoundError where it is not installed.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import enet_path

        scale = (len(self.y) / self.rows) ** 0.5  # its n is that of the triangle's rows
        x, y = np.asfortranarray(self.x * scale), self.y * scale
        options = {"precompute": x.T @ x, "Xy": x.T @ y, "tol": _GAP, "max_iter": _ITERATIONS}
        found = [np.zeros(x.shape[1])]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            for each in strengths:
                pause()
                alpha = each.l1 / 2 + each.l2
                start, ratio = found[-1].copy(), each.l1 / 2 / alpha
                _, solved, _ = enet_path(x, y, l1_ratio=ratio, alphas=[alpha], coef_init=start, **options)
                found.append(solved[:, 0])
        weights = np.array(found[1:])
        squares = np.square(weights @ self.x.T - self.y).sum(axis=1)
        freedom = [
            self._active_freedom(each != 0, strength.l2) for each, strength in zip(weights, strengths, strict=True)
        ]
        return self._with_biases(weights, squares, np.array(freedom), has_converged=not caught)

    def _active_freedom(self, active: Array, l2: float) -> float:
        """Of a lasso as many as there are weights (Zou, Hastie, Tibshirani 2007); under l2, the trace on those."""
        if not (l2 and active.any()):
            return float(active.sum())
        squares = np.square(np.linalg.svd(self.x[:, active], compute_uv=False))
        return float((squares / (squares + self.rows * l2)).sum())

    def _with_biases(self, weights: Array, squares: Array, freedom: Array, *, has_converged: bool = True) -> Shrunk:
        biases = self.target_mean - weights @ self.means
        return Shrunk(weights, biases, squares, freedom + self.spec.learns_bias, has_converged)


def _spaced(strongest: float, weakest: float) -> list[float]:
    if not (weakest > 0 and np.isfinite(strongest)):
        raise BeyondRange
    spaced: list[float] = np.geomspace(strongest, weakest, COUNT).tolist()
    return spaced
