"""The search of a grid finds what scikit-learn's finds, by one sweep."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from slope import in_process
from slope.client.estimator import JobFailed, SlopeRegressor, SlopeSearchCV
from slope.engines.reduction import folds
from slope.in_process import Rows, train_many
from slope.spec import TrainingSpec

X, Y = load_diabetes(return_X_y=True)
WEIGHTS = np.arange(len(Y)) % 3 * 1.0
REGRESSOR = SlopeRegressor(local=True, epochs=40)
GRID: dict[str, list[Any]] = {"l2": [0.0, 0.1, None], "learning_rate": ["auto", 0.1]}


@parametrize_with_checks([SlopeSearchCV(SlopeRegressor(local=True, epochs=60), {"l2": [0.0, 0.01]}, cv=2)])
def test_scikit_learn_s_own_checks_pass(estimator: SlopeSearchCV, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    ("cv", "others", "weights"),
    [
        (3, {}, None),
        (3, {"loss": "huber"}, None),
        (KFold(3, shuffle=True, random_state=0), {}, WEIGHTS),
        (KFold(3, shuffle=True, random_state=0), {"batch_size": 64, "shuffle": True, "epochs": 3}, None),
        (TimeSeriesSplit(2), {}, None),
        (TimeSeriesSplit(2), {"optimizer": "lbfgs", "epochs": 2}, None),
        (ShuffleSplit(2, random_state=0), {}, WEIGHTS),
        (ShuffleSplit(2, random_state=0), {"loss": "huber", "epochs": 3}, WEIGHTS),
    ],
    ids=["folds", "huber", "weighted", "batches", "time", "alone", "some", "huber-weighted"],
)
def test_it_finds_what_grid_search_finds(cv: Any, others: dict[str, Any], weights: Any) -> None:
    regressor = SlopeRegressor(**{"local": True, "epochs": 20} | others)
    arguments: dict[str, Any] = {
        "cv": cv,
        "return_train_score": True,
        "scoring": ["r2", "neg_mean_absolute_error"],
        "refit": "r2",
    }
    ours = SlopeSearchCV(regressor, GRID, **arguments).fit(X, Y, sample_weight=weights)
    theirs = GridSearchCV(regressor, GRID, **arguments).fit(X, Y, sample_weight=weights)
    assert ours.best_params_ == theirs.best_params_
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if name.endswith(("_r2", "_neg_mean_absolute_error")):
            assert ours.cv_results_[name] == pytest.approx(values, rel=1e-6, abs=1e-9)
    assert ours.predict(X) == pytest.approx(theirs.predict(X), rel=1e-6)
    assert ours.n_splits_ == theirs.n_splits_


def test_a_search_has_what_grid_search_has() -> None:
    frame, price = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]), pd.Series(Y, name="price")
    found = SlopeSearchCV(REGRESSOR, GRID, cv=3).fit(frame, price)
    assert found.sweep_id_ is None
    assert found.feature_names_in_.tolist() == ["a", "b", "c"]
    assert found.best_estimator_.get_params() == REGRESSOR.get_params() | found.best_params_
    assert found.best_score_ == found.cv_results_["mean_test_score"].max()
    assert found.score(frame, price) == found.best_estimator_.score(frame, price)
    assert [each["name"] for each in found.best_estimator_.statistics_["coefficients"]] == ["bias", "a", "b", "c"]
    assert len(found.best_estimator_.history_["loss"]) == 40
    assert found.refit_time_ >= 0


def test_without_a_refit_there_are_scores_alone() -> None:
    found = SlopeSearchCV(REGRESSOR, GRID, cv=3, refit=False).fit(X, Y)
    assert found.best_params_ in found.cv_results_["params"]
    assert not hasattr(found, "best_estimator_")


def test_a_scorer_or_a_choice_of_one_s_own_is_taken() -> None:
    def least(estimator: SlopeRegressor, x: Any, y: Any) -> dict[str, float]:
        return {"bias": -abs(estimator.intercept_), "r2": estimator.score(x, y)}

    found = SlopeSearchCV(REGRESSOR, GRID, cv=2, scoring=least, refit=lambda results: 1).fit(X, Y)
    assert found.best_index_ == 1
    assert found.multimetric_
    assert {"mean_test_bias", "mean_test_r2"} <= set(found.cv_results_)


class Halved(SlopeRegressor):
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return float(super().score(X, y, sample_weight)) / 2


@pytest.mark.parametrize("x", [X, pd.DataFrame(X, columns=list(map(str, range(X.shape[1]))))], ids=["array", "frame"])
def test_the_estimator_s_own_score_is_that_of_each_fit_whoever_computes_it(x: Any) -> None:
    together, singly, halved = (
        SlopeSearchCV(kind(local=True, epochs=20), GRID, cv=3, scoring=scoring).fit(x, Y).cv_results_
        for kind, scoring in ((SlopeRegressor, None), (SlopeRegressor, "r2"), (Halved, None))
    )
    for name in ("split0_test_score", "split1_test_score", "split2_test_score"):
        assert together[name] == pytest.approx(singly[name], rel=1e-12)
        assert 2 * halved[name] == pytest.approx(singly[name], rel=1e-12)


def test_groups_are_kept_together() -> None:
    groups = np.arange(len(Y)) // 100
    arguments: dict[str, Any] = {"cv": GroupKFold(2)}
    ours = SlopeSearchCV(REGRESSOR, GRID, **arguments).fit(X, Y, groups=groups)
    theirs = GridSearchCV(REGRESSOR, GRID, **arguments).fit(X, Y, groups=groups)
    assert ours.cv_results_["mean_test_score"] == pytest.approx(theirs.cv_results_["mean_test_score"], rel=1e-9)


def test_a_setting_that_diverges_has_the_error_score() -> None:
    grid = {"learning_rate": [0.1, 1e200]}
    with (
        pytest.warns(FitFailedWarning, match=r"2 fits failed(.|\n)*diverged"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        found = SlopeSearchCV(REGRESSOR, grid, cv=2).fit(X, Y)
    assert found.best_params_ == {"learning_rate": 0.1}
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [False, True]
    with pytest.raises(JobFailed, match="diverged"):
        SlopeSearchCV(REGRESSOR, grid, cv=2, error_score="raise").fit(X, Y)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"estimator": make_pipeline(StandardScaler(), REGRESSOR)},
            TypeError,
            "trains a SlopeRegressor, not a Pipeline",
        ),
        ({"param_grid": {"url": ["http://a", "http://b"]}}, ValueError, "'url' is none"),
        ({"param_grid": {"l3": [1.0]}}, ValueError, "l3"),
        ({"cv": [([0, 0, 1], [2])]}, ValueError, "row 0 2 times"),
        ({"cv": [([0, 1], [1, 2])]}, ValueError, "row 1 2 times"),
    ],
    ids=["pipeline", "url", "unknown", "twice", "overlap"],
)
def test_what_cannot_be_one_sweep_is_refused(arguments: dict[str, Any], error: type[Exception], sentence: str) -> None:
    search = SlopeSearchCV(**{"estimator": REGRESSOR, "param_grid": GRID} | arguments)
    with pytest.raises(error, match=sentence):
        search.fit(X, Y)


def test_folds_of_many_rows_are_reduced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(600, 3)) * [1.0, 10.0, 100.0]
    y = x @ [1.0, -2.0, 0.1] + np.arange(600) % 5
    parts = [[[0, 200]], [[200, 400]], [[400, 600]]]
    shared: dict[str, Any] = {"epochs": 20, "batch_size": "full", "dtype": "float64", "standardize": True}
    specs = [
        TrainingSpec(**shared, learning_rate=rate, validation_rows=part) for part in parts for rate in ("auto", 0.1)
    ]
    reduced: list[int] = []
    of = folds.Reduction.of

    def counted(batches: Any, features: int, **options: Any) -> Any:
        reduced.extend(len(batch[1]) for batch in batches)
        return of(batches, features, **options)

    monkeypatch.setattr(folds.Reduction, "of", counted)
    for weights in (None, np.arange(600) % 4 + 0.5):
        reduced.clear()
        found = train_many(Rows(x, y, weights), specs)
        assert reduced == [200] * 3
        for spec, each in zip(specs, found, strict=True):
            alone = in_process.train(Rows(x, y, weights), spec)
            assert each.weights == pytest.approx(alone.weights, rel=1e-9)
            assert each.epochs is not None
            assert alone.epochs is not None
            assert each.epochs.loss == pytest.approx(alone.epochs.loss, rel=1e-9)
            assert each.epochs.validation_loss == pytest.approx(alone.epochs.validation_loss, rel=1e-9)
