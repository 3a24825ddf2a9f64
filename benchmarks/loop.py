"""The training loop with recording over the lecture's own loop, which prints where ours records."""

import io
import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import numpy as np
import torch

from benchmarks.comparison import Aim, compare, heading, in_turns
from slope.data import prepare
from slope.loop import Training
from slope.records import EpochRecord
from slope.spec import TrainingSpec

_X, _Y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
_EPOCHS, _REPEATS = 300, 61


def run() -> None:
    torch.set_num_threads(1)
    heading(f"loop: the lecture's 3 rows, {_EPOCHS} epochs of 3 steps, every loss and gradient recorded or printed")
    lecture, ours = _lecture(), _record()
    ways = {"the lecture's loop": lambda: _microseconds(_lecture), "slope.loop": lambda: _microseconds(_record)}
    compare(in_turns(_REPEATS, ways), "slope.loop", "the lecture's loop", "µs a step", Aim("at most", 1.2))
    print(f"  {_agreement(lecture, _printed(ours))}\n")


def _agreement(theirs: list[str], ours: list[str]) -> str:
    """How far the two texts agree. Raises SystemExit where they do not.

    The lecture rounds 0.01 · gradient before it subtracts it, torch.optim.SGD rounds once: the same in the lecture's
    ten epochs, a last bit apart soon after. Each later bit is torch.optim's: see tests/unit/training/test_loop.py.
    """
    equal = next((line for line, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1]), len(ours))
    apart = max(abs(float(a) - float(b)) for pair in zip(theirs, ours, strict=True) for a, b in _numbers(*pair))
    if equal < 10 * (len(_X) + 1) or apart > 1e-5:
        sys.exit(f"The two disagree: line {equal} differs, the largest difference is {apart}")
    return f"agree to the bit in the first {equal} lines, the lecture's 40 among them, and to {apart:.1g} in the rest"


def _lecture() -> list[str]:
    """The lecture's code as it stands, but for the data that it prints beside each gradient."""
    out = io.StringIO()
    w = torch.tensor(1.0, requires_grad=True)

    def forward(x: float) -> torch.Tensor:
        return x * w

    def loss(x: float, y: float) -> torch.Tensor:
        y_pred = forward(x)
        return (y_pred - y) ** 2

    for epoch in range(_EPOCHS):
        for x, y in zip(_X, _Y, strict=True):
            l = loss(x, y)  # noqa: E741  # the lecture's name
            l.backward()
            print("\tgrad:", x, y, w.grad.item(), file=out)
            w.data = w.data - 0.01 * w.grad.data
            w.grad.data.zero_()
        print("progress:", epoch, w.item(), l.item(), file=out)
    return out.getvalue().splitlines()


def _record() -> list[EpochRecord]:
    spec = TrainingSpec(epochs=_EPOCHS, learning_rate=0.01, fit_bias=False, initial_weights=[1.0])
    data = prepare(np.array(_X)[:, None], np.array(_Y), spec)
    return list(Training(data, spec).epochs())


def _printed(records: list[EpochRecord]) -> list[str]:
    """What the lecture prints, from our records."""
    out = io.StringIO()
    for record in records:
        for x, y, step in zip(_X, _Y, record.steps, strict=True):
            print("\tgrad:", x, y, *(step.gradient.weights or []), file=out)
        print("progress:", record.epoch, *(record.parameters.weights or []), record.last_loss, file=out)
    return out.getvalue().splitlines()


def _microseconds(loop: Callable[[], object]) -> float:
    """Of one step."""
    started = perf_counter()
    loop()
    return (perf_counter() - started) / (_EPOCHS * len(_X)) * 1e6


def _numbers(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    """The numbers of two lines, side by side."""
    return zip(theirs.split()[1:], ours.split()[1:], strict=True)
