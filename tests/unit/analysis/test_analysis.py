"""The analysis against numpy.linalg, scikit-learn, and descent itself."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

from slope.analysis import Analysis, analyse, analysis_seconds, loss_of, r_squared, reached, warnings_for
from slope.arrays import Array
from slope.data import TrainingData, prepare
from slope.loop import train_epochs
from slope.spec import TrainingSpec

SEEDS = range(20)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"learning_rate": 0.01} | hyperparameters)


def prepared(x: Any, y: Any, spec: TrainingSpec) -> TrainingData:
    table = np.asarray(x, dtype=float)
    return prepare(table.reshape(len(table), -1), np.asarray(y, dtype=float), spec)


def analysed(x: Any, y: Any, **hyperparameters: Any) -> Analysis:
    spec = spec_of(**hyperparameters)
    analysis = analyse(prepared(x, y, spec), spec)
    assert analysis is not None
    return analysis


def problem(seed: int, rows: int = 30, features: int = 4) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)) + random.normal(size=features)
    return x, x @ random.normal(size=features) + random.normal() + random.normal(size=rows)


def with_ones(x: Array) -> Array:
    return np.column_stack([x, np.ones(len(x))])


def hessian(x: Array, l2: float = 0.0, bias: bool = True) -> Array:
    design = with_ones(x) if bias else x
    penalised = [1.0] * x.shape[1] + [0.0] * bias
    return 2 / len(x) * design.T @ design + 2 * l2 * np.diag(penalised)


def solution(analysis: Analysis) -> list[float]:
    assert analysis.exact is not None
    bias = analysis.exact.bias
    return analysis.exact.weights + ([] if bias is None else [bias])


# The exact solution


def test_the_lecture_has_slope_two_and_no_loss() -> None:
    analysis = analysed([1, 2, 3], [2, 4, 6], fit_bias=False)
    assert analysis.exact is not None
    assert analysis.exact.weights == pytest.approx([2.0], abs=1e-15)
    assert analysis.exact.bias is None
    assert analysis.exact.loss < 1e-28
    assert analysis.r_squared == pytest.approx(1.0)
    assert (analysis.rank, analysis.rows, analysis.columns, analysis.notes) == (1, 3, 1, [])
    assert analysis.condition_number == pytest.approx(1.0)
    assert analysis.max_stable_learning_rate == pytest.approx(3 / 14)
    assert analysis.max_stable_learning_rate_per_row == pytest.approx(1 / 9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bias", [True, False])
def test_agrees_with_lstsq_and_eigenvalues(seed: int, bias: bool) -> None:
    x, y = problem(seed)
    design = with_ones(x) if bias else x
    expected, (squares,), rank, values = np.linalg.lstsq(design, y)
    analysis = analysed(x, y, fit_bias=bias)
    np.testing.assert_allclose(solution(analysis), expected, **CLOSE)
    assert analysis.exact is not None
    assert analysis.exact.loss == pytest.approx(squares / len(y), rel=1e-10)
    assert analysis.rank == rank == analysis.columns
    assert analysis.condition_number == pytest.approx(values[0] / values[-1], rel=1e-10)
    top = np.linalg.eigvalsh(hessian(x, bias=bias))[-1]
    assert analysis.max_stable_learning_rate == pytest.approx(2 / top, rel=1e-10)
    longest = max(float(row @ row) for row in design)
    assert analysis.max_stable_learning_rate_per_row == pytest.approx(1 / longest, rel=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("l2", [1e-6, 0.1, 100.0])
def test_the_ridge_agrees_with_augmented_rows(seed: int, l2: float) -> None:
    x, y = problem(seed)
    penalty = math.sqrt(len(y) * l2) * np.eye(5)[:4]  # of the weights alone
    expected = np.linalg.lstsq(np.vstack([with_ones(x), penalty]), np.append(y, np.zeros(4)))[0]
    analysis = analysed(x, y, l2=l2)
    np.testing.assert_allclose(solution(analysis), expected, **CLOSE)
    assert analysis.exact is not None
    residuals = with_ones(x) @ expected - y
    assert analysis.exact.loss == pytest.approx((residuals**2).mean() + l2 * (expected[:4] ** 2).sum(), rel=1e-10)
    top = np.linalg.eigvalsh(hessian(x, l2))[-1]
    assert analysis.max_stable_learning_rate == pytest.approx(2 / top, rel=1e-10)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("l2", [0.01, 10.0])
def test_the_ridge_of_fewer_rows_than_features_agrees_with_sklearn(bias: bool, l2: float) -> None:
    x, y = problem(3, rows=6, features=40)
    expected = Ridge(alpha=len(y) * l2, fit_intercept=bias, solver="svd").fit(x, y)
    analysis = analysed(x, y, l2=l2, fit_bias=bias)
    weights = expected.coef_.tolist() + [expected.intercept_] * bias
    np.testing.assert_allclose(solution(analysis), weights, **CLOSE)
    top = np.linalg.eigvalsh(hessian(x, l2, bias))[-1]
    assert analysis.max_stable_learning_rate == pytest.approx(2 / top, rel=1e-10)


def ridge_of_many_digits(x: Array, y: Array, l2: float, bias: bool) -> list[float]:
    """The minimum of mean((Xw + b − y)²) + l2·‖w‖², from the normal equations of the centred rows."""
    with mpmath.workdps(80):
        rows, target = mpmath.matrix(x.tolist()), mpmath.matrix(y.tolist())
        count, features = x.shape
        means = [mpmath.fsum(rows[:, column]) / count * bias for column in range(features)]
        mean = mpmath.fsum(target) / count * bias
        centred = mpmath.matrix([[rows[i, j] - means[j] for j in range(features)] for i in range(count)])
        gram = centred.T * centred + count * mpmath.mpf(l2) * mpmath.eye(features)
        weights = mpmath.lu_solve(gram, centred.T * (target - mean * mpmath.ones(count, 1)))
        intercept = mean - mpmath.fdot(means, weights)
        return [float(weight) for weight in weights] + [float(intercept)] * bias


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(4, 9), (5, 5), (6, 5), (12, 4)]),
    st.sampled_from(["plain", "two columns are one", "a column is constant", "a row comes twice"]),
    st.floats(-32, 4),
    st.booleans(),
)
def test_the_ridge_has_its_digits_however_faint_or_strong_where_the_rows_decide_little(
    seed: int, shape: tuple[int, int], kind: str, decade: float, bias: bool
) -> None:
    random = np.random.default_rng(seed)
    x, y, l2 = random.normal(size=shape) + random.normal(size=shape[1]), random.normal(size=shape[0]) + 10, 10**decade
    if kind == "two columns are one":
        x[:, -1] = x[:, 0]
    elif kind == "a column is constant":
        x[:, -1] = 2.0
    elif kind == "a row comes twice":
        x[-1], y[-1] = x[0], y[0]
    design = with_ones(x) if bias else x
    values = np.linalg.svd(design, compute_uv=False)
    condition = values[0] / values[values > 1e-12 * values[0]][-1]

    expected = np.array(ridge_of_many_digits(x, y, l2, bias))

    found = np.array(solution(analysed(x, y, l2=l2, fit_bias=bias, dtype="float64")))
    weights = slice(0, shape[1])
    assert np.linalg.norm(found - expected) <= 1e-12 * condition * np.linalg.norm(expected)
    assert np.linalg.norm(found[weights] - expected[weights]) <= 1e-12 * condition * np.linalg.norm(expected[weights])


@pytest.mark.parametrize("l2", [0.0, 2e-18, 2e-14, 2e-10, 2e-6])
def test_a_faint_ridge_on_wide_data_is_the_shortest_solution_and_a_little_more(l2: float) -> None:
    x, y = problem(1, rows=20, features=60)
    y += 25
    centred = x - x.mean(axis=0)
    kernel = centred @ centred.T + 20 * l2 * np.eye(20)
    expected = centred.T @ np.linalg.lstsq(kernel, y - y.mean(), rcond=1e-13)[0]
    if l2:  # without it the bias is as much a part of the shortest as the weights
        np.testing.assert_allclose(solution(analysed(x, y, l2=l2))[:-1], expected, rtol=1e-9, atol=1e-11)
    assert analysed(x, y, l2=l2).exact.loss < 1e-3  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", SEEDS)
def test_of_many_solutions_the_shortest_is_given_and_said_so(seed: int) -> None:
    x, y = problem(seed, features=2)
    x = np.column_stack([x, x @ [1.0, -3.0]])
    analysis = analysed(x, y, fit_bias=False)
    np.testing.assert_allclose(solution(analysis), np.linalg.lstsq(x, y)[0], **CLOSE)
    assert (analysis.rank, analysis.columns, analysis.condition_number) == (2, 3, None)
    assert analysis.notes == ["The design has rank 2 of 3: of the many minima the shortest is given."]


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("bias", [True, False])
def test_fewer_rows_than_features_are_fitted_by_the_shortest_weights(rows: int, bias: bool) -> None:
    x, y = problem(rows, rows=rows, features=12)
    analysis = analysed(x, y, fit_bias=bias)
    np.testing.assert_allclose(solution(analysis), np.linalg.lstsq(with_ones(x) if bias else x, y)[0], **CLOSE)
    assert (analysis.rank, analysis.columns, analysis.condition_number) == (rows, 12 + bias, None)
    assert f"There are fewer rows ({rows}) than parameters to learn ({12 + bias})." in analysis.notes


def test_repeated_rows_do_not_add_to_the_rank_of_a_wide_design() -> None:
    x, y = problem(5, rows=3, features=9)
    assert analysed(np.vstack([x, x, x[:1]]), np.hstack([y, y, y[:1]]), fit_bias=False).rank == 3


def test_columns_far_apart_in_size_keep_their_rank_and_digits() -> None:
    x, y = problem(1, features=3)
    sizes = np.array([1e-120, 1.0, 1e120])
    analysis = analysed(x * sizes, y)
    assert analysis.rank == 4
    assert analysis.condition_number == pytest.approx(1e240, rel=10)
    np.testing.assert_allclose(solution(analysis)[:3] * sizes, np.linalg.lstsq(with_ones(x), y)[0][:3], **CLOSE)


def test_a_dependent_pair_beside_a_minute_column_does_not_drown_it() -> None:
    x, y = problem(2, features=2)
    x = np.column_stack([x[:, 0], x[:, 0], x[:, 1] * 1e-40])
    analysis = analysed(x, y, fit_bias=False)
    pair = np.column_stack([x[:, 0], x[:, 2] * 1e40])
    assert analysis.exact is not None
    assert analysis.rank == 2
    assert analysis.exact.loss == pytest.approx(np.linalg.lstsq(pair, y)[1][0] / len(y), rel=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bias", [True, False])
def test_standardized_or_not_the_solution_in_own_units_is_the_same(seed: int, bias: bool) -> None:
    x, y = problem(seed)
    x = x * [1e-3, 1.0, 50.0, 1e4] + [0.0, 5.0, 0.0, 1e4]
    plain, standardized = (analysed(x, y, fit_bias=bias, standardize=which) for which in (False, True))
    design = with_ones(x) if bias else x
    expected = design @ np.linalg.lstsq(design, y)[0]
    for analysis in (plain, standardized):
        np.testing.assert_allclose(design @ solution(analysis), expected, rtol=1e-9, atol=1e-9)
    assert plain.r_squared == pytest.approx(standardized.r_squared, rel=1e-9)
    assert plain.exact is not None
    assert standardized.exact is not None
    assert plain.exact.loss == pytest.approx(standardized.exact.loss, rel=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
def test_diabetes_agrees_with_sklearn(standardize: bool) -> None:
    x, y = load_diabetes(return_X_y=True, scaled=False)
    expected = LinearRegression().fit(x, y)
    analysis = analysed(x, y, standardize=standardize)
    assert analysis.exact is not None
    np.testing.assert_allclose(analysis.exact.weights, expected.coef_, rtol=1e-8)
    assert analysis.exact.bias == pytest.approx(expected.intercept_, rel=1e-8)
    assert analysis.r_squared == pytest.approx(expected.score(x, y), rel=1e-10)


def test_rows_held_back_for_validation_are_not_analysed() -> None:
    x, y = problem(0)
    spec = spec_of(validation_fraction=0.5)
    data = prepared(x, y, spec)
    expected = np.linalg.lstsq(with_ones(x[data.rows]), y[data.rows])[0]
    analysis = analyse(data, spec)
    assert analysis is not None
    assert analysis.rows == 15
    np.testing.assert_allclose(solution(analysis), expected, **CLOSE)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_frozen_bias_stays_and_the_weights_make_the_best_of_it(standardize: bool) -> None:
    x, y = problem(4)
    spec = spec_of(frozen=["bias"], initial_bias=2.5, l2=0.1, standardize=standardize)
    data = prepared(x, y, spec)
    penalty = math.sqrt(len(y) * 0.1) * np.eye(4)
    expected = np.linalg.lstsq(np.vstack([data.x, penalty]), np.append(data.y - 2.5, np.zeros(4)))[0]
    analysis = analyse(data, spec)
    assert analysis is not None
    assert analysis.exact is not None
    np.testing.assert_allclose(with_ones(x) @ solution(analysis), data.x @ expected + 2.5, **CLOSE)
    assert analysis.exact.loss == pytest.approx(loss_of(data, spec, expected, 2.5), rel=1e-10)
    assert analysis.columns == 4
    top = np.linalg.eigvalsh(hessian(data.x, 0.1, bias=False))[-1]
    assert analysis.max_stable_learning_rate == pytest.approx(2 / top, rel=1e-10)


def test_beside_frozen_weights_the_bias_is_the_mean_of_what_they_leave() -> None:
    x, y = problem(4)
    weights = [1.0, 2.0, 3.0, 4.0]
    analysis = analysed(x, y, frozen=["weights"], initial_weights=weights, l2=0.5)
    assert analysis.exact is not None
    assert analysis.exact.weights == weights
    assert analysis.exact.bias == pytest.approx((y - x @ weights).mean(), rel=1e-12)
    residuals = y - x @ weights - analysis.exact.bias
    assert analysis.exact.loss == pytest.approx((residuals**2).mean() + 0.5 * 30, rel=1e-12)
    assert (analysis.rank, analysis.columns) == (1, 1)
    assert analysis.max_stable_learning_rate == pytest.approx(1.0)
    assert analysis.max_stable_learning_rate_per_row == pytest.approx(1.0)


# How well it fits


@pytest.mark.parametrize("seed", SEEDS)
def test_r_squared_agrees_with_sklearn(seed: int) -> None:
    random = np.random.default_rng(seed)
    y, predictions = random.normal(size=(2, 9)) * 10.0 ** random.integers(-200, 200)
    assert r_squared(y, predictions) == pytest.approx(r2_score(y / abs(y).max(), predictions / abs(y).max()), rel=1e-9)


@pytest.mark.parametrize("y", [[], [3.0], [0.1, 0.1, 0.1]])
def test_r_squared_of_a_constant_is_none(y: list[float]) -> None:
    assert r_squared(y, [1.0] * len(y)) is None


def test_r_squared_of_predictions_that_are_not_finite_is_none() -> None:
    assert r_squared([1.0, 2.0], [math.inf, math.nan]) is None
    assert r_squared([1.0, 2.0], [1e300, 1.0]) is None


LONGLEY = [
    [60323, 83.0, 234289, 2356, 1590, 107608, 1947],
    [61122, 88.5, 259426, 2325, 1456, 108632, 1948],
    [60171, 88.2, 258054, 3682, 1616, 109773, 1949],
    [61187, 89.5, 284599, 3351, 1650, 110929, 1950],
    [63221, 96.2, 328975, 2099, 3099, 112075, 1951],
    [63639, 98.1, 346999, 1932, 3594, 113270, 1952],
    [64989, 99.0, 365385, 1870, 3547, 115094, 1953],
    [63761, 100.0, 363112, 3578, 3350, 116219, 1954],
    [66019, 101.2, 397469, 2904, 3048, 117388, 1955],
    [67857, 104.6, 419180, 2822, 2857, 118734, 1956],
    [68169, 108.4, 442769, 2936, 2798, 120445, 1957],
    [66513, 110.8, 444546, 4681, 2637, 121950, 1958],
    [68655, 112.6, 482704, 3813, 2552, 123366, 1959],
    [69564, 114.2, 502601, 3931, 2514, 125368, 1960],
    [69331, 115.7, 518173, 4806, 2572, 127852, 1961],
    [70551, 116.9, 554894, 4007, 2827, 130081, 1962],
]
LONGLEY_COEFFICIENTS = [
    *(15.0618722713733, -0.0358191792925910, -2.02022980381683, -1.03322686717359, -0.0511041056535807),
    *(1829.15146461355, -3482258.63459582),
]
CERTIFIED: dict[str, Any] = {
    "NoInt1": (range(60, 71), range(130, 141), [2.07438016528926], 0.999365492298663, "uncentred"),
    "NoInt2": ([4, 5, 6], [3, 4, 4], [0.727272727272727], 0.993348115299335, "uncentred"),
    "Longley": (
        *([row[1:] for row in LONGLEY], [row[0] for row in LONGLEY]),
        *(LONGLEY_COEFFICIENTS, 0.995479004577296, "centred"),
    ),
}
"""x, y, coefficients with the bias last, R² and its kind, as NIST's Statistical Reference Datasets certify them."""


