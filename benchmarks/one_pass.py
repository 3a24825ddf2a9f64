"""The one pass over rows against scikit-learn-intelex and polars-ols, and the digits that each of them has."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, agreement, rows
from slope.arrays import Array
from slope.engines.reduction.reduction import Reduction

try:
    from sklearnex.linear_model import LinearRegression
except ImportError:
    LinearRegression = None
try:
    import polars as pl
    import polars_ols  # noqa: F401 - gives polars its least squares
except ImportError:
    pl = None  # type: ignore[assignment]

_ROWS, _FEW, _CONDITION = 1_000_000, 1_000, 1e8
INTELEX, _POLARS = "scikit-learn-intelex: LinearRegression", "polars-ols: QR"
_OURS = "Slope: one pass of QR, its solution"
_THREADS, _WORTHWHILE = 2, 100_000
"""From this many rows on they are reduced in parts, as by workers: one a thread."""

Fit = Callable[[Array, Array], Array]
"""Weights and bias by least squares."""


def run() -> None:
    torch.set_num_threads(1)
    fits = _fits()
    for count in (_ROWS, _FEW):
        heading(f"one pass: least squares of {count:,} × {FEATURES} with a bias, float64, two cores each")
        x, y = rows(count)
        taken = {name: _seconds(fit, *_given(name, x, y)) for name, fit in fits.items()}
        measured = in_turns(15 if count == _FEW else 9, taken)
        for rival in [name for name in fits if name != _OURS]:
            compare(measured, _OURS, rival, "s", Aim("at most", 1) if rival == INTELEX else None)
            print(f"  {agreement(fits[_OURS](x, y), fits[rival](*_given(rival, x, y)), 1e-9, 'solutions')}\n")
    _tell_digits(fits)


def _tell_digits(fits: dict[str, Fit]) -> None:
    """How many digits of the weights each has where the columns have a condition of 10⁸ and the truth is known."""
    random = np.random.default_rng(1)
    bases = np.linalg.qr(random.normal(size=(10_000, FEATURES)))[0]
    turned = np.linalg.qr(random.normal(size=(FEATURES, FEATURES)))[0]
    x = bases * np.geomspace(1, 1 / _CONDITION, FEATURES) @ turned * 100
    truth = np.ones(FEATURES)
    y = x @ truth
    heading(f"digits: of the weights of 10⁴ × {FEATURES} with a condition of 10⁸, without noise")
    errors = {name: np.abs(fit(*_given(name, x, y))[:FEATURES] - truth).max() for name, fit in fits.items()}
    digits = {name: [max(0.1, float(-np.log10(error + 1e-16)))] for name, error in errors.items()}
    for rival in [name for name in fits if name != _OURS]:
        compare(digits, _OURS, rival, "digits", Aim("at least", 1))


def _fits() -> dict[str, Fit]:
    found: dict[str, Fit] = {_OURS: _ours}
    if LinearRegression is None:
        print("one pass: the package scikit-learn-intelex is not installed (extra `bench`)")
    else:
        found[INTELEX] = _by_intelex
    if pl is None:
        print("one pass: the package polars-ols is not installed (extra `bench`)")
    else:
        found[_POLARS] = _by_polars
    return found


def _given(name: str, x: Array, y: Array) -> tuple[Any, Any]:
    """As each has its data: a frame of columns, or arrays."""
    if name != _POLARS:
        return x, y
    return pl.DataFrame({f"x{place}": column for place, column in enumerate(x.T)} | {"y": y}), None


def _ours(x: Array, y: Array) -> Array:
    parts = np.array_split(np.arange(len(y)), _THREADS if len(y) >= _WORTHWHILE else 1)
    bounds = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
    with ThreadPoolExecutor(_THREADS) as threads:
        first, *others = threads.map(lambda part: Reduction.of([(x[part], y[part])], x.shape[1]), bounds)
    triangle = sum(others, first).triangle
    found = np.linalg.solve(triangle[:-1, :-1], triangle[:-1, -1])
    return np.append(found[1:], found[0])


def intelex_fit() -> Fit | None:
    """None where scikit-learn-intelex is not installed."""
    return None if LinearRegression is None else _by_intelex


def _by_intelex(x: Array, y: Array) -> Array:
    model = LinearRegression().fit(x, y)
    return np.append(model.coef_, model.intercept_)


def _by_polars(frame: Any, _: Any) -> Array:
    features = [pl.col(f"x{place}") for place in range(FEATURES)]
    target: Any = pl.col("y")
    fitted = target.least_squares.ols(*features, mode="coefficients", add_intercept=True, solve_method="qr")
    return np.array(list(frame.select(fitted).item().values()))


def _seconds(fit: Fit, x: Any, y: Any) -> Callable[[], float]:
    def measure() -> float:
        started = perf_counter()
        fit(x, y)
        return perf_counter() - started

    return measure
