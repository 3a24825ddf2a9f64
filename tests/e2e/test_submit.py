"""`slope submit`: for people and scripts. Its exit code says how the job ended."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.jobs import lecture_request, request
from e2e.processes import Program, slope
from e2e.services import Cluster


@pytest.fixture
def submit(cluster: Cluster, folder: Path) -> Callable[..., Program]:
    """Runs the command to its end."""

    def submit(*arguments: str, text: str | None = None, url: str = cluster.url) -> Program:
        with slope(folder, "submit", *arguments, environment={"SLOPE_URL": url}, text=text) as program:
            program.wait()
        return program

    return submit


def test_a_request_in_a_file_is_trained_and_the_job_printed(
    submit: Callable[..., Program], tmp_path: Path, lecture: dict[str, Any]
) -> None:
    file = tmp_path / "lecture.json"
    file.write_text(json.dumps(lecture_request(lecture)))
    program = submit(str(file))
    job = json.loads(program.output)
    assert program.process.returncode == 0
    assert job["status"] == "succeeded"
    assert job["weights"] == [lecture["records"][-1]["weight_after"]]


def test_standard_input_is_read_and_without_waiting_the_queued_job_is_printed(submit: Callable[..., Program]) -> None:
    program = submit("-", "--no-wait", text=json.dumps(request() | {"name": "piped"}))
    assert program.process.returncode == 0
    assert json.loads(program.output)["name"] == "piped"


def test_a_job_that_fails_is_printed_and_exits_with_1(submit: Callable[..., Program]) -> None:
    program = submit("-", text=json.dumps(request(learning_rate=1e6, epochs=1000)))
    assert program.process.returncode == 1
    assert json.loads(program.output)["error"]["code"] == "diverged"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps(request(epochs=0)), "/hyperparameters/epochs: "),
        ('{"name": ', "The request is not JSON: "),
        (json.dumps(request(learning_rate=float("nan"))), "The request is not JSON: "),
    ],
    ids=["an invalid request", "half a request", "NaN"],
)
def test_a_request_that_cannot_be_is_refused_with_its_fault_and_exits_with_2(
    submit: Callable[..., Program], text: str, told: str
) -> None:
    program = submit("-", text=text)
    assert program.process.returncode == 2
    assert told in program.log
    assert "Traceback" not in program.log
    assert not program.output


def test_a_service_that_does_not_answer_is_told_and_exits_with_2(submit: Callable[..., Program]) -> None:
    program = submit("-", "--retry", "1", text=json.dumps(request()), url="http://127.0.0.1:9")
    assert program.process.returncode == 2
    assert "http://127.0.0.1:9" in program.log
    assert "Traceback" not in program.log
