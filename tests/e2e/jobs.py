"""Requests that the tests send, and what they look at in the answers."""

from typing import Any
from uuid import UUID

from slope.answers.jobs import JobView
from slope.client import Client

Json = dict[str, Any]


def lecture_request(lecture: Json) -> Json:
    return {
        "name": "lecture",
        "dataset": {"x": lecture["x"], "y": lecture["y"]},
        "hyperparameters": {
            "epochs": lecture["epochs"],
            "learning_rate": lecture["learning_rate"],
            "batch_size": 1,
            "fit_bias": False,
            "initial_weights": [lecture["initial_weight"]],
        },
        "predict": [lecture["predict"]],
    }


def request(**hyperparameters: Any) -> Json:
    """A small job: four rows on a line."""
    return {
        "dataset": {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.5]},
        "hyperparameters": {"batch_size": "full", "epochs": 5, "learning_rate": 0.01} | hyperparameters,
    }


def some_seconds(epochs: int = 100, engine: str = "eager") -> Json:
    """A job of some seconds. Every bit of it hangs on the optimizer's state and on the order of the batches."""
    rows = 100
    return {
        "dataset": {
            "x": [[number / rows, (number * 37 % rows) / rows] for number in range(rows)],
            "y": [number / rows - (number * 53 % rows) / rows for number in range(rows)],
        },
        "hyperparameters": {
            "epochs": epochs,
            "engine": engine,
            "shuffle": True,
            "optimizer": {"name": "adam"},
            "record": {"steps": "none"},
        },
    }


def endless() -> Json:
    """A job that no test waits for."""
    return request(epochs=10_000_000, engine="eager", record={"steps": "none", "every": 10})


def statuses(job: JobView) -> list[str]:
    return [transition.status for transition in job.transitions]


def curve(client: Client, job_id: UUID) -> list[Json]:
    """The epochs of a job without the time they took."""
    return [epoch.model_dump(exclude={"seconds"}) for epoch in client.epochs(job_id)]
