"""Every engine gives the numbers of the plain loop, to rounding, over specs and data that nobody thought of."""

import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slope.data import TrainingData, prepare
from slope.engines.build import build
from slope.engines.descent.descent import Descent
from slope.engines.descent.points import GradientsDiffer
from slope.engines.kernels import composition, descent
from slope.engines.layouts.columns import EpochNumbers
from slope.engines.plan import candidates
from slope.engines.rehearsal import load_kernels
from slope.loop import Training
from slope.records import Diverged, EpochRecord, StepRecord
from slope.run import Interrupted
from slope.spec import TrainingSpec

TOLERANCE = {"float64": 1e-9, "float32": 2e-3}
"""Of every number, relative to the largest of its kind in the run; of float32 the loop's own rounding."""

Case = tuple[TrainingSpec, TrainingData]

SGD = {"name": "sgd"}
SCHEDULES: list[dict[str, Any]] = [
    {"name": "constant"},
    {"name": "step", "step_size": 2, "gamma": 0.5},
    {"name": "exponential", "gamma": 0.9},
    {"name": "cosine"},
    {"name": "inverse_scaling"},
]
PER_STEP = [each | {"per": "step"} for each in SCHEDULES[1:]]
OPTIMIZERS: list[dict[str, Any]] = [
    SGD,
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"name": "adam", "amsgrad": True},
    {"name": "adamw"},
    {"name": "rmsprop", "momentum": 0.5, "centered": True},
    {"name": "adagrad", "lr_decay": 0.1},
]


