"""One attempt at a group: the jobs of a sweep that train as one batch of models, each with an end of its own."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session

from service.data import numbers
from service.data.numbers import Arrays
from service.errors import LeaseLost
from service.store import group_leases, workers
from service.store.database import now
from service.store.group_leases import Ending, GroupClaim
from service.store.tables import Job
from slope.data import Array, prepare
from slope.engines.fused import Fused
from slope.engines.plan import keeps_epoch, snapshot_interval
from slope.engines.rounds import Round
from slope.health import Health
from slope.run import Interrupted
from slope.spec.devices import device_for
from worker import outcome
from worker.group_progress import GroupProgress
from worker.group_recorder import GroupRecorder
from worker.heartbeat import Heartbeat
from worker.memory import refuse_beyond
from worker.patience import patiently
from worker.process import Process
from worker.telling import telling

_LONG_EPOCH = 0.05
"""Seconds. In an epoch that is longer it is not waited for its end to take out a job that is to be cancelled."""

_SLOWER = 10
"""A step of a wide group takes some ten times as long as a job's own: snapshots come so much oftener."""

log = structlog.get_logger()


class Pulse:
    """Beats for a group, and learns which of its jobs are to be cancelled."""

    def __init__(self, claim: GroupClaim, lease_seconds: float) -> None:
        self.cancelled: set[UUID] = set()
        self._claim = claim
        self._lease_seconds = lease_seconds

    def beat(self, session: Session) -> bool:
        """Raises LeaseLost. False: the group goes on without those that are cancelled."""
        self.cancelled = group_leases.beat(session, self._claim, self._lease_seconds)
        return False


def attempt_group(process: Process, claim: GroupClaim) -> None:
    """Train the jobs of a claimed group. Whatever happens is told in SQL of each of them."""
    pulse = Pulse(claim, process.settings.lease_seconds)

    def train() -> None:
        try:
            assignment = patiently(lambda: _load(process, claim, heartbeat), process.leaving)
        except Interrupted:
            _leave_unloaded(process, claim, heartbeat)
        else:
            GroupAttempt(process, claim, assignment, heartbeat, pulse).run()

    with (
        structlog.contextvars.bound_contextvars(group_id=str(claim.group_id)),
        Heartbeat(process.database, process.settings, pulse.beat, process.leaving) as heartbeat,
    ):
        telling(train, lambda code, detail: _fail(process, claim, code, detail))


@dataclass(frozen=True)
class Assignment:
    """The jobs of a claimed group by place, and their data."""

    jobs: list[Job]
    arrays: Arrays


class Observation(NamedTuple):
    """What is looked at of an epoch to tell how a model does."""

    epoch: int
    loss: float
    gradient_norm: float


def _load(process: Process, claim: GroupClaim, heartbeat: Heartbeat) -> Assignment:
    """Raises Interrupted, for it may take long."""

    def pause() -> None:
        if heartbeat.stop is not None:
            raise Interrupted

    with process.database.reading() as session:
        jobs = group_leases.for_training(session, claim)
        if not jobs:
            raise LeaseLost
        assert jobs[0].started_at  # the claim has set it
        elapsed = (now(session) - jobs[0].started_at).total_seconds()
        memory = workers.memory_of_worker(session, process.worker_id)
    refuse_beyond(memory, jobs[0].planned)
    if jobs[0].timeout_seconds is not None:
        heartbeat.limit(jobs[0].timeout_seconds - elapsed)
    return Assignment(jobs, numbers.load_job_data(process.storage, jobs[0], pause))


def _leave_unloaded(process: Process, claim: GroupClaim, heartbeat: Heartbeat) -> None:
    match heartbeat.stop:
        case "leaving":
            _put_back(process, claim)
        case "out of time":
            _fail(process, claim, "timeout", "The time was over before the data was loaded")
        case _:
            raise LeaseLost


def _put_back(process: Process, claim: GroupClaim) -> None:
    def write() -> None:
        with process.database.writing() as session:
            group_leases.put_back(session, claim, "The worker was asked to leave")
            session.commit()

    patiently(write, process.leaving)


