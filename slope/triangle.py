"""The triangle of a dataset: what a QR factorisation leaves of [1 columns], taken while the rows go by. NumPy alone.

With [1 C] = QT, Q orthonormal, every sum of squares of a combination of the columns is that of T: full-batch descent on
some of them, with any of them as its target, and its exact solution follow from T without a row. The ones come first,
so that all rows of T but the first hold the columns without their means. Nothing cancels there: from every column one
of its own numbers is subtracted, about the middle of the first ones, and given back to the first row of T. So a
constant column becomes exactly 0, and others have little in common with the ones.

slope.engines.reduction does the same for the columns of one job, on any device. Here too a chunk is joined to the
triangle by the Cholesky factor of the Gram matrix where that loses no digit that matters, and else by Householder's QR.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array

MOST_COLUMNS = 128
"""Of a dataset that has a triangle, by default: 133 kB."""

_CHUNK_ROWS, _CHUNK_NUMBERS = 2**11, 2**18
"""At least this many rows are joined at a time, and of a narrow table this many numbers, 2 MB. The bits of a triangle
depend on it, and not on how the rows were handed over."""
_SAMPLED = 101
"""Rows, at most twice as many, of which each column's middle is taken."""
_MILD = 20.0
"""The condition up to which squaring it is harmless."""
_VANISHING, _OVERFLOWING = 1e-140, 1e140
"""Squares of smaller columns come near the smallest numbers there are, those of larger ones near the largest."""
_EXPLAINED = 0.1
"""A column of which earlier ones leave less than this is explained by them."""


@dataclass(frozen=True)
class Triangle:
    """Of `rows` rows of C columns: `values` is (C + 1) × (C + 1), over the ones and the columns in their order."""

    values: Array
    rows: int

    def encode(self) -> bytes:
        """The bits of its upper half, row after row."""
        return self.values[np.triu_indices(len(self.values))].astype("<f8").tobytes()

    @classmethod
    def decode(cls, document: bytes, rows: int) -> Self:
        """As it was encoded."""
        upper = np.frombuffer(document, "<f8")
        side = (math.isqrt(8 * len(upper) + 1) - 1) // 2
        values = np.zeros((side, side))
        values[np.triu_indices(side)] = upper
        return cls(values, rows)

    def chosen(self, columns: Sequence[int]) -> Array:
        """The triangle over the ones and these columns (K), in this order: (K + 1) × (K + 1)."""
        places = np.asarray(columns) + 1
        found = np.zeros((len(places) + 1, len(places) + 1))
        found[0, 0], found[0, 1:] = self.values[0, 0], self.values[0, places]
        rest = np.linalg.qr(self.values[1:, places], mode="r")  # the means, in the first row, take no digit of these
        found[1:, 1:] = rest
        return found


