"""Cross-validation of exact solutions: from the triangle of each fold, all taken in one pass over the rows."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array, Indices
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.spec import TrainingSpec
from slope.splits import fold_of_rows
from slope.statistics.passes import TrianglePass, columns_as_given
from slope.statistics.shrinkage import Centred, Strength


class FoldsPass:
    """A triangle for each fold. Which fold a row is in depends on the job's seed and the row's place alone."""

    def __init__(self, features: int, count: int, spec: TrainingSpec, folds: int) -> None:
        """`count` is that of all rows of the dataset."""
        self._fold: NDArray[np.int8] = fold_of_rows(count, spec, folds)
        self._taken = [TrianglePass(features) for _ in range(folds)]

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        fold = self._fold[places]
        for number, taken in enumerate(self._taken):
            mine = fold == number
            taken.add(x[mine], y[mine], places[mine], None, None if weights is None else weights[mine])

    def result(self) -> dict[str, Any]:
        return {"folds": [taken.result() for taken in self._taken]}


def folds_of(found: dict[str, Any]) -> list[ReducedColumns] | None:
    """What stands for the rows of each fold; None where a fold has none, or numbers beyond the range of float64.

    Weights are as they were given: scaled fold by fold, they could not be joined.
    """
    folds = [columns_as_given(each) for each in found["folds"]]
    return [each for each in folds if each is not None] if all(folds) else None


def joined(folds: list[ReducedColumns]) -> ReducedColumns:
    """What stands for the rows of all of them."""
    triangle = np.linalg.qr(np.vstack([each.whole.triangle for each in folds]), mode="r")
    lowest = np.min([each.lowest for each in folds], axis=0)
    highest = np.max([each.highest for each in folds], axis=0)
    rows = sum(each.whole.rows for each in folds)
    return ReducedColumns(ReducedRows(np.asarray(triangle), rows), lowest, highest)


def solve_without_each(
    folds: list[ReducedColumns], spec: TrainingSpec, strengths: list[Strength], pause: Callable[[], None]
) -> Iterator[tuple[ReducedRows, Array, Array]]:
    """Of each fold what stands for its rows, and the weights (T × D) and biases (T) that the others come to.

    Each time the other folds are standardized anew, and solved exactly. `pause` is called before each, and before each
    strength with l1, and may raise.
    """
    for number, left_out in enumerate(folds):
        pause()
        centred = Centred.of(joined([each for place, each in enumerate(folds) if place != number]).evened, spec)
        yield left_out.whole.evened, *centred.in_own_units(centred.solve(strengths, pause))


def validate(
    folds: list[ReducedColumns], spec: TrainingSpec, strengths: list[Strength], pause: Callable[[], None]
) -> tuple[Array, Array]:
    """The mean squared error of the rows left out, averaged over the K folds, and its standard error (T each).

    `pause` is called as by `solve_without_each`.
    """
    errors = []
    for tested, weights, biases in solve_without_each(folds, spec, strengths, pause):
        combined = np.column_stack([biases, weights, -np.ones(len(biases))])
        errors.append(np.square(tested.triangle @ combined.T).sum(axis=0) / tested.rows)
    return np.mean(errors, axis=0), np.std(errors, axis=0, ddof=1) / len(folds) ** 0.5
