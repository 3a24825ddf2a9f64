"""The charts of a job: what they hold, and how they are asked for; tests/unit/graph/test_charts.py draws them."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import update
from workbench import LECTURE, change, problem_of, request, submit

from service.store.database import Database
from service.store.tables import Epoch, Job
from slope import drawing

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]

CHARTS = ("loss", "gradient", "weights", "fit", "surface")
random = np.random.default_rng(5)
X = random.normal([3, -1], [2, 0.5], (30, 2))
WIDE: Json = {
    "dataset": {"x": X.tolist(), "y": (X @ [2.0, -3.0] + 4).tolist()},
    "hyperparameters": {"epochs": 20, "batch_size": "full", "learning_rate": 0.1, "standardize": True},
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """What was to be drawn: each picture takes half a second of a core."""
    found: list[Json] = []

    def draw(tool: str, module: str, kind: str, source: str) -> bytes:
        found.append(json.loads(source))
        return b"<svg xmlns='http://www.w3.org/2000/svg'/>" if kind == "svg" else b"\x89PNG"

    monkeypatch.setattr("slope.charts.picture.draw_apart", draw)
    return found


def asked(client: TestClient, job_id: UUID, chart: str, accept: str = "*/*", **query: Any) -> Response:
    return client.get(f"/v1/jobs/{job_id}/charts/{chart}", params=query, headers={"Accept": accept})


def lines(spec: Json) -> dict[str, list[tuple[float, float]]]:
    """The points of the lines with a legend, by their names."""
    values = [value for layer in spec["layer"] for value in layer["data"]["values"] if "line" in value]
    return {
        name: [(value["x"], value["y"]) for value in values if value["line"] == name]
        for name in {value["line"] for value in values}
    }


def test_a_chart_comes_as_svg_and_as_png(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    svg, png = asked(client, job_id, "loss", "image/svg+xml"), asked(client, job_id, "loss", "image/png")

    assert (svg.headers["content-type"], png.headers["content-type"]) == ("image/svg+xml", "image/png")
    assert {answer.headers["vary"] for answer in (svg, png)} == {"Accept"}
    assert svg.text.startswith("<svg")
    assert png.content.startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("chart", CHARTS)
def test_every_chart_is_negotiated_and_has_an_etag_that_spares_the_drawing(
    client: TestClient, trained: Trained, drawn: list[Json], chart: str
) -> None:
    job_id = trained(request(epochs=3))
    svg, png = asked(client, job_id, chart, "image/svg+xml"), asked(client, job_id, chart, format="png")
    assert [answer.headers["content-type"] for answer in (svg, png)] == ["image/svg+xml", "image/png"]
    assert svg.headers["etag"] != png.headers["etag"]
    assert asked(client, job_id, chart, "text/csv").status_code == 406

    known = client.get(f"/v1/jobs/{job_id}/charts/{chart}", headers={"If-None-Match": svg.headers["etag"]})
    assert (known.status_code, known.headers["etag"], len(drawn)) == (304, svg.headers["etag"], 2)
    head = client.head(f"/v1/jobs/{job_id}/charts/{chart}")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", svg.headers["etag"])
    client.patch(f"/v1/jobs/{job_id}", json={"name": "another"})
    assert asked(client, job_id, chart).headers["etag"] != svg.headers["etag"]
    assert drawn[-1]["title"]["text"].startswith("another: ")


def test_a_spike_in_the_records_is_drawn_however_few_the_points_are(
    client: TestClient, database: Database, trained: Trained, drawn: list[Json]
) -> None:
    job_id = trained(request(epochs=500, record={"steps": "none", "every": 1}))
    spike = update(Epoch).where(Epoch.job_id == job_id, Epoch.epoch == 321)
    change(database, lambda session: session.execute(spike.values(loss=1e6, gradient_norm=1e7)))

    assert asked(client, job_id, "loss", points=8).status_code == 200
    assert asked(client, job_id, "gradient", points=8).status_code == 200
    loss, gradient = drawn
    assert (321, 1e6) in lines(loss)["training"]
    assert (321, 1e7) in [(value["x"], value["y"]) for value in gradient["layer"][0]["data"]["values"]]
    assert "6 of 500 epochs, every extreme kept" in loss["title"]["subtitle"]


def test_weights_and_fit_are_in_the_data_s_own_units(client: TestClient, trained: Trained, drawn: list[Json]) -> None:
    job_id = trained(WIDE)
    job = client.get(f"/v1/jobs/{job_id}").json()
    for chart in ("weights", "fit"):
        assert asked(client, job_id, chart).status_code == 200

    weights, fit = drawn
    ends = {name: points[-1][1] for name, points in lines(weights).items() if name != "exact solution"}
    assert ends["weight of x0"] == pytest.approx(job["weights"][0])
    assert ends["bias"] == pytest.approx(job["bias"])
    exact = sorted({y for _, y in lines(weights)["exact solution"]})
    assert exact == pytest.approx([-3.0, 2.0, 4.0])
    rows = fit["layer"][0]["data"]["values"]
    assert len(rows) == 30
    model = X @ job["weights"] + job["bias"]
    assert [row["y"] for row in rows] == pytest.approx(model.tolist(), rel=1e-5)


def test_the_surface_has_the_recorded_path(client: TestClient, trained: Trained, drawn: list[Json]) -> None:
    job_id = trained(request(epochs=6))
    epochs = client.get(f"/v1/jobs/{job_id}/epochs").json()["data"]
    assert asked(client, job_id, "surface", x="bias", y="weights_0").status_code == 200
    expected = [(0.0, 0.0), *((epoch["bias"], epoch["weights"][0]) for epoch in epochs)]
    assert lines(drawn[0])["path of the run"] == expected
    problem = problem_of(asked(client, job_id, "surface", x="weights_7"), 422)
    assert problem["errors"][0]["pointer"] == "/query/x"


def test_before_the_first_epoch_a_sentence_says_that_there_is_nothing_to_draw(
    client: TestClient, database: Database
) -> None:
    job_id = submit(database)
    for chart in CHARTS:
        problem = problem_of(asked(client, job_id, chart), 409)
        assert problem["type"].endswith("/nothing-to-chart")
        assert "queued" in problem["detail"]
    assert problem_of(asked(client, UUID(int=7), "loss"), 404)
    assert problem_of(asked(client, job_id, "fit", points=10), 422)["errors"][0]["pointer"] == "/query/points"


def test_a_job_that_was_cut_off_has_the_charts_of_what_it_recorded(
    client: TestClient, database: Database, trained: Trained, drawn: list[Json]
) -> None:
    job_id = trained(request(epochs=4))
    cut = update(Job).where(Job.id == job_id).values(status="cancelled", analysis=None)
    change(database, lambda session: session.execute(cut))
    for chart in CHARTS:
        assert asked(client, job_id, chart).status_code == 200
    assert "exact solution" not in json.dumps(drawn)


def test_without_vl_convert_a_chart_is_a_problem_that_names_the_extra(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(tool: str, *_: str) -> bytes:
        raise drawing.NotInstalled(tool)

    job_id = trained(request())
    monkeypatch.setattr("slope.charts.picture.draw_apart", missing)
    problem = problem_of(asked(client, job_id, "loss"), 501)
    assert "vl-convert" in problem["detail"]
    assert "'.[pictures]'" in problem["detail"]
