"""The statistics of the exact solution, held against statsmodels and NIST's certified numbers."""

from typing import Any

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from statsmodels.stats.outliers_influence import variance_inflation_factor

from slope.answers.statistics import Influence, Statistics
from slope.arrays import Array
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.spec import TrainingSpec
from slope.statistics.covariance import Covariance
from slope.statistics.influence import InfluencePass, influence_of
from slope.statistics.intervals import Intervals
from slope.statistics.sandwich import ClusterSandwich, Sandwich
from slope.statistics.solution import BeyondRange, NoRowsLeft, Solution, solve_columns, solve_rows
from slope.statistics.table import tell
from slope.triangle import Triangulation

NEAR = 1e-9


def columns_of(x: Array, y: Array) -> ReducedColumns:
    """As the dataset's triangle has them."""
    table = np.column_stack([x, y])
    taken = Triangulation(table.shape[1])
    taken.add(list(table.T))
    triangle = taken.triangle()
    assert triangle
    chosen = triangle.chosen(range(table.shape[1]))
    return ReducedColumns(ReducedRows(chosen, len(y)), table.min(axis=0), table.max(axis=0))


def from_rows(x: Array, y: Array, **spec: Any) -> Solution:
    return solve_rows(x, y, TrainingSpec(**spec))


def from_triangle(x: Array, y: Array, **spec: Any) -> Solution:
    return solve_columns(columns_of(x, y), TrainingSpec(**spec))


WAYS = {"rows": from_rows, "triangle": from_triangle}


def told(solution: Solution, level: float = 0.95, **options: Any) -> Statistics:
    features = [f"x{place}" for place in range(len(solution.frame.weights))]
    return tell(solution, features, level=level, **options)


def near(expected: Any, tolerance: float = NEAR) -> Any:
    return pytest.approx(expected, rel=tolerance, abs=1e-300)


def problem(seed: int, rows: int, features: int) -> tuple[Array, Array]:
    """One that leaves statsmodels the digits that are asked for; harder ones are held against certified values."""
    random = np.random.default_rng(seed)
    x = random.normal(random.normal(size=features) * 3, 10.0 ** random.integers(-1, 2, features), (rows, features))
    noise = random.normal(size=rows) * 10.0 ** random.integers(-1, 2)
    return x, x @ random.normal(size=features) + noise + random.normal() * 10


def agrees(found: Statistics, model: Any, level: float = 0.95) -> None:
    """With a fit of statsmodels, the constant first."""
    rows = found.coefficients
    assert [row.estimate for row in rows] == near(model.params)
    assert [row.standard_error for row in rows] == near(model.bse)
    assert [row.t for row in rows] == near(model.tvalues)
    for row, p, t in zip(rows, model.pvalues, model.tvalues, strict=True):
        assert row.p == near(p, NEAR * (1 + t * t)), "a tail has that many digits less than t"
    bounds = model.conf_int(1 - level)
    size = np.abs(bounds).max(axis=1)
    for row, (lower, upper), width in zip(rows, bounds, size, strict=True):
        assert (row.lower, row.upper) == (
            pytest.approx(lower, abs=NEAR * width),
            pytest.approx(upper, abs=NEAR * width),
        )
    assert found.degrees_of_freedom == model.df_resid
    assert found.residual_deviation == near(np.sqrt(model.scale))
    for explained, expected in ((found.r_squared, model.rsquared), (found.adjusted_r_squared, model.rsquared_adj)):
        assert explained == pytest.approx(expected, rel=NEAR, abs=1e-13), "it is a difference from 1"
    assert (found.log_likelihood, found.aic, found.bic) == (near(model.llf), near(model.aic), near(model.bic))
    assert found.f
    assert found.f.value == near(model.fvalue, NEAR + 1e-13 / model.rsquared), "it has the digits of what is explained"
    assert found.f.p == near(model.f_pvalue, 1e-7)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", [0.95, 0.5, 0.999])
