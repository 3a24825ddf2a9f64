"""The course of a training as columns, for the tools that people have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from slope.client.history.arrow_columns import ArrowColumns, Numbers

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

_VECTORS = ("weights", "gradient_mean_weights", "gradient_last_weights")
"""Columns whose cells are lists of D numbers, null where the parameter does not learn."""


@dataclass(frozen=True)
class History:
    """Every recorded epoch of a job. Columns are named as the files of epochs name them; a missing number is None."""

    columns: Mapping[str, Numbers]
    """By name, a cell an epoch; of vectors a cell is D numbers."""

    @classmethod
    def of(cls, lines: bytes) -> "History":
        """From epochs as NDJSON."""
        rows = [dict(_flat(from_json(line))) for line in lines.splitlines()]
        return cls({name: [row[name] for row in rows] for name in rows[0]} if rows else {})

    @classmethod
    def of_arrow(cls, stream: bytes) -> "History":
        """The same from epochs as a stream of Arrow: of a million, in a fraction of the time."""
        return cls(ArrowColumns(stream, _VECTORS))

    def __len__(self) -> int:
        if isinstance(self.columns, ArrowColumns):
            return self.columns.rows
        return len(next(iter(self.columns.values()), []))

    def numpy(self) -> "dict[str, NDArray[Any]]":
        """A column as N numbers, of vectors N × D; NaN is what is missing."""
        import numpy as np

        if isinstance(self.columns, ArrowColumns):
            return {name: self.columns.array(name) for name in self.columns}
        return {
            name: np.array(self._filled(name), dtype=np.int64 if name == "epoch" else np.float64)
            for name in self.columns
        }

    def arrow(self) -> "pa.Table":
        """Vectors are columns of lists."""
        import pyarrow as pa

        return pa.table({name: pa.array(column) for name, column in self.columns.items()})

    def pandas(self) -> "pd.DataFrame":
        """A column a number: `weights_0` to `weights_{D-1}`, as in the files of epochs."""
        import pandas as pd

        return pd.DataFrame(dict(self._cells()))

    def polars(self) -> "pl.DataFrame":
        """The same columns as `pandas` has."""
        import polars as pl

        return pl.DataFrame(dict(self._cells()), nan_to_null=True)

    def _cells(self) -> "Iterator[tuple[str, NDArray[Any]]]":
        for name, array in self.numpy().items():
            if array.ndim == 1:
                yield name, array
            else:
                yield from ((f"{name}_{place}", array[:, place]) for place in range(array.shape[1]))

    def _filled(self, name: str) -> Numbers:
        """A column; a vector that is missing is as many missing numbers as there are weights."""
        column = self.columns[name]
        if name not in _VECTORS:
            return column
        width = len(self.columns["weights"][0])
        return [[None] * width if each is None else each for each in column]


def _flat(epoch: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in epoch.items():
        if isinstance(value, dict):
            yield from ((f"{name}_{part}", each) for part, each in value.items())
        else:
            yield name, value
