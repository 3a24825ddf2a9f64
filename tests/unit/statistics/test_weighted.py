"""The statistics of rows that do not count alike, held against statsmodels' weighted least squares."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from unit.statistics.test_statistics import NEAR, agrees, near, told

from slope.arrays import Array
from slope.spec import TrainingSpec
from slope.splits import fold_of_rows
from slope.statistics.covariance import Covariance
from slope.statistics.folds import FoldsPass, folds_of
from slope.statistics.influence import InfluencePass, influence_of
from slope.statistics.intervals import Intervals
from slope.statistics.passes import DurbinWatson, Pass, TrianglePass, columns_of, weighting_of
from slope.statistics.path import trace
from slope.statistics.sandwich import ClusterSandwich, Sandwich
from slope.statistics.solution import Solution, solve_columns, solve_rows

SEEDS, FEATURES, MORE = st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(8, 40)


def problem(seed: int, rows: int, features: int) -> tuple[Array, Array]:
    """Of a mild condition: statsmodels' pseudo-inverse keeps nine digits of those alone."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)) + random.normal(size=features)
    return x, x @ random.normal(size=features) + random.normal(size=rows) + random.normal()


def passed(taken: Any, x: Array, y: Array, weights: Array, others: Array | None = None) -> dict[str, Any]:
    """What a pass finds of rows that come in three parts."""
    one: Pass = taken
    for places in np.array_split(np.arange(len(y)), 3):
        if len(places):
            one.add(x[places], y[places], places, None if others is None else others[places], weights[places])
    return one.result()


def from_rows(x: Array, y: Array, weights: Array, **spec: Any) -> Solution:
    return solve_rows(x, y, TrainingSpec(**spec), weights)


def from_triangle(x: Array, y: Array, weights: Array, **spec: Any) -> Solution:
    found = passed(TrianglePass(x.shape[1]), x, y, weights)
    columns = columns_of(found)
    assert columns
    return solve_columns(columns, TrainingSpec(**spec), weighting_of(found))


WAYS = {"rows": from_rows, "triangle": from_triangle}
WHICHEVER_WAY = pytest.mark.parametrize("way", WAYS)


def weights_of(seed: int, rows: int) -> Array:
    random = np.random.default_rng(seed)
    return np.asarray(random.uniform(0.2, 5, rows) * 10.0 ** random.integers(-8, 9))


def model_of(x: Array, y: Array, weights: Array, *, biased: bool = True) -> Any:
    """With weights of a mean of 1."""
    design = sm.add_constant(x, has_constant="add") if biased else x
    return sm.WLS(y, design, weights=weights / weights.mean())


@WHICHEVER_WAY
def test_a_public_data_set_has_the_statistics_of_statsmodels(way: str) -> None:
    bunch = load_diabetes(scaled=False)
    weights = bunch.data[:, 0]
    found = told(WAYS[way](bunch.data, bunch.target, weights))
    agrees(found, model_of(bunch.data, bunch.target, weights).fit())
    assert any(note.startswith("Weights say how exactly") for note in found.notes)


@WHICHEVER_WAY
@pytest.mark.parametrize("standardize", [False, True], ids=["plain", "standardized"])
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@given(SEEDS, FEATURES, MORE)
def test_generated_designs_have_the_statistics_of_statsmodels(
    way: str, standardize: bool, biased: bool, seed: int, features: int, more: int
) -> None:
    x, y = problem(seed, features + more, features)
    weights = weights_of(seed, len(y))
    solution = WAYS[way](x, y, weights, fit_bias=biased, standardize=standardize)
    model = model_of(x, y, weights, biased=biased).fit()
    agrees(told(solution), model)
    found = passed(DurbinWatson(solution), x, y, weights)
    assert found["value"] == near(sm.stats.durbin_watson(model.wresid))


@pytest.mark.parametrize("name", ["HC0", "HC1", "HC2", "HC3", "cluster:g"])
@given(SEEDS, FEATURES, MORE, st.booleans())
def test_robust_covariances_are_those_of_statsmodels(
    name: str, seed: int, features: int, more: int, biased: bool
) -> None:
    x, y = problem(seed, features + more, features)
    weights = weights_of(seed, len(y))
    clusters = np.random.default_rng(seed).permutation(np.arange(len(y)) % 7).astype(float)
    solution = from_rows(x, y, weights, fit_bias=biased)
    if name == "cluster:g":
        options: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": {"groups": clusters}}
        found = passed(ClusterSandwich(solution), x, y, weights, clusters[:, None])
    else:
        options = {"cov_type": name}
        found = passed(Sandwich(solution, name.replace("HC1", "HC0")), x, y, weights)
    covariance = Covariance.robust(name, solution, found)
    agrees(told(solution, covariance=covariance), model_of(x, y, weights, biased=biased).fit(**options))


