"""Datasets over HTTP: what goes in comes out, the same once, and jobs learn from columns by name."""

import gzip
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sklearn.datasets import load_diabetes, load_linnerud
from workbench import LECTURE, FakeQueue, at_once, problem_of, rows_of_every_table, storage, submit

from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database

CSV = b"hours,score\n1,52.5\n2,57\n3,61.5\n"
LINES = b'{"hours":1,"score":52.5}\n{"hours":2,"score":57}\n{"hours":3,"score":61.5}'

Train = Callable[[UUID | str], None]


def post(client: TestClient, body: bytes, kind: str = "text/csv", **parameters: Any) -> Response:
    headers = {"content-type": kind} | parameters.pop("headers", {})
    return client.post("/v1/datasets", content=body, headers=headers, params=parameters)


def uploaded(client: TestClient, body: bytes, kind: str = "text/csv", **parameters: Any) -> dict[str, Any]:
    answer = post(client, body, kind, **parameters)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def compressed(body: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(body)
    return bytes(sink.getvalue())


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.fixture(scope="module")
def diabetes() -> pa.Table:
    data = load_diabetes(as_frame=True).frame
    return pa.Table.from_pandas(data, preserve_index=False)


def test_a_csv_becomes_a_dataset_that_says_what_is_in_it(client: TestClient) -> None:
    answer = post(client, CSV, name="course")

    assert answer.status_code == 201
    dataset = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert client.get(answer.headers["location"]).json() == dataset
    assert (dataset["name"], dataset["rows"], dataset["inline"]) == ("course", 3, False)
    hours, score = dataset["columns"]
    assert hours == {
        "name": "hours",
        "type": "integer",
        "count": 3,
        "nulls": 0,
        "min": 1.0,
        "max": 3.0,
        "mean": 2.0,
        "deviation": pytest.approx((2 / 3) ** 0.5),
    }
    assert (score["name"], score["type"], score["mean"]) == ("score", "number", 57.0)


def test_the_same_content_is_kept_once_in_whatever_format_it_comes(client: TestClient, database: Database) -> None:
    first = uploaded(client, CSV)
    objects = len(list(storage().everything()))
    table = arrow_csv.read_csv(io.BytesIO(CSV))

    again = [
        post(client, as_parquet(table), "application/vnd.apache.parquet"),
        post(
            client,
            b'{"hours":1,"score":52.5}\n{"hours":2,"score":57}\n{"hours":3,"score":61.5}',
            "application/x-ndjson",
        ),
        post(client, b'{"hours":[1,2,3],"score":[52.5,57,61.5]}', "application/json"),
        post(client, b"hours;score\n1;52,5\n2;57\n3;61,5", decimal=","),
    ]

    assert [(answer.status_code, answer.json()["id"]) for answer in again] == [(200, first["id"])] * 4
    assert rows_of_every_table(database)["datasets"] == 1
    assert len(list(storage().everything())) == objects


def test_a_second_upload_of_the_same_numbers_is_told_its_own_nulls_types_and_name(
    client: TestClient, database: Database
) -> None:
    first = uploaded(client, b"p,q\n1,2\n2,\n3,4\n", nulls="mean", name="with-gap")
    objects = len(list(storage().everything()))

    answers = [
        post(client, b"p,q\n1,2\n2,3\n3,4\n", name="complete"),
        post(client, b"p,q\n1,2\n2,3\n3,4\n"),
        post(client, b'{"p":[1,2,3.0],"q":[2,3,4]}', "application/json", name="complete"),
    ]
    again = post(client, b"p,q\n1,2\n2,3\n3,4\n", name="complete")

    assert [answer.status_code for answer in answers] == [201] * 3
    own = [answer.json() for answer in answers]
    assert [dataset["name"] for dataset in own] == ["complete", None, "complete"]
    assert [[column["nulls"] for column in dataset["columns"]] for dataset in [first, *own]] == [[0, 1], *[[0, 0]] * 3]
    assert [[column["type"] for column in dataset["columns"]] for dataset in own][::2] == [
        ["integer", "integer"],
        ["number", "integer"],
    ]
    assert {dataset["content_hash"] for dataset in own} == {first["content_hash"]}
    assert (again.status_code, again.json()) == (200, own[0])
    assert rows_of_every_table(database)["datasets"] == 4
    assert len(list(storage().everything())) == objects, "the numbers are kept once"


def test_numbers_stay_while_any_dataset_shares_them(client: TestClient) -> None:
    before = len(list(storage().everything()))
    ids = [uploaded(client, CSV, name=name)["id"] for name in ("a", "b", "c")]

    for count, dataset_id in enumerate(ids, 1):
        assert client.delete(f"/v1/datasets/{dataset_id}").status_code == 204
        for left in ids[count:]:
            assert len(client.get(f"/v1/datasets/{left}/rows").json()["data"]) == 3

    assert len(list(storage().everything())) == before


def test_no_numbers_are_lost_while_the_same_is_uploaded_and_deleted_by_many(client: TestClient) -> None:
    before = len(list(storage().everything()))

    def come_and_go(number: int) -> list[tuple[int, int, int]]:
        seen = []
        for turn in range(5):
            dataset = uploaded(client, CSV, name=f"{number}.{turn}")
            rows = client.get(f"/v1/datasets/{dataset['id']}/rows")
            gone = client.delete(f"/v1/datasets/{dataset['id']}")
            seen.append((rows.status_code, len(rows.json()["data"]), gone.status_code))
        return seen

    for seen in at_once(4, come_and_go):
        assert seen == [(200, 3, 204)] * 5
    assert len(list(storage().everything())) == before, "and none is left over"


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_body_may_be_compressed(client: TestClient, codec: str) -> None:
    answer = post(client, compressed(CSV, codec), headers={"content-encoding": codec})

    assert answer.status_code == 201
    assert answer.json()["rows"] == 3


def test_a_file_of_a_form_is_known_by_the_ending_of_its_name(client: TestClient) -> None:
    plain = client.post("/v1/datasets", files={"file": ("course.csv", CSV, "application/octet-stream")})
    packed = client.post("/v1/datasets", files={"file": ("course.csv.gz", gzip.compress(CSV), "application/gzip")})

    assert (plain.status_code, packed.status_code) == (201, 200)


def test_rows_come_page_by_page(client: TestClient) -> None:
    path = f"/v1/datasets/{uploaded(client, CSV)['id']}/rows"

    first = client.get(path, params={"limit": 2}).json()
    second = client.get(path, params={"limit": 2, "after": first["next"]}).json()

    assert first == {"data": [{"hours": 1.0, "score": 52.5}, {"hours": 2.0, "score": 57.0}], "next": "1"}
    assert second == {"data": [{"hours": 3.0, "score": 61.5}], "next": None}
    assert client.get(path, params={"after": 10}).json() == {"data": [], "next": None}


@pytest.mark.parametrize("rows", [40, 120_000], ids=["few in their row", "many in an object"])
def test_a_sample_of_rows_is_the_same_every_time_and_says_which_they_are(client: TestClient, rows: int) -> None:
    lines = b"n,square\n" + b"".join(b"%d,%d\n" % (number, number**2) for number in range(rows))
    path = f"/v1/datasets/{uploaded(client, lines)['id']}/rows"

    sample = client.get(path, params={"sample": 30, "seed": 7}).json()

    numbers = sample["row_numbers"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 30
    assert sample["data"] == [{"n": float(number), "square": float(number**2)} for number in numbers]
    assert sample["next"] is None
    assert client.get(path, params={"sample": 30, "seed": 7}).json() == sample
    assert client.get(path, params={"sample": 30}).json()["row_numbers"] != numbers
    assert len(client.get(path, params={"sample": 50}).json()["data"]) == min(rows, 50)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("sample=0", "/query/sample"), ("seed=1", "/query/seed"), ("sample=5&after=2", "/query/after")],
)
def test_what_is_no_sample_is_refused(client: TestClient, query: str, pointer: str) -> None:
    problem = problem_of(client.get(f"/v1/datasets/{uploaded(client, CSV)['id']}/rows?{query}"), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_uploaded_datasets_are_listed_newest_first_and_those_of_jobs_are_not(
    client: TestClient, database: Database
) -> None:
    submit(database, LECTURE)
    ids = [uploaded(client, b"a,b\n1,%d\n" % number, name="n")["id"] for number in range(3)]

    page = client.get("/v1/datasets", params={"limit": 2}).json()
    rest = client.get("/v1/datasets", params={"limit": 2, "after": page["next"]}).json()

    assert [dataset["id"] for dataset in page["data"] + rest["data"]] == ids[::-1]
    assert rest["next"] is None
    assert client.get("/v1/datasets", params={"name": "other"}).json()["data"] == []


def test_a_dataset_goes_when_it_is_deleted_but_not_while_a_job_uses_it(client: TestClient) -> None:
    dataset_id = uploaded(client, CSV)["id"]
    job = client.post("/v1/jobs", json={"dataset": {"id": dataset_id}}).json()

    problem = problem_of(client.delete(f"/v1/datasets/{dataset_id}"), 409)
    assert problem["type"] == "/problems/dataset-is-used"
    assert "/v1/jobs?dataset_id=" in problem["detail"], "where the jobs are found that are to be deleted first"
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/datasets/{dataset_id}").status_code == 200, "it was uploaded: it stays without its job"
    assert client.delete(f"/v1/datasets/{dataset_id}").status_code == 204
    for call in (client.get, client.delete):
        assert problem_of(call(f"/v1/datasets/{dataset_id}"), 404)["type"] == "/problems/dataset-not-found"
    assert f"{dataset_id}.parquet" not in {each.name for each in storage().everything()}


def test_rows_of_a_job_that_are_uploaded_too_outlive_the_job(client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"dataset": {"x": [1, 2], "y": [3, 4]}}).json()

    dataset = uploaded(client, b"x,y\n1,3\n2,4\n", name="mine")
    client.delete(f"/v1/jobs/{job['id']}")

    assert dataset["id"] == job["dataset"]["id"]
    assert client.get(f"/v1/datasets/{dataset['id']}").json()["name"] == "mine"


