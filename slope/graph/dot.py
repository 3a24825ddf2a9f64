"""The graph in the language of Graphviz, drawn as a textbook draws it."""

from collections import defaultdict
from collections.abc import Iterator
from html import escape

from slope.graph.figures import figure, title_of
from slope.graph.graph import Edge, Graph, Node
from slope.palette import THEMES, Palette

FONT = "DejaVu Sans"
"""Wider than most: who lacks it sees its text in another, with room to spare."""

_MANY = 150
_LONG = 1_000
"""Of more nodes, or of longer edges, the arrows are straight and less is tried to keep them apart."""
_IN_HASTE = "splines=line; mclimit=0.2; nslimit=0.02; nslimit1=2"
LONGEST = 12_000
"""A graph whose edges are longer together is not drawn: Graphviz would take minutes."""

_ROOM = '<BR/><FONT POINT-SIZE="5"> </FONT>'
"""Below the numbers at an arrow, so that they do not stand on it."""

_TABLE_OF = 3
"""From this many on, the numbers of one tensor are drawn as the rows of a table."""


def dot_of(graph: Graph, theme: str) -> str:
    """A program for `dot`. Its nodes and edges have the ids that `pieces_of` tells."""
    return "\n".join(_Drawing(graph, THEMES[theme]).lines()) + "\n"


def length_of_edges(graph: Graph) -> int:
    """How many columns of nodes all edges together pass by: Graphviz finds a way through each of them."""
    sources: dict[str, list[str]] = defaultdict(list)
    targets: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        sources[edge.target].append(edge.source)
        targets[edge.source].append(edge.target)
    missing = {node.id: len(sources[node.id]) for node in graph.nodes}
    columns = {node.id: 0 for node in graph.nodes}
    ready = [name for name, count in missing.items() if not count]
    while ready:
        name = ready.pop()
        for target in targets[name]:
            columns[target] = max(columns[target], columns[name] + 1)
            missing[target] -= 1
            ready += [target] * (not missing[target])
    return sum(max(columns[edge.target] - columns[edge.source] - 1, 0) for edge in graph.edges)


def pieces_of(graph: Graph) -> dict[str, list[Node | Edge]]:
    """What each node and edge of the drawing stands for, by its id."""
    drawn: dict[str, list[Node | Edge]] = defaultdict(list)
    tables = _tables(graph)
    ends = {member.id: name for name, members in tables.items() for member in members}
    for node in graph.nodes:
        drawn[ends.get(node.id, node.id)].append(node)
    for number, edge in enumerate(graph.edges):
        # Where nothing flows back, the numbers of a table go one way together.
        one = f"e{number}" if edge.product is not None else f"{ends.get(edge.source, edge.source)}_{edge.target}"
        drawn[one].append(edge)
    return dict(drawn)


def _tables(graph: Graph) -> dict[str, list[Node]]:
    members = defaultdict(list)
    for node in graph.nodes:
        if node.tensor:
            members[f"all_{node.tensor}"].append(node)
    return {name: nodes for name, nodes in members.items() if len(nodes) >= _TABLE_OF}


