"""What stands in the way of an engine, in words. Free of torch."""

from collections.abc import Callable, Iterator

from slope.engines.costs import Work
from slope.spec import LBFGS, SGD, TrainingSpec

Obstacles = Iterator[str]


def obstacles(engine: str, work: Work, device: str) -> list[str]:
    """Why an engine cannot do a job; nothing where it can."""
    return list(_OBSTACLES[engine](work, device))


def _is_subgradient(spec: TrainingSpec) -> Obstacles:
    if spec.is_proximal:
        yield "it needs l1 in the gradient, not a proximal step (optimizer.l1_step)"


def _eager(work: Work, device: str) -> Obstacles:
    yield from ()


def _reduced(work: Work, device: str) -> Obstacles:
    if work.spec.loss != "squared_error":
        yield f"it needs the loss squared_error, not {work.spec.loss}"
    if work.batch < work.rows:
        yield f"it needs the full batch, not {work.batch} of {work.rows} rows"
    yield from _is_subgradient(work.spec)


def _composed(work: Work, device: str) -> Obstacles:
    spec = work.spec
    if spec.loss != "squared_error":
        yield f"it needs the loss squared_error, not {spec.loss}"
    if spec.schedule_counts_steps and work.steps > 1:
        yield "it needs one learning rate for all steps of an epoch (schedule.per)"
    yield from _beyond_descent(spec)
    if spec.shuffle and work.steps > 1:
        yield "it needs the rows in the same order in every epoch (shuffle)"
    if work.keeps_steps:
        yield "it keeps no steps, which this job records (record.steps)"
    yield from _on_the_cpu(device)


def _compiled(work: Work, device: str) -> Obstacles:
    if isinstance(work.spec.optimizer, LBFGS):
        yield "it needs an optimizer that evaluates the loss once a step, not lbfgs"
    if work.is_weighted and work.spec.loss == "huber":
        yield "it needs rows of one weight for the loss huber"
    yield from _is_subgradient(work.spec)
    yield from _on_the_cpu(device)


def _fused(work: Work, device: str) -> Obstacles:
    yield "it trains the jobs of a sweep together: POST /v1/sweeps"


_OBSTACLES: dict[str, Callable[[Work, str], Obstacles]] = {
    "eager": _eager,
    "reduced": _reduced,
    "composed": _composed,
    "compiled": _compiled,
    "fused": _fused,
}


def _beyond_descent(spec: TrainingSpec) -> Obstacles:
    if not isinstance(spec.optimizer, SGD):
        yield f"it needs the optimizer sgd, not {spec.optimizer.name}"
    elif spec.optimizer.momentum:
        yield "it needs steps without momentum"
    if spec.l1:
        yield "it needs steps without l1"
    if spec.l2 or (isinstance(spec.optimizer, SGD) and spec.optimizer.weight_decay):
        yield "it needs steps without a penalty (l2, weight_decay)"
    if spec.clip_norm is not None:
        yield "it needs gradients that are not clipped (clip_norm)"
    if spec.zero_gradients != "step":
        yield "it needs gradients that do not accumulate (zero_gradients)"


def _on_the_cpu(device: str) -> Obstacles:
    if device.startswith("cuda"):
        yield "it runs on the CPU alone"
