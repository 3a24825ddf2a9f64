"""A reduction has the squared error of its rows at every w and b, whatever the rows are like."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slope.arrays import Array
from slope.engines.reduction.reduction import CHUNK_ROWS, FIRST_ROWS, Reduction

random = np.random.default_rng(7)
LONG = FIRST_ROWS + CHUNK_ROWS + 1000
"""Rows of three chunks."""


def reduced(x: Array, y: Array) -> Reduction:
    return Reduction.of([(x, y)], x.shape[1])


def squared_error(x: Array, y: Array, weights: Array, bias: float) -> float:
    """Summed in extended precision."""
    return float(np.square(x.astype(np.longdouble) @ weights + bias - y).sum())


def assert_stands_for(reduction: Reduction, x: Array, y: Array, relative: float = 1e-12) -> None:
    assert reduction.rows == len(y)
    assert reduction.triangle.shape == (x.shape[1] + 2, x.shape[1] + 2)
    for scale in (0.0, 1.0, 10.0):
        weights, bias = scale * random.normal(size=x.shape[1]), scale * random.normal()
        wanted = squared_error(x, y, weights, bias)
        assert reduction.squared_error(weights, bias) == pytest.approx(wanted, rel=relative)


@st.composite
def data(draw: st.DrawFn) -> tuple[Array, Array]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, features = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    x = generator.normal(draw(st.sampled_from([0, 100])), 1, (rows, features)) * 10.0 ** generator.integers(
        -6, 6, features
    )
    if draw(st.booleans()):
        x[:, 0] = draw(st.sampled_from([0.0, 3.0]))
    return x, x @ generator.normal(size=features) + draw(st.sampled_from([0, 1e-9, 1])) * generator.normal(size=rows)


@given(data())
def test_it_has_the_squared_error_of_its_rows_at_every_point(rows: tuple[Array, Array]) -> None:
    assert_stands_for(reduced(*rows), *rows, relative=1e-11)


@pytest.mark.parametrize("noise", [1.0, 1e-3])
@pytest.mark.parametrize("condition", [1.0, 1e4, 1e8])
def test_long_data_of_any_condition_loses_no_digits(condition: float, noise: float) -> None:
    x, weights = ill_conditioned(LONG, condition), np.arange(1.0, 6.0)
    y = x @ weights + noise * random.normal(size=LONG)
    reduction = reduced(x, y)
    assert_stands_for(reduction, x, y)
    assert reduction.squared_error(weights, 0.0) == pytest.approx(squared_error(x, y, weights, 0.0), rel=1e-10)


def test_its_solution_is_as_good_as_one_of_all_rows() -> None:
    x = ill_conditioned(LONG, 1e8)
    y = x @ np.ones(5) + 0.1 * random.normal(size=LONG)
    reduction = reduced(x, y)
    (solution, *_), (all_rows, *_) = (np.linalg.lstsq(a, b) for a, b in ((reduction.x, reduction.y), (x, y)))
    best = squared_error(x, y, solution, 0.0)
    assert best == pytest.approx(squared_error(x, y, all_rows, 0.0), rel=1e-9)


def test_an_error_of_zero_is_zero_but_for_the_rounding_of_the_targets() -> None:
    x = random.normal(size=(LONG, 5))
    y = x @ np.arange(5.0) + 2
    assert reduced(x, y).squared_error(np.arange(5.0), 2.0) <= LONG * (1e-15 * np.abs(y).max()) ** 2


def ill_conditioned(rows: int, condition: float) -> Array:
    """Five columns whose singular values fall evenly, turned into each other."""
    turn = np.linalg.qr(random.normal(size=(5, 5))).Q
    return random.normal(size=(rows, 5)) * np.geomspace(1, 1 / condition, 5) @ turn


def test_rows_like_no_rows_before_are_not_lost() -> None:
    x = np.zeros((LONG, 3))
    x[:, 0], x[-5:, 1:] = 1.0, 1e9 * random.normal(size=(5, 2))
    y = random.normal(size=LONG)
    assert_stands_for(reduced(x, y), x, y)


def test_numbers_whose_squares_no_double_holds() -> None:
    x, y = 1e200 * random.normal(size=(LONG, 2)), random.normal(size=LONG)
    reduction = reduced(x, y)
    residuals = 1e-200 * (reduction.x @ [1.0, 2.0])
    assert residuals @ residuals == pytest.approx(np.square(1e-200 * x @ [1.0, 2.0]).sum(), rel=1e-12)


def test_the_bits_do_not_depend_on_how_the_rows_come() -> None:
    x, y = random.normal(size=(LONG, 3)), random.normal(size=LONG)
    whole = reduced(x, y)

    def pieces() -> Iterator[tuple[Array, Array]]:
        for start in range(0, LONG, 777):
            yield x[start : start + 777], y[start : start + 777]

    streamed = Reduction.of(pieces(), 3)
    assert streamed.rows == whole.rows
    assert (streamed.triangle == whole.triangle).all()


def test_parts_join_to_the_whole() -> None:
    x, y = ill_conditioned(LONG, 1e8), random.normal(size=LONG)
    parts = [reduced(x[start : start + 9_000], y[start : start + 9_000]) for start in range(0, LONG, 9_000)]
    assert_stands_for(sum(parts[1:], parts[0]), x, y)


def test_a_reduction_of_no_rows_has_no_error() -> None:
    nothing = Reduction.of([], 2)
    assert nothing.squared_error(np.ones(2), 1.0) == 0
    x, y = random.normal(size=(9, 2)), random.normal(size=9)
    assert_stands_for(nothing + reduced(x, y), x, y)


def test_a_reduction_can_be_left_after_every_chunk() -> None:
    pauses: list[int] = []

    def pause() -> None:
        pauses.append(1)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    x, y = random.normal(size=(LONG, 1)), random.normal(size=LONG)
    with pytest.raises(KeyboardInterrupt):
        Reduction.of([(x, y)], 1, pause=pause)
    assert len(pauses) == 2
