"""How far a run ended from the exact solution, in standard errors, and after how many more epochs it would be there."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slope.analysis import Distance, Ending, analyse, few_rows, measure_distance, reached, settle_rate, shortfall
from slope.analysis.course import NEAR, epochs_until_near
from slope.arrays import Array
from slope.data import TrainingData, prepare
from slope.engines.build import build
from slope.engines.reduction.reduction import Reduction
from slope.model import Parameters
from slope.spec import TrainingSpec

GENERATED = 200
X = np.arange(1.0, 11.0)[:, None]
NOISY = 2 * X[:, 0] + 30 + np.sin(X[:, 0] * 7)


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"dtype": "float64", "batch_size": "full", "epochs": 20} | hyperparameters)


def generated(index: int) -> tuple[Array, Array, TrainingSpec]:
    """Columns of different sizes, away from zero, that have something in common; noise from little to much."""
    random = np.random.default_rng(index)
    rows, features = int(random.integers(20, 300)), int(random.integers(1, 6))
    x = random.normal(size=(rows, features)) @ (np.eye(features) + 0.5 * random.normal(size=(features, features)))
    x = x * 10 ** random.uniform(-1, 1, features) + 3 * random.normal(size=features)
    y = x @ random.normal(size=features) + 5 * random.normal() + 10 ** random.uniform(-2, 1) * random.normal(size=rows)
    spec = spec_of(epochs=int(10 ** random.uniform(0, 2.7)), standardize=index % 2 == 1)
    if index % 4 == 3:
        spec = spec_of(epochs=int(10 ** random.uniform(0, 1.5)), standardize=True, batch_size=1)
    settled, _ = settle_rate(prepare(x, y, spec), spec)
    return x, y, settled.at_rate(settled.rate * random.uniform(0.1, 1))


def train(data: TrainingData, spec: TrainingSpec) -> Parameters:
    run = build("reduced" if spec.batch_size == "full" else "compiled", data, spec, keeps_steps=False)
    for _ in run.blocks(until=spec.epochs):
        pass
    return run.result


def measured(data: TrainingData, spec: TrainingSpec, result: Parameters) -> Distance | None:
    rows = few_rows(data)
    learned = np.array(result.weights), result.bias
    return measure_distance(rows, spec, data.scaler, learned) if rows else None


def textbook(x: Array, y: Array, data: TrainingData, result: Parameters) -> float:
    """The largest |θ − θ̂|/s of the coefficients in the data's own units, by the normal equations' inverse."""
    design = np.column_stack([x, np.ones(len(y))])
    exact = np.linalg.lstsq(design, y, rcond=None)[0]
    variance = np.square(y - design @ exact).sum() / (len(y) - len(exact))
    errors = np.sqrt(variance * np.linalg.inv(design.T @ design).diagonal())
    weights, bias = np.array(result.weights), result.bias
    if data.scaler:
        weights, bias = data.scaler.in_own_units(weights, bias)
    return float(np.abs((np.append(weights, bias or 0.0) - exact) / errors).max())


def explains_less(x: Array, y: Array, data: TrainingData, result: Parameters) -> bool:
    """Whether coefficients that are each within their errors are far off together: much of R² is missing."""
    design = np.column_stack([x, np.ones(len(y))])
    least = np.square(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]).sum()
    came = np.square(data.x @ np.array(result.weights) + (result.bias or 0.0) - data.y).sum()
    return bool(came - least >= 0.05 * np.square(y - y.mean()).sum() and came >= 1.1 * least)


def told(data: TrainingData, spec: TrainingSpec, result: Parameters) -> str | None:
    analysis = analyse(data, spec)
    assert analysis
    assert analysis.exact
    came = reached(data, spec, np.array(result.weights), result.bias, analysis.exact.loss)
    distance = measured(data, spec, result)
    if distance:
        came = replace(came, distance=distance.errors, epochs_to_go=distance.epochs)
    ending = Ending.of(spec, replace(analysis, reached=came))
    assert ending
    return shortfall(spec, ending)


def test_far_from_the_minimum_neither_misses_nor_cries_wolf() -> None:
    """On generated runs: full batch and row by row, standardized or not, some hardly begun and some that are there."""
    far = 0
    for index in range(GENERATED):
        x, y, spec = generated(index)
        data = prepare(x, y, spec)
        result = train(data, spec)
        distance, expected = measured(data, spec, result), textbook(x, y, data, result)
        assert distance
        assert distance.errors == pytest.approx(expected, rel=1e-6, abs=1e-8)
        sentence = told(data, spec, result)
        assert (sentence is not None) == (expected > 1 or explains_less(x, y, data, result)), (index, sentence)
        assert sentence is None or f"{expected:.3g} standard errors of a coefficient away" in sentence
        far += sentence is not None
    assert GENERATED / 5 < far < 4 * GENERATED / 5


def test_the_told_number_of_epochs_is_that_of_the_engine() -> None:
    """Within 5 %: the last epoch after which a coefficient is a hundredth of a standard error off, and the next."""
    seen = 0
    for index in range(GENERATED):
        x, y, spec = generated(index)
        data = prepare(x, y, spec)
        distance = measured(data, spec, train(data, spec))
        assert distance
        if spec.batch_size != "full":
            assert distance.epochs is None
        if not distance.epochs or distance.epochs > 400 or seen == 25:
            continue
        longer = spec.model_copy(update={"epochs": spec.epochs + distance.epochs + 50})
        run = build("reduced", data, longer, keeps_steps=False)
        ends = [each.parameters for block in run.blocks(until=longer.epochs) for each in block]
        after = [textbook(x, y, data, each) for each in ends[spec.epochs - 1 :]]
        arrived = 1 + max(place for place, far in enumerate(after) if far > NEAR)
        assert distance.epochs == pytest.approx(arrived, rel=0.05, abs=1)
        seen += 1
    assert seen == 25


def test_the_sentence_says_how_many_epochs_and_how_far() -> None:
    spec = spec_of(standardize=True, learning_rate=0.1, epochs=3)
    data = prepare(X, NOISY, spec)
    sentence = told(data, spec, train(data, spec))
    assert sentence
    assert "standard errors of a coefficient away from the exact solution" in sentence
    assert "more epochs, which end within a hundredth of a standard error" in sentence


@pytest.mark.parametrize(
    "other",
    [
        {"loss": "huber"},
        {"l1": 0.1},
        {"l2": 0.1},
        {"optimizer": {"name": "sgd", "weight_decay": 0.1}},
        {"optimizer": "adamw"},
    ],
    ids=["huber", "l1", "l2", "weight decay", "adamw"],
)
def test_of_a_run_with_another_aim_nothing_is_measured(other: dict[str, Any]) -> None:
    spec = spec_of(learning_rate=0.01, **other)
    assert measured(prepare(X, NOISY, spec), spec, Parameters([1.0], 0.0)) is None


def test_nothing_is_measured_where_no_noise_is_left_to_measure_by() -> None:
    spec = spec_of(learning_rate=0.01)
    for x, y in ((X, 2 * X[:, 0] + 30), (X[:2], NOISY[:2]), (X, np.full(10, 0.1))):
        assert measured(prepare(x, y, spec), spec, Parameters([1.0], 0.0)) is None


@pytest.mark.parametrize(
    "other", [{"optimizer": {"name": "sgd", "momentum": 0.5}}, {"batch_size": 2}, {"clip_norm": 9}]
)
def test_epochs_are_counted_of_plain_full_batch_descent_alone(other: dict[str, Any]) -> None:
    spec = spec_of(learning_rate=0.01, **other)
    distance = measured(prepare(X, NOISY, spec), spec, Parameters([1.0], 0.0))
    assert distance
    assert distance.errors > 1
    assert distance.epochs is None


def test_a_rate_that_diverges_leads_nowhere() -> None:
    spec = spec_of(learning_rate=1.0)
    distance = measured(prepare(X, NOISY, spec), spec, Parameters([1.0], 0.0))
    assert distance
    assert distance.epochs is None


@pytest.mark.parametrize("frozen", [[], ["weights"], ["bias"]], ids=["nothing", "weights", "bias"])
def test_a_triangle_measures_as_its_rows_do(frozen: list[str]) -> None:
    spec = spec_of(learning_rate=0.01, frozen=frozen, initial_weights=[0.5, 1.0], standardize=True)
    random = np.random.default_rng(3)
    x = random.normal([3.0, 0.0], size=(50, 2))
    data = prepare(x, x @ [1.0, 2.0] + random.normal(size=50), spec)
    result = Parameters([0.4, 1.5], 0.3)
    found = measure_distance(Reduction.of([(data.x, data.y)], 2), spec, data.scaler, (np.array([0.4, 1.5]), 0.3))
    own = measured(data, spec, result)
    assert found
    assert own
    assert found.errors == pytest.approx(own.errors, rel=1e-9)
    assert found.epochs == own.epochs


def test_columns_that_depend_on_each_other_leave_the_others_measured() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=(40, 2))
    y = x @ [1.0, 2.0] + random.normal(size=40)
    twice = np.column_stack([x, x[:, 1]])
    spec = spec_of(learning_rate=0.1)
    one = measured(prepare(x, y, spec), spec, Parameters([3.0, 2.0], 0.0))
    other = measured(prepare(twice, y, spec), spec, Parameters([3.0, 1.0, 1.0], 0.0))
    assert one
    assert other
    assert other.errors == pytest.approx(one.errors, rel=1e-9)


def test_the_course_of_descent_is_found_where_epochs_take_turns_and_after_many() -> None:
    assert epochs_until_near(np.array([[1.0]]), np.array([1.5])) == 7
    assert epochs_until_near(np.array([[1.0]]), np.array([1.0])) == 1
    assert epochs_until_near(np.array([[NEAR / 2]]), np.array([0.1])) == 0
    assert epochs_until_near(np.array([[1.0]]), np.array([2.5])) is None
    assert epochs_until_near(np.array([[1.0]]), np.array([1e-9])) == pytest.approx(np.log(100) * 1e9, rel=1e-6)
    assert epochs_until_near(np.array([[1.0]]), np.array([1e-300])) is None


@pytest.mark.parametrize(
    "other", [{"fit_bias": False}, {"frozen": ["bias"], "initial_bias": 30.0}, {"standardize": True}]
)
def test_runs_on_the_same_rows_are_measured_each_by_its_own_parameters(other: dict[str, Any]) -> None:
    """What is kept of one is not taken for another's."""
    ways = [spec_of(learning_rate=0.001), spec_of(learning_rate=0.001, **other)]
    result = Parameters([1.5], 30.0)
    found = [measured(prepare(X, NOISY, spec), spec, result) for spec in [*ways, *reversed(ways)]]

    assert found == found[::-1]
    assert found[0] != found[1]


def test_what_is_kept_for_others_cannot_be_written_into() -> None:
    data = prepare(X, NOISY, spec_of(learning_rate=0.001))
    rows = few_rows(data)
    assert rows
    with pytest.raises(ValueError, match="read-only"):
        rows.triangle[0, 0] = 0.0
