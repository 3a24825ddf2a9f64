"""The health of a run, from its epoch records: what ails it, each thing said once, and what to do about it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array, Indices
from slope.columns import EpochColumns
from slope.records import EpochTable
from slope.spec import TrainingSpec

GROWING_EPOCHS = 5
"""The loss must rise for this many epochs in a row, to more than twice its best, before it is called growing."""
STILL_EPOCHS = 10
STILL = 1e-9
"""A loss that changes by less than this fraction of itself for STILL_EPOCHS epochs in a row stands still."""
VANISHED = 1e-8
"""A gradient this much shorter than the first has vanished."""


@dataclass(frozen=True)
class Finding:
    """Something to tell: a code for programs, a level, and a sentence for people."""

    code: str
    level: Literal["info", "warning"]
    detail: str


class Observed(Protocol):
    """What is looked at of an epoch's record."""

    @property
    def epoch(self) -> int: ...

    @property
    def loss(self) -> float: ...

    @property
    def gradient_norm(self) -> float: ...


@dataclass
class Course:
    """What is remembered of a run's losses and gradients."""

    growing: int = 0
    """For how many epochs in a row the loss has grown."""
    still: int = 0
    """The same of standing still."""
    best: float = math.inf
    previous: float | None = None
    """The loss of the epoch before."""
    first_norm: float | None = None


class Health:
    """Examines the records of a run in their order. `reported` are the codes that need no repeating."""

    def __init__(self, reported: set[str], spec: TrainingSpec) -> None:
        self._reported = reported
        self._spec = spec
        self._grew_from: float | None = None
        """The best loss before it was reported that the loss had grown."""
        self.course = Course()

    def examine(self, record: Observed) -> list[Finding]:
        """What this epoch shows for the first time."""
        self._observe(record)
        findings = [
            finding
            for code, symptom in self._symptoms()
            if code not in self._reported and (finding := symptom(code, record)) is not None
        ]
        self._reported.update(finding.code for finding in findings)
        return findings

    def examine_block(self, block: Sequence[Observed]) -> list[Finding]:
        """What these epochs show for the first time: the same as of each of them in turn.

        Of a table only the epochs are looked at by themselves in which something is found.
        """
        if not isinstance(block, EpochTable):
            return [finding for record in block for finding in self.examine(record)]
        findings: list[Finding] = []
        rows = block.columns
        while len(rows):
            unremarkable = 0 if self.course.previous is None else self._count_unremarkable(rows)
            if unremarkable:
                self._observe_all(rows.at(np.arange(unremarkable)))
            if unremarkable < len(rows):
                findings += self.examine(EpochTable(rows, None)[unremarkable])
            rows = rows.at(np.arange(unremarkable + 1, len(rows)))
        return findings

    def _count_unremarkable(self, rows: EpochColumns) -> int:
        """How many of the epochs come before the first with a symptom that has not been reported; see `_symptoms`."""
        growing, still = self._runs_in(rows.loss)
        best = np.minimum(np.minimum.accumulate(rows.loss), self.course.best)
        symptoms = {
            "loss_growing": (growing >= GROWING_EPOCHS) & (rows.loss > 2 * best),
            "loss_still": still >= STILL_EPOCHS,
            "gradient_vanished": rows.gradient_norm <= VANISHED * (self.course.first_norm or 0.0),
        }
        firsts = [found.argmax() for code, found in symptoms.items() if not self.has_reported(code) and found.any()]
        return int(min(firsts, default=len(rows)))

    def has_reported(self, code: str) -> bool:
        return code in self._reported

    def _observe_all(self, rows: EpochColumns) -> None:
        """As `_observe` does with each of them."""
        losses, course = rows.loss, self.course
        growing, still = self._runs_in(losses)
        course.growing, course.still = int(growing[-1]), int(still[-1])
        course.best, course.previous = min(course.best, float(losses.min())), float(losses[-1])

    def _runs_in(self, losses: Array) -> tuple[Indices, Indices]:
        """For how many epochs in a row the loss has grown, and stood still, at each of them."""
        assert self.course.previous is not None  # whoever asks has looked
        before = np.append(self.course.previous, losses[:-1])
        still = np.abs(losses - before) <= STILL * np.abs(before)
        return runs(losses > before, self.course.growing), runs(still, self.course.still)

    def conclude(self) -> list[Finding]:
        """What the end of a run that has succeeded takes back: a loss that had grown, and fell again."""
        last = self.course.previous
        if self._grew_from is None or last is None or last >= self._grew_from:
            return []
        detail = f"The loss had grown, and has fallen again below where it was: to {last:.6g}."
        return [Finding("loss_fell_again", "info", detail)]

    def _observe(self, record: Observed) -> None:
        course, before = self.course, self.course.previous
        course.growing = course.growing + 1 if before is not None and record.loss > before else 0
        still = before is not None and abs(record.loss - before) <= STILL * abs(before)
        course.still = course.still + 1 if still else 0
        course.best, course.previous = min(course.best, record.loss), record.loss
        course.first_norm = record.gradient_norm if course.first_norm is None else course.first_norm

    def _symptoms(self) -> Iterator[tuple[str, Callable[[str, Observed], Finding | None]]]:
        yield "loss_growing", self._loss_growing
        yield "loss_still", self._loss_still
        yield "gradient_vanished", self._gradient_vanished

    def _loss_growing(self, code: str, record: Observed) -> Finding | None:
        course = self.course
        if course.growing < GROWING_EPOCHS or record.loss <= 2 * course.best:
            return None
        self._grew_from = course.best
        detail = f"The loss has grown for {course.growing} epochs, from {course.best:.6g} to {record.loss:.6g}"
        remedy = "" if self._spec.standardize else ", or standardize the data"
        return Finding(code, "warning", f"{detail}: lower the learning rate{remedy}.")

    def _loss_still(self, code: str, record: Observed) -> Finding | None:
        if self.course.still < STILL_EPOCHS:
            return None
        detail = f"The loss has stood still at {record.loss:.6g} since epoch {record.epoch - self.course.still}"
        return Finding(code, "info", f"{detail}: fewer epochs, or early_stopping, would have done.")

    def _gradient_vanished(self, code: str, record: Observed) -> Finding | None:
        norm, first = record.gradient_norm, self.course.first_norm or 0.0
        if norm > VANISHED * first:
            return None
        detail = f"The gradient has vanished in epoch {record.epoch} (norm {norm:.3g}, first {first:.3g})"
        return Finding(code, "info", f"{detail}: the run is at a minimum, or on a flat stretch of its loss.")


def runs(mask: NDArray[np.bool_], before: int | Indices) -> Indices:
    """How many true values end at each of the last dimension, one after another; `before` stand before the first."""
    index = np.arange(mask.shape[-1])
    last_false = np.maximum.accumulate(np.where(mask, -1, index), axis=-1)
    return np.asarray(index - last_false + np.where(last_false < 0, before, 0))