@pytest.mark.parametrize("name", CERTIFIED)
@pytest.mark.parametrize("standardize", [False, True], ids=["plain", "standardized"])
def test_coefficients_and_r_squared_are_those_that_nist_certifies(name: str, standardize: bool) -> None:
    x, y, coefficients, explained, kind = CERTIFIED[name]
    spec = spec_of(fit_bias=kind == "centred", standardize=standardize)
    data = prepared(list(x), list(y), spec)
    analysis = analyse(data, spec)
    assert analysis is not None
    np.testing.assert_allclose(solution(analysis), coefficients, rtol=1e-8)
    assert (analysis.r_squared_kind, analysis.r_squared) == (kind, pytest.approx(explained, rel=1e-13))
    if not standardize:
        weights, bias = coefficients[: data.x.shape[1]], coefficients[-1] if spec.fit_bias else None
        came = reached(data, spec, np.array(weights), bias, None)
        assert came.r_squared == pytest.approx(explained, rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_r_squared_of_the_exact_solution_lies_between_nothing_and_all(
    seed: int, biased: bool, standardize: bool
) -> None:
    x, y = problem(seed, rows=8, features=3)
    analysis = analysed(x + 5, y + 7, fit_bias=biased, standardize=standardize)
    assert analysis.r_squared is not None
    assert 0 <= analysis.r_squared <= 1
    assert analysis.r_squared_kind == ("centred" if biased else "uncentred")


def test_uncentred_r_squared_of_a_constant_is_a_number_and_of_zeros_none() -> None:
    assert r_squared([3.0, 3.0], [3.0, 0.0], "uncentred") == 0.5
    assert r_squared([0.0, 0.0], [1.0, 0.0], "uncentred") is None


def test_the_loss_is_the_mean_square_and_the_ridge() -> None:
    spec = spec_of(l2=0.5)
    data = prepared([1, 2], [2, 5], spec)
    assert loss_of(data, spec, [2.0], 1.0) == (1.0 + 0.0) / 2 + 0.5 * 4
    assert loss_of(data, spec, [1e300], 1.0) == math.inf


# The stability limit against descent itself


def growth_along_the_top(
    curvature: Array, rate: float, momentum: float = 0.0, nesterov: bool = False, steps: int = 400
) -> float:
    """How far from the minimum, moved to 0 where the gradient is H·w, descent gets that starts at distance 1.

    It starts along the top eigenvector; rounding brings in the others, which shrink.
    """
    position = np.linalg.eigh(curvature)[1][:, -1]
    velocity = np.zeros_like(position)
    for _ in range(steps):
        gradient = curvature @ position
        velocity = momentum * velocity + gradient
        position = position - rate * (gradient + momentum * velocity if nesterov else velocity)
    return float(np.linalg.norm(position))


@pytest.mark.parametrize("seed", range(200))
def test_one_percent_below_the_limit_converges_and_one_above_diverges(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = problem(seed, rows=int(random.integers(2, 12)), features=int(random.integers(1, 4)))
    x *= 10 ** random.uniform(-2, 2)
    l2 = float(random.choice([0.0, 0.3]))
    limit = analysed(x, y, l2=l2).max_stable_learning_rate
    assert limit is not None
    assert growth_along_the_top(hessian(x, l2), 0.99 * limit) < 0.1
    assert growth_along_the_top(hessian(x, l2), 1.01 * limit) > 10


def test_the_loop_itself_converges_below_the_limit_and_diverges_above() -> None:
    """Not from the curvature but from the rows, through autograd."""
    x, y = problem(6)
    hyperparameters = {"batch_size": "full", "dtype": "float64", "epochs": 600}
    data = prepared(x, y, spec_of())
    analysis = analysed(x, y)
    assert analysis.exact is not None
    assert analysis.max_stable_learning_rate is not None
    first, last = ({}, {})
    for factor in (0.99, 1.01):
        spec = spec_of(learning_rate=factor * analysis.max_stable_learning_rate, **hyperparameters)
        records = list(train_epochs(data, spec))
        first[factor], last[factor] = records[0].loss, records[-1].loss
    assert last[0.99] == pytest.approx(analysis.exact.loss, rel=1e-3)
    assert last[1.01] > 1e3 * first[1.01]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.3, 0.9])
