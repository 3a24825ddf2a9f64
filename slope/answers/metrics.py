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
