"""Pictures, diagrams and text of a graph: everything that it says, and to everyone."""

import re
import subprocess
import sys
from dataclasses import asdict, replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch

from slope import drawing
from slope.calling_off import called_off_when
from slope.data import prepare
from slope.expression import MAX_OPERATIONS
from slope.graph import DrawnGraph, trace
from slope.graph.dot import pieces_of
from slope.graph.figures import figure
from slope.graph.formula import graph_of
from slope.graph.graph import Summary
from slope.graph.step import StepTrace, batch_of
from slope.graph.svg import png_of, svg_of
from slope.model import Parameters
from slope.palette import THEMES
from slope.spec import TrainingSpec

SVG = "{http://www.w3.org/2000/svg}"


def lecture() -> DrawnGraph:
    return graph_of("(x*w - y)**2", {"x": 1.0, "w": 1.0, "y": 2.0}, ["w"])


def wide(features: int = 8) -> DrawnGraph:
    """A step of a batch with a table of weights."""
    random = np.random.default_rng(3)
    spec = TrainingSpec.model_validate({"learning_rate": 0.01} | {"batch_size": "full", "l2": 0.1})
    data = prepare(random.normal(size=(6, features)), random.normal(size=6), spec)
    before = Parameters(random.normal(size=features).astype(np.float32).tolist(), 0.5)
    return StepTrace(spec, before, batch_of(data, spec, list(range(6)))).graph(2)


def words(picture: str) -> str:
    """What is written in a picture."""
    return "\n".join(text.text or "" for text in ET.fromstring(picture).iter(f"{SVG}text"))


def test_a_picture_has_every_value_gradient_and_local_derivative() -> None:
    for graph in (lecture(), wide()):
        written = words(graph.svg("light"))
        for node in graph.nodes:
            assert figure(node.value) in written
            assert node.upstream is None or f"← {figure(node.upstream)}" in written
        for edge in graph.edges:
            assert edge.local is None or f"∂ {figure(edge.local)}" in written
            assert edge.product is None or f"← {figure(edge.product)}" in written


def test_something_multiplied_by_itself_has_both_ways_in_the_picture() -> None:
    graph = graph_of("x*x", {"x": 3.0})
    assert words(graph.svg()).count("∂ 3") == 2
    assert graph.mermaid().count("∂ 3") == 2


def test_a_picture_says_to_a_screen_reader_what_it_shows() -> None:
    graph = wide()
    picture = ET.fromstring(graph.svg())
    assert picture.get("role") == "img"
    texts = {
        element.get("id"): element.text or "" for element in picture if element.tag in (f"{SVG}title", f"{SVG}desc")
    }
    assert texts[picture.get("aria-labelledby")] == graph.title
    told = texts[picture.get("aria-describedby")]
    for node in graph.nodes:
        assert figure(node.value) in told
    assert "which learns" in told
    titles = [title.text or "" for title in picture.iter(f"{SVG}title")]
    assert not [title for title in titles if "->" in title or title in pieces_of(graph)]  # none of Graphviz's own


def test_two_pictures_on_a_page_share_no_id_of_what_they_tell() -> None:
    first, second = (set(re.findall(r'id="(slope-[^"]+)"', graph.svg())) for graph in (lecture(), wide()))
    assert first
    assert not first & second


def test_a_picture_follows_the_reader_s_light_or_dark() -> None:
    picture = lecture().svg("auto")
    style = re.search(r"<style>(.*?)</style>", picture, re.DOTALL)
    assert style
    assert style[1].startswith("@media (prefers-color-scheme: dark)")
    used = set(re.findall(r'(?:fill|stroke)="(#\w+)"', picture.replace(style[0], "")))
    rules = dict(re.findall(r'\[fill="(#\w+)"\]{fill:(#\w+)}', style[1]))
    assert used <= set(rules)
    dark = lecture().svg("dark")
    assert "prefers-color-scheme" not in dark
    assert set(re.findall(r'(?:fill|stroke)="(#\w+)"', dark)) == {rules[colour] for colour in used}


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_readable_on_its_ground_and_colours_tell_meanings_apart(theme: str) -> None:
    palette = THEMES[theme]
    for ground in (palette.background, palette.learns):
        for text in (palette.ink, palette.forward, palette.backward, palette.local, palette.faint, palette.exact):
            assert contrast(text, ground) >= 4.5
    assert len(set(asdict(palette).values())) == len(asdict(palette))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_without_colour_forward_backward_and_local_are_told_apart_by_sign_and_letter() -> None:
    dot = lecture().dot()
    assert "<B>→ −1</B>" in dot
    assert "<B>← −2</B>" in dot
    assert "<I>∂ −2<" in dot


