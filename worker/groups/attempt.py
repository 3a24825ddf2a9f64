"""An attempt at a group: the jobs of a sweep that train together, each with an end of its own."""

from functools import cached_property
from typing import Any, get_args

import numpy as np
import structlog

from service.data.triangles import job_columns
from service.store.counts import Count
from service.store.events import Wish
from service.store.leases.groups import GroupLease
from service.store.tables import Job
from slope.analysis import Curvature, few_rows
from slope.answers.metrics import CrossValidation
from slope.arrays import Indices
from slope.data import TrainingData, prepare, unread_data
from slope.engines.groups.fused import Fused
from slope.engines.groups.groups import snapshot_interval
from slope.engines.groups.rounds import Round
from slope.engines.reduction.partitioned import ReducedPartition
from slope.engines.reduction.reduced import Reductions
from slope.group_health import GroupHealth
from slope.health import Health
from slope.records import Diverged
from slope.reduced_rows import ReducedRows
from slope.run import Interrupted
from slope.spec.names import counted
from worker.groups.progress import GroupProgress
from worker.groups.recorder import GroupRecorder
from worker.heartbeat import Heartbeat
from worker.jobs import outcome
from worker.jobs.batch import Batch
from worker.jobs.chosen_rates import chosen_rate, curvature_of_job, rate_columns
from worker.jobs.cross_validation import cross_validate_jobs
from worker.process import Process

log = structlog.get_logger()


