"""The model: what it predicts, what it loses, and that autograd's gradients are the derivatives."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from unit.training import plain

from slope.data import prepare
from slope.loop import train_epochs
from slope.model import LinearModel, Parameters, predict_singly
from slope.spec import TrainingSpec

RANDOM = np.random.RandomState(5)
X = RANDOM.standard_normal((9, 4))
Y = RANDOM.standard_normal(9)
START = Parameters([0.5, -1.0, 2.0, 0.25], 0.75)
FEW = [0.25, -1.5, 3.0]
"""Residuals on both sides of zero, and of the huber_delta 1."""


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"learning_rate": 0.01} | {"dtype": "float64", **hyperparameters})


def tensors(*values: Any) -> list[torch.Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def model_of(parameters: Parameters, spec: TrainingSpec) -> LinearModel:
    return LinearModel(parameters if spec.fit_bias else Parameters(parameters.weights, None), spec)


def loss_at(weights: Any, bias: float | None, spec: TrainingSpec) -> float:
    model = LinearModel(Parameters(list(weights), bias), spec)
    return model.loss(*tensors(X, Y)).item()


def central_difference(spec: TrainingSpec, step: float = 1e-6) -> tuple[list[float], float | None]:
    weights, bias = np.array(START.weights), START.bias if spec.fit_bias else None
    moves = step * np.eye(len(weights))
    slopes = [(loss_at(weights + m, bias, spec) - loss_at(weights - m, bias, spec)) / (2 * step) for m in moves]
    if bias is None:
        return slopes, None
    return slopes, (loss_at(weights, bias + step, spec) - loss_at(weights, bias - step, spec)) / (2 * step)


@pytest.mark.parametrize("penalties", [{}, {"l2": 0.3}, {"l1": 0.2}, {"l1": 0.2, "l2": 0.3}])
@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_gradients_agree_with_central_differences(loss: str, fit_bias: bool, penalties: dict[str, float]) -> None:
    spec = spec_of(loss=loss, fit_bias=fit_bias, huber_delta=1.5, **penalties)
    model = model_of(START, spec)
    residuals = (model.forward(tensors(X)[0]) - tensors(Y)[0]).abs()
    assert residuals.min() > 1e-3  # the data stays away from the kinks
    assert (residuals - 1.5).abs().min() > 1e-3
    model.loss(*tensors(X, Y)).backward()
    weights, bias = central_difference(spec)
    assert model.gradient().weights == pytest.approx(weights, rel=1e-6, abs=1e-8)
    assert model.gradient().bias == (None if bias is None else pytest.approx(bias, rel=1e-6, abs=1e-8))


def test_the_gradient_of_the_squared_error_is_two_nths_of_x_transposed_times_the_residuals() -> None:
    model = model_of(START, spec_of())
    model.loss(*tensors(X, Y)).backward()
    residuals = X @ START.weights + START.bias - Y
    assert model.gradient().weights == pytest.approx((2 * X.T @ residuals / 9).tolist(), rel=1e-12)
    assert model.gradient().bias == pytest.approx(2 * residuals.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "of_each_row"),
    [
        ("squared_error", [0.0625, 2.25, 9.0]),
        ("absolute_error", [0.25, 1.5, 3.0]),
        ("huber", [0.03125, 1.5 - 0.5, 3.0 - 0.5]),
    ],
)
def test_the_loss_is_the_mean_of_the_rows_and_the_penalties_of_the_weights(loss: str, of_each_row: list[float]) -> None:
    spec = spec_of(loss=loss, l1=0.5, l2=0.25, fit_bias=True)
    model = LinearModel(Parameters([2.0, -1.0], 10.0), spec)
    x, y = tensors(np.zeros((3, 2)), 10.0 - np.array(FEW))
    assert model.row_loss(x, y).item() == pytest.approx(np.mean(of_each_row), rel=1e-15)
    assert model.loss(x, y).item() == pytest.approx(np.mean(of_each_row) + 0.25 * 5.0 + 0.5 * 3.0, rel=1e-15)


@pytest.mark.parametrize("frozen", ["weights", "bias"])
def test_a_frozen_parameter_has_no_gradient(frozen: str) -> None:
    model = model_of(START, spec_of(frozen=[frozen]))
    model.loss(*tensors(X, Y)).backward()
    assert getattr(model.gradient(), frozen) is None
    assert [leaf.requires_grad for leaf in model.learnable] == [True]
    assert len(model.leaves) == 2


def test_a_model_without_bias_goes_through_the_origin() -> None:
    spec = spec_of(fit_bias=False)
    assert predict_singly(Parameters([3.0, -2.0], None), [[0.0, 0.0], [1.0, 1.0]], spec) == [0.0, 1.0]


# Predictions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [1, 2, 5, 8, 17, 64, 99])
def test_a_prediction_equals_the_forward_pass_of_a_training_step_to_the_bit(features: int, dtype: str) -> None:
    """Read back from the step's loss: the absolute error of one row whose y is 0."""
    x = np.abs(np.random.RandomState(features).standard_normal((12, features)))
    spec = spec_of(epochs=1, loss="absolute_error", learning_rate=1e-4, initial_weights="normal", dtype=dtype)
    [record] = train_epochs(prepare(x, np.zeros(12), spec), spec)
    assert [step.loss for step in record.steps] == [
        abs(predict_singly(step.parameters, [row.tolist()], spec)[0]) for step, row in zip(record.steps, x, strict=True)
    ]


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 9)), elements=st.floats(-1e6, 1e6)),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
)
def test_a_prediction_does_not_depend_on_the_points_beside_it(x: Any, dtype: str, fit_bias: bool) -> None:
    spec = spec_of(dtype=dtype, fit_bias=fit_bias)
    weights = np.random.RandomState(0).standard_normal(x.shape[1]).tolist()
    parameters = Parameters(weights, 0.3 if fit_bias else None)
    one_by_one = [predict_singly(parameters, [row], spec)[0] for row in x.tolist()]
    assert predict_singly(parameters, x.tolist(), spec) == one_by_one
    assert one_by_one == [plain_prediction(row, parameters, dtype) for row in x.tolist()]


