"""The numbers of docs/explanation/statistics.md are those that the code prints."""

from pathlib import Path

import numpy as np
import pytest

from slope.arrays import Array
from slope.spec import TrainingSpec
from slope.statistics.covariance import Covariance
from slope.statistics.influence import InfluencePass, influence_of
from slope.statistics.intervals import Intervals
from slope.statistics.passes import DurbinWatson
from slope.statistics.sandwich import Sandwich
from slope.statistics.solution import Solution, solve_rows
from slope.statistics.table import tell
from slope.statistics.text import text_of, text_of_influence

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "explanation" / "statistics.md").read_text()


@pytest.fixture
def cars() -> tuple[Array, Array, Solution]:
    table = np.loadtxt(DOCS / "tutorials" / "cars.csv", delimiter=",", skiprows=1)
    return table[:, :1], table[:, 1], solve_rows(table[:, :1], table[:, 1], TrainingSpec(learning_rate=0.1))


def on_the_page(lines: list[str]) -> bool:
    return all(line.rstrip() in PAGE for line in lines if line.strip())


def test_the_table_of_the_cars_is_on_the_page(cars: tuple[Array, Array, Solution]) -> None:
    x, y, solution = cars
    neighbours = DurbinWatson(solution)
    neighbours.add(x, y, np.arange(len(y)))
    told = tell(
        *(solution, ["speed"]),
        level=0.95,
        trained=([3.9323], -17.5785),
        durbin_watson=neighbours.result()["value"],
    )
    assert on_the_page(text_of(told).splitlines()[1:])


def test_the_robust_table_of_the_cars_is_on_the_page(cars: tuple[Array, Array, Solution]) -> None:
    x, y, solution = cars
    rows = Sandwich(solution, "HC3")
    rows.add(x, y, np.arange(len(y)))
    told = tell(solution, ["speed"], level=0.95, covariance=Covariance.robust("HC3", solution, rows.result()))
    for row in told.coefficients:
        assert f"{row.standard_error:.6g}" in PAGE
        assert f"{row.lower:.6g}" in PAGE


def test_the_rows_that_hold_the_line_of_the_cars_are_on_the_page(cars: tuple[Array, Array, Solution]) -> None:
    x, y, solution = cars
    rows = InfluencePass(solution)
    rows.add(x, y, np.arange(len(y)))
    assert on_the_page(text_of_influence(influence_of(solution, rows.result(), "cook", 3)).splitlines()[1:])


def test_the_intervals_of_the_cars_are_on_the_page(cars: tuple[Array, Array, Solution]) -> None:
    for kind in ("confidence", "prediction"):
        ends = Intervals(cars[2], kind, 0.95).bounds(np.array([[21.0], [40.0]]))  # type: ignore[arg-type]
        for lower, upper in zip(*ends, strict=True):
            assert f"{lower:.1f} to {upper:.1f}" in PAGE


def test_the_lecture_s_line_with_noise_is_on_the_page() -> None:
    spec = TrainingSpec(learning_rate=0.01, fit_bias=False)
    solution = solve_rows(np.array([[1.0], [2.0], [3.0]]), np.array([2.1, 3.9, 6.2]), spec)
    lines = text_of(tell(solution, ["x"], level=0.95, trained=([1.9], None))).splitlines()
    assert on_the_page([*lines[2:6], *lines[9:11]])
