"""Every step of per-row descent recorded in memory: the plain PyTorch loop, and blocks of steps."""

from time import perf_counter

import torch

from benchmarks.comparison import Aim, compare, in_turns
from benchmarks.problems import FEATURES, agreement, load_everything, rows, spec_of, trained
from slope.data import Array
from slope.records import StepRecord

_ROWS, _RATE = 100_000, 1e-4
Steps = list[tuple[float, list[float], list[float]]]
"""Loss, gradient and weights before it."""


def run() -> None:
    load_everything()
    x, y = rows(_ROWS)
    spec = spec_of(epochs=1, learning_rate=_RATE, record={"steps": "all"})
    found: dict[str, list[StepRecord] | Steps] = {}

    def ours() -> float:
        seconds, records = trained("blocked", x, y, spec)
        found["ours"] = list(records[0].steps)
        return seconds

    def theirs() -> float:
        seconds, found["theirs"] = _plain(x, y)
        return seconds

    print(f"steps: one epoch of SGD over 10⁵ × {FEATURES}, a row a step, every step recorded in memory, float64")
    measured = in_turns(3, {"the plain loop": theirs, "blocked": ours})
    compare(measured, "blocked", "the plain loop", "s", Aim("at most", 1 / 50))
    mine = [[step.loss, *step.gradient.weights, *step.parameters.weights] for step in found["ours"]]
    its = [[loss, *gradient, *weights] for loss, gradient, weights in found["theirs"]]
    print(f"  {agreement(mine, its, 1e-10, 'losses, gradients and weights of all steps')}\n")


def _plain(x: Array, y: Array) -> tuple[float, Steps]:
    torch.set_num_threads(1)
    started = perf_counter()
    rows, targets = torch.from_numpy(x), torch.from_numpy(y)
    w = torch.zeros(FEATURES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=_RATE)
    steps: Steps = []
    for row, target in zip(rows.split(1), targets.split(1), strict=True):
        loss = ((row @ w - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        steps.append((loss.item(), w.grad.tolist(), w.tolist()))
        optimizer.step()
    return perf_counter() - started, steps