def test_what_learns_has_a_heavy_frame_and_what_does_not_change_a_broken_one() -> None:
    lines = {line.split()[0]: line for line in lecture().dot().splitlines() if re.match(r"    n\d", line)}
    assert 'BORDER="2"' in lines["n1"]
    assert "DASHED" in lines["n0"]
    assert "DASHED" not in lines["n2"]


@pytest.mark.parametrize("theme", THEMES)
def test_arrows_along_which_a_gradient_flows_back_are_broken_and_in_its_colour(theme: str) -> None:
    graph = lecture()
    dot, colour = graph.dot(theme), f'color="{THEMES[theme].backward}"'
    for number, edge in enumerate(graph.edges):
        name = f"e{number}" if edge.product is not None else f"{edge.source}_{edge.target}"
        drawn = next(line for line in dot.splitlines() if f"[id={name}," in line)
        assert ("style=dashed" in drawn, colour in drawn) == (edge.product is not None,) * 2


def test_many_weights_are_the_rows_of_a_table_and_few_are_nodes() -> None:
    tables = [name for name in pieces_of(wide()) if name.startswith("all_")]
    assert {"all_w", "all_x"} <= set(tables)
    assert len(pieces_of(wide())["all_w"]) == 8
    assert not [name for name in pieces_of(wide(2)) if name.startswith("all_")]


def test_a_png_is_a_picture() -> None:
    assert png_of(lecture(), "dark").startswith(b"\x89PNG\r\n")


def test_names_with_signs_of_the_languages_do_not_break_them() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    graph = trace(lambda: w * 3, names={'a<b>&"c"|#]\\': w})
    titled = replace(graph, title='A "title": with <all> & \\ that')
    assert 'a<b>&"c"|#]\\' in words(titled.svg())
    assert titled.title in words(titled.svg())
    mermaid = titled.mermaid()
    assert 'n0["<b>a#lt;b#gt;&#quot;c#quot;#124;#35;]\\</b>' in mermaid
    assert mermaid.startswith('---\ntitle: "A \\"title\\": with <all> & \\\\ that"\n---\nflowchart LR\n')


def test_a_diagram_has_every_node_and_edge() -> None:
    lines = wide().mermaid().splitlines()
    for node in wide().nodes:
        assert [line for line in lines if re.match(rf"  {node.id}[\[(]", line)]
    for edge in wide().edges:
        assert [line for line in lines if re.fullmatch(rf"  {edge.source} (-->|-\.->\|.*\|) {edge.target}", line)]


def test_the_text_is_a_tree_with_the_chain_rule_beside_it() -> None:
    assert lecture().text() == (
        "(x*w - y)**2\n"
        "\n"
        "( )² = 1        square    ← 1\n"
        "└─ − = −1       subtract  ← −2 = −2 × 1\n"
        "   ├─ × = 1     multiply  ← −2 = 1 × (−2)\n"
        "   │  ├─ x = 1  constant\n"
        "   │  └─ w = 1  learns    ← −2 = 1 × (−2)\n"
        "   └─ y = 2     constant\n"
        "\n"
        "w.grad = −2\n"
        "← gradient that arrives = local derivative × the gradient of what it goes into\n"
    )