def test_a_job_learns_from_the_columns_it_names(client: TestClient, train: Train, diabetes: pa.Table) -> None:
    dataset = uploaded(client, as_parquet(diabetes), "application/vnd.apache.parquet")
    settings = {"epochs": 2000, "batch_size": "full", "learning_rate": 0.2, "dtype": "float64", "standardize": True}
    wanted = {
        "dataset": {"id": dataset["id"], "features": ["bmi", "bp"], "target": "target"},
        "hyperparameters": settings | {"record": {"steps": "none", "every": 2000}},
    }

    job_id = client.post("/v1/jobs", json=wanted).json()["id"]
    train(job_id)

    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["dataset"] == {
        "id": dataset["id"],
        "rows": 442,
        "features": 2,
        "columns": ["bmi", "bp"],
        "target": "target",
        "weights": None,
    }
    x = np.column_stack([diabetes["bmi"], diabetes["bp"], np.ones(442)])
    exact = np.linalg.lstsq(x, diabetes["target"].to_numpy(), rcond=None)[0]
    assert [*job["weights"], job["bias"]] == pytest.approx(exact)
    assert client.get("/v1/jobs", params={"dataset_id": dataset["id"]}).json()["data"][0]["id"] == job_id


def test_without_names_the_last_column_is_learnt_from_all_others(client: TestClient) -> None:
    x, y = load_linnerud(return_X_y=True)
    body = "\n".join(",".join(map(str, [*row, weights[0]])) for row, weights in zip(x, y, strict=True))

    dataset = uploaded(client, body.encode())
    job = client.post("/v1/jobs", json={"dataset": {"id": dataset["id"]}}).json()

    assert job["dataset"]["columns"] == ["c0", "c1", "c2"]
    assert job["dataset"]["target"] == "c3"


