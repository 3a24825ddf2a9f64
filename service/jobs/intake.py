"""Small jobs that come together: one transaction commits them, and few bells wake all workers for them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from cachetools import TTLCache
from sqlalchemy.orm import Session

from service.data.byte_quotas import Room
from service.data.numbers import MOST_IN_ROW
from service.errors import DatabaseUnavailable, OwnerQuotaReached, QuotaReached, StorageFull
from service.jobs.drafts import LITTLE_MEMORY, Draft, draft_job
from service.jobs.jobs import Submission, forget_rings, reason_to_wait, row_of_job
from service.jobs.quotas import OwnerBusy, Quotas
from service.jobs.training_data import Sample
from service.queue import Queue
from service.settings import Settings
from service.storage import Storage
from service.store.database import Database, act_for, now
from service.store.jobs import jobs
from service.store.workers import Crew, live_crew
from slope.spec import InlineData, JobRequest
from slope.spec.job import device_for

_OWN = {"name", "metadata", "timeout_seconds", "predict"}
"""In which jobs of one draft may differ."""
_MOST_DRAFTS, _DRAFT_SECONDS = 64, 5.0
"""Estimates learn from jobs that end: a draft has what was known a few seconds ago."""
_CREW_SECONDS = 1.0
"""How long the workers are taken to be those that were last seen."""

Row = dict[str, Any]


def is_small(request: JobRequest) -> bool:
    """Whether a job can be accepted together with others: none of them waits long for it."""
    data = request.dataset
    return (
        isinstance(data, InlineData)
        and request.initial_from is None
        and data.rows * (data.width + 2) <= MOST_IN_ROW
        and len(request.predict) * data.width <= MOST_IN_ROW
    )


class Handed(NamedTuple):
    """A request, and to whom the job is to belong."""

    request: JobRequest
    owner: str = ""
    trace: Mapping[str, Any] = MappingProxyType({})
    """Columns that say to which trace the job belongs."""


@dataclass(frozen=True)
class _Asked:
    """A request, and a draft of what it asks: that of another, where they ask the same."""

    handed: Handed
    draft: Draft


class Intake:
    """Accepts small jobs. What was drafted is kept: of a crowd many ask the same of the same data.

    It serves one thread.
    """

    def __init__(self, database: Database, storage: Storage, queue: Queue, settings: Settings) -> None:
        self._database, self._storage, self._queue = database, storage, queue
        self._settings, self._room = settings, Room.of(settings)
        self._drafts: TTLCache[str, Draft] = TTLCache(_MOST_DRAFTS, _DRAFT_SECONDS)
        self._crew, self._crew_until = Crew([]), 0.0

    def submit(self, handed: Sequence[Handed]) -> list[Submission | Exception]:
        """Accept jobs and wake workers. For each what became of it: what is wrong with one stops no other.

        OwnerBusy for one that is to be handed in by itself: it would have to wait for something else of its owner.
        """
        drafted = [self._draft(each) for each in handed]
        self._look_for_workers()
        accepted = iter(self._accept([each for each in drafted if isinstance(each, _Asked)]))
        return [next(accepted) if isinstance(each, _Asked) else each for each in drafted]

    def _draft(self, handed: Handed) -> _Asked | Exception:
        request = handed.request
        key = request.model_dump_json(exclude=_OWN)
        if (known := self._drafts.get(key)) is not None:
            return _Asked(handed, known)
        try:
            drafted = draft_job(self._database, self._storage, request, self._settings, reads_rows=False)
        except Exception as error:
            return error
        if (drafted.plan.memory_bytes or 0) <= LITTLE_MEMORY:  # others depend on the workers that there are
            self._drafts[key] = drafted
        return _Asked(handed, drafted)

    def _look_for_workers(self) -> None:
        if monotonic() > self._crew_until:
            with self._database.reading() as session:
                self._crew = live_crew(session)
            self._crew_until = monotonic() + _CREW_SECONDS

    def _accept(self, asked: Sequence[_Asked]) -> Sequence[Submission | Exception]:
        """All by one transaction, or each by its own, where one of them cannot be written."""
        if not asked:
            return []
        try:
            found = self._commit(asked)
        except (DatabaseUnavailable, StorageFull):
            raise
        except Exception as error:  # what nobody expected of one as well
            return [error] if len(asked) == 1 else [each for one in asked for each in self._accept([one])]
        self._ring(_rows(found))
        return [
            row if isinstance(row, Exception) else self._submission(each.draft, row)
            for each, row in zip(asked, found, strict=True)
        ]

    def _commit(self, asked: Sequence[_Asked]) -> list[Row | Exception]:
        """What is written for each. An owner who may have no more, or is busy, keeps nobody else's jobs from it.

        What was counted for quotas is kept, even where all are refused.
        """
        found: list[Row | Exception] = []
        warnings = {}
        with self._database.writing() as session:
            moment, datasets = now(session), _Datasets(session, self._storage, self._room)
            quotas = Quotas(session, self._settings, (each.handed.owner for each in asked), waits=False)
            for each in asked:
                request, owner, trace = each.handed
                try:
                    with quotas.taken(owner, jobs=1, numbers=each.draft.plan.recorded_numbers):
                        dataset_id = datasets.of(each.draft.sample, owner)
                except (OwnerQuotaReached, QuotaReached, OwnerBusy) as error:
                    found.append(error)
                    continue
                row = row_of_job(each.draft, request, dataset_id, moment, owner)
                found.append({**row, **trace})
                warnings[row["id"]] = each.draft.warnings
            if rows := _rows(found):
                jobs.add_jobs(session, rows, warnings)
            session.commit()  # before the bells: the workers must find the rows
        return found

    def _ring(self, rows: Sequence[Row]) -> None:
        """Once for every slot there is, at most: who has heard a bell looks for jobs until there are none.

        Where no worker is known, nobody knows how many will come: then once for every job.
        """
        waiting: dict[str, list[UUID]] = defaultdict(list)
        for row in rows:
            waiting[row["device"]].append(row["id"])
        for device, job_ids in waiting.items():
            slots = self._crew.slots(device_for(device)) or len(job_ids)
            if not self._queue.ring_slots(job_ids, device, slots):
                forget_rings(self._database, job_ids)

    def _submission(self, draft: Draft, row: Row) -> Submission:
        job = jobs.job_of_row(row, draft.sample.rows, draft.warnings)
        reason = reason_to_wait(job, self._crew.devices)
        return Submission(job.id, job.version, is_final=False, replayed=False, job=job, reason=reason)


def _rows(found: Sequence[Row | Exception]) -> list[Row]:
    return [each for each in found if not isinstance(each, Exception)]


class _Datasets:
    """Those of the jobs of one transaction: an owner who brings the same rows again has the same dataset."""

    def __init__(self, session: Session, storage: Storage, room: Room) -> None:
        self._session, self._storage, self._room = session, storage, room
        self._found: dict[tuple[str, str], UUID] = {}

    def of(self, sample: Sample, owner: str) -> UUID:
        new = sample.new_dataset(self._storage, self._room)
        assert new  # the rows came with the request
        content = owner, new.content_hash
        if content not in self._found:
            act_for(self._session, owner)
            self._found[content] = new.adopt(self._session)
        return self._found[content]
