"""Bad input is told at once and precisely, in the one shape of a problem; nothing of it stays."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from workbench import LECTURE, FakeQueue, Migrated, claim, problem_of, rows_of_every_table, submit

from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

SECRET = "Zebra9Crossing"
"""Input that no answer may repeat."""

NUL, SURROGATE = "\0", "\ud800"


@dataclass(frozen=True)
class House:
    """An application on a database that already holds one trained job."""

    client: TestClient
    queue: FakeQueue
    database: Database
    job_id: UUID


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, migrated: Migrated) -> Iterator[House]:
    """One for all tests of this module, for each of them leaves it as it was."""
    with migrated(request.param) as url:
        chosen = Settings(database_url=url, broker_url="redis+socket:///none.sock", max_body_size=2**20)
        database, queue = Database(url), FakeQueue()
        job_id = submit(database, LECTURE)
        mine = claim(database, job_id)
        assert mine
        run_attempt(Process(chosen, database, [Device("cpu", "the test's")], job_id, FakeQueue()), mine)
        with TestClient(create_app(chosen, queue)) as client:
            yield House(client, queue, database, job_id)
        database.dispose()


@pytest.fixture(autouse=True)
def _nothing_stays(house: House) -> Iterator[None]:
    before = rows_of_every_table(house.database)
    assert before["jobs"] == 1
    yield
    assert rows_of_every_table(house.database) == before
    assert house.queue.rung == []


def but(pointer: str, value: Any) -> Any:
    """The lecture's job with another value at one place."""
    wanted: Any = {"root": copy.deepcopy(LECTURE)}
    *path, last = ["root", *pointer.split("/")[1:]]
    place = wanted
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    return wanted["root"]


def rows(x: Any, y: Any) -> Any:
    return but("/dataset", {"x": x, "y": y})


def named(optimizer: Any) -> Any:
    return but("/hyperparameters/optimizer", optimizer)


H = "/hyperparameters"

