"""Every engine gives the numbers of the plain loop, to rounding, over specs and data that nobody thought of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slope.data import TrainingData, prepare
from slope.engines.build import build
from slope.loop import Training
from slope.records import EpochRecord
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
    spec = TrainingSpec.model_validate(chosen | {name: draw(strategy) for name, strategy in changes.items()})
    held_back = round(spec.validation_fraction * rows)
    if spec.validation_fraction and not 0 < held_back < rows:
        spec = spec.model_copy(update={"validation_fraction": 0.0})
    return spec, prepare(x, y, spec)


SIZES = st.one_of(st.integers(1, 5), st.sampled_from([16, 33, 40, 1000]))
L2 = st.sampled_from([0.0, 0.1])
DECAYING = st.sampled_from([SGD, {"name": "sgd", "weight_decay": 0.05}])
MOMENTUM = st.sampled_from(
    [
        SGD,
        {"name": "sgd", "momentum": 0.9, "dampening": 0.1},
        {"name": "sgd", "momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
    ]
)
BY_ENGINE = {
    "reduced": cases(
        {
            "batch_size": st.sampled_from(["full", 1000]),
            "optimizer": st.sampled_from(OPTIMIZERS),
            "l1": st.sampled_from([0.0, 0.01]),
            "l2": L2,
            "clip_norm": st.sampled_from([None, 1.0]),
            "zero_gradients": st.sampled_from(["step", "epoch", "never"]),
        }
    ),
    "blocked": cases({"batch_size": SIZES, "optimizer": DECAYING, "l2": L2, "shuffle": st.booleans()}),
    "composed": cases({"batch_size": SIZES}),
    "compiled": cases(
        {
            "batch_size": SIZES,
            "optimizer": MOMENTUM,
            "l2": L2,
            "shuffle": st.booleans(),
            "loss": st.sampled_from(["squared_error", "huber"]),
            "huber_delta": st.just(0.5),
        }
    ),
}
KEEPS_STEPS = ("reduced", "blocked")


@pytest.mark.parametrize("engine", BY_ENGINE)
def test_an_engine_gives_the_numbers_of_the_plain_loop(engine: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(BY_ENGINE[engine])
    def agrees(case: Case) -> None:
        spec, data = case
        theirs, ours = list(Training(data, spec).epochs()), list(build(engine, data, spec).epochs())
        if spec.dtype == "float64" or spec.early_stopping is None:  # which epoch is the best may hang on rounding
            assert len(ours) == len(theirs)
        assert_alike(ours, theirs, TOLERANCE[spec.dtype])

    agrees()


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
