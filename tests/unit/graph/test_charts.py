"""Charts as pictures: in both formats, with every extreme, and with names of users as text."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from slope import drawing
from slope.answers.surface import LossGrid, Surface
from slope.charts import picture
from slope.charts.bowls import ellipse, surface_chart
from slope.charts.chart import Axis, Chart, Line
from slope.charts.curves import EXACT, gradient_chart, loss_chart, points_of, weights_chart
from slope.charts.fits import AFTER, line_chart, prediction_chart
from slope.charts.picture import chart_as_png, chart_as_svg
from slope.charts.vega import spec_of
from slope.palette import THEMES

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script> & $x^2$ \x01\x0b\ud800 {{7*7}} 'datum'"
LIGHT = THEMES["light"]
BOWL = Surface(
    kind="exact",
    parameters=["weights_0", "bias"],
    offered=["bias", "weights_0"],
    epoch=3,
    held=[1.0, 2.0],
    hessian=[[3.0, 1.0], [1.0, 2.0]],
    eigenvalues=[1.38, 3.62],
    centre=[2.0, 1.0],
    loss=0.25,
    grid=None,
)


def curve(values: list[float], **others: object) -> Chart:
    line = Line(points_of(np.arange(len(values)), np.array(values)), "forward", name="training")
    return loss_chart("job: loss", "", [line], **({"exact": None, "scale": "linear"} | others))  # type: ignore[arg-type]


def texts(drawn: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(drawn).iter(f"{SVG}text")]


def corners(drawn: str, colour: str) -> np.ndarray:
    """Of the lines in a colour, in pixels from the upper left."""
    paths = [path.get("d", "") for path in ET.fromstring(drawn).iter(f"{SVG}path") if path.get("stroke") == colour]
    found = re.findall(r"[ML](-?[\d.e-]+),(-?[\d.e-]+)", " ".join(paths))
    return np.array(found, float)


def test_a_spike_among_the_points_is_in_the_path_of_the_svg() -> None:
    values = [1.0] * 400
    values[137] = 5.0
    drawn = corners(chart_as_svg(curve(values), "light"), LIGHT.forward)
    assert len(drawn) == 400
    [spike] = np.flatnonzero(drawn[:, 1] < drawn[0, 1] - 100)
    assert spike == 137


def test_names_of_users_are_text_and_never_markup() -> None:
    lines = [(HOSTILE, [(0.0, 1.0), (1.0, 2.0)]), ("bias", [(0.0, 1.0), (1.0, 3.0)])]
    drawn = chart_as_svg(weights_chart(f"{HOSTILE}: weights", HOSTILE, lines, [2.0]), "auto")
    plain = "<script>alert(1)</script> & $x^2$ \ufffd\ufffd\ufffd {{7*7}} 'datum'"
    known = ("svg", "title", "desc", "style", "defs", "clipPath", "rect", "g", "path", "line", "text")
    assert {element.tag for element in ET.fromstring(drawn).iter()} <= {f"{SVG}{tag}" for tag in known}
    assert {plain, f"{plain}: weights"} <= set(texts(drawn))
    assert [text for text in texts(drawn) if text.startswith("<script>") and text.endswith("…")]  # in the legend
    assert ET.fromstring(drawn).findtext(f"{SVG}title") == f"{plain}: weights"


def test_pictures_on_one_page_have_ids_of_their_own() -> None:
    drawings = [chart_as_svg(curve(values), "light") for values in ([1.0, 2.0], [2.0, 1.0])]
    ids = [set(re.findall(r'id="([^"]+)"', drawn)) for drawn in drawings]
    assert ids[0]
    assert not ids[0] & ids[1]
    for drawn, own in zip(drawings, ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", drawn)) == own


def test_a_png_is_one_and_is_drawn_in_the_theme_that_is_asked_for() -> None:
    Image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    image = Image.open(BytesIO(chart_as_png(curve([3.0, 2.0, 1.0], exact=0.5), "dark")))
    assert image.format == "PNG"
    assert image.convert("RGB").getpixel((1, 1)) == tuple(bytes.fromhex(THEMES["dark"].background[1:]))


def test_the_svg_of_the_theme_auto_turns_every_colour_of_the_light_one() -> None:
    drawn = chart_as_svg(curve([3.0, 2.0, 1.0], exact=0.5), "auto")
    style = ET.fromstring(drawn).findtext(f"{SVG}style") or ""
    for used in set(re.findall(r'(?:fill|stroke)="(#\w+)"', drawn)):
        assert f'"{used}"' in style


@pytest.mark.parametrize("theme", THEMES)
def test_the_exact_solution_is_dashed_in_its_own_colour(theme: str) -> None:
    spec = spec_of(curve([3.0, 2.0, 1.0], exact=0.5), THEMES[theme])
    solid, exact = spec["layer"]
    scales = {channel: exact["encoding"][channel]["scale"] for channel in ("color", "strokeDash")}
    assert scales["color"] == {"domain": ["training", EXACT], "range": [THEMES[theme].forward, THEMES[theme].exact]}
    assert scales["strokeDash"]["range"] == [[1, 0], [9, 5]]
    assert solid["encoding"]["color"] == exact["encoding"]["color"]  # or there would be two legends
    assert [(value["line"], value["y"]) for value in exact["data"]["values"]] == [(EXACT, 0.5), (EXACT, 0.5)]


def test_columns_that_are_called_as_other_lines_are_get_lines_of_their_own() -> None:
    names = ["bias", EXACT, "bias"]
    spec = spec_of(weights_chart("", "", [(name, [(0.0, 1.0)]) for name in names], [1.0, 2.0]), LIGHT)
    domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert domain == ["bias", EXACT, "bias′", f"{EXACT}′"]


def test_a_logarithmic_scale_breaks_at_zeros_and_tells_how_many() -> None:
    chart = curve([4.0, 0.0, 1.0], exact=1e-30, scale="log")
    assert [y for _, y in chart.lines[0].points] == [4.0, None, 1.0]
    assert "1 zeros" in chart.note
    assert len(chart.lines) == 1  # an exact loss that is zero but for rounding would flatten the rest
    assert not curve([0.0, 0.0], scale="log").y.is_logarithmic


def test_a_number_that_is_not_finite_breaks_the_line() -> None:
    line = Line(points_of(np.arange(3), np.array([1.0, np.inf, np.nan])), "backward")
    [layer] = spec_of(gradient_chart("", "", line, "log"), LIGHT)["layer"]
    assert [value["y"] for value in layer["data"]["values"]] == [1.0, None, None]
    json.dumps(layer, allow_nan=False)


def test_the_points_of_an_ellipse_have_its_loss_and_the_path_ends_where_the_run_did() -> None:
    for point in ellipse(BOWL, 4.0):
        away = point - np.array(BOWL.centre)
        assert 0.25 + away @ np.array(BOWL.hessian) @ away / 2 == pytest.approx(4.0, rel=1e-9)
    chart = surface_chart("", "", BOWL, np.array([[0.0, 0.0], [1.0, 2.0]]), ("w", "b"))
    assert chart.lines[-1].points[-1] == (1.0, 2.0)
    assert chart.dots[1].points == [(2.0, 1.0)]
    assert len(chart.lines) == 10


def test_a_surface_without_a_formula_is_cells_whose_shade_is_the_loss() -> None:
    grid = LossGrid(x=[0.0, 1.0, 2.0], y=[0.0, 1.0], loss=[[0.0, 1.0, 4.0], [None, 1.0, 4.0]], rows=3)
    other = BOWL.model_copy(update={"kind": "grid", "hessian": None, "centre": None, "loss": None, "grid": grid})
    chart = surface_chart("", "", other, np.array([[0.0, 0.0]]), ("w", "b"))
    assert [(cell.x, cell.share) for cell in chart.cells[:3]] == [((-0.5, 0.5), 0), ((0.5, 1.5), 0.5), ((1.5, 2.5), 1)]
    assert len(chart.cells) == 5
    assert chart.x.extent == (-0.5, 2.5)


def test_a_fit_has_the_rows_and_the_line_and_of_many_features_predicted_against_true() -> None:
    x, y = np.array([1.0, 3.0]), np.array([2.0, 7.0])
    chart = line_chart("", "", ("size", "price"), x, y, [(AFTER, 2.0, 1.0)])
    assert chart.dots[0].points == [(1.0, 2.0), (3.0, 7.0)]
    assert chart.lines[0].points == [(1.0, 3.0), (3.0, 7.0)]
    wide = prediction_chart("", "", "price", np.array([2.5, np.nan]), y)
    assert wide.dots[0].points == [(2.0, 2.5)]
    assert chart.x.extent == (0.92, 3.08)  # no row on the frame
    assert (wide.x.title, wide.y.title) == ("true price", "predicted price")


def test_without_vl_convert_there_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys; sys.modules['vl_convert'] = None; sys.argv = ['', 'svg'];"
        " from slope.charts.picture import main; main()"
    )
    monkeypatch.setattr(drawing, "_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(drawing.NotInstalled, match=r"vl-convert: pip install -e '.\[pictures\]'"):
        chart_as_svg(curve([1.0]), "light")


def test_charts_do_without_torch() -> None:
    program = "import sys, slope.charts.picture, slope.charts.bowls, slope.charts.fits; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


def test_a_drawing_that_fails_ends_its_own_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "spec_of", lambda *_: {"mark": "no such mark"})
    with pytest.raises(drawing.NotDrawn, match="vl-convert failed"):
        chart_as_svg(Chart.of("", "", (Axis("x"), Axis("y")), []), "light")
