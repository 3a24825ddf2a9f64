"""The spec: what a request may say, what it says by default, and where the blame is put when it is wrong."""

import copy
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

import slope.spec.data
import slope.spec.faults
import slope.spec.part
from slope.spec import DatasetReference, Fault, InlineData, JobRequest, SweepRequest, TrainingSpec, faults_of
from slope.spec.faults import faults_from, first_of
from slope.spec.names import no_such

ROOT = Path(__file__).parents[3]
LECTURE: dict[str, Any] = {
    "name": "lecture",
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]},
    "hyperparameters": {
        "epochs": 10,
        "learning_rate": 0.01,
        "batch_size": 1,
        "fit_bias": False,
        "initial_weights": [1.0],
    },
    "predict": [4.0],
    "device": "auto",
    "metadata": {"course": "autograd"},
}
ID = "0190b5a0-0000-7000-8000-000000000000"
HUGE = 10**400
StrictNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def faults(document: Any) -> list[Fault]:
    """What is wrong with a job request."""
    try:
        JobRequest.model_validate(document)
    except ValidationError as error:
        return faults_of(error.errors(), document)
    return []


def pointers(document: Any) -> list[str]:
    return [fault.pointer for fault in faults(document)]


def told(document: Any) -> dict[str, str]:
    return {fault.pointer: fault.detail for fault in faults(document)}


def request_with(**parts: Any) -> dict[str, Any]:
    return {**copy.deepcopy(LECTURE), **parts}


def two_rows(x: Any, **parts: Any) -> dict[str, Any]:
    return {"dataset": {"x": x, "y": [0.0, 1.0]}, **parts}


def test_the_request_of_the_lecture_is_accepted() -> None:
    request = JobRequest.model_validate(LECTURE)
    assert request.model_dump(mode="json", exclude_unset=True) == LECTURE


# Datasets


@pytest.mark.parametrize(
    ("dataset", "wrong"),
    [
        ({}, ["/x", "/y"]),
        ({"x": [1.0]}, ["/y"]),
        ({"x": [], "y": []}, ["/x"]),
        ({"x": [], "y": [1.0]}, ["/x"]),
        ({"x": [1.0], "y": []}, ["/y"]),
        ({"x": [1.0], "y": [1.0, 2.0]}, ["/y"]),
        ({"x": [[1.0], [2.0]], "y": [1.0]}, ["/y"]),
        ({"x": [[1.0, 2.0], [3.0]], "y": [1.0, 2.0]}, ["/x/1"]),
        ({"x": [[1.0], [2.0], [3.0, 4.0]], "y": [1.0, 2.0, 3.0]}, ["/x/2"]),
        ({"x": [[]], "y": [1.0]}, ["/x/0"]),
        ({"x": [[1.0], []], "y": [1.0, 2.0]}, ["/x/1"]),
        ({"x": [1.0, [2.0]], "y": [1.0, 2.0]}, ["/x/1"]),
        ({"x": [[1.0], 2.0], "y": [1.0, 2.0]}, ["/x/1"]),
        ({"x": [[[1.0]]], "y": [1.0]}, ["/x/0/0"]),
        ({"x": ["1", 2.0], "y": ["a", 2.0]}, ["/x/0", "/y/0"]),
        ({"x": [[1.0, "2"]], "y": [1.0]}, ["/x/0/1"]),
        ({"x": [True, None], "y": [1.0, False]}, ["/x/0", "/x/1", "/y/1"]),
        ({"x": [math.nan, 1.0], "y": [1.0, math.inf]}, ["/x/0", "/y/1"]),
        ({"x": [[1.0, -math.inf]], "y": [math.nan]}, ["/x/0/1", "/y/0"]),
        ({"x": [1, HUGE], "y": [-HUGE, 1]}, ["/x/1", "/y/0"]),
        ({"x": [[HUGE]], "y": [1]}, ["/x/0/0"]),
        ({"x": [1.0], "y": [[1.0]]}, ["/y/0"]),
        ({"x": 1.0, "y": 2.0}, ["/x", "/y"]),
        ({"x": "abc", "y": "abc"}, ["/x", "/y"]),
        ({"x": {"0": 1.0}, "y": None}, ["/x", "/y"]),
        ({"x": [1.0], "y": [1.0], "z": [1.0]}, ["/z"]),
        ({"id": "seven"}, ["/id"]),
        ({"id": 7}, ["/id"]),
        ({"id": ID, "x": [1.0]}, ["/x"]),
        ({"id": ID, "features": "a", "target": 1}, ["/features", "/target"]),
        ({"id": ID, "features": ["a", 1]}, ["/features/1"]),
        (None, [""]),
        ([1.0, 2.0], [""]),
        ("lecture", [""]),
    ],
    ids=repr,
)
def test_a_bad_dataset_is_refused_at_every_place_that_is_wrong(dataset: Any, wrong: list[str]) -> None:
    assert pointers({"dataset": dataset}) == ["/dataset" + pointer for pointer in wrong]


