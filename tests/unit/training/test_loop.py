"""The loop: the textbook's numbers to the bit, whatever is kept of them and wherever the run is cut."""

import itertools
import math
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import ElasticNet, SGDRegressor
from unit.training import plain

from slope.data import RowsOfSteps, TrainingData, initial_parameters, prepare
from slope.loop import Training, train_epochs
from slope.model import Parameters, predict_singly
from slope.records import Diverged, EpochRecord, StepRecord
from slope.run import Interrupted
from slope.spec import TrainingSpec
from slope.spec.training import Recording

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # two noisy cores

OPTIMIZERS = {
    "sgd": {"name": "sgd"},
    "momentum": {"name": "sgd", "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    "nesterov": {"name": "sgd", "momentum": 0.8, "nesterov": True},
    "adam": {"name": "adam", "amsgrad": True},
    "adamw": {"name": "adamw"},
    "rmsprop": {"name": "rmsprop", "momentum": 0.5, "centered": True},
    "adagrad": {"name": "adagrad", "lr_decay": 0.1},
    "lbfgs": {"name": "lbfgs", "max_iter": 3, "history_size": 3},
}
PROXIMAL = {"optimizer": {"name": "sgd", "l1_step": "proximal"}}
SCHEDULES = {
    "constant": {"name": "constant"},
    "step": {"name": "step", "step_size": 2, "gamma": 0.3},
    "exponential": {"name": "exponential", "gamma": 0.7},
    "cosine": {"name": "cosine", "T_max": 2, "eta_min": 0.001},
    "inverse_scaling": {"name": "inverse_scaling", "power": 0.6},
}
SCHEDULES |= {f"{name} per step": each | {"per": "step"} for name, each in SCHEDULES.items() if name != "constant"}
LOSSES = ["squared_error", "absolute_error", "huber"]
BATCH_SIZES = [1, 3, "full"]  # of 10 rows: 3 leaves a short last batch
EXTRAS: list[dict[str, Any]] = [
    {},
    {"fit_bias": False},
    {"initial_bias": -0.75, "shuffle": True, "seed": 7},
    {"l1": 0.05},
    {"l2": 0.03},
    {"l1": 0.02, "l2": 0.01, "clip_norm": 0.5},
    {"clip_norm": 2.0, "huber_delta": 0.3},
    {"frozen": ["weights"]},
    {"frozen": ["bias"], "shuffle": True},
    {"zero_gradients": "epoch"},
    {"zero_gradients": "never", "learning_rate": 0.001},
]
GRID = [
    pytest.param(optimizer, schedule, loss, batch_size, extra, id=f"{optimizer}-{schedule}-{loss}-{batch_size}")
    for (optimizer, schedule, loss, batch_size), extra in zip(
        itertools.product(OPTIMIZERS, SCHEDULES, LOSSES, BATCH_SIZES), itertools.cycle(EXTRAS), strict=False
    )
]

RANDOM = np.random.RandomState(1)
X = RANDOM.standard_normal((13, 5))
Y = X @ [1.0, -2.0, 0.5, 3.0, 0.0] + 0.7 + 0.3 * RANDOM.standard_normal(13)


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    """A valid spec: lbfgs leaves out what it cannot be joined with."""
    if hyperparameters.get("optimizer", {}).get("name") == "lbfgs":
        hyperparameters = {k: v for k, v in hyperparameters.items() if k not in ("clip_norm", "zero_gradients")}
    return TrainingSpec.model_validate({"learning_rate": 0.01} | hyperparameters)


def training_of(x: Any, y: Any, spec: TrainingSpec, **options: Any) -> Training:
    y = np.asarray(y, float)
    return Training(prepare(np.asarray(x, float).reshape(len(y), -1), y, spec), spec, **options)


def run(training: Training) -> tuple[list[EpochRecord], Diverged | None]:
    """The records up to the end, or up to where the numbers stop being finite."""
    records = []
    try:
        for record in training.epochs():
            records.append(record)
    except Diverged as diverged:
        return records, diverged
    return records, None


def bits(numbers: Any) -> Any:
    """Numbers so that only equal bits are equal: 0 and −0 differ."""
    if isinstance(numbers, list | tuple):
        return [bits(number) for number in numbers]
    return numbers.hex() if isinstance(numbers, float) else numbers


def record_bits(record: EpochRecord) -> Any:
    """All that a record says but how long it took, and its steps."""
    fields = ("epoch", "loss", "last_loss", "validation_loss", "gradient_mean", "gradient_last", "gradient_norm")
    return bits([getattr(record, name) for name in (*fields, "parameters", "learning_rate")])


def all_bits(records: list[EpochRecord]) -> Any:
    return [(record_bits(record), bits(record.steps)) for record in records]


def plain_run(x: Any, y: Any, spec: TrainingSpec) -> list[plain.Epoch]:
    x = np.asarray(x, float).reshape(len(y), -1)
    start = initial_parameters(x.shape[1], spec)
    return plain.train(x, y, spec.model_dump(), start, lambda epoch: RowsOfSteps(len(y), spec, epoch))


def plain_record(number: int, epoch: plain.Epoch) -> EpochRecord:
    """An epoch of the plain program as a record: the mean of its gradients, summed one after another from 0."""
    weights = [step.gradient[0] for step in epoch.steps]
    biases = [step.gradient[1] for step in epoch.steps]
    count = len(epoch.steps)
    mean = Parameters(
        None if weights[0] is None else [reduce(add, column, 0.0) / count for column in zip(*weights, strict=True)],
        None if biases[0] is None else reduce(add, biases, 0.0) / count,
    )
    return EpochRecord(
        epoch=number,
        loss=reduce(add, [step.loss for step in epoch.steps], 0.0) / count,
        last_loss=epoch.steps[-1].loss,
        validation_loss=None,
        gradient_mean=mean,
        gradient_last=Parameters(*epoch.steps[-1].gradient),
        gradient_norm=math.hypot(*(mean.weights or []), mean.bias or 0.0),
        parameters=Parameters(*epoch.parameters),
        learning_rate=epoch.learning_rate,
        seconds=0.0,
        steps=[
            StepRecord(number, index, step.loss, Parameters(*step.gradient), Parameters(*step.parameters))
            for index, step in enumerate(epoch.steps)
        ],
    )


def is_finite(*numbers: Any) -> bool:
    return all(
        is_finite(*number) if isinstance(number, list | tuple) else math.isfinite(number)
        for number in numbers
        if number is not None
    )


def expected(epochs: list[plain.Epoch]) -> tuple[list[EpochRecord], tuple[int, int] | None]:
    """The records up to where the plain program stops being finite, and that epoch and step.

    The step is that of its first loss that is not finite; where its parameters or its mean gradient stop being finite
    and no loss of that epoch is taken from them any more, it is the last of the epoch.
    """
    records: list[EpochRecord] = []
    for number, epoch in enumerate(epochs):
        if epoch.parameters is None:
            return records, (number, len(epoch.steps) - 1)
        record = plain_record(number, epoch)
        if not is_finite(record.parameters, record.gradient_norm, record.loss):
            return records, (number, len(epoch.steps) - 1)
        records.append(record)
    return records, None


def assert_equals_plain(x: Any, y: Any, spec: TrainingSpec) -> None:
    epochs = plain_run(x, y, spec)
    records, where = expected(epochs)
    ours, diverged = run(training_of(x, y, spec))
    assert all_bits(ours) == all_bits(records)
    assert (diverged and (diverged.epoch, diverged.step)) == where
    if diverged:
        kept = epochs[diverged.epoch].steps[: len(diverged.steps)]
        assert bits([step[2:] for step in diverged.steps]) == bits([(s.loss, s.gradient, s.parameters) for s in kept])


# The textbook's numbers


def test_the_lecture_is_reproduced_to_the_bit(lecture: dict[str, Any]) -> None:
    spec = spec_of(
        epochs=lecture["epochs"],
        learning_rate=lecture["learning_rate"],
        fit_bias=False,
        initial_weights=[lecture["initial_weight"]],
    )
    training = training_of(lecture["x"], lecture["y"], spec)
    [before] = predict_singly(training.result, [[lecture["predict"]]], spec)
    records = list(training.epochs())
    [after] = predict_singly(training.result, [[lecture["predict"]]], spec)
    assert (before, after) == (lecture["prediction_before"], lecture["prediction_after"])
    assert [(record.epoch, record.last_loss, record.parameters) for record in records] == [
        (theirs["epoch"], theirs["last_loss"], ([theirs["weight_after"]], None)) for theirs in lecture["records"]
    ]
    assert [[step.gradient for step in record.steps] for record in records] == [
        [([step["gradient"]], None) for step in theirs["steps"]] for theirs in lecture["records"]
    ]


@pytest.mark.parametrize(("optimizer", "schedule", "loss", "batch_size", "extra"), GRID)
def test_every_step_equals_the_plain_program_to_the_bit(
    optimizer: str, schedule: str, loss: str, batch_size: Any, extra: dict[str, Any]
) -> None:
    options = {
        "epochs": 3,
        "learning_rate": 0.02,
        "optimizer": OPTIMIZERS[optimizer],
        "schedule": SCHEDULES[schedule],
        "loss": loss,
        "batch_size": batch_size,
        "initial_weights": "normal",
        **extra,
    }
    assert_equals_plain(X[:10], Y[:10], spec_of(**options, dtype="float32"))
    assert_equals_plain(X[:10], Y[:10], spec_of(**options, dtype="float64"))


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "sgd", "weight_decay": 0.1},
        {"name": "sgd", "momentum": 0.5},
        {"name": "sgd", "l1_step": "proximal"},
        {"name": "adam", "betas": [0.5, 0.75], "eps": 0.01, "weight_decay": 0.1},
        {"name": "adamw", "amsgrad": True},
        {"name": "rmsprop", "alpha": 0.5, "weight_decay": 0.1},
        {"name": "adagrad", "initial_accumulator_value": 0.5, "weight_decay": 0.1},
        {"name": "lbfgs", "line_search_fn": "strong_wolfe"},
        {"name": "lbfgs", "max_eval": 3, "tolerance_grad": 0.1, "tolerance_change": 0.1},
    ],
    ids=repr,
)
def test_every_option_of_an_optimizer_reaches_torch(optimizer: dict[str, Any]) -> None:
    assert_equals_plain(X, Y, spec_of(epochs=3, learning_rate=0.02, batch_size=4, optimizer=optimizer))


