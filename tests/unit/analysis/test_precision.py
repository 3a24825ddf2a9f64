"""Columns that float32 rounds away are told by name, and no others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slope.analysis.notes import Spread, precision_warnings, spreads_of
from slope.data import TrainingData, initial_parameters, prepare
from slope.engines.build import build
from slope.engines.groups.fused import Fused
from slope.engines.reduction.partitioned import PartitionedData
from slope.engines.reduction.reduced import Reduced
from slope.model import Parameters, predict_singly
from slope.scaling import COARSE
from slope.spec import TrainingSpec

Y = 1e9 + np.arange(1.0, 6.0)
X = np.arange(1.0, 6.0)


def warnings(x: np.ndarray = X, y: np.ndarray = Y, **hyperparameters: Any) -> list[str]:
    spreads = spreads_of(np.column_stack([x, y]), [*(f"x{number}" for number in range(x[:, None].shape[1])), "y"])
    return precision_warnings(
        TrainingSpec.model_validate({"learning_rate": 0.01} | hyperparameters), spreads[:-1], spreads[-1]
    )


def test_a_column_far_from_zero_is_told_with_what_to_do() -> None:
    assert warnings() == [
        "float32 is too coarse for y: at 1e+09, the largest number of y, its numbers are 64 apart, and the column's "
        "deviation is 1.41. Set dtype: float64."
    ]
    assert warnings(dtype="float64") == []


def test_the_worst_column_gives_the_figures() -> None:
    [warning] = warnings(1e7 + X)
    assert warning.startswith("float32 is too coarse for y, x0: at 1e+09, ")


def test_features_that_are_centred_in_float64_lose_nothing() -> None:
    assert warnings(1e9 + X, X, standardize=True) == []
    assert len(warnings(1e9 + X, X)) == 1
    assert len(warnings(1e9 + X, X, standardize=True, fit_bias=False)) == 1, "they are scaled, and not centred"
    assert warnings(1e9 + X, Y, standardize=True) == []


def test_constants_and_common_columns_are_not_told() -> None:
    years, cents = np.arange(1990.0, 2026.0), np.linspace(1e3, 1e7, 36)
    for column in (np.full(36, 1e9), np.zeros(36), np.full(36, 0.1), years, cents, 1.7e9 + 86400 * 30 * years):
        assert warnings(column, cents) == []


def test_of_very_many_columns_a_few_are_named() -> None:
    coarse = [Spread(f"x{number}", 1e9, 1.0 + number) for number in range(30)]
    [warning] = precision_warnings(TrainingSpec(), coarse, Spread("y", 1.0, 1.0))
    assert warning.startswith("float32 is too coarse for x0, x1, x2, x3, x4 and 25 more: ")


@given(
    st.floats(-1e12, 1e12),
    st.floats(1e-3, 1e6),
    st.integers(0, 2**32 - 1),
)
def test_what_is_not_told_keeps_its_variance(centre: float, deviation: float, seed: int) -> None:
    y = centre + deviation * np.random.default_rng(seed).normal(size=200)
    lost = np.square(y - y.astype(np.float32)).mean() / y.var()
    if warnings(y=y, x=np.zeros(200)):
        assert np.spacing(np.float32(np.abs(y).max())) > 0.9 * COARSE * y.std()
    else:
        assert lost <= COARSE**2 / 4, "no number is moved by more than half of the spacing"


@pytest.mark.filterwarnings("error")
def test_numbers_of_any_size_are_looked_at_in_silence() -> None:
    assert warnings(np.array([1e300, -1e300]), np.array([5e-324, 0.0]), dtype="float64") == []


# With standardize the targets are centred, where float32 would round them away


FAR = {"standardize": True, "epochs": 400, "learning_rate": 0.1, "batch_size": "full"}


def by(engine: str, data: TrainingData, spec: TrainingSpec) -> tuple[TrainingData, Parameters]:
    if engine == "fused":
        group = Fused(data, {0: spec}, 1)
        for _ in group.epochs():
            pass
        return data, group.parameters(0)
    if engine == "streamed":
        found = PartitionedData(lambda rows: [(X[:, None], Y)], len(Y), 1, spec).reduce(range(len(Y)), lambda: None)
        reductions = found.reductions(spec)
        training = Reduced(1, lambda pause: reductions, spec)
        for _ in training.epochs():
            pass
        return replace(data, scaler=reductions.scaler), training.parameters
    alone = build(engine, data, spec)
    for _ in alone.epochs():
        pass
    return data, alone.parameters


@pytest.mark.parametrize("engine", ["eager", "reduced", "fused", "streamed", "composed", "compiled"])
def test_a_target_far_from_zero_is_learnt_in_float32(engine: str) -> None:
    batch = 2 if engine in ("composed", "compiled") else "full"
    spec = TrainingSpec.model_validate(FAR | {"batch_size": batch, "learning_rate": 0.05})
    data, learned = by(engine, prepare(X[:, None], Y, spec), spec)
    assert data.scaler
    assert data.scaler.target_mean == pytest.approx(1e9 + 3)
    weights, bias = data.scaler.in_own_units(np.array(learned.weights), learned.bias)
    assert weights.tolist() == pytest.approx([1.0], rel=1e-3)
    assert bias == pytest.approx(1e9, abs=1e-2)
    predictions = predict_singly(learned, X[:, None].tolist(), spec, data.scaler)
    assert [each - 1e9 for each in predictions] == pytest.approx(X.tolist(), abs=1e-2)


def test_targets_that_float32_holds_are_left_as_they_are() -> None:
    for y, changes in ((X, {}), (np.full(5, 1e9), {}), (Y, {"dtype": "float64"}), (Y, {"fit_bias": False})):
        data = prepare(X[:, None], y, TrainingSpec.model_validate({"learning_rate": 0.01} | FAR | changes))
        assert data.y.tobytes() == y.tobytes()
    assert prepare(X[:, None], Y, TrainingSpec()).y.tobytes() == Y.tobytes(), "without standardize nothing is changed"


def test_zeros_are_those_of_the_centred_targets() -> None:
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | FAR | {"epochs": 1})
    data = prepare(X[:, None], Y, spec)
    assert initial_parameters(1, spec, data.scaler) == ([0.0], 0.0)
    told = spec.model_copy(update={"initial_weights": [1.0], "initial_bias": 1e9})
    weights, bias = initial_parameters(1, told, data.scaler)
    assert data.x @ weights + bias == pytest.approx(data.y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_that_went_by_are_centred_as_those_in_memory_are(dtype: str) -> None:
    scale = 1.0 if dtype == "float32" else 1e290  # whose squares overflow
    for y in (X * scale, (Y + 0.1) * scale, np.full(5, 0.1 * scale), np.zeros(5)):
        for held_back in (0.0, 0.4):
            spec = TrainingSpec.model_validate(
                {"learning_rate": 0.01} | FAR | {"validation_fraction": held_back, "dtype": dtype}
            )
            data = prepare(X[:, None], y, spec)
            found = PartitionedData(lambda rows, y=y: [(X[:, None], y)], 5, 1, spec).reduce(range(5), lambda: None)
            reductions = found.reductions(spec)
            assert data.scaler
            assert reductions.scaler
            assert reductions.scaler.target_mean == pytest.approx(data.scaler.target_mean, rel=1e-12)
            for reduction, rows in ((reductions.training, data.y), (reductions.validation, data.validation_y)):
                targets = np.linalg.norm(reduction.y / scale)
                assert targets == pytest.approx(np.linalg.norm(rows / scale), rel=1e-6, abs=1e-9)
