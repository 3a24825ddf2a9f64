"""Answers about the statistics of a fit: how sure it is, and which rows hold it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from slope.answers.analysis import RSquaredKind
from slope.answers.view import View

DESCRIBED = ConfigDict(use_attribute_docstrings=True)
"""For OpenAPI: the sentences beneath the fields describe them."""

Measure = Literal["cook", "leverage", "studentized"]
"""What influential rows are ordered by."""


@dataclass(frozen=True)
class FTest:
    """Of all weights together: whether the model says more than its bias does, or than 0 where it has none."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    value: float
    """By how much more the model explains than noise would, for each of its weights."""
    p: float
    """How probable so large a value is, if none of the features had a say."""


@dataclass(frozen=True)
class Coefficient:
    """One of the exact solution's. None is what the rows do not tell."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    name: str
    """That of its column, or `bias`."""
    estimate: float
    """In the data's own units."""
    standard_error: float | None
    """How far estimates from other rows of the same kind would be apart."""
    t: float | None
    """estimate / standard_error."""
    p: float | None
    """How probable it is that t is so far from 0 if the coefficient is 0."""
    lower: float | None
    """Of the interval that holds the coefficient with the probability `level`."""
    upper: float | None
    """Of the same interval."""
    vif: float | None
    """The variance inflation factor, 1/(1 − R²) of its column by the others: 1 where it has nothing in common with
    them, beyond 10 where they say nearly the same. None of the bias."""
    trained: float | None
    """What the run came to."""
    distance: float | None
    """(trained − estimate) / standard_error: within ±0.1 the run came as near as the rows can tell."""


@dataclass(frozen=True)
class Statistics:
    """Of the exact least-squares solution on the rows trained on, not of the run. None is what does not exist."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    of: Literal["exact"]
    """The minimum itself: what a run comes to has no such statistics, for it depends on where it stopped."""
    rows: int
    """Those trained on; of weights, those above 0."""
    degrees_of_freedom: float
    """Rows less coefficients: what is left to tell noise by."""
    effective_degrees_of_freedom: float
    """Coefficients that the rows tell; under l2 fewer, for each counts only as far as the penalty lets it be free."""
    residual_deviation: float
    """σ: the root of ‖y − ŷ‖² / degrees_of_freedom, in units of y."""
    r_squared: float | None
    """The share of y's squares that the model explains."""
    adjusted_r_squared: float | None
    """The same, less what as many columns of noise would explain."""
    r_squared_kind: RSquaredKind
    """What y is compared with: its mean, or 0 where the model has no bias."""
    f: FTest | None
    """Of all weights together."""
    log_likelihood: float | None
    """Of normal residuals."""
    aic: float | None
    """2·coefficients − 2·log_likelihood: of models of the same y, less is better."""
    bic: float | None
    """log(rows)·coefficients − 2·log_likelihood."""
    durbin_watson: float | None
    """Σ(eᵢ − eᵢ₋₁)²/Σeᵢ² over neighbouring rows: near 2 where they have nothing to do with each other, towards 0 where
    a residual resembles the one before it."""
    condition_indices: list[float | None]
    """The largest singular value over each, of columns of one length: beyond 30 some columns say nearly the same."""
    covariance: str
    """Of the coefficients: nonrobust, which takes all rows for equally noisy and independent, or what was asked for."""
    distribution: Literal["t", "normal"]
    """That p and the intervals are of."""
    level: float
    """Of the intervals."""
    coefficients: list[Coefficient]
    """The bias first, where it learns, and the features in their order."""
    notes: list[str]
    """Sentences: what these numbers do not say, and why some are not there."""


@dataclass(frozen=True)
class InfluentialRow:
    """How a row holds the line. None is what does not exist."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    row: int
    """Of the dataset, counted from 0."""
    leverage: float
    """How far its prediction follows its own y: from 0, not at all, to 1, wholly. They add up to the coefficients."""
    residual: float
    """y − ŷ, without the row's weight."""
    standardized: float | None
    """The residual over its standard error, with all rows' deviation."""
    studentized: float | None
    """The same, with the deviation of all other rows: Student's t, where the row is of their kind."""
    cook: float | None
    """How far all predictions move without the row: ‖Δŷ‖² / (coefficients·σ²)."""
    dffits: float | None
    """How far its own prediction moves without it, over that prediction's standard error."""


@dataclass(frozen=True)
class Influence:
    """Of the rows trained on, on the exact solution."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    of: Literal["exact"]
    """The minimum itself, not what the run came to."""
    rows: int
    """Those trained on."""
    press: float | None
    """Σ(y − ŷ)² times weight, each row predicted by the fit to all others; None where one holds a coefficient alone."""
    predicted_r_squared: float | None
    """1 − press over the squares of y: R² of rows that were not learnt from."""
    by: Measure
    """What the rows are ordered by, the greatest first; `studentized` without its sign."""
    data: list[InfluentialRow]
    """The first of them."""
    notes: list[str]
    """Sentences: what these numbers do not say."""


class UnderwayView(View):
    """The statistics are not there yet: ask again, with `Prefer: wait=60` to be answered when they are."""

    state: Literal["queued", "running"]
    """Whether a worker has taken it."""
    rows: int
    """How many it looks at."""
