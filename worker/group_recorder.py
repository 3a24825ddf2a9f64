"""Writes what a group yields: one transaction a flush for all of its jobs, guarded by their common lease."""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service.errors import LeaseLost
from service.store import events, extremes, records
from service.store.group_leases import Ending, GroupLease, extend_jobs, finish_jobs
from service.store.leases import LeasedJob
from slope.columns import EpochColumns, StepColumns, join_columns
from slope.data import Array, Indices
from slope.engines.rounds import Round
from slope.health import Finding
from worker.group_progress import GroupProgress
from worker.process import Process
from worker.waiting import Writer

_MOST_ROWS = 50_000
"""This many epoch rows are kept in memory before they are written, whatever the clock says."""
_REST = 2.0
"""A flush is due when this many times the last one's duration has passed: a slow database slows training by a third."""
_LONGEST_REST = 2.0
"""Seconds. A database that did not answer for a while is not left alone for as long."""


@dataclass(frozen=True)
class _Batch:
    """What is written in one transaction."""

    epochs: list[tuple[Indices, EpochColumns]]
    steps: list[tuple[Indices, StepColumns]]
    snapshots: list[dict[str, Any]]
    findings: list[tuple[UUID, Finding]]
    endings: list[Ending]
    rows: list[dict[str, Any]]
    """Columns of every job that has not ended before."""
    waiting: int
    """Epochs since the last batch."""

    def is_written(self, leased: Mapping[UUID, LeasedJob]) -> bool:
        """Whether SQL has it already: the jobs that go on have its epochs, and those that end have ended."""
        ending = {ending.job_id for ending in self.endings}
        done = {row["id"]: row["epochs_done"] for row in self.rows if row["id"] not in ending}
        stands = {job_id: job.epochs_done for job_id, job in leased.items()}
        return self.waiting > 0 and bool(done) and stands == done