@st.composite
def cases(draw: st.DrawFn, changes: dict[str, st.SearchStrategy[Any]]) -> Case:
    """Well-conditioned data with all digits, and what the engine takes beside what every engine takes."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, features = draw(st.integers(2, 90)), draw(st.integers(1, 4))
    x = generator.normal(size=(rows, features))
    y = (
        x @ generator.normal(size=features)
        + generator.normal()
        + draw(st.sampled_from([0.0, 0.1])) * generator.normal(size=rows)
    )
    fit_bias = draw(st.booleans())
    chosen = {
        "epochs": draw(st.integers(1, 6)),
        "learning_rate": draw(st.sampled_from([0.001, 0.02, 0.05])),
        "schedule": draw(st.sampled_from(SCHEDULES)),
        "seed": draw(st.integers(0, 9)),
        "fit_bias": fit_bias,
        "frozen": draw(st.sampled_from([[], ["weights"], ["bias"]] if fit_bias else [[]])),
        "initial_weights": draw(st.sampled_from(["zeros", "normal"])),
        "initial_bias": draw(st.sampled_from(["zeros", "normal"] if fit_bias else ["zeros"])),
        "standardize": draw(st.booleans()),
        "validation_fraction": draw(st.sampled_from([0.0, 0.3])),
        "early_stopping": draw(st.sampled_from([None, {"patience": 2}])),
        "dtype": draw(st.sampled_from(["float64", "float64", "float32"])),
    }
    spec = TrainingSpec.model_validate(
        {"learning_rate": 0.01} | chosen | {name: draw(strategy) for name, strategy in changes.items()}
    )
    held_back = round(spec.validation_fraction * rows)
    if spec.validation_fraction and not 0 < held_back < rows:
        spec = spec.model_copy(update={"validation_fraction": 0.0})
    return spec, prepare(x, y, spec)


SIZES = st.one_of(st.integers(1, 5), st.sampled_from([16, 33, 40, 1000]))
L2 = st.sampled_from([0.0, 0.1])
MOMENTUM: list[dict[str, Any]] = [
    {"name": "sgd", "momentum": 0.9, "dampening": 0.1},
    {"name": "sgd", "momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
    {"name": "sgd", "weight_decay": 0.05},
]
BY_ENGINE = {
    "reduced": cases(
        {
            "batch_size": st.sampled_from(["full", 1000]),
            "optimizer": st.sampled_from(OPTIMIZERS),
            "l1": st.sampled_from([0.0, 0.01]),
            "l2": L2,
            "clip_norm": st.sampled_from([None, 1.0]),
            "zero_gradients": st.sampled_from(["step", "epoch", "never"]),
            "schedule": st.sampled_from(SCHEDULES + PER_STEP),
        }
    ),
    "composed": cases({"batch_size": SIZES}),
    "compiled": cases(
        {
            "batch_size": SIZES | st.just("full"),
            "optimizer": st.sampled_from([*OPTIMIZERS, *MOMENTUM]),
            "l1": st.sampled_from([0.0, 0.01]),
            "l2": L2,
            "clip_norm": st.sampled_from([None, 1.0]),
            "zero_gradients": st.sampled_from(["step", "step", "epoch", "never"]),
            "shuffle": st.booleans(),
            "loss": st.sampled_from(["squared_error", "huber", "absolute_error"]),
            "huber_delta": st.just(0.5),
            "schedule": st.sampled_from(SCHEDULES + PER_STEP),
        }
    ),
}
KEEPS_STEPS = ("reduced", "compiled")


@pytest.mark.parametrize("engine", BY_ENGINE)
def test_an_engine_gives_the_numbers_of_the_plain_loop(engine: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(BY_ENGINE[engine])
    def agrees(case: Case) -> None:
        spec, data = case
        theirs, ours = list(Training(data, spec).epochs()), list(build(engine, data, spec).epochs())
        assume(not has_vanished(theirs))
        if spec.dtype == "float64" or spec.early_stopping is None:  # which epoch is the best may hang on rounding
            assert len(ours) == len(theirs)
        assert_alike(ours, theirs, TOLERANCE[spec.dtype])

    agrees()


def has_vanished(records: list[EpochRecord]) -> bool:
    """Whether a gradient is what rounding leaves of 0: adam and its like make steps of any such noise."""
    gradients = [numbers_of(*record.gradient_last, *record.gradient_mean) for record in records]
    return any(0 < abs(number) < 1e-12 for gradient in gradients for number in gradient if number is not None)


def assert_alike(ours: list[EpochRecord], theirs: list[EpochRecord], tolerance: float) -> None:
    for name in ("loss", "last_loss", "validation_loss", "learning_rate"):
        assert_close(*([numbers_of(getattr(r, name)) for r in records] for records in (ours, theirs)), tolerance)
    for name in ("gradient_mean", "gradient_last", "parameters"):
        assert_close(*([numbers_of(*getattr(r, name)) for r in records] for records in (ours, theirs)), tolerance)
    for mine, its in zip(ours, theirs, strict=False):
        if mine.steps:
            assert_same_steps(mine.steps, its.steps, tolerance)


def assert_same_steps(ours: Any, theirs: Any, tolerance: float) -> None:
    assert [step[:2] for step in ours] == [step[:2] for step in theirs]
    for numbers in (
        lambda step: numbers_of(step.loss),
        lambda step: numbers_of(*step.gradient),
        lambda step: numbers_of(*step.parameters),
    ):
        assert_close([numbers(step) for step in ours], [numbers(step) for step in theirs], tolerance)


def numbers_of(*parts: Any) -> list[float | None]:
    """Lists, numbers and None in a row."""
    return [number for part in parts for number in (part if isinstance(part, list) else [part])]


def assert_close(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    count = min(len(ours), len(theirs))
    mine, its = ours[:count], theirs[:count]
    assert [[n is None for n in row] for row in mine] == [[n is None for n in row] for row in its]
    mine, its = (np.array([[0.0 if n is None else n for n in row] for row in rows]) for rows in (mine, its))
    assert np.abs(mine - its).max(initial=0) <= tolerance * max(np.abs(its).max(initial=0), 1e-3)


LONG = 40_000
"""Rows: more than one chunk, group or stretch of any engine."""
TYPICAL: dict[str, dict[str, Any]] = {
    "reduced": {"batch_size": "full", "learning_rate": 0.1, "optimizer": {"name": "adam"}},
    "composed": {"batch_size": 3},
    "compiled": {"shuffle": True, "optimizer": {"name": "sgd", "momentum": 0.9}},
}


def typical(engine: str, **changes: Any) -> Case:
    """A longer job, with much that a run depends on: validation, patience, a schedule, scaled data."""
    generator = np.random.default_rng(11)
    x = generator.normal(3, 2, size=(LONG, 3))
    y = x @ [1.0, -2.0, 0.5] + 4 + generator.normal(size=len(x))
    common = {
        "epochs": 6,
        "learning_rate": 0.001,
        "dtype": "float64",
        "standardize": True,
        "validation_fraction": 0.1,
        "early_stopping": {"patience": 3},
        "schedule": {"name": "exponential", "gamma": 0.9},
    }
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | common | TYPICAL[engine] | changes)
    return spec, prepare(x, y, spec)


def without_time(records: list[EpochRecord]) -> list[Any]:
    names = [name for name in EpochRecord.__slots__ if name not in ("seconds", "steps")]
    return [[getattr(record, name) for name in names] + [list(record.steps)] for record in records]


@pytest.mark.parametrize("engine", TYPICAL)
def test_a_run_goes_on_from_any_checkpoint_to_the_same_bits(engine: str) -> None:
    spec, data = typical(engine)
    whole, left = build(engine, data, spec), build(engine, data, spec)
    first = list(left.epochs(until=3))
    taken_up = build(engine, data, spec)
    taken_up.restore(left.checkpoint())
    assert without_time(first + list(taken_up.epochs())) == without_time(list(whole.epochs()))
    assert taken_up.result == whole.result


@pytest.mark.parametrize("engine", TYPICAL)
def test_steps_replay_to_the_bits_of_the_run_whatever_window_is_asked_for(engine: str) -> None:
    spec, data = typical(engine)
    run = build(engine, data, spec)
    (epoch,) = [record for record in run.epochs(until=3) if record.epoch == 2]
    before = build(engine, data, spec)
    assert len(list(before.epochs(until=2))) == 2
    last = 0 if engine == "reduced" else -(-len(data.y) // (3 if spec.batch_size == 3 else 1)) - 1
    checkpoint = before.checkpoint()
    windows = [range(max(0, last - 40), last + 9), range(max(0, last - 3), last + 1)]
    found = [list(replayed(engine, spec, data, checkpoint, window)) for window in windows]
    assert [step.step for step in found[0]] == [step for step in windows[0] if step <= last]
    assert found[0][-len(found[1]) :] == found[1]
    assert found[1][-1].loss == pytest.approx(epoch.last_loss, rel=1e-10)
    assert found[1][-1].gradient.weights == pytest.approx(epoch.gradient_last.weights, rel=1e-8)
    if epoch.steps:
        assert found[1] == list(epoch.steps)[-len(found[1]) :]


def replayed(engine: str, spec: TrainingSpec, data: TrainingData, checkpoint: bytes, window: range) -> list[StepRecord]:
    run = build(engine, data, spec)
    run.restore(checkpoint)
    return list(run.replayed(window))


EVERY = BY_ENGINE | {
    "eager": cases(
        {
            "batch_size": SIZES | st.just("full"),
            "optimizer": st.sampled_from([*OPTIMIZERS, {"name": "lbfgs", "max_iter": 3}]),
            "loss": st.sampled_from(["squared_error", "absolute_error", "huber"]),
            "shuffle": st.booleans(),
            "l1": st.sampled_from([0.0, 0.01]),
            "l2": L2,
        }
    )
}


@pytest.mark.parametrize("engine", EVERY)
def test_a_run_is_left_before_any_epoch_and_goes_on_without_losing_one(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slope.engines.descent.descent._FIRST_ROWS", 0)
    monkeypatch.setattr("slope.engines.descent.descent._BLOCK_SECONDS", 0.0)  # a block is one epoch

    @settings(max_examples=25, deadline=None)
    @given(EVERY[engine], st.integers(0, 5))
    def is_left(case: Case, epoch: int) -> None:
        spec, data = case
        whole, left = list(build(engine, data, spec).epochs()), []
        run = build(engine, data, spec, interrupted=lambda: run.epoch >= epoch)
        with pytest.raises(Interrupted) if epoch < len(whole) else nullcontext():
            for record in run.epochs():
                left.append(record)
        assert len(left) == run.epoch == min(epoch, len(whole))
        taken_up = build(engine, data, spec)
        taken_up.restore(run.checkpoint())
        assert without_time(left + list(taken_up.epochs())) == without_time(whole)

    is_left()


@pytest.mark.parametrize(
    ("engine", "batch_size"),
    [("eager", 1000), ("reduced", "full"), ("composed", 1), ("composed", 1000), ("compiled", 1000)],
)
def test_within_a_long_epoch_a_run_is_asked_every_so_many_rows(engine: str, batch_size: Any) -> None:
    rows, asked = 2**19, list[bool]()
    spec = TrainingSpec.model_validate({"epochs": 1, "learning_rate": 1e-9, "batch_size": batch_size})
    data = prepare(np.ones((rows, 1)), np.ones(rows), spec)

    def interrupted() -> bool:
        asked.append(True)
        return False

    list(build(engine, data, spec, keeps_steps=False, interrupted=interrupted).epochs())
    assert len(asked) > rows // 2**18


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 3, "shuffle": True, "validation_fraction": 0.3, "loss": "huber", "clip_norm": 1, "l1": 0.1},
        {"batch_size": "full", "optimizer": {"name": "adam"}, "early_stopping": {"patience": 1}, "standardize": True},
        {"optimizer": {"name": "sgd", "momentum": 0.5}},
        {"optimizer": {"name": "rmsprop"}, "batch_size": 5, "schedule": {"name": "exponential", "gamma": 0.5}},
        {"optimizer": {"name": "adagrad"}, "batch_size": 5},
        {"frozen": ["weights"], "schedule": {"name": "inverse_scaling", "per": "step"}, "zero_gradients": "never"},
        {"fit_bias": False, "initial_weights": "normal", "seed": 3, "learning_rate": 1, "epochs": 400},
    ],
)
@pytest.mark.parametrize("features", [1, 2, 7])
def test_no_job_waits_for_a_compiler_once_the_loops_are_loaded(features: int, changes: dict[str, Any]) -> None:
    load_kernels()
    spec = TrainingSpec.model_validate({"epochs": 3, "learning_rate": 1e-3} | changes)
    data = prepare(np.ones((12, features)), np.arange(12.0), spec)
    kernels = descent.descend, descent.evaluate, composition.compose, composition.follow

    for option in candidates(spec, 12, features):
        if option.applies:
            run = build(option.engine, data, spec, keeps_steps=option.engine != "composed")
            with suppress(Diverged):
                list(run.epochs())
            list(build(option.engine, data, spec).replayed(range(2)))

    assert [len(kernel.signatures) for kernel in kernels] == [7, 1, 1, 1]


@pytest.mark.parametrize(("engine", "batch_size"), [("reduced", "full"), ("composed", 3)])
def test_of_wide_data_fewer_rows_are_done_between_two_questions_and_the_numbers_are_the_same(
    engine: str, batch_size: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TrainingSpec.model_validate(
        {"epochs": 2, "learning_rate": 1e-3, "batch_size": batch_size, "dtype": "float64"}
    )
    generator, asked = np.random.default_rng(5), list[bool]()
    x = generator.normal(size=(3_000, 12))
    data = prepare(x, x @ generator.normal(size=12) + 1, spec)

    def interrupted() -> bool:
        asked.append(True)
        return False

    list(build(engine, data, spec).epochs())  # loads the code, and waits for it
    at_once, count = list(build(engine, data, spec, interrupted=interrupted).epochs()), len(asked)
    for name in ("reduction.reduction._PART", "composed._PART"):
        monkeypatch.setattr(f"slope.engines.{name}", 2**14)
    in_parts = list(build(engine, data, spec, interrupted=interrupted).epochs())

    assert_alike(in_parts, at_once, TOLERANCE["float64"])
    assert len(asked) - count > 2 * count


def test_every_evaluation_of_lbfgs_is_asked_for() -> None:
    spec = TrainingSpec.model_validate(
        {"learning_rate": 0.01} | {"epochs": 1, "optimizer": {"name": "lbfgs"}, "batch_size": "full"}
    )
    asked: list[bool] = []

    def interrupted() -> bool:
        asked.append(True)
        return len(asked) == 5

    with pytest.raises(Interrupted):
        list(Training(typical("reduced")[1], spec, interrupted=interrupted).epochs())


@pytest.mark.parametrize("engine", TYPICAL)
def test_a_run_that_is_asked_to_stop_leaves_in_the_middle_of_an_epoch(engine: str) -> None:
    spec, data = typical(engine, epochs=50)
    asked: list[bool] = []

    def interrupted() -> bool:
        asked.append(True)
        return len(asked) > 2

    run = build(engine, data, spec, interrupted=interrupted)
    with pytest.raises(Interrupted):
        list(run.epochs())
    assert run.epoch <= 2


DIVERGING: dict[str, dict[str, Any]] = {
    "reduced": {"batch_size": "full", "learning_rate": 3.0},
    "composed": {"batch_size": 2, "learning_rate": 0.9},
    "compiled": {"batch_size": 2, "learning_rate": 0.9, "shuffle": True},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", DIVERGING)
def test_a_run_diverges_in_the_epoch_and_the_step_of_the_plain_loop(engine: str, dtype: str) -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(30, 2)), generator.normal(size=30)
    for factor in (1.0, 1.3, 2.0, 20.0):
        rate = factor * DIVERGING[engine]["learning_rate"]
        spec = TrainingSpec.model_validate(
            {"epochs": 5000, "dtype": dtype} | DIVERGING[engine] | {"learning_rate": rate}
        )
        theirs, ours = (
            end_of(run(prepare(x, y, spec), spec)) for run in (Training, lambda data, spec: build(engine, data, spec))
        )
        assert (ours.epoch, ours.step) == (theirs.epoch, theirs.step)
        if ours.steps:
            assert_same_steps(ours.steps, theirs.steps[: len(ours.steps)], TOLERANCE[dtype])
            assert len(ours.steps) == len(theirs.steps)


def end_of(run: Any) -> Diverged:
    with pytest.raises(Diverged) as caught:
        for _ in run.epochs():
            pass
    return caught.value


@pytest.mark.parametrize("engine", TYPICAL)
def test_near_a_loss_of_zero_the_digits_are_those_of_the_residuals(engine: str) -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(3000, 3))
    y = x @ [1.0, -2.0, 0.5] + 4
    change = {"optimizer": {"name": "sgd"}, "learning_rate": 0.3 if engine == "reduced" else 0.05}
    spec = TrainingSpec.model_validate(
        {"learning_rate": 0.01}
        | {"epochs": 300 if engine == "reduced" else 30, "dtype": "float64"}
        | TYPICAL[engine]
        | change
        | {"l2": 0.0}
    )
    losses = [record.loss for record in build(engine, prepare(x, y, spec), spec).epochs()]
    assert losses[0] > 0.01
    assert losses[-1] < 1e-27


@pytest.mark.parametrize("engine", TYPICAL)
def test_a_condition_of_a_hundred_million_costs_no_digits(engine: str) -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(1000, 3)) * [1.0, 1e-4, 1e-8] @ np.linalg.qr(generator.normal(size=(3, 3))).Q
    y = x @ [1.0, -2.0, 0.5] + 4 + generator.normal(size=len(x))
    spec = TrainingSpec.model_validate({"epochs": 3, "dtype": "float64"} | TYPICAL[engine] | {"learning_rate": 0.05})
    data = prepare(x, y, spec)
    assert_alike(list(build(engine, data, spec).epochs()), list(Training(data, spec).epochs()), 1e-10)


def test_weights_that_hardly_move_have_a_mean_gradient_with_all_digits() -> None:
    spec, data = typical("composed", learning_rate=1e-14, early_stopping=None, epochs=1, validation_fraction=0.95)
    ours, theirs = (list(run(data, spec).epochs()) for run in (lambda *job: build("composed", *job), Training))
    for mine, its in zip(ours, theirs, strict=True):
        assert mine.gradient_mean.weights == pytest.approx(its.gradient_mean.weights, rel=1e-10)


@pytest.mark.parametrize("engine", ["composed", "compiled"])
def test_numbers_that_overflow_for_other_starts_do_not_harm_this_one(engine: str) -> None:
    """From its fixed point descent does not move, however wild it would be from everywhere else."""
    x = np.linspace(1, 2, 4000)[:, None]
    spec = TrainingSpec(
        epochs=2, learning_rate=5.0, fit_bias=False, initial_weights=[2.0], dtype="float64", batch_size=1
    )
    data = prepare(x, 2 * x[:, 0], spec)
    for record in build(engine, data, spec).epochs():
        assert record.loss == 0
        assert record.parameters.weights == [2.0]


@pytest.mark.parametrize(("engine", "batch_size"), [("reduced", "full"), ("compiled", "full"), ("compiled", 3)])
def test_a_gradient_that_autograd_does_not_find_ends_the_run(
    engine: str, batch_size: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Descent._descend

    def take_wrongly(self: Descent, *given: Any) -> bool:
        is_finite = take(self, *given)
        [epochs] = (each for each in given if isinstance(each, EpochNumbers))
        epochs.fresh[:, 0] *= 1 + 1e-6
        epochs.gradient_mean[:, 0] *= 1 + 1e-6
        return is_finite

    monkeypatch.setattr(Descent, "_descend", take_wrongly)
    spec, data = typical(engine, batch_size=batch_size, shuffle=False)
    with pytest.raises(GradientsDiffer, match="by autograd"):
        list(build(engine, data, spec).blocks())


@pytest.mark.parametrize("engine", ["reduced", "compiled", "composed"])
def test_the_numbers_do_not_depend_on_how_many_epochs_a_block_has(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, data = typical(engine, epochs=40, early_stopping=None)
    together = list(build(engine, data, spec, keeps_steps=False).epochs())
    monkeypatch.setattr("slope.engines.descent.descent._FIRST_ROWS", 0)
    monkeypatch.setattr("slope.engines.descent.descent._BLOCK_SECONDS", 0.0)
    assert without_time(list(build(engine, data, spec, keeps_steps=False).epochs())) == without_time(together)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, *MOMENTUM], ids=lambda each: "-".join(map(str, each.values())))
def test_a_run_goes_on_from_the_checkpoint_of_an_earlier_version(optimizer: dict[str, Any]) -> None:
    """Its engines kept what the reference keeps: torch's own optimizer, and the leaves."""
    changes = {"optimizer": optimizer, "batch_size": 1000, "schedule": {"name": "constant"}, "early_stopping": None}
    spec, data = typical("compiled", **changes)
    earlier, now = Training(data, spec), build("compiled", data, spec)
    assert len(list(earlier.epochs(until=3))) == 3
    now.restore(earlier.checkpoint())
    assert now.epoch == 3
    assert_alike(list(now.epochs()), list(earlier.epochs()), 1e-9)


def test_numba_takes_no_settings_from_the_folder_one_starts_in(tmp_path: Path) -> None:
    (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\n")
    program = (
        "import slope.engines.kernels.compiling\n"
        "from numba.core import config\n"
        "config.reload_config()\n"  # as each compilation does
        "print(config.DISABLE_JIT)"
    )
    command = [sys.executable, "-P", "-W", "error", "-c", program]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "0"
