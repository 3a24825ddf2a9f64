"""Learning rates that a worker chooses: of jobs whose request leaves them open, and whose rows only it reads."""

from dataclasses import asdict, replace
from typing import Any

from service.store.tables import Job
from slope.analysis import ChosenRate, Curvature, choose_rate, curvature_of, curvature_of_reduced
from slope.data import TrainingData
from slope.engines.reduction.reduced import Reductions
from slope.spec import TrainingSpec


def curvature_of_job(data: TrainingData, found: Reductions | None, spec: TrainingSpec) -> Curvature:
    """Of the loss of a job, by its rows or by what stands for them."""
    return curvature_of(data, spec) if found is None else curvature_of_reduced(found.training, spec, data.scaler)


def chosen_rate(curvature: Curvature, spec: TrainingSpec) -> ChosenRate:
    """The learning rate of a job that leaves it open."""
    chosen = choose_rate(curvature, spec)
    assert chosen  # what stands for rows stands for all steps, too
    return chosen


def rate_columns(job: Job, spec: TrainingSpec, chosen: ChosenRate) -> dict[str, Any]:
    """Columns of a job whose learning rate its worker has chosen: they go with the first epoch, and stay."""
    planned = replace(job.planned, learning_rate=chosen.rate, learning_rate_rule=chosen.rule)
    return {"spec": spec.model_dump(mode="json"), "plan": asdict(planned)}
