"""Records in memory against JAX: every step of per-row descent, and every epoch of a long run on few rows."""

from time import perf_counter

import numpy as np
import torch

from benchmarks import jax_rivals
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, agreement, load_everything, rows, spec_of
from slope.arrays import Array
from slope.data import prepare
from slope.engines.build import build
from slope.records import EpochTable
from slope.spec import TrainingSpec

_ROWS, _RATE = 100_000, 1e-4
_EPOCHS = 1_000_000


def run() -> None:
    if not jax_rivals.IS_THERE:
        print("steps: the package jax is not installed (extra `bench`)\n")
        return
    load_everything()
    _steps()
    _epochs()


def _steps() -> None:
    (x, y), spec = rows(_ROWS), spec_of(epochs=1, learning_rate=_RATE, record={"steps": "all"})
    theirs = jax_rivals.by_rows(x, y, _RATE)

    heading(f"steps: one epoch of SGD over 10⁵ × {FEATURES}, a row a step, every step recorded in memory, float64")
    ways = {"JAX": lambda: jax_rivals.seconds(theirs), "compiled": lambda: _trained("compiled", x, y, spec)[0]}
    compare(in_turns(7, ways), "compiled", "JAX", "s", Aim("at most", 1 / 2))
    [table] = _trained("compiled", x, y, spec)[1]
    assert table.steps is not None
    mine = (table.steps.loss, table.steps.gradient_weights, table.steps.weights)
    for ours, its, what in zip(mine, theirs(), ("losses", "gradients", "weights"), strict=True):
        print(f"  {agreement(ours, its, 1e-12, what)}")
    print()


def _epochs() -> None:
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.1])
    spec = spec_of(epochs=_EPOCHS, learning_rate=0.01, batch_size="full", record={"steps": "none"})
    theirs = jax_rivals.full_batch(x, y, 0.01, _EPOCHS)

    heading("epochs: 10⁶ full-batch epochs on 3 rows, every epoch recorded in memory, float64")
    ways = {"JAX": lambda: jax_rivals.seconds(theirs), "compiled": lambda: _trained("compiled", x, y, spec)[0]}
    compare(in_turns(5, ways), "compiled", "JAX", "s", Aim("at most", 2))
    tables = _trained("compiled", x, y, spec)[1]
    mine = np.concatenate([table.columns.weights for table in tables])
    print(f"  {agreement(mine, theirs()[2], 1e-12, 'weights of all epochs')}\n")


def _trained(engine: str, x: Array, y: Array, spec: TrainingSpec) -> tuple[float, list[EpochTable]]:
    """Seconds from the arrays to the last record, on one thread as in a worker; and the records as columns."""
    torch.set_num_threads(1)
    started = perf_counter()
    keeps_steps = spec.record.steps == "all"
    training = build(engine, prepare(x, y, spec), spec, keeps_steps=keeps_steps)
    tables = [block for block in training.blocks() if isinstance(block, EpochTable)]
    return perf_counter() - started, tables
