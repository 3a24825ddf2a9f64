"""Many settings as one batch of models: the textbook loop with one autograd call a step for all of them.

The weights of K models are the columns of one matrix, so that a batch of B rows gives B × K residuals by one product.
Each model's loss depends on its own column alone, and so does its gradient. What a column comes to never depends on
what is in the others: only on its own settings, its place and the width K. So a run goes on, or is replayed, to the
same bits without those that have ended.

Where every step sees all rows and the error is squared, D + 2 rows stand for them; see slope.engines.reduction.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Set
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from slope.data import Array, TrainingData, batch_rows, epoch_order, steps_per_epoch
from slope.engines.early_stopping import GroupPatience
from slope.engines.groups import is_reduced
from slope.engines.models import Models, per_model
from slope.engines.rates import learning_rates
from slope.engines.reduction import Reduction
from slope.engines.rounds import Round, RoundRecorder
from slope.engines.updates import build_update
from slope.model import Parameters
from slope.records import StepRecord
from slope.spec import TrainingSpec

Rows = tuple[Tensor, Tensor]
"""x is N × D, with a column of ones where there is a bias; y is N."""


class Fused:
    """A run of up to K models. It can be left after any epoch and taken up again, bit for bit, from its states."""

    def __init__(
        self,
        data: TrainingData,
        specs: Mapping[int, TrainingSpec],
        width: int,
        *,
        keeps_steps: bool = True,
        pause: Callable[[], None] = lambda: None,
        device: torch.device | str = "cpu",
    ) -> None:
        """`specs` by place below `width`, of one group (slope.engines.groups); `data` is prepared as they ask for.

        `pause` is called before every step. It may drop places, and raise Interrupted.
        """
        self._epoch = 0
        self._live = set(specs)
        self._spec = next(iter(specs.values()))
        self._specs = [specs.get(place, self._spec) for place in range(width)]
        self._keeps_steps = keeps_steps
        self._pause = pause
        features = data.x.shape[1]
        self._models = Models(self._specs, features, device, data.scaler)
        leaves = [leaf.detach() for leaf in self._models.learnable]
        self._update = build_update(leaves, [spec.optimizer for spec in self._specs])
        self._steps = steps_per_epoch(len(data.y), self._spec)
        self._rates = learning_rates(self._specs, self._steps)
        self._known_rates: tuple[int, Tensor] | None = None
        self._clip = self._models.vector(lambda spec: spec.clip_norm or np.inf) if self._spec.clip_norm else None
        self._patience = GroupPatience.of(self._specs, features)
        self._data = data
        self._rows: tuple[Rows, Rows] | None = None
        if self._spec.zero_gradients == "never":
            for leaf in self._models.learnable:
                leaf.grad = torch.zeros_like(leaf)

    @property
    def epoch(self) -> int:
        """The epoch to be trained next."""
        return self._epoch

    @property
    def live(self) -> Set[int]:
        """Places that still train."""
        return self._live

    def drop(self, place: int) -> None:
        """Train a model no further: the epoch that it is in leaves no record of it."""
        self._live.discard(place)

    def epochs(self) -> Iterator[Round]:
        """Train on until no model trains any more. Raises what `pause` does.

        While a round is looked at, `has_ended` and `result` are about the models that finished it.
        """
        while self._live:
            self._pause()
            found = self._train_epoch()
            self._epoch += 1
            self._live -= found.diverged.keys()
            if self._patience:
                self._patience.judge(found.epochs, found.places)
            yield found
            self._live -= self._ended()

    def replayed(self, place: int, steps: range) -> Iterator[StepRecord]:
        """Some steps of a model in the epoch to be trained next, all finite; the run cannot go on afterwards."""
        if self._spec.zero_gradients == "epoch":
            self._zero_gradients()
        for step, (x, y) in enumerate(islice(self._batches(), steps.stop)):
            self._pause()
            loss = float(self._backpropagate(x, y)[place])
            if not math.isfinite(loss):
                return
            if step in steps:
                gradient, parameters = self._models.gradient().of(place), self._models.parameters().of(place)
                yield StepRecord(self.epoch, step, loss, gradient, parameters)
            self._move(step)

    def parameters(self, place: int) -> Parameters:
        """The parameters of a model as they stand."""
        return self._models.parameters().of(place)

    def has_ended(self, place: int) -> bool:
        """Whether a model has trained all of its epochs, or stopped early."""
        return self.epoch >= self._spec.epochs or self.stopped_early(place)

    def _ended(self) -> set[int]:
        """All that have."""
        if self.epoch >= self._spec.epochs:
            return set(self._live)
        return self._patience.exhausted_places() if self._patience else set()

    def stopped_early(self, place: int) -> bool:
        return self._patience is not None and self._patience.exhausted(place)

    def result(self, place: int) -> Parameters:
        """The parameters to predict with: the best where early stopping watches, otherwise as they stand."""
        best = self._patience.best(place, has_bias=self._spec.fit_bias) if self._patience else None
        return best or self.parameters(place)

    def states(self) -> Array:
        """K rows: all that the rest of each model's run depends on. Only between two epochs."""
        epoch = np.full((len(self._specs), 1), float(self.epoch))
        watched = [self._patience.state] if self._patience else []
        return np.hstack([epoch, *watched, *(np.atleast_2d(per_model(kept).T).T for kept in self._kept())])

    def restore(self, states: Mapping[int, Array]) -> None:
        """Stand where the run stood when these rows were taken, all after the same epoch. Empty places get any row."""
        filler = next(iter(states.values()))
        table = np.stack([states.get(place, filler) for place in range(len(self._specs))])
        self._epoch = int(filler[0])
        start = 1
        if self._patience:
            start += self._patience.state.shape[1]
            self._patience.state[:] = table[:, 1:start]
        for kept in self._kept():
            columns = 1 if kept.dim() == 1 else len(kept)
            values = torch.from_numpy(table[:, start : start + columns].T.copy())
            kept.copy_(values.reshape(kept.shape))
            start += columns

    def _kept(self) -> list[Tensor]:
        """What a step leaves to the next one, each D × K or K."""
        gradients = [leaf.grad for leaf in self._models.learnable] if self._spec.zero_gradients == "never" else []
        return [
            *(leaf.detach() for leaf in self._models.leaves),
            *(gradient for gradient in gradients if gradient is not None),
            *self._update.buffers,
        ]

    def _train_epoch(self) -> Round:
        recorder = RoundRecorder(
            self._models, self.epoch, self._steps, keep_steps=self._keeps_steps and self._spec.keeps_epoch(self.epoch)
        )
        if self._spec.zero_gradients == "epoch":
            self._zero_gradients()
        for step, (x, y) in enumerate(self._batches()):
            if step:
                self._pause()
            recorder.step(self._backpropagate(x, y))
            self._move(step)
        return recorder.round(self._live, self._rates(self._count(0)), self._validation_loss())

    def _count(self, step: int) -> int:
        """What the schedule has counted before a step of the epoch to be trained next."""
        return self.epoch * self._steps + step if self._spec.schedule_counts_steps else self.epoch

    def _rates_of(self, step: int) -> Tensor:
        count = self._count(step)
        if self._known_rates is None or self._known_rates[0] != count:
            self._known_rates = count, torch.from_numpy(self._rates(count)).to(self._models.weights.detach())
        return self._known_rates[1]

    def _backpropagate(self, x: Tensor, y: Tensor) -> Tensor:
        if self._spec.zero_gradients == "step":
            self._zero_gradients()
        loss = self._models.loss(x, y)
        loss.backward(torch.ones_like(loss))  # type: ignore[no-untyped-call]
        return loss.detach()

    def _move(self, step: int) -> None:
        gradients = [leaf.grad for leaf in self._models.learnable if leaf.grad is not None]
        if self._clip is not None:
            norms = torch.stack([g.square().reshape(-1, g.shape[-1]).sum(0) for g in gradients]).sum(0).sqrt()
            for gradient in gradients:
                gradient.mul_((self._clip / (norms + 1e-6)).clamp(max=1.0))
        self._update.step(gradients, self._rates_of(step), self.epoch * self._steps + step)

    def _zero_gradients(self) -> None:
        for leaf in self._models.learnable:
            leaf.grad = None

    def _batches(self) -> Iterator[Rows]:
        (x, y), _ = self._loaded()
        size = min(len(y), batch_rows(len(self._data.y), self._spec))
        if self._spec.shuffle and size < len(y):
            order = torch.from_numpy(epoch_order(len(y), self._spec, self.epoch)).to(x.device)
            x, y = x[order], y[order]
        for start in range(0, len(y), size):
            yield x[start : start + size], y[start : start + size]

    def _validation_loss(self) -> Tensor | None:
        _, (x, y) = self._loaded()
        if len(y) == 0:
            return None
        with torch.no_grad():
            return self._models.row_loss(x, y)

    def _loaded(self) -> tuple[Rows, Rows]:
        """The rows to train on and those to validate with, or the few that stand for them."""
        if self._rows is None:
            data = self._data
            if is_reduced(self._spec, len(data.y), data.x.shape[1]):
                self._rows = self._reduced(data.x, data.y), self._reduced(data.validation_x, data.validation_y)
            else:
                self._rows = self._whole(data.x, data.y), self._whole(data.validation_x, data.validation_y)
        return self._rows

    def _whole(self, x: Array, y: Array) -> Rows:
        return self._tensor(np.column_stack([x, np.ones(len(y))]) if self._spec.fit_bias else x), self._tensor(y)

    def _reduced(self, x: Array, y: Array) -> Rows:
        """Scaled, so that the mean over D + 2 rows is the mean over all."""
        if len(y) == 0:
            return self._whole(x, y)
        found = Reduction.of([(x, y)], x.shape[1], pause=self._pause)
        columns = np.column_stack([found.x, found.ones]) if self._spec.fit_bias else found.x
        scale = (len(found.y) / found.rows) ** 0.5
        return self._tensor(columns * scale), self._tensor(found.y * scale)

    def _tensor(self, values: Array) -> Tensor:
        return torch.tensor(values).to(self._models.weights.detach()).contiguous()
