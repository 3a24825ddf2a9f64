"""What is known of a table: its columns with their statistics, and a hash of its content."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from slope.data import Array
from slope.tabular.moments import Moments

Kind = Literal["number", "integer", "boolean", "category"]
_ALL = slice(None)
_DOUBLES = np.dtype("<f8")


@dataclass(frozen=True)
class Column:
    """A column of float64. `count` numbers came from the source; `nulls` of its cells were empty."""

    name: str
    type: Kind
    """What the source had: all become float64, a category a column of 0 and 1 for each of its values."""
    count: int
    nulls: int
    min: float | None
    max: float | None
    mean: float | None
    deviation: float | None
    """Of the population."""


@dataclass(frozen=True)
class Summary:
    rows: int
    columns: list[Column]
    content_hash: str
    """SHA-256 over names and numbers, free of the format they came in."""
    notes: Sequence[str] = ()
    """What was decided about the table that its sender may not expect."""


class Summarizer:
    """Summarizes a table that comes in parts."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._hashes = [hashlib.sha256() for _ in names]
        self._moments = [Moments() for _ in names]

    @property
    def rows(self) -> int:
        return self._moments[0].count

    def add(self, columns: Sequence[Array], share: slice = _ALL) -> None:
        """More rows: for every column as many finite numbers. Threads may take a share of the columns each."""
        for digest, moments, values in zip(self._hashes[share], self._moments[share], columns[share], strict=True):
            digest.update(np.ascontiguousarray(values, _DOUBLES).data)
            moments.add(values)

    def summary(self, types: Sequence[Kind] | None = None, nulls: Sequence[int] | None = None) -> Summary:
        """What the parts came to; types and nulls are as the source had them."""
        kinds = types or ["number"] * len(self._names)
        empty = nulls or [0] * len(self._names)
        columns = [
            Column(name, kind, each.count, none, each.minimum, each.maximum, each.mean, each.deviation)
            for name, each, kind, none in zip(self._names, self._moments, kinds, empty, strict=True)
        ]
        return Summary(self.rows, columns, self._content_hash())

    def _content_hash(self) -> str:
        whole = hashlib.sha256(json.dumps([self.rows, self._names]).encode())
        for digest in self._hashes:
            whole.update(digest.digest())
        return whole.hexdigest()


def summarize(names: Sequence[str], columns: Sequence[Array]) -> Summary:
    """The summary of a table that is there as a whole."""
    summarizer = Summarizer(names)
    summarizer.add(columns)
    return summarizer.summary()
