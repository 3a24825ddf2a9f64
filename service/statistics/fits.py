"""The statistics of a job's exact solution: the table of its coefficients with the fit as a whole, and its rows."""

from uuid import UUID

import numpy as np

from service.errors import InvalidRequest
from service.statistics.solutions import pass_over, solve_job
from service.statistics.training_rows import TrainingRows, finished_job
from service.storage import Storage
from service.store.database import Database
from service.store.tables import Job
from slope.data import Scaler
from slope.spec import Fault
from slope.statistics.influence import Influence, InfluencePass, Measure, influence_of
from slope.statistics.passes import DurbinWatson
from slope.statistics.result import Statistics
from slope.statistics.table import Trained, tell


def get_statistics(database: Database, storage: Storage, job_id: UUID, *, level: float) -> Statistics:
    """Raises JobNotFound, JobNotFinished, TooFewRows, TooManyCoefficients and OutOfRange."""
    with database.reading() as session:
        job = finished_job(session, job_id)
        rows, trained = TrainingRows.of(session, job), _trained(job)
    solution = solve_job(storage, rows)
    neighbours = pass_over(storage, rows, DurbinWatson(solution))
    return tell(solution, rows.features, level=level, trained=trained, durbin_watson=neighbours["value"])


def get_influence(database: Database, storage: Storage, job_id: UUID, *, by: Measure, top: int) -> Influence:
    """Which rows hold the line. Raises as `get_statistics` does, and InvalidRequest for what a ridge does not have."""
    with database.reading() as session:
        rows = TrainingRows.of(session, finished_job(session, job_id))
    solution = solve_job(storage, rows)
    if by == "studentized" and solution.frame.penalty:
        detail = "Residuals of a ridge are no Student's t: ask for the rows by cook or by leverage"
        raise InvalidRequest(detail, [Fault(detail, "/query/by")])
    return influence_of(solution, pass_over(storage, rows, InfluencePass(solution, (by,), top)), by, top)


def _trained(job: Job) -> Trained | None:
    """What the run came to, in the data's own units; None of one that recorded nothing."""
    if job.weights is None:
        return None
    if job.scaler is None:
        return job.weights, job.bias
    weights, bias = Scaler.of(job.scaler).in_own_units(np.array(job.weights), job.bias)
    return weights.tolist(), bias
