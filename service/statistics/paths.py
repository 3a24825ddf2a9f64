"""The regularization path of a job, from its triangle, and from those of its folds."""

import numpy as np

from service.errors import InvalidRequest, LibraryMissing, OutOfRange, TooManyCoefficients
from service.statistics.passes import FOLDS, TRIANGLE, RowPasses
from service.statistics.solutions import stop_if_called_off
from slope.answers.path import Path, Penalty
from slope.reduced_rows import ReducedColumns
from slope.spec import Fault
from slope.statistics.folds import folds_of
from slope.statistics.passes import columns_of
from slope.statistics.path import trace
from slope.statistics.solution import BeyondRange

MOST_FEATURES = 128
"""Of a job whose path is told: it takes a second."""
LEAST_L1_RATIO = 0.001
"""The strongest penalty is inversely proportional to it: of less, it may be no number any more."""
_RATIO = 0.5


def path_of(passes: RowPasses, *, penalty: Penalty, l1_ratio: float | None, folds: int | None) -> Path:
    """Raises InvalidRequest, TooManyCoefficients, OutOfRange, LibraryMissing, and what passes raise."""
    rows = passes.rows
    if "weights" in rows.spec.frozen:
        raise InvalidRequest("The job's weights are frozen: there are none that a penalty could draw towards 0")
    if l1_ratio is not None and penalty != "elastic_net":
        raise _at("l1_ratio", "l1_ratio is of an elastic net: ask for penalty=elastic_net, or leave it out")
    if len(rows.features) > MOST_FEATURES:
        raise TooManyCoefficients(len(rows.features), MOST_FEATURES, "a path")
    columns = rows.columns or columns_of(passes.find(TRIANGLE, None))
    if columns is None:
        raise OutOfRange("The data is beyond the range of float64: scale it")
    parts = None if folds is None else _folds(passes, folds)
    try:
        ratio = _RATIO if l1_ratio is None else l1_ratio
        pause = stop_if_called_off
        return trace(columns, rows.spec, rows.features, penalty, l1_ratio=ratio, folds=parts, pause=pause)
    except ModuleNotFoundError as error:
        raise LibraryMissing("scikit-learn", "sklearn") from error
    except (BeyondRange, np.linalg.LinAlgError, ValueError) as error:
        raise OutOfRange("The path is beyond the range of float64: scale the data") from error


def _folds(passes: RowPasses, count: int) -> list[ReducedColumns]:
    found = folds_of(passes.find(f"{FOLDS}{count}", None))
    if found is None:
        raise _at("folds", f"The rows do not fill {count} folds: ask for fewer")
    return found


def _at(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, f"/query/{name}")])
