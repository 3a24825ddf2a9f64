"""What a job is told of its cross-validation: the errors of each fold by the exact solution of the others."""

from collections.abc import Callable

import numpy as np

from slope.answers.metrics import CrossValidation, Metrics
from slope.extras import how_to_add
from slope.metrics import metrics_of_reduced
from slope.reduced_rows import ReducedColumns
from slope.spec import TrainingSpec
from slope.statistics.folds import solve_without_each
from slope.statistics.shrinkage import Strength
from slope.statistics.solution import BeyondRange

_NOTE = "Of the exact solution under the job's penalties, found anew without each fold; the run itself is not repeated."
_DECAY = "The optimizer's weight_decay is not in it."
_UNFILLED = "The rows that count do not fill the folds: there is nothing to tell."
_NO_LIBRARY = f"Under l1 it takes scikit-learn, which this worker does not have: {how_to_add('sklearn')}."
_BEYOND = "The data is beyond the range of float64: scale it."


def cross_validate(
    folds: list[ReducedColumns] | None,
    count: int,
    spec: TrainingSpec,
    strengths: list[Strength],
    pause: Callable[[], None] = lambda: None,
) -> list[CrossValidation]:
    """Of `count` folds under each of T strengths, which are as `Centred.solve` takes them.

    `pause` is called before each fold, and may raise. What goes wrong is told by the note.
    """
    if folds is None:
        return [_nothing(count, _UNFILLED) for _ in strengths]
    try:
        with np.errstate(all="ignore"):
            return _validated(folds, spec, strengths, pause)
    except ModuleNotFoundError:
        return [_nothing(count, _NO_LIBRARY) for _ in strengths]
    except (BeyondRange, np.linalg.LinAlgError, ValueError):
        return [_nothing(count, _BEYOND) for _ in strengths]


def _validated(
    folds: list[ReducedColumns], spec: TrainingSpec, strengths: list[Strength], pause: Callable[[], None]
) -> list[CrossValidation]:
    found: list[list[Metrics]] = [[] for _ in strengths]
    for tested, weights, biases in solve_without_each(folds, spec, strengths, pause):
        for each, own, bias in zip(found, weights, biases.tolist(), strict=True):
            if (metrics := metrics_of_reduced(tested, own, bias)) is not None:
                each.append(metrics)
    decays = getattr(spec.optimizer, "weight_decay", 0.0)
    return [_summary(each, f"{_NOTE} {_DECAY}" if decays else _NOTE) for each in found]


def _summary(per_fold: list[Metrics], note: str) -> CrossValidation:
    errors = _known([each.mean_squared_error for each in per_fold])
    if errors is None:
        return _nothing(len(per_fold), _BEYOND)
    explained, deviation = _known([each.r_squared for each in per_fold]), float(np.std(errors, ddof=1))
    return CrossValidation(
        folds=len(per_fold),
        mean_squared_error=float(np.mean(errors)),
        standard_deviation=deviation,
        standard_error=deviation / len(per_fold) ** 0.5,
        r_squared=None if explained is None else float(np.mean(explained)),
        per_fold=per_fold,
        note=note,
    )


def _known(values: list[float | None]) -> list[float] | None:
    """None where one of them is."""
    known = [each for each in values if each is not None]
    return known if len(known) == len(values) else None


def _nothing(count: int, note: str) -> CrossValidation:
    return CrossValidation(count, None, None, None, None, [], note)
