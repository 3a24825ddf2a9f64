"""Columns that came as Arrow. A million epochs are arrays immediately; as Python's numbers only those asked for."""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Numbers = list[Any]


class ArrowColumns(Mapping[str, Numbers]):
    """By name the cells of a column, None where a number is missing or not finite, as in JSON."""

    def __init__(self, stream: bytes, vectors: tuple[str, ...]) -> None:
        import pyarrow as pa

        table = pa.ipc.open_stream(stream).read_all()
        self._vectors = vectors
        self._parts: dict[str, list[Any]] = {}
        self._lists: dict[str, Numbers] = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            self._parts.setdefault(self._column_of(name), []).append(column)
        if not table.num_rows:
            self._parts = {}

    def array(self, name: str) -> "NDArray[Any]":
        """N numbers, of a vector N × D; NaN is what is missing."""
        import numpy as np

        arrays = [part.to_numpy() for part in self._parts[name]]
        found = np.stack(arrays, axis=1) if name in self._vectors else arrays[0]
        return found if found.dtype == np.int64 else np.where(np.isfinite(found), found, np.nan)

    def __getitem__(self, name: str) -> Numbers:
        if name not in self._lists:
            self._lists[name] = self._read(name)
        return self._lists[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @cached_property
    def rows(self) -> int:
        """How many cells a column has."""
        return max((len(parts[0]) for parts in self._parts.values()), default=0)

    def _column_of(self, name: str) -> str:
        vector = name.rpartition("_")[0]
        return vector if vector in self._vectors else name

    def _read(self, name: str) -> Numbers:
        import numpy as np

        array = self.array(name)
        cells: Numbers = array.tolist()
        is_told = np.isfinite(array) if array.ndim == 1 else np.isfinite(array).all(axis=1)
        for place in np.flatnonzero(~is_told).tolist():
            cells[place] = _without_nan(cells[place])
        for place in np.flatnonzero(self._parts[name][0].is_null().to_numpy()).tolist():
            cells[place] = None  # a vector that is null is missing as a whole
        return cells


def _without_nan(cell: Any) -> Any:
    if isinstance(cell, list):
        return [_without_nan(each) for each in cell]
    return cell if math.isfinite(cell) else None