class GroupRecorder:
    """Collects the rounds of a group and flushes them every so often, while the training goes on where that takes long.

    Every write waits for a database that is away, and raises LeaseLost when the jobs have become another attempt's.
    """

    def __init__(
        self,
        process: Process,
        lease: GroupLease,
        job_ids: Mapping[int, UUID],
        progress: GroupProgress,
    ) -> None:
        """`job_ids` by place."""
        self._database = process.database
        self._settings = process.settings
        self._stopping = process.stopping
        self._lease = lease
        self._job_ids = job_ids
        self._written = dict(job_ids)
        """The jobs that have not ended with a flush."""
        self._progress = progress
        self._columns: dict[int, dict[str, Any]] = {place: {} for place in job_ids}
        self._writer: Writer[set[UUID]] = Writer(process.stopping)
        self._forget()

    @property
    def running(self) -> list[int]:
        """The places of the jobs that have not ended, and do not end with the next flush."""
        return [place for place in self._written if place not in self._endings]

    def add_columns(self, place: int, columns: dict[str, Any]) -> None:
        """Columns of a job that this attempt knows before it ends."""
        self._columns[place] |= columns

    @property
    def is_due(self) -> bool:
        """Whether it is time to flush."""
        if self._writer.is_busy:
            return self._rows >= _MOST_ROWS
        pause = max(self._settings.flush_seconds, min(_REST * self._writer.took, _LONGEST_REST))
        is_late = monotonic() - self._writer.ended_at >= pause
        return is_late or self._waiting >= self._settings.flush_epochs or self._rows >= _MOST_ROWS

    def advance(self, found: Round, kept: Indices) -> None:
        """Note that a round is done, and keep the numbers of some of its rows, given by index, and its steps."""
        self._progress.advance(found)
        self._waiting += int(found.counts.max(initial=0))
        self._rows += len(kept) + len(found.step_places)
        if len(kept):
            self._epochs.append((found.owners[kept], found.epochs.at(kept)))
        if found.steps is not None and len(found.step_places):
            self._steps.append((found.step_places, found.steps))

    def keep_snapshots(self, epoch: int, states: Array, places: Set[int]) -> None:
        """Keep the states of models before an epoch, given by place."""
        self._snapshots += [
            {"job_id": self._job_ids[place], "epoch": epoch, "state": states[place].tobytes()} for place in places
        ]

    def add_findings(self, place: int, findings: list[Finding]) -> None:
        """Record what is peculiar about a job's run."""
        self._findings += [(self._job_ids[place], finding) for finding in findings]

    def end(self, place: int, status: str, detail: str | None = None, **values: Any) -> None:
        """Let a job end with the next flush."""
        self._endings[place] = Ending(self._job_ids[place], status, detail, values)

    def ends(self, place: int) -> bool:
        """Whether a job ends with the next flush."""
        return place in self._endings

    def epochs_done(self, place: int) -> int:
        return self._progress.epochs_done(place)

    def flush(self, states: Array | None) -> set[UUID]:
        """Write what has come since the last flush and extend the lease. The jobs that are to be cancelled.

        `states` are all models' after the last epoch that was noted; None where all jobs end.

        Where the training goes on meanwhile, the result is that of the flush before.
        """
        if not self._written:
            return set()
        batch = self._batch(states)
        return set[UUID]().union(*self._writer.write(lambda: self._flush(batch)))

    def settle(self) -> None:
        """Wait until the last flush is done."""
        self._writer.settle()

    def _batch(self, states: Array | None) -> _Batch:
        """Everything that was collected, and forget it; also the jobs that end with it."""
        rows = [self._row(place, states) for place in self._written]
        endings = list(self._endings.values())
        batch = _Batch(self._epochs, self._steps, self._snapshots, self._findings, endings, rows, self._waiting)
        for place in self._endings:
            del self._written[place]
        self._columns = {place: {} for place in self._written}  # they are written once
        self._forget()
        return batch

    def _forget(self) -> None:
        self._epochs: list[tuple[Indices, EpochColumns]] = []
        self._steps: list[tuple[Indices, StepColumns]] = []
        self._snapshots: list[dict[str, Any]] = []
        self._findings: list[tuple[UUID, Finding]] = []
        self._endings: dict[int, Ending] = {}
        self._waiting = self._rows = 0

    def _flush(self, batch: _Batch) -> set[UUID]:
        """The jobs' rows last: while they are locked, the heartbeat waits for the commit.

        Whether they are still this attempt's decides whether all of it may be written.
        """
        with self._database.writing() as session:
            if batch.is_written(self._lease.leased_jobs(session)):
                return set()  # an earlier try has written it, and its answer was lost
            with records.written_by_one(session, lambda: self._lock_jobs(session, batch)):
                self._write_records(session, batch)
            locked = self._lock_jobs(session, batch)
            self._write_jobs(session, batch)
            session.commit()
        return {job_id for job_id, job in locked.items() if job.cancel_requested}

    def _lock_jobs(self, session: Session, batch: _Batch) -> dict[UUID, LeasedJob]:
        locked = self._lease.leased_jobs(session, lock=True)
        if not locked.keys() >= {row["id"] for row in batch.rows}:
            raise LeaseLost
        return locked

    def _write_records(self, session: Session, batch: _Batch) -> None:
        if batch.epochs:
            places, parts = zip(*batch.epochs, strict=True)
            epochs = join_columns(parts)
            records.add_epochs(session, self._owners(places), epochs)
            extremes.add_extremes_of_jobs(session, self._job_ids, np.concatenate(places), epochs)
        if batch.steps:
            places, steps = zip(*batch.steps, strict=True)
            records.add_steps(session, self._owners(places), join_columns(steps))
        records.add_snapshots(session, batch.snapshots)

    def _write_jobs(self, session: Session, batch: _Batch) -> None:
        """Their progress first: their events count the epochs that stand there."""
        extend_jobs(session, batch.rows, self._settings.lease_seconds)
        alike: dict[tuple[str, str], dict[UUID, str]] = defaultdict(dict)  # a job has each code at most once
        for job_id, finding in batch.findings:
            alike[finding.code, finding.level][job_id] = finding.detail
        for (code, level), details in alike.items():
            events.add_warnings(session, details, level=level, code=code)
        if batch.endings:
            finish_jobs(session, batch.endings)

    def _row(self, place: int, states: Array | None) -> dict[str, Any]:
        known = {"id": self._job_ids[place], "checkpoint": None if states is None else states[place].tobytes()}
        return known | self._columns[place] | self._progress.columns(place)

    def _owners(self, parts: tuple[Indices, ...]) -> list[UUID]:
        return [self._job_ids[place] for place in np.concatenate(parts).tolist()]
