"""A table is read, looked at and written in parts and on several cores, and nobody can tell."""

import csv
import io
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from slope.arrays import Array
from slope.tabular import comma_separated
from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.ingest import ingest
from slope.tabular.reading import Limits, Reading
from slope.tabular.source import sized
from slope.tabular.stored import read
from slope.tabular.summary import Summarizer, summarize
from slope.tabular.threads import PartWorkers, read_ahead

ROW_BYTES, SPAN = 64, 256
finite = st.floats(allow_nan=False, allow_infinity=False)
a_few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comma_separated, "_SPAN", SPAN)


def taken(folder: Path, body: bytes, row_bytes: int = ROW_BYTES, **options: Any) -> dict[str, Array]:
    """The columns that are stored of a CSV file whose rows may be short only."""
    source, target = folder / "body", folder / "table"
    source.write_bytes(body)
    summary = ingest(source, "csv", target, Reading(**options), Limits(row_bytes=row_bytes))
    names = [column.name for column in summary.columns]
    with pa.OSFile(str(target)) as file:
        return dict(zip(names, np.vstack(list(read(file, names))).T, strict=True))


@pytest.mark.usefixtures("small_spans")
@a_few
@given(
    st.lists(st.tuples(finite, finite), min_size=1, max_size=60), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data()
)
@example([(-0.0, 5e-324)] * 60, b"\n", None)
def test_a_file_of_many_spans_comes_back_in_order_to_the_bit(
    tmp_path: Path, rows: list[tuple[float, float]], newline: bytes, data: st.DataObject | None
) -> None:
    blank = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))) if data else [0] * len(rows)
    lines = (f"{x!r},{y!r}".encode() + newline * (1 + more) for (x, y), more in zip(rows, blank, strict=True))

    found = taken(tmp_path, b"".join(lines), header=False)

    assert np.column_stack(list(found.values())).tobytes() == np.array(rows).tobytes()


