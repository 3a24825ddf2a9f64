"""A job's history as files of other tools, and thinned out: the numbers of the pages, all of them, in little memory."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow.ipc
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert
from workbench import LECTURE, change, claimed, problem_of, request, storage, submit

from service.api.files.columns import epoch_batch, epoch_schema
from service.api.files.encoding import encode_batches
from service.errors import JobNotFound
from service.jobs import jobs
from service.records import chunks
from service.store.database import Database
from service.store.tables import Epoch
from slope.client.history.history import History

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]

TWO_FEATURES: Json = {
    "dataset": {"x": [[1.0, 0.5], [2.0, -0.5], [3.0, 1.0], [4.0, 0.0], [5.0, 2.0]], "y": [3.0, 2.5, 6.0, 6.5, 9.0]},
    "hyperparameters": {"epochs": 7, "learning_rate": 0.02, "batch_size": 2, "validation_fraction": 0.2},
}
KINDS = ["application/json", "text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream"]


@pytest.fixture(params=["two features", "no bias", "frozen"])
def wanted(request: pytest.FixtureRequest) -> Json:
    own: Json = {"two features": {}, "no bias": {"fit_bias": False}, "frozen": {"frozen": ["weights"]}}[request.param]
    return TWO_FEATURES | {"hyperparameters": TWO_FEATURES["hyperparameters"] | own}


def get(client: TestClient, url: str, kind: str, **parameters: Any) -> bytes:
    answer = client.get(url, params=parameters, headers={"Accept": kind})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["vary"] == "Accept"
    return answer.content


def flat(item: Json) -> Json:
    """An item of a page with a name for every number."""
    found: Json = {}
    for name, value in item.items():
        if name in ("gradient", "gradient_mean", "gradient_last"):
            found |= numbered(f"{name}_weights", value["weights"]) | {f"{name}_bias": value["bias"]}
        elif name == "weights":
            found |= numbered(name, value)
        else:
            found[name] = value
    return found


def numbered(name: str, vector: list[float] | None) -> Json:
    return {f"{name}_{each}": None if vector is None else vector[each] for each in range(2)}


def rows_of_csv(content: bytes) -> list[Json]:
    lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [{name: number(name, cell) for name, cell in line.items()} for line in lines]


def number(name: str, cell: str) -> Any:
    if name == "rows":
        return [int(row) for row in cell.split()]
    return (int(cell) if name in ("epoch", "step") else float(cell)) if cell else None


# formats


def test_epochs_are_the_same_in_every_format(client: TestClient, trained: Trained, wanted: Json) -> None:
    url = f"/v1/jobs/{trained(wanted)}/epochs"
    json_kind, csv_kind, lines_kind, arrow_kind = KINDS

    items = json.loads(get(client, url, json_kind))["data"]
    lines = [json.loads(line) for line in get(client, url, lines_kind).splitlines()]
    table = pyarrow.ipc.open_stream(get(client, url, arrow_kind)).read_all()

    assert len(items) == 7
    assert lines == items
    assert table.to_pylist() == [flat(item) for item in items]
    columns, same = History.of_arrow(get(client, url, arrow_kind)), History.of(get(client, url, lines_kind))
    assert len(columns) == len(same)
    assert dict(columns.columns) == same.columns
    assert columns.arrow() == same.arrow()
    pd.testing.assert_frame_equal(columns.pandas(), same.pandas())
    assert columns.polars().equals(same.polars())
    assert rows_of_csv(get(client, url, csv_kind)) == [flat(item) for item in items]
    assert {str(field.type) for field in table.schema} == {"int64", "double"}


def test_steps_are_the_same_in_every_format(client: TestClient, trained: Trained, wanted: Json) -> None:
    url = f"/v1/jobs/{trained(wanted)}/epochs/3/steps"
    json_kind, csv_kind, lines_kind, arrow_kind = KINDS

    items = json.loads(get(client, url, json_kind))["data"]
    lines = [json.loads(line) for line in get(client, url, lines_kind).splitlines()]

    assert [item["step"] for item in items] == [0, 1]
    assert lines == items
    assert pyarrow.ipc.open_stream(get(client, url, arrow_kind)).read_all().to_pylist() == [flat(i) for i in items]
    assert rows_of_csv(get(client, url, csv_kind)) == [flat(item) for item in items]


def test_pandas_reads_the_csv_as_it_is(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(TWO_FEATURES)}/epochs"

    frame = pd.read_csv(io.BytesIO(get(client, url, "text/csv")))

    items = client.get(url).json()["data"]
    assert frame["loss"].tolist() == [item["loss"] for item in items]
    assert frame[["weights_0", "weights_1"]].to_numpy().tolist() == [item["weights"] for item in items]
    assert {str(kind) for kind in frame.dtypes} == {"int64", "float64"}


def test_steps_that_were_not_recorded_are_replayed_into_every_format(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(request(batch_size=1, epochs=3, record={'steps': 'none'}))}/epochs/2/steps"
    items = client.get(url).json()["data"]

    lines = get(client, url, "application/x-ndjson").splitlines()

    assert [item["step"] for item in items] == [0, 1, 2, 3]
    assert [json.loads(line) for line in lines] == items
    assert [row["loss"] for row in rows_of_csv(get(client, url, "text/csv", after=1))] == [i["loss"] for i in items[2:]]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_file_has_the_rows_that_were_asked_for(client: TestClient, trained: Trained, kind: str) -> None:
    url = f"/v1/jobs/{trained(TWO_FEATURES)}"

    def epochs(**parameters: Any) -> list[int]:
        content = get(client, f"{url}/epochs", kind, **parameters)
        if kind == "application/x-ndjson":
            return [json.loads(line)["epoch"] for line in content.splitlines()]
        if kind == "text/csv":
            return [row["epoch"] for row in rows_of_csv(content)]
        return pyarrow.ipc.open_stream(content).read_all()["epoch"].to_pylist()

    assert epochs() == list(range(7))
    assert epochs(after=2, limit=3) == [3, 4, 5]
    assert epochs(after=6) == epochs(after=2**31 - 1) == []


def test_the_recorded_steps_of_all_epochs_are_a_list_that_is_read_page_by_page(
    client: TestClient, trained: Trained
) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}"
    epochs = [client.get(f"{url}/epochs/{epoch}/steps").json()["data"] for epoch in range(10)]
    found: list[Any] = []
    parameters: dict[str, Any] = {"limit": 7}
    while True:
        page = client.get(f"{url}/steps", params=parameters).json()
        found += page["data"]
        if page["next"] is None:
            break
        parameters["after"] = page["next"]
    assert found == [step for steps in epochs for step in steps]
    bare = trained(request(record={"steps": "none"}))
    assert client.get(f"/v1/jobs/{bare}/steps").json() == {"data": [], "next": None}


def test_a_page_beyond_the_end_is_empty(client: TestClient, trained: Trained) -> None:
    """Also in the epoch that diverged, of which only the first steps are recorded."""
    diverged = request(batch_size=1, learning_rate=1e6, epochs=100)
    for url in (f"/v1/jobs/{trained(TWO_FEATURES)}/epochs/6/steps", *broken_epochs(client, trained(diverged))):
        for after in (50, 2**31 - 1):
            assert client.get(url, params={"after": after}).json() == {"data": [], "next": None}
            assert rows_of_csv(get(client, url, "text/csv", after=after)) == []


def broken_epochs(client: TestClient, job_id: UUID) -> Iterator[str]:
    done = client.get(f"/v1/jobs/{job_id}").json()["progress"]["epochs_done"]
    url = f"/v1/jobs/{job_id}/epochs/{done}/steps"
    assert client.get(url).json()["data"]
    yield url


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_a_problem_in_every_format(client: TestClient, trained: Trained, kind: str) -> None:
    headers = {"Accept": kind}
    job_id = trained(LECTURE)

    missing = client.get(f"/v1/jobs/{UUID(int=0)}/epochs", headers=headers)
    no_epoch = client.get(f"/v1/jobs/{job_id}/epochs/10/steps", headers=headers)

    assert problem_of(missing, 404)["type"] == "/problems/job-not-found"
    assert problem_of(no_epoch, 404)["type"] == "/problems/epoch-not-found"


# negotiation


ACCEPTED: list[tuple[str, str | None]] = [
    ("*/*", "application/json"),
    ("", "application/json"),
    ("application/*", "application/json"),
    ("text/*", "text/csv"),
    ("text/html, application/xml;q=0.9, */*;q=0.8", "application/json"),
    ("application/json;q=0.5, text/csv", "text/csv"),
    ("application/json;q=0.5, text/csv;q=0.4", "application/json"),
    ("*/*;q=0.1, application/x-ndjson", "application/x-ndjson"),
    ("application/json;q=0, */*", "text/csv"),
    ("TEXT/CSV", "text/csv"),
    ("image/png", None),
    ("text/csv;q=0", None),
    ("no kind at all", None),
    ("text/csv," * 1000, None),
]


def test_accept_is_honoured(client: TestClient, database: Database) -> None:
    url = f"/v1/jobs/{submit(database)}/epochs"
    for accept, kind in ACCEPTED:
        answer = client.get(url, headers={"Accept": accept})
        assert answer.headers["vary"] == "Accept"
        if kind is None:
            problem = problem_of(answer, 406)
            assert problem["type"] == "/problems/not-acceptable"
            assert all(offered in problem["detail"] for offered in KINDS)
        else:
            assert answer.headers["content-type"].partition(";")[0] == kind, accept


def test_a_link_can_name_the_format(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    url = f"/v1/jobs/{job_id}/epochs"

    answer = client.get(url, params={"format": "csv"}, headers={"Accept": "application/json"})

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{job_id}-epochs.csv"'
    assert len(rows_of_csv(answer.content)) == 10
    problem = problem_of(client.get(url, params={"format": "xls"}), 422)
    assert problem["errors"][0]["pointer"] == "/query/format"


# fewer points


def with_losses(database: Database, losses: list[float], *, features: int = 1) -> UUID:
    """A running job whose epochs had these losses."""
    dataset = {"x": [[1.0] * features, [2.0] * features], "y": [1.0, 2.0]}
    mine = claimed(database, request(epochs=len(losses)) | {"dataset": dataset})
    vector = [0.1] * features
    shared = {
        "job_id": mine.job_id,
        "last_loss": 1.0,
        "validation_loss": None,
        "gradient_mean_weights": vector,
        "gradient_mean_bias": 0.1,
        "gradient_last_weights": vector,
        "gradient_last_bias": 0.1,
        "gradient_norm": 1.0,
        "weights": vector,
        "bias": 0.1,
        "learning_rate": 0.1,
        "seconds": 0.1,
    }
    epochs = [shared | {"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses)]

    def write(session: Any) -> None:
        mine.extend(session, 600.0, epochs_done=len(losses))
        session.execute(insert(Epoch), epochs)

    change(database, write)
    return mine.job_id


def kept(losses: list[float], first: int, points: int) -> list[int]:
    """The plain way: of each stretch the first, the last, and the first with the least and with the greatest loss."""
    epochs = list(range(first, len(losses)))
    if len(epochs) <= points:
        return epochs
    length = -(-len(epochs) // (points // 4))
    stretches = [epochs[start : start + length] for start in range(0, len(epochs), length)]
    return sorted(
        {
            epoch
            for each in stretches
            for epoch in (each[0], each[-1], min(each, key=losses.__getitem__), max(each, key=losses.__getitem__))
        }
    )


def test_points_keep_the_extremes_of_every_stretch(client: TestClient, database: Database) -> None:
    losses = np.random.RandomState(0).exponential(size=997).round(2).tolist()  # of many there are two the same
    losses[612] = 1e300
    url = f"/v1/jobs/{with_losses(database, losses)}/epochs"

    for points, after in [(4, -1), (5, -1), (7, 3), (40, -1), (100, 610), (333, -1), (996, -1), (997, -1), (10_000, 5)]:
        page = client.get(url, params={"points": points, "after": after}).json()
        found = [item["epoch"] for item in page["data"]]
        assert found == kept(losses, after + 1, points)
        assert len(found) <= points
        assert page["next"] is None
        assert 612 in found
        assert [item["loss"] for item in page["data"]] == [losses[epoch] for epoch in found]


def test_a_flat_curve_keeps_no_more_points_than_asked_for(client: TestClient, database: Database) -> None:
    url = f"/v1/jobs/{with_losses(database, [1.0] * 300)}/epochs"

    assert len(client.get(url, params={"points": 4}).json()["data"]) == 2
    assert len(client.get(url, params={"points": 50}).json()["data"]) <= 50


def test_points_come_in_every_format(client: TestClient, database: Database) -> None:
    losses = np.random.RandomState(1).exponential(size=300).tolist()
    url = f"/v1/jobs/{with_losses(database, losses)}/epochs"

    rows = rows_of_csv(get(client, url, "text/csv", points=20))

    assert [row["epoch"] for row in rows] == kept(losses, 0, 20)
    assert get(client, url, "application/x-ndjson", points=20).count(b"\n") == len(rows)


@pytest.mark.parametrize("steps", ["all", "none"])
def test_points_thin_out_the_steps_of_an_epoch_too(client: TestClient, trained: Trained, steps: str) -> None:
    """Recorded and replayed ones."""
    y = np.random.RandomState(2).standard_normal(150).tolist()
    y[77] = 1e4
    wanted = {"dataset": {"x": list(range(150)), "y": y}, "hyperparameters": {"learning_rate": 1e-6, "epochs": 2}}
    wanted["hyperparameters"]["record"] = {"steps": steps}
    url = f"/v1/jobs/{trained(wanted)}/epochs/1/steps"
    every = client.get(url).json()["data"]
    losses = [step["loss"] for step in every]

    for points, after in ((4, -1), (40, -1), (40, 60), (149, -1), (150, -1), (1000, 140)):
        page = client.get(url, params={"points": points, "after": after}).json()
        assert page == {"data": [every[step] for step in kept(losses, after + 1, points)], "next": None}
        assert after > 77 or 77 in [step["step"] for step in page["data"]]
    assert len(rows_of_csv(get(client, url, "text/csv", points=40))) == len(kept(losses, 0, 40))


def test_no_epochs_have_no_points(client: TestClient, database: Database) -> None:
    url = f"/v1/jobs/{submit(database)}/epochs"

    assert client.get(url, params={"points": 4}).json() == {"data": [], "next": None}
    for few in (3, 0, -1, 10_001):
        problem = problem_of(client.get(url, params={"points": few}), 422)
        assert problem["errors"][0]["pointer"] == "/query/points"


# memory


def test_a_history_is_read_in_chunks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_CHUNK_NUMBERS", 100)
    job_id = with_losses(database, [1.0] * 50)

    found = [chunk.epoch.tolist() for chunk in chunks.epoch_history(database, job_id, after=3, limit=20).chunks]

    assert max(map(len, found)) <= 10
    assert [epoch for chunk in found for epoch in chunk] == list(range(4, 24))


def test_a_history_of_any_length_is_sent_in_the_same_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "_CHUNK_NUMBERS", 2**15)  # both are longer than a chunk
    job_id = with_losses(database, [1.0] * 3000, features=32)
    shorter, longer = (peak_of_sending(database, job_id, limit) for limit in (600, 3000))

    assert longer < 1.3 * shorter


def peak_of_sending(database: Database, job_id: UUID, limit: int) -> int:
    """The most bytes that are held at once."""
    found = chunks.epoch_history(database, job_id, limit=limit)
    schema = epoch_schema(found.features)
    tracemalloc.start()
    sent = sum(map(len, encode_batches("arrow", schema, (epoch_batch(chunk, schema) for chunk in found.chunks))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > limit * 100 * 8
    return peak


def test_a_history_whose_job_is_deleted_meanwhile_does_not_end_as_if_it_were_whole(
    database: Database, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "_CHUNK_NUMBERS", 1)
    job_id = trained(request(batch_size=1))
    every = [
        chunks.epoch_history(database, job_id),
        chunks.thinned_epochs(database, job_id, points=4),
        chunks.step_history(database, storage(), job_id, 0),
    ]
    for found in every:
        next(found.chunks)
    jobs.delete_job(database, storage(), job_id)

    for found in every:
        with pytest.raises(JobNotFound):
            list(found.chunks)