def test_a_public_data_set_has_the_statistics_of_statsmodels(way: str, level: float) -> None:
    bunch = load_diabetes(scaled=False)
    found = told(WAYS[way](bunch.data, bunch.target), level)
    design = sm.add_constant(bunch.data)
    agrees(found, sm.OLS(bunch.target, design).fit(), level)
    factors = [variance_inflation_factor(design, place) for place in range(1, 11)]
    assert [row.vif for row in found.coefficients] == [None, *map(near, factors)]
    even = np.linalg.svd(design / np.linalg.norm(design, axis=0), compute_uv=False)
    assert found.condition_indices == near(even[0] / even)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("standardize", [False, True], ids=["plain", "standardized"])
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 40))
def test_generated_designs_have_the_statistics_of_statsmodels(
    way: str, standardize: bool, biased: bool, seed: int, features: int, more: int
) -> None:
    x, y = problem(seed, features + more, features)
    found = told(WAYS[way](x, y, fit_bias=biased, standardize=standardize))
    agrees(found, sm.OLS(y, sm.add_constant(x, has_constant="add") if biased else x).fit())
    assert found.r_squared_kind == ("centred" if biased else "uncentred")


LONGLEY_ERRORS = [
    *(890420.383607373, 84.9149257747669, 0.0334910077722432, 0.488399681651699, 0.214274163161675),
    *(0.226073200069370, 455.478499142212),
]
NIST = {
    "NoInt1": ([2.07438016528926], [0.0165289256198347], 3.56753034006338, "uncentred"),
    "NoInt2": ([0.727272727272727], [0.0420827318078432], 0.369274472937998, "uncentred"),
    "Longley": (None, LONGLEY_ERRORS, 304.854073561965, "centred"),
}
"""Coefficients, their standard deviations and that of the residuals, as NIST certifies them."""


def nist_data(name: str) -> tuple[Array, Array]:
    if name == "Longley":
        frame = sm.datasets.longley.load_pandas()
        return frame.exog.to_numpy(float), frame.endog.to_numpy(float)
    x, y = {"NoInt1": (range(60, 71), range(130, 141)), "NoInt2": ((4, 5, 6), (3, 4, 4))}[name]
    return np.array(x, float)[:, None], np.array(y, float)


@pytest.mark.parametrize("name", NIST)
@pytest.mark.parametrize("way", WAYS)
def test_standard_deviations_are_those_that_nist_certifies(name: str, way: str) -> None:
    estimates, errors, deviation, kind = NIST[name]
    digits = 1e-13 if way == "rows" else 1e-9
    found = told(WAYS[way](*nist_data(name), fit_bias=kind == "centred"))
    assert [row.standard_error for row in found.coefficients] == near(errors, digits)
    assert found.residual_deviation == near(deviation, digits)
    if estimates:
        assert [row.estimate for row in found.coefficients] == near(estimates, digits)


def test_a_polynomial_of_the_tenth_degree_keeps_nine_digits() -> None:
    """As hard as NIST's Filip: doubles alone leave six or seven."""
    random = np.random.default_rng(0)
    base = np.linspace(-9, -3, 82)
    x = np.column_stack([base**power for power in range(1, 11)])
    y = np.round(0.8 + 0.01 * base + random.normal(size=82) * 0.003, 4)
    found = told(from_rows(x, y))
    with mpmath.workdps(60):
        design = mpmath.matrix(np.column_stack([np.ones(82), x]).tolist())
        target = mpmath.matrix(y.tolist())
        inverse = mpmath.inverse(design.T * design)
        exact = inverse * (design.T * target)
        residuals = target - design * exact
        variance = (residuals.T * residuals)[0] / 71
        errors = [mpmath.sqrt(variance * inverse[place, place]) for place in range(11)]
    assert [row.estimate for row in found.coefficients] == near(list(map(float, exact)))
    assert [row.standard_error for row in found.coefficients] == near(list(map(float, errors)))