@pytest.mark.parametrize(
    "options",
    [
        {"l1": 0.4},
        {"l1": 1.0, "l2": 0.1, "dtype": "float64", "shuffle": True},
        {"l1": 0.4, "schedule": SCHEDULES["exponential per step"], "batch_size": 1},
        {"l1": 0.4, "clip_norm": 0.5, "zero_gradients": "epoch", "batch_size": "full"},
        {"l1": 0.4, "frozen": ["weights"], "initial_weights": [0.1, -0.1, 0.0, 1.0, 2.0]},
    ],
    ids=repr,
)
def test_a_proximal_step_is_that_of_the_plain_program_to_the_bit(options: dict[str, Any]) -> None:
    assert_equals_plain(X, Y, spec_of(**{"epochs": 4, "learning_rate": 0.1, "batch_size": 4} | options | PROXIMAL))


def test_a_proximal_step_beyond_the_range_of_the_dtype_leaves_nothing_of_a_weight() -> None:
    spec = spec_of(epochs=1, l1=1e30, learning_rate=1e15, batch_size="full", **PROXIMAL)  # 1e45, and float32 has 3e38
    [record] = training_of(X, Y, spec).epochs()
    assert record.parameters.weights == [0.0] * 5


def test_the_recorded_gradient_leaves_a_proximal_penalty_out_and_the_loss_does_not() -> None:
    spec = spec_of(epochs=1, l1=0.5, batch_size="full", initial_weights=[1.0, -1.0, 0.0, 2.0, 0.0], dtype="float64")
    with_l1, without = (
        spec.model_copy(update={"optimizer": TrainingSpec.model_validate(PROXIMAL).optimizer}),
        spec.model_copy(update={"l1": 0.0}),
    )
    [ours], [bare] = (list(training_of(X, Y, each).epochs()) for each in (with_l1, without))
    assert ours.gradient_mean == bare.gradient_mean
    assert ours.loss == pytest.approx(bare.loss + 0.5 * 4.0)
    left = np.array(bare.parameters.weights)
    expected = np.sign(left) * np.maximum(np.abs(left) - 0.01 * 0.5, 0.0)
    assert ours.parameters.weights == pytest.approx(expected.tolist(), abs=1e-15)
    assert ours.parameters.bias == bare.parameters.bias


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [1, 3, 7, 17, 65])
@pytest.mark.parametrize("batch_size", [1, 5, 6, 11, "full"])
def test_where_the_rows_of_a_batch_lie_in_memory_changes_no_bit(features: int, batch_size: Any, dtype: str) -> None:
    """MKL's matrix-vector product rounds by the alignment of the matrix: a view of the data is not its rows."""
    random = np.random.RandomState(features)
    x, y = random.standard_normal((53, features)), random.standard_normal(53)
    options = {"epochs": 1, "batch_size": batch_size, "initial_weights": "normal", "dtype": dtype}
    assert_equals_plain(x, y, spec_of(**options))
    assert_equals_plain(x, y, spec_of(**options, shuffle=True))


