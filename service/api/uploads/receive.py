"""Receiving an upload: to a file, piece by piece, and what kind of file it is said to be."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from service.api.uploads.multipart import FilePart
from service.errors import MalformedRequest, UnsupportedMediaType
from service.storage import translated_disk_errors
from slope.tabular.isolated import Encoding
from slope.tabular.reading import Format

MEDIA_TYPES: dict[str, Format] = {
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "json",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.arrow.file": "arrow",
}
_ENDINGS: dict[str, Format] = {
    "csv": "csv",
    "tsv": "csv",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "json": "json",
    "parquet": "parquet",
    "arrow": "arrow",
    "arrows": "arrow",
    "feather": "arrow",
}
_COMPRESSED: dict[str, Encoding] = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd", "gz": "gzip", "zst": "zstd"}
_OTHERS = (
    (("excel", "spreadsheet", ".xls", ".ods"), "a workbook is not read, save its sheet as CSV; "),
    (("zip", "compressed", "archive", ".tar", ".7z"), "an archive is not read, send the file that is in it; "),
)
"""By words in media types and endings of names: what people have tables in that is not read here."""
_NO_TABLES = ("text/plain", "application/x-www-form-urlencoded")
"""What pages of other sites can send without asking first (CORS), and what no table is. A form with a file, and a body
of no type, can be sent so as well: those are refused by where they come from."""
_NAME_LENGTH = 200
_PIECE = 1024 * 1024
"""Bytes that are collected before they are written."""


@dataclass(frozen=True)
class Received:
    """A file, and what it is."""

    path: Path
    format: Format
    encoding: Encoding | None
    is_tab_separated: bool
    name: str | None
    """As the file of a form is called, without what only says how it is compressed."""
    parameters: dict[str, str]
    """What its media type says besides the type, as in `text/csv; charset=utf-16; header=absent`."""


@asynccontextmanager
async def received_file(request: Request, spool: Path, named: Format | None) -> AsyncIterator[Received]:
    """The body of a request as a file that lasts as long as the block. A format that is named has precedence.

    Not where the type is that of text or of an HTML form: a page of another site would have a table taken for one.

    Raises UnsupportedMediaType, MalformedRequest, StorageFull, and StorageUnavailable.
    """
    content_type = request.headers.get("content-type", "")
    encoding = _encoding(request.headers.get("content-encoding", ""))
    part = FilePart(content_type) if _media_type(content_type) == "multipart/form-data" else None
    if part is None:
        format = named if named and _media_type(content_type) not in _NO_TABLES else _format(content_type, "")
    with translated_disk_errors(), _folder(spool) as folder:
        path = folder / "body"
        await _write(request, path, part)
        if part:
            format = named or _format(part.content_type, part.filename)
            encoding = encoding or _COMPRESSED.get(_endings(part.filename)[-1])
            content_type = part.content_type
        is_tab = _media_type(content_type) == "text/tab-separated-values" or bool(
            part and "tsv" in _endings(part.filename)
        )
        yield Received(
            path, format, encoding, is_tab, _name(part.filename) if part else None, _parameters(content_type)
        )


async def _write(request: Request, path: Path, part: FilePart | None) -> None:
    with path.open("wb", buffering=0) as file:
        waiting = bytearray()
        try:
            async for piece in request.stream():
                waiting += part.feed(piece) if part else piece
                if len(waiting) >= _PIECE:
                    await run_in_threadpool(file.write, waiting)
                    waiting = bytearray()
        except ClientDisconnect as error:
            raise MalformedRequest("The body broke off before its end: send it again, whole") from error
        await run_in_threadpool(file.write, waiting)
    if part:
        part.finish()


def _parameters(content_type: str) -> dict[str, str]:
    _, options = parse_options_header(content_type)
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in options.items()}


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _format(content_type: str, filename: str) -> Format:
    """By the media type, or by the ending of the file's name."""
    kind = _media_type(content_type)
    found = MEDIA_TYPES.get(kind) or next((_ENDINGS[end] for end in _endings(filename) if end in _ENDINGS), None)
    if found is None:
        known = ", ".join(MEDIA_TYPES)
        said = f"{kind}.{_endings(filename)[-1]}"
        advice = next((advice for words, advice in _OTHERS if any(word in said for word in words)), "")
        raise UnsupportedMediaType(
            f"The body is {kind or 'of no named type'}: {advice}send one of {known}; "
            "or name the format in the query, as in format=csv, and send it as application/octet-stream or in a form"
        )
    return found


def _encoding(content_encoding: str) -> Encoding | None:
    kind = content_encoding.strip().lower()
    if kind in ("", "identity"):
        return None
    if kind not in _COMPRESSED:
        detail = "The body is compressed in a way this call does not take: use gzip or zstd"
        raise UnsupportedMediaType(detail, headers={"Accept-Encoding": "gzip, zstd"})
    return _COMPRESSED[kind]


def _name(filename: str) -> str | None:
    """None for what no dataset may be called."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    stem, _, ending = name.rpartition(".")
    name = stem if stem and ending.lower() in _COMPRESSED else name
    return name if name.isprintable() and 0 < len(name) <= _NAME_LENGTH else None


def _endings(filename: str) -> list[str]:
    return filename.lower().split(".")


@contextmanager
def _folder(spool: Path) -> Iterator[Path]:
    spool.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=spool, prefix="upload-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
