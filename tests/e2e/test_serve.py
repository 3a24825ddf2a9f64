"""`slope serve` under everything that can happen to it."""

import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import psutil
import pytest

from e2e.jobs import curve, request, some_seconds, statuses
from e2e.processes import slope, until
from e2e.services import Serve
from slope.client import Client
from worker.shutdown import STOP

GRACE_SECONDS = 10
"""It promises to have ended by then."""


@pytest.fixture
def client(serve: Serve) -> Iterator[Client]:
    with serve.client as client:
        yield client


@pytest.fixture(scope="module")
def uninterrupted(_serve: Serve) -> list[dict[str, Any]]:
    """The epochs of a job that nothing happens to."""
    with _serve.start().client as client:
        return curve(client, client.wait(client.submit(some_seconds()).id).id)


@pytest.fixture
def halted(uninterrupted: list[dict[str, Any]], serve: Serve, client: Client) -> UUID:
    """The id of the same job again, in the middle of its training: its process stands still."""
    return serve.halt_job(client, some_seconds())


def test_a_second_serve_on_the_same_folder_refuses_with_a_sentence(serve: Serve, folder: Path) -> None:
    with slope(folder, "serve", "--port", "0", "--data-dir", str(serve.folder)) as second:
        assert second.wait() == 1
        assert f"Another `slope serve` uses {serve.folder}" in second.log
        assert "Traceback" not in second.log
    until(lambda: serve.is_ready)


def test_it_tells_its_address_and_where_its_data_is_on_lines_that_are_not_broken(serve: Serve) -> None:
    until(lambda: f"Its data is in {serve.folder}." in serve.program.output)
    assert f"{serve.url}/docs\n" in serve.program.output


def test_what_the_broker_says_is_in_its_log_and_not_on_the_terminal(serve: Serve) -> None:
    assert (serve.folder / "broker.log").is_file()
    assert serve.program.output.startswith("Slope listens on ")
    assert "overcommit" not in serve.program.output + serve.program.log


def test_a_port_in_use_is_refused_with_a_sentence(serve: Serve, folder: Path, tmp_path: Path) -> None:
    port = serve.url.rpartition(":")[2]
    with slope(folder, "serve", "--port", port, "--data-dir", str(tmp_path)) as second:
        assert second.wait() == 1
        assert f"Cannot listen on 127.0.0.1:{port}" in second.log
        assert "--port" in second.log
        assert "Traceback" not in second.log


def test_a_folder_that_cannot_be_written_is_refused_with_a_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with slope(folder, "serve", "--port", "0", "--data-dir", str(tmp_path / "file" / "folder")) as serve:
        assert serve.wait() == 1
        assert "Cannot write to " in serve.log
        assert "Traceback" not in serve.log


def test_a_killed_worker_is_started_again_and_its_job_goes_on(
    serve: Serve, client: Client, halted: UUID, uninterrupted: list[dict[str, Any]]
) -> None:
    _kill(serve, "worker")

    job = client.wait(halted)
    assert (job.status, job.attempt) == ("succeeded", 2)
    assert curve(client, halted) == uninterrupted
    until(lambda: len(serve.program.children("worker")) == 1)


def test_the_job_of_a_killed_training_process_is_taken_up_at_once(
    client: Client, serve: Serve, halted: UUID, uninterrupted: list[dict[str, Any]]
) -> None:
    (process,) = serve.training_processes()
    process.kill()

    job = client.wait(halted)
    assert statuses(job) == ["queued", "running", "queued", "running", "succeeded"]
    assert job.attempt == 2
    assert curve(client, halted) == uninterrupted


def test_a_killed_broker_is_started_again_and_jobs_are_trained(serve: Serve, client: Client) -> None:
    _kill(serve, "valkey")

    job = client.wait(client.submit(request()).id)
    assert job.status == "succeeded"
    until(lambda: serve.is_ready)


def test_a_killed_api_is_started_again_at_the_same_address(serve: Serve, client: Client) -> None:
    job_id = client.submit(request()).id
    _kill(serve, "service.api")

    with serve.client as after:
        assert after.wait(job_id).status == "succeeded"


def test_whoever_waits_for_a_job_outlasts_a_killed_api(serve: Serve, client: Client, halted: UUID) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.wait, halted)
        _kill(serve, "service.api")
        serve.go_on()
        assert waiting.result().status == "succeeded"


def test_slope_submit_names_the_job_first_and_outlasts_a_killed_api(serve: Serve, folder: Path) -> None:
    text = json.dumps(some_seconds())
    with slope(folder, "submit", "-", environment={"SLOPE_URL": serve.url}, text=text) as program:
        [job_id] = until(lambda: re.findall(r"Job (\S+) is (?:queued|running)\.", program.log))
        _kill(serve, "service.api")
        assert program.wait() == 0
    job = json.loads(program.output)
    assert (job["id"], job["status"]) == (job_id, "succeeded")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_time_and_the_job_goes_on_after_the_next_start(
    serve: Serve, halted: UUID, uninterrupted: list[dict[str, Any]], number: int
) -> None:
    (training,) = serve.training_processes()
    started = monotonic()
    serve.program.process.send_signal(number)
    until(lambda: _is_told(training, STOP))
    training.resume()
    code = serve.program.wait()
    assert monotonic() - started < GRACE_SECONDS
    assert code == 0
    assert not serve.program.family()
    assert not list(serve.program.folder.glob("slope-*"))

    with serve.start().client as client:
        job = client.wait(halted)
        assert statuses(job) == ["queued", "running", "queued", "running", "succeeded"]
        assert job.attempt == 2
        assert curve(client, halted) == uninterrupted


def test_a_killed_supervisor_leaves_nothing_running_and_the_job_goes_on_after_the_next_start(
    serve: Serve, halted: UUID, uninterrupted: list[dict[str, Any]]
) -> None:
    serve.program.process.kill()
    until(lambda: not serve.program.family())

    with serve.start().client as client:
        assert client.wait(halted).status == "succeeded"
        assert curve(client, halted) == uninterrupted


def _is_told(process: psutil.Process, number: int) -> bool:
    """Whether a process that stands still will find this signal when it goes on."""
    pending = re.search(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return bool(pending and int(pending[1], 16) >> (number - 1) & 1)


def _kill(serve: Serve, word: str) -> None:
    """Kill one of its children, and wait until it has another."""
    before = serve.child(word)
    os.kill(before, signal.SIGKILL)
    until(lambda: serve.child(word) != before)
