"""The exact solution of a job: of its dataset's triangle, or of the rows where they are few or none stands for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from service.errors import ClientGone, OutOfRange, TooFewRows, TooManyCoefficients
from service.statistics.training_rows import TrainingRows
from service.storage import Storage
from slope.calling_off import is_called_off
from slope.statistics.factor import MOST_WORK
from slope.statistics.passes import Pass, TrianglePass, columns_of
from slope.statistics.solution import BeyondRange, NoRowsLeft, Solution, solve_columns, solve_rows

MOST_FEATURES = 1000
"""Of a job whose statistics are told: they take a second."""


def solve_job(storage: Storage, rows: TrainingRows) -> Solution:
    """Raises TooFewRows, TooManyCoefficients, OutOfRange, ObjectMissing and StorageUnavailable."""
    if len(rows.features) > MOST_FEATURES:
        raise TooManyCoefficients(len(rows.features), MOST_FEATURES)
    with _translated():
        if rows.numbers * (len(rows.features) + 1) <= MOST_WORK:
            few = rows.whole(storage)  # whose solution has more digits than a triangle keeps
            return solve_rows(few.x, few.y, rows.spec)
        columns = rows.columns or columns_of(pass_over(storage, rows, TrianglePass(len(rows.features))))
        if columns is None:
            raise BeyondRange
        return solve_columns(columns, rows.spec)


def pass_over(storage: Storage, rows: TrainingRows, taken: Pass) -> dict[str, Any]:
    """What a pass over all rows finds. Raises ClientGone, ObjectMissing and StorageUnavailable."""
    features = len(rows.features)
    for part, places in rows.read(storage):
        if is_called_off():
            raise ClientGone
        taken.add(part[:, :features], part[:, features], places)
    return taken.result()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except NoRowsLeft as error:
        raise TooFewRows(str(error)) from error
    except BeyondRange as error:
        raise OutOfRange(str(error)) from error
