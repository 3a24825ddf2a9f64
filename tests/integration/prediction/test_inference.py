"""Open Inference Protocol and MLflow scoring over HTTP: every shape of the same rows gives the same predictions."""

import gzip
import json
from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given
from hypothesis import strategies as st
from workbench import LECTURE, FakeQueue, request, submit

from service.api.app import create_app
from service.api.document import examples
from service.api.guards.route_guards import THREADED
from service.api.protocols import kserve, mlflow, tensors
from service.api.protocols.mlflow import Invocation, matrix_of
from service.api.request_bodies import json_body, values
from service.api.schemas.kserve import Datatype
from service.errors import InvalidRequest
from service.prediction import trained_models
from service.settings import Settings
from service.store.database import Database
from slope.trained import TrainedModel

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]

ROWS = [[5.0, 1.0], [0.0, 0.0], [-3.5, 2.25]]
TWO_FEATURES: Json = {
    "dataset": {"x": [[1.0, 0.5], [2.0, -0.5], [3.0, 1.0], [4.0, 0.0], [5.0, 2.0]], "y": [3.0, 2.5, 6.0, 6.5, 9.0]},
    "hyperparameters": {"epochs": 7, "learning_rate": 0.02, "batch_size": 2},
}


@pytest.fixture
def job_id(trained: Trained) -> UUID:
    return trained(TWO_FEATURES)


@pytest.fixture
def expected(client: TestClient, job_id: UUID) -> list[float]:
    answer = client.post(f"/v1/jobs/{job_id}/predict", json={"x": ROWS}).json()
    return [each["after"] for each in answer["data"]]


def problem(answer: Response, status: int, pointer: str | None = None) -> Json:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    details: Json = answer.json()
    if pointer is not None:
        assert [error["pointer"] for error in details["errors"]] == [pointer]
    return details


# Open Inference Protocol


def tensor(**changes: Any) -> Json:
    return {"name": "x", "shape": [3, 2], "datatype": "FP32", "data": ROWS} | changes


def infer(client: TestClient, job_id: UUID, **body: Any) -> Response:
    return client.post(f"/v2/models/{job_id}/infer", json={"inputs": [tensor()]} | body)


