"""The health of a run, from its epoch records: what ails it, each thing said once, and what to do about it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from slope.columns import EpochColumns
from slope.data import Array, Indices
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


class Health:
    """Examines the records of a run in their order. `reported` are the codes that need no repeating."""

    def __init__(self, reported: set[str], spec: TrainingSpec) -> None:
        self._reported = reported
        self._spec = spec
        self._grew_from: float | None = None
        """The best loss before it was reported that the loss had grown."""
        self._best = math.inf
        self._previous: Observed | None = None
        self._first_norm: float | None = None
        self._growing = self._still = 0

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

        They are looked at one by one only where something is found in them.
        """
        if not isinstance(block, EpochTable) or self._previous is None or self._finds_in(block.columns):
            return [finding for record in block for finding in self.examine(record)]
        self._observe_all(block)
        return []

    def _finds_in(self, rows: EpochColumns) -> bool:
        """Whether any of the epochs has a symptom that has not been reported; see `_symptoms`."""
        growing, still = self._runs_in(rows.loss)
        best = np.minimum(np.minimum.accumulate(rows.loss), self._best)
        symptoms = {
            "loss_growing": (growing >= GROWING_EPOCHS) & (rows.loss > 2 * best),
            "loss_still": still >= STILL_EPOCHS,
            "gradient_vanished": rows.gradient_norm <= VANISHED * (self._first_norm or 0.0),
        }
        return any(found.any() for code, found in symptoms.items() if code not in self._reported)

    def _observe_all(self, block: EpochTable) -> None:
        """As `_observe` does with each of them."""
        losses = block.columns.loss
        growing, still = self._runs_in(losses)
        self._growing, self._still = int(growing[-1]), int(still[-1])
        self._best = min(self._best, float(losses.min()))
        self._previous = block[-1]

    def _runs_in(self, losses: Array) -> tuple[Indices, Indices]:
        """For how many epochs in a row the loss has grown, and stood still, at each of them."""
        assert self._previous is not None  # whoever asks has looked
        before = np.append(self._previous.loss, losses[:-1])
        still = np.abs(losses - before) <= STILL * np.abs(before)
        return _runs(losses > before, self._growing), _runs(still, self._still)

    def conclude(self) -> list[Finding]:
        """What the end of a run that has succeeded takes back: a loss that had grown, and fell again."""
        last = self._previous
        if self._grew_from is None or last is None or last.loss >= self._grew_from:
            return []
        detail = f"The loss had grown, and has fallen again below where it was: to {last.loss:.6g}."
        return [Finding("loss_fell_again", "info", detail)]

    def _observe(self, record: Observed) -> None:
        before = self._previous.loss if self._previous else None
        self._growing = self._growing + 1 if before is not None and record.loss > before else 0
        still = before is not None and abs(record.loss - before) <= STILL * abs(before)
        self._still = self._still + 1 if still else 0
        self._best = min(self._best, record.loss)
        self._first_norm = record.gradient_norm if self._first_norm is None else self._first_norm
        self._previous = record

    def _symptoms(self) -> Iterator[tuple[str, Callable[[str, Observed], Finding | None]]]:
        yield "loss_growing", self._loss_growing
        yield "loss_still", self._loss_still
        yield "gradient_vanished", self._gradient_vanished

    def _loss_growing(self, code: str, record: Observed) -> Finding | None:
        if self._growing < GROWING_EPOCHS or record.loss <= 2 * self._best:
            return None
        self._grew_from = self._best
        detail = f"The loss has grown for {self._growing} epochs, from {self._best:.6g} to {record.loss:.6g}"
        remedy = "" if self._spec.standardize else ", or standardize the data"
        return Finding(code, "warning", f"{detail}: lower the learning rate{remedy}.")

    def _loss_still(self, code: str, record: Observed) -> Finding | None:
        if self._still < STILL_EPOCHS:
            return None
        detail = f"The loss has stood still at {record.loss:.6g} since epoch {record.epoch - self._still}"
        return Finding(code, "info", f"{detail}: fewer epochs, or early_stopping, would have done.")

    def _gradient_vanished(self, code: str, record: Observed) -> Finding | None:
        norm, first = record.gradient_norm, self._first_norm or 0.0
        if norm > VANISHED * first:
            return None
        detail = f"The gradient has vanished in epoch {record.epoch} (norm {norm:.3g}, first {first:.3g})"
        return Finding(code, "info", f"{detail}: the run is at a minimum, or on a flat stretch of its loss.")


def _runs(mask: NDArray[np.bool_], before: int) -> Indices:
    """How many true values end at each, one after another; `before` of them stand before the first."""
    index = np.arange(len(mask))
    last_false = np.maximum.accumulate(np.where(mask, -1, index))
    return index - last_false + np.where(last_false < 0, before, 0)
