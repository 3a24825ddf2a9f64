"""The health of the models of a group: what slope.health finds of each of them, looked for in all of them together."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slope.data import Array, Indices
from slope.engines.rounds import Round
from slope.health import GROWING_EPOCHS, STILL, STILL_EPOCHS, VANISHED, Course, Finding, Health, runs

_CODES = ("loss_growing", "loss_still", "gradient_vanished")


class _Observation(NamedTuple):
    """What is looked at of a model's epoch."""

    epoch: int
    loss: float
    gradient_norm: float


class GroupHealth:
    """Examines the rounds of a group in their order. Only models in which something is found are examined singly."""

    def __init__(self, of_each: Mapping[int, Health], width: int) -> None:
        """By place."""
        self._of_each = of_each
        self._growing, self._still = np.zeros((2, width), np.int64)
        self._best, self._previous, self._first_norm = np.full(width, np.inf), *np.full((2, width), np.nan)
        self._is_known = {code: np.zeros(width, dtype=bool) for code in _CODES}
        for place in of_each:
            self._note(place)

    def examine(self, found: Round) -> dict[int, list[Finding]]:
        """What the epochs of a round show for the first time, by place."""
        length, ends = int(found.counts.max(initial=0)), np.cumsum(found.counts)
        are_whole = found.counts == length
        rows = np.repeat(are_whole, found.counts)
        shape = (int(are_whole.sum()), length)
        losses, norms = (column[rows].reshape(shape) for column in (found.epochs.loss, found.epochs.gradient_norm))
        singly = ~are_whole
        singly[are_whole] = self._observe(found.places[are_whole], losses, norms) if length else False
        apart = (part[singly].tolist() for part in (found.places, ends, found.counts))
        return {
            place: findings
            for place, end, count in zip(*apart, strict=True)
            if (findings := self._examine_singly(place, found, slice(end - count, end)))
        }

    def conclude(self, place: int) -> list[Finding]:
        """See Health.conclude."""
        self._of_each[place].course = self._course(place)
        return self._of_each[place].conclude()

    def _observe(self, places: Indices, losses: Array, norms: Array) -> NDArray[np.bool_]:
        """Look at M models of E epochs, and note how they run: of which something is found, whose course stays."""
        before = np.column_stack([self._previous[places], losses[:, :-1]])  # NaN at first: it has not grown then
        first = self._first_norm[places]
        self._first_norm[places] = np.where(np.isnan(first), norms[:, 0], first)
        growing = runs(losses > before, self._growing[places, None])
        still = runs(np.abs(losses - before) <= STILL * np.abs(before), self._still[places, None])
        best = np.minimum(np.minimum.accumulate(losses, axis=1), self._best[places, None])
        symptoms = {
            "loss_growing": (growing >= GROWING_EPOCHS) & (losses > 2 * best),
            "loss_still": still >= STILL_EPOCHS,
            "gradient_vanished": norms <= VANISHED * self._first_norm[places, None],
        }
        shown = np.zeros(len(places), dtype=bool)
        for code, symptom in symptoms.items():
            shown |= symptom.any(axis=1) & ~self._is_known[code][places]
        quiet = places[~shown]
        self._growing[quiet], self._still[quiet] = growing[~shown, -1], still[~shown, -1]
        self._best[quiet], self._previous[quiet] = best[~shown, -1], losses[~shown, -1]
        return shown

    def _examine_singly(self, place: int, found: Round, rows: slice) -> list[Finding]:
        health, epochs = self._of_each[place], found.epochs
        health.course = self._course(place)
        columns = (epochs.epoch[rows], epochs.loss[rows], epochs.gradient_norm[rows])
        seen = [_Observation(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
        findings = health.examine_block(seen)
        self._note(place)
        return findings

    def _course(self, place: int) -> Course:
        previous, norm = float(self._previous[place]), float(self._first_norm[place])
        known = None if np.isnan(previous) else previous, None if np.isnan(norm) else norm
        return Course(int(self._growing[place]), int(self._still[place]), float(self._best[place]), *known)

    def _note(self, place: int) -> None:
        """Take over what a model was found to be like by itself."""
        health = self._of_each[place]
        course = health.course
        self._growing[place], self._still[place], self._best[place] = course.growing, course.still, course.best
        self._previous[place] = np.nan if course.previous is None else course.previous
        self._first_norm[place] = np.nan if course.first_norm is None else course.first_norm
        for code in _CODES:
            self._is_known[code][place] = health.has_reported(code)
