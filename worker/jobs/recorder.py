"""Writes what training yields, and how far it is: one transaction a flush, guarded by the lease."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy.orm import Session

from service.store.events import Ending, JobChange, Wish
from service.store.leases.leases import JobLease
from service.store.tables import Job
from slope.health import Finding
from slope.records import EpochRecord, StepRecord, joined_epochs, joined_steps, numbers_of, steps_of
from worker.jobs.batch import Batch
from worker.jobs.flush import Flush, Owned, Table, Writer
from worker.process import Process

_MOST_NUMBERS = 2_000_000
"""This many are kept in memory while a slow database is written to; then the training waits for it."""


class Progress(NamedTuple):
    """Named as the columns are. Losses are the means of an epoch's steps; parameters are as trained."""

    epochs_done: int = 0
    seconds: float = 0.0
    loss_first: float | None = None
    loss_last: float | None = None
    loss_best: float | None = None
    loss_validation: float | None = None
    weights: list[float] | None = None
    bias: float | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**{name: getattr(job, name) for name in cls._fields})

    def after(self, block: Sequence[EpochRecord]) -> Self:
        """The progress some epochs later: at least one."""
        last, losses = block[-1], numbers_of(block, "loss")
        known = [] if self.loss_best is None else [self.loss_best]
        return self._replace(
            epochs_done=last.epoch + 1,
            seconds=self.seconds + sum(numbers_of(block, "seconds")),
            loss_first=losses[0] if self.loss_first is None else self.loss_first,
            loss_last=last.loss,
            loss_best=min([*known, *losses]),
            loss_validation=last.validation_loss,
            weights=last.parameters.weights,
            bias=last.parameters.bias,
        )


@dataclass(frozen=True)
class _Collected:
    """What has come since the last flush."""

    progress: Progress
    waiting: int
    """Their number of epochs, kept or not."""
    epochs: list[Sequence[EpochRecord]]
    steps: list[Sequence[StepRecord]]
    snapshots: list[dict[str, Any]]
    findings: list[Finding]
    columns: dict[str, Any]

    def flush(self, job_id: UUID, values: dict[str, Any], ending: Ending | None = None) -> Flush:
        """With further columns of the job, and its end."""
        columns = self.progress._asdict() | self.columns | values
        return Flush(
            [JobChange(job_id, columns, self.findings, ending)],
            _owned(job_id, joined_epochs(self.epochs)) if self.epochs else [],
            _owned(job_id, joined_steps(self.steps)) if self.steps else [],
            self.snapshots,
        )


class Recorder:
    """Collects records and flushes them every so often, while the training goes on where that takes long.

    Every write waits for a database that is away, and raises LeaseLost when the job has become another attempt's.
    """

    def __init__(self, process: Process, batch: Batch, lease: JobLease, progress: Progress) -> None:
        self._database = process.database
        self._settings = process.settings
        self._batch = batch
        self._lease = lease
        self._progress = progress
        self._columns: dict[str, Any] = {}
        self._writer: Writer[dict[UUID, Wish]] = Writer(process.stopping, process.counts)
        self._forget()

    @property
    def epochs_done(self) -> int:
        return self._progress.epochs_done

    def set_columns(self, columns: dict[str, Any]) -> None:
        """Write these columns of the job with every flush, in the place of those set before."""
        self._columns = columns

    def add_columns(self, columns: dict[str, Any]) -> None:
        """Write these columns as well."""
        self._columns = self._columns | columns

    @property
    def is_due(self) -> bool:
        """Whether it is time to flush."""
        if self._writer.is_busy:
            return self._numbers >= _MOST_NUMBERS
        waited = monotonic() - self._writer.ended_at
        return waited >= self._settings.flush_seconds or self._waiting >= self._settings.flush_epochs

    def advance(self, block: Sequence[EpochRecord]) -> None:
        """Note that some epochs are done: at least one."""
        self._progress = self._progress.after(block)
        self._waiting += len(block)

    def keep_epochs(self, block: Sequence[EpochRecord]) -> None:
        """Keep the numbers of some epochs."""
        if not block:
            return
        self._epochs.append(block)
        for steps in steps_of(block):
            self.keep_steps(steps)
        self._numbers += 3 * len(block) * _width(block[0])

    def keep_steps(self, steps: Sequence[StepRecord]) -> None:
        if steps:
            self._steps.append(steps)
            self._numbers += 2 * len(steps) * _width(steps[0])

    def keep_snapshot(self, epoch: int, state: bytes) -> None:
        """Keep the state before an epoch."""
        self._snapshots.append({"job_id": self._lease.job_id, "epoch": epoch, "state": state})
        self._numbers += len(state) // 8

    def add_findings(self, findings: list[Finding]) -> None:
        """Record what is peculiar about the run."""
        self._findings.extend(findings)

    def flush(self, checkpoint: bytes) -> Mapping[UUID, Wish]:
        """Write what has come since the last flush and extend the lease. Whether the job is to be cancelled or paused.

        Where the training goes on meanwhile, the result is that of the flush before.
        """
        self._batch.separate()
        collected = self._collect()
        return ChainMap(*self._writer.write(lambda: self._flush(collected, checkpoint)))

    def settle(self) -> None:
        """Wait until the last flush is done."""
        self._writer.settle()

    def finish(self, status: str, detail: str | None = None, **values: Any) -> None:
        """Let the job end, with what is left to write."""
        self.settle()
        self._batch.end(self._collect().flush(self._lease.job_id, values, Ending(status, detail)))

    def _collect(self) -> _Collected:
        """Everything that has come, and forget it."""
        collected = _Collected(
            self._progress,
            self._waiting,
            self._epochs,
            self._steps,
            self._snapshots,
            self._findings,
            self._columns,
        )
        self._forget()
        return collected

    def _forget(self) -> None:
        self._epochs: list[Sequence[EpochRecord]] = []
        self._steps: list[Sequence[StepRecord]] = []
        self._snapshots: list[dict[str, Any]] = []
        self._findings: list[Finding] = []
        self._waiting = self._numbers = 0

    def _flush(self, collected: _Collected, checkpoint: bytes) -> dict[UUID, Wish]:
        with self._database.writing() as session:
            if collected.waiting and self._epochs_written(session) == collected.progress.epochs_done:
                return {}  # an earlier try has written it, and its answer was lost
            flush = collected.flush(self._lease.job_id, {"checkpoint": checkpoint})
            wishes = flush.write(session, self._lease, self._settings.lease_seconds)
            session.commit()
        return wishes

    def _epochs_written(self, session: Session) -> int:
        return self._lease.leased_jobs(session)[self._lease.job_id].epochs_done


def _owned(job_id: UUID, table: Table) -> list[Owned[Table]]:
    return [([job_id] * len(table), table)]


def _width(record: EpochRecord | StepRecord) -> int:
    """About how many numbers a vector of it has, and others beside it."""
    return len(record.parameters.weights or ()) + 4
