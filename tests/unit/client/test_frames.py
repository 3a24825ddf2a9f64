"""What people have their data in comes to the service as the same numbers."""

import math
from datetime import date
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import httpx2
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from slope.answers.jobs import JobView
from slope.client import Client, Job
from slope.client.calls import handles
from slope.client.frames import inline_dataset, rows_to_predict, target_name
from slope.client.history.history import History

ROWS = [[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]
TABLE = {"area": [1.0, 2.0, 3.0], "rooms": [0.0, 1.0, 0.0], "price": [2.0, 5.0, 6.0]}


class Foreign:
    """A frame of a library that nobody here knows: it has names, and the Arrow C stream protocol."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


FRAMES = {
    "a dictionary": TABLE,
    "pandas": pd.DataFrame(TABLE),
    "Arrow": pa.table(TABLE),
    "polars": pl.DataFrame(TABLE),
    "others": Foreign(pa.table(TABLE)),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_learnt_from_by_the_names_of_its_columns(frame: Any) -> None:
    assert inline_dataset(frame, "price") == {
        "x": ROWS,
        "y": TABLE["price"],
        "features": ["area", "rooms"],
        "target": "price",
    }
    chosen = inline_dataset(frame, "price", features=["rooms"], weights="area")
    assert (chosen["x"], chosen["weights"]) == ([[0.0], [1.0], [0.0]], TABLE["area"])
    assert rows_to_predict(frame, ["rooms", "area"]) == [row[::-1] for row in ROWS]


@pytest.mark.parametrize(
    "x", [ROWS, tuple(map(tuple, ROWS)), np.array(ROWS), np.array(ROWS, "float32"), [*np.array(ROWS)]]
)
@pytest.mark.parametrize("y", [np.array([2, 5, 6]), pd.Series([2, 5, 6]), pa.array([2, 5, 6]), [np.int64(2), 5, 6]])
def test_rows_without_names_are_the_numbers_themselves(x: Any, y: Any) -> None:
    assert inline_dataset(x, y) == {"x": ROWS, "y": [2, 5, 6]}


def test_numbers_of_one_feature_need_no_rows() -> None:
    assert inline_dataset(np.array([1.0, 2.0]), [2, 4]) == {"x": [1.0, 2.0], "y": [2, 4]}


def test_the_target_has_a_name_that_no_feature_has() -> None:
    assert inline_dataset(TABLE, [1, 2, 3])["target"] == "y"
    assert inline_dataset({"y": [1.0]}, pd.Series([2.0], name="y"))["target"] == "y_"
    assert target_name(pl.Series([2.0]), ["area"]) == "y"  # polars calls what has no name ""


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (ROWS, "price", "names a column, and x has no names"),
        (TABLE, "prize", "There is no column 'prize': there are 'area', 'rooms', 'price'"),
        ([1.0, float("nan")], [1, 2], "x has nan in row 1"),
        ([1.0, 2.0], [1, float("inf")], "y has inf in row 1"),
    ],
)
def test_what_cannot_be_learnt_from_is_told_before_it_is_sent(x: Any, y: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        inline_dataset(x, y)


LINES = (
    b'{"epoch":0,"loss":4.0,"gradient_mean":{"weights":[1.0,2.0],"bias":null},"weights":[0.5,1.5],"bias":null}\n'
    b'{"epoch":1,"loss":2.0,"gradient_mean":{"weights":[0.5,1.0],"bias":null},"weights":[0.7,1.7],"bias":null}\n'
)


def test_a_history_is_columns_for_each_library() -> None:
    history = History.of(LINES)

    arrays = history.numpy()
    assert len(history) == 2
    assert (arrays["epoch"].tolist(), arrays["epoch"].dtype) == ([0, 1], np.int64)
    assert arrays["weights"].tolist() == [[0.5, 1.5], [0.7, 1.7]]
    assert np.isnan(arrays["bias"]).all()
    assert history.arrow()["gradient_mean_weights"].to_pylist() == [[1.0, 2.0], [0.5, 1.0]]
    assert history.pandas()["weights_1"].tolist() == [1.5, 1.7]
    assert len(History.of(b"")) == 0


def test_a_history_that_came_as_arrow_is_the_same() -> None:
    weights = {"weights_0": [0.5, math.inf, math.nan], "weights_1": [1.5, 2.5, math.nan]}
    no_gradient = {f"gradient_mean_weights_{place}": pa.nulls(3, pa.float64()) for place in range(2)}
    table = pa.table({"epoch": [0, 1, 2], "loss": [4.0, 2.0, math.inf], **no_gradient, **weights})
    told = [[0.5, 1.5], [None, 2.5], [None, None]]
    nothing = [None, None, None]
    assert dict(History.of_arrow(_stream(table)).columns) == {
        "epoch": [0, 1, 2],
        "loss": [4.0, 2.0, None],
        "gradient_mean_weights": nothing,
        "weights": told,
    }
    empty = History.of_arrow(_stream(table[:0]))
    assert (len(empty), dict(empty.columns)) == (0, {})


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found


@pytest.mark.parametrize("has_arrow", [True, False])
def test_a_history_is_asked_for_as_arrow_where_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, has_arrow: bool
) -> None:
    monkeypatch.setattr(handles, "find_spec", lambda name: object() if has_arrow else None)
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers["accept"])
        return httpx2.Response(200, content=LINES, headers={"Content-Type": "application/x-ndjson"})

    with Client(transport=httpx2.MockTransport(answer)) as client:
        handle = Job(client, JobView.model_construct(id=UUID(int=7)))
        assert handle.history() == History.of(LINES)
    assert [accept.startswith("application/vnd.apache.arrow.stream") for accept in asked] == [has_arrow]


def test_a_gradient_that_does_not_flow_is_missing_in_every_cell() -> None:
    history = History.of(LINES.replace(b'"weights":[1.0,2.0],"bias"', b'"weights":null,"bias"'))
    assert np.isnan(history.numpy()["gradient_mean_weights"]).tolist() == [[True, True], [False, False]]
    assert history.pandas()["gradient_mean_weights_0"].isna().tolist() == [True, False]


def test_the_gradient_of_frozen_weights_is_missing_in_every_column() -> None:
    frozen = LINES.replace(b'"weights":[1.0,2.0],"bias"', b'"weights":null,"bias"')
    history = History.of(frozen.replace(b'"weights":[0.5,1.0],"bias"', b'"weights":null,"bias"'))
    assert np.isnan(history.numpy()["gradient_mean_weights"]).tolist() == [[True, True], [True, True]]
    assert history.pandas()["gradient_mean_weights_1"].isna().tolist() == [True, True]


def test_a_column_of_words_is_named_with_what_it_has() -> None:
    frame = pd.DataFrame(TABLE | {"city": ["Bonn", "Ulm", "Bonn"]})
    with pytest.raises(ValueError, match=r"Column 'city' has 'Bonn' in row 0.*features.*one_hot"):
        inline_dataset(frame, "price")
    assert inline_dataset(frame, "price", features=["area"])["x"] == [[1.0], [2.0], [3.0]]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (pd.date_range("2026-01-01", periods=3), "has Timestamp.*which is no number.*make numbers of it"),
        (pl.Series([date(2026, 1, 1)] * 3), "has datetime.date.*which is no number"),
        ([1j, 2j, 3j], "has 1j in row 0, which is no number"),
        ([1.0, float("nan"), 2.0], "has no number in row 1.*nulls"),
        (pd.array([1, 2, None], dtype="Int64"), "has no number in row 2"),
        (
            pd.to_datetime(["2026-01-01", None, None])[1:].append(pd.to_datetime(["2026-01-01"])),
            "has no number in row 0",
        ),
        (pl.Series([1, None, 3]), "has no number in row 1"),
    ],
    ids=["timestamps", "dates", "complex", "nan", "NA", "NaT", "null"],
)
def test_a_column_without_numbers_is_named_with_the_first_row_that_has_none(cells: Any, told: str) -> None:
    with pytest.raises(ValueError, match=f"Column 'when' {told}"):
        inline_dataset({"when": cells, "price": [1, 2, 3]}, "price")


def test_true_and_false_and_decimals_are_numbers() -> None:
    frame = pl.DataFrame({"sold": [True, False], "price": [Decimal("1.5"), Decimal("2.25")]})
    assert inline_dataset(frame, "price") == {
        "x": [[1], [0]],
        "y": [1.5, 2.25],
        "features": ["sold"],
        "target": "price",
    }


@pytest.mark.parametrize("kind", ["pandas", "arrow", "stream"])
def test_two_columns_of_a_name_are_refused_and_none_is_left_out(kind: str) -> None:
    table = pa.table([[1], [2], [3]], names=["a", "a", "y"])
    twice = {"pandas": table.to_pandas, "arrow": lambda: table, "stream": lambda: Foreign(table)}[kind]()
    for given, y in ((twice, "y"), ([[0]], twice)):
        with pytest.raises(ValueError, match="Several columns have the name 'a'"):
            inline_dataset(given, y)


def test_names_that_are_written_alike_are_one_name() -> None:
    with pytest.raises(ValueError, match="Several columns have the name '1'"):
        inline_dataset({1: [1], "1": [2]}, [3])


def test_columns_may_have_whole_numbers_for_names() -> None:
    frame = pd.DataFrame([[1.0, 2.0, 9.0], [3.0, 6.0, 8.0]])
    named = frame.rename(columns=str)
    assert inline_dataset(frame, 1, weights=np.int64(2)) == inline_dataset(named, "1", weights="2")
    assert inline_dataset(frame, 1, features=cast(Any, [0])) == inline_dataset(named, "1", features=["0"])
    with pytest.raises(ValueError, match="x has no names for its columns"):
        inline_dataset([[1.0, 2.0]], 1)


def test_a_frame_of_one_column_is_a_target() -> None:
    assert inline_dataset([1, 2], pd.DataFrame({"price": [3, 4]}))["y"] == [3, 4]
    with pytest.raises(ValueError, match="One column is needed, and there are 'area', 'rooms', 'price'"):
        inline_dataset([1, 2, 3], TABLE)
