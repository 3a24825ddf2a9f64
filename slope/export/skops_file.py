"""A model as scikit-learn's LinearRegression, in a skops file, which runs no code when it is read."""

from typing import Any

import numpy as np

from slope.trained import TrainedModel


def to_skops(model: TrainedModel) -> bytes:
    from skops.io import dumps

    content: bytes = dumps(to_sklearn(model))
    return content


def to_sklearn(model: TrainedModel) -> Any:
    """A fitted sklearn.linear_model.LinearRegression in doubles, of x in its own units."""
    from sklearn.linear_model import LinearRegression

    weights, bias = model.in_own_units
    regression = LinearRegression(fit_intercept=bias is not None)
    regression.coef_ = weights
    regression.intercept_ = np.float64(0.0 if bias is None else bias)
    regression.n_features_in_ = len(weights)
    if model.features is not None:
        regression.feature_names_in_ = np.array(model.features, object)
    return regression
