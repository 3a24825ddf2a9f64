"""Reading what a job recorded."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from service import jobs
from service.errors import EpochNotFound
from service.store import records
from service.store.tables import Epoch, Step
from slope.data import rows_of_steps
from slope.spec import TrainingSpec


@dataclass(frozen=True)
class StepWithRows:
    """A recorded step, and the rows of its batch as indices in the dataset."""

    record: Step
    rows: list[int]


def epochs(session: Session, job_id: UUID, *, after: int, limit: int) -> tuple[list[Epoch], int | None]:
    """Epochs ascending, and the epoch after which the next page begins."""
    jobs.get(session, job_id)
    found = records.epochs_after(session, job_id, after, limit + 1)
    return found[:limit], found[limit - 1].epoch if len(found) > limit else None


def steps(
    session: Session, job_id: UUID, epoch: int, *, after: int, limit: int
) -> tuple[list[StepWithRows], int | None]:
    """Steps of an epoch ascending, and the step after which the next page begins. Raises EpochNotFound."""
    job = jobs.get(session, job_id)
    found = records.steps_after(session, job_id, epoch, after, limit + 1)
    if not found and after < 0:
        raise EpochNotFound(f"No steps of epoch {epoch} of job {job_id} are recorded")
    rows = rows_of_steps(job.dataset.rows, TrainingSpec.model_validate(job.spec), epoch)
    page = [StepWithRows(step, rows[step.step]) for step in found[:limit]]
    return page, found[limit - 1].step if len(found) > limit else None
