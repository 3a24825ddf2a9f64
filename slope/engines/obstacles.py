"""What stands in the way of an engine, in words. Free of torch."""

from collections.abc import Callable, Iterator

from slope.engines.costs import Work
from slope.spec import SGD, Cosine, TrainingSpec

Obstacles = Iterator[str]


def obstacles(engine: str, work: Work, device: str) -> list[str]:
    """Why an engine cannot do a job; nothing where it can."""
    return list(_OBSTACLES[engine](work, device))


def _eager(work: Work, device: str) -> Obstacles:
    yield from ()


def _reduced(work: Work, device: str) -> Obstacles:
    if work.spec.loss != "squared_error":
        yield f"it needs the loss squared_error, not {work.spec.loss}"
    if work.batch < work.rows:
        yield f"it needs the full batch, not {work.batch} of {work.rows} rows"


def _blocked(work: Work, device: str) -> Obstacles:
    spec = work.spec
    if spec.loss != "squared_error":
        yield f"it needs the loss squared_error, not {spec.loss}"
    if spec.schedule_counts_steps and work.steps > 1:
        yield "it needs one learning rate for all steps of an epoch (schedule.per)"
    yield from _beyond_descent(spec)
    if isinstance(spec.optimizer, SGD):
        if spec.optimizer.momentum:
            yield "it needs steps without momentum"
        if _highest_rate(spec) * (2 * spec.l2 + spec.optimizer.weight_decay) > _MOST_DECAY:
            yield f"a step takes more than {_MOST_DECAY:.0%} off a weight (l2, weight_decay)"


def _composed(work: Work, device: str) -> Obstacles:
    spec = work.spec
    yield from _blocked(work, device)
    if spec.shuffle and work.steps > 1:
        yield "it needs the rows in the same order in every epoch (shuffle)"
    if spec.l2 or (isinstance(spec.optimizer, SGD) and spec.optimizer.weight_decay):
        yield "it needs steps without a penalty (l2, weight_decay)"
    yield from _without_steps(work, device)


def _compiled(work: Work, device: str) -> Obstacles:
    if work.spec.loss == "absolute_error":
        yield "it needs a loss with a continuous gradient, not absolute_error"
    yield from _beyond_descent(work.spec)
    yield from _without_steps(work, device)


def _fused(work: Work, device: str) -> Obstacles:
    yield "it trains the jobs of a sweep together: POST /v1/sweeps"


_OBSTACLES: dict[str, Callable[[Work, str], Obstacles]] = {
    "eager": _eager,
    "reduced": _reduced,
    "blocked": _blocked,
    "composed": _composed,
    "compiled": _compiled,
    "fused": _fused,
}

_MOST_DECAY = 0.9


def _beyond_descent(spec: TrainingSpec) -> Obstacles:
    if not isinstance(spec.optimizer, SGD):
        yield f"it needs the optimizer sgd, not {spec.optimizer.name}"
    if spec.l1:
        yield "it needs steps without l1"
    if spec.clip_norm is not None:
        yield "it needs gradients that are not clipped (clip_norm)"
    if spec.zero_gradients != "step":
        yield "it needs gradients that do not accumulate (zero_gradients)"


def _without_steps(work: Work, device: str) -> Obstacles:
    if work.keeps_steps:
        yield "it keeps no steps, which this job records (record.steps)"
    if device.startswith("cuda"):
        yield "it runs on the CPU alone"


def _highest_rate(spec: TrainingSpec) -> float:
    lowest = spec.schedule.eta_min if isinstance(spec.schedule, Cosine) else 0.0
    return max(spec.learning_rate, lowest)
