"""How well predictions fit, whatever the parts the rows come in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_squared_error, r2_score

from slope.fit import Fit

numbers = st.floats(-1e9, 1e9)


@settings(deadline=None)
@given(st.data(), st.integers(2, 40))
def test_it_is_that_of_scikit_learn_in_any_parts(data: st.DataObject, rows: int) -> None:
    y = data.draw(arrays(np.float64, rows, elements=numbers))
    predictions = data.draw(arrays(np.float64, rows, elements=numbers))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    fit = Fit()
    for start, end in zip([0, *cuts], [*cuts, rows], strict=True):
        fit.add(y[start:end], predictions[start:end])
    assert fit.mean_squared_error == pytest.approx(mean_squared_error(y, predictions), rel=1e-9, abs=1e-9)
    if np.ptp(y) > 1e-3:
        assert fit.r_squared == pytest.approx(r2_score(y, predictions), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("y", "predictions", "expected"),
    [
        ([], [], (None, None)),
        ([1.0, 2.0], [1.0, 2.0], (0.0, 1.0)),
        ([1.0, 3.0], [2.0, 2.0], (1.0, 0.0)),
        ([2.0, 2.0], [2.0, 3.0], (0.5, None)),
        ([1.0, 2.0], [np.inf, 2.0], (None, None)),
        ([1e308, -1e308], [-1e308, 1e308], (None, None)),
        ([1e200, 2e200], [1e200, 1e200], (None, None)),
        ([0.0, 1e-300], [0.0, 0.0], (0.0, None)),
    ],
)
def test_what_there_is_none_of_is_none(y: Any, predictions: Any, expected: tuple[float | None, float | None]) -> None:
    fit = Fit()
    fit.add(np.array(y), np.array(predictions))
    assert (fit.mean_squared_error, fit.r_squared) == expected
