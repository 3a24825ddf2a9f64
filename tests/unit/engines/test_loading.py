"""What training does without: torch's own compiler takes a second to load, and 80 MB of every process that has it."""

import sys

import numpy as np
import pytest
import torch

from slope.data import prepare
from slope.engines.build import build
from slope.spec import TrainingSpec


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants to load it fails, also where another test has had it loaded."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    for method in ("add_param_group", "state_dict", "load_state_dict", "zero_grad"):
        wrapped = getattr(torch.optim.Optimizer, method).__wrapped__
        monkeypatch.delattr(wrapped, "__dynamo_disable", raising=False)


@pytest.mark.usefixtures("no_compiler")
def test_plain_descent_does_not_load_the_compiler_of_torch() -> None:
    asked = {"epochs": 4, "learning_rate": 0.01, "schedule": {"name": "exponential", "gamma": 0.9}}
    spec = TrainingSpec.model_validate(asked)
    data = prepare(np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.0]), spec)
    runs = [build("eager", data, spec, device="cpu") for _ in range(2)]

    list(runs[0].epochs(2))
    runs[1].restore(runs[0].checkpoint())

    one, other = ([step.gradient for step in run.replayed(range(3))] for run in runs)
    assert one == other
