"""Hyperparameters, optimizers and schedules: where the blame is put when one is wrong."""

import math
from typing import Any

import pytest
from unit.spec.requests import HUGE, faults, pointers, two_rows


@pytest.mark.parametrize(
    ("hyperparameters", "wrong"),
    [
        ({"epochs": 0}, ["/epochs"]),
        ({"epochs": -1}, ["/epochs"]),
        ({"epochs": 10_000_001}, ["/epochs"]),
        ({"epochs": HUGE}, ["/epochs"]),
        ({"epochs": 1.5}, ["/epochs"]),
        ({"epochs": "10"}, ["/epochs"]),
        ({"epochs": True}, ["/epochs"]),
        ({"epochs": None}, ["/epochs"]),
        ({"learning_rate": 0.0}, ["/learning_rate"]),
        ({"learning_rate": -0.1}, ["/learning_rate"]),
        ({"learning_rate": math.nan}, ["/learning_rate"]),
        ({"learning_rate": math.inf}, ["/learning_rate"]),
        ({"learning_rate": "0.1"}, ["/learning_rate"]),
        ({"learning_rate": HUGE}, ["/learning_rate"]),
        ({"learning_rate": 1e39}, ["/learning_rate"]),
        ({"batch_size": 0}, ["/batch_size"]),
        ({"batch_size": -3}, ["/batch_size"]),
        ({"batch_size": 1.5}, ["/batch_size"]),
        ({"batch_size": 2**53}, ["/batch_size"]),
        ({"batch_size": HUGE}, ["/batch_size"]),
        ({"batch_size": "all"}, ["/batch_size"]),
        ({"batch_size": True}, ["/batch_size"]),
        ({"batch_size": None}, ["/batch_size"]),
        ({"shuffle": 1}, ["/shuffle"]),
        ({"seed": -1}, ["/seed"]),
        ({"seed": 2**32}, ["/seed"]),
        ({"seed": HUGE}, ["/seed"]),
        ({"loss": "hinge"}, ["/loss"]),
        ({"huber_delta": 0}, ["/huber_delta"]),
        ({"l1": -1.0, "l2": -1.0}, ["/l1", "/l2"]),
        ({"l1": math.inf, "l2": math.nan}, ["/l1", "/l2"]),
        ({"l2": 1e39}, ["/l2"]),
        ({"fit_bias": "no"}, ["/fit_bias"]),
        ({"initial_weights": "ones"}, ["/initial_weights"]),
        ({"initial_weights": 1.0}, ["/initial_weights"]),
        ({"initial_weights": []}, ["/initial_weights"]),
        ({"initial_weights": [1.0, 2.0, 3.0]}, ["/initial_weights"]),
        ({"initial_weights": [1.0]}, ["/initial_weights"]),
        ({"initial_weights": [1.0, "2"]}, ["/initial_weights/1"]),
        ({"initial_weights": [[1.0, 2.0]]}, ["/initial_weights/0"]),
        ({"initial_weights": [1.0, math.nan]}, ["/initial_weights/1"]),
        ({"initial_weights": [HUGE, 1]}, ["/initial_weights/0"]),
        ({"initial_weights": [1.0, 1e39]}, ["/initial_weights/1"]),
        ({"initial_bias": "ones"}, ["/initial_bias"]),
        ({"initial_bias": [1.0]}, ["/initial_bias"]),
        ({"initial_bias": math.inf}, ["/initial_bias"]),
        ({"initial_bias": -1e39}, ["/initial_bias"]),
        ({"initial_bias": 1.0, "fit_bias": False}, ["/initial_bias"]),
        ({"frozen": ["weights", "bias"]}, ["/frozen"]),
        ({"frozen": ["weights"], "fit_bias": False}, ["/frozen"]),
        ({"frozen": ["bias"], "fit_bias": False}, ["/frozen"]),
        ({"frozen": ["slope"]}, ["/frozen/0"]),
        ({"frozen": "bias"}, ["/frozen"]),
        ({"zero_gradients": "always"}, ["/zero_gradients"]),
        ({"standardize": None}, ["/standardize"]),
        ({"validation_fraction": 1.0}, ["/validation_fraction"]),
        ({"validation_fraction": -0.1}, ["/validation_fraction"]),
        ({"validation_fraction": 0.1}, ["/validation_fraction"]),  # of two rows
        ({"validation_fraction": 0.9}, ["/validation_fraction"]),
        ({"early_stopping": {"patience": 0}}, ["/early_stopping/patience"]),
        ({"early_stopping": {"patience": 2**53}}, ["/early_stopping/patience"]),
        ({"early_stopping": {"patience": HUGE}}, ["/early_stopping/patience"]),
        ({"early_stopping": {"min_delta": HUGE}}, ["/early_stopping/min_delta"]),
        ({"early_stopping": {"min_delta": -1.0}}, ["/early_stopping/min_delta"]),
        ({"early_stopping": {"tolerance": 1.0}}, ["/early_stopping/tolerance"]),
        ({"early_stopping": True}, ["/early_stopping"]),
        ({"clip_norm": 0.0}, ["/clip_norm"]),
        ({"clip_norm": -1.0}, ["/clip_norm"]),
        ({"dtype": "float16"}, ["/dtype"]),
        ({"engine": "magic"}, ["/engine"]),
        ({"record": {"steps": "some", "every": 0, "last": True}}, ["/record/steps", "/record/every", "/record/last"]),
        ({"record": {"every": 2**53}}, ["/record/every"]),
        ({"record": {"every": HUGE}}, ["/record/every"]),
        ({"momentum": 0.9, "lr": 0.1}, ["/momentum", "/lr"]),
    ],
    ids=repr,
)  # fmt: skip
def test_a_bad_hyperparameter_is_refused_at_its_place(hyperparameters: dict[str, Any], wrong: list[str]) -> None:
    document = two_rows([[1.0, 2.0], [3.0, 4.0]], hyperparameters=hyperparameters)
    assert pointers(document) == ["/hyperparameters" + pointer for pointer in wrong]


