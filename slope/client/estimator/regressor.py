"""The estimator: `fit` trains, `predict` needs nobody any more."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from slope.client.estimator.here import Here
from slope.client.estimator.on_service import OnService
from slope.client.estimator.outcomes import Label, Outcome, Table, Trainer
from slope.client.frames import target_name
from slope.client.problem import Json

_NO_HYPERPARAMETERS = ("name", "metadata", "warm_start", "url", "timeout", "local")


class SlopeRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Linear regression by gradient descent, trained by a service, every epoch of it recorded there.

    Parameters have the names, the meaning and the defaults of a job's hyperparameters, and None is the service's own.
    Three defaults are scikit-learn's: every step sees all rows (`batch_size`), so that a row of weight 2 is a row that
    comes twice; the columns are standardized, so that few epochs get far; and float64 is float64 (`dtype`).

    `name` and `metadata` are the job's. `url` is as SLOPE_URL says where it is not given. With `warm_start`, `fit`
    begins where the last one ended. With `local`, the training is done in this process by the server's libraries, and
    no service is asked.

    After `fit`: `coef_` (D) and `intercept_`, of X in its own units; `n_iter_` (epochs); `history_`, the epochs by
    column; `statistics_`, of the exact solution; and `job_`, the job as the service answered: its `id` leads to every
    number. The names of a data frame's columns are `feature_names_in_`, and those of the job's features.
    """

    def __init__(
        self,
        *,
        epochs: int = 1000,
        learning_rate: float | str = "auto",
        batch_size: int | str = "full",
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
        validation_rows: Sequence[Sequence[int]] | None = None,
        test_rows: Sequence[Sequence[int]] | None = None,
        early_stopping: Json | None = None,
        clip_norm: float | None = None,
        dtype: str = "float64",
        engine: str = "auto",
        record: Json | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
        warm_start: bool = False,
        url: str | None = None,
        timeout: float = 3600.0,
        local: bool = False,
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
        self.validation_rows = validation_rows
        self.test_rows = test_rows
        self.early_stopping = early_stopping
        self.clip_norm = clip_norm
        self.dtype = dtype
        self.engine = engine
        self.record = record
        self.name = name
        self.metadata = metadata
        self.warm_start = warm_start
        self.url = url
        self.timeout = timeout
        self.local = local

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (N × D) and y (N), whose rows may have weights (N).

        Raises Problem, JobFailed and TimeoutError; what cannot be is a ValueError.
        """
        table = self.table_of(X, y, sample_weight)
        start = self._outcome.start if self.warm_start and hasattr(self, "coef_") else {}
        return self.adopt(self.trainer.fit(table, self.hyperparameters | start, self._label))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on X (N × D) and y (N), and go on from there with the next call.

        K calls with the same rows are one fit of K epochs: the optimizer's memory, the schedule and the order of the
        rows go on, and so do the learning rate and the scale of the columns of the first call. On a service each call
        is a job that begins where the last one ended; it standardizes its own rows, so that an optimizer with a memory
        wants the same rows every time, or `standardize` false, and it knows neither a schedule nor `shuffle`.
        """
        is_first = not hasattr(self, "coef_")
        table = self.table_of(X, y, sample_weight, reset=is_first)
        before = None if is_first else self._outcome
        return self.adopt(self.trainer.go_on(table, self.hyperparameters, self._label, before))

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predictions (N) for X (N × D), computed here, in doubles."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        predictions: NDArray[np.float64] = x @ self.coef_ + self.intercept_
        return predictions

    @property
    def history_(self) -> dict[str, NDArray[Any]]:
        """The epochs by column: `epoch`, `loss`, `last_loss`, `validation_loss`, `gradient_norm`, `learning_rate` (E),
        `weights` (E × D) and `bias`, those as they were trained, standardized or not."""
        check_is_fitted(self)
        return self._outcome.record.history()

    @property
    def statistics_(self) -> Json:
        """Of the exact solution: standard errors, t, p, intervals, R² and more, as a service answers them."""
        check_is_fitted(self)
        return self._outcome.record.statistics()

    @property
    def trainer(self) -> Trainer:
        """Where it is trained."""
        return Here() if self.local else OnService(self.url, self.timeout)

    @property
    def hyperparameters(self) -> Json:
        """What is not None, as a request has it: the service knows the rest."""
        given = {name: value for name, value in self.get_params().items() if name not in _NO_HYPERPARAMETERS}
        return {name: plain(value) for name, value in given.items() if value is not None}

    def table_of(self, X: Any, y: Any, sample_weight: Any, *, reset: bool = True) -> Table:
        """The data as it is trained on; with `reset`, the number and the names of its columns are kept."""
        x, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True, reset=reset)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        return Table(x, targets, weights, *self._names(y))

    def adopt(self, outcome: Outcome) -> Self:
        """Be what a run has come to."""
        self._outcome = outcome
        self.coef_ = outcome.weights
        self.intercept_ = np.float64(outcome.bias or 0.0)  # as scikit-learn's own have it
        self.n_iter_ = outcome.epochs_done
        if outcome.job is not None:
            self.job_ = outcome.job
        return self

    @property
    def _label(self) -> Label:
        return Label(self.name, self.metadata)

    def _names(self, y: Any) -> tuple[list[str] | None, str | None]:
        """Of the columns, where X has names for them; the target's is another one."""
        if not hasattr(self, "feature_names_in_"):
            return None, None
        features = self.feature_names_in_.tolist()
        return features, target_name(y, features)


def plain(value: Any) -> Any:
    """As JSON has it: NumPy's numbers and arrays become Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
