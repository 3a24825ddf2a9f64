"""Columns that float32 rounds away are told by name, and no others."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slope.analysis.precision import COARSE, Spread, precision_warnings, spreads_of
from slope.spec import TrainingSpec

Y = 1e9 + np.arange(1.0, 6.0)
X = np.arange(1.0, 6.0)


def warnings(x: np.ndarray = X, y: np.ndarray = Y, **hyperparameters: Any) -> list[str]:
    spreads = spreads_of(np.column_stack([x, y]), [*(f"x{number}" for number in range(x[:, None].shape[1])), "y"])
    return precision_warnings(TrainingSpec.model_validate(hyperparameters), spreads[:-1], spreads[-1])


def test_a_column_far_from_zero_is_told_with_what_to_do() -> None:
    assert warnings() == [
        "float32 is too coarse for y: at 1e+09, the largest number of y, its numbers are 64 apart, and the column's "
        "deviation is 1.41. Set dtype: float64."
    ]
    assert warnings(dtype="float64") == []


def test_the_worst_column_gives_the_figures() -> None:
    [warning] = warnings(1e7 + X)
    assert warning.startswith("float32 is too coarse for y, x0: at 1e+09, ")


def test_features_that_are_centred_in_float64_lose_nothing() -> None:
    assert warnings(1e9 + X, X, standardize=True) == []
    assert len(warnings(1e9 + X, X)) == 1
    assert len(warnings(1e9 + X, X, standardize=True, fit_bias=False)) == 1, "they are scaled, and not centred"
    assert len(warnings(1e9 + X, Y, standardize=True)) == 1


def test_constants_and_common_columns_are_not_told() -> None:
    years, cents = np.arange(1990.0, 2026.0), np.linspace(1e3, 1e7, 36)
    for column in (np.full(36, 1e9), np.zeros(36), np.full(36, 0.1), years, cents, 1.7e9 + 86400 * 30 * years):
        assert warnings(column, cents) == []


def test_of_very_many_columns_a_few_are_named() -> None:
    coarse = [Spread(f"x{number}", 1e9, 1.0 + number) for number in range(30)]
    [warning] = precision_warnings(TrainingSpec(), coarse, Spread("y", 1.0, 1.0))
    assert warning.startswith("float32 is too coarse for x0, x1, x2, x3, x4 and 25 more: ")


@given(
    st.floats(-1e12, 1e12),
    st.floats(1e-3, 1e6),
    st.integers(0, 2**32 - 1),
)
def test_what_is_not_told_keeps_its_variance(centre: float, deviation: float, seed: int) -> None:
    y = centre + deviation * np.random.default_rng(seed).normal(size=200)
    lost = np.square(y - y.astype(np.float32)).mean() / y.var()
    if warnings(y=y, x=np.zeros(200)):
        assert np.spacing(np.float32(np.abs(y).max())) > 0.9 * COARSE * y.std()
    else:
        assert lost <= COARSE**2 / 4, "no number is moved by more than half of the spacing"


@pytest.mark.filterwarnings("error")
def test_numbers_of_any_size_are_looked_at_in_silence() -> None:
    assert warnings(np.array([1e300, -1e300]), np.array([5e-324, 0.0]), dtype="float64") == []
