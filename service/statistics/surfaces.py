"""The loss of a job's training rows over two of its parameters, the others held as they were after an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service.errors import EpochNotFound, InvalidRequest, JobNotFound, OutOfRange
from service.queue import Queue
from service.settings import Settings
from service.statistics.passes import TRIANGLE, RowPasses
from service.statistics.training_rows import TrainingRows
from service.storage import Storage
from service.store.database import Database
from service.store.jobs import jobs
from service.store.records import records
from service.store.tables import Job
from slope.answers.surface import LossGrid, Surface
from slope.arrays import Array
from slope.data import even_weights
from slope.scaling import Scaler
from slope.spec import Fault
from slope.spec.names import counted, no_such
from slope.statistics.factor import MOST_WORK
from slope.statistics.frame import Frame
from slope.statistics.passes import columns_of
from slope.surface import POINTS, Bowl, Design, bowl_of, grid_of

MOST_OFFERED = 100
MOST_GRID_ROWS = 20_000
_ROOM = 0.25
"""Of a grid around the path, at each side."""
_BEYOND = "The loss is beyond the range of float64 there: scale the data, or take a smaller learning rate"


class _Rows(NamedTuple):
    design: Design
    weights: Array | None


@dataclass(frozen=True)
class _Path:
    """Where the run began, where it was after an epoch, and where it is now (P each)."""

    start: Array
    held: Array
    last: Array


@dataclass(frozen=True)
class Surfaces:
    database: Database
    storage: Storage
    queue: Queue
    settings: Settings

    def surface(self, job_id: UUID, *, x: str | None, y: str | None, epoch: int | None) -> Surface:
        """Raises JobNotFound, EpochNotFound, InvalidRequest, OutOfRange, and what passes raise: JobNotFinished, too."""
        with np.errstate(all="ignore"):  # what is beyond float64 is told where it is found
            return self._surface(job_id, x, y, epoch)

    def _surface(self, job_id: UUID, x: str | None, y: str | None, epoch: int | None) -> Surface:
        with self.database.reading() as session:
            job = jobs.find_job(session, job_id)
            if job is None:
                raise JobNotFound(job_id)
            rows, frame = TrainingRows.of(session, job), _frame(job)
            names = _names(frame, len(job.features))
            chosen = _chosen(names, x, y)
            at = _recorded(session, job, epoch)
            path = _path(session, job, frame, at)
        exact = rows.spec.loss == "squared_error" and not rows.spec.l1
        bowl = self._bowl(rows, frame, chosen, path) if exact else None
        grid = None if exact else self._grid(rows, frame, chosen, path)
        return _told(names, chosen, at, path, bowl, grid)

    def _bowl(self, rows: TrainingRows, frame: Frame, chosen: Sequence[int], path: _Path) -> Bowl:
        bowl = bowl_of(self._design(rows, frame), rows.spec, chosen, path.held)
        _refuse_infinite(bowl.hessian, bowl.centre, np.array(bowl.loss))
        return bowl

    def _design(self, rows: TrainingRows, frame: Frame) -> Design:
        """What has the squared error of the rows: they themselves where they are few, else a triangle."""
        if rows.numbers * (len(rows.features) + 1) <= MOST_WORK:
            design, weights = _rows_of(rows, frame, self.storage, stride=1)
            if weights is None:
                return design
            roots = np.sqrt(even_weights(weights))
            return Design(design.columns * roots[:, None], design.target * roots, design.rows)
        columns = rows.columns or columns_of(self._passes(rows).find(TRIANGLE, None))
        if columns is None:
            raise OutOfRange(_BEYOND)
        whole = columns.whole
        return Design(*frame.split(whole.ones, whole.x, whole.y), whole.rows)

    def _passes(self, rows: TrainingRows) -> RowPasses:
        return RowPasses(self.database, self.storage, self.queue, self.settings, rows)

    def _grid(self, rows: TrainingRows, frame: Frame, chosen: Sequence[int], path: _Path) -> LossGrid:
        if rows.numbers > self.settings.statistics_numbers:
            detail = (
                "The loss of this job has no formula, and its rows are too many for a grid: train one on fewer rows"
            )
            raise InvalidRequest(detail, [Fault(detail, "/path/job_id")])
        stride = -(-rows.dataset.rows // MOST_GRID_ROWS)
        design, weights = _rows_of(rows, frame, self.storage, stride)
        axes = [_axis(path, index) for index in chosen]
        _refuse_infinite(*axes)
        loss = grid_of(design, weights, rows.spec, chosen, path.held, axes)
        second = axes[1].tolist() if len(axes) > 1 else None
        return LossGrid(x=axes[0].tolist(), y=second, loss=loss.tolist(), rows=design.rows)


def _frame(job: Job) -> Frame:
    return Frame.of(job.training_spec, len(job.features), Scaler.of(job.scaler) if job.scaler else None)


def _names(frame: Frame, features: int) -> list[str]:
    return frame.names([f"weights_{index}" for index in range(features)])


def _chosen(names: list[str], x: str | None, y: str | None) -> list[int]:
    """Which coefficients x and y are: the first weight and the bias, or the next weight, where nothing is said."""
    usual = [*names[names[0] == "bias" :], *names[: names[0] == "bias"]]
    given = [("x", x or next((name for name in usual if name != y), usual[0]))]
    others = [name for name in ("bias", *usual) if name in names and name != given[0][1]]
    if y is not None or others:
        given.append(("y", y or others[0]))
    for parameter, name in given:
        if name not in names:
            detail = no_such("parameter", name, names, "that learns")
            raise InvalidRequest(detail, [Fault(detail, f"/query/{parameter}")])
    if len({name for _, name in given}) < len(given):
        detail = "A surface is over two parameters that differ"
        raise InvalidRequest(detail, [Fault(detail, "/query/y")])
    return [names.index(name) for _, name in given]


def _recorded(session: Session, job: Job, epoch: int | None) -> int:
    """The epoch that is asked for, or the nearest before it whose record is kept; -1 is before training."""
    if epoch is not None and epoch >= job.epochs_done:
        raise EpochNotFound(f"Job {job.id} has recorded {counted(job.epochs_done, 'epoch')}: there is no epoch {epoch}")
    last = job.epochs_done - 1 if epoch is None else epoch
    return records.last_epoch(session, job.id, range(last + 1)) if last >= 0 else -1


def _path(session: Session, job: Job, frame: Frame, epoch: int) -> _Path:
    """After an epoch that is recorded."""
    start = frame.chosen(frame.weights, frame.bias)
    last = frame.chosen(np.array(job.weights), job.bias) if job.weights is not None else start
    record = records.epoch_at(session, job.id, epoch)
    held = start if record is None else frame.chosen(np.array(record.weights), record.bias)
    return _Path(start, held, last)


def _rows_of(rows: TrainingRows, frame: Frame, storage: Storage, stride: int) -> _Rows:
    """The first of every `stride` of them, in the frame."""
    parts = [
        (part.columns[kept], None if part.weights is None else part.weights[kept])
        for part in rows.read(storage)
        for kept in [part.places % stride == 0]
    ]
    matrix = np.concatenate([columns for columns, _ in parts])
    columns, target = frame.split_rows(matrix[:, :-1], matrix[:, -1])
    weights = [each for _, each in parts if each is not None]
    return _Rows(Design(columns, target, len(matrix)), np.concatenate(weights) if weights else None)


def _axis(path: _Path, index: int) -> Array:
    values = [path.start[index], path.held[index], path.last[index]]
    low, high = min(values), max(values)
    room = _ROOM * ((high - low) or max(abs(high), 1.0))
    middle, half = (low + high) / 2, (high - low) / 2 + 2 * room
    return np.linspace(middle - half, middle + half, POINTS)


def _refuse_infinite(*numbers: Array) -> None:
    if not all(np.isfinite(each).all() for each in numbers):
        raise OutOfRange(_BEYOND)


def _told(
    names: list[str], chosen: Sequence[int], epoch: int, path: _Path, bowl: Bowl | None, grid: LossGrid | None
) -> Surface:
    return Surface(
        kind="exact" if bowl else "grid",
        parameters=[names[index] for index in chosen],
        offered=names[:MOST_OFFERED],
        epoch=epoch,
        held=path.held[list(chosen)].tolist(),
        hessian=bowl.hessian.tolist() if bowl else None,
        eigenvalues=np.linalg.eigvalsh(bowl.hessian).tolist() if bowl else None,
        centre=bowl.centre.tolist() if bowl else None,
        loss=bowl.loss if bowl else None,
        grid=grid,
    )
