"""On a GPU the same specs give the CPU's numbers to stated tolerances. Run with `-m gpu` where there is one."""

from typing import Any

import numpy as np
import pytest
import torch

from slope.data import prepare
from slope.engines.build import build
from slope.engines.reduction.partitioned import PartitionedData, join_partitions
from slope.loop import Training
from slope.spec import TrainingSpec

pytestmark = pytest.mark.gpu

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
"""Relative, after 20 epochs of well-conditioned data."""

random = np.random.default_rng(0)
X = random.normal(size=(64, 4))
Y = X @ [1.0, -2.0, 0.5, 3.0] + 0.1 * random.normal(size=64)


# L-BFGS takes the curvature from differences of gradients: between mini-batches these are of other functions, and
# rounding grows from step to step. On full batches alone it can be held to the CPU's numbers.
OPTIMIZERS = ["sgd", "adam", "adamw", "rmsprop", "adagrad"]
RUNS = [(name, size) for name in OPTIMIZERS for size in (1, 16, "full")] + [("lbfgs", "full")]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("optimizer", "batch_size"), RUNS)
def test_the_gpu_agrees_with_the_cpu(optimizer: str, batch_size: Any, dtype: str) -> None:
    assert torch.cuda.is_available()
    spec = TrainingSpec.model_validate(
        {"learning_rate": 0.01}
        | {"epochs": 20, "batch_size": batch_size, "shuffle": True, "dtype": dtype, "optimizer": {"name": optimizer}}
    )
    runs = [Training(prepare(X, Y, spec), spec, device=device) for device in ("cpu", "cuda")]
    for cpu, gpu in zip(*(run.epochs() for run in runs), strict=True):
        assert gpu.loss == pytest.approx(cpu.loss, rel=TOLERANCE[dtype])
        assert gpu.parameters.weights == pytest.approx(cpu.parameters.weights, rel=TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("engine", "changes"),
    [
        ("reduced", {"batch_size": "full", "optimizer": {"name": "adam"}, "learning_rate": 0.1}),
    ],
)
def test_engines_on_the_gpu_agree_with_the_cpu_in_float64(engine: str, changes: dict[str, Any]) -> None:
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | {"epochs": 20, "validation_fraction": 0.25} | changes)
    data = prepare(X, Y, spec)
    runs = [build(engine, data, spec, device=device) for device in ("cpu", "cuda")]
    for cpu, gpu in zip(*(run.epochs() for run in runs), strict=True):
        assert gpu.loss == pytest.approx(cpu.loss, rel=TOLERANCE["float64"])
        assert gpu.validation_loss == pytest.approx(cpu.validation_loss, rel=TOLERANCE["float64"])
        assert gpu.gradient_last.weights == pytest.approx(cpu.gradient_last.weights, rel=1e-8)
        assert gpu.parameters.weights == pytest.approx(cpu.parameters.weights, rel=TOLERANCE["float64"])
        for mine, its in zip(gpu.steps, cpu.steps, strict=True):
            assert mine.gradient.weights == pytest.approx(its.gradient.weights, rel=1e-8)


def test_partitions_that_the_gpu_reduced_agree_with_the_cpu() -> None:
    spec = TrainingSpec(standardize=True, validation_fraction=0.25)
    halves = (range(32), range(32, 64))
    on_cpu, on_gpu = (
        join_partitions([data.reduce(rows, lambda: None) for rows in halves]).reductions(spec)
        for data in (
            PartitionedData(lambda rows: [(X[rows.start : rows.stop], Y[rows.start : rows.stop])], 64, 4, spec, device)
            for device in ("cpu", "cuda")
        )
    )
    weights = np.array([0.3, 1.0, -4.0, 2.0])
    for gpu, cpu in ((on_gpu.training, on_cpu.training), (on_gpu.validation, on_cpu.validation)):
        assert gpu.squared_error(weights, 0.7) == pytest.approx(cpu.squared_error(weights, 0.7), rel=1e-10)