def test_the_server_tells_of_itself(client: TestClient) -> None:
    server = client.get("/v2").json()
    assert server["name"] == "slope"
    assert server["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize(("dtype", "datatype"), [("float32", "FP32"), ("float64", "FP64")])
def test_a_model_tells_of_its_tensors(client: TestClient, trained: Trained, dtype: str, datatype: str) -> None:
    job_id = trained(request(dtype=dtype))
    assert client.get(f"/v2/models/{job_id}").json() == {
        "name": str(job_id),
        "versions": ["1"],
        "platform": "slope_linear",
        "inputs": [{"name": "x", "datatype": datatype, "shape": [-1, 1]}],
        "outputs": [{"name": "y", "datatype": datatype, "shape": [-1]}],
    }
    assert client.get(f"/v2/models/{job_id}/ready").json() == {"name": str(job_id), "ready": True}


def test_tensors_as_rows_or_row_by_row_are_predicted(client: TestClient, job_id: UUID, expected: list[float]) -> None:
    for data in (ROWS, [number for row in ROWS for number in row]):
        answer = infer(client, job_id, id="42", inputs=[tensor(data=data)], outputs=[{"name": "y"}])
        assert answer.json() == {
            "model_name": str(job_id),
            "id": "42",
            "outputs": [{"name": "y", "shape": [3], "datatype": "FP32", "data": expected}],
        }
    assert "id" not in infer(client, job_id).json()


def test_no_rows_are_predicted_as_none(client: TestClient, job_id: UUID) -> None:
    [output] = infer(client, job_id, inputs=[tensor(shape=[0, 2], data=[])]).json()["outputs"]
    assert (output["shape"], output["data"]) == ([0], [])


@pytest.mark.parametrize(
    ("datatype", "kind"), [("FP16", "<f2"), ("FP32", "<f4"), ("FP64", "<f8"), ("INT8", "<i1"), ("UINT64", "<u8")]
)
def test_numbers_come_as_bytes_behind_the_json(client: TestClient, job_id: UUID, datatype: str, kind: str) -> None:
    rows = np.array([[1, 2], [3, 100]], kind)
    plain = infer(client, job_id, inputs=[tensor(shape=[2, 2], data=rows.tolist())]).json()["outputs"][0]["data"]

    answer = with_bytes(client, job_id, rows.tobytes(), datatype=datatype)

    header = int(answer.headers["inference-header-content-length"])
    [output] = json.loads(answer.content[:header])["outputs"]
    assert output == {"name": "y", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    assert np.frombuffer(answer.content[header:], "<f4").tolist() == plain


def with_bytes(client: TestClient, job_id: UUID, content: bytes, **changes: Any) -> Response:
    told = tensor(shape=[2, 2], parameters={"binary_data_size": len(content)}) | changes
    told.pop("data")
    header = json.dumps({"inputs": [told], "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    return client.post(f"/v2/models/{job_id}/infer", content=header + content, headers=length)


WRONG_TENSORS: list[tuple[Json, str]] = [
    ({"inputs": []}, "/inputs"),
    ({"inputs": [tensor(), tensor()]}, "/inputs"),
    ({"inputs": [tensor(name="z")]}, "/inputs/0/name"),
    ({"inputs": [tensor(shape=[3])]}, "/inputs/0/shape"),
    ({"inputs": [tensor(shape=[3, 3])]}, "/inputs/0/shape/1"),
    ({"inputs": [tensor(shape=[2, 2])]}, "/inputs/0/data"),
    ({"inputs": [tensor(shape=[2**63, 2])]}, "/inputs/0/data"),
    ({"inputs": [tensor(shape=[-3, -2])]}, "/inputs/0/shape/0"),
    ({"inputs": [tensor(datatype="BYTES")]}, "/inputs/0/datatype"),
    ({"inputs": [tensor(data=[["1", 2]])]}, "/inputs/0/data/0/0"),
    ({"inputs": [tensor(data=[[1, 2], [3]])]}, "/inputs/0/data/1"),
    ({"inputs": [tensor(data=None)]}, "/inputs/0"),
    ({"inputs": [tensor(data=[[1e39, 0.0]] * 3)]}, "/inputs/0/data/0/0"),
    ({"inputs": [tensor(datatype="FP64", data=[[1e39, 0.0]] * 3)]}, "/inputs/0"),
    ({"inputs": [tensor(data=[[70, 80, 90], [3, 4, 5]])]}, "/inputs/0/data"),
    ({"inputs": [tensor(data=[ROWS[0] + ROWS[1] + ROWS[2]])]}, "/inputs/0/data"),
    ({"inputs": [tensor(datatype="INT8", data=[[1, 2], [3, 300], [5, 6]])]}, "/inputs/0/data/1/1"),
    ({"inputs": [tensor(datatype="INT8", data=[1, 2, 3, 4, 5, 128])]}, "/inputs/0/data/5"),
    ({"inputs": [tensor(datatype="INT64", data=[[1, 2], [3, 1.5], [5, 6]])]}, "/inputs/0/data/1/1"),
    ({"inputs": [tensor(datatype="INT64", data=[2**63, 0, 0, 0, 0, 0])]}, "/inputs/0/data/0"),
    ({"inputs": [tensor(datatype="UINT8", data=[0, 0, -1, 0, 0, 0])]}, "/inputs/0/data/2"),
    ({"inputs": [tensor(datatype="FP16", data=[0, 0, 0, 65520, 0, 0])]}, "/inputs/0/data/3"),
    ({"inputs": [tensor(datatype="BOOL", data=[[True, False]] * 3)]}, "/inputs/0/datatype"),
    ({"inputs": [tensor(data=[[True, False]] * 3)]}, "/inputs/0/data/0/0"),
    ({"inputs": [tensor(parameters={"binary_data_size": True})]}, "/inputs/0/parameters/binary_data_size"),
    ({"outputs": [{"name": "z"}]}, "/outputs/0/name"),
]


def test_a_wrong_tensor_is_pointed_at(client: TestClient, job_id: UUID) -> None:
    for body, pointer in WRONG_TENSORS:
        details = problem(infer(client, job_id, **body), 422)
        assert details["errors"][0]["pointer"] == pointer, body
        assert details["error"] == details["detail"], "the name that the protocol's clients look for"


def test_members_that_are_not_known_are_ignored_as_the_protocol_says(
    client: TestClient, job_id: UUID, expected: list[float]
) -> None:
    """KServe's client sends model_name in every request."""
    told = {"id": "r1", "model_name": str(job_id), "parameters": {"sequence_id": 1}}
    of_the_output = {"name": "y", "parameters": {"classification": 1}, "shape": None}
    answer = infer(client, job_id, **told, inputs=[tensor(priority=1)], outputs=[of_the_output])
    assert answer.json()["outputs"][0]["data"] == expected


def columns(**changes: Json) -> list[Json]:
    """A frame as MLServer's PandasCodec sends it, with a column of words."""
    features = [
        {"name": f"x{index}", "shape": [3, 1], "datatype": "FP64", "data": [row[index] for row in ROWS]}
        for index in range(2)
    ]
    words = {"name": "city", "shape": [3, 1], "datatype": "BYTES", "data": ["Bonn", None, "Kiel"]}
    return [tensor | changes.get(tensor["name"], {}) for tensor in (words, *reversed(features))]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"x0": {"shape": [3]}, "x1": {"data": [[row[1]] for row in ROWS]}},
        {"city": {"data": [None, "?", {}], "shape": [7, 7]}},
        {"city": {"name": "x"}},
        {"city": {"datatype": "FP32", "data": [1.0, None, 2.0]}},
        {"city": {"datatype": "BF16", "shape": [-1, 2, 3, 4], "data": {}}},
    ],
    ids=[
        "as they are sent",
        "flat and nested",
        "another column of anything",
        "another column that is called x",
        "another column of numbers and gaps",
        "another column of another type and shape",
    ],
)
def test_a_tensor_for_each_column_of_a_frame_is_found_by_its_name(
    client: TestClient, job_id: UUID, expected: list[float], changes: dict[str, Json]
) -> None:
    answer = infer(client, job_id, inputs=columns(**changes), parameters={"content_type": "pd"})
    assert answer.json()["outputs"][0]["data"] == expected


def test_the_bytes_of_several_tensors_come_one_behind_the_other(
    client: TestClient, job_id: UUID, expected: list[float]
) -> None:
    rows = np.array(ROWS)
    parts = [b"\x04\x00\x00\x00Bonn", rows[:, 1].astype("<f4").tobytes(), rows[:, 0].tobytes()]
    told = columns(x1={"datatype": "FP32"})
    for each, part in zip(told, parts, strict=True):
        each.pop("data")
        each["parameters"] = {"binary_data_size": len(part)}
    header = json.dumps({"inputs": told}).encode()
    headers = {"Inference-Header-Content-Length": str(len(header))}

    def ask(content: bytes) -> Response:
        return client.post(f"/v2/models/{job_id}/infer", content=header + content, headers=headers)

    assert ask(b"".join(parts)).json()["outputs"][0]["data"] == expected
    problem(ask(b"".join(parts)[:-1]), 422, "/inputs/2/parameters/binary_data_size")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"x1": {"name": "x0"}}, "/inputs"),
        ({"x1": {"name": "z"}}, "/inputs"),
        ({"x0": {"shape": [1, 3]}}, "/inputs/2/shape"),
        ({"x0": {"shape": [2, 1]}}, "/inputs/2/data"),
        ({"x0": {"shape": [2, 1], "data": [1.0, 2.0]}}, "/inputs/1/shape"),
        ({"x1": {"data": [1.0, None, 2.0]}}, "/inputs/1/data/1"),
        ({"x1": {"datatype": "BYTES"}}, "/inputs/1/datatype"),
        ({"x1": {"datatype": "INT8"}}, "/inputs/1/data/2"),
    ],
)
def test_a_wrong_column_is_pointed_at(client: TestClient, job_id: UUID, changes: dict[str, Json], pointer: str) -> None:
    problem(infer(client, job_id, inputs=columns(**changes)), 422, pointer)


