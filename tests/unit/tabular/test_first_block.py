"""What a table is taken for does not depend on where its first block ends, nor on how cells are lined up."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.ingest import ingest
from slope.tabular.left_out import reason_left_out
from slope.tabular.reading import Format, Limits, Reading
from slope.tabular.stored import read

BLOCK = 256
Table = dict[str, list[float]]
some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def taken(folder: Path, body: bytes, format: Format, limits: Limits | None = None, **options: Any) -> Table:
    source, target = folder / "body", folder / "table"
    source.write_bytes(body)
    summary = ingest(source, format, target, Reading(**options), limits or Limits(row_bytes=BLOCK))
    names = [column.name for column in summary.columns]
    with pa.OSFile(str(target)) as file:
        return dict(zip(names, np.vstack(list(read(file, names))).T.tolist(), strict=True))


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


# the first block


@pytest.mark.parametrize("early", ["", "1"])
@some
@given(st.integers(0, 200), st.integers(0, 200))
def test_a_column_s_first_word_may_come_at_any_row(tmp_path: Path, early: str, before: int, behind: int) -> None:
    body = "x,note,y\n" + f"1,{early},2\n" * before + "3,word,4\n" + "5,,6\n" * behind

    found = taken(tmp_path, body.encode(), "csv", text="drop")

    assert found == {"x": [1] * before + [3] + [5] * behind, "y": [2] * before + [4] + [6] * behind}


def test_several_columns_may_have_their_first_words_far_down(tmp_path: Path) -> None:
    body = b"a,b,x,c\n" + b"1,,2,true\n" * 100 + b"word,,2,true\n" * 100 + b"1,word,2,perhaps\n"

    assert taken(tmp_path, body, "csv", text="drop") == {"x": [2] * 201}


def test_a_column_that_is_empty_for_long_may_have_words_at_last(tmp_path: Path) -> None:
    """More rows than are checked before the rest is read."""
    body = b"x,note,y\n" + b"1,,2\n" * 300_000 + b"3,word,4\n"

    found = taken(tmp_path, body, "csv", Limits(), text="drop")

    assert (list(found), len(found["x"]), found["y"][-1]) == (["x", "y"], 300_001, 4)


@some
@given(st.integers(0, 200))
def test_a_column_without_a_name_is_empty_to_its_end_or_told(tmp_path: Path, before: int) -> None:
    with pytest.raises(BadTable, match="Column 2 has no name"):
        taken(tmp_path, b"a,b,\n" + b"1,2,\n" * before + b"1,2,3\n1,2,\n", "csv")


def test_a_word_far_down_is_told_where_words_are_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match=r"missing=.*text=drop") as told:
        taken(tmp_path, b"x,y\n" + b"1,2\n" * 200 + b"1,?\n", "csv")

    assert (told.value.row, told.value.column) == (200, "y")


@some
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from(["zero", "drop"]))
def test_a_key_of_ndjson_may_come_first_at_any_line(tmp_path: Path, before: int, behind: int, nulls: str) -> None:
    rows = [{"x": 1, "y": 2}] * before + [{"x": 3, "y": 4, "z": 5.5}] + [{"y": 6, "x": 7}] * behind

    found = taken(tmp_path, lines(rows), "ndjson", nulls=nulls)

    whole = {"x": [1] * before + [3] + [7] * behind, "y": [2] * before + [4] + [6] * behind}
    whole["z"] = [0] * before + [5.5] + [0] * behind
    assert found == (whole if nulls == "zero" else {"x": [3], "y": [4], "z": [5.5]})


def test_a_key_of_ndjson_may_have_only_nulls_at_first_and_then_words(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"x": 1, "note": None}] * 100 + [{"x": 2, "note": "word", "late": "too"}]

    assert taken(tmp_path, lines(rows), "ndjson", text="drop") == {"x": [1] * 100 + [2]}
    assert list(taken(tmp_path, lines(rows), "ndjson", one_hot=("note",), nulls="drop", text="drop")) == [
        "x",
        "note=word",
    ]


def test_what_is_wrong_with_a_late_key_is_told_at_its_line(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"x": 1}] * 100
    for late, column in (([{"x": 1, "z": 1}, {"x": 1, "z": "word"}], "z"), ([{"x": 1}, {"x": "word", "z": 1}], "x")):
        with pytest.raises(BadTable, match="as in earlier rows") as told:
            taken(tmp_path, lines([*rows, *late]), "ndjson", nulls="zero")
        assert (told.value.row, told.value.column) == (101, column)


def test_late_keys_are_counted(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"x": 1}] * 100 + [{f"k{number}": 1} for number in range(20)]

    with pytest.raises(TableTooLarge, match="20 columns"):
        taken(tmp_path, lines(rows), "ndjson", Limits(row_bytes=BLOCK, columns=20), nulls="zero")


@pytest.mark.parametrize("format", ["csv", "ndjson"])
def test_the_columns_that_are_left_out_are_named(tmp_path: Path, format: Format) -> None:
    body = b"x,hp,town\n1,?,Rome\n2,3,Oslo\n" if format == "csv" else lines([{"x": 1, "hp": "?", "town": "Rome"}])
    source = tmp_path / "body"
    source.write_bytes(body)

    notes = ingest(source, format, tmp_path / "table", Reading(text="drop", header=True), Limits()).notes

    assert ['"hp" (row 0), "town" (row 0)' in note and "missing=" in note for note in notes] == [True]


@pytest.mark.parametrize(
    ("format", "cells", "told"),
    [
        ("csv", ["1.5"] * 40 + ["w"], "row 40"),
        ("csv", ["", "NA", "2", "w"], "row 3"),
        ("csv", ["7", "3 kg"], "row 1: leave signs and units to the column's name"),
        ("csv", ["50%"], "row 0: leave signs and units to the column's name"),
        ("csv", ["'1,234'"], "row 0: name the sign between thousands by thousands="),
        ("json", [None, "$1,200"], "row 1: leave signs and units to the column's name"),
        ("ndjson", [None, "€7"], "row 1: leave signs and units to the column's name"),
        ("ndjson", [{"a": 1}], None),
        ("json", [{"a": 1}], None),
        ("parquet", ["3 kg"], None),
    ],
    ids=["late", "gaps", "unit", "percent", "thousands", "JSON", "NDJSON", "nested lines", "nested", "Parquet"],
)
def test_a_column_that_is_left_out_is_told_with_its_first_word_also_later(
    tmp_path: Path, format: Format, cells: list[Any], told: str | None
) -> None:
    """The types of Parquet say what is text: nothing of a column that is left out is read."""
    table = {"x": list(range(len(cells))), "p": cells}
    source = tmp_path / "body"
    if format == "ndjson":
        source.write_bytes(lines([dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]))
    elif format == "json":
        source.write_text(json.dumps([{"x": x, "p": p} for x, p in zip(*table.values(), strict=True)]))
    elif format == "parquet":
        pq.write_table(pa.table(table), source)
    else:
        rows = [cell.replace("'", '"') for cell in cells]
        source.write_text("x,p\n" + "".join(f"{x},{cell}\n" for x, cell in enumerate(rows)))

    reading = Reading(text="drop", header=True if format == "csv" else None)
    notes = ingest(source, format, tmp_path / "table", reading, Limits(row_bytes=BLOCK)).notes

    assert any(f'"p" ({told})' in note for note in notes) if told else '"p".' in notes[0]
    reason = reason_left_out("p", notes)
    assert reason is not None
    assert ("first cell that is no number is in" in reason) == (told is not None)
    assert (told or "text=drop left it out") in reason
    assert reason_left_out("q", notes) is None


# whole numbers of JSON


@pytest.mark.parametrize("number", [2**63, 10**20, -(2**64), 2**100])
def test_whole_numbers_of_more_than_64_bits_are_taken_where_they_are_doubles(tmp_path: Path, number: int) -> None:
    body = json.dumps({"x": [number, 0.1, 2.5e-300], "y": [1, 2, 3]}).encode()

    assert taken(tmp_path, body, "json") == {"x": [float(number), 0.1, 2.5e-300], "y": [1, 2, 3]}
    assert next(iter(taken(tmp_path, body, "json", one_hot=("x",)))).startswith("x=")


def test_whole_numbers_of_json_that_no_double_is_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="not exact") as told:
        taken(tmp_path, json.dumps({"x": [1, 10**20 + 1]}).encode(), "json")

    assert (told.value.row, told.value.column) == (1, "x")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + "0" * 400])
def test_numbers_of_json_beyond_all_doubles_are_refused(tmp_path: Path, number: str) -> None:
    for others in ("1", str(2**64)):
        with pytest.raises(BadTable, match="JSON"):
            taken(tmp_path, f'{{"x": [{others}, {number}]}}'.encode(), "json")


# cells that are lined up

spaces = st.text(" \t", min_size=1, max_size=4)


@some
@given(
    st.lists(st.tuples(st.integers(), st.floats(-1e9, 1e9)), min_size=1), st.lists(spaces, min_size=1), st.booleans()
)
def test_any_white_space_may_stand_between_cells(
    tmp_path: Path, rows: list[tuple[int, float]], between: list[str], crlf: bool
) -> None:
    rows = [(first % 1000, second) for first, second in rows]
    end = "\r\n" if crlf else "\n"
    body = "".join(
        between[place % len(between)].join(["", *map(repr, row), ""]) + end for place, row in enumerate(rows)
    )

    found = taken(tmp_path, body.encode(), "csv", delimiter="whitespace", header=False)

    assert list(zip(*found.values(), strict=True)) == rows


def test_spaces_within_quotes_are_kept(tmp_path: Path) -> None:
    body = b'  "a  b"   c \n   1  2\n  3   "4"\n'

    assert taken(tmp_path, body, "csv", delimiter=" ") == {"a b": [1, 3], "c": [2, 4]}
    assert list(taken(tmp_path, b'"a\tb"  c\n1 2\n', "csv", delimiter="whitespace", header=True)) == ["a b", "c"]


def test_a_decimal_comma_may_stand_in_quotes_between_commas(tmp_path: Path) -> None:
    body = b'x,y\n"1,5","2,5"\n"3,5",4\n'

    assert taken(tmp_path, body, "csv", decimal=",", delimiter=",") == {"x": [1.5, 3.5], "y": [2.5, 4]}
    with pytest.raises(BadTable, match="4 cells"):
        taken(tmp_path, b"x,y\n1,5,2,5\n", "csv", decimal=",", delimiter=",", header=True)