def test_momentum_moves_the_limit_as_warned(seed: int, momentum: float, nesterov: bool) -> None:
    x, y = problem(seed, rows=8, features=2)
    optimizer = {"name": "sgd", "momentum": momentum, "nesterov": nesterov}
    analysis = analysed(x, y)
    hyperparameters = {"batch_size": "full", "optimizer": optimizer}
    warning = warnings_for(spec_of(learning_rate=1e9, **hyperparameters), analysis)[0]
    found = re.search(r"is above ([\d.e-]+),", warning)
    assert found
    limit = float(found[1])
    assert growth_along_the_top(hessian(x), 0.99 * limit, momentum, nesterov, 800) < 0.1
    assert growth_along_the_top(hessian(x), 1.01 * limit, momentum, nesterov, 800) > 10
    assert warnings_for(spec_of(learning_rate=0.99 * limit, **hyperparameters), analysis) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_below_the_bound_no_step_on_a_row_moves_away_from_what_fits_all_rows(seed: int) -> None:
    x, _ = problem(seed, rows=10, features=3)
    truth = np.array([1.0, -2.0, 0.5, 3.0])
    y = with_ones(x) @ truth
    bound = analysed(x, y).max_stable_learning_rate_per_row
    assert bound is not None
    position = np.zeros(4)
    for row, target in zip(with_ones(x), y, strict=True):
        moved = position - 0.999 * bound * 2 * (row @ position - target) * row
        assert np.linalg.norm(moved - truth) <= np.linalg.norm(position - truth)
        position = moved


