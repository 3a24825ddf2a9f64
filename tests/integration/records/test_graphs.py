"""Back-propagation explained over HTTP: of recorded and replayed steps, of formulas, and of whole epochs."""

import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import workbench
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session
from workbench import LECTURE, problem_of, request

import service.data.datasets
import service.records.graphs
import service.records.replay
from service.storage import Storage
from service.store.database import Database
from service.store.tables import Job, Step
from slope import drawing
from slope.answers.graphs import GraphView, StepGraphView
from worker.attempt import run_attempt
from worker.process import Process

Trained = Callable[[dict[str, Any]], UUID]

LECTURE_GRAPH = {"expression": "(x*w - y)**2", "values": {"x": 1, "y": 2, "w": 1}, "requires_grad": ["w"]}


def graph_of(client: TestClient, job_id: UUID, epoch: int, step: int, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/jobs/{job_id}/epochs/{epoch}/steps/{step}/graph", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def leaf(graph: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [node for node in graph["nodes"] if node["name"] == name]
    assert found["requires_grad"]
    return found


def test_the_lecture_s_steps_have_the_gradients_that_its_code_prints(
    client: TestClient, trained: Trained, lecture: dict[str, Any]
) -> None:
    job_id = trained(LECTURE)
    for record in lecture["records"][::4]:
        for step, expected in enumerate(record["steps"]):
            graph = graph_of(client, job_id, record["epoch"], step)
            assert leaf(graph, "w")["grad"] == expected["gradient"]
            assert graph["gradient"] == {"weights": [expected["gradient"]], "bias": None}
            assert (graph["rows"], graph["row"]) == ([step], step)
    graph = graph_of(client, job_id, 0, 0)
    assert graph["title"] == "Epoch 0, step 0, row 0: loss = (ŷ − y)², with ŷ = x·w"
    assert graph["loss"] == 1
    assert [edge["local"] for edge in graph["edges"] if edge["local"] is not None] == [1, 1, -2]


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"batch_size": 1},
        {"batch_size": 3, "shuffle": True, "l2": 0.1, "l1": 0.01, "standardize": True},
        {"loss": "huber", "dtype": "float64"},
        {"loss": "absolute_error", "fit_bias": False, "batch_size": 2},
        {"batch_size": 2, "zero_gradients": "never", "clip_norm": 2.0},
        {"batch_size": 2, "zero_gradients": "epoch", "frozen": ["bias"]},
        {"batch_size": 2, "l1": 0.1, "optimizer": {"name": "sgd", "l1_step": "proximal"}},
    ],
    ids=repr,
)
def test_a_replayed_step_has_the_graph_of_the_stored_one(
    client: TestClient, trained: Trained, hyperparameters: dict[str, Any]
) -> None:
    stored = trained(request(**hyperparameters))
    replayed = trained(request(**hyperparameters, record={"steps": "none", "every": 3}))
    steps = client.get(f"/v1/jobs/{stored}/epochs/4/steps").json()["data"]
    for step in steps:
        graph = graph_of(client, stored, 4, step["step"])
        assert graph == graph_of(client, replayed, 4, step["step"])
        weights = [node["grad"] for node in graph["nodes"] if node["kind"] == "leaf" and node["name"] == "w"]
        assert weights == step["gradient"]["weights"]
        assert graph["loss"] == step["loss"]


def test_a_step_whose_record_autograd_does_not_bear_out_is_not_shown(
    client: TestClient, trained: Trained, database: Database
) -> None:
    job_id = trained(LECTURE)
    wrong = math.nextafter(-2.0, 0)
    workbench.change(database, lambda session: session.execute(
        update(Step).where(Step.job_id == job_id, Step.epoch == 0, Step.step == 0).values(gradient_weights=[wrong])
    ))  # fmt: skip
    for path in ("steps/0/graph", "steps/0/graph?format=svg", "audit"):
        problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/0/{path}"), 500)
        assert problem["type"] == "/problems/gradient-differs"
        assert "step 0 of epoch 0" in problem["detail"]
    assert graph_of(client, job_id, 0, 1)["step"] == 1


def test_weights_that_were_changed_in_the_record_are_found_out_too(
    client: TestClient, trained: Trained, database: Database
) -> None:
    job_id = trained(LECTURE)
    workbench.change(database, lambda session: session.execute(
        update(Step).where(Step.job_id == job_id, Step.epoch == 1, Step.step == 2).values(weights=[1.5])
    ))  # fmt: skip
    problem_of(client.get(f"/v1/jobs/{job_id}/epochs/1/steps/2/graph"), 500)


