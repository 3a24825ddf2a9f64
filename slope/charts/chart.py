"""What a chart shows, as plain data; colours are named by what they mean."""

from dataclasses import dataclass
from typing import Literal

Colour = Literal["ink", "faint", "line", "forward", "backward", "local", "exact", "learns_border"]
"""Of slope.palette."""
Point = tuple[float, float | None]
"""A line is broken where its second number is not there."""
Style = Literal["solid", "exact", "dotted"]
Extent = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    title: str
    is_logarithmic: bool = False
    extent: Extent | None = None
    """All that is drawn, where nothing is said."""


@dataclass(frozen=True)
class Line:
    points: list[Point]
    colour: Colour
    style: Style = "solid"
    name: str | None = None
    """In the legend. Lines of one name have one colour and one style."""
    width: float = 2.0


@dataclass(frozen=True)
class Dots:
    points: list[Point]
    colour: Colour
    shape: Literal["circle", "diamond"] = "circle"
    size: float = 24.0
    """The area, in square pixels."""


@dataclass(frozen=True)
class Cell:
    """A part of the plane, the darker the greater its share between 0 and 1."""

    x: Extent
    y: Extent
    share: float


@dataclass(frozen=True)
class Chart:
    title: str
    note: str
    """What the chart holds and what it does not, in a sentence."""
    x: Axis
    y: Axis
    lines: list[Line]
    dots: list[Dots]
    cells: list[Cell]

    @classmethod
    def of(
        cls,
        title: str,
        note: str,
        axes: tuple[Axis, Axis],
        lines: list[Line],
        dots: list[Dots] | None = None,
        cells: list[Cell] | None = None,
    ) -> "Chart":
        return cls(title, note, *axes, lines, dots or [], cells or [])


def roomy(low: float, high: float, room: float) -> Extent:
    """With this part of the extent at each side."""
    margin = room * ((high - low) or max(abs(high), 1.0))
    return low - margin, high + margin