class Triangulation:
    """Takes a table part by part."""

    def __init__(self, columns: int) -> None:
        self._chunk = np.ones((max(_CHUNK_ROWS, _CHUNK_NUMBERS // (columns + 1)), columns + 1), order="F")
        self._filled = 0
        self._rows = 0
        self._is_weighted = False
        self._middles = np.zeros(columns)
        self._triangle = np.zeros((columns + 1, columns + 1))

    def add(self, columns: Sequence[Array], roots: Array | None = None) -> None:
        """More rows: for every column as many finite numbers. Each row counts as the square of its root says: with
        roots, those are in the place of the ones, and all other columns are multiplied by them."""
        self._is_weighted = roots is not None
        start, count = 0, len(columns[0])
        while start < count:
            stop = min(count, start + len(self._chunk) - self._filled)
            if roots is not None:
                self._chunk[self._filled : self._filled + stop - start, 0] = roots[start:stop]
            self._fill([values[start:stop] for values in columns], stop - start)
            start = stop
            if self._filled == len(self._chunk):
                self._join()

    def triangle(self) -> Triangle | None:
        """Of all rows; None of none, or where it is beyond the range of float64."""
        self._join()
        values = self._triangle.copy()
        with np.errstate(all="ignore"):
            values[0, 1:] += values[0, 0] * self._middles
        return Triangle(values, self._rows) if self._rows and np.isfinite(values).all() else None

    def _fill(self, columns: Sequence[Array], count: int) -> None:
        filled = slice(self._filled, self._filled + count)
        with np.errstate(over="ignore"):
            for place, (values, middle) in enumerate(zip(columns, self._middles.tolist(), strict=True), 1):
                np.subtract(values, middle, out=self._chunk[filled, place])
        self._filled += count

    def _join(self) -> None:
        if not self._filled:
            return
        chunk = self._chunk[: self._filled]
        with np.errstate(all="ignore"):
            if self._rows == 0:
                self._middles = _middles(chunk[:, 1:])
                chunk[:, 1:] -= self._middles
            if self._is_weighted:
                chunk[:, 1:] *= chunk[:, :1]
            self._triangle = join(self._triangle, chunk)
        self._rows, self._filled = self._rows + self._filled, 0


def _middles(rows: Array) -> Array:
    """Of each column a number that it has, about as many below it as above."""
    sample = np.sort(rows[:: max(1, len(rows) // _SAMPLED)], axis=0)
    return np.asarray(sample[len(sample) // 2])


def join(triangle: Array, chunk: Array) -> Array:
    """The triangle (K × K) of the rows behind a triangle and those of a chunk (n × K); not finite on overflow."""
    joined = _by_gram(triangle, chunk)
    return _by_householder(np.vstack([triangle, chunk])) if joined is None else joined


def _by_gram(triangle: Array, chunk: Array) -> Array | None:
    """None where the joined triangle is too ill-conditioned for it.

    Columns that earlier ones explain well, as far as the triangle knows, are replaced by what those leave of them.
    """
    known, rows, explained = triangle, chunk, _explained(triangle)
    if explained:
        known, rows = triangle.copy(), chunk.copy(order="F")
    for place, shares in explained.items():
        known[:, place] -= triangle[:, :place] @ shares
        rows[:, place] -= chunk[:, :place] @ shares
    gram = known.T @ known + rows.T @ rows
    sizes = np.sqrt(gram.diagonal())  # of the columns: their proportions do no harm
    idle = sizes == 0
    if idle.any():  # unless the squares of what is there have vanished
        idle &= ~(known.any(axis=0) | rows.any(axis=0))
    if not ((sizes > _VANISHING) & (sizes < _OVERFLOWING) | idle).all():
        return None
    factor = _factor(gram / np.outer(sizes + idle, sizes + idle), idle)
    if factor is None:
        return None
    factor *= sizes
    for place, shares in explained.items():  # in their order: the earlier ones are themselves again
        factor[:, place] += factor[:, :place] @ shares
    return factor


def _explained(triangle: Array) -> dict[int, Array]:
    """By place the columns that earlier ones explain well.

    Each with the shares that those have in it, which are 0 of what is explained itself.
    """
    sizes, left = np.linalg.norm(triangle, axis=0), np.abs(triangle.diagonal())
    own, found = left >= _EXPLAINED * sizes, {}
    for place in np.flatnonzero(~own & (left > 0)):
        before = np.flatnonzero(own[:place] & (sizes[:place] > 0))  # or the shares were as large as those are alike
        shares = np.zeros(place)
        shares[before] = np.linalg.solve(triangle[np.ix_(before, before)], triangle[before, place])
        found[int(place)] = shares
    return found


def _by_householder(rows: Array) -> Array:
    """Of fewer rows than columns as well: with zeros beneath."""
    triangle = np.zeros((rows.shape[1], rows.shape[1]))
    if np.isfinite(rows).all():
        found = np.linalg.qr(rows, mode="r")
        triangle[: len(found)] = found
        return triangle
    return np.full_like(triangle, np.nan)


def _factor(gram: Array, idle: NDArray[np.bool_]) -> Array | None:
    """The upper Cholesky factor, if its condition is mild; what is idle has zeros in it."""
    try:
        factor = np.linalg.cholesky(gram + np.diag(idle.astype(float)), upper=True)
        inverse = np.linalg.inv(factor)
    except np.linalg.LinAlgError:
        return None
    is_mild = np.linalg.norm(inverse) * np.linalg.norm(factor) <= _MILD * len(gram) ** 0.5
    return np.asarray(factor * ~idle) if is_mild else None
