"""Faults in the middle of a call: the client does not know what came of it."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from uuid import UUID, uuid4

import httpx2
import psutil
from e2e.processes import until

from faults import work
from faults.stage import Stage, kill
from faults.trial import Make, Trial
from faults.work import Json


def api_killed_in_a_post(stage: Stage, make: Make) -> Trial:
    """The client does not know whether its job was accepted, and repeats the request with its key."""
    key = str(uuid4())
    _kill_while(stage, 0.06, lambda: _post(stage, "jobs", make(), key))
    job_id = stage.submit(make(), key)
    made = work.jobs_with_key(stage.database, key)
    assert made == [job_id]
    return Trial(stage.inspect(job_id, make))


def api_killed_in_a_rerun(stage: Stage, make: Make) -> Trial:
    """The client does not know whether the job is trained again, and repeats the call with its key."""
    source, key = stage.submit(make()), str(uuid4())
    stage.wait(source)
    call = f"jobs/{source}/rerun"
    _kill_while(stage, 0.06, lambda: _post(stage, call, {}, key))
    job_id = UUID(_post(stage, call, {}, key).json()["id"])
    assert work.jobs_with_key(stage.database, key) == [job_id]
    return Trial(stage.inspect(job_id, make))


def api_killed_in_a_pause_and_in_a_resume(stage: Stage, make: Make) -> Trial:
    """The client does not know what has come of either call, and repeats it."""
    job_id = stage.underway(make)
    _ask_of_a_killed_one(stage, job_id, "pause")
    _ask(stage, job_id, "pause")
    _wait_for_pause(stage, job_id)
    _ask_of_a_killed_one(stage, job_id, "resume")
    return _resumed(stage, make, job_id)


def training_process_killed_in_a_pause(stage: Stage, make: Make) -> Trial:
    """Before it has heard of the pause, while it gives the job back, or afterwards."""
    job_id = stage.underway(make)
    trainer = stage.trainer(job_id)
    _ask(stage, job_id, "pause")
    stage.pause(0.5)
    if trainer:
        kill(trainer)
    _wait_for_pause(stage, job_id)
    return _resumed(stage, make, job_id)


def _ask(stage: Stage, job_id: UUID, call: str) -> int:
    return httpx2.post(f"{stage.api.url}/v1/jobs/{job_id}/{call}", timeout=30).status_code


def _ask_of_a_killed_one(stage: Stage, job_id: UUID, call: str) -> None:
    _kill_while(stage, 0.02, lambda: _ask(stage, job_id, call))


def _kill_while(stage: Stage, seconds: float, call: Callable[[], object]) -> None:
    """Kill the API within this many seconds of a call, and start it again."""

    def ask() -> None:
        with suppress(httpx2.HTTPError):
            call()

    clients = [Thread(target=act) for act in (ask, stage.prepare_fault)]
    for client in clients:
        client.start()
    stage.pause(seconds)
    kill(psutil.Process(stage.api.program.pid))
    stage.settle()
    for client in clients:
        client.join()


def _post(stage: Stage, path: str, document: Json, key: str) -> httpx2.Response:
    return httpx2.post(f"{stage.api.url}/v1/{path}", json=document, headers={"Idempotency-Key": key}, timeout=30)


def _resumed(stage: Stage, make: Make, job_id: UUID) -> Trial:
    """Also where it has ended before the pause, or goes on already. The recovery counts from the resume."""

    def resume() -> None:
        _ask(stage, job_id, "resume")

    recovery = stage.seconds_to_next_epoch(job_id, resume)
    return Trial(stage.inspect(job_id, make), recovery)


def _wait_for_pause(stage: Stage, job_id: UUID) -> None:
    until(lambda: work.row(stage.database, job_id).status not in ("queued", "running"))
