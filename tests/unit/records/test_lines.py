"""Records written column by column are the JSON of the views that document them."""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.api.files.lines import epoch_lines, step_lines
from service.api.schemas.records import view_epoch, view_step
from service.records.pages import StepsWithRows, StepWithRows
from service.store.tables import Epoch, Step
from service.store.tables.base import read_vectors, write_vectors
from slope.columns import EpochColumns, StepColumns

_VECTORS = {"gradient_mean_weights", "gradient_last_weights", "gradient_weights", "weights"}
_NULLABLE = {"validation_loss", "gradient_mean_weights", "gradient_last_weights", "gradient_weights"}
_NULLABLE |= {"gradient_mean_bias", "gradient_last_bias", "gradient_bias", "bias"}


@st.composite
def columns(draw: st.DrawFn, kind: type[Any]) -> Any:
    count, features = draw(st.integers(1, 4)), draw(st.integers(1, 3))

    def column(name: str) -> NDArray[Any] | None:
        if name in ("epoch", "step"):
            return np.arange(count)
        if name in _NULLABLE and draw(st.booleans()):
            return None
        shape = (count, features) if name in _VECTORS else (count,)
        numbers = st.lists(st.floats(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
        return np.array(draw(numbers)).reshape(shape)

    return kind(**{field.name: column(field.name) for field in fields(kind)})


def rows_of(table: type[Any], found: Any) -> list[Any]:
    arrays = found.arrays().items()
    return [
        table(**{name: None if column is None else column[row].tolist() for name, column in arrays})
        for row in range(len(found))
    ]


@settings(deadline=None)
@given(columns(EpochColumns))
def test_a_line_of_an_epoch_is_its_view(found: EpochColumns) -> None:
    views = [view_epoch(row).model_dump_json() for row in rows_of(Epoch, found)]
    assert [same(line) for line in epoch_lines(found)] == [same(view) for view in views]


@settings(deadline=None)
@given(columns(StepColumns), st.booleans())
def test_a_line_of_a_step_is_its_view(found: StepColumns, lists_rows: bool) -> None:
    rows = [np.arange(step, 7)[::2] for step in range(len(found))] if lists_rows else None
    views = [
        view_step(StepWithRows(step, rows[place].tolist() if rows else None)).model_dump_json()
        for place, step in enumerate(rows_of(Step, found))
    ]
    assert [same(line) for line in step_lines(StepsWithRows(found, rows))] == [same(view) for view in views]


def same(line: str) -> str:
    """Names in their order, and numbers to the bit, however they are written."""
    return repr(json.loads(line))


def test_no_record_has_no_line() -> None:
    empty = {field.name: np.empty(0) for field in fields(EpochColumns)}
    assert epoch_lines(EpochColumns(**empty)) == []


@given(st.integers(1, 4), st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_vectors_come_back_from_json_to_the_bit(features: int, numbers: list[float]) -> None:
    matrix = np.resize(np.array(numbers), (3, features))
    assert read_vectors(write_vectors(matrix)).tobytes() == matrix.tobytes()


@pytest.mark.parametrize("texts", [["[1]", "[2]"], ["[1.0, 2.5]", "[-0.0,1e-320]"]], ids=["whole", "spaces"])
def test_vectors_written_by_others_are_read(texts: list[str]) -> None:
    assert read_vectors(texts).tolist() == [json.loads(text) for text in texts]
