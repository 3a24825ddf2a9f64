"""The estimator on the service itself, its requests answered and its jobs trained in this process."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from fastapi.testclient import TestClient
from sklearn.datasets import load_diabetes
from sklearn.exceptions import FitFailedWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from slope.answers.jobs import JobView
from slope.answers.sweeps import SweepView
from slope.client import Client, InvalidRequest, Problem
from slope.client.estimator import SlopeRegressor, SlopeSearchCV, on_service

X = pd.DataFrame({"hours": [1.0, 2.0, 3.0, 4.0], "rooms": [2.0, 1.0, 4.0, 3.0]})
Y = pd.Series([3.0, 5.0, 7.0, 9.0], name="price")

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _service(
    client: TestClient,
    train: Callable[[str], None],
    train_groups: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class InProcess(Client):
        def __init__(self, url: str) -> None:
            self._http, self._retry_seconds = client, 0.0

        def close(self) -> None:
            """It is the fixture's."""

        def submit(self, request: dict[str, Any]) -> JobView:  # type: ignore[override]
            job = super().submit(request)
            train(str(job.id))
            return job

        def submit_sweep(self, request: dict[str, Any]) -> SweepView:  # type: ignore[override]
            sweep = super().submit_sweep(request)
            train_groups(str(sweep.id))
            return sweep

    monkeypatch.setattr(on_service, "Client", InProcess)


@parametrize_with_checks([SlopeRegressor()])
def test_scikit_learn_s_own_checks_pass_with_the_defaults(estimator: SlopeRegressor, check: Any) -> None:
    check(estimator)


def test_a_search_leaves_one_sweep_with_a_name(client: TestClient) -> None:
    x, y = load_diabetes(return_X_y=True)
    weights = np.arange(len(y)) % 3
    grid = {"l2": [0.0, 0.1], "learning_rate": ["auto", 0.1]}
    regressor = SlopeRegressor(epochs=30)
    found = SlopeSearchCV(regressor, grid, cv=3, metadata={"course": "ridge"}).fit(x, y, sample_weight=weights)
    [sweep] = client.get("/v1/sweeps").json()["data"]
    assert (sweep["id"], sweep["name"]) == (found.sweep_id_, "grid of 4 settings, 3 folds")
    jobs = client.get("/v1/jobs", params={"limit": 100}).json()["data"]
    assert [(job["sweep_id"], job["metadata"]) for job in jobs] == [(sweep["id"], {"course": "ridge"})] * 16
    assert str(found.best_estimator_.job_.id) in [job["id"] for job in jobs]
    local = SlopeSearchCV(SlopeRegressor(epochs=30, local=True), grid, cv=3).fit(x, y, sample_weight=weights)
    for name in ("split0_test_score", "split2_test_score", "mean_test_score"):
        assert found.cv_results_[name] == pytest.approx(local.cv_results_[name], rel=1e-9)
    assert found.predict(x) == pytest.approx(local.predict(x), rel=1e-9)


def test_a_search_knows_the_settings_that_diverged_and_those_with_many_features() -> None:
    x = np.random.default_rng(0).normal(size=(150, 120))  # a page of jobs leaves this many weights out
    grid = {"learning_rate": [1e200, 0.001]}
    with pytest.warns(FitFailedWarning, match="Job .* failed"), pytest.warns(UserWarning, match="non-finite"):
        found = SlopeSearchCV(SlopeRegressor(epochs=2), grid, cv=2, name="wide").fit(x, x.sum(axis=1))
    assert found.best_params_ == {"learning_rate": 0.001}
    assert found.best_estimator_.coef_.shape == (120,)


def test_a_job_has_a_name_and_metadata_and_leads_to_history_and_statistics(client: TestClient) -> None:
    fitted = SlopeRegressor(epochs=5, validation_rows=[[3, 4]], name="rents", metadata={"course": "ridge"}).fit(X, Y)
    job = client.get(f"/v1/jobs/{fitted.job_.id}").json()
    assert (job["name"], job["metadata"]) == ("rents", {"course": "ridge"})
    epochs = client.get(f"/v1/jobs/{fitted.job_.id}/epochs").json()["data"]
    history = pickle.loads(pickle.dumps(fitted)).history_
    for name in ("epoch", "loss", "validation_loss", "gradient_norm", "learning_rate", "weights", "bias"):
        assert history[name].tolist() == [epoch[name] for epoch in epochs]
    local = SlopeRegressor(epochs=5, validation_rows=[[3, 4]], local=True).fit(X, Y)
    assert local.history_.keys() == history.keys()
    with pytest.raises(Problem, match="no row is left to tell noise by"):
        _ = fitted.statistics_
    rows, y = load_diabetes(return_X_y=True)
    both = [SlopeRegressor(epochs=5, local=local).fit(rows, y).statistics_ for local in (False, True)]
    told, expected = ([each["standard_error"] for each in one["coefficients"]] for one in both)
    assert told == pytest.approx(expected, rel=1e-9)