@pytest.mark.parametrize(("change", "status"), [(1e-7, 200), (1e-2, 500)])
def test_a_record_of_an_engine_that_rounds_otherwise_is_held_to_rounding(
    client: TestClient, trained: Trained, database: Database, change: float, status: int
) -> None:
    job_id = trained(LECTURE)
    plan = workbench.read(database, job_id).plan | {"engine": "compiled"}

    def as_if_rounded(session: Session) -> None:
        session.execute(update(Job).where(Job.id == job_id).values(plan=plan))
        place = (Step.job_id == job_id, Step.epoch == 0, Step.step == 0)
        session.execute(update(Step).where(*place).values(gradient_weights=[-2.0 + change]))

    workbench.change(database, as_if_rounded)
    assert client.get(f"/v1/jobs/{job_id}/epochs/0/steps/0/graph").status_code == status
    assert client.get(f"/v1/jobs/{job_id}/epochs/0/audit").status_code == status


def _assert_is_explained(client: TestClient, job_id: object) -> None:
    for step in client.get(f"/v1/jobs/{job_id}/epochs/3/steps").json()["data"]:
        answer = client.get(f"/v1/jobs/{job_id}/epochs/3/steps/{step['step']}/graph")
        assert answer.status_code == 200, answer.text
        assert answer.json()["gradient"] == step["gradient"]
        assert leaf(answer.json(), "b")["grad"] == pytest.approx(step["gradient"]["bias"], rel=1e-4, abs=1e-6)
    audit = client.get(f"/v1/jobs/{job_id}/epochs/3/audit")
    assert audit.status_code == 200, audit.text
    assert len(audit.json()["contributions"]) == 4


@pytest.mark.parametrize(
    ("engine", "batch_size"), [("reduced", "full"), ("compiled", 2), ("composed", 2), ("compiled", 1)]
)
def test_a_job_of_any_engine_is_explained(
    client: TestClient, trained: Trained, engine: str, batch_size: int | str
) -> None:
    _assert_is_explained(client, trained(request(engine=engine, batch_size=batch_size)))


def test_the_jobs_of_a_sweep_are_explained(client: TestClient, database: Database, process: Process) -> None:
    wanted = request() | {"grid": {"learning_rate": [0.01, 0.03]}}
    sweep = client.post("/v1/sweeps", json=wanted).json()
    mine = workbench.claim_group_of(database, workbench.jobs_of(database, UUID(sweep["id"]))[0].id)
    assert mine
    run_attempt(process, mine)
    for job in client.get("/v1/jobs", params={"sweep_id": sweep["id"]}).json()["data"]:
        assert (job["status"], job["plan"]["engine"]) == ("succeeded", "fused")
        _assert_is_explained(client, job["id"])


def test_proximal_jobs_of_a_sweep_train_alone_and_are_explained(
    client: TestClient, database: Database, process: Process
) -> None:
    proximal = {"l1": 0.1, "optimizer": {"name": "sgd", "l1_step": "proximal"}}
    sweep = client.post("/v1/sweeps", json=request(**proximal) | {"grid": {"l1": [0.1, 0.2]}}).json()
    for job in workbench.jobs_of(database, UUID(sweep["id"])):
        mine = workbench.claim(database, job.id)
        assert mine
        run_attempt(process, mine)
    for job in client.get("/v1/jobs", params={"sweep_id": sweep["id"]}).json()["data"]:
        assert (job["status"], job["plan"]["engine"]) == ("succeeded", "eager")
        assert "It trains alone: proximal steps" in job["plan"]["why"]
        _assert_is_explained(client, job["id"])


def test_the_row_and_the_features_that_are_shown_can_be_chosen(client: TestClient, trained: Trained) -> None:
    x = [[float(row * feature % 7) for feature in range(12)] for row in range(6)]
    job_id = trained({"dataset": {"x": x, "y": [1.0] * 6}, "hyperparameters": {"batch_size": 3, "epochs": 1}})
    assert graph_of(client, job_id, 0, 1)["row"] == 3
    graph = graph_of(client, job_id, 0, 1, row=5, expand=[2, 7])
    values = {node["name"]: node["value"] for node in graph["nodes"]}
    assert (values["x[2]"], values["x[7]"]) == (x[5][2], x[5][7])
    assert [name for name in values if name and name.startswith("w")] == ["w[2]", "w[7]"]
    assert values["the other 10 of w"]["count"] == 10


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("row=1", "/query/row"),
        ("row=-1", "/query/row"),
        ("expand=0&expand=1", "/query/expand/1"),
        ("expand=0&expand=0", "/query/expand/1"),
        ("expand=x", "/query/expand/0"),
        ("format=gif", "/query/format"),
        ("theme=blue", "/query/theme"),
    ],
)
def test_what_a_step_does_not_have_is_told_with_a_pointer(
    client: TestClient, trained: Trained, query: str, pointer: str
) -> None:
    job_id = trained(LECTURE)
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/0/steps/0/graph?{query}"), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_of_a_row_that_is_not_in_the_batch_those_are_told_that_are(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/0/steps/2/graph?row=0"), 422)

    assert problem["errors"][0]["detail"].endswith("that has row 2")


