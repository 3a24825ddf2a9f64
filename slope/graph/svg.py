"""The graph as a picture."""

from xml.etree import ElementTree as ET
from zlib import crc32

from slope.drawing import NotDrawn, draw
from slope.graph.dot import FONT, LONGEST, dot_of, length_of_edges, pieces_of
from slope.graph.figures import sentences_of
from slope.graph.graph import Graph
from slope.palette import recoloured

_SVG = "http://www.w3.org/2000/svg"
_FONTS = f"{FONT}, Verdana, Segoe UI, Helvetica, Arial, sans-serif"


def svg_of(graph: Graph, theme: str) -> str:
    """A drawing that says to a screen reader what it shows. Raises NotInstalled and NotDrawn of slope.drawing."""
    dot = _dot_to_draw(graph, theme)
    ET.register_namespace("", _SVG)
    picture = ET.fromstring(draw(dot, "svg"))  # noqa: S314  # our own, from Graphviz
    for text in picture.iter(f"{{{_SVG}}}text"):
        text.set("font-family", _FONTS)
    _describe(picture, graph, f"slope-{crc32(dot.encode()):x}")
    if theme == "auto":
        style = ET.Element(f"{{{_SVG}}}style")
        style.text = f"@media (prefers-color-scheme: dark) {{{recoloured('light', 'dark')}}}"
        picture.insert(2, style)
    return ET.tostring(picture, encoding="unicode")


def png_of(graph: Graph, theme: str) -> bytes:
    """Raises NotInstalled and NotDrawn of slope.drawing."""
    return draw(_dot_to_draw(graph, theme), "png")


def _dot_to_draw(graph: Graph, theme: str) -> str:
    """Raises NotDrawn before Graphviz begins what it would not end in time."""
    if (length := length_of_edges(graph)) > LONGEST:
        detail = f"The edges pass by {length:,} nodes, and {LONGEST:,} can be drawn: use a value in fewer places"
        raise NotDrawn(detail)
    return dot_of(graph, "light" if theme == "auto" else theme)


def _describe(picture: ET.Element, graph: Graph, name: str) -> None:
    """Title and description, of the whole and of every node and edge: browsers show those where the pointer is."""
    said = sentences_of(graph)
    sentences = {name: " ".join(said[piece] for piece in pieces) for name, pieces in pieces_of(graph).items()}
    for group in picture.iter(f"{{{_SVG}}}g"):
        title = group.find(f"{{{_SVG}}}title")
        if title is not None:
            title.text = sentences.get(group.get("id", ""), graph.title)
        if group.get("id") in sentences:
            group.set("id", f"{name}-{group.get('id')}")  # unlike those of other pictures on a page
    for position, (tag, text) in enumerate([("title", graph.title), ("desc", " ".join(sentences.values()))]):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        picture.insert(position, element)
    picture.set("role", "img")
    picture.set("aria-labelledby", f"{name}-title")
    picture.set("aria-describedby", f"{name}-desc")
