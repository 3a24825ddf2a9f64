"""The statistics and the regularization path of a finished job whatever its rows, and a second pass for HC3, beside
statsmodels and scikit-learn."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as Folder
from time import perf_counter
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import statsmodels.api as sm
from sklearn.linear_model import Ridge, RidgeCV
from sqlalchemy import update
from threadpoolctl import threadpool_limits

from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, agreement, rows
from benchmarks.silent import Silent
from service.data import numbers, uploads
from service.jobs.jobs import submit_job
from service.settings import Settings
from service.statistics.fits import Fits
from service.statistics.passes import RowPasses
from service.statistics.training_rows import TrainingRows, finished_job
from service.storage import Storage, storage_at
from service.store import schema
from service.store.database import Database
from service.store.tables import Job
from slope.answers.path import Path
from slope.arrays import Array
from slope.spec import JobRequest
from slope.tabular.isolated import Sent
from slope.tabular.reading import Reading
from slope.triangle import Triangulation

_SPEC = {"epochs": 1, "batch_size": "full", "learning_rate": 0.01, "dtype": "float64"}
_ASKED, _BOUND, _PASS = "what was asked for", 5.0, Aim("at most", 3.0)


def run() -> None:
    with threadpool_limits(1):
        for exponent in (4, 6, 7):
            with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
                _measure(exponent, Folder(folder))


def _measure(exponent: int, folder: Folder) -> None:
    x, y = rows(10**exponent)
    settings = Settings(data_dir=folder)
    with _service(settings) as (database, storage):
        job_id = _finished_job(settings, database, storage, x, y)
        heading(f"statistics: of a finished job on 10^{exponent} × {FEATURES} rows")
        fits = Fits(database, storage, Silent(), settings)
        told = fits.statistics(job_id, level=0.95)
        own = in_turns(21, {"ours": _milliseconds(lambda: fits.statistics(job_id, level=0.95))})
        model = sm.OLS(y, sm.add_constant(x)) if exponent < 7 else None  # it would have the rows four times
        if model is not None:
            estimates = [row.standard_error for row in told.coefficients]
            print(f"  {agreement(estimates, model.fit().bse, 1e-9, 'standard errors')}")
            own |= in_turns(3, {"statsmodels": _milliseconds(lambda: sm.OLS(y, sm.add_constant(x)).fit().summary())})
        _tell(own)
        _compare_paths(fits, job_id, x, y, is_compared=exponent == 4)
        if exponent > 4:
            _compare_passes(settings, database, storage, job_id, x, y, is_compared=model is not None)


def _tell(measured: dict[str, list[float]]) -> None:
    """Ours beside what was asked for, and beside the rival where there is one."""
    ours = measured["ours"]
    compare({"ours": ours, _ASKED: [_BOUND] * len(ours)}, "ours", _ASKED, "ms", Aim("at most", 1))
    for rival in [name for name in measured if name != "ours"]:
        compare({"ours": ours[: len(measured[rival])], rival: measured[rival]}, "ours", rival, "ms")


def _compare_paths(fits: Fits, job_id: UUID, x: Array, y: Array, *, is_compared: bool) -> None:
    def trace_path() -> Path:
        return fits.path(job_id, penalty="l2", l1_ratio=None, folds=None)

    heading("the regularization path of the same job, of 100 penalties")
    measured = in_turns(21, {"ours": _milliseconds(trace_path)})
    if is_compared:  # of more rows it takes minutes
        found = trace_path()
        alphas = [len(y) * point.l2 for point in found.points]
        models = [Ridge(alpha=alpha, solver="svd").fit(x, y).coef_ for alpha in alphas[::33]]
        print(f"  {agreement([point.weights for point in found.points[::33]], models, 1e-9, 'weights of the path')}")
        measured |= in_turns(3, {"RidgeCV of scikit-learn": _milliseconds(lambda: RidgeCV(alphas=alphas).fit(x, y))})
    _tell(measured)


def _compare_passes(
    settings: Settings, database: Database, storage: Storage, job_id: UUID, x: Array, y: Array, *, is_compared: bool
) -> None:
    with database.reading() as session:
        training = TrainingRows.of(session, finished_job(session, job_id))
    passes = RowPasses.for_worker(database, storage, Silent(), settings, training)
    solution = passes.solution()
    ways: dict[str, Callable[[], float]] = {
        "the first pass": _seconds(lambda: _first_pass(storage, training)),
        "HC3": _seconds(lambda: passes.make("HC3", solution)),
    }
    if is_compared:
        ways["HC3 by statsmodels"] = _seconds(lambda: sm.OLS(y, sm.add_constant(x)).fit(cov_type="HC3").bse)
    measured = in_turns(3, ways)
    compare(measured, "HC3", "the first pass", "s", _PASS)
    if is_compared:
        compare(measured, "HC3", "HC3 by statsmodels", "s")


def _first_pass(storage: Storage, training: TrainingRows) -> None:
    """As an upload and a dataset without a triangle take it."""
    taken = Triangulation(FEATURES + 1)
    for matrix in numbers.read_columns(storage, training.kept, [*training.features, training.target]):
        taken.add(list(matrix.T))
    taken.triangle()


def _finished_job(settings: Settings, database: Database, storage: Storage, x: Array, y: Array) -> UUID:
    """A job that is said to have succeeded: its run is of no matter here."""
    file = settings.data_dir / "rows.parquet"
    columns = {f"x{place}": column for place, column in enumerate(x.T.copy())} | {"y": y}
    pq.write_table(pa.table(columns), file)
    sent = Sent(file, "parquet", None, Reading())
    dataset = uploads.accept_upload(database, storage, settings, sent, None).dataset
    wanted = JobRequest.model_validate({"dataset": {"id": str(dataset.id)}, "hyperparameters": _SPEC})
    job_id = submit_job(database, storage, Silent(), wanted, settings=settings).job_id
    with database.writing() as session:
        ended = {"status": "succeeded", "weights": [1.0] * FEATURES, "bias": 0.0}
        session.execute(update(Job).where(Job.id == job_id).values(**ended))
        session.commit()
    return job_id


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[Database, Storage]]:
    database = Database(settings.database)
    schema.upgrade_schema(database)
    yield database, storage_at(settings.storage)
    database.dispose()


def _seconds(action: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        started = perf_counter()
        action()
        return perf_counter() - started

    return measure


def _milliseconds(action: Callable[[], object]) -> Callable[[], float]:
    measure = _seconds(action)
    return lambda: 1000 * measure()