class _Drawing:
    def __init__(self, graph: Graph, palette: Palette) -> None:
        self._graph = graph
        self._palette = palette
        self._pieces = pieces_of(graph)
        self._table_of = {
            node.id: name
            for name, pieces in self._pieces.items()
            for node in pieces
            if isinstance(node, Node) and name != node.id
        }

    def lines(self) -> Iterator[str]:
        colours = self._palette
        yield "digraph {"
        yield f'  rankdir=LR; ranksep=0.6; nodesep=0.25; pad=0.2; bgcolor="{colours.background}"; fontname="{FONT}"'
        if len(self._graph.nodes) > _MANY or length_of_edges(self._graph) > _LONG:
            yield f"  {_IN_HASTE}"
        yield f'  label=<{self._legend()}>; labelloc=b; labeljust=l; fontcolor="{colours.faint}"; fontsize=10'
        yield f'  node [shape=plain, fontname="{FONT}", fontsize=12, fontcolor="{colours.ink}"]'
        yield f'  edge [fontname="{FONT}", fontsize=10, color="{colours.line}", arrowsize=0.7]'
        yield "  subgraph cluster_picture {"
        yield f'    label=<{self._title()}>; labelloc=t; labeljust=l; penwidth=0; fontcolor="{colours.ink}"'
        for name, pieces in self._pieces.items():
            nodes = [piece for piece in pieces if isinstance(piece, Node)]
            if nodes:
                yield f"    {name} [id={name}, label=<{self._table(nodes) if len(nodes) > 1 else self._box(nodes[0])}>]"
        yield "  }"
        for name, pieces in self._pieces.items():
            if isinstance(edge := pieces[0], Edge):
                yield f"  {self._end(edge)} -> {edge.target} [id={name}, {self._way(edge)}]"
        yield "}"

    def _end(self, edge: Edge) -> str:
        table = self._table_of.get(edge.source)
        if table is None:
            return edge.source
        return f"{table}:{edge.source}:e" if edge.product is not None else table

    def _box(self, node: Node) -> str:
        """A node's name, what went forward, and what came back, one below the other."""
        rows = [f"<B>{_text(title_of(node))}</B>", *self._kind(node), *self._numbers(node)]
        return self._framed(node, [[row] for row in rows])

    def _table(self, nodes: list[Node]) -> str:
        """The same, side by side and a node a row."""
        rows = [[f"<B>{_text(title_of(node))}</B>", *self._numbers(node)] for node in nodes]
        return self._framed(nodes[0], rows, [node.id for node in nodes])

    def _kind(self, node: Node) -> Iterator[str]:
        if node.kind == "leaf":
            yield self._small("learns")
        if node.kind == "operation" and node.name and node.symbol != node.name:
            yield self._small(node.operation)

    def _numbers(self, node: Node) -> Iterator[str]:
        if title_of(node) != figure(node.value):
            yield self._forward(f"→ {figure(node.value)}")
        if node.upstream is not None:
            yield self._backward(f"← {figure(node.upstream)}")
        if node.grad_before is not None:
            yield self._backward(f".grad {figure(node.grad_before)} ⇒ {figure(node.grad)}")

    def _framed(self, node: Node, rows: list[list[str]], ports: list[str] | None = None) -> str:
        """What learns has a heavy frame and a ground of its own; what autograd does not follow has a broken one."""
        colours = self._palette
        frame = f'BORDER="1" COLOR="{colours.line}" STYLE="ROUNDED{",DASHED" * (node.kind == "constant")}"'
        if node.kind == "leaf":
            frame = f'BORDER="2" COLOR="{colours.learns_border}" BGCOLOR="{colours.learns}"'
        lines = [self._row(cells, port) for cells, port in zip(rows, ports or [""] * len(rows), strict=True)]
        padding = 2 if ports is None else 5  # room for what is written at the arrows that leave from a table's rows
        return f'<TABLE CELLBORDER="0" CELLSPACING="1" CELLPADDING="{padding}" {frame}>{"".join(lines)}</TABLE>'

    def _row(self, cells: list[str], port: str) -> str:
        """Arrows leave from the last of the cells."""
        name = f' PORT="{port}"' if port else ""
        return f"<TR>{''.join(f'<TD>{cell}</TD>' for cell in cells[:-1])}<TD{name}>{cells[-1]}</TD></TR>"

    def _way(self, edge: Edge) -> str:
        """Where a gradient flows back the arrow is broken, as the dashboard draws it; elsewhere it is a line."""
        if edge.product is None:
            return "style=solid"
        lines = [] if edge.local is None else [self._local(f"∂ {figure(edge.local)}")]
        between = "&#160; " if edge.source in self._table_of else "<BR/>"
        label = between.join([*lines, self._backward(f"← {figure(edge.product)}")]) + _ROOM
        return f'style=dashed, penwidth=1.5, color="{self._palette.backward}", label=<{label}>'

    def _title(self) -> str:
        return f'<FONT POINT-SIZE="14"><B>{_text(self._graph.title)}</B></FONT><BR ALIGN="LEFT"/> '

    def _legend(self) -> str:
        result = self._graph.nodes[-1].name or "result"
        lines = [
            self._forward("→ forward: the value"),
            self._backward(f"← backward, along broken arrows: the gradient that arrives, ∂({result})/∂(this)"),
            self._local("∂ the local derivative; times the gradient of where the arrow leads, it flows back along it"),
            _text("heavy frame: it learns, what arrives is added to its .grad; broken frame: no gradient goes there"),
            *map(_text, self._graph.notes),
        ]
        return "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)

    def _forward(self, text: str) -> str:
        return f'<FONT COLOR="{self._palette.forward}"><B>{_text(text)}</B></FONT>'

    def _backward(self, text: str) -> str:
        return f'<FONT COLOR="{self._palette.backward}"><B>{_text(text)}</B></FONT>'

    def _local(self, text: str) -> str:
        return f'<FONT COLOR="{self._palette.local}"><I>{_text(text)}</I></FONT>'

    def _small(self, text: str) -> str:
        return f'<FONT COLOR="{self._palette.faint}" POINT-SIZE="10">{_text(text)}</FONT>'


def _text(text: str) -> str:
    return escape(text)
