"""An attempt at a job: load its data, train on from its checkpoint, and end it the way it ended."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import structlog

from service.data.streamed import stream_job_data, without_rows
from service.data.triangles import ensure_triangle, job_columns
from service.store.counts import Count
from service.store.leases.leases import JobLease
from service.store.tables import Job
from slope.analysis import Distance, Ending, analysis_seconds
from slope.data import TrainingData, prepare
from slope.engines.build import build, build_reduced
from slope.engines.costs import LITTLE_NUMBERS
from slope.engines.plan import holds_rows, snapshot_interval
from slope.engines.reduction.partitioned import ReducedPartition
from slope.engines.reduction.reduced import Pause, Reductions
from slope.health import Finding, Health
from slope.records import Diverged, EpochRecord, EpochTable, numbers_of
from slope.run import Interrupted, Run
from slope.spec.job import device_for
from slope.spec.names import counted
from worker.heartbeat import Heartbeat
from worker.jobs import outcome
from worker.jobs.batch import Batch
from worker.jobs.chosen_rates import chosen_rate, curvature_of_job, rate_columns
from worker.jobs.cross_validation import cross_validate_job
from worker.jobs.recorder import Progress, Recorder
from worker.partitions import Leader
from worker.process import Process, retry_while_away

_ANALYSIS_PAUSE = 0.05
"""Seconds between two looks at whether the analysis is there, when the training has ended before it."""

log = structlog.get_logger()


class JobAttempt:
    """The training of one claimed job, between the store and the loop."""

    _data: TrainingData
    _training: Run

    def __init__(self, process: Process, batch: Batch, lease: JobLease, job: Job, heartbeat: Heartbeat) -> None:
        self._process, self._batch, self._lease = process, batch, lease
        self._job = job
        self._heartbeat = heartbeat
        self._spec = job.training_spec
        self._reductions: Reductions | None = None
        """Of data that is read in parts, from when it has been."""
        self._analysis: outcome.LateAnalysis | None = None
        self._rate_columns: dict[str, Any] = {}
        """What the job is told of a learning rate that was chosen here."""
        keeps_every_step = job.planned.steps_recorded and self._spec.record.every == 1
        size = (job.dataset.rows, len(job.features))
        interval = snapshot_interval(self._spec, *size, job.planned.engine)
        self._snapshot_interval = None if keeps_every_step else interval
        self._steps_an_epoch = job.planned.steps // job.epochs
        self._health = Health({event.code for event in job.events if event.code}, self._spec)
        self._recorder = Recorder(process, batch, lease, Progress.of(job))

    def _begin(self) -> None:
        """Load the data, and stand where the last attempt stood. Raises Interrupted, for it may take long."""
        job, spec, process = self._job, self._spec, self._process
        if not holds_rows(job.planned):
            self._data = without_rows(job)
        else:
            arrays = self._batch.data.load(job, self._pause)
            self._data = prepare(arrays.x, arrays.y, spec, arrays.weights)
            self._settle_rate(None)
        self._recorder.set_columns(self._start_columns())
        self._training = self._engine()
        if job.checkpoint:
            self._training.restore(job.checkpoint)
        self._analysis = outcome.LateAnalysis.of(job, self._data, self._spec, process.settings)
        if found := outcome.with_rate_per_row(job.analysis, self._data, self._spec):
            self._keep_analysis(*found)
        log.info("training", from_epoch=self._training.epoch)

    def _pause(self) -> None:
        if self._heartbeat.stop_reason is not None:
            raise Interrupted

    def _let_go(self) -> None:
        """Pause where no flush does so: what waits for this job's end waits for no longer than a few flushes."""
        self._pause()
        self._batch.separate_when_late()

    def _settle_rate(self, reductions: Reductions | None) -> None:
        """Let the job have a learning rate that is chosen here, if the request and its answer left that open."""
        if self._spec.learning_rate == "auto":
            chosen = chosen_rate(curvature_of_job(self._data, reductions, self._spec), self._spec)
            self._spec = self._spec.at_rate(chosen.rate)
            self._rate_columns = rate_columns(self._job, self._spec, chosen)

    def _start_columns(self) -> dict[str, Any]:
        return outcome.start_columns(self._job, self._data, self._spec) | self._rate_columns

    def _engine(self) -> Run:
        job, device = self._job, device_for(self._job.device)
        options: dict[str, Any] = {
            "keeps_steps": job.planned.steps_recorded,
            "interrupted": lambda: self._heartbeat.stop_reason is not None,
        }
        if holds_rows(job.planned):
            return build(job.planned.engine, self._data, self._spec, device=device, **options)
        reduce = _reduction(self._process, self._lease, job)
        if self._spec.learning_rate == "auto":
            reduce = self._reduced_for_rate(reduce)

        def reductions(pause: Pause) -> Reductions:
            found = reduce(pause).reductions(self._spec)
            self._data, self._reductions = replace(self._data, scaler=found.scaler), found
            self._recorder.set_columns(self._start_columns())
            return found

        return build_reduced(len(job.features), reductions, self._spec, **options)

    def _reduced_for_rate(self, reduce: Callable[[Pause], ReducedPartition]) -> Callable[[Pause], ReducedPartition]:
        """Reduce the data now: the learning rate is chosen by what it is reduced to."""
        whole = reduce(self._pause)
        found = whole.reductions(self._spec)
        self._data = replace(self._data, scaler=found.scaler)
        self._settle_rate(found)
        return lambda pause: whole

    def train(self) -> None:
        """Train, record, and end. Raises LeaseLost when another attempt has taken the job over, and Interrupted."""
        try:
            self._begin()
            self._train_epochs()
            self._succeed()
        except Diverged as error:
            self._recorder.keep_steps(error.steps)
            remedy = outcome.divergence_remedy(self._spec, error.epoch, error.step, self._data, self._reductions)
            detail = f"{error}: {remedy}"
            self._finish("failed", str(error), error_code="diverged", error_detail=detail)
        except Interrupted:
            if self._heartbeat.stop_reason != "cancelled":
                raise
            self._finish("cancelled", f"Cancelled after {counted(self._recorder.epochs_done, 'epoch')}")
        else:
            self._ensure_triangle()

    def time_out(self) -> None:
        detail = outcome.timeout_detail(self._job.timeout_seconds)
        self._finish("failed", detail, error_code="timeout", error_detail=detail)

    def settle(self) -> None:
        self._recorder.settle()

    def _train_epochs(self) -> None:
        while self._training.epoch < self._spec.epochs and not self._training.stopped_early:
            for block in self._training.blocks(until=self._next_snapshot()):
                self._take(block)
            self._keep_snapshot_when_due()
        while not self._take_analysis(wait=_ANALYSIS_PAUSE):
            self._flush_when_due()
            self._pause()

    def _take(self, block: Sequence[EpochRecord]) -> None:
        self._recorder.advance(block)
        self._process.counts[Count.EPOCHS] += len(block)
        self._process.counts[Count.STEPS] += len(block) * self._steps_an_epoch
        self._recorder.add_findings(self._health.examine_block(block))
        self._recorder.keep_epochs(self._kept_of(block))
        self._take_analysis(wait=0.0)
        self._flush_when_due()

    def _kept_of(self, block: Sequence[EpochRecord]) -> Sequence[EpochRecord]:
        """The epochs whose records are kept: the last one, too, wherever the run stops, in the flush that has it."""
        if self._spec.record.every == 1:
            return block
        last = self._training.epoch - 1 if self._training.stopped_early else None
        epochs = enumerate(numbers_of(block, "epoch"))
        chosen = [index for index, epoch in epochs if epoch == last or self._spec.keeps_epoch(epoch)]
        return block.at(np.array(chosen, int)) if isinstance(block, EpochTable) else [block[index] for index in chosen]

    def _next_snapshot(self) -> int:
        """The epoch before which the state is kept next, or the end."""
        interval = self._snapshot_interval
        if interval is None:
            return self._spec.epochs
        return min((self._training.epoch // interval + 1) * interval, self._spec.epochs)

    def _keep_snapshot_when_due(self) -> None:
        if self._snapshot_interval and self._training.epoch % self._snapshot_interval == 0:
            self._recorder.keep_snapshot(self._training.epoch, self._training.checkpoint())

    def _flush_when_due(self) -> None:
        if self._recorder.is_due:
            self._heartbeat.note_wishes(self._recorder.flush(self._training.checkpoint()))

    def _take_analysis(self, *, wait: float) -> bool:
        """Take the analysis when it has come; whether there is none to wait for any more."""
        if self._analysis is None:
            return True
        if not self._analysis.wait(wait):
            return False
        self._keep_analysis(self._analysis.document, self._analysis.findings)
        self._analysis = None
        return True

    def _keep_analysis(self, document: dict[str, Any] | None, findings: list[Finding]) -> None:
        self._job.analysis = document
        self._recorder.add_columns({"analysis": document})
        self._recorder.add_findings(findings)

    def _succeed(self) -> None:
        job, result, data, spec = self._job, self._training.result, self._data, self._spec
        rows = outcome.rows_that_measure(self._process, job, data, spec, self._reductions)
        distance = outcome.distance_of(result, rows, data.scaler, spec)
        validated = cross_validate_job(self._process, job, spec, self._let_go) if job.cross_validation else None
        values = outcome.result_columns(job, result, data, spec, self._reductions, distance, validated)
        self._recorder.add_findings(self._health.conclude())
        self._recorder.add_findings(outcome.ending_findings(self._ending(values, distance), spec))
        stopped = (
            f"Stopped early after {counted(self._training.epoch, 'epoch')}" if self._training.stopped_early else None
        )
        self._finish("succeeded", stopped, **values)

    def _ensure_triangle(self) -> None:
        """Of a dataset whose rows were read, and which a triangle would have spared some of it."""
        dataset, process = self._job.dataset, self._process
        if dataset.is_inline or dataset.rows * (len(self._job.features) + 1) <= LITTLE_NUMBERS:
            return
        if not self._job.planned.from_triangle:
            most = process.settings.triangle_columns
            ensure_triangle(process.database, process.storage, dataset.id, most, process.stopping.is_set)

    def _finish(self, status: str, detail: str | None, **values: Any) -> None:
        self._recorder.finish(status, detail, **values)
        log.info("the attempt has ended the job", status=status, epochs_done=self._recorder.epochs_done)

    def _ending(self, values: dict[str, Any], distance: Distance | None) -> Ending | None:
        if self._reductions is None:
            return outcome.ending_from_analysis(values["analysis"], self._spec)
        found = self._reductions.training
        if analysis_seconds(len(found.triangle), found.features) > self._process.settings.analysis_seconds:
            return None
        result, scaler = self._training.result, self._data.scaler
        return outcome.ending_from_reduction(found, scaler, result, self._spec, distance)


def _reduction(process: Process, lease: JobLease, job: Job) -> Callable[[Pause], ReducedPartition]:
    """How data is reduced that is read in parts, with others or alone, or that its dataset has the triangle of."""
    if job.planned.from_triangle:
        with process.database.reading() as session:
            whole = ReducedPartition.of_columns(job_columns(session, job))
        return lambda pause: whole
    if job.planned.partitions > 1:
        return Leader(process, lease, job).reduce
    data, rows = stream_job_data(process.storage, job, device_for(job.device)), range(job.dataset.rows)
    return lambda pause: retry_while_away(lambda: data.reduce(rows, pause), process.stopping)