@pytest.mark.parametrize("batch_size", [1, 5, "full"])
def test_data_too_large_to_keep_its_batches_changes_no_bit(batch_size: Any) -> None:
    random = np.random.RandomState(0)
    x, y = random.standard_normal((11, 6001)), random.standard_normal(11)
    assert_equals_plain(x, y, spec_of(epochs=2, learning_rate=1e-5, batch_size=batch_size))


@pytest.mark.parametrize("shuffle", [False, True])
def test_how_an_array_is_laid_out_changes_no_bit(shuffle: bool) -> None:
    x = np.random.RandomState(3).standard_normal((20, 7))
    y = x.sum(axis=1)
    buffer = np.empty(141)
    misaligned = buffer[1:].reshape(20, 7)
    misaligned[:] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    spec = spec_of(epochs=2, batch_size=20, shuffle=shuffle, initial_weights="normal", dtype="float64")
    expected_bits = all_bits(run(training_of(x, y, spec))[0])
    for layout in (np.asfortranarray(x), misaligned, np.repeat(x, 2, axis=0)[::2], read_only):
        data = TrainingData(layout, y, np.arange(20), layout[:0], y[:0])
        assert all_bits(list(train_epochs(data, spec))) == expected_bits


@st.composite
def hyperparameters(draw: st.DrawFn, **fixed: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "epochs": draw(st.integers(1, 3)),
        "learning_rate": draw(st.floats(1e-6, 10.0)),
        "optimizer": OPTIMIZERS[draw(st.sampled_from(list(OPTIMIZERS)))],
        "schedule": SCHEDULES[draw(st.sampled_from(list(SCHEDULES)))],
        "loss": draw(st.sampled_from(LOSSES)),
        "batch_size": draw(st.one_of(st.integers(1, 10), st.just("full"))),
        "initial_weights": draw(st.sampled_from(["zeros", "normal"])),
        "shuffle": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "l1": draw(st.sampled_from([0.0, 0.1])),
        "l2": draw(st.sampled_from([0.0, 0.1])),
        "clip_norm": draw(st.sampled_from([None, 1.0])),
        "zero_gradients": draw(st.sampled_from(["step", "epoch", "never"])),
    }
    parameters = [{"fit_bias": False}, {}, {"frozen": ["weights"]}, {"frozen": ["bias"]}]
    return {**options, **draw(st.sampled_from(parameters)), **fixed}