WRONG_BODIES: dict[str, tuple[Any, str]] = {
    # the data
    "a row that is too short": (rows([[1.0, 2.0], [3.0]], [1.0, 2.0]), "/dataset/x/1"),
    "a row that is too long": (rows([[1.0], [3.0, 4.0]], [1.0, 2.0]), "/dataset/x/1"),
    "a row without numbers": (rows([[]], [1.0]), "/dataset/x/0"),
    "a number among rows": (rows([[1.0], 2.0], [1.0, 2.0]), "/dataset/x/1"),
    "a row among numbers": (rows([1.0, [2.0]], [1.0, 2.0]), "/dataset/x/1"),
    "rows within rows": (rows([[[1.0]]], [1.0]), "/dataset/x/0/0"),
    "fewer targets than rows": (rows([1.0, 2.0], [1.0]), "/dataset/y"),
    "more targets than rows": (rows([[1.0], [2.0]], [1.0, 2.0, 3.0]), "/dataset/y"),
    "no rows": (rows([], []), "/dataset/x"),
    "targets without rows": (rows([], [1.0]), "/dataset/x"),
    "a string for a number of x": (rows(["1", 2.0], [1.0, 2.0]), "/dataset/x/0"),
    "a string for a number of a row": (rows([[1.0, SECRET]], [1.0]), "/dataset/x/0/1"),
    "a string for a number of y": (rows([1.0, 2.0], [1.0, SECRET]), "/dataset/y/1"),
    "null for a number": (rows([1.0, None], [1.0, 2.0]), "/dataset/x/1"),
    "true for a number": (rows([1.0, True], [1.0, 2.0]), "/dataset/x/1"),
    "rows for targets": (rows([1.0], [[1.0]]), "/dataset/y/0"),
    "a string for x": (rows(SECRET, [1.0]), "/dataset/x"),
    "an object for x": (rows({"0": 1.0}, [1.0]), "/dataset/x"),
    "NaN in x": (rows([1.0, float("nan")], [1.0, 2.0]), "/dataset/x/1"),
    "infinity in x": (rows([[float("inf")]], [1.0]), "/dataset/x/0/0"),
    "infinity in y": (rows([1.0], [float("-inf")]), "/dataset/y/0"),
    "an integer too large for a float": (rows([10**400], [1.0]), "/dataset/x/0"),
    "a number too large for float32": (rows([1.0, 1e39], [1.0, 2.0]), "/dataset/x/1"),
    "a target too large for float32": (rows([1.0], [-1e39]), "/dataset/y/0"),
    "no x": (but("/dataset", {"y": [1.0]}), "/dataset/x"),
    "no y": (but("/dataset", {"x": [1.0]}), "/dataset/y"),
    "no dataset": ({"name": "empty"}, "/dataset"),
    "null for the dataset": (but("/dataset", None), "/dataset"),
    "a list for the dataset": (but("/dataset", [1.0]), "/dataset"),
    "a dataset that is not there": (but("/dataset", {"id": str(UUID(int=7))}), "/dataset/id"),
    "a dataset's id that is none": (but("/dataset", {"id": SECRET}), "/dataset/id"),
    "a dataset's id that is a number": (but("/dataset", {"id": 7}), "/dataset/id"),
    # the hyperparameters
    "a rate of zero": (but(f"{H}/learning_rate", 0.0), f"{H}/learning_rate"),
    "a negative rate": (but(f"{H}/learning_rate", -0.1), f"{H}/learning_rate"),
    "a rate that is not a number": (but(f"{H}/learning_rate", float("nan")), f"{H}/learning_rate"),
    "an infinite rate": (but(f"{H}/learning_rate", float("inf")), f"{H}/learning_rate"),
    "a rate in words": (but(f"{H}/learning_rate", SECRET), f"{H}/learning_rate"),
    "a rate too large for float32": (but(f"{H}/learning_rate", 1e39), f"{H}/learning_rate"),
    "no epochs": (but(f"{H}/epochs", 0), f"{H}/epochs"),
    "negative epochs": (but(f"{H}/epochs", -1), f"{H}/epochs"),
    "half an epoch": (but(f"{H}/epochs", 1.5), f"{H}/epochs"),
    "epochs in a string": (but(f"{H}/epochs", "10"), f"{H}/epochs"),
    "true for epochs": (but(f"{H}/epochs", True), f"{H}/epochs"),
    "endless epochs": (but(f"{H}/epochs", 10**400), f"{H}/epochs"),
    "an empty batch": (but(f"{H}/batch_size", 0), f"{H}/batch_size"),
    "a negative batch": (but(f"{H}/batch_size", -3), f"{H}/batch_size"),
    "half a batch": (but(f"{H}/batch_size", "half"), f"{H}/batch_size"),
    "a fraction of a batch": (but(f"{H}/batch_size", 1.5), f"{H}/batch_size"),
    "a batch of null": (but(f"{H}/batch_size", None), f"{H}/batch_size"),
    "too many initial weights": (but(f"{H}/initial_weights", [1.0, 2.0]), f"{H}/initial_weights"),
    "no initial weights": (but(f"{H}/initial_weights", []), f"{H}/initial_weights"),
    "an initial weight in words": (but(f"{H}/initial_weights", [SECRET]), f"{H}/initial_weights/0"),
    "an unknown start": (but(f"{H}/initial_weights", SECRET), f"{H}/initial_weights"),
    "a start for a bias that is not": (but(f"{H}/initial_bias", 1.0), f"{H}/initial_bias"),
    "nothing to learn": (but(f"{H}/frozen", ["weights"]), f"{H}/frozen"),
    "an unknown parameter": (but(f"{H}/frozen", [SECRET]), f"{H}/frozen/0"),
    "an unknown loss": (but(f"{H}/loss", SECRET), f"{H}/loss"),
    "a negative penalty": (but(f"{H}/l2", -1.0), f"{H}/l2"),
    "a seed too large": (but(f"{H}/seed", 2**32), f"{H}/seed"),
    "an unknown dtype": (but(f"{H}/dtype", "float16"), f"{H}/dtype"),
    "an unknown engine": (but(f"{H}/engine", SECRET), f"{H}/engine"),
    "no row to validate with": (but(f"{H}/validation_fraction", 0.01), f"{H}/validation_fraction"),
    "all rows to validate with": (but(f"{H}/validation_fraction", 1.0), f"{H}/validation_fraction"),
    "no patience": (but(f"{H}/early_stopping", {"patience": 0}), f"{H}/early_stopping/patience"),
    "every zeroth epoch recorded": (but(f"{H}/record", {"every": 0}), f"{H}/record/every"),
    "hyperparameters in a list": (but(H, []), H),
    "an optimizer without a name": (named({"momentum": 0.9}), f"{H}/optimizer"),
    "an unknown optimizer": (named({"name": SECRET}), f"{H}/optimizer"),
    "an optimizer in words": (named("adm"), f"{H}/optimizer"),
    "an optimizer's wrong number": (named({"name": "adam", "betas": [0.9, 1.5]}), f"{H}/optimizer/betas/1"),
    "a rule within the optimizer": (named({"name": "sgd", "nesterov": True}), f"{H}/optimizer/nesterov"),
    "a proximal step with momentum": (
        named({"name": "sgd", "l1_step": "proximal", "momentum": 0.9}),
        f"{H}/optimizer/momentum",
    ),
    "a schedule's missing number": (but(f"{H}/schedule", {"name": "exponential"}), f"{H}/schedule/gamma"),
    # what is not known
    "an unknown field": (but("/colour", SECRET), "/colour"),
    "an unknown field of the dataset": (but("/dataset/z", [1.0]), "/dataset/z"),
    "an unknown hyperparameter": (but(f"{H}/momentum", 0.9), f"{H}/momentum"),
    "an unknown number of the optimizer": (named({"name": "sgd", "lr": 0.1}), f"{H}/optimizer/lr"),
    "an unknown number of the schedule": (but(f"{H}/schedule", {"name": "constant", "a": 1}), f"{H}/schedule/a"),
    "an unknown wish to record": (but(f"{H}/record", {"gradients": True}), f"{H}/record/gradients"),
    "an unknown field with a slash": (but("/dataset", {"x": [1.0], "y": [1.0], "a/~b": 1}), "/dataset/a~1~0b"),
    "an unknown field of surrogates": (but(f"/{SURROGATE}", 1), None),
    # the rest
    "a point too wide": (but("/predict", [[1.0, 2.0]]), "/predict/0"),
    "points of different widths": (but("/predict", [[1.0], [2.0, 3.0]]), "/predict/1"),
    "a point in words": (but("/predict", [SECRET]), "/predict/0"),
    "a point that is not a number": (but("/predict", [float("nan")]), "/predict/0"),
    "a point too large for float32": (but("/predict", [1e39]), "/predict/0"),
    "too many points": (but("/predict", [1.0] * 10_001), "/predict"),
    "an unknown device": (but("/device", "tpu"), "/device"),
    "a device without a number": (but("/device", "cuda:"), "/device"),
    "a device with a line's end": (but("/device", "cpu\n"), "/device"),
    "no time": (but("/timeout_seconds", 0), "/timeout_seconds"),
    "a name without letters": (but("/name", ""), "/name"),
    "a name too long": (but("/name", SECRET * 20), "/name"),
    "a name that is a number": (but("/name", 7), "/name"),
    "a name with NUL": (but("/name", f"a{NUL}b"), "/name"),
    "a name with half a character": (but("/name", f"a{SURROGATE}"), "/name"),
    "too much metadata": (but("/metadata", {str(number): "" for number in range(51)}), "/metadata"),
    "metadata that is not text": (but("/metadata", {"a": 1}), "/metadata/a"),
    "metadata within metadata": (but("/metadata", {"a": {"b": "c"}}), "/metadata/a"),
    "metadata too long": (but("/metadata", {"a": SECRET * 40}), "/metadata/a"),
    "metadata without a name": (but("/metadata", {"": "a"}), "/metadata/"),
    "metadata with a long name": (but("/metadata", {"n" * 65: "a"}), "/metadata/" + "n" * 65),
    "metadata with NUL": (but("/metadata", {"a": NUL}), "/metadata/a"),
    "metadata with half a character": (but("/metadata", {"a": SURROGATE}), "/metadata/a"),
    "metadata whose name has NUL": (but("/metadata", {NUL: "a"}), f"/metadata/{NUL}"),
    "metadata whose name has half a character": (but("/metadata", {SURROGATE: "a"}), None),
    "an optimizer with half a character": (named({"name": SURROGATE}), f"{H}/optimizer"),
    # the whole
    "a list": ([LECTURE], ""),
    "a string": (SECRET, ""),
    "a number": (7, ""),
    "null": (None, ""),
}
"""What is wrong, and the pointer to it; None where the pointer itself cannot be written."""


