"""Slope as scikit-learn has it: an estimator, and the search of a grid as one sweep. Needs scikit-learn."""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as error:
    from slope.extras import how_to_add

    error.add_note(f"The estimator needs scikit-learn: {how_to_add('sklearn')}")
    raise

from slope.client.estimator.regressor import SlopeRegressor
from slope.client.estimator.search import SlopeSearchCV
from slope.client.problem import JobFailed

__all__ = ["JobFailed", "SlopeRegressor", "SlopeSearchCV"]
