"""What can be done with sweeps: many jobs on one dataset, decided and committed as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data import numbers
from service.data.byte_quotas import Room
from service.data.new_datasets import again_when_gone, ensure_stored
from service.errors import JobHasAlias, SweepIsFinal, SweepIsRunning, SweepNotFound
from service.jobs.drafts import experience_of, memory_of_largest_worker, refuse_without_memory
from service.jobs.idempotency import Key
from service.jobs.jobs import forget_rings
from service.jobs.quotas import Quotas
from service.jobs.sweep_plan import Member, plan_members, sample_for_sweep
from service.jobs.training_data import Sample
from service.queue import Queue
from service.settings import Settings
from service.storage import Storage
from service.store import datasets as stored_datasets
from service.store.database import Database, now, owner_of
from service.store.jobs import aliases, jobs, sweeps
from service.store.jobs.sweeps import Rank
from service.store.tables import Job, Sweep
from service.tracing import trace_columns
from slope.analysis import document_of
from slope.answers.plan import Plan
from slope.spec import SweepRequest
from slope.statuses import OPEN

_MOST_BELLS = 100
"""This many bells are rung before the request is answered; the reaper rings the others within a second or two."""


@dataclass(frozen=True)
class SweepSummary:
    """A sweep as it stands: how many jobs of each status, and how many of their epochs are done."""

    sweep: Sweep
    counts: dict[str, int]
    epochs_done: int
    epochs: int


@dataclass(frozen=True)
class SweepSubmission:
    """An accepted sweep; `replayed` when an earlier request with the same key had created it."""

    sweep_id: UUID
    replayed: bool


@again_when_gone
def submit_sweep(
    database: Database,
    storage: Storage,
    queue: Queue,
    request: SweepRequest,
    *,
    key: str | None = None,
    settings: Settings,
) -> SweepSubmission:
    """Accept a sweep, all of its jobs or none. With a key, the same request twice makes one sweep."""
    sample = sample_for_sweep(database, storage, request)
    drafted = _drafted(database, request, sample, settings)
    named = None if key is None else Key.of(key, request, database.owner)
    new = sample.new_dataset(storage, Room.of(settings))
    with ensure_stored(database, new), database.writing() as session:
        if named and (earlier := named.earlier(session, Sweep)):
            return SweepSubmission(earlier.id, replayed=True)
        recorded = sum(member.plan.recorded_numbers for member in drafted)
        owner = owner_of(session)
        with Quotas(session, settings, [owner]).taken_or_ended(owner, jobs=len(drafted), numbers=recorded):
            dataset_id = sample.lock_dataset(session, new)
        sweep = _sweep(session, request, named)
        rows = _rows(sweep, sample, dataset_id, drafted)
        warnings = {row["id"]: member.warnings for row, member in zip(rows, drafted, strict=True)}
        sweeps.add_sweep(session, sweep, rows, warnings)
        session.commit()  # before the bells: the workers must find the rows
    _ring(database, queue, [row["id"] for row in rows if row["rung_at"] and not row["place"]], request.device)
    return SweepSubmission(sweep.id, replayed=False)


def _drafted(database: Database, request: SweepRequest, sample: Sample, settings: Settings) -> list[Member]:
    """By engines that workers have the memory for. Raises TooLargeForWorkers where there are none."""
    experience = experience_of(database)
    drafted = plan_members(request, sample, settings, experience)
    with database.reading() as session:
        memory = memory_of_largest_worker(session, _largest(drafted), request.device)
    if memory is not None:
        drafted = plan_members(request, sample, settings, experience, memory)
    with database.reading() as session:
        refuse_without_memory(session, _largest(drafted), request.device)
    return drafted


def _largest(drafted: list[Member]) -> Plan:
    """The plan that needs the most memory."""
    return max((member.plan for member in drafted), key=lambda plan: plan.memory_bytes or 0)


def get_sweep(session: Session, sweep_id: UUID) -> SweepSummary:
    sweep = sweeps.find_sweep(session, sweep_id)
    if sweep is None:
        raise SweepNotFound(sweep_id)
    return _summaries(session, [sweep])[0]


def list_sweeps(session: Session, *, before: UUID | None, limit: int) -> tuple[list[SweepSummary], UUID | None]:
    """Sweeps newest first, and where the next page goes on."""
    found = sweeps.select_sweeps(session, before=before, limit=limit + 1)
    return _summaries(session, found[:limit]), found[limit - 1].id if len(found) > limit else None


def default_ranking(summary: SweepSummary) -> str:
    """By what the jobs are ranked where nobody says: by rows that were not learnt from, if there are any.

    A job has its cross-validation when it has ended: before the last has, there is another ranking to look at.
    """
    if _has_validation(summary.sweep):
        return "validation_loss"
    has_ended = not any(summary.counts.get(status) for status in OPEN)
    return "cross_validation" if summary.sweep.cross_validation and has_ended else "training_loss"


def _has_validation(sweep: Sweep) -> bool:
    """Whether some of its jobs have a validation loss."""
    spec = sweep.spec
    is_swept = not {"validation_fraction", "validation_rows"}.isdisjoint(sweep.swept)
    return is_swept or spec["validation_fraction"] > 0 or bool(spec.get("validation_rows"))


def rank_jobs(
    session: Session, sweep_id: UUID, by: str, *, after: Rank | None, limit: int
) -> tuple[list[Job], Rank | None]:
    """The jobs from the smallest loss up, and the rank after which the next page begins."""
    found = sweeps.select_ranked(session, sweep_id, by, after=after, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], sweeps.rank_of(last, by) if last else None


def cancel_sweep(database: Database, sweep_id: UUID) -> None:
    """End the jobs that wait now, and ask the workers of those that run to stop."""
    with database.writing() as session:
        get_sweep(session, sweep_id)
        if not jobs.cancel_all(session, Job.sweep_id == sweep_id):
            raise SweepIsFinal
        session.commit()


def delete_sweep(database: Database, storage: Storage, sweep_id: UUID) -> None:
    """Delete a sweep with its jobs and all their records, and the data that came with it; not while a job runs."""
    with database.writing() as session:
        get_sweep(session, sweep_id)
        jobs.lock_jobs(session, Job.sweep_id == sweep_id)  # so that none begins to run or gets an alias meanwhile
        if names := aliases.aliases_in_sweep(session, sweep_id):
            raise JobHasAlias(names)
        learnt_from = sweeps.remove_sweep(session, sweep_id)
        if learnt_from is None:
            raise SweepIsRunning
        removed = stored_datasets.remove_inline(session, learnt_from)
        session.commit()
    for each in removed:
        numbers.release_numbers(database, storage, each)


def _sweep(session: Session, request: SweepRequest, key: Key | None) -> Sweep:
    return Sweep(
        id=uuid7(),
        owner=owner_of(session),
        created_at=now(session),
        **(key.columns if key else {}),
        name=request.name,
        metadata_=request.metadata,
        spec=request.hyperparameters.model_dump(mode="json"),
        cross_validation=request.cross_validation,
        swept=request.swept,
    )


def _rows(sweep: Sweep, sample: Sample, dataset_id: UUID, drafted: Sequence[Member]) -> list[dict[str, Any]]:
    """The jobs by column. Where there are more to ring for than can be waited for, nobody has heard of the last."""
    shared = {
        "owner": sweep.owner,
        "created_at": sweep.created_at,
        "rung_at": sweep.created_at,
        "sweep_id": sweep.id,
        "dataset_id": dataset_id,
        "features": sample.features,
        "target": sample.target,
        "row_weights": sample.weights,
        "status": "queued",
        **trace_columns(),
    }
    rows = [shared | _own(member) for member in drafted]
    for row in [row for row in rows if not row["place"]][_MOST_BELLS:]:
        row["rung_at"] = None
    return rows


def _own(member: Member) -> dict[str, Any]:
    """The columns in which the jobs of a sweep may differ."""
    request, place = member.request, member.place
    return {
        "id": uuid7(),
        "name": request.name,
        "group_id": place.group_id if place else None,
        "group_width": place.width if place else None,
        "place": place.place if place else None,
        "spec": request.hyperparameters.model_dump(mode="json"),
        "predict": request.predict,
        "device": request.device,
        "timeout_seconds": request.timeout_seconds,
        "cross_validation": request.cross_validation,
        "metadata": request.metadata,
        "plan": dict(vars(member.plan)),
        "analysis": document_of(member.analysis) if member.analysis else None,
        "epochs": request.hyperparameters.epochs,
    }


def _ring(database: Database, queue: Queue, job_ids: Sequence[UUID], device: str) -> None:
    """Wake a worker for each; after a refusal the rest are the reaper's."""
    for place, job_id in enumerate(job_ids):
        if not queue.ring(job_id, device):
            forget_rings(database, job_ids[place:])
            return


def _summaries(session: Session, found: Sequence[Sweep]) -> list[SweepSummary]:
    ids = [sweep.id for sweep in found]
    counts, epochs = sweeps.count_jobs(session, ids), sweeps.count_epochs(session, ids)
    return [SweepSummary(sweep, counts[sweep.id], *epochs[sweep.id]) for sweep in found]
