"""The learning rate that finds itself: by which rule, and that no run with it diverges."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_linnerud

from slope.analysis import (
    analyse,
    choose_rate,
    curvature_of,
    curvature_of_reduced,
    settle_rate,
)
from slope.arrays import Array
from slope.data import prepare
from slope.engines.build import build
from slope.engines.reduction.reduction import Reduction
from slope.records import Diverged
from slope.spec import TrainingSpec

GENERATED = 1000
"""Designs, some of each kind in every run."""
MOMENTUM = {"name": "sgd", "momentum": 0.9}
SHIPPED = {
    "diabetes": load_diabetes(return_X_y=True, scaled=False),
    "linnerud": (load_linnerud().data, load_linnerud().target[:, 0]),
}
"""The data sets for regression that scikit-learn has without a download."""


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"dtype": "float64"} | hyperparameters)


def rate_of(x: Array, y: Array, spec: TrainingSpec) -> float:
    settled, rule = settle_rate(prepare(x, y, spec), spec)
    assert rule
    assert rule.startswith("auto: ")
    return settled.rate


def losses_of(x: Array, y: Array, spec: TrainingSpec) -> list[float]:
    """Of each epoch. Raises Diverged."""
    data = prepare(x, y, spec)
    engine = "eager" if spec.optimizer.name == "lbfgs" or spec.is_proximal else "compiled"
    run = build(engine, data, spec, keeps_steps=False)
    return [record.loss for block in run.blocks(until=spec.epochs) for record in block]


def generated(index: int) -> tuple[Array, Array]:
    """A design with a condition number up to 10⁶ and columns of any size, and noisy targets."""
    random = np.random.default_rng(index)
    rows, features = int(random.integers(3, 40)), int(random.integers(1, 8))
    left, sizes, right = np.linalg.svd(random.normal(size=(rows, features)), full_matrices=False)
    sizes = np.geomspace(1, 10 ** -random.uniform(0, 6), len(sizes)) * 10 ** random.uniform(-6, 6)
    x = left * sizes @ right
    if index % 3 == 0:
        x += random.normal(size=features) * 10 ** random.uniform(-3, 3)
    return x, x @ random.normal(size=features) + random.normal(size=rows) * 10 ** random.uniform(-3, 1)


@pytest.mark.parametrize("standardize", [False, True])
def test_a_full_batch_descends_at_two_through_the_sum_of_the_extreme_eigenvalues(standardize: bool) -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(30, 3)) * [1.0, 2.0, 0.7], random.normal(size=30)
    spec = spec_of(batch_size="full", l2=0.1, standardize=standardize)
    z = np.column_stack([prepare(x, y, spec).x, np.ones(30)])
    values = np.linalg.eigvalsh(2 * z.T @ z / 30 + 2 * np.diag([0.1, 0.1, 0.1, 0.0]))
    assert rate_of(x, y, spec) == pytest.approx(2 / (values[0] + values[-1]), rel=0.1)


def test_without_a_penalty_it_is_that_to_the_last_digits() -> None:
    random = np.random.default_rng(4)
    x, y = random.normal(size=(30, 3)), random.normal(size=30)
    values = np.linalg.eigvalsh(2 * x.T @ x / 30)
    assert rate_of(x, y, spec_of(batch_size="full", fit_bias=False)) == pytest.approx(2 / (values[0] + values[-1]))


def test_full_batches_with_proximal_steps_descend_at_one_through_the_largest_eigenvalue() -> None:
    x, y = SHIPPED["diabetes"]
    options = {"batch_size": "full", "standardize": True, "optimizer": {"name": "sgd", "l1_step": "proximal"}}
    spec = spec_of(l1=3.0, epochs=100, **options)
    data = prepare(x, y, spec)
    design = np.column_stack([data.x, np.ones(len(y))])
    highest = np.linalg.eigvalsh(2 * design.T @ design / len(y))[-1]
    assert rate_of(x, y, spec) == pytest.approx(1 / highest, rel=1e-9)
    losses = losses_of(x, y, spec)
    assert losses == sorted(losses, reverse=True)  # l1 among them: no step overshoots


def test_a_direction_that_nothing_tells_of_does_not_count() -> None:
    x = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    values = np.linalg.eigvalsh(2 * x.T @ x / 3)
    assert rate_of(x, x[:, 0], spec_of(batch_size="full", fit_bias=False)) == pytest.approx(1 / values[-1])


@pytest.mark.parametrize("batch_size", [1, 4])
def test_on_batches_no_row_is_overshot(batch_size: int) -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(30, 3)), random.normal(size=30)
    longest = float((np.square(x).sum(axis=1) + 1).max())
    spec = spec_of(batch_size=batch_size, l2=0.25)
    assert rate_of(x, y, spec) == pytest.approx(1 / (2 * longest + 0.5))
    analysis = analyse(prepare(x, y, spec), spec)
    assert analysis
    assert rate_of(x, y, spec) == pytest.approx(analysis.max_stable_learning_rate_per_row / 2)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_the_triangle_says_what_the_rows_say(loss: str, standardize: bool) -> None:
    x, y = SHIPPED["diabetes"]
    spec = spec_of(batch_size="full", loss=loss, standardize=standardize, l2=0.01)
    rows = Reduction.of([(x, y)], x.shape[1])
    scaler = rows.scaler(x.min(axis=0), x.max(axis=0), spec) if standardize else None
    found = choose_rate(curvature_of_reduced(rows.scaled(scaler) if scaler else rows, spec, scaler), spec)
    assert found
    assert found.rate == pytest.approx(rate_of(x, y, spec), rel=1e-9)


def test_what_depends_on_the_rows_is_left_to_who_has_them() -> None:
    x, y = SHIPPED["diabetes"]
    spec = spec_of(batch_size=1)
    assert choose_rate(curvature_of_reduced(Reduction.of([(x, y)], x.shape[1]), spec, None), spec) is None


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("batch_size", ["full", 1, 16])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_data_set_of_scikit_learn_diverges(name: str, batch_size: Any, standardize: bool, dtype: str) -> None:
    x, y = SHIPPED[name]
    spec = spec_of(epochs=100, batch_size=batch_size, standardize=standardize, dtype=dtype)
    losses = losses_of(x, y, spec)
    assert losses[-1] <= losses[0]


def test_no_generated_design_diverges() -> None:
    kinds = [(size, scaled) for size in ("full", 1) for scaled in (False, True)]
    for index in range(GENERATED):
        size, standardize = kinds[index % len(kinds)]
        x, y = generated(index)
        spec = spec_of(epochs=30, batch_size=size, standardize=standardize, shuffle=index % 8 > 3)
        losses = losses_of(x, y, spec)
        assert max(losses) <= 10 * losses[0] + 1e-20, (index, spec)  # row by row the noise has a say


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": MOMENTUM},
        {"optimizer": MOMENTUM | {"nesterov": True}},
        {"optimizer": MOMENTUM | {"dampening": -1.0}},
        {"optimizer": {"name": "sgd", "weight_decay": 0.5}},
        {"optimizer": "adam"},
        {"optimizer": "adamw"},
        {"optimizer": "rmsprop"},
        {"optimizer": "adagrad"},
        {"optimizer": "lbfgs", "epochs": 3},
        {"optimizer": {"name": "lbfgs", "line_search": "strong_wolfe"}, "epochs": 3},
        {"loss": "huber"},
        {"loss": "huber", "optimizer": MOMENTUM},
        {"loss": "absolute_error"},
        {"l1": 0.1},
        {"l1": 0.1, "optimizer": {"name": "sgd", "l1_step": "proximal"}},
        {"l2": 10.0},
        {"zero_gradients": "epoch"},
        {"zero_gradients": "never"},
        {"frozen": ["weights"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch_size", ["full", 1, 3])
def test_other_optimizers_and_losses_have_their_rules(options: dict[str, Any], batch_size: Any) -> None:
    for index in range(2 if options.get("epochs") else 12):
        x, y = generated(index)
        losses = losses_of(x, y, spec_of(**{"epochs": 40, "batch_size": batch_size} | options))
        assert np.isfinite(losses).all()


def test_a_rate_that_autograd_would_not_survive_is_what_diverges() -> None:
    x, y = SHIPPED["diabetes"]
    with pytest.raises(Diverged):
        losses_of(x, y, spec_of(epochs=100, batch_size="full", learning_rate=0.01))


@pytest.mark.parametrize("size", [1e-200, 1e-150, 1e150, 1e200])
def test_numbers_of_any_size_have_a_rate(size: float) -> None:
    x, y = np.array([[1.0], [2.0]]) * size, np.array([1.0, 2.0])
    for batch_size in ("full", 1):
        rate = rate_of(x, y, spec_of(batch_size=batch_size, fit_bias=False))
        assert 0 < rate < np.inf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_is_one_that_the_dtype_holds_and_says_so(dtype: str) -> None:
    x, y = np.array([[1.0], [2.0]]) * 1e-156, np.array([1.0, 2.0])
    settled, rule = settle_rate(prepare(x, y, spec := spec_of(fit_bias=False, dtype=dtype)), spec)
    assert TrainingSpec.model_validate(settled.model_dump()) == settled
    assert settled.rate == np.finfo(dtype).max
    assert f"{dtype} holds only as much" in str(rule)


def test_where_nothing_is_to_be_learnt_any_rate_will_do() -> None:
    assert rate_of(np.zeros((3, 1)), np.ones(3), spec_of(batch_size="full", fit_bias=False)) == 1.0


def test_of_very_many_parameters_the_curvature_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = SHIPPED["diabetes"]
    spec = spec_of(batch_size="full")
    exact = curvature_of(prepare(x, y, spec), spec)
    monkeypatch.setattr("slope.analysis.rates.WIDEST_SPECTRUM", 3)
    bound = curvature_of(prepare(x, y, spec), spec)
    assert exact.highest <= bound.highest <= 2 * exact.highest


def test_fewer_rows_than_features_say_the_same_as_their_columns() -> None:
    random = np.random.default_rng(9)
    x, y = random.normal(size=(4, 9)), random.normal(size=4)
    values = np.linalg.eigvalsh(2 * x @ x.T / 4)
    assert rate_of(x, y, spec_of(batch_size="full", fit_bias=False)) == pytest.approx(2 / (values[0] + values[-1]))


def test_a_rate_that_is_given_is_kept() -> None:
    spec = spec_of(learning_rate=0.3)
    assert settle_rate(prepare(np.ones((2, 1)), np.ones(2), spec), spec) == (spec, None)
    with pytest.raises(ValueError, match="still to be chosen"):
        _ = spec_of().rate
