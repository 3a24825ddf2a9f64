"""Rows that are reduced in partitions stand for the same as all of them reduced at once."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slope.arrays import Array
from slope.data import prepare
from slope.engines.reduction.partitioned import PartitionedData, ReducedPartition, join_partitions
from slope.spec import TrainingSpec
from slope.splits import split_rows

random = np.random.default_rng(3)
ROWS, FEATURES = 57, 3
X = random.normal(size=(ROWS, FEATURES))
Y = X @ [1.0, -2.0, 0.5] + random.normal(size=ROWS)


def streamed(spec: TrainingSpec, x: Array = X) -> PartitionedData:
    """Four rows at a time."""

    def batches(rows: range) -> Iterator[tuple[Array, Array]]:
        for start in range(rows.start, rows.stop, 4):
            part = slice(start, min(start + 4, rows.stop))
            yield x[part], Y[part]

    return PartitionedData(batches, ROWS, FEATURES, spec)


def go_on() -> None:
    """Nobody wants it to stop."""


@given(
    st.sets(st.integers(1, ROWS - 1), max_size=8).map(lambda edges: [0, *sorted(edges), ROWS]),
    st.sampled_from([0.0, 0.25]),
)
def test_partitions_join_to_the_squared_error_of_all_rows(edges: list[int], held_back: float) -> None:
    spec = TrainingSpec(validation_fraction=held_back)
    data = streamed(spec)

    found = join_partitions([data.reduce(range(*ends), go_on) for ends in pairwise(edges)])

    weights, bias = np.array([0.3, 1.0, -4.0]), 0.7
    for reduction, rows in zip((found.training, found.validation), split_rows(ROWS, spec), strict=True):
        assert reduction.rows == len(rows)
        wanted = float(np.square(X[rows] @ weights + bias - Y[rows]).sum())
        assert reduction.squared_error(weights, bias) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@given(st.integers(0, ROWS), st.integers(0, ROWS))
def test_what_was_encoded_is_decoded_to_the_same_bits(start: int, length: int) -> None:
    found = streamed(TrainingSpec(validation_fraction=0.5, standardize=True)).reduce(
        range(start, min(start + length, ROWS)), go_on
    )

    again = ReducedPartition.decode(found.encode())

    for one, other in ((found.training, again.training), (found.validation, again.validation)):
        assert one.rows == other.rows
        assert one.triangle.tobytes() == other.triangle.tobytes()
    assert (found.lowest.tolist(), found.highest.tolist()) == (again.lowest.tolist(), again.highest.tolist())


@given(
    st.integers(1, ROWS - 1),
    st.booleans(),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from([0.0, 1e3, -1e6]),
    st.sampled_from([1e-200, 1e-160, 1e-3, 1.0, 1e5, 1e200]),
)
def test_it_is_standardized_as_data_in_memory_is(
    edge: int, fit_bias: bool, held_back: float, shift: float, scale: float
) -> None:
    spec = TrainingSpec(standardize=True, validation_fraction=held_back, fit_bias=fit_bias)
    x = X * [scale, 1.0, 0.0] + [0.0, shift, 7.3]  # the last feature is constant
    data, wanted = streamed(spec, x), prepare(x, Y, spec)

    found = join_partitions([data.reduce(range(edge), go_on), data.reduce(range(edge, ROWS), go_on)]).reductions(spec)

    assert found.scaler
    assert wanted.scaler
    assert found.scaler.means == pytest.approx(wanted.scaler.means, rel=1e-12, abs=1e-12 * scale)
    assert found.scaler.deviations == pytest.approx(wanted.scaler.deviations, rel=1e-9)
    weights, bias = np.array([0.3, 1.0, -4.0]), 0.7
    for reduction, x_of, y_of in (
        (found.training, wanted.x, wanted.y),
        (found.validation, wanted.validation_x, wanted.validation_y),
    ):
        error = float(np.square(x_of @ weights + bias - y_of).sum())
        assert reduction.squared_error(weights, bias) == pytest.approx(error, rel=1e-8)


def test_a_reduction_stops_when_it_is_told_to() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        streamed(TrainingSpec()).reduce(range(ROWS), stop)
