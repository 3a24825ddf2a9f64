"""How far a job ended from the exact solution: by what stands for its rows, without another pass over them."""

import numpy as np

from service.data.triangles import find_columns, stands_for_rows
from service.store.tables import Job
from slope.analysis import Distance, few_rows, measure_distance
from slope.data import Scaler, TrainingData
from slope.engines.reduced import Reductions
from slope.model import Parameters
from slope.reduced_rows import ReducedRows
from slope.spec import TrainingSpec
from worker.process import Process


def distance_of(
    trained: Parameters, rows: ReducedRows | None, scaler: Scaler | None, spec: TrainingSpec
) -> Distance | None:
    """Of a run's end; None where nothing stands for the rows, or nothing measures it."""
    learned = np.array(trained.weights), trained.bias
    return measure_distance(rows, spec, scaler, learned) if rows is not None else None


def rows_that_measure(
    process: Process, job: Job, data: TrainingData, spec: TrainingSpec, reductions: Reductions | None
) -> ReducedRows | None:
    """What stands for a job's rows: what they were reduced to, a few rows, or the triangle of their dataset."""
    if reductions is not None:
        return reductions.training
    has_triangle = stands_for_rows(spec) and not job.row_weights
    if (few := few_rows(data)) or job.dataset.is_inline or not has_triangle:
        return few
    with process.database.reading() as session:
        columns = find_columns(session, job)
    return columns.prepared(spec)[0] if columns else None