@pytest.mark.parametrize("loss", ["huber", "absolute_error"])
def test_without_a_constant_hessian_there_is_no_limit_but_a_note(loss: str) -> None:
    x, y = problem(0)
    analysis, squared = analysed(x, y, loss=loss), analysed(x, y)
    assert analysis.exact == squared.exact
    assert analysis.max_stable_learning_rate is None
    assert analysis.max_stable_learning_rate_per_row is None
    assert f"The exact solution is that of the squared error; the loss trained is {loss}." in analysis.notes
    assert squared.max_stable_learning_rate is not None
    twice = f"stable at any learning rate below {2 * squared.max_stable_learning_rate:.6g}."
    assert any(note.endswith(twice) for note in analysis.notes) == (loss == "huber")


# Notes and warnings


def test_constant_features_beside_a_bias_are_named() -> None:
    x = np.column_stack([np.ones(5), np.arange(5.0), np.full(5, 0.1)])
    analysis = analysed(x, [1, 2, 4, 8, 16])
    assert "Features 0, 2 are constant: the bias already says as much." in analysis.notes
    assert analysis.rank == 2
    assert not any("constant" in note for note in analysed(x, [1, 2, 4, 8, 16], fit_bias=False).notes)


def test_features_of_zeros_are_named_and_no_more_than_five() -> None:
    x = np.column_stack([np.zeros((3, 7)), [1.0, 2.0, 4.0]])
    notes = analysed(x, [1, 2, 4], fit_bias=False).notes
    assert "Features 0, 1, 2, 3, 4 and 2 more are zero in every row." in notes


