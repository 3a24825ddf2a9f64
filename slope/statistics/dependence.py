"""Columns that depend on each other: which they are, and how nearly others do. Belsley, Kuh, Welsch (1980)."""

from dataclasses import dataclass

import numpy as np

from slope.arrays import Array

_SHARE = 1e-8
"""A column has a part in a dependence where its share is more than this of the largest."""


@dataclass(frozen=True)
class Spectrum:
    """Of a design whose P columns are brought to one length."""

    values: Array
    """The singular values, the largest first (P)."""
    directions: Array
    """A row each (P × P)."""
    sizes: Array
    """The lengths that the columns had; 1 of columns of zeros (P)."""
    rank: int

    @classmethod
    def of(cls, triangle: Array, rows: int) -> "Spectrum":
        """Of the triangle (P × P) of a design of this many rows. Its rank is found as an analysis finds it."""
        lengths = np.linalg.norm(triangle, axis=0)
        sizes = np.where(lengths > 0, lengths, 1.0)
        _, values, directions = np.linalg.svd(triangle / sizes)
        least = max(rows, len(triangle)) * np.finfo(float).eps * values[0]
        return cls(values, directions, sizes, int((values > least).sum()))

    @property
    def condition_indices(self) -> list[float | None]:
        """The largest singular value over each; None where a direction is not there at all."""
        kept = (self.values[0] / self.values[: self.rank]).tolist()
        return [*kept, *[None] * (len(self.values) - self.rank)]

    @property
    def free(self) -> Array:
        """Combinations of the columns that come to nothing, a column each (P × (P − rank)), of length 1 each."""
        return self.directions[self.rank :].T

    @property
    def root(self) -> Array:
        """B (P × rank) so that BBᵀ is an inverse of XᵀX in all directions that are there."""
        kept = self.directions[: self.rank].T / self.values[: self.rank]
        return np.asarray(kept / self.sizes[:, None])


def dependences(free: Array) -> list[list[int]]:
    """The columns of each combination that comes to nothing, those first that few columns are in."""
    rows = free.T.copy()
    for number in range(len(rows)):  # Gauss and Jordan: every combination loses what it shares with another
        place = int(np.abs(rows[number]).argmax())
        rows[number] /= rows[number, place]
        others = np.arange(len(rows)) != number
        rows[others] -= np.outer(rows[others, place], rows[number])
    found = [np.flatnonzero(np.abs(row) > _SHARE * np.abs(row).max()).tolist() for row in rows]
    return sorted(found, key=lambda columns: (len(columns), columns))


def inflations(triangle: Array, root: Array, *, is_centred: bool) -> Array:
    """The variance inflation factor of each column (P): how much of its variance is owed to the other columns.

    1/(1 − R²) of the column's fit by the others: centred where the first are the ones, whose own means nothing.
    """
    own = triangle[1:] if is_centred else triangle
    _, exponents = np.frexp(np.abs(own).max(axis=0, initial=0.0))  # near 1, where squares neither overflow nor vanish
    unit, inverse = np.ldexp(own, -exponents), np.ldexp(root, exponents[:, None])
    factors = np.square(unit).sum(axis=0) * np.square(inverse).sum(axis=1)
    if is_centred:
        factors[0] = np.nan
    return np.asarray(factors)
