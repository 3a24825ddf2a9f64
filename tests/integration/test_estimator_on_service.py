"""The estimator on the service itself, its requests answered and its jobs trained in this process."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from fastapi.testclient import TestClient
from sklearn.utils.estimator_checks import parametrize_with_checks

from slope.client import Client, InvalidRequest, estimator
from slope.client.estimator import SlopeRegressor

X = pd.DataFrame({"hours": [1.0, 2.0, 3.0, 4.0], "rooms": [2.0, 1.0, 4.0, 3.0]})
Y = pd.Series([3.0, 5.0, 7.0, 9.0], name="price")

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _service(client: TestClient, train: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    class InProcess(Client):
        def __init__(self, url: str) -> None:
            self._http = client

        def close(self) -> None:
            """It is the fixture's."""

        def submit(self, request: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
            job: dict[str, Any] = super().submit(request)
            train(job["id"])
            return job

    monkeypatch.setattr(estimator, "Client", InProcess)


def _excused(_: SlopeRegressor) -> dict[str, str]:
    """As scikit-learn excuses its own SGDRegressor."""
    return {"check_sample_weight_equivalence_on_dense_data": "row by row, a row that comes twice is two steps"}


@parametrize_with_checks([SlopeRegressor()], expected_failed_checks=_excused)
def test_scikit_learn_s_own_checks_pass_with_the_defaults(estimator: SlopeRegressor, check: Any) -> None:
    check(estimator)


def test_the_names_of_a_frame_s_columns_are_those_of_the_job_s_features(client: TestClient) -> None:
    fitted = SlopeRegressor().fit(X, Y)
    assert fitted.feature_names_in_.tolist() == ["hours", "rooms"]
    model = client.get(f"/v1/jobs/{fitted.job_['id']}/model").json()
    assert (model["features"], model["target"]) == (["hours", "rooms"], "price")
    saved = skops.io.loads(client.get(f"/v1/jobs/{fitted.job_['id']}/model?format=skops").content)
    assert saved.predict(X) == pytest.approx(fitted.predict(X), rel=1e-6)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(X[["rooms", "hours"]])


@pytest.mark.parametrize("target", ["y", None, 7, "hours"])
def test_the_target_has_a_name_that_no_feature_has(client: TestClient, target: Any) -> None:
    fitted = SlopeRegressor().fit(X.rename(columns={"rooms": "y"}), Y.rename(target))
    model = client.get(f"/v1/jobs/{fitted.job_['id']}/model").json()
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
        record={"every": 4, "steps": "none"},
    ).fit(X, Y)
    assert fitted.coef_ == pytest.approx([2.0, -1.0])
    assert fitted.intercept_ != pytest.approx(1.0)
    epochs = client.get(f"/v1/jobs/{fitted.job_['id']}/epochs").json()["data"]
    assert [epoch["epoch"] for epoch in epochs] == [0, 4, 8, 9]


def test_its_numbers_are_of_the_types_of_scikit_learn_s_own() -> None:
    for fit_bias in (True, False):
        fitted = SlopeRegressor(fit_bias=fit_bias).fit(X, Y)
        assert type(fitted.intercept_) is np.float64
        assert fitted.coef_.dtype == np.float64
