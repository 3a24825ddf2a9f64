"""Answers about what a job's model predicts."""

from service.api.schemas.view import Page, SparseView, View
from service.prediction.points import Prediction
from slope.fit import Fit


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

    @classmethod
    def of(cls, prediction: Prediction) -> "PredictionView":
        lower, upper = prediction.bounds or (None, None)
        told = {"lower": lower, "upper": upper} if prediction.bounds else {}
        return cls(x=prediction.x, before=prediction.before, after=prediction.after, **told)

    @classmethod
    def line_of(cls, prediction: Prediction) -> str:
        """As JSON, without bounds that nobody has asked for."""
        return cls.of(prediction).model_dump_json(exclude_unset=True)


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
