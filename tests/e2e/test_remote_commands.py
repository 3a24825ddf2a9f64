"""The commands that ask a service: tables for people, JSON for programs, and a way back for who leaves."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from e2e.jobs import endless, request
from e2e.processes import LIMIT_SECONDS, until
from e2e.services import Cluster
from service.commands.cli import app
from slope.client import Client

Slope = Callable[..., Result]
TABLE = "rooms,area,price\n1,30,100\n2,41,151\n3,52,198\n4,70,262\n5,74,290\n"


@pytest.fixture
def slope(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Slope:
    """Runs a command in this process, as it would run in a pipe."""
    monkeypatch.setenv("SLOPE_URL", cluster.url)

    def slope(*words: str, text: str | None = None, code: int = 0) -> Result:
        ended = CliRunner().invoke(app, words, input=text)
        assert ended.exit_code == code, ended.output
        return ended

    return slope


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "rents.csv"
    file.write_text(TABLE)
    return file


@pytest.fixture
def job(client: Client) -> dict[str, Any]:
    return client.wait(client.submit(request() | {"name": "shown", "metadata": {"of": "commands"}}).id).model_dump(
        mode="json"
    )


def test_a_table_is_trained_on_by_one_command(slope: Slope, table: Path, client: Client) -> None:
    model = table.with_name("model.json")
    words = ("train", str(table), "--target", "price", "--features", "area", "--epochs", "7", "--batch-size", "full")

    ended = slope(*words, "--learning-rate", "1e-4", "--set", "optimizer=adam", "--name", "rents", "-o", str(model))

    job_id = ended.stderr.split()[1]
    job = client.job(job_id)
    assert (job.name, job.status, job.dataset.columns) == ("rents", "succeeded", ["area"])
    assert job.hyperparameters["optimizer"]["name"] == "adam"
    assert (job.progress.epochs, job.hyperparameters["batch_size"]) == (7, "full")
    assert json.loads(model.read_text())["weights"] == job.weights
    assert f"job         {job_id}" in ended.stdout
    assert "7 of 7" in ended.stdout


def test_rows_are_weighted_by_a_column_and_some_kept_for_a_test(slope: Slope, tmp_path: Path) -> None:
    file = tmp_path / "weighted.csv"
    file.write_text("a,y,n\n" + "\n".join(f"{row},{2 * row + row % 3},{1 + row % 2}" for row in range(10)))
    words = ("train", str(file), "--target", "y", "--weights", "n", "--test-fraction", "0.2", "--epochs", "5", "--json")
    job = json.loads(slope(*words).stdout)
    assert (job["dataset"]["columns"], job["dataset"]["weights"]) == (["a"], "n")
    assert job["metrics"]["test"]["rows"] == 2
    assert json.loads(slope("statistics", job["id"], "--json").stdout)["rows"] == 8


def test_with_json_standard_output_is_one_document(slope: Slope, table: Path) -> None:
    ended = slope("train", str(table), "--target", "price", "--standardize", "--learning-rate", "0.01", "--json")
    job = json.loads(ended.stdout)
    assert job["status"] == "succeeded"
    for command in (("jobs", "show"), ("jobs", "watch")):
        assert json.loads(slope(*command, job["id"], "--json").stdout)["id"] == job["id"]


def test_a_column_that_is_not_there_is_told_and_exits_with_2(slope: Slope, table: Path) -> None:
    ended = slope("train", str(table), "--target", "prize", code=2)
    assert "price" in ended.stderr
    assert not ended.stdout


def test_a_table_with_words_is_trained_on(slope: Slope, tmp_path: Path) -> None:
    file = tmp_path / "flats.csv"
    file.write_text("area;city;rent\n30,5;Bonn;300\n41;Ulm;350\n52;Bonn;?\n60;Ulm;500\n")
    words = ("train", str(file), "--target", "rent", "--delimiter", ";", "--decimal", ",", "--missing", "?")

    ended = slope(*words, "--nulls", "drop", "--one-hot", "city", "--batch-size", "full", "--json")

    dataset = json.loads(ended.stdout)["dataset"]
    assert (dataset["rows"], dataset["features"]) == (3, 3)


def test_a_model_that_no_file_could_keep_is_not_trained(slope: Slope, table: Path) -> None:
    ended = slope("train", str(table), "--target", "price", "--name", "unkept", "-o", "model.pkl", code=2)
    assert "model.pkl" in ended.stderr
    assert "unkept" not in slope("jobs", "list", "--query", "unkept").stdout


def test_a_job_that_fails_exits_with_1(slope: Slope, table: Path) -> None:
    words = ("train", str(table), "--target", "price", "--learning-rate", "1e6", "--epochs", "500")
    assert "diverge" in slope(*words, code=1).output


def test_jobs_are_listed_filtered_and_sorted(slope: Slope, job: dict[str, Any]) -> None:
    listed = slope("jobs", "list", "--query", "commands", "--status", "succeeded", "--sort", "loss", "--limit", "1000")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]].count(job["id"]) == 1
    lines = slope("jobs", "list", "-q", "commands", "--json").stdout.splitlines()
    assert job["id"] in [json.loads(line)["id"] for line in lines]
    assert slope("jobs", "list", "-q", "no such words").stdout.splitlines() == ["id  status  name  epochs  loss  age"]


def test_records_are_shown_and_kept(slope: Slope, job: dict[str, Any], tmp_path: Path) -> None:
    lines = slope("epochs", job["id"], "--json").stdout.splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(5))
    assert slope("epochs", job["id"]).stdout.splitlines()[1].split()[0] == "0"
    slope("epochs", job["id"], "-o", str(tmp_path / "epochs.csv"))
    assert len((tmp_path / "epochs.csv").read_text().splitlines()) == 6

    assert json.loads(slope("steps", job["id"], "0", "--json").stdout)["step"] == 0
    assert slope("steps", job["id"], "0").stdout.splitlines()[0].split() == ["step", "loss", "gradient", "weights"]
    assert json.loads(slope("audit", job["id"], "0", "--json").stdout)["contributions"]
    assert len(slope("audit", job["id"], "0", "--limit", "2").stdout.splitlines()) == 3
    assert json.loads(slope("graph", job["id"], "0", "0", "--json").stdout)["nodes"]


def test_the_statistics_of_a_fit_are_told(slope: Slope, job: dict[str, Any]) -> None:
    told = json.loads(slope("statistics", job["id"], "--json").stdout)
    assert {each["name"] for each in told["coefficients"]} == {"x", "bias"}
    assert "bias" in slope("statistics", job["id"], "--level", "0.9").stdout
    assert "Standard errors: HC1." in slope("statistics", job["id"], "--covariance", "HC1").stdout
    assert len(json.loads(slope("influence", job["id"], "--top", "2", "--json").stdout)["data"]) == 2
    assert slope("influence", job["id"], "--by", "leverage").stdout
    assert len(json.loads(slope("path", job["id"], "--folds", "2", "--json").stdout)["points"]) == 100
    assert "best by gcv" in slope("path", job["id"], "--penalty", "l1").stdout


@pytest.mark.parametrize(
    ("points", "text"), [(("5", "6"), None), (("-",), "5\n6\n"), (("-",), "x\n5\n6\n"), (("a file",), None)]
)
def test_points_lines_and_tables_are_predicted_alike(
    slope: Slope, job: dict[str, Any], points: tuple[str, ...], text: str | None, tmp_path: Path
) -> None:
    if points == ("a file",):
        (tmp_path / "points.csv").write_text("x\n5\n6\n")
        points = (str(tmp_path / "points.csv"),)
    told = [float(line) for line in slope("predict", job["id"], *points, text=text).stdout.splitlines()]
    assert told == pytest.approx([job["weights"][0] * x + job["bias"] for x in (5, 6)], rel=1e-6)


def test_what_is_no_point_is_told(slope: Slope, job: dict[str, Any]) -> None:
    assert "as 30,1" in slope("predict", job["id"], "lots", code=2).stderr


def test_a_job_is_run_again_and_deleted(slope: Slope, job: dict[str, Any], client: Client) -> None:
    again = json.loads(slope("jobs", "rerun", job["id"], "--set", "epochs=2", "--name", "less", "--json").stdout)
    assert (again["progress"]["epochs_done"], again["name"]) == (2, "less")
    slope("jobs", "delete", job["id"], again["id"])
    assert job["id"] not in [str(each.id) for each in client.jobs(ids=[job["id"], again["id"]])]


def test_a_job_is_paused_and_resumed(slope: Slope, client: Client) -> None:
    job_id = str(client.submit(endless()).id)

    until(lambda: client.job(job_id).status == "running")
    assert "is to pause within a second" in slope("jobs", "pause", job_id).stderr
    until(lambda: client.job(job_id).status == "paused")
    assert job_id in slope("jobs", "list", "--status", "paused").stdout
    assert json.loads(slope("jobs", "resume", job_id, "--json").stdout)["status"] in ("queued", "running")
    client.cancel(job_id)


def test_jobs_that_ended_long_ago_are_pruned(slope: Slope, job: dict[str, Any], client: Client) -> None:
    words = ("jobs", "prune", "--status", "succeeded", "--older-than")
    assert json.loads(slope(*words, "1h", "--json").stdout)["jobs"] == []
    assert json.loads(slope(*words, "0s", "--dry-run", "--json").stdout)["matched"] > 0
    assert job["id"] in json.loads(slope(*words, "0s", "--json").stdout)["jobs"]
    assert "30d" in slope(*words, "soon", code=2).stderr
    assert not list(client.jobs(ids=[job["id"]]))


def test_datasets_and_workers_are_listed(slope: Slope, table: Path, client: Client) -> None:
    uploaded = json.loads(slope("upload", str(table), "--name", "of commands").stdout)
    assert f"{uploaded['id']}  of commands" in slope("datasets", "list").stdout
    assert slope("datasets", "show", uploaded["id"]).stdout.splitlines()[-1].split()[:2] == ["price", "integer"]
    slope("datasets", "delete", uploaded["id"])
    assert uploaded["id"] not in [str(each.id) for each in client.datasets()]
    assert "alive" in slope("devices").stdout


def test_a_sweep_prints_its_best_settings(slope: Slope) -> None:
    sweep = request() | {"grid": {"learning_rate": [0.001, 0.01, 0.05]}}
    told = slope("sweep", "-", "--best", "2", text=json.dumps(sweep)).stdout.splitlines()
    assert told[3].split() == ["job", "loss", "validation", "cross-validation", "settings"]
    assert "0.05" in told[-2]
    assert len(told) == 6


def test_a_plan_is_told(slope: Slope) -> None:
    told = slope("plan", "-", text=json.dumps(request(learning_rate=10.0)))
    assert "engine" in told.stdout
    assert "rate" in told.stderr, "the warning"


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, url: str, *words: str) -> None:
        self._master, slave = pty.openpty()
        environment = os.environ | {"SLOPE_URL": url, "TERM": "xterm"}
        # Who runs the tests in the background has Ctrl-C ignored, and so would what they start.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "service.commands.cli", *words]
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, words: str) -> None:
        while words not in self.shown:
            try:
                self.shown += os.read(self._master, 4096).decode(errors="replace")
            except OSError:  # it has ended
                raise AssertionError(f"{words!r} is not shown, but {self.shown}") from None

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        try:
            return self._process.wait(LIMIT_SECONDS)
        finally:
            os.close(self._master)


def test_a_sweep_in_a_terminal_is_a_table_that_fills(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps(endless() | {"grid": {"learning_rate": [0.001, 0.01]}}))
    terminal = Terminal(cluster.url, "sweep", str(file))
    terminal.read_until("0 of 2 jobs have ended")
    terminal.read_until("settings")
    terminal.read_until("learning_rate")
    terminal.interrupt()
    assert terminal.end() == 130
    client.cancel_sweep(next(client.sweeps()).id)


@pytest.mark.parametrize(("answer", "status"), [("y", "cancelled"), ("n", "running")])
def test_who_leaves_a_terminal_is_asked_whether_to_cancel(
    cluster: Cluster, client: Client, answer: str, status: str
) -> None:
    job_id = str(client.submit(endless()).id)
    terminal = Terminal(cluster.url, "jobs", "watch", job_id)
    terminal.read_until("loss ")
    terminal.interrupt()
    terminal.read_until("Cancel the job?")
    terminal.type(f"{answer}\n")

    assert terminal.end() == 130
    until(lambda: client.job(job_id).status == status)
    if answer == "n":
        client.cancel(job_id)
