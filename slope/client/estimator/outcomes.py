"""What a fit is given, and what it comes to, wherever it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from slope.answers.jobs import JobView
from slope.client.problem import JobFailed, Json

Array = NDArray[np.float64]

HISTORY = ("epoch", "loss", "last_loss", "validation_loss", "gradient_norm", "learning_rate", "weights", "bias")
"""What is told of every epoch; weights and bias in the units that the run is trained in."""


@dataclass(frozen=True)
class Table:
    """What is learnt from: x is N × D, y is N, and so are the weights, where the rows do not count alike."""

    x: Array
    y: Array
    weights: Array | None
    features: list[str] | None
    """Names of the columns of x, where they have any."""
    target: str | None

    @property
    def document(self) -> Json:
        """As a request has it."""
        found: Json = {"x": self.x.tolist(), "y": self.y.tolist()}
        if self.weights is not None:
            found["weights"] = self.weights.tolist()
        return found if self.features is None else found | {"features": self.features, "target": self.target}


@dataclass(frozen=True)
class Label:
    """What a job or a sweep is found by."""

    name: str | None
    metadata: dict[str, str] | None

    @property
    def document(self) -> Json:
        """As a request has it."""
        given = {"name": self.name, "metadata": self.metadata}
        return {name: value for name, value in given.items() if value is not None}


class Record(Protocol):
    """Leads to what was recorded of a run."""

    def history(self) -> dict[str, Any]:
        """The columns of HISTORY that there are, a number or a row for every epoch."""

    def statistics(self) -> Json:
        """Of the exact solution."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    weights: Array
    """D numbers, in the data's own units, as the bias is."""
    bias: float | None
    epochs_done: int
    record: Record
    seconds: float
    job: JobView | None = None
    """As the service answered; None of a run in this process."""
    state: Any = None
    """For another run in this process to go on from."""

    @property
    def start(self) -> Json:
        """The hyperparameters with which another run begins where this one ended."""
        return {"initial_weights": self.weights.tolist()} | ({} if self.bias is None else {"initial_bias": self.bias})


@dataclass(frozen=True)
class Sweep:
    """What many settings have come to, in their order."""

    id: str | None
    """None of one in this process."""
    outcomes: Sequence[Outcome | JobFailed]


class Trainer(Protocol):
    """Where fits are trained. Its calls raise JobFailed, and ValueError for what cannot be."""

    def fit(self, table: Table, hyperparameters: Json, label: Label) -> Outcome:
        """One run."""

    def go_on(self, table: Table, hyperparameters: Json, label: Label, before: Outcome | None) -> Outcome:
        """The epoch after those of another run, or the first."""

    def fit_many(self, table: Table, shared: Json, settings: Sequence[Json], label: Label) -> Sweep:
        """A run for each of the settings, which share the other hyperparameters; those that fail are in their place."""
