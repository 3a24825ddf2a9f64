"""Regularization paths from the triangle, and their cross-validation, held against scikit-learn's on the rows."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.linear_model import Ridge, enet_path

from slope.answers.path import Path
from slope.arrays import Array
from slope.reduced_rows import ReducedColumns
from slope.scaling import fit_scaler
from slope.spec import TrainingSpec
from slope.splits import fold_of_rows
from slope.statistics.folds import FoldsPass, folds_of
from slope.statistics.passes import TrianglePass, columns_of
from slope.statistics.path import path_as_csv, trace
from slope.statistics.shrinkage import COUNT
from slope.statistics.solution import BeyondRange, solve_columns


def generated(seed: int, rows: int, features: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)) @ random.normal(size=(features, features)) + 5 * random.normal(
        size=features
    )
    return x, x @ random.normal(size=features) + 20 + random.normal(size=rows)


DATA = {
    "diabetes": load_diabetes(return_X_y=True, scaled=False),
    "linnerud": (load_linnerud().data, load_linnerud().target[:, 0]),
    "generated": generated(0, 200, 8),
    "wide": generated(1, 12, 20),
}
JOBS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "standardized": {"standardize": True},
    "without a bias": {"fit_bias": False},
    "standardized without a bias": {"standardize": True, "fit_bias": False},
}


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"dtype": "float64"} | hyperparameters)


def columns(x: Array, y: Array) -> ReducedColumns:
    taken = TrianglePass(x.shape[1])
    taken.add(x, y, np.arange(len(y)))
    found = columns_of(taken.result())
    assert found
    return found


def path_of(x: Array, y: Array, spec: TrainingSpec, penalty: Any, **options: Any) -> Path:
    return trace(columns(x, y), spec, [f"x{place}" for place in range(x.shape[1])], penalty, **options)


def scaled(x: Array, spec: TrainingSpec) -> tuple[Array, Array]:
    """As the job trains it, and what divides its weights."""
    if not spec.standardize:
        return x, np.ones(x.shape[1])
    scaler = fit_scaler(x, spec)
    return scaler.apply(x), scaler.deviations


def weights_of(path: Path) -> Array:
    return np.array([point.weights for point in path.points])


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_a_path_under_l2_is_that_of_scikit_learn_s_ridge(data: tuple[Array, Array], job: dict[str, Any]) -> None:
    (x, y), spec = data, spec_of(**job)
    own, sizes = scaled(x, spec)
    path = path_of(x, y, spec, "l2")
    assert len(path.points) == COUNT
    for point in path.points[::9]:
        model = Ridge(alpha=point.l2 * len(y), fit_intercept=spec.fit_bias, solver="svd").fit(own, y)
        expected = model.coef_ / sizes
        assert np.abs(point.weights - expected).max() <= 1e-9 * np.abs(expected).max()
        residuals = y - model.predict(own)
        assert y - x @ point.weights - (point.bias or 0.0) == pytest.approx(residuals, abs=1e-9 * np.abs(y).max())
        assert point.loss == pytest.approx(np.square(residuals).mean(), rel=1e-9, abs=1e-14 * np.square(y).mean())


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
@pytest.mark.parametrize("ratio", [1.0, 0.4])
@pytest.mark.parametrize("name", ["diabetes", "generated"])
def test_a_path_under_l1_is_that_of_scikit_learn_s_descent(name: str, ratio: float, job: dict[str, Any]) -> None:
    (x, y), spec = DATA[name], spec_of(**job)
    own, sizes = scaled(x, spec)
    penalty = "l1" if ratio == 1 else "elastic_net"
    path = path_of(x, y, spec, penalty, l1_ratio=ratio)
    centre = own.mean(axis=0) * spec.fit_bias, y.mean() * spec.fit_bias
    alphas = [point.l1 / 2 / ratio for point in path.points]
    assert [point.l2 for point in path.points] == pytest.approx([each * (1 - ratio) for each in alphas])
    left = own - centre[0], y - centre[1]
    _, expected, _ = enet_path(*left, l1_ratio=ratio, alphas=alphas, tol=1e-13, max_iter=10**6)
    expected = expected.T / sizes
    assert np.abs(weights_of(path) - expected).max() <= 1e-6 * np.abs(expected).max()
    assert (weights_of(path) == 0).any()
    assert not weights_of(path)[0].any()
    found = path.points[50]
    if penalty == "l1":
        assert found.degrees_of_freedom == np.count_nonzero(found.weights) + spec.fit_bias


def test_a_point_s_penalty_is_what_a_job_takes() -> None:
    x, y = DATA["diabetes"]
    for standardize in (False, True):
        for point in path_of(x, y, spec_of(standardize=standardize), "l2").points[::20]:
            solved = solve_columns(columns(x, y), spec_of(standardize=standardize, l2=point.l2))
            linear, shift = solved.frame.to_own_units()
            assert linear @ solved.estimates + shift == pytest.approx([point.bias, *point.weights], rel=1e-8)
            assert point.degrees_of_freedom == pytest.approx(solved.effective, rel=1e-9)


def test_generalized_cross_validation_is_of_the_hat_matrix() -> None:
    x, y = DATA["generated"]
    path = path_of(x, y, spec_of(), "l2")
    centred = x - x.mean(axis=0)
    for point in path.points[::20]:
        inverse = np.linalg.inv(centred.T @ centred + len(y) * point.l2 * np.eye(8))
        hat = centred @ inverse @ centred.T + 1 / len(y)
        squares = np.square(y - hat @ y).sum()
        assert point.gcv == pytest.approx(len(y) * squares / (len(y) - np.trace(hat)) ** 2, rel=1e-9)
    assert path.best_by_gcv == np.argmin([point.gcv for point in path.points])


@pytest.mark.parametrize("standardize", [False, True])
def test_cross_validation_is_that_of_models_fitted_to_the_other_folds(standardize: bool) -> None:
    x, y = DATA["diabetes"]
    spec = spec_of(standardize=standardize, seed=3)
    taken = FoldsPass(x.shape[1], len(y), spec, 5)
    for start in range(0, len(y), 100):
        part = slice(start, start + 100)
        taken.add(x[part], y[part], np.arange(len(y))[part])
    path = path_of(x, y, spec, "l2", folds=folds_of(taken.result()))

    fold, place = fold_of_rows(len(y), spec, 5), 60
    errors = []
    for number in range(5):
        others = fold != number
        scaler = fit_scaler(x[others], spec) if standardize else None
        own = scaler.apply(x) if scaler else x
        model = Ridge(alpha=path.points[place].l2 * others.sum(), solver="svd").fit(own[others], y[others])
        errors.append(np.square(y - model.predict(own))[~others].mean())

    found = path.points[place]
    assert found.cross_validation_error == pytest.approx(np.mean(errors), rel=1e-9)
    assert found.cross_validation_standard_error == pytest.approx(np.std(errors, ddof=1) / 5**0.5, rel=1e-8)
    assert path.best_by_cross_validation is not None
    assert path.within_one_standard_error is not None
    least = path.points[path.best_by_cross_validation]
    simple = path.points[path.within_one_standard_error]
    assert simple.l2 >= least.l2
    assert least.cross_validation_error == min(point.cross_validation_error or np.inf for point in path.points)


def test_folds_depend_on_the_seed_alone_and_are_even() -> None:
    one, again, other = (fold_of_rows(1003, spec_of(seed=seed), 5) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()
    assert set(np.bincount(one)) == {200, 201}


def test_a_fold_without_rows_is_none() -> None:
    taken = FoldsPass(1, 3, spec_of(), 5)
    taken.add(np.ones((3, 1)), np.ones(3), np.arange(3))
    assert folds_of(taken.result()) is None


def test_columns_that_explain_nothing_have_no_path() -> None:
    path = path_of(np.ones((20, 2)), np.arange(20.0), spec_of(), "l2")
    assert path.points == []
    assert path.best_by_gcv is None
    assert any("there is no path" in note for note in path.notes)


@pytest.mark.parametrize(
    ("of_x", "of_y", "penalty"), [(1e155, 1.0, "l2"), (1e-160, 1.0, "l2"), (1.0, 1e160, "l2"), (1e155, 1e155, "l1")]
)
def test_a_path_beyond_the_range_of_doubles_is_refused(of_x: float, of_y: float, penalty: str) -> None:
    x, y = generated(3, 20, 2)
    with pytest.raises(BeyondRange):
        path_of(x * of_x, y * of_y, spec_of(), penalty)


def test_a_path_as_csv_comes_back_to_the_bit() -> None:
    path = path_of(*DATA["linnerud"], spec_of(), "l2")
    header, *lines = path_as_csv(path).splitlines()
    names = header.split(",")
    assert names[:2] == ["l1", "l2"]
    assert names[-3:] == ["weight:x0", "weight:x1", "weight:x2"]
    assert [float(cell) for cell in lines[7].split(",")[-3:]] == path.points[7].weights


def test_a_path_under_l1_can_be_stopped_before_each_penalty() -> None:
    x, y = DATA["diabetes"]
    calls = 0

    def pause() -> None:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        path_of(x, y, spec_of(), "l1", pause=pause)
