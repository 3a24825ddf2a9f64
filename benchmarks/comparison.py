"""Two ways to the same end, measured in turns, and what is said of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal


@dataclass(frozen=True)
class Aim:
    """The bound of the ratio ours / theirs."""

    side: Literal["at most", "at least"]
    bound: float

    def __str__(self) -> str:
        return f"{self.side} {self.bound:g}"

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.bound if self.side == "at most" else ratio >= self.bound


@dataclass(frozen=True)
class Result:
    """One comparison, as the documentation tells it."""

    what: str
    ours: str
    theirs: str
    unit: str
    measured: float
    rival: float
    ratio: float
    spread: str
    aim: str | None
    is_met: bool | None


RESULTS: list[Result] = []
"""Of all that has been compared so far in this run."""
_heading = ""


def heading(what: str) -> None:
    """Say what is compared from here on."""
    global _heading
    _heading = what
    print(what, flush=True)


def in_turns(repeats: int, ways: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each way measures, one after another in every repeat, so that all see the same weather."""
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, measure in ways.items():
            measured[name].append(measure())
    return measured


def compare(measured: Mapping[str, list[float]], ours: str, theirs: str, unit: str, aim: Aim | None = None) -> None:
    """Print the median of both, their ratio, how much it varies from repeat to repeat, and whether the aim is met."""
    ratio = float(median(measured[ours]) / median(measured[theirs]))
    is_met = None if aim is None else bool(aim.is_met(ratio))
    medians = float(median(measured[ours])), float(median(measured[theirs]))
    spread = _spread(measured[ours], measured[theirs])
    told = None if aim is None else str(aim)
    RESULTS.append(Result(_heading, ours, theirs, unit, *medians, ratio, spread, told, is_met))
    verdict = f"aim {aim}: {'met' if aim.is_met(ratio) else 'NOT MET'}" if aim else "no aim, for information"
    for name in (theirs, ours):
        print(f"  {name:<40}{median(measured[name]):10.4g} {unit} {_range(measured[name])}")
    print(
        f"  {'ratio of the medians':<40}{ratio:10.3g} {spread}; {verdict}\n",
        flush=True,
    )


def _range(values: list[float]) -> str:
    return f"(median of {len(values)}, from {min(values):.4g} to {max(values):.4g})"


def _spread(ours: list[float], theirs: list[float]) -> str:
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    if len(ratios) < 4:
        return f"({', '.join(f'{ratio:.3g}' for ratio in ratios)})"
    low, _, high = quantiles(ratios, n=4)
    return f"({low:.3g} to {high:.3g} in the middle half of the pairs)"
