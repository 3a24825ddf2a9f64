"""The graph of a computation as one looks at it: in a terminal, in a notebook, as a picture."""

from contextlib import suppress
from dataclasses import dataclass

from slope.drawing import NotDrawn, NotInstalled
from slope.graph.dot import dot_of
from slope.graph.graph import Graph
from slope.graph.mermaid import mermaid_of
from slope.graph.svg import svg_of
from slope.graph.text import text_of


@dataclass(frozen=True, repr=False)
class DrawnGraph(Graph):
    """The numbers of a graph, and the ways to show them."""

    def text(self) -> str:
        """For a terminal."""
        return text_of(self)

    def dot(self, theme: str = "light") -> str:
        """As Graphviz reads it."""
        return dot_of(self, theme)

    def mermaid(self) -> str:
        """As Mermaid reads it; GitHub and many notebooks draw it."""
        return mermaid_of(self)

    def svg(self, theme: str = "auto") -> str:
        """A drawing. With the theme `auto` it follows the reader's light or dark."""
        return svg_of(self, theme)

    def _repr_svg_(self) -> str | None:
        """What a notebook shows; where there is no Graphviz, or the graph is too large for it, the text."""
        with suppress(NotInstalled, NotDrawn):
            return self.svg()
        return None

    def __repr__(self) -> str:
        return self.text()
