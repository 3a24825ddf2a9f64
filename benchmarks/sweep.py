"""A sweep as one batch of models over the same jobs one after another: through the plain loop, and through SQL."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from uuid_utils.compat import uuid7

from benchmarks.comparison import Aim, compare, in_turns
from benchmarks.silent import Silent
from service.jobs import jobs, sweeps
from service.settings import Settings
from service.storage import storage_at
from service.store import schema
from service.store.claims import claim_group, claim_job
from service.store.database import Database
from service.store.job_lists import Filters, select_jobs
from slope.data import prepare
from slope.engines.fused import Fused
from slope.engines.rounds import Round
from slope.spec import JobRequest, SweepRequest, TrainingSpec
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

_SETTINGS, _ROWS, _FEATURES, _EPOCHS = 1024, 256, 8, 200
_SAMPLE = 4
"""This many of the settings are trained alone, spread over all of them; the time of all is computed from theirs."""
_REPEATS = 2
_RATES = np.geomspace(1e-4, 0.3, _SETTINGS).tolist()
_RANDOM = np.random.RandomState(0)
_LIMITS = Settings(max_recorded_numbers=10**9)
_X = _RANDOM.standard_normal((_ROWS, _FEATURES))
_Y = _X @ _RANDOM.standard_normal(_FEATURES) + 0.1 * _RANDOM.standard_normal(_ROWS)
_SHARED: dict[str, Any] = {"epochs": _EPOCHS, "batch_size": "full", "dtype": "float64"}


def run() -> None:
    torch.set_num_threads(1)
    print(f"sweep: {_SETTINGS:,} settings, {_ROWS} × {_FEATURES}, {_EPOCHS} full-batch epochs, every step recorded")
    ours, theirs = "Slope: fused, in memory", "the plain loop, one job after another"
    compare(in_turns(_REPEATS, {theirs: _plain_seconds, ours: _fused_seconds}), theirs, ours, "s", Aim("at least", 100))
    print(f"  {_agreement()}\n")
    print("sweep: the same through the worker to a durable SQLite, from the claim to the last job's end")
    ours, theirs = "Slope: a sweep", "Slope: the same jobs by themselves"
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        bench = _Bench(Path(folder))
        compare(in_turns(1, {theirs: bench.alone, ours: bench.together}), theirs, ours, "s")


def _plain(rate: float) -> list[tuple[float, list[float], list[float]]]:
    """The plain PyTorch program for one setting, with a record of every step in lists."""
    x, y = torch.from_numpy(_X), torch.from_numpy(_Y)
    w = torch.zeros(_FEATURES, dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=rate)
    records = []
    for _ in range(_EPOCHS):
        loss = ((x @ w + b - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        gradient = [*w.grad.tolist(), b.grad.item()]
        optimizer.step()
        records.append((loss.item(), gradient, [*w.tolist(), b.item()]))
    return records


def _fused() -> list[Round]:
    specs = {place: TrainingSpec.model_validate(_SHARED | {"learning_rate": r}) for place, r in enumerate(_RATES)}
    return list(Fused(prepare(_X, _Y, specs[0]), specs, _SETTINGS).epochs())


def _plain_seconds() -> float:
    sample = _RATES[:: _SETTINGS // _SAMPLE]
    return _seconds(lambda: [_plain(rate) for rate in sample]) * _SETTINGS / len(sample)


def _fused_seconds() -> float:
    return _seconds(_fused)


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started


def _agreement() -> str:
    rounds, apart = _fused(), 0.0
    for place in range(0, _SETTINGS, _SETTINGS // _SAMPLE):
        for found, (loss, gradient, parameters) in zip(rounds, _plain(_RATES[place]), strict=True):
            epochs = found.epochs
            ours = [epochs.loss[place], *epochs.gradient_last_weights[place], epochs.gradient_last_bias[place]]
            ours += [*epochs.weights[place], epochs.bias[place]]
            apart = max(apart, np.abs(np.array(ours) - [loss, *gradient, *parameters]).max())
    if not apart < 1e-12:
        raise SystemExit(f"The two disagree by {apart:.1g}")
    return f"losses, gradients and weights of all {_EPOCHS} epochs agree to {apart:.1g}"


class _Bench:
    """A database and what a worker's process would hold."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder)
        self._database = Database(settings.database)
        schema.upgrade_schema(self._database)
        self._storage = storage_at(settings.storage)
        self._process = Process(settings, self._database, [Device("cpu", "the bench's")], uuid7(), Silent())
        self._request = {"dataset": {"x": _X.tolist(), "y": _Y.tolist()}, "hyperparameters": _SHARED}

    def together(self) -> float:
        request = SweepRequest.model_validate(self._request | {"grid": {"learning_rate": _RATES}})
        sweep = sweeps.submit_sweep(self._database, self._storage, Silent(), request, settings=_LIMITS)
        with self._database.reading() as session:
            [job] = select_jobs(session, Filters(sweep_id=sweep.sweep_id), limit=1)
        took = _seconds(lambda: run_attempt(self._process, self._claim(claim_group, job.group_id)))
        with self._database.reading() as session:
            counts = sweeps.get_sweep(session, sweep.sweep_id).counts
        if counts != {"succeeded": _SETTINGS}:
            raise SystemExit(f"The sweep did not end as it should: {counts}")
        return took

    def alone(self) -> float:
        sample = _RATES[:: _SETTINGS // _SAMPLE]
        took = 0.0
        for rate in sample:
            wanted = self._request | {"hyperparameters": _SHARED | {"learning_rate": rate, "engine": "eager"}}
            request = JobRequest.model_validate(wanted)
            job = jobs.submit_job(self._database, self._storage, Silent(), request, settings=_LIMITS).job
            took += _seconds(lambda job=job: run_attempt(self._process, self._claim(claim_job, job.id)))
        return took * _SETTINGS / len(sample)

    def _claim(self, claim: Callable[..., Any], named: object) -> Any:
        with self._database.writing() as session:
            mine = claim(session, named, self._process.claimant)
            session.commit()
        return mine
