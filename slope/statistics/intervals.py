"""Intervals of predictions: where the line may be at new rows, and where their y may be."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from slope.arrays import Array
from slope.statistics.distributions import Reference
from slope.statistics.solution import TELLING, Solution

IntervalKind = Literal["prediction", "confidence"]


@dataclass(frozen=True)
class Intervals:
    """About the predictions of the exact solution: of the line, or of a new y, whose own noise comes on top."""

    solution: Solution
    kind: IntervalKind
    level: float

    def bounds(self, x: Array) -> tuple[Array, Array]:
        """The lower and the upper ones of rows x (n × D): n each; nan where the rows trained on do not tell."""
        solution = self.solution
        with np.errstate(all="ignore"):
            design, taken_off = solution.frame.split_rows(x)
            middle = design @ solution.estimates - taken_off
            variances = solution.variance * np.square(design @ solution.spread).sum(axis=1)
            if self.kind == "prediction":
                variances += solution.variance
            reference = Reference(solution.degrees_of_freedom)
            width = np.where(self._is_known(design), reference.quantile(self.level) * np.sqrt(variances), np.nan)
            return middle - width, middle + width

    def _is_known(self, design: Array) -> Array:
        """Of each row whether it depends on nothing that the rows trained on leave open (n)."""
        if self.solution.free.shape[1] == 0:
            return np.ones(len(design), bool)
        even = design / self.solution.spectrum.sizes
        open_parts = np.abs(even @ self.solution.free).max(axis=1)
        return np.asarray(open_parts <= TELLING * np.linalg.norm(even, axis=1))
