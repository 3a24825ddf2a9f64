"""Answers that explain back-propagation."""

from typing import TYPE_CHECKING

import orjson

from service.records.graphs import StepGraph

if TYPE_CHECKING:
    from slope.graph import Graph


def graph_json(graph: "Graph") -> bytes:
    """As GraphView has it, whose fields the graph has in the same order: to check each takes longer than the rest."""
    return orjson.dumps(graph)


def step_graph_json(found: StepGraph) -> bytes:
    """As StepGraphView has it."""
    of_step = {"epoch": found.epoch, "step": found.step, "rows": found.rows, "row": found.row}
    gradient = None if found.gradient is None else found.gradient._asdict()
    return orjson.dumps(vars(found.graph) | of_step | {"gradient": gradient})
