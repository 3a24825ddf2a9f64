"""Records as lines of JSON, each the item of a page, written column by column rather than object by object."""

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.records.pages import StepsWithRows
from service.store.tables.base import write_vectors
from slope.columns import EpochColumns

_PARAMETERS = '{"weights":%s,"bias":%s}'
_EPOCH = (
    '{"epoch":%s,"loss":%s,"last_loss":%s,"validation_loss":%s,'
    f'"gradient_mean":{_PARAMETERS},"gradient_last":{_PARAMETERS},"gradient_norm":%s,'
    '"weights":%s,"bias":%s,"learning_rate":%s,"seconds":%s}'
)
"""An EpochView; the numbers in the order of the columns."""
_STEP = f'{{"epoch":%s,"step":%s,"rows":%s,"loss":%s,"gradient":{_PARAMETERS},"weights":%s,"bias":%s}}'
"""A StepView; the numbers in the order of the columns, and the rows of its batch."""


def epoch_lines(epochs: EpochColumns) -> list[str]:
    return _fill(_EPOCH, map(_texts, epochs.arrays().values()))


def step_lines(found: StepsWithRows) -> list[str]:
    epoch, step, *others = map(_texts, found.steps.arrays().values())
    return _fill(_STEP, [epoch, step, _texts_of_rows(found), *others])


def _fill(template: str, columns: Iterable[Iterable[str]]) -> list[str]:
    return list(map(template.__mod__, zip(*columns, strict=False)))  # a column of nulls has no end


def _texts(column: NDArray[Any] | None) -> Iterable[str]:
    """Numbers as JSON; one that is not finite is null."""
    if column is None:
        return repeat("null")
    if column.ndim == 2:
        return write_vectors(column)
    return orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",") if len(column) else ()


def _texts_of_rows(found: StepsWithRows) -> Iterable[str]:
    if found.rows is None:
        return repeat("null")
    return (
        orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY).decode() for rows in map(np.ascontiguousarray, found.rows)
    )
