"""Vectors as JSON, as SQLite keeps them: many are written or read by one call, without an object a vector."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from slope.data import Array


def write_vectors(matrix: NDArray[np.generic]) -> list[str]:
    """Each row of M × D numbers as a list. All are written in one go, and then cut."""
    text = orjson.dumps(np.ascontiguousarray(matrix), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return [f"[{vector}]" for vector in text[2:-2].split("],[")]


def read_vectors(texts: Sequence[str]) -> Array:
    """At least one list of D numbers as a row of M × D. All are read as one list, and then cut."""
    numbers = ",".join(texts).replace("[", "").replace("]", "")
    return np.array(orjson.loads(f"[{numbers}]"), np.float64).reshape(len(texts), -1)
