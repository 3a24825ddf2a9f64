"""Fused models: each equals the same job run alone, whoever is beside it."""

import io
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slope.columns import EpochColumns, StepColumns, join_columns
from slope.data import TrainingData, prepare
from slope.engines.descent import points
from slope.engines.groups import walks
from slope.engines.groups.fused import Fused
from slope.engines.groups.groups import groups_of, likeness, obstacle, widest
from slope.engines.groups.rounds import Round
from slope.loop import Training
from slope.records import Diverged, EpochRecord, StepRecord, epoch_columns, step_columns
from slope.run import Interrupted
from slope.spec import TrainingSpec

patient = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

RANDOM = np.random.RandomState(3)
X = RANDOM.standard_normal((31, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.7 + 0.3 * RANDOM.standard_normal(31)

number = st.floats(0.0, 0.9)
memory = st.floats(0.7, 0.95)  # with less of it an adaptive step is the sign of a number that may round to either
betas = st.lists(memory, min_size=2, max_size=2)
OPTIMIZERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "sgd": st.fixed_dictionaries({"momentum": number, "dampening": number, "weight_decay": number}),
    "nesterov": st.fixed_dictionaries({"momentum": st.floats(0.1, 0.9), "nesterov": st.just(True)}),
    "adam": st.fixed_dictionaries({"betas": betas, "weight_decay": number}),
    "amsgrad": st.fixed_dictionaries({"eps": st.floats(1e-6, 1.0), "amsgrad": st.just(True)}),
    "adamw": st.fixed_dictionaries({"betas": betas, "weight_decay": number}),
    "rmsprop": st.fixed_dictionaries({"alpha": memory, "momentum": number, "weight_decay": number}),
    "centered": st.fixed_dictionaries({"alpha": memory, "eps": st.floats(1e-3, 1.0), "centered": st.just(True)}),
    "adagrad": st.fixed_dictionaries({"lr_decay": number, "initial_accumulator_value": number}),
}
NAMES = {"nesterov": "sgd", "amsgrad": "adam", "centered": "rmsprop"}
SCHEDULES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "constant": st.just({}),
    "step": st.fixed_dictionaries({"step_size": st.integers(1, 3), "gamma": st.floats(0.1, 1.0)}),
    "exponential": st.fixed_dictionaries({"gamma": st.floats(0.1, 1.0)}),
    "cosine": st.fixed_dictionaries({"T_max": st.none() | st.integers(1, 7), "eta_min": st.floats(0.0, 0.01)}),
    "inverse_scaling": st.fixed_dictionaries({"power": st.floats(0.1, 2.0)}),
}
SHARED = st.fixed_dictionaries(
    {
        "epochs": st.just(4),
        "dtype": st.just("float64"),
        "batch_size": st.sampled_from([3, 8, "full"]),
        "loss": st.sampled_from(["squared_error", "absolute_error", "huber"]),
        "shuffle": st.booleans(),
        "seed": st.integers(0, 3),
        "zero_gradients": st.sampled_from(["step", "epoch", "never"]),
        "standardize": st.booleans(),
        "validation_fraction": st.sampled_from([0.0, 0.3]),
    }
)
SHAPES = st.sampled_from([{}, {"fit_bias": False}, {"frozen": ["weights"]}, {"frozen": ["bias"]}])
OWN: dict[str, st.SearchStrategy[Any]] = {
    "learning_rate": st.floats(1e-4, 0.05),
    "l1": st.floats(0.0, 0.1),
    "l2": st.floats(0.0, 0.1),
    "huber_delta": st.floats(0.1, 2.0),
    "initial_weights": st.just("normal") | st.lists(st.floats(-1, 1), min_size=3, max_size=3),
}


