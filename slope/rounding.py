"""How coarse float32 is for a column: far from zero and close together, its numbers are rounded to a few."""

import numpy as np

COARSE = 0.01
"""float32's spacing at a column's largest number may be this fraction of its deviation; beyond, something is done.

Rounding to a spacing h adds a variance of h²/12: at this fraction about 1e-5 of the column's own.
"""


def spacing(largest: float) -> float:
    """Between neighbours in float32, at a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.spacing(np.float32(largest)))


def coarseness(largest: float, deviation: float) -> float:
    """The spacing as a fraction of the deviation; 0 for a constant, which has nothing to lose."""
    return spacing(largest) / deviation if deviation > 0 else 0.0
