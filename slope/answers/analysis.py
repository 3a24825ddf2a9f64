"""What the data says before any step, and how far a run came."""

from dataclasses import dataclass
from typing import Literal

RSquaredKind = Literal["centred", "uncentred"]
"""What a fit is compared with: the mean of y, or 0 where the model has no bias, and so could not give the mean."""


@dataclass(frozen=True)
class Exact:
    """The minimum of mean((Xw + b − y)²) + l2·‖w‖² over what learns; the bias is not penalised.

    `weights` (D) and `bias` are in the data's own units; `loss` is of the space trained in, as the run's losses are.
    Of many minima this is the one with the least ‖(w, b)‖ in that space, to which descent from zeros leads; where the
    columns differ by more than float64 resolves, the least in columns of one size.
    """

    weights: list[float]
    """In the data's own units."""
    bias: float | None
    """In the data's own units; None where there is none."""
    loss: float
    """Of the space trained in, as the run's losses are."""


@dataclass(frozen=True)
class Reached:
    """How far a run came: its final parameters on the rows trained on. None is what float64 cannot hold."""

    loss: float | None
    """mean((Xw + b − y)²) + l2·‖w‖², to be compared with that of the exact solution."""
    excess_loss: float | None
    """By how much it is above the exact solution's."""
    r_squared: float | None
    """Of the same kind as the exact solution's."""
    distance: float | None = None
    """Of the coefficient that is furthest from the exact solution's, in its standard errors. None under penalties and
    with another loss, and where nothing measures it: rows that the model passes through, or as few as parameters."""
    epochs_to_go: int | None = None
    """After this many more epochs at this rate every coefficient is within a hundredth of a standard error: of plain
    full-batch descent at a constant rate, by the spectrum. None of others."""


@dataclass(frozen=True)
class Distance:
    """Of the coefficient that is furthest from the exact solution's."""

    errors: float
    """In its standard errors, the coefficients in the data's own units."""
    epochs: int | None
    """`Reached.epochs_to_go`."""


@dataclass(frozen=True)
class Analysis:
    """What the training rows say before any step. None is what does not exist, or what float64 cannot hold."""

    exact: Exact | None
    """The least-squares solution."""
    r_squared: float | None
    """Of the exact solution on the training rows; None when y has nothing to explain: it is constant, or all zero."""
    rank: int
    """Of the design, its columns scaled to one size, by the tolerance of numpy.linalg.matrix_rank."""
    rows: int
    """Those trained on."""
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
    """Sentences: what is peculiar of the data."""
    r_squared_kind: RSquaredKind = "centred"
    """Uncentred, 1 − Σ(y − ŷ)²/Σy², where the model has no bias, as NIST, R and statsmodels have it."""
    reached: Reached | None = None
    """Of a run that has succeeded."""
