"""How many files of the house the lecture's job enters: whoever follows it from POST to GET reads these."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from workbench import request

import worker.tasks
from worker.process import Process

HOUSE = Path(worker.tasks.__file__).parents[1]
ROOMS = ("service", "slope", "worker")
MOST = 55


@contextmanager
def functions_called(client: TestClient) -> Iterator[dict[CodeType, None]]:
    """In this thread, in the application's, and in those that begin meanwhile."""
    called: dict[CodeType, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called[frame.f_code] = None

    assert client.portal
    profilers: list[Callable[[Any], Any]] = [
        lambda profile: client.portal.call(sys.setprofile, profile),  # type: ignore[union-attr]
        threading.setprofile,
        sys.setprofile,
    ]
    for set_profile in profilers:
        set_profile(note)
    try:
        yield called
    finally:
        for set_profile in reversed(profilers):
            set_profile(None)


@pytest.fixture
def lead(client: TestClient, process: Process, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Leads a lecture's job from its POST to the GET that says that it succeeded."""
    monkeypatch.setattr(worker.tasks, "current_process", lambda: process)

    def lead(learning_rate: float) -> None:
        path = client.post("/v1/jobs", json=request(learning_rate=learning_rate)).headers["Location"]
        worker.tasks.train.run(path.rpartition("/")[2])
        assert client.get(path).json()["status"] == "succeeded"

    return lead


def test_a_lecture_s_job_enters_few_files(client: TestClient, lead: Callable[[float], None]) -> None:
    lead(0.02)  # what is made once in a process is not on the way of every job
    with functions_called(client) as called:
        lead(0.01)

    # Bodies of modules and classes are run by whoever imports first, so only functions count.
    files = {Path(code.co_filename) for code in called if code.co_flags & CO_OPTIMIZED}
    ours = {str(file.relative_to(HOUSE)) for file in files if file.is_relative_to(HOUSE)}
    entered = sorted(file for file in ours if file.split("/")[0] in ROOMS)
    assert "worker/jobs/outcome.py" in entered
    assert "service/api/routes/jobs.py" in entered
    assert len(entered) <= MOST, "\n".join(entered)
