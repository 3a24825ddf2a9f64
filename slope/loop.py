"""The textbook loop: forward, backward, update, and a record of each."""

import io
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from slope.analysis import settle_rate
from slope.arrays import Array
from slope.data import TrainingData, batch_rows, epoch_order, initial_parameters, steps_per_epoch
from slope.model import LinearModel, Parameters, torch_dtype
from slope.optimizers import build_optimizer, build_scheduler
from slope.recorder import EpochRecorder
from slope.records import EpochRecord, StepRecord
from slope.run import Run
from slope.spec import LBFGS, TrainingSpec

Rows = tuple[Tensor, ...]
"""Of a batch: x (n × D), y (n) and, where they do not count alike, their weights (n)."""

_KEPT_NUMBERS = 2**16
"""Batches that come again in every epoch are cut once, where x is no larger than this."""


def train_epochs(data: TrainingData, spec: TrainingSpec) -> Iterator[EpochRecord]:
    """Train from the start, one record an epoch. The caller owns storage and stopping."""
    settled, _ = settle_rate(data, spec)
    return Training(data, settled).epochs()


class Loop(Run):
    """A run that takes one step after another through autograd, whatever its batches are made of."""

    def __init__(
        self,
        model: LinearModel,
        spec: TrainingSpec,
        *,
        steps: int = 1,
        optimizer: torch.optim.Optimizer | None = None,
        **options: Any,
    ) -> None:
        """`steps` is how many an epoch has."""
        super().__init__(spec, **options)
        self._model = model
        self._optimizer = optimizer or build_optimizer(model.learnable, spec)
        self._scheduler = build_scheduler(self._optimizer, spec, steps)
        self._rate_moves_within_epochs = spec.schedule_counts_steps and steps > 1
        self._steps_an_epoch = steps
        self._evaluates_often = isinstance(spec.optimizer, LBFGS)

    @property
    def parameters(self) -> Parameters:
        return self._model.parameters()

    @property
    def learning_rate(self) -> float:
        """Of the first step of the epoch to be trained next."""
        return float(self._optimizer.param_groups[0]["lr"])

    def checkpoint(self) -> bytes:
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
        device = self._model.weights.device
        state: dict[str, Any] = torch.load(io.BytesIO(checkpoint), weights_only=True, map_location=device)
        self._epoch = state["epoch"]
        with torch.no_grad():
            for leaf, value, gradient in zip(self._model.leaves, state["parameters"], state["gradients"], strict=True):
                leaf.copy_(value)
                leaf.grad = gradient
        self._restore_optimizer(state["optimizer"])
        if self._scheduler and state["scheduler"]:
            self._scheduler.load_state_dict(state["scheduler"])
        if self._patience and state["patience"]:
            self._patience.restore(state["patience"])

    def _restore_optimizer(self, kept: dict[str, Any]) -> None:
        """Where it goes on from another run (slope.handover), what it is told stays this run's own."""
        groups = kept["param_groups"] or self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": kept["state"], "param_groups": groups})

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        self._begin_epoch()
        for step, batch in enumerate(islice(self._batches(), steps.stop)):
            self._pause()
            loss = self._backpropagate(batch)
            if not loss.isfinite():
                break
            if step in steps:
                gradient, parameters = self._model.gradient(), self._model.parameters()
                yield StepRecord(self.epoch, step, loss.item(), gradient, parameters)
            self._update(batch)

    @abstractmethod
    def _batches(self) -> Iterable[Rows]:
        """The batches of the epoch to be trained next."""

    @abstractmethod
    def _recorder(self) -> EpochRecorder:
        """Of the epoch to be trained next."""

    @abstractmethod
    def _validation_loss(self) -> float | None: ...

    def _train(self, end: int) -> Sequence[EpochRecord]:
        record = self._train_epoch()
        if self._scheduler and not self._rate_moves_within_epochs:
            self._scheduler.step()
        return [record]

    def _train_epoch(self) -> EpochRecord:
        recorder, learning_rate = self._recorder(), self.learning_rate
        self._begin_epoch()
        for step, batch in enumerate(self._batches()):
            if step:
                self._pause()
            loss = self._backpropagate(batch)
            recorder.step(loss.item())
            self._update(batch)
        return recorder.epoch(learning_rate, self._validation_loss())

    def _begin_epoch(self) -> None:
        if self.spec.zero_gradients == "epoch":
            self._zero_gradients()

    def _backpropagate(self, batch: Rows) -> Tensor:
        if self.spec.zero_gradients == "step":
            self._zero_gradients()
        loss = self._model.loss(*batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _update(self, batch: Rows) -> None:
        if self.spec.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.learnable, self.spec.clip_norm)
        try:
            self._move(batch)
        except (ArithmeticError, RuntimeError) as error:
            if not (isinstance(error, ArithmeticError) or "without overflow" in str(error)):
                raise
            self._lose_parameters()
        if self._scheduler and self._rate_moves_within_epochs:
            self._scheduler.step()

    def _move(self, batch: Rows) -> None:
        if self._evaluates_often:
            self._optimizer.step(lambda: self._evaluate(batch))  # type: ignore[arg-type, return-value]
        else:
            self._optimizer.step()
        if self.spec.is_proximal:
            self._model.shrink(self.learning_rate * self.spec.l1)

    @torch.no_grad()
    def _lose_parameters(self) -> None:
        """The run diverges: torch refused a factor that is not finite, or that float32 cannot hold."""
        for leaf in self._model.learnable:
            leaf.fill_(math.nan)

    def _evaluate(self, batch: Rows) -> Tensor:
        """Once more, as lbfgs does up to a thousand times a step."""
        self._pause()
        return self._backpropagate(batch)

    def _zero_gradients(self) -> None:
        for leaf in self._model.learnable:
            leaf.grad = None


