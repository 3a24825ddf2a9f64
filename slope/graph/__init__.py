"""Back-propagation, explained: the graph of a computation as autograd itself tells it."""

from slope.graph.drawn import DrawnGraph
from slope.graph.graph import Edge, Graph, Node, Summary
from slope.graph.tracing import Untraceable, trace

__all__ = ["DrawnGraph", "Edge", "Graph", "Node", "Summary", "Untraceable", "trace"]
