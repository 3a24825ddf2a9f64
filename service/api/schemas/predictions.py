"""Answers about what a job's model predicts."""

from service.api.schemas.view import Page, SparseView, View
from service.prediction.points import Prediction
from slope.fit import Fit


class PredictionView(View):
    x: list[float]
    """The point."""
    before: float | None
    """What the model before training says."""
    after: float | None
    """What the model says that was asked for."""

    @classmethod
    def of(cls, prediction: Prediction) -> "PredictionView":
        return cls.model_validate(prediction)


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


class FitView(View):
    mean_squared_error: float | None
    """Of the predictions, against the target."""
    r_squared: float | None
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)², of a model without a bias, too, as scikit-learn has it; null when y is constant."""

    @classmethod
    def of(cls, fit: Fit) -> "FitView":
        return cls.model_validate(fit)


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