@pytest.mark.parametrize("fault", WRONG_BODIES)
def test_a_wrong_value_is_pointed_at(house: House, fault: str) -> None:
    body, pointer = WRONG_BODIES[fault]
    answers = [house.client.post(path, content=json.dumps(body), headers=JSON) for path in ("/v1/jobs", "/v1/plan")]

    problem = problem_of(answers[0], 422)
    assert problem["type"] == "/problems/invalid-request"
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer
    assert len(problem["errors"]) == 1, "one thing is wrong, and told once"
    assert SECRET not in answers[0].text
    assert problem_of(answers[1], 422) == problem


def test_every_fault_of_a_request_is_told_at_once(house: House) -> None:
    body = but("/hyperparameters/epochs", 0) | {"name": "", "device": "tpu", "colour": "red"}

    problem = problem_of(house.client.post("/v1/jobs", json=body), 422)

    assert {error["pointer"] for error in problem["errors"]} == {
        "/hyperparameters/epochs",
        "/name",
        "/device",
        "/colour",
    }
    assert problem["detail"].startswith("4 things are wrong")


def test_a_dataset_has_either_rows_or_an_id(house: House) -> None:
    problem = problem_of(house.client.post("/v1/jobs", json=but("/dataset/id", str(UUID(int=7)))), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/dataset/x", "/dataset/y"]


def test_of_very_many_faults_only_the_first_hundred_are_told(house: House) -> None:
    problem = problem_of(house.client.post("/v1/jobs", json=rows(["no"] * 5000, [1.0] * 5000)), 422)

    assert [error["pointer"] for error in problem["errors"]] == [f"/dataset/x/{number}" for number in range(100)]


def test_a_batch_larger_than_the_data_means_all_of_it(house: House) -> None:
    larger, full = (
        house.client.post("/v1/plan", json=but("/hyperparameters/batch_size", size)).json()["plan"]
        for size in (10**9, "full")
    )

    assert larger == full
    assert larger["steps"] == 10


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plan"])
def test_a_token_that_is_no_finite_number_is_pointed_at(house: House, path: str, token: str) -> None:
    body = f'{{"dataset": {{"x": [1.0, {token}], "y": [1.0, 2.0]}}}}'

    problem = problem_of(house.client.post(path, content=body, headers=JSON), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/dataset/x/1"]


UNREADABLE: dict[str, bytes] = {
    "half a document": b'{"dataset": {"x": [1.0',
    "two documents": b"{} {}",
    "single quotes": b"{'dataset': 1}",
    "a comma too many": b'{"name": "a",}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "a control character": b'{"name": "a\x01"}',
    "deep lists": b"[" * 100_000,
    "deep lists that end": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a deep value in the data": b'{"dataset": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b', "y": [1]}}',
    "an integer of five thousand digits": b'{"dataset": {"x": [' + b"9" * 5000 + b'], "y": [1]}}',
    "a secret": SECRET.encode(),
}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plan", "predict"])
def test_a_body_that_is_no_json_cannot_be_read(house: House, path: str, kind: str) -> None:
    url = f"/v1/jobs/{house.job_id}/predict" if path == "predict" else path

    answer = house.client.post(url, content=UNREADABLE[kind], headers=JSON)

    assert problem_of(answer, 400)["type"] == "/problems/malformed-request"
    assert SECRET not in answer.text


def test_a_body_that_is_missing_is_told(house: House) -> None:
    assert problem_of(house.client.post("/v1/jobs", headers=JSON), 422)["errors"][0]["pointer"] == ""


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "",
        None,
    ],
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plan", "predict"])
def test_a_body_that_does_not_say_it_is_json_is_not_taken(house: House, path: str, kind: str | None) -> None:
    url = f"/v1/jobs/{house.job_id}/predict" if path == "predict" else path

    answer = house.client.post(url, content=json.dumps(LECTURE), headers={} if kind is None else {"content-type": kind})

    assert problem_of(answer, 415)["type"] == "/problems/unsupported-media-type"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.slope+json"])
def test_json_may_be_named_in_other_ways(house: House, kind: str) -> None:
    answer = house.client.post("/v1/plan", content=json.dumps(LECTURE), headers={"content-type": kind})

    assert answer.status_code == 200


WRONG_POINTS: dict[str, tuple[Any, str]] = {
    "no points": ({"x": []}, "/x"),
    "no x": ({}, "/x"),
    "a point too wide": ({"x": [[1.0, 2.0]]}, "/x/0"),
    "points of different widths": ({"x": [[1.0], [1.0, 2.0]]}, "/x/1"),
    "a point in words": ({"x": [SECRET]}, "/x/0"),
    "a point that is not a number": ({"x": [float("nan")]}, "/x/0"),
    "a point too large for a float": ({"x": [10**400]}, "/x/0"),
    "too many points": ({"x": [1.0] * 10_001}, "/x"),
    "an unknown field": ({"x": [1.0], "y": [2.0]}, "/y"),
    "an epoch before the first": ({"x": [1.0], "epoch": -1}, "/epoch"),
    "an epoch past all numbers": ({"x": [1.0], "epoch": 10**400}, "/epoch"),
    "an epoch in words": ({"x": [1.0], "epoch": "last"}, "/epoch"),
}


@pytest.mark.parametrize("fault", WRONG_POINTS)
def test_a_wrong_point_to_predict_is_pointed_at(house: House, fault: str) -> None:
    body, pointer = WRONG_POINTS[fault]

    answer = house.client.post(f"/v1/jobs/{house.job_id}/predict", content=json.dumps(body), headers=JSON)

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == [pointer]
    assert SECRET not in answer.text


WRONG_QUERIES: dict[str, tuple[str, str]] = {
    "no items": ("/v1/jobs?limit=0", "/query/limit"),
    "too many items": ("/v1/jobs?limit=1001", "/query/limit"),
    "endless items": (f"/v1/jobs?limit={'9' * 400}", "/query/limit"),
    "negative items": ("/v1/jobs?limit=-1", "/query/limit"),
    "items in words": (f"/v1/jobs?limit={SECRET}", "/query/limit"),
    "a cursor that is none": (f"/v1/jobs?after={SECRET}", "/query/after"),
    "a cursor of digits": (f"/v1/jobs?after={'9' * 400}", "/query/after"),
    "a cursor of NUL": ("/v1/jobs?after=%00", "/query/after"),
    "an unknown status": (f"/v1/jobs?status={SECRET}", "/query/status/0"),
    "a dataset's id that is none": (f"/v1/jobs?dataset_id={SECRET}", "/query/dataset_id"),
    "a name with NUL": ("/v1/jobs?name=a%00b", "/query/name"),
    "a metadata's name with NUL": ("/v1/jobs?metadata[a%00]=b", "/query/metadata"),
    "metadata with NUL": ("/v1/jobs?metadata[a]=%00", "/query/metadata"),
    "an id that is none": (f"/v1/jobs/{SECRET}", "/path/job_id"),
    "an id of digits": (f"/v1/jobs/{'9' * 400}", "/path/job_id"),
    "an epoch past all numbers": ("/v1/jobs/{id}/epochs?after=" + "9" * 400, "/query/after"),
    "an epoch beyond 2³¹": (f"/v1/jobs/{{id}}/epochs?after={2**31}", "/query/after"),
    "an epoch too early": ("/v1/jobs/{id}/epochs?after=-2", "/query/after"),
    "no epochs on a page": ("/v1/jobs/{id}/epochs?limit=0", "/query/limit"),
    "steps of an epoch before the first": ("/v1/jobs/{id}/epochs/-1/steps", "/path/epoch"),
    "steps of an epoch in words": (f"/v1/jobs/{{id}}/epochs/{SECRET}/steps", "/path/epoch"),
    "steps of an epoch past all numbers": (f"/v1/jobs/{{id}}/epochs/{'9' * 400}/steps", "/path/epoch"),
    "steps after one past all numbers": (f"/v1/jobs/{{id}}/epochs/0/steps?after={'9' * 400}", "/query/after"),
    "too many steps": ("/v1/jobs/{id}/epochs/0/steps?limit=1001", "/query/limit"),
    "events after one past all numbers": (f"/v1/jobs/{{id}}/events?after={'9' * 400}", "/query/after"),
    "events before the first": ("/v1/jobs/{id}/events?after=-1", "/query/after"),
}


@pytest.mark.parametrize("fault", WRONG_QUERIES)
def test_a_wrong_part_of_the_address_is_pointed_at(house: House, fault: str) -> None:
    url, pointer = WRONG_QUERIES[fault]

    answer = house.client.get(url.format(id=house.job_id))

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == [pointer]
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "key", ["", "k" * 256, "größe".encode(), b"a\tb", b"\xff"], ids=["empty", "long", "UTF-8", "a tab", "not UTF-8"]
)
def test_a_key_that_cannot_be_kept_is_refused(house: House, key: str | bytes) -> None:
    answer = house.client.post("/v1/jobs", json=LECTURE, headers={"idempotency-key": key})

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == ["/header/idempotency-key"]


