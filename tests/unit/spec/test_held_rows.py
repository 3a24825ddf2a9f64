"""Rows that are held back by name: which they are, and what a request may say of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from slope.data import prepare
from slope.engines.groups.groups import groups_of
from slope.engines.reduction.partitioned import PartitionedData
from slope.loop import Training
from slope.spec import JobRequest, TrainingSpec, faults_of
from slope.splits import divide_rows, training_rows

ROWS = 20


def _ranges(rows: set[int]) -> list[list[int]]:
    starts = sorted(row for row in rows if row - 1 not in rows)
    stops = sorted(row + 1 for row in rows if row + 1 not in rows)
    return [list(each) for each in zip(starts, stops, strict=True)]


@given(st.lists(st.sampled_from(["training", "validation", "test"]), min_size=1, max_size=ROWS))
def test_rows_are_divided_as_they_are_named(kinds: list[str]) -> None:
    named = {kind: {row for row, each in enumerate(kinds) if each == kind} for kind in ("validation", "test")}
    spec = TrainingSpec(validation_rows=_ranges(named["validation"]), test_rows=_ranges(named["test"]))
    found = divide_rows(len(kinds), spec)
    expected = [[row for row, each in enumerate(kinds) if each == kind] for kind in ("training", "validation", "test")]
    assert [part.tolist() for part in found] == expected
    assert training_rows(len(kinds), spec) == len(expected[0])


def test_a_run_learns_as_if_the_other_rows_were_not_there() -> None:
    x, y = np.random.default_rng(0).normal(size=(ROWS, 2)), np.arange(float(ROWS))
    spec = TrainingSpec(learning_rate=0.1, dtype="float64", standardize=True, validation_rows=[[5, 9]])
    left = np.r_[0:5, 9:ROWS]
    *_, last = Training(prepare(x, y, spec), spec).epochs()
    alone = spec.model_copy(update={"validation_rows": []})
    *_, expected = Training(prepare(x[left], y[left], alone), alone).epochs()
    assert last.parameters == expected.parameters
    assert last.validation_loss is not None


def test_data_that_is_read_in_parts_is_divided_so_too() -> None:
    x, y = np.random.default_rng(0).normal(size=(ROWS, 2)), np.arange(float(ROWS))
    spec = TrainingSpec(validation_rows=[[5, 9]], test_rows=[[0, 2]])
    parts = PartitionedData(lambda rows: iter([(x[rows.start : rows.stop], y[rows.start : rows.stop])]), ROWS, 2, spec)
    found = parts.reduce(range(ROWS), lambda: None)
    assert (found.training.rows, found.validation.rows, found.test.rows) == (ROWS - 6, 4, 2)


def test_settings_train_together_where_they_hold_back_the_same_rows() -> None:
    folds = [[[0, 10]], [[10, 20]]]
    specs = [TrainingSpec(learning_rate=rate, validation_rows=fold) for fold in folds for rate in (0.1, 0.2)]
    assert groups_of(specs, ROWS, 2) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"validation_rows": [[3, 3]]}, "/validation_rows/0"),
        ({"validation_rows": [[4, 3]]}, "/validation_rows/0"),
        ({"validation_rows": [[1, 3], [2, 4]]}, "/validation_rows/1/0"),
        ({"validation_rows": [[-1, 3]]}, "/validation_rows/0/0"),
        ({"validation_rows": [[1, 2, 3]]}, "/validation_rows/0"),
        ({"validation_rows": [[0, 4]]}, "/validation_rows/0/1"),
        ({"validation_rows": [[0, 3]]}, "/validation_rows"),
        ({"test_rows": [[0, 2]], "validation_rows": [[2, 3]]}, "/validation_rows"),
        ({"test_rows": [[0, 2]], "validation_rows": [[1, 2]]}, "/test_rows"),
        ({"test_rows": [[0, 1]], "validation_fraction": 0.4}, "/validation_fraction"),
        ({"validation_rows": [[0, 1]], "test_fraction": 0.4}, "/test_fraction"),
    ],
    ids=str,
)
def test_what_cannot_be_held_back_is_refused_where_it_is_said(wrong: dict[str, Any], pointer: str) -> None:
    request = {"dataset": {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}, "hyperparameters": wrong}
    with pytest.raises(ValidationError) as raised:
        JobRequest.model_validate(request)
    assert [fault.pointer for fault in faults_of(raised.value.errors(), request)] == ["/hyperparameters" + pointer]


def test_a_spec_that_names_no_rows_is_written_as_ever() -> None:
    assert not {"validation_rows", "test_rows"} & TrainingSpec().model_dump().keys()
