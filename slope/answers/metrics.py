"""How well a model predicts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metrics:
    """Of some rows. None is what does not exist, or what float64 cannot hold."""

    rows: int
    """How many."""
    mean_squared_error: float | None
    """mean((ŷ − y)²)."""
    root_mean_squared_error: float | None
    """Its square root."""
    mean_absolute_error: float | None
    """mean(|ŷ − y|); null where no row was read."""
    r_squared: float | None
    """1 − Σ(y − ŷ)²/Σ(y − ȳ)², ȳ being the mean of these rows; null where y is constant."""


@dataclass(frozen=True)
class CrossValidation:
    """Of exact solutions, each on the rows of one fold by the rows of all others. None is what does not exist."""

    folds: int
    """How many."""
    mean_squared_error: float | None
    """The average of the folds'."""
    standard_deviation: float | None
    """Between the folds' mean squared errors."""
    standard_error: float | None
    """Of the average: standard_deviation / √folds."""
    r_squared: float | None
    """The average of the folds'."""
    per_fold: list[Metrics]
    """In the order of the folds: how well the rows that were left out are predicted."""
    note: str
    """What was validated; or why nothing was."""


@dataclass(frozen=True)
class JobMetrics:
    """Of the model that a job has trained."""

    training: Metrics | None
    """On the rows trained on."""
    validation: Metrics | None
    """On the rows that were held back to validate with; null where there are none."""
    test: Metrics | None
    """On the rows that nothing looked at before; null where there are none."""
    note: str | None = None
    """What is missing, and why."""
    cross_validation: CrossValidation | None = None
    """Where it was asked for: not of the trained model, but of exact solutions."""
