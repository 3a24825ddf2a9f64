"""A request as a whole: what it may say, and what is said of faults at several places."""

import math
from typing import Any

import pytest
from unit.spec.requests import HUGE, ID, LECTURE, pointers, request_with

from slope.spec import JobRequest


def test_the_request_of_the_lecture_is_accepted() -> None:
    request = JobRequest.model_validate(LECTURE)
    assert request.model_dump(mode="json", exclude_unset=True) == LECTURE


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
