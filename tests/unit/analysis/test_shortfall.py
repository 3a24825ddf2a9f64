"""A run that ends far from the minimum is told so, with numbers and what to do; others are left in peace."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slope.analysis import Ending, analyse, ending_of_triangle, reached, shortfall
from slope.arrays import Array
from slope.data import TrainingData, initial_parameters, prepare
from slope.engines.reduction.reduction import Reduction
from slope.loop import Training
from slope.spec import TrainingSpec

X = np.arange(1.0, 11.0)[:, None]
LINE = (X, 2 * X[:, 0] + 30)
FEW: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-4, "batch_size": "full"}


def told(x: Array, y: Array, **hyperparameters: Any) -> str | None:
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | hyperparameters)
    data = prepare(x, y, spec)
    training = Training(data, spec)
    for _ in training.epochs():
        pass
    ending = ending_of(data, spec, np.array(training.result.weights), training.result.bias)
    assert ending
    return shortfall(spec, ending)


def ending_of(data: TrainingData, spec: TrainingSpec, weights: Array, bias: float | None) -> Ending | None:
    analysis = analyse(data, spec)
    assert analysis
    exact = analysis.exact and analysis.exact.loss
    return Ending.of(spec, replace(analysis, reached=reached(data, spec, weights, bias, exact)))


def test_a_run_that_has_hardly_begun_is_told_what_was_to_be_had_and_what_to_do() -> None:
    sentence = told(*LINE, **FEW)
    assert sentence
    assert sentence.startswith("The run ended far from the minimum: its R² on the rows it trained on is -")
    assert "where 1 was to be had (loss " in sentence
    assert sentence.endswith(
        "train for more epochs, or with a learning_rate up to 0.0254518, or set standardize, "
        "or use the optimizer lbfgs on full batches, with learning_rate 1."
    )


def test_what_is_done_already_is_not_advised() -> None:
    sentence = told(*LINE, **FEW, standardize=True)
    assert sentence
    assert "standardize" not in sentence
    lbfgs = told(*LINE, epochs=1, learning_rate=1e-4, batch_size="full", optimizer={"name": "lbfgs", "max_iter": 1})
    assert lbfgs
    assert "use the optimizer" not in lbfgs
    assert "set learning_rate to 1," in lbfgs
    fast = told(*LINE, epochs=3, learning_rate=0.04, batch_size="full")
    assert fast
    assert "lower learning_rate below 0.0254518" in fast


def test_what_is_advised_helps() -> None:
    for advised in (
        {"optimizer": {"name": "lbfgs"}, "learning_rate": 1.0},
        {"epochs": 3000, "learning_rate": 0.025},
        {"standardize": True, "learning_rate": 0.4},
    ):
        assert told(*LINE, **FEW) is not None
        assert told(*LINE, **FEW | advised) is None, advised


def test_a_run_at_the_minimum_is_not_told() -> None:
    assert told(*LINE, epochs=400, learning_rate=0.1, standardize=True, batch_size="full") is None
    assert told(*LINE, epochs=20, standardize=True, optimizer={"name": "lbfgs"}, batch_size="full") is None


def test_the_lecture_is_not_told() -> None:
    lecture = {"fit_bias": False, "initial_weights": [1.0]}
    assert told(np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.0]), **lecture) is None


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 1.0, 10.0, 1e3]))
def test_what_noise_leaves_is_no_fault_of_the_run(seed: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(200, 2))
    y = x @ [1.0, -2.0] + noise * random.normal(size=200)
    assert told(x, y, epochs=20, learning_rate=0.01, batch_size=10, dtype="float64") is None
    assert (told(x, y + 50, epochs=1, learning_rate=1e-5, batch_size=10, dtype="float64") is None) == (noise >= 1e3)


def test_a_run_with_another_aim_is_not_told() -> None:
    for aim in (
        {"loss": "huber"},
        {"loss": "absolute_error"},
        {"l1": 0.1},
        {"optimizer": {"name": "sgd", "weight_decay": 0.5}},
        {"early_stopping": {}, "validation_fraction": 0.2},
    ):
        assert told(*LINE, **FEW | aim) is None
    assert told(*LINE, **FEW, l2=0.1), "the exact solution has l2, too"
    assert told(*LINE, **FEW | {"optimizer": {"name": "adamw"}})


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([[], ["weights"], ["bias"]]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
)
def test_a_triangle_tells_what_its_rows_tell(
    seed: int, frozen: list[str], fit_bias: bool, standardize: bool, l2: float
) -> None:
    random = np.random.default_rng(seed)
    x, noise = random.normal(size=(40, 3)) + np.array([0.0, 5.0, 0.0]), random.normal(size=40)
    given: dict[str, Any] = {"fit_bias": fit_bias, "frozen": frozen if fit_bias else [], "standardize": standardize}
    start = {"initial_weights": [0.5, 1.0, 0.0], "batch_size": "full", "l2": l2}
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | given | start)
    data = prepare(x, x @ [1.0, -2.0, 0.5] + noise, spec)
    weights, bias = initial_parameters(3, spec, data.scaler)
    learned = (np.array(weights) + 0.1, bias)
    found = Reduction.of([(data.x, data.y)], 3)

    ending = ending_of_triangle(found.triangle, found.rows, spec, (np.array(weights), bias), learned)

    expected = ending_of(data, spec, *learned)
    assert ending
    assert expected
    for name in ("loss", "r_squared", "least_loss", "best_r_squared", "max_stable_learning_rate"):
        assert getattr(ending, name) == pytest.approx(getattr(expected, name), rel=1e-7, abs=1e-7), name


def test_a_triangle_of_a_constant_tells_nothing() -> None:
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | FEW)
    found = Reduction.of([(X, np.full(10, 0.1))], 1)
    learned = (np.zeros(1), 0.0)
    assert ending_of_triangle(found.triangle, found.rows, spec, learned, learned) is None
