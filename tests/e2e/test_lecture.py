"""The lecture's numbers, through everything that lies between a client and autograd."""

import re
from typing import Any

import httpx2
import pytest

from e2e.jobs import lecture_request
from e2e.processes import until
from e2e.services import Service


@pytest.fixture(params=["serve", "cluster"])
def service(request: pytest.FixtureRequest) -> Service:
    service: Service = request.getfixturevalue(request.param)
    return service


def test_what_a_worker_s_children_do_is_in_the_metrics_of_the_api(serve: Service, lecture: dict[str, Any]) -> None:
    with serve.client as client:
        client.wait(client.submit(lecture_request(lecture)).id)

    def counted() -> bool:
        text = httpx2.get(f"{serve.url}/metrics", timeout=10).text
        ended = re.findall(r'^slope_jobs_ended_total\{status="succeeded"\} ([0-9.]+)$', text, re.MULTILINE)
        steps = re.findall(r"^slope_steps_total ([0-9.]+)$", text, re.MULTILINE)
        return bool(ended and steps) and float(ended[0]) >= 1 and float(steps[0]) >= 30

    until(counted)


def test_the_lectures_job_has_the_lectures_bits(service: Service, lecture: dict[str, Any]) -> None:
    with service.client as client:
        job = client.wait(client.submit(lecture_request(lecture)).id)
        epochs = list(client.epochs(job.id))
        steps = [list(client.steps(job.id, epoch.epoch)) for epoch in epochs]
        predictions = client.predictions(job.id)

    assert job.status == "succeeded"
    [told] = predictions
    assert (told.x, told.before, told.after) == (
        [lecture["predict"]],
        lecture["prediction_before"],
        lecture["prediction_after"],
    )
    for recorded, its_steps, printed in zip(epochs, steps, lecture["records"], strict=True):
        assert recorded.epoch == printed["epoch"]
        assert recorded.last_loss == printed["last_loss"]
        assert recorded.weights == [printed["weight_after"]]
        for step, expected in zip(its_steps, printed["steps"], strict=True):
            assert step.rows
            (row,) = step.rows
            assert (lecture["x"][row], lecture["y"][row]) == (expected["x"], expected["y"])
            assert (step.gradient.weights, step.gradient.bias) == ([expected["gradient"]], None)
