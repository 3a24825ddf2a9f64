"""`slope demo`: the lecture's job through a whole service on this machine, and every number it leaves."""

import sys
from typing import Any

from rich.console import Console

from service.commands.local import START_SECONDS, running_service
from slope.answers.jobs import JobView
from slope.answers.records import StepView
from slope.client import Client

LECTURE: dict[str, Any] = {
    "name": "lecture",
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]},
    "hyperparameters": {
        "epochs": 10,
        "learning_rate": 0.01,
        "batch_size": 1,
        "fit_bias": False,
        "initial_weights": [1.0],
    },
    "predict": [4.0],
}

console = Console(highlight=False, soft_wrap=True)


def run_demo() -> None:
    """Start the service in a temporary folder, train over HTTP through a real worker, print, and stop everything."""
    with running_service() as url, Client(url) as client:
        console.print(f"The service runs at {url}. The lecture's job: y = x·w on (1,2) (2,4) (3,6), from w = 1.\n")
        job = client.wait(client.submit(LECTURE).id, timeout=START_SECONDS)
        if job.status != "succeeded":
            sys.exit(f"The job {job.status}: {job.error}")
        _print_records(client, job)
    console.print("\nEverything has been stopped.")


def _print_records(client: Client, job: JobView) -> None:
    prediction = client.predictions(job.id)[0]
    console.print(f"prediction before training for x = {prediction.x[0]:g}: {prediction.before}")
    for epoch in client.epochs(job.id):
        for step in client.steps(job.id, epoch.epoch):
            _print_step(step)
        console.print(f"epoch {epoch.epoch}  w = {epoch.weights[0]}  loss = {epoch.last_loss}")
    console.print(f"prediction after training for x = {prediction.x[0]:g}: {prediction.after}")


def _print_step(step: StepView) -> None:
    assert step.rows  # only an answer with more than a million leaves them out
    assert step.gradient.weights  # they learn
    x, y = LECTURE["dataset"]["x"][step.rows[0]], LECTURE["dataset"]["y"][step.rows[0]]
    console.print(f"    epoch {step.epoch}  x = {x:g}  y = {y:g}  w.grad = {step.gradient.weights[0]}")
