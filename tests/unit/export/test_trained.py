"""Predictions of many rows without torch, held against those that training makes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slope.model import Parameters, predict_singly
from slope.scaling import Scaler
from slope.spec import TrainingSpec
from slope.trained import TrainedModel

DTYPES: Any = ["float32", "float64"]
ROUNDING = {"float32": 1e-6, "float64": 1e-15}


def model_of(weights: Any, bias: float | None, dtype: Any, scaler: Scaler | None = None) -> TrainedModel:
    """A model whose numbers are ones of its dtype, as trained ones are."""
    kind = np.dtype(dtype).type
    numbers = np.asarray(weights, dtype).astype(float)
    return TrainedModel("job", numbers, None if bias is None else float(kind(bias)), dtype, "y", None, scaler)


def as_trained(model: TrainedModel, x: Any) -> list[float]:
    """What the worker predicts."""
    spec = TrainingSpec(dtype=model.dtype, fit_bias=model.bias is not None, standardize=model.scaler is not None)
    return predict_singly(Parameters(model.weights.tolist(), model.bias), x.tolist(), spec, model.scaler)


matrices = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 20)), elements=st.floats(-1e6, 1e6))


@settings(deadline=None)
@given(matrices, st.sampled_from(DTYPES), st.booleans(), st.booleans())
def test_predictions_are_those_of_the_worker_to_rounding(x: Any, dtype: Any, fit_bias: bool, standardize: bool) -> None:
    scaler = Scaler(np.full(x.shape[1], 3.0), np.full(x.shape[1], 7.0)) if standardize else None
    model = model_of(np.random.RandomState(0).standard_normal(x.shape[1]), 0.3 if fit_bias else None, dtype, scaler)
    z = scaler.apply(x) if scaler else x
    size = np.abs(z) @ np.abs(model.weights) + abs(model.bias or 0.0)  # what is added, however much of it cancels
    assert (np.abs(model.predict(x) - as_trained(model, x)) <= ROUNDING[dtype] * size).all()


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 30), st.just(1)), elements=st.floats(-1e6, 1e6)),
    st.floats(-1e6, 1e6),
    st.none() | st.floats(-1e6, 1e6),
    st.sampled_from(DTYPES),
)
def test_of_one_feature_predictions_are_the_worker_s_to_the_bit(x: Any, weight: float, bias: Any, dtype: Any) -> None:
    model = model_of([weight], bias, dtype)
    assert [each.hex() for each in model.predict(x).tolist()] == [each.hex() for each in as_trained(model, x)]


@settings(deadline=None)
@given(matrices, st.sampled_from(DTYPES), st.data())
def test_a_prediction_does_not_depend_on_the_rows_beside_it(x: Any, dtype: Any, data: st.DataObject) -> None:
    model = model_of(np.random.RandomState(1).standard_normal(x.shape[1]), 0.3, dtype)
    cut = data.draw(st.integers(0, len(x)))
    parts = [*model.predict(x[:cut]), *model.predict(x[cut:])]
    assert model.predict(x).tolist() == parts == [model.predict(row[None])[0] for row in x]


def test_rows_that_lie_anyhow_in_memory_are_predicted_the_same() -> None:
    x = np.random.RandomState(2).standard_normal((50, 40))
    model = model_of(np.random.RandomState(3).standard_normal(40), 0.3, "float32")
    assert model.predict(np.asfortranarray(x)).tolist() == model.predict(x).tolist()
    assert model.predict(np.repeat(x, 2, axis=1)[:, ::2]).tolist() == model.predict(x).tolist()


def test_what_float32_cannot_hold_is_infinite() -> None:
    assert model_of([1.0], 0.0, "float32").predict(np.array([[1e300], [1.0]])).tolist() == [np.inf, 1.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_in_own_units_give_the_same_predictions(dtype: Any) -> None:
    random = np.random.RandomState(4)
    x = 1e3 + 5 * random.standard_normal((20, 3))
    model = model_of(random.standard_normal(3), 0.5, dtype, Scaler(x.mean(axis=0), x.std(axis=0)))
    weights, bias = model.in_own_units
    assert x @ weights + bias == pytest.approx(model.predict(x), rel=1e-5 if dtype == "float32" else 1e-9)
