"""Writes what a group yields: one transaction a flush for all of its jobs, guarded by their common lease."""

from collections import ChainMap, defaultdict
from collections.abc import Mapping, Sequence, Set
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from service.store.events import Ending, JobChange, LeasedJob, Wish
from service.store.leases.groups import GroupLease
from slope.arrays import Array, Indices
from slope.columns import EpochColumns, StepColumns
from slope.engines.groups.rounds import Round
from slope.health import Finding
from worker.groups.progress import GroupProgress
from worker.jobs.batch import Batch
from worker.jobs.flush import Flush, Owned, Writer, count_endings
from worker.process import Process

_MOST_ROWS = 50_000
"""This many epoch rows are kept in memory before they are written, whatever the clock says."""
_REST = 2.0
"""A flush is due when this many times the last one's duration has passed: a slow database slows training by a third."""
_LONGEST_REST = 2.0
"""Seconds. A database that did not answer for a while is not left alone for as long."""


class GroupRecorder:
    """Collects the rounds of a group and flushes them every so often, while the training goes on where that takes long.

    Every write waits for a database that is away, and raises LeaseLost when the jobs have become another attempt's.
    """

    def __init__(
        self,
        process: Process,
        batch: Batch,
        lease: GroupLease,
        job_ids: Mapping[int, UUID],
        progress: GroupProgress,
    ) -> None:
        """`job_ids` by place."""
        self._process = process
        self._database = process.database
        self._settings = process.settings
        self._batch = batch
        self._lease = lease
        self._job_ids = job_ids
        self._written = dict(job_ids)
        """The jobs that have not ended with a flush."""
        self._progress = progress
        self._columns: dict[int, dict[str, Any]] = {place: {} for place in job_ids}
        self._writer: Writer[dict[UUID, Wish]] = Writer(process.stopping, process.counts)
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
            self._epochs.append((self._owners(found.owners[kept]), found.epochs.at(kept)))
        if found.steps is not None and len(found.step_places):
            self._steps.append((self._owners(found.step_places), found.steps))

    def keep_snapshots(self, epoch: int, states: Array, places: Set[int]) -> None:
        """Keep the states of models before an epoch, given by place."""
        self._snapshots += [
            {"job_id": self._job_ids[place], "epoch": epoch, "state": states[place].tobytes()} for place in places
        ]

    def add_findings(self, place: int, findings: list[Finding]) -> None:
        """Record what is peculiar about a job's run."""
        self._findings[place] += findings

    def end(self, place: int, status: str, detail: str | None = None, **values: Any) -> None:
        """Let a job end with the next flush."""
        self._endings[place] = Ending(status, detail), values

    def ends(self, place: int) -> bool:
        """Whether a job ends with the next flush."""
        return place in self._endings

    def epochs_done(self, place: int) -> int:
        return self._progress.epochs_done(place)

    def flush(self, states: Array | None) -> Mapping[UUID, Wish]:
        """Write what has come since the last flush and extend the lease. The jobs that are to be cancelled or paused.

        `states` are all models' after the last epoch that was noted; None where all jobs end. That is written with the
        batch.

        Where the training goes on meanwhile, the result is that of the flush before.
        """
        if not self._written:
            return {}
        waiting, flush = self._waiting, self._collect(states)
        if not self._written:
            self.settle()
            self._batch.end(flush)
            return {}
        self._batch.separate()
        return ChainMap(*self._writer.write(lambda: self._flush(flush, waiting)))

    def put_back(self, places: Sequence[int], detail: str) -> None:
        """Give jobs back that were flushed with their states, and go on without them. An answer may have been lost."""
        self.settle()
        job_ids = {self._written.pop(place) for place in places}

        def put_back(session: Session) -> None:
            if left := job_ids & self._lease.leased_jobs(session, lock=True).keys():
                self._lease.put_back(session, detail, only=left)

        self._process.write_when_possible(put_back)

    def settle(self) -> None:
        """Wait until the last flush is done."""
        self._writer.settle()

    def _collect(self, states: Array | None) -> Flush:
        """Everything that has come, and forget it; also the jobs that end with it."""
        changes = [self._change(place, states) for place in self._written]
        flush = Flush(changes, self._epochs, self._steps, self._snapshots)
        for place in self._endings:
            del self._written[place]
        self._columns = {place: {} for place in self._written}  # they are written once
        self._forget()
        return flush

    def _forget(self) -> None:
        self._epochs: list[Owned[EpochColumns]] = []
        self._steps: list[Owned[StepColumns]] = []
        self._snapshots: list[dict[str, Any]] = []
        self._findings: dict[int, list[Finding]] = defaultdict(list)
        self._endings: dict[int, tuple[Ending, dict[str, Any]]] = {}
        self._waiting = self._rows = 0

    def _flush(self, flush: Flush, waiting: int) -> dict[UUID, Wish]:
        with self._database.writing() as session:
            if waiting and _is_written(flush, self._lease.leased_jobs(session)):
                return {}  # an earlier try has written it, and its answer was lost
            wishes = flush.write(session, self._lease, self._settings.lease_seconds)
            session.commit()
        count_endings(self._process.counts, flush.changes)
        return wishes

    def _change(self, place: int, states: Array | None) -> JobChange:
        ending, values = self._endings.get(place, (None, {}))
        known = {"checkpoint": None if states is None else states[place].tobytes()}
        columns = known | self._columns[place] | self._progress.columns(place) | values
        return JobChange(self._job_ids[place], columns, self._findings[place], ending)

    def _owners(self, places: Indices) -> list[UUID]:
        return [self._job_ids[place] for place in places.tolist()]


def _is_written(flush: Flush, leased: Mapping[UUID, LeasedJob]) -> bool:
    """Whether SQL has it already: the jobs that go on have its epochs, and those that end have ended."""
    done = {change.job_id: change.values["epochs_done"] for change in flush.changes if change.ending is None}
    return bool(done) and done == {job_id: job.epochs_done for job_id, job in leased.items()}
