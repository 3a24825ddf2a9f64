"""The graph of any computation: what autograd does, and nothing beside it."""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from slope.expression import FUNCTIONS, names_in, parse
from slope.graph import Graph, Node, Summary, Untraceable, trace
from slope.graph.formula import graph_of


def node(graph: Graph, name: str) -> Node:
    [found] = [node for node in graph.nodes if name in (node.name, node.operation)]
    return found


def ways(graph: Graph) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Local derivative and product of every edge, by what it joins."""
    names = {node.id: node.name or node.operation for node in graph.nodes}
    return {(names[edge.source], names[edge.target]): (edge.local, edge.product) for edge in graph.edges}


def test_the_lecture_s_graph() -> None:
    graph = graph_of("(x*w - y)**2", {"x": 1.0, "w": 1.0, "y": 2.0}, ["w"])
    assert graph.loss == 1
    assert [(node.operation, node.value, node.upstream) for node in graph.nodes] == [
        ("constant", 1, None),
        ("parameter", 1, -2),
        ("multiply", 1, -2),
        ("constant", 2, None),
        ("subtract", -1, -2),
        ("square", 1, 1),
    ]
    assert ways(graph) == {
        ("x", "multiply"): (None, None),
        ("w", "multiply"): (1, -2),
        ("multiply", "subtract"): (1, -2),
        ("y", "subtract"): (None, None),
        ("subtract", "square"): (-2, -2),
    }
    assert node(graph, "w").grad == -2
    assert [node.name for node in graph.nodes if node.requires_grad and node.kind == "leaf"] == ["w"]


def test_a_node_multiplies_what_arrives_from_above_by_its_local_gradients() -> None:
    graph = graph_of("x*y", {"x": 2.0, "y": 3.0}, upstream=5.0)
    assert ways(graph) == {("x", "multiply"): (3, 15), ("y", "multiply"): (2, 10)}
    assert (node(graph, "x").grad, node(graph, "y").grad) == (15, 10)


# Random formulas, each as text and as the torch program that it stands for.

Program = Callable[[Mapping[str, Tensor]], Tensor]
VALUES = {"a": 0.7, "b": -1.3, "c": 2.1}
OF_TWO = {"max": torch.maximum, "min": torch.minimum}
ELSEWHERE: dict[str, Callable[..., Tensor]] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "softplus": lambda x: functional.softplus(x, threshold=700),
}
UNARY = {name: ELSEWHERE.get(name) or getattr(torch, name) for name in sorted(FUNCTIONS.keys() - OF_TWO.keys())}
BINARY = {"+": torch.add, "-": torch.sub, "*": torch.mul, "/": torch.div}


def _of_name(name: str) -> tuple[str, Program]:
    return name, lambda names: names[name]


def _of_number(number: float) -> tuple[str, Program]:
    return repr(number), lambda names: torch.tensor(number, dtype=torch.float64)


def _of_function(inner: tuple[str, Program], name: str) -> tuple[str, Program]:
    return f"{name}({inner[0]})", lambda names: UNARY[name](inner[1](names))


def _of_operator(left: tuple[str, Program], sign: str, right: tuple[str, Program]) -> tuple[str, Program]:
    return f"({left[0]}{sign}{right[0]})", lambda names: BINARY[sign](left[1](names), right[1](names))


def _of_two(left: tuple[str, Program], name: str, right: tuple[str, Program]) -> tuple[str, Program]:
    return f"{name}({left[0]}, {right[0]})", lambda names: OF_TWO[name](left[1](names), right[1](names))


def _of_power(inner: tuple[str, Program], power: int) -> tuple[str, Program]:
    return f"({inner[0]})**{power}", lambda names: torch.pow(inner[1](names), power)


def programs() -> st.SearchStrategy[tuple[str, Program]]:
    atoms = st.one_of(st.sampled_from([*VALUES]).map(_of_name), st.floats(0.1, 3).map(_of_number))
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds(_of_operator, inner, st.sampled_from([*BINARY]), inner),
            st.builds(_of_function, inner, st.sampled_from([*UNARY])),
            st.builds(_of_two, inner, st.sampled_from([*OF_TWO]), inner),
            st.builds(_of_power, inner, st.integers(-3, 4)),
        ),
        max_leaves=12,
    )


@given(programs(), st.floats(-3, 3))
def test_every_gradient_is_autograd_s_and_the_products_of_every_node_add_up(
    program: tuple[str, Program], upstream: float
) -> None:
    text, compute = program
    names = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in VALUES.items()}
    result = compute(names)
    used = [name for name in VALUES if name in names_in(parse(text))]
    graph = graph_of(text, {name: VALUES[name] for name in used}, upstream=upstream)
    assert same(graph.loss, result.item())
    if used:
        above = torch.tensor(upstream, dtype=torch.float64)
        expected = torch.autograd.grad(result, [names[name] for name in used], above)
        for name, gradient in zip(used, expected, strict=True):
            assert same(node(graph, name).grad, gradient.item())
    _adds_up(graph)


MORE_OPERATIONS = """
    c = a + b;  d = a*b + b**3
    c += c + 1
    c += 1 + c - a
    d += 2*d + relu(a + b)
    d += 3*d + relu(b - a)
    e = c - d;  f = e**2
    g = f/2;    g += 10/f
    g