def test_a_warm_start_begins_where_the_last_job_ended() -> None:
    parts = SlopeRegressor(epochs=3, learning_rate=0.1, warm_start=True)
    for _ in range(2):
        parts.fit(X, Y)
    assert parts.coef_ == pytest.approx(SlopeRegressor(epochs=6, learning_rate=0.1).fit(X, Y).coef_, rel=1e-9)


@pytest.mark.parametrize(
    ("others", "is_exact"),
    [
        ({"standardize": False, "optimizer": "adam"}, True),
        ({"standardize": False, "batch_size": 3}, True),
        ({"optimizer": {"name": "sgd", "momentum": 0.5}}, True),
        ({}, False),
    ],
    ids=["adam", "batches", "momentum", "standardized"],
)
def test_calls_of_partial_fit_are_one_plain_loop(others: dict[str, Any], is_exact: bool) -> None:
    settings: dict[str, Any] = {"learning_rate": 0.05, "engine": "eager"} | others
    whole, parts = SlopeRegressor(epochs=3, **settings).fit(X, Y), SlopeRegressor(**settings)
    for _ in range(3):
        parts.partial_fit(X, Y)
    assert parts.coef_ == pytest.approx(whole.coef_, rel=0 if is_exact else 1e-9, abs=0)
    assert parts.n_iter_ == whole.n_iter_ == 3


def test_partial_fit_goes_on_with_other_rows_and_says_what_it_cannot(client: TestClient) -> None:
    fitted = SlopeRegressor(epochs=4, name="rents").fit(X, Y)
    first = fitted.job_
    fitted.partial_fit(X[1:], Y[1:])
    job = client.get(f"/v1/jobs/{fitted.job_.id}").json()
    assert (job["name"], job["initial_from"]["job"], job["hyperparameters"]["epochs"]) == ("rents", str(first.id), 1)
    assert job["hyperparameters"]["learning_rate"] == first.hyperparameters["learning_rate"]
    with pytest.raises(InvalidRequest, match="standardized other rows"):
        SlopeRegressor(optimizer="adam").partial_fit(X, Y).partial_fit(X[1:], Y[1:])
    for others in ({"shuffle": True}, {"schedule": "cosine"}):
        with pytest.raises(ValueError, match="every call of partial_fit is a job of one epoch: leave out"):
            SlopeRegressor(**others).partial_fit(X, Y)
    with pytest.raises(ValueError, match="can only go on there"):
        SlopeRegressor(local=True).fit(X, Y).set_params(local=False).partial_fit(X, Y)


def test_the_names_of_a_frame_s_columns_are_those_of_the_job_s_features(client: TestClient) -> None:
    fitted = SlopeRegressor().fit(X, Y)
    assert fitted.feature_names_in_.tolist() == ["hours", "rooms"]
    model = client.get(f"/v1/jobs/{fitted.job_.id}/model").json()
    assert (model["features"], model["target"]) == (["hours", "rooms"], "price")
    saved = skops.io.loads(client.get(f"/v1/jobs/{fitted.job_.id}/model?format=skops").content)
    assert saved.predict(X) == pytest.approx(fitted.predict(X), rel=1e-6)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(X[["rooms", "hours"]])


@pytest.mark.parametrize("target", ["y", None, 7, "hours"])
def test_the_target_has_a_name_that_no_feature_has(client: TestClient, target: Any) -> None:
    fitted = SlopeRegressor().fit(X.rename(columns={"rooms": "y"}), Y.rename(target))
    model = client.get(f"/v1/jobs/{fitted.job_.id}/model").json()
    assert model["features"] == ["hours", "y"]
    assert model["target"] not in ["hours", "y"]


def test_what_the_service_cannot_take_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="/hyperparameters/epochs") as raised:
        SlopeRegressor(epochs=0).fit(X, Y)
    assert isinstance(raised.value, InvalidRequest)


def test_where_it_starts_what_learns_and_what_is_recorded_are_parameters(client: TestClient) -> None:
    fitted = SlopeRegressor(
        initial_weights=np.array([2.0, -1.0]),
        initial_bias=np.float64(1.0),
        frozen=("weights",),
        epochs=10,
        record={"every": 4, "steps": "none"},
    ).fit(X, Y)
    assert fitted.coef_ == pytest.approx([2.0, -1.0])
    assert fitted.intercept_ != pytest.approx(1.0)
    epochs = client.get(f"/v1/jobs/{fitted.job_.id}/epochs").json()["data"]
    assert [epoch["epoch"] for epoch in epochs] == [0, 4, 8, 9]


def test_its_numbers_are_of_the_types_of_scikit_learn_s_own() -> None:
    for fit_bias in (True, False):
        fitted = SlopeRegressor(fit_bias=fit_bias).fit(X, Y)
        assert type(fitted.intercept_) is np.float64
        assert fitted.coef_.dtype == np.float64
