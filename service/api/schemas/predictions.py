"""Answers about what a job's model predicts."""

from service.api.schemas.view import Page, SparseView, View
from service.prediction.points import Prediction
from slope.fit import Fit


class PredictionView(View):
    x: list[float]
    before: float | None
    after: float | None

    @classmethod
    def of(cls, prediction: Prediction) -> "PredictionView":
        return cls.model_validate(prediction)


class ScoredRowView(SparseView):
    row: int
    """Of the dataset, counted from 0."""
    before: float | None
    after: float | None
    y: float | None = None
    """The target, where the dataset has it."""
    residual: float | None = None
    """y − after."""


class FitView(View):
    mean_squared_error: float | None
    r_squared: float | None
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)², of a model without a bias, too, as scikit-learn has it; null when y is constant."""

    @classmethod
    def of(cls, fit: Fit) -> "FitView":
        return cls.model_validate(fit)


class FitsView(View):
    before: FitView
    after: FitView


class ScoringView(Page[ScoredRowView]):
    rows: int
    fit: FitsView | None
    """How well the target was predicted, where the dataset has it."""