@given(SEEDS, FEATURES, MORE)
def test_influence_is_that_of_rows_times_the_roots_of_their_weights(seed: int, features: int, more: int) -> None:
    """statsmodels' own influence of WLS takes residuals and leverages without the weights."""
    x, y = problem(seed, features + more, features)
    weights = weights_of(seed, len(y))
    solution = from_rows(x, y, weights)
    told = influence_of(solution, passed(InfluencePass(solution), x, y, weights), "cook", 1000)
    model = model_of(x, y, weights)
    expected = sm.OLS(model.wendog, model.wexog).fit().get_influence()
    order = np.argsort(-expected.cooks_distance[0])
    assert [row.row for row in told.data] == order.tolist()
    for name, values in (
        *(("leverage", expected.hat_matrix_diag), ("residual", model.fit().resid)),
        *(("standardized", expected.resid_studentized_internal), ("studentized", expected.resid_studentized_external)),
        *(("cook", expected.cooks_distance[0]), ("dffits", expected.dffits[0])),
    ):
        size = np.abs(values).max()
        assert [getattr(row, name) for row in told.data] == pytest.approx(values[order], rel=1e-8, abs=NEAR * size)
    assert told.press == near(np.square(expected.resid_press).sum())


def test_press_is_that_of_weighted_fits_without_each_row() -> None:
    x, y = problem(8, 12, 2)
    weights = weights_of(8, 12)
    shares = weights / weights.mean()
    solution = from_rows(x, y, weights, l2=0.3)
    told = influence_of(solution, passed(InfluencePass(solution), x, y, weights), "cook", 12)
    press = 0.0
    for row in range(12):
        others = np.arange(12) != row
        ridge = Ridge(alpha=12 * 0.3).fit(x[others], y[others], sample_weight=shares[others])
        press += shares[row] * (y[row] - ridge.predict(x[[row]])[0]) ** 2
    assert told.press == near(press)


@WHICHEVER_WAY
@pytest.mark.parametrize("kind", ["prediction", "confidence"])
@given(SEEDS, FEATURES, MORE)
def test_intervals_are_those_of_statsmodels(way: str, kind: Any, seed: int, features: int, more: int) -> None:
    """Of a new row of the mean weight."""
    x, y = problem(seed, features + more, features)
    weights = weights_of(seed, len(y))
    new = np.random.default_rng(seed + 1).normal(size=(5, features)) * 20
    model = model_of(x, y, weights).fit()
    expected = model.get_prediction(sm.add_constant(new, has_constant="add")).summary_frame(0.1)
    name, size = "obs_ci" if kind == "prediction" else "mean_ci", np.abs(expected).max().max()
    for end, found in zip(("lower", "upper"), Intervals(WAYS[way](x, y, weights), kind, 0.9).bounds(new), strict=True):
        assert found == pytest.approx(expected[f"{name}_{end}"].to_numpy(), abs=NEAR * size)


def test_cross_validation_of_weighted_rows_is_that_of_weighted_fits() -> None:
    x, y = problem(4, 60, 3)
    weights, spec = weights_of(4, 60), TrainingSpec(seed=3)
    columns = columns_of(passed(TrianglePass(3), x, y, weights))
    folds = folds_of(passed(FoldsPass(3, 60, spec, 4), x, y, weights))
    assert columns
    assert folds
    point = trace(columns, spec, ["a", "b", "c"], "l2", folds=folds).points[40]
    fold, errors = fold_of_rows(60, spec, 4), []
    for number in range(4):
        rest, left = fold != number, fold == number
        shares = weights[rest] / weights[rest].mean()
        ridge = Ridge(alpha=point.l2 * rest.sum()).fit(x[rest], y[rest], sample_weight=shares)
        errors.append(np.average(np.square(y[left] - ridge.predict(x[left])), weights=weights[left]))
    assert point.cross_validation_error == near(np.mean(errors))
    whole = Ridge(alpha=point.l2 * 60).fit(x, y, sample_weight=weights / weights.mean())
    assert point.weights == near(whole.coef_)
