"""Numbers as a picture or a terminal shows them; the JSON has every digit."""

from slope.graph.graph import Edge, Graph, Node, Numbers, Summary


def figure(numbers: Numbers) -> str:
    """Six significant digits, and the range of many numbers."""
    if isinstance(numbers, Summary):
        least, most = figure(numbers.minimum), figure(numbers.maximum)
        return f"each {least}" if least == most else f"{least} … {most}"
    return "unknown" if numbers is None else f"{numbers:.6g}".replace("-", "−")


def title_of(node: Node) -> str:
    """What a node is called, and the operation where it is not plain from that."""
    if node.kind == "others":
        return node.operation
    return node.name or node.symbol or figure(node.value)


def sentences_of(graph: Graph) -> dict[Node | Edge, str]:
    """What a listener hears of every node and edge, in the order of the forward pass."""
    names = {node.id: title_of(node) for node in graph.nodes}
    found: dict[Node | Edge, str] = {node: _of_node(node) for node in graph.nodes}
    return found | {edge: _of_edge(edge, names) for edge in graph.edges}


def _of_node(node: Node) -> str:
    what = "" if node.kind in ("leaf", "others") or node.operation == "constant" else f" ({node.operation})"
    learns = ", which learns," if node.kind == "leaf" else ""
    back = "" if node.upstream is None else f"; the gradient that arrives is {figure(node.upstream)}"
    left = "" if node.grad_before is None else f", and with what was left before {figure(node.grad)} is in its .grad"
    return f"{title_of(node)}{what}{learns} is {figure(node.value)}{back}{left}."


def _of_edge(edge: Edge, names: dict[str, str]) -> str:
    way = f"From {names[edge.source]} to {names[edge.target]}"
    if edge.product is None:
        return f"{way}: no gradient flows back."
    local = "" if edge.local is None else f"the local derivative is {figure(edge.local)}; "
    return f"{way}: {local}{figure(edge.product)} flows back."
