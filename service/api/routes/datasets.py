"""Routes for datasets."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from service.api.dependencies import After, DatabaseDep, Limit, SessionDep, SettingsDep, StorageDep, require_json
from service.api.lanes import looks_at_much
from service.api.schemas.datasets import view_dataset
from service.api.uploads.receive import MEDIA_TYPES, Received, received_file
from service.data import datasets, uploads
from service.errors import InvalidRequest, UnsupportedMediaType
from service.storage import Storage
from service.store.tables import Dataset
from slope.answers.datasets import DatasetView, RowsPage
from slope.answers.view import Page
from slope.spec import Fault
from slope.spec.faults import in_words
from slope.spec.job import Name
from slope.spec.part import Part
from slope.spec.training import MAX_SEED
from slope.tabular.isolated import Sent
from slope.tabular.reading import Format, Reading, Treatment, fold_name
from slope.tabular.text import codec_of

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

MOST_SAMPLED = 10_000
AT_ONCE = 2
"""Uploads that are read at the same time; others wait, on the disk."""
_DELIMITER = in_words(
    r"""^([^\w"'.+\-\r\n]|whitespace)$""",
    "Input should be `whitespace`, or one sign that is in no number and no word, as ; or a tab",
)
_BODIES: dict[str, Any] = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES}
_BODIES["text/csv"]["example"] = "hours,score\n1,52.5\n2,57\n3,61.5\n"
_BODIES["application/json"] = {
    "schema": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object"}]},
    "example": {"hours": [1, 2, 3], "score": [52.5, 57, 61.5]},
}
_BODIES["multipart/form-data"] = {
    "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
}


def _reading(
    header: Annotated[bool | None, Query(description="Of CSV; by default row 0 is compared with those below")] = None,
    delimiter: Annotated[str | None, Query(pattern=_DELIMITER, description="Of CSV")] = None,
    decimal: Annotated[Literal[".", ","], Query(description="Of CSV")] = ".",
    nulls: Annotated[Treatment, Query(description="Empty cells and NaN: refused, rows dropped, or filled")] = "refuse",
    infinities: Annotated[Treatment, Query(description="The same for infinite numbers")] = "refuse",
    text: Annotated[Literal["refuse", "drop"], Query(description="Columns that are not numbers")] = "refuse",
    one_hot: Annotated[list[Name] | None, Query(description="Columns to become one for each of their values")] = None,
    missing: Annotated[list[str] | None, Query(description="Of CSV: words for nothing, besides NA and others")] = None,
    index: Annotated[Literal["drop", "keep"], Query(description="Columns that pandas had as an index")] = "drop",
    thousands: Annotated[
        Literal[",", ".", " ", "'", "_"] | None, Query(description="Of CSV: the sign between thousands, as in 1,234.5")
    ] = None,
    charset: Annotated[str | None, Query(description="Of text, as utf-16 or windows-1252; else UTF-8")] = None,
) -> Reading:
    """As the query says; without a delimiter where it says none."""
    if charset is not None and codec_of(charset) is None:
        detail = f"{_UNKNOWN_CHARSET}: {charset}"
        raise InvalidRequest(detail, [Fault(detail, "/query/charset")])
    words = tuple(missing or ())
    return Reading(
        header,
        delimiter or "",
        decimal,
        nulls,
        infinities,
        text,
        tuple(map(fold_name, one_hot or ())),
        words,
        index,
        thousands or "",
        charset,
    )


_UNKNOWN_CHARSET = "The charset is not known here: send UTF-8, or name utf-16, iso-8859-1, windows-1252 or a like one"
_HEADERS = {"present": True, "absent": False}


def _completed(reading: Reading, file: Received) -> Reading:
    """What the query leaves open is as the file's media type or name says (RFC 4180), or as is usual."""
    usual = "\t" if file.is_tab_separated else ";" if reading.decimal == "," else ","
    header, charset = file.parameters.get("header", "").lower(), file.parameters.get("charset")
    if header and header not in _HEADERS:
        raise UnsupportedMediaType("In the media type, header should be present or absent")
    if charset is not None and codec_of(charset) is None:
        raise UnsupportedMediaType(f"{_UNKNOWN_CHARSET}: {charset}")
    return replace(
        reading,
        delimiter=reading.delimiter or usual,
        header=_HEADERS.get(header) if reading.header is None else reading.header,
        charset=reading.charset or charset,
    )