@st.composite
def groups(draw: st.DrawFn) -> tuple[dict[int, TrainingSpec], int]:
    """Settings by place that may be fused, and the width."""
    kind, schedule = draw(st.sampled_from(sorted(OPTIMIZERS))), draw(st.sampled_from(sorted(SCHEDULES)))
    shared = draw(SHARED) | draw(SHAPES)
    if kind not in ("sgd", "nesterov") and shared["loss"] != "squared_error":
        # Signs times a standardized column come to zero, or to what rounding leaves: it would be a whole step.
        shared["standardize"] = False
    stops, clips = draw(st.booleans()), draw(st.booleans())
    own = dict(OWN)
    if stops:
        own["early_stopping"] = st.fixed_dictionaries({"patience": st.integers(1, 3), "min_delta": st.floats(0, 1)})
    if clips:
        own["clip_norm"] = st.floats(0.01, 5.0)
    own["optimizer"] = OPTIMIZERS[kind].map(lambda options: {"name": NAMES.get(kind, kind)} | options)
    per = {} if schedule == "constant" else {"per": draw(st.sampled_from(["epoch", "step"]))}
    own["schedule"] = SCHEDULES[schedule].map(lambda options: {"name": schedule} | options | per)
    members = draw(st.lists(st.fixed_dictionaries(own), min_size=1, max_size=4))
    places = draw(st.permutations(range(6)))[: len(members)]
    specs = [TrainingSpec.model_validate({"learning_rate": 0.01} | shared | member) for member in members]
    return dict(zip(places, specs, strict=True)), 6


def data_of(spec: TrainingSpec) -> TrainingData:
    return prepare(X, Y, spec)


def fused(specs: Mapping[int, TrainingSpec], width: int, **options: Any) -> Fused:
    return Fused(data_of(next(iter(specs.values()))), specs, width, **options)


def alone(spec: TrainingSpec, **options: Any) -> tuple[list[EpochRecord], Diverged | None, Training]:
    """The records of a job that trains alone, and how it broke, if it did."""
    training, records = Training(data_of(spec), spec, **options), []
    try:
        for record in training.epochs():
            records.append(record)
    except Diverged as error:
        return records, error, training
    return records, None, training


def epochs_of(rounds: list[Round], place: int) -> EpochColumns | None:
    parts = [found.epochs.at(np.flatnonzero(found.owners == place)) for found in rounds]
    return join_columns(parts) if sum(map(len, parts)) else None


def steps_of(rounds: list[Round], place: int) -> StepColumns | None:
    parts = [found.steps.at(np.flatnonzero(found.step_places == place)) for found in rounds if found.steps]
    return join_columns(parts) if parts else None


def assert_same(found: Any, expected: Any, tolerance: float) -> None:
    """Equal tables, up to a tolerance in relation to the largest number of each column."""
    for name, column in expected.arrays().items():
        other = found.arrays()[name]
        if name == "seconds":
            continue
        if column is None:
            assert other is None, name
        else:
            assert other.shape == column.shape, name
            assert np.abs(other - column).max(initial=0) <= tolerance * max(1.0, np.abs(column).max(initial=0)), name


@patient
@given(groups())
def test_every_member_has_the_numbers_of_the_same_job_alone(group: tuple[dict[int, TrainingSpec], int]) -> None:
    specs, width = group
    assert len({likeness(spec, len(Y)) for spec in specs.values()}) == 1
    together, rounds, results = fused(specs, width), [], {}
    for found in together.epochs():
        rounds.append(found)
        results |= {int(p): together.result(int(p)) for p in found.places if together.has_ended(int(p))}

    for place, spec in specs.items():
        records, error, training = alone(spec)
        assert error is None
        steps = [step for record in records for step in record.steps]
        assert_same(epochs_of(rounds, place), epoch_columns(records), 1e-12)
        assert_same(steps_of(rounds, place), step_columns(steps), 1e-12)
        flat = [*(results[place].weights or ()), results[place].bias or 0.0]
        expected = [*(training.result.weights or ()), training.result.bias or 0.0]
        assert flat == pytest.approx(expected, rel=1e-12, abs=1e-12)


