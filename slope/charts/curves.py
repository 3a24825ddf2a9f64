"""Charts of numbers over epochs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from slope.arrays import Array, Indices
from slope.charts.chart import Axis, Chart, Colour, Line, Point

Scale = Literal["log", "linear"]

EXACT = "exact solution"
MOST_WEIGHTS = 5
"""That are drawn, besides the bias."""
_COLOURS: tuple[Colour, ...] = ("forward", "backward", "learns_border", "ink", "local", "faint")
_FURTHEST = 1e-6
"""An exact loss further below the run's than this, as rounding leaves it, would flatten a logarithmic curve."""


def points_of(epochs: Indices, values: Array) -> list[Point]:
    """What is not finite breaks the line."""
    finite = np.isfinite(values)
    return [
        (epoch, value if there else None)
        for epoch, value, there in zip(epochs.tolist(), values.tolist(), finite.tolist(), strict=True)
    ]


def loss_chart(title: str, note: str, lines: Sequence[Line], exact: float | None, scale: Scale) -> Chart:
    scale = _possible(lines, scale)
    drawn = _drawn(lines, scale)
    least = min((y for line in drawn for _, y in line.points if y is not None), default=0.0)
    if exact is not None and (scale == "linear" or exact > least * _FURTHEST):
        drawn.append(_level(drawn, exact))
    return Chart.of(title, _with_zeros(note, lines, scale), (_EPOCH, _logarithmic("loss", scale)), drawn)


def gradient_chart(title: str, note: str, line: Line, scale: Scale) -> Chart:
    scale = _possible([line], scale)
    axes = (_EPOCH, _logarithmic("norm of the mean gradient", scale))
    return Chart.of(title, _with_zeros(note, [line], scale), axes, _drawn([line], scale))


def weights_chart(title: str, note: str, weights: Sequence[tuple[str, list[Point]]], exact: Sequence[float]) -> Chart:
    """The parameters with their names, and the exact values that are known."""
    lines = [Line(points, _COLOURS[place], name=name) for place, (name, points) in enumerate(weights)]
    levels = [_level(lines, value) for value in exact]
    return Chart.of(title, note, (_EPOCH, Axis("value")), [*lines, *levels])


_EPOCH = Axis("epoch")


def _logarithmic(title: str, scale: Scale) -> Axis:
    return Axis(title, is_logarithmic=scale == "log")


def _possible(lines: Sequence[Line], scale: Scale) -> Scale:
    """Where all is zero, a logarithmic scale has nothing to show."""
    return scale if any(y and y > 0 for line in lines for _, y in line.points) else "linear"


def _drawn(lines: Sequence[Line], scale: Scale) -> list[Line]:
    """As a scale can hold them: a logarithmic one has no place for a zero."""
    if scale == "linear":
        return list(lines)
    return [replace(line, points=[(x, y if y and y > 0 else None) for x, y in line.points]) for line in lines]


def _with_zeros(note: str, lines: Sequence[Line], scale: Scale) -> str:
    zeros = sum(y == 0 for line in lines for _, y in line.points)
    return f"{note}; {zeros:,} zeros have no place on this scale" if zeros and scale == "log" else note


def _level(lines: Sequence[Line], value: float) -> Line:
    """Across all that the lines span."""
    epochs = [x for line in lines for x, _ in line.points]
    return Line([(min(epochs), value), (max(epochs), value)], "exact", "exact", EXACT)
