"""What a job would do before it does it: the engine, the steps, and how much is recorded. Free of torch."""

from collections.abc import Mapping
from dataclasses import fields, replace
from math import inf
from typing import Any

from slope.answers.plan import EngineOption, Plan
from slope.data import steps_per_epoch
from slope.engines.costs import COSTS, Cost, Work
from slope.engines.obstacles import obstacles
from slope.spec import LBFGS, TrainingSpec
from slope.spec.training import FORMER_ENGINES
from slope.splits import training_rows

Experience = Mapping[str, float]
"""How much longer than reckoned jobs of an engine took; 1 where there is no experience. Which engine is taken does not
depend on it: the same request gets the same bits tomorrow."""

AUTO_RECORDED_NUMBERS = 1_000_000
"""Up to here `record.steps = auto` keeps every step."""

REPLAYED_STEPS = 20_000
"""At most this many steps, about two seconds of them, lie between two snapshots, unless one epoch has more."""
REPLAYED_SECONDS = 2.0
"""The same for engines whose steps cost less."""

MOST_STATE_NUMBERS = 1_000_000
"""Of all snapshots of a job together. They are in no quota and in no plan: what a job records is."""
_STATE_VECTORS = 6
"""At most this many numbers are kept of a parameter: itself, its gradient, its best, and three of an optimizer."""

EAGER_SECONDS = 0.05
"""A job that the reference does in less is left to it."""

_METHODS = {
    "eager": "The reference: every step through PyTorch's autograd, bit-equal to the plain loop",
    "reduced": "One pass over the data leaves as many rows as there are parameters, with the same loss and gradient",
    "composed": "An epoch in a fixed order is one affine map of the parameters, composed once",
    "compiled": "Every step in compiled code, and its gradients held against autograd's",
    "fused": "The jobs of a sweep together: compiled steps for some at a time, and gradients held against autograd's",
}
_FROM_TRIANGLE = (
    "From the dataset's triangle, without a look at its rows: as many rows as there are parameters, with the same loss "
    "and gradient"
)
_WITHOUT_STEPS = ("composed",)


class EngineDoesNotApply(ValueError):
    """The engine that was asked for cannot do the job."""


def plan(
    spec: TrainingSpec,
    rows: int,
    features: int,
    device: str = "auto",
    memory: int | None = None,
    *,
    has_triangle: bool = False,
    is_weighted: bool = False,
) -> Plan:
    """The plan for a dataset of `rows` × `features`. Raises EngineDoesNotApply.

    `auto` prefers engines that need at most `memory` bytes, if there are any.
    """
    work = _work(spec, rows, features, has_triangle=has_triangle, is_weighted=is_weighted)
    found = _considered(work, device, memory)
    candidate, why = _chosen(spec, found, memory, spares_reading=has_triangle and not work.is_little)
    keeps_steps = work.keeps_steps and candidate.engine not in _WITHOUT_STEPS
    kept_epochs = _epochs_kept(spec)
    kept_steps = kept_epochs * work.steps if keeps_steps else 0
    numbers = kept_epochs * _numbers_per_epoch(spec, features) + kept_steps * _numbers_per_step(spec, features)
    assert candidate.estimated_seconds is not None  # a candidate that applies has a cost
    reads_in_parts = candidate.engine == "reduced" and work.reads_in_parts
    return Plan(
        engine=candidate.engine,
        why=why,
        steps=spec.epochs * work.steps,
        steps_recorded=keeps_steps,
        recorded_numbers=numbers,
        estimated_seconds=candidate.estimated_seconds,
        recorded_bytes=8 * numbers + 24 * kept_epochs + 32 * kept_steps,
        memory_bytes=candidate.memory_bytes,
        streams=reads_in_parts,
        partitions=work.partitions if reads_in_parts else 1,
        from_triangle=candidate.engine == "reduced" and has_triangle,
    )


def holds_rows(plan: Plan) -> bool:
    """Whether the data is in memory as a whole."""
    return not (plan.streams or plan.from_triangle)


class PlanDamaged(ValueError):
    """Somebody has changed the plan of a job where it is kept, so that it is none any more."""

    def __init__(self) -> None:
        super().__init__("the plan of this job was damaged where it is kept: submit the job again")


def kept_plan(document: Mapping[str, Any]) -> Plan:
    """From what a job keeps of it. Another version may have written it: what this one does not know is left out.

    Raises PlanDamaged.
    """
    try:
        known = {field.name: document[field.name] for field in fields(Plan) if field.name in document}
        found = Plan(**known | {"engine": FORMER_ENGINES.get(known["engine"], known["engine"])})
        counts = (found.steps, found.recorded_numbers, found.recorded_bytes or 0, found.memory_bytes or 0)
        is_sound = min(found.estimated_seconds, *counts) >= 0 and found.experience > 0 and found.partitions >= 1
    except (LookupError, TypeError) as error:
        raise PlanDamaged from error
    if not is_sound or found.engine not in _METHODS:
        raise PlanDamaged
    return found


def candidates(
    spec: TrainingSpec,
    rows: int,
    features: int,
    device: str = "auto",
    *,
    has_triangle: bool = False,
    is_weighted: bool = False,
) -> list[EngineOption]:
    """All engines: what each would cost, or what stands in its way."""
    return _all(_work(spec, rows, features, has_triangle=has_triangle, is_weighted=is_weighted), device)


def _considered(work: Work, device: str, memory: int | None) -> list[EngineOption]:
    """All engines; the reference alone where it is taken whatever the others cost."""
    eager = _option("eager", work)
    is_taken = work.spec.engine == "auto" and not work.has_triangle and _seconds(eager) < EAGER_SECONDS
    return [eager] if is_taken and (memory is None or (eager.memory_bytes or 0) <= memory) else _all(work, device)


