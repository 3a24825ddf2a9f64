"""Rows that do not count alike: every engine, the analysis, the graph and the audit know their weights."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, SGDRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from slope.analysis import analyse, settle_rate
from slope.arrays import Array
from slope.data import prepare
from slope.engines.build import build
from slope.engines.groups.fused import Fused
from slope.engines.plan import plan
from slope.engines.reduction.partitioned import PartitionedData
from slope.graph.audit import EpochAudit
from slope.graph.step import StepTrace, batch_of
from slope.metrics import mean_huber_loss, metrics_of_rows
from slope.model import Parameters
from slope.records import EpochRecord
from slope.spec import TrainingSpec

RANDOM = np.random.default_rng(21)
ROWS = 24
X = RANDOM.normal(size=(ROWS, 3)) + np.array([0.0, 2.0, -1.0])
Y = X @ [1.0, -2.0, 0.5] + 3.0 + RANDOM.normal(size=ROWS)
COUNTS = RANDOM.integers(0, 4, ROWS)
"""Whole numbers, zero among them."""
WEIGHTS = RANDOM.exponential(size=ROWS)
AGAIN = np.repeat(np.arange(ROWS), COUNTS)
"""Each row as often as it counts."""


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"dtype": "float64", "epochs": 6, "learning_rate": 0.02} | hyperparameters)


def trained(
    x: Array, y: Array, spec: TrainingSpec, weights: Array | None = None, engine: str = "eager"
) -> list[EpochRecord]:
    run = build(engine, prepare(x, y, spec, weights), spec)
    return [record for block in run.blocks(until=spec.epochs) for record in block]


def flat(record: EpochRecord) -> Array:
    numbers = [record.loss, record.last_loss, record.validation_loss or 0.0]
    for each in (record.parameters, record.gradient_mean):
        numbers += [*(each.weights or ()), each.bias or 0.0]
    return np.array(numbers)


@pytest.mark.parametrize("engine", ["eager", "compiled", "reduced"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"optimizer": "adam"}, {"fit_bias": False}], ids=str)
def test_whole_numbers_are_rows_that_are_there_as_often(
    engine: str, standardize: bool, options: dict[str, Any]
) -> None:
    spec = spec_of(batch_size="full", standardize=standardize, **options)
    weighted = trained(X, Y, spec, COUNTS.astype(float), engine)
    repeated = trained(X[AGAIN], Y[AGAIN], spec, engine=engine)
    for one, other in zip(weighted, repeated, strict=True):
        assert flat(one) == pytest.approx(flat(other), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_other_losses_are_weighted_alike(loss: str) -> None:
    spec = spec_of(batch_size="full", loss=loss, huber_delta=0.7)
    for engine in ("eager",) if loss == "huber" else ("eager", "compiled"):
        weighted = trained(X, Y, spec, COUNTS.astype(float), engine)
        repeated = trained(X[AGAIN], Y[AGAIN], spec)
        assert flat(weighted[-1]) == pytest.approx(flat(repeated[-1]), rel=1e-12, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    batch_size=st.sampled_from([1, 5, "full"]),
    shuffle=st.booleans(),
    standardize=st.booleans(),
    fit_bias=st.booleans(),
    loss=st.sampled_from(["squared_error", "absolute_error"]),
    held_back=st.sampled_from([0.0, 0.25]),
    frozen=st.sampled_from([[], ["weights"]]),
)
def test_engines_agree(frozen: list[str], fit_bias: bool, held_back: float, **options: Any) -> None:
    if frozen and not fit_bias:
        frozen = []
    spec = spec_of(fit_bias=fit_bias, frozen=frozen, validation_fraction=held_back, **options)
    reference = trained(X, Y, spec, WEIGHTS)
    engines = ["compiled"]
    if spec.batch_size == "full" and spec.loss == "squared_error":
        engines.append("reduced")
    if not spec.shuffle and spec.loss == "squared_error":
        engines.append("composed")
    for engine in engines:
        for one, other in zip(trained(X, Y, spec, WEIGHTS, engine), reference, strict=True):
            assert flat(one) == pytest.approx(flat(other), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("batch_size", [1, 5, "full"])
def test_settings_of_a_sweep_know_the_weights(batch_size: Any) -> None:
    specs = {place: spec_of(batch_size=batch_size, l2=0.1 * place, validation_fraction=0.25) for place in range(2)}
    run = Fused(prepare(X, Y, specs[0], WEIGHTS), specs, 2)
    for _ in run.epochs():
        pass
    for place, spec in specs.items():
        last = trained(X, Y, spec, WEIGHTS)[-1].parameters
        assert run.parameters(place).is_close_to(last, 1e-9)


@pytest.mark.parametrize("shuffled", [False, True])
def test_row_by_row_the_gradient_is_multiplied_as_scikit_learn_does(shuffled: bool) -> None:
    order = RANDOM.permutation(ROWS) if shuffled else np.arange(ROWS)
    x, y, weights = X[order], Y[order], WEIGHTS[order] / WEIGHTS.mean()
    theirs = SGDRegressor(shuffle=False, tol=None, max_iter=6, penalty=None, learning_rate="constant", eta0=0.04)
    theirs.fit(x, y, sample_weight=weights)
    ours = trained(x, y, spec_of(batch_size=1), weights, "compiled")[-1].parameters
    assert ours.weights == pytest.approx(theirs.coef_, rel=1e-10)
    assert ours.bias == pytest.approx(theirs.intercept_[0], rel=1e-10)


def test_only_their_proportions_count() -> None:
    spec = spec_of(batch_size=4)
    small, large = (trained(X, Y, spec, factor * WEIGHTS)[-1] for factor in (1e-200, 1e200))
    assert flat(small) == pytest.approx(flat(large), rel=1e-12)


def test_data_read_in_parts_is_weighted_as_in_memory() -> None:
    spec = spec_of(batch_size="full", standardize=True, validation_fraction=0.25, test_fraction=0.25)

    def batches(part: range) -> list[Any]:
        return [tuple(each[part.start : part.stop] for each in (X, Y, WEIGHTS))]

    read = PartitionedData(batches, ROWS, 3, spec)
    halves = [read.reduce(range(start, start + 12), lambda: None) for start in (0, 12)]
    found, data = (halves[0] + halves[1]).reductions(spec), prepare(X, Y, spec, WEIGHTS)
    assert found.scaler
    assert data.scaler
    assert found.scaler.means == pytest.approx(data.scaler.means, rel=1e-12)
    assert found.scaler.deviations == pytest.approx(data.scaler.deviations, rel=1e-12)
    w, b = np.array([0.5, -1.0, 2.0]), 0.3
    roots = np.sqrt(data.weights)
    expected = np.square(roots * (data.x @ w + b - data.y)).sum()
    assert found.training.squared_error(w, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("standardize", [False, True])
def test_the_analysis_is_of_the_weighted_rows(standardize: bool) -> None:
    spec = spec_of(batch_size="full", standardize=standardize)
    found = analyse(prepare(X, Y, spec, COUNTS.astype(float)), spec)
    expected = analyse(prepare(X[AGAIN], Y[AGAIN], spec), spec)
    assert found
    assert expected
    assert found.exact
    assert expected.exact
    exact = LinearRegression().fit(X, Y, sample_weight=COUNTS)
    assert found.exact.weights == pytest.approx(exact.coef_, rel=1e-9)
    for name in ("r_squared", "condition_number", "max_stable_learning_rate"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
    assert found.exact.loss == pytest.approx(expected.exact.loss, rel=1e-9)


def test_a_rate_that_is_chosen_knows_the_weights() -> None:
    full, by_row = spec_of(batch_size="full", learning_rate="auto"), spec_of(batch_size=1, learning_rate="auto")
    weighted, repeated = prepare(X, Y, full, COUNTS.astype(float)), prepare(X[AGAIN], Y[AGAIN], full)
    assert settle_rate(weighted, full)[0].rate == pytest.approx(settle_rate(repeated, full)[0].rate, rel=1e-12)
    data = prepare(X, Y, by_row, WEIGHTS)
    longest = (data.weights * (np.square(X).sum(axis=1) + 1)).max()
    assert settle_rate(data, by_row)[0].rate == pytest.approx(1 / (2 * longest))


def test_the_metrics_are_scikit_learn_s_with_sample_weights() -> None:
    spec = spec_of(test_fraction=0.25)
    data, w = prepare(X, Y, spec, WEIGHTS), np.array([0.5, -1.0, 2.0])
    for x, y, weights in ((data.x, data.y, data.weights), (data.test_x, data.test_y, data.test_weights)):
        found = metrics_of_rows(x, y, w, 0.3, weights)
        predictions, shares = x @ w + 0.3, {"sample_weight": weights}
        assert found
        assert found.mean_squared_error == pytest.approx(mean_squared_error(y, predictions, **shares))
        assert found.mean_absolute_error == pytest.approx(mean_absolute_error(y, predictions, **shares))
        assert found.r_squared == pytest.approx(r2_score(y, predictions, **shares))
    each = [mean_huber_loss(data.x[i : i + 1], data.y[i : i + 1], w, 0.3, 0.7) or 0.0 for i in range(len(data.y))]
    found_huber = mean_huber_loss(data.x, data.y, w, 0.3, 0.7, data.weights)
    assert found_huber == pytest.approx(np.average(each, weights=data.weights))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("batch", [[3], [1, 3, 4]], ids=["one row", "three rows"])
def test_the_graph_of_a_step_shows_the_weights(loss: str, batch: list[int]) -> None:
    spec = spec_of(loss=loss)
    data = prepare(X, Y, spec, WEIGHTS)
    before = Parameters([0.5, -1.0, 2.0], 0.3)
    traced = StepTrace(spec, before, batch_of(data, spec, batch))
    graph = traced.graph(3)
    weights = [node for node in graph.nodes if (node.name or "").startswith("weight")]
    assert weights
    assert any(node.value == pytest.approx(data.weights[3]) for node in weights)
    assert "weight·" in graph.title
    w, b = (torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in (before.weights, before.bias))
    residuals = torch.tensor(data.x[batch]) @ w + b - torch.tensor(data.y[batch])
    losses = {
        "squared_error": residuals.square(),
        "absolute_error": residuals.abs(),
        "huber": torch.nn.functional.huber_loss(residuals, torch.zeros_like(residuals), reduction="none"),
    }[loss]
    (torch.tensor(data.weights[batch]) * losses).mean().backward()
    assert w.grad is not None
    assert traced.gradient.weights == pytest.approx(w.grad.tolist(), rel=1e-12)


def test_the_audit_of_an_epoch_adds_up_to_the_recorded_gradient() -> None:
    spec = spec_of(batch_size=5, epochs=1)
    data = prepare(X, Y, spec, WEIGHTS)
    run = build("eager", data, spec)
    [record] = [record for block in run.blocks(until=1) for record in block]
    audit = EpochAudit(data, spec)
    for step in record.steps:
        assert audit.add(step, list(range(5 * step.step, min(ROWS, 5 * step.step + 5))))
    found = audit.result(ROWS)
    assert found.difference <= found.tolerance
    assert len(found.contributions) == ROWS


def test_weighted_rows_under_huber_are_left_to_the_reference() -> None:
    spec = spec_of(loss="huber", batch_size=1, epochs=100_000)
    assert plan(spec, 1000, 3).engine == "compiled"
    assert plan(spec, 1000, 3, is_weighted=True).engine == "eager"
    assert plan(spec_of(batch_size=1, epochs=100_000, shuffle=True), 1000, 3, is_weighted=True).engine == "compiled"
