"""A thousand full-batch epochs of Adam: the plain PyTorch loop with both cores, and the rows reduced once."""

import os
from time import perf_counter

import torch

from benchmarks.comparison import Aim, compare, in_turns
from benchmarks.problems import FEATURES, agreement, load_everything, rows, spec_of, trained
from slope.data import Array

_ROWS, _EPOCHS, _RATE = 1_000_000, 1000, 0.01


def run() -> None:
    load_everything()
    x, y = rows(_ROWS)
    spec = spec_of(epochs=_EPOCHS, learning_rate=_RATE, batch_size="full", optimizer={"name": "adam"})
    gradients: dict[str, list[list[float]]] = {}

    def ours() -> float:
        seconds, records = trained("reduced", x, y, spec)
        gradients["ours"] = [record.gradient_last.weights for record in records]
        return seconds

    def theirs() -> float:
        seconds, gradients["theirs"], _ = plain(x, y)
        return seconds

    print(f"full batch: {_EPOCHS} epochs of Adam over 10⁶ × {FEATURES}, float64; theirs with all cores, ours with one")
    measured = in_turns(1, {"the plain loop": theirs, "reduced": ours})
    compare(measured, "reduced", "the plain loop", "s", Aim("at most", 1 / 100))
    print(f"  {agreement(gradients['ours'], gradients['theirs'], 1e-10, 'gradients of all epochs')}\n")


def plain(x: Array, y: Array) -> tuple[float, list[list[float]], Array]:
    """Seconds, the gradients of all epochs, and the weights at the end."""
    torch.set_num_threads(os.cpu_count() or 1)
    started = perf_counter()
    rows, targets = torch.from_numpy(x), torch.from_numpy(y)
    w = torch.zeros(FEATURES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=_RATE)
    gradients = []
    for _ in range(_EPOCHS):
        loss = ((rows @ w - targets) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        gradients.append(w.grad.tolist())
        optimizer.step()
    return perf_counter() - started, gradients, w.detach().numpy()
