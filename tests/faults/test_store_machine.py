"""The store under every order of events that hypothesis thinks of: several claimers, some with claims long lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from integration.workbench import end_job, storage
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data.new_datasets import inline_dataset
from service.data.numbers import Arrays
from service.errors import LeaseLost
from service.store.database import Database, now
from service.store.jobs import jobs, pauses
from service.store.leases import lost_leases
from service.store.leases.claims import claim_job
from service.store.leases.leases import Claimant, JobLease
from service.store.leases.lost_leases import RunningJob
from service.store.records import bulk
from service.store.tables import Epoch, Event, Job
from slope.columns import EpochColumns
from slope.statuses import FINAL

MAX_CRASHES = 3
FOLLOWING = {
    "queued": {"running", "paused", "cancelled"},
    "running": {"queued", "paused", "succeeded", "failed", "cancelled"},
    "paused": {"queued", "cancelled"},
    "succeeded": set(),
    "failed": set(),
    "cancelled": set(),
}


@dataclass
class Expected:
    """What is known about a job from all that was done to it."""

    status: str = "queued"
    holder: JobLease | None = None
    epochs: int = 0
    attempt: int = 0
    crashes: int = 0
    has_recorded: bool = False
    """In its last attempt."""
    is_expired: bool = False
    wants_cancel: bool = False
    wants_pause: bool = False
    told: list[str] = field(default_factory=lambda: ["queued"])

    def become(self, status: str) -> None:
        self.status, self.holder, self.is_expired, self.wants_pause = status, None, False, False
        self.told.append(status)

    def go_back(self) -> None:
        self.become("paused" if self.wants_pause else "queued")


class Store(RuleBasedStateMachine):
    """Everything that workers, reapers and clients do to jobs, in any order."""

    job_ids = Bundle("job_ids")
    claims = Bundle("claims")
    sightings = Bundle("sightings")
    """What a reaper saw, at whatever time."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._expected: dict[UUID, Expected] = {}
        self._dataset_id = self._do(inline_dataset(storage(), Arrays(np.ones((2, 1)), np.ones(2))).adopt)

    @initialize(target=job_ids)
    def begin(self) -> UUID:
        return self.add()

    @rule(target=job_ids)
    def add(self) -> UUID:
        job = _job(self._dataset_id)
        self._do(lambda session: jobs.add_job(session, job))
        self._expected[job["id"]] = Expected()
        return job["id"]

    @rule(target=claims, job_id=job_ids, device=st.sampled_from(["cpu", "cuda:0"]))
    def claim(self, job_id: UUID, device: str) -> Any:
        expected = self._expected[job_id]
        mine = self._do(lambda session: claim_job(session, job_id, Claimant(uuid4(), 1, [device], lease_seconds=3600)))
        assert (mine is not None) == (expected.status == "queued" and device == "cpu")
        if mine is None:
            return multiple()
        expected.become("running")
        expected.has_recorded = False
        expected.holder, expected.attempt = mine, expected.attempt + 1
        assert mine.attempt == expected.attempt
        return mine

    @rule(mine=claims)
    def beat(self, mine: JobLease) -> None:
        if self._guarded(mine, lambda session: mine.beat(session, 3600)):
            self._expected[mine.job_id].is_expired = False

    @rule(mine=claims, count=st.integers(1, 3))
    def flush(self, mine: JobLease, count: int) -> None:
        expected = self._expected[mine.job_id]
        done = expected.epochs if expected.holder == mine else 0  # who lost the lease has epochs of its own in mind

        def write(session: Session) -> bool:
            cancel = mine.extend(session, 3600, epochs_done=done + count)
            bulk.add_epochs(session, [mine.job_id] * count, _epochs(range(done, done + count)))
            return cancel

        if self._guarded(mine, write):
            expected.epochs += count
            expected.crashes, expected.has_recorded = 0, True
            expected.is_expired = False

    @rule(mine=claims, status=st.sampled_from(FINAL))
    def finish(self, mine: JobLease, status: str) -> None:
        if self._guarded(mine, lambda session: end_job(session, mine, status)):
            self._expected[mine.job_id].become(status)

    @rule(mine=claims)
    def put_back(self, mine: JobLease) -> None:
        if self._guarded(mine, lambda session: mine.put_back(session, "leaving")):
            self._expected[mine.job_id].go_back()

    @rule(job_id=job_ids)
    def expire(self, job_id: UUID) -> None:
        """Time passes without a sign of life."""

        def pass_time(session: Session) -> None:
            past = now(session) - timedelta(seconds=1)
            session.execute(update(Job).where(Job.id == job_id, Job.status == "running").values(lease_until=past))

        self._do(pass_time)
        expected = self._expected[job_id]
        expected.is_expired = expected.status == "running"

    @rule(target=sightings)
    def look_for_lost_ones(self) -> Any:
        found = [held for held in self._do(lost_leases.expired_jobs) if held.lease.job_id in self._expected]
        assert {held.lease.job_id for held in found} == {
            job_id for job_id, expected in self._expected.items() if expected.is_expired
        }
        return multiple(*found)

    @rule(held=sightings)
    def release(self, held: RunningJob) -> None:
        """A reaper acts on what it saw; meanwhile the job may have become another attempt's, or have ended."""
        expected = self._expected[held.lease.job_id]
        is_its = expected.holder == held.lease
        assert self._do(lambda session: lost_leases.release_lost(session, held, MAX_CRASHES)) == is_its
        if is_its:
            expected.crashes = 0 if expected.has_recorded else expected.crashes + 1
            if expected.crashes >= MAX_CRASHES:
                expected.become("failed")
            else:
                expected.go_back()

    @rule(job_id=job_ids)
    def cancel(self, job_id: UUID) -> None:
        expected = self._expected[job_id]
        ended = self._do(lambda session: jobs.cancel_waiting(session, job_id))
        asked = self._do(lambda session: jobs.ask_to_cancel(session, job_id))
        assert (ended, asked) == (expected.status in ("queued", "paused"), expected.status == "running")
        if ended:
            expected.become("cancelled")
        if asked:
            expected.wants_cancel, expected.wants_pause = True, False

    @rule(job_id=job_ids)
    def pause(self, job_id: UUID) -> None:
        expected = self._expected[job_id]
        may_be = not expected.wants_cancel
        paused = self._do(lambda session: pauses.pause_queued(session, job_id))
        asked = self._do(lambda session: pauses.ask_to_pause(session, job_id))
        assert paused == (expected.status == "queued" and may_be)
        assert asked == (expected.status == "running" and may_be)
        if paused:
            expected.become("paused")
        expected.wants_pause = expected.wants_pause or asked

    @rule(job_id=job_ids)
    def resume(self, job_id: UUID) -> None:
        expected = self._expected[job_id]
        resumed = self._do(lambda session: pauses.resume_paused(session, job_id))
        taken_back = self._do(lambda session: pauses.take_back_pause(session, job_id))
        assert (resumed, taken_back) == (expected.status == "paused", expected.wants_pause)
        if resumed:
            expected.become("queued")
        expected.wants_pause = False

    @invariant()
    def every_job_is_what_was_made_of_it(self) -> None:
        with self._database.reading() as session:
            for job_id, expected in self._expected.items():
                job = session.get_one(Job, job_id)
                assert (job.status, job.attempt, job.crashes) == (expected.status, expected.attempt, expected.crashes)
                assert job.crashes <= MAX_CRASHES
                assert job.lease_token == (expected.holder.token if expected.holder else None)
                assert (job.lease_until is None) == (job.status != "running")
                assert (job.finished_at is not None) == job.is_final
                assert job.cancel_requested == expected.wants_cancel
                assert job.pause_requested == expected.wants_pause

    @invariant()
    def epochs_follow_each_other_without_a_gap(self) -> None:
        with self._database.reading() as session:
            for job_id, expected in self._expected.items():
                query = select(Epoch.epoch).where(Epoch.job_id == job_id).order_by(Epoch.epoch)
                assert list(session.scalars(query)) == list(range(expected.epochs))
                assert session.get_one(Job, job_id).epochs_done == expected.epochs

    @invariant()
    def events_tell_what_happened_in_order(self) -> None:
        with self._database.reading() as session:
            for job_id, expected in self._expected.items():
                query = select(Event.seq, Event.status).where(Event.job_id == job_id).order_by(Event.seq)
                told = session.execute(query).all()
                assert [row.seq for row in told] == list(range(1, len(told) + 1))
                assert [row.status for row in told] == expected.told
                assert all(
                    after in FOLLOWING[before] for before, after in zip(expected.told, expected.told[1:], strict=False)
                )

    def _do(self, action: Callable[[Session], Any]) -> Any:
        with self._database.writing() as session:
            answer = action(session)
            session.commit()
        return answer

    def _guarded(self, mine: JobLease, action: Callable[[Session], Any]) -> bool:
        """Whether a claimer was allowed to do it: exactly when the claim is the one that holds."""
        is_holder = self._expected[mine.job_id].holder == mine
        if is_holder:
            self._do(action)
        else:
            with pytest.raises(LeaseLost):
                self._do(action)
        return is_holder


