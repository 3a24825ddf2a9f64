"""Every call about datasets, said once for both clients."""

from pathlib import Path
from typing import Any

from slope.client.exchange import Call, Listing, Request, request_json
from slope.client.problem import Json, checked

_UPLOAD_SECONDS = 900.0


def upload(file: Path | str, *, name: str | None = None, **options: Any) -> Call[Json]:
    """Keep a file as a dataset: .csv, .tsv, .ndjson, .json, .parquet or .arrow, also with .gz or .zst behind it.

    Options are those of `POST /v1/datasets`: header, delimiter, decimal, thousands, charset, missing, nulls,
    infinities, text, one_hot, index, format.
    """
    wanted = {"name": name, **options}
    with Path(file).open("rb") as opened:
        found: Json = yield from request_json(
            "POST",
            "/v1/datasets",
            files={"file": (Path(file).name, opened)},
            params={key: value for key, value in wanted.items() if value is not None},
            timeout=_UPLOAD_SECONDS,
        )
    return found


def dataset(dataset_id: str) -> Call[Json]:
    """A dataset's columns with their statistics."""
    return request_json("GET", f"/v1/datasets/{dataset_id}")


def datasets(**filters: str) -> Listing:
    """All uploaded datasets, newest first, page by page."""
    return Listing("/v1/datasets", filters)


def dataset_rows(dataset_id: str) -> Listing:
    """All rows of a dataset, page by page."""
    return Listing(f"/v1/datasets/{dataset_id}/rows", {"limit": "1000"})


def sample_dataset(dataset_id: str, rows: int, *, seed: int = 0) -> Call[Json]:
    """Some rows of a dataset chosen by chance, as `data`, and `row_numbers`, which say which they are."""
    return request_json("GET", f"/v1/datasets/{dataset_id}/rows", params={"sample": rows, "seed": seed})


def delete_dataset(dataset_id: str) -> Call[None]:
    """Delete a dataset that no job uses."""
    checked((yield Request("DELETE", f"/v1/datasets/{dataset_id}")))
