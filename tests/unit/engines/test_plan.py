"""The plan: the fastest engine that applies, the plain loop where it hardly takes time, and the reasons in words."""

from dataclasses import asdict
from typing import Any

import pytest

from slope.answers.plan import Plan
from slope.engines.plan import EAGER_SECONDS, EngineDoesNotApply, candidates, kept_plan, plan, snapshot_interval
from slope.spec import TrainingSpec

PROXIMAL = {"name": "sgd", "l1_step": "proximal"}

MILLION = 10**6


def spec_of(**changes: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"learning_rate": 0.01} | changes)


def planned(rows: int, features: int = 10, device: str = "auto", **changes: Any) -> Plan:
    return plan(spec_of(**changes), rows, features, device)


@pytest.mark.parametrize(
    ("rows", "changes", "engine"),
    [
        (3, {"epochs": 10}, "eager"),
        (MILLION, {"epochs": 1000, "batch_size": "full", "optimizer": {"name": "adam"}}, "reduced"),
        (MILLION, {"epochs": 100}, "composed"),
        (MILLION, {"epochs": 5, "shuffle": True}, "compiled"),
        (MILLION, {"epochs": 5, "loss": "huber"}, "compiled"),
        (MILLION, {"epochs": 5, "optimizer": {"name": "sgd", "momentum": 0.9}}, "compiled"),
        (MILLION, {"epochs": 5, "shuffle": True, "record": {"steps": "all"}}, "compiled"),
        (40_000, {"epochs": 1}, "compiled"),
        (MILLION, {"epochs": 1, "optimizer": {"name": "adam"}}, "compiled"),
        (MILLION, {"epochs": 1, "loss": "absolute_error"}, "compiled"),
        (3, {"epochs": MILLION, "batch_size": "full"}, "compiled"),
        (MILLION, {"epochs": 5, "schedule": {"name": "inverse_scaling", "per": "step"}}, "compiled"),
        (MILLION, {"epochs": 1, "optimizer": {"name": "lbfgs"}}, "eager"),
    ],
)
def test_auto_takes_the_fastest_that_applies(rows: int, changes: dict[str, Any], engine: str) -> None:
    found = planned(rows, **changes)
    assert found.engine == engine
    offered = {each.engine: each for each in candidates(spec_of(**changes), rows, 10)}
    assert offered[engine].estimated_seconds == found.estimated_seconds
    if found.estimated_seconds > EAGER_SECONDS:
        costs = [each.estimated_seconds for each in offered.values() if each.applies]
        assert min(costs) == found.estimated_seconds


def test_the_plain_loop_is_taken_wherever_it_costs_less_than_a_blink() -> None:
    for rows in (10, 100, 1000, 10_000, 100_000):
        eager = candidates(spec_of(epochs=1), rows, 2)[0]
        assert (planned(rows, 2, epochs=1).engine == "eager") == (eager.estimated_seconds < EAGER_SECONDS)


def test_auto_takes_what_the_memory_is_enough_for() -> None:
    spec, size = spec_of(epochs=2, batch_size="full"), (3 * MILLION, 10)
    needed = {each.engine: each.memory_bytes for each in candidates(spec, *size)}
    assert needed["eager"]
    assert needed["reduced"]

    free, little, less = (
        plan(spec, *size, memory=memory) for memory in (needed["eager"], needed["eager"] - 1, needed["reduced"] - 1)
    )

    assert (free.engine, little.engine) == ("eager", "reduced")
    assert f"eager needs {needed['eager']:,} bytes" in little.why
    assert less == free, "where nothing fits, it is the plan that would be if it did"


def test_a_plan_does_not_call_the_plain_loop_the_fastest_where_a_faster_engine_lacks_memory() -> None:
    spec, size = spec_of(epochs=1_000, batch_size=100), (1_000, 5)
    needed = {each.engine: each.memory_bytes or 0 for each in candidates(spec, *size) if each.applies}
    assert needed["eager"] < needed["compiled"]

    found = plan(spec, *size, memory=needed["compiled"] - 1)

    assert found.engine == "eager"
    assert f"compiled needs {needed['compiled']:,} bytes of memory" in found.why


def test_a_plan_says_why_and_at_what_cost() -> None:
    why = planned(MILLION, epochs=100).why
    assert "affine map" in why
    assert "where the plain loop takes 4.5e+03 s" in why


