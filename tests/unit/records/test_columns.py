"""Records as columns."""

import numpy as np
import pytest

from slope.columns import StepColumns
from slope.records import StepTable


def steps(count: int) -> StepColumns:
    places = np.arange(count)
    return StepColumns(places * 0, places, places / 2, None, None, places[:, None] * 1.0, None)


@pytest.mark.parametrize("rows", [[2, 0, 1], [1, 1, 1], [2, 1, 0]])
def test_as_many_rows_as_there_are_come_in_the_order_asked_for(rows: list[int]) -> None:
    chosen = steps(3).at(np.array(rows))
    assert chosen.step.tolist() == rows
    assert chosen.weights[:, 0].tolist() == rows


def test_all_rows_as_they_stand_are_not_copied() -> None:
    whole = steps(3)
    assert whole.at(np.arange(3)) is whole


def test_a_table_can_be_read_backwards() -> None:
    assert [record.step for record in StepTable(steps(3))[::-1]] == [2, 1, 0]
