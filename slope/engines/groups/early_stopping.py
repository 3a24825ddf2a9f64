"""Early stopping of the K models of a group; the rule is that of slope.run."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from slope.arrays import Array, Indices
from slope.model import Parameters
from slope.spec import TrainingSpec


class GroupPatience:
    """Watches the validation losses, or the training losses where no rows are held back."""

    def __init__(self, patience: Array, min_delta: Array, features: int) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self.state = np.zeros((len(patience), 3 + features))
        """A row for each model: its best loss, how long it has waited since, and the bias and weights it then had."""
        self.state[:, 0] = np.inf

    @classmethod
    def of(cls, specs: Sequence[TrainingSpec], features: int) -> Self | None:
        rules = [spec.early_stopping for spec in specs if spec.early_stopping]
        if not rules:
            return None
        return cls(np.array([rule.patience for rule in rules]), np.array([rule.min_delta for rule in rules]), features)

    def exhausted(self, place: int) -> bool:
        return bool(self.state[place, 1] >= self._patience[place])

    def exhausted_places(self) -> set[int]:
        return set(np.flatnonzero(self.state[:, 1] >= self._patience).tolist())

    def judge(self, losses: Array, thetas: Array, places: Indices, counts: Indices, *, has_bias: bool) -> Indices:
        """Compare some epochs of the models at these places with the best so far, one after another.

        Of losses W × E and parameters W × E × K the first few count, as many as `counts` says of each. How many of
        them each model trains: all, or those up to the one that exhausts it.
        """
        trained = counts.copy()
        for epoch in range(int(counts.max(initial=0))):
            going = (epoch < trained) & (self.state[places, 1] < self._patience[places])
            trained = np.where(going, trained, np.minimum(trained, epoch))
            self._compare(losses[places[going], epoch], thetas[places[going], epoch], places[going], has_bias=has_bias)
        return trained

    def _compare(self, losses: Array, thetas: Array, places: Indices, *, has_bias: bool) -> None:
        better = losses < self.state[places, 0] - self._min_delta[places]
        weights, bias = (thetas[:, :-1], thetas[:, -1]) if has_bias else (thetas, np.zeros(len(thetas)))
        self.state[places, 1] += 1
        self.state[places[better]] = np.column_stack([losses, np.zeros(len(losses)), bias, weights])[better]

    def best(self, place: int, *, has_bias: bool) -> Parameters | None:
        loss, _, bias, *weights = self.state[place].tolist()
        return None if np.isinf(loss) else Parameters(weights, bias if has_bias else None)
