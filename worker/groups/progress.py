"""How far the jobs of a group are: what Progress is for one job. A place is the index of a job in its group."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from service.store.tables import Job
from slope.engines.groups.rounds import Round
from worker.jobs.recorder import Progress


class GroupProgress:
    """Numbers by place; NaN where there is none yet."""

    def __init__(self, jobs: Iterable[Job], width: int, features: int) -> None:
        self._done = np.zeros(width, dtype=np.int64)
        self._seconds = np.zeros(width)
        self._first, self._last, self._best, self._validation = np.full((4, width), np.nan)
        self._weights, self._bias = np.full((width, features), np.nan), np.full(width, np.nan)
        for job in jobs:
            self._begin(job)

    def advance(self, found: Round) -> None:
        """Take a round of the models that are in it."""
        trained = found.counts > 0
        places, counts, epochs = found.places[trained], found.counts[trained], found.epochs
        if not len(places):
            return
        ends = np.cumsum(counts)
        starts, last = ends - counts, ends - 1
        self._done[places] = epochs.epoch[last] + 1
        self._seconds[places] += np.add.reduceat(epochs.seconds, starts)
        self._first[places] = np.where(np.isnan(self._first[places]), epochs.loss[starts], self._first[places])
        self._last[places] = epochs.loss[last]
        self._best[places] = np.fmin(self._best[places], np.minimum.reduceat(epochs.loss, starts))
        self._weights[places] = epochs.weights[last]
        if epochs.validation_loss is not None:
            self._validation[places] = epochs.validation_loss[last]
        if epochs.bias is not None:
            self._bias[places] = epochs.bias[last]

    def epochs_done(self, place: int) -> int:
        return int(self._done[place])

    def columns(self, place: int) -> dict[str, Any]:
        """The columns of a job."""
        has_weights = self._done[place] > 0
        return {
            "epochs_done": int(self._done[place]),
            "seconds": float(self._seconds[place]),
            "loss_first": _number(self._first[place]),
            "loss_last": _number(self._last[place]),
            "loss_best": _number(self._best[place]),
            "loss_validation": _number(self._validation[place]),
            "weights": self._weights[place].tolist() if has_weights else None,
            "bias": _number(self._bias[place]),
        }

    def _begin(self, job: Job) -> None:
        assert job.place is not None  # it is one of a group
        place, known = job.place, Progress.of(job)
        self._done[place], self._seconds[place] = known.epochs_done, known.seconds
        for numbers, value in (
            (self._first, known.loss_first),
            (self._last, known.loss_last),
            (self._best, known.loss_best),
            (self._validation, known.loss_validation),
            (self._bias, known.bias),
        ):
            numbers[place] = np.nan if value is None else value
        if known.weights is not None:
            self._weights[place] = known.weights


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
