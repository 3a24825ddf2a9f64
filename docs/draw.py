"""Draws the pictures of the documents from real runs, and prints the table on gradients that accumulate.

python docs/draw.py
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slope.data import RowsOfSteps, prepare
from slope.graph import DrawnGraph
from slope.graph.step import StepTrace, batch_of
from slope.loop import Training
from slope.palette import THEMES
from slope.records import EpochRecord
from slope.spec import TrainingSpec

FOLDER = Path(__file__).parent / "graphs"

LECTURE = (np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.0]))
LECTURE_SPEC = {"epochs": 10, "learning_rate": 0.01, "fit_bias": False, "initial_weights": [1.0]}


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    _draw("lecture", _step(*LECTURE, LECTURE_SPEC, epoch=0, step=2, row=2))
    _draw("eight", _step(*_eight(), {"epochs": 2, "learning_rate": 0.05}, epoch=1, step=4, row=4))
    huber = {"epochs": 10, "learning_rate": 0.1, "batch_size": "full", "loss": "huber"}
    _draw("huber", _step(*_with_an_outlier(), huber, epoch=5, step=0, row=5))
    _draw_losses([record.last_loss for record in _epochs(*LECTURE, LECTURE_SPEC)])
    _print_accumulation()


def _draw_losses(losses: list[float]) -> None:
    """The last loss of each epoch as a line with its points, in the colours of the graphs."""
    width, height, edge, widest = 320, 200, 36, len(losses) - 1
    places = [
        (edge + epoch * (width - 2 * edge) / widest, height - edge - loss * (height - 2 * edge) / max(losses))
        for epoch, loss in enumerate(losses)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    for name, theme in THEMES.items():
        points = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
        labels = [
            (edge, edge - 10, f"loss {losses[0]:.2f}"),
            (width - edge, places[-1][1] - 10, f"{losses[-1]:.2f}"),
            (edge, height - 12, "epoch 0"),
            (width - edge, height - 12, str(widest)),
        ]
        texts = "".join(
            f'<text x="{x}" y="{y:.1f}" text-anchor="{"start" if x == edge else "end"}">{label}</text>'
            for x, y, label in labels
        )
        (FOLDER / f"loss-{name}.svg").write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
            f'<rect width="{width}" height="{height}" fill="{theme.background}"/>'
            f'<path d="M{edge} {edge}V{height - edge}H{width - edge}" fill="none" stroke="{theme.line}"/>'
            f'<polyline points="{line}" fill="none" stroke="{theme.forward}" stroke-width="2"/>'
            f'<g fill="{theme.forward}">{points}</g>'
            f'<g fill="{theme.ink}" font-family="DejaVu Sans, sans-serif" font-size="12">{texts}</g></svg>\n'
        )


def _draw(name: str, graph: DrawnGraph) -> None:
    for theme in ("light", "dark"):
        (FOLDER / f"{name}-{theme}.svg").write_text(graph.svg(theme) + "\n")


def _step(x: Any, y: Any, settings: dict[str, Any], *, epoch: int, step: int, row: int) -> DrawnGraph:
    """The graph of a step of a run, as the service would answer it."""
    spec = TrainingSpec.model_validate(settings)
    data, rows = prepare(x, y, spec), RowsOfSteps(len(y), spec, epoch)[step]
    record = _epochs(x, y, settings)[epoch].steps[step]
    graph = StepTrace(spec, record.parameters, batch_of(data, spec, rows)).graph(row)
    return replace(graph, title=f"Epoch {epoch}, step {step}, row {row}: {graph.title}")


def _epochs(x: Any, y: Any, settings: dict[str, Any]) -> list[EpochRecord]:
    spec = TrainingSpec.model_validate(settings)
    return list(Training(prepare(x, y, spec), spec).epochs())


def _eight() -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    x = random.normal(size=(30, 8)).round(2)
    return x, (x @ np.arange(1.0, 9.0) + 0.5).round(2)


def _with_an_outlier() -> tuple[Any, Any]:
    return np.arange(1.0, 7.0)[:, None], np.array([2.9, 5.2, 7.1, 8.8, 11.2, 30.0])


def _print_accumulation() -> None:
    """The lecture's data with and without setting the gradient to zero."""
    step, never = (_epochs(*LECTURE, LECTURE_SPEC | {"zero_gradients": zero}) for zero in ("step", "never"))
    print("| epoch | step | `.grad`, `step` | w | `.grad`, `never` | w |\n|---|---|---|---|---|---|")
    for epoch in range(3):
        for one, other in zip(step[epoch].steps, never[epoch].steps, strict=True):
            cells = [*(number for each in (one, other) for number in (*each.gradient[0], *each.parameters[0]))]
            print(f"| {epoch} | {one.step} | " + " | ".join(f"{number:.4f}" for number in cells) + " |")
    for name, run in (("step", step), ("never", never)):
        print(name, [round(record.parameters.weights[0], 4) for record in run], [round(r.last_loss, 4) for r in run])


if __name__ == "__main__":
    main()
