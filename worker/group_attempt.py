"""An attempt at a group: the jobs of a sweep that train as one batch of models, each with an end of its own."""

from typing import NamedTuple

import numpy as np
import structlog

from service.data import numbers
from service.store.group_leases import GroupLease
from service.store.tables import Job
from slope.data import Array, TrainingData, prepare
from slope.engines.fused import Fused
from slope.engines.plan import snapshot_interval
from slope.engines.rounds import Round
from slope.health import Health
from slope.run import Interrupted
from slope.spec.job import device_for
from worker import outcome
from worker.group_progress import GroupProgress
from worker.group_recorder import GroupRecorder
from worker.heartbeat import Heartbeat
from worker.process import Process
from worker.waiting import retry_while_away

_LONG_EPOCH = 0.05
"""Seconds. A job that is to be cancelled is taken out in the middle of an epoch that is longer than this."""

_SLOWER = 10
"""A step of a wide group takes some ten times as long as one of a job: snapshots come ten times as often."""

log = structlog.get_logger()


class Observation(NamedTuple):
    """What the health of a model is seen from after an epoch."""

    epoch: int
    loss: float
    gradient_norm: float


class GroupAttempt:
    """The training of the jobs of a claimed group, between the store and the engine."""

    _data: TrainingData
    _training: Fused

    def __init__(self, process: Process, lease: GroupLease, jobs: list[Job], heartbeat: Heartbeat) -> None:
        self._process = process
        self._heartbeat = heartbeat
        self._jobs = {job.place: job for job in jobs if job.place is not None}
        self._specs = {place: job.training_spec for place, job in self._jobs.items()}
        self._first = first = jobs[0]
        self._spec = first.training_spec
        keeps_every_step = first.planned.steps_recorded and self._spec.record.every == 1
        often = max(1, snapshot_interval(self._spec, first.dataset.rows) // _SLOWER)
        self._snapshot_interval = None if keeps_every_step else often
        self._health = {
            place: Health({event.code for event in job.events if event.code}, self._specs[place])
            for place, job in self._jobs.items()
        }
        job_ids = {place: job.id for place, job in self._jobs.items()}
        progress = GroupProgress(jobs, self._width, len(first.features))
        self._recorder = GroupRecorder(process, lease, job_ids, progress)
        self._boundary: Array | None = None
        """The states after the last epoch, where they are known."""

    @property
    def _width(self) -> int:
        assert self._first.group_width is not None  # it is one of a group
        return self._first.group_width

    def train(self) -> None:
        """Train, record, and end each job. Raises LeaseLost when another attempt has the jobs now, and Interrupted."""
        self._begin()
        log.info("training a group", from_epoch=self._training.epoch, jobs=len(self._jobs))
        try:
            for found in self._training.epochs():
                self._take(found)
        except Interrupted:
            if self._training.live:  # otherwise the last ones have been cancelled, and their end is written
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
        arrays = retry_while_away(
            lambda: numbers.load_job_data(self._process.storage, first, self._stop_if_asked), self._process.stopping
        )
        self._data = prepare(arrays.x, arrays.y, self._spec)
        self._recorder.set_columns(
            {place: outcome.start_columns(job, self._data, self._specs[place]) for place, job in self._jobs.items()}
        )
        self._training = Fused(
            self._data,
            self._specs,
            self._width,
            keeps_steps=first.planned.steps_recorded,
            pause=self._pause,
            device=device_for(first.device),
        )
        if states := {place: np.frombuffer(job.checkpoint) for place, job in self._jobs.items() if job.checkpoint}:
            self._training.restore(states)
        self._boundary = self._training.states()

    def _take(self, found: Round) -> None:
        """Record a round: its numbers, the jobs that ended in it, and those that are to be cancelled."""
        ended = [place for place in found.places.tolist() if self._training.has_ended(place)]
        keeps_all = self._spec.keeps_epoch(self._training.epoch - 1)
        kept = np.arange(len(found.places)) if keeps_all else np.flatnonzero(np.isin(found.places, ended))
        self._recorder.advance(found, kept)
        self._examine(found)
        for place, step in found.diverged.items():
            self._diverge(place, step)
        for place in ended:
            self._succeed(place)
        is_long = len(found.places) > 0 and found.epochs.seconds[0] > _LONG_EPOCH
        self._boundary = self._training.states() if is_long else None
        if self._snapshot_interval and self._training.epoch % self._snapshot_interval == 0:
            self._recorder.keep_snapshots(self._training.epoch, self._states(), self._training.live)
        if self._recorder.is_due or self._cancelled():
            self._drop_cancelled()
            self._flush()

    def _examine(self, found: Round) -> None:
        epochs = found.epochs
        numbers = zip(found.places.tolist(), epochs.loss.tolist(), epochs.gradient_norm.tolist(), strict=True)
        for place, loss, norm in numbers:
            seen = Observation(self._training.epoch - 1, loss, norm)
            if findings := self._health[place].examine(seen):
                self._recorder.add_findings(place, findings)

    def _diverge(self, place: int, step: int) -> None:
        sentence = f"The numbers stopped being finite in epoch {self._training.epoch - 1}, step {step}"
        detail = f"{sentence}: {outcome.divergence_remedy(self._specs[place])}"
        self._recorder.end(place, "failed", sentence, error_code="diverged", error_detail=detail)

    def _succeed(self, place: int) -> None:
        stopped = f"Stopped early after {self._training.epoch} epochs" if self._training.stopped_early(place) else None
        trained, job, spec = self._training.result(place), self._jobs[place], self._specs[place]
        values = outcome.result_columns(job, trained, self._data, spec)
        ending = outcome.ending_from_analysis(values["analysis"], spec)
        self._recorder.add_findings(place, self._health[place].conclude())
        self._recorder.add_findings(place, outcome.ending_findings(ending, spec))
        self._recorder.end(place, "succeeded", stopped, **values)

    def _pause(self) -> None:
        """Called before every step. Raises Interrupted where all are to stop.

        Jobs that are to be cancelled are taken out, if the states that are written for the others are known.
        """
        if self._boundary is not None and self._cancelled():
            self._drop_cancelled()
            self._flush()
        if not self._training.live:
            raise Interrupted
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._heartbeat.stop_reason is not None:
            raise Interrupted

    def _cancelled(self) -> list[int]:
        asked = self._heartbeat.cancelled
        return [place for place in self._training.live if self._jobs[place].id in asked] if asked else []

    def _drop_cancelled(self) -> None:
        for place in self._cancelled():
            if not self._recorder.ends(place):
                self._recorder.end(place, "cancelled", f"Cancelled after {self._recorder.epochs_done(place)} epochs")
            self._training.drop(place)

    def _flush(self) -> None:
        self._heartbeat.cancel(self._recorder.flush(self._states()))

    def _states(self) -> Array:
        return self._training.states() if self._boundary is None else self._boundary
