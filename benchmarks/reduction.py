"""The one pass that reduces rows to D + 2, against BLAS forming XᵀX of the same matrix: processor time of a thread."""

from collections.abc import Callable
from statistics import median
from time import process_time

import numpy as np
import torch
from scipy.linalg.blas import dsyrk
from threadpoolctl import threadpool_limits

from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, agreement, rows
from slope.arrays import Array
from slope.engines.reduction.reduction import Reduction


def run() -> None:
    torch.set_num_threads(1)
    per_row = {}
    with threadpool_limits(1):
        for exponent in (5, 6, 7):
            x, y = rows(10**exponent)
            measured = _against_blas(exponent, x, y)
            per_row[exponent] = median(measured) / len(y) * 1e9
    told = ", ".join(f"10^{exponent}: {value:.3g}" for exponent, value in per_row.items())
    print(f"  ns a row: {told}\n")


def _against_blas(exponent: int, x: Array, y: Array) -> list[float]:
    matrix = np.column_stack([np.ones(len(y)), x, y])
    heading(f"reduction: 10^{exponent} × {FEATURES} and the target to {FEATURES + 2} rows")
    ways = {
        "syrk of the same matrix": _seconds(lambda: dsyrk(1.0, matrix.T)),
        "reduced": _seconds(lambda: _reduce(x, y)),
    }
    measured = in_turns(21 if exponent < 7 else 5, ways)
    compare(measured, "reduced", "syrk of the same matrix", "s", Aim("at most", 2) if exponent == 6 else None)
    triangle = _reduce(x, y).triangle
    print(f"  {agreement(triangle.T @ triangle, matrix.T @ matrix, 1e-12, 'products')}")
    return measured["reduced"]


def _reduce(x: Array, y: Array) -> Reduction:
    return Reduction.of([(x, y)], x.shape[1])


def _seconds(action: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        started = process_time()
        action()
        return process_time() - started

    return measure
