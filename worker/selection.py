"""Which of the jobs that wait are taken along with a claimed one: small ones, in the queue's order, and not too many.

A claim, an end and the commits of both cost more than such a job's training, and several jobs share them.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from service.settings import Settings
from service.store.prospects import SeenJob
from slope.engines.costs import LITTLE_NUMBERS


def choose_companions(first: SeenJob, queue: Sequence[SeenJob], slots: int, settings: Settings) -> list[SeenJob]:
    """Jobs that train right after the first, in what is left of the time and the epochs of one flush.

    None overtakes a larger one that has waited longer. And of those that wait now every slot may have as many: where
    few wait, others begin them immediately.
    """
    if not _is_small(first):
        return []
    small = list(takewhile(_is_small, (job for job in queue if job.id != first.id)))
    share = -(-(1 + len(small)) // slots) - 1
    return list(_in_one_flush(first, small[:share], settings))


def _in_one_flush(first: SeenJob, others: Sequence[SeenJob], settings: Settings) -> Iterator[SeenJob]:
    seconds, epochs = first.planned.estimated_seconds, first.epochs
    for job in others:
        seconds += job.planned.estimated_seconds
        epochs += job.epochs
        if seconds > settings.flush_seconds or epochs > settings.flush_epochs:
            return
        yield job


def _is_small(job: SeenJob) -> bool:
    """Whether its data is read in no time.

    What has been tried before trains alone: if its process dies again, it is known which job was under way.
    """
    is_little = job.planned.from_triangle or job.rows * (len(job.features) + 1) <= LITTLE_NUMBERS
    return is_little and job.group_id is None and job.attempt == 0