def test_numbers_too_large_for_float32_are_refused_where_they_stand() -> None:
    assert pointers({"dataset": {"x": [1.0, 1e39], "y": [1.0, 2.0]}}) == ["/dataset/x/1"]
    assert pointers({"dataset": {"x": [[1.0, -1e39]], "y": [1.0]}}) == ["/dataset/x/0/1"]
    assert pointers({"dataset": {"x": [1.0], "y": [10**39]}}) == ["/dataset/y/0"]
    assert pointers(two_rows([1.0, 2.0], predict=[1.0, 1e39])) == ["/predict/1"]
    wide = {"dataset": {"x": [1e39], "y": [1e39]}, "predict": [1e39], "hyperparameters": {"dtype": "float64"}}
    assert faults(wide) == []


def test_the_largest_number_of_float32_is_accepted_and_the_first_that_rounds_to_infinity_is_not() -> None:
    largest, first_above = 3.4028235677973362e38, 3.4028235677973366e38
    assert math.nextafter(largest, math.inf) == first_above
    assert pointers({"dataset": {"x": [largest], "y": [-largest]}}) == []
    assert pointers({"dataset": {"x": [1.0], "y": [-first_above]}}) == ["/dataset/y/0"]


def test_plain_numbers_are_rows_of_one() -> None:
    assert (InlineData(x=[1.0, 2.0], y=[3.0, 4.0]).rows, InlineData(x=[1.0, 2.0], y=[3.0, 4.0]).width) == (2, 1)
    assert (InlineData(x=[[1.0, 2.0]], y=[3.0]).rows, InlineData(x=[[1.0, 2.0]], y=[3.0]).width) == (1, 2)


def test_columns_that_come_with_a_request_have_the_names_it_gives_them() -> None:
    x, y = [[1.0, 2.0]], [3.0]
    assert InlineData(x=[1.0], y=y).names == ["x", "y"]
    assert InlineData(x=x, y=y).names == ["x0", "x1", "y"]
    assert InlineData(x=x, y=y, features=["hours", "rooms"], target="price").names == ["hours", "rooms", "price"]


@pytest.mark.parametrize(
    ("names", "pointer"),
    [
        ({"features": ["hours"]}, "/dataset/features"),
        ({"features": ["hours", "hours"]}, "/dataset/features/1"),
        ({"features": ["hours", "y"]}, "/dataset/features/1"),
        ({"features": ["hours", "price"], "target": "price"}, "/dataset/features/1"),
        ({"target": "x0"}, "/dataset/target"),
        ({"features": ["hours", ""]}, "/dataset/features/1"),
        ({"features": ["hours", "a\x00b"]}, "/dataset/features/1"),
        ({"features": ["hours", "h" * 201]}, "/dataset/features/1"),
    ],
)
def test_names_of_columns_are_as_many_as_columns_and_all_different(names: dict[str, Any], pointer: str) -> None:
    assert pointers({"dataset": {"x": [[1.0, 2.0]], "y": [3.0]} | names}) == [pointer]


