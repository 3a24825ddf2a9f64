"""Reading what a stranger has sent in a process of its own: whatever it does to the reader, it does to nobody else.

A few kilobytes of Parquet can ask for gigabytes, and a library written in C can crash. The process has a limit of
memory and of time, and is forked from one that has everything loaded.
"""

import ctypes
import gzip
import resource
import signal
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from slope.tabular.faults import BadOption, BadTable, TableTooLarge
from slope.tabular.readers import Ended, Readers, Silent
from slope.tabular.reading import Format, Limits, Reading
from slope.tabular.summary import Summary

Encoding = Literal["gzip", "zstd"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # as malloc.h has them
_PIECE = 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """A file as it came: its format, and how it was compressed for the way."""

    path: Path
    format: Format
    encoding: Encoding | None
    reading: Reading


@dataclass(frozen=True)
class Allowance:
    """What reading it may take: bytes of memory besides what the process begins with, and seconds."""

    limits: Limits
    memory: int
    seconds: float


class _Task(NamedTuple):
    sent: Sent
    target: Path
    allowance: Allowance


def ingest_isolated(sent: Sent, target: Path, allowance: Allowance) -> Summary:
    """Do as slope.tabular.ingest.ingest does.

    Raises BadTable, BadOption, OSError where there is no room, and MemoryError where the system has ended the reader.
    """
    reader = _readers.take()
    try:
        answer = reader.do(_Task(sent, target, allowance), allowance.seconds)
    except Silent:
        answer = _too_slow(allowance)
    except Ended as end:
        answer = _why_it_ended(end)
    prepare_reader()
    if isinstance(answer, BaseException):
        reader.join()  # it may be writing what is now to be taken away
        raise answer
    summary: Summary = answer
    return summary


def prepare_reader() -> None:
    """Have a process waiting for the next file: the first one takes a second to start."""
    _readers.prepare()


def _why_it_ended(end: Ended) -> Exception:
    """A library that the file breaks ends its process by another signal, or by its own exit."""
    if end.signal == signal.SIGKILL:
        return MemoryError("the process that reads files was killed")
    return BadTable("The file cannot be read: it breaks the reader, or needs more memory than it may")


def _work(task: _Task) -> Any:
    import pyarrow as pa

    pa.set_io_thread_count(2)  # the limit counts the stack of every thread
    _keep_little()
    _limit(task.allowance.memory)
    return _outcome(lambda: _ingest(task.sent, task.target, task.allowance.limits))


def _outcome(action: Callable[[], Summary]) -> Any:
    import pyarrow as pa

    try:
        return action()
    except (BadTable, BadOption, OSError) as fault:
        return fault
    except MemoryError:
        return TableTooLarge("A part of the table needs more memory than it may: send it in smaller row groups")
    except pa.ArrowException:
        return BadTable("The file cannot be read: something in it is of a kind that the reader does not take")


def _ingest(sent: Sent, target: Path, limits: Limits) -> Summary:
    from slope.tabular.ingest import open_source, take_in
    from slope.tabular.stored import is_wide

    sent_bytes = sent.path.stat().st_size
    if sent.encoding:
        _decompress(sent.path, sent.encoding, limits)
    source = open_source(sent.path, sent.format, sent.reading, limits)
    if is_wide(source.fields):
        _spare_memory()
    return take_in(source, target, sent.reading, limits, sent_bytes)


def _decompress(path: Path, encoding: Encoding, limits: Limits) -> None:
    """Put what was compressed in the place of the file."""
    import pyarrow as pa

    decoded = path.with_suffix(".decoded")
    try:
        with pa.CompressedInputStream(str(path), encoding) as pieces:
            _decode(pieces, encoding, decoded, limits)
    except TableTooLarge:
        raise
    except BadTable:
        if encoding != "gzip":
            raise
        with gzip.open(path) as pieces:  # slower, and takes zeros that fill the last block
            _decode(pieces, encoding, decoded, limits)
    decoded.rename(path)


def _decode(pieces: Any, encoding: Encoding, target: Path, limits: Limits) -> None:
    length = 0
    with target.open("wb") as sink:
        while piece := _read(pieces, encoding):
            length += len(piece)
            if length > limits.file_bytes:
                raise TableTooLarge(f"Decompressed, the file has more than the {limits.file_bytes:,} bytes allowed")
            sink.write(piece)


def _read(pieces: Any, encoding: Encoding) -> bytes:
    try:
        return bytes(pieces.read(_PIECE))
    except (OSError, EOFError, zlib.error) as error:
        raise BadTable(f"The file cannot be decompressed as {encoding}: it is damaged or cut short") from error


def _keep_little() -> None:
    """Let glibc give back very large pieces of memory instead of keeping some for each thread: a limit counts those.

    Those of a batch it keeps for the next one: every page that is fresh from the system has to be zeroed first.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 8 * 1024 * 1024)
        mallopt(_M_TRIM_THRESHOLD, 16 * 1024 * 1024)
        mallopt(_M_ARENA_MAX, 2)


def _spare_memory() -> None:
    """Arrow's own allocator is faster, and keeps more than is asked for: of thousands of columns too much."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def _limit(memory: int) -> None:
    """Let the process have this many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[5]) if Path("/proc/self/statm").exists() else 0
    used = pages * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + memory, hard))


def _too_slow(allowance: Allowance) -> BadTable:
    return TableTooLarge(f"Reading the table takes longer than {allowance.seconds:g} seconds")


_readers = Readers(_work)