@pytest.mark.parametrize(
    ("chosen", "pointer"),
    [
        ({"target": "none"}, "/dataset/target"),
        ({"features": ["hours", "none"]}, "/dataset/features/1"),
        ({"features": ["score"]}, "/dataset/features/0"),
        ({"features": ["hours", "hours"]}, "/dataset/features/1"),
        ({"features": []}, "/dataset"),
    ],
)
def test_a_column_that_cannot_be_chosen_is_pointed_at(client: TestClient, chosen: dict[str, Any], pointer: str) -> None:
    dataset_id = uploaded(client, CSV)["id"]

    answer = client.post("/v1/jobs", json={"dataset": {"id": dataset_id} | chosen})

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == [pointer]


@pytest.mark.parametrize(
    "chosen",
    [{"target": "price"}, {"features": ["price"], "target": "id"}, {"target": "id", "weights": "price"}],
    ids=["target", "feature", "weights"],
)
def test_a_column_that_was_left_out_for_its_words_is_told_with_the_first_of_them(
    client: TestClient, chosen: dict[str, Any]
) -> None:
    dataset_id = uploaded(client, b'id,age,price\n1,3,"$1,200"\n2,4,900\n', text="drop")["id"]

    answer = client.post("/v1/jobs", json={"dataset": {"id": dataset_id} | chosen})

    assert [error["detail"] for error in problem_of(answer, 422)["errors"]] == [
        "The column is not of numbers, and text=drop left it out of the dataset. The first cell that is no number is in"
        " row 0: leave signs and units to the column's name. Make numbers of it, and upload the table again"
    ]


