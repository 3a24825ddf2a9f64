"""The plain PyTorch program, by hand and with nothing of slope in it: what the eager engine equals to the bit."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import lr_scheduler

Numbers = tuple[list[float] | None, float | None]
"""Weights and bias, or their gradients."""


@dataclass
class Step:
    loss: float
    gradient: Numbers
    parameters: Numbers
    """Before the update."""


@dataclass
class Epoch:
    learning_rate: float
    steps: list[Step] = field(default_factory=list)
    parameters: Numbers | None = None
    """After the epoch; None where its loss stopped being finite."""


def train(
    x: Any,
    y: Any,
    settings: dict[str, Any],
    start: tuple[list[float], float | None],
    batches: Callable[[int], list[list[int]]],
) -> list[Epoch]:
    """Every number of the run; it ends at the first loss that is not finite, which it keeps as its last step."""
    dtype = getattr(torch, settings["dtype"])
    x, y = torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype)
    w = torch.tensor(start[0], dtype=dtype, requires_grad="weights" not in settings["frozen"])
    b = None
    if start[1] is not None:
        b = torch.tensor(start[1], dtype=dtype, requires_grad="bias" not in settings["frozen"])
    learnable = [p for p in (w, b) if p is not None and p.requires_grad]
    optimizer = make_optimizer(learnable, settings)
    per = settings["schedule"].get("per", "epoch")
    scheduler = make_scheduler(optimizer, settings, len(batches(0)) if per == "step" else 1)

    def forward_and_backward(rows: list[int]) -> Tensor:
        if settings["zero_gradients"] == "step":
            optimizer.zero_grad()
        loss = loss_of(x[rows], y[rows], w, b, settings)
        loss.backward()
        return loss

    epochs = []
    for number in range(settings["epochs"]):
        epoch = Epoch(optimizer.param_groups[0]["lr"])
        epochs.append(epoch)
        if settings["zero_gradients"] == "epoch":
            optimizer.zero_grad()
        for rows in batches(number):
            loss = forward_and_backward(rows)
            epoch.steps.append(Step(loss.item(), gradients(w, b), parameters(w, b)))
            if not math.isfinite(loss.item()):
                return epochs
            if settings["clip_norm"] is not None:
                torch.nn.utils.clip_grad_norm_(learnable, settings["clip_norm"])
            if settings["optimizer"]["name"] == "lbfgs":
                optimizer.step(lambda rows=rows: forward_and_backward(rows))
            else:
                optimizer.step()
            if settings["optimizer"].get("l1_step") == "proximal" and w.requires_grad:
                with torch.no_grad():
                    w.copy_(functional.softshrink(w, optimizer.param_groups[0]["lr"] * settings["l1"]) + 0.0)
            if scheduler is not None and per == "step":
                scheduler.step()
        epoch.parameters = parameters(w, b)
        if scheduler is not None and per == "epoch":
            scheduler.step()
    return epochs


def loss_of(x: Tensor, y: Tensor, w: Tensor, b: Tensor | None, settings: dict[str, Any]) -> Tensor:
    prediction = x @ w if b is None else x @ w + b
    if settings["loss"] == "squared_error":
        loss = ((prediction - y) ** 2).mean()
    elif settings["loss"] == "absolute_error":
        loss = (prediction - y).abs().mean()
    else:
        loss = functional.huber_loss(prediction, y, delta=settings["huber_delta"])
    if settings["l2"] != 0:
        loss = loss + settings["l2"] * (w**2).sum()
    if settings["l1"] != 0:
        is_proximal = settings["optimizer"].get("l1_step") == "proximal"
        loss = loss + settings["l1"] * (w.detach() if is_proximal else w).abs().sum()
    return loss


def make_optimizer(learnable: list[Tensor], settings: dict[str, Any]) -> torch.optim.Optimizer:
    options = dict(settings["optimizer"])
    options.pop("l1_step", None)
    optimizers = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
        "lbfgs": torch.optim.LBFGS,
    }
    return optimizers[options.pop("name")](learnable, lr=settings["learning_rate"], **options)


def make_scheduler(optimizer: torch.optim.Optimizer, settings: dict[str, Any], counted: int) -> Any:
    """`counted`: of what the schedule counts, how much an epoch has."""
    options = dict(settings["schedule"])
    name = options.pop("name")
    if name == "step":
        return lr_scheduler.StepLR(optimizer, step_size=options["step_size"], gamma=options["gamma"])
    if name == "exponential":
        return lr_scheduler.ExponentialLR(optimizer, gamma=options["gamma"])
    if name == "cosine":
        length = options["T_max"] or settings["epochs"] * counted
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=length, eta_min=options["eta_min"])
    if name == "inverse_scaling":
        return lr_scheduler.LambdaLR(optimizer, lambda epoch: (epoch + 1) ** -options["power"])
    return None


def parameters(w: Tensor, b: Tensor | None) -> Numbers:
    return w.tolist(), None if b is None else b.item()


def gradients(w: Tensor, b: Tensor | None) -> Numbers:
    weights = None if w.grad is None else w.grad.tolist()
    return weights, None if b is None or b.grad is None else b.grad.item()