@pytest.mark.parametrize("standardize", [False, True], ids=["plain", "standardized"])
@pytest.mark.parametrize("way", WAYS)
def test_a_ridge_has_its_estimates_and_its_effective_degrees_of_freedom(way: str, standardize: bool) -> None:
    x, y = problem(3, 60, 3)
    found = told(WAYS[way](x, y, l2=0.5, standardize=standardize))
    scale = x.std(axis=0) if standardize else np.ones(3)
    centred = (x - x.mean(axis=0)) / scale
    inner = np.linalg.inv(centred.T @ centred + 60 * 0.5 * np.eye(3))
    weights = inner @ centred.T @ (y - y.mean())
    assert [row.estimate for row in found.coefficients][1:] == near(weights / scale)
    assert found.effective_degrees_of_freedom == near(1 + np.trace(centred @ inner @ centred.T))
    squares = np.square(y - y.mean() - centred @ weights).sum()
    assert found.residual_deviation == near(np.sqrt(squares / found.degrees_of_freedom))
    assert [row.standard_error for row in found.coefficients][1:] == near(
        found.residual_deviation * np.sqrt(np.diag(inner @ centred.T @ centred @ inner)) / scale
    )
    assert found.f is None
    assert {(row.t, row.p, row.lower, row.upper) for row in found.coefficients} == {(None,) * 4}
    assert any(note.startswith("There are no p-values: l2") for note in found.notes)


@pytest.mark.parametrize("spec", [{"l1": 0.1}, {"loss": "huber"}, {"loss": "absolute_error"}], ids=str)
def test_other_losses_have_no_p_values_and_a_reason(spec: dict[str, Any]) -> None:
    found = told(from_rows(*problem(1, 30, 2), **spec))
    assert found.f is None
    assert {row.p for row in found.coefficients} == {None}
    assert None not in {row.standard_error for row in found.coefficients}
    assert any("There are no p-values" in note for note in found.notes)


@pytest.mark.parametrize("way", WAYS)
def test_columns_that_depend_on_each_other_are_named(way: str) -> None:
    x, y = problem(5, 400, 5)
    x[:, 3], x[:, 1] = x[:, 0] - 2 * x[:, 2], 7.0
    found = told(WAYS[way](x, y))
    named = [note for note in found.notes if "depend on each other" in note]
    assert [note.partition("apart: ")[2] for note in named] == ["bias, x1.", "x0, x2, x3."]
    known = found.coefficients[5]
    model = sm.OLS(y, np.column_stack([np.ones(400), x[:, [0, 2, 4]]])).fit()
    assert (known.estimate, known.standard_error, known.p) == tuple(
        near(each[-1], 1e-8) for each in (model.params, model.bse, model.pvalues)
    )
    assert [row.name for row in found.coefficients if row.standard_error is None] == ["bias", "x0", "x1", "x2", "x3"]
    assert found.degrees_of_freedom == 396
    assert found.f
    assert (found.f.value, found.residual_deviation) == (near(model.fvalue, 1e-8), near(np.sqrt(model.scale), 1e-8))


def test_what_is_frozen_is_taken_as_known() -> None:
    x, y = problem(2, 30, 1)
    found = told(from_rows(x, y, frozen=["weights"], initial_weights=[0.5]))
    model = sm.OLS(y - 0.5 * x[:, 0], np.ones(30)).fit()
    [bias] = found.coefficients
    assert (bias.name, bias.estimate, bias.standard_error) == ("bias", near(model.params[0]), near(model.bse[0]))
    assert any("weights did not learn" in note for note in found.notes)


def test_more_coefficients_than_rows_can_tell_are_refused() -> None:
    with pytest.raises(NoRowsLeft, match="3 coefficients from 3 rows"):
        from_rows(np.eye(3)[:, :2], np.arange(3.0))