def test_a_feature_that_dwarfs_another_is_named_with_the_remedy() -> None:
    x, y = problem(0, features=3)
    (note,) = analysed(x * [1, 1e5, 1], y, fit_bias=False).notes
    assert re.fullmatch(r"Descent .* feature 1 is about 10\^5 times as large as feature \d: set standardize\.", note)
    assert analysed(x * [1, 1e5, 1], y, standardize=True).notes == []
    year = analysed([[1990.0], [2000.0], [2020.0]], [1, 2, 3]).notes
    assert year == [
        "Descent will be slow, for feature 0 is about 10^3 times as large as the bias' column of ones: set standardize."
    ]


def test_what_standardizing_leaves_of_a_constant_dwarfs_nothing() -> None:
    x = np.column_stack([np.full(3, 0.1), [1.0, 2.0, 4.0]])
    notes = analysed(x, [1, 2, 3], standardize=True).notes
    assert [note.split(":")[0] for note in notes] == ["The design has rank 2 of 3", "Feature 0 is constant"]


def test_of_an_ordinary_table_there_is_nothing_to_note() -> None:
    x, y = problem(0)
    assert analysed(x, y).notes == []


def test_l1_is_told_to_be_left_out() -> None:
    x, y = problem(0)
    assert analysed(x, y, l1=0.1).notes == ["The exact solution leaves l1 out."]


