"""The statistics of a job's exact solution: the table of its coefficients with the fit as a whole, and its rows."""

from uuid import UUID

import numpy as np

from service.data.datasets import no_such_column
from service.errors import InvalidRequest, PassUnderway, RowsGone
from service.queue import Queue
from service.settings import Settings
from service.statistics.passes import DURBIN_WATSON, INFLUENCE, RowPasses
from service.statistics.paths import path_of
from service.statistics.solutions import translated_fit_errors
from service.statistics.training_rows import TrainingRows, finished_job
from service.storage import Storage
from service.store.database import Database
from service.store.tables import Job
from slope.answers.path import Path, Penalty
from slope.answers.statistics import Influence, Measure, Statistics
from slope.scaling import Scaler
from slope.spec import Fault
from slope.statistics.covariance import CLUSTER, NONROBUST, Covariance
from slope.statistics.influence import influence_of
from slope.statistics.notes import reason_for_no_p_values
from slope.statistics.solution import Solution
from slope.statistics.table import Trained, tell


class Fits:
    """Calls raise JobNotFound, JobNotFinished, TooFewRows, TooManyCoefficients, OutOfRange, and what passes raise."""

    def __init__(self, database: Database, storage: Storage, queue: Queue, settings: Settings) -> None:
        self._database, self._storage, self._queue, self._settings = database, storage, queue, settings

    def solution(self, job_id: UUID) -> Solution:
        return self._passes(job_id)[0].solution()

    def statistics(self, job_id: UUID, *, level: float, covariance: str = NONROBUST) -> Statistics:
        """Raises InvalidRequest for a covariance that the job has not."""
        passes, trained = self._passes(job_id)
        _refuse_covariance(passes.rows, covariance)
        solution = passes.solution()
        with translated_fit_errors():
            robust = None if covariance == NONROBUST else _robust(passes, solution, covariance)
            neighbours, notes = _durbin_watson(passes, solution)
            return tell(
                *(solution, passes.rows.features),
                level=level,
                trained=trained,
                covariance=robust,
                durbin_watson=neighbours,
                notes=notes,
            )

    def influence(self, job_id: UUID, *, by: Measure, top: int) -> Influence:
        """Which rows hold the line. Raises InvalidRequest for what a ridge does not have."""
        passes, _ = self._passes(job_id)
        solution = passes.solution()
        if by == "studentized" and solution.frame.penalty:
            detail = "Residuals of a ridge are no Student's t: ask for the rows by cook or by leverage"
            raise InvalidRequest(detail, [Fault(detail, "/query/by")])
        return influence_of(solution, passes.find(INFLUENCE, solution), by, top)

    def path(self, job_id: UUID, *, penalty: Penalty, l1_ratio: float | None, folds: int | None) -> Path:
        """The exact solution under weaker and weaker penalties. Raises LibraryMissing and InvalidRequest, too."""
        return path_of(self._passes(job_id)[0], penalty=penalty, l1_ratio=l1_ratio, folds=folds)

    def _passes(self, job_id: UUID) -> tuple[RowPasses, Trained | None]:
        with self._database.reading() as session:
            job = finished_job(session, job_id)
            rows, trained = TrainingRows.of(session, job), _trained(job)
        return RowPasses(self._database, self._storage, self._queue, self._settings, rows), trained


def _durbin_watson(passes: RowPasses, solution: Solution) -> tuple[float | None, list[str]]:
    """None, with a note, while a worker looks at the rows: all else is there."""
    try:
        return passes.find(DURBIN_WATSON, solution)["value"], []
    except PassUnderway:
        return None, ["A worker looks at every row for durbin_watson: it is there in a moment."]
    except RowsGone:
        return None, ["The numbers of the dataset were deleted, and durbin_watson needs a look at every row."]


def _robust(passes: RowPasses, solution: Solution, name: str) -> Covariance:
    found = passes.find("HC0" if name == "HC1" else name, solution)
    if found["alone"]:
        raise _at_covariance(
            f"Row {found['alone'][0]} holds a coefficient alone, its residual is 0 whatever its y, and {name} does not"
            " exist: ask for HC0 or HC1"
        )
    if found["clusters"] == 1:
        raise _at_covariance(f"All rows are of one cluster by {name.removeprefix(CLUSTER)}: it takes two at least")
    return Covariance.robust(name, solution, found)


def _refuse_covariance(rows: TrainingRows, name: str) -> None:
    if name == NONROBUST:
        return
    if reason := reason_for_no_p_values(rows.spec):
        raise _at_covariance(f"Robust covariances are of least squares: {reason}")
    column, known = name.removeprefix(CLUSTER), [column["name"] for column in rows.dataset.columns]
    if name.startswith(CLUSTER) and column not in known:
        raise _at_covariance(no_such_column(rows.dataset, column))


def _at_covariance(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, "/query/covariance")])


def _trained(job: Job) -> Trained | None:
    """What the run came to, in the data's own units; None of one that recorded nothing."""
    if job.weights is None:
        return None
    if job.scaler is None:
        return job.weights, job.bias
    weights, bias = Scaler.of(job.scaler).in_own_units(np.array(job.weights), job.bias)
    return weights.tolist(), bias
