"""The triangle of a few rows, with all the digits that the machine has."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slope.analysis.least_squares import powers_of_two
from slope.arrays import Array

Long = NDArray[np.longdouble]

MOST_WORK = 200_000
"""Rows × columns² of a table that is factorised in extended precision: a few milliseconds."""
_ROUNDING = 4.0
"""A difference of this many units in the last place of what it is the difference of is rounding."""


@dataclass(frozen=True)
class Factor:
    """Of a design X (n × P) and a target y (n), n > P, whose columns are divided by powers of two: that rounds nothing,
    and their squares stay in range."""

    table: Array | Long
    """The triangle of [X y] ((P + 1) × (P + 1))."""
    exponents: NDArray[np.int32]
    """Of X's columns (P)."""
    exponent: int
    """Of y."""

    @classmethod
    def of(cls, design: Array, target: Array) -> Self:
        """Raises nothing: numbers that are not finite stay what they are."""
        exponents, exponent = powers_of_two(design), int(powers_of_two(target))
        table = np.column_stack([np.ldexp(design, -exponents), np.ldexp(target, -exponent)])
        return cls(factorise(table), exponents, exponent)

    @property
    def count(self) -> int:
        return len(self.exponents)

    @property
    def upper(self) -> Array:
        """The triangle of X (P × P)."""
        return np.asarray(np.ldexp(self.table[:-1, :-1].astype(float), self.exponents))

    @cached_property
    def inverse(self) -> Array | Long:
        """Of that of the divided columns."""
        return invert(self.table[:-1, :-1])

    @property
    def root(self) -> Array:
        """The inverse of the triangle of X."""
        return np.asarray(np.ldexp(self.inverse.astype(float), -self.exponents[:, None]))

    @property
    def solution(self) -> Array:
        """θ (P) of the least ‖Xθ − y‖."""
        divided = (self.inverse @ self.table[:-1, -1]).astype(float)
        return np.asarray(np.ldexp(divided, self.exponent - self.exponents))

    def squares(self, estimates: Array, *, is_least: bool) -> float:
        """‖Xθ − y‖² of θ (P), in units of 4^exponent; 0 where it is rounding alone.

        The least of a design of full rank has more digits without a look at θ, whose own rounding may be larger.
        """
        table, theta = self.table.astype(float), np.ldexp(estimates, self.exponents - self.exponent)
        across = np.zeros(1) if is_least else table[:-1, :-1] @ theta - table[:-1, -1]
        parts = np.abs(theta) @ np.linalg.norm(table[:, :-1], axis=0)
        size = float(np.linalg.norm(table[:, -1]) + parts)
        return _without_rounding(float(table[-1, -1] ** 2 + np.square(across).sum()), size)

    def spread(self, *, is_centred: bool) -> float:
        """‖y − ȳ‖² in the same units, the first column being the ones; or ‖y‖²."""
        target = self.table[:, -1].astype(float)
        return _without_rounding(float(np.square(target[is_centred:]).sum()), float(np.linalg.norm(target)))


def _without_rounding(squares: float, size: float) -> float:
    return 0.0 if squares <= (_ROUNDING * np.finfo(float).eps * size) ** 2 else squares


def factorise(table: Array) -> Array | Long:
    """The triangle (C × C) of a table of n rows, with zeros beneath where n < C.

    In extended precision where that takes no time.
    Polynomials of the tenth degree lose so many digits that those of doubles are too few.
    """
    if len(table) * table.shape[1] ** 2 > MOST_WORK:
        return np.asarray(np.linalg.qr(table, mode="r"))
    if len(table) < table.shape[1]:
        table = np.vstack([table, np.zeros((table.shape[1] - len(table), table.shape[1]))])
    return _householder(table.astype(np.longdouble))


def invert(upper: Array | Long) -> Array | Long:
    """The inverse of a triangle."""
    if upper.dtype == np.float64:
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(upper, np.eye(len(upper))))
    found = np.zeros_like(upper)
    for row in reversed(range(len(upper))):
        found[row, row] = 1 / upper[row, row]
        found[row, row + 1 :] = -(upper[row, row + 1 :] @ found[row + 1 :, row + 1 :]) / upper[row, row]
    return found


def _householder(table: Long) -> Long:
    """Golub, Van Loan, Matrix Computations, 5.2.1: reflections that make zeros beneath the diagonal, in place."""
    for place in range(table.shape[1]):
        rest = table[place:, place:]
        length = np.sqrt(np.square(rest[:, 0]).sum())
        if length == 0:
            continue
        mirror = rest[:, 0].copy()
        mirror[0] += np.copysign(length, mirror[0])
        rest -= np.outer(mirror, (mirror @ rest) * (2 / np.square(mirror).sum()))
    return np.triu(table[: table.shape[1]])
