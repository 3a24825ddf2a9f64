"""Answers about what a job's model predicts."""

from service.prediction.points import Prediction
from slope.answers.predictions import PredictionView


def view_prediction(prediction: Prediction) -> PredictionView:
    lower, upper = prediction.bounds or (None, None)
    told = {"lower": lower, "upper": upper} if prediction.bounds else {}
    return PredictionView(x=prediction.x, before=prediction.before, after=prediction.after, **told)


def prediction_line(prediction: Prediction) -> str:
    """As JSON, without bounds that nobody has asked for."""
    return view_prediction(prediction).model_dump_json(exclude_unset=True)