def test_a_full_batch_rate_above_the_limit_is_warned_of_with_both_numbers() -> None:
    analysis = analysed([1, 2, 3], [2, 4, 6], fit_bias=False)
    for size in ("full", 3, 100):
        assert warnings_for(spec_of(fit_bias=False, batch_size=size, learning_rate=0.25), analysis) == [
            "learning_rate 0.25 is above 0.214286, where full-batch descent on these rows begins to diverge: "
            "lower learning_rate below 0.214286 or set standardize."
        ]
    standardized = warnings_for(spec_of(batch_size="full", learning_rate=0.25, standardize=True), analysis)
    assert standardized[0].endswith("lower learning_rate below 0.214286.")
    assert warnings_for(spec_of(fit_bias=False, batch_size="full", learning_rate=0.21), analysis) == []


def test_row_by_row_a_rate_above_the_bound_may_diverge() -> None:
    analysis = analysed([1, 2, 3], [2, 4, 6], fit_bias=False)
    assert warnings_for(spec_of(fit_bias=False, learning_rate=0.12), analysis) == [
        "learning_rate 0.12 is above 0.111111, and above that training row by row may diverge: "
        "lower learning_rate below 0.111111 or set standardize."
    ]
    assert warnings_for(spec_of(fit_bias=False, learning_rate=0.11), analysis) == []


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"optimizer": {"name": "adam"}},
        {"optimizer": {"name": "sgd", "momentum": 0.5, "dampening": 0.5}},
        {"optimizer": {"name": "sgd", "momentum": 1.5}},
        {"schedule": {"name": "exponential", "gamma": 0.5}},
        {"clip_norm": 1.0},
        {"zero_gradients": "never"},
        {"batch_size": 2},
    ],
    ids=str,
)
def test_of_descent_whose_limit_is_not_known_nothing_is_warned(hyperparameters: dict[str, Any]) -> None:
    analysis = analysed([1, 2, 3], [2, 4, 6])
    assert warnings_for(spec_of(**{"batch_size": "full", "learning_rate": 1e6} | hyperparameters), analysis) == []


