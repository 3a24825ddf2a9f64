"""The rows, and what the model says of them."""

from collections.abc import Sequence

import numpy as np

from slope.arrays import Array
from slope.charts.chart import Axis, Chart, Dots, Line, Point, roomy
from slope.charts.curves import EXACT

_ROOM = 0.04
"""Beside the rows, at each side."""


def line_chart(
    title: str, note: str, axes: tuple[str, str], x: Array, y: Array, lines: Sequence[tuple[Line, float, float]]
) -> Chart:
    """Of one feature: the rows (n, n), and lines, each with its slope and its height at 0."""
    ends = (float(x.min()), float(x.max()))
    drawn = [
        Line([(end, slope * end + height) for end in ends], line.colour, line.style, line.name)
        for line, slope, height in lines
        if np.isfinite([slope * end + height for end in ends]).all()
    ]
    across = Axis(axes[0], extent=roomy(*ends, _ROOM))
    return Chart.of(title, note, (across, Axis(axes[1])), drawn, [Dots(_pairs(x, y), "ink", size=36)])


def prediction_chart(title: str, note: str, target: str, predicted: Array, y: Array) -> Chart:
    """Of several features: predicted against true, and the diagonal on which a prediction is true."""
    ends = (float(y.min()), float(y.max()))
    diagonal = Line([(end, end) for end in ends], "exact", "exact", "predicted = true")
    axes = (Axis(f"true {target}", extent=roomy(*ends, _ROOM)), Axis(f"predicted {target}"))
    return Chart.of(title, note, axes, [diagonal], [Dots(_pairs(y, predicted), "forward")])


BEFORE = Line([], "faint", "dotted", "before training")
AFTER = Line([], "forward", name="model")
BEST = Line([], "exact", "exact", EXACT)
"""How the lines of a fit look."""


def _pairs(x: Array, y: Array) -> list[Point]:
    seen = np.isfinite(x) & np.isfinite(y)
    return list(zip(x[seen].tolist(), y[seen].tolist(), strict=True))