class GroupAttempt:
    """The training of the jobs of a claimed group, between the store and the engine."""

    def __init__(
        self, process: Process, claim: GroupClaim, assignment: Assignment, heartbeat: Heartbeat, pulse: Pulse
    ) -> None:
        self._jobs = {job.place: job for job in assignment.jobs if job.place is not None}
        self._specs = {place: job.training_spec for place, job in self._jobs.items()}
        self._heartbeat = heartbeat
        self._pulse = pulse
        first = assignment.jobs[0]
        assert first.group_width is not None  # it is one of a group
        self._timeout = first.timeout_seconds
        self._spec = first.training_spec
        self._data = prepare(assignment.arrays.x, assignment.arrays.y, self._spec)
        self._training = Fused(
            self._data,
            self._specs,
            first.group_width,
            keeps_steps=lambda epoch: first.planned.steps_recorded and keeps_epoch(self._spec, epoch),
            pause=self._pause,
            device=device_for(first.device),
        )
        if states := {place: np.frombuffer(job.checkpoint) for place, job in self._jobs.items() if job.checkpoint}:
            self._training.restore(states)
        keeps_every_step = first.planned.steps_recorded and self._spec.record.every == 1
        often = max(1, snapshot_interval(self._spec, first.dataset.rows) // _SLOWER)
        self._snapshot_interval = None if keeps_every_step else often
        self._health = {
            place: Health({event.code for event in job.events if event.code}, self._specs[place])
            for place, job in self._jobs.items()
        }
        job_ids = {place: job.id for place, job in self._jobs.items()}
        progress = GroupProgress(assignment.jobs, first.group_width, self._data.x.shape[1])
        facts = {place: outcome.facts(job, self._data, self._specs[place]) for place, job in self._jobs.items()}
        self._recorder = GroupRecorder(process, claim, job_ids, progress, facts)
        self._boundary: Array | None = self._training.states()
        """The states after the last epoch, where they are known."""

    def run(self) -> None:
        """Train, record, and end each job. Raises LeaseLost when another attempt has taken the jobs over."""
        log.info("training a group", from_epoch=self._training.epoch, jobs=len(self._jobs))
        try:
            for found in self._training.epochs():
                self._take(found)
        except Interrupted:
            self._leave()
        else:
            self._flush()
        finally:
            self._recorder.settle()
        log.info("left the group", epochs_done=self._training.epoch)

    def _take(self, found: Round) -> None:
        """Note a round: its numbers, its ends, and whoever is cancelled meanwhile."""
        ended = [place for place in found.places.tolist() if self._training.has_ended(place)]
        keeps_all = keeps_epoch(self._spec, self._training.epoch - 1)
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
                self._recorder.tell(place, findings)

    def _diverge(self, place: int, step: int) -> None:
        sentence = f"The numbers stopped being finite in epoch {self._training.epoch - 1}, step {step}"
        detail = f"{sentence}: {outcome.when_diverged(self._specs[place])}"
        self._recorder.end(place, "failed", sentence, error_code="diverged", error_detail=detail)

    def _succeed(self, place: int) -> None:
        stopped = f"Stopped early after {self._training.epoch} epochs" if self._training.stopped_early(place) else None
        trained, job, spec = self._training.result(place), self._jobs[place], self._specs[place]
        values = outcome.result(job, trained, self._data, spec)
        self._recorder.tell(place, self._health[place].conclude())
        self._recorder.tell(place, outcome.far_from_minimum(outcome.ending_of(values["analysis"], spec), spec))
        self._recorder.end(place, "succeeded", stopped, **values)

    def _pause(self) -> None:
        """Called before every step. Raises Interrupted where all are to stop.

        Whoever is cancelled is taken out, if the states are known that are written for the others.
        """
        if self._boundary is not None and self._cancelled():
            self._drop_cancelled()
            self._flush()
        if self._heartbeat.stop is not None or not self._training.live:
            raise Interrupted

    def _cancelled(self) -> list[int]:
        asked = self._pulse.cancelled
        return [place for place in self._training.live if self._jobs[place].id in asked] if asked else []

    def _drop_cancelled(self) -> None:
        for place in self._cancelled():
            if not self._recorder.ends(place):
                self._recorder.end(place, "cancelled", f"Cancelled after {self._recorder.epochs_done(place)} epochs")
            self._training.drop(place)

    def _flush(self) -> None:
        self._pulse.cancelled |= self._recorder.flush(self._states())

    def _states(self) -> Array:
        return self._training.states() if self._boundary is None else self._boundary

    def _leave(self) -> None:
        """End as the heartbeat was told to. Jobs that are put back train on, to the same bits."""
        if not self._training.live:
            return  # all who were left have been cancelled, and told so
        match self._heartbeat.stop:
            case "out of time":
                detail = f"The job had not ended after {self._timeout:g} seconds"
                for place in self._training.live:
                    self._recorder.end(place, "failed", detail, error_code="timeout", error_detail=detail)
                self._boundary = self._training.states()  # of no use to jobs that end
                self._flush()
            case "leaving":
                self._recorder.put_back("The worker was asked to leave")
            case _:
                raise LeaseLost


def _fail(process: Process, claim: GroupClaim, code: str, detail: str) -> None:
    """What nobody expected may be the fault of one job: the halves try apart, until it is alone and fails alone."""

    def write() -> None:
        with process.database.writing() as session:
            again = f"To be tried again in two halves: {detail}"
            if code != "internal" or not group_leases.split(session, claim, again):
                held = group_leases.hold(session, claim)
                values = {"error_code": code, "error_detail": detail}
                group_leases.finish(session, [Ending(job_id, "failed", detail, values) for job_id in held])
            session.commit()

    patiently(write, process.leaving)
