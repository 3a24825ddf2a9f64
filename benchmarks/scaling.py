"""How time grows with the rows, the features, the epochs and the settings, beside the rivals: the curves of a chart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks import jax_rivals
from benchmarks.one_pass import INTELEX, intelex_fit
from benchmarks.problems import FEATURES, load_everything, rows, spec_of
from slope.arrays import Array
from slope.data import prepare
from slope.engines.build import build, build_reduced
from slope.engines.groups.fused import Fused
from slope.engines.groups.groups import WIDEST
from slope.engines.plan import candidates
from slope.engines.reduction.reduced import reductions_of
from slope.spec import TrainingSpec

_RATE, _EPOCHS, _MOST_SECONDS = 1e-3, 100, 3.0
"""A way that took longer is not asked about the next size."""
_JAX, _TRIANGLE = "JAX", "Slope, stored: from the triangle"

Run = Callable[[], object]


@dataclass(frozen=True)
class Curve:
    """Seconds over sizes, of one way in one panel."""

    panel: str
    name: str
    sizes: list[int]
    seconds: list[float]


CURVES: list[Curve] = []
"""Of this run."""


def run() -> None:
    load_everything()
    print("scaling: seconds over sizes, every epoch recorded in memory, float64")
    _measure(f"rows (× {FEATURES}, {_EPOCHS} full-batch epochs)", [10**each for each in range(2, 8)], _by_rows)
    _measure(f"features (10⁴ rows, {_EPOCHS} full-batch epochs)", [1, 10, 100, 1000], _by_features)
    _measure("epochs (3 rows, full batch)", [10**each for each in range(2, 8)], _by_epochs)
    if jax_rivals.IS_THERE:
        _measure("settings of a sweep (256 × 8, 200 epochs)", [1, 10, 100, 1000, 10_000], _by_settings)
    print(flush=True)


def _measure(panel: str, sizes: list[int], ways: Callable[[int], Iterator[tuple[str, Run]]]) -> None:
    found: dict[str, tuple[list[int], list[float]]] = {}
    for size in sizes:
        for name, way in ways(size):
            known = found.setdefault(name, ([], []))
            if not known[1] or known[1][-1] < _MOST_SECONDS / 10:
                known[0].append(size)
                known[1].append(_best(way))
    for name, (measured, seconds) in found.items():
        CURVES.append(Curve(panel, name, measured, seconds))
        told = ", ".join(f"{size:,}: {each:.3g}" for size, each in zip(measured, seconds, strict=True))
        print(f"  {panel}: {name}: {told}", flush=True)


def _best(way: Run) -> float:
    """Of three, or the only one where it takes long."""
    way()
    times = list[float]()
    while len(times) < 3 and sum(times) < _MOST_SECONDS / 6:
        started = perf_counter()
        way()
        times.append(perf_counter() - started)
    return min(times)


def _by_rows(size: int) -> Iterator[tuple[str, Run]]:
    x, y = rows(size)
    yield from _full_batch(x, y)
    reductions = reductions_of(prepare(x, y, _spec()))(lambda: None)
    yield _TRIANGLE, lambda: _through(build_reduced(x.shape[1], lambda pause: reductions, _spec()).blocks())
    if fit := intelex_fit():
        yield INTELEX, lambda: fit(x, y)


def _by_features(size: int) -> Iterator[tuple[str, Run]]:
    random = np.random.default_rng(20)
    x = random.normal(size=(10_000, size))
    return _full_batch(x, x @ np.ones(size) / size + random.normal(size=10_000))


def _by_epochs(size: int) -> Iterator[tuple[str, Run]]:
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.1])
    spec = spec_of(epochs=size, learning_rate=0.01, batch_size="full", record={"steps": "none"})
    yield "Slope", lambda: _through(build("compiled", prepare(x, y, spec), spec, keeps_steps=False).blocks())
    if jax_rivals.IS_THERE:
        yield _JAX, jax_rivals.full_batch(x, y, 0.01, size)


def _by_settings(size: int) -> Iterator[tuple[str, Run]]:
    random = np.random.RandomState(0)
    x = random.standard_normal((256, 8))
    y, rates = x @ random.standard_normal(8), np.geomspace(1e-4, 0.3, size)
    spec = spec_of(epochs=200, batch_size="full", record={"steps": "none"})
    specs = [spec.at_rate(rate) for rate in rates.tolist()]
    yield "Slope", lambda: _fused(x, y, specs)
    yield _JAX, jax_rivals.sweep(x, y, rates, 200, gram=False)


def _full_batch(x: Array, y: Array) -> Iterator[tuple[str, Run]]:
    """Ours by the engine that the plan finds to be the fastest."""
    spec = _spec()
    options = [each for each in candidates(spec, *x.shape) if each.applies]
    engine = min(options, key=lambda each: each.estimated_seconds or 0.0).engine
    yield "Slope", lambda: _through(build(engine, prepare(x, y, spec), spec, keeps_steps=False).blocks())
    if jax_rivals.IS_THERE:
        yield _JAX, jax_rivals.full_batch(x, y, _RATE, _EPOCHS)


def _spec() -> TrainingSpec:
    return spec_of(epochs=_EPOCHS, learning_rate=_RATE, batch_size="full", record={"steps": "none"})


def _fused(x: Array, y: Array, specs: list[TrainingSpec]) -> None:
    for start in range(0, len(specs), WIDEST):
        group = dict(enumerate(specs[start : start + WIDEST]))
        _through(Fused(prepare(x, y, specs[0]), group, len(group), keeps_steps=False, threads=2).epochs())


def _through(blocks: Iterator[object]) -> None:
    for _ in blocks:
        pass
