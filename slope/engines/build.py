"""From the name of an engine to a run of it."""

from collections.abc import Callable
from typing import Any

import torch

from slope.analysis import settle_rate
from slope.data import TrainingData
from slope.engines.compiled import Compiled
from slope.engines.composed import Composed
from slope.engines.reduction.loop import ReducedLoop
from slope.engines.reduction.reduced import Pause, Reduced, Reductions, reductions_of
from slope.loop import Training
from slope.run import Run
from slope.spec import LBFGS, TrainingSpec

_COMPILED: dict[str, type[Compiled]] = {"composed": Composed, "compiled": Compiled}


def build(
    engine: str,
    data: TrainingData,
    spec: TrainingSpec,
    *,
    keeps_steps: bool = True,
    interrupted: Callable[[], bool] = lambda: False,
    device: torch.device | str = "cpu",
) -> Run:
    """A run of a job by an engine that the plan found to apply. Only the reference trains on the device."""
    if spec.learning_rate == "auto":
        spec, _ = settle_rate(data, spec)
    options: dict[str, Any] = {"keeps_steps": keeps_steps, "interrupted": interrupted}
    if engine == "eager":
        return Training(data, spec, device=device, **options)
    if engine == "reduced":
        return build_reduced(data.x.shape[1], reductions_of(data, device), spec, **options)
    return _COMPILED[engine](data, spec, **options)


def build_reduced(
    features: int, reduce: Callable[[Pause], Reductions], spec: TrainingSpec, **options: Any
) -> Reduced | ReducedLoop:
    """A run on what data is reduced to when the first epoch begins."""
    kind = ReducedLoop if isinstance(spec.optimizer, LBFGS) else Reduced
    return kind(features, reduce, spec, **options)
