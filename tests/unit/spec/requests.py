"""Requests that tests of the spec begin with, and what is said of them."""

import copy
from typing import Any

from pydantic import TypeAdapter, ValidationError

from slope.spec import Fault, JobRequest, faults_of

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


def all_faults(kind: Any, value: Any) -> list[tuple[str | int, ...]]:
    """The places that a validation of the whole finds fault with."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return [fault["loc"] for fault in error.errors()]
    return []