def test_what_is_used_twice_is_written_once_and_summed_at_the_end() -> None:
    text = graph_of("sin(x)*exp(sin(x))", {"x": 0.5}).text()
    assert text.count("sine") == 2  # two operations: a formula has no names for its parts
    text = graph_of("x*y + x", {"x": 2.0, "y": 3.0}).text()
    assert "x.grad = 4 = 3 + 1\n" in text
    shared = torch.tensor(2.0, requires_grad=True)

    def loss() -> torch.Tensor:
        square = shared**2
        return square + torch.exp(square)

    assert "above" in trace(loss, {"x": shared}).text()


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        (None, "unknown"),
        (-2.0, "−2"),
        (7.315943717956543, "7.31594"),
        (1e-12, "1e−12"),
        (Summary(3, 1 / 3, 1 / 3, 1.0), "each 0.333333"),
        (Summary(2, -1.0, 2.0, 1.0), "−1 … 2"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_shown_to_six_digits(numbers: float | Summary | None, shown: str) -> None:
    assert figure(numbers) == shown


def test_a_notebook_shows_the_picture() -> None:
    assert lecture()._repr_svg_() == lecture().svg("auto")


def test_without_graphviz_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys; sys.modules['pygraphviz'] = None; sys.argv = ['', 'svg']; from slope.drawing import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"digraph {}", capture_output=True, check=False)
    assert done.returncode == drawing.MISSING
    monkeypatch.setattr(drawing, "_command", lambda kind: [sys.executable, "-c", program])
    with pytest.raises(drawing.NotInstalled, match=r"pip install -e '\.\[pictures\]'"):
        lecture().svg()
    assert lecture()._repr_svg_() is None
    assert repr(lecture()) == lecture().text()


def test_what_graphviz_cannot_read_and_what_takes_too_long_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(drawing.NotDrawn, match="Graphviz"):
        drawing.draw("digraph {", "svg")
    monkeypatch.setattr(drawing, "_SECONDS", 0.2)
    monkeypatch.setattr(drawing, "_command", lambda kind: [sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(drawing.NotDrawn, match="too large"):
        drawing.draw("digraph {}", "svg")


def test_a_picture_that_nobody_wants_any_more_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_SECONDS", 3600)
    monkeypatch.setattr(drawing, "_command", lambda kind: [sys.executable, "-c", "import time; time.sleep(60)"])
    answers = iter([False, True])
    with called_off_when(lambda: next(answers)), pytest.raises(drawing.NotDrawn):
        drawing.draw("digraph {}", "svg")


def test_a_program_for_graphviz_that_fills_a_pipe_arrives_whole_however_late_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = "import sys, time; time.sleep(3 * float(sys.argv[1])); print(len(sys.stdin.read()), end='')"
    looks = str(drawing._LOOKS)
    monkeypatch.setattr(drawing, "_command", lambda kind: [sys.executable, "-c", late, looks])
    assert drawing.draw("x" * 2**20, "svg") == str(2**20).encode()


def test_a_formula_of_as_many_operations_as_there_may_be_is_drawn() -> None:
    statements = (MAX_OPERATIONS - 1) // 6
    graph = graph_of("c = a + b\n" + "c = c*0.5 + sin(a)*b - c/3\n" * statements + "c", {"a": -0.4, "b": 0.2})
    picture = ET.fromstring(graph.svg())
    drawn = {element.get("id", "").rpartition("-")[2] for element in picture.iter()}
    assert set(pieces_of(graph)) <= drawn


def test_a_value_that_is_used_in_many_places_is_drawn() -> None:
    """Its edges are long: Graphviz, left to itself, is not done after 20 s."""
    picture = graph_of("x" + "+x" * 100, {"x": 1.0}).svg()

    assert words(picture).count("+") >= 100


def test_a_graph_of_edges_that_are_too_long_to_draw_is_refused_before_it_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing, "_command", lambda _kind: pytest.fail("it was begun"))
    graph = graph_of("x" + "+x" * MAX_OPERATIONS, {"x": 1.0})

    for draw in (svg_of, png_of):
        with pytest.raises(drawing.NotDrawn, match="can be drawn"):
            draw(graph, "light")
