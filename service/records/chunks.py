"""A job's history from its first record to its last: page after page, so that little is held in memory."""

from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from service.errors import InvalidRequest
from service.jobs import jobs
from service.records import thinning
from service.records.pages import (
    ALL,
    EpochReader,
    Page,
    StepsWithRows,
    StepWithRows,
    in_columns,
    most_records,
    open_steps,
)
from service.storage import Storage
from service.store.database import Database
from service.store.records import records as stored
from slope.columns import EpochColumns
from slope.extremes import EpochNumber
from slope.spec import Fault

Records = TypeVar("Records", bound=Sized)
Item = TypeVar("Item")

_FEWEST = 4
"""Points that show a curve at all."""
_CHUNK_NUMBERS = 2**17
"""About this many numbers are read together, and at least one record."""


@dataclass(frozen=True)
class History(Generic[Records]):
    """Records of a model with this many features.

    Each chunk is read when it is taken, in a transaction of its own. It raises JobNotFound where the job has been
    deleted since: what is cut short must not seem complete.
    """

    features: int
    chunks: Iterator[Records]


def epoch_history(
    database: Database, job_id: UUID, *, after: int = -1, before: int = ALL, limit: int = ALL
) -> History[EpochColumns]:
    """Epochs ascending. Raises JobNotFound."""
    with database.reading() as session:
        epochs = EpochReader.of_job(session, job_id, before)
    return History(epochs.features, _pages(database, epochs.read, after, limit, _chunk_size(epochs.numbers)))


def thinned_epochs(
    database: Database, job_id: UUID, *, after: int = -1, before: int = ALL, points: int, by: Sequence[str] = ("loss",)
) -> History[EpochColumns]:
    """For each of some numbers of theirs at most this many epochs, its extremes among them: together, ascending.

    Raises JobNotFound, and InvalidRequest where the model has no such number.
    """
    window = range(after + 1, before)
    with database.reading() as session:
        epochs = EpochReader.of_job(session, job_id)
    numbers = [_number_of_epochs(name, epochs.features) for name in dict.fromkeys(by)]
    points = max(_FEWEST, most_records(points, epochs.numbers * len(numbers)))
    thinning.ensure_extremes(database, job_id, window)
    with database.reading() as session:
        chosen = {
            epoch
            for number in numbers
            for epoch in thinning.choose_epochs(session, job_id, epochs.features, number, window, points)
        }
    return History(epochs.features, _chosen(database, job_id, sorted(chosen), _chunk_size(epochs.numbers)))


def _number_of_epochs(name: str, features: int) -> EpochNumber:
    number = EpochNumber.named(name, features)
    if number is None:
        detail = (
            f"An epoch of this job has no number {name}: take one of the columns that its CSV has, as loss or weights_0"
        )
        raise InvalidRequest(detail, [Fault(detail, "/query/by")])
    return number


def step_history(
    database: Database, storage: Storage, job_id: UUID, epoch: int, *, after: int = -1, limit: int = ALL
) -> History[StepsWithRows]:
    """Steps of an epoch ascending, recorded or replayed. Raises JobNotFound, EpochNotFound and ReplayDiffers."""
    with database.reading() as session:
        job = jobs.get_job_for_replay(session, job_id)
        steps = open_steps(session, storage, job, epoch, after=after, limit=limit)
    return History(len(job.features), _pages(database, steps.read_columns, after, limit, _chunk_size(steps.numbers)))


def thinned_steps(
    database: Database, storage: Storage, job_id: UUID, epoch: int, *, after: int = -1, points: int
) -> History[StepsWithRows]:
    """At most this many steps, ascending, chosen as `thinned_epochs` chooses epochs. Raises as `step_history` does."""
    with database.reading() as session:
        job = jobs.get_job_for_replay(session, job_id)
        points = max(_FEWEST, most_records(points, stored.numbers_of_step(len(job.features))))
        steps = open_steps(session, storage, job, epoch, after=after, limit=ALL, in_memory=points)
    size = _chunk_size(steps.numbers)
    count = len(steps.rows) - after - 1
    if count <= points:
        return History(len(job.features), _pages(database, steps.read_columns, after, ALL, size))
    every = chain.from_iterable(_pages(database, steps.read, after, ALL, size))
    kept = _in_chunks(_thinned(every, after + 1, -(-count // (points // 4))), size)
    return History(len(job.features), map(in_columns, kept))


def _pages(
    database: Database, read: Callable[[Session, int, int], Page[Records]], after: int, limit: int, size: int
) -> Iterator[Records]:
    """All that follows a record, up to a limit, in pages of a size."""
    following: int | None = after
    while following is not None and limit > 0:
        with database.reading() as session:
            page = read(session, following, min(size, limit))
        if len(page.records):
            yield page.records
        following, limit = page.following, limit - len(page.records)


def _chunk_size(numbers: int) -> int:
    return most_records(ALL, numbers, _CHUNK_NUMBERS)


def _chosen(database: Database, job_id: UUID, chosen: list[int], size: int) -> Iterator[EpochColumns]:
    for some in _in_chunks(iter(chosen), size):
        with database.reading() as session:
            jobs.get_outline(session, job_id)
            chunk = stored.epoch_columns_among(session, job_id, some)
        yield chunk


def _thinned(steps: Iterator[StepWithRows], start: int, length: int) -> Iterator[StepWithRows]:
    for _, stretch in groupby(steps, key=lambda each: (each.step.step - start) // length):
        yield from _extremes(stretch)


def _extremes(stretch: Iterator[StepWithRows]) -> list[StepWithRows]:
    """The first and the last, and the first with the least and with the greatest loss, ascending."""
    first = last = least = greatest = next(stretch)
    for last in stretch:
        least, greatest = min(least, last, key=_loss), max(greatest, last, key=_loss)
    kept = {each.step.step: each for each in (first, least, greatest, last)}
    return [kept[step] for step in sorted(kept)]


def _loss(each: StepWithRows) -> float:
    return each.step.loss


def _in_chunks(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while chunk := list(islice(items, size)):
        yield chunk