@pytest.mark.parametrize(
    "wanted",
    [
        LECTURE,
        request(batch_size=3, l1=0.1),
        request(zero_gradients="never", frozen=["bias"], record={"steps": "none"}),
        {"dataset": {"x": [[float(row % 7 + feature) for feature in range(9)] for row in range(12)], "y": [1.0] * 12}},
    ],
    ids=["lecture", "batch", "replayed", "many features"],
)
def test_the_graph_of_a_step_is_the_documented_view(
    client: TestClient, trained: Trained, wanted: dict[str, Any]
) -> None:
    answer = client.get(f"/v1/jobs/{trained(wanted)}/epochs/1/steps/0/graph")

    assert in_order(answer.text) == in_order(StepGraphView.model_validate_json(answer.text).model_dump_json())


@pytest.mark.parametrize("x", [1.0, 0.0], ids=["finite", "not finite"])
def test_the_graph_of_a_formula_is_the_documented_view(client: TestClient, x: float) -> None:
    answer = client.post("/v1/graphs", json={"expression": "log(x) / x + 2", "values": {"x": x}})

    assert in_order(answer.text) == in_order(GraphView.model_validate_json(answer.text).model_dump_json())


def in_order(text: str) -> Any:
    """A document of which the order of the fields counts."""
    return json.loads(text, object_pairs_hook=list)