def test_numbers_beyond_the_range_of_doubles_are_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(BeyondRange):
        from_rows(random.normal(size=(20, 1)) * 1e-300, random.normal(size=20) * 1e200)


def test_extreme_units_change_nothing_but_the_units() -> None:
    x, y = problem(4, 50, 2)
    plain = told(from_rows(x, y)).coefficients
    large = told(from_rows(x * 2.0**400, y)).coefficients
    assert [row.t for row in large] == near([row.t for row in plain])


def influence(x: Array, y: Array, by: str = "cook", parts: int = 1, **spec: Any) -> tuple[Solution, Influence]:
    solution = from_rows(x, y, **spec)
    taken = InfluencePass(solution, (by,), 1000)
    for places in np.array_split(np.arange(len(y)), parts):
        taken.add(x[places], y[places], places)
    return solution, influence_of(solution, taken.result(), by, 1000)


@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(3, 40), st.integers(1, 4))
def test_influence_is_that_of_statsmodels(biased: bool, seed: int, features: int, more: int, parts: int) -> None:
    random = np.random.default_rng(seed)  # of a mild condition: statsmodels' own digits would not do for another
    x, y = random.normal(1.0, size=(features + more, features)), random.normal(size=features + more)
    _, found = influence(x, y, parts=parts, fit_bias=biased)
    design = sm.add_constant(x, has_constant="add") if biased else x
    expected = sm.OLS(y, design).fit().get_influence()
    rows = [row.row for row in found.data]
    assert sorted(rows) == list(range(len(y)))
    assert [row.cook for row in found.data] == sorted((row.cook for row in found.data), reverse=True)
    for name, values in (
        *(("leverage", expected.hat_matrix_diag), ("residual", expected.resid)),
        *(("standardized", expected.resid_studentized_internal), ("studentized", expected.resid_studentized_external)),
        *(("cook", expected.cooks_distance[0]), ("dffits", expected.dffits[0])),
    ):
        size = np.abs(values).max()
        assert [getattr(row, name) for row in found.data] == pytest.approx(values[rows], rel=1e-8, abs=NEAR * size)
    assert found.press == near(np.square(expected.resid_press).sum())


@pytest.mark.parametrize("by", ["cook", "leverage", "studentized"])
def test_the_first_rows_by_a_measure_are_found_whatever_the_parts(by: Any) -> None:
    x, y = problem(1, 500, 2)
    solution, whole = influence(x, y, by)
    few = InfluencePass(solution, (by,), 7)
    for places in np.array_split(np.arange(500), 50):
        few.add(x[places], y[places], places)
    told = influence_of(solution, few.result(), by, 7)
    assert told.data == whole.data[:7]
    sizes = [abs(getattr(row, by)) for row in whole.data]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("standardize", [False, True], ids=["plain", "standardized"])
def test_press_of_a_ridge_is_that_of_fits_without_each_row(standardize: bool) -> None:
    x, y = problem(8, 12, 2)
    _, found = influence(x, y, l2=0.3, standardize=standardize)
    scale = x.std(axis=0) if standardize else np.ones(2)
    press, moved = 0.0, []
    for row in range(12):
        ridge = Ridge(alpha=12 * 0.3).fit(np.delete(x, row, axis=0) / scale, np.delete(y, row))
        press += (y[row] - ridge.predict(x[[row]] / scale)[0]) ** 2
        whole = Ridge(alpha=12 * 0.3).fit(x / scale, y)
        moved.append(np.square(whole.predict(x / scale) - ridge.predict(x / scale)).sum())
    assert found.press == near(press)
    assert [row.row for row in found.data] == np.argsort(-np.array(moved)).tolist()
    assert {row.studentized for row in found.data} == {None}


