"""A chart as a picture.

vl-convert draws it, in a process of its own: `python -m slope.charts.picture svg < chart.json`. It has a browser's
engine, which takes 100 MB and ends its process where it fails. A process for each picture costs 0.35 s of a core, and
leaves nothing behind.
"""

import json
import sys
from xml.etree import ElementTree as ET
from zlib import crc32

from slope.charts.chart import Chart
from slope.charts.vega import LONGEST_NOTE, plain_text, spec_of
from slope.drawing import MISSING, draw_apart
from slope.palette import THEMES, recoloured

_SVG = "http://www.w3.org/2000/svg"
_TOOL = "vl-convert"
_SCALE = 2
"""Pixels of a PNG for each of the SVG's."""


def chart_as_svg(chart: Chart, theme: str) -> str:
    """It says to a screen reader what it shows. Raises NotInstalled and NotDrawn of slope.drawing."""
    ET.register_namespace("", _SVG)
    drawn = _draw(chart, theme, "svg")
    picture = ET.fromstring(drawn)  # noqa: S314  # our own
    _rename_ids(picture, f"slope-{crc32(drawn):x}-")
    if theme == "auto":
        style = ET.Element(f"{{{_SVG}}}style")
        style.text = f"@media (prefers-color-scheme: dark) {{{recoloured('light', 'dark')}}}"
        picture.insert(0, style)
    for tag, text in (("desc", chart.note), ("title", chart.title)):
        element = ET.Element(f"{{{_SVG}}}{tag}")
        element.text = plain_text(text, LONGEST_NOTE)
        picture.insert(0, element)
    picture.set("role", "img")
    picture.set("aria-label", plain_text(chart.title))
    return ET.tostring(picture, encoding="unicode")


def chart_as_png(chart: Chart, theme: str) -> bytes:
    """Raises NotInstalled and NotDrawn of slope.drawing."""
    return _draw(chart, theme, "png")


def _draw(chart: Chart, theme: str, kind: str) -> bytes:
    spec = spec_of(chart, THEMES["light" if theme == "auto" else theme])
    return draw_apart(_TOOL, "slope.charts.picture", kind, json.dumps(spec, allow_nan=False))


def _rename_ids(picture: ET.Element, prefix: str) -> None:
    """So that they are unlike those of other pictures on a page."""
    for element in picture.iter():
        if name := element.get("id"):
            element.set("id", prefix + name)
        if clip := element.get("clip-path"):
            element.set("clip-path", clip.replace("url(#", f"url(#{prefix}"))


def main() -> None:
    try:
        import vl_convert
    except ImportError:
        sys.exit(MISSING)
    [kind] = sys.argv[1:]
    spec = sys.stdin.read()
    if kind == "png":
        picture = vl_convert.vegalite_to_png(spec, scale=_SCALE, allowed_base_urls=[])
    else:
        picture = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    sys.stdout.buffer.write(picture)


if __name__ == "__main__":
    main()
