"""`slope demo`: one command, every number of the lecture, and nothing left behind."""

import re
from pathlib import Path
from typing import Any

from e2e.processes import slope, until


def test_the_demo_prints_the_lectures_numbers_and_leaves_nothing_behind(folder: Path, lecture: dict[str, Any]) -> None:
    with slope(folder, "demo") as demo:
        assert demo.wait() == 0, demo.log
        assert not demo.family()
        assert not list(demo.folder.glob("slope-*"))

        records, steps = lecture["records"], [step for record in lecture["records"] for step in record["steps"]]
        assert _numbers(r"w\.grad = (\S+)", demo.output) == [step["gradient"] for step in steps]
        assert _numbers(r"x = (\S+)  y", demo.output) == [step["x"] for step in steps]
        assert _numbers(r"loss = (\S+)", demo.output) == [record["last_loss"] for record in records]
        assert _numbers(r"w = (\S+)  loss", demo.output) == [record["weight_after"] for record in records]
        assert _numbers(r"before training for x = 4: (\S+)", demo.output) == [lecture["prediction_before"]]
        assert _numbers(r"after training for x = 4: (\S+)", demo.output) == [lecture["prediction_after"]]


def test_a_killed_demo_takes_its_service_with_it(folder: Path) -> None:
    with slope(folder, "demo") as demo:
        demo.until_written("The service runs at")
        demo.process.kill()
        until(lambda: not demo.family())


def _numbers(pattern: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(pattern, text)]