"""


def test_a_program_of_results_with_names_is_followed_as_micrograd_s_own_test_is() -> None:
    graph = graph_of(MORE_OPERATIONS, {"a": -4.0, "b": 2.0})
    assert graph.loss == pytest.approx(24.70408163265306, rel=1e-14)
    assert node(graph, "a").grad == pytest.approx(138.83381924198252, rel=1e-14)
    assert node(graph, "b").grad == pytest.approx(645.5772594752186, rel=1e-14)
    assert [each.name for each in graph.nodes if each.name and each.kind == "operation"] == [*"ccc", *"ddd", *"efgg"]
    _adds_up(graph)


@given(
    st.lists(
        st.tuples(st.sampled_from("uvwa"), st.sampled_from(["=", "+=", "-=", "*="]), programs()), min_size=1, max_size=6
    )
)
def test_statements_come_to_what_torch_comes_to_one_after_another(
    statements: list[tuple[str, str, tuple[str, Program]]],
) -> None:
    text = "; ".join(
        ["u = a + b", "v = u*u", "w = -v", *(f"{name} {sign} {each[0]}" for name, sign, each in statements)]
    )
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in VALUES.items()}
    names = leaves | {"u": leaves["a"] + leaves["b"]}
    names |= {"v": names["u"] * names["u"]}
    names |= {"w": -names["v"]}
    for name, sign, (_, compute) in statements:
        value = compute(names)
        names[name] = value if sign == "=" else BINARY[sign[0]](names[name], value)
    result = names[statements[-1][0]]

    graph = graph_of(text, {name: VALUES[name] for name in names_in(parse(text))})
    assert same(graph.loss, result.item())
    found = {each.name: each.grad for each in graph.nodes if each.kind == "leaf"}
    if result.requires_grad:
        expected = torch.autograd.grad(result, [*leaves.values()], allow_unused=True)
        for name, gradient in zip(leaves, expected, strict=True):
            assert same(found.get(name), None if gradient is None else gradient.item())
    _adds_up(graph, in_order=False)


def test_a_result_that_is_used_again_is_one_node_however_often() -> None:
    graph = graph_of("y = x; " + "y *= y; " * 200, {"x": 1.0})
    assert (len(graph.nodes), len(graph.edges)) == (201, 400)
    assert node(graph, "x").grad == 2.0**200


def test_a_value_that_overflows_on_its_way_is_told_with_what_does_not() -> None:
    naive, right = (graph_of(text, {"x": 800.0}) for text in ("log(1 + exp(x))", "softplus(x)"))
    assert "write softplus(x)" in naive.notes[0]
    assert (right.loss, node(right, "x").grad, right.notes) == (800, 1, [])


@pytest.mark.parametrize("x", [-800.0, -40.0, -1e-9, 0.0, 1.0, 19.9, 20.1, 36.0, 700.0, 710.0, 1e300])
def test_softplus_has_all_digits(x: float) -> None:
    graph = graph_of("softplus(x)", {"x": x})
    assert graph.loss == pytest.approx(max(x, 0) + math.log1p(math.exp(-abs(x))), rel=4e-16)
    assert node(graph, "x").grad == pytest.approx(1 / (1 + math.exp(-x)) if x > -700 else 0, rel=1e-15)


def test_of_many_values_that_are_not_finite_a_few_are_noted() -> None:
    graph = graph_of("y = 10*x; " + "y *= y; " * 200, {"x": 1.0})
    assert len(graph.notes) == 6
    assert graph.notes[-1].startswith("Nor are ")


def _adds_up(graph: Graph, *, in_order: bool = True) -> None:
    """To the bit: added in the order in which autograd goes back through the operations.

    Of statements that order is not that of the nodes: a result may be computed long before it is used.
    """
    places = {node.id: place for place, node in enumerate(graph.nodes)}
    result = graph.nodes[-1]
    for each in graph.nodes:
        edges = [edge for edge in graph.edges if edge.source == each.id and edge.product is not None]
        edges.sort(key=lambda edge: -places[edge.target])  # stable: the operands of one operation in their order
        if each.requires_grad and each is not result:
            products = [edge.product for edge in edges]
            assert same(reduce(add, products), each.upstream) or (not in_order and _rounded(products, each.upstream))
        for edge in edges:
            above = graph.nodes[places[edge.target]].upstream
            assert isinstance(above, float)
            assert isinstance(edge.local, float)
            if math.isfinite(edge.local * above):
                assert edge.product == pytest.approx(edge.local * above, rel=1e-12, abs=1e-300)


def _rounded(products: list[float], total: float) -> bool:
    """Whether it is their sum in another order."""
    return math.isfinite(total) and total == pytest.approx(
        math.fsum(products), abs=1e-13 * max(map(abs, products), default=0.0), rel=0
    )


def same(mine: Any, other: Any) -> bool:
    return mine == other or (mine != mine and other != other)


def test_a_notebook_s_loss_is_traced_by_its_function_with_nothing_missing() -> None:
    x, y, w = torch.tensor(3.0), torch.tensor(6.0), torch.tensor(1.0, requires_grad=True)
    graph = trace(lambda: (x * w - y) ** 2, names={"x": x, "y": y, "w": w})
    assert [node.value for node in graph.nodes] == [3, 1, 3, 6, -3, 9]
    assert (node(graph, "w").grad, w.grad) == (-18, torch.tensor(-18.0))


def test_of_a_loss_that_is_there_the_graph_has_what_autograd_kept_and_what_is_named() -> None:
    x, y, w = torch.tensor(3.0), torch.tensor(6.0), torch.tensor(1.0, requires_grad=True)
    prediction = x * w
    graph = trace((prediction - y) ** 2, names={"x": x, "w": w, "s": prediction})
    assert [(node.name, node.value) for node in graph.nodes] == [
        ("x", 3),
        ("w", 1),
        ("s", 3),
        (None, -3),
        (None, 9),
    ]
    unnamed = trace(((x * w) - y) ** 2)
    assert [node.value for node in unnamed.nodes] == [3, 1, None, -3, 9]
    assert "unknown" in unnamed.text()


def test_tracing_is_back_propagating_and_gradients_accumulate() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    first = trace(lambda: w**2, names={"w": w})
    second = trace(lambda: w**3, names={"w": w})
    assert (node(first, "w").grad_before, node(first, "w").grad) == (None, 4)
    assert (node(second, "w").grad_before, node(second, "w").upstream, node(second, "w").grad) == (4, 12, 16)
    assert first.notes == []
    assert "nobody had set it to zero" in second.notes[0]
    assert w.grad == torch.tensor(16.0)


def test_a_graph_that_autograd_has_let_go_of_is_told_in_a_sentence() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    loss = (w * 3) ** 2
    loss.backward()
    with pytest.raises(Untraceable, match="in the place of"):
        trace(loss)


def test_a_loss_of_several_numbers_cannot_be_traced() -> None:
    with pytest.raises(Untraceable, match="has 2"):
        trace(torch.ones(2, requires_grad=True) * 2)


def test_many_numbers_are_summarised() -> None:
    w = torch.tensor([1.0, -2.0, 2.0], requires_grad=True)
    graph = trace(lambda: (w * 2).square().sum(), names={"w": w})
    assert node(graph, "w").value == Summary(3, -2, 2, 3)
    assert node(graph, "w").grad == Summary(3, -16, 16, 24)
    assert node(graph, "w").shape == [3]
    assert ways(graph)["w", "multiply"] == (Summary(3, 2, 2, pytest.approx(12**0.5)), Summary(3, -16, 16, 24))


def test_a_parameter_alone_and_a_formula_without_any_have_graphs_too() -> None:
    alone = graph_of("w", {"w": 3.0}, upstream=2.0)
    assert [(node.name, node.value, node.grad) for node in alone.nodes] == [("w", 3, 2)]
    constant = graph_of("2*x + 1", {"x": 3.0}, [])
    assert [node.value for node in constant.nodes] == [2, 3, 6, 1, 7]
    assert {node.upstream for node in constant.nodes} == {None}
    assert {edge.product for edge in constant.edges} == {None}


def test_something_multiplied_by_itself_sends_its_gradient_both_ways() -> None:
    graph = graph_of("x*x", {"x": 3.0})
    assert [(edge.local, edge.product) for edge in graph.edges] == [(3, 3), (3, 3)]
    assert node(graph, "x").grad == 6


def test_a_graph_deeper_than_python_may_call_is_walked() -> None:
    w = torch.tensor(1.0, requires_grad=True)

    def loss() -> Tensor:
        result = w * 1
        for _ in range(3000):
            result = result + 1
        return result

    graph = trace(loss, names={"w": w})
    assert (graph.loss, node(graph, "w").grad) == (3001, 1)
    assert graph.text().count("\n") > 3000


def test_numbers_that_are_not_finite_are_told_of() -> None:
    graph = graph_of("log(x) + exp(y)", {"x": 0.0, "y": 1000.0})
    assert [note.partition(" is")[0] for note in graph.notes] == [
        "The gradient that arrives at x",
        "The value of logarithm",
        "The gradient that arrives at y",
        "The value of exponential",
        "The value of add",
    ]


def test_operations_of_a_library_s_layers_are_followed_by_their_nodes() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(3, 1), torch.ones(2, 3)
    graph = trace(lambda: torch.nn.functional.mse_loss(layer(x), torch.zeros(2, 1)), {"w": layer.weight})
    expected = torch.autograd.grad(layer(x).square().mean(), layer.weight)[0]
    gradient = node(graph, "w").grad
    assert isinstance(gradient, Summary)
    assert gradient.norm == pytest.approx(expected.double().norm().item(), rel=1e-6)
    assert graph.nodes[-1].operation == "mean squared error"
