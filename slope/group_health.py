"""The health of the models of a group: what slope.health finds of each of them, looked for in all of them together."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from slope.arrays import Array, Indices
from slope.engines.groups.rounds import Round
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
        findings: dict[int, list[Finding]] = {}
        for count in np.unique(found.counts[found.counts > 0]):
            alike = found.counts == count
            rows = np.repeat(alike, found.counts)
            columns = (found.epochs.epoch, found.epochs.loss, found.epochs.gradient_norm)
            epochs, losses, norms = (column[rows].reshape(-1, count) for column in columns)
            findings |= self._examine(found.places[alike], epochs, losses, norms)
        return findings

    def conclude(self, place: int) -> list[Finding]:
        """See Health.conclude."""
        self._of_each[place].course = self._course(place)
        return self._of_each[place].conclude()

    def _examine(self, places: Indices, epochs: Indices, losses: Array, norms: Array) -> dict[int, list[Finding]]:
        """M models of E epochs. Of a symptom that is new the epoch in which it is first is examined by itself."""
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
        shown = np.zeros(losses.shape, dtype=bool)
        for code, symptom in symptoms.items():
            new = np.flatnonzero(symptom.any(axis=1) & ~self._is_known[code][places])
            shown[new, symptom[new].argmax(axis=1)] = True
        findings: dict[int, list[Finding]] = {}
        for model, epoch in np.argwhere(shown).tolist():
            place = int(places[model])
            course = self._course(place)
            if epoch:
                runs_before = int(growing[model, epoch - 1]), int(still[model, epoch - 1])
                previous = float(losses[model, epoch - 1])
                course = Course(*runs_before, float(best[model, epoch - 1]), previous, course.first_norm)
            seen = _Observation(int(epochs[model, epoch]), float(losses[model, epoch]), float(norms[model, epoch]))
            findings.setdefault(place, []).extend(self._examine_singly(place, course, seen))
        self._growing[places], self._still[places] = growing[:, -1], still[:, -1]
        self._best[places], self._previous[places] = best[:, -1], losses[:, -1]
        return findings

    def _examine_singly(self, place: int, course: Course, seen: _Observation) -> list[Finding]:
        health = self._of_each[place]
        health.course = course
        findings = health.examine(seen)
        self._note(place)
        return findings

    def _course(self, place: int) -> Course:
        """Up to the round that is looked at."""
        previous, norm = float(self._previous[place]), float(self._first_norm[place])
        known = None if np.isnan(previous) else previous, None if np.isnan(norm) else norm
        return Course(int(self._growing[place]), int(self._still[place]), float(self._best[place]), *known)

    def _note(self, place: int) -> None:
        """What has been said of a model."""
        for code in _CODES:
            self._is_known[code][place] = self._of_each[place].has_reported(code)