def test_no_order_of_events_breaks_a_job_on_sqlite(sqlite_url: str) -> None:
    _drive(sqlite_url, examples=25)


def test_no_order_of_events_breaks_a_job_on_postgresql(postgresql_url: str) -> None:
    _drive(postgresql_url, examples=6)


def _drive(url: str, examples: int) -> None:
    database = Database(url)
    run_state_machine_as_test(
        lambda: Store(database),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    database.dispose()


def _job(dataset_id: UUID) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "created_at": datetime.now(UTC),
        "dataset_id": dataset_id,
        "features": ["x"],
        "target": "y",
        "spec": {},
        "predict": [],
        "device": "cpu",
        "metadata": {},
        "plan": {},
        "status": "queued",
        "epochs": 100,
    }


def _epochs(numbers: range) -> EpochColumns:
    ones = np.ones(len(numbers))
    return EpochColumns(
        epoch=np.array(numbers),
        loss=ones,
        last_loss=ones,
        validation_loss=None,
        gradient_mean_weights=None,
        gradient_mean_bias=None,
        gradient_last_weights=None,
        gradient_last_bias=None,
        gradient_norm=0 * ones,
        weights=ones[:, None],
        bias=None,
        learning_rate=0.1 * ones,
        seconds=0 * ones,
    )