def _all(work: Work, device: str) -> list[EngineOption]:
    return [_candidate(engine, work, device) for engine in _METHODS]


def _candidate(engine: str, work: Work, device: str) -> EngineOption:
    if engine in _WITHOUT_STEPS and engine == work.spec.engine and work.spec.record.steps == "auto":
        work = replace(work, keeps_steps=False, has_triangle=False)  # who asks for it can do without steps
    if found := obstacles(engine, work, device):
        sentence = "; ".join(found)
        return EngineOption(engine, False, sentence[0].upper() + sentence[1:])
    return _option(engine, work)


def _option(engine: str, work: Work) -> EngineOption:
    """An engine that applies."""
    cost: Cost = COSTS[engine](work)
    method = _FROM_TRIANGLE if engine == "reduced" and work.has_triangle else _METHODS[engine]
    return EngineOption(engine, True, method, cost.seconds(work.spec.epochs), cost.memory)


def _chosen(
    spec: TrainingSpec, found: list[EngineOption], memory: int | None, *, spares_reading: bool
) -> tuple[EngineOption, str]:
    """The candidate, and why it is the one. What costs little is not left to the reference if that must read for it."""
    if spec.engine != "auto":
        (asked,) = (candidate for candidate in found if candidate.engine == spec.engine)
        if not asked.applies:
            raise EngineDoesNotApply(f"The engine {asked.engine} does not apply: {_lowered(asked.why)}")
        return asked, f"Asked for. {asked.why}"
    eager, fitting = found[0], _fitting(found, memory)
    is_spared = spares_reading and any(each.engine == "reduced" and each.applies for each in found)
    if eager in fitting and _seconds(eager) < EAGER_SECONDS and not is_spared:
        return eager, f"{eager.why}; it takes less than {EAGER_SECONDS:g} s"
    best, fastest = min(fitting, key=_seconds), min(filter(_applies, found), key=_seconds)
    if best is not fastest:
        lacking = f"{fastest.engine} needs {fastest.memory_bytes:,} bytes of memory, more than a worker has"
        return best, f"{best.why}; {lacking}"
    if best is eager:
        return eager, f"{eager.why}; no other engine is faster"
    return best, f"{best.why}; about {_seconds(best):.2g} s, where the plain loop takes {_seconds(eager):.2g} s"


def _fitting(found: list[EngineOption], memory: int | None) -> list[EngineOption]:
    """Those that apply and need no more memory than there is; if there is none of them, all that apply."""
    applying = list(filter(_applies, found))
    limit = inf if memory is None else memory
    return [candidate for candidate in applying if (candidate.memory_bytes or 0) <= limit] or applying


def _applies(candidate: EngineOption) -> bool:
    return candidate.applies


def _seconds(candidate: EngineOption) -> float:
    assert candidate.estimated_seconds is not None  # a candidate that applies has a cost
    return candidate.estimated_seconds


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _work(
    spec: TrainingSpec, rows: int, features: int, *, has_triangle: bool = False, is_weighted: bool = False
) -> Work:
    """With steps recorded as the spec says: all, none, or as long as there are not too many."""
    bare = Work.of(spec, rows, features, keeps_steps=False)
    in_steps = _epochs_kept(spec) * bare.steps * _numbers_per_step(spec, features)
    keeps_steps = spec.record.steps == "all" or (spec.record.steps == "auto" and in_steps <= AUTO_RECORDED_NUMBERS)
    return Work(spec, bare.rows, features, keeps_steps, has_triangle, is_weighted)


def snapshot_interval(spec: TrainingSpec, rows: int, features: int = 1, engine: str = "eager") -> int:
    """Epochs between two snapshots of the state, from which steps that were not recorded are replayed."""
    if engine == "eager":
        epochs = REPLAYED_STEPS // steps_per_epoch(training_rows(rows, spec), spec)
    else:
        epochs = int(REPLAYED_SECONDS / COSTS[engine](_work(spec, rows, features)).epoch)
    return max(1, epochs, least_interval(spec, features))


def least_interval(spec: TrainingSpec, features: int) -> int:
    """Epochs that lie between two snapshots at least, so that all of a job's together stay within the bound."""
    return -(-spec.epochs * state_numbers(spec, features) // MOST_STATE_NUMBERS)


def state_numbers(spec: TrainingSpec, features: int) -> int:
    """Of one snapshot at most, whatever engine trains."""
    history = 2 * spec.optimizer.history_size if isinstance(spec.optimizer, LBFGS) else 0
    return (_STATE_VECTORS + history) * (features + 1)


def _epochs_kept(spec: TrainingSpec) -> int:
    last = spec.epochs - 1
    return last // spec.record.every + 1 + (last % spec.record.every != 0)


def _parameters(spec: TrainingSpec, features: int) -> int:
    return features + int(spec.fit_bias)


def _numbers_per_step(spec: TrainingSpec, features: int) -> int:
    """Its loss, its gradient, and the parameters before it."""
    return 1 + 2 * _parameters(spec, features)


def _numbers_per_epoch(spec: TrainingSpec, features: int) -> int:
    """Three losses, norm, rate, seconds; the mean and the last gradient and the parameters."""
    return 6 + 3 * _parameters(spec, features)


def estimate(planned: Plan, experience: Experience) -> Plan:
    """A plan with its seconds by experience."""
    factor = experience.get(planned.engine, 1.0)
    return replace(planned, estimated_seconds=planned.estimated_seconds * factor, experience=factor)


def estimate_option(option: EngineOption, experience: Experience) -> EngineOption:
    if option.estimated_seconds is None:
        return option
    return replace(option, estimated_seconds=option.estimated_seconds * experience.get(option.engine, 1.0))
