"""Draws the floors of the house from the imports of its code: python docs/draw_architecture.py

An arrow that follows from others is left out: who stands on the records stands on the store as well.
"""

from pathlib import Path

import grimp
import pygraphviz

from slope.palette import THEMES, Palette

FOLDER = Path(__file__).parent / "graphs"
FLOORS = (
    ("worker", "commands"),
    ("api",),
    ("charts",),
    ("prediction",),
    ("records",),
    ("jobs", "upkeep", "monitoring", "access", "webhooks"),
    ("statistics",),
    ("data",),
    ("store",),
    ("startup",),
    ("storage", "logs", "tracing"),
    ("queue", "settings", "errors", "private"),
    ("setting_values",),
    ("addresses", "redaction"),
    ("slope",),
)
_SAYS = {
    "worker": "claim, train, record, finish",
    "commands": "what `slope` starts",
    "api": "HTTP: routes, schemas, guards",
    "charts": "what pictures of a job show",
    "prediction": "trained models",
    "records": "pages, chunks, replay, graphs",
    "jobs": "jobs and sweeps: decisions, commits",
    "webhooks": "who is told, and how",
    "upkeep": "lost jobs, garbage, doctor",
    "monitoring": "what Prometheus scrapes",
    "access": "keys, callers, who may what",
    "statistics": "how sure a fit is",
    "data": "datasets, uploads",
    "store": "the only place with SQL",
    "startup": "how a process begins",
    "storage": "objects by name",
    "queue": "the bell",
    "private": "files for one user",
    "setting_values": "how settings are written",
    "addresses": "URLs that are set",
    "redaction": "no secrets in logs",
    "slope": "the library: spec, engines, graph, tables, client",
}


def main() -> None:
    arrows = _reduced(_imports())
    for name, theme in THEMES.items():
        graph = _drawn(arrows, theme)
        (FOLDER / f"architecture-{name}.svg").write_bytes(graph.draw(format="svg", prog="dot"))


def _imports() -> set[tuple[str, str]]:
    graph = grimp.build_graph("slope", "service", "worker")
    pairs = {
        (_room(module), _room(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return {(room, other) for room, other in pairs if room != other and "service" not in (room, other)}


def _room(module: str) -> str:
    """service.api.routes.jobs → api; slope.data → slope."""
    names = module.split(".")
    return names[1] if names[0] == "service" and len(names) > 1 else names[0]


def _reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without those that a longer way replaces."""
    below: dict[str, set[str]] = {}
    for floor in reversed(FLOORS):
        for room in floor:
            direct = {other for start, other in arrows if start == room}
            below[room] = direct.union(*(below[other] for other in direct))
    return {
        (room, other)
        for room, other in arrows
        if not any(other in below[between] for start, between in arrows if start == room)
    }


def _drawn(arrows: set[tuple[str, str]], theme: Palette) -> pygraphviz.AGraph:
    graph = pygraphviz.AGraph(directed=True, bgcolor=theme.background, nodesep="0.3", ranksep="0.3")
    graph.node_attr.update(
        shape="box", style="rounded", fontname="DejaVu Sans", fontsize="11", color=theme.line, fontcolor=theme.ink
    )
    graph.edge_attr.update(color=theme.forward, arrowsize="0.6")
    for floor in FLOORS:
        for room in floor:
            graph.add_node(room, label=f"{room}\n{_SAYS[room]}" if room in _SAYS else room)
        graph.add_subgraph(floor, rank="same")
    graph.add_edges_from(sorted(arrows))  # so that the picture changes only with the house
    return graph


if __name__ == "__main__":
    main()
