"""What tests/compose/run checks over HTTP: `over_http.py URL CHECK [ARGUMENTS]`."""

import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from slope.client import Client, Problem

LECTURE = json.loads((Path(__file__).parents[1] / "lecture.json").read_text())
LIMIT_SECONDS = 120.0


def ready(client: Client, workers: str) -> None:
    """The service becomes ready, with this many workers."""
    readiness: dict[str, Any] = {}

    def is_ready() -> bool:
        readiness.update(client.readiness())
        return readiness["status"] == "ready" and readiness["workers"] == int(workers)

    wait_until(is_ready, lambda: f"not ready: {readiness}")
    ok(f"ready, with {workers} live worker{'s' * (workers != '1')}")


def door(client: Client) -> None:
    """Whoever shows no key is answered 401, and whoever has one is let in."""
    with Client(sys.argv[1], api_key="slope_unknown") as stranger:
        try:
            list(stranger.workers())
            sys.exit("FAILED: somebody without a key was let in")
        except Problem as problem:
            expect(problem.status, 401)
    expect(len(list(client.workers())), 1)
    ok("without a key nobody is let in")


def lecture(client: Client) -> None:
    """The lecture's job has the lecture's numbers, every one of them."""
    job = client.wait(client.submit(lecture_request()).id, timeout=LIMIT_SECONDS)
    expect(job.status, "succeeded")
    epochs = list(client.epochs(job.id))
    expect(len(epochs), len(LECTURE["records"]))
    for epoch, record in zip(epochs, LECTURE["records"], strict=True):
        expect(epoch.last_loss, record["last_loss"])
        expect(epoch.weights, [record["weight_after"]])
        gradients = [step.gradient.weights for step in client.steps(job.id, record["epoch"])]
        expect(gradients, [[step["gradient"]] for step in record["steps"]])
    predictions = [(each.x, each.before, each.after) for each in client.predictions(job.id)]
    expect(predictions, [([LECTURE["predict"]], LECTURE["prediction_before"], LECTURE["prediction_after"])])
    ok("the lecture's job has every gradient, loss, weight and prediction of the lecture")


def dashboard(client: Client) -> None:
    """The image has the dashboard, and its page loads it from the service itself."""
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Accept": "text/html"})) as answer:
        page = answer.read().decode()
    expect("/assets/app-" in page, True)
    ok("the image has the dashboard")


def begin(client: Client, epochs: str) -> None:
    """Print the id of a job of this many epochs, once it has trained some of them."""
    request = lecture_request()
    request["hyperparameters"] |= {
        "epochs": int(epochs),
        "batch_size": "full",
        "engine": "eager",
        "record": {"steps": "none"},
    }
    job_id = client.submit(request).id
    wait_until(lambda: client.job(job_id).progress.epochs_done > 0, lambda: f"not begun: {client.job(job_id)}")
    print(job_id)


def put_back(client: Client, job_id: str) -> None:
    """Print how many epochs a job has behind it that waits for a worker."""
    job = client.job(job_id)
    expect((job.status, job.attempt), ("queued", 1))
    print(job.progress.epochs_done)


def goes_on(client: Client, job_id: str, epochs_done: str) -> None:
    """A job is taken up again where it was left."""

    def is_further() -> bool:
        job = client.job(job_id)
        return job.attempt == 2 and job.progress.epochs_done > int(epochs_done)

    wait_until(is_further, lambda: f"not taken up: {client.job(job_id)}")
    ok(f"the job goes on after epoch {epochs_done}, in its second attempt")


def cancel(client: Client, job_id: str) -> None:
    client.cancel(job_id)
    expect(client.wait(job_id, timeout=LIMIT_SECONDS).status, "cancelled")
    ok("the job was cancelled")


def succeeds(client: Client, job_id: str) -> None:
    job = client.wait(job_id, timeout=LIMIT_SECONDS)
    expect(job.status, "succeeded")
    ok(f"the job succeeded, in attempt {job.attempt}")


def lecture_request() -> dict[str, Any]:
    return {
        "name": "lecture",
        "dataset": {"x": LECTURE["x"], "y": LECTURE["y"]},
        "hyperparameters": {
            "epochs": LECTURE["epochs"],
            "learning_rate": LECTURE["learning_rate"],
            "batch_size": 1,
            "fit_bias": False,
            "initial_weights": [LECTURE["initial_weight"]],
        },
        "predict": [LECTURE["predict"]],
    }


def wait_until(condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = monotonic() + LIMIT_SECONDS
    while not condition():
        if monotonic() > deadline:
            sys.exit(f"FAILED: {complaint()}")
        sleep(0.1)


def expect(found: Any, expected: Any) -> None:
    if found != expected:
        sys.exit(f"FAILED: {found!r} instead of {expected!r}")


def ok(sentence: str) -> None:
    print(f"ok: {sentence}")


CHECKS: dict[str, Callable[..., None]] = {
    "ready": ready,
    "door": door,
    "lecture": lecture,
    "dashboard": dashboard,
    "begin": begin,
    "put-back": put_back,
    "goes-on": goes_on,
    "cancel": cancel,
    "succeeds": succeeds,
}

if __name__ == "__main__":
    url, check, *arguments = sys.argv[1:]
    with Client(url) as client:
        CHECKS[check](client, *arguments)
