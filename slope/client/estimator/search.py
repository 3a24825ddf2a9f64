"""The search of a grid: every setting on every fold, trained as one sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.model_selection._validation import _insert_error_scores, _warn_or_raise_about_fit_failures
from sklearn.utils import indexable

from slope.arrays import Indices
from slope.client.estimator.outcomes import Label, Outcome, Sweep
from slope.client.estimator.regressor import SlopeRegressor, plain
from slope.client.estimator.scoring import RowsToScore, Score, Scoring
from slope.client.problem import JobFailed, Json
from slope.spec import TrainingSpec
from slope.spec.names import counted


class SlopeSearchCV(GridSearchCV):  # type: ignore[misc]
    """scikit-learn's GridSearchCV for a SlopeRegressor, whose fits are one sweep, folds and all.

    The settings of a fold are trained together, from the rows of the others, in their order. With `refit`, the sweep
    has every setting on all rows, too, and the best of them is `best_estimator_`. `name` and `metadata` are the
    sweep's; after `fit`, `sweep_id_` is its id (None of one trained in this process, by a `local` estimator).

    All else is as in GridSearchCV: `scoring`, `cv`, `error_score`, `cv_results_`, `best_params_` and so on. What it
    says of processes (`n_jobs`, `pre_dispatch`, `verbose`) is of no matter here.
    """

    def __init__(
        self,
        estimator: SlopeRegressor,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.name = name
        self.metadata = metadata

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None) -> Self:
        """Train and score every setting on every fold of X (N × D) and y (N); `groups` are for the splitter."""
        _refuse_other_estimators(self.estimator)
        scorers, metric = self._get_scorers()
        X, y, sample_weight, groups = indexable(X, y, sample_weight, groups)
        candidates = list(ParameterGrid(self.param_grid))
        folds = [_Fold.of(split, len(y)) for split in check_cv(self.cv, y).split(X, y, groups)]
        self.n_splits_ = len(folds)
        template = clone(self.estimator)
        table = template.table_of(X, y, sample_weight)
        estimators = [_setting(template, candidate) for candidate in candidates]
        sweep = self._train(template, table, candidates, folds)
        is_weighted = sample_weight is not None and self._check_scorers_accept_sample_weight()
        weights = sample_weight if is_weighted else None
        scoring = Scoring(X, y, weights, scorers, self.error_score, is_own=self.scoring is None)
        out = self._scores(estimators, folds, sweep.outcomes[: len(candidates) * len(folds)], scoring)
        self._conclude(candidates, out, scorers, metric)
        if self.refit:
            self._refit(estimators[self.best_index_], sweep.outcomes[len(out) + self.best_index_])
        self.sweep_id_ = sweep.id
        return self

    def _train(self, template: SlopeRegressor, table: Any, candidates: list[Json], folds: list["_Fold"]) -> Sweep:
        """Candidate by candidate its folds, then the candidates on all rows, where there is a refit."""
        own = [_hyperparameters(candidate) for candidate in candidates]
        settings = [each | fold.held_back for each, fold in product(own, folds)]
        swept = {name for candidate in candidates for name in candidate}
        shared = {name: value for name, value in template.hyperparameters.items() if name not in swept}
        name = self.name or f"grid of {counted(len(candidates), 'setting')}, {counted(len(folds), 'fold')}"
        whole = own if self.refit else []
        return template.trainer.fit_many(table, shared, [*settings, *whole], Label(name, self.metadata))

    def _scores(
        self,
        estimators: list[SlopeRegressor],
        folds: list["_Fold"],
        outcomes: Sequence[Outcome | JobFailed],
        scoring: Scoring,
    ) -> list[Json]:
        """As scikit-learn keeps what fits came to: setting by setting its folds, as the outcomes are."""
        found: list[Json] = [{}] * len(outcomes)
        for place, fold in enumerate(folds):
            tested, here = scoring.on(fold.test), outcomes[place :: len(folds)]
            trained = scoring.on(fold.train) if self.return_train_score else None
            known = tested.of_all(estimators[0], here)
            for index, (estimator, outcome) in enumerate(zip(estimators, here, strict=True)):
                told = self._scored(estimator, outcome, tested, trained, known.get(index))
                found[index * len(folds) + place] = told
        return found

    def _scored(
        self,
        estimator: SlopeRegressor,
        outcome: Outcome | JobFailed,
        tested: RowsToScore,
        trained: RowsToScore | None,
        known: Score | None,
    ) -> Json:
        """Raises JobFailed where errors are to be raised."""
        if isinstance(outcome, JobFailed):
            if self.error_score == "raise":
                raise outcome
            scores = tested.scoring.of_failure
            failed = {"fit_error": str(outcome), "test_scores": scores, "fit_time": 0.0, "score_time": 0.0}
            return failed | ({"train_scores": scores} if trained else {})
        estimator.adopt(outcome)
        score = known or tested.of(estimator)
        found = {"fit_error": None, "test_scores": score.value}
        found |= {"fit_time": outcome.seconds, "score_time": score.seconds}
        return found | ({"train_scores": trained.of(estimator).value} if trained else {})

    def _conclude(self, candidates: list[Json], out: list[Json], scorers: Any, metric: str) -> None:
        """The table of results, and which setting is the best."""
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        self.cv_results_ = results = self._format_results(candidates, self.n_splits_, out)
        first = out[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, results)
            self.best_params_ = results["params"][self.best_index_]
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
        self.scorer_ = getattr(scorers, "_scorers", scorers)

    def _refit(self, estimator: SlopeRegressor, outcome: Outcome | JobFailed) -> None:
        if isinstance(outcome, JobFailed):
            raise outcome
        self.best_estimator_ = estimator.adopt(outcome)
        self.refit_time_ = outcome.seconds
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_


@dataclass(frozen=True)
class _Fold:
    """Rows to train on and rows to score by."""

    train: Indices
    test: Indices
    rest: Indices
    """Those that the splitter left out."""

    @classmethod
    def of(cls, split: tuple[Any, Any], rows: int) -> Self:
        """From what a splitter gives: indices, or a truth for each row."""
        train, test = (np.arange(rows)[np.asarray(part)] for part in split)
        seen = np.bincount(np.concatenate([train, test]), minlength=rows)
        if seen.max(initial=0) > 1:
            row = int(seen.argmax())
            raise ValueError(
                f"A fold has row {row} {seen[row]} times: a run learns from each row once, and not from those it is "
                "scored by. Take another cv, or GridSearchCV, which trains every fit by itself"
            )
        return cls(train, test, np.flatnonzero(seen == 0))

    @property
    def held_back(self) -> Json:
        """The hyperparameters that keep the other rows out of the training."""
        parts = {"validation_rows": _ranges(self.test), "test_rows": _ranges(self.rest)}
        return {name: ranges for name, ranges in parts.items() if ranges}


def _ranges(rows: Indices) -> list[list[int]]:
    """Rows as ranges [first, stop)."""
    runs = np.split(np.sort(rows), np.flatnonzero(np.diff(np.sort(rows)) > 1) + 1)
    return [[int(run[0]), int(run[-1]) + 1] for run in runs if len(run)]


def _setting(template: SlopeRegressor, candidate: Json) -> SlopeRegressor:
    """An estimator with these parameters, that knows the columns. Raises ValueError for what is no parameter."""
    estimator: SlopeRegressor = clone(template).set_params(**clone(candidate, safe=False))
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(template, name):
            setattr(estimator, name, getattr(template, name))
    return estimator


def _hyperparameters(candidate: Json) -> Json:
    """Those of a candidate that are not the service's own. Raises ValueError for other parameters."""
    for name in candidate:
        if name not in TrainingSpec.model_fields:
            raise ValueError(f"A grid is of hyperparameters: {name!r} is none, and is the same for the whole sweep")
    return {name: plain(value) for name, value in candidate.items() if value is not None}


def _refuse_other_estimators(estimator: Any) -> None:
    if not isinstance(estimator, SlopeRegressor):
        raise TypeError(
            f"SlopeSearchCV trains a SlopeRegressor, not a {type(estimator).__name__}. It standardizes by itself "
            "(standardize=True); for pipelines take scikit-learn's GridSearchCV, in which every fit is a job"
        )