_SHAPES = st.lists(st.integers(0, 4), min_size=2, max_size=2)
_NUMBERS = st.one_of(st.sampled_from([-129, -128, 127, 128, 255, 256, 0.5, 65519.0, 65520.0, 3e38, 4e38, 2**63, 2**64]))


@given(
    shape=_SHAPES,
    came=_SHAPES,
    datatype=st.sampled_from(get_args(Datatype)),
    is_flat=st.booleans(),
    pool=st.lists(_NUMBERS, min_size=16, max_size=16),
)
def test_a_tensor_is_read_as_numpy_would_read_it_or_refused(
    shape: list[int], came: list[int], datatype: str, is_flat: bool, pool: list[float]
) -> None:
    rows = np.array(pool[: came[0] * came[1]]).reshape(came)
    data = (rows.ravel() if is_flat else rows).tolist()
    model = TrainedModel("job", np.array([2.0, 3.0]), 1.0, "float64", "y")
    body = json.dumps({"inputs": [tensor(shape=shape, datatype=datatype, data=data)]}).encode()
    if shape[1] != 2 or list(np.shape(data)) not in (shape, [shape[0] * 2]) or not has_all(datatype, rows):
        with pytest.raises(InvalidRequest):
            kserve.answer_inference(model, body, None)
        return
    [output] = json.loads(kserve.answer_inference(model, body, None).body)["outputs"]
    assert output["data"] == pytest.approx((rows.reshape(shape) @ [2.0, 3.0] + 1.0).tolist(), rel=1e-15)