def test_weight_decay_lowers_the_limit() -> None:
    analysis = analysed([1, 2, 3], [2, 4, 6], fit_bias=False)
    decaying = {"batch_size": "full", "optimizer": {"name": "sgd", "weight_decay": 4.0}}
    assert warnings_for(spec_of(learning_rate=0.14, **decaying), analysis) == []
    assert "above 0.15," in warnings_for(spec_of(learning_rate=0.16, **decaying), analysis)[0]


def test_the_notes_come_with_the_warnings() -> None:
    analysis = analysed([1, 1, 1], [1, 2, 3])
    assert analysis.notes
    assert warnings_for(spec_of(learning_rate=1e-9), analysis) == analysis.notes
    assert warnings_for(spec_of(), None) == []


# Whatever the numbers


NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, 1e-300, 5e-324, 1.7e308, 0.1]),
    st.floats(-10, 10),
    st.floats(allow_nan=False, allow_infinity=False),
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "l2": st.sampled_from([1e-300, 0.1, 1e308]),
        "fit_bias": st.booleans(),
        "standardize": st.booleans(),
        "frozen": st.sampled_from([["weights"], ["bias"]]),
        "initial_weights": st.just("normal"),
        "loss": st.sampled_from(["huber", "absolute_error"]),
        "learning_rate": st.sampled_from([5e-324, 0.1, 1e308]),
        "batch_size": st.sampled_from([1, "full"]),
    },
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Array, Array]:
    rows, features = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    column = st.one_of(st.lists(NUMBERS, min_size=rows, max_size=rows), NUMBERS.map(lambda value: [value] * rows))
    columns = [draw(column) for _ in range(features + 1)]
    if draw(st.booleans()):
        columns[0] = columns[features - 1]
    return np.array(columns[:-1]).T.reshape(rows, features), np.array(columns[-1])


