"""Graphs and charts in the formats that they are drawn in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from fastapi import Query, Request, Response

from service.api import negotiation
from service.errors import NotDrawn, PicturesMissing
from slope import drawing

if TYPE_CHECKING:
    from slope.charts.chart import Chart
    from slope.graph import DrawnGraph

GraphFormat = Literal["json", "svg", "png", "dot", "mermaid", "text"]
Theme = Literal["auto", "light", "dark"]

DOCUMENTED = negotiation.document_formats("svg", "png", "dot", "mermaid", "text")


FormatQuery = Annotated[GraphFormat | None, Query(description="What Accept would say, for a link")]
ThemeQuery = Annotated[
    Theme, Query(description="Colours of a picture; `auto` follows the reader's in SVG, and is light elsewhere")
]


def preferred_picture(request: Request) -> GraphFormat:
    """The format that Accept prefers. Raises NotAcceptable."""
    return negotiation.preferred_format(request, get_args(GraphFormat))


def draw_picture(graph: "DrawnGraph", format: GraphFormat, theme: Theme) -> Response:
    """The answer that shows a graph. Raises PicturesMissing and NotDrawn."""
    from slope.graph.svg import png_of

    with _translated("Graphviz", "DOT, Mermaid and text need nothing"):
        match format:
            case "svg":
                content: str | bytes = graph.svg(theme)
            case "png":
                content = png_of(graph, theme)
            case "dot":
                content = graph.dot("light" if theme == "auto" else theme)
            case "mermaid":
                content = graph.mermaid()
            case _:
                content = graph.text()
    return Response(content, media_type=negotiation.MEDIA_TYPES[format])


def draw_chart(chart: "Chart", format: Literal["svg", "png"], theme: Theme) -> Response:
    """The answer that shows a chart. Raises PicturesMissing and NotDrawn."""
    from slope.charts.picture import chart_as_png, chart_as_svg

    with _translated("vl-convert", "The numbers of a chart, as CSV of the epochs, need nothing"):
        content = chart_as_png(chart, theme) if format == "png" else chart_as_svg(chart, theme)
    return Response(content, media_type=negotiation.MEDIA_TYPES[format])


@contextmanager
def _translated(tool: str, instead: str) -> Iterator[None]:
    try:
        yield
    except drawing.NotInstalled as error:
        raise PicturesMissing(tool, instead) from error
    except drawing.NotDrawn as error:
        raise NotDrawn(str(error)) from error
