"""Answers about what a job's model predicts."""

from slope.answers.view import Page, SparseView, View


class PredictionView(SparseView):
    x: list[float]
    """The point."""
    before: float | None
    """What the model before training says."""
    after: float | None
    """What the model says that was asked for."""

    lower: float | None = None
    """Of the interval that was asked for; null where the rows trained on do not tell."""
    upper: float | None = None
    """Of the same interval."""


class ScoredRowView(SparseView):
    row: int
    """Of the dataset, counted from 0."""
    before: float | None
    """What the model before training says."""
    after: float | None
    """What the model says that was asked for."""
    y: float | None = None
    """The target, where the dataset has it."""
    residual: float | None = None
    """y − after."""
    lower: float | None = None
    """Of the interval that was asked for."""
    upper: float | None = None
    """Of the same interval."""


class FitView(View):
    mean_squared_error: float | None
    """Of the predictions, against the target."""
    r_squared: float | None
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)², of a model without a bias, too, as scikit-learn has it; null when y is constant."""


class FitsView(View):
    before: FitView
    """Of the model before training."""
    after: FitView
    """Of the model that was asked for."""


class ScoringView(Page[ScoredRowView]):
    rows: int
    """How many were predicted."""
    fit: FitsView | None
    """How well the target was predicted, where the dataset has it."""


class InvocationAnswer(View):
    predictions: list[float | None]
    """One for each row; numbers that are not finite are null."""
