"""`slope demo`: the lecture's job through a whole service on this machine, and every number it leaves."""

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from rich.console import Console

from service.commands.supervisor import end_with_parent, python_of
from slope.client import Client

_START_SECONDS = 60.0

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
        job = client.wait(client.submit(LECTURE)["id"], timeout=_START_SECONDS)
        if job["status"] != "succeeded":
            sys.exit(f"The job {job['status']}: {job['error']}")
        _print_records(client, job)
    console.print("\nEverything has been stopped.")


@contextmanager
def running_service() -> Iterator[str]:
    """The address of a service that lives as long as the block, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="slope-demo-") as folder:
        command = [*python_of("service.commands.cli"), "serve", "--port", "0", "--data-dir", folder]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=end_with_parent
        )
        try:
            url = _address(process)
            _wait_until_ready(url)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_START_SECONDS)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+:\d+", line):
            return found[0]
    sys.exit("The service did not start: what stands above says why")


def _wait_until_ready(url: str) -> None:
    deadline = monotonic() + _START_SECONDS
    with Client(url) as client:
        while (readiness := client.readiness())["status"] != "ready":
            if monotonic() > deadline:
                sys.exit(f"The service did not become ready: {readiness}")
            sleep(0.1)


def _print_records(client: Client, job: dict[str, Any]) -> None:
    prediction = client.predictions(job["id"])[0]
    console.print(f"prediction before training for x = {prediction['x'][0]:g}: {prediction['before']}")
    for epoch in client.epochs(job["id"]):
        for step in client.steps(job["id"], epoch["epoch"]):
            row = step["rows"][0]
            x, y = LECTURE["dataset"]["x"][row], LECTURE["dataset"]["y"][row]
            console.print(f"    epoch {step['epoch']}  x = {x:g}  y = {y:g}  w.grad = {step['gradient']['weights'][0]}")
        console.print(f"epoch {epoch['epoch']}  w = {epoch['weights'][0]}  loss = {epoch['last_loss']}")
    console.print(f"prediction after training for x = {prediction['x'][0]:g}: {prediction['after']}")
