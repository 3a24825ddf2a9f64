"""Sweeps through a whole service: trained together, cut down in the middle, cancelled."""

from typing import Any
from uuid import UUID

from e2e.jobs import curve, request, some_seconds, statuses
from e2e.processes import until
from e2e.services import Progress, Serve
from slope.answers.jobs import JobView
from slope.client import Client

Json = dict[str, Any]

RATES = [0.001 * (number + 1) for number in range(8)]


def sweep() -> Json:
    """Eight settings of some seconds. Every bit hangs on the optimizer's state and on the order of the batches."""
    wanted = some_seconds(epochs=20_000, engine="fused")
    wanted["hyperparameters"]["record"]["every"] = 100
    return wanted | {"grid": {"learning_rate": RATES}}


def jobs_of(client: Client, sweep_id: UUID) -> list[JobView]:
    """In the order of the settings."""
    return list(client.jobs(sweep_id=sweep_id))[::-1]


def test_a_worker_killed_in_the_middle_of_a_sweep_costs_no_epoch_and_no_bit(serve: Serve) -> None:
    with serve.client as client:

        def progress(sweep_id: UUID) -> Progress:
            found = client.sweep(sweep_id)
            return Progress(found.progress.epochs_done, goes_on="running" in found.counts)

        whole = client.submit_sweep(sweep()).id
        client.wait_for_sweep(whole)
        cut = serve.halt(lambda: client.submit_sweep(sweep()).id, progress)
        for process in serve.training_processes():
            process.kill()
        ended = client.wait_for_sweep(cut)

        assert ended.counts == {"succeeded": len(RATES)}
        jobs = jobs_of(client, cut)
        assert [job.plan.engine for job in jobs] == ["fused"] * len(RATES)
        assert [statuses(job) for job in jobs] == [["queued", "running", "queued", "running", "succeeded"]] * len(RATES)
        for job, same in zip(jobs[::3], jobs_of(client, whole)[::3], strict=True):
            assert curve(client, job.id) == curve(client, same.id)
            assert job.weights == same.weights


def test_a_sweep_that_runs_is_cancelled_and_keeps_its_records(serve: Serve) -> None:
    endless = request(epochs=10_000_000, engine="fused", record={"steps": "none", "every": 100})
    wanted = endless | {"grid": {"learning_rate": RATES}}
    with serve.client as client:
        sweep_id = client.submit_sweep(wanted).id
        until(lambda: client.sweep(sweep_id).progress.epochs_done)
        client.cancel_sweep(sweep_id)
        ended = client.wait_for_sweep(sweep_id)

        assert ended.counts == {"cancelled": len(RATES)}
        job = jobs_of(client, sweep_id)[3]
        assert job.progress.epochs_done > 0
        assert next(client.epochs(job.id)).epoch == 0
        assert list(client.ranking(sweep_id)) == []
        client.delete_sweep(sweep_id)
        assert list(client.jobs(sweep_id=sweep_id)) == []
