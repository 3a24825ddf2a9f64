"""A thousand full-batch epochs of Adam: by JAX, by the plain PyTorch loop with both cores, and on reduced rows."""

import os
from collections.abc import Sequence
from time import perf_counter
from typing import cast

import torch

from benchmarks import jax_rivals
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, agreement, load_everything, rows, spec_of, trained
from slope.arrays import Array

_ROWS, _EPOCHS, _RATE = 1_000_000, 1000, 0.01
_RIVAL_EPOCHS = 50
"""Of the rivals', each of which takes as long as the others."""


def run() -> None:
    load_everything()
    x, y = rows(_ROWS)
    spec = spec_of(epochs=_EPOCHS, learning_rate=_RATE, batch_size="full", optimizer={"name": "adam"})
    gradients: dict[str, Sequence[list[float] | None]] = {}

    def ours() -> float:
        seconds, records = trained("reduced", x, y, spec)
        gradients["ours"] = [record.gradient_last.weights for record in records]
        return seconds

    def theirs() -> float:
        seconds, gradients["theirs"], _ = plain(x, y, _RIVAL_EPOCHS)
        return seconds * _EPOCHS / _RIVAL_EPOCHS

    heading(f"full batch: {_EPOCHS} epochs of Adam over 10⁶ × {FEATURES}, every one recorded in memory, float64")
    ways = {"the plain loop, both cores": theirs, "reduced": ours}
    if jax_rivals.IS_THERE:
        by_jax = jax_rivals.full_batch_adam(x, y, _RATE, _RIVAL_EPOCHS)
        ways["JAX, from the rows"] = lambda: jax_rivals.seconds(by_jax) * _EPOCHS / _RIVAL_EPOCHS
    measured = in_turns(3, ways)
    for rival in [name for name in ways if name != "reduced"]:
        compare(measured, "reduced", rival, "s", Aim("at most", 1 / 100))
    some = gradients["ours"][:_RIVAL_EPOCHS]
    print(f"  {agreement(some, gradients['theirs'], 1e-10, f'gradients of {_RIVAL_EPOCHS} epochs')}")
    if jax_rivals.IS_THERE:
        print(f"  {agreement(some, by_jax()[1], 1e-10, 'gradients')}")
    print()


def plain(x: Array, y: Array, epochs: int = _EPOCHS) -> tuple[float, list[list[float]], Array]:
    """Seconds, the gradients of the epochs, and the weights after them."""
    torch.set_num_threads(os.cpu_count() or 1)
    started = perf_counter()
    rows, targets = torch.from_numpy(x), torch.from_numpy(y)
    w = torch.zeros(FEATURES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=_RATE)
    gradients = list[list[float]]()
    for _ in range(epochs):
        loss = ((rows @ w - targets) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        gradients.append(cast("torch.Tensor", w.grad).tolist())
        optimizer.step()
    return perf_counter() - started, gradients, w.detach().numpy()
