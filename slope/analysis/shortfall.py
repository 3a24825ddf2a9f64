"""How far a run ended from the exact solution, as the noise of its rows measures that, and what to tell of it.

The distance is measured by the triangle of the rows alone. A run that ended far succeeds all the same, and its weights
are of little use.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from slope.analysis.course import epochs_until_near
from slope.analysis.least_squares import Learned, Problem, Reduced, problem_of_triangle, reduce
from slope.analysis.notes import moves_evenly, stable_limit
from slope.answers.analysis import Analysis, Distance
from slope.arrays import Array
from slope.data import TrainingData, batch_rows, initial_parameters
from slope.reduced_rows import ReducedRows
from slope.scaling import Scaler
from slope.spec import LBFGS, SGD, AdamW, TrainingSpec

FAR = 1.0
"""A run ended far from the minimum where a coefficient is off by more than this many of its standard errors."""
MISSED = 0.05
"""And where this much of the best R² is missing, whatever the standard errors are."""
ABOVE_NOISE = 0.1
"""And where its loss is this fraction above the least: what the data's own noise leaves is no fault of the run."""

_MOST_WORK = 2_000_000
"""Rows × columns² of a table that is reduced here: a millisecond."""
_MOST_PARAMETERS = 256
"""Of a job whose distance is measured: some milliseconds."""
_FEW_NUMBERS, _FEW_PARAMETERS, _MOST_KEPT = 1000, 16, 64
"""Of tables of this many numbers the last triangles are kept, and the last yardsticks of this many parameters."""
_ROUNDING = 4.0
"""A residual of this many units in the last place of what it is the difference of is rounding."""
_TELLING = 1e-8
"""A coefficient with less than this share in a combination that comes to nothing has none but for rounding."""


def few_rows(data: TrainingData) -> ReducedRows | None:
    """What stands for rows at hand; None where that takes long, and of fewer rows than would be left of them."""
    columns = data.x.shape[1] + 2
    if len(data.y) < columns or len(data.y) * columns**2 > _MOST_WORK:
        return None
    table = np.column_stack([np.ones(len(data.y)), data.x, data.y])
    if data.weights is not None:
        table *= np.sqrt(data.weights)[:, None]
    triangle = _kept_triangle(table.tobytes(), columns) if table.size <= _FEW_NUMBERS else _triangle(table)
    return None if triangle is None else ReducedRows(triangle, len(data.y))


def _triangle(table: Array) -> Array | None:
    with np.errstate(all="ignore"):
        return np.asarray(np.linalg.qr(table, mode="r")) if np.isfinite(table).all() else None


@lru_cache(_MOST_KEPT)
def _kept_triangle(numbers: bytes, columns: int) -> Array | None:
    """That of other runs on the same rows: of a crowd many are."""
    triangle = _triangle(np.frombuffer(numbers).reshape(-1, columns))
    if triangle is not None:
        triangle.setflags(write=False)
    return triangle


def measure_distance(rows: ReducedRows, spec: TrainingSpec, scaler: Scaler | None, learned: Learned) -> Distance | None:
    """Of weights and bias of the space trained in, which `rows` are in, and which `scaler` leads to.

    None of a run with another aim than the exact solution, or with penalties, and where nothing measures it: rows that
    the model passes through, or no more of them than parameters.
    """
    parameters = (0 if "weights" in spec.frozen else len(learned[0])) + spec.learns_bias
    if _has_another_aim(spec) or rows.rows <= parameters or parameters > _MOST_PARAMETERS:
        return None
    with np.errstate(all="ignore"):
        try:
            return _measure(rows, spec, scaler, learned) if np.isfinite(rows.triangle).all() else None
        except np.linalg.LinAlgError:
            return None


def _has_another_aim(spec: TrainingSpec) -> bool:
    penalized = "weights" not in spec.frozen and (spec.l1 or spec.l2)
    return bool(spec.loss != "squared_error" or penalized or getattr(spec.optimizer, "weight_decay", 0.0))


def _measure(rows: ReducedRows, spec: TrainingSpec, scaler: Scaler | None, learned: Learned) -> Distance | None:
    weights, bias = initial_parameters(len(learned[0]), spec, scaler)
    problem = problem_of_triangle(rows.triangle, spec, (np.array(weights), bias), rows.rows)
    came = np.array([*([] if "weights" in spec.frozen else learned[0]), *[learned[1]] * spec.learns_bias], float)
    reduced, yardstick = _yardstick_of(problem, _to_own_units(spec, scaler, len(came)))
    return yardstick.measure(came, reduced, spec)