def has_all(datatype: str, rows: np.ndarray) -> bool:
    kind = np.dtype(datatype.replace("FP", "float").replace("INT", "int").lower())
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return bool(np.isfinite(rows.astype(kind)).all())
    limits = np.iinfo(kind)
    return all(float(each).is_integer() and limits.min <= int(each) <= limits.max for each in rows.ravel().tolist())


def test_bytes_that_do_not_fit_are_refused(client: TestClient, job_id: UUID) -> None:
    size = "/inputs/0/parameters/binary_data_size"
    problem(with_bytes(client, job_id, b"1234567"), 422, size)
    problem(with_bytes(client, job_id, bytes(16), parameters={"binary_data_size": 12}), 422, size)
    problem(with_bytes(client, job_id, bytes(12)), 422, "/inputs/0/shape")
    problem(with_bytes(client, job_id, bytes(8), datatype="FP16", shape=[4, 1]), 422, "/inputs/0/shape/1")
    problem(with_bytes(client, job_id, bytes(16), parameters={}), 422, "/inputs/0")
    problem(with_bytes(client, job_id, np.array([[1, np.nan]] * 2, "<f4").tobytes()), 422, "/inputs/0")
    for length in (10**6, 2):
        headers = {"Inference-Header-Content-Length": str(length)}
        problem(client.post(f"/v2/models/{job_id}/infer", content=b"{}!", headers=headers), 422 if length == 2 else 400)


def test_what_is_not_json_is_refused(client: TestClient, job_id: UUID) -> None:
    for path in (f"/v2/models/{job_id}/infer", f"/v1/jobs/{job_id}/invocations"):
        for body in (b"", b"nothing", b"{", b"[" * 100_000, b'{"inputs": [NaN]'):
            problem(client.post(path, content=body, headers={"Content-Type": "application/json"}), 400)