def test_a_row_that_holds_a_coefficient_alone_leaves_no_press() -> None:
    x, y = problem(9, 20, 2)
    x[:, 1] = np.arange(20) == 4
    _, found = influence(x, y)
    assert found.press is None
    first = found.data[0]
    assert (first.row, first.cook, first.studentized) == (4, None, None)
    assert first.leverage == pytest.approx(1)
    assert any("held by one row alone" in note and note.endswith(" 4.") for note in found.notes)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 40), st.sampled_from([0.5, 0.95, 0.999]))
def test_intervals_are_those_of_statsmodels(
    way: str, biased: bool, seed: int, features: int, more: int, level: float
) -> None:
    x, y = problem(seed, features + more, features)
    new = np.random.default_rng(seed + 1).normal(size=(5, features)) * 20
    solution = WAYS[way](x, y, fit_bias=biased)
    design = (sm.add_constant(each, has_constant="add") if biased else each for each in (x, new))
    expected = sm.OLS(y, next(design)).fit().get_prediction(next(design)).summary_frame(1 - level)
    for kind, name in (("prediction", "obs_ci"), ("confidence", "mean_ci")):
        size = np.abs(expected).max().max()
        bounds = Intervals(solution, kind, level).bounds(new)  # type: ignore[arg-type]
        for end, found in zip(("lower", "upper"), bounds, strict=True):
            assert found == pytest.approx(expected[f"{name}_{end}"].to_numpy(), abs=NEAR * size)


def test_a_row_that_the_rows_trained_on_leave_open_has_no_interval() -> None:
    x, y = problem(6, 30, 2)
    x[:, 1] = 2 * x[:, 0]
    lower, upper = Intervals(from_rows(x, y), "confidence", 0.9).bounds(np.array([[1.0, 2.0], [1.0, 3.0]]))
    assert np.isfinite([lower[0], upper[0]]).all()
    assert np.isnan([lower[1], upper[1]]).all()


def robust(x: Array, y: Array, name: str, clusters: Array | None = None, parts: int = 1, **spec: Any) -> Statistics:
    solution = from_rows(x, y, **spec)
    taken = ClusterSandwich(solution) if clusters is not None else Sandwich(solution, "HC0" if name == "HC1" else name)
    for places in np.array_split(np.arange(len(y)), parts):
        taken.add(x[places], y[places], places, None if clusters is None else clusters[places][:, None])
    return told(solution, covariance=Covariance.robust(name, solution, taken.result()))


def test_a_covariance_beyond_the_range_of_doubles_is_refused_though_the_solution_is_not() -> None:
    x, y = problem(4, 50, 2)
    tiny = x * 1e-160
    assert np.isfinite(from_rows(tiny, y).own[0]).all()
    with pytest.raises(BeyondRange):
        told(from_rows(tiny, y))
    with pytest.raises(BeyondRange):
        robust(tiny, y, "HC3")
    bounds = [np.array(Intervals(from_rows(each, y), "confidence", 0.95).bounds(each[:3])) for each in (x, tiny)]
    assert bounds[1] == pytest.approx(bounds[0]), "predictions need no covariance of the coefficients"


@pytest.mark.parametrize("name", ["HC0", "HC1", "HC2", "HC3", "cluster:g"])
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(8, 40), st.integers(1, 4), st.booleans())
def test_robust_covariances_are_those_of_statsmodels(
    name: str, seed: int, features: int, more: int, parts: int, biased: bool
) -> None:
    x, y = problem(seed, features + more, features)
    y = y + np.abs(x[:, 0]) * np.random.default_rng(seed).normal(size=len(y))
    clusters = np.random.default_rng(seed).permutation(np.arange(len(y)) % 7).astype(float)
    design = sm.add_constant(x, has_constant="add") if biased else x
    options = {"cov_type": "cluster", "cov_kwds": {"groups": clusters}} if "cluster" in name else {"cov_type": name}
    expected = sm.OLS(y, design).fit(**options)
    found = robust(x, y, name, clusters if "cluster" in name else None, parts, fit_bias=biased)
    agrees(found, expected)
    assert (found.covariance, found.distribution) == (name, "normal")