@patient
@given(groups(), st.data())
def test_a_member_has_the_same_bits_whoever_is_beside_it(
    group: tuple[dict[int, TrainingSpec], int], data: st.DataObject
) -> None:
    specs, width = group
    place = data.draw(st.sampled_from(sorted(specs)))
    cut = data.draw(st.integers(0, 3))
    first = fused(specs, width)
    rounds = list(first.epochs())

    again, resumed = fused({place: specs[place]}, width), []
    for found in again.epochs():
        resumed.append(found)
        if again.epoch > cut and again.live and not again.has_ended(place):
            state = again.states()[place]
            again = fused({place: specs[place]}, width)
            again.restore({place: state})
            resumed += again.epochs()
            break

    assert_same(epochs_of(resumed, place), epochs_of(rounds, place), 0.0)
    assert_same(steps_of(resumed, place), steps_of(rounds, place), 0.0)


@pytest.mark.parametrize("batch_size", [3, "full"])
def test_threads_share_the_members_and_change_no_bit(batch_size: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "_THREAD_ROWS", 1)
    monkeypatch.setattr(walks, "_CHUNK_ROWS", 64)
    shared = {"epochs": 9, "batch_size": batch_size, "dtype": "float64", "optimizer": {"name": "adam"}}
    rates = np.geomspace(1e-3, 0.1, 43).tolist()
    specs = {place: TrainingSpec.model_validate(shared | {"learning_rate": rate}) for place, rate in enumerate(rates)}
    walkers = set[str]()
    true = walks.Walk._step
    monkeypatch.setattr(
        walks.Walk, "_step", lambda *given: [walkers.add(threading.current_thread().name), true(*given)][1]
    )
    alone, together = fused(specs, 43), fused(specs, 43, threads=3)
    expected = list(alone.epochs())
    assert len(walkers) == 1
    rounds = list(together.epochs())
    assert len(walkers) > 1
    for place in specs:
        assert_same(epochs_of(rounds, place), epochs_of(expected, place), 0.0)
        assert_same(steps_of(rounds, place), steps_of(expected, place), 0.0)
    assert together.states().tobytes() == alone.states().tobytes()


@pytest.mark.parametrize("keeps_steps", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3, "full"])
def test_a_member_that_diverges_breaks_where_it_would_alone_and_leaves_the_others(
    batch_size: int | str, keeps_steps: bool
) -> None:
    settings = {"epochs": 40, "batch_size": batch_size, "dtype": "float64"}
    rates = [0.01, 1e9, 0.02, 1e150, 50.0]
    specs = {i: TrainingSpec.model_validate(settings | {"learning_rate": rate}) for i, rate in enumerate(rates)}
    together = fused(specs, 5, keeps_steps=keeps_steps)
    rounds = list(together.epochs())

    for place, spec in specs.items():
        records, error, _ = alone(spec, keeps_steps=keeps_steps)
        found = epochs_of(rounds, place)
        assert (0 if found is None else len(found)) == len(records)
        if records and found:
            assert_same(found, epoch_columns(records), 1e-12)
        broke = [(each.last_of(place), each.diverged[place]) for each in rounds if place in each.diverged]
        assert broke == ([] if error is None else [(error.epoch, error.step)])
        if error and error.steps:
            steps = steps_of(rounds, place)
            assert steps
            assert (steps.epoch[-1], steps.step[-1]) == (error.epoch, error.steps[-1].step)


@patient
@given(groups(), st.data())
def test_a_step_that_was_not_recorded_is_replayed_to_the_same_bits(
    group: tuple[dict[int, TrainingSpec], int], data: st.DataObject
) -> None:
    specs, width = group
    place = data.draw(st.sampled_from(sorted(specs)))
    whole = steps_of(list(fused(specs, width).epochs()), place)
    assert whole
    row = data.draw(st.integers(0, len(whole) - 1))
    epoch, step = int(whole.epoch[row]), int(whole.step[row])

    again = fused({place: specs[place]}, width, keeps_steps=False)
    for _ in again.epochs(epoch):
        pass
    [replayed] = again.replayed(place, range(step, step + 1))

    assert_same(step_columns([replayed]), whole.at(np.array([row])), 0.0)


