"""An attempt at a job: load its data, train on from its checkpoint, and end it the way it ended."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from service.data import numbers
from service.data.streamed import stream_job_data, without_rows
from service.store.leases import JobLease
from service.store.tables import Job
from slope.analysis import Ending, analysis_seconds
from slope.data import TrainingData, prepare
from slope.engines.build import build
from slope.engines.partitioned import ReducedPartition
from slope.engines.plan import keeps_epoch, snapshot_interval
from slope.engines.reduced import Pause, Reduced, Reductions
from slope.engines.reduction import Reduction
from slope.health import Health
from slope.records import Diverged, EpochRecord
from slope.run import Interrupted, Run
from slope.spec.job import device_for
from worker import outcome
from worker.heartbeat import Heartbeat
from worker.partitions import Leader
from worker.process import Process
from worker.progress import Progress
from worker.recorder import Recorder
from worker.waiting import retry_while_away

_ANALYSIS_PAUSE = 0.05
"""Seconds between two looks at whether the analysis is there, when the training has ended before it."""

log = structlog.get_logger()


class JobAttempt:
    """The training of one claimed job, between the store and the loop."""

    _data: TrainingData
    _training: Run

    def __init__(self, process: Process, lease: JobLease, job: Job, heartbeat: Heartbeat) -> None:
        self._process, self._lease = process, lease
        self._job = job
        self._heartbeat = heartbeat
        self._spec = job.training_spec
        self._reduction: Reduction | None = None
        """Of data that is read in parts, from when it has been."""
        self._analysis: outcome.LateAnalysis | None = None
        keeps_every_step = job.planned.steps_recorded and self._spec.record.every == 1
        size = (job.dataset.rows, len(job.features))
        interval = snapshot_interval(self._spec, *size, job.planned.engine)
        self._snapshot_interval = None if keeps_every_step else interval
        self._health = Health({event.code for event in job.events if event.code}, self._spec)
        self._recorder = Recorder(process, lease, Progress.of(job))

    def _begin(self) -> None:
        """Load the data, and stand where the last attempt stood. Raises Interrupted, for it may take long."""
        job, spec, process = self._job, self._spec, self._process
        if job.planned.streams:
            self._data = without_rows(job)
        else:
            arrays = retry_while_away(
                lambda: numbers.load_job_data(process.storage, job, self._pause), process.stopping
            )
            self._data = prepare(arrays.x, arrays.y, spec)
        self._recorder.set_columns(outcome.start_columns(job, self._data, spec))
        self._training = self._engine()
        if job.checkpoint:
            self._training.restore(job.checkpoint)
        self._analysis = outcome.LateAnalysis.of(job, self._data, spec, process.settings)
        log.info("training", from_epoch=self._training.epoch)

    def _pause(self) -> None:
        if self._heartbeat.stop_reason is not None:
            raise Interrupted

    def _engine(self) -> Run:
        job, spec, device = self._job, self._spec, device_for(self._job.device)

        def keeps_steps(epoch: int) -> bool:
            return job.planned.steps_recorded and keeps_epoch(spec, epoch)

        def interrupted() -> bool:
            return self._heartbeat.stop_reason is not None

        if not job.planned.streams:
            engine = job.planned.engine
            return build(engine, self._data, spec, keeps_steps=keeps_steps, interrupted=interrupted, device=device)
        reduce = _reduction(self._process, self._lease, job)

        def reductions(pause: Pause) -> Reductions:
            found = reduce(pause).reductions(spec)
            self._data, self._reduction = replace(self._data, scaler=found.scaler), found.training
            self._recorder.set_columns(outcome.start_columns(job, self._data, spec))
            return found

        features = len(job.features)
        return Reduced(features, reductions, spec, keeps_steps=keeps_steps, interrupted=interrupted, device=device)

    def train(self) -> None:
        """Train, record, and end. Raises LeaseLost when another attempt has taken the job over, and Interrupted."""
        try:
            self._begin()
            last = self._train_epochs()
        except Diverged as error:
            self._recorder.keep_steps(error.steps)
            detail = f"{error}: {outcome.divergence_remedy(self._spec)}"
            self._finish("failed", str(error), error_code="diverged", error_detail=detail)
        except Interrupted:
            if self._heartbeat.stop_reason != "cancelled":
                raise
            self._finish("cancelled", f"Cancelled after {self._recorder.epochs_done} epochs")
        else:
            self._succeed(last)

    def time_out(self) -> None:
        detail = outcome.timeout_detail(self._job.timeout_seconds)
        self._finish("failed", detail, error_code="timeout", error_detail=detail)

    def settle(self) -> None:
        self._recorder.settle()

    def _train_epochs(self) -> EpochRecord | None:
        record = None
        for record in self._training.epochs():
            self._recorder.advance(record)
            self._recorder.add_findings(self._health.examine(record))
            if keeps_epoch(self._spec, record.epoch):
                self._recorder.keep_epoch(record)
            if self._snapshot_interval and self._training.epoch % self._snapshot_interval == 0:
                self._recorder.keep_snapshot(self._training.epoch, self._training.checkpoint())
            self._take_analysis(wait=0.0)
            self._flush_when_due()
        while not self._take_analysis(wait=_ANALYSIS_PAUSE):
            self._flush_when_due()
            self._pause()
        return record

    def _flush_when_due(self) -> None:
        if self._recorder.is_due:
            self._heartbeat.cancel(self._recorder.flush(self._training.checkpoint()))

    def _take_analysis(self, *, wait: float) -> bool:
        """Take the analysis when it has come; whether there is none to wait for any more."""
        if self._analysis is None:
            return True
        if not self._analysis.wait(wait):
            return False
        self._job.analysis = self._analysis.document
        self._recorder.add_columns({"analysis": self._job.analysis})
        self._recorder.add_findings(self._analysis.findings)
        self._analysis = None
        return True

    def _succeed(self, last: EpochRecord | None) -> None:
        if last and not keeps_epoch(self._spec, last.epoch):
            self._recorder.keep_epoch(last)
        values = outcome.result_columns(self._job, self._training.result, self._data, self._spec)
        self._recorder.add_findings(self._health.conclude())
        self._recorder.add_findings(outcome.ending_findings(self._ending(values), self._spec))
        stopped = f"Stopped early after {self._training.epoch} epochs" if self._training.stopped_early else None
        self._finish("succeeded", stopped, **values)

    def _finish(self, status: str, detail: str | None, **values: Any) -> None:
        self._recorder.finish(status, detail, **values)
        log.info("the attempt has ended the job", status=status, epochs_done=self._recorder.epochs_done)

    def _ending(self, values: dict[str, Any]) -> Ending | None:
        if self._reduction is None:
            return outcome.ending_from_analysis(values["analysis"], self._spec)
        if (
            analysis_seconds(len(self._reduction.triangle), self._reduction.features)
            > self._process.settings.analysis_seconds
        ):
            return None
        return outcome.ending_from_reduction(self._reduction, self._data.scaler, self._training.result, self._spec)


def _reduction(process: Process, lease: JobLease, job: Job) -> Callable[[Pause], ReducedPartition]:
    """How data that is read in parts is reduced, with others or alone."""
    if job.planned.partitions > 1:
        return Leader(process, lease, job).reduce
    data, rows = stream_job_data(process.storage, job, device_for(job.device)), range(job.dataset.rows)
    return lambda pause: retry_while_away(lambda: data.reduce(rows, pause), process.stopping)
