"""A claimed job leaves the numbers of the plain loop, and of them what was asked for."""

from typing import Any

import numpy as np
import pytest
import torch
from integration.attempts.attempts import Run, Trained, epochs_of, steps_of
from sklearn.datasets import load_diabetes
from workbench import LECTURE, change, columns, read, request, storage, submit

import service.jobs.jobs
import service.jobs.pauses
from service.settings import Settings
from service.store.database import Database
from service.store.leases import lost_leases
from slope.spec import JobRequest


def test_the_lecture_s_job_leaves_the_lecture_s_numbers(
    database: Database, trained: Trained, lecture: dict[str, Any]
) -> None:
    job_id = trained(LECTURE)

    job, epochs, steps = read(database, job_id), epochs_of(database, job_id), steps_of(database, job_id)

    weight, expected_steps = [lecture["initial_weight"]], []
    for record in lecture["records"]:
        expected_steps += [(record["epoch"], [step["gradient"]]) for step in record["steps"]]
        assert steps[3 * record["epoch"]]["weights"] == weight
        weight = [record["weight_after"]]
    assert [(step["epoch"], step["gradient_weights"]) for step in steps] == expected_steps
    assert [(epoch["last_loss"], epoch["weights"]) for epoch in epochs] == [
        (record["last_loss"], [record["weight_after"]]) for record in lecture["records"]
    ]
    assert job.predictions_before == [lecture["prediction_before"]]
    assert job.predictions_after == [lecture["prediction_after"]]
    assert job.weights == weight


def diabetes(**hyperparameters: Any) -> dict[str, Any]:
    """Scikit-learn's diabetes data, 442 rows of ten features of mean 0 and variance 1."""
    x, y = load_diabetes(return_X_y=True)
    chosen = {"batch_size": "full", "dtype": "float64", "record": {"steps": "all"}} | hyperparameters
    return {"dataset": {"x": (x * 442**0.5).tolist(), "y": y.tolist()}, "hyperparameters": chosen}


def stable_rate(database: Database, wanted: dict[str, Any]) -> float:
    """The rate at which full-batch descent on the data begins to diverge."""
    analysis = service.jobs.drafts.draft_job(
        database, storage(), JobRequest.model_validate(wanted), Settings()
    ).analysis
    assert analysis
    assert analysis.max_stable_learning_rate
    return analysis.max_stable_learning_rate


@pytest.mark.parametrize(
    ("optimizer", "epochs"),
    [({"name": "sgd"}, 150), ({"name": "sgd", "momentum": 0.9}, 1000)],
    ids=["plain", "momentum"],
)
def test_descent_on_real_data_is_the_plain_loop_s_to_the_bit_and_ends_at_the_exact_solution(
    database: Database, trained: Trained, optimizer: dict[str, Any], epochs: int
) -> None:
    rate = 0.9 * stable_rate(database, diabetes())
    wanted = diabetes(optimizer=optimizer, epochs=epochs, learning_rate=rate, engine="eager")
    x = torch.tensor(wanted["dataset"]["x"], dtype=torch.float64)
    y = torch.tensor(wanted["dataset"]["y"], dtype=torch.float64)
    w = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    plain = torch.optim.SGD([w, b], lr=rate, momentum=optimizer.get("momentum", 0.0))
    expected = []
    for _ in range(epochs):
        loss = ((x @ w + b - y) ** 2).mean()
        plain.zero_grad()
        loss.backward()
        assert w.grad is not None
        assert b.grad is not None
        gradient = w.grad.tolist(), b.grad.item()
        plain.step()
        expected.append((loss.item(), *gradient, w.tolist(), b.item()))

    job_id = trained(wanted)

    names = ("gradient_mean_weights", "gradient_mean_bias", "weights", "bias")
    found = epochs_of(database, job_id)
    assert [(row["loss"], *(row[name] for name in names)) for row in found] == expected
    assert [(row["loss"], row["gradient_weights"]) for row in steps_of(database, job_id)] == [
        (loss, gradient) for loss, gradient, *_ in expected
    ]
    if "momentum" in optimizer:
        exact = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y)[0]
        job = read(database, job_id)
        assert job.weights
        assert job.bias
        assert np.array([*job.weights, job.bias]) == pytest.approx(exact, rel=1e-8)


def test_only_the_epochs_and_steps_that_were_asked_for_are_recorded(database: Database, trained: Trained) -> None:
    def kept(**record: Any) -> tuple[list[int], list[int]]:
        job_id = trained(request(epochs=8, batch_size=2, record=record))
        epochs, steps = epochs_of(database, job_id), steps_of(database, job_id)
        return [epoch["epoch"] for epoch in epochs], sorted({step["epoch"] for step in steps})

    assert kept() == (list(range(8)), list(range(8)))
    assert kept(every=3) == ([0, 3, 6, 7], [0, 3, 6, 7])
    assert kept(steps="none", every=3) == ([0, 3, 6, 7], [])
    assert kept(steps="all", every=100) == ([0, 7], [0, 7])


def test_what_is_recorded_does_not_change_the_numbers(database: Database, trained: Trained) -> None:
    every = {epoch["epoch"]: epoch for epoch in epochs_of(database, trained(request(epochs=20, batch_size=3)))}
    some = epochs_of(database, trained(request(epochs=20, batch_size=3, record={"steps": "none", "every": 6})))

    assert some == [every[epoch] for epoch in (0, 6, 12, 18, 19)]


def test_a_run_that_stops_early_records_its_last_epoch_and_keeps_the_best_model(
    database: Database, trained: Trained
) -> None:
    stopping = {"epochs": 500, "learning_rate": 0.2, "early_stopping": {"patience": 4}, "record": {"every": 50}}
    job_id = trained(request(**stopping, batch_size=1, dtype="float64", standardize=True))

    job, epochs = read(database, job_id), epochs_of(database, job_id)

    assert job.status == "succeeded"
    assert 4 < job.epochs_done < 500
    assert (job.epochs_done - 1) % 50, "the last epoch is not one that is kept anyway"
    assert epochs[-1]["epoch"] == job.epochs_done - 1
    assert job.events[-1].detail == f"Stopped early after {job.epochs_done} epochs"
    assert job.loss_best is not None
    assert job.loss_last is not None
    assert job.loss_best < job.loss_last
    assert job.weights != epochs[-1]["weights"]


def test_a_run_that_stopped_early_has_its_last_record_though_its_process_died_before_the_end_was_written(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = {"epochs": 500, "learning_rate": 0.2, "early_stopping": {"patience": 4}, "record": {"every": 50}}
    wanted = request(**stopping, batch_size=1, dtype="float64", standardize=True, engine="eager")
    whole, cut = submit(database, wanted), submit(database, wanted)
    run(whole)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr("worker.jobs.outcome.rows_that_measure", die)
        with pytest.raises(SystemExit):
            run(cut, flush_epochs=1)
    done = read(database, cut).epochs_done
    with database.reading() as session:
        [held] = lost_leases.jobs_of_worker(session, columns(database, cut)["worker_id"])
    change(database, lambda session: lost_leases.release_lost(session, held, 3))
    run(cut)

    assert done == read(database, whole).epochs_done, "all epochs were flushed before the process died"
    assert epochs_of(database, cut) == epochs_of(database, whole)
