"""Whatever numbers a spec is accepted with, its run ends or diverges: no number of it breaks an engine later on."""

import warnings
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from slope.data import prepare
from slope.engines.build import build
from slope.engines.costs import Work
from slope.engines.groups.fused import Fused
from slope.engines.groups.groups import obstacle
from slope.engines.obstacles import obstacles
from slope.records import Diverged
from slope.spec import TrainingSpec
from slope.spec.part import MAX_COUNT

SIZES = [5e-324, 1e-310, 1e-300, 1e-45, 1e-10, 0.5, 1.0, 3.0, 1e10, 3e38, 1e39, 1e300, 1.7976931348623157e308]
counts = st.sampled_from([1, 2, 3, 1000, MAX_COUNT])
positive = st.sampled_from(SIZES)
size = st.just(0.0) | positive
number = size | positive.map(lambda value: -value)
fraction = st.sampled_from([0.0, 5e-324, 1e-10, 0.5, 0.9, 0.9999999999999999])
factor = st.sampled_from([5e-324, 1e-10, 0.5, 0.9999999999999999, 1.0])


def _named(name: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"name": st.just(name)} | options)


ADAM = {
    "betas": st.lists(fraction, min_size=2, max_size=2),
    "eps": size,
    "weight_decay": size,
    "amsgrad": st.booleans(),
}
OPTIMIZERS = st.one_of(
    _named("sgd", momentum=size, dampening=number, weight_decay=size),
    _named("sgd", momentum=positive, nesterov=st.just(True), weight_decay=size),
    _named("adam", **ADAM),
    _named("adamw", **ADAM),
    _named("rmsprop", alpha=size, eps=size, weight_decay=size, momentum=size, centered=st.booleans()),
    _named("adagrad", lr_decay=size, eps=size, weight_decay=size, initial_accumulator_value=size),
    _named(
        "lbfgs",
        max_iter=st.sampled_from([1, 3, 20]),
        max_eval=st.sampled_from([None, 1, 5]),
        tolerance_grad=size,
        tolerance_change=size,
        history_size=st.sampled_from([1, 5, 1000]),
        line_search_fn=st.sampled_from([None, "strong_wolfe"]),
    ),
)
PER = st.sampled_from(["epoch", "step"])
SCHEDULES = st.one_of(
    _named("constant"),
    _named("step", step_size=counts, gamma=factor, per=PER),
    _named("exponential", gamma=factor, per=PER),
    _named("cosine", T_max=st.none() | counts, eta_min=size, per=PER),
    _named("inverse_scaling", power=positive, per=PER),
)
SPECS = st.fixed_dictionaries(
    {
        "epochs": st.sampled_from([1, 2, 3]),
        "learning_rate": positive,
        "batch_size": st.just("full") | counts,
        "shuffle": st.booleans(),
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "loss": st.sampled_from(["squared_error", "absolute_error", "huber"]),
        "huber_delta": positive,
        "l1": size,
        "l2": size,
        "initial_weights": st.just("normal") | st.lists(number, min_size=2, max_size=2),
        "initial_bias": st.just("zeros") | number,
        "zero_gradients": st.sampled_from(["step", "epoch", "never"]),
        "standardize": st.booleans(),
        "early_stopping": st.none() | st.fixed_dictionaries({"patience": counts, "min_delta": size}),
        "clip_norm": st.none() | positive,
        "record": st.fixed_dictionaries({"every": counts, "steps": st.sampled_from(["none", "all"])}),
        "seed": st.sampled_from([0, 2**32 - 1]),
        "dtype": st.sampled_from(["float32", "float64"]),
    }
)
X = np.array([[1.0, 2.0], [2.0, -1.0], [3.0, 0.5], [4.0, 4.0], [-1.0, 1.0]])
Y = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
ADAM_BEYOND_FLOAT32 = {"name": "adam", "betas": [0.9999999999999999, 0.9]}
A_SEARCH_FOR_NOTHING = {
    "name": "lbfgs",
    "tolerance_grad": 0.0,
    "tolerance_change": 0.0,
    "history_size": 5,
    "line_search_fn": "strong_wolfe",
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(SPECS)
@example({"learning_rate": 3e38, "optimizer": ADAM_BEYOND_FLOAT32})
@example({"learning_rate": 1.7976931348623157e308, "schedule": {"name": "cosine"}, "dtype": "float64"})
@example({"learning_rate": 1e-300, "loss": "huber", "optimizer": A_SEARCH_FOR_NOTHING, "dtype": "float64"})
def test_whatever_is_accepted_trains_or_diverges_by_every_engine_that_takes_it(document: dict[str, Any]) -> None:
    try:
        spec = TrainingSpec.model_validate({"learning_rate": 0.01} | document)
    except ValidationError:
        return
    data = prepare(X, Y, spec)
    with warnings.catch_warnings(action="error"):
        for engine in ("eager", "reduced", "composed", "compiled"):
            if not obstacles(engine, Work.of(spec, *X.shape, keeps_steps=False), "cpu"):
                with suppress(Diverged):
                    list(build(engine, data, spec).epochs())
        if obstacle(spec) is None:
            list(Fused(data, {0: spec, 1: spec}, 2).epochs())
