"""The graph in the language of Mermaid, which GitHub and many notebooks draw."""

from collections.abc import Iterator

from slope.graph.figures import figure, title_of
from slope.graph.graph import Edge, Graph, Node
from slope.palette import THEMES


def mermaid_of(graph: Graph) -> str:
    """A flowchart from left to right."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield f"---\ntitle: {_quoted(graph.title)}\n---"
    yield "flowchart LR"
    yield f"  accTitle: {graph.title}"
    yield "  accDescr: → is the value of the forward pass, ← the gradient that arrives, ∂ the local derivative"
    for node in graph.nodes:
        yield f"  {node.id}{_shape(node)}:::{node.kind}"
    for edge in graph.edges:
        yield f"  {edge.source} {_way(edge)} {edge.target}"
    colours = THEMES["light"]
    yield f"  classDef leaf fill:{colours.learns},stroke:{colours.learns_border},stroke-width:3px,color:{colours.ink}"
    yield "  classDef constant stroke-dasharray:4 4"
    yield "  classDef operation,others stroke-width:1px"


def _shape(node: Node) -> str:
    """Parameters and constants in boxes, operations in round ones."""
    lines = [f"<b>{_text(title_of(node))}</b>"]
    if title_of(node) != figure(node.value):
        lines.append(f"→ {_text(figure(node.value))}")
    if node.upstream is not None:
        lines.append(f"<i>← {_text(figure(node.upstream))}</i>")
    label = f'"{"<br/>".join(lines)}"'
    return f"({label})" if node.kind == "operation" else f"[{label}]"


def _way(edge: Edge) -> str:
    """Broken where a gradient flows back."""
    if edge.product is None:
        return "-->"
    local = "" if edge.local is None else f"∂ {figure(edge.local)}<br/>"
    return f'-.->|"{local}<i>← {figure(edge.product)}</i>"|'


def _text(text: str) -> str:
    """Without what Mermaid or the browser would take for its own."""
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("|", "#124;")):
        text = text.replace(character, entity)
    return text


def _quoted(text: str) -> str:
    """As YAML takes it, whatever it has in it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