def test_a_job_without_a_model_is_not_ready(client: TestClient, database: Database) -> None:
    queued = submit(database, LECTURE)
    for path in ("", "/ready"):
        assert problem(client.get(f"/v2/models/{queued}{path}"), 409)["error"].startswith("The job is queued")
        assert "error" in problem(client.get(f"/v2/models/{UUID(int=0)}{path}"), 404)
    problem(infer(client, queued), 409)
    problem(client.get("/v2/models/mine"), 422, "/path/job_id")
    assert "error" in problem(client.get("/v2/repository"), 404)


def test_a_body_past_the_limit_is_told_as_the_protocol_has_it(
    settings: Settings, queue: FakeQueue, database: Database
) -> None:
    job_id = submit(database)
    with TestClient(create_app(settings.model_copy(update={"max_body_size": 100}), queue)) as client:
        assert "error" in problem(client.post(f"/v2/models/{job_id}/infer", content=b"0" * 101), 413)


def test_more_numbers_behind_the_json_than_are_allowed_are_refused(
    client: TestClient, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "_MAX_NUMBERS", 4)
    assert with_bytes(client, job_id, bytes(4), datatype="INT8").status_code == 200
    details = problem(with_bytes(client, job_id, bytes(6), datatype="INT8", shape=[3, 2]), 413)
    assert details["error"].startswith("Behind the JSON are 6 numbers; 4 are allowed: ")


def test_an_id_comes_back_if_it_is_no_longer_than_an_id(client: TestClient, job_id: UUID) -> None:
    assert infer(client, job_id, id="a" * 1_000).json()["id"] == "a" * 1_000
    problem(infer(client, job_id, id="a" * 1_001), 422, "/id")


# What a small body may cost

INVOCATIONS, INFER = "/v1/jobs/{}/invocations", "/v2/models/{}/infer"
MANY = values.MAX_VALUES
BOMBS = [
    (INVOCATIONS, "text/csv", b"x\n" + b"1\n" * MANY),
    (INVOCATIONS, "application/json", b'{"instances":[' + b"[1]," * MANY + b"[1]]}"),
    (INVOCATIONS, "application/json", b'{"dataframe_records":[' + b"{}," * MANY + b"{}]}"),
    (INVOCATIONS, "application/json", b'{"inputs":{"x":[' + b"1," * MANY + b"1]}}"),
    (INFER, "application/json", b'{"inputs":[{"name":"x","data":[' + b"1," * MANY + b"1]}]}"),
]
"""The smallest rows that there are."""


def test_a_small_body_that_holds_a_million_values_is_refused_before_it_is_read(
    client: TestClient, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow, "csv", None)
    monkeypatch.setattr(json_body, "read_json", None)
    for path, kind, body in BOMBS:
        sent = gzip.compress(body)
        assert len(sent) < 20_000
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        details = problem(client.post(path.format(job_id), content=sent, headers=headers), 413)
        assert details["type"] == "/problems/table-too-large"
        assert "1,000,000 are allowed" in details["detail"]


