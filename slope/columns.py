"""Records of many models or many epochs as columns: what is written and joined by the thousand. Free of torch."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array, Indices

Table = TypeVar("Table", bound="Columns")


@dataclass(frozen=True, slots=True)
class Columns:
    """M rows by column. A column is M numbers or M × D; None where no row has the number. Named as SQL names them."""

    vectors: ClassVar[frozenset[str]] = frozenset()
    """The columns that have a number for each of D features."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def arrays(self) -> dict[str, NDArray[Any] | None]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def layout(self) -> tuple[tuple[int, ...] | None, ...]:
        """The shape of a row in each column. Tables of the same layout can be joined."""
        return tuple(None if column is None else column.shape[1:] for column in self.arrays().values())

    def at(self, rows: Indices) -> Self:
        """Some of the rows, in the order asked for; all of them, as they stand, are not copied."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        chosen = {name: None if column is None else column[rows] for name, column in self.arrays().items()}
        return type(self)(**chosen)


@dataclass(frozen=True, slots=True)
class EpochColumns(Columns):
    """M epoch records; see slope.records.EpochRecord."""

    vectors = frozenset({"gradient_mean_weights", "gradient_last_weights", "weights"})

    epoch: Indices
    loss: Array
    last_loss: Array
    validation_loss: Array | None
    gradient_mean_weights: Array | None
    gradient_mean_bias: Array | None
    gradient_last_weights: Array | None
    gradient_last_bias: Array | None
    gradient_norm: Array
    weights: Array
    bias: Array | None
    learning_rate: Array
    seconds: Array


@dataclass(frozen=True, slots=True)
class StepColumns(Columns):
    """M step records; see slope.records.StepRecord."""

    vectors = frozenset({"gradient_weights", "weights"})

    epoch: Indices
    step: Indices
    loss: Array
    gradient_weights: Array | None
    gradient_bias: Array | None
    weights: Array
    bias: Array | None


def join_columns(parts: Sequence[Table]) -> Table:
    """One table of all rows, in order; at least one part, and all with the same columns."""
    if len(parts) == 1:
        return parts[0]
    columns = [part.arrays() for part in parts]
    return type(parts[0])(
        **{
            name: None if first is None else np.concatenate([part[name] for part in columns])
            for name, first in columns[0].items()
        }
    )
