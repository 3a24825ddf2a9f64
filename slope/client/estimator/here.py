"""Fits that are trained in this process, by the libraries of the server. What is recorded, the estimator keeps."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from slope.answers.jobs import ErrorView
from slope.client.estimator.outcomes import HISTORY, Label, Outcome, Sweep, Table
from slope.client.problem import JobFailed, Json
from slope.spec import TrainingSpec
from slope.spec.data import default_features
from slope.splits import divide_rows

if TYPE_CHECKING:
    from slope.in_process import Trained

_MOST_FEATURES = 128
"""Of a fit whose statistics are told: it keeps a triangle, which has 133 kB then."""


class Here:
    """A trainer that asks nobody."""

    def fit(self, table: Table, hyperparameters: Json, label: Label) -> Outcome:
        """One run."""
        from slope.in_process import train

        spec = TrainingSpec.model_validate(hyperparameters)
        return _outcome(train(_rows(table), spec), table, _triangle(table, spec))

    def go_on(self, table: Table, hyperparameters: Json, label: Label, before: Outcome | None) -> Outcome:
        """The epoch after those of another run, or the first."""
        from slope.in_process import train

        state, done = (before.state, before.epochs_done) if before else (None, 0)
        start = before.start if before and state is None else {}  # one of a sweep: its parameters are all there is
        spec = TrainingSpec.model_validate({"engine": "eager"} | _said(hyperparameters) | start)
        until = done + 1 if state else 1
        spec = spec.model_copy(update={"epochs": max(spec.epochs, until)})
        return _outcome(train(_rows(table), spec, state, until), table, _triangle(table, spec), done)

    def fit_many(self, table: Table, shared: Json, settings: Sequence[Json], label: Label) -> Sweep:
        """A run for each of the settings, which share the other hyperparameters; those that fail are in their place."""
        from slope.in_process import train_many

        specs = [TrainingSpec.model_validate(shared | own) for own in settings]
        found, triangles = train_many(_rows(table), specs), dict[Hashable, Json | None]()
        outcomes: list[Outcome | JobFailed] = []
        for trained in found:
            split = (trained.spec.split, trained.spec.seed)
            if split not in triangles:  # those of a fold have no statistics: nobody asks for them
                triangles[split] = None if trained.spec.names_rows else _triangle(table, trained.spec)
            try:
                outcomes.append(_outcome(trained, table, triangles[split]))
            except JobFailed as failure:
                outcomes.append(failure)
        return Sweep(None, outcomes)


@dataclass(frozen=True)
class _Kept:
    """What an estimator keeps of a run."""

    trained: "Trained"
    features: list[str]
    triangle: Json | None
    """As a pass over the rows trained on found it; None of rows that are too wide."""

    def history(self) -> dict[str, Any]:
        """The columns of HISTORY that there are, a number or a row for every epoch."""
        found = {} if self.trained.epochs is None else self.trained.epochs.arrays()
        return {name: found[name] for name in HISTORY if found.get(name) is not None}

    def statistics(self) -> Json:
        """Of the exact solution. Raises NoRowsLeft and BeyondRange."""
        from slope.statistics.passes import columns_of, weighting_of
        from slope.statistics.solution import BeyondRange, solve_columns
        from slope.statistics.table import tell

        if self.triangle is None:
            raise ValueError(f"Of fits in this process, those of at most {_MOST_FEATURES} features have statistics")
        columns = columns_of(self.triangle)
        if columns is None:
            raise BeyondRange
        solution = solve_columns(columns, self.trained.spec, weighting_of(self.triangle))
        reached = (self.trained.weights.tolist(), self.trained.bias)
        return asdict(tell(solution, self.features, level=0.95, trained=reached))


def _said(hyperparameters: Json) -> Json:
    """Without what is left to the trainer."""
    return {name: value for name, value in hyperparameters.items() if (name, value) != ("engine", "auto")}


def _rows(table: Table) -> Any:
    from slope.in_process import Rows

    return Rows(table.x, table.y, table.weights)


def _outcome(trained: "Trained", table: Table, triangle: Json | None, done: int = 0) -> Outcome:
    """Raises JobFailed. `done` are the epochs of the runs before it."""
    if trained.failure:
        raise JobFailed("failed", ErrorView(code="diverged", detail=trained.failure))
    epochs = done + (0 if trained.epochs is None else len(trained.epochs))
    kept = _Kept(trained, table.features or default_features(table.x.shape[1]), triangle)
    return Outcome(trained.weights, trained.bias, epochs, kept, trained.seconds, state=trained.state)


def _triangle(table: Table, spec: TrainingSpec) -> Json | None:
    """Of the rows that are trained on."""
    from slope.statistics.passes import TrianglePass

    features = table.x.shape[1]
    if features > _MOST_FEATURES:
        return None
    rows, _, _ = divide_rows(len(table.y), spec)
    if table.weights is not None:
        rows = rows[table.weights[rows] > 0]
    taken = TrianglePass(features)
    weights = None if table.weights is None else table.weights[rows]
    taken.add(table.x[rows], table.y[rows], rows, weights=weights)
    return taken.result()
