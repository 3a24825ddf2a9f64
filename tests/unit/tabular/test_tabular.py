"""Tables in every format: what goes in comes out, to the bit, with statistics that are right, and options that do."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from slope.tabular.faults import BadTable
from slope.tabular.ingest import ingest
from slope.tabular.reading import FORMATS, Format, Limits, Reading
from slope.tabular.source import sized
from slope.tabular.stored import NUMBERS_AT_ONCE, TableWriter, partitions, read, read_rows
from slope.tabular.summary import Moments, Summary

Table = dict[str, list[float]]

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.lists(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12),
    min_size=1,
    max_size=5,
    unique=True,
)
one_file = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(1, 20))
    return {name: draw(st.lists(finite, min_size=rows, max_size=rows)) for name in draw(names)}


def as_csv(table: Table) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([list(table), *zip(*table.values(), strict=True)])
    return text.getvalue().encode()


def as_lines(table: Table) -> bytes:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_parquet(table: Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(table), sink)
    return bytes(sink.getvalue())


def as_arrow(table: Table) -> bytes:
    sink = pa.BufferOutputStream()
    whole = pa.table(table)
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=3)
    return bytes(sink.getvalue())


WRITTEN: dict[Format, Callable[[Table], bytes]] = {
    "csv": as_csv,
    "ndjson": as_lines,
    "json": lambda table: json.dumps(table).encode(),
    "parquet": as_parquet,
    "arrow": as_arrow,
}


def taken(folder: Path, body: bytes, format: Format, **options: Any) -> tuple[Summary, Table]:
    """What is said of a file, and the numbers that are stored of it."""
    source, target = folder / "body", folder / "table"
    source.write_bytes(body)
    summary = ingest(source, format, target, Reading(**options), Limits())
    columns = [column.name for column in summary.columns]
    with pa.OSFile(str(target)) as file:
        matrix = np.vstack(list(read(file, columns)))
    return summary, dict(zip(columns, matrix.T.tolist(), strict=True))


def bits(table: Table) -> dict[str, list[str]]:
    return {name: [float(value).hex() for value in values] for name, values in table.items()}


@pytest.mark.parametrize("format", FORMATS)
@one_file
@given(tables())
@example({"a": [-0.0, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308]})
@example({"a.b": [1.0], "a": [2.0], "b": [3.0]})
@example({'a"b': [1.0], "a,b": [2.0], "é": [3.0]})
@example({"1": [1.0], "2": [2.0]})
def test_any_table_of_finite_numbers_comes_back_to_the_bit(tmp_path: Path, format: Format, table: Table) -> None:
    summary, found = taken(tmp_path, WRITTEN[format](table), format, header=True)

    assert bits(found) == bits(table)
    assert [column.name for column in summary.columns] == list(table)
    assert summary.rows == len(next(iter(table.values())))


@settings(one_file, max_examples=12)
@given(tables())
def test_the_hash_is_of_the_content_and_not_of_the_format(tmp_path: Path, table: Table) -> None:
    hashes = {taken(tmp_path, WRITTEN[format](table), format, header=True)[0].content_hash for format in FORMATS}
    assert len(hashes) == 1

    name = next(iter(table))
    other = table | {name: [np.nextafter(table[name][0], 0.0) if table[name][0] else 1.0, *table[name][1:]]}
    renamed = {(each if each != name else name + "x"): values for each, values in table.items()}
    for different in (other, renamed):
        assert taken(tmp_path, as_parquet(different), "parquet")[0].content_hash not in hashes


@given(st.lists(st.lists(finite, max_size=20), min_size=1, max_size=5))
@example([[1e308, -1e308], [1e308]])
@example([[1e-310, 3e-310], [1e300]])
@example([[0.0], [5e-324, 0.0]])
@example([[0.0], [2.225073858507e-311]])
@example([[2.225073858507e-311], [0.0]])
def test_statistics_of_parts_are_those_of_the_whole(parts: list[list[float]]) -> None:
    moments = Moments()
    for part in parts:
        moments.add(np.array(part))
    whole = np.array([value for part in parts for value in part], np.longdouble)

    if len(whole) == 0:
        assert (moments.count, moments.mean, moments.deviation) == (0, None, None)
        return
    size = float(np.abs(whole).max())
    assert (moments.count, moments.minimum, moments.maximum) == (len(whole), whole.min(), whole.max())
    assert moments.mean == pytest.approx(float(whole.mean()), rel=1e-9, abs=1e-12 * size)
    assert moments.deviation == pytest.approx(float(whole.std()), rel=1e-6, abs=1e-7 * size)


@pytest.mark.parametrize("load", [load_diabetes, load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize("format", FORMATS)
def test_data_that_people_have_comes_back_with_its_statistics(tmp_path: Path, load: Any, format: Format) -> None:
    frame = load(as_frame=True).frame.astype(float)
    table = {str(name): frame[name].tolist() for name in frame}

    summary, found = taken(tmp_path, WRITTEN[format](table), format)

    assert bits(found) == bits(table)
    for column in summary.columns:
        values = frame[column.name]
        assert (column.count, column.nulls, column.min, column.max) == (len(frame), 0, values.min(), values.max())
        assert column.mean == pytest.approx(values.mean(), abs=1e-12)
        assert column.deviation == pytest.approx(values.std(ddof=0))


def test_a_table_of_words_and_gaps_is_taken_as_the_options_say(tmp_path: Path) -> None:
    body = b"city,rent,rooms,new\nRome,900,2,true\nOslo,,3,false\nRome,700,1,\n"

    with pytest.raises(BadTable):
        taken(tmp_path, body, "csv")
    summary, found = taken(tmp_path, body, "csv", one_hot=("city",), nulls="mean")

    assert found == {
        "city=Oslo": [0, 1, 0],
        "city=Rome": [1, 0, 1],
        "rent": [900, 800, 700],
        "rooms": [2, 3, 1],
        "new": [1, 0, 0.5],
    }
    assert [column.type for column in summary.columns] == ["category", "category", "integer", "integer", "boolean"]
    assert [column.nulls for column in summary.columns] == [0, 0, 1, 0, 1]
    assert taken(tmp_path, body, "csv", text="drop", nulls="drop")[1] == {"rent": [900], "rooms": [2], "new": [1]}
    assert taken(tmp_path, body, "csv", text="drop", nulls="zero")[1]["rent"] == [900, 0, 700]


@pytest.mark.parametrize(
    ("treatment", "kept"), [("drop", [1.0, 4.0]), ("zero", [1.0, 0.0, 4.0]), ("mean", [1, 2.5, 4])]
)
def test_infinities_are_treated_as_the_option_says(tmp_path: Path, treatment: Any, kept: list[float]) -> None:
    for format in ("csv", "parquet", "arrow"):
        body = WRITTEN[format]({"a": [1.0, float("inf"), 4.0]})
        assert taken(tmp_path, body, format, infinities=treatment)[1] == {"a": kept}


def test_categories_come_from_every_format_in_one_order(tmp_path: Path) -> None:
    rows: Any = {"a": ["v", "u", "v"], "b": [1.0, 2.0, 3.0]}
    expected = {"a=u": [0, 1, 0], "a=v": [1, 0, 1], "b": [1, 2, 3]}

    for format in ("ndjson", "json", "parquet", "arrow"):
        assert taken(tmp_path, WRITTEN[format](rows), format, one_hot=("a",))[1] == expected
    dictionary = pa.table({"a": pa.array(rows["a"]).dictionary_encode(), "b": rows["b"]})
    assert taken(tmp_path, as_parquet(dictionary), "parquet", one_hot=("a",))[1] == expected


@pytest.mark.parametrize(
    ("body", "header", "names"),
    [
        (b"1,2\n3,4\n", None, ["c0", "c1"]),
        (b"a,2\n3,4\n", None, ["a", "2"]),
        (b"1,2\n3,4\n", True, ["1", "2"]),
        (b"\xef\xbb\xbfa,b\n3,4\n", None, ["a", "b"]),
        (b'\n"a, b",c\r\n3,4\r\n', None, ["a, b", "c"]),
    ],
)
def test_a_header_is_one_when_it_has_a_word(tmp_path: Path, body: bytes, header: bool | None, names: list[str]) -> None:
    assert list(taken(tmp_path, body, "csv", header=header)[1]) == names


def test_whole_numbers_and_truths_are_told_apart_from_other_numbers(tmp_path: Path) -> None:
    table: Any = {"whole": [1, 2], "truth": [True, False], "number": [1.5, 2.0]}
    kinds = ["integer", "boolean", "number"]

    for format in FORMATS:
        body = b"whole,truth,number\n1,true,1.5\n2,false,2.0\n" if format == "csv" else WRITTEN[format](table)
        summary, found = taken(tmp_path, body, format)
        assert [column.type for column in summary.columns] == kinds, format
        assert found == {"whole": [1, 2], "truth": [1, 0], "number": [1.5, 2]}


def test_a_number_far_down_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    summary, _ = taken(tmp_path, b"a\n" + b"1\n" * 1_000_000 + b"1.5\n", "csv")

    assert (summary.rows, summary.columns[0].type, summary.columns[0].max) == (1_000_001, "number", 1.5)


def test_numbers_that_are_stored_otherwise_become_float64(tmp_path: Path) -> None:
    table: Any = pa.table(
        {
            "half": pa.array(np.array([0.5, 2.0], np.float16)),
            "single": pa.array(np.array([0.1, 2.0], np.float32)),
            "byte": pa.array([1, 255], pa.uint8()),
            "decimal": pa.array([Decimal("1.25"), Decimal(2)]),
        }
    )

    found = taken(tmp_path, as_parquet(table), "parquet")[1]

    assert found == {"half": [0.5, 2], "single": [float(np.float32(0.1)), 2], "byte": [1, 255], "decimal": [1.25, 2]}


def test_small_batches_are_put_together_and_large_ones_cut() -> None:
    batch = pa.record_batch({"a": np.zeros(NUMBERS_AT_ONCE // 10), "b": np.zeros(NUMBERS_AT_ONCE // 10)})

    assert [each.num_rows for each in sized(iter([batch] * 12), 2)] == [3 * NUMBERS_AT_ONCE // 10] * 4
    large = pa.record_batch({"a": np.zeros(3 * NUMBERS_AT_ONCE + 5)})
    assert [each.num_rows for each in sized(iter([large]), 1)] == [NUMBERS_AT_ONCE] * 3 + [5]


@given(st.integers(-1, 12), st.integers(1, 12))
def test_any_rows_can_be_read_from_the_middle(tmp_path_factory: pytest.TempPathFactory, after: int, count: int) -> None:
    file = tmp_path_factory.getbasetemp() / "middle"
    with TableWriter(file, ["a", "b"]) as writer:
        for start in (0, 4, 5):
            numbers = np.arange(start, start + (4 if start != 4 else 1), dtype=float)
            writer.write([numbers, -numbers])

    with pa.OSFile(str(file)) as stored:
        found = read_rows(stored, ["b", "a"], range(after + 1, after + 1 + count))

    expected = np.arange(9.0)[after + 1 : after + 1 + count]
    assert np.array_equal(found, np.column_stack([-expected, expected]))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 12))
def test_partitions_follow_one_another_and_begin_with_a_row_group(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], count: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "partitions"
    edges = np.cumsum([0, *groups])
    with TableWriter(file, ["a"]) as writer:
        for start, stop in pairwise(edges):
            writer.write([np.arange(start, stop, dtype=float)])

    with pa.OSFile(str(file)) as stored:
        found = partitions(stored, count)

    assert 1 <= len(found) <= count
    assert [row for part in found for row in part] == list(range(edges[-1]))
    assert {part.start for part in found} <= set(edges)
    assert max(map(len, found)) <= edges[-1] / count + max(groups)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 5))
def test_some_rows_are_read_in_parts(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, at_once: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "some"
    numbers = np.arange(9.0)
    with TableWriter(file, ["a", "b"]) as writer:
        for part in np.split(numbers, [4, 5]):
            writer.write([part, -part])

    with pa.OSFile(str(file)) as stored, pytest.MonkeyPatch.context() as patch:
        patch.setattr("slope.tabular.stored.NUMBERS_AT_ONCE", 2 * at_once)
        found = list(read(stored, ["a", "b"], range(start, start + length)))

    expected = numbers[start : start + length]
    assert all(0 < len(part) <= at_once for part in found)
    assert np.array_equal(np.vstack([np.empty((0, 2)), *found]), np.column_stack([expected, -expected]))