@pytest.mark.usefixtures("small_spans")
@a_few
@given(st.lists(st.tuples(st.integers(0, 9), st.text('a1,\n"é', min_size=1, max_size=9)), min_size=1, max_size=120))
@example([(1, "x")] * ((SPAN - 8) // 4) + [(1, "x\n2,y")] + [(1, "x")] * 100)
def test_rows_of_words_in_quotes_are_taken_whole(tmp_path: Path, rows: list[tuple[int, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)

    columns = taken(tmp_path, text.getvalue().encode(), SPAN, header=False, text="drop")

    assert columns["c0"].tolist() == [number for number, _ in rows]


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize("end", [b"", b"\n", b"\n" * 3 * SPAN])
def test_the_last_row_is_read_however_the_file_ends(tmp_path: Path, end: bytes) -> None:
    found = taken(tmp_path, b"1,2\n" * 3 * SPAN + b"3,4" + end, header=False)

    assert [column[-1] for column in found.values()] == [3, 4]


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize(("cell", "column"), [(b"word", "c1"), (b"", "c1"), (b"inf", "c1"), (b"2,3", None)])
@a_few
@given(st.integers(1, 300))
def test_a_fault_is_told_at_its_row_in_whatever_span(tmp_path: Path, cell: bytes, column: str | None, row: int) -> None:
    with pytest.raises(BadTable) as told:
        taken(tmp_path, b"1,2\n" * row + b"1," + cell + b"\n" + b"1,2\n" * 100, header=False)

    assert (told.value.row, told.value.column) == (row, column)


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize(("cell", "kind"), [(b'"2', BadTable), (b"2" * 3 * ROW_BYTES, TableTooLarge)])
@a_few
@given(st.integers(1, 300))
def test_no_row_is_lost_behind_an_open_quote_or_in_a_row_that_is_too_long(
    tmp_path: Path, cell: bytes, kind: type[BadTable], row: int
) -> None:
    with pytest.raises(kind):
        taken(tmp_path, b"1,2\n" * row + b"1," + cell + b"\n" + b"1,2\n" * 100, header=False)


def test_places_are_read_at_once_and_told_in_their_order() -> None:
    both = threading.Barrier(2)

    def read_(place: int) -> int:
        both.wait(120)  # none gets on alone
        return -place

    assert [(place, whole.result()) for place, whole in read_ahead(read_, range(6))] == [(n, -n) for n in range(6)]


def test_works_go_on_at_once_each_part_after_part() -> None:
    both = threading.Barrier(2)
    seen: dict[str, list[float]] = {"a": [], "b": []}

    def work(name: str, part: Sequence[Array]) -> None:
        both.wait(120)
        seen[name].append(float(part[0][0]))

    with PartWorkers([lambda part: work("a", part), lambda part: work("b", part)]) as workers:
        for number in range(5):
            workers.take([np.array([float(number)])])

    assert seen == {"a": [0, 1, 2, 3, 4], "b": [0, 1, 2, 3, 4]}


@pytest.mark.parametrize("after", [0, 1])
def test_what_a_work_raises_is_raised_where_parts_are_given(after: int) -> None:
    def fail(_: Sequence[Array]) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), PartWorkers([fail]) as workers:  # noqa: PT012
        for _ in range(1 + after):
            workers.take([np.zeros(1)])


def test_a_fault_of_the_reader_is_not_hidden_by_one_of_a_work() -> None:
    def fail(_: Sequence[Array]) -> None:
        raise OSError

    with pytest.raises(BadTable), PartWorkers([fail]) as workers:  # noqa: PT012
        workers.take([np.zeros(1)])
        raise BadTable("The row is bad")


@given(st.lists(finite, min_size=1, max_size=20), st.integers(1, 5))
def test_columns_that_are_shared_out_are_summarized_as_all_at_once(numbers: list[float], width: int) -> None:
    names = [f"c{number}" for number in range(width)]
    columns = [np.array(numbers) * scale for scale in np.linspace(0, 1, width)]
    shared = Summarizer(names)

    for share in (slice(1, None, 2), slice(0, None, 2)):
        shared.add(columns, share)

    assert shared.summary() == summarize(names, columns)


def test_a_batch_that_has_the_right_size_is_not_copied() -> None:
    batch = pa.record_batch({"a": np.zeros(1000)})

    [found] = sized(iter([batch]), 1)

    assert found.column(0).buffers()[1].address == batch.column(0).buffers()[1].address


def test_reading_a_table_loads_no_more_than_is_loaded_already(tmp_path: Path) -> None:
    """Each upload has a process that starts with what is loaded before: whatever it loads, it loads every time."""
    for name, body in {
        "csv": b"a,b\n1,2.5\n,3\n",
        "ndjson": b'{"a": 1, "b": 2.5}\n',
        "json": b'{"a": [1, 2.5]}',
    }.items():
        (tmp_path / name).write_bytes(body)
    table = pa.table({"a": [1, None], "b": [0.5, 1.5]})
    pq.write_table(table, tmp_path / "parquet")
    with pa.ipc.new_stream(str(tmp_path / "arrow"), table.schema) as stream:
        stream.write_table(table)
    program = f"""
import sys
from pathlib import Path
from slope.tabular.ingest import ingest
from slope.tabular.reading import FORMATS, Limits, Reading
before = set(sys.modules)
for format in FORMATS:
    path = Path({str(tmp_path)!r}) / format
    ingest(path, format, path.with_suffix(".table"), Reading(nulls="zero"), Limits())
print(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert found.stdout == "['encodings']\n"


_READS = """
import sys
import numpy as np, pyarrow as pa
from slope.tabular import stored
kept = pa.BufferReader(stored.encode(["x", "y"], [np.arange(3.0), np.ones(3)]))
assert sum(len(part) for part in stored.read(kept, ["y", "x"])) == 3
kept.seek(0)
assert stored.read_rows(kept, ["x"], range(1, 3)).tolist() == [[1.0], [2.0]]
assert "pandas" not in sys.modules, "pandas was loaded"
"""


def test_a_stored_table_is_read_without_pandas_which_takes_as_long_as_a_job() -> None:
    subprocess.run([sys.executable, "-c", _READS], check=True)