@pytest.mark.parametrize("batch_size", [4, "full"])
def test_float32_agrees_to_its_own_rounding(batch_size: Any) -> None:
    rates = np.geomspace(1e-3, 0.1, 7).tolist()
    shared = {"epochs": 50, "batch_size": batch_size}
    specs = {i: TrainingSpec.model_validate(shared | {"learning_rate": rate}) for i, rate in enumerate(rates)}
    rounds = list(fused(specs, 7).epochs())
    for place, spec in specs.items():
        assert_same(epochs_of(rounds, place), epoch_columns(alone(spec)[0]), 2e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_it_stops_between_two_steps_when_asked_to(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "_CHUNK_ROWS", 1)
    monkeypatch.setattr(walks, "_THREAD_ROWS", 1)
    pauses: list[None] = []

    def pause() -> None:
        pauses.append(None)
        if len(pauses) == 3:
            raise Interrupted

    specs = {place: TrainingSpec(learning_rate=0.1 * (1 + place)) for place in range(9)}
    training = fused(specs, 9, pause=pause, threads=threads)
    before = training.states().tobytes()
    with pytest.raises(Interrupted):
        list(training.epochs())
    assert (training.epoch, len(pauses), training.states().tobytes()) == (0, 3, before)


def test_gradients_that_autograd_does_not_bear_out_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = {place: TrainingSpec(learning_rate=0.01, epochs=3, l2=0.1 * place) for place in range(3)}
    list(fused(specs, 3).epochs())
    true = points.differentiate

    def bent(*arguments: Any) -> tuple[np.ndarray, np.ndarray]:
        losses, gradients = true(*arguments)
        gradients[2, 1] *= 1 + 1e-6  # of the last model
        return losses, gradients

    monkeypatch.setattr(points, "differentiate", bent)
    with pytest.raises(points.GradientsDiffer, match="by compiled code"):
        list(fused(specs, 3).epochs())


@patient
@given(groups(), st.integers(0, 4))
def test_a_group_is_left_before_any_epoch_and_goes_on_without_losing_one(
    group: tuple[dict[int, TrainingSpec], int], epoch: int
) -> None:
    specs, width = group
    whole, left, taken_up = fused(specs, width), fused(specs, width), fused(specs, width)
    expected, before = list(whole.epochs()), list(left.epochs(epoch))
    assert left.epoch <= epoch
    for place in specs.keys() - left.live:
        taken_up.drop(place)
    states = left.states()
    taken_up.restore({place: states[place] for place in specs})
    rounds = before + list(taken_up.epochs())
    for place in specs:
        assert_same(epochs_of(rounds, place), epochs_of(expected, place), 0.0)


@pytest.mark.parametrize("zeroed", ["step", "never"])
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "momentum": 0.5}, {"name": "adam"}, {"name": "rmsprop"}])
def test_a_group_goes_on_from_what_an_earlier_version_kept(optimizer: dict[str, Any], zeroed: str) -> None:
    """Then torch itself trained a group: of each model its epoch, its leaves, and what torch.optim keeps."""
    given = {"epochs": 6, "learning_rate": 0.01, "batch_size": 7, "dtype": "float64"}
    spec = TrainingSpec.model_validate(given | {"optimizer": optimizer, "zero_gradients": zeroed})
    whole, _, _ = alone(spec)
    before = Training(data_of(spec), spec)
    for _ in before.blocks(until=3):
        pass
    kept = torch.load(io.BytesIO(before.checkpoint()), weights_only=True)
    names = {"sgd": ["momentum_buffer"], "adam": ["exp_avg", "exp_avg_sq"], "rmsprop": ["square_avg"]}[
        spec.optimizer.name
    ]
    moved = [kept["optimizer"]["state"][leaf][name] for name in names for leaf in (0, 1)]
    if spec.optimizer.name == "rmsprop":
        moved += [torch.zeros(4)]  # of a momentum that it does not have
    left = kept["gradients"] if zeroed == "never" else []
    parts = [torch.tensor([3.0]), *kept["parameters"], *left, *moved]
    state = np.concatenate([part.double().numpy().reshape(-1) for part in parts])

    training = fused({0: spec, 1: spec}, 2)
    training.restore({0: state, 1: state})
    found = epochs_of(list(training.epochs()), 1)
    assert found
    assert_same(found, epoch_columns(whole[3:]), 1e-12)


