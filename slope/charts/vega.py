"""A chart in the language of Vega-Lite."""

import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

from slope.charts.chart import Axis, Cell, Chart, Dots, Line, Point, Style
from slope.palette import Palette

Json = dict[str, Any]

FONTS = "DejaVu Sans, Verdana, Segoe UI, Helvetica, Arial, sans-serif"
_WIDTH, _HEIGHT = 560, 320
_DASHES: dict[Style, list[int]] = {"solid": [1, 0], "exact": [9, 5], "dotted": [2, 3]}
_FEW = 40
"""Points of a line, each of which is marked."""
_LONGEST = 80
LONGEST_NOTE = 200
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain_text(text: str, longest: int = _LONGEST) -> str:
    """In one line, not too long, and without characters that no XML can have: one of them would end the drawing."""
    words = " ".join(_NOT_IN_XML.sub("\ufffd", text).split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def spec_of(chart: Chart, palette: Palette) -> Json:
    named, unnamed = ([line for line in chart.lines if bool(line.name) is has] for has in (True, False))
    layers = [
        *([_cells(chart, palette)] if chart.cells else []),
        *(_dots(chart, dots, palette) for dots in chart.dots if dots.shape == "circle"),
        *(_unnamed(chart, line, palette) for line in unnamed),
        *_named(chart, named, palette),
        *(_dots(chart, dots, palette) for dots in chart.dots if dots.shape == "diamond"),
    ]
    return {
        "background": palette.background,
        "title": {"text": plain_text(chart.title), "subtitle": plain_text(chart.note, LONGEST_NOTE)},
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": layers,
        "config": _config(palette),
    }


def _named(chart: Chart, lines: list[Line], palette: Palette) -> Iterator[Json]:
    """Lines with a legend, which Vega-Lite makes of the scales that they share; of solid ones the points are marked."""
    labels = list(_labels(lines))
    styles = dict(zip(labels, lines, strict=True))
    colours = [getattr(palette, line.colour) for line in styles.values()]
    dashes = [_DASHES[line.style] for line in styles.values()]
    legend = {"title": None, "orient": "bottom", "columns": 3, "labelLimit": 180, "symbolType": "stroke"}
    shown = legend if len(styles) > 1 or "exact" in {line.style for line in lines} else None
    names = list(styles)
    scales = {"color": _scale("line", names, colours, shown), "strokeDash": _scale("line", names, dashes, shown)}
    for is_solid in (True, False):
        some = [(of, line) for of, line in enumerate(lines) if (line.style == "solid") == is_solid]
        if some:
            points = max(len(line.points) for _, line in some) if is_solid else _FEW + 1
            values = [value for of, line in some for value in _values(line.points, of=of, line=labels[of])]
            mark = _line_mark(points) | {"strokeWidth": 2}
            encoding = _axes(chart) | {"detail": {"field": "of"}} | scales
            yield {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _unnamed(chart: Chart, line: Line, palette: Palette) -> Json:
    mark = _line_mark(_FEW + 1) | {
        "stroke": getattr(palette, line.colour),
        "strokeDash": _DASHES[line.style],
        "strokeWidth": line.width,
    }
    return {"data": {"values": list(_values(line.points))}, "mark": mark, "encoding": _axes(chart)}


def _line_mark(points: int) -> Json:
    """The two ends of a straight line are not marked: they are no rows."""
    marks = {"size": 24, "filled": True} if points <= _FEW and points != 2 else False
    return {"type": "line", "clip": True, "strokeCap": "round", "point": marks}


def _dots(chart: Chart, dots: Dots, palette: Palette) -> Json:
    mark = {
        "type": "point",
        "clip": True,
        "shape": dots.shape,
        "filled": True,
        "fill": getattr(palette, dots.colour),
        "size": dots.size,
        "opacity": 0.7 if dots.shape == "circle" else 1,
    }
    return {"data": {"values": list(_values(dots.points))}, "mark": mark, "encoding": _axes(chart)}


def _cells(chart: Chart, palette: Palette) -> Json:
    values = [_cell(cell) for cell in chart.cells]
    axes = _axes(chart)
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    opacity = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0, 0.9]}, "legend": None}
    mark = {"type": "rect", "clip": True, "fill": palette.local}
    return {"data": {"values": values}, "mark": mark, "encoding": axes | ends | {"fillOpacity": opacity}}


def _cell(cell: Cell) -> Json:
    return {"x": cell.x[0], "x2": cell.x[1], "y": cell.y[0], "y2": cell.y[1], "share": cell.share}


def _axes(chart: Chart) -> Json:
    """With `order` by the place in the data, for a path may turn back."""
    axes = {"x": _axis("x", chart.x), "y": _axis("y", chart.y)}
    return axes | {"order": {"field": "place", "type": "quantitative"}}


def _axis(field: str, axis: Axis) -> Json:
    scale: Json = {"type": "log" if axis.is_logarithmic else "linear", "zero": False, "nice": axis.extent is None}
    if axis.extent:
        scale["domain"] = list(axis.extent)
    shown: Json = {"labelOverlap": True, "tickCount": 6}
    if axis.is_logarithmic:
        shown["format"] = ".0~e"
    return {"field": field, "type": "quantitative", "title": plain_text(axis.title), "scale": scale, "axis": shown}


def _scale(field: str, names: list[str], values: list[Any], legend: Json | None) -> Json:
    return {"field": field, "type": "nominal", "scale": {"domain": names, "range": values}, "legend": legend}


def _labels(lines: list[Line]) -> Iterator[str]:
    """The names of lines, told apart where two that look unlike are called the same, as a column may be."""
    taken: dict[str, Line] = {}
    for line in lines:
        label = plain_text(line.name or "")
        while (other := taken.get(label)) and _look(other) != _look(line):
            label += "′"
        taken[label] = line
        yield label


def _look(line: Line) -> tuple[str, str]:
    return line.colour, line.style


def _values(points: Iterable[Point], **others: Any) -> Iterable[Json]:
    for place, (x, y) in enumerate(points):
        yield {"x": _finite(x), "y": _finite(y), "place": place} | others


def _finite(value: float | None) -> float | None:
    """JSON has no other numbers."""
    return value if value is not None and isfinite(value) else None


def _config(palette: Palette) -> Json:
    texts = {"labelColor": palette.faint, "titleColor": palette.ink, "titleFontWeight": "normal"}
    lines = {"domainColor": palette.line, "tickColor": palette.line, "gridColor": palette.line, "gridOpacity": 0.25}
    return {
        "font": FONTS,
        "aria": False,
        "axis": texts | lines | {"labelFontSize": 11, "titleFontSize": 12},
        "legend": {"labelColor": palette.ink, "labelFontSize": 12, "symbolSize": 400},
        "title": {
            "color": palette.ink,
            "subtitleColor": palette.faint,
            "fontSize": 14,
            "subtitleFontSize": 11,
            "anchor": "start",
            "offset": 12,
        },
        "view": {"stroke": None},
    }
