"""Jobs become runs of a real MLflow tracking server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner, Result
from workbench import request

from service.commands import cli
from service.commands.remote import records
from slope.client import Client
from slope.client.mlflow_runs import METRICS, TrackingFailed, export_run

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own, when it is imported
]


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = Path(__file__).with_name("tracking_server.py")
    arguments = [sys.executable, str(script), str(tmp_path_factory.mktemp("mlflow"))]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.terminate()


@pytest.fixture
def slope(client: TestClient) -> Client:
    class InProcess(Client):
        def __init__(self) -> None:
            super().__init__("http://testserver")
            self._http, self._retry_seconds = client, 0.0

    return InProcess()


def test_a_job_becomes_a_run_with_all_its_epochs_and_its_model(
    slope: Client, client: TestClient, trained: Callable[[dict[str, Any]], UUID], tracking_uri: str
) -> None:
    wanted = request(epochs=450, validation_fraction=0.25, optimizer="adam", standardize=True)
    wanted["dataset"] |= {"features": ["hours"], "target": "price"}
    job_id = str(trained(wanted | {"name": "rents", "metadata": {"course": "ridge", "who?": "me"}}))

    run_id = slope.attach(job_id).export_to_mlflow(tracking_uri, experiment="course")

    tracking = MlflowClient(tracking_uri)
    run = tracking.get_run(run_id)
    assert tracking.get_experiment(run.info.experiment_id).name == "course"
    assert (run.info.run_name, run.info.status) == ("rents", "FINISHED")
    assert run.info.end_time >= run.info.start_time
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert run.data.tags["slope.job_id"] == job_id
    assert (run.data.tags["course"], run.data.tags["who_"]) == ("ridge", "me")
    chosen = {"epochs": "450", "optimizer.name": "adam", "dataset.rows": "4", "dataset.target": "price"}
    assert chosen.items() <= run.data.params.items()
    assert float(run.data.params["learning_rate"]) == job["hyperparameters"]["learning_rate"]
    assert run.data.metrics["validation.mean_squared_error"] == job["metrics"]["validation"]["mean_squared_error"]
    epochs = client.get(f"/v1/jobs/{job_id}/epochs", params={"limit": 1000}).json()["data"]
    for name in METRICS:
        history = tracking.get_metric_history(run_id, name)
        assert [(each.step, each.value) for each in history] == [(each["epoch"], each[name]) for each in epochs]

    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    answered = client.post(f"/v1/jobs/{job_id}/predict", json={"x": [2.5]}).json()["data"]
    assert model.predict(pd.DataFrame({"hours": [2.5]})) == pytest.approx([answered[0]["after"]], rel=1e-6)


def test_what_was_cross_validated_is_exported_too(
    slope: Client, client: TestClient, trained: Callable[[dict[str, Any]], UUID], tracking_uri: str
) -> None:
    job_id = str(trained(request(epochs=2, batch_size="full") | {"cross_validation": 2}))

    run_id = slope.attach(job_id).export_to_mlflow(tracking_uri)

    found = client.get(f"/v1/jobs/{job_id}").json()["metrics"]["cross_validation"]
    told = MlflowClient(tracking_uri).get_run(run_id).data.metrics
    assert told["cross_validation.mean_squared_error"] == found["mean_squared_error"]
    assert told["cross_validation.standard_error"] == found["standard_error"]
    assert {name for name in told if name.startswith("cross_validation.")} == {
        f"cross_validation.{name}" for name, value in found.items() if isinstance(value, int | float)
    }


@pytest.fixture
def command(slope: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `slope` with the service of the test."""
    monkeypatch.setattr(records, "connected", lambda url: nullcontext(slope))
    return lambda *arguments: CliRunner().invoke(cli.app, arguments)


def test_the_command_exports_a_job_that_failed_as_a_run_that_failed_and_has_no_model(
    command: Callable[..., Result], trained: Callable[[dict[str, Any]], UUID], tracking_uri: str
) -> None:
    job_id = str(trained(request(learning_rate=1e30, epochs=50)))
    ran = command("export", job_id, "--mlflow", tracking_uri, "--json")
    assert ran.exit_code == 0, ran.output
    run_id = json.loads(ran.stdout)["run_id"]
    tracking = MlflowClient(tracking_uri)
    run = tracking.get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["slope.error"].startswith("diverged: ")
    assert tracking.list_artifacts(run_id) == []


def test_the_command_wants_to_know_where_to(command: Callable[..., Result]) -> None:
    ran = command("export", "7")
    assert (ran.exit_code, ran.stderr) == (
        2,
        "Say where to: -o FILE for the model, or --mlflow ADDRESS for the job as a run of MLflow\n",
    )


def test_a_tracking_server_that_refuses_is_told(slope: Client, trained: Callable[[dict[str, Any]], UUID]) -> None:
    with pytest.raises(TrackingFailed, match="MLflow at nonsense://x does not answer, or refuses: "):
        export_run(slope, trained(request()), "nonsense://x")


def test_a_password_in_the_address_is_not_told(slope: Client, trained: Callable[[dict[str, Any]], UUID]) -> None:
    with pytest.raises(TrackingFailed, match="MLflow at nonsense://x/y does") as told:
        export_run(slope, trained(request()), "nonsense://me:secret@x/y")

    assert "secret" not in str(told.value)


def test_a_job_is_exported_when_it_has_ended(slope: Client, tracking_uri: str) -> None:
    with pytest.raises(ValueError, match="The job is queued: it can be exported when it has ended"):
        export_run(slope, slope.submit(request()).id, tracking_uri)
