"""A file is read in a process of its own, within its memory and time, whatever the file is like."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from slope.tabular import isolated
from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.isolated import Allowance, Encoding, Sent, ingest_isolated
from slope.tabular.readers import Ended, Reader, Readers, Silent
from slope.tabular.reading import Format, Limits, Reading
from slope.tabular.stored import read_rows
from slope.tabular.summary import Summary

MIB = 2**20
MEMORY = 256 * MIB
LINE = b"1.250000000,2.50000000,3.750000\n"


def ingested(
    file: Path,
    format: Format,
    *,
    encoding: Encoding | None = None,
    limits: Limits = Limits(),  # noqa: B008
    memory: int = MEMORY,
    seconds: float = 60.0,
) -> Summary:
    sent = Sent(file, format, encoding, Reading())
    return ingest_isolated(sent, file.with_suffix(".table"), Allowance(limits, memory, seconds))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of more bytes than reading it may take."""
    file = tmp_path_factory.mktemp("large") / "large.csv"
    with file.open("wb") as opened:
        for _ in range(270):
            opened.write(LINE * (MIB // len(LINE)))
    return file


def test_a_file_larger_than_its_memory_is_read_all_the_same(large: Path) -> None:
    assert large.stat().st_size > MEMORY
    rows = large.stat().st_size // len(LINE)

    summary = ingested(large, "csv")

    assert (summary.rows, [column.mean for column in summary.columns]) == (rows, [1.25, 2.5, 3.75])
    table = large.with_suffix(".table").rename(large.with_suffix(".parquet"))
    assert ingested(table, "parquet").content_hash == summary.content_hash


def test_a_reader_leaves_alone_what_it_was_forked_with() -> None:
    with get_context("forkserver").Pool(1) as readers:
        assert readers.apply(gc.get_freeze_count) > 10_000


def test_a_file_that_is_compressed_is_decompressed_only_as_far_as_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "bomb"
    with file.open("wb") as sink, pa.CompressedOutputStream(sink, "zstd") as stream:
        for _ in range(50):
            stream.write(LINE * 32_768)
    assert file.stat().st_size < MIB

    with pytest.raises(TableTooLarge, match="Decompressed"):
        ingested(file, "csv", encoding="zstd", limits=Limits(file_bytes=20 * MIB))
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 25 * MIB


def test_parquet_that_asks_for_too_much_memory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.parquet"
    table = pa.table({"a": np.zeros(40_000_000)})
    one_page = {"row_group_size": 2**26, "data_page_size": 2**30, "max_rows_per_page": 2**26}
    pq.write_table(table, file, compression="zstd", use_dictionary=False, **one_page)
    assert file.stat().st_size < MIB

    with pytest.raises(TableTooLarge, match="memory"):
        ingested(file, "parquet")


def test_a_file_that_takes_too_long_is_given_up(large: Path) -> None:
    with pytest.raises(TableTooLarge, match=r"0\.2 seconds"):
        ingested(large, "csv", seconds=0.2)


def test_a_crash_of_the_reader_is_the_file_s_fault(tmp_path: Path) -> None:
    file = tmp_path / "deep.ndjson"
    file.write_bytes(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}\n")

    with pytest.raises(BadTable, match="breaks the reader"):
        ingested(file, "ndjson")


def test_a_reader_that_the_system_ends_is_not_the_file_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless, taken = tmp_path / "endless.csv", list[Reader[Any]]()
    take = isolated._readers.take
    monkeypatch.setattr(isolated._readers, "take", lambda: taken.append(take()) or taken[-1])
    os.mkfifo(endless)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(ingested, endless, "csv")
        with endless.open("wb"):  # waits until somebody reads
            [reader] = taken
            reader._process.kill()
            with pytest.raises(MemoryError):
                reading.result(60)


def test_a_row_group_larger_than_the_memory_is_read_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "one_group.parquet"
    numbers = np.random.default_rng(0).standard_normal(MEMORY // 8)
    pq.write_table(pa.table({"a": numbers}), file, row_group_size=len(numbers), use_dictionary=False)
    assert pq.read_metadata(file).row_group(0).column(0).total_compressed_size > MEMORY

    summary = ingested(file, "parquet")

    assert (summary.rows, summary.columns[0].min) == (len(numbers), numbers.min())


@pytest.mark.parametrize("format", ["parquet", "arrow", "csv"])
def test_a_table_of_five_thousand_columns_is_read_within_the_memory(tmp_path: Path, format: Format) -> None:
    file = tmp_path / f"wide.{format}"
    table = pa.table({f"c{place}": np.full(2000, place % 10) for place in range(5000)})
    if format == "parquet":
        pq.write_table(table, file, compression="zstd")
    elif format == "csv":
        arrow_csv.write_csv(table, file)
    else:
        with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table)

    summary = ingested(file, format, memory=512 * MIB)

    assert (summary.rows, len(summary.columns)) == (2000, 5000)
    assert [column.mean for column in summary.columns] == [place % 10 for place in range(5000)]
    assert list(tmp_path.glob("*.spilled")) == []


@pytest.mark.parametrize("at", [0, 300_000])
def test_what_grows_beyond_what_was_sent_is_stored_compressed(tmp_path: Path, at: int) -> None:
    file = tmp_path / "zeros.csv.zst"
    with file.open("wb") as sink, pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(b"a,b\n" + b"0,1\n" * at + b"2,3\n" + b"0,1\n" * (3_000_000 - at))

    summary = ingested(file, "csv", encoding="zstd")

    stored = file.with_suffix(".table")
    assert summary.rows == 3_000_001
    assert stored.stat().st_size < summary.rows * 16 / 100
    with pa.OSFile(str(stored)) as opened:
        assert read_rows(opened, ["b", "a"], range(at, at + 2)).tolist() == [[3, 2], [1, 0]]
    assert list(tmp_path.glob("*.plain")) == []


def process_of(task: int) -> tuple[int, int]:
    """What a reader does here: it says who it is."""
    if task < 0:
        os._exit(3)
    sleep(60.0 if task == 0 else 0.0)
    return os.getpid(), task


def waiting_in(readers: Readers[int]) -> Reader[int]:
    """The reader that waits, when it does."""
    readers.prepare()
    while readers._waiting.empty():
        sleep(0.01)
    found = readers._waiting.get()
    readers._waiting.put(found)
    return found


def test_the_reader_of_the_next_file_waits_for_it_and_reads_no_other() -> None:
    readers = Readers(process_of)
    waiting = waiting_in(readers)
    taken = readers.take()
    assert taken is waiting
    assert taken.do(7, 60.0) == (waiting._process.pid, 7)
    taken.join()

    other = readers.take()
    assert other.do(8, 60.0)[0] != waiting._process.pid
    waiting_in(readers)
    readers.prepare()
    assert readers._waiting.qsize() == 1
    readers.take().end()


def test_a_reader_that_was_ended_while_it_waited_is_nobody_s() -> None:
    readers = Readers(process_of)
    waiting = waiting_in(readers)
    waiting._process.kill()
    waiting.join()
    assert readers.take().do(1, 60.0)[0] != waiting._process.pid


def test_a_reader_that_says_nothing_or_ends_is_told_apart() -> None:
    with pytest.raises(Silent):
        Readers(process_of).take().do(0, 0.05)
    with pytest.raises(Ended) as end:
        Readers(process_of).take().do(-1, 60.0)
    assert end.value.signal is None


def test_a_reader_that_waits_ends_with_whoever_started_it() -> None:
    waiting = Reader(process_of)
    process = psutil.Process(waiting._process.pid)
    waiting._connection.close()
    process.wait(60)