@pytest.mark.parametrize(
    ("optimizer", "wrong"),
    [
        ({"name": "newton"}, [""]),
        ({"name": 1}, [""]),
        ({"name": None}, [""]),
        ({}, [""]),
        ("Adam", [""]),
        (None, [""]),
        ({"name": "sgd", "nesterov": True}, ["/nesterov"]),
        ({"name": "sgd", "nesterov": True, "momentum": 0.9, "dampening": 0.1}, ["/nesterov"]),
        ({"name": "sgd", "momentum": 0.9, "l1_step": "proximal"}, ["/momentum"]),
        ({"name": "sgd", "l1_step": "coordinate"}, ["/l1_step"]),
        ({"name": "sgd", "momentum": -0.1, "weight_decay": -0.1}, ["/momentum", "/weight_decay"]),
        ({"name": "sgd", "betas": [0.9, 0.99]}, ["/betas"]),
        ({"name": "adam", "betas": [0.9, 1.0]}, ["/betas/1"]),
        ({"name": "adam", "betas": [-0.1, 0.9]}, ["/betas/0"]),
        ({"name": "adam", "betas": [0.9]}, ["/betas"]),
        ({"name": "adam", "betas": [0.9, 0.9, 0.9]}, ["/betas"]),
        ({"name": "adam", "eps": -1.0, "amsgrad": 1}, ["/eps", "/amsgrad"]),
        ({"name": "adamw", "weight_decay": math.nan}, ["/weight_decay"]),
        ({"name": "adamw", "momentum": 0.9}, ["/momentum"]),
        ({"name": "rmsprop", "alpha": -1.0, "centered": "yes"}, ["/alpha", "/centered"]),
        ({"name": "adagrad", "lr_decay": -1.0, "initial_accumulator_value": 1e39}, ["/lr_decay"]),
        ({"name": "adagrad", "initial_accumulator_value": 1e39}, ["/initial_accumulator_value"]),
        ({"name": "lbfgs", "max_iter": 0, "max_eval": 0}, ["/max_iter", "/max_eval"]),
        (
            {"name": "lbfgs", "max_iter": HUGE, "max_eval": HUGE, "history_size": HUGE},
            ["/max_iter", "/max_eval", "/history_size"],
        ),
        ({"name": "lbfgs", "history_size": 1001, "line_search_fn": "armijo"}, ["/history_size", "/line_search_fn"]),
    ],
    ids=repr,
)
def test_a_bad_optimizer_is_refused_at_its_place(optimizer: Any, wrong: list[str]) -> None:
    document = two_rows([1.0, 2.0], hyperparameters={"optimizer": optimizer})
    assert pointers(document) == ["/hyperparameters/optimizer" + pointer for pointer in wrong]


@pytest.mark.parametrize(
    ("schedule", "wrong"),
    [
        ({"name": "warmup"}, [""]),
        ({}, [""]),
        ("Constant", [""]),
        ({"name": "constant", "gamma": 0.1}, ["/gamma"]),
        ({"name": "step"}, ["/step_size"]),
        ({"name": "step", "step_size": 0, "gamma": 0.0}, ["/step_size", "/gamma"]),
        ({"name": "step", "step_size": 1.5, "gamma": 1.5}, ["/step_size", "/gamma"]),
        ({"name": "exponential"}, ["/gamma"]),
        ({"name": "exponential", "gamma": "0.5"}, ["/gamma"]),
        ({"name": "cosine", "T_max": 0, "eta_min": -1.0}, ["/T_max", "/eta_min"]),
        ({"name": "cosine", "T_max": 2**53}, ["/T_max"]),
        ({"name": "cosine", "T_max": HUGE, "eta_min": HUGE}, ["/T_max", "/eta_min"]),
        ({"name": "step", "step_size": 2**53}, ["/step_size"]),
        ({"name": "step", "step_size": HUGE}, ["/step_size"]),
        ({"name": "inverse_scaling", "power": 0}, ["/power"]),
    ],
    ids=repr,
)
def test_a_bad_schedule_is_refused_at_its_place(schedule: Any, wrong: list[str]) -> None:
    document = two_rows([1.0, 2.0], hyperparameters={"schedule": schedule})
    assert pointers(document) == ["/hyperparameters/schedule" + pointer for pointer in wrong]


def test_lbfgs_is_refused_with_gradients_that_accumulate_or_are_clipped() -> None:
    lbfgs = {"name": "lbfgs"}
    for options, wrong in (
        ({"zero_gradients": "never"}, "/zero_gradients"),
        ({"zero_gradients": "epoch"}, "/zero_gradients"),
        ({"clip_norm": 1.0}, "/clip_norm"),
    ):
        document = two_rows([1.0, 2.0], hyperparameters={"optimizer": lbfgs, **options})
        assert pointers(document) == ["/hyperparameters" + wrong]
    assert faults(two_rows([1.0, 2.0], hyperparameters={"optimizer": lbfgs})) == []


def test_a_number_too_large_for_float32_is_accepted_for_float64() -> None:
    options = {"dtype": "float64", "learning_rate": 1e39, "initial_weights": [1e300], "initial_bias": -1e300}
    assert faults(two_rows([1.0, 2.0], hyperparameters=options)) == []
