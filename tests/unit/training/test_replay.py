"""A step that was not recorded comes out of a replay with the same bits."""

from typing import Any

import numpy as np
import pytest

from slope.data import prepare
from slope.engines.build import build
from slope.engines.groups.groups import snapshot_interval as snapshot_interval_of_groups
from slope.engines.groups.member import FusedMember
from slope.engines.plan import MOST_STATE_NUMBERS, REPLAYED_STEPS, snapshot_interval, state_numbers
from slope.loop import Training
from slope.records import StepRecord
from slope.run import Interrupted
from slope.spec import TrainingSpec

OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "sgd"},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "adam", "amsgrad": True},
    {"name": "adamw"},
    {"name": "rmsprop", "momentum": 0.5, "centered": True},
    {"name": "adagrad", "lr_decay": 0.1},
    {"name": "lbfgs", "max_iter": 3},
]
SCHEDULES: list[dict[str, Any]] = [
    {"name": "constant"},
    {"name": "step", "step_size": 2},
    {"name": "exponential", "gamma": 0.9},
    {"name": "cosine"},
    {"name": "inverse_scaling"},
]
SCHEDULES += [each | {"per": "step"} for each in SCHEDULES[1:]]
SNAPSHOT_EVERY = 3

random = np.random.default_rng(5)
X, Y = random.normal(size=(11, 3)), random.normal(size=11)


def spec_of(**changes: Any) -> TrainingSpec:
    base = {"epochs": 8, "learning_rate": 0.05, "batch_size": 4, "shuffle": True, "standardize": True, "seed": 3}
    return TrainingSpec.model_validate({"learning_rate": 0.01} | base | changes)


def recorded(spec: TrainingSpec) -> tuple[list[list[StepRecord]], dict[int, bytes]]:
    """All steps of a run by epoch, and its state before every few epochs."""
    training = Training(prepare(X, Y, spec), spec)
    steps, snapshots = [], {}
    for record in training.epochs():
        steps.append(record.steps)
        if training.epoch % SNAPSHOT_EVERY == 0:
            snapshots[training.epoch] = training.checkpoint()
    return steps, snapshots


def replayed(spec: TrainingSpec, snapshots: dict[int, bytes], epoch: int, window: range) -> list[StepRecord]:
    training = Training(prepare(X, Y, spec), spec, keeps_steps=False)
    nearest = max((at for at in snapshots if at <= epoch), default=None)
    if nearest is not None:
        training.restore(snapshots[nearest])
    for _ in training.epochs(until=epoch):
        pass
    return list(training.replayed(window))


def assert_replays(spec: TrainingSpec) -> None:
    steps, snapshots = recorded(spec)
    for epoch, wanted in enumerate(steps):
        assert replayed(spec, snapshots, epoch, range(len(wanted))) == wanted


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_epoch_replays_to_the_same_bits(optimizer: dict[str, Any], schedule: dict[str, Any]) -> None:
    assert_replays(spec_of(optimizer=optimizer, schedule=schedule))


@pytest.mark.parametrize(
    "changes",
    [
        {"zero_gradients": "never"},
        {"zero_gradients": "epoch"},
        {"clip_norm": 0.1},
        {"frozen": ["bias"], "initial_bias": 0.5},
        {"fit_bias": False, "l1": 0.01, "l2": 0.1},
        {"loss": "huber", "dtype": "float64"},
        {"validation_fraction": 0.3, "early_stopping": {"patience": 2}},
        {"initial_weights": "normal", "batch_size": "full"},
    ],
    ids=str,
)
def test_whatever_a_run_depends_on_is_in_its_snapshots(changes: dict[str, Any]) -> None:
    assert_replays(spec_of(**changes))


def test_a_window_of_an_epoch_replays_alone() -> None:
    spec = spec_of(batch_size=1)
    steps, snapshots = recorded(spec)
    assert replayed(spec, snapshots, 4, range(5, 8)) == steps[4][5:8]


def test_a_replay_ends_before_the_step_that_was_not_finite() -> None:
    spec = spec_of(learning_rate=1e30, epochs=1, batch_size=1, standardize=False)
    finite = list(Training(prepare(X, Y, spec), spec).replayed(range(11)))
    assert 0 < len(finite) < 11
    assert all(np.isfinite(step.loss) for step in finite)


@pytest.mark.parametrize(
    ("rows", "batch_size", "interval"), [(100, 1, REPLAYED_STEPS // 100), (100, "full", REPLAYED_STEPS), (50_000, 1, 1)]
)
def test_snapshots_bound_what_a_replay_costs(rows: int, batch_size: Any, interval: int) -> None:
    assert snapshot_interval(spec_of(batch_size=batch_size), rows) == interval


@pytest.mark.parametrize("features", [1, 100, 10_000])
def test_the_states_of_a_job_stay_within_their_numbers_however_long_it_trains(features: int) -> None:
    spec = spec_of(epochs=10**7, optimizer="adam")
    for interval in (
        snapshot_interval(spec, 10, features, "eager"),
        snapshot_interval(spec, 10, features, "compiled"),
        snapshot_interval_of_groups(spec, 10, features),
    ):
        assert spec.epochs // interval * state_numbers(spec, features) <= MOST_STATE_NUMBERS


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_state_has_no_more_numbers_of_a_feature_than_are_counted(optimizer: dict[str, Any]) -> None:
    is_lbfgs, sizes = optimizer["name"] == "lbfgs", dict[int, int]()
    spec = spec_of(
        optimizer=optimizer,
        epochs=4,
        early_stopping={"patience": 9},
        validation_fraction=0.2,
        zero_gradients="step" if is_lbfgs else "never",
    )
    for features in (100, 500):
        x = random.normal(size=(11, features))
        run = build("eager", prepare(x, Y, spec), spec, keeps_steps=False)
        list(run.blocks())
        sizes[features] = len(run.checkpoint())
    assert sizes[500] - sizes[100] <= 8 * (state_numbers(spec, 500) - state_numbers(spec, 100))


@pytest.mark.parametrize("engine", ["eager", "reduced", "composed", "compiled"])
def test_a_replay_hears_that_it_is_not_wanted_any_more(engine: str) -> None:
    spec = spec_of(batch_size="full" if engine == "reduced" else 4, shuffle=False, engine=engine)
    run = build(engine, prepare(X, Y, spec), spec, keeps_steps=False, interrupted=lambda: True)
    with pytest.raises(Interrupted):
        list(run.replayed(range(2)))


def test_the_replay_of_a_member_hears_it_too() -> None:
    def pause() -> None:
        raise Interrupted

    spec = spec_of()
    member = FusedMember(prepare(X, Y, spec), spec, pause=pause)
    with pytest.raises(Interrupted):
        list(member.replayed(range(2)))