def test_whole_numbers_are_numbers() -> None:
    request = JobRequest.model_validate({"dataset": {"x": [1, 2], "y": [3, 4]}, "hyperparameters": {"l2": 1}})
    assert request.model_dump()["dataset"] == {"x": [1.0, 2.0], "y": [3.0, 4.0]}


def test_a_dataset_is_known_by_its_id() -> None:
    reference = JobRequest.model_validate({"dataset": {"id": ID, "features": ["a"], "target": "b"}}).dataset
    assert isinstance(reference, DatasetReference)
    assert str(reference.id) == ID


# Hyperparameters


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


# The rest of a request


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        ({"name": ""}, ["/name"]),
        ({"name": "x" * 201}, ["/name"]),
        ({"name": 7}, ["/name"]),
        ({"predict": ["4"]}, ["/predict/0"]),
        ({"predict": [math.nan]}, ["/predict/0"]),
        ({"predict": [HUGE]}, ["/predict/0"]),
        ({"predict": [[1.0, 2.0]]}, ["/predict/0"]),  # of one feature
        ({"predict": [[1.0], [1.0, 2.0]]}, ["/predict/1"]),
        ({"predict": [[]]}, ["/predict/0"]),
        ({"predict": 4.0}, ["/predict"]),
        ({"predict": [0.0] * 10_001}, ["/predict"]),
        ({"device": "gpu"}, ["/device"]),
        ({"device": "cuda:-1"}, ["/device"]),
        ({"device": "cuda:0\n"}, ["/device"]),
        ({"device": None}, ["/device"]),
        ({"timeout_seconds": 0.0}, ["/timeout_seconds"]),
        ({"timeout_seconds": math.inf}, ["/timeout_seconds"]),
        ({"name": "a\0b", "metadata": {"c": "\0"}}, ["/name", "/metadata/c"]),
        ({"metadata": {"a": 1}}, ["/metadata/a"]),
        ({"metadata": {"a": "x" * 513}}, ["/metadata/a"]),
        ({"metadata": {"": "x"}}, ["/metadata/"]),
        ({"metadata": {"a/b~c": None}}, ["/metadata/a~1b~0c"]),
        ({"metadata": {str(key): "" for key in range(51)}}, ["/metadata"]),
        ({"metadata": []}, ["/metadata"]),
        ({"hyperparameters": None}, ["/hyperparameters"]),
        ({"hyperparameters": []}, ["/hyperparameters"]),
        ({"hyper/parameters~": {}}, ["/hyper~1parameters~0"]),
        ({"dataset_id": ID, "epochs": 10}, ["/dataset_id", "/epochs"]),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_bad_part_of_a_request_is_refused_at_its_place(parts: dict[str, Any], wrong: list[str]) -> None:
    assert pointers(request_with(**parts)) == wrong


@pytest.mark.parametrize("document", [None, [], "lecture", 7])
def test_what_is_no_request_at_all_is_refused_as_a_whole(document: Any) -> None:
    assert pointers(document) == [""]


def test_a_request_needs_data() -> None:
    assert pointers({}) == ["/dataset"]


def test_faults_at_several_places_are_told_together() -> None:
    document = {
        "dataset": {"x": [1.0, "2"], "y": [1.0, 2.0]},
        "hyperparameters": {"epochs": 0, "optimizer": {"name": "adam", "eps": -1.0}, "rate": 1.0},
        "predict": [None],
    }
    assert sorted(pointers(document)) == [
        "/dataset/x/1",
        "/hyperparameters/epochs",
        "/hyperparameters/optimizer/eps",
        "/hyperparameters/rate",
        "/predict/0",
    ]


def test_a_thousand_faults_are_told_as_the_first_hundred() -> None:
    document = {"dataset": {"x": ["bad"] * 1000, "y": [1.0] * 1000}}
    assert pointers(document) == [f"/dataset/x/{index}" for index in range(100)]


