"""The data of the benchmarks of engines: rows of ten features, and a target that they explain but for noise."""

from time import perf_counter
from typing import Any

import numpy as np
import torch

from slope.arrays import Array
from slope.data import prepare
from slope.engines.build import build
from slope.records import EpochRecord
from slope.spec import TrainingSpec

FEATURES = 10


def rows(count: int) -> tuple[Array, Array]:
    """x (count × 10) and y (count)."""
    random = np.random.default_rng(20)
    x = random.normal(size=(count, FEATURES))
    return x, x @ np.arange(1.0, FEATURES + 1) + random.normal(size=count)


def spec_of(**changes: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"learning_rate": 0.01} | {"dtype": "float64", "fit_bias": False} | changes)


def trained(engine: str, x: Array, y: Array, spec: TrainingSpec) -> tuple[float, list[EpochRecord]]:
    """Seconds from the arrays to the last record, on one thread as in a worker; and the records."""
    torch.set_num_threads(1)
    started = perf_counter()
    keeps_steps = spec.record.steps == "all"
    run = build(engine, prepare(x, y, spec), spec, keeps_steps=keeps_steps)
    blocks = list(run.blocks())
    return perf_counter() - started, [record for block in blocks for record in block]


def load_everything() -> None:
    """Have each engine load what it loads at its first use, which is not timed."""
    for engine, size in (("reduced", "full"), ("composed", 1), ("compiled", 1)):
        trained(engine, *rows(8), spec_of(epochs=2, batch_size=size))


def largest_difference(ours: Any, theirs: Any) -> float:
    """Relative to the largest of theirs."""
    mine, its = np.array(ours, dtype=float), np.array(theirs, dtype=float)
    return float(np.abs(mine - its).max() / np.abs(its).max())


def agreement(ours: Any, theirs: Any, bound: float, what: str) -> str:
    """How far two results agree. Raises SystemExit where they do not."""
    difference = largest_difference(ours, theirs)
    if not difference <= bound:
        raise SystemExit(f"The {what} disagree: by {difference:.2g}, where {bound:g} is allowed")
    return f"the {what} agree to {difference:.1g} (allowed {bound:g})"
