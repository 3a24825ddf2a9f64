"""Data in a request: what is taken, and where the blame is put when it is wrong."""

import math
from typing import Any

import pytest
from unit.spec.requests import HUGE, ID, faults, pointers, two_rows

from slope.spec import DatasetReference, InlineData, JobRequest


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
