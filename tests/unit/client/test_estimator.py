"""The estimator keeps scikit-learn's conventions, trained in this process."""

import pickle
from inspect import signature
from typing import Any

import httpx2
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from statsmodels.api import WLS, add_constant

from slope.client import InvalidRequest, JobFailed
from slope.client.estimator import SlopeRegressor, SlopeSearchCV
from slope.data import prepare
from slope.loop import train_epochs
from slope.spec import TrainingSpec

X, Y = load_diabetes(return_X_y=True)
WEIGHTS = np.arange(len(Y)) % 3
SETTLED: dict[str, Any] = {"epochs": 20, "learning_rate": 0.1, "local": True}


@parametrize_with_checks([SlopeRegressor(local=True)])
def test_scikit_learn_s_own_checks_pass(estimator: SlopeRegressor, check: Any) -> None:
    check(estimator)


def test_its_parameters_are_all_hyperparameters_with_their_defaults_but_for_scikit_learn_s_own() -> None:
    spec = TrainingSpec()
    ours = {name: each.default for name, each in signature(SlopeRegressor).parameters.items()}
    no_hyperparameters = {name: ours.pop(name) for name in ours.keys() - TrainingSpec.model_fields.keys()}
    assert no_hyperparameters == {
        "name": None,
        "metadata": None,
        "warm_start": False,
        "url": None,
        "timeout": 3600.0,
        "local": False,
    }
    assert set(ours) == set(TrainingSpec.model_fields)
    own = {name: ours.pop(name) for name in ("epochs", "batch_size", "standardize", "dtype")}
    assert own == {"epochs": 1000, "batch_size": "full", "standardize": True, "dtype": "float64"}
    for name in ("optimizer", "schedule", "frozen", "record", "validation_rows", "test_rows"):
        assert ours.pop(name) is None  # the service's own
    assert {name: getattr(spec, name) for name in ours} == ours


def test_it_finds_what_linear_regression_finds() -> None:
    exact = LinearRegression().fit(X, Y)
    found = SlopeRegressor(optimizer={"name": "lbfgs", "max_iter": 500}, **SETTLED).fit(X, Y)
    assert found.coef_ == pytest.approx(exact.coef_, rel=1e-4)
    assert found.intercept_ == pytest.approx(exact.intercept_, rel=1e-6)
    assert found.score(X, Y) == pytest.approx(exact.score(X, Y), rel=1e-6)
    assert found.n_iter_ == 20


def test_with_its_defaults_it_comes_as_near_as_makes_no_difference() -> None:
    found = SlopeRegressor(local=True).fit(X, Y)
    assert found.score(X, Y) == pytest.approx(LinearRegression().fit(X, Y).score(X, Y), abs=1e-3)


def test_it_works_in_pipelines_and_searches() -> None:
    x, y = load_diabetes(return_X_y=True, scaled=False)
    regressor = SlopeRegressor(epochs=50, local=True, learning_rate=0.1)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), regressor), {"sloperegressor__learning_rate": np.array([1e-4, 0.1])}, cv=3
    ).fit(x, y)
    assert search.best_params_ == {"sloperegressor__learning_rate": 0.1}
    assert search.score(x, y) > 0.5


def test_sample_weights_are_the_job_s() -> None:
    exact = LinearRegression().fit(X, Y, sample_weight=WEIGHTS)
    lbfgs = SlopeRegressor(optimizer={"name": "lbfgs", "max_iter": 500}, **SETTLED)
    assert lbfgs.fit(X, Y, sample_weight=WEIGHTS).coef_ == pytest.approx(exact.coef_, rel=1e-4)
    with pytest.raises(ValueError, match="Negative values"):
        SlopeRegressor(**SETTLED).fit(X, Y, sample_weight=-WEIGHTS)


def test_a_run_that_fails_is_an_error_that_says_why() -> None:
    with pytest.raises(JobFailed, match=r"The run failed \(diverged\)") as raised:
        SlopeRegressor(learning_rate=1e9, local=True).fit([[1.0], [2.0]], [1.0, 2.0])
    again = pickle.loads(pickle.dumps(raised.value))
    for failure in (raised.value, again):
        assert (failure.status, failure.error and failure.error.code) == ("failed", "diverged")
        with pytest.raises(ValueError, match="no job"):
            _ = failure.job
    assert str(again) == str(raised.value)


def test_without_a_url_it_asks_the_service_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx2.URL] = []

    def refuse(client: httpx2.Client, method: str, path: str, **_: Any) -> httpx2.Response:
        asked.append(client.base_url)
        return httpx2.Response(422, json={"status": 422, "detail": "not here"})

    monkeypatch.setattr(httpx2.Client, "request", refuse)
    monkeypatch.setenv("SLOPE_URL", "slope.example:81")
    for model in (SlopeRegressor(), SlopeSearchCV(SlopeRegressor(), {"l2": [0.0, 1.0]}, cv=2)):
        with pytest.raises(InvalidRequest, match="not here"):
            model.fit(X, Y)
    assert {str(url) for url in asked} == {"http://slope.example:81"}


