"""What is known of a table: its columns with their statistics, and a hash of its content."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slope.answers.datasets import Kind
from slope.arrays import Array
from slope.triangle import Triangle

_ALL = slice(None)
_DOUBLES = np.dtype("<f8")
_PLAIN = 400
"""Numbers up to 2^±400 have squares that neither overflow nor vanish; others are first divided by a power of two."""


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
    triangle: Triangle | None = None
    """Of its columns; None where they are too many, or beyond the range of float64."""


class Moments:
    """Grows by parts: Chan, Golub, LeVeque (1979), Updating formulae and a pairwise algorithm for variances."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self._exponent = 0
        self._mean = 0.0  # in units of 2^exponent
        self._squares = 0.0  # Σ(x − mean)², in units of 4^exponent

    def add(self, values: Array) -> None:
        """More numbers of the column, all finite."""
        if len(values) == 0:
            return
        low, high = float(values.min()), float(values.max())
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        exponent = math.frexp(max(-low, high))[1]
        if abs(exponent) <= _PLAIN:
            exponent = 0
        unit = np.ldexp(values, -exponent) if exponent else values
        mean = float(unit.mean())
        apart = unit - mean
        self._merge(len(values), mean, float(np.square(apart, out=apart).sum()), exponent)

    @property
    def mean(self) -> float | None:
        """None of no numbers."""
        return math.ldexp(self._mean, self._exponent) if self.count else None

    @property
    def deviation(self) -> float | None:
        """Of the population, as the scaler takes it; None of no numbers."""
        return math.ldexp(math.sqrt(self._squares / self.count), self._exponent) if self.count else None

    def _merge(self, count: int, mean: float, squares: float, exponent: int) -> None:
        if mean or squares:  # zeros fit any unit: that of other numbers must not be lost on them
            self._use_unit(max(self._exponent, exponent) if self._mean or self._squares else exponent)
        mean = math.ldexp(mean, exponent - self._exponent)
        squares = math.ldexp(squares, 2 * (exponent - self._exponent))
        total = self.count + count
        step = mean - self._mean
        self._mean += step * (count / total)
        self._squares += squares + step * step * (self.count * count / total)
        self.count = total

    def _use_unit(self, exponent: int) -> None:
        self._mean = math.ldexp(self._mean, self._exponent - exponent)
        self._squares = math.ldexp(self._squares, 2 * (self._exponent - exponent))
        self._exponent = exponent


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
