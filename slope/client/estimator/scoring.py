"""The scores of a search: every setting's, on the rows that its fold held back."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.model_selection._validation import _score
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import validate_data

from slope.arrays import Indices
from slope.client.estimator.outcomes import Outcome
from slope.client.estimator.regressor import SlopeRegressor
from slope.client.problem import JobFailed


@dataclass(frozen=True)
class Score:
    """What scikit-learn's scorers say of a fit, and the seconds that it took them."""

    value: Any
    seconds: float


@dataclass(frozen=True)
class Scoring:
    """By what, and on which rows, estimators are scored."""

    x: Any
    y: Any
    weights: Any
    """Of the rows, where the scorer takes them."""
    scorers: Any
    error_score: Any
    is_own: bool
    """Whether it is the estimator's own score."""

    def on(self, rows: Indices) -> "RowsToScore":
        x, y = (_safe_indexing(each, rows) for each in (self.x, self.y))
        weights = {} if self.weights is None else {"sample_weight": _safe_indexing(self.weights, rows)}
        return RowsToScore(self, x, y, weights)

    @property
    def of_failure(self) -> Any:
        """In the shape that the scores of fits have, where that is known."""
        names = getattr(self.scorers, "_scorers", None)
        return self.error_score if names is None else dict.fromkeys(names, self.error_score)


@dataclass(frozen=True)
class RowsToScore:
    """Some rows, chosen once for all estimators."""

    scoring: Scoring
    x: Any
    y: Any
    weights: dict[str, Any]

    def of(self, estimator: SlopeRegressor) -> Score:
        started = perf_counter()
        value = _score(estimator, self.x, self.y, self.scoring.scorers, self.weights, self.scoring.error_score)
        return Score(value, perf_counter() - started)

    def of_all(self, estimator: SlopeRegressor, outcomes: Sequence[Outcome | JobFailed]) -> dict[int, Score]:
        """By index those of runs that are scored together, by R²; the others are to be scored one by one.

        scikit-learn's checks of each score take many times as long as the score.
        """
        runs = {index: run for index, run in enumerate(outcomes) if isinstance(run, Outcome)}
        can_be = self.scoring.is_own and type(estimator) is SlopeRegressor and not self.weights and len(self.y) > 1
        if not (can_be and runs):
            return {}
        started = perf_counter()
        x = validate_data(estimator, self.x, dtype=np.float64, reset=False)
        predictions = x @ np.column_stack([run.weights for run in runs.values()])
        predictions += [run.bias or 0.0 for run in runs.values()]
        if not np.isfinite(predictions).all():
            return {}
        truth = np.asarray(self.y, dtype=np.float64).reshape(-1, 1)
        found = r2_score(np.repeat(truth, len(runs), axis=1), predictions, multioutput="raw_values").tolist()
        seconds = (perf_counter() - started) / len(runs)
        return {index: Score(value, seconds) for index, value in zip(runs, found, strict=True)}
