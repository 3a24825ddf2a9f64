"""What begins a training, or goes back to one. Both clients make a handle of the job of it."""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from slope.answers.jobs import JobView
from slope.client.calls import jobs
from slope.client.exchange.exchange import Call, Id, Json, given
from slope.client.frames import inline_dataset, rows_of


class Hyperparameters(TypedDict, total=False):
    """Those of a job, as GET /v1/jobs/{id} and the reference of names have them; what is left out has its default."""

    epochs: int
    learning_rate: float | str
    batch_size: int | str
    shuffle: bool
    seed: int
    optimizer: Json
    schedule: Json
    loss: str
    huber_delta: float
    l1: float
    l2: float
    fit_bias: bool
    initial_weights: Sequence[float] | str
    initial_bias: float | str
    frozen: Sequence[str]
    zero_gradients: str
    standardize: bool
    validation_fraction: float
    test_fraction: float
    validation_rows: Sequence[Sequence[int]]
    test_rows: Sequence[Sequence[int]]
    early_stopping: Json | None
    clip_norm: float | None
    dtype: str
    engine: str
    record: Json


def train(
    x: Any,
    y: Any,
    *,
    weights: Any = None,
    features: Sequence[str] | None = None,
    target: str | None = None,
    predict: Any = None,
    initial_from: Json | None = None,
    name: str | None = None,
    metadata: dict[str, str] | None = None,
    device: str | None = None,
    timeout_seconds: float | None = None,
    cross_validation: int | None = None,
    idempotency_key: str | None = None,
    **hyperparameters: Unpack[Hyperparameters],
) -> Call[JobView]:
    """Queue a job that learns y from x, and give a handle of it.

    `x` is N numbers, N rows, or a frame: lists, NumPy, pandas, polars or Arrow. `y` and the rows' `weights` are N
    numbers, or names of columns of the frame; `features` says which of its columns to learn from, all others by
    default. `initial_from`, as `{"job": id}`, goes on from another job. `cross_validation` is a number of folds.

    While the service is away the request is made again, and makes one job all the same.
    """
    request = given(
        dataset=inline_dataset(x, y, weights=weights, features=features, target=target),
        hyperparameters={key: list(each) if isinstance(each, tuple) else each for key, each in hyperparameters.items()},
        predict=None if predict is None else rows_of(predict),
        initial_from=initial_from,
        name=name,
        metadata=metadata,
        device=device,
        timeout_seconds=timeout_seconds,
        cross_validation=cross_validation,
    )
    return jobs.submit(request, idempotency_key=idempotency_key)


def attach(job_id: Id) -> Call[JobView]:
    """A handle of a job that is there."""
    return jobs.job(job_id)
