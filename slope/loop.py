"""The textbook loop: forward, backward, update, and a record of each."""

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from slope.data import Array, TrainingData, batch_rows, epoch_order, initial_parameters, steps_per_epoch
from slope.early_stopping import Patience
from slope.model import LinearModel, Parameters, torch_dtype
from slope.optimizers import build_optimizer, build_scheduler
from slope.recorder import EpochRecorder
from slope.records import EpochRecord, StepRecord
from slope.spec import LBFGS, TrainingSpec

_KEPT_NUMBERS = 2**16
"""Batches that come again in every epoch are cut once, where x is no larger than this."""


class Interrupted(Exception):
    """The caller asked the loop to stop in the middle of an epoch; that epoch left no record."""


def train(data: TrainingData, spec: TrainingSpec) -> Iterator[EpochRecord]:
    """Train from the start, one record an epoch. The caller owns storage and stopping."""
    return Training(data, spec).epochs()


class Training:
    """A run that can be left after any epoch and taken up again, bit for bit, from its checkpoint."""

    def __init__(
        self,
        data: TrainingData,
        spec: TrainingSpec,
        *,
        keeps_steps: Callable[[int], bool] = lambda epoch: True,
        interrupted: Callable[[], bool] = lambda: False,
        device: torch.device | str = "cpu",
    ) -> None:
        """`keeps_steps` says of an epoch whether its steps are recorded; `interrupted` is asked before every step."""
        self.spec = spec
        self.epoch = 0
        """The epoch to be trained next."""
        self._keeps_steps = keeps_steps
        self._interrupted = interrupted
        self._model = LinearModel(Parameters(*initial_parameters(data.x.shape[1], spec)), spec, device)
        self._optimizer = build_optimizer(self._model.learnable, spec)
        self._scheduler = build_scheduler(self._optimizer, spec)
        self._patience = Patience.of(spec)
        self._x, self._y = self._tensor(data.x), self._tensor(data.y)
        self._validation = (self._tensor(data.validation_x), self._tensor(data.validation_y))
        is_fixed = not spec.shuffle and self._x.numel() <= _KEPT_NUMBERS
        self._kept_batches = list(self._split(self._x, self._y)) if is_fixed else None

    def epochs(self, until: int | None = None) -> Iterator[EpochRecord]:
        """Train on from where the run stands. Raises Diverged, and Interrupted when asked to stop."""
        end = self.spec.epochs if until is None else until
        while self.epoch < end and not self.stopped_early:
            record = self._train_epoch()
            self.epoch += 1
            if self._scheduler:
                self._scheduler.step()
            if self._patience:
                self._patience.judge(record)
            yield record

    def replay(self, steps: range) -> list[StepRecord]:
        """Some steps of the epoch to be trained next, all of them finite; the run cannot go on afterwards."""
        return list(self.replayed(steps))

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        """The same, computed as they are taken."""
        self._begin_epoch()
        for step, (x, y) in enumerate(islice(self._batches(), steps.stop)):
            loss = self._backpropagate(x, y)
            if not loss.isfinite():
                break
            if step in steps:
                gradient, parameters = self._model.gradient(), self._model.parameters()
                yield StepRecord(self.epoch, step, loss.item(), gradient, parameters)
            self._update(x, y)

    @property
    def stopped_early(self) -> bool:
        return self._patience is not None and self._patience.exhausted

    @property
    def parameters(self) -> Parameters:
        """The parameters as they stand."""
        return self._model.parameters()

    @property
    def result(self) -> Parameters:
        """The parameters to predict with: the best where early stopping watches, otherwise the last."""
        best = self._patience.best if self._patience else None
        return best or self._model.parameters()

    def checkpoint(self) -> bytes:
        """All that the rest of the run depends on beside data and spec. Only between two epochs."""
        state = {
            "epoch": self.epoch,
            "parameters": [leaf.detach() for leaf in self._model.leaves],
            "gradients": [leaf.grad for leaf in self._model.leaves],
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict() if self._scheduler else None,
            "patience": self._patience.state() if self._patience else None,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes) -> None:
        """Stand where the run stood when the checkpoint was taken."""
        state: dict[str, Any] = torch.load(io.BytesIO(checkpoint), weights_only=True, map_location=self._x.device)
        self.epoch = state["epoch"]
        with torch.no_grad():
            for leaf, value, gradient in zip(self._model.leaves, state["parameters"], state["gradients"], strict=True):
                leaf.copy_(value)
                leaf.grad = gradient
        self._optimizer.load_state_dict(state["optimizer"])
        if self._scheduler:
            self._scheduler.load_state_dict(state["scheduler"])
        if self._patience:
            self._patience.restore(state["patience"])

    def _train_epoch(self) -> EpochRecord:
        steps = steps_per_epoch(len(self._y), self.spec)
        recorder = EpochRecorder(self._model, self.epoch, steps, keep_steps=self._keeps_steps(self.epoch))
        learning_rate = float(self._optimizer.param_groups[0]["lr"])
        self._begin_epoch()
        for x, y in self._batches():
            if self._interrupted():
                raise Interrupted
            loss = self._backpropagate(x, y)
            recorder.step(loss.item())
            self._update(x, y)
        return recorder.epoch(learning_rate, self._validation_loss())

    def _begin_epoch(self) -> None:
        if self.spec.zero_gradients == "epoch":
            self._zero_gradients()

    def _backpropagate(self, x: Tensor, y: Tensor) -> Tensor:
        if self.spec.zero_gradients == "step":
            self._zero_gradients()
        loss = self._model.loss(x, y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _update(self, x: Tensor, y: Tensor) -> None:
        if self.spec.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.learnable, self.spec.clip_norm)
        if isinstance(self.spec.optimizer, LBFGS):
            self._optimizer.step(lambda: self._backpropagate(x, y))  # type: ignore[arg-type, return-value]
        else:
            self._optimizer.step()

    def _zero_gradients(self) -> None:
        for leaf in self._model.learnable:
            leaf.grad = None

    def _batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        """The batches of the epoch."""
        if self._kept_batches is not None:
            return self._kept_batches
        if not self.spec.shuffle:
            return self._split(self._x, self._y)
        order = torch.from_numpy(epoch_order(len(self._y), self.spec, self.epoch)).to(self._x.device)
        return self._split(self._x[order], self._y[order])

    def _split(self, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches, each with its x in memory of its own, as x[rows] has it.

        A view would start wherever its rows lie, and a product rounds differently with the alignment of its operands.
        """
        size = batch_rows(len(y), self.spec)
        if size == len(y):
            yield x, y
            return
        for start in range(0, len(y), size):
            yield x[start : start + size].clone(), y[start : start + size]

    def _validation_loss(self) -> float | None:
        x, y = self._validation
        if len(y) == 0:
            return None
        with torch.no_grad():
            return self._model.row_loss(x, y).item()

    def _tensor(self, values: Array) -> Tensor:
        # A copy in torch's own memory: an array may be aligned and ordered anyhow, and the bits would hang on that.
        return torch.tensor(values, dtype=torch_dtype(self.spec), device=self._model.weights.device).contiguous()
