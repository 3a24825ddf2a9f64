"""The triangle of a dataset stands for its rows: the same losses, and the same analysis, of any of its columns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slope.analysis import Analysis, analyse, analyse_columns, loss_of, reached, reached_by
from slope.arrays import Array
from slope.data import prepare
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.spec import TrainingSpec
from slope.triangle import Triangle, Triangulation


def triangle_of(table: Array, part: int = 1000) -> Triangle | None:
    taken = Triangulation(table.shape[1])
    for start in range(0, len(table), part):
        taken.add(list(table[start : start + part].T))
    return taken.triangle()


def columns_of(table: Array, features: list[int], target: int) -> ReducedColumns:
    triangle, chosen = triangle_of(table), [*features, target]
    assert triangle is not None
    extremes = table[:, chosen].min(axis=0), table[:, chosen].max(axis=0)
    return ReducedColumns(ReducedRows(triangle.chosen(chosen), triangle.rows), *extremes)


def random_table(rows: int, columns: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((rows, columns))


def conditioned(rows: int, columns: int, exponent: float) -> Array:
    """Columns of about this condition, a power of ten, and a last one that follows from them."""
    table = random_table(rows, columns)
    table[:, 1] = table[:, 0] + 10.0**-exponent * table[:, 1]
    table[:, -1] += table[:, :-1].sum(axis=1)
    return table


def nearly_constant(rows: int) -> Array:
    return 1e6 + random_table(rows, 4) * [1e-3, 1, 10, 1]


def with_a_constant(rows: int) -> Array:
    table = random_table(rows, 5)
    table[:, 2] = 0.1
    return table


def of_all_sizes(rows: int) -> Array:
    return random_table(rows, 6) * 10.0 ** np.array([-150, -50, 0, 50, 100, 150])


def drifting(rows: int) -> Array:
    """In later rows a column is what it was not in the first ones."""
    table = random_table(rows, 4)
    table[:-100, 1] = 3.0
    table[-100:, 2] *= 1e9
    return table


TABLES = {
    "plain": lambda: random_table(5000, 4),
    "condition 1e8": lambda: conditioned(6000, 5, 8),
    "128 columns": lambda: random_table(4500, 128),
    "128 columns, condition 1e8": lambda: conditioned(4500, 128, 8),
    "nearly constant": lambda: nearly_constant(5000),
    "a constant": lambda: with_a_constant(5000),
    "all sizes": lambda: of_all_sizes(5000),
    "drifting": lambda: drifting(5000),
    "few rows": lambda: random_table(3, 5),
}


@pytest.mark.parametrize("name", TABLES)
def test_it_has_the_squared_error_of_the_rows(name: str) -> None:
    table = TABLES[name]()
    columns = columns_of(table, list(range(table.shape[1] - 1)), table.shape[1] - 1)
    sizes = np.sqrt(np.square(table / np.abs(table).max(axis=0)).mean(axis=0)) * np.abs(table).max(axis=0)
    for weights in np.random.default_rng(1).standard_normal((5, table.shape[1])) / sizes:
        residuals = table.astype(np.longdouble) @ weights + 0.5
        expected = float(np.square(residuals).sum())
        scaled = columns.whole.triangle[:, 1:] @ weights + 0.5 * columns.whole.ones
        assert np.square(scaled).sum() == pytest.approx(expected, rel=1e-12)


def test_a_first_row_unlike_the_others_makes_no_table_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_table(5000, 128)
    table[0] = 3.0  # of all columns, which would have that in common if it were subtracted from all rows
    monkeypatch.setattr("slope.triangle._by_householder", lambda rows: pytest.fail("the slow way was taken"))
    assert triangle_of(table) is not None


SPECS: dict[str, dict[str, Any]] = {
    "plain": {},
    "standardized": {"standardize": True},
    "ridge": {"l2": 0.1},
    "no bias": {"fit_bias": False},
    "no bias, standardized": {"fit_bias": False, "standardize": True},
    "frozen bias": {"frozen": ["bias"], "initial_bias": 0.5},
    "frozen weights": {"frozen": ["weights"]},
    "huber": {"loss": "huber"},
}


def near(value: float | None, relative: float, absolute: float = 0.0) -> Any:
    """Compares as about this number, or as None."""
    return None if value is None else pytest.approx(value, rel=relative, abs=absolute)


def assert_alike(found: Analysis | None, expected: Analysis | None, relative: float) -> None:
    assert found is not None
    assert expected is not None
    assert found.exact is not None
    assert expected.exact is not None
    weights = np.array(expected.exact.weights)
    absolute = relative * np.abs(weights).max() + 1e-15
    np.testing.assert_allclose(found.exact.weights, weights, rtol=relative, atol=absolute)
    assert found.exact.bias == near(expected.exact.bias, relative, relative)
    assert found.exact.loss == near(expected.exact.loss, max(relative / 1e3, 1e-10), 1e-24)
    assert found.r_squared == near(expected.r_squared, 0.0, max(relative / 1e3, 1e-12))
    assert found.condition_number == near(expected.condition_number, 1e-6)
    assert found.max_stable_learning_rate == near(expected.max_stable_learning_rate, 1e-12)
    left_out = {"exact": None, "r_squared": None, "condition_number": None, "max_stable_learning_rate": None}
    assert replace(found, **left_out) == replace(expected, max_stable_learning_rate_per_row=None, **left_out)


@pytest.mark.parametrize("options", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("name", ["plain", "a constant", "nearly constant", "condition 1e8"])
def test_the_analysis_is_that_of_the_rows(name: str, options: dict[str, Any]) -> None:
    table, spec = TABLES[name](), TrainingSpec(batch_size="full", dtype="float64", **{"learning_rate": 0.01} | options)
    features, target = [3, 0, 1], 2
    found = analyse_columns(columns_of(table, features, target), spec)
    expected = analyse(prepare(table[:, features], table[:, target], spec), spec)
    hard = {"condition 1e8": 1e-5, "nearly constant": 1e-5}  # neither has more digits
    assert_alike(found, expected, hard.get(name, 1e-11))


@pytest.mark.parametrize("options", SPECS.values(), ids=SPECS)
def test_a_design_without_full_rank_has_the_shortest_of_its_solutions(options: dict[str, Any]) -> None:
    words = np.random.default_rng(0).integers(0, 4, 5000)
    table = np.column_stack([words[:, None] == np.arange(4), random_table(5000, 2)]).astype(float)
    spec = TrainingSpec(batch_size="full", dtype="float64", **{"learning_rate": 0.01} | options)
    found = analyse_columns(columns_of(table, [0, 1, 2, 3, 4], 5), spec)
    assert_alike(found, analyse(prepare(table[:, :5], table[:, 5], spec), spec), 1e-10)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 9000),
    columns=st.integers(2, 12),
    sizes=st.integers(-100, 100),
    exponent=st.floats(0, 8),
    seed=st.integers(0, 1000),
)
def test_losses_are_those_of_the_rows(rows: int, columns: int, sizes: int, exponent: float, seed: int) -> None:
    table = random_table(rows, columns, seed)
    table[:, -1] = table[:, 0] + 10.0**-exponent * table[:, -1]
    table *= 10.0 ** np.linspace(-sizes, sizes, columns).round()
    spec = TrainingSpec(batch_size="full", dtype="float64", learning_rate=0.01, standardize=True)
    found = columns_of(table, list(range(columns - 1)), columns - 1)
    data, (reduced, scaler) = prepare(table[:, :-1], table[:, -1], spec), found.prepared(spec)
    assert scaler is not None
    weights = np.random.default_rng(seed).standard_normal(columns - 1) * np.abs(table[:, -1]).max()
    expected = loss_of(data, spec, weights, 0.5)
    assert reduced.squared_error(weights, 0.5) / rows == pytest.approx(expected, rel=1e-11)
    assert reached_by(reduced, spec, weights, 0.5, 0.0).r_squared == pytest.approx(
        reached(data, spec, weights, 0.5, 0.0).r_squared, rel=1e-11
    )


def test_its_bits_do_not_depend_on_how_the_rows_were_handed_over() -> None:
    table = conditioned(9000, 6, 3)
    whole, parts = triangle_of(table, 9000), triangle_of(table, 77)
    assert whole is not None
    assert parts is not None
    assert np.array_equal(whole.values, parts.values)


def test_it_comes_back_as_it_was_encoded() -> None:
    triangle = triangle_of(random_table(100, 7))
    assert triangle is not None
    again = Triangle.decode(triangle.encode(), 100)
    assert np.array_equal(again.values, triangle.values)
    assert len(triangle.encode()) == 8 * 36


HUGE = np.full((3, 2), 1.7e308) * [[1, -1], [-1, 1], [1, 1]]


@pytest.mark.parametrize("table", [HUGE, np.empty((0, 2))], ids=["huge", "empty"])
def test_there_is_none_of_no_rows_and_beyond_the_range_of_doubles(table: Array) -> None:
    assert triangle_of(table) is None


@pytest.mark.parametrize("scale", [1e-170, 1e-250])
@pytest.mark.parametrize("place", [0, 2])
def test_columns_whose_squares_vanish_are_no_zeros(scale: float, place: int) -> None:
    random = np.random.default_rng(1)
    table = random.normal(size=(200_000, 3)) + 2
    sizes = np.ones(3)
    sizes[place] = scale
    found, plain = Triangulation(3), Triangulation(3)
    found.add(list((table * sizes).T))
    plain.add(list(table.T))
    small, expected = found.triangle(), plain.triangle()
    assert small is not None
    assert expected is not None
    assert np.abs(small.values / np.array([1.0, *sizes])) == pytest.approx(np.abs(expected.values), rel=1e-9, abs=1e-9)