def plain_prediction(row: list[float], parameters: Parameters, dtype: str) -> float:
    """By the plain program: the absolute error of a model whose target is so low that its sign is known."""
    w = torch.tensor(parameters.weights, dtype=getattr(torch, dtype))
    b = None if parameters.bias is None else torch.tensor(parameters.bias, dtype=w.dtype)
    x = torch.tensor([row], dtype=w.dtype)
    zero = torch.zeros(1, dtype=w.dtype)
    settings_of = {"loss": "absolute_error", "l1": 0.0, "l2": 0.0}
    size = plain.loss_of(x, zero, w, b, settings_of).item()
    return size if (x @ w if b is None else x @ w + b).item() >= 0 else -size


@pytest.mark.parametrize(("dtype", "expected"), [("float32", 0.10000000149011612), ("float64", 0.1)])
def test_predictions_are_made_in_the_dtype_of_the_job(dtype: str, expected: float) -> None:
    assert predict_singly(Parameters([0.1], 0.0), [[1.0]], spec_of(dtype=dtype)) == [expected]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fit_bias", [True, False])
def test_points_in_their_own_units_are_scaled_as_the_training_rows_are(fit_bias: bool, dtype: str) -> None:
    spec = spec_of(
        epochs=1, loss="absolute_error", standardize=True, fit_bias=fit_bias, initial_weights="normal", dtype=dtype
    )
    x = 100 * X + [5.0, -3.0, 0.0, 1000.0]
    data = prepare(x, np.zeros(9), spec)
    [record] = train_epochs(data, spec)
    assert [step.loss for step in record.steps] == [
        abs(predict_singly(step.parameters, [row], spec, data.scaler)[0])
        for step, row in zip(record.steps, x.tolist(), strict=True)
    ]


def test_no_points_have_no_predictions() -> None:
    assert predict_singly(START, [], spec_of()) == []
