"""What a request says by default, and that nothing changes it on its way through JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from unit.spec.requests import ID, LECTURE

from slope.spec import JobRequest, TrainingSpec

ROOT = Path(__file__).parents[3]


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
