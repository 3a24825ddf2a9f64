"""Every call about datasets, said once for both clients."""

from pathlib import Path
from typing import Any

from slope.answers.datasets import DatasetView, RowsPage
from slope.client.exchange.exchange import Call, Id, Listing, ask, change, given, send

_UPLOAD_SECONDS = 900.0
Row = dict[str, float]
"""By the names of the columns."""


def upload(file: Path | str, *, name: str | None = None, **options: Any) -> Call[DatasetView]:
    """Keep a file as a dataset: .csv, .tsv, .ndjson, .json, .parquet or .arrow, also with .gz or .zst behind it.

    Options are those of `POST /v1/datasets`: header, delimiter, decimal, thousands, charset, missing, nulls,
    infinities, text, one_hot, index, format.
    """
    wanted = given(name=name, **options)
    with Path(file).open("rb") as opened:
        files = {"file": (Path(file).name, opened)}
        return (
            yield from change(DatasetView, "POST", "/v1/datasets", files=files, params=wanted, timeout=_UPLOAD_SECONDS)
        )


def dataset(dataset_id: Id) -> Call[DatasetView]:
    """A dataset's columns with their statistics."""
    return ask(DatasetView, f"/v1/datasets/{dataset_id}")


def rename_dataset(dataset_id: Id, name: str | None) -> Call[DatasetView]:
    """Give a dataset another name, or none."""
    return change(DatasetView, "PATCH", f"/v1/datasets/{dataset_id}", json={"name": name})


def datasets(**filters: Any) -> Listing[DatasetView]:
    """All uploaded datasets, newest first, page by page."""
    return Listing.of(DatasetView, "/v1/datasets", filters)


def dataset_rows(dataset_id: Id) -> Listing[Row]:
    """All rows of a dataset, page by page."""
    return Listing.of(Row, f"/v1/datasets/{dataset_id}/rows", {"limit": "1000"})


def sample_dataset(dataset_id: Id, rows: int, *, seed: int = 0) -> Call[RowsPage]:
    """Some rows of a dataset chosen by chance, as `data`, and `row_numbers`, which say which they are."""
    return ask(RowsPage, f"/v1/datasets/{dataset_id}/rows", params={"sample": rows, "seed": seed})


def delete_dataset(dataset_id: Id) -> Call[None]:
    """Delete a dataset that no job uses."""
    return send("DELETE", f"/v1/datasets/{dataset_id}")