def test_a_dataset_too_large_for_float32_asks_for_float64(client: TestClient) -> None:
    dataset_id = uploaded(client, b"x,y\n1e39,1\n2,3\n")["id"]
    wanted = {"dataset": {"id": dataset_id}}

    answer = client.post("/v1/jobs", json=wanted)

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == ["/hyperparameters/dtype"]
    assert client.post("/v1/jobs", json=wanted | {"hyperparameters": {"dtype": "float64"}}).status_code == 202


@pytest.mark.parametrize(
    ("kind", "headers", "status"),
    [
        ("text/html", {}, 415),
        ("", {}, 415),
        ("text/csv", {"content-encoding": "br"}, 415),
        ("multipart/form-data", {}, 400),
        ("multipart/form-data; boundary=b", {}, 400),
        ("multipart/form-data; boundary=" + "b" * 5000, {}, 400),
    ],
)
def test_a_body_of_no_known_kind_is_refused(
    client: TestClient, kind: str, headers: dict[str, str], status: int
) -> None:
    problem_of(post(client, CSV, kind, headers=headers), status)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "workbook"),
        ("application/vnd.ms-excel", "workbook"),
        ("application/vnd.oasis.opendocument.spreadsheet", "workbook"),
        ("application/zip", "archive"),
        ("application/x-7z-compressed", "archive"),
    ],
)
def test_what_people_have_tables_in_is_called_that(client: TestClient, kind: str, word: str) -> None:
    answers = [
        post(client, b"PK\x03\x04", kind),
        client.post("/v1/datasets", files={"file": ("rents", b"PK\x03\x04", kind)}),
    ]

    for answer in answers:
        assert word in problem_of(answer, 415)["detail"]
    assert "xlsx" in problem_of(post(client, b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml"), 422)["detail"]


@pytest.mark.parametrize("name", ["airfoil.dat", "airfoil.txt", "airfoil"])
def test_a_file_whose_name_says_no_format_is_taken_in_the_one_that_is_named(client: TestClient, name: str) -> None:
    form = {"file": (name, CSV)}

    assert "format=csv" in problem_of(client.post("/v1/datasets", files=form), 415)["detail"]
    assert client.post("/v1/datasets?format=csv", files=form).json()["name"] == name


def test_a_dataset_that_does_not_exist_has_no_rows(client: TestClient) -> None:
    problem_of(client.get(f"/v1/datasets/{uuid4()}/rows"), 404)


def test_the_media_type_says_of_the_header_and_the_charset_what_the_query_does_not(client: TestClient) -> None:
    body = "größe,y\n1,2\n3,4\n".encode("iso-8859-1")

    refused = problem_of(post(client, body), 422)
    named = uploaded(client, body, "text/csv; charset=ISO-8859-1")
    asked = uploaded(client, body, "text/csv; charset=utf-16", charset="latin-1")
    headless = uploaded(client, b"1,2\n3,4\n", "text/csv; header=present", header="false")

    assert "byte at 2 " in refused["detail"]
    assert "charset=" in refused["detail"]
    assert [column["name"] for column in named["columns"]] == ["größe", "y"]
    assert asked["id"] == named["id"]
    assert uploaded(client, b"1,2\n3,4\n", "text/csv; header=present")["rows"] == 1
    assert uploaded(client, b"1,2\n3,4\n", "text/csv; header=absent")["id"] == headless["id"]
    assert headless["rows"] == 2
    problem_of(post(client, b"a\n1\n", "text/csv; header=perhaps"), 415)
    problem_of(post(client, b"a\n1\n", "text/csv; charset=rot13"), 415)
    problem = problem_of(post(client, b"a\n1\n", charset="rot13"), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/query/charset"]


@pytest.mark.parametrize(
    ("name", "word"), [("r.xlsx", "workbook"), ("R.XLS", "workbook"), ("r.ods", "workbook"), ("r.zip", "archive")]
)
def test_a_file_of_no_named_type_is_called_what_its_name_says(client: TestClient, name: str, word: str) -> None:
    """As curl sends files."""
    sent = {"file": (name, b"PK\x03\x04", "application/octet-stream")}

    assert word in problem_of(client.post("/v1/datasets", files=sent), 415)["detail"]


def test_the_file_of_a_form_is_told_by_its_own_part_and_name(client: TestClient) -> None:
    tabs = b"a\tb\n1\t2\n3\t4.5\n"
    by_name = client.post("/v1/datasets", files={"file": ("d.tsv", tabs, "application/octet-stream")})
    by_type = client.post("/v1/datasets", files={"file": ("d", tabs, "text/tab-separated-values")})
    packed = client.post("/v1/datasets", files={"file": ("d.tsv.gz", gzip.compress(tabs), "application/gzip")})
    latin = client.post(
        "/v1/datasets", files={"file": ("d.csv", "é\n1\n".encode("latin-1"), "text/csv; charset=latin1")}
    )

    assert [answer.json()["rows"] for answer in (by_name, by_type, packed)] == [2, 2, 2]
    assert by_name.json()["columns"][1]["mean"] == 3.25
    assert latin.json()["columns"][0]["name"] == "é"


@pytest.mark.parametrize(
    ("disposition", "name", "columns"),
    [
        ('filename="rents.csv"', "rents.csv", 1),
        ('filename="rents.tsv"', "rents.tsv", 2),
        ("filename*=UTF-8''caf%C3%A9%20x.tsv", "café x.tsv", 2),
        ("filename=\"plain.csv\"; filename*=utf-8'en'caf%C3%A9.tsv", "café.tsv", 2),
        ("filename*=iso-8859-1''%A3.tsv", "£.tsv", 2),
        ('filename="the %22best%22, 100%25.tsv"', 'the "best", 100%25.tsv', 2),
        (r'filename="the \"best\".tsv"', 'the "best".tsv', 2),
        ('filename="C:\\\\data\\\\rents.tsv"', "rents.tsv", 2),
        ('filename="' + "n" * 300 + '.tsv"', None, 2),
    ],
)
def test_a_dataset_is_called_as_its_file_unless_the_query_says_otherwise(
    client: TestClient, disposition: str, name: str | None, columns: int
) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="file"; {disposition}\r\n\r\na\tb\n1\t2\n2\t3\n\r\n--b--\r\n'
    parameters = {} if columns == 2 else {"delimiter": "\t"}

    plain = post(client, body.encode(), "multipart/form-data; boundary=b", **parameters)
    named = post(client, body.encode(), "multipart/form-data; boundary=b", name="mine", **parameters)

    assert (plain.status_code, named.status_code) == (201, 201), plain.text
    assert (plain.json()["name"], named.json()["name"]) == (name, "mine")
    assert len(plain.json()["columns"]) == 2


def test_the_index_of_a_shuffled_frame_is_not_learnt_and_the_dataset_says_so(client: TestClient) -> None:
    frame = load_diabetes(as_frame=True).frame.sample(frac=1, random_state=0)
    body = as_parquet(pa.Table.from_pandas(frame))

    dataset = uploaded(client, body, "application/vnd.apache.parquet")
    kept = uploaded(client, body, "application/vnd.apache.parquet", index="keep")

    assert dataset["columns"][-1]["name"] == "target"
    assert "index=keep" in dataset["notes"][0]
    assert client.get(f"/v1/datasets/{dataset['id']}").json()["notes"] == dataset["notes"]
    assert kept["columns"][-1]["name"] == "__index_level_0__"
    assert kept["notes"] == []


def _rows(count: int, first: int) -> bytes:
    return b"x,y\n" + b"".join(b"%d,%d\n" % (first, row) for row in range(count))


def test_all_datasets_together_stay_within_their_quota_however_many_come_at_once(database: Database) -> None:
    settings = Settings(
        database_url=database.url.render_as_string(hide_password=False),
        broker_url="redis+socket:///none.sock",
        max_stored_bytes=100_000,
    )
    with TestClient(create_app(settings, FakeQueue())) as client:
        objects = len(list(storage().everything()))
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda number: post(client, _rows(2000, number)), range(8)))
        kept = [answer.json()["id"] for answer in answers if answer.status_code == 201]
        refused = [problem_of(answer, 507) for answer in answers if answer.status_code != 201]

        assert len(kept) == 3
        assert {problem["type"] for problem in refused} == {"/problems/quota-reached"}
        assert len(list(storage().everything())) == objects + 3
        inline = {"dataset": {"x": [float(row) for row in range(2000)], "y": [1.0] * 2000}}
        assert problem_of(client.post("/v1/jobs", json=inline), 507)["type"] == "/problems/quota-reached"
        sweep = inline | {"grid": {"learning_rate": [0.1, 0.2]}}
        assert problem_of(client.post("/v1/sweeps", json=sweep), 507)["type"] == "/problems/quota-reached"
        assert (
            post(client, _rows(2000, answers.index(next(a for a in answers if a.status_code == 201)))).status_code
            == 200
        )
        assert client.delete(f"/v1/datasets/{kept[0]}").status_code == 204
        assert client.post("/v1/jobs", json=inline).status_code == 202


def test_a_reader_that_the_system_has_killed_is_our_fault(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("service.data.uploads.ingest_isolated", killed)

    answer = client.post("/v1/datasets", content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})

    assert problem_of(answer, 503)["type"] == "/problems/body-not-read"
    assert client.get("/v1/datasets").json()["data"] == []
