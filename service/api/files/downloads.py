"""Histories as files of other tools, sent while they are read."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from service.api.files.lines import epoch_lines, step_lines
from service.api.files.streaming import Stream
from service.api.negotiation import MEDIA_TYPES
from service.api.schemas.predictions import prediction_line
from service.prediction.points import Prediction
from service.records.chunks import History
from service.records.pages import StepsWithRows
from slope.columns import EpochColumns

if TYPE_CHECKING:
    import pyarrow as pa

FileFormat = Literal["csv", "ndjson", "arrow"]
PredictionFileFormat = Literal[FileFormat, "parquet"]
Taking = Callable[[Iterator[bytes]], AsyncIterator[bytes]]
"""Takes chunk after chunk away from the event loop."""

# pyarrow is loaded by the first call that needs it: the process does without it until then.


def epochs_file(history: History[EpochColumns], format: FileFormat, name: str) -> Stream:
    """Epochs as lines of JSON, as they are in a page, or in columns."""
    if format == "ndjson":
        return stream_file(_lines(map(epoch_lines, history.chunks)), format, name)
    from service.api.files.columns import epoch_batch, epoch_schema

    return stream_file(_table(history, epoch_schema(history.features), epoch_batch, format), format, name)


def steps_file(history: History[StepsWithRows], format: FileFormat, name: str, each: Taking) -> Stream:
    """Steps as lines of JSON, as they are in a page, or in columns; `each` says where they are computed."""
    if format == "ndjson":
        return stream_file(each(_lines(map(step_lines, history.chunks))), format, name)
    from service.api.files.columns import step_batch, step_schema

    return stream_file(each(_table(history, step_schema(history.features), step_batch, format)), format, name)


def predictions_file(found: Sequence[Prediction], format: PredictionFileFormat, name: str) -> Stream:
    """Predictions of points as lines of JSON, as they are in a page, or in columns."""
    if format == "ndjson":
        return stream_file((prediction_line(each).encode() + b"\n" for each in found), format, name)
    from service.api.files.columns import prediction_columns
    from service.api.files.encoding import encode_batches

    batch = prediction_columns(found)
    return stream_file(encode_batches(format, batch.schema, iter([batch])), format, name)


def stream_file(content: Iterator[bytes] | AsyncIterator[bytes], format: str, name: str) -> Stream:
    """An answer that a browser saves under the name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{format}"'}
    return Stream(content, media_type=MEDIA_TYPES[format], headers=headers)


def _lines(chunks: Iterator[list[str]]) -> Iterator[bytes]:
    for lines in chunks:
        yield "".join(f"{line}\n" for line in lines).encode()


def _table(
    history: History[Any],
    schema: "pa.Schema",
    batch: "Callable[[Any, pa.Schema], pa.RecordBatch]",
    format: Literal["csv", "arrow"],
) -> Iterator[bytes]:
    from service.api.files.encoding import encode_batches

    return encode_batches(format, schema, (batch(chunk, schema) for chunk in history.chunks))
