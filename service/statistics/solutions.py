"""The exact solution of a job: of its dataset's triangle, or of the rows where they are few or none stands for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from service.data.numbers import Arrays
from service.errors import ClientGone, ObjectMissing, OutOfRange, TooFewRows, TooManyCoefficients
from service.statistics.training_rows import TrainingRows
from service.storage import Storage
from slope.calling_off import is_called_off
from slope.statistics.factor import MOST_WORK
from slope.statistics.passes import Pass, columns_of, weighting_of
from slope.statistics.solution import BeyondRange, NoRowsLeft, Solution, solve_columns, solve_rows

MOST_FEATURES = 1000
"""Of a job whose statistics are told: they take a second."""


def solve_job(storage: Storage, rows: TrainingRows, triangle: Callable[[], dict[str, Any]]) -> Solution:
    """`triangle` gives what a `TrianglePass` found, where the dataset has no triangle.

    Raises TooFewRows, TooManyCoefficients, OutOfRange, ObjectMissing, StorageUnavailable, and what `triangle` raises.
    """
    if len(rows.features) > MOST_FEATURES:
        raise TooManyCoefficients(len(rows.features), MOST_FEATURES)
    with translated_fit_errors():
        few = _few(storage, rows)
        if few is not None:
            return solve_rows(few.x, few.y, rows.spec, few.weights)
        if rows.columns:
            return solve_columns(rows.columns, rows.spec)
        found = triangle()
        columns = columns_of(found)
        if columns is None:
            raise BeyondRange
        return solve_columns(columns, rows.spec, weighting_of(found))


def _few(storage: Storage, rows: TrainingRows) -> Arrays | None:
    """Rows whose solution has more digits than a triangle keeps; None where they are many, or gone."""
    if rows.numbers * (len(rows.features) + 1) > MOST_WORK:
        return None
    try:
        return rows.whole(storage)
    except ObjectMissing:
        if rows.columns is None:
            raise
        return None


def pass_over(storage: Storage, rows: TrainingRows, taken: Pass, *others: str) -> dict[str, Any]:
    """What a pass over all rows, and further columns of them, finds.

    Raises ClientGone, ObjectMissing and StorageUnavailable, and what the pass raises.
    """
    features = len(rows.features)
    for part in rows.read(storage, *others):
        stop_if_called_off()
        x, y, more = part.columns[:, :features], part.columns[:, features], part.columns[:, features + 1 :]
        taken.add(x, y, part.places, more, part.weights)
    return taken.result()


def stop_if_called_off() -> None:
    """Raises ClientGone."""
    if is_called_off():
        raise ClientGone


@contextmanager
def translated_fit_errors() -> Iterator[None]:
    """What solutions and what is told of them raise, as problems."""
    try:
        yield
    except NoRowsLeft as error:
        raise TooFewRows(str(error)) from error
    except BeyondRange as error:
        raise OutOfRange(str(error)) from error
    except np.linalg.LinAlgError as error:  # of numbers whose squares, or their proportions, are no doubles
        raise OutOfRange(str(BeyondRange())) from error