@router.post(
    "",
    status_code=201,
    responses={
        200: {"description": "There is a dataset that says the same: this one", "model": DatasetView},
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODIES}},
)
async def upload_dataset(
    request: Request,
    response: Response,
    database: DatabaseDep,
    storage: StorageDep,
    settings: SettingsDep,
    reading: Annotated[Reading, Depends(_reading)],
    format: Annotated[Format | None, Query(description="In the place of what the content type says")] = None,
    name: Annotated[Name | None, Query(description="What to call it; else as the file of a form is called")] = None,
) -> DatasetView:
    """Keep a table as a dataset: CSV, NDJSON, JSON, Parquet or Arrow, as the body or as the one file of a form.

    `Content-Encoding` may be gzip or zstd. Whatever is not a finite number is refused, at its row and column, unless
    an option says what to do with it. The same content is kept once, whatever its datasets are called.
    """
    async with received_file(request, settings.spool, format) as file:
        sent = Sent(file.path, file.format, file.encoding, _completed(reading, file))
        limiter = request.app.state.upload_limiter
        upload = await to_thread.run_sync(
            uploads.accept_upload, database, storage, settings, sent, name or file.name, limiter=limiter
        )
    response.status_code = 201 if upload.is_new else 200
    response.headers["Location"] = f"{settings.root_path}/v1/datasets/{upload.dataset.id}"
    return view_dataset(upload.dataset)


@router.get("")
def list_datasets(
    session: SessionDep,
    name: Annotated[str | None, Query(pattern=r"^[^\x00]*$")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[DatasetView]:
    """Datasets that were uploaded, newest first."""
    found, following = datasets.list_datasets(session, name=name, before=after, limit=limit)
    return Page(data=[view_dataset(row) for row in found], next=str(following) if following else None)


@router.get("/{dataset_id}")
def get_dataset(dataset_id: UUID, session: SessionDep) -> DatasetView:
    """A dataset's columns with their statistics; also of one that came with a job."""
    return view_dataset(datasets.get_dataset(session, dataset_id))


@router.get("/{dataset_id}/rows", dependencies=[looks_at_much("sample")])
def list_rows(
    dataset_id: UUID,
    session: SessionDep,
    storage: StorageDep,
    after: Annotated[int, Query(ge=-1, lt=2**53, description="The last row of the page before")] = -1,
    limit: Limit = 50,
    sample: Annotated[
        int | None, Query(ge=1, le=MOST_SAMPLED, description="In the place of a page: this many rows chosen by chance")
    ] = None,
    seed: Annotated[
        int | None, Query(ge=0, le=MAX_SEED, description="Of a sample: another one for another seed")
    ] = None,
) -> RowsPage:
    """Rows as they are trained on, each an object of its columns.

    A `sample` is the same whenever it is asked for with the same seed (0 by default): different rows, each as likely as
    any other, in their order, and `row_numbers` says which. Of a wide dataset it is a million numbers at most.
    """
    if sample is not None:
        return _sample(storage, datasets.get_dataset(session, dataset_id), sample, seed or 0, after)
    if seed is not None:
        raise _misplaced("seed", "It belongs to a sample: give `sample`, how many rows it has, or leave it out")
    rows, following = datasets.list_rows(storage, datasets.get_dataset(session, dataset_id), after=after, limit=limit)
    return RowsPage(data=rows, next=None if following is None else str(following))


def _sample(storage: Storage, dataset: Dataset, count: int, seed: int, after: int) -> RowsPage:
    if after >= 0:
        raise _misplaced("after", "A sample is one page: leave this out")
    rows, numbers = datasets.sample_of_rows(storage, dataset, count=count, seed=seed)
    return RowsPage(data=rows, row_numbers=numbers)


def _misplaced(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, f"/query/{name}")])


class DatasetChange(Part):
    """A merge patch (RFC 7396) of a dataset."""

    name: Name | None = Field(examples=["rents"])
    """What to call it: it becomes the newest version of this name. Null takes the name away."""


@router.patch("/{dataset_id}", dependencies=[Depends(require_json)])
def rename_dataset(dataset_id: UUID, change: DatasetChange, database: DatabaseDep) -> DatasetView:
    """Call a dataset otherwise. Jobs that use it go on using it."""
    return view_dataset(datasets.rename_dataset(database, dataset_id, change.name))


@router.delete("/{dataset_id}", status_code=204)
def delete_dataset(dataset_id: UUID, database: DatabaseDep, storage: StorageDep) -> None:
    """Delete a dataset that no job uses."""
    datasets.delete_dataset(database, storage, dataset_id)
