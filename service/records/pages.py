"""What a job recorded, read in parts: a page is one of them, and a history is one after the other (see chunks)."""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, Self, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service.errors import EpochNotFound
from service.jobs import jobs
from service.records import replay
from service.storage import Storage
from service.store.records import records
from service.store.tables import Job, Step
from slope.arrays import Indices
from slope.columns import EpochColumns, StepColumns
from slope.data import RowsOfSteps
from slope.spec.names import counted

if TYPE_CHECKING:
    from slope.records import StepRecord

Records = TypeVar("Records", bound=Sized)

ALL = 2**31
"""A limit that no job reaches."""
MOST_ROWS = 1_000_000
"""That one answer lists."""
MOST_NUMBERS = 1_000_000
"""Of gradients and parameters on one page, about 20 MB; a page has at least one record."""


@dataclass(frozen=True)
class Page(Generic[Records]):
    """Records, ascending."""

    records: Records
    following: int | None
    """The number of the last of them, where others follow it."""


@dataclass(frozen=True)
class StepWithRows:
    """A step, and the rows of its batch as indices in the dataset; None where they are too many to be listed."""

    step: Step
    rows: list[int] | None


@dataclass(frozen=True)
class StepsWithRows:
    """Steps as columns, and the rows of the batch of each; None where they are too many to be listed."""

    steps: StepColumns
    rows: list[Indices] | None

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class EpochReader:
    """The epochs of a job whose model has this many features, up to one."""

    job_id: UUID
    features: int
    before: int

    @classmethod
    def of_job(cls, session: Session, job_id: UUID, before: int = ALL) -> Self:
        """Raises JobNotFound."""
        return cls(job_id, jobs.get_outline(session, job_id).features, before)

    @property
    def numbers(self) -> int:
        """Of one epoch."""
        return records.numbers_of_epoch(self.features)

    def read(self, session: Session, after: int, limit: int) -> Page[EpochColumns]:
        """Raises JobNotFound where nothing is left of the job."""
        found = records.epoch_columns_in(session, self.job_id, range(after + 1, self.before), limit + 1)
        if not len(found):
            jobs.get_outline(session, self.job_id)
        page = found.at(np.arange(len(found))[:limit])
        return Page(page, int(page.epoch[-1]) if len(found) > limit else None)


@dataclass(frozen=True)
class StepReader:
    """The steps of an epoch. Those that were not recorded are computed again while they are read, front to back."""

    job: Job
    epoch: int
    rows: RowsOfSteps
    replayed: Iterator[Step] | None
    lists_rows: bool

    @property
    def numbers(self) -> int:
        """Of one step with its rows."""
        return records.numbers_of_step(len(self.job.features)) + self.rows.size

    def read(self, session: Session, after: int, limit: int) -> Page[list[StepWithRows]]:
        """Raises JobNotFound where nothing is left of the job."""
        wanted = self._wanted(after, limit)
        if self.replayed is None:
            found = records.steps_in(session, self.job.id, self.epoch, wanted)
        else:
            found = list(islice(self.replayed, len(wanted)))
        return Page(list(map(self._with_rows, found)), self._following(session, wanted, len(found), limit))

    def read_columns(self, session: Session, after: int, limit: int) -> Page[StepsWithRows]:
        """The same as columns."""
        if self.replayed is not None:
            page = self.read(session, after, limit)
            return Page(in_columns(page.records), page.following)
        wanted = self._wanted(after, limit)
        found = records.step_columns_in(session, self.job.id, self.epoch, wanted)
        rows = list(map(self.rows.of_step, wanted[: len(found)])) if self.lists_rows else None
        return Page(StepsWithRows(found, rows), self._following(session, wanted, len(found), limit))

    def _wanted(self, after: int, limit: int) -> range:
        return range(after + 1, min(after + 1 + limit, len(self.rows)))

    def _following(self, session: Session, wanted: range, found: int, limit: int) -> int | None:
        if not found:
            jobs.get_outline(session, self.job.id)
        return wanted.stop - 1 if found == limit and wanted.stop < len(self.rows) else None

    def _with_rows(self, step: Step) -> StepWithRows:
        return StepWithRows(step, self.rows[step.step] if self.lists_rows else None)


def page_of_epochs(session: Session, job_id: UUID, *, after: int, before: int = ALL, limit: int) -> Page[EpochColumns]:
    """At most `limit` epochs, and fewer where the model is wide. Raises JobNotFound."""
    reader = EpochReader.of_job(session, job_id, before)
    return reader.read(session, after, most_records(limit, reader.numbers))


