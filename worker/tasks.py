"""What a bell is for: jobs or groups to train, data of a job that another reduces with help, or a look at rows.

Small jobs that wait are taken along with a claimed one, and small groups with a group: a claim, an end and the commits
of both cost more than such a training, and several share them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from time import monotonic
from typing import NamedTuple
from uuid import UUID, uuid4

import structlog
from celery import shared_task

from service.errors import DatabaseUnavailable, SchemaMissing, StorageFull
from service.queue import TASK
from service.settings import Settings
from service.store.jobs import jobs
from service.store.leases.batches import Claimed
from service.store.leases.claims import Prospect, SeenJob, claim_together, find_prospect
from service.store.leases.others import find_others
from service.store.leases.passes import claim_pass
from service.store.owners.turns import next_after
from slope.engines.costs import LITTLE_NUMBERS
from slope.statuses import FINAL
from worker.attempt import Loaded, run_attempt
from worker.jobs.batch import NO_OWNERS, Sharing
from worker.jobs.guests import Guests, Work
from worker.partitions import help_reduce, may_help
from worker.passes import run_passes
from worker.process import Process, current_process

_ROUND_SECONDS = 1.0
"""How long a process goes on with what waits before it hears the next bell, which may be for something else."""

_MOST_TOGETHER = 1024
"""Jobs of one claim that has several groups: all are loaded, and told of, while it holds its locks."""

_MOST_GUESTS = 8
"""Jobs of other owners that are trained together between two of a batch."""

log = structlog.get_logger()


@shared_task(name=TASK)  # of whichever application the process has: this module knows none
def train(job_id: str) -> None:
    """A bell rang for a job: look at it. Everything but the id comes from SQL, for a message proves nothing."""
    try:
        named = UUID(job_id)
    except ValueError:
        log.warning("a bell for no job", job_id=job_id)
        return
    process = current_process()
    with process.training_lock:
        try:
            work_on(process, named)
        except (DatabaseUnavailable, SchemaMissing, StorageFull) as error:  # the reaper rings again
            log.warning("the database is away: the bell is let go", job_id=job_id, error=str(error))


def work_on(process: Process, job_id: UUID) -> None:
    """Do what a bell for a job is for, and then what else waits: fewer bells are rung than jobs are accepted.

    Others get their turn: after a while a bell for what is left is put behind those that wait, and the process is free.
    """
    until = monotonic() + _ROUND_SECONDS
    prospect = _look(process, job_id)
    work = _find_work(process, prospect)
    while True:
        if work:
            work()
        if process.stopping.is_set() or (len(prospect.queue) <= 1 and not process.settings.owner_slots):
            return  # what has come since that look has a bell of its own, which nobody has heard in vain
        prospect = _look(process, job_id)
        if not prospect.queue:
            return
        if monotonic() > until:
            process.queue.ring(prospect.queue[0].id, prospect.queue[0].device)
            return
        work = _claim(process, prospect.queue[0], prospect)  # None where somebody else was quicker


def take_work(process: Process, job_id: UUID) -> bool:
    """Find what a bell for a job is for, and do it. False when there is nothing to do.

    A bell whose job somebody has taken already, or deleted, is for the one that has waited longest.
    """
    work = _find_work(process, _look(process, job_id))
    if work is None:
        return False
    work()
    return True


def _look(process: Process, job_id: UUID) -> Prospect:
    prospect = process.database.query(
        find_prospect, job_id, process.claimant, process.turn.last, process.settings.owner_slots
    )
    if not prospect.turns:  # nobody of those that were looked at can be served: others are looked at next
        process.turn.last = prospect.beyond
    return prospect


def _find_work(process: Process, prospect: Prospect) -> Work | None:
    named = prospect.named
    if named and (asked := _find_help(process, named) or _find_pass(process, prospect)):
        return asked
    asked_for = [] if prospect.turns else [job for job in prospect.queue if named and job.id == named.id]
    waiting = [*asked_for, *prospect.queue]
    return _claim(process, waiting[0], prospect) if waiting else None


def _find_help(process: Process, named: SeenJob) -> Work | None:
    if named.status != "running" or named.planned is None or named.planned.partitions == 1:
        return None
    with process.database.reading() as session:
        job = jobs.find_job(session, named.id, with_numbers=True)
        return partial(help_reduce, process, job) if job and may_help(session, process, job) else None


def _find_pass(process: Process, prospect: Prospect) -> Work | None:
    if prospect.named is None or prospect.named.status not in FINAL or not prospect.has_passes:
        return None
    with process.database.writing() as session:
        asked = claim_pass(session, prospect.named.id, uuid4(), process.claimant)
        session.commit()
    return partial(run_passes, process, asked) if asked else None


def _claim(process: Process, first: SeenJob, prospect: Prospect) -> Work | None:
    """Take it, with companions."""
    process.turn.last = next_after(prospect.turns, {first.owner}, prospect.beyond)
    pace = process.pace.seconds if prospect.turns else 0.0
    companions = choose_companions(first, prospect.queue, prospect.slots, process.settings, pace)
    claim = _take(process, first, companions, prospect.memory)
    if claim is None:
        return None
    owners = claim.owners or [first.owner]
    process.turn.last = next_after(prospect.turns, set(owners), prospect.beyond)
    work = partial(run_attempt, process, claim.lease, claim.loaded, _sharing(process, owners))
    return partial(_timed, process, work) if _is_small(first) else work


class _Claim(NamedTuple):
    lease: Claimed
    loaded: Loaded | None

    @property
    def owners(self) -> list[str]:
        """Of each part; of none where it is not loaded yet."""
        owner_of = {job.id: job.owner for job in self.loaded.jobs} if self.loaded else {}
        return [owner_of[part.job_ids[0]] for part in self.lease.parts if self.loaded]


def _take(process: Process, first: SeenJob, companions: Sequence[SeenJob], memory: int | None) -> _Claim | None:
    """Claim jobs, and load what they train from in the same transaction.

    A group that is not small is loaded by its attempt: it may be too large for that.
    """
    with process.database.writing() as session:
        lease = claim_together(session, first, companions, process.claimant)
        if lease is None:
            return None
        is_loaded = first.group_id is None or _is_small(first)
        loaded = Loaded.of(session, lease, memory) if is_loaded else None
        session.commit()
    return _Claim(lease, loaded)


def _timed(process: Process, attempt: Callable[[], float | None]) -> None:
    """Train small jobs or groups, and remember how long each took."""
    seconds = attempt()
    if seconds is not None:
        process.pace.last.append(seconds)


def _sharing(process: Process, owners: Sequence[str]) -> Sharing:
    """How others are served while jobs of these owners are trained one after another."""
    return Guests(process, owners, partial(_find_guests, process)) if any(owners) and len(owners) > 1 else NO_OWNERS


def _find_guests(process: Process, owners: Collection[str]) -> Work | None:
    """The first small jobs of others, which are claimed together. All of them train in one flush: the batch waits.

    Others are guests in turn, too: none is passed by whose job does not train with the first ones. Where none of those
    that were looked at can be one, others are looked at next.
    """
    slots = process.settings.owner_slots
    others = process.database.query(find_others, process.claimant, owners, process.turn.guest, slots)
    waiting = [job for job in others.jobs if _is_brief(job, process.settings)]
    if not waiting:
        process.turn.guest = others.beyond
        return None
    alike = list(takewhile(lambda job: _is_alike(job, waiting[0]), _one_of_each_part(waiting)))[:_MOST_GUESTS]
    guests = [alike[0], *_in_one_flush(alike[0], alike[1:], process.settings, process.pace.seconds)]
    process.turn.guest = guests[-1].owner
    claim = _take(process, guests[0], guests[1:], others.memory)
    return partial(run_attempt, process, claim.lease, claim.loaded) if claim else _let_be


def _let_be() -> None:
    """Another process was quicker."""


def choose_companions(
    first: SeenJob, queue: Sequence[SeenJob], slots: int, settings: Settings, pace: float = 0.0
) -> list[SeenJob]:
    """Jobs that train right after the first, in what is left of the time and the epochs of one flush; or of groups that
    train right after its group one job each. `pace`: the least number of seconds that each is reckoned to take.

    None overtakes a larger one that has waited longer. And of those that wait now every slot may have as many: where
    few wait, others begin them immediately.
    """
    if not _is_small(first):
        return []
    others = (job for job in _one_of_each_part(queue) if job.part != first.part)
    small = list(takewhile(lambda job: _is_small(job) and _is_alike(job, first), others))
    share = -(-(1 + len(small)) // slots) - 1
    return list(_in_one_flush(first, small[:share], settings, pace))


def _one_of_each_part(queue: Sequence[SeenJob]) -> Iterable[SeenJob]:
    firsts: dict[UUID, SeenJob] = {}
    for job in queue:
        firsts.setdefault(job.part, job)
    return firsts.values()


def _is_alike(job: SeenJob, other: SeenJob) -> bool:
    """Whether both train alone, or both with a group."""
    return (job.group_id is None) == (other.group_id is None)


def _in_one_flush(first: SeenJob, others: Sequence[SeenJob], settings: Settings, pace: float) -> Iterator[SeenJob]:
    seconds, epochs, width = max(pace, _estimated(first)), first.epochs, first.width
    for job in others:
        seconds += max(pace, _estimated(job))
        epochs += job.epochs
        width += job.width
        if seconds > settings.flush_seconds or epochs > settings.flush_epochs or width > _MOST_TOGETHER:
            return
        yield job


def _is_brief(job: SeenJob, settings: Settings) -> bool:
    """Whether it is small, and ends within one flush."""
    return _is_small(job) and _estimated(job) <= settings.flush_seconds and job.epochs <= settings.flush_epochs


def _estimated(job: SeenJob) -> float:
    assert job.planned  # or it would not be small
    return job.planned.estimated_seconds


def _is_small(job: SeenJob) -> bool:
    """Whether its data is read in no time, for its training and for its cross-validation, which looks at all rows.

    What has been tried before trains alone: if its process dies again, it is known which job was under way.
    """
    if job.planned is None or job.attempt > 0:
        return False
    reads_nothing = job.planned.from_triangle and job.folds is None
    return reads_nothing or job.rows * (len(job.features) + 1) <= LITTLE_NUMBERS