def numbers_in(value: Any) -> list[float]:
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        return [number for part in parts for number in numbers_in(part)]
    return [value] if isinstance(value, int | float) else []


@settings(max_examples=1500, deadline=None)
@given(tables(), SPECS)
def test_never_raises_never_warns_and_holds_only_plain_finite_numbers(
    table: tuple[Array, Array], hyperparameters: dict[str, Any]
) -> None:
    assume(hyperparameters.get("fit_bias", True) or "frozen" not in hyperparameters)
    spec = spec_of(dtype="float64", **hyperparameters)
    with np.errstate(all="ignore"):  # preparing may overflow; analysing must not say so
        data = prepare(*table, spec)
    analysis = analyse(data, spec)
    if analysis is None:
        assert spec.standardize
        return
    plain = dataclasses.asdict(analysis)
    assert all(math.isfinite(number) and type(number) in (int, float) for number in numbers_in(plain))
    assert json.loads(json.dumps(plain)) == plain
    assert 0 <= analysis.rank <= analysis.columns
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in warnings_for(spec, analysis))


def test_squares_that_overflow_leave_a_note_in_place_of_the_number() -> None:
    analysis = analysed([1e300, 2e300, 4e300], [1, 2, 3])
    assert analysis.exact is not None  # the weights are minute, but there
    assert analysis.max_stable_learning_rate is None
    assert "No learning rate of float64 is small enough for full-batch descent: scale the data." in analysis.notes
    lost = analysed([1, 2, 4], [1e300, -1e300, 1e300])
    assert lost.exact is None
    assert lost.r_squared is None
    assert "The exact solution or its loss is beyond the range of float64: scale the data." in lost.notes
    assert lost.max_stable_learning_rate is not None


def test_a_design_of_zeros_is_stable_at_every_rate() -> None:
    analysis = analysed([0, 0], [1, 2], fit_bias=False)
    assert (analysis.rank, analysis.max_stable_learning_rate) == (0, None)
    assert analysis.exact is not None
    assert analysis.exact.weights == [0.0]
    assert "Full-batch descent is stable at every learning rate of float64." in analysis.notes


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_have_no_analysis(bad: float) -> None:
    spec = spec_of()
    assert analyse(prepared([1, bad], [1, 2], spec), spec) is None
    assert analyse(prepared([1, 2], [1, bad], spec), spec) is None


def test_an_svd_that_does_not_converge_has_no_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise np.linalg.LinAlgError("SVD did not converge")

    spec = spec_of()
    data = prepared([1, 2], [1, 2], spec)
    monkeypatch.setattr(np.linalg, "svd", fail)
    assert analyse(data, spec) is None


def test_importing_it_does_not_import_torch() -> None:
    program = "import sys, slope.analysis; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@given(rows=st.integers(1, 10**7), features=st.integers(1, 10**4))
def test_more_data_never_costs_an_analysis_less(rows: int, features: int) -> None:
    cost = analysis_seconds(rows, features)
    assert 0 < cost <= analysis_seconds(rows + 1, features) <= analysis_seconds(rows + 1, features + 1)


def test_an_analysis_that_is_cubic_is_known_to_be() -> None:
    assert analysis_seconds(3, 1) < 0.01
    assert analysis_seconds(1500, 1500) > 5
