"""Reading what a job recorded, and recomputing what it did not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from service.errors import EpochNotFound
from service.jobs import jobs
from service.records import replay
from service.storage import Storage
from service.store import records
from service.store.tables import Epoch, Job, Step
from slope.data import RowsOfSteps

if TYPE_CHECKING:
    from slope.records import StepRecord


MOST_ROWS = 1_000_000
"""That one answer lists."""
MOST_NUMBERS = 1_000_000
"""Of gradients and parameters on one page, about 20 MB; a page has at least one record."""


@dataclass(frozen=True)
class StepWithRows:
    """A step, and the rows of its batch as indices in the dataset; None where they are too many to be listed."""

    step: Step
    rows: list[int] | None


def epochs(session: Session, job_id: UUID, *, after: int, limit: int) -> tuple[list[Epoch], int | None]:
    """Epochs ascending, and the epoch after which the next page begins: early, where the model is wide."""
    limit = at_most(limit, records.numbers_of_epoch(jobs.get_outline(session, job_id).features))
    found = records.epochs_after(session, job_id, after, limit + 1)
    return found[:limit], found[limit - 1].epoch if len(found) > limit else None


def steps(
    session: Session, storage: Storage, job_id: UUID, epoch: int, *, after: int, limit: int
) -> tuple[list[StepWithRows], int | None]:
    """Steps of an epoch ascending, and the step after which the next page begins. Raises EpochNotFound."""
    job = jobs.get_job_for_replay(session, job_id)
    rows = rows_of_epoch(job, epoch)
    window = range(after + 1, min(after + 1 + limit, len(rows)))
    replayed = replayed_steps(session, storage, job, epoch, window, through=window.stop)
    found = records.steps_in(session, job.id, epoch, window) if replayed is None else list(replayed)
    following = window.stop - 1 if len(found) == limit and window.stop < len(rows) else None
    return list(with_rows(found, rows, 1)), following


def at_most(limit: int, numbers: int) -> int:
    """How many records of so many numbers are on one page."""
    return max(1, min(limit, MOST_NUMBERS // numbers))


def page_of_steps(
    session: Session, storage: Storage, job_id: UUID, epoch: int, *, after: int, limit: int
) -> tuple[list[StepWithRows], int | None]:
    """The same, but a page ends early where it would list too many rows or numbers."""
    job = jobs.get_job_for_replay(session, job_id)
    most = min(at_most(limit, records.numbers_of_step(len(job.features))), MOST_ROWS // rows_of_epoch(job, epoch).size)
    return steps(session, storage, job_id, epoch, after=after, limit=max(1, most))


def with_rows(steps: Iterable[Step], rows: RowsOfSteps, at_once: int) -> Iterator[StepWithRows]:
    """Steps of which so many are in memory at once, with their rows where those are not too many."""
    are_listed = rows.size * at_once <= MOST_ROWS
    return (StepWithRows(step, rows[step.step] if are_listed else None) for step in steps)


def are_recorded(session: Session, job_id: UUID, epoch: int) -> bool:
    """Whether the steps of an epoch only have to be read."""
    return records.has_steps(session, job_id, epoch)


def replayed_steps(
    session: Session, storage: Storage, job: Job, epoch: int, window: range, *, through: int
) -> Iterator[Step] | None:
    """Steps that were not recorded, computed again as they are taken; None when the epoch's steps were recorded.

    `through` is how many steps of the epoch somebody waits for at once. Raises EpochNotFound, ReplayTooLong and
    ReplayDiffers, at once.
    """
    if records.has_steps(session, job.id, epoch):
        return None
    if epoch >= job.epochs_done:
        raise EpochNotFound(f"Job {job.id} has trained {job.epochs_done} epochs: there is no epoch {epoch}")
    if not window:
        return iter(())
    return (_as_row(job, step) for step in replay.steps(session, storage, job, epoch, window, through=through))


def rows_of_epoch(job: Job, epoch: int) -> RowsOfSteps:
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
