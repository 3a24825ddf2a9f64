"""What the charts of a job show: its records and rows, as plain data to be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from service.errors import NothingToChart
from service.jobs import jobs
from service.prediction import trained_models
from service.records import chunks
from service.statistics.surfaces import Surfaces
from service.statistics.training_rows import TrainingRows
from service.storage import Storage
from service.store.database import Database
from service.store.tables import Job
from slope.arrays import Array, Indices
from slope.charts import bowls, curves, fits
from slope.charts.chart import Chart, Colour, Line, Point
from slope.charts.curves import MOST_WEIGHTS, Scale, points_of
from slope.columns import EpochColumns
from slope.scaling import Scaler
from slope.spec.names import counted
from slope.trained import TrainedModel

MOST_DOTS = 1000
"""Rows that a fit shows, evenly among all that were trained on."""


@dataclass(frozen=True)
class Charts:
    """Each raises JobNotFound, and NothingToChart before the first epoch is recorded."""

    database: Database
    storage: Storage
    surfaces: Surfaces

    def loss(self, job_id: UUID, *, points: int, scale: Scale) -> Chart:
        job = self._begun(job_id)
        numbers: list[tuple[str, Colour]] = [("loss", "forward")]
        if job.loss_validation is not None:
            numbers.append(("validation_loss", "backward"))
        curves_drawn = [(name, colour, self._curve(job_id, name, points, _column(name))) for name, colour in numbers]
        lines = [Line(points_of(*curve), colour, name=_WORDS[name]) for name, colour, curve in curves_drawn]
        exact = _exact(job)
        least = exact["loss"] if exact else None
        return curves.loss_chart(_title(job, "loss"), _note(job, curves_drawn[0][2][0]), lines, least, scale)

    def gradient(self, job_id: UUID, *, points: int, scale: Scale) -> Chart:
        job = self._begun(job_id)
        curve = self._curve(job_id, "gradient_norm", points, _column("gradient_norm"))
        line = Line(points_of(*curve), "backward")
        return curves.gradient_chart(_title(job, "gradient"), _note(job, curve[0]), line, scale)

    def weights(self, job_id: UUID, *, points: int) -> Chart:
        """In the data's own units."""
        job = self._begun(job_id)
        exact = _exact(job)
        shown = _largest(self._last_weights(job))
        numbers = [*(f"weights_{index}" for index in shown), *(["bias"] if job.bias is not None else [])]
        curve, lines = None, list[tuple[str, list[Point]]]()
        for name in numbers:
            curve = self._curve(job_id, name, points, _own(name, job))
            lines.append((_called(name, job), points_of(*curve)))
        levels = [_parameter(exact["weights"], exact["bias"], name) for name in numbers] if exact else []
        note = _note(job, curve[0] if curve else np.arange(0))
        if len(shown) < len(job.features):
            note = f"the {len(shown)} largest of {len(job.features):,} weights; {note}"
        return curves.weights_chart(_title(job, "weights"), note, lines, levels)

    def fit(self, job_id: UUID) -> Chart:
        job = self._begun(job_id)
        last = int(self._curve(job_id, "loss", 4, _column("loss"))[0][-1])
        with self.database.reading() as session:
            whole = None if job.status == "succeeded" else last
            model = trained_models.trained_model(session, self.storage, job_id, whole)
            start = trained_models.untrained_model(job)
            rows = TrainingRows.of(session, jobs.get_job(session, job_id))
        x, y, read = self._sample(rows)
        title = _title(job, "fit")
        note = f"after epoch {last:,}; {len(y):,} of {read:,} rows" if len(y) < read else f"after epoch {last:,}"
        if len(job.features) > 1:
            return fits.prediction_chart(title, note, job.target, model.predict(x), y)
        lines = [(fits.BEFORE, *_line(start)), (fits.AFTER, *_line(model))]
        if exact := _exact(job):
            lines.append((fits.BEST, exact["weights"][0], exact["bias"] or 0.0))
        return fits.line_chart(title, note, (job.features[0], job.target), x[:, 0], y, lines)

    def surface(self, job_id: UUID, *, points: int, x: str | None, y: str | None) -> Chart:
        """Raises what the surface raises, too."""
        job = self._begun(job_id)
        surface = self.surfaces.surface(job_id, x=x, y=y, epoch=None)
        names = surface.parameters
        start = trained_models.untrained_model(job)
        path = {-1: [_parameter(start.weights, start.bias, name) for name in names]}
        for name in names:
            epochs, values = self._curve(job_id, name, points, _columns(names))
            path |= dict(zip(epochs.tolist(), values.tolist(), strict=True))
        note = "exact" if surface.kind == "exact" else "on a grid"
        if len(names) < len(surface.offered):
            note += f"; the others are held as they were after epoch {surface.epoch:,}"
        if job.scaler:
            note += "; of the standardized columns, in which the job is trained"
        steps = np.array([path[epoch] for epoch in sorted(path)])
        called = tuple(_called(name, job) for name in names)
        seen = steps[np.isfinite(steps).all(axis=1)]
        return bowls.surface_chart(_title(job, "loss surface"), note, surface, seen, called)

    def _begun(self, job_id: UUID) -> Job:
        with self.database.reading() as session:
            job = jobs.get_job(session, job_id)
        if not job.epochs_done:
            raise NothingToChart(job.status)
        return job

    def _curve(
        self, job_id: UUID, by: str, points: int, values_of: Callable[[EpochColumns], Array]
    ) -> tuple[Indices, Array]:
        """Few of the epochs, among them every extreme of a number, and what each of them has."""
        found = chunks.thinned_epochs(self.database, job_id, points=points, by=[by])
        parts = [(chunk.epoch, values_of(chunk)) for chunk in found.chunks]
        return np.concatenate([epochs for epochs, _ in parts]), np.concatenate([values for _, values in parts])

    def _last_weights(self, job: Job) -> Array:
        _, weights = self._curve(job.id, "loss", 4, lambda part: _own_weights(part, job))
        last: Array = weights[-1]
        return last

    def _sample(self, rows: TrainingRows) -> tuple[Array, Array, int]:
        """Rows (n × D, n), and of how many they are: of many, those that can be read while somebody waits."""
        most = self.surfaces.settings.statistics_numbers // (len(rows.features) + 1)
        stride = -(-min(rows.dataset.rows, most) // MOST_DOTS)
        parts, count = [], 0
        for part in rows.read(self.storage):
            parts.append(part.columns[(np.arange(count, count + len(part.columns)) % stride) == 0])
            count += len(part.columns)
            if count >= most:
                break
        matrix = np.concatenate(parts)
        return matrix[:, :-1], matrix[:, -1], count


_WORDS = {"loss": "training", "validation_loss": "validation"}


def _title(job: Job, what: str) -> str:
    return f"{job.name or f'Job {job.id}'}: {what}"


def _note(job: Job, epochs: Indices) -> str:
    if len(epochs) < job.epochs_done:
        return f"{len(epochs):,} of {job.epochs_done:,} epochs, every extreme kept"
    return counted(len(epochs), "epoch")


def _exact(job: Job) -> dict[str, Any] | None:
    """The exact solution of what the job minimizes, where there is one."""
    spec = job.training_spec
    if spec.loss != "squared_error" or spec.l1 or not job.analysis:
        return None
    exact: dict[str, Any] | None = job.analysis["exact"]
    return exact


def _called(name: str, job: Job) -> str:
    return "bias" if name == "bias" else f"weight of {job.features[_place(name)]}"


def _place(name: str) -> int:
    return int(name.removeprefix("weights_"))


def _parameter(weights: "Array | list[float]", bias: float | None, name: str) -> float:
    return float(bias or 0.0) if name == "bias" else float(weights[_place(name)])


def _column(name: str) -> Callable[[EpochColumns], Array]:
    """The values of one number, NaN where an epoch has none."""

    def values(part: EpochColumns) -> Array:
        found = part.weights[:, _place(name)] if name.startswith("weights_") else part.arrays()[name]
        return np.full(len(part), np.nan) if found is None else np.asarray(found, float)

    return values


def _columns(names: list[str]) -> Callable[[EpochColumns], Array]:
    return lambda part: np.stack([_column(name)(part) for name in names], axis=1)


def _own(name: str, job: Job) -> Callable[[EpochColumns], Array]:
    """The same of a parameter in the data's own units."""

    def values(part: EpochColumns) -> Array:
        if name != "bias":
            return _own_weights(part, job)[:, _place(name)]
        bias = _column(name)(part)
        if not job.scaler:
            return bias
        scaler = Scaler.of(job.scaler)
        return bias - _own_weights(part, job) @ scaler.means + scaler.target_mean

    return values


def _own_weights(part: EpochColumns, job: Job) -> Array:
    return part.weights / Scaler.of(job.scaler).deviations if job.scaler else part.weights


def _largest(weights: Array) -> list[int]:
    found: list[int] = np.sort(np.argsort(-np.abs(weights), kind="stable")[:MOST_WEIGHTS]).tolist()
    return found


def _line(model: TrainedModel) -> tuple[float, float]:
    weights, bias = model.in_own_units
    return float(weights[0]), float(bias or 0.0)
