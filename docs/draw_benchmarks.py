"""Makes a table and a chart of what `python -m benchmarks` has found: python docs/draw_benchmarks.py

The table takes the place of the one between the marks in docs/explanation/benchmarks.md. The chart has colours that can
be read on light paper and on dark.
"""

import json
import re
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FOUND = FOLDER / "explanation" / "benchmarks.json"
PAGE = FOLDER / "explanation" / "benchmarks.md"
CHART = FOLDER / "graphs" / "benchmarks.svg"
BEGIN, END = "<!-- table: written by docs/draw_benchmarks.py -->", "<!-- end of the table -->"

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 360, 230, 52, 34, 56
"""Of a panel's area, and what is around it."""
_INK = "#808890"
_COLOURS = ("#2f81f7", "#d9730d", "#2da44e", "#a371f7")
"""Of the ways, in the order in which they come first."""
_EXPONENTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def main() -> None:
    found = json.loads(FOUND.read_text())
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + "\n" + table(found) + END + after)
    CHART.write_text(chart(found["curves"]))


def table(found: dict[str, Any]) -> str:
    """A row a comparison, in the order in which they were made."""
    rows = [f"One run of {found['minutes']:g} minutes on {found['cores']} cores, {found['day']}:\n"]
    rows += ["| what | Slope | rival | ratio | aim |", "|---|---|---|---|---|"]
    return "\n".join(rows + [_row(result) for result in found["results"]]) + "\n"


def _row(result: dict[str, Any]) -> str:
    aim, unit = result["aim"], result["unit"]
    verdict = "" if aim is None else f"{aim}: {'met' if result['is_met'] else '**not met**'}"
    ours = f"{result['ours'].removeprefix('Slope: ')}: {_number(result['measured'])} {unit}"
    theirs = f"{result['theirs']}: {_number(result['rival'])} {unit}"
    return f"| {result['what']} | {ours} | {theirs} | {_ratio(result)} | {verdict} |"


def _number(value: float) -> str:
    """Three digits, and never a power of ten where words of a table can hold it: 1,050 and 0.0085."""
    digits = max(0, 2 - floor(log10(abs(value)))) if value else 0
    return f"{round(value, digits):,.{digits}f}" if abs(value) < 1000 else f"{float(f'{value:.3g}'):,.0f}"


def _ratio(result: dict[str, Any]) -> str:
    """With the middle half of its pairs, or all of its repeats where there are few."""
    spread = [float(each) for each in re.findall(r"-?\d[\d.e+-]*", result["spread"])]
    ratio = _number(result["ratio"])
    return f"{ratio} ({_number(min(spread))} to {_number(max(spread))})" if len(spread) > 1 else ratio


@dataclass(frozen=True)
class _Scale:
    """From the logarithms of numbers to places."""

    low: int
    high: int
    start: float
    length: float

    @classmethod
    def of(cls, values: list[float], start: float, length: float) -> "_Scale":
        low = floor(log10(min(values)))
        return cls(low, max(low + 1, ceil(log10(max(values)))), start, length)

    def __call__(self, value: float) -> float:
        return self.start + (log10(value) - self.low) / (self.high - self.low) * self.length

    @property
    def ticks(self) -> list[int]:
        return list(range(self.low, self.high + 1))


def chart(curves: list[dict[str, Any]]) -> str:
    """Panels in two columns, seconds over sizes, both by their logarithms."""
    names = list(dict.fromkeys(curve["name"] for curve in curves))
    colours = dict(zip(names, _COLOURS, strict=False))
    panels = [list(group) for _, group in groupby(curves, key=lambda curve: curve["panel"])]
    parts = [_legend(colours)]
    for place, panel in enumerate(panels):
        x = _LEFT + place % 2 * (_WIDTH + _GAP)
        y = 2 * _TOP + place // 2 * (_HEIGHT + 2 * _TOP)
        parts += _panel(panel, colours, x, y)
    width = _LEFT + 2 * _WIDTH + _GAP + 12
    height = 2 * _TOP + -(-len(panels) // 2) * (_HEIGHT + 2 * _TOP)
    style = f"text{{fill:{_INK};font:12px sans-serif}} .grid{{stroke:{_INK};stroke-opacity:.25}} polyline{{fill:none}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f"<title>Seconds over sizes, Slope and its rivals</title><style>{style}</style>{''.join(parts)}</svg>\n"
    )


def _legend(colours: dict[str, str]) -> str:
    texts, x = [], float(_LEFT)
    for name, colour in colours.items():
        texts.append(f'<circle cx="{x}" cy="16" r="5" fill="{colour}"/><text x="{x + 10}" y="20">{name}</text>')
        x += 30 + 6.6 * len(name)
    return "".join(texts)


def _panel(curves: list[dict[str, Any]], colours: dict[str, str], left: float, top: float) -> list[str]:
    sizes = [float(size) for curve in curves for size in curve["sizes"]]
    across = _Scale.of(sizes, left, _WIDTH)
    along = _Scale.of([each for curve in curves for each in curve["seconds"]], top + _HEIGHT, -_HEIGHT)
    bottom, right = top + _HEIGHT, left + _WIDTH
    parts = [f'<text x="{left}" y="{top - 8}" font-weight="bold">seconds over {curves[0]["panel"]}</text>']
    for tick in across.ticks:
        x = across(10.0**tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{_power(tick)}</text>')
    for tick in along.ticks:
        y = along(10.0**tick)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_power(tick)}</text>')
    return parts + [_line(curve, colours[curve["name"]], across, along) for curve in curves]


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_EXPONENTS)}"


def _line(curve: dict[str, Any], colour: str, across: _Scale, along: _Scale) -> str:
    places = [(across(size), along(each)) for size, each in zip(curve["sizes"], curve["seconds"], strict=True)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    return f'<polyline points="{points}" stroke="{colour}" stroke-width="2"/>{dots}'


if __name__ == "__main__":
    main()
