"""A job's history from its first record to its last, read in chunks: whatever its length, little is held in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Generic, TypeVar
from uuid import UUID

from service.jobs import jobs
from service.records import pages
from service.records.pages import StepWithRows
from service.storage import Storage
from service.store import records as stored
from service.store.database import Database
from service.store.tables import Epoch, Job, Step

Item = TypeVar("Item")

ALL = 2**31
"""A limit that no job reaches."""
_FEWEST = 4
"""Points that show a curve at all."""
_CHUNK_NUMBERS = 2**15
"""About so many numbers are read at once, and at least one row."""


@dataclass(frozen=True)
class History(Generic[Item]):
    """Records of a model with so many features. Each chunk is read when it is taken, in a transaction of its own."""

    features: int
    chunks: Iterator[Sequence[Item]]


def epochs(database: Database, job_id: UUID, *, after: int = -1, limit: int = ALL) -> History[Epoch]:
    """Epochs ascending. Raises JobNotFound, also between two chunks: what is cut short must not seem complete."""
    with database.reading() as session:
        features = jobs.get_outline(session, job_id).features
    return History(features, _following(database, job_id, after, limit, _chunk_rows(3 * features)))


def telling_epochs(database: Database, job_id: UUID, *, after: int = -1, points: int) -> History[Epoch]:
    """At most so many epochs, ascending, the extremes of the loss among them. Raises JobNotFound."""
    with database.reading() as session:
        features = jobs.get_outline(session, job_id).features
        points = max(_FEWEST, pages.at_most(points, stored.numbers_of_epoch(features)))
        chosen = stored.telling_epochs(session, job_id, after, points)
    return History(features, _chosen(database, job_id, chosen, _chunk_rows(3 * features)))


def steps(
    database: Database, storage: Storage, job_id: UUID, epoch: int, *, after: int = -1, limit: int = ALL
) -> History[StepWithRows]:
    """Steps of an epoch ascending, recorded or replayed. Raises JobNotFound, EpochNotFound and ReplayDiffers."""
    window = _window(database, storage, job_id, epoch, after, limit)
    return History(window.features, window.chunks)


def telling_steps(
    database: Database, storage: Storage, job_id: UUID, epoch: int, *, after: int = -1, points: int
) -> History[StepWithRows]:
    """At most so many steps, ascending, chosen as `telling_epochs` chooses epochs. Raises as `steps` does."""
    with database.reading() as session:
        features = jobs.get_outline(session, job_id).features
    points = max(_FEWEST, pages.at_most(points, stored.numbers_of_step(features)))
    window = _window(database, storage, job_id, epoch, after, ALL, at_once=points)
    if len(window.steps) <= points:
        return History(window.features, window.chunks)
    length = -(-len(window.steps) // (points // 4))
    every = (step for chunk in window.chunks for step in chunk)
    return History(window.features, _in_chunks(_telling(every, window.steps.start, length), window.chunk_rows))


@dataclass(frozen=True)
class _Window:
    """Some steps of an epoch."""

    features: int
    steps: range
    chunk_rows: int
    chunks: Iterator[list[StepWithRows]]


def _window(
    database: Database, storage: Storage, job_id: UUID, epoch: int, after: int, limit: int, *, at_once: int = 1
) -> _Window:
    """`at_once` is how many of the steps the answer has in memory, beside those of a chunk."""
    with database.reading() as session:
        job = jobs.get_job_for_replay(session, job_id)
        rows = pages.rows_of_epoch(job, epoch)
        window = range(after + 1, min(after + 1 + limit, len(rows)))
        through = window.start if at_once == 1 else window.stop  # the others are sent one by one
        replayed = pages.replayed_steps(session, storage, job, epoch, window, through=through)
    size = _chunk_rows(2 * len(job.features) + rows.size)
    chunks = _recorded_steps(database, job, epoch, window, size) if replayed is None else _in_chunks(replayed, size)
    steps = (list(pages.with_rows(chunk, rows, min(at_once, len(window)))) for chunk in chunks)
    return _Window(len(job.features), window, size, steps)


def _telling(steps: Iterator[StepWithRows], start: int, length: int) -> Iterator[StepWithRows]:
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


def _chunk_rows(numbers_per_row: int) -> int:
    return max(1, _CHUNK_NUMBERS // (numbers_per_row + 10))


def _following(database: Database, job_id: UUID, after: int, limit: int, size: int) -> Iterator[list[Epoch]]:
    while limit > 0:
        with database.reading() as session:
            chunk = stored.epochs_after(session, job_id, after, min(size, limit))
            if not chunk:
                jobs.get_outline(session, job_id)
                return
        yield chunk
        after, limit = chunk[-1].epoch, limit - len(chunk)


def _chosen(database: Database, job_id: UUID, chosen: list[int], size: int) -> Iterator[list[Epoch]]:
    for some in _in_chunks(iter(chosen), size):
        with database.reading() as session:
            jobs.get_outline(session, job_id)
            chunk = stored.epochs_among(session, job_id, some)
        yield chunk


def _recorded_steps(database: Database, job: Job, epoch: int, window: range, size: int) -> Iterator[list[Step]]:
    for start in range(window.start, window.stop, size):
        with database.reading() as session:
            chunk = stored.steps_in(session, job.id, epoch, range(start, min(start + size, window.stop)))
            if not chunk:
                jobs.get_outline(session, job.id)
                return
        yield chunk


def _in_chunks(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while chunk := list(islice(items, size)):
        yield chunk
