"""Fits that a service trains: a job each, and a sweep for a search."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import numpy as np

from slope.answers.jobs import JobView
from slope.client.client import Client
from slope.client.estimator.outcomes import HISTORY, Label, Outcome, Sweep, Table
from slope.client.problem import JobFailed, Json
from slope.spec import SGD, Constant, TrainingSpec
from slope.spec.job import without_start
from slope.statuses import FINAL


@dataclass(frozen=True)
class OnService:
    """A trainer that asks a service, and waits for it at most this many seconds."""

    url: str | None
    timeout: float

    def fit(self, table: Table, hyperparameters: Json, label: Label) -> Outcome:
        """One run."""
        return self._trained(table, hyperparameters, label)

    def go_on(self, table: Table, hyperparameters: Json, label: Label, before: Outcome | None) -> Outcome:
        """The epoch after those of another run, or the first: a job of one epoch, that begins where the other ended."""
        spec = TrainingSpec.model_validate(hyperparameters)
        _refuse_what_begins_anew(spec)
        engine = "eager" if spec.engine == "auto" else spec.engine
        own = hyperparameters | {"epochs": 1, "engine": engine}
        if before is None:
            return self.fit(table, own, label)
        if before.job is None:
            raise ValueError("The estimator was trained in this process (local=True), and can only go on there")
        kept = {"learning_rate": before.job.hyperparameters["learning_rate"]}
        start = {"job": before.job.id, "optimizer_state": not spec.standardize or _remembers(spec)}
        found = self._trained(table, without_start(own | kept), label, initial_from=start)
        return replace(found, epochs_done=before.epochs_done + 1)

    def fit_many(self, table: Table, shared: Json, settings: Sequence[Json], label: Label) -> Sweep:
        """A run for each of the settings, which share the other hyperparameters; those that fail are in their place."""
        request = {"dataset": table.document, "hyperparameters": shared, "settings": list(settings)} | label.document
        with Client(self.url) as client:
            sweep = client.submit_sweep(request)
            jobs = self._ended(client, sweep.id)
            jobs = [job if job.weights or job.error else client.job(job.id) for job in jobs]
        outcomes: list[Outcome | JobFailed] = []
        for job in jobs:
            try:
                outcomes.append(self._outcome(job))
            except JobFailed as failure:
                outcomes.append(failure)
        return Sweep(str(sweep.id), outcomes)

    def _trained(self, table: Table, hyperparameters: Json, label: Label, **others: Any) -> Outcome:
        request = {"dataset": table.document, "hyperparameters": hyperparameters} | label.document | others
        with Client(self.url) as client:
            job = client.wait(client.submit(request).id, timeout=self.timeout)
        return self._outcome(job)

    def _ended(self, client: Client, sweep_id: UUID) -> list[JobView]:
        """The jobs of a sweep in the order of its settings, when all have ended. Raises TimeoutError."""
        deadline = monotonic() + self.timeout
        last = next(client.jobs(sweep_id=sweep_id, limit=1))  # they are claimed in their order
        while True:
            client.wait(last.id, timeout=deadline - monotonic())
            jobs = list(client.jobs(sweep_id=sweep_id, limit=1000))[::-1]
            waiting = [job for job in jobs if job.status not in FINAL]
            if not waiting:
                return jobs
            last = waiting[-1]

    def _outcome(self, job: JobView) -> Outcome:
        """Raises JobFailed."""
        if job.status != "succeeded":
            raise JobFailed.of(job)
        record, seconds = _Recorded(self.url, job.id), job.plan.actual_seconds or 0.0
        return Outcome(np.array(job.weights), job.bias, job.progress.epochs_done, record, seconds, job)


@dataclass(frozen=True)
class _Recorded:
    """What a service has recorded of a job, asked for when it is needed."""

    url: str | None
    job_id: UUID

    def history(self) -> dict[str, Any]:
        """The columns of HISTORY that there are, a number or a row for every epoch."""
        with tempfile.TemporaryDirectory() as folder, Client(self.url) as client:
            file = Path(folder) / "epochs.ndjson"
            client.save_epochs(self.job_id, file)
            epochs = [json.loads(line) for line in file.read_text().splitlines()]
        columns = {name: [epoch[name] for epoch in epochs] for name in HISTORY}
        return {name: np.array(column) for name, column in columns.items() if column and column[0] is not None}

    def statistics(self) -> Json:
        """Of the exact solution."""
        with Client(self.url) as client:
            return asdict(client.statistics(self.job_id))


def _remembers(spec: TrainingSpec) -> bool:
    """Whether a step depends on those before it by more than the parameters."""
    is_plain = isinstance(spec.optimizer, SGD) and not spec.optimizer.momentum
    return not is_plain or spec.zero_gradients != "step"


def _refuse_what_begins_anew(spec: TrainingSpec) -> None:
    """Every job counts its epochs from 0."""
    if spec.shuffle or not isinstance(spec.schedule, Constant):
        what = "shuffle, for it would visit the rows in the same order again" if spec.shuffle else "a schedule"
        raise ValueError(
            f"On a service every call of partial_fit is a job of one epoch: leave out {what}; or local=True"
        )
