"""The loss over two parameters, or one, and the path of the run across it."""

from itertools import pairwise

import numpy as np

from slope.answers.surface import LossGrid, Surface
from slope.arrays import Array
from slope.charts.chart import Axis, Cell, Chart, Dots, Extent, Line, Point, roomy

_LEVELS = 9
_AROUND = 128
"""Points of an ellipse."""
_ROOM = 0.2
"""Around the path and the centre, at each side."""
_LONGEST = 1e8
"""The greatest ratio of curvatures that is drawn: along a direction without any, an ellipse has no end."""


def surface_chart(title: str, note: str, surface: Surface, path: Array, names: tuple[str, ...]) -> Chart:
    """The path (n × 1 or 2) begins where the run began."""
    if len(surface.parameters) == 1:
        return _parabola(title, note, surface, path[:, 0], names[0])
    centre = [surface.centre] if surface.centre else []
    if surface.grid:
        grid_y = surface.grid.y or []
        x, y = _edges(surface.grid.x), _edges(grid_y)
        extents, cells = ((x[0], x[-1]), (y[0], y[-1])), _cells(surface.grid, x, y)
    else:
        every = np.vstack([path, *centre])
        extents, cells = (_roomy(every[:, 0]), _roomy(every[:, 1])), []
    axes = (Axis(names[0], extent=extents[0]), Axis(names[1], extent=extents[1]))
    steps = [(a, b) for a, b in path.tolist()]
    lines = [*_contours(surface, *extents), Line(steps, "forward", name="path of the run")]
    dots = [Dots(steps[-1:], "backward", size=60), Dots([(a, b) for a, b in centre], "exact", "diamond", 120)]
    return Chart.of(title, note, axes, lines, dots, cells)


def ellipse(surface: Surface, level: float) -> Array:
    """Points (n × 2) of an exact surface where the loss has this value."""
    values, vectors = np.linalg.eigh(np.array(surface.hessian))
    radii = np.sqrt(2 * max(0.0, level - (surface.loss or 0.0)) / np.maximum(values, values[-1] / _LONGEST))
    angles = np.linspace(0, 2 * np.pi, _AROUND + 1)
    around: Array = (vectors * radii) @ np.array([np.cos(angles), np.sin(angles)])
    return np.array(surface.centre) + around.T


def _contours(surface: Surface, x: Extent, y: Extent) -> list[Line]:
    """From the bottom to the highest corner, closer where it is flat. None without a formula, or where all is flat."""
    if surface.hessian is None or not np.any(surface.hessian):
        return []
    rise = max(_rise(surface, np.array([a, b])) for a in x for b in y)
    levels = (surface.loss or 0.0) + rise * (np.arange(1, _LEVELS + 1) / _LEVELS) ** 2
    return [Line([(a, b) for a, b in ellipse(surface, level).tolist()], "line", width=1) for level in levels]


def _rise(surface: Surface, point: Array) -> float:
    away = point - np.array(surface.centre)
    return float(away @ np.array(surface.hessian) @ away / 2)


def _parabola(title: str, note: str, surface: Surface, path: Array, name: str) -> Chart:
    """Over one parameter: the loss itself is the second axis."""
    grid = surface.grid
    extent = (grid.x[0], grid.x[-1]) if grid else _roomy(np.array([*path, *(surface.centre or [])]))
    values = np.array(grid.x) if grid else np.linspace(*extent, 101)
    losses = np.array([_loss_at(surface, value) for value in values])
    height = [_loss_at(surface, value) for value in path.tolist()]
    lines = [
        Line(_pairs(values, losses), "line", name="loss of all rows"),
        Line(_pairs(path, np.array(height)), "forward", name="path of the run"),
    ]
    centre = [(value, surface.loss) for value in surface.centre or []]
    return Chart.of(
        title,
        note,
        (Axis(name, extent=extent), Axis("loss of all rows")),
        lines,
        [Dots(lines[1].points[-1:], "backward", size=60), Dots(list(centre), "exact", "diamond", 120)],
    )


def _loss_at(surface: Surface, value: float) -> float:
    if surface.grid:
        losses = [np.nan if each is None else each for each in surface.grid.loss[0]]
        return float(np.interp(value, surface.grid.x, losses))
    return (surface.loss or 0.0) + _rise(surface, np.array([value]))


def _cells(grid: LossGrid, x: list[float], y: list[float]) -> list[Cell]:
    """Their shade is the root of the loss above the least, so that a flat bottom has shades, too."""
    losses = np.array([[np.nan if each is None else each for each in row] for row in grid.loss], float)
    low, high = np.nanmin(losses), np.nanmax(losses)
    shares = np.sqrt((losses - low) / ((high - low) or 1.0))
    return [
        Cell(columns, rows, float(share))
        for rows, across in zip(pairwise(y), shares, strict=True)
        for columns, share in zip(pairwise(x), across, strict=True)
        if np.isfinite(share)
    ]


def _edges(middles: list[float]) -> list[float]:
    """Of the cells about evenly spaced points."""
    half = (middles[1] - middles[0]) / 2
    return [middles[0] - half, *(each + half for each in middles)]


def _roomy(values: Array) -> Extent:
    return roomy(float(values.min()), float(values.max()), _ROOM)


def _pairs(x: Array, y: Array) -> list[Point]:
    return [(a, b if np.isfinite(b) else None) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