def numbers(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Of everyday size in half of the cases, and any that float32 holds in the other."""
    everyday = st.floats(-100, 100, width=32)
    any_finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    return st.one_of(arrays(np.float64, shape, elements=everyday), arrays(np.float64, shape, elements=any_finite))


@st.composite
def datasets(draw: st.DrawFn) -> tuple[Any, Any]:
    rows, features = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    return draw(numbers((rows, features))), draw(numbers((rows,)))


@settings(patient, max_examples=250)
@given(datasets(), hyperparameters())
@example(([[1e19], [-1e19]], [1e19, 0.0]), {"learning_rate": 1.0, "epochs": 3})
@example(([[2e38], [1e38]], [1.0, -1.0]), {"learning_rate": 1e-38, "epochs": 3})
def test_no_dataset_is_found_on_which_a_step_differs_from_the_plain_program(
    dataset: tuple[Any, Any], options: dict[str, Any]
) -> None:
    assert_equals_plain(*dataset, spec_of(**options))


# Divergence


@pytest.mark.parametrize("keeps_steps", [True, False])
@pytest.mark.parametrize("batch_size", [1, "full"])
def test_divergence_names_the_step_of_the_plain_programs_first_loss_that_is_not_finite(
    keeps_steps: bool, batch_size: Any
) -> None:
    spec = spec_of(epochs=100, learning_rate=3.0, batch_size=batch_size)
    epochs = plain_run(X, Y, spec)
    assert epochs[-1].parameters is None
    records, diverged = run(training_of(X, Y, spec, keeps_steps=keeps_steps))
    assert (diverged.epoch, diverged.step) == (len(epochs) - 1, len(epochs[-1].steps) - 1)
    assert [record.epoch for record in records] == list(range(diverged.epoch))
    assert len(diverged.steps) == (diverged.step if keeps_steps else 0)


def test_divergence_in_the_last_update_is_told_though_no_loss_shows_it() -> None:
    x, y, spec = [2.0, 3.0], [1.0, 0.0], spec_of(epochs=1, learning_rate=3e38, batch_size="full")
    [epoch] = plain_run(x, y, spec)
    assert is_finite(epoch.steps[0].loss)
    assert not is_finite(epoch.parameters)
    with pytest.raises(Diverged) as caught:
        list(training_of(x, y, spec).epochs())
    assert (caught.value.epoch, caught.value.step) == (0, 0)
    assert len(caught.value.steps) == 1


def test_divergence_keeps_only_steps_that_are_finite() -> None:
    """The loss fits into float32, its gradient does not."""
    with pytest.raises(Diverged) as caught:
        list(training_of([1e30, 1.0], [1e15, 1.0], spec_of(epochs=1)).epochs())
    assert (caught.value.step, caught.value.steps) == (1, [])


def test_a_mean_loss_that_overflows_is_divergence() -> None:
    spec = spec_of(epochs=1, dtype="float64", fit_bias=False, learning_rate=1e-300)
    with pytest.raises(Diverged):
        list(training_of([0.0, 0.0], [1.3e154, 1.3e154], spec).epochs())


@settings(patient, max_examples=100)
@given(datasets(), hyperparameters())
@example(([[1e38], [1e30], [1.0]], [1e15, 1.0, 1.0]), {"epochs": 2})
def test_what_is_recorded_does_not_depend_on_which_steps_are_kept(
    dataset: tuple[Any, Any], options: dict[str, Any]
) -> None:
    spec = spec_of(**options)
    kept, where = run(training_of(*dataset, spec))
    for every, keeps in ((1, False), (2, True)):
        sparse = spec.model_copy(update={"record": Recording(every=every)})
        others, other_where = run(training_of(*dataset, sparse, keeps_steps=keeps))
        assert [record_bits(record) for record in others] == [record_bits(record) for record in kept]
        assert [bool(record.steps) for record in others] == [keeps and sparse.keeps_epoch(r.epoch) for r in others]
        assert str(other_where) == str(where)


# Batches


def test_a_step_is_trained_on_the_rows_that_are_told_of_it() -> None:
    spec = spec_of(epochs=3, batch_size=3, shuffle=True, seed=11, validation_fraction=0.2, dtype="float64")
    for record in training_of(X, Y, spec).epochs():
        told = RowsOfSteps(len(Y), spec, record.epoch)
        assert [len(rows) for rows in told] == [3, 3, 3, 1]
        for step, rows in zip(record.steps, told, strict=True):
            residuals = X[rows] @ step.parameters.weights + step.parameters.bias - Y[rows]
            assert step.loss == pytest.approx(np.mean(residuals**2), rel=1e-12)


def test_a_batch_size_above_the_rows_means_all_of_them() -> None:
    full, _ = run(training_of(X, Y, spec_of(batch_size="full")))
    large, _ = run(training_of(X, Y, spec_of(batch_size=1000)))
    assert all_bits(large) == all_bits(full)


def test_the_validation_loss_is_that_of_the_rows_held_back_after_the_epoch_and_without_penalties() -> None:
    spec = spec_of(epochs=3, validation_fraction=0.3, l1=0.5, l2=0.5, dtype="float64")
    data = prepare(X, Y, spec)
    for record in train_epochs(data, spec):
        residuals = data.validation_x @ record.parameters.weights + record.parameters.bias - data.validation_y
        assert record.validation_loss == pytest.approx(np.mean(residuals**2), rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_learning_rate_of_an_epoch_follows_the_formula_of_its_schedule(name: str) -> None:
    rates = {
        "constant": lambda epoch: 0.1,
        "step": lambda epoch: 0.1 * 0.3 ** (epoch // 2),
        "exponential": lambda epoch: 0.1 * 0.7**epoch,
        "cosine": lambda epoch: 0.001 + (0.1 - 0.001) * (1 + math.cos(math.pi * epoch / 2)) / 2,
        "inverse_scaling": lambda epoch: 0.1 / (epoch + 1) ** 0.6,
    }
    records, _ = run(training_of(X, Y, spec_of(epochs=6, learning_rate=0.1, schedule=SCHEDULES[name], batch_size=13)))
    rate = rates[name.removesuffix(" per step")]  # a step an epoch
    assert [record.learning_rate for record in records] == pytest.approx([rate(epoch) for epoch in range(6)])


def test_a_cosine_that_counts_steps_falls_over_the_steps_of_the_whole_run() -> None:
    spec = spec_of(epochs=5, learning_rate=0.1, schedule={"name": "cosine", "per": "step"}, batch_size=5)
    rates = [record.learning_rate for record in training_of(X, Y, spec).epochs()]
    assert rates == pytest.approx([0.1 * (1 + math.cos(math.pi * 3 * epoch / 15)) / 2 for epoch in range(5)])


def test_a_cosine_without_a_length_falls_over_the_whole_run() -> None:
    spec = spec_of(epochs=5, learning_rate=0.1, schedule={"name": "cosine"})
    rates = [record.learning_rate for record in training_of(X, Y, spec).epochs()]
    assert rates == pytest.approx([0.1 * (1 + math.cos(math.pi * epoch / 5)) / 2 for epoch in range(5)])


# Gradients that accumulate, and parameters that do not learn


def gradient_of(rows: list[int], parameters: Parameters) -> Any:
    """2/n Xᵀ(Xw + b − y), and its bias."""
    residuals = X[rows] @ parameters.weights + parameters.bias - Y[rows]
    return np.array([*(2 * X[rows].T @ residuals / len(rows)), 2 * residuals.mean()])


@pytest.mark.parametrize("zero_gradients", ["step", "epoch", "never"])
def test_gradients_accumulate_until_they_are_zeroed(zero_gradients: str) -> None:
    spec = spec_of(epochs=3, learning_rate=0.001, batch_size=5, zero_gradients=zero_gradients, dtype="float64")
    records, _ = run(training_of(X, Y, spec))
    accumulated = np.zeros(6)
    for record in records:
        if zero_gradients == "epoch":
            accumulated = np.zeros(6)
        for step, rows in zip(record.steps, RowsOfSteps(len(Y), spec, record.epoch), strict=True):
            kept = 0 if zero_gradients == "step" else accumulated
            accumulated = kept + gradient_of(rows, step.parameters)
            assert [*step.gradient.weights, step.gradient.bias] == pytest.approx(accumulated, rel=1e-10)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("frozen", ["weights", "bias"])
def test_a_frozen_parameter_never_moves_and_has_no_gradient(optimizer: str, frozen: str) -> None:
    spec = spec_of(
        epochs=3,
        optimizer=OPTIMIZERS[optimizer],
        frozen=[frozen],
        initial_weights=[1.0, 2.0, 3.0, 4.0, 5.0],
        initial_bias=0.5,
        l2=0.1,
    )
    start = Parameters([1.0, 2.0, 3.0, 4.0, 5.0], 0.5)
    learning = "bias" if frozen == "weights" else "weights"
    records, _ = run(training_of(X, Y, spec))
    for record in records:
        assert getattr(record.parameters, frozen) == getattr(start, frozen)
        for gradient in (record.gradient_mean, record.gradient_last, *[step.gradient for step in record.steps]):
            assert getattr(gradient, frozen) is None
            assert getattr(gradient, learning) is not None
    assert getattr(records[-1].parameters, learning) != getattr(start, learning)


# Cutting a run and taking it up again


CUTS = [
    pytest.param(
        {"optimizer": OPTIMIZERS[optimizer], "schedule": SCHEDULES[schedule], **extra},
        id=f"{optimizer}-{schedule}-{index}",
    )
    for (optimizer, schedule), (index, extra) in zip(
        itertools.product(OPTIMIZERS, SCHEDULES),
        itertools.cycle(
            enumerate(
                [
                    {"shuffle": True, "seed": 3},
                    {"early_stopping": {"patience": 2}, "learning_rate": 0.3, "validation_fraction": 0.3},
                    {"zero_gradients": "never", "learning_rate": 0.001},
                    {"zero_gradients": "epoch", "frozen": ["bias"]},
                    {"early_stopping": {"patience": 3, "min_delta": 0.5}, "shuffle": True, "dtype": "float64"},
                    {"frozen": ["weights"], "clip_norm": 1.0},
                    {"fit_bias": False, "standardize": True, "l1": 0.1, "dtype": "float64"},
                ]
            )
        ),
        strict=False,
    )
]
CUTS.append(pytest.param({"l1": 0.3, "shuffle": True} | PROXIMAL, id="proximal"))


@pytest.mark.parametrize("options", CUTS)
def test_a_run_that_is_cut_after_any_epoch_goes_on_with_the_same_bits(options: dict[str, Any]) -> None:
    spec = spec_of(**{"epochs": 6, "learning_rate": 0.02, "batch_size": 4, **options})
    whole = training_of(X, Y, spec)
    checkpoints = [whole.checkpoint()]
    records = []
    for record in whole.epochs():
        records.append(record)
        checkpoints.append(whole.checkpoint())
    for cut, checkpoint in enumerate(checkpoints):
        resumed = training_of(X, Y, spec)
        resumed.restore(checkpoint)
        assert resumed.epoch == cut
        assert all_bits(list(resumed.epochs())) == all_bits(records[cut:])
        assert bits(resumed.result) == bits(whole.result)
        assert resumed.stopped_early == whole.stopped_early


@pytest.mark.parametrize("options", CUTS[::3])
def test_a_run_that_is_cut_after_every_epoch_ends_with_the_same_bits(options: dict[str, Any]) -> None:
    spec = spec_of(**{"epochs": 6, "learning_rate": 0.02, "batch_size": 4, **options})
    records, _ = run(training_of(X, Y, spec))
    pieces = []
    training = training_of(X, Y, spec)
    for _ in records:
        pieces.append(next(training.epochs()))
        checkpoint = training.checkpoint()
        training = training_of(X, Y, spec)
        training.restore(checkpoint)
    assert all_bits(pieces) == all_bits(records)


def test_a_checkpoint_is_not_changed_by_the_training_that_follows_it() -> None:
    spec = spec_of(epochs=4, optimizer=OPTIMIZERS["adam"], zero_gradients="never")
    training = training_of(X, Y, spec)
    next(training.epochs())
    checkpoint = training.checkpoint()
    rest = all_bits(list(training.epochs()))
    for _ in range(2):
        training = training_of(X, Y, spec)
        training.restore(checkpoint)
        assert all_bits(list(training.epochs())) == rest


def test_an_interrupted_epoch_leaves_no_record_and_is_trained_again_from_the_checkpoint() -> None:
    spec = spec_of(epochs=3, optimizer=OPTIMIZERS["momentum"], batch_size=5)
    records, _ = run(training_of(X, Y, spec))
    answers = iter([False] * 5 + [True])
    interrupted = training_of(X, Y, spec, interrupted=lambda: next(answers))
    epochs = interrupted.epochs()
    first = next(epochs)
    checkpoint = interrupted.checkpoint()
    with pytest.raises(Interrupted):
        next(epochs)
    assert interrupted.epoch == 1
    resumed = training_of(X, Y, spec)
    resumed.restore(checkpoint)
    assert all_bits([first, *resumed.epochs()]) == all_bits(records)


# Another program for the same mathematics


@pytest.mark.parametrize(
    ("schedule", "theirs_of"),
    [
        ("constant", {"learning_rate": "constant"}),
        ({"name": "inverse_scaling", "power": 0.25, "per": "step"}, {"learning_rate": "invscaling", "power_t": 0.25}),
    ],
    ids=["constant", "inverse scaling"],
)
@pytest.mark.parametrize("penalty", [0.0, 0.03])
@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_scikit_learn_reaches_the_same_weights_with_the_same_steps(
    loss: str, fit_bias: bool, penalty: float, schedule: Any, theirs_of: dict[str, Any]
) -> None:
    """As the table of docs/reference/names.md has it: its squared loss and its penalty carry a factor ½, others not."""
    rate = 0.01
    spec = spec_of(
        **{"epochs": 20, "learning_rate": rate, "schedule": schedule, "fit_bias": fit_bias, "dtype": "float64"},
        **{"loss": loss, "l2": penalty, "huber_delta": 0.5},
    )
    options = {
        "squared_error": {"loss": "squared_error", "eta0": 2 * rate, "alpha": penalty},
        "absolute_error": {"loss": "epsilon_insensitive", "epsilon": 0.0, "eta0": rate, "alpha": 2 * penalty},
        "huber": {"loss": "huber", "epsilon": 0.5, "eta0": rate, "alpha": 2 * penalty},
    }
    theirs = SGDRegressor(
        **options[loss], **theirs_of, penalty="l2", shuffle=False, tol=None, max_iter=20, fit_intercept=fit_bias
    ).fit(X, Y)
    *_, last = training_of(X, Y, spec).epochs()
    assert last.parameters.weights == pytest.approx(theirs.coef_.tolist(), abs=1e-10)
    assert (last.parameters.bias or 0.0) == pytest.approx(theirs.intercept_[0] if fit_bias else 0.0, abs=1e-10)


@pytest.mark.parametrize("l2", [0.0, 0.2])
@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_proximal_steps_end_at_scikit_learn_s_lasso_and_at_its_zeros(
    standardize: bool, fit_bias: bool, l2: float
) -> None:
    x = np.column_stack([X, X[:, :3] + 2 * np.random.RandomState(5).standard_normal((13, 3))])
    options = {"l1": 0.6, "l2": l2, "fit_bias": fit_bias, "standardize": standardize, "dtype": "float64"}
    spec = spec_of(**options | PROXIMAL, learning_rate="auto", batch_size="full", epochs=2500, record={"steps": "none"})
    data = prepare(x, Y, spec)
    theirs = ElasticNet(
        alpha=0.3 + l2, l1_ratio=0.3 / (0.3 + l2), fit_intercept=fit_bias, tol=1e-14, max_iter=100_000
    ).fit(data.x, data.y)
    *_, last = train_epochs(data, spec)
    assert last.parameters.weights == pytest.approx(theirs.coef_.tolist(), abs=1e-9)
    zeros = np.flatnonzero(theirs.coef_ == 0)
    assert 0 < len(zeros) < x.shape[1]
    assert bits(last.parameters.weights)[zeros[0]] == bits(0.0)
    assert np.flatnonzero(np.array(last.parameters.weights) == 0).tolist() == zeros.tolist()


def test_inverse_scaling_per_step_is_scikit_learn_s_of_the_lecture() -> None:
    spec = spec_of(
        **{"epochs": 2, "learning_rate": 0.01, "schedule": {"name": "inverse_scaling", "per": "step"}},
        **{"fit_bias": False, "dtype": "float64"},
    )
    *_, last = training_of(np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.0]), spec).epochs()
    assert last.parameters.weights == pytest.approx([0.53452987], abs=1e-8)


def test_an_epoch_record_is_the_sum_of_its_steps() -> None:
    """The steps of an epoch are numbered from 0, follow each other, and end in its parameters."""
    for record in training_of(X, Y, spec_of(epochs=2, batch_size=4)).epochs():
        assert [(step.epoch, step.step) for step in record.steps] == [(record.epoch, step) for step in range(4)]
        assert record.last_loss == record.steps[-1].loss
        assert record.gradient_last == record.steps[-1].gradient
        assert record.loss == pytest.approx(np.mean([step.loss for step in record.steps]))
        assert replace(record, seconds=0.0).seconds == 0.0 <= record.seconds
