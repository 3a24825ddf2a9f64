"""Unknown names, bare names and numbers in quotes: what was meant is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.spec.requests import all_faults, told, two_rows

from slope.spec import SweepRequest, TrainingSpec
from slope.spec.faults import pointer
from slope.spec.names import listed, no_such

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


def test_a_name_that_is_longer_than_any_column_s_is_cut_in_a_message() -> None:
    assert listed(["a" * 200, "b"], 1) == "a" * 200 + " and 1 more"
    assert listed(["a" * 201, "b" * 10**6], 2) == f"{'a' * 199}…, {'b' * 199}…"


def test_a_pointer_ends_before_a_very_long_name() -> None:
    assert pointer(["a", "b" * 1_000, 0]) == f"/a/{'b' * 1_000}/0"
    assert pointer(["a", "b" * 1_001, 0]) == "/a"