def test_without_a_bias_the_intercept_is_zero() -> None:
    found = SlopeRegressor(fit_bias=False, epochs=300, local=True).fit([[1.0], [2.0]], [2.0, 4.0])
    assert (found.coef_.tolist(), found.intercept_) == (pytest.approx([2.0]), 0.0)


def test_its_history_is_that_of_the_plain_loop() -> None:
    found = SlopeRegressor(validation_fraction=0.2, engine="eager", **SETTLED).fit(X, Y)
    hyperparameters = {name: value for name, value in SETTLED.items() if name != "local"} | {"validation_fraction": 0.2}
    spec = TrainingSpec.model_validate(
        hyperparameters | {"batch_size": "full", "dtype": "float64", "standardize": True}
    )
    expected = list(train_epochs(prepare(X, Y, spec), spec))
    history = found.history_
    assert history["epoch"].tolist() == list(range(20))
    for name in ("loss", "last_loss", "validation_loss", "gradient_norm", "learning_rate"):
        assert history[name].tolist() == [getattr(epoch, name) for epoch in expected]
    assert history["weights"].tolist() == [epoch.parameters.weights for epoch in expected]
    assert "validation_loss" not in SlopeRegressor(**SETTLED).fit(X, Y).history_


def test_its_statistics_are_those_of_statsmodels() -> None:
    found = SlopeRegressor(**SETTLED).fit(X, Y, sample_weight=WEIGHTS)
    told = pickle.loads(pickle.dumps(found)).statistics_
    counted = WEIGHTS > 0
    expected = WLS(Y[counted], add_constant(X[counted]), weights=WEIGHTS[counted]).fit()
    assert [each["standard_error"] for each in told["coefficients"]] == pytest.approx(expected.bse, rel=1e-6)
    assert told["r_squared"] == pytest.approx(expected.rsquared, rel=1e-9)
    assert [each["trained"] for each in told["coefficients"]] == pytest.approx([found.intercept_, *found.coef_])


def test_a_warm_start_begins_where_the_last_fit_ended() -> None:
    whole, parts = SlopeRegressor(**SETTLED), SlopeRegressor(warm_start=True, **SETTLED | {"epochs": 5})
    for _ in range(4):
        parts.fit(X, Y)
    assert parts.coef_ == pytest.approx(whole.fit(X, Y).coef_, rel=1e-9)
    assert parts.set_params(warm_start=False).fit(X, Y).coef_ != pytest.approx(whole.coef_, rel=1e-3)


@pytest.mark.parametrize("batch_size", [100, "full"])
@pytest.mark.parametrize(
    "others",
    [
        {},
        {"optimizer": "adam", "shuffle": True},
        {"optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"name": "cosine"}},
        {"engine": "compiled", "optimizer": "adam"},
    ],
    ids=str,
)
def test_calls_of_partial_fit_are_one_plain_loop(batch_size: Any, others: dict[str, Any]) -> None:
    settings = {"epochs": 4, "local": True, "batch_size": batch_size} | others
    whole, parts = SlopeRegressor(**{"engine": "eager"} | settings).fit(X, Y), SlopeRegressor(**settings)
    for _ in range(4):
        parts.partial_fit(X, Y)
    assert parts.n_iter_ == whole.n_iter_ == 4
    assert parts.coef_ == pytest.approx(whole.coef_, rel=1e-9 if "engine" in others else 0, abs=0)


def test_partial_fit_goes_on_from_a_fit_with_rows_that_come_later() -> None:
    first, later = slice(None, 300), slice(300, None)
    found = SlopeRegressor(**SETTLED).fit(X[first], Y[first])
    weights, bias = found.coef_.tolist(), float(found.intercept_)
    found.partial_fit(X[later], Y[later])
    assert found.n_iter_ == 21
    spec = TrainingSpec(epochs=1, learning_rate=0.1, batch_size="full", dtype="float64", standardize=True)
    scaler = prepare(X[first], Y[first], spec).scaler
    own = spec.model_copy(update={"initial_weights": weights, "initial_bias": bias})
    assert scaler is not None
    [epoch] = train_epochs(prepare(X[later], Y[later], own, scaler=scaler), own)
    expected, _ = scaler.in_own_units(np.array(epoch.parameters.weights), epoch.parameters.bias)
    assert found.coef_ == pytest.approx(expected, rel=1e-9)


def test_partial_fit_goes_on_from_the_parameters_where_they_are_all_there_is() -> None:
    best = SlopeSearchCV(SlopeRegressor(**SETTLED), {"l2": [0.0, 0.1]}, cv=2).fit(X, Y).best_estimator_
    further = SlopeRegressor(**SETTLED | {"epochs": 21, "l2": best.l2}).fit(X, Y)
    assert best.partial_fit(X, Y).coef_ == pytest.approx(further.coef_, rel=1e-9)
    assert best.n_iter_ == 21