def test_large_bodies_are_worked_on_two_at_a_time_and_small_ones_wait_for_none(
    app: FastAPI, client: TestClient, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, taken = app.state.body_limiter, []
    predict = trained_models.predict_rows

    def noted(*arguments: Any) -> Any:
        taken.append(limiter.borrowed_tokens)
        return predict(*arguments)

    monkeypatch.setattr(trained_models, "predict_rows", noted)
    assert limiter.total_tokens == 2
    for padding in (" " * THREADED, ""):
        for path, kind, body in (
            (INVOCATIONS, "text/csv", f"x0,x1,other\n1,2,{padding}\n"),
            (INVOCATIONS, "application/json", f'{{"instances": [[1, 2]]{padding}}}'),
            (INFER, "application/json", json.dumps({"inputs": [tensor()]}) + padding),
        ):
            answer = client.post(path.format(job_id), content=body, headers={"Content-Type": kind})
            assert answer.status_code == 200, answer.text
    assert taken == [1, 1, 1, 0, 0, 0]


LONG = "a" * 100_000


def test_a_very_long_name_does_not_come_back(client: TestClient, job_id: UUID) -> None:
    upload = client.post("/v1/datasets?name=rows", content=b"x0,x1\n1,2\n", headers={"Content-Type": "text/csv"})
    assert upload.status_code in (200, 201), upload.text
    calls: list[tuple[str, Json]] = [
        ("invocations", {"dataframe_split": {"columns": [LONG], "data": []}}),
        ("predict", {LONG: 1}),
        ("predict", {"x": [1.0], "interval": {LONG: 1}}),
        ("predict", {"dataset": {"name": LONG}}),
        ("predict", {"dataset": {"name": "rows", "features": [LONG]}}),
        ("predict", {"dataset": {"name": "rows", "target": LONG}}),
    ]
    for call, body in calls:
        answer = client.post(f"/v1/jobs/{job_id}/{call}", json=body)
        problem(answer, 422)
        assert len(answer.content) < 2_000, answer.text[:200]


# MLflow


FRAME = pd.DataFrame(ROWS, columns=["x0", "x1"])
OTHERWISE = FRAME.assign(y=0.0)[["y", "x1", "x0"]]
"""The columns in another order, and one more."""


def invoke(client: TestClient, job_id: UUID, body: Json) -> Response:
    return client.post(f"/v1/jobs/{job_id}/invocations", json=body)


SHAPES: list[Json] = [
    {"dataframe_split": FRAME.to_dict(orient="split")},
    {"dataframe_split": OTHERWISE.to_dict(orient="split")},
    {"dataframe_split": pd.DataFrame(ROWS).to_dict(orient="split")},
    {"dataframe_records": OTHERWISE.to_dict(orient="records")},
    {"instances": ROWS},
    {"instances": OTHERWISE.to_dict(orient="records")},
    {"inputs": ROWS},
    {"inputs": OTHERWISE.to_dict(orient="list")},
    {"inputs": ROWS, "params": {}},
    {"inputs": ROWS, "params": {"temperature": 1}},  # MLflow ignores what the model has not
]


def test_every_shape_of_the_same_rows_is_scored_the_same(
    client: TestClient, job_id: UUID, expected: list[float]
) -> None:
    for body in SHAPES:
        assert invoke(client, job_id, body).json() == {"predictions": expected}, body


ANYTHING = ["Bonn", "2024-02-30", True, None, 1e400, [1, [2]], {"a": {}}, 10**400]


def test_what_stands_in_other_columns_may_be_anything(client: TestClient, job_id: UUID, expected: list[float]) -> None:
    for thing in ANYTHING:
        frame = OTHERWISE.astype(object)
        frame["y"] = [thing] * 3
        for body in (
            {"dataframe_split": frame.to_dict(orient="split")},
            {"dataframe_records": frame.to_dict(orient="records")},
            {"instances": frame.to_dict(orient="records")},
            {"inputs": frame.to_dict(orient="list")},
            {"inputs": {"x0": frame["x0"].tolist(), "x1": frame["x1"].tolist(), "y": thing}},
        ):
            content = json.dumps(body).replace("Infinity", "1e400")
            headers = {"Content-Type": "application/json"}
            answer = client.post(f"/v1/jobs/{job_id}/invocations", content=content, headers=headers)
            assert answer.json() == {"predictions": expected}, body
        written = client.post(
            f"/v1/jobs/{job_id}/invocations", content=frame.to_csv(index=False), headers={"Content-Type": "text/csv"}
        )
        assert written.json() == {"predictions": expected}, thing


def test_members_that_mlflow_does_not_know_are_ignored(client: TestClient, job_id: UUID, expected: list[float]) -> None:
    for body in ({"inputs": ROWS, "signature_name": "a"}, {"dataframe_split": FRAME.to_dict("split") | {"name": None}}):
        assert invoke(client, job_id, body).json() == {"predictions": expected}


def test_columns_are_found_in_one_pass_over_their_names() -> None:
    """Each name is compared with few others: with 20,000 of them the square would take minutes."""

    class Counting(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counting.compared += 1
            return str.__eq__(self, other)  # type: ignore[arg-type]

        __hash__ = str.__hash__

    names = [f"x{number}" for number in range(2000)]
    frame = Invocation.model_validate({"dataframe_split": {"columns": names, "data": [[1.0] * 2000]}})
    assert frame.dataframe_split
    frame.dataframe_split.columns[:] = [Counting(name) for name in reversed(names)]
    assert matrix_of(frame, [Counting(name) for name in names]).shape == (1, 2000)
    assert Counting.compared < 20 * len(names)


def test_csv_is_scored(client: TestClient, job_id: UUID, expected: list[float]) -> None:
    for content in (FRAME.to_csv(index=False), OTHERWISE.to_csv(index=False), "\ufeff" + OTHERWISE.to_csv()):
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        answer = client.post(f"/v1/jobs/{job_id}/invocations", content=content.encode(), headers=headers)
        assert answer.json() == {"predictions": expected}


def test_a_cell_is_a_number_as_files_write_them(client: TestClient, job_id: UUID) -> None:
    content = "x0,x1\n 1 ,+2.\n1.0,.2e+1\n1e0,\t2\n"
    answer = client.post(
        f"/v1/jobs/{job_id}/invocations", content=content, headers={"Content-Type": "text/csv"}
    ).json()["predictions"]
    assert answer == [answer[0]] * 3


def test_one_feature_is_scored_from_plain_numbers(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    four = client.get(f"/v1/jobs/{job_id}/predictions").json()["data"][0]["after"]
    for body in ({"instances": [4.0]}, {"inputs": [4]}, {"inputs": {"x": [4]}}, {"dataframe_records": [{"x": 4}]}):
        assert invoke(client, job_id, body).json() == {"predictions": [four]}
    assert invoke(client, job_id, {"instances": []}).json() == {"predictions": []}


WRONG_ROWS: list[tuple[Json, str]] = [
    ({}, ""),
    ({"inputs": ROWS, "instances": ROWS}, ""),
    ({"inputs": None}, "/inputs"),
    ({"columns": []}, ""),
    ({"inputs": ROWS, "params": [1]}, "/params"),
    ({"dataframe_split": {"columns": ["x0"], "data": [[1]]}}, "/dataframe_split/columns"),
    ({"dataframe_split": {"columns": ["x0", "x0", "x1"], "data": []}}, "/dataframe_split/columns"),
    ({"dataframe_split": {"columns": [0], "data": [[1]]}}, "/dataframe_split/columns"),
    ({"dataframe_split": {"columns": ["x0", "x1"], "data": [[1, 2], [3]]}}, "/dataframe_split/data/1"),
    ({"dataframe_split": {"columns": ["x0", "x1"], "data": [[1, None]]}}, "/dataframe_split/data/0/1"),
    ({"dataframe_records": [{"x0": 1, "x1": 2}, {"x0": 1}]}, "/dataframe_records/1"),
    ({"dataframe_records": [{"x0": 1, "x1": "2"}]}, "/dataframe_records/0/x1"),
    ({"instances": [{"x0": 1}]}, "/instances/0"),
    ({"instances": [{"x0": 1, "x1": 2}, [1, 2]]}, "/instances/1"),
    ({"instances": [[1, 2], {"x0": 1, "x1": 2}]}, "/instances/1"),
    ({"instances": [[1, 2, 3]]}, "/instances/0"),
    ({"instances": [True, False]}, "/instances/0"),
    ({"inputs": {"x0": [1, 2], "x1": [1]}}, "/inputs/x1"),
    ({"inputs": {"x0": [1, 2]}}, "/inputs"),
    ({"inputs": {"x0": [1, None], "x1": [1, 2]}}, "/inputs/x0/1"),
    ({"inputs": {"x0": 1, "x1": 2}}, "/inputs/x0"),
    ({"instances": [{"x0": 1, "x1": True}]}, "/instances/0/x1"),
    ({"inputs": [1.0, 2.0]}, "/inputs/0"),
]


def test_of_many_wrong_numbers_the_first_is_told(client: TestClient, job_id: UUID) -> None:
    """Of millions each would take as much memory as a thousand numbers."""
    wrong = [[None, None]] * 1000
    for body, pointer in (
        ({"dataframe_records": [{"x0": None, "x1": 1}] * 1000}, "/dataframe_records/0/x0"),
        ({"dataframe_split": {"columns": ["x0", "x1"], "data": wrong}}, "/dataframe_split/data/0/0"),
        ({"dataframe_split": {"columns": [None] * 1000, "data": []}}, "/dataframe_split/columns/0"),
    ):
        faults = problem(invoke(client, job_id, body), 422)["errors"]
        assert faults[0]["pointer"] == pointer
        assert len(faults) <= 2, "one for each type that it could have had"


def test_a_wrong_row_is_pointed_at(client: TestClient, job_id: UUID) -> None:
    for body, pointer in WRONG_ROWS:
        assert problem(invoke(client, job_id, body), 422)["errors"][0]["pointer"] == pointer, body


PYTHON_S_OWN = [
    each.encode() for each in ("nan", "inf", "Infinity", "1_0", "١", "\N{NO-BREAK SPACE}1", "0x10", "1e", ".")
]
"""Some of these are numbers to Python alone, and none is one in a file."""
WRONG_CSV: list[tuple[bytes, int, str | None]] = [
    (b"", 422, ""),
    (b"a,b\n1,2", 422, ""),
    (b"x0,x1\n1,2\n3,nobody\n", 422, "/1/x1"),
    (b"x0,x1\n1,\n", 422, "/0/x1"),
    *[(b"x0,x1\n1,%b\n" % word, 422, "/0/x1") for word in PYTHON_S_OWN],
    (b"x0,x1\n1,1e999\n", 422, "/0/x1"),
    (b"x0,x1\n1,2\n1,2,3\n", 422, "/1"),
    (b'x0,x1\n"1,2\n', 400, None),
    (b"x0,x1\n\xff,1", 400, None),
    (b"x0,x1\n1,\x001", 422, "/0/x1"),
]
"""Rows count from 0, as those of an upload; the header is none of them."""


def test_a_wrong_cell_is_pointed_at(client: TestClient, job_id: UUID) -> None:
    for content, status, pointer in WRONG_CSV:
        headers = {"Content-Type": "text/csv"}
        problem(client.post(f"/v1/jobs/{job_id}/invocations", content=content, headers=headers), status, pointer)


def test_a_header_without_the_features_is_told_with_what_it_has(client: TestClient, job_id: UUID) -> None:
    headers = {"Content-Type": "text/csv"}
    details = problem(client.post(f"/v1/jobs/{job_id}/invocations", content=b"x0;x1\n1;2\n", headers=headers), 422, "")
    assert details["errors"][0]["detail"] == "There must be one column x0, x1: there is x0;x1"


def test_a_body_of_another_kind_is_refused(client: TestClient, job_id: UUID) -> None:
    for kind in ("application/xml", ""):
        headers = {"Content-Type": kind}
        problem(client.post(f"/v1/jobs/{job_id}/invocations", content=b"x0,x1", headers=headers), 415)


def test_a_number_beyond_float32_is_refused(client: TestClient, job_id: UUID) -> None:
    details = problem(invoke(client, job_id, {"inputs": [[1, 2], [1, 1e39]]}), 422)
    assert "Row 1" in details["detail"]


def test_the_documentation_s_examples_work(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    for path, wanted in (
        (f"/v2/models/{job_id}/infer", examples.INFERENCE_REQUESTS.values()),
        (f"/v1/jobs/{job_id}/invocations", examples.INVOCATIONS.values()),
        (f"/v1/jobs/{job_id}/predict", [examples.PREDICT_REQUESTS["points"]]),
    ):
        for example in wanted:
            assert client.post(path, json=example["value"]).status_code == 200
