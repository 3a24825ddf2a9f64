"""Tables too wide to be decoded in one go: some columns at a time are laid on the disk, and put together from there."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pyarrow as pa


def spilled(beside: Path, groups: Iterable[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Batches of all columns, of groups of columns that come in batches of the same rows."""
    with ExitStack() as stack:
        files = [_spill(batches, beside.with_suffix(f".{n}.spilled"), stack) for n, batches in enumerate(groups)]
        readers = [pa.ipc.open_stream(stack.enter_context(pa.memory_map(str(file)))) for file in files]
        for parts in zip(*readers, strict=True):
            columns = list(chain.from_iterable(part.columns for part in parts))
            yield pa.record_batch(columns, names=list(chain.from_iterable(part.schema.names for part in parts)))


def _spill(batches: Iterator[pa.RecordBatch], file: Path, stack: ExitStack) -> Path:
    """What is mapped from the disk is not memory that is taken: the system can read it again."""
    stack.callback(file.unlink, missing_ok=True)
    first = next(batches, None)
    schema = pa.schema([]) if first is None else first.schema
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for batch in chain([] if first is None else [first], batches):
            writer.write_batch(batch)
    return file