def page_of_steps(
    session: Session, storage: Storage, job_id: UUID, epoch: int, *, after: int, limit: int
) -> Page[list[StepWithRows]]:
    """At most `limit` steps, and fewer where they have too many numbers or rows. Raises JobNotFound, EpochNotFound."""
    job = jobs.get_job_for_replay(session, job_id)
    most = most_records(limit, records.numbers_of_step(len(job.features)))
    most = max(1, min(most, MOST_ROWS // _rows_of_epoch(job, epoch).size))
    return read_steps(session, storage, job, epoch, after=after, limit=most)


def page_of_recorded_steps(
    session: Session, job_id: UUID, *, after: tuple[int, int], limit: int
) -> tuple[list[StepWithRows], tuple[int, int] | None]:
    """At most `limit` recorded steps of all epochs, and fewer where they have many numbers; and the last of them by its
    epoch and number, where others follow it. Raises JobNotFound."""
    job = jobs.get_job_for_replay(session, job_id)
    most = most_records(limit, records.numbers_of_step(len(job.features)) + _rows_of_epoch(job, 0).size)
    found = records.recorded_steps_after(session, job_id, after, most + 1)
    page = found[:most]
    rows = {epoch: _rows_of_epoch(job, epoch) for epoch in {step.epoch for step in page}}
    following = (page[-1].epoch, page[-1].step) if len(found) > most else None
    return [StepWithRows(step, rows[step.epoch][step.step]) for step in page], following


def read_steps(
    session: Session, storage: Storage, job: Job, epoch: int, *, after: int, limit: int
) -> Page[list[StepWithRows]]:
    """At most `limit` steps of an epoch, however large. Raises EpochNotFound, ReplayTooLong and ReplayDiffers."""
    reader = open_steps(session, storage, job, epoch, after=after, limit=limit, in_memory=limit)
    return reader.read(session, after, limit)


def open_steps(
    session: Session, storage: Storage, job: Job, epoch: int, *, after: int, limit: int, in_memory: int | None = None
) -> StepReader:
    """`in_memory` is how many steps the answer holds before it begins; by default each is sent when it is there.

    Raises EpochNotFound, ReplayTooLong and ReplayDiffers.
    """
    rows = _rows_of_epoch(job, epoch)
    window = range(after + 1, min(after + 1 + limit, len(rows)))
    through = window.start if in_memory is None else window.stop
    replayed = _replayed_steps(session, storage, job, epoch, window, through=through)
    return StepReader(job, epoch, rows, replayed, rows.size * min(in_memory or 1, len(window)) <= MOST_ROWS)


def in_columns(found: Sequence[StepWithRows]) -> StepsWithRows:
    """Steps that were read one by one."""
    steps = records.columns_of_steps([each.step for each in found])
    rows = [each.rows for each in found if each.rows is not None]
    return StepsWithRows(steps, [np.array(each) for each in rows] if len(rows) == len(found) else None)


def most_records(limit: int, numbers: int, of: int | None = None) -> int:
    """How many records of this many numbers are read together, but at least one: `of` numbers, or those of a page."""
    return max(1, min(limit, (of or MOST_NUMBERS) // numbers))


def are_recorded(session: Session, job_id: UUID, epoch: int) -> bool:
    """Whether the steps of an epoch only have to be read."""
    return records.has_steps(session, job_id, epoch)


def _replayed_steps(
    session: Session, storage: Storage, job: Job, epoch: int, window: range, *, through: int
) -> Iterator[Step] | None:
    """Steps that were not recorded, computed again as they are taken; None when the epoch's steps were recorded.

    `through` is how many steps of the epoch somebody waits for before the first is sent.
    """
    if are_recorded(session, job.id, epoch):
        return None
    if epoch >= job.epochs_done:
        raise EpochNotFound(f"Job {job.id} has trained {counted(job.epochs_done, 'epoch')}: there is no epoch {epoch}")
    if not window:
        return iter(())
    return (_as_row(job, step) for step in replay.replay_steps(session, storage, job, epoch, window, through=through))


def _rows_of_epoch(job: Job, epoch: int) -> RowsOfSteps:
    return RowsOfSteps(job.dataset.rows, job.training_spec, epoch)


def _as_row(job: Job, record: "StepRecord") -> Step:
    return Step(
        job_id=job.id,
        epoch=record.epoch,
        step=record.step,
        loss=record.loss,
        gradient_weights=record.gradient.weights,
        gradient_bias=record.gradient.bias,
        weights=record.parameters.weights,
        bias=record.parameters.bias,
    )