def test_data_is_prepared_once_for_steps_that_are_recorded_and_those_that_are_not(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[UUID] = []

    def load(storage: Storage, dataset_id: UUID, *others: Any) -> Any:
        loaded.append(dataset_id)
        return service.data.numbers.load_columns(storage, dataset_id, *others)

    monkeypatch.setattr("service.records.replay.numbers", SimpleNamespace(load_columns=load))
    job_id = trained(request(seed=1914))
    service.records.replay.prepared_data.cache.clear()
    graph_of(client, job_id, 0, 0)
    assert client.get(f"/v1/jobs/{job_id}/epochs/0/audit").status_code == 200

    assert len(loaded) == 1


@pytest.mark.parametrize(
    "hyperparameters",
    [{"batch_size": 1}, {"batch_size": "full"}, {"standardize": True, "initial_weights": [1e300]}],
    ids=["eager", "reduced", "standardized"],
)
def test_the_first_step_of_a_job_that_broke_in_it_is_explained(
    client: TestClient, trained: Trained, hyperparameters: dict[str, Any]
) -> None:
    asked = {"learning_rate": 0.01, "initial_weights": [1.0], "dtype": "float64"} | hyperparameters
    data = {"x": [1e200, 2e200, 4e200], "y": [2, 4, 6]}
    job_id = trained({"dataset": data, "hyperparameters": asked})
    detail = client.get(f"/v1/jobs/{job_id}").json()["error"]["detail"]
    assert detail.startswith("The numbers stopped being finite in epoch 0, step 0")

    graph = graph_of(client, job_id, 0, 0)

    assert (graph["epoch"], graph["gradient"]) == (0, None)
    assert any("is not finite" in note for note in graph["notes"])
    StepGraphView.model_validate(graph)


def test_of_a_job_without_steps_that_broke_in_a_later_one_the_first_is_not_passed_for_it(
    client: TestClient, trained: Trained
) -> None:
    asked = {"learning_rate": 1e100, "dtype": "float64", "initial_weights": [1.0], "record": {"steps": "none"}}
    job_id = trained({"dataset": {"x": [1, 2, 3], "y": [2, 4, 6]}, "hyperparameters": asked})
    detail = client.get(f"/v1/jobs/{job_id}").json()["error"]["detail"]
    assert detail.startswith("The numbers stopped being finite in epoch 0, step 2")

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/0/steps/0/graph"), 404)

    assert problem["type"] == "/problems/epoch-not-found"


def test_there_is_no_graph_of_a_step_that_never_was(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/0/steps/3/graph"), 404)
    assert problem["type"] == "/problems/step-not-found"
    for path in ("epochs/10/steps/0/graph", "epochs/10/audit"):
        assert problem_of(client.get(f"/v1/jobs/{job_id}/{path}"), 404)["type"] == "/problems/epoch-not-found"
    problem_of(client.get(f"/v1/jobs/{UUID(int=7)}/epochs/0/steps/0/graph"), 404)


FORMATS = {
    "json": ("application/json", b"{"),
    "svg": ("image/svg+xml", b"<svg"),
    "png": ("image/png", b"\x89PNG"),
    "dot": ("text/vnd.graphviz; charset=utf-8", b"digraph"),
    "mermaid": ("text/vnd.mermaid; charset=utf-8", b"---\ntitle"),
    "text": ("text/plain; charset=utf-8", b"Epoch 0, step 2"),
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_step_s_graph_comes_in_the_format_that_is_named_or_accepted(
    client: TestClient, trained: Trained, format: str
) -> None:
    kind, start = FORMATS[format]
    path = f"/v1/jobs/{trained(LECTURE)}/epochs/0/steps/2/graph"
    named = client.get(path, params={"format": format})
    accepted = client.get(path, headers={"Accept": f"{kind.partition(';')[0]}, application/xml;q=0.5"})
    for answer in (named, accepted):
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["vary"] == "Accept"
        assert answer.content.startswith(start)
    assert named.content == accepted.content


@pytest.mark.parametrize("format", FORMATS)
def test_a_formula_s_graph_comes_in_all_formats(client: TestClient, format: str) -> None:
    answer = client.post("/v1/graphs", json=LECTURE_GRAPH, params={"format": format})
    assert (answer.status_code, answer.headers["content-type"]) == (200, FORMATS[format][0])


def test_a_picture_is_drawn_in_the_theme_that_is_asked_for(client: TestClient) -> None:
    light, dark = (
        client.post("/v1/graphs", json=LECTURE_GRAPH, params={"format": "svg", "theme": theme}).text
        for theme in ("light", "dark")
    )
    assert "#fffffe" in light
    assert "#fffffe" not in dark


def test_without_graphviz_pictures_are_a_problem_that_names_the_extra_and_the_rest_works(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(dot: str, kind: str) -> bytes:
        raise drawing.NotInstalled

    monkeypatch.setattr("slope.graph.svg.draw", missing)
    for format in ("svg", "png"):
        problem = problem_of(client.post("/v1/graphs", json=LECTURE_GRAPH, params={"format": format}), 501)
        assert "'.[pictures]'" in problem["detail"]
    for format in ("json", "dot", "mermaid", "text"):
        assert client.post("/v1/graphs", json=LECTURE_GRAPH, params={"format": format}).status_code == 200


def test_a_picture_that_cannot_be_drawn_is_a_problem(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(dot: str, kind: str) -> bytes:
        raise drawing.NotDrawn("Graphviz failed")

    monkeypatch.setattr("slope.graph.svg.draw", fails)
    assert problem_of(client.post("/v1/graphs?format=svg", json=LECTURE_GRAPH), 503)["detail"] == "Graphviz failed"


def test_a_formula_s_graph_has_its_numbers(client: TestClient) -> None:
    lecture = client.post("/v1/graphs", json=LECTURE_GRAPH).json()
    assert lecture["loss"] == 1
    assert leaf(lecture, "w")["grad"] == -2
    node = {"expression": "x*y", "values": {"x": 2, "y": 3}, "upstream": 5}
    above = client.post("/v1/graphs", json=node).json()
    assert [leaf(above, name)["grad"] for name in ("x", "y")] == [15, 10]


def test_what_is_not_finite_is_null_and_noted(client: TestClient) -> None:
    answer = client.post("/v1/graphs", json={"expression": "exp(1000*x)", "values": {"x": 1}}).json()
    assert answer["loss"] is None
    assert "inf" in answer["notes"][0]


def test_a_result_with_a_name_is_one_node_that_has_it(client: TestClient) -> None:
    program = {"expression": "c = a + b\nd = c*c\nd - c", "values": {"a": -4, "b": 2}}
    graph = client.post("/v1/graphs", json=program).json()
    assert [(node["name"], node["operation"], node["value"]) for node in graph["nodes"]] == [
        ("a", "parameter", -4),
        ("b", "parameter", 2),
        ("c", "add", -2),
        ("d", "multiply", 4),
        (None, "subtract", 6),
    ]
    assert graph["title"] == "c = a + b; d = c*c; d - c"


@pytest.mark.parametrize(
    ("changes", "pointer", "told"),
    [
        ({"expression": "(x*w - y"}, "/expression", "at character 8"),
        ({"expression": "x*w - y - z"}, "/expression", '"z" has no value, at character 10'),
        ({"expression": "x*w - y**(w*1000)"}, "/expression", "at character 11"),
        ({"expression": "e = x*w - y; e; e**2"}, "/expression", "would be lost, at character 13"),
        ({"expression": "e = x*w - y; e **= 1000"}, "/expression", "The largest power is 100, at character 19"),
        ({"expression": "e = x*w - y\n" + "e = e*e\n" * 250}, "/expression", "250 operations, at character 2001"),
        ({"values": {"x": 1, "y": 2, "w": 1, "v": 1}}, "/values/v", "not in the expression"),
        ({"expression": "w = 1; x*w - y"}, "/values/w", "computed by the expression"),
        ({"values": {"x": 1, "y": 2, "w": "1"}}, "/values/w", "number"),
        ({"requires_grad": ["w", "v"]}, "/requires_grad/1", "not in the expression"),
        ({"upstream": "one"}, "/upstream", "number"),
        ({"evaluate": True}, "/evaluate", "There is no such field here"),
    ],
)
def test_a_fault_of_a_formula_is_pointed_at(
    client: TestClient, changes: dict[str, Any], pointer: str, told: str
) -> None:
    problem = problem_of(client.post("/v1/graphs", json=LECTURE_GRAPH | changes), 422)
    [error] = problem["errors"]
    assert error["pointer"] == pointer
    assert told in error["detail"]


HOSTILE = {
    "deep": "(" * 100_000 + "x" + ")" * 100_000,
    "powers": "x**" * 300 + "2",
    "tower": "x + 9**9**9**9",
    "computed power": "x**(" + "*".join(["9"] * 30) + ")",
    "dunder": "__import__('os').system('exit')",
    "attribute": "x.__class__.__mro__",
    "look-alike": "\u0445*\u0443",
    "megabyte": "x+" * 2**19 + "x",
    "operations": "+".join("x" * 499),
    "names": "*".join(f"n{number}" for number in range(100)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_formula_is_refused(client: TestClient, kind: str) -> None:
    """Were one computed, the test would never end."""
    body = {"expression": HOSTILE[kind], "values": {"x": 2.0}}
    answer = client.post("/v1/graphs", json=body)
    assert problem_of(answer, 422)["errors"][0]["pointer"] == "/expression"
    assert len(answer.content) < 1000


def test_an_audit_tells_which_rows_moved_the_model(client: TestClient, trained: Trained) -> None:
    wanted = request(batch_size=2, l2=0.1, zero_gradients="never")
    job_id = trained(wanted)
    for epoch in (0, 3):
        audit = client.get(f"/v1/jobs/{job_id}/epochs/{epoch}/audit").json()
        record = client.get(f"/v1/jobs/{job_id}/epochs", params={"after": epoch - 1, "limit": 1}).json()["data"][0]
        assert audit["recorded"]["weights"] == pytest.approx(record["gradient_mean"]["weights"])
        assert sorted(each["row"] for each in audit["contributions"]) == [0, 1, 2, 3]
        parts = [each["gradient"] for each in audit["contributions"]]
        parts += [audit[part] for part in ("others", "penalties", "left_before")]
        assert sum(part["bias"] for part in parts) == pytest.approx(record["gradient_mean"]["bias"], rel=1e-5)
        assert audit["difference"] <= audit["tolerance"]
    assert (audit["left_before"]["bias"] == 0) == (epoch == 0)


def test_an_audit_is_the_same_of_steps_that_were_not_recorded(client: TestClient, trained: Trained) -> None:
    audits = [
        client.get(f"/v1/jobs/{trained(request(batch_size=2, record=record))}/epochs/3/audit?limit=2").json()
        for record in ({"steps": "all"}, {"steps": "none", "every": 5})
    ]
    assert audits[0] == audits[1]
    assert (len(audits[0]["contributions"]), audits[0]["others_count"]) == (2, 2)


@pytest.mark.parametrize("limit", ["MAX_AUDITED_STEPS", "MAX_AUDITED_NUMBERS"])
def test_an_epoch_that_is_too_long_is_not_taken_apart(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(service.records.graphs, limit, 2)
    problem = problem_of(client.get(f"/v1/jobs/{trained(LECTURE)}/epochs/0/audit"), 422)
    assert problem["type"] == "/problems/epoch-too-long"


def test_an_audit_takes_all_steps_however_few_rows_a_page_lists(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/v1/jobs/{trained(request(batch_size=1))}/epochs/3/audit"
    wanted = client.get(url).json()
    monkeypatch.setattr("service.records.pages.MOST_ROWS", 2)

    assert client.get(url).json() == wanted
    assert len(wanted["contributions"]) == 4
