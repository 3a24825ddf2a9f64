"""Every call that explains back-propagation, said once for both clients."""

from collections.abc import Sequence
from pathlib import Path

from slope.answers.graphs import AuditView, GraphView, StepGraphView
from slope.client.exchange.exchange import Call, Download, Id, Json, Request, ask, change, given
from slope.client.problem import checked

_FORMATS = {
    ".svg": "svg",
    ".png": "png",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".txt": "text",
    ".json": "json",
}


def step_graph(
    job_id: Id, epoch: int, step: int, *, row: int | None = None, expand: Sequence[int] = ()
) -> Call[StepGraphView]:
    """The graph of a step: what went forward, and what came back. A row of the batch and features can be chosen."""
    return ask(StepGraphView, _path(job_id, epoch, step), params=_shown(row, expand))


def step_tree(job_id: Id, epoch: int, step: int, *, row: int | None = None, expand: Sequence[int] = ()) -> Call[str]:
    """The same as text for a terminal."""
    parameters = _shown(row, expand) | {"format": "text"}
    return checked((yield Request("GET", _path(job_id, epoch, step), {"params": parameters}, repeat_seconds=None))).text


def save_step_graph(
    job_id: Id, epoch: int, step: int, file: Path | str, *, row: int | None = None, expand: Sequence[int] = ()
) -> Download:
    """The same as a file: .svg, .png, .dot or .gv, .mmd (Mermaid), .txt or .json."""
    format = _FORMATS.get(Path(file).suffix)
    if format is None:
        raise ValueError(f"The name of the file says which format it has: {', '.join(_FORMATS)}")
    parameters = _shown(row, expand) | {"format": format}
    return Download(Request("GET", _path(job_id, epoch, step), {"params": parameters}), Path(file))


def audit(job_id: Id, epoch: int, *, limit: int = 50) -> Call[AuditView]:
    """Which rows moved the model in an epoch, the largest contributions first."""
    return ask(AuditView, f"/v1/jobs/{job_id}/epochs/{epoch}/audit", params={"limit": limit})


def graph(expression: str, values: dict[str, float], requires_grad: Sequence[str] | None = None) -> Call[GraphView]:
    """The graph of a small formula; all of its names require a gradient unless some are given."""
    wanted = given(expression=expression, values=values, requires_grad=requires_grad and list(requires_grad))
    return change(GraphView, "POST", "/v1/graphs", json=wanted, repeat_seconds=None)


def _path(job_id: Id, epoch: int, step: int) -> str:
    return f"/v1/jobs/{job_id}/epochs/{epoch}/steps/{step}/graph"


def _shown(row: int | None, expand: Sequence[int]) -> Json:
    return {"expand": list(expand), **given(row=row)}
