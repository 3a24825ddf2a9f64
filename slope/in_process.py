"""Training in this process, as a worker would do it: from arrays to models, with every epoch's record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from slope.analysis import Curvature, choose_rate, curvature_of, curvature_of_reduced, settle_rate
from slope.arrays import Array
from slope.columns import EpochColumns, join_columns
from slope.data import TrainingData, prepare, unread_data
from slope.engines.build import build
from slope.engines.groups.fused import Fused
from slope.engines.groups.groups import groups_of, is_reduced
from slope.engines.plan import plan
from slope.engines.reduction.folds import fold_reductions
from slope.engines.reduction.reduced import Reductions
from slope.model import Parameters
from slope.records import Diverged, EpochRecord, joined_epochs
from slope.scaling import Scaler
from slope.spec import TrainingSpec
from slope.splits import training_rows


@dataclass(frozen=True)
class Rows:
    """What to learn from: x is N × D, y is N, and so are the weights, where the rows do not count alike."""

    x: Array
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class State:
    """Where a run stands, for another one to go on from."""

    spec: TrainingSpec
    """With the learning rate that was chosen."""
    engine: str
    checkpoint: bytes
    scaler: Scaler | None


@dataclass(frozen=True)
class Trained:
    """What a run came to."""

    spec: TrainingSpec
    """With the learning rate that was chosen."""
    weights: Array
    """D numbers, in the data's own units, as the bias is."""
    bias: float | None
    epochs: EpochColumns | None
    """None of a run that diverged in its first epoch."""
    failure: str | None
    """Why it failed; None of a run that did not."""
    seconds: float
    """That it took, or its share in what it took with others."""
    state: State | None = None
    """None of a run that failed, and of one of many."""


def train(rows: Rows, spec: TrainingSpec, state: State | None = None, until: int | None = None) -> Trained:
    """Train up to an epoch, or to the end of the spec, from the start or from where another run stood.

    Raises EngineDoesNotApply and NoRowCounts.
    """
    started = perf_counter()
    data = prepare(rows.x, rows.y, spec, rows.weights, None if state is None else state.scaler)
    spec, _ = settle_rate(data, spec if state is None else spec.at_rate(state.spec.rate))
    engine = state.engine if state else _engine(rows, spec)
    run, failure = build(engine, data, spec, keeps_steps=False), None
    blocks: list[Sequence[EpochRecord]] = []
    if state:
        run.restore(state.checkpoint)
    try:
        blocks.extend(run.blocks(until))
    except Diverged as error:
        failure = str(error)
    columns = joined_epochs(blocks) if blocks else None
    kept = None if failure else State(spec, engine, run.checkpoint(), data.scaler)
    model = _in_own_units(run.result, data.scaler)
    return Trained(spec, *model, columns, failure, perf_counter() - started, kept)


def train_many(rows: Rows, specs: Sequence[TrainingSpec]) -> list[Trained]:
    """Train many settings on the same data; those that share their rows and their batches, together."""
    groups = [
        {place: specs[place] for place in group}
        for group in groups_of(specs, len(rows.y), rows.x.shape[1])
        if rows.weights is None or specs[group[0]].loss != "huber"  # of weighted rows each has a delta of its own
    ]
    found: dict[int, Trained] = {}
    for group, seen in zip(groups, _seen(rows, groups), strict=True):
        found |= _train_group(rows, group, seen)
    return [found.get(place) or train(rows, spec) for place, spec in enumerate(specs)]


def _engine(rows: Rows, spec: TrainingSpec) -> str:
    return plan(spec, len(rows.y), rows.x.shape[1], is_weighted=rows.weights is not None).engine


def _seen(rows: Rows, groups: Sequence[Mapping[int, TrainingSpec]]) -> list[Reductions | None]:
    """What stands for the rows of each group; None where it trains on them as they are."""
    firsts = [next(iter(group.values())) for group in groups]
    features = rows.x.shape[1]
    places = [
        place for place, spec in enumerate(firsts) if is_reduced(spec, training_rows(len(rows.y), spec), features)
    ]
    found: list[Reductions | None] = [None] * len(groups)
    if places and (reduced := fold_reductions(rows.x, rows.y, rows.weights, [firsts[place] for place in places])):
        for place, each in zip(places, reduced, strict=True):
            found[place] = each
    return found


def _train_group(rows: Rows, specs: Mapping[int, TrainingSpec], seen: Reductions | None) -> dict[int, Trained]:
    started = perf_counter()
    if seen is None:
        data = prepare(rows.x, rows.y, next(iter(specs.values())), rows.weights)
    else:
        data = unread_data(rows.x.shape[1], seen.scaler)
    settled = dict(enumerate(_settled(data, seen, list(specs.values()))))
    results = _Group(data, settled, seen).train()
    seconds = (perf_counter() - started) / len(specs)
    return {place: replace(each, seconds=seconds) for place, each in zip(specs, results, strict=True)}


def _settled(data: TrainingData, seen: Reductions | None, specs: Sequence[TrainingSpec]) -> list[TrainingSpec]:
    """With the learning rates that were left open. Curvatures depend on the start alone, in a group."""
    curvatures, found = dict[str, Curvature](), []
    for spec in specs:
        start = f"{spec.initial_weights} {spec.initial_bias} {spec.seed}"
        if spec.learning_rate == "auto" and start not in curvatures:
            reduced = None if seen is None else curvature_of_reduced(seen.training, spec, seen.scaler)
            curvatures[start] = reduced or curvature_of(data, spec)
        chosen = choose_rate(curvatures[start], spec) if spec.learning_rate == "auto" else None
        found.append(spec.at_rate(chosen.rate) if chosen else spec)
    return found


class _Group:
    """Settings that train together, and what each has come to so far."""

    def __init__(self, data: TrainingData, specs: dict[int, TrainingSpec], seen: Reductions | None) -> None:
        self._specs, self._scaler = specs, data.scaler
        self._training = Fused(data, specs, len(specs), keeps_steps=False, reductions=seen)
        self._parts: dict[int, list[EpochColumns]] = {place: [] for place in specs}
        self._ends: dict[int, tuple[Parameters, str | None]] = {}

    def train(self) -> list[Trained]:
        """By place."""
        for found in self._training.epochs():
            stops = np.cumsum(found.counts)
            for place, count, stop in zip(found.places.tolist(), found.counts.tolist(), stops.tolist(), strict=True):
                if count:
                    self._parts[place].append(found.epochs.at(np.arange(stop - count, stop)))
                if place in found.diverged:
                    failure = str(Diverged(found.last_of(place), found.diverged[place], []))
                    self._ends[place] = self._training.parameters(place), failure
                elif self._training.has_ended(place):
                    self._ends[place] = self._training.result(place), None
        return [self._trained(place) for place in self._specs]

    def _trained(self, place: int) -> Trained:
        (model, failure), parts = self._ends[place], self._parts[place]
        columns = join_columns(parts) if parts else None
        return Trained(self._specs[place], *_in_own_units(model, self._scaler), columns, failure, 0.0)


def _in_own_units(model: Parameters, scaler: Scaler | None) -> tuple[Array, float | None]:
    weights = np.array(model.weights)
    return scaler.in_own_units(weights, model.bias) if scaler else (weights, model.bias)
