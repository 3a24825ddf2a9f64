"""A job that starts from the weights another ended with goes on where that one stopped, standardized or not."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slope.arrays import Array
from slope.data import TrainingData, prepare
from slope.engines.build import build
from slope.engines.groups.fused import Fused
from slope.engines.groups.member import FusedMember
from slope.engines.reduction.partitioned import PartitionedData
from slope.engines.reduction.reduced import Reduced
from slope.model import Parameters
from slope.spec import TrainingSpec

Ends = tuple[list[float], Parameters]
"""The losses of the epochs, and the last parameters."""


def alone(engine: str, data: TrainingData, spec: TrainingSpec) -> Ends:
    training = build(engine, data, spec)
    return [record.loss for record in training.epochs()], training.parameters


def streamed(x: Array, y: Array, spec: TrainingSpec) -> Ends:
    def batches(rows: range) -> Iterator[tuple[Array, Array]]:
        yield x[rows.start : rows.stop], y[rows.start : rows.stop]

    data = PartitionedData(batches, len(y), x.shape[1], spec)
    training = Reduced(x.shape[1], lambda pause: data.reduce(range(len(y)), pause).reductions(spec), spec)
    return [record.loss for record in training.epochs()], training.parameters


def fused(data: TrainingData, spec: TrainingSpec) -> Ends:
    training = Fused(data, {1: spec}, 2)
    losses = [loss for found in training.epochs() for loss in found.epochs.loss.tolist()]
    member = FusedMember(data, spec)
    for _ in member.blocks(until=spec.epochs):
        pass
    assert member.parameters == training.parameters(1), "it is replayed from the same start"
    return losses, training.parameters(1)


RATE = {"learning_rate": 0.003}
BATCHES: dict[str, list[int | str]] = {
    "eager": [1, 7, "full"],
    "reduced": ["full"],
    "composed": [1, 7],
    "compiled": [1, 7],
    "fused": [1, 7, "full"],
    "streamed": ["full"],
}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from([0.0, 1.0, -300.0]),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.booleans(),
)
@pytest.mark.parametrize("engine", BATCHES)
def test_a_job_goes_on_from_another_s_weights(
    engine: str, seed: int, standardize: bool, held_back: float, shift: float, scale: float, fit_bias: bool
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(20, 3))
    if standardize:
        x = x * [scale, 1.0, 0.0] + [0.0, shift if fit_bias else 0.5, 3.0]  # the last is constant
    y = x @ [1.0 / scale if standardize else 1.0, -2.0, 0.5] + random.normal(size=20)
    for batch_size in BATCHES[engine]:
        given = {"standardize": standardize, "validation_fraction": held_back, "fit_bias": fit_bias}
        spec = TrainingSpec.model_validate(given | {"dtype": "float64", "batch_size": batch_size, "epochs": 6} | RATE)

        def run(spec: TrainingSpec) -> Ends:
            if engine == "streamed":
                return streamed(x, y, spec)
            data = prepare(x, y, spec)
            return fused(data, spec) if engine == "fused" else alone(engine, data, spec)

        losses, _ = run(spec)
        _, ended = run(spec.model_copy(update={"epochs": 4}))
        scaler = prepare(x, y, spec).scaler
        weights, bias = np.array(ended.weights), ended.bias
        weights, bias = scaler.in_own_units(weights, bias) if scaler else (weights, bias)
        start = {"initial_weights": weights.tolist()} | ({} if bias is None else {"initial_bias": bias})

        went_on, _ = run(spec.model_copy(update=start | {"epochs": 2}))

        assert went_on == pytest.approx(losses[4:], rel=1e-7)


def test_a_job_of_targets_far_from_zero_goes_on_in_float32() -> None:
    x = np.arange(1.0, 11.0)[:, None]
    y = 1e9 + x[:, 0] ** 2
    spec = TrainingSpec(standardize=True, batch_size="full", learning_rate=0.05, epochs=6)
    data = prepare(x, y, spec)
    losses, _ = alone("eager", data, spec)
    _, ended = alone("eager", data, spec.model_copy(update={"epochs": 4}))
    assert data.scaler
    weights, bias = data.scaler.in_own_units(np.array(ended.weights), ended.bias)
    start = {"initial_weights": weights.tolist(), "initial_bias": bias, "epochs": 2}
    went_on, _ = alone("eager", data, spec.model_copy(update=start))
    assert went_on == pytest.approx(losses[4:], rel=1e-5)
