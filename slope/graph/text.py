"""The graph for a terminal: a tree from the result down to the leaves, and the chain rule next to every branch."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from slope.graph.figures import figure, title_of
from slope.graph.graph import Edge, Graph, Node, Numbers


class _Line(NamedTuple):
    tree: str
    operation: str
    back: str


def text_of(graph: Graph) -> str:
    lines = list(_Tree(graph).lines())
    widths = [max(len(line[column]) for line in lines) for column in (0, 1)]
    rows = [f"{line.tree:<{widths[0]}}  {line.operation:<{widths[1]}}  {line.back}".rstrip() for line in lines]
    key = "← gradient that arrives = local derivative × the gradient of what it goes into"
    return "\n".join([graph.title, "", *rows, "", *_sums(graph), *graph.notes, key]) + "\n"


class _Tree:
    def __init__(self, graph: Graph) -> None:
        self._nodes = {node.id: node for node in graph.nodes}
        self._result = graph.nodes[-1]
        self._into: dict[str, list[Edge]] = defaultdict(list)
        for edge in graph.edges:
            self._into[edge.target].append(edge)

    def lines(self) -> Iterator[_Line]:
        """Depth first; what is used more than once has its own branches the first time."""
        shown = {self._result.id}
        arriving = "" if self._result.upstream is None else f"← {figure(self._result.upstream)}"
        yield _Line(_value(self._result), self._result.operation, arriving)
        unfinished = [(edge, "") for edge in self._branches(self._result.id)]
        while unfinished:
            edge, indent = unfinished.pop()
            is_last = not unfinished or unfinished[-1][1] != indent
            node = self._nodes[edge.source]
            again = edge.source in shown and bool(self._into[edge.source])
            tree = f"{indent}{'└─ ' if is_last else '├─ '}{_value(node)}"
            yield _Line(tree, "above" if again else self._operation(node), self._back(edge))
            if not again:
                below = indent + ("   " if is_last else "│  ")
                unfinished += [(branch, below) for branch in self._branches(edge.source)]
            shown.add(edge.source)

    def _branches(self, target: str) -> list[Edge]:
        return list(reversed(self._into[target]))

    def _operation(self, node: Node) -> str:
        return "learns" if node.kind == "leaf" else "" if node.kind == "others" else node.operation

    def _back(self, edge: Edge) -> str:
        if edge.product is None:
            return ""
        if not isinstance(edge.local, float):
            return f"← {figure(edge.product)}"
        return f"← {figure(edge.product)} = {figure(edge.local)} × {_term(self._nodes[edge.target].upstream)}"


def _value(node: Node) -> str:
    title, value = title_of(node), figure(node.value)
    return value if title == value else f"{title} = {value}"


def _term(numbers: Numbers) -> str:
    """As it stands behind an operator."""
    term = figure(numbers)
    return f"({term})" if term.startswith("−") else term


def _sums(graph: Graph) -> Iterator[str]:
    """What comes together at every parameter."""
    for node in graph.nodes:
        if node.kind == "leaf":
            ways = [_term(edge.product) for edge in graph.edges if edge.source == node.id]
            terms = ways if node.grad_before is None else [*ways, f"{_term(node.grad_before)} from before"]
            total = f"{title_of(node)}.grad = {figure(node.grad)}"
            yield " = ".join([total, " + ".join(terms)]) if len(terms) > 1 else total
