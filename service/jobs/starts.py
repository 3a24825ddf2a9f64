"""Where a job begins that goes on from another."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy.orm import Session

from service.errors import InvalidRequest
from service.store.records import records
from service.store.tables import Job
from slope.spec import DatasetReference, Fault, JobRequest

ALIKE = ("optimizer", "fit_bias", "frozen", "zero_gradients", "dtype", "standardize")
"""What the state of an optimizer depends on: two jobs of which one takes the other's have these in common."""


@dataclass(frozen=True)
class Start:
    """Numbers that are copied into the new job: it is what it is, whatever becomes of the other."""

    origin: dict[str, Any]
    """As the new job tells it: which job, after which epoch, and whether with the optimizer's state."""
    weights: list[float]
    """In the data's units."""
    bias: float | None
    state: bytes | None = None
    """What its run begins with, where the optimizer's memory was asked for."""
    engine: str | None = None
    """The one engine that can begin with this state; None where any can."""

    @classmethod
    def of_rerun(cls, session: Session, job: Job, request: JobRequest) -> Self:
        """Where a job began that took another's state, for the same again. Raises InvalidRequest for other units."""
        before, spec = job.training_spec, request.hyperparameters
        for name in (*ALIKE, "initial_weights", "initial_bias", *(["engine"] if before.engine != "auto" else [])):
            if getattr(before, name) != getattr(spec, name):
                raise _refused(f"hyperparameters/{name}")
        if before.standardize and not _has_same_rows(job, request):
            raise _refused("dataset")
        snapshot = records.latest_snapshot(session, job.id, 0)
        assert snapshot  # it was kept when the job was accepted
        assert job.initial_from
        assert not isinstance(before.initial_weights, str)
        bias = before.initial_bias if isinstance(before.initial_bias, float) else None
        return cls(job.initial_from, before.initial_weights, bias, snapshot.state)

    def begin(self, request: JobRequest) -> JobRequest:
        """The request with these parameters in it."""
        spec = request.hyperparameters
        given: dict[str, Any] = {"initial_weights": self.weights}
        if spec.fit_bias:
            given["initial_bias"] = self.bias or 0.0
        if self.engine:
            given["engine"] = self.engine
        return request.model_copy(update={"hyperparameters": spec.model_copy(update=given)})


def _refused(where: str) -> InvalidRequest:
    detail = (
        "The job began with the state of another's optimizer, which does not go with this change: "
        'send "initial_from": null along, and it begins with the parameters alone'
    )
    return InvalidRequest(detail, [Fault(detail, f"/{where}")])


def _has_same_rows(job: Job, request: JobRequest) -> bool:
    """Whether the data is standardized by the same rows."""
    data, before, spec = request.dataset, job.training_spec, request.hyperparameters
    if not isinstance(data, DatasetReference):
        return False
    own = (data.id, data.features, data.target, data.weights, spec.split, spec.seed)
    return own == (job.dataset_id, job.features, job.target, job.row_weights, before.split, before.seed)
