"""What the engines of gradient descent share: they follow the parameters that learn, as one vector, in float64."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from slope.data import Array, Indices, TrainingData, batch_rows, epoch_order, initial_parameters, steps_per_epoch
from slope.engines.rates import learning_rates
from slope.engines.reach import in_double, largest_number
from slope.engines.reduced import validation_loss
from slope.engines.reduction import Reduction
from slope.model import LinearModel, Parameters
from slope.recorder import are_all_finite
from slope.records import Diverged, EpochRecord, StepRecord
from slope.run import Run
from slope.spec import SGD, TrainingSpec


@dataclass(frozen=True)
class Design:
    """The rows as what learns sees them: x (N × the weights that learn), targets (N), what is frozen taken off."""

    x: Array
    targets: Array
    learns_bias: bool
    offset: float
    """What the penalty of frozen weights adds to every loss."""

    @classmethod
    def of(cls, data: TrainingData, spec: TrainingSpec) -> "Design":
        weights, bias = initial_parameters(data.x.shape[1], spec, data.scaler)
        x, targets, offset = data.x, data.y, 0.0
        if "weights" in spec.frozen:
            x, targets = np.empty((len(targets), 0)), targets - data.x @ weights
            offset = spec.l2 * math.hypot(*weights) ** 2
        if "bias" in spec.frozen:
            targets = targets - (bias or 0.0)
        return cls(_contiguous(x), _contiguous(targets), spec.learns_bias, offset)

    @property
    def parameters(self) -> int:
        """How many learn."""
        return int(self.x.shape[1]) + self.learns_bias

    def rows(self, chosen: slice | Indices) -> Array:
        """Some rows, with a 1 for the bias: n × K."""
        x = self.x[chosen]
        return np.column_stack([x, np.ones(len(x))]) if self.learns_bias else np.ascontiguousarray(x)


@dataclass
class Sums:
    """Of an epoch: its steps' losses and gradients (K), and the last step's."""

    steps: int
    loss: float
    gradient: Array
    last_loss: float
    last_gradient: Parameters


class Descent(Run):
    """SGD on the rows themselves. Everything is a function of (seed, epoch) and the parameters before the epoch."""

    def __init__(
        self,
        data: TrainingData,
        spec: TrainingSpec,
        *,
        keeps_steps: Callable[[int], bool] = lambda epoch: True,
        interrupted: Callable[[], bool] = lambda: False,
        device: torch.device | str = "cpu",
    ) -> None:
        double = in_double(spec)
        model = LinearModel(Parameters(*initial_parameters(data.x.shape[1], spec, data.scaler)), double, device)
        self._steps = steps_per_epoch(len(data.y), spec)
        super().__init__(model, double, keeps_steps=keeps_steps, interrupted=interrupted, steps=self._steps)
        assert isinstance(spec.optimizer, SGD)  # the plan sees to it
        self._optimizer.step()  # without gradients it moves nothing; a scheduler wants it called before its own
        self._sgd = spec.optimizer
        self._leaves = [leaf.detach() for leaf in model.learnable]
        """The same memory, unseen by autograd."""
        self._data = data
        self._design = Design.of(data, spec)
        self._largest = largest_number(spec)
        self._size = batch_rows(len(data.y), spec)
        self._rates = learning_rates([spec], self._steps)
        if self._rate_moves_within_epochs:
            self._scheduler = None  # asked for the rate of each of a million steps, it would take most of the time

    @abstractmethod
    def _follow_epoch(self) -> tuple[Sums, Sequence[StepRecord]]:
        """Move the parameters through an epoch. Raises Diverged at a loss that is not finite, and Interrupted."""

    def _train_epoch(self) -> EpochRecord:
        started, learning_rate = perf_counter(), self.learning_rate
        with np.errstate(over="ignore", invalid="ignore"):
            sums, steps = self._follow_epoch()
            held_back = self._validation_loss()
        mean = self._as_gradient(sums.gradient / sums.steps)
        norm, loss = math.hypot(*(mean.weights or ()), mean.bias or 0.0), sums.loss / sums.steps
        numbers, parameters = (loss, norm, held_back or 0.0), self.parameters
        if not (are_all_finite(parameters, self._largest) and all(abs(number) < self._largest for number in numbers)):
            raise Diverged(self.epoch, sums.steps - 1, list(steps))
        return EpochRecord(
            epoch=self.epoch,
            loss=loss,
            last_loss=sums.last_loss,
            validation_loss=held_back,
            gradient_mean=mean,
            gradient_last=sums.last_gradient,
            gradient_norm=norm,
            parameters=parameters,
            learning_rate=learning_rate,
            seconds=perf_counter() - started,
            steps=steps,
        )

    @property
    def learning_rate(self) -> float:
        return float(self._step_rates(range(1))[0])

    def _step_rates(self, steps: range) -> Array:
        """The learning rates of some steps of the epoch to be trained next; one where all have the same."""
        if not self._rate_moves_within_epochs:
            return np.array([super().learning_rate])
        return self._rates(self.epoch * self._steps + np.arange(steps.start, steps.stop))

    def _theta(self) -> Array:
        """The parameters that learn (K)."""
        return np.concatenate([leaf.cpu().numpy().reshape(-1) for leaf in self._leaves])

    def _place(self, theta: Array) -> None:
        """Let the model have these parameters."""
        start = 0
        for leaf in self._leaves:
            part = theta[start : start + leaf.numel()].reshape(leaf.shape)
            if leaf.is_cpu:
                leaf.numpy()[...] = part  # a tenth of the time of copy_
            else:
                leaf.copy_(torch.from_numpy(part))
            start += leaf.numel()

    def _as_gradient(self, vector: Array) -> Parameters:
        weights, bias = vector[: self._design.x.shape[1]], self._design.learns_bias
        learns = "weights" not in self.spec.frozen
        return Parameters(weights.tolist() if learns else None, float(vector[-1]) if bias else None)

    def _order(self) -> Indices:
        """Of the rows in the epoch to be trained next."""
        return epoch_order(len(self._data.y), self.spec, self.epoch)

    def _step(self, theta: Array, rows: Indices) -> tuple[float, Parameters]:
        """The loss of a batch and its gradient by autograd."""
        x, y = (torch.from_numpy(values[rows]) for values in (self._data.x, self._data.y))
        return self._differentiated(theta, x, y)

    def _differentiated(self, theta: Array, x: Tensor, y: Tensor) -> tuple[float, Parameters]:
        """The same for rows on the CPU."""
        self._place(theta)
        for leaf in self._model.learnable:
            leaf.grad = None
        device = self._model.weights.device
        loss = self._model.loss(x.to(device), y.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item(), self._model.gradient()

    @cached_property
    def _validation(self) -> Callable[[], float | None]:
        if self.spec.loss != "squared_error":
            return self._validation_by_rows
        held_back = [(self._data.validation_x, self._data.validation_y)]
        reduction = Reduction.of(held_back, self._data.x.shape[1], pause=self._pause)
        return lambda: validation_loss(reduction, self.parameters)

    def _validation_loss(self) -> float | None:
        return self._validation()

    def _validation_by_rows(self) -> float | None:
        x, y = (torch.from_numpy(values) for values in (self._data.validation_x, self._data.validation_y))
        with torch.no_grad():
            return self._model.row_loss(x, y).item() if len(y) else None


def _contiguous(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float64)
