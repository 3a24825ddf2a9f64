"""What the planner estimates against what jobs take: engines in sizes from a millisecond to a second.

`python -m benchmarks.estimates FILE` writes the pairs as tests/unit/engines/recorded_jobs.json has them.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

import torch

from benchmarks.problems import load_everything, rows, spec_of
from slope.arrays import Array
from slope.data import prepare
from slope.engines.build import build
from slope.engines.costs import Ended, learn
from slope.engines.groups import groups
from slope.engines.groups.fused import Fused
from slope.engines.plan import plan
from slope.spec import TrainingSpec

_REPEATS = 3
_ADAM: dict[str, object] = {"name": "adam"}
_MOMENTUM: dict[str, object] = {"name": "sgd", "momentum": 0.9}


def run() -> None:
    load_everything()
    print("estimates: the seconds of a plan against those of its job, by what the other jobs of its engine took")
    pairs = list(_pairs(_REPEATS))
    for engine in sorted({pair.engine for pair in pairs}):
        mine = [pair for pair in pairs if pair.engine == engine]
        known = learn(mine)
        off = [pair.took / (pair.reckoned * known[engine]) for pair in mine]
        near = sum(0.5 <= each <= 2 for each in off)
        print(
            f"  {engine:<10}{near} of {len(off)} jobs within 2 × of the estimate (from {min(off):.2f} to {max(off):.2f}"
            f" of it); jobs took {known[engine]:.2f} × what was reckoned"
        )
    print(flush=True)


def _pairs(repeats: int) -> Iterator[Ended]:
    """The fastest of some runs of each: neighbours of the machine are no matter of the plan."""
    for engine, count, spec in _jobs():
        x, y = rows(count)
        reckoned = plan(spec, count, x.shape[1]).estimated_seconds
        yield Ended(engine, reckoned, min(_seconds(engine, x, y, spec) for _ in range(repeats)))
    for width, count, spec in _sweeps():
        x, y = rows(count)
        specs = {place: spec.at_rate(1e-4 * (1 + place / width)) for place in range(width)}
        yield Ended(
            "fused", groups.seconds(spec, count, x.shape[1], width), min(_together(x, y, specs) for _ in range(repeats))
        )


def _jobs() -> Iterator[tuple[str, int, TrainingSpec]]:
    for count, batch, epochs in (
        (100, 1, 3),
        (1000, 10, 3),
        (300, "full", 300),
        (2000, 4, 1),
        (50, 1, 40),
        (20_000, 500, 5),
    ):
        yield "eager", count, spec_of(engine="eager", batch_size=batch, epochs=epochs, learning_rate=1e-4)
    compiled: tuple[tuple[int, int, dict[str, object]], ...] = (
        (10_000, 10, {}),
        (200_000, 3, {}),
        (50_000, 20, {"batch_size": 32}),
        (10_000, 20, {"optimizer": _MOMENTUM}),
        (20_000, 10, {"optimizer": _ADAM, "batch_size": 4}),
        (100_000, 4, {"loss": "huber"}),
    )
    for count, epochs, options in compiled:
        wanted = {"shuffle": True, "record": {"steps": "none"}, "epochs": epochs, "learning_rate": 1e-4} | options
        yield "compiled", count, spec_of(engine="compiled", **wanted)
    reduced: tuple[tuple[int, int, dict[str, object]], ...] = (
        (20_000, 10_000, {}),
        (100_000, 1000, {}),
        (100_000, 20_000, {"optimizer": _ADAM}),
        (500_000, 100, {"optimizer": _MOMENTUM}),
        (1_000_000, 1000, {}),
    )
    for count, epochs, options in reduced:
        yield "reduced", count, spec_of(engine="reduced", epochs=epochs, batch_size="full", **options)
    for count, epochs, batch in (
        (20_000, 100, 1),
        (100_000, 1000, 1),
        (100_000, 20_000, 10),
        (500_000, 100, 1),
        (300_000, 10, 100),
    ):
        yield "composed", count, spec_of(engine="composed", epochs=epochs, batch_size=batch, learning_rate=1e-4)


def _sweeps() -> Iterator[tuple[int, int, TrainingSpec]]:
    for width, count, epochs, options in (
        (64, 1000, 2000, {"batch_size": "full"}),
        (512, 1000, 200, {"batch_size": "full"}),
        (128, 2000, 5, {"batch_size": 10}),
        (256, 500, 10, {"batch_size": 1}),
        (64, 2000, 20, {"batch_size": 50, "loss": "huber"}),
    ):
        yield width, count, spec_of(epochs=epochs, learning_rate=1e-4, record={"steps": "none"}, **options)


def _seconds(engine: str, x: Array, y: Array, spec: TrainingSpec) -> float:
    torch.set_num_threads(1)
    started = perf_counter()
    for _ in build(engine, prepare(x, y, spec), spec, keeps_steps=False).blocks():
        pass
    return perf_counter() - started


def _together(x: Array, y: Array, specs: dict[int, TrainingSpec]) -> float:
    started = perf_counter()
    for _ in Fused(prepare(x, y, specs[0]), specs, len(specs), keeps_steps=False).epochs():
        pass
    return perf_counter() - started


if __name__ == "__main__":
    load_everything()
    pairs = list(_pairs(4 * _REPEATS))
    Random(0).shuffle(pairs)  # as jobs come: one engine after another, in no order
    written = [json.dumps([pair.engine, *(float(f"{each:.3g}") for each in pair[1:])]) for pair in pairs]
    Path(sys.argv[1]).write_text("[\n  " + ",\n  ".join(written) + "\n]\n")