@pytest.mark.parametrize(
    ("engine", "changes", "obstacle"),
    [
        ("reduced", {"loss": "huber", "batch_size": "full"}, "the loss squared_error, not huber"),
        ("reduced", {"batch_size": 32}, "the full batch, not 32 of 100 rows"),
        ("composed", {"optimizer": {"name": "adam"}}, "the optimizer sgd, not adam"),
        ("composed", {"optimizer": {"name": "sgd", "momentum": 0.9}}, "without momentum"),
        ("composed", {"l1": 0.1}, "without l1"),
        ("composed", {"clip_norm": 1.0}, "clip_norm"),
        ("composed", {"zero_gradients": "never"}, "zero_gradients"),
        ("composed", {"schedule": {"name": "cosine", "per": "step"}}, "one learning rate for all steps of an epoch"),
        ("composed", {"schedule": {"name": "inverse_scaling", "per": "step"}}, "schedule.per"),
        ("composed", {"shuffle": True}, "shuffle"),
        ("composed", {"l2": 0.1}, "penalty"),
        ("composed", {"record": {"steps": "all"}}, "record.steps"),
        ("compiled", {"optimizer": {"name": "lbfgs"}}, "lbfgs"),
        ("compiled", {"l1": 0.1, "optimizer": PROXIMAL}, "optimizer.l1_step"),
        ("reduced", {"l1": 0.1, "optimizer": PROXIMAL, "batch_size": "full"}, "optimizer.l1_step"),
        ("composed", {"l1": 0.1, "optimizer": PROXIMAL}, "without l1"),
        ("fused", {}, "POST /v1/sweeps"),
    ],
)
def test_an_engine_that_does_not_apply_is_refused_with_what_stands_in_the_way(
    engine: str, changes: dict[str, Any], obstacle: str
) -> None:
    with pytest.raises(EngineDoesNotApply) as refused:
        planned(100, engine=engine, **changes)
    assert f"The engine {engine} does not apply" in str(refused.value)
    assert obstacle in str(refused.value)
    (candidate,) = (each for each in candidates(spec_of(**changes), 100, 10) if each.engine == engine)
    assert not candidate.applies
    assert obstacle in candidate.why
    assert candidate.estimated_seconds is None


def test_compiled_code_runs_on_the_cpu_alone() -> None:
    with pytest.raises(EngineDoesNotApply, match="CPU alone"):
        planned(100, engine="compiled", device="cuda:0")
    assert planned(MILLION, epochs=5, shuffle=True, device="cuda").engine == "eager"


def test_an_engine_without_step_records_that_is_asked_for_keeps_none() -> None:
    assert planned(100, engine="auto").steps_recorded
    assert not planned(100, engine="composed").steps_recorded
    assert planned(100, engine="compiled").steps_recorded


def test_the_bytes_recorded_are_those_of_the_numbers_and_their_keys() -> None:
    found = planned(10, 2, epochs=3)
    numbers = 3 * (6 + 3 * 3) + 30 * (1 + 2 * 3)
    assert found.recorded_numbers == numbers
    assert found.recorded_bytes == 8 * numbers + 3 * 24 + 30 * 32


def test_snapshots_lie_as_far_apart_as_two_seconds_of_the_engine() -> None:
    spec = spec_of(epochs=10_000)
    assert snapshot_interval(spec, MILLION, 10) == 1
    assert snapshot_interval(spec, MILLION, 10, "composed") > 1000
    assert 50 < snapshot_interval(spec, MILLION, 10, "compiled") < 200


def test_memory_grows_with_the_data_and_no_more() -> None:
    for engine in ("reduced", "compiled", "composed", "compiled"):
        size = {"batch_size": "full"} if engine == "reduced" else {}
        wanted = spec_of(engine=engine, record={"steps": "none"}, **size)
        small, large = (plan(wanted, rows, 10).memory_bytes for rows in (MILLION, 10 * MILLION))
        assert (large - small) / (9 * MILLION * 11 * 8) < 1.2


def test_a_plan_is_read_back_also_from_another_version() -> None:
    found = planned(100)
    assert kept_plan(asdict(found) | {"of_the_future": 1}) == found
    older = {name: value for name, value in asdict(found).items() if name not in {"streams", "partitions"}}
    assert kept_plan(older) == found


