"""The graph of a step is that of its own loss, and takes an epoch's gradient apart without a remainder."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slope.data import RowsOfSteps, TrainingData, prepare
from slope.graph import Graph, Node, Summary
from slope.graph.audit import Audit, EpochAudit
from slope.graph.step import StepTrace, after_update, batch_of
from slope.loop import Training
from slope.model import Parameters
from slope.records import StepRecord
from slope.spec import TrainingSpec

random = np.random.default_rng(11)
X, Y = random.normal(size=(13, 4)), random.normal(size=13)

SPECS: list[dict[str, Any]] = [
    {},
    {"l2": 0.1, "l1": 0.3},
    {"standardize": True, "shuffle": True, "dtype": "float64", "seed": 5},
    {"frozen": ["weights"]},
    {"frozen": ["bias"], "l1": 0.1},
    {"l1": 0.1, "l2": 0.2, "optimizer": {"name": "sgd", "l1_step": "proximal"}},
    {"fit_bias": False},
    {"validation_fraction": 0.3, "optimizer": {"name": "adam"}},
    {"zero_gradients": "epoch", "l2": 0.1},
    {"zero_gradients": "never"},
    {"zero_gradients": "never", "clip_norm": 0.3},
]


class Run:
    """A job that has been trained, with what the service would have recorded of it."""

    def __init__(self, x: Any = X, y: Any = Y, **settings: Any) -> None:
        self.spec = TrainingSpec.model_validate({"epochs": 3, "learning_rate": 0.05} | settings)
        self.data: TrainingData = prepare(x, y, self.spec)
        self.rows = len(y)
        self.epochs = [record.steps for record in Training(self.data, self.spec).epochs()]

    def rows_of(self, step: StepRecord) -> list[int]:
        return RowsOfSteps(self.rows, self.spec, step.epoch)[step.step]

    def left_before(self, step: StepRecord) -> Parameters | None:
        """What is in `.grad` when the step begins."""
        steps = [step for epoch in self.epochs for step in epoch]
        place = steps.index(step)
        zero = self.spec.zero_gradients
        if zero == "step" or place == 0 or (zero == "epoch" and step.step == 0):
            return None
        return after_update(self.spec, steps[place - 1].parameters, steps[place - 1].gradient)

    def trace(self, step: StepRecord) -> StepTrace:
        batch = batch_of(self.data, self.spec, self.rows_of(step))
        return StepTrace(self.spec, step.parameters, batch, self.left_before(step))

    def audit(self, epoch: int, limit: int = 1000) -> Audit:
        steps = self.epochs[epoch]
        audit = EpochAudit(self.data, self.spec, self.left_before(steps[0]))
        for step in steps:
            assert audit.add(step, self.rows_of(step))
        return audit.result(limit)


def leaves(graph: Graph) -> dict[str, Node]:
    return {node.name or "": node for node in graph.nodes if node.kind == "leaf"}


def flat(parameters: Parameters) -> list[float]:
    return [*(parameters.weights or []), *([] if parameters.bias is None else [parameters.bias])]


@pytest.mark.parametrize("settings", SPECS, ids=repr)
@pytest.mark.parametrize("batch_size", [1, 4, "full"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_every_step_leaves_the_recorded_gradient_to_the_bit(loss: str, batch_size: Any, settings: Any) -> None:
    run = Run(loss=loss, batch_size=batch_size, **settings)
    for step in (step for epoch in run.epochs for step in epoch):
        trace = run.trace(step)
        assert (trace.loss, trace.gradient) == (step.loss, step.gradient)
        grads = [leaf.grad for leaf in leaves(trace.graph(run.rows_of(step)[-1])).values()]
        assert grads == flat(step.gradient)
        assert trace.gradient == step.gradient  # drawing adds nothing to it


@pytest.mark.parametrize("settings", SPECS, ids=repr)
@pytest.mark.parametrize("batch_size", [1, 4, "full"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_at_every_node_of_a_step_the_ways_add_up(loss: str, batch_size: Any, settings: Any) -> None:
    run = Run(loss=loss, batch_size=batch_size, **settings)
    step = run.epochs[-1][-1]
    graph = run.trace(step).graph(run.rows_of(step)[0])
    nodes = {node.id: node for node in graph.nodes}
    for node in graph.nodes[:-1]:
        products = [edge.product for edge in graph.edges if edge.source == node.id]
        if isinstance(node.upstream, float):
            assert node.upstream == pytest.approx(sum(products), rel=1e-4, abs=1e-6)  # type: ignore[arg-type]
    for edge in graph.edges:
        above = nodes[edge.target].upstream
        if isinstance(edge.local, float) and isinstance(above, float):
            assert edge.product == pytest.approx(edge.local * above, rel=1e-5, abs=1e-9)


def test_the_lecture_s_step(lecture: dict[str, Any]) -> None:
    x, y = np.array(lecture["x"])[:, None], np.array(lecture["y"])
    run = Run(x, y, epochs=10, learning_rate=0.01, fit_bias=False, initial_weights=[1.0])
    for epoch, record in zip(run.epochs, lecture["records"], strict=True):
        for step, expected in zip(epoch, record["steps"], strict=True):
            graph = run.trace(step).graph(step.step)
            assert leaves(graph)["w"].grad == expected["gradient"]
    first = run.trace(run.epochs[0][0]).graph(0)
    assert [(node.name, node.operation, node.value, node.upstream) for node in first.nodes] == [
        ("x", "constant", 1, None),
        ("w", "parameter", 1, -2),
        ("ŷ", "multiply", 1, -2),
        ("y", "constant", 2, None),
        ("ŷ − y", "subtract", -1, -2),
        ("loss", "square", 1, 1),
    ]
    assert [(edge.local, edge.product) for edge in first.edges if edge.product] == [(1, -2), (1, -2), (-2, -2)]
    assert first.title == "loss = (ŷ − y)², with ŷ = x·w"


def test_of_a_batch_one_row_is_shown_and_the_others_together() -> None:
    run = Run(batch_size="full", l2=0.1)
    step = run.epochs[0][0]
    trace = run.trace(step)
    for row in (0, 7):
        graph = trace.graph(row)
        shown = {node.name: node for node in graph.nodes}
        assert [shown[f"x[{feature}]"].value for feature in range(4)] == X[row].astype(np.float32).tolist()
        assert shown["y"].value == np.float32(Y[row])
        [others] = [node for node in graph.nodes if node.kind == "others"]
        assert others.operation == "the other 12 rows"
        assert isinstance(others.value, Summary)
        assert others.value.count == 12
        w2 = shown["w[2]"]
        sources = {edge.target: edge.product for edge in graph.edges if edge.source == w2.id}
        assert len(sources) == 3  # the row's own way, the others', and the penalty's
        assert others.id in sources


def test_the_local_derivative_of_a_weight_is_its_feature() -> None:
    run = Run(batch_size=4)
    graph = run.trace(run.epochs[0][0]).graph(2)
    names = {node.id: node.name for node in graph.nodes}
    locals_ = {names[edge.source]: edge.local for edge in graph.edges if names[edge.target] == "x·w"}
    assert [locals_[f"w[{feature}]"] for feature in range(4)] == X[2].astype(np.float32).tolist()
    assert locals_["x[0]"] is None


def test_of_many_features_the_three_that_are_moved_most_are_shown_or_those_that_are_asked_for() -> None:
    x, y = random.normal(size=(20, 30)), random.normal(size=20)
    run = Run(x, y, batch_size="full")
    step = run.epochs[0][0]
    largest = np.argsort(-np.abs(step.gradient.weights or []))[:3]
    trace = run.trace(step)
    assert set(leaves(trace.graph(0))) == {*(f"w[{feature}]" for feature in largest), "the other 27 of w", "b"}
    asked = leaves(trace.graph(0, [4, 17]))
    assert set(asked) == {"w[4]", "w[17]", "the other 28 of w", "b"}
    assert asked["w[17]"].grad == (step.gradient.weights or [])[17]
    rest = asked["the other 28 of w"].grad
    assert isinstance(rest, Summary)
    without = np.delete(step.gradient.weights or [], [4, 17])
    assert (rest.count, rest.minimum, rest.maximum) == (28, without.min(), without.max())
    assert rest.norm == pytest.approx(np.linalg.norm(without))


def test_what_is_frozen_is_a_constant_and_no_gradient_goes_there() -> None:
    run = Run(frozen=["weights"])
    graph = run.trace(run.epochs[0][0]).graph(0)
    assert set(leaves(graph)) == {"b"}
    frozen = [node for node in graph.nodes if (node.tensor or node.name) == "w"]
    assert len(frozen) == 4
    assert all((node.kind, node.upstream, node.grad) == ("constant", None, None) for node in frozen)


def test_what_was_left_in_grad_is_told_and_added_to() -> None:
    run = Run(np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.0]), zero_gradients="never", fit_bias=False)
    first, second = run.epochs[0][:2]
    graph = run.trace(second).graph(1)
    w = leaves(graph)["w"]
    assert isinstance(w.upstream, float)
    assert [w.grad_before] == first.gradient.weights
    assert [w.grad] == second.gradient.weights == [np.float32(w.grad_before) + np.float32(w.upstream)]
    assert len(graph.notes) == 1


@pytest.mark.parametrize("settings", SPECS, ids=repr)
@pytest.mark.parametrize("batch_size", [1, 4, "full"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_the_contributions_of_an_epoch_s_rows_add_up_to_its_gradient(loss: str, batch_size: Any, settings: Any) -> None:
    run = Run(loss=loss, batch_size=batch_size, **settings)
    for epoch, steps in enumerate(run.epochs):
        audit = run.audit(epoch)
        assert audit.difference <= audit.tolerance < 1e-3
        recorded = np.mean([flat(step.gradient) for step in steps], axis=0)
        assert flat(audit.recorded) == pytest.approx(recorded)
        parts = [each.gradient for each in audit.contributions]
        parts += [audit.others, audit.penalties, audit.left_before]
        assert np.sum([flat(part) for part in parts], axis=0) == pytest.approx(recorded, rel=1e-4, abs=1e-5)
        assert sorted(each.row for each in audit.contributions) == run.data.rows.tolist()
        norms = [each.norm for each in audit.contributions]
        assert norms == sorted(norms, reverse=True)


SIZES = st.sampled_from([5e-324, 1.5e-323, 3e-320, 1e-310, 1e-300, 1.4e-45, 1e-40, 1e-20, 1.0, 1e15])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["squared_error", "absolute_error", "huber"]),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1, 2, "full"]),
    st.sampled_from(["step", "never"]),
    SIZES,
    SIZES,
    SIZES,
)
@example("huber", "float64", 1, "step", 5e-324, 1.0, 1.0)
def test_numbers_below_the_normal_ones_add_up_to_what_their_rounding_allows(
    loss: str, dtype: str, batch_size: Any, zero_gradients: str, huber_delta: float, of_x: float, of_y: float
) -> None:
    options = {"loss": loss, "dtype": dtype, "batch_size": batch_size, "zero_gradients": zero_gradients}
    x, y = np.array([[1.0, 0.3], [2.0, 0.7], [3.0, -5.0]]) * of_x, np.array([2.0, 4.0, 6.0]) * of_y
    run = Run(x, y, huber_delta=huber_delta, learning_rate=1e-40, **options)
    for epoch in range(3):
        audit = run.audit(epoch)
        assert audit.difference <= audit.tolerance
        moved = sum(each.norm for each in audit.contributions) + math.hypot(*flat(audit.left_before))
        assert audit.tolerance <= max(1e-4 * moved, 1e-300 if dtype == "float64" else 1e-25)


def test_a_record_that_autograd_does_not_bear_out_is_found_by_trace_and_audit() -> None:
    run = Run(batch_size="full", epochs=1)
    [[step]] = run.epochs
    weights = [*(step.gradient.weights or [])]
    for change, is_rounding in ((1e-6, True), (0.5, False)):
        other = step._replace(gradient=Parameters([weights[0] + change, *weights[1:]], step.gradient.bias))
        for to_the_bit in (True, False):
            expected = is_rounding and not to_the_bit
            assert run.trace(step).bears_out(other.gradient, to_the_bit=to_the_bit) is expected
            audit = EpochAudit(run.data, run.spec)
            assert audit.add(other, run.rows_of(step), to_the_bit=to_the_bit) is expected
    assert not run.trace(step).bears_out(Parameters(weights, None), to_the_bit=False)


def test_the_shares_of_all_rows_add_up_to_one_and_the_rest_is_summed() -> None:
    run = Run(batch_size=4)
    whole, few = run.audit(1), run.audit(1, limit=5)
    assert math.fsum(each.share or 0 for each in whole.contributions) == pytest.approx(1, abs=1e-5)
    assert few.contributions == whole.contributions[:5]
    assert few.others_count == 8
    rest = np.sum([flat(each.gradient) for each in whole.contributions[5:]], axis=0)
    assert flat(few.others) == pytest.approx(rest)


def test_the_row_that_moved_the_model_most_is_the_one_that_is_far_off() -> None:
    y = X @ [1.0, 2.0, 3.0, 4.0]
    y[6] += 50
    audit = Run(X, y, batch_size="full", epochs=1).audit(0, limit=1)
    assert audit.contributions[0].row == 6
    assert (audit.contributions[0].share or 0) > 0.5
