"""What a notebook shows of a job: a table, and the course of its loss as a picture that needs no script."""

import math
from collections.abc import Sequence
from html import escape

from slope.answers.jobs import JobView
from slope.answers.records import EpochView

_WIDTH, _HEIGHT, _MARGIN = 320, 96, 4


def job_html(job: JobView, curve: Sequence[EpochView]) -> str:
    """A job for people. Whatever its sender wrote is escaped."""
    progress, loss = job.progress, job.loss
    facts = {
        "job": f"{escape(job.name or '')} <code>{job.id}</code>",
        "status": escape(" – ".join(filter(None, (job.status, job.reason, job.error.detail if job.error else None)))),
        "data": f"{job.dataset.rows} × {job.dataset.features}",
        "epochs": f"{progress.epochs_done} of {progress.epochs}, by {escape(job.plan.engine)}",
        "loss": "–" if loss.first is None or loss.last is None else f"{loss.first:.6g} → {loss.last:.6g}",
    }
    rows = "".join(f'<tr><th style="text-align:left">{name}</th><td>{value}</td></tr>' for name, value in facts.items())
    return f"<div><table>{rows}</table>{loss_svg(curve)}</div>"


def loss_svg(curve: Sequence[EpochView]) -> str:
    """The loss by epoch, by its logarithm where it is above zero throughout; nothing of less than two epochs."""
    known = [(each.epoch, each.loss) for each in curve if math.isfinite(each.loss)]
    if len(known) < 2:
        return ""
    is_logarithmic = min(loss for _, loss in known) > 0
    heights = [math.log(loss) if is_logarithmic else loss for _, loss in known]
    first, last = known[0], known[-1]
    across = _scaled([float(epoch) for epoch, _ in known], _WIDTH)
    upward = _scaled(heights, _HEIGHT)
    points = " ".join(f"{x:.1f},{_HEIGHT - y:.1f}" for x, y in zip(across, upward, strict=True))
    label = f"Loss from {first[1]:.6g} in epoch {first[0]} to {last[1]:.6g} in epoch {last[0]}"
    scale = ", on a logarithmic scale" if is_logarithmic else ""
    return (
        f'<svg role="img" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{label}{scale}</title>'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def _scaled(values: Sequence[float], size: int) -> list[float]:
    """To what is left of a side within its margins."""
    low, span, room = min(values), max(values) - min(values), size - 2 * _MARGIN
    return [_MARGIN + ((value - low) / span if span else 0.5) * room for value in values]
