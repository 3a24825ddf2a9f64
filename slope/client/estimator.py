"""Slope as a scikit-learn estimator: `fit` trains on a service, `predict` needs it no more. Needs scikit-learn."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ModuleNotFoundError as error:
    error.add_note("The estimator needs scikit-learn: pip install 'slope-regression[sklearn]'")
    raise

from slope.client.client import Client
from slope.client.problem import Json

_OF_THE_SERVICE = ("url", "timeout")
"""Parameters that are no hyperparameters."""


class JobFailed(RuntimeError):
    """The service trained, and there is no model. `job` says why."""

    def __init__(self, job: Json) -> None:
        error = job["error"] or {"code": job["status"], "detail": None}
        super().__init__(f"Job {job['id']} {job['status']} ({error['code']}): {error['detail']}")
        self.job = job


class SlopeRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Linear regression by gradient descent, trained by a service, every epoch of it recorded there.

    Parameters have the names, the meaning and the defaults of a job's hyperparameters, and None is the service's own;
    only `standardize` is true, so that few epochs get far with data of any size. After `fit`: `coef_` (D) and
    `intercept_`, of X in its own units, `n_iter_` (epochs), and `job_`, the job as the service answered: its `id` leads
    to every number. The names of a data frame's columns are `feature_names_in_`, and those of the job's features.
    """

    def __init__(
        self,
        *,
        epochs: int = 10,
        learning_rate: float | str = "auto",
        batch_size: int | str = 1,
        shuffle: bool = False,
        seed: int = 0,
        optimizer: Json | None = None,
        schedule: Json | None = None,
        loss: str = "squared_error",
        huber_delta: float = 1.0,
        l1: float = 0.0,
        l2: float = 0.0,
        fit_bias: bool = True,
        initial_weights: ArrayLike = "zeros",
        initial_bias: float | str = "zeros",
        frozen: Sequence[str] | None = None,
        zero_gradients: str = "step",
        standardize: bool = True,
        validation_fraction: float = 0.0,
        test_fraction: float = 0.0,
        early_stopping: Json | None = None,
        clip_norm: float | None = None,
        dtype: str = "float32",
        engine: str = "auto",
        record: Json | None = None,
        url: str = "http://127.0.0.1:8000",
        timeout: float = 3600.0,
    ) -> None:
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.optimizer = optimizer
        self.schedule = schedule
        self.loss = loss
        self.huber_delta = huber_delta
        self.l1 = l1
        self.l2 = l2
        self.fit_bias = fit_bias
        self.initial_weights = initial_weights
        self.initial_bias = initial_bias
        self.frozen = frozen
        self.zero_gradients = zero_gradients
        self.standardize = standardize
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.early_stopping = early_stopping
        self.clip_norm = clip_norm
        self.dtype = dtype
        self.engine = engine
        self.record = record
        self.url = url
        self.timeout = timeout

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (N × D) and y (N), whose rows may have weights (N).

        Raises Problem, JobFailed and TimeoutError; what cannot be is a ValueError.
        """
        x, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        dataset = {"x": x.tolist(), "y": targets.tolist()} | self._names(y)
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
            dataset["weights"] = weights.tolist()
        request = {"dataset": dataset, "hyperparameters": self._hyperparameters()}
        with Client(self.url) as client:
            job = client.wait(client.submit(request)["id"], timeout=self.timeout)
        if job["status"] != "succeeded":
            raise JobFailed(job)
        self.job_ = job
        self.coef_ = np.array(job["weights"])
        self.intercept_ = np.float64(job["bias"] or 0.0)  # as scikit-learn's own have it
        self.n_iter_ = job["progress"]["epochs_done"]
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predictions (N) for X (N × D), computed here, in doubles."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        predictions: NDArray[np.float64] = x @ self.coef_ + self.intercept_
        return predictions

    def _names(self, y: Any) -> Json:
        """Of the columns, where X has names for them; the target's is another one."""
        if not hasattr(self, "feature_names_in_"):
            return {}
        features = self.feature_names_in_.tolist()
        target = y.name if isinstance(getattr(y, "name", None), str) else "y"
        while target in features:
            target += "_"
        return {"features": features, "target": target}

    def _hyperparameters(self) -> Json:
        """What is not None: the service knows the rest."""
        given = {name: value for name, value in self.get_params().items() if name not in _OF_THE_SERVICE}
        return {name: _plain(value) for name, value in given.items() if value is not None}


def _plain(value: Any) -> Any:
    """As JSON has it: NumPy's numbers and arrays become Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
