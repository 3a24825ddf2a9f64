"""Passes over the rows of a job: what a triangle does not tell, found once, and kept.

A pass over little is made where it is asked for. A worker makes the others: each is a row of a table,
and leased as jobs are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from service.errors import InvalidRequest, ObjectMissing, PassFailed, PassUnderway, RowsGone
from service.queue import Queue
from service.settings import Settings
from service.statistics.solutions import pass_over, solve_job
from service.statistics.training_rows import TrainingRows, finished_job
from service.storage import Storage
from service.store.database import Database
from service.store.leases import passes as stored
from service.store.tables import RowPass
from slope.spec import Fault
from slope.statistics.covariance import CLUSTER
from slope.statistics.folds import FoldsPass
from slope.statistics.influence import InfluencePass
from slope.statistics.passes import DurbinWatson, Pass, TrianglePass
from slope.statistics.sandwich import ClusterSandwich, Sandwich, TooManyClusters
from slope.statistics.solution import Solution

TRIANGLE, DURBIN_WATSON, INFLUENCE = "triangle", "durbin_watson", "influence"
FOLDS = "folds:"
"""Before how many they are."""
_LITTLE_NUMBERS = 100_000
"""What a pass over no more finds is not kept: it takes a few milliseconds."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class RowPasses:
    """Of one job's rows. Every find raises PassUnderway, JobNotFinished, PassFailed, RowsGone, ClientGone and
    StorageUnavailable."""

    database: Database
    storage: Storage
    queue: Queue
    settings: Settings
    rows: TrainingRows
    makes_all: bool = False
    """As a worker does, who has been asked."""

    @classmethod
    def for_worker(
        cls, database: Database, storage: Storage, queue: Queue, settings: Settings, rows: TrainingRows
    ) -> Self:
        return cls(database, storage, queue, settings, rows, makes_all=True)

    def solution(self) -> Solution:
        """Raises TooFewRows, TooManyCoefficients and OutOfRange, too."""
        return _reading(lambda: solve_job(self.storage, self.rows, lambda: self.find(TRIANGLE, None)))

    def find(self, name: str, solution: Solution | None) -> dict[str, Any]:
        """What a pass by this name finds; the solution is that of the job, where it is needed."""
        kept = self._kept(name)
        if kept is not None:
            return kept
        if self.rows.numbers > self.settings.statistics_numbers and not self.makes_all:
            raise self._ask(name)
        found = self.make(name, solution)
        if self.rows.numbers > _LITTLE_NUMBERS:
            with self.database.writing() as session:
                stored.keep_result(session, self.rows.job_id, name, found)
                session.commit()
        return found

    def make(self, name: str, solution: Solution | None) -> dict[str, Any]:
        """Make it here. Raises InvalidRequest for what the rows turn out not to have."""
        taken, others = _new_pass(name, self.rows, solution)
        try:
            return _reading(lambda: pass_over(self.storage, self.rows, taken, *others))
        except TooManyClusters as error:
            raise InvalidRequest(str(error), [Fault(str(error), "/query/covariance")]) from error

    def _kept(self, name: str) -> dict[str, Any] | None:
        with self.database.reading() as session:
            found = stored.find_pass(session, self.rows.job_id, name)
        if found is not None and found.error_type is not None:
            with self.database.writing() as session:  # whoever asks again has it tried again
                stored.forget_failure(session, self.rows.job_id, name)
                session.commit()
            raise _failure(found)
        return None if found is None else found.result

    def _ask(self, name: str) -> PassUnderway:
        job_id = self.rows.job_id
        with self.database.reading() as session:
            finished_job(session, job_id)  # of others no worker makes a pass, and their clients would wait
            asked = stored.find_pass(session, job_id, name)
        if asked is None or asked.rung_at is None:
            with self.database.writing() as session:
                stored.add_pass(session, job_id, name)
                session.commit()  # before the bell: the worker must find the row
            if self.queue.ring(job_id, stored.BELL):
                with self.database.writing() as session:
                    stored.note_rings(session, [job_id])
                    session.commit()
        is_leased = asked is not None and asked.lease_token is not None
        return PassUnderway("running" if is_leased else "queued", self.rows.dataset.rows)


def _reading(action: Callable[[], Found]) -> Found:
    try:
        return action()
    except ObjectMissing as error:
        raise RowsGone from error


def needs_solution(name: str) -> bool:
    """Whether a pass looks at the rows with the job's solution in hand."""
    return name != TRIANGLE and not name.startswith(FOLDS)


def _new_pass(name: str, rows: TrainingRows, solution: Solution | None) -> tuple[Pass, tuple[str, ...]]:
    """With the columns that it needs besides the features and the target."""
    features = len(rows.features)
    if name == TRIANGLE:
        return TrianglePass(features), ()
    if name.startswith(FOLDS):
        return FoldsPass(features, rows.dataset.rows, rows.spec, int(name.removeprefix(FOLDS))), ()
    assert solution is not None
    if name == DURBIN_WATSON:
        return DurbinWatson(solution), ()
    if name == INFLUENCE:
        return InfluencePass(solution), ()
    if name.startswith(CLUSTER):
        return ClusterSandwich(solution), (name.removeprefix(CLUSTER),)
    return Sandwich(solution, name), ()


def _failure(found: RowPass) -> Exception:
    detail = found.error_detail or ""
    if found.error_type == RowsGone.type:
        return RowsGone()
    if found.error_type == InvalidRequest.type:
        return InvalidRequest(detail, [Fault(detail, "/query/covariance")])
    return PassFailed(detail)
