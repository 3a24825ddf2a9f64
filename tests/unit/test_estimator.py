"""The estimator keeps scikit-learn's conventions. Its service is one that trains in this process."""

import json
from inspect import signature
from typing import Any, Self

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from service.data.numbers import Arrays
from slope.client import estimator
from slope.client.estimator import JobFailed, SlopeRegressor
from slope.data import prepare
from slope.loop import Training
from slope.records import Diverged
from slope.spec import JobRequest, TrainingSpec


class Here:
    """A client whose service is the library."""

    def __init__(self, url: str) -> None:
        self._job: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Through JSON, as a request goes."""
        parsed = JobRequest.model_validate(json.loads(json.dumps(request)))
        spec = parsed.hyperparameters
        rows = Arrays.of(parsed.dataset)
        data = prepare(rows.x, rows.y, spec, rows.weights)
        training = Training(data, spec)
        self._job = {"id": "7", "status": "succeeded", "error": None}
        try:
            done = sum(1 for _ in training.epochs())
        except Diverged as error:
            self._job |= {"status": "failed", "error": {"code": "diverged", "detail": str(error)}}
            return self._job
        weights, bias = training.result
        if data.scaler:
            own, bias = data.scaler.in_own_units(np.array(weights), bias)
            weights = own.tolist()
        self._job |= {"weights": weights, "bias": bias, "progress": {"epochs_done": done}}
        return self._job

    def wait(self, job_id: str, timeout: float) -> dict[str, Any]:
        return self._job


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator, "Client", Here)


SETTLED = {"epochs": 20, "learning_rate": 0.1, "batch_size": "full", "dtype": "float64", "standardize": True}


@parametrize_with_checks([SlopeRegressor(**SETTLED)])
def test_scikit_learn_s_own_checks_pass(estimator: SlopeRegressor, check: Any) -> None:
    check(estimator)


def test_its_parameters_are_all_hyperparameters_with_their_defaults_but_for_standardized_data() -> None:
    spec = TrainingSpec()
    ours = {name: each.default for name, each in signature(SlopeRegressor).parameters.items()}
    assert {name: ours.pop(name) for name in ("url", "timeout")} == {"url": "http://127.0.0.1:8000", "timeout": 3600.0}
    assert set(ours) == set(TrainingSpec.model_fields)
    assert ours.pop("standardize") is True
    for name in ("optimizer", "schedule", "frozen", "record"):
        assert ours.pop(name) is None  # the service's own
    assert {name: getattr(spec, name) for name in ours} == ours


def test_it_finds_what_linear_regression_finds() -> None:
    x, y = load_diabetes(return_X_y=True)
    exact = LinearRegression().fit(x, y)
    found = SlopeRegressor(optimizer={"name": "lbfgs", "max_iter": 500}, **SETTLED).fit(x, y)
    assert found.coef_ == pytest.approx(exact.coef_, rel=1e-4)
    assert found.intercept_ == pytest.approx(exact.intercept_, rel=1e-6)
    assert found.score(x, y) == pytest.approx(exact.score(x, y), rel=1e-6)
    assert found.n_iter_ == 20


def test_it_works_in_pipelines_and_searches() -> None:
    x, y = load_diabetes(return_X_y=True, scaled=False)
    regressor = SlopeRegressor(epochs=50, batch_size="full", learning_rate=0.1)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), regressor), {"sloperegressor__learning_rate": np.array([1e-4, 0.1])}, cv=3
    ).fit(x, y)
    assert search.best_params_ == {"sloperegressor__learning_rate": 0.1}
    assert search.score(x, y) > 0.5


def test_sample_weights_are_the_job_s() -> None:
    x, y = load_diabetes(return_X_y=True)
    counts = np.arange(len(y)) % 3
    exact = LinearRegression().fit(x, y, sample_weight=counts)
    found = SlopeRegressor(optimizer={"name": "lbfgs", "max_iter": 500}, **SETTLED).fit(x, y, sample_weight=counts)
    assert found.coef_ == pytest.approx(exact.coef_, rel=1e-4)
    with pytest.raises(ValueError, match="Negative values"):
        SlopeRegressor(**SETTLED).fit(x, y, sample_weight=-counts)


def test_a_job_that_fails_is_an_error_that_says_why() -> None:
    with pytest.raises(JobFailed, match=r"failed \(diverged\)") as raised:
        SlopeRegressor(learning_rate=1e9, epochs=100).fit([[1.0], [2.0]], [1.0, 2.0])
    assert raised.value.job["status"] == "failed"


def test_without_a_bias_the_intercept_is_zero() -> None:
    found = SlopeRegressor(fit_bias=False, epochs=300, learning_rate=0.05).fit([[1.0], [2.0]], [2.0, 4.0])
    assert (found.coef_.tolist(), found.intercept_) == (pytest.approx([2.0]), 0.0)
