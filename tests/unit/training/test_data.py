"""The data: which rows are trained on, in which order, on which scale, and from where the parameters start."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slope.data import RowsOfSteps, epoch_order, initial_parameters, prepare, steps_per_epoch
from slope.scaling import Scaler, fit_scaler
from slope.spec import TrainingSpec
from slope.splits import sample_rows, split_rows

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 200)
epochs = st.integers(0, 10_000_000)
unhurried = settings(deadline=None)


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"learning_rate": 0.01} | hyperparameters)


def shuffled(seed: int, **hyperparameters: Any) -> TrainingSpec:
    return spec_of(shuffle=True, seed=seed, **hyperparameters)


# The order of the batches


@unhurried
@given(counts, seeds, epochs)
def test_every_epoch_visits_every_row_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(epoch_order(count, shuffled(seed), epoch).tolist()) == list(range(count))


@unhurried
@given(counts, seeds, epochs)
def test_the_order_depends_on_the_seed_and_the_epoch_alone(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, shuffled(seed), epoch).tolist()
    other = shuffled(seed, optimizer={"name": "adam"}, epochs=7, batch_size="full", initial_weights="normal")
    np.random.seed(0)  # nor on the state of any generator
    epoch_order(count, shuffled(seed), epoch + 1)
    assert epoch_order(count, other, epoch).tolist() == order


@unhurried
@given(seeds, st.lists(epochs, min_size=2, max_size=5, unique=True))
def test_different_epochs_have_different_orders(seed: int, some: list[int]) -> None:
    assert len({tuple(epoch_order(40, shuffled(seed), epoch)) for epoch in some}) == len(some)


@unhurried
@given(st.lists(seeds, min_size=2, max_size=5, unique=True), epochs)
def test_different_seeds_have_different_orders(some: list[int], epoch: int) -> None:
    assert len({tuple(epoch_order(40, shuffled(seed), epoch)) for seed in some}) == len(some)


def test_the_orders_are_the_same_on_every_machine_and_for_good() -> None:
    """A job recorded today is replayed in years to come."""
    assert epoch_order(8, shuffled(0), 0).tolist() == [3, 1, 0, 4, 5, 6, 7, 2]
    assert epoch_order(8, shuffled(0), 1).tolist() == [4, 1, 0, 5, 6, 7, 3, 2]
    assert epoch_order(8, shuffled(2**32 - 1), 10_000_000).tolist() == [5, 3, 6, 4, 7, 1, 0, 2]
    assert split_rows(8, spec_of(validation_fraction=0.25, seed=4))[1].tolist() == [1, 5]
    weights, _ = initial_parameters(2, spec_of(initial_weights="normal", seed=3))
    assert weights == pytest.approx([1.5482641757879063, -0.3559748412642977], rel=1e-15)


def test_without_shuffling_the_rows_come_as_they_are() -> None:
    assert [epoch_order(5, spec_of(seed=9), epoch).tolist() for epoch in range(3)] == [[0, 1, 2, 3, 4]] * 3


@unhurried
@given(
    st.integers(2, 60), st.one_of(st.integers(1, 70), st.just("full")), st.booleans(), st.sampled_from([0, 0.3]), seeds
)
def test_the_steps_of_an_epoch_divide_its_training_rows_into_batches(
    count: int, batch_size: Any, shuffle: bool, fraction: float, seed: int
) -> None:
    spec = spec_of(batch_size=batch_size, shuffle=shuffle, validation_fraction=fraction, seed=seed)
    training, _ = split_rows(count, spec)
    steps = list(RowsOfSteps(count, spec, 3))
    size = len(training) if batch_size == "full" else min(batch_size, len(training))
    assert [len(rows) for rows in steps[:-1]] == [size] * (len(steps) - 1)
    assert 1 <= len(steps[-1]) <= size
    assert len(steps) == steps_per_epoch(len(training), spec)
    visited = [row for rows in steps for row in rows]
    assert sorted(visited) == training.tolist()
    assert shuffle or visited == training.tolist()


# The split


@unhurried
@given(st.integers(1, 300), st.floats(0, 1, exclude_max=True), seeds)
def test_a_split_is_disjoint_complete_and_ascending(count: int, fraction: float, seed: int) -> None:
    training, validation = split_rows(count, spec_of(validation_fraction=fraction, seed=seed))
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(count))
    assert training.tolist() == sorted(training.tolist())
    assert validation.tolist() == sorted(validation.tolist())
    assert len(validation) == round(fraction * count)


def test_a_split_depends_on_the_seed_alone() -> None:
    spec = spec_of(validation_fraction=0.4, seed=5)
    same = spec_of(validation_fraction=0.4, seed=5, shuffle=True, epochs=3, batch_size="full")
    other = spec_of(validation_fraction=0.4, seed=6)
    assert split_rows(50, spec)[1].tolist() == split_rows(50, same)[1].tolist() != split_rows(50, other)[1].tolist()


def test_prepared_rows_are_those_of_the_dataset() -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    data = prepare(x, y, spec_of(validation_fraction=0.3))
    assert data.x.tolist() == x[data.rows].tolist()
    assert data.y.tolist() == y[data.rows].tolist() == data.rows.tolist()
    assert sorted([*data.y, *data.validation_y]) == y.tolist()
    assert (data.validation_x[:, 0] / 2).tolist() == data.validation_y.tolist()


# Standardizing


X = np.random.RandomState(4).standard_normal((30, 3)) * [1.0, 50.0, 0.001] + [0.0, 1000.0, -1.0]
Y = np.random.RandomState(5).standard_normal(30)


def test_standardized_training_rows_have_mean_0_and_deviation_1() -> None:
    data = prepare(X, Y, spec_of(standardize=True, validation_fraction=0.2))
    assert data.x.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-10)
    assert data.x.std(axis=0) == pytest.approx(np.ones(3))


def test_validation_rows_do_not_touch_the_scale() -> None:
    spec = spec_of(standardize=True, validation_fraction=0.2)
    _, validation = split_rows(30, spec)
    changed = X.copy()
    changed[validation] += 1e6
    data, other = prepare(X, Y, spec), prepare(changed, Y, spec)
    assert data.x.tolist() == other.x.tolist()
    assert data.validation_x == pytest.approx((X[validation] - data.scaler.means) / data.scaler.deviations)
    assert (other.validation_x > 1e3).all()


def test_without_standardizing_the_rows_stay_as_they_are() -> None:
    data = prepare(X, Y, spec_of())
    assert data.scaler is None
    assert data.x.tolist() == X.tolist()


def test_without_a_bias_the_data_is_scaled_but_not_centred() -> None:
    data = prepare(X, Y, spec_of(standardize=True, fit_bias=False))
    assert data.scaler.means.tolist() == [0.0, 0.0, 0.0]
    assert data.x == pytest.approx(X / X.std(axis=0))


everyday = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


@unhurried
@given(
    st.integers(1, 12).flatmap(lambda rows: arrays(np.float64, (rows, 3), elements=everyday)),
    arrays(np.float64, 3, elements=everyday),
    st.one_of(st.none(), everyday),
)
def test_weights_in_own_units_predict_the_same_as_those_of_the_scaled_data(x: Any, weights: Any, bias: Any) -> None:
    scaler = fit_scaler(x, spec_of(standardize=True, fit_bias=bias is not None))
    own_weights, own_bias = scaler.in_own_units(weights, bias)
    assert (own_bias is None) == (bias is None)
    scaled = scaler.apply(x) @ weights + (bias or 0.0)
    size = np.abs(x) @ np.abs(own_weights) + abs(own_bias or 0.0) + 1
    assert (np.abs(x @ own_weights + (own_bias or 0.0) - scaled) <= 1e-12 * size).all()


@unhurried
@given(st.floats(-1e300, 1e300), st.integers(1, 40), st.booleans())
def test_a_constant_feature_keeps_its_scale(value: float, rows: int, fit_bias: bool) -> None:
    """Also where the mean of its rows rounds to another number, as that of 0.1, 0.1, 0.1 does."""
    x = np.full((rows, 1), value)
    data = prepare(x, np.zeros(rows), spec_of(standardize=True, fit_bias=fit_bias))
    assert data.scaler.deviations.tolist() == [1.0]
    assert data.x[:, 0] == pytest.approx(0.0 if fit_bias else value, abs=1e-12 * abs(value))


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-20, 1e20, 1e170, 1e300])
def test_features_of_any_size_are_standardized(scale: float) -> None:
    """Their squares would overflow, or vanish."""
    data = prepare(scale * X, Y, spec_of(standardize=True))
    assert data.x == pytest.approx(prepare(X, Y, spec_of(standardize=True)).x, abs=1e-9)


# The start


def test_parameters_start_at_zero_or_where_they_are_told() -> None:
    assert initial_parameters(3, spec_of()) == ([0.0, 0.0, 0.0], 0.0)
    assert initial_parameters(2, spec_of(initial_weights=[1.5, -2.0], initial_bias=4.0)) == ([1.5, -2.0], 4.0)
    assert initial_parameters(1, spec_of(fit_bias=False)) == ([0.0], None)


def test_a_standardized_start_is_told_in_the_units_of_the_data() -> None:
    scaler = Scaler(np.array([10.0, -2.0]), np.array([5.0, 0.5]))
    started = initial_parameters(2, spec_of(initial_weights=[2.0, 4.0], initial_bias=1.0), scaler)
    assert started == ([10.0, 2.0], 1.0 + 20.0 - 8.0)
    assert scaler.in_own_units(np.array(started[0]), started[1]) == (pytest.approx([2.0, 4.0]), 1.0)
    assert initial_parameters(2, spec_of(initial_weights=[2.0, 4.0]), scaler) == ([10.0, 2.0], 12.0), (
        "zero is a number beside them"
    )
    assert initial_parameters(2, spec_of(initial_bias=1.0), scaler) == ([0.0, 0.0], 1.0)


@given(seeds)
def test_what_is_drawn_is_drawn_for_the_scaled_data(seed: int) -> None:
    scaler = Scaler(np.array([10.0, -2.0]), np.array([5.0, 0.5]))
    for bias in ("normal", "zeros"):
        spec = spec_of(initial_weights="normal", initial_bias=bias, seed=seed)
        assert initial_parameters(2, spec, scaler) == initial_parameters(2, spec)
    weights, bias = initial_parameters(2, spec_of(initial_weights="normal", initial_bias=3.0, seed=seed), scaler)
    assert bias is not None
    assert scaler.in_own_units(np.array(weights), bias)[1] == pytest.approx(3.0)


@unhurried
@given(st.integers(1, 50), seeds)
def test_a_normal_start_depends_on_the_seed_alone(features: int, seed: int) -> None:
    spec = spec_of(initial_weights="normal", initial_bias="normal", seed=seed)
    weights, bias = initial_parameters(features, spec)
    other = spec_of(initial_weights="normal", fit_bias=False, seed=seed, shuffle=True, validation_fraction=0.5)
    assert initial_parameters(features, other) == (weights, None)
    assert initial_parameters(features, spec_of(initial_bias="normal", seed=seed)) == ([0.0] * features, bias)
    assert len({*weights, bias}) == features + 1


def test_a_normal_start_is_normal() -> None:
    weights, _ = initial_parameters(20_000, spec_of(initial_weights="normal"))
    assert np.mean(weights) == pytest.approx(0, abs=0.03)
    assert np.std(weights) == pytest.approx(1, abs=0.03)


def test_the_random_streams_of_one_seed_are_apart() -> None:
    """A split that followed the order of an epoch would hold back the rows it visits first."""
    spec = shuffled(1, validation_fraction=0.5)
    order = epoch_order(40, spec, 0).tolist()
    _, validation = split_rows(40, spec)
    assert validation.tolist() not in (sorted(order[:20]), sorted(order[20:]))


# samples


def test_every_row_is_as_likely_to_be_in_a_sample() -> None:
    counts = np.bincount([row for seed in range(3000) for row in sample_rows(12, 4, seed)], minlength=12)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(3000 * (1 / 3) * (2 / 3))


@pytest.mark.parametrize(("rows", "count"), [(0, 3), (1, 1), (5, 9), (10**12, 3)])
def test_a_sample_has_no_row_twice_and_not_more_than_there_are(rows: int, count: int) -> None:
    sample = sample_rows(rows, count, 0)
    assert sample == sorted(set(sample))
    assert len(sample) == min(rows, count)
    assert all(0 <= row < rows for row in sample)