UNKNOWN_JOB: dict[str, Callable[[TestClient, str], Response]] = {
    "itself": lambda client, url: client.get(url),
    "its end": lambda client, url: client.delete(url),
    "its cancellation": lambda client, url: client.post(f"{url}/cancel"),
    "its epochs": lambda client, url: client.get(f"{url}/epochs"),
    "its steps": lambda client, url: client.get(f"{url}/epochs/0/steps"),
    "its predictions": lambda client, url: client.get(f"{url}/predictions"),
    "a prediction": lambda client, url: client.post(f"{url}/predict", json={"x": [1.0]}),
    "its events": lambda client, url: client.get(f"{url}/events"),
    "its stream": lambda client, url: client.get(f"{url}/events", headers={"accept": "text/event-stream"}),
}


@pytest.mark.parametrize("what", UNKNOWN_JOB)
def test_a_job_that_is_not_there_is_not_found(house: House, what: str) -> None:
    answer = UNKNOWN_JOB[what](house.client, f"/v1/jobs/{UUID(int=7)}")

    assert problem_of(answer, 404)["type"] == "/problems/job-not-found"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    "/dataset",
    "/dataset/x",
    "/dataset/y",
    "/predict",
    "/name",
    "/metadata",
    "/device",
    "/hyperparameters",
    *(f"/hyperparameters/{name}" for name in ("optimizer", "schedule", "initial_weights", "early_stopping", "record")),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), anything)
@example("/dataset/x", [[1.0], [float("nan")]])
@example("/metadata", {SURROGATE: SURROGATE})
@example("/hyperparameters/optimizer", {"name": "\U0010ffff"})
def test_whatever_stands_anywhere_is_accepted_or_refused_as_a_problem(house: House, place: str, value: Any) -> None:
    answer = house.client.post("/v1/plan", content=json.dumps(but(place, value)), headers=JSON)

    if answer.status_code != 200:
        assert problem_of(answer, 422)["errors"]
