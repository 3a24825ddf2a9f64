"""torch.optim's updates for K models together, each with hyperparameters of its own.

A leaf is D × K or K: the last dimension counts the models, so that a vector of K hyperparameters meets its models by
broadcasting. The formulas and their order are those of torch.optim's single-tensor implementations.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from slope.spec import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop


class Update(Protocol):
    """One optimizer step for all models."""

    buffers: list[Tensor]
    """All that a step leaves for the next, each of a leaf's shape."""

    def step(self, gradients: list[Tensor], rates: Tensor, count: int) -> None:
        """Move the leaves; `rates` are K learning rates, `count` the steps before this one."""


def build_update(leaves: list[Tensor], options: Sequence[Optimizer]) -> Update:
    """The update for leaves that autograd does not see, with the options of K models: of one class, alike in flags."""
    return _UPDATES[options[0].name](leaves, options)


class _Options:
    """The options of K models as vectors on the leaves' device."""

    def __init__(self, options: Sequence[Any], like: Tensor) -> None:
        self._options = options
        self._like = like

    def vector(self, read: Callable[[Any], float]) -> Tensor:
        return torch.tensor([read(option) for option in self._options], dtype=torch.float64).to(self._like)

    def decay(self) -> Tensor | None:
        """None where no model has any: adding zeros would cost as much as adding numbers."""
        return self.vector(lambda o: o.weight_decay) if any(o.weight_decay for o in self._options) else None


class _Descent:
    def __init__(self, leaves: list[Tensor], options: Sequence[SGD]) -> None:
        vectors = _Options(options, leaves[0])
        self._leaves = leaves
        self._decay = vectors.decay()
        self._momentum = vectors.vector(lambda o: o.momentum) if any(o.momentum for o in options) else None
        # Without momentum torch ignores the dampening.
        self._share = vectors.vector(lambda o: 1 - o.dampening if o.momentum else 1.0)
        self._is_nesterov = options[0].nesterov
        self.buffers = [] if self._momentum is None else [torch.zeros_like(leaf) for leaf in leaves]

    def step(self, gradients: list[Tensor], rates: Tensor, count: int) -> None:
        for index, (leaf, gradient) in enumerate(zip(self._leaves, gradients, strict=True)):
            direction = _decayed(leaf, gradient, self._decay)
            if self._momentum is not None:
                buffer = self.buffers[index]
                buffer.mul_(self._momentum).add_(direction if count == 0 else direction * self._share)
                direction = torch.addcmul(direction, buffer, self._momentum) if self._is_nesterov else buffer
            leaf.addcmul_(direction, rates, value=-1)


class _Adam:
    def __init__(self, leaves: list[Tensor], options: Sequence[Adam | AdamW]) -> None:
        vectors = _Options(options, leaves[0])
        self._leaves = leaves
        self._decay = vectors.decay()
        self._is_decoupled = isinstance(options[0], AdamW)
        self._beta2 = vectors.vector(lambda o: o.betas[1])
        self._rest1, self._rest2 = vectors.vector(lambda o: 1 - o.betas[0]), vectors.vector(lambda o: 1 - o.betas[1])
        self._eps = vectors.vector(lambda o: o.eps)
        self._betas = torch.tensor([o.betas for o in options], dtype=torch.float64)
        self._means, self._squares = _zeros(leaves), _zeros(leaves)
        self._highest = _zeros(leaves) if options[0].amsgrad else []
        self.buffers = [*self._means, *self._squares, *self._highest]

    def step(self, gradients: list[Tensor], rates: Tensor, count: int) -> None:
        corrections = (1 - self._betas ** (count + 1)).to(rates)
        sizes, roots = rates / corrections[:, 0], corrections[:, 1].sqrt()
        for index, (leaf, gradient) in enumerate(zip(self._leaves, gradients, strict=True)):
            direction = self._decay_leaf(leaf, gradient, rates)
            mean, square = self._means[index], self._squares[index]
            mean.add_((direction - mean) * self._rest1)
            square.mul_(self._beta2).add_(direction * direction * self._rest2)
            if self._highest:
                square = torch.maximum(self._highest[index], square, out=self._highest[index])
            leaf.sub_(sizes * mean / (square.sqrt() / roots + self._eps))

    def _decay_leaf(self, leaf: Tensor, gradient: Tensor, rates: Tensor) -> Tensor:
        if self._decay is None or not self._is_decoupled:
            return _decayed(leaf, gradient, self._decay)
        leaf.mul_(1 - rates * self._decay)
        return gradient


class _RMSprop:
    def __init__(self, leaves: list[Tensor], options: Sequence[RMSprop]) -> None:
        vectors = _Options(options, leaves[0])
        self._leaves = leaves
        self._decay = vectors.decay()
        self._alpha, self._rest = vectors.vector(lambda o: o.alpha), vectors.vector(lambda o: 1 - o.alpha)
        self._eps, self._momentum = vectors.vector(lambda o: o.eps), vectors.vector(lambda o: o.momentum)
        self._squares, self._moments = _zeros(leaves), _zeros(leaves)
        self._means = _zeros(leaves) if options[0].centered else []
        self.buffers = [*self._squares, *self._moments, *self._means]

    def step(self, gradients: list[Tensor], rates: Tensor, count: int) -> None:
        for index, (leaf, gradient) in enumerate(zip(self._leaves, gradients, strict=True)):
            direction = _decayed(leaf, gradient, self._decay)
            square, moment = self._squares[index], self._moments[index]
            square.mul_(self._alpha).add_(direction * direction * self._rest)
            spread = square
            if self._means:
                mean = self._means[index]
                mean.add_((direction - mean) * self._rest)
                spread = square - mean * mean
            moment.mul_(self._momentum).add_(direction / (spread.sqrt() + self._eps))
            leaf.addcmul_(moment, rates, value=-1)


class _Adagrad:
    def __init__(self, leaves: list[Tensor], options: Sequence[Adagrad]) -> None:
        vectors = _Options(options, leaves[0])
        self._leaves = leaves
        self._decay = vectors.decay()
        self._fall, self._eps = vectors.vector(lambda o: o.lr_decay), vectors.vector(lambda o: o.eps)
        start = vectors.vector(lambda o: o.initial_accumulator_value)
        self.buffers = [zeros + start for zeros in _zeros(leaves)]

    def step(self, gradients: list[Tensor], rates: Tensor, count: int) -> None:
        sizes = rates / (1 + count * self._fall)
        for leaf, gradient, total in zip(self._leaves, gradients, self.buffers, strict=True):
            direction = _decayed(leaf, gradient, self._decay)
            total.addcmul_(direction, direction)
            leaf.sub_(sizes * direction / (total.sqrt() + self._eps))


_UPDATES: dict[str, Callable[[list[Tensor], Sequence[Any]], Update]] = {
    "sgd": _Descent,
    "adam": _Adam,
    "adamw": _Adam,
    "rmsprop": _RMSprop,
    "adagrad": _Adagrad,
}


def _decayed(leaf: Tensor, gradient: Tensor, decay: Tensor | None) -> Tensor:
    return gradient if decay is None else torch.addcmul(gradient, leaf, decay)


def _zeros(leaves: list[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(leaf) for leaf in leaves]
