"""How well a model predicts the rows of each kind, and which rows are of which kind."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from slope.data import prepare
from slope.engines.reduction.partitioned import PartitionedData, ReducedPartition
from slope.engines.reduction.reduction import Reduction
from slope.metrics import mean_huber_loss, metrics_of_reduced, metrics_of_rows
from slope.spec import JobRequest, TrainingSpec
from slope.splits import divide_rows, split_rows, training_rows

RANDOM = np.random.default_rng(8)
X, Y = RANDOM.normal(size=(60, 3)), RANDOM.normal(size=60) + 40.0
WEIGHTS = np.array([0.5, -1.0, 2.0])


@given(
    count=st.integers(3, 200),
    validation=st.floats(0, 0.45),
    test=st.floats(0, 0.45),
    seed=st.integers(0, 5),
)
def test_every_row_is_of_one_kind(count: int, validation: float, test: float, seed: int) -> None:
    spec = TrainingSpec(validation_fraction=validation, test_fraction=test, seed=seed)
    parts = divide_rows(count, spec)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert [len(part) for part in parts] == [training_rows(count, spec), round(validation * count), round(test * count)]
    assert [part.tolist() for part in parts] == [part.tolist() for part in divide_rows(count, spec)]


def test_rows_to_test_with_leave_those_to_validate_with_what_they_were() -> None:
    _, without = split_rows(60, TrainingSpec(validation_fraction=0.2))
    _, beside = split_rows(60, TrainingSpec(validation_fraction=0.2, test_fraction=0.3))
    assert without.tolist() == beside.tolist()


def test_the_scale_is_that_of_the_rows_trained_on() -> None:
    spec = TrainingSpec(standardize=True, validation_fraction=0.2, test_fraction=0.2)
    data = prepare(X, Y, spec)
    training, _, test = divide_rows(60, spec)
    assert data.scaler
    assert data.test_x is not None
    assert data.scaler.means.tolist() == X[training].mean(axis=0).tolist()
    assert data.test_x == pytest.approx((X[test] - data.scaler.means) / data.scaler.deviations)


@pytest.mark.parametrize("bias", [None, 1.5])
def test_metrics_are_those_of_scikit_learn(bias: float | None) -> None:
    found, predictions = metrics_of_rows(X, Y, WEIGHTS, bias), X @ WEIGHTS + (bias or 0.0)
    assert found
    assert found.rows == 60
    assert found.mean_squared_error == pytest.approx(mean_squared_error(Y, predictions))
    assert found.root_mean_squared_error == pytest.approx(mean_squared_error(Y, predictions) ** 0.5)
    assert found.mean_absolute_error == pytest.approx(mean_absolute_error(Y, predictions))
    assert found.r_squared == pytest.approx(r2_score(Y, predictions))


def test_what_stands_for_the_rows_says_the_same_but_for_the_absolute_error() -> None:
    of_rows = metrics_of_rows(X, Y, WEIGHTS, 1.5)
    found = metrics_of_reduced(Reduction.of([(X, Y)], 3), WEIGHTS, 1.5)
    assert of_rows
    assert found
    assert found.mean_absolute_error is None
    assert found.mean_squared_error == pytest.approx(of_rows.mean_squared_error, rel=1e-10)
    assert found.r_squared == pytest.approx(of_rows.r_squared, rel=1e-10)


def test_a_constant_target_has_no_r_squared_and_no_rows_have_no_metrics() -> None:
    found = metrics_of_rows(X, np.ones(60), WEIGHTS, None)
    assert found
    assert found.r_squared is None
    assert metrics_of_rows(X[:0], Y[:0], WEIGHTS, None) is None
    assert metrics_of_reduced(Reduction.of_nothing(3), WEIGHTS, None) is None


def test_numbers_that_a_double_does_not_hold_are_none() -> None:
    found = metrics_of_rows(X * 1e200, Y, WEIGHTS, None)
    assert found
    assert found.mean_squared_error is None


def test_the_huber_loss_is_torch_s() -> None:
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.huber_loss(torch.tensor(X @ WEIGHTS), torch.tensor(Y), delta=38.0)
    assert mean_huber_loss(X, Y, WEIGHTS, None, 38.0) == pytest.approx(expected.item())


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_data_read_in_parts_keeps_rows_for_the_test(validation: float) -> None:
    spec = TrainingSpec(validation_fraction=validation, test_fraction=0.3, standardize=True)
    read = PartitionedData(lambda part: [(X[part.start : part.stop], Y[part.start : part.stop])], 60, 3, spec)
    halves = [read.reduce(range(start, start + 30), lambda: None) for start in (0, 30)]
    joined = ReducedPartition.decode((halves[0] + halves[1]).encode()).reductions(spec)
    data = prepare(X, Y, spec)
    whole = metrics_of_rows(data.test_x, data.test_y, WEIGHTS, 0.5)
    found = metrics_of_reduced(joined.test, WEIGHTS, 0.5)
    assert found
    assert whole
    assert (joined.training.rows, joined.validation.rows, found.rows) == (
        60 - 18 - 60 * validation,
        60 * validation,
        18,
    )
    assert found.mean_squared_error == pytest.approx(whole.mean_squared_error, rel=1e-9)


@pytest.mark.parametrize(
    ("fractions", "pointer"),
    [
        ({"test_fraction": 0.01}, "test_fraction"),
        ({"test_fraction": 0.5, "validation_fraction": 0.5}, "test_fraction"),
        ({"test_fraction": 1.0}, "test_fraction"),
    ],
    ids=["none to test", "none to train", "all"],
)
def test_a_split_without_rows_is_refused(fractions: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ValidationError) as raised:
        JobRequest.model_validate({"dataset": {"x": [1.0, 2.0], "y": [1.0, 2.0]}, "hyperparameters": fractions})
    assert raised.value.errors()[0]["loc"][-1] == pointer