LONG = 30_000
NUMBERS = st.one_of(st.just(1.0), st.just("a"), st.none())


@pytest.mark.parametrize(
    "document",
    [
        {"dataset": {"x": ["bad"] * LONG, "y": [1.0]}},
        {"dataset": {"x": [["bad"]] * LONG, "y": [1.0]}},
        {"dataset": {"x": [[1.0], ["bad"] * LONG], "y": [1.0]}},
        {"dataset": {"x": [[1.0], *["bad"] * LONG], "y": [1.0]}},
        {"dataset": {"x": [1.0], "y": [[1.0]] * LONG}},
        {"dataset": {"id": ID, "features": [1] * LONG}},
        request_with(predict=[None] * LONG),
        request_with(metadata=dict.fromkeys(map(str, range(LONG)))),
        request_with(hyperparameters={"initial_weights": ["bad"] * LONG}),
        request_with(hyperparameters={"frozen": ["bad"] * LONG}),
        request_with(hyperparameters=dict.fromkeys(map(str, range(LONG)))),
        request_with(**dict.fromkeys(map(str, range(LONG)))),
    ],
)
def test_of_very_many_faults_only_the_first_hundred_are_collected(document: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        JobRequest.model_validate(document)
    assert 100 <= len({error["loc"] for error in raised.value.errors()}) == raised.value.error_count() <= 101


@given(st.lists(NUMBERS, max_size=30) | st.lists(st.lists(NUMBERS, max_size=5) | NUMBERS, min_size=1, max_size=20))
def test_the_first_faults_of_data_are_those_of_a_full_validation(x: list[Any]) -> None:
    kind = list[list[StrictNumber]] if x and isinstance(x[0], list) else list[StrictNumber]
    expected = all_faults(kind, x)[:6]
    with small_pieces():
        found = all_faults(InlineData, {"x": x, "y": [1.0]})
    if expected:
        assert found == [("x", *place) for place in expected]


@given(
    metadata=st.dictionaries(st.text(max_size=2), st.just("right") | st.just(1), max_size=30),
    weights=st.lists(NUMBERS, max_size=30),
    unknown=st.lists(st.text("abc", min_size=1), max_size=20, unique=True),
)
def test_the_first_faults_of_a_request_are_those_of_a_full_validation(
    metadata: dict[str, Any], weights: list[Any], unknown: list[str]
) -> None:
    document = request_with(metadata=metadata, hyperparameters={"initial_weights": weights}, **dict.fromkeys(unknown))
    expected = all_faults(JobRequest, document)
    with small_pieces():
        found = all_faults(JobRequest, document)
    for part in ("hyperparameters", "metadata"):
        places = in_part(found, part)
        assert places[:6] == in_part(expected, part)[:6]
        assert len(places) <= 2 * 6, "an entry has two faults at most: its name's and its value's"
    strangers = [place for place in expected if place[0] in unknown]
    assert [place for place in found if place[0] in unknown][:6] == strangers[:6]


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({"settings": [{"rate": 1.0}] * LONG}, [("settings", index, "rate") for index in range(100)]),
        ({"settings": [dict.fromkeys(map(str, range(LONG)))]}, [("settings", 0, "0")]),
        ({"grid": {str(name): [1.0] for name in range(LONG)}}, [("grid", "0")]),
    ],
    ids=["many settings", "a wide setting", "a wide grid"],
)
def test_of_very_many_unknown_hyperparameters_the_first_are_told(settings: Any, places: Any) -> None:
    assert all_faults(SweepRequest, {"dataset": LECTURE["dataset"]} | settings) == places


def test_what_follows_the_first_faults_is_not_looked_at() -> None:
    seen: list[int] = []

    def check(piece: list[Any]) -> Any:
        seen.append(len(piece))
        return TypeAdapter(list[StrictNumber]).validate_python(piece)

    error = first_of(faults_from(10_000, [1.0] * 20_000 + ["bad"] * 1_000_000, check))

    assert [fault["loc"] for fault in error.errors()] == [(place,) for place in range(20_000, 20_100)]
    assert sum(seen) == 11_000


