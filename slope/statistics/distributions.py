"""Tails and quantiles of the normal distribution, of Student's t and of Fisher's F, by SciPy.

It is loaded by the first call: it takes a fifth of a second.
"""

from dataclasses import dataclass

import numpy as np

from slope.arrays import Array


@dataclass(frozen=True)
class Reference:
    """What an estimate divided by its standard error is held against: Student's t, or the normal where `df` is None."""

    df: float | None

    def two_sided(self, ratios: Array) -> Array:
        """How probable it is that a ratio is as far from 0 as that, or further."""
        from scipy import special

        tails = -np.abs(ratios)
        return np.asarray(2 * (special.ndtr(tails) if self.df is None else special.stdtr(self.df, tails)))

    def quantile(self, level: float) -> float:
        """Ratios lie between − this and + this with the probability `level`."""
        from scipy import special

        # Of the tail: 1 − level has more digits than (1 + level)/2 where the level is near 1.
        tail = (1 - level) / 2
        return float(-(special.ndtri(tail) if self.df is None else special.stdtrit(self.df, tail)))


def f_tail(value: float, numerator: float, denominator: float) -> float:
    """How probable it is that F is as large as that, or larger."""
    from scipy import special

    return float(special.fdtrc(numerator, denominator, value))