@pytest.mark.parametrize(
    ("engine", "rows", "features", "epochs", "batch_size", "changes", "seconds"),
    [
        ("eager", 100, 2, 2, 1, {}, 0.00816),
        ("eager", 100, 2, 2, 1, {"record": {"steps": "all"}}, 0.00737),
        ("eager", 1_000, 10, 2, 1, {}, 0.0768),
        ("eager", 1_000, 10, 2, 1, {"record": {"steps": "all"}}, 0.0755),
        ("eager", 1_000, 10, 100, 32, {}, 0.142),
        ("eager", 1_000, 10, 100, "full", {}, 0.00651),
        ("eager", 100_000, 10, 50, "full", {}, 0.0491),
        ("eager", 1_000, 10, 100, "full", {"optimizer": {"name": "adam"}}, 0.0163),
        ("eager", 20_000, 100, 20, 1000, {}, 0.063),
        ("eager", 3, 1, 500, 1, {"record": {"steps": "all"}}, 0.0595),
        ("compiled", 20_000, 1, 5, 1, {}, 0.00261),
        ("compiled", 20_000, 1, 10, 64, {}, 0.00199),
        ("compiled", 20_000, 10, 5, 1, {}, 0.00288),
        ("compiled", 20_000, 10, 10, 64, {}, 0.00228),
        ("compiled", 20_000, 100, 5, 1, {}, 0.00768),
        ("compiled", 20_000, 100, 10, 64, {}, 0.00784),
        ("compiled", 20_000, 1, 5, 1, {"record": {"steps": "all"}}, 0.00388),
        ("compiled", 20_000, 1, 10, 64, {"record": {"steps": "all"}}, 0.00198),
        ("compiled", 20_000, 10, 5, 1, {"record": {"steps": "all"}}, 0.00412),
        ("compiled", 20_000, 10, 10, 64, {"record": {"steps": "all"}}, 0.00214),
        ("compiled", 20_000, 100, 5, 1, {"record": {"steps": "all"}}, 0.0257),
        ("compiled", 20_000, 100, 10, 64, {"record": {"steps": "all"}}, 0.00769),
        ("compiled", 200_000, 10, 3, 1, {"shuffle": True}, 0.0223),
        ("compiled", 200_000, 10, 10, "full", {"loss": "huber"}, 0.0701),
        ("compiled", 20_000, 10, 10, 1, {"optimizer": {"name": "adam"}}, 0.0258),
        ("compiled", 20_000, 10, 10, 1, {"optimizer": {"name": "rmsprop"}}, 0.014),
        ("compiled", 20_000, 10, 10, 1, {"optimizer": {"name": "sgd", "momentum": 0.9}}, 0.00631),
        ("compiled", 3, 1, 300_000, "full", {}, 0.0249),
        ("compiled", 20_000, 10, 20, 1, {"loss": "absolute_error", "l1": 0.01}, 0.0164),
        ("compiled", 1_000, 10, 1_000, 8, {"record": {"steps": "all"}}, 0.0141),
        ("reduced", 3, 1, 300_000, "full", {}, 0.0241),
        ("reduced", 100_000, 10, 1_000, "full", {}, 0.00675),
        ("reduced", 100_000, 10, 100_000, "full", {}, 0.0266),
        ("reduced", 50_000, 50, 10_000, "full", {}, 0.0305),
        ("reduced", 20_000, 120, 1_000, "full", {}, 0.0455),
        ("reduced", 500_000, 10, 10, "full", {}, 0.0125),
        ("reduced", 100_000, 10, 100_000, "full", {"optimizer": {"name": "adam"}}, 0.0359),
        ("reduced", 100_000, 10, 10_000, "full", {"optimizer": {"name": "rmsprop"}}, 0.00996),
        ("reduced", 10_000, 10, 200, "full", {"optimizer": {"name": "lbfgs"}}, 3.94),
        ("composed", 100_000, 10, 100, 1, {}, 0.0162),
        ("composed", 500_000, 10, 200, 1, {}, 0.0596),
        ("composed", 20_000, 50, 1_000, 1, {}, 0.0261),
        ("composed", 2_000, 3, 100_000, 1, {}, 0.0209),
        ("composed", 20_000, 100, 100, 1, {}, 0.0672),
        ("composed", 100_000, 10, 100, 64, {}, 0.0174),
        (
            "composed",
            20_000,
            10,
            20,
            1,
            {"schedule": {"name": "exponential", "gamma": 0.9}},
            0.0894,
        ),
    ],
)
def test_estimates_are_within_twice_what_jobs_took(
    engine: str, rows: int, features: int, epochs: int, batch_size: Any, changes: dict[str, Any], seconds: float
) -> None:
    """Seconds as measured on the machine of the benchmarks: a thread's own, the least of three."""
    spec = spec_of(
        epochs=epochs,
        batch_size=batch_size,
        engine=engine,
        **{"dtype": "float64", "record": {"steps": "none"}} | changes,
    )
    [found] = [each for each in candidates(spec, rows, features) if each.engine == engine]
    assert found.estimated_seconds is not None
    assert seconds / 2 < found.estimated_seconds < 2 * seconds