class GroupAttempt:
    """The training of the jobs of a claimed group, between the store and the engine."""

    _data: TrainingData
    _training: Fused

    def __init__(
        self, process: Process, batch: Batch, lease: GroupLease, jobs: list[Job], heartbeat: Heartbeat
    ) -> None:
        self._process = process
        self._batch = batch
        self._heartbeat = heartbeat
        self._jobs = {job.place: job for job in jobs if job.place is not None}
        self._specs = {place: job.training_spec for place, job in self._jobs.items()}
        self._first = first = jobs[0]
        self._spec = first.training_spec
        keeps_every_step = first.planned.steps_recorded and self._spec.record.every == 1
        size = (first.dataset.rows, len(first.features))
        self._snapshot_interval = None if keeps_every_step else snapshot_interval(self._spec, *size)
        self._reductions: Reductions | None = None
        """Where the dataset's triangle stands for its rows."""
        self._health = GroupHealth(
            {
                place: Health({event.code for event in job.events if event.code}, self._specs[place])
                for place, job in self._jobs.items()
            },
            self._width,
        )
        job_ids = {place: job.id for place, job in self._jobs.items()}
        progress = GroupProgress(jobs, self._width, len(first.features))
        self._recorder = GroupRecorder(process, batch, lease, job_ids, progress)

    @property
    def _width(self) -> int:
        assert self._first.group_width is not None  # it is one of a group
        return self._first.group_width

    def train(self) -> None:
        """Train, record, and end each job. Raises LeaseLost when another attempt has the jobs now, and Interrupted."""
        self._begin()
        log.info("training a group", from_epoch=self._training.epoch, jobs=len(self._jobs))
        try:
            while self._training.live and self._training.epoch < self._spec.epochs:
                for found in self._training.epochs(self._next_snapshot()):
                    self._take(found)
                self._keep_snapshots_when_due()
        except Interrupted:
            if self._training.live:  # otherwise the last ones have been cancelled or paused, and that is written
                raise
        else:
            self._flush()
        self._recorder.settle()
        log.info("the attempt has ended the group", epochs_done=self._training.epoch)

    def time_out(self) -> None:
        detail = outcome.timeout_detail(self._first.timeout_seconds)
        for place in self._recorder.running:
            self._recorder.end(place, "failed", detail, error_code="timeout", error_detail=detail)
        self._recorder.flush(None)
        self._recorder.settle()

    def settle(self) -> None:
        self._recorder.settle()

    def _begin(self) -> None:
        """Load the data, and go on from the last checkpoints. Raises Interrupted, for it may take long."""
        first = self._first
        reductions = self._load()
        chosen = self._settle_rates()
        for place, job in self._jobs.items():
            known = outcome.start_columns(job, self._data, self._specs[place])
            self._recorder.add_columns(place, known | chosen.get(place, {}))
        self._complete_analyses()
        self._training = Fused(
            self._data,
            self._specs,
            self._width,
            keeps_steps=first.planned.steps_recorded,
            pause=self._pause,
            reductions=reductions,
            threads=self._process.settings.sweep_threads,
        )
        if states := {place: np.frombuffer(job.checkpoint) for place, job in self._jobs.items() if job.checkpoint}:
            self._training.restore(states)

    def _complete_analyses(self) -> None:
        """By what only the rows tell, where a submission left them unread."""
        for place, job in self._jobs.items():
            if found := outcome.with_rate_per_row(job.analysis, self._data, self._specs[place]):
                job.analysis, findings = found
                self._recorder.add_columns(place, {"analysis": job.analysis})
                self._recorder.add_findings(place, findings)

    def _load(self) -> Reductions | None:
        """The data, and what stands for its rows where none is read."""
        first, process = self._first, self._process
        if first.planned.from_triangle:
            with process.database.reading() as session:
                found = ReducedPartition.of_columns(job_columns(session, first)).reductions(self._spec)
            self._data, self._reductions = unread_data(len(first.features), found.scaler), found
            return found
        arrays = self._batch.data.load(first, self._stop_if_asked)
        self._data = prepare(arrays.x, arrays.y, self._spec, arrays.weights)
        return None

    @cached_property
    def _rows_that_measure(self) -> ReducedRows | None:
        """What stands for the rows of all jobs, where that is at hand or takes no time."""
        return few_rows(self._data) if self._reductions is None else self._reductions.training

    @cached_property
    def _cross_validations(self) -> dict[int, CrossValidation]:
        """Of the jobs, by place, where they were asked for. Raises Interrupted."""
        if self._first.cross_validation is None:
            return {}
        return cross_validate_jobs(self._process, self._jobs, self._specs, self._let_go)

    def _next_snapshot(self) -> int:
        """The epoch before which the states are kept next, or the end."""
        interval, end = self._snapshot_interval, self._spec.epochs
        return end if interval is None else min((self._training.epoch // interval + 1) * interval, end)

    def _keep_snapshots_when_due(self) -> None:
        if self._snapshot_interval and self._training.epoch % self._snapshot_interval == 0:
            self._recorder.keep_snapshots(self._training.epoch, self._training.states(), self._training.live)

    def _settle_rates(self) -> dict[int, dict[str, Any]]:
        """Choose the learning rates that were left open. What the jobs are told of them: of all jobs, or of none."""
        if all(spec.learning_rate != "auto" for spec in self._specs.values()):
            return {}
        told, curvatures = {}, dict[str, Curvature]()
        for place, spec in self._specs.items():
            job, start = self._jobs[place], f"{spec.initial_weights} {spec.initial_bias} {spec.seed}"
            told[place] = {"spec": job.spec, "plan": job.plan}
            if spec.learning_rate == "auto":
                if start not in curvatures:  # all else that it depends on they have in common
                    curvatures[start] = curvature_of_job(self._data, self._reductions, spec)
                chosen = chosen_rate(curvatures[start], spec)
                self._specs[place] = spec.at_rate(chosen.rate)
                told[place] = rate_columns(job, self._specs[place], chosen)
        return told

    def _count_epochs(self, epochs: int) -> None:
        """All jobs of a group take the same number of steps."""
        self._process.counts[Count.EPOCHS] += epochs
        self._process.counts[Count.STEPS] += epochs * (self._first.planned.steps // self._first.epochs)

    def _take(self, found: Round) -> None:
        """Record a round: its numbers, the jobs that ended in it, and those that are to stop."""
        gone_on = [place for place in found.places.tolist() if place not in found.diverged]
        ended = [place for place in gone_on if self._training.has_ended(place)]
        self._recorder.advance(found, self._kept(found, ended))
        self._count_epochs(int(found.counts.sum()))
        for place, findings in self._health.examine(found).items():
            self._recorder.add_findings(place, findings)
        for place, step in found.diverged.items():
            self._diverge(place, found.last_of(place), step)
        for place in ended:
            self._succeed(place, found.last_of(place))
        if self._recorder.is_due or self._asked():
            self._flush_and_drop()

    def _kept(self, found: Round, ended: list[int]) -> Indices:
        """Which of the records are kept: those that the jobs ask for, and the last one of each that ended."""
        every, epochs = self._spec.record.every, found.epochs.epoch
        if every == 1:
            return np.arange(len(epochs))
        is_last = np.zeros(len(epochs), dtype=bool)
        has_ended = np.isin(found.places, ended) & (found.counts > 0)
        is_last[(np.cumsum(found.counts) - 1)[has_ended]] = True
        return np.flatnonzero((epochs % every == 0) | (epochs == self._spec.epochs - 1) | is_last)

    def _diverge(self, place: int, epoch: int, step: int) -> None:
        sentence = str(Diverged(epoch, step, []))
        remedy = outcome.divergence_remedy(self._specs[place], epoch, step, self._data, self._reductions)
        detail = f"{sentence}: {remedy}"
        self._recorder.end(place, "failed", sentence, error_code="diverged", error_detail=detail)

    def _succeed(self, place: int, epochs: int) -> None:
        stopped = f"Stopped early after {counted(epochs, 'epoch')}" if self._training.stopped_early(place) else None
        trained, job, spec = self._training.result(place), self._jobs[place], self._specs[place]
        distance = outcome.distance_of(trained, self._rows_that_measure, self._data.scaler, spec)
        validated = self._cross_validations.get(place)
        values = outcome.result_columns(job, trained, self._data, spec, self._reductions, distance, validated)
        ending = outcome.ending_from_analysis(values["analysis"], spec)
        self._recorder.add_findings(place, self._health.conclude(place))
        self._recorder.add_findings(place, outcome.ending_findings(ending, spec))
        self._recorder.end(place, "succeeded", stopped, **values)

    def _pause(self) -> None:
        """Called again and again within a round. Raises Interrupted where all are to stop.

        Jobs that are to be cancelled or paused are taken out: the others stand where the last round left them.
        """
        if self._asked():
            self._flush_and_drop()
        if not self._training.live:
            raise Interrupted
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._heartbeat.stop_reason is not None:
            raise Interrupted

    def _let_go(self) -> None:
        """The same where no flush comes: what waits for this group's end waits for no longer than a few flushes."""
        self._stop_if_asked()
        self._batch.separate_when_late()

    def _asked(self, *wishes: Wish) -> list[int]:
        """The places of jobs of which a client has these wishes, or any."""
        asked, wanted = self._heartbeat.wishes, wishes or get_args(Wish)
        return [place for place in self._training.live if asked.get(self._jobs[place].id) in wanted] if asked else []

    def _flush_and_drop(self) -> None:
        """Write what has come, and train on without the jobs that are to be cancelled or paused."""
        for place in self._asked("cancel"):
            if not self._recorder.ends(place):
                done = counted(self._recorder.epochs_done(place), "epoch")
                self._recorder.end(place, "cancelled", f"Cancelled after {done}")
            self._training.drop(place)
        self._flush()
        if paused := [place for place in self._asked("pause") if place in self._recorder.running]:
            self._recorder.put_back(paused, "The pause was taken back: it will go on")
            for place in paused:
                self._training.drop(place)

    def _flush(self) -> None:
        self._heartbeat.note_wishes(self._recorder.flush(self._training.states()))