def test_a_place_that_is_dropped_leaves_no_record() -> None:
    specs = {place: TrainingSpec(learning_rate=0.01 * (place + 1)) for place in range(3)}
    training = fused(specs, 3)
    before = list(training.epochs(4))
    training.drop(1)
    after = list(training.epochs())
    assert [len(epochs_of(before, place) or []) for place in range(3)] == [4, 4, 4]
    assert [len(epochs_of(after, place) or []) for place in range(3)] == [6, 0, 6]


def test_settings_that_share_data_and_batches_form_groups() -> None:
    specs = [
        TrainingSpec(learning_rate=0.1),
        TrainingSpec(learning_rate=0.2, l2=0.5),
        TrainingSpec.model_validate({"learning_rate": 0.01} | {"optimizer": {"name": "lbfgs"}}),
        TrainingSpec(batch_size=2),
        TrainingSpec(batch_size=2, shuffle=True, seed=1),
        TrainingSpec(batch_size=2, shuffle=True, seed=2),
        TrainingSpec(batch_size=10, shuffle=False),
        TrainingSpec(batch_size="full"),
        TrainingSpec(learning_rate=0.3, engine="eager"),
        TrainingSpec.model_validate({"learning_rate": 0.01} | {"schedule": {"name": "cosine", "per": "epoch"}}),
        TrainingSpec.model_validate({"learning_rate": 0.01} | {"schedule": {"name": "cosine", "per": "step"}}),
    ]
    assert groups_of(specs, rows=8, features=1) == [[0, 1], [6, 7]]
    assert "lbfgs" in (obstacle(specs[2]) or "")
    assert "eager" in (obstacle(specs[8]) or "")
    proximal = TrainingSpec.model_validate({"l1": 0.1, "optimizer": {"name": "sgd", "l1_step": "proximal"}})
    assert groups_of([proximal, proximal], rows=8, features=1) == []
    assert "proximal" in (obstacle(proximal) or "")
    assert groups_of(specs, rows=8, features=1, device="cuda:0") == []
    assert "the CPU alone" in (obstacle(specs[0], "cuda") or "")


def test_a_group_is_no_wider_than_its_residuals_have_room() -> None:
    assert widest(TrainingSpec(), 10**9, 5) == 1024
    assert widest(TrainingSpec(batch_size="full", loss="huber"), 2**14, 5) == 256
    assert widest(TrainingSpec(batch_size="full", loss="huber"), 10**9, 5) == 1
    assert widest(TrainingSpec(batch_size="full"), 10**9, 5) == 1024  # reduced to seven rows
    groups = groups_of([TrainingSpec(learning_rate=0.001 * (i + 1)) for i in range(2500)], rows=4, features=1)
    assert [len(group) for group in groups] == [1024, 1024, 452]


def test_columns_are_those_of_the_records() -> None:
    records, _, _ = alone(TrainingSpec(epochs=2, learning_rate=0.01))
    columns = epoch_columns(records)
    assert columns.loss.tolist() == [record.loss for record in records]
    assert columns.weights.tolist() == [record.parameters.weights for record in records]
    assert columns.validation_loss is None
    steps: list[StepRecord] = records[0].steps
    assert step_columns(steps).gradient_bias is not None
