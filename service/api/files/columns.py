"""Records as columns of doubles: a vector of D numbers becomes the columns `weights_0` to `weights_{D-1}`.

A vector that is not there (the gradient of a frozen parameter) is a null in each of them, and so is a missing bias.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from service.prediction.datasets import Scored
from service.prediction.points import Prediction
from service.records.pages import StepWithRows
from service.store.tables import Epoch

_ROWS = pa.list_(pa.int64())


def epoch_columns(epochs: Sequence[Epoch], features: int) -> pa.RecordBatch:
    columns = {
        "epoch": _integers([row.epoch for row in epochs]),
        "loss": _doubles([row.loss for row in epochs]),
        "last_loss": _doubles([row.last_loss for row in epochs]),
        "validation_loss": _doubles([row.validation_loss for row in epochs]),
        **_vectors("gradient_mean_weights", [row.gradient_mean_weights for row in epochs], features),
        "gradient_mean_bias": _doubles([row.gradient_mean_bias for row in epochs]),
        **_vectors("gradient_last_weights", [row.gradient_last_weights for row in epochs], features),
        "gradient_last_bias": _doubles([row.gradient_last_bias for row in epochs]),
        "gradient_norm": _doubles([row.gradient_norm for row in epochs]),
        **_vectors("weights", [row.weights for row in epochs], features),
        "bias": _doubles([row.bias for row in epochs]),
        "learning_rate": _doubles([row.learning_rate for row in epochs]),
        "seconds": _doubles([row.seconds for row in epochs]),
    }
    return pa.RecordBatch.from_pydict(columns)


def step_columns(steps: Sequence[StepWithRows], features: int) -> pa.RecordBatch:
    found = [each.step for each in steps]
    columns = {
        "epoch": _integers([row.epoch for row in found]),
        "step": _integers([row.step for row in found]),
        "rows": pa.array([each.rows for each in steps], _ROWS),
        "loss": _doubles([row.loss for row in found]),
        **_vectors("gradient_weights", [row.gradient_weights for row in found], features),
        "gradient_bias": _doubles([row.gradient_bias for row in found]),
        **_vectors("weights", [row.weights for row in found], features),
        "bias": _doubles([row.bias for row in found]),
    }
    return pa.RecordBatch.from_pydict(columns)


def prediction_columns(found: Sequence[Prediction]) -> pa.RecordBatch:
    """Of at least one point."""
    columns = {
        **_vectors("x", [each.x for each in found], len(found[0].x)),
        "before": _doubles([each.before for each in found]),
        "after": _doubles([each.after for each in found]),
    }
    return pa.RecordBatch.from_pydict(columns)


def scored_columns(scored: Scored) -> pa.RecordBatch:
    columns = {
        "row": pa.array(range(scored.start, scored.start + len(scored.after)), pa.int64()),
        "before": pa.array(scored.before),
        "after": pa.array(scored.after),
    }
    if scored.y is not None:
        columns |= {"y": pa.array(scored.y), "residual": pa.array(scored.residuals)}
    return pa.RecordBatch.from_pydict(columns)


def _integers(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.int64())


def _doubles(values: Sequence[float | None]) -> pa.Array:
    return pa.array(values, pa.float64())


def _vectors(name: str, vectors: Sequence[list[float] | None], features: int) -> dict[str, pa.Array]:
    missing = np.array([vector is None for vector in vectors], bool)
    nothing = [0.0] * features
    matrix = np.array([vector or nothing for vector in vectors], float).reshape(len(vectors), features)
    return {f"{name}_{each}": pa.array(column, mask=missing) for each, column in enumerate(matrix.T.copy())}