def all_faults(kind: Any, value: Any) -> list[tuple[str | int, ...]]:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return [fault["loc"] for fault in error.errors()]
    return []


def in_part(places: list[tuple[str | int, ...]], name: str) -> list[tuple[str | int, ...]]:
    return [place for place in places if place[0] == name and len(place) > 1]


@contextmanager
def small_pieces() -> Iterator[None]:
    """Few faults are told, and pieces are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slope.spec.faults, "MOST_FAULTS", 6)
        patch.setattr(slope.spec.part, "MOST_FAULTS", 6)
        patch.setattr(slope.spec.faults, "_PIECE", 4)
        patch.setattr(slope.spec.part, "MOST_FAULTS", 6)
        patch.setattr(slope.spec.data, "_PIECE", 7)
        yield


def test_a_fault_says_in_a_sentence_what_is_wrong() -> None:
    document = {"dataset": {"x": [[1.0, 2.0], [3.0]], "y": [1.0, 2.0]}}
    assert faults(document) == [Fault("Row 1 has 1 number, row 0 has 2", "/dataset/x/1")]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from([*LECTURE, "x", "y", "id", "optimizer", "epochs", "a"]), inner, max_size=4),
        ),
        max_leaves=12,
    )
)
def test_any_document_is_accepted_or_blamed_at_places_it_has(document: Any) -> None:
    for fault in faults(document):
        value = document
        parts = [part.replace("~1", "/").replace("~0", "~") for part in fault.pointer.split("/")[1:]]
        for place, part in enumerate(parts):
            is_missing = place == len(parts) - 1 and "required" in fault.detail
            value = None if is_missing else value[int(part) if isinstance(value, list) else part]


# Defaults, and the way through JSON


def test_the_defaults_are_those_of_the_design() -> None:
    assert TrainingSpec().model_dump(mode="json") == {
        "epochs": 10,
        "learning_rate": "auto",
        "batch_size": 1,
        "shuffle": False,
        "seed": 0,
        "optimizer": {
            "name": "sgd",
            "momentum": 0.0,
            "dampening": 0.0,
            "weight_decay": 0.0,
            "nesterov": False,
            "l1_step": "subgradient",
        },
        "schedule": {"name": "constant"},
        "loss": "squared_error",
        "huber_delta": 1.0,
        "l1": 0.0,
        "l2": 0.0,
        "fit_bias": True,
        "initial_weights": "zeros",
        "initial_bias": "zeros",
        "frozen": [],
        "zero_gradients": "step",
        "standardize": False,
        "validation_fraction": 0.0,
        "test_fraction": 0.0,
        "early_stopping": None,
        "clip_norm": None,
        "dtype": "float32",
        "engine": "auto",
        "record": {"steps": "auto", "every": 1},
    }


def test_a_request_is_its_data_and_otherwise_defaults() -> None:
    data = {"x": [1.0], "y": [2.0]}
    assert JobRequest.model_validate({"dataset": data}).model_dump(mode="json") == {
        "name": None,
        "dataset": data,
        "hyperparameters": TrainingSpec().model_dump(mode="json"),
        "predict": [],
        "device": "auto",
        "timeout_seconds": None,
        "initial_from": None,
        "cross_validation": None,
        "metadata": {},
    }


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "adagrad", "lbfgs", "sgd"])
def test_the_options_of_an_optimizer_and_their_defaults_are_those_of_torch(name: str) -> None:
    import inspect

    import torch

    classes = {"adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad", "lbfgs": "LBFGS"}
    theirs = inspect.signature(getattr(torch.optim, classes.get(name, "SGD"))).parameters
    spec = TrainingSpec.model_validate({"optimizer": {"name": name}}).optimizer.model_dump(exclude={"name", "l1_step"})
    assert {option: theirs[option].default for option in spec} == {
        option: tuple(value) if isinstance(value, list) else value for option, value in spec.items()
    }


EVERYTHING: list[dict[str, Any]] = [
    {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "schedule": {"name": "step", "step_size": 3}},
    {"optimizer": {"name": "adam", "betas": [0.5, 0.75]}, "schedule": {"name": "exponential", "gamma": 0.5}},
    {"optimizer": {"name": "adamw"}, "schedule": {"name": "cosine", "T_max": 5}, "batch_size": "full"},
    {"optimizer": {"name": "rmsprop"}, "schedule": {"name": "cosine"}, "initial_weights": [0.1, 1e-30]},
    {"optimizer": {"name": "adagrad"}, "schedule": {"name": "inverse_scaling"}, "initial_bias": -0.1},
    {"optimizer": {"name": "lbfgs", "line_search_fn": "strong_wolfe"}, "initial_weights": "normal"},
    {"early_stopping": {"patience": 3}, "record": {"steps": "none", "every": 7}, "frozen": ["bias"], "clip_norm": 0.1},
]


@pytest.mark.parametrize("options", EVERYTHING, ids=lambda options: next(iter(options.values())).get("name"))
@pytest.mark.parametrize("dataset", [{"x": [[1.0, 0.1]], "y": [1e-300]}, {"id": ID, "features": ["a", "b"]}])
def test_a_request_goes_through_json_unchanged(options: dict[str, Any], dataset: dict[str, Any]) -> None:
    request = JobRequest.model_validate({"dataset": dataset, "hyperparameters": options, "predict": [[1.0, 2.0]]})
    document = json.loads(json.dumps(request.model_dump(mode="json")))
    assert JobRequest.model_validate(document) == request
    assert TrainingSpec.model_validate(document["hyperparameters"]) == request.hyperparameters
    assert JobRequest.model_validate(document).model_dump(mode="json") == document


@pytest.mark.parametrize("part", ["dataset", "hyperparameters", "name"])
def test_a_request_cannot_be_changed(part: str) -> None:
    request = JobRequest.model_validate(LECTURE)
    with pytest.raises(ValidationError):
        setattr(request, part, None)


def test_no_part_of_a_request_takes_unknown_fields_or_can_be_changed() -> None:
    parts: list[type[BaseModel]] = [JobRequest]
    for part in parts:  # grows while it is walked
        assert (part.model_config["extra"], part.model_config["frozen"], part.model_config["strict"]) == (
            "forbid", True, True,
        )  # fmt: skip
        found = [model for field in part.model_fields.values() for model in models_in(field.annotation)]
        parts.extend(model for model in found if model not in parts)
    assert len(parts) == 18


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in models_in(argument)]


def test_the_spec_does_not_import_torch_nor_numpy() -> None:
    program = "import sys, slope.spec; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


# Unknown names


_LONG_NAMES = sorted(name for name in TrainingSpec.model_fields if len(name) > 2)


_LETTERS = st.characters(exclude_categories=["Cs"])
"""A lone surrogate is no text, and is told as that."""


@given(name=st.sampled_from(_LONG_NAMES), place=st.integers(0, 30), letter=_LETTERS)
def test_a_field_with_a_letter_too_many_is_told_with_the_field_that_is_meant(
    name: str, place: int, letter: str
) -> None:
    mistyped = f"{name[:place]}{letter}{name[place:]}"
    assert f"did you mean `{name}`?" in "".join(told(two_rows([0.0, 1.0], hyperparameters={mistyped: 1})).values())


@pytest.mark.parametrize(
    ("part", "pointer", "meant"),
    [
        ({"timeout": 5}, "/timeout", "did you mean `timeout_seconds`?"),
        ({"dataset": {"X": [1.0], "y": [1.0]}}, "/dataset/X", "did you mean `x`?"),
        ({"hyperparameters": {"lr": 1}}, "/hyperparameters/lr", "there is batch_size, clip_norm, "),
        (
            {"hyperparameters": {"optimizer": {"name": "adam", "beta": 1}}},
            "/hyperparameters/optimizer/beta",
            "did you mean `betas`?",
        ),
    ],
)
def test_an_unknown_field_is_told_with_the_nearest_or_with_all(part: dict[str, Any], pointer: str, meant: str) -> None:
    assert meant in told({**two_rows([0.0, 1.0]), **part})[pointer]


@pytest.mark.parametrize(
    ("part", "pointer", "holder"),
    [
        ({"epochs": 5}, "/epochs", "hyperparameters"),
        ({"x": [1.0], "y": [1.0]}, "/y", "dataset"),
        ({"hyperparameters": {"momentum": 0.9}}, "/hyperparameters/momentum", "optimizer"),
        ({"hyperparameters": {"patience": 3}}, "/hyperparameters/patience", "early_stopping"),
    ],
)
def test_a_field_of_a_part_is_told_with_that_part(part: dict[str, Any], pointer: str, holder: str) -> None:
    assert f"it belongs in `{holder}`" in told({**two_rows([0.0, 1.0]), **part})[pointer]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("optimizer", "adam"), ("optimizer", "lbfgs"), ("schedule", "cosine"), ("schedule", "constant")],
)
def test_a_bare_name_is_the_object_of_that_name_with_its_defaults(kind: str, name: str) -> None:
    spec = TrainingSpec.model_validate({kind: name})
    assert spec == TrainingSpec.model_validate({kind: {"name": name}})
    assert spec.model_dump()[kind]["name"] == name


def test_a_sweep_tries_bare_names_beside_objects() -> None:
    optimizers = ["adam", {"name": "sgd", "momentum": 0.9}]
    sweep = SweepRequest.model_validate(two_rows([0.0, 1.0]) | {"grid": {"optimizer": optimizers}})
    assert [job.hyperparameters.optimizer.name for job in sweep.jobs] == ["adam", "sgd"]
    incomplete = two_rows([0.0, 1.0]) | {"grid": {"schedule": ["cosine", "exponential"]}}
    assert all_faults(SweepRequest, incomplete) == [("grid", "schedule", 1, "exponential", "gamma")]


@pytest.mark.parametrize(
    ("kind", "name", "pointer", "meant"),
    [
        ("optimizer", "Adam", "/optimizer", "'adam'"),
        ("schedule", "adam", "/schedule", "'cosine'"),
        ("schedule", "step", "/schedule/step_size", "Field required"),
    ],
)
def test_a_bare_name_that_is_none_or_does_not_suffice_is_told(kind: str, name: str, pointer: str, meant: str) -> None:
    assert meant in told(two_rows([0.0, 1.0], hyperparameters={kind: name}))[f"/hyperparameters{pointer}"]


def test_the_document_has_the_bare_names_of_requests_and_only_objects_in_answers() -> None:
    asked = TrainingSpec.model_json_schema(mode="validation")["properties"]
    answered = TrainingSpec.model_json_schema(mode="serialization")["properties"]
    assert asked["optimizer"]["anyOf"][1]["enum"] == ["sgd", "adam", "adamw", "rmsprop", "adagrad", "lbfgs"]
    assert asked["schedule"]["anyOf"][1]["enum"] == [
        "constant",
        "cosine",
        "inverse_scaling",
    ]  # the others have no defaults
    assert "oneOf" in answered["optimizer"]


@pytest.mark.parametrize("name", ["batch_size", "initial_weights", "initial_bias"])
def test_a_number_in_quotes_is_told_to_come_without(name: str) -> None:
    detail = told(two_rows([0.0, 1.0], hyperparameters={name: "32"}))[f"/hyperparameters/{name}"]
    assert "without quotes" in detail


def test_a_very_long_name_and_very_many_known_ones_are_not_compared() -> None:
    assert no_such("column", "a" * 1_000, ["a"]) == "There is no such column here: there is a"
    assert no_such("column", "a", [f"a{number}" for number in range(2_000)]) == "There is no such column here"