def _to_own_units(spec: TrainingSpec, scaler: Scaler | None, count: int) -> Array:
    """The map that makes parameters those of the data itself, but for what is added and for the units of weights,
    which a distance does not depend on."""
    linear = np.eye(count)
    if scaler and spec.learns_bias and "weights" not in spec.frozen:
        linear[-1, :-1] = -scaler.means / scaler.deviations
    return linear


@dataclass(frozen=True)
class _Yardstick:
    """K parameters in the units of a `Reduced`, and what measures each coefficient."""

    solution: Array
    """The exact one (K)."""
    scale: Array
    """Error to distances: coefficients in the data's own units, each over its standard error (C × K)."""

    @classmethod
    def of(cls, reduced: Reduced, linear: Array) -> "_Yardstick":
        """Of the coefficients that the rows tell from all others."""
        sizes = reduced.even_sizes(reduced.rows)
        left, values, right = np.linalg.svd(reduced.rows / sizes, full_matrices=False)
        rank = int((values > reduced.tolerance * values[0]).sum())
        bound, free = right[:rank].T / sizes[:, None], right[rank:].T / sizes[:, None]
        solution = bound @ (left[:, :rank].T @ reduced.target / values[:rank])
        own = np.ldexp(linear, -reduced.exponents)
        is_known = np.linalg.norm(own @ free, axis=1) <= _TELLING * np.linalg.norm(own / sizes, axis=1)
        deviation = _residual(reduced, solution, is_least=rank == len(sizes)) / (reduced.count - rank) ** 0.5
        errors = deviation * np.linalg.norm(own @ (bound / values[:rank]), axis=1)
        return cls(solution, own[is_known] / errors[is_known, None])

    def measure(self, came: Array, reduced: Reduced, spec: TrainingSpec) -> Distance | None:
        error = np.ldexp(came, reduced.exponents - reduced.target_exponent) - self.solution
        largest = float(np.abs(self.scale @ error).max(initial=0.0))
        if not (len(self.scale) and np.isfinite(self.scale).all() and np.isfinite(largest)):
            return None
        return Distance(largest, self._epochs(error, reduced, spec) if _is_plain(spec, reduced.count) else None)

    def _epochs(self, error: Array, reduced: Reduced, spec: TrainingSpec) -> int | None:
        """An epoch multiplies the error along each eigenvector of the Hessian 2/N·XᵀX by 1 − ηλ."""
        own = reduced.own_sizes()
        _, values, right = np.linalg.svd(reduced.rows / own, full_matrices=False)
        kept = values > reduced.tolerance * values[0]
        shares = (self.scale / own) @ right[kept].T * (right[kept] @ (error * own))
        root = np.ldexp(values[kept], reduced.exponents.max()) * (2 / reduced.count) ** 0.5
        return epochs_until_near(shares, spec.rate * np.square(root))


def _yardstick_of(problem: Problem, linear: Array) -> tuple[Reduced, _Yardstick]:
    """Where it is small, that of another run on the same rows, if there was one."""
    if not 0 < len(linear) <= _FEW_PARAMETERS:
        reduced = reduce(problem)
        return reduced, _Yardstick.of(reduced, linear)
    numbers = np.column_stack([problem.design, problem.target])
    return _kept_yardstick(numbers.tobytes(), problem.features, problem.l2, problem.count, linear.tobytes())


@lru_cache(_MOST_KEPT)
def _kept_yardstick(numbers: bytes, features: int, l2: float, count: int, linear: bytes) -> tuple[Reduced, _Yardstick]:
    """Of a problem and a map that are told by their numbers."""
    to_own = np.frombuffer(linear)
    to_own = to_own.reshape(math.isqrt(len(to_own)), -1)
    rows = np.frombuffer(numbers).reshape(-1, len(to_own) + 1)
    reduced = reduce(Problem(rows[:, :-1], rows[:, -1], features, l2, count))
    return reduced, _Yardstick.of(reduced, to_own)


def _residual(reduced: Reduced, solution: Array, *, is_least: bool) -> float:
    """‖Xθ − y‖; NaN where it is rounding alone. Of a design of full rank it has most digits without a look at θ."""
    left = reduced.target[len(solution) :] if is_least else reduced.rows @ solution - reduced.target
    parts = np.abs(solution) @ np.linalg.norm(reduced.rows, axis=0) + np.linalg.norm(reduced.target)
    size = float(np.linalg.norm(left))
    return size if size > _ROUNDING * np.finfo(float).eps * parts else np.nan


def _is_plain(spec: TrainingSpec, rows: int) -> bool:
    """Whether every epoch is one step of the same linear map."""
    optimizer = spec.optimizer
    is_plain = isinstance(optimizer, SGD) and not optimizer.momentum and moves_evenly(optimizer, spec)
    return is_plain and batch_rows(rows, spec) == rows


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