class Training(Loop):
    """The reference: the rows themselves, batch by batch, bit-equal to the plain program."""

    def __init__(
        self,
        data: TrainingData,
        spec: TrainingSpec,
        *,
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        """`interrupted` is asked before every step, and before every evaluation of lbfgs."""
        model = LinearModel(Parameters(*initial_parameters(data.x.shape[1], spec, data.scaler)), spec, device)
        super().__init__(model, spec, steps=steps_per_epoch(len(data.y), spec), **options)
        self._rows = self._tensors(data.x, data.y, data.weights)
        held_back = data.validation_x, data.validation_y, data.validation_weights
        self._validation = self._tensors(*held_back) if len(data.validation_y) else None
        is_fixed = not spec.shuffle and self._rows[0].numel() <= _KEPT_NUMBERS
        self._kept_batches = list(self._split(self._rows)) if is_fixed else None

    @property
    def _count(self) -> int:
        return len(self._rows[1])

    def _recorder(self) -> EpochRecorder:
        keeps_steps = self._keeps_steps_of(self.epoch)
        return EpochRecorder(self._model, self.epoch, self._steps_an_epoch, keep_steps=keeps_steps)

    def _batches(self) -> Iterable[Rows]:
        if self._kept_batches is not None:
            return self._kept_batches
        if not self.spec.shuffle:
            return self._split(self._rows)
        order = torch.from_numpy(epoch_order(self._count, self.spec, self.epoch)).to(self._rows[0].device)
        return self._split(tuple(each[order] for each in self._rows))

    def _split(self, rows: Rows) -> Iterator[Rows]:
        """Batches, each with its x in memory of its own, as x[rows] has it.

        A view would start wherever its rows lie, and a product rounds differently with the alignment of its operands.
        """
        x, *others = rows
        size = batch_rows(self._count, self.spec)
        if size == self._count:
            yield rows
            return
        for start in range(0, self._count, size):
            chosen = slice(start, start + size)
            yield x[chosen].clone(), *(each[chosen] for each in others)

    def _validation_loss(self) -> float | None:
        if self._validation is None:
            return None
        with torch.no_grad():
            return self._model.row_loss(*self._validation).item()

    def _tensors(self, x: Array, y: Array, weights: Array | None) -> Rows:
        given = (x, y) if weights is None else (x, y, weights)
        return tuple(map(self._tensor, given))

    def _tensor(self, values: Array) -> Tensor:
        # A copy in torch's own memory: an array may be aligned and ordered in any way, and the bits would depend on it.
        return torch.tensor(values, dtype=torch_dtype(self.spec), device=self._model.weights.device).contiguous()
