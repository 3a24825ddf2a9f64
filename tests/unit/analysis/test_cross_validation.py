"""What a job is told of its cross-validation, held against scikit-learn's models of the other folds."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

from slope.answers.metrics import CrossValidation
from slope.arrays import Array
from slope.scaling import fit_scaler
from slope.spec import TrainingSpec
from slope.splits import fold_of_rows
from slope.statistics import cross_validation
from slope.statistics.cross_validation import cross_validate
from slope.statistics.folds import FoldsPass, folds_of
from slope.statistics.shrinkage import Centred, Strength

X, Y = load_diabetes(return_X_y=True, scaled=False)
COUNT = 4


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"dtype": "float64", "seed": 2} | hyperparameters)


def told(x: Array, y: Array, spec: TrainingSpec, *strengths: Strength, count: int = COUNT) -> list[CrossValidation]:
    taken = FoldsPass(x.shape[1], len(y), spec, count)
    taken.add(x, y, np.arange(len(y)))
    return cross_validate(folds_of(taken.result()), count, spec, list(strengths))


def model(strength: Strength, rows: int) -> Any:
    if strength.l1:
        alpha = strength.l1 / 2 + strength.l2
        return ElasticNet(alpha=alpha, l1_ratio=strength.l1 / 2 / alpha, tol=1e-13, max_iter=10**6)
    return Ridge(alpha=strength.l2 * rows, solver="svd") if strength.l2 else LinearRegression()


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("strength", [Strength(0.0, 0.0), Strength(0.0, 0.3), Strength(2.0, 0.1)], ids=str)
def test_each_fold_is_predicted_by_the_exact_solution_of_the_others(strength: Strength, standardize: bool) -> None:
    spec = spec_of(standardize=standardize)
    [found] = told(X, Y, spec, strength)
    fold = fold_of_rows(len(Y), spec, COUNT)
    errors, explained = [], []
    for number in range(COUNT):
        others = fold != number
        scaler = fit_scaler(X[others], spec) if standardize else None
        own = scaler.apply(X) if scaler else X
        fitted = model(strength, int(others.sum())).fit(own[others], Y[others])
        errors.append(np.square(Y - fitted.predict(own))[~others].mean())
        explained.append(fitted.score(own[~others], Y[~others]))

    digits = 1e-6 if strength.l1 else 1e-9
    assert [each.mean_squared_error for each in found.per_fold] == pytest.approx(errors, rel=digits)
    assert [each.rows for each in found.per_fold] == np.bincount(fold).tolist()
    assert found.mean_squared_error == pytest.approx(np.mean(errors), rel=digits)
    assert found.standard_deviation == pytest.approx(np.std(errors, ddof=1), rel=digits)
    assert found.standard_error == pytest.approx(np.std(errors, ddof=1) / COUNT**0.5, rel=digits)
    assert found.r_squared == pytest.approx(np.mean(explained), rel=digits)
    assert "exact solution" in found.note


def test_ridges_that_are_solved_together_are_what_each_is_alone() -> None:
    strengths = [Strength(0.0, each) for each in (0.1, 3.0, 1e-4)]
    together = told(X, Y, spec_of(), *strengths)
    for strength, found in zip(strengths, together, strict=True):
        [alone] = told(X, Y, spec_of(), strength)
        assert found.mean_squared_error == pytest.approx(alone.mean_squared_error, rel=1e-12)


def test_columns_that_depend_on_each_other_are_solved_as_scikit_learn_does() -> None:
    x = np.column_stack([X, X[:, 0] + 2 * X[:, 3], np.ones(len(X))])
    [found] = told(x, Y, spec_of(), Strength(0.0, 0.0))
    [without] = told(X, Y, spec_of(), Strength(0.0, 0.0))
    assert found.mean_squared_error == pytest.approx(without.mean_squared_error, rel=1e-9)


def test_more_columns_than_rows_leave_the_shortest_weights() -> None:
    random = np.random.default_rng(0)
    x, y, spec = random.normal(size=(12, 20)) + 3, random.normal(size=12), spec_of()
    [found] = told(x, y, spec, Strength(0.0, 0.0), count=3)
    fold = fold_of_rows(12, spec, 3)
    for number, metrics in enumerate(found.per_fold):
        others = fold != number
        fitted = LinearRegression().fit(x[others], y[others])
        expected = np.square(y - fitted.predict(x))[~others].mean()
        assert metrics.mean_squared_error == pytest.approx(expected, rel=1e-9)


def test_polynomials_of_the_tenth_degree_keep_their_digits() -> None:
    """As NIST's Filip; the columns' condition number is 10¹⁵."""
    t = np.linspace(-9.0, -3.0, 80)
    x = np.column_stack([t**power for power in range(1, 11)])
    y = np.polynomial.Polynomial(np.arange(1.0, 12.0) / 10.0 ** np.arange(11))(t)
    [found] = told(x, y, spec_of(), Strength(0.0, 0.0))
    assert found.r_squared == pytest.approx(1.0, abs=1e-12)


def test_decay_of_the_optimizer_is_told_not_to_be_in_it() -> None:
    [found] = told(X, Y, spec_of(optimizer={"name": "adamw"}), Strength(0.0, 0.0))
    assert "weight_decay is not in it" in found.note


@pytest.mark.parametrize(
    ("rows", "scale", "words"), [(3, 1.0, "do not fill the folds"), (60, 1e200, "beyond the range")], ids=str
)
def test_what_cannot_be_validated_says_why(rows: int, scale: float, words: str) -> None:
    [found] = told(X[:rows] * scale, Y[:rows] * scale, spec_of(), Strength(0.0, 0.5))
    assert (found.folds, found.mean_squared_error, found.per_fold) == (COUNT, None, [])
    assert words in found.note


def test_without_scikit_learn_there_is_none_under_l1(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any) -> Any:
        raise ModuleNotFoundError("sklearn")

    monkeypatch.setattr(Centred, "_descend", missing)
    [found] = told(X, Y, spec_of(), Strength(0.5, 0.0))
    assert found.per_fold == []
    assert "'.[sklearn]'" in found.note


def test_it_can_be_stopped_before_each_fold() -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    taken = FoldsPass(X.shape[1], len(Y), spec_of(), COUNT)
    taken.add(X, Y, np.arange(len(Y)))
    with pytest.raises(Stopped):
        cross_validation.cross_validate(folds_of(taken.result()), COUNT, spec_of(), [Strength(0.0, 0.0)], stop)
