"""The regularization path of a job: what its exact solution is under weaker and weaker penalties, and which is best."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import numpy as np

from slope.answers.path import Path, PathPoint, Penalty
from slope.arrays import Array
from slope.reduced_rows import ReducedColumns
from slope.spec import TrainingSpec
from slope.statistics.folds import validate
from slope.statistics.shrinkage import Centred, Shrunk, Strength
from slope.statistics.solution import BeyondRange


def trace(
    columns: ReducedColumns,
    spec: TrainingSpec,
    features: Sequence[str],
    penalty: Penalty,
    *,
    l1_ratio: float = 0.5,
    folds: list[ReducedColumns] | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Path:
    """`pause` is called before each fold, and before each penalty with l1, and may raise.

    Raises BeyondRange, and ModuleNotFoundError where l1 needs scikit-learn.
    """
    with np.errstate(all="ignore"):
        centred = Centred.of(columns, spec)
        strengths = centred.strengths(penalty, l1_ratio)
        found = centred.solve(strengths, pause) if strengths else None
        errors = validate(folds, spec, strengths, pause) if folds and strengths else None
        _refuse_overflow(centred, found, errors)
    points = _points(centred, strengths, found, errors) if found else []
    least = None if errors is None else int(np.argmin(errors[0]))
    gcv = [np.inf if each.gcv is None else each.gcv for each in points]
    return Path(
        penalty=penalty,
        l1_ratio=l1_ratio if penalty == "elastic_net" else None,
        rows=centred.rows,
        features=list(features),
        folds=len(folds) if folds else None,
        best_by_gcv=int(np.argmin(gcv)) if np.isfinite(gcv).any() else None,
        best_by_cross_validation=least,
        within_one_standard_error=None if errors is None or least is None else _simplest(*errors, least),
        points=points,
        notes=list(_notes(spec, found)),
    )


def _refuse_overflow(centred: Centred, found: Shrunk | None, errors: tuple[Array, Array] | None) -> None:
    told = (found.squares, found.freedom, *centred.in_own_units(found)) if found else ()
    if not all(np.isfinite(each).all() for each in (_total(centred), *told, *(errors or ()))):
        raise BeyondRange


def path_as_csv(path: Path) -> str:
    """A line a point; a column for each weight. Numbers come back to the bit."""
    names = [field.name for field in fields(PathPoint) if field.name != "weights"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([*names, *(f"weight:{feature}" for feature in path.features)])
    writer.writerows([*(getattr(point, name) for name in names), *point.weights] for point in path.points)
    return written.getvalue()


def _points(
    centred: Centred, strengths: list[Strength], found: Shrunk, errors: tuple[Array, Array] | None
) -> list[PathPoint]:
    rows, total = centred.rows, _total(centred)
    losses, left = found.squares / rows, 1 - found.freedom / rows
    gcv = np.where(left > 0, losses / np.square(left), np.nan)
    nothing = [None] * len(strengths)
    columns = [
        [each.l1 for each in strengths],
        [each.l2 for each in strengths],
        found.freedom.tolist(),
        losses.tolist(),
        (1 - found.squares / total).tolist() if total > 0 else nothing,
        [each if np.isfinite(each) else None for each in gcv.tolist()],
        *([each.tolist() for each in errors] if errors else [nothing, nothing]),
    ]
    weights, biases = centred.in_own_units(found)
    told = biases.tolist() if centred.spec.fit_bias else nothing
    return [PathPoint(*row) for row in zip(*columns, told, weights.tolist(), strict=True)]


def _total(centred: Centred) -> float:
    """‖y − ȳ‖², or ‖y‖² where no bias learns."""
    return float(np.square(centred.y).sum())


def _simplest(errors: Array, deviations: Array, least: int) -> int:
    return int(np.flatnonzero(errors <= errors[least] + deviations[least])[0])


def _notes(spec: TrainingSpec, found: Shrunk | None) -> Iterator[str]:
    if spec.loss != "squared_error":
        yield f"The path is of the squared error; the loss trained is {spec.loss}."
    if found is None:
        yield "No column has anything to explain: there is no path."
    elif not found.has_converged:
        yield "Coordinate descent did not converge at every penalty: some columns say nearly the same."
    if spec.standardize:
        yield "The penalties are on the weights of standardized columns, as the job trains them."
