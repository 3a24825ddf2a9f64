"""One attempt at a job: load it, train on from its checkpoint, and end it the way it ended."""

from dataclasses import asdict
from typing import Any

import numpy as np
import structlog
import torch

from service.errors import LeaseLost
from service.store import datasets, jobs
from service.store.jobs import Claim
from service.store.tables import Job
from slope.analysis import reached
from slope.data import Scaler, initial_parameters, prepare
from slope.engines.plan import keeps_epoch, snapshot_interval
from slope.health import Health
from slope.loop import Interrupted, Training
from slope.model import Parameters, predict
from slope.records import Diverged, EpochRecord
from slope.spec import TrainingSpec
from slope.spec.data import as_matrix
from worker.devices import device_for
from worker.heartbeat import Heartbeat
from worker.process import Process
from worker.progress import Progress
from worker.recorder import Recorder

log = structlog.get_logger()


def attempt(process: Process, claim: Claim) -> None:
    """Train a claimed job. Whatever happens is told in SQL; a job that was lost to another attempt is left alone."""
    with Heartbeat(process.database, process.settings, claim, process.leaving) as heartbeat:
        try:
            Attempt(process, claim, heartbeat).run()
        except LeaseLost:
            log.warning("the job is another attempt's now", job_id=str(claim.job_id), attempt=claim.attempt)
        except (MemoryError, torch.OutOfMemoryError) as error:
            _fail(process, claim, "out_of_memory", f"The worker has not enough memory for this job: {error}")
        except Exception as error:
            log.exception("the attempt failed", job_id=str(claim.job_id))
            _fail(process, claim, "internal", f"{type(error).__name__}: {error}")


class Attempt:
    """The training of one claimed job, between the store and the loop."""

    def __init__(self, process: Process, claim: Claim, heartbeat: Heartbeat) -> None:
        with process.database.reading() as session:
            job = jobs.for_training(session, claim.job_id)
            arrays = datasets.load(session, job.dataset_id)
        self._heartbeat = heartbeat
        self._health = Health(told={event.code for event in job.events if event.code})
        self._analysis = job.analysis
        self._log = log.bind(job_id=str(claim.job_id), attempt=claim.attempt)
        self._spec = TrainingSpec.model_validate(job.spec)
        self._points = as_matrix(job.predict)
        self._data = prepare(arrays.x, arrays.y, self._spec)
        self._training = Training(
            self._data,
            self._spec,
            keeps_steps=lambda epoch: job.plan["steps_recorded"] and keeps_epoch(self._spec, epoch),
            interrupted=lambda: heartbeat.stop is not None,
            device=device_for(job.device),
        )
        records_all = job.plan["steps_recorded"] and self._spec.record.every == 1
        self._snapshot_interval = None if records_all else snapshot_interval(self._spec, job.dataset.rows)
        if job.checkpoint:
            self._training.restore(job.checkpoint)
        self._recorder = Recorder(process.database, process.settings, claim, Progress.of(job), self._facts(job))

    def run(self) -> None:
        """Train, record, and end. Raises LeaseLost when another attempt has taken the job over."""
        self._log.info("training", from_epoch=self._training.epoch)
        try:
            last = self._train()
        except Diverged as error:
            self._recorder.keep_steps(error.steps)
            self._recorder.finish("failed", str(error), error_code="diverged", error_detail=f"{error}: {_DIVERGED}")
        except Interrupted:
            self._leave()
        else:
            self._succeed(last)
        self._log.info("left the job", epochs_done=self._training.epoch)

    def _train(self) -> EpochRecord | None:
        record = None
        for record in self._training.epochs():
            self._recorder.advance(record)
            self._recorder.tell(self._health.examine(record))
            if keeps_epoch(self._spec, record.epoch):
                self._recorder.keep(record)
            if self._snapshot_interval and self._training.epoch % self._snapshot_interval == 0:
                self._recorder.keep_snapshot(self._training.epoch, self._training.checkpoint())
            if self._recorder.is_due and self._recorder.flush(self._training.checkpoint()):
                self._heartbeat.cancel()
        return record

    def _succeed(self, last: EpochRecord | None) -> None:
        if last and not keeps_epoch(self._spec, last.epoch):
            self._recorder.keep(last)
        result = self._training.result
        self._recorder.finish(
            "succeeded",
            f"Stopped early after {self._training.epoch} epochs" if self._training.stopped_early else None,
            weights=result.weights,
            bias=result.bias,
            predictions_after=self._predict(result),
            analysis=self._analysis_of(result),
        )

    def _leave(self) -> None:
        match self._heartbeat.stop:
            case "cancelled":
                self._recorder.finish("cancelled", f"Cancelled after {self._training.epoch} epochs")
            case "leaving":  # the epochs since the last flush are trained again, to the same bits
                self._recorder.put_back("The worker was asked to leave")
            case _:
                raise LeaseLost

    def _facts(self, job: Job) -> dict[str, Any]:
        start = Parameters(*initial_parameters(job.dataset.features, self._spec))
        return {
            "assigned_device": device_for(job.device),
            "scaler": _as_document(self._data.scaler) if self._data.scaler else None,
            "predictions_before": self._predict(start),
        }

    def _predict(self, parameters: Parameters) -> list[float]:
        return predict(parameters, self._points, self._spec, self._data.scaler) if self._points else []

    def _analysis_of(self, result: Parameters) -> dict[str, Any] | None:
        """What was known at submission, and how far the run came."""
        if self._analysis is None:
            return None
        exact = self._analysis["exact"]
        came = reached(self._data, self._spec, np.array(result.weights), result.bias, exact and exact["loss"])
        return self._analysis | {"reached": asdict(came)}


def _fail(process: Process, claim: Claim, code: str, detail: str) -> None:
    try:
        with process.database.writing() as session:
            jobs.finish(session, claim, "failed", detail, error_code=code, error_detail=detail)
            session.commit()
    except LeaseLost:
        log.warning("the job is another attempt's now", job_id=str(claim.job_id), attempt=claim.attempt)


def _as_document(scaler: Scaler) -> dict[str, Any]:
    return {"means": scaler.means.tolist(), "deviations": scaler.deviations.tolist()}


_DIVERGED = "lower the learning rate below the job's max_stable_learning_rate, or standardize the data"
