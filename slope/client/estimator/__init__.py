"""Slope as scikit-learn has it: an estimator, and the search of a grid as one sweep. Needs scikit-learn."""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as error:
    error.add_note("The estimator needs scikit-learn: pip install 'slope-regression[sklearn]'")
    raise

from slope.client.estimator.regressor import SlopeRegressor
from slope.client.estimator.search import SlopeSearchCV
from slope.client.problem import JobFailed

__all__ = ["JobFailed", "SlopeRegressor", "SlopeSearchCV"]
